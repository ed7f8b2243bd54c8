"""Many maps in one frame: their coordinates turned onto one another, and what they give on average.

Two fits of one map may differ by a rotation or a reflection of the coordinates, which says nothing of
the data. Generalised Procrustes analysis (Gower 1975, "Generalized Procrustes analysis", Psychometrika
40:33) takes it out: each member's coordinates are turned onto the consensus, the mean of all so turned.
Lengths stay as they are, because coordinates have a unit, so that a difference in length is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from isthmus import registry
from isthmus.networks.fitted import FittedMap, FittedPredictor
from isthmus.networks.layers import single

CONVERGED = 1e-9
MOST_ROUNDS = 1000
"""Rounds of turning onto the consensus; about ten are needed, and many where members have little in
common."""


@registry.part
class Alignment(eqx.Module):
    """z ↦ (z − origin) rotation + center, for each member: a rotation or reflection about its mean."""

    rotations: Float[Array, "M d d"]
    origins: Float[Array, "M d"]
    center: Float[Array, " d"]


def align(coordinates: Float[np.ndarray, "M n d"], rows: Float[np.ndarray, "n D"]) -> Alignment:
    """The alignment of members' coordinates of the same rows: least squares over rows and members.

    The consensus is canonical: uncorrelated coordinates in the order of their variance, and the largest
    covariance of each with a feature of ``rows`` positive. Its mean is that of the members' means.
    """
    origins = coordinates.mean(axis=1)
    centred = coordinates - origins[:, None]
    consensus = centred[0]
    rotations = onto(centred, consensus)
    for _ in range(MOST_ROUNDS):
        before, consensus = consensus, np.mean(centred @ rotations, axis=0)
        rotations = onto(centred, consensus)
        if np.linalg.norm(consensus - before) <= CONVERGED * np.linalg.norm(consensus):
            break
    consensus = np.mean(centred @ rotations, axis=0)
    rotations = rotations @ _canonical_rotation(consensus, rows)
    return Alignment(single(rotations), single(origins), single(origins.mean(axis=0)))


def onto(
    coordinates: Float[np.ndarray, "M n d"], target: Float[np.ndarray, "n d"]
) -> Float[np.ndarray, "M d d"]:
    """The orthogonal R that is least in ‖Z R − target‖: U Vᵀ, with Zᵀ target = U S Vᵀ."""
    left, _, right = np.linalg.svd(np.swapaxes(coordinates, 1, 2) @ target)
    rotations: np.ndarray = left @ right
    return rotations


def _canonical_rotation(
    consensus: Float[np.ndarray, "n d"], rows: Float[np.ndarray, "n D"]
) -> Float[np.ndarray, "d d"]:
    _, axes = np.linalg.eigh(consensus.T @ consensus)
    axes = axes[:, ::-1]
    loadings = (rows - rows.mean(axis=0)).T @ (consensus @ axes)  # (D, d)
    largest = np.argmax(np.abs(loadings), axis=0)
    signed: np.ndarray = axes * np.where(loadings[largest, np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    return signed


class MeanMap(FittedMap):
    """Maps in one frame: coordinates are the mean of the aligned ones, a row the mean of all decodings.

    ``members`` is a ``DataMap`` whose arrays have a leading axis, one entry for each member. ``offsets``
    are the members' centers less the common one, taken in double precision.
    """

    members: PyTree
    alignment: Alignment
    offsets: Float[Array, "M D"]

    @property
    def n_coordinates(self) -> int:
        return len(self.alignment.center)

    def encode_centred(self, x: Float[Array, "... D"]) -> Float[Array, "... d"]:
        return over_members(self._aligned(x), self._parts)

    def decode_centred(self, z: Float[Array, "... d"]) -> Float[Array, "... D"]:
        def of_member(parts: tuple[PyTree, Array, Array, Array]) -> Array:
            member, rotation, origin, offset = parts
            own = (z - self.alignment.center) @ rotation.T + origin
            x: Array = member.decode_centred(own) + offset
            return x

        return over_members(of_member, self._parts)

    def spread_centred(self, x: Float[Array, "... D"]) -> Float[Array, "... d"]:
        """Standard deviation over the members (divisor M − 1) of aligned coordinates; x is centred."""
        arrays, static = eqx.partition(self._parts, eqx.is_array_like)
        aligned = self._aligned(x)
        z = jax.lax.map(lambda own: aligned(eqx.combine(own, static)), arrays)
        gap = z - jnp.mean(z, axis=0)
        # Single precision does not hold the squares of coordinates in tiny or huge units.
        unit = jnp.max(jnp.abs(gap), axis=0)
        shares = gap / jnp.where(unit > 0, unit, 1.0)
        return unit * jnp.sqrt(jnp.sum(jnp.square(shares), axis=0) / (len(z) - 1))

    @property
    def _parts(self) -> tuple[PyTree, Array, Array, Array]:
        return self.members, self.alignment.rotations, self.alignment.origins, self.offsets

    def _aligned(self, x: Float[Array, "... D"]) -> Callable[[PyTree], Array]:
        """The coordinates of rows by one member, in the common frame."""

        def of_member(parts: tuple[PyTree, Array, Array, Array]) -> Array:
            member, rotation, origin, offset = parts
            z: Array = member.encode_centred(x - offset)
            return (z - origin) @ rotation + self.alignment.center

        return of_member


class MeanPredictor(FittedPredictor):
    """Predictors as one: the mean of their predictions, raw rows in.

    ``members`` is a ``Predictor`` whose arrays have a leading axis, one entry for each member.
    ``offsets`` and ``target_offsets`` are the members' centers less the common ones, taken in double
    precision.
    """

    members: PyTree
    offsets: Float[Array, "M D"]
    target_offsets: Float[Array, "M K"]

    def predict_centred(self, x: Float[Array, "... D"]) -> Float[Array, "... K"]:
        def of_member(parts: tuple[PyTree, Array, Array]) -> Array:
            member, offset, target_offset = parts
            y: Array = member.predict_centred(x - offset) + target_offset
            return y

        return over_members(of_member, (self.members, self.offsets, self.target_offsets))


def over_members(function: Callable[[PyTree], Array], parts: PyTree) -> Array:
    """Mean of ``function`` over the members.

    ``parts`` have a leading axis of members. One member after the other is applied, so that memory does
    not grow with their number.
    """
    arrays, static = eqx.partition(parts, eqx.is_array_like)

    def add(carry: tuple[Array, Array], own: PyTree) -> tuple[tuple[Array, Array], None]:
        count, mean = carry
        ahead = function(eqx.combine(own, static)) - mean
        return (count + 1, mean + ahead / (count + 1)), None

    first = jax.eval_shape(
        lambda: function(eqx.combine(jax.tree.map(lambda leaf: leaf[0], arrays), static))
    )
    nothing = jnp.zeros(first.shape, first.dtype)
    (_, mean), _ = jax.lax.scan(add, (jnp.zeros((), first.dtype), nothing), arrays)
    return mean


def stacked(networks: Sequence[PyTree]) -> PyTree:
    """Networks of one structure as one, with a leading axis in every array."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *networks)
