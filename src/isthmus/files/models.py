"""One file per model: arrays as safetensors, everything else as a JSON header.

Nothing in a file is code. A header names classes and functions that are registered; arrays have the
sizes that the file has bytes for. A digest tells an altered file, and probe rows, sent through the
loaded map, tell a map whose numbers came out otherwise than when it was saved.
"""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Array, Float
from sklearn.utils.validation import check_is_fitted

import isthmus
from isthmus import registry
from isthmus.data.atomic import digest, replacing
from isthmus.data.checks import rows_without_names
from isthmus.data.coding import in_code
from isthmus.data.scaling import Scaling
from isthmus.estimators.base import BaseMap, decoded_rows
from isthmus.estimators.ensemble import Ensemble
from isthmus.files._nodes import Model, Node, Reader, Writer
from isthmus.files._nodes import ModelFileError as ModelFileError
from isthmus.networks import fitted
from isthmus.networks.processes import check_process
from isthmus.variational import elbo
from isthmus.variational.estimator import VariationalAutoencoder
from isthmus.variational.inference import posterior

SCHEMA = 2
HEADER, DIGEST = "isthmus", "sha256"
N_PROBES = 4
PROBE_TOLERANCE = 1e-4
"""Largest change of a probe's output, relative to its size: other machines round by 1e-6."""

ROUNDING = float(np.finfo(np.float32).eps)
"""Change of a column, in scaled units, that may be rounding, however small the column is."""


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a fitted map or predictor to one file, complete or not at all.

    The file holds the weights, the parameters, feature names, scaling and training history, and probe
    rows with their outputs. It is written beside ``path`` and renamed, so an earlier file at ``path``
    stays whole if the disk fills. The optimiser's state is not kept: after ``load``, ``warm_start``
    and ``partial_fit`` start it anew. An Optax ``solver`` and a ``RandomState`` are not kept either.

    Parameters
    ----------
    model : fitted isthmus model
        Any map, predictor or ensemble, and classes of your own that are registered.
    path : path
        Where to write; any ending, ``.isthmus`` by custom.

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        For anything but an isthmus model, and for a classifier whose classes are dates.
    OSError
        Where the file cannot be written.

    Examples
    --------
    >>> import isthmus, os, tempfile
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = isthmus.LinearAutoencoder(2).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "iris.isthmus")
    ...     isthmus.save(model, path)
    ...     again = isthmus.load(path)
    >>> bool((again.transform(X) == model.transform(X)).all())
    True
    """
    if registry.estimators.classes.get(type(model).__name__) is not type(model):
        raise TypeError(
            f"save takes a fitted isthmus model ({', '.join(registry.estimators.classes)}), got "
            f"{type(model).__name__}. A class of your own is registered by @isthmus.registry.estimators"
        )
    check_is_fitted(model)
    writer = Writer()
    probes = _probe_rows(model)
    header = {
        "schema": SCHEMA,
        "isthmus": isthmus.__version__,
        **writer.model(model),
        "probes": writer.node({"rows": probes, **_probe_outputs(model, probes)}, "probes"),
    }
    text = json.dumps(header, allow_nan=False)
    tensors = writer.tensors | {DIGEST: digest(text, writer.tensors)}
    with replacing(Path(path)) as temporary:
        # One entry of metadata only: safetensors writes several in random order.
        temporary.write_bytes(safetensors.numpy.save(tensors, {HEADER: text}))


def load(
    path: str | os.PathLike[str], *, custom: Mapping[str, Callable[..., object]] | None = None
) -> Any:  # which estimator it is, the file says
    """Read a model that ``save`` wrote, and check that it still gives the numbers it gave.

    Nothing in the file is run as code: it holds arrays, and names of classes and functions that are
    registered.

    Parameters
    ----------
    path : path
        A file that ``isthmus.save`` wrote.
    custom : mapping or None, default None
        What the model was built with that is your own, by the names that the error without it lists:
        functions and objects; of an Equinox module the class, since the file holds its numbers.

    Returns
    -------
    fitted isthmus model
        Of the class that was saved.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ModelFileError
        For a file that is empty, truncated, altered, of another format or of a newer isthmus, and for a
        map whose probe rows no longer give the outputs that they gave when it was saved.

    Warns
    -----
    UserWarning
        For a parameter that cannot be kept in a file, such as a ``RandomState``, and has its default.

    Examples
    --------
    >>> import isthmus, os, tempfile
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "iris.isthmus")
    ...     isthmus.save(isthmus.LinearAutoencoder(2).fit(X), path)
    ...     model = isthmus.load(path)
    >>> model, model.transform(X).shape
    (LinearAutoencoder(), (150, 2))
    """
    header, tensors = _read(Path(path))
    try:
        reader = Reader(tensors, custom or {})
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
        _compare(path, name, output, before[name], _scaling_of(model, name))
    for parameter in reader.dropped:
        warnings.warn(
            f"{path}: the parameter {parameter} cannot be kept in a file and has its default; the "
            "map itself is complete",
            stacklevel=2,
        )
    return model


def _read(path: Path) -> tuple[dict[str, Node], dict[str, np.ndarray]]:
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
    expected = tensors.pop(DIGEST, None)
    if not np.array_equal(expected, digest(metadata[HEADER], tensors)):
        raise ModelFileError(
            f"{path} was altered after it was saved: its SHA-256 digest does not match. Copy it again "
            "from its source, or save the model again"
        )
    return header, tensors


def _header(path: Path, text: str) -> dict[str, Node]:
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
    checked: dict[str, Node] = header
    return checked


def fingerprint(model: BaseMap) -> str:
    """SHA-256 of all that decides the coordinates that a fitted map gives, in hexadecimal digits.

    A map has the same one after ``save`` and ``load``, and two fits have different ones.
    """
    writer = Writer()
    parts = {
        "class": type(model).__name__,
        "network": model.network_,
        "names": getattr(model, "feature_names_in_", None),
        "code": getattr(model, "code_", None),
    }
    text = json.dumps(writer.node(parts, "map"), allow_nan=False)
    return digest(text, writer.tensors).tobytes().hex()


def _probe_rows(model: Model) -> np.ndarray:
    """Rows about as far from the center as the data, whatever they were."""
    center = model.scaling_.center
    noise = np.random.default_rng(0).standard_normal((N_PROBES, len(center)))
    rows: np.ndarray = center + model.scaling_.scale * noise
    return rows


def _probe_outputs(model: Model, rows: np.ndarray) -> dict[str, np.ndarray]:
    with rows_without_names():
        for method in ("predict_proba", "predict"):
            if hasattr(model, method):
                return {method: getattr(model, method)(rows)}
        assert isinstance(model, BaseMap)
        rows = in_code(rows, getattr(model, "code_", None))
        coordinates = np.asarray(model.transform(rows))
        outputs = {
            "transform": coordinates,
            "inverse_transform": decoded_rows(model, coordinates),
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


def _scaling_of(model: Model, name: str) -> Scaling | None:
    """That of an output whose columns have units of their own."""
    if name == "inverse_transform":
        return model.scaling_
    one = model.members_[0] if isinstance(model, Ensemble) else model
    return getattr(one, "target_scaling_", None) if name == "predict" else None


def _compare(
    path: str | os.PathLike[str],
    name: str,
    now: np.ndarray,
    then: np.ndarray,
    scaling: Scaling | None,
) -> None:
    """Raise if an output changed by more than rounding; each column counts where it has its own unit."""
    change = math.inf
    if now.shape == then.shape:
        difference, size = np.abs(now - then), np.max(np.abs(then))
        if scaling is not None:
            difference = np.maximum(difference - ROUNDING * scaling.scale, 0.0)
            size = np.max(np.abs(then - scaling.center), axis=0)
        change = float(np.max(difference / np.where(size > 0, size, 1.0)))
    if not change <= PROBE_TOLERANCE:
        raise ModelFileError(
            f"{path}: {name} of the probe rows changed by {change:.2g} of its size since the model was "
            f"saved, and {PROBE_TOLERANCE:g} is allowed for rounding. Use the versions of isthmus and "
            "JAX that saved it, or fit it again"
        )
