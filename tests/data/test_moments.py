"""Mean, covariance and principal axes against NumPy, however the rows are cut into blocks."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse
from sklearn.decomposition import PCA

from isthmus.data import moments as module
from isthmus.data import rows as views
from isthmus.data.moments import ColumnStatistics, Moments, column_statistics, moments, principal_axes
from isthmus.data.scaling import Scaling

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 7)) * np.linspace(3, 0.5, 7) + 5.0


@pytest.mark.parametrize("cuts", [[1], [30], [1, 2, 3], [10, 20, 59]])
def test_merged_moments_are_those_of_all_rows(cuts):
    parts = [Moments.of(part) for part in np.split(X, cuts)]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.merge(part)
    assert whole.n_rows == 60
    # float64, sums of 60 terms.
    np.testing.assert_allclose(whole.mean, X.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(whole.covariance, np.cov(X.T), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("cuts", [[1], [30], [1, 2, 3], [10, 20, 59]])
def test_merged_column_statistics_are_those_of_all_rows(cuts):
    parts = [ColumnStatistics.of(part) for part in np.split(X, cuts)]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.merge(part)
    np.testing.assert_allclose(whole.mean, X.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(whole.variance, X.var(axis=0, ddof=1), rtol=1e-12)
    np.testing.assert_array_equal(whole.low, X.min(axis=0))
    np.testing.assert_array_equal(whole.high, X.max(axis=0))


@pytest.fixture
def many_blocks(monkeypatch):
    """Rows are read eight at a time."""
    monkeypatch.setattr(views, "READ_ELEMENTS", 8 * X.shape[1])


def test_blocks_change_nothing(many_blocks):
    assert len(list(views.row_blocks(X))) == 8
    found = moments(X)
    np.testing.assert_allclose(found.mean, X.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.covariance, np.cov(X.T), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(column_statistics(X).variance, X.var(axis=0, ddof=1), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int16, np.uint8, bool])
def test_moments_are_computed_in_float64_whatever_the_rows_are(dtype):
    rows = (X * 3).astype(dtype)
    exact = rows.astype(np.float64)
    np.testing.assert_allclose(moments(rows).covariance, np.cov(exact.T), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(column_statistics(rows).variance, exact.var(axis=0, ddof=1), rtol=1e-12)


def test_a_large_offset_costs_only_its_own_digits():
    # 1e8 leaves 1e-8 of the spread in float64, and the variance is as good as that.
    np.testing.assert_allclose(moments(X + 1e8).covariance, np.cov(X.T), rtol=1e-6, atol=1e-6)


def agrees_with_pca(axes, rows, d):
    pca = PCA(d, svd_solver="full").fit(rows)
    signs = np.sign(np.sum(pca.components_ * axes.components, axis=1))
    np.testing.assert_allclose(axes.components, pca.components_ * signs[:, None], atol=1e-10)
    np.testing.assert_allclose(axes.variances, pca.explained_variance_, rtol=1e-10)
    np.testing.assert_allclose(axes.mean, pca.mean_, atol=1e-12)
    total = np.var(rows, axis=0, ddof=1).sum()
    assert axes.total_variance == pytest.approx(total, rel=1e-12)
    assert np.all(axes.components[np.arange(d), np.abs(axes.components).argmax(axis=1)] > 0)


def test_narrow_rows_by_the_covariance():
    agrees_with_pca(principal_axes(X, 3), X, 3)
    agrees_with_pca(principal_axes(X), X, 7)


def with_clear_axes(n, D):
    """Noise and five axes of separate variance: what makes 1e-10 attainable for eigenvectors."""
    scores = RNG.standard_normal((n, 5)) * [16.0, 12.0, 8.0, 5.0, 3.0]
    return (
        scores @ np.linalg.qr(RNG.standard_normal((D, 5)))[0].T + 0.01 * RNG.standard_normal((n, D)) + 1
    )


def test_wide_rows_by_their_singular_vectors(monkeypatch):
    monkeypatch.setattr(module, "MAX_FULL", 50)
    rows = with_clear_axes(40, 120)
    agrees_with_pca(principal_axes(rows, 4), rows, 4)
    assert principal_axes(rows).components.shape == (40, 120)


def test_large_rows_by_a_few_passes(monkeypatch):
    monkeypatch.setattr(module, "MAX_FULL", 50)
    monkeypatch.setattr(views, "READ_ELEMENTS", 120 * 32)
    rows = with_clear_axes(150, 120)
    agrees_with_pca(principal_axes(rows, 4), rows, 4)
    # The start vector is fixed: the same numbers each time.
    first, second = principal_axes(rows, 3), principal_axes(rows, 3)
    np.testing.assert_array_equal(first.components, second.components)


@pytest.mark.parametrize("shape", [(50, 2100), (2050, 2100)])
def test_more_than_two_thousand_features(shape):
    # Both branches at their real threshold: singular vectors of few rows, ARPACK for many.
    rows = with_clear_axes(*shape)
    axes = principal_axes(rows, 3)
    centred = rows - rows.mean(axis=0)
    # A second method without a decomposition: C W^T = W^T diag(variances).
    image = centred.T @ (centred @ axes.components.T) / (len(rows) - 1)
    np.testing.assert_allclose(image, axes.components.T * axes.variances, atol=1e-9 * axes.variances[0])
    np.testing.assert_allclose(axes.components @ axes.components.T, np.eye(3), atol=1e-12)
    # The noise axes are below: Σ of the five planted variances, up to 2100 · 1e-4 of noise.
    assert np.all(axes.variances > 2 * 3.0**2)


def test_sparse_rows_are_never_unfolded():
    # Dense they would be 2100 × 40 000 × 8 B = 672 MB.
    rows = scipy.sparse.random(2100, 40_000, density=1e-3, format="csr", rng=np.random.default_rng(0))
    rows = rows + scipy.sparse.csr_array(
        (np.full(2100, 50.0), (np.arange(2100), np.zeros(2100, int))), shape=rows.shape
    ).multiply(np.linspace(-1, 1, 2100)[:, None])
    rows = scipy.sparse.csr_array(rows)
    tracemalloc.start()
    axes = principal_axes(rows, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Blocks of 2²² numbers in float64 are 34 MB; a few of them are alive at a time.
    assert peak < 200e6
    column = rows[:, [0]].toarray().ravel()
    # The first column carries nearly all the variance, so the axis is that column and λ its variance.
    assert axes.components[0, 0] > 0.999
    assert axes.variances[0] == pytest.approx(column.var(ddof=1), rel=1e-3)


@pytest.mark.parametrize("large", [False, True])
def test_sparse_and_dense_rows_have_the_same_axes(large, monkeypatch):
    if large:
        monkeypatch.setattr(module, "MAX_FULL", 10)
    rows = with_clear_axes(60, 30) * (RNG.uniform(size=(60, 30)) < 0.7)
    dense, sparse = principal_axes(rows, 2), principal_axes(scipy.sparse.csr_matrix(rows), 2)
    np.testing.assert_allclose(sparse.components, dense.components, atol=1e-10)
    np.testing.assert_allclose(sparse.variances, dense.variances, rtol=1e-10)


def test_leading_axes_are_the_first():
    axes = principal_axes(X)
    np.testing.assert_array_equal(axes.leading(2).components, axes.components[:2])
    assert axes.leading(2).total_variance == axes.total_variance


def test_constant_rows_have_no_variance():
    axes = principal_axes(np.full((5, 3), 7.0), 2)
    np.testing.assert_array_equal(axes.variances, 0.0)
    np.testing.assert_allclose(axes.components @ axes.components.T, np.eye(2), atol=1e-15)


def test_statistics_of_sparse_rows_are_those_of_the_same_rows_dense():
    whole = np.where(RNG.random((300, 40)) < 0.1, RNG.standard_normal((300, 40)) + 0.3, 0.0)
    whole[:, 7], whole[:, 8] = 0.0, 5.0
    sparse, dense = column_statistics(scipy.sparse.csr_array(whole)), column_statistics(whole)
    for name in ("n_rows", "low", "high"):
        np.testing.assert_array_equal(getattr(sparse, name), getattr(dense, name))
    np.testing.assert_allclose(sparse.mean, dense.mean, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(sparse.variance, dense.variance, rtol=1e-11, atol=1e-15)
    whole[3, 3] = np.nan
    with_gap = column_statistics(scipy.sparse.csr_array(whole))
    assert with_gap.n_rows[3] == 299
    np.testing.assert_allclose(with_gap.mean[3], np.nanmean(whole[:, 3]), rtol=1e-12)


def test_an_entry_of_sparse_rows_that_is_kept_as_a_sum_is_their_sum():
    # The first entry is kept as 1 + 2.
    parts = np.array([1.0, 2.0, 5.0]), np.array([0, 0, 1]), np.array([0, 2, 3, 3])
    rows = scipy.sparse.csr_array(parts, shape=(3, 2))
    found = column_statistics(rows)
    # 3, 0, 0 are 2, −1, −1 from their mean: (4 + 1 + 1)/2. And 0, 5, 0: 5²/3.
    np.testing.assert_allclose(found.mean, [1.0, 5 / 3], rtol=1e-15)
    np.testing.assert_allclose(found.variance, [3.0, 25 / 3], rtol=1e-15)
    np.testing.assert_array_equal(found.high, [3.0, 5.0])
    np.testing.assert_array_equal(rows.data, parts[0])


@pytest.mark.parametrize("make", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("scale", [False, True])
def test_leading_axes_take_few_passes(make, scale, monkeypatch):
    monkeypatch.setattr(module, "MAX_FULL", 10)
    rows = with_clear_axes(400, 90)
    passes = []
    once = module._times_covariance
    monkeypatch.setattr(module, "_times_covariance", lambda *each: (passes.append(1), once(*each))[1])
    scaling = Scaling.fit("standard", rows)
    view = views.ScaledRows(make(rows), scaling, views.FLOAT64) if scale else make(rows)
    found = principal_axes(view, 3)
    expected = PCA(3, svd_solver="full").fit(scaling(rows, np.float64) if scale else rows)
    np.testing.assert_allclose(np.abs(found.components), np.abs(expected.components_), atol=1e-8)
    np.testing.assert_allclose(found.variances, expected.explained_variance_, rtol=1e-10)
    # Scaled rows of this kind have no gap after the third axis; a pass over them is a look at the view,
    # and one at the rows.
    assert len(passes) <= (2 * 9 if scale else 9)


def test_rows_of_low_rank_have_as_many_axes_as_their_rank(monkeypatch):
    monkeypatch.setattr(module, "MAX_FULL", 10)
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((50, 2)) @ rng.standard_normal((2, 40))
    found = principal_axes(rows, 4)
    np.testing.assert_allclose(found.components @ found.components.T, np.eye(4), atol=1e-10)
    np.testing.assert_allclose(
        found.variances[:2], np.linalg.eigvalsh(np.cov(rows.T))[:-3:-1], rtol=1e-10
    )
    assert found.variances[2:].max() < 1e-12 * found.variances[0]
