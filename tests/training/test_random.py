"""The random numbers of training against what independent ones must be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from isthmus.training.random import key_of

N_STEPS, N = 500, 400


def bits(key, n):
    """The numbers that a key draws, bit by bit: (n, 32)."""
    return np.unpackbits(np.asarray(jax.random.bits(key, (n,))).view(np.uint8).reshape(n, 4), axis=1)


@pytest.fixture(scope="module")
def draws():
    """(steps, n): what each step of a training draws, as the loop makes its keys."""
    steps, _ = jax.random.split(key_of(3))
    keys = jax.vmap(lambda step: jax.random.fold_in(steps, step))(jnp.arange(N_STEPS))
    return np.asarray(jax.vmap(lambda key: jax.random.uniform(key, (N,)))(keys), np.float64)


def test_draws_are_uniform(draws):
    counts, _ = np.histogram(draws, 100, (0, 1))
    assert stats.chisquare(counts).pvalue > 0.001
    # And their places in each step and each column, which a fault in the counter would favour.
    for axis in (0, 1):
        z = (draws.mean(axis=axis) - 0.5) * np.sqrt(12 * draws.shape[axis])
        assert stats.kstest(z, "norm").pvalue > 0.001


def test_steps_and_columns_are_independent(draws):
    for part in (draws, draws.T):
        correlations = np.corrcoef(part)[np.triu_indices(len(part), 1)] * np.sqrt(part.shape[1])
        assert np.mean(correlations**2) == pytest.approx(1, abs=0.02)
        assert np.abs(correlations).max() < 5.5  # of 125 000, exceeded once in 200 times
    beside = np.corrcoef(draws[:, :-1].ravel(), draws[:, 1:].ravel())[0, 1]
    assert abs(beside) * np.sqrt(draws.size) < 4


@pytest.mark.parametrize("change", ["seed", "fold_in", "split"])
def test_the_next_key_draws_other_bits(change):
    # Half of all bits differ, each of the 32 as often as others.
    keys = {
        "seed": lambda: (key_of(1000), key_of(1001)),
        "fold_in": lambda: tuple(jax.random.fold_in(key_of(0), k) for k in (7, 8)),
        "split": lambda: tuple(jax.random.split(key_of(0))),
    }
    one, other = keys[change]()
    n = 4000
    different = (bits(one, n) != bits(other, n)).sum(axis=0)
    assert stats.chisquare(np.stack([different, n - different], 1), n / 2, axis=None).pvalue > 0.001


def test_keys_of_seeds_are_all_different():
    words = np.stack([jax.random.key_data(key_of(seed)) for seed in [*range(300), 2**31, 2**32 - 1]])
    assert len(np.unique(words)) == words.size


def test_a_key_draws_the_same_again_and_more_of_the_same():
    key = key_of(5)
    np.testing.assert_array_equal(jax.random.bits(key, (10,)), jax.random.bits(key, (20,))[:10])
    # What is drawn is not what the next keys are made of.
    later = {int(word) for word in np.ravel(jax.random.key_data(jax.random.split(key, 50)))}
    assert not later & set(np.asarray(jax.random.bits(key, (200,))).tolist())


@pytest.mark.parametrize("width", [8, 16, 32, 64])
def test_numbers_of_every_width_fill_it(width):
    with jax.enable_x64(True):
        drawn = np.asarray(jax.random.bits(key_of(1), (4000,), f"uint{width}"))
        assert drawn.dtype == f"uint{width}"
        assert stats.kstest(drawn / 2.0**width, "uniform").pvalue > 0.001
        assert jax.random.normal(key_of(1), (3,), jnp.float64).dtype == jnp.float64
