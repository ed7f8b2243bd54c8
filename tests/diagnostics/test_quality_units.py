"""How faithful a map is: the units that it is measured in, what is printed, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

import isthmus

RNG = np.random.default_rng(0)
ROWS, COORDINATES = RNG.standard_normal((150, 5)), RNG.standard_normal((150, 2))


def test_reconstruction_error():
    X = load_digits().data[:200]
    model = isthmus.LinearAutoencoder(3).fit(X)
    Z, X_hat = model.transform(X), model.inverse_transform(model.transform(X))
    expected = np.mean(np.sum((X - X_hat) ** 2, axis=1))
    for given in ({"model": model}, {"X_hat": X_hat}):
        found = isthmus.quality(X, Z, **given)
        assert found.reconstruction_error == pytest.approx(expected, rel=1e-5)
        assert found.table()[-1]["measure"] == "reconstruction_error"
    assert isthmus.quality(X, Z).reconstruction_error is None


@pytest.fixture(scope="module")
def mixed_units():
    """A table of grams beside millimetres."""
    rng = np.random.default_rng(0)
    lengths = rng.standard_normal((80, 3))
    return pd.DataFrame(
        np.c_[lengths, 500 * lengths.sum(axis=1)], columns=["bill", "wing", "tarsus", "mass"]
    )


def test_a_map_is_evaluated_in_the_units_that_it_was_fitted_in(mixed_units):
    model = isthmus.LinearAutoencoder(2, scaling="standard").fit(mixed_units)
    standardised = (mixed_units - mixed_units.mean()) / mixed_units.std()
    Z = model.transform(mixed_units)
    found = isthmus.quality(mixed_units, Z, model=model)
    expected = isthmus.quality(standardised.to_numpy(), Z, scaling=None)
    assert found.spearman == pytest.approx(expected.spearman, abs=1e-9)
    assert found.rmse == pytest.approx(expected.rmse, rel=1e-9)
    gap = (mixed_units - model.inverse_transform(Z)) / mixed_units.std()
    assert found.reconstruction_error == pytest.approx((gap**2).sum(axis=1).mean(), rel=1e-6)
    assert "as the map scales them" in str(found)


@pytest.mark.filterwarnings("ignore::isthmus.UnequalScalesWarning")
def test_columns_in_the_data_s_own_units_are_so_without_a_word_or_with_a_warning(mixed_units):
    model = isthmus.LinearAutoencoder(2).fit(mixed_units)
    Z = model.transform(mixed_units)
    with pytest.warns(isthmus.UnequalScalesWarning, match="mass"):
        found = isthmus.quality(mixed_units, Z, model=model)
    assert found.units == ""
    expected = float(np.mean(isthmus.reconstruction_error(model, mixed_units)))
    assert found.reconstruction_error == pytest.approx(expected, rel=1e-9)
    assert found.rmse == isthmus.quality(mixed_units, Z, scaling=None).rmse


def test_named_columns_of_different_units_are_standardised_for_any_map(mixed_units):
    standardised = ((mixed_units - mixed_units.mean()) / mixed_units.std()).to_numpy()
    Z = standardised[:, :2]
    found = isthmus.quality(mixed_units, Z, X_hat=mixed_units)
    assert found.spearman == pytest.approx(isthmus.quality(standardised, Z).spearman, abs=1e-9)
    assert "each is standardised" in found.units
    assert found.reconstruction_error == 0.0
    robust = isthmus.quality(mixed_units, Z, scaling="robust")
    assert robust.spearman != found.spearman


def test_the_table_and_what_is_printed():
    X, Z = ROWS[:80], COORDINATES[:80]
    found = isthmus.quality(X, Z, k=(2, 9), sigmas=(0.5,), max_rows=30)
    table = pd.DataFrame(found.table()).set_index(["measure", "at"])
    assert table.loc[("overlap", "k = 9"), "value"] == found.overlap[1]
    assert table.loc[("density_kl", "σ = 0.5"), "value"] == found.density_kl[0]
    assert len(table) == 5 * 2 + 6 + 1
    assert "80 of 80 rows compared with all, 3160 pairs ranked" in str(found)
    assert isinstance(isthmus.quality(X, Z).overlap, float)
    assert "±" in str(isthmus.quality(ROWS, COORDINATES, max_rows=20))


@pytest.mark.parametrize(
    ("X", "Z", "options", "message"),
    [
        (np.ones((5, 3)), np.ones((4, 2)), {}, "X has 5 rows and Z has 4"),
        (np.ones((2, 3)), np.ones((2, 2)), {"k": 1}, "expected at least 3 rows"),
        (np.ones((5, 3)), np.ones((5, 2)), {}, "k=10 neighbours .* 5 rows has 4 others. Pass k ≤ 4"),
        (np.ones((5, 3)), np.ones((5, 2)), {"k": (2, 5)}, "k=5 neighbours"),
        (np.ones((5, 3)), np.ones((5, 2)), {"k": 0}, "k=0: expected an integer of at least 1"),
        (np.ones((5, 3)), np.ones((5, 2)), {"k": 2.5}, "k=2.5: expected an integer"),
        (np.ones((5, 3)), np.ones((5, 2)), {"k": ()}, "k holds no number"),
        (np.ones((5, 3)), np.ones((5, 2)), {"k": 2, "sigmas": (0.1, 0)}, "sigmas=0"),
        (np.ones((5, 3)), np.ones((5, 2)), {"k": 2, "max_rows": 2}, "max_rows=2"),
        (np.full((5, 3), np.nan), np.ones((5, 2)), {"k": 2}, "X contains NaN"),
        (np.ones((5, 3)), np.full((5, 2), np.inf), {"k": 2}, "Z contains infinity"),
        (np.ones((5, 3)), np.ones(5), {"k": 2}, r"Z.reshape\(-1, 1\)"),
        (np.ones((5, 3)), np.ones((5, 2)), {"k": 2, "X_hat": np.ones((5, 2))}, "X_hat has shape"),
        (np.ones((5, 3)), np.ones((5, 2)), {"k": 2, "X_hat": 1, "model": 1}, "pass one"),
        (np.ones((5, 3)), [[1.0], [2.0, 3.0]], {"k": 2}, "Every row needs as many numbers"),
    ],
)
def test_what_it_refuses(X, Z, options, message):
    with pytest.raises(ValueError, match=message):
        isthmus.quality(X, Z, **options)


def test_what_is_no_table():
    with pytest.raises(TypeError, match="Z is None: pass rows of numbers"):
        isthmus.quality(np.ones((5, 3)), None)


def test_a_model_in_the_place_of_its_coordinates_is_told():
    rows = np.random.default_rng(0).standard_normal((30, 3))
    model = isthmus.LinearAutoencoder(2).fit(rows)
    with pytest.raises(TypeError, match=r"Z is a LinearAutoencoder: expected coordinates \(n, d\)"):
        isthmus.quality(rows, model)
