"""Shapes are checked at run time: the arrays of every call, against the annotations of what is called.

``install("isthmus")`` decorates what the package defines, when it is imported. mypy checks the other
types, and also which library an array is of: here a NumPy array may stand for the JAX array that it
becomes in the first compiled call. jaxtyping's own import hook does the same; it binds the arguments of
each call of every function, and makes functions anew for each closure.
"""

import ast
import dataclasses
import functools
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import sys
import types
import typing

from jaxtyping import AbstractArray, jaxtyped

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


class _OfNoArrays(type):
    """Of what only a type checker imports: it may be subscripted, and be a module."""

    def __getitem__(cls, index):
        return cls

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return cls


class _NotImported(metaclass=_OfNoArrays):
    pass


class Annotated:
    """The annotations of arrays in the code of a function, which functions within others share."""

    def __init__(self, function):
        known = dict.fromkeys(set(_names(function)) - set(function.__globals__), _NotImported)
        found = typing.get_type_hints(function, localns=known)
        hints = {name: hint for name, hint in found.items() if has_shape(hint)}
        self.signature = inspect.signature(function)
        # Of a generator that would be what it yields.
        self.returned = None if inspect.isgeneratorfunction(function) else hints.pop("return", None)
        places = {name: place for place, name in enumerate(self.signature.parameters)}
        several = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
        self.are_simple = not any(one.kind in several for one in self.signature.parameters.values())
        self.arguments = [(places[name], name, hint) for name, hint in hints.items() if name in places]

    def check_arguments(self, arguments, named):
        """Raise TypeError where one does not fit; what is not given has its default."""
        if self.are_simple:
            for place, name, hint in self.arguments:
                if place < len(arguments):
                    _check(name, arguments[place], hint)
                elif name in named:
                    _check(name, named[name], hint)
        else:
            given = self.signature.bind(*arguments, **named).arguments
            for _, name, hint in self.arguments:
                kind = self.signature.parameters[name].kind
                values = [given[name]] if name in given else []
                if kind is inspect.Parameter.VAR_POSITIONAL:
                    values = given.get(name, ())
                elif kind is inspect.Parameter.VAR_KEYWORD:
                    values = given.get(name, {}).values()
                for value in values:
                    _check(name, value, hint)


_BY_CODE = {}


def checked(function):
    """The function, which raises a TypeError for an array of another shape or kind of number."""
    if not function.__annotations__:
        return function
    code = function.__code__

    @functools.wraps(function)
    def call(*arguments, **named):
        annotated = _BY_CODE.get(code)
        if annotated is None:
            annotated = _BY_CODE[code] = Annotated(function)
        if not annotated.arguments and annotated.returned is None:
            return function(*arguments, **named)
        # Sizes have the same meaning in all of one call.
        with jaxtyped("context"):
            annotated.check_arguments(arguments, named)
            result = function(*arguments, **named)
            if annotated.returned is not None:
                _check("return", result, annotated.returned)
        return result

    return call


def checked_fields(kind):
    """A class, which checks what its instances are made of, if it is a dataclass or module."""
    if dataclasses.is_dataclass(kind) and "__init__" in vars(kind):
        made = kind.__init__
        if isinstance(made, types.FunctionType) and not hasattr(made, "__wrapped__"):
            kind.__init__ = checked(made)
    return kind


def _check(name, value, hint):
    if not fits(value, hint):
        shown = f"{type(value).__name__} {getattr(value, 'dtype', '')} {getattr(value, 'shape', '')}"
        raise TypeError(f"{name}: {hint} is not {shown}")


def _names(function):
    """Identifiers in annotations that are texts."""
    for text in function.__annotations__.values():
        if isinstance(text, str):
            yield from compile(text, "annotation", "eval").co_names


class _Decorated(ast.NodeTransformer):
    """Functions are decorated before all else, and classes after all else."""

    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        node.decorator_list.append(_reference("checked", node))
        return node

    def visit_ClassDef(self, node):
        self.generic_visit(node)
        node.decorator_list.insert(0, _reference("checked_fields", node))
        return node


def _reference(name, node):
    """``__import__("shapes").name`` at the place of a node."""
    found = ast.parse(f'__import__("shapes").{name}', mode="eval").body
    for part in ast.walk(found):
        ast.copy_location(part, node)
    return found


class _Loader(importlib.machinery.SourceFileLoader):
    def source_to_code(self, data, path, *, _optimize=-1):
        tree = _Decorated().visit(ast.parse(importlib.util.decode_source(data), path))
        tree = ast.fix_missing_locations(tree)
        return compile(tree, path, "exec", dont_inherit=True, optimize=_optimize)

    def path_stats(self, path):
        # What is compiled without checks is kept beside the source, and is not to be taken for this.
        raise OSError


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, package):
        self.package = package

    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] != self.package:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def install(package):
    """Check the shapes of what a package defines, from when it is imported."""
    assert package not in sys.modules
    sys.meta_path.insert(0, _Finder(package))
