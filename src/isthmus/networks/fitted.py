"""Fitted modules: a trained network with the scaling of what comes in and of what goes out."""

from __future__ import annotations

from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from isthmus.networks.frames import Frame
from isthmus.networks.layers import FeedForward


class DataMap(eqx.Module):
    """A fitted pair with its scaling and frame: raw data in, canonical coordinates out, and back.

    A pair is an ``EncoderDecoder``, or another module with ``encode`` and ``decode``. The loss
    says which x̂ a raw output of the decoder stands for: its own, for all but cross-entropy.

    ``encode_centred`` and ``decode_centred`` leave the center to the caller, who may subtract and
    add it in float64 where float32 would cancel.
    """

    pair: Any
    frame: Frame
    center: Float[Array, " D"]
    scale: Float[Array, " D"]
    loss: Any = eqx.field(static=True)

    def encode(self, x: Float[Array, "... D"]) -> Float[Array, "... d"]:
        return self.encode_centred(x - self.center)

    def decode(self, z: Float[Array, "... d"]) -> Float[Array, "... D"]:
        return self.decode_centred(z) + self.center

    def encode_centred(self, x: Float[Array, "... D"]) -> Float[Array, "... d"]:
        return self.frame.enter(self.pair.encode(x / self.scale))

    def decode_centred(self, z: Float[Array, "... d"]) -> Float[Array, "... D"]:
        x: Array = self.loss.mean(self.pair.decode(self.frame.leave(z))) * self.scale
        return x


class Predictor(eqx.Module):
    """A network with the scaling of what comes in and of what goes out: raw rows in, predictions out.

    The loss says which prediction an output of the network stands for: the target in scaled units, or
    the probabilities of the classes, which have target_center 0 and target_scale 1.

    ``outputs`` and ``centred`` leave the centers to the caller, who may subtract and add them in float64
    where float32 would cancel.
    """

    network: FeedForward
    center: Float[Array, " D"]
    scale: Float[Array, " D"]
    target_center: Float[Array, " K"]
    target_scale: Float[Array, " K"]
    loss: Any = eqx.field(static=True)

    def __call__(self, x: Float[Array, "... D"]) -> Float[Array, "... K"]:
        return self.centred(x - self.center) + self.target_center

    def centred(self, x: Float[Array, "... D"]) -> Float[Array, "... K"]:
        y: Array = self.loss.mean(self.outputs(x)) * self.target_scale
        return y

    def outputs(self, x: Float[Array, "... D"]) -> Float[Array, "... k"]:
        return self.network(x / self.scale)
