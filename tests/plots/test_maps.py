"""Pictures of decoded places, images, values and dimensions: what is drawn is where the numbers say."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.datasets import load_digits

import isthmus
from isthmus.plots import (
    bars,
    class_map,
    curves,
    decoded_features,
    decoded_grid,
    dimension_scales,
    dots,
    figure_in_memory,
    image_grid,
    loading_bars,
    value_map,
)

DIGITS = load_digits().data


def test_a_tile_shows_what_its_middle_decodes_to(ax, model):
    Z = model.transform(DIGITS)
    decoded_grid(ax, model, Z, (8, 8), n_across=9)
    assert 20 < len(ax.images) <= 81
    distances = []
    for image in ax.images:
        left, right, low, high = image.get_extent()
        middle = np.array([[(left + right) / 2, (low + high) / 2]])
        expected = model.inverse_transform(middle).reshape(8, 8)
        np.testing.assert_allclose(image.get_array(), expected, atol=1e-6 * np.abs(expected).max())
        distances.append(np.min(np.linalg.norm(Z - middle, axis=1)))
        # The first row of the image is at the top.
        assert image.origin == "upper"
    # Where there are no data nothing was learnt, and nothing is drawn.
    assert max(distances) < (ax.get_xlim()[1] - ax.get_xlim()[0]) / 9


@pytest.mark.parametrize("shape", [(4, 3), (4, 1), (4,)])
def test_maps_need_two_coordinates(ax, model, shape):
    with pytest.raises(ValueError, match="shape \\(n, 2\\)"):
        class_map(ax, np.zeros(shape), np.zeros(4))
    with pytest.raises(ValueError, match="shape \\(n, 2\\)"):
        decoded_grid(ax, model, np.zeros(shape), (8, 8))


def test_images_must_have_as_many_pixels_as_features(ax, model):
    with pytest.raises(ValueError, match="has 63 pixels, but the model decodes to 64"):
        decoded_grid(ax, model, model.transform(DIGITS), (9, 7))


def test_images_are_read_like_text(ax):
    image_grid(ax, DIGITS[:7], (8, 8), n_across=3, darkest=16.0)
    middles = []
    for row, image in zip(DIGITS, ax.images, strict=False):
        np.testing.assert_array_equal(image.get_array(), row.reshape(8, 8))
        assert image.get_clim() == (0.0, 16.0)
        left, right, low, high = image.get_extent()
        middles.append([(left + right) / 2, (low + high) / 2])
    lines = [(0.5, 2.5), (1.5, 2.5), (2.5, 2.5), (0.5, 1.5), (1.5, 1.5), (2.5, 1.5), (0.5, 0.5)]
    np.testing.assert_allclose(middles, lines)
    assert ax.axis() == (0, 3, 0, 3)


def test_a_grid_is_as_dark_as_its_darkest_pixels(ax):
    images = np.linspace(0.0, 1.0, 2001).reshape(-1, 1)
    image_grid(ax, images[::100], (1, 1))
    assert ax.images[0].get_clim()[1] == pytest.approx(np.quantile(images[::100], 0.995))


def test_a_grid_says_which_shape_does_not_fit(ax):
    with pytest.raises(ValueError, match=r"has 63 pixels, but images of shape \(5, 64\) came"):
        image_grid(ax, DIGITS[:5], (9, 7))


def test_images_below_zero_are_drawn_from_their_lowest_value(ax):
    images = np.linspace(-3.0, -1.0, 5)[:, None]
    image_grid(ax, images, (1, 1))
    ax.figure.canvas.draw()
    assert ax.images[0].get_clim() == (-3.0, np.quantile(images, 0.995))


def test_decoded_features_are_where_they_decode_from(model):
    Z = model.transform(DIGITS)
    figure, axes = plt.subplots(1, 3)
    names = [f"pixel {j}" for j in range(64)]
    decoded_features(axes, model.inverse_transform, Z, [20, 43], names, n_across=40)
    assert [ax.get_title() for ax in axes[:2]] == ["pixel 20", "pixel 43"]
    assert [ax.get_visible() for ax in axes] == [True, True, False]
    for ax, feature in zip(axes, (20, 43), strict=False):
        image = ax.images[0]
        left, right, low, _ = image.get_extent()
        side = (right - left) / 40
        values = np.ma.filled(image.get_array(), np.nan)
        line, column = np.argwhere(np.isfinite(values))[100]
        point = np.array([[left + (column + 0.5) * side, low + (line + 0.5) * side]])
        decoded = model.inverse_transform(point)[0, feature]
        assert values[line, column] == pytest.approx(decoded, rel=1e-5)
        # Blank where no row is near.
        assert np.isnan(values).mean() > 0.2
    plt.close(figure)


def test_values_are_colours_of_a_scale_and_what_is_not_finite_is_grey(ax):
    Z = np.random.default_rng(0).standard_normal((50, 2))
    values = np.arange(50.0)
    values[7] = np.nan
    value_map(ax, Z, values, "height")
    grey, points = ax.collections
    np.testing.assert_array_equal(grey.get_offsets(), Z[[7]])
    np.testing.assert_array_equal(points.get_offsets(), np.delete(Z, 7, axis=0))
    np.testing.assert_array_equal(points.get_array(), np.delete(values, 7))
    assert points.get_clim() == tuple(np.quantile(np.delete(values, 7), [0.01, 0.99]))
    assert ax.figure.axes[1].get_ylabel() == "height"


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
def test_colours_span_the_values_whatever_their_unit(ax, size):
    values = size * np.linspace(0.5, 1, 5)
    value_map(ax, np.eye(5, 2), values, "height")
    assert ax.collections[1].get_clim() == tuple(np.quantile(values, [0.01, 0.99]))


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_a_disc_is_as_large_as_asked_for_whatever_the_values(ax, unit):
    value_map(ax, np.eye(5, 2), unit * np.array([1.0, 2.0, 3.0, 4.0, np.nan]), "height", size=7.0)
    for discs in ax.collections:
        assert discs.get_sizes().tolist() == [7.0]


@pytest.mark.parametrize(
    "values", [np.zeros(5), np.ones(5), 1 + 1e-8 * np.arange(5), np.full(5, np.nan)]
)
def test_equal_values_have_one_colour(ax, values):
    value_map(ax, np.eye(5, 2), values, "height")
    low, high = ax.collections[1].get_clim()
    assert high - low > 0.1


def test_there_must_be_a_value_for_each_point(ax):
    with pytest.raises(ValueError, match=r"one value for each of 5 rows, got shape \(4,\)"):
        value_map(ax, np.eye(5, 2), np.ones(4), "height")
    with pytest.raises(ValueError, match=r"expected coordinates of shape \(n, 2\)"):
        value_map(ax, np.eye(5, 3), np.ones(5), "height")


def test_components_that_leave_nothing_out_have_a_plain_axis(ax):
    X = np.random.default_rng(0).standard_normal((50, 1))
    isthmus.intrinsic_dimension(X, "pca").plot(ax)
    assert ax.get_xscale() == "linear"


def test_the_dimension_is_drawn_over_its_scales(ax):
    """Noise in a plane: high-dimensional at small scales, two-dimensional at large ones."""
    rng = np.random.default_rng(0)
    rows = np.zeros((2000, 10))
    rows[:, :2] = rng.uniform(0, 1, (2000, 2))
    found = isthmus.intrinsic_dimension(rows + 0.01 * rng.standard_normal(rows.shape), "gride")
    dimension_scales(ax, found.scales)
    (line, _, (bars,)) = ax.containers[0].lines
    np.testing.assert_allclose(line.get_xdata(), [scale.distance for scale in found.scales])
    np.testing.assert_allclose(line.get_ydata(), [scale.estimate for scale in found.scales])
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, [(scale.low, scale.high) for scale in found.scales])
    assert line.get_ydata()[0] > 3.5 > 2.4 > line.get_ydata()[-1]


def test_names_of_the_data_are_no_formulas(model):
    Z = np.random.default_rng(0).standard_normal((9, 2))
    name = "$a_$"
    axes = figure_in_memory(6, 6).subplots(3, 2).ravel()
    value_map(axes[0], Z, Z[:, 0], name)
    decoded_features(axes[1:2], model.inverse_transform, Z, [0], [name] * 12, n_across=4)
    loading_bars(axes[2], [name], np.ones(1), np.ones(1))
    bars(axes[3], [name], [0.5], [0.1])
    curves(axes[4], np.array([5, 10]), {name: np.array([0.2, 0.3])})
    dots(axes[5], [name], {name: [0.25]})
    axes[0].figure.canvas.draw()  # a formula that ends in "_" is an error


def test_a_line_is_drawn_for_each_of_many(ax):
    many = {str(k): np.array([0.1, 0.2]) for k in range(12)}
    curves(ax, np.array([5, 10]), many)
    dots(ax, ["PCA", "t-SNE"], many)
    assert len(ax.lines) == 24
