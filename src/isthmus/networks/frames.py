"""Canonical coordinates: the linear freedom of a bottleneck, fixed.

Any invertible matrix between encoder and decoder leaves x̂ unchanged. The canonical choice makes the
average pull-back metric of the decoder the identity, E[JᵀJ] = 1, so that a unit step in z moves x̂ by
a unit on average; it makes coordinates uncorrelated, in the order of their variance; and it makes the
largest average loading of each, E[∂x̂/∂z_k], positive. For a linear map this is PCA: J's columns
are the components, z the scores.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.networks.layers import single
from isthmus.networks.pairs import EncoderDecoder, PCAPath

FRAME_ROWS = 1000
"""Rows that the averages are taken over: the frame is a convention, not an estimate."""


class Frame(eqx.Module):
    """The canonical linear coordinates z = A (inner − origin) of a bottleneck, and their inverse."""

    matrix: Float[Array, "d d"]
    inverse: Float[Array, "d d"]
    origin: Float[Array, " d"]

    def enter(self, inner: Float[Array, "... d"]) -> Float[Array, "... d"]:
        return (inner - self.origin) @ self.matrix.T

    def leave(self, z: Float[Array, "... d"]) -> Float[Array, "... d"]:
        return z @ self.inverse.T + self.origin


def canonical_frame(pair: EncoderDecoder, rows: Any, unit: float) -> Frame:
    """The canonical frame of a pair over scaled rows; ``unit`` is a scaled unit in coordinates."""
    stride = -(-rows.shape[0] // FRAME_ROWS)
    mean, covariance, metric, loadings = (
        np.asarray(part, np.float64) for part in _averages(pair, rows[::stride])
    )
    d = len(mean)
    metric = metric + 1e-6 * max(np.trace(metric) / d, 1e-30) * np.eye(d)
    # y = Lᵀ(inner − mean) has the identity as its metric; a rotation then diagonalises its covariance.
    factor = np.linalg.cholesky(metric)
    _, rotation = np.linalg.eigh(factor.T @ covariance @ factor)
    matrix = rotation[:, ::-1].T @ factor.T
    inverse = np.linalg.inv(matrix)
    canonical_loadings = loadings @ inverse  # (D, d)
    largest = np.argmax(np.abs(canonical_loadings), axis=0)
    signs = np.where(canonical_loadings[largest, np.arange(d)] < 0, -1.0, 1.0)
    return _frame(matrix * signs[:, None] * unit, inverse * signs / unit, mean)


def permuting_frame(pair: Any, rows: Any) -> Frame:
    """Order and signs of coordinates that have a prior each, so that nothing else is free.

    In the order of the variance of ``pair.encode`` over scaled rows, with the largest average loading
    positive.
    """
    stride = -(-rows.shape[0] // FRAME_ROWS)
    mean, covariance, _, loadings = (np.asarray(part) for part in _averages(pair, rows[::stride]))
    d = len(mean)
    order = np.argsort(-np.diag(covariance), kind="stable")
    largest = np.argmax(np.abs(loadings), axis=0)
    signs = np.where(loadings[largest, np.arange(d)] < 0, -1.0, 1.0)
    matrix = np.eye(d)[order] * signs
    return _frame(matrix, matrix.T, np.zeros(d))


def pca_frame(path: PCAPath, unit: float, tied: bool) -> Frame:
    """The frame of a pair that still is its PCA path: coordinates are the scores."""
    scales = path.unwhitened().scales if tied else path.scales
    return _frame(np.diag(scales * unit), np.diag(1 / (scales * unit)), np.zeros(len(scales)))


def _frame(matrix: np.ndarray, inverse: np.ndarray, origin: np.ndarray) -> Frame:
    return Frame(single(matrix), single(inverse), single(origin))


@eqx.filter_jit
def _averages(
    pair: EncoderDecoder, rows: Float[Array, "n D"]
) -> tuple[Float[Array, " d"], Float[Array, "d d"], Float[Array, "d d"], Float[Array, "D d"]]:
    """Mean and covariance of the inner coordinates, E[JᵀJ] and E[J] of the decoder."""
    inner = pair.encode(rows)
    mean = jnp.mean(inner, axis=0)
    covariance = (inner - mean).T @ (inner - mean) / inner.shape[0]

    def column(direction: Float[Array, " d"]) -> Float[Array, "n D"]:
        tangents = jnp.broadcast_to(direction, inner.shape)
        moved: Array = jax.jvp(pair.decode, (inner,), (tangents,))[1]
        return moved

    jacobian = jax.lax.map(column, jnp.eye(inner.shape[1], dtype=inner.dtype))  # (d, n, D)
    metric = jnp.einsum("inj,knj->ik", jacobian, jacobian) / inner.shape[0]
    return mean, covariance, metric, jnp.mean(jacobian, axis=1).T
