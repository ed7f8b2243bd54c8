"""From a function of JAX to a program: its jaxpr for one row, without calls, loops and constants' steps.

A jaxpr lists what a function computes. Traced for one row, it says nothing of how many there will be, so
that a program is row-wise by construction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal
from jaxtyping import Array

from isthmus.files.export._programs import Builder, ExportError, Operand, Value

SAME_NAME = (
    *("sign", "floor", "sqrt", "exp", "expm1", "log", "log1p"),
    *("sin", "cos", "tanh", "erf", "logistic"),
)
OTHER_NAMES = {
    "abs": "absolute",
    "add": "add",
    "asinh": "arcsinh",
    "atan": "arctan",
    "div": "divide",
    "eq": "equal",
    "ge": "greater_equal",
    "gt": "greater",
    "le": "less_equal",
    "lt": "less",
    "max": "maximum",
    "min": "minimum",
    "mul": "multiply",
    "neg": "negative",
    "pow": "power",
    "sub": "subtract",
}
ENTRYWISE = dict(zip(SAME_NAME, SAME_NAME, strict=True)) | OTHER_NAMES
LOGICAL = {"and": "logical_and", "or": "logical_or", "not": "logical_not"}
REDUCTIONS = {"reduce_sum": "sum", "reduce_max": "max", "reduce_min": "min"}

MOVING = (
    *("broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "rev"),
    *("slice", "dynamic_slice", "gather", "split"),
)
"""What moves the entries of its first operand, and does nothing else with them."""

CALLS = (
    *("jit", "pjit", "core_call", "closed_call", "custom_jvp_call"),
    *("custom_vjp_call", "custom_vjp_call_jaxpr", "checkpoint", "remat"),
)
BODIES = ("jaxpr", "call_jaxpr", "fun_jaxpr")


def traced(function: Callable[[Array], Array], x: Value, build: Builder) -> Value:
    """Add the steps of a pure function of a row to a program: what becomes of x.

    Raises ExportError for a primitive that has no counterpart.
    """
    jaxpr = jax.make_jaxpr(function)(jnp.zeros(x.shape, x.dtype))
    (output,) = _inlined(jaxpr, [x], build)
    if not isinstance(output, Value):
        raise ExportError("the model gives the same for all rows, so that there is nothing to export")
    return output


def _inlined(jaxpr: ClosedJaxpr | Jaxpr, operands: Sequence[Operand], build: Builder) -> list[Operand]:
    """The results of a jaxpr, the calls in it as if they were written out."""
    inner, constants = (jaxpr.jaxpr, jaxpr.consts) if isinstance(jaxpr, ClosedJaxpr) else (jaxpr, [])
    known: dict[Any, Operand] = {}  # by variable
    known |= zip(inner.constvars, map(np.asarray, constants), strict=True)
    known |= zip(inner.invars, operands, strict=True)

    def read(atom: Any) -> Operand:  # a variable or a literal
        aval = atom.aval
        return np.asarray(atom.val, aval.dtype) if isinstance(atom, Literal) else known[atom]

    for equation in inner.eqns:
        results = _results(equation, [read(atom) for atom in equation.invars], build)
        known |= zip(equation.outvars, results, strict=True)
    return [read(atom) for atom in inner.outvars]


def _results(equation: JaxprEqn, operands: list[Operand], build: Builder) -> list[Operand]:
    name, params = equation.primitive.name, equation.params
    if name == "scan":
        return _unrolled(params, operands, build)
    if name in CALLS:
        body = next(params[key] for key in BODIES if key in params)
        return _inlined(body, operands, build)
    arrays = [one for one in operands if isinstance(one, np.ndarray)]
    if len(arrays) == len(operands):
        return [*_computed(equation, arrays)]
    x, *others = operands
    if name in MOVING and isinstance(x, Value) and len(arrays) == len(others):
        return [*_moved(equation, x, arrays, build)]
    if name in ("concatenate", "stack"):
        return [_joined(equation, operands, build)]
    return [_simple(equation, operands, build)]


def _simple(equation: JaxprEqn, operands: list[Operand], build: Builder) -> Operand:
    """The step, or the few, that a primitive with one result is."""
    name, params, x = equation.primitive.name, equation.params, operands[0]
    aval: Any = equation.outvars[0].aval  # of a class without types
    if name in ENTRYWISE:
        return build.entrywise(ENTRYWISE[name], *operands, dtype=aval.dtype)
    if name in LOGICAL and aval.dtype == bool:
        return build.entrywise(LOGICAL[name], *operands, dtype=bool)
    if name == "ne":
        return build.entrywise("logical_not", build.entrywise("equal", *operands, dtype=bool))
    if name == "select_n" and len(operands) == 3 and x.dtype == bool:
        return build.entrywise("where", x, operands[2], operands[1])
    if name in ("stop_gradient", "copy"):
        return x
    if name == "square":
        return build.entrywise("multiply", x, x)
    if name == "integer_pow":
        return build.entrywise("power", x, np.asarray(params["y"], x.dtype))
    if name == "rsqrt":
        return build.entrywise("divide", np.ones((), x.dtype), build.entrywise("sqrt", x))
    if name == "erfc":
        return build.entrywise("subtract", np.ones((), x.dtype), build.entrywise("erf", x))
    if name == "convert_element_type" and isinstance(x, Value):
        return build.cast(x, aval.dtype)
    if name in REDUCTIONS:
        axes = [axis - len(x.shape) for axis in params["axes"]]
        return build.add(REDUCTIONS[name], [x], aval.shape, aval.dtype, axes=axes)
    if name == "dot_general":
        left, right = operands
        return _product(left, right, params["dimension_numbers"], aval.shape, build)
    raise ExportError(
        f"the model computes {name!r}, for which exports have no counterpart. It comes from a function "
        "of your own, such as an activation, a likelihood or the mean of a loss: write it with sums, "
        f"products, powers, comparisons, where, abs, {', '.join(SAME_NAME)}"
    )


def _computed(equation: JaxprEqn, arrays: Sequence[np.ndarray], **changed: object) -> list[np.ndarray]:
    """The results where all operands are constants."""
    compute: Callable[..., Any] = equation.primitive.bind  # one array, or several
    found = compute(*map(jnp.asarray, arrays), **(equation.params | changed))
    return list(map(np.asarray, found if equation.primitive.multiple_results else [found]))


def _moved(
    equation: JaxprEqn, x: Value, others: Sequence[np.ndarray], build: Builder
) -> Iterator[Operand]:
    """Entries at other places: which ones, JAX itself says of an array of places."""
    places = np.arange(x.size, dtype=np.int32).reshape(x.shape)
    # What would be filled in beside the entries shows by a place of its own.
    filling = {"fill_value": -1} if "fill_value" in equation.params else {}
    for where in _computed(equation, [places, *others], **filling):
        if where.size and not 0 <= where.min() <= where.max() < x.size:
            raise ExportError("the model picks entries where there are none, which exports cannot")
        yield build.rearranged(x, where)


def _joined(equation: JaxprEqn, operands: list[Operand], build: Builder) -> Operand:
    """Arrays as one: their entries one after the other, then put in order."""
    if not all(isinstance(one, Value) for one in operands):
        raise ExportError("the model joins numbers of a row to constants, which exports cannot")
    sizes = np.cumsum([0, *(one.size for one in operands)])
    places = [
        np.arange(start, start + one.size, dtype=np.int32).reshape(one.shape)
        for start, one in zip(sizes, operands, strict=False)
    ]
    flat = [build.reshape(one, (one.size,)) for one in operands]
    joined = build.add("concatenate", flat, (sizes[-1],), operands[0].dtype)
    (order,) = _computed(equation, places)
    return build.rearranged(joined, order)


def _unrolled(params: dict[str, Any], operands: list[Operand], build: Builder) -> list[Operand]:
    """A loop written out, as of the members of an ensemble: what it carries at the end."""
    n_fixed, n_carried = params["num_consts"], params["num_carry"]
    fixed, carried = operands[:n_fixed], operands[n_fixed : n_fixed + n_carried]
    each = [one for one in operands[n_fixed + n_carried :] if isinstance(one, np.ndarray)]
    n_known = len(operands) - n_fixed - n_carried
    if len(params["jaxpr"].jaxpr.outvars) > n_carried or len(each) < n_known:
        raise ExportError("the model has a loop over numbers of a row, which exports cannot write out")
    turns = range(params["length"])
    for turn in reversed(turns) if params["reverse"] else turns:
        carried = _inlined(
            params["jaxpr"], [*fixed, *carried, *(np.asarray(one[turn]) for one in each)], build
        )
    return carried


def _product(
    left: Operand,
    right: Operand,
    axes: tuple[tuple[Sequence[int], Sequence[int]], tuple[Sequence[int], Sequence[int]]],
    shape: Sequence[int],
    build: Builder,
) -> Operand:
    """Σ over contracted axes of two arrays: what they share comes first, then those of each alone."""
    contracted, shared = axes
    rows, (batch, a, k) = _arranged(left, shared[0], contracted[0], build)
    columns, (_, b, _) = _arranged(right, shared[1], contracted[1], build)
    if isinstance(columns, np.ndarray) and not shared[0]:
        rows = build.reshape(rows, (k,) if a == 1 else (a, k))
        matrix = np.ascontiguousarray(columns.reshape(b, k).T)
        product = build.add("matmul", [rows, matrix], (*rows.shape[:-1], b), rows.dtype)
        return build.reshape(product, shape)
    rows = build.reshape(rows, (batch, a, 1, k))
    columns = build.reshape(columns, (batch, 1, b, k))
    products = build.entrywise("multiply", rows, columns)
    return build.reshape(build.add("sum", [products], (batch, a, b), rows.dtype, axes=[-1]), shape)


def _arranged(
    x: Operand, shared: Sequence[int], contracted: Sequence[int], build: Builder
) -> tuple[Operand, tuple[int, int, int]]:
    """Shared axes first, contracted ones last, and the number of entries of each kind."""
    own = [axis for axis in range(len(x.shape)) if axis not in (*shared, *contracted)]
    order = [*shared, *own, *contracted]
    batch, a, k = (math.prod(x.shape[axis] for axis in axes) for axes in (shared, own, contracted))
    if isinstance(x, np.ndarray):
        return x.transpose(order), (batch, a, k)
    return build.rearranged(x, np.arange(x.size).reshape(x.shape).transpose(order)), (batch, a, k)
