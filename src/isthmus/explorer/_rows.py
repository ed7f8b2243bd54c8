"""The rows behind the points, as far as a page of some megabytes can hold them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Num

from isthmus.data.moments import ColumnStatistics
from isthmus.data.neighbours import nearest
from isthmus.data.rows import Rows, row_blocks

ROW_BYTES = COLUMN_BYTES = 6 * 2**20
"""Of rows for the panels, and of columns that may colour the map, before they are compressed: with the
points themselves a page of 100 000 stays below 25 MB."""

MOST_NUMBERS_COMPARED = 5e10
"""In the search for the nearest rows: some five seconds of one core."""

MOST_AMONG = 100_000
"""Rows among which the nearest are looked for."""

ROUNDING = 1e-4
"""Share of a column's spread that single precision may round away; beyond, it is kept in double."""


@dataclass(frozen=True)
class Statistics:
    """Of each of D columns, without missing entries; NaN for a column without any."""

    mean: Float[np.ndarray, " D"]
    std: Float[np.ndarray, " D"]
    low: Float[np.ndarray, " D"]
    high: Float[np.ndarray, " D"]
    are_whole: bool
    """Whether all entries are whole numbers, none of them missing."""


class Part(NamedTuple):
    """Some of the rows: their numbers, None for all, and what there is of each."""

    which: Int[np.ndarray, " m"] | None
    values: np.ndarray


def statistics(rows: Rows) -> Statistics:
    """In one pass."""
    parts, are_whole = [], True
    for _, block in row_blocks(rows):
        parts.append(ColumnStatistics.of(np.asarray(block)))
        are_whole = are_whole and bool(np.all(block == np.floor(block)))
    found = reduce(ColumnStatistics.merge, parts)
    n = np.where(found.n_rows > 0, found.n_rows, np.nan)
    std = np.sqrt(found.variance * (n - 1) / n)
    # The mean of equal numbers is rounded, so that they seem to differ from it.
    std[found.low == found.high] = 0.0
    mean, low, high = (np.where(np.isnan(n), np.nan, x) for x in (found.mean, found.low, found.high))
    return Statistics(mean, std, low, high, are_whole)


def shortest_type(known: Statistics) -> np.dtype[np.generic]:
    """The smallest type that holds all entries: whole numbers exactly, others to ``ROUNDING``."""
    low, high = float(np.nanmin(known.low)), float(np.nanmax(known.high))
    if known.are_whole and low >= 0:
        for dtype in (np.uint8, np.uint16):
            if high <= np.iinfo(dtype).max:
                return np.dtype(dtype)
    largest = np.maximum(np.abs(known.low), np.abs(known.high))
    lost = np.finfo(np.float32).eps * largest > ROUNDING * known.std
    return np.dtype(np.float64 if np.any(lost & (known.std > 0)) else np.float32)


def some_rows(rows: Rows, dtype: np.dtype[np.generic]) -> Part:
    """Rows at even steps, as many as there is room for."""
    n, D = rows.shape
    most = max(1, ROW_BYTES // (D * dtype.itemsize))
    which = np.arange(0, n, -(-n // most))
    taken = _taken(rows, which, np.empty((len(which), D), dtype))
    return Part(None if len(which) == n else which, taken)


def some_columns(
    rows: Rows, columns: Int[np.ndarray, " c"], dtype: np.dtype[np.generic]
) -> tuple[Int[np.ndarray, " c"], Num[np.ndarray, "n c"]]:
    """The first of these columns, as many as there is room for, of all rows: numbers, and entries."""
    n = rows.shape[0]
    columns = columns[: COLUMN_BYTES // (n * dtype.itemsize)]
    out = np.empty((n, len(columns)), dtype)
    for where, block in row_blocks(rows):
        out[where] = block[:, columns]
    return columns, out


def nearest_rows(rows: Rows, of: Int[np.ndarray, " m"], units: Float[np.ndarray, " D"], k: int) -> Part:
    """The k nearest other rows of some, in these units; of as many of them as can be compared in time.

    They are looked for among ``MOST_AMONG`` rows at even steps, and those in question.
    """
    n, D = rows.shape
    among = np.arange(0, n, -(-n // MOST_AMONG))
    of = of[:: -(-len(of) // max(1, int(MOST_NUMBERS_COMPARED / (len(among) * D))))]
    among = np.union1d(among, of)
    k = min(k, len(among) - 1)
    if k < 1:
        return Part(of, np.empty((len(of), 0), np.uint32))
    scaled = _taken(rows, among, np.empty((len(among), D), np.float32), units)
    places = np.searchsorted(among, of)
    _, found = nearest(scaled, k + 1, scaled[places])
    # Of copies any may come first.
    own = found == places[:, None]
    own[~own.any(axis=1), -1] = True
    return Part(None if len(of) == n else of, among[found[~own].reshape(len(of), k)])


def _taken(
    rows: Rows,
    which: Int[np.ndarray, " m"],
    out: np.ndarray,
    units: Float[np.ndarray, " D"] | None = None,
) -> np.ndarray:
    """Those rows, read in blocks; in ``units``, less the first of them, if these are given."""
    start = None
    for where, block in _blocks_with(rows, which):
        part = block
        if units is not None:
            part = np.nan_to_num(block / units)
            start = part[0] if start is None else start
            part = part - start
        out[where] = part
    return out


def _blocks_with(rows: Rows, which: Int[np.ndarray, " m"]) -> Iterator[tuple[slice, np.ndarray]]:
    for at, block in row_blocks(rows):
        places = slice(*np.searchsorted(which, [at.start, at.stop]))
        if places.stop > places.start:
            yield places, np.asarray(block)[which[places] - at.start]
