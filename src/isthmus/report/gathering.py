"""A map is fitted, and everything that the page shows of it is computed."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import train_test_split

from isthmus.comparison import Method, compare
from isthmus.comparison.methods import chosen
from isthmus.data.checks import check_rows
from isthmus.data.coding import CodedRows, code_of, coded_table, in_code
from isthmus.data.frames import column_labels
from isthmus.data.rows import dense
from isthmus.data.scaling import Scaling
from isthmus.data.targets import are_classes, check_targets
from isthmus.data.units import MOST_COLUMNS, chosen_scaling, scaled_by
from isthmus.data.wording import counted
from isthmus.diagnostics.dimension.choice import choose_dimension
from isthmus.diagnostics.geometry import distortion
from isthmus.diagnostics.hidden import Hidden, are_shared, hidden
from isthmus.diagnostics.loadings import Loadings, loadings
from isthmus.diagnostics.quality.measures import quality
from isthmus.diagnostics.reliability import reliability
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.base import BaseMap, squared_gaps
from isthmus.report.findings import Findings, OfCategory, between
from isthmus.variational.estimator import takes_scaled_columns

TEST_SIZE = 0.25
"""Share of the rows that are held out to evaluate the map."""

FEWEST_HELD_OUT = 40
"""Of few rows more are held out: reliability compares with as many at least."""

FEWEST_ROWS = 3 * FEWEST_HELD_OUT
"""Smallest number of rows: with fewer, more than a third would be held out."""

TOLD_APART = 3
"""Columns that are named for telling classes apart."""

NEIGHBOURS = (5, 10, 50)
"""Numbers of neighbours k of the measures of quality."""


def gather(
    X: object,
    y: ArrayLike | None = None,
    *,
    model: BaseMap | None = None,
    methods: Sequence[str | Method] | str | Method | None = None,
    scaling: str | None = "auto",
    periodic: Mapping[Hashable, float] | None = None,
    categorical: Sequence[Hashable] | None = None,
    data: str = "data",
    label_name: str | None = None,
    random_state: int = 0,
) -> Findings:
    """Fit a map to rows X (n, D) and compute what the page shows: a minute or a few.

    Parameters
    ----------
    X : array-like (n, D), n ≥ 120, finite
        The rows. Columns with names keep them.
    y : array-like (n,) or None, default None
        Classes or numbers, as of ``isthmus.compare``: they colour the map, and are predicted from it in
        the comparison. The map does not see them.
    model : estimator or None, default None
        The map, with two coordinates or more; a copy of it is fitted. None: ``Autoencoder(2)``.
    methods : sequence of names and Method, default None
        Methods that it is compared with, as of ``isthmus.compare``; checked before any work. None: all.
    scaling : {"auto", None, "standard", "range", "robust"}, default "auto"
        Of the columns, before the map and everything else, by the rows of the fit; as of
        ``isthmus.compare``. A map with a scaling of its own has that instead. A loss or a likelihood of
        shares, or of counts, takes rows as they are.
    periodic, categorical : dict and list, or None, default None
        Columns that are angles, and categories, as of ``isthmus.Autoencoder``. The page
        shows them as the network sees them: points on circles, and columns of zeros and ones.
    data, label_name : str
        Names of the rows and of the labels.
    random_state : int, default 0
        Seed of the split and of everything after it.

    Raises
    ------
    ValueError, TypeError
        For fewer than 120 rows, a map of one coordinate, methods that are not known, and what ``fit``
        and ``compare`` refuse.

    Returns
    -------
    Findings
        All results, as records; ``isthmus.report.write`` makes a page of them.

    Examples
    --------
    >>> import isthmus
    >>> from isthmus import report
    >>> from sklearn.datasets import make_s_curve
    >>> X, t = make_s_curve(200, random_state=0)
    >>> pca = isthmus.LinearAutoencoder(2)
    >>> found = report.gather(X, t > 0, model=pca, methods="PCA", label_name="half")
    >>> found.dimension.dimension
    2
    >>> print(found.hidden_in_words.partition(",")[0])
    What the map leaves out tells nothing more of half than the map itself
    """
    every = chosen(methods)
    X = coded_table(X, periodic, categorical)
    rows, names = _checked_rows(X)
    labels = None if y is None else check_targets(y, len(rows)).labels
    map_ = _unfitted(Autoencoder(2) if model is None else model, random_state)
    test_size = max(TEST_SIZE, FEWEST_HELD_OUT / len(rows))
    train, test = train_test_split(np.arange(len(rows)), test_size=test_size, random_state=random_state)
    kind, units, scaled = None, "", Scaling.none(rows.shape[1])
    if takes_scaled_columns(map_):
        kind, units = chosen_scaling(_take_scaling(map_) or scaling, rows, column_labels(X))
    if kind is not None:
        scaled, units = Scaling.fit(kind, in_code(rows[train], code_of(X))), units or scaled_by(kind)
        rows = scaled(rows, np.float64)
    notes = _fit(map_, rows[train])
    Z = np.asarray(map_.transform(rows), np.float64)
    _check_plane(Z.shape[1])
    error = float(np.mean(squared_gaps(map_, rows[test], Z[test])))
    spread = float(np.mean(np.sum(np.square(rows[test] - rows[train].mean(axis=0)), axis=1)))
    return Findings(
        data=data,
        rows=rows,
        scaling=scaled,
        kind=kind,
        units=units,
        labels=labels,
        label_name=label_name,
        feature_names=names,
        model=map_,
        train=train,
        test=test,
        coordinates=Z,
        reconstruction_error=error,
        variance_left_out=error / spread if spread else 0.0,
        quality=quality(
            rows[test],
            Z[test],
            k=tuple(k for k in NEIGHBOURS if k < len(test) / 2),
            training=(rows[train], Z[train]),
            scaling=None,
            random_state=random_state,
        ),
        dimension=choose_dimension(rows[train], scaling=None, random_state=random_state),
        comparison=compare(
            rows,
            labels,
            every,
            Z.shape[1],
            scaling=None,
            target_name=label_name,
            test_size=test_size,
            random_state=random_state,
        ),
        distortion=distortion(map_, Z[train]),
        reliability=reliability(map_, rows[train], rows[test], random_state=random_state),
        loadings=_raw_loadings(map_, rows[train], names, scaled),
        notes=notes,
        hidden=_hidden(map_, rows[test], labels if labels is None else labels[test], random_state),
        told_apart=_told_apart(rows, names, labels),
        of_categories=_of_categories(X, Z),
        code=code_of(X),
    )


def _checked_rows(X: object) -> tuple[Float[np.ndarray, "n D"], tuple[str, ...]]:
    """The rows as numbers, and the names of their columns."""
    checked = BaseEstimator()
    rows = np.asarray(dense(check_rows(checked, X, reset=True)), np.float64)
    if len(rows) < FEWEST_ROWS:
        raise ValueError(
            f"X has {counted(len(rows), 'row')}: expected {FEWEST_ROWS} at least, because "
            f"{FEWEST_HELD_OUT} of them evaluate the map. Pass more rows, or use isthmus.quality"
        )
    known = X.code.names if isinstance(X, CodedRows) else [f"x{j}" for j in range(rows.shape[1])]
    return rows, tuple(map(str, getattr(checked, "feature_names_in_", known)))


def _raw_loadings(
    model: BaseMap, rows: Float[np.ndarray, "m D"], names: tuple[str, ...], scaling: Scaling
) -> Loadings:
    """Loadings at scaled rows, in the units of the data."""
    local = loadings(model, rows)
    return Loadings(local.values * scaling.scale, names, local.scale * scaling.scale)


def _unfitted(model: BaseMap, random_state: int) -> BaseMap:
    """A copy of a map of two coordinates or more, with this seed where it has none of its own."""
    copy: BaseMap = clone(model)
    parameters = copy.get_params()
    # A share of the variance, as PCA takes it, is a number of coordinates only after the fit.
    _check_plane(parameters.get("n_components"))
    if parameters.get("random_state", 0) is None:
        copy.set_params(random_state=random_state)
    return copy


def _fit(model: BaseMap, rows: Float[np.ndarray, "m D"]) -> tuple[str, ...]:
    """Fit a map; the warnings that it gives, each once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        model.fit(rows)
    return tuple(dict.fromkeys(str(one.message) for one in caught))


def _check_plane(n_components: object) -> None:
    if n_components == 1 and not isinstance(n_components, float):
        raise ValueError("the map has one coordinate, and the page shows a plane: use n_components=2")


def _take_scaling(model: BaseMap) -> str | None:
    """The scaling that a map, or the maps of an ensemble, would do, which the rows get instead."""
    for name, kind in model.get_params().items():
        if name.split("__")[-1] == "scaling" and kind is not None:
            model.set_params(**{name: None})
            return str(kind)
    return None


def _hidden(
    model: BaseMap, rows: Float[np.ndarray, "k D"], labels: np.ndarray | None, random_state: int
) -> Hidden | None:
    """What of their labels the map of unseen rows leaves out, if these differ and rows share them."""
    if labels is None or len(np.unique(labels)) < 2:
        return None
    if not are_shared(check_targets(labels, len(rows)), len(rows)):
        return None
    return hidden(model, rows, labels, random_state=random_state)


def _told_apart(
    rows: Float[np.ndarray, "n D"], names: Sequence[str], labels: np.ndarray | None
) -> dict[str, float]:
    """The columns that differ most between classes, each with the share of its variance between them."""
    if labels is None or not are_classes(labels) or len(names) > MOST_COLUMNS:
        return {}
    shares = between(rows, labels)
    return {names[j]: float(shares[j]) for j in np.argsort(-shares)[:TOLD_APART]}


def _of_categories(X: object, Z: Float[np.ndarray, "n d"]) -> dict[str, OfCategory]:
    """How much of the map each categorical column is."""
    if not isinstance(X, CodedRows):
        return {}
    columns = X.code.rows(np.asarray(X))
    return {
        str(X.code.labels[j]): OfCategory.of(columns[:, j].astype(str), Z) for j in X.code.categories
    }
