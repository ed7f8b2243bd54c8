"""Tables of any library → arrays: only this file depends on how pandas, Polars and Arrow keep numbers.

Missing values become NaN, also those of nullable types. Dates, durations and masked entries are refused,
because NumPy would make numbers of them.
"""

from __future__ import annotations

import datetime
import reprlib
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import scipy.sparse

from isthmus.data.stored.rows import StoredRows

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    Series = pd.Series[Any]  # values of any type


DATES_ADVICE = "Drop them, or turn them into numbers, for example days since a start"

DATES = datetime.date | datetime.time | datetime.timedelta | np.datetime64 | np.timedelta64
"""What stands for a point or a stretch of time."""


def column_labels(X: Any) -> list[object] | None:  # of any library
    """The labels of the columns of a data frame or an Arrow table, or None for what names no columns."""
    if isinstance(X, np.ndarray):
        code: Any = getattr(X, "code", None)  # of rows with angles or categories
        return None if code is None else list(code.names)
    if isinstance(X, StoredRows):
        return None if X.names is None else list(X.names)
    if is_pandas(X):
        return list(X.columns)
    if _is_arrow_like(X):
        return list(X.column_names if hasattr(type(X), "column_names") else X.columns)
    return None


def as_named(X: Any) -> Any:  # of any library
    """What scikit-learn finds the names of columns in: X, or an empty table of its columns for others.

    It does not look for names in a batch of Arrow or a relation of DuckDB.
    """
    if not _is_arrow_like(X):
        return X
    import pyarrow as pa

    return pa.table({str(label): pa.array([], pa.float64()) for label in column_labels(X) or ()})


def refuse_other_order(
    X: Any,  # of any library
    expected: Sequence[object] | None,
    what: str,
) -> None:
    """Raise ValueError for a frame, or a labelled column of pandas, of these labels in another order."""
    pandas = sys.modules.get("pandas")
    is_column = pandas is not None and isinstance(X, pandas.Series)
    labels = list(X.index) if is_column else column_labels(X)
    if labels is None or expected is None or len(labels) != len(expected):
        return
    if labels != list(expected) and set(labels) == set(expected):
        raise ValueError(
            f"{what} has {reprlib.repr(labels)} in this order: expected {reprlib.repr(list(expected))}. "
            "Put them in this order"
        )


def to_values(X: object, what: str) -> Any:  # an array, or a matrix of SciPy
    """The values (n, D) of an array, a data frame, an Arrow table, a sparse matrix or lists.

    What is an array stays as it is. Numbers keep their types where all columns have one. Columns of
    text come as objects, for the caller to say what is wrong with them. Raises TypeError for dates, for
    frames that hold no rows yet and for AnnData, and ValueError for masked entries.
    """
    if scipy.sparse.issparse(X):
        return X
    if type(X).__name__ == "AnnData":
        raise TypeError(
            f"{what} is an AnnData, which holds more than a table: isthmus.embed(adata, model) fits a "
            f"map and keeps coordinates in obsm, or pass {what}.X, cells by genes"
        )
    if (advice := _not_computed(X)) is not None:
        raise TypeError(f"{what} is a {type(X).__name__}, which holds no rows yet: pass {what}{advice}")
    refuse_masked(X, what)
    if is_pandas(X):
        return _of_pandas(X, what)
    if _is_arrow_like(X):
        return _of_arrow(X, what)
    values = of_any_kind(X)
    if values.dtype.kind in "mM":
        raise TypeError(_dates(what, f"all of it ({values.dtype})"))
    return _of_objects(values, what) if values.dtype == object else values


def of_any_kind(X: object) -> np.ndarray:
    """What NumPy makes an array of; of objects where texts have any length, or numbers beside them."""
    values = np.asarray(X)
    if values.dtype.kind == "T":
        return values.astype(object)
    if values.dtype.kind in "SU" and isinstance(X, list | tuple):
        # NumPy writes numbers beside texts as texts: NaN, which is missing, as "nan".
        objects = np.asarray(X, dtype=object)
        return values if all(isinstance(one, str | bytes) for one in objects.flat) else objects
    return values


def with_zeros(X: Any, positions: Sequence[int]) -> Any:  # of any library
    """The table X with zeros in the columns at these positions, whatever they held."""
    if not positions:
        return X
    if is_pandas(X):
        frame = X.copy(deep=False)
        for position in positions:
            frame.isetitem(position, 0.0)
        return frame
    if _is_arrow_like(X):
        import pyarrow as pa

        arrow = _as_arrow(X, "X")
        for position in positions:
            zeros = pa.array(np.zeros(arrow.num_rows))
            arrow = arrow.set_column(position, arrow.column_names[position], zeros)
        return arrow
    values = np.array(X, dtype=object)
    values[:, list(positions)] = 0.0
    return values


def is_pandas(X: object) -> TypeGuard[pd.DataFrame]:
    """Whether X is a pandas data frame. pandas is not loaded to find out."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(X, pandas.DataFrame)


def _is_arrow_like(X: object) -> bool:
    """Whether X is a table with the Arrow interface: Arrow's own, Polars, DuckDB."""
    kind = type(X)
    return hasattr(kind, "__arrow_c_stream__") and hasattr(kind, "columns") and not is_pandas(X)


def _not_computed(X: object) -> str | None:
    """How to compute a lazy frame, which is a plan of a table and no table yet."""
    kind = type(X)
    if hasattr(kind, "__array__") and not hasattr(kind, "npartitions"):
        return None
    for method in ("collect", "compute"):
        if hasattr(kind, "columns") and hasattr(kind, method):
            return f".{method}()"
    return None


def refuse_masked(X: object, what: str) -> None:
    """Raise ValueError for masked entries: NumPy would take the numbers below the mask."""
    masked = _count_masked(X, depth=3)
    if masked:
        raise ValueError(
            f"{what} has {masked} masked entries, and NumPy would take the numbers below the mask. Drop "
            f"these rows, or fill them: {what}.filled(numpy.nan) for sklearn.impute.SimpleImputer"
        )


def _count_masked(part: object, depth: int) -> int:
    if isinstance(part, np.ma.MaskedArray):
        return int(np.count_nonzero(np.ma.getmaskarray(part)))
    if depth and isinstance(part, list | tuple):
        return sum(_count_masked(one, depth - 1) for one in part if not isinstance(one, float | int))
    if depth and isinstance(part, np.ndarray) and part.dtype == object:
        return sum(_count_masked(one, depth - 1) for one in part.flat)
    return 0


def _of_pandas(frame: pd.DataFrame, what: str) -> Any:  # the same
    _refuse_repeated(list(frame.columns), what)
    kinds = [getattr(dtype, "kind", "O") for dtype in frame.dtypes]
    plain = all(isinstance(dtype, np.dtype) for dtype in frame.dtypes)
    if plain and all(kind in "biufc" for kind in kinds):
        return frame.to_numpy()
    import pandas as pd

    if len(kinds) and all(isinstance(dtype, pd.SparseDtype) for dtype in frame.dtypes):
        zeros = all(dtype.fill_value == 0 for dtype in frame.dtypes)
        if zeros and all(kind in "biuf" for kind in (dtype.subtype.kind for dtype in frame.dtypes)):
            sparse: Any = frame.sparse  # the stubs of pandas lack it
            return sparse.to_coo().tocsr()
    columns = [
        _pandas_column(frame.iloc[:, position], label, what)
        for position, label in enumerate(frame.columns)
    ]
    return _side_by_side(columns, len(frame))


def _pandas_column(column: Series, label: object, what: str) -> np.ndarray:
    """One column as an array, with NaN where it has no value."""
    import pandas as pd

    dtype: Any = column.dtype  # each kind has attributes of its own
    if isinstance(dtype, pd.CategoricalDtype):
        # Not in the type of the categories, which may have no place for a missing value.
        return _pandas_column(pd.Series(np.asarray(column)), label, what)
    if isinstance(dtype, pd.SparseDtype):
        return _pandas_column(column.astype(dtype.subtype), label, what)
    if isinstance(dtype, pd.PeriodDtype) or getattr(dtype, "kind", "") in "mM":
        raise TypeError(_dates(what, f"column {label!r} ({dtype})"))
    if isinstance(dtype, pd.ArrowDtype):
        return _arrow_column(_arrow_array(column), label, what)
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        return column.to_numpy()
    if getattr(dtype, "kind", "O") in "biuf":
        missing = column.isna().to_numpy()
        if not missing.any():
            return column.to_numpy(dtype=dtype.numpy_dtype)
        floating = dtype.numpy_dtype if dtype.kind == "f" else np.dtype(np.float64)
        return column.to_numpy(dtype=floating, na_value=np.nan)
    return _of_objects(column.to_numpy(dtype=object), what, label)


def _arrow_array(column: Series) -> pa.ChunkedArray:
    import pyarrow as pa

    return pa.chunked_array([pa.array(column)])


def _as_arrow(X: Any, what: str) -> pa.Table:  # what has Arrow's interface
    """X as a table of Arrow, which would take pointers for Polars' objects, and takes no Int128."""
    import pyarrow as pa

    polars = sys.modules.get("polars")
    if polars is not None and isinstance(X, polars.DataFrame):
        for name, dtype in X.schema.items():
            if dtype == polars.Object:
                raise TypeError(
                    f"{what} holds Python objects: column {name!r} ({dtype}). Make it a column of "
                    "numbers or texts"
                )
            if str(dtype) in ("Int128", "UInt128"):
                X = X.cast({name: polars.Float64})
    return X if isinstance(X, pa.Table) else pa.table(X)


def _of_arrow(table: Any, what: str) -> np.ndarray:  # what has Arrow's interface
    arrow = _as_arrow(table, what)
    _refuse_repeated(arrow.column_names, what)
    columns = [
        _arrow_column(arrow.column(position), name, what)
        for position, name in enumerate(arrow.column_names)
    ]
    return _side_by_side(columns, arrow.num_rows)


def _arrow_column(column: pa.ChunkedArray, label: object, what: str) -> np.ndarray:
    """One column as an array, with NaN where it has no value."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(column.type):
        return _dictionary_column(column, label, what)
    kind = column.type
    if types.is_temporal(kind):
        raise TypeError(_dates(what, f"column {label!r} ({kind})"))
    if types.is_boolean(kind) and column.null_count:
        column = column.cast(pa.int8())
    if types.is_decimal(kind) or types.is_null(kind):
        column = column.cast(pa.float64())
    kind = column.type
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        return np.asarray(column.to_numpy())
    values = np.empty(len(column), dtype=object)
    values[:] = column.to_pylist()
    return _of_objects(values, what, label)


def _dictionary_column(column: pa.ChunkedArray, label: object, what: str) -> np.ndarray:
    """The column of a dictionary's entries: a long text is there once, not for each row that has it."""
    import pyarrow as pa

    parts = []
    for chunk in column.chunks:
        entries = _arrow_column(pa.chunked_array([chunk.dictionary]), label, what)
        places = chunk.indices.cast(pa.int64())
        if places.null_count:
            missing = np.array([None if entries.dtype == object else np.nan])
            entries = np.concatenate([entries, missing])
        parts.append(entries[places.fill_null(-1).to_numpy(zero_copy_only=False)])
    return np.concatenate(parts) if parts else np.empty(0)


def _of_objects(values: np.ndarray, what: str, label: object = None) -> np.ndarray:
    """Objects with NaN for what pandas calls NA. Dates among them are refused.

    ``label`` is that of the column that the values are, None if they are all rows.
    """
    pandas = sys.modules.get("pandas")
    missing = object() if pandas is None else pandas.NA
    cleaned = values
    for index, value in np.ndenumerate(values):
        if value is missing:
            cleaned = values.copy() if cleaned is values else cleaned
            cleaned[index] = np.nan
        elif isinstance(value, DATES):
            column = label if len(index) < 2 else index[1]
            place = f"row {index[0]}" if column is None else f"column {column!r}, row {index[0]}"
            raise TypeError(_dates(what, f"{place} is {reprlib.repr(value)}"))
    return cleaned


def _side_by_side(columns: Sequence[np.ndarray], n_rows: int) -> np.ndarray:
    """Columns as one array (n, D) of the smallest type that holds them all."""
    if not columns:
        return np.empty((n_rows, 0))
    kinds = {column.dtype for column in columns}
    texts = any(kind.kind not in "biufc" for kind in kinds)
    joined = np.empty((n_rows, len(columns)), object if texts else np.result_type(*kinds))
    for position, column in enumerate(columns):
        joined[:, position] = column
    return joined


def _refuse_repeated(labels: Sequence[object], what: str) -> None:
    repeated = [(label, count) for label, count in Counter(labels).items() if count > 1]
    if repeated:
        shown = ", ".join(f"{label!r} {count} times" for label, count in repeated[:10])
        raise ValueError(
            f"{what}: expected unique column names, got {shown}. Rename these columns, or keep one "
            "of each"
        )


def _dates(what: str, place: str) -> str:
    return f"{what} holds dates or durations, not numbers: {place}. {DATES_ADVICE}"
