"""Rows of Parquet files → their coordinates in Parquet files of the same names, a few at a time.

Each output is there completely or not at all, and says in its metadata of which map and of which input
it is, so that what was interrupted goes on where it was.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from isthmus.data.atomic import remove_left_over, replacing
from isthmus.data.stored.files import Files, Paths, is_paths, parquet_files
from isthmus.data.stored.parquet import ConsecutiveParts, ParquetStore
from isthmus.data.stored.rows import StoredRows
from isthmus.data.stored.schema import read_head
from isthmus.data.stored.store import PART_BYTES, StoreError
from isthmus.data.wording import counted
from isthmus.estimators.base import BaseMap
from isthmus.files._columns import Choice
from isthmus.files.models import fingerprint
from isthmus.results import Result, TableRow

NOTE = b"isthmus"
"""Where in the metadata of an output it stands what it was made of."""


@dataclass(frozen=True, repr=False)
class TransformedFiles(Result):
    """What ``isthmus.transform_files`` did. ``print`` says it in a line.

    Attributes
    ----------
    written : tuple of Path
        Outputs that were written.
    skipped : tuple of Path
        Outputs that were there already, complete and of the same map and input.
    n_rows : int
        Rows that were written.

    Examples
    --------
    >>> import isthmus
    >>> print(isthmus.TransformedFiles(written=(), skipped=(), n_rows=0))
    0 files written with 0 rows, 0 skipped that were complete
    """

    written: tuple[Path, ...]
    skipped: tuple[Path, ...]
    n_rows: int

    def table(self) -> Sequence[TableRow]:
        """A row for each output: where it is, and whether it was written now.

        Examples
        --------
        >>> import isthmus
        >>> from pathlib import Path
        >>> isthmus.TransformedFiles(written=(Path("0.parquet"),), skipped=(), n_rows=100).table()
        [{'output': '0.parquet', 'written': True}]
        """
        return [
            {"output": str(output), "written": is_new}
            for outputs, is_new in ((self.written, True), (self.skipped, False))
            for output in outputs
        ]

    def __str__(self) -> str:
        return (
            f"{counted(len(self.written), 'file')} written with {counted(self.n_rows, 'row')}, "
            f"{len(self.skipped)} skipped that were complete"
        )


@dataclass(frozen=True)
class FileProgress:
    """How far one file is: rows written, of how many; of all once it is there, or was (``skipped``)."""

    source: str
    output: Path
    n_written: int
    n_rows: int
    skipped: bool = False


Progress = Callable[[FileProgress], object]


def transform_files(
    model: BaseMap,
    source: object,
    folder: str | os.PathLike[str],
    *,
    keep: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    share: tuple[int, int] = (0, 1),
    progress: Progress | None = None,
) -> TransformedFiles:
    """Coordinates of the rows of Parquet files, in a Parquet file for each: for data larger than memory.

    A file of coordinates has the name of its input, within sub-folders too, and the same row groups. Its
    columns are those of ``keep`` and then ``model.get_feature_names_out()``, of the type that
    ``transform`` gives. Row groups are read in pieces of about 64 MiB; coordinates and kept columns of
    one row group are in memory at a time.

    Each file is written beside its place and renamed once it is complete. Called again, what is complete
    is skipped, if it is of this map, of the same input (by its size and the time it was modified, in the
    cloud by the hash of its footer) and of the same columns; so what was killed goes on where it was.
    Let one process at a time write to a folder, or several with a ``share`` each.

    Parameters
    ----------
    model : fitted map
        One of isthmus.
    source : path, or list of paths
        A Parquet file, a folder of them, a pattern or a list of these, on a disk or in the cloud, as
        ``isthmus.scan`` takes them. Files are taken one after the other.
    folder : path
        Where to write, on a disk; it is made if it is not there. It cannot be a folder that is read.
    keep : list of str, default ()
        Columns that are carried over in their own types, such as an id or a label; text too.
    columns : list of str or None, default None
        The features. None takes those that the map was fitted on by their names; for a map that was
        fitted without names all columns of numbers but those of ``keep`` and ``drop``, in their order,
        and without the index of a data frame.
    drop : list of str, default ()
        Columns that are no features, for a map that was fitted without names.
    share : pair of int, default (0, 1)
        ``(number, count)``: this is process ``number``, from 0 on, of ``count`` that share the files. It
        takes the file of this number, and every ``count``-th one after it.
    progress : function or None, default None
        Called with a ``FileProgress`` after each row group, and for a file that is left as it is.

    Returns
    -------
    TransformedFiles
        Outputs that were ``written`` and ``skipped``, and ``n_rows`` written.

    Raises
    ------
    StoreError (a ValueError)
        An output that is of another map, another input or other columns, and an output folder that is
        read, before anything is written; a file that lacks columns or is damaged, when its turn comes:
        files before it are complete.
    OSError
        What cannot be read or written; of a full disk it names the output.

    Examples
    --------
    >>> import isthmus, numpy, pyarrow, pyarrow.parquet, tempfile
    >>> X = numpy.random.default_rng(0).standard_normal((300, 4))
    >>> table = pyarrow.table({"id": range(300), **{c: X[:, j] for j, c in enumerate("abcd")}})
    >>> with tempfile.TemporaryDirectory() as place:
    ...     pyarrow.parquet.write_table(table, f"{place}/0.parquet", row_group_size=100)
    ...     model = isthmus.LinearAutoencoder(2).fit(isthmus.scan(place, drop=["id"]))
    ...     print(isthmus.transform_files(model, f"{place}/0.parquet", f"{place}/out", keep=["id"]))
    ...     print(pyarrow.parquet.read_table(f"{place}/out/0.parquet").column_names)
    1 file written with 300 rows, 0 skipped that were complete
    ['id', 'linearautoencoder0', 'linearautoencoder1']
    """
    choice = Choice.of(model, keep, columns, drop)
    if "://" in os.fspath(folder):
        raise StoreError(f"{folder}: the output is a folder on a disk; copy the files from there")
    files, folder = _files(source), Path(folder)
    outputs = [folder / name for name in files.names]
    _check_places(files, source, folder, outputs)
    made_of = fingerprint(model)
    notes = [_note(files, path, made_of, choice) for path in files.paths]
    is_complete = [_is_complete(*pair) for pair in zip(outputs, notes, strict=True)]
    number, count = share
    if not 0 <= number < count:
        raise ValueError(f"share={share!r}: expected (number, count), with numbers from 0 to count - 1")
    own, n_rows = slice(number, None, count), 0
    outputs, is_complete = outputs[own], is_complete[own]
    for path, output, note, is_there in zip(
        files.paths[own], outputs, notes[own], is_complete, strict=True
    ):
        if is_there:
            if progress is not None:
                n_known = pq.read_metadata(output).num_rows
                progress(FileProgress(path, output, n_known, n_known, skipped=True))
            continue
        output.parent.mkdir(parents=True, exist_ok=True)
        n_rows += _write(choice, files.filesystem, path, output, note, progress)
    written, skipped = (
        tuple(output for output, done in zip(outputs, is_complete, strict=True) if done == complete)
        for complete in (False, True)
    )
    return TransformedFiles(written, skipped, n_rows)


def transform_file(
    model: BaseMap,
    path: str,
    output: Path,
    *,
    keep: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    progress: Progress | None = None,
) -> None:
    """The same for one file, with the place of its output, which is written in any case."""
    files = parquet_files(path)
    choice = Choice.of(model, keep, columns, drop)
    note = _note(files, files.paths[0], fingerprint(model), choice)
    _write(choice, files.filesystem, files.paths[0], output, note, progress)


def _files(source: object) -> Files:
    """The files of a source that is made up of Parquet files."""
    paths: Any = getattr(source, "files", source)  # of a dataset of Arrow
    if isinstance(paths, str | os.PathLike) or is_paths(paths):
        checked: Paths = paths
        return parquet_files(checked)
    raise TypeError(
        f"source is a {type(source).__name__}: expected Parquet files, as a path, a pattern, a URL or a "
        "list of these. Of other rows model.transform(isthmus.scan(source)) gives the coordinates"
    )


def _check_places(files: Files, source: object, folder: Path, outputs: Sequence[Path]) -> None:
    """Raise where outputs would lie among the inputs, or two of them in one place."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "a folder is needed, and this is a file", str(folder))
    for output, count in Counter(outputs).items():
        if count > 1:
            raise StoreError(
                f"{count} inputs have the name {output.name}, and would have one output: pass the "
                "folder that they share, or write them to different folders"
            )
    if not files.is_local:
        return
    place = folder.resolve()
    given = source if isinstance(source, list | tuple) else [source]
    read = [Path(one).resolve() for one in given if isinstance(one, str | os.PathLike)]
    inside = [path for path in files.paths if Path(path).resolve().is_relative_to(place)]
    if inside or any(one.is_dir() and place.is_relative_to(one) for one in read):
        raise StoreError(
            f"the output folder {folder} is a folder that is read, or within one: write to another "
            "folder"
        )


def _note(files: Files, path: str, made_of: str, choice: Choice) -> dict[str, str]:
    """What an output is made of, as its metadata say."""
    return {"model": made_of, "input": _state(files, path), "columns": choice.digest}


def _state(files: Files, path: str) -> str:
    """What changes when a file is written anew: its size, and when it was modified.

    Where that is not known, as in the cloud, the hash of its footer, which says where every column lies
    and from which value to which it goes.
    """
    if files.is_local:
        status = os.stat(path)
        return f"{status.st_size} bytes, modified {status.st_mtime_ns}"
    with files.filesystem.open_input_file(path) as file:
        size = file.size()
        length = int.from_bytes(file.read_at(8, max(0, size - 8))[:4], "little")
        footer = file.read_at(min(size, length + 8), max(0, size - length - 8))
    return f"{size} bytes, footer {hashlib.sha256(footer).hexdigest()}"


def _is_complete(output: Path, note: dict[str, str]) -> bool:
    """Whether an output is there; raises StoreError for one that is not what would be written."""
    if not output.exists():
        return False
    try:
        known = json.loads((pq.read_metadata(output).metadata or {})[NOTE])
    except (pa.ArrowException, OSError, KeyError, ValueError):
        known = {}
    reasons = {
        "model": "is of another model",
        "input": "is of another input, or its input was written anew since",
        "columns": "was written with other columns (keep, columns or drop)",
    }
    for part, reason in reasons.items():
        if known.get(part) != note[part]:
            told = reason if known else "was not written by isthmus.transform_files"
            raise StoreError(f"{output} {told}: delete it, or write to another folder")
    return True


def _write(
    choice: Choice,
    filesystem: Any,  # of pyarrow
    path: str,
    output: Path,
    note: dict[str, str],
    progress: Progress | None,
) -> int:
    """Write one file of coordinates, completely or not at all, and say how many rows it has."""
    head = read_head(filesystem, path)
    features, n_rows = choice.features(head, path), sum(head.group_rows)
    kind = choice.type_of(features.dtype)
    schema = pa.schema(
        [*map(head.schema.field, choice.keep), *((name, kind) for name in choice.names)],
        {NOTE: json.dumps(note).encode()},
    )
    store = ParquetStore(filesystem, [path], features, [head.group_rows]) if n_rows else None
    remove_left_over(output)
    with (
        replacing(output) as temporary,
        temporary.open("wb") as sink,
        pq.ParquetWriter(sink, schema) as writer,
    ):
        n_written = 0
        for table in () if store is None else _tables(choice, store, schema):
            writer.write_table(table, row_group_size=len(table))
            n_written += len(table)
            if progress is not None and n_written < n_rows:
                progress(FileProgress(path, output, n_written, n_rows))
    if progress is not None:
        progress(FileProgress(path, output, n_rows, n_rows))
    return n_rows


def _tables(choice: Choice, store: ParquetStore, schema: pa.Schema) -> Iterator[pa.Table]:
    """Coordinates and kept columns, a table for each row group that has rows."""
    groups = [group for group, n_rows in enumerate(store.group_rows[0]) if n_rows]
    for first, stop in pairwise(_runs(store)):
        bounds = store.run_starts[first : stop + 1]
        parts = range(*map(int, np.searchsorted(store.part_starts, bounds[[0, -1]])))
        coordinates = choice.transform(StoredRows(ConsecutiveParts(store, parts)))
        for group, (start, end) in zip(groups[first:stop], pairwise(bounds - bounds[0]), strict=True):
            kept = store.columns_of(0, group, choice.keep).columns if choice.keep else []
            columns = [pa.array(column) for column in coordinates[start:end].T]
            yield pa.table([*kept, *columns], schema=schema)


def _runs(store: ParquetStore) -> list[int]:
    """Where each run of row groups begins that are transformed together, and where the last one ends.

    Small row groups are read ahead and applied to together; a large one is alone.
    """
    most = PART_BYTES // (store.n_columns * store.dtype.itemsize)
    bounds = [0]
    for group in range(1, len(store.run_starts) - 1):
        if store.run_starts[group + 1] - store.run_starts[bounds[-1]] > most:
            bounds.append(group)
    return [*bounds, len(store.run_starts) - 1]
