"""Claim: a double-descent curve of trained networks, 20 sizes and 5 repeats, takes a minute at most.

All sizes of a repeat are trained in one compiled pass, to the end: 2 000 passes over 100 digits, a fifth
of whose labels are wrong. Importing and compiling are counted.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from common import Aim, Report, json_option, quick_option
from sklearn.datasets import load_digits

SIZES = (1, 2, 3, 4, 6, 8, 10, 12, 13, 14, 15, 16, 18, 21, 28, 40, 56, 79, 112, 140)


def curve(quick: bool, **settings: Any) -> tuple[Any, float]:
    """A curve, and the seconds that it took."""
    from isthmus.experiments import TrainedNetworks, double_descent

    model = TrainedNetworks(epochs=100 if quick else 2000, **settings)
    start = time.perf_counter()
    rows, labels = load_digits(return_X_y=True)
    found = double_descent(
        *(rows, labels, SIZES), model=model, n_train=100, n_repeats=1 if quick else 5, noise=0.2
    )
    return found, time.perf_counter() - start


@click.command(help=__doc__)
@quick_option
@json_option
def main(quick: bool, json_path: Path | None) -> None:
    report = Report("Double descent of trained perceptrons", quick)
    alone, seconds = curve(quick)
    averaged, more_seconds = curve(quick, n_members=2 if quick else 4)
    fields = (
        *(alone.values("train_error"), alone.values("test_error")),
        *(averaged.values("test_error"), alone.values("weight_norm")),
    )
    medians = np.median(fields, axis=1).T
    rows = [
        (str(size), *(f"{value:.3g}" for value in of_size))
        for size, of_size in zip(SIZES, medians, strict=True)
    ]
    columns = ("nodes", "training error", "test error", "mean of four, test error", "norm of weights")
    report.table(f"Medians of the repeats; threshold at {alone.threshold:g} nodes", columns, rows)
    aim = Aim(60.0, at_least=False)
    report.table(
        "Seconds of 20 sizes × 5 repeats",
        ("", "seconds", "aim"),
        [
            ("one network each", f"{seconds:.1f}", report.judge(aim, seconds)),
            ("four of each, averaged", f"{more_seconds:.1f}", "–"),
        ],
    )
    report.results["seconds"] = {"alone": seconds, "averaged": more_seconds}
    report.write(json_path)


if __name__ == "__main__":
    main()
