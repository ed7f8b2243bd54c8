"""Pictures of classes: points, ellipses and lines, their colours and their names."""

import numpy as np
import pytest
from matplotlib.colors import same_color, to_hex
from matplotlib.transforms import Affine2D

from isthmus.plots import CLASS_COLOURS, class_map, histograms, posterior_map


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


def test_masked_labels_are_refused_and_labels_without_an_order_are_drawn(ax):
    with pytest.raises(ValueError, match="1 masked entries"):
        class_map(ax, np.zeros((4, 2)), np.ma.masked_equal(np.arange(4), 2))
    class_map(ax, np.zeros((60, 2)), np.array([1, "a"] * 30, object))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["1", "a"]


NAMES = ["$", "$$", "$a_$", "_", "__a"]


@pytest.mark.parametrize("draw", [class_map, histograms])
def test_a_name_is_no_formula_and_is_in_the_legend(ax, draw):
    labels = [*NAMES, "a name that would cover all of it"] * 4
    Z = np.random.default_rng(0).standard_normal((len(labels), 2))
    draw(ax, Z if draw is class_map else Z[:, 0], labels)
    ax.figure.canvas.draw()
    # Zero width, so that it does not show.
    names = [text.get_text().lstrip("\u200b") for text in ax.get_legend().get_texts()]
    assert {name.replace(r"\$", "$") for name in names} == set(labels)
