"""Likelihoods against SciPy's distributions, in the data's own units, with every constant."""

import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import isthmus
from isthmus.data.moments import column_statistics
from isthmus.data.scaling import Scaling
from isthmus.networks.links import SHARPNESS
from isthmus.variational import likelihoods
from isthmus.variational.likelihoods import (
    MOST_DISPERSION,
    Bernoulli,
    Gaussian,
    Known,
    NegativeBinomial,
    Poisson,
)

RNG = np.random.default_rng(0)
NUMBERS = RNG.normal([3.0, -200.0, 0.01, 5.0], [1.0, 30.0, 0.002, 5.0], (60, 4))
COUNTS = RNG.poisson(RNG.gamma(2.0, [1.0, 10.0, 0.2, 200.0], (60, 4)))
LEFT_OUT = np.array([0.2, 0.05, 0.5, 0.1])
SCALINGS = [None, "standard", "range"]
SIGMAS = 5
"""Standard errors allowed: chance exceeds five in one of two million comparisons."""


def bound(likelihood, rows, kind=None, left_out=LEFT_OUT):
    """The distribution that training begins with, and the scaling."""
    columns = column_statistics(rows)
    scaling = Scaling.none(rows.shape[1]) if kind == "none" else Scaling.fit(kind, rows, columns)
    return likelihood(Known(rows, scaling, columns, left_out)), scaling


def single(array):
    return jnp.asarray(array, jnp.float32)


# Compiled whole: operation by operation, each would be compiled for each shape of this file.


@eqx.filter_jit
def log_density(distribution, *arrays):
    return distribution.log_density(*arrays)


@eqx.filter_jit
def slope_of_density(distribution, u, output, *error):
    """The sum of the log-densities, and its slope in the output."""
    return jax.value_and_grad(lambda at: distribution.log_density(u, at, *error).sum())(output)


@eqx.filter_jit
def mean_and_variance(distribution, output):
    return distribution.mean(output), distribution.variance(output)


@eqx.filter_jit
def log_rate(distribution, output):
    return distribution.log_rate(output)


@eqx.filter_jit
def draws(distribution, key, output):
    return distribution.sample(key, output)


def outputs_at(means, scaling):
    """The output whose rate is nearly the mean, where the bend is not felt."""
    return single((means - scaling.center) / scaling.scale)


def learnt(distribution, scaling):
    """SciPy's distribution for the numbers that the module holds, given raw means (or shares)."""
    if isinstance(distribution, likelihoods.GaussianErrors):
        std = np.sqrt(np.asarray(distribution.own_variance, np.float64)) * scaling.scale
        return lambda mean: stats.norm(mean, std)
    if isinstance(distribution, likelihoods.Coins):
        return stats.bernoulli
    if isinstance(distribution, likelihoods.PoissonCounts):
        return stats.poisson
    theta = np.asarray(distribution.dispersion, np.float64)
    return lambda mean: stats.nbinom(theta, theta / (theta + mean))


def exact_mean(distribution, output, scaling):
    """The raw mean; a small rate next to a large center is rounded in scaled units."""
    if isinstance(distribution, likelihoods._Counts):
        return np.exp(np.asarray(log_rate(distribution, output), np.float64))
    return raw_mean(distribution, output, scaling)


def raw_mean(distribution, output, scaling):
    mean, _ = mean_and_variance(distribution, output)
    return np.asarray(mean, np.float64) * scaling.scale + scaling.center


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
    draw = eqx.filter_vmap(draws, in_axes=(None, 0, None))
    u = np.asarray(draw(distribution, jax.random.split(jax.random.key(0), n), output[:2]), np.float64)
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
        output = jnp.full_like(u, sign * size)
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
        assert jnp.shape(shared.own_variance) == ()
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
    found = distribution.log_density(single(scaling(NUMBERS)), output, single(error))
    std = np.sqrt(own + error**2) * scaling.scale
    np.testing.assert_allclose(found, stats.norm(scaling.center, std).logpdf(NUMBERS), rtol=1e-5)
    nothing = distribution.log_density(single(scaling(NUMBERS)), output, jnp.zeros(NUMBERS.shape))
    without = distribution.log_density(single(scaling(NUMBERS)), output)
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
        found = distribution.log_density(single(u), output)
        np.testing.assert_allclose(found, exact, rtol=1e-5)


@pytest.mark.parametrize("std", [1e-4, 1e-12, 1e-22, 1e-30])
def test_a_tiny_scatter_is_no_division_by_zero(std):
    """σ² is below the least number of single precision from 1e-19 on."""
    distribution = likelihoods.GaussianErrors(
        likelihoods.Constant(single(0.0)), likelihoods.Constant(single(2 * np.log(std))), 0.0
    )
    u = single(std * np.linspace(-5, 5, 11))
    exact = stats.norm(0, std).logpdf(np.asarray(u, np.float64))
    np.testing.assert_allclose(log_density(distribution, u, jnp.zeros(11)), exact, rtol=1e-5)
    error = single(np.full(11, 2 * std))
    exact = stats.norm(0, np.sqrt(5) * std).logpdf(np.asarray(u, np.float64))
    value, slope = slope_of_density(distribution, u, jnp.zeros(11), error)
    assert float(value) == pytest.approx(exact.sum(), rel=1e-5)
    np.testing.assert_allclose(slope, np.asarray(u, np.float64) / (5 * std) / std, rtol=1e-5)


def test_an_entry_with_a_huge_error_has_no_weight():
    distribution, _ = bound(Gaussian(), NUMBERS)

    def density(output, error):
        return log_density(distribution, single(np.ones(4)), output, jnp.full(4, error)).sum()

    for error in (1e9, 1e20, 1e37):
        value, slope = jax.value_and_grad(density)(jnp.full(4, 100.0), jnp.float32(error))
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


# Counts


def test_a_rate_is_the_output_but_for_a_bend_at_zero():
    distribution, scaling = bound(Poisson(), COUNTS)
    for times in (1.0, 3.0, 20.0):
        mean = times * COUNTS.mean(axis=0)
        # softplus(t) − t = log1p(e⁻ᵗ), here t = 4 × the multiple of the mean.
        rate = raw_mean(distribution, outputs_at(mean, scaling), scaling)
        np.testing.assert_allclose(
            rate, mean * (1 + np.log1p(np.exp(-4 * times)) / (4 * times)), rtol=1e-5
        )
    below = raw_mean(distribution, outputs_at(-3 * COUNTS.mean(axis=0), scaling), scaling)
    assert np.all(np.abs(below) < 1e-4 * scaling.scale)


@pytest.mark.parametrize("rate", [0.5, 30.0, 1e4, 1e6])
def test_densities_of_large_counts_do_not_cancel(rate):
    """log x! is 10⁷ where x is a million, and single precision would leave a nat of the density."""
    x = stats.poisson(rate).rvs((300, 1), random_state=0).astype(float)
    one = [likelihoods.Constant(single([value])) for value in (0.0, 1.0, 1e-3 * rate)]
    output = jnp.full(x.shape, rate, jnp.float32)
    found = log_density(likelihoods.PoissonCounts(*one), single(x), output)
    # √rate × the rounding of log rate.
    np.testing.assert_allclose(found, stats.poisson(rate).logpmf(x), atol=3e-6 * np.sqrt(rate) + 3e-6)
    for theta in (0.3, 10.0, 1e4):
        distribution = likelihoods.OverdispersedCounts(*one, single(np.log([theta])))
        exact = stats.nbinom(theta, theta / (theta + rate)).logpmf(x)
        # θ comes from its logarithm in single precision.
        np.testing.assert_allclose(
            log_density(distribution, single(x), output), exact, rtol=1e-5, atol=3e-6 * np.sqrt(rate)
        )


def exact_rate(distribution, scaling, output):
    """bend · softplus(raw output/bend) in double precision."""
    bend = np.asarray(distribution.bend.value, np.float64)
    raw = scaling.center + scaling.scale * np.asarray(output, np.float64)
    return bend * np.logaddexp(0, raw / bend)


@pytest.mark.parametrize("kind", [None, "standard"])
@pytest.mark.parametrize("spread", [0.0, 0.7])
@pytest.mark.parametrize("rate", [0.1, 5.0, 300.0, 1e5, 3e7, 1e9])
def test_densities_of_counts_are_scipys_at_every_size(rate, spread, kind):
    """Rows about one rate, and rows whose rates differ twofold; outputs at, near, and far from them."""
    rng = np.random.default_rng(0)
    rates = rate * np.exp(spread * rng.standard_normal((200, 3)))
    rows = rng.poisson(rates).astype(float)
    poisson, scaling = bound(Poisson(), rows, kind, np.full(3, 0.1))
    u = single(scaling(rows))
    # Rows and outputs are rounded to single precision. log p changes by log(mean/x) for each count of
    # the row, and by x/mean − 1 for each of the mean.
    rounding = 1.2e-7 * np.maximum(rows, scaling.center)
    for factor in (1.0, 1.001, 0.5, 3.0):
        output = single((factor * rates - scaling.center) / scaling.scale)
        mean = exact_rate(poisson, scaling, output)
        moved = rounding * (np.abs(np.log(mean / np.maximum(rows, 0.5))) + np.abs(rows / mean - 1))

        def check(distribution, exact, u=u, output=output, moved=moved):
            error = np.abs(np.asarray(log_density(distribution, u, output), np.float64) - exact)
            assert np.all(error <= 3e-5 * (1 + np.abs(exact)) + moved)

        check(poisson, stats.poisson(mean).logpmf(rows))
        for theta in (0.3, 100.0, 1e5, 1e10):
            log_theta = single(np.full(3, np.log(theta)))
            counts = likelihoods.OverdispersedCounts(
                poisson.center, poisson.units, poisson.bend, log_theta
            )
            own = np.asarray(counts.dispersion, np.float64)
            check(counts, stats.nbinom(own, own / (own + mean)).logpmf(rows))


@pytest.mark.parametrize("rate", [3.0, 900.0, 9e3, 2e4, 3e7, 1e9])
def test_draws_of_counts_follow_scipys_law_at_every_size(rate):
    n = 20_000
    rows = np.random.default_rng(0).poisson(rate, (500, 1)).astype(float)
    poisson, scaling = bound(Poisson(), rows, None, np.ones(1))
    output = jnp.zeros((n, 1))
    mean = exact_rate(poisson, scaling, output)[0, 0]
    laws = [(poisson, stats.poisson(mean))]
    for theta in (0.5, 500.0, 1e5, 1e9):
        log_theta = single([np.log(theta)])
        counts = likelihoods.OverdispersedCounts(poisson.center, poisson.units, poisson.bend, log_theta)
        laws.append((counts, stats.nbinom(theta, theta / (theta + mean))))
    for distribution, law in laws:
        u = np.asarray(draws(distribution, jax.random.key(1), output), np.float64)
        x = np.maximum(np.rint(u * scaling.scale + scaling.center)[:, 0], 0)
        assert abs(x.mean() - law.mean()) < SIGMAS * law.std() / np.sqrt(n)
        # The variance of squares is (κ + 2) σ⁴ with the excess κ of the law.
        excess = float(law.stats("k"))
        assert abs(x.var() / law.var() - 1) < SIGMAS * np.sqrt((excess + 2) / n)
        # Ties make a test of Kolmogorov & Smirnov too mild: an offset within each count makes it fair.
        v = np.random.default_rng(2).random(n)
        p = law.cdf(x - 1) + v * law.pmf(x)
        assert stats.kstest(p, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("likelihood", [Poisson(), NegativeBinomial()])
@pytest.mark.parametrize("rate", [1e4, 1e7, 1e9])
def test_a_model_of_large_counts_scatters_as_they_do(likelihood, rate):
    """Poisson counts about one rate: the model's law is theirs, and samples have their moments."""
    rows = np.random.default_rng(0).poisson(rate, (400, 4)).astype(float)
    options = {"widths": (), "max_epochs": 1, "learning_rate": 1e-12, "validation_fraction": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", isthmus.CollapseWarning)
        model = isthmus.VariationalAutoencoder(1, likelihood=likelihood, random_state=0, **options)
        model.fit(rows)
    n = 4000
    drawn = isthmus.sample(model, n, random_state=0)
    std = rows.std(axis=0)
    assert np.all(np.abs(drawn.mean(axis=0) - rows.mean(axis=0)) < SIGMAS * std / np.sqrt(n))
    # The coordinate adds the variance by which the first eigenvalue exceeds the others, a few per cent.
    assert np.all(np.abs(drawn.std(axis=0) / std - 1) < 0.15)
    found = isthmus.log_likelihood(model, rows, 50, random_state=0).mean()
    exact = stats.poisson(rows.mean(axis=0)).logpmf(rows).sum(axis=1).mean()
    assert found == pytest.approx(exact, abs=0.1)


def test_a_bend_moves_no_rate_by_more_than_a_small_part_of_its_scatter():
    for rate in (50.0, 1e4, 1e9):
        rows = np.random.default_rng(0).poisson(rate, (500, 2)).astype(float)
        distribution, scaling = bound(Poisson(), rows, None, np.ones(2))
        moved = raw_mean(distribution, single(scaling(rows)), scaling) - rows
        assert np.all(np.abs(moved) < 0.02 * np.sqrt(rate))


@pytest.mark.parametrize("likelihood", [Poisson(), NegativeBinomial()])
def test_gradients_of_rates_next_to_zero_are_finite(likelihood):
    """From where no rate is left in single precision to above zero; the slope is x/rate − 1."""
    distribution, scaling = bound(likelihood, COUNTS)
    bend = np.asarray(distribution.bend.value, np.float64)
    rows = single(scaling(COUNTS))
    slope_at = jax.jit(jax.grad(lambda output: log_density(distribution, rows, output).sum()))
    for t in np.linspace(-300, 20, 161):
        raw = t * bend
        output = single(np.broadcast_to((raw - scaling.center) / scaling.scale, COUNTS.shape))
        slope = slope_at(output)
        assert np.isfinite(slope).all()
        if isinstance(likelihood, Poisson) and t > -10:
            at = jnp.asarray(distribution._in_bends(output), jnp.float32)
            rate = np.asarray(bend * np.logaddexp(0, np.asarray(at, np.float64)))
            exact = (COUNTS / rate - 1) / (1 + np.exp(-np.asarray(at, np.float64))) * scaling.scale
            np.testing.assert_allclose(slope, exact, rtol=1e-3, atol=1e-3 * scaling.scale[0])


def test_probabilities_of_counts_sum_to_one():
    for likelihood in (Poisson(), NegativeBinomial()):
        distribution, scaling = bound(likelihood, COUNTS)
        x = np.arange(6000)[:, None] * np.ones(4)
        output = jnp.broadcast_to(outputs_at(COUNTS.mean(axis=0), scaling), x.shape)
        log_p = np.asarray(log_density(distribution, single(scaling(x)), output), np.float64)
        np.testing.assert_allclose(np.exp(log_p).sum(axis=0), 1, atol=1e-4)


def test_a_negative_binomial_of_great_dispersion_is_poisson():
    poisson, scaling = bound(Poisson(), COUNTS)
    output = outputs_at(COUNTS + 1.0, scaling)
    # log NB − log Poisson = ((x − λ)² − x)/2θ + O(θ⁻²).
    gap = ((COUNTS - np.exp(log_rate(poisson, output))) ** 2 - COUNTS) / (2 * MOST_DISPERSION)
    for log_dispersion in (np.log(MOST_DISPERSION), 30.0, 80.0):
        limit = likelihoods.OverdispersedCounts(
            poisson.center, poisson.units, poisson.bend, jnp.full(4, log_dispersion)
        )
        difference = log_density(limit, single(scaling(COUNTS)), output) - log_density(
            poisson, single(scaling(COUNTS)), output
        )
        np.testing.assert_allclose(difference, gap, rtol=0.1, atol=2e-4)


def test_dispersion_starts_where_it_explains_what_pca_leaves():
    distribution, scaling = bound(NegativeBinomial(), COUNTS, None, np.array([1.0, 1.0, 1.0, 5.0]))
    mean = COUNTS.mean(axis=0)
    variance = mean + mean**2 / np.asarray(distribution.dispersion)
    left_out = np.array([1.0, 1.0, 1.0, 5.0]) * scaling.scale**2
    # As long as there is more than Poisson's, and θ is not below a tenth.
    explained = (left_out > 1.01 * mean) & (mean**2 / (left_out - mean) > 0.1)
    assert explained.any()
    np.testing.assert_allclose(variance[explained], left_out[explained], rtol=1e-4)


# Data outside the support


def test_values_outside_the_support_have_no_density():
    coins, _ = bound(Bernoulli(), np.array([[0.0], [1.0]]), "none", LEFT_OUT[:1])
    density = log_density(coins, single([[-0.1], [1.1], [0.5]]), jnp.full((3, 1), 0.5))
    np.testing.assert_array_equal(np.isfinite(density[:, 0]), [False, False, True])
    for likelihood in (Poisson(), NegativeBinomial()):
        distribution, scaling = bound(likelihood, COUNTS)
        x = np.array([[-1.0, 0.0, 1.0, 2.0]])
        density = log_density(distribution, single(scaling(x)), single(np.zeros((1, 4))))
        assert density[0, 0] == -np.inf
        assert np.isfinite(density[0, 1:]).all()


@pytest.mark.parametrize("likelihood", [Poisson(), NegativeBinomial()])
@pytest.mark.parametrize("value", [-1.0, 2.5])
def test_counts_are_checked_and_the_first_that_is_none_is_named(likelihood, value):
    rows = COUNTS.astype(float)
    rows[0, 0] = np.nan
    bound(likelihood, rows)
    rows[17, 2] = value
    with pytest.raises(ValueError, match=rf"column 2 in row 17 is {value:g}"):
        bound(likelihood, rows)


def test_integers_booleans_and_half_precision_are_counts():
    for dtype in (np.uint8, bool, np.float16, np.int64):
        rows = (COUNTS % 2).astype(dtype)
        expected, _ = bound(Poisson(), rows.astype(float))
        found, _ = bound(Poisson(), rows)
        np.testing.assert_allclose(found.center.value, expected.center.value, rtol=1e-6)


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
