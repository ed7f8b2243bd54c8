"""The description of a service: valid, exact, and what generated requests hold it to."""

import base64
import hashlib
import html
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, from_schema
from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

import isthmus
from isthmus.serving import Limits, application

ARROW = "application/vnd.apache.arrow.stream"


def of_numbers():
    return isthmus.LinearAutoencoder(2).fit(np.random.default_rng(0).standard_normal((40, 3)))


def of_kinds():
    """A map of an angle, texts and numbers, whose names are given."""
    table = pd.DataFrame({"phi": [10.0, 200, 350, 90], "kind": list("abab"), "x": [1.0, 2, 4, 8]})
    kinds = {"periodic": {"phi": 360}, "categorical": ["kind"]}
    return isthmus.LinearAutoencoder(2, scaling="standard", **kinds).fit(table)


def of_classes():
    X = np.random.default_rng(0).standard_normal((60, 2))
    model = isthmus.FeedForwardClassifier((2,), max_epochs=1, validation_fraction=0, random_state=0)
    return model.fit(X, np.where(X[:, 0] > 0, "right", "left"))


def empty_table():
    """A stream of Arrow with the columns of all three, and no rows."""
    names = ("x0", "x1", "x2", "phi", "x", "linearautoencoder0", "linearautoencoder1")
    columns = {name: pa.array([], pa.float32()) for name in names}
    table = pa.table({**columns, "kind": pa.array([], pa.string())})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def described(app):
    """What schemathesis makes of a service: requests that fit its description, and that do not."""
    # 413 says that there are too many rows, which the description bounds.
    refusals = ["400", "405", "406", "413", "415", "422"]
    config = SchemathesisConfig.from_dict(
        {
            "generation": {"mode": "all", "deterministic": True, "max-examples": 25},
            "checks": {"negative_data_rejection": {"expected-statuses": refusals}},
        }
    )
    return schemathesis.openapi.from_asgi("/openapi.json", app, config=config)


@pytest.fixture(scope="module")
def _arrow_is_generated():
    schemathesis.openapi.media_type(ARROW, st.just(empty_table()))


@pytest.mark.usefixtures("_arrow_is_generated")
@pytest.mark.parametrize("model", [of_numbers, of_kinds, of_classes])
def test_generated_requests_find_nothing(model):
    schema = described(application(model(), limits=Limits(rows=50)))
    schema.validate()
    statuses, faults = set(), []
    for event in from_schema(schema).execute():
        if isinstance(event, NonFatalError | FatalError):
            faults.append(event)
        if not isinstance(event, ScenarioFinished):
            continue
        answers = event.recorder.interactions
        statuses |= {one.response.status_code for one in answers.values() if one.response is not None}
        faults += [
            (check.name, check.failure_info)
            for checks in event.recorder.checks.values()
            for check in checks
            if check.status in (Status.FAILURE, Status.ERROR)
        ]
    assert not faults
    assert {200, 405, 413, 422} <= statuses


def test_rows_are_described_exactly(client_of):
    answer = client_of(of_kinds(), limits=Limits(body_bytes=2400)).get("/openapi.json")
    about = answer.json()
    schema = about["paths"]["/transform"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    lists, objects = schema["properties"]["rows"]["anyOf"]
    # 2400 bytes are 300 numbers in double precision, 100 rows of three.
    assert lists["maxItems"] == objects["maxItems"] == 100
    assert lists["items"]["prefixItems"][1] == {"enum": ["a", "b"]}
    number = {"type": "number", "minimum": -1e37, "maximum": 1e37}
    assert objects["items"]["properties"] == {"phi": number, "kind": {"enum": ["a", "b"]}, "x": number}
    assert objects["items"]["required"] == ["phi", "kind", "x"]


def test_the_page_needs_no_network_and_its_examples_are_taken(client_of):
    client = client_of(of_kinds())
    answer = client.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert not re.findall(r"https?://|//[a-z]|src=|@import|url\(", answer.text)
    (script,) = re.findall("<script>(.*?)</script>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    bodies = re.findall(r'data-path="(\w+)".*?<textarea[^>]*>(.*?)</textarea>', answer.text, re.DOTALL)
    assert [path for path, _ in bodies] == ["transform", "inverse_transform"]
    for path, body in bodies:
        headers = {"Content-Type": "application/json"}
        assert client.post(f"/{path}", content=html.unescape(body), headers=headers).status_code == 200


def test_names_are_no_markup(client_of):
    name = "</textarea><script>alert('1')</script>"
    table = pd.DataFrame(np.eye(3), columns=[name, "$name", "&amp;"])
    page = client_of(isthmus.LinearAutoencoder(1).fit(table)).get("/docs").text
    assert name not in page
    assert html.escape(name) in page
    assert "$name, &amp;amp;" in page


def test_a_service_below_another_one():
    app = application(of_numbers(), limits=Limits(rows=50))
    client = TestClient(Starlette(routes=[Mount("/maps/flowers", app)]))
    answer = client.post("/maps/flowers/transform", json={"rows": [[0, 0, 0]]})
    assert answer.status_code == 200
    about = client.get("/maps/flowers/openapi.json").json()
    assert about["servers"] == [{"url": "/maps/flowers"}]
    assert client.get("/maps/flowers/nothing").json()["error"].startswith("there is no /maps/flowers/n")
    # Paths on the page are relative to it.
    assert not re.findall(r'(?:href|data-path)="/', client.get("/maps/flowers/docs").text)
