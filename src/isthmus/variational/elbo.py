"""The evidence lower bound of a variational auto-encoder: its network, its start, its objective.

log p(x) ≥ E_q[log p(x | z)] − KL(q(z | x) ‖ p(z)), q(z | x) = N(μ(x), σ²(x)), z = μ + σ ε (Kingma &
Welling 2014, arXiv:1312.6114; lecture notes, "Variational auto-encoders"). In nats per row, summed over
features. Entries that are NaN are left out of log p(x | z) (Nazábal et al. 2020, arXiv:1807.03653).

Training begins at probabilistic PCA, where the bound of linear maps has its maximum.
"""

from __future__ import annotations

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus import registry
from isthmus.networks.layers import Affine, Constant, FeedForward, single, zeros
from isthmus.networks.pairs import Architecture, PathAndCorrection
from isthmus.variational.distributions import Distribution
from isthmus.variational.divergence import Prior, kl
from isthmus.variational.ppca import GaussianFill, ProbabilisticPCA

MOST_LOG_VAR = 30.0
"""Bound of log σ² either way, so that a row far from all data has a finite σ."""

EVALUATION_DRAWS = 4
"""Draws per row with which an epoch is evaluated on the held-out rows."""


@registry.part
class GaussianEncoder(eqx.Module):
    """u → μ(u) = path(u) + correction(u)₁ and log σ²(u) = log_var + correction(u)₂.

    Missing entries of u, NaN, are filled first, and uncertain ones corrected, where their errors are
    given; a correction with 2 D inputs also sees which are missing. Without a ``fill`` rows must be
    complete.
    """

    path: Affine | None
    correction: FeedForward | None
    log_var: Float[Array, " d"]
    fill: Constant | None

    def knows_what_is_missing(self, n_features: int) -> bool:
        """The correction has an input more per entry, 1 where it is missing."""
        correction = self.correction
        return correction is not None and correction.layers[0].weight.shape[1] == 2 * n_features

    def __call__(
        self, u: Float[Array, "... D"], error: Float[Array, "... D"] | None = None
    ) -> tuple[Float[Array, "... d"], Float[Array, "... d"]]:
        if self.fill is None:
            filled, growth = u, jnp.zeros((*u.shape[:-1], len(self.log_var)), u.dtype)
        else:
            filled, growth = self.fill.value(u, error)
        mean, log_var = jnp.zeros_like(growth), self.log_var + growth
        if self.correction is not None:
            inputs = filled
            if self.knows_what_is_missing(u.shape[-1]):
                inputs = jnp.concatenate([filled, jnp.isnan(u).astype(u.dtype)], axis=-1)
            mean, more_log_var = jnp.split(self.correction(inputs), 2, axis=-1)
            log_var = log_var + more_log_var
        if self.path is not None:
            mean = mean + self.path(filled)
        return mean, jnp.clip(log_var, -MOST_LOG_VAR, MOST_LOG_VAR)


@registry.part
class VariationalPair(eqx.Module):
    """Encoder, decoder, prior and likelihood, on scaled data. ``encode`` gives the posterior mean."""

    encoder: GaussianEncoder
    decoder: PathAndCorrection
    prior: Prior
    likelihood: Distribution

    def encode(self, u: Float[Array, "... D"]) -> Float[Array, "... d"]:
        return self.encoder(u)[0]

    def posterior(
        self, u: Float[Array, "... D"], error: Float[Array, "... D"] | None = None
    ) -> tuple[Float[Array, "... d"], Float[Array, "... d"]]:
        """μ and log σ² of z given u."""
        return self.encoder(u, error)

    def decode(self, z: Float[Array, "... d"]) -> Float[Array, "... D"]:
        """The mean of u given z."""
        return self.likelihood.mean(self.decoder(z))


def start_pair(
    architecture: Architecture,
    rng: np.random.Generator,
    ppca: ProbabilisticPCA,
    fill: GaussianFill,
    prior: Prior,
    likelihood: Distribution,
    *,
    at_pca: bool,
    has_missing: bool,
) -> VariationalPair:
    """A pair whose corrections start at zero, at probabilistic PCA; or one with random weights."""
    D, d = architecture.n_features, architecture.n_components
    n_inputs = 2 * D if has_missing else D
    encoder = architecture.encoder_chain(
        rng, (n_inputs, *architecture.widths, 2 * d), last_is_zero=at_pca
    )
    decoder = architecture.decoder_chain(rng, (d, *architecture.decoder_widths, D), last_is_zero=at_pca)
    if not at_pca:
        return VariationalPair(
            GaussianEncoder(None, encoder, zeros(d), Constant(fill)),
            PathAndCorrection(None, decoder, None),
            prior,
            likelihood,
        )
    pair = ppca_pair(ppca, fill, prior, likelihood)
    return replace(
        pair,
        encoder=replace(pair.encoder, correction=encoder),
        decoder=replace(pair.decoder, correction=decoder),
    )


def ppca_pair(
    ppca: ProbabilisticPCA, fill: GaussianFill, prior: Prior, likelihood: Distribution
) -> VariationalPair:
    """Probabilistic PCA as a pair without corrections."""
    projection, loadings = single(ppca.projection), single(ppca.loadings)
    encoder = GaussianEncoder(
        Affine(projection, single(ppca.projection @ ppca.mean)),
        None,
        single(np.log(ppca.posterior_variances)),
        Constant(fill),
    )
    decoder = PathAndCorrection(Affine(loadings, single(-ppca.mean)), None, None)
    return VariationalPair(encoder, decoder, prior, likelihood)


def with_fill(pair: VariationalPair, fill: Constant | None) -> VariationalPair:
    """The pair with another filling of missing entries, or with none."""
    return replace(pair, encoder=replace(pair.encoder, fill=fill))


class BoundTerms(eqx.Module):
    """The two parts of the bound in nats: reconstruction (…,) and KL per coordinate (…, d)."""

    log_likelihood: Float[Array, " ..."]
    kl: Float[Array, "... d"]


def bound_terms(
    pair: VariationalPair,
    u: Float[Array, "n D"],
    noise: Float[Array, "s n d"],
    error: Float[Array, "n D"] | None = None,
    seen: Float[Array, "n D"] | None = None,
) -> BoundTerms:
    """Both terms of each row, averaged over the draws z = μ + σ · noise; the encoder sees ``seen``."""
    mean, log_var = pair.posterior(u if seen is None else seen, error)
    z = mean + jnp.exp(0.5 * log_var) * noise
    log_likelihood = row_log_likelihood(pair, u, z, error)
    return BoundTerms(
        jnp.mean(log_likelihood, axis=0),
        jnp.mean(jnp.broadcast_to(kl(pair.prior, mean, log_var, z), z.shape), axis=0),
    )


def row_log_likelihood(
    pair: VariationalPair,
    u: Float[Array, "n D"],
    z: Float[Array, "s n d"],
    error: Float[Array, "n D"] | None = None,
) -> Float[Array, "s n"]:
    """log p(x | z) of each row, entries that are missing left out."""
    missing = jnp.isnan(u)
    if error is not None:
        error = jnp.where(missing, 1.0, error)
    density = pair.likelihood.log_density(jnp.where(missing, 0.0, u), pair.decoder(z), error)
    summed: Array = jnp.sum(jnp.where(missing, 0.0, density), axis=-1)
    return summed


class NegativeELBO(eqx.Module):
    """−E_q[log p(x | z)] + β KL, in nats per row.

    β climbs from 0 in the first ``warm_up`` of all steps (Sønderby et al. 2016, arXiv:1602.02282). A
    coordinate whose KL, averaged over the batch, is below ``free_bits`` costs that and no more (Kingma
    et al. 2016, arXiv:1606.04934), so that nothing is won by giving it up. An even number of ``draws``
    are pairs ±ε. ``errors``: rows carry the known error of each entry on their right.

    In training the encoder sees rows with a little white noise and, where entries are missing anyway,
    some more left out: it stays an encoder of an honest bound, and learns fewer rows by heart (Im et al.
    2017, "Denoising criterion for variational auto-encoding framework").
    """

    beta: Float[Array, ""]
    warm_up: Float[Array, ""]
    free_bits: Float[Array, ""]
    input_noise: Float[Array, ""] | None = None
    left_out: Float[Array, ""] | None = None
    draws: int = eqx.field(static=True, default=1)
    errors: bool = eqx.field(static=True, default=False)

    @classmethod
    def of(
        cls,
        beta: float,
        warm_up: float = 0.0,
        free_bits: float = 0.0,
        *,
        input_noise: float = 0.0,
        left_out: float = 0.0,
        draws: int = 1,
        errors: bool = False,
    ) -> NegativeELBO:
        return cls(
            single(np.asarray(beta)),
            single(np.asarray(warm_up)),
            single(np.asarray(free_bits)),
            single(np.asarray(input_noise)) if input_noise else None,
            single(np.asarray(left_out)) if left_out else None,
            draws,
            errors,
        )

    def at(self, progress: Float[Array, ""]) -> NegativeELBO:
        """The objective at this share of all steps."""
        share = jnp.minimum(1.0, progress / jnp.maximum(self.warm_up, 1e-9))
        return replace(self, beta=self.beta * share)

    def steady(self) -> NegativeELBO:
        """The objective as it is after the warm-up."""
        return replace(self, warm_up=zeros(()))

    def __call__(
        self, network: VariationalPair, batch: Float[Array, "n width"], key: Array
    ) -> Float[Array, " n"]:
        u, error = rows_and_errors(batch, batch.shape[1] // 2 if self.errors else batch.shape[1])
        d = network.encoder.log_var.shape[0]
        noise = draw_noise(key, self.draws, len(u), d)
        terms = bound_terms(network, u, noise, error, self._seen(u, key))
        # The floor is the batch's: a row may be below it where others are above.
        carries = jnp.mean(terms.kl, axis=0) > self.free_bits
        divergence = jnp.sum(jnp.where(carries, terms.kl, self.free_bits), axis=-1)
        return self.beta * divergence - terms.log_likelihood

    def _seen(self, u: Float[Array, "n D"], key: Array) -> Float[Array, "n D"]:
        noise_key, leaving_key = jax.random.split(jax.random.fold_in(key, 1))
        if self.input_noise is not None:
            u = u + self.input_noise * jax.random.normal(noise_key, u.shape, u.dtype)
        if self.left_out is not None:
            u = jnp.where(jax.random.uniform(leaving_key, u.shape) < self.left_out, jnp.nan, u)
        return u


def rows_and_errors(
    block: Float[Array, "n width"], n_features: int
) -> tuple[Float[Array, "n D"], Float[Array, "n D"] | None]:
    """Rows, and the known errors of their entries that stand on their right, if any do."""
    if block.shape[1] == n_features:
        return block, None
    return block[:, :n_features], block[:, n_features:]


def draw_noise(key: Array, draws: int, n: int, d: int) -> Float[Array, "s n d"]:
    """Standard normal draws, in pairs ±ε if there is an even number of them."""
    if draws % 2:
        return jax.random.normal(key, (draws, n, d), jnp.float32)
    half = jax.random.normal(key, (draws // 2, n, d), jnp.float32)
    return jnp.concatenate([half, -half])
