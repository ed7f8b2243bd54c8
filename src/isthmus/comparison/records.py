"""What a comparison measures: a record for each method and seed."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Judgement:
    """How faithful a map of some rows is. What is best is in brackets."""

    trustworthiness: float
    """Are neighbours in the map neighbours in the data? [1]"""
    continuity: float
    """Are neighbours in the data neighbours in the map? [1]"""
    overlap: float
    """Share of the k nearest rows that are the same in both. [1]"""
    spearman: float
    """Rank correlation of the distances of pairs of rows. [1]"""
    imbalance_to_map: float
    """Information imbalance Δ(data → map). [2/n]"""
    imbalance_to_data: float
    """Information imbalance Δ(map → data). [2/n]"""
    score: float | None
    """Accuracy, or R², of the k nearest neighbours in the map. [1] None without y."""


MEASURES = tuple(field.name for field in fields(Judgement))


@dataclass(frozen=True)
class ComparisonRecord:
    """One method on one split. What it does not have, or was not measured, is None."""

    method: str
    seed: int
    failure: str | None
    """Why there are no numbers; None if there are."""
    n_fitted: int
    """Training rows that it was fitted on: all, or a random sample."""
    explicit: str | None
    """Has it a function for new rows? "yes", "no function", or how it does without one."""
    invertible: str | None
    """Has it a function from the map to the rows?"""
    differentiable: str | None
    """Has it a Jacobian?"""
    train: Judgement | None = None
    """Of training rows, the same ones for all methods; ``score`` leaves out the row that it predicts."""
    test: Judgement | None = None
    """Of held-out rows; ``score`` predicts them from the training rows."""
    reconstruction_error: float | None = None
    """Mean of ‖x − x̂‖² over the held-out rows, in the data's squared units. [0]"""
    variance_left_out: float | None = None
    """The same as a share of the mean of ‖x − x̄‖², x̄ the mean of the training rows. [0]"""
    fit_seconds: float | None = None
    """Of ``fit_transform``, compilation included."""
    transform_seconds: float | None = None
    """Per held-out row, of the second call of ``transform``, when all is compiled."""
    peak_mib: float | None = None
    """MiB by which the process's own memory grew at most during the fit, sampled; None but on Linux."""
    notes: tuple[str, ...] = ()
    """What there is to know: a sample of rows, warnings."""

    def numbers(self) -> dict[str, float | None]:
        """All measures by name, with train_ before those of training rows and test_ of held-out ones."""
        found: dict[str, float | None] = {}
        for part, judgement in (("train", self.train), ("test", self.test)):
            for name in MEASURES:
                found[f"{part}_{name}"] = None if judgement is None else getattr(judgement, name)
        return found | {name: getattr(self, name) for name in COSTS}


COSTS = (
    *("reconstruction_error", "variance_left_out"),
    *("fit_seconds", "transform_seconds", "peak_mib"),
)


@dataclass(frozen=True)
class Conditions:
    """What is the same for all methods of a comparison."""

    n_components: int
    n_features: int
    n_train: int
    n_test: int
    n_judged_train: int
    """Training rows, a random sample if not all, that every map is judged on."""
    n_judged_test: int
    """Held-out rows that every map is judged on; the reconstruction error is of all ``n_test``."""
    k: int
    seeds: tuple[int, ...]
    score: str | None
    """What ``score`` is, "accuracy" or "R²"; None without y."""
    data_train_score: float | None
    """``train.score`` of all columns in place of a map, the mean of all splits."""
    data_test_score: float | None
