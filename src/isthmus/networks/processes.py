"""JAX and processes: whether it can compute in this one."""

from __future__ import annotations

import os

import jax

_computing: set[int] = set()
"""The process that has used JAX, inherited by those that are forked from it."""


class BackendError(RuntimeError):
    """JAX cannot start: the device that it is to use is not there, or its driver does not answer."""


def check_process() -> None:
    """Raise where JAX cannot compute: BackendError if it does not start, RuntimeError after a fork.

    A process that was forked from one that has computed would hang, for want of JAX's threads.
    """
    if not _computing:
        try:
            jax.devices()
        except Exception as error:  # of a missing device, an assertion without a word
            asked = os.environ.get("JAX_PLATFORMS")
            raise BackendError(
                f"JAX, which isthmus computes with, does not start{f' on {asked!r}' if asked else ''}"
                f"{f': {error}' if str(error) else ''}. Set the environment variable "
                "JAX_PLATFORMS=cpu, or mend the driver of the device"
            ) from error
        _computing.add(os.getpid())
    elif os.getpid() not in _computing:
        raise RuntimeError(
            "this process was forked from one in which isthmus has computed, and JAX would hang here, "
            "because its threads were not copied. Start processes with "
            "multiprocessing.get_context('spawn') or 'forkserver', or use joblib, which does"
        )
