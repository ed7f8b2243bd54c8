"""Apply a saved map to rows: transform, inverse, denoise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

import isthmus
from isthmus.cli._io import check_is_file, check_keep, feature_names, read_table, rows_for, say, write
from isthmus.cli._options import (
    DATA,
    DATA_FILES,
    DATA_OUTPUT,
    FILE_OR_FOLDER,
    KEEP,
    MODEL,
    Command,
    columns_options,
    data_file,
)
from isthmus.cli._sources import Stream
from isthmus.data.wording import listed


@click.command(cls=Command)
@MODEL
@DATA_FILES
@FILE_OR_FOLDER
@columns_options
@KEEP
def transform(
    model: Path,
    data: Path | Stream,
    output: Path | None,
    columns: Sequence[str],
    drop: Sequence[str],
    header: bool | None,
    keep: Sequence[str],
) -> None:
    """Coordinates of the rows of DATA by a saved map.

    Columns that the map was fitted on are found by name; others are ignored. Without names, all
    columns count but those of --drop and --keep, in their order. A variational map takes empty cells.

    Several Parquet files, a folder of them, a quoted pattern or a URL, and one that does not fit into
    memory, are read in parts: each file has one of coordinates in the folder OUTPUT, and what was
    interrupted goes on where it was. Processes that srun or mpirun starts share the files.

    \b
      isthmus transform iris.isthmus new.csv --keep species -o coordinates.csv
      isthmus transform iris.isthmus new.parquet | head
      isthmus transform map.isthmus big/*.parquet --keep id -o coordinates
      srun -n 8 isthmus transform map.isthmus big --keep id -o coordinates
    """
    if isinstance(data, Stream):
        from isthmus.cli._streams import transform_stream

        transform_stream(isthmus.load(model), data, output, columns, drop, header, keep)
        return
    check_is_file(output)
    check_keep(keep, output)
    fitted = isthmus.load(model)
    names = list(fitted.get_feature_names_out())
    rows = rows_for(fitted, read_table(data, header), columns, drop, keep, names)
    write(output, fitted.transform(rows.numbers), names, rows.kept)


@click.command(cls=Command)
@MODEL
@click.argument("coordinates", callback=data_file)
@DATA_OUTPUT
@click.option("--header/--no-header", default=None, help="Whether the first line holds names.")
def inverse(model: Path, coordinates: Path, output: Path | None, header: bool | None) -> None:
    """Rows that the points in COORDINATES decode to.

    Columns with the names that transform gives are found by name; without them, all columns count.

    \b
      isthmus inverse iris.isthmus coordinates.csv -o decoded.csv
    """
    table = read_table(coordinates, header)
    fitted = isthmus.load(model)
    wanted = list(fitted.get_feature_names_out())
    by_name = set(wanted) <= set(table.names or ())
    positions = table.positions_of(wanted) if by_name else table.choose((), ())
    if table.names and not by_name:
        say(
            f"{coordinates}: no columns are called {listed(wanted)}, as transform calls them, so "
            f"{listed([table.name(position) for position in positions])} are taken in this order"
        )
    decoded = fitted.inverse_transform(table.numbers(positions))
    write(output, decoded, feature_names(fitted), {})


@click.command(cls=Command)
@MODEL
@DATA
@DATA_OUTPUT
@columns_options
@KEEP
def denoise(
    model: Path,
    data: Path,
    output: Path | None,
    columns: Sequence[str],
    drop: Sequence[str],
    header: bool | None,
    keep: Sequence[str],
) -> None:
    """Rows of DATA as a saved map restores them.

    That is what they decode to from their coordinates: without the noise, if the map was fitted with
    --model denoising. Columns are found as transform finds them.

    \b
      isthmus denoise restore.isthmus noisy.csv --keep id -o restored.csv
    """
    check_keep(keep, output)
    fitted = isthmus.load(model)
    rows = rows_for(fitted, read_table(data, header), columns, drop, keep)
    write(output, isthmus.denoise(fitted, rows.numbers), rows.names, rows.kept)
