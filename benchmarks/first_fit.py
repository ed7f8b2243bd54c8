"""Claim: from a cold process to a fitted map of the digits takes less time than with PyTorch.

Every run is a process of its own: import, load the digits, fit, map them. Imports and compilation
count; the files are in the page cache, because a run that is not counted goes first.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
from common import Aim, Report, extent, in_rotated_order, json_option, quick_option, rounds_option

AIM = Aim(0.6, at_least=False)
HERE = Path(__file__).parent

PHASES = ("import", "data", "fit", "map")

PROGRAM = """
import json, sys, time
clock = [time.perf_counter()]
{imports}
clock.append(time.perf_counter())
from sklearn.datasets import load_digits
rows = (load_digits().data / 16).astype("float32")
clock.append(time.perf_counter())
{fit}
clock.append(time.perf_counter())
{map}
clock.append(time.perf_counter())
assert coordinates.shape == (1797, 2)
print(json.dumps([b - a for a, b in zip(clock, clock[1:])]))
"""

SAME = """model = Autoencoder(
    2, widths=(128, 64), activation="relu", skip=None, batch_size=64,
    max_epochs={epochs}, patience={epochs}, validation_fraction=0.0, random_state=0,
).fit(rows)"""

ISTHMUS, PEER, DEFAULTS = "isthmus, same network", "PyTorch eager", "isthmus.Autoencoder()"

PROGRAMS = {
    ISTHMUS: {
        "imports": "from isthmus import Autoencoder",
        "fit": SAME,
        "map": "coordinates = model.transform(rows)",
    },
    PEER: {
        "imports": f"sys.path.append({str(HERE)!r}); import torch, peers",
        "fit": "model = peers.fit_torch((64, 128, 64, 2), rows, 64, {epochs})",
        "map": "with torch.inference_mode(): coordinates = model[0](torch.from_numpy(rows)).numpy()",
    },
    DEFAULTS: {
        "imports": "from isthmus import Autoencoder",
        "fit": "model = Autoencoder(random_state=0).fit(rows)",
        "map": "coordinates = model.transform(rows)",
    },
}
"""What differs between contestants: imports, the fit, and mapping the rows to coordinates."""


def cold_run(name: str, epochs: int) -> dict[str, float]:
    """Seconds of each phase, and of the whole process from start to exit."""
    parts = {key: text.format(epochs=epochs) for key, text in PROGRAMS[name].items()}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(**parts)], check=True, stdout=subprocess.PIPE, text=True
    )
    process = time.perf_counter() - start
    return dict(zip(PHASES, json.loads(done.stdout), strict=True)) | {"process": process}


@click.command(help=__doc__)
@quick_option
@rounds_option(7)
@click.option("--epochs", type=click.IntRange(1), default=50, show_default=True)
@json_option
def main(quick: bool, rounds: int, epochs: int, json_path: Path | None) -> None:
    rounds, epochs = (1, 2) if quick else (rounds, epochs)
    report = Report("Cold process to a fitted map of the digits", quick)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in PROGRAMS}
    for counts, name in in_rotated_order(list(PROGRAMS), rounds):
        run = cold_run(name, epochs)
        if counts:
            runs[name].append(run)
    show(report, f"64-128-64-2 mirrored, batch 64, {epochs} epochs, 1797 digits; seconds", runs)
    report.write(json_path)


def show(report: Report, title: str, runs: dict[str, list[dict[str, float]]]) -> None:
    """Print the median of every phase, and the ratios of whole processes."""

    def column(name: str, phase: str) -> np.ndarray:
        return np.array([run[phase] for run in runs[name]])

    rows = []
    for name in runs:
        medians = [f"{np.median(column(name, phase)):.2f}" for phase in (*PHASES, "process")]
        rows.append((name, *medians))
    report.table(title, ("", *PHASES, "whole process"), rows)
    ratios = column(ISTHMUS, "process") / column(PEER, "process")
    # scikit-learn comes with isthmus; the peer needs it only to load the digits.
    ours, theirs = (column(name, "process") - column(name, "data") for name in (ISTHMUS, PEER))
    without_data = ours / theirs
    median = float(np.median(ratios))
    report.table(
        f"{ISTHMUS} / {PEER}, median of the rounds",
        ("", "ratio", "range", "aim"),
        (
            ("whole process", f"{median:.2f}", extent(ratios), report.judge(AIM, median)),
            ("without loading the digits", f"{np.median(without_data):.2f}", extent(without_data), "–"),
        ),
    )
    report.results[title] = {"runs": runs, "ratios": ratios.tolist(), "aim": str(AIM)}


if __name__ == "__main__":
    main()
