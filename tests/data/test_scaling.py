"""Scaling: what a network sees, and that constant columns are left where they are."""

import numpy as np
import pytest
import scipy.sparse

from isthmus.data.rows import ScaledRows
from isthmus.data.scaling import Scaling

RNG = np.random.default_rng(0)
X = RNG.standard_normal((50, 4)) * [1e-3, 1.0, 10.0, 1e4] + [0.0, 5.0, -1e6, 2.0]


def scaled(kind, rows=X):
    return Scaling.fit(kind, rows)(rows)


def test_standard_gives_mean_zero_and_variance_one():
    u = scaled("standard")
    assert u.dtype == np.float32
    # Single precision in each number, float64 before.
    np.testing.assert_allclose(u.mean(axis=0, dtype=float), 0.0, atol=1e-6)
    np.testing.assert_allclose(u.var(axis=0, ddof=1, dtype=float), 1.0, rtol=1e-6)


def test_range_gives_the_unit_interval():
    u = scaled("range")
    np.testing.assert_array_equal(u.min(axis=0), 0.0)
    np.testing.assert_allclose(u.max(axis=0), 1.0, rtol=1e-6)


def test_none_divides_all_features_by_one_number():
    scaling = Scaling.fit(None, X)
    root_mean_variance = np.sqrt(X.var(axis=0, ddof=1).mean())
    np.testing.assert_allclose(scaling.scale, root_mean_variance, rtol=1e-12)
    assert scaling.unit == pytest.approx(root_mean_variance, rel=1e-12)
    np.testing.assert_allclose(scaling.center, X.mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("kind", [None, "standard", "range"])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e9 + 0.1, -3e-5])
def test_a_constant_column_is_not_blown_up(kind, value):
    rows = np.column_stack([np.full(50, value), X[:, 1]])
    u = scaled(kind, rows)
    # The mean of equal numbers is that number up to rounding of its own last digit.
    np.testing.assert_allclose(u[:, 0], 0.0, atol=1e-12 * max(1.0, abs(value)))


@pytest.mark.parametrize("kind", [None, "standard", "range", "robust"])
def test_a_column_without_a_value_stays_where_it_is(kind):
    scaling = Scaling.fit(kind, np.column_stack([X[:, 1], np.full(50, np.nan)]))
    assert scaling.center[1] == 0.0
    assert scaling.scale[1] == (scaling.scale[0] if kind is None else 1.0)


def test_all_rows_equal():
    scaling = Scaling.fit(None, np.ones((3, 2)))
    np.testing.assert_array_equal(scaling.scale, 1.0)
    np.testing.assert_array_equal(scaling(np.ones((3, 2))), 0.0)


def test_centring_happens_before_rounding_to_single_precision():
    u = scaled("standard")
    offset = scaled("standard", X + 1e6)
    # float64 keeps 1e-10 of a number near 1e6, the first column's spread is 1e-3: seven digits.
    np.testing.assert_allclose(offset, u, atol=3e-6)


def test_no_scaling_is_the_identity():
    rows = X.astype(np.float32)
    np.testing.assert_array_equal(Scaling.none(4)(rows), rows)


@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_matrix])
def test_scaled_rows_are_scaled_when_indexed(kind):
    scaling = Scaling.fit("standard", X)
    view = ScaledRows(kind(X), scaling)
    assert view.shape == X.shape
    np.testing.assert_array_equal(view[3:7], scaling(X)[3:7])
    np.testing.assert_array_equal(view[np.array([9, 2])], scaling(X)[[9, 2]])
    np.testing.assert_array_equal(np.asarray(view), scaling(X))


@pytest.mark.parametrize("kind", [None, "standard", "range"])
def test_spread_is_that_of_a_scaled_feature(kind):
    uniform = np.random.default_rng(1).uniform(size=(4000, 3)) * [1.0, 20.0, 0.1]
    scaling = Scaling.fit(kind, uniform)
    spread = np.sqrt(scaling(uniform).var(axis=0).mean())
    assert scaling.spread == pytest.approx(spread, rel=0.02)


@pytest.mark.parametrize("kind", [None, "standard", "range"])
@pytest.mark.parametrize("unit", [1e-27, 1e-12, 1e20])
def test_the_unit_of_the_data_does_not_matter(kind, unit):
    once, again = (Scaling.fit(kind, rows) for rows in (X, unit * X))
    np.testing.assert_allclose(again(unit * X), once(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["standard", "range"])
def test_a_clock_of_many_digits_is_no_constant(kind):
    """Nanoseconds since 1970 within a millisecond: float64 keeps them to 256 ns."""
    clock = (1_700_000_000_000_000_000 + RNG.integers(0, 1_000_000, 200)).astype(float)[:, None]
    scaled = Scaling.fit(kind, clock)(clock)
    if kind == "standard":
        assert scaled.std(ddof=1) == pytest.approx(1, rel=1e-3)
    else:
        assert np.ptp(scaled) == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("kind", [None, "standard", "range"])
def test_data_too_small_for_single_precision_are_refused(kind):
    with pytest.raises(ValueError, match=r"varies by .* needs 1e-32: multiply the data"):
        Scaling.fit(kind, 1e-36 * X)
