"""Options and arguments that commands share, and what turns their texts into values."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]

INPUTS, OUTPUTS = "isthmus.inputs", "isthmus.outputs"
"""Where a command notes the paths that it reads, and those that it writes."""

DATA_HELP = "CSV, TSV (also .gz), Parquet, Feather, NPY or NPZ, by the ending of the name."
COLUMNS_HELP = (
    "Take these columns alone: names, or positions from 0, with commas between them. May be repeated."
)


def input_file(ctx: click.Context, param: click.Parameter, value: str | Path | None) -> Path | None:
    """A path that is read, and that no output of the command may replace."""
    if value is None:
        return None
    ctx.meta.setdefault(INPUTS, []).append(Path(value))
    _check_apart(ctx)
    return Path(value)


def data_file(ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:
    """A path with the ending of a data file, which is read."""
    _check_ending(value)
    return input_file(ctx, param, value)


def is_input(ctx: click.Context, path: Path) -> bool:
    """Whether the command reads this file."""
    return any(_same_file(path, read) for read in ctx.meta.get(INPUTS, []))


def check_output(ctx: click.Context, path: Path) -> None:
    """Raise if a file that the command writes is one that it reads."""
    ctx.meta.setdefault(OUTPUTS, []).append(path)
    _check_apart(ctx)


def _check_apart(ctx: click.Context) -> None:
    """Each parameter is looked at when it comes, in whatever order."""
    for output in ctx.meta.get(OUTPUTS, []):
        if is_input(ctx, output):
            raise click.UsageError(
                f"{output} is read by this command, and would be replaced: write to another file."
            )


def _same_file(one: Path, other: Path) -> bool:
    """Also by another name, such as a link."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def _check_ending(value: str | None) -> None:
    from isthmus.files.formats import FORMATS
    from isthmus.files.tables import ending

    if value is not None and ending(Path(value)) is None:
        raise click.BadParameter(f"{value}: the ending is none of {', '.join(FORMATS)}.")


def output(*endings: str) -> Callable[..., Path | None]:
    """A path that can be written, found out before the work; without endings, of a data file."""

    def check(ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:
        if value is None:
            return None
        if not endings:
            _check_ending(value)
        path = Path(value)
        if endings and not path.name.endswith(endings):
            raise click.BadParameter(f"{path}: the ending is none of {', '.join(endings)}.")
        if path.is_dir():
            raise click.BadParameter(f"{path} is a folder; give the name of a file.")
        if not path.parent.is_dir():
            raise click.BadParameter(f"there is no folder {path.parent}; create it first.")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise click.BadParameter(f"the folder {path.parent} cannot be written to.")
        check_output(ctx, path)
        return path

    return check


def count(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A whole number, or a fraction."""
    if value is None:
        return None
    try:
        return int(value) if value.lstrip("+-").isdigit() else float(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a number.") from None


def widths(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Whole numbers with commas between them."""
    if value is None:
        return None
    try:
        return tuple(map(int, value.split(",")))
    except ValueError:
        raise click.BadParameter(f"{value!r}: expected whole numbers, as in 512,256.") from None


def names(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """One name, or several with commas between them."""
    return tuple(map(str.strip, value.split(","))) if value and "," in value else value


class _Headed(click.Option):
    """An option that the help shows under a heading of its own."""

    def __init__(self, *arguments: Any, heading: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.heading = heading


class Headed(click.Command):
    """A command with so many options that its help has headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        records: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                records.setdefault(getattr(parameter, "heading", "Options"), []).append(record)
        for heading, options in records.items():
            with formatter.section(heading):
                formatter.write_dl(options)


def under(heading: str) -> Callable[..., Callable[[Command], Command]]:
    """``click.option`` for options below a heading."""
    return partial(click.option, cls=_Headed, heading=heading)


def columns_options(command: Command) -> Command:
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


DATA = click.argument("data", callback=data_file)
MODEL = click.argument("model", callback=input_file)
DATA_OUTPUT = click.option(
    "-o",
    "--output",
    metavar="FILE",
    callback=output(),
    help=f"Where to write. {DATA_HELP} Without it: CSV on stdout.",
)
KEEP = click.option(
    "--keep", multiple=True, metavar="COLUMNS", help="Carry these columns over, such as an id."
)
SEED = click.option("--seed", type=int, help="Seed of the draws: the same one gives the same rows.")
