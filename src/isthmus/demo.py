"""The demonstration: 1 797 real digits, two coordinates, next to PCA.

Uses the digits that scikit-learn bundles (Alpaydin & Kaynak 1998, 8×8 pixels), so it needs no download.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness
from sklearn.model_selection import train_test_split

from isthmus.applying import reconstruction_error
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.linear import LinearAutoencoder

SEED = 0


@dataclass(frozen=True)
class Outcome:
    """One method on the digits: the fitted map and what it achieved on unseen rows."""

    name: str
    model: Any
    error: float
    left_out: float
    trustworthiness: float
    seconds: float


def run(output: Path) -> None:
    """Fit PCA and the default auto-encoder to digits, print a table, and write the picture."""
    console = Console()
    digits = load_digits()
    train, test, train_labels, test_labels = train_test_split(
        digits.data, digits.target, test_size=0.25, stratify=digits.target, random_state=SEED
    )
    console.print(
        f"{len(train)} digits of 8×8 pixels → 2 coordinates → 8×8 pixels; "
        f"judged on {len(test)} digits that no method saw"
    )
    outcomes = [
        measure("PCA", LinearAutoencoder(2), train, test),
        measure("isthmus", Autoencoder(2, random_state=SEED), train, test),
    ]
    console.print(as_table(outcomes))
    draw(outcomes, train, train_labels, test, test_labels, output)
    console.print(f"picture: {output}")


def measure(name: str, model: Any, train: np.ndarray, test: np.ndarray) -> Outcome:
    """Fit to the training rows, and judge on the test rows."""
    began = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - began
    error = float(np.mean(reconstruction_error(model, test)))
    variance = float(np.mean(np.sum(np.square(test - train.mean(axis=0)), axis=1)))
    trust = float(trustworthiness(test, model.transform(test), n_neighbors=10))
    return Outcome(name, model, error, error / variance, trust, seconds)


def as_table(outcomes: Sequence[Outcome]) -> Table:
    """Held-out error, trustworthiness and seconds, the first outcome being the yardstick."""
    table = Table("map")
    for heading in ("held-out\nerror", "of\nPCA's", "variance\nleft out"):
        table.add_column(heading, justify="right")
    for heading in ("trust-\nworthiness", "seconds\nto fit"):
        table.add_column(heading, justify="right")
    for outcome in outcomes:
        table.add_row(
            outcome.name,
            f"{outcome.error:.1f}",
            f"{outcome.error / outcomes[0].error:.0%}",
            f"{outcome.left_out:.0%}",
            f"{outcome.trustworthiness:.3f}",
            f"{outcome.seconds:.1f}",
        )
    return table


def draw(
    outcomes: Sequence[Outcome],
    train: np.ndarray,
    train_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
    output: Path,
) -> None:
    """Both maps coloured by class, unseen digits on top, and the plane decoded back to digits."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from isthmus.plots import class_map, decoded_grid

    layout = ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.1)
    figure = Figure(figsize=(19.2, 7.5), dpi=110, facecolor="white", layout=layout)
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 3)
    for ax, outcome in zip(axes, outcomes, strict=False):
        both = np.concatenate([train, test])
        labels = np.concatenate([train_labels, test_labels])
        class_map(ax, outcome.model.transform(both), labels)
        ax.set_title(
            f"{outcome.name}: {1 - outcome.left_out:.0%} of the variance of unseen digits kept,\n"
            f"trustworthiness {outcome.trustworthiness:.2f}",
            fontsize=15,
            pad=10,
        )
    decoded_grid(axes[2], outcomes[-1].model, outcomes[-1].model.transform(train), (8, 8))
    axes[2].set_title("the isthmus plane,\ndecoded back to digits", fontsize=15, pad=10)
    figure.suptitle(
        "64 pixels → 2 coordinates → 64 pixels: handwritten digits by an explicit, invertible map",
        fontsize=19,
        fontweight="bold",
    )
    figure.savefig(output)
