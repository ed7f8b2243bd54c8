"""All results that the page shows about data and a map of them, as records."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors

from isthmus.comparison import ComparisonReport, Method, compare
from isthmus.comparison.methods import chosen
from isthmus.data.checks import check_rows
from isthmus.data.coding import CodedRows, ColumnCode, code_of, coded_table, in_code
from isthmus.data.frames import column_labels
from isthmus.data.rows import dense
from isthmus.data.scaling import Scaling
from isthmus.data.targets import are_classes, check_targets
from isthmus.data.units import MOST_COLUMNS, chosen_scaling, scaled_by
from isthmus.diagnostics.dimension.choice import DimensionChoice, choose_dimension
from isthmus.diagnostics.geometry import Distortion, distortion
from isthmus.diagnostics.hidden import Hidden, hidden
from isthmus.diagnostics.loadings import Loadings, loadings
from isthmus.diagnostics.quality.measures import quality
from isthmus.diagnostics.quality.result import Quality
from isthmus.diagnostics.reliability import Reliability, reliability
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.base import BaseMap, squared_gaps
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


class OfCategory(NamedTuple):
    """How much of a map is a category.

    ``variance`` is the share of the coordinates' variance that lies between its values, ``neighbours``
    the share of the rows whose nearest in the picture has the same value, and ``by_chance`` what that
    would be if values were dealt out at random.
    """

    variance: float
    neighbours: float
    by_chance: float

    @classmethod
    def of(cls, values: np.ndarray, Z: Float[np.ndarray, "n d"]) -> OfCategory:
        spread = Z.var(axis=0)
        _, which, sizes = np.unique(values, return_inverse=True, return_counts=True)
        nearest = NearestNeighbors(n_neighbors=1).fit(Z[:, :2]).kneighbors(return_distance=False)
        return cls(
            float(_between(Z, values) @ spread / spread.sum()) if spread.any() else 0.0,
            float(np.mean(which[nearest[:, 0]] == which)),
            float(np.sum(sizes * (sizes - 1)) / (len(Z) * (len(Z) - 1))),
        )


@dataclass(frozen=True)
class Findings:
    """Results about a map of rows (n, D), fitted on three quarters of them.

    ``rows`` are scaled by ``scaling``, and so are all measures of distances; ``loadings`` and
    ``in_raw_units`` are in the units of the data. ``kind`` is the name of the scaling, None for rows as
    they are; ``units`` says why rows were scaled, and is empty where they were not. ``train`` and
    ``test`` are indices of rows, and ``labels`` holds a class or a number for each row, or is None.

    ``quality`` is of the rows in ``test``, and ``hidden`` says what of their labels the map leaves out;
    it is None without labels. ``distortion`` and ``loadings`` are at the rows in ``train``;
    ``reliability`` assesses these, calibrated on those in ``test``. ``notes`` are warnings of the fit.

    ``told_apart`` names the columns that differ most between the classes of ``labels``, each with the
    share of its variance that lies between them; ``of_categories`` says of each categorical column how
    much of the map it is. ``code`` is that of angles and categories, None without any.
    """

    data: str
    rows: Float[np.ndarray, "n D"]
    scaling: Scaling
    kind: str | None
    units: str
    labels: np.ndarray | None
    label_name: str | None
    feature_names: tuple[str, ...]
    model: BaseMap
    train: Int[np.ndarray, " m"]
    test: Int[np.ndarray, " k"]
    coordinates: Float[np.ndarray, "n d"]
    reconstruction_error: float
    variance_left_out: float
    quality: Quality
    dimension: DimensionChoice
    comparison: ComparisonReport
    distortion: Distortion
    reliability: Reliability
    loadings: Loadings
    notes: tuple[str, ...]
    hidden: Hidden | None
    told_apart: Mapping[str, float]
    of_categories: Mapping[str, OfCategory]
    code: ColumnCode | None

    @property
    def hidden_in_words(self) -> str:
        """The verdict on what of the labels the map leaves out; nothing without labels."""
        if self.hidden is None:
            return ""
        return self.hidden.verdict.replace("the target", self.label_name or "the labels")

    @property
    def parameters(self) -> dict[str, object]:
        """Those of a map that takes the data as they came: its own rows came scaled and coded."""
        found: dict[str, object] = self.model.get_params()
        if self.kind is not None:
            found["scaling"] = repr(self.kind)
        if self.code is not None:
            labels = self.code.labels
            found["periodic"] = {labels[j]: self.code.periods[j][0] for j in self.code.periods} or None
            found["categorical"] = [labels[j] for j in self.code.categories] or None
        return found

    def in_raw_units(self, rows: Float[np.ndarray, "m D"]) -> Float[np.ndarray, "m D"]:
        """Scaled rows, such as the map decodes, in the units of the data."""
        raw: Float[np.ndarray, "m D"] = rows * self.scaling.scale + self.scaling.center
        return raw


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
    """
    every = chosen(methods)
    X = coded_table(X, periodic, categorical)
    checked = BaseEstimator()
    rows = np.asarray(dense(check_rows(checked, X, reset=True)), np.float64)
    if len(rows) < FEWEST_ROWS:
        raise ValueError(
            f"X has {len(rows)} rows: expected {FEWEST_ROWS} at least, because {FEWEST_HELD_OUT} of "
            "them evaluate the map. Pass more rows, or use isthmus.quality"
        )
    known = X.code.names if isinstance(X, CodedRows) else _numbered(rows.shape[1])
    names = tuple(map(str, getattr(checked, "feature_names_in_", known)))
    labels = None if y is None else check_targets(y, len(rows)).labels
    map_ = _unfitted(Autoencoder(2) if model is None else model, random_state)
    kind, units = None, ""
    if takes_scaled_columns(map_):
        own = _take_scaling(map_)
        kind, units = chosen_scaling(scaling if own is None else own, rows, column_labels(X))
    order = np.arange(len(rows))
    test_size = max(TEST_SIZE, FEWEST_HELD_OUT / len(rows))
    train, test = train_test_split(order, test_size=test_size, random_state=random_state)
    scaled_by_train = Scaling.none(rows.shape[1])
    if kind is not None:
        scaled_by_train = Scaling.fit(kind, in_code(rows[train], code_of(X)))
        rows = scaled_by_train(rows, np.float64)
        units = units or scaled_by(kind)
    notes = _fit(map_, rows[train])
    Z = np.asarray(map_.transform(rows), np.float64)
    _check_plane(Z.shape[1])
    error = float(np.mean(squared_gaps(map_, rows[test], Z[test])))
    spread = float(np.mean(np.sum(np.square(rows[test] - rows[train].mean(axis=0)), axis=1)))
    ks = tuple(k for k in NEIGHBOURS if k < len(test) / 2)
    local = loadings(map_, rows[train])
    return Findings(
        data=data,
        rows=rows,
        scaling=scaled_by_train,
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
            k=ks,
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
        loadings=Loadings(
            local.values * scaled_by_train.scale, names, local.scale * scaled_by_train.scale
        ),
        notes=notes,
        hidden=_hidden(map_, rows[test], labels if labels is None else labels[test], random_state),
        told_apart=_told_apart(rows, names, labels),
        of_categories=_of_categories(X, Z),
        code=code_of(X),
    )


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
    """What of their labels the map of unseen rows leaves out, if these differ."""
    if labels is None or len(np.unique(labels)) < 2:
        return None
    return hidden(model, rows, labels, random_state=random_state)


def _told_apart(
    rows: Float[np.ndarray, "n D"], names: Sequence[str], labels: np.ndarray | None
) -> dict[str, float]:
    """The columns that differ most between classes, each with the share of its variance between them."""
    if labels is None or not are_classes(labels) or len(names) > MOST_COLUMNS:
        return {}
    shares = _between(rows, labels)
    return {names[j]: float(shares[j]) for j in np.argsort(-shares)[:TOLD_APART]}


def _of_categories(X: object, Z: Float[np.ndarray, "n d"]) -> dict[str, OfCategory]:
    """How much of the map each categorical column is."""
    if not isinstance(X, CodedRows):
        return {}
    columns = X.code.rows(np.asarray(X))
    return {
        str(X.code.labels[j]): OfCategory.of(columns[:, j].astype(str), Z) for j in X.code.categories
    }


def _between(values: Float[np.ndarray, "n k"], labels: np.ndarray) -> Float[np.ndarray, " k"]:
    """The share of each column's variance that lies between classes; 0 for a column without one."""
    _, which, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    centred = values - values.mean(axis=0)
    means = np.stack([centred[which == i].mean(axis=0) for i in range(len(sizes))])
    total = np.mean(centred**2, axis=0)
    share = np.divide(sizes @ means**2 / len(values), total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(share)


def _numbered(D: int) -> list[str]:
    return [f"x{j}" for j in range(D)]
