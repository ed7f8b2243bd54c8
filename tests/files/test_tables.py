"""Data files against Arrow, pandas and NumPy reading and writing the same."""

import datetime
import decimal
import errno
import gzip
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
import scipy.sparse

from files.reading import numbers, read_text, refusal
from isthmus.files import tables
from isthmus.files.content import TableError
from isthmus.files.formats import FORMATS

ROWS = np.random.default_rng(0).standard_normal((30, 3))
NAMES = ["a", "b", "c"]
ARRAY_ENDINGS = [".npy", ".npz"]
TABLE_ENDINGS = [end for end in FORMATS if end not in ARRAY_ENDINGS]


def peer_write(path, end, rows):
    """Write rows as someone without this library does."""
    frame = pd.DataFrame(rows, columns=NAMES)
    writers = {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".tsv": lambda: frame.to_csv(path, index=False, sep="\t"),
        ".tab": lambda: frame.to_csv(path, index=False, sep="\t"),
        ".csv.gz": lambda: frame.to_csv(path, index=False, compression="gzip"),
        ".tsv.gz": lambda: frame.to_csv(path, index=False, sep="\t", compression="gzip"),
        ".parquet": lambda: frame.to_parquet(path),
        ".pq": lambda: frame.to_parquet(path),
        ".feather": lambda: frame.to_feather(path),
        ".arrow": lambda: frame.to_feather(path),
        ".npy": lambda: np.save(path, rows),
        ".npz": lambda: np.savez(path, X=rows),
    }
    writers[end]()


def peer_read(path, end):
    """Column names, if any, and rows, read as someone without this library does."""
    if end == ".npy":
        return None, np.load(path)
    if end == ".npz":
        return None, np.load(path)["X"]
    if ".csv" in end:
        frame = pd.read_csv(path)
    elif end in (".tsv", ".tab", ".tsv.gz"):
        frame = pd.read_csv(path, sep="\t")
    elif end in (".parquet", ".pq"):
        frame = pyarrow.parquet.read_table(path).to_pandas()
    else:
        frame = pyarrow.feather.read_table(path).to_pandas()
    return list(frame.columns), frame


@pytest.mark.parametrize("end", FORMATS)
def test_reads_what_others_wrote(tmp_path, end):
    path = tmp_path / f"data{end}"
    peer_write(path, end, ROWS)
    table = tables.read(path)
    assert table.names == (None if end in ARRAY_ENDINGS else tuple(NAMES))
    # Shortest decimal notation gives each float64 back exactly.
    np.testing.assert_array_equal(numbers(table), ROWS)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("end", FORMATS)
def test_others_read_what_it_wrote(tmp_path, end, dtype):
    path = tmp_path / f"data{end}"
    tables.write(path, ROWS.astype(dtype), NAMES)
    names, rows = peer_read(path, end)
    assert names == (None if end in ARRAY_ENDINGS else NAMES)
    np.testing.assert_array_equal(np.asarray(rows).astype(dtype), ROWS.astype(dtype))
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("end", TABLE_ENDINGS)
def test_kept_columns_come_first_and_unchanged(tmp_path, end):
    species = pa.array(["setosa", "virginica", 'with "quotes", and comma'] * 10)
    tables.write(tmp_path / f"data{end}", ROWS, NAMES, {"species": species})
    names, frame = peer_read(tmp_path / f"data{end}", end)
    assert names == ["species", *NAMES]
    assert list(frame["species"]) == species.to_pylist()


def test_a_kept_column_may_not_hide_a_coordinate(tmp_path):
    with pytest.raises(TableError, match="'b' has the name of a column that is written"):
        tables.write(tmp_path / "data.csv", ROWS, NAMES, {"b": pa.array(range(30))})
    assert os.listdir(tmp_path) == []


def test_a_write_that_fails_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "data.csv"
    tables.write(path, ROWS, NAMES)
    before = path.read_bytes()

    def disk_is_full(sink, *_):
        sink.write(b"half a line")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tables, "write_to", disk_is_full)
    with pytest.raises(OSError, match="No space left") as caught:
        tables.write(path, ROWS, NAMES)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["data.csv"]


def test_an_ending_may_be_in_capitals(tmp_path):
    for end in TABLE_ENDINGS:
        peer_write(tmp_path / f"data{end}", end, ROWS)
        (tmp_path / f"data{end}").rename(tmp_path / f"data{end.upper()}")
        np.testing.assert_allclose(numbers(tables.read(tmp_path / f"data{end.upper()}")), ROWS)


def test_every_kind_of_number_becomes_one(tmp_path):
    columns = {
        "decimal": pa.array([decimal.Decimal("1.5"), None]),
        "boolean": pa.array([True, None]),
        "integer": pa.array([2**60, None]),
        "half": pa.array([0.5, -2.0], pa.float16()),
        "dictionary": pa.array([7, 9]).dictionary_encode(),
        "text": pa.array(["1.5", "-2e3"]),
        "empty": pa.nulls(2),
        "unsigned": pa.array([255, 0], pa.uint8()),
    }
    path = tmp_path / "data.parquet"
    pyarrow.parquet.write_table(pa.table(columns), path)
    nan = np.nan
    expected = [[1.5, 1, 2.0**60, 0.5, 7, 1.5, nan, 255], [nan, nan, nan, -2, 9, -2000, nan, 0]]
    np.testing.assert_array_equal(numbers(tables.read(path)), expected)


@pytest.mark.parametrize(
    ("column", "told"),
    [
        (["3", "x"], "'v' holds text: row 1 is 'x'"),
        ([None, "x"], "'v' holds text: row 1 is 'x'"),
        (["1,5", "2"], "a decimal point, not a comma"),
        (["1_000", "2"], "'v' holds text: row 0 is '1_000'"),
        ([b"1_000", b"2"], "'v' holds text: row 0 is b'1_000'"),
        (pa.array(["u", "v"]).dictionary_encode(), "'v' holds text: row 0 is 'u'"),
        ([datetime.date(2020, 1, 1)] * 2, "'v' holds dates or times (date32[day])"),
        ([datetime.timedelta(1)] * 2, "'v' holds dates or times (duration[us])"),
        ([[1.0], [2.0]], "'v' holds values of type list"),
    ],
)
def test_columns_without_numbers_are_named(tmp_path, column, told):
    path = tmp_path / "data.parquet"
    pyarrow.parquet.write_table(pa.table({"a": [1, 2], "v": column}), path)
    table = tables.read(path)
    with pytest.raises(TableError) as caught:
        numbers(table)
    assert told in str(caught.value)
    assert "--drop v" in str(caught.value)
    np.testing.assert_array_equal(table.numbers(table.choose((), ["v"])), [[1], [2]])


def test_an_array_on_disk_stays_there(tmp_path):
    rows = np.arange(12, dtype=np.uint8).reshape(4, 3)
    np.save(tmp_path / "data.npy", rows)
    table = tables.read(tmp_path / "data.npy")
    for chosen in ([0, 1, 2], [1, 2]):
        part = table.numbers(chosen)
        assert isinstance(part, np.memmap)
        assert part.dtype == np.uint8
        np.testing.assert_array_equal(part, rows[:, chosen])
    np.testing.assert_array_equal(table.numbers([2, 0]), rows[:, [2, 0]])
    assert table.column(1).to_pylist() == [1, 4, 7, 10]


def test_images_are_read_row_by_row(tmp_path):
    images = np.random.default_rng(1).random((5, 4, 3))
    np.save(tmp_path / "data.npy", images)
    table = tables.read(tmp_path / "data.npy")
    np.testing.assert_array_equal(numbers(table), images.reshape(5, 12))
    assert table.note == "shape (5, 4, 3) is read as 5 rows of 12 numbers"


def test_an_archive_gives_the_array_that_is_meant(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, anything=ROWS)
    np.testing.assert_array_equal(numbers(tables.read(path)), ROWS)
    np.savez_compressed(path, data=ROWS, target=np.arange(30))
    np.testing.assert_array_equal(numbers(tables.read(path)), ROWS)
    np.savez(path, train=ROWS, test=ROWS)
    with pytest.raises(TableError, match=r"2 arrays \(train, test\), none of them called X"):
        tables.read(path)


@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "bsr"])
def test_sparse_matrices_stay_sparse(tmp_path, layout):
    matrix = scipy.sparse.random_array((20, 6), density=0.3, format=layout, rng=0)
    scipy.sparse.save_npz(tmp_path / "data.npz", matrix)
    table = tables.read(tmp_path / "data.npz")
    rows = table.numbers([4, 0, 1])
    assert scipy.sparse.issparse(rows)
    np.testing.assert_array_equal(rows.toarray(), matrix.toarray()[:, [4, 0, 1]])
    np.testing.assert_array_equal(table.column(3).to_numpy(), matrix.toarray()[:, 3])


def test_sparse_indices_out_of_range_are_found(tmp_path):
    matrix = scipy.sparse.csr_array(np.eye(3))
    matrix.indices[1] = 77
    scipy.sparse.save_npz(tmp_path / "data.npz", matrix)
    with pytest.raises(TableError, match="damaged"):
        tables.read(tmp_path / "data.npz")


@pytest.mark.parametrize("end", [".parquet", ".feather"])
@pytest.mark.parametrize("names", [[None], ["id"], ["site", "id"]])
def test_a_data_frames_row_index_is_no_feature_unless_it_is_named(tmp_path, end, names):
    path = tmp_path / f"frame{end}"
    levels = [np.arange(30) + 100 * level for level in range(len(names))]
    index = pd.Index(levels[0]) if len(names) == 1 else pd.MultiIndex.from_arrays(levels)
    frame = pd.DataFrame(ROWS, columns=NAMES, index=index.set_names(names))
    written = pa.Table.from_pandas(frame)
    writers = {".parquet": pyarrow.parquet.write_table, ".feather": pyarrow.feather.write_feather}
    writers[end](written, path)
    table = tables.read(path)
    stored = [name or "__index_level_0__" for name in names]
    assert np.array_equal(np.asarray(table.numbers(table.choose((), ()))), ROWS)
    assert f"{', '.join(map(repr, stored))} is the index of a data frame" in table.note
    assert np.array_equal(np.asarray(table.column(table.positions(stored[:1])[0])), levels[0])
    assert table.choose([stored[-1], "a"], ()) == [len(NAMES) + len(names) - 1, 0]


def test_numbers_without_an_index_are_all_features(tmp_path):
    path = tmp_path / "frame.parquet"
    pd.DataFrame(ROWS, columns=NAMES).to_parquet(path)  # an index that counts rows is not stored
    table = tables.read(path)
    assert table.choose((), ()) == [0, 1, 2]
    assert table.note is None
    broken = pa.table({"id": [1.0, 2.0], "a": [3.0, 4.0]}).replace_schema_metadata({"pandas": "{"})
    pyarrow.parquet.write_table(broken, path)
    assert tables.read(path).choose((), ()) == [0, 1]


def test_columns_by_name_and_position(tmp_path):
    table = read_text(tmp_path, '"a","b,c",2\n1,2,3\n')
    assert table.positions(["a"]) == [0]
    assert table.positions(["b,c", "a"]) == [1, 0]
    assert table.positions(["a, 1", "0"]) == [0, 1]
    assert table.positions(["2"]) == [2]  # a name before a position
    assert table.choose((), ["b,c"]) == [0, 2]
    assert table.choose(["2,a"], ["a"]) == [2]
    with pytest.raises(TableError, match="no column 'x', '3': it has 3 columns: a, b,c, 2"):
        table.positions(["x,a,3"])
    with pytest.raises(TableError, match="no column is left"):
        table.choose((), ["0,1,2"])


def test_columns_of_a_model_are_found_by_name_alone(tmp_path):
    table = read_text(tmp_path, "a,b,c\n1,2,3\n")
    assert table.positions_of(["c", "a"]) == [2, 0]
    with pytest.raises(TableError, match="lacks 2 of the 3 columns that the model needs: '1', 'z'"):
        table.positions_of(["a", "1", "z"])


VIEWS = {
    "string_view": pa.array([" 1", "2", "NA"], pa.string_view()),
    "binary_view": pa.array([b"1", b"2", None], pa.binary_view()),
    "run_end_encoded": pa.RunEndEncodedArray.from_arrays([1, 2, 3], pa.array([1.0, 2.0, None])),
}


@pytest.mark.parametrize("column", VIEWS.values(), ids=VIEWS)
def test_other_forms_of_columns_are_read_and_kept(tmp_path, column):
    path = tmp_path / "data.feather"
    pyarrow.feather.write_feather(pa.table({"a": column}), path)
    table = tables.read(path)
    np.testing.assert_array_equal(numbers(table)[:, 0], [1, 2, np.nan])
    tables.write(tmp_path / "kept.csv", ROWS[:3], NAMES, {"kept": table.column(0)})
    assert (tmp_path / "kept.csv").read_text().count("\n") == 4


@pytest.mark.parametrize("values", [[datetime.date(2020, 1, 1)], [[1, 2]], [{"x": 1}]])
def test_dates_and_lists_are_no_categories(tmp_path, values):
    path = tmp_path / "data.parquet"
    pyarrow.parquet.write_table(pa.table({"a": values}), path)
    with pytest.raises(TableError, match="column 'a' holds"):
        tables.read(path).numbers([0], [0])


@pytest.mark.parametrize(
    ("content", "end", "told"),
    [
        (b"", ".csv", "is an empty file"),
        (b"\n \n", ".csv", "blank lines only"),
        (b"a,b\n", ".csv", "has no rows, only 2 columns"),
        (b"a,b,a\n1,2,3\n", ".csv", "column names repeat: 'a'"),
        ("a,b\n1,é\n".encode("latin-1"), ".csv", "is not UTF-8 text"),
        ("a,b\n1,2\n".encode("utf-16"), ".csv", "holds UTF-16 text"),
        (b"PK\x03\x04....", ".csv", "an .xlsx workbook"),
        (b"a,b\n1,2\n", ".parquet", "begins with b'a,b"),
        (b"PAR1" + bytes(50), ".parquet", "truncated or damaged"),
        (b"ARROW1\0\0" + bytes(50), ".feather", "truncated or damaged"),
        (b"\x93NUMPY\1\0v\0{'descr", ".npy", "truncated or damaged"),
        (b"PK\x03\x04" + bytes(50), ".npz", "truncated or damaged"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9], ".csv.gz", "truncated or damaged"),
        (b"a,b\n1,2\n", ".csv.gz", "begins with b'a,b"),
    ],
)
def test_files_that_are_not_what_they_say(tmp_path, content, end, told):
    assert told in refusal(tmp_path, content, end)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_refused_for_it_would_never_end(tmp_path):
    os.mkfifo(tmp_path / "data.csv")
    with pytest.raises(TableError, match="is a pipe, which can be read once only"):
        tables.read(tmp_path / "data.csv")


def test_an_array_that_claims_to_be_huge_takes_no_memory(tmp_path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 1000)}"
    content = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + header.ljust(117) + b"\n"
    assert "truncated or damaged" in refusal(tmp_path, content, ".npy")
