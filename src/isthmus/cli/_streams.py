"""What fit and transform do with rows that are read in parts."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import isthmus
from isthmus.cli._io import ColumnKinds, as_labels, label_column, say, write
from isthmus.cli._processes import Launch
from isthmus.data.wording import counted, listed

if TYPE_CHECKING:
    import numpy as np

    from isthmus.cli._sources import Stream
    from isthmus.data.stored.rows import StoredRows
    from isthmus.estimators.base import BaseMap
    from isthmus.files.coordinates import FileProgress
    from isthmus.files.tables import Table

MOST_DRAWN = 5000
"""Rows in a picture: more hide one another."""


def rows_to_fit(
    stream: Stream,
    estimator: BaseMap,
    columns: Sequence[str],
    drop: Sequence[str],
    label: str | None,
    header: bool | None,
    kinds: ColumnKinds,
    block_bytes: int | None,
) -> StoredRows:
    """The rows of a stream for a fit; a usage error for options that are not for streams."""
    from sklearn.utils import get_tags

    from isthmus.data.stored.rows import BLOCK_BYTES
    from isthmus.training import processes

    if kinds.given:
        options = " and ".join(f"--{name}" for name in kinds.given)
        raise click.UsageError(
            f"{options}: {stream} is read in parts, where columns are numbers alone; keep cosine and "
            "sine of an angle there, and a column of zeros and ones for each category"
        )
    _check_header(stream, header)
    names = None
    if stream.is_array:
        _check_no_names(stream, {"columns": columns, "drop": drop, "label": label})
    else:
        table = stream.table()
        if label is not None:
            label_column(table, label)
        names = _numeric(table, columns, [*drop, *([label] if label else [])])
    rows = isthmus.scan(stream.source, columns=names, block_bytes=block_bytes or BLOCK_BYTES)
    shared: StoredRows = processes.shared(rows.allowing_nan(get_tags(estimator).input_tags.allow_nan))
    return shared


def _numeric(table: Table, columns: Sequence[str], left_out: Sequence[str]) -> list[str]:
    """The names of the features; raises TableError for those that hold no numbers."""
    from isthmus.data.stored.schema import Head
    from isthmus.files.content import TableError
    from isthmus.files.tables import drop_option

    names = [table.name(position) for position in table.choose(columns, left_out)]
    schema: Any = table.rows
    usable = set(Head(schema.schema, ()).numeric)
    others = [name for name in names if name not in usable]
    if not others:
        return names
    raise TableError(
        f"{table.path}: {listed(others)} {'holds' if len(others) == 1 else 'hold'} no numbers. Leave "
        f"{'it' if len(others) == 1 else 'them'} out with {drop_option(others)}, or choose "
        "others with --columns; --label colours the picture by such a column"
    )


def _check_header(stream: Stream, header: bool | None) -> None:
    if header is not None:
        raise click.UsageError(f"--header and --no-header are for text files, and {stream} is none")


def _check_no_names(stream: Stream, given: dict[str, Any]) -> None:
    named = [f"--{name}" for name, value in given.items() if value]
    if named:
        raise click.UsageError(
            f"{', '.join(named)}: columns are chosen by name, and those of {stream} have none"
        )


def rows_to_draw(rows: StoredRows, label: str | None) -> tuple[Any, np.ndarray | None]:
    """Some rows, evenly spaced, as what a map takes, and their labels."""
    import pyarrow as pa

    from isthmus.data.rows import dense
    from isthmus.data.stored.parquet import ParquetStore

    numbers = rows.some_numbers()
    numbers = numbers[:: -(-len(numbers) // MOST_DRAWN)]
    if len(numbers) < len(rows):
        say(f"the picture shows {len(numbers):,} of the {len(rows):,} rows, evenly spaced")
    some: Any = dense(rows[numbers])
    if rows.names is not None:
        some = pa.table({name: some[:, place] for place, name in enumerate(rows.names)})
    if label is None:
        return some, None
    assert isinstance(rows.store, ParquetStore)
    return some, as_labels(rows.store.column_of(label, numbers))


def transform_stream(
    fitted: BaseMap,
    stream: Stream,
    output: Path | None,
    columns: Sequence[str],
    drop: Sequence[str],
    header: bool | None,
    keep: Sequence[str],
) -> None:
    """Write the coordinates of a stream: a file for each file, in a folder; one of an array."""
    from isthmus.data.stored.files import PARQUET
    from isthmus.files.coordinates import transform_file, transform_files
    from isthmus.files.tables import ending

    _check_header(stream, header)
    launch = Launch.found(os.environ)
    share = (0, 1) if launch is None else (launch.index, launch.count)
    if stream.is_array:
        _check_no_names(stream, {"columns": columns, "drop": drop, "keep": keep})
        if share[0]:
            return
        rows = isthmus.scan(stream.source)
        write(output, fitted.transform(rows), list(fitted.get_feature_names_out()), {})
        return
    is_one = len(stream.files.paths) == 1
    end = None if output is None else ending(output)
    if output is None or (end is not None and not (is_one and end in PARQUET)):
        wanted = "a Parquet file, or the name of a folder" if is_one else "the name of a folder"
        came = "-o is missing" if output is None else f"-o {output} is another kind of file"
        raise click.UsageError(
            f"{stream} is read in parts, and its coordinates are written as Parquet: {came}; give it "
            f"{wanted}"
        )
    chosen = _chosen(fitted, stream, columns, drop, keep)
    with _progress() as progress:
        if end is not None and share[0]:
            return
        if end is not None:
            transform_file(fitted, stream.files.paths[0], output, **chosen, progress=progress)
        else:
            found = transform_files(
                fitted, stream.source, output, **chosen, share=share, progress=progress
            )
            click.echo(str(found), err=True)


def _chosen(
    fitted: BaseMap, stream: Stream, columns: Sequence[str], drop: Sequence[str], keep: Sequence[str]
) -> dict[str, Any]:
    """Options as ``transform_files`` takes them: names, of positions and of names with commas."""
    table = stream.table()

    def named(given: Sequence[str]) -> list[str]:
        return [table.name(position) for position in table.positions(given)]

    chosen = [table.name(position) for position in table.choose(columns, drop)] if columns else None
    return {"keep": named(keep), "columns": chosen, "drop": [] if columns else named(drop)}


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[FileProgress], None]]:
    """What tells of each file on stderr: a line, and where stderr is a terminal a bar before that."""
    if not sys.stderr.isatty():
        yield lambda now: _tell(now, lambda line: click.echo(line, err=True))
        return
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    # A path may hold brackets or colons, which rich would take for styles or emojis.
    columns = TextColumn("{task.description}", markup=False), *Progress.get_default_columns()[1:]
    with Progress(*columns, console=Console(stderr=True, emoji=False)) as bar:
        task = bar.add_task("", total=None)

        def update(now: FileProgress) -> None:
            bar.update(task, description=str(now.output), total=now.n_rows, completed=now.n_written)
            _tell(now, lambda line: bar.console.print(line, markup=False, highlight=False))

        yield update


def _tell(now: FileProgress, tell: Callable[[str], object]) -> None:
    """A line on a file that is complete."""
    if now.skipped:
        tell(f"{now.output}: complete, left as it is")
    elif now.n_written == now.n_rows:
        tell(f"{now.output}: {counted(now.n_rows, 'row')} written")
