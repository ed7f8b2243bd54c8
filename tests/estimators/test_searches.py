"""A search over settings and splits warns once of what many of its fits have to say."""

import warnings

import numpy as np
from sklearn.model_selection import GridSearchCV, cross_val_score

import isthmus

NOTHING = np.random.default_rng(0).standard_normal((60, 5))
# With one batch size, the parts of all splits share a program.
MODEL = isthmus.Autoencoder(2, widths=(4,), max_epochs=2, batch_size=16, random_state=0)


def said_by(search):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        search()
    return [str(one.message) for one in said if one.category is isthmus.NoImprovementWarning]


def test_a_grid_search_warns_once_and_the_next_one_again():
    for _ in range(2):
        search = GridSearchCV(MODEL, {"input_noise": [0.1, 0.2]}, cv=3)
        (text,) = said_by(lambda search=search: search.fit(NOTHING))
        assert text.startswith(
            "In this search, and perhaps in more than one of its fits: No epoch beat PCA"
        )


def test_many_searches_of_the_same_rows_each_warn():
    said = [len(said_by(lambda: cross_val_score(MODEL, NOTHING, cv=2))) for _ in range(6)]
    assert said == [1] * 6


def test_scores_of_splits_warn_once_and_a_fit_by_itself_as_ever():
    assert len(said_by(lambda: cross_val_score(MODEL, NOTHING, cv=3))) == 1
    (text,) = said_by(lambda: MODEL.fit(NOTHING))
    assert text.startswith("No epoch beat PCA")
