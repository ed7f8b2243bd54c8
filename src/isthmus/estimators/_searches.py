"""Fits within a search of scikit-learn, over settings and splits: what many would say is said once."""

from __future__ import annotations

import inspect
import multiprocessing
from collections.abc import Iterator, Sequence

SEARCHES = "sklearn.model_selection"

_SAID = "_isthmus_said"
"""The name under which the call of a search keeps the kinds of warnings that were said in it."""

_said_by_worker: set[type[Warning]] = set()


def said_once(found: Sequence[Warning]) -> Iterator[Warning]:
    """These warnings; within a search those of a kind that was not said in it yet."""
    said = _said_in_search() if found else None
    for warning in found:
        kind = type(warning)
        if said is None:
            yield warning
        elif kind not in said:
            said.add(kind)
            yield kind(f"In this search, and perhaps in more than one of its fits: {warning}")


def _said_in_search() -> set[type[Warning]] | None:
    """What was said in the outermost search that is running; None if there is none.

    The call of the search keeps it, so that it ends with the search. A worker process sees only its own
    part of one, and says a kind once for all.
    """
    frame, outermost = inspect.currentframe(), None
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(SEARCHES):
            outermost = frame
        frame = frame.f_back
    if outermost is None:
        return None
    if multiprocessing.current_process().name != "MainProcess":
        return _said_by_worker
    said: set[type[Warning]] = outermost.f_locals.setdefault(_SAID, set())
    return said
