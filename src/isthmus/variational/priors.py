"""Priors: where a variational auto-encoder expects the coordinates z to lie.

A prior keeps σ from shrinking to zero, which would make the noise in the bottleneck vanish (lecture
notes, "Variational auto-encoders"). It has two methods, ``log_density`` and ``sample``; one with a
closed form of its Kullback–Leibler divergence has ``kl`` too. All are in nats, one number per
coordinate, so that a collapsed coordinate shows; the sum over coordinates is the joint value.
"""

from __future__ import annotations

from numbers import Integral

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm
from jaxtyping import Array, Float

from isthmus import registry
from isthmus.networks.layers import single
from isthmus.variational.divergence import LOG_2PI, GivenPrior, Prior, gaussian_entropy

__all__ = [
    "Mixture",
    "StandardNormal",
    "Uniform",
]


@registry.priors
class StandardNormal(eqx.Module):
    """p(z) = N(0, 1) in each coordinate: the usual prior.

    KL(N(μ, σ²) ‖ p) = ½ (μ² + σ² − log σ² − 1), zero at μ = 0, σ = 1 alone.

    References
    ----------
    Kingma & Welling 2014, "Auto-encoding variational Bayes", arXiv:1312.6114.

    Examples
    --------
    >>> import isthmus, numpy as np
    >>> prior = isthmus.priors.StandardNormal()
    >>> float(prior.kl(np.zeros(1), np.zeros(1))[0])
    0.0
    >>> float(prior.kl(np.full(1, 2.0), np.zeros(1))[0])  # ½ (2² + 1 − 0 − 1)
    2.0
    """

    def log_density(self, z: Float[Array, "... d"]) -> Float[Array, "... d"]:
        """−½ (z² + log 2π), in nats: (..., d) → (..., d).

        Parameters
        ----------
        z : array (..., d)

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> prior = isthmus.priors.StandardNormal()
        >>> round(float(prior.log_density(np.zeros(1))[0]), 4)  # −½ log 2π
        -0.9189
        """
        return -0.5 * (jnp.square(z) + LOG_2PI)

    def kl(self, mean: Float[Array, "... d"], log_var: Float[Array, "... d"]) -> Float[Array, "... d"]:
        """KL(N(mean, exp log_var) ‖ p) of each coordinate, in nats: (..., d) → (..., d).

        Parameters
        ----------
        mean, log_var : arrays (..., d)
            μ and log σ².

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> prior = isthmus.priors.StandardNormal()
        >>> prior.kl(np.full(1, 3.0), np.zeros(1)).tolist()  # ½ (3² + 1 − 0 − 1)
        [4.5]
        """
        return 0.5 * (jnp.square(mean) + jnp.exp(log_var) - log_var - 1.0)

    def sample(self, key: Array, n: int, d: int) -> Float[Array, "n d"]:
        """n draws of z: (n, d), float32.

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
        return jax.random.normal(key, (n, d), jnp.float32)

    def __call__(self, z: Float[Array, "... d"]) -> Float[Array, " ..."]:
        """log p(z), all coordinates together."""
        return jnp.sum(self.log_density(z), axis=-1)


@registry.priors
class Uniform(eqx.Module):
    """p(z) flat for |z| ≤ half_width, with Gaussian flanks of width ``edge`` beyond.

    A flat prior, made proper: μ may lie anywhere in the box at no cost, and σ is
    kept from 0, because KL(N(μ, σ²) ‖ p) has the term −log σ. A box with vertical walls would make it
    infinite for every Gaussian; with flanks it is finite, and closed: with
    E[(z − a)₊²] = ((μ − a)² + σ²) Φ(t) + (μ − a) σ φ(t), t = (μ − a)/σ.

    Parameters
    ----------
    half_width : float, default √3
        Half the side of the box: that of the default has variance 1.
    edge : float, default 0.1
        Standard deviation of the flanks, a small part of the box.

    Raises
    ------
    ValueError
        For numbers that are not positive.

    Examples
    --------
    The density in the box is one over the box and both flanks, 1/(2 · 1 + √(2π) · 0.1):

    >>> import isthmus, numpy as np
    >>> prior = isthmus.priors.Uniform(half_width=1.0, edge=0.1)
    >>> [round(float(p), 4) for p in np.exp(prior.log_density(np.array([0.0, 0.9])))]
    [0.4443, 0.4443]
    """

    half_width: float = eqx.field(static=True, default=3**0.5)
    edge: float = eqx.field(static=True, default=0.1)

    def __check_init__(self) -> None:
        for name, value in (("half_width", self.half_width), ("edge", self.edge)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < np.inf:
                raise ValueError(f"Uniform({name}={value!r}): expected a positive number")

    @property
    def log_volume(self) -> float:
        """log of the normaliser: the box and both flanks."""
        return float(np.log(2 * self.half_width + np.sqrt(2 * np.pi) * self.edge))

    def log_density(self, z: Float[Array, "... d"]) -> Float[Array, "... d"]:
        """log p(z) of each coordinate, in nats: (..., d) → (..., d).

        Parameters
        ----------
        z : array (..., d)

        Examples
        --------
        Two widths of the edge beyond the box, −½ · 2² less than within:

        >>> import isthmus, numpy as np
        >>> prior = isthmus.priors.Uniform(half_width=1.0, edge=0.1)
        >>> inside, outside = prior.log_density(np.array([0.0, 1.2]))
        >>> round(float(outside - inside), 3)
        -2.0
        """
        outside = jnp.maximum(jnp.abs(z) - self.half_width, 0.0) / self.edge
        return -0.5 * jnp.square(outside) - self.log_volume

    def kl(self, mean: Float[Array, "... d"], log_var: Float[Array, "... d"]) -> Float[Array, "... d"]:
        """KL(N(mean, exp log_var) ‖ p) of each coordinate, in nats: (..., d) → (..., d).

        Parameters
        ----------
        mean, log_var : arrays (..., d)
            μ and log σ².

        Examples
        --------
        Well inside the box it does not depend on μ:

        >>> import isthmus, numpy as np
        >>> prior = isthmus.priors.Uniform()
        >>> divergence = prior.kl(np.array([0.0, 0.5]), np.full(2, -6.0))  # σ = e⁻³ = 0.05
        >>> float(abs(divergence[1] - divergence[0]))
        0.0
        """
        std = jnp.exp(0.5 * log_var)
        outside = _mean_square_above(mean - self.half_width, std)
        outside = outside + _mean_square_above(-mean - self.half_width, std)
        return 0.5 * outside / self.edge**2 + self.log_volume - gaussian_entropy(log_var)

    def sample(self, key: Array, n: int, d: int) -> Float[Array, "n d"]:
        """n draws of z: (n, d), float32.

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
        >>> z = isthmus.priors.Uniform(edge=0.1).sample(jax.random.key(0), 100, 2)
        >>> z.shape, bool(abs(z).max() < 3**0.5 + 10 * 0.1)  # ten widths of the flank
        ((100, 2), True)
        """
        where, which, how_far = jax.random.split(key, 3)
        inside = self.half_width * jax.random.uniform(where, (n, d), jnp.float32, minval=-1.0)
        flank = self.edge * jax.random.normal(how_far, (n, d), jnp.float32)
        beyond = flank + jnp.sign(flank) * self.half_width
        in_box = 2 * self.half_width / np.exp(self.log_volume)
        return jnp.where(jax.random.uniform(which, (n, d), jnp.float32) < in_box, inside, beyond)

    def __call__(self, z: Float[Array, "... d"]) -> Float[Array, " ..."]:
        """log p(z), all coordinates together."""
        return jnp.sum(self.log_density(z), axis=-1)


def _mean_square_above(gap: Float[Array, "... d"], std: Float[Array, "... d"]) -> Float[Array, "... d"]:
    """E[max(gap + std ε, 0)²]."""
    t = gap / std
    return (jnp.square(gap) + jnp.square(std)) * norm.cdf(t) + gap * std * norm.pdf(t)


@registry.part
class GaussianMixture(eqx.Module):
    """Σ_j π_j N(z; m_j, diag s_j²), with all its numbers free to be learnt."""

    means: Float[Array, "m d"]
    log_vars: Float[Array, "m d"]
    logits: Float[Array, " m"]

    def log_density(self, z: Float[Array, "... d"]) -> Float[Array, "... d"]:
        """By the chain rule: the mixture of coordinates 1 … k over that of 1 … k − 1."""
        gap = z[..., None, :] - self.means
        each = -0.5 * (jnp.square(gap) * jnp.exp(-self.log_vars) + self.log_vars + LOG_2PI)
        shares = jax.nn.log_softmax(self.logits)
        first = shares[:, None] + jnp.cumsum(each, axis=-1)  # (..., m, d)
        joint = jax.nn.logsumexp(first, axis=-2)
        # Where all parts are 0 in single precision, so is what follows; no difference of infinities.
        vanishes = jnp.isneginf(joint)
        finite = jnp.where(vanishes, 0.0, joint)
        given_those_before = jnp.diff(finite, axis=-1, prepend=jnp.zeros_like(joint[..., :1]))
        return jnp.where(vanishes, -jnp.inf, given_those_before)

    def sample(self, key: Array, n: int, d: int) -> Float[Array, "n d"]:
        which, where = jax.random.split(key)
        choice = jax.random.categorical(which, self.logits, shape=(n,))
        noise = jax.random.normal(where, (n, d), jnp.float32)
        return self.means[choice] + jnp.exp(0.5 * self.log_vars[choice]) * noise

    def __call__(self, z: Float[Array, "... d"]) -> Float[Array, " ..."]:
        """log p(z), all coordinates together."""
        return jnp.sum(self.log_density(z), axis=-1)


def _number_of_parts(n: object) -> int:
    if not isinstance(n, Integral) or isinstance(n, bool) or n < 1:
        raise ValueError(f"Mixture(n={n!r}): expected an integer of at least 1")
    return int(n)


@registry.priors
class Mixture(eqx.Module):
    """A learnt mixture of ``n`` Gaussians, Σ_j π_j N(z; m_j, diag s_j²): for data in clumps.

    It starts as about N(0, 1): means with a standard deviation of a half, variances of three quarters,
    equal shares. Its KL divergence has no closed form; training draws it.

    Parameters
    ----------
    n : int, default 10
        Gaussians. More than there are clumps do no harm: ten suffice for ten digits.

    Raises
    ------
    ValueError
        For fewer than one.

    References
    ----------
    Jiang et al. 2017, "Variational deep embedding", arXiv:1611.05148.

    Examples
    --------
    The mixture that training of two coordinates begins with:

    >>> import isthmus, numpy as np
    >>> start = isthmus.priors.Mixture(3)(np.random.default_rng(0), 2)
    >>> start.means.shape, start.log_vars.shape, start.logits.tolist()  # equal shares
    ((3, 2), (3, 2), [0.0, 0.0, 0.0])
    """

    n: int = eqx.field(static=True, default=10, converter=_number_of_parts)

    def __call__(self, rng: np.random.Generator, d: int) -> GaussianMixture:
        """The mixture of d coordinates that training begins with."""
        means = 0.5 * rng.standard_normal((self.n, d))
        log_vars = np.full((self.n, d), np.log(0.75))
        return GaussianMixture(*(single(a) for a in (means, log_vars, np.zeros(self.n))))


def check_prior(prior: object) -> None:
    """Raise a TypeError for anything that is no prior."""
    is_prior = hasattr(prior, "log_density") and hasattr(prior, "sample")
    if isinstance(prior, type) or not (is_prior or isinstance(prior, Mixture)):
        raise TypeError(
            f"prior={prior!r}: expected a prior such as isthmus.priors.StandardNormal(), or an object "
            "with the methods log_density(z) and sample(key, n, d)"
        )


def start_prior(prior: Prior | Mixture, rng: np.random.Generator, d: int) -> Prior:
    """The prior as an Equinox module, where training begins."""
    if isinstance(prior, Mixture):
        return prior(rng, d)
    return prior if isinstance(prior, eqx.Module) else GivenPrior(prior)
