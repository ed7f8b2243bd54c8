"""Two coordinates of digits by one of the maps, next to PCA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from isthmus.demo.digits import SEED, SHAPE, Digits, Outcome, blank_figure, measure
from isthmus.estimators.base import BaseMap
from isthmus.estimators.linear import LinearAutoencoder

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def show(make: type[BaseMap], digits: Digits, console: Console) -> Figure:
    """Fit PCA and a map with its defaults, print a table, and draw the picture."""
    console.print(
        f"{len(digits.train)} digits of 8×8 pixels → 2 coordinates → 8×8 pixels; "
        f"evaluated on {len(digits.test)} digits that no method has seen"
    )
    outcomes = [
        measure("PCA", LinearAutoencoder(2), digits),
        measure("isthmus", make(n_components=2, random_state=SEED), digits),
    ]
    console.print(as_table(outcomes))
    return draw(outcomes, digits)


def as_table(outcomes: Sequence[Outcome]) -> Table:
    """Held-out error, trustworthiness and seconds, errors relative to the first outcome."""
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


def draw(outcomes: Sequence[Outcome], digits: Digits) -> Figure:
    """Both maps coloured by class, unseen digits on top, and the plane decoded back to digits."""
    from isthmus.plots import class_map, decoded_grid

    figure = blank_figure(
        7.5, "64 pixels → 2 coordinates → 64 pixels: handwritten digits by an explicit, invertible map"
    )
    axes = figure.subplots(1, 3)
    both = np.concatenate([digits.train, digits.test])
    labels = np.concatenate([digits.train_labels, digits.test_labels])
    for ax, outcome in zip(axes, outcomes, strict=False):
        class_map(ax, outcome.model.transform(both), labels)
        ax.set_title(
            f"{outcome.name}: {1 - outcome.left_out:.0%} of the variance of unseen digits kept,\n"
            f"trustworthiness {outcome.trustworthiness:.2f}",
            fontsize=15,
            pad=10,
        )
    decoded_grid(axes[2], outcomes[-1].model, outcomes[-1].model.transform(digits.train), SHAPE)
    axes[2].set_title("the isthmus plane,\ndecoded back to digits", fontsize=15, pad=10)
    return figure
