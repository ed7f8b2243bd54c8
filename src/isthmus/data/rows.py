"""Rows: the protocol, and every view of rows. Nothing is computed before a view is indexed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float, Int

from isthmus.data.moments import ColumnStatistics, column_statistics
from isthmus.data.scaling import Scaling
from isthmus.data.sources import dense


class Rows(Protocol):
    """Rows (n, D): an array, a memory map, a sparse matrix in rows, or a view of one of these."""

    @property
    def shape(self) -> tuple[int, int]:
        """(n, D)."""

    def __getitem__(self, index: Any, /) -> Any:
        """Some of the rows, by a slice or by their numbers."""


@dataclass(frozen=True)
class ScaledRows:
    """Rows seen through a scaling: nothing is computed before it is indexed."""

    rows: Any
    scaling: Scaling

    @property
    def shape(self) -> tuple[int, int]:
        n, D = self.rows.shape
        return n, D

    def __getitem__(self, index: Any) -> Float[np.ndarray, "n D"]:
        return self.scaling(dense(self.rows[index]))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)


@dataclass(frozen=True)
class Beside:
    """Rows with a few numbers more on their right, joined when they are indexed."""

    rows: Any
    aside: Float[np.ndarray, "n a"]

    @property
    def shape(self) -> tuple[int, int]:
        n, D = self.rows.shape
        return n, D + self.aside.shape[1]

    def __getitem__(self, index: Any) -> Float[np.ndarray, "n D+a"]:
        return np.concatenate([self.rows[index], self.aside[index]], axis=1, dtype=np.float32)


@dataclass(frozen=True)
class RowsOfTraining:
    """What is trained on: all scaled rows, which of them are not held out, and their known errors.

    ``fitted_columns`` are the statistics of each column that noise is measured in, where training goes
    on and a few new rows must not change them.
    """

    rows: ScaledRows
    train_rows: Int[np.ndarray, " m"]
    errors: Float[np.ndarray, "n D"] | None = None
    fitted_columns: ColumnStatistics | None = None

    @property
    def scaling(self) -> Scaling:
        return self.rows.scaling

    @cached_property
    def columns(self) -> ColumnStatistics:
        return self.fitted_columns or column_statistics(self.rows)
