"""The demonstration: one of the models and PCA on 1 797 digits, with a table and a picture."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from isthmus.data.atomic import replacing
from isthmus.demo import maps, variational
from isthmus.demo.digits import Digits
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.neighbour import NeighbourAutoencoder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEMOS: dict[str, Callable[[Digits, Console], Figure]] = {
    "neighbour": partial(maps.show, NeighbourAutoencoder),
    "autoencoder": partial(maps.show, Autoencoder),
    "variational": variational.show,
}


def run(output: Path, model: str = "neighbour") -> None:
    """Fit a model of this name and PCA to digits, print a table, and write the picture.

    The picture is complete, or not there. Raises ValueError if ``model`` is none of ``DEMOS``.
    """
    if model not in DEMOS:
        raise ValueError(f"model={model!r}: expected one of {', '.join(map(repr, DEMOS))}")
    console = Console()
    figure = DEMOS[model](Digits.load(), console)
    with replacing(output) as temporary:
        figure.savefig(temporary, format=output.suffix[1:])
    console.print(f"picture: {output}", markup=False, emoji=False, highlight=False, soft_wrap=True)
