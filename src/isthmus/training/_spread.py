"""One network trained by several devices: each takes a part of every batch.

The devices are those of this process, or of all processes that JAX connects. Weights, optimiser and
counters are the same on all of them. A block lies in shares, one on each device, or as a copy on each
where the rows are an array in memory. Batches are the same rows in the same order on any number of
devices, so that results differ by rounding alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import repeat
from math import gcd
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int, PyTree

from isthmus.data.sources import Share, blocks_ahead, in_common_size
from isthmus.training import processes
from isthmus.training._compiled import Call, State, train_on_block
from isthmus.training._groups import SingleNetwork
from isthmus.training.problem import HeldOut, Training

LEAST_ROWS = 128
"""Rows of a batch that a device of a single process takes at least: with fewer, what devices tell one
another takes longer than what they compute."""


class SpreadRows(eqx.Module):
    """A block as the compiled loop indexes it: some of its rows, a part of them on each device.

    Row ``i`` of the block is ``rows[i + shifts[p]]``, where p is the last process whose rows start at i
    or before.
    """

    rows: Float[Array, "padded D"]
    starts: Int[np.ndarray, " processes"]
    shifts: Int[np.ndarray, " processes"]
    by_rows: NamedSharding = eqx.field(static=True)

    def __getitem__(self, places: Int[Array, " batch"]) -> Float[Array, "batch D"]:
        process = jnp.searchsorted(self.starts, places, side="right") - 1
        batch: Array = _constrained(self.rows[places + jnp.asarray(self.shifts)[process]], self.by_rows)
        return batch


class Devices:
    """Devices that divide a batch of so many rows among them; where they are too many, some repeat."""

    def __init__(self, devices: list[jax.Device], batch: int) -> None:
        ordered = sorted(devices, key=lambda device: (device.process_index, device.id))
        self.n_parts = gcd(batch, len(ordered))
        mesh = Mesh(np.array(ordered).reshape(self.n_parts, -1), ("parts", "copies"))
        self.by_rows, self.in_shares, self.by_rows_of_chunks, self.on_each = (
            NamedSharding(mesh, PartitionSpec(*axes))  # type: ignore[no-untyped-call]
            for axes in (["parts"], [("parts", "copies")], [None, "parts"], [])
        )
        self.n_local = sum(device.process_index == jax.process_index() for device in ordered)

    def copied(self, tree: PyTree) -> PyTree:
        """Every array of a tree, whole on each device."""
        return jax.tree.map(lambda leaf: self._copied(leaf) if eqx.is_array(leaf) else leaf, tree)

    def _copied(self, array: Any) -> Any:  # of NumPy or of JAX
        if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
            return jax.device_put(array, self.on_each)
        return _placed(self.on_each, array)

    def whole(self, block: Float[np.ndarray, "rows D"]) -> SpreadRows:
        """The rows of an array, which every process has, on each device."""
        none = np.zeros(1, np.int32)
        rows = _placed(self.on_each, in_common_size(block))
        return SpreadRows(rows, none, none, self.by_rows)

    def shared(self, share: Share) -> SpreadRows:
        """Rows of a block, of which each process has read its share."""
        rows = _placed(self.in_shares, share.rows)
        starts = share.bounds[:-1].astype(np.int32)
        shifts = np.arange(len(starts), dtype=np.int32) * len(share.rows) - starts
        return SpreadRows(rows, starts, shifts, self.by_rows)


@eqx.filter_jit
def _train_spread(
    of_chunks: NamedSharding,
    on_each: NamedSharding,
    fixed: PyTree,
    state: State,
    block: Any,  # SpreadRows, which stand for an array
    orders: Int[np.ndarray, "passes steps batch"],
    held_out: HeldOut | None,
    call: Call,
) -> tuple[State, Float[Array, "passes 4"]]:
    """The program of several devices, each of which evaluates a part of the held-out rows, too."""
    if held_out is not None:
        held_out = _constrained(held_out, of_chunks)
    result: tuple[State, Array] = _constrained(
        train_on_block(fixed, state, block, orders, held_out, call), on_each
    )
    return result


def _constrained(tree: PyTree, sharding: NamedSharding) -> Any:  # the same tree
    return jax.lax.with_sharding_constraint(tree, sharding)  # type: ignore[no-untyped-call]


def _placed(sharding: NamedSharding, own: Any) -> Array:  # of NumPy or of JAX
    """An array of which each process has its own part, or the same whole."""
    placed: Array = jax.make_array_from_process_local_data(  # type: ignore[no-untyped-call]
        sharding, np.asarray(own)
    )
    return placed


class SpreadNetwork(SingleNetwork):
    """One network on several devices."""

    is_spread = True

    def __init__(self, training: Training, devices: Devices) -> None:
        super().__init__(training)
        self.devices = devices
        self.fixed, self.state, self.held_out = devices.copied(
            _of_first((self.fixed, self.state, self.held_out))
        )
        divisible = self.held_out is None or self.held_out.rows.shape[1] % devices.n_parts == 0
        of_chunks = devices.by_rows_of_chunks if divisible else devices.on_each
        self.program = partial(_train_spread, of_chunks, devices.on_each)

    def blocks(self, first: int) -> Iterator[tuple[SpreadRows, int, bool]]:
        """A single block stays on the devices. Every process reads its share of the blocks."""
        training, seed = self.trainings[0], int(self.seed)
        source = training.source
        if source.n_blocks == 1 and not source.is_kept_elsewhere:
            block, n_valid = source.block(0, seed)
            yield from repeat((self.devices.whole(block), n_valid, True))
        read = partial(
            source.share,
            seed=seed,
            process=jax.process_index(),
            n_processes=jax.process_count(),
            multiple_of=self.devices.n_local,
        )
        if source.n_blocks == 1:
            share = processes.in_each(partial(read, 0))
            yield from repeat((self.devices.shared(share), int(share.bounds[-1]), True))
        for number, wait in enumerate(blocks_ahead(read, first), first + 1):
            share = processes.in_each(wait)
            ends_epoch = number % training.blocks_per_epoch == 0
            yield self.devices.shared(share), int(share.bounds[-1]), ends_epoch

    def states(self) -> list[State]:
        return [jax.device_get(self.state)]


def _of_first(tree: PyTree) -> PyTree:
    """The numbers in a tree as the first process has them: another machine may begin at other bits."""
    numbers, others = eqx.partition(tree, lambda leaf: eqx.is_array(leaf) and leaf.dtype.kind in "biuf")
    leaves, structure = jax.tree.flatten(numbers)
    first = processes.from_first(lambda: jax.device_get(leaves))
    return eqx.combine(jax.tree.unflatten(structure, first), others)


def network_on_devices(training: Training) -> SingleNetwork:
    """The network of a training, on as many devices as it is worth."""
    devices = jax.devices()
    if not processes.several():
        devices = devices[: max(1, min(len(devices), training.batch // LEAST_ROWS))]
    if len(devices) == 1:
        return SingleNetwork(training)
    return SpreadNetwork(training, Devices(devices, training.batch))
