"""Solvers: the learning-rate schedules as curves, and what is accepted as one."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from isthmus.networks.layers import tanh
from isthmus.networks.pairs import Architecture, PCAPath
from isthmus.training.solvers import (
    ADAM,
    GRADIENT_DESCENT,
    SOLVERS,
    WEIGHT_DECAY,
    as_solver,
    constant,
    decaying_solvers,
    lbfgs,
    warm_up_cosine,
)


def curve(rate, n_steps, peak=2.0):
    steps = np.arange(n_steps + 1, dtype=np.float32)
    return np.asarray(jax.vmap(lambda s: rate(s, np.float32(n_steps), np.float32(peak)))(steps))


def test_warm_up_climbs_linearly_and_a_cosine_descends_to_zero():
    rates = curve(warm_up_cosine, 1000)
    # 5 % of 1 000 steps: (step + 1)/50 of the peak.
    np.testing.assert_allclose(rates[:50], 2.0 * np.arange(1, 51) / 50, rtol=1e-6)
    t = (np.arange(50, 1001) - 50) / 950
    # Single precision; near its end a cosine loses the digits of 1 + cos.
    np.testing.assert_allclose(rates[50:], 2.0 * 0.5 * (1 + np.cos(np.pi * t)), atol=1e-6)
    assert rates.argmax() in (49, 50)
    assert rates[-1] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("n_steps", [1, 2, 5])
def test_the_shortest_trainings_start_at_the_peak(n_steps):
    rates = curve(warm_up_cosine, n_steps)
    assert rates[0] == pytest.approx(2.0)
    assert np.all(np.diff(rates) <= 1e-6)
    assert np.isfinite(rates).all()


def test_gradient_descent_has_one_rate():
    np.testing.assert_array_equal(curve(constant, 10), 2.0)
    assert GRADIENT_DESCENT.full_batch
    assert GRADIENT_DESCENT.steady() is GRADIENT_DESCENT


def test_training_without_an_end_holds_a_third_of_the_peak():
    steady = ADAM.steady()
    assert steady.peak == pytest.approx(ADAM.peak / 3)
    np.testing.assert_array_equal(curve(steady.rate, 10), 2.0)


def test_only_matrices_of_the_correction_decay():
    path = PCAPath(np.zeros(4), np.eye(2, 4), np.ones(2))
    network = Architecture(4, 2, (3,), (3,), (tanh,), (tanh,)).initialise(np.random.default_rng(0), path)
    nothing = jax.tree.map(np.zeros_like, network)
    update, _ = ADAM.transformation.update(nothing, ADAM.transformation.init(network), network)
    # With no gradient, what is left of the update is the decay alone.
    for side, updated in ((network.encoder, update.encoder), (network.decoder, update.decoder)):
        np.testing.assert_array_equal(updated.path.weight, 0.0)
        np.testing.assert_array_equal(updated.path.shift, 0.0)
        for layer, change in zip(side.correction.layers, updated.correction.layers, strict=True):
            np.testing.assert_allclose(change.weight, WEIGHT_DECAY * layer.weight, rtol=1e-6)
            np.testing.assert_array_equal(change.shift, 0.0)


def test_a_solver_is_a_name_or_an_optax_transformation():
    assert as_solver("adam") is SOLVERS["adam"]
    own = as_solver(optax.sgd(0.1))
    assert own.has_own_rate
    # w − rate·u must be w + u for a finished update u.
    np.testing.assert_array_equal(curve(own.rate, 3, peak=1.0), -1.0)
    assert not ADAM.has_own_rate
    with pytest.raises(ValueError, match=r"solver='sgd' is not known.*\['adam', 'gradient_descent'\]"):
        as_solver("sgd")
    with pytest.raises(TypeError, match="or an Optax transformation, got int"):
        as_solver(3)
    with pytest.raises(ValueError, match=r"\['adam', 'gradient_descent', 'lbfgs'\]"):
        as_solver("sgd", decaying_solvers(0.0))


@pytest.mark.parametrize("name", ["adam", "gradient_descent"])
def test_weight_decay_may_be_set_or_off(name):
    weights = {"matrix": jnp.asarray([[2.0, -1.0]]), "shift": jnp.asarray([3.0])}
    nothing = jax.tree.map(jnp.zeros_like, weights)
    for weight_decay in (0.0, 0.5):
        solver = decaying_solvers(weight_decay)[name]
        state = solver.transformation.init(weights)
        update, _ = solver.update(nothing, state, weights, jnp.float32(0), lambda w: jnp.float32(0))
        np.testing.assert_allclose(update["matrix"], weight_decay * weights["matrix"])
        np.testing.assert_array_equal(update["shift"], 0.0)
    # One program serves all fits with one λ.
    assert decaying_solvers(0.5)[name] is decaying_solvers(0.5)[name]


@pytest.mark.parametrize("weight_decay", [0.0, 0.7])
def test_lbfgs_finds_the_minimum_of_a_penalised_quadratic(weight_decay):
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((9, 4)), rng.standard_normal(9)
    H = A.T @ A
    solver = lbfgs(weight_decay)
    assert solver.needs_all_rows

    def loss_at(weights):
        return 0.5 * jnp.sum(jnp.square(jnp.asarray(A, jnp.float32) @ weights["matrix"][0] - b))

    @jax.jit
    def step(weights, state):
        loss, gradient = jax.value_and_grad(loss_at)(weights)
        update, state = solver.update(gradient, state, weights, loss, loss_at)
        # Finished updates: the rate is −1.
        return jax.tree.map(lambda w, u: w + u, weights, update), state

    weights = {"matrix": jnp.ones((1, 4))}
    state = solver.transformation.init(weights)
    for _ in range(15):
        weights, state = step(weights, state)
    # The gradient (H + λ) w − Aᵀb vanishes; single precision, and a condition number of about 10.
    minimum = np.linalg.solve(H + weight_decay * np.eye(4), A.T @ b)
    np.testing.assert_allclose(weights["matrix"][0], minimum, rtol=1e-4, atol=1e-5)
