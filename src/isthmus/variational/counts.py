"""Laws of counts in single precision: terms of their densities, and draws.

Single precision holds seven digits, and a count of 10⁹ has nine. Densities are therefore written in the
difference between a count and its rate, and draws are given as that difference.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln, xlogy
from jaxtyping import Array, Float

from isthmus.variational.divergence import LOG_2PI

LEAST_RATE = 1e-6
"""Below it the ratio of a count to its rate may overflow, and the difference of logarithms is used."""

LEAST_SUM = 1e-15
"""Of a count and its rate: less is 0, and the square that its derivative is divided by would vanish."""

LARGE_SHAPE = 1e4
"""Rate of a Poisson law, and shape of a gamma law, beyond which draws are made from normal ones."""


def deviance(
    a: Float[Array, "... D"],
    b: Float[Array, "... D"],
    gap: Float[Array, "... D"],
    log_b: Float[Array, "... D"],
) -> Float[Array, "... D"]:
    """a log(a/b) + b − a: how far a ≥ 0 is from b; ``gap`` is a − b, and b may be too small to hold.

    Near b it is gap v + 2 a (v³/3 + v⁵/5 + …), v = (a − b)/(a + b), without a difference of large
    numbers (Loader 2000, "Fast and accurate computation of binomial probabilities").
    """
    both = jnp.where(a + b > LEAST_SUM, a + b, 1.0)
    is_near = jnp.abs(gap) < 0.1 * both
    v = jnp.where(is_near, gap / both, 0.0)
    square = jnp.square(v)
    series = 1 / 3 + square * (1 / 5 + square * (1 / 7 + square * (1 / 9 + square / 11)))
    near = gap * v + 2 * a * v * square * series
    safe = jnp.where(a > 0, a, 1.0)
    ratio = safe / jnp.where(b > LEAST_RATE, b, 1.0)
    log_ratio = jnp.where(b > LEAST_RATE, jnp.log(ratio), jnp.log(safe) - log_b)
    far = jnp.where(a > 0, safe * log_ratio - gap, b)
    return jnp.where(is_near, near, far)


def poisson_gap(key: Array, rate: Float[Array, "... D"]) -> Float[Array, "... D"]:
    """x − rate for a Poisson count x.

    Beyond ``LARGE_SHAPE`` a rejection would compare logarithms of densities as large as the rate. There
    the quantile follows from the normal one by Cornish & Fisher's expansion (1938, "Moments and
    cumulants in the specification of distributions"), whose error is a small part of a count.
    """
    few_key, many_key = jax.random.split(key)
    small = jnp.minimum(rate, LARGE_SHAPE)
    few = jax.random.poisson(few_key, small).astype(rate.dtype) - small
    z = jax.random.normal(many_key, rate.shape, rate.dtype)
    root = jnp.sqrt(jnp.maximum(rate, LARGE_SHAPE))
    many = root * z + (jnp.square(z) - 1.0) / 6 + (z - z**3) / (72 * root)
    return jnp.where(rate <= LARGE_SHAPE, few, many)


def gamma_gap(key: Array, shape: Float[Array, "... D"]) -> Float[Array, "... D"]:
    """g − 1 for a gamma variable g of mean 1 and variance 1/shape.

    Beyond ``LARGE_SHAPE`` its cube root is normal (Wilson & Hilferty 1931, "The distribution of
    chi-square").
    """
    few_key, many_key = jax.random.split(key)
    small, large = jnp.minimum(shape, LARGE_SHAPE), jnp.maximum(shape, LARGE_SHAPE)
    few = jax.random.gamma(few_key, small, dtype=shape.dtype) / small - 1.0
    z = jax.random.normal(many_key, shape.shape, shape.dtype)
    root = z / (3 * jnp.sqrt(large)) - 1 / (9 * large)
    many = root * (3.0 + root * (3.0 + root))
    return jnp.where(shape <= LARGE_SHAPE, few, many)


def stirling(a: Float[Array, "... D"]) -> Float[Array, "... D"]:
    """log a! − a log a + a.

    With ``deviance`` it gives the densities of counts without differences of large numbers, which
    would cost single precision a nat where counts are millions.
    """
    small, large = jnp.minimum(a, 8.0), jnp.maximum(a, 8.0)
    square = jnp.square(large)
    series = 0.5 * (jnp.log(large) + LOG_2PI) + (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / large
    return jnp.where(a < 8.0, gammaln(small + 1.0) - xlogy(small, small) + small, series)
