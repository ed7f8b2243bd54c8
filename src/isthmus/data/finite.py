"""Whether numbers are within single precision, and where the first one stands that is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse

from isthmus.data.rows import row_blocks
from isthmus.data.wording import counted

LARGEST = 1e37
"""Largest size of a number in the data: networks compute in single precision, up to 3.4e38."""


def check_finite(
    rows: np.ndarray | scipy.sparse.csr_array,
    place: Callable[[int, int], str],
    what: str = "X",
    *,
    allow_nan: bool = False,
    advice: str | None = None,
) -> None:
    """Raise a ValueError that says where NaN, infinity or a number beyond ``LARGEST`` stands, if any.

    ``place`` says in words where an entry is, by its row and its column. ``advice`` says what to do
    about NaN and infinity; None is what helps with rows of data.
    """
    values = rows if isinstance(rows, np.ndarray) else rows.data
    if not np.issubdtype(values.dtype, np.floating) or _all_in_range(values):
        return
    fault = "infinity" if allow_nan else "NaN or infinity"
    for where, block in row_blocks(rows):
        block = block.astype(np.float64)
        bad = ~(np.abs(block) <= LARGEST)
        if allow_nan:
            bad &= ~np.isnan(block)
        if not bad.any():
            continue
        row, column = map(int, np.argwhere(bad)[0])
        value, first = block[row, column], f"{place(where.start + row, column)} is the first"
        if np.isfinite(value):
            raise ValueError(
                f"{what} contains {value:g}, beyond ±{LARGEST:g}, where single precision ends: {first}. "
                "Divide the data by a constant, or drop the row if the number is an error"
            )
        kind = "NaN" if np.isnan(value) else "infinity (inf)"
        raise ValueError(
            f"{what} contains {kind}: {first}; {fault} in "
            f"{int(bad.any(axis=1).sum())} of the first {counted(where.stop, 'row')}. "
            f"{advice or _advice_on_data(missing=bool(np.isnan(value)))}"
        )


def _advice_on_data(*, missing: bool) -> str:
    advice = "Drop these rows, or fill them, for example with sklearn.impute.SimpleImputer"
    if missing:
        advice += "; VariationalAutoencoder takes NaN as missing entries, and isthmus.impute fills them"
    return advice


def _all_in_range(values: np.ndarray) -> bool:
    array = np.asarray(values)
    flat = array.ravel(order="K") if array.flags.forc else array
    # Blocks that fit the cache, so that the second look at a number costs nothing.
    for block in np.array_split(flat, max(1, array.size // 2**18)):
        # NaN spreads to the minimum, and compares as false.
        if block.size and not (float(block.min()) >= -LARGEST and float(block.max()) <= LARGEST):
            return False
    return True
