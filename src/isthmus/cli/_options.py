"""Options and arguments that commands share, and what turns their texts into values."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from isthmus.cli._sources import Stream, is_stream, may_be_parquet

Callback = Callable[..., None]
"""The function that becomes a command."""

Check = Callable[[click.Context, click.Parameter, str | None], object]
"""The function that turns an option's text into its value."""

DATA_HELP = "CSV, TSV (also .gz), Parquet, Feather, NPY or NPZ, by the ending of the name."
COLUMNS_HELP = (
    "Take these columns alone: names, or positions from 0, with commas between them. May be repeated."
)


def data_file(ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:
    """A path with the ending of a data file."""
    from isthmus.files.formats import FORMATS
    from isthmus.files.tables import ending

    if value is None:
        return None
    if ending(Path(value)) is None:
        raise click.BadParameter(f"{value}: the ending is none of {', '.join(FORMATS)}.")
    return Path(value)


def data_files(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> Path | Stream:
    """One data file, or what is read in parts: several Parquet files, a folder, a pattern, an array."""
    if len(value) == 1:
        path = None if is_stream(value[0]) else data_file(ctx, param, value[0])
        return path or Stream(value)
    others = [text for text in value if not may_be_parquet(text)]
    if others:
        raise click.BadParameter(
            f"several files are read in parts, as Parquet files, and {others[0]} is none by its name."
        )
    return Stream(value)


def image_shape(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Height and width, written 28x28."""
    if value is None:
        return None
    try:
        height, width = map(int, value.lower().split("x"))
    except ValueError:
        height = width = 0
    if min(height, width) < 1:
        raise click.BadParameter(f"{value!r}: expected height and width, as in 28x28.")
    return height, width


@dataclass(frozen=True)
class OutputFile:
    """A path that can be written, found out before the work; without endings, of a data file."""

    endings: tuple[str, ...]

    def __call__(self, ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:
        from isthmus.data.atomic import place_of

        path = Path(value) if self.endings and value else data_file(ctx, param, value)
        if path is None:
            return None
        if self.endings and not path.name.endswith(self.endings):
            raise click.BadParameter(f"{path}: the ending is none of {', '.join(self.endings)}.")
        if path.is_dir():
            raise click.BadParameter(f"{path} is a folder; give the name of a file.")
        parent = place_of(path).parent
        if not parent.is_dir():
            raise click.BadParameter(f"there is no folder {parent}; create it first.")
        if not os.access(parent, os.W_OK | os.X_OK):
            raise click.BadParameter(f"the folder {parent} cannot be written to.")
        return path


@dataclass(frozen=True)
class OutputFileOrFolder(OutputFile):
    """The same, or without the ending of a data file a folder."""

    def __call__(self, ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:
        from isthmus.files.tables import ending

        is_folder = value is not None and ending(Path(value)) is None
        return Path(value or "") if is_folder else super().__call__(ctx, param, value)


def output(*endings: str) -> OutputFile:
    """What checks an option that names a file to write."""
    return OutputFile(endings)


class Command(click.Command):
    """A command that runs once its outputs are known to be none of its inputs."""

    def invoke(self, ctx: click.Context) -> object:
        check_outputs(ctx)
        return super().invoke(ctx)


def check_outputs(ctx: click.Context, *others: Path) -> None:
    """Raise a usage error if a command would write over a file that it reads, or over its own output.

    ``others`` are files that the command writes without an option that names them.
    """
    read, outputs = _files(ctx)
    written = [*others, *outputs]
    for number, path in enumerate(written):
        if any(_is_same(path, other) for other in read):
            raise click.UsageError(
                f"the output {path} is a file that isthmus {ctx.info_name} reads, and would be written "
                "over: give the output another name"
            )
        if any(_is_same(path, other) for other in written[:number]):
            raise click.UsageError(f"two outputs are {path}: give them different names")


def is_read(ctx: click.Context, path: Path) -> bool:
    """Whether a path leads to a file that the command reads."""
    return any(_is_same(path, other) for other in _files(ctx)[0])


def _files(ctx: click.Context) -> tuple[list[Path], list[Path]]:
    """The files that the arguments and options of a command have it read, and those it writes."""
    read: list[Path] = []
    written: list[Path] = []
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name or "")
        if isinstance(value, Stream):
            read += value.on_this_disk
        if isinstance(value, Path):
            (written if isinstance(parameter.callback, OutputFile) else read).append(value)
    return read, written


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, by links too, whether it is there or not."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def count(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A whole number, or a fraction."""
    if value is None:
        return None
    try:
        return int(value) if value.lstrip("+-").isdigit() else float(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a number.") from None


def scaling(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The scaling as Python takes it."""
    return None if value == "none" else value


def widths(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Whole numbers with commas between them."""
    if value is None:
        return None
    try:
        return tuple(map(int, value.split(",")))
    except ValueError:
        raise click.BadParameter(f"{value!r}: expected whole numbers, as in 512,256.") from None


def names(ctx: click.Context, param: click.Parameter, value: str | None) -> object:
    """One name, or several with commas between them."""
    return tuple(map(str.strip, value.split(","))) if value and "," in value else value


class _Headed(click.Option):
    """An option that the help shows under a heading of its own."""

    def __init__(self, *arguments: Any, heading: str, **settings: Any) -> None:  # as in click
        super().__init__(*arguments, **settings)
        self.heading = heading


class Headed(Command):
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


def under(heading: str) -> Callable[..., Callable[[Callback], Callback]]:
    """``click.option`` for options below a heading."""
    return partial(click.option, cls=_Headed, heading=heading)


def together(*options: Callable[[Callback], Callback]) -> Callable[[Callback], Callback]:
    """Several options as one, in the order of the help."""

    def decorate(command: Callback) -> Callback:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


columns_options = together(
    click.option("--columns", multiple=True, metavar="COLUMNS", help=COLUMNS_HELP),
    click.option("--drop", multiple=True, metavar="COLUMNS", help="Leave these columns out."),
    click.option(
        "--header/--no-header",
        default=None,
        help="Whether the first line of a text file holds names. Found out if not given.",
    ),
)
"""Options of every command that reads features."""


def periods(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, float]:
    """Columns and their periods, written phi=360,psi=360."""
    found = {}
    for part in (part for text in value for part in text.split(",")):
        column, _, period = part.rpartition("=")
        try:
            found[column.strip()] = float(period)
        except ValueError:
            column = ""
        if not column.strip():
            raise click.BadParameter(f"{part!r}: expected a column and its period, as in phi=360.")
    return found


kinds_options = together(
    click.option(
        "--periodic",
        multiple=True,
        metavar="COLUMN=PERIOD",
        callback=periods,
        help="These columns are angles, or times that come round: phi=360,hour=24.",
    ),
    click.option(
        "--categorical",
        multiple=True,
        metavar="COLUMNS",
        help="These columns are categories, texts or numbers; with commas between them.",
    ),
)
"""Options that say which columns are angles, and which categories."""


SCALING = click.option(
    "--scaling",
    type=click.Choice(["auto", "none", "standard", "range", "robust"]),
    default="auto",
    show_default=True,
    callback=scaling,
    help="Of the columns: each by its standard deviation, its range, or the distance between its "
    "quartiles. auto standardises named columns whose spreads differ by more than a factor of 10.",
)
DATA = click.argument("data", callback=data_file)
DATA_FILES = click.argument("data", nargs=-1, required=True, callback=data_files, metavar="DATA...")
MODEL = click.argument("model", type=click.Path(path_type=Path))
DATA_OUTPUT = click.option(
    "-o",
    "--output",
    metavar="FILE",
    callback=output(),
    help=f"Where to write. {DATA_HELP} Without it: CSV on stdout.",
)
IMAGE = click.option(
    "--image",
    metavar="HEIGHTxWIDTH",
    callback=image_shape,
    help="Rows are images of this size: draw them as such.",
)
FILE_OR_FOLDER = click.option(
    "-o",
    "--output",
    metavar="FILE",
    callback=OutputFileOrFolder(()),
    help=f"Where to write. {DATA_HELP} Without it: CSV on stdout. Of several files a folder.",
)
KEEP = click.option(
    "--keep", multiple=True, metavar="COLUMNS", help="Carry these columns over, such as an id."
)
SEED = click.option("--seed", type=int, help="Seed of the draws: the same one gives the same rows.")
