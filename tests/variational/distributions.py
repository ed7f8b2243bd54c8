"""Distributions as training begins with them, on two sets of rows, and their methods as programs."""

import equinox as eqx
import jax
import numpy as np

from isthmus.data.moments import column_statistics
from isthmus.data.scaling import Scaling
from isthmus.variational.distributions import Known

RNG = np.random.default_rng(0)
NUMBERS = RNG.normal([3.0, -200.0, 0.01, 5.0], [1.0, 30.0, 0.002, 5.0], (60, 4))
COUNTS = RNG.poisson(RNG.gamma(2.0, [1.0, 10.0, 0.2, 200.0], (60, 4)))
LEFT_OUT = np.array([0.2, 0.05, 0.5, 0.1])
SIGMAS = 5
"""Standard errors allowed: chance exceeds five in one of two million comparisons."""


def bound(likelihood, rows, kind=None, left_out=LEFT_OUT):
    """The distribution that training begins with, and the scaling."""
    columns = column_statistics(rows)
    scaling = Scaling.none(rows.shape[1]) if kind == "none" else Scaling.fit(kind, rows, columns)
    return likelihood(Known(rows, scaling, columns, left_out)), scaling


# Compiled whole: operation by operation, each would be compiled for each shape of a file.


@eqx.filter_jit
def log_density(distribution, *arrays):
    return distribution.log_density(*arrays)


@eqx.filter_jit
def slope_of_density(distribution, u, output, *error):
    """The sum of the log-densities, and its slope in the output."""
    return jax.value_and_grad(lambda at: distribution.log_density(u, at, *error).sum())(output)


@eqx.filter_jit
def mean_and_variance(distribution, output):
    return distribution.mean(output), distribution.variance(output)


@eqx.filter_jit
def log_rate(distribution, output):
    return distribution.log_rate(output)


@eqx.filter_jit
def draws(distribution, key, output):
    return distribution.sample(key, output)


def raw_mean(distribution, output, scaling):
    mean, _ = mean_and_variance(distribution, output)
    return np.asarray(mean, np.float64) * scaling.scale + scaling.center
