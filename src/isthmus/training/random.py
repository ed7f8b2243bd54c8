"""The random numbers of training: keys for ``jax.random`` that are compiled in a fraction of the time.

JAX's own, threefry, is cryptography. Compiling a first fit with it takes half as long again, because
each place that draws has a copy of its twenty rounds. Noise needs no secrecy: here the i-th number that
a key draws is a hash of i and the key, of two rounds of Wellons' 32-bit mixer ``lowbias32``
(https://nullprogram.com/blog/2018/07/31/), which a change of one bit anywhere changes in half of all
bits. Such keys go wherever a key of JAX goes but into ``jax.random.poisson``, which takes threefry
alone; a user's function of rows and a key gets one of these.
"""

from __future__ import annotations

from math import prod

import jax
import jax.numpy as jnp
from jax.extend.random import define_prng_impl
from jaxtyping import Array, Integer, UInt32

Words = UInt32[Array, "2"]

_TO_SEED, _TO_SPLIT, _TO_FOLD, _TO_DRAW = 0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344
"""What tells apart the uses of one key: the first digits of π."""


def key_of(seed: Integer[Array, ""] | int) -> Array:
    """A key with 32 bits of seed: seeds that differ by 2³² are the same."""
    return jax.random.key(seed, impl=_HASH)


def _mixed(x: UInt32[Array, " ..."]) -> UInt32[Array, " ..."]:
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)


def _hashed(words: Words, use: int, first: Array, shape: tuple[int, ...]) -> UInt32[Array, " ..."]:
    """One number for each place of ``shape``, of those that the key has from number ``first`` on."""
    number = jnp.arange(prod(shape), dtype=jnp.uint32).reshape(shape) + first
    return _mixed(_mixed(number + words[0]) ^ words[1] ^ jnp.uint32(use))


def _seed(seed: Integer[Array, ""]) -> Words:
    words = jnp.stack([jnp.uint32(0), seed.astype(jnp.uint32)])
    return _hashed(words, _TO_SEED, jnp.uint32(0), (2,))


def _split(words: Words, shape: tuple[int, ...]) -> UInt32[Array, "... 2"]:
    return _hashed(words, _TO_SPLIT, jnp.uint32(0), (*shape, 2))


def _fold_in(words: Words, number: Integer[Array, ""] | int) -> Words:
    return _hashed(words, _TO_FOLD, 2 * jnp.asarray(number).astype(jnp.uint32), (2,))


def _random_bits(words: Words, width: int, shape: tuple[int, ...]) -> Array:
    if width == 64:
        high, low = jnp.moveaxis(_random_bits(words, 32, (*shape, 2)), -1, 0).astype(jnp.uint64)
        whole: Array = high << 32 | low
        return whole
    return _hashed(words, _TO_DRAW, jnp.uint32(0), shape).astype(f"uint{width}")


_HASH = define_prng_impl(
    key_shape=(2,),
    seed=_seed,
    split=_split,
    random_bits=_random_bits,
    fold_in=_fold_in,
    name="isthmus_hash",
    tag="ihash",
)
