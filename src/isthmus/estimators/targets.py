"""What a predictor is to give: labels or numbers, checked, as the columns that a loss reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int, Num, Shaped
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from isthmus.data.checks import check_target_numbers, target_array
from isthmus.data.rows import RowNumbers, Rows
from isthmus.data.scaling import Scaling
from isthmus.data.targets import is_missing, refuse_missing


@dataclass(frozen=True)
class TargetColumns:
    """Targets as a loss reads them.

    ``aside`` stands beside each row: ``n_targets`` columns, and a weight if rows have one. ``constant``
    is the output that predicts best for all rows alike. ``fitted`` are attributes that the model gets
    once it is trained.
    """

    aside: Float[np.ndarray, "n a"]
    n_targets: int
    constant: Float[np.ndarray, " k"]
    scaling: Scaling
    fitted: Mapping[str, object]


class Targets(Protocol):
    """Checked targets of all rows."""

    @property
    def strata(self) -> Int[np.ndarray, " n"]:
        """Numbers of groups of rows that are held out in proportion."""

    def columns(self, train_rows: RowNumbers) -> TargetColumns:
        """The columns of all rows, with what is fitted to the training rows alone."""


@dataclass(frozen=True)
class Labels:
    """The number of the class of each row, and its weight if rows have one."""

    number: Int[np.ndarray, " n"]
    weight: Float[np.ndarray, " n"] | None
    classes: np.ndarray

    @property
    def strata(self) -> Int[np.ndarray, " n"]:
        return self.number

    def columns(self, train_rows: RowNumbers) -> TargetColumns:
        K = len(self.classes)
        aside = [self.number] if self.weight is None else [self.number, self.weight]
        weight = None if self.weight is None else self.weight[train_rows]
        return TargetColumns(
            np.stack(aside, axis=1).astype(np.float32),
            n_targets=1,
            constant=log_odds(np.bincount(self.number[train_rows], weight, minlength=K)),
            scaling=Scaling(np.zeros(K), np.ones(K)),
            fitted={"classes_": self.classes},
        )


@dataclass(frozen=True)
class Numbers:
    """Numbers (n, k), of targets that came as (n, *shape), and their scaling if it is known."""

    numbers: Float[np.ndarray, "n k"]
    shape: tuple[int, ...]
    scaling: Scaling | None

    @property
    def strata(self) -> Int[np.ndarray, " n"]:
        return np.zeros(len(self.numbers), int)

    def columns(self, train_rows: RowNumbers) -> TargetColumns:
        scaling = self.scaling
        if scaling is None:
            scaling = Scaling.fit("standard", self.numbers[train_rows])
        k = self.numbers.shape[1]
        return TargetColumns(
            scaling(self.numbers),
            n_targets=k,
            constant=np.zeros(k),
            scaling=scaling,
            fitted={"target_scaling_": scaling, "target_shape_": self.shape},
        )


def label_targets(
    y: object, rows: Rows, class_weight: object, classes: np.ndarray | None = None
) -> Labels:
    """Labels (n,) as numbers of their classes, which are those of ``y`` unless given."""
    labels = column_or_1d(target_array(y), warn=True)
    if labels.dtype.kind in "OmM":
        refuse_missing(np.array([[is_missing(label)] for label in labels.tolist()]))
    if labels.dtype.kind == "O":
        _check_texts(labels)
    assert_all_finite(labels, input_name="y")
    check_classification_targets(labels)
    check_consistent_length(rows, labels)
    classes = np.unique(labels) if classes is None else classes
    if len(classes) < 2:
        raise ValueError(
            f"there is one class only, {classes.tolist()[0]!r}: a classifier needs rows of two classes "
            "at least"
        )
    unknown = np.setdiff1d(labels, classes)
    if len(unknown):
        raise ValueError(
            f"y has the label {unknown.tolist()[0]!r}, which is none of the classes {classes.tolist()}"
        )
    number = np.searchsorted(classes, labels)
    weight = _row_weights(class_weight, classes, labels, number)
    return Labels(number, weight, classes)


def _check_texts(labels: Shaped[np.ndarray, " n"]) -> None:
    """Raise ValueError, as scikit-learn does, for objects that are no texts: with the first of them."""
    other = next((label for label in labels.tolist() if not isinstance(label, str | bytes)), None)
    if other is not None:
        raise ValueError(
            f"Unknown label type: y is an array of objects, and one is {other!r}. Expected are texts, "
            "integers or booleans in an array of their type, such as y.astype(str)"
        )


def number_targets(
    y: object, rows: Rows, scaling: Scaling | None = None, shape: tuple[int, ...] | None = None
) -> Numbers:
    """Numbers (n,) or (n, k), to be scaled to mean 0 and variance 1, or as in an earlier fit."""
    numbers = check_target_numbers(y)
    check_consistent_length(rows, numbers)
    if shape is not None and numbers.shape[1:] != shape:
        raise ValueError(
            f"y has shape {numbers.shape}, and the model was fitted on targets of shape "
            f"{('n', *shape)}: pass such, or fit anew with warm_start=False"
        )
    return Numbers(numbers.reshape(len(numbers), -1), numbers.shape[1:], scaling)


def _row_weights(
    class_weight: object, classes: np.ndarray, labels: np.ndarray, number: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " n"] | None:
    """The weight of each row, 1 on average."""
    if class_weight is None:
        return None
    if isinstance(class_weight, Mapping):
        # compute_class_weight wants a row of every class it is told of, and a part may lack some.
        names = classes.tolist()
        unknown = [label for label in class_weight if label not in names]
        if unknown and any(label not in class_weight for label in names):
            raise ValueError(
                f"class_weight={class_weight!r} has a weight for {unknown[0]!r}, which is none of the "
                f"classes {names}"
            )
        of_class = np.array([float(class_weight.get(label, 1.0)) for label in names])
        if not (np.isfinite(of_class).all() and (of_class >= 0).all()):
            raise ValueError(f"class_weight={class_weight!r}: expected finite weights ≥ 0")
    else:
        of_class = compute_class_weight(class_weight, classes=classes, y=labels)
    weight = of_class[number]
    if not weight.sum() > 0:
        raise ValueError(f"class_weight={class_weight!r} leaves no row a weight")
    return np.asarray(weight / weight.mean())


def log_odds(counts: Num[np.ndarray, " K"]) -> Float[np.ndarray, " k"]:
    """The outputs whose probabilities are these frequencies, ½ at least: f = artanh(2p − 1) for two."""
    logs = np.log(np.maximum(counts, 0.5))
    return np.array([0.5 * (logs[1] - logs[0])]) if len(logs) == 2 else logs - logs.mean()
