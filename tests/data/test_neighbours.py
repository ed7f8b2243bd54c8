"""Distances between distinct rows, against brute force and against densities whose law is known."""

import numpy as np
import pytest

from isthmus.data.neighbours import COPY, distinct, typical_gap

RNG = np.random.default_rng(0)
CLOUD = RNG.standard_normal((200, 3))


def test_rows_that_differ_are_all_distinct():
    first, inverse = distinct(CLOUD)
    np.testing.assert_array_equal(first, np.arange(200))
    np.testing.assert_array_equal(inverse, np.arange(200))


@pytest.mark.parametrize(
    "rounded", [np.asarray, lambda rows: rows.astype(np.float32), lambda rows: np.round(rows, 7)]
)
def test_copies_and_rounded_copies_are_one_row(rounded):
    order = RNG.permutation(300)
    rows = np.concatenate([CLOUD, rounded(CLOUD[:60]), rounded(CLOUD[20:60])])[order]
    first, inverse = distinct(rows)
    assert len(first) == 200
    assert np.all(np.diff(first) > 0)
    original = np.concatenate([np.arange(200), np.arange(60), np.arange(20, 60)])[order]
    # Two rows are one exactly if they came from the same one.
    np.testing.assert_array_equal(inverse[:, None] == inverse, original[:, None] == original)
    np.testing.assert_allclose(rows[first][inverse], rows, atol=1e-6)


def test_far_from_the_origin_rows_are_not_taken_for_copies():
    rows = 1e9 + 100 * CLOUD
    assert len(distinct(rows)[0]) == 200


def test_clusters_are_no_copies():
    """Twenty rows within 1e-6 of one another have one another as neighbours at like distances."""
    rows = np.repeat(CLOUD[:10], 20, axis=0) + 1e-6 * CLOUD
    assert len(distinct(rows)[0]) == 200


def test_minus_zero_is_zero():
    first, inverse = distinct(np.array([[0.0, 1.0], [-0.0, 1.0], [3.0, 1.0]]))
    np.testing.assert_array_equal(first, [0, 2])
    np.testing.assert_array_equal(inverse, [0, 0, 1])


@pytest.mark.parametrize("copies", [1, 3])
def test_the_typical_gap_is_the_median_distance_to_the_nearest_other(copies):
    rows = np.repeat(CLOUD, copies, axis=0).astype(np.float32)
    apart = np.linalg.norm(CLOUD[:, None] - CLOUD, axis=2) + np.diag(np.full(200, np.inf))
    gap = typical_gap(rows, np.arange(len(rows)))
    assert gap == pytest.approx(np.median(apart.min(axis=1)), rel=1e-5)


def test_rows_that_are_all_equal_have_no_gap():
    assert typical_gap(np.ones((50, 3), np.float32), np.arange(50)) == 0.0


def test_rows_that_an_extreme_one_makes_all_alike_have_no_gap():
    """Beside 1e13 single precision tells standard normal numbers from one another no more."""
    rows = RNG.standard_normal((12_000, 3)).astype(np.float32)
    rows[0] = 1e13
    assert typical_gap(rows, np.arange(len(rows))) == 0.0


@pytest.mark.parametrize("d", [1, 2, 4])
def test_beyond_ten_thousand_rows_the_gap_goes_on_shrinking(d):
    """n rows in the unit cube lie a distance of order n^(−1/d) apart."""
    few = RNG.random((10_000, d)).astype(np.float32)
    many = RNG.random((160_000, d)).astype(np.float32)
    gaps = [typical_gap(rows, np.arange(len(rows))) for rows in (few, many)]
    # The exponent is measured on 1 000 distances, a median with 3 % of error each in log r^d.
    assert gaps[1] / gaps[0] == pytest.approx(16 ** (-1 / d), rel=0.25)


def test_of_rows_in_one_dimension_hardly_any_are_taken_for_copies():
    """A share of COPY has so near a neighbour by chance: one of ten thousand rows."""
    n = 20_000
    left_out = n - len(distinct(RNG.random((n, 1)))[0])
    assert left_out < 4 * 5 * COPY * n
