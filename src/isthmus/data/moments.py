"""Mean and covariance in one pass, mergeable, and the principal axes that they give.

Merging follows Chan, Golub & LeVeque 1983, "Algorithms for computing the sample variance".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import scipy.linalg
import scipy.sparse.linalg
from jaxtyping import Float, Shaped

from isthmus import registry
from isthmus.data.rows import Rows, View, block_bytes_of, dense, row_blocks

MAX_FULL = 2000
"""Above this many features *and* rows, a truncated decomposition replaces the full one."""


def column_means(rows: Shaped[np.ndarray, "n D"]) -> Float[np.ndarray, " D"]:
    """The mean of each column, in float64 whatever the rows are."""
    return np.asarray(np.mean(rows, axis=0, dtype=np.float64))


@dataclass(frozen=True)
class Moments:
    """Count, mean (D,) and scatter Σᵢ (xᵢ − x̄)(xᵢ − x̄)ᵀ (D, D) of rows, in float64."""

    n_rows: int
    mean: Float[np.ndarray, " D"]
    scatter: Float[np.ndarray, "D D"]

    @classmethod
    def of(cls, rows: Shaped[np.ndarray, "n D"]) -> Moments:
        mean = column_means(rows)
        centred = rows - mean
        return cls(len(rows), mean, centred.T @ centred)

    def merge(self, other: Moments) -> Moments:
        n = self.n_rows + other.n_rows
        gap = other.mean - self.mean
        return Moments(
            n,
            self.mean + gap * (other.n_rows / n),
            self.scatter + other.scatter + np.outer(gap, gap) * (self.n_rows * other.n_rows / n),
        )

    def scaled(self, center: Float[np.ndarray, " D"], scale: Float[np.ndarray, " D"]) -> Moments:
        """The moments of (x − center)/scale."""
        return Moments(
            self.n_rows, (self.mean - center) / scale, self.scatter / scale[:, None] / scale[None, :]
        )

    @property
    def covariance(self) -> Float[np.ndarray, "D D"]:
        """Unbiased: scatter / (n − 1)."""
        return self.scatter / max(1, self.n_rows - 1)


@registry.part
@dataclass(frozen=True)
class ColumnStatistics:
    """Mean, variance (divisor n − 1), least and largest value of each column, in float64.

    ``n_rows`` counts the values of each column: NaN are left out. A column without values has mean and
    variance 0 and no range, from ∞ to −∞.
    """

    n_rows: Float[np.ndarray, " D"]
    mean: Float[np.ndarray, " D"]
    variance: Float[np.ndarray, " D"]
    low: Float[np.ndarray, " D"]
    high: Float[np.ndarray, " D"]

    @classmethod
    def of(cls, block: Shaped[np.ndarray, "n D"]) -> ColumnStatistics:
        mean = column_means(block)
        if np.isnan(mean).any():
            return cls._of_present(block)
        scatter = np.sum(np.square(block - mean), axis=0)
        low, high = block.min(axis=0).astype(np.float64), block.max(axis=0).astype(np.float64)
        n = np.full(block.shape[1], float(len(block)))
        return cls(n, mean, scatter / max(1, len(block) - 1), low, high)

    @classmethod
    def _of_present(cls, block: Shaped[np.ndarray, "n D"]) -> ColumnStatistics:
        present = ~np.isnan(block)
        n = np.sum(present, axis=0).astype(np.float64)
        mean = np.sum(block, axis=0, where=present, dtype=np.float64) / np.maximum(n, 1)
        scatter = np.sum(np.square(block - mean), axis=0, where=present)
        low = np.min(block, axis=0, where=present, initial=np.inf)
        high = np.max(block, axis=0, where=present, initial=-np.inf)
        return cls(n, mean, scatter / np.maximum(n - 1, 1), low.astype(float), high.astype(float))

    def merge(self, other: ColumnStatistics) -> ColumnStatistics:
        n = self.n_rows + other.n_rows
        share = other.n_rows / np.maximum(n, 1)
        gap = other.mean - self.mean
        scatter = (
            self.variance * np.maximum(self.n_rows - 1, 0)
            + other.variance * np.maximum(other.n_rows - 1, 0)
            + np.square(gap) * (self.n_rows * share)
        )
        return ColumnStatistics(
            n,
            self.mean + gap * share,
            scatter / np.maximum(n - 1, 1),
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )

    def scaled(
        self, center: Float[np.ndarray, " D"], scale: Float[np.ndarray, " D"]
    ) -> ColumnStatistics:
        """The statistics of (x − center)/scale, for scales above 0."""
        has_values = self.n_rows > 0
        return ColumnStatistics(
            self.n_rows,
            np.where(has_values, (self.mean - center) / scale, 0.0),
            self.variance / np.square(scale),
            (self.low - center) / scale,
            (self.high - center) / scale,
        )


@dataclass(frozen=True)
class Summary:
    """Statistics of the columns of rows, and their moments, None where these were not asked for.

    Entries that are NaN have no moments.
    """

    columns: ColumnStatistics
    moments: Moments | None

    @classmethod
    def of(cls, block: Shaped[np.ndarray, "n D"], with_moments: bool) -> Summary:
        found = Moments.of(block) if with_moments else None
        if found is None or np.isnan(found.mean).any():
            return cls(ColumnStatistics.of(block), None)
        n = len(block)
        columns = ColumnStatistics(
            np.full(block.shape[1], float(n)),
            found.mean,
            np.diag(found.scatter) / max(1, n - 1),
            block.min(axis=0).astype(np.float64),
            block.max(axis=0).astype(np.float64),
        )
        return cls(columns, found)

    def merge(self, other: Summary) -> Summary:
        both = self.moments is not None and other.moments is not None
        moments = self.moments.merge(other.moments) if both else None  # type: ignore[union-attr,arg-type]
        return Summary(self.columns.merge(other.columns), moments)

    def scaled(self, center: Float[np.ndarray, " D"], scale: Float[np.ndarray, " D"]) -> Summary:
        """The summary of (x − center)/scale."""
        moments = None if self.moments is None else self.moments.scaled(center, scale)
        return Summary(self.columns.scaled(center, scale), moments)


def summary_of(rows: Rows | View) -> Summary | None:
    """What is known of rows from a pass over them that need not be made again; None of an array."""
    summarise = getattr(rows, "summary", None)
    summary: Summary | None = None if summarise is None else summarise()
    return summary


def column_statistics(rows: Rows) -> ColumnStatistics:
    """Statistics of each column of an array, memory map or sparse matrix, in one pass by blocks."""
    known = summary_of(rows)
    if known is not None:
        return known.columns
    return reduce(ColumnStatistics.merge, map(ColumnStatistics.of, _blocks(rows)))


@dataclass(frozen=True)
class PrincipalAxes:
    """Leading eigenvectors of the covariance, as orthonormal rows, with their eigenvalues.

    Eigenvalues descend; each component's entry of largest absolute value is positive.
    """

    mean: Float[np.ndarray, " D"]
    components: Float[np.ndarray, "d D"]
    variances: Float[np.ndarray, " d"]
    total_variance: float

    @classmethod
    def of(
        cls,
        mean: Float[np.ndarray, " D"],
        components: Float[np.ndarray, "d D"],
        variances: Float[np.ndarray, " d"],
        total_variance: float,
    ) -> PrincipalAxes:
        """Axes with their signs fixed, and no variance below zero by rounding."""
        largest = np.argmax(np.abs(components), axis=1)
        negative = components[np.arange(len(components)), largest] < 0
        signed = np.where(negative[:, None], -components, components)
        return cls(mean, signed, np.maximum(variances, 0.0), total_variance)

    def leading(self, n_components: int) -> PrincipalAxes:
        """The first ``n_components`` of these axes."""
        return replace(
            self,
            components=self.components[:n_components],
            variances=self.variances[:n_components],
        )


def moments(rows: Rows) -> Moments:
    """Moments of the rows of an array, memory map or sparse matrix, block by block."""
    known = summary_of(rows)
    if known is not None and known.moments is not None:
        return known.moments
    return reduce(Moments.merge, map(Moments.of, _blocks(rows)))


def principal_axes(rows: Rows, n_components: int | None = None) -> PrincipalAxes:
    """The leading principal axes of rows (n, D): all min(n, D) of them, or the first few.

    Up to 2 000 features: eigenvectors of the one-pass covariance. More features but at most 2 000
    rows: singular vectors of the rows. More of both: the leading singular vectors by ARPACK, reading
    the rows in blocks, without a copy.
    """
    n, D = rows.shape
    most = min(n, D)
    wanted = most if n_components is None else n_components
    if D <= MAX_FULL:
        found = moments(rows)
        last = (D - wanted, D - 1)
        values, vectors = scipy.linalg.eigh(found.covariance, subset_by_index=last)
        axes = vectors.T[::-1][:wanted]
        mean, variances = found.mean, values[::-1][:wanted]
        total = float(np.trace(found.covariance))
    elif n <= MAX_FULL or wanted >= most:
        n_bytes = 4 * n * D
        if n > MAX_FULL and n_bytes > block_bytes_of(rows, n_bytes):
            raise ValueError(
                f"all {most} components of {n:,} rows of {D:,} columns need the rows in memory at once, "
                "and they are kept elsewhere: ask for fewer components"
            )
        values_dense = dense(rows[slice(None)])
        mean = column_means(values_dense)
        _, singular, axes = scipy.linalg.svd(values_dense - mean, full_matrices=False)
        all_variances = singular**2 / max(1, n - 1)
        axes, variances, total = axes[:wanted], all_variances[:wanted], float(all_variances.sum())
    else:
        mean, total = _mean_and_total_variance(rows)
        _, singular, axes = scipy.sparse.linalg.svds(
            _centred_operator(rows, mean), k=wanted, rng=np.random.default_rng(0)
        )
        axes, variances = axes[::-1], singular[::-1] ** 2 / (n - 1)
    return PrincipalAxes.of(mean, axes, variances, total)


def _blocks(rows: Rows) -> Iterator[np.ndarray]:
    return (block for _, block in row_blocks(rows))


def _mean_and_total_variance(rows: Rows) -> tuple[Float[np.ndarray, " D"], float]:
    n = rows.shape[0]
    mean = sum(block.sum(axis=0, dtype=np.float64) for block in _blocks(rows)) / n
    scatter = sum(float(np.sum(np.square(block - mean))) for block in _blocks(rows))
    return np.asarray(mean), scatter / max(1, n - 1)


def _centred_operator(rows: Rows, mean: np.ndarray) -> scipy.sparse.linalg.LinearOperator:
    """v ↦ (X − 1 x̄ᵀ) v and its transpose, one block of rows at a time."""

    def forward(v: np.ndarray) -> np.ndarray:
        v = v.ravel()  # SciPy may hand over a vector as one column
        return np.asarray(np.concatenate([block @ v for block in _blocks(rows)]) - mean @ v)

    def backward(w: np.ndarray) -> np.ndarray:
        w = w.ravel()
        out, start = -mean * w.sum(), 0
        for block in _blocks(rows):
            out = out + block.T @ w[start : start + len(block)]
            start += len(block)
        return np.asarray(out)

    return scipy.sparse.linalg.LinearOperator(
        rows.shape, matvec=forward, rmatvec=backward, dtype=np.float64
    )
