"""The same mirrored auto-encoder in pythae: its AE, its BaseTrainer."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from peers import LEARNING_RATE, chain
from pythae.data.datasets import BaseDataset
from pythae.models import AE, AEConfig, BaseAE
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import ProgressBarCallback

Model = TypeVar("Model", bound=BaseAE)

for name in ("trainers.base_trainer.base_trainer", "trainers.training_callbacks"):
    logging.getLogger(f"pythae.{name}").setLevel(logging.WARNING)


class Encoder(BaseEncoder):
    """The hidden layers and the bottleneck."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.layers = chain(sizes)

    def forward(self, x: torch.Tensor) -> ModelOutput:
        return ModelOutput(embedding=self.layers(x))


class Decoder(BaseDecoder):
    """The mirror of ``Encoder``."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.layers = chain(sizes[::-1])

    def forward(self, z: torch.Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.layers(z))


class QuietTrainer(BaseTrainer):
    """The trainer without its progress bar, which costs time and is not training."""

    def _setup_callbacks(self) -> None:
        super()._setup_callbacks()
        handler = self.callback_handler
        handler.callbacks = [c for c in handler.callbacks if not isinstance(c, ProgressBarCallback)]


def trained(model: Model, rows: np.ndarray, batch_size: int, epochs: int) -> Model:
    """No workers, no validation, no checkpoints, nothing printed."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = QuietTrainer(
            model,
            BaseDataset(torch.from_numpy(rows), torch.zeros(len(rows))),
            training_config=BaseTrainerConfig(
                output_dir=folder,
                per_device_train_batch_size=batch_size,
                num_epochs=epochs,
                train_dataloader_num_workers=0,
                learning_rate=LEARNING_RATE,
                no_cuda=True,
            ),
        )
        trainer.train()
    return trainer.model


def fit_pythae(sizes: Sequence[int], rows: np.ndarray, batch_size: int, epochs: int) -> AE:
    config = AEConfig(input_dim=(sizes[0],), latent_dim=sizes[-1])
    return trained(AE(config, Encoder(sizes), Decoder(sizes)), rows, batch_size, epochs)
