"""Scaling inside the model: raw data in, raw data out.

A network sees u = (x − center)/scale. How center and scale follow from the data is the user's
choice; whichever it is, a column without spread gets scale 1 and stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from isthmus import registry
from isthmus.data.moments import ColumnStatistics, column_statistics
from isthmus.data.rows import Rows, dense, evenly_spaced

ROUNDING = 8 * float(np.finfo(np.float64).eps)
"""A column whose range is at most this share of its size is constant, and the rest is rounding error."""

SMALLEST = 1e-32
"""Least spread that networks can follow: single precision ends at 1e-38."""

UNIFORM = 12**-0.5
"""Standard deviation of a uniform variable on [0, 1]."""

SCALINGS = (None, "standard", "range", "robust")

QUARTILES_OF_GAUSSIAN = 1.3489795
"""Distance between the quartiles of a standard Gaussian, whose robust spread is to be 1."""

MOST_ROWS_FOR_QUARTILES = 100_000
"""Rows whose quartiles stand for those of all: they are right to half a per cent of the spread."""


@registry.part
@dataclass(frozen=True)
class Scaling:
    """center (D,) and scale (D,) in float64: what the network sees is (x − center)/scale.

    ``None`` divides all features by one number, so geometry, and PCA, are those of the raw data:
    coordinates are measured in the data's own unit. ``"standard"`` gives each feature mean 0 and
    variance 1, ``"range"`` maps each to [0, 1], and ``"robust"`` gives each median 0 and the quartiles
    of a standard Gaussian, whatever its tails; coordinates are then in these units.

    Columns of one angle, or of one set of categories, have one scale between them: the root of the mean
    of their squares, and for ``"range"`` the largest.

    ``unit`` is the length of a scaled unit in coordinates, ``spread`` the typical standard deviation
    of a scaled feature.
    """

    center: Float[np.ndarray, " D"]
    scale: Float[np.ndarray, " D"]
    unit: float = 1.0
    spread: float = 1.0

    @classmethod
    def fit(cls, kind: str | None, rows: Rows, columns: ColumnStatistics | None = None) -> Scaling:
        """The scaling of this kind for rows; ValueError where their columns vary less than 1e-32.

        ``columns`` are the statistics of the rows, where they are known already.
        """
        columns = column_statistics(rows) if columns is None else columns
        groups: Sequence[slice] = getattr(getattr(rows, "code", None), "groups", ())
        if kind == "robust":
            middle, spread = _middle_and_spread(rows, columns)
            return cls(middle, _in_common(spread, groups))
        if kind == "standard":
            return cls(columns.mean, _in_common(_scales(np.sqrt(columns.variance), columns), groups))
        if kind == "range":
            scale = _scales(columns.high - columns.low, columns)
            low = np.where(columns.n_rows > 0, columns.low, 0.0)
            # The largest range, so that no column of a group leaves [0, 1].
            return cls(low, _in_common(scale, groups, np.max), spread=UNIFORM)
        variance = np.where(varies(columns), columns.variance, 0.0)
        common = float(_checked(np.sqrt(np.mean(variance)))) or 1.0
        return cls(columns.mean, np.full_like(columns.mean, common), unit=common)

    @property
    def is_per_column(self) -> bool:
        """Whether columns have scales of their own, so that distances are not those of the raw data."""
        return bool(np.ptp(self.scale) > 0)

    @classmethod
    def none(cls, n_features: int) -> Scaling:
        """u = x in [0, 1]: for cross-entropy, which needs the data's own interval."""
        return cls(np.zeros(n_features), np.ones(n_features), spread=UNIFORM)

    def __call__(
        self, rows: np.ndarray, dtype: type[np.floating] = np.float32
    ) -> Float[np.ndarray, "n D"]:
        """Scaled rows, in float32; centred in float64 first, where large offsets would cancel."""
        return np.asarray((rows - self.center) / self.scale, dtype)


def _root_mean_square(scales: Float[np.ndarray, " k"]) -> float:
    return float(np.sqrt(np.mean(np.square(scales))))


def _in_common(
    scale: Float[np.ndarray, " D"],
    groups: Sequence[slice],
    of_group: Callable[[np.ndarray], float] = _root_mean_square,
) -> Float[np.ndarray, " D"]:
    """The scales, one for each group: cosine and sine of an angle stay a circle."""
    common = scale.copy()
    for group in groups:
        common[group] = of_group(scale[group])
    return common


def _middle_and_spread(
    rows: Rows, columns: ColumnStatistics
) -> tuple[Float[np.ndarray, " D"], Float[np.ndarray, " D"]]:
    """Median, and distance between the quartiles as a standard deviation.

    A column that has one value in most rows, so that its quartiles are equal, keeps its standard
    deviation. Missing entries are left out. A column that has none but missing entries in the rows that
    are looked at has its mean and its standard deviation instead.
    """
    some = dense(evenly_spaced(rows, MOST_ROWS_FOR_QUARTILES)).astype(np.float64)
    known = np.where(np.isnan(some).all(axis=0), columns.mean, some)
    low, middle, high = np.nanquantile(known, [0.25, 0.5, 0.75], axis=0)
    spread = (high - low) / QUARTILES_OF_GAUSSIAN
    size = np.maximum(np.abs(columns.low), np.abs(columns.high))
    has_spread = spread > ROUNDING * np.where(np.isfinite(size), size, 0.0)
    return middle, _scales(np.where(has_spread, spread, np.sqrt(columns.variance)), columns)


def _scales(spread: Float[np.ndarray, " D"], columns: ColumnStatistics) -> Float[np.ndarray, " D"]:
    """The spread of each column, 1 where it is constant."""
    varying = varies(columns)
    return np.where(varying, _checked(np.where(varying, spread, 0.0)), 1.0)


def varies(columns: ColumnStatistics) -> Bool[np.ndarray, " D"]:
    """Whether a column has more than one value, as far as rounding lets it be seen."""
    size = np.maximum(np.abs(columns.low), np.abs(columns.high))
    # Columns without values go from ∞ to −∞.
    size = np.where(np.isfinite(size), size, 0.0)
    return np.asarray((columns.high - columns.low > ROUNDING * size) & (columns.variance > 0))


def _checked(spread: np.ndarray) -> np.ndarray:
    """The spread, or an error where it is too small for single precision."""
    spread = np.asarray(spread)
    small = spread[(spread > 0) & (spread < SMALLEST)]
    if small.size:
        raise ValueError(
            f"X varies by {float(small.flat[0]):.2g} only, and networks compute in single precision, "
            f"which needs {SMALLEST:g}: multiply the data, or the column, by a constant"
        )
    return spread
