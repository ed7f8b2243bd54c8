"""A fit that fails leaves the model of the last fit as it was, for every estimator."""

import numpy as np
import pandas as pd
import pytest

import isthmus
from isthmus.estimators import maps, predictor
from isthmus.variational import estimator as variational

pytestmark = [
    pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning"),
    pytest.mark.filterwarnings("ignore::isthmus.CollapseWarning"),
]

NAMES, OTHERS = ["a", "b", "c"], ["x", "y"]
VALUES = np.random.default_rng(0).standard_normal((40, 3))
ROWS = pd.DataFrame(VALUES, columns=NAMES)
LABELS, NUMBERS = (VALUES[:, 0] > 0).astype(int), VALUES[:, 1]
TINY = {"widths": (3,), "max_epochs": 1, "random_state": 0}

ESTIMATORS = {
    "linear": lambda: isthmus.LinearAutoencoder(1),
    "autoencoder": lambda: isthmus.Autoencoder(1, **TINY),
    "denoising": lambda: isthmus.DenoisingAutoencoder(1, validation_fraction=0, **TINY),
    "neighbour": lambda: isthmus.NeighbourAutoencoder(1, max_epochs=2, random_state=0),
    "variational": lambda: isthmus.VariationalAutoencoder(1, validation_fraction=0, **TINY),
    "classifier": lambda: isthmus.FeedForwardClassifier(**TINY),
    "regressor": lambda: isthmus.FeedForwardRegressor(**TINY),
    "ensemble": lambda: isthmus.Ensemble(isthmus.LinearAutoencoder(1), 2, random_state=0),
    "trained ensemble": lambda: isthmus.Ensemble(
        isthmus.Autoencoder(1, validation_fraction=0, **TINY), 2, random_state=0
    ),
}


def targets(model):
    return {"FeedForwardClassifier": LABELS, "FeedForwardRegressor": NUMBERS}.get(type(model).__name__)


def outputs(model, rows):
    return model.predict(rows) if hasattr(model, "predict") else np.asarray(model.transform(rows))


BAD_ROWS = {
    "NaN throughout": pd.DataFrame(np.full((40, 2), np.nan), columns=OTHERS),
    "text": pd.DataFrame({"x": ["u"] * 40, "y": 1.0}),
    "dates": pd.DataFrame({"x": pd.date_range("2020", periods=40), "y": 1.0}),
    "one row": pd.DataFrame([[1.0, 2.0]], columns=OTHERS),
    "infinity": np.full((40, 2), np.inf),
}


def check_refused(model, fit, error=(ValueError, TypeError)):
    before, names = outputs(model, ROWS), list(vars(model))
    with pytest.raises(error):
        fit()
    assert list(vars(model)) == names
    assert model.n_features_in_ == 3
    assert list(model.feature_names_in_) == NAMES
    np.testing.assert_array_equal(outputs(model, ROWS), before)
    with pytest.raises(ValueError, match="feature names"):
        outputs(model, ROWS.rename(columns={"a": "x"}))


def fitted(name):
    model = ESTIMATORS[name]()
    return model.fit(ROWS, targets(model))


@pytest.fixture(params=ESTIMATORS)
def model(request):
    return fitted(request.param)


def test_rows_that_are_refused(model):
    for rows in BAD_ROWS.values():
        y = targets(model)
        check_refused(
            model, lambda rows=rows, y=y: model.fit(rows, None if y is None else y[: len(rows)])
        )


def test_parameters_that_are_refused(model):
    good = pd.DataFrame(VALUES[:, :2], columns=OTHERS)
    parameter = {"max_epochs": 0} if hasattr(model, "max_epochs") else {"n_members": 0}
    model.set_params(**parameter)
    check_refused(model, lambda: model.fit(good, targets(model)), ValueError)


@pytest.mark.parametrize("name", ["classifier", "regressor"])
def test_targets_that_are_refused(name):
    model = fitted(name)
    good = pd.DataFrame(VALUES[:, :2], columns=OTHERS)
    check_refused(model, lambda: model.fit(good, None), ValueError)
    check_refused(model, lambda: model.fit(good, targets(model)[:-1]), ValueError)


def test_members_that_refuse_the_rows():
    model = fitted("trained ensemble")
    model.set_params(estimator__n_components=3)
    check_refused(model, lambda: model.fit(pd.DataFrame(VALUES[:, :2], columns=OTHERS)), ValueError)


@pytest.mark.parametrize("name", [n for n, new in ESTIMATORS.items() if hasattr(new(), "partial_fit")])
def test_rows_that_partial_fit_refuses(name):
    model = fitted(name)
    rows = pd.DataFrame(np.full((40, 3), np.inf), columns=NAMES)
    check_refused(model, lambda: model.partial_fit(rows, targets(model)), ValueError)


def test_a_first_partial_fit_that_is_refused_leaves_nothing():
    model = isthmus.Autoencoder(1, **TINY)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(BAD_ROWS["NaN throughout"])
    assert vars(model) == before


@pytest.mark.parametrize("name", ["autoencoder", "variational", "regressor"])
def test_a_training_that_breaks_off(name, monkeypatch):
    model = fitted(name)

    def broken(trainings, **settings):
        raise MemoryError

    for module in (maps, predictor, variational):
        monkeypatch.setattr(module, "train", broken)
    good = pd.DataFrame(VALUES[:, :2], columns=OTHERS)
    check_refused(model, lambda: model.fit(good, targets(model)), MemoryError)
