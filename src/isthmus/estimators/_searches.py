"""Fits within a search of scikit-learn, over settings and splits: what many would say is said once."""

from __future__ import annotations

import inspect
import multiprocessing
from collections.abc import Iterable, Iterator
from types import FrameType

SEARCHES = "sklearn.model_selection"

_said: dict[type[Warning], object] = {}
"""The search in which a warning of each kind was last said."""


def said_once(found: Iterable[Warning]) -> Iterator[Warning]:
    """These warnings; within a search those of a kind that was not said in it yet, in general words."""
    search = _search()
    for warning in found:
        kind = type(warning)
        if search is None:
            yield warning
        elif _said.get(kind) != search:
            _said[kind] = search
            yield kind(f"In this search, and perhaps in more than one of its fits: {warning}")


def _search() -> object:
    """What tells one search from another: its outermost call; a worker process is in one alone."""
    frame: FrameType | None = inspect.currentframe()
    outermost = None
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(SEARCHES):
            outermost = frame
        frame = frame.f_back
    if outermost is None:
        return None
    is_worker = multiprocessing.current_process().name != "MainProcess"
    return "worker" if is_worker else (id(outermost), outermost.f_code)
