"""The picture of averaging: the error falls to a floor, along a line in 1/M, and the spread to zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isthmus.laboratories._axes import NOTE, TEXT, blank_figure, plain_axes
from isthmus.laboratories.averaging.run import AveragingReport
from isthmus.plots import FAINT, OTHER, OURS, WARM

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = (
    "Networks of one kind learn from the same rows; only their initial weights and the order of rows "
    "are drawn anew for each. Predictions of M of them are averaged, in disjoint groups.\n"
    "The floor is what all of them have in common; it is compared with other networks, which are in "
    "no group. Bars: two standard errors."
)


def picture(report: AveragingReport) -> Figure:
    """Three panels: the error by M, the error by 1/M, and the spread by M."""
    title = "Averaging M networks removes their variance, not their common bias"
    figure = blank_figure(7.6, title)
    errors, line, spread = figure.subplots(1, 3, width_ratios=(1.15, 1.0, 1.0))
    draw_errors(errors, report)
    draw_line(line, report)
    draw_spread(spread, report)
    figure.supxlabel(CAPTION, fontsize=NOTE, color=OTHER)
    return figure


def draw_errors(ax: Axes, report: AveragingReport) -> None:
    """The error by M, what theory says of it, the floor, and the separate ensemble."""
    floor, n = report.intercept.value, report.n_reference
    members = np.geomspace(1, max(n, report.records[-1].M), 200)
    ax.plot(members, floor + report.slope.value / members, color=FAINT, linewidth=3)
    ax.axhline(floor, color=OTHER, linestyle="--", zorder=0)
    ax.annotate(
        f"what all networks share: {floor:.4g}",
        (1, floor),
        xytext=(0, -6),
        textcoords="offset points",
        fontsize=TEXT,
        color=OTHER,
        va="top",
    )
    _draw_groups(ax, report, [record.M for record in report.records])
    _draw_reference(ax, report, n, f"{n} other networks,\naveraged: {report.reference.value:.4g}")
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter("{x:.0f}")
    ax.margins(y=0.12)
    plain_axes(
        ax,
        f"{report.data}, {report.n_train} training rows:\nthe error falls to a floor",
        "networks averaged, M",
        "mean squared error on other rows",
    )
    ax.legend(frameon=False, fontsize=NOTE, loc="upper right")


def draw_line(ax: Axes, report: AveragingReport) -> None:
    """The error against 1/M, and the line through it down to M = ∞."""
    floor, slope = report.intercept, report.slope
    ax.plot([0, 1], [floor.value, floor.value + slope.value], color=FAINT, linewidth=3)
    _draw_groups(ax, report, [1 / record.M for record in report.records])
    _draw_reference(ax, report, 1 / report.n_reference, f"{report.n_reference} others")
    text = f"error = {floor.value:.4g} + {slope.value:.3g}/M\nR² = {report.r_squared:.4f}"
    ax.text(0.06, 0.9, text, transform=ax.transAxes, fontsize=TEXT, va="top")
    ax.set_xticks([0, 0.125, 0.25, 0.5, 1], ["∞", "8", "4", "2", "M = 1"])
    plain_axes(ax, "against 1/M it is a line,\nas for any squared error", "1/M", "the same error")


def draw_spread(ax: Axes, report: AveragingReport) -> None:
    """The standard deviation of averages by M, and 1/√M from the spread of single networks."""
    from matplotlib.ticker import NullLocator

    sizes, spread, error = np.array([(r.M, r.spread, 2 * r.spread_error) for r in report.records]).T
    ax.plot(sizes, spread[0] / np.sqrt(sizes), color=FAINT, linewidth=3, label="theory: 1/√M")
    ax.errorbar(sizes, spread, error, fmt="o", color=OURS, capsize=4, label="measured")
    text = f"slope {report.exponent.value:.3f} ± {report.exponent.error:.3f}\n(theory: −0.5)"
    ax.text(0.06, 0.08, text, transform=ax.transAxes, fontsize=TEXT)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.xaxis.set_major_formatter("{x:.0f}")
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_yticks(spread, [f"{value:.3g}" for value in spread])
    plain_axes(
        ax,
        "their spread falls to zero,\nas one over the root of M",
        "networks averaged, M",
        "standard deviation of the averages",
    )
    ax.legend(frameon=False, fontsize=NOTE, loc="upper right")


def _draw_groups(ax: Axes, report: AveragingReport, places: list[float] | list[int]) -> None:
    errors = [record.error for record in report.records]
    bars = [2 * record.standard_error for record in report.records]
    ax.errorbar(places, errors, bars, fmt="o", color=OURS, capsize=4, label="disjoint groups of M")


def _draw_reference(ax: Axes, report: AveragingReport, place: float, label: str) -> None:
    value, error = report.reference
    ax.errorbar([place], [value], [2 * error], fmt="s", color=WARM, capsize=4, label=label)
