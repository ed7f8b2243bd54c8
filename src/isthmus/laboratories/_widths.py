"""Widths of networks of any depth that have a given number of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

MOST_APART = 0.1
"""Largest relative difference between a number of parameters and its budget."""


def n_parameters(widths: Sequence[int], D: int, K: int) -> int:
    """Σ (in + 1) · out over the layers D → widths → K."""
    sizes = (D, *widths, K)
    return sum((before + 1) * after for before, after in pairwise(sizes))


def equal_widths(budget: int, depth: int, D: int, K: int) -> tuple[int, ...]:
    """Hidden widths, equal up to one node, whose number of parameters is nearest to ``budget``.

    Raises ValueError if that is not within a tenth of it.

    Examples
    --------
    >>> from isthmus.laboratories._widths import equal_widths
    >>> [equal_widths(721, depth, 3, 1) for depth in (1, 2, 3, 4)]
    [(144,), (24, 24), (18, 17, 17), (15, 14, 14, 14)]
    """
    # With all layers of width w there are at least (depth − 1)·w² parameters, and (D + 1)·w.
    most = int(min(budget // (D + 1), np.sqrt(budget / (depth - 1)) if depth > 1 else budget)) + 1
    shapes = [
        (w + 1,) * n_wider + (w,) * (depth - n_wider)
        for w in range(1, most + 1)
        for n_wider in range(depth)
    ]
    best = min(shapes, key=lambda shape: abs(n_parameters(shape, D, K) - budget))
    n = n_parameters(best, D, K)
    if abs(n / budget - 1) > MOST_APART:
        raise ValueError(
            f"budgets={budget}: nets of depth {depth} from {D} features to {K} outputs have {n} "
            f"parameters at the nearest, more than a tenth away; take {n}, or larger budgets"
        )
    return best
