"""Where a map may be believed: row by row, and with a rate of false alarms that is kept.

A map answers for any row, also for one that is like nothing it has learnt from. Two things betray such a
row: it does not come back from its coordinates, or its coordinates lie where no known row's do. Each is
turned into a rank among rows that are known to be good, and the worse of the two is compared with what
it is for others of them (conformal prediction: the rate of false alarms is right for any distribution).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from sklearn.neighbors import NearestNeighbors

from isthmus import plots
from isthmus.data.checks import check_integer, check_map, check_real, check_rows
from isthmus.data.neighbours import distinct
from isthmus.data.rows import row_blocks
from isthmus.data.wording import counted
from isthmus.diagnostics.geometry import decoder_jacobian
from isthmus.estimators.base import BaseMap, squared_gaps, units_of, width_of
from isthmus.estimators.fitting import generator
from isthmus.networks.applying import map_rows
from isthmus.networks.fitted import FittedMap
from isthmus.results import Result, rows_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST_SINGULAR = 0.01
"""Share of the decoder's largest singular value below which a direction does not count."""


@dataclass(frozen=True, repr=False)
class Reliability(Result):
    """What speaks for and against each of n rows, as ``isthmus.reliability`` found it.

    Attributes
    ----------
    reconstruction_error : (n,)
        ‖x − x̂‖²: what the coordinates leave out. In the data's squared units, or, of a map that scales
        its columns, in scaled ones.
    cycle_error : (n,)
        ‖encode(decode(z)) − z‖, in the coordinates' units: zero where encoder and decoder undo each
        other.
    local_rank : (n,)
        Directions in which the decoder moves at z, of d: fewer where coordinates have become useless.
    sparsity : (n,)
        Distance from z to its ``n_neighbors``-th nearest among the known rows, in the coordinates'
        units: large where the map has no support.
    p_value : (n,)
        Share of known rows that look as strange, at least. Small: the row is not like them.
    flagged : (n,)
        Whether p_value ≤ ``false_alarm_rate``: not to be believed.
    false_alarm_rate : float
        The share of good rows that is flagged, at most; the fewer known rows, the farther below.
    n_known : int
        Good rows that were passed; half of them say how strange a good row may look.

    Examples
    --------
    A row that is a hundred standard deviations away is not like the others:

    >>> import isthmus, numpy as np
    >>> X = np.random.default_rng(0).standard_normal((100, 4))
    >>> model = isthmus.LinearAutoencoder(2).fit(X[:50])
    >>> found = isthmus.reliability(model, X[:1] + 100, known=X[50:])
    >>> found.flagged.tolist(), found.n_known
    ([True], 50)
    """

    reconstruction_error: Float[np.ndarray, " n"]
    cycle_error: Float[np.ndarray, " n"]
    local_rank: Int[np.ndarray, " n"]
    sparsity: Float[np.ndarray, " n"]
    p_value: Float[np.ndarray, " n"]
    flagged: Bool[np.ndarray, " n"]
    false_alarm_rate: float
    n_known: int

    @property
    def verdict(self) -> str:
        """In words."""
        n, n_flagged = len(self.flagged), int(np.sum(self.flagged))
        share, expected = n_flagged / n, self.false_alarm_rate
        scatter = np.sqrt(expected * (1 - expected) * (1 / n + 2 / self.n_known))
        if share <= expected:
            word = "no more than chance: these rows are like those that the map is known to be good for"
        elif share <= expected + 2 * scatter:
            word = (
                f"no more than chance: with {self.n_known} known rows to compare with, a rate of "
                f"{expected:.0%} may come out as {expected + 2 * scatter:.1%}"
            )
        elif share < 0.5:
            word = "more than chance: do not believe the map at these"
        else:
            word = "most of them: these rows are not of the kind that the map is for"
        full = int(np.max(self.local_rank))
        folded = int(np.sum(self.local_rank < full))
        rank = f" At {folded} of {n} the map has lost a direction." if folded else ""
        return (
            f"{n_flagged} of {counted(n, 'row')} ({share:.1%}) are flagged at a false-alarm rate of "
            f"{expected:.1%}, {word}.{rank}"
        )

    def table(self) -> list[dict[str, object]]:
        """One row per row in question, with all numbers of it.

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> X = np.random.default_rng(0).standard_normal((100, 4))
        >>> model = isthmus.LinearAutoencoder(2).fit(X[:50])
        >>> table = isthmus.reliability(model, X[:3], known=X[50:]).table()
        >>> len(table), table[0]["local_rank"]
        (3, 2)
        """
        return rows_of(**{name: getattr(self, name) for name in OF_EACH_ROW})

    def plot(self, ax: Axes | None = None) -> Axes:
        """Rows by how sparse their place in the map is and by how badly they are rebuilt.

        Flagged rows are red.

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
        >>> X = np.random.default_rng(0).standard_normal((100, 4))
        >>> model = isthmus.LinearAutoencoder(2).fit(X[:50])
        >>> found = isthmus.reliability(model, X[:20], known=X[50:])
        >>> found.plot(figure_in_memory(4, 3).subplots()).get_ylabel()
        'squared error of the row'
        """
        ax = plots.axes_or_new(ax)
        plots.flagged_rows(ax, self.sparsity, self.reconstruction_error, self.flagged)
        return ax

    def __str__(self) -> str:
        return self.verdict


OF_EACH_ROW = (
    *("reconstruction_error", "cycle_error", "local_rank"),
    *("sparsity", "p_value", "flagged"),
)


def reliability(
    model: BaseMap,
    X: object,
    known: object,
    *,
    false_alarm_rate: float = 0.05,
    n_neighbors: int = 10,
    random_state: int | np.random.RandomState | None = 0,
) -> Reliability:
    """How far the map may be believed at rows X (n, D), by what it does to ``known`` rows (m, D).

    Parameters
    ----------
    model : fitted map
        Any of the maps of isthmus, or an ensemble of them.
    X : array (n, D)
        Rows in question, without missing entries: what is not there cannot look strange.
    known : array (m, D), m ≥ 40
        Rows of the kind that the map is for, and that it was *not* fitted on: its errors on the rows it
        has learnt from are smaller than on others of the same kind, and everything new would be flagged.
        A random half of them is what rows are compared with, the other half says how strange a good row
        may look.
    false_alarm_rate : float, default 0.05
        Share of good rows that may be flagged, in the mean over draws of ``known``. Not below 2/m.
    n_neighbors : int, default 10
        Nearest known rows in the coordinates, whose distance says how well supported a place is.
    random_state : int, RandomState or None, default 0
        Of the halves.

    Returns
    -------
    Reliability
        One number of each kind per row, flags, and a verdict.

    Raises
    ------
    ValueError
        For fewer than 40 known rows, a rate that these are too few for, missing entries, and what
        ``transform`` refuses; NotFittedError before ``fit``.
    TypeError
        For a model that is no map.

    References
    ----------
    Vovk, Gammerman & Shafer 2005, "Algorithmic learning in a random world"; Laxhammar & Falkman 2010,
    "Conformal prediction for distribution-independent anomaly detection".

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> model = isthmus.LinearAutoencoder(10).fit(X[:1000])
    >>> good = isthmus.reliability(model, X[1400:], known=X[1000:1400])
    >>> inverted = isthmus.reliability(model, 16 - X[1400:], known=X[1000:1400])
    >>> bool(good.flagged.mean() < 0.15), bool(inverted.flagged.mean() > 0.95)
    (True, True)
    """
    check_map(model)
    rate = check_real("false_alarm_rate", false_alarm_rate, 0.0, 1.0)
    n_neighbors = check_integer("n_neighbors", n_neighbors, 1)
    z_known, error_known = _placed(model, known, "known")
    # A copy of a known row in the other half would make every place look crowded.
    first, _ = distinct(z_known)
    z_known, error_known = z_known[first], error_known[first]
    m, needed = len(z_known), int(np.ceil(max(40, 2 * n_neighbors + 2, 2 / rate)))
    if m < needed:
        raise ValueError(
            f"known has {counted(m, 'distinct row')}: a false-alarm rate of {rate:g} by "
            f"{counted(n_neighbors, 'neighbour')} needs {needed} at least. Pass more, or a higher rate"
        )
    z, error = _placed(model, X, "X")
    order = generator(random_state).permutation(m)
    first, second = order[: m // 2], order[m // 2 :]
    search = NearestNeighbors(n_neighbors=n_neighbors).fit(z_known[first])
    sparsity_known = _distance(search)

    def strangeness(error: np.ndarray, sparsity: np.ndarray) -> np.ndarray:
        ranks = _rank(error, error_known[first]), _rank(sparsity, sparsity_known)
        return np.asarray(np.maximum(*ranks))

    sparsity = _distance(search, z)
    usual = np.sort(strangeness(error_known[second], _distance(search, z_known[second])))
    less_strange = np.searchsorted(usual, strangeness(error, sparsity), side="left")
    p_value = (1 + len(usual) - less_strange) / (len(usual) + 1)
    return Reliability(
        error,
        _cycle_error(model, z),
        _local_rank(model, z),
        sparsity,
        p_value,
        p_value <= rate,
        rate,
        m,
    )


def _placed(
    model: BaseMap, X: object, name: str
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
    """Coordinates and reconstruction errors of complete rows."""
    rows = check_rows(model, X, reset=False)
    if any(np.isnan(block).any() for _, block in row_blocks(rows)):
        raise ValueError(
            f"{name} has missing entries, and what is not there cannot look strange: drop these rows, "
            "or fill them with isthmus.impute"
        )
    Z = np.asarray(model.transform(X), np.float64)
    return Z, squared_gaps(model, X, Z, units_of(model))


def _distance(
    search: NearestNeighbors, z: Float[np.ndarray, "n d"] | None = None
) -> Float[np.ndarray, " n"]:
    """From each point to its last neighbour; None: from the known points, which are not their own."""
    distances, _ = search.kneighbors(z)
    return np.asarray(distances[:, -1])


def _rank(values: Float[np.ndarray, " n"], known: Float[np.ndarray, " k"]) -> Float[np.ndarray, " n"]:
    """How far above the known values, as their share below; beyond the last, by its multiples.

    Without the multiples all that lies beyond would be tied, and what is strange by both at once no
    stranger than what is so by one.
    """
    ordered = np.sort(known)
    below = np.searchsorted(ordered, values, side="left") / len(ordered)
    scale = ordered[-1] or 1.0
    return np.asarray(below + np.maximum(0.0, values / scale - 1.0))


def _cycle_error(model: BaseMap, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    network = model.network_
    gap = map_rows(lambda block: _cycle(network, block), z, np.empty(z.shape), widest=width_of(model))
    # In double precision, where squares of tiny and huge units are neither 0 nor infinite.
    return np.asarray(np.linalg.norm(gap, axis=1))


@eqx.filter_jit
def _cycle(network: FittedMap, z: Float[Array, "n d"]) -> Float[Array, "n d"]:
    gap: Array = network.encode_centred(network.decode_centred(z)) - z
    return gap


def _local_rank(model: BaseMap, z: Float[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
    singular = np.linalg.svd(decoder_jacobian(model, z), compute_uv=False)
    return np.asarray(np.sum(singular > LEAST_SINGULAR * singular[:, :1], axis=1))
