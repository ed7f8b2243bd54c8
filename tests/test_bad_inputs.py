"""Every bad input at both doors: what came, what was expected, what to do.

One list, ``INPUTS``; docs/bad_inputs.md is the same list in words, and a test holds the two together.
"""

import datetime
import gzip
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
import safetensors.numpy
from click.testing import CliRunner
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

import isthmus
from isthmus import cli
from isthmus.cli._choices import map_classes
from isthmus.data.checks import check_image_shape
from isthmus.files import tables
from isthmus.files.formats import TableError
from isthmus.objectives import noise
from isthmus.report import gather
from isthmus.variational import likelihoods

ROWS = np.random.default_rng(0).standard_normal((40, 4))
NAMES = ["a", "b", "c", "d"]
TINY = {"widths": (4,), "max_epochs": 2, "validation_fraction": 0, "random_state": 0}
GRID = np.stack(np.meshgrid(np.arange(6.0), np.arange(6.0)), axis=-1).reshape(-1, 2)
PAGE = Path(__file__).parents[1] / "docs" / "bad_inputs.md"


class AnnData:
    """Of the name and with the parts by which such an object is known; the library itself is large."""

    def __init__(self, X: np.ndarray) -> None:
        self.X, self.shape, self.obsm = X, X.shape, {}


@dataclass(frozen=True)
class Desk:
    """A folder to put files in, and maps of ``ROWS`` to two coordinates, in memory and on disk."""

    folder: Path
    model: Any
    saved: Path
    variational: Any
    saved_variational: Path

    def csv(self, rows: Any = ROWS, names: Any = NAMES) -> Path:
        path = self.folder / "data.csv"
        pd.DataFrame(rows, columns=names).to_csv(path, index=False, header=names is not None)
        return path

    def npy(self, array: Any) -> Path:
        path = self.folder / "data.npy"
        np.save(path, np.asarray(array), allow_pickle=True)
        return path

    def parquet(self, **columns: Any) -> Path:
        path = self.folder / "data.parquet"
        pyarrow.parquet.write_table(pa.table(columns), path)
        return path

    def file(self, name: str, content: bytes | str) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def altered(self, change: Callable[[bytes], bytes]) -> Path:
        """The saved map with its bytes changed."""
        return self.file("changed.isthmus", change(self.saved.read_bytes()))

    def headed(self, header: str) -> Path:
        """A model file with this header and no weights."""
        content = safetensors.numpy.save({}, {"isthmus": header})
        return self.file("changed.isthmus", content)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder, frame = tmp_path_factory.mktemp("model"), pd.DataFrame(ROWS, columns=NAMES)
    saved = {}
    for model in (isthmus.LinearAutoencoder(2), isthmus.VariationalAutoencoder(2, **TINY)):
        path = folder / f"{type(model).__name__}.isthmus"
        isthmus.save(model.fit(frame), path)
        saved[model] = path
    return [part for pair in saved.items() for part in pair]


@pytest.fixture
def desk(tmp_path, fitted):
    return Desk(tmp_path, *fitted)


def must_be(parameter: str, kind: str, came: str) -> str:
    """What scikit-learn says of a parameter that its constraints refuse, as a pattern."""
    return f"'{parameter}' parameter of [A-Za-z]+ must be {kind}.*Got {came} instead"


@dataclass(frozen=True)
class Input:
    """One bad input: what Python raises and says, and what the command line exits with and says.

    ``error`` None and ``code`` 0 mean that this door lets it in, ``python`` or ``command`` None that it
    has no such input.
    """

    name: str
    python: Callable[[Desk], Any] | None
    error: type[Exception] | None
    says: str
    command: Callable[[Desk], list[Any]] | None
    code: int | None
    prints: str

    @property
    def outcomes(self):
        """What the page says of it in a word: the exception or "works", and the exit code."""
        python = self.error.__name__ if self.error else "works"
        return python if self.python else "–", str(self.code) if self.command else "–"


def fit(X):
    return isthmus.LinearAutoencoder(2).fit(X)


def tiny(model="autoencoder", X=ROWS, x_error=None, **parameters):
    """A fit of a tiny map, for its parameters."""
    estimator = map_classes()[model](**{**TINY, **parameters})
    return estimator.fit(X) if x_error is None else estimator.fit(X, x_error=x_error)


def fit_command(desk, data, *options):
    return ["fit", data, "--model", "linear", *options, "-o", desk.folder / "out.isthmus"]


def tiny_command(desk, *options, data=None):
    given = ["--widths", "4", "--max-epochs", "2", "--validation-fraction", "0"]
    given += ["--seed", "0", *options]
    return ["fit", data or desk.csv(), *given, "-o", desk.folder / "out.isthmus"]


def data(name, X, error, says, make, prints, code=1):
    """Rows that ``fit`` is given, and a file of them that ``make`` writes."""
    return Input(
        name, lambda desk: fit(X), error, says,
        lambda desk: fit_command(desk, make(desk)), code, prints,
    )  # fmt: skip


def cell(name, value, error, says, prints, dtype=float):
    """A bad value in row 3 of column 2, called c in the file."""
    rows = ROWS.astype(dtype)
    rows[3, 2] = value
    return data(name, rows, error, says, lambda desk: desk.csv(rows), prints)


def array(name, X, error, says, prints, code=1):
    """A bad array, handed over or saved as NPY."""
    return data(name, X, error, says, lambda desk: desk.npy(X), prints, code)


def parameter(name, given, says, options, code=1, prints=None):
    """A bad parameter, and the same as an option."""
    return Input(
        name, lambda desk: tiny(**given), ValueError, says,
        lambda desk: tiny_command(desk, *options), code, prints or says,
    )  # fmt: skip


def choice(name, model, given, error, says, options, code=1, prints=None):
    """A bad parameter of a denoising or variational map, and the same as an option."""
    return Input(
        name, lambda desk: tiny(model, **given), error, says,
        lambda desk: tiny_command(desk, "--model", model, *options), code, prints or says,
    )  # fmt: skip


def variational(name, X, likelihood, error, says, prints=None, code=1):
    """Rows that a variational map with this likelihood is given."""
    return Input(
        name, lambda desk: tiny("variational", X, likelihood=likelihood), error, says,
        lambda desk: tiny_command(
            desk, "--model", "variational", "--likelihood", repr(likelihood), data=desk.csv(X)
        ),
        code, prints or says,
    )  # fmt: skip


def x_error(name, says, errors, **parameters):
    """Known errors that do not fit the rows or the model; they come by Python alone."""
    return Input(
        name, lambda desk: tiny("variational", x_error=errors, **parameters), ValueError, says,
        None, None, "",
    )  # fmt: skip


def usage(name, options, prints):
    """What only the command line can be given: how ``isthmus impute`` is called."""
    return Input(
        name, None, None, "",
        lambda desk: ["impute", desk.saved_variational, desk.csv(), *options(desk)], 2, prints,
    )  # fmt: skip


def model_file(name, make, says):
    """A bad model file."""
    return Input(
        name, lambda desk: isthmus.load(make(desk)), isthmus.ModelFileError, says,
        lambda desk: ["info", make(desk)], 1, says,
    )  # fmt: skip


def data_file(name, make, says, code=1):
    """A bad data file; the Python door to files is ``isthmus.files.tables.read``."""
    return Input(
        name, lambda desk: tables.read(make(desk)), TableError, says,
        lambda desk: fit_command(desk, make(desk)), code, says,
    )  # fmt: skip


def reconstructing(desk):
    model = fit(ROWS)
    np.testing.assert_array_equal(
        isthmus.denoise(model, ROWS), model.inverse_transform(model.transform(ROWS))
    )
    return model


def folder_for_data(desk):
    path = desk.folder / "data.csv"
    path.mkdir()
    return path


def archive(desk):
    np.savez(desk.folder / "data.npz", train=ROWS, test=ROWS)
    return desk.folder / "data.npz"


def flip_last(content):
    return content[:-1] + bytes([content[-1] ^ 1])


def holed(column, row=slice(3, 4)):
    rows = ROWS.copy()
    rows[row, column] = np.nan
    return rows


def named(X):
    return pd.DataFrame(X, columns=NAMES)


DAY = datetime.date(2020, 1, 1)
CONSTANT, REPEATED = np.ones((40, 4)), np.repeat(ROWS[:3], 10, axis=0)
OTHER_NAMES = ["a", "b", "x", "y"]

# A table, which the formatter would make three times as long; d is the desk.
# fmt: off
VALUES = [
    cell("NaN", np.nan, ValueError, "NaN: column 2 in row 3 .*SimpleImputer",
         "NaN: column 'c' in row 3"),
    data("masked entries", np.ma.masked_greater(ROWS, ROWS.max() - 1e-9), ValueError,
         "1 masked entries.*below the mask.*SimpleImputer",
         lambda d: d.file("data.csv", "a,b,c\n1,2,3\n4,,6\n7,8,10\n"), "NaN: column 'b' in row 1"),
    cell("infinity", -np.inf, ValueError, r"infinity \(inf\): column 2 in row 3",
         r"infinity \(inf\): column 'c' in row 3"),
    cell("a number beyond single precision", 1e300, ValueError,
         r"1e\+300, beyond ±1e\+37.*column 2 in row 3.*Divide", r"1e\+300, beyond.*column 'c' in row 3"),
    data("an integer beyond any float", [[10**400, 1], [2, 3], [4, 5]], ValueError,
         r"an integer beyond ±1e\+37: column 0, row 0 .* Divide",
         lambda d: d.file("data.csv", f"a,b\n{10**400},1\n2,3\n4,5\n"),
         r"infinity \(inf\): column 'a' in row 0"),
    cell("text", "high", ValueError, "text: column 2, row 3 is 'high'.*Drop the column, or name it in "
         "categorical=",
         "column 'c' holds text: row 3 is 'high'.*--drop c.*--columns", dtype=object),
    data("numbers with a decimal comma", pd.DataFrame({"a": ["1,5", "2,5"], "b": [1, 2]}), ValueError,
         "text: column 'a', row 0 is '1,5'", lambda d: d.file("data.csv", "a;b\n1,5;2\n2,5;3\n"),
         "row 0 is '1,5'.*need a decimal point, not a comma"),
    data("dates", pd.DataFrame({"a": [1.0, 2.0], "day": pd.date_range("2020", periods=2)}), TypeError,
         r"dates or durations, not numbers: column 'day' \(datetime64.*days since a start",
         lambda d: d.parquet(a=[1, 2], day=[DAY, DAY]), "column 'day' holds dates .*--drop day"),
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
         lambda d: d.parquet(a=[1, 2], v=[[1, 2], [3, 4]]),
         "column 'v' holds values of type list.*--drop v"),
]
SHAPES = [
    array("one dimension", ROWS[0], ValueError, r"shape \(4,\).*reshape", r"shape \(4,\).*reshape"),
    array("images", ROWS.reshape(40, 2, 2), None, "", "read as 40 rows of 4 numbers", code=0),
    array("five dimensions", ROWS.reshape(40, 1, 2, 1, 2), ValueError,
          r"shape \(40, 1, 2, 1, 2\): flatten each row", "read as 40 rows of 4 numbers", code=0),
    data("rows of unequal length", [[1, 2], [3]], ValueError,
         "inhomogeneous shape.*Every row needs as many numbers",
         lambda d: d.file("data.csv", "a,b\n1,2\n3\n"),
         "line 3 has 1 cells, and the first line has 2.*needs as many"),
    data("no rows", ROWS[:0], ValueError, r"0 sample\(s\).*minimum of 2 is required.*Pass more rows",
         lambda d: d.csv(ROWS[:0]), "has no rows, only 4 columns"),
    Input("three rows for a map of neighbours",
          lambda d: isthmus.NeighbourAutoencoder().fit(ROWS[:3]), ValueError,
          "n_samples=3: a map of neighbours takes 4 to",
          lambda d: ["fit", d.csv(ROWS[:3]), "--model", "neighbour", "-o", d.folder / "out.isthmus"], 1,
          "n_samples=3: a map of neighbours takes 4 to"),
    data("one row", ROWS[:1], ValueError, r"1 sample\(s\).*minimum of 2 is required.*Pass more rows",
         lambda d: d.csv(ROWS[:1]), r"1 sample\(s\).*minimum of 2"),
    array("no columns", ROWS[:, :0], ValueError, r"0 feature\(s\).*one column", "has no columns"),
    data("nothing", None, TypeError, r"X is None: pass rows of numbers, shape \(n, D\)",
         lambda d: d.file("data.csv", ""), "is an empty file"),
    Input("a frame that is not computed yet", lambda d: fit(pl.DataFrame(ROWS).lazy()), TypeError,
          r"LazyFrame, which holds no rows yet: pass X\.collect\(\)", None, None, ""),
    Input("an AnnData", lambda d: fit(AnnData(ROWS)), TypeError,
          r"X is an AnnData.*isthmus\.embed.*pass X\.X", None, None, ""),
    data("a path or a folder for rows", Path("data.csv"), TypeError,
         r"data\.csv cannot be read in parts.*read a file first",
         folder_for_data, "data.csv: (Is a directory|Permission denied)"),
    data("repeated column names", pd.DataFrame(ROWS, columns=list("aabc")), ValueError,
         "expected unique column names, got 'a' 2 times", lambda d: d.csv(names=list("aabc")),
         "column names repeat: 'a'"),
    data("constant columns", CONSTANT, None, "", lambda d: d.csv(CONSTANT), "saved", code=0),
    data("repeated rows", REPEATED, None, "", lambda d: d.csv(REPEATED), "saved", code=0),
]
APPLYING = [
    Input("another number of columns", lambda d: fit(ROWS).transform(ROWS[:, :3]), ValueError,
          "X has 3 features, but LinearAutoencoder is expecting 4.*Pass the columns that fit saw",
          lambda d: ["transform", d.saved, d.npy(ROWS[:, :3])], 1,
          "X has 3 features, but LinearAutoencoder is expecting 4"),
    Input("columns that the map needs and the data lack",
          lambda d: d.model.transform(pd.DataFrame(ROWS, columns=OTHER_NAMES)), ValueError,
          "seen at fit time, yet now missing:\n- c\n- d",
          lambda d: ["transform", d.saved, d.csv(names=OTHER_NAMES)], 1,
          "lacks 2 of the 4 columns that the model needs: 'c', 'd'. It has 4 columns: a, b, x, y"),
    Input("a map that was not fitted", lambda d: isthmus.LinearAutoencoder().transform(ROWS),
          NotFittedError, "not fitted yet. Call 'fit'",
          lambda d: ["transform", d.folder / "missing.isthmus", d.csv()], 1,
          "No such file or directory.*missing.isthmus"),
    Input("what is no map", lambda d: isthmus.quality(ROWS, ROWS, model=1), TypeError,
          r"int has no fit: expected a fitted map of isthmus, such as isthmus.Autoencoder\(2\)",
          None, None, ""),
    Input("another number of coordinates", lambda d: d.model.inverse_transform(ROWS), ValueError,
          "Z has 4 columns, but the model has 2 coordinates; pass what transform returns",
          lambda d: ["inverse", d.saved, d.csv()], 1,
          "Z has 4 columns, but the model has 2 coordinates"),
    Input("coordinates that are NaN", lambda d: d.model.inverse_transform([[0, 1], [np.nan, 1]]),
          ValueError, "Z contains NaN: coordinate 0 in row 1.*or pass what transform returns$",
          lambda d: ["inverse", d.saved, d.npy([[0, 1], [np.nan, 1]])], 1,
          "Z contains NaN: coordinate 0 in row 1"),
    Input("coordinates that are text", lambda d: d.model.inverse_transform([["0", "1"], ["left", "1"]]),
          ValueError, "Z holds text: column 0, row 1 is 'left'",
          lambda d: ["inverse", d.saved, d.file("data.csv", "a,b\n0,1\nleft,1\n")], 1,
          "column 'a' holds text: row 1 is 'left'"),
]
PARAMETERS = [
    parameter("more coordinates than the data have", {"n_components": 5},
              "n_components=5 is more than the data can tell apart.*Use at most 4", ["-d", 5]),
    parameter("no coordinates", {"n_components": 0},
              must_be("n_components", "an int", "0"),
              ["-d", 0]),
    parameter("coordinates that are no number", {"n_components": "two"},
              must_be("n_components", "an int", "'two'"),
              ["-d", "two"], 2, "'two' is not a number"),
    parameter("true or false for a number", {"n_components": True},
              must_be("n_components", "an int", "True"),
              ["-d", "true"], 2, "'true' is not a number"),
    Input("text for true or false", lambda d: tiny(tied="false"), ValueError,
          must_be("tied", "an instance of 'bool'", "'false'"), None, None, ""),
    parameter("a negative width", {"widths": (4, -8)}, r"widths\[1\]=-8: expected",
              ["--widths", "4,-8"]),
    parameter("widths that are no list of numbers", {"widths": "wide"}, r"such as \(512, 256\)",
              ["--widths", "wide"], 2, "as in 512,256"),
    parameter("an unknown activation", {"activation": "step"},
              "activation='step' is not known; use one of 'tanh'", ["--activation", "step"]),
    parameter("another number of activations than layers", {"activation": ["tanh", "relu", "cos"]},
              "activation has 3 entries for 1 hidden layers", ["--activation", "tanh,relu,cos"]),
    parameter("an unknown loss", {"loss": "cubed"}, "loss='cubed' is not known; use one of 'squared'",
              ["--loss", "cubed"], 2, "there is no 'cubed'. The choices of loss are Squared"),
    parameter("an unknown scaling", {"scaling": "log"},
              must_be("scaling", "a str among .*'range'", "'log'"),
              ["--scaling", "log"], 2, "'log' is not one of 'auto', 'none', 'standard'"),
    parameter("an unknown skip", {"skip": "ica"},
              must_be("skip", "a str among {'pca'} or None", "'ica'"),
              ["--skip", "ica"], 2, "'ica' is not one of 'pca', 'none'"),
    parameter("cross-entropy of data outside [0, 1]", {"loss": "cross_entropy"},
              r"needs data in \[0, 1\].*use scaling='range'", ["--loss", "cross_entropy"]),
    parameter("cross-entropy with standard scaling", {"loss": "cross_entropy", "scaling": "standard"},
              "use scaling='range'", ["--loss", "cross_entropy", "--scaling", "standard"]),
    parameter("a negative learning rate", {"learning_rate": -1.0},
              must_be("learning_rate", r"a float in the range \(0", "-1.0"), ["--learning-rate", -1]),
    Input("a learning rate that is far too high",
          lambda d: tiny(learning_rate=1e30, validation_fraction=0.1),
          isthmus.DivergenceError, "NaN or infinite in epoch 1.*try a tenth of it",
          lambda d: tiny_command(d, "--learning-rate", 1e30, "--validation-fraction", 0.1), 1,
          "epoch 1.*try a tenth of it"),
    parameter("an empty batch", {"batch_size": 0},
              must_be("batch_size", "an int", "0"), ["--batch-size", 0]),
    parameter("no epochs", {"max_epochs": 0}, must_be("max_epochs", "an int", "0"), ["--max-epochs", 0]),
    parameter("no patience", {"patience": 0}, must_be("patience", "an int", "0"), ["--patience", 0]),
    parameter("all rows held out", {"validation_fraction": 1.0},
              must_be("validation_fraction", r"a float in the range \[0.0, 1.0\)", "1.0"),
              ["--validation-fraction", 1]),
    parameter("a negative seed", {"random_state": -1},
              must_be("random_state", "an int", "-1"), ["--seed", -1]),
    Input("an unknown parameter", lambda d: isthmus.Autoencoder(depth=3), TypeError,
          "unexpected keyword argument 'depth'", lambda d: tiny_command(d, "--depth", 3), 2,
          "No such option.*--depth"),
]
GAUSSIAN, BERNOULLI, POISSON = likelihoods.Gaussian(), likelihoods.Bernoulli(), likelihoods.Poisson()
CHOICES = [
    choice("an unknown noise", "denoising", {"noise": "blur"}, TypeError,
           r"noise='blur': expected a noise such as isthmus.noise.Gaussian\(0.3\)",
           ["--noise", "Blur(2)"], 2, "there is no 'Blur'. The choices of noise are Gaussian"),
    choice("an unknown prior", "variational", {"prior": "normal"}, TypeError,
           "prior='normal': expected a prior such as", ["--prior", "normal"], 2,
           "there is no 'normal'. The choices of prior are StandardNormal, .* such as"),
    choice("an unknown likelihood", "variational", {"likelihood": "normal"}, TypeError,
           "likelihood='normal': expected a likelihood such as", ["--likelihood", "Normal()"], 2,
           "there is no 'Normal'. The choices of likelihood are Gaussian, .* such as"),
    choice("a choice without its brackets", "denoising", {"noise": noise.Masking}, TypeError,
           "expected a noise such as", ["--noise", "masking"], 0, "saved"),
    Input("a choice that breaks off", None, None, "",
          lambda d: tiny_command(d, "--model", "denoising", "--noise", "Masking(0.2"), 2,
          r"'Masking\(0.2' is not written as in Python. The choices of noise are Gaussian, "),
    Input("text in a choice without quotes", None, None, "",
          lambda d: tiny_command(d, "--model", "variational", "--likelihood", "Gaussian(feature)"), 2,
          "feature is no number; if it is text, it needs quotes: 'feature'"),
    Input("an argument that a choice does not take", lambda d: noise.Gaussian(sigma=1), TypeError,
          "unexpected keyword argument 'sigma'",
          lambda d: tiny_command(d, "--model", "denoising", "--noise", "Gaussian(sigma=1)"), 2,
          r"unexpected keyword argument 'sigma'; it is written Gaussian\(scale=0.3\)"),
    Input("a parameter of a choice out of range", lambda d: noise.Masking(2), ValueError,
          r"Masking\(fraction=2\): expected a .*number from 0 to 1",
          lambda d: tiny_command(d, "--model", "denoising", "--noise", "Masking(2)"), 2,
          r"Masking\(fraction=2\): expected a .*number from 0 to 1"),
    choice("images of another shape than the rows", "denoising", {"noise": noise.ImageJitter((8, 8))},
           ValueError, "the shape has 64 pixels, and the data have 4 features",
           ["--noise", "ImageJitter((8, 8))"]),
    choice("no draws of the noise", "denoising", {"draws": 0}, ValueError,
           must_be("draws", "an int", "0"),
           ["--draws", 0]),
    choice("no weight of the KL divergence", "variational", {"beta": 0.0}, ValueError,
           must_be("beta", r"a float in the range \(0.0, inf\)", "0.0"), ["--beta", 0]),
    choice("a warm-up that never ends", "variational", {"warm_up": 1.0}, ValueError,
           must_be("warm_up", r"a float in the range \[0.0, 1.0\)", "1.0"), ["--warm-up", 1]),
    choice("negative free bits", "variational", {"free_bits": -1.0}, ValueError,
           must_be("free_bits", "a float", "-1.0"), ["--free-bits", -1]),
    choice("negative noise at the input", "variational", {"input_noise": -1.0}, ValueError,
           must_be("input_noise", "a float", "-1.0"), ["--input-noise", -1]),
    choice("an option of another model", "variational", {"noise": noise.Masking()}, TypeError,
           "unexpected keyword argument 'noise'", ["--noise", "Masking"], 2,
           "--model variational does not take --noise; --model denoising does"),
]
GENERATIVE = [
    variational("missing entries for a variational map", holed(2), GAUSSIAN, None, "", "saved", 0),
    Input("missing entries for a map that does not take them",
          lambda d: d.model.transform(named(holed(2))), ValueError,
          "NaN: column 'c' in row 3", lambda d: ["transform", d.saved, d.csv(holed(2))], 1,
          "NaN: column 'c' in row 3"),
    variational("a column without any value", holed(2, slice(None)), GAUSSIAN, ValueError,
                "all entries of column 2 are NaN.*1 of 4 columns.*Drop them",
                "all entries of column 'c' are NaN.*1 of 4 columns.*Drop them"),
    variational("numbers that are no counts", ROWS, POISSON, ValueError,
                r"likelihood=Poisson\(\) needs counts 0, 1, 2, …, and column \d in row 0 is .*Gaussian"),
    variational("a Bernoulli likelihood of data outside [0, 1]", ROWS, BERNOULLI, ValueError,
                r"likelihood=Bernoulli\(\) needs data in \[0, 1\].*divide them by"),
    choice("a Bernoulli likelihood with scaling", "variational",
           {"likelihood": BERNOULLI, "scaling": "range"}, ValueError, "set scaling=None",
           ["--likelihood", "Bernoulli", "--scaling", "range"]),
    x_error("measurement errors of another shape",
            r"x_error: expected standard deviations of the shape of X, \(40, 4\)", np.ones((3, 3))),
    x_error("negative measurement errors",
            r"x_error is -1 for column 0 in row 0: expected a standard deviation ≥ 0", -1.0),
    x_error("measurement errors of counts", r"x_error with likelihood=Poisson\(\).*Gaussian",
            0.1, X=np.round(np.abs(ROWS)), likelihood=POISSON),
    Input("no rows to sample", lambda d: isthmus.sample(d.variational, 0), ValueError,
          "n=0: expected an integer of at least 1",
          lambda d: ["sample", d.saved_variational, "-n", 0], 1, "n=0: expected an integer"),
    Input("no draws to impute with", lambda d: isthmus.impute(d.variational, named(holed(2)), 0),
          ValueError, "n_samples=0: expected an integer of at least 1",
          lambda d: ["impute", d.saved_variational, d.csv(holed(2)), "--samples", 0], 1,
          "n_samples=0: expected an integer"),
    Input("sampling from a map that has no distribution", lambda d: isthmus.sample(d.model, 1),
          TypeError, "expected a fitted VariationalAutoencoder, got LinearAutoencoder",
          lambda d: ["sample", d.saved], 1, "of class LinearAutoencoder.*--model variational"),
    Input("imputing by a map that has no distribution", lambda d: isthmus.impute(d.model, ROWS),
          TypeError, "expected a fitted VariationalAutoencoder, got LinearAutoencoder",
          lambda d: ["impute", d.saved, d.csv()], 1, "of class LinearAutoencoder.*--model variational"),
    Input("denoising by a map that was fitted without noise",
          reconstructing, None, "", lambda d: ["denoise", d.saved, d.csv()], 0, '"a","b","c","d"'),
    Input("the score of a denoiser of other noise",
          lambda d: isthmus.score_function(tiny("denoising", noise=noise.Masking()), ROWS),
          TypeError, r"needs a DenoisingAutoencoder with Gaussian noise, got a .* with Masking\(",
          None, None, ""),
    usage("one file for two outputs", lambda d: ["-o", d.folder / "o.csv", "--std", d.folder / "o.csv"],
          "two outputs are .*o.csv: give them different names"),
    usage("an output that is an input", lambda d: ["-o", d.folder / "data.csv"],
          "data.csv is a file that isthmus impute reads"),
    usage("a kept column that is written anyway", lambda d: ["--keep", "c"],
          "--keep c: a column of this name is written anyway"),
]
MODEL_FILES = [
    Input("a model file that is not there", lambda d: isthmus.load(d.folder / "missing.isthmus"),
          FileNotFoundError, "missing.isthmus", lambda d: ["info", d.folder / "missing.isthmus"], 1,
          "No such file or directory.*missing.isthmus"),
    model_file("an empty model file", lambda d: d.file("m.isthmus", ""), "an empty file.*isthmus.save"),
    model_file("a folder for a model file", lambda d: d.folder, "is a folder, not a model"),
    model_file("a truncated model file", lambda d: d.altered(lambda content: content[:-20]),
               "is truncated.*copy it again"),
    model_file("an altered model file", lambda d: d.altered(flip_last),
               "was altered after it was saved.*Copy it again"),
    model_file("a foreign file for a model", lambda d: d.csv(), "is not an isthmus model"),
    model_file("safetensors of something else",
               lambda d: d.file("m.safetensors", safetensors.numpy.save({"w": ROWS})),
               "is a safetensors file, but not an isthmus model"),
    model_file("a model of a newer schema",
               lambda d: d.headed(json.dumps({"schema": 999, "isthmus": "99.0"})),
               "has schema 999, written by isthmus 99.0.*Upgrade isthmus"),
    model_file("an unreadable header", lambda d: d.headed("{"), "header is not readable"),
    model_file("a header that asks for absurd sizes",
               lambda d: d.file("m.isthmus", (2**62).to_bytes(8, "little") + b"{}"),
               "is not an isthmus model, or is truncated"),
    Input("a folder to save in that is not there",
          lambda d: isthmus.save(d.model, d.folder / "nowhere" / "map.isthmus"),
          FileNotFoundError, "map.isthmus",
          lambda d: ["fit", d.csv(), "-o", d.folder / "nowhere" / "map.isthmus"], 2,
          "there is no folder .*nowhere; create it first"),
]
MEASURING = [
    Input("more neighbours than rows", lambda d: isthmus.quality(ROWS[:8], ROWS[:8, :2]),
          ValueError, r"k=10 neighbours were asked for, and each of 8 rows has 7 others. Pass k ≤ 7",
          lambda d: ["quality", d.saved, d.csv(ROWS[:8])], 1, "Pass k ≤ 7"),
    Input("coordinates of other rows", lambda d: isthmus.quality(ROWS, ROWS[:8, :2]),
          ValueError, "X has 40 rows and Z has 8: expected the map of each row of X",
          lambda d: ["quality", d.file("z.csv", "p,q\n1,2\n3,4\n"), d.csv()], 1,
          "X has 40 rows and Z has 2"),
    Input("too few rows for a dimension", lambda d: isthmus.intrinsic_dimension(ROWS[:5]),
          ValueError, "X has 5 rows, of which 5 are distinct: expected at least 10",
          lambda d: ["dimension", d.csv(ROWS[:5]), "--method", "two_nn"], 1, "expected at least 10"),
    Input("too few rows for a verdict on the dimension", lambda d: isthmus.choose_dimension(ROWS[:20]),
          ValueError, "of which 20 are distinct: expected at least 30",
          lambda d: ["dimension", d.csv(ROWS[:20])], 1, "expected at least 30"),
    Input("the points of a grid", lambda d: isthmus.intrinsic_dimension(GRID),
          ValueError, "the neighbours of each row are equally far, as those of points on a grid",
          lambda d: ["dimension", d.csv(GRID, ["a", "b"]), "--method", "two_nn"], 1, "points on a grid"),
    Input("too few known rows", lambda d: isthmus.reliability(fit(ROWS), ROWS, ROWS[:20]),
          ValueError, "known has 20 distinct rows: .* needs 40 at least", None, None, ""),
    Input("too few rows to say what a map hides",
          lambda d: isthmus.hidden(fit(ROWS), ROWS[:20], ROWS[:20, 0] > 0),
          ValueError, "X has 20 rows: expected more than n_neighbors=30", None, None, ""),
    Input("labels of other rows", lambda d: isthmus.hidden(fit(ROWS), ROWS, ROWS[:39, 0] > 0),
          ValueError, "y has shape \\(39,\\).*40", None, None, ""),
    Input("too few known rows for an interval",
          lambda d: isthmus.decoded_interval(fit(ROWS), ROWS[:, :2], known=ROWS[:5]),
          ValueError, "known has 5 rows: an interval at level=0.9 .* needs", None, None, ""),
    Input("labels without training rows",
          lambda d: isthmus.quality(ROWS, ROWS[:, :2], y=ROWS[:, 0] > 0),
          ValueError, "y came without training rows", None, None, ""),
    Input("ends of a way that are no points of the map",
          lambda d: isthmus.geodesic(d.model, ROWS[0], ROWS[1]),
          ValueError, "Z has 4 columns, but the model has 2 coordinates", None, None, ""),
    Input("a method that is not known", lambda d: isthmus.compare(ROWS, methods=["sne"]),
          ValueError, "methods: 'sne' is not known; use PCA, kernel PCA, MDS",
          lambda d: ["compare", d.csv(), "--methods", "sne"], 1, "'sne' is not known"),
    Input("too few rows to fit and to evaluate", lambda d: isthmus.compare(ROWS[:20], methods=["pca"]),
          ValueError, "splits them into 15 to fit and 5 to evaluate: expected at least 11 of each",
          lambda d: ["compare", d.csv(ROWS[:20]), "--methods", "pca"], 1, "15 to fit and 5 to evaluate"),
    Input("too few rows for a page", lambda d: gather(ROWS), ValueError,
          "X has 40 rows: expected 120 at least",
          lambda d: ["report", d.csv(), "-o", d.folder / "out.html"], 1, "expected 120 at least"),
    Input("images of another size", lambda d: check_image_shape((3, 3), 4), ValueError,
          r"image_shape=\(3, 3\) has 9 pixels, and rows have 4 columns",
          lambda d: ["report", d.csv(), "--image", "3x3", "-o", d.folder / "out.html"], 1,
          "has 9 pixels, and rows have 4 columns"),
    Input("images of a negative height", lambda d: check_image_shape((-2, -2), 4), ValueError,
          r"image_shape=\(-2, -2\) has 4 pixels, and rows have 4 columns: pass the height",
          lambda d: ["report", d.csv(), "--image=-2x-2", "-o", d.folder / "out.html"], 2,
          "-2x-2"),
    Input("a laboratory without anything to predict", None, None, "",
          lambda d: ["lab", "averaging", d.csv()], 2, "needs --label"),
]
DATA_FILES = [
    Input("a data file that is not there", lambda d: tables.read(d.folder / "missing.csv"),
          FileNotFoundError, "missing.csv", lambda d: fit_command(d, d.folder / "missing.csv"), 1,
          "missing.csv: No such file or directory"),
    data_file("an unknown ending", lambda d: d.file("data.xlsx", "PK"),
              "the ending is none of .csv", code=2),
    data_file("the content of another ending",
              lambda d: d.parquet(a=[1, 2]).rename(d.folder / "data.csv"),
              "should be CSV by its ending, but holds Parquet: give it the ending"),
    data_file("text that is not UTF-8", lambda d: d.file("data.csv", "a,é\n1,2\n".encode("latin-1")),
              "is not UTF-8 text.*save it as UTF-8"),
    data_file("a truncated Parquet file",
              lambda d: d.file("data.parquet", d.parquet(a=[1, 2]).read_bytes()[:-20]),
              "cannot be read as Parquet; it is truncated or damaged"),
    data_file("a truncated NPY file", lambda d: d.file("data.npy", d.npy(ROWS).read_bytes()[:-8]),
              "cannot be read as NPY; it is truncated or damaged"),
    data_file("a truncated compressed file",
              lambda d: d.file("data.csv.gz", gzip.compress(d.csv().read_bytes())[:-30]),
              "cannot be read as CSV; it is truncated or damaged"),
    data_file("an archive of several arrays", archive,
              r"2 arrays \(train, test\), none of them called X"),
]
# fmt: on

INPUTS = [
    *(*VALUES, *SHAPES, *APPLYING, *PARAMETERS, *CHOICES, *GENERATIVE),
    *(*MEASURING, *MODEL_FILES, *DATA_FILES),
]


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
@pytest.mark.parametrize("item", [item for item in INPUTS if item.python], ids=lambda item: item.name)
def test_python_says_what_is_wrong(desk, item):
    if item.error is None:
        model = item.python(desk)
        decoded = model.inverse_transform(model.transform(np.ones((1, 4))))
        assert np.isfinite(decoded).all()
        return
    with pytest.raises(item.error) as caught:
        item.python(desk)
    assert re.search(item.says, str(caught.value), re.DOTALL)


@pytest.mark.parametrize("item", [item for item in INPUTS if item.command], ids=lambda item: item.name)
def test_the_command_line_says_what_is_wrong(desk, item):
    arguments = list(map(str, item.command(desk)))
    result = CliRunner().invoke(cli.main, arguments, prog_name="isthmus")
    assert result.exit_code == item.code, result.output
    assert re.search(item.prints, " ".join(result.output.split()))
    if item.code == 0:
        return
    assert result.stdout == ""
    assert not (desk.folder / "out.isthmus").exists()
    if item.code == 1:
        errors = [
            line for line in result.stderr.splitlines() if not line.startswith(("note: ", "warning: "))
        ]
        assert len(errors) == 1
        assert errors[0].startswith("isthmus: error: ")


def test_the_page_lists_the_same():
    """Each row of the page: a name, what Python raises, and what the command line exits with."""
    rows = re.findall(
        r"^\| ([^|`*]+?) \| (?:`(\w+)`|(works|–))[^|]* \| (\d\b|–)[^|]* \|$", PAGE.read_text(), re.M
    )
    listed = [(name, error or other, code) for name, error, other, code in rows]
    assert listed == [(item.name, *item.outcomes) for item in INPUTS]


@pytest.mark.parametrize(
    "given", [1, "map.isthmus", ROWS, PCA(2).fit(ROWS)], ids=lambda x: type(x).__name__
)
@pytest.mark.parametrize(
    "function",
    [
        lambda model: isthmus.reliability(model, ROWS, ROWS),
        lambda model: isthmus.jacobian(model, ROWS),
        lambda model: isthmus.metric(model, ROWS[:, :2]),
        lambda model: isthmus.loadings(model, ROWS),
        lambda model: isthmus.plot(model, ROWS),
        lambda model: isthmus.posterior(model, ROWS),
        lambda model: isthmus.score_function(model, ROWS),
        lambda model: isthmus.coordinate_spread(model, ROWS),
    ],
)
def test_what_is_no_map_is_refused_by_every_function_of_one(function, given):
    with pytest.raises(TypeError, match=r"isthmus\.|VariationalAutoencoder|DenoisingAutoencoder"):
        function(given)
