"""The loop, against loops written out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from isthmus.data.sources import ArraySource, batch_orders
from isthmus.estimators.feedforward_regressor import FeedForwardRegressor
from isthmus.networks.layers import Affine, Layer, tanh
from isthmus.training import _groups, loop, problem
from isthmus.training._groups import SingleNetwork
from isthmus.training.loop import train
from isthmus.training.problem import DivergenceError, HeldOut, Training
from isthmus.training.solvers import ADAM, GRADIENT_DESCENT, Solver, constant, up_and_down
from training.tied_map import ROWS, START, D, N, distance, fit, noisy, tied

RNG = np.random.default_rng(6)


def never_finite(network, batch, key):
    return jnp.sum(batch @ network.weight.T, axis=1) + jnp.inf


def seed_of_run(seed=0):
    """The seed of batches and noise that ``train`` draws first from its generator."""
    return int(np.random.default_rng(seed).integers(2**32))


def tied_gradient(W, x):
    """∂/∂W of the mean of ½‖x − WᵀWx‖²: −(W e xᵀ + W x eᵀ) averaged, e = x − WᵀWx."""
    e = x - x @ W.T @ W
    return -(W @ e.T @ x + W @ x.T @ e) / len(x)


def loss_of(W, rows):
    e = rows - rows @ W.T @ W
    return 0.5 * np.mean(np.sum(e**2, axis=1))


def test_gradient_descent_is_w_minus_rate_times_gradient():
    W, epochs = START.astype(np.float64), 6
    losses = []
    for _ in range(epochs):
        losses.append(loss_of(W, ROWS))
        W = W - 0.05 * tied_gradient(W, ROWS.astype(np.float64))
    result = fit(batch_size=N, solver=GRADIENT_DESCENT)
    np.testing.assert_allclose(result.network.weight, W, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(result.history["train_loss"][1:], losses, rtol=1e-5)
    assert np.isnan(result.history["train_loss"][0])


def test_mini_batches_are_taken_in_the_order_of_their_numbers():
    W, epochs, seed = START.astype(np.float64), 6, seed_of_run()
    # Pass 0 only evaluates the start; pass p > 0 is epoch p.
    orders = batch_orders(seed, range(1, epochs + 1), N, (epochs, 4, 10))
    for order in orders.reshape(-1, 10):
        W = W - 0.05 * tied_gradient(W, ROWS[order].astype(np.float64))
    np.testing.assert_allclose(fit().network.weight, W, rtol=1e-4, atol=1e-6)


def test_adam_with_its_schedule_is_optax_step_by_step():
    epochs, peak, n_steps = 6, 0.03, 24
    weights = {"weight": jnp.asarray(START)}
    adam = optax.scale_by_adam(b2=0.99, nesterov=True)
    state = adam.init(weights)
    orders = batch_orders(seed_of_run(), range(1, epochs + 1), N, (epochs, 4, 10)).reshape(-1, 10)
    for step, order in enumerate(orders):
        gradient = {"weight": jnp.asarray(tied_gradient(np.asarray(weights["weight"]), ROWS[order]))}
        update, state = adam.update(gradient, state)
        # Warm-up over 5 % of 24 steps, then a line to zero.
        rate = peak * min((step + 1) / (0.05 * n_steps), (n_steps - step) / 22.8, 1)
        weights = {"weight": weights["weight"] - rate * update["weight"]}
    result = fit(
        solver=Solver(optax.scale_by_adam(b2=0.99, nesterov=True), up_and_down, peak=peak),
        learning_rate=peak,
    )
    np.testing.assert_allclose(result.network.weight, weights["weight"], rtol=2e-3, atol=1e-5)
    rates = result.history["learning_rate"]
    # After epoch 3 of 6: step 12 of 24. After the last, zero.
    assert rates[3] == pytest.approx(peak * 12 / 22.8, rel=1e-5)
    assert rates[6] == pytest.approx(0.0, abs=1e-9)


def test_weight_decay_of_adam_shrinks_layers_and_leaves_an_affine_map_alone():
    def flat(network, batch, key):
        return 0.0 * jnp.sum(batch @ network.weight.T, axis=1)

    layer = Layer(START, np.zeros(2, np.float32), None, tanh)
    for network, shrinks in ((layer, 3e-3 * 0.1), (Affine(START, None), 0.0)):
        result = fit(flat, network=network, solver=ADAM, learning_rate=3e-3, batch_size=N, max_epochs=1)
        # One step of one: still in warm-up, at the peak.
        np.testing.assert_allclose(result.network.weight, START * (1 - shrinks), rtol=1e-5)


def test_no_step_has_the_draws_of_a_chunk_of_held_out_rows(monkeypatch):
    """Losses are the draws themselves, a number for each step and for each chunk."""
    monkeypatch.setattr(problem, "HELD_OUT_CHUNK", 64)
    seen = []

    def drawn(of_what):
        def loss(network, batch, key):
            draw = jax.random.uniform(key)
            jax.debug.callback(lambda value: seen.append((of_what, float(value))), draw)
            return draw + 0.0 * jnp.sum(batch @ network.weight.T, axis=1)

        return loss

    held_out = np.resize(ROWS, (192, D))
    fit(drawn("step"), batch_size=5, max_epochs=2, held_out=held_out, held_out_objective=drawn("chunk"))
    jax.effects_barrier()
    steps, chunks = ({value for kind, value in seen if kind == of} for of in ("step", "chunk"))
    # 8 steps of two epochs each; 3 chunks, which have the same draws in every epoch.
    assert len(steps) == 16
    assert len(chunks) == 3
    assert not steps & chunks


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_data_of_nearly_equal_size_share_a_program(solver):
    """Also the second call of one training, whose state comes from the first."""
    model = FeedForwardRegressor((3,), solver=solver, max_epochs=40, random_state=0)
    batch = {} if solver == "lbfgs" else {"batch_size": 16}
    before = SingleNetwork.program._cached._cache_size()
    sizes = (301, 301) if batch == {} else (301, 297, 310)
    for n in sizes:
        X = RNG.standard_normal((n, 5))
        model.set_params(**batch).fit(X, np.sin(X[:, 0]))
    assert SingleNetwork.program._cached._cache_size() == before + 1


def test_noise_is_fresh_at_every_step_and_the_same_for_the_same_seed():
    first, again, other = (
        fit(noisy, seed=seed, batch_size=N).history["train_loss"][1:] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.all(first != other)
    assert len(np.unique(first)) == len(first)


@pytest.mark.parametrize("seconds", [1e-9, 1e9])
def test_the_result_does_not_depend_on_how_much_one_call_does(monkeypatch, seconds):
    held_out = ROWS[::-1].copy()
    whole = fit(noisy, max_epochs=40, held_out=held_out, held_out_objective=tied)
    monkeypatch.setattr(loop, "SECONDS_PER_CALL", seconds)
    result = fit(noisy, max_epochs=40, held_out=held_out, held_out_objective=tied)
    np.testing.assert_array_equal(result.network.weight, whole.network.weight)
    for name in ("epoch", "train_loss", "validation_loss", "learning_rate"):
        np.testing.assert_array_equal(result.history[name], whole.history[name])
    assert result.best_epoch == whole.best_epoch


def test_many_blocks_reach_the_minimum_that_one_reaches():
    # The minimum of ½|w − x|² is the mean, which full use of every block is needed for.
    blocks = ArraySource(ROWS, np.arange(N), block_bytes=4 * D * 4)
    assert blocks.n_blocks == 10
    results = [
        fit(
            distance,
            rows,
            batch_size=4,
            max_epochs=150,
            solver=Solver(optax.identity(), up_and_down, peak=0.1),
            learning_rate=0.1,
        )
        for rows in (blocks, ArraySource(ROWS, np.arange(N)))
    ]
    for result in results:
        np.testing.assert_allclose(result.network.weight[0], ROWS.mean(0), atol=0.1)
        assert result.history["epoch"].tolist() == list(range(151))


@pytest.mark.parametrize("n_blocks", [1, 4])
@pytest.mark.parametrize("steps_per_epoch", [None, 2])
def test_how_long_calls_run_changes_no_bit(n_blocks, steps_per_epoch, monkeypatch):
    rows = ArraySource(ROWS, np.arange(N), block_bytes=-(-N // n_blocks) * D * 4)
    found = []
    for seconds in (0.0, 1e9):
        monkeypatch.setattr(loop, "SECONDS_PER_CALL", seconds)
        options = {"batch_size": 3, "max_epochs": 9, "steps_per_epoch": steps_per_epoch}
        found.append(fit(noisy, rows, **options).network.weight)
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("n_blocks", [1, 4, 10])
def test_epochs_of_some_steps_are_no_more_than_asked_for_whatever_the_blocks(n_blocks):
    rows = ArraySource(ROWS, np.arange(N), block_bytes=-(-N // n_blocks) * D * 4)
    assert rows.n_blocks == n_blocks
    result = fit(rows=rows, batch_size=2, steps_per_epoch=1, max_epochs=6, held_out=ROWS[:5])
    assert result.history["epoch"].tolist() == list(range(7))
    assert result.stopped == "max_epochs"


def test_each_block_is_passed_once_in_an_epoch_of_several():
    rows = ArraySource(ROWS, np.arange(36), block_bytes=4 * D * 4)
    assert rows.n_blocks == 9
    still = Solver(optax.set_to_zero(), constant, peak=0.1)
    losses = fit(rows=rows, batch_size=2, solver=still).history["train_loss"][1:]
    # Weights that stay have the mean loss of all rows in every epoch.
    mean = np.mean(tied(Affine(START, None), ROWS[:36], None))
    np.testing.assert_allclose(losses, mean, rtol=1e-5)


def test_an_epoch_of_more_steps_than_a_block_has_takes_several_blocks():
    rows = ArraySource(ROWS, np.arange(N), block_bytes=4 * D * 4)
    assert rows.n_blocks == 10
    still = Solver(optax.set_to_zero(), constant, peak=0.1)
    # Two steps in a block: six make three blocks, and fifty are no more than all ten.
    for steps, blocks in ((6, 3), (50, 10)):
        training = Training(
            objective=tied,
            network=Affine(START, None),
            source=rows,
            solver=still,
            learning_rate=0.1,
            batch_size=2,
            max_epochs=4,
            steps_per_epoch=steps,
            rng=np.random.default_rng(0),
        )
        assert training.blocks_per_epoch == blocks
        (result,) = train([training])
        assert result.history["epoch"].tolist() == list(range(5))


def test_held_out_losses_are_those_of_the_network_of_that_epoch():
    held_out = RNG.standard_normal((9, D)).astype(np.float32)
    result = fit(held_out=held_out, max_epochs=4)
    seed, W, expected = seed_of_run(), START.astype(np.float64), [loss_of(START, held_out)]
    for epoch in range(1, 5):
        for order in batch_orders(seed, range(epoch, epoch + 1), N, (1, 4, 10))[0]:
            W = W - 0.05 * tied_gradient(W, ROWS[order].astype(np.float64))
        expected.append(loss_of(W, held_out))
    np.testing.assert_allclose(result.history["validation_loss"], expected, rtol=1e-4)


def test_held_out_rows_in_several_chunks_give_the_same_losses(monkeypatch):
    held_out = RNG.standard_normal((200, D)).astype(np.float32)
    whole = fit(held_out=held_out)
    monkeypatch.setattr(problem, "HELD_OUT_CHUNK", 60)
    chunks = HeldOut.from_rows(held_out)
    assert chunks.rows.shape == (4, 64, D)
    assert float(chunks.valid.sum()) == 200
    np.testing.assert_array_equal(
        np.asarray(chunks.rows)[np.asarray(chunks.valid) == 1].reshape(-1, D), held_out
    )
    result = fit(held_out=held_out)
    np.testing.assert_allclose(
        result.history["validation_loss"], whole.history["validation_loss"], rtol=1e-6
    )
    assert result.best_epoch == whole.best_epoch


@pytest.mark.parametrize("held_out", [None, ROWS[:5]])
def test_divergence_stops_at_once_with_finite_weights(held_out):
    with pytest.raises(DivergenceError, match="learning rate that is too high") as caught:
        fit(learning_rate=1e4, held_out=held_out, max_epochs=400)
    result = caught.value.result
    assert result.stopped == "diverged"
    assert np.isfinite(result.network.weight).all()
    assert len(result.history["epoch"]) < 20


def test_a_loss_that_is_never_finite_leaves_the_start():
    with pytest.raises(DivergenceError) as caught:
        fit(never_finite)
    np.testing.assert_array_equal(caught.value.result.network.weight, START)


def test_ctrl_c_gives_the_best_so_far(interrupt_in_call):
    interrupt_in_call(4, _groups, "batch_orders")
    with pytest.warns(UserWarning, match="interrupted after .* of 1,000 epochs"):
        result = fit(max_epochs=1000)
    assert result.stopped == "interrupted"
    assert 0 < result.best_epoch == result.history["epoch"][-1] < 1000
    as_long = fit(max_epochs=result.best_epoch)
    np.testing.assert_allclose(result.network.weight, as_long.network.weight, rtol=1e-6)


def test_ctrl_c_before_anything_is_known_is_let_through():
    class Interrupted(ArraySource):
        def block(self, number, seed):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(rows=Interrupted(ROWS, np.arange(N)))


def test_the_optimisers_state_is_carried_from_call_to_call():
    # Momentum 0.9: the first step of the second call moves by the velocity of the first.
    solver = Solver(optax.trace(0.9), constant, peak=0.05)
    options = {"solver": solver, "batch_size": N, "max_epochs": 3}
    first = fit(distance, network=Affine(np.zeros((1, D), np.float32), None), **options)
    second = fit(distance, network=first.network, optimiser=first.optimiser, **options)
    w, velocity = np.zeros(D), np.zeros(D)
    for _ in range(6):
        velocity = (w - ROWS.mean(0)) + 0.9 * velocity
        w = w - 0.05 * velocity
    np.testing.assert_allclose(second.network.weight[0], w, rtol=1e-4)
