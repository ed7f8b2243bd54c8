"""Small models, and how the tests speak to their services."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import load_iris
from starlette.testclient import TestClient

import isthmus
from isthmus.serving import Limits, application

ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture(scope="session")
def flowers():
    """150 rows with names, (150, 4)."""
    return load_iris(as_frame=True).data


@pytest.fixture(scope="session")
def named(flowers):
    """A map that was fitted on named columns."""
    return isthmus.LinearAutoencoder(2).fit(flowers)


@pytest.fixture(scope="session")
def client_of():
    """``client_of(model, …)``: a client of its application, compiled for up to 512 rows."""
    few = Limits(rows=400)

    def client(model, limits=few, **settings):
        return TestClient(application(model, limits=limits, **settings))

    return client


@pytest.fixture(scope="session")
def client(named, client_of):
    return client_of(named)


@pytest.fixture(scope="session")
def stream_of():
    """``stream_of(table)``: a table of Arrow, or a dict of columns, as the bytes of a stream."""

    def stream(table, **settings):
        table = pa.table(table)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**settings)) as writer:
            writer.write_table(table)
        return sink.getvalue().to_pybytes()

    return stream


@pytest.fixture(scope="session")
def post_arrow(stream_of):
    """``post_arrow(client, path, table)``: the columns of the answer, as NumPy arrays by name."""

    def post(client, path, table, accept=ARROW):
        headers = {"Content-Type": ARROW, "Accept": accept}
        answer = client.post(path, content=stream_of(table), headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == ARROW
        found = pa.ipc.open_stream(answer.content).read_all()
        return {name: np.asarray(found.column(name)) for name in found.column_names}

    return post
