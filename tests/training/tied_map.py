"""Small trainings: objectives of 37 rows, and gradient descent on them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from isthmus.data.sources import ArraySource
from isthmus.networks.layers import Affine
from isthmus.training.loop import train
from isthmus.training.problem import Training
from isthmus.training.solvers import Solver, constant

N, D = 37, 3
RNG = np.random.default_rng(5)
ROWS = (RNG.standard_normal((N, D)) * [2.0, 1.0, 0.5] + [0.3, 0.0, -0.2]).astype(np.float32)
START = RNG.standard_normal((2, D)).astype(np.float32) * 0.3


def tied(network, batch, key):
    """½‖x − WᵀWx‖²: hashable and pure, as an objective must be."""
    return 0.5 * jnp.sum(jnp.square(batch - (batch @ network.weight.T) @ network.weight), axis=1)


def noisy(network, batch, key):
    """Its draws show a step that has the wrong number."""
    return tied(network, batch + jax.random.normal(key, batch.shape), key)


def distance(network, batch, key):
    """Mean of ½|w − x|²: its minimum is the mean of the rows, its Hessian the identity."""
    return 0.5 * jnp.sum(jnp.square(batch - network.weight[0]), axis=1)


def fit(objective=tied, rows=ROWS, network=None, seed=0, **changes):
    options = {
        "solver": Solver(optax.identity(), constant, peak=0.05),
        "learning_rate": 0.05,
        "batch_size": 10,
        "max_epochs": 6,
    }
    training = Training(
        objective=objective,
        network=Affine(START, None) if network is None else network,
        source=rows if isinstance(rows, ArraySource) else ArraySource(rows, np.arange(len(rows))),
        rng=np.random.default_rng(seed),
        **(options | changes),
    )
    (result,) = train([training])
    result.raise_if_diverged(training.learning_rate)
    return result
