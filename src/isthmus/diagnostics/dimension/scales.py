"""What every estimate of a dimension consists of: numbers at scales, each with an interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import gamma


class Interval(NamedTuple):
    """From ``low`` to ``high``."""

    low: float
    high: float


@dataclass(frozen=True)
class Scale:
    """The estimate at one scale.

    quantity, value
        What sets the scale: "rows" (among how many rows neighbours are searched for), "k" (which
        neighbours) or "variance" (the share of it that components keep).
    distance
        The scale as a length, in the data's units: the median distance to the farthest neighbour in
        use, or the root mean square of what components leave out.
    estimate, low, high
        The dimension, and its confidence interval.
    effective_rows
        Independent rows that would make as narrow an interval; rows that share neighbours are not
        independent.
    """

    quantity: str
    value: float
    distance: float
    estimate: float
    low: float
    high: float
    effective_rows: float

    def __str__(self) -> str:
        at = f"{self.quantity} = {self.value:g}"
        return (
            f"{at:<16} {self.estimate:7.3g} [{self.low:.3g}, {self.high:.3g}]"
            f"   distance {self.distance:.3g}"
        )


class Found(NamedTuple):
    """What a method found: the scale that is its answer, all scales, and what some methods know of rows.

    ``tied`` is the share of rows with two neighbours in use that are equally far, where they ought to
    differ.
    """

    answer: Scale
    scales: tuple[Scale, ...]
    tied: float = 0.0
    local: Float[np.ndarray, " n"] | None = None


def gamma_interval(estimate: float, relative_variance: float, level: float) -> Interval:
    """For an estimate whose inverse is an average of exponential variables, or nearly so.

    With n independent ratios n d/d̂ has the gamma distribution of shape n, whose relative variance is
    1/n; dependent ones have that of fewer.
    """
    shape = 1.0 / relative_variance
    low, high = (float(gamma.ppf(p, shape)) / shape for p in ((1 - level) / 2, (1 + level) / 2))
    return Interval(estimate * low, estimate * high)
