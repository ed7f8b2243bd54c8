"""Fit, judge and transform rows in Parquet files, of which a few blocks are in memory at a time.

Files of curved data are written first, with an id and a label; the map is fitted from them, scored on a
file that it has not seen, and its coordinates are written beside the ids, a file for each.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import isthmus

COLUMNS, HIDDEN, LINUX = 30, 2, sys.platform == "linux"


def write_rows(path: Path, first: int, n: int) -> None:
    """Rows x = tanh(z A) B + ε of two hidden coordinates, with their numbers and the sign of z₀."""
    mix, rng = np.random.default_rng(0), np.random.default_rng(first + 1)
    inward, outward = mix.standard_normal((HIDDEN, 16)), mix.standard_normal((16, COLUMNS))
    z = rng.standard_normal((n, HIDDEN))
    x = (np.tanh(z @ inward) @ outward + 0.1 * rng.standard_normal((n, COLUMNS))).astype(np.float32)
    label = np.where(z[:, 0] > 0, "right", "left")
    columns = {f"x{j}": x[:, j] for j in range(COLUMNS)}
    table = pa.table({"id": np.arange(first, first + n), "label": label, **columns})
    pq.write_table(table, path, row_group_size=5000)


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--files", default=8, show_default=True, help="Files to fit.")
@click.option("--rows", default=250_000, show_default=True, help="Rows in each.")
@click.option("--block-mib", default=32.0, show_default=True, help="MiB of rows in a block.")
@click.option("--max-epochs", type=int, help="Passes over all rows, fewer than by default.")
def main(folder: Path, files: int, rows: int, block_mib: float, max_epochs: int | None) -> None:
    for number in range(files + 1):
        place = folder / ("new" if number == files else "rows")
        place.mkdir(parents=True, exist_ok=True)
        write_rows(place / f"{number}.parquet", number * rows, rows)
    stored = isthmus.scan(folder / "rows", drop=["id", "label"], block_bytes=int(block_mib * 2**20))
    model = isthmus.Autoencoder(2, max_epochs=max_epochs, random_state=0, verbose=True).fit(stored)
    pca = isthmus.LinearAutoencoder(2).fit(stored)
    new = isthmus.scan(folder / "new", drop=["id", "label"])
    ratio = model.score(new) / pca.score(new)
    print(f"{stored.shape[0]:,} rows; the error on new ones is {ratio:.3f} of PCA's")
    print(isthmus.transform_files(model, folder / "rows", folder / "coordinates", keep=["id", "label"]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if LINUX else 2**30)
    print(f"largest memory: {peak:.2f} GiB")


if __name__ == "__main__":
    main()
