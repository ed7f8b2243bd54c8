"""What an export consists of: the functions of a model as programs, and what they must give."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import numpy as np
from jaxtyping import Array, Float, PyTree
from sklearn.utils.validation import check_is_fitted

import isthmus
from isthmus.data.checks import rows_without_names
from isthmus.data.scaling import UNIFORM, Scaling
from isthmus.estimators.base import BaseMap, column_names_of, decoded_rows
from isthmus.estimators.ensemble import Ensemble
from isthmus.estimators.notebook import kept_rows
from isthmus.estimators.predictor import FeedForwardPredictor
from isthmus.files.export._programs import Builder, ExportError, Program, Value
from isthmus.files.export._tracing import traced
from isthmus.files.export._verification import Expected
from isthmus.networks.processes import check_process
from isthmus.variational.elbo import GaussianEncoder

N_PROBES = 64
"""Probe rows of each kind: rows of the fit that the model keeps, and random ones."""

Model: TypeAlias = Any  # a map, or a predictor


@dataclass(frozen=True)
class Exported:
    """A function of a model as a program, probe rows for it, and what it must give for them."""

    program: Program
    probes: np.ndarray
    expected: Mapping[str, Expected]


def checked(model: object) -> Model:
    """A fitted model whose functions take numbers. Raises TypeError and ExportError for any other."""
    if not isinstance(model, BaseMap | FeedForwardPredictor):
        raise TypeError(
            f"export takes a fitted isthmus model, got {type(model).__name__}; of a pipeline, export "
            "its last step"
        )
    check_is_fitted(model)
    if hasattr(model, "code_"):
        raise ExportError(
            "the map has angles or categories (periodic=, categorical=), and exports take numbers "
            "alone: keep it with isthmus.save, or fit it on cosines and sines, or columns of 0 and 1"
        )
    check_process()
    return model


def predicts(model: Model) -> bool:
    return not hasattr(model, "transform")


def predictor(model: Model) -> Exported:
    """Rows → predictions: of a regressor the targets, of a classifier the probabilities."""
    network, build, rows = model.network_, Builder(), _rows(model)
    predictions = _centred(network.predict_centred, rows, model, build)
    member = model.members_[0] if isinstance(model, Ensemble) else model
    if classifies(model):
        names, units, method = [f"class {one}" for one in model.classes_], 1.0, model.predict_proba
    else:
        scaling = member.target_scaling_
        predictions = _with_center(predictions, scaling.center, build)
        names = [f"target {k}" for k in range(len(scaling.center))]
        units, method = scaling.scale, model.predict
    probes = probe_rows(model)
    return Exported(
        build.program("rows", rows, {"predictions": predictions}),
        probes,
        {"predictions": Expected.of(_exactly(method), probes, names, f"model.{method.__name__}", units)},
    )


def encoder(model: Model) -> Exported:
    """Rows → coordinates."""
    build, rows, probes = Builder(), _rows(model), probe_rows(model)
    coordinates = _centred(_complete(model.network_).encode_centred, rows, model, build)
    return Exported(
        build.program("rows", rows, {"coordinates": coordinates}),
        probes,
        {"coordinates": _coordinates(model, probes)},
    )


def decoder(model: Model) -> Exported:
    """Coordinates → rows."""
    build, given = Builder(), Value((model.n_components_,), np.dtype(np.float32))
    rows = _decoded(model, given, build)
    probes = _exactly(model.transform)(probe_rows(model))
    back = _back(model, _exactly(_inverse(model)), probes)
    return Exported(build.program("coordinates", given, {"rows": rows}), probes, {"rows": back})


def both(model: Model) -> Exported:
    """Rows → coordinates, and the rows that these decode to."""
    build, rows, probes = Builder(), _rows(model), probe_rows(model)
    coordinates = _centred(_complete(model.network_).encode_centred, rows, model, build)
    reconstruction = _decoded(model, coordinates, build)
    outputs = {"coordinates": coordinates, "reconstruction": reconstruction}
    there, back = _exactly(model.transform), _exactly(_inverse(model))
    whole = _back(model, lambda rows: back(there(rows)), probes)
    # Coordinates are rounded, too, on the way.
    second = _back(model, back, there(probes))
    whole = dataclasses.replace(whole, moved=whole.moved + second.moved)
    expected = {"coordinates": _coordinates(model, probes), "reconstruction": whole}
    return Exported(build.program("rows", rows, outputs), probes, expected)


def classifies(model: Model) -> bool:
    return hasattr(model, "classes_")


def about(model: Model) -> dict[str, object]:
    """What a reader of an export may want to know of the model: names, and its scaling."""
    member = model.members_[0] if isinstance(model, Ensemble) else model
    facts: dict[str, object] = {
        "isthmus": isthmus.__version__,
        "estimator": type(model).__name__,
        "feature_names": column_names_of(model),
        "center": model.scaling_.center.tolist(),
        "scale": model.scaling_.scale.tolist(),
    }
    if hasattr(model, "row_shape_"):
        facts["row_shape"] = list(model.row_shape_)
    if classifies(model):
        facts["classes"] = [str(one) for one in model.classes_]
    elif predicts(model):
        facts["target_center"] = member.target_scaling_.center.tolist()
        facts["target_scale"] = member.target_scaling_.scale.tolist()
    return facts


def probe_rows(model: Model) -> Float[np.ndarray, "m D"]:
    """Rows of the fit, as far as the model keeps some, and random ones where the data are."""
    scaling: Scaling = model.scaling_
    rng = np.random.default_rng(0)
    shape = (N_PROBES, len(scaling.center))
    kept = kept_rows(model)
    complete = None if kept is None else kept[~np.isnan(kept).any(axis=1)].astype(np.float64)
    if complete is not None and len(complete):
        low, high = complete.min(axis=0), complete.max(axis=0)
        some = complete[:: -(-len(complete) // N_PROBES)]
        return np.concatenate([some, rng.uniform(low, high, shape)])
    # A scaling to [0, 1] has its center at 0.
    scaled = rng.uniform(size=shape) if scaling.spread == UNIFORM else rng.standard_normal(shape)
    return scaling.center + scaling.scale * scaled


def _rows(model: Model) -> Value:
    return Value((len(model.scaling_.center),), np.dtype(np.float64))


def _centred(function: Callable[[Array], Array], rows: Value, model: Model, build: Builder) -> Value:
    """The function of rows without their center, which is subtracted in double precision."""
    centred = build.entrywise("subtract", rows, np.asarray(model.scaling_.center, np.float64))
    return traced(function, build.cast(centred, np.float32), build)


def _with_center(x: Value, center: Float[np.ndarray, " K"], build: Builder) -> Value:
    """x + center in double precision."""
    return build.entrywise("add", build.cast(x, np.float64), np.asarray(center, np.float64))


def _decoded(model: Model, coordinates: Value, build: Builder) -> Value:
    rows = traced(model.network_.decode_centred, coordinates, build)
    return _with_center(rows, model.scaling_.center, build)


def _complete(network: PyTree) -> PyTree:
    """The network for rows without missing entries."""

    def is_encoder(node: object) -> bool:
        return isinstance(node, GaussianEncoder)

    return jax.tree.map(
        lambda node: dataclasses.replace(node, fill=None) if is_encoder(node) else node,
        network,
        is_leaf=is_encoder,
    )


def _coordinates(model: Model, rows: Float[np.ndarray, "m D"]) -> Expected:
    names = list(model.get_feature_names_out())
    return Expected.of(_exactly(model.transform), rows, names, "model.transform")


def _back(model: Model, function: Callable[[np.ndarray], np.ndarray], probes: np.ndarray) -> Expected:
    scaling: Scaling = model.scaling_
    in_common = np.sqrt(np.mean(np.var(probe_rows(model), axis=0)))
    units = scaling.scale if scaling.is_per_column else float(in_common) or 1.0
    return Expected.of(function, probes, column_names_of(model), "model.inverse_transform", units)


def _inverse(model: Model) -> Callable[[np.ndarray], np.ndarray]:
    return lambda coordinates: decoded_rows(model, coordinates)


def _exactly(method: Callable[[np.ndarray], object]) -> Callable[[np.ndarray], np.ndarray]:
    """A method of rows without names, in the full single precision of any device: flat, in float64."""

    def called(rows: np.ndarray) -> np.ndarray:
        with rows_without_names(), jax.default_matmul_precision("highest"):
            return np.reshape(np.asarray(method(rows), np.float64), (len(rows), -1))

    return called
