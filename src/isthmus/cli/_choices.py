"""Choices that are written as in Python, ``Gaussian(0.3)``: read, never run."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click


class ChoiceError(ValueError):
    """A text is not a choice that there is, or does not fit it."""


@dataclass(frozen=True)
class Room:
    """A room of the library that users choose from: what there is, and how one is written."""

    name: str
    choices: tuple[str, ...]
    example: str

    def find(self, name: str) -> Any:
        """The class of a choice in any case, also with its room before it; None if there is none."""
        bare = name.removeprefix("isthmus.").removeprefix(f"{self.name}.").lower()
        found = {choice.lower(): choice for choice in self.choices}.get(bare)
        return found and getattr(import_module(f"isthmus.{self.name}"), found)

    def error(self, fault: str) -> ChoiceError:
        return ChoiceError(
            f"{fault}. isthmus.{self.name} has {', '.join(self.choices)}; write one as in Python and in "
            f'quotes, such as "{self.example}"'
        )


NOISES = Room(
    "noise",
    ("Gaussian", "Masking", "SaltAndPepper", "Neighbours", "ImageJitter", "Compose"),
    "Compose([Neighbours(5), Gaussian(scale=0.1)])",
)
PRIORS = Room("priors", ("StandardNormal", "Uniform", "Mixture"), "Mixture(20)")
LIKELIHOODS = Room(
    "likelihoods", ("Gaussian", "Bernoulli", "Poisson", "NegativeBinomial"), "Gaussian('feature')"
)


def option_of(room: Room) -> Callable[..., Any]:
    """The callback of an option whose value is one of the room's choices."""

    def check(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
        try:
            return None if value is None else read(value, room)
        except ChoiceError as error:
            raise click.BadParameter(str(error)) from error

    return check


def read(text: str, room: Room) -> Any:
    """The choice that a text writes: a call with literals, or choices, for arguments; or a name.

    Raises ChoiceError for anything else, and for arguments that the choice does not take.
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise room.error(f"{text!r} is not written as in Python") from None
    if not isinstance(node, ast.Call | ast.Name | ast.Attribute):
        raise room.error(f"{text!r} is not one of the choices")
    return _choice(node, room)


def _choice(node: ast.expr, room: Room) -> Any:
    call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
    name, text = ast.unparse(call.func), ast.unparse(node)
    cls = room.find(name)
    if cls is None:
        raise room.error(f"there is no {name!r}")
    positional = [_argument(argument, room) for argument in call.args]
    named = {keyword.arg or "**": _argument(keyword.value, room) for keyword in call.keywords}
    signature = inspect.signature(cls)
    try:
        if len(named) < len(call.keywords):
            raise TypeError("an argument is repeated")
        signature.bind(*positional, **named)
    except TypeError as error:
        usage = f"{cls.__name__}{_without_types(signature)}"
        raise ChoiceError(f"{text}: {error}; it is written {usage}") from None
    try:
        return cls(*positional, **named)
    except (ValueError, TypeError) as error:
        raise ChoiceError(str(error)) from error


def _argument(node: ast.expr, room: Room) -> Any:
    if isinstance(node, ast.List | ast.Tuple):
        items = [_argument(item, room) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)
    if isinstance(node, ast.Name) and room.find(node.id) is None:
        raise room.error(f"{node.id} is no number; if it is text, it needs quotes: {node.id!r}")
    if isinstance(node, ast.Call | ast.Name | ast.Attribute):
        return _choice(node, room)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError):
        raise room.error(f"{ast.unparse(node)} is no number, text, list or choice") from None


def _without_types(signature: inspect.Signature) -> inspect.Signature:
    bare = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
    return signature.replace(parameters=bare, return_annotation=signature.empty)
