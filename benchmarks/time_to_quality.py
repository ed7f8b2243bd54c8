"""Claim: isthmus reaches the error that a plain auto-encoder ends with in a fifth of its time.

The peer is PyTorch with ReLU and Adam at 1e-3, of the same widths and batch: its error is that of its
best epoch on held-out rows, its time the training up to the end of that epoch, evaluation not counted.
isthmus runs complete fits with its defaults and more and more epochs, until one is as good on the same
rows; each fit holds out rows of its own besides. The time is that of this one fit: first with an empty
compilation cache, then again with everything compiled.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import jax
import numpy as np
import torch
from common import Aim, Report, flat_data_allowed, json_option, mnist_option, quick_option, rounds_option
from peers import mirrored, torch_epochs
from rows import digits, images, split

from isthmus import Autoencoder, reconstruction_error

AIM = Aim(1 / 5, at_least=False)
BATCH_SIZE = 128
EPOCHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 40)
PATIENCE = 10


@dataclass(frozen=True)
class Reached:
    """Mean squared distance ‖x − x̂‖² on held-out rows, the epochs trained, and the seconds they took."""

    error: float
    epochs: int
    seconds: float
    with_compilation: float = float("nan")


def peer(train: np.ndarray, held_out: np.ndarray, seed: int, epochs: int) -> Reached:
    """The best epoch of a plain auto-encoder that stops ``PATIENCE`` epochs after it."""
    torch.manual_seed(seed)
    rows, unseen = torch.from_numpy(train), torch.from_numpy(held_out)
    network = mirrored((train.shape[1], 256, 256, 2))
    best = Reached(np.inf, 0, 0.0)
    seconds, start = 0.0, time.perf_counter()
    for epoch in torch_epochs(network, rows, BATCH_SIZE, epochs):
        seconds += time.perf_counter() - start
        with torch.inference_mode():
            error = float((network(unseen) - unseen).square().sum(1).mean())
        if error < best.error:
            best = Reached(error, epoch, seconds)
        if epoch - best.epochs >= PATIENCE:
            break
        start = time.perf_counter()
    return best


def fits(train: np.ndarray, held_out: np.ndarray, seed: int) -> Iterator[Reached]:
    """Complete fits of growing length, each run twice: compiling everything, and nothing."""
    for epochs in EPOCHS:
        model = Autoencoder(max_epochs=epochs, batch_size=BATCH_SIZE, random_state=seed)
        jax.clear_caches()
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            with flat_data_allowed():
                model.fit(train)
            seconds.append(time.perf_counter() - start)
        error = float(np.mean(reconstruction_error(model, held_out)))
        yield Reached(error, epochs, seconds[1], with_compilation=seconds[0])


Round = tuple[Reached, Reached | None]
"""The peer's best epoch, and our first fit as good, if there was one."""


def race(rows: np.ndarray, n_held_out: int, rounds: int, epochs: int) -> list[Round]:
    """Rounds with a split and a seed of their own."""
    results: list[Round] = []
    for seed in range(rounds):
        train, held_out = split(rows, n_held_out, seed)
        theirs = peer(train, held_out, seed, epochs)
        ours = next((fit for fit in fits(train, held_out, seed) if fit.error <= theirs.error), None)
        results.append((theirs, ours))
    return results


def show(report: Report, title: str, results: list[Round]) -> None:
    """Print every round and the median ratios; never to get there counts as infinite."""
    rows, ratios, cold_ratios = [], [], []
    for theirs, ours in results:
        warm = ours.seconds / theirs.seconds if ours else np.inf
        cold = ours.with_compilation / theirs.seconds if ours else np.inf
        ratios.append(warm)
        cold_ratios.append(cold)
        mine = (*_cells(ours), f"{ours.with_compilation:.2f}") if ours else ("not reached", "", "", "")
        rows.append((f"round {len(rows) + 1}", *_cells(theirs), *mine, f"{warm:.3f}"))
    columns = ("PyTorch error", "epoch", "seconds", "isthmus error", "epochs", "seconds", "compiling")
    report.table(title, ("", *columns, "ratio"), rows)
    warm, cold = float(np.median(ratios)), float(np.median(cold_ratios))
    report.table(
        "Time of isthmus / time of PyTorch, median of the rounds",
        ("", "ratio", "aim"),
        (
            ("compiled before", f"{warm:.3f}", report.judge(AIM, warm)),
            ("compilation included", f"{cold:.3f}", report.judge(AIM, cold)),
        ),
    )
    report.results[title] = {
        "rounds": [[asdict(each) if each else None for each in pair] for pair in results],
        "ratios": ratios,
        "ratios with compilation": cold_ratios,
        "aim": str(AIM),
    }


def _cells(reached: Reached) -> tuple[str, str, str]:
    return f"{reached.error:.4g}", str(reached.epochs), f"{reached.seconds:.2f}"


@click.command(help=__doc__)
@quick_option
@rounds_option(3)
@mnist_option
@json_option
def main(quick: bool, rounds: int, mnist: Path | None, json_path: Path | None) -> None:
    report = Report("Time to the held-out error of a plain PyTorch auto-encoder, d = 2", quick)
    rows, described = (digits(), "1797 digits (no --mnist)") if mnist is None else images(mnist)
    if quick:
        rows = rows[:600]
    network = f"{rows.shape[1]}-256-256-2 mirrored, batch {BATCH_SIZE}"
    title = f"{network}, {described}, a fifth of them held out"
    show(report, title, race(rows, len(rows) // 5, 1 if quick else rounds, 3 if quick else 60))
    report.write(json_path)


if __name__ == "__main__":
    main()
