"""What a variational map alone can do: draw new rows, and fill empty cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

import isthmus
from isthmus.cli._io import (
    check_keep,
    feature_names,
    load_variational,
    read_table,
    rows_for,
    say,
    write,
    write_both,
)
from isthmus.cli._options import DATA, DATA_OUTPUT, KEEP, MODEL, SEED, Command, columns_options
from isthmus.cli._options import output as output_file


@click.command(cls=Command)
@MODEL
@click.option("-n", "--rows", "n", type=int, default=100, show_default=True, help="Number of rows.")
@DATA_OUTPUT
@click.option("--mean", is_flag=True, help="The mean row at the coordinates drawn.")
@SEED
def sample(model: Path, n: int, output: Path | None, mean: bool, seed: int | None) -> None:
    """New rows like those that a variational map was fitted on.

    Coordinates are drawn from the prior, and each row from the likelihood at its coordinates.

    \b
      isthmus sample map.isthmus -n 1000 --seed 0 -o new.csv
      isthmus sample map.isthmus -n 5 --mean
    """
    fitted = load_variational(model, "sample")
    if mean:
        rows = fitted.inverse_transform(isthmus.sample_prior(fitted, n, seed))
    else:
        rows = isthmus.sample(fitted, n, seed)
    write(output, rows, feature_names(fitted), {})


@click.command(cls=Command)
@MODEL
@DATA
@DATA_OUTPUT
@click.option(
    "--std",
    metavar="FILE",
    callback=output_file(),
    help="Where to write the standard deviation of each cell: 0 where it was known.",
)
@columns_options
@KEEP
@click.option("--samples", "n_samples", type=int, help="Draws per row that the means are taken over.")
@SEED
def impute(
    model: Path,
    data: Path,
    output: Path | None,
    std: Path | None,
    columns: Sequence[str],
    drop: Sequence[str],
    header: bool | None,
    keep: Sequence[str],
    n_samples: int | None,
    seed: int | None,
) -> None:
    """Rows of DATA with their empty cells filled.

    By a variational map: an empty cell gets its mean given the others of its row, which stay as they
    are. Columns are found as transform finds them.

    \b
      isthmus impute map.isthmus gaps.csv -o complete.csv
      isthmus impute map.isthmus gaps.csv --keep id -o complete.csv --std uncertainty.csv
    """
    check_keep(keep, output, std)
    fitted = load_variational(model, "impute")
    rows = rows_for(fitted, read_table(data, header), columns, drop, keep)
    given: dict[str, int] = {} if n_samples is None else {"n_samples": n_samples}
    complete, deviations = isthmus.impute(fitted, rows.numbers, random_state=seed, **given)
    if not deviations.any():
        say(f"{data}: no cell is empty, so all rows are as they were")
    outputs = {output: complete} | ({std: deviations} if std else {})
    write_both(outputs, rows.names, rows.kept)
