"""An exported model gives what the model gives, wherever it runs."""

import ctypes
import dataclasses
import functools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from sklearn.datasets import load_iris

import isthmus
from cli.command import run
from isthmus import ExportError, cli
from isthmus.files.export import exporting, reader
from isthmus.variational import count_likelihoods, likelihoods

pytestmark = [
    pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning"),
    pytest.mark.filterwarnings("ignore::isthmus.CollapseWarning"),
]

X, LABELS = load_iris(return_X_y=True)
X = X[::2]
LABELS = LABELS[::2]
TARGETS = np.column_stack([1e6 * LABELS, X[:, 0] - 1e3])
TINY = {"widths": (6,), "max_epochs": 1, "validation_fraction": 0, "random_state": 0}
FORMATS = [
    ".onnx",
    ".npz",
    pytest.param(
        ".h", marks=pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler")
    ),
]

WITH_GAPS = X.copy()
WITH_GAPS[::5, 1] = np.nan


def autoencoder(**parameters):
    return isthmus.Autoencoder(2, **{**TINY, **parameters})


def variational(**parameters):
    return isthmus.VariationalAutoencoder(2, **{**TINY, **parameters})


def replaced(model, **network):
    """The fitted model as it would be with other parts in its network, without another training."""
    other = type(model)()
    other.__dict__ |= {**model.__dict__, "network_": dataclasses.replace(model.network_, **network)}
    return other


def with_likelihood(distribution):
    model = fitted("variational, with gaps")
    return replaced(model, pair=dataclasses.replace(model.network_.pair, likelihood=distribution))


COUNTS = [likelihoods.Constant(np.full(4, value, np.float32)) for value in (3.0, 2.0, 0.7)]
MODELS = {
    "absolute, tied, with skip links": lambda: autoencoder(
        tied=True, skip_links=True, scaling="standard", loss="absolute", widths=(6, 5), activation="tanh"
    ).fit(X),
    "every activation, without PCA": lambda: autoencoder(
        widths=(5, 6, 7, 6, 5), activation=("gelu", "relu", "cos", "silu", "tanh"), skip=None
    ).fit(X),
    "cross-entropy of a range": lambda: autoencoder(scaling="range", loss="cross_entropy").fit(X),
    "linear": lambda: isthmus.LinearAutoencoder(2, scaling="standard").fit(X),
    "denoising, huber": lambda: isthmus.DenoisingAutoencoder(2, loss="huber", **TINY).fit(X),
    "variational, with gaps": lambda: isthmus.VariationalAutoencoder(2, **TINY).fit(WITH_GAPS),
    "Bernoulli": lambda: with_likelihood(likelihoods.Coins()),
    "Poisson": lambda: with_likelihood(count_likelihoods.PoissonCounts(*COUNTS)),
    "negative binomial": lambda: with_likelihood(
        count_likelihoods.OverdispersedCounts(*COUNTS, np.zeros(4, np.float32))
    ),
    "neighbours": lambda: fitted("ensemble of neighbours").members_[0],
    "ensemble of maps": lambda: isthmus.Ensemble(autoencoder(), 2, random_state=0).fit(X),
    "ensemble of neighbours": lambda: isthmus.Ensemble(
        isthmus.NeighbourAutoencoder(2, max_epochs=1), 2, random_state=0
    ).fit(X),
    "classifier": lambda: fitted("ensemble of classifiers").members_[0],
    "two classes": lambda: isthmus.FeedForwardClassifier(**TINY).fit(X, LABELS == 1),
    "regressor": lambda: fitted("ensemble of regressors").members_[0],
    "ensemble of classifiers": lambda: isthmus.Ensemble(
        isthmus.FeedForwardClassifier(**TINY), 2, random_state=0
    ).fit(X, LABELS),
    "ensemble of regressors": lambda: isthmus.Ensemble(
        isthmus.FeedForwardRegressor(**TINY), 2, random_state=0
    ).fit(X, TARGETS),
    "pruned": lambda: isthmus.prune(
        fitted("cross-entropy of a range"), X, epochs=1, trials=1, random_state=0
    ),
    "distilled": lambda: isthmus.distill(
        fitted("cross-entropy of a range"), X, (4,), max_epochs=1, random_state=0
    ),
}
MAPS = [name for name in MODELS if "class" not in name and "regressor" not in name]


@functools.cache
def fitted(name):
    return MODELS[name]()


def through_onnx(path, rows, outputs=None):
    """The outputs of a graph for rows, by ONNX Runtime as any program would call it."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    return session.run(outputs, {given.name: rows})


def through_numpy(path, rows, function):
    return reader.read(path)[0][function](rows)


def library(path):
    """A header as a compiled library, with the most warnings that compilers have."""
    main = path.with_name("main.c")
    functions = [
        f"void {name}(const void *x, void *y) {{ {path.stem}_{name}(x, y); }}"
        for name in ("encode", "decode", "predict")
        if f"{path.stem}_{name}(" in path.read_text()
    ]
    main.write_text("\n".join([f'#include "{path.name}"', *functions, ""]))
    options = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-shared", "-fPIC", "-lm"]
    subprocess.run(["cc", main, "-o", path.with_suffix(".so"), *options], check=True)
    return ctypes.CDLL(path.with_suffix(".so"))


def outside(path, function, rows, shape, dtype=np.float32):
    """What an exported function gives for rows: as any program would call it."""
    if path.suffix == ".onnx":
        return through_onnx(path, rows)[0]
    if path.suffix == ".npz":
        return through_numpy(path, rows, function)
    output = np.empty(shape, dtype)
    run = getattr(library(path), function)
    for row, out in zip(np.ascontiguousarray(rows), output, strict=True):
        run(row.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p))
    return output


def assert_same(found, expected, units=None):
    """To 1e-5 of how far each column goes, and to eight roundings of single precision."""
    spread = np.std(expected, axis=0)
    units = np.sqrt(np.mean(spread**2)) if units is None else units
    assert found.shape == expected.shape
    gaps = np.max(np.abs(found - expected), axis=0)
    assert np.all(gaps <= 1e-5 * np.maximum(spread, 0.1 * units)), gaps / spread


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("name", MAPS)
def test_a_map_is_the_same_outside(tmp_path, name, ending):
    model = fitted(name)
    Z = model.transform(X)
    path = tmp_path / f"map{ending}"
    isthmus.export(model, path, what="encoder" if ending == ".onnx" else "both")
    assert_same(outside(path, "encode", X, Z.shape), Z)
    if ending == ".onnx":
        isthmus.export(model, path, what="decoder")
    units = model.scaling_.scale if model.scaling_.is_per_column else np.sqrt(np.mean(np.var(X, axis=0)))
    rows = outside(path, "decode", Z.astype(np.float32), X.shape, np.float64)
    assert_same(rows, model.inverse_transform(Z), units)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("name", [name for name in MODELS if name not in MAPS])
def test_a_predictor_is_the_same_outside(tmp_path, name, ending):
    model = fitted(name)
    classifies = hasattr(model, "classes_")
    expected = model.predict_proba(X) if classifies else model.predict(X)
    path = tmp_path / f"map{ending}"
    isthmus.export(model, path)
    found = outside(path, "predict", X, expected.shape, np.float32 if classifies else np.float64)
    assert_same(found, expected, 1.0 if classifies else np.std(TARGETS, axis=0))


def test_both_ways_in_one_file(tmp_path):
    model = fitted("cross-entropy of a range")
    Z = model.transform(X)
    isthmus.export(model, tmp_path / "map.onnx", what="both")
    outputs = ["reconstruction", "coordinates"]
    reconstruction, coordinates = through_onnx(tmp_path / "map.onnx", X, outputs)
    assert_same(coordinates, Z)
    assert_same(reconstruction, model.inverse_transform(Z), model.scaling_.scale)
    isthmus.export(model, tmp_path / "map.npz", what="both")
    functions, _ = reader.read(tmp_path / "map.npz")
    np.testing.assert_allclose(functions["decode"](functions["encode"](X)), reconstruction, rtol=1e-5)


def test_the_linear_map_is_its_formula_outside(tmp_path):
    """z = W (x − x̄)/s, as it stands in the attributes."""
    model = fitted("linear")
    isthmus.export(model, tmp_path / "map.npz")
    scores = (X - model.mean_) / model.scaling_.scale @ model.components_.T
    assert_same(through_numpy(tmp_path / "map.npz", X, "encode"), scores)


@pytest.mark.parametrize("ending", FORMATS)
def test_offsets_do_no_harm(tmp_path, ending):
    """An offset of 10⁹, beside which single precision knows steps of 64, leaves the coordinates."""
    moved = X + np.array([1e9, -1e7, 0, 1e5])
    model = isthmus.LinearAutoencoder(2).fit(moved)
    isthmus.export(model, tmp_path / f"map{ending}")
    found = outside(tmp_path / f"map{ending}", "encode", moved, (len(X), 2))
    # The offset of 10⁹ leaves seven digits of each number.
    np.testing.assert_allclose(found, isthmus.LinearAutoencoder(2).fit_transform(X), atol=1e-6)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(
    "name", ["every activation, without PCA", "variational, with gaps", "neighbours"]
)
def test_what_is_missing_is_missing(tmp_path, name, ending):
    rows = X[:3].copy()
    rows[1, 2] = np.nan
    isthmus.export(fitted(name), tmp_path / f"map{ending}")
    found = outside(tmp_path / f"map{ending}", "encode", rows, (3, 2))
    np.testing.assert_array_equal(np.isnan(found), [[False] * 2, [True] * 2, [False] * 2])


def test_a_graph_takes_any_number_of_rows_in_double_precision(tmp_path):
    path = tmp_path / "map.onnx"
    isthmus.export(fitted("ensemble of maps"), path)
    (whole,) = through_onnx(path, X)
    for n in (0, 1, 7):
        np.testing.assert_allclose(through_onnx(path, X[:n])[0], whole[:n], atol=1e-6)
    graph = onnx.load(path).graph
    assert [(one.name, one.type.tensor_type.elem_type) for one in (*graph.input, *graph.output)] == [
        ("rows", onnx.TensorProto.DOUBLE),
        ("coordinates", onnx.TensorProto.FLOAT),
    ]


def test_a_file_says_what_it_is_of(tmp_path):
    names = ["length, */", "width\n", "großer Durchmesser", "d"]
    model = isthmus.LinearAutoencoder(2).fit(pd.DataFrame(X, columns=names))
    facts = {
        "name": "map",
        "isthmus": isthmus.__version__,
        "estimator": "LinearAutoencoder",
        "feature_names": names,
        "center": model.scaling_.center.tolist(),
        "scale": model.scaling_.scale.tolist(),
    }
    for ending in (".onnx", ".npz", ".h"):
        isthmus.export(model, tmp_path / f"map{ending}")
    assert reader.read(tmp_path / "map.npz")[1] == facts
    properties = {one.key: one.value for one in onnx.load(tmp_path / "map.onnx").metadata_props}
    texts = ("name", "isthmus", "estimator")
    assert {k: v if k in texts else json.loads(v) for k, v in properties.items()} == facts
    assert "d" in (tmp_path / "map.h").read_text().splitlines()[0]


def test_the_same_model_gives_the_same_file(tmp_path):
    for ending in (".onnx", ".npz", ".h"):
        contents = []
        for _ in range(2):
            isthmus.export(fitted("regressor"), tmp_path / f"map{ending}")
            contents.append((tmp_path / f"map{ending}").read_bytes())
        assert contents[0] == contents[1]


def test_the_reader_needs_numpy_alone(tmp_path):
    (tmp_path / "reader.py").write_text(run("export", "--reader").output, encoding="utf-8")
    model = fitted("Bernoulli")
    isthmus.export(model, tmp_path / "map.npz")
    np.save(tmp_path / "rows.npy", X)
    program = (
        "import sys, numpy, reader; functions, _ = reader.read('map.npz'); "
        "numpy.save('z.npy', functions['encode'](numpy.load('rows.npy'))); "
        "assert not {'isthmus', 'jax', 'scipy', 'onnx'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, '.'); {program}"],
        cwd=tmp_path,
        check=True,
    )
    assert_same(np.load(tmp_path / "z.npy"), model.transform(X))


@pytest.mark.parametrize(
    ("file", "prefix"), [("digits-2d", "digits_2d"), ("2d", "map_2d"), ("größe", "gr__e")]
)
def test_names_in_a_header_follow_the_file(tmp_path, file, prefix):
    isthmus.export(fitted("linear"), tmp_path / f"{file}.h")
    text = (tmp_path / f"{file}.h").read_text()
    assert f"static inline void {prefix}_encode(const double *row, float *coordinates)" in text


def test_a_predictor_has_no_decoder(tmp_path):
    with pytest.raises(ValueError, match="FeedForwardRegressor predicts: leave it out"):
        isthmus.export(fitted("regressor"), tmp_path / "map.npz", what="decoder")
    assert list(tmp_path.iterdir()) == []


def running_sum(output):
    return jnp.cumsum(output, axis=-1)


def test_a_function_of_ones_own_that_has_no_counterpart(tmp_path):
    model = replaced(fitted("distilled"), link=running_sum)
    isthmus.export(model, tmp_path / "map.npz")
    with pytest.raises(ExportError, match=r"computes 'cumsum'.* of your own.* tanh, erf, logistic$"):
        isthmus.export(model, tmp_path / "decoder.npz", what="decoder")


def test_the_page_has_the_reader():
    page = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
    assert Path(reader.__file__).read_text(encoding="utf-8") in page


def test_a_saved_map_by_the_command(tmp_path):
    """It keeps no rows of its fit, so that random ones must do."""
    model = fitted("neighbours")
    isthmus.save(model, tmp_path / "map.isthmus")
    for file in ("map.onnx", "map.h"):
        assert run("export", tmp_path / "map.isthmus", "-o", tmp_path / file).exit_code == 0
    result = run("export", tmp_path / "map.isthmus", "--what", "both", "-o", tmp_path / "map.npz")
    assert (result.exit_code, result.output) == (0, "")
    assert_same(through_onnx(tmp_path / "map.onnx", X)[0], model.transform(X))
    assert set(reader.read(tmp_path / "map.npz")[0]) == {"encode", "decode"}


def test_the_command_names_the_formats_there_are():
    assert cli.export.params[1].callback.endings == tuple(exporting.FORMATS)
