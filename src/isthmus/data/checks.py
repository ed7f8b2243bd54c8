"""What a user hands in → checked arrays, or an error that says what came and what to do."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import prod
from numbers import Integral, Real
from typing import Any

import numpy as np
from jaxtyping import Float, Num, Shaped
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from isthmus.data.coding import CodedRows, ColumnCode, has_code
from isthmus.data.conversion import (
    IMAGE_DIMENSIONS,
    NUMERIC,
    as_rows,
    column_names,
    explained,
    with_reason,
)
from isthmus.data.finite import LARGEST, check_finite
from isthmus.data.frames import (
    as_named,
    column_labels,
    of_any_kind,
    refuse_masked,
    refuse_other_order,
    to_values,
)
from isthmus.data.rows import Rows, dense, row_blocks
from isthmus.data.stored.dask import check_dimensions, is_frame
from isthmus.data.stored.rows import StoredRows
from isthmus.data.stored.scanning import as_stored
from isthmus.data.wording import counted


def check_fitted(model: object) -> None:
    """Raise NotFittedError before ``fit``. What has no ``fit`` passes: other checks refuse it."""
    if hasattr(model, "fit"):
        check_is_fitted(model)


def check_map(model: object, *needs: str) -> None:
    """Raise TypeError for what is not a map with these methods, and NotFittedError before ``fit``."""
    check_fitted(model)
    for need in ("fit", *(needs or ("encode", "decode"))):
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
    ``row_shape_`` if the rows are images. Angles and categories come in their code (n, D'), which is
    ``code_``.
    """
    stored = as_stored(X)
    X = X if stored is None else stored
    code = _code_for(estimator, X) if reset else getattr(estimator, "code_", None)
    if code is not None:
        return _check_coded(estimator, X, code, reset=reset, min_rows=min_rows)
    rows = as_rows(X, estimator=estimator, min_rows=min_rows)
    shape = _shape_of_images(X)
    if not reset:
        _check_images(estimator, shape)
        # Names and width first: rows of other columns are not to be blamed for the numbers in them.
        _check_features(estimator, X, rows, reset=False)
    allow_nan = get_tags(estimator).input_tags.allow_nan
    if isinstance(rows, StoredRows):
        rows = rows.allowing_nan(allow_nan)
    else:
        check_finite(rows, entry_of(column_names(X, rows.shape[1])), allow_nan=allow_nan)
    if reset:
        _check_features(estimator, X, rows, reset=True)
        _remember(estimator, row_shape_=shape, code_=None)
    return rows


def entry_of(names: Sequence[str]) -> Callable[[int, int], str]:
    """Says where an entry of an array is: "column 'a' in row 3"."""
    return lambda row, column: f"{names[column]} in row {row}"


def _remember(estimator: object, **found: object) -> None:
    """Set these attributes, and remove those that are None."""
    for name, value in found.items():
        vars(estimator).pop(name, None)
        if value is not None:
            vars(estimator)[name] = value


def _code_for(estimator: object, X: object) -> ColumnCode | None:
    """The code that an estimator's parameters ask for; of rows in a code, theirs."""
    if isinstance(X, CodedRows):
        return X.code
    own = getattr(estimator, "estimator", estimator)
    periodic, categorical = getattr(own, "periodic", None), getattr(own, "categorical", None)
    if not has_code(periodic, categorical):
        return None
    if isinstance(X, StoredRows):
        raise ValueError(
            "periodic and categorical columns are not taken from rows that are kept elsewhere: keep "
            "cosine and sine of each angle there, and a column of zeros and ones for each category"
        )
    return ColumnCode.of(X, periodic, categorical)


def _check_coded(
    estimator: object, X: object, code: ColumnCode, *, reset: bool, min_rows: int
) -> CodedRows:
    """The code of rows with angles and categories, checked."""
    allow_nan = get_tags(estimator).input_tags.allow_nan
    if isinstance(X, CodedRows):
        check_finite(np.asarray(X), entry_of(code.names), allow_nan=allow_nan)
        if reset:
            _remember(estimator, n_features_in_=len(code.labels), row_shape_=None, code_=code)
        return X
    raw = to_values(X, "X")
    if not reset:
        _check_features(estimator, X, raw, reset=False)
    numbers = code.numbers(X)
    if len(numbers) < min_rows:
        raise ValueError(
            f"X has {len(numbers)} sample(s), and a minimum of {min_rows} is required. Pass more rows"
        )
    check_finite(numbers, entry_of(column_names(X, numbers.shape[1])), allow_nan=allow_nan)
    if reset:
        _check_features(estimator, X, raw, reset=True)
        _remember(estimator, row_shape_=None, code_=code)
    return CodedRows.of(code.coded(numbers, np), code)


def _shape_of_images(X: object) -> tuple[int, ...] | None:
    """(height, width), or with channels (height, width, c), of rows that are images; None for others."""
    if isinstance(X, StoredRows):
        return X.store.row_shape
    shape = tuple(np.shape(X)) if isinstance(X, np.ndarray | list | tuple) else ()
    return shape[1:] if len(shape) in IMAGE_DIMENSIONS else None


def _check_images(estimator: object, shape: tuple[int, ...] | None) -> None:
    expected = getattr(estimator, "row_shape_", None)
    if shape is not None and expected is not None and shape != expected:
        raise ValueError(
            f"X has images of shape {shape}, and fit saw {expected}: pass images of that shape, or flat "
            "rows"
        )


def _check_features(estimator: BaseEstimator, X: object, rows: Rows, *, reset: bool) -> None:
    """Names and number of the columns, as scikit-learn sets and checks them."""
    named: object = as_named(X) if column_labels(X) is not None else rows
    if isinstance(rows, StoredRows):
        named = rows.without_rows()
    with_reason(
        X,
        "X",
        lambda: validate_data(estimator, named, reset=reset, skip_check_array=True),
        holds_numbers=False,
    )


@contextlib.contextmanager
def rows_without_names() -> Iterator[None]:
    """Silence scikit-learn's warning of missing feature names: rows of a checked array have none."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
        yield


def check_columns(estimator: BaseEstimator, X: Any) -> None:  # a collection of Dask
    """Raise ValueError where a collection of Dask does not have the columns that a model was fitted on.

    Names and numbers alone are looked at, which are known before anything is computed.
    """
    if is_frame(X):
        _check_features(estimator, X._meta, X._meta, reset=False)
        return
    check_dimensions(X)
    images = tuple(map(int, X.shape[1:])) if X.ndim in IMAGE_DIMENSIONS else None
    _check_images(estimator, images)
    flat = np.empty((0, prod(map(int, X.shape[1:]))))
    _check_features(estimator, flat, flat, reset=False)


def check_table(X: object) -> Any:  # as as_rows
    """Rows (n, D) that no model is fitted on, checked as ``fit`` checks its own."""
    rows = check_rows(BaseEstimator(), X, reset=True)
    return np.asarray(rows) if isinstance(rows, CodedRows) else rows


def check_dense(X: object) -> Float[np.ndarray, "n D"]:
    """The same as an ordinary array in float64, for what looks at small data as a whole."""
    return dense(check_table(X)).astype(np.float64)


def target_array(y: object) -> Shaped[np.ndarray, " ..."]:
    """Targets as an array of labels or numbers, none of them masked."""
    _refuse_none(y)
    refuse_masked(y, "y")
    return of_any_kind(y)


def check_target_numbers(y: object) -> Float[np.ndarray, "n ..."]:
    """Targets (n,) or (n, k) that are numbers, finite and within single precision."""
    _refuse_none(y)
    values = to_values(y, "y")
    numbers = with_reason(
        y,
        "y",
        lambda: np.asarray(check_array(values, ensure_2d=False, dtype=np.float64, input_name="y")),
    )
    if np.abs(numbers).max(initial=0.0) > LARGEST:
        raise ValueError(
            f"y has numbers beyond ±{LARGEST:g}, where single precision ends: divide y by a constant"
        )
    return numbers


def _refuse_none(y: object) -> None:
    if y is None:
        raise ValueError("fit requires y to be passed, but the target y is None: pass one per row of X")


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


def check_coordinate_columns(Z: Any, n_components: int) -> None:  # a collection of Dask
    """Raise ValueError where a collection of Dask does not have a column for each coordinate."""
    if len(Z.shape) != 2 or Z.shape[1] != n_components:
        raise ValueError(
            f"Z has shape {tuple(Z.shape)}, but the model has {counted(n_components, 'coordinate')}; "
            "pass what transform returns, shape (n, d)"
        )


def check_coordinates(
    Z: object, n_components: int, names: Sequence[object] | None = None
) -> Num[np.ndarray, "n d"]:
    """Coordinates (n, d), numeric and finite; in the order of ``names`` where Z names them, too."""
    refuse_other_order(Z, names, "Z")
    coordinates: np.ndarray = explained(
        Z, "Z", lambda values: check_array(values, dtype=NUMERIC, ensure_all_finite=False)
    )
    if coordinates.shape[1] != n_components:
        raise ValueError(
            f"Z has {counted(coordinates.shape[1], 'column')}, but the model has "
            f"{counted(n_components, 'coordinate')}; pass what transform returns, shape (n, d)"
        )
    named = entry_of([f"coordinate {k}" for k in range(n_components)])
    check_finite(coordinates, named, what="Z", advice="Drop these rows, or pass what transform returns")
    return np.asarray(coordinates)


def check_image_shape(image_shape: tuple[int, ...] | None, n_features: int) -> None:
    """Raise ValueError if rows of so many features are no images of this shape."""
    if image_shape is None:
        return
    if prod(image_shape) != n_features or min(image_shape) < 1:
        raise ValueError(
            f"image_shape={image_shape} has {prod(image_shape)} pixels, and rows have {n_features} "
            "columns: pass the height and width of the images, or none"
        )


def check_errors(errors: object, rows: Rows, X: object = None) -> Float[np.ndarray, "n D"]:
    """Standard deviations (n, D) of the entries of rows, each of which has one unless it is missing.

    One number stands for all entries, and one per column for all rows. ``X`` is what the rows came as.
    Raises ValueError for anything else, for columns of X in another order, and where rows have angles
    or categories, whose errors are not those of the numbers in their code.
    """
    if isinstance(rows, CodedRows):
        raise ValueError(
            "x_error with periodic or categorical columns: the errors of angles and categories are not "
            "known to the likelihood. Leave these columns out, or pass no x_error"
        )
    refuse_other_order(errors, column_labels(X), "x_error")
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
