"""What a fitted map is and how good it is, in plain numbers: for people and for JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np
import safetensors

from isthmus.estimators.base import BaseMap
from isthmus.networks import MirrorShifts, PathAndCorrection
from isthmus.persistence import HEADER, load


def describe(model: BaseMap) -> dict[str, Any]:
    """The facts about a fitted map, as what JSON holds; a fact that it does not have is left out.

    ``sizes`` are the layer widths from data to coordinates and back, ``weights`` the number of
    numbers that training may move, losses the means over the held-out rows.
    """
    names = getattr(model, "feature_names_in_", None)
    pair = model.network_.pair
    arrays = jax.tree.leaves(eqx.filter(pair, eqx.is_inexact_array))
    facts: dict[str, Any] = {
        "class": type(model).__name__,
        "features": model.n_features_in_,
        "feature_names": None if names is None else [str(name) for name in names],
        "coordinates": model.n_components_,
        "sizes": [*_sizes(pair.encoder, model.n_features_in_), *_decoder_sizes(model)],
        "weights": int(sum(array.size for array in arrays)),
        "parameters": {name: _plain(value) for name, value in model.get_params(deep=False).items()},
    }
    history = getattr(model, "history_", None)
    if history is not None:
        facts["epochs"] = int(history["epoch"][-1])
    for name in ("best_epoch_", "validation_loss_", "pca_validation_loss_"):
        if hasattr(model, name):
            facts[name.removesuffix("_")] = _plain(getattr(model, name))
    if hasattr(model, "explained_variance_ratio_"):
        facts["explained_variance"] = float(np.sum(model.explained_variance_ratio_))
    return facts


def describe_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The facts about the map in a file, its schema and the version that wrote it among them.

    Raises what ``load`` raises.
    """
    model = load(path)
    with safetensors.safe_open(path, "numpy") as file:
        header = json.loads(file.metadata()[HEADER])
    return {"schema": header["schema"], "isthmus": header["isthmus"], **describe(model)}


def summarise(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The few of the facts that say how large a map is and how good, as a person reads them."""
    summary = {"features": facts["features"], "coordinates": facts["coordinates"]}
    if "explained_variance" in facts:
        summary["variance kept"] = f"{facts['explained_variance']:.2%}"
    loss, of_pca = facts.get("validation_loss"), facts.get("pca_validation_loss")
    if loss is not None:
        summary["held-out error"] = f"{loss:.5g}"
    if loss is not None and of_pca is not None:
        ratio = f" (ratio {loss / of_pca:.3f})" if of_pca > 0 else ""
        summary["PCA's held-out error"] = f"{of_pca:.5g}{ratio}"
    if "best_epoch" in facts:
        summary["best epoch"] = f"{facts['best_epoch']} of {facts['epochs']}"
    return summary


def _decoder_sizes(model: BaseMap) -> list[int]:
    pair = model.network_.pair
    if isinstance(pair.own_decoder, MirrorShifts):
        return _sizes(pair.encoder, model.n_features_in_)[-2::-1]
    return _sizes(pair.own_decoder, model.n_components_)[1:]


def _sizes(part: PathAndCorrection, n_in: int) -> list[int]:
    """Widths from one end of a direction to the other; those of the path where there is no more."""
    layers = part.correction.layers if part.correction else (part.path,)
    return [n_in, *(int(layer.weight.shape[0]) for layer in layers if layer is not None)]


def _plain(value: Any) -> Any:
    """A value as JSON holds it: numbers that are none become null, objects their names."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return getattr(value, "__name__", None) or repr(value)
