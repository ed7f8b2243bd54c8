"""The Kullback–Leibler divergence of a normal distribution from a prior, and what a prior has for it.

KL(N(μ, σ²) ‖ p) is what a coordinate costs in the evidence lower bound, in nats: in closed form where
the prior has one, or else from a draw.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from isthmus import registry

__all__ = ["Prior"]

LOG_2PI = float(np.log(2 * np.pi))


class Prior(Protocol):
    """What a prior of your own has: the log density of coordinates, and draws of them.

    With numbers to learn it is an Equinox module that holds them; with a closed form of its divergence
    from a Gaussian it has a method ``kl(mean, log_var)``, too.

    References
    ----------
    Kingma & Welling 2014, arXiv:1312.6114.

    Examples
    --------
    A logistic prior of variance 1, p(z) = 1/(4 s cosh²(z/2s)) with s = √3/π:

    >>> import isthmus, jax, jax.numpy as jnp
    >>> class Logistic:
    ...     def log_density(self, z):
    ...         s = 3**0.5 / jnp.pi
    ...         return -jnp.abs(z) / s - 2 * jnp.log1p(jnp.exp(-jnp.abs(z) / s)) - jnp.log(s)
    ...
    ...     def sample(self, key, n, d):
    ...         return 3**0.5 / jnp.pi * jax.random.logistic(key, (n, d), jnp.float32)
    >>> model = isthmus.VariationalAutoencoder(2, prior=Logistic())
    >>> round(float(model.prior.log_density(jnp.zeros(1))[0]), 4)  # −log 4s, s = 0.5513
    -0.7909
    """

    def log_density(self, z: Float[Array, "... d"]) -> Float[Array, "... d"]:
        """log p(z_k | z_1 … z_{k−1}) for each coordinate k, in nats: (..., d) → (..., d).

        log p(z_k) where coordinates are independent; the sum over k is the joint log density.

        Parameters
        ----------
        z : array (..., d)
            Coordinates, as the encoder gives them.

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> prior = isthmus.priors.StandardNormal()
        >>> prior.log_density(np.zeros((5, 2))).shape
        (5, 2)
        """

    def sample(self, key: Array, n: int, d: int) -> Float[Array, "n d"]:
        """n draws of z: (n, d).

        Parameters
        ----------
        key : JAX random key
        n : int
            Draws.
        d : int
            Coordinates of each.

        Examples
        --------
        >>> import isthmus, jax
        >>> isthmus.priors.StandardNormal().sample(jax.random.key(0), 3, 2).shape
        (3, 2)
        """


@runtime_checkable
class ClosedDivergence(Protocol):
    """A prior with a closed form of its Kullback–Leibler divergence."""

    def kl(self, mean: Float[Array, "... d"], log_var: Float[Array, "... d"]) -> Float[Array, "... d"]:
        """KL(N(mean, exp log_var) ‖ p) of each coordinate."""


@registry.part
class GivenPrior(eqx.Module):
    """A prior of the user's own, which is no Equinox module: it has nothing to learn."""

    prior: Prior = eqx.field(static=True)

    def log_density(self, z: Float[Array, "... d"]) -> Float[Array, "... d"]:
        return self.prior.log_density(z)

    def sample(self, key: Array, n: int, d: int) -> Float[Array, "n d"]:
        return self.prior.sample(key, n, d)


def gaussian_entropy(log_var: Float[Array, "... d"]) -> Float[Array, "... d"]:
    """Of N(μ, σ²), in nats."""
    return 0.5 * (log_var + LOG_2PI + 1.0)


def kl(
    prior: Prior, mean: Float[Array, "... d"], log_var: Float[Array, "... d"], z: Float[Array, "... d"]
) -> Float[Array, "... d"]:
    """KL(N(mean, exp log_var) ‖ prior): by the prior's closed form, or else from the draw z."""
    own = prior.prior if isinstance(prior, GivenPrior) else prior
    if isinstance(own, ClosedDivergence):
        return own.kl(mean, log_var)
    return -gaussian_entropy(log_var) - prior.log_density(z)
