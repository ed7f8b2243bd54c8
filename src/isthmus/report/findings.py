"""What is found about data and a map of them, as records: all that the page shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.neighbors import NearestNeighbors

from isthmus.comparison import ComparisonReport
from isthmus.data.coding import ColumnCode
from isthmus.data.scaling import Scaling
from isthmus.diagnostics.dimension.choice import DimensionChoice
from isthmus.diagnostics.geometry import Distortion
from isthmus.diagnostics.hidden import Hidden
from isthmus.diagnostics.loadings import Loadings
from isthmus.diagnostics.quality.result import Quality
from isthmus.diagnostics.reliability import Reliability
from isthmus.estimators.base import BaseMap


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
            float(between(Z, values) @ spread / spread.sum()) if spread.any() else 0.0,
            float(np.mean(which[nearest[:, 0]] == which)),
            float(np.sum(sizes * (sizes - 1)) / (len(Z) * (len(Z) - 1))),
        )


@dataclass(frozen=True)
class Findings:
    """What ``gather`` found about data and a map of them: all that the page shows, as records.

    Measures of distances are of scaled rows; loadings and what ``in_raw_units`` gives are in the units
    of the data.

    Attributes
    ----------
    data, label_name : str, and str or None
        Names of the rows and of the labels.
    rows : array (n, D)
        The rows, scaled by ``scaling``; angles and categories are coded.
    scaling : Scaling
        Center and scale of each column, by the rows of the fit.
    kind, units : str or None, and str
        Name of the scaling, None for rows as they are, and why they were scaled, empty if they were not.
    labels : array (n,) or None
        A class or a number for each row.
    feature_names : tuple of str
        Of the D columns.
    model : estimator
        The map, fitted on the rows in ``train``.
    train, test : arrays (m,) and (k,)
        Indices of rows: those of the fit, and the others.
    coordinates : array (n, d)
        Of all rows.
    reconstruction_error, variance_left_out : float
        Mean error of the rows in ``test``, and its share of their variance.
    quality : Quality
        Of the rows in ``test``.
    dimension : DimensionChoice
        How many dimensions the rows in ``train`` have.
    comparison : ComparisonReport
        Of other methods with the same rows.
    distortion : Distortion
        How the map stretches and turns at the rows in ``train``.
    reliability : Reliability
        Of the rows in ``train``, calibrated on those in ``test``.
    loadings : Loadings
        At the rows in ``train``, in the units of the data.
    notes : tuple of str
        Warnings of the fit.
    hidden : Hidden or None
        What of the labels of the rows in ``test`` the map leaves out; None without labels.
    told_apart : dict
        The columns that differ most between the classes of ``labels``, each with the share of its
        variance that lies between them.
    of_categories : dict
        Of each categorical column, how much of the map it is.
    code : ColumnCode or None
        That of angles and categories; None without any.

    Examples
    --------
    >>> import isthmus
    >>> from isthmus import report
    >>> from sklearn.datasets import make_s_curve
    >>> X, _ = make_s_curve(200, random_state=0)
    >>> found = report.gather(X, model=isthmus.LinearAutoencoder(2), methods="PCA")
    >>> len(found.train), len(found.test), found.coordinates.shape
    (150, 50, (200, 2))
    >>> print(f"{found.variance_left_out:.0%} of the variance is left out")
    14% of the variance is left out
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
        """Scaled rows (m, D), such as the map decodes, in the units of the data.

        Parameters
        ----------
        rows : array (m, D)
            Such as ``model.inverse_transform`` gives; angles and categories stay coded.

        Returns
        -------
        array (m, D)

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> from isthmus import report
        >>> from sklearn.datasets import make_s_curve
        >>> X, _ = make_s_curve(200, random_state=0)
        >>> pca = isthmus.LinearAutoencoder(2)
        >>> found = report.gather(X, model=pca, methods="PCA", scaling="standard")
        >>> np.allclose(found.in_raw_units(found.rows), X)
        True
        """
        raw: Float[np.ndarray, "m D"] = rows * self.scaling.scale + self.scaling.center
        return raw


def between(values: Float[np.ndarray, "n k"], labels: np.ndarray) -> Float[np.ndarray, " k"]:
    """The share of each column's variance that lies between classes; 0 for a column without one."""
    _, which, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    centred = values - values.mean(axis=0)
    means = np.stack([centred[which == i].mean(axis=0) for i in range(len(sizes))])
    total = np.mean(centred**2, axis=0)
    share = np.divide(sizes @ means**2 / len(values), total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(share)
