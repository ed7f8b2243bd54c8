"""Values that a likelihood says cannot occur: they have the likelihood zero, and are not filled in."""

import copy
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isthmus
from isthmus.variational.likelihoods import Bernoulli
from isthmus.variational.priors import Mixture
from variational.linear_gaussian import STILL, X


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
        model = isthmus.VariationalAutoencoder(1, likelihood=Bernoulli(), **STILL).fit(coins)
    rows = np.array([[0, 1, 0.5, 1], [0, 1, 1.01, 1], [0, -1e-9, 0, 1.0]])
    found = isthmus.log_likelihood(model, rows, 10, random_state=0)
    assert np.isneginf(found).tolist() == [False, True, True]
    rows[1, 0] = np.nan
    with pytest.raises(ValueError, match=r"row 1 cannot be imputed: .* column 2 is 1\.01"):
        isthmus.impute(model, rows)


class Exponential:
    """x ≥ 0 with the mean eᵃ; nothing but its density says that x < 0 cannot occur."""

    def __call__(self, known):
        units = (known.scaling.center, known.scaling.scale)
        return ExponentialErrors(*(np.asarray(part, np.float32) for part in units))


class ExponentialErrors(eqx.Module):
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
        model = isthmus.VariationalAutoencoder(1, likelihood=Exponential(), **STILL).fit(rows)
    holes = np.array([[1.0, np.nan, 1.0], [1.0, np.nan, -1.0]])
    assert np.isneginf(isthmus.log_likelihood(model, holes, 10, 0)).tolist() == [False, True]
    with pytest.raises(ValueError, match="row 1 cannot be imputed, because no draw"):
        isthmus.impute(model, holes, 10, 0)
    assert np.isfinite(isthmus.impute(model, holes[:1], 10, 0).rows).all()


def test_a_prior_that_vanishes_far_out_gives_no_nan():
    model = isthmus.VariationalAutoencoder(2, prior=Mixture(3), **STILL).fit(X)
    far = np.array([[1e25, 1.0, 1.0, 1.0, 1.0], [1.0] * 5])
    assert np.isneginf(isthmus.log_likelihood(model, far, 10, 0)).tolist() == [True, False]
