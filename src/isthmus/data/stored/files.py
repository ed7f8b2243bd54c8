"""Parquet files: a file, a folder, a pattern, or several of these, on a disk or in the cloud."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

Paths: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class Files:
    """Files in a filesystem of Arrow, sorted by name within each that was given.

    ``names`` are the paths within the folder or the pattern that was given, and the name alone of a
    file. ``is_local`` says whether ``paths`` are on a disk of this machine.
    """

    filesystem: Any  # of pyarrow
    paths: tuple[str, ...]
    names: tuple[str, ...]
    is_local: bool


def parquet_files(source: Paths) -> Files:
    """The files of a path, a pattern or a URL, or of several. Raises FileNotFoundError where none is."""
    given = [os.fspath(path) for path in ([source] if isinstance(source, str | os.PathLike) else source)]
    if any("://" in path for path in given):
        return _in_the_cloud(given)
    import pyarrow.fs

    found = [pair for path in given for pair in _local(path)]
    return Files(pyarrow.fs.LocalFileSystem(), *_columns(found), is_local=True)


def is_paths(source: object) -> TypeGuard[Sequence[str | os.PathLike[str]]]:
    """Whether it is a list of paths."""
    return (
        isinstance(source, list | tuple)
        and len(source) > 0
        and all(isinstance(path, str | os.PathLike) for path in source)
    )


def _columns(found: Sequence[tuple[str, str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(path for path, _ in found), tuple(name for _, name in found)


def _local(path: str) -> list[tuple[str, str]]:
    """The Parquet files of a folder or a pattern, or the one file, each with its name within that."""
    if os.path.isdir(path):
        inside = list(_in_folder(path, path))
        if not inside:
            raise FileNotFoundError(f"the folder {path} has no Parquet files (.parquet or .pq)")
        return inside
    if os.path.exists(path):
        return [(path, os.path.basename(path))]
    root = _root_of(path)
    found = [
        pair
        for one in sorted(glob.glob(path, recursive=True))
        for pair in (_in_folder(one, root) if os.path.isdir(one) else [_named(one, root)])
    ]
    if not found:
        raise FileNotFoundError(f"there is no file {path}, and none that matches it as a pattern")
    return found


def _named(path: str, root: str) -> tuple[str, str]:
    return path, os.path.relpath(path, root or ".")


def _in_folder(folder: str, root: str) -> Iterator[tuple[str, str]]:
    """The Parquet files below a folder, but those that writers leave there for themselves."""
    for file in sorted(str(file) for file in Path(folder).rglob("*") if _is_parquet(file.name)):
        if not _is_hidden(os.path.relpath(file, folder)):
            yield _named(file, root)


def _root_of(pattern: str) -> str:
    """The folder in which a pattern begins."""
    parts = pattern.split("/")
    magic = next((place for place, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    return "/".join(parts[:magic]) or ("/" if pattern.startswith("/") else "")


def _is_parquet(path: str) -> bool:
    return path.lower().endswith(PARQUET)


def _is_hidden(path: str) -> bool:
    """Whether it is a file, or in a folder, that writers keep notes or unfinished files in."""
    return any(part.startswith((".", "_")) for part in path.split(os.sep))


def _in_the_cloud(urls: Sequence[str]) -> Files:
    """The files of URLs that share a filesystem."""
    import pyarrow.fs

    fsspec = library("fsspec", "cloud")
    filesystem, _ = fsspec.core.url_to_fs(urls[0])
    found: list[tuple[str, str]] = []
    for url in urls:
        _, path = fsspec.core.url_to_fs(url)
        root = path if filesystem.isdir(path) else _root_of(path)
        if root == path:
            inside = [
                file
                for file in sorted(filesystem.find(path))
                if _is_parquet(file) and not _is_hidden(file[len(path) :].strip("/"))
            ]
        else:
            inside = sorted(filesystem.glob(path)) if glob.has_magic(path) else [path]
        found += [_named(file, root) for file in inside]
    if not found:
        raise FileNotFoundError(f"there are no Parquet files at {urls[0]}")
    handler = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(filesystem))
    return Files(handler, *_columns(found), is_local=False)


def library(name: str, extra: str | None = None) -> Any:  # a module without types
    """An optional library, or an error that says how to install it."""
    try:
        module = import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{name} is needed to read these rows: pip install 'isthmus[{extra or name}]'"
        ) from error
    if name == "fsspec":
        import_module("fsspec.core")
    return module
