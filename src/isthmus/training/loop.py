"""Training: the only loop.

``train`` moves the weights of networks to lower their objectives over the rows of a source. A source
yields blocks; a block goes to the device, or in shares to several, once and is passed over, batch by
batch, in one compiled call; where an epoch is short, one call makes several passes. Held-out rows choose
the epoch, with epoch 0, the start, in the running.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import jax
import numpy as np
from jaxtyping import Array

from isthmus.data.sources import size_in_common
from isthmus.data.wording import counted
from isthmus.networks.processes import check_process
from isthmus.training import processes
from isthmus.training._compiled import Call, State
from isthmus.training._groups import Group, Orders, StackedNetworks
from isthmus.training._history import Recorder
from isthmus.training._spread import network_on_devices
from isthmus.training.checkpoints import Reached, TrainingCheckpoints
from isthmus.training.problem import HeldOut, Training, TrainingResult

SECONDS_PER_CALL = 0.25
"""How long one compiled call should run: long against its launch, short against a user's Ctrl-C."""

MAX_PASSES = 32
MAX_ORDERS = 2**20
"""Most passes in one call, and most row numbers (4 bytes each) sent with it."""

FEW_ORDERS = 2**17
"""Row numbers of a call up to which filling them up costs nothing: then more data share a program."""


def train(
    trainings: Sequence[Training],
    size: int | None = None,
    *,
    jointly: bool = False,
    checkpoints: TrainingCheckpoints | None = None,
) -> list[TrainingResult]:
    """Train one network, or several of one shape side by side, and return their results in order.

    ``jointly``: the held-out rows of all together choose one epoch for all, and say when to stop. A
    member without held-out rows then has those of the others to choose its epoch by.

    ``size``: the number of members that the program is made for; the last one stands for those that are
    missing. None is as many as there are. A member that diverges has a result that says so. A
    KeyboardInterrupt ends training with a warning and the best networks so far; before the first
    evaluation it is let through.

    ``checkpoints``: training goes on from the newest of them, and writes others; of a training that was
    complete the results are those again.
    """
    check_process()
    first, group = trainings[0], _group(trainings, size, jointly=jointly)
    reached, verbose = Reached(group.state), first.verbose if processes.is_first() else False
    with (
        Recorder(len(group.trainings), first.max_epochs, verbose) as recorder,
        ThreadPoolExecutor(max_workers=1) as drawer,
    ):
        if checkpoints is not None:
            reached, histories = checkpoints.resume(group.state, (group.fixed, group.held_out))
            recorder.go_on(histories, is_complete=reached.is_complete)
        calls = _Calls(group, reached, recorder, drawer)
        reasons = reached.reasons
        try:
            for arguments in calls:
                with processes.losses_explained():
                    group.state, records = group.program(group.fixed, group.state, *arguments)
                    reached = calls.after(records)
                reasons = reached.reasons
                if checkpoints is not None and not reached.is_complete:
                    checkpoints.save_if_due(reached, recorder.epochs)
        except KeyboardInterrupt:
            recorder.cut(reached.lengths)
            if not recorder.epochs or processes.several():
                raise
            reasons = tuple(reason or "interrupted" for reason in _reasons_to_stop(reached.state, first))
            warnings.warn(
                f"training was interrupted after {recorder.epoch} of "
                f"{counted(first.max_epochs, 'epoch')}; the model holds the best weights so far",
                stacklevel=2,
            )
        if checkpoints is not None:
            checkpoints.save(reached, recorder.epochs)
    group.state = reached.state
    states = group.states()[: len(trainings)]
    if processes.several() and not group.is_spread:
        # Each has trained all of them, perhaps with other bits.
        leaves, structure = jax.tree.flatten(states)
        outcome = leaves, recorder.epochs, reasons
        leaves, recorder.epochs, reasons = processes.from_first(lambda: outcome)
        states = jax.tree.unflatten(structure, leaves)
    in_all = sum(one.n_held_out for one in trainings)
    return [
        training.result(
            state, recorder.history(index), reason, in_all if jointly else training.n_held_out
        )
        for index, (training, state, reason) in enumerate(
            zip(trainings, states, reasons[: len(trainings)], strict=True)
        )
    ]


def _group(trainings: Sequence[Training], size: int | None, *, jointly: bool) -> Group:
    if len(trainings) == 1 and size is None:
        return network_on_devices(trainings[0])
    return StackedNetworks(trainings, size or len(trainings), jointly=jointly)


class _Calls:
    """The compiled calls from where training is, until every member has a reason to stop.

    They may begin anywhere: what a call does to the weights depends on what was reached alone, and not
    on how many passes the calls before it made.
    """

    def __init__(
        self, group: Group, reached: Reached, recorder: Recorder, drawer: ThreadPoolExecutor
    ) -> None:
        first = group.trainings[0]
        self.group, self.reached, self.recorder = group, reached, recorder
        self.call = first.call(group.seed)._replace(is_first=np.bool_(reached.passes == 0))
        self.has_one_block = first.source.n_blocks == 1
        self.most_passes, self.ends_epoch = 2, False
        if self.has_one_block:
            rows_per_pass = size_in_common(first.steps_per_pass * first.batch)
            most = MAX_ORDERS // (rows_per_pass * len(group.trainings))
            # It does not depend on the number of epochs, so that another one compiles nothing anew.
            self.most_passes = int(np.clip(most, 2, MAX_PASSES))
        of_a_step = self.most_passes * first.batch * len(group.trainings)
        least = 16 if 16 * of_a_step <= FEW_ORDERS else 4
        shape = (self.most_passes, size_in_common(first.steps_per_pass, least), first.batch)
        self.orders = _OrdersAhead(group, shape, drawer, reached.passes)
        group.state = reached.state

    def __iter__(self) -> Iterator[tuple[Array, Orders, HeldOut | None, Call]]:
        """What the program takes beside what stays fixed and the state."""
        n_passes = 1 if self.reached.passes else 2
        blocks = () if self.reached.is_complete else self.group.blocks(self.reached.blocks)
        for block, n_valid, self.ends_epoch in blocks:
            now = self.call._replace(n_passes=np.int32(n_passes), ends_epoch=np.bool_(self.ends_epoch))
            yield block, self.orders.take(n_passes, n_valid), self.group.held_out, now
            if self.reached.is_complete:
                return
            self.call, n_passes = self.call._replace(is_first=np.bool_(False)), 1
            if self.has_one_block:
                passes = partial(self.recorder.passes_in, SECONDS_PER_CALL, self.most_passes)
                n_passes = processes.from_first(passes) if self.group.is_spread else passes()

    def after(self, records: Array) -> Reached:
        """Where training is after a call, of which the records came."""
        self.recorder.add(np.asarray(records))
        reasons: tuple[str, ...] = ("",)
        if self.ends_epoch or not np.any(np.asarray(self.group.state.finite)):
            reasons = _reasons_to_stop(self.group.state, self.group.trainings[0])
        self.reached = Reached(
            state=self.group.state,
            passes=self.orders.n_taken,
            blocks=self.reached.blocks + 1,
            lengths=self.recorder.lengths,
            reasons=reasons,
        )
        return self.reached


class _OrdersAhead:
    """Batches of one call after another, drawn while the device is busy with the call before."""

    def __init__(
        self, group: Group, shape: tuple[int, int, int], drawer: ThreadPoolExecutor, n_taken: int
    ) -> None:
        self.group, self.shape, self.drawer = group, shape, drawer
        self.n_taken = n_taken
        self.upcoming: tuple[int, Future[Orders]] | None = None

    def take(self, n_passes: int, n_valid: int) -> Orders:
        """Those of the next passes, and perhaps of some more."""
        upcoming, self.upcoming = self.upcoming, None
        start, self.n_taken = self.n_taken, self.n_taken + n_passes
        if upcoming is not None and upcoming[0] == n_valid:
            orders = upcoming[1].result()
        else:
            orders = self.group.orders(range(start, start + n_passes), n_valid, self.shape)
        if n_passes == self.shape[0]:
            following = range(self.n_taken, self.n_taken + n_passes)
            self.upcoming = (
                n_valid,
                self.drawer.submit(self.group.orders, following, n_valid, self.shape),
            )
        return orders


def _reasons_to_stop(state: State, training: Training) -> tuple[str, ...]:
    """Why each member's training ends here, or an empty string."""
    finite, epoch, best_epoch = (
        np.atleast_1d(np.asarray(part)) for part in (state.finite, state.epoch, state.best_epoch)
    )
    waited = epoch - best_epoch >= training.most_waited
    at_end = np.where(epoch >= training.max_epochs, "max_epochs", np.where(waited, "no improvement", ""))
    return tuple(str(reason) for reason in np.where(finite, at_end, "diverged"))
