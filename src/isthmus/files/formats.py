"""Kinds of data files: what each looks like, and how it is read and written.

Arrow reads and writes everything with named columns, NumPy the plain arrays. Nothing is unpickled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import scipy.sparse

from isthmus.data.wording import counted
from isthmus.files._text import read_text, write_compressed, write_text
from isthmus.files.content import Content, TableError, arrow_table


@dataclass(frozen=True)
class Format:
    """One kind of file. ``signatures`` are the first bytes, any of which it must have, if any."""

    name: str
    signatures: tuple[bytes, ...]
    read: Callable[[Path, bool | None], Content]
    write: Callable[[np.ndarray, Sequence[str], Mapping[str, object], BinaryIO], None]
    has_names: bool


def _read_parquet(path: Path, header: bool | None) -> Content:
    with pyarrow.parquet.ParquetFile(path, memory_map=True) as file:
        return _from_arrow(path, file.read())


def _read_feather(path: Path, header: bool | None) -> Content:
    return _from_arrow(path, pyarrow.feather.read_table(path, memory_map=True))


def _from_arrow(path: Path, rows: pa.Table) -> Content:
    """A data frame's index is a column of its file, and says which row it is: no number of the row.

    One without a name is stored under such a one, also by what drops the frame's own description.
    """
    described = _index_columns(rows.schema)
    index = tuple(
        name
        for name in rows.column_names
        if name in described or re.fullmatch(r"__index_level_\d+__", name)
    )
    names = tuple(rows.column_names)
    if not index:
        return Content(rows, names)
    shown = ", ".join(map(repr, index))
    note = (
        f"{shown} is the index of a data frame, and no feature unless --columns names it; --keep "
        "carries it over"
    )
    return Content(rows, names, note, index)


def _index_columns(schema: pa.Schema) -> set[str]:
    """The columns that were the index of a pandas data frame, by what it says of itself."""
    try:
        described = schema.pandas_metadata or {}
        columns = described.get("index_columns", [])
    except (ValueError, AttributeError):
        return set()
    return {column for column in columns if isinstance(column, str)}


def _read_npy(path: Path, header: bool | None) -> Content:
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0}
        shape, _, dtype = read_header.get(version, np.lib.format.read_array_header_2_0)(file)
    _check_dtype(path, dtype)
    if 0 in shape:
        return _from_array(path, np.empty(shape, dtype))
    return _from_array(path, np.load(path, mmap_mode="r", allow_pickle=False))


def _read_npz(path: Path, header: bool | None) -> Content:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        names = list(arrays.files)
        if {"format", "shape", "data"} <= set(names):
            return _from_sparse(path)
        chosen = names if len(names) == 1 else [name for name in ("X", "data") if name in names][:1]
        if not chosen:
            raise TableError(
                f"{path} holds {len(names)} arrays ({', '.join(names)}), none of them called X or "
                "data: save the rows as numpy.savez(path, X=rows)"
            )
        try:
            array = arrays[chosen[0]]
        except ValueError as error:
            raise TableError(
                f"{path}: the array {chosen[0]} cannot be read ({error}); Python objects are never "
                "unpickled, so save it as numbers"
            ) from error
    _check_dtype(path, array.dtype)
    return _from_array(path, array)


def _from_sparse(path: Path) -> Content:
    matrix = scipy.sparse.csr_array(scipy.sparse.load_npz(path))
    # Indices out of range would read memory that is not the matrix's.
    matrix.check_format(full_check=True)
    _check_dtype(path, matrix.dtype)
    return Content(matrix, None)


def _check_dtype(path: Path, dtype: np.dtype) -> None:
    if dtype.kind in "biuf":
        return
    advice = {
        "c": "complex numbers: save real ones, for example numpy.hstack([X.real, X.imag])",
        "O": "Python objects, which are never unpickled: save them as numbers, X.astype(float)",
        "V": "records with several fields: save one plain array, or a CSV or Parquet file",
        "M": "dates, not numbers: save numbers, such as days since a start",
        "m": "durations, not numbers: divide by a unit, such as numpy.timedelta64(1, 's')",
    }
    raise TableError(f"{path} holds {advice.get(dtype.kind, 'text, not numbers')} (dtype {dtype})")


def _from_array(path: Path, array: np.ndarray) -> Content:
    if array.ndim < 2:
        raise TableError(
            f"{path} has shape {array.shape}, and rows × columns are expected: save "
            "X.reshape(-1, 1) if it is one column, X.reshape(1, -1) if it is one row"
        )
    if array.ndim == 2:
        return Content(array, None)
    flat = array.reshape(len(array), int(np.prod(array.shape[1:])))
    n, D = flat.shape
    note = f"shape {array.shape} is read as {counted(n, 'row')} of {counted(D, 'number')}"
    return Content(flat, None, note)


def _write_parquet(
    rows: np.ndarray, names: Sequence[str], kept: Mapping[str, object], sink: BinaryIO
) -> None:
    pyarrow.parquet.write_table(arrow_table(rows, names, kept), sink)


def _write_feather(
    rows: np.ndarray, names: Sequence[str], kept: Mapping[str, object], sink: BinaryIO
) -> None:
    pyarrow.feather.write_feather(arrow_table(rows, names, kept), sink)


def _write_npy(
    rows: np.ndarray, names: Sequence[str], kept: Mapping[str, object], sink: BinaryIO
) -> None:
    np.save(sink, rows, allow_pickle=False)


def _write_npz(
    rows: np.ndarray, names: Sequence[str], kept: Mapping[str, object], sink: BinaryIO
) -> None:
    np.savez(sink, X=rows)


def _text_format(
    name: str, delimiter: str, read_with: str | None, signatures: tuple[bytes, ...]
) -> Format:
    write = partial(write_compressed if signatures else write_text, delimiter=delimiter)
    return Format(name, signatures, partial(read_text, delimiter=read_with), write, has_names=True)


ZIP, GZIP = b"PK\x03\x04", b"\x1f\x8b"
CSV = _text_format("CSV", ",", None, ())
TSV = _text_format("TSV", "\t", "\t", ())
PARQUET = Format("Parquet", (b"PAR1",), _read_parquet, _write_parquet, has_names=True)
FEATHER = Format("Feather", (b"ARROW1", b"FEA1"), _read_feather, _write_feather, has_names=True)
FORMATS: dict[str, Format] = {
    ".csv": CSV,
    ".csv.gz": _text_format("CSV", ",", None, (GZIP,)),
    ".tsv": TSV,
    ".tsv.gz": _text_format("TSV", "\t", "\t", (GZIP,)),
    ".tab": TSV,
    ".parquet": PARQUET,
    ".pq": PARQUET,
    ".feather": FEATHER,
    ".arrow": FEATHER,
    ".npy": Format("NPY", (b"\x93NUMPY",), _read_npy, _write_npy, has_names=False),
    ".npz": Format("NPZ", (ZIP,), _read_npz, _write_npz, has_names=False),
}
SIGNATURES: dict[bytes, str] = {
    b"PAR1": "Parquet",
    b"ARROW1": "Feather (Arrow)",
    b"\x93NUMPY": "a NumPy array (NPY)",
    ZIP: "a ZIP archive (NPZ, or an .xlsx workbook)",
    GZIP: "gzip-compressed data",
    b"\x89HDF": "HDF5",
    b"\xff\xfe": "UTF-16 text, where UTF-8 is needed",
    b"\xfe\xff": "UTF-16 text, where UTF-8 is needed",
    b"%PDF": "a PDF document",
}
