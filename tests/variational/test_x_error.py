"""``x_error``, the errors of single entries, against the closed forms of linear maps."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import isthmus
from isthmus.variational.likelihoods import Gaussian
from variational.linear_gaussian import HOLES, SIGMAS, STILL, LinearGaussian, X, plane

ERRORS = np.random.default_rng(2).choice([0.0, 0.1, 1.0, 10.0], X.shape)


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
    laws = (
        LinearGaussian.of_rows(clean, 2),
        LinearGaussian.of_model(model),
        LinearGaussian.of_rows(spoilt, 2),
    )
    best, told, untold = (law.logpdf(fresh).mean() for law in laws)
    assert untold < told - 0.3
    # 0.02 nats are the size of what 600 rows leave open of the five means alone.
    assert best - told < 0.02


@pytest.mark.parametrize("rows", [X, HOLES], ids=["complete", "incomplete"])
def test_the_posterior_of_uncertain_entries_is_the_closed_form(linear, truth, rows):
    mean, std = isthmus.posterior(linear, rows, x_error=ERRORS)
    exact = [truth.with_errors(errors).posterior(row) for row, errors in zip(rows, ERRORS, strict=True)]
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
        [truth.with_errors(e).logpdf(row[None])[0] for row, e in zip(rows, errors, strict=True)]
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
    equal = truth.with_errors(0.3).logpdf(X)
    assert linear.score(X, x_error=0.3) == pytest.approx(equal.mean(), abs=SIGMAS / np.sqrt(32 * len(X)))


def test_what_is_imputed_next_to_uncertain_entries_is_the_closed_form(linear, truth):
    some = np.flatnonzero(np.isnan(HOLES).any(axis=1))[:60]
    holes, errors = HOLES[some], ERRORS[some]
    rows, std = isthmus.impute(linear, holes, 20_000, random_state=0, x_error=errors)
    missing = np.isnan(holes)
    for i, (row, error) in enumerate(zip(holes, errors, strict=True)):
        law = truth.with_errors(np.where(missing[i], 0.0, error))
        expected, spread = (part[missing[i]] for part in law.complete(row))
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
    again = isthmus.VariationalAutoencoder(2, **STILL)
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
    model = isthmus.VariationalAutoencoder(2, likelihood=Gaussian(0.5), **STILL)
    with pytest.warns(isthmus.CollapseWarning, match="number 1"):
        model.fit(rows, x_error=errors)
    assert model.active_.tolist() == [True, False]
    assert np.all(model.kl_ < 10)


@pytest.mark.parametrize("name", ["posterior", "log_likelihood", "impute", "transform", "score"])
def test_errors_that_do_not_fit_are_refused(linear, counted, name):
    def ask(model, rows, errors):
        if name in ("transform", "score"):
            return getattr(model, name)(rows, x_error=errors)
        return getattr(isthmus, name)(model, rows, x_error=errors)

    with pytest.raises(ValueError, match=r"x_error with likelihood=Poisson\(\)"):
        ask(counted, np.full((60, 3), 5.0), 1.0)
    with pytest.raises(ValueError, match="expected standard deviations of the shape of X"):
        ask(linear, HOLES, np.ones((3, 2)))
    with pytest.raises(ValueError, match="x_error is -1"):
        ask(linear, HOLES, -1.0)
