"""The compiled part of the loop: passes over a block, and the evaluation where an epoch ends.

``train_on_block`` is pure: all that it needs comes in and all that it changes goes out, so that one
program may run it for one network, or for many side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from isthmus.training.random import key_of
from isthmus.training.solvers import Solver


class Objective(Protocol):
    """What is minimised: pure, one loss per row of a batch of scaled rows.

    One that changes in the course of training has two methods more: ``at(progress)`` gives the
    objective at that share of all steps, ``steady()`` one that stays as it is at the end.
    """

    def __call__(
        self, network: PyTree, batch: Float[Array, "n D"], key: Array
    ) -> Float[Array, " n"]: ...


class HeldOutRows(Protocol):
    """Held-out rows in equal chunks, the last one padded; ``valid`` is 1 on the rows that count."""

    @property
    def rows(self) -> Float[Array | np.ndarray, "chunks rows D"]:
        """(chunks, rows, D)"""

    @property
    def valid(self) -> Float[Array | np.ndarray, "chunks rows"]:
        """(chunks, rows)"""


class State(eqx.Module):
    """What compiled calls hand on: weights, optimiser, counters, and the best so far.

    Of several networks every array has a leading axis M. ``epoch`` counts evaluated epochs from −1,
    "nothing yet": the first pass only evaluates the start. ``best_margin`` is the best epoch's advance
    on the start in standard errors of that difference. Of members that are judged jointly, the best
    epoch, its loss and its margin are those of the held-out rows of all.
    """

    weights: PyTree
    optimiser: PyTree
    step: Int[Array, "*M"]
    epoch: Int[Array, "*M"]
    loss_sum: Float[Array, "*M"]
    finite: Bool[Array, "*M"]
    start_losses: Float[Array, "*M chunks rows"]
    best_weights: PyTree
    best_loss: Float[Array, "*M"]
    best_epoch: Int[Array, "*M"]
    best_margin: Float[Array, "*M"]


Scalar: TypeAlias = Any  # of NumPy outside a compiled call, of JAX within


class Call(NamedTuple):
    """The numbers of one compiled call. They are arrays, so that another value compiles nothing anew."""

    n_passes: Scalar
    is_first: Scalar
    ends_epoch: Scalar
    steps_per_pass: Scalar
    steps_per_epoch: Scalar
    n_steps: Scalar
    peak: Scalar
    patience: Scalar
    seed: Scalar


def start_state(
    weights: PyTree, optimiser: PyTree, held_out: HeldOutRows | None, members: tuple[int, ...] = ()
) -> State:
    """Where training begins, on the device; ``members`` is the leading axis of several."""
    weights = jax.device_put(weights)
    counted = (*members, 0, 0) if held_out is None else held_out.valid.shape
    scalars = {
        "step": np.full(members, 0, np.int32),
        "epoch": np.full(members, -1, np.int32),
        "loss_sum": np.full(members, 0, np.float32),
        "finite": np.full(members, True),
        "start_losses": np.zeros(counted, np.float32),
        "best_loss": np.full(members, np.inf, np.float32),
        "best_epoch": np.full(members, -1, np.int32),
        "best_margin": np.full(members, -np.inf, np.float32),
    }
    return State(weights=weights, optimiser=optimiser, best_weights=weights, **jax.device_put(scalars))


def train_on_block(
    static_part: tuple[Objective, Objective, Solver, PyTree],
    state: State,
    block: Float[Array, "rows D"],
    orders: Int[Array | np.ndarray, "passes steps batch"],
    held_out: HeldOutRows | None,
    call: Call,
    axis: str | None = None,
    jointly: bool = False,
) -> tuple[State, Float[Array, "passes 4"]]:
    """Pass over the block ``call.n_passes`` times; evaluate, and record, where an epoch ends.

    ``axis`` is that of the members, where there are several: then the loop goes on while any of them
    does, and what branches depend on is the same for all, so that a branch stays one. ``jointly``: an
    epoch is judged by the held-out rows of all members together.
    """
    members = axis if jointly else None
    objective, held_out_objective, solver, static = static_part
    # Two streams, so that no step shares its draws with a chunk of held-out rows.
    steps_key, evaluation_key = jax.random.split(key_of(call.seed))

    def batch_loss(weights: PyTree, batch: Array, step: Array) -> Array:
        network = eqx.combine(weights, static)
        now = objective.at(step / call.n_steps) if hasattr(objective, "at") else objective
        return jnp.mean(now(network, batch, jax.random.fold_in(steps_key, step)))

    def train_step(index: Array, carry: tuple[State, Array]) -> tuple[State, Array]:
        state, order = carry
        batch = block[order[index]]
        loss, gradient = jax.value_and_grad(batch_loss)(state.weights, batch, state.step)
        update, optimiser = solver.update(
            gradient, state.optimiser, state.weights, loss, lambda w: batch_loss(w, batch, state.step)
        )
        rate = solver.rate(state.step.astype(jnp.float32), call.n_steps, call.peak)
        weights = jax.tree.map(lambda w, u: w - rate * u, state.weights, update)
        new = (weights, optimiser, state.step + 1, state.loss_sum + loss)
        moved = eqx.tree_at(lambda s: (s.weights, s.optimiser, s.step, s.loss_sum), state, new)
        return _in_precision_of(state, moved), order

    def one_pass(carry: tuple[Array, State, Array]) -> tuple[Array, State, Array]:
        done, before, records = carry
        is_start = call.is_first & (done == 0)
        # The first pass takes no step: it only evaluates the start.
        n_steps = jnp.where(is_start, 0, call.steps_per_pass)
        state, _ = jax.lax.fori_loop(0, n_steps, train_step, (before, orders[done]))
        after = jax.lax.cond(
            call.ends_epoch | is_start,
            lambda s: end_epoch(s, records.at[done].set),
            lambda s: (eqx.tree_at(lambda s: s.finite, s, jnp.isfinite(s.loss_sum)), records),
            state,
        )
        if axis is not None:
            after = kept_where_ended(after, (before, records))
        return done + 1, *after

    def kept_where_ended(after: tuple[State, Array], before: tuple[State, Array]) -> tuple[State, Array]:
        trains = has_reason_to_go_on(before[0])
        kept: tuple[State, Array] = jax.lax.cond(
            ~_of_any(~trains, axis),
            lambda: after,
            lambda: jax.tree.map(lambda new, old: jnp.where(trains, new, old), after, before),
        )
        return kept

    def end_epoch(state: State, record: Callable[[Array], Array]) -> tuple[State, Array]:
        train_loss = jnp.where(state.epoch < 0, jnp.nan, state.loss_sum / call.steps_per_epoch)
        network = eqx.combine(state.weights, static)
        held_out_loss, losses, margin = _evaluate(
            held_out_objective,
            network,
            held_out,
            state.start_losses,
            state.epoch < 0,
            evaluation_key,
            members,
        )
        finite = jnp.isfinite(_total(state.loss_sum, members)) & (
            jnp.isfinite(held_out_loss) | (held_out is None)
        )
        better = finite & ((held_out_loss < state.best_loss) | (held_out is None))
        epoch = state.epoch + 1
        rate = solver.rate(state.step.astype(jnp.float32), call.n_steps, call.peak)
        best = (state.weights, held_out_loss, epoch, margin)
        so_far = (state.best_weights, state.best_loss, state.best_epoch, state.best_margin)
        best = jax.lax.cond(better, lambda: best, lambda: so_far)
        state = eqx.tree_at(
            lambda s: (
                *(s.best_weights, s.best_loss, s.best_epoch, s.best_margin),
                *(s.epoch, s.loss_sum, s.finite, s.start_losses),
            ),
            state,
            (*best, epoch, jnp.zeros_like(state.loss_sum), finite, losses),
        )
        row = jnp.stack([epoch.astype(jnp.float32), train_loss, held_out_loss, rate])
        return state, record(row.astype(jnp.float32))

    def has_reason_to_go_on(state: State) -> Array:
        return jnp.asarray(state.finite & (state.epoch - state.best_epoch < call.patience))

    def goes_on(carry: tuple[Array, State, Array]) -> Array:
        done, state, _ = carry
        trains = has_reason_to_go_on(state)
        return jnp.asarray((done < call.n_passes) & _of_any(trains, axis))

    records = jnp.full((orders.shape[0], 4), -1.0, jnp.float32)
    _, state, records = jax.lax.while_loop(goes_on, one_pass, (jnp.int32(0), state, records))
    return state, records


def _in_precision_of(before: State, after: State) -> State:
    """``after`` with the types of ``before``, which a loop must keep.

    Objectives, schedules and optimisers compute in double precision where the user has enabled it.
    """
    kept: State = jax.tree.map(
        lambda old, new: new if new.dtype == old.dtype else new.astype(old.dtype), before, after
    )
    return kept


def _of_any(flag: Bool[Array, ""], axis: str | None) -> Bool[Array, ""]:
    """Whether it is true of any member."""
    return _total(flag.astype(jnp.int32), axis) > 0


def _evaluate(
    objective: Objective,
    network: PyTree,
    held_out: HeldOutRows | None,
    start_losses: Float[Array, "chunks rows"],
    is_start: Bool[Array, ""],
    key: Array,
    members: str | None,
) -> tuple[Float[Array, ""], Float[Array, "chunks rows"], Float[Array, ""]]:
    """Mean held-out loss, the start's losses, and the advance on the start in standard errors.

    ``members`` is the axis of those that are judged jointly, by the rows of all. The advance is that
    without the row that gains most, where that is less: one outlier is no evidence.
    """
    if held_out is None:
        return jnp.float32(jnp.nan), start_losses, jnp.float32(jnp.inf)

    def of_chunk(chunk: tuple[Array, Array]) -> Array:
        number, rows = chunk
        return objective(network, rows, jax.random.fold_in(key, number))

    losses = jax.lax.map(of_chunk, (jnp.arange(len(held_out.rows)), held_out.rows))
    losses = losses.astype(start_losses.dtype)
    start_losses = jnp.where(is_start, losses, start_losses)
    valid, advance = held_out.valid, start_losses - losses
    most = jnp.max(jnp.where(valid > 0, advance, -jnp.inf))
    if members is not None:
        most = jax.lax.pmax(most, members)  # type: ignore[no-untyped-call]
    others = valid * (advance < most)
    margin = _margin(advance, valid, members)
    without = _margin(advance, others, members)
    margin = jnp.where(_total(jnp.sum(others), members) > 1, jnp.minimum(margin, without), margin)
    mean_loss = _total(jnp.sum(losses * valid), members) / _total(jnp.sum(valid), members)
    return mean_loss, start_losses, margin


def _margin(
    advance: Float[Array, "chunks rows"],
    counts: Float[Array | np.ndarray, "chunks rows"],
    members: str | None,
) -> Float[Array, ""]:
    """The mean of the rows that count in standard errors, −∞ unless it is above 0."""
    count = jnp.maximum(1.0, _total(jnp.sum(counts), members))
    mean = _total(jnp.sum(advance * counts), members) / count
    squares = _total(jnp.sum(jnp.square(advance - mean) * counts), members)
    error = jnp.sqrt(squares / jnp.maximum(1.0, count - 1) / count)
    # One row gives no error, so no evidence.
    return jnp.where((mean > 0) & (count > 1), mean / jnp.maximum(error, 1e-30), -jnp.inf)


def _total(value: Array, members: str | None) -> Array:
    """The sum over the members that are judged jointly."""
    if members is None:
        return value
    summed: Array = jax.lax.psum(value, members)  # type: ignore[no-untyped-call]
    return summed
