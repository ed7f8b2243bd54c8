"""Compiled programs, kept between commands: the second fit of equal shape compiles nothing.

They lie in the user's cache folder, one folder for each kind of processor, because a program runs only
on what it was compiled for.
"""

from __future__ import annotations

import contextlib
import os
import platform
from hashlib import blake2b
from pathlib import Path

import platformdirs

MOST_BYTES = 2**28
"""Largest size of the folder: programs that were not used for longest are removed beyond it."""

SETTING = "JAX_COMPILATION_CACHE_DIR"


def keep_programs() -> None:
    """Have JAX, which is not loaded yet, keep its programs, unless the environment says where.

    Where no folder can be made or written, nothing is kept.
    """
    if SETTING in os.environ:
        return
    folder = Path(platformdirs.user_cache_dir("isthmus")) / "programs" / _processor()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_oldest(folder.parent, MOST_BYTES)
    except OSError:
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        return
    os.environ[SETTING] = str(folder)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def _processor() -> str:
    """A name for what the processor can do."""
    features = platform.processor()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        features += "".join(sorted({line for line in lines if line.startswith(("flags", "Features"))}))
    return f"{platform.machine()}-{blake2b(features.encode(), digest_size=6).hexdigest()}"


def _remove_oldest(folder: Path, most_bytes: int) -> None:
    """Remove files, those first that were used longest ago, until the rest is no larger."""
    found = []
    for path in folder.rglob("*"):
        # Another command may remove it meanwhile.
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                status = path.stat()
                found.append((max(status.st_atime, status.st_mtime), status.st_size, path))
    excess = sum(size for _, size, _ in found) - most_bytes
    for _, size, path in sorted(found):
        if excess <= 0:
            return
        path.unlink(missing_ok=True)
        excess -= size
