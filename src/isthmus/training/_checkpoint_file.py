"""The file of a checkpoint: arrays as safetensors, everything else as a JSON header, and a digest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import PyTree

import isthmus
from isthmus.data.atomic import digest, replacing
from isthmus.training._compiled import State

FORMAT = 1
HEADER, DIGEST = "isthmus_checkpoint", "sha256"


@dataclass(frozen=True)
class Saved:
    """A checkpoint as it was read: its header, and its arrays."""

    path: Path
    header: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]


class DamagedError(Exception):
    """A file is empty, truncated or altered, so that it is not a whole checkpoint."""


def write(path: Path, text: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a header and arrays to a file that is there as a whole, or not at all."""
    content = safetensors.numpy.save({**arrays, DIGEST: digest(text, arrays)}, {HEADER: text})
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def read(path: Path) -> Saved:
    """A checkpoint. Raises DamagedError if it is not whole, ValueError if a newer isthmus wrote it."""
    if path.stat().st_size == 0:
        raise DamagedError("it is empty")
    try:
        with safetensors.safe_open(path, "numpy") as file:
            text = (file.metadata() or {}).get(HEADER, "")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise DamagedError(f"it is truncated, or altered: {error}") from error
    expected = arrays.pop(DIGEST, None)
    if not np.array_equal(expected, digest(text, arrays)):
        raise DamagedError("its SHA-256 digest does not match")
    header = json.loads(text)
    if header["format"] > FORMAT:
        raise ValueError(
            f"{path} has format {header['format']}, written by isthmus {header['isthmus']}; this is "
            f"isthmus {isthmus.__version__}, which reads up to format {FORMAT}: upgrade isthmus"
        )
    return Saved(path, header, arrays)


def arrays_of(tree: PyTree) -> list[tuple[str, Any]]:
    """Arrays of a tree, each with its place in it, such as ".weights.encoder.shift"."""
    return [
        (jax.tree_util.keystr(place), leaf)
        for place, leaf in jax.tree_util.tree_leaves_with_path(tree)
        if isinstance(leaf, jax.Array | np.ndarray | np.generic)
    ]


def _is_key(leaf: Any) -> bool:  # an array of NumPy or of JAX
    return bool(jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key))


def host_array(leaf: Any) -> np.ndarray:  # an array of NumPy or of JAX
    """The bits of an array in a type that safetensors has."""
    array = np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)
    # Types that NumPy itself lacks, as bfloat16, are kept as integers.
    return array if array.dtype.kind in "biuf" else array.view(f"u{array.dtype.itemsize}")


def filled(state: State, saved: Saved) -> State:
    """A state of this structure, with the arrays that were saved, on the same devices."""

    def restored(place: tuple[Any, ...], leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array):
            return leaf
        name = f"state{jax.tree_util.keystr(place)}"
        bits, array = host_array(leaf), saved.arrays.get(name)
        if array is None or (array.shape, array.dtype) != (bits.shape, bits.dtype):
            raise ValueError(
                f"{saved.path} does not fit this training, whose {name} is {bits.dtype} "
                f"{bits.shape}: it was written by another version of isthmus, JAX or Optax, or for "
                "another solver. Use what wrote it, or delete the folder to start anew"
            )
        if _is_key(leaf):
            return jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(leaf))
        return jax.device_put(array.view(leaf.dtype), leaf.sharding)

    state_as_saved: State = jax.tree_util.tree_map_with_path(restored, state)
    return state_as_saved
