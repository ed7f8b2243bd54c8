"""Solvers: how a gradient becomes an update.

A solver is an Optax transformation and the learning rate that scales what it returns. Adam comes with
warm-up, cosine decay and decoupled weight decay (Kingma & Ba 2015, arXiv:1412.6980; Loshchilov &
Hutter 2017 and 2019, arXiv:1608.03983 and arXiv:1711.05101); plain gradient descent is
w ← w − ε ∂L/∂w as in the lecture notes, "Training a NN".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

WARM_UP = 0.05
"""Share of all steps in which the learning rate climbs to its peak."""

Rate = Callable[[Array, Array, Array], Array]


def warm_up_cosine(step: Array, n_steps: Array, peak: Array) -> Array:
    """Linear from 0 to the peak over the first 5 % of the steps, then half a cosine down to 0."""
    warm = jnp.maximum(1.0, WARM_UP * n_steps)
    decay = jnp.clip((step - warm) / jnp.maximum(1.0, n_steps - warm), 0.0, 1.0)
    return peak * jnp.minimum((step + 1) / warm, 0.5 * (1.0 + jnp.cos(jnp.pi * decay)))


def constant(step: Array, n_steps: Array, peak: Array) -> Array:
    """The same rate at every step."""
    return peak


def unit(step: Array, n_steps: Array, peak: Array) -> Array:
    """−1: for a transformation that returns finished updates, sign and rate included."""
    return -jnp.ones_like(peak)


@dataclass(frozen=True)
class Solver:
    """w ← w − rate(step, n_steps, peak) · transformation(∂L/∂w)."""

    transformation: optax.GradientTransformation
    rate: Rate
    peak: float
    full_batch: bool = False

    @property
    def has_own_rate(self) -> bool:
        """The transformation returns finished updates."""
        return self.rate is unit

    def steady(self) -> Solver:
        """The same updates for training without an end in sight: a third of the peak, held."""
        if self.rate is not warm_up_cosine:
            return self
        return replace(self, rate=constant, peak=self.peak / 3)


def _corrections(weights: Any) -> Any:
    """True for the matrices of the non-linear correction: PCA's axes and shifts do not decay."""
    return jax.tree_util.tree_map_with_path(
        lambda keys, leaf: leaf.ndim == 2 and not any(key == PATH for key in keys), weights
    )


PATH = jax.tree_util.GetAttrKey("path")
WEIGHT_DECAY = 0.3
"""Per unit of learning rate: enough to curb over-fitting on noisy data, too little to flatten a map."""

ADAM = Solver(
    optax.chain(
        optax.scale_by_adam(b2=0.99), optax.add_decayed_weights(WEIGHT_DECAY, mask=_corrections)
    ),
    warm_up_cosine,
    peak=3e-3,
)
GRADIENT_DESCENT = Solver(optax.identity(), constant, peak=0.1, full_batch=True)

SOLVERS: dict[str, Solver] = {"adam": ADAM, "gradient_descent": GRADIENT_DESCENT}


def as_solver(solver: str | optax.GradientTransformation) -> Solver:
    """The named solver, or one made of an Optax transformation with a learning rate of its own."""
    if isinstance(solver, str):
        if solver not in SOLVERS:
            raise ValueError(
                f"solver={solver!r} is not known; use one of {sorted(SOLVERS)}, "
                "or an Optax transformation such as optax.adamw(1e-3)"
            )
        return SOLVERS[solver]
    if not isinstance(solver, optax.GradientTransformation):
        raise TypeError(
            f"solver must be one of {sorted(SOLVERS)} or an Optax transformation, "
            f"got {type(solver).__name__}"
        )
    return Solver(solver, unit, peak=1.0)
