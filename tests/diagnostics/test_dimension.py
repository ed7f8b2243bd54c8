"""Intrinsic dimension: known surfaces, exact laws of distance ratios, intervals that cover, odd data."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chi2, kstest
from sklearn.datasets import load_digits, make_s_curve, make_swiss_roll
from sklearn.decomposition import PCA as SklearnPCA
from sklearn.neighbors import NearestNeighbors

import isthmus
from isthmus.diagnostics.dimension.intrinsic import TiedDistancesWarning
from isthmus.diagnostics.dimension.methods import MLE, PCA, Gride, TwoNN
from isthmus.diagnostics.dimension.nearest import nearest, variance_of_sum
from isthmus.diagnostics.dimension.scales import gamma_interval
from surfaces import cube, helix, mobius_band, sphere, torus, waves

METHODS = ("two_nn", "mle", "gride", "pca")
OF_NEIGHBOURS = METHODS[:3]


# Estimates.


@pytest.mark.parametrize(
    ("make", "dimension"),
    [
        (lambda: helix(2000, np.random.default_rng(0)), 1),
        (lambda: make_swiss_roll(2000, random_state=0)[0], 2),
        (lambda: make_s_curve(2000, random_state=0)[0], 2),
        (lambda: mobius_band(2000, np.random.default_rng(0)), 2),
        (lambda: sphere(2000, 3, np.random.default_rng(0)), 3),
        (lambda: cube(2000, 2) @ np.random.default_rng(1).standard_normal((2, 40)), 2),
        (lambda: waves(2000, 3, 0), 3),
    ],
)
@pytest.mark.parametrize("method", OF_NEIGHBOURS)
def test_surfaces_of_known_dimension(make, dimension, method):
    found = isthmus.intrinsic_dimension(make(), method)
    # Three standard errors of "two_nn" are 9 %; edges and curvature cost up to 6 % at d ≤ 3.
    assert found.estimate == pytest.approx(dimension, rel=0.09)
    assert found.low < found.estimate < found.high
    assert found.level == 0.95


@pytest.mark.parametrize("dimension", [5, 10, 20])
def test_in_many_dimensions_edges_lower_the_estimate_as_the_literature_says(dimension):
    """Uniform cubes: about 8, 17 and 25 % too low for 2000 rows, and less so with more rows."""
    few, many = (
        [isthmus.intrinsic_dimension(cube(n, dimension), method) for method in OF_NEIGHBOURS]
        for n in (500, 2000)
    )
    for less, more in zip(few, many, strict=True):
        assert 0.6 * dimension < more.estimate < dimension
        assert less.estimate < 1.03 * more.estimate
    # More neighbours reach farther over the edge.
    scales = many[OF_NEIGHBOURS.index("gride")].scales
    assert scales[-1].estimate < scales[0].estimate


def test_the_ratios_of_two_neighbours_are_exponential_and_give_the_exact_likelihood():
    rows = torus(2000, 2, np.random.default_rng(0))
    distances, _ = NearestNeighbors(n_neighbors=2).fit(rows).kneighbors()
    logs = np.log(distances[:, 1] / distances[:, 0])
    # Dependent rows widen the distribution of the statistic by about √1.55: 1.63 is the 1 % point.
    assert kstest(logs, "expon", args=(0, 1 / 2)).statistic < 1.63 * np.sqrt(1.55 / 2000)
    n = len(logs)
    found = isthmus.intrinsic_dimension(rows, TwoNN(discard=0))
    assert found.estimate == pytest.approx((n - 1) / logs.sum())
    # Censored: the m smallest, and of the others only that they are larger.
    m = round(0.9 * n)
    ordered = np.sort(logs)
    expected = (m - 1) / (ordered[:m].sum() + (n - m) * ordered[m - 1])
    assert isthmus.intrinsic_dimension(rows).estimate == pytest.approx(expected)


def test_the_interval_of_independent_ratios_is_the_exact_one_of_chi_squared():
    """2 d Σ log μ has the chi-squared law with 2n degrees of freedom."""
    low, high = gamma_interval(3.0, 1 / 25, 0.9)
    assert low == pytest.approx(3.0 * chi2.ppf(0.05, 50) / 50)
    assert high == pytest.approx(3.0 * chi2.ppf(0.95, 50) / 50)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_gride_maximises_the_density_of_the_ratios(k):
    rows = torus(300, 2, np.random.default_rng(0))
    distances, _ = NearestNeighbors(n_neighbors=2 * k).fit(rows).kneighbors()
    ratios = distances[:, 2 * k - 1] / distances[:, k - 1]

    def density(ratio, d):
        return d * (ratio**d - 1) ** (k - 1) * ratio ** (-(2 * k - 1) * d - 1)

    grid = np.linspace(1.5, 2.5, 2001)
    likelihoods = [np.sum(np.log(density(ratios, d))) for d in grid]
    found = isthmus.intrinsic_dimension(rows, Gride((k,)))
    assert found.estimate == pytest.approx(grid[np.argmax(likelihoods)], abs=0.0006)
    # Its integral does not depend on d, so that it is a density up to a constant.
    areas = [quad(density, 1, np.inf, args=(d,))[0] for d in (1.0, 3.0)]
    assert areas[0] == pytest.approx(areas[1])


def test_mle_averages_the_inverses_of_its_local_values():
    rows = waves(500, 2, 0)
    found = isthmus.intrinsic_dimension(rows, MLE(k=8))
    distances, _ = NearestNeighbors(n_neighbors=8).fit(rows).kneighbors()
    by_hand = 6 / np.sum(np.log(distances[:, 7:] / distances[:, :7]), axis=1)
    np.testing.assert_allclose(found.local, by_hand)
    n = 500
    mean = 1 / np.mean(6 / 7 / by_hand)
    assert found.estimate == pytest.approx(mean * (1 - 1 / (7 * n)))
    # Local values tell parts of different dimension apart.
    line = np.outer(np.linspace(3, 4, 500) ** 2, np.ones(5))
    both = isthmus.intrinsic_dimension(np.vstack([line + 10, cube(500, 5)]), "mle").local
    assert np.median(both[:500]) < 1.6 < 3 < np.median(both[500:])


def test_the_participation_ratio_is_that_of_the_spectrum():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((4000, 6)) * np.sqrt([4, 2, 1, 1, 0, 0])
    found = isthmus.intrinsic_dimension(rows, "pca")
    truth = 8**2 / (16 + 4 + 1 + 1)
    assert found.low < truth < found.high
    values = np.linalg.eigvalsh(np.cov(rows.T))
    plain = values.sum() ** 2 / np.sum(values**2)
    assert found.estimate == pytest.approx(plain, rel=2e-3)
    # Shares kept are 1/2, 3/4, 7/8, 1: the second is 0.75, which chance puts on either side.
    kept = np.cumsum(SklearnPCA().fit(rows).explained_variance_ratio_)
    for scale in isthmus.intrinsic_dimension(rows, PCA((0.3, kept[1] + 1e-3, 0.95))).scales:
        assert scale.estimate == 1 + np.argmax(kept >= scale.value)
        assert scale.low <= scale.estimate <= scale.high
    close = isthmus.intrinsic_dimension(rows, PCA((kept[1] + 1e-3,))).scales[0]
    assert (close.low, close.high) == (2, 3)
    assert close.distance == pytest.approx(np.sqrt(values[:3].sum()), rel=0.01)


@pytest.mark.parametrize("outlier", [None, 1e3, 1e7])
@pytest.mark.parametrize("n_columns", [4, 40])
def test_the_jackknife_of_the_participation_ratio_is_that_of_leaving_rows_out(outlier, n_columns):
    rows = np.random.default_rng(0).standard_normal((30, n_columns))
    rows[:, :2] *= [3, 2]
    if outlier is not None:
        rows[3, 0] = outlier

    def log_ratio(rows):
        values = np.square(np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False))
        return np.log(values.sum() ** 2 / np.sum(values**2))

    without = np.array([log_ratio(np.delete(rows, i, axis=0)) for i in range(30)])
    centre = 30 * log_ratio(rows) - 29 * without.mean()
    error = np.sqrt(29 / 30 * np.sum((without - without.mean()) ** 2))
    found = isthmus.intrinsic_dimension(rows, "pca", scaling=None, level=0.6826894921)
    assert np.log([found.low, found.estimate, found.high]) == pytest.approx(
        [centre - error, centre, centre + error],
        abs=1e-8,  # beside an outlier of 10⁷ others keep nine digits
    )
    wide = isthmus.intrinsic_dimension(np.hstack([rows, np.zeros((30, 40))]), "pca", scaling=None)
    assert wide.estimate == pytest.approx(found.estimate)


# Intervals.


@pytest.mark.parametrize(("dimension", "n_rows"), [(1, 200), (2, 400)])
@pytest.mark.parametrize("method", [TwoNN(), TwoNN(discard=0), MLE(k=6), Gride((2,))])
def test_intervals_cover_the_truth_at_their_level(dimension, n_rows, method):
    """On surfaces without an edge. Of 150 at 80 %, chance leaves 80 ± 9.8 % at three standard errors."""
    hits = 0
    for seed in range(150):
        rows = torus(n_rows, dimension, np.random.default_rng(seed))
        found = isthmus.intrinsic_dimension(rows, method, level=0.8)
        hits += found.low <= dimension <= found.high
    assert abs(hits / 150 - 0.8) < 0.1


def test_rows_that_share_neighbours_make_intervals_wider():
    """The variance of Σ log μ over even data is about 1.55 times that of independent rows."""
    inflation = []
    for seed in range(20):
        rows = torus(500, 2, np.random.default_rng(seed))
        near = nearest(rows, 2)
        scores = np.log(near.distances[:, 1] / near.distances[:, 0])
        scores -= scores.mean()
        inflation.append(variance_of_sum(scores, near.rows) / np.sum(scores**2))
    assert np.mean(inflation) == pytest.approx(1.55, abs=0.1)
    effective = isthmus.intrinsic_dimension(torus(500, 2, np.random.default_rng(0))).scales[0]
    assert 250 < effective.effective_rows < 330


def test_the_variance_of_a_sum_is_never_below_that_of_independent_scores():
    scores = np.tile([1.0, -1.0], 10)
    others = np.arange(20)[:, None] ^ 1  # each row depends on one with the opposite score
    assert variance_of_sum(scores, others) == pytest.approx(20)
    assert variance_of_sum(np.repeat([1.0, -1.0], 10), others) == pytest.approx(40)


# Scales.


def noisy_sheet():
    rng = np.random.default_rng(0)
    sheet = np.hstack([cube(4000, 2), np.zeros((4000, 8))])
    return sheet, sheet + 0.005 * rng.standard_normal(sheet.shape)


def test_noise_shows_as_estimates_that_fall_towards_larger_scales():
    sheet, noisy = noisy_sheet()
    for method in ("two_nn", "gride"):
        clean = [scale.estimate for scale in isthmus.intrinsic_dimension(sheet, method).scales]
        assert max(clean) < 2.4
        assert min(clean) > 1.7
        found = isthmus.intrinsic_dimension(noisy, method)
        estimates = [scale.estimate for scale in found.scales]
        assert estimates[0] > 4
        assert estimates[-1] < 2.5
        assert all(np.diff([scale.distance for scale in found.scales]) > 0)
        assert all(np.diff(estimates) < 0.2)


def test_gride_answers_with_the_scale_from_which_the_estimate_stays():
    found = isthmus.intrinsic_dimension(noisy_sheet()[1], Gride((1, 4, 16, 64, 128)))
    assert found.estimate in [scale.estimate for scale in found.scales[2:]]
    assert found.estimate < 3


def test_decimation_uses_every_row_at_every_scale():
    found = isthmus.intrinsic_dimension(cube(1001, 2))
    assert [scale.value for scale in found.scales] == [1001, 500, 250, 125, 63]
    # So intervals are as wide at all of them: with a quarter of the rows they would be twice as wide.
    widths = [scale.high - scale.low for scale in found.scales]
    assert max(widths) < 1.3 * min(widths)
    again = isthmus.intrinsic_dimension(cube(1001, 2), random_state=0)
    other = isthmus.intrinsic_dimension(cube(1001, 2), random_state=1)
    assert again.scales == found.scales
    assert other.scales[0] == found.scales[0]
    assert other.scales[1] != found.scales[1]


# Invariances, and what comes in.


@pytest.mark.parametrize("method", OF_NEIGHBOURS)
def test_shift_scale_rotation_and_constant_columns_change_nothing(method):
    rows = waves(300, 2, 0, D=6)
    expected = isthmus.intrinsic_dimension(rows, method)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 6)))[0]
    for scale, other in [
        (1.0, rows + 1e6),
        (1e-12, 1e-12 * rows),
        (1e30, 1e30 * rows),
        (1.0, rows @ turn),
        (1.0, np.hstack([rows, np.full((300, 20), 7.0)])),
    ]:
        found = isthmus.intrinsic_dimension(other, method)
        assert found.estimate == pytest.approx(expected.estimate, rel=1e-6)
        assert found.low == pytest.approx(expected.low, rel=1e-6)
        assert found.scales[0].distance == pytest.approx(scale * expected.scales[0].distance, rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_copies_count_once(method):
    rows = waves(300, 2, 0, D=6)
    expected = isthmus.intrinsic_dimension(rows, method)
    order = np.random.default_rng(0).integers(0, 300, 500)
    copies = np.vstack([rows, rows[order], -0.0 * rows[:1] + rows[:1]])
    found = isthmus.intrinsic_dimension(copies, method)
    assert (found.n_rows, found.n_distinct) == (801, 300)
    assert found.estimate == pytest.approx(expected.estimate, rel=1e-6)
    if found.local is not None:
        np.testing.assert_allclose(found.local[300:800], expected.local[order], rtol=1e-6)
    assert "501 of them copies" in str(found)


def test_nearly_equal_rows_do_not_count_as_few_dimensions():
    """They are copies that were rounded: none counts, whatever the method."""
    rows = cube(1000, 3)
    rows[:10] = rows[10:20] + 1e-9
    rows[20:23] = rows[23] * (1 + 1e-8 * np.arange(3)[:, None])
    for method in (TwoNN(discard=0), "mle", "gride"):
        found = isthmus.intrinsic_dimension(rows, method)
        without = isthmus.intrinsic_dimension(rows[[*range(10, 20), *range(23, 1000)]], method)
        assert found.n_distinct == 987
        assert found.estimate == pytest.approx(without.estimate, rel=1e-6)


def test_the_nearest_are_exact_far_from_the_origin_and_in_many_columns():
    rows = cube(400, 40) * 1e-6 + 1e6
    near = nearest(rows, 3)
    exact = np.linalg.norm(rows[:, None] - rows, axis=2)
    np.fill_diagonal(exact, np.inf)
    np.testing.assert_allclose(near.distances, np.sort(exact, axis=1)[:, :3], rtol=1e-6)


def test_digits_have_about_ten_dimensions_and_integers_are_fine():
    digits = load_digits().data
    for method in OF_NEIGHBOURS:
        found = isthmus.intrinsic_dimension(digits, method)
        assert 7 < found.estimate < 12
        assert found.tied < 0.1


def test_a_grid_has_ties_which_are_told():
    grid = np.stack(np.meshgrid(*[np.arange(20.0)] * 2), axis=-1).reshape(-1, 2)
    with pytest.raises(ValueError, match=r"equally far.*Add noise"):
        isthmus.intrinsic_dimension(grid)
    rounded = np.round(cube(800, 2), 2)
    with pytest.warns(TiedDistancesWarning, match=r"% of the rows have neighbours that are equally far"):
        found = isthmus.intrinsic_dimension(rounded)
    assert np.isfinite([found.estimate, found.low, found.high]).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((50, 3)), r"50 rows, 1 of them distinct: expected at least 1\d.*Pass more rows"),
        (np.eye(5), "5 rows, 5 of them distinct"),
        (np.full((20, 2), np.nan), "X contains NaN"),
        (np.full((20, 2), np.inf), "X contains infinity"),
        (np.arange(20.0), r"X has shape \(20,\)"),
        (np.array([["a"] * 3] * 20), "text"),
    ],
)
def test_what_has_no_dimension_is_an_error_that_says_why(rows, message, method):
    with pytest.raises(ValueError, match=message):
        isthmus.intrinsic_dimension(rows, method)


def test_as_many_neighbours_as_asked_for_must_be_there():
    with pytest.raises(ValueError, match="expected at least 41"):
        isthmus.intrinsic_dimension(cube(40, 2), MLE(k=40))
    assert isthmus.intrinsic_dimension(cube(41, 2), MLE(k=40)).estimate > 0
    with pytest.raises(ValueError, match="expected at least 17"):
        isthmus.intrinsic_dimension(cube(16, 2), Gride((2, 8)))
    for method in METHODS:  # the fewest rows that are enough
        assert np.isfinite(isthmus.intrinsic_dimension(cube(11, 2), method).high)


def test_parameters_out_of_range():
    with pytest.raises(ValueError, match="method='umap' is not known; use one of 'two_nn'"):
        isthmus.intrinsic_dimension(cube(50, 2), "umap")
    with pytest.raises(TypeError, match=r"expected one of 'two_nn'.*MLE"):
        isthmus.intrinsic_dimension(cube(50, 2), 3)
    with pytest.raises(ValueError, match=r"level=1\.5: expected a number in \(0, 1\)"):
        isthmus.intrinsic_dimension(cube(50, 2), level=1.5)
    with pytest.raises(ValueError, match=r"discard=1\.0: expected a number in \[0, 1\)"):
        TwoNN(discard=1.0)
    with pytest.raises(ValueError, match="k=2: expected an integer of at least 3"):
        MLE(k=2)
    with pytest.raises(ValueError, match="ks=0: expected an integer of at least 1"):
        Gride((1, 0))
    with pytest.raises(ValueError, match="ks holds no scale"):
        Gride(())
    with pytest.raises(ValueError, match="fractions=1"):
        PCA((1.0,))
