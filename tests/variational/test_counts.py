"""Distributions of counts against SciPy's, from rates next to zero to a billion."""

import warnings

import jax
import numpy as np
import pytest
from scipy import stats

import isthmus
from isthmus.networks.layers import single
from isthmus.variational import count_likelihoods as likelihoods
from isthmus.variational.count_likelihoods import MOST_DISPERSION, NegativeBinomial, Poisson
from variational.distributions import COUNTS, SIGMAS, bound, draws, log_density, log_rate, raw_mean


def outputs_at(means, scaling):
    """The output whose rate is nearly the mean, where the bend is not felt."""
    return single((means - scaling.center) / scaling.scale)


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
    output = np.full(x.shape, rate, np.float32)
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
    output = np.zeros((n, 1), np.float32)
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
            at = np.asarray(distribution._in_bends(output), np.float64)
            rate = bend * np.logaddexp(0, at)
            exact = (COUNTS / rate - 1) / (1 + np.exp(-at)) * scaling.scale
            np.testing.assert_allclose(slope, exact, rtol=1e-3, atol=1e-3 * scaling.scale[0])


def test_probabilities_of_counts_sum_to_one():
    for likelihood in (Poisson(), NegativeBinomial()):
        distribution, scaling = bound(likelihood, COUNTS)
        x = np.arange(6000)[:, None] * np.ones(4)
        output = np.broadcast_to(outputs_at(COUNTS.mean(axis=0), scaling), x.shape)
        log_p = np.asarray(log_density(distribution, single(scaling(x)), output), np.float64)
        np.testing.assert_allclose(np.exp(log_p).sum(axis=0), 1, atol=1e-4)


def test_a_negative_binomial_of_great_dispersion_is_poisson():
    poisson, scaling = bound(Poisson(), COUNTS)
    output = outputs_at(COUNTS + 1.0, scaling)
    # log NB − log Poisson = ((x − λ)² − x)/2θ + O(θ⁻²).
    gap = ((COUNTS - np.exp(log_rate(poisson, output))) ** 2 - COUNTS) / (2 * MOST_DISPERSION)
    for log_dispersion in (np.log(MOST_DISPERSION), 30.0, 80.0):
        limit = likelihoods.OverdispersedCounts(
            poisson.center, poisson.units, poisson.bend, single(np.full(4, log_dispersion))
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


@pytest.mark.parametrize("likelihood", [Poisson(), NegativeBinomial()])
@pytest.mark.parametrize("size", [100.0, 3e7])
def test_counts_of_zero_beside_large_ones_can_occur(likelihood, size):
    """Of 300 rows folds are held out, whose counts are centred otherwise than those of all rows."""
    rng = np.random.default_rng(0)
    rows = np.floor(size * np.exp(0.5 * rng.standard_normal((300, 1)) + 0.5 * rng.normal(size=(300, 4))))
    rows[rng.random(rows.shape) < 0.1] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = isthmus.VariationalAutoencoder(1, likelihood=likelihood, widths=(4,), max_epochs=2)
        model.set_params(random_state=0).fit(rows)
    assert np.isfinite(model.validation_loss_)
    assert np.isfinite(model.score(rows))


def test_the_density_of_zero_in_a_column_of_large_counts_is_scipys():
    """In single precision 0 − 10⁹ + 10⁹ may be 64 or −64: 150 nats, or what cannot occur."""
    rng = np.random.default_rng(0)
    for mean in rng.uniform(0.5e9, 2e9, 20):
        rows = rng.poisson(mean, (50, 1)).astype(float)
        rows[:2, 0] = 0, 2 * mean // 1
        p, scaling = bound(NegativeBinomial(), rows, left_out=np.ones(1))
        output = np.zeros((1, 1), np.float32)
        rate, theta = float(p.rate(output)[0, 0]), float(p.dispersion[0])
        expected = theta * np.log(theta / (theta + rate))
        found = float(log_density(p, scaling(rows[:1]), output)[0, 0])
        assert found == pytest.approx(expected, rel=1e-3)
