"""The memory that a piece of work takes."""

from __future__ import annotations

import ctypes
import gc
import threading
from pathlib import Path
from typing import Self

SAMPLE_SECONDS = 0.005
"""Seconds between two readings of the memory."""

STATUS = Path("/proc/self/status")


class PeakMemory:
    """The largest growth of the process's own memory inside ``with``, in MiB: ``mib``.

    Sampled every five milliseconds from RssAnon, which Linux keeps: memory of mapped files and of an
    accelerator is not in it, nor what the process holds from before and uses again. None elsewhere.
    """

    mib: float | None

    def __enter__(self) -> Self:
        _return_freed()
        self._before = own_mib()
        self._peak = self._before or 0.0
        self._done = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._look()
        self._done.set()
        self._sampler.join()
        self.mib = None if self._before is None else self._peak - self._before

    def _sample(self) -> None:
        while self._before is not None and not self._done.wait(SAMPLE_SECONDS):
            self._look()

    def _look(self) -> None:
        self._peak = max(self._peak, own_mib() or 0.0)


def _return_freed() -> None:
    """Return freed memory to the system if the C library can, so that its reuse counts as growth."""
    gc.collect()
    # Windows has no library of the process itself.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if STATUS.exists() else None
    if trim is not None:
        trim(0)


def own_mib() -> float | None:
    """MiB of memory that is the process's own."""
    try:
        _, found, rest = STATUS.read_text(encoding="ascii").partition("RssAnon:")
    except OSError:
        return None
    return int(rest.split()[0]) / 1024 if found else None
