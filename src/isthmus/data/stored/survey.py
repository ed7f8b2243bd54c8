"""One pass over rows that are kept elsewhere: what it looks for in each part, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse
from jaxtyping import Int

from isthmus.data.finite import check_finite
from isthmus.data.moments import MAX_FULL, Summary
from isthmus.data.rows import READ_ELEMENTS, SPARSE_BLOCKS
from isthmus.data.stored.store import Place, StoreError
from isthmus.data.wording import counted

if TYPE_CHECKING:
    from isthmus.data.rows import Block


@dataclass(frozen=True)
class Kept:
    """Some rows in memory, by their numbers, ascending."""

    numbers: Int[np.ndarray, " m"]
    rows: Block

    def at(self, numbers: Int[np.ndarray, " k"]) -> Block | None:
        """These rows, or None where one of them is not kept."""
        if not len(self.numbers):
            return None
        places = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
        return self.rows[places] if np.array_equal(self.numbers[places], numbers) else None


@dataclass(frozen=True)
class Check:
    """Refuses rows of another shape than was expected, and NaN, infinities and numbers too large."""

    shape: tuple[int, int]
    names: tuple[str, ...] | None
    allow_nan: bool

    def __call__(self, rows: Block, place: Place, *, values: bool = True) -> Block:
        if rows.shape != self.shape:
            raise StoreError(
                f"{place(0)}: {counted(self.shape[0], 'row')} × {counted(self.shape[1], 'column')} were "
                f"there when the rows were opened, and now there are {rows.shape[0]} × {rows.shape[1]}. "
                "Open them again, and do not write to them meanwhile"
            )

        def entry(row: int, column: int) -> str:
            name = column if self.names is None else repr(self.names[column])
            return f"column {name} in {place(row)}"

        if values:
            check_finite(rows, entry, allow_nan=self.allow_nan)
        return rows


@dataclass(frozen=True)
class PartSurvey:
    """Looks through the rows of one part, wherever they are.

    ``wanted`` are kept, ``left_out`` are not in the summary; both are numbers in the part.
    """

    check: Check
    wanted: Int[np.ndarray, " m"]
    left_out: Int[np.ndarray, " k"]

    def __call__(self, rows: Block, place: Place) -> Found:
        return self.of(self.check(rows, place))

    def of(self, rows: Block) -> Found:
        n, D = rows.shape
        most = max(1, READ_ELEMENTS // D) * (1 if isinstance(rows, np.ndarray) else SPARSE_BLOCKS)
        summary: Summary | None = None
        for start in range(0, n, most):
            block = rows[start : start + most]
            low, high = np.searchsorted(self.left_out, [start, start + most])
            if low < high:
                others = np.delete(np.arange(block.shape[0]), self.left_out[low:high] - start)
                block = block[others]
            if block.shape[0]:
                found = Summary.of(block, D <= MAX_FULL)
                summary = found if summary is None else summary.merge(found)
        return Found(summary, rows[self.wanted])


@dataclass(frozen=True)
class Found:
    """A summary of some parts, None where all of their rows are left out, and rows that are kept."""

    summary: Summary | None
    kept: Block

    def merge(self, other: Found) -> Found:
        both = [found.summary for found in (self, other) if found.summary is not None]
        return Found(reduce(Summary.merge, both) if both else None, joined([self.kept, other.kept]))


@dataclass(frozen=True)
class Survey:
    """What one pass over all rows found: a summary of those not left out, and some of the rows."""

    left_out: Int[np.ndarray, " k"]
    summary: Summary
    sample: Int[np.ndarray, " m"]
    kept: Kept


def joined(pieces: list[Block]) -> Block:
    if len(pieces) == 1:
        return pieces[0]
    arrays = [piece for piece in pieces if isinstance(piece, np.ndarray)]
    if len(arrays) == len(pieces):
        return np.concatenate(arrays)
    sparse: Any = pieces  # the stubs of SciPy know no array among them
    return scipy.sparse.csr_array(scipy.sparse.vstack(sparse))
