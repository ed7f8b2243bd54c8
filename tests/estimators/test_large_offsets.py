"""Rows far from zero: what is centred in double precision by ``fit`` is so wherever rows come in."""

import numpy as np
import pytest

import isthmus

pytestmark = pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
RNG = np.random.default_rng(0)
SECONDS = RNG.integers(0, 50, (200, 3))
OFFSET = 1_700_000_000
# Adam divides by the size of a gradient, rounding included.
SMALL = {"widths": (8,), "max_epochs": 3, "solver": "gradient_descent", "random_state": 0}

# Cross-validation centres rows in the same way for all: one has it.
ALL_ROWS = {**SMALL, "validation_fraction": 0}

NEIGHBOURS = isthmus.NeighbourAutoencoder(2, max_epochs=3, random_state=0)
MAPS = [
    isthmus.LinearAutoencoder(2),
    isthmus.Autoencoder(2, **SMALL),
    isthmus.DenoisingAutoencoder(2, **ALL_ROWS),
    isthmus.VariationalAutoencoder(2, **ALL_ROWS),
    isthmus.Ensemble(isthmus.Autoencoder(2, **ALL_ROWS), 2, random_state=0),
]


def name_of(model):
    return type(model).__name__


@pytest.mark.parametrize("model", [*MAPS, NEIGHBOURS], ids=name_of)
def test_integers_give_what_the_same_floats_give(model):
    rows = (OFFSET + SECONDS).astype(np.int64)
    model.fit(rows)
    Z = model.transform(rows)
    np.testing.assert_array_equal(model.transform(rows.astype(np.float64)), Z)
    # 32 bits keep a second of 1.7e9 to 128.
    assert len(np.unique(Z, axis=0)) > 150


@pytest.mark.parametrize("model", MAPS, ids=name_of)
def test_a_shift_of_the_data_shifts_nothing_else(model):
    near, far = SECONDS.astype(float), OFFSET + SECONDS.astype(float)
    Z = model.fit(near).transform(near)
    decoded, slopes = model.inverse_transform(Z), isthmus.jacobian(model, near)
    error = isthmus.reconstruction_error(model, near)
    model.fit(far)
    size = np.abs(Z).max()
    np.testing.assert_allclose(model.transform(far), Z, atol=1e-5 * size)
    np.testing.assert_allclose(model.inverse_transform(Z) - OFFSET, decoded, atol=1e-5 * size)
    np.testing.assert_allclose(isthmus.jacobian(model, far), slopes, atol=1e-4)
    np.testing.assert_allclose(isthmus.reconstruction_error(model, far), error, rtol=1e-3, atol=1e-3)


def test_a_shift_of_the_data_moves_no_neighbours():
    # Of whole seconds many are equally far, and rounding says which of them comes first.
    near = SECONDS + RNG.integers(0, 1024, SECONDS.shape) / 1024
    Z = NEIGHBOURS.fit(near).transform(near)
    slopes = isthmus.jacobian(NEIGHBOURS, near)
    NEIGHBOURS.fit(OFFSET + near)
    np.testing.assert_allclose(NEIGHBOURS.transform(OFFSET + near), Z, atol=1e-3 * np.abs(Z).max())
    moved = isthmus.jacobian(NEIGHBOURS, OFFSET + near)
    np.testing.assert_allclose(moved, slopes, atol=1e-3 * np.abs(slopes).max())


def test_predictions_of_shifted_rows_and_targets_are_shifted():
    near, y = SECONDS.astype(float), SECONDS[:, 0] + 0.1 * SECONDS[:, 1] ** 2
    single = isthmus.FeedForwardRegressor((8,), max_epochs=20, random_state=0)
    for model in (single, isthmus.Ensemble(single, 2, random_state=0)):
        before = model.fit(near, y).predict(near)
        after = model.fit((OFFSET + SECONDS).astype(np.int64), OFFSET + y).predict(OFFSET + near)
        np.testing.assert_allclose(after - OFFSET, before, atol=1e-3 * np.ptp(y))


def test_the_length_of_a_geodesic_does_not_depend_on_the_offset():
    t = RNG.uniform(-2, 2, (300, 2))
    X = np.column_stack([t, t[:, 0] ** 2, np.sin(2 * t[:, 1])])
    lengths = []
    options = {"widths": (16,), "max_epochs": 30, "validation_fraction": 0, "random_state": 0}
    for offset in (0.0, 1e7):
        model = isthmus.Autoencoder(2, **options).fit(X + offset)
        Z = model.transform(X + offset)
        path = isthmus.geodesic(model, Z[0], Z[1])
        lengths.append((path.length, path.straight_length))
        # The ends, decoded, lie beside the rows that they came from.
        assert np.abs(path.rows - offset).max() < 10
    np.testing.assert_allclose(lengths[1], lengths[0], rtol=1e-3)


@pytest.mark.parametrize("unit", [2.0**-80, 2.0**80])
@pytest.mark.parametrize("kind", [isthmus.Autoencoder, isthmus.VariationalAutoencoder])
def test_a_change_of_unit_changes_units_alone(kind, unit):
    """Squares of such numbers are 0 or infinite in single precision."""
    t = RNG.uniform(-2, 2, (200, 2))
    X = np.column_stack([t, t[:, 0] ** 2, np.sin(2 * t[:, 1])])
    model = kind(2, **ALL_ROWS)
    Z = model.fit(X).transform(X)
    areas, way = isthmus.distortion(model, Z[:9]).area, isthmus.geodesic(model, Z[0], Z[1], n_points=16)
    if kind is isthmus.Autoencoder:
        cycles = isthmus.reliability(model, X[:50], known=X[50:]).cycle_error
        ensemble = isthmus.Ensemble(model, 2, random_state=0)
        spread = isthmus.coordinate_spread(ensemble.fit(X), X)

    X = unit * X
    # Coordinates of a variational map are in the units of its prior.
    of_map = unit if kind is isthmus.Autoencoder else 1.0
    model.fit(X)
    np.testing.assert_allclose(model.transform(X), of_map * Z, rtol=1e-3, atol=1e-3 * of_map)
    area = isthmus.distortion(model, of_map * Z[:9]).area
    np.testing.assert_allclose(area, (unit / of_map) ** 2 * areas, rtol=1e-3)
    again = isthmus.geodesic(model, of_map * Z[0], of_map * Z[1], n_points=16)
    assert again.length == pytest.approx(unit * way.length, rel=1e-3)
    if kind is isthmus.Autoencoder:
        found = isthmus.reliability(model, X[:50], known=X[50:]).cycle_error
        np.testing.assert_allclose(found, unit * cycles, rtol=0.01, atol=1e-3 * unit)
        np.testing.assert_allclose(
            isthmus.coordinate_spread(ensemble.fit(X), X), unit * spread, rtol=0.01, atol=1e-3 * unit
        )
