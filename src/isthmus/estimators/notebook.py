"""A fitted map as a notebook shows it: what it won over PCA, what to beware of, and a picture."""

from __future__ import annotations

import base64
import io
from typing import Protocol

import numpy as np

from isthmus import plots
from isthmus.data.coding import code_of, in_code
from isthmus.data.rows import Rows, dense
from isthmus.results import as_html_text

MOST_ROWS = 1000
"""Rows of a fit that are kept in memory for the picture, never in a file."""


class ShownMap(plots.Map, Protocol):
    """A fitted map, as far as a notebook shows it."""

    @property
    def n_components_(self) -> int: ...


def some_of(rows: Rows) -> np.ndarray:
    """At most ``MOST_ROWS`` rows, at even steps, as a copy."""
    step = -(-rows.shape[0] // MOST_ROWS)
    some: np.ndarray = in_code(np.array(dense(rows[::step])), code_of(rows))
    return some


def fitted_html(model: ShownMap) -> str:
    """What there is to say of a fitted map; nothing of one that is not fitted."""
    if not hasattr(model, "network_"):
        return ""
    lines = [f"{model.n_components_} coordinates of {model.n_features_in_} columns{_against_pca(model)}"]
    lines += [f"Beware: {warning}" for warning in getattr(model, "_warnings", ())]
    text = "".join(f"<p>{as_html_text(line)}</p>" for line in lines)
    rows = getattr(model, "_some_rows", None)
    return text if rows is None else text + _picture(model, rows)


def _against_pca(model: ShownMap) -> str:
    loss, of_pca = (
        getattr(model, name, float("nan")) for name in ("validation_loss_", "pca_validation_loss_")
    )
    if not np.isfinite(loss) or not np.isfinite(of_pca):
        return "."
    compared = f", {loss / of_pca:.2f} of PCA's" if loss > 0 and of_pca > 0 else "; PCA's"
    return f": the loss on held-out rows is {loss:.4g}{compared} {of_pca:.4g}."


def _picture(model: ShownMap, rows: np.ndarray) -> str:
    figure = plots.figure_in_memory(4.2, 4.2)
    plots.plot(model, rows, ax=figure.subplots())
    sink = io.BytesIO()
    figure.savefig(sink, format="png", dpi=100)
    image = base64.b64encode(sink.getvalue()).decode("ascii")
    alternative = f"{len(rows)} rows of the fit in the map"
    return f'<img alt="{alternative}" src="data:image/png;base64,{image}">'
