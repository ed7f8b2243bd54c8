"""Rows that several benchmarks use, how they are split, and PCA's error on them.

Images are rows in [0, 1], float32.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import click
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA


def digits() -> np.ndarray:
    """The 1 797 digits of scikit-learn: (1797, 64)."""
    return (load_digits().data / 16).astype(np.float32)


def read_mnist(path: Path) -> np.ndarray:
    """Images of an idx3 file, gzipped: (n, 784)."""
    data = gzip.decompress(path.read_bytes())
    magic, n, height, width = np.frombuffer(data, ">i4", 4)
    if magic != 2051:
        raise click.ClickException(f"{path} is not an idx3 file of images: its first number is {magic}")
    return (np.frombuffer(data, np.uint8, offset=16).reshape(n, height * width) / 255).astype(np.float32)


def read_labels(path: Path) -> np.ndarray:
    """Labels of an idx1 file, gzipped: (n,)."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=8).astype(int)


def labels_beside(mnist: Path) -> Path:
    """The file of labels that belongs to a file of MNIST images."""
    return mnist.with_name(mnist.name.replace("images-idx3", "labels-idx1"))


def generated_images(n: int) -> np.ndarray:
    """Smooth functions of five hidden variables, with the shape and range of MNIST: (n, 784)."""
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((n, 5)) @ rng.standard_normal((5, 64))
    signal = np.tanh(hidden) @ rng.standard_normal((64, 784)) / 8
    return (1 / (1 + np.exp(-signal))).astype(np.float32)


def images(mnist: Path | None, n: int = 10_000) -> tuple[np.ndarray, str]:
    """MNIST if there is a file of it, else generated rows of the same shape; and what they are."""
    if mnist is None:
        return generated_images(n), f"{n} × 784 generated rows (no --mnist)"
    rows = read_mnist(mnist)[:n]
    return rows, f"{len(rows)} MNIST images"


def split(rows: np.ndarray, n_test: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Training rows and test rows."""
    order = np.random.default_rng(seed).permutation(len(rows))
    return rows[order[n_test:]], rows[order[:n_test]]


def pca_error(train: np.ndarray, test: np.ndarray, d: int) -> float:
    """Mean squared distance ‖x − x̂‖² of scikit-learn's PCA on test rows."""
    exact, unseen = (rows.astype(np.float64) for rows in (train, test))
    pca = PCA(d, svd_solver="full").fit(exact)
    gap = unseen - pca.inverse_transform(pca.transform(unseen))
    return float(np.mean(np.sum(gap**2, axis=1)))
