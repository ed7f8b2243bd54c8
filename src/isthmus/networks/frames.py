"""Canonical coordinates: the linear freedom of a bottleneck, fixed.

Any invertible matrix between encoder and decoder leaves x̂ unchanged. The canonical choice makes the
average pull-back metric of the decoder the identity, E[JᵀJ] = 1, so that a unit step in z moves x̂ by
a unit on average; it makes coordinates uncorrelated, in the order of their variance; and it makes the
largest average loading of each, E[∂x̂/∂z_k], positive. For a linear map this is PCA: J's columns
are the components, z the scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus import registry
from isthmus.data.rows import View, evenly_spaced
from isthmus.data.sources import in_common_size
from isthmus.networks.layers import single
from isthmus.networks.pairs import PCAPath

FRAME_ROWS = 1000
"""Rows that the averages are taken over: the frame is a convention, not an estimate."""


@registry.part
class Frame(eqx.Module):
    """The canonical linear coordinates z = A (inner − origin) of a bottleneck, and their inverse."""

    matrix: Float[Array, "d d"]
    inverse: Float[Array, "d d"]
    origin: Float[Array, " d"]

    def enter(self, inner: Float[Array, "... d"]) -> Float[Array, "... d"]:
        return (inner - self.origin) @ self.matrix.T

    def leave(self, z: Float[Array, "... d"]) -> Float[Array, "... d"]:
        return z @ self.inverse.T + self.origin


class Pair(Protocol):
    """An encoder and a decoder of scaled rows."""

    def encode(self, u: Float[Array, "... D"]) -> Float[Array, "... d"]: ...

    def decode(self, z: Float[Array, "... d"]) -> Float[Array, "... D"]: ...


@dataclass(frozen=True)
class FrameAverages:
    """What a frame depends on, averaged over rows, in float64; averages of several rows can be merged.

    ``mean`` (d,) and ``covariance`` (d, d) of the inner coordinates, ``metric`` E[JᵀJ] (d, d) and
    ``loadings`` E[J] (D, d) of the decoder's Jacobian J.
    """

    n_rows: int
    mean: Float[np.ndarray, " d"]
    covariance: Float[np.ndarray, "d d"]
    metric: Float[np.ndarray, "d d"]
    loadings: Float[np.ndarray, "D d"]

    @classmethod
    def of(cls, pair: Pair, rows: View) -> FrameAverages:
        """Averages over scaled rows, of which up to 1 000, evenly spaced, are taken."""
        n = rows.shape[0]
        some = np.asarray(evenly_spaced(rows, FRAME_ROWS))
        filled = in_common_size(some)
        shares = np.where(np.arange(len(filled)) < len(some), 1 / len(some), 0.0)
        averages = _averages(pair, single(filled), single(shares))
        return cls(n, *(np.asarray(part, np.float64) for part in averages))

    def merge(self, other: FrameAverages) -> FrameAverages:
        """The averages over the rows of both."""
        n = self.n_rows + other.n_rows
        mine, theirs = self.n_rows / n, other.n_rows / n
        gap = other.mean - self.mean
        covariance = mine * self.covariance + theirs * other.covariance
        return FrameAverages(
            n,
            self.mean + theirs * gap,
            covariance + mine * theirs * np.outer(gap, gap),
            mine * self.metric + theirs * other.metric,
            mine * self.loadings + theirs * other.loadings,
        )


def canonical_frame(averages: FrameAverages, unit: float) -> Frame:
    """The canonical frame; ``unit`` is the length of a scaled unit in coordinates."""
    mean, d = averages.mean, len(averages.mean)
    metric = averages.metric + 1e-6 * max(np.trace(averages.metric) / d, 1e-30) * np.eye(d)
    # y = Lᵀ(inner − mean) has the identity as its metric; a rotation then diagonalises its covariance.
    factor = np.linalg.cholesky(metric)
    _, rotation = np.linalg.eigh(factor.T @ averages.covariance @ factor)
    matrix = rotation[:, ::-1].T @ factor.T
    inverse = np.linalg.inv(matrix)
    loadings = averages.loadings @ inverse  # (D, d)
    signs = _signs_of_largest(loadings)
    return _frame(matrix * signs[:, None] * unit, inverse * signs / unit, mean)


def permuting_frame(averages: FrameAverages) -> Frame:
    """Order and signs of coordinates that have a prior each, so that nothing else is free.

    They come in the order of their variance, with the largest average loading positive.
    """
    order = np.argsort(-np.diag(averages.covariance), kind="stable")
    d = len(order)
    matrix = np.eye(d)[order] * _signs_of_largest(averages.loadings)
    return _frame(matrix, matrix.T, np.zeros(d))


def _signs_of_largest(loadings: Float[np.ndarray, "D d"]) -> Float[np.ndarray, " d"]:
    """−1 where the entry of largest absolute value in a column is negative."""
    largest = np.argmax(np.abs(loadings), axis=0)
    return np.where(loadings[largest, np.arange(loadings.shape[1])] < 0, -1.0, 1.0)


def pca_frame(path: PCAPath, unit: float, tied: bool) -> Frame:
    """The frame of a pair that still is its PCA path: coordinates are the scores."""
    scales = path.unwhitened().scales if tied else path.scales
    return _frame(np.diag(scales * unit), np.diag(1 / (scales * unit)), np.zeros(len(scales)))


def _frame(matrix: np.ndarray, inverse: np.ndarray, origin: np.ndarray) -> Frame:
    return Frame(single(matrix), single(inverse), single(origin))


@eqx.filter_jit
def _averages(
    pair: Pair, rows: Float[Array, "n D"], shares: Float[Array, " n"]
) -> tuple[Float[Array, " d"], Float[Array, "d d"], Float[Array, "d d"], Float[Array, "D d"]]:
    """Mean and covariance of the inner coordinates, E[JᵀJ] and E[J] of the decoder; shares sum to 1."""
    inner = pair.encode(rows)
    mean = shares @ inner
    covariance = (inner - mean).T @ ((inner - mean) * shares[:, None])

    def column(direction: Float[Array, " d"]) -> Float[Array, "n D"]:
        tangents = jnp.broadcast_to(direction, inner.shape)
        moved: Array = jax.jvp(pair.decode, (inner,), (tangents,))[1]
        return moved

    jacobian = jax.lax.map(column, jnp.eye(inner.shape[1], dtype=inner.dtype))  # (d, n, D)
    metric = jnp.einsum("inj,knj,n->ik", jacobian, jacobian, shares)
    return mean, covariance, metric, jnp.einsum("inj,n->ji", jacobian, shares)
