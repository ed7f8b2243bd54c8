"""The laboratory of double descent: random features, trained networks, and the exact risk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.datasets import load_digits

from isthmus.data.targets import are_classes
from isthmus.laboratories._reports import Report
from isthmus.laboratories.double_descent.networks import TrainedNetworks
from isthmus.laboratories.double_descent.risk import RiskPoint, measured_risk
from isthmus.laboratories.double_descent.run import Curve, double_descent

N_TRAINED_ROWS, TRAINED_NOISE = 100, 0.2
"""Number of training rows of trained networks, and the share of their labels that are wrong."""

N_AVERAGED = 4
"""Number of networks whose predictions are averaged."""


class LabelledPoint(NamedTuple):
    """One model of one of the curves: the fields of ``CurvePoint``, and which curve it is of."""

    curve: str
    size: int
    repeat: int
    n_parameters: int
    train_error: float
    test_error: float
    test_mistakes: float
    weight_norm: float


@dataclass(frozen=True, repr=False)
class DoubleDescentReport(Report):
    """The result of the laboratory.

    ``curve`` is that of random features, ``single`` and ``averaged`` those of trained perceptrons and
    of averages of four; ``risks`` compare the method with the exact risk.
    """

    data: str
    curve: Curve
    single: Curve
    averaged: Curve
    risks: tuple[RiskPoint, ...]

    @property
    def records(self) -> tuple[LabelledPoint, ...]:
        """One row per model, for a table."""
        curves = {
            "random features": self.curve,
            "trained perceptron": self.single,
            f"mean of {N_AVERAGED} perceptrons": self.averaged,
        }
        return tuple(
            LabelledPoint(name, *point) for name, curve in curves.items() for point in curve.points
        )

    @property
    def verdict(self) -> str:
        """Two lines in words."""
        marks, single, averaged = (c.landmarks() for c in (self.curve, self.single, self.averaged))
        pays = marks.end_error < marks.classical_error
        worst = max(self.risks, key=lambda risk: abs(risk.measured / risk.exact - 1))
        return (
            f"{self.data}, N = {self.curve.n_train} training rows, random features: the test error "
            f"falls to {marks.classical_error:.3g} at m* = {marks.classical_optimum}, peaks at "
            f"{marks.peak_error:.3g} at M = {marks.peak}, and ends at {marks.end_error:.3g} at "
            f"M = {marks.end}: the second descent ends {'below' if pays else 'above'} the first. "
            f"Where the exact error is known, measurements agree within "
            f"{abs(worst.measured / worst.exact - 1):.1%}.\n"
            f"Trained perceptrons, {self.single.n_train} rows: the worst error is "
            f"{single.peak_error:.3g} at M = {single.peak} (threshold about {single.threshold:g}), the "
            f"largest network's {single.end_error:.3g}; the mean of {N_AVERAGED} networks is "
            f"{averaged.peak_error:.3g} at worst and ends at {averaged.end_error:.3g}."
        )


def run(
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    data: str = "digits",
    sizes: Sequence[int] | None = None,
    n_train: int | None = None,
    n_repeats: int = 5,
    random_state: int = 0,
    n_jobs: int | None = None,
) -> DoubleDescentReport:
    """Double descent on X, y, or on scikit-learn's digits; and a check against the exact risk.

    ``data`` names the rows. Random features of all ``sizes`` learn from ``n_train`` rows; None takes
    200, or half where there are fewer than 400: the curve has its shape at any N, its cost grows as N³.
    Perceptrons are trained on 100 rows, a fifth of whose labels are wrong, which makes the peak plain;
    of numbers, with noise of half their standard deviation, root mean square over columns. Other
    parameters and errors as of ``double_descent``.
    """
    if X is None:
        X, y = load_digits(return_X_y=True)
    if n_train is None:
        n_train = min(200, len(np.asarray(X)) // 2)
    curve_of = partial(double_descent, X, y, random_state=random_state, n_jobs=n_jobs)
    curve = curve_of(sizes, n_train=n_train, n_repeats=n_repeats)
    n_trained = min(N_TRAINED_ROWS, n_train)
    noise = _noise_of(X, y)
    single, averaged = (
        curve_of(
            model=TrainedNetworks(n_members=n_members),
            n_train=n_trained,
            n_repeats=repeats,
            noise=noise,
        )
        for n_members, repeats in ((1, n_repeats), (N_AVERAGED, min(2, n_repeats)))
    )
    theory = measured_risk(random_state=random_state, n_jobs=n_jobs)
    return DoubleDescentReport(data, curve, single, averaged, theory)


def _noise_of(X: ArrayLike, y: ArrayLike | None) -> float:
    """A share of classes, or half the standard deviation of numbers; without y, of the rows."""
    if y is not None and are_classes(y):
        return TRAINED_NOISE
    columns = np.asarray(X if y is None else y, np.float64)
    return 0.5 * float(np.sqrt(np.mean(np.var(columns, axis=0))))
