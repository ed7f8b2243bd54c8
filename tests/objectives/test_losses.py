"""Losses against their formulas in NumPy, their limits, and their gradients against differences."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isthmus
from isthmus.networks.links import SHARPNESS, link_of
from isthmus.objectives.losses import named_losses

LOSSES = named_losses()

RNG = np.random.default_rng(0)
X = RNG.uniform(0.05, 0.95, (7, 5))
OUTPUT = X + RNG.normal(0, 1.5, X.shape)

RESIDUAL = X - OUTPUT


def softplus(a):
    return np.logaddexp(0.0, a)


def soft_clip(a):
    k = SHARPNESS
    return (softplus(k * a) - softplus(k * (a - 1))) / k


def huber(residual, delta):
    size = np.abs(residual)
    return np.where(size <= delta, residual**2 / 2, delta * (size - delta / 2))


def binary_cross_entropy(x, p):
    return -(x * np.log(p) + (1 - x) * np.log(1 - p))


CLOSED_FORMS = {
    isthmus.Squared(): RESIDUAL**2 / 2,
    isthmus.Absolute(): np.abs(RESIDUAL),
    isthmus.Huber(): huber(RESIDUAL, 1.0),
    isthmus.Huber(0.3): huber(RESIDUAL, 0.3),
    # 1 − s(a) cancels where a is large: outputs within the unit interval are enough for the formula.
    isthmus.CrossEntropy(): binary_cross_entropy(X, soft_clip(np.clip(OUTPUT, -0.5, 1.5))),
}


@pytest.mark.parametrize("loss", CLOSED_FORMS, ids=repr)
def test_a_loss_is_its_formula_summed_over_features(loss):
    output = np.clip(OUTPUT, -0.5, 1.5) if loss == isthmus.CrossEntropy() else OUTPUT
    with jax.enable_x64(True):
        value = np.asarray(loss(jnp.asarray(X), jnp.asarray(output)))
    assert value.shape == (7,)
    # float64 on both sides; the formula's 1 − p cancels up to three digits.
    np.testing.assert_allclose(value, CLOSED_FORMS[loss].sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("loss", CLOSED_FORMS, ids=repr)
def test_the_gradient_of_a_loss_equals_finite_differences(loss):
    with jax.enable_x64(True):
        slope = jax.jit(jax.grad(lambda a: loss(jnp.asarray(X), a).sum()))
        gradient = np.asarray(slope(jnp.asarray(OUTPUT)))
        step = 1e-5
        for direction in RNG.standard_normal((5, *X.shape)):
            ahead, behind = (
                float(loss(jnp.asarray(X), jnp.asarray(OUTPUT + s * direction)).sum())
                for s in (step, -step)
            )
            # Central differences err by step² in the value and 1e-16/step by rounding: 1e-10 both.
            # No residual is within a step of a kink, of |r| at 0 or of Huber's second derivative.
            expected = np.sum(gradient * direction)
            assert (ahead - behind) / (2 * step) == pytest.approx(expected, rel=1e-6)


def test_no_residual_is_near_a_kink():
    assert np.abs(RESIDUAL).min() > 1e-3


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_takes_any_leading_shape(name):
    loss = LOSSES[name]
    x, output = X.astype(np.float32), OUTPUT.astype(np.float32)
    rows = np.asarray(loss(x, output))
    assert loss(x[0], output[0]).shape == ()
    stacked = np.asarray(loss(x[:6].reshape(2, 3, 5), output[:6].reshape(2, 3, 5)))
    # Single precision, five terms.
    np.testing.assert_allclose(stacked.ravel(), rows[:6], rtol=1e-6)


@pytest.mark.parametrize("name", ["squared", "absolute", "huber"])
def test_a_loss_vanishes_exactly_where_the_reconstruction_is_exact(name):
    np.testing.assert_array_equal(np.asarray(LOSSES[name](X, X)), 0.0)
    np.testing.assert_array_equal(np.asarray(link_of(LOSSES[name])(OUTPUT)), OUTPUT)


def test_huber_tends_to_squared_and_to_absolute():
    with jax.enable_x64(True):
        squared = np.asarray(isthmus.Squared()(X, OUTPUT))
        np.testing.assert_allclose(np.asarray(isthmus.Huber(1e3)(X, OUTPUT)), squared, rtol=1e-14)
        # Huber = δ (|r| − δ/2) beyond δ, so Huber/δ − |r| is δ/2 per feature at most.
        delta = 1e-6
        absolute = np.asarray(isthmus.Absolute()(X, OUTPUT))
        scaled = np.asarray(isthmus.Huber(delta)(X, OUTPUT)) / delta
    assert np.all(np.abs(scaled - absolute) <= X.shape[1] * delta / 2 * (1 + 1e-6))


def test_huber_refuses_a_delta_that_is_not_positive_and_finite():
    for delta in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"delta must be positive"):
            isthmus.Huber(delta)


def test_cross_entropy_reads_outputs_as_probabilities_that_are_nearly_themselves():
    outputs = np.linspace(0, 1, 11).astype(np.float32)
    p = np.asarray(isthmus.CrossEntropy().link(outputs))
    np.testing.assert_allclose(p, soft_clip(outputs.astype(float)), rtol=1e-5)
    # The largest gap is at the ends: log(2)/k. Amid the interval it is of size e⁻ᵏᐟ²/k.
    assert np.abs(p - outputs).max() == pytest.approx(np.log(2) / SHARPNESS, rel=1e-3)
    assert abs(p[5] - 0.5) < 1e-6


def test_cross_entropy_is_symmetric_in_zero_and_one():
    loss = isthmus.CrossEntropy()
    with jax.enable_x64(True):
        np.testing.assert_allclose(
            np.asarray(loss(X, OUTPUT)), np.asarray(loss(1 - X, 1 - OUTPUT)), rtol=1e-12
        )


def test_cross_entropy_is_least_where_the_probability_is_the_datum():
    with jax.enable_x64(True):
        grid = jnp.linspace(-0.3, 1.3, 3201)[:, None]
        loss = isthmus.CrossEntropy()
        for x in (0.1, 0.5, 0.8):
            best = grid[int(jnp.argmin(loss(jnp.full_like(grid, x), grid)))]
            # The grid's step is 5e-4, and s has slope at most 1.
            assert float(link_of(loss)(best)[0]) == pytest.approx(x, abs=5e-4)


@pytest.mark.parametrize("size", [1e0, 1e2, 1e4, 1e10, 1e30])
def test_cross_entropy_and_its_gradient_are_finite_for_extreme_outputs(size):
    loss = isthmus.CrossEntropy()
    x = np.array([0.0, 1.0, 0.5], np.float32)[:, None]
    slope_at = jax.jit(jax.grad(lambda a: loss(x, a).sum()))
    for output in (np.float32(size), np.float32(-size)):
        outputs = np.full((3, 1), output)
        value = np.asarray(loss(x, outputs))
        gradient = np.asarray(slope_at(outputs))
        assert np.isfinite(value).all()
        assert np.isfinite(gradient).all()
        assert (value >= -1e-6).all()  # to float32 rounding


def test_cross_entropy_of_a_far_wrong_output_grows_linearly():
    loss, one = isthmus.CrossEntropy(), np.ones((1, 1), np.float32)
    # log s(a) → k a − log k for a → −∞, so −log s(−100) = 1000 + log 10 to float32 rounding.
    assert float(loss(one, -100 * one)[0]) == pytest.approx(1000 + np.log(10), rel=1e-6)


def test_losses_are_values():
    assert isthmus.Huber(0.5) == isthmus.Huber(0.5) != isthmus.Huber(0.6)
    assert hash(isthmus.Squared()) == hash(isthmus.Squared())
    with pytest.raises(dataclasses.FrozenInstanceError):
        isthmus.Huber().delta = 2.0
