"""One number of dimensions for data, with all that speaks for it and against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from isthmus import plots
from isthmus.data.checks import check_integer, check_real
from isthmus.data.rows import Rows
from isthmus.data.units import scaled_table
from isthmus.diagnostics.dimension.evidence import (
    MOST_DIMENSIONS,
    REFERENCES,
    HeldOut,
    Networks,
    Readings,
    References,
    bends,
    train_networks,
)
from isthmus.diagnostics.dimension.intrinsic import Dimension, DistinctRows, distinct_rows, warn_of_ties
from isthmus.diagnostics.dimension.methods import MLE, PCA, Gride, Method, TwoNN
from isthmus.estimators.fitting import generator
from isthmus.estimators.plan import layer_widths
from isthmus.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST_ROWS = 100
"""Smallest number of distinct rows: networks are evaluated on a fifth of them."""

LEAST_BEND = 0.3
"""Of a knee, in units of the logarithm of the error: errors without one bend by less by chance."""

MOST_CANDIDATES = 12
"""Numbers of coordinates that are trained: most of the time goes there."""

NOISE_FALLS = 0.8
"""Noise shows where the corrected estimate at the largest scale is below this share of the least's."""

LEVEL = 0.95


@dataclass(frozen=True, repr=False)
class DimensionChoice(Result):
    """A number of dimensions and its evidence.

    dimension : int
        The choice.
    low, high : int
        What the nearest neighbours leave open, when their bias is corrected: the choice is one of these.
    corrected : (float, float)
        The same before rounding: from the estimate as it is corrected on Gaussian data, to as on cubes.
    knee : int or None
        Where the denoiser's error bends most, of all numbers of coordinates tried; None without a knee.
    agrees : bool
        Whether the knee is where the choice is.
    noisy : bool
        Whether estimates fall from small scales to large ones, as those of noisy data do.
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
    """

    dimension: int
    low: int
    high: int
    corrected: tuple[float, float]
    knee: int | None
    agrees: bool
    noisy: bool
    estimates: Mapping[str, Dimension]
    errors: tuple[HeldOut, ...]
    spectrum: Float[np.ndarray, " d"]
    jacobian_rank: int
    active_units: int
    verdict: str
    units: str = ""

    def table(self) -> list[dict[str, object]]:
        """One row per number of coordinates: held-out errors of PCA and of the denoiser."""
        return [error._asdict() for error in self.errors]

    def plot(self, ax: Axes | None = None) -> Axes:
        """The error of restoring unseen rows from noise, over the number of coordinates; the choice.

        The shade is what nearest neighbours leave open. Into ``ax``, or new Axes; returns them.
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
            f"a denoiser with {len(self.spectrum)} coordinates keeps {self.jacobian_rank} directions, "
            f"and a variational map uses {self.active_units} of more than enough coordinates"
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
    random_state: int | np.random.RandomState | None = 0,
) -> DimensionChoice:
    """How many coordinates rows X (n, D) need: one verdict from two independent methods.

    Nearest neighbours say which numbers are possible. Their estimates are biased, so each is compared
    with those on data of known dimension and as many rows, uniform in a cube and Gaussian, which the
    edges of most data lie between. Where that leaves several numbers open, the knee of an error
    decides: denoising auto-encoders with every number of coordinates restore held-out rows from noise,
    and nothing is gained beyond the dimension of the data (lecture notes, "Denoising auto-encoders").
    The other evidence is shown, and decides nothing.

    Parameters
    ----------
    X : array-like or CSR matrix (n, D), finite, with at least 100 distinct rows
        The data; copies of a row count once. Distances are Euclidean.
    noise : float > 0, default 0.2
        Standard deviation of the denoisers' noise in those of the columns. Detail below it is not
        counted by the knee.
    widths : sequence of int, default (64,)
        Hidden layers of each network. Small, for the knee needs no perfect fit.
    max_epochs : int, default 30
        Passes of each network over the rows, for the same reason.
    max_rows : int ≥ 100, default 5000
        Rows that are drawn from more, for all evidence: references need as many, and beyond, the bias
        falls only as n^(−1/d).
    scaling : {"auto", None, "standard", "range", "robust"}, default "auto"
        Of the columns, before distances are measured. "auto" standardises a table of named columns whose
        standard deviations differ by more than a factor of 10, which must have different units, and says
        so; otherwise, and with None, columns are taken as they are.
    random_state : int, RandomState or None, default 0
        Of draws, references and networks.

    Returns
    -------
    DimensionChoice
        The number, what neighbours leave open, whether the knee agrees, all evidence, and words.

    Raises
    ------
    ValueError, TypeError
        What is not finite rows of numbers; fewer than 100 distinct rows; parameters out of range;
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
    high-dimensional. The scales of "gride" then fall, neighbours give an upper bound only, and the knee
    decides below it, up to 12.

    A surface that closes on itself, such as a circle or a sphere, or that winds a lot, needs more
    coordinates than it has dimensions to be told apart everywhere. The knee is then above the choice,
    and it is the number for an auto-encoder. From five dimensions on, neighbours leave that number
    open too, and the choice may be it: 6 for a sphere of five dimensions.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import make_s_curve
    >>> X, _ = make_s_curve(1000, random_state=0)
    >>> isthmus.choose_dimension(X, max_epochs=10).dimension
    2
    """
    check_real("noise", noise, 0.0)
    widths = layer_widths("widths", widths)
    check_integer("max_epochs", max_epochs, 1)
    rng = generator(random_state)
    most = check_integer("max_rows", max_rows, FEWEST_ROWS)
    values, units = scaled_table(X, scaling)
    rows = _drawn(values, most, rng)
    methods: dict[str, Method] = {"two_nn": TwoNN(), "mle": MLE(), "gride": Gride(), "pca": PCA()}
    estimates = {name: rows.found_by(method, LEVEL, rng) for name, method in methods.items()}
    warn_of_ties(max(found.tied for found in estimates.values()))
    window = _Window.of(estimates, rows.values, rng)
    seed = int(rng.integers(2**31))
    networks = train_networks(rows.values, window.candidates(), noise, widths, max_epochs, seed)
    return replace(_judged(window, estimates, networks, rows.values.shape[1]), units=units)


@dataclass(frozen=True)
class _Window:
    """What nearest neighbours leave open: corrected estimates, and whether they fall with the scale."""

    corrected: tuple[float, float]
    noisy: bool
    most: int

    @classmethod
    def of(
        cls,
        estimates: Mapping[str, Dimension],
        rows: Float[np.ndarray, "n D"],
        rng: np.random.Generator,
    ) -> _Window:
        mle, gride = estimates["mle"], estimates["gride"]
        assert isinstance(mle.method, MLE)
        assert isinstance(gride.method, Gride)
        references = References(len(rows), mle.method, gride.method, rng)
        ends = [
            references.corrected(end, sampler, _of_mle)
            for end, sampler in zip((mle.low, mle.high), REFERENCES, strict=True)
        ]
        least, largest = (
            [
                references.corrected(gride.scales[at].estimate, sampler, partial(_of_gride, at=at))
                for sampler in REFERENCES
            ]
            for at in (0, -1)
        )
        noisy = largest[1] < NOISE_FALLS * least[0]
        # Principal components need more rows than there are of them.
        most = min(rows.shape[1], len(rows) // 2)
        return cls((min(ends[0], largest[0]) if noisy else ends[0], ends[1]), noisy, most)

    @property
    def low(self) -> int:
        """Noise only adds dimensions: with it, neighbours rule nothing out below."""
        return 1 if self.noisy else min(self.most, max(1, round(self.corrected[0])))

    @property
    def high(self) -> int:
        return min(self.most, max(self.low, round(self.corrected[1])))

    @property
    def middle(self) -> int:
        """Of what is left open; with noise the low end, which is of the scale that has the least."""
        low, high = self.corrected
        best = low if self.noisy else np.sqrt(low * high)
        return int(np.clip(round(float(best)), self.low, self.high))

    def candidates(self) -> list[int]:
        """Those left open and two on either side, for a knee is seen from both."""
        first = max(1, self.low - 2)
        last = min(self.most, self.high + 2, first + MOST_CANDIDATES - 1)
        return list(range(first, last + 1))


def _of_mle(readings: Readings) -> float:
    return readings.mle


def _of_gride(readings: Readings, at: int) -> float:
    return readings.gride[at]


def _drawn(rows: Rows, max_rows: int, rng: np.random.Generator) -> DistinctRows:
    n = rows.shape[0]
    if n > max_rows:
        rows = rows[np.sort(rng.choice(n, max_rows, replace=False))]
    return distinct_rows(rows, FEWEST_ROWS - 1)


def _judged(
    window: _Window, estimates: Mapping[str, Dimension], networks: Networks, most: int
) -> DimensionChoice:
    """The knee decides among what neighbours leave open, where there is one; else the middle."""
    found = bends(networks.errors, most)
    knees = {d: bend for d, bend in found.items() if bend >= LEAST_BEND}
    open_ = {d: bend for d, bend in knees.items() if window.low <= d <= window.high}
    dimension = max(open_, key=open_.__getitem__) if open_ else window.middle
    knee = max(knees, key=knees.__getitem__) if knees else None
    return DimensionChoice(
        dimension,
        window.low,
        window.high,
        window.corrected,
        knee,
        knee == dimension,
        window.noisy,
        estimates,
        networks.errors,
        networks.spectrum,
        networks.jacobian_rank,
        networks.active_units,
        _in_words(dimension, window, knee, estimates["pca"]),
    )


def _in_words(dimension: int, window: _Window, knee: int | None, pca: Dimension) -> str:
    low, high = window.corrected
    neighbours = f"{low:.1f} to {high:.1f}, corrected for the edges of data"
    if high > MOST_DIMENSIONS:
        neighbours = f"more than {MOST_DIMENSIONS}, which so few rows cannot tell apart"
    of_the_knee = _of_the_knee(dimension, knee, window.noisy)
    words = f"{_counted(dimension)}. Nearest neighbours say {neighbours}{of_the_knee}."
    if dimension == window.most < high - 0.5:
        words += f" No more than {window.most} can be told from these rows and columns."
    if window.noisy:
        words += (
            " Estimates fall from small scales to large ones: there is noise in the data, and raw "
            "estimates, which are of small scales, are too high."
        )
    components = next(int(scale.estimate) for scale in pca.scales if scale.value == KEPT)
    if components > dimension:
        words += f" PCA needs {components} components for {100 * KEPT:.0f} % of the variance."
    return words


def _of_the_knee(dimension: int, knee: int | None, noisy: bool) -> str:
    if knee is None:
        taken = "least, that of the largest scale" if noisy else "middle"
        return (
            ". The error of denoisers has no knee that would decide among these, so it is their "
            f"{taken}. A smaller noise, more rows or more max_epochs may show one"
        )
    if knee == dimension:
        return f", and the error of denoisers has its knee at {knee}: they agree"
    if knee > dimension:
        return (
            f". The error of denoisers has its knee at {knee}: surfaces that close on themselves or "
            f"wind a lot need more coordinates than dimensions, and {knee} is the number for an "
            "auto-encoder"
        )
    return (
        f". The error of denoisers has its knee at {knee} already: other directions are below their "
        "noise, or part of the data has fewer dimensions"
    )


KEPT = 0.95
"""Share of the variance that words about PCA are of."""


def _counted(dimension: int) -> str:
    return "1 dimension" if dimension == 1 else f"{dimension} dimensions"
