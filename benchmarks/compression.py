"""Claim: a quarter of a map's parameters, and a tenth of a classifier's, do the same job.

Networks with hidden layers of 512 and 256 units are trained on four fifths of the images, pruned on the
same rows, and judged on the fifth that neither training nor pruning saw. Time should shrink in
proportion. The map has ten coordinates. For comparison: small maps of about the pruned one's size,
trained alone and taught by the large one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
    run_paired,
)
from rows import images, labels_beside, read_labels, split

from isthmus import Autoencoder, FeedForwardClassifier, reconstruction_error
from isthmus.compression.distill import distill
from isthmus.compression.prune import prune

WIDTHS = (512, 256)
SMALL = (128, 64)
"""About a fifth of the parameters."""

COLUMNS = ("", "parameters", "share", "held-out error", "ratio", "unseen", "ratio")


def four_fifths(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Four fifths of the rows, and the rest."""
    return split(values, len(values) // 5, seed=0)


def squared_error(model: Any, rows: np.ndarray) -> float:
    """Mean ‖x − x̂‖²."""
    return float(np.mean(reconstruction_error(model, rows)))


def judge(report: Report, title: str, aims: dict[str, tuple[float, Aim]]) -> None:
    """Print figures with their aims."""
    rows = [(name, f"{figure:.3f}", report.judge(aim, figure)) for name, (figure, aim) in aims.items()]
    report.table(title, ("", "figure", "aim"), rows)


def speed(report: Report, what: str, models: tuple[Any, Any], share: float, rows: np.ndarray) -> None:
    """Print how much faster the small model is than the large one, in rounds that both run in."""
    name = "transform" if hasattr(models[0], "transform") else "predict"
    contestants = [
        Contestant(label, lambda model=model: getattr(model, name)(rows), len(rows))
        for label, model in zip(("large", "pruned"), models, strict=True)
    ]
    timings = run_paired(contestants, 3 if report.quick else 15)
    report.race(f"{what}: {name}", timings, "pruned", {"large": Aim(1 / share)})


def maps(report: Report, rows: np.ndarray, name: str) -> None:
    """A map, pruned; and small ones of about that size."""
    quick: dict[str, Any] = {"max_epochs": 2} if report.quick else {}
    train, unseen = four_fifths(rows)
    large = Autoencoder(10, widths=WIDTHS, random_state=0, **quick).fit(train)
    pruned = prune(large, train, trials=2 if report.quick else 5)
    alone = Autoencoder(10, widths=SMALL, random_state=0, **quick).fit(train)
    taught = distill(large, train, SMALL, random_state=0, **quick)
    before, after = taught.compression_["before"], taught.compression_["after"]
    n_small = after["n_parameters"]
    record = getattr(pruned, "compression_", {"before": before, "after": before})
    n_large, n_pruned = before["n_parameters"], record["after"]["n_parameters"]
    ratio = record["after"]["error"] / record["before"]["error"]
    base = squared_error(large, unseen)
    table = []
    for label, model, size in (
        (f"large, {large.widths}", large, n_large),
        (f"pruned, {pruned.widths} and {pruned.decoder_widths}", pruned, n_pruned),
        (f"alone, {SMALL}", alone, n_small),
        (f"taught, {SMALL}", taught, n_small),
    ):
        error = squared_error(model, unseen)
        held_out = model.validation_loss_
        figures = (
            *(f"{held_out:.2f}", f"{held_out / large.validation_loss_:.3f}"),
            *(f"{error:.2f}", f"{error / base:.3f}"),
        )
        table.append((label, f"{size:,}", f"{size / n_large:.3f}", *figures))
    report.table(f"{name}, d = 10", COLUMNS, table)
    share = n_pruned / n_large
    aims = {
        "share of the parameters": (share, Aim(0.25, at_least=False)),
        "held-out error, ratio": (ratio, Aim(1.02, at_least=False)),
    }
    judge(report, "Pruned map", aims)
    report.results["map"] = {label: row for label, *row in table} | {"share": share, "ratio": ratio}
    speed(report, "Map", (large, pruned), share, rows)


def classifiers(report: Report, rows: np.ndarray, labels: np.ndarray) -> None:
    """A classifier, pruned. Pixels have one unit, so they are not scaled one by one."""
    quick: dict[str, Any] = {"max_epochs": 2} if report.quick else {}
    (train, unseen), (y, truth) = four_fifths(rows), four_fifths(labels)
    large = FeedForwardClassifier(WIDTHS, scaling=None, random_state=0, **quick).fit(train, y)
    pruned = prune(large, train, y, epochs=2 if report.quick else 10)
    accuracy = [100 * float(model.score(unseen, truth)) for model in (large, pruned)]
    share = pruned.n_parameters_ / large.n_parameters_
    table = [
        (f"{model.widths}", f"{model.n_parameters_:,}", f"{model.validation_loss_:.4f}", f"{points:.2f}")
        for model, points in zip((large, pruned), accuracy, strict=True)
    ]
    columns = ("classifier", "parameters", "held-out loss", "unseen, % right")
    report.table("Classes of the same images", columns, table)
    aims = {
        "share of the parameters": (share, Aim(0.10, at_least=False)),
        "points of accuracy won": (accuracy[1] - accuracy[0], Aim(-0.2)),
    }
    judge(report, "Pruned classifier", aims)
    report.results["classifier"] = {"share": share, "accuracy": accuracy}
    speed(report, "Classifier", (large, pruned), share, rows)


@click.command(help=__doc__)
@quick_option
@mnist_option
@click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="t10k-labels-idx1-ubyte.gz; unless told, the file of that name beside the images.",
)
@json_option
def main(quick: bool, mnist: Path | None, labels: Path | None, json_path: Path | None) -> None:
    report = Report("Compression: smaller networks at the same error", quick)
    rows, name = images(mnist, 1000 if quick else 10_000)
    if labels is None and mnist is not None:
        labels = labels_beside(mnist)
    with flat_data_allowed():
        maps(report, rows, name)
        if labels is not None and labels.exists():
            classifiers(report, rows, read_labels(labels)[: len(rows)])
    report.write(json_path)


if __name__ == "__main__":
    main()
