"""Collections of Dask: rows of one as stored rows, and a function of rows applied to each block.

Dask is imported where one of its collections came, and not before.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from isthmus.data.frames import to_values
from isthmus.data.stored.arrays import ComputedStore
from isthmus.data.stored.store import StoreError

if TYPE_CHECKING:
    from isthmus.data.rows import Block

MERGED = 8
"""Parts that are merged in one task of a tree: the depth of a thousand parts is then four."""

DIMENSIONS = (2, 3, 4)
"""Of arrays of rows: flat ones, and images without and with channels."""

Collection = Any  # an array or a data frame of Dask
Function = Callable[..., Any]
Result = TypeVar("Result")


def is_dask(X: object) -> bool:
    """Whether X is an array or a data frame of Dask. Dask is not loaded to find out."""
    library = type(X).__module__.partition(".")[0]
    return library in ("dask", "dask_expr") and (hasattr(X, "chunks") or is_frame(X))


def is_frame(X: object) -> bool:
    """Whether a collection of Dask is a data frame."""
    return hasattr(X, "npartitions") and hasattr(X, "columns")


class DaskStore(ComputedStore):
    """Rows of a collection of Dask, computed block by block where Dask computes.

    ``reduce_parts`` looks at all of them there, and so only what it found comes here.
    """

    def __init__(
        self,
        collection: Collection,
        sizes: Sequence[int],
        dtype: np.dtype,
        called: str,
        names: Sequence[str] | None = None,
    ) -> None:
        self.collection = collection
        super().__init__(self._block, sizes, int(collection.shape[1]), dtype, called, names)

    def __reduce__(self) -> tuple[object, ...]:
        return DaskStore, (self.collection, self.sizes, self.dtype, self.called, self.names)

    def _block(self, number: int) -> Block:
        blocks = self.collection.partitions if is_frame(self.collection) else self.collection.blocks
        return _as_block(blocks[number].compute(), self.dtype)

    def reduce_parts(
        self,
        functions: Sequence[Callable[..., Result]],
        merge: Callable[[Result, Result], Result],
        *,
        beside: Collection | None = None,
        shared: object = None,
    ) -> Result:
        """What ``functions[part](rows, place)`` finds in each part, merged two at a time.

        ``place`` says where a row of the part is. With ``beside``, a collection of as many blocks, the
        calls are ``functions[part](rows, place, block, shared)``; ``shared`` is sent to each worker
        once. Dask's scheduler computes the parts and merges them in a tree, on the cluster of a client
        if there is one. A ValueError of a function is raised as it is, another error as a StoreError.
        """
        from dask.delayed import delayed

        blocks = np.ravel(self.collection.to_delayed())
        others = None if beside is None else np.ravel(beside.to_delayed())
        common = delayed(shared, pure=False)
        found = delayed(_found, pure=False)
        level = [
            found(
                function,
                blocks[number],
                self.dtype,
                partial(_place, number, self.called),
                *(() if others is None else (others[number], common)),
            )
            for function, number in zip(functions, self._filled, strict=True)
        ]
        merged = delayed(_merged, pure=False)
        while len(level) > 1:
            groups = [level[start : start + MERGED] for start in range(0, len(level), MERGED)]
            level = [merged(merge, group) for group in groups]
        try:
            with warnings.catch_warnings():
                # Dask advises against large objects in a graph; this one reaches each worker once.
                warnings.filterwarnings("ignore", message="Sending large graph")
                result: Result = level[0].compute()
        except ValueError:
            raise
        except Exception as error:  # of any library
            raise StoreError(
                f"{self.called} cannot be computed ({type(error).__name__}: {error})"
            ) from error
        return result


def _found(
    function: Function, block: Any, dtype: np.dtype, place: Callable[[int], str], *others: Any
) -> Any:
    return function(_as_block(block, dtype), place, *others)


def _place(number: int, called: str, row: int) -> str:
    return f"row {row} of block {number} of {called}"


def _merged(merge: Function, group: Sequence[Any]) -> Any:
    result, *others = group
    for other in others:
        result = merge(result, other)
    return result


def _as_block(block: Any, dtype: np.dtype) -> Block:
    """A computed block as rows: sparse ones stay so."""
    if hasattr(block, "tocsr"):
        import scipy.sparse

        return scipy.sparse.csr_array(block)
    return np.asarray(to_values(block, "X"), dtype if dtype.kind == "f" else None)


def store_of(source: Collection, columns: Sequence[str] | None, drop: Sequence[str]) -> DaskStore:
    """The rows of a collection of Dask; sizes of blocks that are not known are computed."""
    if not is_frame(source):
        flat = flat_rows(source)
        if any(np.isnan(size) for size in flat.chunks[0]):
            flat = flat.compute_chunk_sizes()
        return DaskStore(flat, flat.chunks[0], flat.dtype, "the Dask array")
    names = [str(name) for name in source.columns]
    unknown = [name for name in [*(columns or ()), *drop] if name not in names]
    if unknown:
        raise StoreError(f"the Dask data frame has no column {', '.join(map(repr, unknown))}")
    chosen = [name for name in (names if columns is None else columns) if name not in drop]
    if not chosen:
        raise StoreError(f"the Dask data frame: no column is left, of {', '.join(map(repr, names))}")
    labels = dict(zip(names, source.columns, strict=True))
    frame = source[[labels[name] for name in chosen]]
    sizes = frame.map_partitions(len).compute()
    # As in scikit-learn, labels that are no texts are no names.
    are_names = all(isinstance(label, str) for label in frame.columns)
    return DaskStore(
        frame, sizes, _floating(frame), "the Dask data frame", chosen if are_names else None
    )


def _floating(frame: Collection) -> np.dtype:
    """The type of numbers that blocks of a data frame come as."""
    dtype = to_values(frame._meta_nonempty, "X").dtype
    floating = np.result_type(np.float32, dtype) if dtype.kind in "biuf" else dtype
    if floating.kind != "f":
        raise StoreError(
            f"the Dask data frame has columns that hold no numbers ({dict(frame.dtypes)}): leave "
            "them out with drop="
        )
    return np.dtype(floating)


def flat_rows(array: Collection) -> Collection:
    """An array (n, D), or of images, as blocks that hold whole rows; nothing is computed."""
    check_dimensions(array)
    whole = _whole_rows(array)
    if whole.ndim == 2:
        return whole
    width = prod(map(int, whole.shape[1:]))
    return whole.map_blocks(
        _flattened,
        drop_axis=list(range(2, whole.ndim)),
        chunks=(whole.chunks[0], (width,)),
        meta=np.empty((0, 0), whole.dtype),
    )


def _flattened(block: np.ndarray) -> np.ndarray:
    return block.reshape(len(block), -1)


def _whole_rows(array: Collection) -> Collection:
    return array.rechunk(dict.fromkeys(range(1, array.ndim), -1))


def check_dimensions(array: Collection) -> None:
    """Raise ValueError for what is neither flat rows nor images."""
    if array.ndim not in DIMENSIONS:
        raise ValueError(
            f"the Dask array has shape {array.shape}, and rows × columns are expected, or images "
            "(n, height, width) or (n, height, width, c). Reshape your data"
        )


# A function of rows, applied to each block.


@dataclass(frozen=True)
class BlockFunction:
    """``function(model, block, **named)`` of one block, as an array (rows, *shape) of one type.

    A ValueError or TypeError of it names the block.
    """

    function: Function
    shape: tuple[int, ...]
    dtype: np.dtype
    called: str
    named: Mapping[str, object]

    def __call__(self, block: Any, model: object, number: int) -> np.ndarray:
        if not block.shape[0]:  # sparse ones have no length
            return np.empty((0, *self.shape), self.dtype)
        try:
            found = self.function(model, block, **self.named)
        except (ValueError, TypeError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"block {number} of {self.called}: {error}") from error
        return np.asarray(found).astype(self.dtype, copy=False)


def over_blocks(
    X: Collection,
    model: object,
    function: Function,
    shape: tuple[int, ...],
    dtype: np.dtype,
    named: Mapping[str, object],
    token: str,
) -> Collection:
    """``function(model, block, **named)`` of each block: a Dask array (n, *shape), not yet computed.

    The model is pickled now, so that a later fit of it changes nothing, and unpickled in a task of its
    own: each worker has it once, and one that takes over from another can get it again. Numbers of rows
    that are not known stay unknown. ``token`` begins the names of the tasks.
    """
    import cloudpickle
    from dask.base import tokenize
    from dask.delayed import delayed

    payload = cloudpickle.dumps(model)
    key = f"{type(model).__name__.lower()}-{tokenize(payload)}"
    fitted = delayed(_unpickled, pure=True)(payload, dask_key_name=key)
    meta = np.empty((0, *shape), dtype)
    if is_frame(X):
        of_block = BlockFunction(function, shape, dtype, "the Dask data frame", named)
        return X.map_partitions(_of_partition, of_block, fitted, meta=meta, token=token)
    check_dimensions(X)
    X = _whole_rows(X)
    n_in, n_out = X.ndim, 1 + len(shape)
    return X.map_blocks(
        _of_array_block,
        BlockFunction(function, shape, dtype, "the Dask array", named),
        fitted,
        drop_axis=list(range(n_out, n_in)),
        new_axis=list(range(n_in, n_out)) or None,
        chunks=(X.chunks[0], *((size,) for size in shape)),
        meta=meta,
        token=token,
    )


def _of_partition(
    frame: Any, of_block: BlockFunction, model: object, partition_info: Any = None
) -> np.ndarray:
    return of_block(frame, model, partition_info["number"] if partition_info else 0)


def _of_array_block(
    block: np.ndarray, of_block: BlockFunction, model: object, block_id: tuple[int, ...] = (0,)
) -> np.ndarray:
    return of_block(block, model, block_id[0])


def _unpickled(payload: bytes) -> object:
    import cloudpickle

    return cloudpickle.loads(payload)
