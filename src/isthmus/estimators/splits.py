"""Which rows are held out of a fit: in one split, or in folds where rows are few."""

from __future__ import annotations

from math import ceil

import numpy as np
from jaxtyping import Int

from isthmus.data.rows import AllBut

LEAST_HELD_OUT = 20
"""Fewer held-out rows than this cannot tell an epoch from another; a third of the rows at most."""

MOST_HELD_OUT = 20_000
"""More held-out rows than this would tell epochs apart no better: their mean loss is known to a per
cent. They are kept in memory, so their number must not grow with the rows."""

MOST_HELD_OUT_BYTES = 2**28
FEWEST_OF_WIDE = 1_000
"""Of wide rows fewer are held out, so that they take no more memory than this, but so many at least."""

FEWEST_HELD_OUT = 50
"""With fewer held-out rows than this, maps that must beat PCA are cross-validated instead: a model with
half of PCA's error would often fail the test."""

FOLDS = 5
LEAST_IN_FOLD = 2


def split_rows(
    n_rows: int,
    fraction: float,
    rng: np.random.Generator,
    strata: Int[np.ndarray, " n"] | None = None,
    n_features: int = 1,
) -> tuple[AllBut, Int[np.ndarray, " k"]]:
    """Numbers of the training rows and of the held-out rows, each in ascending order.

    Strata are held out in proportion, but the first row of each is for training.
    """
    most = min(MOST_HELD_OUT, max(FEWEST_OF_WIDE, MOST_HELD_OUT_BYTES // (4 * n_features)))
    if fraction == 0:
        return AllBut(n_rows, np.arange(0)), np.arange(0)
    wanted = max(int(np.ceil(fraction * n_rows)), LEAST_HELD_OUT)
    n_held_out = max(1, min(wanted, n_rows // 3, most))
    if strata is not None:
        order = rng.permutation(n_rows)
        held_out = _evenly(order[np.argsort(strata[order], kind="stable")], strata, n_held_out, rng)
    elif n_held_out < most:
        held_out = rng.permutation(n_rows)[:n_held_out]
    else:
        held_out = rng.choice(n_rows, n_held_out, replace=False, shuffle=False)
    held_out = np.sort(held_out)
    return AllBut(n_rows, held_out), held_out


def folds_of(
    n_rows: int, fraction: float, rng: np.random.Generator
) -> list[tuple[Int[np.ndarray, " m"], Int[np.ndarray, " k"]]]:
    """Training and held-out rows of each fold, where so large a fraction of few rows is too few.

    Folds are of one size; up to four rows are always trained on. None at all where a single split has
    rows enough, where nothing is to be held out, or where there are less than ten rows.
    """
    size = n_rows // FOLDS
    if fraction == 0 or ceil(fraction * n_rows) >= FEWEST_HELD_OUT or size < LEAST_IN_FOLD:
        return []
    parts = rng.permutation(n_rows)[: FOLDS * size].reshape(FOLDS, size)
    return [(np.setdiff1d(np.arange(n_rows), part), np.sort(part)) for part in parts]


def _evenly(
    order: Int[np.ndarray, " n"],
    strata: Int[np.ndarray, " n"],
    n_wanted: int,
    rng: np.random.Generator,
) -> Int[np.ndarray, " k"]:
    """Rows at even steps through ``order``, where strata lie one after the other."""
    others = np.delete(order, np.unique(strata[order], return_index=True)[1])
    if len(others) == 0:
        return others
    steps = np.linspace(0, len(others), n_wanted, endpoint=False)
    return np.unique(others[(steps + rng.random()).astype(int) % len(others)])
