"""Pictures of maps: rows in the plane, densities over it, and what it decodes to.

Each function but ``plot`` draws into the Axes that it is given, and leaves the figure around them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Protocol

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from isthmus.data.checks import check_map, target_array
from isthmus.data.targets import are_classes, is_category, without_label
from isthmus.plots._style import CLASS_COLOURS, NO_LABEL, OURS, axes_or_new, open_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

WIDTH_OF_LETTER, HEIGHT_OF_NAME = 0.06, 0.1
"""Of a class in a picture, as shares of half its width, where the picture is five inches wide."""

MOST_COVERED = 0.5
"""Largest share of a class that a name may cover."""

MARKERS = {"o": 1.0, "^": 2.0, "s": 2.0, "X": 2.5, "v": 2.0, "D": 1.6, "P": 2.5, "<": 2.0, "*": 3.0}
"""What the classes are drawn as, the first ten, the second ten and so on, and how much larger by area.

Small shapes look alike, so all but the disc are larger."""

DASHES = "-", "--", ":", "-."
"""Lines of the classes in a histogram, and around ellipses: the first ten, the second ten and so on."""

EQUAL = 1e-4
"""Relative range of values below which they are drawn in one colour."""


class Map(Protocol):
    """A fitted map, as far as pictures need it."""

    n_features_in_: int

    def transform(self, X: object, /) -> Float[np.ndarray, "n d"]: ...

    def inverse_transform(self, Z: object, /) -> Float[np.ndarray, "n D"]: ...


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
    labels = None if y is None else _labels(y)
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


def _labels(y: ArrayLike) -> np.ndarray:
    """Labels or numbers as an array; integers stay integers, and so classes, where some are missing."""
    labels = target_array(y)
    dtype = getattr(y, "dtype", getattr(y, "type", None))
    dtype = getattr(getattr(dtype, "categories", None), "dtype", dtype)
    if labels.dtype.kind != "f" or not str(dtype).lower().startswith(("int", "uint")):
        return labels
    known = ~np.isnan(labels)
    of_objects = labels.astype(object)
    of_objects[known] = labels[known].astype(np.int64)
    return of_objects


def points(ax: Axes, Z: Float[np.ndarray, "n 2"], *, size: float = 9.0, alpha: float = 0.6) -> None:
    """Scatter coordinates (n, 2) in one colour. Raises ValueError if Z has not two columns."""
    _check_plane(Z)
    x, y = Z.T
    ax.scatter(x, y, s=size, color=OURS, alpha=alpha, linewidths=0, rasterized=True)
    _frame(ax, *_square_around(Z))


def histograms(ax: Axes, values: Float[np.ndarray, " n"], labels: ArrayLike | None = None) -> None:
    """How many of n values lie where; of each class a line of its own, if there are labels.

    The line of the values without a label is grey, below the others. Colours repeat after ten classes,
    with dashed lines for the second ten, dotted ones for the third, and dots and dashes for the fourth.
    """
    edges = np.histogram_bin_edges(values, bins="auto").tolist()
    if labels is None:
        ax.hist(values, bins=edges, color=OURS)
    else:
        for each in _classes(labels, len(values)):
            ax.hist(
                values[each.rows],
                bins=edges,
                histtype="step",
                color=each.colour,
                linestyle=each.dashes,
                label=each.name,
                zorder=each.zorder,
            )
        ax.legend(frameon=False)
    open_frame(ax)


def class_map(
    ax: Axes, Z: np.ndarray, labels: ArrayLike, *, size: float = 9.0, alpha: float = 0.8
) -> None:
    """Scatter coordinates (n, 2), one colour per class, each class named at its median point.

    Just above the class, where the name would cover more than half of it, and below where the plane ends
    above. Beside the plane, where names are long, or would cover each other or most of another class.
    Rows without a label (None, NaN, NA or empty text) are grey, below the others, and beside the plane
    they are called "no label".

    Colours repeat after ten classes, with another marker: in the order of their labels, the first ten
    classes are discs, the second ten triangles, the third ten squares, then crosses and five shapes
    more, so that 90 classes are told apart. Raises ValueError if Z has not two columns, or there is not
    one label per row.
    """
    _check_plane(Z)
    classes = list(_classes(labels, len(Z)))
    for each in classes:
        x, y = Z[each.rows].T
        ax.scatter(
            x,
            y,
            s=size * MARKERS[each.marker],
            marker=each.marker,
            color=each.colour,
            alpha=alpha,
            linewidths=0,
            rasterized=True,
            label=each.name,
            zorder=each.zorder,
        )
    middle, half = _square_around(Z)
    if not _write_names(ax, Z, [each for each in classes if each.has_label], (middle, half)):
        columns = -(-len(classes) // 20)
        ax.legend(
            loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, markerscale=3, ncols=columns
        )
    _frame(ax, middle, half)


def _write_names(
    ax: Axes,
    Z: Float[np.ndarray, "n 2"],
    classes: Sequence[_Class],
    window: tuple[Float[np.ndarray, " 2"], float],
) -> bool:
    """Write the name of each class at it where there is room for all names; whether there was."""
    _, half = window
    if not _have_room({each.name: np.median(Z[each.rows], axis=0) for each in classes}, half):
        return False
    written = [_write_name(ax, Z[each.rows], each, window) for each in classes]
    places = {each.name: box.mean(axis=0) for each, (_, box) in zip(classes, written, strict=True)}
    hides_another = any(
        other is not each and _share_inside(box, Z[other.rows]) > MOST_COVERED
        for each, (_, box) in zip(classes, written, strict=True)
        for other in classes
    )
    if hides_another or not _have_room(places, half):
        for text, _ in written:
            text.remove()
        return False
    return True


def _have_room(middles: Mapping[str, Float[np.ndarray, " 2"]], half: float) -> bool:
    """Whether names at these points cover little of a window of this half width, and not each other."""
    boxes = [(*middle, half * WIDTH_OF_LETTER * len(name)) for name, middle in middles.items()]
    return all(width < half / 2 for *_, width in boxes) and not any(
        abs(y1 - y2) < half * HEIGHT_OF_NAME and abs(x1 - x2) < (width1 + width2) / 2
        for (x1, y1, width1), (x2, y2, width2) in combinations(boxes, 2)
    )


def posterior_map(
    ax: Axes,
    mean: np.ndarray,
    std: np.ndarray,
    labels: ArrayLike,
    *,
    alpha: float = 0.3,
) -> None:
    """Each row as an ellipse about its mean (n, 2) that reaches one standard deviation (n, 2) each way.

    What ``isthmus.posterior`` gives. One colour per class, each class named at its median mean, as in
    ``class_map``; rows without a label are grey. Colours repeat after ten classes, with lines as in
    ``histograms``. Raises ValueError if ``mean`` has not two columns, ``std`` has another shape, or
    there is not one label per row.
    """
    _check_plane(mean)
    if np.shape(std) != np.shape(mean):
        raise ValueError(
            f"std of shape {np.shape(std)} for a mean of shape {np.shape(mean)}: pass one standard "
            "deviation per coordinate and row, as isthmus.posterior gives"
        )
    from matplotlib.collections import EllipseCollection
    from matplotlib.colors import to_rgba

    window = _square_around(np.concatenate([mean - std, mean + std]))
    for each in _classes(labels, len(mean)):
        ellipses = EllipseCollection(
            widths=2 * std[each.rows, 0],
            heights=2 * std[each.rows, 1],
            angles=np.zeros(np.count_nonzero(each.rows)),
            units="xy",
            offsets=mean[each.rows],
            offset_transform=ax.transData,
            facecolors=[to_rgba(each.colour, alpha)],
            edgecolors=[to_rgba(each.colour, min(1.0, 2.5 * alpha))],
            linewidths=0.6,
            linestyles=each.dashes,
            zorder=each.zorder,
        )
        ax.add_collection(ellipses)
        if each.has_label:
            _write_name(ax, mean[each.rows], each, window, std[each.rows])
    _frame(ax, *window)


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

    The grid spans the coordinates Z (n, 2) of the data. A tile farther than its own side from
    every row of Z is left blank, because there are no data. A map that was fitted on images needs no
    ``image_shape`` (height, width). Raises ValueError if Z has not two columns, or the shape is not the
    number of features.
    """
    _check_plane(Z)
    image_shape = getattr(model, "row_shape_", ()) if image_shape is None else image_shape
    if np.prod(image_shape) != model.n_features_in_:
        raise ValueError(
            f"image_shape={image_shape} has {np.prod(image_shape)} pixels, but the model decodes to "
            f"{model.n_features_in_} features"
        )
    centres, known, side = _grid(Z, n_across)
    images = model.inverse_transform(centres[known]).reshape(-1, *image_shape)
    _draw_tiles(ax, centres[known], images, 0.92 * side, cmap, float(np.quantile(images, 0.995)))
    _frame(ax, *_square_around(Z))


def value_map(
    ax: Axes,
    Z: np.ndarray,
    values: np.ndarray,
    label: str,
    *,
    size: float = 9.0,
    cmap: str = "viridis",
) -> None:
    """Scatter coordinates (n, 2), coloured by a number of each row, with a colour bar named ``label``.

    Colours span the middle 98 % of the finite values, so that a few outliers do not hide the rest, and
    the bar ends in arrows; rows without a finite value are grey. Raises ValueError if Z has not two
    columns, or there is not one value per row.
    """
    _check_plane(Z)
    if np.shape(values) != (len(Z),):
        raise ValueError(f"expected one value for each of {len(Z)} rows, got shape {np.shape(values)}")
    finite = np.isfinite(values)
    x, y = Z.T
    ax.scatter(x[~finite], y[~finite], s=size, color=NO_LABEL, linewidths=0, rasterized=True)
    low, high = np.quantile(values[finite], [0.01, 0.99]) if finite.any() else (0.0, 1.0)
    if high - low <= EQUAL * max(abs(low), abs(high), 1.0):
        low, high = low - 0.1, high + 0.1
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
    ax.figure.colorbar(points, ax=ax, label=label, shrink=0.8, extend="both")
    _frame(ax, *_square_around(Z))


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

    ``decode`` makes rows of coordinates, as ``inverse_transform`` of a map does.
    As in ``decoded_grid`` the plane is left blank where there are no rows. Axes without a feature are
    hidden. Raises ValueError if Z has not two columns.
    """
    _check_plane(Z)
    centres, known, side = _grid(Z, n_across)
    decoded = decode(centres[known]).reshape(int(known.sum()), -1)
    for ax, feature in zip(axes, features, strict=False):
        plane = np.full(len(centres), np.nan)
        plane[known] = decoded[:, feature]
        image = plane.reshape(n_across, n_across)
        (left, low), (right, high) = centres[0] - side / 2, centres[-1] + side / 2
        drawn = ax.imshow(image, origin="lower", extent=(left, right, low, high), cmap="viridis")
        ax.scatter(Z[:, 0], Z[:, 1], s=1.5, color="black", alpha=0.25, linewidths=0, rasterized=True)
        ax.set_title(names[feature])
        ax.figure.colorbar(drawn, ax=ax, shrink=0.8)
        _frame(ax, *_square_around(Z))
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
    """Rows (n, D) as images (height, width), in lines of ``n_across`` from the top left.

    The value ``darkest`` and all above are drawn at the end of the colour map, 0 and all below at its
    start; None takes the 99.5th percentile. Pass the same value for grids that are to be compared.
    Raises ValueError if ``image_shape`` is not the number of columns.
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
    _frame(ax, across_and_up / 2, across_and_up / 2)


@dataclass(frozen=True)
class _Class:
    """A class in a picture, or what has no label: which of the rows, and how they are drawn."""

    name: str
    rows: Bool[np.ndarray, " n"]
    number: int | None
    """Among the classes; None without a label."""

    @property
    def has_label(self) -> bool:
        return self.number is not None

    @property
    def colour(self) -> str:
        return NO_LABEL if self.number is None else CLASS_COLOURS[self.number % len(CLASS_COLOURS)]

    @property
    def marker(self) -> str:
        return list(MARKERS)[self._ten % len(MARKERS)]

    @property
    def dashes(self) -> str:
        return DASHES[self._ten % len(DASHES)]

    @property
    def _ten(self) -> int:
        """How often all colours were used before."""
        return (self.number or 0) // len(CLASS_COLOURS)

    @property
    def zorder(self) -> float:
        """Rows without a label are below the others."""
        return 1.0 if self.has_label else 0.5


def _classes(labels: ArrayLike, n: int) -> Iterator[_Class]:
    """Each class of n rows in order, and the rows without a label at the end, if there are any."""
    labels = np.asarray(labels)
    if labels.shape != (n,):
        raise ValueError(f"expected one label for each of {n} rows, got labels of shape {labels.shape}")
    missing = without_label(labels)
    classes, which = np.unique(labels[~missing], return_inverse=True)
    number = np.full(n, -1)
    number[~missing] = which
    for index, label in enumerate(classes):
        yield _Class(str(label), number == index, index)
    if missing.any():
        yield _Class("no label", missing, None)


def _write_name(
    ax: Axes,
    points: Float[np.ndarray, "n 2"],
    of: _Class,
    window: tuple[Float[np.ndarray, " 2"], float],
    reach: Float[np.ndarray, "n 2"] | float = 0.0,
) -> tuple[Text, Float[np.ndarray, "2 2"]]:
    """Write the name of a class at its median point, or just above the class if it would hide it there.

    The name is below the class where the window, given by its middle and half its width, leaves no room
    above. What is drawn of each point reaches ``reach`` from it. The second result is the lower left and
    the upper right corner of the name.
    """
    from matplotlib.patheffects import withStroke

    x, y = np.median(points, axis=0)
    text = ax.text(x, y, of.name, color=of.colour, fontsize=17, fontweight="bold")
    halo = [withStroke(linewidth=3.5, foreground="white")]
    text.set(ha="center", va="center", path_effects=halo)
    middle, half = window
    extent = text.get_window_extent()
    pixels = np.array([extent.width, extent.height])
    size = pixels * 2 * half / min(ax.bbox.width, ax.bbox.height)
    box = np.array([x, y]) + np.outer([-0.5, 0.5], size)
    if _share_inside(box, points) > MOST_COVERED:
        top, bottom = (
            np.quantile(points + reach, 0.95, axis=0)[1],
            np.quantile(points - reach, 0.05, axis=0)[1],
        )
        is_above = top + size[1] < middle[1] + half
        text.set(y=top if is_above else bottom, va="bottom" if is_above else "top")
        box[:, 1] = (top, top + size[1]) if is_above else (bottom - size[1], bottom)
    return text, box


def _share_inside(box: Float[np.ndarray, "2 2"], points: Float[np.ndarray, "n 2"]) -> float:
    """Of the points, in a box from its lower left to its upper right corner."""
    return float(np.mean(np.all((box[0] < points) & (points < box[1]), axis=1)))


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
    for (x, y), image in zip(centres, images, strict=True):
        extent = (x - reach, x + reach, y - reach, y + reach)
        ax.imshow(image, cmap=cmap, vmin=0.0, vmax=darkest, extent=extent, interpolation="bilinear")


def _grid(
    Z: Float[np.ndarray, "n 2"], n_across: int
) -> tuple[Float[np.ndarray, "m 2"], Bool[np.ndarray, " m"], float]:
    """Centres of square tiles, line by line from below; which of them have rows near; their side."""
    middle, half = _square_around(Z)
    side = 2 * half / n_across
    steps = side * (np.arange(n_across) + 0.5) - half
    centres = middle + np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    from sklearn.neighbors import NearestNeighbors  # loads much of scikit-learn

    nearest, _ = NearestNeighbors(n_neighbors=1).fit(Z).kneighbors(centres)
    return centres, nearest[:, 0] < side, side


def _square_around(Z: Float[np.ndarray, "n 2"]) -> tuple[Float[np.ndarray, " 2"], float]:
    """Middle and half the side of the least square around points, with a margin."""
    low, high = Z.min(axis=0), Z.max(axis=0)
    return (low + high) / 2, 0.52 * float(np.max(high - low)) or 1.0


def _frame(ax: Axes, middle: Float[np.ndarray, " 2"], half: float | Float[np.ndarray, " 2"]) -> None:
    """Set a window with the same scale on both axes, without ticks."""
    (left, low), (right, high) = middle - half, middle + half
    ax.set_xlim(left, right)
    ax.set_ylim(low, high)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_color("#cccccc")


def _check_plane(Z: ArrayLike) -> None:
    if np.ndim(Z) != 2 or np.shape(Z)[1] != 2:
        raise ValueError(
            f"expected coordinates of shape (n, 2), got {np.shape(Z)}; fit with n_components=2, or pass "
            "two columns"
        )
