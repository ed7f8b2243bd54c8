"""What was measured of a map: the numbers, their standard errors, a table and a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from isthmus import plots
from isthmus.data.wording import counted
from isthmus.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NEIGHBOUR_MEASURES = (
    *("trustworthiness", "continuity", "rank_error_in_data", "rank_error_in_map"),
    "overlap",
)

NEIGHBOUR_SHARES = ("trustworthiness", "continuity", "overlap")
SHARES = (*NEIGHBOUR_SHARES, "spearman")
"""Measures that are 1 for a perfect map, which one picture compares."""

Number = float | Float[np.ndarray, " ks"]
"""A number for one k, an array for several."""


@dataclass(frozen=True, repr=False)
class Quality(Result):
    """How faithful a map is, as ``isthmus.quality`` found it.

    Measures of neighbours have the shape of ``k``: a number for one, an array for several. ``print``
    shows the table. In brackets: what is best, and what a random map has.

    Attributes
    ----------
    n_rows, n_queries, n_pairs : int
        All rows; rows that were compared with all rows, and pairs whose distances were ranked for
        ``spearman``: all, or a random sample.
    k : int or tuple of int
        Neighbours.
    sigmas : tuple of float
        Widths, in the data, of the densities that are compared.
    trustworthiness, continuity : float, or array of the shape of k
        Are neighbours in the map neighbours in the data, and the other way? [1; about ½ for small k]
    rank_error_in_data, rank_error_in_map : float, or array of the shape of k
        Mean relative rank error, in the one, of the neighbours in the other. [0]
    overlap : float, or array of the shape of k
        Share of the k nearest rows that are the same in both. [1; k/(n − 1)]
    imbalance_to_map, imbalance_to_data : float
        Information imbalance: how little the data say of the map, and the map of the data. [2/n; 1]
    spearman : float
        Rank correlation of the distances of pairs of rows. [1; 0]
    stress, rmse, scale : float
        Kruskal's stress-1 [0] and the root mean square of d − a e [0], in the units of the distances d
        in the data, at the best scale a of the distances e in the map.
    density_kl : array (S,)
        KL divergence, in nats, of the densities of rows in data and map, for each σ. [0]
    reconstruction_error : float or None
        Mean of ‖x − x̂‖² over all rows, in these units squared, if there is a reconstruction. [0]
    standard_errors : mapping
        Of each measure, by its name: 0 where it is exact.
    units : str
        How columns were scaled, and why; empty if they were taken as they are.
    neighbours_kept, neighbour_score : float, array or None
        Of new rows, if training rows came: the share of the k nearest of these that are kept [1; k/n],
        and accuracy or R² of predicting y from them [1].

    Examples
    --------
    A map that leaves nothing out is perfect:

    >>> import isthmus, numpy as np
    >>> X = np.random.default_rng(0).standard_normal((60, 4))
    >>> found = isthmus.quality(X, X, k=5)
    >>> found.trustworthiness, found.overlap, round(found.stress, 6)
    (1.0, 1.0, 0.0)
    >>> found.exact, found.n_rows
    (True, 60)
    """

    n_rows: int
    n_queries: int
    """Rows that were compared with all rows: all, or a random sample."""
    n_pairs: int
    """Pairs whose distances were ranked for ``spearman``: all, or a random sample."""
    k: int | tuple[int, ...]
    sigmas: tuple[float, ...]
    trustworthiness: Number
    """Are neighbours in the map neighbours in the data? [1; about ½ for small k]"""
    continuity: Number
    """Are neighbours in the data neighbours in the map? [1; about ½ for small k]"""
    rank_error_in_data: Number
    """Mean relative rank error, in the data, of the neighbours in the map. [0]"""
    rank_error_in_map: Number
    """Mean relative rank error, in the map, of the neighbours in the data. [0]"""
    overlap: Number
    """Share of the k nearest rows that are the same in both. [1; k/(n − 1)]"""
    imbalance_to_map: float
    """Information imbalance Δ(data → map): how little the data say of the map. [2/n; 1]"""
    imbalance_to_data: float
    """Information imbalance Δ(map → data): how little the map says of the data. [2/n; 1]"""
    spearman: float
    """Rank correlation of the distances of pairs of rows. [1; 0]"""
    stress: float
    """Kruskal's stress-1 at the best scale: √(Σ (d − a e)²/Σ d²), d in the data and e in the map. [0]"""
    rmse: float
    """Root mean square of d − a e over pairs, in the units of the distances in the data. [0]"""
    scale: float
    """The best scale a: these units in a unit of the map."""
    density_kl: Float[np.ndarray, " S"]
    """KL divergence, in nats, of the densities of rows in data and map, for each σ. [0]"""
    reconstruction_error: float | None
    """Mean of ‖x − x̂‖² over all rows, in these units squared, if there is a reconstruction. [0]"""
    standard_errors: Mapping[str, Number | Float[np.ndarray, " S"]] = field(repr=False)
    """Of each measure, by its name: 0 where it is exact."""
    units: str = ""
    """How columns were scaled, and why; empty if they were taken as they are."""
    neighbours_kept: Number | None = None
    """Share of the k nearest training rows of a new row that are its nearest in the map, if these came.
    [1; k/n]"""
    neighbour_score: float | None = None
    """Accuracy, or R², of predicting y of new rows from their k nearest training rows in the map; for
    several k, of the largest. [1]"""

    @property
    def exact(self) -> bool:
        """Whether all rows were compared with all; ``spearman`` may still be of a sample of pairs."""
        return self.n_queries == self.n_rows

    def table(self) -> list[dict[str, object]]:
        """One row per number: its measure, k or σ if it has one, value, and standard error.

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> X = np.random.default_rng(0).standard_normal((60, 4))
        >>> isthmus.quality(X, X, k=5).table()[0]
        {'measure': 'trustworthiness', 'at': 'k = 5', 'value': 1.0, 'standard_error': 0.0}
        """
        rows = []
        for measure, errors in self.standard_errors.items():
            at = self._at(measure)
            values = np.atleast_1d(getattr(self, measure))
            for place, value, error in zip(at, values, np.atleast_1d(errors), strict=True):
                row = {"measure": measure, "at": place, "value": float(value)}
                rows.append(row | {"standard_error": float(error)})
        return rows

    def _at(self, measure: str) -> list[str]:
        if measure in (*NEIGHBOUR_MEASURES, "neighbours_kept"):
            return [f"k = {k}" for k in np.atleast_1d(self.k)]
        return [f"σ = {sigma:g}" for sigma in self.sigmas] if measure == "density_kl" else [""]

    @property
    def _summary(self) -> str:
        seen = f"{self.n_queries} of {self.n_rows} rows compared with all, {self.n_pairs} pairs ranked"
        return f"{seen}; {self.units}" if self.units else seen

    def plot(self, ax: Axes | None = None) -> Axes:
        """The measures that are 1 for a perfect map, with standard errors; over k where it is several.

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
        >>> X = np.random.default_rng(0).standard_normal((60, 4))
        >>> ax = isthmus.quality(X, X[:, :2], k=5).plot(figure_in_memory(4, 3).subplots())
        >>> ax.get_xlabel(), len(ax.patches)  # trustworthiness, continuity, overlap and spearman
        ('1 is perfect; 5 neighbours', 4)
        """
        ax = plots.axes_or_new(ax)
        ks = np.atleast_1d(self.k)
        if len(ks) > 1:
            plots.curves(ax, ks, {name: getattr(self, name) for name in NEIGHBOUR_SHARES})
            ax.set_xlabel("neighbours k")
        else:
            plots.bars(
                ax,
                SHARES,
                [np.ravel(getattr(self, name))[0] for name in SHARES],
                [np.ravel(self.standard_errors[name])[0] for name in SHARES],
            )
            ax.set_xlabel(f"1 is perfect; {counted(ks[0], 'neighbour')}")
        return ax

    def __str__(self) -> str:
        lines = [self._summary]
        for row in self.table():
            error = f" ± {row['standard_error']:.1g}" if row["standard_error"] else ""
            lines.append(f"{row['measure']:<20} {row['at']:<8} {row['value']:.4g}{error}")
        return "\n".join(lines)
