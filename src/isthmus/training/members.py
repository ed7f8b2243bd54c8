"""Training many networks side by side, in one compiled program.

The members of an ensemble differ in their weights, their batches, the numbers in their objectives, the
scaling of their rows and their held-out rows; the program is one. Members are taken in
chunks whose activations stay near the cache, all of one size, so that one program serves all chunks.
A member comes out as ``train`` alone would have trained it, to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import cast

import equinox as eqx
import jax
import numpy as np
from jax.typing import ArrayLike

from isthmus.data.sources import ArraySource
from isthmus.training._groups import array_source
from isthmus.training.checkpoints import FitCheckpoints
from isthmus.training.loop import train
from isthmus.training.problem import Training, TrainingResult

CHUNK_BYTES = 2**23
"""Weights, their moments and activations of the members in one call: what stays near the cache."""

BLOCK_BYTES = 2**28
"""Most bytes of the rows of all members in one call, where each member has its own scaling."""

MOST_SIDE_BY_SIDE = 128
"""Members in one call; beyond, a call is not faster, and they wait for the last of them to stop."""


def train_members(
    trainings: Sequence[Training],
    chunk: int | None = None,
    *,
    checkpoints: FitCheckpoints | None = None,
) -> list[TrainingResult]:
    """Train each training as ``train`` would by itself, those of one shape in one compiled pass.

    ``chunk`` members are trained at a time; None chooses by the memory that a step takes. Trainings that
    cannot share a program, because the network, the rows or a number of steps differs, or because the
    rows are more than one block, are trained alone.

    Raises nothing for a member that diverges: its result is ``stopped == "diverged"``. After Ctrl-C
    the results are those of the members so far, the first ones, and a warning says so. The states of
    optimisers, larger than the networks, are kept for members that are trained alone only.
    ``checkpoints`` has those of every pass, so that one that is complete is not run again.
    """
    results: list[TrainingResult] = []
    passes = count()
    for group in _groups(trainings):
        size = _chunk_size(group[0]) if chunk is None else chunk
        n_chunks = -(-len(group) // size)
        size = -(-len(group) // n_chunks)
        for start in range(0, len(group), size):
            part = group[start : start + size]
            kept = checkpoints.of_training(next(passes)) if checkpoints is not None else None
            results += train(part, None if size == 1 else size, checkpoints=kept)
            if any(result.stopped == "interrupted" for result in results[-len(part) :]):
                return results
    return results


def _groups(trainings: Sequence[Training]) -> Iterator[Sequence[Training]]:
    """Runs of neighbours that can share a program."""
    start = 0
    for stop in range(1, len(trainings) + 1):
        if stop == len(trainings) or not _alike(trainings[start], trainings[stop]):
            yield trainings[start:stop]
            start = stop


def _alike(one: Training, other: Training) -> bool:
    """Whether two trainings differ only in numbers that one program may have for each."""
    sources = one.source, other.source
    if not all(isinstance(s, ArraySource) and s.n_blocks == 1 and _fits(s) for s in sources):
        return False
    if one.optimiser is not None or other.optimiser is not None:
        return False
    return _numbers(one) == _numbers(other) and are_of_one_shape(one, other)


def are_of_one_shape(one: Training, other: Training) -> bool:
    """Whether networks and objectives differ in numbers alone."""
    leaves, structure = jax.tree.flatten((one.static_part, one.weights))
    others, other_structure = jax.tree.flatten((other.static_part, other.weights))
    same_structure: object = structure == cast(object, other_structure)
    return bool(same_structure) and all(map(_alike_leaves, leaves, others))


def _numbers(training: Training) -> tuple[object, ...]:
    """The numbers of a training that one program has but once."""
    held_out = None if training.held_out is None else training.held_out.shape
    steps = (training.batch_size, training.max_epochs, training.patience, training.source.n_rows)
    rows = array_source(training).rows.shape
    return (training.learning_rate, *steps, rows, held_out)


def _alike_leaves(one: ArrayLike, other: ArrayLike) -> bool:
    if eqx.is_array_like(one) and hasattr(one, "shape"):
        same_shape = np.shape(one) == np.shape(other)
        return same_shape and getattr(one, "dtype", None) == getattr(other, "dtype", None)
    return one is other or bool(one == other)


def _fits(source: ArraySource) -> bool:
    """Whether all rows, of which a member takes some, are one block."""
    n, D = source.rows.shape
    return bool(n * D * 4 <= source.block_bytes)


def _chunk_size(training: Training) -> int:
    """As many members as fit ``CHUNK_BYTES``: about what the widths of the weights take."""
    weights = jax.tree.leaves(training.weights)
    numbers = sum(leaf.size for leaf in weights)
    activations = sum(leaf.shape[0] for leaf in weights if leaf.ndim == 2)
    # Weights, gradient, two moments, best; a value and its derivative for each activation.
    bytes_per_member = 4 * (6 * numbers + 2 * training.batch * activations)
    n, D = array_source(training).rows.shape
    most = min(MOST_SIDE_BY_SIDE, BLOCK_BYTES // (4 * n * D))
    return int(np.clip(CHUNK_BYTES // bytes_per_member, 1, max(1, most)))
