"""Choices that are written as in Python, ``Gaussian(0.3)``: read, never run."""

from __future__ import annotations

import ast
import inspect
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

import click

from isthmus import registry
from isthmus.cli._options import Check
from isthmus.registry import Kind

if TYPE_CHECKING:
    from isthmus.estimators.base import BaseMap


class ChoiceError(ValueError):
    """A text is not a choice that there is, or does not fit it."""


def _error(fault: str, kind: Kind) -> ChoiceError:
    return ChoiceError(
        f"{fault}. The choices of {kind.parameter} are {', '.join(kind.classes)}; write one as in "
        f'Python and in quotes, such as "{kind.example}"'
    )


def choice_of(kind: Kind) -> Check:
    """The callback of an option whose value is a choice of this kind."""

    def check(ctx: click.Context, param: click.Parameter, value: str | None) -> object:
        try:
            return None if value is None else read(value, kind)
        except ChoiceError as error:
            raise click.BadParameter(str(error)) from error

    return check


def map_classes() -> dict[str, type[BaseMap]]:
    """The estimators that can be fitted to rows alone, by the words that stand for them."""
    from isthmus.estimators.base import BaseMap

    return {
        word: cls
        for word, cls in registry.estimators.words.items()
        if issubclass(cls, BaseMap) and "estimator" not in inspect.signature(cls).parameters
    }


def map_class(ctx: click.Context, param: click.Parameter, value: str) -> type[BaseMap]:
    """The callback of an option that names an estimator of maps."""
    classes = map_classes()
    found = registry.estimators.find(value)
    for cls in classes.values():
        if cls is found:
            return cls
    raise click.BadParameter(f"there is no {value!r}; there are {', '.join(classes)}")


def read(text: str, kind: Kind) -> object:
    """The choice that a text writes: a call with literals, or choices, for arguments; or a name.

    Raises ChoiceError for anything else, and for arguments that the choice does not take.
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise _error(f"{text!r} is not written as in Python", kind) from None
    if not isinstance(node, ast.Call | ast.Name | ast.Attribute):
        raise _error(f"{text!r} is not one of the choices", kind)
    return _choice(node, kind)


def _choice(node: ast.expr, kind: Kind) -> object:
    call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
    name, text = ast.unparse(call.func), ast.unparse(node)
    cls = kind.find(name)
    if cls is None:
        raise _error(f"there is no {name!r}", kind)
    positional = [_argument(argument, kind) for argument in call.args]
    named = {keyword.arg or "**": _argument(keyword.value, kind) for keyword in call.keywords}
    signature = inspect.signature(cls)
    try:
        if len(named) < len(call.keywords):
            raise TypeError("an argument is repeated")
        signature.bind(*positional, **named)
    except TypeError as error:
        raise ChoiceError(f"{text}: {error}; it is written {usage_of(cls)}") from None
    try:
        return cls(*positional, **named)
    except (ValueError, TypeError) as error:
        raise ChoiceError(str(error)) from error


def _argument(node: ast.expr, kind: Kind) -> object:
    if isinstance(node, ast.List | ast.Tuple):
        items = [_argument(item, kind) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)
    if isinstance(node, ast.Name) and kind.find(node.id) is None:
        raise _error(f"{node.id} is no number; if it is text, it needs quotes: {node.id!r}", kind)
    if isinstance(node, ast.Call | ast.Name | ast.Attribute):
        return _choice(node, kind)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError):
        raise _error(f"{ast.unparse(node)} is no number, text, list or choice", kind) from None


def import_modules(names: Sequence[str]) -> None:
    """Import modules of the user's own, also from the working directory, or raise a usage error."""
    if names and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    for name in names:
        try:
            import_module(name)
        except ImportError as error:
            fault = f"{name} cannot be imported: {error}"
            raise click.BadParameter(fault, param_hint="--import") from error


def usage_of(cls: type) -> str:
    """How a choice is written, with its defaults."""
    signature = inspect.signature(cls)
    bare = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
    return f"{cls.__name__}{signature.replace(parameters=bare, return_annotation=signature.empty)}"


def summary_of(cls: type) -> str:
    """The first paragraph of a docstring, on one line."""
    paragraph = (inspect.getdoc(cls) or "").partition("\n\n")[0]
    return " ".join(paragraph.replace("``", "").split())
