"""Feed-forward predictors: worked on paper, against scikit-learn, and at their limits."""

import warnings
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_regression
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

import isthmus
from isthmus import FeedForwardClassifier, FeedForwardRegressor
from isthmus.data.sources import ArraySource
from isthmus.estimators.plan import split_rows
from isthmus.networks.layers import FeedForward, Layer, gaussian_chain, identity, single, tanh
from isthmus.objectives.prediction import LABEL_LOSSES, Prediction
from isthmus.training.loop import train
from isthmus.training.problem import Training
from isthmus.training.solvers import GRADIENT_DESCENT

KEY = jax.random.key(0)
ALL_ROWS = {"validation_fraction": 0, "random_state": 0}
"""No rows held out: the last epoch is the result."""


def weights_of(model):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(model.network_.network)]


def standardised(X):
    # The scaling divides by the deviation with n − 1, scikit-learn's by the one with n.
    return StandardScaler().fit_transform(X) * np.sqrt((len(X) - 1) / len(X))


# One hidden tanh unit, a = tanh(W x − λ), and f = v a − μ, with two rows. For c = ½ ln 3, tanh c = 1/2
# and tanh 2c = 4/5. Take W = (c, 0), λ = 0, v = 2c, μ = −c:
#
#   x = (1, 0), b = 1:    a = 1/2,  f = 2c,  tanh f = 4/5,  P(b) = (1 + 4/5)/2 = 9/10
#   x = (0, 1), b = −1:   a = 0,    f = c,   tanh f = 1/2,  P(b) = (1 − 1/2)/2 = 1/4
#
# Squared: L = ½ [(1/5)² + (3/2)²] = 229/200. With ∂(b − t)²/∂f = −2 (b − t)(1 − t²), and the ½ of the
# mean, g = ∂L/∂f = (−(1/5)(9/25), (3/2)(3/4)) = (−9/125, 9/8).
# Cross-entropy: L = −½ [log 9/10 + log 1/4] = ½ log(40/9). With ∂log(1 + e⁻²ᵇᶠ)/∂f = −2b (1 − P(b)),
#   g = (−(1/10), 3/4).
# Back through the chain: ∂L/∂v = Σ g a, ∂L/∂μ = −Σ g, δ = g v (1 − a²) = ln 3 (¾ g₁, g₂), and
#   ∂L/∂W = Σ δ x = (δ₁, δ₂), ∂L/∂λ = −Σ δ.
C = 0.5 * np.log(3)
X_PAPER = np.array([[1.0, 0.0], [0.0, 1.0]])
LABELS_PAPER = np.array([[1.0], [0.0]])
PAPER = {
    "squared": {
        "loss": 229 / 200,
        "W": np.log(3) * np.array([[-27 / 500, 9 / 8]]),
        "lambda": np.log(3) * np.array([27 / 500 - 9 / 8]),
        "v": np.array([[-9 / 250]]),
        "mu": np.array([9 / 125 - 9 / 8]),
    },
    "cross_entropy": {
        "loss": 0.5 * np.log(40 / 9),
        "W": np.log(3) * np.array([[-3 / 40, 3 / 4]]),
        "lambda": np.log(3) * np.array([3 / 40 - 3 / 4]),
        "v": np.array([[-1 / 20]]),
        "mu": np.array([1 / 10 - 3 / 4]),
    },
}


def paper_network():
    hidden = Layer(single(np.array([[C, 0.0]])), single(np.zeros(1)), None, tanh)
    last = Layer(single(np.array([[2 * C]])), single(np.array([-C])), None, identity)
    return FeedForward((hidden, last))


def named(network):
    hidden, last = network.layers
    return {"W": hidden.weight, "lambda": hidden.shift, "v": last.weight, "mu": last.shift}


@pytest.mark.parametrize("loss", PAPER)
def test_losses_and_gradients_are_those_on_paper(loss):
    objective = Prediction(LABEL_LOSSES[loss], n_features=2, n_targets=1)
    batch = jnp.asarray(np.hstack([X_PAPER, LABELS_PAPER]), jnp.float32)
    mean = jax.jit(jax.value_and_grad(lambda n: jnp.mean(objective(n, batch, KEY))))
    value, gradient = mean(paper_network())
    assert float(value) == pytest.approx(PAPER[loss]["loss"], rel=1e-6)
    for name, derivative in named(gradient).items():
        np.testing.assert_allclose(derivative, PAPER[loss][name], rtol=1e-5)


@pytest.mark.parametrize("loss", PAPER)
def test_a_step_of_gradient_descent_is_the_one_on_paper(loss):
    training = Training(
        objective=Prediction(LABEL_LOSSES[loss], n_features=2, n_targets=1),
        network=paper_network(),
        source=ArraySource(np.hstack([X_PAPER, LABELS_PAPER]).astype(np.float32), np.arange(2)),
        solver=GRADIENT_DESCENT,
        learning_rate=0.25,
        batch_size=2,
        max_epochs=1,
        rng=np.random.default_rng(0),
    )
    (result,) = train([training])
    for name, start in named(paper_network()).items():
        moved = np.asarray(start) - 0.25 * PAPER[loss][name]
        np.testing.assert_allclose(named(result.network)[name], moved, rtol=1e-5, atol=1e-7)


def softmax(f):
    e = np.exp(f - f.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def three_class_loss(leaves, u, y, loss):
    """Two hidden tanh layers with skip links, in float64 NumPy."""
    W1, s1, W2, s2, S2, W3, s3, S3 = leaves
    a1 = np.tanh(u @ W1.T - s1)
    a2 = np.tanh(a1 @ W2.T - s2 + u @ S2.T)
    p = softmax(a2 @ W3.T - s3 + a1 @ S3.T)
    if loss == "cross_entropy":
        return np.mean(-np.log(p[np.arange(len(y)), y]))
    return np.mean(2 * np.sum((np.eye(3)[y] - p) ** 2, axis=1))


@pytest.mark.parametrize("loss", LABEL_LOSSES)
def test_gradients_of_three_classes_are_finite_differences(loss):
    rng = np.random.default_rng(0)
    u, y = rng.standard_normal((7, 4)), rng.integers(3, size=7)
    network = gaussian_chain(rng, (4, 5, 6, 3), (tanh, tanh), skip_links=True)
    batch = jnp.asarray(np.hstack([u, y[:, None]]), jnp.float32)
    objective = Prediction(LABEL_LOSSES[loss], n_features=4, n_targets=1)
    mean = jax.jit(jax.value_and_grad(lambda n: jnp.mean(objective(n, batch, KEY))))
    value, gradient = mean(network)
    leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(network)]
    assert float(value) == pytest.approx(three_class_loss(leaves, u, y, loss), rel=1e-5)
    step = 1e-5
    for leaf, derivative in zip(leaves, jax.tree.leaves(gradient), strict=True):
        for index in np.ndindex(leaf.shape):
            middle = leaf[index]
            leaf[index] = middle + step
            above = three_class_loss(leaves, u, y, loss)
            leaf[index] = middle - step
            slope = (above - three_class_loss(leaves, u, y, loss)) / (2 * step)
            leaf[index] = middle
            # Single precision of the derivative, whose size is about 1.
            assert float(derivative[index]) == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_two_classes_are_many_with_outputs_minus_f_and_f():
    f = np.linspace(-20, 20, 9, dtype=np.float32)[:, None]
    for loss in LABEL_LOSSES.values():
        np.testing.assert_allclose(loss.link(f)[:, 1], 1 / (1 + np.exp(-2.0 * f[:, 0])), rtol=1e-6)
        for label in (0.0, 1.0):
            x = np.full_like(f, label)
            np.testing.assert_array_equal(loss(x, f), loss(x, np.hstack([-f, f])))
            assert np.isfinite(loss(x, f)).all()


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


X_BAD, Y_BAD = np.random.default_rng(0).standard_normal((30, 3)), np.arange(30) % 2
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
    ({}, {"y": Y_BAD[:-1]}, ValueError, "inconsistent numbers of samples"),
    ({}, {"y": X_BAD[:, 0]}, ValueError, "Unknown label type"),
]


@pytest.mark.parametrize(("changes", "data", "error", "message"), BAD_CLASSIFIERS)
def test_what_a_classifier_cannot_do_is_said(changes, data, error, message):
    with pytest.raises(error, match=message):
        FeedForwardClassifier(**changes).fit(X_BAD, **{"y": Y_BAD, **data})


def test_what_a_regressor_cannot_do_is_said():
    for loss in ("cross_entropy", isthmus.CrossEntropy()):
        with pytest.raises(ValueError, match=r"is not known|targets are scaled"):
            FeedForwardRegressor(loss=loss).fit(X_BAD, Y_BAD)
    with pytest.raises(ValueError, match="y contains NaN"):
        FeedForwardRegressor().fit(X_BAD, np.full(30, np.nan))
    with pytest.raises(ValueError, match="beyond ±1e\\+37"):
        FeedForwardRegressor().fit(X_BAD, 1e40 * Y_BAD)
    with pytest.raises(NotFittedError):
        FeedForwardRegressor().predict(X_BAD)
    with pytest.raises(isthmus.DivergenceError, match="try a tenth of it") as error:
        FeedForwardRegressor(solver="gradient_descent", learning_rate=1e4, **ALL_ROWS).fit(X_BAD, Y_BAD)
    assert error.value.result.stopped == "diverged"


def test_what_partial_fit_cannot_do_is_said():
    with pytest.raises(ValueError, match="needs classes="):
        FeedForwardClassifier().partial_fit(X_BAD, Y_BAD)
    with pytest.raises(ValueError, match="needs all rows at once"):
        FeedForwardClassifier(class_weight="balanced").partial_fit(X_BAD, Y_BAD, classes=[0, 1])
    with pytest.raises(AttributeError, match="no attribute 'partial_fit'") as error:
        FeedForwardRegressor(solver="lbfgs").partial_fit(X_BAD, Y_BAD)
    assert "use fit, with warm_start=True" in str(error.value.__cause__)
    model = FeedForwardClassifier((4,)).partial_fit(X_BAD, Y_BAD, classes=[0, 1])
    with pytest.raises(ValueError, match="are not those of the first call"):
        model.partial_fit(X_BAD, Y_BAD, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="y has the label 2"):
        model.partial_fit(X_BAD, Y_BAD + 1)
    with pytest.raises(ValueError, match="changed since it was fitted"):
        model.set_params(widths=(5,)).partial_fit(X_BAD, Y_BAD)


def test_fitting_a_learnable_task_warns_of_nothing():
    X, y = load_iris(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert FeedForwardClassifier(random_state=0).fit(X, y).score(X, y) > 0.95
