"""A comparison in words."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.comparison.methods import NO_FUNCTION
from isthmus.comparison.records import Conditions, Row


def verdict(conditions: Conditions, table: Sequence[Row]) -> str:
    """Which methods are best on new rows, best on the rows of the fit, and missing: a line each."""
    lines = (_of_new_rows(conditions, table), _of_training_rows(table), _of_missing(table))
    return "\n".join(filter(None, lines))


def _of_new_rows(conditions: Conditions, table: Sequence[Row]) -> str:
    splits = "one split" if len(conditions.seeds) == 1 else f"each of {len(conditions.seeds)} splits"
    start = f"New rows ({conditions.n_test} held out, {splits}): "
    if not _with(table, "test_trustworthiness"):
        return start + "none of the methods has a function for them."
    parts = [f"neighbours are kept best by {_best(table, 'test_trustworthiness', 'trustworthiness')}"]
    if _with(table, "variance_left_out"):
        left = _best(table, "variance_left_out", "of the variance left out", share=True, least=True)
        parts.append(f"rows are restored best by {left}")
    if _with(table, "test_score"):
        of_all = f"{conditions.data_test_score:.3f} in all {conditions.n_features} columns"
        best = _best(table, "test_score", str(conditions.score))
        parts.append(f"neighbours predict {conditions.target} best in the map of {best} and {of_all}")
    return start + "; ".join(parts) + "."


def _of_training_rows(table: Sequence[Row]) -> str:
    if not _with(table, "train_trustworthiness"):
        return ""
    text = (
        "Rows of the fit: neighbours are kept best by "
        f"{_best(table, 'train_trustworthiness', 'trustworthiness')}; distances by "
        f"{_best(table, 'train_spearman', 'Spearman')}."
    )
    without = [row["method"] for row in table if not row["failure"] and row["explicit"] == NO_FUNCTION]
    if without:
        text += f" No function for the next row: {', '.join(without)}."
    return text


def _of_missing(table: Sequence[Row]) -> str:
    missing = [f"{row['method']} ({row['failure']})" for row in table if row["failure"]]
    return f"Not compared: {', '.join(missing)}." if missing else ""


def _with(table: Sequence[Row], column: str) -> list[Row]:
    return [row for row in table if row[column] is not None]


def _best(
    table: Sequence[Row], column: str, unit: str, *, share: bool = False, least: bool = False
) -> str:
    """The best method and its number, and PCA's; if the best has no function, also the best that has."""

    def number(row: Row) -> str:
        return f"{row[column]:.1%}" if share else f"{row[column]:.3f}"

    def best_of(rows: Sequence[Row]) -> Row:
        return (min if least else max)(rows, key=lambda row: row[column])

    rows = _with(table, column)
    best = best_of(rows)
    details = [f"{number(best)} {unit}" if share else f"{unit} {number(best)}"]
    explicit = [row for row in rows if row["explicit"] == "yes"]
    if best["explicit"] not in ("yes", NO_FUNCTION) and explicit:
        function = best_of(explicit)
        details[0] += f", {best['explicit']}"
        details.append(f"of functions, {function['method']} {number(function)}")
    tied = [row["method"] for row in rows if number(row) == number(best)]
    if "PCA" not in tied:
        details += [f"PCA {number(row)}" for row in rows if row["method"] == "PCA"]
    return f"{_listed(tied)} ({'; '.join(details)})"


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last} alike" if others else last
