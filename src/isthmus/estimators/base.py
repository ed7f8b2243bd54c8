"""What every map has in common: apply, invert, score, and the two pure functions."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Protocol, Self

import numpy as np
from jaxtyping import Array, Float, Num
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from isthmus.data.checks import check_coordinate_columns, check_coordinates, check_rows
from isthmus.data.coding import ColumnCode
from isthmus.data.conversion import as_rows
from isthmus.data.rows import FLOAT32, FLOAT64, Rows, row_blocks
from isthmus.data.scaling import Scaling
from isthmus.data.units import unlike_spreads
from isthmus.estimators.blocks import Form, by_blocks
from isthmus.estimators.notebook import fitted_html
from isthmus.networks.applying import apply, widest_layer
from isthmus.networks.fitted import CodedDecoder, CodedEncoder, FittedMap


def _coordinate_form(model: BaseMap, _: object) -> Form:
    return (model.n_components_,), FLOAT32


def row_form(model: BaseMap, _: object) -> Form:
    """Shape and type of the rows that a map decodes to."""
    example = as_given(model, np.zeros((1, width_of(model))))
    return example.shape[1:], example.dtype


def _error_form(model: object, _: object) -> Form:
    return (), FLOAT64


class BaseMap(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, metaclass=ABCMeta):
    """An explicit, differentiable, invertible map R^D → R^d, as a scikit-learn transformer.

    A fitted map has ``network_`` (raw data in, coordinates out), ``history_`` and
    ``n_features_in_``. ``encode`` and ``decode`` are pure and JAX-traceable; everything else in the
    library is built on these two.
    """

    HELD_OUT_ROWS_CHOOSE: ClassVar[str] = "nothing"
    """What held-out rows choose of a map while it is fitted."""

    network_: FittedMap
    scaling_: Scaling
    n_features_in_: int
    code_: ColumnCode
    scaling: str | None

    @abstractmethod
    def fit(self, X: object, y: object = None) -> Self:
        """Learn the map from rows (n, D).

        Parameters
        ----------
        X : array-like (n, D), or images (n, height, width) or (n, height, width, c)
            Rows, in their own units.
        y : object, default None
            Ignored; it is there for pipelines.

        Returns
        -------
        self
            The fitted map.

        Examples
        --------
        >>> import isthmus
        >>> from sklearn.datasets import load_iris
        >>> isthmus.LinearAutoencoder(2).fit(load_iris().data).n_components_
        2
        """

    @property
    def training_in_words(self) -> str:
        """Where training began and what was kept, in sentences; empty without training."""
        return ""

    @property
    def n_components_(self) -> int:
        """Number of coordinates d of the fitted map."""
        return self.network_.n_coordinates

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    @property
    def _widest(self) -> int:
        """Most numbers that a row is at any place of the map, for the memory of blocks."""
        return widest_layer(self.network_)

    @property
    def encode(self) -> Callable[[Float[Array, "... D"]], Float[Array, "... d"]]:
        """The pure function z = f(x) in raw units, (..., D) → (..., d): traceable, and itself a pytree.

        Computes in the precision of JAX, float32 unless the caller enabled 64 bits. ``transform`` is
        the same function for arrays and tables of any size. A category that is a text is its place
        among the categories, from 0. Raises NotFittedError before ``fit``.

        Examples
        --------
        The derivative of z = W (x − x̄) is W itself:

        >>> import isthmus, jax, numpy as np
        >>> from sklearn.datasets import load_iris
        >>> X = load_iris().data
        >>> model = isthmus.LinearAutoencoder(2).fit(X)
        >>> J = jax.jacobian(model.encode)(X[0])  # (4,) → (2, 4)
        >>> np.allclose(J, model.components_, atol=1e-6)
        True
        """
        check_is_fitted(self)
        code = getattr(self, "code_", None)
        return self.network_.encode if code is None else CodedEncoder(code, self.network_)

    @property
    def decode(self) -> Callable[[Float[Array, "... d"]], Float[Array, "... D"]]:
        """The pure function x̂(z) in raw units, (..., d) → (..., D): traceable, and itself a pytree.

        Computes in the precision of JAX, float32 unless the caller enabled 64 bits;
        ``inverse_transform`` is the same function for arrays of any size. Raises NotFittedError before
        ``fit``.

        Examples
        --------
        z = 0 decodes to the mean of the data, for PCA:

        >>> import isthmus, numpy as np
        >>> from sklearn.datasets import load_iris
        >>> X = load_iris().data
        >>> model = isthmus.LinearAutoencoder(2).fit(X)
        >>> np.allclose(model.decode(np.zeros(2)), X.mean(axis=0), atol=1e-6)
        True
        """
        check_is_fitted(self)
        code = getattr(self, "code_", None)
        return self.network_.decode if code is None else CodedDecoder(code, self.network_)

    @by_blocks(_coordinate_form)
    def transform(self, X: object) -> Float[np.ndarray, "n d"]:
        """Coordinates z of rows: (n, D) → (n, d), float32.

        Row-wise: each row's coordinates depend on that row alone. A row that is far from all that the
        map was fitted to has coordinates, too, and nothing in them tells: ``isthmus.reliability`` flags
        such rows. Reads the rows in blocks, so the extra memory does not grow with n.

        Parameters
        ----------
        X : array-like (n, D), images as in ``fit``, or rows that are kept elsewhere
            Rows in their own units. Of an array or a data frame of Dask a Dask array comes back, which
            is computed block by block when it is used.

        Returns
        -------
        array (n, d)
            float32; with ``set_output`` a data frame of pandas or Polars.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            For NaN, infinity, text, or another number of features than ``fit`` saw.

        Examples
        --------
        >>> import isthmus
        >>> from sklearn.datasets import load_iris
        >>> X = load_iris().data
        >>> model = isthmus.LinearAutoencoder(2).fit(X)
        >>> Z = model.transform(X)
        >>> Z.shape
        (150, 2)
        >>> bool(abs(Z[:1] - model.transform(X[:1])).max() < 1e-6)  # the row alone decides
        True
        """
        check_is_fitted(self)
        return apply(
            self.network_.encode_centred,
            check_rows(self, X, reset=False),
            center=self.scaling_.center,
            width=self._n_features_out,
            widest=self._widest,
        )

    @by_blocks(row_form, lambda model, Z: check_coordinate_columns(Z, model.n_components_))
    def inverse_transform(self, Z: object) -> np.ndarray:
        """Rows that coordinates decode to: (n, d) → (n, D), in the data's units, float64.

        Parameters
        ----------
        Z : array-like (n, d)
            Coordinates: those of rows, or of any other point of the map. Of a Dask array a Dask array
            comes back, which is decoded block by block when it is used.

        Returns
        -------
        array (n, D)
            float64. A map that was fitted on images gives images, (n, height, width) or
            (n, height, width, c); one with categories that are texts gives an array of objects.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            For NaN, infinity or another number of columns than the map has coordinates.

        Examples
        --------
        With as many coordinates as features, decoding gives the rows back:

        >>> import isthmus
        >>> from sklearn.datasets import load_iris
        >>> X = load_iris().data
        >>> model = isthmus.LinearAutoencoder(4).fit(X)
        >>> X_hat = model.inverse_transform(model.transform(X))
        >>> X_hat.shape, bool(abs(X_hat - X).max() < 1e-9)
        ((150, 4), True)
        """
        check_is_fitted(self)
        return as_given(self, self._decoded(check_points(self, Z)))

    def _decoded(self, coordinates: Num[np.ndarray, "n d"]) -> Float[np.ndarray, "n width"]:
        """Rows as the network takes them, in their own units, that checked coordinates decode to."""
        return apply(
            self.network_.decode_centred,
            coordinates,
            add=self.scaling_.center,
            width=width_of(self),
            dtype=np.float64,
            widest=self._widest,
        )

    def score(self, X: object, y: object = None) -> float:
        """−mean ‖x − x̂‖² over the rows of X, in the data's squared units: the higher the better.

        The same for every loss, so that a grid search may compare losses.

        Parameters
        ----------
        X : array-like (n, D)
            Rows, best such as the map was not fitted to. The mean of a collection of Dask is taken where
            Dask computes.
        y : object, default None
            Ignored; it is there for pipelines.

        Returns
        -------
        float
            Minus the mean of ``isthmus.reconstruction_error``. Raises what ``transform`` raises.

        Examples
        --------
        One coordinate of four points at (±2, 0) and (0, ±1) leaves out the second axis, where two rows
        have a square of 1 and two of 0:

        >>> import isthmus
        >>> X = [[2, 0], [-2, 0], [0, 1], [0, -1]]
        >>> round(isthmus.LinearAutoencoder(1).fit(X).score(X), 6)  # −(0 + 0 + 1 + 1)/4
        -0.5
        """
        return -float(np.mean(reconstruction_error(self, X)))

    def __getstate__(self) -> dict[str, object]:
        """Without the rows that are kept for the picture in a notebook."""
        return {name: value for name, value in super().__getstate__().items() if name != "_some_rows"}

    def _repr_html_inner(self) -> str:
        return str(super()._repr_html_inner()) + fitted_html(self)

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, str]:
        bundle: dict[str, str] = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:
            bundle["text/html"] = self._repr_html_inner()
        return bundle

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def check_points(model: BaseMap, Z: object) -> Num[np.ndarray, "n d"]:
    """Coordinates (n, d) of a map, numeric and finite; named ones in the order of ``transform``."""
    named = hasattr(model, "get_feature_names_out")  # what has the two pure functions alone has not
    names = model.get_feature_names_out() if named else None
    return check_coordinates(Z, model.n_components_, names)


class Scaled(Protocol):
    """A fitted model, as far as the numbers in its rows are concerned."""

    scaling_: Scaling


def width_of(model: Scaled) -> int:
    """Numbers in a row as the network takes it: the features, but for angles and categories."""
    return len(model.scaling_.center)


def units_of(model: Scaled) -> Float[np.ndarray, " width"]:
    """What columns are divided by where rows are compared: as the map scales them, 1 if it does not."""
    scale = model.scaling_.scale
    return scale if model.scaling_.is_per_column else np.ones_like(scale)


def given_names_of(model: object) -> list[str] | None:
    """Names of the numbers in a row as the network takes it; None if the data came without."""
    if hasattr(model, "code_"):
        names: list[str] = model.code_.names
        return names
    features = getattr(model, "feature_names_in_", None)
    return None if features is None else list(map(str, features))


def column_names_of(model: Scaled) -> list[str]:
    """The same, and x0, x1, … where the data came without."""
    names = given_names_of(model)
    return [f"x{j}" for j in range(width_of(model))] if names is None else names


def unlike_scales(model: BaseMap, rows: Rows) -> list[Warning]:
    """That columns of a fit have unlike spreads, where nothing scales them."""
    unlike = None if model.scaling is not None else unlike_spreads(rows, column_names_of(model))
    return [] if unlike is None else [unlike.warning]


def as_given(model: object, rows: Float[np.ndarray, "n width"]) -> np.ndarray:
    """Rows as the network takes them, as the data of the fit came: images, angles, categories."""
    if hasattr(model, "code_"):
        table: np.ndarray = model.code_.rows(rows)
        return table
    return rows.reshape(len(rows), *getattr(model, "row_shape_", rows.shape[1:]))


def spread_as_given(model: object, std: Float[np.ndarray, "n width"]) -> Float[np.ndarray, "n ..."]:
    """Standard deviations of these numbers as those of the data's entries."""
    return model.code_.spread(std) if hasattr(model, "code_") else as_given(model, std)


def decoded_rows(model: BaseMap, Z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n width"]:
    """x̂ of coordinates as the network gives it: flat rows, with the code of angles and categories."""
    if hasattr(model, "code_"):
        return model._decoded(check_coordinates(Z, model.n_components_))
    return np.reshape(model.inverse_transform(Z), (len(Z), -1))


@by_blocks(_error_form)
def reconstruction_error(model: BaseMap, X: object) -> Float[np.ndarray, " n"]:
    """‖x − x̂‖² of each row, x̂ = decode(encode(x)): (n, D) → (n,), in the data's squared units.

    For a linear map the mean over the training rows is the sum of the left-out eigenvalues of the
    covariance, times (n − 1)/n. Reads and decodes the rows in blocks.

    Parameters
    ----------
    model : fitted map
        Any map or ensemble of maps of isthmus.
    X : array-like (n, D)
        Rows, as ``model.transform`` takes them. Entries that are NaN, where the map takes them, are
        left out. The distance of angles is that of their points on a circle, and of categories that of
        their codes.

    Returns
    -------
    array (n,)
        float64; of a collection of Dask a Dask array, which is computed when it is used.

    Raises
    ------
    NotFittedError, ValueError
        What ``model.transform`` raises.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = isthmus.LinearAutoencoder(n_components=4).fit(X)
    >>> bool(isthmus.reconstruction_error(model, X).max() < 1e-9)
    True
    >>> X = [[2, 0], [-2, 0], [0, 1], [0, -1]]  # the first axis is kept, the second left out
    >>> isthmus.reconstruction_error(isthmus.LinearAutoencoder(1).fit(X), X).round(6).tolist()
    [0.0, 0.0, 1.0, 1.0]
    """
    return squared_gaps(model, X, model.transform(X))


@by_blocks(_error_form)
def error_in_units(
    model: BaseMap, X: object, units: Float[np.ndarray, " width"] | float
) -> Float[np.ndarray, " n"]:
    """``reconstruction_error`` of columns that are divided by these units."""
    return squared_gaps(model, X, model.transform(X), units)


def squared_gaps(
    model: BaseMap,
    X: object,
    Z: Float[np.ndarray, "n d"],
    units: Float[np.ndarray, " width"] | float = 1.0,
) -> Float[np.ndarray, " n"]:
    """``reconstruction_error`` of rows whose coordinates Z (n, d) are there already.

    ``units`` are what columns are divided by.
    """
    rows = check_rows(model, X, reset=False) if hasattr(model, "code_") else as_rows(X)
    errors = np.empty(len(Z))
    for where, block in row_blocks(rows):
        gap = (block.astype(np.float64) - decoded_rows(model, Z[where])) / units
        gap[np.isnan(gap)] = 0.0
        errors[where] = np.einsum("ij,ij->i", gap, gap)
    return errors
