"""Pictures of rows in classes: a colour for each, its name where it lies, and grey for the others.

Each function draws into the Axes that it is given, and leaves the rest of the figure alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from isthmus.data.checks import target_array
from isthmus.data.targets import without_label
from isthmus.plots._style import (
    CLASS_COLOURS,
    NO_LABEL,
    OURS,
    check_plane,
    equal_frame,
    open_frame,
    plain,
    square_around,
)

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


def histograms(ax: Axes, values: Float[np.ndarray, " n"], labels: ArrayLike | None = None) -> None:
    """The histogram of n values, with a line for each class if there are labels.

    The line of the values without a label is grey, below the others. Colours repeat after ten classes,
    with dashed lines for the second ten, dotted ones for the third, and dots and dashes for the fourth.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    values : array (n,)
    labels : array-like (n,) or None, default None
        Classes; None draws all values as one. Raises ValueError for another number of them.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.plots import figure_in_memory, histograms
    >>> ax = figure_in_memory(4, 3).subplots()
    >>> histograms(ax, np.array([0.0, 0.1, 1.0]), ["a", "a", "b"])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['a', 'b']
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
                label=plain(each.name),
                zorder=each.zorder,
            )
        ax.legend(frameon=False)
    open_frame(ax)


def class_map(
    ax: Axes, Z: np.ndarray, labels: ArrayLike, *, size: float = 9.0, alpha: float = 0.8
) -> None:
    """Scatter coordinates (n, 2), one colour per class, each class named at its median point.

    A name stands just above its class where it would cover more than half of it, and below where the
    plane leaves no room above. All names stand beside the plane where they are long, or would cover one
    another or most of another class. Rows without a label (None, NaN, NA or empty text) are grey, below
    the others, and beside the plane they are called "no label".

    Colours repeat after ten classes, with another marker: in the order of their labels, the first ten
    classes are discs, the second ten triangles, the third ten squares, then crosses and five shapes
    more, so that 90 classes are told apart.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    Z : array (n, 2)
        Coordinates.
    labels : array-like (n,)
        The class of each row.
    size : float, default 9.0
        Area of a disc in square points, small enough for thousands of rows.
    alpha : float, default 0.8
        Opacity: rows that lie on others show.

    Raises
    ------
    ValueError
        If Z has not two columns, or there is not one label per row.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.plots import class_map, figure_in_memory
    >>> ax = figure_in_memory(4, 3).subplots()
    >>> class_map(ax, np.array([[0.0, 0.0], [0.1, 0.0], [1.0, 1.0]]), ["a", "a", "b"])
    >>> [text.get_text() for text in ax.texts]
    ['a', 'b']
    """
    check_plane(Z)
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
            label=plain(each.name),
            zorder=each.zorder,
        )
    middle, half = square_around(Z)
    if not _write_names(ax, Z, [each for each in classes if each.has_label], (middle, half)):
        columns = -(-len(classes) // 20)
        ax.legend(
            loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, markerscale=3, ncols=columns
        )
    equal_frame(ax, middle, half)


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
    ``histograms``.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    mean, std : arrays (n, 2)
        Of the coordinates of each row.
    labels : array-like (n,)
        The class of each row.
    alpha : float, default 0.3
        Opacity of the ellipses; their lines have two and a half times as much.

    Raises
    ------
    ValueError
        If ``mean`` has not two columns, ``std`` has another shape, or there is not one label per row.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.plots import figure_in_memory, posterior_map
    >>> ax = figure_in_memory(4, 3).subplots()
    >>> posterior_map(ax, np.array([[0.0, 0.0], [1.0, 1.0]]), np.full((2, 2), 0.1), ["a", "b"])
    >>> len(ax.collections)  # the ellipses of each class
    2
    """
    check_plane(mean)
    if np.shape(std) != np.shape(mean):
        raise ValueError(
            f"std of shape {np.shape(std)} for a mean of shape {np.shape(mean)}: pass one standard "
            "deviation per coordinate and row, as isthmus.posterior gives"
        )
    from matplotlib.collections import EllipseCollection
    from matplotlib.colors import to_rgba

    window = square_around(np.concatenate([mean - std, mean + std]))
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
    equal_frame(ax, *window)


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
    labels = target_array(labels)
    if labels.shape != (n,):
        raise ValueError(f"expected one label for each of {n} rows, got labels of shape {labels.shape}")
    missing = without_label(labels)
    known = labels[~missing]
    try:
        classes, which = np.unique(known, return_inverse=True)
    except TypeError:  # no order among them, as of numbers and texts
        classes, which = np.unique(known.astype(str), return_inverse=True)
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
    text = ax.text(x, y, plain(of.name), color=of.colour, fontsize=17, fontweight="bold")
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
