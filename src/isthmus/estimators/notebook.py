"""A fitted map as a notebook shows it: what it won over PCA, what to beware of, and a picture."""

from __future__ import annotations

import base64
import io
from typing import NamedTuple, Protocol

import numpy as np

from isthmus import plots
from isthmus.data.checks import rows_without_names
from isthmus.data.coding import code_of, in_code
from isthmus.data.rows import Rows, dense, evenly_spaced
from isthmus.data.wording import counted
from isthmus.results import as_html_text

MOST_ROWS = 1000
"""Rows of a fit that are kept in memory for the picture, never in a file."""


class ShownMap(plots.Map, Protocol):
    """A fitted map, as far as a notebook shows it."""

    @property
    def n_components_(self) -> int: ...


class SomeRows(NamedTuple):
    """Rows of a fit, and how many it had."""

    rows: np.ndarray
    n_rows: int


def some_of(rows: Rows) -> SomeRows:
    """At most ``MOST_ROWS`` rows, at even steps, as a copy."""
    n = rows.shape[0]
    some: np.ndarray = in_code(np.array(dense(evenly_spaced(rows, MOST_ROWS))), code_of(rows))
    return SomeRows(some, n)


def kept_rows(model: object) -> np.ndarray | None:
    """Rows of its fit that a model keeps in memory; None if it does not, as after it was loaded."""
    some: SomeRows | None = getattr(model, "_some_rows", None)
    return None if some is None else some.rows


def fitted_html(model: ShownMap) -> str:
    """What there is to say of a fitted map; nothing of one that is not fitted."""
    if not hasattr(model, "network_"):
        return ""
    coordinates = counted(model.n_components_, "coordinate")
    columns = f"{counted(model.n_features_in_, 'column')}{_kinds(model)}"
    lines = [f"{coordinates} of {columns}{_against_pca(model)}"]
    lines += [f"Beware: {warning}" for warning in getattr(model, "_warnings", ())]
    text = "".join(f"<p>{as_html_text(line)}</p>" for line in lines)
    some = getattr(model, "_some_rows", None)
    return text if some is None else text + _picture(model, some)


def _kinds(model: ShownMap) -> str:
    """How many of the columns are angles and categories."""
    code = getattr(model, "code_", None)
    if code is None:
        return ""
    counts = {"angles": len(code.angles), "categories": len(code.choices)}
    return f" ({', '.join(f'{kind}: {count}' for kind, count in counts.items() if count)})"


def _against_pca(model: ShownMap) -> str:
    loss, of_pca = (
        getattr(model, name, float("nan")) for name in ("validation_loss_", "pca_validation_loss_")
    )
    if not np.isfinite(loss) or not np.isfinite(of_pca):
        return "."
    compared = f", {loss / of_pca:.2f} of PCA's" if loss > 0 and of_pca > 0 else "; PCA's"
    return f": the loss on held-out rows is {loss:.4g}{compared} {of_pca:.4g}."


def _picture(model: ShownMap, some: SomeRows) -> str:
    figure = plots.figure_in_memory(4.2, 4.2)
    with rows_without_names():
        plots.plot(model, some.rows, ax=figure.subplots())
    sink = io.BytesIO()
    figure.savefig(sink, format="png", dpi=100)
    image = base64.b64encode(sink.getvalue()).decode("ascii")
    n = len(some.rows)
    seen = counted(n, "row") if n == some.n_rows else f"{n:,} of {counted(some.n_rows, 'row')}"
    return (
        f'<img alt="{seen} of the fit in the map" src="data:image/png;base64,{image}">'
        f"<p>{seen} of the fit</p>"
    )
