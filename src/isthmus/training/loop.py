"""Training: the only loop.

``train`` moves the weights of a network to lower an objective over the rows of a source. A source
yields blocks; a block goes to the device once and is scanned through, batch by batch, in one compiled
call; where an epoch is short, one call runs several. Held-out rows choose the epoch, with epoch 0,
the start, in the running.

An epoch replaces the start only if it is better by more than the error of the comparison, in the
spirit of the standard-error rule of Breiman et al. 1984, "Classification and Regression Trees".
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.special import stdtrit

from isthmus.data.sources import Source, batch_orders
from isthmus.networks.layers import trainable
from isthmus.training.compiled import Call, State, passes_over, start_state
from isthmus.training.compiled import Objective as Objective
from isthmus.training.history import Recorder
from isthmus.training.solvers import Solver

SECONDS_PER_CALL = 0.25
"""How long one compiled call should run: long against its launch, short against a user's Ctrl-C."""

MAX_PASSES = 32
MAX_ORDERS = 2**20
"""Most passes in one call, and most row numbers (4 bytes each) sent with it."""

SIGNIFICANCE = 0.01
"""One-sided level at which an epoch must beat the start: it is the best of many, so it must be clear."""

HELD_OUT_CHUNK = 2048
"""Held-out rows evaluated at a time: bounds the memory of their activations."""

Orders = Int[np.ndarray, "*M passes steps batch"]


@dataclass(frozen=True)
class TrainingResult:
    """The network of the best epoch, the optimiser's state, and the record of how it came about.

    ``history`` maps "epoch", "train_loss", "validation_loss", "learning_rate" and "seconds" to one
    number per epoch. Epoch 0 is the start: it has no training loss (NaN). ``stopped`` says why
    training ended: "max_epochs", "no improvement", "interrupted" or "diverged".
    """

    network: Any
    optimiser: Any
    history: dict[str, np.ndarray]
    best_epoch: int
    stopped: str


class DivergenceError(ArithmeticError):
    """The loss became NaN or infinite; ``result`` holds the last good weights and the history."""

    def __init__(self, message: str, result: TrainingResult) -> None:
        super().__init__(message)
        self.result = result


class HeldOut(NamedTuple):
    """Held-out rows in equal chunks, the last one padded; ``valid`` is 1 on the rows that count."""

    rows: Float[Array | np.ndarray, "chunks rows D"]
    valid: Float[Array | np.ndarray, "chunks rows"]

    @classmethod
    def from_rows(cls, rows: Float[np.ndarray, "m D"]) -> HeldOut:
        n_chunks = -(-len(rows) // HELD_OUT_CHUNK)
        size = -(-len(rows) // n_chunks)
        padded = np.resize(rows, (n_chunks * size, rows.shape[1]))
        valid = (np.arange(n_chunks * size) < len(rows)).astype(np.float32)
        return cls(padded.reshape(n_chunks, size, -1), valid.reshape(n_chunks, size))


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training, all that ``train`` takes: what is lowered, from where, over which rows, and how.

    ``significance`` is the level at which an epoch must beat the start; None: it need only be better.
    """

    objective: Objective
    network: Any
    source: Source
    solver: Solver
    learning_rate: float
    batch_size: int
    max_epochs: int
    rng: np.random.Generator
    held_out: Float[np.ndarray, "m D"] | None = None
    held_out_objective: Objective | None = None
    patience: int | None = None
    significance: float | None = SIGNIFICANCE
    optimiser: Any = None
    verbose: bool = False

    @cached_property
    def static_part(self) -> tuple[Objective, Objective, Solver, Any]:
        """What training leaves as it is: objective, judge, solver, and the network without weights."""
        _, static = eqx.partition(self.network, trainable(self.network))
        return self.objective, self.held_out_objective or self.objective, self.solver, static

    @cached_property
    def weights(self) -> Any:
        """What training moves."""
        return eqx.filter(self.network, trainable(self.network))

    @property
    def batch(self) -> int:
        """Rows in a step."""
        return min(self.batch_size, self.source.block_rows)

    @property
    def steps_per_block(self) -> int:
        return -(-self.source.block_rows // self.batch)

    def call(self, seed: Any) -> Call:
        """What every compiled call is told, the first one's two passes included."""
        steps_per_epoch = self.steps_per_block * self.source.n_blocks
        return Call(
            n_passes=np.int32(2),
            is_first=np.bool_(True),
            ends_epoch=np.bool_(True),
            steps_per_epoch=np.float32(steps_per_epoch),
            n_steps=np.float32(self.max_epochs * steps_per_epoch),
            peak=np.float32(self.learning_rate),
            patience=np.int32(self.max_epochs if self.patience is None else self.patience),
            seed=seed,
        )

    def result(self, state: State, history: dict[str, np.ndarray], stopped: str) -> TrainingResult:
        """The best epoch's network, or the start where that is not clearly better."""
        start_stays = self.held_out is not None and not self._beats_start(state, len(self.held_out))
        best = self.network if start_stays else eqx.combine(state.best_weights, self.network)
        return TrainingResult(
            network=best,
            optimiser=state.optimiser,
            history=history,
            best_epoch=0 if start_stays else max(0, int(state.best_epoch)),
            stopped=stopped,
        )

    def _beats_start(self, state: State, n_held_out: int) -> bool:
        if self.significance is None:
            return int(state.best_epoch) > 0
        return float(state.best_margin) > least_margin(n_held_out, self.significance)


class Alone:
    """One network, and the program that trains it."""

    def __init__(self, job: Job) -> None:
        self.jobs: Sequence[Job] = (job,)
        self.seed: Any = np.uint32(job.rng.integers(2**32))
        weights = job.weights
        optimiser = job.optimiser
        if optimiser is None:
            optimiser = eqx.filter_jit(job.solver.transformation.init)(weights)
        self.held_out = None
        if job.held_out is not None:
            self.held_out = jax.device_put(HeldOut.from_rows(job.held_out))
        self.state = start_state(weights, optimiser, self.held_out)

    def rounds(self) -> Iterator[Iterator[tuple[Array, int, bool]]]:
        """Endless rounds through the source; a single block stays on the device."""
        source, rng = self.jobs[0].source, self.jobs[0].rng
        if source.n_blocks == 1:
            ((block, n_valid),) = source.blocks(rng)
            resident = jax.device_put(block)
            while True:
                yield iter([(resident, n_valid, True)])
        while True:
            yield (
                (jax.device_put(block), n_valid, index == source.n_blocks - 1)
                for index, (block, n_valid) in enumerate(source.blocks(rng))
            )

    def orders(self, passes: range, n_valid: int, shape: Sequence[int]) -> Orders:
        """Row numbers of every batch of some passes; ``shape`` is (room, steps, batch)."""
        return batch_orders(int(self.seed), passes, n_valid, shape)

    def run(self, block: Array, orders: Orders, call: Call) -> Array:
        """Pass over a block; the records of epochs that end in it come as soon as they are read."""
        static_part = self.jobs[0].static_part
        self.state, records = _run(static_part, self.state, block, orders, self.held_out, call)
        return records

    def states(self) -> list[State]:
        """The last state, on the host: of each member one, where there are several."""
        return [
            eqx.tree_at(lambda s: s.best_weights, self.state, jax.device_get(self.state.best_weights))
        ]


def train(
    objective: Objective,
    network: Any,
    source: Source,
    *,
    solver: Solver,
    learning_rate: float,
    batch_size: int,
    max_epochs: int,
    rng: np.random.Generator,
    held_out: Float[np.ndarray, "m D"] | None = None,
    held_out_objective: Objective | None = None,
    patience: int | None = None,
    optimiser: Any = None,
    verbose: bool = False,
) -> TrainingResult:
    """Minimise the mean of ``objective`` over the source's rows.

    With ``held_out`` rows the result is the network of the epoch with the least held-out loss, and
    training ends after ``patience`` epochs without a better one. That epoch must beat the start by
    more than chance, by Student's paired test over the held-out rows at the level of 1 %; otherwise the
    result is the start itself, epoch 0. Without held-out rows it is the last epoch's network.

    Raises DivergenceError when a loss is NaN or infinite. A KeyboardInterrupt ends training with a
    warning and the best network so far; before the first evaluation it is let through.
    """
    return train_job(
        Job(
            objective=objective,
            network=network,
            source=source,
            solver=solver,
            learning_rate=learning_rate,
            batch_size=batch_size,
            max_epochs=max_epochs,
            rng=rng,
            held_out=held_out,
            held_out_objective=held_out_objective,
            patience=patience,
            optimiser=optimiser,
            verbose=verbose,
        )
    )


def train_job(job: Job) -> TrainingResult:
    """``train`` with its arguments in one object."""
    (result,) = run(Alone(job))
    if result.stopped == "diverged":
        epoch = max(0, len(result.history["epoch"]) - 1)
        raise DivergenceError(_divergence_message(epoch, job.learning_rate, result), result)
    return result


def run(crew: Alone) -> list[TrainingResult]:
    """The loop: pass over blocks until every member of the crew has a reason to stop."""
    job = crew.jobs[0]
    call = job.call(crew.seed)
    most_passes = 2
    if job.source.n_blocks == 1:
        most = MAX_ORDERS // (job.source.n_rows * len(crew.jobs))
        most_passes = int(np.clip(most, 2, min(MAX_PASSES, job.max_epochs + 1)))
    shape = (most_passes, job.steps_per_block, job.batch)
    n_passes, reasons = 2, [""]
    with (
        Recorder(len(crew.jobs), job.max_epochs, job.verbose) as recorder,
        ThreadPoolExecutor(max_workers=1) as drawer,
    ):
        orders = _OrdersAhead(crew, shape, drawer)
        try:
            for round_ in crew.rounds():
                for block, n_valid, ends_epoch in round_:
                    told = call._replace(n_passes=np.int32(n_passes), ends_epoch=np.bool_(ends_epoch))
                    records = crew.run(block, orders.take(n_passes, n_valid), told)
                    recorder.add(np.asarray(records))
                    if not np.any(np.asarray(crew.state.finite)):
                        break
                    n_passes, call = 1, call._replace(is_first=np.bool_(False))
                reasons = _reasons_to_stop(crew.state, call, job.max_epochs)
                if all(reasons):
                    break
                n_passes = recorder.passes_in(SECONDS_PER_CALL, most_passes)
        except KeyboardInterrupt:
            if not recorder.epochs:
                raise
            reasons = [
                reason or "interrupted" for reason in _reasons_to_stop(crew.state, call, job.max_epochs)
            ]
            warnings.warn(
                f"training was interrupted after {recorder.epoch} of {job.max_epochs} epochs; "
                "the model holds the best weights so far",
                stacklevel=2,
            )
    return [
        member.result(state, recorder.history(index), reason)
        for index, (member, state, reason) in enumerate(
            zip(crew.jobs, crew.states(), reasons, strict=True)
        )
    ]


class _OrdersAhead:
    """Batches of one call after another, drawn while the device is busy with the call before."""

    def __init__(self, crew: Alone, shape: tuple[int, int, int], drawer: ThreadPoolExecutor) -> None:
        self.crew, self.shape, self.drawer = crew, shape, drawer
        self.n_taken = 0
        self.upcoming: tuple[int, Future[Orders]] | None = None

    def take(self, n_passes: int, n_valid: int) -> Orders:
        """Those of the next passes, and perhaps of some more."""
        upcoming, self.upcoming = self.upcoming, None
        start, self.n_taken = self.n_taken, self.n_taken + n_passes
        if upcoming is not None and upcoming[0] == n_valid:
            orders = upcoming[1].result()
        else:
            orders = self.crew.orders(range(start, start + n_passes), n_valid, self.shape)
        if n_passes == self.shape[0]:
            following = range(self.n_taken, self.n_taken + n_passes)
            self.upcoming = n_valid, self.drawer.submit(self.crew.orders, following, n_valid, self.shape)
        return orders


def least_margin(n_held_out: int, significance: float = SIGNIFICANCE) -> float:
    """Standard errors by which the mean of paired differences must exceed zero; NaN for one row."""
    return float(stdtrit(n_held_out - 1, 1 - significance))


def _reasons_to_stop(state: State, call: Call, max_epochs: int) -> list[str]:
    """Why each member's training ends here, or an empty string."""
    finite, epoch, best_epoch = (
        np.atleast_1d(np.asarray(part)) for part in (state.finite, state.epoch, state.best_epoch)
    )
    waited = epoch - best_epoch >= call.patience
    reasons = np.where(epoch >= max_epochs, "max_epochs", np.where(waited, "no improvement", ""))
    return [str(reason) for reason in np.where(finite, reasons, "diverged")]


@eqx.filter_jit
def _run(
    static_part: tuple[Objective, Objective, Solver, Any],
    state: State,
    block: Float[Array, "rows D"],
    orders: Int[Array | np.ndarray, "passes steps batch"],
    held_out: HeldOut | None,
    call: Call,
) -> tuple[State, Float[Array, "passes 4"]]:
    """The program of one network."""
    return passes_over(static_part, state, block, orders, held_out, call)


def _divergence_message(epoch: int, learning_rate: float, result: TrainingResult) -> str:
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
