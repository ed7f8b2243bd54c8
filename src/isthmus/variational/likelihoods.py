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
from isthmus.data.rows import Rows, row_blocks
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

    ``columns`` are statistics in the data's units, ``left_out`` (D,) is the variance in scaled units
    that the start does not explain, and ``rows`` are the data, to be looked at in blocks.
    """

    rows: Rows
    scaling: Scaling
    columns: ColumnStatistics
    left_out: Float[np.ndarray, " D"]


class Distribution(Protocol):
    """p(x | z) for the decoder's output at z. Rows u and means are in scaled units, densities in raw.

    ``error`` is a known standard deviation of each entry, in scaled units, or None. Draws of x are
    rounded where the distribution has an attribute ``whole_numbers`` that is true. It may have a method
    ``supports(x)``: whether each of the numbers x, float64 in the data's units, can occur.
    """

    def mean(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        """E[u | z]."""

    def variance(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        """Var[u | z]."""

    def log_density(
        self,
        u: Float[Array, "... D"],
        output: Float[Array, "... D"],
        error: Float[Array, "... D"] | None = None,
    ) -> Float[Array, "... D"]:
        """log p(x_j | z), per unit of x_j."""

    def sample(self, key: Array, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        """A draw of u."""


class Likelihood(Protocol):
    """What a likelihood of your own is: any function that gives a distribution."""

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

    ``scale="shared"``, the default, learns one σ in scaled units: one in the data's unit, unless
    ``scaling`` says otherwise. That is probabilistic PCA's, with which training begins. ``"feature"``
    learns one per feature, as factor analysis does. A number is a fixed σ in the data's units.
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
        """The mean of σ² in scaled units, if it is fixed."""
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

    Numbers between 0 and 1 are taken as shares of ones, as is usual for grey levels: then
    x log p + (1 − x) log(1 − p) compares with the literature, but is no density.
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
    """x_j is a count with mean and variance λ_j(z)."""

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

    For counts that scatter more than Poisson's, such as those of RNA (Lopez et al. 2018, "Deep
    generative modeling for single-cell transcriptomics"). θ starts where it explains the variance that
    PCA leaves.
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
            raise ValueError(
                f"likelihood={likelihood!r} needs counts 0, 1, 2, …, and column {column} in row "
                f"{where.start + row} is {block[row, column]:g}: pass counts before any normalisation, "
                "or use likelihood=isthmus.likelihoods.Gaussian()"
            )


def check_likelihood(likelihood: object) -> None:
    """Raise a TypeError for anything that is no likelihood."""
    if isinstance(likelihood, type) or not callable(likelihood):
        raise TypeError(
            f"likelihood={likelihood!r}: expected a likelihood such as isthmus.likelihoods.Gaussian(), "
            "or a function that gives a distribution of your own"
        )
