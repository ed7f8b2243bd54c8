"""One file per model: arrays as safetensors, everything else as a JSON header.

Nothing in a file is code. A header names classes and functions out of a fixed list; arrays have the
sizes that the file has bytes for. A digest tells an altered file, and probe rows, sent through the
loaded map, tell a map whose numbers came out otherwise than when it was saved.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Array, Float
from sklearn.utils.validation import check_is_fitted

import isthmus
from isthmus.data import moments, scaling
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.base import BaseMap
from isthmus.estimators.denoising import DenoisingAutoencoder
from isthmus.estimators.ensemble import Ensemble
from isthmus.estimators.feedforward import FeedForwardClassifier, FeedForwardRegressor
from isthmus.estimators.linear import LinearAutoencoder
from isthmus.estimators.predictor import FeedForwardPredictor
from isthmus.files.atomic import replacing
from isthmus.networks import alignment, fitted, frames, layers, links, pairs
from isthmus.networks.processes import check_process
from isthmus.objectives import losses, noise, prediction
from isthmus.variational import elbo, likelihoods, ppca, priors
from isthmus.variational.estimator import VariationalAutoencoder
from isthmus.variational.inference import posterior

SCHEMA = 2
HEADER, DIGEST = "isthmus", "sha256"
N_PROBES = 4
PROBE_TOLERANCE = 1e-4
"""Largest change of a probe's output, relative to the largest output: other machines round by 1e-6."""

Model = BaseMap | FeedForwardPredictor

ESTIMATORS: dict[str, type[Model]] = {
    cls.__name__: cls
    for cls in (
        *(Autoencoder, DenoisingAutoencoder, LinearAutoencoder, VariationalAutoencoder),
        *(FeedForwardClassifier, FeedForwardRegressor, Ensemble),
    )
}
CLASSES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        *(fitted.DataMap, fitted.Predictor, frames.Frame, pairs.EncoderDecoder, pairs.PathAndCorrection),
        *(layers.FeedForward, layers.Layer, layers.Affine, pairs.MirrorShifts),
        *(layers.Constant, ppca.GaussianFill, elbo.GaussianEncoder, elbo.VariationalPair),
        *(links.Identity, links.SoftClip, links.Probabilities, links.MeanOf),
        *(losses.Squared, losses.Absolute, losses.Huber, losses.CrossEntropy),
        *(prediction.SquaredLabels, prediction.LabelCrossEntropy),
        *(moments.ColumnStatistics, scaling.Scaling, alignment.Alignment),
    )
} | {
    f"{module.__name__.rpartition('.')[2]}.{name}": getattr(module, name)
    for module, names in {
        likelihoods: (
            *("Gaussian", "Bernoulli", "Poisson", "NegativeBinomial"),
            *("GaussianErrors", "Coins", "PoissonCounts", "OverdispersedCounts"),
        ),
        noise: (
            *("Gaussian", "Masking", "SaltAndPepper"),
            *("Neighbours", "ImageJitter", "Compose"),
        ),
        priors: ("StandardNormal", "Uniform", "Mixture", "GaussianMixture", "GivenPrior"),
    }.items()
    for name in names
}
NAMES = {cls: name for name, cls in CLASSES.items()}


class ModelFileError(ValueError):
    """The file is not a model that this version of isthmus can load unchanged."""


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a fitted map or predictor to one file, complete or not at all.

    The file holds the weights, the parameters, feature names, scaling and training history, and probe
    rows with their outputs. It is written beside ``path`` and renamed, so an earlier file at ``path``
    stays whole if the disk fills. The optimiser's state is not kept: after ``load``, ``warm_start``
    and ``partial_fit`` start it anew. An Optax ``solver`` and a ``RandomState`` are not kept either.

    Raises NotFittedError before ``fit``, TypeError for anything but an isthmus model, and OSError where
    the file cannot be written.

    Examples
    --------
    >>> import isthmus, tempfile, os
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = isthmus.LinearAutoencoder(2).fit(X)
    >>> path = os.path.join(tempfile.mkdtemp(), "iris.isthmus")
    >>> isthmus.save(model, path)
    >>> bool((isthmus.load(path).transform(X) == model.transform(X)).all())
    True
    """
    if type(model).__name__ not in ESTIMATORS:
        raise TypeError(
            f"save takes a fitted isthmus model ({', '.join(ESTIMATORS)}), got {type(model).__name__}"
        )
    check_is_fitted(model)
    writer = _Writer({})
    probes = _probe_rows(model)
    header = {
        "schema": SCHEMA,
        "isthmus": isthmus.__version__,
        **writer.model(model),
        "probes": writer.node({"rows": probes, **_probe_outputs(model, probes)}, "probes"),
    }
    text = json.dumps(header, allow_nan=False)
    tensors = writer.tensors | {DIGEST: _digest(text, writer.tensors)}
    with replacing(Path(path)) as temporary:
        # One entry of metadata only: safetensors writes several in random order.
        temporary.write_bytes(safetensors.numpy.save(tensors, {HEADER: text}))


def load(path: str | os.PathLike[str], *, custom: Mapping[str, Callable[..., Any]] | None = None) -> Any:
    """Read a model that ``save`` wrote, and check that it still gives the numbers it gave.

    ``custom`` gives what the model was built with that is your own, by the names that the error without
    it lists: functions and objects; of an Equinox module the class, since the file holds its numbers.

    Raises FileNotFoundError, and ModelFileError for a file that is empty, truncated, altered, of
    another format or of a newer isthmus, and for a map whose probe rows no longer give the outputs that
    they gave when it was saved.
    """
    header, tensors = _read(Path(path))
    try:
        reader = _Reader(tensors, custom or {})
        model = reader.model(header)
        probes = reader.value(header["probes"])
        outputs = _probe_outputs(model, probes["rows"])
        before = {name: probes[name] for name in outputs}
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
    except Exception as error:
        # Where JAX cannot compute, nothing is known of the file.
        check_process()
        raise ModelFileError(
            f"{path}: the header does not describe a model ({type(error).__name__}: {error}). It was "
            "not written by isthmus.save, or was changed since; save the model again"
        ) from error
    for name, output in outputs.items():
        _compare(path, name, output, before[name])
    for parameter in reader.dropped:
        warnings.warn(
            f"{path}: the parameter {parameter} cannot be kept in a file and has its default; the "
            "map itself is complete",
            stacklevel=2,
        )
    return model


class _Writer:
    """Values → JSON nodes, with arrays put aside as named tensors."""

    def __init__(self, tensors: dict[str, np.ndarray]) -> None:
        self.tensors = tensors

    def model(self, model: Model, prefix: str = "") -> dict[str, Any]:
        """Class, parameters, and what ``fit`` set, if it did."""
        fitted = {
            name: value
            for name, value in vars(model).items()
            if name.endswith("_") and not name.startswith("_")
        }
        return {"class": type(model).__name__} | {
            part: {name: self.node(value, prefix + name) for name, value in values.items()}
            for part, values in (("parameters", model.get_params(deep=False)), ("fitted", fitted))
        }

    def node(self, value: Any, name: str) -> Any:
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
        if isinstance(value, BaseMap | FeedForwardPredictor) and type(value).__name__ in ESTIMATORS:
            return {"model": self.model(value, f"{name}.")}
        if type(value) in NAMES and is_dataclass(value):
            return {"class": NAMES[type(value)], "fields": self._fields(value, name)}
        if isinstance(value, eqx.Module):
            return {"module": _name_of(value), "fields": self._fields(value, name)}
        if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
            items = [self.node(item, f"{name}.{index}") for index, item in enumerate(value)]
            return {type(value).__name__: items}
        for activation, function in layers.ACTIVATIONS.items():
            if value is function:
                return {"activation": activation}
        parameter = name.rpartition(".")[2]
        if parameter in ("solver", "random_state"):
            return {"dropped": parameter}
        return {"custom": _name_of(value)}

    def _fields(self, value: Any, name: str) -> dict[str, Any]:
        return {
            part.name: self.node(getattr(value, part.name), f"{name}.{part.name}")
            for part in fields(value)
        }

    def _array(self, array: np.ndarray, name: str) -> Any:
        if array.dtype.kind == "U":
            return {"words": array.tolist()}
        if array.dtype.kind == "O":
            if all(isinstance(item, str) for item in array):
                return {"strings": array.tolist()}
            return {"objects": [self.node(item, f"{name}.{i}") for i, item in enumerate(array)]}
        # ascontiguousarray makes a number an array of one.
        self.tensors[name] = np.ascontiguousarray(array).reshape(array.shape)
        return {"tensor": name}


class _Reader:
    """JSON nodes → values. ``dropped`` collects parameters that no file keeps."""

    def __init__(
        self, tensors: Mapping[str, np.ndarray], custom: Mapping[str, Callable[..., Any]]
    ) -> None:
        self.tensors, self.custom = tensors, custom
        self.dropped: list[str] = []

    def model(self, node: Mapping[str, Any]) -> Any:
        parameters = {name: self.value(part) for name, part in node["parameters"].items()}
        model = ESTIMATORS[node["class"]](**parameters)
        for name, part in node["fitted"].items():
            setattr(model, name, self.value(part))
        return model

    def value(self, node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        kind = next(iter(node))
        content = node[kind]
        read: dict[str, Callable[[], Any]] = {
            "float": lambda: float(content),
            "tensor": lambda: self.tensors[content],
            "strings": lambda: np.array(content, dtype=object),
            "words": lambda: np.array(content),
            "objects": lambda: np.array(list(map(self.value, content)), dtype=object),
            "dict": lambda: {key: self.value(item) for key, item in content.items()},
            "pairs": lambda: {self.value(key): self.value(item) for key, item in content},
            "model": lambda: self.model(content),
            "class": lambda: CLASSES[content](**_of_this_schema(content, self._fields(node))),
            "module": lambda: self._module(content, self._fields(node)),
            "tuple": lambda: tuple(map(self.value, content)),
            "list": lambda: list(map(self.value, content)),
            "activation": lambda: layers.ACTIVATIONS[content],
            "dropped": lambda: self._drop(content),
            "custom": lambda: self._custom(content),
        }
        return read[kind]()

    def _fields(self, node: Any) -> dict[str, Any]:
        return {key: self.value(item) for key, item in node["fields"].items()}

    def _module(self, name: str, parts: Mapping[str, Any]) -> Any:
        """A module of one's own: its class is given, and what it has learnt is in the file."""
        cls = self._custom(name)
        is_module = isinstance(cls, type) and issubclass(cls, eqx.Module)
        if not is_module or {part.name for part in fields(cls)} != parts.keys():
            raise ModelFileError(
                f"custom={{{name!r}: {cls!r}}}: expected the class with the fields "
                f"{', '.join(parts) or 'none'}, which the file holds"
            )
        module = object.__new__(cls)
        for part, value in parts.items():
            object.__setattr__(module, part, value)
        return module

    def _drop(self, parameter: str) -> Any:
        self.dropped.append(parameter)
        return {"solver": "adam", "random_state": None}[parameter]

    def _custom(self, name: str) -> Any:
        if name not in self.custom:
            raise ModelFileError(
                f"the model was built with {name!r}, which is not part of isthmus; a file never runs "
                f"code, so pass it: isthmus.load(path, custom={{{name!r}: …}})"
            )
        return self.custom[name]


def _of_this_schema(name: str, parts: dict[str, Any]) -> dict[str, Any]:
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


def _name_of(value: Any) -> str:
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The header and the arrays of a file whose digest is right."""
    if path.is_dir() or (path.exists() and path.stat().st_size == 0):
        what = "a folder" if path.is_dir() else "an empty file"
        raise ModelFileError(f"{path} is {what}, not a model; pass a file that isthmus.save wrote")
    try:
        with safetensors.safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            if HEADER not in metadata:
                raise ModelFileError(
                    f"{path} is a safetensors file, but not an isthmus model; pass a file that "
                    "isthmus.save wrote"
                )
            header = _header(path, metadata[HEADER])
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except safetensors.SafetensorError as error:
        raise ModelFileError(
            f"{path} is not an isthmus model, or is truncated ({error}); copy it again from its "
            "source, or save the model again"
        ) from error
    digest = tensors.pop(DIGEST, None)
    if not np.array_equal(digest, _digest(metadata[HEADER], tensors)):
        raise ModelFileError(
            f"{path} was altered after it was saved: its SHA-256 digest does not match. Copy it again "
            "from its source, or save the model again"
        )
    return header, tensors


def _header(path: Path, text: str) -> dict[str, Any]:
    try:
        header = json.loads(text)
        schema = int(header["schema"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ModelFileError(
            f"{path}: the header is not readable ({error}); save the model again"
        ) from error
    if schema > SCHEMA:
        raise ModelFileError(
            f"{path} has schema {schema}, written by isthmus {header.get('isthmus')}; this is isthmus "
            f"{isthmus.__version__}, which reads up to schema {SCHEMA}. Upgrade isthmus"
        )
    checked: dict[str, Any] = header
    return checked


def _digest(text: str, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """SHA-256 of the header and of every array: 32 bytes."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return np.frombuffer(digest.digest(), np.uint8)


def _probe_rows(model: Model) -> np.ndarray:
    """Rows about as far from the center as the data, whatever they were."""
    noise = np.random.default_rng(0).standard_normal((N_PROBES, model.n_features_in_))
    rows: np.ndarray = model.scaling_.center + model.scaling_.scale * noise
    return rows


def _probe_outputs(model: Model, rows: np.ndarray) -> dict[str, np.ndarray]:
    with warnings.catch_warnings():
        # Probe rows carry no feature names, rightly.
        warnings.filterwarnings("ignore", message=".*feature names.*")
        for method in ("predict_proba", "predict"):
            if hasattr(model, method):
                return {method: getattr(model, method)(rows)}
        assert isinstance(model, BaseMap)
        coordinates = np.asarray(model.transform(rows))
        outputs = {
            "transform": coordinates,
            "inverse_transform": np.asarray(model.inverse_transform(coordinates)),
        }
        if isinstance(model, VariationalAutoencoder):
            outputs["posterior"] = posterior(model, rows).std
            outputs["density"] = np.asarray(_density_at(model.network_, jnp.asarray(coordinates)))
        return outputs


@eqx.filter_jit
def _density_at(network: fitted.DataMap, coordinates: Float[Array, "n d"]) -> Float[Array, " n"]:
    """log p(x̂, z) at z: all that prior and likelihood have learnt is in it."""
    pair: elbo.VariationalPair = network.pair
    z = network.frame.leave(coordinates)
    of_row = elbo.row_log_likelihood(pair, pair.decode(z), z[None])[0]
    density: Array = of_row + jnp.sum(pair.prior.log_density(z), axis=-1)
    return density


def _compare(path: Any, name: str, now: np.ndarray, then: np.ndarray) -> None:
    size = float(np.max(np.abs(then))) or 1.0
    change = float(np.max(np.abs(now - then))) / size if now.shape == then.shape else math.inf
    if not change <= PROBE_TOLERANCE:
        raise ModelFileError(
            f"{path}: {name} of the probe rows changed by {change:.2g} of its size since the model was "
            f"saved, and {PROBE_TOLERANCE:g} is allowed for rounding. Use the versions of isthmus and "
            "JAX that saved it, or fit it again"
        )
