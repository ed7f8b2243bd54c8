"""The page: one self-contained HTML file, for a screen, a phone and a printer."""

from __future__ import annotations

import dataclasses
import json
import math
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.data.atomic import replacing
from isthmus.data.checks import check_image_shape
from isthmus.report import _figures as figures
from isthmus.report._distrust import reasons
from isthmus.report.findings import Findings
from isthmus.variational.estimator import VariationalAutoencoder

if TYPE_CHECKING:
    from jinja2 import Template

LIBRARIES = ("isthmus", "jax", "equinox", "optax", "numpy", "scipy", "scikit-learn", "umap-learn")

QUALITY_ROWS = (
    ("trustworthiness", "neighbours in the map are neighbours in the data", "1"),
    ("continuity", "neighbours in the data are neighbours in the map", "1"),
    ("overlap", "share of the nearest rows that are the same in both", "1"),
    ("neighbours_kept", "the same of the nearest fitted rows", "1"),
    ("rank_error_in_map", "mean relative error of ranks, map's neighbours", "0"),
    ("rank_error_in_data", "mean relative error of ranks, data's neighbours", "0"),
    ("spearman", "rank correlation of the distances", "1"),
    ("stress", "Kruskal's stress of the distances", "0"),
    ("imbalance_to_map", "information imbalance, data → map", "0"),
    ("imbalance_to_data", "information imbalance, map → data", "0"),
)
"""Measures of ``Quality``, their meaning, and their best value."""

COMPARED = (
    ("test_trustworthiness", "trust, unseen"),
    ("neighbours_kept", "neighbours kept, unseen"),
    ("train_trustworthiness", "trust, fitted"),
    ("train_continuity", "continuity, fitted"),
    ("train_overlap", "overlap, fitted"),
    ("variance_left_out", "variance left out"),
    ("test_score", "prediction, unseen"),
    ("fit_seconds", "seconds"),
    ("peak_mib", "MiB"),
)
"""Columns of the comparison: a field of ``ComparisonReport.table``, and its heading."""


def write(
    findings: Findings,
    output: Path,
    *,
    image_shape: tuple[int, int] | None = None,
    command: str = "",
) -> None:
    """Write one page of HTML about a map, which needs no other file; complete or not at all.

    All numbers of the page are also in it as JSON, in an element with the id "records".

    Parameters
    ----------
    findings : Findings
        What ``isthmus.report.gather`` found.
    output : Path
        The file; one of this name is replaced.
    image_shape : (height, width) or None, default None
        Says that rows are images; shown are some of them, and decoded ones.
    command : str, default ""
        The command that makes the page, for its readers.

    Raises
    ------
    ModuleNotFoundError
        Without Jinja: install ``isthmus[report]``.
    ValueError
        If ``image_shape`` is not that of the columns.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import isthmus, tempfile
    >>> from isthmus import report
    >>> from pathlib import Path
    >>> from sklearn.datasets import make_s_curve
    >>> X, _ = make_s_curve(200, random_state=0)
    >>> found = report.gather(X, model=isthmus.LinearAutoencoder(2), methods="PCA")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = Path(folder) / "report.html"
    ...     report.write(found, page)
    ...     page.read_text(encoding="utf-8")[:15]
    '<!DOCTYPE html>'
    """
    check_image_shape(image_shape, findings.rows.shape[1])
    text = _template().render(
        findings=findings,
        pictures=_pictures(findings, image_shape),
        are_images=image_shape is not None,
        facts=_facts(findings),
        course=findings.model.training_in_words,
        quality=_quality(findings),
        compared=_compared(findings),
        reasons=reasons(findings),
        command=command,
        versions=_versions(),
        parameters=findings.parameters,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        records=json.dumps(records(findings), ensure_ascii=False).replace("<", "\\u003c"),
    )
    with replacing(output) as temporary:
        # The name of a file may have bytes that are no text.
        temporary.write_text(text, encoding="utf-8", errors="replace")


def records(findings: Findings) -> Any:  # whatever JSON holds
    """The numbers of the page, as JSON holds them."""
    return _plain(
        {
            "data": findings.data,
            "n_rows": len(findings.rows),
            "n_features": findings.rows.shape[1],
            "n_components": findings.coordinates.shape[1],
            "units": findings.units,
            "reconstruction_error": findings.reconstruction_error,
            "variance_left_out": findings.variance_left_out,
            "quality": findings.quality.table(),
            "dimension": {
                "choice": findings.dimension.dimension,
                "low": findings.dimension.low,
                "high": findings.dimension.high,
                "knee": findings.dimension.knee,
                "estimates": {
                    name: [one.estimate, one.low, one.high]
                    for name, one in findings.dimension.estimates.items()
                },
                "errors": [
                    {"n_components": one.n_components, "pca": one.pca, "denoiser": one.denoiser}
                    for one in findings.dimension.errors
                ],
            },
            "hidden": None if findings.hidden is None else findings.hidden.table()[0],
            "comparison": findings.comparison.table(),
            "distortion": {
                name: np.quantile(values, [0.05, 0.5, 0.95])
                for name, values in dataclasses.asdict(findings.distortion).items()
            },
            "reliability": {
                "n_flagged": int(np.sum(findings.reliability.flagged)),
                "n": len(findings.reliability.flagged),
                "false_alarm_rate": findings.reliability.false_alarm_rate,
            },
            "reasons": list(reasons(findings)),
            "versions": _versions(),
        }
    )


def check_template() -> None:
    """Raise ModuleNotFoundError without Jinja, before minutes of work are lost."""
    if find_spec("jinja2") is None:
        raise ModuleNotFoundError(
            "the report needs Jinja, which is not installed: pip install 'isthmus[report]'",
            name="jinja2",
        )


def _template() -> Template:
    check_template()
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = number
    source = files("isthmus.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source)


def _pictures(findings: Findings, image_shape: tuple[int, int] | None) -> dict[str, str | None]:
    return {
        "map": figures.the_map(findings),
        "decoded": figures.the_decoded_plane(findings, image_shape),
        "errors": figures.error_by_dimension(findings),
        "scales": figures.scales(findings),
        "training": figures.training(findings),
        "area": figures.area(findings),
        "anisotropy": figures.anisotropy(findings),
        "rebuilt": figures.rebuilt(findings),
        "atypical": figures.atypical(findings),
        "loadings": figures.loadings(findings, image_shape),
    }


def _facts(findings: Findings) -> dict[str, str]:
    """The facts at the top of the page."""
    n, D = findings.rows.shape
    model = findings.model
    facts = {
        "rows": f"{n:,}: {len(findings.train):,} fitted, {len(findings.test):,} unseen",
        "features": _features(findings, D),
        "map": f"{type(model).__name__}, {findings.coordinates.shape[1]} coordinates",
        "variance left out, unseen rows": f"{findings.variance_left_out:.1%}",
        "dimension of the data": findings.dimension.answer,
    }
    if findings.told_apart:
        shares = (f"{name} ({share:.0%})" for name, share in findings.told_apart.items())
        what = f"columns that tell {findings.label_name or 'labels'} apart best"
        facts[what] = f"{', '.join(shares)} of the variance lies between the classes"
    if findings.units:
        facts["units"] = f"the {findings.units}"
    loss = getattr(model, "validation_loss_", math.nan)
    of_pca = getattr(model, "pca_validation_loss_", math.nan)
    # A bound on a log density has no zero to take a ratio to.
    if of_pca > 0 and not math.isnan(loss) and not isinstance(model, VariationalAutoencoder):
        facts[f"loss / PCA's, rows that chose {model.HELD_OUT_ROWS_CHOOSE}"] = number(loss / of_pca)
    held_out = getattr(model, "held_out_", None)
    if held_out is not None:
        kept, by_means = number(held_out.kept), number(held_out.kept_by_means)
        facts["neighbours kept, held-out rows of the fit"] = (
            f"{kept}; at the mean of the true neighbours {by_means}"
        )
    return facts


def _features(findings: Findings, n_coded: int) -> str:
    code = findings.code
    if code is None:
        return f"{n_coded:,}"
    return f"{len(code.labels):,}, as {n_coded:,} columns: angles are two, categories one for each value"


def _quality(findings: Findings) -> list[tuple[str, str, str, list[str]]]:
    """Of each measure: name, meaning, best value, and a value for each k, or one for all."""
    found = findings.quality
    return [
        (name, what, best, [number(value) for value in np.atleast_1d(getattr(found, name))])
        for name, what, best in QUALITY_ROWS
    ]


def _compared(findings: Findings) -> dict[str, object]:
    """Headings, and the texts of a line for each method."""
    table = findings.comparison.table()
    columns = [(name, title) for name, title in COMPARED if any(row[name] is not None for row in table)]
    lines = []
    for row in table:
        function = {name: row[name] or "–" for name in ("explicit", "invertible", "differentiable")}
        numbers = ["–" if row[name] is None else number(row[name]) for name, _ in columns]
        lines.append(
            {
                "method": row["method"],
                "failure": row["failure"],
                "functions": list(function.values()),
                "numbers": numbers,
                "notes": row["notes"],
                "is_ours": row["method"] == type(findings.model).__name__,
            }
        )
    return {"titles": [title for _, title in columns], "lines": lines}


def number(value: float | np.floating) -> str:
    """Three digits, as the page shows them."""
    value = float(value)
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "∞"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e6:
        # 999.7 in three digits would be 1.00e+03.
        return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:#.3g}".rstrip(".")
    return f"{value:.2e}"


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def _plain(value: object) -> Any:  # whatever JSON holds
    """The value for JSON: arrays as lists, numbers that are not finite as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
