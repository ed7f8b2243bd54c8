"""What a fitted map is asked for and cannot do, and files of models that cannot be read."""

import json

import numpy as np
import pandas as pd
import safetensors.numpy
from sklearn.exceptions import NotFittedError

import isthmus
from bad_inputs.inputs import NAMES, ROWS, Input, fit, tiny, tiny_command
from bad_inputs.of_parameters import BERNOULLI, GAUSSIAN, POISSON, choice
from isthmus.data.checks import check_image_shape
from isthmus.objectives import noise
from isthmus.report import gather

GRID = np.stack(np.meshgrid(np.arange(6.0), np.arange(6.0)), axis=-1).reshape(-1, 2)
OTHER_NAMES = ["a", "b", "x", "y"]


def variational(name, X, likelihood, error, says, prints=None, code=1):
    """Rows that a variational map with this likelihood is given."""
    return Input(
        name, lambda w: tiny("variational", X, likelihood=likelihood), error, says,
        lambda w: tiny_command(
            w, "--model", "variational", "--likelihood", repr(likelihood), data=w.csv(X)
        ),
        code, prints or says,
    )  # fmt: skip


def x_error(name, says, errors, **parameters):
    """Known errors that do not fit the rows or the model; they come by Python alone."""
    return Input(
        name, lambda w: tiny("variational", x_error=errors, **parameters), ValueError, says,
        None, None, "",
    )  # fmt: skip


def usage(name, options, prints):
    """What only the command line can be given: how ``isthmus impute`` is called."""
    return Input(
        name, None, None, "",
        lambda w: ["impute", w.saved_variational, w.csv(), *options(w)], 2, prints,
    )  # fmt: skip


def model_file(name, make, says):
    """A bad model file."""
    return Input(
        name, lambda w: isthmus.load(make(w)), isthmus.ModelFileError, says,
        lambda w: ["info", make(w)], 1, says,
    )  # fmt: skip


def reconstructing(workspace):
    model = fit(ROWS)
    np.testing.assert_array_equal(
        isthmus.denoise(model, ROWS), model.inverse_transform(model.transform(ROWS))
    )
    return model


def flip_last(content):
    return content[:-1] + bytes([content[-1] ^ 1])


def holed(column, row=slice(3, 4)):
    rows = ROWS.copy()
    rows[row, column] = np.nan
    return rows


def named(X):
    return pd.DataFrame(X, columns=NAMES)


# The formatter would make these tables three times as long; w is the workspace.
# fmt: off
APPLYING = [
    Input("another number of columns", lambda w: fit(ROWS).transform(ROWS[:, :3]), ValueError,
          "X has 3 features, but LinearAutoencoder is expecting 4.*Pass the columns that fit saw",
          lambda w: ["transform", w.saved, w.npy(ROWS[:, :3])], 1,
          "X has 3 features, but LinearAutoencoder is expecting 4"),
    Input("columns that the map needs and the data lack",
          lambda w: w.model.transform(pd.DataFrame(ROWS, columns=OTHER_NAMES)), ValueError,
          "seen at fit time, yet now missing:\n- c\n- d",
          lambda w: ["transform", w.saved, w.csv(names=OTHER_NAMES)], 1,
          "lacks 2 of the 4 columns that the model needs: 'c', 'd'. It has 4 columns: a, b, x, y"),
    Input("columns in another order", lambda w: w.model.transform(named(ROWS)[NAMES[::-1]]), ValueError,
          "must be in the same order as they were in fit",
          lambda w: ["transform", w.saved, w.csv(names=NAMES[::-1]), "-o", w.folder / "z.csv"], 0, ""),
    Input("a map that was not fitted", lambda w: isthmus.LinearAutoencoder().transform(ROWS),
          NotFittedError, "not fitted yet. Call 'fit'",
          lambda w: ["transform", w.folder / "missing.isthmus", w.csv()], 1,
          "No such file or directory.*missing.isthmus"),
    Input("what is no map", lambda w: isthmus.quality(ROWS, ROWS, model=1), TypeError,
          r"int has no fit: expected a fitted map of isthmus, such as isthmus.Autoencoder\(2\)",
          None, None, ""),
    Input("another number of coordinates", lambda w: w.model.inverse_transform(ROWS), ValueError,
          "Z has 4 columns, but the model has 2 coordinates; pass what transform returns",
          lambda w: ["inverse", w.saved, w.csv()], 1,
          "Z has 4 columns, but the model has 2 coordinates"),
    Input("coordinates in another order",
          lambda w: w.model.inverse_transform(
              pd.DataFrame(ROWS[:, :2], columns=w.model.get_feature_names_out()[::-1])
          ), ValueError, "Z has .*in this order: expected",
          lambda w: ["inverse", w.saved, w.file(
              "data.csv", f"{','.join(w.model.get_feature_names_out()[::-1])}\n0,1\n"
          ), "-o", w.folder / "x.csv"], 0, ""),
    Input("coordinates that are NaN", lambda w: w.model.inverse_transform([[0, 1], [np.nan, 1]]),
          ValueError, "Z contains NaN: coordinate 0 in row 1.*or pass what transform returns$",
          lambda w: ["inverse", w.saved, w.npy([[0, 1], [np.nan, 1]])], 1,
          "Z contains NaN: coordinate 0 in row 1"),
    Input("coordinates that are text", lambda w: w.model.inverse_transform([["0", "1"], ["left", "1"]]),
          ValueError, "Z holds text: column 0, row 1 is 'left'",
          lambda w: ["inverse", w.saved, w.file("data.csv", "a,b\n0,1\nleft,1\n")], 1,
          "column 'a' holds text: row 1 is 'left'"),
]
GENERATIVE = [
    variational("missing entries for a variational map", holed(2), GAUSSIAN, None, "", "saved", 0),
    Input("missing entries for a map that does not take them",
          lambda w: w.model.transform(named(holed(2))), ValueError,
          "NaN: column 'c' in row 3", lambda w: ["transform", w.saved, w.csv(holed(2))], 1,
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
    Input("no rows to sample", lambda w: isthmus.sample(w.variational, 0), ValueError,
          "n=0: expected an integer of at least 1",
          lambda w: ["sample", w.saved_variational, "-n", 0], 1, "n=0: expected an integer"),
    Input("no draws to impute with", lambda w: isthmus.impute(w.variational, named(holed(2)), 0),
          ValueError, "n_samples=0: expected an integer of at least 1",
          lambda w: ["impute", w.saved_variational, w.csv(holed(2)), "--samples", 0], 1,
          "n_samples=0: expected an integer"),
    Input("sampling from a map that has no distribution", lambda w: isthmus.sample(w.model, 1),
          TypeError, "expected a fitted VariationalAutoencoder, got LinearAutoencoder",
          lambda w: ["sample", w.saved], 1, "of class LinearAutoencoder.*--model variational"),
    Input("imputing by a map that has no distribution", lambda w: isthmus.impute(w.model, ROWS),
          TypeError, "expected a fitted VariationalAutoencoder, got LinearAutoencoder",
          lambda w: ["impute", w.saved, w.csv()], 1, "of class LinearAutoencoder.*--model variational"),
    Input("denoising by a map that was fitted without noise",
          reconstructing, None, "", lambda w: ["denoise", w.saved, w.csv()], 0, '"a","b","c","d"'),
    Input("the score of a denoiser of other noise",
          lambda w: isthmus.score_function(tiny("denoising", noise=noise.Masking()), ROWS),
          TypeError, r"needs a DenoisingAutoencoder with Gaussian noise, got a .* with Masking\(",
          None, None, ""),
    usage("one file for two outputs", lambda w: ["-o", w.folder / "o.csv", "--std", w.folder / "o.csv"],
          "two outputs are .*o.csv: give them different names"),
    usage("an output that is an input", lambda w: ["-o", w.folder / "data.csv"],
          "data.csv is a file that isthmus impute reads"),
    usage("a kept column that is written anyway", lambda w: ["--keep", "c"],
          "--keep c: a column of this name is written anyway"),
]
MODEL_FILES = [
    Input("a model file that is not there", lambda w: isthmus.load(w.folder / "missing.isthmus"),
          FileNotFoundError, "missing.isthmus", lambda w: ["info", w.folder / "missing.isthmus"], 1,
          "No such file or directory.*missing.isthmus"),
    model_file("an empty model file", lambda w: w.file("m.isthmus", ""), "an empty file.*isthmus.save"),
    model_file("a folder for a model file", lambda w: w.folder, "is a folder, not a model"),
    model_file("a truncated model file", lambda w: w.altered(lambda content: content[:-20]),
               "is truncated.*copy it again"),
    model_file("an altered model file", lambda w: w.altered(flip_last),
               "was altered after it was saved.*Copy it again"),
    model_file("a foreign file for a model", lambda w: w.csv(), "is not an isthmus model"),
    model_file("safetensors of something else",
               lambda w: w.file("m.safetensors", safetensors.numpy.save({"w": ROWS})),
               "is a safetensors file, but not an isthmus model"),
    model_file("a model of a newer schema",
               lambda w: w.headed(json.dumps({"schema": 999, "isthmus": "99.0"})),
               "has schema 999, written by isthmus 99.0.*Upgrade isthmus"),
    model_file("an unreadable header", lambda w: w.headed("{"), "header is not readable"),
    model_file("a header that asks for absurd sizes",
               lambda w: w.file("m.isthmus", (2**62).to_bytes(8, "little") + b"{}"),
               "is not an isthmus model, or is truncated"),
    Input("a folder to save in that is not there",
          lambda w: isthmus.save(w.model, w.folder / "nowhere" / "map.isthmus"),
          FileNotFoundError, "map.isthmus",
          lambda w: ["fit", w.csv(), "-o", w.folder / "nowhere" / "map.isthmus"], 2,
          "there is no folder .*nowhere; create it first"),
]
MEASURING = [
    Input("more neighbours than rows", lambda w: isthmus.quality(ROWS[:8], ROWS[:8, :2]),
          ValueError, r"k=10 neighbours were asked for, and each of 8 rows has 7 others. Pass k ≤ 7",
          lambda w: ["quality", w.saved, w.csv(ROWS[:8])], 1, "Pass k ≤ 7"),
    Input("coordinates of other rows", lambda w: isthmus.quality(ROWS, ROWS[:8, :2]),
          ValueError, "X has 40 rows and Z has 8: expected the map of each row of X",
          lambda w: ["quality", w.file("z.csv", "p,q\n1,2\n3,4\n"), w.csv()], 1,
          "X has 40 rows and Z has 2"),
    Input("too few rows for a dimension", lambda w: isthmus.intrinsic_dimension(ROWS[:5]),
          ValueError, "X has 5 rows, 5 of them distinct: expected at least 10",
          lambda w: ["dimension", w.csv(ROWS[:5]), "--method", "two_nn"], 1, "expected at least 10"),
    Input("too few rows for a verdict on the dimension", lambda w: isthmus.choose_dimension(ROWS[:20]),
          ValueError, "20 of them distinct: expected at least 30",
          lambda w: ["dimension", w.csv(ROWS[:20])], 1, "expected at least 30"),
    Input("the points of a grid", lambda w: isthmus.intrinsic_dimension(GRID),
          ValueError, "the neighbours of each row are equally far, as those of points on a grid",
          lambda w: ["dimension", w.csv(GRID, ["a", "b"]), "--method", "two_nn"], 1, "points on a grid"),
    Input("too few known rows", lambda w: isthmus.reliability(fit(ROWS), ROWS, ROWS[:20]),
          ValueError, "known has 20 distinct rows: .* needs 40 at least", None, None, ""),
    Input("too few rows to say what a map hides",
          lambda w: isthmus.hidden(fit(ROWS), ROWS[:20], ROWS[:20, 0] > 0),
          ValueError, "X has 20 rows: expected more than n_neighbors=30", None, None, ""),
    Input("labels of other rows", lambda w: isthmus.hidden(fit(ROWS), ROWS, ROWS[:39, 0] > 0),
          ValueError, "y has shape \\(39,\\).*40", None, None, ""),
    Input("too few known rows for an interval",
          lambda w: isthmus.decoded_interval(fit(ROWS), ROWS[:, :2], known=ROWS[:5]),
          ValueError, "known has 5 rows: an interval at level=0.9 .* needs", None, None, ""),
    Input("labels without training rows",
          lambda w: isthmus.quality(ROWS, ROWS[:, :2], y=ROWS[:, 0] > 0),
          ValueError, "y came without training rows", None, None, ""),
    Input("ends of a way that are no points of the map",
          lambda w: isthmus.geodesic(w.model, ROWS[0], ROWS[1]),
          ValueError, "Z has 4 columns, but the model has 2 coordinates", None, None, ""),
    Input("a method that is not known", lambda w: isthmus.compare(ROWS, methods=["sne"]),
          ValueError, "methods: 'sne' is not known; use PCA, kernel PCA, MDS",
          lambda w: ["compare", w.csv(), "--methods", "sne"], 1, "'sne' is not known"),
    Input("too few rows to fit and to evaluate", lambda w: isthmus.compare(ROWS[:20], methods=["pca"]),
          ValueError, "splits them into 15 to fit and 5 to evaluate: expected at least 11 of each",
          lambda w: ["compare", w.csv(ROWS[:20]), "--methods", "pca"], 1, "15 to fit and 5 to evaluate"),
    Input("too few rows for a page", lambda w: gather(ROWS), ValueError,
          "X has 40 rows: expected 120 at least",
          lambda w: ["report", w.csv(), "-o", w.folder / "out.html"], 1, "expected 120 at least"),
    Input("images of another size", lambda w: check_image_shape((3, 3), 4), ValueError,
          r"image_shape=\(3, 3\) has 9 pixels, and rows have 4 columns",
          lambda w: ["report", w.csv(), "--image", "3x3", "-o", w.folder / "out.html"], 1,
          "has 9 pixels, and rows have 4 columns"),
    Input("images of a negative height", lambda w: check_image_shape((-2, -2), 4), ValueError,
          r"image_shape=\(-2, -2\) has 4 pixels, and rows have 4 columns: pass the height",
          lambda w: ["report", w.csv(), "--image=-2x-2", "-o", w.folder / "out.html"], 2,
          "-2x-2"),
    Input("a laboratory without anything to predict", None, None, "",
          lambda w: ["lab", "averaging", w.csv()], 2, "needs --label"),
]
# fmt: on
