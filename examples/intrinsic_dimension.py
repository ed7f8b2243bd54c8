"""With noise, the error of an auto-encoder tells the dimension of the data; without, it tells nothing.

Surfaces of two and of five dimensions curve through fifty. Restoring noisy rows costs ever less until
there are as many coordinates as dimensions, and nothing is gained after that: the error has its knee
there (lesson 11 of the course). Without noise nothing in the loss asks neighbours to stay neighbours:
one coordinate learns fifty rows by heart, of any dimension, and is of no use as a map.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from rich.console import Console
from rich.table import Table
from sklearn.neighbors import NearestNeighbors

import isthmus

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 50
DIMENSIONS = (2, 5)
COORDINATES = range(1, 9)
NOISE = 0.2
"""Standard deviation of the noise, in those of the columns."""

N_ROWS, N_BY_HEART, N_HELD_OUT = 2000, 50, 1000
N_NEIGHBOURS = 10
COLOURS = {2: "#4477aa", 5: "#ee6677"}


def surface(
    n: int, dimension: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "n D"], Float[np.ndarray, "n k"]]:
    """Rows x = sin(z W + b) and their hidden coordinates z, uniform with variance one."""
    frequencies = 2 / dimension * rng.standard_normal((dimension, COLUMNS))
    phases = rng.uniform(0, 2 * np.pi, COLUMNS)
    hidden = rng.uniform(-np.sqrt(3), np.sqrt(3), (n, dimension))
    return np.sin(hidden @ frequencies + phases), hidden


def rapid(x: Array) -> Array:
    """A wave of high frequency, with which a network can tell any rows apart."""
    return jnp.cos(20 * x)


def with_noise(d: int, seed: int, epochs: int) -> isthmus.DenoisingAutoencoder:
    """Restores rows from noisy ones through d coordinates."""
    noise = isthmus.noise.Gaussian(NOISE)
    return isthmus.DenoisingAutoencoder(
        d, noise=noise, widths=(128, 64), max_epochs=epochs, random_state=seed
    )


def by_heart(d: int, seed: int, epochs: int) -> isthmus.Autoencoder:
    """Reproduces rows through d coordinates, with far more weights than the rows have numbers."""
    return isthmus.Autoencoder(
        d,
        widths=(256,),
        decoder_widths=(256, 256),
        activation=(rapid, rapid, "silu"),
        skip=None,
        input_noise=0,
        learning_rate=1e-3,
        max_epochs=epochs,
        validation_fraction=0,
        random_state=seed,
    )


def knee(errors: Sequence[float]) -> int:
    """The d at which log error bends most: the largest second difference, with error 1 for d = 0."""
    return 1 + int(np.argmax(np.diff(np.log([1.0, *errors]), 2)))


def neighbours_kept(X: Float[np.ndarray, "n D"], Z: Float[np.ndarray, "n d"]) -> float:
    """The share of a row's nearest neighbours that are its nearest in the coordinates too."""
    near, near_in_map = (
        NearestNeighbors(n_neighbors=N_NEIGHBOURS).fit(rows).kneighbors(return_distance=False)
        for rows in (X, Z)
    )
    return float(
        np.mean([np.isin(one, other).mean() for one, other in zip(near, near_in_map, strict=True)])
    )


@dataclass(frozen=True)
class Findings:
    """Errors as shares of the variance, for each number of coordinates; and two maps of unseen rows."""

    dimension: int
    pca: list[float]
    denoising: list[float]
    learnt_by_heart: list[float]
    by_heart_unseen: list[float]
    hidden: Float[np.ndarray, "n k"]
    coordinates: Float[np.ndarray, "n d"]
    one_number: Float[np.ndarray, "n 1"]
    kept: float
    kept_by_heart: float


def study(dimension: int, seed: int, epochs: int, epochs_by_heart: int) -> Findings:
    """Fit both kinds with every number of coordinates, and judge them on unseen rows."""
    rng = np.random.default_rng(seed)
    X, hidden = surface(N_ROWS + N_HELD_OUT, dimension, rng)
    train, unseen = X[:N_ROWS], X[N_ROWS:]
    few = train[:N_BY_HEART]
    noisy = unseen + NOISE * train.std(axis=0) * rng.standard_normal(unseen.shape)

    def share(restored: np.ndarray, rows: np.ndarray) -> float:
        return float(np.sum(np.square(restored - rows)) / np.sum(np.square(rows - rows.mean(axis=0))))

    denoisers = [with_noise(d, seed, epochs).fit(train) for d in COORDINATES]
    memories = [by_heart(d, seed, epochs_by_heart).fit(few) for d in COORDINATES]
    lines = [isthmus.LinearAutoencoder(d).fit(train) for d in COORDINATES]
    coordinates = denoisers[dimension - 1].transform(unseen)
    one_number = memories[0].transform(unseen)
    return Findings(
        dimension,
        pca=[share(isthmus.denoise(model, noisy), unseen) for model in lines],
        denoising=[share(isthmus.denoise(model, noisy), unseen) for model in denoisers],
        learnt_by_heart=[share(isthmus.denoise(model, few), few) for model in memories],
        by_heart_unseen=[share(isthmus.denoise(model, unseen), unseen) for model in memories],
        hidden=hidden[N_ROWS:],
        coordinates=coordinates,
        one_number=one_number,
        kept=neighbours_kept(unseen, coordinates),
        kept_by_heart=neighbours_kept(unseen, one_number),
    )


def as_table(all_findings: Sequence[Findings]) -> Table:
    """Every error, and the knee of the denoiser's."""
    table = Table("dimensions", "error, % of the variance", title_justify="left")
    for d in COORDINATES:
        table.add_column(f"d = {d}", justify="right")
    table.add_column("knee", justify="right")
    for found in all_findings:
        for name, errors in (
            ("PCA, noisy unseen rows", found.pca),
            ("with noise, noisy unseen rows", found.denoising),
            ("without, its own rows", found.learnt_by_heart),
            ("without, unseen rows", found.by_heart_unseen),
        ):
            figures = ("< 0.01" if error < 1e-4 else f"{100 * error:.3g}" for error in errors)
            bend = str(knee(errors)) if errors is found.denoising else ""
            table.add_row(str(found.dimension), name, *figures, bend)
        table.add_section()
    return table


def draw(all_findings: Sequence[Findings], output: Path) -> None:
    """Errors above, maps below; with noise on the left, without on the right."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(h_pad=0.15, w_pad=0.2)
    figure = Figure(figsize=(13.0, 12.6), dpi=80, facecolor="white", layout=layout)
    FigureCanvasAgg(figure)
    (left, right), (map_left, map_right) = figure.subplots(2, 2)
    draw_denoising(left, all_findings)
    draw_by_heart(right, all_findings)
    flat, chance = all_findings[0], N_NEIGHBOURS / (N_HELD_OUT - 1)
    draw_map(map_left, flat.hidden, flat.coordinates[:, 0])
    draw_map(map_right, flat.hidden, flat.one_number[:, 0])
    titles = {
        left: "With noise, the error has its knee\nat the dimension of the data.",
        map_left: "The 2-dimensional surface, coloured by the first of\n"
        f"two coordinates learnt with noise: {100 * flat.kept:.0f} % of a row's\n"
        "neighbours are its neighbours in these, too.",
        right: "Without noise, one coordinate suffices\nfor data of any dimension …",
        map_right: "… and means nothing: the same surface, coloured\n"
        f"by that coordinate. {100 * flat.kept_by_heart:.1f} % of a row's neighbours are\n"
        f"its neighbours in it; chance would make it {100 * chance:.1f} %.",
    }
    for ax, title in titles.items():
        ax.set_title(title, fontsize=15, pad=10)
    figure.suptitle("How many coordinates do data need? Only noise can tell", fontsize=21, weight="bold")
    figure.savefig(output)


def draw_denoising(ax: Axes, all_findings: Sequence[Findings]) -> None:
    """Errors of restoring noisy rows, each knee in a ring."""
    ax.set_yscale("log")
    ax.set_ylim(0.1, 150)
    ax.set_ylabel(f"error of restoring unseen rows from noise,\n% of the variance of {COLUMNS} columns")
    dress(ax)
    for found in all_findings:
        colour, k, bend = COLOURS[found.dimension], found.dimension, knee(found.denoising)
        pca, errors = (100 * np.array(shares) for shares in (found.pca, found.denoising))
        ax.plot(COORDINATES, pca, "--", color=colour, alpha=0.5)
        ax.plot(COORDINATES, errors, "o-", color=colour, linewidth=2.5, markersize=7)
        ring = {"markersize": 19, "markerfacecolor": "none", "markeredgewidth": 2}
        ax.plot(bend, errors[bend - 1], "o", color=colour, **ring)
        ax.text(8, 1.15 * pca[-1], "PCA", color=colour, alpha=0.8, ha="right", va="bottom", fontsize=12)
        ax.text(
            8,
            0.8 * errors[-1],
            f"{k}-dimensional surface: knee at {bend}",
            color=colour,
            ha="right",
            va="top",
            fontsize=14,
            weight="bold",
        )


def draw_by_heart(ax: Axes, all_findings: Sequence[Findings]) -> None:
    """Errors of reproducing rows: those learnt by heart, and others."""
    ax.set_ylim(-12, 195)
    ax.set_ylabel("error of reproducing rows, % of the variance")
    dress(ax)
    ax.axhline(100, color="#999999", linewidth=1)
    for found in all_findings:
        colour, label = COLOURS[found.dimension], f"{found.dimension}-dimensional surface"
        learnt, unseen = (100 * np.array(s) for s in (found.learnt_by_heart, found.by_heart_unseen))
        ax.plot(COORDINATES, learnt, "o-", color=colour, linewidth=2.5, markersize=7)
        ax.plot(COORDINATES, unseen, "o:", color=colour, linewidth=2, markersize=6, label=label)
    most = 100 * max(max(found.learnt_by_heart) for found in all_findings)
    ax.legend(loc="center", bbox_to_anchor=(0.5, 0.3), fontsize=13, frameon=False)
    notes = {
        6: f"the {N_BY_HEART} rows that it was trained on: {most:.1g} % at most",
        102: "what the mean of the rows would cost",
        142: "unseen rows",
    }
    for height, note in notes.items():
        ax.text(8, height, note, ha="right", va="bottom", color="#555555", fontsize=13)


def dress(ax: Axes) -> None:
    """What both pictures of errors have in common."""
    ax.set_xticks(COORDINATES)
    ax.set_xlabel("coordinates of the auto-encoder", fontsize=13)
    ax.yaxis.label.set_fontsize(13)
    ax.yaxis.set_major_formatter("{x:g} %")
    ax.tick_params(labelsize=12)
    ax.grid(axis="y", color="#e6e6e6")
    ax.spines[["top", "right"]].set_visible(False)


def draw_map(ax: Axes, hidden: Float[np.ndarray, "n 2"], values: Float[np.ndarray, " n"]) -> None:
    """Points at their hidden coordinates, coloured by the ranks of the values."""
    ax.scatter(*hidden.T, c=np.argsort(np.argsort(values)), cmap="viridis", s=26, linewidths=0)
    ax.set_xlabel("first hidden coordinate", fontsize=13)
    ax.set_ylabel("second hidden coordinate", fontsize=13)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_aspect("equal")


@click.command(help=__doc__)
@click.option("--quick", is_flag=True, help="A few epochs: shows that it runs, no more.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default="intrinsic_dimension.png",
    show_default=True,
    help="Where the picture goes.",
)
def main(quick: bool, seed: int, output: Path) -> None:
    console, start = Console(), time.perf_counter()
    epochs = (2, 2) if quick else (40, 1500)
    all_findings = [study(dimension, seed, *epochs) for dimension in DIMENSIONS]
    console.print(as_table(all_findings))
    for found in all_findings:
        k = found.dimension
        console.print(
            f"{k} dimensions, share of a row's {N_NEIGHBOURS} neighbours that are kept: "
            f"{found.kept:.1%} by {k} coordinates learnt with noise, {found.kept_by_heart:.1%} by one "
            f"without, {N_NEIGHBOURS / (N_HELD_OUT - 1):.1%} by chance"
        )
    draw(all_findings, output)
    console.print(f"picture: {output}; {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
