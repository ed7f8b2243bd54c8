"""One training: what is minimised, from where, over which rows, and how; and what comes out.

An epoch replaces the start only if it is better by more than the error of the comparison, in the
spirit of the standard-error rule of Breiman et al. 1984, "Classification and Regression Trees".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, PyTree
from scipy.special import stdtr

from isthmus.data.sources import Source, size_in_common
from isthmus.networks.layers import trainable
from isthmus.training._compiled import Call, State
from isthmus.training._compiled import Objective as Objective
from isthmus.training.solvers import Solver

SIGNIFICANCE = 0.025
"""One-sided level at which an epoch must beat the start, also without the row that gains most. It is
strict because the best of many epochs is compared."""

HELD_OUT_CHUNK = 2048
"""Held-out rows that are evaluated at a time, which bounds the memory of their activations."""


@dataclass(frozen=True)
class TrainingResult:
    """The network of the best epoch, the optimiser's state, and the record of how it came about.

    ``history`` maps "epoch", "train_loss", "validation_loss", "learning_rate" and "seconds" to one
    number per epoch. Epoch 0 is the start: it has no training loss (NaN). ``stopped`` says why
    training ended: "max_epochs", "no improvement", "interrupted" or "diverged". ``p_value`` is how often
    chance gives as large an advance of the least held-out loss on the start, NaN without held-out rows,
    of which there were ``n_held_out``.
    """

    network: PyTree
    optimiser: PyTree
    history: dict[str, np.ndarray]
    best_epoch: int
    stopped: str
    p_value: float = float("nan")
    n_held_out: int = 0

    def raise_if_diverged(self, learning_rate: float) -> None:
        """Raise DivergenceError, with the likely cause, if the loss became NaN or infinite."""
        if self.stopped == "diverged":
            raise DivergenceError(_divergence_message(self, learning_rate), self)


class DivergenceError(ArithmeticError):
    """The loss of a training became NaN or infinite: an ArithmeticError.

    ``fit`` raises it at its end; the model then holds its last good weights and can be used. The likely
    cause is a learning rate that is too high: try a tenth of it, or leave it at None. If that does not
    help, look for extreme values in the data, or use ``scaling="standard"``; before the first step the
    cause is in the data, or in a noise, loss, prior or likelihood of your own.

    Parameters
    ----------
    message : str
        What happened, and what to do.
    result : TrainingResult
        The last good weights, and the history up to them.

    Attributes
    ----------
    result : TrainingResult

    Examples
    --------
    >>> import isthmus, numpy as np
    >>> x = np.linspace(-3, 3, 400)[:, None]
    >>> model = isthmus.FeedForwardRegressor((32,), learning_rate=1e30, random_state=0)
    >>> try:
    ...     model.fit(x, np.sin(x[:, 0]))
    ... except isthmus.DivergenceError as error:
    ...     print(error.result.stopped, np.isfinite(model.predict(x)).all())
    diverged True
    """

    def __init__(self, message: str, result: TrainingResult) -> None:
        super().__init__(message)
        self.result = result


class HeldOut(NamedTuple):
    """Held-out rows in equal chunks, filled up with copies; ``valid`` is 1 on the rows that count."""

    rows: Float[Array | np.ndarray, "chunks rows D"]
    valid: Float[Array | np.ndarray, "chunks rows"]

    @classmethod
    def from_rows(cls, rows: Float[np.ndarray, "m D"]) -> HeldOut:
        n_chunks = -(-len(rows) // HELD_OUT_CHUNK)
        size = size_in_common(-(-len(rows) // n_chunks))
        n_chunks = -(-len(rows) // size)
        padded = np.resize(rows, (n_chunks * size, rows.shape[1]))
        valid = (np.arange(n_chunks * size) < len(rows)).astype(np.float32)
        return cls(padded.reshape(n_chunks, size, -1), valid.reshape(n_chunks, size))


@dataclass(frozen=True, kw_only=True)
class Training:
    """All that ``train`` takes: minimise the mean of ``objective`` over the rows of ``source``.

    With ``held_out`` rows the result is the network of the epoch with the least held-out loss, and
    training ends after ``patience`` epochs without a better one. That epoch must beat the start by
    more than chance, by Student's paired test over the held-out rows at the level ``significance``,
    and so without the row that gains most, for heavy tails; otherwise the result is the start itself,
    epoch 0. With significance None it need only be better. Without held-out rows the result is the last
    epoch's network. An epoch is a pass over all rows, or ``steps_per_epoch`` steps within a block where
    that is less. ``optimiser`` is the state of an earlier training's optimiser, to go on from.
    """

    objective: Objective
    network: PyTree
    source: Source
    solver: Solver
    learning_rate: float
    batch_size: int
    max_epochs: int
    rng: np.random.Generator
    steps_per_epoch: int | None = None
    held_out: Float[np.ndarray, "m D"] | None = None
    held_out_objective: Objective | None = None
    patience: int | None = None
    significance: float | None = SIGNIFICANCE
    optimiser: PyTree = None
    verbose: bool | None = None

    @cached_property
    def static_part(self) -> tuple[Objective, Objective, Solver, PyTree]:
        """What training leaves as it is: both objectives, the solver, the network without weights."""
        _, static = eqx.partition(self.network, trainable(self.network))
        return self.objective, self.held_out_objective or self.objective, self.solver, static

    @cached_property
    def weights(self) -> PyTree:
        """What training moves."""
        return eqx.filter(self.network, trainable(self.network))

    @property
    def batch(self) -> int:
        """Rows in a step."""
        return min(self.batch_size, self.source.block_rows)

    @property
    def steps_per_pass(self) -> int:
        """Steps between two evaluations, or within a block if there are several."""
        most = self._steps_in_block
        steps = self.steps_per_epoch
        return most if steps is None else min(most, -(-steps // self.blocks_per_epoch))

    @property
    def _steps_in_block(self) -> int:
        return -(-self.source.block_rows // self.batch)

    @property
    def blocks_per_epoch(self) -> int:
        """Blocks between two evaluations: as many as make up the steps of an epoch."""
        if self.steps_per_epoch is None:
            return self.source.n_blocks
        return min(self.source.n_blocks, -(-self.steps_per_epoch // self._steps_in_block))

    @property
    def most_waited(self) -> int:
        """Epochs without a better one after which training ends."""
        return self.max_epochs if self.patience is None else self.patience

    def call(self, seed: np.ndarray) -> Call:
        """The numbers of the first compiled call, which makes two passes."""
        steps_per_epoch = self.steps_per_pass * self.blocks_per_epoch
        return Call(
            n_passes=np.int32(2),
            is_first=np.bool_(True),
            ends_epoch=np.bool_(True),
            steps_per_pass=np.int32(self.steps_per_pass),
            steps_per_epoch=np.float32(steps_per_epoch),
            n_steps=np.float32(self.max_epochs * steps_per_epoch),
            peak=np.float32(self.learning_rate),
            patience=np.int32(self.most_waited),
            seed=seed,
        )

    @property
    def n_held_out(self) -> int:
        return 0 if self.held_out is None else len(self.held_out)

    def result(
        self, state: State, history: dict[str, np.ndarray], stopped: str, n_held_out: int
    ) -> TrainingResult:
        """The best epoch's network, or the start where that is not clearly better.

        ``n_held_out`` rows chose the epoch: its own, or those of all that were judged with it.
        """
        start_stays = n_held_out > 0 and not self._beats_start(state, n_held_out)
        best = self.network if start_stays else eqx.combine(state.best_weights, self.network)
        return TrainingResult(
            network=best,
            optimiser=state.optimiser,
            history=history,
            best_epoch=0 if start_stays else max(0, int(state.best_epoch)),
            stopped=stopped,
            p_value=chance_of(float(state.best_margin), n_held_out),
            n_held_out=n_held_out,
        )

    def _beats_start(self, state: State, n_held_out: int) -> bool:
        if self.significance is None:
            return int(state.best_epoch) > 0
        return chance_of(float(state.best_margin), n_held_out) < self.significance


def chance_of(margin: float, n_held_out: int) -> float:
    """How often Student's t exceeds so many standard errors; NaN for less than two rows."""
    return float(stdtr(n_held_out - 1, -margin)) if n_held_out > 1 else float("nan")


def _divergence_message(result: TrainingResult, learning_rate: float) -> str:
    epoch = max(0, len(result.history["epoch"]) - 1)
    if epoch == 0:
        return (
            "the loss is NaN or infinite before the first step: look for extreme values in the data, "
            "and at a noise, loss, prior or likelihood of your own"
        )
    return (
        f"the loss became NaN or infinite in epoch {epoch}. The likely cause is a learning rate that "
        f"is too high (it is {learning_rate:g}): try a tenth of it. If that does not help, look for "
        "extreme values in the data, or use scaling='standard'. The model holds its last good "
        f"weights, those of epoch {result.best_epoch}"
    )
