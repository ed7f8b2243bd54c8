"""Linear fits of every size in closed form: the least squares solution of the least norm.

With fewer features than rows it is ordinary least squares; with more it is, of all weights that fit the
training rows exactly, the shortest vector. Trained models take part in the same experiments by the same
two methods, those of ``SizedModel``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import scipy.linalg
from jaxtyping import Float
from sklearn.metrics import pairwise_distances

from isthmus.data.checks import check_real

ROWS_LOOKED_AT = 1000
"""Number of rows whose distances set the scale of random features."""


class Rows(NamedTuple):
    """Rows to learn from with their targets, and rows to predict."""

    x: Float[np.ndarray, "n D"]
    y: Float[np.ndarray, "n K"]
    x_test: Float[np.ndarray, "m D"]


class Fit(NamedTuple):
    """One model of one size: its outputs for training and test rows, and its size."""

    fitted: Float[np.ndarray, "n K"]
    predicted: Float[np.ndarray, "m K"]
    n_parameters: int
    weight_norm: float


class SizedModel(Protocol):
    """A family of models with one of each size, all fitted to the same rows."""

    def threshold(self, n: int, n_features: int, n_outputs: int) -> float:
        """The size from which n rows can be fitted exactly, as far as that is known."""
        ...

    def fits(self, sizes: Sequence[int], rows: Rows, rng: np.random.Generator) -> Iterator[Fit]:
        """A fit of each size, in the order that they come in, so that one may start from the last."""
        ...


@dataclass(frozen=True)
class RandomFeatures:
    """ŷ = Σ a_j cos(w_j·x + b_j) √(2/M), of which only a is fitted: a perceptron, its first layer fixed.

    w_j is normal with standard deviation 1/``scale``, b_j uniform over a turn; a model of M features has
    the first M of the largest one. As M grows they become Gaussian kernel regression, and the norm of a
    that of its function. Fits exactly from M = N on, in any number of outputs.

    Parameters
    ----------
    scale : float or None, default None
        Distance over which predictions change. None: the median distance between training rows, which
        suits features of any unit.

    References
    ----------
    Rahimi & Recht 2007, "Random features for large-scale kernel machines"; Belkin, Hsu, Ma & Mandal
    2019, "Reconciling modern machine-learning practice and the classical bias–variance trade-off", PNAS
    116:15849.

    Examples
    --------
    >>> from isthmus.experiments import RandomFeatures
    >>> RandomFeatures(2.0).threshold(n=100, n_features=4, n_outputs=1)
    100
    """

    scale: float | None = None

    def __post_init__(self) -> None:
        if self.scale is not None:
            check_real("scale", self.scale, 0.0)

    def threshold(self, n: int, n_features: int, n_outputs: int) -> float:
        """The size M = n from which n rows can be fitted exactly.

        Parameters
        ----------
        n : int
            Rows to learn from.
        n_features, n_outputs : int
            Columns of rows and targets, on which it does not depend.

        Examples
        --------
        >>> from isthmus.experiments import RandomFeatures
        >>> RandomFeatures().threshold(n=40, n_features=4, n_outputs=3)
        40
        """
        return n

    def fits(self, sizes: Sequence[int], rows: Rows, rng: np.random.Generator) -> Iterator[Fit]:
        """A fit of each size, in the order that they come in.

        Parameters
        ----------
        sizes : sequence of int
            Numbers of features M.
        rows : Rows
            Rows to learn from ``x`` (n, D) with targets ``y`` (n, K), and rows to predict ``x_test`` (m,
            D).
        rng : numpy Generator
            Of w and b.

        Yields
        ------
        Fit
            ``fitted`` (n, K) and ``predicted`` (m, K), the number of parameters and their norm.

        Examples
        --------
        With more features than rows every row is met:

        >>> import numpy as np
        >>> from isthmus.experiments import RandomFeatures
        >>> from isthmus.laboratories.double_descent.features import Rows
        >>> rng = np.random.default_rng(0)
        >>> rows = Rows(rng.normal(size=(5, 2)), rng.normal(size=(5, 1)), rng.normal(size=(3, 2)))
        >>> (fit,) = RandomFeatures().fits([20], rows, rng)
        >>> fit.predicted.shape, bool(abs(fit.fitted - rows.y).max() < 1e-9)
        ((3, 1), True)
        """
        scale = self.scale or _median_distance(rows.x)
        w = rng.standard_normal((rows.x.shape[1], max(sizes))) / scale
        b = rng.uniform(0.0, 2 * np.pi, max(sizes))
        waves, waves_test = np.cos(rows.x @ w + b), np.cos(rows.x_test @ w + b)
        for size in sizes:
            share = np.sqrt(2 / size)
            yield least_norm_fit(share * waves[:, :size], rows.y, share * waves_test[:, :size])


@dataclass(frozen=True)
class LinearFeatures:
    """ŷ = Σ w_j x_j over the first M columns of x: the case whose risk is known, ``exact_risk``.

    Raises
    ------
    ValueError
        In ``fits``, for a size beyond the number of columns.

    References
    ----------
    Belkin, Hsu & Xu 2020, "Two models of double descent for weak features", SIAM J. Math. Data Sci.
    2:1167.

    Examples
    --------
    >>> from isthmus.experiments import LinearFeatures
    >>> LinearFeatures().threshold(n=100, n_features=200, n_outputs=1)
    100
    """

    def threshold(self, n: int, n_features: int, n_outputs: int) -> float:
        """The size M = n from which n rows can be fitted exactly.

        Parameters
        ----------
        n : int
            Rows to learn from.
        n_features, n_outputs : int
            Columns of rows and targets, on which it does not depend.

        Examples
        --------
        >>> from isthmus.experiments import LinearFeatures
        >>> LinearFeatures().threshold(n=40, n_features=100, n_outputs=1)
        40
        """
        return n

    def fits(self, sizes: Sequence[int], rows: Rows, rng: np.random.Generator) -> Iterator[Fit]:
        """A fit of each size, in the order that they come in.

        Parameters
        ----------
        sizes : sequence of int
            Numbers of columns M, at most D.
        rows : Rows
            Rows to learn from ``x`` (n, D) with targets ``y`` (n, K), and rows to predict ``x_test`` (m,
            D).
        rng : numpy Generator
            Nothing is left to chance.

        Yields
        ------
        Fit
            ``fitted`` (n, K) and ``predicted`` (m, K), the number of parameters and their norm.

        Examples
        --------
        y = 2x:

        >>> import numpy as np
        >>> from isthmus.experiments import LinearFeatures
        >>> from isthmus.laboratories.double_descent.features import Rows
        >>> rows = Rows(np.array([[1.0], [2.0]]), np.array([[2.0], [4.0]]), np.array([[5.0]]))
        >>> (fit,) = LinearFeatures().fits([1], rows, np.random.default_rng(0))
        >>> fit.predicted.round(6).tolist(), round(fit.weight_norm, 6)  # 2 · 5, and ‖w‖
        ([[10.0]], 2.0)
        """
        if max(sizes) > rows.x.shape[1]:
            raise ValueError(
                f"sizes reach {max(sizes)}, but X has {rows.x.shape[1]} columns, and LinearFeatures() "
                "takes the first of them: pass sizes up to that, or model=RandomFeatures()"
            )
        for size in sizes:
            yield least_norm_fit(rows.x[:, :size], rows.y, rows.x_test[:, :size])


@dataclass(frozen=True)
class PrincipalComponents:
    """x̂ = mean + Σ v_j v_j·(x − mean) over the first M principal axes: the linear auto-encoder.

    Its training error vanishes from M = N − 1 on, as far as there are so many axes, but it has no peak
    there: an axis more can only take away from what the axes leave out of *any* row, so that the test
    error, too, never rises.

    Raises
    ------
    ValueError
        In ``fits``, where the targets are not the rows themselves.

    References
    ----------
    Baldi & Hornik 1989, "Neural networks and principal component analysis", Neural Networks 2:53.

    Examples
    --------
    >>> from isthmus.experiments import PrincipalComponents
    >>> PrincipalComponents().threshold(n=100, n_features=64, n_outputs=64)  # min(100 − 1, 64)
    64
    """

    def threshold(self, n: int, n_features: int, n_outputs: int) -> float:
        """The size M = min(n − 1, D) from which n rows are restored exactly.

        Parameters
        ----------
        n : int
            Rows to learn from.
        n_features, n_outputs : int
            Columns D of the rows, which are their own targets.

        Examples
        --------
        >>> from isthmus.experiments import PrincipalComponents
        >>> PrincipalComponents().threshold(n=40, n_features=64, n_outputs=64)  # 40 − 1
        39
        """
        return min(n - 1, n_features)

    def fits(self, sizes: Sequence[int], rows: Rows, rng: np.random.Generator) -> Iterator[Fit]:
        """A fit of each size, in the order that they come in.

        Parameters
        ----------
        sizes : sequence of int
            Numbers of axes M.
        rows : Rows
            Rows to learn from ``x`` (n, D), the same as targets ``y``, and rows to restore ``x_test``
            (m, D).
        rng : numpy Generator
            Nothing is left to chance.

        Yields
        ------
        Fit
            ``fitted`` (n, D) and ``predicted`` (m, D), the number of parameters and their norm.

        Examples
        --------
        >>> import numpy as np
        >>> from isthmus.experiments import PrincipalComponents
        >>> from isthmus.laboratories.double_descent.features import Rows
        >>> x = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        >>> (fit,) = PrincipalComponents().fits([1], Rows(x, x, np.array([[3.0, 3.0]])), None)
        >>> (fit.predicted + 0.0).round(6).tolist()  # the first axis keeps x₁ alone
        [[3.0, 0.0]]
        """
        if rows.x.shape != rows.y.shape or not np.array_equal(rows.x, rows.y):
            raise ValueError("PrincipalComponents() reconstructs rows, and y was given: pass y=None")
        mean = rows.x.mean(axis=0)
        axes = np.linalg.svd(rows.x - mean, full_matrices=False)[2]
        for size in sizes:
            kept = axes[:size]
            norm = float(np.sqrt(len(kept)))
            fitted, predicted = (mean + (x - mean) @ kept.T @ kept for x in (rows.x, rows.x_test))
            yield Fit(fitted, predicted, kept.size, norm)


def least_norm_fit(
    features: Float[np.ndarray, "n M"],
    y: Float[np.ndarray, "n K"],
    features_test: Float[np.ndarray, "m M"],
) -> Fit:
    """Weights A⁺y of features A, the shortest of those that fit best, by singular values."""
    weights = scipy.linalg.lstsq(features, y)[0]
    norm = float(np.linalg.norm(weights))
    return Fit(features @ weights, features_test @ weights, weights.size, norm)


def _median_distance(x: Float[np.ndarray, "n D"]) -> float:
    """Between two rows, of the first thousand; 1 where all are the same."""
    distances = pairwise_distances(x[:ROWS_LOOKED_AT])
    apart = distances[np.triu_indices_from(distances, k=1)]
    return float(np.median(apart)) or 1.0 if apart.size else 1.0
