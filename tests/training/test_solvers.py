"""Solvers: the learning-rate schedules as curves, and what is accepted as one."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from isthmus.data.moments import column_statistics
from isthmus.data.scaling import Scaling
from isthmus.data.sources import ArraySource
from isthmus.laboratories.double_descent.networks import Padded
from isthmus.networks.layers import DECAYS, Layer, decaying, gaussian_chain, tanh, trainable
from isthmus.networks.pairs import Architecture, PCAPath
from isthmus.training.loop import train
from isthmus.training.problem import Training
from isthmus.training.solvers import (
    ADAM,
    GRADIENT_DESCENT,
    SOLVERS,
    WEIGHT_DECAY,
    as_solver,
    constant,
    decaying_solvers,
    gradient_descent,
    lbfgs,
    up_and_down,
)
from isthmus.variational.count_likelihoods import NegativeBinomial
from isthmus.variational.distributions import Known
from isthmus.variational.elbo import start_pair
from isthmus.variational.likelihoods import Gaussian
from isthmus.variational.ppca import GaussianFill, ProbabilisticPCA
from isthmus.variational.priors import Mixture


def curve(rate, n_steps, peak=2.0):
    steps = np.arange(n_steps + 1, dtype=np.float32)
    return np.asarray(jax.vmap(lambda s: rate(s, np.float32(n_steps), np.float32(peak)))(steps))


def test_the_rate_climbs_linearly_and_descends_linearly_to_zero():
    rates = curve(up_and_down, 1000)
    # 5 % of 1 000 steps: (step + 1)/50 of the peak.
    np.testing.assert_allclose(rates[:50], 2.0 * np.arange(1, 51) / 50, rtol=1e-6)
    np.testing.assert_allclose(rates[50:], 2.0 * (1000 - np.arange(50, 1001)) / 950, atol=1e-6)
    assert rates.argmax() in (49, 50)
    assert rates[-1] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("n_steps", [1, 2, 5])
def test_the_shortest_trainings_start_at_the_peak(n_steps):
    rates = curve(up_and_down, n_steps)
    assert rates[0] == pytest.approx(2.0)
    assert np.all(np.diff(rates) <= 1e-6)
    assert np.isfinite(rates).all()


def test_gradient_descent_has_one_rate():
    np.testing.assert_array_equal(curve(constant, 10), 2.0)
    assert GRADIENT_DESCENT.full_batch
    assert GRADIENT_DESCENT.steady() is GRADIENT_DESCENT


def test_training_without_an_end_holds_a_quarter_of_the_peak():
    steady = ADAM.steady()
    assert steady.peak == pytest.approx(ADAM.peak / 4)
    np.testing.assert_array_equal(curve(steady.rate, 10), 2.0)


D, d = 4, 2
PATH = PCAPath(np.zeros(D), np.eye(d, D), np.ones(d))
PLAIN = Architecture(D, d, (3,), (5,), (tanh,), (tanh,))
DEEP = Architecture(D, d, (3, 5), (5, 3), (tanh, tanh), (tanh, tanh), skip_links=True)


def variational(prior, likelihood, **changes):
    """A variational pair as training begins with it, with a correction that is told what is missing."""
    ppca = ProbabilisticPCA(np.ones(D), np.eye(D, d), np.eye(d, D), np.full(d, 0.5), 1.0)
    rng = np.random.default_rng(0)
    options = {"at_pca": True, "has_missing": True} | changes
    return start_pair(PLAIN, rng, ppca, GaussianFill.of(ppca), prior(rng), likelihood, **options)


def mixture(rng):
    return Mixture(3)(rng, d)


class OwnPrior(eqx.Module):
    """A prior of somebody's own, with matrices that are called as those of layers are."""

    weight: jax.Array

    def log_density(self, z):
        return jnp.zeros_like(z) + jnp.sum(self.weight)

    def sample(self, key, n, d):
        return jnp.zeros((n, d))


ROWS = np.random.default_rng(0).poisson(5.0, (20, D)).astype(float)
COLUMNS = column_statistics(ROWS)
KNOWN = Known(ROWS, Scaling.fit(None, ROWS, COLUMNS), COLUMNS, np.full(D, 0.5))

NETWORKS = {
    "from the path": PLAIN.initialise(np.random.default_rng(0), PATH),
    "from random weights": PLAIN.initialise(np.random.default_rng(0), None),
    "with skip links": DEEP.initialise(np.random.default_rng(0), PATH),
    "tied": replace(PLAIN, tied=True).initialise(np.random.default_rng(0), PATH),
    "the path alone": PATH.pair(),
    "predictor": gaussian_chain(np.random.default_rng(0), (D, 3, 1), (tanh,)),
    "padded": Padded.of(gaussian_chain(np.random.default_rng(0), (D, 3, 1), (tanh,)), (D, 6, 1)),
    "mixture": variational(mixture, Gaussian("feature")(KNOWN)),
    "counts": variational(mixture, NegativeBinomial()(KNOWN), at_pca=False),
    "own prior": variational(lambda rng: OwnPrior(jnp.ones((2, 2))), Gaussian()(KNOWN)),
}


def layers_of(network):
    """Every layer that a network owns."""
    nodes = jax.tree.leaves(network, is_leaf=lambda node: isinstance(node, Layer))
    return [node for node in nodes if isinstance(node, Layer)]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("solver", [ADAM, gradient_descent(WEIGHT_DECAY)], ids=["adam", "descent"])
def test_the_matrices_of_layers_decay_and_nothing_else(solver, name):
    """Neither the path nor shifts, gains, priors or likelihoods: there it would be a wrong penalty."""
    network = eqx.filter(NETWORKS[name], trainable(NETWORKS[name]))
    nothing = jax.tree.map(np.zeros_like, network)
    update, _ = solver.transformation.update(nothing, solver.transformation.init(network), network)
    # With no gradient, what is left of the update is the decay alone.
    for layer, change in zip(layers_of(network), layers_of(update), strict=True):
        np.testing.assert_allclose(change.weight, WEIGHT_DECAY * layer.weight, rtol=1e-6)
        if layer.skip_weight is not None:
            np.testing.assert_allclose(change.skip_weight, WEIGHT_DECAY * layer.skip_weight, rtol=1e-6)
    matrices = [m for layer in layers_of(network) for m in (layer.weight, layer.skip_weight)]
    n_decaying = sum(np.count_nonzero(matrix) for matrix in matrices if matrix is not None)
    assert sum(np.count_nonzero(leaf) for leaf in jax.tree.leaves(update)) == n_decaying


@pytest.mark.parametrize("solver", [ADAM, gradient_descent(0.0), gradient_descent(WEIGHT_DECAY)])
def test_what_is_said_to_start_at_zero_does(solver):
    assert solver.starts_at_zero
    state = solver.transformation.init({"matrix": jnp.ones((2, 3)), "shift": jnp.ones(2)})
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(state))


def test_a_module_may_declare_what_decays_in_it():
    class Declaring(eqx.Module):
        several: tuple[jax.Array, jax.Array] = eqx.field(metadata=DECAYS)
        inner: OwnPrior = eqx.field(metadata=DECAYS)
        shift: jax.Array

    module = Declaring((jnp.ones(2), jnp.ones((2, 2))), OwnPrior(jnp.ones((2, 2))), jnp.ones(3))
    found = decaying({"a": [module], "b": jnp.ones((2, 2))})
    # The innermost module has the word: the inner one declares nothing.
    assert jax.tree.leaves(found["a"][0].several) == [True, True]
    assert jax.tree.leaves((found["a"][0].inner, found["a"][0].shift, found["b"])) == [False] * 3


@pytest.mark.parametrize("name", ["adam", "gradient_descent", "lbfgs"])
def test_decay_does_not_draw_the_means_of_a_mixture_to_zero(name):
    """The penalty is no part of the bound, and a loss that is flat in the prior leaves it as it is."""
    start = NETWORKS["mixture"]

    def loss(network, batch, key):
        drawn = jnp.sum(jnp.square(network.encoder.correction.layers[0].weight - 1.0))
        return drawn + 0.0 * batch[:, 0]

    solver = decaying_solvers(0.5)[name]
    training = Training(
        objective=loss,
        network=start,
        source=ArraySource(ROWS.astype(np.float32), np.arange(20)),
        solver=solver,
        learning_rate=0.1 * solver.peak if name == "adam" else solver.peak,
        batch_size=20,
        max_epochs=5,
        rng=np.random.default_rng(0),
    )
    trained = train([training])[0].network
    for before, after in zip(*map(jax.tree.leaves, (start.prior, trained.prior)), strict=True):
        np.testing.assert_array_equal(before, after)
    moved = trained.encoder.correction.layers[0].weight - start.encoder.correction.layers[0].weight
    assert np.abs(moved).max() > 1e-4


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
    weights = Layer(jnp.asarray([[2.0, -1.0]]), jnp.asarray([3.0]), None, tanh)
    nothing = jax.tree.map(jnp.zeros_like, weights)
    for weight_decay in (0.0, 0.5):
        solver = decaying_solvers(weight_decay)[name]
        state = solver.transformation.init(weights)
        update, _ = solver.update(nothing, state, weights, jnp.float32(0), lambda w: jnp.float32(0))
        np.testing.assert_allclose(update.weight, weight_decay * weights.weight)
        np.testing.assert_array_equal(update.shift, 0.0)
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
        return 0.5 * jnp.sum(jnp.square(jnp.asarray(A, jnp.float32) @ weights.weight[0] - b))

    @jax.jit
    def step(weights, state):
        loss, gradient = jax.value_and_grad(loss_at)(weights)
        update, state = solver.update(gradient, state, weights, loss, loss_at)
        # Finished updates: the rate is −1.
        return jax.tree.map(lambda w, u: w + u, weights, update), state

    weights = Layer(jnp.ones((1, 4)), jnp.zeros(1), None, tanh)
    state = solver.transformation.init(weights)
    for _ in range(15):
        weights, state = step(weights, state)
    # The gradient (H + λ) w − Aᵀb vanishes; single precision, and a condition number of about 10.
    minimum = np.linalg.solve(H + weight_decay * np.eye(4), A.T @ b)
    np.testing.assert_allclose(weights.weight[0], minimum, rtol=1e-4, atol=1e-5)
