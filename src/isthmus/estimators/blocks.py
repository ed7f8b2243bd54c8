"""Functions of rows that are lazy for collections of Dask, which computes them block by block."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
from sklearn import get_config
from sklearn.utils.validation import check_is_fitted

from isthmus.data.checks import check_columns
from isthmus.data.stored.dask import is_dask, is_frame, over_blocks

Model = Any  # any estimator
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

Form = tuple[tuple[int, ...], np.dtype]
"""Shape and type of what there is of each row."""


def by_blocks(
    form: Callable[[Model, Any], Form], check: Callable[[Model, Any], None] = check_columns
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """A decorator: of a collection of Dask, a function of (model, rows, …) gives a Dask array (n, …).

    ``form`` says what there is of each row, and ``check`` raises where the collection has not the
    columns that the model takes. Nothing of the collection is computed before the result is, and then
    each block goes through the function as an array or data frame in memory. The function is of a
    module, or a method.
    """

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        signature = inspect.signature(function)
        name = function.__name__

        @wraps(function)
        def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            given = signature.bind(*args, **kwargs).arguments
            model, rows = list(given.values())[:2]
            if not is_dask(rows):
                return function(*args, **kwargs)
            check_is_fitted(model)
            _check_output(model, name)
            check(model, rows)
            of_block = Method(name) if "." in function.__qualname__ else call
            others = dict(list(given.items())[2:])
            shape, dtype = form(model, rows)
            lazy = over_blocks(rows, model, of_block, shape, np.dtype(dtype), _checked(others), name)
            return cast(Result, lazy)

        return call

    return decorate


@dataclass(frozen=True)
class Method:
    """Calls the method of this name."""

    name: str

    def __call__(self, model: Model, *args: object, **named: object) -> object:
        return getattr(model, self.name)(*args, **named)


def _checked(others: dict[str, object]) -> dict[str, object]:
    """Further arguments, the same for every block: not those that have numbers for each row."""
    for name, value in others.items():
        if np.ndim(cast(Any, value)) > 1:
            raise ValueError(
                f"{name} has {np.ndim(cast(Any, value))} dimensions, and beside a Dask collection it is "
                "the same for all rows: pass one number or one per column, or call the function of each "
                "block yourself, with dask.array.map_blocks"
            )
    return others


def _check_output(model: Model, name: str) -> None:
    config = getattr(model, "_sklearn_output_config", {}).get("transform")
    config = config or get_config()["transform_output"]
    if name == "transform" and config != "default":
        raise ValueError(
            f"set_output(transform={config!r}) makes a data frame in memory, and coordinates of a Dask "
            "collection are a Dask array that is not computed yet: use set_output(transform='default'), "
            "and for a data frame of Dask dask.dataframe.from_dask_array(model.transform(X), "
            "columns=model.get_feature_names_out())"
        )


def floating_of(X: Any) -> np.dtype:
    """float32 of a collection that is in float32, and float64 of any other."""
    kinds = set(X.dtypes) if is_frame(X) else {X.dtype}
    return np.dtype(np.float32 if kinds == {np.dtype(np.float32)} else np.float64)
