"""Claim: on an ordinary table, as new users type it in, the answer is one that a specialist would sign.

A row for each thing that may go wrong: columns of different units, few rows, missing cells, a dimension
to quote, separate pieces, texts and dates in a file, images, angles, notebooks, searches. It says what
was found and whether that is right. The data come with scikit-learn or are drawn.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pandas as pd
from common import Aim, Report, json_option, quick_option
from ordinary import (
    birds,
    long_plane,
    smooth_spectrum,
    spectra,
    standardised,
    torsions,
    turning_objects,
    windows,
)
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

import isthmus

RIGHT = Aim(1.0)


Found = tuple[str, bool]
"""What was found, in words, and whether a specialist would sign it."""


def cli(*arguments: str, cwd: str) -> str:
    """What a command prints on either stream."""
    done = subprocess.run(
        [sys.executable, "-m", "isthmus", *arguments],
        capture_output=True, text=True, cwd=cwd, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def caught(call: Callable[[], object]) -> tuple[object, list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        return call(), found


def units() -> Found:
    table = birds(333, np.random.default_rng(0)).drop(columns="species")
    _, said = caught(lambda: isthmus.Autoencoder(2, random_state=0).fit(table))
    warned = [str(one.message) for one in said if one.category is isthmus.UnequalScalesWarning]
    compared = isthmus.compare(table, methods=["pca"])
    right = any("body_mass_g" in text and "scaling=" in text for text in warned)
    return f"Python warns: {warned[:1]}; compare: {compared.units[:60]}", right and bool(compared.units)


def few_rows() -> Found:
    rows = standardised(birds(333, np.random.default_rng(0)))
    ratios = []
    for seed in range(5):
        model, _ = caught(lambda seed=seed: isthmus.Autoencoder(2, random_state=seed).fit(rows))
        ratios.append(model.validation_loss_ / model.pca_validation_loss_)
    text = "held-out loss / PCA's with 5 seeds: " + ", ".join(f"{ratio:.2f}" for ratio in ratios)
    return text, max(ratios) - min(ratios) < 0.15


def missing_cells() -> Found:
    rng = np.random.default_rng(0)
    table = birds(400, rng).drop(columns="species")
    holes = table.mask(rng.random(table.shape) < 0.1)
    model, _ = caught(
        lambda: isthmus.VariationalAutoencoder(2, scaling="standard", random_state=0).fit(holes)
    )
    imputed, _ = caught(lambda: isthmus.impute(model, holes, random_state=0))
    _, std = imputed
    largest = np.max(std / table.std().to_numpy(), axis=0)
    plain, _ = caught(lambda: isthmus.VariationalAutoencoder(2, random_state=0).fit(holes))
    _, warned = caught(lambda: isthmus.impute(plain, holes, random_state=0))
    wide = any("scaling" in str(one.message) for one in warned)
    text = "largest σ / the column's own spread: " + ", ".join(f"{size:.2f}" for size in largest)
    text += "; without scaling: " + ("warned" if wide else "no warning")
    return text, bool(np.all(largest <= 1.2))


def verdict(draw: Callable[[int, np.random.Generator], np.ndarray], n: int, *truths: int) -> Found:
    """The dimension of two draws."""
    found = [isthmus.choose_dimension(draw(n, np.random.default_rng(s)), random_state=s) for s in (0, 1)]
    text = "; ".join(f"{one.dimension} in [{one.low:g}, {one.high:g}]" for one in found)
    return text, all(one.dimension in truths and one.low <= one.dimension <= one.high for one in found)


def of_birds() -> Found:
    return verdict(lambda n, rng: standardised(birds(n, rng)), 333, 1, 2, 3, 4)


def of_objects() -> Found:
    found = isthmus.choose_dimension(turning_objects(1440, np.random.default_rng(0)))
    return f"{found.pieces} pieces; {found.dimension} inside; {str(found)[:80]}", found.pieces == 20


def of_smooth() -> Found:
    found = isthmus.choose_dimension(smooth_spectrum(1000, np.random.default_rng(0)))
    return (
        f"{found.dimension} in [{found.low:g}, {found.high:g}]: {str(found)[:120]}",
        found.dimension >= 10,
    )


def of_spectra() -> Found:
    rows = spectra(60, np.random.default_rng(0))
    model, said = caught(lambda: isthmus.Autoencoder(2, random_state=0).fit(rows))
    ratio = model.validation_loss_ / model.pca_validation_loss_
    words = [str(one.message) for one in said if one.category is isthmus.NoImprovementWarning]
    honest = ratio < 1 or any("p = " in text for text in words) or "least loss" in str(words)
    return f"held-out loss / PCA's: {ratio:.2f} {words[:1]}", bool(honest)


def columns_of_a_file() -> Found:
    table = birds(200, np.random.default_rng(0)).assign(day="2024-03-01")
    table.insert(0, "id", np.arange(len(table)))
    with tempfile.TemporaryDirectory() as folder:
        table.to_csv(Path(folder) / "birds.csv", index=False)
        refused = cli("fit", "birds.csv", "-o", "m.isthmus", cwd=folder)
        drop = re.search(r"--drop (\S+?)[,.]? ", refused)
        again = cli("fit", "birds.csv", "--drop", drop[1] if drop else "", "-o", "m.isthmus",
                    "--max-epochs", "2", "-q", cwd=folder)  # fmt: skip
    right = drop is not None and drop[1] == "species,day,id" and "error" not in again
    return f"one error, with {drop[0] if drop else 'no --drop'}; then: {again.strip()[:90]}", right


def empty_cells() -> Found:
    rng = np.random.default_rng(0)
    table = birds(200, rng).drop(columns="species")
    with tempfile.TemporaryDirectory() as folder:
        table.mask(rng.random(table.shape) < 0.05).to_csv(Path(folder) / "holes.csv", index=False)
        said = cli("fit", "holes.csv", "-o", "m.isthmus", cwd=folder)
    return said.strip().splitlines()[-1][:160], "--model variational" in said


class AnnData:
    """As much of one as isthmus looks at."""

    X = np.zeros((3, 2))


def ann_data() -> Found:
    started = time.perf_counter()
    try:
        isthmus.Autoencoder().fit(AnnData())
    except TypeError as error:
        seconds = time.perf_counter() - started
        return f"TypeError in {seconds:.2f} s: {str(error)[:90]}", "X.X" in str(error) and seconds < 1
    return "no error", False


def images() -> Found:
    pictures = load_digits().images
    model = isthmus.Autoencoder(2, widths=(32,), max_epochs=3, random_state=0).fit(pictures)
    shape = model.inverse_transform(model.transform(pictures)).shape
    return f"{pictures.shape} → (n, 2) → {shape}", shape == pictures.shape


def angles() -> Found:
    rng = np.random.default_rng(0)
    phi = (rng.normal(180, 20, 400) + 180) % 360 - 180
    table = pd.DataFrame({"phi": phi, "psi": (2 * phi + rng.normal(0, 3, 400) + 180) % 360 - 180})
    kinds = {"phi": 360, "psi": 360}
    spreads = []
    for periodic in (None, kinds):
        model, _ = caught(lambda p=periodic: isthmus.LinearAutoencoder(1, periodic=p).fit(table))
        Z = np.sort(model.transform(table)[:, 0])
        spreads.append(np.diff(Z).max() / np.ptp(Z))
    text = f"largest gap in the map: {spreads[0]:.2f} of its length, with periodic= {spreads[1]:.2f}"
    return text, spreads[1] < 0.2 < spreads[0]


def records() -> Found:
    rows = load_digits().data[:300]
    model, _ = caught(lambda: isthmus.LinearAutoencoder(2).fit(rows))
    record = isthmus.quality(rows, model.transform(rows))
    longest = max(map(len, repr(record).splitlines()))
    complete = all(hasattr(record, name) for name in ("plot", "to_frame", "_repr_html_"))
    return f"repr of a record: {longest} characters in its longest line", complete and longest < 120


def search() -> Found:
    rows = np.random.default_rng(0).standard_normal((60, 5))
    grid = {"input_noise": [0.1, 0.2, 0.4], "activation": ["silu", "tanh", "relu", "gelu"]}
    model = isthmus.Autoencoder(2, widths=(4,), max_epochs=3, random_state=0)
    _, said = caught(lambda: GridSearchCV(model, grid, cv=5).fit(rows))
    warned = [one for one in said if one.category is isthmus.NoImprovementWarning]
    return f"{len(warned)} warning for 12 settings in 5 splits", len(warned) == 1


TASKS: dict[str, Callable[[], Found]] = {
    "grams beside millimetres": units,
    "333 × 4, standardised: more than PCA?": few_rows,
    "400 × 4 with missing cells": missing_cells,
    "dimension of a standardised table of 4": of_birds,
    "dimension of a plane 4 × as long as wide (2)": lambda: verdict(long_plane, 1000, 2),
    "dimension of two torsions, 45 distances (2)": lambda: verdict(torsions, 4000, 2),
    "dimension of windows of a yearly wave (1 to 3)": lambda: verdict(windows, 2233, 1, 2, 3),
    "dimension of 20 turning objects (1 in 20 pieces)": of_objects,
    "dimension of a smooth spectrum (none low)": of_smooth,
    "60 spectra × 1 841": of_spectra,
    "a file with a text, a date and an id": columns_of_a_file,
    "a file with empty cells": empty_cells,
    "an AnnData object": ann_data,
    "images (n, 8, 8)": images,
    "angles about the cut": angles,
    "a record in a notebook": records,
    "a search over 12 settings": search,
}


@click.command(help=__doc__)
@click.argument("only", nargs=-1)
@quick_option
@json_option
def main(only: tuple[str, ...], quick: bool, json_path: Path | None) -> None:
    report = Report("The first hour: what a new user gets", quick)
    fast = ("a file with", "an AnnData", "images", "angles", "a record")
    chosen = {
        name: task
        for name, task in TASKS.items()
        if (not only or any(part in name for part in only)) and (not quick or name.startswith(fast))
    }
    table, rights = [], []
    for name, task in chosen.items():
        started = time.perf_counter()
        found, right = task()
        rights.append(right)
        table.append((name, found, f"{time.perf_counter() - started:.0f}", "yes" if right else "NO"))
        click.echo(f"{name}: {found}", err=True)
    report.table("What was found", ("task", "found", "seconds", "right"), table)
    share = float(np.mean(rights))
    report.table("All", ("", "share right", "aim"), [("", f"{share:.2f}", report.judge(RIGHT, share))])
    report.results["tasks"] = dict(zip(chosen, map(bool, rights), strict=True))
    report.write(json_path)


if __name__ == "__main__":
    main()
