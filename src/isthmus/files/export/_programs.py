"""Programs: a function of one row, as a list of a few kinds of steps.

What a value's shape says is of one row: a back end puts the axis of rows before it. Steps work entry by
entry, with NumPy's rules of broadcasting (``_operations.py``), or are one of

    matmul       (…, k) with a matrix (k, m), which is a constant
    sum, max, min  over axes, which are counted from the last
    reshape      in the order of the entries
    take         of entries of a vector, at constant places
    concatenate  of vectors
    cast         to another type
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from isthmus.files.export._operations import OPERATIONS


class ExportError(ValueError):
    """A model cannot be exported, or its export does not compute what the model does: a ValueError.

    It comes from ``isthmus.export`` before a file appears. The text says by how much the export differs,
    and in which column; or what cannot be written: a function of your own that computes what exports
    cannot, angles and categories, and C that is too long. ``isthmus.save`` keeps any model, for isthmus.

    Examples
    --------
    >>> import isthmus, os, tempfile
    >>> from sklearn.datasets import load_iris
    >>> model = isthmus.LinearAutoencoder(2, periodic={3: 2.5}).fit(load_iris().data)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     try:
    ...         isthmus.export(model, os.path.join(folder, "iris.npz"))
    ...     except isthmus.ExportError as error:
    ...         print("cannot be exported", os.listdir(folder))
    cannot be exported []
    """


@dataclass(frozen=True, eq=False)
class Value:
    """An array that depends on the row."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=int))


Operand: TypeAlias = Value | np.ndarray
"""A constant is an array."""


@dataclass(frozen=True, eq=False)
class Step:
    """What is computed from what; ``axes`` are those of a sum, maximum or minimum."""

    operation: str
    operands: tuple[Operand, ...]
    result: Value
    axes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Program:
    """What becomes of one row, by steps in their order; what goes in and what comes out have names."""

    given: str
    input: Value
    outputs: Mapping[str, Value]
    steps: tuple[Step, ...]

    @property
    def constants(self) -> list[np.ndarray]:
        """The arrays that steps use, each once."""
        found = {
            id(one): one for step in self.steps for one in step.operands if isinstance(one, np.ndarray)
        }
        return list(found.values())

    def names(self, prefix: str = "") -> dict[int, str]:
        """A name for each value and each constant, by its ``id``."""
        values = [self.input, *(step.result for step in self.steps)]
        return {id(value): f"{prefix}v{k}" for k, value in enumerate(values)} | {
            id(constant): f"{prefix}c{k}" for k, constant in enumerate(self.constants)
        }


@dataclass
class Builder:
    """Steps, as they are added."""

    steps: list[Step] = field(default_factory=list)

    def add(
        self,
        operation: str,
        operands: Sequence[Operand],
        shape: Sequence[int],
        dtype: DTypeLike,
        axes: Sequence[int] = (),
    ) -> Value:
        """One more step."""
        result = Value(tuple(map(int, shape)), np.dtype(dtype))
        self.steps.append(Step(operation, tuple(operands), result, tuple(axes)))
        return result

    def entrywise(self, operation: str, *operands: Operand, dtype: DTypeLike | None = None) -> Value:
        """A step entry by entry; of the type of the last operand if none is given."""
        assert operation in OPERATIONS
        shape = np.broadcast_shapes(*(one.shape for one in operands))
        aligned = [self._aligned(one, len(shape)) for one in operands]
        return self.add(operation, aligned, shape, operands[-1].dtype if dtype is None else dtype)

    def reshape(self, x: Operand, shape: Sequence[int]) -> Operand:
        if isinstance(x, np.ndarray):
            return x.reshape(shape)
        if x.shape == tuple(shape):
            return x
        return self.add("reshape", [x], shape, x.dtype)

    def rearranged(self, x: Value, places: np.ndarray) -> Operand:
        """The entries of x at these places, counted in their order, in the shape of ``places``."""
        flat: Operand = x
        if not np.array_equal(places.ravel(), np.arange(x.size)):
            flat = self.reshape(x, (x.size,))
            flat = self.add("take", [flat, places.ravel().astype(np.int64)], (places.size,), x.dtype)
        return self.reshape(flat, places.shape)

    def cast(self, x: Value, dtype: DTypeLike) -> Value:
        if x.dtype == dtype:
            return x
        return self.add("cast", [x], x.shape, dtype)

    def program(self, given: str, x: Value, outputs: Mapping[str, Value]) -> Program:
        """The steps that the outputs need."""
        needed, kept = set(map(id, outputs.values())), []
        for step in reversed(self.steps):
            if id(step.result) in needed:
                needed.update(map(id, step.operands))
                kept.append(step)
        return Program(given, x, outputs, tuple(reversed(kept)))

    def _aligned(self, x: Operand, rank: int) -> Operand:
        """With as many axes as its partners have: rows would else be taken for one of these."""
        if isinstance(x, np.ndarray) or len(x.shape) == rank:
            return x
        return self.reshape(x, (*(1,) * (rank - len(x.shape)), *x.shape))
