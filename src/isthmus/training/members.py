"""Training many networks side by side, in one compiled program.

The members of an ensemble differ in their weights, their batches, the numbers in their objectives and
their held-out rows; the program is one and the rows lie on the device once. Members are taken in
chunks whose activations stay near the cache, all of one size, so that one program serves all chunks.
A member comes out as ``train`` alone would have trained it, to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.data.rows import Beside, ScaledRows
from isthmus.data.sources import ArraySource, batch_orders
from isthmus.training.compiled import Call, State, passes_over, start_state
from isthmus.training.loop import Alone, HeldOut, Job, Orders, TrainingResult, run

CHUNK_BYTES = 2**23
"""Weights, their moments and activations of the members in one call: what stays near the cache."""

AXIS = "members"

MOST_TOGETHER = 128
"""Members in one call; beyond, a call is not faster, and they wait for the last of them to stop."""


def train_members(jobs: Sequence[Job], chunk: int | None = None) -> list[TrainingResult]:
    """Train each job as ``train_job`` would, those of one shape in one compiled pass.

    ``chunk`` members are trained at a time; None chooses by the memory that a step takes. Jobs that
    cannot share a program, because the network, the rows or a number of steps differs, or because the
    rows are more than one block, are trained alone.

    Raises nothing for a member that diverges: its result is ``stopped == "diverged"``. After Ctrl-C
    the results are those of the members so far, the first ones, and a warning says so. The states of
    optimisers, larger than the networks, are kept for members that are trained alone only.
    """
    results: list[TrainingResult] = []
    for group in _groups(jobs):
        size = _chunk_size(group[0]) if chunk is None else chunk
        n_chunks = -(-len(group) // size)
        size = -(-len(group) // n_chunks)
        for start in range(0, len(group), size):
            part = group[start : start + size]
            results += run(Alone(part[0])) if size == 1 else run(Together(part, size))[: len(part)]
            if any(result.stopped == "interrupted" for result in results[-len(part) :]):
                return results
    return results


class Together(Alone):
    """Members of one shape, and the program that trains them; up to ``size``, the last one repeated."""

    def __init__(self, jobs: Sequence[Job], size: int) -> None:
        which = np.minimum(np.arange(size), len(jobs) - 1)
        self.jobs = [jobs[index] for index in which]
        self.seed = np.array([job.rng.integers(2**32) for job in jobs], np.uint32)[which]
        weights = _stacked([job.weights for job in self.jobs])
        optimiser = eqx.filter_jit(eqx.filter_vmap(jobs[0].solver.transformation.init))(weights)
        self.held_out = None
        if jobs[0].held_out is not None:
            rows = [HeldOut.from_rows(job.held_out) for job in self.jobs if job.held_out is not None]
            self.held_out = jax.device_put(_stacked(rows))
        self.shared, own = _common_and_own([job.static_part for job in self.jobs])
        self.own = jax.device_put(own)
        self.state = start_state(weights, optimiser, self.held_out, (size,))

    def rounds(self) -> Iterator[Iterator[tuple[Array, int, bool]]]:
        """All rows, which stay on the device: members take their own out of them."""
        source = _array_source(self.jobs[0])
        resident = jax.device_put(np.asarray(source.rows[:], np.float32))
        while True:
            yield iter([(resident, source.n_rows, True)])

    def orders(self, passes: range, n_valid: int, shape: Sequence[int]) -> Orders:
        """Row numbers, among all rows, of every batch of some passes of each member."""
        orders = np.empty((len(self.jobs), *shape), np.int32)
        for job, seed, of_member in zip(self.jobs, self.seed, orders, strict=True):
            own = _array_source(job).indices
            of_member[:] = own[batch_orders(int(seed), passes, n_valid, shape)]
        return orders

    def run(self, block: Array, orders: Orders, call: Call) -> Array:
        """Pass over the rows with every member; the records are those of each."""
        self.state, records = _run_together(
            self.shared, self.own, self.state, block, orders, self.held_out, call
        )
        return records

    def states(self) -> list[State]:
        """Of each member, on the host."""
        state = jax.device_get(eqx.tree_at(lambda s: (s.weights, s.optimiser), self.state, (None, None)))
        leaves, structure = jax.tree.flatten(state)
        return [jax.tree.unflatten(structure, own) for own in zip(*leaves, strict=True)]


@eqx.filter_jit
def _run_together(
    shared: Any,
    own: Any,
    state: State,
    block: Float[Array, "rows D"],
    orders: Int[Array | np.ndarray, "M passes steps batch"],
    held_out: HeldOut | None,
    call: Call,
) -> tuple[State, Float[Array, "M passes 4"]]:
    """The program of several: a member that has stopped stays as it is while others go on."""

    def of_member(own: Any, state: State, orders: Array, held_out: HeldOut | None, seed: Array) -> Any:
        static_part = eqx.combine(own, shared)
        own_call = call._replace(seed=seed)
        return passes_over(static_part, state, block, orders, held_out, own_call, AXIS)

    together = eqx.filter_vmap(of_member, axis_name=AXIS)
    result: tuple[State, Array] = together(own, state, orders, held_out, call.seed)
    return result


def _groups(jobs: Sequence[Job]) -> Iterator[Sequence[Job]]:
    """Runs of neighbours that can share a program."""
    start = 0
    for stop in range(1, len(jobs) + 1):
        if stop == len(jobs) or not _alike(jobs[start], jobs[stop]):
            yield jobs[start:stop]
            start = stop


def _alike(one: Job, other: Job) -> bool:
    """Whether two jobs differ in numbers only that a program may be told."""
    sources = one.source, other.source
    if not all(isinstance(s, ArraySource) and s.n_blocks == 1 and _fits(s) for s in sources):
        return False
    if one.optimiser is not None or other.optimiser is not None:
        return False
    numbers = [
        (job.learning_rate, job.batch_size, job.max_epochs, job.patience, job.source.n_rows)
        for job in (one, other)
    ]
    held_out = [None if job.held_out is None else job.held_out.shape for job in (one, other)]
    if numbers[0] != numbers[1] or held_out[0] != held_out[1]:
        return False
    if not _same_rows(_array_source(one).rows, _array_source(other).rows):
        return False
    leaves, structure = jax.tree.flatten((one.static_part, one.weights))
    others, other_structure = jax.tree.flatten((other.static_part, other.weights))
    return hash(structure) == hash(other_structure) and all(map(_alike_leaves, leaves, others))


def _alike_leaves(one: Any, other: Any) -> bool:
    if eqx.is_array_like(one) and hasattr(one, "shape"):
        same_shape = np.shape(one) == np.shape(other)
        return same_shape and getattr(one, "dtype", None) == getattr(other, "dtype", None)
    return one is other or bool(one == other)


def _same_rows(one: Any, other: Any) -> bool:
    """Whether two views show the same numbers of the same rows."""
    if one is other or type(one) is not type(other):
        return one is other
    if isinstance(one, Beside):
        return _same_rows(one.rows, other.rows) and _equal(one.aside, other.aside)
    if isinstance(one, ScaledRows):
        scalings = vars(one.scaling), vars(other.scaling)
        return one.rows is other.rows and all(map(_equal, *(each.values() for each in scalings)))
    return False


def _equal(one: Any, other: Any) -> bool:
    return one is other or np.array_equal(one, other, equal_nan=True)


def _fits(source: ArraySource) -> bool:
    """Whether all rows, of which a member takes some, are one block."""
    n, D = source.rows.shape
    return bool(n * D * 4 <= source.block_bytes)


def _array_source(job: Job) -> ArraySource:
    assert isinstance(job.source, ArraySource)
    return job.source


def _chunk_size(job: Job) -> int:
    """As many members as have room in ``CHUNK_BYTES``: about what the widths of the weights take."""
    weights = jax.tree.leaves(job.weights)
    numbers = sum(leaf.size for leaf in weights)
    activations = sum(leaf.shape[0] for leaf in weights if leaf.ndim == 2)
    # Weights, gradient, two moments, best; a value and its derivative for each activation.
    bytes_per_member = 4 * (6 * numbers + 2 * job.batch * activations)
    return int(np.clip(CHUNK_BYTES // bytes_per_member, 1, MOST_TOGETHER))


def _stacked(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def _common_and_own(parts: Sequence[Any]) -> tuple[Any, Any]:
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
