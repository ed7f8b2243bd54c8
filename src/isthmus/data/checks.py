"""What a user hands in → checked arrays, or an error that says what came and what to do."""

from __future__ import annotations

import contextlib
import os
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from numbers import Integral, Number, Real
from typing import Any, TypeVar

import numpy as np
import scipy.sparse
from jaxtyping import Float, Num, Shaped
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from isthmus.data.frames import column_labels, refuse_masked, to_values
from isthmus.data.rows import Rows, dense, row_blocks

NUMERIC = [
    np.float64, np.float32, np.float16, np.bool_,
    np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64,
]  # fmt: skip


LARGEST = 1e37
"""Largest size of a number in the data: networks compute in single precision, up to 3.4e38."""

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


def check_map(model: object, *needs: str) -> None:
    """Raise TypeError for what is no map with these functions, NotFittedError before ``fit``."""
    check_is_fitted(model)
    for need in needs or ("encode", "decode"):
        if not hasattr(model, need):
            raise TypeError(
                f"{type(model).__name__} has no {need}: expected a fitted map of isthmus, such as "
                "isthmus.Autoencoder(2)"
            )


def check_rows(estimator: object, X: object, *, reset: bool, min_rows: int = 1) -> Any:  # as as_rows
    """Rows (n, D) as a numeric array or CSR matrix, finite, with the width the model was fitted on.

    NaN stay where the estimator's tags allow them.

    Integers, booleans and float16 stay as they are: they are cast block by block when used. Sets
    ``n_features_in_`` and ``feature_names_in_`` when ``reset``, once the rows are known to be good, and
    ``row_shape_`` if the rows are images.
    """
    rows = as_rows(X, estimator=estimator, min_rows=min_rows)
    shape = _shape_of_images(X)
    if not reset:
        _check_images(estimator, shape)
        # Names and width first: rows of other columns are not to be blamed for the numbers in them.
        _check_features(estimator, X, rows, reset=False)
    allow_nan = get_tags(estimator).input_tags.allow_nan
    check_finite(rows, _names(X, rows.shape[1]), allow_nan=allow_nan)
    if reset:
        _check_features(estimator, X, rows, reset=True)
        vars(estimator).pop("row_shape_", None)
        if shape is not None:
            vars(estimator)["row_shape_"] = shape
    return rows


def _shape_of_images(X: object) -> tuple[int, ...] | None:
    """(height, width), or with channels (height, width, c), of rows that are images; None for others."""
    shape = tuple(np.shape(X)) if isinstance(X, np.ndarray | list | tuple) else ()
    return shape[1:] if len(shape) in IMAGE_DIMENSIONS else None


def _check_images(estimator: object, shape: tuple[int, ...] | None) -> None:
    expected = getattr(estimator, "row_shape_", None)
    if shape is not None and expected is not None and shape != expected:
        raise ValueError(
            f"X has images of shape {shape}, and fit saw {expected}: pass images of that shape, or flat "
            "rows"
        )


def _flat(values: Any) -> Any:  # as to_values
    """Images as rows; anything else as it is."""
    if isinstance(values, np.ndarray) and values.ndim in IMAGE_DIMENSIONS and len(values):
        return values.reshape(len(values), -1)
    return values


def as_rows(
    X: object, what: str = "X", *, estimator: BaseEstimator | None = None, min_rows: int = 1
) -> Any:  # an array or a CSR matrix, which share no type
    """Rows (n, D) of any kind as a numeric array or CSR matrix, with NaN for what is missing.

    Whatever a user calls a table goes through here: arrays, data frames of any library, Arrow tables,
    sparse matrices, lists; and images (n, height, width), with channels (n, height, width, c), each of
    which is a row. Values may be NaN or infinite; ``check_rows`` looks at these.
    """
    return _explained(
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


def _check_features(estimator: BaseEstimator, X: object, rows: Rows, *, reset: bool) -> None:
    """Names and number of the columns, as scikit-learn sets and checks them."""
    named = X if column_labels(X) is not None else rows
    _with_reason(X, "X", lambda: validate_data(estimator, named, reset=reset, skip_check_array=True))


def check_table(X: object) -> Any:  # as as_rows
    """Rows (n, D) that no model is fitted on, checked as ``fit`` checks its own."""
    return check_rows(BaseEstimator(), X, reset=True)


def check_dense(X: object) -> Float[np.ndarray, "n D"]:
    """The same as an ordinary array in float64, for what looks at small data as a whole."""
    return dense(check_table(X)).astype(np.float64)


def target_array(y: object) -> Shaped[np.ndarray, " ..."]:
    """Targets as an array of labels or numbers, none of them masked."""
    if y is None:
        raise ValueError("fit requires y to be passed, but the target y is None: pass one per row of X")
    refuse_masked(y, "y")
    return np.asarray(y)


def check_target_numbers(y: object) -> Float[np.ndarray, "n ..."]:
    """Targets (n,) or (n, k) that are numbers, finite and within single precision."""
    if y is None:
        raise ValueError("fit requires y to be passed, but the target y is None: pass one per row of X")
    values = to_values(y, "y")
    numbers = np.asarray(check_array(values, ensure_2d=False, dtype=np.float64, input_name="y"))
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


def check_coordinates(Z: object, n_components: int) -> Num[np.ndarray, "n d"]:
    """Coordinates (n, d), numeric and finite."""
    coordinates: np.ndarray = _explained(
        Z, "Z", lambda values: check_array(values, dtype=NUMERIC, ensure_all_finite=False)
    )
    if coordinates.shape[1] != n_components:
        raise ValueError(
            f"Z has {coordinates.shape[1]} columns, but the model has {n_components} coordinates; "
            "pass what transform returns, shape (n, d)"
        )
    check_finite(coordinates, [f"coordinate {k}" for k in range(n_components)], what="Z")
    return np.asarray(coordinates)


def check_finite(
    rows: np.ndarray | scipy.sparse.csr_array,
    names: list[str],
    what: str = "X",
    *,
    allow_nan: bool = False,
) -> None:
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


def check_errors(errors: object, rows: Rows) -> Float[np.ndarray, "n D"]:
    """Standard deviations of the entries of rows (n, D), for each that is known.

    One for all, or one per column, is spread out.
    """
    try:
        values = to_values(errors, "x_error")
        spread = np.broadcast_to(np.asarray(values, dtype=np.float64), rows.shape)
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


def check_integer(name: str, value: object, least: int, advice: str = "") -> int:
    """An integer ≥ ``least``, or an error that names the parameter."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}={value!r}: expected an integer of at least {least}. {advice}".strip())
    return int(value)


def check_real(
    name: str, value: object, low: float, high: float = np.inf, closed: bool = False
) -> float:
    """A number in (low, high), or [low, high) when ``closed``."""
    if isinstance(value, Real) and not isinstance(value, bool):
        number = float(value)
        if (low <= number if closed else low < number) and number < high:
            return number
    opening = "[" if closed else "("
    raise ValueError(f"{name}={value!r}: expected a number in {opening}{low:g}, {high:g})")


def check_choice(name: str, value: object, choices: Iterable[object]) -> None:
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


Values = TypeVar("Values")


def _explained(X: object, what: str, convert: Callable[[np.ndarray], Values]) -> Values:
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

    return _with_reason(X, what, converted)


def _with_reason(X: object, what: str, convert: Callable[[], Values]) -> Values:
    try:
        return convert()
    except (ValueError, TypeError, OverflowError) as error:
        text = _with_advice(X, what, str(error)) or _first_not_a_number(X, what, error)
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


def _names(X: object, n_features: int) -> list[str]:
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
    if table.ndim != 2:
        return None
    for index, column in enumerate(table.T):
        for row, value in enumerate(column):
            if (fault := _fault(value, error)) is not None:
                place = f"{_names(X, table.shape[1])[index]}, row {row}"
                return f"{what} holds {fault[0]}: {place} is {reprlib.repr(value)}. {fault[1]}"
    return None


def _fault(value: object, error: Exception) -> tuple[str, str] | None:
    """What one value is instead of a number and what to do about it, or None."""
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
