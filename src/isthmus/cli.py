"""The command line: arguments only. The work is done where it is done for Python.

Everything but click loads inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

import isthmus
from isthmus.door import Door

DATA_HELP = "CSV, TSV (also .gz), Parquet, Feather, NPY or NPZ, by the ending of the name."
COLUMNS_HELP = (
    "Take these columns alone: names, or positions from 0, with commas between them. May be repeated."
)


def _data_file(ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:
    """A path with the ending of a data file."""
    from isthmus.formats import FORMATS
    from isthmus.tables import ending

    if value is None:
        return None
    if ending(Path(value)) is None:
        raise click.BadParameter(f"{value}: the ending is none of {', '.join(FORMATS)}.")
    return Path(value)


def _output(*endings: str) -> Callable[..., Path | None]:
    """A path that can be written, found out before the work; without endings, of a data file."""

    def check(ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:
        path = Path(value) if endings and value else _data_file(ctx, param, value)
        if path is None:
            return None
        if endings and not path.name.endswith(endings):
            raise click.BadParameter(f"{path}: the ending is none of {', '.join(endings)}.")
        if path.is_dir():
            raise click.BadParameter(f"{path} is a folder; give the name of a file.")
        if not path.parent.is_dir():
            raise click.BadParameter(f"there is no folder {path.parent}; create it first.")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise click.BadParameter(f"the folder {path.parent} cannot be written to.")
        return path

    return check


def _count(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A whole number, or a fraction."""
    if value is None:
        return None
    try:
        return int(value) if value.lstrip("+-").isdigit() else float(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a number.") from None


def _widths(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        return tuple(map(int, value.split(",")))
    except ValueError:
        raise click.BadParameter(f"{value!r}: expected whole numbers, as in 512,256.") from None


def _activation(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    return tuple(map(str.strip, value.split(","))) if value and "," in value else value


def _data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of every command that reads features."""
    for option in (
        click.option(
            "--header/--no-header",
            default=None,
            help="Whether the first line of a text file holds names. Found out if not given.",
        ),
        click.option("--drop", multiple=True, metavar="COLUMNS", help="Leave these columns out."),
        click.option("--columns", multiple=True, metavar="COLUMNS", help=COLUMNS_HELP),
    ):
        # The last one applied is the first in the help.
        command = option(command)
    return command


MODEL = click.argument("model", type=click.Path(path_type=Path))
DATA_OUTPUT = click.option(
    "-o",
    "--output",
    metavar="FILE",
    callback=_output(),
    help=f"Where to write. {DATA_HELP} Without it: CSV on stdout.",
)


@click.group(cls=Door, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(isthmus.__version__, prog_name="isthmus", message="%(prog)s %(version)s")
@click.option("--traceback", is_flag=True, help="Show where in the program an error was raised.")
def main(traceback: bool) -> None:
    """A few coordinates of high-dimensional data, and the function that gives them.

    \b
      isthmus demo
      isthmus fit measurements.csv -d 2 -o map.isthmus
      isthmus transform map.isthmus new.csv -o coordinates.csv
      isthmus inverse map.isthmus coordinates.csv -o decoded.csv
    """


@main.command()
@click.argument("data", callback=_data_file)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    callback=_output(".isthmus", ".safetensors"),
    help="Where to save the map: a name that ends in .isthmus.",
)
@click.option(
    "-d",
    "--n-components",
    metavar="NUMBER",
    callback=_count,
    help="Number of coordinates; for --method linear also the share of the variance to keep, 0.95.",
)
@_data_options
@click.option("--label", help="A column, such as a class, that is no feature. See transform --keep.")
@click.option(
    "--method",
    type=click.Choice(["autoencoder", "linear"]),
    default="autoencoder",
    show_default=True,
    help="A network that starts at PCA, or PCA itself.",
)
@click.option("--widths", metavar="SIZES", callback=_widths, help="Encoder's layer widths: 512,256.")
@click.option(
    "--activation",
    metavar="NAMES",
    callback=_activation,
    help="tanh, relu, cos, silu, gelu or identity; or one per layer, with commas between them.",
)
@click.option("--scaling", type=click.Choice(["standard", "range", "none"]), help="Scaling of features.")
@click.option(
    "--loss",
    type=click.Choice(["squared", "absolute", "huber", "cross_entropy"]),
    help="What the network minimises.",
)
@click.option("--skip", type=click.Choice(["pca", "none"]), help="Whether the network starts at PCA.")
@click.option("--tied", is_flag=True, default=None, help="Use each weight in both directions.")
@click.option("--max-epochs", type=int, help="Most passes over the rows.")
@click.option("--batch-size", type=int, help="Rows in a step.")
@click.option("--learning-rate", type=float, help="Largest rate of the optimiser.")
@click.option(
    "--validation-fraction", type=float, help="Share of the rows held out to choose the epoch."
)
@click.option("--patience", type=int, help="Epochs without a better one before training ends.")
@click.option("--seed", "random_state", type=int, help="Seed of everything random.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar and no summary.")
def fit(
    data: Path,
    output: Path,
    columns: Sequence[str],
    drop: Sequence[str],
    header: bool | None,
    label: str | None,
    method: str,
    quiet: bool,
    **parameters: Any,
) -> None:
    """Learn a map from the rows of DATA and save it.

    What is not given has the default that it has in Python. Ctrl-C ends training and saves the best
    map so far.

    \b
      isthmus fit iris.csv --label species -d 2 -o iris.isthmus
      isthmus fit images.npy -d 10 --widths 512,256 --seed 0 -o images.isthmus
      isthmus fit iris.csv --drop species --method linear -d 0.95 -o pca.isthmus
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    table = _read(data, header)
    rows = table.numbers(table.choose(columns, [*drop, *([label] if label else [])]))
    model = _estimator(method, given)
    model.set_params(verbose=sys.stderr.isatty() and not quiet)
    started = time.perf_counter()
    model.fit(rows)
    seconds = time.perf_counter() - started
    isthmus.save(model.set_params(verbose=False), output)
    if not quiet:
        from isthmus.description import describe, summarise

        _show({"rows": rows.shape[0], **summarise(describe(model)), "seconds": f"{seconds:.1f}"})
        click.echo(f"saved {output}")


@main.command()
@MODEL
@click.argument("data", callback=_data_file)
@DATA_OUTPUT
@_data_options
@click.option(
    "--keep", multiple=True, metavar="COLUMNS", help="Carry these columns over, such as an id."
)
def transform(
    model: Path,
    data: Path,
    output: Path | None,
    columns: Sequence[str],
    drop: Sequence[str],
    header: bool | None,
    keep: Sequence[str],
) -> None:
    """Coordinates of the rows of DATA by a saved map.

    Columns that the map was fitted on are found by name; others are ignored. Without names, all
    columns count but those of --drop and --keep, in their order.

    \b
      isthmus transform iris.isthmus new.csv --keep species -o coordinates.csv
      isthmus transform iris.isthmus new.parquet | head
    """
    _check_keep(keep, output)
    table = _read(data, header)
    fitted = isthmus.load(model)
    names = getattr(fitted, "feature_names_in_", None)
    if names is not None and table.names is not None and not columns:
        positions = table.positions_of(names)
    else:
        positions = table.choose(columns, drop if columns else [*drop, *keep])
    kept = {table.name(position): table.column(position) for position in table.positions(keep)}
    coordinates = fitted.transform(table.numbers(positions))
    _write(output, coordinates, fitted.get_feature_names_out(), kept)


@main.command()
@MODEL
@click.argument("coordinates", callback=_data_file)
@DATA_OUTPUT
@click.option("--header/--no-header", default=None, help="Whether the first line holds names.")
def inverse(model: Path, coordinates: Path, output: Path | None, header: bool | None) -> None:
    """Rows that the points in COORDINATES decode to.

    Columns with the names that transform gives are found by name; without them, all columns count.

    \b
      isthmus inverse iris.isthmus coordinates.csv -o decoded.csv
    """
    table = _read(coordinates, header)
    fitted = isthmus.load(model)
    wanted = list(fitted.get_feature_names_out())
    by_name = set(wanted) <= set(table.names or ())
    positions = table.positions_of(wanted) if by_name else table.choose((), ())
    decoded = fitted.inverse_transform(table.numbers(positions))
    names = getattr(fitted, "feature_names_in_", [f"x{j}" for j in range(decoded.shape[1])])
    _write(output, decoded, names, {})


@main.command()
@MODEL
@click.option("--json", "as_json", is_flag=True, help="All facts as one JSON object.")
def info(model: Path, as_json: bool) -> None:
    """What a saved map is and how good it is.

    \b
      isthmus info iris.isthmus
      isthmus info iris.isthmus --json
    """
    from isthmus.description import describe_file, summarise

    facts = describe_file(model)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    parameters = ", ".join(f"{name}={value!r}" for name, value in facts["parameters"].items())
    names = ", ".join(facts["feature_names"] or []) or "without names"
    _show(
        {
            "class": f"{facts['class']} (schema {facts['schema']}, isthmus {facts['isthmus']})",
            **summarise(facts),
            "feature names": names,
            "layers": " → ".join(map(str, facts["sizes"])),
            "weights": facts["weights"],
            "parameters": parameters,
        }
    )


@main.command()
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    callback=_output(".png", ".pdf", ".svg"),
    default="isthmus-demo.png",
    show_default=True,
    help="Where to write the picture.",
)
def demo(output: Path) -> None:
    """Map 1 797 handwritten digits to the plane, next to PCA, and draw both.

    \b
      isthmus demo
      isthmus demo -o digits.pdf
    """
    from isthmus.demo import run

    run(output)


def _read(data: Path, header: bool | None) -> Any:
    from isthmus import tables

    table = tables.read(data, header)
    if table.note:
        click.echo(f"note: {data}: {table.note}", err=True)
    return table


def _write(output: Path | None, rows: Any, names: Sequence[str], kept: Mapping[str, Any]) -> None:
    from isthmus import tables

    if output is None:
        tables.write_to(sys.stdout.buffer, rows, names, kept)
    else:
        tables.write(output, rows, names, kept)


def _check_keep(keep: Sequence[str], output: Path | None) -> None:
    from isthmus.formats import FORMATS
    from isthmus.tables import ending

    if keep and output and not FORMATS[ending(output) or ".csv"].has_names:
        raise click.UsageError(
            f"--keep needs an output with named columns, and {output.name} is a plain array: write "
            "CSV, Parquet or Feather"
        )


def _estimator(method: str, given: Mapping[str, Any]) -> Any:
    """The unfitted estimator with the parameters that were given, and no others."""
    import inspect

    classes: dict[str, Any] = {"autoencoder": isthmus.Autoencoder, "linear": isthmus.LinearAutoencoder}
    cls = classes[method]
    known = inspect.signature(cls).parameters
    unknown = [f"--{name.replace('_', '-')}" for name in given if name not in known]
    if unknown:
        raise click.UsageError(f"--method {method} does not take {', '.join(unknown)}")
    return cls(**{name: None if value == "none" else value for name, value in given.items()})


def _show(facts: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in facts.items():
        table.add_row(name, str(value))
    Console(markup=False, highlight=False).print(table)
