"""The picture of compression: error and time of smaller networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.data.wording import counted
from isthmus.laboratories._axes import NOTE, TEXT, blank_figure, plain_axes
from isthmus.laboratories.distilling.run import LARGE, PRUNED, SCRATCH, TAUGHT, DistillingReport
from isthmus.plots import FAINT, OTHER, OURS, WARM

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {LARGE: "black", PRUNED: WARM, TAUGHT: OURS, SCRATCH: OTHER}

CAPTION = (
    "Pruned: units of the large network are removed, the others take over by least squares, and "
    "training goes on. Distilled: a small network learns the outputs of the large one.\n"
    "Trained from scratch: the same small network learns from the data. All errors are of rows that no "
    "network has seen. Numbers at the points: units in the hidden layers of the encoder."
)


def picture(report: DistillingReport) -> Figure:
    """Two panels over the number of parameters: error, and time of a row."""
    figure = blank_figure(8.2, "A large network is easier to train; most of it can go afterwards")
    errors, times = figure.subplots(1, 2)
    draw_errors(errors, report)
    draw_times(times, report)
    figure.supxlabel(CAPTION, fontsize=NOTE, color=OTHER)
    return figure


def draw_errors(ax: Axes, report: DistillingReport) -> None:
    """Error on unseen rows by parameters, in units of the large network's."""
    (large,) = report.of(LARGE)
    ax.axhline(1.0, color=FAINT, linestyle=":", zorder=0)
    for how, colour in COLOURS.items():
        points = report.of(how)
        sizes = [point.n_parameters for point in points]
        errors = [point.error / large.error for point in points]
        ax.plot(sizes, errors, "o-", color=colour, label=how, markersize=7)
        side = 1 if how in (SCRATCH, LARGE) else -1
        for point, size, error in zip(points, sizes, errors, strict=True):
            ax.annotate(
                point.widths,
                (size, error),
                xytext=(8 * side, 6 if side > 0 else -16),
                textcoords="offset points",
                ha="left" if side > 0 else "right",
                fontsize=NOTE,
                color=colour,
            )
    ax.set_xscale("log")
    ax.margins(0.1, 0.15)
    plain_axes(
        ax,
        f"{report.data}: maps with {counted(report.n_components, 'coordinate')}",
        "parameters",
        "error on unseen rows / that of the large network",
    )
    ax.legend(frameon=False, fontsize=TEXT)


def draw_times(ax: Axes, report: DistillingReport) -> None:
    """Seconds that ``transform`` takes for a row, by parameters."""
    for how, colour in COLOURS.items():
        points = report.of(how)
        sizes = [point.n_parameters for point in points]
        ax.plot(sizes, [1e6 * point.seconds_per_row for point in points], "o", color=colour, label=how)
    ax.set_xscale("log")
    ax.set_ylim(bottom=0)
    ax.margins(0.1)
    plain_axes(ax, "time per row", "parameters", "microseconds per row of transform")
