"""Networks trained side by side against the same networks trained alone."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from isthmus.data.rows import JoinedRows, ScaledRows
from isthmus.data.scaling import Scaling
from isthmus.data.sources import ArraySource
from isthmus.networks.layers import Affine
from isthmus.training import loop, members
from isthmus.training._groups import StackedNetworks
from isthmus.training.loop import train
from isthmus.training.members import train_members
from isthmus.training.problem import Training
from isthmus.training.solvers import ADAM, Solver, constant
from training.tied_map import distance, tied

N, D = 60, 3
RNG = np.random.default_rng(3)
ROWS = RNG.standard_normal((N, D)).astype(np.float32) * np.float32([2.0, 1.0, 0.5])


def noisy_target(network, batch, key):
    """½‖x̃ − WᵀWx‖² with a little noise in x̃, so that keys matter."""
    noisy = batch + 0.1 * jax.random.normal(key, batch.shape)
    return 0.5 * jnp.sum(jnp.square(noisy - (batch @ network.weight.T) @ network.weight), axis=1)


def training(seed, rows=ROWS, **changes):
    """A training whose weights, batches, noise and rows all follow from ``seed``."""
    rng = np.random.default_rng(seed)
    train_rows, held_out = np.split(rng.permutation(N), [45])
    weight = 0.3 * rng.standard_normal((2, D)).astype(np.float32)
    options = {
        "objective": noisy_target,
        "network": Affine(weight, None),
        "source": ArraySource(rows, np.sort(train_rows)),
        "solver": ADAM,
        "learning_rate": 3e-2,
        "batch_size": 10,
        "max_epochs": 12,
        "rng": rng,
        "held_out": rows[np.sort(held_out)],
        "held_out_objective": tied,
    }
    return Training(**(options | changes))


def train_alone(training):
    (result,) = train([training])
    return result


def assert_same(together, alone):
    assert together.stopped == alone.stopped
    assert together.best_epoch == alone.best_epoch
    # Batched products sum in another order.
    np.testing.assert_allclose(together.network.weight, alone.network.weight, rtol=2e-5, atol=2e-6)
    for name in ("epoch", "train_loss", "validation_loss", "learning_rate"):
        np.testing.assert_allclose(together.history[name], alone.history[name], rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("chunk", [None, 1, 2, 3, 5])
def test_chunks_of_any_size_give_what_each_gives_alone(chunk):
    together = train_members([training(seed) for seed in range(5)], chunk)
    for seed, result in enumerate(together):
        assert_same(result, train_alone(training(seed)))
    assert len({result.network.weight.tobytes() for result in together}) == 5


def test_without_held_out_rows_every_member_ends_at_the_last_epoch():
    for seed, result in enumerate(train_members([training(seed, held_out=None) for seed in range(3)])):
        assert result.best_epoch == 12
        assert_same(result, train_alone(training(seed, held_out=None)))


def test_members_that_stop_early_stay_as_they_are():
    """The farther the held-out mean on the way of w from 0 to x̄, the later a member's best epoch."""
    target, shares = ROWS.mean(0) + 3, (0.3, 0.6, 0.9)
    options = {
        "objective": distance,
        "held_out_objective": distance,
        "network": Affine(np.zeros((1, D), np.float32), None),
        "source": ArraySource(ROWS + 3, np.arange(N)),
        "solver": Solver(optax.identity(), constant, peak=0.05),
        "learning_rate": 0.05,
        "batch_size": N,
        "max_epochs": 200,
        "patience": 4,
    }

    def trainings():
        return [
            training(0, held_out=np.tile(np.float32(target * share), (20, 1)), **options)
            for share in shares
        ]

    results = train_members(trainings())
    for share, result, alone in zip(shares, results, map(train_alone, trainings()), strict=True):
        # w = x̄(1 − 0.95ᵗ) is nearest to the held-out point where 0.95ᵗ = 1 − share.
        assert result.best_epoch == pytest.approx(np.log(1 - share) / np.log(0.95), abs=1)
        assert result.stopped == "no improvement"
        assert result.history["epoch"][-1] == result.best_epoch + 4
        assert_same(result, alone)


def test_a_member_that_diverges_does_not_disturb_the_others():
    # A held-out row is NaN for one member only: its epochs cannot be judged.
    def trainings():
        broken = np.full((15, D), np.nan, np.float32)
        return [training(0), training(1, held_out=broken), training(2)]

    results = train_members(trainings())
    assert [result.stopped for result in results] == ["max_epochs", "diverged", "max_epochs"]
    for index in (0, 2):
        assert_same(results[index], train_alone(trainings()[index]))
    alone = train_alone(trainings()[1])
    assert alone.stopped == "diverged"
    np.testing.assert_array_equal(results[1].network.weight, alone.network.weight)


def test_drawn_rows_are_drawn_for_each_member():
    # One full batch of ½|w − x|² at rate 1 sets w to the mean of the member's rows.
    draws = [np.sort(np.random.default_rng(seed).choice(N, N)) for seed in range(3)]
    results = train_members(
        [
            training(
                0,
                objective=distance,
                network=Affine(np.zeros((1, D), np.float32), None),
                source=ArraySource(ROWS, rows),
                solver=Solver(optax.identity(), constant, peak=1.0),
                learning_rate=1.0,
                batch_size=N,
                max_epochs=1,
                held_out=None,
            )
            for rows in draws
        ]
    )
    for rows, result in zip(draws, results, strict=True):
        np.testing.assert_allclose(result.network.weight[0], ROWS[rows].mean(0), rtol=1e-5, atol=1e-6)


def test_ctrl_c_leaves_the_members_so_far(monkeypatch, interrupt_in_call):
    """Two calls make a training: the fourth is the second one of the second chunk."""
    monkeypatch.setattr(loop, "SECONDS_PER_CALL", 1e9)
    interrupt_in_call(4, StackedNetworks, "program")
    with pytest.warns(UserWarning, match="interrupted after 1 of 12 epochs"):
        results = train_members([training(seed) for seed in range(6)], chunk=2)
    assert [result.stopped for result in results] == ["max_epochs"] * 2 + ["interrupted"] * 2
    for seed in range(2):
        assert_same(results[seed], train_alone(training(seed)))
    assert results[2].history["epoch"].tolist() == [0, 1]


def counting_runs(monkeypatch):
    sizes = []
    monkeypatch.setattr(
        members,
        "train",
        lambda part, size, **options: sizes.append(len(part)) or train(part, size, **options),
    )
    return sizes


@pytest.mark.parametrize("own_scaling", [False, True])
def test_views_of_the_same_rows_are_trained_together(monkeypatch, own_scaling):
    sizes = counting_runs(monkeypatch)

    def view(seed):
        scaling = Scaling(np.zeros(D), np.full(D, 2.0 + own_scaling * seed))
        return JoinedRows(ScaledRows(ROWS, scaling), np.ones((N, 0), np.float32))

    results = train_members([training(seed, rows=view(seed)) for seed in range(3)])
    assert sizes == [3]
    for seed, result in enumerate(results):
        assert_same(result, train_alone(training(seed, rows=view(seed))))


def test_trainings_of_other_shapes_are_trained_apart(monkeypatch):
    sizes = counting_runs(monkeypatch)

    def wider(seed):
        return training(seed, network=Affine(np.eye(D, dtype=np.float32)[: seed + 1], None))

    makers = [
        training,
        training,
        wider,
        lambda seed: training(seed, rows=np.hstack([ROWS, ROWS]), network=Affine(np.eye(6)[:2], None)),
        lambda seed: training(seed, max_epochs=3),
    ]
    results = train_members([make(seed) for seed, make in enumerate(makers)])
    assert sizes == [2, 1, 1, 1]
    for seed, (make, result) in enumerate(zip(makers, results, strict=True)):
        assert_same(result, train_alone(make(seed)))


@dataclass(frozen=True)
class Stretched:
    """½|w − factor · x|²; every factor has the same hash."""

    factor: float

    def __hash__(self):
        return 0

    def __call__(self, network, batch, key):
        return 0.5 * jnp.sum(jnp.square(self.factor * batch - network.weight[0]), axis=1)


def test_objectives_of_one_hash_are_not_one_program(monkeypatch):
    sizes = counting_runs(monkeypatch)
    options = {"network": Affine(np.zeros((1, D), np.float32), None), "held_out": None}

    def stretched(factor):
        return training(0, objective=Stretched(factor), learning_rate=0.1, max_epochs=60, **options)

    results = train_members([stretched(factor) for factor in (1.0, 3.0)])
    assert sizes == [1, 1]
    once, thrice = (result.network.weight[0] for result in results)
    # Adam's rate ends at zero: the end is the minimum, the mean of the rows times the factor.
    np.testing.assert_allclose(thrice, 3 * once, rtol=0.1, atol=0.1)


def test_rows_of_more_than_one_block_are_trained_alone(monkeypatch):
    sizes = counting_runs(monkeypatch)

    def in_blocks(seed):
        return training(seed, source=ArraySource(ROWS, np.arange(N), block_bytes=20 * D * 4))

    results = train_members([in_blocks(seed) for seed in range(2)])
    assert sizes == [1, 1]
    for seed, result in enumerate(results):
        assert_same(result, train_alone(in_blocks(seed)))


def test_chunks_keep_weights_and_activations_within_their_bytes():
    # 2 × 3 weights six times, 2 activations twice for each of 10 rows; 4 bytes each.
    per_member = 4 * (6 * 6 + 2 * 10 * 2)
    assert members._chunk_size(training(0)) == min(
        members.MOST_SIDE_BY_SIDE, members.CHUNK_BYTES // per_member
    )
    large = training(0, network=Affine(np.zeros((2000, 1500), np.float32), None))
    assert members._chunk_size(large) == 1
