"""What pictures share: colours, figures without a window, and axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

CLASS_COLOURS = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee",
    "#aa3377", "#e68310", "#777777", "#7a5c3a", "#6a4fbf",
)  # fmt: skip
"""Ten hues that stay apart for the common forms of colour blindness, after Tol's "bright" scheme."""

OURS, OTHER, WARM, FAINT = "#4477aa", "#777777", "#ee6677", "#bbbbbb"
"""Colours of the map, of what it is compared with, of highlights, and of the background."""

NO_LABEL = "#cccccc"
"""Colour of rows without a label, or without a value."""


def axes_or_new(ax: Axes | None) -> Axes:
    """The Axes, or those of a new figure.

    Parameters
    ----------
    ax : matplotlib Axes or None
        None makes a figure by pyplot, which shows it in a notebook.

    Examples
    --------
    >>> from isthmus.plots import axes_or_new, figure_in_memory
    >>> ax = figure_in_memory(4, 3).subplots()
    >>> axes_or_new(ax) is ax
    True
    """
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    _, new = plt.subplots(layout="constrained")
    return new


def figure_in_memory(
    width: float,
    height: float,
    **form: Any,  # of Figure
) -> Figure:
    """A figure for a file or a page, in inches: it opens no window, and pyplot does not know of it.

    Parameters
    ----------
    width, height : float
        In inches.
    **form
        What else matplotlib's ``Figure`` takes.

    Returns
    -------
    Figure

    Examples
    --------
    >>> from isthmus.plots import figure_in_memory
    >>> figure_in_memory(4, 3).get_size_inches().tolist()
    [4.0, 3.0]
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white", **{"layout": "constrained"} | form)
    FigureCanvasAgg(figure)
    return figure


def plain(name: object) -> str:
    """A name of the data as matplotlib writes it letter by letter.

    Text between two dollars would be a formula, and a legend leaves out what begins with an underscore.
    """
    text = str(name).replace("$", r"\$")
    return f"\N{ZERO WIDTH SPACE}{text}" if text.startswith("_") else text


def write_plain_numbers(axis: Axis) -> None:
    """Write 20 and not 2 × 10¹ along a logarithmic axis."""
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("{x:g}")


def open_frame(ax: Axes) -> None:
    """Hide the frame but for the two axes with numbers."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def square_around(Z: Float[np.ndarray, "n 2"]) -> tuple[Float[np.ndarray, " 2"], float]:
    """Middle and half the side of the least square around points, with a margin."""
    low, high = Z.min(axis=0), Z.max(axis=0)
    return (low + high) / 2, 0.52 * float(np.max(high - low)) or 1.0


def equal_frame(
    ax: Axes, middle: Float[np.ndarray, " 2"], half: float | Float[np.ndarray, " 2"]
) -> None:
    """Set a window with the same scale on both axes, without ticks."""
    (left, low), (right, high) = middle - half, middle + half
    ax.set_xlim(left, right)
    ax.set_ylim(low, high)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_color("#cccccc")


def check_plane(Z: ArrayLike) -> None:
    if np.ndim(Z) != 2 or np.shape(Z)[1] != 2:
        raise ValueError(
            f"expected coordinates of shape (n, 2), got {np.shape(Z)}; fit with n_components=2, or pass "
            "two columns"
        )
