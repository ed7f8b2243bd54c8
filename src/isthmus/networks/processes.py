"""JAX and processes: its threads do not live on in a process that was forked."""

from __future__ import annotations

import os

_computing: set[int] = set()
"""The process that has used JAX, inherited by those that are forked from it."""


def check_process() -> None:
    """Raise RuntimeError in a process forked from one that has computed, where JAX would hang."""
    if not _computing:
        _computing.add(os.getpid())
    elif os.getpid() not in _computing:
        raise RuntimeError(
            "this process was forked from one in which isthmus has computed, and JAX would hang here, "
            "because its threads were not copied. Start processes with "
            "multiprocessing.get_context('spawn') or 'forkserver', or use joblib, which does"
        )
