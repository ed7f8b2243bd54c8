"""A small training with checkpoints, and what its results must have in common with those of another."""

import os

import jax
import numpy as np
import optax

from isthmus import Checkpoint
from isthmus.data.sources import ArraySource
from isthmus.networks.layers import Affine
from isthmus.training.checkpoints import FitCheckpoints
from isthmus.training.loop import train
from isthmus.training.problem import Training
from isthmus.training.solvers import Solver, constant
from training.tied_map import ROWS, START, D, N, noisy

SOLVER = Solver(optax.scale_by_adam(), constant, peak=0.05)
EPOCHS = 7
IDENTITY = {"estimator": "Tied", "width": "2"}


def training(seed=0, network=None, n_blocks=1, **changes):
    options = {"batch_size": 5, "max_epochs": EPOCHS, "learning_rate": 0.05, "solver": SOLVER}
    return Training(
        objective=noisy,
        network=Affine(START, None) if network is None else network,
        source=ArraySource(ROWS, np.arange(N), block_bytes=-(-N // n_blocks) * D * 4),
        rng=np.random.default_rng(seed),
        **(options | changes),
    )


def fit(folder, trainings=None, identity=IDENTITY, seconds=0.0, keep=2, **options):
    checkpoint = Checkpoint(folder, seconds=seconds, keep=keep)
    checkpoints = FitCheckpoints(checkpoint, identity)
    checkpoints.seeds_of([0])
    return train(trainings or [training()], checkpoints=checkpoints.of_training(0), **options)


def assert_same_bits(results, others):
    """All that training found but the seconds that it took."""
    assert len(results) == len(others)
    for one, other in zip(results, others, strict=True):
        assert jax.tree.structure(one.network) == jax.tree.structure(other.network)
        found = jax.tree.leaves((one.network, one.optimiser)), one.best_epoch, one.stopped
        expected = jax.tree.leaves((other.network, other.optimiser)), other.best_epoch, other.stopped
        jax.tree.map(np.testing.assert_array_equal, found[0], expected[0])
        assert found[1:] == expected[1:]
        np.testing.assert_array_equal(one.p_value, other.p_value)
        for column in ("epoch", "train_loss", "validation_loss", "learning_rate"):
            np.testing.assert_array_equal(one.history[column], other.history[column])


def names(folder):
    return sorted(os.listdir(folder))
