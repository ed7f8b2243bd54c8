"""One method on one split: fitted, evaluated and timed; a failure becomes part of the record."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from isthmus.comparison._memory import PeakMemory
from isthmus.comparison.methods import Method
from isthmus.comparison.records import ComparisonRecord, Judgement, Row
from isthmus.data.wording import counted
from isthmus.diagnostics.quality.measures import quality
from isthmus.diagnostics.quality.new_rows import Target, neighbour_score, neighbours_kept
from isthmus.estimators.base import BaseMap

FOR_WRITERS = (FutureWarning, DeprecationWarning, PendingDeprecationWarning, ImportWarning)
"""Warnings that address the authors of a method, not its users: they do not become notes."""

INTERRUPTED = "training was interrupted"
"""Start of the warning that training gives when Ctrl-C interrupts it."""


@dataclass(frozen=True)
class Split:
    """Training rows in random order, held-out rows, and their targets, for one seed."""

    seed: int
    train: Float[np.ndarray, "n D"]
    test: Float[np.ndarray, "m D"]
    targets: tuple[Target, Target] | None
    """Targets of the training rows and of the held-out rows."""

    def train_score(self, Z: Float[np.ndarray, "n d"], k: int) -> float | None:
        """Score of predicting each of the first training rows from its neighbours in their map Z."""
        if self.targets is None:
            return None
        return neighbour_score(Z, self.targets[0].first(len(Z)), k)

    def test_score(
        self, Z: Float[np.ndarray, "n d"], Z_test: Float[np.ndarray, "m d"], k: int
    ) -> float | None:
        """Score of predicting the first held-out rows, with coordinates Z_test, from training rows."""
        if self.targets is None:
            return None
        target, truth = self.targets[0].first(len(Z)), self.targets[1].first(len(Z_test))
        return neighbour_score(Z, target, k, Z_test, truth)


@dataclass(frozen=True)
class Settings:
    """Settings that are the same for all methods and splits."""

    n_components: int
    k: int
    max_rows: int


def run(method: Method, split: Split, settings: Settings) -> ComparisonRecord:
    """The record of one method; it says why there are no numbers if the method raises an exception."""
    rows = split.train[: settings.max_rows] if method.pairwise else split.train
    notes: list[str] = []
    if len(rows) < len(split.train):
        notes.append(f"fitted on {len(rows)} of {len(split.train)} training rows, drawn at random")
    words = (method.explicit, method.invertible, method.differentiable)
    record = ComparisonRecord(method.name, split.seed, None, len(rows), *words)
    trial = _Trial(method, split, settings, rows)
    for stage in (trial.fit, trial.apply, trial.invert):
        found, failure = _attempt(stage, notes)
        if failure is None:
            record = replace(record, **found)
        elif trial.is_fitted:
            notes.append(failure)
            break
        else:
            record = replace(record, failure=failure)
            break
    return replace(record, notes=tuple(dict.fromkeys(notes)))


@dataclass
class _Trial:
    """The stages of one method; each returns fields of the record, or none if a function is missing."""

    method: Method
    split: Split
    settings: Settings
    rows: Float[np.ndarray, "n D"]
    model: Any = None  # of any library
    Z: Float[np.ndarray, "k d"] | None = None
    Z_test: Float[np.ndarray, "m d"] | None = None
    is_fitted: bool = False

    def fit(self) -> Row:
        """Make and fit the model, and evaluate its map on the training rows shared by all methods."""
        split, settings, most = self.split, self.settings, self.settings.max_rows
        self.model = self.method.make(settings.n_components, split.seed)
        if isinstance(self.model, BaseMap) and "verbose" in self.model.get_params(deep=False):
            self.model.set_params(verbose=False)  # the comparison shows its own progress
        with PeakMemory() as memory:
            began = time.perf_counter()
            Z = self.model.fit_transform(self.rows)
            seconds = time.perf_counter() - began
        self.Z = _coordinates(Z, len(self.rows), settings.n_components)[:most]
        score = split.train_score(self.Z, settings.k)
        train = _evaluation(split.train[:most], self.Z, settings.k, score)
        self.is_fitted = True
        explicit, invertible, differentiable = self.method.functions(self.model)
        return {
            "explicit": explicit,
            "invertible": invertible,
            "differentiable": differentiable,
            "train": train,
            "fit_seconds": seconds,
            "peak_mib": memory.mib,
        }

    def apply(self) -> Row:
        """Map the held-out rows, twice, because the first call of a function may compile it."""
        if not hasattr(self.model, "transform") or self.Z is None:
            return {}
        split, k, most = self.split, self.settings.k, self.settings.max_rows
        Z = self.model.transform(split.test)
        Z_test = self.Z_test = _coordinates(Z, len(split.test), self.settings.n_components)
        began = time.perf_counter()
        self.model.transform(split.test)
        seconds = (time.perf_counter() - began) / len(split.test)
        score = split.test_score(self.Z, Z_test[:most], k)
        test = _evaluation(split.test[:most], Z_test[:most], k, score)
        known, new = (split.train[: len(self.Z)], self.Z), (split.test[:most], Z_test[:most])
        kept = float(neighbours_kept(known, new, (k,)).mean())
        return {"test": test, "neighbours_kept": kept, "transform_seconds": seconds}

    def invert(self) -> Row:
        """Decode the held-out rows."""
        if self.Z_test is None or not hasattr(self.model, "inverse_transform"):
            return {}
        test = self.split.test
        decoded = np.asarray(self.model.inverse_transform(self.Z_test), dtype=np.float64)
        if decoded.shape != test.shape:
            raise ValueError(f"rows of shape {test.shape} were decoded to shape {decoded.shape}")
        error = _mean_square(test - decoded)
        variance = _mean_square(test - self.split.train.mean(axis=0))
        share = error / variance if variance > 0 else None
        return {"reconstruction_error": error, "variance_left_out": share}


def _evaluation(
    rows: Float[np.ndarray, "n D"], Z: Float[np.ndarray, "n d"], k: int, score: float | None
) -> Judgement:
    # Densities are not reported: a single kernel width keeps their cost low.
    found = quality(rows, Z, k=k, sigmas=(1.0,), scaling=None)
    return Judgement(
        trustworthiness=float(found.trustworthiness),
        continuity=float(found.continuity),
        overlap=float(found.overlap),
        spearman=found.spearman,
        imbalance_to_map=found.imbalance_to_map,
        imbalance_to_data=found.imbalance_to_data,
        score=score,
    )


def _coordinates(Z: object, n: int, n_components: int) -> Float[np.ndarray, "n d"]:
    """The coordinates of a method as numbers (n, d); ``quality`` checks them for NaN."""
    coordinates = np.asarray(Z, dtype=np.float64)
    if coordinates.shape != (n, n_components):
        raise ValueError(
            f"{counted(n, 'row')} were given coordinates of shape {coordinates.shape} for "
            f"{(n, n_components)}"
        )
    return coordinates


def _mean_square(gap: Float[np.ndarray, "n D"]) -> float:
    return float(np.mean(np.einsum("ij,ij->i", gap, gap)))


def _attempt(work: Callable[[], Row], notes: list[str]) -> tuple[Row, str | None]:
    """The result of ``work``, or the reason of its failure; its warnings become notes.

    Ctrl-C ends the comparison: training would otherwise turn it into a warning and keep the best
    weights, and the next method would start.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("error", message=INTERRUPTED)
        try:
            return work(), None
        except Exception as error:
            if isinstance(error, UserWarning) and str(error).startswith(INTERRUPTED):
                raise KeyboardInterrupt from error
            return {}, _reason(error)
        finally:
            notes += [
                _one_line(each.message) for each in caught if not issubclass(each.category, FOR_WRITERS)
            ]


def _reason(error: Exception) -> str:
    """Why a method failed: the type of the error and its message; of an ImportError the message only."""
    text = _one_line(error)
    if isinstance(error, ImportError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
