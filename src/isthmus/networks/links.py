"""Output links: which x̂ a raw output of a network stands for.

A link is a function of the output, (..., k) → (..., K). A loss names its link; a fitted module keeps the
link and needs no loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from isthmus import registry

Link = Callable[[Array], Array]


class HasMean(Protocol):
    """A loss with a mean function instead of a link."""

    def mean(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        """The x̂ that a raw output stands for."""


SHARPNESS = 10.0
"""The constant k of ``SoftClip``: how sharply s bends at 0 and 1."""


@registry.part
@dataclass(frozen=True)
class Identity:
    """x̂ is the output itself."""

    def __call__(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return output


@registry.part
@dataclass(frozen=True)
class SoftClip:
    """x̂ = s(output) in (0, 1), s(a) = [softplus(ka) − softplus(k(a − 1))]/k with k = 10.

    s is nearly the identity inside (0, 1) and bends to 0 and 1 outside, so that a linear path still
    starts as PCA.
    """

    def __call__(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return jnp.exp(log_soft_clip(output))


@registry.part
@dataclass(frozen=True)
class Probabilities:
    """The probability of each class: the softmax of the outputs; of (−f, f) for a single output f."""

    def __call__(self, output: Float[Array, "... k"]) -> Float[Array, "... K"]:
        return jax.nn.softmax(class_scores(output))


@registry.part
@dataclass(frozen=True)
class MeanOf:
    """x̂ = loss.mean(output), for a loss that has ``mean`` in the place of a link."""

    loss: HasMean

    def __call__(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return self.loss.mean(output)


def link_of(loss: object) -> Link:
    """The link that a loss names: its ``link``, or what its ``mean`` does; the identity otherwise."""
    if hasattr(loss, "link"):
        link: Link = loss.link
        return link
    return MeanOf(cast(HasMean, loss)) if hasattr(loss, "mean") else Identity()


def class_scores(output: Float[Array, "... k"]) -> Float[Array, "... K"]:
    """One number per class, whose softmax are the probabilities: (−f, f) for a single output f."""
    if output.shape[-1] > 1:
        return output
    return jnp.concatenate([-output, output], axis=-1)


def log_soft_clip(a: Float[Array, "... D"]) -> Float[Array, "... D"]:
    """log s(a) with s(a) = log1p(eᵗ)/k and t = k + log(1 − e⁻ᵏ) − softplus(k(1 − a))."""
    k = SHARPNESS
    return log_softplus(k + jnp.log1p(-jnp.exp(-k)) - jax.nn.softplus(k * (1.0 - a))) - jnp.log(k)


def log_softplus(t: Float[Array, " ..."]) -> Float[Array, " ..."]:
    """log log1p(eᵗ), which tends to t for t → −∞, where the direct form underflows."""
    safe = jnp.maximum(t, -15.0)
    return jnp.where(t < -15.0, t, jnp.log(jax.nn.softplus(safe)))
