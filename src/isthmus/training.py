"""Training: the only loop.

``train`` moves the weights of a network to lower an objective over the rows of a source. A source
yields blocks; a block goes to the device once and is scanned through, batch by batch, in one compiled
call; where an epoch is short, one call runs several. Held-out rows choose the epoch, with epoch 0,
the start, in the running.

An epoch replaces the start only if it is better by more than the error of the comparison, in the
spirit of the standard-error rule of Breiman et al. 1984, "Classification and Regression Trees".
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from scipy.special import stdtrit

from isthmus.networks import trainable
from isthmus.solvers import Solver
from isthmus.sources import Source, batch_orders

SECONDS_PER_CALL = 0.25
"""How long one compiled call should run: long against its launch, short against a user's Ctrl-C."""

MAX_PASSES = 32
MAX_ORDERS = 2**20
"""Most passes in one call, and most row numbers (4 bytes each) sent with it."""

SIGNIFICANCE = 0.01
"""One-sided level at which an epoch must beat the start: it is the best of many, so it must be clear."""

HELD_OUT_CHUNK = 2048
"""Held-out rows evaluated at a time: bounds the memory of their activations."""


class Objective(Protocol):
    """What is minimised: pure, one loss per row of a batch of scaled rows.

    One that changes in the course of training has two methods more: ``at(progress)`` gives the
    objective at that share of all steps, ``steady()`` one that stays as it is at the end.
    """

    def __call__(self, network: Any, batch: Float[Array, "n D"], key: Array) -> Float[Array, " n"]: ...


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

    rows: Float[Array, "chunks rows D"]
    valid: Float[Array, "chunks rows"]

    @classmethod
    def from_rows(cls, rows: Float[np.ndarray, "m D"]) -> HeldOut:
        n_chunks = -(-len(rows) // HELD_OUT_CHUNK)
        size = -(-len(rows) // n_chunks)
        padded = np.resize(rows, (n_chunks * size, rows.shape[1]))
        valid = (np.arange(n_chunks * size) < len(rows)).astype(np.float32)
        return cls(
            jax.device_put(padded.reshape(n_chunks, size, -1)),
            jax.device_put(valid.reshape(n_chunks, size)),
        )


class _State(eqx.Module):
    """What compiled calls hand on: weights, optimiser, counters, and the best so far.

    ``epoch`` counts evaluated epochs from −1, "nothing yet": the first pass only evaluates the start.
    ``best_margin`` is the best epoch's advance on the start in standard errors of that difference.
    """

    weights: Any
    optimiser: Any
    step: Int[Array, ""]
    epoch: Int[Array, ""]
    loss_sum: Float[Array, ""]
    finite: Bool[Array, ""]
    start_losses: Float[Array, "chunks rows"]
    best_weights: Any
    best_loss: Float[Array, ""]
    best_epoch: Int[Array, ""]
    best_margin: Float[Array, ""]


class _Call(NamedTuple):
    """What one compiled call is told. Arrays all, so that another value compiles nothing anew."""

    n_passes: Any
    ends_epoch: Any
    steps_per_epoch: Any
    n_steps: Any
    peak: Any
    patience: Any
    seed: Any


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
    batch_size = min(batch_size, source.block_rows)
    n_batches = -(-source.block_rows // batch_size)
    most_passes = 2
    if source.n_blocks == 1:
        most_passes = int(np.clip(MAX_ORDERS // source.n_rows, 2, min(MAX_PASSES, max_epochs + 1)))
    call = _Call(
        n_passes=np.int32(2),
        ends_epoch=np.bool_(True),
        steps_per_epoch=np.float32(n_batches * source.n_blocks),
        n_steps=np.float32(max_epochs * n_batches * source.n_blocks),
        peak=np.float32(learning_rate),
        patience=np.int32(max_epochs if patience is None else patience),
        seed=np.uint32(rng.integers(2**32)),
    )
    weights, static = eqx.partition(network, trainable(network))
    rows = None if held_out is None else HeldOut.from_rows(held_out)
    static_part = (objective, held_out_objective or objective, solver, static)
    if optimiser is None:
        optimiser = eqx.filter_jit(solver.transformation.init)(weights)
    state = _start(weights, optimiser, rows)
    n_done, n_passes, stopped = 0, 2, ""
    with _Recorder(max_epochs, verbose) as recorder:
        try:
            for round_ in _rounds(source, rng):
                for block, n_valid, ends_epoch in round_:
                    state, records = _run(
                        static_part,
                        state,
                        block,
                        batch_orders(
                            int(call.seed),
                            range(n_done, n_done + n_passes),
                            n_valid,
                            (most_passes, n_batches, batch_size),
                        ),
                        rows,
                        call._replace(n_passes=np.int32(n_passes), ends_epoch=np.bool_(ends_epoch)),
                    )
                    recorder.add(np.asarray(records))
                    if not bool(state.finite):
                        break
                    n_done, n_passes = n_done + n_passes, 1
                stopped = _reason_to_stop(state, call, max_epochs)
                if stopped:
                    break
                n_passes = recorder.passes_in(SECONDS_PER_CALL, most_passes)
        except KeyboardInterrupt:
            if not recorder.rows:
                raise
            stopped = "interrupted"
            warnings.warn(
                f"training was interrupted after {recorder.epoch} of {max_epochs} epochs; "
                "the model holds the best weights so far",
                stacklevel=2,
            )
    start_stays = held_out is not None and not float(state.best_margin) > least_margin(len(held_out))
    result = TrainingResult(
        network=network if start_stays else eqx.combine(jax.device_get(state.best_weights), static),
        optimiser=state.optimiser,
        history=recorder.history(),
        best_epoch=0 if start_stays else max(0, int(state.best_epoch)),
        stopped=stopped,
    )
    if stopped == "diverged":
        raise DivergenceError(_divergence_message(recorder.epoch, learning_rate, result), result)
    return result


def least_margin(n_held_out: int) -> float:
    """Standard errors by which the mean of paired differences must exceed zero; NaN for one row."""
    return float(stdtrit(n_held_out - 1, 1 - SIGNIFICANCE))


def _rounds(source: Source, rng: np.random.Generator) -> Iterator[Iterator[tuple[Array, int, bool]]]:
    """Endless rounds through the source; a single block stays on the device."""
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


def _reason_to_stop(state: _State, call: _Call, max_epochs: int) -> str:
    if not bool(state.finite):
        return "diverged"
    if int(state.epoch) >= max_epochs:
        return "max_epochs"
    if int(state.epoch - state.best_epoch) >= call.patience:
        return "no improvement"
    return ""


def _start(weights: Any, optimiser: Any, held_out: HeldOut | None) -> _State:
    weights = jax.device_put(weights)
    counted = (0, 0) if held_out is None else held_out.valid.shape
    scalars: dict[str, Any] = {
        "step": np.int32(0),
        "epoch": np.int32(-1),
        "loss_sum": np.float32(0),
        "finite": np.bool_(True),
        "start_losses": np.zeros(counted, np.float32),
        "best_loss": np.float32(np.inf),
        "best_epoch": np.int32(-1),
        "best_margin": np.float32(-np.inf),
    }
    return _State(weights=weights, optimiser=optimiser, best_weights=weights, **jax.device_put(scalars))


@eqx.filter_jit
def _run(
    static_part: tuple[Objective, Objective, Solver, Any],
    state: _State,
    block: Float[Array, "rows D"],
    orders: Int[Array | np.ndarray, "passes steps batch"],
    held_out: HeldOut | None,
    call: _Call,
) -> tuple[_State, Float[Array, "passes 4"]]:
    """Pass over the block ``call.n_passes`` times; evaluate, and record, where an epoch ends."""
    objective, held_out_objective, solver, static = static_part
    key = jax.random.key(call.seed)

    def batch_loss(weights: Any, batch: Array, step: Array) -> Array:
        network = eqx.combine(weights, static)
        now = objective.at(step / call.n_steps) if hasattr(objective, "at") else objective
        return jnp.mean(now(network, batch, jax.random.fold_in(key, step)))

    def train_step(state: _State, order: Int[Array, " batch"]) -> tuple[_State, None]:
        loss, gradient = jax.value_and_grad(batch_loss)(state.weights, block[order], state.step)
        update, optimiser = solver.transformation.update(gradient, state.optimiser, state.weights)
        rate = solver.rate(state.step.astype(jnp.float32), call.n_steps, call.peak)
        weights = jax.tree.map(lambda w, u: w - rate * u, state.weights, update)
        new = (weights, optimiser, state.step + 1, state.loss_sum + loss)
        return eqx.tree_at(lambda s: (s.weights, s.optimiser, s.step, s.loss_sum), state, new), None

    def one_pass(carry: tuple[Array, _State, Array]) -> tuple[Array, _State, Array]:
        done, state, records = carry
        state = jax.lax.cond(
            state.epoch >= 0,
            lambda s: jax.lax.scan(train_step, s, orders[done])[0],
            lambda s: s,
            state,
        )
        state, records = jax.lax.cond(
            call.ends_epoch | (state.epoch < 0),
            lambda s: end_epoch(s, records.at[done].set),
            lambda s: (eqx.tree_at(lambda s: s.finite, s, jnp.isfinite(s.loss_sum)), records),
            state,
        )
        return done + 1, state, records

    def end_epoch(state: _State, record: Any) -> tuple[_State, Array]:
        train_loss = jnp.where(state.epoch < 0, jnp.nan, state.loss_sum / call.steps_per_epoch)
        network = eqx.combine(state.weights, static)
        held_out_loss, losses, margin = _judge(
            held_out_objective, network, held_out, state.start_losses, state.epoch < 0, key
        )
        finite = jnp.isfinite(state.loss_sum) & (jnp.isfinite(held_out_loss) | (held_out is None))
        better = finite & ((held_out_loss < state.best_loss) | (held_out is None))
        epoch = state.epoch + 1
        rate = solver.rate(state.step.astype(jnp.float32), call.n_steps, call.peak)
        best = (state.weights, held_out_loss, epoch, margin)
        so_far = (state.best_weights, state.best_loss, state.best_epoch, state.best_margin)
        best = jax.lax.cond(better, lambda: best, lambda: so_far)
        state = eqx.tree_at(
            lambda s: (
                *(s.best_weights, s.best_loss, s.best_epoch, s.best_margin),
                *(s.epoch, s.loss_sum, s.finite, s.start_losses),
            ),
            state,
            (*best, epoch, jnp.zeros_like(state.loss_sum), finite, losses),
        )
        return state, record(jnp.stack([epoch.astype(jnp.float32), train_loss, held_out_loss, rate]))

    def goes_on(carry: tuple[Array, _State, Array]) -> Array:
        done, state, _ = carry
        in_time = state.epoch - state.best_epoch < call.patience
        return jnp.asarray((done < call.n_passes) & state.finite & in_time)

    records = jnp.full((orders.shape[0], 4), -1.0)
    _, state, records = jax.lax.while_loop(goes_on, one_pass, (jnp.int32(0), state, records))
    return state, records


def _judge(
    objective: Objective,
    network: Any,
    held_out: HeldOut | None,
    start_losses: Float[Array, "chunks rows"],
    is_start: Bool[Array, ""],
    key: Array,
) -> tuple[Float[Array, ""], Float[Array, "chunks rows"], Float[Array, ""]]:
    """Mean held-out loss, the start's losses, and the advance on the start in standard errors."""
    if held_out is None:
        return jnp.float32(jnp.nan), start_losses, jnp.float32(jnp.inf)

    def of_chunk(chunk: tuple[Array, Array]) -> Array:
        number, rows = chunk
        return objective(network, rows, jax.random.fold_in(key, number))

    losses = jax.lax.map(of_chunk, (jnp.arange(len(held_out.rows)), held_out.rows))
    count = jnp.sum(held_out.valid)
    start_losses = jnp.where(is_start, losses, start_losses)
    advance = (start_losses - losses) * held_out.valid
    mean = jnp.sum(advance) / count
    variance = jnp.sum(jnp.square(advance - mean) * held_out.valid) / jnp.maximum(1.0, count - 1)
    error = jnp.sqrt(variance / count)
    # One row gives no error, so no evidence.
    margin = jnp.where((mean > 0) & (count > 1), mean / jnp.maximum(error, 1e-30), -jnp.inf)
    return jnp.sum(losses * held_out.valid) / count, start_losses, margin


@dataclass
class _Recorder:
    """Turns the records that calls return into the history, and drives the progress bar."""

    max_epochs: int
    verbose: bool
    rows: list[np.ndarray] = field(default_factory=list)
    clock: float = field(default_factory=time.perf_counter)
    bar: Any = None

    def __enter__(self) -> _Recorder:
        if self.verbose:
            from rich.console import Console
            from rich.progress import Progress, TextColumn

            columns = (*Progress.get_default_columns(), TextColumn("{task.fields[loss]}"))
            self.bar = Progress(*columns, console=Console(stderr=True))
            self.bar.start()
            self.bar.add_task("training", total=self.max_epochs, loss="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar:
            self.bar.stop()

    @property
    def epoch(self) -> int:
        """Epochs recorded so far, the start not counted."""
        return max(0, len(self.rows) - 1)

    def add(self, records: Float[np.ndarray, "passes 4"]) -> None:
        done = records[records[:, 0] >= 0]
        if not len(done):
            return
        now = time.perf_counter()
        seconds = (now - self.clock) / max(1, int(np.sum(done[:, 0] > 0)))
        self.clock = now
        for record in done:
            self.rows.append(np.append(record, seconds if record[0] > 0 else 0.0))
        if self.bar:
            shown = record[2] if np.isfinite(record[2]) else record[1]
            self.bar.update(self.bar.task_ids[0], completed=self.epoch, loss=f"loss {shown:.4g}")

    def passes_in(self, seconds: float, most: int) -> int:
        """How many more epochs fit into one call of about ``seconds``."""
        affordable = int(seconds / max(1e-9, self.rows[-1][-1]))
        return int(np.clip(affordable, 1, min(most, self.max_epochs - self.epoch)))

    def history(self) -> dict[str, np.ndarray]:
        names = ("epoch", "train_loss", "validation_loss", "learning_rate", "seconds")
        table = np.array(self.rows).reshape(-1, len(names))
        columns = dict(zip(names, table.T.copy(), strict=True))
        return columns | {"epoch": columns["epoch"].astype(int)}


def _divergence_message(epoch: int, learning_rate: float, result: TrainingResult) -> str:
    return (
        f"the loss became NaN or infinite in epoch {epoch}. The likely cause is a learning rate that "
        f"is too high (it is {learning_rate:g}): try a tenth of it. If that does not help, look for "
        "extreme values in the data, or use scaling='standard'. The model holds its last good "
        f"weights, those of epoch {result.best_epoch}"
    )
