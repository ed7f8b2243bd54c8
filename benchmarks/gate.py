"""Claim: a map of few rows leaves PCA where it should, and stays PCA where there is nothing to win.

First 100 draws of a bent surface with as much noise that a network has half of PCA's error on unseen
rows: how often is the fitted model the network? Then fits to noise alone, Gaussian, Student's t with 3
degrees of freedom, and counts: how often is it not PCA?
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
from common import Aim, Report, flat_data_allowed, json_option, quick_option

from isthmus import Autoencoder, LinearAutoencoder, reconstruction_error

POWER, FALSE_ALARMS = Aim(0.95), Aim(0.01, at_least=False)
ROWS, UNSEEN = 300, 3000

NOISE = 0.5
"""Of each column of the surface: with it networks have half of PCA's error on unseen rows."""

SIZES = (30, 100, 300)


def bent(n: int, rng: np.random.Generator) -> np.ndarray:
    """A surface of two dimensions in eight columns that bends in three of them, with noise."""
    s, t = rng.standard_normal((2, n))
    zeros = np.zeros(n)
    surface = np.c_[s, t, s**2 / 1.5, s * t, t**2 / 1.5, zeros, zeros, zeros]
    return surface + NOISE * rng.standard_normal((n, 8))


def nothing(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """Ten independent columns."""
    draw: dict[str, Callable[[], np.ndarray]] = {
        "Gaussian": lambda: rng.standard_normal((n, 10)),
        "Student's t, 3": lambda: rng.standard_t(3, (n, 10)),
        "counts": lambda: rng.poisson(4, (n, 10)).astype(float),
    }
    return draw[kind]()


def power(report: Report, draws: int) -> None:
    """Print how often the model is the network, and what its error on unseen rows is."""
    left, ratios = 0, []
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        rows, unseen = bent(ROWS, rng), bent(UNSEEN, rng)
        with flat_data_allowed():
            model = Autoencoder(2, random_state=seed).fit(rows)
        left += model.best_epoch_ > 0
        errors = [
            reconstruction_error(m, unseen).mean() for m in (model, LinearAutoencoder(2).fit(rows))
        ]
        ratios.append(errors[0] / errors[1])
    table = [
        ("share that is the network", f"{left / draws:.2f}", report.judge(POWER, left / draws)),
        ("error on unseen rows / PCA's, median", f"{np.median(ratios):.3f}", ""),
    ]
    report.table(f"{draws} draws of {ROWS} rows of a bent surface", ("", "", "aim"), table)
    report.results["power"] = {"share": left / draws, "ratios": ratios}


def fits_to_nothing(kind: str, fits: int, widths: tuple[int, ...]) -> Iterator[bool]:
    """Whether each fit is something else than PCA."""
    for seed in range(fits):
        rows = nothing(kind, SIZES[seed % len(SIZES)], np.random.default_rng(seed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield Autoencoder(2, widths=widths, random_state=seed).fit(rows).best_epoch_ > 0


def false_alarms(report: Report, fits: int, widths: tuple[int, ...]) -> None:
    """Print the share of fits to noise that are not PCA."""
    table, alarms, total = [], 0, 0
    for kind in ("Gaussian", "Student's t, 3", "counts"):
        found = list(fits_to_nothing(kind, fits, widths))
        alarms, total = alarms + sum(found), total + len(found)
        table.append((kind, f"{sum(found)} of {len(found)}", ""))
    table.append(("all", f"{alarms / total:.4f}", report.judge(FALSE_ALARMS, alarms / total)))
    title = f"Fits to noise that are not PCA, {', '.join(map(str, SIZES))} rows, widths {widths}"
    report.table(title, ("", "", "aim"), table)
    report.results["false alarms"] = {"share": alarms / total, "fits": total}


@click.command(help=__doc__)
@click.option("--draws", type=click.IntRange(1), default=100, show_default=True)
@click.option("--fits", type=click.IntRange(1), default=334, show_default=True, help="To each noise.")
@quick_option
@json_option
def main(draws: int, fits: int, quick: bool, json_path: Path | None) -> None:
    report = Report("The gate: when a map of few rows is more than PCA", quick)
    power(report, 3 if quick else draws)
    false_alarms(report, 3 if quick else fits, (16, 8) if quick else (64, 32))
    report.write(json_path)


if __name__ == "__main__":
    main()
