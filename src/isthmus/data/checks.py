"""What a user hands in → checked arrays, or an error that says what came and what to do."""

from __future__ import annotations

import contextlib
import datetime
import os
import reprlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from numbers import Integral, Number, Real
from typing import TYPE_CHECKING, Any

import narwhals
import numpy as np
import pyarrow as pa
import scipy.sparse
from jaxtyping import Float, Shaped
from narwhals.exceptions import DuplicateError
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags
from sklearn.utils.validation import (
    _get_feature_names,
    check_array,
    check_is_fitted,
    validate_data,
)

from isthmus.data.rows import dense, row_blocks

if TYPE_CHECKING:
    from isthmus.data.rows import Block

NUMERIC = [
    np.float64, np.float32, np.float16, np.bool_,
    np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64,
]  # fmt: skip


LARGEST = 1e37
"""Largest size of a number in the data: networks compute in single precision, up to 3.4e38."""

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

CONVERSION = {"accept_sparse": "csr", "dtype": NUMERIC, "ensure_all_finite": False}
"""How scikit-learn makes rows of a table."""

DATES = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)
DATES_ADVICE = "Drop them, or turn them into numbers, for example days since a start"


def check_map(model: Any, *needs: str) -> None:
    """Raise TypeError for what is no map with these functions, NotFittedError before ``fit``."""
    check_is_fitted(model)
    for need in needs or ("encode", "decode"):
        if not hasattr(model, need):
            raise TypeError(
                f"{type(model).__name__} has no {need}: expected a fitted map of isthmus, such as "
                "isthmus.Autoencoder(2)"
            )


def check_rows(estimator: Any, X: Any, *, reset: bool, min_rows: int = 1) -> Any:
    """Rows (n, D) as a numeric array or CSR matrix, finite, with the width the model was fitted on.

    NaN stay where the estimator's tags allow them.

    Integers, booleans and float16 stay as they are: they are cast block by block when used. Sets
    ``n_features_in_`` and ``feature_names_in_`` when ``reset``.
    """
    rows = _explained(
        X,
        "X",
        lambda table: validate_data(
            estimator, table, reset=reset, ensure_min_samples=min_rows, **CONVERSION
        ),
    )
    allow_nan = get_tags(estimator).input_tags.allow_nan
    check_finite(rows, _names(X, rows.shape[1]), allow_nan=allow_nan)
    return rows


def check_table(X: Any) -> Any:
    """Rows (n, D) that no model is fitted on, checked as ``fit`` checks its own."""
    return check_rows(BaseEstimator(), X, reset=True)


def check_dense(X: Any) -> Float[np.ndarray, "n D"]:
    """The same as an ordinary array in float64, for what looks at small data as a whole."""
    return dense(check_table(X)).astype(np.float64)


def as_numbers(X: Any, what: str = "X") -> Block:
    """Rows (n, D) of any kind as a numeric array or CSR matrix; missing and infinite ones are kept."""
    numbers: Block = _explained(X, what, lambda table: check_array(table, **CONVERSION))
    return numbers


def target_array(y: Any) -> Shaped[np.ndarray, "n ..."]:
    """Targets as an array of labels or numbers, none of them masked; NaN where pandas has NA."""
    if y is None:
        raise ValueError("fit requires y to be passed, but the target y is None: pass one per row of X")
    if (masked := _masked_in(y)) is not None:
        raise ValueError(
            f"y has {masked}, and NumPy would take what is below the mask. Drop these rows, because "
            "there is nothing to predict in them"
        )
    return np.asarray(_without_missing_objects(y))


def check_target_numbers(y: Any) -> Float[np.ndarray, "n ..."]:
    """Targets (n,) or (n, k) that are numbers, finite and within single precision."""
    targets = target_array(y)
    if (dates := _date_in(targets)) is not None:
        raise TypeError(f"y holds {dates}. {DATES_ADVICE}")
    numbers = np.asarray(check_array(targets, ensure_2d=False, dtype=np.float64, input_name="y"))
    if np.abs(numbers).max(initial=0.0) > LARGEST:
        raise ValueError(
            f"y has numbers beyond ±{LARGEST:g}, where single precision ends: divide y by a constant"
        )
    return numbers


@contextlib.contextmanager
def unchanged(model: object) -> Iterator[None]:
    """Put all attributes back at the end."""
    before = dict(vars(model))
    try:
        yield
    finally:
        vars(model).clear()
        vars(model).update(before)


@contextlib.contextmanager
def unchanged_on_error(model: object) -> Iterator[None]:
    """Put all attributes back where a fit is refused, or interrupted: the last fit stays usable."""
    before = dict(vars(model))
    try:
        yield
    except BaseException:
        vars(model).clear()
        vars(model).update(before)
        raise


def check_coordinates(Z: Any, n_components: int) -> Float[np.ndarray, "n d"]:
    """Coordinates (n, d), numeric and finite."""
    coordinates: np.ndarray = _explained(
        Z, "Z", lambda table: check_array(table, dtype=NUMERIC, ensure_all_finite=False)
    )
    if coordinates.shape[1] != n_components:
        raise ValueError(
            f"Z has {coordinates.shape[1]} columns, but the model has {n_components} coordinates; "
            "pass what transform returns, shape (n, d)"
        )
    check_finite(coordinates, [f"coordinate {k}" for k in range(n_components)], what="Z")
    return np.asarray(coordinates)


def check_finite(rows: Any, names: list[str], what: str = "X", *, allow_nan: bool = False) -> None:
    """Raise a ValueError that says where NaN, infinity or a number beyond ``LARGEST`` stands, if any."""
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
        value, place = block[row, column], f"{names[column]} in row {where.start + row} is the first"
        if np.isfinite(value):
            raise ValueError(
                f"{what} contains {value:g}, beyond ±{LARGEST:g}, where single precision ends: {place}. "
                "Divide the data by a constant, or drop the row if the number is an error"
            )
        kind = "NaN" if np.isnan(value) else "infinity (inf)"
        raise ValueError(
            f"{what} contains {kind}: {place}; {int(bad.any(axis=1).sum())} rows of the first "
            f"{where.stop} hold {fault}. Drop these rows, or fill them, for example with "
            "sklearn.impute.SimpleImputer"
            + ("; VariationalAutoencoder takes NaN as missing entries" if np.isnan(value) else "")
        )


def check_errors(errors: Any, rows: Any) -> Float[np.ndarray, "n D"]:
    """Standard deviations of the entries of rows (n, D), for each that is known.

    One for all, or one per column, is spread out.
    """
    try:
        given = _explained(errors, "x_error", lambda table: np.asarray(table, dtype=np.float64))
        spread = np.broadcast_to(given, rows.shape)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"x_error: expected standard deviations of the shape of X, {rows.shape}, of a row, or one "
            f"number ({error})"
        ) from error
    for where, block in row_blocks(rows):
        known = ~np.isnan(block) if block.dtype.kind == "f" else np.ones(block.shape, bool)
        bad = known & ~((spread[where] >= 0) & (spread[where] <= LARGEST))
        if bad.any():
            row, column = map(int, np.argwhere(bad)[0])
            raise ValueError(
                f"x_error is {spread[where][row, column]:g} for column {column} in row "
                f"{where.start + row}: expected a standard deviation ≥ 0 for each entry of X that "
                "is known; an entry that is not is NaN in X"
            )
    return np.asarray(spread)


def check_integer(name: str, value: Any, least: int, advice: str = "") -> int:
    """An integer ≥ ``least``, or an error that names the parameter."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}={value!r}: expected an integer of at least {least}. {advice}".strip())
    return int(value)


def check_real(name: str, value: Any, low: float, high: float = np.inf, closed: bool = False) -> float:
    """A number in (low, high), or [low, high) when ``closed``."""
    inside = isinstance(value, Real) and not isinstance(value, bool)
    if not inside or not (low <= value if closed else low < value) or not value < high:
        opening = "[" if closed else "("
        raise ValueError(f"{name}={value!r}: expected a number in {opening}{low:g}, {high:g})")
    return float(value)


def check_choice(name: str, value: Any, choices: Iterable[Any]) -> None:
    """One of the named choices, or an error that lists them."""
    options = list(choices)
    if not any(value is option or value == option for option in options):
        raise ValueError(f"{name}={value!r} is not known; use one of {', '.join(map(repr, options))}")


def _all_in_range(values: np.ndarray) -> bool:
    array = np.asarray(values)
    flat = array.ravel(order="K") if array.flags.forc else array
    # Blocks that fit the cache, so that the second look at a number costs nothing.
    for block in np.array_split(flat, max(1, array.size // 2**18)):
        # NaN spreads to the minimum, and compares as false.
        if block.size and not (float(block.min()) >= -LARGEST and float(block.max()) <= LARGEST):
            return False
    return True


def _explained(X: Any, what: str, convert: Callable[[Any], Any]) -> Any:
    """What ``convert`` makes of X, or its error with the value at fault and what to do about it."""
    if (text := _not_rows(X, what)) is not None:
        raise TypeError(text)
    if (masked := _masked_in(X)) is not None:
        raise ValueError(
            f"{what} has {masked}, and NumPy would take the numbers below the mask. Drop these rows, or "
            "fill them: numpy.ma.filled(rows, numpy.nan) for sklearn.impute.SimpleImputer"
        )
    try:
        return convert(_without_missing_objects(X))
    except (ValueError, TypeError, OverflowError) as error:
        text = _with_advice(X, what, str(error)) or _first_not_a_number(X, what, error)
        if text is None:
            raise
        raise (TypeError if isinstance(error, TypeError) else ValueError)(text) from error


def _not_rows(X: Any, what: str) -> str | None:
    """What is wrong with an object that cannot be rows, or holds dates, which NumPy would count."""
    if scipy.sparse.issparse(X):
        return None
    if X is None or isinstance(X, str | bytes | os.PathLike | Mapping | Set | Iterator):
        came = "None" if X is None else f"a {type(X).__name__}"
        return (
            f"{what} is {came}: pass rows of numbers, shape (n, D), as an array, a data frame or lists; "
            "read a file first, for example with numpy.load or pandas.read_csv"
        )
    frame = _frame(X)
    if isinstance(frame, narwhals.LazyFrame):
        return (
            f"{what} is a query that was not run ({type(X).__name__}): pass its result, "
            f"{what}.collect() or {what}.compute()"
        )
    if isinstance(frame, narwhals.DataFrame):
        dates = _dates_in_frame(frame, what)
        return None if dates is None else f"{dates}. {DATES_ADVICE}"
    dtype = getattr(X, "dtype", None)
    if getattr(dtype, "names", None):
        return f"{what} holds records ({dtype}): stack their fields as the columns of a plain array"
    dates = _date_in(X)
    return None if dates is None else f"{what} holds {dates}. {DATES_ADVICE}"


def _frame(X: Any) -> Any:
    """X as a frame of narwhals, if it is a frame of any library."""
    if not isinstance(X, pa.Table) and hasattr(X, "__arrow_c_stream__") and not hasattr(X, "columns"):
        return X
    return narwhals.from_native(X, pass_through=True)


def _dates_in_frame(frame: narwhals.DataFrame[Any], what: str) -> str | None:
    try:
        schema = frame.collect_schema()
    except DuplicateError:  # said where names are checked
        return None
    for name, dtype in schema.items():
        if dtype.is_temporal():
            return f"{what} holds dates or durations, not numbers: column {name!r} has the type {dtype}"
        dates = _date_in(frame[name].to_numpy()) if dtype == narwhals.Object else None
        if dates is not None:
            return f"{what} holds {dates}: column {name!r}"
    return None


def _date_in(X: Any) -> str | None:
    """What dates or durations an array or a list has, which NumPy would count from 1970 on."""
    dtype = getattr(X, "dtype", None)
    if getattr(dtype, "kind", "") in ("m", "M"):
        return f"dates or durations ({dtype}), not numbers"
    listed = isinstance(X, list | tuple)
    if not listed and not (isinstance(X, np.ndarray) and X.dtype == object):
        return None
    found = _first_of_kind(X if listed else X.flat, DATES)
    return None if found is None else f"dates or durations, not numbers: {_place_of(found, X)}"


def _place_of(found: object, X: Any) -> str:
    """Where a value stands in rows, as far as these have columns."""
    try:
        table = np.asarray(X, dtype=object)
    except ValueError:
        table = np.empty(0)
    if table.ndim == 2:
        for row, values in enumerate(table):
            for column, value in enumerate(values):
                if value is found:
                    return f"column {column}, row {row} is {reprlib.repr(found)}"
    return f"one is {reprlib.repr(found)}"


def _masked_in(X: Any) -> str | None:
    """How many entries of an array, or of arrays in a list, are masked."""
    if isinstance(X, np.ma.MaskedArray):
        count = int(np.count_nonzero(np.ma.getmask(X)))
        return f"{count} masked entries" if count else None
    if isinstance(X, list | tuple):
        if any(part is np.ma.masked for part in X):
            return "masked entries"
        return next((masked for part in X if (masked := _masked_in(part)) is not None), None)
    if isinstance(X, np.ndarray) and X.dtype == object and any(v is np.ma.masked for v in X.flat):
        return "masked entries"
    return None


def _first_of_kind(values: Iterable[Any], kind: Any) -> Any:
    """The first value of a type in nested lists or arrays, or None."""
    for value in values:
        if isinstance(value, kind):
            return value
        found = None
        if isinstance(value, list | tuple):
            found = _first_of_kind(value, kind)
        elif isinstance(value, np.ndarray) and value.dtype.kind in "OmM":
            found = _first_of_kind(value.flat, kind)
        if found is not None:
            return found
    return None


def _without_missing_objects(X: Any) -> Any:
    """X with NaN for what pandas calls missing among objects, which has no number of its own."""
    if isinstance(X, pa.RecordBatch):
        X = pa.Table.from_batches([X])
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return X
    if isinstance(X, pandas.DataFrame):
        objects = any(pandas.api.types.is_object_dtype(dtype) for dtype in X.dtypes)
        return X.where(X.notna(), np.nan) if objects else X
    if isinstance(X, pandas.Series | pandas.api.extensions.ExtensionArray):
        return X.to_numpy(dtype=float, na_value=np.nan) if pandas.api.types.is_numeric_dtype(X) else X
    if isinstance(X, list | tuple) and _first_of_kind(X, type(pandas.NA)) is not None:
        X = np.asarray(X, dtype=object)
    if isinstance(X, np.ndarray) and X.dtype == object:
        return np.where(pandas.isna(X), np.nan, X)
    return X


def _with_advice(X: Any, what: str, error: str) -> str | None:
    for start, advice in ADVICE.items():
        if start in error:
            # scikit-learn prints the array below its first line.
            reason = error.splitlines()[0].rstrip(": .")
            shape = () if "inhomogeneous" in error else np.shape(X)
            return f"{reason}. {advice.format(what=what, shape=shape)}"
    return None


def _names(X: Any, n_features: int) -> list[str]:
    names = _get_feature_names(X)
    if names is None:
        return [f"column {index}" for index in range(n_features)]
    return [f"column {name!r}" for name in names]


def _first_not_a_number(X: Any, what: str, error: Exception) -> str | None:
    """Says which value is text, a date or another object, if that is what is wrong with X."""
    if scipy.sparse.issparse(X):
        return None
    try:
        table = np.asarray(X, dtype=object)
    except ValueError:
        return None
    if table.ndim != 2:
        return None
    for index, column in enumerate(table.T):
        for row, value in enumerate(column):
            if (fault := _fault(value, error)) is not None:
                place = f"{_names(X, table.shape[1])[index]}, row {row}"
                return f"{what} holds {fault[0]}: {place} is {reprlib.repr(value)}. {fault[1]}"
    return None


def _fault(value: Any, error: Exception) -> tuple[str, str] | None:
    """What one value is instead of a number and what to do about it, or None."""
    if isinstance(value, DATES):
        return "dates or durations, not numbers", DATES_ADVICE
    if isinstance(value, str | bytes) and not _is_number(value):
        return (
            "text",
            "could not convert it to a number: drop the column, or encode it, for example with "
            "sklearn.preprocessing.OneHotEncoder",
        )
    if isinstance(error, OverflowError) and isinstance(value, int) and abs(value) > LARGEST:
        return f"an integer beyond ±{LARGEST:g}", "Divide the data by a constant"
    if isinstance(value, complex):
        return "complex numbers", "Pass real numbers"
    if isinstance(value, Number | str | bytes) or value is None or hasattr(value, "__float__"):
        return None
    return "what is not a number", f"{error}"


def _is_number(text: str | bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
