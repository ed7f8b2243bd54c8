"""From evidence to a number of dimensions: what neighbours and networks say, and whether they agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float

from isthmus.data.wording import counted
from isthmus.diagnostics.dimension.evidence import (
    MOST_DIMENSIONS,
    REFERENCES,
    Readings,
    References,
)
from isthmus.diagnostics.dimension.intrinsic import Dimension
from isthmus.diagnostics.dimension.methods import MLE, Gride

MOST_CANDIDATES = 12
"""Numbers of coordinates that are trained: most of the time goes there."""

NOISE_FALLS = 0.8
"""Noise shows where the corrected estimate at the largest scale is below this share of the least's."""

STILL_FALLS = 0.85
"""Below this share of the estimate at the scale before, that of the largest scale has not settled."""

FALLS_A_LITTLE = 0.9
"""Below this share of the least scale's estimate that of the largest shows that noise may be counted."""

KEPT = 0.95
"""Share of the variance that words about PCA are of."""


@dataclass(frozen=True)
class Neighbours:
    """What nearest neighbours say, corrected for the edges of data.

    ``corrected`` goes from the estimate as it is corrected on Gaussian data to as on cubes. With noise
    it is that of the largest scale, where noise matters least; while that still falls from scale to
    scale, it is an upper bound (``settled`` is False). ``most`` is the largest number that so many rows
    and columns can show, ``at_scales`` the corrected estimates at the least and at the largest scale.
    """

    corrected: tuple[float, float]
    noisy: bool
    settled: bool
    most: int
    at_scales: tuple[float, float]

    @classmethod
    def of(
        cls,
        estimates: Mapping[str, Dimension],
        rows: Float[np.ndarray, "n D"],
    ) -> Neighbours:
        mle, gride = estimates["mle"], estimates["gride"]
        assert isinstance(mle.method, MLE)
        assert isinstance(gride.method, Gride)
        # What estimates are compared with is a table: the same for the same number of rows.
        references = References(len(rows), mle.method, gride.method, np.random.default_rng(0))
        near = [
            references.corrected(end, sampler, _of_mle)
            for end, sampler in zip((mle.low, mle.high), REFERENCES, strict=True)
        ]
        least, before, largest = (
            [
                references.corrected(gride.scales[at].estimate, sampler, partial(_of_gride, at=at))
                for sampler in REFERENCES
            ]
            for at in (0, -2, -1)
        )
        noisy = largest[1] < NOISE_FALLS * least[0]
        settled = not noisy or sum(largest) >= STILL_FALLS * sum(before)
        low, high = sorted(largest) if noisy else near
        # Principal components need more rows than there are of them.
        most = min(rows.shape[1], len(rows) // 2)
        return cls((low, high), noisy, settled, most, (least[0], largest[1]))

    @property
    def low(self) -> int:
        """Noise only adds dimensions: an estimate that still falls rules nothing out below."""
        return min(self.most, max(1, round(self.corrected[0]))) if self.settled else 1

    @property
    def high(self) -> int:
        return min(self.most, max(self.low, round(self.corrected[1])))

    @property
    def best(self) -> int:
        """In the middle of what is left open; with noise at the low end, which has the least of it."""
        low, high = self.corrected
        best = low if self.noisy else np.sqrt(low * high)
        return int(np.clip(round(float(best)), 1, self.high))

    def candidates(self) -> list[int]:
        """Those left open and two on either side, for a knee is seen from both."""
        first = 1 if self.noisy else max(1, self.low - 2)
        last = min(self.most, self.high + 2, first + MOST_CANDIDATES - 1)
        return list(range(first, last + 1))


def _of_mle(readings: Readings) -> float:
    return readings.mle


def _of_gride(readings: Readings, at: int) -> float:
    return readings.gride[at]


@dataclass(frozen=True)
class Verdict:
    """A number of dimensions, the range that it is in, whether the evidence agrees, and words.

    ``is_bound``: there may be any number of dimensions up to this one.
    """

    dimension: int
    low: int
    high: int
    is_bound: bool
    agrees: bool
    words: str


def answer(dimension: int, low: int, high: int, is_bound: bool) -> str:
    """A number of dimensions and its range, in a few characters."""
    if is_bound:
        return f"at most {high}"
    return f"{dimension}" if low == high else f"{dimension} ({low} to {high})"


def judge(neighbours: Neighbours, knee: int | None, pca: Dimension, pieces: int) -> Verdict:
    """Where neighbours have settled, they give the range, and the knee may decide in it.

    Where they have not, the knee gives it. The two agree only if the knee is in the range that is
    printed beside it.
    """
    low, high = neighbours.low, neighbours.high
    is_bound = False
    if neighbours.settled:
        agrees = knee is not None and low <= knee <= high
        dimension = knee if agrees and knee is not None else neighbours.best
    elif knee is not None and knee <= high:
        dimension, low, high, agrees = knee, knee, min(knee + 1, high), False
    else:
        dimension, agrees, is_bound = neighbours.best, False, True
    sentences = [_answer(dimension, low, high, is_bound)]
    sentences += _evidence(neighbours, knee, dimension, pca, pieces)
    return Verdict(dimension, low, high, is_bound, agrees, " ".join(sentences))


def _evidence(
    neighbours: Neighbours, knee: int | None, dimension: int, pca: Dimension, pieces: int
) -> Iterator[str]:
    low, high = neighbours.corrected
    said = f"{low:.1f} to {high:.1f}, corrected for the edges of data"
    if high > MOST_DIMENSIONS:
        said = f"more than {MOST_DIMENSIONS}, which so few rows cannot tell apart"
    if neighbours.settled:
        yield f"Nearest neighbours say {said}{_of_knee(neighbours, knee)}."
    else:
        yield _of_noise(neighbours, knee)
    at_least, at_largest = neighbours.at_scales
    if neighbours.noisy and neighbours.settled:
        yield (
            "Estimates fall from small scales to large ones: there is noise in the data, and raw "
            "estimates, which are of small scales, are too high."
        )
    elif neighbours.settled and at_largest < FALLS_A_LITTLE * at_least:
        yield (
            f"Estimates fall from {at_least:.1f} at small scales to {at_largest:.1f} at large ones: "
            "noise may be counted too, and the dimension without it may be less."
        )
    if knee is None and dimension > MOST_CANDIDATES:
        yield (
            "The data are not low-dimensional at this sample size: no small number of coordinates holds "
            "them, and what neighbours say of so many dimensions grows with the number of rows."
        )
    if dimension == neighbours.most < high - 0.5:
        yield f"No more than {neighbours.most} can be told from these rows and columns."
    if pieces > 1:
        yield (
            f"The rows are in {pieces} separate pieces: this is the dimension inside them, and the map "
            "has to place them too."
        )
    components = next(int(scale.estimate) for scale in pca.scales if scale.value == KEPT)
    if components > dimension:
        yield f"PCA needs {counted(components, 'component')} for {100 * KEPT:.0f} % of the variance."


def _answer(dimension: int, low: int, high: int, is_bound: bool) -> str:
    if is_bound:
        return "At most 1 dimension." if high == 1 else f"At most {high} dimensions."
    counted = "1 dimension" if dimension == 1 else f"{dimension} dimensions"
    return f"{counted}." if low == high else f"{counted}, from {low} to {high}."


def _of_knee(neighbours: Neighbours, knee: int | None) -> str:
    """What the knee adds to neighbours that have settled."""
    if knee is None:
        return (
            ". The error of denoisers has no clear knee at the numbers of coordinates that were tried, "
            "so that neighbours decide alone"
        )
    at = f"the error of denoisers has its knee at {knee}"
    if neighbours.low <= knee <= neighbours.high:
        return f", and {at}: they agree"
    if knee > neighbours.high:
        return (
            f", and {at}. The evidence disagrees, because the data close on themselves or wind a lot, "
            "and need more coordinates than dimensions, or because directions of small variance count "
            f"for denoisers and not for neighbours; {knee} is the number for an auto-encoder"
        )
    return (
        f", and {at} already. The evidence disagrees, because other directions are below the denoisers' "
        "noise, or because the first coordinates tell clusters apart; a smaller noise may tell which"
    )


def _of_noise(neighbours: Neighbours, knee: int | None) -> str:
    """What is to be said where noise hides the dimension from neighbours at all scales."""
    low, high = neighbours.corrected
    bound = (
        f"Nearest neighbours say {low:.1f} to {high:.1f} at most: their estimates fall from small "
        "scales to large ones and have not settled at the largest, so there is noise in the data, which "
        "only adds dimensions"
    )
    if knee is not None and knee <= neighbours.high:
        return f"{bound}. The error of denoisers, which see through it, has its knee at {knee}."
    return (
        f"{bound}. The error of denoisers has no knee below that, so the evidence gives an upper bound "
        "only: more rows, or less noise, would tell."
    )
