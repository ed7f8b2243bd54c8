"""Files that are written completely or not at all, and the digest that tells an altered one."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

TOKEN_BYTES = 4
"""Of the random part of a temporary file's name."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place, or leaves no trace.

    It is on the disk before it takes the place, so that a loss of power leaves the old file or the new
    one. A link stays a link, to the new file, and who may read the old file may read the new one. An
    OSError raised while it is written, such as a full disk's, names ``path``; one that names another
    file is left as it is.
    """
    # Threads, and processes of several machines that share a disk, have files of their own.
    target = place_of(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(TOKEN_BYTES)}.tmp")
    try:
        yield temporary
        with temporary.open("r+b") as written:
            os.fsync(written.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
        _flush_folder(target.parent)
    except OSError as error:
        if error.filename is not None and str(error.filename) != str(temporary):
            raise
        reason = error.strerror or f"not written completely ({error})"
        raise OSError(error.errno or errno.EIO, reason, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def place_of(path: Path) -> Path:
    """Where a file is that is written to a path: elsewhere, if the path is a link."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _flush_folder(folder: Path) -> None:
    """Have the new name on the disk too, where the system can open a folder."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some file systems of networks cannot; the file itself is on the disk.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_left_over(path: Path) -> None:
    """Remove the temporary files of ``path`` that killed processes left."""
    token = "[0-9a-f]" * 2 * TOKEN_BYTES
    path = place_of(path)
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.{token}.tmp"):
        temporary.unlink(missing_ok=True)


def digest(text: str, arrays: Mapping[str, np.ndarray]) -> UInt8[np.ndarray, " 32"]:
    """SHA-256 of a text and of every array, with its name, type and shape: 32 bytes."""
    found = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        found.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        found.update(np.ascontiguousarray(array).data)
    return np.frombuffer(found.digest(), np.uint8)
