"""What a variational auto-encoder knows, against closed forms for linear maps and quadrature."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from scipy import stats
from scipy.special import logsumexp
from sklearn.linear_model import LinearRegression

import isthmus
from isthmus.variational import inference
from isthmus.variational.count_likelihoods import Poisson
from isthmus.variational.likelihoods import Gaussian
from isthmus.variational.priors import Mixture, StandardNormal, Uniform
from variational.linear_gaussian import HOLES, SIGMAS, STILL, LinearGaussian, X


@pytest.fixture(scope="module")
def crude():
    """Its posterior is that of β = 1.5, so that draws from it need their weights."""
    return isthmus.VariationalAutoencoder(2, beta=1.5, **STILL).fit(X)


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
    exact = LinearGaussian.of_model(crude).logpdf(X)
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
    rates = np.exp(0.8 * rng.standard_normal((200, 1)) + [1.0, 2.0, 3.0])
    counts = rng.poisson(rates)
    model = isthmus.VariationalAutoencoder(1, likelihood=Poisson(), **STILL).fit(counts)
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
    options = STILL | {"scaling": "standard"}
    for factor in (1e-3, 1e4):
        model = isthmus.VariationalAutoencoder(2, **STILL).fit(factor * X)
        moved = isthmus.log_likelihood(model, factor * X, 10, 0)
        # p dx is the same: the density of D entries falls by the factor each.
        np.testing.assert_allclose(moved, metres - X.shape[1] * np.log(factor), atol=1e-2)
    standard = isthmus.VariationalAutoencoder(2, **options).fit(X)
    scaled = LinearGaussian.of_rows(X / X.std(axis=0, ddof=1), 2)
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
    holes = HOLES[:64]
    rows, std = isthmus.impute(linear, holes, n_samples=20_000, random_state=0)
    exact = [truth.complete(row) for row in holes]
    missing = np.isnan(holes)
    expected = np.array([mean for mean, _ in exact])[missing]
    spread = np.array([spread for _, spread in exact])[missing]
    # Of about 100 entries; weights cost some of the 20 000 draws.
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
    model = isthmus.VariationalAutoencoder(1, likelihood=Gaussian(1e-4), **STILL).fit(rows)
    exact = LinearGaussian.of_model(model).complete(np.array([*rows[0, :2], np.nan]))
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
        model = isthmus.VariationalAutoencoder(3, likelihood=Gaussian(0.5), **STILL).fit(rows)
    assert model.active_.tolist() == [True, False, False]
    mean, std = isthmus.posterior(model, rows)
    np.testing.assert_allclose(mean[:, 1:], 0, atol=0.1)
    np.testing.assert_allclose(std[:, 1:], 1, rtol=0.01)
    exact = LinearGaussian.of_model(model).logpdf(rows)
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
    model = isthmus.VariationalAutoencoder(2, prior=prior, **STILL).fit(X)
    n = 4000
    z = isthmus.sample_prior(model, n, random_state=5)
    noise = (isthmus.sample(model, n, random_state=5) - model.inverse_transform(z)).ravel()
    for k in (0, 1):
        for other in (noise[: 2 * n : 2], noise[1 : 2 * n : 2], noise[k::5], noise[:n]):
            assert abs(np.corrcoef(z[:, k], other)[0, 1]) < SIGMAS / np.sqrt(n)
    assert abs(np.corrcoef(z.ravel(), noise[: 2 * n])[0, 1]) < SIGMAS / np.sqrt(2 * n)
    # And there is as much of it as the likelihood says.
    law = LinearGaussian.of_model(model)
    assert np.std(noise) == pytest.approx(law.variance**0.5, rel=SIGMAS / np.sqrt(2 * len(noise)))


def test_blocks_of_a_sample_differ(linear, monkeypatch):
    monkeypatch.setattr("isthmus.networks.applying.BLOCK_ELEMENTS", 512)
    rows = isthmus.sample(linear, 1000, random_state=0)
    noise = rows - linear.inverse_transform(isthmus.sample_prior(linear, 1000, random_state=0))
    assert len(np.unique(np.round(noise[:, 0], 9))) == 1000


def test_sampled_counts_are_whole_numbers(counted):
    rows = isthmus.sample(counted, 500, random_state=0)
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


def test_columns_keep_their_names(linear):
    complete, frame = (pd.DataFrame(rows, columns=list("abcde")) for rows in (X, HOLES))
    model = isthmus.VariationalAutoencoder(2, **STILL).fit(complete)
    rows, _ = isthmus.impute(model, frame, 10, random_state=0)
    # Sums of a table, whose columns lie together in memory, are rounded in another order.
    expected = isthmus.impute(linear, HOLES, 10, random_state=0).rows
    np.testing.assert_allclose(rows, expected, rtol=1e-9)
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
    model = isthmus.VariationalAutoencoder(2, periodic={"phi": 360}, categorical=["kind"], **STILL)
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
