"""Intervals of what the map decodes: they hold as often as they say, and are wide where data scatter."""

import numpy as np
import pytest

import isthmus

pytestmark = [
    pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning"),
    pytest.mark.filterwarnings("ignore::isthmus.CollapseWarning"),
]


def drawn(n, seed):
    """A line; across it rows scatter ten times as much on its right as on its left."""
    rng = np.random.default_rng(seed)
    along = rng.uniform(-10, 10, n)
    across = np.where(along > 0, 1.0, 0.1) * rng.standard_normal(n)
    return np.column_stack([along, across, np.full(n, 7.0)])


LINE = isthmus.LinearAutoencoder(1).fit(drawn(2000, 0))
KNOWN, NEW = drawn(2000, 1), drawn(2000, 2)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_hold_for_the_share_that_they_say_on_either_side(level):
    found = isthmus.decoded_interval(LINE, LINE.transform(NEW), KNOWN, level=level)
    inside = np.abs(NEW - found.x_hat) <= found.half_width
    right = NEW[:, 0] > 0
    for side in (right, ~right):
        # A thousand rows of each side, and as many that calibrate: three standard errors are 5 %.
        assert inside[side, 1].mean() == pytest.approx(level, abs=0.05)
    width = found.half_width[:, 1]
    assert np.median(width[right]) == pytest.approx(10 * np.median(width[~right]), rel=0.3)


def test_the_width_is_the_quantile_of_a_gaussian():
    found = isthmus.decoded_interval(LINE, [[5.0]], KNOWN, level=0.9, n_neighbors=200)
    # Of a standard Gaussian 90 % lie within 1.645.
    assert found.half_width[0, 1] == pytest.approx(1.645, rel=0.15)
    np.testing.assert_allclose(found.x_hat, LINE.inverse_transform([[5.0]]))


def test_where_there_are_no_rows_nothing_is_known():
    found = isthmus.decoded_interval(LINE, [[0.0], [9.5], [40.0]], KNOWN)
    assert np.isfinite(found.half_width).all(axis=1).tolist() == [True, True, False]


def test_a_column_that_is_met_exactly_has_no_width():
    assert isthmus.decoded_interval(LINE, [[5.0]], KNOWN).half_width[0, 2] < 1e-9


@pytest.mark.parametrize(("level", "least"), [(0.8, 10), (0.9, 20), (0.95, 40)])
def test_so_many_rows_are_needed_that_one_in_each_half_may_be_outside(level, least):
    narrow = {"level": level, "n_neighbors": 2}
    isthmus.decoded_interval(LINE, [[5.0]], KNOWN[:least], **narrow)
    with pytest.raises(ValueError, match=f"needs {least} at least"):
        isthmus.decoded_interval(LINE, [[5.0]], KNOWN[: least - 1], **narrow)


def test_images_have_intervals_of_their_shape():
    images = np.random.default_rng(0).uniform(size=(200, 4, 5))
    model = isthmus.LinearAutoencoder(2).fit(images[:100])
    found = isthmus.decoded_interval(model, model.transform(images[:3]), images[100:])
    assert found.x_hat.shape == found.half_width.shape == (3, 4, 5)


def test_of_few_known_rows_the_share_is_that_of_the_rank():
    """With 20 rows that calibrate, 19 of 21 places are inside at 90 %: Vovk's exact coverage."""
    inside = []
    for seed in range(150):
        known = drawn(40, 100 + seed)
        new = drawn(50, 1000 + seed)
        found = isthmus.decoded_interval(LINE, LINE.transform(new), known, random_state=seed)
        inside.append(np.mean(np.abs(new[:, 1] - found.x_hat[:, 1]) <= found.half_width[:, 1]))
    error = np.std(inside) / np.sqrt(150)
    assert np.mean(inside) == pytest.approx(19 / 21, abs=3 * error)


def test_missing_entries_of_known_rows_are_left_out():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 3))
    model = isthmus.VariationalAutoencoder(
        1, widths=(4,), max_epochs=2, validation_fraction=0, random_state=0
    ).fit(X[:200])
    gaps = X[200:].copy()
    gaps[::4, 1] = np.nan
    found = isthmus.decoded_interval(model, [[0.0]], gaps)
    assert np.isfinite(found.half_width).all()
    gaps[:, 1] = np.nan
    with pytest.raises(ValueError, match="column 1 has 0 known entries"):
        isthmus.decoded_interval(model, [[0.0]], gaps)


def test_angles_have_no_intervals():
    X = np.column_stack([np.arange(100.0), np.arange(100.0) * 3.6])
    model = isthmus.LinearAutoencoder(1, periodic={1: 360.0}, scaling="standard").fit(X)
    with pytest.raises(ValueError, match="angles or categories"):
        isthmus.decoded_interval(model, [[0.0]], X)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"known": KNOWN[:39]}, ValueError, "known has 39 rows: an interval .* needs 40 at least"),
        ({"level": 0.999, "known": KNOWN[:100]}, ValueError, "needs 2000 at least"),
        ({"level": 1.0}, ValueError, "level"),
        ({"Z": np.zeros((2, 3))}, ValueError, "3"),
        ({"model": "map"}, TypeError, "map"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, error, message):
    given = {"model": LINE, "Z": [[1.0]], "known": KNOWN, "level": 0.9} | arguments
    with pytest.raises(error, match=message):
        isthmus.decoded_interval(given["model"], given["Z"], given["known"], level=given["level"])
