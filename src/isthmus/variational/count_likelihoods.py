"""Likelihoods of counts: Poisson's, and the negative binomial for counts that scatter more.

The decoder's output is the rate itself, bent at zero. ``counts.py`` has the terms of the densities, and
the draws, in single precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from isthmus import registry
from isthmus.data.rows import number_among_all, row_blocks
from isthmus.networks.layers import Constant, single
from isthmus.networks.links import log_softplus
from isthmus.variational.counts import deviance, gamma_gap, poisson_gap, stirling
from isthmus.variational.distributions import Known, Likelihood

__all__ = [
    "NegativeBinomial",
    "Poisson",
]

MOST_DISPERSION = 1e30
"""A negative binomial is Poisson long before, and single precision ends soon after."""

ROUNDING = 5 * 2.0**-24
"""Of its column's center, what is left of a count of 0 in single precision: five numbers are rounded."""

LARGE_COUNT = 2.0**18
"""Beyond it a rounded count is no more exact than the difference in scaled units."""


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
        center = self.center.value
        raw = jnp.round(u * self.units.value + center)
        # Next to a large center a count of 0 would be one below 0, which cannot occur.
        return jnp.where(jnp.abs(raw) <= ROUNDING * jnp.abs(center), 0.0, raw)

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
