"""The weights of neighbours, and the loss that keeps them near."""

import equinox as eqx
import jax
import numpy as np
import pytest
from scipy.optimize import brentq

from isthmus.networks.layers import Constant, single
from isthmus.objectives.neighbours import (
    SOFTENING,
    NeighbourLoss,
    PlacedRows,
    PlacesOfRows,
    neighbour_weights,
)

RNG = np.random.default_rng(0)


def test_weights_are_those_that_another_root_finder_gives():
    distances = np.sort(RNG.exponential(size=(10, 15)), axis=1)
    expected = []
    for row in distances - distances[:, :1]:

        def excess(log_unit, row=row):
            return np.exp(-row / np.exp(log_unit)).sum() - np.log2(16)

        expected.append(np.exp(-row / np.exp(brentq(excess, -15, 15, xtol=1e-14))))
    np.testing.assert_allclose(neighbour_weights(distances), expected, rtol=1e-9)


def test_weights_do_not_depend_on_the_unit_of_the_distances():
    distances = np.sort(RNG.exponential(size=(5, 6)), axis=1)
    np.testing.assert_allclose(
        neighbour_weights(1e9 * distances), neighbour_weights(distances), rtol=1e-9
    )


def test_weights_do_not_depend_on_the_rows_beside(monkeypatch):
    distances = np.sort(RNG.exponential(size=(7, 6)), axis=1)
    together = neighbour_weights(distances)
    monkeypatch.setattr("isthmus.objectives.neighbours.BLOCK_ROWS", 3)
    np.testing.assert_array_equal(neighbour_weights(distances), together)


@pytest.mark.parametrize("distance", [0.0, 2.5])
def test_neighbours_that_are_equally_far_have_equal_weights(distance):
    weights = neighbour_weights(np.full((3, 8), distance))
    np.testing.assert_allclose(weights, weights[0, 0])
    assert np.isfinite(weights).all()


def three_rows_of_which_two_are_neighbours(z):
    """Row i has landmark i alone, and its place is that of the landmark."""
    n = len(z)
    places = PlacesOfRows(
        np.arange(n, dtype=np.int32)[:, None],
        np.ones((n, 1), np.float32),
        np.array([[1], [0], [1]], np.int32),
        np.ones((n, 1), np.float32),
    )
    return PlacedRows(single(np.asarray(z).T), Constant(jax.device_put(places)), 0)


def test_the_loss_of_three_rows_by_hand():
    network = three_rows_of_which_two_are_neighbours([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    rows = single(np.arange(3.0)[:, None])
    loss = eqx.filter_jit(NeighbourLoss(10.0))(network, rows, jax.random.key(0))

    def push(square):
        return np.log((1 + square) / (square + SOFTENING))

    # Neighbours drawn are 1, 0, 1, and each row is pushed from the one row that is neither itself nor
    # its neighbour: 0 from 2, 1 from 2, 2 from 0.
    pulls, squares = np.log([2.0, 2.0, 6.0]), np.array([4.0, 5.0, 4.0])
    np.testing.assert_allclose(loss, pulls + 10 * push(squares), rtol=1e-5)


def test_repulsion_grows_to_its_whole():
    loss = NeighbourLoss(10.0)
    assert [float(loss.at(np.float32(p)).repulsion) for p in (0.0, 1.0)] == pytest.approx([1.0, 10.0])


def test_a_row_is_drawn_to_its_neighbour():
    network = three_rows_of_which_two_are_neighbours([[0.0, 0.0], [3.0, 0.0], [40.0, 40.0]])
    rows = single(np.arange(2.0)[:, None])

    def total(positions):
        moved = PlacedRows(positions, network.places, 0)
        return NeighbourLoss(1.0)(moved, rows, jax.random.key(0)).sum()

    slope = np.asarray(jax.jit(jax.grad(total))(network.positions))
    assert slope[0, 0] < 0 < slope[0, 1]  # downhill, row 0 goes right and row 1 left
