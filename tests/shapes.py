"""Shapes are checked at run time: the arrays of every call, against the annotations of what is called.

A type checker for ``jaxtyping.install_import_hook`` that looks at annotated arrays alone. mypy checks
the other types, and also which library an array is of: here a NumPy array may stand for the JAX array
that it becomes in the first compiled call.
"""

import functools
import inspect
import types
import typing

from jaxtyping import AbstractArray

UNIONS = (typing.Union, types.UnionType)


def has_shape(hint):
    """Whether an annotation is an array's, or a union with one."""
    if typing.get_origin(hint) in UNIONS:
        return any(map(has_shape, typing.get_args(hint)))
    return isinstance(hint, type) and issubclass(hint, AbstractArray)


def fits(value, hint):
    """Whether a value is what an annotation with a shape says."""
    if typing.get_origin(hint) in UNIONS:
        return any(fits(value, one) for one in typing.get_args(hint))
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        # set_output makes frames of arrays.
        value = value.to_numpy() if hasattr(value, "columns") else value
        return isinstance(value, hint.dtype[typing.Any, hint.dim_str])
    kind = typing.get_origin(hint) or hint
    return not isinstance(kind, type) or getattr(kind, "_is_protocol", False) or isinstance(value, kind)


def checked(function):
    """The function, which raises a TypeError for an array of another shape or kind of number."""
    signature, hints = inspect.signature(function), {}

    @functools.wraps(function)
    def call(*arguments, **named):
        if not hints:
            # Names that only a type checker imports are of no arrays.
            known = dict.fromkeys(set(_names(function)) - set(function.__globals__), object)
            hints.update(typing.get_type_hints(function, localns=known), __read__=None)
        given = signature.bind(*arguments, **named).arguments
        for name, value in given.items():
            if has_shape(hints.get(name)) and not fits(value, hints[name]):
                raise TypeError(f"{name}: {hints[name]} is not {_described(value)}")
        result = function(*arguments, **named)
        if has_shape(hints.get("return")) and not fits(result, hints["return"]):
            raise TypeError(f"return: {hints['return']} is not {_described(result)}")
        return result

    return call


def _names(function):
    """Identifiers in annotations that are texts."""
    for text in function.__annotations__.values():
        if isinstance(text, str):
            yield from compile(text, "annotation", "eval").co_names


def _described(value):
    return f"{type(value).__name__} {getattr(value, 'dtype', '')} {getattr(value, 'shape', '')}"
