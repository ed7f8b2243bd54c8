"""The sums of ``pairs`` over the blocks of Dask collections, made where they are computed.

Queries, and what is known of their neighbours, go to every block. A first pass finds the neighbours of
each query, a second their ranks; only numbers of each query come back. Distances come from differences,
which are the same in both passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.distance import cdist

from isthmus.data.checks import check_coordinates
from isthmus.data.finite import check_finite
from isthmus.data.rows import dense
from isthmus.data.scaling import Scaling
from isthmus.data.stored.dask import DaskStore, is_dask, is_frame
from isthmus.data.stored.scanning import scan
from isthmus.data.wording import counted
from isthmus.diagnostics.quality.distances import MOST_STEPS
from isthmus.diagnostics.quality.neighbourhoods import penalties
from isthmus.diagnostics.quality.pairs import FIRST_ROWS, DrawnPairs, RowSums

TILE_ELEMENTS = 2**21
"""Distances in memory at a time: 16 MiB."""

FARTHEST = 16
"""Rows from which the largest distance is searched for."""


def computed_or_aligned(X: Any, Z: Any, most: int) -> tuple[Any, Any]:
    """At most so many rows in memory; of more, stored rows, and coordinates in blocks of the same rows.

    One of both is a collection of Dask. Raises ValueError where the blocks of Z are not those of X.
    """
    if not is_dask(X):
        return X, Z.compute()
    rows = scan(X)
    if len(rows) <= most:
        return X.compute(), Z.compute() if is_dask(Z) else Z
    store = rows.store
    assert isinstance(store, DaskStore)
    return rows, _aligned(Z, store, len(rows))


def _aligned(Z: Any, store: DaskStore, n: int) -> Any:
    if not is_dask(Z):
        from dask.array import asarray

        Z = asarray(np.asarray(Z))  # type: ignore[no-untyped-call]
    known = None if is_frame(Z) or np.isnan(Z.shape[0]) else int(Z.shape[0])
    if known is not None and known != n:
        raise ValueError(
            f"X has {counted(n, 'row')} and Z has {known}: expected the map of each row of X, in the "
            "same order. Pass the rows that Z was computed from"
        )
    if known is not None:
        return Z.rechunk((store.sizes, -1))
    n_blocks = Z.npartitions if is_frame(Z) else Z.numblocks[0]
    if n_blocks != len(store.sizes):
        raise ValueError(
            f"X has {counted(len(store.sizes), 'block')} and Z has {n_blocks}, of unknown numbers of "
            "rows: pass model.transform(X), or Z.compute_chunk_sizes()"
        )
    return Z if is_frame(Z) else Z.rechunk({1: -1})


class Spaces(NamedTuple):
    """Some rows: their numbers, ascending or of the queries, in the data and in the map."""

    numbers: Int[np.ndarray, " m"]
    data: Float[np.ndarray, "m D"]
    plane: Float[np.ndarray, "m d"]


class Near(NamedTuple):
    """Of each query, the nearest rows of one space, nearest first."""

    own: Float[np.ndarray, "m k"]
    """Squared distances there, infinite where there are fewer rows."""
    numbers: Int[np.ndarray, "m k"]
    other: Float[np.ndarray, "m k"]
    """Squared distances in the other space."""

    def merge(self, other: Near) -> Near:
        """The nearest of both."""
        k = self.own.shape[1]
        own, numbers, others = (np.concatenate(pair, axis=1) for pair in zip(self, other, strict=True))
        order = np.lexsort((numbers, own), axis=1)[:, :k]
        return Near(*(np.take_along_axis(each, order, axis=1) for each in (own, numbers, others)))


@dataclass(frozen=True)
class First:
    """What the first pass finds: neighbours in both spaces, products, and distances of drawn pairs."""

    near: tuple[Near, Near]
    products: Float[np.ndarray, "m 4"]
    farthest: tuple[Far, Far]
    places: Int[np.ndarray, " p"]
    pairs: Float[np.ndarray, "2 p"]

    def merge(self, other: First) -> First:
        return First(
            (self.near[0].merge(other.near[0]), self.near[1].merge(other.near[1])),
            self.products + other.products,
            (self.farthest[0].merge(other.farthest[0]), self.farthest[1].merge(other.farthest[1])),
            np.concatenate([self.places, other.places]),
            np.concatenate([self.pairs, other.pairs], axis=1),
        )


class Far(NamedTuple):
    """The row of one space that is farthest from each of some, and its squared distance."""

    squared: Float[np.ndarray, " m"]
    rows: Float[np.ndarray, "m width"]

    def merge(self, other: Far) -> Far:
        farther = other.squared > self.squared
        return Far(
            np.where(farther, other.squared, self.squared),
            np.where(farther[:, None], other.rows, self.rows),
        )


@dataclass(frozen=True)
class Second:
    """What the second pass finds: how many rows are nearer than each neighbour, and densities."""

    nearer: Int[np.ndarray, "2 m k"]
    densities: Float[np.ndarray, "m 2 S"]

    def merge(self, other: Second) -> Second:
        return Second(self.nearer + other.nearer, self.densities + other.densities)


@dataclass(frozen=True)
class Asked:
    """What every part needs to know: the first pass ``drawn``, the second ``near`` and ``rates``."""

    queries: Spaces
    k: int
    guess: float = 0.0
    drawn: Int[np.ndarray, "m draws"] | None = None
    near: tuple[Near, Near] | None = None
    rates: Float[np.ndarray, "2 S"] | None = None


@dataclass(frozen=True)
class Parts:
    """Rows (n, D) of a store and their coordinates (n, d), blocks of which belong together."""

    store: DaskStore
    Z: Any  # an array or a data frame of Dask
    scaling: Scaling | None

    def sums(
        self,
        ks: Sequence[int],
        sigmas: Sequence[float],
        queries: Int[np.ndarray, " m"],
        pairs: DrawnPairs,
    ) -> tuple[RowSums, float]:
        """As ``Comparison.sums``, in the units of the rows."""
        chosen = self._taken(queries)
        guess = _guess(chosen)
        asked = Asked(chosen, max(ks), guess, pairs.drawn)
        first: First = self._reduced(_first, First.merge, asked)
        largest = np.array([self._largest(far, space) for space, far in enumerate(first.farthest)])
        rates = -1.0 / (np.array(sigmas) * np.where(largest > 0, largest, 1.0)[:, None])
        asked = replace(asked, drawn=None, near=first.near, rates=rates)
        second: Second = self._reduced(_second, Second.merge, asked)
        ranks = second.nearer + 1
        in_data, in_map = (np.stack(penalties(part, ks), axis=1) for part in ranks)
        squared = np.empty((2, pairs.drawn.size))
        squared[:, first.places] = first.pairs
        return RowSums(
            in_data,
            in_map,
            ranks[:, :, 0].T.astype(np.float64),
            first.products,
            second.densities,
            np.stack([far.squared for far in first.farthest], axis=1),
            squared,
        ), guess

    def _taken(self, numbers: Int[np.ndarray, " m"]) -> Spaces:
        """These rows, in this order."""
        order = np.argsort(numbers)
        found: Spaces = self._reduced(_take, _joined, numbers[order])
        back = np.argsort(order)
        return Spaces(*(each[back] for each in found))

    def _largest(self, far: Far, space: int) -> float:
        """The largest squared distance in nearly all cases, and never more than it."""
        best = -1.0
        for _ in range(MOST_STEPS):
            largest = float(far.squared.max())
            if largest <= best:
                break
            best = largest
            order = np.argsort(-far.squared, kind="stable")
            some = np.unique(far.rows[order[:FARTHEST]], axis=0)
            far = self._reduced(_farthest_of, Far.merge, (some, space))
        return best

    def _reduced(self, function: Callable[..., Any], merge: Callable[..., Any], asked: Any) -> Any:
        return self.store.reduce_parts(
            [_OfPart(function, int(start), self.scaling) for start in self.store.part_starts[:-1]],
            merge,
            beside=self.Z,
            shared=asked,
        )


@dataclass(frozen=True)
class _OfPart:
    """A function of the rows of one part, from ``start`` on, in both spaces, and of what is asked."""

    function: Callable[[Spaces, Any], Any]
    start: int
    scaling: Scaling | None

    def __call__(self, rows: Any, place: Callable[[int], str], Z: Any, asked: Any) -> Any:
        coordinates = np.asarray(check_coordinates(Z, int(Z.shape[1])), np.float64)
        if len(coordinates) != rows.shape[0]:
            raise ValueError(
                f"Z has {counted(len(coordinates), 'row')} where X has {rows.shape[0]} (from {place(0)} "
                "on): expected blocks of the same rows, such as those of model.transform(X)"
            )
        check_finite(rows, lambda row, column: f"column {column} in {place(row)}")
        data = dense(rows).astype(np.float64)
        data = data if self.scaling is None else self.scaling(data, np.float64)
        numbers = np.arange(self.start, self.start + len(data))
        return self.function(Spaces(numbers, data, coordinates), asked)


def _take(part: Spaces, numbers: Int[np.ndarray, " m"]) -> Spaces:
    low, high = np.searchsorted(numbers, [part.numbers[0], part.numbers[-1] + 1])
    places = numbers[low:high] - part.numbers[0]
    return Spaces(*(each[places] for each in part))


def _joined(one: Spaces, other: Spaces) -> Spaces:
    return Spaces(*(np.concatenate(pair) for pair in zip(one, other, strict=True)))


def _guess(chosen: Spaces) -> float:
    """Roughly how long a unit of the map is, so that residuals are no differences of sums."""
    data, plane = (cdist(rows[:FIRST_ROWS], rows) for rows in (chosen.data, chosen.plane))
    in_map = float(np.sum(np.square(plane)))
    return float(np.sum(data * plane)) / in_map if in_map else 0.0


def _tiles(
    part: Spaces, queries: Spaces
) -> Iterator[tuple[Spaces, Float[np.ndarray, "m t"], Float[np.ndarray, "m t"]]]:
    """Some rows, and squared distances of the queries to them in both spaces."""
    m = len(queries.numbers)
    step = max(1, TILE_ELEMENTS // m)
    for start in range(0, len(part.numbers), step):
        tile = Spaces(*(each[start : start + step] for each in part))
        yield (
            tile,
            cdist(queries.data, tile.data, "sqeuclidean"),
            cdist(queries.plane, tile.plane, "sqeuclidean"),
        )


def _without_itself(
    squared: Float[np.ndarray, "m t"], queries: Spaces, tile: Spaces
) -> Float[np.ndarray, "m t"]:
    """The same, and infinite of a row to itself."""
    return np.where(queries.numbers[:, None] == tile.numbers, np.inf, squared)


def _first(part: Spaces, asked: Asked) -> First:
    found = [
        _first_of_tile(tile, data, plane, asked) for tile, data, plane in _tiles(part, asked.queries)
    ]
    result = found[0]
    for other in found[1:]:
        result = result.merge(other)
    return result


def _first_of_tile(
    tile: Spaces, data: Float[np.ndarray, "m t"], plane: Float[np.ndarray, "m t"], asked: Asked
) -> First:
    e = np.sqrt(plane)
    d = np.sqrt(data)
    gap = d - asked.guess * e
    products = [np.einsum("ij,ij->i", *both) for both in ((gap, gap), (gap, e), (e, e), (d, d))]
    drawn = asked.drawn
    assert drawn is not None
    row, column = np.nonzero((drawn >= tile.numbers[0]) & (drawn <= tile.numbers[-1]))
    at = drawn[row, column] - tile.numbers[0]
    far_data, far_plane = (_without_itself(each, asked.queries, tile) for each in (data, plane))
    return First(
        (_nearest(far_data, far_plane, tile, asked.k), _nearest(far_plane, far_data, tile, asked.k)),
        np.stack(products, axis=1),
        (_far(data, tile.data), _far(plane, tile.plane)),
        row * drawn.shape[1] + column,
        np.stack([data[row, at], plane[row, at]]),
    )


def _nearest(
    own: Float[np.ndarray, "m t"], other: Float[np.ndarray, "m t"], tile: Spaces, k: int
) -> Near:
    m, t = own.shape
    most = min(k, t)
    farthest = np.partition(own, most - 1, axis=1)[:, most - 1]
    order = np.empty((m, most), np.int64)
    for query, line in enumerate(own):
        near = np.flatnonzero(line <= farthest[query])
        order[query] = near[np.argsort(line[near], kind="stable")][:most]
    found = Near(
        np.take_along_axis(own, order, axis=1),
        tile.numbers[order],
        np.take_along_axis(other, order, axis=1),
    )
    short = k - most
    if not short:
        return found
    far, none = np.full((m, short), np.inf), np.full((m, short), np.iinfo(np.int64).max)
    return Near(*(np.concatenate(pair, axis=1) for pair in zip(found, (far, none, far), strict=True)))


def _far(squared: Float[np.ndarray, "m t"], rows: Float[np.ndarray, "t width"]) -> Far:
    return Far(squared.max(axis=1), rows[np.argmax(squared, axis=1)])


def _farthest_of(part: Spaces, asked: tuple[Float[np.ndarray, "m width"], int]) -> Far:
    some, space = asked
    rows = part[1 + space]
    step = max(1, TILE_ELEMENTS // len(some))
    tiles = [rows[start : start + step] for start in range(0, len(rows), step)]
    result, *others = [_far(cdist(some, tile, "sqeuclidean"), tile) for tile in tiles]
    for other in others:
        result = result.merge(other)
    return result


def _second(part: Spaces, asked: Asked) -> Second:
    assert asked.near is not None
    assert asked.rates is not None
    m, k = asked.near[0].own.shape
    nearer = np.zeros((2, m, k), np.int64)
    densities = np.zeros((m, 2, asked.rates.shape[1]))
    for tile, *both in _tiles(part, asked.queries):
        for space, squared in enumerate(both):
            for index, rate in enumerate(asked.rates[space]):
                densities[:, space, index] += np.exp(squared * rate).sum(axis=1)
            # Neighbours of the other space are ranked in this one.
            near = asked.near[1 - space]
            apart = _without_itself(squared, asked.queries, tile)
            for query, line in enumerate(apart):
                nearer[space, query] += _nearer(
                    line, tile.numbers, near.other[query], near.numbers[query]
                )
    return Second(nearer, densities)


def _nearer(
    line: Float[np.ndarray, " t"],
    numbers: Int[np.ndarray, " t"],
    values: Float[np.ndarray, " k"],
    of: Int[np.ndarray, " k"],
) -> Int[np.ndarray, " k"]:
    """How many rows are nearer than each of k rows; of those as near, the ones with a lower number."""
    ordered = np.sort(line[line <= values.max()])
    count = np.searchsorted(ordered, values, "left")
    ties = np.searchsorted(ordered, values, "right") > count
    for place in np.flatnonzero(ties):
        count[place] += np.count_nonzero((line == values[place]) & (numbers < of[place]))
    return np.asarray(count)
