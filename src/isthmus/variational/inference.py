"""What a variational auto-encoder can say of rows: posteriors, samples, likelihoods, missing entries.

Averages over p(z | x) are taken with draws from the encoder's normal distribution, weighted by
p(x | z) p(z)/q(z | x) (Burda et al. 2016, "Importance weighted autoencoders", arXiv:1509.00519; Mattei &
Frellsen 2019, arXiv:1812.02633, for missing entries), so that they become exact with many draws.

Functions of rows take ``x_error``, known standard deviations of the entries, as ``fit`` does. Without it
they take the entries as exact, whatever the model was fitted with.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from itertools import count
from typing import NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from isthmus.data.checks import check_errors, check_fitted, check_integer
from isthmus.data.rows import JoinedRows, ScaledRows, View, row_blocks
from isthmus.data.units import UnequalScalesWarning
from isthmus.estimators.base import as_given, given_names_of, spread_as_given, width_of
from isthmus.estimators.fitting import generator
from isthmus.networks.applying import map_rows, widest_layer
from isthmus.networks.fitted import DataMap
from isthmus.variational.elbo import VariationalPair, row_log_likelihood, rows_and_errors
from isthmus.variational.estimator import VariationalAutoencoder, given_rows, raw_rows
from isthmus.variational.likelihoods import (
    Distribution,
    GaussianErrors,
    Supporting,
    impossible,
    impossible_rows,
)
from isthmus.variational.ppca import scaled_errors
from isthmus.variational.priors import LOG_2PI

DRAWS_AT_A_TIME = 10
"""Draws per row that are decoded together: their rows are in memory at once."""

FEWEST_KNOWN = 10
"""Known values of a column that its spread is compared by."""

WIDE = 1.5
"""Standard deviation of filled entries, in that of the known values, from which something is wrong: what
is not known at all has a little more than 1."""

LEAST_LOG_WEIGHT = float(np.finfo(np.float32).min)
"""Stands for the logarithm of a weight that is 0 in single precision, where weights are compared."""

RandomState = int | np.random.RandomState | None
State = TypeVar("State")


class Posterior(NamedTuple):
    """Mean and standard deviation of each coordinate of each row."""

    mean: Float[np.ndarray, "n d"]
    std: Float[np.ndarray, "n d"]


class Imputation(NamedTuple):
    """Complete rows, and the standard deviation of each entry: 0 where it was known exactly."""

    rows: np.ndarray
    std: Float[np.ndarray, "n ..."]


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
    pair = _pair(model)
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
    _pair(model)
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
    pair = _pair(model)
    prior_key, rows_key = _keys_of_sample(random_state)
    Z = _draws_of_prior(model, check_integer("n", n, 1), prior_key)
    keys = _keys(rows_key)
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
    pair = _pair(model)
    rows, D = given_rows(model, X, x_error), width_of(model)
    n_samples = check_integer("n_samples", n_samples, 1)
    keys = _keys(_key(random_state))
    out = np.empty(rows.shape[0])
    map_rows(
        lambda u: _log_likelihood(pair, u, next(keys), jnp.int32(n_samples), D),
        rows,
        out,
        widest=_widest(pair, D),
    )
    out[impossible_rows(pair.likelihood, raw_rows(rows))] = -np.inf
    _check_numbers(np.isnan(out), np.arange(len(out)), "has a density that is NaN")
    return out


def impute(
    model: VariationalAutoencoder,
    X: object,
    n_samples: int = 100,
    random_state: RandomState = None,
    x_error: object = None,
) -> Imputation:
    """Rows (n, D) with NaN → complete rows (n, D) and the standard deviation of each entry, float64.

    Missing entries get their mean given the others, E[x_m | x_o], over draws of z, weighted by
    importance; the standard deviation holds what the draws differ by and the likelihood's own.

    Parameters
    ----------
    model : fitted VariationalAutoencoder
    X : array-like (n, D)
        Rows in their own units, NaN where an entry is missing.
    n_samples : int, default 100
        Draws of z for each incomplete row.
    random_state : int, RandomState or None, default None
        Of the draws.
    x_error : array-like (n, D), (D,), a number or None, default None
        Known standard deviations of the entries, by which an uncertain one counts for less. Without it
        the entries are taken as exact.

    Returns
    -------
    Imputation
        ``rows`` (n, D), in which known entries stay as they are, and ``std`` (n, D): 0 for these, or
        ``x_error`` where it is given. A missing category is the likeliest one, and its standard
        deviation NaN.

    Raises
    ------
    TypeError, NotFittedError, ValueError
        What ``posterior`` raises, and ValueError for an incomplete row of which nothing can be said,
        because what is known of it cannot occur.

    Warns
    -----
    UnequalScalesWarning
        If a column is filled less surely than its known values vary.

    References
    ----------
    Mattei & Frellsen 2019, "MIWAE", arXiv:1812.02633.

    Examples
    --------
    >>> import isthmus, numpy as np
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> model = isthmus.VariationalAutoencoder(2, widths=(32,), max_epochs=10, random_state=0).fit(X)
    >>> half = np.where(np.arange(64) < 32, X, np.nan)  # without the lower half
    >>> rows, std = isthmus.impute(model, half, random_state=0)
    >>> inside = abs(rows - X)[:, 32:] < 2 * std[:, 32:]
    >>> bool(np.mean(inside) > 0.9)
    True
    """
    pair = _pair(model)
    given, D, scaling = given_rows(model, X, x_error), width_of(model), model.scaling_
    n_samples = check_integer("n_samples", n_samples, 1)
    keys = _keys(_key(random_state))
    rows, std = np.empty((given.shape[0], D)), np.zeros((given.shape[0], D))
    for where, block in row_blocks(raw_rows(given)):
        rows[where] = block
    missing = np.isnan(rows)
    if x_error is not None:
        std[:] = np.where(missing, 0.0, check_errors(x_error, rows))
    chosen = np.flatnonzero(missing.any(axis=1))
    if not len(chosen):
        return Imputation(as_given(model, rows), spread_as_given(model, std))
    _check_possible(pair, rows, chosen)
    incomplete: View = ScaledRows(rows[chosen], scaling)
    if x_error is not None:
        incomplete = JoinedRows(incomplete, scaled_errors(std[chosen], scaling))
    found = np.empty((len(chosen), 2 * D + 1))
    map_rows(
        lambda u: _moments_of_missing(pair, u, next(keys), jnp.int32(n_samples), D),
        incomplete,
        found,
        widest=_widest(pair, D),
    )
    mean, spread, log_weight = found[:, :D], found[:, D:-1], found[:, -1]
    every_missing, missing = missing, missing[chosen]
    wrong = np.asarray((missing & ~np.isfinite(mean + spread)).any(axis=1))
    if not isinstance(pair.likelihood, Supporting):
        wrong |= log_weight <= LEAST_LOG_WEIGHT
    _check_numbers(
        wrong, chosen, "cannot be imputed, because no draw of its coordinates has a density above 0"
    )
    rows[chosen] = np.where(missing, mean * scaling.scale + scaling.center, rows[chosen])
    std[chosen] = np.where(missing, spread * scaling.scale, std[chosen])
    if _shares_one_error(pair.likelihood):
        warning = _of_wide_errors(model, rows, std, every_missing)
        if warning is not None:
            warnings.warn(warning, stacklevel=2)
    return Imputation(as_given(model, rows), spread_as_given(model, std))


def _shares_one_error(likelihood: Distribution) -> bool:
    return isinstance(likelihood, GaussianErrors) and likelihood.own_variance.ndim == 0


def _of_wide_errors(
    model: VariationalAutoencoder,
    rows: Float[np.ndarray, "n D"],
    std: Float[np.ndarray, "n D"],
    missing: Bool[np.ndarray, "n D"],
) -> UnequalScalesWarning | None:
    """What to say of columns that are filled less surely than their known values vary."""
    n_known, n_missing = np.sum(~missing, axis=0), np.sum(missing, axis=0)
    judged = (n_known >= FEWEST_KNOWN) & (n_missing > 0)
    spread, typical = np.zeros(len(judged)), np.zeros(len(judged))
    for j in np.flatnonzero(judged):
        spread[j] = np.std(rows[~missing[:, j], j])
        typical[j] = np.sqrt(np.mean(np.square(std[missing[:, j], j])))
    wide = np.flatnonzero((spread > 0) & (typical > WIDE * spread))
    if not len(wide):
        return None
    worst = wide[np.argmax(typical[wide] / spread[wide])]
    names = given_names_of(model)
    column = f"column {worst}" if names is None else names[worst]
    return UnequalScalesWarning(
        f"{column} is filled with a standard deviation of {typical[worst]:.3g}, and its known values "
        f"have one of {spread[worst]:.3g}; {len(wide)} of {len(judged)} columns are like that. They "
        "share one error with columns of larger spread: fit with scaling='standard', or give each an "
        "error of its own by likelihood=isthmus.likelihoods.Gaussian('feature')"
    )


def _pair(model: object) -> VariationalPair:
    check_fitted(model)
    pair = getattr(getattr(model, "network_", None), "pair", None)
    if not isinstance(pair, VariationalPair):
        raise TypeError(
            f"expected a fitted VariationalAutoencoder, got {type(model).__name__}, which has no "
            "distribution of its coordinates"
        )
    return pair


def _check_possible(
    pair: VariationalPair, rows: Float[np.ndarray, "n D"], chosen: Int[np.ndarray, " m"]
) -> None:
    """Raise a ValueError for the first of the chosen rows that holds an entry which cannot occur."""
    cannot = impossible(pair.likelihood, rows[chosen])
    if cannot.any():
        index, column = map(int, np.argwhere(cannot)[0])
        row = int(chosen[index])
        raise ValueError(
            f"row {row} cannot be imputed: its entry in column {column} is {rows[row, column]:g}, which "
            f"cannot occur under the model's likelihood ({type(pair.likelihood).__name__}). Correct it, "
            "or set it to NaN if it is unknown"
        )


def _check_numbers(wrong: Bool[np.ndarray, " m"], chosen: Int[np.ndarray, " m"], what: str) -> None:
    """Raise a ValueError for the first of the chosen rows that gave no number."""
    if wrong.any():
        raise ValueError(
            f"row {int(chosen[np.argmax(wrong)])} {what} ({int(wrong.sum())} rows in all): look for "
            "extreme values in the row, and at a prior or likelihood of your own"
        )


def _key(random_state: RandomState) -> Array:
    return jax.random.key(int(generator(random_state).integers(2**31)))


def _keys(key: Array) -> Iterator[Array]:
    """A key for each block of rows."""
    return (jax.random.fold_in(key, number) for number in count())


def _keys_of_sample(random_state: RandomState) -> tuple[Array, Array]:
    """Of z, and of the rows given z: the numbers of the one must not come back in the other."""
    z_key, rows_key = jax.random.split(_key(random_state))
    return z_key, rows_key


def _draws_of_prior(model: VariationalAutoencoder, n: int, key: Array) -> Float[np.ndarray, "n d"]:
    inner = model.network_.pair.prior.sample(key, n, model.n_components_)
    return np.asarray(model.network_.frame.enter(jnp.asarray(inner, jnp.float32)))


def _widest(pair: VariationalPair, n_features: int) -> int:
    d = pair.encoder.log_var.shape[0]
    return max(DRAWS_AT_A_TIME * max(widest_layer(pair), n_features), d * d)


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


def _over_draws(
    pair: VariationalPair,
    u: Float[Array, "n D"],
    error: Float[Array, "n D"] | None,
    key: Array,
    n_samples: Array,
    start: State,
    add: Callable[[State, Float[Array, "s n d"], Float[Array, "s n"]], State],
    least: float = -np.inf,
) -> State:
    """Fold ``add(state, z, log weight)`` over draws of z, a few at a time; no weight below ``least``."""
    mean, log_var = pair.posterior(u, error)
    std = jnp.exp(0.5 * log_var)

    def step(carry: tuple[Array, State]) -> tuple[Array, State]:
        number, state = carry
        shape = (DRAWS_AT_A_TIME, *mean.shape)
        noise = jax.random.normal(jax.random.fold_in(key, number), shape, mean.dtype)
        z = mean + std * noise
        log_q = -0.5 * jnp.sum(jnp.square(noise) + log_var + LOG_2PI, axis=-1)
        log_joint = row_log_likelihood(pair, u, z, error) + jnp.sum(pair.prior.log_density(z), axis=-1)
        log_weight = jnp.maximum((log_joint - log_q).astype(u.dtype), least)
        wanted = number * DRAWS_AT_A_TIME + jnp.arange(DRAWS_AT_A_TIME) < n_samples
        return number + 1, add(state, z, jnp.where(wanted[:, None], log_weight, -jnp.inf))

    def goes_on(carry: tuple[Array, State]) -> Array:
        return jnp.asarray(carry[0] * DRAWS_AT_A_TIME < n_samples)

    return jax.lax.while_loop(goes_on, step, (jnp.int32(0), start))[1]


@eqx.filter_jit
def _log_likelihood(
    pair: VariationalPair, block: Float[Array, "n width"], key: Array, n_samples: Array, n_features: int
) -> Float[Array, " n"]:
    u, error = rows_and_errors(block, n_features)

    def add(state: Array, z: Array, log_weight: Array) -> Array:
        return jnp.logaddexp(state, jax.nn.logsumexp(log_weight, axis=0))

    start = jnp.full(len(u), -jnp.inf, u.dtype)
    total = _over_draws(pair, u, error, key, n_samples, start, add)
    return total - jnp.log(n_samples)


Moments = tuple[Array, Array, Array, Array]
"""Largest log weight, and in units of that weight the sums of 1, of gaps and of their squares."""


@eqx.filter_jit
def _moments_of_missing(
    pair: VariationalPair, block: Float[Array, "n width"], key: Array, n_samples: Array, n_features: int
) -> Float[Array, "n moments"]:
    """Mean and standard deviation of every entry given those that are known, and the log weight."""
    u, error = rows_and_errors(block, n_features)
    # Moments about a point among the draws, so that a small spread far from zero is not lost.
    origin = pair.decode(pair.posterior(u, error)[0])

    def add(state: Moments, z: Array, log_weight: Array) -> Moments:
        most, *sums = state
        top = jnp.maximum(most, jnp.max(log_weight, axis=0))
        weight = jnp.exp(log_weight - top)  # (s, n)
        output = pair.decoder(z)
        gap = (pair.likelihood.mean(output) - origin).astype(u.dtype)
        square = jnp.square(gap) + pair.likelihood.variance(output).astype(u.dtype)
        one = jnp.ones_like(gap[..., :1])
        parts = [jnp.einsum("sn,snj->nj", weight, part) for part in (one, gap, square)]
        shrink = jnp.exp(most - top)[:, None]
        total, first, second = (so_far * shrink + part for so_far, part in zip(sums, parts, strict=True))
        return top, total, first, second

    nothing = jnp.zeros_like(u)
    start = (jnp.full(len(u), -jnp.inf, u.dtype), nothing[:, :1], nothing, nothing)
    # Where no draw has a weight in single precision, all of them count alike.
    top, total, first, second = _over_draws(pair, u, error, key, n_samples, start, add, LEAST_LOG_WEIGHT)
    gap = first / total
    std = jnp.sqrt(jnp.maximum(second / total - jnp.square(gap), 0.0))
    return jnp.concatenate([origin + gap, std, top[:, None]], axis=1)
