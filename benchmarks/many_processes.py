"""Claim: processes and devices that train together train the map of one, and each reads its share.

Parquet files are written first and deleted afterwards. The same fit runs in 1, 2 and 4 processes of this
machine, which JAX connects, and in one process with 8 devices, as XLA makes them of one processor. For
each the loss curve and the map are compared with those of one process and device. What each process
reads is counted where files are read. On one machine processes share its cores, so times say what
connecting them costs, not what more machines would gain.

Sums in another order are rounded otherwise, and training magnifies that as it magnifies any rounding,
the more the higher its rate: the comparison is at a quarter of the default one. Finally the curves of
longer fits at the default rate are compared, and with them that of one process whose rows were moved,
each number to the next one of single precision.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from common import Aim, Report, flat_data_allowed, json_option, quick_option
from streams import generated, write_file

CURVE, MAP = Aim(1e-4, at_least=False), Aim(1e-3, at_least=False)
SHARE = Aim(1.1, at_least=False)
"""Times the even share of the bytes that are read: a part that lies in two shares is read twice."""

N_FILES = 8
SETTINGS = {"widths": (64, 32), "batch_size": 1024, "random_state": 0}
RATE = 1e-3


def work(
    folder: Path, out: Path, kind: str, epochs: int, rate: float, address: str, count: int, index: int
) -> None:
    """What one process does: fit rows of such a kind, and write what came out."""
    import jax

    if count > 1:
        jax.distributed.initialize(address, count, index)
    import isthmus
    from isthmus.data.stored.parquet import ParquetStore

    n_read, read = [0], ParquetStore.read

    def counted(store: ParquetStore, part: int) -> Any:
        rows = read(store, part)
        n_read[0] += rows.nbytes
        return rows

    ParquetStore.read = counted
    # More blocks than one, and parts that are a row group each.
    rows = isthmus.scan(folder, block_bytes=2**23)
    X: object = rows
    if kind != "files":
        X = np.nextafter(rows[:], np.float32(np.inf)) if kind == "moved" else rows[:]
        n_read[0] = 0
    started = time.perf_counter()
    with flat_data_allowed():
        model = isthmus.Autoencoder(2, max_epochs=epochs, learning_rate=rate or None, **SETTINGS).fit(X)
    found = {
        "seconds": time.perf_counter() - started,
        "read": n_read[0],
        "loss": np.asarray(model.history_["validation_loss"]).tolist(),
        "map": np.asarray(model.encode(rows[:2000])).tolist(),
    }
    out.write_text(json.dumps(found))


def in_processes(
    folder: Path, kind: str, epochs: int, rate: float = 0.0, count: int = 1, n_devices: int = 1
) -> list[dict[str, Any]]:
    """What each of so many processes found, or one with so many devices; rate 0 is the default."""
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        address = f"localhost:{listening.getsockname()[1]}"
    flags = f"--xla_force_host_platform_device_count={n_devices}"
    with tempfile.TemporaryDirectory() as place:
        outs = [Path(place) / f"{index}.json" for index in range(count)]
        started = [
            subprocess.Popen(
                [
                    *(sys.executable, __file__, "--work", folder, out, kind, str(epochs), str(rate)),
                    *(address, str(count), str(index)),
                ],
                env={**os.environ, "XLA_FLAGS": flags},
                stdout=subprocess.DEVNULL,
            )
            for index, out in enumerate(outs)
        ]
        if any(process.wait() for process in started):
            raise click.ClickException("a process ended with an error, which is above")
        return [json.loads(out.read_text()) for out in outs]


def off_by(found: dict[str, Any], expected: dict[str, Any], part: str) -> float:
    """The root of the mean squared difference, over that of the numbers themselves."""
    gap = np.subtract(found[part], expected[part])
    return float(np.linalg.norm(gap) / np.linalg.norm(expected[part]))


def compare(report: Report, folder: Path, n_bytes: int, epochs: int, counts: Sequence[int]) -> None:
    """The same fit, of so many epochs, in several processes and on several devices."""
    table = []
    for kind in ("files", "memory"):
        (alone,) = in_processes(folder, kind, epochs, RATE)
        runs = {f"{count} processes": (count, 1) for count in counts} | {"8 devices": (1, 8)}
        for name, (count, n_devices) in runs.items():
            each = in_processes(folder, kind, epochs, RATE, count, n_devices)
            curve, of_map = (max(off_by(one, alone, part) for one in each) for part in ("loss", "map"))
            most = max(one["read"] for one in each)
            row = [f"{name}, {kind}", f"{curve:.1e}", report.judge(CURVE, curve)]
            row += [f"{of_map:.1e}", report.judge(MAP, of_map)]
            row += [f"{most / n_bytes:.2f}" if kind == "files" else "–"]
            row += [report.judge(SHARE, most * count / n_bytes) if kind == "files" else "–"]
            row += [f"{max(one['seconds'] for one in each):.1f}", f"{alone['seconds']:.1f}"]
            table.append(row)
            found = {"run": row[0], "curve": curve, "map": of_map, "read": most}
            report.results.setdefault("runs", []).append(found)
    columns = ("", "loss off by", "aim", "map off by", "aim")
    columns += ("bytes read / all", "over an even share", "seconds", "of one")
    report.table(f"{epochs} epochs of 70 steps, beside one process with one device", columns, table)


def growth(report: Report, folder: Path, epochs: int) -> None:
    """How rounding grows: in two processes, and in one with rows moved by their own rounding."""
    (alone,), (moved,) = (in_processes(folder, kind, epochs) for kind in ("memory", "moved"))
    two, _ = in_processes(folder, "memory", epochs, count=2)
    curves = [one["loss"] for one in (alone, two, moved)]
    # Training ends by itself where held-out rows gain nothing more: at another epoch in each.
    last = min(map(len, curves)) - 1
    expected, *others = (np.array(curve[: last + 1]) for curve in curves)
    gaps = [np.abs(curve / expected - 1) for curve in others]
    shown = sorted({1, 2, 4, 8, 16, 32, 64, last} & set(range(1, last + 1)))
    report.table(
        f"How far held-out losses are from those of one process, in {last} epochs",
        ("epoch", "two processes", "one, rows moved by their rounding"),
        [(str(epoch), *(f"{gap[epoch]:.1e}" for gap in gaps)) for epoch in shown],
    )
    report.results["growth"] = {
        name: gap.tolist() for name, gap in zip(("two", "moved"), gaps, strict=True)
    }


@click.command(help=__doc__)
@quick_option
@json_option
@click.option("--work", "worker", nargs=8, hidden=True, default=None)
def main(quick: bool, json_path: Path | None, worker: tuple[str, ...] | None) -> None:
    if worker is not None:
        folder, out, kind, epochs, rate, address, count, index = worker
        numbers = int(epochs), float(rate), address, int(count), int(index)
        work(Path(folder), Path(out), kind, *numbers)
        return
    report = Report("Processes and devices that train together, beside one", quick)
    n, n_columns = (8_000, 20) if quick else (80_000, 50)
    with tempfile.TemporaryDirectory(prefix="isthmus-processes-") as place:
        folder = Path(place)
        for number, rows in enumerate(np.split(generated(n, n_columns, 0), N_FILES)):
            write_file(folder / f"{number}.parquet", rows, group=n // 80)
        compare(report, folder, 4 * n * n_columns, 2, [2] if quick else [2, 4])
        growth(report, folder, 4 if quick else 64)
    report.write(json_path)


if __name__ == "__main__":
    main()
