"""Claim: a map of neighbours keeps more neighbours of unseen rows than networks trained to do so.

The data sets, splits and figures of ``neighbours.py``. The peers are networks that learn from the graph
of the nearest rows, with their default settings; their positions are decoded by the same kernel
regression as ours. They run in an environment of their own.
"""

from __future__ import annotations

import subprocess
import tempfile
from functools import partial
from pathlib import Path

import click
import numpy as np
from common import Aim, Report, json_option, mnist_option, quick_option, rounds_option
from labelled import data_sets
from neighbours import (
    COLUMNS,
    METHODS,
    OURS,
    Mapped,
    Rows,
    decoded_by_kernels,
    lines_of,
    means_of,
    of_splits,
)
from parametric_peers import PEERS


def map_by_peer(python: Path, name: str, rows: Rows, seed: int) -> Mapped:
    """The map of a parametric peer, which another Python fits."""
    script = Path(__file__).with_name("parametric_peers.py")
    with tempfile.TemporaryDirectory() as folder:
        given, written = Path(folder, "rows.npz"), Path(folder, "found.npz")
        np.savez(given, **rows._asdict())
        command = [python, script, name, given, written, str(seed)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise click.ClickException(f"{python} could not fit {name}:\n{run.stderr}")
        with np.load(written) as arrays:
            found = dict(arrays)
    return Mapped(
        train=found["train"],
        unseen=found["unseen"],
        lines=found["lines"],
        decoded=decoded_by_kernels(found["train"], rows.train, found["unseen"], seed),
        seconds=float(found["seconds"]),
        microseconds=float(found["microseconds"]),
    )


@click.command(help=__doc__)
@quick_option
@rounds_option(1)
@mnist_option
@click.option(
    "--peers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="PEERS",
    required=True,
    help="The Python of an environment with peers-requirements.txt; also read from $PEERS.",
)
@click.option("--data", "chosen", multiple=True, help="Only data sets whose names start so.")
@json_option
def main(
    quick: bool,
    rounds: int,
    mnist: Path | None,
    peers: Path,
    chosen: tuple[str, ...],
    json_path: Path | None,
) -> None:
    report = Report("Neighbours of unseen rows, against networks", quick)
    rounds, most = (1, 400) if quick else (rounds, None)
    methods = {OURS: METHODS[OURS]} | {name: partial(map_by_peer, peers, name) for name in PEERS}
    sets = {name: draw for name, draw in data_sets(mnist).items() if name.startswith(chosen or "")}
    kept_most = []
    for name, draw in sets.items():
        means = means_of(of_splits(draw, rounds, most, methods))
        report.table(f"{name} training rows, splits: {rounds}", COLUMNS, lines_of(means))
        report.results[name] = means
        kept_most.append(all(means[OURS]["kept"] > means[peer]["kept"] for peer in PEERS))
    won = sum(kept_most)
    report.table(
        "Data sets",
        ("", "of", "aim"),
        [(f"more neighbours kept: {won}", str(len(sets)), report.judge(Aim(len(sets)), won))],
    )
    report.write(json_path)


if __name__ == "__main__":
    main()
