"""How faithful a map is: each measure against its definition, and where its value is known."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from scipy.spatial.distance import cdist
from scipy.stats import ortho_group, spearmanr
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness

import isthmus
from isthmus.diagnostics.quality import distances, pairs
from isthmus.diagnostics.quality.distances import distances_between, largest_by_steps
from isthmus.diagnostics.quality.neighbourhoods import Surroundings

MEASURES = (
    *("trustworthiness", "continuity", "rank_error_in_data", "rank_error_in_map", "overlap"),
    *("imbalance_to_map", "imbalance_to_data", "spearman", "stress", "rmse", "scale", "density_kl"),
)
OF_RANKS = MEASURES[:7]
DIGITS = load_digits().data


def curved(n, D=12, seed=0):
    """A curved surface in D columns, and an imperfect map of it."""
    rng = np.random.default_rng(seed)
    plane = rng.standard_normal((n, 2))
    X = np.tanh(plane @ rng.standard_normal((2, D))) + 0.1 * rng.standard_normal((n, D))
    return X, plane * [1.0, 0.4] + 0.2 * rng.standard_normal((n, 2))


# Definitions, written out.


def distance_matrix(rows):
    return np.array([[np.sqrt(np.sum((x - y) ** 2)) for y in rows] for x in np.asarray(rows, float)])


def rank_matrix(matrix):
    """rank[i, j]: place of j among the rows other than i; equal distances by row number; 0 for i."""
    n = len(matrix)
    ranks = np.zeros((n, n), int)
    for i in range(n):
        order = sorted((j for j in range(n) if j != i), key=lambda j: (matrix[i, j], j))
        ranks[i, order] = np.arange(1, n)
    return ranks


def slow_trustworthiness(in_data, in_map, k):
    n = len(in_data)
    cost = sum(
        in_data[i, j] - k
        for i in range(n)
        for j in range(n)
        if 1 <= in_map[i, j] <= k and in_data[i, j] > k
    )
    # The largest cost: the k farthest rows, of n − 1, are the neighbours.
    worst = n * sum(max(0, rank - k) for rank in range(n - k, n))
    return 1 - cost / worst if worst else 1.0


def slow_rank_error(in_one, in_other, k):
    """Of the neighbours in one space."""
    n = len(in_one)
    total = sum(
        abs(in_one[i, j] - in_other[i, j]) / in_one[i, j]
        for i in range(n)
        for j in range(n)
        if 1 <= in_one[i, j] <= k
    )
    return total / (n * sum(abs(n - 2 * j + 1) / j for j in range(1, k + 1)))


def slow_imbalance(of, to):
    n = len(of)
    return 2 / n**2 * sum(to[i, j] for i in range(n) for j in range(n) if of[i, j] == 1)


def slow_density_kl(in_data, in_map, sigma):
    p, q = (
        np.sum(np.exp(-((matrix / (matrix.max() or 1.0)) ** 2) / sigma), axis=1)
        for matrix in (in_data, in_map)
    )
    p, q = p / p.sum(), q / q.sum()
    return np.sum(p * np.log(p / q))


def slow_quality(X, Z, ks, sigmas=(0.01, 0.1, 1.0)):
    d, e = distance_matrix(X), distance_matrix(Z)
    in_data, in_map = rank_matrix(d), rank_matrix(e)
    upper = np.triu_indices(len(d), 1)
    scale = np.sum(d * e) / np.sum(e * e)
    gap = (d - scale * e)[upper]
    return {
        "trustworthiness": [slow_trustworthiness(in_data, in_map, k) for k in ks],
        "continuity": [slow_trustworthiness(in_map, in_data, k) for k in ks],
        "rank_error_in_data": [slow_rank_error(in_map, in_data, k) for k in ks],
        "rank_error_in_map": [slow_rank_error(in_data, in_map, k) for k in ks],
        "overlap": [
            np.mean(
                [np.sum((a <= k) & (b <= k) & (a > 0)) / k for a, b in zip(in_data, in_map, strict=True)]
            )
            for k in ks
        ],
        "imbalance_to_map": slow_imbalance(in_data, in_map),
        "imbalance_to_data": slow_imbalance(in_map, in_data),
        "spearman": spearmanr(d[upper], e[upper]).statistic,
        "stress": np.sqrt(np.sum(gap**2) / np.sum(d[upper] ** 2)),
        "rmse": np.sqrt(np.mean(gap**2)),
        "scale": scale,
        "density_kl": [slow_density_kl(d, e, sigma) for sigma in sigmas],
    }


@pytest.mark.parametrize("D", [3, 8, 9, 30])
def test_every_measure_is_its_definition(D):
    X, Z = curved(61, D)
    ks = (1, 2, 7, 30, 31, 45, 59, 60)
    found, slow = isthmus.quality(X, Z, k=ks), slow_quality(X, Z, ks)
    for measure in MEASURES:
        np.testing.assert_allclose(getattr(found, measure), slow[measure], rtol=1e-8, err_msg=measure)


def test_a_map_of_more_columns_than_differences_are_taken_of():
    X, _ = curved(50, 20)
    Z = X[:, :12] ** 3
    found, slow = isthmus.quality(X, Z, k=(5,)), slow_quality(X, Z, (5,))
    for measure in MEASURES:
        np.testing.assert_allclose(getattr(found, measure), slow[measure], rtol=1e-8, err_msg=measure)


@pytest.mark.parametrize("step", [1.0, 0.1])
def test_equal_distances_stand_by_row_number(step):
    # Few values: hundreds of equal distances, and copies of rows. Tenths are no binary fractions.
    rng = np.random.default_rng(0)
    X, Z = rng.integers(0, 2, (60, 12)) * step, rng.integers(0, 3, (60, 2)) * step
    X[30:40] = X[:10]
    found, slow = isthmus.quality(X, Z, k=(1, 5, 20)), slow_quality(X, Z, (1, 5, 20))
    for measure in OF_RANKS:
        np.testing.assert_allclose(getattr(found, measure), slow[measure], rtol=1e-12, err_msg=measure)


def test_ties_of_distances_have_their_mean_rank():
    rng = np.random.default_rng(0)
    X, Z = rng.integers(0, 2, (60, 12)), rng.integers(0, 3, (60, 2))
    upper = np.triu_indices(60, 1)
    exact = spearmanr(cdist(X, X)[upper], cdist(Z, Z)[upper]).statistic
    assert isthmus.quality(X, Z).spearman == pytest.approx(exact, abs=1e-12)
    # Tenths, and columns turned, so that equal distances differ by rounding.
    turned = 0.1 * X @ ortho_group.rvs(12, random_state=0)
    assert isthmus.quality(turned, 0.1 * Z).spearman == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("k", [1, 5, 40, 149])
def test_trustworthiness_equals_scikit_learns(k):
    X, Z = curved(300, 20)
    found = isthmus.quality(X, Z, k=k)
    assert found.trustworthiness == pytest.approx(trustworthiness(X, Z, n_neighbors=k), abs=1e-12)
    assert found.continuity == pytest.approx(trustworthiness(Z, X, n_neighbors=k), abs=1e-12)


def test_the_map_of_a_map_is_seen_from_the_other_side():
    X, Z = curved(200)
    there, back = isthmus.quality(X, Z), isthmus.quality(Z, X)
    assert there.continuity == back.trustworthiness
    assert there.rank_error_in_map == back.rank_error_in_data
    assert there.imbalance_to_map == back.imbalance_to_data
    assert there.overlap == back.overlap
    for measure in ("spearman", "stress"):
        assert getattr(there, measure) == pytest.approx(getattr(back, measure), abs=1e-12)


def test_several_k_are_each_alone():
    X, Z = curved(120)
    together = isthmus.quality(X, Z, k=(20, 3, 3))
    for index, k in enumerate((20, 3, 3)):
        alone = isthmus.quality(X, Z, k=k)
        for measure in MEASURES[:5]:
            assert getattr(together, measure)[index] == getattr(alone, measure)


@pytest.mark.parametrize("D", [4, 40])
def test_a_perfect_map(D):
    X, _ = curved(150, D)
    turned = 3.0 * X @ ortho_group.rvs(D, random_state=0) + 100.0
    for Z in (X, turned):
        found = isthmus.quality(X, Z, k=(1, 10, 149))
        for measure in ("trustworthiness", "continuity", "overlap"):
            np.testing.assert_array_equal(getattr(found, measure), 1.0)
        for measure in ("rank_error_in_data", "rank_error_in_map"):
            np.testing.assert_array_equal(getattr(found, measure), 0.0)
        assert found.imbalance_to_map == found.imbalance_to_data == pytest.approx(2 / 150)
        assert found.spearman == pytest.approx(1.0, abs=1e-12)
        # Rounding of single distances, not its square root.
        np.testing.assert_allclose([found.stress, found.rmse, *found.density_kl], 0.0, atol=1e-12)
    assert found.scale == pytest.approx(1 / 3)


def test_turning_shifting_and_scaling_the_map_leaves_every_measure_but_the_scale():
    X, Z = curved(150)
    moved = -7.0 * Z @ ortho_group.rvs(2, random_state=1) + [1000.0, -3.0]
    one, other = isthmus.quality(X, Z), isthmus.quality(X, moved)
    for measure in MEASURES:
        ratio = 1 / 7 if measure == "scale" else 1.0
        np.testing.assert_allclose(getattr(other, measure), ratio * getattr(one, measure), rtol=1e-9)


@pytest.mark.parametrize("factor", [1e-300, 1e-20, 1e30])
def test_units_of_the_data_do_not_matter(factor):
    X, Z = curved(80)
    one, other = isthmus.quality(X, Z), isthmus.quality(factor * X, Z)
    for measure in MEASURES:
        ratio = factor if measure in ("rmse", "scale") else 1.0
        np.testing.assert_allclose(getattr(other, measure), ratio * getattr(one, measure), rtol=1e-9)


def test_a_random_map_is_at_chance():
    rng = np.random.default_rng(0)
    n, k = 1500, 15
    found = isthmus.quality(rng.standard_normal((n, 5)), rng.standard_normal((n, 2)), k=k)
    # Means over n rows of ranks that are uniform, or of hypergeometric counts; 4 standard errors.
    for imbalance in (found.imbalance_to_map, found.imbalance_to_data):
        assert imbalance == pytest.approx(1.0, abs=4 / np.sqrt(3 * n))
    chance = k / (n - 1)
    assert found.overlap == pytest.approx(chance, abs=4 * np.sqrt(chance / (k * n)))
    for trust in (found.trustworthiness, found.continuity):
        assert trust == pytest.approx(0.5, abs=0.01)
    assert found.spearman == pytest.approx(0.0, abs=0.02)


def test_close_rows_far_from_the_others_and_from_zero():
    # ‖x‖² + ‖y‖² − 2 x·y would leave nothing of the distances inside a cluster.
    rng = np.random.default_rng(0)
    inside, Z = rng.standard_normal((60, 20)), rng.standard_normal((60, 2))
    X = 1e-9 * inside + np.repeat([[1.0], [-1.0]], 30, axis=0)
    found = isthmus.quality(X, X[:, :20] * 2.0, k=10)
    assert found.trustworthiness == found.continuity == 1.0
    found, slow = isthmus.quality(X, Z, k=(10,)), slow_quality(X, Z, (10,))
    # Distances between the clusters are equal to nine digits, and in part ties for spearman.
    for measure in set(MEASURES) - {"spearman"}:
        np.testing.assert_allclose(getattr(found, measure), slow[measure], rtol=1e-7, err_msg=measure)


@pytest.mark.parametrize("block", [1, 7, 64])
def test_blocks_of_any_size_give_the_same(block, monkeypatch):
    X, Z = curved(150, 30)
    X[100:110] = X[:10]
    for rows in (X, X[:, :5], np.round(8 * X)):
        whole = isthmus.quality(rows, Z, k=(5, 60))
        with monkeypatch.context() as patch:
            patch.setattr(distances, "FEWEST_ROWS", 1)
            patch.setattr(distances, "MOST_ROWS", block)
            parts = isthmus.quality(rows, Z, k=(5, 60))
        exact = rows is not X
        for measure in MEASURES:
            one, other = getattr(whole, measure), getattr(parts, measure)
            if exact or measure in OF_RANKS:
                np.testing.assert_array_equal(one, other)
            else:
                # A matrix product of another shape rounds otherwise.
                np.testing.assert_allclose(one, other, rtol=1e-13)


@pytest.mark.parametrize("limit", ["KEPT_ELEMENTS", "TILE_ELEMENTS"])
def test_a_table_too_large_to_keep_is_read_tile_by_tile(limit, monkeypatch):
    X, Z = curved(100, 30)
    whole = isthmus.quality(X, Z)
    monkeypatch.setattr(distances, "KEPT_ELEMENTS", 100)
    if limit == "TILE_ELEMENTS":
        monkeypatch.setattr(distances, "TILE_ELEMENTS", 33 * 30)
    parts = isthmus.quality(X, Z)
    for measure in MEASURES:
        np.testing.assert_allclose(getattr(parts, measure), getattr(whole, measure), rtol=1e-12)


def test_kinds_of_tables_are_the_same_rows():
    X, Z = DIGITS[:120], curved(120)[1]
    expected = isthmus.quality(X, Z).table()
    for rows in (X.astype(np.uint8), X.astype(np.float32), scipy.sparse.csr_array(X), pd.DataFrame(X)):
        assert isthmus.quality(rows, pd.DataFrame(Z)).table() == expected


def test_a_sample_agrees_with_all_rows_within_its_standard_errors():
    X, Z = curved(1200, 20)
    exact = isthmus.quality(X, Z, k=(5, 50))
    sampled = isthmus.quality(X, Z, k=(5, 50), max_rows=600)
    assert exact.exact
    assert not sampled.exact
    assert (sampled.n_rows, sampled.n_queries) == (1200, 300)
    for measure in MEASURES:
        error = np.asarray(sampled.standard_errors[measure])
        gap = np.abs(np.asarray(getattr(sampled, measure)) - getattr(exact, measure))
        assert np.all(gap <= 4 * error), measure
        assert np.all(error > 0)
        assert not np.any(exact.standard_errors[measure])


def test_standard_errors_are_the_scatter_of_samples():
    X, Z = curved(400)
    runs = [isthmus.quality(X, Z, max_rows=200, random_state=seed) for seed in range(40)]
    assert runs[0].n_queries == 100
    for measure in MEASURES:
        values = np.array([getattr(run, measure) for run in runs])
        errors = np.array([run.standard_errors[measure] for run in runs])
        ratio = np.mean(errors, axis=0) / np.std(values, axis=0, ddof=1)
        # A standard deviation of 40 is known to 11 %.
        np.testing.assert_allclose(ratio, 1.0, atol=0.45, err_msg=measure)


def test_drawn_pairs_agree_with_all_pairs(monkeypatch):
    X, Z = curved(400)
    exact = isthmus.quality(X, Z)
    assert exact.n_pairs == 400 * 399 // 2
    monkeypatch.setattr(pairs, "MOST_PAIRS", 10_000)
    drawn = [isthmus.quality(X, Z, random_state=seed) for seed in range(16)]
    assert all(run.exact and run.n_pairs == 10_000 for run in drawn)
    errors = np.array([run.standard_errors["spearman"] for run in drawn])
    gaps = np.array([run.spearman for run in drawn]) - exact.spearman
    assert np.all(np.abs(gaps) < 4 * errors)
    assert np.std(gaps) == pytest.approx(np.mean(errors), rel=0.4)


def test_a_draw_of_pairs_has_a_standard_error_however_many_rows_there_are(monkeypatch):
    X, Z = curved(300)
    exact = isthmus.quality(X, Z).spearman
    monkeypatch.setattr(pairs, "MOST_PAIRS", 300)
    found = isthmus.quality(X, Z)
    assert found.n_pairs == 300 * pairs.GROUPS
    assert abs(found.spearman - exact) < 4 * found.standard_errors["spearman"]


def test_the_same_random_state_draws_the_same():
    X, Z = curved(300)
    one, same, other = (
        isthmus.quality(X, Z, max_rows=150, random_state=seed).table() for seed in (0, 0, 1)
    )
    assert one == same
    assert one != other


def test_the_largest_distance_is_found_even_if_the_search_for_it_stops_early(monkeypatch):
    X, Z = curved(150, 20)
    expected = isthmus.quality(X, Z)
    monkeypatch.setattr(pairs, "largest_by_steps", lambda distances: 1e-3)
    found = isthmus.quality(X, Z)
    np.testing.assert_allclose(found.density_kl, expected.density_kl, rtol=1e-12)


@pytest.mark.parametrize("D", [2, 3, 64])
def test_steps_lead_to_the_largest_distance(D):
    rows = DIGITS[:, 10 : 10 + D] if D < 64 else DIGITS / 3
    found = distances_between(rows)
    assert found.unit**2 * largest_by_steps(found) == pytest.approx(cdist(rows, rows).max() ** 2)


def test_ranks_seen_from_one_row_are_those_of_a_stable_sort():
    found = distances_between(0.1 * DIGITS[:500])
    (line,) = found.squared(np.array([7]))
    seen = Surroundings(found, 7, line.copy())
    order = np.argsort(found.from_differences(7, np.arange(500)), kind="stable")
    order = order[order != 7]
    np.testing.assert_array_equal(seen.nearest(499), order)
    np.testing.assert_array_equal(seen.ranks(order[::-1]), np.arange(499, 0, -1))


def test_a_map_that_collapsed():
    X, _ = curved(40)
    collapsed = np.full((40, 2), 3.0)
    found = isthmus.quality(X, collapsed)
    assert (found.spearman, found.stress, found.scale) == (0.0, 1.0, 0.0)
    assert found.rmse == pytest.approx(np.sqrt(np.mean(distance_matrix(X)[np.triu_indices(40, 1)] ** 2)))
    uniform = distance_matrix(collapsed)
    in_data, in_map = rank_matrix(distance_matrix(X)), rank_matrix(uniform)
    assert found.trustworthiness == pytest.approx(slow_trustworthiness(in_data, in_map, 10))
    expected = [slow_density_kl(distance_matrix(X), uniform, sigma) for sigma in (0.01, 0.1, 1.0)]
    np.testing.assert_allclose(found.density_kl, expected)
    other_way = isthmus.quality(collapsed, X)
    assert (other_way.spearman, other_way.stress, other_way.rmse) == (0.0, 1.0, 0.0)
    both = isthmus.quality(collapsed, collapsed)
    assert (both.spearman, both.stress, both.rmse, both.overlap) == (1.0, 0.0, 0.0, 1.0)
    for record in (found, other_way, both):
        assert all(np.isfinite(row["value"]) for row in record.table())


def test_constant_columns_change_nothing():
    X, Z = curved(60, 12)
    wide = np.hstack([X, np.full((60, 3), 1e6)])
    one, other = isthmus.quality(X, Z), isthmus.quality(wide, Z)
    for measure in MEASURES:
        np.testing.assert_allclose(getattr(other, measure), getattr(one, measure), rtol=1e-9)


@pytest.mark.parametrize("n", [3, 4, 5])
def test_the_fewest_rows(n):
    X, Z = curved(n)
    ks = tuple(range(1, n))
    found, slow = isthmus.quality(X, Z, k=ks), slow_quality(X, Z, ks)
    for measure in MEASURES:
        np.testing.assert_allclose(getattr(found, measure), slow[measure], atol=1e-9, err_msg=measure)
