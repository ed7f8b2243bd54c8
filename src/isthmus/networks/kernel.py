"""Kernel networks: a row is placed by where it lies among landmarks.

Landmarks are points of the data's space, a few hundred or thousand of them. A kernel says how near a
row is to each, φ_m(x) ∝ exp(−‖y − c_m‖²/h(y)) with Σ φ_m = 1, y the row's leading principal coordinates.
Each landmark has a position v_m in the map. The mean position Σ φ_m v_m is a smooth map, in which rows
between two groups come to lie between their islands. A *round of agreement* gives landmarks that are
far from the mean so far a smaller say,

    g_m ∝ φ_m / (1 + ‖z − v_m‖²/a),    z ← Σ g_m v_m,

which is mean shift among the positions (Comaniciu & Meer 2002, "Mean shift", IEEE TPAMI 24:603), or one
step towards a robust mean with Cauchy weights: outvoted landmarks lose their say. With more rounds
islands are clearer and the map is steeper between them.

Source: lecture notes, "Kernel networks"; Nadaraya 1964, "On estimating regression", and Watson 1964,
"Smooth regression analysis", for means weighted by a kernel.
"""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus import registry
from isthmus.networks.layers import Affine

STEEPNESS = 4
"""Power of the distance by which the bandwidth grows far from all landmarks: among the data, where the
distance is less than ``reach``, it stays as it is."""

AGREEMENT = 0.6
"""Squared distance a from the mean at which a landmark has half of its say; rows are half similar at 1.
With more, new rows keep fewer of their neighbours; with less, islands of a smooth sheet do."""

LARGEST = 1e15
"""Entry of a scaled row beyond which rows are alike: squares of sums are numbers in single precision."""

LARGEST_RATIO = 1e6
"""Of the distance to ``reach``: its fourth power is a number in single precision."""


@registry.part
class Landmarks(eqx.Module):
    """φ(u): how near a scaled row is to each of M landmarks, a share for each.

    ``centres`` (M, k) are in the principal coordinates that ``projection`` gives. ``bandwidth`` is h in
    the midst of the data. It grows where the mean squared distance to the landmarks nearby is beyond
    ``reach``, so that between groups and far away the map changes gradually instead of jumping.
    """

    projection: Affine
    centres: Float[Array, "M k"]
    bandwidth: Float[Array, ""]
    reach: Float[Array, ""]

    def __call__(self, u: Float[Array, "... D"]) -> Float[Array, "... M"]:
        squares = self.squared_distances(u)
        distance = self.distance(squares)[..., None]
        ratio = jnp.minimum(distance / self.reach, LARGEST_RATIO)
        return _shares(squares, self.bandwidth * (1.0 + ratio**STEEPNESS))

    def squared_distances(self, u: Float[Array, "... D"]) -> Float[Array, "... M"]:
        """‖y − c_m‖² to every landmark."""
        y = self.projection(jnp.clip(u, -LARGEST, LARGEST))
        lengths = jnp.sum(jnp.square(y), axis=-1, keepdims=True)
        products = jnp.matmul(y, self.centres.T, precision=jax.lax.Precision.HIGHEST)
        return jnp.maximum(lengths + jnp.sum(jnp.square(self.centres), axis=-1) - 2.0 * products, 0.0)

    @property
    def rounding(self) -> float:
        """Error of a squared distance by rounding, in units of the bandwidth."""
        lengths = np.sum(np.square(np.asarray(self.centres, np.float64)), axis=1)
        return float(np.finfo(np.float32).eps * lengths.max() / np.asarray(self.bandwidth))

    def distance(self, squares: Float[Array, "... M"]) -> Float[Array, " ..."]:
        """The mean squared distance to the landmarks nearby."""
        return jnp.sum(_shares(squares, self.bandwidth) * squares, axis=-1)


def _shares(squares: Float[Array, "... M"], bandwidth: Float[Array, " ..."]) -> Float[Array, "... M"]:
    """Gaussian shares at such squared distances.

    The least of them is subtracted before the division: a quotient of 10¹³ is rounded by more than an
    exponential bears.
    """
    least = jax.lax.stop_gradient(jnp.min(squares, axis=-1, keepdims=True))
    return jax.nn.softmax((least - squares) / bandwidth)


def agreed_position(
    shares: Float[Array, "... M"], positions: Sequence[Float[Array, "*#n M"]], rounds: int
) -> list[Float[Array, " ..."]]:
    """z after so many rounds of agreement, of landmarks with these shares: one array per coordinate.

    ``positions`` has an array for each coordinate, (M,) of landmarks that all rows share or (n, M) of
    those of each row, because sums over a short last axis are slow.
    """
    z = _mean(shares, positions)
    for _ in range(rounds):
        squares = sum(jnp.square(c[..., None] - v) for c, v in zip(z, positions, strict=True))
        z = _mean(shares / (1.0 + squares / AGREEMENT), positions)
    return z


def _mean(
    say: Float[Array, "... M"], positions: Sequence[Float[Array, "*#n M"]]
) -> list[Float[Array, " ..."]]:
    """Mean position of landmarks with such a say: one array per coordinate."""
    if positions[0].ndim == 1:  # One product for all rows is six times as fast as sums.
        sums = say @ jnp.stack([*positions, jnp.ones_like(positions[0])], axis=-1)
        return [sums[..., a] / sums[..., -1] for a in range(len(positions))]
    total = jnp.sum(say, axis=-1)
    return [jnp.sum(say * v, axis=-1) / total for v in positions]


@registry.part
class KernelEncoder(eqx.Module):
    """u → z: the position that landmarks agree on. ``positions`` (d, M) are those of the landmarks."""

    landmarks: Landmarks
    positions: Float[Array, "d M"]
    rounds: int = eqx.field(static=True)

    def __call__(self, u: Float[Array, "... D"]) -> Float[Array, "... d"]:
        return jnp.stack(agreed_position(self.landmarks(u), list(self.positions), self.rounds), axis=-1)


@registry.part
class KernelDecoder(eqx.Module):
    """z → û: a plane and a bump around each landmark's position, W z − λ + Σ_m a_m/(1 + ‖z − v_m‖²/w).

    The bumps are broad (Cauchy), so that far from all positions the plane is reached slowly.
    ``coefficients`` (M, D) are the a_m, ``width`` is w.
    """

    plane: Affine
    positions: Float[Array, "d M"]
    coefficients: Float[Array, "M D"]
    width: Float[Array, ""]

    def __call__(self, z: Float[Array, "... d"]) -> Float[Array, "... D"]:
        return self.plane(z) + bumps(z, self.positions, self.width) @ self.coefficients


def bumps(
    z: Float[Array, "... d"], positions: Float[Array, "d M"], width: Float[Array, ""] | float
) -> Float[Array, "... M"]:
    """1/(1 + ‖z − v_m‖²/w)."""
    squares = [jnp.square(z[..., a, None] - v) for a, v in enumerate(positions)]
    return 1.0 / (1.0 + sum(squares[1:], squares[0]) / width)


@registry.part
class KernelPair(eqx.Module):
    """A kernel encoder and a kernel decoder of scaled rows."""

    encoder: KernelEncoder
    decoder: KernelDecoder

    def encode(self, u: Float[Array, "... D"]) -> Float[Array, "... d"]:
        return self.encoder(u)

    def decode(self, z: Float[Array, "... d"]) -> Float[Array, "... D"]:
        return self.decoder(z)
