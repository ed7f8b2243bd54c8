"""Rows and data files that cannot be used, or that only look so."""

import datetime
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

import isthmus
from bad_inputs.inputs import ROWS, Input, fit, fit_command
from isthmus.files import tables
from isthmus.files.content import TableError


class AnnData:
    """An object with the name and the attributes by which isthmus knows one; the library is large."""

    def __init__(self, X: np.ndarray) -> None:
        self.X, self.shape, self.obsm = X, X.shape, {}


def data(name, X, error, says, make, prints, code=1):
    """Rows that ``fit`` is given, and a file of them that ``make`` writes."""
    return Input(
        name, lambda w: fit(X), error, says,
        lambda w: fit_command(w, make(w)), code, prints,
    )  # fmt: skip


def cell(name, value, error, says, prints, dtype=float):
    """A bad value in row 3 of column 2, called c in the file."""
    rows = ROWS.astype(dtype)
    rows[3, 2] = value
    return data(name, rows, error, says, lambda w: w.csv(rows), prints)


def array(name, X, error, says, prints, code=1):
    """A bad array, handed over or saved as NPY."""
    return data(name, X, error, says, lambda w: w.npy(X), prints, code)


def data_file(name, make, says, code=1):
    """A bad data file, which Python reads with ``isthmus.files.tables.read``."""
    return Input(
        name, lambda w: tables.read(make(w)), TableError, says,
        lambda w: fit_command(w, make(w)), code, says,
    )  # fmt: skip


def folder_for_data(workspace):
    path = workspace.folder / "data.csv"
    path.mkdir()
    return path


def archive(workspace):
    np.savez(workspace.folder / "data.npz", train=ROWS, test=ROWS)
    return workspace.folder / "data.npz"


DAY = datetime.date(2020, 1, 1)
CONSTANT, REPEATED = np.ones((40, 4)), np.repeat(ROWS[:3], 10, axis=0)

# The formatter would make these tables three times as long; w is the workspace.
# fmt: off
VALUES = [
    cell("NaN", np.nan, ValueError, "NaN: column 2 in row 3 .*SimpleImputer",
         "NaN: column 'c' in row 3"),
    data("masked entries", np.ma.masked_greater(ROWS, ROWS.max() - 1e-9), ValueError,
         "1 masked entries.*below the mask.*SimpleImputer",
         lambda w: w.file("data.csv", "a,b,c\n1,2,3\n4,,6\n7,8,10\n"), "NaN: column 'b' in row 1"),
    cell("infinity", -np.inf, ValueError, r"infinity \(inf\): column 2 in row 3",
         r"infinity \(inf\): column 'c' in row 3"),
    cell("a number beyond single precision", 1e300, ValueError,
         r"1e\+300, beyond ±1e\+37.*column 2 in row 3.*Divide", r"1e\+300, beyond.*column 'c' in row 3"),
    data("an integer beyond any float", [[10**400, 1], [2, 3], [4, 5]], ValueError,
         r"an integer beyond ±1e\+37: column 0, row 0 .* Divide",
         lambda w: w.file("data.csv", f"a,b\n{10**400},1\n2,3\n4,5\n"),
         r"infinity \(inf\): column 'a' in row 0"),
    cell("text", "high", ValueError, "text: column 2, row 3 is 'high'.*Drop the column, or name it in "
         "categorical=",
         "column 'c' holds text: row 3 is 'high'.*--drop c.*--columns", dtype=object),
    data("numbers with a decimal comma", pd.DataFrame({"a": ["1,5", "2,5"], "b": [1, 2]}), ValueError,
         "text: column 'a', row 0 is '1,5'", lambda w: w.file("data.csv", "a;b\n1,5;2\n2,5;3\n"),
         "row 0 is '1,5'.*need a decimal point, not a comma"),
    data("dates", pd.DataFrame({"a": [1.0, 2.0], "day": pd.date_range("2020", periods=2)}), TypeError,
         r"dates or durations, not numbers: column 'day' \(datetime64.*days since a start",
         lambda w: w.parquet(a=[1, 2], day=[DAY, DAY]), "column 'day' holds dates .*--drop day"),
    array("durations", np.zeros((4, 2), "timedelta64[s]"), TypeError,
          "dates or durations.*turn them into numbers", "durations.*divide by a unit"),
    array("complex numbers", ROWS + 1j, ValueError,
          "Complex data not supported.*np.hstack", "complex numbers: save real ones.*hstack"),
    array("Python objects", np.array([[{}, 1], [2, 3]], object), TypeError,
          "not a number: column 0, row 0", "Python objects, which are never unpickled.*astype"),
    array("records", np.zeros(5, [("a", float), ("b", float)]), TypeError,
          "records .* stack their fields", "records with several fields.*one plain array"),
    data("lists in a column", pd.DataFrame({"a": [1, 2], "v": [[1, 2], [3, 4]]}), ValueError,
         r"X holds what is not a number: column 'v', row 0 is \[1, 2\]",
         lambda w: w.parquet(a=[1, 2], v=[[1, 2], [3, 4]]),
         "column 'v' holds values of type list.*--drop v"),
]
SHAPES = [
    array("one dimension", ROWS[0], ValueError, r"shape \(4,\).*reshape", r"shape \(4,\).*reshape"),
    array("images", ROWS.reshape(40, 2, 2), None, "", "read as 40 rows of 4 numbers", code=0),
    array("five dimensions", ROWS.reshape(40, 1, 2, 1, 2), ValueError,
          r"shape \(40, 1, 2, 1, 2\): flatten each row", "read as 40 rows of 4 numbers", code=0),
    data("rows of unequal length", [[1, 2], [3]], ValueError,
         "inhomogeneous shape.*Every row needs as many numbers",
         lambda w: w.file("data.csv", "a,b\n1,2\n3\n"),
         "line 3 has 1 cell, and the first line has 2.*needs as many"),
    data("no rows", ROWS[:0], ValueError, r"0 sample\(s\).*minimum of 2 is required.*Pass more rows",
         lambda w: w.csv(ROWS[:0]), "has no rows, only 4 columns"),
    Input("three rows for a map of neighbours",
          lambda w: isthmus.NeighbourAutoencoder().fit(ROWS[:3]), ValueError,
          "n_samples=3: a map of neighbours takes 4 to",
          lambda w: ["fit", w.csv(ROWS[:3]), "--model", "neighbour", "-o", w.folder / "out.isthmus"], 1,
          "n_samples=3: a map of neighbours takes 4 to"),
    data("one row", ROWS[:1], ValueError, r"1 sample\(s\).*minimum of 2 is required.*Pass more rows",
         lambda w: w.csv(ROWS[:1]), r"1 sample\(s\).*minimum of 2"),
    array("no columns", ROWS[:, :0], ValueError, r"0 feature\(s\).*one column", "has no columns"),
    data("nothing", None, TypeError, r"X is None: pass rows of numbers, shape \(n, D\)",
         lambda w: w.file("data.csv", ""), "is an empty file"),
    Input("a frame that is not computed yet", lambda w: fit(pl.DataFrame(ROWS).lazy()), TypeError,
          r"LazyFrame, which holds no rows yet: pass X\.collect\(\)", None, None, ""),
    Input("an AnnData", lambda w: fit(AnnData(ROWS)), TypeError,
          r"X is an AnnData.*isthmus\.embed.*pass X\.X", None, None, ""),
    data("a path or a folder for rows", Path("data.csv"), TypeError,
         r"data\.csv cannot be read in parts.*read a file first",
         folder_for_data, "data.csv: (Is a directory|Permission denied)"),
    data("repeated column names", pd.DataFrame(ROWS, columns=list("aabc")), ValueError,
         "expected unique column names, got 'a' 2 times", lambda w: w.csv(names=list("aabc")),
         "column names repeat: 'a'"),
    data("constant columns", CONSTANT, None, "", lambda w: w.csv(CONSTANT), "saved", code=0),
    data("repeated rows", REPEATED, None, "", lambda w: w.csv(REPEATED), "saved", code=0),
]
DATA_FILES = [
    Input("a data file that is not there", lambda w: tables.read(w.folder / "missing.csv"),
          FileNotFoundError, "missing.csv", lambda w: fit_command(w, w.folder / "missing.csv"), 1,
          "missing.csv: No such file or directory"),
    data_file("an unknown ending", lambda w: w.file("data.xlsx", "PK"),
              "the ending is none of .csv", code=2),
    data_file("the content of another ending",
              lambda w: w.parquet(a=[1, 2]).rename(w.folder / "data.csv"),
              "should be CSV by its ending, but holds Parquet: give it the ending"),
    data_file("text that is not UTF-8", lambda w: w.file("data.csv", "a,é\n1,2\n".encode("latin-1")),
              "is not UTF-8 text.*save it as UTF-8"),
    data_file("a quote that is not closed", lambda w: w.file("data.csv", 'a,b\n1,"x\n2,y\n3,z\n'),
              "the quotes of line 2 do not match"),
    data_file("a truncated Parquet file",
              lambda w: w.file("data.parquet", w.parquet(a=[1, 2]).read_bytes()[:-20]),
              "cannot be read as Parquet; it is truncated or damaged"),
    data_file("a truncated NPY file", lambda w: w.file("data.npy", w.npy(ROWS).read_bytes()[:-8]),
              "cannot be read as NPY; it is truncated or damaged"),
    data_file("a truncated compressed file",
              lambda w: w.file("data.csv.gz", gzip.compress(w.csv().read_bytes())[:-30]),
              "cannot be read as CSV; it is truncated or damaged"),
    data_file("an archive of several arrays", archive,
              r"2 arrays \(train, test\), none of them called X"),
]
# fmt: on
