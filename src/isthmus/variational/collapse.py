"""Collapse: what each coordinate of a variational map carries, and the warning where that is nothing.

A coordinate collapses where its posterior is the prior for every row: its KL divergence is zero, and the
mean μ does not vary over the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.data.rows import View
from isthmus.data.wording import counted
from isthmus.networks.applying import map_rows, widest_layer
from isthmus.networks.fitted import DataMap
from isthmus.variational.elbo import EVALUATION_DRAWS, bound_terms, draw_noise, rows_and_errors

if TYPE_CHECKING:
    from isthmus.variational.estimator import VariationalAutoencoder

LEAST_VARIANCE_OF_MEAN = 0.01
"""A coordinate whose μ varies less over the rows is inactive (Burda et al. 2016, arXiv:1509.00519)."""

MOST_ROWS_LOOKED_AT = 10_000
"""Rows that KL and variance of each coordinate are averaged over, evenly spaced."""


class CollapseWarning(UserWarning):
    """Some coordinates of a variational auto-encoder carry nothing.

    It comes from ``VariationalAutoencoder.fit`` where the variance of μ over the rows is at most 0.01
    for a coordinate: its z is the prior's noise, and the decoder does without it. The text has their
    numbers. If you need them, lower ``beta``, or set ``free_bits=0.1``; if not, fewer ``n_components``
    are the same map. ``active_`` has the same as an array, and ``kl_`` what each coordinate carries, in
    nats.

    References
    ----------
    Burda et al. 2016, "Importance weighted autoencoders", arXiv:1509.00519, for the bound of 0.01.

    Examples
    --------
    Noise without any structure is not worth a coordinate:

    >>> import isthmus, numpy as np, warnings
    >>> X = np.random.default_rng(0).standard_normal((1797, 64))
    >>> model = isthmus.VariationalAutoencoder(2, widths=(32,), max_epochs=10, beta=4.0, random_state=0)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     model = model.fit(X)
    >>> isthmus.CollapseWarning in [each.category for each in caught], model.active_.tolist()
    (True, [False, False])
    """


def kl_and_activity(network: DataMap, rows: View) -> Mapping[str, object]:
    """KL and activity of each coordinate, in the order of the coordinates."""
    some = rows[slice(None, None, -(-rows.shape[0] // MOST_ROWS_LOOKED_AT))]
    d = network.n_coordinates
    found = map_rows(
        lambda block: _mean_and_kl(network, block),
        some,
        np.empty((some.shape[0], 2 * d)),
        widest=widest_layer(network),
    )
    order = np.argmax(np.abs(np.asarray(network.frame.matrix)), axis=1)
    divergences = np.mean(found[:, d:], axis=0)[order]
    variance = np.var(found[:, :d], axis=0)[order]
    return {"kl_": divergences, "active_": variance > LEAST_VARIANCE_OF_MEAN}


def collapse_warnings(model: VariationalAutoencoder) -> Iterator[CollapseWarning]:
    """Which coordinates carry nothing, if any, and what to change."""
    if model.active_.all():
        return
    idle = np.flatnonzero(~model.active_)
    which = ", ".join(map(str, idle))
    yield CollapseWarning(
        f"{len(idle)} of {counted(len(model.active_), 'coordinate')} "
        f"{'carries' if len(idle) == 1 else 'carry'} nothing: number {which}. The variance of μ over "
        f"the rows is at most {LEAST_VARIANCE_OF_MEAN}, and z is the prior's noise. If you need them, "
        f"lower beta (it is {model.beta:g}) or set free_bits=0.1; if not, "
        f"n_components={max(1, int(model.active_.sum()))} is the same map"
    )


@eqx.filter_jit
def _mean_and_kl(network: DataMap, block: Float[Array, "n width"]) -> Float[Array, "n outputs"]:
    """μ of each row, and the KL divergence of each of its coordinates."""
    u, error = rows_and_errors(block, network.center.shape[0])
    mean, _ = network.pair.posterior(u, error)
    noise = draw_noise(jax.random.key(0), EVALUATION_DRAWS, *mean.shape)
    divergence = bound_terms(network.pair, u, noise, error).kl
    return jnp.concatenate([mean, divergence], axis=-1)
