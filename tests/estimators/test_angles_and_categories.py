"""Angles come round, and categories have no order: maps see circles and ones among zeros."""

import pickle
from decimal import Decimal

import jax
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone

import isthmus
from isthmus.data.coding import ColumnCode

pytestmark = pytest.mark.filterwarnings(
    "ignore::isthmus.NoImprovementWarning",
    "ignore::isthmus.CollapseWarning",
    "ignore::isthmus.UnequalScalesWarning",
)
RNG = np.random.default_rng(0)
N = 200
PERIODIC = {"phi": 360, "psi": 360}


def wrapped(angle, period=360.0):
    return (np.asarray(angle, float) + period / 2) % period - period / 2


def table(n=N, rng=RNG):
    """An angle about the cut at ±180°, its double, a column far from zero, and a species."""
    phi = wrapped(rng.normal(180, 25, n))
    species = rng.choice(["gentoo", "adelie"], n, p=[0.3, 0.7])
    return pd.DataFrame(
        {
            "phi": phi,
            "mass": 1e6 + 3 * rng.standard_normal(n),
            "species": species,
            "psi": wrapped(2 * phi + rng.normal(0, 3, n)),
        }
    )


TABLE = table()
KINDS = {"periodic": PERIODIC, "categorical": ["species"]}
QUICK = {
    "widths": (16,),
    "max_epochs": 5,
    "validation_fraction": 0,
    "random_state": 0,
    "scaling": "standard",
    **KINDS,
}
MAPS = {
    "linear": isthmus.LinearAutoencoder(6, scaling="standard", **KINDS),
    "autoencoder": isthmus.Autoencoder(3, **QUICK),
    "denoising": isthmus.DenoisingAutoencoder(3, **QUICK),
    "neighbour": isthmus.NeighbourAutoencoder(
        3,
        landmarks=100,
        scaling="standard",
        max_epochs=200,
        validation_fraction=0,
        random_state=0,
        **KINDS,
    ),
    "variational": isthmus.VariationalAutoencoder(3, **QUICK),
    "ensemble": isthmus.Ensemble(isthmus.Autoencoder(3, **QUICK), 2, random_state=0),
}


@pytest.fixture(scope="module", params=MAPS)
def fitted(request):
    return clone(MAPS[request.param]).fit(TABLE)


def test_a_code_and_back_is_the_row():
    code = ColumnCode.of(TABLE, PERIODIC, ["species"])
    assert code.names == [
        *("phi cos", "phi sin", "mass", "species=adelie", "species=gentoo", "psi cos", "psi sin"),
    ]
    rows = code(TABLE)
    assert rows.shape == (N, 7)
    np.testing.assert_allclose(np.hypot(rows[:, 0], rows[:, 1]), 360 / (2 * np.pi))
    back = code.rows(rows)
    np.testing.assert_allclose(wrapped(back[:, 0] - TABLE.phi), 0, atol=1e-9)
    np.testing.assert_array_equal(back[:, 1].astype(float), TABLE.mass)
    assert list(back[:, 2]) == list(TABLE.species)


def test_small_steps_of_an_angle_are_as_long_as_they_were_and_the_cut_is_no_step():
    code = ColumnCode.of(np.array([[-179.9], [179.9], [179.7]]), {0: 360}, None)
    rows = np.asarray(code(np.array([[-179.9], [179.9], [179.7]])))
    steps = np.linalg.norm(np.diff(rows, axis=0), axis=1)
    np.testing.assert_allclose(steps, [0.2, 0.2], rtol=1e-5)


@pytest.mark.parametrize(("low", "expected"), [(0.0, 350.0), (-180.0, -10.0)])
def test_angles_are_decoded_to_where_those_of_the_fit_lay(low, expected):
    angles = np.linspace(low, low + 359, 100)[:, None]
    code = ColumnCode.of(angles, {0: 360}, None)
    np.testing.assert_allclose(code.rows(code(np.array([[350.0], [-10.0]]))), expected)


@pytest.mark.parametrize("low", [0.0, -180.0])
def test_a_decoded_angle_is_less_than_a_period_above_the_least(low):
    code = ColumnCode.of(np.linspace(low, low + 359, 100)[:, None], {0: 360}, None)
    cut = np.deg2rad(low - np.array([0.0, 1e-20, 1e-15, 1e-9]))
    points = np.stack([np.cos(cut), np.sin(cut)], axis=-1) * 360 / (2 * np.pi)
    points[1] = points[0] - [0.0, 1e-20]
    decoded = code.rows(points)[:, 0]
    assert np.all((low <= decoded) & (decoded < low + 360))
    np.testing.assert_allclose(np.cos(np.deg2rad(decoded)), np.cos(cut), atol=1e-12)


def test_a_point_off_its_circle_has_the_nearest_angle_and_the_likeliest_category_wins():
    code = ColumnCode.of(pd.DataFrame({"a": [0.0, 1.0], "c": ["x", "y"]}), {"a": 2 * np.pi}, ["c"])
    rows = code.rows(np.array([[0.0, 0.1, 0.6, 0.5], [-3.0, 0.0, -1.0, -0.5]]))
    np.testing.assert_allclose(rows[:, 0].astype(float), [np.pi / 2, np.pi])
    assert list(rows[:, 1]) == ["x", "y"]


def test_numbers_as_categories_stay_numbers():
    X = np.c_[RNG.standard_normal(60), RNG.choice([2007.0, 2009.0], 60)]
    model = isthmus.LinearAutoencoder(3, categorical=[1]).fit(X)
    decoded = model.inverse_transform(model.transform(X))
    assert decoded.dtype == np.float64
    np.testing.assert_array_equal(decoded[:, 1], X[:, 1])


def test_decimal_numbers_are_categories_as_other_numbers_are():
    rows = pd.DataFrame({"dose": [Decimal("0.1"), Decimal("0.5")] * 5, "mass": np.arange(10.0)})
    code = ColumnCode.of(rows, None, ["dose"])
    assert code.choices == ((0, (0.1, 0.5)),)
    np.testing.assert_array_equal(np.asarray(code(rows))[:2], [[1, 0, 0], [0, 1, 1]])


def test_every_map_takes_and_gives_back_the_columns_as_they_came(fitted):
    assert fitted.n_features_in_ == 4
    assert list(fitted.feature_names_in_) == list(TABLE.columns)
    decoded = fitted.inverse_transform(fitted.transform(TABLE))
    assert decoded.shape == (N, 4)
    assert set(decoded[:, 2]) <= {"adelie", "gentoo"}
    assert (np.abs(decoded[:, 0].astype(float)) <= 180).all()
    np.testing.assert_allclose(decoded[:, 1].astype(float), 1e6, atol=20)


def test_where_the_cut_is_changes_nothing(fitted):
    turned = TABLE.assign(phi=TABLE.phi % 360, psi=TABLE.psi + 720)
    size = np.abs(fitted.transform(TABLE)).max()
    np.testing.assert_allclose(fitted.transform(turned), fitted.transform(TABLE), atol=1e-4 * size)


def test_a_linear_map_of_all_numbers_decodes_exactly():
    model = clone(MAPS["linear"]).fit(TABLE)
    # The two columns of the species are one number, so six coordinates hold all seven.
    decoded = model.inverse_transform(model.transform(TABLE))
    np.testing.assert_allclose(wrapped(decoded[:, 0].astype(float) - TABLE.phi), 0, atol=1e-6)
    assert list(decoded[:, 2]) == list(TABLE.species)
    assert isthmus.reconstruction_error(model, TABLE).max() < 1e-8


@pytest.mark.parametrize("scaling", ["standard", "robust", "range"])
def test_scaling_keeps_circles_round(scaling):
    for kind in ("linear", "autoencoder"):
        scale = clone(MAPS[kind]).set_params(scaling=scaling).fit(TABLE).scaling_.scale
        assert scale[0] == scale[1]
        assert scale[3] == scale[4]
        assert scale[0] != scale[5]
    by_column = isthmus.LinearAutoencoder(2, scaling=scaling).fit(
        np.asarray(ColumnCode.of(TABLE, PERIODIC, ["species"])(TABLE))
    )
    own = by_column.scaling_.scale[:2]
    pooled = own.max() if scaling == "range" else np.sqrt(np.mean(own**2))
    np.testing.assert_allclose(
        isthmus.LinearAutoencoder(2, scaling=scaling, **KINDS).fit(TABLE).scaling_.scale[0], pooled
    )


def test_a_range_of_angles_and_categories_stays_within_0_and_1():
    model = isthmus.Autoencoder(2, **QUICK | {"scaling": "range", "loss": "cross_entropy"}).fit(TABLE)
    u = model.scaling_(np.asarray(model.code_(TABLE)))
    assert u.min() >= -1e-6
    assert u.max() <= 1 + 1e-6


def test_errors_of_angles_are_refused_and_not_taken_for_those_of_their_cosines():
    model = clone(MAPS["variational"])
    with pytest.raises(ValueError, match="x_error with periodic or categorical columns"):
        model.fit(TABLE, x_error=5.0)


def test_a_cluster_across_the_cut_is_one_cluster():
    raw = isthmus.LinearAutoencoder(1).fit_transform(TABLE[["phi"]])
    coded = isthmus.LinearAutoencoder(1, periodic={"phi": 360}).fit_transform(TABLE[["phi"]])
    gap = [np.diff(np.sort(Z[:, 0])).max() / np.ptp(Z) for Z in (raw, coded)]
    assert gap[0] > 0.5
    assert gap[1] < 0.2


def test_quality_and_error_are_measured_on_circles(fitted):
    Z = fitted.transform(TABLE)
    turned = TABLE.assign(phi=TABLE.phi % 360)
    one, other = (isthmus.quality(X, Z, model=fitted) for X in (TABLE, turned))
    assert one.trustworthiness == pytest.approx(other.trustworthiness, abs=1e-3)
    assert one.reconstruction_error == pytest.approx(other.reconstruction_error, rel=1e-3)
    assert fitted.score(TABLE) <= 0 or isinstance(fitted, isthmus.VariationalAutoencoder)
    direct = isthmus.quality(TABLE, Z, periodic=PERIODIC, categorical=["species"])
    assert direct.trustworthiness == one.trustworthiness


def test_geometry_is_that_of_the_coded_columns(fitted):
    assert isthmus.jacobian(fitted, TABLE[:5]).shape == (5, fitted.n_components_, 7)
    names = isthmus.loadings(fitted, TABLE[:20]).feature_names
    assert names == tuple(ColumnCode.of(TABLE, PERIODIC, ["species"]).names)


def test_encode_and_decode_are_traceable(fitted):
    numbers = TABLE.assign(mass=0.0, species=(TABLE.species == "gentoo") * 1.0).to_numpy()[:10]
    Z = fitted.transform(TABLE.assign(mass=0.0)[:10])
    size = np.abs(Z).max()
    np.testing.assert_allclose(jax.jit(jax.vmap(fitted.encode))(numbers), Z, atol=1e-3 * size)
    z = fitted.transform(TABLE)[0]
    slope = jax.jit(jax.jacfwd(lambda z: fitted.decode(z)[0]))(z)
    step = 1e-2 * np.abs(z).max()
    above, below = (
        fitted.inverse_transform(z + sign * step * np.eye(len(z)))[:, 0].astype(float)
        for sign in (1, -1)
    )
    differences = wrapped(above - below) / (2 * step)
    np.testing.assert_allclose(slope, differences, atol=1e-2 * np.abs(differences).max())


def test_models_are_saved_with_their_columns(fitted, tmp_path):
    isthmus.save(fitted, tmp_path / "map.isthmus")
    loaded = isthmus.load(tmp_path / "map.isthmus")
    Z = fitted.transform(TABLE)
    np.testing.assert_array_equal(loaded.transform(TABLE), Z)
    np.testing.assert_array_equal(loaded.inverse_transform(Z), fitted.inverse_transform(Z))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(TABLE), Z)


def test_tables_of_other_libraries_and_arrays_are_the_same_rows():
    model = clone(MAPS["autoencoder"]).fit(TABLE)
    Z = model.transform(TABLE)
    np.testing.assert_array_equal(model.transform(pa.Table.from_pandas(TABLE)), Z)
    by_position = clone(model).set_params(periodic={0: 360, 3: 360}, categorical=[2])
    np.testing.assert_array_equal(by_position.fit(TABLE.to_numpy(object)).transform(TABLE.to_numpy()), Z)


def test_a_fit_without_angles_forgets_them():
    model = isthmus.LinearAutoencoder(2, periodic={"phi": 360}).fit(TABLE[["phi", "mass"]])
    model.set_params(periodic=None).fit(TABLE[["phi", "mass"]])
    assert not hasattr(model, "code_")


def test_missing_angles_and_categories_are_imputed():
    holes = TABLE.mask(np.random.default_rng(1).random(TABLE.shape) < 0.1)
    model = clone(MAPS["variational"]).fit(holes)
    complete, std = isthmus.impute(model, holes, random_state=0)
    known = holes.notna().to_numpy()
    assert list(complete[known[:, 2], 2]) == list(TABLE.species[known[:, 2]])
    near = wrapped(complete[known[:, 0], 0].astype(float) - TABLE.phi[known[:, 0]])
    np.testing.assert_allclose(near, 0, atol=1e-9)
    np.testing.assert_array_equal(np.isnan(std[:, 2]), ~known[:, 2])
    assert (std[~known[:, 0], 0] > 0).all()
    assert isthmus.sample(model, 5, random_state=0).shape == (5, 4)


def test_the_dimension_of_a_torus_is_two_wherever_the_cut_is():
    rng = np.random.default_rng(0)
    angles = pd.DataFrame(rng.uniform(-180, 180, (800, 2)), columns=["phi", "psi"])
    angles["sum"] = wrapped(angles.phi + angles.psi)
    found = isthmus.intrinsic_dimension(angles, periodic=dict.fromkeys(angles.columns, 360))
    assert found.low < 2.15
    assert found.high > 1.85


BAD = {
    "periodic: X has no column 'theta'": {"periodic": {"theta": 360}},
    "period of 'phi' is -1": {"periodic": {"phi": -1}},
    "period of 'phi' is '360'": {"periodic": {"phi": "360"}},
    "expected columns and their periods": {"periodic": ["phi"]},
    "expected a list of columns": {"categorical": "species"},
    "both periodic and categorical": {"periodic": {"phi": 360}, "categorical": ["phi"]},
    "column 'species' does not hold angles": {"periodic": {"species": 360}},
    "X holds text: column 'species'": {"periodic": {"phi": 360}},
    "categorical=Index.*expected a list of columns": {"categorical": pd.Index(["species", "phi"])},
}


@pytest.mark.parametrize("message", BAD)
def test_columns_that_are_not_what_was_said_are_refused_and_nothing_is_lost(message):
    model = isthmus.LinearAutoencoder(2).fit(TABLE[["phi", "mass"]])
    before = model.transform(TABLE[["phi", "mass"]])
    with pytest.raises((ValueError, TypeError), match=message):
        model.set_params(**BAD[message]).fit(TABLE)
    np.testing.assert_array_equal(model.transform(TABLE[["phi", "mass"]]), before)


def test_rows_that_fit_never_saw_the_like_of_are_refused(fitted):
    with pytest.raises(ValueError, match="row 0 is 'chinstrap', which is none of the categories"):
        fitted.transform(TABLE.assign(species="chinstrap"))
    with pytest.raises(ValueError, match="psi"):
        fitted.transform(TABLE[["phi", "mass", "species"]])
    with pytest.raises(ValueError, match=r"infinity.*column 'phi' in row 3"):
        fitted.transform(TABLE.assign(phi=np.where(np.arange(N) == 3, np.inf, TABLE.phi)))
    with pytest.raises(TypeError, match="shape"):
        clone(fitted).fit(np.zeros((10, 8, 8)))


def test_a_column_of_identifiers_is_no_category():
    names = pd.DataFrame({"x": range(1200), "id": [f"row {i}" for i in range(1200)]})
    with pytest.raises(ValueError, match="1200 different values"):
        isthmus.LinearAutoencoder(1, categorical=["id"]).fit(names)


def test_categories_are_texts_or_numbers_that_double_precision_tells_apart():
    mass = np.arange(6.0)
    for column, error, message in (
        (pd.cut(mass, 3), TypeError, "column 'kind' holds Interval.*texts or numbers"),
        (2**60 + np.arange(6), ValueError, "beyond 2⁵³.*as texts"),
    ):
        with pytest.raises(error, match=message):
            isthmus.LinearAutoencoder(1, categorical=["kind"]).fit(
                pd.DataFrame({"mass": mass, "kind": column})
            )


def test_texts_and_numbers_in_a_list_are_what_they_are_in_a_frame():
    rows = [[1.0, "a", 3], [2.0, "b", 4], [4.0, "a", 3], [5.0, "b", 3]]
    code = ColumnCode.of(rows, None, [1, 2])
    assert code.categories == {1: ("a", "b"), 2: (3.0, 4.0)}
    gap = [[1.0, "a"], [2.0, float("nan")], [4.0, "b"]]
    with pytest.raises(ValueError, match="NaN: column 1 in row 1"):
        isthmus.LinearAutoencoder(1, categorical=[1]).fit(gap)
