"""Geodesics: the shortest way over the learnt surface between two points of the map.

A curve z₀, …, z_m in the coordinates is a curve f(z₀), …, f(z_m) on the surface of decoded rows. Of all
curves with the same ends, the one with the least energy Σ ‖f(zᵢ₊₁) − f(zᵢ)‖² is the shortest, run
through at constant speed. Its points are found by Newton's method; beside its diagonal the Hessian has
blocks d × d only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float
from sklearn.utils.validation import check_is_fitted

from isthmus.checks import check_coordinates, check_integer

MOST_ITERATIONS = 200
TOLERANCE = 1e-7
"""Relative fall of the energy at which Newton's method has ended: single precision has no more."""


@dataclass(frozen=True)
class Geodesic:
    """The shortest way between two points of a map: that which a straight line can be drawn tight to.

    points : (m, d)
        The way in the coordinates, both ends included, at equal distances on the surface.
    rows : (m, D)
        The same decoded.
    length, straight_length : float
        Of the way, and of the straight line in the coordinates, both measured on the surface: in the
        data's units.
    converged : bool
        Whether the energy stopped falling.
    """

    points: Float[np.ndarray, "m d"]
    rows: Float[np.ndarray, "m D"]
    length: float
    straight_length: float
    converged: bool


def geodesic(model: Any, z0: Any, z1: Any, *, n_points: int = 64) -> Geodesic:
    """The shortest way over the learnt surface from z0 (d,) to z1 (d,).

    Distances on the map mean little where it is stretched; the length of the geodesic is the distance
    along the data, in their own units. A straight line in the coordinates, which is how maps are mostly
    interpolated, is longer.

    Parameters
    ----------
    model : fitted map
    z0, z1 : array (d,)
        Ends, as ``transform`` gives them.
    n_points : int, default 64
        Points of the curve. Chords are shorter than a curve: with 64 points by 10⁻⁴ of a full circle.

    Raises
    ------
    NotFittedError, ValueError
        Before ``fit``; for ends that are not d finite numbers.

    References
    ----------
    Arvanitidis, Hansen & Hauberg 2018, "Latent space oddity", ICLR, arXiv:1710.11379; Shao, Kumar &
    Fletcher 2018, "The Riemannian geometry of deep generative models", CVPR workshops.

    Examples
    --------
    On the plane of a linear map the shortest way is straight:

    >>> import isthmus
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = isthmus.LinearAutoencoder(2).fit(X)
    >>> Z = model.transform(X)
    >>> way = isthmus.geodesic(model, Z[0], Z[100])
    >>> way.points.shape, bool(abs(way.length / way.straight_length - 1) < 1e-5)
    ((64, 2), True)
    """
    check_is_fitted(model)
    d = model.n_components_
    n_points = check_integer("n_points", n_points, 3)
    ends = np.concatenate([check_coordinates(np.atleast_2d(z), d) for z in (z0, z1)])
    if len(ends) != 2:
        raise ValueError(f"z0 and z1 are {len(ends)} points: expected one each, of {d} numbers")
    straight = np.linspace(ends[0], ends[1], n_points).astype(np.float64)
    points, converged = _least_energy(model.decode, straight)
    rows = _decoded(model.decode, points)
    return Geodesic(points, rows, _length(rows), _length(_decoded(model.decode, straight)), converged)


def _least_energy(
    decode: Callable[[Array], Array], points: Float[np.ndarray, "m d"]
) -> tuple[Float[np.ndarray, "m d"], bool]:
    """Newton's method with damping (Levenberg): it goes on only where the energy falls."""
    damping, energy = 1e-3, _energy(_decoded(decode, points))
    for _ in range(MOST_ITERATIONS):
        gradient, diagonal, beside = _expansion(decode, points)
        while True:
            step = _step(gradient, diagonal, beside, damping)
            trial = points.copy()
            trial[1:-1] -= step
            new = _energy(_decoded(decode, trial))
            if new <= energy or damping > 1e6:
                break
            damping *= 10
        if not new < energy * (1 - TOLERANCE):
            return points, damping < 1e6
        points, energy, damping = trial, new, max(damping / 10, 1e-9)
    return points, False


def _expansion(
    decode: Callable[[Array], Array], points: Float[np.ndarray, "m d"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradient (k, d) and Hessian of the energy, at inner points: blocks on and beside the diagonal."""
    f, J = (np.asarray(part, np.float64) for part in _value_and_tangents(decode, _single(points)))
    bend = 2 * f[1:-1] - f[:-2] - f[2:]
    inner = J[1:-1]
    gradient = 2 * np.einsum("kDi,kD->ki", inner, bend)
    curvature = np.asarray(_curvatures(decode, _single(points[1:-1]), _single(bend)), np.float64)
    diagonal = 4 * np.einsum("kDi,kDj->kij", inner, inner) + 2 * curvature
    beside = -2 * np.einsum("kDi,kDj->kij", inner[:-1], inner[1:])
    return gradient, diagonal, beside


def _step(
    gradient: Float[np.ndarray, "k d"],
    diagonal: Float[np.ndarray, "k d d"],
    beside: Float[np.ndarray, "k-1 d d"],
    damping: float,
) -> Float[np.ndarray, "k d"]:
    """Solve (H + damping · mean diagonal · 1) step = gradient; with more damping if H is indefinite."""
    k, d = gradient.shape
    blocks = np.zeros((k, d, k, d))
    index = np.arange(k)
    blocks[index, :, index, :] = diagonal
    blocks[index[:-1], :, index[1:], :] = beside
    blocks[index[1:], :, index[:-1], :] = np.swapaxes(beside, 1, 2)
    matrix = blocks.reshape(k * d, k * d)
    scale = float(np.mean(np.abs(np.diagonal(matrix)))) or 1.0
    while True:
        damped = matrix + damping * scale * np.eye(k * d)
        try:
            factor = scipy.linalg.cho_factor(damped)
            break
        except np.linalg.LinAlgError:
            damping = max(10 * damping, 1e-6)
    return np.asarray(scipy.linalg.cho_solve(factor, gradient.reshape(-1))).reshape(k, d)


def _energy(rows: Float[np.ndarray, "m D"]) -> float:
    return float(np.sum(np.square(np.diff(rows, axis=0))))


def _length(rows: Float[np.ndarray, "m D"]) -> float:
    return float(np.sum(np.linalg.norm(np.diff(rows, axis=0), axis=1)))


def _single(array: np.ndarray) -> Array:
    return jnp.asarray(array, jnp.float32)


def _decoded(
    decode: Callable[[Array], Array], points: Float[np.ndarray, "m d"]
) -> Float[np.ndarray, "m D"]:
    return np.asarray(_apply(decode, _single(points)), np.float64)


@eqx.filter_jit
def _apply(decode: Callable[[Array], Array], z: Float[Array, "m d"]) -> Float[Array, "m D"]:
    return decode(z)


@eqx.filter_jit
def _value_and_tangents(
    decode: Callable[[Array], Array], z: Float[Array, "m d"]
) -> tuple[Float[Array, "m D"], Float[Array, "m D d"]]:
    return decode(z), jax.vmap(jax.jacfwd(decode))(z)


@eqx.filter_jit
def _curvatures(
    decode: Callable[[Array], Array], z: Float[Array, "k d"], along: Float[Array, "k D"]
) -> Float[Array, "k d d"]:
    """Second derivatives of along · f(z) at each point."""
    hessians: Array = jax.vmap(jax.hessian(lambda point, a: jnp.dot(a, decode(point))))(z, along)
    return hessians
