"""Derivatives of a fitted map, in raw units, and how it stretches.

The decoder f embeds the coordinates as a surface in the data space. Its pull-back metric G = JᵀJ, with
J = ∂x̂/∂z, turns lengths on the map into lengths in the data: ds² = dzᵀ G dz.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from isthmus.data.checks import check_map, check_rows
from isthmus.estimators.base import BaseMap, check_points, units_of, width_of
from isthmus.networks.applying import map_rows
from isthmus.networks.layers import single
from isthmus.results import Result, rows_of

EPSILON = 1e-10
"""Share of the largest eigenvalue below which one is rounding, in single precision."""


def jacobian(model: BaseMap, X: object) -> Float[np.ndarray, "n d D"]:
    """∂z/∂x of a fitted map at each row: (n, D) → (n, d, D).

    ``jacobian(model, X)[i, k, j]`` is how much coordinate k moves per unit of feature j at row i.
    Computed by reverse-mode differentiation, d passes per row. Of images D is the number of pixels, in
    the order of ``ravel``. With ``periodic`` or ``categorical`` columns the D features are those that
    the network takes, and that ``isthmus.loadings`` names: an angle φ of period P has two,
    P/2π (cos 2πφ/P, sin 2πφ/P), and a categorical column one for each category.

    Parameters
    ----------
    model : fitted map
        Any of the maps of isthmus, or an ensemble of them.
    X : array-like (n, D)
        Rows in their own units.

    Returns
    -------
    array (n, d, D)
        float32, in coordinates per unit of a feature.

    Raises
    ------
    NotFittedError
        Before ``fit``.
    ValueError, TypeError
        For what ``transform`` refuses, and for a model that is no map.

    Examples
    --------
    For a linear map it is the matrix of components, everywhere:

    >>> import isthmus
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = isthmus.LinearAutoencoder(2).fit(X)
    >>> J = isthmus.jacobian(model, X)
    >>> J.shape
    (150, 2, 4)
    >>> bool(abs(J - model.components_).max() < 1e-6)
    True
    """
    check_map(model, "encode")
    rows = check_rows(model, X, reset=False)
    d, D = model.n_components_, width_of(model)
    out = np.empty((rows.shape[0], d, D), np.float32)
    return map_rows(
        partial(_reverse_jacobian, model.network_.encode_centred),
        rows,
        out,
        before=lambda block: np.asarray(block - model.scaling_.center, np.float32),
        widest=d * D,
    )


def decoder_jacobian(model: BaseMap, Z: object) -> Float[np.ndarray, "n D d"]:
    """∂x̂/∂z of a fitted map at each point of the map: (n, d) → (n, D, d).

    ``decoder_jacobian(model, Z)[i, j, k]`` is how much feature j of the decoded row moves per unit of
    coordinate k. Its columns span the tangent of the learnt surface. Computed by forward-mode
    differentiation, d passes per row. Pixels, angles and categories are features as in
    ``isthmus.jacobian``.

    Parameters
    ----------
    model : fitted map
        Any of the maps of isthmus, or an ensemble of them.
    Z : array-like (n, d)
        Coordinates: those of rows, or of any other point.

    Returns
    -------
    array (n, D, d)
        float32, in units of a feature per unit of a coordinate.

    Raises
    ------
    NotFittedError
        Before ``fit``.
    ValueError, TypeError
        For what ``inverse_transform`` refuses, and for a model that is no map.

    Examples
    --------
    For a linear map the columns are the components, everywhere:

    >>> import isthmus
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = isthmus.LinearAutoencoder(2).fit(X)
    >>> T = isthmus.decoder_jacobian(model, model.transform(X))
    >>> T.shape, bool(abs(T - model.components_.T).max() < 1e-6)
    ((150, 4, 2), True)
    """
    check_map(model, "decode")
    coordinates = check_points(model, Z)
    d, D = model.n_components_, width_of(model)
    out = np.empty((len(coordinates), D, d), np.float32)
    return map_rows(
        partial(_forward_jacobian, model.network_.decode_centred), coordinates, out, widest=d * D
    )


def metric(model: BaseMap, Z: object) -> Float[np.ndarray, "n d d"]:
    """Pull-back metric G = JᵀJ of the decoder at points of the map: (n, d) → (n, d, d), float64.

    ``dz @ G @ dz`` is the squared length in the data space of a small step dz on the map. The identity
    for PCA and other maps that keep lengths.

    Parameters
    ----------
    model : fitted map
        Any of the maps of isthmus, or an ensemble of them.
    Z : array-like (n, d)
        Coordinates: those of rows, or of any other point.

    Returns
    -------
    array (n, d, d)
        In the data's squared units per squared unit of the coordinates, or, of a map that scales its
        columns, in scaled ones, for lengths over columns in different units mean nothing.

    Raises
    ------
    NotFittedError, ValueError, TypeError
        What ``decoder_jacobian`` raises.

    References
    ----------
    Arvanitidis, Hansen & Hauberg 2018, "Latent space oddity", ICLR, arXiv:1710.11379.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = isthmus.LinearAutoencoder(2).fit(X)
    >>> G = isthmus.metric(model, model.transform(X))
    >>> G.shape, bool(abs(G - [[1, 0], [0, 1]]).max() < 1e-6)
    ((150, 2, 2), True)
    """
    check_map(model, "decode")
    coordinates = check_points(model, Z)
    d, D = model.n_components_, width_of(model)
    out = np.empty((len(coordinates), d, d))
    return map_rows(
        partial(_forward_jacobian, decoder_in_units(model)),
        coordinates,
        out,
        after=_products,
        widest=d * D,
    )


@dataclass(frozen=True, repr=False)
class Distortion(Result):
    """How a map stretches the data at each of n points, as ``isthmus.distortion`` found it.

    Attributes
    ----------
    area : array (n,)
        √det G: data-space area (d = 2; length, volume) per unit of the map's. Where it varies, equal
        areas of the picture are not equal amounts of data.
    anisotropy : array (n,)
        Longest over shortest semi-axis of the image of a small circle, √(λ_max/λ_min); 1 where angles
        are kept, infinite where the decoder does not move in some direction.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = isthmus.LinearAutoencoder(2).fit(X)
    >>> print(isthmus.distortion(model, model.transform(X)))  # PCA stretches nothing
    area: 1 at the median row, 1 to 1 at 90 %
    anisotropy: 1 at the median row, 1 to 1 at 90 %
    """

    area: Float[np.ndarray, " n"]
    anisotropy: Float[np.ndarray, " n"]

    def table(self) -> list[dict[str, object]]:
        """One row per point: its area and anisotropy.

        Examples
        --------
        >>> import isthmus
        >>> from sklearn.datasets import load_iris
        >>> X = load_iris().data
        >>> model = isthmus.LinearAutoencoder(2).fit(X)
        >>> table = isthmus.distortion(model, model.transform(X)).table()
        >>> len(table), round(table[0]["area"], 5)
        (150, 1.0)
        """
        return rows_of(area=self.area, anisotropy=self.anisotropy)

    def __str__(self) -> str:
        lines = []
        for name in ("area", "anisotropy"):
            low, middle, high = np.quantile(getattr(self, name), [0.05, 0.5, 0.95])
            lines.append(f"{name}: {middle:.3g} at the median row, {low:.3g} to {high:.3g} at 90 %")
        return "\n".join(lines)


def distortion(model: BaseMap, Z: object) -> Distortion:
    """Area distortion and anisotropy of the map at points (n, d): √det G and √(λ_max/λ_min), (n,) each.

    G is ``isthmus.metric``, and λ are its eigenvalues.

    Parameters
    ----------
    model : fitted map
        Any of the maps of isthmus, or an ensemble of them.
    Z : array-like (n, d)
        Coordinates: those of rows, or of any other point.

    Returns
    -------
    Distortion
        ``area`` (n,) and ``anisotropy`` (n,).

    Raises
    ------
    NotFittedError, ValueError, TypeError
        What ``decoder_jacobian`` raises.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = isthmus.LinearAutoencoder(2).fit(X)
    >>> found = isthmus.distortion(model, model.transform(X))
    >>> bool(abs(found.area - 1).max() < 1e-6), bool(abs(found.anisotropy - 1).max() < 1e-6)
    (True, True)
    """
    eigenvalues = np.maximum(np.linalg.eigvalsh(metric(model, Z)), 0.0)
    shortest, longest = eigenvalues[:, 0], eigenvalues[:, -1]
    ratio = np.full(len(eigenvalues), np.inf)
    np.divide(longest, shortest, out=ratio, where=shortest > EPSILON * longest)
    ratio[longest == 0] = 1.0
    return Distortion(np.prod(np.sqrt(eigenvalues), axis=1), np.sqrt(ratio))


class _InUnits(eqx.Module):
    """What a decoder gives, each column in a unit of its own."""

    decode: Callable[[Array], Array]
    units: Float[Array, " width"]

    def __call__(self, z: Float[Array, "... d"]) -> Float[Array, "... width"]:
        return self.decode(z) / self.units


def decoder_in_units(model: BaseMap) -> Callable[[Array], Array]:
    """The decoder of rows, without their center, in the units that the map compares rows in."""
    return _InUnits(model.network_.decode_centred, single(units_of(model)))


def _products(J: Float[np.ndarray, "n D d"]) -> Float[np.ndarray, "n d d"]:
    """JᵀJ in double precision: in single, squares of tiny and huge units are 0 and infinite."""
    J = J.astype(np.float64)
    return np.asarray(np.swapaxes(J, 1, 2) @ J)


@eqx.filter_jit
def _reverse_jacobian(
    function: Callable[[Array], Array], x: Float[Array, "n D"]
) -> Float[Array, "n d D"]:
    rows: Array = jax.vmap(jax.jacrev(function))(x)
    return rows


@eqx.filter_jit
def _forward_jacobian(
    function: Callable[[Array], Array], z: Float[Array, "n d"]
) -> Float[Array, "n D d"]:
    rows: Array = jax.vmap(jax.jacfwd(function))(z)
    return rows
