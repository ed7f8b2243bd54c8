"""One file per model, which comes back bit for bit; and how it is written."""

import hashlib
import json
import warnings

import jax
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
from isthmus import ModelFileError
from isthmus.files import models as persistence

pytestmark = pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")

X = load_iris().data
TINY = {"widths": (8, 6), "max_epochs": 8, "batch_size": 16, "random_state": 0}
ALL_ROWS = {"validation_fraction": 0}


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


# Every parameter of which the file keeps something, in few models: each is compiled.
MODELS = {
    "rows held out, standard": {
        "validation_fraction": 0.1,
        "scaling": "standard",
        "batch_size": np.int64(16),  # a NumPy integer
        "learning_rate": np.float32(1e-3),
    },
    "range and cross-entropy": {"scaling": "range", "loss": "cross_entropy"},
    "tied, absolute": {"tied": True, "loss": "absolute"},
    "tied with links": {"tied": True, "skip_links": True},
    "links, huber": {
        "skip_links": True,
        "activation": ("tanh", "cos"),
        "loss": isthmus.Huber(0.5),
    },
    "without PCA, three": {"skip": None, "n_components": 3},
    "linear network": {"widths": ()},
    "asymmetric": {"decoder_widths": (5,), "activation": ["relu", "gelu", "identity"]},
}


@pytest.fixture(scope="module")
def fitted():
    return isthmus.Autoencoder(**TINY, **ALL_ROWS).fit(X)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "map.isthmus"


@pytest.fixture
def saved(path, fitted):
    isthmus.save(fitted, path)
    return path


def assert_same(one, other):
    for name in ("transform", "score"):
        np.testing.assert_array_equal(getattr(one, name)(X), getattr(other, name)(X))
    Z = one.transform(X)
    np.testing.assert_array_equal(one.inverse_transform(Z), other.inverse_transform(Z))
    np.testing.assert_array_equal(isthmus.jacobian(one, X), isthmus.jacobian(other, X))


@pytest.mark.parametrize("name", MODELS)
def test_an_autoencoder_comes_back_bit_for_bit(path, name):
    model = isthmus.Autoencoder(**{**TINY, "input_noise": 0, **ALL_ROWS, **MODELS[name]}).fit(X)
    isthmus.save(model, path)
    again = isthmus.load(path)
    assert type(again) is isthmus.Autoencoder
    assert again.get_params() == model.get_params()
    assert_same(again, model)
    for attribute in ("best_epoch_", "validation_loss_", "pca_validation_loss_", "n_components_"):
        np.testing.assert_equal(getattr(again, attribute), getattr(model, attribute))
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


def test_a_map_is_saved_to_the_same_bytes_every_time(tmp_path, fitted):
    isthmus.save(fitted, tmp_path / "first")
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
        **{**TINY, **ALL_ROWS, "solver": optax.sgd(0.01), "random_state": np.random.RandomState(0)}
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
    model = isthmus.Autoencoder(**TINY, **ALL_ROWS, activation=softsign, loss=Quartic()).fit(X)
    isthmus.save(model, path)
    with pytest.raises(ModelFileError, match=r"softsign|Quartic") as caught:
        isthmus.load(path)
    assert "custom=" in str(caught.value)
    names = {f"{__name__}.softsign": softsign, f"{__name__}.Quartic": Quartic()}
    assert_same(isthmus.load(path, custom=names), model)


def blur(x, key):
    return x + 0.1 * jax.random.normal(key, x.shape)


NOISES = {
    "gaussian": isthmus.noise.Gaussian(0.4),
    "masking": isthmus.noise.Masking(0.2, value=0.0),
    "salt and pepper": isthmus.noise.SaltAndPepper(),
    "neighbours": isthmus.noise.Neighbours(3, reach=0.5),
    "image": isthmus.noise.ImageJitter((2, 2), elastic=0.0),
    "composed": isthmus.noise.Compose([isthmus.noise.Neighbours(3), isthmus.noise.Masking()]),
    "a function": blur,
    "composed with a function": isthmus.noise.Compose([blur, isthmus.noise.Gaussian()]),
}
QUICK = TINY | ALL_ROWS | {"widths": (8,), "max_epochs": 2}


@pytest.mark.parametrize("name", NOISES)
def test_a_denoising_map_comes_back_bit_for_bit(path, name):
    model = isthmus.DenoisingAutoencoder(**QUICK, noise=NOISES[name], tied=name == "masking").fit(X)
    isthmus.save(model, path)
    custom = {f"{__name__}.blur": blur} if "function" in name else {}
    if custom:
        with pytest.raises(ModelFileError, match=r"blur.*custom="):
            isthmus.load(path)
    again = isthmus.load(path, custom=custom)
    assert type(again) is isthmus.DenoisingAutoencoder
    assert again.get_params() == model.get_params()
    assert_same(again, model)
    np.testing.assert_array_equal(isthmus.denoise(again, X), isthmus.denoise(model, X))
    if name == "gaussian":
        found = isthmus.score_function(again, X)
        np.testing.assert_array_equal(found, isthmus.score_function(model, X))
    else:
        assert again.noise_scale_ is None


def test_save_takes_fitted_maps_only(path):
    with pytest.raises(NotFittedError):
        isthmus.save(isthmus.Autoencoder(), path)
    with pytest.raises(TypeError, match="got LinearRegression"):
        isthmus.save(LinearRegression(), path)
    assert not path.exists()


def test_classes_that_are_dates_are_refused_by_name(path):
    X = np.random.default_rng(0).standard_normal((40, 3))
    days = np.array(["2020-01-01", "2020-01-02"] * 20, "M8[D]")
    model = isthmus.FeedForwardClassifier((2,), max_epochs=1).fit(X, days)
    with pytest.raises(TypeError, match=r"classes_ holds dates or durations .datetime64"):
        isthmus.save(model, path)
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
