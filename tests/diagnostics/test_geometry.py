"""Geometry of a map against surfaces whose geometry is known: a plane, a swiss roll, a sphere."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from sklearn.base import BaseEstimator
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA

import isthmus
from isthmus.data.scaling import Scaling


class Surface(BaseEstimator):
    """A map of which there is only the decoder: the parametrisation of a surface."""

    n_components_ = 2

    def __init__(self, decode):
        self.decode = decode
        self.n_features_in_ = 3
        self.scaling_ = Scaling(np.zeros(3), np.ones(3))
        self.network_ = SimpleNamespace(decode_centred=decode)

    def fit(self, X=None):
        return self

    def __sklearn_is_fitted__(self):
        return True


def roll(z):
    """(t, h) → (t cos t, h, t sin t)."""
    t, h = z[..., 0], z[..., 1]
    return jnp.stack([t * jnp.cos(t), h, t * jnp.sin(t)], axis=-1)


def sphere(z):
    """Longitude and latitude on the sphere of radius 2."""
    u, v = z[..., 0], z[..., 1]
    return 2 * jnp.stack([jnp.cos(v) * jnp.cos(u), jnp.cos(v) * jnp.sin(u), jnp.sin(v)], axis=-1)


ROLL, SPHERE = Surface(roll), Surface(sphere)
POINTS = np.random.default_rng(0).uniform([0.5, -1.0], [6.0, 1.0], (200, 2))


@pytest.fixture(scope="module")
def curved():
    """A trained map of a curved surface, whose rows have names."""
    rng = np.random.default_rng(0)
    X = np.asarray(roll(rng.uniform([1.5, 0.0], [4.5, 3.0], (1000, 2))))
    return isthmus.Autoencoder(2, widths=(32,), max_epochs=100, random_state=0).fit(X), X


def test_the_metric_of_a_swiss_roll():
    """ds² = (1 + t²) dt² + dh²."""
    expected = np.zeros((200, 2, 2))
    expected[:, 0, 0], expected[:, 1, 1] = 1 + POINTS[:, 0] ** 2, 1.0
    np.testing.assert_allclose(isthmus.metric(ROLL, POINTS), expected, rtol=1e-5, atol=1e-5)


def test_area_and_anisotropy_of_a_sphere():
    """ds² = 4 (cos² v du² + dv²): the area shrinks towards the poles, and circles become ellipses."""
    found = isthmus.distortion(SPHERE, POINTS)
    np.testing.assert_allclose(found.area, 4 * np.cos(POINTS[:, 1]), rtol=1e-5)
    np.testing.assert_allclose(found.anisotropy, 1 / np.cos(POINTS[:, 1]), rtol=1e-5)


def test_where_the_decoder_stands_still_anisotropy_is_infinite():
    crease = Surface(lambda z: jnp.stack([z[..., 0], 0 * z[..., 1], z[..., 0]], axis=-1))
    found = isthmus.distortion(crease, POINTS)
    assert np.isinf(found.anisotropy).all()
    np.testing.assert_allclose(found.area, 0.0, atol=1e-6)
    point = Surface(lambda z: jnp.zeros((*z.shape[:-1], 3)))
    np.testing.assert_array_equal(isthmus.distortion(point, POINTS).anisotropy, 1.0)


def test_the_metric_is_that_of_the_jacobian(curved):
    model, X = curved
    Z = model.transform(X)
    J = isthmus.decoder_jacobian(model, Z).astype(float)
    np.testing.assert_allclose(isthmus.metric(model, Z), np.swapaxes(J, 1, 2) @ J, rtol=1e-4, atol=1e-4)


def test_features_of_a_jacobian_are_the_circle_of_an_angle_and_each_category():
    """By the chain rule, d/dφ is that along the circle: −sin times the first feature, cos the second."""
    rng = np.random.default_rng(0)
    hours = rng.uniform(0.0, 24.0, 300)
    X = np.column_stack([hours, rng.integers(0, 3, 300), np.cos(hours * np.pi / 12)])
    model = isthmus.LinearAutoencoder(2, periodic={0: 24}, categorical=[1], scaling="standard").fit(X)
    J = isthmus.jacobian(model, X)
    assert J.shape == (300, 2, 6)
    assert isthmus.decoder_jacobian(model, model.transform(X)).shape == (300, 6, 2)
    names = isthmus.loadings(model, X).feature_names
    assert names == ("x0 cos", "x0 sin", "x1=0.0", "x1=1.0", "x1=2.0", "x2")
    step = np.array([0.01, 0.0, 0.0])
    along = (model.transform(X + step).astype(float) - model.transform(X - step)) / 0.02
    angle = hours[:, None] * np.pi / 12
    np.testing.assert_allclose(along, np.cos(angle) * J[:, :, 1] - np.sin(angle) * J[:, :, 0], atol=1e-3)


def test_loadings_of_a_linear_model_are_the_components_of_pca():
    frame = load_iris(as_frame=True).data
    found = isthmus.loadings(isthmus.LinearAutoencoder(2).fit(frame), frame)
    components = PCA(2).fit(frame).components_
    signs = np.sign(np.sum(found.mean * components, axis=1))
    expected = np.broadcast_to(components * signs[:, None], found.values.shape)
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    np.testing.assert_allclose(found.strength, np.abs(components), atol=1e-6)
    strongest = found.strongest(0, 2)
    order = np.argsort(-np.abs(components[0]))[:2]
    assert list(strongest) == [frame.columns[j] for j in order]
    np.testing.assert_allclose([one.mean for one in strongest.values()], found.mean[0, order])
    np.testing.assert_allclose([one.strength for one in strongest.values()], found.strength[0, order])
    assert str(found).splitlines()[1].startswith(f"coordinate 0: {frame.columns[order[0]]}")
    with pytest.raises(ValueError, match="coordinate=2 of 2: they are numbered from 0 to 1"):
        found.strongest(2)
    with pytest.raises(ValueError, match="n=0: expected an integer of at least 1"):
        found.plot(n=0)


def test_loadings_of_a_curved_map_change_from_place_to_place(curved):
    model, X = curved
    found = isthmus.loadings(model, X)
    J = isthmus.decoder_jacobian(model, model.transform(X))
    np.testing.assert_array_equal(found.values, np.swapaxes(J, 1, 2))
    assert found.feature_names == ("x0", "x1", "x2")
    # The roll turns by 172 degrees, and with it what a step along the first coordinate does.
    assert np.all(found.strength >= np.abs(found.mean) - 1e-9)
    assert found.values.std(axis=0).max() > 0.3 * found.strength.max()


def test_the_geodesic_on_a_swiss_roll_is_straight_on_the_unrolled_sheet():
    """Unrolled, the sheet is flat with the coordinates s(t) = ∫ √(1 + t²) dt and h."""
    z0, z1 = np.array([0.5, -1.0]), np.array([6.0, 4.0])
    way = isthmus.geodesic(ROLL, z0, z1, n_points=128)
    s = quad(lambda t: np.sqrt(1 + t * t), z0[0], z1[0])[0]
    assert way.converged
    assert way.length == pytest.approx(np.hypot(s, 5.0), rel=1e-3)
    straight = quad(lambda t: np.hypot(np.sqrt(1 + t * t), 5.0 / 5.5), z0[0], z1[0])[0]
    assert way.straight_length == pytest.approx(straight, rel=1e-4)
    assert straight > 1.005 * way.length
    np.testing.assert_allclose(way.points[[0, -1]], [z0, z1])
    t, h = way.points.T
    unrolled = np.array([quad(lambda t: np.sqrt(1 + t * t), z0[0], end)[0] for end in t])
    np.testing.assert_allclose((h + 1) / 5, unrolled / s, atol=2e-3)


@pytest.mark.parametrize(("z0", "z1"), [((0.0, 1.0), (2.0, 1.0)), ((0.2, -0.4), (1.5, 0.9))])
def test_the_geodesic_on_a_sphere_is_a_great_circle(z0, z1):
    way = isthmus.geodesic(SPHERE, z0, z1, n_points=128)
    ends = np.asarray(sphere(jnp.array([z0, z1])), float)
    angle = np.arccos(ends[0] @ ends[1] / 4)
    assert way.length == pytest.approx(2 * angle, rel=1e-3)
    normal = np.cross(*ends)
    off = way.rows @ normal / np.linalg.norm(normal)
    assert np.abs(off).max() < 5e-3
    steps = np.linalg.norm(np.diff(way.rows, axis=0), axis=1)
    np.testing.assert_allclose(steps, steps.mean(), rtol=0.01)


def test_a_hill_in_the_way_is_gone_around():
    """Over a hill the straight line is a shortest way too, of those near by; around it is shorter."""
    height, width = 4.0, 0.5

    def hill(z):
        up = height * jnp.exp(-jnp.sum(z**2, axis=-1) / (2 * width**2))
        return jnp.concatenate([z, up[..., None]], axis=-1)

    way = isthmus.geodesic(Surface(hill), (-1.5, 0.0), (1.5, 0.0), n_points=128)
    assert way.straight_length > 6
    # Around a circle of three widths, where the hill is a hundredth of its height.
    around = 2 * np.sqrt(1.5**2 - 1.2**2) + 2 * 1.2 * np.arcsin(1.2 / 1.5)
    assert way.length < 1.15 * around
    assert np.abs(way.points[:, 1]).max() > 0.5


def test_the_way_back_is_the_same_way():
    there = isthmus.geodesic(SPHERE, (0.2, -0.4), (1.5, 0.9), n_points=32)
    back = isthmus.geodesic(SPHERE, (1.5, 0.9), (0.2, -0.4), n_points=32)
    assert back.length == pytest.approx(there.length, rel=1e-5)
    np.testing.assert_allclose(back.points[::-1], there.points, atol=5e-3)


def test_between_a_point_and_itself_there_is_no_way():
    way = isthmus.geodesic(SPHERE, (0.2, 0.3), (0.2, 0.3), n_points=5)
    assert (way.length, way.straight_length, way.converged) == (0.0, 0.0, True)


def test_a_trained_maps_geodesic_is_no_longer_than_the_straight_line(curved):
    model, X = curved
    Z = model.transform(X)
    way = isthmus.geodesic(model, Z[0], Z[1])
    assert np.linalg.norm(way.rows[-1] - way.rows[0]) <= way.length <= way.straight_length * (1 + 1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: isthmus.geodesic(SPHERE, (0.0, 1.0, 2.0), (0.0, 1.0)), "3"),
        (lambda: isthmus.geodesic(SPHERE, [[0.0, 1.0], [0.0, 2.0]], (0.0, 1.0)), "are 3 points"),
        (lambda: isthmus.geodesic(SPHERE, (0.0, np.nan), (0.0, 1.0)), "NaN"),
        (lambda: isthmus.geodesic(SPHERE, (0.0, 0.0), (0.0, 1.0), n_points=2), "n_points=2"),
        (lambda: isthmus.metric(SPHERE, np.zeros((3, 4))), "4"),
        (lambda: isthmus.distortion(SPHERE, np.zeros((3, 1))), "1"),
        (lambda: isthmus.loadings(isthmus.LinearAutoencoder(1), np.zeros((3, 1))), "not fitted"),
    ],
)
def test_what_has_no_geometry(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_lengths_of_a_map_that_scales_its_columns_are_those_of_scaled_rows():
    rng = np.random.default_rng(0)
    lengths = rng.standard_normal((60, 3))
    rows = np.c_[lengths, 700 * lengths.sum(axis=1)]
    scaled = isthmus.LinearAutoencoder(2, scaling="standard").fit(rows)
    plain = isthmus.LinearAutoencoder(2).fit((rows - rows.mean(axis=0)) / rows.std(axis=0, ddof=1))
    Z = scaled.transform(rows)
    np.testing.assert_allclose(isthmus.metric(scaled, Z), isthmus.metric(plain, Z), atol=1e-6)
    way = isthmus.geodesic(scaled, Z[0], Z[1])
    assert way.length == pytest.approx(np.linalg.norm(Z[0] - Z[1]), rel=1e-4)
    # The way itself is in the data's own units.
    np.testing.assert_allclose(way.rows[0], scaled.inverse_transform(Z[:1])[0], rtol=1e-4, atol=1e-3)
