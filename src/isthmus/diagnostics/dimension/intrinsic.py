"""How many dimensions data have, whatever the number of columns: an estimate, and how sure it is."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from isthmus import plots
from isthmus.data.checks import check_choice, check_real
from isthmus.data.coding import coded_table
from isthmus.data.neighbours import distinct
from isthmus.data.rows import dense
from isthmus.data.units import scaled_table
from isthmus.data.wording import counted
from isthmus.diagnostics.dimension.methods import METHODS, Method
from isthmus.diagnostics.dimension.scales import Scale
from isthmus.estimators.fitting import generator
from isthmus.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST_ROWS = 10
"""Distinct rows: with fewer the interval reaches from half to twice the estimate and beyond."""

MOST_TIED = 0.1
"""Share of rows with equally far neighbours, above which the estimate shows the rounding as well."""


class TiedDistancesWarning(UserWarning):
    """Many neighbours are equally far, as in rounded data, which makes the dimension look higher."""


@dataclass(frozen=True, repr=False)
class Dimension(Result):
    """The intrinsic dimension of data as ``isthmus.intrinsic_dimension`` found it, with all scales.

    Attributes
    ----------
    estimate, low, high : float
        The dimension and its confidence interval, which is about chance: the bias of the method is not
        in it.
    level : float
        Of the interval.
    method : Method
        What found it, with its parameters.
    scales : tuple of Scale
        The estimates at all scales, for most methods from small to large. Noise shows as estimates
        that fall towards larger scales.
    n_rows, n_distinct : int
        Rows that came, and those of them that differ; copies count once.
    tied : float
        Share of the rows with two neighbours that are equally far.
    local : (n,) array or None
        A value for each row, where the method has one.
    units : str
        How columns were scaled, and why; empty if they were taken as they are.

    Examples
    --------
    Of a square there are two:

    >>> import isthmus, numpy as np
    >>> X = np.random.default_rng(0).uniform(size=(300, 2))
    >>> found = isthmus.intrinsic_dimension(X, "two_nn")
    >>> bool(found.low < 2 < found.high), found.n_rows, found.n_distinct
    (True, 300, 300)
    """

    estimate: float
    low: float
    high: float
    level: float
    method: Method
    scales: tuple[Scale, ...]
    n_rows: int
    n_distinct: int
    tied: float = 0.0
    local: Float[np.ndarray, " n"] | None = None
    units: str = ""

    def table(self) -> list[dict[str, object]]:
        """One row per scale: its estimate, interval and distance.

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> X = np.random.default_rng(0).uniform(size=(300, 2))
        >>> found = isthmus.intrinsic_dimension(X, "two_nn")
        >>> found.table()[0]["estimate"] == found.scales[0].estimate
        True
        """
        return [dict(vars(scale)) for scale in self.scales]

    def plot(self, ax: Axes | None = None) -> Axes:
        """The estimates at all scales, over the distance to the neighbours in use.

        Parameters
        ----------
        ax : matplotlib Axes or None, default None
            Where to draw; None makes a figure.

        Returns
        -------
        Axes
            What was drawn into.

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> from isthmus.plots import figure_in_memory
        >>> X = np.random.default_rng(0).uniform(size=(300, 2))
        >>> ax = isthmus.intrinsic_dimension(X, "gride").plot(figure_in_memory(4, 3).subplots())
        >>> ax.get_ylabel()
        'dimension'
        """
        ax = plots.axes_or_new(ax)
        plots.dimension_scales(ax, self.scales)
        return ax

    @property
    def _summary(self) -> str:
        copies = self.n_rows - self.n_distinct
        seen = counted(self.n_rows, "row") + (f", {copies} of them copies" if copies else "")
        answer = f"{self.estimate:.3g} [{self.low:.3g}, {self.high:.3g}] at {100 * self.level:g} %"
        return f"{answer}, {self.method}, {seen}" + (f"; {self.units}" if self.units else "")

    def __str__(self) -> str:
        return "\n".join([self._summary, *map(str, self.scales)])


def intrinsic_dimension(
    X: object,
    method: str | Method = "two_nn",
    *,
    scaling: str | None = "auto",
    periodic: Mapping[Hashable, float] | None = None,
    categorical: Sequence[Hashable] | None = None,
    level: float = 0.95,
    random_state: int | np.random.RandomState | None = 0,
) -> Dimension:
    """The intrinsic dimension d of rows X (n, D), with a confidence interval and its evidence.

    How many coordinates it takes to say where a row is on the surface that the rows lie on, however the
    surface curves through the D columns. Distances are Euclidean.

    Parameters
    ----------
    X : array-like or CSR matrix (n, D), finite, with at least 10 distinct rows
        The data. Copies of a row count once; constant columns change nothing. Integers are fine as long
        as few neighbours are equally far; a CSR matrix is unpacked.
    method : str or an object, default "two_nn"
        "two_nn", "mle", "gride" or "pca"; or one of ``TwoNN``, ``MLE``, ``Gride`` and ``PCA`` from
        ``isthmus.diagnostics.dimension.methods`` with parameters of your own, such as ``MLE(k=20)``.
        Two neighbours by default, for they are the nearest and assume least: an even density up
        to the second neighbour only. "mle" has narrower intervals, "gride" says at which scale.
    scaling : {"auto", None, "standard", "range", "robust"}, default "auto"
        Of the columns, before distances are measured. "auto" standardises a table of named columns whose
        standard deviations differ by more than a factor of 10, which must have different units, and says
        so; otherwise, and with None, columns are taken as they are.
    periodic, categorical : dict and list, or None, default None
        Columns that are angles, and categories, as of ``isthmus.Autoencoder``.
    level : float in (0, 1), default 0.95
        Of the interval.
    random_state : int, RandomState or None, default 0
        Of the random subsets of "two_nn".

    Returns
    -------
    Dimension
        Estimate, interval, all scales, and local values of "mle".

    Raises
    ------
    ValueError, TypeError
        What is not finite rows of numbers; fewer than 10 distinct rows, or not more than the neighbours
        asked for; neighbours that are all equally far.

    Warns
    -----
    TiedDistancesWarning
        If more than a tenth of the rows have neighbours that are equally far.

    Notes
    -----
    Intervals know that rows which share neighbours are not independent: the variance of the estimate
    is that of the sum of the rows' scores, products of two weighed by the share of neighbours that both
    rows depend on. For "two_nn" on even data it is 1.5 to 1.6 times that of independent rows.

    What they do not know is the bias. The methods of neighbours take the density for even and the
    surface for flat up to the last neighbour, and rows at an edge see too few dimensions. Of 1000 to
    5000 rows that costs up to 5 % at d ≤ 3, up to 12 % at 5, 20 % at 10 and 35 % at 20; most for cubes,
    least for Gaussians and closed surfaces; less for "two_nn" than for "mle"; and it falls with more
    rows as n^(−1/d) only. Intervals of "two_nn" therefore hold the truth as often as they say up to
    d = 3 without an edge, and with one about 92 % of the time instead of 95; those of "mle", which are
    three times as narrow, up to d = 1, or 2 without an edge.
    ``choose_dimension`` corrects for the bias. ``benchmarks/dimension.py`` prints all this.

    Neighbours are exact. For up to 15 columns they come from a tree, for more from all n² distances, a
    block at a time; memory grows as n (D + k).

    References
    ----------
    In each method's docstring; Camastra & Staiano 2016, "Intrinsic dimension estimation: advances and
    open problems", Information Sciences 328:26, is a review.

    Examples
    --------
    A swiss roll is a rolled-up sheet:

    >>> import isthmus
    >>> from sklearn.datasets import make_swiss_roll
    >>> X, _ = make_swiss_roll(1000, random_state=0)
    >>> found = isthmus.intrinsic_dimension(X)
    >>> print(f"{found.estimate:.1f}, from {found.low:.1f} to {found.high:.1f}")
    2.0, from 1.8 to 2.2
    >>> isthmus.intrinsic_dimension(X, "mle").local.shape
    (1000,)
    """
    chosen = _as_method(method)
    level = check_real("level", level, 0.0, 1.0)
    values, units = scaled_table(coded_table(X, periodic, categorical), scaling)
    rows = distinct_rows(values, chosen.most_neighbours)
    found = rows.found_by(chosen, level, generator(random_state))
    warn_of_ties(found.tied)
    return replace(found, units=units)


@dataclass(frozen=True)
class DistinctRows:
    """Rows (m, D) without their copies, around their mean, in a unit that makes the largest entry 1.

    ``inverse`` says which of them each of n rows is.
    """

    values: Float[np.ndarray, "m D"]
    unit: float
    inverse: Int[np.ndarray, " n"]

    def found_by(self, method: Method, level: float, rng: np.random.Generator) -> Dimension:
        """What a method says of them, in the data's units."""
        found = method(self.values, level, rng)
        scales = tuple(replace(scale, distance=self.unit * scale.distance) for scale in found.scales)
        return Dimension(
            found.answer.estimate,
            found.answer.low,
            found.answer.high,
            level,
            method,
            scales,
            len(self.inverse),
            len(self.values),
            found.tied,
            None if found.local is None else found.local[self.inverse],
        )


def distinct_rows(checked: Any, most_neighbours: int) -> DistinctRows:  # as check_table
    """Checked rows without copies, or an error where they are too few."""
    rows = dense(checked).astype(np.float64)
    rows -= rows.mean(axis=0)
    unit = float(np.abs(rows).max()) or 1.0
    # What differs by less than rounding is equal: 1 + x keeps x to 2⁻⁵², one grid for all rows.
    rows = (rows / unit + 1.0) - 1.0
    first, inverse = distinct(rows)
    needed = max(FEWEST_ROWS, most_neighbours + 1)
    if len(first) < needed:
        raise ValueError(
            f"X has {counted(len(rows), 'row')}, {len(first)} of them distinct: expected at least "
            f"{needed}, for an interval that says something. Pass more rows, or a method with fewer "
            "neighbours"
        )
    return DistinctRows(rows[first], unit, inverse)


def warn_of_ties(tied: float) -> None:
    """Warn the caller of the caller where more than a few rows have equally far neighbours."""
    if tied > MOST_TIED:
        warnings.warn(
            f"{100 * tied:.0f} % of the rows have neighbours that are equally far, as rounded numbers "
            "have: expected few, for they make the estimate too high. Add noise of the size of the "
            "rounding, or use a method of larger scales, such as MLE(k=30)",
            TiedDistancesWarning,
            stacklevel=3,
        )


def _as_method(method: str | Method) -> Method:
    if isinstance(method, str):
        check_choice("method", method, METHODS)
        return METHODS[method]()
    if not (callable(method) and hasattr(method, "most_neighbours")):
        raise TypeError(
            f"method={method!r}: expected one of {', '.join(map(repr, METHODS))}, or an object such as "
            "isthmus.diagnostics.dimension.methods.MLE(k=20)"
        )
    return method
