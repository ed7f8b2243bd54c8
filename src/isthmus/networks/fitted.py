"""Fitted modules: trained networks with the scaling of what comes in and of what goes out.

A fitted module takes raw rows. Each of its functions has a centred form, which leaves the centers to the
caller: ``applying.apply`` subtracts and adds them in float64, where float32 would cancel.
"""

from __future__ import annotations

from abc import abstractmethod
from types import ModuleType
from typing import Protocol

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from isthmus import registry
from isthmus.networks.frames import Frame
from isthmus.networks.layers import FeedForward
from isthmus.networks.links import Link


class FittedMap(eqx.Module):
    """A map of raw rows to coordinates and back: x → z → x̂."""

    center: Float[Array, " D"]

    @property
    @abstractmethod
    def n_coordinates(self) -> int:
        """Number of coordinates d."""

    @abstractmethod
    def encode_centred(self, x: Float[Array, "... D"]) -> Float[Array, "... d"]:
        """Coordinates of rows that the center was subtracted from."""

    @abstractmethod
    def decode_centred(self, z: Float[Array, "... d"]) -> Float[Array, "... D"]:
        """Rows without the center."""

    def encode(self, x: Float[Array, "... D"]) -> Float[Array, "... d"]:
        return self.encode_centred(x - self.center)

    def decode(self, z: Float[Array, "... d"]) -> Float[Array, "... D"]:
        return self.decode_centred(z) + self.center


class Code(Protocol):
    """How angles and categories are written as numbers, and read back; ``xp`` is NumPy or JAX's."""

    def coded(self, x: Array, xp: ModuleType) -> Array: ...

    def decoded(self, u: Array, xp: ModuleType) -> Array: ...


class CodedEncoder(eqx.Module):
    """x → z of rows with angles or categories."""

    code: Code = eqx.field(static=True)
    network: FittedMap

    def __call__(self, x: Float[Array, "... D"]) -> Float[Array, "... d"]:
        return self.network.encode(self.code.coded(x, jnp))


class CodedDecoder(eqx.Module):
    """z → x̂ of such rows."""

    code: Code = eqx.field(static=True)
    network: FittedMap

    def __call__(self, z: Float[Array, "... d"]) -> Float[Array, "... D"]:
        return self.code.decoded(self.network.decode(z), jnp)


class FittedPredictor(eqx.Module):
    """A function of raw rows that predicts: targets, or the probabilities of classes."""

    center: Float[Array, " D"]
    target_center: Float[Array, " K"]

    @abstractmethod
    def predict_centred(self, x: Float[Array, "... D"]) -> Float[Array, "... K"]:
        """Predictions without the center of the targets, of rows that the center was subtracted from."""

    def __call__(self, x: Float[Array, "... D"]) -> Float[Array, "... K"]:
        return self.predict_centred(x - self.center) + self.target_center


@registry.part
class DataMap(FittedMap):
    """A fitted pair with its scaling and frame: raw data in, canonical coordinates out, and back.

    A pair is an ``EncoderDecoder``, or another module with ``encode`` and ``decode``. The link says
    which x̂ a raw output of the decoder stands for.
    """

    pair: PyTree
    frame: Frame
    scale: Float[Array, " D"]
    link: Link = eqx.field(static=True)

    @property
    def n_coordinates(self) -> int:
        return len(self.frame.origin)

    def encode_centred(self, x: Float[Array, "... D"]) -> Float[Array, "... d"]:
        return self.frame.enter(self.pair.encode(x / self.scale))

    def decode_centred(self, z: Float[Array, "... d"]) -> Float[Array, "... D"]:
        return self.link(self.pair.decode(self.frame.leave(z))) * self.scale


@registry.part
class Predictor(FittedPredictor):
    """A network with the scaling of rows and of targets.

    The link says which prediction an output stands for: the target in scaled units, or the probabilities
    of the classes, which have target_center 0 and target_scale 1.
    """

    network: FeedForward
    scale: Float[Array, " D"]
    target_scale: Float[Array, " K"]
    link: Link = eqx.field(static=True)

    def predict_centred(self, x: Float[Array, "... D"]) -> Float[Array, "... K"]:
        return self.link(self.outputs_centred(x)) * self.target_scale

    def outputs_centred(self, x: Float[Array, "... D"]) -> Float[Array, "... k"]:
        """Outputs of the network before the link."""
        return self.network(x / self.scale)
