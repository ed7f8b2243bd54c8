"""Data files of text: headers, blanks, quotes, encodings, lines of other lengths."""

import gzip

import numpy as np
import pyarrow as pa
import pytest

from files.reading import numbers, read_text, refusal
from isthmus.files import tables
from isthmus.files.content import TableError

ROWS = np.random.default_rng(0).standard_normal((30, 3))
NAMES = ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "names", "rows"),
    [
        ("a,b\n1,2\n3,4\n", ("a", "b"), [[1, 2], [3, 4]]),
        ("1,2\n3,4\n", None, [[1, 2], [3, 4]]),
        ("1.5,\n3,4\n", None, [[1.5, np.nan], [3, 4]]),
        ("NA,1.5\n3,4\n", None, [[np.nan, 1.5], [3, 4]]),
        ("0,1,2\n5,6,7\n", ("0", "1", "2"), [[5, 6, 7]]),  # a data frame's column numbers
        ("1_1,1_2\n5,6\n", ("1_1", "1_2"), [[5, 6]]),  # a number to Python, a name to people
        ("a;b\n1;2\n", ("a", "b"), [[1, 2]]),
        ("a\tb\n1\t2\n", ("a", "b"), [[1, 2]]),
        ("\ufeffa,b\r\n1,2\r\n", ("a", "b"), [[1, 2]]),
        ("\n\na , b\n1, 2\n", ("a", "b"), [[1, 2]]),
        ('"a,x","b\ny"\n"1",2\n', ("a,x", "b\ny"), [[1, 2]]),
        ("a,b\ntrue,1e3\nfalse,-.5\n", ("a", "b"), [[1, 1e3], [0, -0.5]]),
    ],
)
def test_text_is_read_as_it_is_meant(tmp_path, text, names, rows):
    table = read_text(tmp_path, text)
    assert table.names == names
    np.testing.assert_array_equal(numbers(table), rows)


def test_the_header_can_be_forced(tmp_path):
    assert read_text(tmp_path, "7,8\n1,2\n", header=True).names == ("7", "8")
    named = read_text(tmp_path, "a,b\n1,2\n", header=False)
    assert named.names is None
    assert named.rows.shape == (2, 2)


def test_doubts_about_the_header_are_told(tmp_path):
    assert "first line holds numbers" in read_text(tmp_path, "1,2\n3,4\n").note
    assert "column 0 has no name" in read_text(tmp_path, ",a\n0,5\n1,6\n").note
    assert read_text(tmp_path, "a,b\n1,2\n").note is None
    assert "2 of these are values, such as 5.1;" in read_text(tmp_path, "5.1,3.5,x\n4.9,3,x\n").note
    assert "2 of these are values, such as True;" in read_text(tmp_path, "True,False\nTrue,True\n").note
    assert "1 of these are values, such as 2;" in read_text(tmp_path, "#N/A,2,x\n3,4,y\n").note
    assert read_text(tmp_path, "true,false\n10,20\n").note is None
    # Wavelengths beside an id, and what a data frame calls its columns.
    assert read_text(tmp_path, "id,400,410\n1,.5,.6\n").note is None
    assert "number" not in (read_text(tmp_path, "row,0,1\na,5.1,3.5\n").note or "")
    assert read_text(tmp_path, "5.1,x\n4.9,x\n", header=True).note is None


def test_a_row_longer_than_a_block_of_the_reader(tmp_path):
    cells = ",".join(["0." + 998 * "1"] * 1200)  # 1.2 MB; Arrow's block has 1 MiB
    table = read_text(tmp_path, f"{cells}\n{cells}\n{cells}\n")
    assert table.rows.shape == (3, 1200)


def test_a_cell_longer_than_a_block_of_the_reader(tmp_path):
    long = "y" * 1_300_000
    first = read_text(tmp_path, f"a,b\n1,{long}\n2,z\n")
    later = read_text(tmp_path, "a,b\n" + "2,z\n" * 9 + f"1,{long}\n")
    assert first.column(1).to_pylist() == [long, "z"]
    assert later.column(1).to_pylist() == 9 * ["z"] + [long]


@pytest.mark.parametrize("end", [".csv", ".csv.gz"])
def test_a_last_line_needs_no_end(tmp_path, end):
    def read(text):
        return read_text(tmp_path, gzip.compress(text) if end == ".csv.gz" else text, end)

    np.testing.assert_array_equal(numbers(read(b"1,2")), [[1, 2]])
    np.testing.assert_array_equal(numbers(read(b"a,b\n1,2")), [[1, 2]])
    with pytest.raises(TableError, match="has no rows, only 2 columns"):
        read(b"a,b")


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a\n1\n\n3\n\n", [1, np.nan, 3, np.nan]),
        ("a\r\n1\r\n\r\n3\r\n", [1, np.nan, 3]),
        ("\n\na\n1\n\n3\n", [1, np.nan, 3]),
        ("1\n\n3\n", [1, np.nan, 3]),
        ('a\n1\n""\nNA\n', [1, np.nan, np.nan]),
    ],
)
def test_an_empty_line_of_one_column_is_a_missing_value(tmp_path, text, rows):
    path = tmp_path / "one.csv"
    path.write_text(text, newline="")
    table = tables.read(path)
    np.testing.assert_array_equal(np.asarray(table.numbers([0]))[:, 0], rows)
    assert f"{np.isnan(rows).sum()} cell" in table.note
    assert "missing values" in table.note


@pytest.mark.parametrize("blank", ["", " ", '"  "', "NA", " null ", " #N/A ", "1.#IND "])
def test_blank_cells_are_missing_values(tmp_path, blank):
    path = tmp_path / "gaps.csv"
    path.write_text(f"a,b\n1,{blank}\n\n{blank},4\n")
    table = tables.read(path)
    rows = np.asarray(table.numbers([0, 1]))
    np.testing.assert_array_equal(rows, [[1, np.nan], [np.nan, 4]])


def test_blank_cells_do_not_hide_text(tmp_path):
    path = tmp_path / "text.csv"
    path.write_text("a,b\n1, \n2,high\n")
    table = tables.read(path)
    with pytest.raises(TableError, match="column 'b' holds text: row 1 is 'high'"):
        table.numbers([0, 1])


def test_a_ragged_line_is_named(tmp_path):
    assert "line 4 has 1 cell, and the first line has 2" in refusal(tmp_path, 'a,b\n"x\ny",2\n3\n')
    # The blank line counts as a line, and is no row.
    assert "line 5 has 3 cells" in refusal(tmp_path, "a,b\n1,2\n\n3,4\n5,6,7\n")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('x,y,name\n1,2,a\n3,4,"b\n5,6,c\n7,8,d\n', 3),
        ('x,y,name\n1,2,a\n3,4,"b\n5,6,c\n7,8,"d\n9,0,e\n', 3),
        ('id,x\n1,2\n"3,4\n5,6\n', 3),
    ],
)
def test_a_quote_that_is_not_closed_is_named_for_it_swallows_rows(tmp_path, text, line):
    assert f"the quotes of line {line} do not match" in refusal(tmp_path, text)


def test_cells_in_quotes_may_hold_line_breaks_and_quotes(tmp_path):
    table = read_text(tmp_path, 'x,name\n1,"two\nlines"\n2,"a ""b"" c"\n')
    assert table.column(1).to_pylist() == ["two\nlines", 'a "b" c']


@pytest.mark.parametrize("rows", [10, 100_000])
def test_text_that_is_not_utf8_is_found_however_late_it_comes(tmp_path, rows):
    # Arrow would take the column for bytes.
    text = b"a,b\n" + rows * b"1,ok\n" + "2,größe\n".encode("latin-1")
    assert "is not UTF-8 text" in refusal(tmp_path, text)


@pytest.mark.parametrize("end", [".csv", ".tsv.gz"])
def test_lists_are_not_kept_in_text(tmp_path, end):
    with pytest.raises(TableError, match=r"'kept' holds values of type list.*write Parquet or Feather"):
        tables.write(tmp_path / f"out{end}", ROWS[:2], NAMES, {"kept": pa.array([[1, 2], [3]])})
    assert not list(tmp_path.iterdir())
