"""What the page is given, against the model, scikit-learn and closed forms."""

import base64
import hashlib
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import NearestNeighbors

import isthmus
from explorer.container import read
from isthmus.data import rows as data_rows
from isthmus.explorer import _measures, _rows
from isthmus.files.export import reader

IRIS = load_iris(as_frame=True)
DIGITS = load_digits().data


def given(*arguments, **settings):
    return read(isthmus.explore(*arguments, **settings)._data)


@pytest.fixture(scope="module")
def iris():
    return isthmus.LinearAutoencoder(2).fit(IRIS.data)


@pytest.fixture(scope="module")
def ensemble():
    """Three linear maps of some digits, each of other draws of them."""
    members = isthmus.Ensemble(isthmus.LinearAutoencoder(2), 3, bootstrap=True, random_state=0)
    return members.fit(DIGITS[:200])


@pytest.fixture(scope="module")
def gaps():
    """Some digits, with a missing pixel in every third row."""
    X = DIGITS[:300].copy()
    X[::3, 20] = np.nan
    return X


@pytest.fixture(scope="module")
def variational(gaps):
    model = isthmus.VariationalAutoencoder(
        2, widths=(8,), max_epochs=3, validation_fraction=0, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(gaps)


def measure(found, key):
    return next(one for one in found["measures"] if one["key"] == key)["values"]


def test_points_features_and_facts_are_the_models(iris):
    found = given(iris, IRIS.data, labels=IRIS.target_names[IRIS.target], label_name="species")
    Z = iris.transform(IRIS.data)
    np.testing.assert_array_equal(found["coordinates"], Z.astype(np.float32))
    assert (found["n"], found["d"], found["D"]) == (150, 2, 4)
    assert found["axes"] == list(iris.get_feature_names_out())
    assert found["features"]["names"] == list(IRIS.data.columns)
    expected = {"mean": IRIS.data.mean(), "std": IRIS.data.std(ddof=0)}
    expected |= {"low": IRIS.data.min(), "high": IRIS.data.max()}
    for name, values in expected.items():
        np.testing.assert_allclose(found["features"][name], values, rtol=1e-9)
    assert found["labels"]["name"] == "species"
    assert found["labels"]["values"] == ["setosa", "versicolor", "virginica"]
    np.testing.assert_array_equal(found["labels"]["codes"], IRIS.target)
    np.testing.assert_allclose(
        measure(found, "error"), isthmus.reconstruction_error(iris, IRIS.data), rtol=1e-5, atol=1e-9
    )
    np.testing.assert_allclose(found["rows"]["values"], IRIS.data, rtol=1e-7)
    assert found["rows"]["which"] is None
    assert found["image"] is None is found["covariance"] is found["deviation"]


def test_the_page_has_the_functions_of_the_map(iris):
    found = given(iris, IRIS.data)
    for name, rows, expected in (
        ("encode", IRIS.data.to_numpy(), iris.transform(IRIS.data)),
        ("decode", iris.transform(IRIS.data), iris.inverse_transform(iris.transform(IRIS.data))),
    ):
        program = found["programs"][name]
        values = {**program["constants"], program["input"]: np.asarray(rows, program["dtype"])}
        for result, operation, operands, settings in program["steps"]:
            values[result] = reader.OPERATIONS[operation](*(values[one] for one in operands), **settings)
        np.testing.assert_allclose(values[program["output"]], expected, atol=1e-5)
        probes = found["probes"][name]
        assert np.all(probes["tolerance"] > 0)
        assert len(probes["given"]) == len(probes["expected"]) == 8
    decoded = found["probes"]["decode"]
    assert decoded["tolerance"].max() < 0.01 * IRIS.data.std().max()


def test_neighbours_in_the_data_are_the_nearest_rows():
    X = np.random.default_rng(0).standard_normal((200, 5)) + 1e6
    model = isthmus.LinearAutoencoder(2).fit(X)
    found = given(model, X)["neighbours"]
    _, expected = NearestNeighbors(n_neighbors=9).fit(X - X.mean(axis=0)).kneighbors()
    np.testing.assert_array_equal(found["indices"], expected[:, : found["k"]])


def test_of_copies_none_is_its_own_neighbour():
    X = np.repeat(np.random.default_rng(0).standard_normal((3, 4)), 20, axis=0)
    found = given(isthmus.LinearAutoencoder(2).fit(X), X)["neighbours"]["indices"]
    assert not np.any(found == np.arange(60)[:, None])
    # All of the nearest are copies.
    np.testing.assert_array_equal(found // 20, np.repeat(np.arange(3), 20)[:, None] * np.ones((1, 8)))


def test_density_is_that_of_a_uniform_plane():
    rng = np.random.default_rng(0)
    low = rng.uniform(size=(4000, 2)) * [1, 1]
    high = rng.uniform(size=(4000, 2)) * [0.5, 0.5] + [2, 0]
    X = np.concatenate([low, high])
    density = measure(given(isthmus.LinearAutoencoder(2).fit(X), X), "density")
    # Four times as many to an area.
    ratio = np.median(density[4000:]) / np.median(density[:4000])
    assert ratio == pytest.approx(4, rel=0.1)
    assert density.mean() == pytest.approx(1, rel=1e-4)


def test_a_linear_map_distorts_nothing(iris):
    found = given(iris, IRIS.data)
    np.testing.assert_allclose(measure(found, "distortion"), 1, atol=1e-5)
    np.testing.assert_allclose(measure(found, "anisotropy"), 1, atol=1e-5)


def test_nearly_all_points_are_where_the_map_has_support():
    X = np.random.default_rng(0).standard_normal((1000, 4))
    found = given(isthmus.LinearAutoencoder(2).fit(X), X)
    distances, _ = NearestNeighbors(n_neighbors=10).fit(found["coordinates"]).kneighbors()
    assert np.mean(distances[:, -1] > found["support"]["distance"]) == pytest.approx(0.01, abs=0.002)
    assert found["support"]["k"] == 10


def test_the_ellipses_of_an_ensemble_are_the_scatter_of_its_members(ensemble):
    found = given(ensemble, DIGITS[:200])
    deviations = np.sqrt(np.diagonal(found["covariance"], axis1=1, axis2=2))
    expected = isthmus.coordinate_spread(ensemble, DIGITS[:200])
    np.testing.assert_allclose(deviations, expected, rtol=1e-3, atol=1e-4 * expected.max())
    np.testing.assert_allclose(
        measure(found, "spread"), np.sqrt(np.square(expected).sum(axis=1)), rtol=1e-3
    )
    z = np.stack([member.transform(DIGITS[:200]) for member in ensemble.members_])
    alignment = ensemble.network_.alignment
    aligned = np.einsum("mni,mij->mnj", z - np.asarray(alignment.origins)[:, None], alignment.rotations)
    expected = np.stack([np.cov(of_row.T) for of_row in np.swapaxes(aligned, 0, 1)])
    np.testing.assert_allclose(found["covariance"], expected, rtol=1e-3, atol=1e-4 * expected.max())


def test_of_very_many_points_there_are_standard_deviations_alone(ensemble, monkeypatch):
    monkeypatch.setattr(_measures, "MOST_COVARIANCES", 799)
    found = given(ensemble, DIGITS[:200])
    assert found["covariance"] is None
    expected = isthmus.coordinate_spread(ensemble, DIGITS[:200])
    np.testing.assert_allclose(found["deviation"], expected, rtol=1e-3, atol=1e-4 * expected.max())


def test_a_variational_map_shows_its_posterior(variational):
    found = given(variational, DIGITS[:300])
    std = isthmus.posterior(variational, DIGITS[:300]).std
    np.testing.assert_array_equal(found["deviation"], std)
    np.testing.assert_allclose(measure(found, "spread"), np.sqrt(np.square(std).sum(axis=1)), rtol=1e-5)


def test_rows_that_a_map_is_good_for_say_how_far_it_may_be_believed(iris):
    known = np.random.default_rng(0).standard_normal((60, 4)) + IRIS.data.mean().to_numpy()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*feature names.*")
        found = given(iris, IRIS.data, known=known)
        expected = isthmus.reliability(iris, IRIS.data, known).p_value
    np.testing.assert_allclose(measure(found, "reliability"), expected, rtol=1e-6)


def test_numbers_as_labels_are_a_measure(iris):
    labels = np.linspace(0, 1, 150)
    labels[7] = np.nan
    found = given(iris, IRIS.data, labels=labels, label_name="age")
    assert found["labels"] is None
    np.testing.assert_allclose(measure(found, "label"), labels, rtol=1e-6)


def test_classes_keep_their_order_and_missing_ones_come_last(iris):
    labels = np.array([10, 2, 2, None, float("nan")] * 30, dtype=object)
    found = given(iris, IRIS.data, labels=labels)["labels"]
    assert found["values"] == ["2", "10", "(missing)"]
    np.testing.assert_array_equal(found["codes"][:5], [1, 0, 0, 2, 2])


@pytest.mark.parametrize(
    ("X", "dtype", "exact"),
    [
        (DIGITS, "uint8", True),
        (DIGITS * 100, "uint16", True),
        (DIGITS / 16, "float32", True),
        (DIGITS - 8, "float32", True),
        (DIGITS / 7, "float32", False),
        (DIGITS / 7 + 1e6, "float64", True),
    ],
)
def test_rows_take_as_little_room_as_they_need(X, dtype, exact):
    found = given(isthmus.LinearAutoencoder(2).fit(X), X)["rows"]["values"]
    assert found.dtype == dtype
    np.testing.assert_allclose(found, X, rtol=0, atol=0 if exact else 1e-6)


def test_columns_far_from_the_rows_of_the_fit_have_their_own_spread():
    noise = np.random.default_rng(0).standard_normal((200, 3))
    X = 1e5 + 1e-3 * noise
    found = given(isthmus.LinearAutoencoder(2).fit(noise), X)["features"]
    np.testing.assert_allclose(found["mean"], X.mean(axis=0), rtol=1e-12)
    # Numbers near 1e5 are rounded by 1e-11, a hundred-millionth of the spread.
    np.testing.assert_allclose(found["std"], X.std(axis=0), rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_column_of_equal_numbers_has_no_spread(dtype):
    X = np.random.default_rng(0).standard_normal((1000, 3))
    X[:, 1] = 0.3
    assert X[:, 1].mean() != 0.3  # rounded
    found = given(isthmus.LinearAutoencoder(2).fit(X), X.astype(dtype))
    assert found["features"]["std"][1] == 0
    assert [one["feature"] for one in found["columns"]] == [0, 2]
    # What rounding makes of it is not kept in double precision.
    assert found["rows"]["values"].dtype == np.float32


def test_missing_entries_are_missing_in_the_page(variational, gaps):
    found = given(variational, gaps)
    np.testing.assert_array_equal(found["rows"]["values"], gaps)
    mean = np.nanmean(gaps, axis=0)
    np.testing.assert_allclose(found["features"]["mean"], mean, rtol=1e-6, atol=1e-12)
    assert np.isfinite(found["coordinates"]).all()
    assert np.isfinite(measure(found, "error")).all()


def test_of_many_rows_some_are_in_the_page(monkeypatch):
    monkeypatch.setattr(_rows, "ROW_BYTES", 100 * 64)
    monkeypatch.setattr(_rows, "COLUMN_BYTES", 5 * len(DIGITS))
    monkeypatch.setattr(_rows, "MOST_AMONG", 600)
    found = given(isthmus.LinearAutoencoder(2).fit(DIGITS), DIGITS)
    which = found["rows"]["which"]
    assert 50 < len(which) <= 100
    np.testing.assert_array_equal(found["rows"]["values"], DIGITS[which])
    # The columns that vary most, in their order.
    columns = [one["feature"] for one in found["columns"]]
    assert columns == sorted(np.argsort(-DIGITS.std(axis=0), kind="stable")[:5])
    for one in found["columns"]:
        np.testing.assert_array_equal(one["values"], DIGITS[:, one["feature"]])
    # Nearest among those compared, which these are part of.
    near = found["neighbours"]
    among = np.union1d(np.arange(0, 1797, 3), which)
    gaps = np.linalg.norm(DIGITS[among] - DIGITS[near["which"][5]], axis=1)
    gaps[among == near["which"][5]] = np.inf
    np.testing.assert_allclose(
        np.linalg.norm(DIGITS[near["indices"][5]] - DIGITS[near["which"][5]], axis=1),
        np.sort(gaps)[:8],
    )


def test_rows_of_a_file_are_read_in_blocks(tmp_path, monkeypatch):
    X = np.random.default_rng(0).standard_normal((500, 6)).astype(np.float32)
    np.save(tmp_path / "rows.npy", X)
    model = isthmus.LinearAutoencoder(2).fit(X)
    expected = given(model, X)
    monkeypatch.setattr(data_rows, "READ_ELEMENTS", 6 * 64)
    found = given(model, tmp_path / "rows.npy")
    np.testing.assert_allclose(found["coordinates"], expected["coordinates"], atol=1e-6)
    for name in ("rows", "neighbours"):
        for part, values in expected[name].items():
            np.testing.assert_array_equal(found[name][part], values)
    for name in ("mean", "std", "low", "high"):
        np.testing.assert_allclose(found["features"][name], expected["features"][name], atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "drawn"),
    [((4, 3), [4, 3]), ((4, 3, 1), [4, 3]), ((2, 2, 3), [2, 2, 3]), ((3, 2, 2), None)],
)
def test_a_map_of_images_shows_images(shape, drawn):
    X = np.random.default_rng(0).uniform(size=(30, *shape))
    model = isthmus.LinearAutoencoder(2).fit(X)
    found = given(model, X)
    assert found["image"] == drawn
    np.testing.assert_allclose(found["rows"]["values"], X.reshape(30, 12), rtol=1e-6)
    assert given(model, X.reshape(30, 12), image_shape=(3, 4))["image"] == [3, 4]


def test_angles_and_categories_are_shown_without_functions():
    X = np.random.default_rng(0).uniform(0, 360, (100, 3))
    model = isthmus.LinearAutoencoder(2, periodic={0: 360}).fit(X)
    found = given(model, X)
    assert found["programs"] is None is found["probes"]
    assert "angles or categories" in found["why_no_programs"]
    assert found["D"] == len(found["features"]["names"]) == 4


@pytest.mark.filterwarnings("ignore:.*feature names")
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"labels": [1, 2]}, ValueError, r"labels have shape \(2,\), and X has 150 rows"),
        ({"ids": "abc"}, ValueError, "there are 3 ids, and X has 150 rows"),
        ({"image_shape": (3, 3)}, ValueError, "9 pixels, and rows have 4 columns"),
        ({"X": IRIS.data[:1]}, ValueError, "one point has nothing to show"),
        ({"X": IRIS.data * np.nan}, ValueError, "NaN"),
        ({"X": IRIS.data.to_numpy()[:, :3]}, ValueError, "3 features"),
        ({"model": isthmus.LinearAutoencoder(2)}, NotFittedError, "not fitted"),
        ({"model": "map"}, TypeError, "str has no fit"),
    ],
)
def test_what_cannot_be_shown_is_refused(iris, change, error, message):
    settings = {"model": iris, "X": IRIS.data} | change
    model, X = settings.pop("model"), settings.pop("X")
    with pytest.raises(error, match=message):
        isthmus.explore(model, X, **settings)


@pytest.mark.parametrize("X", [np.ones((5, 3)), np.eye(2), np.repeat(np.eye(3), 2, axis=0)])
def test_few_and_equal_rows_are_shown(X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = isthmus.LinearAutoencoder(1).fit(
            np.random.default_rng(0).standard_normal((20, X.shape[1]))
        )
    found = given(model, X)
    assert found["n"] == len(X)
    assert len(found["coordinates"]) == len(X)


def test_the_page_is_one_file_with_the_data_in_it(iris, tmp_path):
    explorer = isthmus.explore(iris, IRIS.data, title='</title><script>alert("1")</script> @@DATA@@')
    explorer.save(tmp_path / "map.html")
    page = (tmp_path / "map.html").read_text("utf-8")
    (data,) = re.findall(r'id="isthmus-data">([A-Za-z0-9+/=]*)<', page)
    assert base64.b64decode(data) == explorer._data
    assert "<title>&lt;/title&gt;&lt;script&gt;alert" in page
    assert [one.name for one in tmp_path.iterdir()] == ["map.html"]
    # The same page again.
    assert isthmus.explore(iris, IRIS.data)._data == isthmus.explore(iris, IRIS.data)._data


def test_the_policy_allows_the_pages_own_script_alone(iris, tmp_path):
    isthmus.explore(iris, IRIS.data).save(tmp_path / "map.html")
    page = (tmp_path / "map.html").read_text("utf-8")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(one.strip().split(" ", 1) for one in policy.split(";"))
    assert rules["default-src"] == rules["connect-src"] == rules["form-action"] == "'none'"
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert rules["script-src"].split() == [f"'sha256-{digest}'", "'unsafe-eval'"]
    assert "unsafe-inline" not in policy


def test_a_page_that_cannot_be_written_leaves_nothing(iris, tmp_path):
    explorer = isthmus.explore(iris, IRIS.data)
    with pytest.raises(ValueError, match=r"its name ends in \.html"):
        explorer.save(tmp_path / "map.png")
    with pytest.raises(OSError, match="nowhere"):
        explorer.save(tmp_path / "nowhere" / "map.html")
    assert not list(tmp_path.iterdir())


def test_the_built_page_is_that_of_the_source():
    web = Path(__file__).parents[2] / "web"
    if not web.exists():
        pytest.skip("the source of the page is not in an sdist")
    others = (web / name for name in ("LICENCES.txt", "build.mjs", "page.html", "package-lock.json"))
    sources = sorted([*(web / "src").iterdir(), *others], key=Path.as_posix)
    digest = hashlib.sha256()
    for path in sources:
        text = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{path.relative_to(web).as_posix()}\n{len(text)}\n".encode() + text)
    built = Path(isthmus.__file__).parent / "explorer" / "built"
    assert (built / "source.sha256").read_text().strip() == digest.hexdigest(), (
        "the page is not that of web/: run `make explorer`"
    )
    for name, made in (line.split() for line in (built / "files.sha256").read_text().splitlines()):
        assert hashlib.sha256((built / name).read_bytes()).hexdigest() == made


@pytest.mark.parametrize("unit", [1e-31, 1.0, 1e30])
def test_measures_are_there_in_every_unit(unit):
    X = DIGITS[:60] * unit
    model = isthmus.LinearAutoencoder(2).fit(X)
    expected = isthmus.reconstruction_error(model, X)
    np.testing.assert_allclose(measure(given(model, X), "error"), expected, rtol=1e-5)


def test_ellipses_are_there_in_a_tiny_unit(ensemble):
    X = DIGITS[:200]
    tiny = isthmus.Ensemble(isthmus.LinearAutoencoder(2), 3, bootstrap=True, random_state=0)
    found = given(tiny.fit(X * 1e-31), X * 1e-31)["covariance"]
    np.testing.assert_allclose(
        found * 1e31 * 1e31, given(ensemble, X)["covariance"], rtol=1e-2, atol=1e-2
    )


def test_numbers_as_labels_are_told_apart_far_from_zero(iris):
    clock = 1.7e9 + np.arange(150) / 2
    np.testing.assert_array_equal(measure(given(iris, IRIS.data, labels=clock), "label"), clock)


@pytest.mark.parametrize(
    "labels",
    [
        pd.Series([30, 4, None] * 50, dtype=pd.CategoricalDtype([4, 30])),
        pd.Series([30, 4, None] * 50, dtype="Int64"),
    ],
)
def test_categories_and_integers_are_classes_where_some_are_missing(iris, labels):
    assert given(iris, IRIS.data, labels=labels)["labels"]["values"] == ["4", "30", "(missing)"]
