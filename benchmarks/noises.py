"""Question: does noise that follows the data keep more neighbours than white noise of equal power?

Of the digits it does not, as measured so far: white noise keeps as many or more. Denoising maps to two
coordinates, mean of several seeds: trustworthiness (k = 10) of unseen rows. Each noise that follows the
data meets white noise that moves a row just as far, root mean square.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click
import jax
import numpy as np
from common import Aim, Report, extent, flat_data_allowed, json_option, quick_option
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness
from sklearn.model_selection import train_test_split

from isthmus import Autoencoder, DenoisingAutoencoder
from isthmus.data.rows import ScaledRows
from isthmus.data.scaling import Scaling
from isthmus.noise import Compose, Gaussian, ImageJitter, Neighbours
from isthmus.objectives.corruption import TrainingRows, bind

NOISES: dict[str, Any] = {
    "Neighbours(10)": Neighbours(10),
    "Neighbours(10), Gaussian(0.3)": Compose([Neighbours(10), Gaussian(0.3)]),
    "ImageJitter((8, 8))": ImageJitter((8, 8)),
    "ImageJitter, half of it": ImageJitter((8, 8), shift=0.5, rotation=5.0, zoom=0.05, elastic=0.25),
}


def white(x: jax.Array, key: jax.Array, *, spread: float) -> jax.Array:
    """The same variance in each pixel."""
    return x + spread * jax.random.normal(key, x.shape)


def power_of(noise: Any, rows: np.ndarray) -> float:
    """Root mean square of what the noise adds to an entry, in grey levels."""
    scaled = ScaledRows(rows, Scaling.fit(None, rows))
    corruption, aside = bind(noise, TrainingRows(scaled, np.arange(len(rows))))
    u = scaled[:]
    beside = np.zeros((len(u), 0), np.float32) if aside is None else aside
    moved = [corruption(u, beside, jax.random.key(seed)) - u for seed in range(5)]
    return float(np.sqrt(np.mean(np.square(moved))) * scaled.scaling.unit)


def trust(model: Any, train: np.ndarray, test: np.ndarray) -> float:
    return float(trustworthiness(test, model.fit(train).transform(test), n_neighbors=10))


@click.command(help=__doc__)
@quick_option
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True)
@json_option
def main(quick: bool, seeds: int, json_path: Path | None) -> None:
    report = Report("Noise that follows the data against white noise of equal power", quick)
    rows = load_digits().data
    options = {"max_epochs": 2} if quick else {}
    found: dict[str, list[float]] = {"no noise": []}
    with flat_data_allowed():
        for seed in range(1 if quick else seeds):
            train, test = train_test_split(rows, test_size=0.25, random_state=seed)
            fit = partial(trust, train=train, test=test)
            plain = Autoencoder(2, input_noise=0, random_state=seed, **options)
            found["no noise"].append(fit(plain))
            for name, noise in NOISES.items():
                rival = partial(white, spread=power_of(noise, train))
                for label, each in ((name, noise), (f"white, as {name}", rival)):
                    model = DenoisingAutoencoder(2, noise=each, random_state=seed, **options)
                    found.setdefault(label, []).append(fit(model))
    table = []
    for name in NOISES:
        ours, theirs = np.array(found[name]), np.array(found[f"white, as {name}"])
        gap = ours - theirs
        aim = report.judge(Aim(0.0), float(gap.mean()))
        figures = f"{power_of(NOISES[name], rows):.2f}", f"{ours.mean():.4f}", f"{theirs.mean():.4f}"
        table.append((name, *figures, f"{gap.mean():+.4f}", extent(gap, "+.4f"), aim))
    table.append(("no noise", "0", f"{np.mean(found['no noise']):.4f}", "", "", "", ""))
    columns = ("noise", "grey levels", "trustworthiness", "white's", "advance", "range", "aim")
    report.table(f"Unseen digits, d = 2, k = 10, mean of {seeds} seeds", columns, table)
    report.results["trustworthiness"] = found
    report.write(json_path)


if __name__ == "__main__":
    main()
