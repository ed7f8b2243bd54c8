"""Rows to train on, and noise on them."""

import equinox as eqx
import jax
import numpy as np

from isthmus.data.rows import ScaledRows
from isthmus.data.scaling import Scaling
from isthmus.objectives.corruption import TrainingRows, bind

KEY = jax.random.key(0)
SIGMAS = 5.0
"""Chance takes an average this many standard errors from its mean once in two million."""


def training_rows(X, scaling=None, train_rows=None):
    chosen = np.arange(len(X)) if train_rows is None else np.asarray(train_rows)
    return TrainingRows(ScaledRows(X, Scaling.fit(scaling, X)), chosen)


def corrupt(noise, data, key=KEY):
    """All rows with noise on them, in raw units."""
    corruption, aside = bind(noise, data)
    n, _ = data.rows.shape
    aside = np.zeros((n, 0), np.float32) if aside is None else np.float32(aside)
    assert aside.shape == (n, corruption.n_aside)
    u = np.asarray(eqx.filter_jit(corruption)(data.rows[:], aside, key), np.float64)
    return u * data.scaling.scale + data.scaling.center
