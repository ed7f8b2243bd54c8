"""Networks: the layer g(Wx − λ), chains of layers, the PCA path, encoder/decoder pairs.

A network is an Equinox module: a pytree whose leaves are its weights. Every ``__call__`` takes rows on
the last axis, ``(..., in)``, and returns ``(..., out)``. Weights are drawn in NumPy, because every
eager JAX operation would compile a program of its own.

Source: lecture notes, "Kernel networks" to "Auto-encoders"; initial scale after He et al. 2015
(arXiv:1502.01852), zero-started correction after Zhang et al. 2019 (arXiv:1901.09321).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.losses import Loss
from isthmus.moments import PrincipalAxes

Activation = Callable[[Array], Array]


def single(array: np.ndarray) -> Array:
    """float32 on the host, typed as the JAX array that it becomes in the first compiled call."""
    return cast(Array, np.asarray(array, np.float32))


def zeros(shape: int | tuple[()]) -> Array:
    """Zeros in float32, a vector or one number, as ``single`` gives them."""
    return single(np.zeros(shape))


class Constant(eqx.Module):
    """Numbers that belong to a network, and that training leaves as they are."""

    value: Any


def trainable(network: Any) -> Any:
    """True for what training moves: every array of floats that is not in a ``Constant``."""
    return jax.tree.map(
        lambda leaf: not isinstance(leaf, Constant) and eqx.is_inexact_array(leaf),
        network,
        is_leaf=lambda node: isinstance(node, Constant),
    )


# Functions of our own, because those of JAX do not pickle.


def tanh(x: Array) -> Array:
    """From −1 to 1."""
    return jnp.tanh(x)


def relu(x: Array) -> Array:
    """max(x, 0)."""
    return jax.nn.relu(x)


def cos(x: Array) -> Array:
    """Periodic; its slope at zero vanishes, which is what the shift is for."""
    return jnp.cos(x)


def silu(x: Array) -> Array:
    """x/(1 + e⁻ˣ)."""
    return jax.nn.silu(x)


def gelu(x: Array) -> Array:
    """x Φ(x), in the tanh approximation."""
    return jax.nn.gelu(x)


def identity(x: Array) -> Array:
    """A linear layer."""
    return x


ACTIVATIONS: dict[str, Activation] = {
    function.__name__: function for function in (tanh, relu, cos, silu, gelu, identity)
}


class Layer(eqx.Module):
    """One layer, x → g(W x − λ), plus S x⁽ˡ⁻¹⁾ inside g when a skip link l → l+2 ends here."""

    weight: Float[Array, "out in"]
    shift: Float[Array, " out"]
    skip_weight: Float[Array, "out before"] | None
    activation: Activation = eqx.field(static=True)

    def __call__(
        self, x: Float[Array, "... in"], before: Float[Array, "... before"] | None = None
    ) -> Float[Array, "... out"]:
        field = x @ self.weight.T - self.shift
        if self.skip_weight is not None and before is not None:
            field = field + before @ self.skip_weight.T
        return self.activation(field)


class FeedForward(eqx.Module):
    """A Markov chain of layers, x⁽ˡ⁺¹⁾ = f_l(x⁽ˡ⁾), or with skip links f_l(x⁽ˡ⁾, x⁽ˡ⁻¹⁾)."""

    layers: tuple[Layer, ...]

    def __call__(self, x: Float[Array, "... in"]) -> Float[Array, "... out"]:
        before = None
        for layer in self.layers:
            before, x = x, layer(x, before)
        return x


class Affine(eqx.Module):
    """x → W x − λ. As the PCA path it starts as the projection on the leading components."""

    weight: Float[Array, "out in"]
    shift: Float[Array, " out"] | None

    def __call__(self, x: Float[Array, "... in"]) -> Float[Array, "... out"]:
        out = x @ self.weight.T
        return out if self.shift is None else out - self.shift


class PathAndCorrection(eqx.Module):
    """x → path(x) + gain · correction(x); each of the three may be absent, but not both maps.

    The correction starts at zero: through its last layer, or, where the last layer is shared with
    another map (tied weights), through a gain per output component that starts at zero.
    """

    path: Affine | None
    correction: FeedForward | None
    gain: Float[Array, " out"] | None

    def __call__(self, x: Float[Array, "... in"]) -> Float[Array, "... out"]:
        parts = []
        if self.path is not None:
            parts.append(self.path(x))
        if self.correction is not None:
            out = self.correction(x)
            parts.append(out if self.gain is None else out * self.gain)
        return sum(parts[1:], parts[0])


class MirrorShifts(eqx.Module):
    """What a tied decoder owns: the shifts and the gain. Its weights are the encoder's, transposed."""

    path: Float[Array, " D"] | None
    layers: tuple[Float[Array, " out"], ...]
    gain: Float[Array, " D"] | None


def mirror(encoder: PathAndCorrection, own: MirrorShifts) -> PathAndCorrection:
    """The decoder that uses each W of ``encoder`` in the other direction.

    Layer l of the encoder maps a⁽ˡ⁾ → a⁽ˡ⁺¹⁾ with Wₗ; the mirrored layer maps back with Wₗᵀ. A skip
    link into encoder layer l+1 starts at the input of layer l; mirrored, it runs from the mirrored
    output back, with the transposed matrix. Activations mirror too; the output layer is linear.
    """
    path = None if encoder.path is None else Affine(encoder.path.weight.T, own.path)
    if encoder.correction is None:
        return PathAndCorrection(path, None, None)
    layers = encoder.correction.layers
    activations = [*(layer.activation for layer in layers[-2::-1]), identity]
    skips = [layer.skip_weight for layer in layers[:0:-1]]
    transposed_skips = [None] + [None if s is None else s.T for s in skips]
    mirrored = tuple(
        Layer(layer.weight.T, shift, skip, activation)
        for layer, shift, skip, activation in zip(
            layers[::-1], own.layers, transposed_skips, activations, strict=True
        )
    )
    return PathAndCorrection(path, FeedForward(mirrored), own.gain)


class EncoderDecoder(eqx.Module):
    """An encoder R^D → R^d and a decoder R^d → R^D on scaled data: what training moves."""

    encoder: PathAndCorrection
    own_decoder: PathAndCorrection | MirrorShifts

    @property
    def decoder(self) -> PathAndCorrection:
        if isinstance(self.own_decoder, MirrorShifts):
            return mirror(self.encoder, self.own_decoder)
        return self.own_decoder

    def encode(self, u: Float[Array, "... D"]) -> Float[Array, "... d"]:
        return self.encoder(u)

    def decode(self, z: Float[Array, "... d"]) -> Float[Array, "... D"]:
        return self.decoder(z)


@dataclass(frozen=True)
class PCAPath:
    """Principal axes of the scaled data, the start of both linear paths.

    mean (D,), components (d, D) with orthonormal rows, scales (d,): standard deviations of the
    scores, so that the bottleneck is whitened.
    """

    mean: Float[np.ndarray, " D"]
    components: Float[np.ndarray, "d D"]
    scales: Float[np.ndarray, " d"]

    @classmethod
    def of(cls, axes: PrincipalAxes) -> PCAPath:
        """The path along these axes; one without variance is not divided by zero."""
        scales = np.sqrt(axes.variances)
        least = 1e-3 * scales[0] if scales[0] > 0 else 1.0
        return cls(axes.mean, axes.components, np.maximum(scales, least))

    def encoder(self) -> Affine:
        weight = self.components / self.scales[:, None]  # (d, D)
        return Affine(single(weight), single(weight @ self.mean))

    def decoder(self) -> Affine:
        return Affine(single(self.components.T * self.scales), single(-self.mean))

    def unwhitened(self) -> PCAPath:
        """For tied weights: Wᵀ inverts W on the subspace only if the rows of W are orthonormal."""
        return replace(self, scales=np.ones_like(self.scales))

    def pair(self) -> EncoderDecoder:
        """PCA alone, without a correction."""
        encoder = PathAndCorrection(self.encoder(), None, None)
        return EncoderDecoder(encoder, PathAndCorrection(self.decoder(), None, None))


@dataclass(frozen=True)
class Architecture:
    """Sizes and switches of an encoder/decoder pair; hidden layers only, input to bottleneck order.

    ``decoder_widths`` reads from the bottleneck to the output. Activations are one per hidden layer.
    """

    n_features: int
    n_components: int
    widths: tuple[int, ...]
    decoder_widths: tuple[int, ...]
    activations: tuple[Activation, ...]
    decoder_activations: tuple[Activation, ...]
    skip_links: bool = False
    tied: bool = False

    def initialise(self, rng: np.random.Generator, path: PCAPath | None) -> EncoderDecoder:
        """Draw Gaussian weights; with a PCA path, start both corrections at zero."""
        if self.tied:
            return self._tied(rng, path)
        D, d = self.n_features, self.n_components
        encoder = self.chain(rng, (D, *self.widths, d), self.activations, path is not None)
        decoder = self.chain(
            rng, (d, *self.decoder_widths, D), self.decoder_activations, path is not None
        )
        if path is None:
            paths: tuple[Affine | None, Affine | None] = None, None
        else:
            paths = path.encoder(), path.decoder()
        return EncoderDecoder(
            PathAndCorrection(paths[0], encoder, None), PathAndCorrection(paths[1], decoder, None)
        )

    def _tied(self, rng: np.random.Generator, path: PCAPath | None) -> EncoderDecoder:
        D, d = self.n_features, self.n_components
        encoder = self.chain(rng, (D, *self.widths, d), self.activations, False)
        shifts = tuple(zeros(width) for width in (*self.widths[::-1], D))
        if path is None:
            return EncoderDecoder(
                PathAndCorrection(None, encoder, None), MirrorShifts(None, shifts, None)
            )
        path = path.unwhitened()
        return EncoderDecoder(
            PathAndCorrection(path.encoder(), encoder, zeros(d)),
            MirrorShifts(path.decoder().shift, shifts, zeros(D)),
        )

    def chain(
        self,
        rng: np.random.Generator,
        sizes: Sequence[int],
        hidden: Sequence[Activation],
        last_is_zero: bool,
    ) -> FeedForward:
        """Layers of these sizes with Gaussian weights, linear at the end."""
        layers = []
        activations = (*hidden, identity)
        for index, activation in enumerate(activations):
            fan_in, fan_out = sizes[index], sizes[index + 1]
            before = sizes[index - 1] if self.skip_links and index > 0 else 0
            # The gain is that of the activation that feeds this layer; raw inputs have unit scale.
            gain = _gain(activations[index - 1]) if index > 0 else 1.0
            zero = last_is_zero and index == len(activations) - 1
            spread = 0.0 if zero else gain / np.sqrt(fan_in + before)
            weight = single(spread * rng.standard_normal((fan_out, fan_in)))
            skip = single(spread * rng.standard_normal((fan_out, before))) if before else None
            shift = single(np.full(fan_out, _initial_shift(activation)))
            layers.append(Layer(weight, shift, skip, activation))
        return FeedForward(tuple(layers))


def _initial_shift(activation: Activation) -> float:
    """Zero, but π/2 for cos, whose slope at zero vanishes: cos(x − π/2) = sin x."""
    return np.pi / 2 if activation is cos else 0.0


def _gain(activation: Activation) -> float:
    return GAINS[activation] if activation in GAINS else second_moment_gain(activation)


GAINS: dict[Activation, float] = {
    tanh: 1.5925373,
    relu: 1.4142136,
    cos: 1.5208666,
    silu: 1.6765325,
    gelu: 1.5335806,
    identity: 1.0,
}
"""``second_moment_gain`` of each activation, tabulated because evaluating one compiles a program."""


def second_moment_gain(activation: Activation) -> float:
    """1/√E[g(t − λ₀)²] for t ~ N(0, 1): weights so scaled keep the second moment from layer to layer.

    Gauss–Hermite quadrature, so that it holds for any callable; √2 for ReLU, as He et al. derive.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(201)
    values = np.asarray(activation(jnp.asarray(nodes - _initial_shift(activation), jnp.float32)))
    second_moment = float(np.sum(weights * np.square(values, dtype=np.float64)) / np.sum(weights))
    if not np.isfinite(second_moment) or second_moment < 1e-12:
        raise ValueError(
            f"the activation {activation!r} is zero or not finite on standard normal inputs; "
            "use one that lets a signal through, such as 'tanh', 'relu', 'silu' or jnp.sin"
        )
    return 1.0 / float(np.sqrt(second_moment))


class Frame(eqx.Module):
    """The canonical linear coordinates z = A (inner − origin) of a bottleneck, and their inverse."""

    matrix: Float[Array, "d d"]
    inverse: Float[Array, "d d"]
    origin: Float[Array, " d"]

    def enter(self, inner: Float[Array, "... d"]) -> Float[Array, "... d"]:
        return (inner - self.origin) @ self.matrix.T

    def leave(self, z: Float[Array, "... d"]) -> Float[Array, "... d"]:
        return z @ self.inverse.T + self.origin


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
    loss: Loss = eqx.field(static=True)

    def encode(self, x: Float[Array, "... D"]) -> Float[Array, "... d"]:
        return self.encode_centred(x - self.center)

    def decode(self, z: Float[Array, "... d"]) -> Float[Array, "... D"]:
        return self.decode_centred(z) + self.center

    def encode_centred(self, x: Float[Array, "... D"]) -> Float[Array, "... d"]:
        return self.frame.enter(self.pair.encode(x / self.scale))

    def decode_centred(self, z: Float[Array, "... d"]) -> Float[Array, "... D"]:
        return self.loss.mean(self.pair.decode(self.frame.leave(z))) * self.scale
