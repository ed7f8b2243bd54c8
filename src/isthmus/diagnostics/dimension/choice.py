"""One number of dimensions for data, with all that speaks for it and against it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import NearestNeighbors

from isthmus import plots
from isthmus.data.checks import check_integer, check_real
from isthmus.data.coding import coded_table
from isthmus.data.rows import Rows
from isthmus.data.units import scaled_table
from isthmus.data.wording import counted
from isthmus.diagnostics.dimension.evidence import Denoisers, HeldOut, knee_of, train_networks
from isthmus.diagnostics.dimension.intrinsic import Dimension, DistinctRows, distinct_rows, warn_of_ties
from isthmus.diagnostics.dimension.methods import MLE, PCA, Gride, Method, TwoNN
from isthmus.diagnostics.dimension.verdict import Neighbours, answer, judge
from isthmus.estimators.fitting import generator
from isthmus.estimators.plan import layer_widths
from isthmus.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST_ROWS = 30
"""Smallest number of distinct rows: networks are evaluated on a fifth of them."""

LEVEL = 0.95

FEWEST_IN_PIECE = 10
"""Rows that a part of the neighbour graph needs to be called a piece: fewer are outliers."""


@dataclass(frozen=True, repr=False)
class DimensionChoice(Result):
    """A number of dimensions and its evidence, as ``isthmus.choose_dimension`` found it.

    Attributes
    ----------
    dimension : int
        The best value.
    low, high : int
        The range that the evidence leaves open, the best value in it.
    is_bound : bool
        Whether noise hides the dimension, so that ``high`` is an upper bound and no number below it is
        better than another.
    corrected : (float, float)
        What nearest neighbours say, their bias corrected: from the estimate as it is corrected on
        Gaussian data, to as on cubes. With noise, that of the largest scale.
    knee : int or None
        Where the denoiser's error bends most, of all numbers of coordinates tried; None without a knee.
    agrees : bool
        Whether neighbours and knee agree: the knee is in the range that neighbours leave open.
    noisy : bool
        Whether estimates fall from small scales to large ones, as those of noisy data do.
    pieces : int
        Separate pieces that the rows are in: parts of the graph of the ten nearest neighbours.
    estimates : mapping of str to Dimension
        Raw, by "two_nn", "mle", "gride" and "pca".
    errors : tuple of HeldOut
        Held-out error of restoring noisy rows, of PCA and the denoiser, by the number of coordinates.
    spectrum : array
        Of the derivative ∂x̂/∂x of the denoiser with the most coordinates, near 1 in directions that it
        keeps, near 0 in those that it wipes out.
    jacobian_rank, active_units : int
        How many of these are above ½, and how many of 12 or more coordinates a variational map uses.
        Right for flat data; where data curve, networks that have more coordinates than dimensions use
        them to bend, and these are upper bounds.
    verdict : str
        In words.
    units : str
        How columns were scaled, and why; empty if they were taken as they are.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.diagnostics.dimension.choice import DimensionChoice
    >>> from isthmus.diagnostics.dimension.evidence import HeldOut
    >>> found = DimensionChoice(
    ...     *(2, 2, 3, False, (1.9, 2.1), 2, True, False, 1, {}),
    ...     *((HeldOut(1, 0.5, 0.4), HeldOut(2, 0.2, 0.1)), np.array([1.0, 0.9, 0.1]), 2, 2, "two"),
    ... )
    >>> found.dimension, found.answer
    (2, '2 (2 to 3)')
    """

    dimension: int
    low: int
    high: int
    is_bound: bool
    corrected: tuple[float, float]
    knee: int | None
    agrees: bool
    noisy: bool
    pieces: int
    estimates: Mapping[str, Dimension]
    errors: tuple[HeldOut, ...]
    spectrum: Float[np.ndarray, " d"]
    jacobian_rank: int
    active_units: int
    verdict: str
    units: str = ""

    @property
    def answer(self) -> str:
        """The number and its range, in a few characters: "3 (2 to 4)", or "at most 5"."""
        return answer(self.dimension, self.low, self.high, self.is_bound)

    def table(self) -> list[dict[str, object]]:
        """One row per number of coordinates: held-out errors of PCA and of the denoiser.

        Examples
        --------
        >>> import numpy as np
        >>> from isthmus.diagnostics.dimension.choice import DimensionChoice
        >>> from isthmus.diagnostics.dimension.evidence import HeldOut
        >>> found = DimensionChoice(
        ...     *(2, 2, 3, False, (1.9, 2.1), 2, True, False, 1, {}),
        ...     *((HeldOut(1, 0.5, 0.4), HeldOut(2, 0.2, 0.1)), np.array([1.0, 0.9, 0.1]), 2, 2, "two"),
        ... )
        >>> found.table()[0]
        {'n_components': 1, 'pca': 0.5, 'denoiser': 0.4}
        """
        return [error._asdict() for error in self.errors]

    def plot(self, ax: Axes | None = None) -> Axes:
        """The error of restoring unseen rows from noise, over the number of coordinates; the choice.

        The shade is the range that the evidence leaves open.

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
        >>> import numpy as np
        >>> from isthmus.diagnostics.dimension.choice import DimensionChoice
        >>> from isthmus.diagnostics.dimension.evidence import HeldOut
        >>> from isthmus.plots import figure_in_memory
        >>> found = DimensionChoice(
        ...     *(2, 2, 3, False, (1.9, 2.1), 2, True, False, 1, {}),
        ...     *((HeldOut(1, 0.5, 0.4), HeldOut(2, 0.2, 0.1)), np.array([1.0, 0.9, 0.1]), 2, 2, "two"),
        ... )
        >>> ax = found.plot(figure_in_memory(4, 3).subplots())
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['PCA', 'denoising auto-encoder', 'the choice: 2']
        """
        ax = plots.axes_or_new(ax)
        plots.error_by_dimension(ax, self.errors, self.dimension, (self.low, self.high))
        return ax

    @property
    def _summary(self) -> str:
        return self.verdict + (f" The {self.units}." if self.units else "")

    def __str__(self) -> str:
        lines = [self._summary, "", "estimates, biased as they are:"]
        for name, found in self.estimates.items():
            lines.append(f"  {name:<8} {found.estimate:6.3g} [{found.low:.3g}, {found.high:.3g}]")
        lines += ["error of restoring held-out rows from noise, % of their variance:"]
        lines.append("  coordinates      PCA  denoiser")
        for error in self.errors:
            shares = f"{100 * error.pca:8.2f}  {100 * error.denoiser:8.2f}"
            lines.append(f"  {error.n_components:<11} {shares}")
        lines.append(
            f"a denoiser with {counted(len(self.spectrum), 'coordinate')} keeps "
            f"{counted(self.jacobian_rank, 'direction')}, and a variational map uses "
            f"{self.active_units} of more than enough coordinates"
        )
        return "\n".join(lines)


def choose_dimension(
    X: object,
    *,
    noise: float = 0.2,
    widths: Sequence[int] = (64,),
    max_epochs: int = 30,
    max_rows: int = 5000,
    scaling: str | None = "auto",
    periodic: Mapping[Hashable, float] | None = None,
    categorical: Sequence[Hashable] | None = None,
    random_state: int | np.random.RandomState | None = 0,
    n_jobs: int | None = None,
) -> DimensionChoice:
    """How many dimensions rows X (n, D) have: a range with a best value, from two independent methods.

    Nearest neighbours say which numbers are possible. Their estimates are biased, so each is compared
    with those on data of known dimension and as many rows, uniform in a cube and Gaussian, which the
    edges of most data lie between. Where that leaves several numbers open, the knee of an error
    decides: denoising auto-encoders with every number of coordinates restore held-out rows from noise,
    and nothing is gained beyond the dimension of the data (lecture notes, "Denoising auto-encoders").
    They are trained twice, on other rows and from other weights, because one training has a knee by
    chance; where rows are few each time is a cross-validation. Where the two methods disagree the
    verdict says why, and what to do. The other evidence is shown, and decides nothing.

    Parameters
    ----------
    X : array-like or CSR matrix (n, D), finite, with at least 30 distinct rows
        The data; copies of a row count once. Distances are Euclidean.
    noise : float > 0, default 0.2
        Standard deviation of the denoisers' noise in those of the columns. Detail below it is not
        counted by the knee.
    widths : sequence of int, default (64,)
        Hidden layers of each network. Small, for the knee needs no perfect fit.
    max_epochs : int, default 30
        Passes of each network over the rows, for the same reason.
    max_rows : int ≥ 30, default 5000
        Rows that are drawn from more, for all evidence: references need as many, and beyond, the bias
        falls only as n^(−1/d).
    scaling : {"auto", None, "standard", "range", "robust"}, default "auto"
        Of the columns, before distances are measured. "auto" standardises a table of named columns whose
        standard deviations differ by more than a factor of 10, which must have different units, and says
        so; otherwise, and with None, columns are taken as they are.
    periodic, categorical : dict and list, or None, default None
        Columns that are angles, and categories, as of ``isthmus.Autoencoder``.
    random_state : int, RandomState or None, default 0
        Of draws, references and networks.
    n_jobs : int or None, default None
        Networks that are trained at a time, by joblib, whose backend, such as Dask,
        ``joblib.parallel_config`` sets. None is 1, unless such a context says otherwise. The same
        numbers, whatever it is.

    Returns
    -------
    DimensionChoice
        The best value, the range, whether the methods agree, all evidence, and words.

    Raises
    ------
    ValueError, TypeError
        What is not finite rows of numbers; fewer than 30 distinct rows; parameters out of range;
        neighbours that are all equally far.

    Warns
    -----
    TiedDistancesWarning
        As ``intrinsic_dimension``.

    Notes
    -----
    For 2000 rows in 50 columns it takes up to half a minute on two cores, most of it to compile a
    program for each number of coordinates, which later calls have.

    Data need not have one dimension: where parts of them have others, the choice is between these.
    ``intrinsic_dimension(X, "mle").local`` shows it. Noise in the data makes small scales look
    high-dimensional. The scales of "gride" then fall, and that of the largest scale counts; while it has
    not settled, neighbours give an upper bound only, and the knee decides below it, up to 12.

    A surface that closes on itself, such as a circle or a sphere, or that winds a lot, needs more
    coordinates than it has dimensions to be told apart everywhere. The knee is then above the choice,
    and it is the number for an auto-encoder. From five dimensions on, neighbours leave that number
    open too, and the choice may be it: 6 for a sphere of five dimensions.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import make_s_curve
    >>> X, _ = make_s_curve(200, random_state=0)
    >>> isthmus.choose_dimension(X).dimension
    2
    """
    check_real("noise", noise, 0.0)
    widths = layer_widths("widths", widths)
    check_integer("max_epochs", max_epochs, 1)
    rng = generator(random_state)
    most = check_integer("max_rows", max_rows, FEWEST_ROWS)
    values, units = scaled_table(coded_table(X, periodic, categorical), scaling)
    rows = _drawn(values, most, rng)
    methods: dict[str, Method] = {"two_nn": TwoNN(), "mle": MLE(), "gride": Gride(), "pca": PCA()}
    estimates = {name: rows.found_by(method, LEVEL, rng) for name, method in methods.items()}
    warn_of_ties(max(found.tied for found in estimates.values()))
    neighbours = Neighbours.of(estimates, rows.values)
    seed = int(rng.integers(2**30))
    how = Denoisers(rows.values, noise, widths, max_epochs, seed)
    networks = train_networks(how, neighbours.candidates(), n_jobs)
    knee = knee_of(networks.errors, rows.values.shape[1])
    n_pieces = pieces(rows.values)
    verdict = judge(neighbours, knee, estimates["pca"], n_pieces)
    return DimensionChoice(
        verdict.dimension,
        verdict.low,
        verdict.high,
        verdict.is_bound,
        neighbours.corrected,
        knee,
        verdict.agrees,
        neighbours.noisy,
        n_pieces,
        estimates,
        _mean_of(networks.errors),
        networks.spectrum,
        networks.jacobian_rank,
        networks.active_units,
        verdict.words,
        units,
    )


def pieces(rows: Float[np.ndarray, "n D"]) -> int:
    """How many separate pieces rows are in, by the graph of each row's ten nearest neighbours."""
    graph = NearestNeighbors(n_neighbors=FEWEST_IN_PIECE).fit(rows).kneighbors_graph()
    _, labels = connected_components(graph, directed=False)
    return max(1, int(np.sum(np.bincount(labels) >= FEWEST_IN_PIECE)))


def _mean_of(repeats: Sequence[Sequence[HeldOut]]) -> tuple[HeldOut, ...]:
    """Errors averaged over repeats, for each number of coordinates."""
    return tuple(
        HeldOut(
            same[0].n_components,
            float(np.mean([error.pca for error in same])),
            float(np.exp(np.mean([np.log(error.denoiser) for error in same]))),
        )
        for same in zip(*repeats, strict=True)
    )


def _drawn(rows: Rows, max_rows: int, rng: np.random.Generator) -> DistinctRows:
    n = rows.shape[0]
    if n > max_rows:
        rows = rows[np.sort(rng.choice(n, max_rows, replace=False))]
    return distinct_rows(rows, FEWEST_ROWS - 1)
