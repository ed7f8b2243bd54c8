"""Draws of the coordinates that a row may have, weighted by importance: averages over p(z | x)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from isthmus.data.checks import check_fitted
from isthmus.data.wording import counted
from isthmus.estimators.fitting import generator
from isthmus.networks.applying import widest_layer
from isthmus.networks.processes import check_process
from isthmus.variational.divergence import LOG_2PI
from isthmus.variational.elbo import VariationalPair, row_log_likelihood

DRAWS_AT_A_TIME = 10
"""Draws per row that are decoded together: their rows are in memory at once."""

RandomState = int | np.random.RandomState | None
State = TypeVar("State")


def pair_of(model: object) -> VariationalPair:
    """The network of a fitted variational map, or a TypeError."""
    check_fitted(model)
    pair = getattr(getattr(model, "network_", None), "pair", None)
    if not isinstance(pair, VariationalPair):
        raise TypeError(
            f"expected a fitted VariationalAutoencoder, got {type(model).__name__}, which has no "
            "distribution of its coordinates"
        )
    return pair


def key_of_call(random_state: RandomState) -> Array:
    """The key that all draws of a call come from."""
    check_process()
    return jax.random.key(int(generator(random_state).integers(2**31)))


def keys_of_blocks(key: Array) -> Iterator[Array]:
    """A key for each block of rows."""
    return (jax.random.fold_in(key, number) for number in count())


def widest_of_draws(pair: VariationalPair, n_features: int) -> int:
    """Numbers that each row has in memory at once, at most."""
    d = pair.encoder.log_var.shape[0]
    return max(DRAWS_AT_A_TIME * max(widest_layer(pair), n_features), d * d)


def over_draws(
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


def check_numbers(wrong: Bool[np.ndarray, " m"], chosen: Int[np.ndarray, " m"], what: str) -> None:
    """Raise a ValueError for the first of the chosen rows that gave no number."""
    if wrong.any():
        raise ValueError(
            f"row {int(chosen[np.argmax(wrong)])} {what} ({counted(int(wrong.sum()), 'row')} in all): "
            "look for extreme values in the row, and at a prior or likelihood of your own"
        )
