"""The result of a comparison: its records, as a table, as text, and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from isthmus import plots
from isthmus.comparison._verdict import verdict
from isthmus.comparison.records import ComparisonRecord, Conditions, Row
from isthmus.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, repr=False)
class ComparisonReport(Result, Conditions):
    """The result of ``isthmus.compare``: tables, notes and the verdict. ``print`` shows them.

    Attributes
    ----------
    records : tuple of ComparisonRecord
        In the order of methods and, within each, of seeds.
    n_components, n_features, n_train, n_test : int
        Coordinates d, features D, and rows on either side of the split.
    n_judged_train, n_judged_test : int
        Rows of either side that maps are evaluated on: all, or a random sample.
    k : int
        Neighbours.
    seeds : tuple of int
    score : {"accuracy", "R²"} or None
        What ``score`` is; None without y.
    data_train_score, data_test_score : float or None
        The scores with all columns in place of a map.
    units : str
        How columns were scaled, and why; empty if they were taken as they are.
    target : str
        The name of what ``score`` is about.

    Examples
    --------
    >>> import isthmus, numpy as np
    >>> X = np.random.default_rng(0).standard_normal((60, 4))
    >>> report = isthmus.compare(X, methods="PCA")
    >>> report.n_train, report.n_test, len(report.records)  # three quarters of the rows
    (45, 15, 1)
    """

    records: tuple[ComparisonRecord, ...]

    def table(self) -> list[Row]:
        """One row per method, for a data frame: means over the seeds, and with several the deviations.

        Columns are those of ``ComparisonRecord.numbers``, with their sample standard deviation in
        columns that end in _std, besides method, failure, n_seeds (those that succeeded), n_fitted,
        explicit, invertible, differentiable, and notes.

        Examples
        --------
        PCA, and the auto-encoder that is PCA:

        >>> import isthmus, numpy as np
        >>> X = np.random.default_rng(0).standard_normal((60, 4))
        >>> one, other = isthmus.compare(X, methods=["PCA", "linear"]).table()
        >>> one["method"], other["method"], round(one["test_overlap"] - other["test_overlap"], 6)
        ('PCA', 'LinearAutoencoder', 0.0)
        """
        by_method: dict[str, list[ComparisonRecord]] = {}
        for record in self.records:
            by_method.setdefault(record.method, []).append(record)
        return [_row(records) for records in by_method.values()]

    @property
    def verdict(self) -> str:
        """Which methods are best on new rows, best on the rows of the fit, and missing: a line each."""
        return verdict(self, self.table())

    def plot(self, ax: Axes | None = None) -> Axes:
        """How well each method keeps neighbours, and restores rows, that it was not fitted on.

        Parameters
        ----------
        ax : matplotlib Axes or None, default None
            Where to draw; None makes a figure.

        Returns
        -------
        Axes
            What was drawn into: a line for each method, the first at the top.

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> from isthmus.plots import figure_in_memory
        >>> X = np.random.default_rng(0).standard_normal((60, 4))
        >>> ax = isthmus.compare(X, methods="PCA").plot(figure_in_memory(4, 3).subplots())
        >>> [text.get_text() for text in ax.get_yticklabels()]
        ['PCA']
        """
        ax = plots.axes_or_new(ax)
        table = self.table()
        shown = {name: [row[column] for row in table] for name, column in PLOTTED.items()}
        plots.dots(ax, [str(row["method"]) for row in table], shown)
        ax.set_xlabel("on held-out rows")
        return ax

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def __str__(self) -> str:
        from isthmus.comparison.printing import as_text  # loads rich

        return as_text(self, self.table())


PLOTTED = {
    "trustworthiness": "test_trustworthiness",
    "continuity": "test_continuity",
    "overlap": "test_overlap",
    "variance left out": "variance_left_out",
}


def _row(records: Sequence[ComparisonRecord]) -> Row:
    """The records of one method as one row."""
    succeeded = [record for record in records if record.failure is None]
    shown = (succeeded or records)[0]
    row: Row = {
        "method": shown.method,
        "failure": shown.failure,
        "n_seeds": len(succeeded),
        "n_fitted": shown.n_fitted,
        **{name: getattr(shown, name) for name in ("explicit", "invertible", "differentiable")},
    }
    numbers = [record.numbers() for record in succeeded or records]
    for name in numbers[0]:
        known = [value for each in numbers if (value := each[name]) is not None]
        row[name] = float(np.mean(known)) if known else None
        if len(records) > 1:
            row[f"{name}_std"] = float(np.std(known, ddof=1)) if len(known) > 1 else None
    row["notes"] = "; ".join(_notes(records, all_failed=not succeeded))
    return row


def _notes(records: Sequence[ComparisonRecord], *, all_failed: bool) -> list[str]:
    """Every note once, and the seeds that failed where others did not."""
    notes = [note for record in records for note in record.notes]
    if not all_failed:
        notes += [f"seed {each.seed}: {each.failure}" for each in records if each.failure]
    return list(dict.fromkeys(notes))
