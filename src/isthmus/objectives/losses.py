"""Reconstruction losses: one number per row, summed over features.

Each loss is a negative log-likelihood up to a constant: ``loss(x, x_hat)`` maps rows (n, D) and the
decoder's output (n, D) to (n,). Only the training loop averages over rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Loss(Protocol):
    """What a loss is: a mean function for the decoder's raw output, and a value per row."""

    def mean(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        """The reconstruction x̂ that a raw decoder output stands for."""

    def __call__(self, x: Float[Array, "... D"], output: Float[Array, "... D"]) -> Float[Array, " ..."]:
        """The loss of each row, summed over its features."""


@dataclass(frozen=True)
class Squared:
    """½ Σⱼ (xⱼ − x̂ⱼ)²: Gaussian errors of unit variance. Least squares, PCA's own loss."""

    def mean(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return output

    def __call__(self, x: Float[Array, "... D"], output: Float[Array, "... D"]) -> Float[Array, " ..."]:
        return 0.5 * jnp.sum(jnp.square(x - output), axis=-1)


@dataclass(frozen=True)
class Absolute:
    """Σⱼ |xⱼ − x̂ⱼ|: Laplace errors; one wild entry costs in proportion, not squared."""

    def mean(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return output

    def __call__(self, x: Float[Array, "... D"], output: Float[Array, "... D"]) -> Float[Array, " ..."]:
        return jnp.sum(jnp.abs(x - output), axis=-1)


@dataclass(frozen=True)
class Huber:
    """½ r² where |r| ≤ delta, delta (|r| − ½ delta) beyond, with r = xⱼ − x̂ⱼ in scaled units.

    ``delta=1.0`` is one standard deviation of a feature under ``scaling="standard"`` (Huber 1964).
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        if not self.delta > 0:
            raise ValueError(
                f"Huber(delta={self.delta!r}): delta must be positive; 1.0 is the usual choice"
            )

    def mean(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return output

    def __call__(self, x: Float[Array, "... D"], output: Float[Array, "... D"]) -> Float[Array, " ..."]:
        size = jnp.abs(x - output)
        inside = jnp.minimum(size, self.delta)
        return jnp.sum(0.5 * inside**2 + self.delta * (size - inside), axis=-1)


SHARPNESS = 10.0


@dataclass(frozen=True)
class CrossEntropy:
    """−Σⱼ xⱼ log pⱼ + (1 − xⱼ) log(1 − pⱼ), for data in [0, 1].

    p = s(output), where s(a) = [softplus(ka) − softplus(k(a − 1))]/k with k = 10 is nearly the
    identity inside (0, 1) and bends to 0 and 1 outside. A logistic s would do as well for a plain
    network, but with this one a linear path still starts as PCA. log p and log(1 − p) are evaluated
    without cancellation, so that no output gives an infinite loss.
    """

    def mean(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return jnp.exp(log_soft_clip(output))

    def __call__(self, x: Float[Array, "... D"], output: Float[Array, "... D"]) -> Float[Array, " ..."]:
        log_p, log_q = log_soft_clip(output), log_soft_clip(1.0 - output)
        return -jnp.sum(x * log_p + (1.0 - x) * log_q, axis=-1)


def log_soft_clip(a: Float[Array, "... D"]) -> Float[Array, "... D"]:
    """log s(a) with s(a) = log1p(eᵗ)/k and t = k + log(1 − e⁻ᵏ) − softplus(k(1 − a))."""
    k = SHARPNESS
    return log_softplus(k + jnp.log1p(-jnp.exp(-k)) - jax.nn.softplus(k * (1.0 - a))) - jnp.log(k)


def log_softplus(t: Float[Array, " ..."]) -> Float[Array, " ..."]:
    """log log1p(eᵗ), which tends to t for t → −∞, where the direct form underflows."""
    safe = jnp.maximum(t, -15.0)
    return jnp.where(t < -15.0, t, jnp.log(jax.nn.softplus(safe)))


LOSSES: dict[str, Loss] = {
    "squared": Squared(),
    "absolute": Absolute(),
    "huber": Huber(),
    "cross_entropy": CrossEntropy(),
}
