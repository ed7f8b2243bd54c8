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
from typing import Any, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln, xlogy
from jaxtyping import Array, Float

from isthmus.data.moments import ColumnStatistics
from isthmus.data.rows import row_blocks
from isthmus.data.scaling import Scaling
from isthmus.networks.layers import Constant, single
from isthmus.networks.links import log_soft_clip, log_softplus

LOG_2PI = float(np.log(2 * np.pi))

LEAST_VARIANCE = 1e-6
"""Of learnt errors, in scaled units: a feature that is fitted exactly would have an infinite density."""

LARGEST_ERROR = 1e15
"""Of known errors, in scaled units: more would have no weight either, and an infinite square."""

MOST_DISPERSION = 1e4
"""Beyond it a negative binomial is Poisson to all that single precision can tell."""


@dataclass(frozen=True)
class Known:
    """What is known of the data when training begins: all that a likelihood may start from.

    ``columns`` are statistics in the data's units, ``left_out`` (D,) is the variance in scaled units
    that the start does not explain, and ``rows`` are the data, to be looked at in blocks.
    """

    rows: Any
    scaling: Scaling
    columns: ColumnStatistics
    left_out: Float[np.ndarray, " D"]


class Distribution(Protocol):
    """p(x | z) for the decoder's output at z. Rows u and means are in scaled units, densities in raw.

    ``error`` is a known standard deviation of each entry, in scaled units, or None. Draws of x are
    rounded where the distribution has an attribute ``whole_numbers`` that is true.
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


class GaussianErrors(eqx.Module):
    """x = x̂(z) + σ ε."""

    units: Constant
    log_variance: Float[Array, " ..."] | Constant
    least: float = eqx.field(static=True)

    def mean(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return output

    @property
    def own_variance(self) -> Float[Array, " ..."]:
        """σ² in scaled units, one for all features or one per feature."""
        log_variance = self.log_variance
        if isinstance(log_variance, Constant):
            log_variance = log_variance.value
        return self.least + jnp.exp(log_variance)

    def variance(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return jnp.broadcast_to(self.own_variance, output.shape)

    def log_density(
        self,
        u: Float[Array, "... D"],
        output: Float[Array, "... D"],
        error: Float[Array, "... D"] | None = None,
    ) -> Float[Array, "... D"]:
        variance = self.own_variance
        if error is not None:
            variance = variance + jnp.square(jnp.minimum(error, LARGEST_ERROR))
        gap = jnp.square(u - output) / variance
        return -0.5 * (gap + jnp.log(variance) + LOG_2PI) - jnp.log(self.units.value)

    def sample(self, key: Array, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return output + jnp.sqrt(self.own_variance) * jax.random.normal(key, output.shape)


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
        units = Constant(single(known.scaling.scale))
        if not isinstance(self.scale, str):
            variance = np.square(self.scale / known.scaling.scale)
            return GaussianErrors(units, Constant(single(np.log(variance))), 0.0)
        left_out = known.left_out if self.scale == "feature" else np.mean(known.left_out)
        start = np.log(np.maximum(left_out, LEAST_VARIANCE))
        return GaussianErrors(units, single(start), LEAST_VARIANCE)


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

    def sample(self, key: Array, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return jax.random.bernoulli(key, self.mean(output)).astype(output.dtype)


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
    """What counts share: a positive rate, the output itself but for a bend of width ``bend`` at zero."""

    whole_numbers = True

    center: Constant
    units: Constant
    bend: Constant

    def log_rate(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        bend = self.bend.value
        raw = self.center.value + self.units.value * output
        return log_softplus(raw / bend) + jnp.log(bend)

    def mean(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return self.scaled(jnp.exp(self.log_rate(output)))

    def scaled(self, counts: Float[Array, "... D"]) -> Float[Array, "... D"]:
        scaled: Array = (counts - self.center.value) / self.units.value
        return scaled

    def counts(self, u: Float[Array, "... D"]) -> Float[Array, "... D"]:
        """x, whole again after the rounding of u."""
        raw: Array = jnp.round(u * self.units.value + self.center.value)
        return raw


class PoissonCounts(_Counts):
    """Counts with the variance of their mean."""

    def variance(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return jnp.exp(self.log_rate(output)) / jnp.square(self.units.value)

    def log_density(
        self,
        u: Float[Array, "... D"],
        output: Float[Array, "... D"],
        error: Float[Array, "... D"] | None = None,
    ) -> Float[Array, "... D"]:
        x = self.counts(u)
        density = -_deviance(x, self.log_rate(output)) - _stirling(x)
        return jnp.where(x < 0, -jnp.inf, density)

    def sample(self, key: Array, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        return self.scaled(jax.random.poisson(key, jnp.exp(self.log_rate(output))))


@dataclass(frozen=True)
class Poisson:
    """x_j is a count with mean and variance λ_j(z)."""

    def __call__(self, known: Known) -> PoissonCounts:
        _check_counts(self, known)
        return PoissonCounts(*_count_units(known))


class OverdispersedCounts(_Counts):
    """Counts with variance λ + λ²/θ, θ = exp(log_dispersion) learnt for each feature."""

    log_dispersion: Float[Array, " D"]

    @property
    def dispersion(self) -> Float[Array, " D"]:
        """θ, at most ``MOST_DISPERSION``."""
        return jnp.exp(jnp.minimum(self.log_dispersion, np.log(MOST_DISPERSION)))

    def variance(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        rate = jnp.exp(self.log_rate(output))
        return (rate + jnp.square(rate) / self.dispersion) / jnp.square(self.units.value)

    def log_density(
        self,
        u: Float[Array, "... D"],
        output: Float[Array, "... D"],
        error: Float[Array, "... D"] | None = None,
    ) -> Float[Array, "... D"]:
        x, log_rate, theta = self.counts(u), self.log_rate(output), self.dispersion
        n, log_theta = x + theta, jnp.log(theta)
        # Of n, shares λ/(θ + λ) and θ/(θ + λ) are expected where x and θ are.
        log_ratio = jnp.log(n) - jnp.log(theta + jnp.exp(log_rate))
        deviance = _deviance(x, log_rate + log_ratio) + _deviance(theta, log_theta + log_ratio)
        constant = _stirling(n) - _stirling(theta) - _stirling(x)
        return jnp.where(x < 0, -jnp.inf, log_theta - jnp.log(n) + constant - deviance)

    def sample(self, key: Array, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        rates_key, counts_key = jax.random.split(key)
        theta = self.dispersion
        rate = jnp.exp(self.log_rate(output))
        drawn = rate * jax.random.gamma(rates_key, jnp.broadcast_to(theta, rate.shape)) / theta
        return self.scaled(jax.random.poisson(counts_key, drawn))


def _deviance(a: Float[Array, "... D"], log_b: Float[Array, "... D"]) -> Float[Array, "... D"]:
    """a log(a/b) + b − a: how far a ≥ 0 is from b."""
    safe = jnp.where(a > 0, a, 1.0)
    log_ratio = log_b - jnp.log(safe)
    return jnp.where(a > 0, safe * (jnp.expm1(log_ratio) - log_ratio), jnp.exp(log_b))


def _stirling(a: Float[Array, "... D"]) -> Float[Array, "... D"]:
    """log a! − a log a + a.

    With ``_deviance`` it gives the densities of counts without differences of large numbers, which
    would cost single precision a nat where counts are millions (Loader 2000, "Fast and accurate
    computation of binomial probabilities").
    """
    small, large = jnp.minimum(a, 8.0), jnp.maximum(a, 8.0)
    square = jnp.square(large)
    series = 0.5 * (jnp.log(large) + LOG_2PI) + (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / large
    return jnp.where(a < 8.0, gammaln(small + 1.0) - xlogy(small, small) + small, series)


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
        dispersion = np.clip(np.square(mean) / excess, 0.1, 0.1 * MOST_DISPERSION)
        return OverdispersedCounts(*_count_units(known), single(np.log(dispersion)))


BEND = 0.25
"""Width of a rate's bend at zero, in units of the feature's mean."""


def _count_units(known: Known) -> tuple[Constant, Constant, Constant]:
    mean = known.columns.mean
    bend = BEND * np.maximum(mean, 1e-3 * max(float(np.mean(mean)), 1e-6))
    scaling = known.scaling
    return Constant(single(scaling.center)), Constant(single(scaling.scale)), Constant(single(bend))


def _check_counts(likelihood: Any, known: Known) -> None:
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


def check_likelihood(likelihood: Any) -> None:
    """Raise a TypeError for anything that is no likelihood."""
    if isinstance(likelihood, type) or not callable(likelihood):
        raise TypeError(
            f"likelihood={likelihood!r}: expected a likelihood such as isthmus.likelihoods.Gaussian(), "
            "or a function that gives a distribution of your own"
        )
