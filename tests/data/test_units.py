"""Columns of different units: found by their spreads, and never a map of one of them in silence."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.preprocessing import RobustScaler, StandardScaler

import isthmus
from isthmus.data import scaling as scaling_module
from isthmus.data.scaling import Scaling
from isthmus.data.units import chosen_scaling, unlike_spreads
from isthmus.variational import imputation

pytestmark = pytest.mark.filterwarnings(
    "ignore::isthmus.NoImprovementWarning", "ignore::isthmus.CollapseWarning"
)
RNG = np.random.default_rng(0)
N = 300


def birds(n=N, rng=RNG):
    """Two kinds, measured in millimetres and in grams, which hold nearly all of the variance."""
    kind = rng.integers(0, 2, n)
    size = rng.standard_normal(n)
    return pd.DataFrame(
        {
            "bill_length_mm": 40 + 8 * kind + 2 * size + rng.standard_normal(n),
            "bill_depth_mm": 18 - 3 * kind + 0.8 * size + 0.5 * rng.standard_normal(n),
            "flipper_length_mm": 190 + 25 * kind + 5 * size + 3 * rng.standard_normal(n),
            "body_mass_g": 3700 + 1200 * kind + 300 * size + 200 * rng.standard_normal(n),
        }
    ), kind


BIRDS, KIND = birds()


def test_grams_beside_millimetres_are_unlike_and_the_extremes_are_named():
    found = unlike_spreads(BIRDS.to_numpy(), list(BIRDS))
    assert (found.widest, found.narrowest) == ("body_mass_g", "bill_depth_mm")
    assert found.largest == pytest.approx(BIRDS["body_mass_g"].std())
    assert found.share == pytest.approx(BIRDS["body_mass_g"].var() / BIRDS.var().sum())


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        (load_iris().data, load_iris().feature_names),  # four lengths
        (load_digits().data, load_digits().feature_names),  # pixel_0_0, …
        (load_digits().data, None),
        (BIRDS.to_numpy() * [1, 1, 1, 0], list(BIRDS)),  # the grams are constant
        (
            RNG.standard_normal((50, 200)) * np.geomspace(1, 1e4, 200),
            [f"g{'x' * j}" for j in range(200)],
        ),
        (RNG.standard_normal((50, 3)) * [1, 30, 31], ["x1", "x2", "x3"]),  # one quantity, numbered
    ],
)
def test_columns_of_one_unit_are_left_alone(rows, names):
    assert unlike_spreads(rows, names) is None
    assert chosen_scaling("auto", rows, names) == (None, "")


def test_auto_standardises_a_named_table_and_says_so():
    kind, note = chosen_scaling("auto", BIRDS.to_numpy(), list(BIRDS))
    assert kind == "standard"
    assert "body_mass_g" in note
    assert "\n" not in note


def test_an_array_without_names_is_warned_of_instead():
    with pytest.warns(isthmus.UnequalScalesWarning, match="column 3"):
        assert chosen_scaling("auto", BIRDS.to_numpy(), None) == (None, "")


def test_a_heavy_tail_is_named_with_what_may_be_done():
    heavy = BIRDS.assign(price=np.exp(3 * np.random.default_rng(1).standard_normal(N)))
    assert "price has a heavy tail" in chosen_scaling("auto", heavy.to_numpy(), list(heavy))[1]
    assert "tail" not in chosen_scaling("auto", BIRDS.to_numpy(), list(BIRDS))[1]
    with_an_empty_column = heavy.assign(empty=np.nan)[["empty", *heavy]]
    found = chosen_scaling("auto", with_an_empty_column.to_numpy(), list(with_an_empty_column))
    assert "price has a heavy tail" in found[1]


def test_another_word_is_refused():
    with pytest.raises(ValueError, match="scaling='z-score' is not known"):
        chosen_scaling("z-score", BIRDS.to_numpy(), None)


@pytest.mark.parametrize(
    "cls", [isthmus.LinearAutoencoder, isthmus.Autoencoder, isthmus.VariationalAutoencoder]
)
def test_every_map_names_the_column_that_holds_the_variance(cls):
    quick = (
        {} if cls is isthmus.LinearAutoencoder else {"widths": (4,), "max_epochs": 1, "random_state": 0}
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cls(2, **quick).fit(BIRDS)
        cls(2, scaling="standard", **quick).fit(BIRDS)
    found = [one for one in caught if one.category is isthmus.UnequalScalesWarning]
    assert len(found) == 1
    assert "body_mass_g" in str(found[0].message)
    assert "scaling='standard'" in str(found[0].message)


def test_a_second_pass_over_the_rows_does_not_warn_again():
    model = isthmus.Autoencoder(2, widths=(4,), random_state=0)
    with pytest.warns(isthmus.UnequalScalesWarning):
        model.partial_fit(BIRDS)
    model.partial_fit(BIRDS)


def test_robust_scaling_is_by_the_quartiles():
    rows = np.random.default_rng(2).standard_t(2, (1001, 3)) * [1, 10, 100] + 5
    scaling = Scaling.fit("robust", rows)
    peer = RobustScaler(unit_variance=True).fit(rows)
    np.testing.assert_allclose(scaling.center, peer.center_)
    np.testing.assert_allclose(scaling.scale, peer.scale_, rtol=1e-7)


def test_a_column_with_one_value_in_most_rows_keeps_its_standard_deviation():
    rows = np.zeros((100, 2))
    rows[:10, 0] = 1.0
    scaling = Scaling.fit("robust", rows)
    np.testing.assert_allclose(scaling.scale, [rows[:, 0].std(ddof=1), 1.0])
    with_holes = np.where(np.arange(100)[:, None] < 50, np.nan, np.arange(100.0)[:, None])
    assert Scaling.fit("robust", with_holes).center == pytest.approx(74.5)


def test_a_column_without_a_value_in_the_rows_looked_at_keeps_mean_and_standard_deviation(monkeypatch):
    rows = np.random.default_rng(4).standard_normal((100, 2)) + 3
    rows[::2, 1] = np.nan
    monkeypatch.setattr(scaling_module, "MOST_ROWS_FOR_QUARTILES", 50)
    scaling = Scaling.fit("robust", rows)
    assert scaling.center[0] == np.median(rows[::2, 0])
    np.testing.assert_allclose(scaling.center[1], rows[1::2, 1].mean(), rtol=1e-14)
    np.testing.assert_allclose(scaling.scale[1], rows[1::2, 1].std(ddof=1), rtol=1e-14)


def test_a_linear_map_of_standardised_columns_is_pca_of_the_correlations():
    rows = load_wine().data
    model = isthmus.LinearAutoencoder(3, scaling="standard").fit(rows)
    scale = rows.std(axis=0, ddof=1)
    peer = PCA(3).fit((rows - rows.mean(axis=0)) / scale)
    np.testing.assert_allclose(model.explained_variance_ratio_, peer.explained_variance_ratio_)
    np.testing.assert_allclose(np.abs(model.components_), np.abs(peer.components_), atol=1e-8)
    restored = model.inverse_transform(model.transform(rows))
    expected = peer.inverse_transform(peer.transform((rows - rows.mean(axis=0)) / scale))
    np.testing.assert_allclose(restored, expected * scale + rows.mean(axis=0))
    z = np.asarray(model.encode(rows[0].astype(np.float32)))
    np.testing.assert_allclose(z, model.transform(rows[:1])[0], atol=1e-4)


def test_a_trained_linear_map_of_robust_columns_finds_the_exact_one():
    rows = load_wine().data
    exact = isthmus.LinearAutoencoder(2, scaling="robust").fit(rows)
    trained = isthmus.LinearAutoencoder(2, scaling="robust", solver="adam", random_state=0).fit(rows)
    np.testing.assert_allclose(
        isthmus.reconstruction_error(trained, rows), isthmus.reconstruction_error(exact, rows), rtol=1e-3
    )
    assert (
        isthmus.reconstruction_error(
            isthmus.LinearAutoencoder(13, scaling="robust").fit(rows), rows
        ).max()
        < 1e-6
    )


def test_the_dimension_of_a_table_does_not_depend_on_its_units():
    found = isthmus.intrinsic_dimension(BIRDS)
    in_kilograms = isthmus.intrinsic_dimension(BIRDS.assign(body_mass_g=BIRDS["body_mass_g"] * 1e3))
    assert found.estimate == pytest.approx(in_kilograms.estimate)
    assert "body_mass_g" in found.units
    by_hand = isthmus.intrinsic_dimension(StandardScaler().fit_transform(BIRDS))
    assert found.estimate == pytest.approx(by_hand.estimate, rel=1e-6)
    assert by_hand.units == ""


def test_a_comparison_standardises_by_the_training_rows():
    found = isthmus.compare(BIRDS, KIND, ("PCA",))
    assert "body_mass_g" in str(found)
    by_hand = isthmus.compare(StandardScaler().fit_transform(BIRDS), KIND, ("PCA",), scaling=None)
    assert found.records[0].variance_left_out == pytest.approx(
        by_hand.records[0].variance_left_out, rel=0.05
    )
    raw = isthmus.compare(BIRDS, KIND, ("PCA",), scaling=None)
    assert raw.records[0].variance_left_out < 0.01 < found.records[0].variance_left_out


def test_filled_entries_wider_than_their_column_are_warned_of():
    rng = np.random.default_rng(3)
    table, _ = birds(400, rng)
    table = table.mask(rng.random(table.shape) < 0.1)
    with pytest.warns(isthmus.UnequalScalesWarning):
        model = isthmus.VariationalAutoencoder(
            2, widths=(8,), max_epochs=20, validation_fraction=0, random_state=0
        ).fit(table)
    with pytest.warns(isthmus.UnequalScalesWarning, match=r"_mm is filled with .* scaling='standard'"):
        isthmus.impute(model, table, random_state=0)
    model = model.set_params(scaling="standard").fit(table)
    filled = isthmus.impute(model, table, random_state=0)
    missing = table.isna().to_numpy()
    depth = filled.std[missing[:, 1], 1]
    assert np.median(depth) < table["bill_depth_mm"].std()


def test_columns_with_an_error_each_are_not_advised_to_have_one(monkeypatch):
    monkeypatch.setattr(imputation, "WIDE", 0.0)  # every filled column is wide
    rows = np.random.default_rng(0).standard_normal((60, 4))
    rows[::5, 1] = np.nan
    settings = {"widths": (8,), "max_epochs": 2, "validation_fraction": 0, "random_state": 0}
    for scale, number in (("shared", 1), ("feature", 0)):
        likelihood = isthmus.likelihoods.Gaussian(scale)
        model = isthmus.VariationalAutoencoder(2, likelihood=likelihood, **settings).fit(rows)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            isthmus.impute(model, rows)
        assert [one.category for one in caught] == number * [isthmus.UnequalScalesWarning]
