"""Pictures of maps: rows in the plane, by their class or by a number.

Each function but ``plot`` draws into the Axes that it is given, and leaves the figure around them alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from isthmus.data.checks import check_map
from isthmus.data.targets import are_classes, is_category, label_array, without_label
from isthmus.plots._style import (
    NO_LABEL,
    OURS,
    axes_or_new,
    check_plane,
    equal_frame,
    plain,
    square_around,
)
from isthmus.plots.classes import class_map, histograms

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EQUAL = 1e-4
"""Relative range of values below which they are drawn in one colour."""


class Map(Protocol):
    """A fitted map, as far as pictures need it: any of isthmus, and most transformers of scikit-learn.

    Attributes
    ----------
    n_features_in_ : int
        Features D that ``fit`` saw.

    Examples
    --------
    >>> import isthmus
    >>> from isthmus.plots import decoded_grid, figure_in_memory
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> X = load_digits().data[:100]
    >>> pca = PCA(2).fit(X)
    >>> ax = figure_in_memory(4, 4).subplots()
    >>> decoded_grid(ax, pca, pca.transform(X), (8, 8), n_across=3)
    >>> len(ax.images) <= 3 * 3  # none where there are no rows
    True
    """

    n_features_in_: int

    def transform(self, X: object, /) -> Float[np.ndarray, "n d"]:
        """Coordinates of rows: (n, D) → (n, d).

        Parameters
        ----------
        X : array-like (n, D)

        Examples
        --------
        >>> import isthmus
        >>> from sklearn.datasets import load_iris
        >>> X = load_iris().data
        >>> isthmus.LinearAutoencoder(2).fit(X).transform(X).shape
        (150, 2)
        """

    def inverse_transform(self, Z: object, /) -> Float[np.ndarray, "n D"]:
        """Rows that coordinates decode to: (n, d) → (n, D).

        Parameters
        ----------
        Z : array-like (n, d)

        Examples
        --------
        >>> import isthmus
        >>> from sklearn.datasets import load_iris
        >>> X = load_iris().data
        >>> isthmus.LinearAutoencoder(2).fit(X).inverse_transform([[0.0, 0.0]]).shape
        (1, 4)
        """


def plot(
    model: Map,
    X: object,
    y: ArrayLike | None = None,
    *,
    y_name: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The map of rows X (n, D) in one line: each row where the model places it, coloured by y.

    Parameters
    ----------
    model : fitted map
        Of two coordinates, for the whole picture. Of more, the first two are drawn, which have the most
        variance; one is drawn as a histogram, of each class if there are classes.
    X : array-like (n, D)
        Rows, as ``transform`` takes them.
    y : array-like (n,), or None, default None
        Labels, or numbers for a colour scale: text, booleans, categories of pandas and integers of at
        most 20 different values are labels. Rows without one (None, NaN, NA or empty text) are light
        grey, below the others. Of more than ten labels the second ten have the same colours and another
        marker, and so on.
    y_name : str, or None, default None
        What the scale is called; None takes the name of y where it has one, as a column of a data frame
        has, or "y".
    ax : matplotlib Axes, or None, default None
        Where to draw; None makes a figure.

    Returns
    -------
    Axes
        What was drawn into; ``ax.figure.savefig("map.png")`` keeps it.

    Raises
    ------
    ValueError, TypeError
        For what ``transform`` refuses, and where y has not one value per row; NotFittedError before
        ``fit``.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> ax = isthmus.plot(isthmus.LinearAutoencoder(2).fit(X), X, y)
    >>> ax.get_xlabel(), [text.get_text() for text in ax.texts]
    ('coordinate 0', ['0', '1', '2'])
    """
    check_map(model)
    Z = np.asarray(model.transform(X))
    labels = None if y is None else label_array(y)
    if labels is not None and labels.shape != (len(Z),):
        raise ValueError(
            f"expected one label for each of {len(Z)} rows, got labels of shape {labels.shape}"
        )
    ax = axes_or_new(ax)
    known = np.ones(len(Z), dtype=bool) if labels is None else ~without_label(labels)
    in_classes = labels is not None and (is_category(y) or are_classes(labels[known]))
    if Z.shape[1] == 1:
        histograms(ax, Z[:, 0], labels if in_classes else None)
        ax.set_xlabel("coordinate 0")
        ax.set_ylabel("rows")
        return ax
    plane = Z[:, :2]
    if labels is None:
        points(ax, plane)
    elif in_classes:
        class_map(ax, plane, labels)
    else:
        name = getattr(y, "name", None) if y_name is None else y_name
        values = np.full(len(plane), np.nan)
        values[known] = labels[known]
        value_map(ax, plane, values, "y" if name is None else str(name))
    ax.set_xlabel("coordinate 0")
    ax.set_ylabel("coordinate 1" + (f" of {Z.shape[1]}" if Z.shape[1] > 2 else ""))
    return ax


def points(ax: Axes, Z: Float[np.ndarray, "n 2"], *, size: float = 9.0, alpha: float = 0.6) -> None:
    """Scatter coordinates (n, 2) in one colour.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    Z : array (n, 2)
        Coordinates. Raises ValueError if there are not two columns.
    size : float, default 9.0
        Area of a disc in square points, small enough for thousands of rows.
    alpha : float, default 0.6
        Opacity: where rows lie on others it is darker.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.plots import figure_in_memory, points
    >>> ax = figure_in_memory(4, 3).subplots()
    >>> points(ax, np.array([[0.0, 0.0], [1.0, 2.0]]))
    >>> ax.collections[0].get_offsets().tolist(), ax.get_aspect()  # one unit on both axes
    ([[0.0, 0.0], [1.0, 2.0]], 1.0)
    """
    check_plane(Z)
    x, y = Z.T
    ax.scatter(x, y, s=size, color=OURS, alpha=alpha, linewidths=0, rasterized=True)
    equal_frame(ax, *square_around(Z))


def value_map(
    ax: Axes,
    Z: np.ndarray,
    values: np.ndarray,
    label: str,
    *,
    size: float = 9.0,
    cmap: str = "viridis",
) -> None:
    """Scatter coordinates (n, 2), coloured by a number of each row, with a colour bar.

    Colours span the middle 98 % of the finite values, so that a few outliers do not hide the rest, and
    the bar ends in arrows; rows without a finite value are grey.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    Z : array (n, 2)
        Coordinates.
    values : array (n,)
    label : str
        What they are, beside the bar.
    size : float, default 9.0
        Area of a disc in square points, small enough for thousands of rows.
    cmap : str, default "viridis"
        Colour map of matplotlib; even in lightness.

    Raises
    ------
    ValueError
        If Z has not two columns, or there is not one value per row.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.plots import figure_in_memory, value_map
    >>> ax = figure_in_memory(4, 3).subplots()
    >>> value_map(ax, np.array([[0.0, 0.0], [1.0, 2.0]]), np.array([3.0, 5.0]), "mass")
    >>> ax.figure.axes[1].get_ylabel()  # of the bar
    'mass'
    """
    check_plane(Z)
    if np.shape(values) != (len(Z),):
        raise ValueError(f"expected one value for each of {len(Z)} rows, got shape {np.shape(values)}")
    finite = np.isfinite(values)
    x, y = Z.T
    ax.scatter(x[~finite], y[~finite], s=size, color=NO_LABEL, linewidths=0, rasterized=True)
    low, high = np.quantile(values[finite], [0.01, 0.99]) if finite.any() else (0.0, 1.0)
    largest = max(abs(low), abs(high))
    if high - low <= EQUAL * largest:
        margin = 0.1 * largest or 0.1
        low, high = low - margin, high + margin
    points = ax.scatter(
        x[finite],
        y[finite],
        s=size,
        c=values[finite],
        cmap=cmap,
        vmin=low,
        vmax=high,
        linewidths=0,
        rasterized=True,
    )
    ax.figure.colorbar(points, ax=ax, label=plain(label), shrink=0.8, extend="both")
    equal_frame(ax, *square_around(Z))
