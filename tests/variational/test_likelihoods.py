"""Likelihoods against SciPy's distributions, in the data's own units, with every constant."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import isthmus
from isthmus.data.moments import column_statistics
from isthmus.data.scaling import Scaling
from isthmus.networks.layers import single
from isthmus.networks.links import SHARPNESS
from isthmus.variational import count_likelihoods, likelihoods
from isthmus.variational.count_likelihoods import NegativeBinomial, Poisson
from isthmus.variational.distributions import Known
from isthmus.variational.likelihoods import Bernoulli, Gaussian
from variational.distributions import (
    COUNTS,
    LEFT_OUT,
    NUMBERS,
    SIGMAS,
    bound,
    draws,
    log_density,
    log_rate,
    mean_and_variance,
    raw_mean,
    slope_of_density,
)

RNG = np.random.default_rng(2)
SCALINGS = [None, "standard", "range"]


def learnt(distribution, scaling):
    """SciPy's distribution for the numbers that the module holds, given raw means (or shares)."""
    if isinstance(distribution, likelihoods.GaussianErrors):
        std = np.sqrt(np.asarray(distribution.own_variance, np.float64)) * scaling.scale
        return lambda mean: stats.norm(mean, std)
    if isinstance(distribution, likelihoods.Coins):
        return stats.bernoulli
    if isinstance(distribution, count_likelihoods.PoissonCounts):
        return stats.poisson
    theta = np.asarray(distribution.dispersion, np.float64)
    return lambda mean: stats.nbinom(theta, theta / (theta + mean))


def exact_mean(distribution, output, scaling):
    """The raw mean; a small rate next to a large center is rounded in scaled units."""
    if isinstance(distribution, count_likelihoods._Counts):
        return np.exp(np.asarray(log_rate(distribution, output), np.float64))
    return raw_mean(distribution, output, scaling)


CASES = [
    *((Gaussian(scale), kind) for scale in ("shared", "feature", 0.7) for kind in SCALINGS),
    *((likelihood, kind) for likelihood in (Poisson(), NegativeBinomial()) for kind in SCALINGS),
    (Bernoulli(), "none"),
]
CASE_IDS = [f"{likelihood}-{kind}" for likelihood, kind in CASES]


@pytest.fixture(params=CASES, ids=CASE_IDS)
def case(request):
    """Distribution, scaling, rows, decoder outputs near them, and SciPy's distribution there."""
    likelihood, kind = request.param
    rng = np.random.default_rng(1)
    if isinstance(likelihood, Gaussian):
        rows = NUMBERS
    else:
        rows = COUNTS if kind != "none" else (COUNTS % 2).astype(float)
    distribution, scaling = bound(likelihood, rows, kind)
    scaled = scaling(rows)
    output = single(scaled + 0.5 * scaled.std(axis=0) * rng.standard_normal(rows.shape))
    mean = exact_mean(distribution, output, scaling)
    return distribution, scaling, rows, output, learnt(distribution, scaling)(mean)


def test_a_density_is_scipys_per_unit_of_the_data(case):
    distribution, scaling, rows, output, truth = case
    found = log_density(distribution, single(scaling(rows)), output)
    exact = truth.logpdf(rows) if hasattr(truth.dist, "pdf") else truth.logpmf(rows)
    # Rows and outputs are rounded to single precision.
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=2e-4)


def test_mean_and_variance_are_scipys(case):
    distribution, scaling, _, output, truth = case
    found = raw_mean(distribution, output, scaling)
    np.testing.assert_allclose(found, truth.mean(), rtol=1e-6, atol=1e-6 * scaling.scale.max())
    variance = np.asarray(mean_and_variance(distribution, output)[1], np.float64) * scaling.scale**2
    # SciPy's 1 − p, for a p that is rounded to single precision.
    rounding = 2e-7 if isinstance(distribution, likelihoods.Coins) else 1e-9
    np.testing.assert_allclose(variance, truth.var(), rtol=2e-4, atol=rounding)


def test_samples_have_its_mean_and_variance(case):
    distribution, scaling, _, output, truth = case
    n = 20_000
    outputs = np.broadcast_to(output[:2], (n, *output[:2].shape))
    u = np.asarray(draws(distribution, jax.random.key(0), outputs), np.float64)
    x = u * scaling.scale + scaling.center
    mean, variance = truth.mean()[:2], truth.var()[:2]
    # Two values that never both occur in n draws leave no error to divide by: 1/n.
    error = np.sqrt(variance / n) + 1 / n
    assert np.all(np.abs(x.mean(axis=0) - mean) < SIGMAS * error)
    squares = np.square(x - mean)
    error = squares.std(axis=0) / np.sqrt(n) + 1 / n
    assert np.all(np.abs(squares.mean(axis=0) - variance) < SIGMAS * error)
    if isinstance(distribution, likelihoods.Coins):
        assert set(np.unique(u)) <= {0.0, 1.0}


@pytest.mark.parametrize("size", [1e1, 1e4, 1e8, 1e15])
def test_gradients_are_finite_at_extreme_outputs(case, size):
    distribution, scaling, rows, _, _ = case
    u = single(scaling(rows))
    for sign in (-1, 1):
        output = np.full_like(u, sign * size)
        value, slope = slope_of_density(distribution, u, output)
        assert np.isfinite(slope).all()
        assert not np.isnan(value)
        assert value < 0


def test_a_gradient_is_that_of_finite_differences(case):
    distribution, scaling, rows, output, _ = case
    with jax.enable_x64(True):
        exact = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64), distribution)
        u, at, step = jnp.asarray(scaling(rows), jnp.float64), jnp.asarray(output, jnp.float64), 1e-5
        _, slope = slope_of_density(exact, u, at)
        difference = (log_density(exact, u, at + step) - log_density(exact, u, at - step)) / (2 * step)
        np.testing.assert_allclose(slope, difference, rtol=1e-4, atol=1e-4)


# Gaussian


def test_the_three_scales_of_gaussian_errors():
    for kind in SCALINGS:
        shared, scaling = bound(Gaussian(), NUMBERS, kind)
        feature, _ = bound(Gaussian("feature"), NUMBERS, kind)
        fixed, _ = bound(Gaussian(0.7), NUMBERS, kind)
        assert np.shape(shared.own_variance) == ()
        assert float(shared.own_variance) == pytest.approx(LEFT_OUT.mean(), rel=1e-5)
        np.testing.assert_allclose(feature.own_variance, LEFT_OUT, rtol=1e-4)
        # The fixed one is 0.7 in every feature's unit.
        np.testing.assert_allclose(np.sqrt(fixed.own_variance) * scaling.scale, 0.7, rtol=1e-5)
        expected = np.mean(0.49 / scaling.scale**2)
        assert Gaussian(0.7).fixed_variance(scaling) == pytest.approx(expected)


def test_known_errors_add_in_variance():
    distribution, scaling = bound(Gaussian("feature"), NUMBERS, "standard")
    error = RNG.uniform(0, 3, NUMBERS.shape)
    own = np.asarray(distribution.own_variance, np.float64)
    output = single(np.zeros(NUMBERS.shape))
    u = single(scaling(NUMBERS))
    found = distribution.log_density(u, output, single(error))
    std = np.sqrt(own + error**2) * scaling.scale
    np.testing.assert_allclose(found, stats.norm(scaling.center, std).logpdf(NUMBERS), rtol=1e-5)
    nothing = distribution.log_density(u, output, np.zeros_like(u))
    without = distribution.log_density(u, output)
    np.testing.assert_allclose(nothing, without, rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-31, 1e-12, 1.0, 1e12, 1e31])
def test_a_gaussian_density_has_the_units_of_the_data(unit):
    for scale, kind in [("shared", None), ("feature", "standard"), (1e-3 * unit, None), (unit, "range")]:
        one = Scaling.fit(kind, NUMBERS)
        scaling = Scaling(unit * one.center, unit * one.scale)
        rows = unit * NUMBERS
        distribution = Gaussian(scale)(Known(rows, scaling, column_statistics(rows), LEFT_OUT))
        std = np.asarray(distribution.own_std, np.float64) * scaling.scale
        if not isinstance(scale, str):
            np.testing.assert_allclose(std, scale, rtol=1e-5)
        u = scaling(rows)
        output = single(u + 0.1 * RNG.standard_normal(u.shape))
        mean = np.asarray(output, np.float64) * scaling.scale
        exact = stats.norm(mean, std).logpdf(u * scaling.scale)
        found = log_density(distribution, single(u), output)
        np.testing.assert_allclose(found, exact, rtol=1e-5)


@pytest.mark.parametrize("std", [1e-4, 1e-12, 1e-22, 1e-30])
def test_a_tiny_scatter_is_no_division_by_zero(std):
    """σ² is below the least number of single precision from 1e-19 on."""
    distribution = likelihoods.GaussianErrors(
        likelihoods.Constant(single(0.0)), likelihoods.Constant(single(2 * np.log(std))), 0.0
    )
    u = single(std * np.linspace(-5, 5, 11))
    exact = stats.norm(0, std).logpdf(np.asarray(u, np.float64))
    np.testing.assert_allclose(log_density(distribution, u, np.zeros_like(u)), exact, rtol=1e-5)
    error = single(np.full(11, 2 * std))
    exact = stats.norm(0, np.sqrt(5) * std).logpdf(np.asarray(u, np.float64))
    value, slope = slope_of_density(distribution, u, np.zeros_like(u), error)
    assert float(value) == pytest.approx(exact.sum(), rel=1e-5)
    np.testing.assert_allclose(slope, np.asarray(u, np.float64) / (5 * std) / std, rtol=1e-5)


def test_an_entry_with_a_huge_error_has_no_weight():
    distribution, _ = bound(Gaussian(), NUMBERS)

    def density(output, error):
        return log_density(distribution, single(np.ones(4)), output, jnp.full(4, error)).sum()

    for error in (1e9, 1e20, 1e37):
        value, slope = jax.value_and_grad(density)(np.full(4, 100.0, np.float32), np.float32(error))
        assert np.isfinite(value)
        np.testing.assert_allclose(slope, 0, atol=1e-12)


# Shares


def test_shares_of_ones_are_cross_entropy():
    distribution, _ = bound(Bernoulli(), np.array([[0.0], [1.0]]), "none", LEFT_OUT[:1])
    x, output = np.linspace(0, 1, 11)[:, None], np.linspace(-0.3, 1.3, 11)[:, None]
    k = SHARPNESS
    p = (np.logaddexp(0, k * output) - np.logaddexp(0, k * (output - 1))) / k
    expected = x * np.log(p) + (1 - x) * np.log1p(-p)
    np.testing.assert_allclose(log_density(distribution, single(x), single(output)), expected, rtol=1e-4)


# Data outside the support


def test_values_outside_the_support_have_no_density():
    coins, _ = bound(Bernoulli(), np.array([[0.0], [1.0]]), "none", LEFT_OUT[:1])
    density = log_density(coins, single([[-0.1], [1.1], [0.5]]), np.full((3, 1), 0.5, np.float32))
    np.testing.assert_array_equal(np.isfinite(density[:, 0]), [False, False, True])
    for likelihood in (Poisson(), NegativeBinomial()):
        distribution, scaling = bound(likelihood, COUNTS)
        x = np.array([[-1.0, 0.0, 1.0, 2.0]])
        density = log_density(distribution, single(scaling(x)), single(np.zeros((1, 4))))
        assert density[0, 0] == -np.inf
        assert np.isfinite(density[0, 1:]).all()


@pytest.mark.parametrize("rows", [np.full((3, 4), 1.01), np.full((3, 4), -0.5)])
def test_shares_must_lie_between_0_and_1(rows):
    with pytest.raises(ValueError, match=r"needs data in \[0, 1\], and these go from"):
        bound(Bernoulli(), rows, "none")


@pytest.mark.parametrize("scale", [0, -1.0, np.inf, np.nan, "both", True])
def test_a_scale_is_a_name_or_positive(scale):
    with pytest.raises(ValueError, match="expected 'shared', 'feature' or a positive number"):
        Gaussian(scale)


@pytest.mark.parametrize("likelihood", [None, "gaussian", Gaussian, 3])
def test_what_is_no_likelihood_is_refused(likelihood):
    model = isthmus.VariationalAutoencoder(1, likelihood=likelihood, widths=(4,), max_epochs=1)
    with pytest.raises(TypeError, match="expected a likelihood such as"):
        model.fit(NUMBERS)


@pytest.mark.parametrize(
    ("options", "rows", "message"),
    [
        ({"likelihood": Bernoulli(), "scaling": "standard"}, COUNTS % 2, "set scaling=None"),
        ({"likelihood": Bernoulli()}, COUNTS, r"data in \[0, 1\]"),
        ({"likelihood": Poisson()}, NUMBERS, "needs counts"),
    ],
)
def test_fit_refuses_data_that_the_likelihood_does_not_know(options, rows, message):
    model = isthmus.VariationalAutoencoder(1, widths=(4,), max_epochs=1, **options)
    with pytest.raises(ValueError, match=message):
        model.fit(rows)
    assert not hasattr(model, "network_")


@pytest.mark.parametrize(
    ("likelihood", "bad"),
    [(Poisson(), 2.5), (Poisson(), -4.0), (NegativeBinomial(), 0.5), (Bernoulli(), 7.0)],
)
def test_a_row_that_cannot_occur_is_named_wherever_it_is(likelihood, bad):
    """Among the rows to train on, of which all but the last are, or among those that are held out."""
    for row in range(0, 520, 40):
        rows = np.array(RNG.random((520, 3)) < 0.5, np.float64)
        rows[row, 1] = bad
        model = isthmus.VariationalAutoencoder(
            1, likelihood=likelihood, widths=(4,), max_epochs=1, random_state=0
        )
        with pytest.raises(ValueError, match=rf"row {row} |data in \[0, 1\]"):
            model.fit(rows)


def test_known_errors_need_gaussian_ones():
    model = isthmus.VariationalAutoencoder(1, likelihood=Poisson(), widths=(4,), max_epochs=1)
    with pytest.raises(ValueError, match="x_error with likelihood=Poisson"):
        model.fit(COUNTS, x_error=1.0)
