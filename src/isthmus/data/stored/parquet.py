"""Rows in Parquet files, on a disk or in the cloud."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int

from isthmus.data.stored.schema import Columns, check_schema, chosen_columns, read_head
from isthmus.data.stored.store import PART_BYTES, Store, StoreError
from isthmus.data.wording import listed

if TYPE_CHECKING:
    from isthmus.data.rows import Block

BUFFER_BYTES = 2**20
"""Bytes of a column that are read at a time from a row group that does not fit a part."""


@dataclass(frozen=True)
class _Piece:
    """Rows of a row group: all of them, or ``size`` at a time of a large one."""

    file: int
    group: int
    first: int
    n_rows: int
    size: int


class ParquetStore:
    """Rows of Parquet files, one after the other; a part is a row group, or a piece of a large one.

    ``group_rows`` are the rows in each row group of each file.
    """

    row_shape = None

    def __init__(
        self,
        filesystem: Any,  # of pyarrow
        paths: Sequence[str],
        columns: Columns,
        group_rows: Sequence[Sequence[int]],
    ) -> None:
        self.filesystem, self.paths, self.columns, self.group_rows = (
            filesystem,
            paths,
            columns,
            group_rows,
        )
        self.n_columns, self.names, self.dtype = len(columns.features), columns.features, columns.dtype
        most = max(1, PART_BYTES // (self.n_columns * self.dtype.itemsize))
        self._pieces = [
            _Piece(file, group, first, min(size, n_rows - first), size)
            for file, groups in enumerate(group_rows)
            for group, n_rows in enumerate(groups)
            for size in [n_rows if n_rows <= 2 * most else most]
            for first in range(0, n_rows, max(1, size))
        ]
        self.part_starts = _starts([piece.n_rows for piece in self._pieces])
        # The pieces of a large group are quickly read in their order alone.
        self.run_starts = _starts([n_rows for groups in group_rows for n_rows in groups if n_rows])
        self.file_starts = _starts([sum(groups) for groups in group_rows])
        # Rows that share a store have a reader each, and a file has one place where it is read.
        self._lock = threading.Lock()
        self._opened: dict[int, pq.ParquetFile] = {}
        weakref.finalize(self, _close, self._opened)
        self._upcoming: tuple[_Piece, Iterator[pa.RecordBatch]] | None = None

    def __reduce__(self) -> tuple[object, ...]:
        return ParquetStore, (self.filesystem, self.paths, self.columns, self.group_rows)

    def place(self, row: int) -> str:
        file = int(np.searchsorted(self.file_starts, row, side="right")) - 1
        starts = _starts(self.group_rows[file])
        within = row - int(self.file_starts[file])
        group = int(np.searchsorted(starts, within, side="right")) - 1
        return f"row {within - starts[group]} of row group {group} of {self.paths[file]}"

    def read(self, part: int) -> Block:
        piece = self._pieces[part]
        with self._named(piece.file, piece.group):
            return self.columns.matrix(self._table(piece))

    def columns_of(self, file: int, group: int, names: Sequence[str]) -> pa.Table:
        """Columns of a row group as they are: text, dates and numbers. Raises as ``read`` does."""
        with self._named(file, group):
            known = self._file(file).schema_arrow.names
            missing = [name for name in names if name not in known]
            if not missing:
                return self._file(file).read_row_group(group, list(names)).select(list(names))
        raise StoreError(f"{self.paths[file]} has no column {listed(missing)}; it has {listed(known)}")

    def column_of(self, name: str, numbers: Int[np.ndarray, " k"]) -> pa.ChunkedArray:
        """A column, as it is, of the rows of these numbers, ascending; reads it in their row groups."""
        found: list[pa.ChunkedArray] = []
        for file, groups in enumerate(self.group_rows):
            starts = self.file_starts[file] + _starts(groups)
            bounds = np.searchsorted(numbers, starts)
            found += [
                self.columns_of(file, group, [name]).column(name).take(numbers[low:high] - starts[group])
                for group, (low, high) in enumerate(pairwise(bounds))
                if low < high
            ]
        return pa.chunked_array([chunk for column in found for chunk in column.chunks])

    @contextmanager
    def _named(self, file: int, group: int) -> Iterator[None]:
        """One reader at a time; and what is wrong with a row group, said with its name."""
        try:
            with self._lock:
                yield
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError, KeyError, StopIteration, StoreError) as error:
            raise StoreError(
                f"row group {group} of {self.paths[file]} cannot be read; it is truncated or damaged, "
                f"or was written over ({str(error).rstrip('.')}). Copy the file again from its source, "
                "or leave it out"
            ) from error

    def _table(self, piece: _Piece) -> pa.Table | pa.RecordBatch:
        names = list(self.columns.names)
        if piece.size == self.group_rows[piece.file][piece.group]:
            return self._file(piece.file).read_row_group(piece.group, names)
        upcoming, self._upcoming = self._upcoming, None
        if upcoming is not None and upcoming[0] == piece:
            batches = upcoming[1]
        else:
            groups = [piece.group]
            batches = self._file(piece.file).iter_batches(piece.size, groups, names)
            for _ in range(piece.first // piece.size):
                next(batches)
        batch = next(batches)
        first = piece.first + piece.n_rows
        left = self.group_rows[piece.file][piece.group] - first
        self._upcoming = (replace(piece, first=first, n_rows=min(piece.size, left)), batches)
        return batch

    def _file(self, number: int) -> pq.ParquetFile:
        if number not in self._opened:
            self._upcoming = None
            _close(self._opened)
            source = self.filesystem.open_input_file(self.paths[number])
            self._opened[number] = pq.ParquetFile(source, buffer_size=BUFFER_BYTES)
        return self._opened[number]


def _close(files: dict[int, pq.ParquetFile]) -> None:
    """Close files, and forget them."""
    while files:
        files.popitem()[1].close(force=True)


@dataclass(frozen=True)
class ConsecutiveParts:
    """Some parts of a store, one after the other, as a store."""

    store: Store
    parts: range

    @property
    def n_columns(self) -> int:
        return self.store.n_columns

    @property
    def names(self) -> tuple[str, ...] | None:
        return self.store.names

    @property
    def row_shape(self) -> tuple[int, ...] | None:
        return self.store.row_shape

    @property
    def dtype(self) -> np.dtype:
        return self.store.dtype

    @property
    def first_row(self) -> int:
        return int(self.store.part_starts[self.parts.start])

    @cached_property
    def part_starts(self) -> Int[np.ndarray, " parts_and_one"]:
        return self.store.part_starts[self.parts.start : self.parts.stop + 1] - self.first_row

    @property
    def run_starts(self) -> Int[np.ndarray, " runs_and_one"]:
        return self.part_starts

    def read(self, part: int) -> Block:
        return self.store.read(self.parts[part])

    def place(self, row: int) -> str:
        return self.store.place(self.first_row + row)


def open_parquet(
    filesystem: Any,  # of pyarrow
    paths: Sequence[str],
    columns: Sequence[str] | None,
    drop: Sequence[str],
) -> ParquetStore:
    """The rows of these files, whose columns must agree; reads nothing but how they are made up.

    Raises StoreError for a file that is not Parquet, that lacks a column or has it in another type, and
    for columns that hold no numbers.
    """
    with ThreadPoolExecutor(max_workers=8) as readers:
        heads = list(readers.map(lambda path: read_head(filesystem, path), paths))
    chosen = chosen_columns(heads[0].schema, paths[0], columns, drop)
    for path, head in zip(paths, heads, strict=True):
        check_schema(head.schema, path, chosen, heads[0].schema, paths[0])
    group_rows = [head.group_rows for head in heads]
    if not any(map(sum, group_rows)):
        raise StoreError(f"{paths[0]} has no rows: pass files with data")
    return ParquetStore(filesystem, paths, chosen, group_rows)


def _starts(sizes: Sequence[int]) -> Int[np.ndarray, " sizes_and_one"]:
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
