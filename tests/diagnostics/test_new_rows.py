"""Measures of new rows: which of their training neighbours a map keeps, and what these predict."""

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

import isthmus
from isthmus.data import neighbours
from isthmus.diagnostics.quality.new_rows import neighbours_kept, of_new_rows

RNG = np.random.default_rng(0)
TRAINING, NEW = RNG.standard_normal((60, 4)), RNG.standard_normal((25, 4))


def measured(training=(TRAINING, TRAINING[:, :2]), Z=NEW[:, :2], **more):
    return isthmus.quality(NEW, Z, training=training, sigmas=(1.0,), **more)


def by_counting(k):
    """By whole tables of distances."""
    shares = []
    for row in NEW:
        in_data = np.argsort(np.linalg.norm(TRAINING - row, axis=1))[:k]
        in_map = np.argsort(np.linalg.norm(TRAINING[:, :2] - row[:2], axis=1))[:k]
        shares.append(len(np.intersect1d(in_data, in_map)) / k)
    return np.array(shares)


def test_neighbours_kept_are_those_that_counting_finds():
    found = measured(k=(5, 10))
    np.testing.assert_allclose(found.neighbours_kept, [by_counting(k).mean() for k in (5, 10)])
    error = by_counting(5).std(ddof=1) / np.sqrt(25)
    assert found.standard_errors["neighbours_kept"][0] == pytest.approx(error)
    one = neighbours_kept((TRAINING, TRAINING[:, :2]), (NEW, NEW[:, :2]), (5,))
    np.testing.assert_allclose(one[:, 0], by_counting(5))


def test_a_map_that_is_the_data_keeps_all_and_a_random_one_what_chance_keeps():
    assert measured((TRAINING, 3 * TRAINING), 3 * NEW).neighbours_kept == 1.0
    rng = np.random.default_rng(1)
    chance = [
        measured((TRAINING, rng.standard_normal((60, 2))), rng.standard_normal((25, 2))).neighbours_kept
        for _ in range(20)
    ]
    assert np.mean(chance) == pytest.approx(10 / 60, rel=0.1)


def test_copies_of_a_row_stand_for_one_another(monkeypatch):
    """Which of ten copies are the nearest five is chance; that a rotation has copies near is not."""
    rng = np.random.default_rng(2)
    training, new = np.repeat(rng.standard_normal((40, 3)), 10, axis=0), rng.standard_normal((30, 3))
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    for elements in (neighbours.PAIR_ELEMENTS, 100):  # all at once, and in blocks
        monkeypatch.setattr(neighbours, "PAIR_ELEMENTS", elements)
        kept = neighbours_kept((training, training @ turn), (new, new @ turn), (5, 12))
        np.testing.assert_array_equal(kept, 1.0)


def test_neighbours_far_from_the_origin_are_the_same():
    wide = np.hstack([TRAINING, RNG.standard_normal((60, 16))]), np.hstack([NEW, np.zeros((25, 16))])
    for offset in (0, 1e7):
        training, new = (wide[0] + offset, wide[0]), (wide[1] + offset, wide[1])
        assert neighbours_kept(training, new, (5,)).mean() == 1.0


def test_neighbours_are_those_of_scaled_columns():
    units = np.array([1.0, 1e3, 1.0, 1.0])
    plain = measured(k=5, scaling="standard").neighbours_kept
    scaled = isthmus.quality(
        units * NEW,
        NEW[:, :2],
        training=(units * TRAINING, TRAINING[:, :2]),
        k=5,
        sigmas=(1.0,),
        scaling="standard",
    )
    assert scaled.neighbours_kept == plain


@pytest.mark.parametrize("kind", ["texts", "numbers"])
def test_the_score_is_that_of_scikit_learn(kind):
    labels = TRAINING[:, 0] + TRAINING[:, 1], NEW[:, 0] + NEW[:, 1]
    model = KNeighborsRegressor(7)
    if kind == "texts":
        labels = tuple(np.where(one > 0, "above", "below") for one in labels)
        model = KNeighborsClassifier(7)
    found = measured((TRAINING, TRAINING[:, :2], labels[0]), y=labels[1], k=7)
    expected = model.fit(TRAINING[:, :2], labels[0]).score(NEW[:, :2], labels[1])
    assert found.neighbour_score == pytest.approx(expected)
    assert "neighbour_score" in str(found)


def test_the_error_of_the_score_of_numbers_is_its_spread_over_draws():
    def drawn(seed):
        rng = np.random.default_rng(seed)
        training, new = rng.standard_normal((2, 300, 2))
        return new, training, *(one[:, 0] + rng.standard_normal(300) for one in (training, new))

    def score(new, training, y_training, y):
        known = (training, training, y_training)
        return of_new_rows(new, new, new, known, y, (10,), np.arange(300))["neighbour_score"][:, 0]

    scores, errors = np.transpose([score(*drawn(seed)) for seed in range(60)])
    assert np.mean(errors) == pytest.approx(np.std(scores), rel=0.35)
    # It is the error that ``quality`` gives, beside what it says of pairs of rows.
    new, training, y_training, y = drawn(0)
    known = (training, training, y_training)
    found = isthmus.quality(new, new, training=known, y=y, k=10, sigmas=(1.0,))
    assert found.standard_errors["neighbour_score"] == pytest.approx(errors[0])


def test_training_columns_of_other_names_are_refused():
    new, training = (pd.DataFrame(rows, columns=list("abcd")) for rows in (NEW, TRAINING))
    same = isthmus.quality(new, NEW[:, :2], training=(training, TRAINING[:, :2]), sigmas=(1.0,))
    assert same.neighbours_kept == measured().neighbours_kept
    with pytest.raises(ValueError, match="column 0 is 'a' in X and 'd' in training"):
        isthmus.quality(new, NEW[:, :2], training=(training[list("dcba")], TRAINING[:, :2]))


def test_texts_in_any_container_are_of_one_kind():
    training, new = (np.where(rows[:, 0] > 0, "above", "below") for rows in (TRAINING, NEW))
    plain = measured((TRAINING, TRAINING[:, :2], training), y=new).neighbour_score
    for of in (lambda one: one.astype(object), pd.Series, pd.Categorical):
        assert measured((TRAINING, TRAINING[:, :2], training), y=of(new)).neighbour_score == plain


def test_many_categories_are_predicted_as_classes():
    labels = [np.digitize(rows[:, 0], np.linspace(-2, 2, 24)) for rows in (TRAINING, NEW)]
    categories, texts = (
        measured((TRAINING, TRAINING[:, :2], of(labels[0])), y=of(labels[1])).neighbour_score
        for of in (pd.Categorical, lambda one: one.astype(str))
    )
    assert categories == texts
    halves = [pd.Categorical(one / 2) for one in labels]
    assert measured((TRAINING, TRAINING[:, :2], halves[0]), y=halves[1]).neighbour_score == texts
    halves[0][3] = np.nan
    with pytest.raises(ValueError, match="y has no value in row 3"):
        measured((TRAINING, TRAINING[:, :2], halves[0]), y=halves[1])


def test_a_model_says_how_it_places_new_rows():
    model = isthmus.LinearAutoencoder(2).fit(TRAINING)
    Z = model.transform(NEW)
    found = isthmus.quality(NEW, Z, model=model, training=(TRAINING, model.transform(TRAINING)))
    assert 0 < found.neighbours_kept < 1
    assert {row["measure"]: row["at"] for row in found.table()}["neighbours_kept"] == "k = 10"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"training": (TRAINING,)}, "training has 1 parts: expected training="),
        (
            {"training": (TRAINING, TRAINING[:, :2], np.zeros(60))},
            "training has 3 parts: expected training=",
        ),
        (
            {"training": (TRAINING, TRAINING[:, :2]), "y": np.zeros(25)},
            "training has 2 parts, and y came",
        ),
        ({"training": (TRAINING[:, :3], TRAINING[:, :2])}, r"training rows have shape \(60, 3\)"),
        ({"training": (TRAINING[:5], TRAINING[:5, :2])}, "expected at least 10 rows of 4 columns"),
        (
            {"training": (TRAINING, TRAINING[:, :2], np.full(60, "1")), "y": np.ones(25, int)},
            "texts and numbers",
        ),
        ({"training": (TRAINING, TRAINING[:50, :2])}, r"their coordinates \(50, 2\)"),
        (
            {
                "training": (TRAINING, TRAINING[:, :2], np.ma.masked_equal(np.arange(60) % 3, 2)),
                "y": np.arange(25) % 3,
            },
            "y has 20 masked entries",
        ),
        (
            {"training": (TRAINING, TRAINING[:, :2], np.zeros(9)), "y": np.zeros(25)},
            r"the training rows' y has shape \(9,\)",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        measured(**arguments)


def test_labels_alone_are_refused():
    with pytest.raises(ValueError, match="y came without training rows"):
        isthmus.quality(NEW, NEW[:, :2], y=np.zeros(25))
