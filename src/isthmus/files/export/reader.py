"""Reads a map that isthmus exported as .npz. It needs NumPy alone: copy it to where the map goes."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

NAMES = """
    add subtract multiply divide power maximum minimum negative absolute sign floor sqrt matmul
    exp expm1 log log1p sin cos tanh arctan arcsinh
    equal less less_equal greater greater_equal logical_and logical_or logical_not where
"""
OPERATIONS: dict[str, Any] = {
    **{name: getattr(np, name) for name in NAMES.split()},
    "logistic": lambda x: np.exp(-np.logaddexp(np.float32(0), -x)),
    "erf": np.vectorize(math.erf, otypes=[np.float32]),
    "sum": lambda x, axes: x.sum(axis=tuple(axes)),
    "max": lambda x, axes: x.max(axis=tuple(axes)),
    "min": lambda x, axes: x.min(axis=tuple(axes)),
    "reshape": lambda x, shape: x.reshape(len(x), *shape),
    "take": lambda x, places: x[..., places],
    "concatenate": lambda *parts: np.concatenate(parts, axis=-1),
    "cast": lambda x, dtype: x.astype(dtype),
}


def read(path: Any) -> tuple[dict[str, Callable[[Any], np.ndarray]], dict[str, Any]]:
    """The functions of a file, each of rows (n, width), by their names; and what it says of the map."""
    with np.load(path) as file:
        constants = {name: file[name] for name in file.files}
    header = json.loads(str(constants.pop("isthmus")))

    def function(program: dict[str, Any]) -> Callable[[Any], np.ndarray]:
        def run(rows: Any) -> np.ndarray:
            rows = np.asarray(rows, program["dtype"])
            if rows.ndim != 2 or rows.shape[1] != program["width"]:
                raise ValueError(f"expected rows (n, {program['width']}), got {rows.shape}")
            values = {**constants, program["input"]: rows}
            with np.errstate(all="ignore"):
                for result, operation, operands, settings in program["steps"]:
                    given = [values[name] for name in operands]
                    values[result] = OPERATIONS[operation](*given, **settings)
            output: np.ndarray = values[program["output"]]
            return output

        return run

    functions = {name: function(program) for name, program in header["functions"].items()}
    return functions, header["about"]
