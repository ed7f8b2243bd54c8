"""JAX and processes: its threads do not live on in a process that was forked."""

from __future__ import annotations

import os

import jax

_computing: set[int] = set()
"""The process that has used JAX, inherited by those that are forked from it."""


class BackendError(RuntimeError):
    """JAX cannot start on this machine: the fault is neither the data's nor the model's."""


def check_process() -> None:
    """Raise an error where JAX cannot compute.

    RuntimeError in a process forked from one that has computed, where JAX would hang, and BackendError
    where JAX has no device.
    """
    if not _computing:
        try:
            jax.devices()
        except Exception as error:  # JAX has several, of which AssertionError says nothing
            asked = os.environ.get("JAX_PLATFORMS")
            reason = (str(error).splitlines() or ["no device was found"])[0]
            place = f" with JAX_PLATFORMS={asked!r}" if asked else ""
            raise BackendError(
                f"JAX cannot start{place}: {reason}. JAX_PLATFORMS, of the environment, says what it "
                "computes on: unset it to have JAX choose, or set it to 'cpu'"
            ) from error
        _computing.add(os.getpid())
    elif os.getpid() not in _computing:
        raise RuntimeError(
            "this process was forked from one in which isthmus has computed, and JAX would hang here, "
            "because its threads were not copied. Start processes with "
            "multiprocessing.get_context('spawn') or 'forkserver', or use joblib, which does"
        )
