"""What a fitted model is and how good it is, in plain numbers: for people and for JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np
import safetensors
from jaxtyping import PyTree

from isthmus.estimators.base import BaseMap, width_of
from isthmus.estimators.ensemble import Ensemble
from isthmus.estimators.linear import LinearAutoencoder
from isthmus.estimators.maps import TrainedMap
from isthmus.estimators.neighbour import NeighbourAutoencoder
from isthmus.estimators.predictor import FeedForwardPredictor
from isthmus.files.models import HEADER, load
from isthmus.networks.layers import trainable
from isthmus.variational.estimator import VariationalAutoencoder

Facts = dict[str, Any]  # numbers, texts, lists and dicts of these
"""What JSON holds, by name."""

MOST_SHOWN = 10
"""Coordinates that a summary lists one by one."""


def describe(model: BaseMap | FeedForwardPredictor) -> Facts:
    """The facts about a fitted model, as what JSON holds; a fact that it does not have is left out.

    ``sizes`` are the layer widths, of a map from data to coordinates and back; ``weights`` the number of
    numbers that training may move, losses the means over the held-out rows, ``yardstick`` what they are
    compared with. A variational map has the KL divergence ``kl`` of each coordinate and whether it is
    ``active``, and its losses are −ELBO in nats. A map of neighbours has ``landmarks`` in place of
    sizes, ``neighbour_recall`` of the search, and ``neighbours_kept`` of held-out rows. A classifier has
    ``classes``, a regressor ``targets``. An ensemble has ``members``, of which ``sizes`` are those of
    one and losses the mean.
    """
    names = getattr(model, "feature_names_in_", None)
    return {
        "class": type(model).__name__,
        "features": model.n_features_in_,
        "feature_names": None if names is None else [str(name) for name in names],
        **(_of_ensemble(model) if isinstance(model, Ensemble) else _of_one(model)),
        "parameters": {name: _plain(value) for name, value in model.get_params(deep=False).items()},
    }


def _of_ensemble(ensemble: Ensemble) -> Facts:
    """What the members have in common, and the mean of their losses."""
    each = [_of_one(member) for member in ensemble.members_]
    facts = {"members": len(each), "member": type(ensemble.members_[0]).__name__, **each[0]}
    facts["weights"] = sum(own["weights"] for own in each)
    for name in ("best_epoch", "epochs", "kl", "active", "explained_variance"):
        facts.pop(name, None)
    for name in (
        *("validation_loss", "pca_validation_loss"),
        *("neighbours_kept", "neighbours_kept_by_means", "neighbour_recall"),
    ):
        losses = [own[name] for own in each if own.get(name) is not None]
        if len(losses) == len(each):
            facts[name] = float(np.mean(losses))
    return facts


def _of_one(model: BaseMap | FeedForwardPredictor) -> Facts:
    facts = _of_predictor(model) if isinstance(model, FeedForwardPredictor) else _of_map(model)
    history = getattr(model, "history_", None)
    if history is not None:
        facts["epochs"] = int(history["epoch"][-1])
    for name in ("best_epoch_", "validation_loss_", "pca_validation_loss_", "kl_", "active_"):
        value = getattr(model, name, None)
        if value is not None and not (isinstance(value, float) and np.isnan(value)):
            facts[name.removesuffix("_")] = _plain(value)
    if hasattr(model, "BASELINE"):
        facts["yardstick"] = model.BASELINE
    if hasattr(model, "explained_variance_ratio_"):
        facts["explained_variance"] = float(np.sum(model.explained_variance_ratio_))
    return facts


def _of_map(model: TrainedMap | LinearAutoencoder | NeighbourAutoencoder) -> Facts:
    if isinstance(model, NeighbourAutoencoder):
        return _of_neighbours(model)
    pair = model.network_.pair
    arrays = jax.tree.leaves(eqx.filter(pair, trainable(pair)))
    return {
        "coordinates": model.n_components_,
        "sizes": [
            *(width_of(model), *_hidden(pair.encoder), model.n_components_),
            *(*_hidden(pair.decoder), width_of(model)),
        ],
        "weights": int(sum(array.size for array in arrays)),
    }


def _of_neighbours(model: NeighbourAutoencoder) -> Facts:
    positions, found = model.network_.pair.encoder.positions, model.held_out_
    facts: Facts = {
        "coordinates": model.n_components_,
        "landmarks": int(positions.shape[1]),
        "neighbour_recall": model.neighbour_recall_,
        "weights": int(positions.size),
    }
    if found is not None:
        facts |= {"neighbours_kept": found.kept, "neighbours_kept_by_means": found.kept_by_means}
    return facts


def _of_predictor(model: FeedForwardPredictor) -> Facts:
    layers = model.network_.network.layers
    if hasattr(model, "classes_"):
        predicted = {"classes": _plain(model.classes_)}
    else:
        predicted = {"targets": len(model.network_.target_center)}
    sizes = [width_of(model), *(int(layer.weight.shape[0]) for layer in layers)]
    return {**predicted, "sizes": sizes, "weights": model.n_parameters_}


def describe_file(path: str | os.PathLike[str]) -> Facts:
    """The facts about the model in a file, its schema and the version that wrote it among them.

    Raises what ``load`` raises.
    """
    model = load(path)
    with safetensors.safe_open(path, "numpy") as file:
        header = json.loads(file.metadata()[HEADER])
    return {"schema": header["schema"], "isthmus": header["isthmus"], **describe(model)}


def summarise(facts: Facts) -> Facts:
    """The few of the facts that say how large a model is and how good, as a person reads them."""
    summary = {"features": facts["features"]}
    if "members" in facts:
        summary["members"] = f"{facts['members']}, each of class {facts['member']}"
    summary |= {name: facts[name] for name in ("coordinates", "targets") if name in facts}
    if "classes" in facts:
        summary["classes"] = f"{len(facts['classes'])}: {_listed(map(str, facts['classes']))}"
    if "explained_variance" in facts:
        summary["variance kept"] = f"{facts['explained_variance']:.2%}"
    if "kl" in facts:
        summary |= _carried(facts["kl"], facts["active"])
    if "landmarks" in facts:
        summary["landmarks"] = facts["landmarks"]
    if facts.get("neighbour_recall", 1.0) < 1:
        summary["neighbours found"] = f"{facts['neighbour_recall']:.3f} of the true ones, by faiss"
    if "neighbours_kept" in facts:
        kept, by_means = facts["neighbours_kept"], facts["neighbours_kept_by_means"]
        summary["held-out neighbours kept"] = (
            f"{kept:.3f} (at the mean of these neighbours {by_means:.3f})"
        )
    summary |= _held_out(facts)
    if "best_epoch" in facts and "landmarks" not in facts:  # of which no epoch is chosen
        summary["best epoch"] = f"{facts['best_epoch']} of {facts['epochs']}"
    return summary


def _carried(kl: Sequence[float], active: Sequence[bool]) -> dict[str, str]:
    """What the coordinates of a variational map carry."""
    idle = [str(number) for number, is_active in enumerate(active) if not is_active]
    without = f", without number {_listed(idle)}" if idle else ""
    return {
        "active coordinates": f"{sum(active)} of {len(active)}{without}",
        "KL of each, nats": _listed([f"{nats:.2f}" for nats in kl]),
    }


def _listed(items: Iterable[str]) -> str:
    items = list(items)
    return ", ".join([*items[:MOST_SHOWN], *(["…"] if len(items) > MOST_SHOWN else [])])


def _held_out(facts: Facts) -> dict[str, str]:
    """The held-out loss next to the yardstick's: by ratio, or by difference for a log likelihood."""
    loss, of_pca = facts.get("validation_loss"), facts.get("pca_validation_loss")
    if loss is None:
        return {}
    is_bound = VariationalAutoencoder.__name__ in (facts.get("class"), facts.get("member"))
    what, than = ("held-out error" if "coordinates" in facts else "held-out loss"), ""
    if is_bound:
        beta = facts["parameters"].get("beta", 1)
        what = "held-out −ELBO, nats" if beta == 1 else f"held-out −ELBO with β = {beta:g}, nats"
    if "members" in facts:
        what += ", mean of the members"
    shown = {what: f"{loss:.5g}"}
    if of_pca is None:
        return shown
    if is_bound:
        gap = of_pca - loss
        than = f" ({abs(gap):.3g} {'more' if gap > 0 else 'less'})" if gap else " (the same)"
    elif of_pca > 0:
        than = f" (ratio {loss / of_pca:.3f})"
    return shown | {f"{facts['yardstick']}'s {what}": f"{of_pca:.5g}{than}"}


def _hidden(part: PyTree) -> list[int]:
    """Widths of the hidden layers of one direction; its path has none."""
    layers = part.correction.layers[:-1] if part.correction else ()
    return [int(layer.weight.shape[0]) for layer in layers]


class _Code(str):
    """Text that stands for itself: what an object is written as in Python."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _plain(value: object) -> object:
    """A value as JSON holds it: numbers that are none become null, objects how they are written."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return _Code(getattr(value, "__name__", None) or " ".join(repr(value).split()))
