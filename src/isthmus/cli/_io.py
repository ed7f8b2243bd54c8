"""What commands do with tables: read rows for a map, carry columns over, write what came out."""

from __future__ import annotations

import contextlib
import errno
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

import isthmus

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_array

    from isthmus.estimators.base import BaseMap
    from isthmus.files.tables import Table
    from isthmus.variational.estimator import VariationalAutoencoder


@dataclass(frozen=True)
class Rows:
    """Rows (n, D) for a map, the names of their features, and the columns that are carried over."""

    numbers: np.ndarray | csr_array
    names: Sequence[str]
    kept: Mapping[str, object]


def read_table(data: Path, header: bool | None) -> Table:
    """The table in a file; what there is to say about it goes to stderr."""
    from isthmus.files import tables

    table = tables.read(data, header)
    if table.note:
        say(f"{data}: {table.note}")
    return table


@dataclass(frozen=True)
class ColumnKinds:
    """Angles, with their periods, and categories: columns by their names on the command line."""

    periodic: Mapping[str, float]
    categorical: Sequence[str]

    @property
    def given(self) -> dict[str, object]:
        """Those that were given at all."""
        return {name: value for name, value in vars(self).items() if value}

    def of(self, table: Table, positions: Sequence[int]) -> dict[str, object]:
        """The parameters of an estimator that say so of rows with the columns at these positions."""

        def called(position: int) -> str | int:
            if position not in positions:
                raise click.UsageError(
                    f"column {table.name(position)} is left out, so it cannot be --periodic or "
                    "--categorical"
                )
            return table.name(position) if table.names else list(positions).index(position)

        found: dict[str, object] = {}
        if self.periodic:
            columns = table.positions(list(self.periodic))
            found["periodic"] = dict(zip(map(called, columns), self.periodic.values(), strict=True))
        if self.categorical:
            found["categorical"] = list(map(called, table.positions(self.categorical)))
        return found


NO_KINDS = ColumnKinds({}, ())


def features(
    table: Table, columns: Sequence[str], drop: Sequence[str], kinds: ColumnKinds = NO_KINDS
) -> tuple[Any, dict[str, Any]]:  # rows as Table.numbers
    """The features of a table, and parameters that say what kinds of columns they are.

    A note names those that number the rows and say nothing of them.
    """
    from isthmus.files.tables import drop_option

    positions = table.choose(columns, drop)
    parameters = kinds.of(table, positions)
    rows = table.numbers(positions, table.positions(kinds.categorical))
    numbering = [] if columns else table.numbering(positions)
    if numbering:
        say(
            f"{table.path}: {', '.join(numbering)} has another whole number in each row, as an id has, "
            f"and is taken as a feature; if it is one, leave it out with {drop_option(numbering)}"
        )
    periodic: Any = parameters.get("periodic", {})
    angles = table.angles([position for position in positions if table.name(position) not in periodic])
    if angles:
        option = ",".join(f"{name}={period:g}" for name, period in angles.items())
        say(
            f"{table.path}: {', '.join(angles)} fill a full turn and go no further, as angles do; if "
            f"they are, say so with --periodic {shlex.quote(option)}"
        )
    return rows, parameters


def labelled_rows(
    data: Path,
    header: bool | None,
    columns: Sequence[str],
    drop: Sequence[str],
    label: str | None,
    kinds: ColumnKinds = NO_KINDS,
) -> tuple[np.ndarray | csr_array, np.ndarray | None, dict[str, Any]]:
    """Rows, the targets in the column ``label`` as they are, None without, and as ``features``."""
    table = read_table(data, header)
    rows, parameters = features(table, columns, [*drop, *([label] if label else [])], kinds)
    return rows, None if label is None else labels_of(table, label), parameters


def labels_of(table: Table, label: str) -> np.ndarray:
    """The column ``label`` as it is. Raises ValueError if it has empty cells."""
    from isthmus.data.targets import without_label

    labels = labels_to_draw(table, label)
    n_empty = int(without_label(labels).sum())
    if n_empty:
        raise ValueError(
            f"{table.path}: --label {label} has {n_empty} empty cells; leave these rows out, because "
            "there is nothing to predict in them"
        )
    return labels


def labels_to_draw(table: Table, label: str) -> np.ndarray:
    """The column ``label`` as it is, with None where there is no value; an empty cell of text is ''."""
    return as_labels(label_column(table, label))


def label_column(table: Table, label: str) -> Any:  # of Arrow
    """The column ``label``. Raises TableError for lists and other values that no label is."""
    import pyarrow as pa

    from isthmus.files.content import TableError

    (position,) = table.positions([label])
    column = table.column(position)
    if pa.types.is_nested(column.type):
        raise TableError(
            f"{table.path}: column {label!r} holds values of type {column.type}, which are no labels: "
            "name a column of text, numbers or dates"
        )
    return column


def as_labels(column: Any) -> np.ndarray:  # of Arrow
    """A column of Arrow as labels."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return np.array(column.to_pylist(), dtype=object) if column.null_count else np.asarray(column)


def say(note: str) -> None:
    """What the user should know, on stderr."""
    click.echo(f"note: {note}", err=True)


def rows_for(
    fitted: BaseMap,
    table: Table,
    columns: Sequence[str],
    drop: Sequence[str],
    keep: Sequence[str],
    written: Sequence[str] | None = None,
) -> Rows:
    """The features of a table that a fitted map takes, by name where there are names.

    ``written`` are the names of the columns that the command writes, the features' own if None: a kept
    column cannot have one of these.
    """
    known = getattr(fitted, "feature_names_in_", None)
    if known is not None and table.names is not None and not columns:
        positions = table.positions_of(known)
    else:
        positions = table.choose(columns, drop if columns else [*drop, *keep])
    names = [table.name(position) for position in positions] if known is None else list(known)
    kept = {table.name(position): table.column(position) for position in table.positions(keep)}
    repeated = [name for name in kept if name in set(names if written is None else written)]
    if repeated:
        raise click.UsageError(
            f"--keep {repeated[0]}: a column of this name is written anyway; leave it out of --keep"
        )
    code = getattr(fitted, "code_", None)
    texts = [] if code is None else [positions[place] for place in code.categories]
    return Rows(table.numbers(positions, texts), names, kept)


def feature_names(fitted: BaseMap) -> list[str]:
    """The names that a map was fitted on, or x0, x1, …."""
    return list(getattr(fitted, "feature_names_in_", [f"x{j}" for j in range(fitted.n_features_in_)]))


def check_is_file(output: Path | None) -> None:
    """Raise if the output of one file that is read into memory is no data file."""
    from isthmus.files.formats import FORMATS
    from isthmus.files.tables import ending

    if output is not None and ending(output) is None:
        raise click.BadParameter(
            f"{output}: the ending is none of {', '.join(FORMATS)}; a folder is for several files, or "
            "one that does not fit into memory.",
            param_hint="'-o' / '--output'",
        )


def check_keep(keep: Sequence[str], *outputs: Path | None) -> None:
    """Raise if columns are to be kept in a file that has no names for them."""
    from isthmus.files.formats import FORMATS
    from isthmus.files.tables import ending

    for output in outputs:
        if keep and output and not FORMATS[ending(output) or ".csv"].has_names:
            raise click.UsageError(
                f"--keep needs an output with named columns, and {output.name} is a plain array: write "
                "CSV, Parquet or Feather"
            )


def write(
    output: Path | None, rows: np.ndarray, names: Sequence[str], kept: Mapping[str, object]
) -> None:
    """Write to a file, or CSV to stdout; images as flat rows."""
    from isthmus.files import tables

    rows = rows.reshape(len(rows), -1)
    if output is None:
        tables.write_to(_stdout(), rows, names, kept)
    else:
        tables.write(output, rows, names, kept)


def _stdout() -> BinaryIO:
    """Where bytes go that no file is named for."""
    # A process that was started with its stdout closed has none.
    if sys.stdout is None:
        raise OSError(errno.EBADF, "stdout is closed: name a file with -o")
    return sys.stdout.buffer


def write_both(
    outputs: Mapping[Path | None, np.ndarray], names: Sequence[str], kept: Mapping[str, object]
) -> None:
    """Write rows to each output as ``write`` does: every file is complete before one takes its place."""
    from isthmus.data.atomic import replacing
    from isthmus.files import tables
    from isthmus.files.formats import FORMATS

    outputs = {output: rows.reshape(len(rows), -1) for output, rows in outputs.items()}
    with contextlib.ExitStack() as stack:
        for output, rows in outputs.items():
            if output is None:
                continue
            temporary = stack.enter_context(replacing(output))
            with temporary.open("wb") as sink:
                form = FORMATS[tables.ending(output) or ".csv"]
                tables.write_to(sink, rows, names, kept, form)
        if None in outputs:
            tables.write_to(_stdout(), outputs[None], names, kept)
            sys.stdout.flush()


def load_variational(path: Path, command: str) -> VariationalAutoencoder:
    """A saved variational map. Raises a ValueError for any other."""
    fitted = isthmus.load(path)
    if not isinstance(fitted, isthmus.VariationalAutoencoder):
        raise ValueError(
            f"{path} holds a map of class {type(fitted).__name__}, which has no distribution of its "
            f"rows, and isthmus {command} needs one that does: fit it with --model variational"
        )
    return fitted


def show(facts: Mapping[str, object]) -> None:
    """Facts as a table of two columns on stdout."""
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in facts.items():
        table.add_row(name, str(value))
    Console(markup=False, emoji=False, highlight=False).print(table)
