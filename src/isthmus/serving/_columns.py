"""The columns of what a function takes: their names, and what may stand in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from isthmus.data.checks import entry_of
from isthmus.data.finite import check_finite
from isthmus.data.wording import listed


@dataclass(frozen=True)
class Columns:
    """The columns of rows or coordinates.

    ``key`` is what they are called in JSON. ``are_named`` says that the names were given with the data
    of the fit, and not made up: a table must then have them. ``categories`` are those of the columns
    at these positions, texts or numbers.
    """

    key: str
    names: tuple[str, ...]
    are_named: bool
    takes_missing: bool = False
    categories: Mapping[int, tuple[str | float, ...]] = field(default_factory=dict)

    @property
    def width(self) -> int:
        return len(self.names)

    @property
    def texts(self) -> frozenset[int]:
        """Positions of the columns that hold texts."""
        return frozenset(
            position
            for position, values in self.categories.items()
            if any(isinstance(value, str) for value in values)
        )

    @property
    def longest_text(self) -> int:
        """Bytes of the longest text among the categories."""
        values = (value for known in self.categories.values() for value in known)
        return max((len(value.encode()) for value in values if isinstance(value, str)), default=0)

    @property
    def in_words(self) -> str:
        return listed(self.names)

    def check(self, rows: np.ndarray) -> None:
        """Raise ValueError for NaN, unless the columns take it, infinities and numbers beyond 1e37."""
        if rows.dtype != object:
            named = entry_of([f"column {name!r}" for name in self.names])
            check_finite(rows, named, what="the request", allow_nan=self.takes_missing)
