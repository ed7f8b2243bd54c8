"""What a data file holds, and the error of one that does not hold it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import scipy.sparse


class TableError(ValueError):
    """A data file is not what its ending says, or not a table of numbers."""


@dataclass(frozen=True)
class Content:
    """What a file holds: an Arrow table, or an array or CSR matrix (n, D).

    ``names`` is None where columns only have positions. ``note`` is what the user should know about
    how the file was read. ``index`` are the columns that number or name the rows of a data frame.
    """

    rows: pa.Table | np.ndarray | scipy.sparse.csr_array
    names: tuple[str, ...] | None
    note: str | None = None
    index: tuple[str, ...] = ()


def arrow_table(rows: np.ndarray, names: Sequence[str], kept: Mapping[str, object]) -> pa.Table:
    """Coordinates, or decoded rows, as a table to write, behind the columns that are kept."""
    columns = {name: pa.array(rows[:, j]) for j, name in enumerate(names)}
    return pa.table({**kept, **columns})
