"""A saved model over HTTP: serve."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import click

import isthmus
from isthmus.cli._options import MODEL, Command

MIB = 2**20


@click.command(cls=Command)
@MODEL
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="The port; 0 takes any that is free.",
)
@click.option(
    "--max-rows",
    type=click.IntRange(1),
    default=100_000,
    show_default=True,
    help="Most rows of a request.",
)
@click.option(
    "--max-body",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    metavar="MIB",
    help="Longest body in MiB; its rows, and their results, as double precision are not longer either.",
)
@click.option(
    "--body-seconds",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds in which a body must be complete.",
)
@click.option(
    "--at-once",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Requests that are computed at once.",
)
@click.option(
    "--waiting",
    type=click.IntRange(0),
    default=8,
    show_default=True,
    help="Requests that wait for these; others are refused.",
)
@click.option(
    "--keep-alive",
    type=click.FloatRange(0, min_open=True),
    default=5.0,
    show_default=True,
    help="Seconds after which a connection without another request is closed.",
)
def serve(
    model: Path,
    host: str,
    port: int,
    max_rows: int,
    max_body: int,
    body_seconds: float,
    at_once: int,
    waiting: int,
    keep_alive: float,
) -> None:
    """A saved map, or predictor, over HTTP, for programs of this machine.

    Rows go in and coordinates come out, as JSON or Arrow, and the other way round; of a classifier or
    regressor predictions. /docs says what the model takes. Needs isthmus[serve].

    \b
      isthmus serve map.isthmus
      isthmus serve map.isthmus --port 0
      curl -H 'Content-Type: application/json' -d '{"rows": [[5.1, 3.5, 1.4, 0.2]]}' \\
        http://127.0.0.1:8000/transform
    """
    from isthmus import serving

    limits = serving.Limits(
        body_bytes=max_body * MIB,
        rows=max_rows,
        body_seconds=body_seconds,
        at_once=at_once,
        waiting=waiting,
    )
    fitted = isthmus.load(model)
    serving.serve(
        fitted,
        host=host,
        port=port,
        limits=limits,
        keep_alive=keep_alive,
        started=lambda line: _say(line, host),
        name=model.name,
    )


def _say(line: str, host: str) -> None:
    if not _is_loopback(host):
        click.echo(
            f"warning: whoever reaches {host} can use this service: there is no authentication and no "
            "TLS. Put it behind a proxy that has both",
            err=True,
        )
    click.echo(line)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
