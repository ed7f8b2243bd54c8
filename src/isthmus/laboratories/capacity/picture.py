"""The picture of width against depth: what was to be found, and what nets of each depth miss of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isthmus.laboratories._axes import NOTE, TEXT, TITLE, blank_figure, plain_axes
from isthmus.laboratories.capacity._functions import FUNCTIONS, Function
from isthmus.laboratories.capacity.report import FOUND, CapacityReport
from isthmus.plots import FAINT, OTHER, OURS, WARM

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (WARM, OURS, "#223d57", "#66ccee", "#228833")
"""Colours by the number of hidden layers, from 1; the last is for all deeper nets."""

CAPTION = (
    "Nets of equal numbers of parameters, within {mismatch:.0%}, learn from the same rows; each kind at "
    "the learning rate that fits these best. Line: median of its starts; band: all of them; dotted: "
    "median at the rate {rate:g} for all.\n"
    "At 100 % a net is no better than the mean of the targets; below {found:.1%} it counts as having "
    "found the function. Stars: no start of the perceptron, or of the best deeper net, is as good."
)

THIRD = 0.5
"""Third coordinate of the section through the cube: at 0 the product would be 0."""

ABOVE = f"Upper row: the functions of three inputs that are to be found, where the third is {THIRD}.\n"


def picture(report: CapacityReport) -> Figure:
    """A column for each target: the function, where it is known, and the errors."""
    known = all(target in FUNCTIONS for target in report.targets)
    figure = blank_figure(10.6 if known else 7.4, "Width or depth: which network finds the function?")
    ratios = (0.75, 1.0) if known else (1.0,)
    axes = figure.subplots(len(ratios), len(report.targets), height_ratios=ratios, squeeze=False)
    for column, target in enumerate(report.targets):
        draw_errors(axes[-1, column], report, target)
        axes[0, column].set_title(target, fontsize=TITLE, pad=12)
        if known:
            draw_function(axes[0, column], FUNCTIONS[target])
    lowest, highest = zip(*(ax.get_ylim() for ax in axes[-1]), strict=True)
    for ax in axes[-1]:
        ax.set_ylim(min(lowest), max(highest))
    axes[-1, 0].set_ylabel("% of the variance missed on new rows", fontsize=TEXT)
    axes[-1, 0].legend(frameon=False, fontsize=NOTE, loc="best")
    caption = CAPTION.format(mismatch=report.mismatch, found=FOUND, rate=report.lowest_rate)
    figure.supxlabel(ABOVE * known + caption, fontsize=NOTE, color=OTHER)
    return figure


def draw_function(ax: Axes, function: Function) -> None:
    """A section through the cube."""
    side = np.linspace(-1, 1, 200)
    x, y = np.meshgrid(side, side)
    values = function(np.stack([x.ravel(), y.ravel(), np.full(x.size, THIRD)], axis=1)).reshape(x.shape)
    ax.imshow(values, origin="lower", extent=(-1, 1, -1, 1), cmap="gray")
    ax.set_xticks([-1, 0, 1])
    ax.set_yticks([-1, 0, 1])
    ax.tick_params(labelsize=NOTE)
    ax.set_xlabel("x₁", fontsize=NOTE)
    ax.set_ylabel("x₂", fontsize=NOTE)


def draw_errors(ax: Axes, report: CapacityReport, target: str) -> None:
    """Test errors by the number of parameters, a line for each depth; stars where depth decides."""
    budgets = report.budgets[target]
    for place, depth in enumerate(report.depths):
        kinds = [report.kinds(target, budget)[place] for budget in budgets]
        percent = 100 * np.array([(kind.best, kind.test_error, kind.worst) for kind in kinds]).T
        colour = COLOURS[min(depth, len(COLOURS)) - 1]
        label = f"{depth} hidden layers" if depth > 1 else "1 hidden layer: perceptron"
        ax.fill_between(budgets, percent[0], percent[2], color=colour, alpha=0.15, lw=0)
        ax.plot(budgets, percent[1], "o-", color=colour, markersize=5, label=label)
        slow = [report.kinds(target, budget, report.lowest_rate)[place] for budget in budgets]
        ax.plot(budgets, [100 * kind.test_error for kind in slow], ":", color=colour, linewidth=1.6)
        stars = [report.clear_winner(target, budget) == depth for budget in budgets]
        ax.plot(np.array(budgets)[stars], percent[1, stars], "*", color=colour, markersize=16)
    ax.axhline(100 * FOUND, color=FAINT, linestyle="--", zorder=0)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(budgets, [f"{budget:,}" for budget in budgets], minor=False)
    ax.set_xticks([], minor=True)
    ax.yaxis.set_major_formatter("{x:g}")
    plain_axes(ax, "", "parameters", "")
