"""What the machine's matrix products allow: the products of a network alone, and one big product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import jax
import numpy as np
from jax import Array
from jax.lax import optimization_barrier

BIG = 2048
"""Side of the square matrices of the big product."""


def weight_count(sizes: Sequence[int]) -> int:
    """Weights of a chain of layers, shifts not counted: one multiply–add per row each."""
    return sum(a * b for a, b in pairwise(sizes))


def forward_flops(sizes: Sequence[int]) -> int:
    """2 operations per weight and row."""
    return 2 * weight_count(sizes)


def training_flops(sizes: Sequence[int]) -> int:
    """6 operations per weight and row, less 2 for the first layer, whose input needs no gradient.

    Forward 2, gradient by the weights 2, gradient by the layer's input 2.
    """
    return 6 * weight_count(sizes) - 2 * sizes[0] * sizes[1]


def training_products(sizes: Sequence[int], batch_size: int, steps: int) -> Callable[[], None]:
    """``steps`` times the matrix products of one training step, forward and backward, alone."""
    x, weights = _arrays(sizes, batch_size)

    @jax.jit
    def step(x: Array, weights: list[Array]) -> list[Array]:
        inputs = [x]
        for weight in weights:
            inputs.append(optimization_barrier(inputs[-1] @ weight.T))
        gradient, by_weights = inputs[-1], []
        for index in range(len(weights) - 1, -1, -1):
            by_weights.append(gradient.T @ inputs[index])
            if index > 0:
                gradient = optimization_barrier(gradient @ weights[index])
        return by_weights

    def run() -> None:
        for _ in range(steps):
            jax.block_until_ready(step(x, weights))

    return run


def forward_products(sizes: Sequence[int], block_rows: int, blocks: int) -> Callable[[], None]:
    """``blocks`` times the matrix products that map a block of rows through the layers, in JAX."""
    x, weights = _arrays(sizes, block_rows)

    @jax.jit
    def forward(x: Array, weights: list[Array]) -> Array:
        for weight in weights:
            x = optimization_barrier(x @ weight.T)
        return x

    def run() -> None:
        for _ in range(blocks):
            jax.block_until_ready(forward(x, weights))

    return run


def numpy_forward_products(sizes: Sequence[int], block_rows: int, blocks: int) -> Callable[[], None]:
    """The same in NumPy."""
    x, weights = (jax.tree.map(np.array, arrays) for arrays in _arrays(sizes, block_rows))

    def run() -> None:
        for _ in range(blocks):
            y = x
            for weight in weights:
                y = y @ weight.T

    return run


def big_products(times: int) -> Callable[[], None]:
    """``times`` a product of two square float32 matrices in NumPy."""
    a, b = np.random.default_rng(0).standard_normal((2, BIG, BIG), np.float32)

    def run() -> None:
        for _ in range(times):
            np.matmul(a, b)

    return run


def _arrays(sizes: Sequence[int], n: int) -> tuple[Array, list[Array]]:
    rng = np.random.default_rng(0)
    x = jax.device_put(rng.standard_normal((n, sizes[0]), np.float32))
    # Of unit gain, so that products keep an ordinary size.
    weights = [
        rng.standard_normal((b, a), np.float32) / np.float32(np.sqrt(a)) for a, b in pairwise(sizes)
    ]
    return x, [jax.device_put(weight) for weight in weights]
