"""Sources: what the training loop reads, from arrays in memory or on disk.

A source yields *blocks*: float32 arrays (rows, D) small enough for the device. An array that fits is
one block; a larger one, or a memory map, is cut into blocks of equal size that are read one ahead of
their use, and never copied whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int, Shaped

from isthmus.data.rows import View, dense, take_rows

BLOCK_BYTES = 2**30
"""Largest block in float32: a quarter of a small machine's memory would already crowd the user."""


MOST_COPIED_BYTES = 2**26
"""Largest block that is copied to fill it up."""


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

    def blocks(self, rng: np.random.Generator) -> Iterator[tuple[Float[np.ndarray, "n D"], int]]:
        """Each block once, in random order, with its number of valid rows (the rest is padding)."""


@dataclass(frozen=True)
class ArraySource:
    """Rows ``indices`` of a view of rows."""

    rows: View
    indices: Int[np.ndarray, " n"]
    block_bytes: int = BLOCK_BYTES

    @property
    def n_rows(self) -> int:
        return len(self.indices)

    @property
    def n_blocks(self) -> int:
        bytes_in_all = self.n_rows * int(self.rows.shape[1]) * 4
        return max(1, -(-bytes_in_all // self.block_bytes))

    @property
    def block_rows(self) -> int:
        return -(-self.n_rows // self.n_blocks)

    def blocks(self, rng: np.random.Generator) -> Iterator[tuple[Float[np.ndarray, "n D"], int]]:
        parts = np.array_split(self.indices, self.n_blocks)
        order = rng.permutation(len(parts)) if len(parts) > 1 else np.arange(1)
        with ThreadPoolExecutor(max_workers=1) as reader:
            upcoming = reader.submit(self._read, parts[order[0]])
            for following in [*order[1:], None]:
                block = upcoming.result()
                if following is not None:
                    upcoming = reader.submit(self._read, parts[following])
                yield block

    def _read(self, part: Int[np.ndarray, " n"]) -> tuple[Float[np.ndarray, "n D"], int]:
        block = dense(take_rows(self.rows, part))
        missing = self.block_rows - len(part)
        if missing:
            block = np.concatenate([block, block[:missing]])
        return block, len(part)


def batch_orders(
    seed: int, passes: range, n_valid: int, shape: Sequence[int], n_steps: int | None = None
) -> Int[np.ndarray, "passes steps batch"]:
    """Shuffled row numbers for some passes, each of ``n_steps`` batches; a short last batch wraps.

    A pass has its order by its number, so that it does not matter how many are asked for at a time.
    Passes that are too short for all rows share an order: no row comes twice before every other has
    come. ``shape`` is (most passes, most steps, batch); what is beyond ``passes`` and ``n_steps`` is
    zero. With ``n_steps`` None a pass has as many as there is place for.
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
    copied: np.ndarray = np.take(rows, np.arange(size_in_common(n)) % n, axis=-2)
    return copied
