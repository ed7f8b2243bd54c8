"""Run a laboratory, and write what it found: a picture, its records, a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import click

from isthmus.cli import _options as options
from isthmus.cli._io import labelled_rows

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure


class Laboratory(NamedTuple):
    """A folder of ``isthmus.laboratories``, with its ``run`` and its ``picture``.

    ``targets`` says whether it predicts a column of the data.
    """

    folder: str
    targets: bool
    module: str = "run"


LABORATORIES = {
    "double-descent": Laboratory("double_descent", targets=True, module="verdict"),
    "averaging": Laboratory("averaging", targets=True),
    "capacity": Laboratory("capacity", targets=True),
    "distill": Laboratory("distilling", targets=False),
    "one-number": Laboratory("one_number", targets=False),
}


class Record(Protocol):
    """A named tuple of any laboratory."""

    def _asdict(self) -> dict[str, object]: ...


@click.command(cls=options.Command)
@click.argument("name", type=click.Choice(list(LABORATORIES)))
@click.argument("data", callback=options.data_file, required=False)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    callback=options.output(".png", ".pdf", ".svg"),
    help="Where to write the picture: isthmus-NAME.png unless given. The records go beside it, as CSV, "
    "named NAME-records.csv if NAME.csv is DATA.",
)
@click.option(
    "--label",
    help="The column that double-descent, averaging and capacity predict. Text is classes, and so are "
    "whole numbers of up to 20 values.",
)
@options.columns_options
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
def lab(
    name: str,
    data: Path | None,
    output: Path | None,
    label: str | None,
    columns: Sequence[str],
    drop: Sequence[str],
    header: bool | None,
    seed: int,
) -> None:
    """Measure what theory says of networks, on DATA or on data that come along.

    \b
    double-descent  more parameters than data: the error falls, peaks, and falls again
    averaging       many networks are better than one: by how much, and where it ends
    capacity        wide or deep, at equal numbers of parameters
    distill         how small a network may be once a large one is trained
    one-number      an image as one integer: nothing is lost, and it is no map

    Writes a picture and a CSV of all records, and says in two lines what was found. Each takes about
    a minute.

    \b
      isthmus lab double-descent
      isthmus lab averaging measurements.csv --label price -o averaging.pdf
      isthmus lab one-number images.npy
    """
    laboratory = LABORATORIES[name]
    if label is not None and not (laboratory.targets and data):
        raise click.UsageError(
            f"--label names a column of DATA that is to be predicted, and lab {name} "
            + ("has no DATA" if laboratory.targets else "predicts none; use --drop to leave it out")
        )
    if data is not None and laboratory.targets and label is None:
        raise click.UsageError(f"lab {name} DATA needs --label, the column that is to be predicted")
    output = output or Path(f"isthmus-{name}.png")
    context, records = click.get_current_context(), output.with_suffix(".csv")
    if options.is_read(context, records):
        records = output.with_name(f"{output.stem}-records.csv")
    options.check_outputs(context, records)
    found = () if data is None else labelled_rows(data, header, columns, drop, label)[:2]
    rows = _arrays(found)
    named = {} if data is None else {"data": data.name}
    where = f"isthmus.laboratories.{laboratory.folder}"
    report = import_module(f"{where}.{laboratory.module}").run(*rows, **named, random_state=seed)
    picture = import_module(f"{where}.picture").picture(report)
    _write(picture, output, report.records, records)
    click.echo(report.verdict)
    click.echo(f"picture: {output}   records: {records}", err=True)


def _arrays(features: Sequence[object]) -> list[np.ndarray]:
    import numpy as np

    return [np.asarray(part) for part in features if part is not None]


def _write(picture: Figure, output: Path, records: Sequence[Record], csv: Path) -> None:
    """Both files, complete or not at all."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    from isthmus.data.atomic import replacing

    table = pa.Table.from_pylist([_plain(record) for record in records])
    with replacing(csv) as new_csv, replacing(output) as new_output:
        arrow.write_csv(table, new_csv)
        picture.savefig(new_output, format=output.suffix[1:])


def _plain(record: Record) -> dict[str, object]:
    """The fields of a record, a tuple written as 32-16."""
    fields = record._asdict()
    return {
        name: "-".join(map(str, value)) if isinstance(value, tuple) else value
        for name, value in fields.items()
    }
