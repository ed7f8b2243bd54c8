"""Whether the columns of a table have different units, and what is to be done if they have."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.data.checks import check_choice, check_table
from isthmus.data.coding import code_of, in_code
from isthmus.data.frames import column_labels
from isthmus.data.moments import ColumnStatistics, column_statistics
from isthmus.data.rows import Rows, dense
from isthmus.data.scaling import SCALINGS, Scaling, varies

UNLIKE = 10.0
"""Ratio of the largest to the smallest standard deviation from which columns have different units.
Columns in one unit, such as the four lengths of an iris, differ by less; grams beside millimetres by
far more."""

MOST_COLUMNS = 100
"""Largest number of columns that may be quantities of different kinds: more are one kind, many times."""

ALMOST_ALL = 0.99
"""Share of the variance from which one column of an array without names decides the map."""

FAR_OUT = 8.0
"""Standard deviations from the mean at which a value shows that a column has a heavy tail: a Gaussian
has one such value in 10¹⁵."""


class UnequalScalesWarning(UserWarning):
    """Columns have different units, and one of them decides the map by the size of its numbers.

    It comes from the ``fit`` of a map with ``scaling=None``, where the standard deviations of named
    columns differ by more than a factor of 10, or one column without a name has more than 99 % of the
    variance; and from ``isthmus.impute`` where a column shares its error with columns of larger spread.
    The text names the columns. Set ``scaling="standard"``, or ignore it if the columns have one unit.

    Examples
    --------
    A length in millimetres beside a mass in tonnes:

    >>> import isthmus, numpy as np, warnings
    >>> X = np.random.default_rng(0).standard_normal((60, 2)) * [1000.0, 1.0]
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     model = isthmus.LinearAutoencoder(1).fit(X)
    >>> caught[0].category.__name__, abs(model.components_).round(1).tolist()  # the length alone
    ('UnequalScalesWarning', [[1.0, 0.0]])
    """


@dataclass(frozen=True)
class UnlikeSpreads:
    """Columns whose spreads are so unlike that they must be of different units: the extremes of them."""

    widest: str
    narrowest: str
    largest: float
    smallest: float
    share: float
    """Share of the variance that the widest column has."""

    def __str__(self) -> str:
        return (
            f"standard deviations go from {self.smallest:.3g} ({self.narrowest}) to {self.largest:.3g} "
            f"({self.widest}), which has {self.share:.1%} of the variance"
        )

    @property
    def warning(self) -> UnequalScalesWarning:
        """What a map of unscaled columns says."""
        return UnequalScalesWarning(
            f"{self}. Columns in different units make a map of the one with the largest numbers: set "
            "scaling='standard' to give each the same weight, or ignore this if they have one unit"
        )


def unlike_spreads(rows: Rows, names: Sequence[object] | None) -> UnlikeSpreads | None:
    """Whether the columns of rows have different units, by their spreads; constant ones do not count.

    Named columns do if their spreads differ by more than ``UNLIKE``. Columns without a name, or with
    numbers for names, such as pixels or wavelengths, are taken for one quantity unless one of them has
    nearly all of the variance.
    """
    if rows.shape[1] > MOST_COLUMNS:
        return None
    columns = column_statistics(rows)
    spread = np.where(varies(columns), np.sqrt(columns.variance), 0.0)
    varying = np.flatnonzero(spread)
    if len(varying) < 2:
        return None
    widest, narrowest = int(np.argmax(spread)), int(varying[np.argmin(spread[varying])])
    share = float(np.square(spread[widest]) / np.sum(np.square(spread)))
    if spread[widest] <= UNLIKE * spread[narrowest]:
        return None
    if (names is None or _are_numbered(names)) and share <= ALMOST_ALL:
        return None
    called = [f"column {j}" for j in range(len(spread))] if names is None else list(map(str, names))
    found = (called[widest], called[narrowest], float(spread[widest]), float(spread[narrowest]))
    return UnlikeSpreads(*found, share)


def chosen_scaling(
    scaling: str | None, rows: Rows, names: Sequence[object] | None
) -> tuple[str | None, str]:
    """The scaling that is asked for, and one line on what "auto" chose, or an empty one.

    "auto" is "standard" where named columns have different units by ``unlike_spreads``, and None
    otherwise, with a warning where a column without a name decides. Raises ValueError for another word.
    """
    if scaling != "auto":
        check_choice("scaling", scaling, (*SCALINGS, "auto"))
        return scaling, ""
    found = unlike_spreads(rows, names)
    if found is None:
        return None, ""
    if names is None or _are_numbered(names):
        warnings.warn(found.warning, stacklevel=3)
        return None, ""
    note = f"columns have different units, so each is standardised: {found}"
    far_out = _far_out(column_statistics(rows))
    if far_out is not None:
        note += (
            f'. {names[far_out]} has a heavy tail: "robust" scaling, or the logarithm of it, may show '
            "more than its outliers"
        )
    return "standard", note


def fitted_scaling(X: object, rows: Rows, scaling: str | None) -> tuple[Scaling | None, str]:
    """The scaling that is asked for of the checked rows of X, None for none, and one line on it."""
    kind, note = chosen_scaling(scaling, rows, column_labels(X))
    if kind is None:
        return None, ""
    return Scaling.fit(kind, in_code(rows, code_of(X))), note or scaled_by(kind)


def scaled_table(X: object, scaling: str | None) -> tuple[Any, str]:  # rows as check_table
    """Checked rows (n, D) in the scaling that is asked for, and one line on it; float64 if scaled."""
    rows = check_table(X)
    fitted, note = fitted_scaling(X, rows, scaling)
    return (rows if fitted is None else fitted(dense(rows), np.float64)), note


def scaled_by(kind: str) -> str:
    """One line on a scaling that was asked for."""
    return f"columns are scaled as scaling={kind!r} says"


def _far_out(columns: ColumnStatistics) -> int | None:
    """The column with the most extreme value, if it is so extreme that the column has a heavy tail.

    At least one of the columns varies.
    """
    varying = np.flatnonzero(varies(columns))
    farthest = np.maximum(columns.high - columns.mean, columns.mean - columns.low)[varying]
    extremes = farthest / np.sqrt(columns.variance[varying])
    worst = int(np.argmax(extremes))
    return int(varying[worst]) if extremes[worst] > FAR_OUT else None


def _are_numbered(names: Sequence[object]) -> bool:
    """Whether names differ by numbers alone: pixel_0_1, x17, 1650.5."""
    return len({re.sub(r"[\d\W_]+", "", str(name)) for name in names}) == 1
