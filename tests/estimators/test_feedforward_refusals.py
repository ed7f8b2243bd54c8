"""What feed-forward predictors refuse, and what they say of it."""

from datetime import date

import numpy as np
import optax
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

import isthmus
from isthmus import FeedForwardClassifier, FeedForwardRegressor

X, Y = np.random.default_rng(0).standard_normal((30, 3)), np.arange(30) % 2
BAD_CLASSIFIERS = [
    ({"widths": 100}, {}, ValueError, "expected a sequence of layer widths"),
    ({"widths": (0,)}, {}, ValueError, r"widths\[0\]=0"),
    ({"activation": "sine"}, {}, ValueError, "activation='sine' is not known"),
    ({"activation": ("tanh",)}, {}, ValueError, "1 entries for 2 hidden layers"),
    (
        {"start": "zero"},
        {},
        ValueError,
        "'start' parameter of FeedForwardClassifier must be a str among .*'gaussian'",
    ),
    ({"loss": "huber"}, {}, ValueError, "use one of 'cross_entropy', 'squared'"),
    ({"loss": 3}, {}, TypeError, "loss=3: expected one of"),
    ({"solver": "sgd"}, {}, ValueError, r"\['adam', 'gradient_descent', 'lbfgs'\]"),
    ({"solver": "lbfgs", "batch_size": 8}, {}, ValueError, "takes all rows in each step"),
    ({"solver": "lbfgs", "learning_rate": 1.0}, {}, ValueError, "rate of its own"),
    ({"solver": optax.sgd(0.1), "weight_decay": 0.1}, {}, ValueError, "set weight_decay=0.0"),
    ({"weight_decay": -1.0}, {}, ValueError, "'weight_decay' parameter .* Got -1.0"),
    ({"class_weight": {"0": 9.0}}, {}, ValueError, r"a weight for '0', which is none .*\[0, 1\]"),
    ({"class_weight": {0: -1.0}}, {}, ValueError, "expected finite weights"),
    ({"class_weight": {0: 0.0, 1: 0.0}}, {}, ValueError, "leaves no row a weight"),
    ({"class_weight": "even"}, {}, ValueError, "class_weight"),
    ({"validation_fraction": 1.0}, {}, ValueError, "'validation_fraction' parameter .* Got 1.0"),
    ({}, {"y": np.zeros(30)}, ValueError, "one class only"),
    ({}, {"y": None}, ValueError, "requires y to be passed"),
    ({}, {"y": Y[:-1]}, ValueError, "inconsistent numbers of samples"),
    ({}, {"y": X[:, 0]}, ValueError, "Unknown label type"),
    ({}, {"y": ["a", None, *"ab" * 14]}, ValueError, "no value in row 1, and in 1 row in all"),
    ({}, {"y": ["a", np.nan, *"ab" * 14]}, ValueError, "no value in row 1, and in 1 row in all"),
    ({}, {"y": pd.array([True, pd.NA] * 15)}, ValueError, "no value in row 1, and in 15 rows in all"),
    ({}, {"y": pd.cut(X[:, 0], 3)}, ValueError, r"one is Interval.*such as y.astype\(str\)"),
]


@pytest.mark.parametrize(("changes", "data", "error", "message"), BAD_CLASSIFIERS)
def test_what_a_classifier_cannot_do_is_said(changes, data, error, message):
    with pytest.raises(error, match=message):
        FeedForwardClassifier(**changes).fit(X, **{"y": Y, **data})


def test_what_a_regressor_cannot_do_is_said():
    for loss in ("cross_entropy", isthmus.CrossEntropy()):
        with pytest.raises(ValueError, match=r"is not known|targets are scaled"):
            FeedForwardRegressor(loss=loss).fit(X, Y)
    with pytest.raises(ValueError, match=r"y holds text: row 0 is 'a'\. A regressor predicts numbers"):
        FeedForwardRegressor().fit(X, ["a"] * 30)
    with pytest.raises(TypeError, match=r"dates or durations, not numbers: row 0 is datetime\.date"):
        FeedForwardRegressor().fit(X, [date(2020, 1, 1)] * 30)
    with pytest.raises(ValueError, match=r"np.hstack\(\[y.real, y.imag\]\)$"):
        FeedForwardRegressor().fit(X, Y + 1j)
    with pytest.raises(ValueError, match="y contains NaN"):
        FeedForwardRegressor().fit(X, np.full(30, np.nan))
    with pytest.raises(ValueError, match="beyond ±1e\\+37"):
        FeedForwardRegressor().fit(X, 1e40 * Y)
    with pytest.raises(NotFittedError):
        FeedForwardRegressor().predict(X)
    options = {"solver": "gradient_descent", "validation_fraction": 0, "random_state": 0}
    with pytest.raises(isthmus.DivergenceError, match="try a tenth of it") as error:
        FeedForwardRegressor(learning_rate=1e4, **options).fit(X, Y)
    assert error.value.result.stopped == "diverged"


def test_what_partial_fit_cannot_do_is_said():
    with pytest.raises(ValueError, match="needs classes="):
        FeedForwardClassifier().partial_fit(X, Y)
    with pytest.raises(ValueError, match="needs all rows at once"):
        FeedForwardClassifier(class_weight="balanced").partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(AttributeError, match="no attribute 'partial_fit'") as error:
        FeedForwardRegressor(solver="lbfgs").partial_fit(X, Y)
    assert "use fit, with warm_start=True" in str(error.value.__cause__)
    model = FeedForwardClassifier((4,)).partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match="are not those of the first call"):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="y has the label 2"):
        model.partial_fit(X, Y + 1)
    with pytest.raises(ValueError, match="changed since it was fitted"):
        model.set_params(widths=(5,)).partial_fit(X, Y)
