"""A comparison as tables, for a terminal and as text."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from isthmus.comparison._verdict import verdict
from isthmus.comparison.methods import NO_FUNCTION
from isthmus.comparison.records import Conditions, Row
from isthmus.data.wording import counted

WIDTH = 100
"""Width of the text in characters, where no terminal limits it."""


def _three(value: float) -> str:
    return f"{value:.3f}"


def _share(value: float) -> str:
    return f"{value:.1%}"


def _short(value: float) -> str:
    return f"{value:.3g}"


def _tenth(value: float) -> str:
    return f"{value:.1f}"


def _whole(value: float) -> str:
    return f"{value:.0f}"


def _micro(value: float) -> str:
    return f"{1e6 * value:.3g}"


@dataclass(frozen=True)
class Column:
    """A column of numbers: its name in ``ComparisonReport.table``, its heading, and its format."""

    name: str
    heading: str
    write: Callable[[float], str] = _three

    def cell(self, row: Row) -> str:
        """The mean, with the standard deviation if there are several seeds."""
        value, deviation = row[self.name], row.get(f"{self.name}_std")
        if value is None:
            return ""
        return self.write(value) + (f"\n± {self.write(deviation)}" if deviation is not None else "")


def _measures(part: str, score: str | None) -> list[Column]:
    columns = [
        Column(f"{part}_trustworthiness", "trust-\nworthy"),
        Column(f"{part}_continuity", "contin-\nuous"),
        Column(f"{part}_overlap", "overlap"),
        Column(f"{part}_spearman", "Spear-\nman"),
        Column(f"{part}_imbalance_to_map", "Δ to\nmap"),
        Column(f"{part}_imbalance_to_data", "Δ to\ndata"),
    ]
    return columns + (
        [Column(f"{part}_score", "accu-\nracy" if score == "accuracy" else score)] if score else []
    )


def as_text(conditions: Conditions, table: Sequence[Row]) -> str:
    """The tables, notes and verdict as plain text."""
    file = io.StringIO()
    console = Console(file=file, width=WIDTH, markup=False, highlight=False, color_system=None)
    console.print(as_tables(conditions, table))
    lines = (line.rstrip() for line in file.getvalue().splitlines())
    return "\n".join(lines)


def as_tables(conditions: Conditions, table: Sequence[Row]) -> RenderableType:
    """Three tables of numbers, one of functions, remarks, and the verdict.

    Each is narrow enough for a terminal of 80 columns.
    """
    train = f"Training rows, evaluated on {_part_of(conditions.n_judged_train, conditions.n_train)}"
    test = f"Held-out rows, evaluated on {_part_of(conditions.n_judged_test, conditions.n_test)}"
    return Group(
        _numbers(train, _measures("train", conditions.score), table),
        _numbers(test, [KEPT, *_measures("test", conditions.score)], table),
        _numbers("Rows restored, and costs", COSTS, table),
        _functions(table),
        *_remarks(conditions, table),
        Text(f"\n{verdict(conditions, table)}"),
    )


KEPT = Column("neighbours_kept", "kept")
"""Of held-out rows alone: of the nearest training rows."""

COSTS = (
    Column("reconstruction_error", "held-out\n‖x − x̂‖²", _short),
    Column("variance_left_out", "of the\nvariance", _share),
    Column("fit_seconds", "seconds\nto fit", _tenth),
    Column("transform_seconds", "µs per\nnew row", _micro),
    Column("peak_mib", "peak\nMiB", _whole),
)


def _numbers(title: str, columns: Sequence[Column], table: Sequence[Row]) -> Table:
    """A table of some columns; of a method without numbers, the first column says why."""
    printed = _blank(title)
    for column in columns:
        printed.add_column(column.heading, justify="right")
    for row in table:
        cells = [column.cell(row) for column in columns]
        printed.add_row(row["method"], *(cells if any(cells) else [_why_empty(row)]))
    return printed


def _why_empty(row: Row) -> str:
    if row["failure"]:
        return "not run"
    return NO_FUNCTION if row["explicit"] == NO_FUNCTION else "failed"


def _functions(table: Sequence[Row]) -> Table:
    words = ("explicit", "invertible", "differentiable")
    printed = _blank("Functions")
    for word in words:
        printed.add_column(word)
    for row in table:
        printed.add_row(row["method"], *(row[word] or "–" for word in words))
    return printed


def _blank(title: str) -> Table:
    printed = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=0)
    printed.add_column("", no_wrap=True)
    return printed


def _remarks(conditions: Conditions, table: Sequence[Row]) -> Iterator[Text]:
    """How the numbers were measured, and the notes of each method."""
    seeds = len(conditions.seeds)
    measured = (
        f"{conditions.k} neighbours; Δ: information imbalance; peak: growth of own memory in the fit"
    )
    if seeds > 1:
        measured += f"; mean ± standard deviation of {seeds} splits and seeds"
    yield Text(
        f"{counted(conditions.n_features, 'column')} → "
        f"{counted(conditions.n_components, 'coordinate')}; {measured}"
    )
    if conditions.units:
        yield Text(f"The {conditions.units}")
    if conditions.score:
        train, test = conditions.data_train_score, conditions.data_test_score
        start = f"{conditions.score} in all {conditions.n_features} columns"
        yield Text(f"{start}: {train:.3f} of training rows, {test:.3f} of held-out rows")
    for row in table:
        if row["failure"] or row["notes"]:
            text = "; ".join(filter(None, (row["failure"], row["notes"])))
            yield Text(f"{row['method']}: {text}")


def _part_of(evaluated: int, n: int) -> str:
    return f"all {n}" if evaluated == n else f"{evaluated} of {n}"
