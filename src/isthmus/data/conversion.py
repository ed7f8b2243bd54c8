"""Tables of any kind → rows of numbers, or an error that says what came and what to do."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable, Iterator, Mapping, Set
from numbers import Number
from typing import Any, TypeVar

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array

from isthmus.data.finite import LARGEST
from isthmus.data.frames import column_labels, to_values
from isthmus.data.stored.scanning import as_stored

NUMERIC = [
    np.float64, np.float32, np.float16, np.bool_,
    np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64,
]  # fmt: skip

IMAGE_DIMENSIONS = (3, 4)
"""Of arrays whose rows are images, without and with channels."""

ADVICE = {
    "Expected 2D array": "{what} has shape {shape}, and rows × columns are expected. Reshape your data: "
    "{what}.reshape(-1, 1) if it is one column, {what}.reshape(1, -1) if it is one row",
    "Found array with dim": "{what} has shape {shape}: flatten each row with "
    "{what}.reshape(len({what}), -1)",
    "sample(s)": "Pass more rows",
    "feature(s)": "Pass at least one column",
    "Complex data": "Pass real numbers, for example np.hstack([{what}.real, {what}.imag])",
    "features as input": "Pass the columns that fit saw, in the same order",
    "inhomogeneous shape": "Every row needs as many numbers as the others",
}
"""What to do, for errors of scikit-learn and NumPy that say what came and what was expected."""

ADVICE_ON_TEXT = (
    "Python could not convert it to a number. Drop the column, or name it in categorical=, which maps "
    "have for columns of categories"
)
ADVICE_ON_TARGETS = "A regressor predicts numbers, and isthmus.FeedForwardClassifier predicts classes"


def as_rows(
    X: object, what: str = "X", *, estimator: BaseEstimator | None = None, min_rows: int = 1
) -> Any:  # an array or a CSR matrix, which share no type
    """Rows (n, D) of any kind as a numeric array or CSR matrix, with NaN for what is missing.

    Whatever a user calls a table goes through here: arrays, data frames of any library, Arrow tables,
    sparse matrices, lists; and images (n, height, width), with channels (n, height, width, c), each of
    which is a row. Values may be NaN or infinite; ``check_rows`` looks at these. Rows that are kept
    elsewhere, and paths of files of them, come as ``StoredRows``.
    """
    stored = as_stored(X)
    if stored is not None:
        if len(stored) < min_rows:
            raise ValueError(
                f"{what} has {len(stored)} sample(s), and a minimum of {min_rows} is required. Pass "
                "more rows"
            )
        return stored
    return explained(
        X,
        what,
        lambda values: check_array(
            _flat(values),
            estimator=estimator,
            input_name=what,
            accept_sparse="csr",
            dtype=NUMERIC,
            ensure_all_finite=False,
            ensure_min_samples=min_rows,
        ),
    )


def _flat(values: Any) -> Any:  # as to_values
    """Images as rows; anything else as it is."""
    if isinstance(values, np.ndarray) and values.ndim in IMAGE_DIMENSIONS and len(values):
        return values.reshape(len(values), -1)
    return values


Values = TypeVar("Values")


def explained(X: object, what: str, convert: Callable[[np.ndarray], Values]) -> Values:
    """What ``convert`` makes of the values of X, or its error with the value at fault and what to do."""
    if (text := _not_rows(X, what)) is not None:
        raise TypeError(text)

    def converted() -> Values:
        values = to_values(X, what)
        if getattr(values.dtype, "names", None):
            raise TypeError(
                f"{what} holds records ({values.dtype}): stack their fields as columns of a plain array"
            )
        return convert(values)

    return with_reason(X, what, converted)


def with_reason(
    X: object, what: str, convert: Callable[[], Values], *, holds_numbers: bool = True
) -> Values:
    """What ``convert`` returns, or its error with what to do.

    Where X must hold numbers alone (``holds_numbers``), the message names the first value that is none.
    """
    try:
        return convert()
    except (ValueError, TypeError, OverflowError) as error:
        text = _with_advice(X, what, str(error))
        if text is None and holds_numbers:
            text = _first_not_a_number(X, what, error)
        if text is None:
            raise
        raise (TypeError if isinstance(error, TypeError) else ValueError)(text) from error


def _not_rows(X: object, what: str) -> str | None:
    """What is wrong with an object that cannot be rows."""
    if scipy.sparse.issparse(X):
        return None  # one kind of which is a mapping
    if X is None or isinstance(X, str | bytes | os.PathLike | Mapping | Set | Iterator):
        came = "None" if X is None else f"a {type(X).__name__}"
        return (
            f"{what} is {came}: pass rows of numbers, shape (n, D), as an array, a data frame or lists; "
            "read a file first, for example with numpy.load or pandas.read_csv"
        )
    return None


def _with_advice(X: object, what: str, error: str) -> str | None:
    for start, advice in ADVICE.items():
        if start in error:
            # scikit-learn prints the array below its first line.
            reason = error.splitlines()[0].rstrip(": .")
            shape = () if "inhomogeneous" in error else _shape(X)
            return f"{reason}. {advice.format(what=what, shape=shape)}"
    return None


def _shape(X: Any) -> tuple[int, ...]:  # of any library
    # The shape of a frame is its type's: a column may be called so.
    return tuple(X.shape) if hasattr(type(X), "shape") else np.shape(X)


def column_names(X: object, n_features: int) -> list[str]:
    """What errors call the columns of X: "column 'a'", or "column 0" where they have no names."""
    labels = column_labels(X)
    return [f"column {label!r}" for label in (range(n_features) if labels is None else labels)]


def _first_not_a_number(X: object, what: str, error: Exception) -> str | None:
    """Says which value is text, a date or another object, if that is what is wrong with X."""
    if scipy.sparse.issparse(X):
        return None
    try:
        table = np.asarray(to_values(X, what), dtype=object)
    except (ValueError, TypeError):
        return None
    if table.ndim not in (1, 2):
        return None
    columns = table.T if table.ndim == 2 else table[None]
    for index, column in enumerate(columns):
        for row, value in enumerate(column):
            if (fault := _fault(value, what, error)) is not None:
                place = f"{column_names(X, len(columns))[index]}, " if table.ndim == 2 else ""
                return f"{what} holds {fault[0]}: {place}row {row} is {reprlib.repr(value)}. {fault[1]}"
    return None


def _fault(value: object, what: str, error: Exception) -> tuple[str, str] | None:
    """What one value is instead of a number and what to do about it, or None."""
    if isinstance(value, str | bytes) and not is_number(value):
        return "text", ADVICE_ON_TARGETS if what == "y" else ADVICE_ON_TEXT
    if isinstance(error, OverflowError) and isinstance(value, int) and abs(value) > LARGEST:
        return f"an integer beyond ±{LARGEST:g}", "Divide the data by a constant"
    if isinstance(value, complex):
        return "complex numbers", "Pass real numbers"
    if isinstance(value, Number | str | bytes) or value is None or hasattr(value, "__float__"):
        return None
    advice = "Make columns of its fields, for example with pandas.DataFrame"
    return "what is not a number", f"{error}. {advice}" if isinstance(value, Mapping) else str(error)


def is_number(text: str | bytes) -> bool:
    """Whether a text is a number as Python reads one."""
    try:
        float(text)
    except ValueError:
        return False
    return True
