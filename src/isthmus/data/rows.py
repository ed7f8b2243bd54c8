"""Rows: the protocol, and every view of rows. Nothing is computed before a view is indexed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from jaxtyping import Float, Int

if TYPE_CHECKING:
    import scipy.sparse

    from isthmus.data.moments import Summary
    from isthmus.data.scaling import Scaling

    Block = np.ndarray | scipy.sparse.csr_array

Index = slice | np.ndarray
"""Rows are indexed by a slice, or by an array of their numbers."""

READ_ELEMENTS = 2**22
"""Numbers that a function over all rows reads at a time: 32 MiB in float64."""

SPARSE_BLOCKS = 16
"""Times as many rows of sparse ones, where they need not be unfolded."""


class Rows(Protocol):
    """Rows (n, D): an array, a memory map, a sparse matrix in rows, or a view of one of these."""

    @property
    def shape(self) -> tuple[int, int]:
        """(n, D)."""

    @property
    def dtype(self) -> np.dtype: ...

    def __getitem__(self, index: Index, /) -> Block:
        """Some of the rows, as an array or sparse."""


class View(Protocol):
    """A view of rows: float32 blocks of them, which may have other columns."""

    @property
    def shape(self) -> tuple[int, int]:
        """(n, D)."""

    @property
    def dtype(self) -> np.dtype[np.float32]: ...

    def __getitem__(self, index: Index, /) -> Float[np.ndarray, "n D"]: ...


@dataclass(frozen=True)
class AllBut:
    """The numbers of all of n rows but a few, ascending, as an array has them; only the few are kept."""

    n_rows: int
    left_out: Int[np.ndarray, " k"]
    """In ascending order."""

    def __len__(self) -> int:
        return self.n_rows - len(self.left_out)

    def __getitem__(self, index: Index) -> Int[np.ndarray, " m"]:
        places = np.arange(*index.indices(len(self))) if isinstance(index, slice) else index
        # Before the j-th that is left out there are its number less j others.
        gaps = self.left_out - np.arange(len(self.left_out))
        return places + np.searchsorted(gaps, places, side="right")

    def searchsorted(self, numbers: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
        """How many of these numbers are less than each of the given."""
        return np.asarray(numbers - np.searchsorted(self.left_out, numbers))

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)


RowNumbers: TypeAlias = Int[np.ndarray, " m"] | AllBut
"""Numbers of rows: an array of them, or all but a few."""

NONE: Int[np.ndarray, " 0"] = np.arange(0)
"""The numbers of no rows."""

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


@dataclass(frozen=True)
class ScaledRows:
    """Rows in scaled units, centred in float64 and then in float32 unless ``dtype`` says otherwise."""

    rows: Rows
    scaling: Scaling
    dtype: np.dtype = FLOAT32

    @property
    def shape(self) -> tuple[int, int]:
        n, D = self.rows.shape
        return n, D

    def __getitem__(self, index: Index, /) -> Float[np.ndarray, "n D"]:
        return self.scaling(dense(self.rows[index]), self.dtype.type)

    def summary(self, left_out: Int[np.ndarray, " k"] | None = None) -> Summary | None:
        """What is known of the rows from a pass that need not be made again, in scaled units."""
        known = _known(self.rows, left_out)
        return known and known.scaled(self.scaling.center, self.scaling.scale)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)


@dataclass(frozen=True)
class JoinedRows:
    """Rows with a few numbers more on their right, which belong to each."""

    rows: View
    aside: Float[np.ndarray, "n a"]
    dtype = FLOAT32

    @property
    def shape(self) -> tuple[int, int]:
        n, D = self.rows.shape
        return n, D + self.aside.shape[1]

    def __getitem__(self, index: Index, /) -> Float[np.ndarray, "n width"]:
        return np.concatenate([self.rows[index], self.aside[index]], axis=1, dtype=np.float32)


@dataclass(frozen=True)
class ChosenRows:
    """Some of the rows, by their numbers."""

    rows: Rows
    chosen: RowNumbers

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.chosen), self.rows.shape[1]

    @property
    def dtype(self) -> np.dtype:
        return self.rows.dtype

    @property
    def code(self) -> object:
        """That of the rows, where angles or categories are written in one; None for ordinary rows."""
        return getattr(self.rows, "code", None)

    def __getitem__(self, index: Index, /) -> Block:
        return take_rows(self.rows, self.chosen[index])

    def summary(self) -> Summary | None:
        """What is known of the rows from a pass that need not be made again."""
        return _known(self.rows, self.chosen.left_out) if isinstance(self.chosen, AllBut) else None


def number_among_all(rows: Rows, row: int) -> int:
    """Which of the rows that a user gave this one is, where ``rows`` are some of them."""
    return int(rows.chosen[np.array([row])][0]) if isinstance(rows, ChosenRows) else row


def _known(rows: Rows, left_out: Int[np.ndarray, " k"] | None) -> Summary | None:
    """A summary of rows that can give one, without those that are left out."""
    summarise = getattr(rows, "summary", None)
    if summarise is None:
        return None
    known: Summary | None = summarise() if left_out is None else summarise(left_out)
    return known


def run_starts(rows: Rows | View, run_bytes: int) -> Int[np.ndarray, " runs_and_one"]:
    """Where each run of rows begins that is best read as a whole, and where the last one ends.

    Rows that are kept elsewhere have runs of their own; an array is cut at even steps, of so many bytes
    in float32.
    """
    own: np.ndarray | None = getattr(_stored(rows), "run_starts", None)
    if own is not None:
        return own
    n, D = rows.shape
    return np.append(np.arange(0, n, max(1, run_bytes // (4 * D))), n)


def are_kept_elsewhere(rows: Rows | View) -> bool:
    """Whether these are a view of rows that are read from a place outside memory."""
    return hasattr(_stored(rows), "process_starts")


def process_starts(rows: Rows | View, n_processes: int) -> Int[np.ndarray, " processes"]:
    """Where the rows begin that each of several processes reads, of rows that are kept elsewhere."""
    starts: np.ndarray = _stored(rows).process_starts(n_processes)
    return starts


def evenly_spaced(rows: Rows | View, most: int, chosen: RowNumbers | None = None) -> Block:
    """At most so many of the rows, or of those chosen, evenly spaced over them.

    Of rows that are kept elsewhere it takes some that are in memory, so that nothing is read.
    """
    if isinstance(rows, ChosenRows) and chosen is None:
        return evenly_spaced(rows.rows, most, rows.chosen)
    stored = _stored(rows)
    if hasattr(stored, "some_numbers"):
        numbers = stored.some_numbers()
        if chosen is not None:
            places = np.minimum(chosen.searchsorted(numbers), len(chosen) - 1)
            numbers = numbers[chosen[places] == numbers]
    elif chosen is None:
        return rows[:: -(-rows.shape[0] // most)]
    else:
        numbers = chosen
    return rows[numbers[:: -(-len(numbers) // most)]]


def _stored(rows: Rows | View) -> Any:  # an array, or rows that are kept elsewhere
    """What a view of all of its rows looks at, in the end."""
    while hasattr(rows, "rows") and not isinstance(rows, ChosenRows):
        rows = rows.rows
    return rows


def block_bytes_of(rows: Rows | View, otherwise: int) -> int:
    """How many bytes of rows that are kept elsewhere may be in a block of them."""
    return int(getattr(_stored(rows), "block_bytes", otherwise))


def take_rows(rows: Rows, part: Int[np.ndarray, " n"]) -> Block:
    """``rows[part]``, as a view where the part is one contiguous run."""
    if len(part) and part[-1] - part[0] == len(part) - 1 and bool(np.all(np.diff(part) == 1)):
        return rows[slice(int(part[0]), int(part[-1]) + 1)]
    return rows[part]


def dense(rows: Block) -> np.ndarray:
    """A block of rows as an ordinary array: only ever one block of a sparse matrix is unfolded."""
    return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows)


def row_blocks(rows: Rows) -> Iterator[tuple[slice, np.ndarray]]:
    """Consecutive dense blocks, each with the slice it came from: how whole-array functions read."""
    n, D = rows.shape
    for where in _in_turn(n, max(1, READ_ELEMENTS // D)):
        yield where, dense(rows[where])


def blocks_as_kept(rows: Rows) -> Iterator[Block]:
    """Consecutive blocks as they are kept: those of sparse rows are sparse, and have more rows."""
    n, D = rows.shape
    size = max(1, READ_ELEMENTS // D)
    first = rows[slice(0, min(size, n))]
    yield first
    size *= 1 if isinstance(first, np.ndarray) else SPARSE_BLOCKS
    for where in _in_turn(n, size, first.shape[0]):
        yield rows[where]


def _in_turn(n: int, size: int, start: int = 0) -> Iterator[slice]:
    return (slice(at, min(at + size, n)) for at in range(start, n, size))
