"""Where rows are kept that are not in memory: what each kind of place offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np
from jaxtyping import Int

if TYPE_CHECKING:
    from isthmus.data.rows import Block

PART_BYTES = 2**26
"""Rows that a store reads at a time, where it may choose."""


class StoreError(ValueError):
    """Stored rows are not what they should be: a ValueError that names the file and the place in it.

    It comes from ``isthmus.scan`` and ``isthmus.transform_files`` for files that are damaged, or have
    other columns than the rest, and, when they are read, for NaN and infinities deep in a file. Copy the
    file again from its source, correct the entry, or leave the column out by ``drop``. It also tells
    where all rows would be needed in memory at once.

    Examples
    --------
    >>> import isthmus, os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "rows.npy")
    ...     with open(path, "wb") as file:
    ...         _ = file.write(b"not an array")
    ...     try:
    ...         isthmus.scan(path)
    ...     except isthmus.StoreError as error:
    ...         print(str(error).partition("rows.npy")[2].partition(";")[0])
     cannot be read as NPY
    """


Place = Callable[[int], str]
"""Says in words where a row of a part is kept, by its number in the part."""


class Store(Protocol):
    """Where rows are kept.

    A store that can compute elsewhere than here may also have
    ``reduce_parts(functions, merge) -> result``: what ``functions[part](rows, place)`` finds in each
    part, merged two at a time in any grouping, in order. Without it parts are read here, one by one.
    """

    @property
    def n_columns(self) -> int: ...

    @property
    def names(self) -> tuple[str, ...] | None:
        """Of the columns, if they have names."""

    @property
    def row_shape(self) -> tuple[int, ...] | None:
        """(height, width), or with channels (height, width, c), of rows that are images."""

    @property
    def dtype(self) -> np.dtype: ...

    @property
    def part_starts(self) -> Int[np.ndarray, " parts_and_one"]:
        """Where each part begins, and where the last one ends."""

    @property
    def run_starts(self) -> Int[np.ndarray, " runs_and_one"]:
        """Where each run of rows begins that is best read as a whole, and where the last one ends."""

    def read(self, part: int) -> Block:
        """The rows of a part, an array or sparse. Raises OSError or StoreError."""

    def place(self, row: int) -> str:
        """Where a row is kept, in words: "row 17 of row group 3 of big/0.parquet"."""
