"""Geodesics: the shortest way over the learnt surface between two points of the map.

A curve z₀, …, z_m in the coordinates is a curve f(z₀), …, f(z_m) on the surface of decoded rows. Of all
curves with the same ends, the one with the least energy Σ ‖f(zᵢ₊₁) − f(zᵢ)‖² is the shortest, run
through at constant speed. Its points are found by Newton's method; beside its diagonal the Hessian has
blocks d × d only.

Newton's method ends at a curve that is the shortest of those near by. It is begun twice: with the
straight line, and with the shortest way through a net of points, which sees hills from afar.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.sparse
from jaxtyping import Array, Float
from numpy.typing import ArrayLike
from scipy.sparse.csgraph import dijkstra
from scipy.stats.qmc import Halton
from sklearn.neighbors import kneighbors_graph

from isthmus.data.checks import check_coordinates, check_integer, check_map
from isthmus.diagnostics.geometry import decoder_in_units
from isthmus.estimators.base import BaseMap, as_given, units_of
from isthmus.networks.applying import BLOCK_ELEMENTS
from isthmus.networks.layers import single
from isthmus.networks.processes import check_process
from isthmus.results import Result, rows_of

MOST_ITERATIONS = 200
TOLERANCE = 1e-7
"""Relative fall of the energy at which Newton's method has ended: single precision has no more."""

NET_POINTS, NET_EDGES, NET_PARTS = 4000, 24, 3
"""Points of the net, edges from each, and straight parts that an edge is measured in."""

NET_REACH = 0.5
"""How far the net reaches beyond the ends, in units of their distance."""


@dataclass(frozen=True, repr=False)
class Geodesic(Result):
    """A shortest way between two points of a map, as ``isthmus.geodesic`` found it.

    Attributes
    ----------
    points : array (m, d)
        The way in the coordinates, both ends included, at equal distances on the surface.
    rows : array (m, D)
        The same decoded.
    length, straight_length : float
        Of the way, and of the straight line in the coordinates, both measured on the surface: in the
        data's units, or in the scaled ones of a map that scales its columns. ``length`` is the
        distance, or above it where a shorter way was not found.
    converged : bool
        Whether the energy stopped falling.

    Examples
    --------
    A way of 3 by 4 on the plane of a linear map is 5 long:

    >>> import isthmus, numpy as np
    >>> from sklearn.datasets import load_iris
    >>> model = isthmus.LinearAutoencoder(2).fit(load_iris().data)
    >>> way = isthmus.geodesic(model, np.array([0.0, 0.0]), np.array([3.0, 4.0]))
    >>> round(way.length, 3), way.points.shape, way.rows.shape
    (5.0, (64, 2), (64, 4))
    """

    points: Float[np.ndarray, "m d"]
    rows: Float[np.ndarray, "m D"]
    length: float
    straight_length: float
    converged: bool

    def table(self) -> list[dict[str, object]]:
        """One row per point of the way: its coordinates.

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> from sklearn.datasets import load_iris
        >>> model = isthmus.LinearAutoencoder(2).fit(load_iris().data)
        >>> way = isthmus.geodesic(model, np.array([0.0, 0.0]), np.array([3.0, 4.0]))
        >>> first, *_, last = way.table()
        >>> {name: round(value, 3) for name, value in last.items()}
        {'z0': 3.0, 'z1': 4.0}
        """
        return rows_of(**{f"z{k}": column for k, column in enumerate(self.points.T)})

    def __str__(self) -> str:
        return f"{self.length:.4g} long, the straight line {self.straight_length:.4g}" + (
            "" if self.converged else "; Newton's method had not ended"
        )


def geodesic(model: BaseMap, z0: ArrayLike, z1: ArrayLike, *, n_points: int = 64) -> Geodesic:
    """A shortest way over the learnt surface from z0 (d,) to z1 (d,).

    Distances on the map mean little where it is stretched; the length of the geodesic is the distance
    along the data. A straight line in the coordinates, which is how maps are mostly
    interpolated, is never shorter. The way is the shorter of two that are each the shortest of those
    near by: one drawn tight from the straight line, one from the shortest way through a net of 4000
    points around the ends. In more than a few coordinates the net is wide, and a shorter way may be
    missed.

    Parameters
    ----------
    model : fitted map
    z0, z1 : array (d,)
        Ends, as ``transform`` gives them.
    n_points : int, default 64
        Points of the curve. Chords are shorter than a curve: those of 64 points by 10⁻⁴ of half a
        circle, by 4 · 10⁻⁴ of a full one.

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
    check_map(model, "decode")
    d = model.n_components_
    n_points = check_integer("n_points", n_points, 3)
    ends = np.concatenate([check_coordinates(np.atleast_2d(z), d) for z in (z0, z1)]).astype(np.float64)
    if len(ends) != 2:
        raise ValueError(f"z0 and z1 are {len(ends)} points: expected one each, of {d} numbers")
    check_process()
    straight = np.linspace(ends[0], ends[1], n_points)
    # Without the center of the data: single precision keeps differences of rows far from zero.
    decode = decoder_in_units(model)
    ways = []
    for start in (straight, _through_net(decode, ends, n_points)):
        points, converged = _least_energy(decode, start)
        rows = _decoded(decode, points)
        ways.append((_length(rows), points, rows, converged))
    length, points, rows, converged = min(ways, key=lambda way: way[0])
    rows = as_given(model, rows * units_of(model) + model.scaling_.center)
    return Geodesic(points, rows, length, _length(_decoded(decode, straight)), converged)


def _through_net(
    decode: Callable[[Array], Array], ends: Float[np.ndarray, "2 d"], n_points: int
) -> Float[np.ndarray, "m d"]:
    """The shortest way along the edges of a net over the ends' surroundings, at equal distances."""
    d = ends.shape[1]
    reach = NET_REACH * float(np.linalg.norm(ends[1] - ends[0]))
    low, high = ends.min(axis=0) - reach, ends.max(axis=0) + reach
    spread = low + (high - low) * Halton(d, scramble=False).random(NET_POINTS)
    net = np.concatenate([ends, spread])
    # Neighbours by number of steps on the map; how long a step is on the surface, its edge says.
    graph = kneighbors_graph(net, NET_EDGES).tocoo()
    lengths = _edge_lengths(decode, net[graph.row], net[graph.col])
    edges = scipy.sparse.csr_matrix((lengths, (graph.row, graph.col)), shape=(len(net), len(net)))
    _, before = dijkstra(edges, directed=False, indices=[0], return_predecessors=True)
    way = [1]
    while way[-1] != 0 and before[0, way[-1]] >= 0:
        way.append(int(before[0, way[-1]]))
    corners = net[way[::-1]] if way[-1] == 0 else ends
    return _at_equal_distances(decode, corners, n_points)


def _edge_lengths(
    decode: Callable[[Array], Array], starts: Float[np.ndarray, "e d"], stops: Float[np.ndarray, "e d"]
) -> Float[np.ndarray, " e"]:
    """Lengths on the surface, in straight parts; edges are taken in blocks of one size."""
    n, d = starts.shape
    D = _decoded(decode, starts[:1]).shape[1]
    size = min(n, max(1, BLOCK_ELEMENTS // (D * (NET_PARTS + 1))))
    parts = np.linspace(0, 1, NET_PARTS + 1)[:, None, None]
    lengths = np.empty(n)
    for first in range(0, n, size):
        at = min(first, n - size)
        between = (1 - parts) * starts[at : at + size] + parts * stops[at : at + size]
        rows = _decoded(decode, between.reshape(-1, d)).reshape(NET_PARTS + 1, size, D)
        lengths[at : at + size] = np.linalg.norm(np.diff(rows, axis=0), axis=2).sum(axis=0)
    # Above 0, so that an edge between points that decode alike remains an edge.
    return lengths + np.finfo(np.float32).tiny


def _at_equal_distances(
    decode: Callable[[Array], Array], corners: Float[np.ndarray, "c d"], n_points: int
) -> Float[np.ndarray, "m d"]:
    """Points along straight lines from corner to corner, as far apart on the surface as one another."""
    fine = np.linspace(0, len(corners) - 1, 8 * n_points)
    dense = np.stack([np.interp(fine, np.arange(len(corners)), column) for column in corners.T], axis=1)
    steps = np.linalg.norm(np.diff(_decoded(decode, dense), axis=0), axis=1)
    run = np.concatenate([[0.0], np.cumsum(steps)])
    if run[-1] == 0:
        return np.linspace(corners[0], corners[-1], n_points)
    even = np.linspace(0, run[-1], n_points)
    points = np.stack([np.interp(even, run, column) for column in dense.T], axis=1)
    points[[0, -1]] = corners[[0, -1]]
    return np.asarray(points)


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
    f, J = (np.asarray(part, np.float64) for part in _value_and_tangents(decode, single(points)))
    bend = 2 * f[1:-1] - f[:-2] - f[2:]
    inner = J[1:-1]
    gradient = 2 * np.einsum("kDi,kD->ki", inner, bend)
    # Single precision holds no product of two numbers in tiny or huge units.
    unit = float(np.max(np.abs(bend))) or 1.0
    shares = np.asarray(_curvatures(decode, single(points[1:-1]), single(bend / unit)), np.float64)
    diagonal = 4 * np.einsum("kDi,kDj->kij", inner, inner) + 2 * unit * shares
    beside = -2 * np.einsum("kDi,kDj->kij", inner[:-1], inner[1:])
    return gradient, diagonal, beside


def _step(
    gradient: Float[np.ndarray, "k d"],
    diagonal: Float[np.ndarray, "k d d"],
    beside: Float[np.ndarray, "gaps d d"],
    damping: float,
) -> Float[np.ndarray, "k d"]:
    """Solve (H + damping · mean diagonal · 1) step = gradient; with more damping if H is indefinite."""
    k, d = gradient.shape
    # Only neighbours are coupled, so that what is not zero lies in a narrow band about the diagonal.
    band = np.zeros((2 * d, k * d))
    for i, j in np.ndindex(d, d):
        if i >= j:
            band[i - j, j::d] = diagonal[:, i, j]
        band[d + i - j, j : (k - 1) * d : d] = beside[:, j, i]
    scale = float(np.mean(np.abs(band[0]))) or 1.0
    while True:
        damped = band.copy()
        damped[0] += damping * scale
        try:
            return np.asarray(
                scipy.linalg.solveh_banded(damped, gradient.reshape(-1), lower=True)
            ).reshape(k, d)
        except np.linalg.LinAlgError:
            damping = max(10 * damping, 1e-6)


def _energy(rows: Float[np.ndarray, "m D"]) -> float:
    return float(np.sum(np.square(np.diff(rows, axis=0))))


def _length(rows: Float[np.ndarray, "m D"]) -> float:
    return float(np.sum(np.linalg.norm(np.diff(rows, axis=0), axis=1)))


def _decoded(
    decode: Callable[[Array], Array], points: Float[np.ndarray, "m d"]
) -> Float[np.ndarray, "m D"]:
    return np.asarray(_apply(decode, single(points)), np.float64)


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
