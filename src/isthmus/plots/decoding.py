"""Pictures of what maps decode to: images and features over the plane, and rows as images.

Each function draws into the Axes that it is given, and leaves the figure around them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from isthmus.data.wording import counted
from isthmus.plots._style import check_plane, equal_frame, plain, square_around
from isthmus.plots.maps import Map

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def decoded_grid(
    ax: Axes,
    model: Map,
    Z: np.ndarray,
    image_shape: tuple[int, ...] | None = None,
    *,
    n_across: int = 30,
    cmap: str = "gray_r",
) -> None:
    """Images that ``model`` decodes from a regular grid over the plane, each drawn at its place.

    The grid spans the coordinates of the data. A tile farther than its own side from every row of Z is
    left blank, because there are no data.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    model : fitted map
        Of two coordinates, which decodes to images.
    Z : array (n, 2)
        Coordinates of the data.
    image_shape : (height, width) or None, default None
        None is that of a map that was fitted on images.
    n_across : int, default 30
        Tiles from left to right: each still shows an image of 28 × 28 in a picture of ten inches.
    cmap : str, default "gray_r"
        Colour map of matplotlib: 0 is white.

    Raises
    ------
    ValueError
        If Z has not two columns, or the shape is not the number of features.

    Examples
    --------
    >>> import isthmus
    >>> from isthmus.plots import decoded_grid, figure_in_memory
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().images[:100]  # (100, 8, 8)
    >>> model = isthmus.LinearAutoencoder(2).fit(X)
    >>> ax = figure_in_memory(4, 4).subplots()
    >>> decoded_grid(ax, model, model.transform(X), n_across=3)
    >>> ax.images[0].get_array().shape
    (8, 8)
    """
    check_plane(Z)
    image_shape = getattr(model, "row_shape_", ()) if image_shape is None else image_shape
    if np.prod(image_shape) != model.n_features_in_:
        raise ValueError(
            f"image_shape={image_shape} has {np.prod(image_shape)} pixels, but the model decodes to "
            f"{counted(model.n_features_in_, 'feature')}"
        )
    centres, known, side = _grid(Z, n_across)
    images = model.inverse_transform(centres[known]).reshape(-1, *image_shape)
    _draw_tiles(ax, centres[known], images, 0.92 * side, cmap, float(np.quantile(images, 0.995)))
    equal_frame(ax, *square_around(Z))


def decoded_features(
    axes: Sequence[Axes],
    decode: Callable[[Float[np.ndarray, "m 2"]], Float[np.ndarray, "m D"]],
    Z: np.ndarray,
    features: Sequence[int],
    names: Sequence[str],
    *,
    n_across: int = 60,
) -> None:
    """The decoded value of one feature in each of the Axes, over the plane of Z (n, 2).

    As in ``decoded_grid`` the plane is left blank where there are no rows. Axes without a feature are
    hidden.

    Parameters
    ----------
    axes : sequence of matplotlib Axes
        One for each feature.
    decode : callable
        Makes rows (m, D) of coordinates (m, 2), as ``inverse_transform`` of a map does.
    Z : array (n, 2)
        Coordinates of the data, which are drawn as well. Raises ValueError if there are not two columns.
    features : sequence of int
        Which of the D features.
    names : sequence of str
        Of all features.
    n_across : int, default 60
        Points of the plane from left to right.

    Examples
    --------
    >>> import isthmus
    >>> from isthmus.plots import decoded_features, figure_in_memory
    >>> from sklearn.datasets import load_iris
    >>> iris = load_iris()
    >>> model = isthmus.LinearAutoencoder(2).fit(iris.data)
    >>> axes = figure_in_memory(6, 3).subplots(1, 2)
    >>> Z = model.transform(iris.data)
    >>> decoded_features(axes, model.inverse_transform, Z, [0, 2], iris.feature_names, n_across=10)
    >>> axes[1].get_title(), axes[1].images[0].get_array().shape
    ('petal length (cm)', (10, 10))
    """
    check_plane(Z)
    centres, known, side = _grid(Z, n_across)
    decoded = decode(centres[known]).reshape(int(known.sum()), -1)
    for ax, feature in zip(axes, features, strict=False):
        plane = np.full(len(centres), np.nan)
        plane[known] = decoded[:, feature]
        image = plane.reshape(n_across, n_across)
        (left, low), (right, high) = centres[0] - side / 2, centres[-1] + side / 2
        drawn = ax.imshow(image, origin="lower", extent=(left, right, low, high), cmap="viridis")
        ax.scatter(Z[:, 0], Z[:, 1], s=1.5, color="black", alpha=0.25, linewidths=0, rasterized=True)
        ax.set_title(plain(names[feature]))
        ax.figure.colorbar(drawn, ax=ax, shrink=0.8)
        equal_frame(ax, *square_around(Z))
    for ax in list(axes)[len(features) :]:
        ax.set_visible(False)


def image_grid(
    ax: Axes,
    images: Float[np.ndarray, "n D"],
    image_shape: tuple[int, int],
    *,
    n_across: int = 15,
    darkest: float | None = None,
    cmap: str = "gray_r",
) -> None:
    """Rows (n, D) as images (height, width), in lines from the top left.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    images : array (n, D)
        Rows.
    image_shape : (height, width)
        D = height · width.
    n_across : int, default 15
        Images in a line.
    darkest : float or None, default None
        The value that is drawn, as all above, at the end of the colour map, 0 and all below at its
        start; None takes the 99.5th percentile. Where that is not above 0, the start is the lowest
        value. Pass the same for grids that are to be compared.
    cmap : str, default "gray_r"
        Colour map of matplotlib: 0 is white.

    Raises
    ------
    ValueError
        If ``image_shape`` is not the number of columns.

    Examples
    --------
    >>> from isthmus.plots import figure_in_memory, image_grid
    >>> from sklearn.datasets import load_digits
    >>> ax = figure_in_memory(4, 2).subplots()
    >>> image_grid(ax, load_digits().data[:6], (8, 8), n_across=3)
    >>> len(ax.images), float(ax.get_xlim()[1]), float(ax.get_ylim()[1])  # two lines of three
    (6, 3.0, 2.0)
    """
    if np.ndim(images) != 2 or np.prod(image_shape) != np.shape(images)[1]:
        raise ValueError(
            f"image_shape={image_shape} has {np.prod(image_shape)} pixels, but images of shape "
            f"{np.shape(images)} came; expected (n, {np.prod(image_shape)})"
        )
    n_lines = -(-len(images) // n_across)
    line, place = np.divmod(np.arange(len(images)), n_across)
    centres = np.stack([place + 0.5, n_lines - line - 0.5], axis=1)
    if darkest is None:
        darkest = float(np.quantile(images, 0.995))
    _draw_tiles(ax, centres, images.reshape(-1, *image_shape), 0.86, cmap, darkest)
    across_and_up = np.array([n_across, n_lines])
    equal_frame(ax, across_and_up / 2, across_and_up / 2)


def _draw_tiles(
    ax: Axes,
    centres: Float[np.ndarray, "n 2"],
    images: Float[np.ndarray, "n height width"],
    side: float,
    cmap: str,
    darkest: float,
) -> None:
    """Each image in a square of this side about its centre."""
    reach = side / 2
    # Of images that have nothing above 0 the lowest value stands at the start of the colours.
    lightest = 0.0 if darkest > 0 else min(darkest, float(images.min()))
    for (x, y), image in zip(centres, images, strict=True):
        extent = (x - reach, x + reach, y - reach, y + reach)
        ax.imshow(image, cmap=cmap, vmin=lightest, vmax=darkest, extent=extent, interpolation="bilinear")


def _grid(
    Z: Float[np.ndarray, "n 2"], n_across: int
) -> tuple[Float[np.ndarray, "m 2"], Bool[np.ndarray, " m"], float]:
    """Centres of square tiles, line by line from below; which of them have rows near; their side."""
    middle, half = square_around(Z)
    side = 2 * half / n_across
    steps = side * (np.arange(n_across) + 0.5) - half
    centres = middle + np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    from sklearn.neighbors import NearestNeighbors  # loads much of scikit-learn

    nearest, _ = NearestNeighbors(n_neighbors=1).fit(Z).kneighbors(centres)
    return centres, nearest[:, 0] < side, side
