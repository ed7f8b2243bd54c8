"""The demonstration: one of the models and PCA on 1 797 digits, with a table and a picture."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from isthmus.demo import maps, variational
from isthmus.demo.digits import Digits
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.neighbour import NeighbourAutoencoder

DEMOS: dict[str, Callable[[Digits, Console, Path], None]] = {
    "neighbour": partial(maps.show, NeighbourAutoencoder),
    "autoencoder": partial(maps.show, Autoencoder),
    "variational": variational.show,
}


def run(output: Path, model: str = "neighbour") -> None:
    """Fit a model of this name and PCA to digits, print a table, and write the picture.

    Raises ValueError if ``model`` is none of ``DEMOS``.
    """
    if model not in DEMOS:
        raise ValueError(f"model={model!r}: expected one of {', '.join(map(repr, DEMOS))}")
    console = Console()
    DEMOS[model](Digits.load(), console, output)
    console.print(f"picture: {output}")
