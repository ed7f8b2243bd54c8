"""Solvers: how a gradient becomes an update.

A solver is an Optax transformation and the learning rate that scales what it returns. Adam comes with
Nesterov's momentum (Kingma & Ba 2015, arXiv:1412.6980; Dozat 2016, "Incorporating Nesterov momentum into
Adam"), warm-up, a rate that falls linearly to zero (Defazio et al. 2023, arXiv:2310.07831) and decoupled
weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101); plain gradient descent is
w ← w − ε ∂L/∂w as in the lecture notes, "Training a NN"; L-BFGS searches for the length of each step
(Liu & Nocedal 1989, "On the limited memory BFGS method for large scale optimization").

Weight decay shrinks what a module declares (``isthmus.networks.layers.DECAYS``): the matrices of layers.
The linear path from PCA, shifts, priors and likelihoods are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PyTree

from isthmus.networks.layers import decaying

WARM_UP = 0.05
"""Share of all steps in which the learning rate climbs to its peak."""

Rate = Callable[[Array, Array, Array], Array]


def up_and_down(step: Array, n_steps: Array, peak: Array) -> Array:
    """Linear from 0 to the peak over the first 5 % of the steps, then linear down to 0."""
    warm = jnp.maximum(1.0, WARM_UP * n_steps)
    left = jnp.clip((n_steps - step) / jnp.maximum(1.0, n_steps - warm), 0.0, 1.0)
    return peak * jnp.minimum((step + 1) / warm, left)


def constant(step: Array, n_steps: Array, peak: Array) -> Array:
    """The same rate at every step."""
    return peak


def unit(step: Array, n_steps: Array, peak: Array) -> Array:
    """−1: for a transformation that returns finished updates, sign and rate included."""
    return -jnp.ones_like(peak)


@dataclass(frozen=True)
class Solver:
    """w ← w − rate(step, n_steps, peak) · transformation(∂L/∂w).

    ``full_batch``: a step takes all rows unless the user says otherwise; ``needs_all_rows``: always,
    because it compares gradients from step to step. ``starts_at_zero``: so do all numbers of its state.
    """

    transformation: optax.GradientTransformation
    rate: Rate
    peak: float
    full_batch: bool = False
    needs_all_rows: bool = False
    starts_at_zero: bool = False

    @property
    def has_own_rate(self) -> bool:
        """The transformation returns finished updates."""
        return self.rate is unit

    def update(
        self,
        gradient: PyTree,
        state: PyTree,
        weights: PyTree,
        loss: Array,
        loss_at: Callable[[PyTree], Array],
    ) -> tuple[PyTree, PyTree]:
        """What the rate multiplies, and the next state; ``loss_at`` is for a search along a line."""
        transformation = optax.with_extra_args_support(self.transformation)
        updated: tuple[PyTree, PyTree] = transformation.update(
            gradient, state, weights, value=loss, grad=gradient, value_fn=loss_at
        )
        return updated

    def steady(self) -> Solver:
        """The same updates for training without an end in sight: a quarter of the peak, held."""
        if self.rate is not up_and_down:
            return self
        return replace(self, rate=constant, peak=self.peak / 4)


WEIGHT_DECAY = 0.1
"""Per unit of learning rate. With 0.3 curved maps are up to twice as far from the rows."""


@cache
def adam(weight_decay: float) -> Solver:
    """Adam with Nesterov's momentum and b2 = 0.99.

    λ W is added to what Adam makes of the gradient, for each W that decays. Adam sees all weights as
    one vector: the steps are the same, and a fit is compiled in five sixths of the time.
    """
    return Solver(
        optax.chain(
            optax.flatten(optax.scale_by_adam(b2=0.99, nesterov=True)),
            optax.add_decayed_weights(weight_decay, mask=decaying),
        ),
        up_and_down,
        peak=4e-3,
        starts_at_zero=True,
    )


@cache
def gradient_descent(weight_decay: float) -> Solver:
    """w ← w − ε ∂/∂w [L + ½ λ Σ ‖W‖²], the sum over all W that decay."""
    decay = optax.add_decayed_weights(weight_decay, mask=decaying)
    return Solver(
        decay if weight_decay else optax.identity(),
        constant,
        peak=0.1,
        full_batch=True,
        starts_at_zero=True,
    )


@cache
def lbfgs(weight_decay: float) -> Solver:
    """L-BFGS with the last 10 steps, for L + ½ λ Σ ‖W‖²; a step's length is sought by strong Wolfe."""
    return Solver(
        _penalised(optax.lbfgs(), weight_decay), unit, 1.0, full_batch=True, needs_all_rows=True
    )


def _penalised(
    search: optax.GradientTransformationExtraArgs, weight_decay: float
) -> optax.GradientTransformationExtraArgs:
    """A line search that sees the penalty too: it must descend what the gradient is of."""

    def penalty(weights: PyTree) -> Array:
        squares = jax.tree.map(
            lambda leaf, decays: jnp.sum(jnp.square(leaf)) if decays else 0.0,
            weights,
            decaying(weights),
        )
        return 0.5 * weight_decay * jnp.asarray(sum(jax.tree.leaves(squares)))

    def update(
        gradient: PyTree,
        state: PyTree,
        weights: PyTree,
        *,
        value: Array,
        grad: PyTree,
        value_fn: Callable[[PyTree], Array],
    ) -> tuple[PyTree, PyTree]:
        more, slope = jax.value_and_grad(penalty)(weights)
        total = jax.tree.map(jnp.add, gradient, slope)
        updated: tuple[PyTree, PyTree] = search.update(
            total,
            state,
            weights,
            value=value + more,
            grad=total,
            value_fn=lambda at: value_fn(at) + penalty(at),
        )
        return updated

    return optax.GradientTransformationExtraArgs(search.init, update)


ADAM = adam(WEIGHT_DECAY)
GRADIENT_DESCENT = gradient_descent(0.0)

SOLVERS: dict[str, Solver] = {"adam": ADAM, "gradient_descent": GRADIENT_DESCENT}


def decaying_solvers(weight_decay: float) -> dict[str, Solver]:
    """Every solver by its name, with this λ."""
    return {make.__name__: make(weight_decay) for make in (adam, gradient_descent, lbfgs)}


def as_solver(
    solver: str | optax.GradientTransformation, known: Mapping[str, Solver] = SOLVERS
) -> Solver:
    """The named solver, or one made of an Optax transformation with a learning rate of its own."""
    if isinstance(solver, str):
        if solver not in known:
            raise ValueError(
                f"solver={solver!r} is not known; use one of {sorted(known)}, "
                "or an Optax transformation such as optax.adamw(1e-3)"
            )
        return known[solver]
    if not isinstance(solver, optax.GradientTransformation):
        raise TypeError(
            f"solver must be one of {sorted(known)} or an Optax transformation, "
            f"got {type(solver).__name__}"
        )
    return Solver(solver, unit, peak=1.0)
