"""Measure data, and write a page about a map of them: dimension, report."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import isthmus
from isthmus.cli import _options as options
from isthmus.cli._choices import map_class
from isthmus.cli._io import ColumnKinds, features, labelled_rows, read_table, say

if TYPE_CHECKING:
    from isthmus.estimators.base import BaseMap

METHODS = ("two_nn", "mle", "gride", "pca")


@click.command(cls=options.Command)
@options.DATA
@options.columns_options
@options.kinds_options
@click.option(
    "--method",
    type=click.Choice(METHODS),
    help="One estimate with its scales, in seconds; without it, a verdict from all evidence, networks "
    "included, in half a minute.",
)
@options.SCALING
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@click.option("--json", "as_json", is_flag=True, help="All numbers as one JSON object.")
def dimension(
    data: Path,
    columns: Sequence[str],
    drop: Sequence[str],
    header: bool | None,
    periodic: Mapping[str, float],
    categorical: Sequence[str],
    method: str | None,
    scaling: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """How many dimensions the rows of DATA have, whatever the number of columns.

    \b
      isthmus dimension measurements.csv --drop species
      isthmus dimension images.npy --method gride
    """
    table = read_table(data, header)
    rows, kinds = features(table, columns, drop, ColumnKinds(periodic, categorical))
    found: Any  # one of two reports
    if method is None:
        found = isthmus.choose_dimension(rows, scaling=scaling, random_state=seed, **kinds)
        facts = {"dimension": found.dimension, "low": found.low, "high": found.high, "knee": found.knee}
        facts["estimates"] = {
            name: [one.estimate, one.low, one.high] for name, one in found.estimates.items()
        }
    else:
        found = isthmus.intrinsic_dimension(rows, method, scaling=scaling, random_state=seed, **kinds)
        facts = {"dimension": found.estimate, "low": found.low, "high": found.high, "level": found.level}
    facts["units"] = found.units
    click.echo(json.dumps(facts, indent=2) if as_json else str(found))


@click.command(cls=options.Command)
@options.DATA
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    callback=options.output(".html"),
    default="isthmus-report.html",
    show_default=True,
    help="Where to write the page.",
)
@click.option("--label", help="A column, such as a class, that colours the map and is no feature.")
@click.option(
    "--model",
    metavar="MODEL",
    callback=map_class,
    default="autoencoder",
    show_default=True,
    help="The map, with its default settings: autoencoder, linear, neighbour, denoising or variational. "
    "`isthmus choices` lists all.",
)
@click.option("-d", "--n-components", type=int, default=2, show_default=True, help="Coordinates.")
@options.IMAGE
@click.option(
    "--methods",
    metavar="NAMES",
    callback=options.names,
    help="What to compare with, with commas between them, as of `isthmus compare`; all if not given.",
)
@options.columns_options
@options.kinds_options
@options.SCALING
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
def report(
    data: Path,
    output: Path,
    label: str | None,
    model: type[BaseMap],
    n_components: int,
    image: tuple[int, int] | None,
    methods: str | tuple[str, ...] | None,
    columns: Sequence[str],
    drop: Sequence[str],
    header: bool | None,
    periodic: Mapping[str, float],
    categorical: Sequence[str],
    scaling: str | None,
    seed: int,
) -> None:
    """Write a page about a map of DATA: the picture, its faithfulness, and what to distrust.

    One HTML file that needs nothing else. It takes a minute for hundreds of rows, and a few for
    thousands: the dimension of the data and other methods are found out, too. Needs 120 rows, and
    isthmus[report].

    \b
      isthmus report measurements.csv --label species -o measurements.html
      isthmus report digits.npy --image 8x8 -o digits.html
    """
    from isthmus.data.checks import check_image_shape
    from isthmus.report import gather, write
    from isthmus.report.page import check_template

    check_template()
    kinds = ColumnKinds(periodic, categorical)
    rows, labels, parameters = labelled_rows(data, header, columns, drop, label, kinds)
    check_image_shape(image, rows.shape[1])
    findings = gather(
        rows,
        labels,
        model=model(n_components=n_components),
        scaling=scaling,
        methods=methods,
        data=data.name,
        label_name=label,
        random_state=seed,
        **parameters,
    )
    if findings.units:
        say(f"the {findings.units}")
    write(findings, output, image_shape=image, command=_again())
    click.echo(f"page: {output}", err=True)


def _again() -> str:
    """The command that is running."""
    return shlex.join(["isthmus", *sys.argv[1:]])
