"""Imputation: missing entries of rows, from what is known of them, and how sure that is.

Moments of what is missing are averages over p(z | x), with draws that are weighted by importance (Mattei
& Frellsen 2019, "MIWAE", arXiv:1812.02633), so that they become exact with many draws.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from isthmus.data.checks import check_errors, check_integer
from isthmus.data.rows import JoinedRows, ScaledRows, View, row_blocks
from isthmus.data.units import UnequalScalesWarning
from isthmus.data.wording import counted
from isthmus.estimators.base import as_given, given_names_of, spread_as_given, width_of
from isthmus.networks.applying import map_rows
from isthmus.variational._draws import (
    RandomState,
    check_numbers,
    key_of_call,
    keys_of_blocks,
    over_draws,
    pair_of,
    widest_of_draws,
)
from isthmus.variational.distributions import Distribution, Supporting, impossible
from isthmus.variational.elbo import VariationalPair, rows_and_errors
from isthmus.variational.estimator import VariationalAutoencoder
from isthmus.variational.evidence import given_rows, raw_rows
from isthmus.variational.likelihoods import GaussianErrors
from isthmus.variational.ppca import scaled_errors

FEWEST_KNOWN = 10
"""Known values of a column that its spread is compared by."""

WIDE = 1.5
"""Standard deviation of filled entries, in that of the known values, from which something is wrong: what
is not known at all has a little more than 1."""

LEAST_LOG_WEIGHT = float(np.finfo(np.float32).min)
"""Stands for the logarithm of a weight that is 0 in single precision, where weights are compared."""


class Imputation(NamedTuple):
    """Complete rows, and the standard deviation of each entry: 0 where it was known exactly."""

    rows: np.ndarray
    std: Float[np.ndarray, "n ..."]


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
    pair = pair_of(model)
    given, D, scaling = given_rows(model, X, x_error), width_of(model), model.scaling_
    n_samples = check_integer("n_samples", n_samples, 1)
    keys = keys_of_blocks(key_of_call(random_state))
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
        widest=widest_of_draws(pair, D),
    )
    mean, spread, log_weight = found[:, :D], found[:, D:-1], found[:, -1]
    every_missing, missing = missing, missing[chosen]
    wrong = np.asarray((missing & ~np.isfinite(mean + spread)).any(axis=1))
    if not isinstance(pair.likelihood, Supporting):
        wrong |= log_weight <= LEAST_LOG_WEIGHT
    check_numbers(
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
        f"have one of {spread[worst]:.3g}. The same holds of "
        f"{len(wide)} of {counted(len(judged), 'column')}, because one error is shared with columns of "
        "larger spread: fit with scaling='standard', or give each column an error of its own by "
        "likelihood=isthmus.likelihoods.Gaussian('feature')"
    )


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
    top, total, first, second = over_draws(pair, u, error, key, n_samples, start, add, LEAST_LOG_WEIGHT)
    gap = first / total
    std = jnp.sqrt(jnp.maximum(second / total - jnp.square(gap), 0.0))
    return jnp.concatenate([origin + gap, std, top[:, None]], axis=1)
