"""Where a map may be believed: errors against a second computation, and rates of alarms."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import shift
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors

import isthmus
from isthmus.diagnostics.reliability import Reliability

RNG = np.random.default_rng(0)
X = load_digits().data[RNG.permutation(1797)]
KNOWN, UNSEEN = X[1000:1400], X[1400:]
AXES = RNG.standard_normal((3, 8))


@pytest.fixture(scope="module")
def model(optimised):
    with optimised():
        return isthmus.Autoencoder(10, widths=(128, 64), random_state=0).fit(X[:1000])


def rows_of_a_plane(n, rng):
    """About a three-dimensional plane in eight dimensions."""
    return rng.standard_normal((n, 3)) @ AXES + 0.1 * rng.standard_normal((n, 8))


def moved(rows, by):
    return np.stack([shift(row.reshape(8, 8), by, order=0).ravel() for row in rows])


@pytest.mark.parametrize(
    ("name", "least"),
    [("noise", 0.95), ("inverted", 0.95), ("two pixels right", 0.95), ("one pixel right", 0.7)],
)
def test_rows_of_another_kind_are_flagged(model, name, least):
    rows = {
        "noise": np.random.default_rng(1).integers(0, 17, UNSEEN.shape).astype(float),
        "inverted": 16 - UNSEEN,
        "two pixels right": moved(UNSEEN, (0, 2)),
        "one pixel right": moved(UNSEEN, (0, 1)),
    }[name]
    found = isthmus.reliability(model, rows, KNOWN)
    assert found.flagged.mean() >= least
    assert "of the kind that the map is for" in found.verdict


def test_rows_of_the_same_kind_are_not(model):
    found = isthmus.reliability(model, UNSEEN, KNOWN)
    # 397 rows judged by 200 others: two standard deviations of the rate are 0.04.
    assert found.flagged.mean() < 0.09
    assert "no more than chance" in str(found)


def test_of_few_known_rows_the_verdict_says_how_well_they_keep_the_rate():
    few = Reliability(
        *[np.zeros(133)] * 2, np.full(133, 2), *[np.zeros(133)] * 2, np.arange(133) < 14, 0.05, 45
    )
    # 14 of 133 are 10.5 %: above 5 %, and by less than twice the scatter that 45 known rows leave.
    scatter = np.sqrt(0.05 * 0.95 * (1 / 133 + 2 / 45))
    assert (
        f"with 45 known rows to compare with, a rate of 5% may come out as {0.05 + 2 * scatter:.1%}"
        in few.verdict
    )
    many = replace(few, n_known=4500)
    assert "more than chance" in many.verdict.replace("no more", "")


def test_a_row_that_is_strange_in_a_column_of_small_numbers_is_seen():
    rng = np.random.default_rng(0)
    t = rng.standard_normal((600, 1))
    rows = np.c_[t, -t, 1000 * t] + rng.standard_normal((600, 3)) * [0.1, 0.1, 100]
    model = isthmus.LinearAutoencoder(1, scaling="standard").fit(rows[:300])
    strange = rows[500:].copy()
    strange[:, 1] *= -1  # by one or two, where the third column scatters by a hundred
    found = isthmus.reliability(model, strange[np.abs(t[500:, 0]) > 1], rows[300:500])
    assert found.flagged.mean() > 0.9


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_the_rate_of_false_alarms_is_kept(rate):
    rng = np.random.default_rng(0)
    plane = isthmus.LinearAutoencoder(3).fit(rows_of_a_plane(1000, rng))
    alarms = [
        isthmus.reliability(
            plane,
            rows_of_a_plane(200, rng),
            rows_of_a_plane(200, rng),
            false_alarm_rate=rate,
            random_state=seed,
        ).flagged.mean()
        for seed in range(60)
    ]
    # Conformal: between rate − 1/101 and rate, exactly, in the mean over draws of all rows.
    error = np.std(alarms) / np.sqrt(len(alarms))
    assert rate - 1 / 101 - 3 * error < np.mean(alarms) < rate + 3 * error


def test_a_hole_in_the_middle_of_the_map_is_seen():
    """Points of a ring; their mean decodes perfectly, and is like none of them."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 1200)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    plane = isthmus.LinearAutoencoder(2).fit(ring[:800])
    found = isthmus.reliability(plane, np.vstack([np.zeros((1, 2)), ring[:9]]), ring[800:])
    assert found.reconstruction_error.max() < 1e-9
    assert found.flagged[0]
    assert found.sparsity[0] == pytest.approx(1.0, abs=0.01)
    assert found.flagged[1:].mean() < 0.5


def test_numbers_are_what_they_say(model):
    found = isthmus.reliability(model, UNSEEN[:50], KNOWN, n_neighbors=3, random_state=4)
    Z = model.transform(UNSEEN[:50])
    np.testing.assert_allclose(
        found.reconstruction_error, isthmus.reconstruction_error(model, UNSEEN[:50])
    )
    back = model.transform(model.inverse_transform(Z))
    np.testing.assert_allclose(found.cycle_error, np.linalg.norm(back - Z, axis=1), rtol=1e-3, atol=1e-3)
    singular = np.linalg.svd(isthmus.decoder_jacobian(model, Z), compute_uv=False)
    np.testing.assert_array_equal(found.local_rank, np.sum(singular > 0.01 * singular[:, :1], axis=1))
    # The neighbours are half of the known rows: no farther than among all of them, reversed.
    nearest = NearestNeighbors(n_neighbors=3).fit(model.transform(KNOWN)).kneighbors(Z)[0][:, -1]
    assert np.all(found.sparsity >= nearest - 1e-3)
    assert found.n_known == 400
    assert np.all((found.p_value > 0) & (found.p_value <= 1))
    np.testing.assert_array_equal(found.flagged, found.p_value <= 0.05)


def test_pca_undoes_itself():
    plane = isthmus.LinearAutoencoder(3).fit(rows_of_a_plane(500, RNG))
    found = isthmus.reliability(plane, rows_of_a_plane(30, RNG), rows_of_a_plane(100, RNG))
    assert found.cycle_error.max() < 1e-4
    assert np.all(found.local_rank == 3)


def test_a_lost_direction_is_told():
    ones = np.ones(4)
    few = Reliability(
        *(ones, ones, np.array([2, 2, 1, 2]), ones, ones, np.zeros(4, bool)), 0.05, n_known=100
    )
    assert "At 1 of 4 the map has lost a direction" in few.verdict
    some = np.array([True, *[False] * 3])
    told = Reliability(ones, ones, np.full(4, 2), ones, ones, some, 0.001, 10_000).verdict
    assert "1 of 4 rows (25.0%) are flagged" in told
    assert "more than chance: do not believe the map at these" in told


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"known": KNOWN[:39]},
            "known has 39 distinct rows: .* of 0.05 by 10 neighbours needs 40",
        ),
        ({"false_alarm_rate": 0.001}, "needs 2000 at least. Pass more, or a higher rate"),
        ({"false_alarm_rate": 0.0}, "false_alarm_rate=0"),
        ({"n_neighbors": 0}, "n_neighbors=0"),
        ({"X": UNSEEN[:, :5]}, "5 features"),
        ({"known": np.full((50, 64), np.nan)}, "NaN"),
        ({"model": isthmus.LinearAutoencoder(2)}, "not fitted"),
        ({"known": KNOWN[:50], "n_neighbors": 25}, "by 25 neighbours needs 52 at least"),
    ],
)
def test_what_cannot_be_judged(model, given, message):
    arguments = {"model": model, "X": UNSEEN, "known": KNOWN} | given
    with pytest.raises(ValueError, match=message):
        isthmus.reliability(**arguments)


def test_rows_with_missing_entries_are_refused():
    rows = rows_of_a_plane(200, np.random.default_rng(0))
    model = isthmus.VariationalAutoencoder(
        2, widths=(8,), max_epochs=2, validation_fraction=0, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", isthmus.NoImprovementWarning)
        warnings.simplefilter("ignore", isthmus.CollapseWarning)
        model.fit(rows)
    holed = rows.copy()
    holed[3, 2] = np.nan
    with pytest.raises(ValueError, match=r"X has missing entries.* fill them with isthmus\.impute"):
        isthmus.reliability(model, holed, rows)
    with pytest.raises(ValueError, match="known has missing entries"):
        isthmus.reliability(model, rows, holed)


@pytest.mark.parametrize("judge", [isthmus.metric, isthmus.loadings, isthmus.jacobian])
def test_a_predictor_is_no_map(judge):
    rows = rows_of_a_plane(60, np.random.default_rng(0))
    model = isthmus.FeedForwardRegressor((), max_epochs=1, random_state=0, validation_fraction=0)
    with pytest.raises(TypeError, match=r"FeedForwardRegressor has no .* expected a fitted map"):
        judge(model.fit(rows, rows[:, 0]), rows)
