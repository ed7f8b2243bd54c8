"""Networks on the device while they are trained: one, or several of one shape side by side.

A group has the compiled program, the state that the program hands on, and the order of the batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import repeat
from typing import Any, Protocol

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from isthmus.data.sources import ArraySource, batch_orders, blocks_ahead, in_common_size
from isthmus.networks.alignment import stacked
from isthmus.training._compiled import Call, State, start_state, train_on_block
from isthmus.training.problem import HeldOut, Training
from isthmus.training.solvers import Solver

AXIS = "members"

Orders = Int[np.ndarray, "*M passes steps batch"]


class Group(Protocol):
    """What the loop trains."""

    trainings: Sequence[Training]
    seed: np.ndarray
    state: State
    program: Callable[..., tuple[State, Array]]
    """``(fixed, state, block, orders, held_out, call) -> (state, records)``, compiled."""
    fixed: PyTree
    """What training leaves as it is, with which the program is called."""
    held_out: HeldOut | None
    is_spread: bool
    """Whether several devices train together, so that all processes make the same calls."""

    def blocks(self, first: int) -> Iterator[tuple[Any, int, bool]]:
        """Blocks of the source from number ``first`` on (they count from 0), round after round.

        With each come the number of its valid rows, and whether it ends an epoch.
        """

    def orders(self, passes: range, n_valid: int, shape: Sequence[int]) -> Orders:
        """Row numbers of every batch of some passes; ``shape`` is (most passes, steps, batch)."""

    def states(self) -> list[State]:
        """The last state of each member, on the host."""


class SingleNetwork:
    """One network."""

    program: Callable[..., tuple[State, Array]] = staticmethod(eqx.filter_jit(train_on_block))
    is_spread = False

    def __init__(self, training: Training) -> None:
        self.trainings: Sequence[Training] = [training]
        self.seed: np.ndarray = np.asarray(training.rng.integers(2**32), np.uint32)
        self.fixed: PyTree = training.static_part
        weights = training.weights
        optimiser = training.optimiser
        if optimiser is None:
            optimiser = _first_state(training.solver, weights)
        self.held_out: HeldOut | None = None
        if training.held_out is not None:
            self.held_out = jax.device_put(HeldOut.from_rows(training.held_out))
        self.state = start_state(weights, optimiser, self.held_out)

    def blocks(self, first: int) -> Iterator[tuple[Any, int, bool]]:
        """A single block stays on the device."""
        training = self.trainings[0]
        source, seed = training.source, int(self.seed)
        if source.n_blocks == 1:
            block, n_valid = source.block(0, seed)
            resident = jax.device_put(in_common_size(block))
            yield from repeat((resident, n_valid, True))
        ahead = blocks_ahead(partial(source.block, seed=seed), first)
        for number, wait in enumerate(ahead, first + 1):
            block, n_valid = wait()
            yield jax.device_put(block), n_valid, number % training.blocks_per_epoch == 0

    def orders(self, passes: range, n_valid: int, shape: Sequence[int]) -> Orders:
        n_steps = self.trainings[0].steps_per_pass
        return batch_orders(int(self.seed), passes, n_valid, shape, n_steps)

    def states(self) -> list[State]:
        return [
            eqx.tree_at(lambda s: s.best_weights, self.state, jax.device_get(self.state.best_weights))
        ]


@eqx.filter_jit
def _train_side_by_side(
    fixed: tuple[PyTree, PyTree, bool],
    state: State,
    block: Float[Array, "rows D"] | Float[Array, "M rows D"],
    orders: Int[Array | np.ndarray, "M passes steps batch"],
    held_out: HeldOut | None,
    call: Call,
) -> tuple[State, Float[Array, "M passes 4"]]:
    """The program of several: a member that has stopped stays as it is while others go on.

    The rows are those of all members, or have a leading axis of members.
    """
    shared, own, jointly = fixed
    each = eqx.if_array(0)
    of_static_part = jax.tree.map(lambda leaf: 0, own)
    of_block = 0 if block.ndim == 3 else None
    of_call = Call(*(None for _ in Call._fields))._replace(seed=0)
    axes = (of_static_part, each, of_block, each, each, of_call)
    of_member = partial(train_on_block, axis=AXIS, jointly=jointly)
    side_by_side = eqx.filter_vmap(of_member, in_axes=axes, axis_name=AXIS)
    static_part = eqx.combine(own, shared)
    result: tuple[State, Array] = side_by_side(static_part, state, block, orders, held_out, call)
    return result


class StackedNetworks:
    """Networks of one shape side by side, up to ``size`` of them, the last one repeated."""

    program = staticmethod(_train_side_by_side)
    is_spread = False

    def __init__(self, trainings: Sequence[Training], size: int, *, jointly: bool = False) -> None:
        which = np.minimum(np.arange(size), len(trainings) - 1)
        self.trainings: Sequence[Training] = [trainings[index] for index in which]
        self.seed: np.ndarray = np.array([one.rng.integers(2**32) for one in trainings], np.uint32)[
            which
        ]
        weights = stacked([one.weights for one in self.trainings])
        optimiser = _first_state(trainings[0].solver, weights, of_several=True)
        self.held_out: HeldOut | None = None
        held_out = next((one.held_out for one in trainings if one.held_out is not None), None)
        if held_out is not None:
            rows = [_judged_by(one, len(held_out)) for one in self.trainings]
            self.held_out = jax.device_put(stacked(rows))
        shared, own = _common_and_own([one.static_part for one in self.trainings])
        self.fixed: PyTree = (shared, jax.device_put(own), jointly)
        self.state = start_state(weights, optimiser, self.held_out, (size,))

    def blocks(self, first: int) -> Iterator[tuple[Array, int, bool]]:
        """All rows, which stay on the device: members take their own out of them.

        One copy serves all members if it is the same in all, and each has its own otherwise.
        """
        sources = [array_source(training) for training in self.trainings]
        block = np.asarray(sources[0].rows[:], np.float32)
        if any(source.rows is not sources[0].rows for source in sources):
            block = _common_or_stacked([np.asarray(source.rows[:], np.float32) for source in sources])
        resident = jax.device_put(in_common_size(block))
        yield from repeat((resident, sources[0].n_rows, True))

    def orders(self, passes: range, n_valid: int, shape: Sequence[int]) -> Orders:
        """Row numbers, among all rows, of every batch of some passes of each member."""
        orders = np.empty((len(self.trainings), *shape), np.int32)
        n_steps = self.trainings[0].steps_per_pass
        for training, seed, of_member in zip(self.trainings, self.seed, orders, strict=True):
            own = np.asarray(array_source(training).indices)
            of_member[:] = own[batch_orders(int(seed), passes, len(own), shape, n_steps)]
        return orders

    def states(self) -> list[State]:
        state = jax.device_get(eqx.tree_at(lambda s: (s.weights, s.optimiser), self.state, (None, None)))
        # With the ellipsis a number stays an array.
        return [
            jax.tree.map(lambda leaf, member=member: leaf[member, ...], state)
            for member in range(len(self.trainings))
        ]


def _judged_by(training: Training, n: int) -> HeldOut:
    """The held-out rows of a member. One that has none gets n of its own rows, which do not count.

    Those of another are scaled otherwise, so that among them may be what cannot occur, such as a count
    below 0, and an infinite loss times 0 is no number.
    """
    if training.held_out is not None:
        return HeldOut.from_rows(training.held_out)
    own = HeldOut.from_rows(np.asarray(array_source(training).rows[:n], np.float32))
    return own._replace(valid=np.zeros_like(own.valid))


def _first_state(solver: Solver, weights: PyTree, *, of_several: bool = False) -> PyTree:
    """The optimiser's state before the first step, of one network or of several."""
    init = solver.transformation.init
    if of_several:
        init = eqx.filter_vmap(init)
    if not solver.starts_at_zero:
        return _with_its_types(init, weights)
    # Nothing is compiled for zeros.
    shapes = jax.eval_shape(init, weights)
    return jax.device_put(jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes))


@eqx.filter_jit
def _with_its_types(init: Callable[[PyTree], PyTree], weights: PyTree) -> PyTree:
    """The state, with the types that it keeps.

    A number that Python wrote has a weak type, which the first step makes a strong one: then the second
    call would be compiled anew.
    """
    state = init(weights)
    return jax.tree.map(lambda leaf: jax.lax.convert_element_type(leaf, leaf.dtype), state)


def array_source(training: Training) -> ArraySource:
    """The source of a training that may run beside others."""
    assert isinstance(training.source, ArraySource)
    return training.source


def _common_or_stacked(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """The one block if all are equal, and otherwise all on a leading axis."""
    same = all(np.array_equal(block, blocks[0], equal_nan=True) for block in blocks)
    return blocks[0] if same else np.stack(blocks)


def _common_and_own(parts: Sequence[PyTree]) -> tuple[PyTree, PyTree]:
    """What is equal in all members, and on a leading axis what is not; None at the other's places."""
    structure = jax.tree.structure(parts[0])
    columns = list(zip(*map(jax.tree.leaves, parts), strict=True))
    differ = [
        eqx.is_array_like(column[0])
        and hasattr(column[0], "shape")
        and not all(leaf is column[0] or np.array_equal(leaf, column[0]) for leaf in column)
        for column in columns
    ]
    common = [None if own else column[0] for own, column in zip(differ, columns, strict=True)]
    own = [np.stack(column) if own else None for own, column in zip(differ, columns, strict=True)]
    return jax.tree.unflatten(structure, common), jax.tree.unflatten(structure, own)
