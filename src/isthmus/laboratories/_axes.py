"""A figure, colours and font sizes that the pictures of all laboratories share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.plots import figure_in_memory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE, TEXT, NOTE = 15, 13, 12
"""Font sizes of titles, of text and labels, and of small text."""


def blank_figure(height: float, title: str) -> Figure:
    """A white figure 19.2 inches wide with a title, which needs no screen."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.12)
    figure = figure_in_memory(19.2, height, dpi=110, layout=layout)
    figure.suptitle(title, fontsize=19, fontweight="bold")
    return figure


def plain_axes(ax: Axes, title: str, across: str, up: str) -> None:
    """Set title and labels, and hide the frame but for the two axes with numbers."""
    ax.set_title(title, fontsize=TITLE, pad=12)
    ax.set_xlabel(across, fontsize=TEXT)
    ax.set_ylabel(up, fontsize=TEXT)
    ax.tick_params(labelsize=NOTE)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
