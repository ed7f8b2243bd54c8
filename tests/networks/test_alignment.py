"""Procrustes analysis in closed form, and means over members against means written out."""

import jax
import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.stats import ortho_group

from isthmus.networks.alignment import MeanMap, align, onto, over_members, stacked
from isthmus.networks.fitted import DataMap
from isthmus.networks.frames import Frame
from isthmus.networks.layers import Affine
from isthmus.networks.links import Identity
from isthmus.networks.pairs import EncoderDecoder, PathAndCorrection

RNG = np.random.default_rng(4)
N, D, d = 80, 5, 3
ROWS = RNG.standard_normal((N, D)) * [3, 2, 1, 0.5, 0.2]
SHAPE = ROWS @ RNG.standard_normal((D, d))


def aligned(coordinates, alignment):
    return (coordinates - alignment.origins[:, None]) @ alignment.rotations + alignment.center


def turned(shape, n_members, rng=RNG):
    """Copies that differ by a rotation or a reflection, and a shift."""
    rotations = ortho_group.rvs(shape.shape[1], size=n_members, random_state=0)
    assert {1, -1} == set(np.sign(np.linalg.det(rotations)))
    return shape @ rotations + rng.standard_normal((n_members, 1, shape.shape[1]))


def test_rotations_and_reflections_are_undone():
    copies = turned(SHAPE, 6)
    together = aligned(copies, align(copies, ROWS))
    # float32 rotations of numbers up to ten.
    np.testing.assert_allclose(together, np.broadcast_to(together[0], together.shape), atol=1e-5)
    centred = SHAPE - SHAPE.mean(0)
    found = together[0] - together[0].mean(0)
    np.testing.assert_allclose(found @ found.T, centred @ centred.T, atol=1e-4)


def test_lengths_are_kept():
    copies = np.stack([SHAPE, 2 * SHAPE])
    together = aligned(copies, align(copies, ROWS))
    np.testing.assert_allclose(
        together[1] - together[1].mean(0), 2 * (together[0] - together[0].mean(0)), atol=1e-5
    )


def test_onto_is_the_orthogonal_procrustes_solution():
    others = SHAPE @ RNG.standard_normal((4, d, d))
    for other, rotation in zip(others, onto(others, SHAPE), strict=True):
        np.testing.assert_allclose(rotation, orthogonal_procrustes(other, SHAPE)[0], atol=1e-12)


def test_the_consensus_is_a_fixed_point():
    """Each member's rotation is the best onto the mean of all: no single one can be improved."""
    members = turned(SHAPE, 5) + 0.5 * RNG.standard_normal((5, N, d))
    together = aligned(members, align(members, ROWS))
    together -= together.mean(axis=1, keepdims=True)
    for rotation in onto(together, together.mean(axis=0)):
        np.testing.assert_allclose(rotation, np.eye(d), atol=1e-5)


def test_mean_coordinates_are_canonical_whatever_the_order_of_members():
    members = turned(SHAPE, 5) + 0.5 * RNG.standard_normal((5, N, d))
    mean = aligned(members, align(members, ROWS)).mean(axis=0)
    covariance = np.cov(mean.T)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-4)
    assert np.all(np.diff(np.diag(covariance)) < 0)
    loadings = (ROWS - ROWS.mean(0)).T @ (mean - mean.mean(0))
    assert np.all(loadings[np.argmax(np.abs(loadings), axis=0), np.arange(d)] > 0)
    backwards = aligned(members[::-1], align(members[::-1], ROWS)).mean(axis=0)
    np.testing.assert_allclose(backwards, mean, atol=1e-4)


def test_means_over_members_are_those_of_numpy():
    values = RNG.standard_normal((7, 4)).astype(np.float32) + 1000
    mean = over_members(lambda own: own["a"] * own["sign"], {"a": values, "sign": -np.ones(7)})
    # One sum after the other in float32 of numbers near 1000.
    np.testing.assert_allclose(mean, -values.mean(0), rtol=1e-6)


@pytest.fixture
def maps():
    def affine(out, into):
        weight = RNG.standard_normal((out, into)).astype(np.float32)
        return PathAndCorrection(Affine(weight, RNG.standard_normal(out).astype(np.float32)), None, None)

    frame = Frame(*(np.eye(d, dtype=np.float32),) * 2, np.zeros(d, np.float32))
    return [
        DataMap(
            center=RNG.uniform(1, 2, D).astype(np.float32),
            pair=EncoderDecoder(affine(d, D), affine(D, d)),
            frame=frame,
            scale=RNG.uniform(1, 2, D).astype(np.float32),
            link=Identity(),
        )
        for _ in range(4)
    ]


def mean_map(maps, alignment):
    offsets = np.stack([each.center - maps[0].center for each in maps])
    return MeanMap(maps[0].center, stacked(maps), alignment, offsets)


def test_a_mean_map_is_the_mean_of_its_members(maps):
    x = ROWS[:6].astype(np.float32)
    coordinates = np.stack([each.encode(ROWS.astype(np.float32)) for each in maps]).astype(np.float64)
    alignment = align(coordinates, ROWS)
    mean = mean_map(maps, alignment)
    expected = aligned(coordinates[:, :6], alignment)
    np.testing.assert_allclose(mean.encode(x), expected.mean(0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        mean.spread_centred(x - maps[0].center), expected.std(0, ddof=1), rtol=1e-3, atol=1e-4
    )
    z = expected.mean(0)
    # Rᵀ undoes R.
    own = (z - alignment.center) @ np.swapaxes(alignment.rotations, 1, 2) + alignment.origins[:, None]
    rows = [each.decode(inner.astype(np.float32)) for each, inner in zip(maps, own, strict=True)]
    np.testing.assert_allclose(
        mean.decode(z.astype(np.float32)), np.mean(rows, axis=0), rtol=1e-4, atol=1e-4
    )


def test_the_jacobian_of_a_mean_map_is_the_mean_of_the_members(maps):
    x = ROWS[0].astype(np.float32)
    alignment = align(np.stack([np.asarray(each.encode(ROWS), np.float64) for each in maps]), ROWS)
    mean = mean_map(maps, alignment)
    each = [
        rotation.T @ jax.jacobian(one.encode)(x)
        for rotation, one in zip(alignment.rotations, maps, strict=True)
    ]
    np.testing.assert_allclose(jax.jacobian(mean.encode)(x), np.mean(each, 0), rtol=1e-4, atol=1e-4)
