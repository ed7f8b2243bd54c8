"""A service as a process, and its connections: how they begin, how long they may take, how they end."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import isthmus
from isthmus.serving import Limits, serve
from isthmus.serving import _server as server_module

HEAD = b"POST /transform HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
BODY = b'{"rows": [[1, 2, 3]]}'
LENGTH = b"Content-Length: %d\r\n" % len(BODY)


@pytest.fixture(scope="module")
def model():
    return isthmus.LinearAutoencoder(1).fit(np.random.default_rng(0).standard_normal((20, 3)))


@pytest.fixture(scope="module")
def port(model):
    """The port of a service in a thread of this process, whose heads must come within 0.3 seconds."""
    servers, lines = [], []

    class Server(server_module._Server):
        def __init__(self, config):
            super().__init__(config)
            servers.append(self)

    patch = pytest.MonkeyPatch()
    patch.setattr(server_module, "HEAD_SECONDS", 0.3)
    patch.setattr(server_module, "_Server", Server)
    limits = Limits(rows=10, body_seconds=0.3)
    settings = {"port": 0, "limits": limits, "keep_alive": 0.2, "started": lines.append}
    thread = threading.Thread(target=serve, args=(model,), kwargs=settings)
    thread.start()
    while not lines:
        time.sleep(0.01)
        assert thread.is_alive()
    yield int(re.fullmatch(r"serving the model at http://127\.0\.0\.1:(\d+), .*", lines[0])[1])
    servers[0].should_exit = True
    thread.join(10)
    assert not thread.is_alive()
    patch.undo()


@contextlib.contextmanager
def connection(port):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as there:
        yield there


def answer_of(there):
    """Status, headers and JSON of one answer."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += (part := there.recv(65536))
        assert part, received
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head)[1])
    while len(body) < length:
        body += there.recv(65536)
    return int(head.split()[1]), head.decode().lower(), json.loads(body)


def closed_after(there):
    """Seconds until the other side closes the connection."""
    start = time.monotonic()
    with contextlib.suppress(ConnectionResetError):
        while there.recv(65536):
            pass
    return time.monotonic() - start


def test_several_requests_of_a_connection(port, model):
    with connection(port) as there:
        for _ in range(2):
            there.sendall(HEAD + LENGTH + b"\r\n" + BODY)
            status, head, found = answer_of(there)
            assert (status, found) == (200, {"coordinates": model.transform([[1, 2, 3.0]]).tolist()})
            assert "server:" not in head
        # And then it is closed, before heads would be waited for.
        assert 0.1 < closed_after(there) < 0.3 + 1


def test_a_body_in_chunks(port):
    with connection(port) as there:
        there.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        there.sendall(b"".join(b"1\r\n%c\r\n" % one for one in BODY) + b"0\r\n\r\n")
        assert answer_of(there)[0] == 200


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\n", HEAD[:-1]])
def test_a_head_that_does_not_end(port, sent):
    with connection(port) as there:
        there.sendall(sent)
        assert 0.1 < closed_after(there) < 5


def test_a_head_of_single_bytes_is_no_faster(port):
    with connection(port) as there:
        start = time.monotonic()
        with contextlib.suppress(ConnectionError):
            for one in b"GET /health HTTP/1.1\r\nX: " + b"y" * 1000:
                there.sendall(bytes([one]))
                time.sleep(0.01)
        assert time.monotonic() - start < 5


def test_a_body_that_does_not_end(port):
    with connection(port) as there:
        there.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
        status, head, found = answer_of(there)
        assert status == 408
        assert "1 bytes of the body came in 0.3 seconds" in found["error"]
        assert "connection: close" in head
        assert closed_after(there) < 5


def test_a_body_that_nobody_reads_is_not_taken_for_ever(port):
    with connection(port) as there:
        there.sendall(HEAD + b"Transfer-Encoding: chunked\r\nAccept: text/csv\r\n\r\n")
        assert answer_of(there)[0] == 406
        start = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - start < 8:
                there.sendall(b"1\r\n \r\n")
                time.sleep(0.02)
        assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01\x00", b"nonsense\r\n\r\n", b"GET /\x00 X\r\n\r\n"]
)
def test_what_is_not_http(port, sent):
    with connection(port) as there:
        there.sendall(sent)
        status, head, found = answer_of(there)
        assert status == 400
        assert "content-type: application/json" in head
        assert "this service speaks neither TLS nor HTTP/2" in found["error"]
        assert closed_after(there) < 5


def test_a_name_that_leads_to_this_machine(port):
    with connection(port) as there:
        there.sendall(b"GET /health HTTP/1.1\r\nHost: evil.example:%d\r\n\r\n" % port)
        status, _, found = answer_of(there)
        assert status == 400
        assert "is for the host 'evil.example" in found["error"]


def test_a_port_in_use(port, model):
    with pytest.raises(ValueError, match=rf"port {port} of 127\.0\.0\.1 cannot .*in use.*or 0 for any"):
        serve(model, port=port)


def test_an_address_of_another_machine(model):
    with pytest.raises(ValueError, match=r"port 0 of 192\.0\.2\.1 cannot be listened at"):
        serve(model, host="192.0.2.1", port=0)
    with pytest.raises(ValueError, match=r"host 'nowhere\.invalid' is no address"):
        serve(model, host="nowhere.invalid", port=0)


@pytest.mark.parametrize(
    ("host", "names"),
    [("127.0.0.1", {"localhost", "127.0.0.1", "[::1]"}), ("0.0.0.0", None)],
)
def test_names_that_an_address_answers_to(host, names):
    with server_module.listening(host, 0) as listener:
        found = server_module.hosts_of(listener, host)
    assert found is names or set(found) == names


@pytest.mark.parametrize("missing", ["starlette", "orjson", "uvicorn"])
def test_without_the_extra(model, monkeypatch, missing):
    monkeypatch.setattr("isthmus.serving.service.find_spec", lambda name: None if name == missing else 1)
    with pytest.raises(ModuleNotFoundError, match=rf"{missing} is not .*pip install 'isthmus\[serve\]'"):
        serve(model, port=0)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "map.isthmus"
    isthmus.save(model, path)
    return path


@pytest.fixture(scope="module")
def processes(saved):
    """Two services as processes of their own, which start side by side."""
    command = [sys.executable, "-m", "isthmus", "serve", saved, "--port", "0", "--max-rows", "10"]
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(subprocess.Popen(command, **settings)) for _ in range(2)]
        for one in running:
            stack.callback(one.kill)
        yield running


@contextlib.contextmanager
def started(running):
    """A connection to a service, once it is there, and the line that it prints."""
    line = running.stdout.readline()
    with connection(int(re.search(r":(\d+),", line)[1])) as there:
        yield there, line


def begin(there):
    """Send a request but for its end, and wait until it is in progress."""
    there.sendall(HEAD + LENGTH + b"Expect: 100-continue\r\n\r\n")
    assert b"100" in there.recv(65536)
    there.sendall(BODY[:5])


def test_a_request_in_progress_is_finished(processes, model):
    with started(processes[0]) as (there, line):
        assert re.fullmatch(
            r"serving map\.isthmus at http://127\.0\.0\.1:\d+, documentation at /docs, Ctrl-C ends it\n",
            line,
        )
        begin(there)
        processes[0].send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert processes[0].poll() is None
        there.sendall(BODY[5:])
        status, _, found = answer_of(there)
        assert (status, found) == (200, {"coordinates": model.transform([[1, 2, 3.0]]).tolist()})
        assert processes[0].wait(10) == 0
        assert processes[0].stderr.read() == ""


def test_a_second_signal_ends_it_at_once(processes):
    with started(processes[1]) as (there, _):
        begin(there)
        processes[1].send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert processes[1].poll() is None
        start = time.monotonic()
        processes[1].send_signal(signal.SIGINT)
        assert processes[1].wait(10) == 130
        assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    ("number", "ends"),
    [(signal.SIGINT, pytest.raises(KeyboardInterrupt)), (signal.SIGTERM, contextlib.nullcontext())],
)
def test_signals_end_it_and_are_handled_as_before(model, number, ends):
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    lines = []

    def send_later(line):
        lines.append(line)
        threading.Timer(0.2, os.kill, (os.getpid(), number)).start()

    with ends:
        serve(model, port=0, limits=Limits(rows=10), started=send_later)
    assert len(lines) == 1
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
