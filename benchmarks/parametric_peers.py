"""Fit a parametric peer: ``python parametric_peers.py NAME ROWS.npz FOUND.npz SEED``.

``parametric.py`` runs this file with the Python of another environment, which has the packages of
``peers-requirements.txt`` and need not have isthmus. ROWS has the arrays "train", "unseen" and "lines".
FOUND gets their coordinates under the same names, the seconds of the fit, and the microseconds per
unseen row.

Every peer has its own default settings. Parametric UMAP is left out, because the TensorFlow that it
needs takes more than a gigabyte. FloDR is left out, because without a graphics processor a fit of the
smallest data set does not end within ten minutes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

WARM_UP_ROWS = 200

Transform = Callable[[np.ndarray], np.ndarray]


def param_repulsor(rows: np.ndarray, seed: int, epochs: int = 450) -> Transform:
    """ParamRepulsor, which is what ``ParamPaCMAP`` is unless told otherwise (Huang et al., 2024)."""
    from parampacmap import ParamPaCMAP

    model = ParamPaCMAP(num_epochs=epochs, seed=seed)
    model.fit(rows)
    return model.transform


def contrastive(rows: np.ndarray, seed: int, epochs: int = 200) -> Transform:
    """Parametric InfoNC-t-SNE (Damrich et al., 2023)."""
    import cne
    import torch

    # The seed of ``CNE`` is used only after the network has its first weights.
    torch.manual_seed(seed)
    model = cne.CNE(parametric=True, n_epochs=epochs, seed=seed)
    # A network has no use for ``init``, but ``fit`` takes the number of rows from it.
    model.fit(rows, init=rows)
    return model.transform


PEERS: dict[str, Callable[..., Transform]] = {
    "ParamRepulsor": param_repulsor,
    "contrastive-ne": contrastive,
}


def found_by(
    name: str, train: np.ndarray, unseen: np.ndarray, lines: np.ndarray, seed: int
) -> dict[str, Any]:
    """Coordinates and times of a peer."""
    # What is imported and compiled the first time does not count.
    PEERS[name](train[:WARM_UP_ROWS], seed, epochs=1)
    start = time.perf_counter()
    transform = PEERS[name](train, seed)
    seconds = time.perf_counter() - start
    placed = transform(unseen)
    start = time.perf_counter()
    transform(unseen)
    microseconds = (time.perf_counter() - start) / len(unseen) * 1e6
    return {
        "train": transform(train),
        "unseen": placed,
        "lines": transform(lines),
        "seconds": seconds,
        "microseconds": microseconds,
    }


def main(name: str, given: str, found: str, seed: str) -> None:
    with np.load(given) as rows:
        np.savez(found, **found_by(name, rows["train"], rows["unseen"], rows["lines"], int(seed)))


if __name__ == "__main__":
    main(*sys.argv[1:])
