"""The record of a training: what each epoch was like, and how long it took."""

from __future__ import annotations

import multiprocessing
import sys
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from rich.progress import Progress

COLUMNS = ("epoch", "train_loss", "validation_loss", "learning_rate", "seconds")


SECONDS_WITHOUT_BAR = 2.0
"""A shorter training needs no progress bar."""

SECONDS_BETWEEN_LINES = 2.0
"""Of progress in a file."""


def _can_show_bar() -> bool:
    """Whether stderr is a terminal or a notebook: a file takes lines."""
    return "ipykernel" in sys.modules or sys.stderr.isatty()


def _somebody_is_looking() -> bool:
    """Whether a bar can be shown, and this is no worker of a parallel search."""
    return multiprocessing.current_process().name == "MainProcess" and _can_show_bar()


@dataclass
class Recorder:
    """Turns the records that compiled calls return into histories, and drives the progress bar.

    One history for each of ``n_members`` that are trained together; each has its share of the seconds.
    ``verbose`` None shows the bar where somebody is looking, once training has taken a while; True
    shows it, or writes a line every two seconds where stderr is a file.
    """

    n_members: int
    max_epochs: int
    verbose: bool | None
    started: float = field(default_factory=time.perf_counter)
    clock: float = field(default_factory=time.perf_counter)
    epochs: list[list[np.ndarray]] = field(default_factory=list)
    seconds_per_epoch: float = 0.0
    bar: Progress | None = None
    last_line: float = field(default_factory=time.perf_counter)
    last_line_epoch: int = -1

    def __enter__(self) -> Recorder:
        if self.verbose and _can_show_bar():
            self._show_bar()
        return self

    def _show_bar(self) -> None:
        from rich.console import Console
        from rich.progress import Progress, TextColumn

        columns = (*Progress.get_default_columns(), TextColumn("{task.fields[loss]}"))
        self.bar = Progress(*columns, console=Console(stderr=True))
        self.bar.start()
        self.bar.add_task("training", total=self.max_epochs, loss="")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar:
            # Training that ends before the last epoch is complete too.
            self.bar.update(self.bar.task_ids[0], total=self.epoch, completed=self.epoch)
            self.bar.stop()
        elif self.verbose and self.epoch != self.last_line_epoch and self.epochs:
            self._write_line()

    def _write_line(self) -> None:
        """Where training is, on stderr."""
        self.last_line, self.last_line_epoch = time.perf_counter(), self.epoch
        print(
            f"epoch {self.epoch} of {self.max_epochs}: {self._loss()}, "
            f"{self.last_line - self.started:.0f} s",
            file=sys.stderr,
            flush=True,
        )

    def _loss(self) -> str:
        """The last loss of the member that is farthest: on held-out rows, if there are any."""
        farthest = max(self.epochs, key=len)[-1]
        return f"loss {farthest[2] if np.isfinite(farthest[2]) else farthest[1]:.4g}"

    @property
    def epoch(self) -> int:
        """Epochs recorded so far of the member that is farthest, the start not counted."""
        return max((len(rows) - 1 for rows in self.epochs), default=0)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Epochs recorded of each member, the start counted."""
        return tuple(map(len, self.epochs))

    def go_on(self, epochs: list[list[np.ndarray]], *, is_complete: bool) -> None:
        """Begin with what an earlier run recorded."""
        self.epochs = epochs
        self.last_line_epoch = self.epoch
        if self.verbose and epochs and not is_complete:
            print(f"training goes on after epoch {self.epoch} of {self.max_epochs}", file=sys.stderr)

    def cut(self, lengths: tuple[int, ...]) -> None:
        """Forget what was recorded since the histories had these lengths."""
        self.epochs = [rows[:length] for rows, length in zip(self.epochs, lengths, strict=False)]

    def add(self, records: Float[np.ndarray, "passes 4"] | Float[np.ndarray, "M passes 4"]) -> None:
        """Records of one call: (epoch, train loss, held-out loss, rate), with epoch −1 where none is."""
        of_members = records.reshape(self.n_members, -1, 4)
        is_epoch = of_members[..., 0] >= 0
        if not is_epoch.any():
            return
        now = time.perf_counter()
        n_new = max(1, int(np.max(np.sum(of_members[..., 0] > 0, axis=1))))
        self.seconds_per_epoch = (now - self.clock) / n_new
        self.clock = now
        self.epochs = self.epochs or [[] for _ in range(self.n_members)]
        share = self.seconds_per_epoch / self.n_members
        for rows, done, record in zip(self.epochs, is_epoch, of_members, strict=True):
            rows += [np.append(row, share if row[0] > 0 else 0.0) for row in record[done]]
        waited = now - self.started > SECONDS_WITHOUT_BAR
        if self.verbose is None and self.bar is None and waited and _somebody_is_looking():
            self._show_bar()
        if self.bar:
            self.bar.update(self.bar.task_ids[0], completed=self.epoch, loss=self._loss())
        elif self.verbose and now - self.last_line > SECONDS_BETWEEN_LINES:
            self._write_line()

    def passes_in(self, seconds: float, most: int) -> int:
        """How many more epochs fit into one call of about ``seconds``."""
        affordable = int(seconds / max(1e-9, self.seconds_per_epoch))
        return int(np.clip(affordable, 1, min(most, self.max_epochs - self.epoch)))

    def history(self, member: int = 0) -> dict[str, np.ndarray]:
        """Of one member, a column for each of ``COLUMNS``."""
        rows = self.epochs[member] if self.epochs else []
        table = np.array(rows).reshape(-1, len(COLUMNS))
        columns = dict(zip(COLUMNS, table.T.copy(), strict=True))
        return columns | {"epoch": columns["epoch"].astype(int)}
