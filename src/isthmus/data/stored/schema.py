"""The columns of Parquet files: which hold numbers, and how rows are made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Num

from isthmus.data.stored.store import StoreError
from isthmus.data.wording import MOST_NAMED, listed

TILE_ROWS = 1024
"""Rows that are turned from columns at a time, few enough to stay in the cache."""


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
        raise StoreError(f"{path}: column names repeat: {listed(repeated)}. Rename them")
    unknown = [name for name in [*(columns or ()), *drop] if name not in schema.names]
    if unknown:
        raise StoreError(f"{path} has no column {listed(unknown)}; it has {listed(schema.names)}")
    index = [] if columns is not None else Head(schema, ()).index
    names = [
        name
        for name in (schema.names if columns is None else columns)
        if name not in drop and name not in index
    ]
    if not names:
        raise StoreError(f"{path}: no column is left, of {listed(schema.names)}")
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


def check_schema(
    schema: pa.Schema, path: str, columns: Columns, first: pa.Schema, first_path: str
) -> None:
    """Raise StoreError where a file lacks one of the first file's columns, or has it in another type."""
    missing = [name for name in columns.names if name not in schema.names]
    if missing:
        raise StoreError(
            f"{path} has no column {listed(missing)}, which {first_path} has: every file needs the same "
            "columns. Leave the file out, or the column, with drop="
        )
    for name in columns.names:
        one, other = first.field(name).type, schema.field(name).type
        if _width(schema, name) != _width(first, name) or not np.can_cast(_kind(other), columns.dtype):
            raise StoreError(
                f"column {name!r} is {other} in {path}, and {one} in {first_path}: write the files with "
                "one type, or leave the column out with drop="
            )
