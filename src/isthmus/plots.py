"""Pictures of two-dimensional maps: points coloured by class, and the plane decoded back to images.

Each function draws into the Axes that it is given, and decides nothing about the figure around them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from sklearn.neighbors import NearestNeighbors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CLASS_COLOURS = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee",
    "#aa3377", "#e68310", "#777777", "#7a5c3a", "#6a4fbf",
)  # fmt: skip
"""Ten hues that stay apart for the common forms of colour blindness, after Tol's "bright" scheme."""


def class_map(
    ax: Axes, Z: Float[np.ndarray, "n 2"], labels: Any, *, size: float = 9.0, alpha: float = 0.8
) -> None:
    """Scatter coordinates (n, 2), one colour per class, each class named at its median point.

    More than ten classes repeat colours. Raises ValueError if Z has not two columns.
    """
    _check_plane(Z)
    labels = np.asarray(labels)
    from matplotlib.patheffects import withStroke

    for index, label in enumerate(np.unique(labels)):
        colour = CLASS_COLOURS[index % len(CLASS_COLOURS)]
        points = Z[labels == label]
        ax.scatter(
            points[:, 0], points[:, 1], s=size, color=colour, alpha=alpha, linewidths=0, rasterized=True
        )
        halo = [withStroke(linewidth=3.5, foreground="white")]
        x, y = np.median(points, axis=0)
        text = ax.text(x, y, str(label), color=colour, fontsize=17, fontweight="bold")
        text.set(ha="center", va="center", path_effects=halo)
    _frame(ax, Z)


def decoded_grid(
    ax: Axes,
    model: Any,
    Z: Float[np.ndarray, "n 2"],
    image_shape: tuple[int, int],
    *,
    n_across: int = 30,
    cmap: str = "gray_r",
) -> None:
    """Images that ``model`` decodes from a regular grid over the plane, drawn where they come from.

    The grid spans the coordinates Z (n, 2) of the data. A tile farther from every row of Z than its own
    side is left blank: nothing was learnt there. Raises ValueError if Z has not two columns, or
    ``image_shape`` (height, width) is not the number of features.
    """
    _check_plane(Z)
    if np.prod(image_shape) != model.n_features_in_:
        raise ValueError(
            f"image_shape={image_shape} has {np.prod(image_shape)} pixels, but the model decodes to "
            f"{model.n_features_in_} features"
        )
    middle, half = _square_around(Z)
    side = 2 * half / n_across
    steps = side * (np.arange(n_across) + 0.5) - half
    centres = middle + np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    nearest, _ = NearestNeighbors(n_neighbors=1).fit(Z).kneighbors(centres)
    known = nearest[:, 0] < side
    images = model.inverse_transform(centres[known]).reshape(-1, *image_shape)
    darkest = float(np.quantile(images, 0.995))
    reach = 0.46 * side
    for (x_tile, y_tile), image in zip(centres[known], images, strict=True):
        extent = (x_tile - reach, x_tile + reach, y_tile - reach, y_tile + reach)
        ax.imshow(image, cmap=cmap, vmin=0.0, vmax=darkest, extent=extent, interpolation="bilinear")
    _frame(ax, Z)


def _square_around(Z: Float[np.ndarray, "n 2"]) -> tuple[Float[np.ndarray, " 2"], float]:
    """Middle and half the side of the least square around points, with a margin."""
    low, high = Z.min(axis=0), Z.max(axis=0)
    return (low + high) / 2, 0.52 * float(np.max(high - low)) or 1.0


def _frame(ax: Axes, Z: Float[np.ndarray, "n 2"]) -> None:
    """A square window in which a unit is as long across as up, as the coordinates mean it."""
    (x, y), half = _square_around(Z)
    ax.set_xlim(x - half, x + half)
    ax.set_ylim(y - half, y + half)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_color("#cccccc")


def _check_plane(Z: Any) -> None:
    if np.ndim(Z) != 2 or np.shape(Z)[1] != 2:
        raise ValueError(
            f"expected coordinates of shape (n, 2), got {np.shape(Z)}; fit with n_components=2, or pass "
            "two columns"
        )
