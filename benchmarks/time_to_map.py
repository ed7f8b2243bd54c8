"""Claim: a default map takes about as long as UMAP, and less where rows are many.

Default fits on all rows, everything compiled, against ``umap.UMAP()`` in the same process, which has
been run once too. Errors are those on a fifth of the rows, 10 000 at most, of a map of the others, over
PCA's. Beside them stands the error after four times the updates in a network of twice the width: what
patience gives.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import numpy as np
from common import (
    Aim,
    Contestant,
    Report,
    flat_data_allowed,
    json_option,
    mnist_option,
    quick_option,
    rounds_option,
    run_paired,
    umap_without_warnings,
)
from ordinary import turning_objects
from quality import curved
from rows import digits, images, pca_error, split

from isthmus import Autoencoder, reconstruction_error

ISTHMUS, UMAP = "isthmus.Autoencoder()", "UMAP()"
MANY, MORE = 200_000, 1_000_000
LONGER = Aim(1.5, at_least=False)


def surface(n: int) -> np.ndarray:
    """A curved surface of two dimensions in 20 columns, with a little noise."""
    return curved(n, np.random.default_rng(0))[:, :20].astype(np.float32)


def objects(n: int) -> np.ndarray:
    """Pictures of 20 turning objects, with a little noise."""
    rng = np.random.default_rng(0)
    return turning_objects(n, rng) + 0.05 * rng.standard_normal((n, 256))


def fit(rows: np.ndarray, **parameters: object) -> Autoencoder:
    with flat_data_allowed():
        return Autoencoder(2, random_state=0, **parameters).fit(rows)


def fit_umap(rows: np.ndarray) -> None:
    with umap_without_warnings() as umap:
        umap.UMAP().fit(rows)


def errors(rows: np.ndarray, *, also_patient: bool) -> list[str]:
    """Error on unseen rows over PCA's, of a default fit and of one with patience."""
    train, test = split(rows, min(len(rows) // 5, 10_000), 0)
    found = [fit(train)]
    if also_patient:
        # Nine tenths of the rows in batches of 128; an epoch of the default fit has 500 at most.
        batches = len(train) * 9 / 1280
        updates = 4 * len(found[0].history_["epoch"]) * min(int(batches), 500)
        epochs = max(4, round(updates / batches))
        found.append(fit(train, widths=(512, 512), max_epochs=epochs))
    floor = pca_error(train, test, 2)
    return [f"{np.mean(reconstruction_error(model, test)) / floor:.4f}" for model in found]


@click.command(help=__doc__)
@quick_option
@rounds_option(3)
@mnist_option
@json_option
def main(quick: bool, rounds: int, mnist: Path | None, json_path: Path | None) -> None:
    report = Report("Time to a map, against UMAP", quick)
    pictures, described = images(mnist, 1000 if quick else 10_000)
    many, more = (2000, 4000) if quick else (MANY, MORE)
    sets: dict[str, tuple[np.ndarray, float]] = {
        "digits, 1797 × 64": (digits(), 1.2),
        "turning objects, 1400 × 256": (objects(1400), 1.5),
        described: (pictures, 0.8),
        f"surface, {many:,} × 20": (surface(many), 0.3),
    }
    lines, seconds = [], {}
    for name, (rows, bound) in sets.items():
        runs: dict[str, Callable[[], object]] = {
            ISTHMUS: partial(fit, rows),
            UMAP: partial(fit_umap, rows),
        }
        timings = run_paired([Contestant(one, run) for one, run in runs.items()], 1 if quick else rounds)
        seconds[name] = timings.seconds
        ratio = float(np.median(1 / timings.ratios(ISTHMUS, UMAP)))
        aim = report.judge(Aim(bound, at_least=False), ratio)
        own, peer = (f"{timings.median(one):.1f}" for one in (ISTHMUS, UMAP))
        lines.append((name, own, peer, f"{ratio:.2f}", aim, *errors(rows, also_patient=True)))
    columns = ("", "seconds", "UMAP's", "ratio", "aim", "error / PCA's", "with patience")
    report.table("Warm fits on all rows; errors on unseen rows", columns, lines)
    rows, before = surface(more), float(np.median(seconds[f"surface, {many:,} × 20"][ISTHMUS]))
    fit(rows)
    start = time.perf_counter()
    fit(rows)
    took = time.perf_counter() - start
    line = (f"{more:,} × 20", f"{took:.1f}", f"{took / before:.2f}", report.judge(LONGER, took / before))
    columns = ("", "seconds", f"over those of {many:,} rows", "aim", "error / PCA's")
    report.table("More rows", columns, [(*line, *errors(rows, also_patient=False))])
    report.results["seconds"] = seconds
    report.write(json_path)


if __name__ == "__main__":
    main()
