"""Many requests at once, slow ones and long ones: what waits, what is refused, and what is held."""

import asyncio
import threading
import time

import httpx2
import numpy as np
import orjson
import pytest

import isthmus
from isthmus.serving import Limits, application

JSON = "application/json"


class Held(isthmus.LinearAutoencoder):
    """A map whose ``transform`` waits for a gate, once there is one."""

    gate = None

    def transform(self, X):
        if Held.gate is not None:
            Held.most = max(Held.most, Held.running + 1)
            Held.running += 1
            assert Held.gate.wait(20)
            Held.running -= 1
        return super().transform(X)


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).standard_normal((60, 3))


@pytest.fixture
def held(rows, monkeypatch):
    model = Held(1).fit(rows)
    app = application(
        model, limits=Limits(rows=60, at_once=2, waiting=3, body_bytes=4096, body_seconds=0.3)
    )
    monkeypatch.setattr(Held, "gate", threading.Event())
    monkeypatch.setattr(Held, "running", 0, raising=False)
    monkeypatch.setattr(Held, "most", 0, raising=False)
    yield app
    Held.gate.set()


def client_of(app):
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost")


async def until(is_true):
    start = time.monotonic()
    while not is_true():
        assert time.monotonic() - start < 10
        await asyncio.sleep(0.005)


AS_JSON = [(b"content-type", JSON.encode())]


async def ask(app, parts, headers=AS_JSON, path="/transform"):
    """Status and body of an answer, and how many parts of the body were not read.

    A number among the parts is a pause, and None the end of the connection.
    """
    parts, sent = list(parts), []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": list(headers),
        "server": ("localhost", 80),
        "client": ("localhost", 1),
    }

    async def receive():
        while parts and not isinstance(parts[0], bytes):
            pause = parts.pop(0)
            if pause is None:
                return {"type": "http.disconnect"}
            await asyncio.sleep(pause)
        part = parts.pop(0) if parts else b""
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], orjson.loads(body) if body else None, len(parts)


def test_many_requests_at_once_get_each_its_own(rows):
    model = isthmus.LinearAutoencoder(1).fit(rows)
    app = application(model, limits=Limits(rows=60, waiting=100))

    async def all_of_them():
        async with client_of(app) as client:
            parts = [rows[k : k + 1 + k % 3] for k in range(57)]
            answers = await asyncio.gather(
                *(client.post("/transform", json={"rows": part.tolist()}) for part in parts)
            )
        return zip(parts, answers, strict=True)

    for part, answer in asyncio.run(all_of_them()):
        np.testing.assert_array_equal(answer.json()["coordinates"], model.transform(part))


def test_two_are_computed_three_wait_and_others_are_refused(held, rows):
    async def go():
        async with client_of(held) as client:
            body = {"rows": rows[:3].tolist()}
            accepted = [asyncio.create_task(client.post("/transform", json=body)) for _ in range(5)]
            await until(lambda: Held.running == 2)
            await asyncio.sleep(0.05)
            refused = await client.post("/transform", json=body)
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "1"
            assert "5 requests are computed or wait already" in refused.json()["error"]
            # Others answer meanwhile, the other function when there is room.
            assert (await client.get("/health")).status_code == 200
            Held.gate.set()
            assert [(await one).status_code for one in accepted] == [200] * 5
            assert Held.most == 2
            assert (await client.post("/transform", json=body)).status_code == 200

    asyncio.run(go())


def test_a_body_that_does_not_end(held):
    start = time.monotonic()
    status, body, _ = asyncio.run(ask(held, [b'{"rows": ', 5.0, b"[]}"]))
    assert status == 408
    assert body["error"].startswith("9 bytes of the body came in 0.3 seconds, and its end did not")
    assert time.monotonic() - start < 4


def test_a_body_of_single_bytes_is_no_faster(held):
    status, _, left = asyncio.run(ask(held, [part for _ in range(100) for part in (b" ", 0.01)]))
    assert status == 408
    assert left > 50


def test_a_body_is_counted_as_it_comes(held):
    parts = [b" " * 1000] * 50
    status, body, left = asyncio.run(ask(held, parts))
    assert (status, body["error"][:38]) == (413, "the body is longer than 4096 bytes: se")
    # The fifth part was too much, and the others were not asked for.
    assert left == 45


@pytest.mark.parametrize("length", [b"4097", b"9" * 5000])
def test_a_length_that_is_declared_is_not_waited_for(held, length):
    headers = [*AS_JSON, (b"content-length", length)]
    status, _, left = asyncio.run(ask(held, [b" "] * 9, headers))
    assert (status, left) == (413, 9)


def test_a_client_that_goes_away(held):
    status, _, _ = asyncio.run(ask(held, [b'{"rows"', None]))
    assert status == 400
    Held.gate.set()
    assert asyncio.run(ask(held, [b'{"rows": []}']))[:2] == (200, {"coordinates": []})


def test_bodies_of_all_requests_are_held_up_to_a_sum(held):
    async def go():
        # Five bodies of 4096 bytes may be there. Six slow ones are sent.
        slow = [b" " * 4000, 0.2, b""]
        return await asyncio.gather(*(ask(held, slow) for _ in range(6)))

    answers = asyncio.run(go())
    sentences = [body["error"] for status, body, _ in answers if status == 503]
    assert sentences == ["there is no room for another body: come again"]
    assert sum(status == 400 for status, *_ in answers) == 5
    Held.gate.set()
    # The room is free again.
    assert asyncio.run(ask(held, [b'{"rows": []}']))[0] == 200
