"""The objective of a map: how far what it gives back is from what went in."""

from __future__ import annotations

from dataclasses import replace

import equinox as eqx
import jax
from jaxtyping import Array, Float, PyTree

from isthmus.objectives.corruption import Corruption
from isthmus.objectives.losses import Loss


class Reconstruction(eqx.Module):
    """loss(u, decode(encode(ũ))) on scaled rows u, with ũ the corrupted row, if there is a corruption.

    Rows may carry numbers that the corruption needs on their right. With several ``draws`` the loss is
    the mean over as many corruptions of each row.
    """

    loss: Loss = eqx.field(static=True)
    corruption: Corruption | None = None
    draws: int = eqx.field(static=True, default=1)

    def __call__(
        self, network: PyTree, batch: Float[Array, "n width"], key: Array
    ) -> Float[Array, " n"]:
        if self.corruption is None:
            return self.loss(batch, network.decode(network.encode(batch)))
        n_features = batch.shape[1] - self.corruption.n_aside
        u, aside = batch[:, :n_features], batch[:, n_features:]
        if self.draws == 1:
            return self.loss(u, network.decode(network.encode(self.corruption(u, aside, key))))
        one = replace(self, draws=1)
        losses: Array = jax.vmap(lambda key: one(network, batch, key))(jax.random.split(key, self.draws))
        return losses.mean(axis=0)
