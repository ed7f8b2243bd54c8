"""What each coordinate of a fitted map is made of: how it moves the features, from place to place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

from isthmus import plots
from isthmus.data.checks import check_integer, check_map
from isthmus.diagnostics.geometry import decoder_jacobian
from isthmus.estimators.base import BaseMap, column_names_of
from isthmus.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Loading(NamedTuple):
    """What a coordinate does to a feature, over the rows: mean, and root mean square."""

    mean: float
    strength: float


@dataclass(frozen=True, repr=False)
class Loadings(Result):
    """What each coordinate is made of, at each of n rows, as ``isthmus.loadings`` found it.

    Attributes
    ----------
    values : array (n, d, D)
        ``values[i, k, j]``: by how much feature j of the decoded row moves per unit of coordinate k, in
        raw units.
    feature_names : tuple of D str
    scale : array (D,)
        What the map divides each feature by, so that features of different units can be compared: one
        number for all in a map that has no scaling.

    Examples
    --------
    >>> import isthmus, numpy as np
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = isthmus.LinearAutoencoder(2).fit(X)
    >>> found = isthmus.loadings(model, X)
    >>> found.mean.shape, np.allclose(found.mean, model.components_, atol=1e-6)
    ((2, 4), True)
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
        """The features that a coordinate moves most anywhere, in units of ``scale``.

        Parameters
        ----------
        coordinate : int
            Its number k, from 0 on.
        n : int ≥ 1, default 5
            How many features, the strongest first.

        Returns
        -------
        dict of str to Loading
            ``mean`` and ``strength`` of each, in raw units.

        Raises
        ------
        ValueError
            If there is no such coordinate, or n is below 1.

        Examples
        --------
        >>> import isthmus
        >>> from sklearn.datasets import load_iris
        >>> X = load_iris(as_frame=True).data
        >>> found = isthmus.loadings(isthmus.LinearAutoencoder(2).fit(X), X)
        >>> found.strongest(0, n=1)
        {'petal length (cm)': Loading(mean=0.856..., strength=0.856...)}
        """
        d = self.values.shape[1]
        if not 0 <= coordinate < d:
            raise ValueError(f"coordinate={coordinate} of {d}: they are numbered from 0 to {d - 1}")
        n = check_integer("n", n, 1)
        mean, strength = self.mean[coordinate], self.strength[coordinate]
        order = np.argsort(-strength / self.scale, kind="stable")[:n]
        return {self.feature_names[j]: Loading(float(mean[j]), float(strength[j])) for j in order}

    def table(self) -> list[dict[str, object]]:
        """One row per coordinate and feature, of each coordinate the strongest first.

        Examples
        --------
        >>> import isthmus
        >>> from sklearn.datasets import load_iris
        >>> X = load_iris(as_frame=True).data
        >>> table = isthmus.loadings(isthmus.LinearAutoencoder(2).fit(X), X).table()
        >>> len(table), table[0]["feature"]  # 2 coordinates of 4 features
        (8, 'petal length (cm)')
        """
        d, D = self.values.shape[1:]
        return [
            {"coordinate": k, "feature": name, "mean": one.mean, "strength": one.strength}
            for k in range(d)
            for name, one in self.strongest(k, D).items()
        ]

    def plot(self, ax: Axes | None = None, *, coordinate: int = 0, n: int = 10) -> Axes:
        """The features that a coordinate moves most: means over the rows, on root mean squares.

        Bars are in raw units, or, of a map that scales its features, in units of each feature's scale.
        Where the dark bar is much shorter than the light one, the feature goes up in one part of the map
        and down in another.

        Parameters
        ----------
        ax : matplotlib Axes or None, default None
            Where to draw; None makes a figure.
        coordinate : int, default 0
            Its number k, from 0 on.
        n : int, default 10
            How many features, the strongest at the top.

        Returns
        -------
        Axes
            What was drawn into.

        Examples
        --------
        >>> import isthmus
        >>> from isthmus.plots import figure_in_memory
        >>> from sklearn.datasets import load_iris
        >>> X = load_iris(as_frame=True).data
        >>> found = isthmus.loadings(isthmus.LinearAutoencoder(2).fit(X), X)
        >>> ax = found.plot(figure_in_memory(4, 3).subplots(), coordinate=1)
        >>> ax.get_title()
        'coordinate 1'
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
    components, at every row; of another they change from place to place.

    Parameters
    ----------
    model : fitted map
        Any of the maps of isthmus, or an ensemble of them.
    X : array-like (n, D)
        Rows in their own units.

    Returns
    -------
    Loadings
        ``values`` (n, d, D) in raw units, ``mean`` and ``strength`` (d, D) over the rows, and
        ``strongest(k)``.

    Raises
    ------
    NotFittedError, ValueError, TypeError
        What ``transform`` raises, and TypeError for a model that is no map.

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
