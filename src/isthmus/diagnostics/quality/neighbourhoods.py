"""Whose neighbours a map keeps: ranks of the nearest rows of one space among distances in another.

The rank of a row j seen from a row i is its place, 1 to n − 1, among the other rows by their distance
from i; equal distances stand by row number. Ranks are counted in the sorted distances of one row at a
time: nothing has n² entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from isthmus.diagnostics.quality.distances import Distances


@dataclass
class Surroundings:
    """Squared distances (n,) of all rows from one, infinite to itself, and the order that they give.

    Where rounding leaves the order in doubt, distances are computed again, from differences.
    """

    distances: Distances
    query: int
    squared: Float[np.ndarray, " n"]

    def __post_init__(self) -> None:
        self.squared[self.query] = np.inf
        self._sorted = np.sort(self.squared)

    def nearest(self, k: int) -> Int[np.ndarray, " k"]:
        """Numbers of the k nearest rows, the nearest first."""
        self._settle(self._sorted[: min(k + 1, len(self.squared) - 1)])
        near = np.flatnonzero(self.squared <= self._sorted[k - 1])
        return np.asarray(near[np.argsort(self.squared[near], kind="stable")][:k])

    def ranks(self, others: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
        """Places of these rows."""
        self._settle(self.squared[others])
        values = self.squared[others]
        nearer = np.searchsorted(self._sorted, values, "left")
        ties = np.searchsorted(self._sorted, values, "right") - nearer > 1
        for place in np.flatnonzero(ties):
            nearer[place] += np.count_nonzero(self.squared[: others[place]] == values[place])
        return np.asarray(nearer + 1)

    def _settle(self, values: Float[np.ndarray, " k"]) -> None:
        """Compute from differences what rounding may have put on the wrong side of one of the values."""
        if self.distances.rounding == 0:
            return
        slack = self.distances.slack(self.query, values)
        low = np.searchsorted(self._sorted, values - slack, "left")
        high = np.searchsorted(self._sorted, values + slack, "right")
        doubtful = high - low > 1
        if not doubtful.any():
            return
        unsure = np.zeros(len(self.squared), bool)
        for value, width in zip(values[doubtful], slack[doubtful], strict=True):
            unsure |= np.abs(self.squared - value) <= width
        others = np.flatnonzero(unsure)
        self.squared[others] = self.distances.from_differences(self.query, others)
        self._sorted = np.sort(self.squared)


def penalties(
    ranks: Int[np.ndarray, "m K"], ks: Sequence[int]
) -> tuple[Float[np.ndarray, "m ks"], Float[np.ndarray, "m ks"], Float[np.ndarray, "m ks"]]:
    """What the ranks in one space of the K nearest in another cost, for each k ≤ K.

    By how much ranks exceed k, in sum; |rank − own rank|/own rank, in sum; and the share of the k whose
    rank is at most k.
    """
    own = np.arange(1, ranks.shape[1] + 1)
    relative = np.cumsum(np.abs(ranks - own) / own, axis=1)
    first = [ranks[:, :k] for k in ks]
    excess = [np.maximum(part - k, 0).sum(axis=1) for part, k in zip(first, ks, strict=True)]
    kept = [np.mean(part <= k, axis=1) for part, k in zip(first, ks, strict=True)]
    columns = [k - 1 for k in ks]
    return np.stack(excess, axis=1).astype(np.float64), relative[:, columns], np.stack(kept, axis=1)


def worst_excess(n: int, k: int) -> float:
    """The most by which ranks of k neighbours can exceed k, in sum: 0 if all others are neighbours.

    Venna & Kaski's constant for k < n/2, and Lee & Verleysen's for more.
    """
    if 2 * k < n:
        return k * (2 * n - 3 * k - 1) / 2
    return (n - k) * (n - k - 1) / 2


def reversed_relative(n: int, k: int) -> float:
    """Σ_{j ≤ k} |n − 2j + 1|/j: the relative rank errors of ranks in reverse, in sum."""
    own = np.arange(1, k + 1)
    return float(np.sum(np.abs(n - 2 * own + 1) / own))
