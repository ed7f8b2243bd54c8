"""Probabilistic PCA: x = W z + m + σ ε, the linear variational auto-encoder, solved.

For linear maps the evidence lower bound has its maximum here, in closed form for every β (Tipping &
Bishop 1999, "Probabilistic principal component analysis"; Lucas et al. 2019, arXiv:1911.02469). Rows
with missing entries are filled with their mean given the others, and the axes found anew until they
stay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus import registry
from isthmus.data.moments import PrincipalAxes, principal_axes
from isthmus.data.rows import FLOAT32, Index, Rows, View, dense, row_blocks
from isthmus.data.scaling import Scaling
from isthmus.networks.layers import single

LARGEST_ERROR = 1e15
"""Of known errors, in scaled units: more would have no weight either, and an infinite square."""

LEAST_START_VARIANCE = 1e-4
"""Of the errors at the start, in scaled units: with less, the first steps would be enormous."""


@dataclass(frozen=True)
class ProbabilisticPCA:
    """x = W z + m + σ ε, z ~ N(0, 1): where training begins, and its posterior.

    loadings W = U (Λ − βσ²)₊^½ (D, d), and the posterior of z given x is
    N(Λ⁻¹ (Λ − βσ²)₊^½ Uᵀ (x − m), βσ²/Λ), which for β = 1 is the exact one. Axes with λ ≤ βσ² carry
    nothing: their loadings are 0, and their posterior is the prior.
    """

    mean: Float[np.ndarray, " D"]
    loadings: Float[np.ndarray, "D d"]
    projection: Float[np.ndarray, "d D"]
    posterior_variances: Float[np.ndarray, " d"]
    noise_variance: float

    @classmethod
    def of(
        cls, axes: PrincipalAxes, beta: float, noise_variance: float | None = None
    ) -> ProbabilisticPCA:
        """The maximum of the bound for these axes, in ``noise_variance`` too unless it is given."""
        D, variances = len(axes.mean), axes.variances
        if noise_variance is None:
            noise_variance = best_noise_variance(variances, axes.total_variance, D, beta)
        threshold = beta * noise_variance
        carried = np.sqrt(np.maximum(variances - threshold, 0.0))
        at_least = np.maximum(variances, threshold)
        return cls(
            axes.mean,
            axes.components.T * carried,
            axes.components * (carried / at_least)[:, None],
            threshold / at_least,
            noise_variance,
        )

    def left_out(self, columns: Float[np.ndarray, " D"]) -> Float[np.ndarray, " D"]:
        """Variance of each feature that the loadings leave, given the variances ``columns``."""
        explained = np.sum(np.square(self.loadings), axis=1)
        # Sampling may leave less than nothing.
        least = np.maximum(0.1 * np.minimum(self.noise_variance, columns), LEAST_START_VARIANCE)
        left_out: np.ndarray = np.maximum(columns - explained, least)
        return left_out


def best_noise_variance(
    variances: Float[np.ndarray, " d"], total: float, n_features: int, beta: float
) -> float:
    """σ² at the maximum of the bound: the mean left-out eigenvalue for β = 1.

    With k coordinates in use, σ² = Σ_{i>k} λᵢ/(D − βk), where k is the largest number of them that all
    have λ > βσ².
    """
    for k in range(len(variances), -1, -1):
        left_out = total - float(np.sum(variances[:k]))
        n_left = n_features - beta * k
        if n_left <= 0:
            continue
        found = max(left_out / n_left, LEAST_START_VARIANCE)
        if k == 0 or variances[k - 1] > beta * found:
            return found
    raise AssertionError("k = 0 always fits")


@registry.part
class GaussianFill(eqx.Module):
    """What probabilistic PCA makes of a row with entries that are missing, or known with an error.

    Entries that are missing get their mean given the others; one with the error e counts by σ²/(σ² + e²)
    and moves as far towards that mean. The second result is by how much log σ² of each coordinate
    grows, since less is known. Rows that are complete come back as they are. ``is_nearly_exact`` says
    that σ² is too small for sums of squares in single precision.
    """

    mean: Float[Array, " D"]
    loadings: Float[Array, "D d"]
    noise_variance: Float[Array, ""]
    is_nearly_exact: bool = eqx.field(static=True, default=False)

    def __call__(
        self, u: Float[Array, "... D"], error: Float[Array, "... D"] | None = None
    ) -> tuple[Float[Array, "... D"], Float[Array, "... d"]]:
        if error is not None:
            return self._fill(u, error)
        d = self.loadings.shape[1]

        def complete(u: Array) -> tuple[Array, Array]:
            return u, jnp.zeros((*u.shape[:-1], d), u.dtype)

        filled: tuple[Array, Array] = jax.lax.cond(
            jnp.any(jnp.isnan(u)), lambda u: self._fill(u, None), complete, u
        )
        return filled

    def _fill(
        self, u: Float[Array, "... D"], error: Float[Array, "... D"] | None
    ) -> tuple[Float[Array, "... D"], Float[Array, "... d"]]:
        missing = jnp.isnan(u)
        gap = jnp.where(missing, 0.0, u - self.mean)
        seen = jnp.where(missing, 0.0, self.trust(error)).astype(u.dtype)
        solve = self._by_square_roots if self.is_nearly_exact else self._by_products
        z, variances = solve(seen, gap)
        _, of_whole = solve(jnp.ones_like(gap[(0,) * (gap.ndim - 1)]), self.mean)
        on_plane = z @ self.loadings.T
        return self.mean + on_plane + seen * (gap - on_plane), jnp.log(variances / of_whole)

    def _by_products(
        self, seen: Float[Array, "... D"], gap: Float[Array, "... D"]
    ) -> tuple[Float[Array, "... d"], Float[Array, "... d"]]:
        """The posterior mean of z, and its variances in units of σ²."""
        # σ² × the posterior precision of z, given what was seen: σ² + Wᵀ diag(seen) W.
        products = self.loadings[:, :, None] * self.loadings[:, None, :]  # (D, d, d)
        eye = self.noise_variance * jnp.eye(self.loadings.shape[1], dtype=gap.dtype)
        precision = jnp.einsum("...j,jkl->...kl", seen, products) + eye
        covariance = inverse(precision)  # (..., d, d)
        z = jnp.einsum("...kl,...l->...k", covariance, (seen * gap) @ self.loadings)
        return z, jnp.diagonal(covariance, axis1=-2, axis2=-1)

    def _by_square_roots(
        self, seen: Float[Array, "... D"], gap: Float[Array, "... D"]
    ) -> tuple[Float[Array, "... d"], Float[Array, "... d"]]:
        """The same by least squares, min |diag(seen)^½ (gap − W z)|² + σ² |z|².

        In the products σ² would be lost beside Wᵀ W where it is the only thing that holds a coordinate;
        σ itself is not lost beside W.
        """
        D, d = self.loadings.shape
        weights = jnp.sqrt(seen)
        prior = jnp.sqrt(self.noise_variance) * jnp.eye(d, dtype=gap.dtype)
        prior = jnp.broadcast_to(prior, (*gap.shape[:-1], d, d))
        system = jnp.concatenate([weights[..., None] * self.loadings, prior], axis=-2)
        q, r = jnp.linalg.qr(system)
        inner = jnp.einsum("...jk,...j->...k", q[..., :D, :], weights * gap)
        roots = jnp.linalg.inv(r)
        return jnp.einsum("...kl,...l->...k", roots, inner), jnp.sum(jnp.square(roots), axis=-1)

    def trust(self, error: Float[Array, "... D"] | None) -> Float[Array, " ..."]:
        """What an entry with this error counts, of one without: σ²/(σ² + e²)."""
        if error is None:
            return jnp.ones_like(self.noise_variance)
        return self.noise_variance / (self.noise_variance + jnp.square(error))

    @classmethod
    def of(cls, ppca: ProbabilisticPCA) -> GaussianFill:
        nearly_exact = ppca.noise_variance < LEAST_START_VARIANCE
        noise_variance = single(np.asarray(ppca.noise_variance))
        return cls(single(ppca.mean), single(ppca.loadings), noise_variance, nearly_exact)


def inverse(matrices: Float[Array, "... d d"]) -> Float[Array, "... d d"]:
    """Of positive definite matrices, by the sweep operator (Beaton 1964).

    d steps for all matrices at once, where LAPACK would take them one by one.
    """

    def sweep(k: Array, swept: Float[Array, "... d d"]) -> Float[Array, "... d d"]:
        column, row = swept[..., :, k], swept[..., k, :]
        pivot = row[..., k]
        rest = swept - column[..., :, None] * (row / pivot[..., None])[..., None, :]
        rest = rest.at[..., :, k].set(column / pivot[..., None])
        rest = rest.at[..., k, :].set(row / pivot[..., None])
        return rest.at[..., k, k].set(-1.0 / pivot)

    swept: Array = jax.lax.fori_loop(0, matrices.shape[-1], sweep, matrices)
    return -swept


FILL_ROWS = 1024
"""Rows that are filled at a time: each needs a matrix (d, d)."""

MOST_ROUNDS = 30
LEAST_CHANGE = 1e-3
"""Rounds end when no axis' variance changes by more than this share."""


@eqx.filter_jit
def _fill(
    fill: GaussianFill, u: Float[Array, "n D"], error: Float[Array, "n D"] | None
) -> Float[Array, "n D"]:
    return fill(u, error)[0]


def scaled_errors(errors: Float[np.ndarray, "n D"], scaling: Scaling) -> Float[np.ndarray, "n D"]:
    """Known errors of entries as networks take them: in scaled units, in single precision."""
    return np.asarray(np.minimum(errors / scaling.scale, LARGEST_ERROR), np.float32)


def without_useless(rows: Rows, errors: Float[np.ndarray, "n D"]) -> Float[np.ndarray, "n D"]:
    """The rows, with NaN for entries that are uncertain by more than the feature's interquartile range.

    They say nothing of the feature, and a single one could spoil its mean and scale. Where most of its
    values are one and the same, the standard deviation takes the range's place. A feature of which there
    are no other values keeps them.
    """
    values = dense(rows[slice(None)]).astype(np.float64)
    low, high = np.nanpercentile(values, [25, 75], axis=0)
    spread = np.where(high > low, high - low, np.nanstd(values, axis=0))
    useless = errors > np.where(spread > 0, spread, np.inf)
    has_others = ~(useless | np.isnan(values)).all(axis=0)
    values[useless & has_others] = np.nan
    return values


def axes_of_incomplete(
    rows: View,
    n_components: int,
    column_means: Float[np.ndarray, " D"],
    errors: Float[np.ndarray, "n D"] | None = None,
) -> PrincipalAxes:
    """Principal axes of scaled rows with missing or uncertain entries: filled, found, until they stay.

    Filled entries lie on the principal plane, so the variance that it leaves out is that of the others.
    It is raised as a whole, where exact expectation and maximisation would add a covariance for each
    row; training goes on from here.
    """
    D = rows.shape[1]
    none = np.zeros((D, n_components))
    fill = GaussianFill(single(column_means), single(none), single(np.ones(())))
    before: Float[np.ndarray, " d"] | float = np.inf
    for _ in range(MOST_ROUNDS):
        filled = FilledRows(rows, fill, errors)
        axes = principal_axes(filled, n_components)
        left_out = axes.total_variance - float(np.sum(axes.variances))
        total = float(np.sum(axes.variances)) + left_out / max(1e-6, 1.0 - filled.unknown_share())
        axes = replace(axes, total_variance=total)
        fill = GaussianFill.of(ProbabilisticPCA.of(axes, 1.0))
        if np.all(np.abs(axes.variances - before) <= LEAST_CHANGE * axes.variances):
            break
        before = axes.variances
    return axes


@dataclass(frozen=True)
class FilledRows:
    """Scaled rows whose missing or uncertain entries are filled when they are indexed."""

    rows: View
    fill: GaussianFill
    errors: Float[np.ndarray, "n D"] | None = None
    dtype = FLOAT32

    @property
    def shape(self) -> tuple[int, int]:
        n, D = self.rows.shape
        return n, D

    def __getitem__(self, index: Index, /) -> Float[np.ndarray, "n D"]:
        block = np.array(self.rows[index])
        errors = None if self.errors is None else self.errors[index]
        incomplete = np.isnan(block).any(axis=1)
        if errors is not None:
            incomplete |= (errors > 0).any(axis=1)
        chosen = np.flatnonzero(incomplete)
        for start in range(0, len(chosen), FILL_ROWS):
            part = chosen[start : start + FILL_ROWS]
            padded = np.resize(part, FILL_ROWS)
            known = None if errors is None else single(np.minimum(errors[padded], LARGEST_ERROR))
            filled = _fill(self.fill, single(block[padded]), known)
            block[part] = np.asarray(filled)[: len(part)]
        return np.asarray(block)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    def unknown_share(self) -> float:
        """Of all entries, those that are missing, and of uncertain ones what they are not trusted."""
        unknown = 0.0
        for where, block in row_blocks(self.rows):
            error = None
            if self.errors is not None:
                error = single(np.minimum(self.errors[where], LARGEST_ERROR))
            trust = np.where(np.isnan(block), 0.0, np.asarray(self.fill.trust(error)))
            unknown += trust.size - float(trust.sum())
        return unknown / float(np.prod(self.shape))
