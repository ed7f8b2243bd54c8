"""The members of an ensemble: fitted together or one by one, aligned, and as one network."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Array, Float, Int
from sklearn.base import is_classifier

from isthmus.data.rows import Rows, dense, evenly_spaced
from isthmus.estimators.fitting import adopt, generator, prepare
from isthmus.estimators.jobs import in_jobs
from isthmus.networks.alignment import Alignment, MeanMap, MeanPredictor, align, stacked
from isthmus.networks.layers import single
from isthmus.training.checkpoints import FitCheckpoints
from isthmus.training.members import train_members
from isthmus.training.problem import DivergenceError, TrainingResult

ALIGNING_ROWS = 2000
"""Rows, evenly spaced, by which members are aligned: a rotation has few parameters."""


Member: TypeAlias = Any  # a map or a predictor, as the ensemble's estimator is


def fit_side_by_side(
    members: Sequence[Member],
    rows: Rows,
    y: object,
    bootstrap: bool,
    checkpoints: FitCheckpoints | None,
) -> tuple[list[Member], list[TrainingResult]]:
    """The members that were trained, in one pass, and the results of those that diverged."""
    with _said_once(len(members)):
        prepared = [prepare(member, rows, y, bootstrap=bootstrap) for member in members]
    results = train_members([one.training for one in prepared], checkpoints=checkpoints)
    with _said_once(len(members)):
        for member, one, result in zip(members, prepared, results, strict=False):
            adopt(member, one, result)
    return list(members[: len(results)]), [r for r in results if r.stopped == "diverged"]


def fit_each(
    members: Sequence[Member], rows: Rows, y: object, bootstrap: bool, n_jobs: int | None
) -> tuple[list[Member], list[TrainingResult]]:
    """Fit one by one; of those that diverged, the results."""
    with _said_once(len(members)):
        fitted = in_jobs(_fit, [(member, rows, y, bootstrap) for member in members], n_jobs)
    return [member for member, _ in fitted], [result for _, result in fitted if result is not None]


def _fit(member: Member, rows: Rows, y: object, bootstrap: bool) -> tuple[Member, TrainingResult | None]:
    """A fitted member, and its result if it diverged."""
    drawn: slice | Int[np.ndarray, " n"] = slice(None)
    if bootstrap:
        n_rows = rows.shape[0]
        drawn = np.sort(generator(member.random_state).choice(n_rows, n_rows))
    targets = None if y is None else np.asarray(y)[drawn]
    try:
        member.fit(rows[drawn] if bootstrap else rows, targets)
    except DivergenceError as error:
        return member, error.result
    return member, None


@contextmanager
def _said_once(n_members: int) -> Iterator[None]:
    """One warning of each kind: what the first member said, and how many said such a thing."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for category in dict.fromkeys(one.category for one in caught):
        messages = [str(one.message) for one in caught if one.category is category]
        said_by_all = len(messages) == n_members and len(set(messages)) == 1
        who = "" if said_by_all else f"{len(messages)} of {n_members} members: "
        # Past this generator, its context manager, and the function that fits: to whoever called fit.
        warnings.warn(who + messages[0], category, stacklevel=5)


def aligned(members: Sequence[Member], rows: Rows) -> Alignment:
    """How fitted maps are turned and moved onto their common frame, by some of these rows."""
    some = evenly_spaced(rows, ALIGNING_ROWS)
    return align(_coordinates(members, some), _filled(dense(some)))


def _coordinates(members: Sequence[Member], rows: Rows) -> Float[np.ndarray, "M n d"]:
    coordinates = [np.asarray(member.transform(rows), np.float64) for member in members]
    counts = sorted({z.shape[1] for z in coordinates})
    if len(counts) > 1:
        raise ValueError(
            f"members have from {counts[0]} to {counts[-1]} coordinates, and averaging needs as many in "
            "each: give n_components as an integer"
        )
    return np.stack(coordinates)


def _filled(rows: np.ndarray) -> Float[np.ndarray, "n D"]:
    """Missing entries at the mean of their column, where they say nothing."""
    rows = rows.astype(np.float64)
    missing = np.isnan(rows)
    if not missing.any():
        return rows
    means = np.nansum(rows, axis=0) / np.maximum(1, np.sum(~missing, axis=0))
    return np.where(missing, means, rows)


def assembled(members: Sequence[Member], alignment: Alignment | None) -> MeanMap | MeanPredictor:
    """Fitted members as one network; ``alignment`` is that of maps."""
    networks = [member.network_ for member in members]
    as_one = stacked(networks)
    center, offsets = _center_and_offsets([member.scaling_.center for member in members])
    if alignment is not None:
        return MeanMap(center, as_one, alignment, offsets)
    if is_classifier(members[0]):
        return MeanPredictor(center, networks[0].target_center, as_one, offsets, as_one.target_center)
    targets = [member.target_scaling_.center for member in members]
    target_center, target_offsets = _center_and_offsets(targets)
    return MeanPredictor(center, target_center, as_one, offsets, target_offsets)


def _center_and_offsets(
    centers: Sequence[Float[np.ndarray, " D"]],
) -> tuple[Float[Array, " D"], Float[Array, "M D"]]:
    """The first member's center as that of all, and what the members' are beyond it."""
    each = np.stack(centers)
    return single(each[0]), single(each - each[0])
