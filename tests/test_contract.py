"""The contract with scikit-learn: its own checks on every estimator, and the places of its use."""

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

import isthmus
from isthmus.variational.evidence import evidence_lower_bound

# The checks fit tens of rows of noise, on which nothing beats PCA, as the warning rightly says. A
# trained W is given too few epochs by design here: its convergence is test_linear's subject. In noise
# there is nothing for a coordinate to carry.
pytestmark = [
    pytest.mark.filterwarnings("ignore::isthmus.CollapseWarning"),
    pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

# The checks have data of many sizes. Steps of all rows, where these are few, would be of many sizes too,
# and so would landmarks; each size would be compiled. Predictors must learn what the checks give them.
BATCH = {"batch_size": 8}
LEARNING = {"max_epochs": 100, **BATCH}
TINY = {"widths": (8,), "max_epochs": 2, "random_state": 0, **BATCH}
NEIGHBOURS = {"max_epochs": 10, "random_state": 0}
# Cross-validation, by which small data choose an epoch, is the same for all maps: one has it here, and
# others in test_cross_validation. It compiles six networks for each size of the data.
ONE_NETWORK = {**TINY, "validation_fraction": 0}


# One of each class, and two where what scikit-learn calls goes another way: a trained W has a history,
# and an ensemble has the methods and tags of its members. Parameters that change the network or the
# loss alone pass through the same methods.
@parametrize_with_checks(
    [
        isthmus.Autoencoder(**TINY, input_noise=0),
        isthmus.LinearAutoencoder(),
        isthmus.LinearAutoencoder(solver="adam", max_epochs=20),
        isthmus.NeighbourAutoencoder(max_epochs=2, landmarks=10, random_state=0),
        isthmus.DenoisingAutoencoder(**ONE_NETWORK),
        isthmus.VariationalAutoencoder(**ONE_NETWORK, input_noise=0),
        *(
            isthmus.Ensemble(member, 2, random_state=0)
            for member in (
                isthmus.Autoencoder(**ONE_NETWORK, input_noise=0),
                isthmus.FeedForwardRegressor((8,), validation_fraction=0, **LEARNING),
                isthmus.FeedForwardClassifier((8,), validation_fraction=0, **LEARNING),
            )
        ),
        isthmus.Ensemble(isthmus.LinearAutoencoder(), 3, bootstrap=True, random_state=0),
        isthmus.FeedForwardClassifier(**LEARNING),
        isthmus.FeedForwardRegressor(**LEARNING),
    ]
)
def test_scikit_learn_accepts(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


ESTIMATORS = {
    "Autoencoder": isthmus.Autoencoder(**TINY),
    "DenoisingAutoencoder": isthmus.DenoisingAutoencoder(**ONE_NETWORK),
    "LinearAutoencoder": isthmus.LinearAutoencoder(),
    "NeighbourAutoencoder": isthmus.NeighbourAutoencoder(**NEIGHBOURS),
    "VariationalAutoencoder": isthmus.VariationalAutoencoder(**ONE_NETWORK),
}


@pytest.fixture(params=ESTIMATORS)
def estimator(request):
    return clone(ESTIMATORS[request.param])


@pytest.fixture(params=[name for name in ESTIMATORS if name != "VariationalAutoencoder"])
def reconstructing(request):
    """Maps whose score is minus the reconstruction error; a variational one's is its bound."""
    return clone(ESTIMATORS[request.param])


@pytest.mark.parametrize("name", [*ESTIMATORS, "Ensemble"])
def test_missing_entries_are_taken_by_the_map_that_models_them(iris, name):
    variational = ESTIMATORS["VariationalAutoencoder"]
    ensemble = isthmus.Ensemble(variational, 2, random_state=0)
    X, model = iris[0].copy(), clone(ESTIMATORS.get(name, ensemble))
    models_them = name in ("VariationalAutoencoder", "Ensemble")
    assert get_tags(model).input_tags.allow_nan is models_them
    model.fit(X)
    X[::7, 1] = np.nan
    if not models_them:
        for refuse in (model.transform, clone(model).fit):
            with pytest.raises(ValueError, match="X contains NaN: column 1 in row 0"):
                refuse(X)
        return
    complete = ~np.isnan(X).any(axis=1)
    Z = model.transform(X)
    assert np.isfinite(Z).all()
    np.testing.assert_allclose(Z[complete], model.transform(X[complete]), rtol=1e-5, atol=1e-6)
    assert np.isfinite(clone(model).fit(X).transform(X)).all()
    X[3, 3] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        model.transform(X)


def test_clone_keeps_parameters_and_drops_the_fit(estimator, iris):
    copy = clone(estimator.fit(iris[0]))
    assert copy.get_params() == estimator.get_params()
    assert not hasattr(copy, "network_")


def test_init_only_stores(estimator):
    for name, value in estimator.get_params(deep=False).items():
        assert getattr(estimator, name) is value
    assert set(vars(estimator)) == set(estimator.get_params(deep=False))


def test_a_pipeline_classifies_flowers_from_two_coordinates(estimator, iris):
    X, y = iris
    pipeline = make_pipeline(StandardScaler(), estimator, LogisticRegression())
    # The species are nearly linearly separable in the plane of PCA: 0.9 is far above chance (1/3)
    # and below what either map reaches.
    assert pipeline.fit(X, y).score(X, y) > 0.9
    Z = pipeline[:-1].transform(X)
    np.testing.assert_array_equal(Z, estimator.transform(pipeline[0].transform(X)))


def search_of_two_dimensions(estimator, X, n_jobs=None):
    return GridSearchCV(estimator, {"n_components": [1, 3]}, n_jobs=n_jobs, cv=2).fit(X)


def test_a_grid_search_prefers_more_coordinates(reconstructing, iris):
    search = search_of_two_dimensions(reconstructing, iris[0])
    # The score is minus the unseen-row error, and 3 of 4 axes leave out less than 1 of 4.
    assert search.best_params_ == {"n_components": 3}
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] < scores[1] < 0


def test_a_grid_search_in_two_processes_is_the_same(iris):
    alone, together = (
        search_of_two_dimensions(isthmus.DenoisingAutoencoder(**ONE_NETWORK), iris[0], n_jobs)
        for n_jobs in (1, 2)
    )
    # Programs that are compiled in another process may round otherwise.
    np.testing.assert_allclose(
        together.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"], rtol=1e-5
    )


def test_a_grid_search_may_compare_losses(iris):
    search = GridSearchCV(
        isthmus.Autoencoder(**ONE_NETWORK), {"loss": ["squared", "absolute"]}, cv=2, error_score="raise"
    )
    scores = search.fit(iris[0]).cv_results_["mean_test_score"]
    # One yardstick for both: starts are both PCA and 2 epochs of training move them little.
    assert scores[0] == pytest.approx(scores[1], rel=0.1)


def test_feature_names_out_count_the_coordinates(estimator, iris):
    names = estimator.fit(iris[0]).get_feature_names_out()
    prefix = type(estimator).__name__.lower()
    assert names.tolist() == [f"{prefix}0", f"{prefix}1"]


def test_set_output_gives_named_columns_of_the_same_numbers(estimator, iris):
    X, _ = iris
    names = ["a", "b", "c", "d"]
    frames = {"pandas": pd.DataFrame(X, columns=names), "polars": pl.DataFrame(X, schema=names)}
    expected = clone(estimator).fit(X).transform(X)
    for library, frame in frames.items():
        model = clone(estimator).set_output(transform=library).fit(frame)
        Z = model.transform(frame)
        assert type(Z) is type(frame)
        assert list(Z.columns) == model.get_feature_names_out().tolist()
        assert model.feature_names_in_.tolist() == names
        # A frame holds its columns one by one, so that sums run in another order.
        np.testing.assert_allclose(Z.to_numpy(), expected, rtol=1e-9, atol=1e-9)
        # The functions on models are not disturbed by what transform returns.
        assert isthmus.reconstruction_error(model, frame).shape == (150,)
        np.testing.assert_allclose(
            model.inverse_transform(Z), model.inverse_transform(Z.to_numpy()), rtol=0, atol=0
        )


def test_set_output_keeps_the_index_of_a_data_frame(estimator, iris):
    frame = pd.DataFrame(iris[0], index=np.arange(150) * 3)
    frame.columns = frame.columns.astype(str)
    Z = estimator.set_output(transform="pandas").fit_transform(frame)
    assert Z.index.equals(frame.index)


def test_columns_in_another_order_are_refused(estimator, iris):
    frame = pd.DataFrame(iris[0], columns=list("abcd"))
    estimator.fit(frame)
    with pytest.raises(ValueError, match="in the same order"):
        estimator.transform(frame[list("dcba")])


def test_joblib_pickles_a_fitted_model(estimator, iris, tmp_path):
    X, _ = iris
    estimator.fit(X)
    joblib.dump(estimator, tmp_path / "model.joblib")
    again = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(again.transform(X), estimator.transform(X))
    np.testing.assert_array_equal(isthmus.jacobian(again, X[:3]), isthmus.jacobian(estimator, X[:3]))


def test_a_pickled_autoencoder_goes_on_training_like_the_original(iris, tmp_path):
    X, _ = iris
    model = isthmus.Autoencoder(**TINY).partial_fit(X)
    joblib.dump(model, tmp_path / "model.joblib")
    again = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(again.partial_fit(X).transform(X), model.partial_fit(X).transform(X))


def test_fit_transform_is_fit_then_transform(estimator, iris):
    X, _ = iris
    Z = clone(estimator).fit_transform(X)
    np.testing.assert_array_equal(Z, estimator.fit(X).transform(X))


def test_score_is_minus_the_mean_reconstruction_error(reconstructing, iris):
    X, _ = iris
    reconstructing.fit(X)
    gap = X - reconstructing.inverse_transform(reconstructing.transform(X))
    # The same float64 sums in another order.
    assert reconstructing.score(X) == pytest.approx(-np.mean(np.sum(gap**2, axis=1)), rel=1e-12)


def test_the_score_of_a_variational_map_is_its_mean_bound(iris):
    X, _ = iris
    model = isthmus.VariationalAutoencoder(**ONE_NETWORK).fit(X)
    assert model.score(X) == pytest.approx(evidence_lower_bound(model, X).mean(), rel=1e-12)
    # A bound in expectation; a pair of ±ε in the plane scatters by about one nat per row.
    assert model.score(X) < isthmus.log_likelihood(model, X, 500, 0).mean() + 3 / np.sqrt(len(X))
    search = GridSearchCV(model, {"n_components": [1, 2]}, cv=KFold(3, shuffle=True, random_state=0))
    # The flowers' two main directions are worth more nats than they cost.
    assert search.fit(X).best_params_ == {"n_components": 2}
