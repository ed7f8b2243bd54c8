"""Likelihoods: how data scatter about what a variational auto-encoder's decoder says.

A likelihood is a small frozen object. Called with what is known about the data it gives a
*distribution*, an Equinox module with the numbers that training learns, on the decoder's raw output.
Densities are in the data's own units and in nats, one number per entry, with every constant, so that
they compare with the literature. The decoder's output is linear in its last layer, and a distribution
bends it only where it leaves the support; so a linear path still starts as PCA. Here are those of
measurements and of shares; ``count_likelihoods.py`` has those of counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from isthmus import registry
from isthmus.data.scaling import Scaling
from isthmus.networks.layers import Constant, single
from isthmus.networks.links import log_soft_clip
from isthmus.variational.distributions import Known
from isthmus.variational.divergence import LOG_2PI
from isthmus.variational.ppca import LARGEST_ERROR

__all__ = [
    "Bernoulli",
    "Gaussian",
]

LEAST_VARIANCE = 1e-6
"""Of learnt errors, in scaled units: a feature that is fitted exactly would have an infinite density."""


@registry.part
class GaussianErrors(eqx.Module):
    """x = x̂(z) + σ ε."""

    log_units: Constant
    log_variance: Float[Array, " ..."] | Constant
    least: float = eqx.field(static=True)

    def mean(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return output

    @property
    def own_variance(self) -> Float[Array, " ..."]:
        """σ² in scaled units, one for all features or one per feature."""
        return jnp.square(self.own_std)

    @property
    def own_std(self) -> Float[Array, " ..."]:
        """σ in scaled units; its square may be below the least number of single precision."""
        log_variance = self.log_variance
        if isinstance(log_variance, Constant):
            log_variance = log_variance.value
        if not self.least:
            return jnp.exp(0.5 * log_variance)
        return jnp.sqrt(self.least + jnp.exp(log_variance))

    def variance(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return jnp.broadcast_to(self.own_variance, output.shape)

    def log_density(
        self,
        u: Float[Array, "... D"],
        output: Float[Array, "... D"],
        error: Float[Array, "... D"] | None = None,
    ) -> Float[Array, "... D"]:
        std = self.own_std
        if error is not None:
            std = _hypotenuse(std, jnp.minimum(error, LARGEST_ERROR))
        gap = (u - output) / std
        log_units: Array = self.log_units.value
        return -0.5 * (jnp.square(gap) + LOG_2PI) - jnp.log(std) - log_units

    def supports(self, x: Float[np.ndarray, "n D"]) -> Bool[np.ndarray, "n D"]:
        return np.ones(x.shape, bool)

    def sample(self, key: Array, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return output + self.own_std * jax.random.normal(key, output.shape, output.dtype)


def _hypotenuse(std: Float[Array, " ..."], error: Float[Array, "... D"]) -> Float[Array, "... D"]:
    """√(std² + error²) for std > 0, where no square may overflow or vanish."""
    larger, smaller = jnp.maximum(std, error), jnp.minimum(std, error)
    return larger * jnp.sqrt(1.0 + jnp.square(smaller / larger))


@registry.likelihoods
@dataclass(frozen=True)
class Gaussian:
    """x_j = x̂_j(z) + σ_j ε, ε ~ N(0, 1).

    Parameters
    ----------
    scale : {"shared", "feature"} or float, default "shared"
        "shared" learns one σ in scaled units: one in the data's unit, unless ``scaling`` says otherwise.
        That is probabilistic PCA's, with which training begins. "feature" learns one per feature, as
        factor analysis does. A number is a fixed σ in the data's units.

    Raises
    ------
    ValueError
        For another word, and for a number that is not positive.

    References
    ----------
    Tipping & Bishop 1999, "Probabilistic principal component analysis", JRSS B 61:611.

    Examples
    --------
    >>> import isthmus
    >>> isthmus.likelihoods.Gaussian("feature")
    Gaussian(scale='feature')
    >>> isthmus.likelihoods.Gaussian(-1.0)
    Traceback (most recent call last):
        ...
    ValueError: Gaussian(scale=-1.0): expected 'shared', 'feature' or a positive number, ...
    """

    scale: str | float = "shared"

    def __post_init__(self) -> None:
        if isinstance(self.scale, str):
            is_known = self.scale in ("shared", "feature")
        else:
            is_known = isinstance(self.scale, Real) and 0 < self.scale < np.inf
        if not is_known or isinstance(self.scale, bool):
            raise ValueError(
                f"Gaussian(scale={self.scale!r}): expected 'shared', 'feature' or a positive number, "
                "the standard deviation in the data's units"
            )

    def fixed_variance(self, scaling: Scaling) -> float | None:
        """The mean over features of σ² in scaled units, if it is fixed, else None.

        Parameters
        ----------
        scaling : Scaling
            scale (D,) is what features are divided by.

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> from isthmus.data.scaling import Scaling
        >>> scaling = Scaling(np.zeros(1), np.full(1, 2.0))
        >>> isthmus.likelihoods.Gaussian(1.0).fixed_variance(scaling)  # (1/2)²
        0.25
        >>> isthmus.likelihoods.Gaussian().fixed_variance(scaling) is None  # it is learnt
        True
        """
        if isinstance(self.scale, str):
            return None
        return float(np.mean(np.square(self.scale / scaling.scale)))

    def __call__(self, known: Known) -> GaussianErrors:
        # In double precision: a unit may be smaller than any number of single precision.
        units = Constant(single(np.log(known.scaling.scale)))
        if not isinstance(self.scale, str):
            log_variance = 2 * (np.log(self.scale) - np.log(known.scaling.scale))
            return GaussianErrors(units, Constant(single(log_variance)), 0.0)
        left_out = known.left_out if self.scale == "feature" else np.mean(known.left_out)
        start = np.log(np.maximum(left_out, LEAST_VARIANCE))
        return GaussianErrors(units, single(start), LEAST_VARIANCE)


@registry.part
class Coins(eqx.Module):
    """x ∈ {0, 1} with probability p(z) of 1, by ``soft_clip`` of the output."""

    def mean(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return jnp.exp(log_soft_clip(output))

    def variance(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return jnp.exp(log_soft_clip(output) + log_soft_clip(1.0 - output))

    def log_density(
        self,
        u: Float[Array, "... D"],
        output: Float[Array, "... D"],
        error: Float[Array, "... D"] | None = None,
    ) -> Float[Array, "... D"]:
        density = u * log_soft_clip(output) + (1.0 - u) * log_soft_clip(1.0 - output)
        return jnp.where((u < 0.0) | (u > 1.0), -jnp.inf, density)

    def supports(self, x: Float[np.ndarray, "n D"]) -> Bool[np.ndarray, "n D"]:
        return (x >= 0) & (x <= 1)

    def sample(self, key: Array, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return jax.random.bernoulli(key, self.mean(output)).astype(output.dtype)


@registry.likelihoods
@dataclass(frozen=True)
class Bernoulli:
    """x_j is 1 with probability p_j(z), else 0.

    Numbers between 0 and 1 are taken as shares of ones, as is usual for grey levels: then x log p + (1 −
    x) log(1 − p) compares with the literature, but is no density. p is the decoder's output, bent where
    it leaves [0, 1].

    Raises
    ------
    ValueError
        In ``fit``, for data outside [0, 1].

    Examples
    --------
    >>> import isthmus, numpy as np
    >>> from isthmus.data.moments import column_statistics
    >>> from isthmus.data.scaling import Scaling
    >>> X = np.array([[0.0], [1.0]])
    >>> known = isthmus.likelihoods.Known(X, Scaling.none(1), column_statistics(X), np.ones(1))
    >>> p = isthmus.likelihoods.Bernoulli()(known)
    >>> round(float(p.log_density(np.ones(1), np.full(1, 0.5))[0]), 4)  # log ½
    -0.6931
    """

    def __call__(self, known: Known) -> Coins:
        low, high = float(np.min(known.columns.low)), float(np.max(known.columns.high))
        if low < 0 or high > 1:
            raise ValueError(
                f"likelihood=Bernoulli() needs data in [0, 1], and these go from {low:g} to {high:g}: "
                "divide them by their largest possible value, or use another likelihood"
            )
        return Coins()
