"""Whether targets are classes or numbers: one rule for everything that is given targets to predict.

- Floating-point targets are numbers.
- Text and booleans are classes, and so is what pandas calls a category.
- Integers are classes if they have at most ``MOST_CLASSES`` different values, and numbers otherwise:
  digits are classes, prices and years are numbers. Convert integers with ``y.astype(float)`` to have
  few values taken as numbers, or with ``y.astype(str)`` to have many taken as classes.
- Objects count as what they hold: integers as integers, other real numbers as floating point, anything
  else that can be sorted as classes.

``compare``, the report, the laboratories and the command line follow it. ``FeedForwardClassifier`` and
``FeedForwardRegressor`` do not: there the user decides by the choice of the estimator.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Number

import numpy as np
from jaxtyping import Bool, Shaped
from numpy.typing import ArrayLike

from isthmus.data.checks import target_array
from isthmus.data.wording import counted

MOST_CLASSES = 20
"""Largest number of different values with which integers are taken as classes."""


@dataclass(frozen=True)
class CheckedTargets:
    """Targets of n rows, checked: finite numbers as float64, or the index of each row's class."""

    values: Shaped[np.ndarray, " n *K"]
    classes: Shaped[np.ndarray, " c"] | None
    """The sorted classes that ``values`` are indices of; None for numbers."""

    @property
    def n_classes(self) -> int:
        """0 for numbers."""
        return 0 if self.classes is None else len(self.classes)

    @property
    def labels(self) -> Shaped[np.ndarray, " n *K"]:
        """The targets themselves: numbers, or the class of each row."""
        return self.values if self.classes is None else self.classes[self.values]


def are_classes(y: ArrayLike) -> bool:
    """Whether targets are classes by the rule above."""
    if is_category(y):
        return True
    targets = _plain(target_array(y))
    if targets.dtype.kind in "iu":
        return len(np.unique(targets)) <= MOST_CLASSES
    return targets.dtype.kind != "f"


def label_array(y: object) -> np.ndarray:
    """Labels or numbers as an array; integers stay integers, and so classes, where some are missing."""
    labels = target_array(y)
    dtype = getattr(y, "dtype", getattr(y, "type", None))
    dtype = getattr(getattr(dtype, "categories", None), "dtype", dtype)
    if labels.dtype.kind != "f" or not str(dtype).lower().startswith(("int", "uint")):
        return labels
    known = ~np.isnan(labels)
    of_objects = labels.astype(object)
    of_objects[known] = labels[known].astype(np.int64)
    return of_objects


def without_label(labels: Shaped[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Which rows have no label: None, NaN, NaT, the NA of pandas, and text without a character.

    An empty cell of a column of text in a file is such a text.
    """
    if labels.dtype.kind in "biufcmM":
        return np.asarray(np.isnan(labels))
    missing = [
        not value.strip() if isinstance(value, str | bytes) else is_missing(value)
        for value in labels.tolist()
    ]
    return np.array(missing, dtype=bool)


def refuse_missing(are_missing: Bool[np.ndarray, "n K"]) -> None:
    """Raise ValueError for rows without a target, which says where the first one is."""
    missing = np.flatnonzero(are_missing.any(axis=1))
    if len(missing):
        raise ValueError(
            f"y has no value in row {missing[0]}, and in {counted(len(missing), 'row')} in all: "
            "leave these rows out"
        )


def check_targets(y: ArrayLike, n: int, *, n_dims: int = 1, of_category: bool = False) -> CheckedTargets:
    """Targets (n,) of n rows, or (n, K) where ``n_dims`` is 2: classes or numbers by the rule above.

    ``of_category``: y is an array of what was a category of pandas.

    Raises ValueError for another shape, entries that are missing or not finite, fewer than two classes,
    classes in several columns, and what is neither a number nor a class.
    """
    targets = target_array(y)
    of_category = of_category or is_category(y)
    if of_category:
        targets = targets.astype(object)  # of which a missing one is told from a number
    if targets.ndim not in range(1, n_dims + 1) or len(targets) != n:
        expected = f"({n},)" + f" or ({n}, K)" * (n_dims > 1)
        raise ValueError(
            f"y has shape {targets.shape} for {counted(n, 'row')}: expected one target for each row of "
            f"X, {expected}"
        )
    if targets.dtype.kind in "OUS":
        refuse_missing(without_label(targets.ravel()).reshape(len(targets), -1))
    targets = _plain(targets)
    if targets.dtype.kind not in "biufUSO":
        raise ValueError(
            f"y is of type {targets.dtype}: expected numbers, or classes as integers or text"
        )
    return _classes(targets) if of_category or are_classes(targets) else _numbers(targets)


def is_category(y: object) -> bool:
    """Whether y is a column of categories of pandas."""
    return str(getattr(y, "dtype", "")) == "category"


def _plain(targets: np.ndarray) -> np.ndarray:
    """An array of objects that are all numbers as an array of numbers; others as they are."""
    if targets.dtype.kind != "O" or not all(
        isinstance(value, Number | np.bool_) for value in targets.ravel().tolist()
    ):
        return targets
    plain = np.asarray(targets.tolist())
    # Decimals, and integers of more than 64 bits, stay objects.
    return targets.astype(np.float64) if plain.dtype.kind == "O" else plain


def is_missing(value: object) -> bool:
    """Whether a label stands for none: None, NaN, NaT, or the NA of pandas."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:
        # The NA of pandas gives NA in every comparison, which is neither true nor false.
        return True


def _numbers(targets: np.ndarray) -> CheckedTargets:
    numbers = targets.astype(np.float64)
    if not np.isfinite(numbers).all():
        place = tuple(np.argwhere(~np.isfinite(numbers))[0].tolist())
        raise ValueError(
            f"y is {numbers[place]:g} in row {place[0]}: expected finite numbers, or classes as "
            "integers or text. Leave out the rows that have no target"
        )
    return CheckedTargets(numbers, None)


def _classes(targets: np.ndarray) -> CheckedTargets:
    if targets.ndim != 1:
        raise ValueError(
            f"y of type {targets.dtype} and shape {targets.shape} holds classes: expected one for each "
            f"row, ({len(targets)},). Convert y to floating point if it holds numbers"
        )
    try:
        classes, index = np.unique(targets, return_inverse=True)
    except TypeError as error:
        raise ValueError(
            f"y holds values that cannot be put in order ({error}): expected classes that are all "
            "integers or all text"
        ) from error
    if len(classes) < 2:
        raise ValueError(f"y is {classes[0]} in every row: expected two classes or more")
    return CheckedTargets(index, classes)
