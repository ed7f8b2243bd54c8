"""Scaling inside the model: raw data in, raw data out.

A network sees u = (x − center)/scale. How center and scale follow from the data is the user's
choice; whichever it is, a column without spread gets scale 1 and stays where it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isthmus.data.moments import ColumnStatistics

LEAST_SPREAD = 1e-30
"""Data that vary less are constant to a network in single precision, whose least number is 1e-38."""

UNIFORM = 12**-0.5
"""Standard deviation of a uniform variable on [0, 1]."""

SCALINGS = (None, "standard", "range")


@dataclass(frozen=True)
class Scaling:
    """center (D,) and scale (D,) in float64: what the network sees is (x − center)/scale.

    ``None`` divides all features by one number, so geometry, and PCA, are those of the raw data:
    coordinates are measured in the data's own unit. ``"standard"`` gives each feature mean 0 and
    variance 1, ``"range"`` maps each to [0, 1]; coordinates are then in these units.

    ``unit`` is the length of a scaled unit in coordinates, ``spread`` the typical standard deviation
    of a scaled feature.
    """

    center: Float[np.ndarray, " D"]
    scale: Float[np.ndarray, " D"]
    unit: float = 1.0
    spread: float = 1.0

    @classmethod
    def fit(cls, kind: str | None, columns: ColumnStatistics) -> Scaling:
        if kind == "standard":
            return cls(columns.mean, _positive(np.sqrt(columns.variance), columns))
        if kind == "range":
            return cls(columns.low, _positive(columns.high - columns.low, columns), spread=UNIFORM)
        common = float(np.sqrt(np.mean(columns.variance)))
        common = common if common > LEAST_SPREAD else 1.0
        return cls(columns.mean, np.full_like(columns.mean, common), unit=common)

    @classmethod
    def none(cls, n_features: int) -> Scaling:
        """u = x in [0, 1]: for cross-entropy, which needs the data's own interval."""
        return cls(np.zeros(n_features), np.ones(n_features), spread=UNIFORM)

    def __call__(self, rows: np.ndarray) -> Float[np.ndarray, "n D"]:
        """Scaled rows in float32; centred in float64 first, where large offsets would cancel."""
        return np.asarray((rows - self.center) / self.scale, np.float32)


def _positive(spread: np.ndarray, columns: ColumnStatistics) -> np.ndarray:
    # A constant column's spread is rounding error, which must not be blown up to one.
    size = np.maximum(np.abs(columns.low), np.abs(columns.high))
    return np.where(spread > np.maximum(1e-12 * size, LEAST_SPREAD), spread, 1.0)
