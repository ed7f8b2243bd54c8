"""What a variational auto-encoder knows, against closed forms for linear maps and quadrature for others.

A linear decoder with Gaussian errors is N(m, WWᵀ + σ²), W, m and σ² known in closed form: every
question has an exact answer.
"""

import copy
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from scipy import stats
from scipy.special import logsumexp
from sklearn.linear_model import LinearRegression

import isthmus
from isthmus.variational import inference
from isthmus.variational.likelihoods import Bernoulli, Gaussian, Poisson
from isthmus.variational.priors import Mixture, StandardNormal, Uniform

SIGMAS = 5
"""Standard errors allowed: chance exceeds five in one of two million comparisons."""

LINEAR = {
    "widths": (),
    "max_epochs": 1,
    "learning_rate": 1e-12,
    "validation_fraction": 0.0,
    "random_state": 0,
}
"""Training that moves nothing: the model is probabilistic PCA."""


def plane(n=400, D=5, seed=0):
    rng = np.random.default_rng(seed)
    loadings = np.random.default_rng(7).normal(size=(D, 2)) * [2.0, 1.0]
    return rng.standard_normal((n, 2)) @ loadings.T + np.arange(D) + 0.5 * rng.standard_normal((n, D))


X = plane()
HOLES = np.where(np.random.default_rng(1).random(X.shape) < 0.3, np.nan, X)
HOLES[0] = np.nan


class PPCA:
    """N(m, WWᵀ + σ²) by Tipping & Bishop's formulas, from the covariance of complete rows."""

    def __init__(self, rows, d):
        variances, axes = np.linalg.eigh(np.cov(rows.T))
        variances, axes = variances[::-1], axes[:, ::-1]
        self.mean, self.noise = rows.mean(axis=0), variances[d:].mean()
        self.loadings = axes[:, :d] * np.sqrt(variances[:d] - self.noise)
        self.covariance = self.loadings @ self.loadings.T + self.noise * np.eye(len(self.mean))

    def logpdf(self, rows):
        """Of what is known of each row."""
        out = np.zeros(len(rows))
        for i, row in enumerate(rows):
            k = ~np.isnan(row)
            if k.any():
                law = stats.multivariate_normal(self.mean[k], self.covariance[np.ix_(k, k)])
                out[i] = law.logpdf(row[k])
        return out

    def posterior(self, row):
        k = ~np.isnan(row)
        loadings = self.loadings[k]
        covariance = np.linalg.inv(np.eye(loadings.shape[1]) + loadings.T @ loadings / self.noise)
        return covariance @ loadings.T @ (row[k] - self.mean[k]) / self.noise, covariance

    def complete(self, row):
        """Mean and standard deviation of each entry given the known ones."""
        z, covariance = self.posterior(row)
        variance = np.diag(self.loadings @ covariance @ self.loadings.T) + self.noise
        known = ~np.isnan(row)
        return np.where(known, row, self.mean + self.loadings @ z), np.where(known, 0, variance**0.5)


@pytest.fixture(scope="module")
def linear():
    return isthmus.VariationalAutoencoder(2, **LINEAR).fit(X)


@pytest.fixture(scope="module")
def truth():
    return PPCA(X, 2)


@pytest.fixture(scope="module")
def crude():
    """Its posterior is that of β = 1.5, so that draws from it need their weights."""
    return isthmus.VariationalAutoencoder(2, beta=1.5, **LINEAR).fit(X)


def law_of(model):
    """The Gaussian law of a linear model, from its decoder: for β ≠ 1 it is not the data's own."""
    law = PPCA.__new__(PPCA)
    d = model.n_components_
    law.mean = model.inverse_transform(np.zeros((1, d)))[0]
    law.loadings = (model.inverse_transform(np.eye(d)) - law.mean).T
    variance = float(np.ravel(model.network_.pair.likelihood.own_variance)[0])
    law.noise = variance * model.scaling_.scale[0] ** 2
    law.covariance = law.loadings @ law.loadings.T + law.noise * np.eye(len(law.mean))
    return law


def curve(n=300):
    rng = np.random.default_rng(0)
    t = rng.uniform(-1.5, 1.5, n)
    return np.stack([t, t**2, np.sin(2 * t)], axis=1) + 0.1 * rng.standard_normal((n, 3))


@pytest.fixture(scope="module")
def bent():
    """One coordinate, three features, and nothing about it linear.

    It is not trained to the end: the better it fits, the narrower are the two parts of a posterior that
    knows only some entries, and q has one part.
    """
    return isthmus.VariationalAutoencoder(
        1, widths=(16,), activation="tanh", max_epochs=150, learning_rate=2e-3, random_state=0
    ).fit(curve())


def by_quadrature(model, rows, weigh=None):
    """log ∫ p(x | z) N(z; 0, 1) dz over the known entries, and the posterior mean of ``weigh(z)``."""
    z = np.linspace(-8, 8, 4001)[:, None]
    means = model.inverse_transform(z)
    noise = float(model.network_.pair.likelihood.own_variance) ** 0.5 * model.scaling_.scale
    each = stats.norm(means[None], noise).logpdf(rows[:, None])
    joint = np.nansum(each, axis=-1) + stats.norm.logpdf(z[:, 0])
    total = logsumexp(joint, axis=1) + np.log(z[1, 0] - z[0, 0])
    if weigh is None:
        return total
    return np.exp(joint - logsumexp(joint, axis=1, keepdims=True)) @ weigh(z, means, noise)


# log_likelihood


@pytest.mark.parametrize("n_samples", [1, 7, 10, 200])
def test_the_likelihood_of_a_linear_model_is_exact_with_any_number_of_draws(linear, truth, n_samples):
    """q is the posterior, so p(x | z) p(z)/q(z | x) is p(x) at every z: only rounding is left."""
    found = isthmus.log_likelihood(linear, X, n_samples, random_state=0)
    np.testing.assert_allclose(found, truth.logpdf(X), atol=3e-4)


def test_the_likelihood_sharpens_with_the_number_of_draws(crude):
    """Burda et al.: a bound at every number, in expectation, that rises to the likelihood."""
    exact = law_of(crude).logpdf(X)
    errors = {k: isthmus.log_likelihood(crude, X, k, 0) - exact for k in (1, 10, 100, 2000)}
    spread = [np.sqrt(np.mean(errors[k] ** 2)) for k in errors]
    assert spread == sorted(spread, reverse=True)
    assert spread[-1] < 0.02 < 0.3 < spread[0]
    bias = [errors[k].mean() for k in errors]
    assert bias[0] < bias[1] < bias[2] < 1e-3
    # Rows at which q is far too wide or narrow are few: the bias falls as 1/k.
    assert abs(bias[2]) < 0.1 * abs(bias[0])


def test_missing_entries_are_integrated_out(linear, truth):
    found = isthmus.log_likelihood(linear, HOLES, 2000, random_state=0)
    exact = truth.logpdf(HOLES)
    assert exact[0] == 0  # nothing known is known for certain
    # The encoder's q has no correlation, the posterior has some: an error of weights/√2000.
    np.testing.assert_allclose(found, exact, atol=0.15)
    assert abs(np.mean(found - exact)) < 0.01


def test_the_likelihood_of_a_bent_model_is_that_of_quadrature(bent):
    rows = np.vstack([curve(40), [[0.0, 3.0, 0.0]]])
    exact = by_quadrature(bent, rows)
    found = isthmus.log_likelihood(bent, rows, 5000, random_state=0)
    np.testing.assert_allclose(found[:-1], exact[:-1], atol=0.1)
    assert abs(np.mean(found - exact)) < 0.02
    # An observation fewer.
    rows[:, 2] = np.nan
    found = isthmus.log_likelihood(bent, rows, 5000, random_state=0)
    assert abs(np.mean(found - by_quadrature(bent, rows))) < 0.05


def test_the_likelihood_of_counts_is_that_of_quadrature():
    rng = np.random.default_rng(0)
    rates = np.exp(0.8 * rng.standard_normal((300, 1)) + [1.0, 2.0, 3.0])
    counts = rng.poisson(rates)
    model = isthmus.VariationalAutoencoder(1, likelihood=Poisson(), **LINEAR).fit(counts)
    z = np.linspace(-8, 8, 4001)[:, None]
    # Rates next to zero would be rounded in raw units.
    inner = model.network_.frame.leave(z.astype(np.float32))
    log_rate = np.asarray(model.network_.pair.likelihood.log_rate(model.network_.pair.decoder(inner)))
    rate = np.exp(log_rate.astype(float))
    joint = stats.poisson(rate[None]).logpmf(counts[:50, None]).sum(axis=-1) + stats.norm.logpdf(z[:, 0])
    exact = logsumexp(joint, axis=1) + np.log(z[1, 0] - z[0, 0])
    found = isthmus.log_likelihood(model, counts[:50], 5000, random_state=0)
    assert abs(np.mean(found - exact)) < 0.05


def test_a_likelihood_is_in_the_datas_units(linear):
    metres = isthmus.log_likelihood(linear, X, 10, 0)
    options = LINEAR | {"scaling": "standard"}
    for factor in (1e-3, 1e4):
        model = isthmus.VariationalAutoencoder(2, **LINEAR).fit(factor * X)
        moved = isthmus.log_likelihood(model, factor * X, 10, 0)
        # p dx is the same: the density of D entries falls by the factor each.
        np.testing.assert_allclose(moved, metres - X.shape[1] * np.log(factor), atol=1e-2)
    standard = isthmus.VariationalAutoencoder(2, **options).fit(X)
    scaled = PPCA(X / X.std(axis=0, ddof=1), 2)
    exact = scaled.logpdf(X / X.std(axis=0, ddof=1)) - np.log(X.std(axis=0, ddof=1)).sum()
    np.testing.assert_allclose(isthmus.log_likelihood(standard, X, 10, 0), exact, atol=2e-3)


def test_the_score_is_the_mean_bound_and_the_likelihood_where_the_map_is_linear(linear, truth, crude):
    exact = truth.logpdf(X)
    # log p(x | z) of a draw scatters by about a nat, and ``score`` takes 32 per row.
    assert linear.score(X) == pytest.approx(exact.mean(), abs=SIGMAS / np.sqrt(32 * len(X)))
    assert linear.score(X) == linear.score(X)
    # Where q is not the posterior the bound is below.
    assert crude.score(X) < isthmus.log_likelihood(crude, X, 1000, 0).mean() - 0.05


# impute


def test_imputed_entries_are_the_conditional_mean_and_its_spread(linear, truth):
    rows, std = isthmus.impute(linear, HOLES, n_samples=20_000, random_state=0)
    exact = [truth.complete(row) for row in HOLES]
    missing = np.isnan(HOLES)
    expected = np.array([mean for mean, _ in exact])[missing]
    spread = np.array([spread for _, spread in exact])[missing]
    # Of 600 entries; weights cost some of the 20 000 draws.
    assert np.all(np.abs(rows[missing] - expected) < 0.06 * spread)
    np.testing.assert_allclose(std[missing], spread, rtol=0.08)


def test_what_is_known_stays_as_it_is(linear):
    rows, std = isthmus.impute(linear, HOLES, n_samples=10, random_state=0)
    known = ~np.isnan(HOLES)
    np.testing.assert_array_equal(rows[known], HOLES[known])
    assert np.all(std[known] == 0)
    assert np.all(std[~known] > 0)
    assert np.isfinite(rows).all()
    whole, nothing = isthmus.impute(linear, X)
    np.testing.assert_array_equal(whole, X)
    assert not nothing.any()


def test_a_row_of_which_nothing_is_known_is_the_models_mean(linear, truth):
    rows, std = isthmus.impute(linear, np.full((1, 5), np.nan), n_samples=20_000, random_state=0)
    spread = np.sqrt(np.diag(truth.covariance))
    np.testing.assert_allclose(rows[0], truth.mean, atol=SIGMAS * spread.max() / np.sqrt(20_000))
    np.testing.assert_allclose(std[0], spread, rtol=0.03)


def test_imputation_by_a_bent_model_is_that_of_quadrature(bent):
    rows = curve(30)
    rows[:, 1] = np.nan
    found, std = isthmus.impute(bent, rows, n_samples=5000, random_state=0)
    mean = by_quadrature(bent, rows, lambda z, means, noise: means[:, 1])
    square = by_quadrature(bent, rows, lambda z, means, noise: means[:, 1] ** 2 + noise[1] ** 2)
    spread = np.sqrt(square - mean**2)
    np.testing.assert_allclose(found[:, 1], mean, atol=0.15 * spread.max())
    np.testing.assert_allclose(std[:, 1], spread, rtol=0.25)


def test_a_small_spread_far_from_zero_is_not_lost():
    """σ = 10⁻⁴ next to a mean of 30 spreads: a difference of squares would leave nothing in float32."""
    rng = np.random.default_rng(0)
    t = rng.standard_normal((500, 1))
    t[0] = 30.0
    rows = t * [1.0, 2.0, -1.0] + 1e-4 * rng.standard_normal((500, 3))
    model = isthmus.VariationalAutoencoder(1, likelihood=Gaussian(1e-4), **LINEAR).fit(rows)
    exact = law_of(model).complete(np.array([*rows[0, :2], np.nan]))
    _, std = isthmus.impute(model, np.array([[*rows[0, :2], np.nan]]), 1000, random_state=0)
    assert std[0, 2] == pytest.approx(exact[1][2], rel=0.1)


def test_a_row_beyond_single_precision_is_still_completed(linear):
    far = np.array([[1e25, np.nan, 1.0, 1.0, 1.0], [1.0, np.nan, 1.0, 1.0, 1.0]])
    rows, std = isthmus.impute(linear, far, n_samples=50, random_state=0)
    assert np.isfinite(rows).all()
    assert np.isfinite(std).all()
    assert isthmus.log_likelihood(linear, far[:1], 5)[0] < -1e29


# posterior


def test_the_posterior_is_that_of_probabilistic_pca(linear, truth):
    rows = HOLES[:100]
    mean, std = isthmus.posterior(linear, rows)
    np.testing.assert_allclose(mean, linear.transform(rows), atol=1e-5)
    exact = [truth.posterior(row) for row in rows]
    signs = np.sign(np.sum(mean * [z for z, _ in exact], axis=0))
    np.testing.assert_allclose(mean * signs, [z for z, _ in exact], atol=1e-3)
    np.testing.assert_allclose(std, [np.diag(c) ** 0.5 for _, c in exact], rtol=1e-3)


def test_less_is_known_of_a_row_of_which_less_is_seen(linear):
    rows = X[:50].copy()
    before = isthmus.posterior(linear, rows).std
    for column in (3, 0, 4, 1, 2):
        rows[:, column] = np.nan
        after = isthmus.posterior(linear, rows).std
        assert np.all(after >= before * (1 - 1e-6))
        before = after
    np.testing.assert_allclose(before, 1, rtol=1e-3)  # the prior's


def test_idle_coordinates_are_the_priors():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((300, 1)) * np.arange(1, 6) + 0.3 * rng.standard_normal((300, 5))
    with pytest.warns(isthmus.CollapseWarning, match="number 1, 2"):
        model = isthmus.VariationalAutoencoder(3, likelihood=Gaussian(0.5), **LINEAR).fit(rows)
    assert model.active_.tolist() == [True, False, False]
    mean, std = isthmus.posterior(model, rows)
    np.testing.assert_allclose(mean[:, 1:], 0, atol=0.1)
    np.testing.assert_allclose(std[:, 1:], 1, rtol=0.01)
    exact = law_of(model).logpdf(rows)
    np.testing.assert_allclose(isthmus.log_likelihood(model, rows, 50, 0), exact, atol=0.05)


def test_draws_of_the_posterior_have_its_moments(linear):
    n = 20_000
    mean, std = isthmus.posterior(linear, HOLES[:3])
    Z = isthmus.sample_posterior(linear, HOLES[:3], n, random_state=0)
    assert Z.shape == (3, n, 2)
    assert np.all(np.abs(Z.mean(axis=1) - mean) < SIGMAS * std / np.sqrt(n))
    assert np.all(np.abs(Z.std(axis=1) / std - 1) < SIGMAS / np.sqrt(2 * n))


# sample


def test_samples_have_the_mean_and_covariance_of_the_model(linear, truth):
    n = 40_000
    rows = isthmus.sample(linear, n, random_state=0)
    spread = np.sqrt(np.diag(truth.covariance))
    assert np.all(np.abs(rows.mean(axis=0) - truth.mean) < SIGMAS * spread / np.sqrt(n))
    # Var of a sample covariance is (Σᵢⱼ² + Σᵢᵢ Σⱼⱼ)/n.
    error = np.sqrt((truth.covariance**2 + np.outer(spread, spread) ** 2) / n)
    assert np.all(np.abs(np.cov(rows.T) - truth.covariance) < SIGMAS * error)


@pytest.mark.parametrize("prior", [StandardNormal(), Uniform(), Mixture(3)], ids=repr)
def test_noise_of_a_sample_is_independent_of_its_place(prior):
    """Draws of z and of x given z may share no random numbers, at whatever lag."""
    model = isthmus.VariationalAutoencoder(2, prior=prior, **LINEAR).fit(X)
    n = 4000
    z = isthmus.sample_prior(model, n, random_state=5)
    noise = (isthmus.sample(model, n, random_state=5) - model.inverse_transform(z)).ravel()
    for k in (0, 1):
        for other in (noise[: 2 * n : 2], noise[1 : 2 * n : 2], noise[k::5], noise[:n]):
            assert abs(np.corrcoef(z[:, k], other)[0, 1]) < SIGMAS / np.sqrt(n)
    assert abs(np.corrcoef(z.ravel(), noise[: 2 * n])[0, 1]) < SIGMAS / np.sqrt(2 * n)
    # And there is as much of it as the likelihood says.
    law = law_of(model)
    assert np.std(noise) == pytest.approx(law.noise**0.5, rel=SIGMAS / np.sqrt(2 * len(noise)))


def test_blocks_of_a_sample_differ(linear, monkeypatch):
    monkeypatch.setattr("isthmus.networks.applying.BLOCK_ELEMENTS", 512)
    rows = isthmus.sample(linear, 1000, random_state=0)
    noise = rows - linear.inverse_transform(isthmus.sample_prior(linear, 1000, random_state=0))
    assert len(np.unique(np.round(noise[:, 0], 9))) == 1000


def test_sampled_counts_are_whole_numbers():
    counts = np.random.default_rng(0).poisson([3.0, 50.0, 1000.0], (200, 3))
    with pytest.warns(isthmus.CollapseWarning):
        model = isthmus.VariationalAutoencoder(1, likelihood=Poisson(), beta=5.0, **LINEAR).fit(counts)
    rows = isthmus.sample(model, 500, random_state=0)
    np.testing.assert_array_equal(rows, np.rint(rows))
    assert rows.min() >= 0


def test_a_seed_gives_the_same_numbers_and_another_gives_others(crude):
    for draw in (
        lambda seed: isthmus.sample(crude, 20, random_state=seed),
        lambda seed: isthmus.sample_prior(crude, 20, random_state=seed),
        lambda seed: isthmus.sample_posterior(crude, X[:5], 3, random_state=seed),
        lambda seed: isthmus.log_likelihood(crude, X[:5], 3, random_state=seed),
        lambda seed: isthmus.impute(crude, HOLES[:5], 3, random_state=seed).rows,
    ):
        np.testing.assert_array_equal(draw(3), draw(3))
        np.testing.assert_array_equal(draw(np.random.RandomState(3)), draw(np.random.RandomState(3)))
        assert not np.array_equal(draw(3), draw(4))


@pytest.mark.parametrize("n", [0, -1, 2.5, True])
def test_numbers_of_draws_are_positive_integers(linear, n):
    for draw in (
        lambda: isthmus.sample(linear, n),
        lambda: isthmus.sample_prior(linear, n),
        lambda: isthmus.sample_posterior(linear, X, n),
        lambda: isthmus.log_likelihood(linear, X, n),
        lambda: isthmus.impute(linear, HOLES, n),
    ):
        with pytest.raises(ValueError, match="expected an integer of at least 1"):
            draw()


# What else may come


def test_other_maps_are_refused():
    model = isthmus.LinearAutoencoder(2).fit(X)
    for ask in (isthmus.posterior, isthmus.impute, isthmus.log_likelihood):
        with pytest.raises(TypeError, match="expected a fitted VariationalAutoencoder, got Linear"):
            ask(model, X)
    with pytest.raises(TypeError, match="got LinearRegression"):
        isthmus.sample(LinearRegression().fit(X, X), 3)


def test_rows_may_come_one_at_a_time_in_a_table_or_sparse(linear):
    mean, std = isthmus.posterior(linear, HOLES[:20])
    for i in (0, 7):
        alone = isthmus.posterior(linear, HOLES[i : i + 1])
        np.testing.assert_allclose(alone.mean[0], mean[i], atol=1e-5)
        np.testing.assert_allclose(alone.std[0], std[i], rtol=1e-5)
    sparse = scipy.sparse.csr_matrix(np.where(np.abs(X) < 0.7, 0.0, X))
    for ask in (
        lambda rows: isthmus.impute(linear, rows).rows,
        lambda r: isthmus.posterior(linear, r).mean,
    ):
        np.testing.assert_array_equal(ask(sparse), ask(sparse.toarray()))
    holes = sparse.copy()
    holes.data[::7] = np.nan
    found = isthmus.impute(linear, holes, 10, random_state=0)
    expected = isthmus.impute(linear, holes.toarray(), 10, random_state=0)
    np.testing.assert_array_equal(found.rows, expected.rows)


def test_columns_keep_their_names():
    frame = pd.DataFrame(HOLES, columns=list("abcde"))
    model = isthmus.VariationalAutoencoder(2, **LINEAR).fit(frame)
    rows, _ = isthmus.impute(model, frame, 10, random_state=0)
    np.testing.assert_array_equal(rows, isthmus.impute(model, frame, 10, random_state=0).rows)
    for ask in (isthmus.posterior, isthmus.impute, isthmus.log_likelihood):
        with pytest.raises(ValueError, match="in the same order"):
            ask(model, frame[list("edcba")])


def test_a_column_that_is_filled_too_widely_is_named_beside_angles_and_categories():
    """These are several numbers each: the columns that are judged are not those of the frame."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((300, 2)), columns=["v", "w"])
    frame["w"] *= 1e-3
    frame.insert(0, "phi", 360 * rng.random(300))
    frame.insert(0, "kind", rng.choice(["a", "b", "c"], 300))
    frame.loc[::4, "w"] = np.nan
    model = isthmus.VariationalAutoencoder(2, periodic={"phi": 360}, categorical=["kind"], **LINEAR)
    with pytest.warns(isthmus.UnequalScalesWarning, match="scaling='standard'"):
        model.fit(frame)
    with pytest.warns(isthmus.UnequalScalesWarning, match="^w is filled with a standard deviation"):
        isthmus.impute(model, frame, 10, random_state=0)


def test_a_block_of_rows_needs_no_memory_for_all_draws(linear, monkeypatch):
    sizes = []
    original = inference._log_likelihood
    monkeypatch.setattr(
        inference,
        "_log_likelihood",
        lambda pair, u, *rest: sizes.append(len(u)) or original(pair, u, *rest),
    )
    isthmus.log_likelihood(linear, np.tile(X, (300, 1))[:100_000], 1)
    # Ten draws of the widest of D and the layers, as many numbers as map_rows gives a block.
    assert max(sizes) * 10 * 5 <= 2**22


# x_error


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
def test_entries_with_a_large_error_hardly_move_the_fit():
    """One row in twenty has an entry replaced by nonsense, and says so."""
    rng = np.random.default_rng(0)
    clean, spoilt, error = plane(600), plane(600), np.zeros((600, 5))
    where = np.arange(30), rng.integers(5, size=30)
    spoilt[where] += 8 * rng.standard_normal(30)
    error[where] = 1e3
    model = isthmus.VariationalAutoencoder(
        2, widths=(), max_epochs=150, input_noise=0.0, random_state=0
    ).fit(spoilt, x_error=error)
    fresh = plane(2000, seed=3)
    best, told, untold = (
        law.logpdf(fresh).mean() for law in (PPCA(clean, 2), law_of(model), PPCA(spoilt, 2))
    )
    assert untold < told - 0.3
    # 0.02 nats are the size of what 600 rows leave open of the five means alone.
    assert best - told < 0.02


ERRORS = np.random.default_rng(2).choice([0.0, 0.1, 1.0, 10.0], X.shape) * np.ones(X.shape)


def noisy_law(truth, errors):
    """The same law, with errors of each entry of one row: N(m, WWᵀ + σ² + diag e²)."""
    law = PPCA.__new__(PPCA)
    law.mean, law.loadings = truth.mean, truth.loadings
    law.noise = truth.noise + np.square(errors)
    law.covariance = law.loadings @ law.loadings.T + np.diag(law.noise)
    return law


def noisy_posterior(truth, row, errors):
    """Mean and covariance of z given the entries that are known, each to its own error."""
    k = ~np.isnan(row)
    W, precision = truth.loadings[k], 1 / (truth.noise + np.square(errors[k]))
    covariance = np.linalg.inv(np.eye(W.shape[1]) + (W.T * precision) @ W)
    return covariance @ (W.T * precision) @ (row[k] - truth.mean[k]), covariance


@pytest.mark.parametrize("rows", [X, HOLES], ids=["complete", "incomplete"])
def test_the_posterior_of_uncertain_entries_is_the_closed_form(linear, truth, rows):
    mean, std = isthmus.posterior(linear, rows, x_error=ERRORS)
    exact = [noisy_posterior(truth, *each) for each in zip(rows, ERRORS, strict=True)]
    means = np.array([z for z, _ in exact])
    signs = np.sign(np.sum(mean * means, axis=0))
    np.testing.assert_allclose(mean * signs, means, atol=2e-3)
    np.testing.assert_allclose(std, [np.diag(c) ** 0.5 for _, c in exact], rtol=2e-3)
    np.testing.assert_allclose(linear.transform(rows, x_error=ERRORS), mean, atol=1e-6)
    draws = isthmus.sample_posterior(linear, rows[:3], 20_000, random_state=0, x_error=ERRORS[:3])
    assert np.all(np.abs(draws.mean(axis=1) - mean[:3]) < SIGMAS * std[:3] / np.sqrt(20_000))
    np.testing.assert_allclose(draws.std(axis=1), std[:3], rtol=SIGMAS / np.sqrt(2 * 20_000))


def test_the_likelihood_of_uncertain_entries_is_the_closed_form(linear, truth):
    rows, errors = HOLES[:100], ERRORS[:100]
    exact = np.array(
        [noisy_law(truth, e).logpdf(row[None])[0] for row, e in zip(rows, errors, strict=True)]
    )
    found = isthmus.log_likelihood(linear, rows, 5000, random_state=0, x_error=errors)
    # The encoder's q has no correlation, the posterior has some: an error of weights/√5000.
    np.testing.assert_allclose(found, exact, atol=0.15)
    assert abs(np.mean(found - exact)) < 0.01
    untold = isthmus.log_likelihood(linear, rows, 100, random_state=0)
    assert np.abs(untold - exact).max() > 1
    # The bound is below the likelihood, by the divergence of q from the posterior; with equal errors of
    # all entries axes stay orthogonal, and it is the likelihood itself.
    assert linear.score(rows, x_error=errors) < exact.mean() + 0.1
    equal = np.array([noisy_law(truth, np.full(5, 0.3)).logpdf(row[None])[0] for row in X])
    assert linear.score(X, x_error=0.3) == pytest.approx(equal.mean(), abs=SIGMAS / np.sqrt(32 * len(X)))


def test_what_is_imputed_next_to_uncertain_entries_is_the_closed_form(linear, truth):
    some = np.flatnonzero(np.isnan(HOLES).any(axis=1))[:60]
    holes, errors = HOLES[some], ERRORS[some]
    rows, std = isthmus.impute(linear, holes, 20_000, random_state=0, x_error=errors)
    missing = np.isnan(holes)
    for i, (row, error) in enumerate(zip(holes, errors, strict=True)):
        z, covariance = noisy_posterior(truth, row, error)
        W = truth.loadings[missing[i]]
        spread = np.sqrt(np.diag(W @ covariance @ W.T) + truth.noise)
        expected = truth.mean[missing[i]] + W @ z
        assert np.all(np.abs(rows[i, missing[i]] - expected) < 0.06 * spread)
        np.testing.assert_allclose(std[i, missing[i]], spread, rtol=0.08)
    # What is known stays as it is, to its own error.
    np.testing.assert_array_equal(rows[~missing], holes[~missing])
    np.testing.assert_array_equal(std[~missing], errors[~missing])


def test_no_error_is_no_error_and_an_infinite_one_is_a_missing_entry(linear):
    none, huge = np.zeros(X.shape), np.where(np.isnan(HOLES), 1e30, 0.0)
    for ask in (
        lambda rows, e: isthmus.posterior(linear, rows, x_error=e).std,
        lambda rows, e: linear.transform(rows, x_error=e),
        lambda rows, e: isthmus.posterior(linear, rows, x_error=e).mean,
    ):
        np.testing.assert_allclose(ask(X, none), ask(X, None), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(ask(X, huge), ask(HOLES, None), rtol=1e-4, atol=1e-4)
    assert linear.score(X, x_error=none) == pytest.approx(linear.score(X), rel=1e-5)


def test_errors_of_a_feature_of_all_entries_and_of_a_table_are_spread_out(linear):
    table = np.full(X.shape, 0.3)
    columns = pd.DataFrame(table, columns=list("abcde"))
    expected = linear.transform(X, x_error=table)
    for errors in (0.3, np.full(5, 0.3), columns):
        np.testing.assert_array_equal(linear.transform(X, x_error=errors), expected)
    sparse = scipy.sparse.csr_matrix(X)
    np.testing.assert_allclose(linear.transform(sparse, x_error=0.3), expected, atol=1e-6)
    again = isthmus.VariationalAutoencoder(2, **LINEAR)
    together = again.fit_transform(X, x_error=table)
    np.testing.assert_array_equal(together, again.transform(X, x_error=table))
    framed = again.set_output(transform="pandas").transform(X, x_error=table)
    np.testing.assert_array_equal(framed.to_numpy(), together)


def test_what_each_coordinate_carries_is_measured_with_the_errors_of_fit():
    """A row of nonsense that says so is no reason to call a coordinate active."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((300, 1)) * np.arange(1, 6) + 0.3 * rng.standard_normal((300, 5))
    errors = np.zeros(rows.shape)
    rows[0], errors[0] = [1e3, -1e3, 1e3, -1e3, 1e3], 1e4
    model = isthmus.VariationalAutoencoder(2, likelihood=Gaussian(0.5), **LINEAR)
    with pytest.warns(isthmus.CollapseWarning, match="number 1"):
        model.fit(rows, x_error=errors)
    assert model.active_.tolist() == [True, False]
    assert np.all(model.kl_ < 10)


@pytest.mark.parametrize("name", ["posterior", "log_likelihood", "impute", "transform", "score"])
def test_errors_that_do_not_fit_are_refused(linear, name):
    def ask(model, rows, errors):
        if name in ("transform", "score"):
            return getattr(model, name)(rows, x_error=errors)
        return getattr(isthmus, name)(model, rows, x_error=errors)

    counts = np.random.default_rng(0).poisson(5.0, (60, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", isthmus.CollapseWarning)
        model = isthmus.VariationalAutoencoder(1, likelihood=Poisson(), **LINEAR).fit(counts)
    with pytest.raises(ValueError, match=r"x_error with likelihood=Poisson\(\)"):
        ask(model, counts, 1.0)
    with pytest.raises(ValueError, match="expected standard deviations of the shape of X"):
        ask(linear, HOLES, np.ones((3, 2)))
    with pytest.raises(ValueError, match="x_error is -1"):
        ask(linear, HOLES, -1.0)


# What cannot occur


@pytest.fixture(scope="module")
def counted():
    counts = np.random.default_rng(0).poisson([2.0, 20.0, 300.0], (200, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", isthmus.CollapseWarning)
        return isthmus.VariationalAutoencoder(1, likelihood=Poisson(), **LINEAR).fit(counts)


@pytest.mark.parametrize("bad", [-1.0, 0.5, 300.25])
def test_what_is_no_count_has_the_likelihood_zero(counted, bad):
    rows = np.array([[2.0, 20.0, 300.0], [2.0, 20.0, bad], [np.nan, bad, np.nan], [np.nan] * 3])
    found = isthmus.log_likelihood(counted, rows, 10, random_state=0)
    assert np.isneginf(found).tolist() == [False, True, True, False]
    assert np.isfinite(found[[0, 3]]).all()
    assert counted.score(rows) == -np.inf
    assert np.isfinite(counted.score(rows[[0, 3]]))
    with pytest.raises(ValueError, match=rf"row 1 cannot be imputed: .* column 2 is {bad:g}"):
        isthmus.impute(counted, np.array([[np.nan] * 3, [np.nan, np.nan, bad]]))
    # A complete row needs no imputation.
    np.testing.assert_array_equal(isthmus.impute(counted, rows[:2]).rows, rows[:2])


@pytest.mark.parametrize("bad", [-1.0, 0.5])
def test_training_does_not_go_on_with_what_cannot_occur(counted, bad):
    rows = np.random.default_rng(1).poisson([2.0, 20.0, 300.0], (50, 3)).astype(float)
    rows[7, 1] = bad
    for go_on in (
        lambda model: model.partial_fit(rows),
        lambda model: model.set_params(warm_start=True).fit(rows),
    ):
        with pytest.raises(ValueError, match=r"row 7 holds a number that cannot occur .*Poisson\(\)"):
            go_on(copy.deepcopy(counted))


def test_a_share_beyond_0_and_1_has_the_likelihood_zero():
    coins = np.random.default_rng(0).random((200, 4)) < 0.3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", isthmus.CollapseWarning)
        model = isthmus.VariationalAutoencoder(1, likelihood=Bernoulli(), **LINEAR).fit(coins)
    rows = np.array([[0, 1, 0.5, 1], [0, 1, 1.01, 1], [0, -1e-9, 0, 1.0]])
    found = isthmus.log_likelihood(model, rows, 10, random_state=0)
    assert np.isneginf(found).tolist() == [False, True, True]
    rows[1, 0] = np.nan
    with pytest.raises(ValueError, match=r"row 1 cannot be imputed: .* column 2 is 1\.01"):
        isthmus.impute(model, rows)


class Exponential:
    """x ≥ 0 with the mean eᵃ, by someone who says nowhere that x < 0 cannot occur."""

    def __call__(self, known):
        units = (known.scaling.center, known.scaling.scale)
        return OwnErrors(*(np.asarray(part, np.float32) for part in units))


class OwnErrors(eqx.Module):
    center: jax.Array = eqx.field(converter=np.asarray)
    scale: jax.Array = eqx.field(converter=np.asarray)

    def mean(self, output):
        return (jnp.exp(output) - self.center) / self.scale

    def variance(self, output):
        return jnp.exp(2 * output) / self.scale**2

    def log_density(self, u, output, error=None):
        x = u * self.scale + self.center
        return jnp.where(x < 0, -jnp.inf, -output - x * jnp.exp(-output))

    def sample(self, key, output):
        x = jnp.exp(output) * jax.random.exponential(key, output.shape)
        return (x - self.center) / self.scale


def test_a_row_that_no_draw_explains_is_not_imputed_in_silence():
    rows = np.random.default_rng(0).exponential(size=(100, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", isthmus.CollapseWarning)
        model = isthmus.VariationalAutoencoder(1, likelihood=Exponential(), **LINEAR).fit(rows)
    holes = np.array([[1.0, np.nan, 1.0], [1.0, np.nan, -1.0]])
    assert np.isneginf(isthmus.log_likelihood(model, holes, 10, 0)).tolist() == [False, True]
    with pytest.raises(ValueError, match="row 1 cannot be imputed, because no draw"):
        isthmus.impute(model, holes, 10, 0)
    assert np.isfinite(isthmus.impute(model, holes[:1], 10, 0).rows).all()


def test_a_prior_that_vanishes_far_out_gives_no_nan():
    model = isthmus.VariationalAutoencoder(2, prior=Mixture(3), **LINEAR).fit(X)
    far = np.array([[1e25, 1.0, 1.0, 1.0, 1.0], [1.0] * 5])
    assert np.isneginf(isthmus.log_likelihood(model, far, 10, 0)).tolist() == [True, False]
