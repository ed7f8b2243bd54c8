"""Sources: what the training loop reads, from arrays in memory or from rows kept elsewhere.

A source yields *blocks*: float32 arrays (rows, D) small enough for the device. An array that fits is
one block. Larger ones, and rows on disk, are many: a block takes runs of neighbouring rows from random
places until it is full, and the loop shuffles within it, so that rows that lie sorted come mixed. Blocks
are read one ahead of their use, and rows are never copied whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from jaxtyping import Float, Int, Shaped

from isthmus.data.rows import (
    Index,
    RowNumbers,
    View,
    are_kept_elsewhere,
    dense,
    process_starts,
    run_starts,
    take_rows,
)

T = TypeVar("T")

BLOCK_BYTES = 2**30
"""Largest block in float32: a quarter of a small machine's memory would already crowd the user."""

RUN_BYTES, LEAST_RUNS = 2**20, 16
"""Largest run of neighbouring rows of an array in a block that is one of several, and fewest in it."""

MOST_COPIED_BYTES = 2**26
"""Largest block that is copied to fill it up."""

LEAST_ROWS = 256
MOST_SMALL_BYTES = 2**20
"""A block is filled up to so many rows at least, which costs nothing where it is no larger than this."""


class Source(Protocol):
    """What the training loop reads: a fixed number of blocks, all of one shape."""

    @property
    def n_rows(self) -> int:
        """Rows in all blocks together."""

    @property
    def n_blocks(self) -> int:
        """Blocks in one round."""

    @property
    def block_rows(self) -> int:
        """Rows of every block, padding included."""

    @property
    def is_kept_elsewhere(self) -> bool:
        """Whether the rows are read from where each of several processes can read a share of them."""

    def block(self, number: int, seed: int) -> tuple[Float[np.ndarray, "n D"], int]:
        """The block of this number, from 0 on round after round, and its number of valid rows.

        The rest is padding. Each row comes once in a round, or where a block is a draw of its rows, at
        most once. A block depends on its number and the seed alone, so that a training can go on from
        any of them.
        """

    def share(self, number: int, seed: int, process: int, n_processes: int, multiple_of: int) -> Share:
        """What a process reads of the same block, where several share it.

        All shares of a block have one size, a multiple of ``multiple_of``. Each process computes it by
        itself, without asking the others.
        """


class Share(NamedTuple):
    """What one of several processes has of a block: its rows, and copies of them up to a common size.

    ``bounds`` say where in the block the rows of each process begin, and where the last ones end.
    """

    rows: Float[np.ndarray, "n D"]
    bounds: Int[np.ndarray, " processes_and_one"]


@dataclass(frozen=True)
class ArraySource:
    """Rows ``indices`` of a view of rows; in ascending order where there are several blocks.

    ``most_taken`` is how many rows a pass over a block takes at most: of larger blocks that are one of
    several, so many are drawn, from as many places, and no others are kept. ``scattered`` says that rows
    are as quickly read one by one: then a block takes any of them.
    """

    rows: View
    indices: RowNumbers
    block_bytes: int = BLOCK_BYTES
    most_taken: int | None = None
    scattered: bool = False

    @property
    def n_rows(self) -> int:
        return len(self.indices)

    @property
    def n_blocks(self) -> int:
        bytes_in_all = self.n_rows * int(self.rows.shape[1]) * 4
        return max(1, min(self.n_rows, -(-bytes_in_all // self.block_bytes)))

    @property
    def block_rows(self) -> int:
        rows = -(-self.n_rows // self.n_blocks)
        return rows if self.most_taken is None or self.n_blocks == 1 else min(rows, self.most_taken)

    @property
    def is_kept_elsewhere(self) -> bool:
        return are_kept_elsewhere(self.rows)

    def block(self, number: int, seed: int) -> tuple[Float[np.ndarray, "n D"], int]:
        taken = self._taken(number, seed)
        return self._read(taken, self.block_rows), sum(map(_length, taken))

    def share(self, number: int, seed: int, process: int, n_processes: int, multiple_of: int) -> Share:
        taken = self._taken(number, seed)
        n_valid = sum(map(_length, taken))
        if self._takes_any:
            starts = self.indices.searchsorted(process_starts(self.rows, n_processes))
            bounds = np.append(np.searchsorted(np.asarray(taken[0]), starts), n_valid)
        else:
            bounds = n_valid * np.arange(n_processes + 1) // n_processes
        n_rows = size_in_common(int(np.diff(bounds).max()))
        n_rows += -n_rows % multiple_of
        own = list(_between(taken, int(bounds[process]), int(bounds[process + 1])))
        return Share(self._read(own, n_rows), bounds)

    @property
    def _takes_any(self) -> bool:
        """Whether a block takes rows from anywhere, and not runs of neighbouring ones."""
        return self.scattered and self.n_blocks > 1

    def _read(self, taken: Sequence[Index], n_rows: int) -> Float[np.ndarray, "n D"]:
        """The rows at these places, and copies of them up to so many."""
        parts = (dense(take_rows(self.rows, self.indices[places])) for places in taken)
        if len(taken) == 1 and _length(taken[0]) == n_rows:
            return next(parts)
        block, filled = np.zeros((n_rows, self.rows.shape[1]), self.rows.dtype), 0
        for part in parts:
            block[filled : filled + len(part)] = part
            filled += len(part)
        while 0 < filled < n_rows:
            copied = block[: min(filled, n_rows - filled)]
            block[filled : filled + len(copied)] = copied
            filled += len(copied)
        return block

    def _taken(self, number: int, seed: int) -> list[Index]:
        """Places among ``indices`` of a block's rows, part by part, in their order in it."""
        turn, place = divmod(number, self.n_blocks)
        start, stop = (self.n_rows * at // self.n_blocks for at in (place, place + 1))
        if self._takes_any:
            order = np.random.default_rng((seed, turn)).permutation(self.n_rows)
            return [np.sort(order[start:stop][: self.block_rows])]
        runs = list(self._runs(turn, seed, start, stop))
        if stop - start <= self.block_rows:
            return [*runs]
        return [*_drawn(runs, self.block_rows, np.random.default_rng((seed, number, 1)))]

    def _runs(self, turn: int, seed: int, start: int, stop: int) -> Iterator[slice]:
        """What stands from ``start`` to ``stop`` where the runs of rows are in this turn's order."""
        if self.n_blocks == 1:
            yield slice(start, stop)
            return
        run_bytes = min(RUN_BYTES, self.block_bytes // LEAST_RUNS)
        bounds = self.indices.searchsorted(run_starts(self.rows, run_bytes))
        firsts, sizes = bounds[:-1], np.diff(bounds)
        order = np.random.default_rng((seed, turn)).permutation(len(sizes))
        ends = np.cumsum(sizes[order])
        for place in range(int(np.searchsorted(ends, start, side="right")), len(order)):
            run = order[place]
            before = int(ends[place] - sizes[run])
            if before >= stop:
                return
            low, high = max(start, before) - before, min(stop, int(ends[place])) - before
            if low < high:
                yield slice(int(firsts[run]) + low, int(firsts[run]) + high)


def _length(places: Index) -> int:
    return places.stop - places.start if isinstance(places, slice) else len(places)


def _between(taken: Sequence[Index], start: int, stop: int) -> Iterator[Index]:
    """What stands from ``start`` to ``stop`` among places that are taken part by part."""
    before = 0
    for places in taken:
        length = _length(places)
        low, high = max(start - before, 0), min(stop - before, length)
        if low < high and isinstance(places, slice):
            yield slice(places.start + low, places.start + high)
        elif low < high:
            yield np.asarray(places)[low:high]
        before += length


def _drawn(runs: Sequence[slice], count: int, rng: np.random.Generator) -> list[Int[np.ndarray, " m"]]:
    """So many of the places in the runs, in ascending order within each."""
    places = np.concatenate([np.arange(run.start, run.stop) for run in runs])
    lengths = [run.stop - run.start for run in runs]
    chosen = np.sort(rng.choice(len(places), count, replace=False, shuffle=False))
    bounds = np.searchsorted(chosen, np.cumsum(lengths)[:-1])
    return [part for part in np.split(places[chosen], bounds) if len(part)]


def blocks_ahead(read: Callable[[int], T], first: int = 0) -> Iterator[Callable[[], T]]:
    """What is read of blocks from number ``first`` on, without end, each while the last is in use.

    Each comes as a function that waits for it, and raises what reading it raised.
    """
    with ThreadPoolExecutor(max_workers=1) as reader:
        upcoming = reader.submit(read, first)
        for number in count(first + 1):
            current, upcoming = upcoming, reader.submit(read, number)
            yield current.result


def batch_orders(
    seed: int, passes: range, n_valid: int, shape: Sequence[int], n_steps: int | None = None
) -> Int[np.ndarray, "passes steps batch"]:
    """Shuffled row numbers for some passes, each of ``n_steps`` batches; a short last batch wraps.

    A pass has its order by its number, so that it does not matter how many are asked for at a time.
    Passes that are too short for all rows share an order: no row comes twice before every other has
    come. ``shape`` is (most passes, most steps, batch); what is beyond ``passes`` and ``n_steps`` is
    zero. With ``n_steps`` None a pass has the most steps.
    """
    most_passes, most_steps, batch = shape
    n_steps = most_steps if n_steps is None else n_steps
    n_taken = n_steps * batch
    passes_per_order = -(-n_valid // n_taken)
    orders = np.zeros((most_passes, most_steps * batch), np.int32)
    permutation, permuted = np.arange(0), -1
    for order, number in zip(orders, passes, strict=False):
        which, part = divmod(number, passes_per_order)
        if which != permuted:
            permutation = np.random.default_rng((seed, which)).permutation(n_valid).astype(np.int32)
            permuted = which
        start = part * n_taken
        order[:n_taken] = np.resize(np.roll(permutation, -start) if start else permutation, n_taken)
    return orders.reshape(most_passes, most_steps, batch)


def size_in_common(n: int, least: int = 64) -> int:
    """A size not far above n that numbers near n share, so that they share compiled programs.

    It is a multiple of ``least``, and at most an eighth more than n where n is large.
    """
    step = max(least, 1 << max(0, n.bit_length() - 4))
    return -(-n // step) * step


def in_common_size(rows: Shaped[np.ndarray, "*M n D"]) -> Shaped[np.ndarray, "*M m D"]:
    """The rows with some of them repeated at the end, up to a size that similar data share.

    What is large stays as it is: there a copy costs more than it saves.
    """
    if rows.nbytes > MOST_COPIED_BYTES:
        return rows
    n = rows.shape[-2]
    size = size_in_common(n, LEAST_ROWS) if rows.nbytes <= MOST_SMALL_BYTES else size_in_common(n)
    copied: np.ndarray = np.take(rows, np.arange(size) % n, axis=-2)
    return copied
