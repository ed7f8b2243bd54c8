"""Claim: a fit that is killed at any moment and started again ends with the same bits, at little cost.

Processes that fit a map are killed by SIGKILL: a quarter of them at any moment since their start, a
quarter once a temporary file says that a checkpoint is being written, and half while they train. Each is
started again until the fit is complete, and its weights are compared with those of a fit that nobody
interrupted. The cost is the time within all that a fit does for its checkpoints, over that of the fit.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
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
from rows import digits

from isthmus import Autoencoder, Checkpoint
from isthmus.estimators import fitting
from isthmus.training import checkpoints

COST = Aim(2.0, at_least=False)
"""Per cent of the time of a fit that takes seconds and writes two; of a longer fit it is less."""

WORKER = """
import sys
import jax
import numpy as np
from sklearn.datasets import load_digits
import isthmus
out, epochs = sys.argv[1], int(sys.argv[2])
kept = {"checkpoint": isthmus.Checkpoint(sys.argv[3], seconds=0)} if len(sys.argv) > 3 else {}
model = isthmus.Autoencoder(2, max_epochs=epochs, patience=epochs, random_state=0)
model.fit(load_digits().data / 16, **kept)
np.savez(out, *jax.tree.leaves((model.network_, model._optimiser)))
"""


def start(*arguments: object) -> subprocess.Popen[bytes]:
    """A process that fits, and writes its weights and the optimiser's state."""
    return subprocess.Popen([sys.executable, "-W", "error", "-c", WORKER, *map(str, arguments)])


def names(folder: Path) -> set[str]:
    return set(os.listdir(folder)) if folder.exists() else set()


def wait_for(process: subprocess.Popen[bytes], folder: Path, *, to_write: bool) -> None:
    """Wait until a new checkpoint is there, and with ``to_write`` until one is written after that."""
    before = names(folder)
    while process.poll() is None and names(folder) <= before:
        time.sleep(0.001)
    while to_write and process.poll() is None:
        if any(name.endswith(".tmp") for name in names(folder)):
            return


def kill(process: subprocess.Popen[bytes], folder: Path, moment: str, rng: np.random.Generator) -> str:
    """Kill a process at such a moment. Returns what was left of it, or "complete" if it was faster."""
    if moment == "any moment":
        time.sleep(rng.uniform(0, 6))
    else:
        wait_for(process, folder, to_write=moment == "a write")
        time.sleep(rng.uniform(0, 1.0) if moment == "training" else 0.0)
    process.send_signal(signal.SIGKILL)
    if process.wait() != -signal.SIGKILL:
        return "complete"
    left_over = any(name.endswith(".tmp") for name in names(folder))
    return "with a part of a checkpoint left over" if left_over else f"meant for {moment}"


def same_bits(one: Path, other: Path) -> bool:
    with np.load(one) as found, np.load(other) as expected:
        return found.files == expected.files and all(
            found[name].tobytes() == expected[name].tobytes() for name in expected.files
        )


def kills(report: Report, n_kills: int, epochs: int) -> None:
    """Start and kill fits until ``n_kills`` processes were killed."""
    rng = np.random.default_rng()
    moments = itertools.cycle(("training", "a write", "training", "any moment"))
    counts: Counter[str] = Counter()
    n_fits, n_same = 0, 0
    with TemporaryDirectory() as name:
        place = Path(name)
        assert start(place / "expected.npz", epochs).wait() == 0
        while counts.total() < n_kills:
            n_fits += 1
            found, folder = place / f"{n_fits}.npz", place / f"checkpoints-{n_fits}"
            while not found.exists():
                if counts.total() == n_kills:
                    assert start(found, epochs, folder).wait() == 0
                    continue
                outcome = kill(start(found, epochs, folder), folder, next(moments), rng)
                if outcome != "complete":
                    counts[outcome] += 1
                    found.unlink(missing_ok=True)
            n_same += same_bits(found, place / "expected.npz")
    rows = [(what, str(number)) for what, number in sorted(counts.items())]
    rows.append(("killed in all", str(counts.total())))
    title = f"Processes killed; 1797 digits, default network, {epochs} epochs, a checkpoint per call"
    report.table(title, ("", "processes"), rows)
    share = n_same / n_fits
    report.table(
        "Fits that ended with the bits of the uninterrupted one: weights and optimiser",
        ("", "fits", "of", "share", "aim"),
        [("the same bits", str(n_same), str(n_fits), f"{share:.2f}", report.judge(Aim(1.0), share))],
    )
    report.results["kills"] = {"killed": dict(counts), "fits": n_fits, "same": n_same}


class Stopwatch:
    """Seconds within all that a fit does for its checkpoints, and the number of files it wrote."""

    PARTS = (
        (fitting, "identity_of"),
        (checkpoints.FitCheckpoints, "__init__"),
        (checkpoints.FitCheckpoints, "of_training"),
        (checkpoints.TrainingCheckpoints, "resume"),
        (checkpoints.TrainingCheckpoints, "save"),
    )

    def __init__(self) -> None:
        self.seconds, self.written = 0.0, 0
        for owner, name in self.PARTS:
            setattr(owner, name, self.timed(getattr(owner, name), name))

    def timed(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def measured(*arguments: Any, **options: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds += time.perf_counter() - begun
                self.written += name == "save"

        return measured


def cost(report: Report, rounds: int, epochs: int) -> None:
    """The share of a fit's time that goes to its checkpoints, and seconds of fits with and without."""
    rows, watch = digits(), Stopwatch()
    found: dict[float, list[tuple[float, float, int]]] = {60.0: [], 1.0: [], 0.0: []}
    with TemporaryDirectory() as place:
        folders = (Path(place) / str(number) for number in itertools.count())

        def fit(**kept: object) -> None:
            model = Autoencoder(2, max_epochs=epochs, patience=epochs, random_state=0)
            model.fit(rows, **kept)

        def kept_fit(seconds: float) -> None:
            watch.seconds, watch.written = 0.0, 0
            begun = time.perf_counter()
            fit(checkpoint=Checkpoint(next(folders), seconds=seconds))
            found[seconds].append((time.perf_counter() - begun, watch.seconds, watch.written))

        runs = [Contestant(f"every {seconds:g} s", partial(kept_fit, seconds)) for seconds in found]
        with flat_data_allowed():
            timings = run_paired([Contestant("without checkpoints", fit), *runs], rounds)
    table = [("without checkpoints", f"{timings.median('without checkpoints'):.2f}", "", "", "", "")]
    for seconds, measured in found.items():
        in_all, within, written = np.array(measured[1:]).T  # without the round that warms up
        percent = 100 * within / in_all
        median, aim = float(np.median(percent)), COST if seconds == 60.0 else None
        milliseconds = 1000 * float(np.median(within / written))
        table.append(
            (
                f"every {seconds:g} s",
                f"{np.median(in_all):.2f}",
                f"{np.median(written):g}",
                f"{milliseconds:.0f}",
                f"{median:.2f} ({extent(percent)})",
                report.judge(aim, median),
            )
        )
        report.results[f"every {seconds:g} s"] = {"per cent": percent.tolist()}
    title = f"Cost; 1797 digits, default network, {epochs} epochs, medians of the rounds"
    columns = ("", "seconds", "written", "ms each", "per cent of the fit", "aim")
    report.table(title, columns, table)


@click.command(help=__doc__)
@quick_option
@rounds_option(5)
@click.option("--kills", "n_kills", type=click.IntRange(1), default=20, show_default=True)
@click.option("--epochs", type=click.IntRange(2), default=100, show_default=True)
@json_option
def main(quick: bool, rounds: int, n_kills: int, epochs: int, json_path: Path | None) -> None:
    report = Report("Checkpoints: fits that are killed end with the same bits, at little cost", quick)
    kills(report, 3 if quick else n_kills, 10 if quick else epochs)
    cost(report, 1 if quick else rounds, 5 if quick else epochs)
    report.write(json_path)


if __name__ == "__main__":
    main()
