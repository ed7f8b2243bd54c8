"""The peers: the same mirrored auto-encoder in PyTorch, skorch and scikit-learn.

Only PyTorch and NumPy load with this file; the others load when their function is called.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

LEARNING_RATE = 1e-3


def chain(sizes: Sequence[int], activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers of the given sizes with an activation after each but the last."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), activation()]
    return nn.Sequential(*layers[:-1])


def mirrored(sizes: Sequence[int]) -> nn.Sequential:
    """Auto-encoder D → … → d → … → D from the encoder's sizes, input to bottleneck."""
    return nn.Sequential(chain(sizes), chain(sizes[::-1]))


def torch_epochs(network: nn.Module, rows: Tensor, batch_size: int, epochs: int) -> Iterator[int]:
    """The hand-written loop, tight: rows in memory, a permutation, Adam, mean squared error.

    Yields the number of each epoch after it ends.
    """
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    for epoch in range(1, epochs + 1):
        for batch in torch.randperm(len(rows)).split(batch_size):
            x = rows[batch]
            loss = nn.functional.mse_loss(network(x), x)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        yield epoch


def fit_torch(sizes: Sequence[int], rows: np.ndarray, batch_size: int, epochs: int) -> nn.Sequential:
    """PyTorch, eager."""
    network = mirrored(sizes)
    for _ in torch_epochs(network, torch.from_numpy(rows), batch_size, epochs):
        pass
    return network


def fit_skorch(sizes: Sequence[int], rows: np.ndarray, batch_size: int, epochs: int) -> object:
    """skorch with its own DataLoader, no validation split, nothing printed."""
    from skorch import NeuralNetRegressor

    model = NeuralNetRegressor(
        mirrored(sizes),
        optimizer=torch.optim.Adam,
        lr=LEARNING_RATE,
        batch_size=batch_size,
        max_epochs=epochs,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
    return model.fit(rows, rows)


def fit_sklearn(sizes: Sequence[int], rows: np.ndarray, batch_size: int, epochs: int) -> object:
    """MLPRegressor from rows to rows. Its bottleneck has a ReLU too, for it knows one activation."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    model = MLPRegressor(
        hidden_layer_sizes=(*sizes[1:], *sizes[-2:0:-1]),
        activation="relu",
        alpha=0.0,
        batch_size=batch_size,
        learning_rate_init=LEARNING_RATE,
        max_iter=epochs,
        tol=0.0,
        n_iter_no_change=epochs + 1,
        early_stopping=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(rows, rows)
