"""What is refused: with the right status, in one sentence of JSON, and never with 500."""

import math
import tracemalloc

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

import isthmus
from isthmus.serving import Limits, application

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
GOOD = b'{"rows": [[1, 2, 3, 4]]}'
FIRST = "'sepal length (cm)'"


@pytest.fixture(scope="module")
def small(named, client_of):
    """A client of the same map with small limits: 32 rows of 4, or a body of 1 KiB."""
    return client_of(named, limits=Limits(body_bytes=1024, rows=1000))


def refused(answer, status):
    """The sentence of a refusal."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == JSON
    found = answer.json()
    assert list(found) == ["error"]
    assert "Traceback" not in found["error"]
    assert "\n" not in found["error"]
    return found["error"]


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b'{"rows": [[1, 2, 3, NaN]]}', 400, "write a number that is missing as null"),
        (b'{"rows": [[1, 2, 3, Infinity]]}', 400, "no NaN or Infinity"),
        (b'{"rows": [[1, 2, 3, 1e400]]}', 400, "infinity"),
        (b'{"rows": [[1, 2, 3, 1' + b"0" * 400 + b"]]}", 400, "infinity"),
        (b"[" * 5000, 400, "depth"),
        (b'{"rows": ' + b"[" * 5000, 400, "depth"),
        ('{"rows": [["é", 2, 3, 4]]}'.encode("latin-1"), 400, "UTF-8"),
        (GOOD.decode().encode("utf-16"), 400, "Expected is UTF-8"),
        (b"\xef\xbb\xbf" + GOOD, 400, "byte order mark"),
        (b"[[1, 2, 3, 4]]", 422, "the body is a list: expected is one object"),
        (b"null", 422, "the body is null"),
        (b"3", 422, "the body is the number 3"),
        (b"{}", 422, "with the keys none"),
        (b'{"row": []}', 422, "with the keys 'row': expected is one object, {\"rows\": [[…], …]}"),
        (b'{"rows": [], "names": []}', 422, "with the keys 'rows', 'names'"),
        (b'{"rows": 7}', 422, "'rows' is the number 7"),
        (b'{"rows": "12"}', 422, "'rows' is the text '12'"),
        (b'{"rows": [1, 2, 3, 4]}', 422, "row 0 is the number 1: expected are lists of 4 values"),
        (b'{"rows": [[1, 2, 3]]}', 422, "row 0 has 3 values, and 4 are expected: " + FIRST),
        (b'{"rows": [[1, 2, 3, 4], [5, 6, 7, 8, 9]]}', 422, "row 1 has 5 values"),
        (b'{"rows": [[]]}', 422, "row 0 has 0 values"),
        (b'{"rows": [[1, 2, 3, "4"]]}', 422, "'petal width (cm)' in row 0 is the text '4'"),
        (b'{"rows": [[1, 2, 3, true]]}', 422, "is true: expected is a number or null"),
        (b'{"rows": [[1, 2, 3, [4]]]}', 422, "is a list"),
        (b'{"rows": [[1, 2, 3, {}]]}', 422, "is an object"),
        (b'{"rows": [[1, 2, 3, null]]}', 422, "contains NaN: column 'petal width (cm)' in row 0"),
        (b'{"rows": [[1, 2, -1e38, 4]]}', 422, "contains -1e+38, beyond ±1e+37"),
        (b'{"rows": [[1, 2, 3, 1' + b"0" * 40 + b"]]}", 422, "contains 1e+40, beyond"),
        (b'{"rows": [{}]}', 422, "row 0 lacks " + FIRST),
        (b'{"rows": [{"sepal length": 1}]}', 422, "expected are the names " + FIRST),
        (b'{"rows": [{}, [1, 2, 3, 4]]}', 422, "row 0 lacks"),
        (b'{"rows": [[1, 2, 3, 4], {}]}', 422, "row 1 is an object"),
    ],
)
def test_json(client, body, status, sentence):
    answer = client.post("/transform", content=body, headers={"Content-Type": JSON})
    assert sentence in refused(answer, status)


def test_objects_and_lists_in_one_request(client, flowers):
    rows = [flowers.iloc[0].to_dict(), [1, 2, 3, 4]]
    assert "row 1 is a list, and row 0 an object" in refused(
        client.post("/transform", json={"rows": rows}), 422
    )


def test_coordinates_have_names_of_their_own(client):
    answer = client.post("/inverse_transform", json={"rows": [[1, 2]]})
    assert 'expected is one object, {"coordinates": [[…], …]}' in refused(answer, 422)
    answer = client.post("/inverse_transform", json={"coordinates": [{"x": 1, "y": 2}]})
    assert "row 0 lacks 'linearautoencoder0', 'linearautoencoder1'" in refused(answer, 422)


def test_categories_that_fit_did_not_see(client_of, post_arrow):
    table = [["a", 1.0], ["b", 2.0], ["a", 4.0]]
    model = isthmus.LinearAutoencoder(1, scaling="standard", categorical=[0])
    client = client_of(model.fit(np.array(table, object)))
    for body, sentence in [
        ([["c", 1]], "is 'c', which is none of the categories that fit saw: 'a', 'b'"),
        ([[1, 1]], "which is none of the categories"),
        ([[True, 1]], "is true: expected is a text or null"),
        ([["a", "b"]], "column 'x1' in row 0 is the text 'b': expected is a number or null"),
        ([[None, 1]], "NaN"),
    ]:
        assert sentence in refused(client.post("/transform", json={"rows": body}), 422)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"a": [1.0], "b": [2.0]}, "the table has the columns 'a', 'b', and lacks " + FIRST),
        ({}, "the table has the columns none"),
        ({"rows": pa.array([[1.0, 2, 3]], pa.list_(pa.float64(), 3))}, "the lists have 3 values, and 4"),
        ({"rows": pa.array([[1.0] * 4, None], pa.list_(pa.float64(), 4))}, "1 of the lists are null"),
        ({"rows": pa.array([["1"] * 4], pa.list_(pa.string(), 4))}, "'of lists' is of type string"),
        ({"rows": pa.array([[1.0, 2, 3, 4]])}, "lacks"),
    ],
)
def test_tables_of_arrow(client, stream_of, table, sentence):
    answer = client.post("/transform", content=stream_of(table), headers={"Content-Type": ARROW})
    assert sentence in refused(answer, 422)


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        (pa.array(["1", "2"]), "'petal width (cm)' is of type string: expected are numbers"),
        (pa.array([1, 2], pa.timestamp("s")), "is of type timestamp[s]"),
        (pa.nulls(2), "is of type null"),
        (pa.array([[1.0], [2.0]]), "is of type list<item: double>"),
        (pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), [1.0]), "is of type run_end"),
        (pa.array([1.0, None]), "contains NaN: column 'petal width (cm)' in row 1"),
        (pa.array([1.0, math.nan]), "contains NaN"),
        (pa.array([math.inf, 1.0]), "contains infinity (inf): column 'petal width (cm)' in row 0"),
        (pa.array([1e300, 1.0]), "contains 1e+300, beyond"),
    ],
)
def test_columns_of_arrow(client, flowers, stream_of, column, sentence):
    table = pa.Table.from_pandas(flowers[:2], preserve_index=False).set_column(
        3, "petal width (cm)", column
    )
    answer = client.post("/transform", content=stream_of(table), headers={"Content-Type": ARROW})
    assert sentence in refused(answer, 422)


def test_a_name_that_comes_twice(client, flowers, stream_of):
    table = pa.Table.from_pandas(flowers[:2], preserve_index=False)
    table = table.append_column("petal width (cm)", table.column(0))
    answer = client.post("/transform", content=stream_of(table), headers={"Content-Type": ARROW})
    assert "several columns are called 'petal width (cm)'" in refused(answer, 422)


def test_every_beginning_of_a_stream_is_refused(client, flowers, stream_of):
    stream = stream_of(pa.Table.from_pandas(flowers[:3], preserve_index=False))
    headers, whole = {"Content-Type": ARROW, "Accept": JSON}, []
    # The last eight bytes say that nothing follows. Messages end at multiples of eight.
    for size in [*range(0, len(stream) - 8, 8), *range(1, len(stream) - 8, 50)]:
        answer = client.post("/transform", content=stream[:size], headers=headers)
        if answer.status_code == 200:
            whole.append(answer.json()["coordinates"])
        else:
            assert "no stream of Arrow" in refused(answer, 400)
    # A schema without batches is a table without rows.
    assert whole == [[]]
    answer = client.post("/transform", content=stream, headers=headers)
    assert len(answer.json()["coordinates"]) == 3


def test_spoilt_bytes_of_a_stream_are_no_fault_of_the_service(client, flowers, stream_of):
    stream = bytearray(stream_of(pa.Table.from_pandas(flowers[:3], preserve_index=False)))
    rng, statuses = np.random.default_rng(0), set()
    for _ in range(150):
        spoilt = stream.copy()
        for place in rng.integers(len(stream), size=rng.integers(1, 4)):
            spoilt[place] = rng.integers(256)
        answer = client.post("/transform", content=bytes(spoilt), headers={"Content-Type": ARROW})
        assert answer.status_code in (200, 400, 413, 415, 422)
        statuses.add(answer.status_code)
    # Some of the bytes are numbers, and some say what follows.
    assert {200, 400} <= statuses


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
@pytest.mark.parametrize("in_dictionary", [False, True])
def test_what_is_compressed_is_not_decompressed(client, stream_of, codec, in_dictionary):
    column = pa.array(np.zeros(50_000))
    if in_dictionary:
        values = pa.array(np.arange(1000.0))
        column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(5, np.int32)), values)
    body = stream_of({"x": column}, compression=codec)
    answer = client.post("/transform", content=body, headers={"Content-Type": ARROW})
    assert "write them without compression" in refused(answer, 415)


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ({}, "has no Content-Type"),
        (
            {"Content-Type": "text/csv"},
            "the Content-Type is 'text/csv': expected is application/json or",
        ),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "expected is application/json"),
        ({"Content-Type": "nonsense"}, "'nonsense'"),
        ({"Content-Type": f"{JSON}; charset=latin-1"}, "charset 'latin-1': expected is UTF-8"),
        ({"Content-Type": f'{JSON}; charset="UTF-16"'}, "charset 'utf-16'"),
        ({"Content-Type": JSON, "Content-Encoding": "gzip"}, "Content-Encoding 'gzip'"),
    ],
)
def test_types_that_are_not_read(client, headers, sentence):
    assert sentence in refused(client.post("/transform", content=GOOD, headers=headers), 415)


@pytest.mark.parametrize("kind", [JSON, f"{JSON}; charset=utf-8", f"{JSON.upper()} ;charset=UTF-8"])
def test_types_that_are_read(client, kind):
    assert client.post("/transform", content=GOOD, headers={"Content-Type": kind}).status_code == 200


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", JSON),
        ("application/*", JSON),
        (ARROW, ARROW),
        (f"{JSON};q=0.5, {ARROW};q=0.6", ARROW),
        (f"{ARROW};q=0, */*", JSON),
        ("text/html, */*;q=0.1", JSON),
        (f"{JSON}, {ARROW}", JSON),
        (f"{JSON};q=0, application/*;q=0.2", ARROW),
    ],
)
def test_the_answer_is_what_accept_likes(client, accept, kind):
    answer = client.post("/transform", content=GOOD, headers={"Content-Type": JSON, "Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind


@pytest.mark.parametrize("accept", ["text/csv", f"{JSON};q=0", "application/*;q=0", f"{JSON};q=much"])
def test_answers_that_are_not_written(client, accept):
    answer = client.post("/transform", content=GOOD, headers={"Content-Type": JSON, "Accept": accept})
    assert "answers are application/json or" in refused(answer, 406)


def test_paths_and_methods(client):
    assert "the paths are /transform, /inverse_transform, /health" in refused(client.get("/"), 404)
    assert "there is no /transform/" in refused(client.post("/transform/", content=GOOD), 404)
    answer = client.get("/transform")
    assert "/transform does not take GET: send POST" in refused(answer, 405)
    assert answer.headers["allow"] == "POST"
    assert "does not take POST" in refused(client.post("/health"), 405)
    assert client.head("/health").status_code == 200


def test_no_other_site_may_read_or_send(client):
    origin = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    answer = client.options("/transform", headers=origin)
    assert answer.status_code == 405
    answers = [answer, client.get("/health", headers={"Origin": "https://example.org"})]
    assert not any(name.startswith("access-control") for one in answers for name in one.headers)


def test_rows_and_bytes_are_limited(small):
    # 1024 bytes are 128 numbers in double precision, 32 rows of four.
    assert small.post("/transform", json={"rows": [[1, 2, 3, 4]] * 32}).status_code == 200
    answer = small.post("/transform", json={"rows": [[1, 2, 3, 4]] * 33})
    assert "the request has 33 rows, and at most 32 are taken" in refused(answer, 413)
    # Two coordinates of a row are short, and four numbers that they become are not.
    assert small.post("/inverse_transform", json={"coordinates": [[1, 2]] * 32}).status_code == 200
    refused(small.post("/inverse_transform", json={"coordinates": [[1, 2]] * 33}), 413)
    answer = small.post("/transform", content=b" " * 1025, headers={"Content-Type": JSON})
    assert "the body is longer than 1024 bytes" in refused(answer, 413)
    padded = GOOD.ljust(1024)
    assert small.post("/transform", content=padded, headers={"Content-Type": JSON}).status_code == 200


@pytest.mark.parametrize(("n", "status"), [(32, 200), (33, 413)])
def test_rows_of_arrow_are_limited(small, flowers, stream_of, n, status):
    body = stream_of({name: pa.array(np.ones(n), pa.uint8()) for name in flowers})
    assert len(body) <= 1024
    answer = small.post("/transform", content=body, headers={"Content-Type": ARROW})
    assert answer.status_code == status


def test_hosts(named, client_of):
    client = client_of(named, hosts=("localhost", "127.0.0.1", "[::1]"))
    for host in ("localhost", "LOCALHOST:8000", "127.0.0.1:80", "[::1]:8000", "[::1]"):
        assert client.get("/health", headers={"Host": host}).status_code == 200
    for host in ("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil", ""):
        answer = client.get("/health", headers={"Host": host})
        assert f"is for the host {host!r}" in refused(answer, 400)


def test_a_fault_of_the_service_is_not_told(named, monkeypatch):
    def fail(*_):
        raise RuntimeError("a secret of /home/ada")

    monkeypatch.setattr("isthmus.serving._json.write", fail)
    client = TestClient(application(named, limits=Limits(rows=1)), raise_server_exceptions=False)
    sentence = refused(client.post("/transform", content=GOOD, headers={"Content-Type": JSON}), 500)
    assert "no fault of the request" in sentence
    assert "secret" not in sentence


@pytest.mark.parametrize("limit", [{"rows": 0}, {"body_bytes": 0}, {"at_once": 0}, {"waiting": -1}])
def test_limits_that_are_none(limit):
    with pytest.raises(ValueError, match=f"{next(iter(limit))}=.*expected"):
        Limits(**limit)
    with pytest.raises(ValueError, match="body_seconds"):
        Limits(body_seconds=0)


def test_json_of_any_kind_is_no_fault_of_the_service(client):
    leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text()
    values = st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=3)
    )

    @settings(max_examples=80, deadline=None, derandomize=True, database=None)
    @given(st.fixed_dictionaries({"rows": values}) | values)
    def check(value):
        answer = client.post("/transform", content=orjson.dumps(value), headers={"Content-Type": JSON})
        assert answer.status_code in (200, 413, 422)
        if answer.status_code == 200:
            assert all(len(row) == 2 for row in answer.json()["coordinates"])

    check()


@pytest.fixture(scope="module")
def letters(client_of):
    """A client of a map of letters and numbers."""
    table = np.array([["a", 1.0], ["b", 2.0], ["a", 4.0]], object)
    model = isthmus.LinearAutoencoder(1, scaling="standard", categorical=[0])
    return client_of(model.fit(table))


def test_a_long_text_is_not_sent_back(letters):
    answer = letters.post("/transform", json={"rows": [["z" * 100_000, 1]]})
    assert "none of the categories" in refused(answer, 422)
    assert len(answer.content) < 500


def test_a_long_text_of_many_rows_is_in_memory_once(letters, stream_of):
    places = pa.array(np.zeros(400, np.int8))
    names = pa.DictionaryArray.from_arrays(places, pa.array(["z" * 1_000_000]))
    body = stream_of({"x0": names, "x1": np.zeros(400)})
    tracemalloc.start()
    answer = letters.post("/transform", content=body, headers={"Content-Type": ARROW})
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "none of the categories" in refused(answer, 422)
    assert most < 40_000_000


def test_views_of_the_same_bytes_are_not_taken_for_many_texts(letters, stream_of):
    text = b"z" * 100_000
    view = np.array([len(text), 0, 0, 0], "<i4")
    view[1:2] = np.frombuffer(text[:4], "<i4")
    buffers = [None, pa.py_buffer(np.tile(view, 400).tobytes()), pa.py_buffer(text)]
    names = pa.Array.from_buffers(pa.string_view(), 400, buffers)
    body = stream_of({"x0": names, "x1": np.zeros(400)})
    answer = letters.post("/transform", content=body, headers={"Content-Type": ARROW})
    assert "longer than those that fit saw" in refused(answer, 422)
