"""Losses of predictions and their gradients: worked on paper, and against differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.data.sources import ArraySource
from isthmus.networks.layers import FeedForward, Layer, gaussian_chain, identity, single, tanh
from isthmus.objectives.prediction import LABEL_LOSSES, Prediction
from isthmus.training.loop import train
from isthmus.training.problem import Training
from isthmus.training.solvers import GRADIENT_DESCENT

KEY = jax.random.key(0)

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
