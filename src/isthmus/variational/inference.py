"""What a variational auto-encoder can say of rows: posteriors, samples, likelihoods.

``log_likelihood`` averages over p(z | x) with draws from the encoder's normal distribution, weighted by
p(x | z) p(z)/q(z | x) (Burda et al. 2016, "Importance weighted autoencoders", arXiv:1509.00519), so that
it becomes exact with many draws. ``imputation.py`` does the same for missing entries.

Functions of rows take ``x_error``, known standard deviations of the entries, as ``fit`` does. Without it
they take the entries as exact, whatever the model was fitted with.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.data.checks import check_integer
from isthmus.estimators.base import as_given, width_of
from isthmus.estimators.fitting import generator
from isthmus.networks.applying import map_rows, widest_layer
from isthmus.networks.fitted import DataMap
from isthmus.variational._draws import (
    RandomState,
    check_numbers,
    key_of_call,
    keys_of_blocks,
    over_draws,
    pair_of,
    widest_of_draws,
)
from isthmus.variational.distributions import impossible, impossible_rows
from isthmus.variational.elbo import VariationalPair, rows_and_errors
from isthmus.variational.estimator import VariationalAutoencoder
from isthmus.variational.evidence import given_rows, raw_rows


class Posterior(NamedTuple):
    """Mean and standard deviation of each coordinate of each row."""

    mean: Float[np.ndarray, "n d"]
    std: Float[np.ndarray, "n d"]


def posterior(model: VariationalAutoencoder, X: object, x_error: object = None) -> Posterior:
    """Where each row lies, and how sure that is: (n, D) → mean (n, d) and std (n, d), float32.

    Parameters
    ----------
    model : fitted VariationalAutoencoder
    X : array-like (n, D)
        Rows in their own units; NaN are missing entries.
    x_error : array-like (n, D), (D,), a number or None, default None
        Known standard deviations of the entries, as ``fit`` takes them; without it the entries are taken
        as exact.

    Returns
    -------
    Posterior
        ``mean`` (n, d), which is what ``transform`` gives, and ``std`` (n, d), in the prior's units.

    Raises
    ------
    TypeError
        For a map that is not variational.
    NotFittedError, ValueError
        What ``transform`` raises.

    Examples
    --------
    A row of which less is known is less sure:

    >>> import isthmus, numpy as np
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> model = isthmus.VariationalAutoencoder(2, widths=(32,), max_epochs=10, random_state=0).fit(X)
    >>> half = np.where(np.arange(64) < 32, X, np.nan)  # without the lower half
    >>> sure, unsure = isthmus.posterior(model, X).std, isthmus.posterior(model, half).std
    >>> bool(np.mean(unsure > sure) > 0.9)
    True
    """
    pair = pair_of(model)
    rows, d = given_rows(model, X, x_error), model.n_components_
    both = np.empty((rows.shape[0], 2 * d), np.float32)
    map_rows(lambda u: _posterior(model.network_, u), rows, both, widest=widest_layer(pair))
    return Posterior(both[:, :d], both[:, d:])


def sample_prior(
    model: VariationalAutoencoder, n: int, random_state: RandomState = None
) -> Float[np.ndarray, "n d"]:
    """Coordinates drawn from the prior: (n, d), float32.

    ``inverse_transform`` gives the mean row at each, such as a picture without grain.

    Parameters
    ----------
    model : fitted VariationalAutoencoder
    n : int
        Draws.
    random_state : int, RandomState or None, default None
        The same number gives the same coordinates, and ``sample`` with it the rows at them.

    Returns
    -------
    array (n, d)
        float32.

    Raises
    ------
    TypeError
        For a map that is not variational.
    NotFittedError, ValueError
        Before ``fit``, and for n < 1.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> model = isthmus.VariationalAutoencoder(2, widths=(32,), max_epochs=10, random_state=0).fit(X)
    >>> Z = isthmus.sample_prior(model, 5, random_state=0)
    >>> Z.shape, model.inverse_transform(Z).shape
    ((5, 2), (5, 64))
    """
    pair_of(model)
    return _draws_of_prior(model, check_integer("n", n, 1), _keys_of_sample(random_state)[0])


def sample(model: VariationalAutoencoder, n: int, random_state: RandomState = None) -> np.ndarray:
    """New rows like the data: (n, D), in the data's units, float64.

    z from the prior, then x from the likelihood at z, noise included. For the mean at each z, such as a
    picture without grain, use ``model.inverse_transform(isthmus.sample_prior(model, n))``.

    Parameters
    ----------
    model : fitted VariationalAutoencoder
    n : int
        Rows.
    random_state : int, RandomState or None, default None
        The same number gives the same rows, and ``sample_prior`` with it the z that they come from.

    Returns
    -------
    array (n, D)
        float64; whole numbers with a likelihood of counts, and images where the map was fitted on
        images.

    Raises
    ------
    TypeError
        For a map that is not variational.
    NotFittedError, ValueError
        Before ``fit``, and for n < 1.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> model = isthmus.VariationalAutoencoder(2, widths=(32,), max_epochs=10, random_state=0).fit(X)
    >>> isthmus.sample(model, 3, random_state=0).shape
    (3, 64)
    """
    pair = pair_of(model)
    prior_key, rows_key = _keys_of_sample(random_state)
    Z = _draws_of_prior(model, check_integer("n", n, 1), prior_key)
    keys = keys_of_blocks(rows_key)
    out = np.empty((len(Z), width_of(model)))
    scaling = model.scaling_
    whole_numbers = getattr(pair.likelihood, "whole_numbers", False)

    def in_raw_units(block: np.ndarray) -> np.ndarray:
        raw: np.ndarray = block * scaling.scale + scaling.center
        if not whole_numbers:
            return raw
        counts = np.rint(raw) + 0.0  # −0 becomes 0
        # Next to a large scale a count of 0 may be rounded to less.
        return np.where(impossible(pair.likelihood, counts), 0.0, counts)

    drawn = map_rows(
        lambda z: _draw(model.network_, z, next(keys)),
        Z,
        out,
        after=in_raw_units,
        widest=widest_layer(pair),
    )
    return as_given(model, drawn)


def sample_posterior(
    model: VariationalAutoencoder,
    X: object,
    n: int,
    random_state: RandomState = None,
    x_error: object = None,
) -> Float[np.ndarray, "m n d"]:
    """n draws of the coordinates that each row may have: rows (m, D) → (m, n, d), μ + σ ε.

    Parameters
    ----------
    model : fitted VariationalAutoencoder
    X : array-like (m, D)
        Rows in their own units; NaN are missing entries.
    n : int
        Draws for each row.
    random_state : int, RandomState or None, default None
        The same number gives the same draws.
    x_error : array-like (m, D), (D,), a number or None, default None
        Known standard deviations of the entries, as in ``posterior``: without it the entries of X are
        taken as exact.

    Returns
    -------
    array (m, n, d)
        float32.

    Raises
    ------
    TypeError, NotFittedError, ValueError
        What ``posterior`` raises, and ValueError for n < 1.

    Examples
    --------
    The draws of a row scatter about its mean by the standard deviation that ``posterior`` gives:

    >>> import isthmus
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> model = isthmus.VariationalAutoencoder(2, widths=(32,), max_epochs=10, random_state=0).fit(X)
    >>> Z = isthmus.sample_posterior(model, X[:3], 5000, random_state=0)  # (3, 64) → (3, 5000, 2)
    >>> bool(abs(Z.std(axis=1) / isthmus.posterior(model, X[:3]).std - 1).max() < 0.05)
    True
    """
    n = check_integer("n", n, 1)
    mean, std = posterior(model, X, x_error)
    noise = generator(random_state).standard_normal((len(mean), n, mean.shape[1]), dtype=np.float32)
    return np.asarray(mean[:, None] + std[:, None] * noise)


def log_likelihood(
    model: VariationalAutoencoder,
    X: object,
    n_samples: int = 100,
    random_state: RandomState = None,
    x_error: object = None,
) -> Float[np.ndarray, " n"]:
    """log p(x) of each row: (n, D) → (n,), in nats, in the data's units.

    log of the mean of ``n_samples`` weights p(x | z) p(z)/q(z | x): the ELBO for one, larger in
    expectation with every more, and exact in the limit. Missing entries, NaN, are integrated out.

    Parameters
    ----------
    model : fitted VariationalAutoencoder
    X : array-like (n, D)
        Rows in their own units.
    n_samples : int, default 100
        Draws for each row. One hundred, as is usual in the literature, 5000 for a figure to publish.
        Memory does not grow with it.
    random_state : int, RandomState or None, default None
        Of the draws.
    x_error : array-like (n, D), (D,), a number or None, default None
        Known standard deviations of the entries, whose squares add to the likelihood's variance; without
        it the entries are taken as exact.

    Returns
    -------
    array (n,)
        float64. −∞ for a row that cannot occur, such as a negative count, and for one that is so far
        from all data that single precision holds no density of it.

    Raises
    ------
    TypeError, NotFittedError, ValueError
        What ``posterior`` raises, and ValueError where a density is NaN.

    References
    ----------
    Burda et al. 2016, "Importance weighted autoencoders", arXiv:1509.00519.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> model = isthmus.VariationalAutoencoder(2, widths=(32,), max_epochs=10, random_state=0).fit(X)
    >>> bool(isthmus.log_likelihood(model, X, random_state=0).mean() > model.score(X))
    True
    """
    pair = pair_of(model)
    rows, D = given_rows(model, X, x_error), width_of(model)
    n_samples = check_integer("n_samples", n_samples, 1)
    keys = keys_of_blocks(key_of_call(random_state))
    out = np.empty(rows.shape[0])
    map_rows(
        lambda u: _log_likelihood(pair, u, next(keys), jnp.int32(n_samples), D),
        rows,
        out,
        widest=widest_of_draws(pair, D),
    )
    out[impossible_rows(pair.likelihood, raw_rows(rows))] = -np.inf
    check_numbers(np.isnan(out), np.arange(len(out)), "has a density that is NaN")
    return out


def _keys_of_sample(random_state: RandomState) -> tuple[Array, Array]:
    """Of z, and of the rows given z: the numbers of the one must not come back in the other."""
    z_key, rows_key = jax.random.split(key_of_call(random_state))
    return z_key, rows_key


def _draws_of_prior(model: VariationalAutoencoder, n: int, key: Array) -> Float[np.ndarray, "n d"]:
    inner = model.network_.pair.prior.sample(key, n, model.n_components_)
    return np.asarray(model.network_.frame.enter(jnp.asarray(inner, jnp.float32)))


@eqx.filter_jit
def _posterior(network: DataMap, block: Float[Array, "n width"]) -> Float[Array, "n outputs"]:
    mean, log_var = network.pair.posterior(*rows_and_errors(block, network.center.shape[0]))
    std = jnp.exp(0.5 * log_var) @ jnp.abs(network.frame.matrix).T
    return jnp.concatenate([network.frame.enter(mean), std], axis=1)


@eqx.filter_jit
def _draw(network: DataMap, z: Float[Array, "n d"], key: Array) -> Float[Array, "n D"]:
    pair = network.pair
    drawn: Array = pair.likelihood.sample(key, pair.decoder(network.frame.leave(z)))
    return drawn


@eqx.filter_jit
def _log_likelihood(
    pair: VariationalPair, block: Float[Array, "n width"], key: Array, n_samples: Array, n_features: int
) -> Float[Array, " n"]:
    u, error = rows_and_errors(block, n_features)

    def add(state: Array, z: Array, log_weight: Array) -> Array:
        return jnp.logaddexp(state, jax.nn.logsumexp(log_weight, axis=0))

    start = jnp.full(len(u), -jnp.inf, u.dtype)
    total = over_draws(pair, u, error, key, n_samples, start, add)
    return total - jnp.log(n_samples)
