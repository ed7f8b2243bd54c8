"""What users may name has a docstring, an example, and the parameters that it takes.

The examples themselves run as doctests. Public is what ``isthmus`` and its public modules offer, the
public methods of these classes, and the results that public functions return.
"""

import ast
import functools
import inspect
import itertools
import textwrap
from importlib import import_module

import pytest

import isthmus
from isthmus.laboratories.one_number.orders import Order
from isthmus.objectives.corruption import Noise
from isthmus.results import Result

INTERNAL_METHODS = {
    *("allowing_nan", "keep_for_training", "process_starts", "shared_by", "some_numbers", "summary"),
    *("training_numbers", "without_names", "without_rows"),
}
"""Of ``isthmus.StoredRows``: a fit calls them, users do not. They are described, without examples."""

ONCE = {"bind": Noise, "places": Order}
"""Methods that are the same for all classes of a kind: its protocol describes them, unless they do."""

FUNCTIONS = (type(lambda: None), functools._lru_cache_wrapper)


def is_own(thing):
    return (getattr(thing, "__module__", None) or "").partition(".")[0] == "isthmus"


def names_of(module):
    """What a module offers: its ``__all__``, or else what is isthmus's own in it, but for modules."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and is_own(value) and not inspect.ismodule(value)
        ]
    return names


def returned_result(function):
    """The class of the result that a function returns, if it is one."""
    if not inspect.isfunction(inspect.unwrap(function)):
        return None
    name = inspect.unwrap(function).__annotations__.get("return")
    found = vars(inspect.getmodule(inspect.unwrap(function))).get(name)
    return found if inspect.isclass(found) and issubclass(found, Result) else None


def public_things():
    things = {}
    for module in (isthmus, *(import_module(f"isthmus.{name}") for name in isthmus._PUBLIC_MODULES)):
        for name in names_of(module):
            thing = getattr(module, name)
            if inspect.isclass(thing) or (callable(thing) and hasattr(thing, "__qualname__")):
                things.setdefault(f"{thing.__module__}.{thing.__qualname__}", thing)
    for thing in list(things.values()):
        result = returned_result(thing)
        if result is not None:
            things.setdefault(f"{result.__module__}.{result.__qualname__}", result)
    return things


def members(thing):
    """Public methods and properties of a class, each from the class that defines it."""
    for name in dir(thing):
        if name.startswith("_"):
            continue
        owner = next(cls for cls in thing.__mro__ if name in vars(cls))
        member = vars(owner)[name]
        if hasattr(member, "fn"):  # of scikit-learn, where a method is there under a condition
            member = member.fn
        function = inspect.unwrap(getattr(member, "__func__", member))
        if is_own(owner) and (isinstance(function, FUNCTIONS) and is_own(function)):
            yield f"{owner.__module__}.{owner.__qualname__}.{name}", member
        if is_own(owner) and isinstance(member, property | functools.cached_property):
            yield f"{owner.__module__}.{owner.__qualname__}.{name}", member


THINGS = public_things()
METHODS = {
    name: member
    for thing in THINGS.values()
    if inspect.isclass(thing)
    for name, member in members(thing)
}


def is_property(thing):
    return isinstance(thing, property | functools.cached_property)


def section(docstring, title):
    """Names that a section of a docstring describes, as numpydoc writes them."""
    lines = inspect.cleandoc(docstring).splitlines()
    is_rule = [bool(line) and set(line) == {"-"} for line in lines]
    starts = [number for number, line in enumerate(lines[:-1]) if line == title and is_rule[number + 1]]
    names = set()
    for start in starts:
        for number in range(start + 2, len(lines)):
            if number + 1 < len(lines) and is_rule[number + 1]:
                break
            if lines[number][:1].strip():
                names |= {name.strip() for name in lines[number].partition(" : ")[0].split(",")}
    return names


def described_fields(cls):
    """Fields of a class, and of those that it is built on, with a text below them."""
    found = set()
    for one in filter(is_own, cls.__mro__):
        body = ast.parse(textwrap.dedent(inspect.getsource(one))).body[0].body
        for field, text in itertools.pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                found.add(field.target.id)
    return found


def parameters(thing):
    if inspect.isclass(thing) and issubclass(thing, Exception) and not is_own(thing.__init__):
        return set()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    taken = inspect.signature(getattr(thing, "__func__", thing)).parameters.values()
    names = {one.name for one in taken if one.kind not in variadic}
    bound = "cls" if isinstance(thing, classmethod) else "self"
    return {name for name in names if not name.startswith("_")} - {bound}


@pytest.mark.parametrize("name", sorted(THINGS | METHODS))
def test_public_names_are_described_with_an_example_and_their_parameters(name):
    thing = (THINGS | METHODS)[name]
    own_name = name.rpartition(".")[2]
    if not thing.__doc__ and own_name in ONCE:
        thing = vars(ONCE[own_name])[own_name]
    docstring = thing.__doc__
    assert docstring, f"{name} has no docstring"
    if is_property(thing):
        return
    assert docstring.strip().splitlines()[0].endswith((".", ":")), (
        f"the first line of {name} is no sentence"
    )
    if own_name not in INTERNAL_METHODS:
        assert ">>>" in docstring, f"{name} has no example"
    described = {one for one in section(docstring, "Parameters") if not one.startswith("*")}
    taken = parameters(thing)
    assert described <= taken, f"{name} takes no {', '.join(sorted(described - taken))}"
    if inspect.isclass(thing):
        described = described | section(docstring, "Attributes") | described_fields(thing)
    assert taken <= described, f"{name} does not describe {', '.join(sorted(taken - described))}"


def fitted_attributes(estimator):
    """What ``fit`` sets, as the classes declare it, and properties of the same kind of name."""
    names = {name for cls in estimator.__mro__ for name in getattr(cls, "__annotations__", {})}
    names |= {name for name in dir(estimator) if is_property(inspect.getattr_static(estimator, name))}
    return {name for name in names if name.endswith("_") and not name.startswith("_")}


ESTIMATORS = sorted(name for name, thing in THINGS.items() if hasattr(thing, "get_params"))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_fitted_attributes_are_described(name):
    wanted = fitted_attributes(THINGS[name])
    described = section(THINGS[name].__doc__, "Attributes")
    assert "network_" in wanted
    assert wanted <= described, f"{name} does not describe {', '.join(sorted(wanted - described))}"


def test_the_public_modules_describe_themselves():
    for name in isthmus._PUBLIC_MODULES:
        assert import_module(f"isthmus.{name}").__doc__


def test_a_docstring_is_read_as_numpydoc_writes_it():
    text = """One line.

    Parameters
    ----------
    a, b : int, default 1
        Two of them.
    c
        Without a type.

    Raises
    ------
    ValueError
        For c.
    """
    assert section(text, "Parameters") == {"a", "b", "c"}
    assert section(text, "Raises") == {"ValueError"}
    assert section(text, "Attributes") == set()
