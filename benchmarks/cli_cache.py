"""Claim: the second ``isthmus fit`` of equal shape takes much less time than the first.

Each round has an empty cache folder of its own. The network is the default one, and each epoch is short
against compilation. A third command, with --no-cache, takes what both would without the folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from common import Aim, Report, extent, json_option, quick_option, rounds_option
from sklearn.datasets import load_digits

AIM = Aim(0.6, at_least=False)
COMMANDS = {"first": [], "second": [], "without": ["--no-cache"]}


def seconds(folder: Path, options: list[str], epochs: int) -> float:
    """Seconds of one command, from start to exit."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    environment = kept | {"XDG_CACHE_HOME": str(folder), "LOCALAPPDATA": str(folder)}
    fit = ["fit", "rows.npy", "--seed", "0", "--max-epochs", str(epochs), "-q", "-o", "m.isthmus"]
    start = time.perf_counter()
    command = [sys.executable, "-m", "isthmus", *options, *fit]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


@click.command(help=__doc__)
@quick_option
@rounds_option(5)
@click.option("--epochs", type=click.IntRange(1), default=3, show_default=True)
@json_option
def main(quick: bool, rounds: int, epochs: int, json_path: Path | None) -> None:
    report = Report("isthmus fit with the programs of an earlier one", quick)
    runs: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(1 if quick else rounds):
        with TemporaryDirectory() as folder:
            np.save(Path(folder) / "rows.npy", load_digits().data)
            for name, options in COMMANDS.items():
                runs[name].append(seconds(Path(folder), options, epochs))
    ratios = np.array(runs["second"]) / np.array(runs["first"])
    medians = {name: float(np.median(values)) for name, values in runs.items()}
    title = f"1797 digits, default network, {epochs} epochs; seconds, median of the rounds"
    report.table(title, ("", "seconds"), [(name, f"{value:.2f}") for name, value in medians.items()])
    ratio = float(np.median(ratios))
    report.table(
        "second / first",
        ("ratio", "range", "aim"),
        [(f"{ratio:.2f}", extent(ratios), report.judge(AIM, ratio))],
    )
    report.results[title] = {"runs": runs, "ratios": ratios.tolist(), "aim": str(AIM)}
    report.write(json_path)


if __name__ == "__main__":
    main()
