"""The variational auto-encoder: probabilistic PCA where it is linear, and never worse than it."""

import functools
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from scipy.stats import multivariate_normal, ortho_group
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, FactorAnalysis

import isthmus
from isthmus import CollapseWarning, NoImprovementWarning, VariationalAutoencoder
from isthmus.variational.count_likelihoods import Poisson
from isthmus.variational.elbo import NegativeELBO, bound_terms, draw_noise
from isthmus.variational.evidence import evidence_lower_bound
from isthmus.variational.likelihoods import Bernoulli, Gaussian
from isthmus.variational.priors import Mixture, Uniform

D, N_COORDINATES, N_ROWS = 10, 6, 2000
EIGENVALUES = np.array([8, 5, 3, 2, 1.2, 0.7, 0.3, 0.3, 0.3, 0.3])
AXES = ortho_group.rvs(D, random_state=0)
LINEAR = {"widths": (), "input_noise": 0, "validation_fraction": 0, "random_state": 0}


def rows_with(eigenvalues, n=N_ROWS, seed=0):
    """Rows whose sample covariance has exactly these eigenvalues, along ``AXES``."""
    white = np.random.default_rng(seed).standard_normal((n, len(eigenvalues)))
    white -= white.mean(axis=0)
    white = white @ np.linalg.inv(np.linalg.cholesky(np.cov(white.T))).T
    return white * np.sqrt(eigenvalues) @ AXES.T + 2.0


ROWS = rows_with(EIGENVALUES)


@functools.cache
def adam(steps):
    """One for all trainings of so many steps, so that they share their programs."""
    return optax.adam(optax.cosine_decay_schedule(1e-2, steps), b2=0.99)


def trained(d, X=None, steps=2000, **changes):
    """A linear model from random weights, all rows in each step, until it moves no more.

    Without the weight decay of "adam", which would shrink the loadings.
    """
    options = {"skip": None, "solver": adam(steps), "batch_size": N_ROWS, "max_epochs": steps}
    return VariationalAutoencoder(d, **(LINEAR | options | changes)).fit(ROWS if X is None else X)


@functools.cache
def trained_once(d, **changes):
    """The same of the common rows, for tests that only look at it."""
    return trained(d, **changes)


def started(d, X=None, x_error=None, **changes):
    """The model that training begins with: it moves by nothing that single precision shows."""
    options = {"learning_rate": 1e-12, "max_epochs": 1}
    model = VariationalAutoencoder(d, **(LINEAR | options | changes))
    return model.fit(ROWS if X is None else X, x_error=x_error)


def loadings_of(model):
    return isthmus.decoder_jacobian(model, np.zeros((1, model.n_components_)))[0].astype(float)


def own_variance(model):
    """σ² of a Gaussian likelihood in the data's units."""
    return float(model.network_.pair.likelihood.own_variance) * model.scaling_.unit**2


# Linear maps: Tipping & Bishop 1999 and, for β ≠ 1 and collapse, Lucas et al. 2019. What the draws of
# 2 000 steps leave in the loadings is below 1.5 %, and 2 % is allowed.


@pytest.mark.usefixtures("optimised_programs")
@pytest.mark.filterwarnings("ignore::isthmus.CollapseWarning")
@pytest.mark.parametrize("beta", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("make", [trained_once, started])
def test_a_linear_model_is_probabilistic_pca(make, beta):
    """WᵀW = diag max(λ − βσ², 0), σ_z² = βσ²/λ, KL = ½ ln(λ/βσ²), and the rest collapses."""
    variance = 1.0
    model = make(N_COORDINATES, beta=beta, likelihood=Gaussian(variance**0.5))
    threshold = beta * variance
    carried = EIGENVALUES[:N_COORDINATES] > threshold
    squares = np.linalg.svd(loadings_of(model), compute_uv=False) ** 2
    expected = np.maximum(EIGENVALUES[:N_COORDINATES] - threshold, 0)
    np.testing.assert_allclose(squares[carried], expected[carried], rtol=0.02)
    np.testing.assert_allclose(squares[~carried], 0, atol=0.02)
    assert model.active_.tolist() == carried.tolist()
    std = isthmus.posterior(model, ROWS).std
    at_least = np.maximum(EIGENVALUES[:N_COORDINATES], threshold)
    np.testing.assert_allclose(np.mean(std**2, axis=0), threshold / at_least, rtol=0.02)
    np.testing.assert_allclose(std**2, np.tile(threshold / at_least, (N_ROWS, 1)), rtol=0.06)
    # The mean of μ² over rows has the divisor n, eigenvalues n − 1.
    np.testing.assert_allclose(model.kl_, 0.5 * np.log(at_least / threshold), atol=0.01)


@pytest.mark.usefixtures("optimised_programs")
@pytest.mark.filterwarnings("ignore::isthmus.CollapseWarning")
@pytest.mark.parametrize("make", [trained_once, started])
def test_the_bound_of_a_linear_model_is_the_exact_likelihood(make):
    model = make(N_COORDINATES, beta=1.0, likelihood=Gaussian(1.0))
    # The sixth coordinate is idle: its eigenvalue is below the variance of the errors.
    W = AXES[:, :5] * np.sqrt(EIGENVALUES[:5] - 1.0)
    exact = multivariate_normal(ROWS.mean(axis=0), W @ W.T + np.eye(D)).logpdf(ROWS)
    # The draws of 2 000 rows leave 0.05 %.
    assert model.score(ROWS) == pytest.approx(exact.mean(), rel=1e-3)
    weighted = isthmus.log_likelihood(model, ROWS, 100, random_state=0)
    assert weighted.mean() == pytest.approx(exact.mean(), rel=2e-4)


@pytest.mark.parametrize("make", [trained_once, started])
def test_the_learnt_variance_is_the_mean_eigenvalue_left_out(make):
    model = make(4)
    assert own_variance(model) == pytest.approx(EIGENVALUES[4:].mean(), rel=0.01)


@pytest.mark.usefixtures("optimised_programs")
def test_one_variance_per_feature_is_factor_analysis():
    rng = np.random.default_rng(0)
    sizes = np.array([0.2, 0.4, 0.6, 0.8, 1.0, 1.2])
    X = 2 * rng.standard_normal((N_ROWS, 1)) + sizes * rng.standard_normal((N_ROWS, 6))
    model = trained(1, X=X, steps=6000, likelihood=Gaussian("feature"))
    found = np.sqrt(model.network_.pair.likelihood.own_variance) * model.scaling_.scale
    exact = FactorAnalysis(1, svd_method="lapack", tol=1e-8, max_iter=10_000).fit(X)
    # What the draws leave.
    np.testing.assert_allclose(found, np.sqrt(exact.noise_variance_), rtol=0.01)
    assert model.score(X) == pytest.approx(exact.score(X), abs=0.01)


def test_trained_from_probabilistic_pca_a_linear_model_stays_there():
    model = VariationalAutoencoder(4, batch_size=500, max_epochs=40, **LINEAR).fit(ROWS)
    here = started(4)
    assert model.score(ROWS) == pytest.approx(here.score(ROWS), abs=0.01)
    np.testing.assert_allclose(loadings_of(model), loadings_of(here), atol=0.05)


# Coordinates


def test_coordinates_are_in_the_order_of_what_they_carry():
    model = trained_once(4)
    means = model.transform(ROWS)
    assert np.all(np.diff(means.var(axis=0)) < 0)
    assert np.all(np.diff(model.kl_) < 0)
    loadings = loadings_of(model)
    largest = np.abs(loadings).argmax(axis=0)
    assert np.all(loadings[largest, np.arange(4)] > 0)


def test_the_mean_is_decoded_by_inverse_transform():
    X = load_digits().data[:600]
    model = VariationalAutoencoder(2, widths=(16,), max_epochs=20, random_state=0).fit(X)
    np.testing.assert_allclose(
        jax.jit(lambda X: model.decode(model.encode(X)))(X), isthmus.denoise(model, X), atol=1e-3
    )
    # float64 rows are centred in float64 by transform, and single precision is left.
    np.testing.assert_allclose(model.transform(X), isthmus.posterior(model, X).mean, atol=1e-5)


# Collapse


def test_collapse_is_told_with_what_to_do():
    with pytest.warns(
        CollapseWarning, match=r"3 of 6 .* number 3, 4, 5\. .*lower beta \(it is 2\)"
    ) as told:
        started(6, beta=2.0, likelihood=Gaussian(1.0), X=rows_with(np.r_[8, 5, 3, [0.3] * 7]))
    assert "n_components=3 is the same map" in str(told[0].message)


def test_the_warning_of_collapse_points_to_the_fit():
    """In a process of its own, where no checks of shapes stand between the calls."""
    program = """
import warnings, numpy as np, isthmus
warnings.simplefilter("always")
rows = np.random.default_rng(0).standard_normal((60, 4)) * 0.1
with warnings.catch_warnings(record=True) as caught:
    isthmus.VariationalAutoencoder(
        2, beta=50.0, widths=(4,), max_epochs=1, likelihood=isthmus.likelihoods.Gaussian(1.0),
        learning_rate=1e-12, random_state=0,  # moves nothing, so that nothing is won
    ).fit(rows)
print({(warning.category.__name__, warning.filename, warning.lineno) for warning in caught})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "('CollapseWarning', '<string>', 9)" in done.stdout
    assert "('NoImprovementWarning', '<string>', 9)" in done.stdout


@pytest.mark.usefixtures("optimised_programs")
@pytest.mark.filterwarnings("ignore::isthmus.CollapseWarning")
def test_free_bits_keep_a_coordinate_in_use():
    """Below the floor KL costs nothing, so the sixth coordinate, worth ½ ln 0.7, is used after all."""
    idle = trained_once(6, beta=1.0, likelihood=Gaussian(1.0))
    used = trained(6, likelihood=Gaussian(1.0), free_bits=0.2)
    assert not idle.active_[5]
    assert used.active_.all()
    assert used.kl_[5] == pytest.approx(0.2, rel=0.1)


def test_the_objective_is_the_bound_with_beta_warm_up_and_floor():
    pair = started(6, likelihood=Gaussian(1.0), beta=1.0, X=rows_with(EIGENVALUES + 1)).network_.pair
    u = ROWS[:50].astype(np.float32)
    key = jax.random.key(3)
    terms = eqx.filter_jit(bound_terms)(pair, u, draw_noise(key, 1, 50, 6))
    losses = eqx.filter_jit(lambda objective, *arguments: objective(*arguments))
    for beta, progress, warm_up, weight in [
        (1, 1, 0, 1),
        (4, 0.25, 0.5, 2),
        (4, 0.5, 0.5, 4),
        (4, 1, 0.5, 4),
    ]:
        objective = NegativeELBO.of(beta, warm_up).at(jnp.float32(progress))
        expected = weight * terms.kl.sum(axis=1) - terms.log_likelihood
        np.testing.assert_allclose(losses(objective, pair, u, key), expected, rtol=1e-5)
    floor = float(np.median(terms.kl.mean(axis=0)))
    counted = np.where(terms.kl.mean(axis=0) > floor, terms.kl, floor)
    found = losses(NegativeELBO.of(1.0, free_bits=floor), pair, u, key)
    np.testing.assert_allclose(found, counted.sum(axis=1) - terms.log_likelihood, rtol=1e-5)


# Non-linear maps


def curved(n, seed=0):
    """A parabola in five dimensions, with a little noise."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(-2, 2, n)
    clean = np.stack([t, t**2, 0.3 * t**3, np.cos(2 * t), np.sin(2 * t)], axis=1)
    return clean + 0.1 * rng.standard_normal(clean.shape)


SMALL = {"widths": (64, 32), "max_epochs": 150, "batch_size": 64, "random_state": 0}


def test_a_curve_is_followed_and_its_noise_is_measured():
    model = VariationalAutoencoder(1, **{**SMALL, "max_epochs": 80}).fit(curved(2000))
    unseen = curved(2000, seed=1)
    linear = VariationalAutoencoder(1, widths=(), max_epochs=1, learning_rate=1e-12, random_state=0)
    with pytest.warns(NoImprovementWarning, match="the fitted model is probabilistic PCA"):
        linear.fit(curved(2000))
    assert model.score(unseen) > linear.score(unseen) + 3
    # σ of the data is 0.1; with what the map itself misses it is a little more.
    assert 0.1 < np.sqrt(own_variance(model)) < 0.15
    error = isthmus.reconstruction_error(model, unseen).mean()
    assert error < 0.1 * isthmus.reconstruction_error(linear, unseen).mean()


def test_held_out_rows_decide_and_epoch_zero_is_probabilistic_pca():
    X = np.random.default_rng(0).standard_normal((500, 6)) * np.arange(1, 7)
    with pytest.warns(NoImprovementWarning, match="No epoch beat probabilistic PCA"):
        model = VariationalAutoencoder(2, **{**SMALL, "max_epochs": 20}).fit(X)
    assert model.best_epoch_ == 0
    assert model.validation_loss_ == model.pca_validation_loss_
    # scikit-learn's PCA has the same likelihood, up to the divisor of its noise variance.
    exact = PCA(2).fit(X).score(X)
    # The draws of 500 rows, a sum of six squares each, leave about 0.05 nats.
    assert model.score(X) == pytest.approx(exact, abs=0.1)


@pytest.mark.parametrize(
    "changes",
    [
        {"prior": Uniform(), "scaling": "standard"},
        {"prior": Mixture(5), "likelihood": Gaussian("feature")},
        # From random weights it wins 0.8 to 3.8 nats, as the seed has it.
        {"skip": None, "warm_up": 0.3, "random_state": 1},
        {"skip_links": True},
    ],
)
def test_every_choice_beats_probabilistic_pca_on_a_curve(changes):
    model = VariationalAutoencoder(1, **(SMALL | {"max_epochs": 50} | changes)).fit(curved(1000))
    assert model.active_.all()
    assert model.validation_loss_ < model.pca_validation_loss_ - 1


def test_grey_levels_by_coins_and_counts_by_poisson():
    X = load_digits().data
    for rows, likelihood in ((X / 16, Bernoulli()), (X, Poisson())):
        model = VariationalAutoencoder(
            5, likelihood=likelihood, widths=(64,), max_epochs=12, random_state=0
        ).fit(rows)
        assert model.validation_loss_ < model.pca_validation_loss_ - 1
        decoded = isthmus.denoise(model, rows)
        assert decoded.min() > -1e-6
        if isinstance(likelihood, Bernoulli):
            assert decoded.max() < 1 + 1e-6


# Missing entries


def test_missing_entries_leave_the_axes_where_they_are():
    """Entries that are missing at random change the fit by no more than fewer rows would."""
    X = rows_with(np.r_[8, 5, [0.3] * 8], n=4000)
    missing = np.random.default_rng(0).random(X.shape) < 0.3
    model = started(2, X=np.where(missing, np.nan, X))
    whole = started(2, X=X)
    angles = np.linalg.svd(
        np.linalg.qr(loadings_of(model))[0].T @ np.linalg.qr(loadings_of(whole))[0], compute_uv=False
    )
    assert angles.min() > 0.999
    np.testing.assert_allclose(
        np.sum(loadings_of(model) ** 2, axis=0), np.sum(loadings_of(whole) ** 2, axis=0), rtol=0.05
    )
    # Filled entries lie on the plane; σ² is raised as a whole for them, which is right to 10 %.
    assert own_variance(model) == pytest.approx(0.3, rel=0.1)


def test_what_is_imputed_is_as_sure_as_it_says():
    """Errors over their stated standard deviations have a mean square of about one.

    Where training loses a part of the curve they are larger than stated, by up to half: this fit has it.
    """
    X = curved(2000)
    missing = np.random.default_rng(3).random(X.shape) < 0.3
    model = VariationalAutoencoder(1, **SMALL | {"random_state": 3}).fit(np.where(missing, np.nan, X))
    rows, std = isthmus.impute(model, np.where(missing, np.nan, X), random_state=0)
    assert np.mean(((rows - X) / np.where(missing, std, 1.0))[missing] ** 2) == pytest.approx(1, abs=0.2)
    of_means = np.broadcast_to(X.var(axis=0), X.shape)[missing].mean()
    assert np.sqrt(np.mean((rows - X)[missing] ** 2)) < 0.6 * np.sqrt(of_means)


def test_a_column_without_values_is_refused_by_name():
    frame = pd.DataFrame(ROWS[:50, :3], columns=["a", "b", "c"]).assign(b=np.nan)
    with pytest.raises(ValueError, match=r"all entries of column 'b' are NaN.*1 of 3 columns"):
        VariationalAutoencoder(1, **SMALL).fit(frame)
    # Two columns stand for the angle, so that names and numbers of columns are not those of the frame.
    angles = pd.DataFrame(ROWS[:50, :3], columns=["a", "phi", "c"]).assign(c=np.nan)
    with pytest.raises(ValueError, match=r"all entries of column 'c' are NaN.*1 of 4 columns"):
        VariationalAutoencoder(1, periodic={"phi": 360}, **SMALL).fit(angles)


def test_a_column_whose_known_entries_are_all_uncertain_keeps_them():
    """Whatever the errors are that stand beside the missing ones."""
    missing = np.arange(N_ROWS) % 3 == 0
    X = np.where(missing[:, None] & (np.arange(D) == 1), np.nan, ROWS)
    error = np.where(np.arange(D) == 1, 100.0, 0.1) * np.ones_like(X)
    plain = started(2, X=X, x_error=error)
    error[missing, 1] = np.nan
    told = started(2, X=X, x_error=error)
    np.testing.assert_array_equal(told.transform(X, error), plain.transform(X, error))


def test_fewer_training_rows_than_coordinates_are_refused():
    rows = np.random.default_rng(0).standard_normal((11, 2500))
    for missing in (False, True):
        rows[0, 0] = np.nan if missing else 0.0
        with pytest.raises(ValueError, match="n_components=10 is more than the 9 training rows"):
            VariationalAutoencoder(10, widths=(4,), max_epochs=1, random_state=0).fit(rows)


def test_equal_errors_of_all_entries_leave_the_axes_where_they_are():
    """σ² + e² takes the place of σ², and a feature that hardly varies is not lost."""
    X = np.column_stack([ROWS, np.arange(N_ROWS) % 50 == 0])
    told = VariationalAutoencoder(4, **(LINEAR | {"max_epochs": 1, "learning_rate": 1e-12}))
    told.fit(X, x_error=0.2)
    plane, of_untold = (np.linalg.qr(loadings_of(each))[0] for each in (told, started(4, X)))
    assert np.linalg.svd(plane.T @ of_untold, compute_uv=False).min() > 0.999
    assert np.isfinite(told.score(X))


def test_infinity_is_not_a_missing_value():
    X = ROWS.copy()
    X[3, 2] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        VariationalAutoencoder(1, **SMALL).fit(X)


# Going on


def test_warm_start_and_partial_fit_go_on():
    X = curved(500)
    model = VariationalAutoencoder(1, **{**SMALL, "max_epochs": 10}, warm_start=True).fit(X)
    first = model.validation_loss_
    assert model.fit(X).validation_loss_ < first
    before = np.mean(evidence_lower_bound(model, X))
    for _ in range(5):
        model.partial_fit(X)
    assert np.mean(evidence_lower_bound(model, X)) > before


def test_the_same_seed_gives_the_same_bits():
    X = curved(500)
    first, again, other = (
        VariationalAutoencoder(1, **{**SMALL, "max_epochs": 10, "random_state": seed})
        .fit(X)
        .transform(X)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"prior": "normal"}, TypeError, r"isthmus.priors.StandardNormal\(\)"),
        ({"likelihood": "poisson"}, TypeError, r"isthmus.likelihoods.Gaussian\(\)"),
        ({"likelihood": Gaussian}, TypeError, "expected a likelihood"),
        ({"beta": 0}, ValueError, "'beta' parameter .* must be a float"),
        ({"warm_up": 1.0}, ValueError, "'warm_up' parameter .* must be a float"),
        ({"free_bits": -1}, ValueError, "'free_bits' parameter .* must be a float"),
        ({"input_noise": -0.1}, ValueError, "'input_noise' parameter .* must be a float"),
        ({"likelihood": Bernoulli()}, ValueError, r"needs data in \[0, 1\], and these go from"),
        ({"likelihood": Bernoulli(), "scaling": "standard"}, ValueError, "set scaling=None"),
        ({"likelihood": Poisson()}, ValueError, "needs counts 0, 1, 2"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(changes, error, told):
    with pytest.raises(error, match=told):
        VariationalAutoencoder(**(SMALL | changes)).fit(ROWS)
