"""Data with labels for maps of neighbours: real ones, and draws of known kinds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from rows import labels_beside, read_labels, read_mnist
from sklearn.datasets import load_digits

N = 4000
"""Rows of a draw."""

Draw = Callable[[int], tuple[np.ndarray, np.ndarray]]
"""seed → rows and labels."""


def digits(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rows, labels = load_digits(return_X_y=True)
    return rows, labels


def mnist_with_labels(path: Path, seed: int) -> tuple[np.ndarray, np.ndarray]:
    return read_mnist(path), read_labels(labels_beside(path))


def curved(rng: np.random.Generator, hidden: np.ndarray, D: int) -> np.ndarray:
    """A smooth random function of hidden coordinates."""
    slopes, phases = 1.2 * rng.standard_normal((hidden.shape[1], 40)), rng.uniform(0, 2 * np.pi, 40)
    return np.cos(hidden @ slopes + phases) @ rng.standard_normal((40, D)) / np.sqrt(40)


def sheet_with_holes(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A curved surface with four holes in 30 columns; labels are squares of it."""
    rng = np.random.default_rng(seed)
    hidden = rng.uniform(-1, 1, (6 * N, 2))
    centres = np.array([[-0.5, -0.5], [0.5, 0.4], [-0.4, 0.55], [0.5, -0.5]])
    outside = np.linalg.norm(hidden[:, None] - centres, axis=2) > [0.3, 0.35, 0.2, 0.2]
    hidden = hidden[outside.all(axis=1)][:N]
    rows = curved(rng, hidden, 30) + 0.03 * rng.standard_normal((N, 30))
    squares = np.floor(2 * (hidden + 1)).astype(int)
    return rows, squares[:, 0] + 4 * squares[:, 1]


def documents(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts of 1 500 words in documents of 12 topics, as roots of their shares."""
    rng = np.random.default_rng(seed)
    topics = rng.dirichlet(np.full(1500, 0.05), 12)
    weights = np.full((N, 12), 0.08)
    weights[np.arange(N), rng.integers(12, size=N)] = 1.5
    mixture = rng.gamma(weights) + 1e-9
    mixture /= mixture.sum(axis=1, keepdims=True)
    lengths = rng.poisson(rng.lognormal(4.5, 0.5, N)) + 5
    chances = mixture @ topics
    counts = rng.multinomial(lengths, chances / chances.sum(axis=1, keepdims=True))
    return np.sqrt(counts / lengths[:, None]), mixture.argmax(axis=1)


def trajectory(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts of 300 genes in cells on a branching way, as log1p of their shares; labels are branches."""
    rng = np.random.default_rng(seed)
    ends: list[np.ndarray] = []
    hidden, branches = [], []
    for branch, parent in enumerate((-1, 0, 0, 1, 1, 2)):
        start = np.zeros(12) if parent < 0 else ends[parent]
        way, bend = (v / np.linalg.norm(v) for v in rng.standard_normal((2, 12)))
        t = rng.uniform(0, 1, N // 6 + (N % 6 if branch == 0 else 0))
        hidden.append(start + 3 * np.outer(t, way) + np.outer(np.sin(np.pi * t), bend))
        ends.append(start + 3 * way)
        branches.append(np.full(len(t), branch))
    noisy = np.concatenate(hidden) + 0.12 * rng.standard_normal((N, 12))
    rate = np.exp(noisy @ rng.standard_normal((12, 300)) * 0.35 + rng.normal(0, 0.8, 300))
    depth = rng.lognormal(0, 0.2, (N, 1))
    counts = rng.poisson(rate * depth * rng.gamma(5, 0.2, rate.shape))
    total = counts.sum(axis=1, keepdims=True)
    return np.log1p(counts / total * np.median(total)), np.concatenate(branches)


def unlike_densities(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Eight clusters of 2 to 5 dimensions in 20 columns, whose spreads differ up to 30 times."""
    rng = np.random.default_rng(seed)
    sizes = np.maximum((rng.dirichlet(np.full(8, 3.0)) * N).astype(int), 80)
    sizes[0] += N - sizes.sum()
    rows = []
    for spread, size in zip(np.geomspace(0.05, 1.5, 8), sizes, strict=True):
        axes = np.linalg.qr(rng.standard_normal((20, 20)))[0][:, : rng.integers(2, 6)]
        within = rng.standard_normal((size, axes.shape[1])) @ axes.T
        within += 0.1 * rng.standard_normal((size, 20))
        rows.append(spread * within + 2.2 * rng.standard_normal(20))
    return np.concatenate(rows), np.repeat(np.arange(8), sizes)


def data_sets(mnist: Path | None) -> dict[str, Draw]:
    """Rows and labels of every data set, by a seed."""
    found: dict[str, Draw] = {"digits, 1347": digits}
    if mnist is not None:
        found["MNIST, 8000"] = partial(mnist_with_labels, mnist)
    return found | {
        "a sheet with holes, 3000": sheet_with_holes,
        "documents, 3000": documents,
        "a trajectory, 3000": trajectory,
        "unlike densities, 3000": unlike_densities,
    }
