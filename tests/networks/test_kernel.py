"""Kernel networks: shares of landmarks, rounds of agreement, and the decoder's bumps."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.networks.kernel import (
    AGREEMENT,
    KernelDecoder,
    KernelEncoder,
    Landmarks,
    agreed_position,
)
from isthmus.networks.layers import Affine, single

RNG = np.random.default_rng(0)
CENTRES, POSITIONS = RNG.standard_normal((7, 3)), 3 * RNG.standard_normal((2, 7))
ROWS = RNG.standard_normal((20, 3)).astype(np.float32)


def landmarks(centres=CENTRES, bandwidth=1.0, reach=np.inf):
    k = centres.shape[1]
    as_it_is = Affine(single(np.eye(k)), single(np.zeros(k)))
    return Landmarks(as_it_is, single(centres), single(np.array(bandwidth)), single(np.array(reach)))


def encoder(rounds, **parameters):
    return KernelEncoder(landmarks(**parameters), single(POSITIONS), rounds)


def test_shares_fall_as_a_gaussian_of_the_distance():
    # Squared distances of 1 and 4 with h = 2: a ratio of exp(3/2).
    shares = np.asarray(landmarks(np.array([[1.0], [2.0]]), bandwidth=2.0)(single(np.zeros(1))))
    assert shares[0] / shares[1] == pytest.approx(np.exp(1.5), rel=1e-5)
    assert shares.sum() == pytest.approx(1.0, rel=1e-6)


def test_within_reach_the_kernel_is_as_wide_as_it_was_and_beyond_it_is_wider():
    near, far = single(CENTRES[:1] + 0.01), single(np.full((1, 3), 30.0))
    plain, widened = landmarks(), landmarks(reach=20.0)
    np.testing.assert_allclose(widened(near), plain(near), atol=1e-5)
    # Far away the nearest landmark would have it all; with so wide a kernel all have a say.
    assert float(plain(far).max()) > 0.999
    assert float(widened(far).max()) < 0.2


def test_a_kernel_that_is_narrow_against_the_distances_gives_the_nearest_landmark_all():
    narrow = landmarks(100 * CENTRES, bandwidth=1e-13)
    shares = np.asarray(jax.jit(narrow.__call__)(single(100 * CENTRES[[3]] + 1)))
    np.testing.assert_array_equal(shares[0], np.eye(7)[3])


def test_a_row_at_no_end_of_a_distance_has_shares_that_are_numbers():
    shares = np.asarray(landmarks(reach=1e-3)(single(np.full((1, 3), 1e15))))
    np.testing.assert_allclose(shares, 1 / 7, rtol=1e-3)


def test_without_rounds_the_position_is_the_mean():
    shares = np.asarray(landmarks()(ROWS), np.float64)
    np.testing.assert_allclose(encoder(0)(ROWS), shares @ POSITIONS.T, atol=1e-5)


def slow_agreement(shares, positions, rounds):
    """By loops over rows, in double precision."""
    found = []
    for row in shares:
        z = row @ positions.T
        for _ in range(rounds):
            say = np.array(
                [
                    phi / (1 + np.sum((z - v) ** 2) / AGREEMENT)
                    for phi, v in zip(row, positions.T, strict=True)
                ]
            )
            z = say @ positions.T / say.sum()
        found.append(z)
    return np.array(found)


@pytest.mark.parametrize("rounds", [1, 3, 8])
def test_rounds_are_those_of_the_formula(rounds):
    shares = np.asarray(landmarks()(ROWS), np.float64)
    np.testing.assert_allclose(
        encoder(rounds)(ROWS), slow_agreement(shares, POSITIONS, rounds), atol=1e-4
    )


def test_landmarks_of_each_row_agree_as_landmarks_of_all_do():
    shares = landmarks()(ROWS)
    each = [jnp.broadcast_to(v, shares.shape) for v in single(POSITIONS)]
    np.testing.assert_allclose(
        jnp.stack(agreed_position(shares, each, 3), axis=-1), encoder(3)(ROWS), atol=1e-5
    )


def test_many_rounds_end_where_the_gradient_of_the_robust_sum_vanishes():
    # Mean shift climbs Σ φ_m log 1/(1 + ‖z − v_m‖²/a), a Cauchy likelihood.
    shares = landmarks()(ROWS[:5])

    def likelihood(z):
        squares = jnp.sum((z[:, None] - POSITIONS.T) ** 2, axis=-1)
        return -jnp.sum(shares * jnp.log1p(squares / AGREEMENT))

    z = jnp.asarray(encoder(300)(ROWS[:5]))
    np.testing.assert_allclose(jax.jit(jax.grad(likelihood))(z), 0.0, atol=1e-3)


def test_an_outvoted_landmark_loses_its_say():
    # Nine of ten at the origin, one far away: the mean is at 10, the agreement next to nothing.
    positions = [jnp.asarray([0.0] * 9 + [100.0])]
    shares = jnp.full((1, 10), 0.1)
    assert float(agreed_position(shares, positions, 0)[0][0]) == pytest.approx(10.0)
    assert abs(float(agreed_position(shares, positions, 5)[0][0])) < 0.01


@pytest.mark.parametrize("rounds", [0, 3])
@pytest.mark.parametrize("reach", [np.inf, 1.0])
def test_derivatives_are_finite_differences(rounds, reach):
    with jax.enable_x64(True):
        f = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), encoder(rounds, reach=reach))
        x, step = ROWS[0].astype(np.float64), 1e-5
        at = eqx.filter_jit(f)
        differences = np.stack(
            [(at(x + step * e) - at(x - step * e)) / (2 * step) for e in np.eye(3)], axis=1
        )
        np.testing.assert_allclose(jax.jit(jax.jacfwd(f))(x), differences, rtol=1e-6, atol=1e-8)


def test_a_decoder_is_a_plane_and_a_bump_of_a_half_at_its_width():
    plane = Affine(single(np.array([[1.0], [2.0]])), single(np.array([0.0, -1.0])))
    decoder = KernelDecoder(
        plane, single(np.zeros((1, 1))), single(np.array([[4.0, 0.0]])), single(np.array(9.0))
    )
    # z² = w: the bump is ½, 4 · ½ = 2; the plane is (3, 2 · 3 + 1).
    np.testing.assert_allclose(decoder(single(np.array([3.0]))), [3 + 2, 7], rtol=1e-6)
