"""Measures of new rows: which of their known neighbours a map keeps, and what these predict."""

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

import isthmus
from isthmus.diagnostics.quality.new_rows import neighbours_kept

RNG = np.random.default_rng(0)
KNOWN, NEW = RNG.standard_normal((60, 4)), RNG.standard_normal((25, 4))


def measured(known=(KNOWN, KNOWN[:, :2]), Z=NEW[:, :2], **more):
    return isthmus.quality(NEW, Z, known=known, sigmas=(1.0,), **more)


def by_counting(k):
    """By whole tables of distances."""
    shares = []
    for row in NEW:
        in_data = np.argsort(np.linalg.norm(KNOWN - row, axis=1))[:k]
        in_map = np.argsort(np.linalg.norm(KNOWN[:, :2] - row[:2], axis=1))[:k]
        shares.append(len(np.intersect1d(in_data, in_map)) / k)
    return np.array(shares)


def test_neighbours_kept_are_those_that_counting_finds():
    found = measured(k=(5, 10))
    np.testing.assert_allclose(found.neighbours_kept, [by_counting(k).mean() for k in (5, 10)])
    error = by_counting(5).std(ddof=1) / np.sqrt(25)
    assert found.standard_errors["neighbours_kept"][0] == pytest.approx(error)
    one = neighbours_kept((KNOWN, KNOWN[:, :2]), (NEW, NEW[:, :2]), (5,))
    np.testing.assert_allclose(one[:, 0], by_counting(5))


def test_a_map_that_is_the_data_keeps_all_and_a_random_one_what_chance_keeps():
    assert measured((KNOWN, 3 * KNOWN), 3 * NEW).neighbours_kept == 1.0
    rng = np.random.default_rng(1)
    chance = [
        measured((KNOWN, rng.standard_normal((60, 2))), rng.standard_normal((25, 2))).neighbours_kept
        for _ in range(20)
    ]
    assert np.mean(chance) == pytest.approx(10 / 60, rel=0.1)


def test_neighbours_far_from_the_origin_are_the_same():
    wide = np.hstack([KNOWN, RNG.standard_normal((60, 16))]), np.hstack([NEW, np.zeros((25, 16))])
    for offset in (0, 1e7):
        known, new = (wide[0] + offset, wide[0]), (wide[1] + offset, wide[1])
        assert neighbours_kept(known, new, (5,)).mean() == 1.0


def test_neighbours_are_those_of_scaled_columns():
    units = np.array([1.0, 1e3, 1.0, 1.0])
    plain = measured(k=5, scaling="standard").neighbours_kept
    scaled = isthmus.quality(
        units * NEW,
        NEW[:, :2],
        known=(units * KNOWN, KNOWN[:, :2]),
        k=5,
        sigmas=(1.0,),
        scaling="standard",
    )
    assert scaled.neighbours_kept == plain


@pytest.mark.parametrize("kind", ["texts", "numbers"])
def test_the_score_is_that_of_scikit_learn(kind):
    labels = KNOWN[:, 0] + KNOWN[:, 1], NEW[:, 0] + NEW[:, 1]
    model = KNeighborsRegressor(7)
    if kind == "texts":
        labels = tuple(np.where(one > 0, "above", "below") for one in labels)
        model = KNeighborsClassifier(7)
    found = measured((KNOWN, KNOWN[:, :2], labels[0]), y=labels[1], k=7)
    expected = model.fit(KNOWN[:, :2], labels[0]).score(NEW[:, :2], labels[1])
    assert found.known_score == pytest.approx(expected)
    assert "known_score" in str(found)


def test_the_error_of_the_score_of_numbers_is_its_spread_over_draws():
    def score(seed):
        rng = np.random.default_rng(seed)
        known, new = rng.standard_normal((2, 300, 2))
        y_known, y = (one[:, 0] + rng.standard_normal(300) for one in (known, new))
        return isthmus.quality(new, new, known=(known, known, y_known), y=y, k=10, sigmas=(1.0,))

    found = [score(seed) for seed in range(60)]
    errors = [one.standard_errors["known_score"] for one in found]
    assert np.mean(errors) == pytest.approx(np.std([one.known_score for one in found]), rel=0.35)


def test_known_columns_of_other_names_are_refused():
    new, known = (pd.DataFrame(rows, columns=list("abcd")) for rows in (NEW, KNOWN))
    same = isthmus.quality(new, NEW[:, :2], known=(known, KNOWN[:, :2]), sigmas=(1.0,))
    assert same.neighbours_kept == measured().neighbours_kept
    with pytest.raises(ValueError, match="column 0 is 'a' in X and 'd' in known"):
        isthmus.quality(new, NEW[:, :2], known=(known[list("dcba")], KNOWN[:, :2]))


def test_texts_in_any_container_are_of_one_kind():
    known, new = (np.where(rows[:, 0] > 0, "above", "below") for rows in (KNOWN, NEW))
    plain = measured((KNOWN, KNOWN[:, :2], known), y=new).known_score
    for of in (lambda one: one.astype(object), pd.Series, pd.Categorical):
        assert measured((KNOWN, KNOWN[:, :2], known), y=of(new)).known_score == plain


def test_many_categories_are_predicted_as_classes():
    labels = [np.digitize(rows[:, 0], np.linspace(-2, 2, 24)) for rows in (KNOWN, NEW)]
    categories, texts = (
        measured((KNOWN, KNOWN[:, :2], of(labels[0])), y=of(labels[1])).known_score
        for of in (pd.Categorical, lambda one: one.astype(str))
    )
    assert categories == texts
    halves = [pd.Categorical(one / 2) for one in labels]
    assert measured((KNOWN, KNOWN[:, :2], halves[0]), y=halves[1]).known_score == texts
    halves[0][3] = np.nan
    with pytest.raises(ValueError, match="y has no value in row 3"):
        measured((KNOWN, KNOWN[:, :2], halves[0]), y=halves[1])


def test_a_model_says_how_it_places_new_rows():
    model = isthmus.LinearAutoencoder(2).fit(KNOWN)
    Z = model.transform(NEW)
    found = isthmus.quality(NEW, Z, model=model, known=(KNOWN, model.transform(KNOWN)))
    assert 0 < found.neighbours_kept < 1
    assert {row["measure"]: row["at"] for row in found.table()}["neighbours_kept"] == "k = 10"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"known": (KNOWN,)}, "known has 1 parts: expected known="),
        ({"known": (KNOWN, KNOWN[:, :2], np.zeros(60))}, "known has 3 parts: expected known="),
        ({"known": (KNOWN, KNOWN[:, :2]), "y": np.zeros(25)}, "known has 2 parts, and y came"),
        ({"known": (KNOWN[:, :3], KNOWN[:, :2])}, r"known rows have shape \(60, 3\)"),
        ({"known": (KNOWN[:5], KNOWN[:5, :2])}, "expected at least 10 rows of 4 columns"),
        (
            {"known": (KNOWN, KNOWN[:, :2], np.full(60, "1")), "y": np.ones(25, int)},
            "texts and numbers",
        ),
        ({"known": (KNOWN, KNOWN[:50, :2])}, r"their coordinates \(50, 2\)"),
        (
            {"known": (KNOWN, KNOWN[:, :2], np.zeros(9)), "y": np.zeros(25)},
            r"known's y has shape \(9,\)",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        measured(**arguments)


def test_labels_alone_are_refused():
    with pytest.raises(ValueError, match="y came without known rows"):
        isthmus.quality(NEW, NEW[:, :2], y=np.zeros(25))
