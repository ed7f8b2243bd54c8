"""What a fit is of, in words: by it a checkpoint of another fit is known, and what differs is named."""

from __future__ import annotations

import functools
import hashlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from types import CodeType
from typing import Any

import jax
import numpy as np
from jaxtyping import Int, PyTree
from sklearn.base import BaseEstimator

from isthmus.data.rows import Rows, dense
from isthmus.data.stored.rows import StoredRows

SEEN_BYTES = 2**20
"""Of the rows that are hashed: enough that every row of small data is."""

PARTS_SEEN = 16
"""Of rows that are kept elsewhere: parts that are read to know them again."""

MOST_NESTED = 12
"""How deep a parameter is looked into: functions may hold themselves."""

WITHOUT_EFFECT = ("verbose", "estimator__verbose", "estimator__random_state")
"""Parameters that change nothing in a fitted model."""

CONSTANTS = (bool, int, float, complex, str, np.generic, np.ndarray, jax.Array)
"""What is looked at of the names of its module that a function uses: numbers, texts and arrays."""

ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def identity_of(
    model: Any,  # an estimator that is trained
    rows: Rows,
    y: object = None,
    errors: object = None,
    *,
    continues: bool = False,
    brief: bool = False,
) -> dict[str, str]:
    """Class, parameters and data of a fit, and if it ``continues`` the network that it goes on from.

    Rows, targets and errors are known by shape, type, and by mean and SHA-256 of evenly spaced rows, up
    to a mebibyte each; rows that are kept elsewhere by those of ``PARTS_SEEN`` places, or by none if it
    is to be ``brief``. Parameters are known by what they hold, functions by their program, by their
    defaults, by what they close over, and by the numbers and texts of their module that they use. A
    ``random_state`` is known by its integer, and otherwise by its type.
    """
    parameters = model.get_params(deep=True)
    return {
        "estimator": type(model).__name__,
        **{name: in_words(value) for name, value in parameters.items() if name not in WITHOUT_EFFECT},
        "X": (
            f"{rows.shape} of {rows.dtype}, columns {rows.names}"
            if brief and isinstance(rows, StoredRows)
            else _of_rows(rows.shape, rows.dtype, lambda some: dense(rows[some]), _looked_at(rows))
        ),
        **_of_array("y", y),
        **_of_array("x_error", errors),
        **({"warm start": f"from weights {_digest_of(model.network_)}"} if continues else {}),
    }


def in_words(value: Any, nested: int = 0) -> str:  # whatever a parameter may be
    """A parameter's value as text that is the same in every process."""
    if nested > MOST_NESTED:
        return "…"
    inner = functools.partial(in_words, nested=nested + 1)
    if isinstance(value, BaseEstimator | np.random.RandomState):
        return type(value).__name__
    if isinstance(value, np.generic):
        return repr(value.item())
    if isinstance(value, np.ndarray | jax.Array):
        return f"array {value.shape} of {value.dtype}, SHA-256 {_digest_of(value)}"
    if is_dataclass(value) and not isinstance(value, type):
        parts = ", ".join(f"{part.name}={inner(getattr(value, part.name))}" for part in fields(value))
        return f"{type(value).__name__}({parts})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{inner(key)}: {inner(item)}' for key, item in value.items())}}}"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(inner, value)))}}}"
    if isinstance(value, list | tuple):
        return f"({', '.join(map(inner, value))})"
    if isinstance(value, functools.partial):
        return f"partial({inner(value.func)}, {inner(value.args)}, {inner(value.keywords)})"
    if isinstance(value, type) or inspect.isfunction(value):
        return _of_definition(value, inner)
    return ADDRESS.sub("", repr(value))


def _of_definition(value: Any, inner: Callable[[Any], str]) -> str:  # a class or a function
    """Where Python finds it, and of a function its program, what it closes over, and its constants."""
    name = f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, type):
        return name
    programs = list(_programs(value.__code__))
    digest = hashlib.sha256()
    for program in programs:
        digest.update(program.co_code + repr(program.co_names).encode())
    constants = [one for part in programs for one in part.co_consts if not inspect.iscode(one)]
    closed = [cell.cell_contents for cell in value.__closure__ or ()]
    held = inner([constants, value.__defaults__, closed])
    names = sorted({one for part in programs for one in part.co_names})
    of_module = {one: value.__globals__[one] for one in names if one in value.__globals__}
    by_name = {one: item for one, item in of_module.items() if isinstance(item, CONSTANTS)}
    by_name |= value.__kwdefaults__ or {}
    return f"{name} {digest.hexdigest()[:8]} {held}{inner(by_name) if by_name else ''}"


def _programs(program: CodeType) -> Iterator[CodeType]:
    """A program, and those of the functions that are defined in it."""
    yield program
    for constant in program.co_consts:
        if inspect.iscode(constant):
            yield from _programs(constant)


def _of_array(name: str, values: object) -> dict[str, str]:
    if values is None:
        return {}
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        array = array.astype(str)
    return {name: _of_rows(array.shape, array.dtype, lambda some: array[some])}


def _looked_at(rows: Rows) -> Int[np.ndarray, " m"] | None:
    """Of rows kept elsewhere the first ones of some parts, and the last; None: evenly spaced ones."""
    if not isinstance(rows, StoredRows):
        return None
    starts = rows.store.part_starts
    of_parts = starts[np.linspace(0, len(starts) - 2, PARTS_SEEN).astype(int)]
    return np.unique(np.append(of_parts, len(rows) - 1))


def _of_rows(
    shape: tuple[int, ...],
    dtype: np.dtype,
    take: Callable[[np.ndarray], np.ndarray],
    places: Int[np.ndarray, " m"] | None = None,
) -> str:
    """Shape, type, and mean and hash of evenly spaced rows, the first and the last among them."""
    row_bytes = max(1, dtype.itemsize * int(np.prod(shape[1:])))
    n_seen = int(np.clip(SEEN_BYTES // row_bytes, 2, shape[0]))
    if places is None:
        places = np.linspace(0, shape[0] - 1, n_seen).astype(int)
    n_seen, seen = len(places), take(places)
    mean = f", mean {np.mean(seen, dtype=np.float64):.6g}" if seen.dtype.kind in "biuf" else ""
    of_some = "" if n_seen == shape[0] else f" of {n_seen} rows"
    return f"{shape} of {dtype}{mean}, SHA-256 {_digest_of(seen)}{of_some}"


def _digest_of(tree: PyTree) -> str:
    """The beginning of the SHA-256 of all numbers in a tree."""
    found = hashlib.sha256()
    for leaf in jax.tree.leaves(tree):
        if isinstance(leaf, np.ndarray | jax.Array):
            found.update(np.ascontiguousarray(leaf).tobytes())
    return found.hexdigest()[:16]
