"""The command line: arguments only. The work is done where it is done for Python.

Everything but click loads inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import atexit
import gc
from collections.abc import Sequence

import click

import isthmus
from isthmus.cli._cache import keep_programs
from isthmus.cli._choices import import_modules
from isthmus.cli._compare import compare as compare
from isthmus.cli._compare import quality as quality
from isthmus.cli._explore import explore as explore
from isthmus.cli._export import export as export
from isthmus.cli._fit import fit as fit
from isthmus.cli._generate import impute as impute
from isthmus.cli._generate import sample as sample
from isthmus.cli._group import ErrorsInOneLine
from isthmus.cli._info import choices as choices
from isthmus.cli._info import demo as demo
from isthmus.cli._info import info as info
from isthmus.cli._lab import lab as lab
from isthmus.cli._report import dimension as dimension
from isthmus.cli._report import report as report
from isthmus.cli._serve import serve as serve
from isthmus.cli._transform import denoise as denoise
from isthmus.cli._transform import inverse as inverse
from isthmus.cli._transform import transform as transform


@click.group(cls=ErrorsInOneLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(isthmus.__version__, prog_name="isthmus", message="%(prog)s %(version)s")
@click.option("--traceback", is_flag=True, help="Show where in the program an error was raised.")
@click.option(
    "--no-cache",
    is_flag=True,
    help="Keep no compiled programs in the user's cache folder, and use none of these.",
)
@click.option(
    "--import",
    "modules",
    multiple=True,
    metavar="MODULE",
    help="Import a module of your own first, found as by `python -m`, so that the noises, priors, "
    "likelihoods, losses and estimators that it registers can be named. May be repeated.",
)
def main(traceback: bool, no_cache: bool, modules: Sequence[str]) -> None:
    """A few coordinates of high-dimensional data, and the function that gives them.

    \b
      isthmus demo
      isthmus fit measurements.csv -d 2 -o map.isthmus
      isthmus transform map.isthmus new.csv -o coordinates.csv
      isthmus inverse map.isthmus coordinates.csv -o decoded.csv

    A map that restores noisy rows, and one that fills empty cells and draws new rows:

    \b
      isthmus fit measurements.csv --model denoising --noise "Masking(0.3)" -o restore.isthmus
      isthmus denoise restore.isthmus noisy.csv -o restored.csv
      isthmus fit gaps.csv --model variational -o map.isthmus
      isthmus impute map.isthmus gaps.csv -o complete.csv --std uncertainty.csv
      isthmus sample map.isthmus -n 100 -o new.csv

    A page to move in, which shows what data would be where the pointer is:

    \b
      isthmus explore map.isthmus measurements.csv -o map.html

    What applies the map where there is no isthmus, as ONNX, for NumPy alone, or as C:

    \b
      isthmus export map.isthmus -o map.onnx

    What applies it for other programs, over HTTP:

    \b
      isthmus serve map.isthmus

    How good a map is, and what other methods make of the same rows:

    \b
      isthmus quality map.isthmus new.csv
      isthmus compare measurements.csv
      isthmus dimension measurements.csv
      isthmus report measurements.csv -o report.html

    What theory says of networks, measured:

    \b
      isthmus lab double-descent
    """
    # The process ends with the command: looking for cycles in all that JAX holds, a third of a second,
    # would free nothing that the end does not.
    atexit.register(gc.freeze)
    if not no_cache:
        keep_programs()
    import_modules(modules)


for command in (
    *(fit, transform, inverse, denoise, impute, sample, export, serve),
    *(explore, info, choices, quality, dimension, compare, report, lab, demo),
):
    main.add_command(command)
