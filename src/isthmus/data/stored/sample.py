"""Some of very many rows in a temporary file, from which any few of them are quickly read."""

from __future__ import annotations

import errno
import tempfile
import threading
import weakref
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int, Num

from isthmus.data.rows import dense

if TYPE_CHECKING:
    from isthmus.data.rows import Block

MOST_BYTES = 2**32
"""Size of the file at most."""


def evenly_chosen(
    n_rows: int, count: int, left_out: Int[np.ndarray, " k"], seed: int
) -> Int[np.ndarray, " m"]:
    """Numbers of rows, ascending: one at a random place in each of ``count`` equal steps.

    Those that are left out are not among them.
    """
    n_steps = min(n_rows, count)
    # Steps from whole number to whole number, so that no two have a row in common.
    length, rest = divmod(n_rows, n_steps)
    numbers = np.arange(n_steps + 1, dtype=np.int64)
    edges = numbers * length + numbers * rest // n_steps
    shift = np.random.default_rng(seed).random(n_steps)
    chosen = edges[:-1] + (shift * np.diff(edges)).astype(np.int64)
    return chosen[~np.isin(chosen, left_out)]


class SampleFile:
    """Rows in a temporary file by their numbers, which ascend; it vanishes with its last user.

    The file is where the system keeps temporary ones, which the variable TMPDIR says.
    """

    def __init__(self, numbers: Int[np.ndarray, " m"], n_columns: int, dtype: np.dtype) -> None:
        self.numbers, self.n_columns, self.dtype = numbers, n_columns, dtype
        file = tempfile.TemporaryFile(prefix="isthmus-sample-", buffering=0)  # noqa: SIM115
        weakref.finalize(self, file.close)
        self._file, self._lock = file, threading.Lock()

    def append(self, rows: Block) -> None:
        """The next rows, in the order of the numbers; an OSError where the disk is full says so."""
        if not rows.shape[0]:
            return
        content = np.ascontiguousarray(dense(rows), self.dtype).data.cast("B")
        try:
            while len(content):
                content = content[self._file.write(content) :]
        except OSError as error:
            size = len(self.numbers) * self.n_columns * self.dtype.itemsize / 2**30
            raise OSError(
                error.errno or errno.EIO,
                f"a file of the rows that training takes, {size:.1f} GiB, cannot be written to "
                f"{tempfile.gettempdir()} ({error.strerror}): set TMPDIR to a folder with room",
            ) from error

    def at(self, numbers: Int[np.ndarray, " k"]) -> Num[np.ndarray, "k D"] | None:
        """These rows, given by ascending numbers, or None where one of them is not in the file."""
        if not len(numbers) or not len(self.numbers):
            return None
        places = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
        if not np.array_equal(self.numbers[places], numbers):
            return None
        rows = np.empty((len(places), self.n_columns), self.dtype)
        content, row_bytes = rows.data.cast("B"), self.n_columns * self.dtype.itemsize
        # Neighbouring rows are read together.
        starts = np.flatnonzero(np.diff(places, prepend=-2) != 1).tolist()
        with self._lock:
            for start, stop in zip(starts, [*starts[1:], len(places)], strict=True):
                self._file.seek(int(places[start]) * row_bytes)
                self._read_into(content[start * row_bytes : stop * row_bytes])
        return rows

    def _read_into(self, content: memoryview) -> None:
        """Fill a stretch of memory from the file, from which a system reads some 2 GiB at a time."""
        while len(content):
            n_read = self._file.readinto(content)
            if not n_read:
                raise OSError(
                    errno.EIO,
                    f"the file of the rows that training takes ended early, in {tempfile.gettempdir()}: "
                    "start again, with TMPDIR set to a folder on another disk if it happens again",
                )
            content = content[n_read:]
