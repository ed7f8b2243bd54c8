"""The picture of the one-number paradox: what a double keeps, and the neighbours on the line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from isthmus.data.neighbours import share_in_common
from isthmus.laboratories._axes import NOTE, TEXT, TITLE, blank_figure, plain_axes
from isthmus.laboratories.one_number.run import (
    ARBITRARY,
    DENOISING,
    PRINCIPAL,
    RASTER,
    VARIATIONAL,
    OneNumber,
    OneNumberReport,
)
from isthmus.plots import OTHER, OURS, WARM

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

N_DOUBLED, N_NEIGHBOURS = 5, 7
"""Numbers of images shown through a double, and of neighbours shown of one image."""

SHOWN = (RASTER, ARBITRARY, PRINCIPAL, DENOISING, VARIATIONAL)
"""Lines whose neighbours are shown."""

CAPTION = (
    "A code is the image itself: its pixels, or their bits, in some order are the digits of "
    "one integer; an arbitrary code is that integer times a drawn number.\n"
    "A node is the bottleneck of an auto-encoder that was trained with noise. Bars: two "
    "standard errors. Chance: the share that a random order keeps."
)

GAP = 0.12
"""Gap between images, as a share of their side."""


def picture(report: OneNumberReport) -> Figure:
    """A line of three panels for each set of images."""
    found = report.found
    figure = blank_figure(
        1.6 + 5.8 * len(found), "An image as one number: nothing is lost, and few neighbours are kept"
    )
    axes = figure.subplots(len(found), 3, width_ratios=(0.8, 1.35, 1.1), squeeze=False)
    for (doubled, strips, bars), one in zip(axes, found, strict=True):
        draw_doubled(doubled, one)
        draw_neighbours(strips, one)
        draw_overlaps(bars, one)
    figure.supxlabel(CAPTION, fontsize=NOTE, color=OTHER)
    return figure


def draw_doubled(ax: Axes, one: OneNumber) -> None:
    """Images, and what comes back when their integer is forced into one double."""
    chosen = np.linspace(0, len(one.images) - 1, N_DOUBLED).astype(int)
    pairs = np.stack([_flat(one.images[chosen]), _flat(one.doubled[chosen])], axis=1)
    _draw_images(ax, pairs, one.levels)
    ax.set_title(
        f"{one.data}: an integer of\n{one.n_bits:,} bits gives each back\n"
        "exactly (left), a double does not",
        fontsize=TITLE,
        pad=12,
    )
    after = np.median(one.kept - one.blank)
    ax.set_xlabel(
        f"one double keeps {after:.0f} of {one.images[0].size:,} pixels\n"
        f"after the {np.median(one.blank):.0f} blank ones at the front",
        fontsize=TEXT,
        labelpad=10,
    )


def draw_neighbours(ax: Axes, one: OneNumber) -> None:
    """One image and those next to it on each line: an image on which lines do as they do on average."""
    shown = [line for line in SHOWN if line in one.neighbours]
    image = _typical(one, shown)
    rows = [one.nearest[image]] + [one.neighbours[line][image] for line in shown]
    strips = np.stack([one.images[[image, *row[:N_NEIGHBOURS]]] for row in rows])
    _draw_images(ax, _flat(strips, 2), one.levels, first_apart=True)
    for place, name in enumerate(["nearest images", *shown]):
        ax.text(-0.25, place + 0.5, name, ha="right", va="center", fontsize=TEXT)
    ax.set_title(
        f"an image (left) and the {N_NEIGHBOURS} next to it,\nwhere each image is one number",
        fontsize=TITLE,
        pad=12,
    )


def draw_overlaps(ax: Axes, one: OneNumber) -> None:
    """The share of the nearest images that each line keeps, with two standard errors, and chance."""
    lines = sorted(one.means, key=lambda line: one.means[line].overlap)
    values = 100 * np.array([one.means[line] for line in lines])
    colours = [OURS if line in (DENOISING, VARIATIONAL) else OTHER for line in lines]
    ax.barh(lines, values[:, 0], xerr=2 * values[:, 1], color=colours, alpha=0.8, capsize=3)
    ax.axvline(100 * one.chance, color=WARM, linestyle="--")
    ax.text(
        *(100 * one.chance, len(lines) - 0.4, " chance"),
        color=WARM,
        fontsize=TEXT,
        va="bottom",
        ha="left",
    )
    for place, (value, error) in enumerate(values):
        ax.text(value + 2 * error, place, f"  {value:.1f}", va="center", fontsize=NOTE)
    ax.margins(x=0.1)
    plain_axes(
        ax,
        "neighbours kept on the line,\nby networks (blue) and by the others",
        f"% of the {one.nearest.shape[1]} nearest images that are kept",
        "",
    )


def _typical(one: OneNumber, lines: Sequence[str]) -> int:
    """The image whose neighbours each line keeps as well as it does on average."""
    shares = np.stack([share_in_common(one.neighbours[line], one.nearest) for line in lines])
    apart = np.abs(shares - shares.mean(axis=1, keepdims=True)).sum(axis=0)
    return int(np.argmin(apart))


def _flat(images: Int[np.ndarray, " ..."], n_leading: int = 1) -> Int[np.ndarray, " ..."]:
    """Images with two axes: more are laid side by side, one is a line."""
    leading, shape = images.shape[:n_leading], images.shape[n_leading:]
    return images.reshape(*leading, shape[0] if len(shape) > 1 else 1, -1)


def _draw_images(
    ax: Axes,
    images: Int[np.ndarray, "lines across height width"],
    levels: int,
    *,
    first_apart: bool = False,
) -> None:
    """A table of images; the first of each line may stand apart from the others."""
    n_lines, n_across = images.shape[:2]
    for line in range(n_lines):
        for place in range(n_across):
            left = place + 0.35 * (first_apart and place > 0)
            extent = (left, left + 1 - GAP, line + 1 - GAP / 2, line + GAP / 2)
            ax.imshow(images[line, place], cmap="gray_r", vmin=0, vmax=levels - 1, extent=extent)
    ax.set_xlim(-0.06, n_across + 0.35 * first_apart)
    ax.set_ylim(n_lines, 0)
    ax.set_aspect("equal")
    ax.set_facecolor("#e8eef5")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
