"""Values of fitted models as JSON nodes and named arrays, and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias

import equinox as eqx
import jax
import numpy as np

from isthmus import registry
from isthmus.estimators.base import BaseMap
from isthmus.estimators.history import History
from isthmus.estimators.predictor import FeedForwardPredictor
from isthmus.networks import layers, links

Node: TypeAlias = Any  # what JSON holds, whose depth no type checker knows
Model = BaseMap | FeedForwardPredictor


class ModelFileError(ValueError):
    """The file is not a model that this version of isthmus can load unchanged: a ValueError.

    It comes from ``isthmus.load`` for a file that is empty, truncated, altered, of another format or of
    a newer isthmus, that names a class which is not registered, or whose map no longer gives the numbers
    that it gave when it was saved. The text says which, and what to do: copy the file again, install the
    version that it is of, import the module that defines the class, or pass ``custom``.

    Examples
    --------
    >>> import isthmus, os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "map.isthmus")
    ...     open(path, "w").close()
    ...     try:
    ...         isthmus.load(path)
    ...     except isthmus.ModelFileError as error:
    ...         print(str(error).partition("map.isthmus")[2])
     is an empty file, not a model; pass a file that isthmus.save wrote
    """


class Writer:
    """Values → JSON nodes, with arrays put aside as named tensors."""

    def __init__(self) -> None:
        self.tensors: dict[str, np.ndarray] = {}

    def model(self, model: Model, prefix: str = "") -> dict[str, Node]:
        """Class, parameters, and what ``fit`` set, if it did."""
        fitted = {
            name: value
            for name, value in vars(model).items()
            if name.endswith("_") and not name.startswith("_")
        }
        values = {"parameters": model.get_params(deep=False), "fitted": fitted}
        return _class_node(model) | {
            part: {name: self.node(value, prefix + name) for name, value in values[part].items()}
            for part in values
        }

    def node(self, value: object, name: str) -> Node:
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"float": repr(value)}
        if isinstance(value, np.ndarray | jax.Array):
            return self._array(np.asarray(value), name)
        if isinstance(value, Mapping):
            nodes = {key: self.node(item, f"{name}.{key}") for key, item in value.items()}
            if all(isinstance(key, str) for key in nodes):
                return {"dict": nodes}
            return {"pairs": [[self.node(key, name), node] for key, node in nodes.items()]}
        if isinstance(value, Model) and registry.name_of(type(value)):
            return {"model": self.model(value, f"{name}.")}
        if registry.name_of(type(value)) and is_dataclass(value):
            return _class_node(value) | {"fields": self._fields(value, name)}
        if isinstance(value, eqx.Module):
            return {"module": _path_of(value), "fields": self._fields(value, name)}
        if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
            items = [self.node(item, f"{name}.{index}") for index, item in enumerate(value)]
            return {type(value).__name__: items}
        for activation, function in layers.ACTIVATIONS.items():
            if value is function:
                return {"activation": activation}
        parameter = name.rpartition(".")[2]
        if parameter in ("solver", "random_state"):
            return {"dropped": parameter}
        return {"custom": _path_of(value)}

    def _fields(self, value: object, name: str) -> dict[str, Node]:
        assert is_dataclass(value)
        return {
            part.name: self.node(getattr(value, part.name), f"{name}.{part.name}")
            for part in fields(value)
        }

    def _array(self, array: np.ndarray, name: str) -> Node:
        if array.dtype.kind == "U":
            return {"words": array.tolist()}
        if array.dtype.kind in "mM":
            raise TypeError(
                f"{name} holds dates or durations ({array.dtype}), which a file does not keep: fit on "
                "texts in their place, for example y.astype(str)"
            )
        if array.dtype.kind == "O":
            if all(isinstance(item, str) for item in array):
                return {"strings": array.tolist()}
            return {"objects": [self.node(item, f"{name}.{i}") for i, item in enumerate(array)]}
        # ascontiguousarray makes a number an array of one.
        self.tensors[name] = np.ascontiguousarray(array).reshape(array.shape)
        return {"tensor": name}


class Reader:
    """JSON nodes → values. ``dropped`` collects parameters that no file keeps."""

    def __init__(
        self, tensors: Mapping[str, np.ndarray], custom: Mapping[str, Callable[..., object]]
    ) -> None:
        self.tensors, self.custom = tensors, custom
        self.dropped: list[str] = []

    def model(self, node: Mapping[str, Node]) -> Model:
        parameters = {name: self.value(part) for name, part in node["parameters"].items()}
        model = _class_of(node)(**parameters)
        if not isinstance(model, Model):
            raise ModelFileError(f"{node['class']} is no estimator")
        for name, part in node["fitted"].items():
            setattr(model, name, self.value(part))
        if hasattr(model, "history_"):
            last = len(model.history_["epoch"]) - 1
            model.history_ = History(model.history_, getattr(model, "best_epoch_", last))
        return model

    def value(self, node: Node) -> Node:
        """The value that a node stands for, of any type."""
        if not isinstance(node, dict):
            return node
        kind = next(iter(node))
        content = node[kind]
        read: dict[str, Callable[[], object]] = {
            "float": lambda: float(content),
            "tensor": lambda: self.tensors[content],
            "strings": lambda: np.array(content, dtype=object),
            "words": lambda: np.array(content),
            "objects": lambda: np.array(list(map(self.value, content)), dtype=object),
            "dict": lambda: {key: self.value(item) for key, item in content.items()},
            "pairs": lambda: {self.value(key): self.value(item) for key, item in content},
            "model": lambda: self.model(content),
            "class": lambda: _class_of(node)(**_of_this_schema(content, self._fields(node))),
            "module": lambda: self._module(content, self._fields(node)),
            "tuple": lambda: tuple(map(self.value, content)),
            "list": lambda: list(map(self.value, content)),
            "activation": lambda: layers.ACTIVATIONS[content],
            "dropped": lambda: self._drop(content),
            "custom": lambda: self._custom(content),
        }
        return read[kind]()

    def _fields(self, node: Mapping[str, Node]) -> dict[str, Node]:
        return {key: self.value(item) for key, item in node["fields"].items()}

    def _module(self, name: str, parts: Mapping[str, object]) -> eqx.Module:
        """A module of one's own: its class is given, and what it has learnt is in the file."""
        cls = self._custom(name)
        if not (
            isinstance(cls, type)
            and issubclass(cls, eqx.Module)
            and {part.name for part in fields(cls)} == parts.keys()
        ):
            raise ModelFileError(
                f"custom={{{name!r}: {cls!r}}}: expected the class with the fields "
                f"{', '.join(parts) or 'none'}, which the file holds"
            )
        module: eqx.Module = object.__new__(cls)
        for part, value in parts.items():
            object.__setattr__(module, part, value)
        return module

    def _drop(self, parameter: str) -> str | None:
        self.dropped.append(parameter)
        return {"solver": "adam", "random_state": None}[parameter]

    def _custom(self, name: str) -> Callable[..., object]:
        if name not in self.custom:
            raise ModelFileError(
                f"the model was built with {name!r}, which is not part of isthmus; a file never runs "
                f"code, so pass it: isthmus.load(path, custom={{{name!r}: …}})"
            )
        return self.custom[name]


def _class_node(value: object) -> dict[str, Node]:
    """The registered name of a value's class, and its module where that must be imported first."""
    cls = type(value)
    own = {"class": registry.name_of(cls)}
    return own if registry.is_own(cls) else own | {"module": cls.__module__}


def _class_of(node: Mapping[str, Node]) -> Callable[..., object]:
    """The class of a node, or an error that says which module defines it."""
    name = node["class"]
    # In schema 1 parts of likelihoods and priors had these before their names.
    found = registry.named(name) or registry.named(name.rpartition(".")[2])
    if found is not None:
        return found
    if "module" in node:
        module = node["module"]
        raise ModelFileError(
            f"the model holds {name!r}, which the module {module} registers; a file never runs code, so "
            f"import it first: import {module} in Python, isthmus --import {module} on the command line"
        )
    raise LookupError(f"there is no class {name!r}")


def _of_this_schema(name: str, parts: dict[str, Node]) -> dict[str, Node]:
    """The fields of a class, where an earlier schema has others.

    In schema 1 a fitted module had the loss, whose mean function is now its link, and Gaussian errors
    had the units of the features instead of their logarithms.
    """
    if name in ("DataMap", "Predictor") and "loss" in parts:
        parts["link"] = links.link_of(parts.pop("loss"))
    if name == "likelihoods.GaussianErrors" and "units" in parts:
        units = np.asarray(parts.pop("units").value, np.float64)
        parts["log_units"] = layers.Constant(layers.single(np.log(units)))
    return parts


def _path_of(value: object) -> str:
    """Where Python finds a function or a class; of an object, its class."""
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"
