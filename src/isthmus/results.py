"""What functions of isthmus find: text for a console, a table for a notebook and for a data frame."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

MOST_SHOWN = 20
"""Rows of a table that a notebook shows."""

TableRow = Mapping[str, object]


class Result(ABC):
    """What a function found: text, and a table.

    ``print``, and a console, show the text; a notebook shows the table too. A subclass that is a
    dataclass says ``repr=False``, or its arrays are shown instead.
    """

    @abstractmethod
    def table(self) -> Sequence[TableRow]:
        """The numbers as plain rows, dictionaries that all have the same keys."""

    @abstractmethod
    def __str__(self) -> str:
        """What was found, for reading."""

    @property
    def _summary(self) -> str:
        """The text without what the table says."""
        return str(self)

    def to_frame(self) -> pd.DataFrame:
        """The table as a data frame of pandas, a row for each dictionary of ``table()``.

        Raises
        ------
        ImportError
            Without pandas; ``table()`` needs nothing.

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> X = np.random.default_rng(0).standard_normal((60, 4))
        >>> frame = isthmus.quality(X, X[:, :2], k=5).to_frame()
        >>> frame.columns.tolist()
        ['measure', 'at', 'value', 'standard_error']
        >>> "trustworthiness" in frame.measure.tolist()
        True
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "to_frame gives a pandas.DataFrame, and pandas is not installed: install it (pip "
                "install pandas), or use table(), which gives a list of dictionaries"
            ) from error
        return pd.DataFrame(list(self.table()))

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<p>{as_html_text(self._summary)}</p>{html_table(self.table())}"


def rows_of(**columns: np.ndarray) -> list[dict[str, object]]:
    """Columns of one length as rows, of plain numbers."""
    lists = (column.tolist() for column in columns.values())
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


def as_html_text(text: str) -> str:
    """Text with its lines, safe to stand in a page."""
    return escape(text).replace("\n", "<br>")


def html_table(rows: Sequence[TableRow]) -> str:
    """Rows of equal columns as a table of HTML: the first rows, and how many are left out."""
    if not rows:
        return ""
    head = "".join(f"<th>{escape(str(name))}</th>" for name in rows[0])
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(as_cell(value))}</td>' for value in row.values())}</tr>"
        for row in rows[:MOST_SHOWN]
    )
    more = f"<p>… and {len(rows) - MOST_SHOWN} rows more</p>" if len(rows) > MOST_SHOWN else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def as_cell(value: object) -> str:
    """A value as a cell shows it: real numbers to four digits."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
