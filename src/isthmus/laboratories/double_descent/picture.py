"""The picture of double descent: errors, why they peak, and the theory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isthmus.laboratories._axes import NOTE, TEXT, blank_figure, plain_axes
from isthmus.laboratories.double_descent.risk import RiskPoint, exact_risk
from isthmus.laboratories.double_descent.run import Curve
from isthmus.laboratories.double_descent.verdict import N_AVERAGED, DoubleDescentReport
from isthmus.plots import FAINT, OTHER, OURS, WARM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = (
    "Above: hidden nodes are cos(w·x + b) with w and b drawn at random; only the weights from them to "
    "the outputs are fitted, by least squares. Beyond the threshold many weights fit exactly, and the\n"
    "shortest vector is taken. m*: the best of the models that are too small to fit all training rows. "
    "Below, left: all weights are trained by gradients, without early stopping."
)

SMALLEST = 3e-3
"""Smallest training error that is drawn: beyond the threshold errors are rounding."""


def picture(report: DoubleDescentReport) -> Figure:
    """Four panels: errors by size, why they peak, the case whose error is known, trained networks."""
    figure = blank_figure(14.5, "More parameters than data: the error falls, peaks, and falls again")
    (errors, norms), (trained, theory) = figure.subplots(2, 2, width_ratios=(1.25, 1.0))
    draw_errors(errors, report.curve, report.data)
    draw_norms(norms, report.curve)
    draw_trained(trained, report.single, report.averaged, report.data)
    draw_risks(theory, report.risks)
    figure.supxlabel(CAPTION, fontsize=NOTE, color=OTHER)
    return figure


def draw_errors(ax: Axes, curve: Curve, data: str = "data") -> None:
    """Test and training error by size; m*, the threshold and the second descent's end are marked."""
    marks = curve.landmarks()
    test, train = curve.values("test_error"), curve.values("train_error")
    _draw_median(ax, curve, test, WARM, "on rows that the model has not seen")
    _draw_median(ax, curve, np.maximum(train, SMALLEST), OURS, "on the training rows: 0 beyond")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(SMALLEST, 6 * test.max())
    _mark_threshold(ax, curve)
    ax.axhline(marks.classical_error, color=FAINT, linestyle=":", zorder=0)
    _note(
        ax, f"m* = {marks.classical_optimum}", marks.classical_optimum, marks.classical_error, (-10, 45)
    )
    _note(ax, f"M = {marks.end}", marks.end, marks.end_error, (-30, -62))
    _note(ax, f"M = {marks.peak}", marks.peak, marks.peak_error, (62, -14))
    plain_axes(
        ax,
        f"{data}: a perceptron with M hidden nodes, {curve.n_train} training rows",
        "hidden nodes M",
        "squared error (median of the repeats; band: all of them)",
    )
    ax.legend(frameon=False, fontsize=NOTE, loc="upper left")


def draw_trained(ax: Axes, single: Curve, averaged: Curve, data: str = "data") -> None:
    """Test error of trained networks by size, one by one and averaged."""
    _draw_median(ax, single, single.values("test_error"), WARM, "one network, on unseen rows")
    label = f"the mean of {N_AVERAGED} networks, on unseen rows"
    _draw_median(ax, averaged, averaged.values("test_error"), OURS, label)
    ax.set_xscale("log")
    ax.set_ylim(bottom=0)
    _mark_threshold(ax, single, "about as many weights\nas numbers to fit")
    plain_axes(
        ax,
        f"{data}: trained perceptrons, {single.n_train} noisy training rows;\n"
        "an average of networks flattens the peak",
        "hidden nodes M",
        "squared error (median of the repeats; band: all of them)",
    )
    ax.legend(frameon=False, fontsize=NOTE, loc="upper right")


def draw_norms(ax: Axes, curve: Curve) -> None:
    """The norm of the weights by size: the reason for the peak."""
    _draw_median(ax, curve, curve.values("weight_norm"), OTHER, "")
    ax.set_xscale("log")
    ax.set_yscale("log")
    _mark_threshold(ax, curve)
    plain_axes(
        ax,
        "why: at the threshold one solution\nis left, and its weights are huge",
        "hidden nodes M",
        "norm of the fitted weights",
    )


def draw_risks(ax: Axes, risks: Sequence[RiskPoint]) -> None:
    """The exact error of every size as a line; measured ones as points with two standard errors."""
    sizes = np.arange(1, 101)
    ax.plot(sizes, exact_risk(sizes), color=FAINT, linewidth=3, label="theory")
    measured = np.array([(risk.size, risk.measured, 2 * risk.standard_error) for risk in risks])
    ax.errorbar(
        *(measured[:, 0], measured[:, 1], measured[:, 2]),
        fmt="o",
        color=WARM,
        capsize=4,
        label=f"measured, mean\nof {risks[0].n_repeats} repeats",
    )
    ax.axvline(40, color=FAINT, linestyle="--", zorder=0)
    ax.set_ylim(0, 8)
    plain_axes(
        ax,
        "the same where the error is known exactly:\n40 rows, some of 100 features, noise of 0.2",
        "features p that the fit may use",
        "expected squared error of a new row",
    )
    ax.legend(frameon=False, fontsize=NOTE, loc=(0.5, 0.62))


def _draw_median(ax: Axes, curve: Curve, values: np.ndarray, colour: str, label: str) -> None:
    ax.fill_between(curve.sizes, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.18, lw=0)
    ax.plot(curve.sizes, np.median(values, axis=0), "o-", color=colour, markersize=4, label=label)


def _mark_threshold(ax: Axes, curve: Curve, why: str = "as many nodes\nas training rows") -> None:
    ax.axvline(curve.threshold, color=FAINT, linestyle="--", zorder=0)
    ax.annotate(
        why,
        (curve.threshold, 0.03),
        xycoords=("data", "axes fraction"),
        xytext=(6, 0),
        textcoords="offset points",
        fontsize=NOTE,
        color=OTHER,
    )


def _note(ax: Axes, text: str, size: int, error: float, offset: tuple[float, float]) -> None:
    ax.annotate(
        f"{text}\nerror {error:.3g}",
        (size, error),
        xytext=offset,
        textcoords="offset points",
        ha="center",
        fontsize=TEXT,
        arrowprops={"arrowstyle": "-", "color": OTHER},
    )
