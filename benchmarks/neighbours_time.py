"""Claim: a map of neighbours takes about as long as UMAP's, in less memory; new rows are placed at once.

Default fits on all rows, everything compiled, against ``umap.UMAP()`` in the same process, which has
been run once too. Memory is the most that the process has of its own during a fit of the most rows,
above what it had before. New rows are placed a thousand at a time.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from common import (
    Aim,
    Contestant,
    PeakMemory,
    Report,
    json_option,
    mnist_option,
    quick_option,
    rounds_option,
    run_paired,
    timed_transform,
    umap_without_warnings,
)
from rows import digits, generated_images, images

from isthmus import NeighbourAutoencoder

OURS, UMAP = "NeighbourAutoencoder()", "UMAP()"
MANY, NEW = 70_000, 1000
QUICKER = Aim(100.0)


class Fits:
    """Fits of both on the same rows, the last of each, and the memory that it took."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows
        self.models: dict[str, Any] = {}
        self.mebibytes: dict[str, float] = {}

    def fit(self, name: str) -> None:
        with umap_without_warnings() as umap, PeakMemory() as memory:
            model = umap.UMAP() if name == UMAP else NeighbourAutoencoder(random_state=0)
            self.models[name] = model.fit(self.rows)
        self.mebibytes[name] = memory.extra


@click.command(help=__doc__)
@quick_option
@rounds_option(3)
@mnist_option
@json_option
def main(quick: bool, rounds: int, mnist: Path | None, json_path: Path | None) -> None:
    report = Report("Time and memory of a map of neighbours, against UMAP", quick)
    pictures, described = images(mnist, 1000 if quick else 10_000)
    many = 2000 if quick else MANY
    sets: dict[str, tuple[np.ndarray, float, int]] = {
        "digits, 1797 × 64": (digits(), 2.0, rounds),
        described: (pictures, 1.2, rounds),
        f"{many:,} × 784 generated rows": (generated_images(many), 1.0, 1),
    }
    times, memory, placing = [], [], []
    for name, (rows, bound, repeats) in sets.items():
        rng = np.random.default_rng(1)
        chosen = rows[rng.choice(len(rows), NEW)]
        new = chosen + 0.01 * rng.standard_normal(chosen.shape).astype(np.float32)
        fits = Fits(rows)
        runs = [Contestant(one, partial(fits.fit, one)) for one in (OURS, UMAP)]
        # What compiles is a small part of the time of so many rows.
        timings = run_paired(runs, 1 if quick else repeats, warm_up=repeats > 1)
        own, peer = timings.median(OURS), timings.median(UMAP)
        judged = report.judge(Aim(bound, at_least=False), own / peer)
        times.append((name, f"{own:.1f}", f"{peer:.1f}", f"{own / peer:.2f}", judged))
        if repeats == 1:  # an earlier fit of as many rows leaves memory that another needs not ask for
            own, peer = fits.mebibytes[OURS], fits.mebibytes[UMAP]
            judged = report.judge(Aim(1.0, at_least=False), own / peer)
            memory.append((name, f"{own:.0f}", f"{peer:.0f}", f"{own / peer:.2f}", judged))
        own, peer = (timed_transform(fits.models[one], new)[1] for one in (OURS, UMAP))
        judged = report.judge(QUICKER, peer / own)
        placing.append((name, f"{own:.1f}", f"{peer:.0f}", f"{peer / own:.0f}", judged))
        report.results[name] = {"seconds": timings.seconds, "MiB": fits.mebibytes}
    columns = ("", "ours", "UMAP's", "ours / UMAP's", "aim")
    report.table("Seconds of a fit", columns, times)
    report.table("Memory of a fit, MiB", columns, memory)
    columns = ("", "ours", "UMAP's", "UMAP's / ours", "aim")
    report.table(f"Microseconds per new row, {NEW} at a time", columns, placing)
    report.write(json_path)


if __name__ == "__main__":
    main()
