"""One file per model: it comes back bit for bit, or is refused with one clear error."""

import hashlib
import json
import struct
import tracemalloc
import warnings

import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
import safetensors.numpy
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression

import isthmus
from isthmus import ModelFileError, persistence

pytestmark = pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")

X = load_iris().data
TINY = {"widths": (8, 6), "max_epochs": 8, "batch_size": 16, "random_state": 0}


def softsign(x):
    return x / (1 + jnp.abs(x))


class Quartic:
    """A loss of one's own."""

    def __eq__(self, other):
        return isinstance(other, Quartic)

    def __hash__(self):
        return 4

    def __call__(self, x, output):
        return jnp.sum((x - output) ** 4, axis=-1)

    def mean(self, output):
        return output


MODELS = {
    "default": {},
    "standard": {"scaling": "standard"},
    "range and cross-entropy": {"scaling": "range", "loss": "cross_entropy"},
    "tied": {"tied": True},
    "tied with links": {"tied": True, "skip_links": True},
    "links": {"skip_links": True, "activation": ("tanh", "cos")},
    "without PCA": {"skip": None},
    "linear network": {"widths": ()},
    "asymmetric": {"decoder_widths": (5,), "activation": ["relu", "gelu", "identity"]},
    "huber": {"loss": isthmus.Huber(0.5)},
    "absolute": {"loss": "absolute"},
    "a NumPy integer": {"batch_size": np.int64(16), "learning_rate": np.float32(1e-3)},
    "three": {"n_components": 3},
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "map.isthmus"


def assert_same(one, other):
    for name in ("transform", "score"):
        np.testing.assert_array_equal(getattr(one, name)(X), getattr(other, name)(X))
    Z = one.transform(X)
    np.testing.assert_array_equal(one.inverse_transform(Z), other.inverse_transform(Z))
    np.testing.assert_array_equal(isthmus.jacobian(one, X), isthmus.jacobian(other, X))


@pytest.mark.parametrize("name", MODELS)
def test_an_autoencoder_comes_back_bit_for_bit(path, name):
    model = isthmus.Autoencoder(**{**TINY, **MODELS[name]}).fit(X)
    isthmus.save(model, path)
    again = isthmus.load(path)
    assert type(again) is isthmus.Autoencoder
    assert again.get_params() == model.get_params()
    assert_same(again, model)
    for attribute in ("best_epoch_", "validation_loss_", "pca_validation_loss_", "n_components_"):
        assert getattr(again, attribute) == getattr(model, attribute)
    assert list(again.history_) == list(model.history_)
    for column, values in model.history_.items():
        np.testing.assert_array_equal(again.history_[column], values)


@pytest.mark.parametrize("changes", [{}, {"n_components": 0.9}, {"n_components": None}])
def test_a_linear_autoencoder_comes_back_bit_for_bit(path, changes):
    model = isthmus.LinearAutoencoder(**changes).fit(X)
    isthmus.save(model, path)
    again = isthmus.load(path)
    assert again.get_params() == model.get_params()
    assert_same(again, model)
    np.testing.assert_array_equal(again.components_, model.components_)
    np.testing.assert_array_equal(again.explained_variance_ratio_, model.explained_variance_ratio_)
    assert again.noise_variance_ == model.noise_variance_


def test_a_map_is_saved_to_the_same_bytes_every_time(tmp_path):
    model = isthmus.Autoencoder(**TINY).fit(X)
    isthmus.save(model, tmp_path / "first")
    loaded = isthmus.load(tmp_path / "first")
    for _ in range(10):
        isthmus.save(loaded, tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == (tmp_path / "first").read_bytes()


def test_feature_names_come_back(path):
    frame = pd.DataFrame(X, columns=["länge", "b", "c", "d"])
    isthmus.save(isthmus.LinearAutoencoder().fit(frame), path)
    again = isthmus.load(path)
    assert again.feature_names_in_.tolist() == list(frame.columns)
    again.transform(frame)
    with pytest.raises(ValueError, match="feature names"):
        again.transform(frame.rename(columns={"b": "e"}))


def test_a_loaded_map_goes_on_training(path):
    isthmus.save(isthmus.Autoencoder(**TINY, warm_start=True).fit(X), path)
    again = isthmus.load(path)
    before = isthmus.reconstruction_error(again, X).mean()
    again.fit(X)
    again.partial_fit(X)
    assert isthmus.reconstruction_error(again, X).mean() < 2 * before


def test_what_no_file_keeps_is_told(path):
    model = isthmus.Autoencoder(
        **{**TINY, "solver": optax.sgd(0.01), "random_state": np.random.RandomState(0)}
    ).fit(X)
    isthmus.save(model, path)
    with pytest.warns(UserWarning, match="cannot be kept") as caught:
        again = isthmus.load(path)
    assert sorted(str(one.message).split("parameter ")[1].split()[0] for one in caught) == [
        "random_state",
        "solver",
    ]
    assert_same(again, model)


def test_functions_of_ones_own_are_asked_for_by_name(path):
    model = isthmus.Autoencoder(**TINY, activation=softsign, loss=Quartic()).fit(X)
    isthmus.save(model, path)
    with pytest.raises(ModelFileError, match=r"softsign|Quartic") as caught:
        isthmus.load(path)
    assert "custom=" in str(caught.value)
    names = {f"{__name__}.softsign": softsign, f"{__name__}.Quartic": Quartic()}
    assert_same(isthmus.load(path, custom=names), model)


# Files that are refused


@pytest.fixture
def saved(path):
    isthmus.save(isthmus.Autoencoder(**TINY).fit(X), path)
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


def rewrite(path, change):
    """A file with another header whose digest is right: only what it says can refuse it."""
    with safetensors.safe_open(path, "numpy") as file:
        metadata = file.metadata()
    tensors = safetensors.numpy.load(path.read_bytes())
    header = json.loads(metadata["isthmus"])
    del tensors["sha256"]
    header = change(header, tensors) or header
    text = json.dumps(header)
    tensors["sha256"] = persistence._digest(text, tensors)
    path.write_bytes(safetensors.numpy.save(tensors, {"isthmus": text}))


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


# Saving


def test_save_takes_fitted_maps_only(path):
    with pytest.raises(NotFittedError):
        isthmus.save(isthmus.Autoencoder(), path)
    with pytest.raises(TypeError, match="got LinearRegression"):
        isthmus.save(LinearRegression(), path)
    assert not path.exists()


def test_a_disk_that_fills_leaves_the_earlier_file_whole(saved, monkeypatch):
    before = saved.read_bytes()

    def full(self, data):
        with self.open("wb") as file:
            file.write(data[:100])
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        isthmus.save(isthmus.LinearAutoencoder().fit(X), saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_ctrl_c_while_saving_leaves_the_earlier_file_whole(saved, monkeypatch):
    before = saved.read_bytes()

    def interrupted(self, data):
        with self.open("wb") as file:
            file.write(data[:100])
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        isthmus.save(isthmus.LinearAutoencoder().fit(X), saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_a_file_holds_no_pickle_and_its_digest_is_sha256(saved):
    with safetensors.safe_open(saved, "numpy") as file:
        metadata = file.metadata()
    tensors = safetensors.numpy.load(saved.read_bytes())
    assert set(metadata) == {"isthmus"}
    kept = tensors.pop("sha256")
    header = json.loads(metadata["isthmus"])
    assert header["schema"] == persistence.SCHEMA
    assert header["class"] == "Autoencoder"
    digest = hashlib.sha256(metadata["isthmus"].encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode() + array.tobytes())
    assert kept.tobytes() == digest.digest()


def test_loading_warns_of_nothing(saved):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        isthmus.load(saved)
