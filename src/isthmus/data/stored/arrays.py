"""Rows in one array that is kept elsewhere (Zarr, HDF5, a memory map, backed AnnData), or in blocks."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse
from jaxtyping import Int

from isthmus.data.rows import dense
from isthmus.data.stored.rows import StoredRows
from isthmus.data.stored.store import StoreError
from isthmus.data.wording import counted

if TYPE_CHECKING:
    from isthmus.data.rows import Block

LEAST_PART_BYTES = 2**22
"""Chunks of fewer bytes are read several at a time."""


class ArrayStore:
    """Rows of an array (n, D), or of images (n, height, width) or (n, height, width, c).

    ``array`` has a shape, a type and slices of rows; ``chunk_rows`` is how many of them are kept
    together. ``called`` names it in errors. ``opened_by`` opens the array again in another process,
    where it cannot be sent, or should not because of its size.
    """

    def __init__(
        self,
        array: Any,
        called: str,
        chunk_rows: int = 1,
        names: Sequence[str] | None = None,
        opened_by: Callable[[], Any] | None = None,
    ) -> None:
        shape = tuple(map(int, array.shape))
        if len(shape) not in (2, 3, 4):
            raise StoreError(
                f"{called} has shape {shape}: expected rows × columns, or images (n, height, width) or "
                "(n, height, width, c)"
            )
        if 0 in shape:
            raise StoreError(f"{called} has shape {shape}, so it has no rows or no columns")
        if np.dtype(array.dtype).kind not in "biuf":
            raise StoreError(f"{called} holds values of type {array.dtype}, not real numbers")
        self.array, self.called, self.chunk_rows = array, called, chunk_rows
        self.opened_by = opened_by
        self.names = None if names is None else tuple(map(str, names))
        self.n_columns = prod(shape[1:])
        self.row_shape = shape[1:] if len(shape) > 2 else None
        self.dtype = np.dtype(array.dtype)
        chunk_bytes = chunk_rows * self.n_columns * self.dtype.itemsize
        part_rows = chunk_rows * max(1, LEAST_PART_BYTES // chunk_bytes)
        self.part_starts: Int[np.ndarray, " parts_and_one"] = np.append(
            np.arange(0, shape[0], part_rows), shape[0]
        )
        self.run_starts = self.part_starts

    def __reduce__(self) -> tuple[object, ...]:
        array = self.array if self.opened_by is None else None
        return _opened_again, (array, self.called, self.chunk_rows, self.names, self.opened_by)

    def place(self, row: int) -> str:
        return f"row {row} of {self.called}"

    def read(self, part: int) -> Block:
        start, stop = map(int, self.part_starts[part : part + 2])
        try:
            rows = self.array[start:stop]
        except Exception as error:  # each library has its own
            raise StoreError(
                f"rows {start} to {stop} of {self.called} cannot be read "
                f"({type(error).__name__}: {error})"
            ) from error
        if scipy.sparse.issparse(rows):
            return scipy.sparse.csr_array(rows)  # type: ignore[no-any-return,call-overload]
        return np.asarray(rows).reshape(len(rows), -1)


def _opened_again(
    array: Any,
    called: str,
    chunk_rows: int,
    names: Sequence[str] | None,
    opened_by: Callable[[], Any] | None,
) -> ArrayStore:
    array = array if opened_by is None else opened_by()
    return ArrayStore(array, called, chunk_rows, names, opened_by)


def part_in_memory(rows: StoredRows, most: int) -> StoredRows:
    """At most so many of the rows, evenly spaced, which are read once and kept in memory."""
    n = len(rows)
    numbers = np.linspace(0, n - 1, min(n, most)).astype(np.int64)
    called = f"{len(numbers)} of {n} rows, evenly spaced"
    taken = dense(rows[numbers])
    shape = rows.store.row_shape or taken.shape[1:]
    store = ArrayStore(taken.reshape(-1, *shape), called, names=rows.names)
    return StoredRows(store, rows.block_bytes, allow_nan=rows.allow_nan)


class ComputedStore:
    """Rows of a collection that is computed when it is read, such as one of Dask; a part is a block.

    ``compute`` gives the rows of a part.
    """

    row_shape = None

    def __init__(
        self,
        compute: Callable[[int], Block],
        sizes: Sequence[int],
        n_columns: int,
        dtype: np.dtype,
        called: str,
        names: Sequence[str] | None = None,
    ) -> None:
        if not sum(sizes):
            raise StoreError(f"{called} has no rows")
        self.compute, self.sizes, self.called = compute, tuple(map(int, sizes)), called
        self.n_columns, self.dtype = n_columns, dtype
        self.names = None if names is None else tuple(map(str, names))
        self._filled = [part for part, size in enumerate(self.sizes) if size]
        filled_sizes = [size for size in self.sizes if size]
        self.part_starts: Int[np.ndarray, " parts_and_one"] = np.concatenate(
            [[0], np.cumsum(filled_sizes, dtype=np.int64)]
        )
        self.run_starts = self.part_starts

    def __reduce__(self) -> tuple[object, ...]:
        given = (self.compute, self.sizes, self.n_columns, self.dtype, self.called, self.names)
        return ComputedStore, given

    def place(self, row: int) -> str:
        part = int(np.searchsorted(self.part_starts, row, side="right")) - 1
        return f"row {row - self.part_starts[part]} of block {self._filled[part]} of {self.called}"

    def read(self, part: int) -> Block:
        try:
            return self.compute(self._filled[part])
        except Exception as error:
            raise StoreError(
                f"block {self._filled[part]} of {self.called} cannot be computed "
                f"({type(error).__name__}: {error})"
            ) from error


def kept_in_a_file(
    blocks: Iterable[object],
    as_block: Callable[[object, str], np.ndarray],
    labels_of: Callable[[object], Sequence[object] | None],
) -> ArrayStore:
    """The rows of blocks, written once to a temporary file that vanishes with its last user.

    They need a place from which rows can be read in random order. float32 stays float32, everything
    else becomes float64. Raises StoreError for blocks of different widths or of other columns, and
    OSError where the disk is full.
    """
    n_rows, width = 0, 0
    labels: Sequence[object] | None = None
    dtype: np.dtype = np.dtype(np.float64)
    with tempfile.TemporaryFile(prefix="isthmus-rows-") as file:
        for number, block in enumerate(blocks):
            rows = as_block(block, f"block {number}")
            if number == 0:
                width = rows.shape[1]
                dtype = np.dtype(np.float32 if rows.dtype == np.float32 else np.float64)
            if rows.shape[1] != width:
                raise StoreError(
                    f"block {number} has {counted(rows.shape[1], 'column')}, and those before it have "
                    f"{width}"
                )
            own = labels_of(block)
            if labels is not None and own is not None and own != labels:
                place = next(j for j in range(width) if own[j] != labels[j])
                raise StoreError(
                    f"column {place} is {own[place]!r} in block {number} and {labels[place]!r} in those "
                    "before it: expected the same columns in the same order"
                )
            labels = own if labels is None else labels
            np.ascontiguousarray(rows, dtype).tofile(file)
            n_rows += len(rows)
        if n_rows == 0:
            raise StoreError("there are no blocks, or no rows in them: pass blocks (rows, D)")
        file.flush()
        # What is mapped stays when the file is closed, and goes with the map.
        return ArrayStore(np.memmap(file, dtype, "r", shape=(n_rows, width)), "the blocks")
