"""uvicorn as isthmus runs it: its socket, what a connection may take its time for, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import h11
import orjson
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 20.0
"""Seconds in which the head of a request must come, and the rest of one that was refused."""

END_SECONDS = 30
"""Seconds that requests in progress have when the service ends."""

LOCAL = ("localhost", "127.0.0.1", "[::1]")


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket at an address, which takes connections. Raises ValueError where the port is in use."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise ValueError(f"host {host!r} is no address of this machine: {error.strerror}") from error
    with socket.socket(family, kind, protocol) as listener:
        if os.name == "posix":
            # A port that connections of the last run still linger at can be used again.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise ValueError(
                f"port {port} of {host} cannot be listened at ({error.strerror}): give another one, or "
                "0 for any that is free"
            ) from error
        yield listener


def url_of(listener: socket.socket) -> str:
    """Where a browser finds the service."""
    address, port = listener.getsockname()[:2]
    return f"http://{f'[{address}]' if ':' in address else address}:{port}"


def hosts_of(listener: socket.socket, host: str) -> tuple[str, ...] | None:
    """The names that a service on a loopback address answers to; None for all, on another one."""
    address = listener.getsockname()[0]
    if not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        return None
    return (*LOCAL, f"[{host}]" if ":" in host else host)


def run(
    application: ASGIApp, listener: socket.socket, keep_alive: float, started: Callable[[str], object]
) -> None:
    """Answer requests until a signal. Raises KeyboardInterrupt at the end, if that was Ctrl-C."""
    config = uvicorn.Config(
        application,
        http=_Protocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        # A whole number by its type, though any goes.
        timeout_keep_alive=keep_alive,  # type: ignore[arg-type]
        timeout_graceful_shutdown=END_SECONDS,
    )
    server = _Server(config)
    listener.listen(config.backlog)
    started(url_of(listener))
    server.run(sockets=[listener])
    if server.ended_by == signal.SIGINT:
        raise KeyboardInterrupt


class _Server(uvicorn.Server):
    """A server that one signal ends in order, with an exit code of its own, and a second one at once."""

    ended_by: int | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._end) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, number: int, frame: FrameType | None) -> None:
        if self.ended_by is not None:
            # Threads that compute would be waited for.
            os._exit(128 + number)
        self.ended_by = number
        self.should_exit = True


class _Protocol(H11Protocol):
    """Connections on which heads are waited for a while, and no longer; errors are JSON."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        sentence = "the request is not in HTTP/1.1: this service speaks neither TLS nor HTTP/2"
        content = orjson.dumps({"error": sentence})
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=content),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _watch(self) -> None:
        """Wait for the rest of a head, or of a body that nobody reads, from when it began."""
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if is_answering:
            self._stop_watching()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if not is_answering and not self.transport.is_closing():
            self.transport.close()
