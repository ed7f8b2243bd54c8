"""Claim: a service answers Arrow at no less than half the rate of ``transform`` in the same process.

Requests of 1 000 rows go through the map 784-512-256-2 of ``isthmus serve``, which runs as a process of
its own, over a kept connection of this machine. The yardstick is ``model.transform`` of the same rows,
called here. Bodies are written before the clock runs, and answers are read to their end. Two clients
side by side show what is gained where one body is read while the rows of another are computed. JSON has
no aim: each of its numbers becomes an object of Python on the way.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import click
import numpy as np
import orjson
import pyarrow as pa
from common import (
    Aim,
    Contestant,
    Report,
    extent,
    flat_data_allowed,
    json_option,
    quick_option,
    rounds_option,
    run_paired,
)
from rows import generated_images

import isthmus

ROWS, WIDTHS = 1000, (512, 256)
JSON, ARROW = "application/json", "application/vnd.apache.arrow.stream"
IN_PROCESS, LISTS = "transform in this process", "Arrow, one column of lists"
AIMS = {LISTS: Aim(0.5)}
Post = Callable[[], bytes]


def fitted(rows: np.ndarray) -> isthmus.Autoencoder:
    """The network after one epoch: its weights do not matter here."""
    with flat_data_allowed():
        return isthmus.Autoencoder(2, widths=WIDTHS, max_epochs=1, random_state=0).fit(rows)


def stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def bodies(rows: np.ndarray) -> dict[str, tuple[str, bytes]]:
    """Content-Type and body of each kind of request."""
    D = rows.shape[1]
    lists = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), D)
    columns = {f"x{j}": column for j, column in enumerate(np.ascontiguousarray(rows.T))}
    return {
        LISTS: (ARROW, stream(pa.table({"rows": lists}))),
        "Arrow, 784 columns": (ARROW, stream(pa.table(columns))),
        "JSON": (JSON, orjson.dumps({"rows": rows}, option=orjson.OPT_SERIALIZE_NUMPY)),
    }


@contextmanager
def service(model: isthmus.Autoencoder) -> Iterator[int]:
    """The port of a service of the model, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map.isthmus"
        isthmus.save(model, path)
        command = [sys.executable, "-m", "isthmus", "serve", str(path), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                found = re.search(r":(\d+),", process.stdout.readline())
                if found is None:
                    raise click.ClickException("the service did not start")
                yield int(found[1])
            finally:
                process.terminate()


def post(connection: HTTPConnection, kind: str, body: bytes, repeats: int) -> bytes:
    """The last of so many answers."""
    answer = b""
    for _ in range(repeats):
        connection.request("POST", "/transform", body, {"Content-Type": kind})
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise click.ClickException(answer.decode())
    return answer


def check(model: isthmus.Autoencoder, rows: np.ndarray, kind: str, body: bytes, answer: bytes) -> None:
    """Raise unless the answer is what ``transform`` gives, to the last bit of single precision."""
    if kind == JSON:
        found = np.asarray(orjson.loads(answer)["coordinates"], np.float32)
        # A decimal is another number in double precision than the one in single that it was written for.
        rows = np.asarray(orjson.loads(body)["rows"])
    else:
        table = pa.ipc.open_stream(answer).read_all()
        found = np.stack([np.asarray(column) for column in table.columns], axis=1)
    if not np.array_equal(found, model.transform(rows)):
        raise click.ClickException("the answer is not what transform gives")


def race(
    report: Report, model: isthmus.Autoencoder, rows: np.ndarray, rounds: int, repeats: int
) -> None:
    """Seconds of the requests, one after the other and from two clients, and of ``transform``."""

    def in_process() -> None:
        for _ in range(repeats):
            model.transform(rows)

    with service(model) as port, ThreadPoolExecutor(2) as clients:
        connections = [HTTPConnection("127.0.0.1", port) for _ in range(2)]
        work = float(ROWS * repeats)
        one, two = [Contestant(IN_PROCESS, in_process, work)], [Contestant(IN_PROCESS, in_process, work)]
        for name, (kind, body) in bodies(rows).items():
            check(model, rows, kind, body, post(connections[0], kind, body, 1))
            half = [partial(post, each, kind, body, repeats // 2) for each in connections]
            one.append(Contestant(name, partial(post, connections[0], kind, body, repeats), work))
            two.append(Contestant(name, partial(side_by_side, clients, half), work))
        for title, contestants in (("one client", one), ("two clients", two)):
            timings = run_paired(contestants, rounds)
            table = []
            for name in timings.seconds:
                ratios = timings.ratios(name, IN_PROCESS)
                ratio = float(np.median(ratios))
                seconds = timings.median(name) / repeats
                table.append(
                    (
                        name,
                        f"{seconds * 1000:.1f}",
                        f"{timings.rate(name):,.0f}",
                        f"{ratio:.2f}",
                        extent(ratios),
                        report.judge(AIMS.get(name), ratio),
                    )
                )
            columns = ("", "ms per request", "rows/s", "rate / in process", "range", "aim")
            report.table(f"{ROWS} rows × 784 per request, {title}", columns, table)
            report.results[title] = {"seconds": timings.seconds, "rows": work}


def side_by_side(clients: ThreadPoolExecutor, posts: list[Post]) -> None:
    """All of them at once, until the last one has its answer."""
    for future in [clients.submit(one) for one in posts]:
        future.result()


@click.command(help=__doc__)
@quick_option
@rounds_option(5)
@click.option("--requests", type=click.IntRange(2), default=20, show_default=True, help="In a run.")
@json_option
def main(quick: bool, rounds: int, requests: int, json_path: Path | None) -> None:
    report = Report("Serving: rows per second of requests against transform in process", quick)
    rows = generated_images(ROWS)
    model = fitted(rows)
    sizes = [(name, f"{len(body) / 2**20:.1f}") for name, (_, body) in bodies(rows).items()]
    report.table("Bodies", ("", "MiB"), sizes)
    race(report, model, rows, 1 if quick else rounds, 2 if quick else requests)
    report.write(json_path)


if __name__ == "__main__":
    main()
