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
        return isinstance(value, _of_any_library(hint))
    kind = typing.get_origin(hint) or hint
    return not isinstance(kind, type) or getattr(kind, "_is_protocol", False) or isinstance(value, kind)


@functools.cache
def _of_any_library(hint):
    """The shape and the kind of number alone; a class, so that making it for each call takes long."""
    return hint.dtype[typing.Any, hint.dim_str]


def checked(function):
    """The function, which raises a TypeError for an array of another shape or kind of number.

    jaxtyping asks twice for each call: of the arguments before it, and then of all together with what is
    returned, where the arguments need not be looked at again.
    """
    signature, hints = inspect.signature(function), None
    names = list(signature.parameters)
    several = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    simple = not any(one.kind in several for one in signature.parameters.values())

    @functools.wraps(function)
    def call(*arguments, **named):
        nonlocal hints
        if hints is None:
            # Names that only a type checker imports are of no arrays.
            known = dict.fromkeys(set(_names(function)) - set(function.__globals__), object)
            found = typing.get_type_hints(function, localns=known)
            hints = {name: hint for name, hint in found.items() if has_shape(hint)}
        if not hints:
            return function(*arguments, **named)
        if signature.return_annotation in (inspect.Signature.empty, typing.Any):
            if simple:
                given = dict(zip(names, arguments, strict=False)) | named
            else:
                given = signature.bind(*arguments, **named).arguments
            for name, hint in hints.items():
                if name in given and not fits(given[name], hint):
                    raise TypeError(f"{name}: {hint} is not {_described(given[name])}")
            return function(*arguments, **named)
        result = function(*arguments, **named)
        if "return" in hints and not fits(result, hints["return"]):
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
