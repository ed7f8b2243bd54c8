"""Claim: a whole ``fit`` trains more rows per second than the same network elsewhere.

Same sizes, batch, epochs and data; every contestant uses the threads that it takes by itself. A run is
a whole fit; one run each goes first and is not counted, so compilation is not either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from bounds import BIG, big_products, training_flops, training_products
from common import (
    Aim,
    Contestant,
    Report,
    json_option,
    mnist_option,
    quick_option,
    rounds_option,
    run_paired,
)
from peers import fit_sklearn, fit_skorch, fit_torch
from pythae_peer import fit_pythae
from rows import digits, images

from isthmus import Autoencoder

ISTHMUS, JAX_PRODUCTS, NUMPY_PRODUCT = "isthmus", "jax products, these shapes", f"numpy {BIG}² product"

Fit = Callable[[Sequence[int], np.ndarray, int, int], object]


def fit_isthmus(sizes: Sequence[int], rows: np.ndarray, batch_size: int, epochs: int) -> Autoencoder:
    """The plain network: no PCA path, no held-out rows, every epoch trained."""
    return Autoencoder(
        sizes[-1],
        widths=sizes[1:-1],
        activation="relu",
        skip=None,
        batch_size=batch_size,
        max_epochs=epochs,
        patience=epochs,
        validation_fraction=0.0,
        random_state=0,
    ).fit(rows)


FITS: dict[str, Fit] = {
    ISTHMUS: fit_isthmus,
    "PyTorch eager": fit_torch,
    "skorch": fit_skorch,
    "pythae": fit_pythae,
    "scikit-learn": fit_sklearn,
}


@dataclass(frozen=True)
class Setting:
    """One network on one data set."""

    sizes: tuple[int, ...]
    batch_size: int
    epochs: int
    rows: np.ndarray
    described: str
    aims: dict[str, Aim | None]

    @property
    def title(self) -> str:
        """What is trained."""
        layers = "-".join(map(str, self.sizes))
        return f"{layers} mirrored, batch {self.batch_size}, {self.epochs} epochs, {self.described}"

    def contestants(self) -> list[Contestant]:
        """Whole fits; the work is rows."""
        work = float(len(self.rows) * self.epochs)

        def run_of(fit: Fit) -> Callable[[], object]:
            return lambda: fit(self.sizes, self.rows, self.batch_size, self.epochs)

        return [Contestant(name, run_of(fit), work) for name, fit in FITS.items()]

    def bounds(self) -> list[Contestant]:
        """The matrix products of about as much training, and big ones; the work is operations."""
        sizes = self.sizes + self.sizes[-2::-1]
        steps = max(1, len(self.rows) * self.epochs // self.batch_size)
        work = float(training_flops(sizes) * self.batch_size * steps)
        times = max(1, round(work / (2 * BIG**3)))
        return [
            Contestant(JAX_PRODUCTS, training_products(sizes, self.batch_size, steps), work),
            Contestant(NUMPY_PRODUCT, big_products(times), 2.0 * BIG**3 * times),
        ]


def small(quick: bool) -> Setting:
    """A small network on digits: the cost of a step decides."""
    aims = {"PyTorch eager": Aim(2.5), "skorch": Aim(4), "pythae": Aim(4), "scikit-learn": Aim(2)}
    return Setting((64, 128, 64, 2), 64, 2 if quick else 50, digits(), "1797 digits", dict(aims))


def large(quick: bool, mnist: Path | None) -> Setting:
    """A larger network on images: matrix products decide."""
    aims = {"PyTorch eager": Aim(0.95), "skorch": None, "pythae": Aim(1.4), "scikit-learn": Aim(1.4)}
    rows, described = images(mnist, 1000 if quick else 10_000)
    return Setting((784, 512, 256, 2), 256, 1 if quick else 5, rows, described, aims)


def compare(report: Report, setting: Setting, rounds: int) -> None:
    """Rows per second of every library."""
    timings = run_paired(setting.contestants(), rounds)
    report.race(setting.title, timings, ISTHMUS, setting.aims)


def compare_to_bounds(report: Report, setting: Setting, rounds: int) -> None:
    """Operations per second of our training against those of its matrix products alone."""
    sizes = setting.sizes + setting.sizes[-2::-1]
    work = float(training_flops(sizes) * len(setting.rows) * setting.epochs)
    ours = setting.contestants()[0]
    timings = run_paired([Contestant(ISTHMUS, ours.run, work), *setting.bounds()], rounds)
    aims: dict[str, Aim | None] = {name: Aim(0.75) for name in (JAX_PRODUCTS, NUMPY_PRODUCT)}
    title = f"{setting.title}: {training_flops(sizes):,} operations per row, 6 per weight − 2 in layer 1"
    report.race(title, timings, ISTHMUS, aims, unit="GFLOP/s", scale=1e9)


@click.command(help=__doc__)
@quick_option
@rounds_option(7)
@mnist_option
@json_option
def main(quick: bool, rounds: int, mnist: Path | None, json_path: Path | None) -> None:
    report = Report("Training: rows per second of whole fits, after warm-up", quick)
    rounds = 1 if quick else rounds
    compare(report, small(quick), rounds)
    compare(report, large(quick, mnist), rounds)
    compare_to_bounds(report, large(quick, mnist), rounds)
    report.write(json_path)


if __name__ == "__main__":
    main()
