"""The digits of a demonstration, and the evaluation of fitted maps on digits held out.

They come with scikit-learn (Alpaydin & Kaynak 1998, 8×8 pixels): no download is needed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from jaxtyping import Float, Int
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness
from sklearn.model_selection import train_test_split

from isthmus.estimators.base import BaseMap, reconstruction_error
from isthmus.plots import figure_in_memory

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEED = 0
"""Seed of the split and of all models."""

SHAPE = (8, 8)
"""Height and width of a digit in pixels."""


@dataclass(frozen=True)
class Digits:
    """Grey levels 0 … 16 and classes of the training digits and of the held-out digits."""

    train: Float[np.ndarray, "n D"]
    test: Float[np.ndarray, "m D"]
    train_labels: Int[np.ndarray, " n"]
    test_labels: Int[np.ndarray, " m"]

    @classmethod
    def load(cls) -> Self:
        digits = load_digits()
        return cls(
            *train_test_split(
                digits.data, digits.target, test_size=0.25, stratify=digits.target, random_state=SEED
            )
        )


@dataclass(frozen=True)
class Outcome:
    """One method on the digits: the fitted map and its evaluation on unseen rows."""

    name: str
    model: BaseMap
    error: float
    left_out: float
    trustworthiness: float
    seconds: float


def measure(name: str, model: BaseMap, digits: Digits) -> Outcome:
    """Fit a model to the training rows, and evaluate it on the test rows."""
    train, test = digits.train, digits.test
    began = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - began
    error = float(np.mean(reconstruction_error(model, test)))
    variance = float(np.mean(np.sum(np.square(test - train.mean(axis=0)), axis=1)))
    trust = float(trustworthiness(test, model.transform(test), n_neighbors=10))
    return Outcome(name, model, error, error / variance, trust, seconds)


def blank_figure(height: float, title: str) -> Figure:
    """A wide white figure with a title, which needs no screen."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.1)
    figure = figure_in_memory(19.2, height, dpi=110, layout=layout)
    figure.suptitle(title, fontsize=19, fontweight="bold")
    return figure
