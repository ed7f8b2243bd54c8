"""The checks of shapes themselves: what they find, and that every annotation is one."""

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float, Int

import isthmus
import shapes
from isthmus.data.scaling import Scaling


@shapes.checked
def product(
    x: Float[np.ndarray, "n k"], w: Float[Array, "k m"] | None = None, *, n: int = 0
) -> Float[np.ndarray, "n m"]:
    return x if w is None else np.asarray(x @ np.asarray(w)[:, : n or None])


@shapes.checked
def total(*parts: Int[np.ndarray, " n"], start: "NotImported[int] | None" = None) -> int:
    return int(sum(part.sum() for part in parts))


def test_what_fits_goes_through():
    x = np.ones((3, 2))
    assert product(x, np.ones((2, 4))).shape == (3, 4)
    assert product(x=x, w=jnp.ones((2, 2), jnp.float32)).shape == (3, 2)
    assert product(x) is x
    assert total(np.ones(2, int), np.ones(2, int)) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(3),), r"x: .* is not ndarray float64 \(3,\)"),
        ((np.ones((3, 2), int),), "x: .* is not ndarray int64"),
        ((np.ones((3, 2)), np.ones((3, 2))), "w: "),
        (([[1.0]],), "x: .* is not list"),
    ],
)
def test_other_shapes_and_kinds_of_number_are_refused(arguments, message):
    with pytest.raises(TypeError, match=message):
        product(*arguments)


def test_what_is_returned_is_checked_with_the_sizes_of_the_arguments():
    with pytest.raises(TypeError, match="return: "):
        product(np.ones((3, 2)), np.ones((2, 4)), n=3)
    # A call that failed leaves no sizes behind.
    assert product(np.ones((5, 4)), np.ones((4, 1))).shape == (5, 1)


def test_each_of_several_arguments_is_checked():
    with pytest.raises(TypeError, match=r"parts: .* is not ndarray float64"):
        total(np.ones(2, int), np.ones(2))


def test_the_package_is_checked():
    scaling = Scaling(np.zeros(3), np.ones(3))
    with pytest.raises(TypeError, match=r"return: .* is not ndarray float32 \(3,\)"):
        scaling(np.ones(3))
    with pytest.raises(TypeError, match=r"center: .* is not ndarray float64 \(3, 1\)"):
        Scaling(np.zeros((3, 1)), np.ones(3))


def test_a_function_within_another_is_checked_with_its_own_values():
    def made(k):
        @shapes.checked
        def shifted(x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
            return x[:k]

        return shifted

    assert len(made(None)(np.ones(3))) == 3
    with pytest.raises(TypeError, match="return: "):
        made(2)(np.ones(3))
    with pytest.raises(TypeError, match="x: "):
        made(None)(np.ones((3, 1)))


def functions_of(module) -> Iterator[typing.Callable]:
    for owner in [module, *(one for _, one in inspect.getmembers(module, inspect.isclass))]:
        for one in vars(owner).values():
            found = inspect.unwrap(getattr(one, "__func__", getattr(one, "fget", one)))
            if inspect.isfunction(found) and found.__module__ == module.__name__:
                yield found


def test_every_annotation_of_the_package_can_be_read():
    # One that cannot, such as a shape without quotes, would check nothing.
    names = [one.name for one in pkgutil.walk_packages(isthmus.__path__, "isthmus.")]
    functions = [
        function
        for name in names
        if not name.endswith("__main__")
        for function in functions_of(importlib.import_module(name))
    ]
    assert len(functions) > 1500
    for function in functions:
        shapes.Annotated(function)
