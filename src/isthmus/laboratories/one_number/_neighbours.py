"""Nearest neighbours on a line and among images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from sklearn.neighbors import NearestNeighbors


def nearest_on_line(values: Sequence[int] | Sequence[float], k: int) -> Int[np.ndarray, "n k"]:
    """The k nearest others of each of n numbers, k < n: integers of any size, compared exactly.

    The nearest on a line are next to each other once the numbers are sorted, so that two steps of
    comparison decide each one. Equal distances: the smaller number first; equal numbers: in their order.
    """
    order = sorted(range(len(values)), key=values.__getitem__)
    line = [values[index] for index in order]
    ranked = np.asarray(order)
    nearest = np.empty((len(values), k), np.int64)
    for place, value in enumerate(line):
        below, above = place - 1, place + 1
        for taken in range(k):
            falls = above == len(line) or (below >= 0 and value - line[below] <= line[above] - value)
            nearest[ranked[place], taken] = ranked[below if falls else above]
            below, above = (below - 1, above) if falls else (below, above + 1)
    return nearest


def nearest_images(X: Float[np.ndarray, "n D"], k: int) -> Int[np.ndarray, "n k"]:
    """The k nearest other rows of each row, by Euclidean distance.

    Rows are not centred: squared distances of integers are exact, and equal ones stay equal.
    """
    found: np.ndarray = NearestNeighbors(n_neighbors=k).fit(X).kneighbors(return_distance=False)
    return found
