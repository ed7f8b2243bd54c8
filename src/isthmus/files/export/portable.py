"""A map's functions as steps and arrays, for a page that runs them itself."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from isthmus.files.export import _functions, _numpy
from isthmus.files.export._verification import TOLERANCE, verify

N_PROBES = 8


@dataclass(frozen=True)
class Probes:
    """Rows to try a function on: (p, k) → (p, K), which it must give to ``tolerance`` (K,)."""

    given: np.ndarray
    expected: Float[np.ndarray, "p K"]
    tolerance: Float[np.ndarray, " K"]


@dataclass(frozen=True)
class Portable:
    """What ``.npz`` holds of a map: "encode" and "decode" as JSON, the arrays that they name, probes."""

    functions: dict[str, Any]
    arrays: dict[str, np.ndarray]
    probes: dict[str, Probes]


def portable(model: object) -> Portable:
    """The functions of a fitted map; they have given what it gives before they are returned.

    Raises what ``isthmus.export`` raises: TypeError, NotFittedError, and ExportError for angles,
    categories, and functions that exports cannot compute.
    """
    model = _functions.checked(model)
    exported = {"encode": _functions.encoder(model), "decode": _functions.decoder(model)}
    programs = {name: one.program for name, one in exported.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "map.npz")
        _numpy.write(path, programs, {})
        with _numpy.opened(path, programs) as runs:
            for name, run in runs.items():
                verify(run, exported[name].probes, exported[name].expected)
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
    functions = json.loads(str(arrays.pop("isthmus")))["functions"]
    return Portable(functions, arrays, {name: _some(one) for name, one in exported.items()})


def _some(exported: _functions.Exported) -> Probes:
    ((_, expected),) = exported.expected.items()
    chosen = np.linspace(0, len(exported.probes) - 1, N_PROBES).astype(int)
    tolerance = 10 * TOLERANCE * expected.spread + expected.moved.max(axis=0)
    given = exported.probes[chosen].astype(exported.program.input.dtype)
    return Probes(given, expected.values[chosen], tolerance)
