"""The evidence lower bound of rows, and how given rows are taken, with known errors of their entries.

``elbo.py`` has the bound itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float
from sklearn.utils.validation import check_is_fitted

from isthmus.data.checks import check_errors, check_rows
from isthmus.data.rows import FLOAT64, JoinedRows, Rows, ScaledRows, View
from isthmus.estimators.blocks import by_blocks
from isthmus.networks.applying import map_rows, widest_layer
from isthmus.networks.fitted import DataMap
from isthmus.variational.distributions import Likelihood, impossible_rows
from isthmus.variational.elbo import VariationalPair, bound_terms, draw_noise, rows_and_errors
from isthmus.variational.likelihoods import GaussianErrors
from isthmus.variational.ppca import scaled_errors

if TYPE_CHECKING:
    from isthmus.variational.estimator import VariationalAutoencoder

SCORING_DRAWS = 32
"""Draws per row that ``score`` averages over: its error is about a nat divided by √(32 n)."""


def given_rows(model: VariationalAutoencoder, X: object, x_error: object = None) -> View:
    """Rows of X in scaled units, with their known errors on their right where there are any."""
    check_is_fitted(model)
    rows = check_rows(model, X, reset=False)
    scaled = ScaledRows(rows, model.scaling_)
    if x_error is None:
        return scaled
    check_takes_errors(model.likelihood, isinstance(model.network_.pair.likelihood, GaussianErrors))
    return JoinedRows(scaled, scaled_errors(check_errors(x_error, rows, X), model.scaling_))


def check_takes_errors(likelihood: Likelihood, takes_errors: bool) -> None:
    """Raise a ValueError for errors with a likelihood that does not take them."""
    if not takes_errors:
        raise ValueError(
            f"x_error with likelihood={likelihood!r}: measurement errors add to the variance of "
            "likelihood=isthmus.likelihoods.Gaussian(), and of no other"
        )


@by_blocks(lambda model, _: ((), FLOAT64))
def evidence_lower_bound(
    model: VariationalAutoencoder, X: object, x_error: object = None
) -> Float[np.ndarray, " n"]:
    """The ELBO of each row with β = 1: (n, D) → (n,), in nats; what ``score`` is the mean of.

    −∞ for a row that cannot occur. ``x_error`` are known standard deviations of the entries; without
    them the rows are taken as exact.
    """
    rows = given_rows(model, X, x_error)
    out = np.empty(rows.shape[0])
    network = model.network_
    widest = SCORING_DRAWS * max(widest_layer(network.pair), rows.shape[1])
    map_rows(lambda u: _bound(network, u), rows, out, widest=widest)
    out[impossible_rows(network.pair.likelihood, raw_rows(rows))] = -np.inf
    return out


def raw_rows(rows: View) -> Rows:
    """The rows in the data's units that a view of ``given_rows`` shows."""
    scaled = rows.rows if isinstance(rows, JoinedRows) else rows
    assert isinstance(scaled, ScaledRows)
    return scaled.rows


@eqx.filter_jit
def _bound(network: DataMap, block: Float[Array, "n width"]) -> Float[Array, " n"]:
    u, error = rows_and_errors(block, network.center.shape[0])
    pair: VariationalPair = network.pair
    noise = draw_noise(jax.random.key(0), SCORING_DRAWS, len(u), pair.encoder.log_var.shape[0])
    terms = bound_terms(pair, u, noise, error)
    return terms.log_likelihood - terms.kl.sum(axis=-1)
