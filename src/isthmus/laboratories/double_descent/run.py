"""Double descent: the test error of models of every size, from too small to far too large.

With few parameters the error is high; it falls to the classical optimum m*, climbs to a peak where the
model can just fit its N training rows, M ≈ N, and falls again beyond (lecture notes, "Double-descent
curve"; Belkin et al. 2019, PNAS 116:15849). The peak is not due to "more parameters than
data" but lies at the threshold, where only one solution fits, with very large weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from sklearn.utils.parallel import Parallel, delayed

from isthmus.data.checks import check_choice, check_dense, check_integer, check_real
from isthmus.laboratories._responses import as_targets, classes_of, with_noise
from isthmus.laboratories.double_descent.features import Fit, Rows, SizedModel
from isthmus.laboratories.double_descent.networks import MODELS
from isthmus.results import Result


class CurvePoint(NamedTuple):
    """One model: its size, its repeat, and its errors.

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
    """Minima and peak of a curve, by the median of the repeats' test errors at each size.

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


@dataclass(frozen=True, repr=False)
class Curve(Result):
    """The records of one experiment, as ``isthmus.experiments.double_descent`` found them.

    Attributes
    ----------
    points : tuple of CurvePoint
        Of each repeat and, within it, each size.
    sizes : tuple of int
        Sizes M.
    n_train : int
        Training rows N.
    threshold : float
        The size from which rows can be fitted exactly.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.experiments import double_descent
    >>> X = np.random.default_rng(0).standard_normal((60, 8))
    >>> curve = double_descent(X, X.sum(axis=1), [2, 4, 8], model="linear_features", n_train=4)
    >>> curve.threshold, len(curve.points)  # 3 sizes in 10 repeats
    (4, 30)
    """

    points: tuple[CurvePoint, ...]
    sizes: tuple[int, ...]
    n_train: int
    threshold: float

    def values(self, field: str) -> Float[np.ndarray, "repeats sizes"]:
        """One field of ``CurvePoint`` of all points: (repeats, sizes), float64.

        Parameters
        ----------
        field : str
            "train_error", "test_error", "n_parameters", …

        Examples
        --------
        From the threshold on the training error vanishes:

        >>> import numpy as np
        >>> from isthmus.experiments import double_descent
        >>> X = np.random.default_rng(0).standard_normal((60, 8))
        >>> curve = double_descent(X, X.sum(axis=1), [2, 4, 8], model="linear_features", n_train=4)
        >>> errors = curve.values("train_error")
        >>> errors.shape, bool(errors[:, 1:].max() < 1e-9)
        ((10, 3), True)
        """
        flat = [getattr(point, field) for point in self.points]
        return np.asarray(flat, dtype=np.float64).reshape(-1, len(self.sizes))

    def table(self) -> list[dict[str, object]]:
        """One row per model: the fields of ``CurvePoint``.

        Examples
        --------
        >>> import numpy as np
        >>> from isthmus.experiments import double_descent
        >>> X = np.random.default_rng(0).standard_normal((60, 8))
        >>> curve = double_descent(X, X.sum(axis=1), [2, 4, 8], model="linear_features", n_train=4)
        >>> curve.table()[1]["size"], curve.table()[1]["n_parameters"]
        (4, 4)
        """
        return [point._asdict() for point in self.points]

    def __str__(self) -> str:
        lines = [f"{'size':>8}  training error  test error"]
        for size, *errors in zip(self.sizes, *self._medians(), strict=True):
            lines.append(f"{size:>8}  {errors[0]:>14.3g}  {errors[1]:>10.3g}")
        return "\n".join(lines)

    def _medians(self) -> tuple[np.ndarray, np.ndarray]:
        """Medians over the repeats of training and test error, by size."""
        train, test = (np.median(self.values(name), axis=0) for name in ("train_error", "test_error"))
        return train, test

    def landmarks(self) -> Landmarks:
        """Where the curve turns, by medians over the repeats: the classical optimum, peak and end.

        Raises
        ------
        ValueError
            If no size lies below the threshold.

        Examples
        --------
        >>> import numpy as np
        >>> from isthmus.experiments import double_descent
        >>> X = np.random.default_rng(0).standard_normal((60, 8))
        >>> curve = double_descent(X, X.sum(axis=1), [2, 4, 8], model="linear_features", n_train=4)
        >>> curve.landmarks().peak, curve.landmarks().end  # the peak is at the threshold
        (4, 8)
        """
        sizes = np.array(self.sizes)
        _, errors = self._medians()
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
    X: ArrayLike,
    y: ArrayLike | None = None,
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

    There is no regularisation and no early stopping, which would hide the peak.

    Parameters
    ----------
    X : array (n, D)
        Rows, of which ``n_train`` are drawn anew for each repeat; the others are the test.
    y : array (n,) or (n, K), or None, default None
        Targets. Text, booleans and integers with at most 20 different values are classes: ±1 for two
        classes, one output of ±1 for each class of more. Numbers are predicted as they are.
        None: the rows themselves, so that every model is an auto-encoder.
    sizes : sequence of int or None, default None
        Sizes M to fit. None: ``sizes_around`` the threshold.
    model : str or SizedModel, default "random_features"
        The family: "random_features", "linear_features", "perceptron" and "mlp", which are trained,
        "principal_components" and "autoencoder", which are for ``y=None``; or an object such as
        ``RandomFeatures(2.0)`` or ``TrainedNetworks(n_members=5)``. Random features, because their
        threshold is exact and their fits have no knobs.
    n_train : int or None, default None
        Training rows N. None: half of them.
    n_repeats : int, default 10
        Draws. Enough for the median; the mean near the threshold needs hundreds, as errors there have
        long tails.
    noise : float, default 0.0
        Added to training targets only. Of classes, the share of rows that are given another class; of
        numbers, the standard deviation in their own units. Where rows are their own targets it is added
        to training rows as both. The default is 0, because data have noise of their own.
    random_state : int, default 0
        The same number gives the same records, whatever ``n_jobs``.
    n_jobs : int or None, default None
        Repeats at a time, by joblib, whose backend, such as Dask, ``joblib.parallel_config`` sets.

    Returns
    -------
    Curve
        One ``CurvePoint`` per repeat and size, the threshold, and ``landmarks()``. ``print`` shows them.

    Raises
    ------
    ValueError
        If rows and targets differ in number, ``n_train`` leaves no test rows, ``sizes`` is empty, or a
        size is below 1.
    DivergenceError
        If the loss of a network becomes NaN or infinite.

    Examples
    --------
    >>> from isthmus.laboratories.double_descent.run import double_descent
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> curve = double_descent(X, y, [10, 40, 60, 100, 1000], n_train=100, n_repeats=3)
    >>> curve.landmarks().peak, curve.threshold
    (100, 100)
    """
    rows = check_dense(X)
    targets, n_classes = (rows, 0) if y is None else as_targets(y, len(rows))
    n_train = len(rows) // 2 if n_train is None else check_integer("n_train", n_train, 1)
    if not 0 < n_train < len(rows):
        raise ValueError(f"n_train={n_train} of {len(rows)} rows: some must be left to test on")
    check_integer("n_repeats", n_repeats, 1)
    check_real("noise", noise, 0.0, 1.0 if n_classes else np.inf, closed=True)
    family = _as_model(model)
    threshold = family.threshold(n_train, rows.shape[1], targets.shape[1])
    if sizes is None:
        sizes = sizes_around(threshold)
    sizes = tuple(map(_as_size, np.atleast_1d(sizes).tolist()))
    if not sizes:
        raise ValueError("sizes holds no number: expected at least one, or None for the default")
    task = _Task(rows, targets, n_classes, sizes, family, n_train, noise, y is None)
    seeds = np.random.SeedSequence(random_state).spawn(n_repeats)
    found = Parallel(n_jobs=n_jobs)(
        delayed(task.repeat)(number, seed) for number, seed in enumerate(seeds)
    )
    return Curve(tuple(point for points in found for point in points), task.sizes, n_train, threshold)


def sizes_around(threshold: float, *, lowest: float = 1 / 30, highest: float = 10.0) -> list[int]:
    """Sizes from ``lowest`` to ``highest`` times the threshold, the closest where it lies.

    On either side steps are even in the logarithm; five lie within 10 % of the threshold.

    Parameters
    ----------
    threshold : float
        The size from which rows can be fitted exactly.
    lowest, highest : float, default 1/30 and 10.0
        As shares of the threshold: far enough for the classical optimum, and for the second descent.

    Returns
    -------
    list of int
        Ascending, none twice.

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


@dataclass(frozen=True)
class _Task:
    """Settings that all repeats share."""

    rows: Float[np.ndarray, "n D"]
    targets: Float[np.ndarray, "n K"]
    n_classes: int
    sizes: tuple[int, ...]
    family: SizedModel
    n_train: int
    noise: float
    reconstructs: bool

    def repeat(self, number: int, seed: np.random.SeedSequence) -> list[CurvePoint]:
        """All sizes on one draw of training rows."""
        rng = np.random.default_rng(seed)
        shuffled = rng.permutation(len(self.rows))
        train, test = shuffled[: self.n_train], shuffled[self.n_train :]
        y = with_noise(self.targets[train], self.n_classes, self.noise, rng)
        rows = Rows(y if self.reconstructs else self.rows[train], y, self.rows[test])
        fits = self.family.fits(self.sizes, rows, rng)
        return [
            self._point(fit, size, number, y, self.targets[test])
            for size, fit in zip(self.sizes, fits, strict=True)
        ]

    def _point(
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


def _squared_error(predicted: Float[np.ndarray, "n K"], y: Float[np.ndarray, "n K"]) -> float:
    return float(np.mean(np.sum(np.square(predicted - y), axis=1)))


def _as_model(model: str | SizedModel) -> SizedModel:
    if not isinstance(model, str):
        return model
    check_choice("model", model, MODELS)
    return MODELS[model]


def _as_size(size: object) -> int:
    return check_integer("sizes", size, 1, "Each is how many features a model has")
