"""Derivatives of a fitted map, in raw units."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float
from sklearn.utils.validation import check_is_fitted

from isthmus.applying import map_rows
from isthmus.checks import check_coordinates, check_rows


def jacobian(model: Any, X: Any) -> Float[np.ndarray, "n d D"]:
    """∂z/∂x of a fitted map at each row: (n, D) → (n, d, D).

    ``jacobian(model, X)[i, k, j]`` is how much coordinate k moves per unit of feature j, in raw units,
    at row i. Computed by reverse-mode differentiation, d passes per row, in float32. Raises
    NotFittedError before ``fit``, and ValueError for what ``transform`` refuses.

    Examples
    --------
    For a linear map it is the matrix of components, everywhere:

    >>> import isthmus
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = isthmus.LinearAutoencoder(2).fit(X)
    >>> J = isthmus.jacobian(model, X)
    >>> J.shape
    (150, 2, 4)
    >>> bool(abs(J - model.components_).max() < 1e-6)
    True
    """
    check_is_fitted(model)
    rows = check_rows(model, X, reset=False)
    d, D = model.n_components_, model.n_features_in_
    out = np.empty((rows.shape[0], d, D), np.float32)
    return map_rows(partial(_reverse_jacobian, model.encode), rows, out, widest=d * D)


def decoder_jacobian(model: Any, Z: Any) -> Float[np.ndarray, "n D d"]:
    """∂x̂/∂z of a fitted map at each point of the plane: (n, d) → (n, D, d).

    ``decoder_jacobian(model, Z)[i, j, k]`` is how much feature j of the decoded row moves per unit of
    coordinate k, in raw units. Its columns span the tangent of the learnt surface. Computed by
    forward-mode differentiation, d passes per row, in float32. Raises NotFittedError before ``fit``,
    and ValueError for what ``inverse_transform`` refuses.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = isthmus.LinearAutoencoder(2).fit(X)
    >>> isthmus.decoder_jacobian(model, model.transform(X)).shape
    (150, 4, 2)
    """
    check_is_fitted(model)
    coordinates = check_coordinates(Z, model.n_components_)
    d, D = model.n_components_, model.n_features_in_
    out = np.empty((len(coordinates), D, d), np.float32)
    return map_rows(partial(_forward_jacobian, model.decode), coordinates, out, widest=d * D)


@eqx.filter_jit
def _reverse_jacobian(
    function: Callable[[Array], Array], x: Float[Array, "n D"]
) -> Float[Array, "n d D"]:
    rows: Array = jax.vmap(jax.jacrev(function))(x)
    return rows


@eqx.filter_jit
def _forward_jacobian(
    function: Callable[[Array], Array], z: Float[Array, "n d"]
) -> Float[Array, "n D d"]:
    rows: Array = jax.vmap(jax.jacfwd(function))(z)
    return rows
