"""Claim: the defaults are a good compromise of error on unseen rows, smoothness and time.

Error on unseen rows over PCA's, and seconds per fit, with one parameter at a time away from its
default, on eight data sets. Each fit compiles its programs, as the first one of a process does.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import jax
import numpy as np
from common import Report, flat_data_allowed, json_option, mnist_option, quick_option, rounds_option
from quality import counts, curved, roll, s_curve
from rows import digits, images, pca_error, split
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from isthmus import Autoencoder, reconstruction_error

VARIANTS: dict[str, dict[str, Any]] = {
    "the defaults": {},
    "widths (256, 128)": {"widths": (256, 128)},
    "widths (128, 64)": {"widths": (128, 64)},
    "activation tanh": {"activation": "tanh"},
    "activation relu": {"activation": "relu"},
    "input_noise 0": {"input_noise": 0.0},
    "input_noise 0.3": {"input_noise": 0.3},
    "batch_size 64": {"batch_size": 64},
    "batch_size 256": {"batch_size": 256},
    "learning_rate 1e-3": {"learning_rate": 1e-3},
    "skip_links": {"skip_links": True},
}


def data(mnist: Path | None, quick: bool) -> dict[str, tuple[np.ndarray, int]]:
    """Rows and components of every data set."""
    rng = np.random.default_rng(0)
    n = 300 if quick else 2000
    standardised = StandardScaler().fit_transform(load_breast_cancer().data)
    found = {
        "digits, 2": (digits()[:n], 2),
        "digits, 10": (digits()[:n], 10),
        "roll, 2": (roll(n, rng), 2),
        "S-curve, 2": (s_curve(n, rng), 2),
        "surface, 2": (curved(n, rng), 2),
        "counts, 2": (counts(n, rng).astype(np.float32), 2),
        "cancer, 2": (standardised, 2),
    }
    if mnist is not None:
        found["MNIST, 2"] = images(mnist, n if quick else 10_000)[0], 2
    return found


def measure(rows: np.ndarray, d: int, parameters: dict[str, Any], rounds: int) -> tuple[float, float]:
    """Mean error over PCA's on a fifth of the rows, unseen, and mean seconds of a fit."""
    ratios, seconds = [], []
    for seed in range(rounds):
        train, test = split(rows, len(rows) // 5, seed)
        jax.clear_caches()
        start = time.perf_counter()
        with flat_data_allowed():
            model = Autoencoder(d, random_state=seed, **parameters).fit(train)
        seconds.append(time.perf_counter() - start)
        ratios.append(np.mean(reconstruction_error(model, test)) / pca_error(train, test, d))
    return float(np.mean(ratios)), float(np.mean(seconds))


@click.command(help=__doc__)
@quick_option
@rounds_option(1)
@mnist_option
@json_option
def main(quick: bool, rounds: int, mnist: Path | None, json_path: Path | None) -> None:
    report = Report("Defaults: one parameter at a time away from its default", quick)
    sets = data(mnist, quick)
    table = []
    # What a process does once, in its first fit, is not counted.
    measure(*next(iter(sets.values())), {"max_epochs": 1}, 1)
    for name, parameters in VARIANTS.items():
        found = [measure(rows, d, parameters, rounds) for rows, d in sets.values()]
        report.results[name] = dict(zip(sets, found, strict=True))
        errors, seconds = zip(*found, strict=True)
        table.append((name, *(f"{error:.3f}" for error in errors), f"{sum(seconds):.0f}"))
    title = f"Error on unseen rows over PCA's, splits: {rounds}; seconds of one fit of each"
    report.table(title, ("", *sets, "seconds"), table)
    report.write(json_path)


if __name__ == "__main__":
    main()
