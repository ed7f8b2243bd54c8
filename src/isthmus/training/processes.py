"""Several processes that train one model together, as JAX connects them: what they tell one another.

Each runs the same program on the same data: ``jax.distributed.initialize()``, and then ``fit``. What
differs from one to another, such as a seed that was drawn, is the first one's in all; an error in one
is raised in all, so that none waits for what will not come. In one process each function here does what
it says without JAX.

    srun -n 4 python fit.py        four processes; each reads a quarter of the rows
"""

from __future__ import annotations

import contextlib
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from isthmus.data.stored.rows import Processes, StoredRows

T = TypeVar("T")

CONNECTION = re.compile(
    r"gloo|nccl|UNAVAILABLE|ABORTED|DEADLINE_EXCEEDED|connection|peer", re.IGNORECASE
)
"""What errors say in which another process, or the way to it, is lost."""


class ProcessLostError(RuntimeError):
    """Another process of those that train together has ended, or cannot be reached."""


def several() -> bool:
    """Whether this process has others beside it."""
    return int(jax.process_count()) > 1


def is_first() -> bool:
    """Whether this is the process that writes files and shows progress, or the only one."""
    return int(jax.process_index()) == 0


def gathered(value: object) -> list[Any]:
    """A value of each process, in their order, in all of them."""
    if not several():
        return [value]
    content = np.frombuffer(pickle.dumps(value), np.uint8)
    with losses_explained():
        sizes = multihost_utils.process_allgather(np.array(len(content)))
        contents = multihost_utils.process_allgather(np.resize(content, sizes.max()))
    return [pickle.loads(one[:size].tobytes()) for one, size in zip(contents, sizes, strict=True)]


def in_each(function: Callable[[], T]) -> T:
    """What the function returns in this process; where it raises in one, all raise that error."""
    if not several():
        return function()
    error: Exception | None = None
    try:
        result = function()
    except ProcessLostError:
        raise
    except Exception as raised:
        error = raised
    errors = gathered(None if error is None else _that_travels(error))
    if error is not None:
        raise error
    for number, of_other in enumerate(errors):
        if of_other is not None:
            of_other.add_note(f"raised in process {number} of {len(errors)}, and so in all")
            raise of_other
    return result


def from_first(function: Callable[[], T]) -> T:
    """The result of the function in all processes, or its error; the first process alone calls it."""
    if not several():
        return function()
    outcome: tuple[T | None, Exception | None] = (None, None)
    if is_first():
        try:
            outcome = function(), None
        except Exception as raised:
            outcome = None, _that_travels(raised)
    content = np.frombuffer(pickle.dumps(outcome), np.uint8)
    with losses_explained():
        size = multihost_utils.broadcast_one_to_all(np.array(len(content)))
        content = multihost_utils.broadcast_one_to_all(np.resize(content, int(size)))
    result, error = pickle.loads(content.tobytes())
    if error is not None:
        raise error
    of_first: T = result
    return of_first


def check_agreement(words: Mapping[str, str]) -> None:
    """Raise ValueError where the processes were given different things; it names the first that is."""
    first, *others = gathered(dict(words))
    for number, of_other in enumerate(others, 1):
        pairs = [(name, first.get(name), of_other.get(name)) for name in {**first, **of_other}]
        name, expected, came = next((pair for pair in pairs if pair[1] != pair[2]), ("", None, None))
        if name:
            raise ValueError(
                f"{name} is {expected or 'not given'} in process 0 and {came or 'not given'} in process "
                f"{number}: give all processes that train together the same arguments, and each of them "
                "all rows; a process finds out by itself which of these it reads"
            )


def shared(rows: Any) -> Any:  # checked rows of any kind
    """Rows that are kept elsewhere as each process reads a part of them; other rows as they are."""
    if not several() or not isinstance(rows, StoredRows):
        return rows
    among = Processes(jax.process_count(), jax.process_index(), gathered, in_each)
    return rows.shared_by(among)


@contextlib.contextmanager
def losses_explained() -> Iterator[None]:
    """Raise ProcessLostError for an error of JAX that says that another process was lost."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        if not several() or isinstance(error, ProcessLostError) or not CONNECTION.search(str(error)):
            raise
        reason = str(error).splitlines()[0]
        raise ProcessLostError(
            f"one of the {jax.process_count()} processes that train together has ended, or cannot be "
            f"reached, so this one (process {jax.process_index()}) ends too: {reason}. Look at what the "
            "others wrote last, and start all of them again; with checkpoint= the training goes on from "
            "the last one"
        ) from error


def _that_travels(error: Exception) -> Exception:
    """The error, or where it cannot be sent to another process, one with its text."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
