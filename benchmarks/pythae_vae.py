"""The same variational auto-encoder in pythae: its VAE, its BaseTrainer, and its ELBO."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from peers import chain
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseEncoder
from pythae_peer import Decoder, trained
from torch import nn

LOG_2PI = float(np.log(2 * np.pi))


class Encoder(BaseEncoder):
    """The hidden layers, and one linear layer each for μ and log σ²."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.Sequential(chain(sizes[:-1], nn.SiLU), nn.SiLU())
        self.embedding = nn.Linear(sizes[-2], sizes[-1])
        self.log_var = nn.Linear(sizes[-2], sizes[-1])

    def forward(self, x: torch.Tensor) -> ModelOutput:
        hidden = self.layers(x)
        return ModelOutput(embedding=self.embedding(hidden), log_covariance=self.log_var(hidden))


class SmoothDecoder(Decoder):
    """The mirror of ``Encoder``."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__(sizes)
        self.layers = chain(sizes[::-1], nn.SiLU)


def fit_vae(sizes: Sequence[int], rows: np.ndarray, batch_size: int, seconds: float) -> tuple[VAE, int]:
    """As many epochs as fit into ``seconds``, by the time of a first short training; no validation."""
    _train(sizes, rows, batch_size, 1)
    start = time.perf_counter()
    _train(sizes, rows, batch_size, 3)
    epochs = max(1, round(seconds / (time.perf_counter() - start) * 3))
    return _train(sizes, rows, batch_size, epochs), epochs


def _train(sizes: Sequence[int], rows: np.ndarray, batch_size: int, epochs: int) -> VAE:
    torch.manual_seed(0)
    config = VAEConfig(input_dim=(sizes[0],), latent_dim=sizes[-1], reconstruction_loss="mse")
    return trained(VAE(config, Encoder(sizes), SmoothDecoder(sizes)), rows, batch_size, epochs)


def elbo(model: VAE, rows: np.ndarray, draws: int = 100) -> float:
    """Mean ELBO in nats per row: its "mse" is ½ Σ (x − x̂)², a Gaussian of unit variance."""
    x = torch.from_numpy(rows)
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        encoded = model.encoder(x)
        mean, log_var = encoded.embedding, encoded.log_covariance
        kl = 0.5 * (mean**2 + log_var.exp() - log_var - 1).sum(dim=1)
        error = torch.zeros(len(x))
        for _ in range(draws):
            z = mean + (0.5 * log_var).exp() * torch.randn(mean.shape, generator=generator)
            gap = model.decoder(z).reconstruction - x
            error += 0.5 * (gap**2).sum(dim=1) / draws
    return float((-error - kl).mean()) - 0.5 * rows.shape[1] * LOG_2PI
