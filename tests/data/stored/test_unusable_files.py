"""Files that are not what they should be are named, with what to do."""

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import isthmus
from parquet_files import table_of, write_parts

N, D = 1000, 5
X = np.random.default_rng(0).standard_normal((N, D))


@pytest.fixture
def folder(tmp_path):
    """Three files with row groups of 90 rows."""
    write_parts(tmp_path, X, [300, 777], 90)
    return tmp_path


def test_an_entry_that_is_no_number_is_named_with_its_place(folder):
    damaged = X[777:].copy()
    damaged[200, 3] = np.nan
    pq.write_table(table_of(damaged), folder / "2.parquet", row_group_size=90)
    rows = isthmus.scan(folder)
    np.testing.assert_array_equal(rows[:900], X[:900])
    fitted = isthmus.LinearAutoencoder(2).fit(table_of(X))
    place = "contains NaN: column 'd' in row 20 of row group 2 of .*2.parquet is the first"
    for use in (
        lambda: rows[900:],
        lambda: rows[[1, 999]],
        lambda: isthmus.LinearAutoencoder(2).fit(rows),
        lambda: fitted.transform(rows),
    ):
        with pytest.raises(ValueError, match=place):
            use()
    np.testing.assert_array_equal(rows.allowing_nan(True)[777:], damaged)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "1.parquet cannot be read as Parquet"),
        (lambda path: path.write_bytes(b""), "1.parquet cannot be read as Parquet; it is empty"),
        (lambda path: path.write_text("a,b\n1,2\n"), "1.parquet cannot be read as Parquet"),
        (
            lambda path: pq.write_table(table_of(X[:, :4]), path),
            "1.parquet has no column 'e', which .*0.parquet has",
        ),
        (
            lambda path: pq.write_table(table_of(X.astype(str)), path),
            "column 'a' is string in .*1.parquet, and double in .*0.parquet",
        ),
    ],
)
def test_a_file_that_does_not_fit_the_others_is_named_when_they_are_opened(folder, damage, text):
    damage(folder / "1.parquet")
    with pytest.raises(ValueError, match=text):
        isthmus.scan(folder)


def test_a_row_group_that_is_damaged_is_named_when_it_is_read(folder):
    path = folder / "1.parquet"
    content = bytearray(path.read_bytes())
    start = pq.read_metadata(path).row_group(2).column(1).data_page_offset
    content[start : start + 200] = b"\xff" * 200
    path.write_bytes(bytes(content))
    rows = isthmus.scan(folder)
    np.testing.assert_array_equal(rows[:480], X[:480])
    with pytest.raises(ValueError, match=r"row group 2 of .*1.parquet cannot be read"):
        rows[470:600]
    # What is whole can still be read.
    np.testing.assert_array_equal(rows[600:], X[600:])


def test_a_file_that_is_written_over_meanwhile_is_noticed(folder):
    rows = isthmus.scan(folder)
    pq.write_table(table_of(X[:299]), folder / "0.parquet", row_group_size=30)
    with pytest.raises(ValueError, match="90 rows × 5 columns were there when the rows were opened"):
        rows[:90]


def test_what_cannot_be_scanned_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*nothing.parquet, and none that matches"):
        isthmus.scan(tmp_path / "nothing.parquet")
    with pytest.raises(FileNotFoundError, match="has no Parquet files"):
        isthmus.scan(tmp_path)
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(TypeError, match="read a file first that fits into memory"):
        isthmus.scan(tmp_path / "x.csv")
    texts = pa.table({"a": X[:, 0], "name": ["x"] * N})
    pq.write_table(texts, tmp_path / "x.parquet")
    with pytest.raises(
        ValueError, match=r"'name' \(string\) hold no numbers. Leave them out with drop="
    ):
        isthmus.scan(tmp_path / "x.parquet")
    pq.write_table(texts[:0], tmp_path / "none.parquet")
    with pytest.raises(ValueError, match="has no rows"):
        isthmus.scan(tmp_path / "none.parquet", drop=["name"])
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["one"], file["other"] = X, X
    with pytest.raises(ValueError, match=r"2 datasets of rows \(one, other\): pass one of them"):
        isthmus.scan(tmp_path / "two.h5")
    np.save(tmp_path / "cube.npy", np.zeros((2, 2, 2, 2, 2)))
    with pytest.raises(ValueError, match=r"shape \(2, 2, 2, 2, 2\): expected rows × columns"):
        isthmus.scan(tmp_path / "cube.npy")
    for blocks, text in (
        ([X, X[:, :3]], "block 1 has 3 columns, and those before it have 5"),
        (
            [pd.DataFrame(X[:, :2], columns=["a", "b"]), pd.DataFrame(X[:, :2], columns=["b", "a"])],
            "column 0 is 'b' in block 1 and 'a' in those before it",
        ),
        ([], "no blocks, or no rows in them"),
        ([X, [["x"] * D]], "block 1 holds text"),
    ):
        with pytest.raises(ValueError, match=text):
            isthmus.scan(blocks)
    with pytest.raises(TypeError, match="int is neither a path nor an array"):
        isthmus.scan(5)
    with pytest.raises(ValueError, match="choose columns by name, and these have none"):
        isthmus.scan([X], columns=["a"])
