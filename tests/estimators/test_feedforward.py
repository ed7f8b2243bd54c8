"""Feed-forward predictors: against scikit-learn, and at their limits."""

import warnings
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_regression
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

import isthmus
from isthmus import FeedForwardClassifier, FeedForwardRegressor
from isthmus.estimators.splits import split_rows
from isthmus.objectives.prediction import LABEL_LOSSES

ALL_ROWS = {"validation_fraction": 0, "random_state": 0}
"""No rows held out: the last epoch is the result."""


def weights_of(model):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(model.network_.network)]


def standardised(X):
    # The scaling divides by the deviation with n − 1, scikit-learn's by the one with n.
    return StandardScaler().fit_transform(X) * np.sqrt((len(X) - 1) / len(X))


def test_probabilities_are_consistent_with_the_hyperbolic_tangent():
    X, y = load_breast_cancer(return_X_y=True)
    model = FeedForwardClassifier((8,), max_epochs=5, random_state=0).fit(X, y)
    f, p = model.decision_function(X), model.predict_proba(X)
    np.testing.assert_allclose(p[:, 1], (1 + np.tanh(f.astype(float))) / 2, atol=1e-6)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(model.predict(X), model.classes_[(f > 0).astype(int)])


@pytest.mark.parametrize("penalty", [0.02, 0.5])
def test_without_hidden_layers_it_is_logistic_regression(penalty):
    X, y = load_breast_cancer(return_X_y=True)
    model = FeedForwardClassifier((), solver="lbfgs", weight_decay=penalty, **ALL_ROWS).fit(X, y)
    # p = 1/(1 + e⁻²ᶠ), so that scikit-learn's coefficients are twice ours and
    # ½ λ ‖w‖² = ½ (λ/4) ‖2w‖², of a mean over n rows, not a sum: C = 4/(λ n).
    peer = LogisticRegression(C=4 / (penalty * len(X)), tol=1e-10, max_iter=10_000)
    peer.fit(standardised(X), y)
    # Single precision at a minimum where the loss is flat.
    np.testing.assert_allclose(
        model.predict_proba(X), peer.predict_proba(standardised(X)), rtol=0, atol=1e-4
    )
    np.testing.assert_allclose(2 * weights_of(model)[0], peer.coef_, rtol=1e-3, atol=1e-4)


def test_without_hidden_layers_three_classes_are_multinomial_regression():
    X, y = load_iris(return_X_y=True)
    model = FeedForwardClassifier((), solver="lbfgs", weight_decay=0.01, **ALL_ROWS).fit(X, y)
    peer = LogisticRegression(C=1 / (0.01 * len(X)), tol=1e-10, max_iter=10_000)
    peer.fit(standardised(X), y)
    np.testing.assert_allclose(
        model.predict_proba(X), peer.predict_proba(standardised(X)), rtol=0, atol=1e-4
    )


def test_without_hidden_layers_it_is_ridge_regression():
    X, y = load_diabetes(return_X_y=True)
    targets = np.column_stack([y, X[:, 2] - y**2])
    model = FeedForwardRegressor((), solver="lbfgs", weight_decay=0.1, **ALL_ROWS).fit(X, targets)
    # ½ mean ‖y − ŷ‖² + ½ λ ‖W‖²: the penalty of a sum over n rows is n λ, column by column.
    peer = Ridge(alpha=0.1 * len(X)).fit(standardised(X), targets)
    gap = (model.predict(X) - peer.predict(standardised(X))) / targets.std(axis=0)
    np.testing.assert_allclose(gap, 0, atol=1e-4)


def test_gradient_descent_arrives_where_lbfgs_does():
    X, y = load_diabetes(return_X_y=True)
    shared = {"weight_decay": 0.1, **ALL_ROWS}
    slow = FeedForwardRegressor((), solver="gradient_descent", max_epochs=2000, **shared).fit(X, y)
    fast = FeedForwardRegressor((), solver="lbfgs", **shared).fit(X, y)
    # Curvatures are 0.1 at least, so that 2 000 steps of 0.1 leave e⁻²⁰ of the distance.
    np.testing.assert_allclose(slow.predict(X), fast.predict(X), rtol=1e-4)
    # The first to descend, and at once: the line search sees the penalty.
    assert np.all(np.diff(fast.history_["train_loss"][1:]) < 1e-4)


def test_exclusive_or_needs_a_hidden_layer():
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    y = np.array([-1, 1, 1, -1])
    shared = {"solver": "lbfgs", "activation": "tanh", "max_epochs": 200, **ALL_ROWS}
    # By symmetry the best linear f is 0 everywhere; no line can have all four.
    linear = FeedForwardClassifier((), **shared).fit(X, y)
    np.testing.assert_allclose(linear.predict_proba(X), 0.5, atol=1e-6)
    for loss in LABEL_LOSSES:
        # Four units would do, but a quarter of their starts end in a local minimum.
        hidden = FeedForwardClassifier((16,), loss=loss, **shared).fit(X, y)
        np.testing.assert_array_equal(hidden.predict(X), y)
        assert hidden.history_["train_loss"][-1] < 1e-2


def test_the_default_learns_a_function_that_turns_sign_with_its_columns():
    """One hidden layer whose units all bend at the origin begins at a saddle, and explains nothing."""
    rows = np.random.default_rng(0).uniform(-2, 2, (1000, 2))
    target = np.sin(3 * rows[:, 0]) * np.cos(3 * rows[:, 1])
    model = FeedForwardRegressor(random_state=0).fit(rows[:750], target[:750])
    assert model.score(rows[750:], target[750:]) > 0.95


def test_the_error_on_a_smooth_function_falls_with_the_width():
    x = np.linspace(-1, 1, 200)[:, None]
    y = np.sin(4 * x[:, 0]) + x[:, 0] ** 2

    def error(width):
        model = FeedForwardRegressor(
            (width,), activation="tanh", solver="lbfgs", max_epochs=400, **ALL_ROWS
        )
        return np.sqrt(np.mean((model.fit(x, y).predict(x) - y) ** 2)) / y.std()

    errors = [error(width) for width in (1, 3, 20)]
    assert errors[0] > 3 * errors[1] > 9 * errors[2]
    assert errors[2] < 1e-2


def test_class_weights_are_repeated_rows():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [40, 30, 20])
    X = rng.standard_normal((90, 3)) + 0.7 * y[:, None]
    shared = {"solver": "lbfgs", **ALL_ROWS}
    weighted = FeedForwardClassifier((), class_weight={0: 1, 1: 2, 2: 5}, **shared).fit(X, y)
    times = np.array([1, 2, 5])[y]
    repeated = FeedForwardClassifier((), **shared).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    # Without a penalty the minimum is one, whatever the scaling; it is flat, in single precision.
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-3)
    balanced = FeedForwardClassifier((), class_weight="balanced", **shared).fit(X, y)
    given = FeedForwardClassifier((), class_weight={0: 3, 1: 4, 2: 6}, **shared).fit(X, y)
    np.testing.assert_allclose(balanced.predict_proba(X), given.predict_proba(X), atol=1e-3)


STILL = {"solver": optax.sgd(0.0), "max_epochs": 1, "batch_size": 1000, **ALL_ROWS}


def test_training_starts_at_the_best_constant():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 3))
    for counts in ((10, 40), (5, 15, 30)):
        y = np.repeat(np.arange(len(counts)), counts)
        model = FeedForwardClassifier(**STILL).fit(X, y)
        np.testing.assert_allclose(model.predict_proba(X), np.tile(counts, (50, 1)) / 50, rtol=1e-5)
    model = FeedForwardClassifier(class_weight={0: 9}, **STILL).fit(X, np.repeat([0, 1], [10, 40]))
    np.testing.assert_allclose(model.predict_proba(X[:1]), [[90 / 130, 40 / 130]], rtol=1e-5)
    y = 1e6 + rng.standard_normal((50, 2))
    constant = FeedForwardRegressor(**STILL).fit(X, y).predict(X)
    # The center is added in float64: six digits of 10⁶ are not lost to single precision.
    np.testing.assert_allclose(constant, np.tile(y.mean(axis=0), (50, 1)), rtol=1e-12)
    random = FeedForwardRegressor(start="gaussian", **STILL).fit(X, y[:, 0])
    assert random.predict(X).std() > 0.1


def test_a_constant_is_left_where_the_network_explains_the_variance():
    X, y = make_regression(200, 10, n_informative=1, noise=20, random_state=42)
    for seed in range(3):
        # 20 held-out rows are few: by Student's test the constant would stay for two of the seeds.
        model = FeedForwardRegressor(random_state=seed, max_epochs=100).fit(X, y)
        assert model.best_epoch_ > 0
        assert model.validation_loss_ == model.history_["validation_loss"].min()
        assert model.score(X, y) > 0.7


def test_what_cannot_be_predicted_is_said():
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((40, 30)), rng.standard_normal(40)
    with pytest.warns(isthmus.NoImprovementWarning, match="No epoch beat a constant prediction"):
        model = FeedForwardRegressor(random_state=0, learning_rate=0.05).fit(X, y)
    assert model.best_epoch_ == 0
    np.testing.assert_allclose(model.predict(X), y.mean(), rtol=1e-6)


def test_rows_of_every_class_are_held_out_in_proportion():
    strata = np.repeat([0, 1, 2, 3], [600, 300, 99, 1])
    train_rows, held_out = split_rows(len(strata), 0.1, np.random.default_rng(0), strata)
    np.testing.assert_array_equal(np.sort(np.concatenate([train_rows, held_out])), np.arange(1000))
    counts = np.bincount(strata[held_out], minlength=4)
    assert counts.sum() == 100
    assert np.all(np.abs(counts - [60, 30, 10, 0]) <= 1)
    # A class of one row is for training.
    assert counts[3] == 0


def test_sparse_rows_are_the_same_rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 6)) * (rng.random((80, 6)) < 0.3)
    y = (X.sum(axis=1) > 0).astype(int)
    for model in (FeedForwardClassifier, FeedForwardRegressor):
        dense = model((8,), max_epochs=5, random_state=0).fit(X, y)
        sparse = model((8,), max_epochs=5, random_state=0).fit(scipy.sparse.csr_array(X), y)
        np.testing.assert_array_equal(dense.predict(X), sparse.predict(scipy.sparse.csc_matrix(X)))
        for one, other in zip(weights_of(dense), weights_of(sparse), strict=True):
            np.testing.assert_array_equal(one, other)


DESCENT = {"solver": "gradient_descent", "activation": "tanh", **ALL_ROWS}


@pytest.mark.parametrize("model", [FeedForwardClassifier, FeedForwardRegressor])
def test_steps_on_all_rows_add_up_however_they_are_asked_for(model):
    X, y = load_breast_cancer(return_X_y=True)
    X, classes = X[:100], {"classes": [0, 1]} if model is FeedForwardClassifier else {}
    y = y[:100]
    whole = model((), max_epochs=6, **DESCENT).fit(X, y)
    halves = model((), max_epochs=3, warm_start=True, **DESCENT)
    halves.fit(X, y).fit(X, y)
    passes = model((), batch_size=100, **DESCENT).partial_fit(X, y, **classes)
    for _ in range(5):
        passes.partial_fit(X, y)
    for other in (halves, passes):
        for one, two in zip(weights_of(whole), weights_of(other), strict=True):
            # The same sums in another order.
            np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)


def test_partial_fit_learns_from_parts_that_lack_classes():
    X, y = load_iris(return_X_y=True)
    model = FeedForwardClassifier((16,), learning_rate=0.01, random_state=0)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    order = np.random.default_rng(0).permutation(150)
    model.partial_fit(X[order[:50]], names[order[:50]], classes=np.unique(names))
    for _ in range(60):
        for start in range(0, 150, 50):
            model.partial_fit(X[start : start + 50], names[start : start + 50])
    assert model.score(X[order], names[order]) > 0.9


def test_the_same_seed_gives_the_same_bits():
    X, y = load_iris(return_X_y=True)
    first, again, other = (
        FeedForwardClassifier((8,), max_epochs=5, random_state=seed).fit(X, y) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    assert np.abs(first.predict_proba(X) - other.predict_proba(X)).max() > 1e-3


def test_parameters_are_counted():
    X, y = load_iris(return_X_y=True)
    D, K = 4, 3
    for widths, skip_links in (((), False), ((7, 5), False), ((7,), True), ((7, 5, 6), True)):
        sizes = (D, *widths, K)
        plain = sum((fan_in + 1) * out for fan_in, out in pairwise(sizes))
        skips = sum(fan_in * out for fan_in, out in zip(sizes, sizes[2:], strict=False))
        model = FeedForwardClassifier(widths, skip_links=skip_links, max_epochs=1, **ALL_ROWS)
        assert model.fit(X, y).n_parameters_ == plain + skip_links * skips
    # Two classes have one output.
    assert FeedForwardClassifier((7,), max_epochs=1, **ALL_ROWS).fit(X, y > 0).n_parameters_ == 5 * 7 + 8


def test_the_pure_function_is_what_predict_does():
    X, y = load_iris(return_X_y=True)
    members = [FeedForwardClassifier((8,), max_epochs=5, random_state=seed).fit(X, y) for seed in (0, 1)]
    expected = [member.predict_proba(X) for member in members]
    pure = jax.jit(jax.vmap(members[0].predict_function))
    np.testing.assert_allclose(pure(X), expected[0], atol=1e-6)
    # Members may be stacked, and applied side by side.
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *(member.network_ for member in members))
    of_each = jax.jit(jax.vmap(lambda network: network(jnp.asarray(X, jnp.float32))))
    side_by_side = of_each(stacked)
    np.testing.assert_allclose(side_by_side, expected, atol=1e-6)
    model = FeedForwardRegressor((8,), activation="tanh", solver="lbfgs", max_epochs=50, **ALL_ROWS)
    model.fit(X[:, :2], X[:, 2] * 1000)
    slopes = jax.jit(jax.vmap(jax.jacfwd(lambda x: model.predict_function(x)[0])))
    slope = slopes(jnp.asarray(X[:9, :2]))
    step = np.array([[0.01, 0.0]])
    difference = (model.predict(X[:9, :2] + step) - model.predict(X[:9, :2] - step)) / 0.02
    np.testing.assert_allclose(slope[:, 0], difference, rtol=2e-2, atol=5)


def test_targets_and_inputs_are_scaled_inside():
    X, y = load_diabetes(return_X_y=True)
    shared = {"max_epochs": 30, "random_state": 0}
    plain = FeedForwardRegressor((16,), **shared).fit(X, y)
    scaled = FeedForwardRegressor((16,), **shared).fit(1e3 * X - 7, 1e-3 * y + 5)
    np.testing.assert_allclose(scaled.predict(1e3 * X - 7), 1e-3 * plain.predict(X) + 5, rtol=1e-4)
    assert plain.score(X, y) > 0.4


def test_targets_keep_their_shape():
    X, y = load_diabetes(return_X_y=True)
    for targets in (y, y[:, None], np.column_stack([y, -y, y**2])):
        model = FeedForwardRegressor((4,), max_epochs=3, **ALL_ROWS).fit(X, targets)
        assert model.predict(X).shape == targets.shape
        with pytest.raises(ValueError, match="the model was fitted on targets of shape"):
            model.set_params(warm_start=True).fit(X, np.ones((len(X), 7)))


def test_absolute_error_predicts_the_median():
    rng = np.random.default_rng(0)
    X, y = np.zeros((401, 1)), rng.exponential(size=401)
    model = FeedForwardRegressor(
        (), loss="absolute", solver="gradient_descent", max_epochs=3000, learning_rate=3e-3, **ALL_ROWS
    ).fit(X, y)
    # Steps of 3e-3 standard deviations oscillate about the median.
    assert model.predict(X[:1])[0] == pytest.approx(np.median(y), abs=1e-2)


@pytest.mark.parametrize("labels", [[3, 5, 9], ["a", "b", "c"], [0.5, 1.0, 2.0]])
def test_a_saved_classifier_comes_back(tmp_path, labels):
    X, y = load_iris(return_X_y=True)
    kind = float if isinstance(labels[0], float) else type(labels[0])
    y = np.array([1.0, 2.0, 3.0])[y] if kind is float else np.array(labels)[y]
    weights = {label: 1.0 + index for index, label in enumerate(np.unique(y).tolist())}
    model = FeedForwardClassifier(
        (8,), class_weight=weights, loss="squared", max_epochs=5, random_state=0
    ).fit(X, y)
    isthmus.save(model, tmp_path / "model")
    again = isthmus.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.classes_.dtype == model.classes_.dtype
    assert again.get_params() == model.get_params()
    assert again.n_parameters_ == model.n_parameters_


def test_labels_that_are_objects_come_back(tmp_path):
    X, y = load_iris(return_X_y=True)
    for labels in (np.array(["p", "q", "r"], object)[y], np.array([4, 5, 6], object)[y].astype(int)):
        model = FeedForwardClassifier((4,), max_epochs=2, random_state=0).fit(X, labels)
        isthmus.save(model, tmp_path / "model")
        again = isthmus.load(tmp_path / "model")
        np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_a_saved_regressor_comes_back_and_goes_on(tmp_path):
    X, y = load_diabetes(return_X_y=True)
    model = FeedForwardRegressor((8,), solver="lbfgs", max_epochs=5, warm_start=True, **ALL_ROWS)
    model.fit(X, np.column_stack([y, -y]))
    isthmus.save(model, tmp_path / "model")
    again = isthmus.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(
        again.fit(X, np.column_stack([y, -y])).predict(X),
        model.fit(X, np.column_stack([y, -y])).predict(X),
    )


def test_fitting_a_learnable_task_warns_of_nothing():
    X, y = load_iris(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert FeedForwardClassifier(random_state=0).fit(X, y).score(X, y) > 0.95
