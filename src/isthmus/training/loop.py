"""Training: the only loop.

``train`` moves the weights of networks to lower their objectives over the rows of a source. A source
yields blocks; a block goes to the device once and is passed over, batch by batch, in one compiled
call; where an epoch is short, one call makes several passes. Held-out rows choose the epoch, with epoch
0, the start, in the running.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from isthmus.data.sources import size_in_common
from isthmus.networks.processes import check_process
from isthmus.training._compiled import Call, State
from isthmus.training._groups import Group, Orders, SingleNetwork, StackedNetworks
from isthmus.training._history import Recorder
from isthmus.training.problem import Training, TrainingResult

SECONDS_PER_CALL = 0.25
"""How long one compiled call should run: long against its launch, short against a user's Ctrl-C."""

MAX_PASSES = 32
MAX_ORDERS = 2**20
"""Most passes in one call, and most row numbers (4 bytes each) sent with it."""


def train(
    trainings: Sequence[Training], size: int | None = None, *, jointly: bool = False
) -> list[TrainingResult]:
    """Train one network, or several of one shape side by side, and return their results in order.

    ``jointly``: the held-out rows of all together choose one epoch for all, and say when to stop. A
    member without held-out rows then has those of the others to choose its epoch by.

    ``size``: the number of members that the program is made for; those that lack are filled up with the
    last one. None is as many as there are. A member that diverges has a result that says so. A
    KeyboardInterrupt ends training with a warning and the best networks so far; before the first
    evaluation it is let through.
    """
    check_process()
    group: Group
    if len(trainings) == 1 and size is None:
        group = SingleNetwork(trainings[0])
    else:
        group = StackedNetworks(trainings, size or len(trainings), jointly=jointly)
    first = trainings[0]
    call = first.call(group.seed)
    most_passes = 2
    if first.source.n_blocks == 1:
        rows_per_pass = size_in_common(first.steps_per_pass * first.batch)
        most = MAX_ORDERS // (rows_per_pass * len(group.trainings))
        most_passes = int(np.clip(most, 2, min(MAX_PASSES, first.max_epochs + 1)))
    shape = (most_passes, size_in_common(first.steps_per_pass, least=4), first.batch)
    n_passes, reasons = 2, [""]
    with (
        Recorder(len(group.trainings), first.max_epochs, first.verbose) as recorder,
        ThreadPoolExecutor(max_workers=1) as drawer,
    ):
        orders = _OrdersAhead(group, shape, drawer)
        try:
            for block, n_valid, ends_epoch in group.blocks():
                now = call._replace(n_passes=np.int32(n_passes), ends_epoch=np.bool_(ends_epoch))
                batches = orders.take(n_passes, n_valid)
                group.state, records = group.program(
                    group.fixed, group.state, block, batches, group.held_out, now
                )
                recorder.add(np.asarray(records))
                n_passes, call = 1, call._replace(is_first=np.bool_(False))
                if not ends_epoch and np.any(np.asarray(group.state.finite)):
                    continue
                reasons = _reasons_to_stop(group.state, call, first.max_epochs)
                if all(reasons):
                    break
                if first.source.n_blocks == 1:
                    n_passes = recorder.passes_in(SECONDS_PER_CALL, most_passes)
        except KeyboardInterrupt:
            if not recorder.epochs:
                raise
            reasons = [
                reason or "interrupted"
                for reason in _reasons_to_stop(group.state, call, first.max_epochs)
            ]
            warnings.warn(
                f"training was interrupted after {recorder.epoch} of {first.max_epochs} epochs; "
                "the model holds the best weights so far",
                stacklevel=2,
            )
    in_all = sum(one.n_held_out for one in trainings)
    return [
        training.result(
            state, recorder.history(index), reason, in_all if jointly else training.n_held_out
        )
        for index, (training, state, reason) in enumerate(
            zip(trainings, group.states()[: len(trainings)], reasons[: len(trainings)], strict=True)
        )
    ]


class _OrdersAhead:
    """Batches of one call after another, drawn while the device is busy with the call before."""

    def __init__(self, group: Group, shape: tuple[int, int, int], drawer: ThreadPoolExecutor) -> None:
        self.group, self.shape, self.drawer = group, shape, drawer
        self.n_taken = 0
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


def _reasons_to_stop(state: State, call: Call, max_epochs: int) -> list[str]:
    """Why each member's training ends here, or an empty string."""
    finite, epoch, best_epoch = (
        np.atleast_1d(np.asarray(part)) for part in (state.finite, state.epoch, state.best_epoch)
    )
    waited = epoch - best_epoch >= call.patience
    reasons = np.where(epoch >= max_epochs, "max_epochs", np.where(waited, "no improvement", ""))
    return [str(reason) for reason in np.where(finite, reasons, "diverged")]
