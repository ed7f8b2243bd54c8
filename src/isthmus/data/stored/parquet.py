"""Rows in Parquet files, on a disk or in the cloud."""

from __future__ import annotations

import threading
import weakref
from collections import Counter
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
from jaxtyping import Int, Num

from isthmus.data.stored.store import PART_BYTES, Store, StoreError

if TYPE_CHECKING:
    from isthmus.data.rows import Block

TILE_ROWS = 1024
"""Rows that are turned from columns at a time, few enough to stay in the cache."""

BUFFER_BYTES = 2**20
"""Bytes of a column that are read at a time from a row group that does not fit a part."""

MOST_NAMED = 10
"""Columns that an error names."""


@dataclass(frozen=True)
class Columns:
    """Which columns of the files are features, with the number of features that each of them is."""

    names: tuple[str, ...]
    widths: tuple[int, ...]
    dtype: np.dtype

    @cached_property
    def features(self) -> tuple[str, ...]:
        """Names of the features; those of a column of vectors are numbered."""
        return tuple(
            feature
            for name, width in zip(self.names, self.widths, strict=True)
            for feature in _features(name, width)
        )

    def matrix(self, table: pa.Table | pa.RecordBatch) -> Num[np.ndarray, "n D"]:
        """Rows (n, D) of a table that has these columns, with NaN where there is no value."""
        n = table.num_rows
        parts = [self._values(table.column(name)) for name in self.names]
        if len(parts) == 1 and parts[0].ndim == 2:
            return np.ascontiguousarray(parts[0], self.dtype)
        rows = np.empty((n, len(self.features)), self.dtype)
        for start in range(0, n, TILE_ROWS):
            tile, place = slice(start, min(start + TILE_ROWS, n)), 0
            for part in parts:
                width = 1 if part.ndim == 1 else part.shape[1]
                rows[tile, place : place + width] = part[tile].reshape(-1, width)
                place += width
        return rows

    def _values(self, column: Any) -> np.ndarray:  # an array or a chunked array of Arrow
        if pa.types.is_fixed_size_list(column.type):
            if column.null_count:
                raise StoreError(f"{column.null_count} vectors are missing as a whole (null)")
            chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
            flat = [np.asarray(chunk.flatten()) for chunk in chunks]
            return np.concatenate(flat or [np.empty(0)]).reshape(len(column), column.type.list_size)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_boolean(column.type) and column.null_count:
            column = column.cast(pa.int8())
        if pa.types.is_decimal(column.type) or pa.types.is_null(column.type):
            column = column.cast(pa.float64())
        return np.asarray(
            column.to_numpy() if isinstance(column, pa.ChunkedArray) else column.to_numpy(False)
        )


@dataclass(frozen=True)
class Head:
    """How a file is made up: its columns, and the rows in each of its row groups."""

    schema: pa.Schema
    group_rows: tuple[int, ...]

    @property
    def index(self) -> list[str]:
        """Columns that were the index of a data frame."""
        about = self.schema.pandas_metadata or {}
        return [name for name in about.get("index_columns", ()) if isinstance(name, str)]

    @property
    def numeric(self) -> list[str]:
        """Columns of numbers, and of vectors of one length."""
        return [name for name in self.schema.names if _width(self.schema, name) is not None]

    def columns_of(self, features: Sequence[str]) -> tuple[list[str], list[str]]:
        """The columns that these features are, or are entries of, and the features that none is."""
        column_of = {
            feature: name
            for name in self.numeric
            for feature in _features(name, _width(self.schema, name) or 0)
        }
        missing = [feature for feature in features if feature not in column_of]
        found = [column_of[feature] for feature in features if feature in column_of]
        return list(dict.fromkeys(found)), missing


def _features(name: str, width: int) -> list[str]:
    """Names of the features that a column is: itself, or the numbered entries of its vectors."""
    return [f"{name}_{index}" for index in range(width)] if width else [name]


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
        raise StoreError(f"{self.paths[file]} has no column {shown(missing)}; it has {shown(known)}")

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
        _check_schema(head.schema, path, chosen, heads[0].schema, paths[0])
    group_rows = [head.group_rows for head in heads]
    if not any(map(sum, group_rows)):
        raise StoreError(f"{paths[0]} has no rows: pass files with data")
    return ParquetStore(filesystem, paths, chosen, group_rows)


def read_head(filesystem: Any, path: str) -> Head:  # of pyarrow
    """How a file is made up. Raises StoreError for one that is not Parquet."""
    try:
        with filesystem.open_input_file(path) as source:
            metadata = pq.read_metadata(source)
            rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
            return Head(metadata.schema.to_arrow_schema(), tuple(rows))
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        if getattr(error, "errno", None) is not None:
            raise
        raise StoreError(
            f"{path} cannot be read as Parquet; it is empty, truncated, or another kind of file "
            f"({str(error).rstrip('.')}). Copy it again from its source, or leave it out"
        ) from error


def chosen_columns(
    schema: pa.Schema, path: str, columns: Sequence[str] | None, drop: Sequence[str]
) -> Columns:
    """The columns that are features: those asked for, or all but an index and those left out."""
    repeated = [name for name, count in Counter(schema.names).items() if count > 1]
    if repeated:
        raise StoreError(f"{path}: column names repeat: {shown(repeated)}. Rename them")
    unknown = [name for name in [*(columns or ()), *drop] if name not in schema.names]
    if unknown:
        raise StoreError(f"{path} has no column {shown(unknown)}; it has {shown(schema.names)}")
    index = [] if columns is not None else Head(schema, ()).index
    names = [
        name
        for name in (schema.names if columns is None else columns)
        if name not in drop and name not in index
    ]
    if not names:
        raise StoreError(f"{path}: no column is left, of {shown(schema.names)}")
    other = [f"{name!r} ({schema.field(name).type})" for name in names if _width(schema, name) is None]
    if other:
        more = f" and {len(other) - MOST_NAMED} more" if len(other) > MOST_NAMED else ""
        raise StoreError(
            f"{path}: {', '.join(other[:MOST_NAMED])}{more} hold no numbers. Leave them out with drop=, "
            "or choose others with columns="
        )
    widths = tuple(_width(schema, name) or 0 for name in names)
    kinds = [_kind(schema.field(name).type) for name in names]
    return Columns(tuple(names), widths, np.result_type(np.float32, *kinds))


def _width(schema: pa.Schema, name: str) -> int | None:
    """Features of a column of vectors, 0 of a column of numbers, None of another one."""
    kind = schema.field(name).type
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size) if _is_number(kind.value_type) else None
    if pa.types.is_dictionary(kind):
        return 0 if _is_number(kind.value_type) else None
    return 0 if _is_number(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind) else None


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _kind(kind: pa.DataType) -> np.dtype:
    """The type in which a column's values are read."""
    if pa.types.is_fixed_size_list(kind) or pa.types.is_dictionary(kind):
        kind = kind.value_type
    return np.dtype(kind.to_pandas_dtype()) if _is_number(kind) else np.dtype(np.float64)


def _check_schema(
    schema: pa.Schema, path: str, columns: Columns, first: pa.Schema, first_path: str
) -> None:
    missing = [name for name in columns.names if name not in schema.names]
    if missing:
        raise StoreError(
            f"{path} has no column {shown(missing)}, which {first_path} has: every file needs the same "
            "columns. Leave the file out, or the column, with drop="
        )
    for name in columns.names:
        one, other = first.field(name).type, schema.field(name).type
        if _width(schema, name) != _width(first, name) or not np.can_cast(_kind(other), columns.dtype):
            raise StoreError(
                f"column {name!r} is {other} in {path}, and {one} in {first_path}: write the files with "
                "one type, or leave the column out with drop="
            )


def shown(names: Sequence[str]) -> str:
    """Some names of columns, for an error."""
    more = f", and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(repr, names[:MOST_NAMED])) + more


def _starts(sizes: Sequence[int]) -> Int[np.ndarray, " sizes_and_one"]:
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
