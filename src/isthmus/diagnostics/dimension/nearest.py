"""The nearest rows of every row, exactly, and what it means for averages that rows share neighbours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.neighbors import NearestNeighbors

BLOCK_ELEMENTS = 2**22
"""Numbers in a block of differences: 32 MiB."""

FEW_PRODUCTS = 2**24
"""n² D up to which one thread is fast enough; others would cost more to wake than they save."""

SPARE = 4
"""Neighbours that are searched for beyond k, for rounding may have put a near one behind a far one."""


SAME = 1e-9
"""Distances whose ratio is nearer to 1 are equal, and differ by rounding."""


class Nearest(NamedTuple):
    """Distances to the k nearest other rows, ascending, in the rows' units, and their numbers."""

    distances: Float[np.ndarray, "n k"]
    rows: Int[np.ndarray, "n k"]

    def log_ratios(self, near: int, far: int) -> Float[np.ndarray, " n"]:
        """log(r_far/r_near) of each row, neighbours counted from 1; 0 where rounding makes it not 0."""
        logs = np.log(self.distances[:, far - 1] / self.distances[:, near - 1])
        return np.asarray(np.where(logs < SAME, 0.0, logs))

    def tied(self, near: int, far: int) -> float:
        """Share of the rows whose neighbours number ``near`` and ``far`` are equally far."""
        return float(np.mean(self.log_ratios(near, far) == 0))


def nearest(rows: Float[np.ndarray, "n D"], k: int) -> Nearest:
    """The k nearest others of each row, k < n.

    By a tree for few columns and by brute force in blocks for many, in memory that grows as n(k + D).
    The distances are computed once more from differences, so that those of close rows far from the
    origin are right.
    """
    centred = rows - rows.mean(axis=0)
    algorithm = "kd_tree" if rows.size * len(rows) <= FEW_PRODUCTS else "auto"
    search = NearestNeighbors(n_neighbors=min(k + SPARE, len(rows) - 1), algorithm=algorithm).fit(
        centred
    )
    others = search.kneighbors(return_distance=False)
    distances = np.empty(others.shape)
    step = max(1, BLOCK_ELEMENTS // (others.shape[1] * rows.shape[1]))
    for start in range(0, len(rows), step):
        where = slice(start, start + step)
        gap = centred[others[where]] - centred[where, None]
        distances[where] = np.sqrt(np.einsum("nkj,nkj->nk", gap, gap))
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return Nearest(
        np.take_along_axis(distances, order, axis=1), np.take_along_axis(others, order, axis=1)
    )


def variance_of_sum(scores: Float[np.ndarray, " n"], others: Int[np.ndarray, "n m"]) -> float:
    """Variance of a sum of n scores with mean 0, each computed from a row and its m nearest ``others``.

    Scores of rows that share neighbours are correlated: weighing s_i s_j by the share of the m + 1 rows
    that both depend on gives Σ_l (Σ_{i: l in the surroundings of i} s_i)²/(m + 1), which is never
    negative. At least that of independent scores, Σ s_i².
    """
    n, m = others.shape
    sums = scores + np.bincount(others.ravel(), np.repeat(scores, m), minlength=n)
    return float(max(sums @ sums / (m + 1), scores @ scores))
