"""Where a map puts new rows: whether among their nearest training rows, and what these predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from jaxtyping import Float, Int, Num, Shaped
from numpy.typing import ArrayLike
from sklearn.metrics import accuracy_score, r2_score
from sklearn.neighbors import NearestNeighbors

from isthmus.data.checks import check_coordinates, check_table, target_array
from isthmus.data.coding import CodedRows
from isthmus.data.frames import column_labels
from isthmus.data.neighbours import distances_to, nearest, share_as_near
from isthmus.data.rows import FLOAT64, Rows, ScaledRows, dense
from isthmus.data.targets import check_targets, is_category


@dataclass(frozen=True)
class Target:
    """What is predicted: numbers, or the index of each row's class."""

    values: Shaped[np.ndarray, " n"]
    n_classes: int
    """0 for numbers."""

    @property
    def score_name(self) -> str:
        return "accuracy" if self.n_classes else "R²"

    @classmethod
    def of(cls, y: ArrayLike, n: int, *, of_category: bool = False) -> Self:
        """Checked targets of n rows, as of ``check_targets``, which raises ValueError."""
        checked = check_targets(y, n, of_category=of_category)
        return cls(checked.values, checked.n_classes)

    def take(self, rows: Int[np.ndarray, " m"]) -> Self:
        """The targets of some rows."""
        return replace(self, values=self.values[rows])

    def first(self, n: int) -> Self:
        """The targets of the first n rows."""
        return replace(self, values=self.values[:n])


def neighbour_score(
    Z: Float[np.ndarray, "n d"],
    target: Target,
    k: int,
    Z_test: Float[np.ndarray, "m d"] | None = None,
    truth: Target | None = None,
) -> float:
    """Accuracy of the majority, or R² of the mean, of the k nearest rows in a map.

    Without ``Z_test`` each row of ``Z`` is predicted from the others.
    """
    wanted = (truth or target).values
    return _score_and_error(wanted, _predicted(Z, target, k, Z_test), target.n_classes)[0]


def _predicted(
    Z: Float[np.ndarray, "n d"], target: Target, k: int, Z_test: Float[np.ndarray, "m d"] | None
) -> Shaped[np.ndarray, " m"]:
    near = NearestNeighbors(n_neighbors=k).fit(Z).kneighbors(Z_test, return_distance=False)
    neighbours = target.values[near]
    if not target.n_classes:
        return np.asarray(neighbours.mean(axis=1))
    votes = [np.bincount(row, minlength=target.n_classes) for row in neighbours]
    return np.asarray(np.argmax(votes, axis=1))


def _score_and_error(
    wanted: Shaped[np.ndarray, " m"], predicted: Shaped[np.ndarray, " m"], n_classes: int
) -> tuple[float, float]:
    """Accuracy or R², and its standard error; that of a quotient of means by the delta method."""
    m = len(wanted)
    if n_classes:
        score = float(accuracy_score(wanted, predicted))
        return score, float(np.sqrt(score * (1 - score) / m))
    squares, gaps = np.square(wanted - wanted.mean()), np.square(wanted - predicted)
    score = float(r2_score(wanted, predicted))
    if m < 2 or squares.mean() == 0:
        return score, float("nan")
    influence = (gaps - (1 - score) * squares) / squares.mean()
    return score, float(np.std(influence) / np.sqrt(m - 1))


def neighbours_kept(
    training: tuple[Float[np.ndarray, "n D"], Float[np.ndarray, "n d"]],
    new: tuple[Float[np.ndarray, "m D"], Float[np.ndarray, "m d"]],
    ks: Sequence[int],
) -> Float[np.ndarray, "m ks"]:
    """Share of the k nearest training rows of each new row that are its nearest in the map, for each k.

    ``training`` and ``new`` are rows and their coordinates.
    """
    most = max(ks)
    near, found = (
        distances_to(training[0], new[0], nearest(of_training, most, of_new)[1])
        for of_training, of_new in zip(training, new, strict=True)
    )
    return np.stack([share_as_near(near[:, :k], found[:, :k]) for k in ks], axis=1)


def of_new_rows(
    X: object,
    rows: Rows,
    Z: Num[np.ndarray, "n d"],
    training: Sequence[Any] | None,  # rows, coordinates, labels, of any library
    y: ArrayLike | None,
    ks: Sequence[int],
    queries: Int[np.ndarray, " q"],
) -> dict[str, Float[np.ndarray, "2 n_values"]]:
    """Value and standard error of ``neighbours_kept`` for each k, and of ``neighbour_score``.

    ``rows`` are those of X, perhaps scaled; training rows are scaled in the same way. Without these
    there are no measures. The rows ``queries`` are measured. Raises ValueError for parts of ``training``
    that do not fit one another or X.
    """
    if training is None:
        if y is not None:
            raise ValueError("y came without training rows: pass training=(X_fit, Z_fit, y_fit)")
        return {}
    if len(training) not in (2, 3) or (len(training) == 3) != (y is not None):
        raise ValueError(
            f"training has {len(training)} parts{'' if y is None else ', and y came'}: expected "
            "training=(X_fit, Z_fit), or training=(X_fit, Z_fit, y_fit) and y"
        )
    if not isinstance(X, CodedRows):
        _check_names(column_labels(X), column_labels(training[0]))
    others = check_table(X.code(training[0]) if isinstance(X, CodedRows) else training[0])
    Z = np.asarray(Z, np.float64)
    placed = np.asarray(check_coordinates(training[1], Z.shape[1]), np.float64)
    n, m = others.shape[0], len(Z)
    if others.shape[1] != rows.shape[1] or len(placed) != n or n < max(ks):
        raise ValueError(
            f"training rows have shape {others.shape} and their coordinates {placed.shape}: expected at "
            f"least {max(ks)} rows of {rows.shape[1]} columns, and as many coordinates"
        )
    if isinstance(rows, ScaledRows):
        others = ScaledRows(others, rows.scaling, FLOAT64)
    of_training, of_new = (
        np.asarray(dense(part), np.float64) for part in (others[slice(None)], rows[queries])
    )
    kept = neighbours_kept((of_training, placed), (of_new, Z[queries]), ks)
    error = kept.std(axis=0) / np.sqrt(max(1, len(queries) - 1))
    found = {"neighbours_kept": np.stack([kept.mean(axis=0), error])}
    if y is not None:
        labels, wanted = _labels_of_both(training[2], y, n, m)
        predicted = _predicted(placed, labels, max(ks), Z[queries])
        score, error = _score_and_error(wanted.take(queries).values, predicted, labels.n_classes)
        found["neighbour_score"] = np.array([[score], [error]])
    return found


def _check_names(of_new: list[object] | None, of_training: list[object] | None) -> None:
    """Raise ValueError for columns that have other names, where both have names."""
    if of_new is None or of_training is None or len(of_new) != len(of_training):
        return
    for place, (one, other) in enumerate(zip(of_new, of_training, strict=True)):
        if one != other:
            raise ValueError(
                f"column {place} is {one!r} in X and {other!r} in training: expected the same columns "
                "in the same order"
            )


def _labels_of_both(
    y_training: ArrayLike, y: ArrayLike, n_training: int, n: int
) -> tuple[Target, Target]:
    """Checked labels of training and of new rows, whose classes have the same numbers."""
    each = [target_array(labels) for labels in (y_training, y)]
    for name, labels, count in zip(("the training rows' y", "y"), each, (n_training, n), strict=True):
        if labels.shape != (count,):
            raise ValueError(
                f"{name} has shape {labels.shape}: expected a label for each of {count} rows"
            )
    are_texts = [all(isinstance(label, str | bytes) for label in one.tolist()) for one in each]
    if are_texts[0] != are_texts[1]:
        raise ValueError("the training rows' y and y are texts and numbers: expected labels of one kind")
    of_category = is_category(y_training) or is_category(y)
    both = Target.of(np.concatenate(each), n_training + n, of_category=of_category)
    return both.first(n_training), both.take(np.arange(n_training, n_training + n))
