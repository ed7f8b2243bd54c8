"""Claim: ``transform`` of a file larger than wanted in memory runs near the matrix-product bound.

Rows of a memory-mapped .npy file go through the encoder of the default network. The bounds are the
products of its layers alone, at the block shape of ``transform``, with nothing read or written. The
peer is the same encoder, without the PCA path, as PyTorch maps it block by block. Memory is what the
process owns besides mapped files (RssAnon), sampled while ``transform`` runs.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
import numpy as np
import torch
from bounds import forward_flops, forward_products, numpy_forward_products
from common import (
    Aim,
    Contestant,
    PeakMemory,
    Report,
    flat_data_allowed,
    json_option,
    own_memory,
    quick_option,
    rounds_option,
    run_paired,
)
from peers import chain
from torch import nn

from isthmus import Autoencoder

SIZES = (784, 256, 256, 2)
BLOCK_ROWS = 4096
"""Rows that ``transform`` sends through this network at a time."""

ISTHMUS, PEER = "isthmus transform", "PyTorch eager"
JAX_PRODUCTS, NUMPY_PRODUCTS = "jax products, these shapes", "numpy products, these shapes"
AIMS = {JAX_PRODUCTS: Aim(0.8), NUMPY_PRODUCTS: Aim(0.8), PEER: None}


def write_rows(path: Path, n: int) -> None:
    """Random rows, float32 (n, 784): one drawn block over and over."""
    block = np.random.default_rng(0).random((BLOCK_ROWS, SIZES[0]), np.float32)
    rows = np.lib.format.open_memmap(path, "w+", np.float32, (n, SIZES[0]))
    for start in range(0, n, BLOCK_ROWS):
        rows[start : start + BLOCK_ROWS] = block[: n - start]
    rows.flush()


def fitted() -> Autoencoder:
    """The default network after one epoch on random rows, where there is nothing to win over PCA."""
    rows = np.random.default_rng(1).random((1024, SIZES[0]), np.float32)
    with flat_data_allowed():
        return Autoencoder(max_epochs=1, random_state=0).fit(rows)


def torch_transform(encoder: nn.Module, rows: np.ndarray) -> np.ndarray:
    """Block by block into an array; blocks are views of the file, not copies."""
    out = np.empty((len(rows), SIZES[-1]), np.float32)
    with torch.inference_mode():
        for start in range(0, len(rows), BLOCK_ROWS):
            block = torch.from_numpy(rows[start : start + BLOCK_ROWS])
            out[start : start + BLOCK_ROWS] = encoder(block).numpy()
    return out


def measure_memory(report: Report, model: Autoencoder, rows: np.ndarray) -> None:
    """Extra memory of the first calls, for a tenth of the rows and for all of them.

    Both count from before the first call, which compiles: memory once taken is not given back.
    """
    table, growths = [], {}
    before = own_memory()
    for n in (len(rows) // 10, len(rows)):
        with PeakMemory() as memory:
            model.transform(rows[:n])
        growths[n] = memory.peak - before
        data, result = (4 * n * columns / 2**20 for columns in (SIZES[0], SIZES[-1]))
        table.append((f"{n:,} rows", f"{data:,.0f}", f"{growths[n]:,.0f}", f"{result:,.1f}"))
    report.table("Peak extra memory, MiB", ("", "data", "extra", "of it the result"), table)
    report.results["peak extra memory, MiB"] = growths


def race(report: Report, model: Autoencoder, rows: np.ndarray, rounds: int) -> None:
    """Operations per second of ``transform``, of its products alone, and of the peer."""
    n, blocks = len(rows), -(-len(rows) // BLOCK_ROWS)
    per_row = float(forward_flops(SIZES))
    # The PCA path is a layer of its own, 784 → 2.
    ours = per_row + 2 * SIZES[0] * SIZES[-1]
    bound = per_row * BLOCK_ROWS * blocks
    encoder = chain(SIZES, nn.SiLU)
    contestants = [
        Contestant(ISTHMUS, lambda: model.transform(rows), ours * n),
        Contestant(JAX_PRODUCTS, forward_products(SIZES, BLOCK_ROWS, blocks), bound),
        Contestant(NUMPY_PRODUCTS, numpy_forward_products(SIZES, BLOCK_ROWS, blocks), bound),
        Contestant(PEER, lambda: torch_transform(encoder, rows), per_row * n),
    ]
    timings = run_paired(contestants, rounds)
    title = f"{n:,} × {SIZES[0]} float32, encoder 784-256-256-2"
    report.race(title, timings, ISTHMUS, AIMS, unit="GFLOP/s", scale=1e9)
    rates = {name: n / timings.median(name) for name in (ISTHMUS, PEER)}
    table = [(name, f"{rate:,.0f}") for name, rate in rates.items()]
    report.table("Rows per second", ("", "rows/s"), table)
    report.results["rows per second"] = rates


@click.command(help=__doc__)
@quick_option
@rounds_option(5)
@click.option("--rows", "n", type=click.IntRange(10), default=1_000_000, show_default=True)
@json_option
def main(quick: bool, rounds: int, n: int, json_path: Path | None) -> None:
    n = min(n, 20_000) if quick else n
    report = Report("transform: rows of a memory-mapped file per second, and memory", quick)
    model = fitted()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        write_rows(path, n)
        # Copy on write: PyTorch asks for writable memory, and nobody writes.
        rows = np.load(path, mmap_mode="c")
        measure_memory(report, model, rows)
        race(report, model, rows, 1 if quick else rounds)
        del rows
    report.write(json_path)


if __name__ == "__main__":
    main()
