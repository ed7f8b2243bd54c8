"""The demonstration: one of the models and PCA on 1 797 digits, with a table and a picture."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from isthmus.demo import autoencoder, variational
from isthmus.demo.digits import Digits

DEMOS = {"autoencoder": autoencoder.show, "variational": variational.show}


def run(output: Path, model: str = "autoencoder") -> None:
    """Fit a model of this name and PCA to digits, print a table, and write the picture.

    Raises ValueError if ``model`` is none of ``DEMOS``.
    """
    if model not in DEMOS:
        raise ValueError(f"model={model!r}: expected one of {', '.join(map(repr, DEMOS))}")
    console = Console()
    DEMOS[model](Digits.load(), console, output)
    console.print(f"picture: {output}")
