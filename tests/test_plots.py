"""Pictures: what is drawn is where the numbers say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from matplotlib.colors import same_color, to_hex
from matplotlib.transforms import Affine2D
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

import isthmus
from isthmus.plots import (
    CLASS_COLOURS,
    class_map,
    decoded_features,
    decoded_grid,
    dimension_scales,
    histograms,
    image_grid,
    posterior_map,
    value_map,
)

DIGITS, LABELS = load_digits(return_X_y=True)


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


@pytest.fixture(scope="module")
def model():
    return isthmus.LinearAutoencoder(2).fit(DIGITS)


def test_each_class_has_its_points_colour_and_name(ax):
    Z = np.random.default_rng(0).standard_normal((60, 2))
    labels = np.array(["cat", "dog", "owl"])[np.arange(60) % 3]
    class_map(ax, Z, labels)
    assert [text.get_text() for text in ax.texts] == ["cat", "dog", "owl"]
    for text, points in zip(ax.texts, ax.collections, strict=True):
        of_class = Z[labels == text.get_text()]
        np.testing.assert_array_equal(points.get_offsets(), of_class)
        np.testing.assert_allclose(text.get_position(), np.median(of_class, axis=0))
        assert same_color(text.get_color(), points.get_facecolor()[0][:3])
    colours = {text.get_color() for text in ax.texts}
    assert len(colours) == 3


def test_names_that_would_cover_each_other_or_the_points_are_beside_the_plane(ax):
    Z = np.random.default_rng(0).standard_normal((60, 2))
    class_map(ax, Z, np.repeat(["Adelie", "Gentoo"], 30))  # in one place
    assert not ax.texts
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["Adelie", "Gentoo"]


def test_a_long_name_is_beside_the_plane(ax):
    Z = np.repeat([[0.0, 0.0], [5.0, 5.0]], 30, axis=0)
    class_map(ax, Z, np.repeat(["a", "a name that would cover all of it"], 30))
    assert ax.get_legend() is not None
    assert not ax.texts


def test_no_two_classes_look_alike_in_points_and_legend(ax):
    Z = np.repeat(np.random.default_rng(0).standard_normal((3, 2)), 34, axis=0)
    labels = [f"class {k:02}" for k in range(33)] + [""]
    class_map(ax, Z, labels * 3)

    def looks(handle):
        shape = handle.get_paths()[0].transformed(Affine2D(handle.get_transforms()[0])).vertices
        outline = shape / np.abs(shape).max()
        return to_hex(handle.get_facecolor()[0]), len(outline), tuple(outline.round(6).ravel())

    points = {handle.get_label(): looks(handle) for handle in ax.collections}
    assert len(set(points.values())) == 34
    legend = ax.get_legend()
    names = [text.get_text() for text in legend.get_texts()]
    assert names == [*labels[:-1], "no label"]
    for name, handle in zip(names, legend.legend_handles, strict=True):
        assert looks(handle) == points[name]
    for k in (0, 3, 13, 23):
        assert points[f"class {k:02}"][0] == CLASS_COLOURS[k % 10]
    shapes = [
        {points[f"class {k:02}"][1:] for k in range(ten, min(ten + 10, 33))} for ten in (0, 10, 20, 30)
    ]
    assert all(len(shape) == 1 for shape in shapes)


def test_no_two_of_forty_classes_look_alike_in_a_histogram(ax):
    histograms(ax, np.arange(80.0), np.arange(80) % 40)

    def look(patch):  # get_linestyle is "solid" of every patch in a legend, however it is drawn
        offset, dashes = patch._dash_pattern
        return to_hex(patch.get_edgecolor()), offset, dashes and tuple(dashes)

    drawn = [look(patch) for patch in ax.patches]
    assert len(set(drawn)) == 40
    assert {dashes for *_, dashes in drawn[:10]} == {None}
    assert [look(handle) for handle in ax.get_legend().legend_handles] == drawn


WITHOUT = {
    "NaN": pd.Series(["cat", np.nan, "dog", "cat", np.nan, "dog"]),
    "NA": pd.Series(["cat", None, "dog", "cat", None, "dog"], dtype="string"),
    "None": ["cat", None, "dog", "cat", None, "dog"],
    "empty": ["cat", "", "dog", "cat", " ", "dog"],
    "integers": pd.Series([1, None, 2, 1, None, 2], dtype="Int64"),
    "Arrow": pa.array([1, None, 2, 1, None, 2]),
    "category of integers": pd.Series([1, None, 2, 1, None, 2], dtype=pd.CategoricalDtype([1, 2])),
    "category": pd.Series(["cat", None, "dog", "cat", None, "dog"], dtype="category"),
    "day": pd.to_datetime(["2020-01-01", None, "2020-01-02", "2020-01-01", None, "2020-01-02"]),
}


@pytest.mark.parametrize("y", WITHOUT.values(), ids=WITHOUT)
def test_rows_without_a_label_are_grey_below_the_others(ax, y):
    X = np.random.default_rng(0).standard_normal((6, 3))
    model = isthmus.LinearAutoencoder(2).fit(X)
    isthmus.plot(model, X, y, ax=ax)
    *classes, grey = ax.collections
    Z = model.transform(X)
    for points, start in zip([*classes, grey], [0, 2, 1], strict=True):
        np.testing.assert_allclose(points.get_offsets(), Z[[start, start + 3]])
    assert same_color(grey.get_facecolor()[0][:3], "#cccccc")
    assert all(grey.get_zorder() < points.get_zorder() for points in classes)
    for points, colour in zip(classes, CLASS_COLOURS, strict=False):
        assert same_color(points.get_facecolor()[0][:3], colour)


@pytest.mark.parametrize("labels", [["Adelie", "Gentoo"] * 30, ["Adelie", "", "Gentoo"] * 20])
def test_rows_without_a_label_are_called_so_beside_the_plane(ax, labels):
    Z = np.repeat(np.random.default_rng(0).standard_normal((10, 2)), 6, axis=0)  # all in one place
    class_map(ax, Z, labels)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["Adelie", "Gentoo", "no label"][: len(set(labels))]


def test_on_the_plane_no_name_is_written_for_rows_without_a_label(ax):
    Z = np.repeat(np.eye(2), 30, axis=0) + np.random.default_rng(0).normal(scale=0.1, size=(60, 2))
    labels = np.repeat(["a", "b"], 30)
    labels[::5] = ""
    class_map(ax, Z, labels)
    assert ax.get_legend() is None
    for text in ax.texts:
        middle = np.median(Z[labels == text.get_text()], axis=0)
        np.testing.assert_allclose(text.get_position(), middle)
    assert [text.get_text() for text in ax.texts] == ["a", "b"]


def test_means_without_a_label_are_grey_below_the_others(ax):
    mean = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    posterior_map(ax, mean, np.ones((3, 2)), ["a", None, "b"])
    grey = ax.collections[-1]
    np.testing.assert_array_equal(grey.get_offsets(), mean[[1]])
    assert same_color(grey.get_facecolor()[0][:3], "#cccccc")
    assert grey.get_zorder() < min(ellipses.get_zorder() for ellipses in ax.collections[:-1])
    assert [text.get_text() for text in ax.texts] == ["a", "b"]


@pytest.mark.parametrize(
    "y", [[None] * 6, [np.nan] * 6, pd.Series([pd.NA] * 6), [""] * 6, pd.array([None] * 6, "string")]
)
def test_where_no_row_has_a_label_all_are_grey(ax, y):
    X = np.random.default_rng(0).standard_normal((6, 3))
    model = isthmus.LinearAutoencoder(2).fit(X)
    isthmus.plot(model, X, y, ax=ax)
    (drawn,) = [points for points in ax.collections if len(points.get_offsets())]
    np.testing.assert_allclose(drawn.get_offsets(), model.transform(X))
    assert same_color(drawn.get_facecolor()[0][:3], "#cccccc")


def test_numbers_of_a_nullable_type_are_a_scale_and_what_is_missing_is_grey(ax):
    X = np.random.default_rng(0).standard_normal((6, 3))
    model = isthmus.LinearAutoencoder(2).fit(X)
    isthmus.plot(model, X, pd.Series([0.5, None, 2.5, 3.5, 4.5, 5.5], dtype="Float64"), ax=ax)
    grey, points = ax.collections
    np.testing.assert_allclose(grey.get_offsets(), model.transform(X)[[1]])
    np.testing.assert_array_equal(points.get_array(), [0.5, 2.5, 3.5, 4.5, 5.5])


@pytest.mark.parametrize("at", [0.0, 12.0, -12.0])
@pytest.mark.parametrize(
    "draw", [class_map, lambda ax, Z, y: posterior_map(ax, Z, np.full(Z.shape, 0.02), y)]
)
def test_no_name_hides_a_small_class(ax, draw, at):
    rng = np.random.default_rng(0)
    large = rng.uniform(-5, 5, (400, 2)) - [6.0, 0.0]
    small = rng.normal([5.0, at], 0.05, (60, 2))
    draw(ax, np.concatenate([large, small]), np.repeat(["a", "b"], [400, 60]))
    on_it, beside = ax.texts
    np.testing.assert_allclose(on_it.get_position(), np.median(large, axis=0))
    ax.figure.canvas.draw()
    low, high = ax.transData.transform(np.quantile(small, [0.05, 0.95], axis=0))
    name = beside.get_window_extent()
    distance = low[1] - name.y1 if at == 12.0 else name.y0 - high[1]  # below it at the top
    assert 0 <= distance + 1e-6 < name.height / 2
    assert name.x0 < ax.transData.transform(np.median(small, axis=0))[0] < name.x1
    window = ax.get_window_extent()
    assert window.y0 < name.y0 < name.y1 < window.y1


def test_where_a_name_would_hide_another_class_all_are_beside_the_plane(ax):
    rng = np.random.default_rng(0)
    large = rng.uniform(-5, 5, (400, 2))
    small = rng.normal(np.median(large, axis=0), 0.01, (60, 2)) + np.array([0.0, 0.1])
    far = rng.normal([9.0, 0.0], 0.5, (60, 2))
    class_map(ax, np.concatenate([large, far, small]), np.repeat(["a", "b", "c"], [400, 60, 60]))
    assert not ax.texts
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b", "c"]


def test_a_unit_is_as_long_across_as_up_and_every_point_is_inside(ax):
    Z = np.random.default_rng(0).standard_normal((60, 2)) * [10.0, 1.0] + [3.0, -2.0]
    class_map(ax, Z, np.zeros(60))
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    assert right - left == pytest.approx(high - low)
    assert ax.get_aspect() == 1.0
    assert np.all(([left, low] < Z) & ([right, high] > Z))


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


def test_an_ellipse_reaches_one_standard_deviation_from_the_mean(ax):
    rng = np.random.default_rng(0)
    mean, std = rng.standard_normal((40, 2)), rng.uniform(0.1, 0.5, (40, 2))
    labels = np.arange(40) % 2
    posterior_map(ax, mean, std, labels)
    for text, ellipses in zip(ax.texts, ax.collections, strict=True):
        chosen = labels == int(text.get_text())
        np.testing.assert_array_equal(ellipses.get_offsets(), mean[chosen])
        assert same_color(text.get_color(), ellipses.get_facecolor()[0][:3])
        ax.figure.canvas.draw()
        to_pixels = ellipses.get_transform()
        origin = ax.transData.transform([0.0, 0.0])
        (circle,) = ellipses.get_paths()
        for stretch, deviation in zip(ellipses.get_transforms(), std[chosen], strict=True):
            outline = to_pixels.transform_path(circle.transformed(Affine2D(stretch))).get_extents()
            np.testing.assert_allclose(outline.size / 2, ax.transData.transform(deviation) - origin)
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    assert np.all([left, low] < mean - std)
    assert np.all(mean + std < [right, high])


def test_posterior_needs_a_standard_deviation_for_each_mean(ax):
    with pytest.raises(ValueError, match=r"std of shape \(4,\) for a mean of shape \(4, 2\)"):
        posterior_map(ax, np.zeros((4, 2)), np.ones(4), np.zeros(4))


@pytest.mark.parametrize("draw", [class_map, lambda ax, Z, y: posterior_map(ax, Z, np.ones_like(Z), y)])
def test_every_row_needs_a_label(ax, draw):
    with pytest.raises(ValueError, match=r"one label for each of 4 rows, got labels of shape \(5,\)"):
        draw(ax, np.zeros((4, 2)), np.zeros(5))


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


def test_images_below_zero_are_drawn_from_their_lowest_value(ax):
    images = np.linspace(-3.0, -1.0, 5)[:, None]
    image_grid(ax, images, (1, 1))
    ax.figure.canvas.draw()
    assert ax.images[0].get_clim() == (-3.0, np.quantile(images, 0.995))


def test_components_that_leave_nothing_out_have_a_plain_axis(ax):
    X = np.random.default_rng(0).standard_normal((50, 1))
    isthmus.intrinsic_dimension(X, "pca").plot(ax)
    assert ax.get_xscale() == "linear"


@pytest.mark.parametrize(
    "values", [np.zeros(5), np.ones(5), 1 + 1e-8 * np.arange(5), np.full(5, np.nan)]
)
def test_equal_values_have_one_colour(ax, values):
    value_map(ax, np.eye(5, 2), values, "height")
    low, high = ax.collections[1].get_clim()
    assert high - low > 0.1


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


def test_there_must_be_a_value_for_each_point(ax):
    with pytest.raises(ValueError, match=r"one value for each of 5 rows, got shape \(4,\)"):
        value_map(ax, np.eye(5, 2), np.ones(4), "height")
    with pytest.raises(ValueError, match=r"expected coordinates of shape \(n, 2\)"):
        value_map(ax, np.eye(5, 3), np.ones(5), "height")


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


def test_one_line_draws_the_map(model):
    ax = isthmus.plot(model, DIGITS, LABELS)
    drawn = np.concatenate([points.get_offsets() for points in ax.collections])
    order = np.argsort(LABELS, kind="stable")
    np.testing.assert_allclose(drawn, model.transform(DIGITS)[order])
    assert [text.get_text() for text in ax.texts] == [str(digit) for digit in range(10)]
    plt.close(ax.figure)


def test_numbers_are_a_colour_scale_with_the_name_of_the_column(ax, model):
    ink = pd.Series(DIGITS.sum(axis=1), name="ink")
    isthmus.plot(model, DIGITS, ink, ax=ax)
    np.testing.assert_allclose(ax.collections[-1].get_array(), ink)
    assert ax.figure.axes[1].get_ylabel() == "ink"


def test_numbers_without_a_name_get_one(ax, model):
    isthmus.plot(model, DIGITS, DIGITS.sum(axis=1), y_name="ink", ax=ax)
    assert ax.figure.axes[1].get_ylabel() == "ink"


def test_without_labels_all_rows_have_one_colour(ax, model):
    isthmus.plot(model, DIGITS, ax=ax)
    (points,) = ax.collections
    np.testing.assert_allclose(points.get_offsets(), model.transform(DIGITS))
    assert len(points.get_facecolor()) == 1


def test_of_more_coordinates_the_first_two_are_drawn_and_it_says_so(ax):
    model = isthmus.LinearAutoencoder(5).fit(DIGITS)
    isthmus.plot(model, DIGITS, ax=ax)
    np.testing.assert_allclose(ax.collections[0].get_offsets(), model.transform(DIGITS)[:, :2])
    assert ax.get_ylabel() == "coordinate 1 of 5"


def test_one_coordinate_is_a_histogram_of_each_class(ax):
    model = isthmus.LinearAutoencoder(1).fit(DIGITS)
    isthmus.plot(model, DIGITS, LABELS < 5, ax=ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["False", "True"]
    heights = [patch.get_xy()[:, 1] for patch in ax.patches]
    z, edges = model.transform(DIGITS)[:, 0], np.unique(ax.patches[0].get_xy()[:, 0])
    for line, of_class in zip(heights, (LABELS >= 5, LABELS < 5), strict=True):
        assert line.max() == np.histogram(z[of_class], edges)[0].max()


def test_values_without_a_label_have_a_line_of_their_own(ax):
    model = isthmus.LinearAutoencoder(1).fit(DIGITS)
    y = np.where(LABELS < 5, "low", "high").astype(object)
    y[LABELS == 3] = None
    isthmus.plot(model, DIGITS, y, ax=ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["high", "low", "no label"]
    *lines, grey = ax.patches
    assert same_color(grey.get_edgecolor(), "#cccccc")
    assert all(grey.get_zorder() < line.get_zorder() for line in lines)
    heights = np.histogram(model.transform(DIGITS)[LABELS == 3, 0], np.unique(grey.get_xy()[:, 0]))[0]
    assert grey.get_xy()[:, 1].max() == heights.max()


def test_many_categories_are_classes_and_as_many_integers_a_scale(ax, model):
    y = np.arange(90) % 30
    isthmus.plot(model, DIGITS[:90], pd.Categorical(y), ax=ax)
    assert len(ax.collections) == 30
    ax.clear()
    isthmus.plot(model, DIGITS[:90], y, ax=ax)
    assert len(ax.collections) == 2  # rows with a value, and none without


def test_labels_must_fit_the_rows(ax, model):
    with pytest.raises(ValueError, match="one label for each of 1797 rows"):
        isthmus.plot(model, DIGITS, LABELS[:5], ax=ax)
    with pytest.raises(TypeError, match="fitted map"):
        isthmus.plot(KMeans(2, n_init=1).fit(DIGITS), DIGITS, ax=ax)
