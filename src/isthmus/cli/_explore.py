"""A saved map and rows as a page to move in: explore."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

import isthmus
from isthmus.cli import _options as options
from isthmus.cli._io import labels_to_draw, read_table, rows_for


@click.command(cls=options.Command)
@options.MODEL
@options.DATA
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    callback=options.output(".html"),
    default="isthmus-explorer.html",
    show_default=True,
    help="Where to write the page.",
)
@click.option("--label", help="A column, such as a class, that colours the map and is no feature.")
@click.option("--id", "id_column", help="A column that says what each row is called, for the search.")
@options.IMAGE
@click.option(
    "--known",
    metavar="FILE",
    callback=options.data_file,
    help="Rows that the map was not fitted on and is good for: each row is then compared with these, "
    "and may be coloured by how far the map can be believed there.",
)
@click.option("--title", help="Of the page; the name of DATA if not given.")
@options.columns_options
def explore(
    model: Path,
    data: Path,
    output: Path,
    label: str | None,
    id_column: str | None,
    image: tuple[int, int] | None,
    known: Path | None,
    title: str | None,
    columns: Sequence[str],
    drop: Sequence[str],
    header: bool | None,
) -> None:
    """A page of a saved map to move in, which shows what data would be where the pointer is.

    One HTML file with the rows of DATA as points and the functions of the map. It needs no Python, no
    server and no network: open it from the disk, or mail it.

    \b
      isthmus explore map.isthmus measurements.csv --label species -o map.html
      isthmus explore digits.isthmus digits.npy --image 8x8
    """
    fitted = isthmus.load(model)
    table = read_table(data, header)
    aside = [name for name in (label, id_column) if name]
    rows = rows_for(fitted, table, columns, [*drop, *aside], [])
    known_rows = None
    if known is not None:
        known_rows = rows_for(fitted, read_table(known, header), columns, [*drop, *aside], []).numbers
    isthmus.explore(
        fitted,
        rows.numbers,
        labels=labels_to_draw(table, label) if label else None,
        label_name=label,
        ids=labels_to_draw(table, id_column) if id_column else None,
        image_shape=image,
        known=known_rows,
        title=data.name if title is None else title,
    ).save(output)
    click.echo(f"page: {output}", err=True)
