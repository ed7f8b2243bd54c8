"""What a user hands in as rows that are kept elsewhere → stored rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from isthmus.data.frames import column_labels
from isthmus.data.stored.arrays import ArrayStore, kept_in_a_file
from isthmus.data.stored.dask import store_of
from isthmus.data.stored.files import Paths, is_paths, library, parquet_files
from isthmus.data.stored.rows import BLOCK_BYTES, StoredRows
from isthmus.data.stored.store import Store, StoreError

LIBRARIES = ("zarr", "h5py", "dask", "dask_expr", "pyarrow")
"""Packages whose objects may be rows that are kept elsewhere."""


def scan(
    source: object,
    *,
    columns: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    block_bytes: int | None = None,
) -> StoredRows:
    """Rows (n, D) that are kept elsewhere, to be read in parts: for data larger than memory.

    Every ``fit``, ``partial_fit``, ``transform``, ``score`` and diagnostic takes what this returns in
    the place of an array, and the source itself too. Nothing is read before it is needed.

    Parameters
    ----------
    source : path, paths, or an object that holds rows
        A Parquet file, a folder of them, a pattern (``"big/*.parquet"``) or a list of these; on a disk,
        or in the cloud by a URL (``"s3://bucket/big/"``), as fsspec reads it. A Zarr array or its
        folder, an HDF5 dataset or a file with one, a file ``.npy``; an
        array or a data frame of Dask, which is computed block by block where Dask computes; an
        ``AnnData`` that is backed by a file; a dataset of Arrow. Or blocks (rows, D): any iterable
        of arrays or tables, or a function that returns one; these are written once to a temporary
        file, because rows are needed in random order.
    columns : list of str or None, default None
        The features, by name, in this order; no others are read. None takes all but those of ``drop``
        and the index of a data frame. A column of Parquet may hold vectors of one length.
    drop : list of str, default ()
        Columns that are no features.
    block_bytes : int or None, default None
        Rows in a block of training, in float32; None is 256 MiB, or that of rows scanned before. Three
        blocks are in memory at a time. What fits one block is read into memory as a whole.

    Notes
    -----
    A ``fit`` passes over the rows once, for statistics, principal axes, held-out rows and a sample.
    Meanwhile the rows that training will take (all, up to the number that its updates need, evenly
    chosen, and 4 GiB) are copied to a temporary file, from which they come in random order, so that it
    does not matter how they lie in their files; ``TMPDIR`` says where. More passes over more rows than
    that (``max_epochs`` with large data), and ``partial_fit``, read the files themselves: a block then
    takes row groups, or pieces of an array, from random places and is shuffled, and rows that lie
    sorted are mixed the better, the smaller row groups are.

    Returns
    -------
    StoredRows
        With ``shape``, ``dtype`` and ``names``; ``rows[a:b]`` and ``rows[numbers]`` are arrays. Integers
        of Parquet become float64, those of at most 16 bits float32.

    Raises
    ------
    FileNotFoundError
        No file is there, or none matches.
    StoreError (a ValueError)
        What is not rows of numbers; files whose columns differ; a file that is damaged. NaN, infinities
        and what cannot be read deep in a file raise where they are read, and the text names the
        file, the row group, the row and the column.

    Examples
    --------
    >>> import isthmus, numpy, pyarrow, pyarrow.parquet, tempfile
    >>> X = numpy.random.default_rng(0).standard_normal((300, 4))
    >>> folder = tempfile.TemporaryDirectory()
    >>> table = pyarrow.table({name: X[:, j] for j, name in enumerate("abcd")})
    >>> pyarrow.parquet.write_table(table, f"{folder.name}/0.parquet", row_group_size=100)
    >>> rows = isthmus.scan(f"{folder.name}/*.parquet", drop=["d"])
    >>> rows.shape, rows.names
    ((300, 3), ('a', 'b', 'c'))
    >>> model = isthmus.LinearAutoencoder(2).fit(rows)
    >>> model.transform(rows).shape
    (300, 2)
    >>> folder.cleanup()
    """
    if isinstance(columns, str) or isinstance(drop, str):
        raise TypeError("columns and drop are lists of names, such as drop=['label']")
    if isinstance(source, StoredRows):
        if columns is not None or drop:
            raise TypeError("the rows were scanned already: choose columns= and drop= when they are")
        return StoredRows(source.store, source.block_bytes if block_bytes is None else block_bytes)
    if isinstance(source, str | os.PathLike):
        store = _of_path(os.fspath(source), columns, drop)
    elif is_paths(source):
        store = _of_parquet(source, columns, drop)
    else:
        store = _of_object(source, columns, drop)
    if store.names is None and (columns is not None or drop):
        raise StoreError("columns= and drop= choose columns by name, and these have none")
    return StoredRows(store, BLOCK_BYTES if block_bytes is None else block_bytes)


def as_stored(X: object) -> StoredRows | None:
    """Rows that are kept elsewhere, of what is a source of them by itself; None of anything else."""
    if isinstance(X, StoredRows):
        return X
    if isinstance(X, str | os.PathLike) or _holds_rows(X):
        return scan(X)
    return None


def _holds_rows(X: Any) -> bool:  # of any library
    kind = type(X)
    library = kind.__module__.partition(".")[0]
    if kind.__name__ == "AnnData":
        return bool(getattr(X, "isbacked", False))
    if library not in LIBRARIES:
        return False
    if library == "pyarrow":
        return kind.__name__ in ("FileSystemDataset", "ParquetDataset")
    return hasattr(X, "shape") or hasattr(X, "npartitions")


def _of_path(path: str, columns: Sequence[str] | None, drop: Sequence[str]) -> Store:
    name = path.rstrip("/").lower()
    if "://" not in path:
        if name.endswith(".npy"):
            load = partial(np.load, os.path.abspath(_there(path)), mmap_mode="r")
            return ArrayStore(_opened(path, "NPY", load), path, opened_by=load)
        if name.endswith((".h5", ".hdf5")):
            return _of_hdf5(_there(path))
        if name.endswith(".zarr"):
            return _of_zarr(_there(path))
        if name.endswith(".h5ad"):
            return _of_object(library("anndata").read_h5ad(_there(path), backed="r"), columns, drop)
        if name.endswith((".csv", ".tsv", ".gz", ".feather", ".arrow", ".npz")):
            raise TypeError(
                f"{path} cannot be read in parts at random places, as Parquet can: read a file first "
                "that fits into memory, for example with pandas.read_csv, and write others as Parquet"
            )
    return _of_parquet(path, columns, drop)


def _there(path: str) -> str:
    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no file {path}")
    return path


def _of_parquet(source: Paths, columns: Sequence[str] | None, drop: Sequence[str]) -> Store:
    from isthmus.data.stored.parquet import open_parquet

    files = parquet_files(source)
    return open_parquet(files.filesystem, files.paths, columns, drop)


def _of_object(
    source: Any, columns: Sequence[str] | None, drop: Sequence[str]
) -> Store:  # of any library
    kind = type(source)
    package = kind.__module__.partition(".")[0]
    if kind.__name__ == "AnnData":
        return _of_backed(source)
    if package == "pyarrow" and hasattr(source, "files"):
        from isthmus.data.stored.parquet import open_parquet

        return open_parquet(source.filesystem, source.files, columns, drop)
    if package == "zarr":
        return ArrayStore(source, f"the Zarr array {source.path or source.store}", source.chunks[0])
    if package == "h5py":
        chunk_rows = source.chunks[0] if source.chunks else 1
        path, name = os.path.abspath(source.file.filename), source.name
        again = partial(_dataset, path, name)
        return ArrayStore(source, f"{name} of {source.file.filename}", chunk_rows, opened_by=again)
    if package in ("dask", "dask_expr"):
        return store_of(source, columns, drop)
    if isinstance(source, np.ndarray):
        return ArrayStore(source, "the array")
    blocks = source() if callable(source) else source
    if not isinstance(blocks, Iterable):
        raise TypeError(
            f"isthmus.scan: {kind.__name__} is neither a path nor an array that is kept elsewhere, nor "
            "blocks of rows"
        )
    return kept_in_a_file(blocks, _block, column_labels)


def _block(block: object, what: str) -> np.ndarray:
    """A block of rows as numbers."""
    from isthmus.data.conversion import as_rows

    rows = as_rows(block, what)
    return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows)


def _opened(path: str, kind: str, opened_by: Callable[[], Any]) -> Any:  # of any library
    """What is in a file, or a StoreError that names it."""
    try:
        return opened_by()
    except Exception as error:  # each library has its own
        raise StoreError(
            f"{path} cannot be read as {kind}; it is empty, truncated, or something else "
            f"({type(error).__name__}: {str(error).rstrip('.')}). Copy it again from its source"
        ) from error


def _of_zarr(path: str) -> Store:
    open_array = library("zarr").open_array
    return _of_object(_opened(path, "a Zarr array", lambda: open_array(path, mode="r")), None, ())


def _of_hdf5(path: str) -> Store:
    h5py = library("h5py", "hdf5")
    file = _opened(path, "HDF5", lambda: h5py.File(path, "r"))
    found: list[str] = []
    file.visititems(
        lambda name, item: (
            found.append(name) if isinstance(item, h5py.Dataset) and item.ndim > 1 else None
        )
    )
    if len(found) != 1:
        shown = ", ".join(found[:10]) or "none"
        raise StoreError(
            f"{path} has {len(found)} datasets of rows ({shown}): pass one of them, "
            f"isthmus.scan(h5py.File({path!r})[name])"
        )
    return _of_object(file[found[0]], None, ())


def _dataset(path: str, name: str) -> Any:  # of h5py
    return library("h5py", "hdf5").File(path, "r")[name]


def _of_backed(adata: Any) -> Store:  # AnnData
    if not adata.isbacked:
        raise TypeError("the AnnData is in memory: pass adata.X, or isthmus.embed(adata, model)")
    names = list(adata.var_names)
    return ArrayStore(adata.X, f"X of {adata.filename}", names=names)
