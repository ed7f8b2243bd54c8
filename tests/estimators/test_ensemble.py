"""Ensembles: members as if fitted alone, means of what they say, and how far they lie apart."""

import functools
import pickle
import warnings

import jax
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

import isthmus
from isthmus.estimators import _members

pytestmark = [
    # Few epochs on few rows: that some members stay PCA is as it should be.
    pytest.mark.filterwarnings("ignore:.*No epoch beat:isthmus.NoImprovementWarning"),
    pytest.mark.filterwarnings("ignore:.*carry nothing:isthmus.CollapseWarning"),
]

X, LABELS = load_digits(return_X_y=True)
# Of fewer than 500 a single map is cross-validated, and members are not.
X, LABELS = X[:500], LABELS[:500]
RNG = np.random.default_rng(0)
INPUTS = RNG.uniform(-2, 2, (120, 2))
TARGETS = np.sin(2 * INPUTS[:, 0]) + 0.5 * INPUTS[:, 1] + 0.1 * RNG.standard_normal(120)
SHORT = {"widths": (16,), "max_epochs": 12, "batch_size": 32}

MAPS = {
    "Autoencoder": isthmus.Autoencoder(2, **SHORT),
    "DenoisingAutoencoder": isthmus.DenoisingAutoencoder(2, **SHORT),
    "VariationalAutoencoder": isthmus.VariationalAutoencoder(2, **SHORT),
    "LinearAutoencoder": isthmus.LinearAutoencoder(2),
}


@functools.cache
def four_of(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return isthmus.Ensemble(MAPS[name], n_members=4, random_state=0).fit(X)


@pytest.fixture(scope="module", params=MAPS)
def maps(request):
    return four_of(request.param)


@pytest.fixture(scope="module")
def autoencoders():
    return four_of("Autoencoder")


@pytest.fixture(scope="module")
def regressors():
    member = isthmus.FeedForwardRegressor((16,), max_epochs=30)
    return isthmus.Ensemble(member, n_members=5, random_state=0).fit(INPUTS, TARGETS)


@pytest.fixture(scope="module")
def classifiers():
    member = isthmus.FeedForwardClassifier((16,), max_epochs=30)
    return isthmus.Ensemble(member, n_members=5, random_state=0).fit(X, LABELS)


def aligned(model, rows):
    coordinates = np.stack([member.transform(rows) for member in model.members_])
    a = model.alignment_
    return (coordinates - a.origins[:, None]) @ a.rotations + a.center


def test_a_member_is_the_estimator_fitted_alone_with_its_seed(maps):
    for member in maps.members_[1::2]:
        alone = clone(member).fit(X)
        scale = np.abs(alone.transform(X)).max()
        # Batched products sum in another order, which training makes a little of.
        np.testing.assert_allclose(member.transform(X), alone.transform(X), atol=1e-3 * scale)
        if hasattr(alone, "history_"):
            assert member.best_epoch_ == alone.best_epoch_
            assert member.validation_loss_ == pytest.approx(alone.validation_loss_, rel=1e-4)
            assert member.pca_validation_loss_ == pytest.approx(alone.pca_validation_loss_, rel=1e-5)
            assert vars(member).keys() == vars(alone).keys() - {"_some_rows"}


def test_training_moved_the_members_that_are_compared(autoencoders):
    """So that the comparison above is not one of starts."""
    assert max(member.best_epoch_ for member in autoencoders.members_) > 0
    assert len({member.random_state for member in autoencoders.members_}) == 4


def test_a_predictor_among_others_is_the_one_fitted_alone(regressors, classifiers):
    for model, rows, targets in ((regressors, INPUTS, TARGETS), (classifiers, X, LABELS)):
        alone = clone(model.members_[2]).fit(rows, targets)
        one, other = (m.network_.network.layers[0].weight for m in (alone, model.members_[2]))
        assert alone.best_epoch_ > 0
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_the_first_members_of_more_are_those_of_fewer():
    member = isthmus.LinearAutoencoder(2)
    few, more = (
        isthmus.Ensemble(member, n, bootstrap=True, random_state=7).fit(X).members_ for n in (2, 5)
    )
    for one, other in zip(few, more, strict=False):
        np.testing.assert_array_equal(one.components_, other.components_)


def test_coordinates_are_the_mean_of_the_aligned_ones(maps):
    together = aligned(maps, X)
    scale = np.abs(together).max()
    np.testing.assert_allclose(maps.transform(X), together.mean(0), atol=1e-5 * scale)
    np.testing.assert_allclose(maps.encode(X.astype(np.float32)), together.mean(0), atol=1e-5 * scale)


def test_rows_are_the_mean_of_what_each_member_decodes_in_its_own_frame(maps):
    Z, a = maps.transform(X), maps.alignment_
    own = (Z - a.center) @ np.swapaxes(a.rotations, 1, 2) + a.origins[:, None]
    rows = [member.inverse_transform(z) for member, z in zip(maps.members_, own, strict=True)]
    # Pixels from 0 to 16 in float32.
    np.testing.assert_allclose(maps.inverse_transform(Z), np.mean(rows, axis=0), atol=1e-4)
    np.testing.assert_allclose(maps.decode(Z), np.mean(rows, axis=0), atol=1e-4)


def test_the_jacobian_is_the_derivative_of_the_mean(maps):
    direction, step = np.eye(64)[20], 0.05
    J = isthmus.jacobian(maps, X[:5])
    slope = (maps.transform(X[:5] + step * direction) - maps.transform(X[:5] - step * direction)) / (
        2 * step
    )
    # Differences over 0.1 of coordinates near 10 in float32, of a function that bends little.
    np.testing.assert_allclose(J[:, :, 20], slope, atol=3e-3)


def test_spread_is_the_standard_deviation_over_members(maps):
    together = aligned(maps, X)
    spread = isthmus.coordinate_spread(maps, X)
    assert spread.shape == (500, 2)
    np.testing.assert_allclose(spread, together.std(axis=0, ddof=1), atol=1e-4 * np.abs(together).max())


def test_pca_has_no_spread_unless_rows_are_drawn():
    member = isthmus.LinearAutoencoder(2)
    model = isthmus.Ensemble(member, 6, random_state=0).fit(X)
    assert isthmus.coordinate_spread(model, X).max() < 1e-5
    # Turned onto axes of variance, which are its own.
    np.testing.assert_allclose(model.transform(X), model.members_[0].transform(X), atol=1e-3)
    drawn = isthmus.Ensemble(member, 6, bootstrap=True, random_state=0).fit(X)
    assert isthmus.coordinate_spread(drawn, X).min() > 1e-3


def test_the_spread_of_the_mean_over_drawn_rows_is_that_of_statistics():
    """z = x − x̄: over draws of the rows, x̄ has the standard deviation s/√n, and Procrustes removes it.

    What stays of a member is z about its own mean, so that the spread of a one-column map is that of
    nothing: 0 to rounding.
    """
    column = RNG.standard_normal((400, 1)) + 5
    model = isthmus.Ensemble(isthmus.LinearAutoencoder(1), 8, bootstrap=True, random_state=0).fit(column)
    assert isthmus.coordinate_spread(model, column).max() < 1e-5
    centers = np.array([member.mean_[0] for member in model.members_])
    # χ² of 7 degrees of freedom: between 0.35 and 1.9 of the expected with probability 0.999.
    assert 0.3 < centers.std(ddof=1) / (column.std() / 20) < 2.0


def test_predictions_are_means(regressors, classifiers):
    each = [member.predict(INPUTS) for member in regressors.members_]
    np.testing.assert_allclose(regressors.predict(INPUTS), np.mean(each, axis=0), rtol=1e-5, atol=1e-6)
    each = [member.predict_proba(X) for member in classifiers.members_]
    np.testing.assert_allclose(classifiers.predict_proba(X), np.mean(each, axis=0), rtol=1e-4, atol=1e-6)
    most = np.argmax(np.mean(each, axis=0), axis=1)
    np.testing.assert_array_equal(classifiers.predict(X), classifiers.classes_[most])
    assert classifiers.score(X, LABELS) == np.mean(classifiers.predict(X) == LABELS)
    np.testing.assert_allclose(
        jax.vmap(regressors.predict_function)(INPUTS.astype(np.float32))[:, 0],
        regressors.predict(INPUTS),
        rtol=1e-4,
        atol=1e-5,
    )


def test_the_variance_of_a_mean_of_members_falls_as_one_over_their_number():
    """Means of disjoint groups of m out of 256 members vary by 1/m of the variance of one."""
    member = isthmus.FeedForwardRegressor((8,), max_epochs=8, validation_fraction=0.0, batch_size=64)
    model = isthmus.Ensemble(member, 256, random_state=0).fit(INPUTS, TARGETS)
    each = np.stack([one.predict(INPUTS) for one in model.members_])
    sizes = np.array([1, 2, 4, 8, 16])
    variances = [each.reshape(-1, m, len(INPUTS)).mean(axis=1).var(axis=0, ddof=1).mean() for m in sizes]
    slope = np.polyfit(np.log(sizes), np.log(variances), 1)[0]
    # 16 groups of 16: a variance of 15 degrees of freedom, averaged over rows that are not independent.
    assert slope == pytest.approx(-1.0, abs=0.25)
    errors = np.mean((each - np.sin(2 * INPUTS[:, 0]) - 0.5 * INPUTS[:, 1]) ** 2, axis=1)
    mean_error = np.mean((each.mean(0) - np.sin(2 * INPUTS[:, 0]) - 0.5 * INPUTS[:, 1]) ** 2)
    # ⟨(f − t)²⟩ = (f̄ − t)² + var f, exactly.
    assert errors.mean() == pytest.approx(mean_error + each.var(axis=0).mean(), rel=1e-9)


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
def test_drawn_rows_leave_the_noise_in_training_as_it_is():
    """A row that is drawn twice has a copy at the distance zero, which is no neighbour."""
    member = isthmus.Autoencoder(2, widths=(4,), max_epochs=1)
    whole, drawn = (
        isthmus.Ensemble(member, 3, bootstrap=bootstrap, random_state=0).fit(X)
        for bootstrap in (False, True)
    )
    for one, other in zip(whole.members_, drawn.members_, strict=True):
        assert other.input_noise_ == pytest.approx(one.input_noise_, rel=0.1)


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
def test_drawn_rows_are_training_rows_as_many_as_there_are(monkeypatch):
    sources = []
    train = _members.train_members
    monkeypatch.setattr(
        _members,
        "train_members",
        lambda trainings, **options: (
            sources.extend(one.source.indices for one in trainings) or train(trainings, **options)
        ),
    )
    member = isthmus.Autoencoder(2, widths=(4,), max_epochs=1)
    isthmus.Ensemble(member, 3, random_state=0).fit(X)
    isthmus.Ensemble(member, 3, bootstrap=True, random_state=0).fit(X)
    for whole, drawn in zip(sources[:3], sources[3:], strict=True):
        assert len(np.unique(whole)) == len(whole) == len(drawn) == 450
        assert np.isin(drawn, whole).all()
        # 1 − 1/e of 450 rows, ± 0.02 for one standard deviation.
        assert len(np.unique(drawn)) / 450 == pytest.approx(1 - np.exp(-1), abs=0.1)


def test_a_saved_ensemble_gives_the_same_bits(tmp_path, maps):
    isthmus.save(maps, tmp_path / "maps.isthmus")
    again = isthmus.load(tmp_path / "maps.isthmus")
    Z = maps.transform(X)
    np.testing.assert_array_equal(again.transform(X), Z)
    np.testing.assert_array_equal(again.inverse_transform(Z), maps.inverse_transform(Z))
    np.testing.assert_array_equal(
        isthmus.coordinate_spread(again, X), isthmus.coordinate_spread(maps, X)
    )
    np.testing.assert_array_equal(again.members_[3].transform(X), maps.members_[3].transform(X))
    assert repr(again) == repr(maps)
    isthmus.save(again, tmp_path / "again.isthmus")
    assert (tmp_path / "again.isthmus").read_bytes() == (tmp_path / "maps.isthmus").read_bytes()


def test_saved_predictors_give_the_same_bits(tmp_path, regressors, classifiers):
    isthmus.save(regressors, tmp_path / "r")
    np.testing.assert_array_equal(
        isthmus.load(tmp_path / "r").predict(INPUTS), regressors.predict(INPUTS)
    )
    isthmus.save(classifiers, tmp_path / "c")
    again = isthmus.load(tmp_path / "c")
    np.testing.assert_array_equal(again.predict_proba(X), classifiers.predict_proba(X))
    np.testing.assert_array_equal(again.predict(X), classifiers.predict(X))


def test_a_pickled_ensemble_gives_the_same_bits(autoencoders):
    again = pickle.loads(pickle.dumps(autoencoders))
    np.testing.assert_array_equal(again.transform(X), autoencoders.transform(X))


def test_an_ensemble_is_what_its_members_are(autoencoders, regressors, classifiers):
    assert hasattr(autoencoders, "transform")
    assert not hasattr(autoencoders, "predict")
    for model in (regressors, classifiers):
        assert not hasattr(model, "transform")
        assert not hasattr(model, "inverse_transform")
    assert not hasattr(regressors, "predict_proba")


def test_parameters_of_the_members_are_nested(autoencoders):
    model = clone(autoencoders).set_params(estimator__widths=(4,), n_members=2)
    assert model.estimator.widths == (4,)
    assert not hasattr(model, "members_")
    search = GridSearchCV(
        isthmus.Ensemble(isthmus.LinearAutoencoder(), 2), {"estimator__n_components": [1, 3]}, cv=2
    )
    assert search.fit(X).best_params_ == {"estimator__n_components": 3}


def test_tables_keep_their_names():
    frame = pd.DataFrame(X[:, 20:24], columns=list("abcd"))
    model = isthmus.Ensemble(isthmus.LinearAutoencoder(2), 2).set_output(transform="pandas").fit(frame)
    assert list(model.transform(frame).columns) == ["ensemble0", "ensemble1"]
    assert model.feature_names_in_.tolist() == list("abcd")
    # No warning that names are missing: a member knows them too.
    assert model.members_[1].transform(frame).shape == (500, 2)
    assert isthmus.reconstruction_error(model, frame).shape == (500,)
    assert model.score(frame) == pytest.approx(-isthmus.reconstruction_error(model, frame).mean())


def test_no_improvement_is_said_once_for_all():
    noise = np.random.default_rng(0).standard_normal((60, 5))
    model = isthmus.Ensemble(isthmus.Autoencoder(2, **SHORT), 3, random_state=0)
    with pytest.warns(isthmus.NoImprovementWarning, match=r"^\d of 3 members: No epoch beat") as caught:
        model.fit(noise)
    assert len(caught) == 1


def test_a_member_that_diverges_is_told_and_the_ensemble_kept():
    member = isthmus.Autoencoder(
        2, widths=(4,), skip=None, solver="gradient_descent", learning_rate=1e6, max_epochs=3
    )
    model = isthmus.Ensemble(member, 3, random_state=0)
    with pytest.raises(isthmus.DivergenceError, match="3 of 3 members"):
        model.fit(X)
    assert np.isfinite(model.transform(X)).all()


def test_ctrl_c_leaves_an_ensemble_of_the_members_so_far(monkeypatch):
    train = _members.train_members
    monkeypatch.setattr(_members, "train_members", lambda jobs, **options: train(jobs, **options)[:2])
    model = isthmus.Ensemble(isthmus.Autoencoder(2, **SHORT), 4, random_state=0)
    with pytest.warns(UserWarning, match="the first 2 of 4 members"):
        model.fit(X)
    assert len(model.members_) == 2
    assert isthmus.coordinate_spread(model, X).shape == (500, 2)


def test_the_scaling_of_a_member_is_that_of_its_training_rows(autoencoders):
    """A tenth of the rows is held out, other rows for each member."""
    centers = np.stack([member.scaling_.center for member in autoencoders.members_])
    assert len(np.unique(centers, axis=0)) == len(centers)
    for center in centers:
        # The mean of 450 of 500 rows errs by √(50 / (500 · 450)) = 0.015 standard deviations.
        assert np.abs(center - X.mean(0)).max() < 5 * 0.015 * X.std(0).max()


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (isthmus.Ensemble(isthmus.Autoencoder), TypeError, "expected an isthmus estimator"),
        (isthmus.Ensemble(GridSearchCV(None, {})), TypeError, "expected an isthmus estimator"),
        (isthmus.Ensemble(isthmus.Ensemble(isthmus.Autoencoder())), TypeError, "not an ensemble"),
        (
            isthmus.Ensemble(isthmus.Autoencoder(), 0),
            ValueError,
            "'n_members' parameter of Ensemble must be an int",
        ),
        (isthmus.Ensemble(isthmus.Autoencoder(widths=3)), ValueError, "expected a sequence"),
    ],
)
def test_what_cannot_be_an_ensemble_is_refused(model, error, message):
    with pytest.raises(error, match=message):
        model.fit(X)


def test_members_of_different_dimension_are_refused():
    rows = np.diag([3.0, 1.0, 1.0, 1.0]).repeat(3, axis=0) * RNG.standard_normal((12, 1))
    model = isthmus.Ensemble(isthmus.LinearAutoencoder(0.8), 20, bootstrap=True, random_state=0)
    with pytest.raises(ValueError, match="n_components as an integer"):
        model.fit(rows)


def test_spread_needs_several_maps(regressors):
    with pytest.raises(TypeError, match="Ensemble of maps"):
        isthmus.coordinate_spread(regressors, INPUTS)
    with pytest.raises(ValueError, match="n_members=2"):
        isthmus.coordinate_spread(isthmus.Ensemble(isthmus.LinearAutoencoder(2), 1).fit(X), X)
    with pytest.raises(NotFittedError):
        isthmus.coordinate_spread(isthmus.Ensemble(isthmus.LinearAutoencoder(2)), X)
