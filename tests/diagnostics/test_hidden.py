"""What a map hides of a target."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

import isthmus
from isthmus.diagnostics.hidden import Hidden

RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((800, 3)) * [3.0, 2.0, 1.0]
PLANE = isthmus.LinearAutoencoder(2).fit(ROWS)
"""It leaves out the third column, which knows nothing of the others."""


def test_a_class_that_only_the_rest_knows_is_hidden_and_named():
    y = np.where(ROWS[:, 2] > 0, "above", "below")
    found = isthmus.hidden(PLANE, ROWS, y)
    # The map alone can only guess; with the rest, only rows near zero are uncertain.
    assert found.score_of_map == pytest.approx(0.5, abs=0.06)
    assert found.score_with_rest > 0.9
    assert found.interval[0] < found.gain < found.interval[1]
    assert found.gain == pytest.approx(0.45, abs=0.08)
    assert found.p_value == pytest.approx(1 / 201)
    assert {found.pair.first, found.pair.second} == {"above", "below"}
    assert found.pair.mistaken > 5 * found.pair.mistaken_with_rest
    assert "hides the difference between above and below" in str(found)


def test_a_class_that_the_map_shows_is_not_hidden():
    found = isthmus.hidden(PLANE, ROWS, ROWS[:, 0] > 0)
    assert found.score_of_map > 0.9
    assert found.p_value > 0.05
    assert found.pair is None
    assert "nothing more" in found.verdict


def test_chance_is_found_as_often_as_it_should_be():
    """Of labels that nobody knows, one in twenty would have p below 5 %."""
    p_values = [
        isthmus.hidden(
            PLANE, ROWS[:200], np.random.default_rng(seed).integers(0, 3, 200), n_permutations=40
        ).p_value
        for seed in range(60)
    ]
    # Binomial(60, 1/20) exceeds 8 once in four hundred times.
    assert np.sum(np.array(p_values) < 0.05) <= 8
    assert 0.35 < np.mean(p_values) < 0.65


def test_of_numbers_it_is_the_part_of_the_variance():
    # Half of the variance of y is that of the rest, half that of the first coordinate.
    y = ROWS[:, 0] / 3 + ROWS[:, 2]
    found = isthmus.hidden(PLANE, ROWS, y)
    assert found.score == "R²"
    # Ten neighbours know the half to a tenth of the other: R² = 1 − 1.1/2.
    assert found.score_of_map == pytest.approx(0.45, abs=0.08)
    assert found.gain == pytest.approx(0.5, abs=0.08)
    assert found.pair is None


def test_of_three_classes_the_two_that_are_confused_are_named():
    y = np.where(ROWS[:, 0] > 2, 7, np.where(ROWS[:, 2] > 0, 4, 9))
    pair = isthmus.hidden(PLANE, ROWS, y).pair
    assert {pair.first, pair.second} == {"4", "9"}


@pytest.mark.parametrize("wave", [False, True])
def test_what_is_a_function_of_the_map_and_noise_is_not_hidden(wave):
    """The rest of a curved sheet is a function of the coordinates, and knows no more than they do."""
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-1, 1, (2, 1500))
    X = np.column_stack([a, b, 0.3 * (a**2 + b**2)]) + 1e-3 * rng.standard_normal((1500, 3))
    y = np.sin(4 * a) * np.cos(4 * b) if wave else a + b + 0.1 * rng.standard_normal(1500)
    assert not isthmus.hidden(isthmus.LinearAutoencoder(2).fit(X), X, y).is_found


def test_digits_of_two_coordinates_hide_what_more_would_show():
    X, y = load_digits(return_X_y=True)
    found = isthmus.hidden(isthmus.LinearAutoencoder(2).fit(X[:1200]), X[1200:], y[1200:])
    assert found.gain > 0.1
    assert isthmus.hidden(isthmus.LinearAutoencoder(30).fit(X[:1200]), X[1200:], y[1200:]).gain < 0.05


def test_the_same_seed_gives_the_same_numbers_and_a_table():
    y = ROWS[:, 2] > 0
    found, again = (isthmus.hidden(PLANE, ROWS, y, max_rows=300, random_state=1) for _ in range(2))
    assert found.table() == again.table()
    assert found.n_rows == 300
    assert found.table()[0]["gain"] == found.gain


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_numbers_of_any_size_are_as_hidden(unit):
    y = ROWS[:, 2] + ROWS[:, 0]
    assert isthmus.hidden(PLANE, ROWS, unit * y).gain == pytest.approx(
        isthmus.hidden(PLANE, ROWS, y).gain
    )


def test_what_chance_and_the_interval_disagree_on_is_undecided():
    figures = {"n_rows": 50, "score": "R²", "score_of_map": 0.1, "score_with_rest": 0.2, "pair": None}
    found = Hidden(**figures, gain=0.1, interval=(-0.05, 0.25), p_value=0.01)
    assert "undecided" in found.verdict
    assert not found.is_found


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"y": np.arange(800).astype(str)}, ValueError, "800 classes of 800 rows"),
        ({"X": ROWS[:20], "y": ROWS[:20, 0] > 0}, ValueError, "X has 20 rows: expected more than"),
        ({"y": np.zeros(3)}, ValueError, r"y has shape \(3,\) for 800 rows"),
        ({"y": np.full(800, "one")}, ValueError, "expected two classes"),
        ({"model": 3}, TypeError, "map"),
        ({"X": ROWS[:, :2]}, ValueError, "2 features"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, error, message):
    given = {"model": PLANE, "X": ROWS, "y": ROWS[:, 0] > 0} | arguments
    with pytest.raises(error, match=message):
        isthmus.hidden(given["model"], given["X"], given["y"])
