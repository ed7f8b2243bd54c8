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
    """

    scale: float | None = None

    def __post_init__(self) -> None:
        if self.scale is not None:
            check_real("scale", self.scale, 0.0)

    def threshold(self, n: int, n_features: int, n_outputs: int) -> float:
        return n

    def fits(self, sizes: Sequence[int], rows: Rows, rng: np.random.Generator) -> Iterator[Fit]:
        scale = self.scale or _median_distance(rows.x)
        w = rng.standard_normal((rows.x.shape[1], max(sizes))) / scale
        b = rng.uniform(0.0, 2 * np.pi, max(sizes))
        waves, waves_test = np.cos(rows.x @ w + b), np.cos(rows.x_test @ w + b)
        for size in sizes:
            share = np.sqrt(2 / size)
            yield least_norm_fit(share * waves[:, :size], rows.y, share * waves_test[:, :size])


@dataclass(frozen=True)
class LinearFeatures:
    """ŷ = Σ w_j x_j over the first M columns of x: the case whose risk is known, ``exact_risk``."""

    def threshold(self, n: int, n_features: int, n_outputs: int) -> float:
        return n

    def fits(self, sizes: Sequence[int], rows: Rows, rng: np.random.Generator) -> Iterator[Fit]:
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
    """

    def threshold(self, n: int, n_features: int, n_outputs: int) -> float:
        return min(n - 1, n_features)

    def fits(self, sizes: Sequence[int], rows: Rows, rng: np.random.Generator) -> Iterator[Fit]:
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
