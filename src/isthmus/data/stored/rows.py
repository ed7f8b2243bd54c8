"""Rows that are kept elsewhere, as the protocol of rows: read in parts, checked as they are read.

A *store* knows where its rows are and reads one part of them. ``StoredRows`` keeps the last few parts,
reads the next one ahead where rows are read in order, and looks through all of them once for what a fit
wants to know beforehand.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial, reduce
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
from jaxtyping import Int
from threadpoolctl import threadpool_limits

from isthmus.data.moments import Summary
from isthmus.data.rows import NONE, Index, dense
from isthmus.data.stored.sample import MOST_BYTES, SampleFile, evenly_chosen
from isthmus.data.stored.store import Store, StoreError
from isthmus.data.stored.survey import Check, Found, Kept, PartSurvey, Survey, joined
from isthmus.data.wording import counted

if TYPE_CHECKING:
    from isthmus.data.rows import Block

BLOCK_BYTES = 2**28
"""Rows of a training block, in float32: three such blocks are in memory at a time, one of them read
ahead of its use."""

PARTS_KEPT = 3
"""Parts that stay in memory: neighbouring ones, of which rows are taken in turn, and one read ahead."""

SAMPLE_BYTES = 2**26
LEAST_SAMPLE, MOST_SAMPLE = 2_000, 100_000
"""Rows that are kept in memory as a sample of all, for what needs some of them."""


@dataclass(frozen=True)
class Processes:
    """Processes that read rows together: how many, which of them this is, and how they exchange values.

    ``gathered`` gives a value of each, in their order, to all. ``in_each`` calls a function, and where
    it raises in one process, raises that in all.
    """

    count: int
    index: int
    gathered: Callable[[Found], list[Found]]
    in_each: Callable[[Callable[[], Found]], Found]


ALONE = Processes(1, 0, lambda value: [value], lambda function: function())


class StoredRows:
    """Rows (n, D) of a store: what ``isthmus.scan`` returns, and every ``fit`` and ``transform`` takes.

    ``rows[a:b]`` and ``rows[numbers]`` are arrays, and read what they need. NaN (unless
    ``allow_nan``), infinities and numbers beyond single precision raise a ``StoreError`` that names the
    place when they are read.

    Parameters
    ----------
    store : Store
        Where the rows are kept; ``isthmus.scan`` finds it.
    block_bytes : int, default 256 MiB
        Rows in memory that are trained on at a time, in float32.
    allow_nan : bool, default False
        Whether NaN is a missing entry, and no error.

    Examples
    --------
    >>> import isthmus, numpy as np
    >>> rows = isthmus.scan(np.arange(12.0).reshape(6, 2))  # or a path, or blocks
    >>> rows.shape, len(rows), rows.names
    ((6, 2), 6, None)
    >>> rows[2:4].tolist()
    [[4.0, 5.0], [6.0, 7.0]]
    >>> rows[[5, 0]].tolist()
    [[10.0, 11.0], [0.0, 1.0]]
    """

    def __init__(self, store: Store, block_bytes: int = BLOCK_BYTES, *, allow_nan: bool = False) -> None:
        self.store = store
        self.names = store.names
        self.block_bytes = block_bytes
        self.allow_nan = allow_nan
        self._checked = np.zeros(len(store.part_starts) - 1, bool)
        self._parts: OrderedDict[int, Future[Block]] = OrderedDict()
        self._last_part = -2
        self._reader: ThreadPoolExecutor | None = None
        self._lock = threading.RLock()
        self._survey: Survey | None = None
        self._sample: SampleFile | None = None
        self._chosen: Int[np.ndarray, " m"] | None = None
        self._processes, self._own_parts = ALONE, range(len(store.part_starts) - 1)

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (self.store, self.block_bytes, self.allow_nan)

    def __repr__(self) -> str:
        n, D = self.shape
        size = f"{counted(n, 'row')} × {counted(D, 'column')}"
        return f"<StoredRows: {size}, {self.dtype}, from {self.store.place(0)} on>"

    @property
    def shape(self) -> tuple[int, int]:
        """(n, D): how many rows and columns there are."""
        return int(self.store.part_starts[-1]), self.store.n_columns

    @property
    def dtype(self) -> np.dtype:
        """Type of the entries, as parts are read."""
        return self.store.dtype

    @property
    def run_starts(self) -> Int[np.ndarray, " runs_and_one"]:
        """Where each run of rows begins that is best read as a whole, and where the last one ends."""
        return self.store.run_starts

    def __len__(self) -> int:
        return self.shape[0]

    def without_rows(self) -> pa.Table | np.ndarray:
        """A table of the same columns with no rows, which stands for them where names are compared."""
        if self.names is None:
            return np.empty((0, self.shape[1]), self.dtype)
        return pa.table({name: pa.array([], pa.float64()) for name in self.names})

    def without_names(self) -> StoredRows:
        """The same rows, in which columns have no names; it shares what is in memory."""
        return self._with(names=None)

    def shared_by(self, processes: Processes) -> StoredRows:
        """The same rows, where each of these processes looks through its own part of them.

        Parameters
        ----------
        processes : Processes
            Which train together, and how they exchange values.
        """
        if processes == self._processes:
            return self
        bounds = self._first_parts(processes.count)[processes.index : processes.index + 2]
        of_fit = dict.fromkeys(("_survey", "_sample", "_chosen"))
        return self._with(_processes=processes, _own_parts=range(*map(int, bounds)), **of_fit)

    def _with(self, **changed: object) -> StoredRows:
        other = object.__new__(StoredRows)
        vars(other).update(vars(self), **changed)
        return other

    def allowing_nan(self, allow_nan: bool) -> StoredRows:
        """The same rows, in which NaN is allowed or not.

        Parameters
        ----------
        allow_nan : bool
            Whether NaN is a missing entry, and no error.
        """
        if allow_nan == self.allow_nan:
            return self
        other = StoredRows(self.store, self.block_bytes, allow_nan=allow_nan)
        return other.shared_by(self._processes)

    def __getitem__(self, index: Index, /) -> Block:
        if isinstance(index, slice):
            start, stop, step = index.indices(self.shape[0])
            if step == 1:
                return self._between(start, max(start, stop))
            index = np.arange(start, stop, step)
        if isinstance(index, tuple):
            raise TypeError(
                "rows that are kept elsewhere are taken by a slice or by their numbers alone; where "
                "scikit-learn splits rows, as for cross-validation, pass some: rows[::100]"
            )
        numbers = np.asarray(index)
        if numbers.dtype == bool:
            if numbers.shape != (len(self),):
                raise IndexError(f"a mask of shape {numbers.shape} does not fit {len(self):,} rows")
            return self._at(np.flatnonzero(numbers))
        if numbers.ndim == 0:
            return cast("Block", self._at(self._from_the_start(numbers[None]))[0])
        return self._at(self._from_the_start(numbers))

    def _from_the_start(self, numbers: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
        """Negative numbers count from the end."""
        return np.where(numbers < 0, numbers + len(self), numbers)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        n, D = self.shape
        n_bytes = n * D * self.dtype.itemsize
        if n_bytes > self.block_bytes:
            raise StoreError(
                f"all {n:,} rows are needed in memory at once, and they take {n_bytes / 2**30:.1f} GiB: "
                "pass some of them, such as rows[::100]"
            )
        return np.asarray(dense(self[:]), dtype)

    def _between(self, start: int, stop: int) -> Block:
        starts = self.store.part_starts
        first = int(np.searchsorted(starts, start, side="right")) - 1
        pieces: list[Block] = []
        for part in range(max(0, min(first, len(starts) - 2)), len(starts) - 1):
            begin = int(starts[part])
            if begin >= stop and pieces:
                break
            pieces.append(self._part(part)[max(0, start - begin) : max(0, stop - begin)])
        return joined(pieces)

    def _at(self, numbers: Int[np.ndarray, " k"]) -> Block:
        in_memory = None if self._survey is None else self._survey.kept.at(numbers)
        if in_memory is not None:
            return in_memory
        order = np.argsort(numbers, kind="stable")
        ascending, starts = numbers[order], self.store.part_starts
        sampled = None if self._sample is None else self._sample.at(ascending)
        if sampled is not None:
            return sampled[np.argsort(order, kind="stable")]
        if len(numbers) and not (ascending[0] >= 0 and ascending[-1] < starts[-1]):
            raise IndexError(f"rows are numbered from 0 to {starts[-1] - 1}")
        bounds = np.searchsorted(ascending, starts)
        pieces = [
            self._part(part)[ascending[bounds[part] : bounds[part + 1]] - starts[part]]
            for part in range(len(starts) - 1)
            if bounds[part] < bounds[part + 1]
        ]
        found = joined(pieces) if pieces else self._between(0, 0)
        return found[np.argsort(order, kind="stable")]

    def _part(self, part: int) -> Block:
        """A part of the rows, and where parts are read in order, the next one ahead."""
        with self._lock:
            self._reader = self._reader or ThreadPoolExecutor(1, thread_name_prefix="isthmus-rows")
            ahead = part == self._last_part + 1 and part + 1 in self._own_parts
            for number in [part, part + 1] if ahead else [part]:
                if number not in self._parts:
                    self._parts[number] = self._reader.submit(self._read, number)
            self._last_part = part
            self._parts.move_to_end(part)
            while len(self._parts) > PARTS_KEPT:
                self._parts.popitem(last=False)
            reading = self._parts[part]
        try:
            return reading.result()
        except BaseException:
            with self._lock:
                self._parts.pop(part, None)
            raise

    def _read(self, part: int) -> Block:
        start = int(self.store.part_starts[part])
        rows = self._check(part)(
            self.store.read(part),
            lambda row: self.store.place(start + row),
            values=not self._checked[part],
        )
        self._checked[part] = True
        return rows

    def _check(self, part: int) -> Check:
        start, stop = map(int, self.store.part_starts[part : part + 2])
        return Check((stop - start, self.shape[1]), self.names, self.allow_nan)

    # What a fit wants to know beforehand.

    def summary(self, left_out: Int[np.ndarray, " k"] = NONE) -> Summary:
        """Statistics of all rows but some, from one pass.

        The pass keeps the rows that are left out, and a sample of all. Raises StoreError, with the
        place, for an entry that is not a finite number.

        Parameters
        ----------
        left_out : array (k,) of int, default none
            Numbers of rows, ascending, such as those that are held out.
        """
        survey = self._survey
        if survey is not None and not len(left_out) and len(survey.left_out):
            others = self._at(survey.left_out)
            return survey.summary.merge(Summary.of(others, survey.summary.moments is not None))
        if survey is None or not np.array_equal(survey.left_out, left_out):
            survey = self._survey = self._surveyed(np.asarray(left_out))
        return survey.summary

    def keep_for_training(self, count: int | None, left_out: Int[np.ndarray, " k"]) -> None:
        """Keep so many rows, evenly chosen, in a file: training takes them in random order.

        Rows that lie sorted then cost nothing. It is done in the pass that gives the summary. At most
        ``sample.MOST_BYTES`` are kept. None are kept where a single block holds all rows, or where all
        are to be and they are more than that.

        Parameters
        ----------
        count : int or None
            How many rows; None is all.
        left_out : array (k,) of int
            Numbers of rows, ascending, that are not among them.
        """
        n, D = self.shape
        if 4 * n * D <= self.block_bytes:
            return
        most = MOST_BYTES // (D * self.dtype.itemsize)
        if count is None and n > most:
            return
        count = min(count or n, most)
        numbers = evenly_chosen(n, count, left_out, seed=1)
        if self._chosen is not None and np.array_equal(self._chosen, numbers):
            return
        low, high = np.searchsorted(numbers, self._bounds_of(self._own_parts))
        self._sample, sample = None, SampleFile(numbers[low:high], D, self.dtype)
        self._survey = self._surveyed(left_out, sample)
        self._sample, self._chosen = sample, numbers

    def training_numbers(self) -> Int[np.ndarray, " m"] | None:
        """Numbers of the rows that are kept for training, ascending; None where all are read anew."""
        return self._chosen

    def process_starts(self, n_processes: int) -> Int[np.ndarray, " processes"]:
        """Where the rows begin that each of several processes looks through: about as many in each.

        Parameters
        ----------
        n_processes : int
            How many.
        """
        return np.asarray(self.store.part_starts[self._first_parts(n_processes)[:-1]])

    def _first_parts(self, n_processes: int) -> Int[np.ndarray, " processes_and_one"]:
        """The first part of each process, and where the last one's end."""
        starts = self.store.part_starts
        middles = (starts[:-1] + starts[1:]) / 2
        wanted = len(self) * np.arange(n_processes + 1) / n_processes
        return np.asarray(np.searchsorted(middles, wanted))

    def _bounds_of(self, parts: range) -> Int[np.ndarray, " 2"]:
        """Where the rows of some parts begin and end."""
        return self.store.part_starts[[parts.start, parts.stop]]

    def some_numbers(self) -> Int[np.ndarray, " m"]:
        """Numbers of rows in memory, ascending: one at a random place in each of equal steps."""
        if self._survey is None:
            self.summary()
        assert self._survey is not None
        return self._survey.sample

    def _surveyed(self, left_out: Int[np.ndarray, " k"], sample: SampleFile | None = None) -> Survey:
        n, D = self.shape
        size = int(np.clip(SAMPLE_BYTES // (D * self.dtype.itemsize), LEAST_SAMPLE, MOST_SAMPLE))
        some = evenly_chosen(n, size, NONE, seed=0)
        wanted = np.union1d(some, left_out)
        found = self._found(wanted, left_out, sample)
        if found.summary is None:
            raise StoreError(
                f"all {n:,} rows are held out, and none is left to train on: hold out fewer"
            )
        return Survey(left_out, found.summary, some, Kept(wanted, found.kept))

    def _found(
        self,
        wanted: Int[np.ndarray, " m"],
        left_out: Int[np.ndarray, " k"],
        sample: SampleFile | None,
    ) -> Found:
        """One pass, made where the store computes if it does not here; it fills the sample."""
        starts = self.store.part_starts
        surveys = [
            PartSurvey(self._check(part), _within(wanted, *bounds), _within(left_out, *bounds))
            for part, bounds in enumerate(pairwise(starts))
        ]
        reduce_parts = getattr(self.store, "reduce_parts", None)
        if reduce_parts is None or self._processes is not ALONE:
            own = self._processes.in_each(partial(self._found_here, surveys, sample))
            return reduce(Found.merge, self._processes.gathered(own))
        found: Found = reduce_parts(surveys, Found.merge)
        self._checked[:] = True
        if sample is not None:
            for part in range(len(surveys)):
                self._add_to(sample, part)
        return found

    def _add_to(self, sample: SampleFile, part: int) -> None:
        bounds = self.store.part_starts[part : part + 2]
        sample.append(self._part(part)[_within(sample.numbers, *map(int, bounds))])

    def _found_here(self, surveys: Sequence[PartSurvey], sample: SampleFile | None) -> Found:
        """What this process finds in its own parts.

        One processor reads ahead. Threads of linear algebra beside it would wait for one another: with
        two processors the pass took a third longer.
        """
        summary: Summary | None = None
        kept: list[Block] = []
        with threadpool_limits(max(1, (os.cpu_count() or 2) - 1), "blas"):
            for part in self._own_parts:
                found = surveys[part].of(self._part(part))
                if sample is not None:
                    self._add_to(sample, part)
                kept.append(found.kept)
                if found.summary is not None:
                    summary = found.summary if summary is None else summary.merge(found.summary)
        return Found(summary, joined(kept) if kept else np.empty((0, self.shape[1]), self.dtype))


def _within(numbers: Int[np.ndarray, " k"], start: int, stop: int) -> Int[np.ndarray, " m"]:
    """Those of ascending numbers from ``start`` to before ``stop``, counted from there."""
    low, high = np.searchsorted(numbers, [start, stop])
    return np.asarray(numbers[low:high] - start)


def _again(store: Store, block_bytes: int, allow_nan: bool) -> StoredRows:
    return StoredRows(store, block_bytes, allow_nan=allow_nan)
