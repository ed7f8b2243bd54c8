"""How faithful a map of rows is: neighbours, distances, densities, and what can be decoded.

Sources: Venna & Kaski 2001, "Neighborhood preservation in nonlinear projection methods", ICANN; Lee &
Verleysen 2009, "Quality assessment of dimensionality reduction: rank-based criteria", Neurocomputing
72:1431; Kruskal 1964, "Multidimensional scaling by optimizing goodness of fit to a nonmetric
hypothesis", Psychometrika 29:1; Moor et al. 2020, "Topological autoencoders", ICML, after Chazal et al.
2011, "Geometric inference for probability measures"; Glielmo et al. 2022, "Ranking the information
content of distance measures", PNAS Nexus 1:pgac039.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float, Int, Num
from numpy.typing import ArrayLike

from isthmus.data.checks import (
    check_coordinates,
    check_integer,
    check_map,
    check_real,
    check_rows,
    check_table,
)
from isthmus.data.coding import CodedRows, coded_table
from isthmus.data.frames import column_labels, refuse_other_order
from isthmus.data.rows import FLOAT64, Rows, ScaledRows, dense, row_blocks
from isthmus.data.scaling import Scaling
from isthmus.data.stored.dask import is_dask
from isthmus.data.units import fitted_scaling, unlike_spreads
from isthmus.data.wording import counted
from isthmus.diagnostics.quality.by_parts import Parts, computed_or_aligned
from isthmus.diagnostics.quality.distances import distances_between
from isthmus.diagnostics.quality.neighbourhoods import reversed_relative, worst_excess
from isthmus.diagnostics.quality.new_rows import of_new_rows
from isthmus.diagnostics.quality.pairs import (
    Comparison,
    DrawnPairs,
    RowSums,
    draw_pairs,
    estimate,
    rank_correlation,
)
from isthmus.diagnostics.quality.result import NEIGHBOUR_MEASURES, Number, Quality
from isthmus.estimators.base import BaseMap, error_in_units
from isthmus.estimators.fitting import generator

FEWEST_QUERIES = 100
"""Rows that are compared with all others at least, however many there are."""


Sums: TypeAlias = Any  # numbers, or arrays of them with one row left out of each


def quality(
    X: object,
    Z: object,
    *,
    k: int | Sequence[int] = 10,
    sigmas: Sequence[float] = (0.01, 0.1, 1.0),
    X_hat: object = None,
    model: BaseMap | None = None,
    training: Sequence[Any] | None = None,  # rows, coordinates, and perhaps labels, of any library
    y: ArrayLike | None = None,
    scaling: str | None = "auto",
    periodic: Mapping[Hashable, float] | None = None,
    categorical: Sequence[Hashable] | None = None,
    max_rows: int = 20_000,
    random_state: int | np.random.RandomState | None = 0,
) -> Quality:
    """How faithful the map Z (n, d) of the rows X (n, D) is: neighbours, distances, densities.

    Any map will do, ours or not: only distances count, Euclidean, so that turning, shifting and scaling
    Z changes nothing but ``scale``. Several k cost little more than one.

    Parameters
    ----------
    X : array-like or CSR matrix (n, D), n ≥ 3, finite
        The data. Distances are Euclidean, of the columns as ``scaling`` says. Of a Dask array or data
        frame of more than ``max_rows`` rows, blocks are compared with the rows that are drawn where Dask
        computes, in some six passes, and no more than these rows come here.
    Z : array-like (n, d), finite
        Where the rows lie in the map, in the same order.
    k : int or several, 1 ≤ k ≤ n − 1
        Neighbours. Ten is usual: few enough to be local, enough to average over.
    sigmas : several numbers > 0
        Widths of the densities f(x) = Σ_y exp(−‖x − y‖²/(σ · largest ‖x − y‖²)); the default is that of
        Moor et al.
    X_hat : array-like (n, D), optional
        A reconstruction of X, for ``reconstruction_error``.
    model : fitted map, optional
        Or the map that gives one, as ``isthmus.reconstruction_error`` does. Angles, categories and the
        scaling are those of the map.
    training : (X, Z) or (X, Z, y), optional
        Other rows, such as those of the fit, their coordinates in the same map, and labels. Then the
        rows X are new ones, and ``neighbours_kept`` says whether they lie among their nearest others.
    y : array-like (n,), optional
        Labels of the rows X: ``neighbour_score`` is of predicting them from the labels of training rows.
        Text, booleans and integers of at most 20 different values are classes; other numbers are
        predicted by their mean.
    scaling : {"auto", None, "standard", "range", "robust"}, default "auto"
        Of the columns, because distances are what is kept or lost. "auto": with ``model``, as the map
        scales them, so that distances are those that it was fitted to keep; without,
        "standard" where named columns have spreads that differ by more than a factor of 10, and so
        have different units; ``units`` of what is returned says so.
    periodic, categorical : dict and list, or None, default None
        Columns that are angles, and categories, as of ``isthmus.Autoencoder``.
    max_rows : int ≥ 3
        Up to here every row is compared with every row, in memory that grows as n. Beyond, max_rows²/n
        rows are drawn (at least 100) and compared with all n, so that time grows no further, and every
        number has a standard error.
    random_state : int, RandomState or None
        Of what is drawn.

    Returns
    -------
    Quality
        Numbers, their standard errors, and of how many rows and pairs they are. ``spearman`` of more
        than 2²¹ pairs (n > 2048) is of a draw of as many.

    Raises
    ------
    ValueError, TypeError
        What is not finite rows of numbers, fewer than 3 rows, different numbers of rows, k > n − 1.

    Notes
    -----
    Equal distances are ranked by row number, so copies of a row are neighbours, the first ones first,
    and trustworthiness equals scikit-learn's where no distances are equal. For k ≥ n/2, where
    scikit-learn gives none, the worst case that it is divided by is Lee & Verleysen's; with k = n − 1
    all rows are neighbours, and it is 1.

    For ``spearman``, distances that are equal to ten digits are ties. Where all rows of one space
    coincide, it has no order and no scale: ``spearman`` is 0, ``stress`` 1 and its density uniform;
    where those of both do, they are 1 and 0. With a sample of rows, the largest distance in
    ``density_kl`` is searched for from the rows farthest from the mean, and may be a little too small.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> Z = isthmus.LinearAutoencoder(2).fit_transform(X)
    >>> found = isthmus.quality(X, Z)
    >>> print(f"{found.trustworthiness:.3f}, {found.overlap:.3f}, {found.spearman:.3f}")
    0.830, 0.118, 0.582
    >>> isthmus.quality(X, 3 * X, k=(5, 50)).overlap
    array([1., 1.])
    """
    if X_hat is not None and model is not None:
        raise ValueError("both X_hat and model came, and either gives a reconstruction; pass one")
    most = check_integer("max_rows", max_rows, 3)
    if is_dask(X) or is_dask(Z):
        X, Z = computed_or_aligned(X, Z, max(most, FEWEST_QUERIES))
    X = _coded(X, model, periodic, categorical)
    rows = check_table(X)
    own, units = _scaling(X, rows, scaling, model)
    if hasattr(Z, "fit"):
        raise TypeError(
            f"Z is a {type(Z).__name__}: expected coordinates (n, d), such as those of its transform(X)"
        )
    coordinates = None if is_dask(Z) else check_coordinates(Z, _width(Z))
    n = len(rows) if coordinates is None else _check_numbers_of_rows(rows, coordinates)
    ks = _check_neighbours(k, n)
    sigmas = tuple(check_real("sigmas", sigma, 0) for sigma in np.atleast_1d(sigmas).tolist())
    error = _reconstruction_error(X, rows, X_hat, model, own)
    rng = generator(random_state)
    queries = _queries(n, most, rng)
    pairs = draw_pairs(queries, n, rng)
    if coordinates is None:
        _check_no_training(training, y, most)
        assert isinstance(pairs, DrawnPairs)
        of_training, unit, units_apart = {}, 1.0, 1.0
        sums, guess = Parts(rows.store, Z, own).sums(ks, sigmas, queries, pairs)
    else:
        scaled = rows if own is None else ScaledRows(rows, own, FLOAT64)
        of_training = of_new_rows(X, scaled, coordinates, training, y, ks, queries)
        data, plane = distances_between(scaled), distances_between(coordinates)
        sums, guess = Comparison(data, plane, ks, sigmas, queries, pairs).sums()
        unit, units_apart = data.unit, data.unit / plane.unit
    found: dict[str, tuple[Sums, Sums]] = {
        **{name: _shaped(both, k) for name, both in _of_neighbours(sums, ks, n).items()},
        **_imbalances(sums, n),
        "spearman": rank_correlation(pairs, sums.pairs, n),
        **_of_distances(sums, guess, n, unit, units_apart),
        "density_kl": _of_densities(sums, n),
        **({} if error is None else {"reconstruction_error": (error, 0.0)}),
    }
    for name, both in of_training.items():
        found[name] = _shaped(both, k if name == "neighbours_kept" else max(ks))
    return Quality(
        n_rows=n,
        n_queries=len(queries),
        n_pairs=len(pairs),
        k=ks if np.ndim(k) else ks[0],
        sigmas=sigmas,
        standard_errors={name: spread for name, (_, spread) in found.items()},
        units=units,
        **{"reconstruction_error": None, **{name: value for name, (value, _) in found.items()}},
    )


def _of_neighbours(sums: RowSums, ks: Sequence[int], n: int) -> dict[str, Float[np.ndarray, "2 ks"]]:
    """Value and standard error of each measure, for each k."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in NEIGHBOUR_MEASURES}
    for index, k in enumerate(ks):
        worst, relative = worst_excess(n, k), reversed_relative(n, k)
        in_data, in_map = sums.ranks_in_data[:, :, index], sums.ranks_in_map[:, :, index]

        def kept(excess: Sums, worst: float = worst) -> Sums:
            return 1.0 - excess / (worst or 1.0)

        def share(error: Sums, relative: float = relative) -> Sums:
            return error / relative

        found["trustworthiness"].append(estimate(kept, in_data[:, :1], n))
        found["continuity"].append(estimate(kept, in_map[:, :1], n))
        found["rank_error_in_data"].append(estimate(share, in_data[:, 1:2], n))
        found["rank_error_in_map"].append(estimate(share, in_map[:, 1:2], n))
        found["overlap"].append(estimate(lambda mean: mean, in_data[:, 2:], n))
    return {name: np.array(values).T for name, values in found.items()}


def _imbalances(sums: RowSums, n: int) -> dict[str, tuple[float, float]]:
    """2/n times the mean rank in one space of the nearest in the other."""
    in_data, in_map = sums.rank_of_nearest[:, :1], sums.rank_of_nearest[:, 1:]
    return {
        "imbalance_to_map": estimate(lambda rank: 2 * rank / n, in_map, n),
        "imbalance_to_data": estimate(lambda rank: 2 * rank / n, in_data, n),
    }


def _of_distances(
    sums: RowSums, guess: float, n: int, unit: float, units: float
) -> dict[str, tuple[float, float]]:
    """Stress, root mean square and the scale a that makes them least.

    With d = guess · e + r the best scale is a = guess + Σ r e/Σ e², and Σ (d − a e)² = Σ r² −
    (Σ r e)²/Σ e², which has no rounding errors to speak of where r is small. Kruskal divides by the
    squares of the map's distances, scaled to make the quotient least; that is the same number,
    √(1 − (Σ d e)²/Σ d² Σ e²).
    """

    def step(cross: Sums, in_map: Sums) -> Sums:
        return np.divide(cross, in_map, out=np.zeros_like(cross * in_map), where=in_map > 0)

    def residual(square: Sums, cross: Sums, in_map: Sums) -> Sums:
        return np.maximum(square - cross * step(cross, in_map), 0.0)

    def stress(square: Sums, cross: Sums, in_map: Sums, in_data: Sums) -> Sums:
        left = residual(square, cross, in_map)
        share = np.divide(left, in_data, out=np.ones_like(left), where=in_data > 0)
        return np.sqrt(np.where((in_data == 0) & (in_map == 0), 0.0, share))

    def rmse(square: Sums, cross: Sums, in_map: Sums, in_data: Sums) -> Sums:
        return unit * np.sqrt(residual(square, cross, in_map) / (n - 1))

    def scale(square: Sums, cross: Sums, in_map: Sums, in_data: Sums) -> Sums:
        return units * (guess + step(cross, in_map))

    measures = {"stress": stress, "rmse": rmse, "scale": scale}
    return {name: estimate(measure, sums.products, n) for name, measure in measures.items()}


def _of_densities(sums: RowSums, n: int) -> tuple[Float[np.ndarray, " S"], Float[np.ndarray, " S"]]:
    """Σ p log(p/q) of p = f/Σ f in the data and q = g/Σ g in the map, for each σ."""

    def divergence(weighted: Sums, f: Sums, g: Sums) -> Sums:
        return np.maximum(weighted / f - np.log(f / g), 0.0)

    found = []
    for f, g in zip(sums.densities[:, 0].T, sums.densities[:, 1].T, strict=True):
        found.append(estimate(divergence, np.stack([f * np.log(f / g), f, g], axis=1), n))
    values, errors = np.array(found).reshape(-1, 2).T
    return values, errors


def _shaped(both: Float[np.ndarray, "2 ks"], k: int | Sequence[int]) -> tuple[Number, Number]:
    """Value and standard error, numbers if k is one."""
    value, error = both
    return (value, error) if np.ndim(k) else (float(value[0]), float(error[0]))


def _queries(n: int, max_rows: int, rng: np.random.Generator) -> Int[np.ndarray, " m"]:
    m = n if n <= max_rows else min(n, max(FEWEST_QUERIES, max_rows**2 // n))
    return np.arange(n) if m == n else rng.choice(n, m, replace=False)


def _coded(
    X: object,
    model: BaseMap | None,
    periodic: Mapping[Hashable, float] | None,
    categorical: Sequence[Hashable] | None,
) -> object:
    """X in the code of its angles and categories, which are the model's where it has some."""
    if model is not None and hasattr(model, "code_"):
        return check_rows(model, X, reset=False)
    return coded_table(X, periodic, categorical)


def _scaling(
    X: object, rows: Rows, scaling: str | None, model: BaseMap | None
) -> tuple[Scaling | None, str]:
    """The scaling of the columns, None for columns as they are, and one line on it."""
    if scaling != "auto" or model is None:
        return fitted_scaling(X, rows, scaling)
    check_map(model)
    own = model.scaling_
    if own.is_per_column:
        return own, "columns are scaled as the map scales them"
    unlike = unlike_spreads(rows, column_labels(X))
    if unlike is not None:
        warnings.warn(unlike.warning, stacklevel=3)
    return None, ""


def _reconstruction_error(
    X: object, rows: Rows, X_hat: object, model: BaseMap | None, scaling: Scaling | None
) -> float | None:
    """Mean of ‖x − x̂‖² of scaled rows."""
    scale = 1.0 if scaling is None else scaling.scale
    if model is not None:
        collection = getattr(getattr(rows, "store", None), "collection", None)
        return float(np.mean(error_in_units(model, X if collection is None else collection, scale)))
    if X_hat is None:
        return None
    decoded = _given(X, X_hat, rows.shape)
    total = 0.0
    for where, block in row_blocks(rows):
        gap = (block.astype(np.float64) - dense(decoded[where])) / scale
        total += float(np.sum(gap**2))
    return float(total / rows.shape[0])


def _given(X: object, X_hat: object, shape: tuple[int, int]) -> Rows:
    """A reconstruction of X as rows; raises ValueError for another shape than that of X."""
    refuse_other_order(X_hat, column_labels(X), "X_hat")
    decoded: Rows = check_table(X.code(X_hat) if isinstance(X, CodedRows) else X_hat)
    if decoded.shape != shape:
        raise ValueError(
            f"X_hat has shape {decoded.shape} and X has {shape}: expected the reconstruction of each "
            "row, in the same columns"
        )
    return decoded


def _check_numbers_of_rows(rows: Rows, coordinates: Num[np.ndarray, "m d"]) -> int:
    n = int(rows.shape[0])
    if len(coordinates) != n:
        raise ValueError(
            f"X has {counted(n, 'row')} and Z has {len(coordinates)}: expected the map of each row of "
            "X, in the same order. Pass the rows that Z was computed from"
        )
    if n < 3:
        raise ValueError(
            f"X has shape {rows.shape}: expected at least 3 rows, for with fewer there are no two "
            "neighbours to confuse. Pass more rows"
        )
    return n


def _check_no_training(training: object, y: object, most: int) -> None:
    if training is not None or y is not None:
        raise ValueError(
            f"training= and y= are for rows in memory, and X has more than max_rows={most} rows in a "
            "Dask collection: call quality once more with fewer new rows, such as X[:1000].compute()"
        )


def _check_neighbours(k: int | Sequence[int], n: int) -> tuple[int, ...]:
    ks = tuple(check_integer("k", one, 1) for one in np.atleast_1d(k).tolist())
    if not ks:
        raise ValueError("k holds no number: expected at least one number of neighbours, such as 10")
    if max(ks) > n - 1:
        raise ValueError(
            f"k={max(ks)} neighbours were asked for, and each of {counted(n, 'row')} has "
            f"{counted(n - 1, 'other')}. Pass k ≤ {n - 1}, or more rows"
        )
    return ks


def _width(Z: Sums) -> int:
    """Columns, where there are any; check_coordinates says what is wrong with the rest."""
    try:
        return int(np.shape(Z)[1])
    except (ValueError, TypeError, IndexError):
        return 0
