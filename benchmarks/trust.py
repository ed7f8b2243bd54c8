"""Claim: every measure of a map's quality takes less time than one of them alone in scikit-learn.

``isthmus.quality`` gives trustworthiness, continuity, rank errors, overlaps, information imbalances,
stress, rank correlation and density divergences at k = 10; the peer is ``trustworthiness`` of
scikit-learn, which sorts a matrix of all distances. Both see the same rows and the same map of them, the
first two principal components. Memory is what the process owns besides mapped files (RssAnon), sampled
while each runs. Then a larger table, of which a sample of the rows is compared with all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

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
)
from rows import generated_images, images
from sklearn.manifold import trustworthiness

from isthmus import LinearAutoencoder, quality

K = 10

ISTHMUS, PEER = "isthmus.quality, all", "sklearn trustworthiness"
AIM = Aim(1.0)
MEMORY_AIM = Aim(1024.0, at_least=False)


def race(report: Report, X: np.ndarray, Z: np.ndarray, name: str, rounds: int) -> None:
    """Seconds and extra memory of both; every call counts, the first ones are not timed."""
    calls: dict[str, Callable[[], object]] = {
        ISTHMUS: lambda: quality(X, Z, k=K),
        PEER: lambda: trustworthiness(X, Z, n_neighbors=K),
    }
    memory = {}
    for contestant, call in calls.items():
        with PeakMemory() as peak:
            call()
        memory[contestant] = peak.extra
    contestants = [Contestant(contestant, call, len(X)) for contestant, call in calls.items()]
    timings = run_paired(contestants, rounds, warm_up=False)
    report.race(name, timings, ISTHMUS, {PEER: AIM})
    aims = {ISTHMUS: report.judge(MEMORY_AIM, memory[ISTHMUS]), PEER: "–"}
    rows = [(contestant, f"{extra:,.0f}", aims[contestant]) for contestant, extra in memory.items()]
    report.table("Peak extra memory of the first call, MiB", ("", "MiB", "aim"), rows)
    report.results["peak extra memory, MiB"] = memory
    # In float64: of float32 rows scikit-learn rounds distances to float32, which makes some equal.
    exact = X.astype(np.float64)
    gap = quality(exact, Z, k=K).trustworthiness - trustworthiness(exact, Z, n_neighbors=K)
    report.table("Trustworthiness", ("", "difference"), [("isthmus − scikit-learn", f"{gap:.1e}")])
    report.results["trustworthiness, isthmus − scikit-learn"] = gap


def larger(report: Report, n: int) -> None:
    """Seconds, memory and standard errors with a sample of rows."""
    X = generated_images(n)
    Z = LinearAutoencoder(2).fit_transform(X)
    start = time.perf_counter()
    with PeakMemory() as peak:
        found = quality(X, Z, k=K)
    seconds = time.perf_counter() - start
    rows = [
        ("seconds", f"{seconds:.1f}"),
        ("peak extra memory, MiB", f"{peak.extra:,.0f}"),
        ("rows compared with all", f"{found.n_queries:,}"),
        *(
            (f"{row['measure']} {row['at']}", f"{row['value']:.4f} ± {row['standard_error']:.1g}")
            for row in found.table()
        ),
    ]
    report.table(f"{n:,} × {X.shape[1]} generated rows", ("", ""), rows)
    report.results[f"{n} rows"] = {"seconds": seconds, "MiB": peak.extra, "table": found.table()}


@click.command(help=__doc__)
@quick_option
@rounds_option(5)
@mnist_option
@click.option("--rows", type=click.IntRange(1000), default=100_000, show_default=True)
@json_option
def main(quick: bool, rounds: int, mnist: Path | None, rows: int, json_path: Path | None) -> None:
    report = Report("Quality of a map: all measures against one of scikit-learn", quick)
    X, name = images(mnist, 1000 if quick else 10_000)
    Z = LinearAutoencoder(2).fit_transform(X)
    race(report, X, Z, name, 1 if quick else rounds)
    larger(report, 2000 if quick else rows)
    report.write(json_path)


if __name__ == "__main__":
    main()
