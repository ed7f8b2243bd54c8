"""Nearest rows found by an index, against all distances, and what is said of the search."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from isthmus.data import neighbour_search
from isthmus.data.neighbour_search import nearest_among

RNG = np.random.default_rng(0)
SMOOTH = np.sin(RNG.uniform(size=(3000, 3)) @ (2 * RNG.standard_normal((3, 20)))).astype(np.float32)
NOISE = RNG.standard_normal((3000, 20)).astype(np.float32)


@pytest.fixture
def few_are_exact(monkeypatch):
    monkeypatch.setattr(neighbour_search, "MOST_EXACT", 100)
    monkeypatch.setattr(neighbour_search, "PATIENCE", 0.0)


def true_distances(rows, among, count):
    """From each row to the nearest others of those that are searched."""
    apart = cdist(rows.astype(np.float64), rows[among].astype(np.float64))
    apart[among, np.arange(len(among))] = np.inf
    return np.sort(apart, axis=1)[:, :count]


def check_lists(rows, among, found):
    """Each row has different neighbours, of those searched, at the distances told, ascending."""
    assert np.isin(found.numbers, among).all()
    assert (found.numbers != np.arange(len(rows))[:, None]).all()
    assert (np.diff(np.sort(found.numbers, axis=1), axis=1) > 0).all()
    apart = np.linalg.norm(rows[found.numbers] - rows[:, None], axis=2)
    np.testing.assert_allclose(found.distances, apart, rtol=1e-5, atol=1e-5)
    assert (np.diff(found.distances, axis=1) >= 0).all()


@pytest.mark.parametrize("rows", [SMOOTH, NOISE], ids=["smooth", "noise"])
def test_the_recall_that_is_told_is_the_share_of_the_true_neighbours(rows, few_are_exact):
    among = np.flatnonzero(np.arange(3000) % 20)
    found = nearest_among(rows, among, 15)
    check_lists(rows, among, found)
    true = true_distances(rows, among, 15)
    share = np.mean(found.distances <= true[:, -1:] * (1 + 1e-5))
    # Told from 1 000 of the rows, whose shares vary by 0.2 at most: a standard error of 0.006.
    assert found.recall == pytest.approx(share, abs=0.02)
    assert found.recall > (0.95 if rows is SMOOTH else 0.4)


def test_more_cells_are_searched_until_enough_is_found(few_are_exact, monkeypatch):
    recalls = []
    for wanted in (0.0, 0.99):
        monkeypatch.setattr(neighbour_search, "FEWEST_CELLS", 1)
        monkeypatch.setattr(neighbour_search, "WANTED_RECALL", wanted)
        recalls.append(nearest_among(SMOOTH, np.arange(3000), 15).recall)
    assert recalls[0] < 0.9 < 0.99 <= recalls[1]


def test_few_rows_and_few_columns_are_searched_exactly(few_are_exact):
    for rows in (NOISE[:100], NOISE[:, :3]):
        among = np.arange(len(rows))
        found = nearest_among(rows, among, 5)
        assert found.recall == 1.0
        np.testing.assert_allclose(found.distances, true_distances(rows, among, 5), atol=1e-5)


def test_a_row_with_more_copies_than_neighbours_has_its_copies(few_are_exact):
    rows = np.repeat(SMOOTH[:100], 30, axis=0)
    found = nearest_among(rows, np.arange(3000), 15)
    check_lists(rows, np.arange(3000), found)
    np.testing.assert_array_equal(found.distances, 0)
    assert found.recall == 1.0


def test_where_cells_hold_too_few_rows_the_search_is_exact(few_are_exact, monkeypatch):
    """A cell has one or few of 100 groups of six rows, and 15 neighbours are sought."""
    monkeypatch.setattr(neighbour_search, "FEWEST_CELLS", 1)
    monkeypatch.setattr(neighbour_search, "WANTED_RECALL", 0.0)
    rows = np.repeat(100 * NOISE[:100], 6, axis=0) + NOISE[:600]
    among = np.arange(600)
    index = neighbour_search.CellIndex.of(rows, 15)
    lacking = (index.inverted_file.search(rows, 16)[1] < 0).any(axis=1)
    assert lacking.any()
    found = nearest_among(rows, among, 15)
    check_lists(rows, among, found)
    true = true_distances(rows, among, 15)
    # Distances of hundreds, in single precision.
    np.testing.assert_allclose(found.distances[lacking], true[lacking], rtol=1e-4)


def test_the_number_of_threads_changes_nothing(few_are_exact):
    faiss = pytest.importorskip("faiss")
    before, found = faiss.omp_get_max_threads(), []
    try:
        for threads in (1, 3):
            faiss.omp_set_num_threads(threads)
            found.append(nearest_among(NOISE, np.arange(3000), 10))
    finally:
        faiss.omp_set_num_threads(before)
    np.testing.assert_array_equal(found[0].numbers, found[1].numbers)
    np.testing.assert_array_equal(found[0].distances, found[1].distances)


def test_where_the_index_finds_too_few_and_rows_are_not_many_the_search_is_exact(monkeypatch):
    monkeypatch.setattr(neighbour_search, "MOST_EXACT", 100)
    among = np.arange(3000)
    found = nearest_among(NOISE, among, 15)
    assert found.recall == 1.0
    np.testing.assert_allclose(found.distances, true_distances(NOISE, among, 15), rtol=1e-4)
