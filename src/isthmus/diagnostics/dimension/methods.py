"""Estimators of the intrinsic dimension: three of nearest neighbours, and principal components.

In a small ball around a row, in which the density is even, rows are a Poisson process on R^d, and the
volumes r^d up to its neighbours grow by independent exponential steps. Ratios of distances then have
laws in which only d is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.stats import norm

from isthmus.data.checks import check_integer, check_real
from isthmus.diagnostics.dimension.nearest import Nearest, nearest, variance_of_sum
from isthmus.diagnostics.dimension.scales import Found, Scale, gamma_interval

FEWEST_ROWS_OF_A_PART = 50
"""Decimation goes on while a subset keeps as many: below, neighbours are as far as the data are wide."""

MOST_HALVINGS = 6
"""To 64 subsets: for data of two dimensions neighbours are then 8 times as far apart."""

MOST_NEIGHBOURS = 64
"""Among these the default scales of ``Gride`` lie; more take long and are no longer near."""

FALL = 0.1
"""An estimate that falls by less from one scale to the next has reached a plateau."""


class Method(Protocol):
    """Estimates the dimension of distinct rows (n, D)."""

    @property
    def most_neighbours(self) -> int:
        """Neighbours that each row must have."""

    def __call__(
        self, rows: Float[np.ndarray, "n D"], level: float, rng: np.random.Generator
    ) -> Found: ...


@dataclass(frozen=True)
class TwoNN:
    """From the ratios μ = r₂/r₁ of the distances to the two nearest neighbours: log μ ~ Exp(d).

    The maximum of the likelihood, (m − 1)/Σ log μ without bias, with the largest ratios censored: of
    each of them only that it is larger than the m-th counts, so that Σ = Σ_{i ≤ m} log μ_(i) +
    (n − m) log μ_(m) has the law of m ratios. The scales are those of decimation: random halves,
    quarters, … of the rows, each used, in which neighbours are farther apart. Noise shows as
    estimates that fall with fewer rows.

    discard : float in [0, 1), default 0.1
        Share of the ratios that is censored. A tenth, as in the source, for among the largest are
        those of outliers and of nearly equal rows, which ratios of neighbours in an even density are
        not; it widens the interval by 5 %. 0 uses all.

    Source: Facco et al. 2017, "Estimating the intrinsic dimension of datasets by a minimal neighborhood
    information", Sci. Rep. 7:12140.
    """

    discard: float = 0.1

    def __post_init__(self) -> None:
        check_real("discard", self.discard, 0.0, 1.0, closed=True)

    @property
    def most_neighbours(self) -> int:
        return 2

    def __call__(self, rows: Float[np.ndarray, "n D"], level: float, rng: np.random.Generator) -> Found:
        halvings = int(np.clip(np.log2(len(rows) / FEWEST_ROWS_OF_A_PART), 0, MOST_HALVINGS))
        order = rng.permutation(len(rows))
        whole = nearest(rows, 2)
        scales = [self._scale([whole], level)]
        for power in range(1, halvings + 1):
            parts = np.array_split(order, 2**power)
            scales.append(self._scale([nearest(rows[part], 2) for part in parts], level))
        return Found(scales[0], tuple(scales), whole.tied(1, 2))

    def _scale(self, parts: Sequence[Nearest], level: float) -> Scale:
        """Rows of all parts together: their dimension is the same."""
        starts = np.cumsum([0, *(len(part.rows) for part in parts)])
        others = np.concatenate(
            [part.rows + start for part, start in zip(parts, starts[:-1], strict=True)]
        )
        log_ratios = np.concatenate([part.log_ratios(1, 2) for part in parts])
        n = len(log_ratios)
        m = max(2, round((1 - self.discard) * n))
        limit = np.partition(log_ratios, m - 1)[m - 1]
        capped = np.minimum(log_ratios, limit)
        likeliest = m / positive(capped.sum())
        seen = np.zeros(n)
        seen[np.argsort(log_ratios, kind="stable")[:m]] = 1.0
        # At least what the law itself has, for rows may be too regular.
        variance = max(variance_of_sum(seen - likeliest * capped, others), m) / m**2
        interval = gamma_interval(likeliest, variance, level)
        estimate = (m - 1) / m * likeliest
        distance = float(np.median(np.concatenate([part.distances[:, 1] for part in parts])))
        return Scale("rows", round(n / len(parts)), distance, estimate, *interval, 1 / variance)


@dataclass(frozen=True)
class MLE:
    """From the distances T_1 ≤ … ≤ T_k to k neighbours: 1/d is the mean of log(T_k/T_j), j < k.

    Inverses are averaged over the rows, not dimensions, which is the maximum of the likelihood and
    removes most of the bias of the first source. A row's local value is (k − 2)/Σ_j log(T_k/T_j),
    without bias, infinite where its neighbours are equally far. The scales are k/2, k and 2k.

    k : int ≥ 3, default 10
        Neighbours. Ten, for with more the bias at the data's edges grows, and with fewer the interval.

    Sources: Levina & Bickel 2004, "Maximum likelihood estimation of intrinsic dimension", NIPS 17;
    MacKay & Ghahramani 2005, "Comments on 'Maximum likelihood estimation of intrinsic dimension'".
    """

    k: int = 10

    def __post_init__(self) -> None:
        check_integer("k", self.k, 3)

    @property
    def most_neighbours(self) -> int:
        return self.k

    def __call__(self, rows: Float[np.ndarray, "n D"], level: float, rng: np.random.Generator) -> Found:
        ks = [k for k in (self.k // 2, self.k, 2 * self.k) if 3 <= k < len(rows)]
        near = nearest(rows, max(ks))
        scales = {k: self._scale(near, k, level) for k in ks}
        inverse = self._inverses(near, self.k)
        local = np.full(len(rows), np.inf)
        np.divide((self.k - 2) / (self.k - 1), inverse, out=local, where=inverse > 0)
        return Found(scales[self.k], tuple(scales.values()), near.tied(1, self.k), local)

    def _scale(self, near: Nearest, k: int, level: float) -> Scale:
        inverse = self._inverses(near, k)
        n = len(inverse)
        likeliest = n / positive(inverse.sum())
        independent = n / (k - 1)
        variance = max(variance_of_sum(1 - likeliest * inverse, near.rows[:, :k]), independent) / n**2
        interval = gamma_interval(likeliest, variance, level)
        estimate = (1 - 1 / (n * (k - 1))) * likeliest
        distance = float(np.median(near.distances[:, k - 1]))
        return Scale("k", k, distance, estimate, *interval, 1 / (variance * (k - 1)))

    @staticmethod
    def _inverses(near: Nearest, k: int) -> Float[np.ndarray, " n"]:
        """The mean of log(T_k/T_j) over j < k, of each row."""
        return np.asarray(
            np.mean([near.log_ratios(j, k) for j in range(1, k)], axis=0, dtype=np.float64)
        )


@dataclass(frozen=True)
class Gride:
    """From ratios μ = r_2k/r_k at several scales k: μ^(−d) ~ Beta(k, k), the exact law.

    The likelihood is d^n Π (μ^d − 1)^(k−1) μ^(−(2k−1)d−1) up to a constant, and concave in d; k = 1 is
    ``TwoNN(discard=0)``. Noise shows as estimates that fall with k. The answer is where they
    stop: the first that falls by less than a tenth when k doubles, or the last.

    ks : several int ≥ 1, or None, default None
        Scales. None: 1, 2, 4, …, up to 2k = 64 neighbours, or a third of the rows if that is less.

    Source: Denti, Doimo, Laio & Mira 2022, "The generalized ratios intrinsic dimension estimator", Sci.
    Rep. 12:20005.
    """

    ks: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.ks is not None:
            if len(self.ks) == 0:
                raise ValueError("ks holds no scale: expected at least one integer, such as (1, 2, 4)")
            for k in self.ks:
                check_integer("ks", k, 1)

    @property
    def most_neighbours(self) -> int:
        return 2 if self.ks is None else 2 * max(self.ks)

    def __call__(self, rows: Float[np.ndarray, "n D"], level: float, rng: np.random.Generator) -> Found:
        ks = tuple(sorted(set(self.ks))) if self.ks is not None else self._automatic(len(rows))
        near = nearest(rows, 2 * ks[-1])
        scales = tuple(self._scale(near, k, level) for k in ks)
        falls = (one for one, next_ in pairwise(scales) if next_.estimate > (1 - FALL) * one.estimate)
        return Found(next(falls, scales[-1]), scales, max(near.tied(k, 2 * k) for k in ks))

    @staticmethod
    def _automatic(n: int) -> tuple[int, ...]:
        most = min(MOST_NEIGHBOURS, max(2, n // 3))
        return tuple(2**power for power in range(int(np.log2(most))))

    def _scale(self, near: Nearest, k: int, level: float) -> Scale:
        log_ratios = near.log_ratios(k, 2 * k)
        n, total = len(log_ratios), positive(log_ratios.sum())

        def scores(d: float) -> Float[np.ndarray, " n"]:
            """∂ log likelihood/∂ log d of each row; k = 1 has no second term."""
            scaled = d * log_ratios
            return np.asarray(1 + (k - 1) * _rise(scaled) - (2 * k - 1) * scaled)

        # E log μ is between log 2/d and 1/d, and scores fall with d.
        low, high = n / total / 64, 64 * n / total
        likeliest = float(brentq(lambda d: float(scores(d).sum()), low, high, xtol=1e-12 * low))
        step = 1e-4
        information = (scores(likeliest * (1 - step)) - scores(likeliest * (1 + step))).sum() / (
            2 * step
        )
        spread = variance_of_sum(scores(likeliest), near.rows[:, : 2 * k])
        variance = max(spread, information) / information**2
        interval = gamma_interval(likeliest, variance, level)
        distance = float(np.median(near.distances[:, 2 * k - 1]))
        return Scale("k", k, distance, likeliest, *interval, n / (variance * information))


@dataclass(frozen=True)
class PCA:
    """Of the linear hull: the participation ratio (Σλ)²/Σλ² of the variances λ of the components.

    How many components of equal variance would be as spread; at least about the intrinsic dimension
    for data that curve, and less than it where variances differ. Its bias and its interval are those of
    the jackknife, exactly, without a decomposition for each row. The scales are numbers of components
    that keep a share of the variance; an interval there is what the share's standard error leaves
    open.

    fractions : several numbers in (0, 1), default (0.5, 0.8, 0.9, 0.95, 0.99)
        Shares of the variance.
    """

    fractions: tuple[float, ...] = (0.5, 0.8, 0.9, 0.95, 0.99)

    def __post_init__(self) -> None:
        for fraction in self.fractions:
            check_real("fractions", fraction, 0.0, 1.0)

    @property
    def most_neighbours(self) -> int:
        return 2

    def __call__(self, rows: Float[np.ndarray, "n D"], level: float, rng: np.random.Generator) -> Found:
        centred = rows - rows.mean(axis=0)
        squares, parts = _principal_squares(centred)
        z = float(norm.ppf((1 + level) / 2))
        scales = tuple(self._components(squares, parts, fraction, z) for fraction in self.fractions)
        return Found(self._participation(centred, squares, parts, z), scales)

    @staticmethod
    def _participation(
        centred: Float[np.ndarray, "n D"],
        squares: Float[np.ndarray, " m"],
        parts: Float[np.ndarray, "n m"],
        z: float,
    ) -> Scale:
        """Without row i the scatter is S − n/(n−1) y yᵀ: its trace and norm are known from y."""
        n, share = len(parts), len(parts) / (len(parts) - 1)
        norms = parts.sum(axis=1)
        trace, norm_ = squares.sum(), np.square(squares).sum()
        traces = trace - share * norms
        norms_ = norm_ - 2 * share * (parts @ squares) + np.square(share * norms)
        for outlier in np.flatnonzero(share * norms > trace / 2):
            # Without it a difference of large numbers would be left, which is rounding.
            traces[outlier], norms_[outlier] = _trace_and_norm(np.delete(centred, outlier, axis=0))
        whole, without = np.log(trace**2 / norm_), np.log(np.square(traces) / norms_)
        centre = n * whole - (n - 1) * without.mean()
        error = np.sqrt((n - 1) * np.mean(np.square(without - without.mean())))
        estimate, low, high = np.exp([centre, centre - z * error, centre + z * error])
        return Scale("variance", 1.0, 0.0, float(estimate), float(low), float(high), float(n))

    @staticmethod
    def _components(
        squares: Float[np.ndarray, " m"], parts: Float[np.ndarray, "n m"], fraction: float, z: float
    ) -> Scale:
        """Each λ changes by its own share of a row, to first order, and so do shares of the variance."""
        n = len(parts)
        kept = np.cumsum(squares) / squares.sum()
        gaps = np.cumsum(parts, axis=1) - kept * parts.sum(axis=1, keepdims=True)
        error = n / squares.sum() * np.sqrt(np.square(gaps).mean(axis=0) / n)
        # To rounding, all components keep all of it.
        number, low, high = (
            1 + int(np.argmax(at >= min(fraction, at[-1] - 1e-12)))
            for at in (kept, kept + z * error, kept - z * error)
        )
        left_out = np.sqrt(max(0.0, 1 - kept[number - 1]) * squares.sum() / n)
        return Scale("variance", fraction, float(left_out), number, low, max(high, number), float(n))


def _principal_squares(
    centred: Float[np.ndarray, "n D"],
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, "n m"]]:
    """Squares of each row's principal coordinates, largest component first, and their sums over rows."""
    if len(centred) < centred.shape[1]:
        left, singular, _ = np.linalg.svd(centred, full_matrices=False)
        coordinates = left * singular
    else:
        _, axes = np.linalg.eigh(centred.T @ centred)
        coordinates = centred @ axes[:, ::-1]
    parts = np.square(coordinates)
    return parts.sum(axis=0), parts


def _trace_and_norm(rows: Float[np.ndarray, "n D"]) -> tuple[float, float]:
    """Trace and squared norm of the scatter matrix of rows about their mean."""
    centred = rows - rows.mean(axis=0)
    is_wide = len(centred) < centred.shape[1]
    products = centred @ centred.T if is_wide else centred.T @ centred
    return float(np.trace(products)), float(np.sum(np.square(products)))


METHODS: Mapping[str, Callable[[], Method]] = {
    "two_nn": TwoNN,
    "mle": MLE,
    "gride": Gride,
    "pca": PCA,
}


def positive(total: float) -> float:
    """The sum of log ratios, or an error where it is 0: then the dimension would be infinite."""
    if total > 0:
        return float(total)
    raise ValueError(
        "the neighbours of each row are equally far, as those of points on a grid are: expected "
        "distances that differ, for the dimension is in their ratios. Add noise of the size of the "
        "rounding, or use more neighbours, such as isthmus.diagnostics.dimension.methods.MLE(k=30)"
    )


def _rise(scaled: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """x/(1 − exp(−x)), which is 1 at 0."""
    rise = np.ones_like(scaled)
    np.divide(scaled, -np.expm1(-scaled), out=rise, where=scaled > 0)
    return rise
