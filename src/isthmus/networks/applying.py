"""Applying a compiled function to many rows: in blocks of few shapes, in constant memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, PyTree

from isthmus.data.rows import Rows, dense
from isthmus.networks.layers import single
from isthmus.networks.processes import check_process

BLOCK_ELEMENTS = 2**22
"""Numbers in a block, input and activations alike: 16 MiB, which stays near the cache."""

MIN_ROWS = 64
MAX_ROWS = 2**14


def map_rows(
    function: Callable[[Array], Array],
    rows: Rows,
    out: np.ndarray,
    *,
    before: Callable[[np.ndarray], np.ndarray] | None = None,
    after: Callable[[np.ndarray], np.ndarray] | None = None,
    widest: int = 1,
) -> np.ndarray:
    """Fill ``out[i]`` with function(rows[i]), block by block; ``function`` is compiled, row-wise.

    Every block has a power of two of rows, the last one padded, so that at most a few shapes are
    compiled. ``before`` and ``after`` run in NumPy on the host, on one block while the device
    computes the next. ``widest`` is the widest layer, which bounds the memory of activations.
    """
    check_process()
    n, D = rows.shape
    most = BLOCK_ELEMENTS // max(D, widest)
    block_rows = int(np.clip(_power_of_two_at_least(most // 2 + 1), MIN_ROWS, MAX_ROWS))
    pending: tuple[int, int, Array] | None = None

    def collect(start: int, stop: int, result: Array) -> None:
        values = np.asarray(result)[: stop - start]
        out[start:stop] = values if after is None else after(values)

    for start in range(0, n, block_rows):
        stop = min(start + block_rows, n)
        block = dense(rows[start:stop])
        block = block if before is None else before(block)
        padded = max(MIN_ROWS, _power_of_two_at_least(stop - start))
        if padded > stop - start:
            block = np.concatenate([block, np.zeros((padded - len(block), D), block.dtype)])
        result = function(jax.device_put(np.ascontiguousarray(block, np.float32)))
        if pending is not None:
            collect(*pending)
        pending = (start, stop, result)
    if pending is not None:
        collect(*pending)
    return out


def apply(
    function: Callable[[Array], Array],
    rows: Rows,
    *,
    center: Float[np.ndarray, " D"] | None = None,
    add: Float[np.ndarray, " K"] | None = None,
    width: int,
    dtype: type[np.floating[Any]] = np.float32,  # of any precision
    widest: int | None = None,
) -> Float[np.ndarray, "n width"]:
    """function(row − center) + add of each of the rows (n, D): (n, width).

    ``center`` is subtracted and ``add`` added as exactly as in float64, whatever the rows are.
    ``function`` is pure, row-wise and a pytree, such as a method of a fitted module; it is compiled once
    for all modules of one shape. ``widest`` is the widest layer, by default that of the module.
    """
    parts: tuple[Array, ...] = ()
    before = None
    if center is not None and np.can_cast(rows.dtype, np.float32):
        # x − high is exact where the two are near one another, and there alone low counts.
        high = single(center)
        parts = jax.device_put((high, single(center - high)))
    elif center is not None:
        before = partial(_minus, center=center)
    return map_rows(
        lambda block: _compiled(function, block, parts),
        rows,
        np.empty((rows.shape[0], width), dtype),
        before=before,
        after=None if add is None else lambda block: block.astype(np.float64) + add,
        widest=widest_layer(function) if widest is None else widest,
    )


@eqx.filter_jit
def _compiled(function: Callable[[Array], Array], rows: Array, parts: tuple[Array, ...]) -> Array:
    """The function of rows without the parts of their center."""
    for part in parts:
        rows = rows - part
    return function(rows)


def _minus(block: np.ndarray, center: Float[np.ndarray, " D"]) -> Float[np.ndarray, "n D"]:
    """block − center in float64, rounded to float32, without a copy in float64."""
    out = np.empty(block.shape, np.float32)
    np.subtract(block, center, out=out, dtype=np.float64, casting="same_kind")
    return out


def _power_of_two_at_least(size: int) -> int:
    return 1 << max(0, int(size) - 1).bit_length()


def widest_layer(network: PyTree) -> int:
    """The largest side of any weight in a network."""
    return max((max(leaf.shape, default=1) for leaf in jax.tree.leaves(network)), default=1)
