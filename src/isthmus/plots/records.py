"""Pictures of results: errors, estimates, losses. Each draws into the Axes that it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
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
    plain,
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

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    scales : sequence of Scale
        ``scales`` of what ``isthmus.intrinsic_dimension`` returns.
    colour : str, default that of isthmus
        Of the line: one of its own for each where several are drawn.

    Examples
    --------
    >>> import isthmus, numpy as np
    >>> from isthmus.plots import dimension_scales, figure_in_memory
    >>> X = np.random.default_rng(0).uniform(size=(300, 2))
    >>> ax = figure_in_memory(4, 3).subplots()
    >>> dimension_scales(ax, isthmus.intrinsic_dimension(X, "gride").scales)
    >>> ax.get_xlabel()
    'distance to the neighbours in use'
    """
    distance, estimate, low, high = np.array(
        [(scale.distance, scale.estimate, scale.low, scale.high) for scale in scales]
    ).T
    bars = np.stack([estimate - low, high - estimate])
    ax.errorbar(distance, estimate, bars, fmt="o-", color=colour, capsize=3)
    if distance.max() > 0:  # all components of a line leave nothing out
        ax.set_xscale("log")
        write_plain_numbers(ax.xaxis)
    ax.set_xlabel("distance to the neighbours in use")
    ax.set_ylabel("dimension")
    open_frame(ax)


def error_by_dimension(
    ax: Axes, errors: Sequence[HeldOutErrors], chosen: int, left_open: tuple[int, int]
) -> None:
    """Errors of restoring unseen rows from noise by the number of coordinates, and the one chosen.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    errors : sequence of HeldOut
        ``errors`` of what ``isthmus.choose_dimension`` returns, as shares of the variance.
    chosen : int
        The number of coordinates that is chosen.
    left_open : (int, int)
        The range that the evidence leaves open, which is shaded.

    Examples
    --------
    >>> from isthmus.diagnostics.dimension.evidence import HeldOut
    >>> from isthmus.plots import error_by_dimension, figure_in_memory
    >>> ax = figure_in_memory(4, 3).subplots()
    >>> error_by_dimension(ax, [HeldOut(1, 0.5, 0.4), HeldOut(2, 0.2, 0.1)], 2, (2, 2))
    >>> ax.lines[0].get_ydata().tolist()  # PCA's, in per cent
    [50.0, 20.0]
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
    """Losses of training and held-out rows by epoch, and the epoch that is kept.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    history : mapping of str to array (epochs,)
        ``history_`` of a model: "epoch", "train_loss" and "validation_loss".
    best : int
        ``best_epoch_`` of it.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.plots import figure_in_memory, losses
    >>> history = {"epoch": np.arange(3), "train_loss": np.array([np.nan, 3.0, 1.0])}
    >>> history["validation_loss"] = np.array([4.0, 2.0, 2.5])
    >>> ax = figure_in_memory(4, 3).subplots()
    >>> losses(ax, history, best=1)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['training rows, with noise', 'held-out rows', 'kept: epoch 1']
    """
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
    """What a coordinate does to features, the first at the top: the mean, on ± the root mean square.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    names : sequence of m str
        Of the features.
    means, strengths : arrays (m,)
        ``mean`` and ``strength`` of each, as ``isthmus.loadings`` gives them.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.plots import figure_in_memory, loading_bars
    >>> ax = figure_in_memory(4, 3).subplots()
    >>> loading_bars(ax, ["mass", "length"], np.array([0.5, -0.2]), np.array([0.6, 0.3]))
    >>> [float(bar.get_width()) for bar in ax.patches[-2:]]  # the last is at the top
    [-0.2, 0.5]
    """
    upwards, light = list(map(plain, names))[::-1], strengths[::-1]
    for sign in (-1, 1):
        ax.barh(upwards, sign * light, color="#eeeeee")
    ax.barh(upwards, means[::-1], color=OURS, height=0.5)
    ax.axvline(0, color=FAINT, linewidth=1)
    open_frame(ax)


def bars(ax: Axes, names: Sequence[str], values: Sequence[float], errors: Sequence[float]) -> None:
    """Shares of 1 as bars, the first at the top, each with its standard error.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    names : sequence of m str
    values, errors : sequences of m float
        The shares, and their standard errors.

    Examples
    --------
    >>> from isthmus.plots import bars, figure_in_memory
    >>> ax = figure_in_memory(4, 3).subplots()
    >>> bars(ax, ["overlap", "spearman"], [0.25, 0.5], [0.01, 0.02])
    >>> [float(bar.get_width()) for bar in ax.patches]  # the last is at the top
    [0.5, 0.25]
    """
    ax.barh(
        list(map(plain, names))[::-1],
        list(values)[::-1],
        xerr=list(errors)[::-1],
        color=OURS,
        height=0.6,
    )
    ax.set_xlim(min(0.0, *values), 1.0)
    open_frame(ax)


def curves(
    ax: Axes, across: Num[np.ndarray, " m"], shares: Mapping[str, Float[np.ndarray, " m"]]
) -> None:
    """Shares of 1 over a number, a line for each.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    across : array (m,)
        The number.
    shares : mapping of str to array (m,)
        Each by its name.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.plots import curves, figure_in_memory
    >>> ax = figure_in_memory(4, 3).subplots()
    >>> curves(ax, np.array([5, 10]), {"overlap": np.array([0.2, 0.3])})
    >>> ax.lines[0].get_label(), ax.lines[0].get_ydata().tolist()
    ('overlap', [0.2, 0.3])
    """
    for (name, values), colour in zip(shares.items(), cycle(CLASS_COLOURS), strict=False):
        ax.plot(across, values, "o-", color=colour, label=plain(name))
    ax.set_ylim(0.0, 1.0)
    ax.legend(frameon=False)
    open_frame(ax)


def dots(ax: Axes, names: Sequence[str], measures: Mapping[str, Sequence[float | None]]) -> None:
    """Some measures of each name, the first at the top; what is None is left out.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    names : sequence of m str
        A line for each.
    measures : mapping of str to sequence of m float or None
        A colour for each.

    Examples
    --------
    >>> from isthmus.plots import dots, figure_in_memory
    >>> ax = figure_in_memory(4, 3).subplots()
    >>> dots(ax, ["PCA", "t-SNE"], {"neighbours kept": [0.25, None]})
    >>> ax.lines[0].get_xdata().tolist()
    [0.25, nan]
    """
    places = np.arange(len(names))[::-1]
    for (measure, values), colour in zip(measures.items(), cycle(CLASS_COLOURS), strict=False):
        known = np.array([np.nan if value is None else value for value in values])
        ax.plot(known, places, "o", color=colour, label=plain(measure))
    ax.set_yticks(places, list(map(plain, names)))
    ax.grid(axis="y", color="#eeeeee")
    ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
    open_frame(ax)


def flagged_rows(
    ax: Axes,
    sparsity: Float[np.ndarray, " n"],
    error: Float[np.ndarray, " n"],
    flagged: Bool[np.ndarray, " n"],
) -> None:
    """Rows by the distance to known rows in the map and by their reconstruction error.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    sparsity, error : arrays (n,)
        ``sparsity`` and ``reconstruction_error`` of what ``isthmus.reliability`` returns.
    flagged : array (n,) of bool
        Which of them are not to be believed; these are red.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.plots import figure_in_memory, flagged_rows
    >>> ax = figure_in_memory(4, 3).subplots()
    >>> flagged_rows(ax, np.array([0.1, 5.0]), np.array([0.2, 9.0]), np.array([False, True]))
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['like the known rows: 1', 'flagged: 1']
    """
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
