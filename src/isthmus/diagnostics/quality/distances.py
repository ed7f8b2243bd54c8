"""Euclidean distances of some rows to all rows, in float64, without a matrix of all pairs.

‖x − y‖² = ‖x‖² + ‖y‖² − 2 x·y is one matrix product, but its rounding error is a share of ‖x‖² + ‖y‖²,
which may hide the distance of close rows and the order of nearly equal distances. Close rows are
therefore computed from differences, Σ (x − y)², and whoever compares distances computes those so that
lie within ``slack``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.data.rows import Index, Rows, dense, row_blocks
from isthmus.networks.processes import check_process

FEW_COLUMNS = 8
"""Up to here differences are computed for all pairs: a matrix product would not be faster."""

KEPT_ELEMENTS = 2**27
"""Numbers in float64 that are kept in memory, 1 GiB; a larger table is converted tile by tile."""

TILE_ELEMENTS = 2**22
"""Numbers in a tile: 32 MiB."""

BLOCK_ELEMENTS = 2**25
"""Squared distances in memory at a time, of all threads together: 256 MiB."""

FEWEST_ROWS, MOST_ROWS = 16, 256
"""Rows in a block: enough for a matrix product at full speed, and no more."""

UNIT_ROUNDOFF = 2.0**-53

RELATIVE_ERROR = 1e-6
"""Of a squared distance; one that the matrix product does not give so well comes from differences."""

MOST_STEPS = 20
"""Steps to the farthest rows; they end by themselves after two or three."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Shifted:
    """(rows − centre) / unit in float64, computed when indexed."""

    rows: Rows
    centre: Float[np.ndarray, " D"]
    unit: float
    dtype = np.dtype(np.float64)

    @property
    def shape(self) -> tuple[int, int]:
        n, D = self.rows.shape
        return int(n), int(D)

    def __getitem__(self, index: Index, /) -> Float[np.ndarray, "m D"]:
        block = dense(self.rows[index]).astype(np.float64)
        return np.asarray((block - self.centre) / self.unit)


@dataclass(frozen=True)
class Distances:
    """Squared Euclidean distances between the rows of one table, in a unit that is a power of two."""

    rows: Shifted | np.ndarray
    squares: Float[np.ndarray, " n"]
    unit: float
    rounding: float
    """A squared distance from a matrix product errs by at most ``rounding`` (‖x‖² + ‖x − y‖²)/2."""
    on_device: Array | None = None
    """The rows once more, without a copy, where products need them and they are in memory."""

    @property
    def few_columns(self) -> bool:
        """Whether all distances come from differences."""
        return int(self.rows.shape[1]) <= FEW_COLUMNS

    def squared(self, queries: Int[np.ndarray, " m"]) -> Iterator[Float[np.ndarray, " n"]]:
        """‖x − y‖² of each of the rows x with these numbers to all rows y; 0 to itself."""
        if self.few_columns:
            return map(self._from_columns, queries)
        return map(self._corrected, queries, self._from_products(queries))

    def from_differences(self, query: int, others: Int[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """‖x − y‖² as Σ (x − y)², of one row to a few."""
        found = np.empty(len(others))
        for where in _slices(len(others), max(1, TILE_ELEMENTS // self.rows.shape[1])):
            gap = self.rows[others[where]] - self.rows[query : query + 1]
            found[where] = np.einsum("ij,ij->i", gap, gap)
        return found

    def slack(self, query: int, squared: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """How far another squared distance must be from these for rounding not to change their order."""
        return np.asarray(self.rounding * (self.squares[query] + squared))

    def _from_columns(self, query: int) -> Float[np.ndarray, " n"]:
        line = np.zeros(len(self.squares))
        for column in cast(np.ndarray, self.rows).T:
            gap = column - column[query]
            gap *= gap
            line += gap
        return line

    def _from_products(self, queries: Int[np.ndarray, " m"]) -> Float[np.ndarray, "m n"]:
        n = len(self.squares)
        # One shape is compiled once.
        padded = np.resize(queries, max(len(queries), _rows_in_a_block(n)))
        chosen, own = self.rows[padded], self.squares[padded]
        with jax.enable_x64(True):
            found = [_expanded(chosen, own, *tile) for tile in self._tiles()]
        squared = np.asarray(found[0]) if len(found) == 1 else np.concatenate(found, axis=1)
        return squared[: len(queries)]

    def _tiles(self) -> Iterator[tuple[Array | np.ndarray, Array | np.ndarray]]:
        """All rows, and their squares, in parts that fit memory."""
        if self.on_device is not None:
            yield self.on_device, self.squares
            return
        for where in _slices(len(self.squares), max(1, TILE_ELEMENTS // self.rows.shape[1])):
            yield self.rows[where], self.squares[where]

    def _corrected(self, query: int, line: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """A row of the product, close distances from differences."""
        line = line.copy()
        line[query] = 0.0
        close = np.flatnonzero(line < self.rounding / RELATIVE_ERROR * self.squares[query])
        if len(close) > 1:
            line[close] = self.from_differences(query, close)
        return line


@jax.jit
def _expanded(
    x: Float[Array, "m D"],
    x_squares: Float[Array, " m"],
    y: Float[Array, "n D"],
    y_squares: Float[Array, " n"],
) -> Float[Array, "m n"]:
    """‖x‖² + ‖y‖² − 2 x·y, at least 0."""
    return jnp.maximum(x_squares[:, None] + y_squares - 2.0 * (x @ y.T), 0.0)


def distances_between(rows: Rows) -> Distances:
    """Distances between rows (n, D): an array in memory or on disk, or a CSR matrix; finite."""
    n, D = (int(size) for size in rows.shape)
    few = D <= FEW_COLUMNS
    if not few:
        check_process()  # products are computed by JAX
    shifted = Shifted(rows, np.zeros(D), _power_of_two_above(_largest(rows)))
    rounding = 0.0
    # A few columns are subtracted as they are; on a grid, products are exact.
    if not few and not _on_grid(shifted):
        mean = mean_row(rows)
        shifted = Shifted(rows, mean, _power_of_two_above(_largest(Shifted(rows, mean, 1.0))))
        rounding = 16 * (D + 4) * UNIT_ROUNDOFF
    squares = np.empty(n)
    kept = _aligned(n, D) if few or n * D <= KEPT_ELEMENTS else None
    for where, block in row_blocks(shifted):
        squares[where] = np.einsum("ij,ij->i", block, block)
        if kept is not None:
            kept[where] = block
    if kept is None or few:
        return Distances(shifted if kept is None else kept, squares, shifted.unit, rounding)
    with jax.enable_x64(True):
        on_device = jax.device_put(kept, jax.devices("cpu")[0])
    return Distances(np.asarray(on_device), squares, shifted.unit, rounding, on_device)


def largest_by_steps(distances: Distances) -> float:
    """The largest squared distance in nearly all cases, and never more than it.

    From the rows farthest from the mean to those farthest from them, until distances stop growing.
    """
    mean = mean_row(distances.rows)
    spread = [np.sum((block - mean) ** 2, axis=1) for _, block in row_blocks(distances.rows)]
    size = _rows_in_a_block(len(distances.squares))
    queries = np.argsort(np.concatenate(spread))[-size:]
    best = -1.0
    for _ in range(MOST_STEPS):
        farthest = [(int(np.argmax(line)), float(np.max(line))) for line in distances.squared(queries)]
        largest = max(squared for _, squared in farthest)
        if largest <= best:
            break
        best = largest
        queries = np.unique([row for row, _ in farthest])
    return best


def mean_row(rows: Rows) -> Float[np.ndarray, " D"]:
    """The mean of the rows, in float64."""
    total = np.zeros(rows.shape[1])
    for _, block in row_blocks(rows):
        total += block.sum(axis=0, dtype=np.float64)
    return np.asarray(total / rows.shape[0])


def over_blocks(
    function: Callable[[Int[np.ndarray, " m"]], Result], n_queries: int, n: int
) -> list[Result]:
    """``function`` of blocks of the numbers 0 … n_queries − 1, on all cores.

    Distances of a block, in each thread, to n rows fit memory.
    """
    blocks = [np.arange(where.start, where.stop) for where in _slices(n_queries, _rows_in_a_block(n))]
    with ThreadPoolExecutor(_cores()) as threads:
        return list(threads.map(function, blocks))


def _rows_in_a_block(n: int) -> int:
    most = min(MOST_ROWS, max(FEWEST_ROWS, BLOCK_ELEMENTS // (n * _cores())))
    return min(n, most)


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _aligned(n: int, D: int) -> Float[np.ndarray, "n D"]:
    """Room for rows that JAX need not copy: from a multiple of 64 bytes. Few columns lie one by one."""
    room = np.empty(n * D + 8)
    start = -room.ctypes.data // 8 % 8
    part = room[start : start + n * D]
    return part.reshape(n, D) if D > FEW_COLUMNS else part.reshape(D, n).T


def _largest(rows: Rows) -> float:
    return max(float(np.abs(block.astype(np.float64)).max()) for _, block in row_blocks(rows))


def _on_grid(rows: Shifted) -> bool:
    """Whether entries, below 1, are multiples of a step whose sums of D products fit 53 bits."""
    steps = 2.0 ** math.floor((51 - math.log2(rows.shape[1])) / 2)
    return all(bool(np.all(np.rint(block * steps) == block * steps)) for _, block in row_blocks(rows))


def _power_of_two_above(size: float) -> float:
    return math.ldexp(1.0, math.frexp(size)[1]) if size else 1.0


def _slices(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
