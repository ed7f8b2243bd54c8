"""One pass over pairs of rows, seen in two spaces at once: what it leaves is a few numbers per row.

Each row that is asked about, a query, is compared with all rows, so that a measure is a function of
means over queries, and has a standard error where the queries are a sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float, Int

from isthmus.diagnostics.quality.distances import Distances, largest_by_steps, over_blocks
from isthmus.diagnostics.quality.neighbourhoods import Surroundings, penalties

MOST_PAIRS = 2**21
"""Pairs whose distances are ranked together: all up to 2048 rows, and a draw of so many beyond."""

GROUPS = 20
"""Parts of the draw, whose scatter gives the standard error of its correlation."""

TIE_BITS = 16
"""Last bits, of 52, in which squared distances may differ and still be ties: 1.5e-11, relatively."""

ROUNDING = 1e-9
"""By how much, relatively, one squared distance differs from itself, computed in another block."""

FIRST_ROWS = 8
"""Rows that say roughly how long a unit of the map is, so that residuals are not differences of sums."""


Result = TypeVar("Result")


class RowSums(NamedTuple):
    """Of each of m queries, sums or means over the other rows."""

    ranks_in_data: Float[np.ndarray, "m 3 ks"]
    """Excess, relative error and share kept of the ranks in the data of the neighbours in the map."""
    ranks_in_map: Float[np.ndarray, "m 3 ks"]
    """The same of the ranks in the map of the neighbours in the data."""
    rank_of_nearest: Float[np.ndarray, "m 2"]
    """In the data of the nearest in the map, and in the map of the nearest in the data."""
    products: Float[np.ndarray, "m 4"]
    """Σ r², Σ r e, Σ e² and Σ d², with d in the data, e in the map, and r = d − guess · e."""
    densities: Float[np.ndarray, "m 2 S"]
    """Σ exp(−d²/(σ · largest d²)) in the data and in the map, the row itself included."""
    farthest: Float[np.ndarray, "m 2"]
    """The largest d² in the data and in the map."""
    pairs: Float[np.ndarray, "2 p"]
    """Squared distances in both spaces of the pairs to rank."""


@dataclass(frozen=True)
class AllPairs:
    """Every pair of n rows, once."""

    n: int

    def __len__(self) -> int:
        return self.n * (self.n - 1) // 2

    def others(self, position: int) -> slice:
        """The rows that a query is paired with."""
        return slice(position + 1, None)


@dataclass(frozen=True)
class DrawnPairs:
    """Each query with as many other rows."""

    drawn: Int[np.ndarray, "m draws"]

    def __len__(self) -> int:
        return self.drawn.size

    def others(self, position: int) -> Int[np.ndarray, " draws"]:
        """The rows that a query is paired with."""
        return np.asarray(self.drawn[position])


def draw_pairs(
    queries: Int[np.ndarray, " m"], n: int, rng: np.random.Generator
) -> AllPairs | DrawnPairs:
    """All pairs if all rows are queries; each query with some others, drawn, if that were too many."""
    m = len(queries)
    if m == n and n * (n - 1) // 2 <= MOST_PAIRS:
        return AllPairs(n)
    if m * (n - 1) <= MOST_PAIRS:
        others = np.tile(np.arange(n - 1, dtype=np.int32), (m, 1))
    else:
        others = rng.integers(n - 1, size=(m, max(GROUPS, MOST_PAIRS // m)), dtype=np.int32)
    others += others >= queries[:, None]  # any but the query itself
    return DrawnPairs(others)


@dataclass(frozen=True)
class Comparison:
    """Two spaces of the same n rows, and what to sum over their pairs."""

    data: Distances
    plane: Distances
    ks: Sequence[int]
    sigmas: Sequence[float]
    queries: Int[np.ndarray, " m"]
    pairs: AllPairs | DrawnPairs

    @property
    def n(self) -> int:
        """Rows in all."""
        return len(self.data.squares)

    def sums(self) -> tuple[RowSums, float]:
        """The sums of every query, and the guess of how long a unit of the map is in the data."""
        guess = self._guess()
        largest = np.array([largest_by_steps(self.data), largest_by_steps(self.plane)])
        blocks = self._over_blocks(lambda positions: self._sums_of_block(positions, guess, largest))
        sums = _joined(blocks)
        found = sums.farthest.max(axis=0)
        if np.any(found > largest * (1 + ROUNDING)):
            largest = np.maximum(found, largest)
            again = self._over_blocks(lambda positions: self._densities_of_block(positions, largest))
            sums = sums._replace(densities=np.concatenate(again))
        return sums, guess

    def _over_blocks(self, function: Callable[[Int[np.ndarray, " b"]], Result]) -> list[Result]:
        return over_blocks(function, len(self.queries), self.n)

    def _lines(
        self, positions: Int[np.ndarray, " b"]
    ) -> Iterator[tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]]:
        """Squared distances of each query in both spaces."""
        queries = self.queries[positions]
        return zip(self.data.squared(queries), self.plane.squared(queries), strict=True)

    def _guess(self) -> float:
        cross = in_map = 0.0
        for data, plane in self._lines(np.arange(min(FIRST_ROWS, len(self.queries)))):
            cross += float(np.sum(np.sqrt(data) * np.sqrt(plane)))
            in_map += float(np.sum(plane))
        return cross / in_map if in_map else 0.0

    def _sums_of_block(
        self, positions: Int[np.ndarray, " b"], guess: float, largest: Float[np.ndarray, " 2"]
    ) -> RowSums:
        b = len(positions)
        ranks = np.empty((2, b, max(self.ks)), np.int64)
        products, densities = np.empty((b, 4)), np.empty((b, 2, len(self.sigmas)))
        farthest, drawn = np.empty((b, 2)), []
        for row, (position, (data, plane)) in enumerate(
            zip(positions, self._lines(positions), strict=True)
        ):
            others = self.pairs.others(position)
            drawn.append(np.stack([data[others], plane[others]]))
            products[row] = _products(np.sqrt(data), np.sqrt(plane), guess)
            densities[row] = self._densities(data, plane, largest)
            farthest[row] = data.max(), plane.max()
            ranks[:, row] = self._ranks(int(self.queries[position]), data, plane)
        in_data, in_map = (np.stack(penalties(part, self.ks), axis=1) for part in ranks)
        nearest = ranks[:, :, 0].T.astype(np.float64)
        return RowSums(
            in_data, in_map, nearest, products, densities, farthest, np.concatenate(drawn, axis=1)
        )

    def _densities_of_block(
        self, positions: Int[np.ndarray, " b"], largest: Float[np.ndarray, " 2"]
    ) -> Float[np.ndarray, "b 2 S"]:
        return np.array([self._densities(*lines, largest) for lines in self._lines(positions)])

    def _densities(
        self,
        data: Float[np.ndarray, " n"],
        plane: Float[np.ndarray, " n"],
        largest: Float[np.ndarray, " 2"],
    ) -> list[list[float]]:
        found = []
        for line, most in zip((data, plane), largest, strict=True):
            # Rows that all coincide have no scale; their distances stay 0.
            rates = [-1.0 / (sigma * float(most or 1.0)) for sigma in self.sigmas]
            found.append([float(np.exp(line * rate).sum()) for rate in rates])
        return found

    def _ranks(
        self, query: int, in_data: Float[np.ndarray, " n"], in_map: Float[np.ndarray, " n"]
    ) -> tuple[Int[np.ndarray, " K"], Int[np.ndarray, " K"]]:
        """In the data of the neighbours in the map, and the other way round."""
        k = max(self.ks)
        data = Surroundings(self.data, query, in_data)
        plane = Surroundings(self.plane, query, in_map)
        near_in_data, near_in_map = data.nearest(k), plane.nearest(k)
        return data.ranks(near_in_map), plane.ranks(near_in_data)


def _joined(blocks: Sequence[RowSums]) -> RowSums:
    *of_rows, pairs = (list(parts) for parts in zip(*blocks, strict=True))
    return RowSums._make([*map(np.concatenate, of_rows), np.concatenate(pairs, axis=1)])


def _products(
    in_data: Float[np.ndarray, " n"], in_map: Float[np.ndarray, " n"], guess: float
) -> list[float]:
    gap = in_data - guess * in_map
    pairs = ((gap, gap), (gap, in_map), (in_map, in_map), (in_data, in_data))
    return [float(np.einsum("i,i->", left, right)) for left, right in pairs]


def estimate(
    measure: Callable[..., Float[np.ndarray, " ..."]], columns: Float[np.ndarray, "m c"], n: int
) -> tuple[float, float]:
    """A function of means over m queries, and its standard error if they are a sample of n rows.

    By the jackknife, leaving out one query at a time, corrected for drawing without replacement.
    """
    m = len(columns)
    mean = columns.mean(axis=0)
    value = float(measure(*mean))
    if m == n:
        return value, 0.0
    without = measure(*((m * mean - columns) / (m - 1)).T)
    variance = (m - 1) * np.var(without) * (1 - m / n)
    return value, float(np.sqrt(variance))


def rank_correlation(
    pairs: AllPairs | DrawnPairs, squared: Float[np.ndarray, "2 p"], n: int
) -> tuple[float, float]:
    """Spearman's correlation of distances in two spaces, and its standard error if pairs were drawn."""
    value = _spearman(squared)
    if isinstance(pairs, AllPairs):
        return value, 0.0
    table = squared.reshape(2, *pairs.drawn.shape)
    m = len(pairs.drawn)
    # With all rows as queries, chance is only in the draws; else it is mostly in the queries.
    parts = np.array_split(table, GROUPS, axis=2 if m == n else 1)
    scatter = np.std([_spearman(part.reshape(2, -1)) for part in parts], ddof=1) / np.sqrt(len(parts))
    return value, float(scatter * (1.0 if m == n else np.sqrt(1 - m / n)))


def _spearman(values: Float[np.ndarray, "2 p"]) -> float:
    ranks = [_midranks(line) for line in values]
    left, right = (line - line.mean() for line in ranks)
    sizes = float(left @ left), float(right @ right)
    if min(sizes) == 0:
        return float(max(sizes) == 0)  # one space orders the pairs, and the other does not
    return float(left @ right) / float(np.sqrt(sizes[0]) * np.sqrt(sizes[1]))


def _midranks(values: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
    """Places in order; values that are equal but for rounding have their mean place."""
    # As integers, the bits of numbers ≥ 0 are in the same order.
    rounded = (values.view(np.int64) + (1 << TIE_BITS - 1)) >> TIE_BITS
    order = np.argsort(rounded)
    line = rounded[order]
    starts = np.flatnonzero(np.concatenate([[True], line[1:] != line[:-1]]))
    counts = np.diff(starts, append=len(line))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(starts + (counts - 1) / 2, counts)
    return ranks
