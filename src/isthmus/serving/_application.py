"""The ASGI application: its paths, and one form for everything that is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from http import HTTPStatus

import orjson
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from isthmus.serving import _arrow, _json
from isthmus.serving._functions import Function, Model, facts_of, functions_of
from isthmus.serving._media import JSON, form_of_answer, form_of_body
from isthmus.serving._openapi import description
from isthmus.serving._page import CONTENT_SECURITY, page
from isthmus.serving._reception import Reception
from isthmus.serving._refusals import Refusal
from isthmus.serving.limits import Limits

Endpoint = Callable[[Request], Awaitable[Response]]


def build(model: Model, limits: Limits, hosts: Sequence[str] | None) -> Starlette:
    """The application of a fitted model, whose functions are compiled."""
    functions = functions_of(model)
    for function in functions:
        function.warm_up(limits.rows_of(function.widest))
    facts = facts_of(model)
    about = description(facts, functions, limits)
    reception = Reception(limits)
    application = Starlette(
        routes=[
            *(
                Route(f"/{function.name}", _endpoint(function, reception, limits), methods=["POST"])
                for function in functions
            ),
            Route("/health", _health(facts)),
            Route("/openapi.json", _openapi(about)),
            Route("/docs", _docs(about, functions)),
        ],
        middleware=[Middleware(_Guard, hosts=hosts)],
        exception_handlers={
            Refusal: _refused,
            HTTPException: _not_routed,
            Exception: _failed,
        },
    )
    application.router.redirect_slashes = False
    return application


def _endpoint(function: Function, reception: Reception, limits: Limits) -> Endpoint:
    most_rows = limits.rows_of(function.widest)

    async def answer(request: Request) -> Response:
        came = form_of_body(request.headers)
        wanted = form_of_answer(request.headers, came)
        try:
            with reception.holding() as take:
                body = await reception.body(request, take)
                work = partial(_computed, function, came, wanted, body, most_rows)
                return Response(await reception.computed(work), media_type=wanted)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)

    return answer


def _computed(function: Function, came: str, wanted: str, body: bytes, most_rows: int) -> bytes:
    """A body to a body. Raises a Refusal for what the model does not take."""
    read = _json.read if came == JSON else _arrow.read
    write = _json.write if wanted == JSON else _arrow.write
    try:
        arrays = function(read(body, function.columns, most_rows))
    except (ValueError, TypeError) as error:
        raise Refusal(422, " ".join(str(error).split())) from error
    return write(function, arrays)


def _health(facts: dict[str, object]) -> Endpoint:
    content = orjson.dumps({"status": "ok", **facts})

    async def answer(request: Request) -> Response:
        return Response(content, media_type=JSON)

    return answer


def _openapi(about: dict[str, object]) -> Endpoint:
    async def answer(request: Request) -> Response:
        # Below another application, paths begin where this one is mounted.
        server = {"url": request.scope.get("root_path") or "/"}
        return Response(orjson.dumps({**about, "servers": [server]}), media_type=JSON)

    return answer


def _docs(about: dict[str, object], functions: Sequence[Function]) -> Endpoint:
    content = page(about, functions)

    async def answer(request: Request) -> Response:
        return HTMLResponse(content, headers={"Content-Security-Policy": CONTENT_SECURITY})

    return answer


def _error(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps({"error": sentence}), status, headers, media_type=JSON)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _error(error.status, error.sentence, error.headers)


async def _not_routed(request: Request, error: Exception) -> Response:
    """What the framework refuses: a path that is not there, or another method."""
    assert isinstance(error, HTTPException)
    paths = ", ".join(route.path for route in request.app.routes if isinstance(route, Route))
    sentence = f"{request.method} {request.url.path}: {error.detail}"
    if error.status_code == HTTPStatus.NOT_FOUND:
        sentence = f"there is no {request.url.path}: the paths are {paths}"
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and error.headers:
        allowed = error.headers.get("Allow")
        sentence = f"{request.url.path} does not take {request.method}: send {allowed}"
    return _error(error.status_code, sentence, dict(error.headers or {}))


async def _failed(request: Request, error: Exception) -> Response:
    # The server writes the error itself to its log.
    return _error(500, "the service failed, which is no fault of the request: its log says why")


class _Guard:
    """Refuses requests for other hosts, and has browsers take each body as what it says it is.

    A page of another site can have its name lead to this machine, and then read what the service
    answers; the header Host still has the other name.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str] | None) -> None:
        self._app = app
        self._hosts = None if hosts is None else {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sniffing_off(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Content-Type-Options"] = "nosniff"
            await send(message)

        host = Headers(scope=scope).get("host", "")
        if self._hosts is not None and _without_port(host) not in self._hosts:
            names = ", ".join(sorted(self._hosts))
            refusal = _error(400, f"the request is for the host {host!r}, and this one is {names}")
            await refusal(scope, receive, sniffing_off)
            return
        await self._app(scope, receive, sniffing_off)


def _without_port(host: str) -> str:
    """The name in a Host header; an IPv6 address stands in brackets."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdecimal() else host.lower()
