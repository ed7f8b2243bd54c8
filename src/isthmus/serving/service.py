"""A fitted model over HTTP: as an ASGI application, or as a service that runs until it is ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from isthmus.serving.limits import Limits

if TYPE_CHECKING:
    from starlette.applications import Starlette

DEFAULT = Limits()


def application(
    model: object, *, limits: Limits = DEFAULT, hosts: Sequence[str] | None = None
) -> Starlette:
    """The ASGI application of a fitted model, to be mounted in another one, or run by a server.

    It has ``POST /transform`` and ``POST /inverse_transform``, of a classifier or regressor ``POST
    /predict`` in their place, ``GET /health``, ``/openapi.json`` and ``/docs``. Rows (n, D) and
    coordinates (n, d) come in as JSON or as a stream of Arrow and are those of ``model.transform`` and
    ``model.inverse_transform`` of the same rows, in the data's units. All programs are compiled here,
    which takes seconds, and not by the first request.

    Parameters
    ----------
    model : fitted isthmus estimator
        A map, a classifier, a regressor, or an ensemble of one of these. It is not copied: do not fit
        it again meanwhile.
    limits : Limits
        How much a request may hold. Seconds in which the head of a request must come, and open
        connections, are bounded by the server.
    hosts : sequence of str, default None
        Names in the header Host that are answered, without port, such as ``("localhost",
        "127.0.0.1")``. None answers all: give them where the service listens on this machine alone, or
        a page of another site can reach it from a browser.

    Raises
    ------
    ModuleNotFoundError
        Without the extra ``isthmus[serve]``.
    TypeError, NotFittedError
        For what is no fitted model of isthmus.

    Examples
    --------
    >>> import isthmus
    >>> from isthmus.serving import application
    >>> from sklearn.datasets import load_iris
    >>> from starlette.testclient import TestClient
    >>> X = load_iris().data
    >>> model = isthmus.LinearAutoencoder(n_components=2).fit(X)
    >>> client = TestClient(application(model))
    >>> answer = client.post("/transform", json={"rows": X[:3].tolist()})
    >>> Z = answer.json()["coordinates"]
    >>> len(Z), len(Z[0])  # (n, d)
    (3, 2)
    >>> client.post("/transform", json={"rows": [[5.1, 3.5]]}).json()["error"]
    "row 0 has 2 values, and 4 are expected: 'x0', 'x1', 'x2', 'x3'"
    """
    check_installed("starlette", "orjson")
    from isthmus.serving._application import build

    return build(model, limits, hosts)


def serve(
    model: object,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: Limits = DEFAULT,
    keep_alive: float = 5.0,
    started: Callable[[str], object] = print,
    name: str = "the model",
) -> None:
    """Run the service of a fitted model until Ctrl-C or SIGTERM ends it.

    Requests in progress are finished, for 30 seconds at most; a second signal ends the process at once.
    On a loopback address, requests whose header Host names another machine are refused.

    Parameters
    ----------
    model : fitted isthmus estimator
        A map, a classifier, a regressor, or an ensemble of one of these.
    host : str, default "127.0.0.1"
        The address to listen at: nobody but programs of this machine reaches the default. There is
        neither authentication nor TLS.
    port : int, default 8000
        0 takes any free one.
    limits : Limits
        How much a request may hold, and how many are computed at once.
    keep_alive : float, default 5
        Seconds after which a connection without another request is closed.
    started : callable, default print
        Gets one line, with the address, once requests are answered.
    name : str, default "the model"
        What that line calls the model.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C, when the service has ended.
    ValueError
        Where the port is in use, and where the address is not one of this machine, or may not be used.
    ModuleNotFoundError
        Without the extra ``isthmus[serve]``.
    TypeError, NotFittedError
        For what is no fitted model of isthmus.

    Examples
    --------
    A program that does nothing else::

        isthmus.serving.serve(isthmus.load("map.isthmus"))

    prints "serving the model at http://127.0.0.1:8000, documentation at /docs, Ctrl-C ends it", and
    answers until then. An address of another machine:

    >>> import isthmus
    >>> from isthmus.serving import serve
    >>> from sklearn.datasets import load_iris
    >>> model = isthmus.LinearAutoencoder(2).fit(load_iris().data)
    >>> serve(model, host="192.0.2.1")
    Traceback (most recent call last):
        ...
    ValueError: port 8000 of 192.0.2.1 cannot be listened at (...): give another one, or 0 ...
    """
    check_installed("starlette", "orjson", "uvicorn")
    from isthmus.serving._server import hosts_of, listening, run

    with listening(host, port) as listener:
        app = application(model, limits=limits, hosts=hosts_of(listener, host))
        run(
            app,
            listener,
            keep_alive,
            lambda url: started(f"serving {name} at {url}, documentation at /docs, Ctrl-C ends it"),
        )


def check_installed(*names: str) -> None:
    """Raise ModuleNotFoundError where a package of the extra is missing."""
    for name in names:
        if find_spec(name) is None:
            raise ModuleNotFoundError(
                f"a service needs Starlette, uvicorn and orjson, and {name} is not installed: "
                "pip install 'isthmus[serve]'",
                name=name,
            )
