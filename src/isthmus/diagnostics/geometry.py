"""Derivatives of a fitted map, in raw units: how it stretches, and what a coordinate is made of.

The decoder f embeds the coordinates as a surface in the data space. Its pull-back metric G = JᵀJ, with
J = ∂x̂/∂z, turns lengths on the map into lengths in the data: ds² = dzᵀ G dz.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus import plots
from isthmus.data.checks import check_coordinates, check_map, check_rows
from isthmus.estimators.base import BaseMap, column_names_of, units_of, width_of
from isthmus.networks.applying import map_rows
from isthmus.networks.layers import single
from isthmus.results import Result, rows_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def jacobian(model: BaseMap, X: object) -> Float[np.ndarray, "n d D"]:
    """∂z/∂x of a fitted map at each row: (n, D) → (n, d, D).

    ``jacobian(model, X)[i, k, j]`` is how much coordinate k moves per unit of feature j, in raw units,
    at row i. Computed by reverse-mode differentiation, d passes per row, in float32. Raises
    NotFittedError before ``fit``, and ValueError for what ``transform`` refuses.

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
    """∂x̂/∂z of a fitted map at each point of the plane: (n, d) → (n, D, d).

    ``decoder_jacobian(model, Z)[i, j, k]`` is how much feature j of the decoded row moves per unit of
    coordinate k, in raw units. Its columns span the tangent of the learnt surface. Computed by
    forward-mode differentiation, d passes per row, in float32. Raises NotFittedError before ``fit``,
    and ValueError for what ``inverse_transform`` refuses.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = isthmus.LinearAutoencoder(2).fit(X)
    >>> isthmus.decoder_jacobian(model, model.transform(X)).shape
    (150, 4, 2)
    """
    check_map(model, "decode")
    coordinates = check_coordinates(Z, model.n_components_)
    d, D = model.n_components_, width_of(model)
    out = np.empty((len(coordinates), D, d), np.float32)
    return map_rows(
        partial(_forward_jacobian, model.network_.decode_centred), coordinates, out, widest=d * D
    )


def metric(model: BaseMap, Z: object) -> Float[np.ndarray, "n d d"]:
    """Pull-back metric G = JᵀJ of the decoder at points of the map: (n, d) → (n, d, d), float64.

    ``dz @ G @ dz`` is the squared length in the data space of a small step dz on the map: in the data's
    squared units, or, of a map that scales its columns, in scaled ones, for lengths over columns in
    different units mean nothing. The identity for PCA and other maps that keep lengths. Raises what
    ``decoder_jacobian`` raises.

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
    coordinates = check_coordinates(Z, model.n_components_)
    d, D = model.n_components_, width_of(model)
    out = np.empty((len(coordinates), d, d))
    return map_rows(partial(_pulled_back, decoder_in_units(model)), coordinates, out, widest=d * D)


@dataclass(frozen=True, repr=False)
class Distortion(Result):
    """How a map stretches the data at each of n points.

    area : (n,)
        √det G: data-space area (d = 2; length, volume) per unit of the map's. Where it varies, equal
        areas of the picture are not equal amounts of data.
    anisotropy : (n,)
        Longest over shortest semi-axis of the image of a small circle, √(λ_max/λ_min); 1 where angles
        are kept, infinite where the decoder does not move in some direction.
    """

    area: Float[np.ndarray, " n"]
    anisotropy: Float[np.ndarray, " n"]

    def table(self) -> list[dict[str, object]]:
        """One row per point."""
        return rows_of(area=self.area, anisotropy=self.anisotropy)

    def __str__(self) -> str:
        lines = []
        for name in ("area", "anisotropy"):
            low, middle, high = np.quantile(getattr(self, name), [0.05, 0.5, 0.95])
            lines.append(f"{name}: {middle:.3g} at the median row, {low:.3g} to {high:.3g} at 90 %")
        return "\n".join(lines)


def distortion(model: BaseMap, Z: object) -> Distortion:
    """Area distortion and anisotropy of the map at points (n, d), from the metric.

    Raises what ``decoder_jacobian`` raises.

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
    return Distortion(np.sqrt(np.prod(eigenvalues, axis=1)), np.sqrt(ratio))


class Loading(NamedTuple):
    """What a coordinate does to a feature, over the rows: mean, and root mean square."""

    mean: float
    strength: float


@dataclass(frozen=True, repr=False)
class Loadings(Result):
    """What each coordinate is made of, at each of n rows.

    values : (n, d, D)
        ``values[i, k, j]``: by how much feature j of the decoded row moves per unit of coordinate k, in
        raw units.
    feature_names : D names
    scale : (D,)
        What the map divides each feature by, so that features of different units can be compared: one
        number for all in a map that has no scaling.
    """

    values: Float[np.ndarray, "n d D"]
    feature_names: tuple[str, ...]
    scale: Float[np.ndarray, " D"]

    @property
    def mean(self) -> Float[np.ndarray, "d D"]:
        """Over the rows: what a coordinate does on the whole."""
        return np.asarray(self.values.mean(axis=0, dtype=np.float64))

    @property
    def strength(self) -> Float[np.ndarray, "d D"]:
        """Root mean square over the rows: what a coordinate does anywhere, whatever the sign."""
        return np.asarray(np.sqrt(np.mean(np.square(self.values, dtype=np.float64), axis=0)))

    def strongest(self, coordinate: int, n: int = 5) -> Mapping[str, Loading]:
        """The n features that a coordinate moves most anywhere, in units of ``scale``."""
        d = self.values.shape[1]
        if not 0 <= coordinate < d:
            raise ValueError(f"coordinate={coordinate} of {d}: they are numbered from 0 to {d - 1}")
        mean, strength = self.mean[coordinate], self.strength[coordinate]
        order = np.argsort(-strength / self.scale, kind="stable")[:n]
        return {self.feature_names[j]: Loading(float(mean[j]), float(strength[j])) for j in order}

    def table(self) -> list[dict[str, object]]:
        """One row per coordinate and feature, of each coordinate the strongest first."""
        d, D = self.values.shape[1:]
        return [
            {"coordinate": k, "feature": name, "mean": one.mean, "strength": one.strength}
            for k in range(d)
            for name, one in self.strongest(k, D).items()
        ]

    def plot(self, ax: Axes | None = None, *, coordinate: int = 0, n: int = 10) -> Axes:
        """The n features that a coordinate moves most: means over the rows, on root mean squares.

        Bars are in raw units, or, of a map that scales its features, in units of each feature's scale.
        Where the dark bar is much shorter than the light one, the feature goes up in one part of the map
        and down in another. Into ``ax``, or new Axes; returns them.
        """
        ax = plots.axes_or_new(ax)
        strongest = self.strongest(coordinate, n)
        means, strengths = np.array(list(strongest.values())).T
        is_scaled = bool(np.ptp(self.scale))
        if is_scaled:
            scale = [self.scale[self.feature_names.index(name)] for name in strongest]
            means, strengths = means / scale, strengths / scale
        plots.loading_bars(ax, list(strongest), means, strengths)
        ax.set_xlabel("change per unit of the coordinate" + ", in scaled units" * is_scaled)
        ax.set_title(f"coordinate {coordinate}")
        return ax

    @property
    def _summary(self) -> str:
        return "How each coordinate changes the features, per unit of the coordinate."

    def __str__(self) -> str:
        lines = ["mean change of a feature per unit of a coordinate (root mean square in brackets)"]
        for k in range(self.values.shape[1]):
            strongest = self.strongest(k).items()
            named = (f"{name} {one.mean:+.3g} ({one.strength:.3g})" for name, one in strongest)
            lines.append(f"coordinate {k}: {', '.join(named)}")
        return "\n".join(lines)


def loadings(model: BaseMap, X: object) -> Loadings:
    """Local loadings of each coordinate by feature, at rows (n, D): values (n, d, D).

    The transposed tangents of the decoder at z = encode(x). Of a linear map they are PCA's loadings, its
    components, at every row; of another they change from place to place. Raises what ``transform``
    raises.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris(as_frame=True).data
    >>> model = isthmus.LinearAutoencoder(2).fit(X)
    >>> found = isthmus.loadings(model, X)
    >>> found.values.shape, next(iter(found.strongest(0)))
    ((150, 2, 4), 'petal length (cm)')
    """
    check_map(model)
    tangents = decoder_jacobian(model, np.asarray(model.transform(X)))
    values = np.swapaxes(tangents, 1, 2)
    return Loadings(values, tuple(column_names_of(model)), model.scaling_.scale)


EPSILON = 1e-10
"""Share of the largest eigenvalue below which one is rounding, in single precision."""


class _InUnits(eqx.Module):
    """What a decoder gives, each column in a unit of its own."""

    decode: Callable[[Array], Array]
    units: Float[Array, " width"]

    def __call__(self, z: Float[Array, "... d"]) -> Float[Array, "... width"]:
        return self.decode(z) / self.units


def decoder_in_units(model: BaseMap) -> Callable[[Array], Array]:
    """The decoder of rows, without their center, in the units that the map compares rows in."""
    return _InUnits(model.network_.decode_centred, single(units_of(model)))


@eqx.filter_jit
def _pulled_back(function: Callable[[Array], Array], z: Float[Array, "n d"]) -> Float[Array, "n d d"]:
    J = jax.vmap(jax.jacfwd(function))(z)
    return jnp.einsum("nDi,nDj->nij", J, J)


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
