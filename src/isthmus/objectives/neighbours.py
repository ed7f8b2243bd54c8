"""The neighbour graph of rows, and the loss that keeps neighbours near and other rows apart.

Every row is drawn to one of its nearest rows, more often to a nearer one, and pushed away from rows
drawn at random. The similarity of two points of the map is q = 1/(1 + r²), and the loss of a row is

    −log q(row, neighbour) + repulsion · mean over others of −log(1 − q(row, other)),

the cross-entropy of McInnes, Healy & Melville 2018, "UMAP: Uniform manifold approximation and projection
for dimension reduction" (arXiv:1802.03426), whose weights of the neighbours these are, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.networks.kernel import agreed_position
from isthmus.networks.layers import Constant

MOST_OTHERS = 128
"""Rows that each row of a batch is pushed away from."""

SOFTENING = 1e-3
"""Added to r² of others: rows of the same place push one another away no harder than this lets them."""

BISECTIONS = 64
BLOCK_ROWS = 2**14
"""Rows whose weights are computed at once, so that memory for it does not grow with the rows."""


def neighbour_weights(distances: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """UMAP's weights of the nearest rows by their distances, ascending: (n, k) → (n, k), each in [0, 1].

    exp(−(d − d₁)/σ), with σ such that the weights of a row sum to log₂(k + 1); UMAP counts the row among
    its neighbours. So each row has the same number of neighbours, however densely rows lie around it.
    Where distances are equal, so are weights.

    Examples
    --------
    >>> import numpy as np
    >>> neighbour_weights(np.array([[1.0, 2.0, 3.0, 4.0]])).round(3)
    array([[1.   , 0.643, 0.413, 0.266]])
    """
    weights = np.empty(distances.shape)
    for start in range(0, len(distances), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        weights[block] = _weights_of_block(distances[block])
    return weights


def _weights_of_block(distances: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    beyond = np.asarray(distances - distances[:, :1], np.float64)
    wanted = np.log2(distances.shape[1] + 1)
    unit = np.maximum(beyond.mean(axis=1, keepdims=True), 1e-300)
    low, high = np.full_like(unit, -20.0), np.full_like(unit, 20.0)  # log σ in these units
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        total = np.exp(-beyond / (unit * np.exp(middle))).sum(axis=1, keepdims=True)
        low, high = np.where(total < wanted, middle, low), np.where(total < wanted, high, middle)
    weights: np.ndarray = np.exp(-beyond / (unit * np.exp(0.5 * (low + high))))
    return weights


class PlacesOfRows(eqx.Module):
    """What is known of every row beforehand: its landmarks and their shares, and its neighbours.

    ``landmarks`` (n, m) are the numbers of the nearest landmarks, ``shares`` (n, m) their φ.
    ``neighbours`` (n, k) are numbers of rows, and ``chances`` (n, k) the cumulative chances that each of
    them is drawn.
    """

    landmarks: Int[Array, "n m"]
    shares: Float[Array, "n m"]
    neighbours: Int[Array, "n k"]
    chances: Float[Array, "n k"]


class PlacedRows(eqx.Module):
    """The map of rows by their numbers: what training moves are the landmarks' ``positions`` (d, M)."""

    positions: Float[Array, "d M"]
    places: Constant
    rounds: int = eqx.field(static=True)

    def __call__(self, numbers: Int[Array, " n"]) -> list[Float[Array, " n"]]:
        """z of these rows, an array for each coordinate."""
        known: PlacesOfRows = self.places.value
        near = known.landmarks[numbers]
        return agreed_position(known.shares[numbers], [v[near] for v in self.positions], self.rounds)


@dataclass(frozen=True)
class NeighbourLoss:
    """−log q of a row and one of its neighbours, + repulsion · the mean of −log(1 − q) over other rows.

    The others are the other rows of the batch, each as likely as any: were they drawn as neighbours are,
    rows that are neighbours of many would be pushed away by all. A batch (n, 1) has the numbers of its
    rows.
    """

    repulsion: float | Array

    def at(self, progress: Array) -> NeighbourLoss:
        """The loss at a share of all steps: repulsion grows from a tenth to the whole.

        Groups that begin on the wrong sides of one another can pass while it is weak.
        """
        return NeighbourLoss(self.repulsion * jnp.clip(0.1 + 1.5 * progress**2, 0.1, 1.0))

    def __call__(
        self, network: PlacedRows, batch: Float[Array, "n 1"], key: Array
    ) -> Float[Array, " n"]:
        known: PlacesOfRows = network.places.value
        rows = batch[:, 0].astype(jnp.int32)
        drawn = jax.random.uniform(key, batch.shape)
        # Rounding may leave the last of the cumulative chances below the number drawn.
        last = known.neighbours.shape[1] - 1
        which = jnp.minimum(jnp.sum(drawn > known.chances[rows], axis=1), last)
        partners = known.neighbours[rows, which]
        z = network(jnp.concatenate([rows, partners]))
        n, m = len(rows), min(len(rows), MOST_OTHERS)
        gap = sum(jnp.square(c[:n] - c[n:]) for c in z)
        squares = sum(jnp.square(c[:n, None] - c[None, :m]) for c in z)
        is_other = (rows[:, None] != rows[None, :m]) & (partners[:, None] != rows[None, :m])
        away = jnp.where(is_other, jnp.log((1.0 + squares) / (squares + SOFTENING)), 0.0)
        pushed = jnp.sum(away, axis=1) / jnp.maximum(1, jnp.sum(is_other, axis=1))
        return jnp.log1p(gap) + self.repulsion * pushed
