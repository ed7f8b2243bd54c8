"""Compare methods on a table, and evaluate one map of it: compare, quality."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import isthmus
from isthmus.cli import _options as options
from isthmus.cli._io import ColumnKinds, features, labelled_rows, read_table, rows_for

if TYPE_CHECKING:
    from isthmus.comparison.report import ComparisonReport
    from isthmus.estimators.base import BaseMap
    from isthmus.files.tables import Table

OF_ALL_MEASURES = ("n_rows", "n_queries", "n_pairs", "units")

MODEL_ENDINGS = (".isthmus", ".safetensors")


def counts(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    """One whole number, or several with commas between them."""
    return options.widths(ctx, param, value) or ()


@click.command(cls=options.Command)
@options.DATA
@click.option(
    "--label",
    help="A column to predict from the neighbours in each map; no method sees it. Text is classes, and "
    "so are whole numbers of up to 20 values.",
)
@click.option(
    "-d", "--n-components", type=int, default=2, show_default=True, help="Number of coordinates."
)
@click.option(
    "--methods",
    metavar="NAMES",
    callback=options.names,
    help="Compare these alone, with commas between them: pca, kernel-pca, mds, isomap, t-sne, umap, "
    "linear, autoencoder, neighbour, denoising, variational.",
)
@click.option(
    "--test-size", type=float, default=0.25, show_default=True, help="Share of the rows held out."
)
@click.option(
    "--seeds", type=int, default=1, show_default=True, help="Splits; means of several have deviations."
)
@click.option("-k", type=int, default=10, show_default=True, help="Neighbours.")
@click.option(
    "--max-rows",
    type=int,
    default=2000,
    show_default=True,
    help="Rows that kernel PCA, MDS and Isomap are fitted on at most, and all maps are evaluated on.",
)
@options.columns_options
@options.kinds_options
@options.SCALING
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    callback=options.output(".csv"),
    help="Write all numbers here too, as CSV: a row per method.",
)
def compare(
    data: Path,
    label: str | None,
    n_components: int,
    methods: str | tuple[str, ...] | None,
    test_size: float,
    seeds: int,
    k: int,
    max_rows: int,
    columns: Sequence[str],
    drop: Sequence[str],
    header: bool | None,
    periodic: Mapping[str, float],
    categorical: Sequence[str],
    scaling: str | None,
    seed: int,
    output: Path | None,
) -> None:
    """The rows of DATA by PCA, kernel PCA, MDS, Isomap, t-SNE, UMAP and the maps of isthmus.

    All are fitted on the same rows and evaluated alike: on these rows and, if a method has a function
    for new rows, on rows held out. Takes a minute or two for a few thousand rows.

    \b
      isthmus compare iris.csv --label species
      isthmus compare images.npy -d 10 --methods pca,t-sne,autoencoder --seeds 5 -o table.csv
    """
    kinds = ColumnKinds(periodic, categorical)
    rows, targets, parameters = labelled_rows(data, header, columns, drop, label, kinds)
    report = isthmus.compare(
        rows,
        targets,
        methods=methods,
        n_components=n_components,
        scaling=scaling,
        target_name=label,
        test_size=test_size,
        n_seeds=seeds,
        random_state=seed,
        k=k,
        max_rows=max_rows,
        verbose=sys.stderr.isatty(),
        **parameters,
    )
    if output is not None:
        _write(output, report.table())
    _print_report(report)
    if output is not None:
        click.echo(f"table: {output}", err=True)


@click.command(cls=options.Command)
@click.argument("map", metavar="MAP", type=click.Path(path_type=Path))
@options.DATA
@click.option(
    "-k",
    metavar="NUMBERS",
    default="10",
    show_default=True,
    callback=counts,
    help="Neighbours: one number or several, 10,50.",
)
@click.option(
    "--coordinates",
    multiple=True,
    metavar="COLUMNS",
    help="Columns of a MAP of coordinates: names, or positions from 0. All but those of --drop unless "
    "given.",
)
@options.columns_options
@options.kinds_options
@options.SCALING
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of what is drawn.")
@click.option("--json", "as_json", is_flag=True, help="All numbers as one JSON object.")
def quality(
    map: Path,
    data: Path,
    k: tuple[int, ...],
    coordinates: Sequence[str],
    columns: Sequence[str],
    drop: Sequence[str],
    header: bool | None,
    periodic: Mapping[str, float],
    categorical: Sequence[str],
    scaling: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """How faithful a map of the rows of DATA is: neighbours, distances, densities.

    MAP is a saved map, which is applied to DATA; or a file of coordinates from wherever, a row for each
    row of DATA in the same order. A saved map is evaluated in the units that it was fitted in, unless
    --scaling says otherwise, and with its own angles and categories. --drop leaves columns, such as an
    id, out of both files.

    \b
      isthmus quality map.isthmus new.csv
      isthmus quality coordinates.csv measurements.csv --drop species -k 10,50
      isthmus quality umap.npy images.npy --json
    """
    from isthmus.files.formats import FORMATS
    from isthmus.files.tables import ending

    is_saved = map.name.endswith(MODEL_ENDINGS)
    kinds = ColumnKinds(periodic, categorical)
    if is_saved and coordinates:
        raise click.UsageError("--coordinates is for a file of coordinates, and MAP is a saved map")
    if is_saved and kinds.given:
        raise click.UsageError("a saved map knows its angles and categories: leave these options out")
    if not is_saved and ending(map) is None:
        endings = ", ".join((*MODEL_ENDINGS, *FORMATS))
        raise click.UsageError(f"MAP {map}: the ending is none of {endings}")
    table = read_table(data, header)
    if is_saved:
        fitted = _load(map)
        rows = rows_for(fitted, table, columns, drop, ()).numbers
        Z = fitted.transform(rows)
        parameters: dict[str, Any] = {}
    else:
        fitted, points = None, read_table(map, header)
        rows, parameters = features(table, columns, _left_out(drop, table, points), kinds)
        Z = points.numbers(points.choose(coordinates, _left_out(drop, points, table)))
    found = isthmus.quality(rows, Z, k=k, model=fitted, scaling=scaling, random_state=seed, **parameters)
    if as_json:
        facts: dict[str, object] = {name: getattr(found, name) for name in OF_ALL_MEASURES}
        click.echo(json.dumps({**facts, "measures": found.table()}, indent=2))
        return
    click.echo(found)


def _load(path: Path) -> BaseMap:
    """A saved map. Raises a ValueError for a predictor."""
    fitted: BaseMap = isthmus.load(path)
    if not hasattr(fitted, "inverse_transform"):
        raise ValueError(
            f"{path} holds a {type(fitted).__name__}, which predicts and maps nothing: pass a map, such "
            "as isthmus fit writes"
        )
    return fitted


def _left_out(drop: Sequence[str], table: Table, other: Table) -> list[str]:
    """Columns of --drop that a table has, and those that neither has, for the error that says so."""
    wanted = [
        part.strip() for text in drop for part in ([text] if _has(table, text) else text.split(","))
    ]
    return [name for name in wanted if _has(table, name) or not _has(other, name)]


def _has(table: Table, name: str) -> bool:
    return name in (table.names or ())


def _print_report(report: ComparisonReport) -> None:
    from rich.console import Console

    from isthmus.comparison.printing import as_tables

    Console(markup=False, emoji=False, highlight=False).print(as_tables(report, report.table()))


def _write(output: Path, rows: Sequence[dict[str, object]]) -> None:
    """A row per method, complete or not at all; an empty cell for what a method does not have."""
    import pyarrow as pa
    from pyarrow import csv

    from isthmus.data.atomic import replacing

    with replacing(output) as temporary:
        csv.write_csv(pa.Table.from_pylist(list(rows)), temporary)
