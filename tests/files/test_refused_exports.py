"""Exports that are refused in one sentence, and leave no file: of what, where, and how it is found."""

import shutil

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

import isthmus
from cli.command import run
from isthmus import ExportError
from isthmus.files.export import _c, _onnx, exporting, reader

X = load_iris().data[::2]
FORMATS = [
    ".onnx",
    ".npz",
    pytest.param(
        ".h", marks=pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler")
    ),
]


@pytest.fixture(scope="module")
def linear():
    return isthmus.LinearAutoencoder(2, scaling="standard").fit(X)


def test_the_reader_tells_rows_of_another_width(linear, tmp_path):
    isthmus.export(linear, tmp_path / "map.npz")
    with pytest.raises(ValueError, match=r"expected rows \(n, 4\), got \(75, 3\)"):
        reader.read(tmp_path / "map.npz")[0]["encode"](X[:, :3])


def broken(monkeypatch, ending):
    """An export whose numbers are a ten-thousandth too large, in the exported model itself, too."""
    form = exporting.FORMATS[ending]

    def write(path, programs, about):
        for program in programs.values():
            weight = next(one for one in program.constants if one.ndim == 2)
            weight *= np.float32(1.0001)
        form.write(path, programs, about)

    monkeypatch.setitem(exporting.FORMATS, ending, form._replace(write=write))


@pytest.mark.parametrize("ending", FORMATS)
def test_an_export_that_differs_is_refused_and_leaves_no_file(tmp_path, monkeypatch, ending):
    broken(monkeypatch, ending)
    path = tmp_path / f"map{ending}"
    with pytest.raises(
        ExportError, match=r"coordinates: .* by 0\.\d+ of the spread of linearautoencoder"
    ):
        isthmus.export(isthmus.LinearAutoencoder(2).fit(X), path)
    assert list(tmp_path.iterdir()) == []
    path.write_text("an earlier one")
    with pytest.raises(ExportError):
        isthmus.export(isthmus.LinearAutoencoder(2).fit(X), path)
    assert path.read_text() == "an earlier one"


def test_a_header_that_does_not_compile_is_refused(linear, tmp_path, monkeypatch):
    monkeypatch.setitem(_c.TYPES, "float32", "flaot")
    with pytest.raises(ExportError, match="does not compile"):
        isthmus.export(linear, tmp_path / "map.h")
    assert list(tmp_path.iterdir()) == []


def test_without_a_compiler_the_steps_are_checked_and_a_warning_says_so(linear, tmp_path, monkeypatch):
    monkeypatch.setattr(_c.shutil, "which", lambda name: None)
    with pytest.warns(UserWarning, match="no C compiler"):
        isthmus.export(linear, tmp_path / "map.h")
    broken(monkeypatch, ".h")
    with (
        pytest.warns(UserWarning, match="no C compiler"),
        pytest.raises(ExportError, match="coordinates"),
    ):
        isthmus.export(isthmus.LinearAutoencoder(2).fit(X), tmp_path / "map.h")


def test_a_header_is_for_small_maps(linear, tmp_path, monkeypatch):
    isthmus.export(linear, tmp_path / "map.h")
    # x̄, s and W, and six results: less x̄, as single, over s, times W twice, less the frame's origin.
    n_numbers = 4 + 4 + 2 * 4 + 2 * 2 + 2 + (4 + 4 + 4 + 2 + 2 + 2)
    monkeypatch.setattr(_c, "MOST_NUMBERS", n_numbers - 1)
    with pytest.raises(
        ExportError, match=f"has {n_numbers} numbers, and a header may have {n_numbers - 1}"
    ):
        isthmus.export(linear, tmp_path / "large.h")
    assert not (tmp_path / "large.h").exists()


def test_what_cannot_be_exported(linear, tmp_path):
    path = tmp_path / "map.npz"
    with pytest.raises(TypeError, match="got PCA; of a pipeline, export its last step"):
        isthmus.export(PCA(), path)
    with pytest.raises(NotFittedError):
        isthmus.export(isthmus.Autoencoder(2), path)
    with pytest.raises(ExportError, match="angles or categories"):
        isthmus.export(isthmus.LinearAutoencoder(2, periodic={0: 8.0}).fit(X), path)
    with pytest.raises(ValueError, match=r"map.pt: the ending is none of .onnx, .npz, .h"):
        isthmus.export(linear, tmp_path / "map.pt")
    with pytest.raises(ValueError, match="what='all': expected one of 'encoder', 'decoder', 'both'"):
        isthmus.export(linear, path, what="all")
    with pytest.raises(FileNotFoundError):
        isthmus.export(linear, tmp_path / "no" / "map.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_runtime_is_named_with_its_extra(linear, tmp_path, monkeypatch):
    monkeypatch.setattr(_onnx, "find_spec", lambda name: None if name == "onnxruntime" else name)
    with pytest.raises(
        ImportError, match=r"onnxruntime is not installed: pip install 'isthmus\[export\]'"
    ):
        isthmus.export(linear, tmp_path / "map.onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_command_refuses_in_one_line(linear, tmp_path, monkeypatch):
    isthmus.save(linear, tmp_path / "map.isthmus")
    broken(monkeypatch, ".npz")
    result = run("export", tmp_path / "map.isthmus", "-o", tmp_path / "map.npz")
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert result.output.startswith(
        "isthmus: error: coordinates: the export differs from model.transform"
    )
    assert run("export", tmp_path / "map.isthmus", "-o", tmp_path / "map.pt").exit_code == 2
    assert run("export", tmp_path / "map.isthmus").exit_code == 2
