"""``isthmus.plot``: rows of a map with labels, with numbers, with some of them missing, or with none."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from matplotlib.colors import same_color
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

import isthmus
from isthmus.plots import CLASS_COLOURS

DIGITS, LABELS = load_digits(return_X_y=True)


@pytest.fixture(scope="module")
def few():
    """Six rows, and a map of them."""
    X = np.random.default_rng(0).standard_normal((6, 3))
    return X, isthmus.LinearAutoencoder(2).fit(X)


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
def test_rows_without_a_label_are_grey_below_the_others(ax, few, y):
    X, model = few
    isthmus.plot(model, X, y, ax=ax)
    *classes, grey = ax.collections
    Z = model.transform(X)
    for points, start in zip([*classes, grey], [0, 2, 1], strict=True):
        np.testing.assert_allclose(points.get_offsets(), Z[[start, start + 3]])
    assert same_color(grey.get_facecolor()[0][:3], "#cccccc")
    assert all(grey.get_zorder() < points.get_zorder() for points in classes)
    for points, colour in zip(classes, CLASS_COLOURS, strict=False):
        assert same_color(points.get_facecolor()[0][:3], colour)


@pytest.mark.parametrize(
    "y", [[None] * 6, [np.nan] * 6, pd.Series([pd.NA] * 6), [""] * 6, pd.array([None] * 6, "string")]
)
def test_where_no_row_has_a_label_all_are_grey(ax, few, y):
    X, model = few
    isthmus.plot(model, X, y, ax=ax)
    (drawn,) = [points for points in ax.collections if len(points.get_offsets())]
    np.testing.assert_allclose(drawn.get_offsets(), model.transform(X))
    assert same_color(drawn.get_facecolor()[0][:3], "#cccccc")


def test_numbers_of_a_nullable_type_are_a_scale_and_what_is_missing_is_grey(ax, few):
    X, model = few
    isthmus.plot(model, X, pd.Series([0.5, None, 2.5, 3.5, 4.5, 5.5], dtype="Float64"), ax=ax)
    grey, points = ax.collections
    np.testing.assert_allclose(grey.get_offsets(), model.transform(X)[[1]])
    np.testing.assert_array_equal(points.get_array(), [0.5, 2.5, 3.5, 4.5, 5.5])


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
