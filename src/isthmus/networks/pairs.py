"""Pairs of an encoder and a decoder: the PCA path, the correction that starts at zero, tied weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from isthmus import registry
from isthmus.data.moments import PrincipalAxes
from isthmus.networks.layers import (
    Activation,
    Affine,
    FeedForward,
    Layer,
    gaussian_chain,
    identity,
    single,
    zeros,
)


@registry.part
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


@registry.part
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


@registry.part
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

    def encoder_chain(
        self, rng: np.random.Generator, sizes: Sequence[int], *, last_is_zero: bool
    ) -> FeedForward:
        """The encoder's hidden layers between layers of other sizes at the ends."""
        return self._chain(rng, sizes, self.activations, last_is_zero)

    def decoder_chain(
        self, rng: np.random.Generator, sizes: Sequence[int], *, last_is_zero: bool
    ) -> FeedForward:
        """The same of the decoder."""
        return self._chain(rng, sizes, self.decoder_activations, last_is_zero)

    def _chain(
        self,
        rng: np.random.Generator,
        sizes: Sequence[int],
        hidden: Sequence[Activation],
        last_is_zero: bool,
    ) -> FeedForward:
        return gaussian_chain(
            rng,
            sizes,
            hidden,
            skip_links=self.skip_links,
            last_is_zero=last_is_zero,
            bent_apart=True,
        )

    def initialise(self, rng: np.random.Generator, path: PCAPath | None) -> EncoderDecoder:
        """Draw Gaussian weights; with a PCA path, start both corrections at zero."""
        if self.tied:
            return self._tied(rng, path)
        D, d = self.n_features, self.n_components
        at_zero = path is not None
        encoder = self.encoder_chain(rng, (D, *self.widths, d), last_is_zero=at_zero)
        decoder = self.decoder_chain(rng, (d, *self.decoder_widths, D), last_is_zero=at_zero)
        if path is None:
            paths: tuple[Affine | None, Affine | None] = None, None
        else:
            paths = path.encoder(), path.decoder()
        return EncoderDecoder(
            PathAndCorrection(paths[0], encoder, None), PathAndCorrection(paths[1], decoder, None)
        )

    def _tied(self, rng: np.random.Generator, path: PCAPath | None) -> EncoderDecoder:
        D, d = self.n_features, self.n_components
        encoder = self.encoder_chain(rng, (D, *self.widths, d), last_is_zero=False)
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
