"""Tasks that do not need one another, some at a time: in processes, or wherever joblib is told to."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from sklearn.utils.parallel import Parallel, delayed

Result = TypeVar("Result")


def in_jobs(
    function: Callable[..., Result], tasks: Iterable[tuple[Any, ...]], n_jobs: int | None
) -> list[Result]:
    """``function(*task)`` of each task, in their order.

    ``n_jobs`` run at a time, by joblib; None is 1, unless ``joblib.parallel_config`` says otherwise.
    What tasks warn of is said here, wherever they ran, and an error of one is raised here.
    """
    heard = Parallel(n_jobs=n_jobs)(delayed(_heard)(function, *task) for task in tasks)
    for _, said in heard:
        for message, category in said:
            warnings.warn(message, category, stacklevel=3)
    return [result for result, _ in heard]


def _heard(
    function: Callable[..., Result], *task: object
) -> tuple[Result, list[tuple[str, type[Warning]]]]:
    """The result, and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        result = function(*task)
    return result, [(str(one.message), one.category) for one in caught]
