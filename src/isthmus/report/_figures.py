"""The pictures of the page, each as a data URI: maps as PNG, charts as SVG."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np

from isthmus.data.targets import are_classes
from isthmus.plots import (
    WARM,
    class_map,
    decoded_features,
    decoded_grid,
    figure_in_memory,
    value_map,
)
from isthmus.report.findings import Findings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_FEATURES = 6
"""Largest number of features that are drawn over the plane."""

DIGITS = 4
"""Decimals of logarithms: the rest is rounding, and would be all that is seen of a flat map."""


def _figure(
    width: float, height: float, n_across: int = 1, n_down: int = 1
) -> tuple[Figure, np.ndarray]:
    figure = figure_in_memory(width, height)
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
    spread = findings.in_raw_units(findings.rows).std(axis=0)
    share = np.divide(strength.max(axis=0), spread, out=np.zeros_like(spread), where=spread > 0)
    chosen = np.argsort(-share, kind="stable")[: min(MOST_FEATURES, len(share))]
    n_down = -(-len(chosen) // 3)
    figure, axes = _figure(10, 3.4 * n_down, min(3, len(chosen)), n_down)
    decoded_features(
        list(axes.ravel()),
        lambda plane: findings.in_raw_units(findings.model.inverse_transform(plane)),
        Z,
        chosen.tolist(),
        findings.feature_names,
    )
    return _embedded(figure, "png")


def error_by_dimension(findings: Findings) -> str:
    """Error of denoising unseen rows against the number of coordinates."""
    figure, ((ax,),) = _figure(7.5, 4.2)
    findings.dimension.plot(ax)
    return _embedded(figure, "svg")


def scales(findings: Findings) -> str:
    """The dimension as nearest neighbours see it, from small distances to large ones."""
    figure, ((ax,),) = _figure(7.5, 4.2)
    findings.dimension.estimates["gride"].plot(ax)
    return _embedded(figure, "svg")


def training(findings: Findings) -> str | None:
    """Loss of training and held-out rows by epoch; None for a map that was not trained."""
    history = getattr(findings.model, "history_", None)
    if history is None:
        return None
    figure, ((ax,),) = _figure(7.5, 4.2)
    history.plot(ax)
    return _embedded(figure, "svg")


def area(findings: Findings) -> str:
    """How much of the data a unit of the picture stands for."""
    tiny = np.finfo(float).tiny
    values = np.log10(np.maximum(findings.distortion.area, tiny)).round(DIGITS)
    return _over_the_map(findings, values, "log₁₀ of the area in the data per unit of the map")


def anisotropy(findings: Findings) -> str:
    """How much more one direction is stretched than another."""
    values = findings.distortion.anisotropy
    values = np.log10(np.where(np.isfinite(values), values, np.nan)).round(DIGITS)
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
        findings.loadings.plot(ax, coordinate=k)
    return _embedded(figure, "svg")
