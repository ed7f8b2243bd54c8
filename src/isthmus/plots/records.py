"""Pictures of results: errors, estimates, losses. Each draws into the Axes that it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from jaxtyping import Bool, Float, Num

from isthmus.plots._style import (
    CLASS_COLOURS,
    FAINT,
    OTHER,
    OURS,
    WARM,
    open_frame,
    write_plain_numbers,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Scale(Protocol):
    """A scale of an estimate of the dimension, as far as its picture needs it."""

    @property
    def distance(self) -> float: ...
    @property
    def estimate(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


class HeldOutErrors(Protocol):
    """The errors with one number of coordinates, as far as their picture needs them."""

    @property
    def n_components(self) -> int: ...
    @property
    def pca(self) -> float: ...
    @property
    def denoiser(self) -> float: ...


def dimension_scales(ax: Axes, scales: Sequence[Scale], *, colour: str = OURS) -> None:
    """Estimates of ``isthmus.intrinsic_dimension`` at all scales, with their intervals.

    Over the distance to the farthest neighbour in use, in the data's units. Flat where the data have one
    dimension; noise shows as estimates that fall from small distances to large ones.
    """
    distance, estimate, low, high = np.array(
        [(scale.distance, scale.estimate, scale.low, scale.high) for scale in scales]
    ).T
    bars = np.stack([estimate - low, high - estimate])
    ax.errorbar(distance, estimate, bars, fmt="o-", color=colour, capsize=3)
    ax.set_xscale("log")
    write_plain_numbers(ax.xaxis)
    ax.set_xlabel("distance to the neighbours in use")
    ax.set_ylabel("dimension")
    open_frame(ax)


def error_by_dimension(
    ax: Axes, errors: Sequence[HeldOutErrors], chosen: int, left_open: tuple[int, int]
) -> None:
    """Errors of restoring unseen rows from noise by the number of coordinates, and the one chosen.

    The shade is over the numbers that are left open.
    """
    d = [error.n_components for error in errors]
    ax.plot(d, [100 * error.pca for error in errors], "o-", color=OTHER, label="PCA")
    ours = [100 * error.denoiser for error in errors]
    ax.plot(d, ours, "o-", color=OURS, label="denoising auto-encoder")
    ax.axvline(chosen, color=WARM, linestyle="--", label=f"the choice: {chosen}")
    low, high = left_open
    ax.axvspan(low - 0.1, high + 0.1, color=WARM, alpha=0.12, linewidth=0)
    ax.set_yscale("log")
    write_plain_numbers(ax.yaxis)
    ax.set_xticks(d)
    ax.set_xlabel("coordinates")
    ax.set_ylabel("unseen rows restored from noise:\nerror, % of their variance")
    ax.legend(frameon=False)
    open_frame(ax)


def losses(ax: Axes, history: Mapping[str, Float[np.ndarray, " epochs"]], best: int) -> None:
    """Losses of training and held-out rows by epoch, and the epoch ``best`` that is kept."""
    epoch, train, held_out = (history[name] for name in ("epoch", "train_loss", "validation_loss"))
    is_judged = not np.isnan(held_out).all()
    # Beside held-out rows one asks why the loss of training is the larger.
    ax.plot(epoch, train, color=FAINT, label=f"training rows{', with noise' if is_judged else ''}")
    if is_judged:
        ax.plot(epoch, held_out, color=OURS, label="held-out rows")
        ax.plot(epoch[best], held_out[best], "o", color=WARM, label=f"kept: epoch {epoch[best]}")
    both = np.concatenate([train, held_out])
    if np.isfinite(both).any() and np.nanmin(both) > 0:
        ax.set_yscale("log")
        write_plain_numbers(ax.yaxis)
    ax.set_xlabel("epoch (0 is the start)")
    ax.set_ylabel("loss per row")
    ax.legend(frameon=False)
    open_frame(ax)


def loading_bars(
    ax: Axes, names: Sequence[str], means: Float[np.ndarray, " m"], strengths: Float[np.ndarray, " m"]
) -> None:
    """What a coordinate does to features, the first at the top: the mean, on ± the root mean square."""
    upwards, light = list(names)[::-1], strengths[::-1]
    for sign in (-1, 1):
        ax.barh(upwards, sign * light, color="#eeeeee")
    ax.barh(upwards, means[::-1], color=OURS, height=0.5)
    ax.axvline(0, color=FAINT, linewidth=1)
    open_frame(ax)


def bars(ax: Axes, names: Sequence[str], values: Sequence[float], errors: Sequence[float]) -> None:
    """Shares of 1 as bars, the first at the top, each with its standard error."""
    ax.barh(list(names)[::-1], list(values)[::-1], xerr=list(errors)[::-1], color=OURS, height=0.6)
    ax.set_xlim(min(0.0, *values), 1.0)
    open_frame(ax)


def curves(
    ax: Axes, across: Num[np.ndarray, " m"], shares: Mapping[str, Float[np.ndarray, " m"]]
) -> None:
    """Shares of 1 over a number, a line for each."""
    for (name, values), colour in zip(shares.items(), CLASS_COLOURS, strict=False):
        ax.plot(across, values, "o-", color=colour, label=name)
    ax.set_ylim(0.0, 1.0)
    ax.legend(frameon=False)
    open_frame(ax)


def dots(ax: Axes, names: Sequence[str], measures: Mapping[str, Sequence[float | None]]) -> None:
    """Some measures of each name, the first at the top; what is None is left out."""
    places = np.arange(len(names))[::-1]
    for (measure, values), colour in zip(measures.items(), CLASS_COLOURS, strict=False):
        known = np.array([np.nan if value is None else value for value in values])
        ax.plot(known, places, "o", color=colour, label=measure)
    ax.set_yticks(places, names)
    ax.grid(axis="y", color="#eeeeee")
    ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
    open_frame(ax)


def flagged_rows(
    ax: Axes,
    sparsity: Float[np.ndarray, " n"],
    error: Float[np.ndarray, " n"],
    flagged: Bool[np.ndarray, " n"],
) -> None:
    """Rows by the distance to known rows in the map and by their reconstruction error."""
    for chosen, colour, label in ((~flagged, OURS, "like the known rows"), (flagged, WARM, "flagged")):
        if chosen.any():
            x, y = sparsity[chosen], error[chosen]
            ax.scatter(x, y, s=9, color=colour, linewidths=0, label=f"{label}: {chosen.sum()}")
    for values, axis in ((sparsity, ax.xaxis), (error, ax.yaxis)):
        if np.min(values) > 0:
            (ax.set_xscale if axis is ax.xaxis else ax.set_yscale)("log")
            write_plain_numbers(axis)
    ax.set_xlabel("distance to known rows in the map")
    ax.set_ylabel("squared error of the row")
    ax.legend(frameon=False)
    open_frame(ax)
