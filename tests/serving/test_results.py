"""What comes out is what the model gives for the same rows, to the last bit."""

import json
import warnings

import jax
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import isthmus
from isthmus.serving import Limits, application
from isthmus.serving._functions import functions_of

ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).standard_normal((300, 5)) * [1e-6, 1e6, 1, 1, 1]


@pytest.fixture(scope="module")
def network(rows):
    model = isthmus.Autoencoder(2, widths=(8,), scaling="standard", max_epochs=1, random_state=0)
    return fitted(model, rows)


def fitted(model, *data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(*data)


def post(client, path, body):
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def stacked(columns):
    return np.stack(list(columns.values()), axis=1)


@pytest.mark.parametrize("n", [1, 64, 65, 300])
def test_a_network_by_json_and_arrow(network, rows, client_of, post_arrow, n):
    client, some = client_of(network), rows[:n]
    expected = network.transform(some)
    found = post(client, "/transform", {"rows": some.tolist()})["coordinates"]
    np.testing.assert_array_equal(np.asarray(found, expected.dtype), expected)
    table = {f"x{j}": some[:, j] for j in range(5)}
    found = post_arrow(client, "/transform", table)
    assert list(found) == list(network.get_feature_names_out())
    np.testing.assert_array_equal(stacked(found), expected)
    assert stacked(found).dtype == expected.dtype

    decoded = network.inverse_transform(expected)
    found = post(client, "/inverse_transform", {"coordinates": expected.tolist()})["rows"]
    # Coordinates came in as double precision, which holds them exactly.
    np.testing.assert_array_equal(found, network.inverse_transform(expected.astype(np.float64)))
    found = post_arrow(client, "/inverse_transform", {"a": expected[:, 0], "b": expected[:, 1]})
    np.testing.assert_array_equal(stacked(found), decoded)
    assert list(found) == ["x0", "x1", "x2", "x3", "x4"]


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16, np.uint8, np.float16])
def test_lists_of_arrow_keep_the_type_of_their_numbers(network, rows, client_of, post_arrow, kind):
    some = (rows[:70] * [1e7, 1e-5, 10, 10, 10] + 50).astype(kind)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(some.ravel()), 5)
    found = post_arrow(client_of(network), "/transform", {"images": lists})
    np.testing.assert_array_equal(stacked(found), network.transform(some))


def test_a_part_of_a_longer_column_of_lists(network, rows, client_of, post_arrow):
    lists = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), 5)
    column = pa.chunked_array([lists[10:20], lists[0:0], lists[40:41]])
    found = post_arrow(client_of(network), "/transform", {"rows": column})
    np.testing.assert_array_equal(stacked(found), network.transform(rows[[*range(10, 20), 40]]))


def test_a_tensor_is_a_column_of_lists(network, rows, client_of, post_arrow):
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(rows[:7])
    found = post_arrow(client_of(network), "/transform", {"rows": tensor})
    np.testing.assert_array_equal(stacked(found), network.transform(rows[:7]))


def test_columns_are_found_by_name(named, flowers, client, post_arrow):
    shuffled = flowers.iloc[:, [2, 0, 3, 1]].assign(id=1.0)
    expected = named.transform(flowers)
    found = post(client, "/transform", {"rows": shuffled.to_dict("records")})["coordinates"]
    np.testing.assert_array_equal(found, expected)
    table = pa.Table.from_pandas(shuffled, preserve_index=False)
    np.testing.assert_array_equal(stacked(post_arrow(client, "/transform", table)), expected)


def test_coordinates_are_found_by_name(named, flowers, client, post_arrow):
    Z = named.transform(flowers).astype(np.float64)
    first, second = named.get_feature_names_out()
    table = {second: Z[:, 1], first: Z[:, 0]}
    expected = named.inverse_transform(Z)
    np.testing.assert_array_equal(stacked(post_arrow(client, "/inverse_transform", table)), expected)
    objects = pd.DataFrame(table).to_dict("records")
    found = post(client, "/inverse_transform", {"coordinates": objects})
    np.testing.assert_array_equal(found["rows"], expected)


def test_there_and_back_without_a_loss(flowers, client_of):
    client = client_of(isthmus.LinearAutoencoder(4).fit(flowers))
    there = post(client, "/transform", {"rows": flowers.to_numpy().tolist()})
    back = post(client, "/inverse_transform", there)
    # Four coordinates hold four columns; 1e-5 of 8 is single precision.
    np.testing.assert_allclose(back["rows"], flowers, atol=1e-5)


def test_seconds_since_1970_keep_their_digits(client_of, post_arrow):
    times = 1.7e9 + np.arange(100.0)[:, None] * [1, 0.25]
    model = isthmus.LinearAutoencoder(1).fit(times)
    client = client_of(model)
    expected = model.transform(times)
    # Rows lie on a line, 1.03 seconds apart; single precision has steps of 128.
    np.testing.assert_allclose(np.abs(np.diff(expected[:, 0])), np.hypot(1, 0.25), atol=1e-4)
    found = post(client, "/transform", {"rows": times.tolist()})["coordinates"]
    np.testing.assert_array_equal(np.asarray(found, expected.dtype), expected)
    found = post_arrow(client, "/transform", {"x0": times[:, 0], "x1": times[:, 1]})
    np.testing.assert_array_equal(stacked(found), expected)


def test_what_is_missing_is_null(rows, client_of, post_arrow):
    model = fitted(
        isthmus.VariationalAutoencoder(
            1, widths=(4,), max_epochs=1, validation_fraction=0, random_state=0
        ),
        rows,
    )
    client, gaps = client_of(model), rows[:4].copy()
    gaps[[0, 2], [1, 4]] = np.nan
    body = json.dumps({"rows": gaps.tolist()}).replace("NaN", "null")
    found = client.post("/transform", content=body, headers={"Content-Type": "application/json"})
    expected = model.transform(gaps)
    assert not np.array_equal(expected[0], model.transform(rows[:1])[0])
    np.testing.assert_array_equal(np.asarray(found.json()["coordinates"], np.float32), expected)
    table = {f"x{j}": pa.array(gaps[:, j], from_pandas=True) for j in range(5)}
    assert table["x1"].null_count == 1
    np.testing.assert_array_equal(stacked(post_arrow(client, "/transform", table)), expected)

    about = client.get("/openapi.json").json()["paths"]["/transform"]["post"]["requestBody"]
    rows = about["content"]["application/json"]["schema"]["properties"]["rows"]
    assert rows["anyOf"][0]["items"]["items"]["type"] == ["number", "null"]


def test_no_number_is_null_and_never_nan(network, client_of, post_arrow):
    client, far = client_of(network), np.zeros((2, 5))
    far[0, :2] = 1e37, -1e37
    expected = network.transform(far)
    # 1e37 / 1e-6 is beyond single precision.
    np.testing.assert_array_equal(np.isfinite(expected).all(axis=1), [False, True])
    answer = client.post("/transform", json={"rows": far.tolist()})
    strict = json.loads(answer.text, parse_constant=lambda text: pytest.fail(text))
    found = np.array(strict["coordinates"], np.float32)
    np.testing.assert_array_equal(found, np.where(np.isfinite(expected), expected, np.nan))
    table = {f"x{j}": far[:, j] for j in range(5)}
    np.testing.assert_array_equal(stacked(post_arrow(client, "/transform", table)), expected)


def test_rows_with_angles_and_categories(client_of, post_arrow):
    table = pd.DataFrame(
        {"phi": [10.0, 200, 350, 90], "kind": list("abab"), "size": [1.0, 2, 3, 5], "code": [3, 7, 7, 3]}
    )
    kinds = {"periodic": {"phi": 360}, "categorical": ["kind", "code"]}
    model = isthmus.LinearAutoencoder(2, scaling="standard", **kinds).fit(table)
    client, expected = client_of(model), model.transform(table)
    found = post(client, "/transform", {"rows": table.to_dict("records")})
    np.testing.assert_array_equal(found["coordinates"], expected)
    found = post(client, "/transform", {"rows": table.to_numpy(object).tolist()})
    np.testing.assert_array_equal(found["coordinates"], expected)
    columns = pa.Table.from_pandas(table)
    columns = columns.set_column(1, "kind", columns.column("kind").dictionary_encode())
    np.testing.assert_array_equal(stacked(post_arrow(client, "/transform", columns)), expected)

    decoded = model.inverse_transform(expected)
    back = post(client, "/inverse_transform", {"coordinates": expected.tolist()})["rows"]
    assert back == decoded.tolist()
    assert [row[1] for row in back] == list("abab")
    first, second = expected.T
    found = post_arrow(client, "/inverse_transform", {"a": first, "b": second})
    assert list(found) == list(table)
    np.testing.assert_array_equal(found["kind"], decoded[:, 1])
    np.testing.assert_array_equal(found["phi"], decoded[:, 0].astype(float))


def test_images_are_flat_rows(client_of):
    images = np.random.default_rng(0).random((20, 2, 3))
    model = isthmus.LinearAutoencoder(2).fit(images)
    client, expected = client_of(model), model.transform(images)
    found = post(client, "/transform", {"rows": images.reshape(20, 6).tolist()})
    np.testing.assert_array_equal(found["coordinates"], expected)
    back = post(client, "/inverse_transform", found)["rows"]
    decoded = model.inverse_transform(expected.astype(np.float64))
    np.testing.assert_array_equal(back, decoded.reshape(20, 6))


@pytest.mark.parametrize("labels", [["b", "a", "c"], [False, True, True]])
def test_classes_and_their_probabilities(rows, client_of, post_arrow, labels):
    y = np.array(labels)[np.arange(300) % 3]
    model = fitted(
        isthmus.FeedForwardClassifier((4,), max_epochs=1, validation_fraction=0, random_state=0), rows, y
    )
    client, some = client_of(model), rows[:9]
    found = post(client, "/predict", {"rows": some.tolist()})
    assert found["predictions"] == model.predict(some).tolist()
    assert found["classes"] == model.classes_.tolist() == sorted(set(labels))
    expected = model.predict_proba(some)
    np.testing.assert_array_equal(np.asarray(found["probabilities"], expected.dtype), expected)
    columns = post_arrow(client, "/predict", {f"x{j}": some[:, j] for j in range(5)})
    assert list(columns) == ["prediction", *(f"probability_{one}" for one in model.classes_.tolist())]
    np.testing.assert_array_equal(columns.pop("prediction"), model.predict(some))
    np.testing.assert_array_equal(stacked(columns), expected)
    assert client.post("/transform", json={"rows": []}).status_code == 404


@pytest.mark.parametrize("shape", [(300,), (300, 2)])
def test_targets(rows, client_of, post_arrow, shape):
    y = rows[:, 2:4].ravel()[: np.prod(shape)].reshape(shape) + 1e6
    model = fitted(
        isthmus.FeedForwardRegressor((4,), max_epochs=1, validation_fraction=0, random_state=0), rows, y
    )
    client, expected = client_of(model), model.predict(rows)
    found = post(client, "/predict", {"rows": rows.tolist()})["predictions"]
    np.testing.assert_array_equal(found, expected)
    assert np.shape(found) == shape
    columns = post_arrow(client, "/predict", {f"x{j}": rows[:, j] for j in range(5)})
    np.testing.assert_array_equal(stacked(columns), expected.reshape(300, -1))


def test_an_ensemble_of_predictors(rows, client_of):
    member = isthmus.FeedForwardClassifier((4,), max_epochs=1)
    table = pd.DataFrame(rows, columns=list("abcde"))
    model = fitted(isthmus.Ensemble(member, n_members=2, random_state=0), table, rows[:, 0] > 0)
    client = client_of(model)
    found = post(client, "/predict", {"rows": table.to_dict("records")})
    np.testing.assert_array_equal(np.float32(found["probabilities"]), model.predict_proba(table))
    assert client.get("/health").json()["estimator"] == "Ensemble"


def test_an_ensemble_of_maps(flowers, client_of):
    model = isthmus.Ensemble(isthmus.LinearAutoencoder(2), n_members=2, random_state=0).fit(flowers)
    found = post(client_of(model), "/transform", {"rows": flowers.to_dict("records")})["coordinates"]
    expected = model.transform(flowers)
    np.testing.assert_array_equal(np.asarray(found, expected.dtype), expected)


def test_a_model_that_gives_data_frames(flowers, client_of):
    model = isthmus.LinearAutoencoder(2).fit(flowers)
    expected = model.transform(flowers)
    client = client_of(model.set_output(transform="pandas"))
    found = post(client, "/transform", {"rows": flowers.to_dict("records")})["coordinates"]
    np.testing.assert_array_equal(found, expected)


def test_no_rows_have_no_coordinates(client, post_arrow):
    assert post(client, "/transform", {"rows": []}) == {"coordinates": []}
    assert post(client, "/inverse_transform", {"coordinates": []}) == {"rows": []}
    empty = {"linearautoencoder0": pa.array([], pa.float32()), "linearautoencoder1": pa.array([], "f4")}
    found = post_arrow(client, "/inverse_transform", empty)
    assert [len(column) for column in found.values()] == [0] * 4


@pytest.fixture
def compiled():
    """Grows with every program that JAX compiles."""
    events = []

    def listen(event, seconds, **_):
        if "compile" in event:
            events.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield events
    jax.monitoring.clear_event_listeners()


def test_the_first_request_of_every_size_compiles_nothing(network, rows, compiled):
    for function in functions_of(network):
        function.warm_up(Limits(rows=1000).rows_of(5))
        compiled.clear()
        for n in (1, 2, 64, 65, 300, 1000):
            many = np.resize(rows, (n, function.columns.width))
            function(many)
            function(many.astype(np.float32))
        assert not compiled
    function(np.zeros((1025, 2)))
    assert compiled


def test_health_says_what_the_model_is_and_not_where_it_is(flowers, client, tmp_path, client_of):
    model = isthmus.LinearAutoencoder(2).fit(flowers)
    isthmus.save(model, tmp_path / "secret.isthmus")
    answer = client_of(isthmus.load(tmp_path / "secret.isthmus")).get("/health")
    assert answer.json() == {
        "status": "ok",
        "isthmus": isthmus.__version__,
        "estimator": "LinearAutoencoder",
        "features": 4,
        "feature_names": list(flowers.columns),
        "coordinates": 2,
        "coordinate_names": ["linearautoencoder0", "linearautoencoder1"],
    }
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match="takes a fitted isthmus model, got list; of a pipeline"):
        application([1])
    with pytest.raises(ValueError, match="not fitted"):
        application(isthmus.LinearAutoencoder(2))


@pytest.mark.parametrize("kind", [pa.string_view(), pa.dictionary(pa.int8(), pa.string_view())])
def test_texts_as_polars_writes_them(client_of, post_arrow, kind):
    table = np.array([["setosa, a long name", 1.0], ["b", 2.0], ["b", 4.0]], object)
    model = isthmus.LinearAutoencoder(1, scaling="standard", categorical=[0]).fit(table)
    names = pa.array(table[:, 0].tolist(), pa.string_view())
    if pa.types.is_dictionary(kind):
        names = pa.DictionaryArray.from_arrays(pa.array([0, 1, 1], pa.int8()), names[:2])
    found = post_arrow(client_of(model), "/transform", {"x0": names, "x1": table[:, 1].astype(float)})
    np.testing.assert_allclose(np.column_stack(list(found.values())), model.transform(table), rtol=1e-6)
