"""The pictures of the page, each as a data URI: maps as PNG, charts as SVG."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np

from isthmus.data.targets import are_classes
from isthmus.plots import class_map, decoded_features, decoded_grid, dimension_scales, value_map
from isthmus.report.findings import Findings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OURS, OTHER, WARM, FAINT = "#4477aa", "#777777", "#ee6677", "#bbbbbb"
"""Colours of the map, of PCA, of highlights, and of the background."""

MOST_FEATURES = 6
"""Largest number of features that are drawn over the plane."""


def _figure(
    width: float, height: float, n_across: int = 1, n_down: int = 1
) -> tuple[Figure, np.ndarray]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(n_down, n_across, squeeze=False)


def _embedded(figure: Figure, kind: str) -> str:
    sink = io.BytesIO()
    figure.savefig(sink, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    mime = {"png": "image/png", "svg": "image/svg+xml"}[kind]
    return f"data:{mime};base64,{base64.b64encode(sink.getvalue()).decode('ascii')}"


def the_map(findings: Findings) -> str:
    """All rows in the plane of the first two coordinates, coloured by label, or by error."""
    figure, ((ax,),) = _figure(7.5, 7.5)
    Z = findings.coordinates[:, :2]
    labels = findings.labels
    if labels is not None and are_classes(labels):
        class_map(ax, Z, labels)
    elif labels is not None:
        value_map(ax, Z, labels, findings.label_name or "label")
    else:
        train = findings.train
        value_map(ax, Z[train], findings.reliability.reconstruction_error, "squared error of the row")
    return _embedded(figure, "png")


def the_decoded_plane(findings: Findings, image_shape: tuple[int, int] | None) -> str | None:
    """What the points of the plane decode to: images, or the features that change most."""
    Z = findings.coordinates
    if Z.shape[1] != 2:
        return None
    if image_shape is not None:
        figure, ((ax,),) = _figure(7.5, 7.5)
        decoded_grid(ax, findings.model, Z, image_shape)
        return _embedded(figure, "png")
    strength = findings.loadings.strength * Z.std(axis=0)[:, None]
    spread = findings.rows.std(axis=0)
    share = np.divide(strength.max(axis=0), spread, out=np.zeros_like(spread), where=spread > 0)
    chosen = np.argsort(-share, kind="stable")[: min(MOST_FEATURES, len(share))]
    n_down = -(-len(chosen) // 3)
    figure, axes = _figure(10, 3.4 * n_down, min(3, len(chosen)), n_down)
    decoded_features(list(axes.ravel()), findings.model, Z, chosen.tolist(), findings.feature_names)
    return _embedded(figure, "png")


def error_by_dimension(findings: Findings) -> str:
    """Error of denoising unseen rows against the number of coordinates."""
    figure, ((ax,),) = _figure(7.5, 4.2)
    found = findings.dimension
    d = [error.n_components for error in found.errors]
    ax.plot(d, [100 * error.pca for error in found.errors], "o-", color=OTHER, label="PCA")
    ours = [100 * error.denoiser for error in found.errors]
    ax.plot(d, ours, "o-", color=OURS, label="denoising auto-encoder")
    ax.axvline(found.dimension, color=WARM, linestyle="--", label=f"the choice: {found.dimension}")
    ax.axvspan(found.low - 0.1, found.high + 0.1, color=WARM, alpha=0.12, linewidth=0)
    ax.set_yscale("log")
    for axis_formatter in (ax.yaxis.set_major_formatter, ax.yaxis.set_minor_formatter):
        axis_formatter("{x:g}")
    ax.set_xticks(d)
    _label(ax, "coordinates", "unseen rows restored from noise:\nerror, % of their variance")
    ax.legend(frameon=False)
    return _embedded(figure, "svg")


def scales(findings: Findings) -> str:
    """The dimension as nearest neighbours see it, from small distances to large ones."""
    figure, ((ax,),) = _figure(7.5, 4.2)
    dimension_scales(ax, findings.dimension.estimates["gride"])
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return _embedded(figure, "svg")


def training(findings: Findings) -> str | None:
    """Loss of training and held-out rows by epoch; None for a map that was not trained."""
    history = getattr(findings.model, "history_", None)
    if history is None:
        return None
    figure, ((ax,),) = _figure(7.5, 4.2)
    epoch = history["epoch"]
    ax.plot(epoch, history["train_loss"], color=FAINT, label="training rows, with noise")
    ax.plot(epoch, history["validation_loss"], color=OURS, label="held-out rows")
    best = findings.model.best_epoch_
    ax.plot([best], [history["validation_loss"][best]], "o", color=WARM, label=f"kept: epoch {best}")
    losses = np.concatenate([history["train_loss"], history["validation_loss"]])
    if np.nanmin(losses) > 0:
        ax.set_yscale("log")
    _label(ax, "epoch (0 is PCA)", "loss per row")
    ax.legend(frameon=False)
    return _embedded(figure, "svg")


def area(findings: Findings) -> str:
    """How much of the data a unit of the picture stands for."""
    tiny = np.finfo(float).tiny
    values = np.log10(np.maximum(findings.distortion.area, tiny))
    return _over_the_map(findings, values, "log₁₀ of the area in the data per unit of the map")


def anisotropy(findings: Findings) -> str:
    """How much more one direction is stretched than another."""
    values = findings.distortion.anisotropy
    values = np.log10(np.where(np.isfinite(values), values, np.nan))
    return _over_the_map(findings, values, "log₁₀ of the longest over the shortest stretch")


def rebuilt(findings: Findings) -> str:
    """Reconstruction error of the rows."""
    values = findings.reliability.reconstruction_error
    return _over_the_map(findings, values, "squared error of the row")


def atypical(findings: Findings) -> str:
    """p-values of the rows by reliability; those that are flagged have a circle."""
    found = findings.reliability
    label = "p-value: share of unseen rows as atypical"
    return _over_the_map(findings, found.p_value, label, found.flagged)


def _over_the_map(
    findings: Findings, values: np.ndarray, label: str, marked: np.ndarray | None = None
) -> str:
    """A number of each row of the fit, and circles around some."""
    figure, ((ax,),) = _figure(5.6, 4.7)
    Z = findings.coordinates[findings.train][:, :2]
    value_map(ax, Z, values, label)
    if marked is not None:
        x, y = Z[marked].T
        ax.scatter(x, y, s=42, facecolors="none", edgecolors=WARM, linewidths=1.2)
    return _embedded(figure, "png")


def loadings(findings: Findings, image_shape: tuple[int, int] | None) -> str:
    """Loadings of the first coordinates: as images, or of the strongest features as bars."""
    n_shown = min(4, findings.coordinates.shape[1])
    if image_shape is not None:
        figure, axes = _figure(3.2 * n_shown, 3.6, n_shown)
        for k, ax in enumerate(axes[0]):
            image = findings.loadings.mean[k].reshape(image_shape)
            most = float(np.abs(image).max()) or 1.0
            ax.imshow(image, cmap="RdBu_r", vmin=-most, vmax=most)
            ax.set_axis_off()
            ax.set_title(f"coordinate {k}")
        return _embedded(figure, "png")
    figure, axes = _figure(
        5 * min(2, n_shown), 3.6 * -(-n_shown // 2), min(2, n_shown), -(-n_shown // 2)
    )
    for k, ax in enumerate(axes.ravel()[:n_shown]):
        strongest = findings.loadings.strongest(k, 10)
        names = list(strongest)[::-1]
        for sign in (-1, 1):
            ax.barh(names, [sign * strongest[name].strength for name in names], color="#eeeeee")
        ax.barh(names, [strongest[name].mean for name in names], color=OURS, height=0.5)
        ax.axvline(0, color=FAINT, linewidth=1)
        _label(ax, "change per unit of the coordinate", "")
        ax.set_title(f"coordinate {k}")
    return _embedded(figure, "svg")


def _label(ax: Axes, across: str, up: str) -> None:
    ax.set_xlabel(across)
    ax.set_ylabel(up)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
