"""Jittered images against scipy.ndimage, and the draws of the jitter against their distributions.

Two more channels hold each pixel's row and column. Bilinear values of these are the place that a pixel's
value was taken from, so that every draw can be read off its picture.
"""

import equinox as eqx
import jax
import numpy as np
import pytest
import scipy.ndimage

from isthmus.objectives.image_jitter import ImageJitter
from objectives.noisy_rows import KEY, SIGMAS, corrupt, training_rows

HEIGHT, WIDTH = 13, 20
MIDDLE = np.array([HEIGHT - 1, WIDTH - 1]) / 2
PLACES = np.stack(np.mgrid[:HEIGHT, :WIDTH], axis=-1).astype(float)
IMAGE = np.random.default_rng(0).uniform(0, 255, (HEIGHT, WIDTH))
INSIDE = np.s_[:, 5:-5, 6:-6]
"""Pixels that take their values from within the picture, in every draw below."""
NONE = {"shift": 0.0, "rotation": 0.0, "zoom": 0.0, "elastic": 0.0}
ROUNDING = 1e-3
"""In grey levels up to 255: places have six digits in float32, and neighbours differ by up to 255."""


def moved(jitter, rows, key=KEY):
    """What the jitter makes of the rows, in one compiled program."""
    return np.asarray(jax.jit(jitter)(rows, key))


def jittered(n, seed=0, **settings):
    """Pictures (n, height, width) of one image, and the places (n, height, width, 2) they come from."""
    image = np.concatenate([IMAGE[..., None], PLACES], axis=-1)
    jitter = ImageJitter((HEIGHT, WIDTH, 3), **{**NONE, **settings})
    rows = np.broadcast_to(image.ravel(), (n, image.size))
    out = moved(jitter, rows, jax.random.key(seed)).reshape(n, HEIGHT, WIDTH, 3)
    return out[..., 0], out[..., 1:].astype(np.float64)


def linear_maps(places):
    """The matrices A, (n, 2, 2), of places − middle = A (pixel − middle), and the residual inside."""
    pixels = (PLACES - MIDDLE)[INSIDE[1:]].reshape(-1, 2)
    found = (places - MIDDLE)[INSIDE].reshape(len(places), -1, 2)
    maps = np.einsum("pi,npj->nji", np.linalg.pinv(pixels).T, found)
    return maps, np.abs(np.einsum("nji,pi->npj", maps, pixels) - found).max()


@pytest.mark.usefixtures("optimised_programs")
@pytest.mark.parametrize("scaling", [None, "standard", "range"])
def test_without_any_jitter_an_image_stays_to_the_last_bit(scaling):
    data = training_rows(np.random.default_rng(1).uniform(0, 16, (40, 12)), scaling)
    corruption, _ = ImageJitter((3, 4), **NONE).bind(data)
    unmoved = eqx.filter_jit(corruption)(data.rows[:], np.zeros((40, 0), np.float32), KEY)
    np.testing.assert_array_equal(unmoved, data.rows[:])


@pytest.mark.parametrize("scaling", [None, "standard", "range"])
def test_pixels_are_moved_in_raw_units(scaling):
    X = np.random.default_rng(1).uniform(0, 16, (40, 12)) * np.arange(1, 13)
    jitter = ImageJitter((3, 4))
    found = corrupt(jitter, training_rows(X, scaling))
    # Grey levels up to 192 in float32, forth and back.
    np.testing.assert_allclose(found, moved(jitter, X), atol=1e-3)


def test_every_picture_is_a_bilinear_one_of_its_places():
    pictures, places = jittered(30, shift=2.0, rotation=40.0, zoom=0.5, elastic=1.0)
    for picture, where in zip(pictures, places, strict=True):
        expected = scipy.ndimage.map_coordinates(
            IMAGE, np.moveaxis(where, -1, 0), order=1, mode="nearest"
        )
        np.testing.assert_allclose(picture, expected, atol=ROUNDING)


def test_a_shift_mixes_rolled_images():
    pictures, places = jittered(2000, shift=2.0)
    moves = (places - PLACES)[INSIDE]
    assert np.ptp(moves, axis=(1, 2)).max() < 1e-5
    moves = moves[:, 0, 0]
    assert np.abs(moves).max() <= 2.0 + 1e-5
    # Uniform on [−2, 2]: variance 4/3, fourth moment 16/5, each way on its own.
    error = SIGMAS / np.sqrt(2000)
    np.testing.assert_allclose(moves.mean(axis=0), 0.0, atol=error * np.sqrt(4 / 3))
    np.testing.assert_allclose(
        np.square(moves).mean(axis=0), 4 / 3, atol=error * np.sqrt(16 / 5 - 16 / 9)
    )
    assert np.mean(moves[:, 0] * moves[:, 1]) == pytest.approx(0.0, abs=error * 4 / 3)
    for picture, move in zip(pictures[:20], moves, strict=False):
        (y, x), (fy, fx) = np.floor(move).astype(int), move % 1
        expected = sum(
            wy * wx * np.roll(IMAGE, (-y - i, -x - j), axis=(0, 1))
            for i, wy in enumerate((1 - fy, fy))
            for j, wx in enumerate((1 - fx, fx))
        )
        np.testing.assert_allclose(picture[INSIDE[1:]], expected[INSIDE[1:]], atol=ROUNDING)


def test_a_rotation_is_that_of_scipy():
    pictures, places = jittered(1000, rotation=25.0)
    maps, residual = linear_maps(places)
    assert residual < 1e-4
    np.testing.assert_allclose(
        maps @ maps.transpose(0, 2, 1), np.broadcast_to(np.eye(2), maps.shape), atol=1e-5
    )
    angles = np.rad2deg(np.arctan2(maps[:, 1, 0], maps[:, 0, 0]))
    assert np.abs(angles).max() <= 25.0 + 1e-3
    # Uniform: mean 0, standard deviation 25/√3.
    assert angles.mean() == pytest.approx(0.0, abs=SIGMAS * 25 / np.sqrt(3 * 1000))
    assert np.abs(angles).mean() == pytest.approx(12.5, abs=SIGMAS * 25 / np.sqrt(12 * 1000))
    for picture, angle in zip(pictures[:10], angles, strict=False):
        expected = scipy.ndimage.rotate(IMAGE, -angle, reshape=False, order=1, mode="nearest")
        # The angle is read off to 1e-6, which moves a pixel ten from the middle by 1e-5.
        np.testing.assert_allclose(picture, expected, atol=10 * ROUNDING)


def test_a_zoom_is_as_often_up_as_down_and_keeps_the_middle():
    pictures, places = jittered(1000, zoom=0.25)
    maps, residual = linear_maps(places)
    assert residual < 1e-4
    size = 1 / maps[:, 0, 0]
    np.testing.assert_allclose(maps, np.eye(2) / size[:, None, None], atol=1e-5)
    share = np.log(size) / np.log(1.25)
    assert np.abs(share).max() <= 1 + 1e-4
    assert share.mean() == pytest.approx(0.0, abs=SIGMAS / np.sqrt(3 * 1000))
    for picture, s in zip(pictures[:10], size, strict=False):
        expected = scipy.ndimage.affine_transform(
            IMAGE, np.full(2, 1 / s), MIDDLE * (1 - 1 / s), order=1, mode="nearest"
        )
        np.testing.assert_allclose(picture, expected, atol=10 * ROUNDING)
    assert np.isfinite(jittered(1000, zoom=50.0)[0]).all()


def test_an_elastic_field_is_as_large_as_said_and_smooth():
    n = 4000
    # Four pixels are over six standard deviations: nothing comes from beyond the edge.
    field = (jittered(n, elastic=0.6)[1] - PLACES)[:, 4:-4, 4:-4]
    middle = field[:, 2, 6]
    # Normal: standard errors 0.6/√n of a mean, 0.6/√2n of a standard deviation.
    np.testing.assert_allclose(middle.mean(axis=0), 0.0, atol=SIGMAS * 0.6 / np.sqrt(n))
    np.testing.assert_allclose(middle.std(axis=0), 0.6, rtol=SIGMAS / np.sqrt(2 * n))
    assert np.corrcoef(middle.T)[0, 1] == pytest.approx(0.0, abs=SIGMAS / np.sqrt(n))
    np.testing.assert_allclose(field.std(axis=0), 0.6, rtol=SIGMAS / np.sqrt(2 * n))
    # Four knots across 13 and 20 pixels, so that neighbours move together, and no line folds back.
    for axis in (1, 2):
        steps = np.diff(field, axis=axis)
        assert steps.std() < 0.3 * 0.6
        assert np.mean(np.abs(steps) > 1) < 1e-6
    # But it is no shift of the whole: two sides have little in common.
    assert abs(np.corrcoef(field[:, 2, 0, 0], field[:, 2, -1, 0])[0, 1]) < 0.5


def test_a_picture_keeps_its_place_on_average():
    n = 4000
    defaults = {"shift": 1.0, "rotation": 10.0, "zoom": 0.1, "elastic": 0.5}
    moves = (jittered(n, **defaults)[1] - PLACES)[INSIDE]
    errors = moves.std(axis=0) / np.sqrt(n)
    # Of a rotation, cos − 1 leaves a mean: ½ · 10°²/3, 0.5 % of a way of up to four pixels; of a zoom
    # the same, 0.1²/6.
    assert np.all(np.abs(moves.mean(axis=0)) < SIGMAS * errors + 0.007 * 4)


def test_each_row_has_a_draw_of_its_own_and_channels_move_together():
    pictures, _ = jittered(2, shift=1.0)
    assert np.abs(pictures[0] - pictures[1]).max() > 1
    images = np.random.default_rng(2).uniform(size=(5, HEIGHT, WIDTH, 3))
    in_colour, in_grey = ImageJitter((HEIGHT, WIDTH, 3)), ImageJitter((HEIGHT, WIDTH))
    together = moved(in_colour, images.reshape(5, -1)).reshape(images.shape)
    for channel in range(3):
        alone = moved(in_grey, images[..., channel].reshape(5, -1))
        np.testing.assert_allclose(together[..., channel].reshape(5, -1), alone, atol=1e-6)


@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (1, HEIGHT * WIDTH), [HEIGHT * WIDTH, 1]])
def test_a_constant_image_stays(shape):
    flat = np.full((20, HEIGHT * WIDTH), 7.5)
    # Weights that sum to one to float32 rounding.
    np.testing.assert_allclose(moved(ImageJitter(shape), flat), flat, rtol=1e-6)


@pytest.mark.parametrize("shape", [8, (8,), (8, 8, 1, 1), "88", (8, 8.0), (0, 8), (8, True)])
def test_shapes_that_are_none_are_refused(shape):
    with pytest.raises(ValueError, match=r"ImageJitter\(shape="):
        ImageJitter(shape)


@pytest.mark.parametrize("setting", NONE)
@pytest.mark.parametrize("value", [-0.1, np.inf, np.nan, None])
def test_settings_that_are_no_size_are_refused(setting, value):
    with pytest.raises(ValueError, match=rf"ImageJitter\({setting}="):
        ImageJitter((8, 8), **{setting: value})


def test_an_image_must_have_as_many_pixels_as_there_are_features():
    with pytest.raises(ValueError, match="the shape has 63 pixels, and the data have 64 features"):
        ImageJitter((7, 9)).bind(training_rows(np.zeros((5, 64))))
