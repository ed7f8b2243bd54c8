"""One file per model: it comes back bit for bit, or is refused with one clear error."""

import hashlib
import json
import struct
import tracemalloc
import warnings

import equinox as eqx
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
from isthmus.data.atomic import digest
from isthmus.files import models as persistence

pytestmark = [
    pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning"),
]

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


# Denoising maps


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


# Variational maps


class Laplace:
    """A prior of one's own, with nothing to learn."""

    def log_density(self, z):
        return jax.scipy.stats.laplace.logpdf(z)

    def sample(self, key, n, d):
        return jax.random.laplace(key, (n, d))


class Moved(eqx.Module):
    """A prior of one's own that learns where it is."""

    where: jax.Array

    def __init__(self, place):
        self.where = jnp.full(2, place)

    def log_density(self, z):
        return jax.scipy.stats.norm.logpdf(z - self.where)

    def sample(self, key, n, d):
        return self.where + jax.random.normal(key, (n, d))


class Wide(eqx.Module):
    """Errors of one's own: a Student distribution whose width is learnt."""

    log_width: jax.Array
    freedom: float = eqx.field(static=True)

    def mean(self, output):
        return output

    def variance(self, output):
        return jnp.full_like(output, jnp.exp(2 * self.log_width))

    def log_density(self, u, output, error=None):
        scaled = (u - output) / jnp.exp(self.log_width)
        return jax.scipy.stats.t.logpdf(scaled, self.freedom) - self.log_width

    def sample(self, key, output):
        return output + jnp.exp(self.log_width) * jax.random.t(key, self.freedom, output.shape)


def wide(known):
    return Wide(jnp.zeros(()), 4.0)


GAPS = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
COUNTS = np.rint(10 * X)
VARIATIONAL = {
    "missing values, uniform, one scale each": (
        {
            "prior": isthmus.priors.Uniform(),
            "likelihood": isthmus.likelihoods.Gaussian("feature"),
            "beta": 0.5,
            "warm_up": 0.2,
        },
        GAPS,
    ),
    "mixture, counts": (
        {"prior": isthmus.priors.Mixture(2), "likelihood": isthmus.likelihoods.NegativeBinomial()},
        COUNTS,
    ),
    "counts": ({"likelihood": isthmus.likelihoods.Poisson(), "scaling": "standard"}, COUNTS),
    "coins": ({"likelihood": isthmus.likelihoods.Bernoulli()}, (X.mean(axis=0) < X).astype(float)),
    "own prior": ({"prior": Laplace(), "likelihood": isthmus.likelihoods.Gaussian(0.3)}, X),
    "own modules": ({"prior": Moved(1.0), "likelihood": wide}, X),
}
OWN = {
    "own prior": {f"{__name__}.Laplace": VARIATIONAL["own prior"][0]["prior"]},
    "own modules": {f"{__name__}.{one.__qualname__}": one for one in (Moved, Wide, wide)},
}


def answers(model, rows):
    """What a variational map can be asked: rows as many as a block has, so that little is compiled."""
    holes = np.where(np.arange(4) == 1, np.nan, rows[:60])
    return {
        "transform": model.transform(rows[:60]),
        "inverse": model.inverse_transform(model.transform(rows[:60])),
        "mean": isthmus.posterior(model, holes).mean,
        "std": isthmus.posterior(model, holes).std,
        "sample": isthmus.sample(model, 60, random_state=1),
        "likelihood": isthmus.log_likelihood(model, holes, 3, random_state=1),
        "kl": model.kl_,
        "active": model.active_,
    }


@pytest.mark.filterwarnings("ignore::isthmus.CollapseWarning")
@pytest.mark.parametrize("name", VARIATIONAL)
def test_a_variational_map_comes_back_bit_for_bit(path, name):
    options, rows = VARIATIONAL[name]
    model = isthmus.VariationalAutoencoder(**QUICK | {"input_noise": 0}, **options).fit(rows)
    isthmus.save(model, path)
    if name in OWN:
        with pytest.raises(ModelFileError, match=r"custom="):
            isthmus.load(path)
    again = isthmus.load(path, custom=OWN.get(name))
    assert type(again) is isthmus.VariationalAutoencoder
    if "modules" not in name:
        assert again.get_params() == model.get_params()
    expected = answers(model, rows)
    for question, found in answers(again, rows).items():
        np.testing.assert_array_equal(found, expected[question], err_msg=question)
    shapes = [
        [np.shape(leaf) for leaf in jax.tree.leaves(one.network_, is_leaf=eqx.is_array)]
        for one in (model, again)
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.filterwarnings("ignore::isthmus.CollapseWarning")
def test_a_loaded_variational_map_goes_on_training(path):
    options = QUICK | {"prior": isthmus.priors.Mixture(2), "warm_start": True}
    model = isthmus.VariationalAutoencoder(**options).fit(X)
    isthmus.save(model, path)
    again = isthmus.load(path)
    before = again.score(X)
    assert again.fit(X).partial_fit(X).score(X) > before - 1


@pytest.fixture(scope="module")
def variational():
    options = QUICK | {"prior": Moved(0.5)}
    return isthmus.VariationalAutoencoder(**options).fit(X)


def test_what_a_prior_has_learnt_is_in_the_file(path, variational):
    learnt = np.asarray(variational.network_.pair.prior.where)
    assert not np.array_equal(learnt, [0.5, 0.5])
    isthmus.save(variational, path)
    again = isthmus.load(path, custom={f"{__name__}.Moved": Moved})
    np.testing.assert_array_equal(again.network_.pair.prior.where, learnt)
    for wrong in (Moved(0.5), Laplace, Wide):
        with pytest.raises(ModelFileError, match="expected the class with the fields where"):
            isthmus.load(path, custom={f"{__name__}.Moved": wrong})


@pytest.mark.parametrize(
    ("which", "output"),
    [
        ("network_.pair.prior.where", "density"),
        ("network_.pair.likelihood.log_variance", "density"),
        ("network_.pair.encoder.log_var", "posterior"),
        ("network_.pair.decoder.path.weight", "inverse_transform"),
    ],
)
def test_every_part_of_a_variational_map_is_probed(path, variational, which, output):
    isthmus.save(variational, path)
    rewrite(
        path,
        lambda header, tensors: tensors.update({which: np.asarray(tensors[which] + np.float32(0.1))}),
    )
    with pytest.raises(ModelFileError, match=f"{output} of the probe rows changed"):
        isthmus.load(path, custom={f"{__name__}.Moved": Moved})


def test_a_variational_map_with_a_changed_byte_is_refused(path, variational):
    isthmus.save(variational, path)
    whole = path.read_bytes()
    for place in np.random.default_rng(0).integers(len(whole) // 2, len(whole), size=20):
        altered = bytearray(whole)
        altered[place] ^= 1
        path.write_bytes(altered)
        with pytest.raises(ModelFileError, match=r"altered|not readable|not an isthmus model"):
            isthmus.load(path, custom={f"{__name__}.Moved": Moved})


# Files that are refused


@pytest.fixture(scope="module")
def fitted():
    return isthmus.Autoencoder(**TINY, **ALL_ROWS).fit(X)


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


def rewrite(path, change):
    """A file with another header whose digest is right: only what it says can refuse it."""
    with safetensors.safe_open(path, "numpy") as file:
        metadata = file.metadata()
    tensors = safetensors.numpy.load(path.read_bytes())
    header = json.loads(metadata["isthmus"])
    del tensors["sha256"]
    header = change(header, tensors) or header
    text = json.dumps(header)
    tensors["sha256"] = digest(text, tensors)
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


# Saving


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
