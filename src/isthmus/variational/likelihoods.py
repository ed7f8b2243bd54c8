"""Likelihoods: how data scatter about what a variational auto-encoder's decoder says.

A likelihood is a small frozen object. Called with what is known about the data it gives a
*distribution*, an Equinox module with the numbers that training learns, on the decoder's raw output.
Densities are in the data's own units and in nats, one number per entry, with every constant, so that
they compare with the literature. The decoder's output is linear in its last layer, and a distribution
bends it only where it leaves the support; so a linear path still starts as PCA.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from isthmus import registry
from isthmus.data.moments import ColumnStatistics
from isthmus.data.rows import Rows, number_among_all, row_blocks
from isthmus.data.scaling import Scaling
from isthmus.networks.layers import Constant, single
from isthmus.networks.links import log_soft_clip, log_softplus
from isthmus.variational.counts import deviance, gamma_gap, poisson_gap, stirling
from isthmus.variational.ppca import LARGEST_ERROR
from isthmus.variational.priors import LOG_2PI

__all__ = [
    "Bernoulli",
    "Distribution",
    "Gaussian",
    "Known",
    "Likelihood",
    "NegativeBinomial",
    "Poisson",
]

LEAST_VARIANCE = 1e-6
"""Of learnt errors, in scaled units: a feature that is fitted exactly would have an infinite density."""

MOST_DISPERSION = 1e30
"""A negative binomial is Poisson long before, and single precision ends soon after."""

LARGE_COUNT = 2.0**18
"""Beyond it a rounded count is no more exact than the difference in scaled units."""


@dataclass(frozen=True)
class Known:
    """What is known of the data when training begins: all that a likelihood may start from.

    Parameters
    ----------
    rows : rows (n, D)
        The data in their own units, to be looked at in blocks.
    scaling : Scaling
        center (D,) and scale (D,) of the columns.
    columns : ColumnStatistics
        Mean, variance, least and largest value of each column, in the data's units.
    left_out : array (D,)
        The variance in scaled units that the start does not explain.

    Examples
    --------
    >>> import isthmus, numpy as np
    >>> from isthmus.data.moments import column_statistics
    >>> from isthmus.data.scaling import Scaling
    >>> X = np.array([[0.0], [2.0]])
    >>> known = isthmus.likelihoods.Known(X, Scaling.none(1), column_statistics(X), np.ones(1))
    >>> known.columns.mean.tolist()  # (0 + 2)/2
    [1.0]
    """

    rows: Rows
    scaling: Scaling
    columns: ColumnStatistics
    left_out: Float[np.ndarray, " D"]


class Distribution(Protocol):
    """p(x | z) for the decoder's output at z. Rows u and means are in scaled units, densities in raw.

    Its methods are entry by entry, (..., D) → (..., D). Draws of x are rounded where the distribution
    has an attribute ``whole_numbers`` that is true. It may have a method ``supports(x)``: whether each
    of the numbers x, float64 in the data's units, can occur. What training is to learn of it are the
    arrays that it holds: it is an Equinox module.

    Examples
    --------
    Errors of a fixed standard deviation of 1 about the output:

    >>> import isthmus, numpy as np
    >>> from isthmus.data.moments import column_statistics
    >>> from isthmus.data.scaling import Scaling
    >>> X = np.array([[0.0], [2.0]])
    >>> known = isthmus.likelihoods.Known(X, Scaling.none(1), column_statistics(X), np.ones(1))
    >>> p = isthmus.likelihoods.Gaussian(1.0)(known)
    >>> round(float(p.log_density(np.zeros(1), np.zeros(1))[0]), 4)  # −½ log 2π
    -0.9189
    """

    def mean(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        """E[u | z], in scaled units: (..., D) → (..., D).

        Parameters
        ----------
        output : array (..., D)
            Of the decoder at z.

        Examples
        --------
        A count's mean is its rate, the output itself far from zero:

        >>> import isthmus, numpy as np
        >>> from isthmus.data.moments import column_statistics
        >>> from isthmus.data.scaling import Scaling
        >>> X = np.array([[0.0], [2.0]])
        >>> known = isthmus.likelihoods.Known(X, Scaling.none(1), column_statistics(X), np.ones(1))
        >>> isthmus.likelihoods.Poisson()(known).mean(np.full(1, 5.0)).tolist()
        [5.0]
        """

    def variance(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        """Var[u | z], in squared scaled units: (..., D) → (..., D).

        Parameters
        ----------
        output : array (..., D)
            Of the decoder at z.

        Examples
        --------
        The variance of a Poisson count is its mean:

        >>> import isthmus, numpy as np
        >>> from isthmus.data.moments import column_statistics
        >>> from isthmus.data.scaling import Scaling
        >>> X = np.array([[0.0], [2.0]])
        >>> known = isthmus.likelihoods.Known(X, Scaling.none(1), column_statistics(X), np.ones(1))
        >>> isthmus.likelihoods.Poisson()(known).variance(np.full(1, 5.0)).tolist()
        [5.0]
        """

    def log_density(
        self,
        u: Float[Array, "... D"],
        output: Float[Array, "... D"],
        error: Float[Array, "... D"] | None = None,
    ) -> Float[Array, "... D"]:
        """log p(x_j | z), per unit of x_j, in nats and with every constant: (..., D) → (..., D).

        Parameters
        ----------
        u : array (..., D)
            Rows in scaled units.
        output : array (..., D)
            Of the decoder at z.
        error : array (..., D) or None, default None
            Known standard deviation of each entry, in scaled units; None for none.

        Examples
        --------
        Two counts where five are expected, 2 log 5 − 5 − log 2!:

        >>> import isthmus, numpy as np
        >>> from isthmus.data.moments import column_statistics
        >>> from isthmus.data.scaling import Scaling
        >>> X = np.array([[0.0], [2.0]])
        >>> known = isthmus.likelihoods.Known(X, Scaling.none(1), column_statistics(X), np.ones(1))
        >>> p = isthmus.likelihoods.Poisson()(known)
        >>> round(float(p.log_density(np.full(1, 2.0), np.full(1, 5.0))[0]), 3)
        -2.474
        """

    def sample(self, key: Array, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        """A draw of u, in scaled units: (..., D) → (..., D).

        Parameters
        ----------
        key : JAX random key
        output : array (..., D)
            Of the decoder at z.

        Examples
        --------
        >>> import isthmus, jax, numpy as np
        >>> from isthmus.data.moments import column_statistics
        >>> from isthmus.data.scaling import Scaling
        >>> X = np.array([[0.0], [2.0]])
        >>> known = isthmus.likelihoods.Known(X, Scaling.none(1), column_statistics(X), np.ones(1))
        >>> p = isthmus.likelihoods.Gaussian(1.0)(known)
        >>> p.sample(jax.random.key(0), np.zeros((3, 1), np.float32)).shape
        (3, 1)
        """


class Likelihood(Protocol):
    """What a likelihood of your own is: any function that gives a ``Distribution`` of a ``Known``.

    Called once, when training begins; numbers to learn are the arrays of what it gives.

    Examples
    --------
    Gaussian errors whose fixed standard deviation is a tenth of what PCA leaves:

    >>> import isthmus, numpy as np
    >>> def small_errors(known):
    ...     left_out = np.sqrt(np.mean(known.left_out)) * np.mean(known.scaling.scale)
    ...     return isthmus.likelihoods.Gaussian(0.1 * float(left_out))(known)
    >>> model = isthmus.VariationalAutoencoder(2, likelihood=small_errors)
    >>> from isthmus.data.moments import column_statistics
    >>> from isthmus.data.scaling import Scaling
    >>> X = np.array([[0.0], [2.0]])
    >>> known = isthmus.likelihoods.Known(X, Scaling.none(1), column_statistics(X), np.ones(1))
    >>> round(float(model.likelihood(known).variance(np.zeros(1))[0]), 4)  # (0.1 · 1)²
    0.01
    """

    def __call__(self, known: Known) -> Distribution: ...


@runtime_checkable
class Supporting(Protocol):
    """A distribution that says which numbers can occur."""

    def supports(self, x: Float[np.ndarray, "n D"]) -> Bool[np.ndarray, "n D"]:
        """Whether each number, in the data's units, can occur."""


def impossible(distribution: object, x: Num[np.ndarray, "n D"]) -> Bool[np.ndarray, "n D"]:
    """Entries of rows, in the data's units, that cannot occur, as far as the distribution says so."""
    if not isinstance(distribution, Supporting):
        return np.zeros(x.shape, bool)
    return np.asarray(~(np.isnan(x) | distribution.supports(x.astype(np.float64))))


def impossible_rows(distribution: object, rows: Rows) -> Bool[np.ndarray, " n"]:
    """Rows, in the data's units, that hold an entry which cannot occur."""
    found = np.zeros(rows.shape[0], bool)
    if isinstance(distribution, Supporting):
        for where, block in row_blocks(rows):
            found[where] = impossible(distribution, block).any(axis=1)
    return found


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


class _Counts(eqx.Module):
    """What counts share: a positive rate, the output itself but for a bend of width ``bend`` at zero.

    Densities are those of the nearest count. ``supports`` tells which numbers are counts.
    """

    whole_numbers = True

    center: Constant
    units: Constant
    bend: Constant

    def log_rate(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return log_softplus(self._in_bends(output)) + jnp.log(self.bend.value)

    def rate(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        rate: Array = self.bend.value * jax.nn.softplus(self._in_bends(output))
        return rate

    def mean(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        # The rate is the output and what the bend adds, so that a large one need not be rounded.
        above = output + self._added(output) / self.units.value
        below = (self.rate(output) - self.center.value) / self.units.value
        return jnp.where(self._in_bends(output) > 0, above, below)

    def supports(self, x: Float[np.ndarray, "n D"]) -> Bool[np.ndarray, "n D"]:
        return np.asarray((x >= 0) & (x == np.floor(x)))

    def counts(self, u: Float[Array, "... D"]) -> Float[Array, "... D"]:
        """x, whole again after the rounding of u."""
        raw: Array = jnp.round(u * self.units.value + self.center.value)
        return raw

    def gap(
        self, x: Float[Array, "... D"], u: Float[Array, "... D"], output: Float[Array, "... D"]
    ) -> Float[Array, "... D"]:
        """x − rate."""
        rate = self.rate(output)
        is_large = (jnp.maximum(x, rate) > LARGE_COUNT) & (self._in_bends(output) > 0)
        return jnp.where(is_large, self.units.value * (u - output) - self._added(output), x - rate)

    def _in_bends(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        raw: Array = (self.center.value + self.units.value * output) / self.bend.value
        return raw

    def _added(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        """By how much a rate is more than the output: softplus(t) = t + softplus(−t)."""
        added: Array = self.bend.value * jax.nn.softplus(-self._in_bends(output))
        return added


@registry.part
class PoissonCounts(_Counts):
    """Counts with the variance of their mean."""

    def variance(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        scaled: Array = self.rate(output) / self.units.value / self.units.value
        return scaled

    def log_density(
        self,
        u: Float[Array, "... D"],
        output: Float[Array, "... D"],
        error: Float[Array, "... D"] | None = None,
    ) -> Float[Array, "... D"]:
        count = self.counts(u)
        x = jnp.maximum(count, 0.0)
        misfit = deviance(x, self.rate(output), self.gap(x, u, output), self.log_rate(output))
        return jnp.where(count < 0, -jnp.inf, -misfit - stirling(x))

    def sample(self, key: Array, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        drawn: Array = self.mean(output) + poisson_gap(key, self.rate(output)) / self.units.value
        return drawn


@registry.likelihoods
@dataclass(frozen=True)
class Poisson:
    """x_j is a count with mean and variance λ_j(z): λ^x e^−λ/x!.

    λ is the decoder's output, bent where it would be negative. Pass counts before any normalisation.

    Raises
    ------
    ValueError
        In ``fit``, for numbers that are not counts 0, 1, 2, …: which column and row.

    Examples
    --------
    >>> import isthmus, numpy as np
    >>> from isthmus.data.moments import column_statistics
    >>> from isthmus.data.scaling import Scaling
    >>> X = np.array([[0.0], [2.0]])
    >>> known = isthmus.likelihoods.Known(X, Scaling.none(1), column_statistics(X), np.ones(1))
    >>> p = isthmus.likelihoods.Poisson()(known)
    >>> round(float(p.log_density(np.zeros(1), np.full(1, 5.0))[0]), 3)  # log e⁻⁵
    -5.0
    """

    def __call__(self, known: Known) -> PoissonCounts:
        _check_counts(self, known)
        return PoissonCounts(*_count_units(known))


@registry.part
class OverdispersedCounts(_Counts):
    """Counts with variance λ + λ²/θ, θ = exp(log_dispersion) learnt for each feature."""

    log_dispersion: Float[Array, " D"]

    @property
    def dispersion(self) -> Float[Array, " D"]:
        """θ, at most ``MOST_DISPERSION``."""
        return jnp.exp(jnp.minimum(self.log_dispersion, np.log(MOST_DISPERSION)))

    def variance(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        rate, units = self.rate(output), self.units.value
        scaled: Array = rate / units * (1.0 + rate / self.dispersion) / units
        return scaled

    def log_density(
        self,
        u: Float[Array, "... D"],
        output: Float[Array, "... D"],
        error: Float[Array, "... D"] | None = None,
    ) -> Float[Array, "... D"]:
        count = self.counts(u)
        x = jnp.maximum(count, 0.0)
        rate, theta = self.rate(output), self.dispersion
        n, in_all = x + theta, rate + theta
        # Of n, shares λ/(λ + θ) and θ/(λ + θ) are expected where x and θ are.
        ratio, log_ratio = n / in_all, jnp.log(n) - jnp.log(in_all)
        gap, log_theta = self.gap(x, u, output) * (theta / in_all), jnp.log(theta)
        misfit = deviance(x, rate * ratio, gap, self.log_rate(output) + log_ratio)
        misfit = misfit + deviance(theta, theta * ratio, -gap, log_theta + log_ratio)
        constant = stirling(n) - stirling(theta) - stirling(x)
        return jnp.where(count < 0, -jnp.inf, log_theta - jnp.log(n) + constant - misfit)

    def sample(self, key: Array, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        rates_key, counts_key = jax.random.split(key)
        rate = self.rate(output)
        more = rate * gamma_gap(rates_key, jnp.broadcast_to(self.dispersion, rate.shape))
        scatter = poisson_gap(counts_key, jnp.maximum(rate + more, 0.0))
        drawn: Array = self.mean(output) + (more + scatter) / self.units.value
        return drawn


@registry.likelihoods
@dataclass(frozen=True)
class NegativeBinomial:
    """x_j is a count with mean λ_j(z) and variance λ_j + λ_j²/θ_j; θ_j is learnt.

    For counts that scatter more than Poisson's, such as those of RNA. θ starts where it explains the
    variance that PCA leaves.

    Raises
    ------
    ValueError
        In ``fit``, for numbers that are not counts 0, 1, 2, …: which column and row.

    References
    ----------
    Lopez et al. 2018, "Deep generative modeling for single-cell transcriptomics", Nature Methods
    15:1053.

    Examples
    --------
    >>> import isthmus, numpy as np
    >>> from isthmus.data.moments import column_statistics
    >>> from isthmus.data.scaling import Scaling
    >>> X = np.array([[0.0], [2.0]])
    >>> known = isthmus.likelihoods.Known(X, Scaling.none(1), column_statistics(X), np.full(1, 2.0))
    >>> p = isthmus.likelihoods.NegativeBinomial()(known)
    >>> round(float(p.dispersion[0]), 3)  # θ = mean²/(left out − mean) = 1/(2 − 1)
    1.0
    >>> round(float(p.variance(np.full(1, 5.0))[0]), 3)  # 5 + 5²/1
    30.0
    """

    def __call__(self, known: Known) -> OverdispersedCounts:
        _check_counts(self, known)
        mean = known.columns.mean
        left_out = known.left_out * np.square(known.scaling.scale)
        excess = np.maximum(left_out - mean, 1e-2 * mean + 1e-12)
        dispersion = np.maximum(np.square(mean) / excess, 0.1)
        return OverdispersedCounts(*_count_units(known), single(np.log(dispersion)))


BEND = 0.25
"""Width of a rate's bend at zero, in units of the feature's mean or, if that is less, of twice its
standard deviation: a bend that is as wide as the mean would move rates that are far from zero by many
times what their counts scatter."""


def _count_units(known: Known) -> tuple[Constant, Constant, Constant]:
    mean, scale = known.columns.mean, known.scaling.scale
    # Counts scatter by √mean at least.
    spread = np.sqrt(np.maximum(known.columns.variance, mean))
    # A rate is no more exact than a scaled unit in single precision, and a column of zeros needs a bend.
    least = np.maximum(1e-3 * np.clip(np.mean(mean), 1e-6, 1.0), 1e-6 * scale)
    bend = BEND * np.maximum(np.minimum(mean, 2 * spread), least)
    return Constant(single(known.scaling.center)), Constant(single(scale)), Constant(single(bend))


def _check_counts(likelihood: Likelihood, known: Known) -> None:
    for where, block in row_blocks(known.rows):
        present = ~np.isnan(block) if block.dtype.kind == "f" else np.ones(block.shape, bool)
        bad = present & ((block < 0) | (block != np.floor(block)))
        if bad.any():
            row, column = map(int, np.argwhere(bad)[0])
            number = number_among_all(known.rows, where.start + row)
            raise ValueError(
                f"likelihood={likelihood!r} needs counts 0, 1, 2, …, and column {column} in row "
                f"{number} is {block[row, column]:g}: pass counts before any normalisation, "
                "or use likelihood=isthmus.likelihoods.Gaussian()"
            )


def check_likelihood(likelihood: object) -> None:
    """Raise a TypeError for anything that is no likelihood."""
    if isinstance(likelihood, type) or not callable(likelihood):
        raise TypeError(
            f"likelihood={likelihood!r}: expected a likelihood such as isthmus.likelihoods.Gaussian(), "
            "or a function that gives a distribution of your own"
        )
