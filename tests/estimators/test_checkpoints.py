"""``fit(…, checkpoint=…)`` of every estimator that is trained, and what a fit is known by."""

import functools

import numpy as np
import optax
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import isthmus
from isthmus.estimators.identity import identity_of, in_words
from isthmus.training import loop, members
from kills import Killed, dies_at_write, until_complete

RNG = np.random.default_rng(3)
ANGLE = RNG.uniform(0, 3, (230, 1))
X = np.sin(ANGLE * np.arange(1, 7) / 2) + 0.05 * RNG.standard_normal((230, 6))
LABELS = np.where(ANGLE[:, 0] > 1.5, "far", "near")
NUMBERS = np.cos(ANGLE[:, 0])
ERRORS = RNG.uniform(0, 0.2, X.shape)

NOISY_ADAM = optax.chain(optax.adam(1e-3), optax.add_noise(1e-8, 0.5, 0))  # whose state has a key
SMALL = {"widths": (8,), "max_epochs": 4, "validation_fraction": 0.25, "random_state": 0}
MAP = isthmus.Autoencoder(2, **SMALL)
MEMBER = isthmus.Autoencoder(2, widths=(8,), max_epochs=4, validation_fraction=0.25)
CASES = {
    "autoencoder": (MAP, ()),
    "folds": (isthmus.Autoencoder(2, widths=(8,), max_epochs=4, random_state=0), ()),
    "from random weights": (isthmus.Autoencoder(2, skip=None, **SMALL), ()),
    "any optimiser": (isthmus.Autoencoder(2, solver=NOISY_ADAM, **SMALL), ()),
    "denoising": (isthmus.DenoisingAutoencoder(2, noise=isthmus.noise.Gaussian(0.1), **SMALL), ()),
    "variational": (isthmus.VariationalAutoencoder(2, **SMALL), (None, ERRORS)),
    "neighbour": (
        isthmus.NeighbourAutoencoder(2, landmarks=20, rounds=1, max_epochs=3, random_state=0),
        (),
    ),
    "classifier": (isthmus.FeedForwardClassifier(**SMALL), (LABELS,)),
    "regressor": (isthmus.FeedForwardRegressor(solver="lbfgs", **SMALL), (NUMBERS,)),
    "ensemble": (isthmus.Ensemble(MEMBER, 3, bootstrap=True, random_state=0), ()),
}


def outputs(model):
    """What a fitted model makes of rows."""
    for method in ("predict_proba", "predict", "transform"):
        if hasattr(model, method):
            return getattr(model, method)(X)
    raise AssertionError


def assert_same_bits(model, other):
    """Of the models, and of their losses in every epoch, also where none of them won."""
    np.testing.assert_array_equal(outputs(model), outputs(other))
    for one, another in zip(*(getattr(m, "members_", [m]) for m in (model, other)), strict=True):
        assert one.best_epoch_ == another.best_epoch_
        assert len(one.history_["epoch"]) > 3
        for column in ("epoch", "train_loss", "validation_loss"):
            np.testing.assert_array_equal(one.history_[column], another.history_[column])


def kept(folder):
    return isthmus.Checkpoint(folder, seconds=0)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(autouse=True)
def _short_calls(monkeypatch):
    monkeypatch.setattr(loop, "SECONDS_PER_CALL", 0.0)


# What these few epochs find is not the question.
small_fits = pytest.mark.filterwarnings(
    "ignore::isthmus.NoImprovementWarning", "ignore::isthmus.CollapseWarning"
)


@small_fits
@pytest.mark.parametrize("case", CASES)
def test_a_fit_that_dies_at_its_writes_ends_with_the_same_bits(case, tmp_path, monkeypatch):
    model, data = CASES[case]
    expected = clone(model).fit(X, *data)
    found, deaths = until_complete(
        lambda: clone(model).fit(X, *data, checkpoint=kept(tmp_path)), monkeypatch
    )
    assert deaths >= 2
    assert_same_bits(found, expected)
    assert_same_bits(clone(model).fit(X, *data, checkpoint=tmp_path), expected)


@small_fits
def test_what_partial_fit_goes_on_with_is_kept_too(tmp_path):
    expected = clone(MAP).fit(X).partial_fit(X)
    clone(MAP).fit(X, checkpoint=tmp_path)
    found = clone(MAP).fit(X, checkpoint=tmp_path).partial_fit(X)
    np.testing.assert_array_equal(outputs(found), outputs(expected))


@small_fits
def test_every_pass_of_an_ensemble_has_its_own_checkpoints(tmp_path, monkeypatch):
    monkeypatch.setattr(members, "CHUNK_BYTES", 1)
    model = isthmus.Ensemble(MEMBER, 3, random_state=0)
    expected = clone(model).fit(X)
    with monkeypatch.context() as patch:
        # The start and four epochs are four calls: this is the second of the second pass.
        dies_at_write(patch, 6)
        with pytest.raises(Killed):
            clone(model).fit(X, checkpoint=kept(tmp_path))
    assert {name.split("-")[1] for name in files(tmp_path)} == {"0000", "0001"}
    found = clone(model).fit(X, checkpoint=kept(tmp_path))
    assert_same_bits(found, expected)
    assert {name.split("-")[1] for name in files(tmp_path)} == {"0000", "0001", "0002"}


@small_fits
@pytest.mark.parametrize("model", [MAP, isthmus.Ensemble(MEMBER, 2)], ids=["map", "ensemble"])
def test_seeds_that_were_drawn_are_drawn_once(model, tmp_path, monkeypatch):
    expected = clone(model).set_params(random_state=np.random.RandomState(5)).fit(X)
    stream = np.random.RandomState(5)
    with monkeypatch.context() as patch:
        dies_at_write(patch, 3)
        with pytest.raises(Killed):
            clone(model).set_params(random_state=stream).fit(X, checkpoint=kept(tmp_path))
    # Another draw would give other held-out rows, weights and batches.
    found = clone(model).set_params(random_state=stream).fit(X, checkpoint=kept(tmp_path))
    assert_same_bits(found, expected)


@small_fits
def test_a_fit_without_a_random_state_can_go_on(tmp_path, monkeypatch):
    model = clone(MAP).set_params(random_state=None)
    with monkeypatch.context() as patch:
        dies_at_write(patch, 3)
        with pytest.raises(Killed):
            model.fit(X, checkpoint=kept(tmp_path))
    model.fit(X, checkpoint=tmp_path)
    assert_same_bits(clone(model).fit(X, checkpoint=tmp_path), model)


def other_rows():
    rows = X.copy()
    rows[17, 3] += 1e-9
    return rows


OTHERS = {
    "parameter": (MAP, {"n_components": 3}, X, (), r"n_components is 3 here and 2 there\."),
    "two": (MAP, {"tied": True, "widths": [4]}, X, (), r"tied is True .*widths is \(4\) here and \(8\)"),
    "seed": (MAP, {"random_state": 1}, X, (), r"random_state is 1 here and 0 there\."),
    "rows": (MAP, {}, other_rows(), (), r"X is \(230, 6\) of float64, mean \S+, SHA-256 "),
    "fewer": (MAP, {}, X[:-1], (), r"X is \(229, 6\) .* here and \(230, 6\) .* there"),
    "type": (MAP, {}, X.astype(np.float32), (), r"X is \(230, 6\) of float32"),
    "y": (CASES["classifier"][0], {}, X, (np.roll(LABELS, 1),), r"of another fit: y is \(230,\) of <U4"),
    "x_error": (CASES["variational"][0], {}, X, (None, 0.1), r"of another fit: x_error is"),
    "no x_error": (CASES["variational"][0], {}, X, (), r"x_error is not given here and \(230, 6\)"),
    "class": (isthmus.DenoisingAutoencoder(2, **SMALL), {}, X, (), r"estimator is Denoising.* here"),
    "members": (CASES["ensemble"][0], {"n_members": 4}, X, (), r"n_members is 4 here and 3 there\."),
    "member": (
        CASES["ensemble"][0],
        {"estimator__max_epochs": 5},
        X,
        (),
        r"of another fit: estimator__max_epochs is 5 here and 4 there\.",
    ),
}
OF_CASE = {"y": "classifier", "x_error": "variational", "no x_error": "variational"}
OF_CASE |= {"members": "ensemble", "member": "ensemble"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder of a fit of each of some cases."""

    @functools.cache
    def folder(case):
        path = tmp_path_factory.mktemp(case)
        model, data = CASES[case]
        clone(model).fit(X, *data, checkpoint=path)
        return path

    return folder


@small_fits
@pytest.mark.parametrize("other", OTHERS)
def test_another_fit_in_the_folder_is_refused(other, folders):
    model, changes, rows, data, message = OTHERS[other]
    folder = folders(OF_CASE.get(other, "autoencoder"))
    before = files(folder)
    with pytest.raises(ValueError, match=message):
        clone(model).set_params(**changes).fit(rows, *data, checkpoint=folder)
    assert files(folder) == before


@small_fits
def test_what_changes_no_bit_is_no_other_fit(folders):
    model = clone(MAP).set_params(verbose=False, widths=[np.int64(8)])
    np.testing.assert_array_equal(
        outputs(model.fit(X, checkpoint=str(folders("autoencoder")))), outputs(clone(MAP).fit(X))
    )
    # A map has no targets.
    model.fit(X, LABELS, checkpoint=folders("autoencoder"))


@small_fits
def test_a_warm_start_is_another_fit_and_has_its_own_folder(tmp_path, monkeypatch):
    def warm():
        return clone(MAP).set_params(warm_start=True).fit(X, checkpoint=tmp_path / "first")

    expected = warm().fit(X)
    with pytest.raises(ValueError, match=r"warm start is from weights .* here and not given there"):
        warm().fit(X, checkpoint=tmp_path / "first")
    found, deaths = until_complete(
        lambda: warm().fit(X, checkpoint=kept(tmp_path / "second")), monkeypatch
    )
    assert deaths >= 2
    assert_same_bits(found, expected)


@small_fits
def test_in_a_pipeline_and_in_fit_transform(folders):
    expected = outputs(clone(MAP).fit(X))
    folder = folders("autoencoder")
    np.testing.assert_array_equal(clone(MAP).fit_transform(X, checkpoint=folder), expected)
    pipeline = make_pipeline(StandardScaler(with_mean=False, with_std=False), clone(MAP))
    pipeline.fit(X, autoencoder__checkpoint=folder)
    np.testing.assert_array_equal(pipeline.transform(X), expected)
    variational, data = CASES["variational"]
    found = clone(variational).fit_transform(X, *data, checkpoint=folders("variational"))
    np.testing.assert_array_equal(found, clone(variational).fit_transform(X, *data))


def test_members_that_are_not_trained_have_no_checkpoints(tmp_path):
    model = isthmus.Ensemble(isthmus.LinearAutoencoder(2), 2)
    with pytest.raises(ValueError, match=r"LinearAutoencoder is not trained .* leave checkpoint out"):
        model.fit(X, checkpoint=tmp_path)
    assert not files(tmp_path)


def test_what_is_no_folder_is_refused():
    with pytest.raises(TypeError, match="checkpoint=3: expected a folder, or an isthmus"):
        clone(MAP).fit(X, checkpoint=3)


def with_rate(rate):
    return lambda weights: rate * weights


def in_module(program, **constants):
    """The function in a module of its own, which has these constants."""
    return eval(program, dict(constants))


def test_parameters_in_words_differ_where_what_they_do_differs():
    same = [
        (optax.adam(1e-3), optax.adam(1e-3)),
        (with_rate(0.1), with_rate(0.1)),
        (in_module("lambda x: x + 1", rate=0.1), in_module("lambda x: x + 1", rate=0.2)),
        ((8, 8), [np.int32(8), 8]),
        (isthmus.Huber(0.5), isthmus.Huber(delta=0.5)),
        ({"a", "b", "c"}, {"c", "a", "b"}),
        (np.random.RandomState(0), np.random.RandomState(1)),
        (np.arange(3000), np.arange(3000)),
        (object(), object()),
    ]
    other = [
        (optax.adam(1e-3), optax.adam(1e-2)),
        (with_rate(0.1), with_rate(0.2)),
        (lambda x: x + 1, lambda x: x + 2),
        (lambda x: np.sin(x), lambda x: np.cos(x)),
        (in_module("lambda x: rate * x", rate=0.1), in_module("lambda x: rate * x", rate=0.2)),
        # What is defined within a function, and its defaults that have names.
        (lambda x: (lambda a: a * a)(x), lambda x: (lambda a: abs(a))(x)),
        (lambda x, *, rate=0.1: rate * x, lambda x, *, rate=0.2: rate * x),
        (functools.partial(with_rate, 1), functools.partial(with_rate, 2)),
        (isthmus.Huber(0.5), isthmus.Huber(0.6)),
        (isthmus.noise.Masking(0.3), isthmus.noise.SaltAndPepper(0.3)),
        ({"phi": 360}, {"phi": 180}),
        (1, True),
        ("none", None),
        # What repr abbreviates.
        (np.arange(3000), np.where(np.arange(3000) == 1500, 0, np.arange(3000))),
    ]
    for one, another in same:
        assert in_words(one) == in_words(another)
    for one, another in other:
        assert in_words(one) != in_words(another)


def test_of_large_data_some_rows_are_seen_and_the_first_and_the_last():
    rows = np.zeros((100_000, 10))
    seen = identity_of(MAP, rows)["X"]
    assert seen.startswith("(100000, 10) of float64, mean 0, SHA-256 ")
    # 2²⁰ bytes are 13 107 rows of 80.
    assert seen.endswith(" of 13107 rows")
    for row, changes in ((0, True), (1, False), (99_999, True)):
        rows[row] = 1
        assert (identity_of(MAP, rows)["X"] != seen) is changes
        rows[row] = 0
