"""What a comparison measures: a record for each method and seed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

Row = dict[str, Any]  # texts, numbers and None, by column
"""Columns of one method: texts, numbers, or None where there are none."""


@dataclass(frozen=True)
class Judgement:
    """How faithful a map of some rows is. The best value of each measure is in brackets.

    Attributes
    ----------
    trustworthiness : float
        Are neighbours in the map neighbours in the data? [1]
    continuity : float
        Are neighbours in the data neighbours in the map? [1]
    overlap : float
        Share of the k nearest rows that are the same in both. [1]
    spearman : float
        Rank correlation of the distances of pairs of rows. [1]
    imbalance_to_map, imbalance_to_data : float
        Information imbalance Δ(data → map) and Δ(map → data). [2/n]
    score : float or None
        Accuracy, or R², of the k nearest neighbours in the map [1]; None without y.

    Examples
    --------
    >>> import isthmus, numpy as np
    >>> X = np.random.default_rng(0).standard_normal((60, 4))
    >>> (record,) = isthmus.compare(X, methods="PCA", n_components=3).records
    >>> record.train.trustworthiness > 0.9, record.train.score is None
    (True, True)
    """

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
    """One method on one split. A field is None if the method lacks it or it was not measured.

    Attributes
    ----------
    method : str
    seed : int
    failure : str or None
        Why there are no numbers; None if there are.
    n_fitted : int
        Number of training rows in the fit: all, or a random sample.
    explicit, invertible, differentiable : str or None
        Whether it has a function for new rows, one back to rows, and a Jacobian: "yes", "no function",
        or how it does without one.
    train, test : Judgement or None
        Evaluation on training rows, the same for all methods, with ``score`` by leave-one-out; and on
        held-out rows, with ``score`` of predicting them from the training rows.
    neighbours_kept : float or None
        Share of the k nearest training rows of a held-out row that are its nearest in the map. [1]
    reconstruction_error : float or None
        Mean of ‖x − x̂‖² over the held-out rows, in the data's squared units. [0]
    variance_left_out : float or None
        The same as a share of the mean of ‖x − x̄‖², x̄ the training mean. [0]
    fit_seconds, transform_seconds : float or None
        Of ``fit_transform``, compilation included; and per held-out row of the second call of
        ``transform``, when everything is compiled.
    peak_mib : float or None
        Largest growth of the process's own memory in the fit, in MiB, sampled; None if not on Linux.
    notes : tuple of str
        Remarks: that a sample of the rows was fitted, warnings.

    Examples
    --------
    >>> import isthmus, numpy as np
    >>> X = np.random.default_rng(0).standard_normal((60, 4))
    >>> (record,) = isthmus.compare(X, methods="PCA").records
    >>> record.method, record.explicit, record.n_fitted
    ('PCA', 'yes', 45)
    """

    method: str
    seed: int
    failure: str | None
    """Why there are no numbers; None if there are."""
    n_fitted: int
    """Number of training rows in the fit: all, or a random sample."""
    explicit: str | None
    """Whether it has a function for new rows: "yes", "no function", or how it maps them without one."""
    invertible: str | None
    """Whether it has a function from coordinates back to rows."""
    differentiable: str | None
    """Whether its map has a Jacobian."""
    train: Judgement | None = None
    """Evaluation on training rows, the same for all methods; ``score`` is by leave-one-out."""
    test: Judgement | None = None
    """Evaluation on held-out rows; ``score`` is of predicting them from the training rows."""
    neighbours_kept: float | None = None
    """Share of the k nearest training rows of a held-out row that are its nearest in the map. [1]"""
    reconstruction_error: float | None = None
    """Mean of ‖x − x̂‖² over the held-out rows, in the data's squared units. [0]"""
    variance_left_out: float | None = None
    """The reconstruction error as a share of the mean of ‖x − x̄‖², x̄ the training mean. [0]"""
    fit_seconds: float | None = None
    """Seconds of ``fit_transform``, compilation included."""
    transform_seconds: float | None = None
    """Seconds per held-out row of the second call of ``transform``, when everything is compiled."""
    peak_mib: float | None = None
    """Largest growth of the process's own memory in the fit, in MiB, sampled; None if not on Linux."""
    notes: tuple[str, ...] = ()
    """Remarks: that a sample of the rows was fitted, warnings."""

    def numbers(self) -> dict[str, float | None]:
        """All measures by name; those of training rows begin with ``train_``, others with ``test_``.

        Returns
        -------
        dict of str to float or None

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> X = np.random.default_rng(0).standard_normal((60, 4))
        >>> (record,) = isthmus.compare(X, methods="PCA").records
        >>> record.numbers()["test_overlap"] == record.test.overlap
        True
        """
        found: dict[str, float | None] = {}
        for part, evaluation in (("train", self.train), ("test", self.test)):
            for name in MEASURES:
                found[f"{part}_{name}"] = None if evaluation is None else getattr(evaluation, name)
        return found | {name: getattr(self, name) for name in COSTS}


COSTS = (
    "neighbours_kept",
    *("reconstruction_error", "variance_left_out"),
    *("fit_seconds", "transform_seconds", "peak_mib"),
)


@dataclass(frozen=True)
class Conditions:
    """Settings and sizes that are the same for all methods of a comparison."""

    n_components: int
    n_features: int
    n_train: int
    n_test: int
    n_judged_train: int
    """Number of training rows that every map is evaluated on: all, or a random sample."""
    n_judged_test: int
    """Number of held-out rows that maps are evaluated on; the reconstruction error is of all."""
    k: int
    seeds: tuple[int, ...]
    score: str | None
    """Name of ``score``, "accuracy" or "R²"; None without y."""
    data_train_score: float | None
    """``train.score`` with all columns in place of a map, the mean over the splits."""
    data_test_score: float | None
    """``test.score`` with all columns in place of a map, the mean over the splits."""
    units: str
    """How columns were scaled, and why; empty if they were taken as they are."""
    target: str
    """The name of what ``score`` is about."""
