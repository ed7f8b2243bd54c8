"""Targets of the laboratories: numbers as they are, classes as outputs of ±1."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from isthmus.data.checks import check_integer
from isthmus.data.targets import check_targets


def as_targets(y: ArrayLike, n: int) -> tuple[Float[np.ndarray, "n K"], int]:
    """Numbers as columns, classes as outputs of ±1; and the number of classes, 0 for numbers.

    Which of the two y is, ``isthmus.data.targets`` decides.
    """
    targets = check_targets(y, n, n_dims=2)
    if targets.classes is None:
        return targets.values.reshape(n, -1), 0
    return signs(targets.values, targets.n_classes), targets.n_classes


def signs(index: Int[np.ndarray, " n"], n_classes: int) -> Float[np.ndarray, "n K"]:
    """±1 for two classes; for more, +1 in the class's own column and −1 in the others."""
    if n_classes == 2:
        return np.asarray(2.0 * index[:, None] - 1.0)
    return np.asarray(2.0 * np.eye(n_classes)[index] - 1.0)


def classes_of(outputs: Float[np.ndarray, "n K"]) -> Int[np.ndarray, " n"]:
    """The index of the class that outputs (n, K) predict."""
    if outputs.shape[1] == 1:
        return np.asarray(outputs[:, 0] > 0, dtype=np.int64)
    return np.asarray(np.argmax(outputs, axis=1))


def training_rows(n_train: int | None, n: int) -> int:
    """Number of training rows of n, by default half: at least two, and fewer than n."""
    n_train = n // 2 if n_train is None else check_integer("n_train", n_train, 2)
    if not 1 < n_train < n:
        raise ValueError(
            f"n_train={n_train} of {n} rows: expected at least two, and some left to test on"
        )
    return int(n_train)


def with_noise(
    y: Float[np.ndarray, "n K"], n_classes: int, noise: float, rng: np.random.Generator
) -> Float[np.ndarray, "n K"]:
    """Targets with noise: the share ``noise`` of rows gets another class; numbers get Gaussian noise."""
    if not noise:
        return y
    if not n_classes:
        return np.asarray(y + noise * rng.standard_normal(y.shape))
    moved = rng.random(len(y)) < noise
    steps = np.where(moved, rng.integers(1, n_classes, len(y)), 0)
    return signs((classes_of(y) + steps) % n_classes, n_classes)
