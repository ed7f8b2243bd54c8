"""A saved model as a file that needs no isthmus: export."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

import isthmus
from isthmus.cli._options import MODEL, Command, output


def _print_reader(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Print the file that reads .npz, in the place of the command."""
    if value:
        click.echo(files("isthmus.files.export").joinpath("reader.py").read_text("utf-8"), nl=False)
        ctx.exit()


@click.command(cls=Command)
@MODEL
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    callback=output(".onnx", ".npz", ".h"),
    help="Where to write: ONNX, arrays for NumPy, or a header of C, by the ending .onnx, .npz or .h.",
)
@click.option(
    "--what",
    type=click.Choice(["encoder", "decoder", "both"]),
    help="Of a map: rows to coordinates, which is the default, coordinates to rows, or both. As ONNX "
    "both is one graph, from rows to coordinates and to what these decode to.",
)
@click.option(
    "--reader",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_reader,
    help="Print a file of Python that reads .npz with NumPy alone, and exit.",
)
def export(model: Path, output: Path, what: str | None) -> None:
    """A saved model as a file that needs no isthmus, for programs that apply it.

    Raw rows in, with the scaling inside. The file is written once it gives what the model gives. ONNX
    needs isthmus[export].

    \b
      isthmus export map.isthmus -o map.onnx
      isthmus export map.isthmus --what both -o map.npz
      isthmus export --reader > reader.py
      isthmus export map.isthmus -o map.h
    """
    isthmus.export(isthmus.load(model), output, what=what)
