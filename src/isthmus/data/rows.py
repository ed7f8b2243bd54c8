"""Rows: the protocol, and every view of rows. Nothing is computed before a view is indexed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from jaxtyping import Float, Int

if TYPE_CHECKING:
    import scipy.sparse

    from isthmus.data.scaling import Scaling

    Block = np.ndarray | scipy.sparse.csr_array

Index = slice | np.ndarray
"""Rows are indexed by a slice, or by an array of their numbers."""

READ_ELEMENTS = 2**22
"""Numbers that a function over all rows reads at a time: 32 MiB in float64."""


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
    chosen: Int[np.ndarray, " m"]

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
    block_rows = max(1, READ_ELEMENTS // D)
    for start in range(0, n, block_rows):
        where = slice(start, min(start + block_rows, n))
        yield where, dense(rows[where])
