"""Predicting: what the output of a network says about a target, and the loss between the two.

For labels b = ±1 the network has one output f, and tanh f(x|w) ≈ b (lecture notes, "Training a NN").
With p = (1 + tanh f)/2 = 1/(1 + e⁻²ᶠ) as the probability of b = 1, which is the softmax of (−f, f), both
losses of two classes are those of many: one network output per class, and probabilities by softmax.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from isthmus import registry
from isthmus.networks.links import Probabilities, class_scores
from isthmus.objectives.losses import Loss

PROBABILITIES = Probabilities()


def one_hot(label: Float[Array, "... 1"], n_classes: int) -> Float[Array, "... K"]:
    """1 in the column of the class, 0 in the others."""
    return jax.nn.one_hot(label[..., 0].astype(jnp.int32), n_classes)


@registry.part
@dataclass(frozen=True)
class SquaredLabels:
    """2 Σ_k (1[y = k] − p_k)², twice Brier's score (Brier 1950); (b − tanh f)² for two classes."""

    link: ClassVar[Probabilities] = PROBABILITIES

    def __call__(self, x: Float[Array, "... 1"], output: Float[Array, "... k"]) -> Float[Array, " ..."]:
        """``x`` is the number of the class, from 0."""
        p = self.link(output)
        return 2 * jnp.sum(jnp.square(one_hot(x, p.shape[-1]) - p), axis=-1)


@registry.part
@dataclass(frozen=True)
class LabelCrossEntropy:
    """−log p_y; log(1 + e⁻²ᵇᶠ) for two classes."""

    link: ClassVar[Probabilities] = PROBABILITIES

    def __call__(self, x: Float[Array, "... 1"], output: Float[Array, "... k"]) -> Float[Array, " ..."]:
        """``x`` is the number of the class, from 0."""
        log_p = jax.nn.log_softmax(class_scores(output))
        return -jnp.sum(one_hot(x, log_p.shape[-1]) * log_p, axis=-1)


LABEL_LOSSES: dict[str, Loss] = {"cross_entropy": LabelCrossEntropy(), "squared": SquaredLabels()}


class Prediction(eqx.Module):
    """loss(y, f(u)) on rows that hold scaled features u, targets y, and possibly a weight."""

    loss: Loss = eqx.field(static=True)
    n_features: int = eqx.field(static=True)
    n_targets: int = eqx.field(static=True)

    def __call__(
        self, network: PyTree, batch: Float[Array, "n width"], key: Array
    ) -> Float[Array, " n"]:
        u, rest = batch[:, : self.n_features], batch[:, self.n_features :]
        target, weight = rest[:, : self.n_targets], rest[:, self.n_targets :]
        losses = self.loss(target, network(u))
        return losses * weight[:, 0] if weight.shape[1] else losses
