"""Checkpoints: a training that was killed goes on from its last one, and ends with the same bits.

A checkpoint is one safetensors file: what compiled calls hand on (weights, optimiser, counters, the best
so far), where training was in the source, and the history, with a JSON header that says which fit it is
of. It is written beside its place, flushed, and renamed, so that it is there as a whole or not at all.

    isthmus-0000-00000012.safetensors     the twelfth checkpoint of the first training of a fit

Of several processes that train together the first alone reads and writes them.

The loop needs no more than that: its batches, blocks and draws depend on their numbers and a seed alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from numbers import Integral
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import PyTree

import isthmus
from isthmus.data.atomic import digest
from isthmus.training import processes
from isthmus.training._checkpoint_file import (
    FORMAT,
    DamagedError,
    Saved,
    arrays_of,
    filled,
    host_array,
    read,
    write,
)
from isthmus.training._compiled import State

NAME = re.compile(r"isthmus-(\d{4,})-(\d{8,})\.safetensors")
"""Number of the training within its fit, and of the checkpoint within the training."""

LEFT_OVER = re.compile(rf"\.{NAME.pattern}\.\d+\.tmp")
"""What a process leaves that is killed while it writes."""

MOST_SHOWN = 160
"""Characters of a value in an error."""


@dataclass(frozen=True)
class Checkpoint:
    """Where ``fit(…, checkpoint=…)`` keeps its training, how often, and how many of its checkpoints.

    A fit that is killed at any moment, and started again with the same data, parameters and folder, goes
    on from its last checkpoint. On the same machine it ends with the bits of one that was never
    interrupted. A fit that is complete is not trained again: its result comes at once. With
    ``random_state=None`` the seed of the first run is kept in the folder and used again.

    Instead of a ``Checkpoint`` with its defaults ``fit`` takes the folder alone.

    Parameters
    ----------
    folder : str or path
        Of one fit alone, and of one process at a time; it is created if it is missing. Files of other
        names are never touched, and a folder that holds only such is refused.
    seconds : float, default 60
        Least time between two checkpoints, which is what a killed fit may lose. The first is written
        after the first compiled call, so that a folder that cannot be written to is known at once; one
        more when training is interrupted by Ctrl-C, and one at its end. Writing takes some hundredths of
        a second for a network of the default size.
    keep : int, default 2
        Newest checkpoints of a training that stay. With two, a damaged one still leaves the one before.

    Raises
    ------
    ValueError
        By ``fit``, if the folder is of a fit of other data or other parameters: it says what differs.
        Data are known by their shape, their type, and a hash of evenly spaced rows, about a mebibyte
        of them: of larger data, a change in the other rows is not seen by it. A change that moves where
        training begins, as most do, is warned of.
    OSError
        By ``fit``, if a checkpoint cannot be written; the last whole one stays.

    Warns
    -----
    UserWarning
        If the newest checkpoint is damaged: which file. The one before it is used; if none is whole,
        training starts from the beginning.

    Examples
    --------
    >>> import isthmus, tempfile
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> model = isthmus.Autoencoder(2, widths=(32,), max_epochs=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Z = model.fit(X, checkpoint=isthmus.Checkpoint(folder, seconds=10)).transform(X)
    ...     again = model.fit(X, checkpoint=folder)  # which is complete, and comes from the folder
    >>> bool((again.transform(X) == Z).all())
    True
    """

    folder: str | os.PathLike[str]
    seconds: float = 60.0
    keep: int = 2

    def __post_init__(self) -> None:
        if not isinstance(self.folder, str | os.PathLike):
            raise TypeError(f"checkpoint={self.folder!r}: expected a folder, or an isthmus.Checkpoint")
        if not self.seconds >= 0:
            raise ValueError(f"seconds={self.seconds!r}: expected a number of at least 0")
        if not isinstance(self.keep, Integral) or self.keep < 1:
            raise ValueError(f"keep={self.keep!r}: expected an integer of at least 1: how many to keep")


CheckpointLike: TypeAlias = str | os.PathLike[str] | Checkpoint
"""What ``fit`` takes: a folder, or one with how often and how many."""


@dataclass(frozen=True)
class Reached:
    """Where a training is after a compiled call: all that it goes on from.

    ``passes`` over blocks and ``blocks`` are counted from the beginning. ``lengths`` are those of the
    members' histories, ``reasons`` why each of them ends here, empty where one does not.
    """

    state: State
    passes: int = 0
    blocks: int = 0
    lengths: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ("",)

    @property
    def is_complete(self) -> bool:
        return all(self.reasons)


class FitCheckpoints:
    """The checkpoints of one fit, which trains once or several times, in its folder.

    ``identity`` says in words what the fit is of, each part by a name: parameters and data. Raises
    ValueError where the folder is of another fit, or of something else, and OSError where it cannot be
    made.
    """

    def __init__(self, checkpoint: CheckpointLike, identity: Mapping[str, str]) -> None:
        self.settings = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
        self.identity = dict(identity)
        self.folder = Path(self.settings.folder)
        self.seeds: list[int] = []
        self._first = processes.from_first(self._open)

    def _open(self) -> Saved | None:
        """Make the folder, or read the newest checkpoint of the first training that it has."""
        self._make_folder()
        trainings = sorted({int(match[1]) for match in map(NAME.fullmatch, self._names()) if match})
        found = next((found for one in trainings if (found := self._newest_whole(one))), None)
        for name in self._names():
            if LEFT_OVER.fullmatch(name):
                (self.folder / name).unlink(missing_ok=True)
        return found

    def seeds_of(self, drawn: list[int]) -> list[int]:
        """The seeds of the run that was killed; of the first run, those that were drawn now."""
        self.seeds = drawn if self._first is None else list(self._first.header["seeds"])
        return self.seeds

    def of_training(self, number: int) -> TrainingCheckpoints:
        """Those of the fit's training with this number, from 0 on."""
        found, self._first = self._first, None
        if found is None or int(found.header["training"]) != number:
            found = processes.from_first(partial(self._newest_whole, number))
        return TrainingCheckpoints(self, number, found)

    def paths(self, training: int) -> list[Path]:
        """Files of a training, whole or not, the newest last."""
        numbered = [
            (int(match[2]), self.folder / match[0])
            for match in map(NAME.fullmatch, self._names())
            if match and int(match[1]) == training
        ]
        return [path for _, path in sorted(numbered)]

    def _names(self) -> list[str]:
        return os.listdir(self.folder)

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(
                error.errno,
                f"{error.strerror}: checkpoint= needs a folder that can be written to; name another",
                str(self.folder),
            ) from error
        names = self._names()
        others = sorted(name for name in names if not name.startswith("."))
        if others and not any(map(NAME.fullmatch, others)):
            raise ValueError(
                f"checkpoint={str(self.folder)!r}: the folder holds other files, such as {others[0]!r}, "
                "and checkpoints have a folder of their own: give a new or an empty one"
            )

    def _newest_whole(self, training: int) -> Saved | None:
        """The newest checkpoint that is whole, with a warning of those that are not."""
        paths = self.paths(training)[::-1]
        for path, before in zip_longest(paths, paths[1:]):
            try:
                saved = read(path)
            except DamagedError as error:
                instead = (
                    f"{before.name} is used instead"
                    if before
                    else "there is none before it, and training starts from the beginning"
                )
                warnings.warn(f"the checkpoint {path} is damaged ({error}); {instead}", stacklevel=2)
                continue
            self._check(saved)
            return saved
        return None

    def _check(self, saved: Saved) -> None:
        """Raise for a checkpoint of another fit, with what differs."""
        theirs: dict[str, str] = saved.header["identity"]
        pairs = {
            name: (self.identity.get(name, "not given"), theirs.get(name, "not given"))
            for name in {**self.identity, **theirs}
        }
        differ = [
            "{} is {} here and {} there".format(name, *_shown(*pair))
            for name, pair in pairs.items()
            if pair[0] != pair[1]
        ]
        if differ:
            raise ValueError(
                f"checkpoint={str(self.folder)!r} holds the checkpoints of another fit: "
                f"{'; '.join(differ)}. Give this fit another folder, or delete those checkpoints to "
                "start anew"
            )


class TrainingCheckpoints:
    """The checkpoints of one training: goes on from the newest, and writes new ones when it is time."""

    def __init__(self, fit: FitCheckpoints, number: int, found: Saved | None) -> None:
        self.fit, self.number, self.found = fit, number, found
        self.start = ""
        self.saved_at = -np.inf if found is None else time.monotonic()
        self.saved_passes = 0
        paths = fit.paths(number) if processes.is_first() else []
        self.next_number = 1 + max((int(_match(path)[2]) for path in paths), default=0)
        whole = found.path if found else None
        self.damaged = [path for path in paths if whole is None or path.name > whole.name]

    def resume(self, state: State, fixed: PyTree) -> tuple[Reached, list[list[np.ndarray]]]:
        """Where the killed run was and its members' histories; ``state`` itself if there was none.

        ``fixed`` is what training leaves as it is. Warns if training does not begin at the same bits.
        """
        arrays = {name: host_array(leaf) for name, leaf in arrays_of({"state": state, "fixed": fixed})}
        self.start = bytes(digest("", arrays)).hex()
        if self.found is None:
            return Reached(state), []
        found, self.found = self.found, None
        path, header = found.path, found.header
        if header["start"] != self.start:
            warnings.warn(
                f"{path} is of a training that began at other bits, as on another machine or with other "
                "rows beyond those that were compared: the result will not be that of an uninterrupted "
                "fit to the last bit",
                stacklevel=2,
            )
        self.saved_passes = int(header["passes"])
        reached = Reached(
            filled(state, found),
            self.saved_passes,
            int(header["blocks"]),
            tuple(header["lengths"]),
            tuple(header["reasons"]),
        )
        return reached, [list(found.arrays[f"history.{m}"]) for m in range(len(reached.lengths))]

    def save_if_due(self, reached: Reached, histories: Sequence[Sequence[np.ndarray]]) -> None:
        """Write a checkpoint where the last one is old enough."""
        if time.monotonic() - self.saved_at >= self.fit.settings.seconds:
            self.save(reached, histories)

    def save(self, reached: Reached, histories: Sequence[Sequence[np.ndarray]]) -> None:
        """Write a checkpoint, and delete those that are more than should be kept."""
        if reached.passes == self.saved_passes or not processes.is_first():
            return
        header = {
            "format": FORMAT,
            "isthmus": isthmus.__version__,
            "training": self.number,
            "identity": self.fit.identity,
            "seeds": self.fit.seeds,
            "start": self.start,
            "passes": reached.passes,
            "blocks": reached.blocks,
            "lengths": reached.lengths,
            "reasons": reached.reasons,
        }
        arrays = {f"state{name}": host_array(leaf) for name, leaf in arrays_of(reached.state)}
        for member, (rows, length) in enumerate(zip(histories, reached.lengths, strict=True)):
            arrays[f"history.{member}"] = np.array(rows[:length], np.float64)
        path = self.fit.folder / f"isthmus-{self.number:04d}-{self.next_number:08d}.safetensors"
        with _explained(path):
            write(path, json.dumps(header, allow_nan=False), arrays)
            whole = [one for one in self.fit.paths(self.number) if one not in self.damaged]
            for old in [*self.damaged, *whole[: -self.fit.settings.keep]]:
                old.unlink(missing_ok=True)
        self.damaged = []
        self.next_number += 1
        self.saved_at, self.saved_passes = time.monotonic(), reached.passes


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say of a file that cannot be written what follows, and what to do."""
    try:
        yield
    except OSError as error:
        raise OSError(
            error.errno,
            f"{error.strerror}: the checkpoint could not be written, so training ended. The last whole "
            "one is still there: make room, or allow writing there, and start the same fit again",
            str(path),
        ) from error


def _match(path: Path) -> re.Match[str]:
    match = NAME.fullmatch(path.name)
    assert match is not None
    return match


def _shown(one: str, other: str) -> list[str]:
    """Values that differ, as an error shows them: of long ones, the part where the difference begins."""
    start = 0
    if max(len(one), len(other)) > MOST_SHOWN:
        pairs = enumerate(zip(one, other, strict=False))
        alike = next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
        start = max(0, alike - MOST_SHOWN // 2)
    stop = start + MOST_SHOWN
    return [
        f"{'…' if start else ''}{value[start:stop]}{'…' if len(value) > stop else ''}"
        for value in (one, other)
    ]
