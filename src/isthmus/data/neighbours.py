"""The nearest rows of a row, where rows may have come more than once.

A row that is there twice has a neighbour at the distance zero, or nearly so where one copy was rounded.
That distance says nothing of how densely the data lie, so it counts in no average of distances.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from isthmus.data.rows import RowNumbers, View, dense, evenly_spaced

COPY = 1e-4
"""Largest distance of rounded copies, in units of that to the next other row.

Of rows from a density in d dimensions a share of COPYᵈ are so near by chance, one in ten thousand at
most."""

MOST_COPIES = 5
"""Rounded copies of a row that are looked for."""

PAIR_ELEMENTS = 2**22
"""Most numbers of the differences of pairs of rows that are in memory at a time."""

MOST_REFERENCES, MOST_QUERIES = 10_000, 1000
REFERENCE_ELEMENTS = 2**25
"""Rows, and numbers in them, among which nearest rows are searched for."""


def distinct(
    rows: Shaped[np.ndarray, "n D"],
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " n"]]:
    """Numbers of the first of equal rows, ascending; and where among these each row's copy stands.

    Rows are equal if they have the same numbers, or if one is nearer to the other than ``COPY`` of the
    distance to the next: then it is the same row, rounded.
    """
    first, inverse = _exactly_distinct(rows)
    if len(first) < 3:
        return first, inverse
    groups = _rounded_copies(np.asarray(rows[first], np.float64))
    kept, place = _in_order_of_appearance(groups)
    return first[kept], place[inverse]


def _exactly_distinct(
    rows: Shaped[np.ndarray, "n D"],
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " n"]]:
    # −0 and 0 are equal, and differ in their bytes.
    values = np.ascontiguousarray(rows + 0.0)
    # Equal rows have equal parities, and few others have.
    parities = np.bitwise_xor.reduce(values.view(f"u{values.itemsize}"), axis=1)
    _, group, counts = np.unique(parities, return_inverse=True, return_counts=True)
    doubtful = np.flatnonzero(counts[group] > 1)
    digests = [blake2b(row.tobytes(), digest_size=16).digest() for row in values[doubtful]]
    group[doubtful] = len(rows) + np.unique(digests, return_inverse=True)[1]
    return _in_order_of_appearance(group)


def _in_order_of_appearance(
    groups: Int[np.ndarray, " n"],
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " n"]]:
    """The first of each group, ascending; and where among these each one's group stands."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return first[order], place[inverse]


def _rounded_copies(rows: Float[np.ndarray, "n D"]) -> Int[np.ndarray, " n"]:
    """A number for each row, the same for copies of one another."""
    n = len(rows)
    distances, near = _nearest_others(rows, np.arange(n))
    counts = _n_copies(distances)
    copies = np.arange(near.shape[1]) < counts[:, None]
    starts = np.repeat(np.arange(n), counts)
    edges = coo_array((np.ones(len(starts)), (starts, near[copies])), shape=(n, n))
    groups: np.ndarray = connected_components(edges, directed=False)[1]
    return groups


def _nearest_others(
    rows: Float[np.ndarray, "n D"], chosen: Int[np.ndarray, " m"]
) -> tuple[Float[np.ndarray, "m k"], Int[np.ndarray, "m k"]]:
    """Distances from the chosen rows to the nearest others, ascending, and the numbers of these."""
    from sklearn.neighbors import NearestNeighbors  # loads half of scikit-learn

    k = min(MOST_COPIES + 1, len(rows) - 1)
    precision = np.float32 if rows.dtype == np.float32 else np.float64
    centred = np.asarray(rows - rows.mean(axis=0, dtype=np.float64), precision)
    found = (
        NearestNeighbors(n_neighbors=k + 1)
        .fit(centred)
        .kneighbors(centred[chosen], return_distance=False)
    )
    own = found == chosen[:, None]
    found[~own.any(axis=1), -1] = chosen[~own.any(axis=1)]  # a copy may come before the row itself
    # Products lose what differences keep.
    distances = np.linalg.norm(centred[found] - centred[chosen][:, None], axis=2)
    distances[found == chosen[:, None]] = -1.0
    order = np.argsort(distances, axis=1, kind="stable")[:, 1:]
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(found, order, axis=1)


def _n_copies(distances: Float[np.ndarray, "n k"]) -> Int[np.ndarray, " n"]:
    """How many of the nearest others of each row are copies of it; distances are ascending."""
    jumps = distances[:, :-1] <= COPY * distances[:, 1:]
    counts = np.where(jumps, np.arange(1, distances.shape[1]), 0)
    return np.asarray(counts.max(axis=1, initial=0))


def nearest(
    reference: Float[np.ndarray, "m k"], count: int, queries: Float[np.ndarray, "n k"] | None = None
) -> tuple[Float[np.ndarray, "n c"], Int[np.ndarray, "n c"]]:
    """Distances to the nearest reference rows, ascending, and their numbers; exact, in blocks.

    Without queries those of the reference rows themselves, none of which is its own neighbour.
    """
    from sklearn.neighbors import NearestNeighbors  # loads half of scikit-learn

    # Products of rows far from the origin lose what their differences keep.
    center = reference.mean(axis=0, dtype=np.float64)
    search = NearestNeighbors(n_neighbors=count).fit(np.asarray(reference - center, reference.dtype))
    if queries is not None:
        queries = np.asarray(queries - center, queries.dtype)
    found: tuple[np.ndarray, np.ndarray] = search.kneighbors(queries)
    return found


def share_in_common(
    one: Int[np.ndarray, "n k"], other: Int[np.ndarray, "n k"]
) -> Float[np.ndarray, " n"]:
    """Share of the k neighbours of each row that are among k others, by their numbers."""
    same = one[:, :, None] == other[:, None, :]
    return np.asarray(same.any(axis=2).mean(axis=1))


def distances_to(
    reference: Float[np.ndarray, "m D"],
    queries: Float[np.ndarray, "n D"],
    numbers: Int[np.ndarray, "n k"],
) -> Float[np.ndarray, "n k"]:
    """How far each query is from the reference rows of its numbers; equally far from copies of a row."""
    found = np.empty(numbers.shape, np.result_type(reference, queries))
    step = max(1, PAIR_ELEMENTS // max(1, numbers.shape[1] * reference.shape[1]))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        gap = reference[numbers[part]] - queries[part, None]
        found[part] = np.linalg.norm(gap, axis=2)
    return found


def share_as_near(
    nearest_ones: Float[np.ndarray, "n k"], found: Float[np.ndarray, "n k"]
) -> Float[np.ndarray, " n"]:
    """Share of the distances found that are within those of the nearest rows.

    Distances are compared and not numbers, because copies of a row stand for one another.
    """
    return np.asarray(np.mean(found <= nearest_ones.max(axis=1, keepdims=True), axis=1))


def typical_gap(rows: View, chosen: RowNumbers) -> float:
    """The median distance from a chosen row to the nearest other one; copies of it do not count.

    Of up to 1 000 rows, evenly spaced. They are looked up among up to 10 000 of those chosen. If there
    are more, the distance is brought to their number: nearest distances shrink as a power of the number
    of rows, which is measured on a quarter of those looked at.
    """
    most = min(MOST_REFERENCES, max(2, REFERENCE_ELEMENTS // rows.shape[1]))
    reference = dense(evenly_spaced(rows, most, chosen))
    reference = reference[_exactly_distinct(reference)[0]]
    if len(reference) < 2:
        return 0.0
    gap = _median_nearest(reference)
    if len(chosen) <= most or len(reference) < 8:
        return gap
    sparser = _median_nearest(reference[::4])
    if not gap > 0 or not sparser > 0:  # beside an extreme row single precision tells no others apart
        return gap
    power = min(0.0, np.log(gap / sparser) / np.log(4.0))
    return float(gap * (len(chosen) / most) ** power)


def _median_nearest(reference: Float[np.ndarray, "m D"]) -> float:
    """The median over up to 1 000 of the rows, which are all distinct but for rounded copies."""
    chosen = np.arange(0, len(reference), -(-len(reference) // MOST_QUERIES))
    distances, _ = _nearest_others(reference, chosen)
    apart = np.take_along_axis(distances, _n_copies(distances)[:, None], axis=1)
    return float(np.median(apart))
