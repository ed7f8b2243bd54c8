"""Data files → columns and rows, and back. The ending of a file's name says what it is.

Nothing is guessed silently: a file that is not what its ending says is refused, with the reason.
"""

from __future__ import annotations

import csv
import math
import re
import shlex
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute
from jaxtyping import Shaped

from isthmus.data.atomic import replacing
from isthmus.data.rows import dense
from isthmus.data.targets import MOST_CLASSES
from isthmus.data.wording import MOST_NAMED, counted
from isthmus.files._text import BLANK, is_blank, is_number
from isthmus.files.content import Content, TableError
from isthmus.files.formats import CSV, FORMATS, SIGNATURES, Format

if TYPE_CHECKING:
    import scipy.sparse

Column: TypeAlias = Any  # an array or a chunked array of Arrow, or None, whose stubs differ

DAMAGE = (
    *(pa.ArrowException, OSError, EOFError, ValueError, KeyError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, csv.Error, struct.error),
)
"""What libraries raise for files that are not whole."""

TURNS = ((-180.0, 360.0), (0.0, 360.0), (-math.pi, 2 * math.pi), (0.0, 2 * math.pi))
"""Where angles begin, and their period, in degrees and radians."""

FULL = 0.03
"""Share of a turn that may be missing at either end of a column of angles."""


@dataclass(frozen=True)
class Table:
    """The columns of a file: an Arrow table, or an array or CSR matrix (n, D).

    ``names`` is None where columns only have positions. ``note`` is what the user should know about
    how the file was read. ``index`` are the columns that were a data frame's index: they can be chosen
    by name, and are not among those that are taken where none are.
    """

    path: Path
    rows: pa.Table | np.ndarray | scipy.sparse.csr_array
    names: tuple[str, ...] | None
    note: str | None = None
    index: tuple[str, ...] = ()

    @property
    def n_columns(self) -> int:
        return int(self.rows.shape[1])

    def positions(self, columns: Sequence[str]) -> list[int]:
        """Positions of columns given by name, by position from 0, or by several of these and commas.

        Raises TableError that lists every column that is not there.
        """
        known = {name: position for position, name in enumerate(self.names or ())}
        wanted = [
            part
            for text in columns
            for part in ([text] if text in known else map(str.strip, text.split(",")))
        ]
        by_number = {str(position): position for position in range(self.n_columns)}
        missing = [name for name in wanted if name not in known and name not in by_number]
        if missing:
            raise TableError(
                f"{self.path} has no column {', '.join(map(repr, missing))}: it has {self._columns()}"
            )
        return list(dict.fromkeys(known[n] if n in known else by_number[n] for n in wanted))

    def positions_of(self, names: Sequence[str]) -> list[int]:
        """Positions of the columns that a model was fitted on, by name alone; others are ignored."""
        known = {name: position for position, name in enumerate(self.names or ())}
        missing = [name for name in names if name not in known]
        if missing:
            shown = ", ".join(map(repr, missing[:20])) + (", …" if len(missing) > 20 else "")
            raise TableError(
                f"{self.path} lacks {len(missing)} of the {len(names)} columns that the model needs: "
                f"{shown}. It has {self._columns()}"
            )
        return [known[name] for name in names]

    def choose(self, only: Sequence[str], without: Sequence[str]) -> list[int]:
        """Positions of the columns ``only``, or of all but the index, less those ``without``."""
        chosen = self.positions(only) if only else self._features()
        left_out = set(self.positions(without))
        positions = [position for position in chosen if position not in left_out]
        if not positions:
            raise TableError(f"{self.path}: no column is left, of {self._columns()}")
        return positions

    def _features(self) -> list[int]:
        names = self.names or ()
        return [p for p in range(self.n_columns) if not self.index or names[p] not in self.index]

    def name(self, position: int) -> str:
        """A column's name, or x0, x1, …, as scikit-learn calls features without names."""
        return self.names[position] if self.names else f"x{position}"

    def column(self, position: int) -> Column:
        """One column as an Arrow array, as it is: text and dates too."""
        if isinstance(self.rows, pa.Table):
            return _spelt_out(self.rows.column(position))
        return pa.array(dense(self.rows[:, [position]])[:, 0])

    def numbers(
        self, positions: Sequence[int], categorical: Collection[int] = ()
    ) -> Any:  # a table or an array, as was read
        """The columns at ``positions`` as rows of numbers; an Arrow table if they have names.

        Those at the positions ``categorical`` stay as they are.

        An array keeps its type, and stays on disk where it is. Null becomes NaN. Raises TableError
        for columns of text, dates or lists, which names the column and its first such value.
        """
        if isinstance(self.rows, pa.Table):
            found = {
                p: (_as_categories if p in categorical else _as_numbers)(self.column(p))
                for p in positions
            }
            unusable = [position for position, numbers in found.items() if numbers is None]
            if unusable:
                others = [position for position in positions if position not in unusable]
                raise TableError(self._of_unusable(unusable, others))
            chosen = [numbers for numbers in found.values() if numbers is not None]
            table = pa.table(chosen, names=[self.name(position) for position in positions])
            if self.names:
                return table
            kind = object if any(_is_text(column.type) for column in chosen) else None
            return np.stack([np.asarray(column, kind) for column in chosen], axis=1)
        start, stop = positions[0], positions[-1] + 1
        if list(positions) == list(range(start, stop)):
            return self.rows[:, start:stop]
        return self.rows[:, list(positions)]

    def numbering(self, positions: Sequence[int]) -> list[str]:
        """Named columns of whole numbers, all different, without gaps or called id."""
        return [
            self.name(p) for p in positions if self.names and _numbers_rows(self.column(p), self.name(p))
        ]

    def angles(self, positions: Sequence[int]) -> dict[str, float]:
        """Named columns of numbers that fill a full turn, in degrees or radians, and their periods."""
        found = {p: _full_turn(self.column(p)) for p in positions if self.names}
        return {self.name(p): period for p, period in found.items() if period is not None}

    def _of_unusable(self, positions: Sequence[int], others: Sequence[int]) -> str:
        """What the columns that hold no numbers hold, and the option that leaves them all out.

        And, with them, those of the others that number the rows.
        """
        shown = [f"{self._named(p)} holds {_content_of(self.column(p))}" for p in positions[:MOST_NAMED]]
        if len(positions) > MOST_NAMED:
            shown.append(f"{counted(len(positions) - MOST_NAMED, 'column')} more without numbers")
        names = [self.name(position) if self.names else str(position) for position in positions]
        for name in self.numbering(others):
            shown.append(f"column {name!r} numbers the rows")
            names.append(name)
        them = "it" if len(names) == 1 else "them"
        return (
            f"{self.path}: {'; '.join(shown)}. Leave {them} out with {drop_option(names)}, choose "
            f"others with --columns, or turn {them} into numbers first{self._of_classes(positions)}"
        )

    def _of_classes(self, positions: Sequence[int]) -> str:
        """What the columns of text may be, by their numbers of values."""
        found = {p: len(self.column(p).unique()) for p in positions if _is_text(self.column(p).type)}
        few = {p: count for p, count in found.items() if 2 <= count <= MOST_CLASSES}
        if not few:
            return (
                "; texts that are categories are features with --categorical, and colours with --label"
            )
        first, count = next(iter(few.items()))
        name = shlex.quote(self.name(first) if self.names else str(first))
        return (
            f"; {self._named(first)} has {count} different values: --label {name} colours the map by "
            f"it, and --categorical {name} takes it as a feature"
        )

    def _named(self, position: int) -> str:
        return f"column {self.names[position]!r}" if self.names else f"column {position}"

    def _columns(self) -> str:
        if self.names is None:
            return f"{counted(self.n_columns, 'column')} without names, numbered from 0"
        shown = ", ".join(self.names[:20])
        return f"{counted(self.n_columns, 'column')}: {shown}{', …' if self.n_columns > 20 else ''}"


def drop_option(names: Sequence[str]) -> str:
    """The option that leaves columns out, as it is typed: names that hold commas need one each."""
    texts = names if any("," in name for name in names) else [",".join(names)]
    return " ".join(f"--drop {shlex.quote(text)}" for text in texts)


def ending(path: Path) -> str | None:
    """The ending of a file's name if it is one of ``FORMATS``, else None."""
    return next((end for end in FORMATS if path.name.lower().endswith(end)), None)


def read(path: Path, header: bool | None = None) -> Table:
    """Read a data file. ``header``: the first line of a text file holds names; None finds out.

    Raises OSError where the file cannot be opened, and TableError where it is not what its ending
    says, is damaged, holds no rows, or repeats a column's name.
    """
    end = ending(path)
    if end is None:
        raise TableError(f"{path}: the ending is none of {', '.join(FORMATS)}")
    if path.is_fifo():
        raise TableError(f"{path} is a pipe, which can be read once only: write it to a file first")
    form = FORMATS[end]
    _check_signature(path, form)
    content = _content(path, form, header)
    _check_shape(path, content)
    return Table(path, content.rows, content.names, content.note, content.index)


def _content(path: Path, form: Format, header: bool | None) -> Content:
    try:
        return form.read(path, header)
    except TableError:
        raise
    except UnicodeDecodeError as error:
        raise TableError(f"{path} is not UTF-8 text ({error}): save it as UTF-8") from error
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise TableError(
            f"{path} cannot be read as {form.name}; it is truncated or damaged ({error}). Copy it "
            "again from its source, or write it again"
        ) from error


def write(
    path: Path,
    rows: Shaped[np.ndarray, "n d"],
    names: Sequence[str],
    kept: Mapping[str, object] | None = None,
) -> None:
    """Write rows (n, d) and the columns ``kept``, which come first; complete or not at all."""
    form = FORMATS[ending(path) or ".csv"]
    with replacing(path) as temporary, temporary.open("wb") as sink:
        write_to(sink, rows, names, kept, form)


def write_to(
    sink: BinaryIO,
    rows: Shaped[np.ndarray, "n d"],
    names: Sequence[str],
    kept: Mapping[str, object] | None = None,
    form: Format | None = None,
) -> None:
    """Write as ``write`` does to an open binary file, in CSV unless ``form`` is another format."""
    repeated = sorted(set(kept or {}) & set(names))
    if repeated:
        raise TableError(
            f"the kept column {repeated[0]!r} has the name of a column that is written: rename it"
        )
    (form or CSV).write(rows, names, kept or {}, sink)


def _check_signature(path: Path, form: Format) -> None:
    with path.open("rb") as file:
        head = file.read(8)
    if not head:
        raise TableError(f"{path} is an empty file")
    if form.signatures and head.startswith(form.signatures):
        return
    for signature, name in SIGNATURES.items():
        if head.startswith(signature):
            raise TableError(
                f"{path} should be {form.name} by its ending, but holds {name}: give it the ending "
                f"of what it is, one of {', '.join(FORMATS)}, or save it as one of these"
            )
    if form.signatures:
        raise TableError(
            f"{path} should be {form.name} by its ending, but begins with {head[:6]!r}: give it the "
            "ending of what it is, or write it again"
        )


def _check_shape(path: Path, content: Content) -> None:
    repeated = [name for name, count in Counter(content.names or ()).items() if count > 1]
    if repeated:
        raise TableError(
            f"{path}: column names repeat: {', '.join(map(repr, repeated[:10]))}. Give every column a "
            "name of its own"
        )
    n_rows, n_columns = content.rows.shape
    if n_columns == 0:
        raise TableError(f"{path} has no columns, shape ({n_rows}, 0): pass a file with data")
    if n_rows == 0:
        raise TableError(
            f"{path} has no rows, only {counted(n_columns, 'column')}: pass a file with data"
        )


def _numbers_rows(column: Column, name: str) -> bool:
    """Whether a column is of whole numbers, all different, and without a gap or called id."""
    if not pa.types.is_integer(column.type) or column.null_count or len(column) < 2:
        return False
    numbers = np.unique(np.asarray(column))
    has_gaps = len(numbers) <= int(numbers[-1]) - int(numbers[0])
    is_called_id = re.search(r"(^|[^a-z])(id|index|key)$", name.lower()) is not None
    return len(numbers) == len(column) and (is_called_id or not has_gaps)


def _full_turn(column: Column) -> float | None:
    """The period of the angles that a column seems to hold: numbers that fill a turn, and no more."""
    if not pa.types.is_floating(column.type) or column.null_count == len(column):
        return None
    # Arrow has no least value of half precision.
    ends = pyarrow.compute.min_max(column.cast(pa.float64())).as_py()
    for start, period in TURNS:
        slack = FULL * period
        within = start <= ends["min"] <= start + slack and -slack <= ends["max"] - start - period <= 0
        if within:
            return period
    return None


def _spelt_out(column: Column) -> Column:
    """A column in a form that all of Arrow's functions take; Polars writes text in one that few do."""
    types = pa.types
    if types.is_run_end_encoded(column.type):
        column = pyarrow.compute.run_end_decode(column)
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if types.is_string_view(column.type):
        return column.cast(pa.large_string())
    return column.cast(pa.large_binary()) if types.is_binary_view(column.type) else column


def _as_numbers(column: Column) -> Column:
    """An Arrow array of integers, floats or booleans, or None where the values are no numbers."""
    kind, types = column.type, pa.types
    if types.is_boolean(kind) and column.null_count:
        return column.cast(pa.int8())
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        return column
    if not (types.is_decimal(kind) or types.is_null(kind) or _is_text(kind)):
        return None
    try:
        return (_without_blanks(column) if _is_text(kind) else column).cast(pa.float64())
    except pa.ArrowInvalid:
        return None


def _as_categories(column: Column) -> Column:
    """Texts and numbers as they are, null where a cell is blank; None where the values are neither."""
    if pa.types.is_temporal(column.type) or pa.types.is_nested(column.type):
        return None
    return _without_blanks(column) if _is_text(column.type) else column


def _without_blanks(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text without spaces around it, null where nothing or NA is left."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    trimmed = pyarrow.compute.utf8_trim_whitespace(column)
    blank = pyarrow.compute.is_in(trimmed, pa.array(["", *BLANK], trimmed.type))
    return pyarrow.compute.if_else(blank, pa.scalar(None, trimmed.type), trimmed)


def _content_of(column: Column) -> str:
    """What a column without numbers holds, in words."""
    if pa.types.is_temporal(column.type):
        return f"dates or times ({column.type}), not numbers"
    if not _is_text(column.type):
        return f"values of type {column.type}, not numbers"
    for row, value in enumerate(column.to_pylist()):
        if value is None or is_number(value) or (isinstance(value, str) and is_blank(value)):
            continue
        comma = isinstance(value, str) and re.fullmatch(r"[-+]?[\d.,]*\d,\d+", value)
        hint = " (numbers need a decimal point, not a comma)" if comma else ""
        return f"text: row {row} is {value!r}{hint}"
    return "numbers written as text in more than one way"


def _is_text(kind: pa.DataType) -> bool:
    tests = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)
