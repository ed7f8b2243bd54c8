"""A map of more rows than fit into memory, fitted and applied on a Dask cluster.

Rows are drawn, computed and mapped by the workers. The client sees the blocks that it trains on, the
moments of all rows, and a score. ``python examples/dask_cluster.py`` starts a cluster on this machine;
``--scheduler tcp://host:8786`` uses one that is there.
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import dask.array as da
import joblib
import numpy as np
from distributed import Client, LocalCluster

import isthmus

COLUMNS = 20


def surface(n: int, chunk: int) -> da.Array:
    """Rows (n, 20) of a surface of two dimensions, with a little noise; nothing is computed."""
    rng = da.random.default_rng(0)
    hidden = rng.uniform(-1, 1, (n, 2), chunks=(chunk, 2))
    bent = da.sin(hidden @ np.random.default_rng(1).normal(0, 1.5, (2, COLUMNS)))
    return bent + rng.normal(0, 0.05, (n, COLUMNS), chunks=(chunk, COLUMNS))


def study(n: int, chunk: int, output: Path, **settings: object) -> tuple[float, float]:
    """The share of the variance that two coordinates leave out, of PCA and of a network."""
    X = surface(n, chunk)
    start = time.perf_counter()
    line = isthmus.LinearAutoencoder(2).fit(X)
    model = isthmus.Autoencoder(2, random_state=0, **settings).fit(X)
    print(f"fitted to {n:,} rows in {time.perf_counter() - start:.0f} s")
    model.transform(X).to_zarr(output, overwrite=True)
    variance = float(X.var(axis=0).sum())
    with joblib.parallel_config(backend="dask"):
        print(isthmus.compare(X[:1000].compute(), methods=["PCA", "kernel PCA", "Isomap"]))
    return -line.score(X) / variance, -model.score(X) / variance


@click.command(help=__doc__)
@click.option("--rows", default=2_000_000, show_default=True)
@click.option("--scheduler", help="Address of a cluster; else one of two processes is started.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default="coordinates.zarr")
def main(rows: int, scheduler: str | None, output: Path) -> None:
    cluster = scheduler or LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with Client(cluster):
        pca, network = study(rows, 100_000, output)
    print(f"variance left out: {pca:.1%} by PCA, {network:.1%} by the network; coordinates: {output}")


if __name__ == "__main__":
    main()
