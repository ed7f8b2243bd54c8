"""Mean and covariance in one pass, mergeable, and the principal axes that they give.

Merging follows Chan, Golub & LeVeque 1983, "Algorithms for computing the sample variance".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
import scipy.linalg
import scipy.sparse
from jaxtyping import Float, Shaped

from isthmus import registry
from isthmus.data.rows import Rows, ScaledRows, View, blocks_as_kept, dense, row_blocks

if TYPE_CHECKING:
    from isthmus.data.rows import Block

MAX_FULL = 2000
"""Above this many features *and* rows, a truncated decomposition replaces the full one."""

EXTRA = 8
"""Axes that are sought beyond those wanted: with them the wanted ones are found in fewer passes."""

MOST_PASSES, RESIDUAL = 16, 1e-9
NOTHING = 1e-10
"""A direction of which less than this share is left is rounding error."""


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
    def of(cls, block: Block) -> ColumnStatistics:
        if not isinstance(block, np.ndarray):
            unfolded = np.isnan(block.data).any()
            return cls.of(block.toarray()) if unfolded else cls._of_sparse(block)
        mean = column_means(block)
        if np.isnan(mean).any():
            return cls._of_present(block)
        scatter = np.sum(np.square(block - mean), axis=0)
        low, high = block.min(axis=0).astype(np.float64), block.max(axis=0).astype(np.float64)
        n = np.full(block.shape[1], float(len(block)))
        return cls(n, mean, scatter / max(1, len(block) - 1), low, high)

    @classmethod
    def _of_sparse(cls, block: scipy.sparse.csr_array) -> ColumnStatistics:
        """Of rows whose entries are mostly zero, and not kept."""
        if not block.has_canonical_format:  # an entry may be kept as a sum of several numbers
            block = block.copy()
            block.sum_duplicates()
        n, D = block.shape
        columns, values = block.indices, block.data.astype(np.float64)
        mean = np.bincount(columns, values, minlength=D) / n
        kept = np.bincount(columns, minlength=D)
        scatter = np.bincount(columns, np.square(values - mean[columns]), minlength=D)
        scatter += (n - kept) * np.square(mean)
        least, most = block.min(axis=0).toarray().ravel(), block.max(axis=0).toarray().ravel()
        variance = scatter / max(1, n - 1)
        return cls(np.full(D, float(n)), mean, variance, least.astype(float), most.astype(float))

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
    def of(cls, block: Block, with_moments: bool) -> Summary:
        found = Moments.of(dense(block)) if with_moments else None
        if found is None or np.isnan(found.mean).any():
            return cls(ColumnStatistics.of(block), None)
        block = dense(block)
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
    return reduce(ColumnStatistics.merge, map(ColumnStatistics.of, blocks_as_kept(rows)))


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
    rows, or all axes: singular vectors of the rows. More of both: a few passes over the rows in blocks,
    without a copy. Raises ValueError for all axes of rows that are kept elsewhere.
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
        if n > MAX_FULL and summary_of(rows) is not None:
            raise ValueError(
                f"all {most} axes of {n} × {D} rows need them in memory: ask for a number of components"
            )
        values_dense = dense(rows[slice(None)])
        mean = column_means(values_dense)
        _, singular, axes = scipy.linalg.svd(values_dense - mean, full_matrices=False)
        all_variances = singular**2 / max(1, n - 1)
        axes, variances, total = axes[:wanted], all_variances[:wanted], float(all_variances.sum())
    else:
        return _leading_axes(rows, wanted)
    return PrincipalAxes.of(mean, axes, variances, total)


def _blocks(rows: Rows) -> Iterator[np.ndarray]:
    return (block for _, block in row_blocks(rows))


def _leading_axes(rows: Rows, wanted: int) -> PrincipalAxes:
    """The first axes from a few passes over the rows, none of which needs a D × D matrix.

    A block Krylov space of the covariance, with Rayleigh and Ritz's vectors in it (Musco & Musco 2015,
    "Randomized block Krylov methods for stronger and faster approximate singular value decomposition"):
    it ends where ‖C w − λ w‖ is at most ``RESIDUAL`` of λ₁, and after ``MOST_PASSES`` at the latest.
    """
    columns = _statistics_without_unfolding(rows)
    block = np.random.default_rng(0).standard_normal((rows.shape[1], wanted + EXTRA))
    basis = images = np.empty((rows.shape[1], 0))
    values, axes = np.empty(0), basis
    for _ in range(MOST_PASSES):
        block = _orthonormal_beside(basis, block)
        if not block.shape[1]:  # the space has all of the variance
            break
        image = _times_covariance(rows, columns.mean, block)
        basis, images = np.hstack([basis, block]), np.hstack([images, image])
        inner = basis.T @ images
        values, vectors = np.linalg.eigh((inner + inner.T) / 2)
        values, vectors = values[: -wanted - 1 : -1], vectors[:, : -wanted - 1 : -1]
        axes, block = basis @ vectors, image
        residual = np.linalg.norm(images @ vectors - axes * values, axis=0)
        if residual.max() <= RESIDUAL * values[0]:
            break
    return PrincipalAxes.of(columns.mean, axes.T, values, float(columns.variance.sum()))


def _statistics_without_unfolding(rows: Rows) -> ColumnStatistics:
    """Statistics of the columns, of scaled rows from those of the rows, which may be sparse."""
    if not isinstance(rows, ScaledRows):
        return column_statistics(rows)
    scaling = rows.scaling
    return column_statistics(rows.rows).scaled(scaling.center, scaling.scale)


def _orthonormal_beside(
    basis: Float[np.ndarray, "D m"], block: Float[np.ndarray, "D k"]
) -> Float[np.ndarray, "D l"]:
    """Orthonormal columns that span what the block has beyond the orthonormal basis."""
    size = np.linalg.norm(block, axis=0).max(initial=0.0)
    for _ in range(2):  # once leaves rounding errors as large as what it removes
        block = block - basis @ (basis.T @ block)
    beside, triangle, _ = scipy.linalg.qr(block, mode="economic", pivoting=True)
    return np.asarray(beside[:, np.abs(np.diag(triangle)) > NOTHING * size])


def _times_covariance(
    rows: Rows, mean: Float[np.ndarray, " D"], block: Float[np.ndarray, "D k"]
) -> Float[np.ndarray, "D k"]:
    """C V, from one pass over the rows, of which sparse ones are not unfolded."""
    if isinstance(rows, ScaledRows):
        scale = rows.scaling.scale
        raw_mean = mean * scale + rows.scaling.center
        of_rows = _times_covariance(rows.rows, raw_mean, block / scale[:, None])
        return np.asarray(of_rows / scale[:, None])
    product = np.zeros(block.shape)
    for part in blocks_as_kept(rows):
        if isinstance(part, np.ndarray):
            centred = part - mean
            product += centred.T @ (centred @ block)
        else:
            scores = part @ block - mean @ block
            product += part.T @ scores - np.outer(mean, scores.sum(axis=0))
    return np.asarray(product / max(1, rows.shape[0] - 1))
