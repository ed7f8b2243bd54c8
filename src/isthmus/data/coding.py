"""Columns that are no numbers on a line: angles, which come round, and categories, which have no order.

Models compute with a *code* of them: an angle is a point on a circle, a category a one among zeros. What
goes in, and what is decoded, are angles and categories.
"""

from __future__ import annotations

import reprlib
from collections.abc import Hashable, Mapping, Sequence, Sized
from dataclasses import dataclass
from math import isfinite, pi
from numbers import Real
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float

from isthmus import registry
from isthmus.data.conversion import as_rows
from isthmus.data.frames import column_labels, to_values, with_zeros

MOST_CATEGORIES = 1000
"""Categories of one column; with more it is an identifier, or numbers."""

MOST_EXACT = 2.0**53
"""From here on integers have not each a number of their own in double precision."""


class CodedRows(np.ndarray[Any, np.dtype[np.float64]]):
    """Rows of a code (n, D'), and the code that they are of."""

    code: ColumnCode

    @classmethod
    def of(cls, rows: Float[np.ndarray, "n D"], code: ColumnCode) -> CodedRows:
        coded = rows.view(cls)
        coded.code = code
        return coded

    def __array_finalize__(self, source: object) -> None:
        if hasattr(source, "code"):
            self.code = source.code


@registry.part
@dataclass(frozen=True)
class ColumnCode:
    """How rows (n, D) with angles and categories are written as numbers (n, D'), and read back.

    ``labels`` are the columns' names, or their numbers. ``angles`` are (position, period, least value),
    ``choices`` (position, categories). An angle x of period P becomes P/2π (cos 2πx/P, sin 2πx/P), so
    that a small step is as long as it was; each category becomes a column of zeros and ones.
    """

    labels: tuple[Hashable, ...]
    angles: tuple[tuple[int, float, float], ...]
    choices: tuple[tuple[int, tuple[Hashable, ...]], ...]

    @classmethod
    def of(
        cls,
        X: object,
        periodic: Mapping[Hashable, float] | None,
        categorical: Sequence[Hashable] | None,
    ) -> ColumnCode:
        """The code of rows, from parameters as users give them; raises ValueError or TypeError."""
        values, names = _table(X)
        labels = tuple(range(values.shape[1])) if names is None else tuple(names)
        if periodic is not None and not isinstance(periodic, Mapping):
            raise TypeError(
                f"periodic={periodic!r}: expected columns and their periods, such as {{'phi': 360}}"
            )
        if isinstance(categorical, str) or not isinstance(categorical, Sequence | type(None)):
            raise TypeError(
                f"categorical={categorical!r}: expected a list of columns, such as ['species']"
            )
        periods: dict[int, tuple[float, float]] = {}
        for label, period in (periodic or {}).items():
            position = _position("periodic", label, labels)
            if not isinstance(period, Real) or not isfinite(period) or period <= 0:
                raise ValueError(
                    f"periodic: the period of {label!r} is {period!r}; expected a number above 0, "
                    "such as 360 for degrees"
                )
            angles = _numbers(values[:, position], label)
            start = 0.0 if np.nanmin(angles, initial=np.inf) >= 0 else -float(period) / 2
            periods[position] = (float(period), start)
        categories = {}
        for label in categorical or ():
            position = _position("categorical", label, labels)
            if position in periods:
                raise ValueError(f"column {label!r} is both periodic and categorical: choose one")
            categories[position] = _categories(values[:, position], label)
        return cls(
            tuple(label if isinstance(label, int | str) else str(label) for label in labels),
            tuple((position, *angle) for position, angle in sorted(periods.items())),
            tuple(sorted(categories.items())),
        )

    @property
    def periods(self) -> Mapping[int, tuple[float, float]]:
        """Period and least value of each angle, by its position."""
        return {position: (period, least) for position, period, least in self.angles}

    @property
    def categories(self) -> Mapping[int, tuple[Hashable, ...]]:
        """Values of each categorical column, by its position."""
        return dict(self.choices)

    @property
    def names(self) -> list[str]:
        """Of the columns of the code: "phi cos", "phi sin", "species=Adelie"."""
        names: list[str] = []
        for position, label in enumerate(self.labels):
            label = f"x{label}" if isinstance(label, int) else str(label)
            if position in self.periods:
                names += [f"{label} cos", f"{label} sin"]
            elif position in self.categories:
                names += [f"{label}={value}" for value in self.categories[position]]
            else:
                names.append(label)
        return names

    @property
    def _spans(self) -> list[slice]:
        """Where in the code each column is."""
        widths = [
            2 if position in self.periods else len(self.categories.get(position, (None,)))
            for position in range(len(self.labels))
        ]
        ends = np.cumsum(widths).tolist()
        return [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]

    @property
    def groups(self) -> list[slice]:
        """The columns of the code that belong together: of each angle, and of each set of categories."""
        coded = self.periods.keys() | self.categories.keys()
        return [span for position, span in enumerate(self._spans) if position in coded]

    @property
    def _holds_text(self) -> bool:
        return any(not _are_numbers(values) for values in self.categories.values())

    def __call__(self, X: object) -> CodedRows:
        """Rows (n, D) of any kind as the code (n, D'); raises ValueError or TypeError."""
        return CodedRows.of(self.coded(self.numbers(X), np), self)

    def numbers(self, X: object) -> Float[np.ndarray, "n D"]:
        """Rows (n, D) of any kind as numbers, the place of a text among its categories being one."""
        values, names = _table(X)
        if values.shape[1] != len(self.labels):
            raise ValueError(
                f"X has {values.shape[1]} features, but {len(self.labels)} features are expected as "
                "input. Pass the columns that fit saw, in the same order"
            )
        plain = as_rows(with_zeros(X, sorted(self.categories)))
        numbers = np.array(plain, np.float64)
        for position, known in self.categories.items():
            label = self.labels[position] if names is None else names[position]
            numbers[:, position] = _places(values[:, position], known, label)
        return numbers

    def coded(self, x: Any, xp: ModuleType) -> Any:
        """(…, D) → (…, D'), a text in a row being its number; ``xp`` is NumPy or JAX's."""
        parts = []
        for position in range(len(self.labels)):
            column = x[..., position : position + 1]
            if position in self.periods:
                period, _ = self.periods[position]
                angle = column * (2 * pi / period)
                parts.append(period / (2 * pi) * xp.concatenate([xp.cos(angle), xp.sin(angle)], axis=-1))
            elif position in self.categories:
                of_values = xp.asarray(_values(self.categories[position]))
                parts.append(xp.where(xp.isnan(column), xp.nan, (column == of_values) * 1.0))
            else:
                parts.append(column)
        return xp.concatenate(parts, axis=-1)

    def decoded(self, u: Any, xp: ModuleType) -> Any:
        """(…, D') → (…, D): the angle of a point, and the likeliest category."""
        parts = []
        for position, span in enumerate(self._spans):
            part = u[..., span]
            if position in self.periods:
                period, least = self.periods[position]
                angle = xp.arctan2(part[..., 1], part[..., 0]) * (period / (2 * pi))
                angle = least + xp.mod(angle - least, period)
                # A negative angle next to zero is rounded to a whole period.
                parts.append(xp.where(angle < least + period, angle, least))
            elif position in self.categories:
                of_values = xp.asarray(_values(self.categories[position]))
                parts.append(of_values[xp.argmax(part, axis=-1)])
            else:
                parts.append(part[..., 0])
        return xp.stack(parts, axis=-1)

    def rows(self, u: Float[np.ndarray, "n coded"]) -> np.ndarray:
        """The code (n, D') as rows (n, D), of objects where a category is a text."""
        numbers: np.ndarray = self.decoded(np.asarray(u), np)
        if not self._holds_text:
            return numbers
        rows = numbers.astype(object)
        for position, known in self.categories.items():
            if not _are_numbers(known):
                rows[:, position] = [known[int(place)] for place in numbers[:, position]]
        return rows

    def spread(self, std: Float[np.ndarray, "n coded"]) -> Float[np.ndarray, "n D"]:
        """Standard deviations of the code (n, D') as those of rows (n, D); NaN for a category."""
        parts = []
        for position, span in enumerate(self._spans):
            if position in self.categories:
                is_known = (std[:, span] == 0).all(axis=1)
                parts.append(np.where(is_known, 0.0, np.nan))
            else:
                parts.append(np.linalg.norm(std[:, span], axis=1))
        return np.stack(parts, axis=-1)


def code_of(X: object) -> ColumnCode | None:
    """The code that rows are of; None for ordinary ones."""
    return X.code if isinstance(X, CodedRows) else None


def in_code(rows: Any, code: ColumnCode | None) -> Any:  # an array or a sparse matrix
    """The same rows, known to be of this code."""
    return rows if code is None else CodedRows.of(rows, code)


def has_code(periodic: object, categorical: object) -> bool:
    """Whether columns are named as angles or categories, in a list or in what is refused later."""
    return any(
        columns is not None and not (isinstance(columns, Sized) and len(columns) == 0)
        for columns in (periodic, categorical)
    )


def coded_table(
    X: object, periodic: Mapping[Hashable, float] | None, categorical: Sequence[Hashable] | None
) -> object:
    """The rows of X in the code of their angles and categories; X itself where it has none."""
    if not has_code(periodic, categorical):
        return X
    return ColumnCode.of(X, periodic, categorical)(X)


def _table(X: object) -> tuple[Any, list[Hashable] | None]:
    """The values of a table, of any type, and the names of its columns."""
    values = to_values(X, "X")
    if not isinstance(values, np.ndarray) or values.ndim != 2:
        raise TypeError(
            "periodic and categorical are for tables, rows × columns, and X is "
            + ("sparse" if not isinstance(values, np.ndarray) else f"of shape {values.shape}")
        )
    names: Any = column_labels(X)
    return values, names


def _position(parameter: str, label: Hashable, labels: Sequence[Hashable]) -> int:
    if label in labels:
        return list(labels).index(label)
    if isinstance(label, int | np.integer) and 0 <= label < len(labels):
        return int(label)
    shown = ", ".join(map(repr, labels[:20])) + (", …" if len(labels) > 20 else "")
    raise ValueError(f"{parameter}: X has no column {label!r}; it has {shown}")


def _numbers(column: np.ndarray, label: object) -> Float[np.ndarray, " n"]:
    try:
        return column.astype(np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(f"periodic: column {label!r} does not hold angles ({error})") from error


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


def _categories(column: np.ndarray, label: object) -> tuple[str | float, ...]:
    values = [value for value in column.tolist() if not _is_missing(value)]
    others = [value for value in values if not _is_category(value)]
    if others:
        raise TypeError(
            f"categorical: column {label!r} holds {reprlib.repr(others[0])}: categories are texts or "
            "numbers, such as those of .astype(str)"
        )
    found = set(map(_plain, values))
    texts = sorted(value for value in found if isinstance(value, str))
    numbers = sorted(value for value in found if isinstance(value, float))
    if not found:
        raise ValueError(f"categorical: column {label!r} has no value at all: leave it out")
    if len(found) > MOST_CATEGORIES:
        raise ValueError(
            f"categorical: column {label!r} has {len(found)} different values, and at most "
            f"{MOST_CATEGORIES} are categories: leave it out if it is an identifier"
        )
    if texts and numbers:
        raise ValueError(f"categorical: column {label!r} holds texts and numbers: make it one of these")
    return tuple(texts or numbers)


def _is_category(value: object) -> bool:
    return isinstance(value, str | bytes) or hasattr(value, "__float__")


def _plain(value: Any) -> str | float:
    """A category as files keep it: a text, or a number of any type as a float."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    number = float(value)
    if isfinite(number) and abs(number) >= MOST_EXACT:
        raise ValueError(
            f"the category {number:.0f} is beyond 2⁵³, where integers share numbers in double "
            "precision: write the categories of its column as texts"
        )
    return number


def _are_numbers(values: Sequence[Hashable]) -> bool:
    return all(isinstance(value, Real) for value in values)


def _values(known: Sequence[Any]) -> Float[np.ndarray, " k"]:
    """What stands for each category in rows of numbers: itself, or its place if it is a text."""
    return np.asarray(known if _are_numbers(known) else range(len(known)), np.float64)


def _places(column: np.ndarray, known: Sequence[Hashable], label: object) -> Float[np.ndarray, " n"]:
    stands_for: dict[Hashable, float] = dict(zip(known, _values(known).tolist(), strict=True))
    places = np.empty(len(column))
    for row, value in enumerate(column.tolist()):
        if _is_missing(value):
            places[row] = np.nan
            continue
        place = stands_for.get(_plain(value)) if _is_category(value) else None
        if place is None:
            shown = ", ".join(map(repr, known[:20])) + (", …" if len(known) > 20 else "")
            raise ValueError(
                f"column {label!r}, row {row} is {reprlib.repr(value)}, which is none of the categories "
                f"that fit saw: {shown}"
            )
        places[row] = place
    return places
