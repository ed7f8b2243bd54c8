"""Tables of every library give the array that their numbers are, or an error that names the column."""

import datetime
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

import isthmus
from isthmus.data.checks import check_table
from isthmus.data.conversion import as_rows

ROWS = np.random.default_rng(0).standard_normal((12, 3))
GAPS = np.where(np.arange(36).reshape(12, 3) == 7, np.nan, ROWS)
LABELS = ["a", "b", "c"]
DAYS = [datetime.date(2020, 1, 1) + datetime.timedelta(days=day) for day in range(12)]


def with_na(dtype):
    frame = pd.DataFrame(ROWS, columns=LABELS).astype(dtype)
    frame.iloc[2, 1] = pd.NA
    return frame


def objects_with_na():
    rows = ROWS.astype(object)
    rows[2, 1] = pd.NA
    return rows


TABLES = {
    "pandas": lambda: pd.DataFrame(GAPS, columns=LABELS),
    "pandas Float64": lambda: with_na("Float64"),
    "pandas Arrow": lambda: with_na("double[pyarrow]"),
    "pandas objects": lambda: pd.DataFrame(objects_with_na(), columns=LABELS),
    "pandas sparse": lambda: pd.DataFrame(GAPS, columns=LABELS).astype(pd.SparseDtype(float, np.nan)),
    "pandas categories": lambda: pd.DataFrame(GAPS, columns=LABELS).astype("category"),
    "objects": objects_with_na,
    "Polars": lambda: pl.DataFrame(GAPS, schema=LABELS).fill_nan(None),
    "Arrow": lambda: pa.table(pl.DataFrame(GAPS, schema=LABELS).fill_nan(None)),
    "Arrow batch": lambda: pa.RecordBatch.from_pandas(pd.DataFrame(GAPS, columns=LABELS)),
    "list of series": lambda: [row for _, row in with_na("Float64").iterrows()],
    "several types": lambda: with_na("Float64").assign(a=ROWS[:, 0]),
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_library_gives_the_same_numbers_with_nan_for_what_is_missing(table):
    np.testing.assert_array_equal(as_rows(table()), GAPS)


@pytest.mark.parametrize("dtype", ["float32", "Float32", "float[pyarrow]"])
def test_single_precision_stays(dtype):
    rows = as_rows(pd.DataFrame(ROWS, columns=LABELS).astype(dtype))
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, ROWS.astype(np.float32))


@pytest.mark.parametrize("dtype", ["int64", "Int64", "int64[pyarrow]"])
def test_integers_beyond_double_precision_stay_what_they_are(dtype):
    large = [[2**62 + 1, 3], [2**62 + 3, 5]]
    rows = as_rows(pd.DataFrame(large).astype(dtype))
    assert rows.tolist() == large


def test_truth_values_and_decimals_are_numbers():
    table = pl.DataFrame({"t": [True, None], "d": [decimal.Decimal("1.5"), decimal.Decimal("2.25")]})
    np.testing.assert_array_equal(as_rows(table), [[1.0, 1.5], [np.nan, 2.25]])


def test_a_sparse_frame_is_a_sparse_matrix():
    sparse = scipy.sparse.random_array((12, 3), density=0.3, rng=np.random.default_rng(0))
    rows = as_rows(pd.DataFrame.sparse.from_spmatrix(sparse.tocsc(), columns=LABELS))
    assert scipy.sparse.issparse(rows)
    np.testing.assert_array_equal(rows.toarray(), sparse.toarray())


WITH_DATES = {
    "pandas days": pd.DataFrame({"x": ROWS[:, 0], "when": pd.to_datetime(DAYS)}),
    "pandas zone": pd.DataFrame({"x": ROWS[:, 0], "when": pd.to_datetime(DAYS).tz_localize("UTC")}),
    "pandas period": pd.DataFrame({"x": ROWS[:, 0], "when": pd.period_range("2020", periods=12)}),
    "pandas duration": pd.DataFrame({"x": ROWS[:, 0], "when": pd.to_timedelta(np.arange(12), "s")}),
    "pandas Arrow": pd.DataFrame({"x": ROWS[:, 0], "when": pd.Series(DAYS, dtype="date32[pyarrow]")}),
    "pandas categories": pd.DataFrame({"x": ROWS[:, 0], "when": pd.Categorical(pd.to_datetime(DAYS))}),
    "pandas objects": pd.DataFrame({"x": ROWS[:, 0], "when": DAYS}),
    "pandas alone": pd.DataFrame({"when": pd.to_datetime(DAYS)}),
    "Polars days": pl.DataFrame({"x": ROWS[:, 0], "when": DAYS}),
    "Polars times": pl.DataFrame({"x": ROWS[:, 0], "when": [datetime.time(1, 2, s) for s in range(12)]}),
    "Polars durations": pl.DataFrame({"when": [datetime.timedelta(seconds=s) for s in range(12)]}),
    "Arrow": pa.table({"x": ROWS[:, 0], "when": pa.array(DAYS)}),
}


@pytest.mark.parametrize("table", WITH_DATES.values(), ids=WITH_DATES)
@pytest.mark.parametrize(
    "function",
    [
        lambda X: isthmus.LinearAutoencoder(1).fit(X),
        lambda X: isthmus.intrinsic_dimension(X, "pca"),
        lambda X: isthmus.quality(X, np.zeros((12, 1))),
        lambda X: isthmus.compare(X, methods="pca"),
    ],
    ids=["fit", "intrinsic_dimension", "quality", "compare"],
)
def test_dates_are_refused_by_the_name_of_their_column(table, function):
    with pytest.raises(TypeError, match="dates or durations, not numbers: column 'when'"):
        function(table)


@pytest.mark.parametrize("unit", ["D", "ns"])
@pytest.mark.parametrize("kind", [np.datetime64, np.timedelta64])
def test_dates_among_objects_are_no_numbers(kind, unit):
    rows = ROWS.astype(object)
    rows[4, 2] = kind(3, unit)
    for given in (rows, rows.tolist()):
        with pytest.raises(TypeError, match=r"dates or durations.*column 2, row 4"):
            check_table(given)


def test_targets_that_are_dates_or_masked_are_refused():
    model = isthmus.FeedForwardRegressor(widths=(4,), max_epochs=1)
    with pytest.raises(TypeError, match="y holds dates"):
        model.fit(ROWS, pd.Series(pd.to_datetime(DAYS)))
    with pytest.raises(ValueError, match="y has 1 masked"):
        model.fit(ROWS, np.ma.masked_equal(np.arange(12.0), 3))
    with pytest.raises(ValueError, match="y has 1 masked"):
        isthmus.FeedForwardClassifier(widths=(4,), max_epochs=1).fit(
            ROWS, np.ma.masked_array(np.arange(12) % 2, mask=np.arange(12) == 5)
        )


MASKED = np.ma.masked_array(ROWS, mask=np.isnan(GAPS))


@pytest.mark.parametrize(
    "rows",
    [
        MASKED,
        list(MASKED),
        tuple(MASKED),
        [list(row) for row in MASKED],
        [MASKED[:6], MASKED[6:]],
    ],
    ids=["array", "list", "tuple", "lists of lists", "blocks"],
)
def test_masked_entries_are_refused_wherever_they_stand(rows):
    with pytest.raises(ValueError, match="X has 1 masked entries"):
        check_table(rows)


def test_a_mask_that_hides_nothing_is_no_fault():
    rows = [np.ma.masked_array(row, mask=False) for row in ROWS]
    np.testing.assert_array_equal(check_table(rows), ROWS)


def test_a_frame_that_is_no_table_yet_is_to_be_collected():
    with pytest.raises(TypeError, match=r"LazyFrame.*pass X\.collect\(\)"):
        check_table(pl.DataFrame(ROWS).lazy())


@pytest.mark.parametrize(
    "label", ["dtype", "shape", "columns", "iloc", "tocsr", "toarray", "sparse", "nnz", "mask", "T"]
)
def test_a_column_may_have_the_name_of_an_attribute(label):
    frame = pd.DataFrame(ROWS, columns=[label, "b", "c"])
    model = isthmus.LinearAutoencoder(2).fit(frame)
    assert list(model.feature_names_in_) == [label, "b", "c"]
    expected = isthmus.LinearAutoencoder(2).fit(ROWS)
    np.testing.assert_array_equal(model.transform(frame), expected.transform(ROWS))
    np.testing.assert_array_equal(
        isthmus.reconstruction_error(model, frame), isthmus.reconstruction_error(expected, ROWS)
    )


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
@pytest.mark.parametrize("table", [with_na("Float64"), objects_with_na(), TABLES["Polars"]()])
def test_functions_of_a_map_and_rows_take_missing_values_of_every_kind(table):
    model = isthmus.VariationalAutoencoder(
        1, widths=(4,), max_epochs=1, validation_fraction=0, random_state=0
    )
    model.fit(pd.DataFrame(GAPS, columns=LABELS) if hasattr(table, "columns") else GAPS)
    as_numbers = pd.DataFrame(GAPS, columns=LABELS) if hasattr(table, "columns") else GAPS
    np.testing.assert_array_equal(
        isthmus.reconstruction_error(model, table), isthmus.reconstruction_error(model, as_numbers)
    )
    assert model.score(table) == model.score(as_numbers)


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
def test_known_errors_may_be_a_nullable_frame():
    errors = pd.DataFrame(np.full((12, 3), 0.1), columns=LABELS).astype("Float64")
    rows = pd.DataFrame(ROWS, columns=LABELS)
    model = isthmus.VariationalAutoencoder(
        1, widths=(4,), max_epochs=1, validation_fraction=0, random_state=0
    ).fit(rows)
    np.testing.assert_array_equal(model.transform(rows, errors), model.transform(rows, 0.1))


def test_two_levels_of_column_names_are_named_in_errors():
    frame = pd.DataFrame(GAPS, columns=pd.MultiIndex.from_product([["u"], LABELS]))
    with pytest.raises(ValueError, match=r"column \('u', 'b'\) in row 2"):
        check_table(frame)


MADE = {
    "pandas": lambda columns: pd.DataFrame(columns),
    "Polars": lambda columns: pl.DataFrame(columns),
    "Arrow": lambda columns: pa.table(columns),
    "Arrow batch": lambda columns: pa.record_batch(columns),
}


@pytest.mark.parametrize("fitted_on", MADE)
@pytest.mark.parametrize("given", MADE)
def test_columns_in_another_order_than_at_fit_are_refused_in_every_library(fitted_on, given):
    columns = dict(zip(LABELS, ROWS.T, strict=True))
    model = isthmus.LinearAutoencoder(1).fit(MADE[fitted_on](columns))
    assert list(model.feature_names_in_) == LABELS
    model.transform(MADE[given](columns))
    with pytest.raises(ValueError, match="must be in the same order"):
        model.transform(MADE[given]({label: columns[label] for label in reversed(LABELS)}))


def test_what_belongs_to_columns_is_refused_in_another_order_than_theirs():
    rows, turned = pd.DataFrame(ROWS, columns=LABELS), LABELS[::-1]
    model = isthmus.LinearAutoencoder(2).set_output(transform="pandas").fit(rows)
    Z = model.transform(rows)
    np.testing.assert_allclose(model.inverse_transform(Z), model.inverse_transform(Z.to_numpy()))
    for function in (
        lambda: model.inverse_transform(Z[Z.columns[::-1]]),
        lambda: isthmus.metric(model, Z[Z.columns[::-1]]),
        lambda: isthmus.decoder_jacobian(model, Z[Z.columns[::-1]]),
        lambda: isthmus.quality(rows, Z, k=2, X_hat=rows[turned]),
        lambda: isthmus.VariationalAutoencoder(1).fit(rows, x_error=0 * rows[turned]),
        lambda: isthmus.VariationalAutoencoder(1).fit(rows, x_error=pd.Series(0.1, index=turned)),
    ):
        with pytest.raises(ValueError, match="in this order: expected"):
            function()


def test_types_of_polars_that_arrow_has_not_are_numbers_or_refused():
    wide = pl.DataFrame({"a": [1, 2, 3], "b": [3.0, 4.0, 5.0]}).with_columns(pl.col("a").cast(pl.Int128))
    np.testing.assert_array_equal(as_rows(wide), [[1, 3], [2, 4], [3, 5]])
    objects = pl.DataFrame({"a": pl.Series(["u", "v"], dtype=pl.Object), "b": [1.0, 2.0]})
    for options in ({}, {"categorical": ["a"]}):
        with pytest.raises(TypeError, match=r"X holds Python objects: column 'a'"):
            isthmus.LinearAutoencoder(1, **options).fit(objects)


def test_a_list_of_records_is_no_table():
    with pytest.raises(TypeError, match=r"not a number: row 0 is \{'a': 1.0\}.*pandas.DataFrame"):
        as_rows([{"a": 1.0}, {"a": 2.0}])
