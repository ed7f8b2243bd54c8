"""How far data lie from what a point of the map decodes to: intervals that hold as often as they say.

A map of few coordinates leaves much out, and what it leaves out differs from place to place. The
distance |x − x̂| of known rows nearby is the scale at a place. Other known rows tell how many of these
scales rows are away, at most, in the share of cases that is asked for. So the interval of each entry
holds for that share of new rows at least, in the mean over places and over draws of the known ones, if
new rows are drawn as these were.

Source: Lei, G'Sell, Rinaldo, Tibshirani & Wasserman 2018, "Distribution-free predictive inference for
regression", JASA 113:1094, section 5.2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from isthmus.data.checks import check_integer, check_map, check_real, check_rows
from isthmus.data.neighbours import nearest
from isthmus.data.rows import READ_ELEMENTS, dense
from isthmus.data.wording import counted
from isthmus.estimators.base import BaseMap, as_given, check_points, decoded_rows
from isthmus.estimators.fitting import generator

BEYOND = 2.0
"""Distances to the known rows, in units of the largest of one of them, beyond which there are none."""


class DecodedInterval(NamedTuple):
    """What coordinates decode to, and how far data lie from it: x̂ ± half_width, entry by entry.

    ``half_width`` is infinite where there are no known rows.
    """

    x_hat: np.ndarray
    half_width: np.ndarray


def decoded_interval(
    model: BaseMap,
    Z: object,
    known: object,
    *,
    level: float = 0.9,
    n_neighbors: int = 20,
    random_state: int | np.random.RandomState | None = 0,
) -> DecodedInterval:
    """What coordinates Z (n, d) decode to, and how far rows with these coordinates lie from it.

    Parameters
    ----------
    model : fitted map
        Any of the maps of isthmus, or an ensemble of them.
    Z : array (n, d)
        Coordinates of new rows. Of a point more than twice as far from the known rows as these are from
        one another at most, nothing is known, and the interval is infinite.
    known : array (m, D)
        Rows of the kind that the map is for, and that it was *not* fitted on. Half of them say how far
        rows are from x̂ around each place, and the other half how many times that the interval must be.
    level : float in (0, 1), default 0.9
        Share of new rows whose entry lies in its interval, entry by entry.
    n_neighbors : int, default 20
        Known rows nearest in the map whose mean |x − x̂| is the scale at a place.
    random_state : int, RandomState or None, default 0
        Of the halves.

    Returns
    -------
    DecodedInterval
        ``x_hat`` as ``inverse_transform`` gives it, and ``half_width`` of the same shape, in the data's
        units.

    Raises
    ------
    ValueError
        For too few known rows, a map with angles or categories, and what ``transform`` and
        ``inverse_transform`` refuse.
    TypeError
        For a model that is no map.

    References
    ----------
    Lei, G'Sell, Rinaldo, Tibshirani & Wasserman 2018, "Distribution-free predictive inference for
    regression", JASA 113:1094.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> model = isthmus.LinearAutoencoder(5).fit(X[:800])
    >>> new = X[1300:]
    >>> found = isthmus.decoded_interval(model, model.transform(new), known=X[800:1300])
    >>> inside = abs(new - found.x_hat) <= found.half_width
    >>> bool(0.85 < inside.mean() < 0.95)
    True
    """
    check_map(model)
    if hasattr(model, "code_"):
        raise ValueError(
            "the map has angles or categories, and intervals are of numbers on a line alone"
        )
    level = check_real("level", level, 0.0, 1.0)
    n_neighbors = check_integer("n_neighbors", n_neighbors, 1)
    z = np.asarray(check_points(model, Z), np.float64)
    rows = check_rows(model, known, reset=False)
    # 1/(1 − 0.9) is 10 and a little more, by rounding.
    m, needed = rows.shape[0], 2 * max(n_neighbors, int(np.ceil(1 / (1 - level) - 1e-9)))
    if m < needed:
        raise ValueError(
            f"known has {counted(m, 'row')}: an interval at level={level:g} by "
            f"{counted(n_neighbors, 'neighbour')} needs {needed} at least. Pass more, or a lower level"
        )
    placed = np.asarray(model.transform(known), np.float64)
    gaps = np.abs(dense(rows[:]) - decoded_rows(model, placed))
    order = generator(random_state).permutation(m)
    first, second = order[: m // 2], order[m // 2 :]

    distances, scale = _nearby(placed[second], placed[first], gaps[first], n_neighbors)
    distances_of_z, scale_of_z = _nearby(z, placed[first], gaps[first], n_neighbors)
    # Where all known rows nearby are met exactly, a new one may still be off by what is usual elsewhere.
    least = 1e-3 * _means_known(gaps[first], 0) + 1e-300
    ratios = np.sort(gaps[second] / np.maximum(scale, least), axis=0)  # NaN at the end
    counts = np.sum(~np.isnan(ratios), axis=0)
    ranks = np.ceil((counts + 1) * level).astype(int) - 1
    if np.any(ranks >= counts):
        column = int(np.argmax(ranks >= counts))
        raise ValueError(
            f"column {column} has {counts[column]} known entries in half of the known rows: too few for "
            f"an interval at level={level:g}. Pass more rows, or a lower level"
        )
    half_width = ratios[ranks, np.arange(len(ranks))] * np.maximum(scale_of_z, least)
    half_width[distances_of_z > BEYOND * distances.max()] = np.inf
    return DecodedInterval(as_given(model, decoded_rows(model, z)), as_given(model, half_width))


def _nearby(
    at: Float[np.ndarray, "b d"],
    placed: Float[np.ndarray, "m d"],
    gaps: Float[np.ndarray, "m D"],
    k: int,
) -> tuple[Float[np.ndarray, " b"], Float[np.ndarray, "b D"]]:
    """How far the k rows nearest to each place are at most, and the mean of their gaps."""
    distances, near = nearest(placed, k, at)
    means = np.empty((len(at), gaps.shape[1]))
    size = max(1, READ_ELEMENTS // (k * gaps.shape[1]))
    for start in range(0, len(at), size):
        part = slice(start, start + size)
        means[part] = _means_known(gaps[near[part]], 1)
    # A column of which nothing is known nearby has its mean over all places.
    return distances[:, -1], np.where(np.isnan(means), _means_known(gaps, 0), means)


def _means_known(values: Float[np.ndarray, " ..."], axis: int) -> Float[np.ndarray, " ..."]:
    """Means of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(values)
    counts = known.sum(axis=axis)
    sums = np.sum(values, axis=axis, where=known)
    means: np.ndarray = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return means
