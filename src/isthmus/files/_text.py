"""Data files of text: how CSV and its kin are read and written."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

from isthmus.data import conversion
from isthmus.data.wording import counted
from isthmus.files.content import Content, TableError, arrow_table

LEAST_BLOCK = 2**20
"""Bytes of a CSV file that Arrow parses at a time; a row must fit."""

MOST_BLOCK = 2**30
"""Bytes that a row of a CSV file may have."""

BLANK = (
    *("NA", "N/A", "n/a", "null", "NULL", "#N/A", "#N/A N/A", "#NA"),
    *("1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)
"""What stands in a cell that is missing, beside nothing at all, as Arrow reads numbers."""


def _is_compressed(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _open(path: Path) -> gzip.GzipFile | BufferedReader:
    return gzip.open(path) if _is_compressed(path) else path.open("rb")


def read_text(path: Path, header: bool | None, delimiter: str | None) -> Content:
    with _open(path) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        before, line = 0, ""
        for line in text:
            if line.strip():
                break
            before += 1
        if not line.strip():
            raise TableError(f"{path} is an empty file: it has blank lines only")
        delimiter = delimiter or _delimiter(line)
        with _cells_of_any_length():
            records = csv.reader(itertools.chain([line], text), delimiter=delimiter)
            first, second = next(records), next(records, None)
    named = _looks_like_names(first) if header is None else header
    alone = len(first) == len(second or first) == 1
    row_bytes = max(sum(len(cell.encode()) + 4 for cell in row) for row in (first, second or []))
    try:
        rows = _parsed(
            path,
            second is not None,
            pyarrow.csv.ReadOptions(
                block_size=max(LEAST_BLOCK, 8 * row_bytes),
                autogenerate_column_names=not named,
                skip_rows=before if alone and named else 0,
            ),
            # A blank line of one column is an empty cell; of several it is no row.
            pyarrow.csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=not alone
            ),
        )
    except pa.ArrowInvalid as error:
        if "Expected" not in str(error):
            raise
        _check_quotes(path, delimiter)
        raise TableError(_ragged(path, delimiter)) from error
    _check_text(path, rows, delimiter)
    names = tuple(name.strip() for name in rows.column_names) if named else None
    notes = [
        _note_on(names, header),
        _note_on_first_row(first, second or []) if named and header is None else None,
        _note_on_blank_cells(rows) if alone else None,
    ]
    return Content(rows, names, "; ".join(filter(None, notes)) or None)


def _parsed(
    path: Path,
    has_lines: bool,
    read: pyarrow.csv.ReadOptions,
    parse: pyarrow.csv.ParseOptions,
) -> pa.Table:
    """The rows of a text file, in blocks of which each holds its longest row."""
    while True:
        # Of a file of Python a thread of Arrow may be left over, which aborts the process as it ends.
        compression = "gzip" if _is_compressed(path) else None
        with pa.input_stream(str(path), compression=compression) as file:
            source = file
            if not has_lines:
                # Arrow takes a line that does not end for no line.
                content = file.read()
                is_ended = content.endswith((b"\n", b"\r"))
                source = pa.BufferReader(content if is_ended else content + b"\n")
            try:
                return pyarrow.csv.read_csv(source, read, parse)
            except pa.ArrowInvalid as error:
                if "straddling" not in str(error) or read.block_size >= MOST_BLOCK:
                    raise
        read.block_size = min(8 * read.block_size, MOST_BLOCK)


@contextlib.contextmanager
def _cells_of_any_length() -> Iterator[None]:
    """Let Python's reader take cells as long as Arrow does."""
    before = csv.field_size_limit(MOST_BLOCK)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _check_text(path: Path, rows: pa.Table, delimiter: str) -> None:
    """Raise for what Arrow passes over: text that is not UTF-8, and a quote that is not closed."""
    for name, column in zip(rows.column_names, rows.columns, strict=True):
        # Text that is not UTF-8 is bytes to Arrow.
        for row, cell in enumerate(column.to_pylist() if pa.types.is_binary(column.type) else ()):
            try:
                (cell or b"").decode()
            except UnicodeDecodeError as error:
                raise TableError(
                    f"{path} is not UTF-8 text (row {row} of column {name!r} is {cell[:40]!r}): save it "
                    "as UTF-8"
                ) from error
    texts = [column for column in rows.columns if pa.types.is_string(column.type)]
    if any(
        pyarrow.compute.any(pyarrow.compute.match_substring_regex(text, "[\r\n]")).as_py()
        for text in texts
    ):
        _check_quotes(path, delimiter)


def _check_quotes(path: Path, delimiter: str) -> None:
    """Raise where a quote is not closed: what follows would be one cell, and its rows would be lost."""
    with (
        _cells_of_any_length(),
        _open(path) as file,
        io.TextIOWrapper(file, "utf-8-sig", newline="") as text,
    ):
        records = csv.reader(text, delimiter=delimiter, strict=True)
        line = 1
        try:
            for _ in records:
                line = records.line_num + 1
        except csv.Error as error:
            raise TableError(
                f"{path}: the quotes of line {line} do not match ({error}), and rows would be lost. A "
                f"cell that begins with a quote ends with one, before {delimiter!r} or the end of the "
                "line, and a quote within it is written twice"
            ) from error


def _delimiter(line: str) -> str:
    """The most frequent of comma, semicolon and tab outside quotes; a comma if there is none."""
    bare = re.sub(r'"[^"]*"', "", line)
    return max(",;\t", key=bare.count)


def _looks_like_names(cells: Sequence[str]) -> bool:
    """Whether a first line is a header: not all numbers, or the numbers 0, 1, 2, … of a data frame."""
    filled = [cell.strip() for cell in cells if not is_blank(cell)]
    if not filled or not all(map(is_number, filled)):
        return True
    return len(cells) > 2 and _are_counted(filled)


def _are_counted(cells: Sequence[str]) -> bool:
    """Whether cells are 0, 1, 2, …, which a data frame without names calls its columns."""
    return list(cells) == [str(number) for number in range(len(cells))]


def is_number(text: str | bytes) -> bool:
    """Whether a cell is a number: as Python reads one, but 1_000 is none, as to Arrow."""
    is_grouped = b"_" in text if isinstance(text, bytes) else "_" in text
    return not is_grouped and conversion.is_number(text)


def is_blank(text: str) -> bool:
    """Whether a cell holds no value."""
    return text.strip() in ("", *BLANK)


def _note_on(names: tuple[str, ...] | None, header: bool | None) -> str | None:
    if names is None and header is None:
        return "the first line holds numbers, so columns have no names; --header takes it as names"
    if names and "" in names:
        position = names.index("")
        return f"column {position} has no name; if it numbers the rows, use --drop {position}"
    return None


def _note_on_first_row(first: Sequence[str], second: Sequence[str]) -> str | None:
    """What to say of names that may be a row: values in the cells in which the next line has them."""
    values = [cell.strip() for cell in first if _kind_of_cell(cell) != "text"]
    pairs = [pair for pair in zip(first, second, strict=False) if not any(map(is_blank, pair))]
    alike = all(_kind_of_cell(name) == _kind_of_cell(cell) for name, cell in pairs)
    if not values or _are_counted(values) or len(first) != len(second) or not alike:
        return None
    return (
        f"the first line is taken as names, and {len(values)} of these are values, such as "
        f"{values[0]}; if it is a row, use --no-header"
    )


def _kind_of_cell(cell: str) -> str:
    if cell.strip().lower() in ("true", "false"):
        return "truth"
    return "number" if is_number(cell) else "text"


def _note_on_blank_cells(rows: pa.Table) -> str | None:
    blank = sum(column.null_count for column in rows.columns)
    if not blank:
        return None
    which = "cell of the only column is blank" if blank == 1 else "cells of the only column are blank"
    return f"{blank} {which}, as an empty line is: missing values"


def _ragged(path: Path, delimiter: str) -> str:
    """Which line of a text file is the first with another number of cells."""
    with _open(path) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        records = csv.reader(text, delimiter=delimiter)
        width = 0
        for record in filter(None, records):
            width = width or len(record)
            if len(record) != width:
                return (
                    f"{path}: line {records.line_num} has {counted(len(record), 'cell')}, and the first "
                    f"line has {width}. Every line needs as many, separated by {delimiter!r}; a cell "
                    "that holds the separator needs quotes"
                )
    return f"{path}: lines differ in their number of cells, separated by {delimiter!r}"


def write_text(
    rows: np.ndarray, names: Sequence[str], kept: Mapping[str, object], sink: BinaryIO, delimiter: str
) -> None:
    table = arrow_table(rows, names, kept)
    nested = [field for field in table.schema if pa.types.is_nested(field.type)]
    if nested:
        raise TableError(
            f"column {nested[0].name!r} holds values of type {nested[0].type}, which no cell of a text "
            "file holds: leave it out, or write Parquet or Feather"
        )
    pyarrow.csv.write_csv(table, sink, pyarrow.csv.WriteOptions(delimiter=delimiter))


def write_compressed(
    rows: np.ndarray, names: Sequence[str], kept: Mapping[str, object], sink: BinaryIO, delimiter: str
) -> None:
    with pa.CompressedOutputStream(sink, "gzip") as compressed:
        write_text(rows, names, kept, compressed, delimiter)
