"""Claim: a map of few rows leaves PCA where it should, and stays PCA where there is nothing to win.

First 100 draws of a bent surface with as much noise that a network has half of PCA's error on unseen
rows: how often is the fitted model the network? Then fits to noise alone, Gaussian, Student's t with 3
degrees of freedom, and counts. No plane is better than another there, but a curved surface is: two
coordinates along one that fills more of the space leave less out. So a fit to noise is a false alarm if
it is not PCA and worse than PCA on unseen rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
from common import Aim, Report, flat_data_allowed, json_option, quick_option

from isthmus import Autoencoder, LinearAutoencoder, reconstruction_error

POWER, FALSE_ALARMS = Aim(0.95), Aim(0.01, at_least=False)
ROWS, UNSEEN = 300, 3000

NOISE = 0.5
"""Standard deviation of the noise in each column: with it networks have half of PCA's error."""

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


def fits_to_nothing(kind: str, fits: int, widths: tuple[int, ...]) -> Iterator[float]:
    """For each fit that is not PCA, its error on unseen rows over PCA's; 0 for one that is PCA."""
    for seed in range(fits):
        rng = np.random.default_rng(seed)
        rows, unseen = nothing(kind, SIZES[seed % len(SIZES)], rng), nothing(kind, UNSEEN, rng)
        with flat_data_allowed():
            model = Autoencoder(2, widths=widths, random_state=seed).fit(rows)
        if model.best_epoch_ == 0:
            yield 0.0
            continue
        own, of_pca = (
            reconstruction_error(one, unseen).mean() for one in (model, LinearAutoencoder(2).fit(rows))
        )
        yield own / of_pca


def false_alarms(report: Report, fits: int, widths: tuple[int, ...]) -> None:
    """Print the share of fits to noise that are not PCA, and of those that are worse on unseen rows."""
    table, every = [], []
    for kind in ("Gaussian", "Student's t, 3", "counts"):
        ratios = np.array(list(fits_to_nothing(kind, fits, widths)))
        every += ratios.tolist()
        left = ratios[ratios > 0]
        shown = f"{np.median(left):.3f}, at most {left.max():.3f}" if len(left) else ""
        table.append((kind, f"{len(left)} of {fits}", shown, f"{int(np.sum(left > 1))}", ""))
    share = float(np.mean(np.array(every) > 1))
    table.append(("all", "", "", f"{share:.4f} of all", report.judge(FALSE_ALARMS, share)))
    columns = ("", "not PCA", "error on unseen rows / PCA's, median", "worse", "aim")
    title = f"Fits to noise, {', '.join(map(str, SIZES))} rows, widths {widths}"
    report.table(title, columns, table)
    report.results["noise"] = {"ratios": every, "share worse": share}


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
