"""Double descent: the test error of models of every size, from too small to far too large.

With few parameters the error is high; it falls to the classical optimum m*, climbs to a peak where the
model can just fit its N training rows, M ≈ N, and falls again beyond (lecture notes, "Double-descent
curve"; Belkin et al. 2019, PNAS 116:15849). What over-fits is not "more parameters than data" but the
threshold: there one solution is left, and its weights are huge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from sklearn.datasets import load_digits
from sklearn.utils import check_array
from sklearn.utils.parallel import Parallel, delayed

from isthmus.checks import check_choice, check_integer, check_real
from isthmus.experiments.features import MODELS, Fit, LinearFeatures, Rows, SizedModel
from isthmus.experiments.targets import as_targets, classes_of, signs

N_SETS, ROWS_OF_A_SET = 20, 2000
"""Independent sets of rows that the exact risk is measured on, and rows in each."""


class CurvePoint(NamedTuple):
    """One model: its size, which repeat, and what it achieved.

    Errors are squared, summed over outputs, averaged over rows. ``test_mistakes`` is the share of test
    rows that are given another class; NaN where the targets are numbers.
    """

    size: int
    repeat: int
    n_parameters: int
    train_error: float
    test_error: float
    test_mistakes: float
    weight_norm: float


class Landmarks(NamedTuple):
    """Where a curve turns, by the median of the repeats' test errors at each size.

    ``classical_optimum`` is m*, the best size below the threshold; ``peak`` the worst of all from there
    on; ``end`` the largest size. The second descent pays where ``end_error < classical_error``.
    """

    classical_optimum: int
    classical_error: float
    threshold: float
    peak: int
    peak_error: float
    end: int
    end_error: float


@dataclass(frozen=True)
class Curve:
    """The records of one experiment: ``points`` of each repeat and, within it, each size."""

    points: tuple[CurvePoint, ...]
    sizes: tuple[int, ...]
    n_train: int
    threshold: float

    def values(self, field: str) -> Float[np.ndarray, "repeats sizes"]:
        """One field of ``CurvePoint`` of all points."""
        flat = [getattr(point, field) for point in self.points]
        return np.asarray(flat, dtype=np.float64).reshape(-1, len(self.sizes))

    def landmarks(self) -> Landmarks:
        """Where the curve turns. Raises ValueError if no size lies below the threshold."""
        sizes = np.array(self.sizes)
        errors = np.median(self.values("test_error"), axis=0)
        below = sizes < self.threshold
        if not below.any():
            raise ValueError(
                f"the smallest size is {sizes.min()}, the threshold {self.threshold:g}: a classical "
                "optimum needs sizes below it"
            )
        best = int(np.argmin(np.where(below, errors, np.inf)))
        peak = int(np.argmax(np.where(sizes >= sizes[best], errors, -np.inf)))
        end = int(np.argmax(sizes))
        marks = [(int(sizes[place]), float(errors[place])) for place in (best, peak, end)]
        return Landmarks(*marks[0], self.threshold, *marks[1], *marks[2])


def double_descent(
    X: Any,
    y: Any,
    sizes: Sequence[int] | None = None,
    *,
    model: str | SizedModel = "random_features",
    n_train: int | None = None,
    n_repeats: int = 10,
    noise: float = 0.0,
    random_state: int = 0,
    n_jobs: int | None = None,
) -> Curve:
    """Training and test error of models of all sizes, for several draws of training rows and models.

    Nothing is regularised and nothing stopped early: the curve is the point.

    Parameters
    ----------
    X : array (n, D)
        Rows, of which ``n_train`` are drawn anew for each repeat; the others are the test.
    y : array (n,) or (n, K)
        Targets. Floating-point numbers are predicted as they are. Integers, booleans and strings are
        classes: ±1 for two, one output of ±1 for each of more.
    sizes : sequence of int or None, default None
        Sizes M to fit. None: ``sizes_around`` the threshold.
    model : str or SizedModel, default "random_features"
        The family: "random_features", "linear_features", or an object such as ``RandomFeatures(2.0)``.
        Random features, because their threshold is exact and their fits have no knobs.
    n_train : int or None, default None
        Training rows N. None: half of them.
    n_repeats : int, default 10
        Draws. Enough for the median; the mean near the threshold needs hundreds, as errors there have
        long tails.
    noise : float, default 0.0
        Added to training targets only. Of classes, the share of rows that are given another class; of
        numbers, the standard deviation in their own units. None, because data have their own.
    random_state : int, default 0
        The same number gives the same records, whatever ``n_jobs``.
    n_jobs : int or None, default None
        Repeats at a time, by joblib, whose backend, such as Dask, ``joblib.parallel_config`` sets.

    Returns
    -------
    Curve
        One ``CurvePoint`` per repeat and size, the threshold, and ``landmarks()``.

    Raises
    ------
    ValueError
        If rows and targets differ in number, ``n_train`` leaves no test rows, or a size is below 1.

    Examples
    --------
    >>> from isthmus.experiments.double_descent import double_descent
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> curve = double_descent(X, y, [10, 40, 60, 100, 1000], n_train=100, n_repeats=3)
    >>> curve.landmarks().peak, curve.threshold
    (100, 100)
    """
    rows = check_array(X, dtype=np.float64)
    targets, n_classes = as_targets(y, len(rows))
    n_train = len(rows) // 2 if n_train is None else check_integer("n_train", n_train, 1)
    if not 0 < n_train < len(rows):
        raise ValueError(f"n_train={n_train} of {len(rows)} rows: some must be left to test on")
    check_integer("n_repeats", n_repeats, 1)
    check_real("noise", noise, 0.0, 1.0 if n_classes else np.inf, closed=True)
    family = _as_model(model)
    threshold = family.threshold(n_train, targets.shape[1])
    if sizes is None:
        sizes = sizes_around(threshold)
    task = _Task(rows, targets, n_classes, tuple(map(_as_size, sizes)), family, n_train, noise)
    seeds = np.random.SeedSequence(random_state).spawn(n_repeats)
    found = Parallel(n_jobs=n_jobs)(
        delayed(task.repeat)(number, seed) for number, seed in enumerate(seeds)
    )
    return Curve(tuple(point for points in found for point in points), task.sizes, n_train, threshold)


def sizes_around(threshold: float, *, lowest: float = 1 / 30, highest: float = 10.0) -> list[int]:
    """Sizes from ``lowest`` to ``highest`` times the threshold, the closest where it lies.

    On either side steps are even in the logarithm; five lie within 10 % of the threshold.

    Examples
    --------
    >>> from isthmus.experiments import sizes_around
    >>> sizes_around(100)
    [3, 5, 7, 11, 16, 24, 36, 54, 80, 90, 95, 100, 105, 110, 130, 174, 233, 312, 417, 558, 747, 1000]
    """
    shares = [
        *np.geomspace(lowest, 0.8, 9),
        *(0.9, 0.95, 1.0, 1.05, 1.1),
        *np.geomspace(1.3, highest, 8),
    ]
    sizes: list[int] = (
        np.unique(np.maximum(1, np.rint(threshold * np.array(shares)))).astype(int).tolist()
    )
    return sizes


def exact_risk(
    sizes: Any, *, n: int = 40, D: int = 100, signal: float = 1.0, noise: float = 0.2
) -> Float[np.ndarray, " s"]:
    """Expected test error of the least-norm fit with p of D features, for each p of ``sizes``.

    Rows x are N(0, I) in R^D, targets y = w·x + ε with ‖w‖ = ``signal``, spread evenly over the
    features, and ε of standard deviation ``noise``; n rows are fitted. What p features cannot see is
    noise to them: s² = ‖w‖²(1 − p/D) + σ² in all, independent of what they see.

    p ≤ n − 2
        Least squares is unbiased, with covariance s²(AᵀA)⁻¹ for the n × p matrix A of the fit, and
        E tr (AᵀA)⁻¹ = p/(n − p − 1), the trace of an inverse Wishart matrix. Risk s²(1 + p/(n − p − 1)).
    p ≥ n + 2
        Of w only its projection on the n rows is found. They span a random direction, so that
        ‖w‖²(p/D)(1 − n/p) is lost; and E tr (AAᵀ)⁻¹ = n/(p − n − 1).
        Risk ‖w‖²(p/D)(1 − n/p) + s²(1 + n/(p − n − 1)).
    between
        Infinite.

    References
    ----------
    Belkin, Hsu & Xu 2020, "Two models of double descent for weak features", SIAM J. Math. Data Sci.
    2:1167, theorem 1.

    Examples
    --------
    >>> from isthmus.experiments import exact_risk
    >>> exact_risk([10, 30, 40, 50, 100]).round(3).tolist()
    [1.264, 3.207, inf, 3.04, 0.667]
    """
    p = np.asarray(sizes, dtype=np.float64)
    seen = signal**2 * p / D
    unseen = signal**2 - seen + noise**2
    few, many = p <= n - 2, p >= n + 2
    risk = np.full(p.shape, np.inf)
    risk[few] = unseen[few] * (1 + p[few] / (n - p[few] - 1))
    lost = seen[many] * (1 - n / p[many])
    risk[many] = lost + unseen[many] * (1 + n / (p[many] - n - 1))
    return risk


class RiskPoint(NamedTuple):
    """The error of one size where it is known exactly: by ``exact_risk``, and as measured."""

    size: int
    exact: float
    measured: float
    standard_error: float
    n_repeats: int


def measured_risk(
    sizes: Sequence[int] = (10, 20, 30, 50, 60, 80, 100),
    *,
    n_repeats: int = 1000,
    random_state: int = 0,
    n_jobs: int | None = None,
) -> tuple[RiskPoint, ...]:
    """``double_descent`` on the data of ``exact_risk`` at its defaults: the theory, put to the test.

    ``n_repeats`` is rounded up to a multiple of 20 sets of rows. 1000, because errors near the threshold
    scatter by up to 64 % from one draw of 40 rows to the next: the mean is then known to 2 % there.

    Examples
    --------
    >>> from isthmus.experiments.double_descent import measured_risk
    >>> (point,) = measured_risk([20], n_repeats=200)
    >>> abs(point.measured / point.exact - 1) < 0.06
    True
    """
    per_set, means = -(-n_repeats // N_SETS), []
    for seed in np.random.SeedSequence(random_state).spawn(N_SETS):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((ROWS_OF_A_SET, 100))
        y = x.sum(axis=1) / 10 + 0.2 * rng.standard_normal(ROWS_OF_A_SET)
        curve = double_descent(
            *(x, y, sizes),
            model=LinearFeatures(),
            n_train=40,
            n_repeats=per_set,
            random_state=int(rng.integers(2**31)),
            n_jobs=n_jobs,
        )
        means.append(curve.values("test_error").mean(axis=0))
    measured = np.mean(means, axis=0)
    # Repeats on the same set share test rows, sets share nothing.
    errors = np.std(means, axis=0, ddof=1) / np.sqrt(N_SETS)
    return tuple(
        RiskPoint(int(size), float(exact), float(mean), float(error), per_set * N_SETS)
        for size, exact, mean, error in zip(sizes, exact_risk(sizes), measured, errors, strict=True)
    )


@dataclass(frozen=True)
class DoubleDescentReport:
    """What the laboratory found: a curve on data, and its method against the exact risk."""

    data: str
    curve: Curve
    risks: tuple[RiskPoint, ...]

    @property
    def records(self) -> tuple[CurvePoint, ...]:
        """One row per model, for a table."""
        return self.curve.points

    @property
    def verdict(self) -> str:
        """Two lines in words."""
        marks = self.curve.landmarks()
        pays = marks.end_error < marks.classical_error
        worst = max(self.risks, key=lambda risk: abs(risk.measured / risk.exact - 1))
        return (
            f"{self.data}, N = {self.curve.n_train} training rows: the test error falls to "
            f"{marks.classical_error:.3g} at m* = {marks.classical_optimum}, peaks at "
            f"{marks.peak_error:.3g} at M = {marks.peak}, and ends at {marks.end_error:.3g} at "
            f"M = {marks.end}: the second descent ends {'below' if pays else 'above'} the first.\n"
            f"Where theory knows the error, the mean of {worst.n_repeats} repeats agrees with it within "
            f"{abs(worst.measured / worst.exact - 1):.1%} at each of {len(self.risks)} sizes."
        )


def run(
    X: Any = None,
    y: Any = None,
    *,
    data: str = "digits",
    sizes: Sequence[int] | None = None,
    n_train: int | None = None,
    n_repeats: int = 5,
    random_state: int = 0,
    n_jobs: int | None = None,
) -> DoubleDescentReport:
    """Random features of every size on X, y, or on scikit-learn's digits, and the check against theory.

    ``data`` names the rows. ``n_train`` None takes 200 rows to learn from, or half where there are fewer
    than 400: the curve has its shape at any N, and its cost grows as N³. Other parameters and errors as
    of ``double_descent``.
    """
    if X is None:
        X, y = load_digits(return_X_y=True)
    if n_train is None:
        n_train = min(200, len(X) // 2)
    settings: dict[str, Any] = {"random_state": random_state, "n_jobs": n_jobs}
    curve = double_descent(X, y, sizes, n_train=n_train, n_repeats=n_repeats, **settings)
    return DoubleDescentReport(data, curve, measured_risk(**settings))


@dataclass(frozen=True)
class _Task:
    """What all repeats share."""

    rows: Float[np.ndarray, "n D"]
    targets: Float[np.ndarray, "n K"]
    n_classes: int
    sizes: tuple[int, ...]
    family: SizedModel
    n_train: int
    noise: float

    def repeat(self, number: int, seed: np.random.SeedSequence) -> list[CurvePoint]:
        """All sizes on one draw of training rows."""
        rng = np.random.default_rng(seed)
        shuffled = rng.permutation(len(self.rows))
        train, test = shuffled[: self.n_train], shuffled[self.n_train :]
        rows = Rows(self.rows[train], self._with_noise(self.targets[train], rng), self.rows[test])
        fits = self.family.fits(self.sizes, rows, rng)
        return [
            self._judge(fit, size, number, rows.y, self.targets[test])
            for size, fit in zip(self.sizes, fits, strict=True)
        ]

    def _judge(
        self,
        fit: Fit,
        size: int,
        number: int,
        y: Float[np.ndarray, "n K"],
        y_test: Float[np.ndarray, "m K"],
    ) -> CurvePoint:
        wrong = classes_of(fit.predicted) != classes_of(y_test)
        return CurvePoint(
            size,
            number,
            fit.n_parameters,
            _squared_error(fit.fitted, y),
            _squared_error(fit.predicted, y_test),
            float(np.mean(wrong)) if self.n_classes else np.nan,
            fit.weight_norm,
        )

    def _with_noise(
        self, y: Float[np.ndarray, "n K"], rng: np.random.Generator
    ) -> Float[np.ndarray, "n K"]:
        if not self.noise:
            return y
        if not self.n_classes:
            return np.asarray(y + self.noise * rng.standard_normal(y.shape))
        moved = rng.random(len(y)) < self.noise
        steps = np.where(moved, rng.integers(1, self.n_classes, len(y)), 0)
        return signs((classes_of(y) + steps) % self.n_classes, self.n_classes)


def _squared_error(predicted: Float[np.ndarray, "n K"], y: Float[np.ndarray, "n K"]) -> float:
    return float(np.mean(np.sum(np.square(predicted - y), axis=1)))


def _as_model(model: str | SizedModel) -> SizedModel:
    if not isinstance(model, str):
        return model
    check_choice("model", model, MODELS)
    return MODELS[model]


def _as_size(size: Any) -> int:
    return check_integer("sizes", size, 1, "Each is how many features a model has")
