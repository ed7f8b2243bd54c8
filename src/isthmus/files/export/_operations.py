"""What a program may do with entries: each operation by its name in NumPy, in ONNX and in C."""

from __future__ import annotations

from typing import NamedTuple


class Operation(NamedTuple):
    """An operation on entries. ``onnx`` is an operator, and ``c`` an expression of float operands."""

    onnx: str
    c: str


OPERATIONS = {
    "add": Operation("Add", "{0} + {1}"),
    "subtract": Operation("Sub", "{0} - {1}"),
    "multiply": Operation("Mul", "{0} * {1}"),
    "divide": Operation("Div", "{0} / {1}"),
    "power": Operation("Pow", "powf({0}, {1})"),
    # fmaxf and fminf would lose a NaN, and so would comparisons alone.
    "maximum": Operation("Max", "{0} != {0} || {0} >= {1} ? {0} : {1}"),
    "minimum": Operation("Min", "{0} != {0} || {0} <= {1} ? {0} : {1}"),
    "negative": Operation("Neg", "-{0}"),
    "absolute": Operation("Abs", "fabsf({0})"),
    "sign": Operation("Sign", "{0} != {0} ? {0} : (float)({0} > 0) - (float)({0} < 0)"),
    "floor": Operation("Floor", "floorf({0})"),
    "sqrt": Operation("Sqrt", "sqrtf({0})"),
    "exp": Operation("Exp", "expf({0})"),
    "expm1": Operation("", "expm1f({0})"),
    "log": Operation("Log", "logf({0})"),
    "log1p": Operation("", "log1pf({0})"),
    "sin": Operation("Sin", "sinf({0})"),
    "cos": Operation("Cos", "cosf({0})"),
    "tanh": Operation("Tanh", "tanhf({0})"),
    "arctan": Operation("Atan", "atanf({0})"),
    "arcsinh": Operation("Asinh", "asinhf({0})"),
    "erf": Operation("Erf", "erff({0})"),
    "logistic": Operation("Sigmoid", "1.0f / (1.0f + expf(-{0}))"),
    "equal": Operation("Equal", "{0} == {1}"),
    "less": Operation("Less", "{0} < {1}"),
    "less_equal": Operation("LessOrEqual", "{0} <= {1}"),
    "greater": Operation("Greater", "{0} > {1}"),
    "greater_equal": Operation("GreaterOrEqual", "{0} >= {1}"),
    "logical_and": Operation("And", "{0} && {1}"),
    "logical_or": Operation("Or", "{0} || {1}"),
    "logical_not": Operation("Not", "!{0}"),
    "where": Operation("Where", "{0} ? {1} : {2}"),
}
"""Without an ``onnx`` operator, ``_onnx.py`` says how it is made of others."""

REDUCTIONS = {"sum": Operation("ReduceSum", "{0} + {1}")} | {
    name: OPERATIONS[whole]._replace(onnx=onnx)
    for name, whole, onnx in (("max", "maximum", "ReduceMax"), ("min", "minimum", "ReduceMin"))
}
"""Over axes that are counted from the last; ``c`` takes what was found so far and an entry."""
