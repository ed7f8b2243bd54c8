"""What DATA is on the command line: a file that is read into memory, or rows that are read in parts."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from isthmus.data.stored.files import Files
    from isthmus.files.tables import Table

LARGE_BYTES = 2**30
"""Numbers of a Parquet file, in float64, from which on it is read in parts."""

ARRAYS = (".zarr", ".h5", ".hdf5", ".h5ad")
"""Endings of files and folders that hold an array, which are read in parts whatever their size."""

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


@dataclass(frozen=True)
class Stream:
    """Rows that are read in parts: Parquet files, folders of them, patterns and URLs, or one array."""

    given: tuple[str, ...]

    @property
    def is_array(self) -> bool:
        return "://" not in self.given[0] and _ending(self.given[0], ARRAYS)

    @property
    def source(self) -> str | list[str]:
        """What ``isthmus.scan`` takes."""
        return self.given[0] if self.is_array else list(self.given)

    @cached_property
    def files(self) -> Files:
        """The Parquet files. Raises FileNotFoundError where there is none."""
        from isthmus.data.stored.files import parquet_files

        return parquet_files(self.given)

    @property
    def on_this_disk(self) -> list[Path]:
        """The files that are read, as far as they are on a disk of this machine."""
        if self.is_array:
            return [Path(self.given[0])]
        return list(map(Path, self.files.paths)) if self.files.is_local else []

    def table(self) -> Table:
        """The columns of the first of the files, without rows."""
        from isthmus.data.stored.schema import read_head
        from isthmus.files.tables import Table

        path = self.files.paths[0]
        head = read_head(self.files.filesystem, path)
        names = tuple(head.schema.names)
        return Table(Path(path), head.schema.empty_table(), names, index=tuple(head.index))

    def __str__(self) -> str:
        return (
            self.given[0] if len(self.given) == 1 else f"{self.given[0]}, … ({len(self.given)} in all)"
        )


def is_stream(text: str) -> bool:
    """Whether one path is read in parts."""
    from isthmus.data.stored.files import PARQUET
    from isthmus.files.tables import ending

    if "://" in text or _ending(text, ARRAYS):
        return True
    if os.path.isdir(text):
        return ending(Path(text)) in (None, *PARQUET)
    if not os.path.exists(text):
        return glob.has_magic(text)
    return ending(Path(text)) in PARQUET and _is_large(text)


def may_be_parquet(text: str) -> bool:
    """Whether one of several paths may lead to Parquet files, by its name."""
    from isthmus.data.stored.files import PARQUET

    is_pattern = not os.path.exists(text) and glob.has_magic(text)
    return "://" in text or os.path.isdir(text) or is_pattern or _ending(text, PARQUET)


def _ending(text: str, endings: tuple[str, ...]) -> bool:
    return text.rstrip("/").lower().endswith(endings)


def _is_large(path: str) -> bool:
    """Whether a Parquet file has more numbers than are read into memory; what is damaged has none."""
    import pyarrow as pa
    import pyarrow.parquet

    try:
        metadata = pyarrow.parquet.read_metadata(path)
    except (pa.ArrowException, OSError):
        return False
    return bool(8 * metadata.num_rows * metadata.num_columns > LARGE_BYTES)


def size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """A number of bytes, written 256M or 1G."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?", value.strip(), re.IGNORECASE)
    n_bytes = int(float(found[1]) * UNITS[found[2].upper()]) if found else 0
    if not n_bytes:
        raise click.BadParameter(f"{value!r}: expected a number of bytes, as in 256M or 1G.")
    return n_bytes
