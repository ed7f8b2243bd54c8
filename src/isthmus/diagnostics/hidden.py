"""What a map hides: how much of a target the rest x − x̂ knows that the coordinates do not.

Rows that lie side by side in the map are told apart, if at all, by what the map leaves out. Each row's
target is predicted twice by as many rows: by those nearest in the map, and by those whose rest is most
like its own among more that are near. Where the second is better, the map hides something of the target.
A rest that is a function of the coordinates, or that knows nothing, picks rows that predict no better
than the nearest. How often chance gives as much is seen where targets are permuted among rows that lie
side by side.

Source: Kim, Neykov, Balakrishnan & Wasserman 2022, "Local permutation tests for conditional
independence", Annals of Statistics 50:3388.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike

from isthmus.data.checks import check_integer, check_map, check_rows
from isthmus.data.neighbours import nearest
from isthmus.data.rows import READ_ELEMENTS, dense
from isthmus.data.targets import CheckedTargets, check_targets
from isthmus.data.wording import counted
from isthmus.estimators.base import BaseMap, decoded_rows, units_of
from isthmus.estimators.fitting import generator
from isthmus.results import Result

SHARE_LIKE = 3
"""A third of the rows near in the map predict a row: the nearest, or those whose rest is most alike."""

ROWS_OF_CELL = 16
"""Rows among which targets are permuted, at most."""

LEVEL = 0.05
"""p-value below which something is hidden."""

SURE = 3.0
"""Standard errors by which a pair of classes must be told apart better to be named."""


@dataclass(frozen=True)
class HiddenPair:
    """Two classes that the map confuses and what it leaves out does not.

    ``mistaken`` is the share of rows of either that are predicted to be of the other from the map, and
    ``mistaken_with_rest`` the share with what the map leaves out.
    """

    first: str
    second: str
    mistaken: float
    mistaken_with_rest: float


@dataclass(frozen=True, repr=False)
class Hidden(Result):
    """How much more of a target is known with what a map leaves out than by its coordinates alone.

    What ``isthmus.hidden`` found. ``print`` shows the verdict.

    Attributes
    ----------
    n_rows : int
        Rows that were looked at.
    score : {"accuracy", "R²"}
        What the scores are.
    score_of_map : float
        Of predicting from the rows nearest in the map.
    score_with_rest : float
        Of predicting from as many of the rows near, those whose rest x − x̂ is most like the row's own.
    gain : float
        The second less the first.
    interval : (float, float)
        The gain less and plus two standard errors, in which rows that lie side by side count as one.
    p_value : float
        How often chance gives as much.
    pair : HiddenPair or None
        The two classes of which most is hidden; None where none stand out, or for numbers.

    Examples
    --------
    A plane of three columns hides the third:

    >>> import isthmus, numpy as np
    >>> X = np.random.default_rng(0).standard_normal((600, 3)) * [3.0, 2.0, 1.0]
    >>> model = isthmus.LinearAutoencoder(2).fit(X)
    >>> found = isthmus.hidden(model, X, X[:, 2] > 0, n_permutations=20)
    >>> found.is_found, found.score, round(found.score_with_rest - found.score_of_map - found.gain, 9)
    (True, 'accuracy', 0.0)
    """

    n_rows: int
    score: str
    score_of_map: float
    score_with_rest: float
    gain: float
    interval: tuple[float, float]
    p_value: float
    pair: HiddenPair | None

    @property
    def is_found(self) -> bool:
        """Whether something is hidden beyond chance, by the permutations and by the interval."""
        return self.p_value < LEVEL and self.interval[0] > 0

    @property
    def verdict(self) -> str:
        """One or two sentences on what is hidden."""
        low, high = self.interval
        if not self.is_found and self.p_value < LEVEL:
            return (
                f"It is undecided whether the map hides a part of the target: chance gives as much "
                f"rarely (p = {self.p_value:.2g}), but {self.score} changes by {self.gain:+.3f}, "
                f"{low:+.3f} to {high:+.3f}, which may be nothing. More than {self.n_rows} rows would "
                "tell."
            )
        if not self.is_found:
            return (
                f"What the map leaves out tells nothing more of the target than the map itself, as far "
                f"as {self.n_rows} rows show (p = {self.p_value:.2g}; {self.score} changes "
                f"by {self.gain:+.3f}, {low:+.3f} to {high:+.3f})."
            )
        text = (
            f"The map hides a part of the target: among rows that lie side by side in it, {self.score} "
            f"is {self.score_of_map:.3f} by the map and {self.score_with_rest:.3f} with what it leaves "
            f"out (a gain of {self.gain:.3f}, {low:.3f} to {high:.3f}, p = {self.p_value:.2g})."
        )
        if self.pair is not None:
            of = self.pair
            text += (
                f" Most of all it hides the difference between {of.first} and {of.second}: it takes "
                f"{of.mistaken:.1%} of their rows for the other, and with the rest "
                f"{of.mistaken_with_rest:.1%}."
            )
        return text

    def table(self) -> list[dict[str, object]]:
        """One row: the scores, the gain with its interval, and its p-value.

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> X = np.random.default_rng(0).standard_normal((600, 3)) * [3.0, 2.0, 1.0]
        >>> model = isthmus.LinearAutoencoder(2).fit(X)
        >>> found = isthmus.hidden(model, X, X[:, 2] > 0, n_permutations=20)
        >>> list(found.table()[0])
        ['score', 'of_map', 'with_rest', 'gain', 'low', 'high', 'p_value']
        """
        low, high = self.interval
        return [
            {
                "score": self.score,
                "of_map": self.score_of_map,
                "with_rest": self.score_with_rest,
                "gain": self.gain,
                "low": low,
                "high": high,
                "p_value": self.p_value,
            }
        ]

    def __str__(self) -> str:
        return self.verdict


def are_shared(targets: CheckedTargets, n: int) -> bool:
    """Whether n rows have few enough classes that one can be predicted from others; numbers always."""
    return targets.n_classes <= n // 2


def hidden(
    model: BaseMap,
    X: object,
    y: ArrayLike,
    *,
    n_neighbors: int = 30,
    n_permutations: int = 200,
    max_rows: int = 5000,
    random_state: int | np.random.RandomState | None = 0,
) -> Hidden:
    """How much more of y is known with what the map leaves out of rows X (n, D) than by the map alone.

    Parameters
    ----------
    model : fitted map
        Any of the maps of isthmus, or an ensemble of them.
    X : array (n, D), n > n_neighbors
        Rows, preferably not those of the fit: of these the map leaves less out than of others.
    y : array (n,)
        Classes, or numbers, by the rule of ``isthmus.compare``.
    n_neighbors : int, default 30
        Rows near in the map: the nearest third of them predicts a row by the map, and the third whose
        rest x − x̂ is most like its own predicts it with what the map leaves out.
    n_permutations : int, default 200
        Of the targets; the p-value is 1/201 at least.
    max_rows : int, default 5000
        Rows that are looked at, drawn at random from more.
    random_state : int, RandomState or None, default 0
        Of the rows that are drawn, and of the permutations.

    Returns
    -------
    Hidden
        Scores without and with the rest, the gain with its interval and p-value, the pair of classes of
        which most is hidden, and a verdict in words.

    Raises
    ------
    ValueError
        For too few rows, a target that does not fit them, and what ``transform`` refuses.
    TypeError
        For a model that is no map.

    References
    ----------
    Kim, Neykov, Balakrishnan & Wasserman 2022, "Local permutation tests for conditional independence",
    Annals of Statistics 50:3388.

    Examples
    --------
    A plane of three columns hides the third, and nothing of the first:

    >>> import isthmus, numpy as np
    >>> X = np.random.default_rng(0).standard_normal((600, 3)) * [3.0, 2.0, 1.0]
    >>> model = isthmus.LinearAutoencoder(2).fit(X)
    >>> isthmus.hidden(model, X, X[:, 2] > 0).gain > 0.3
    True
    >>> isthmus.hidden(model, X, X[:, 0] > 0).p_value > 0.05
    True
    """
    check_map(model)
    rows = check_rows(model, X, reset=False)
    targets = check_targets(y, rows.shape[0])
    if not are_shared(targets, rows.shape[0]):
        raise ValueError(
            f"y has {targets.n_classes} classes of {counted(rows.shape[0], 'row')}, too few of each to "
            "predict one: expected classes that several rows share, or numbers"
        )
    rng = generator(random_state)
    n_neighbors = check_integer("n_neighbors", n_neighbors, SHARE_LIKE)
    n_permutations = check_integer("n_permutations", n_permutations, 20)
    most = check_integer("max_rows", max_rows, n_neighbors + 1)
    n = min(rows.shape[0], most)
    if n <= n_neighbors:
        raise ValueError(
            f"X has {counted(n, 'row')}: expected more than n_neighbors={n_neighbors}. Pass more rows, "
            "or fewer neighbours"
        )
    chosen = rng.permutation(rows.shape[0])[:n]
    z = np.asarray(model.transform(X), np.float64)[chosen]
    rest = (dense(rows[chosen]) - decoded_rows(model, z)) / units_of(model)
    rest[np.isnan(rest)] = 0.0
    _, near = nearest(z, n_neighbors)
    k = n_neighbors // SHARE_LIKE
    predicted = _Prediction(targets, near[:, :k], _most_like(rest, near, k))
    values = targets.values[chosen]
    if not targets.n_classes:
        values = values / (np.abs(values).max() or 1.0)  # so that squares are numbers, too
    without, with_rest = predicted.successes(values)
    cells = _cells(z, np.arange(n))
    by_chance = [_gain_by_chance(predicted, values, cells, rng) for _ in range(n_permutations)]
    gain = float(np.mean(with_rest - without))
    of_cells = np.array([np.sum((with_rest - without)[cell] - gain) for cell in cells])
    error = float(np.sqrt(np.sum(np.square(of_cells)))) / n
    found = Hidden(
        n_rows=n,
        score="accuracy" if targets.n_classes else "R²",
        score_of_map=float(without.mean()),
        score_with_rest=float(with_rest.mean()),
        gain=gain,
        interval=(gain - 2 * error, gain + 2 * error),
        p_value=(1 + int(np.sum(np.array(by_chance) >= gain))) / (n_permutations + 1),
        pair=None,
    )
    if found.is_found and targets.n_classes:
        return replace(found, pair=predicted.hidden_pair(values))
    return found


@dataclass(frozen=True)
class _Prediction:
    """Predicts rows from those ``near`` in the map, and from as many whose rest is ``like`` theirs."""

    targets: CheckedTargets
    near: Int[np.ndarray, "n k"]
    like: Int[np.ndarray, "n k"]

    def of(self, values: np.ndarray, which: Int[np.ndarray, "n k"]) -> np.ndarray:
        """The majority of classes, or the mean of numbers."""
        if not self.targets.n_classes:
            return np.asarray(values[which].mean(axis=1))
        labels = values[which]
        votes = np.sum(labels[:, :, None] == labels[:, None, :], axis=2)
        # Of classes with as many votes, that of the nearest or most like row.
        return np.asarray(np.take_along_axis(labels, votes.argmax(axis=1)[:, None], axis=1)[:, 0])

    def successes(self, values: np.ndarray) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Of each row, without and with the rest: the means are accuracies, or R²."""

        def success(which: Int[np.ndarray, "n k"]) -> Float[np.ndarray, " n"]:
            found = self.of(values, which)
            if self.targets.n_classes:
                return np.asarray(found == values, np.float64)
            return np.asarray(1.0 - np.square(values - found) / (np.var(values) or 1.0))

        return success(self.near), success(self.like)

    def hidden_pair(self, values: Int[np.ndarray, " n"]) -> HiddenPair | None:
        """The two classes that are told apart better by most rows, if by more than chance."""
        labels = self.targets.classes
        assert labels is not None
        without, with_rest = (self.of(values, which) for which in (self.near, self.like))
        # Rows of one class taken for another: by the map alone, and with the rest alone.
        lost = np.zeros((2, len(labels), len(labels)))
        for count, (one, other) in zip(lost, ((without, with_rest), (with_rest, without)), strict=True):
            mistaken = (one != values) & (other != one)
            np.add.at(count, (values[mistaken], one[mistaken]), 1)
        gained, worse = lost + lost.transpose(0, 2, 1)
        a, b = np.unravel_index(np.argmax(np.triu(gained - worse)), gained.shape)
        if gained[a, b] - worse[a, b] <= SURE * np.sqrt(gained[a, b] + worse[a, b]):
            return None
        of_pair = (values == a) | (values == b)
        other = np.where(values == a, b, a)
        shares = (float(np.mean((found == other)[of_pair])) for found in (without, with_rest))
        return HiddenPair(str(labels[a]), str(labels[b]), *shares)


def _gain_by_chance(
    predicted: _Prediction,
    values: Shaped[np.ndarray, " n"],
    cells: Sequence[Int[np.ndarray, " c"]],
    rng: np.random.Generator,
) -> float:
    """The gain where targets are permuted among the rows of each cell."""
    permuted = values.copy()
    for cell in cells:
        permuted[cell] = values[rng.permutation(cell)]
    without, with_rest = predicted.successes(permuted)
    return float(np.mean(with_rest - without))


def _most_like(
    rest: Float[np.ndarray, "n D"], near: Int[np.ndarray, "n K"], k: int
) -> Int[np.ndarray, "n k"]:
    """The k of the rows near each whose rest is nearest to its own."""
    found = np.empty((len(near), k), near.dtype)
    size = max(1, READ_ELEMENTS // (near.shape[1] * rest.shape[1]))
    for start in range(0, len(near), size):
        part = slice(start, start + size)
        gaps = rest[near[part]] - rest[part, None]
        squares = np.einsum("ijk,ijk->ij", gaps, gaps)
        order = np.argsort(squares, axis=1, kind="stable")[:, :k]
        found[part] = np.take_along_axis(near[part], order, axis=1)
    return found


def _cells(z: Float[np.ndarray, "n d"], rows: Int[np.ndarray, " m"]) -> list[Int[np.ndarray, " c"]]:
    """Rows that lie side by side: halves of halves, each along its widest coordinate."""
    if len(rows) <= ROWS_OF_CELL:
        return [rows]
    widest = int(np.argmax(np.ptp(z[rows], axis=0)))
    order = rows[np.argsort(z[rows, widest], kind="stable")]
    middle = len(order) // 2
    return _cells(z, order[:middle]) + _cells(z, order[middle:])
