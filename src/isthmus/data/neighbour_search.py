"""The nearest of many rows: exactly where that is quick, beyond by an index whose recall is measured.

The index is the inverted file of faiss: rows are sorted into the cells of a k-means clustering, and a
row is compared with those of the cells nearest to it. Of pynndescent, usearch, hnswlib and faiss the
last was the quickest to load, to build and to search; it compiles nothing when first used, and gives the
same result with any number of threads.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Self

import numpy as np
from jaxtyping import Float, Int

from isthmus.data.neighbours import nearest

MOST_EXACT = 30_000
"""Rows up to which the search is exact. With 50 columns these take about five seconds of one core, and
an index two; the time grows with the square, to more than an hour for a million."""

SECONDS_OF_PAIR = 5e-9
"""Of the exact search, on one core, with 50 columns."""

PATIENCE = 60.0
"""Seconds up to which an exact search of many rows is done without a word."""

TREE_COLUMNS = 3
"""Columns up to which a tree finds nearest rows exactly in seconds, however many rows there are."""

WANTED_RECALL = 0.95
MOST_MEASURED = 1000
"""Rows, evenly spaced, whose nearest rows are looked up exactly too."""

FEWEST_CELLS = 8
"""Nearest cells whose rows a row is compared with, at first. Their number is doubled until enough is
found, up to an eighth of all cells, which takes about a quarter of the time of the exact search."""

ROWS_PER_CELL = 64
"""Rows that each centre of a cell is fitted to, at most."""

BLOCK_ROWS = 2**16


@dataclass(frozen=True)
class NearestRows:
    """The nearest rows of each row: ``distances`` (n, c), ascending, and ``numbers`` (n, c).

    ``recall`` is the share of the true nearest rows that are among them; 1.0 if the search was exact.
    """

    distances: Float[np.ndarray, "n c"]
    numbers: Int[np.ndarray, "n c"]
    recall: float


def nearest_among(
    rows: Float[np.ndarray, "n k"], among: Int[np.ndarray, " m"], count: int
) -> NearestRows:
    """The nearest rows of each row, among some of them; none is its own neighbour.

    An index that finds too few of them is used only where the exact search would take more than a
    minute. Warns if it is going to take so long for lack of faiss.
    """
    reference = rows[among]
    index, seconds = None, SECONDS_OF_PAIR * len(rows) * len(reference)
    if len(reference) > MOST_EXACT and rows.shape[1] > TREE_COLUMNS:
        if find_spec("faiss") is not None:
            index = CellIndex.of(reference, count)
            if index.recall < WANTED_RECALL and seconds <= PATIENCE:
                index = None
        elif seconds > PATIENCE:
            _warn_of_time(len(rows), seconds)
    distances, numbers = np.empty((len(rows), count)), np.empty((len(rows), count), np.int32)
    others = np.setdiff1d(np.arange(len(rows)), among)
    for part, queries in ((among, None), (others, rows[others])):
        if len(part):
            found = (
                nearest(reference, count, queries) if index is None else index.nearest(count, queries)
            )
            distances[part], numbers[part] = found[0], among[found[1]]
    return NearestRows(distances, numbers, 1.0 if index is None else index.recall)


def _warn_of_time(n: int, seconds: float) -> None:
    warnings.warn(
        f"The nearest rows of {n} rows are searched for exactly, which takes about "
        f"{seconds / 60:.0f} min of one core, and four times as long for twice as many. faiss finds "
        "nearly all of them in a small part of this time: pip install 'isthmus[neighbours]'",
        stacklevel=7,  # whoever called fit
    )


@dataclass(frozen=True)
class CellIndex:
    """Rows sorted into cells, so many of which are searched that the wanted recall is reached."""

    reference: Float[np.ndarray, "m k"]
    inverted_file: Any  # faiss documents its types, but its stubs leave them out
    recall: float

    @classmethod
    def of(cls, reference: Float[np.ndarray, "m k"], count: int) -> Self:
        """An index of these rows that suffices for so many neighbours of each."""
        import faiss  # optional

        m, k = reference.shape
        reference = np.ascontiguousarray(reference, np.float32)
        n_cells = round(2 * m**0.5)
        inverted_file = faiss.IndexIVFFlat(faiss.IndexFlatL2(k), k, n_cells)
        inverted_file.cp.max_points_per_centroid = ROWS_PER_CELL
        inverted_file.cp.min_points_per_centroid = 1  # fewer are no cause to write to the terminal
        inverted_file.train(reference)
        inverted_file.add(reference)
        chosen = np.arange(0, m, 1 + m // MOST_MEASURED)
        _, true = _without_itself(*nearest(reference, count + 1, reference[chosen]), chosen)
        index = cls(reference, inverted_file, 0.0)
        most = max(FEWEST_CELLS, n_cells // 8)
        inverted_file.nprobe = FEWEST_CELLS
        while True:
            _, found = index._search(count, chosen)
            recall = _recall(reference, chosen, true, found)
            if recall >= WANTED_RECALL or inverted_file.nprobe >= most:
                return cls(reference, inverted_file, recall)
            inverted_file.nprobe = min(2 * inverted_file.nprobe, most)

    def nearest(
        self, count: int, queries: Float[np.ndarray, "n k"] | None = None
    ) -> tuple[Float[np.ndarray, "n c"], Int[np.ndarray, "n c"]]:
        """As ``isthmus.data.neighbours.nearest``, among the rows of the cells that are searched."""
        n = len(self.reference if queries is None else queries)
        distances, numbers = np.empty((n, count), np.float32), np.empty((n, count), np.int32)
        for start in range(0, n, BLOCK_ROWS):
            block = slice(start, min(start + BLOCK_ROWS, n))
            if queries is None:
                found = self._search(count, np.arange(block.start, block.stop))
            else:
                found = self._complete(count, queries[block])
            distances[block], numbers[block] = found
        return distances, numbers

    def _search(
        self, count: int, chosen: Int[np.ndarray, " n"]
    ) -> tuple[Float[np.ndarray, "n c"], Int[np.ndarray, "n c"]]:
        """The nearest others of the chosen reference rows."""
        return _without_itself(*self._complete(count + 1, self.reference[chosen]), chosen)

    def _complete(
        self, count: int, queries: Float[np.ndarray, "n k"]
    ) -> tuple[Float[np.ndarray, "n c"], Int[np.ndarray, "n c"]]:
        """The nearest reference rows; exactly, where the cells searched hold too few."""
        squares, numbers = self.inverted_file.search(np.ascontiguousarray(queries, np.float32), count)
        few = np.flatnonzero((numbers < 0).any(axis=1))
        distances = np.sqrt(squares)
        if len(few):
            distances[few], numbers[few] = nearest(self.reference, count, queries[few])
        return distances, numbers


def _without_itself(
    distances: Float[np.ndarray, "n c1"], numbers: Int[np.ndarray, "n c1"], own: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "n c"], Int[np.ndarray, "n c"]]:
    """All but the row itself; all but the last, where copies of the row came in its place."""
    left_out = numbers == own[:, None]
    left_out[~left_out.any(axis=1), -1] = True
    shape = (len(own), numbers.shape[1] - 1)
    return distances[~left_out].reshape(shape), numbers[~left_out].reshape(shape)


def _recall(
    reference: Float[np.ndarray, "m k"],
    chosen: Int[np.ndarray, " n"],
    true: Int[np.ndarray, "n c"],
    found: Int[np.ndarray, "n c"],
) -> float:
    """Share of the rows found that are as near as the nearest ones; copies stand for one another."""
    true_distances, distances = (
        np.linalg.norm(reference[numbers] - reference[chosen][:, None], axis=2)
        for numbers in (true, found)
    )
    return float(np.mean(distances <= true_distances.max(axis=1, keepdims=True)))
