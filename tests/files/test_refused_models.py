"""Files that are refused: damaged, of another format, or altered behind a right digest."""

import json
import struct
import tracemalloc

import numpy as np
import pytest
import safetensors.numpy
from sklearn.datasets import load_iris

import isthmus
from files.tampering import rewrite
from isthmus import ModelFileError

pytestmark = pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")

X = load_iris().data
QUICK = {"widths": (8,), "max_epochs": 2, "batch_size": 16, "validation_fraction": 0, "random_state": 0}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "map.isthmus"


@pytest.fixture(scope="module")
def fitted():
    return isthmus.Autoencoder(**QUICK).fit(X)


@pytest.fixture
def saved(path, fitted):
    isthmus.save(fitted, path)
    return path


def test_a_truncated_file_is_refused_wherever_it_ends(saved):
    whole = saved.read_bytes()
    for size in np.linspace(0, len(whole) - 1, 40).astype(int):
        saved.write_bytes(whole[:size])
        with pytest.raises(ModelFileError, match=r"truncated|empty"):
            isthmus.load(saved)


def test_a_changed_byte_is_found_wherever_it_is(saved):
    whole = saved.read_bytes()
    for place in np.random.default_rng(0).integers(len(whole), size=60):
        altered = bytearray(whole)
        altered[place] ^= 1 << (place % 8)
        saved.write_bytes(altered)
        # A letter of JSON's own padding changes nothing that is read; all else is refused.
        if whole[place : place + 1] == b" ":
            continue
        with pytest.raises(ModelFileError):
            isthmus.load(saved)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x80\x04\x95pickle", b"a,b\n1,2\n" * 100, bytes(5000)]
)
def test_files_of_another_format_are_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"not a model|not an isthmus model"):
        isthmus.load(path)


def test_other_safetensors_are_refused(path):
    path.write_bytes(safetensors.numpy.save({"w": np.ones(3)}))
    with pytest.raises(ModelFileError, match="but not an isthmus model"):
        isthmus.load(path)


def test_folders_and_missing_files(tmp_path):
    with pytest.raises(ModelFileError, match="a folder"):
        isthmus.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        isthmus.load(tmp_path / "nothing")


def test_a_header_that_asks_for_absurd_sizes_allocates_nothing(path):
    huge = {"w": {"dtype": "F32", "shape": [2**20, 2**20], "data_offsets": [0, 2**42]}}
    for text, size in ((json.dumps(huge), None), ("{}", 2**62), ("{}", 2**26)):
        header = text.encode()
        path.write_bytes(struct.pack("<Q", len(header) if size is None else size) + header)
        tracemalloc.start()
        with pytest.raises(ModelFileError):
            isthmus.load(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
        tracemalloc.stop()


def test_a_newer_schema_is_refused(saved):
    rewrite(saved, lambda header, _: header.update(schema=99, isthmus="9.0"))
    with pytest.raises(ModelFileError, match=r"schema 99, written by isthmus 9\.0.*Upgrade"):
        isthmus.load(saved)


@pytest.mark.parametrize(
    "change",
    [
        lambda header, tensors: header.update({"class": "os.system"}),
        lambda header, tensors: header.update(parameters={"no_such": 1}),
        lambda header, tensors: header.pop("fitted") and None,
        lambda header, tensors: header["fitted"].pop("network_") and None,
        lambda header, tensors: header["fitted"].update(network_={"class": "Popen", "fields": {}}),
        lambda header, tensors: header["fitted"].update(network_={"tensor": "nowhere"}),
        lambda header, tensors: header["fitted"].update(network_=3),
        lambda header, tensors: header["probes"]["dict"].pop("transform") and None,
        lambda header, tensors: header.update(schema="one"),
        lambda header, tensors: [header],
        lambda header, tensors: tensors.update({key: a * np.nan for key, a in tensors.items()}),
    ],
)
def test_a_header_that_describes_no_model_is_refused(saved, change):
    rewrite(saved, change)
    with pytest.raises(ModelFileError, match=r"does not describe a model|not readable"):
        isthmus.load(saved)


@pytest.mark.parametrize("factor", [1.001, 2.0])
def test_a_map_whose_numbers_changed_is_refused_and_says_by_how_much(saved, factor):
    def change(header, tensors):
        weight = next(key for key in tensors if key.endswith("path.weight") and "encoder" in key)
        tensors[weight] = tensors[weight] * np.float32(factor)

    rewrite(saved, change)
    with pytest.raises(ModelFileError, match=r"probe rows changed by [0-9.e-]+") as caught:
        isthmus.load(saved)
    if factor == 2.0:
        # Twice the linear part is about twice the coordinates: a change of the size of the whole.
        change_told = float(str(caught.value).split("changed by ")[1].split()[0])
        assert 0.1 < change_told < 10


@pytest.mark.filterwarnings("ignore::isthmus.UnequalScalesWarning")
@pytest.mark.parametrize("scaling", [None, "standard"])
def test_a_small_feature_beside_a_large_one_is_probed_too(path, scaling):
    """Its change is nothing beside the largest output, and all of its own."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((50, 2)) @ rng.standard_normal((2, 3)) * [1.0, 1e6, 1e3]
    isthmus.save(isthmus.Autoencoder(2, **QUICK, scaling=scaling).fit(rows), path)
    isthmus.load(path)

    def change(header, tensors):
        name = header["probes"]["dict"]["inverse_transform"]["tensor"]
        tensors[name] = tensors[name] * [1.2, 1.0, 1.0]

    rewrite(path, change)
    with pytest.raises(ModelFileError, match=r"inverse_transform of the probe rows changed by 0\.[12]"):
        isthmus.load(path)
