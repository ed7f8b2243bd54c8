"""Maps of annotated data: cells in, coordinates in ``obsm``, as the tools around AnnData keep them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from isthmus.data.checks import rows_without_names
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.base import BaseMap

if TYPE_CHECKING:
    from anndata import AnnData


def embed(
    adata: AnnData,
    model: BaseMap | None = None,
    *,
    layer: str | None = None,
    use_rep: str | None = None,
    key_added: str = "X_isthmus",
) -> BaseMap:
    """Coordinates of the observations in ``adata.obsm[key_added]``, and the map that gives them.

    A map that is fitted is applied, and another one is fitted first. Afterwards
    ``scanpy.pl.embedding(adata, key_added)`` draws it. Needs the extra ``isthmus[anndata]``, or an
    AnnData, which brings it.

    Parameters
    ----------
    adata : AnnData (n observations, D variables)
        Is changed only in ``obsm[key_added]``, (n, d), once all is done.
    model : estimator with ``fit`` and ``transform``, or None, default None
        None is ``Autoencoder(2, random_state=0)``. One that was fitted with ``embed`` knows its
        variables by name, and refuses others.
    layer : str or None, default None
        The matrix is ``adata.layers[layer]`` instead of ``adata.X``.
    use_rep : str or None, default None
        The matrix is ``adata.obsm[use_rep]``, for example "X_pca", as in scanpy.
    key_added : str, default "X_isthmus"
        Where coordinates go.

    Returns
    -------
    estimator
        The fitted map.

    Raises
    ------
    TypeError
        What is not an AnnData.
    KeyError
        A layer or a representation that it does not have.
    ValueError
        Both of them; variables other than those that the map was fitted on; rows that ``fit`` refuses.

    Examples
    --------
    With cells in ``adata``, 50 components of which are in ``obsm["X_pca"]``::

        model = isthmus.embed(adata, use_rep="X_pca")
        scanpy.pl.embedding(adata, "X_isthmus", color="cell_type")

    What it changes, with a class that has the same attributes in place of anndata's:

    >>> import isthmus, numpy as np
    >>> class AnnData:
    ...     X = np.random.default_rng(0).standard_normal((60, 4))  # 60 cells of 4 genes
    ...     var_names, layers, obsm = ["Cd3", "Cd4", "Cd8", "Cd19"], {}, {}
    >>> adata = AnnData()
    >>> model = isthmus.embed(adata, isthmus.LinearAutoencoder(2))
    >>> adata.obsm["X_isthmus"].shape, model.feature_names_in_.tolist()
    ((60, 2), ['Cd3', 'Cd4', 'Cd8', 'Cd19'])
    """
    if type(adata).__name__ != "AnnData":
        raise TypeError(
            f"adata is a {type(adata).__name__}, expected an AnnData. For a table, use fit and transform"
        )
    if model is None:
        model = Autoencoder(2, random_state=0)
    rows, names = _matrix(adata, layer, use_rep)
    if hasattr(model, "n_features_in_"):
        known = getattr(model, "feature_names_in_", None)
        if known is not None and names is not None and list(known) != list(names):
            raise ValueError(
                f"adata has {len(names)} variables, {_some(names)}, and the map was fitted on "
                f"{len(known)} others or in another order, {_some(known)}: use adata[:, "
                "model.feature_names_in_]"
            )
    else:
        model.fit(rows)
        if names is not None:
            model.feature_names_in_ = names
    were_compared = names is not None
    with rows_without_names() if were_compared else contextlib.nullcontext():
        adata.obsm[key_added] = model.transform(rows)
    return model


def _matrix(
    adata: AnnData, layer: str | None, use_rep: str | None
) -> tuple[Any, np.ndarray | None]:  # an array or a matrix of SciPy
    """The matrix asked for, in memory, and the names of its columns if these are variables."""
    if layer is not None and use_rep is not None:
        raise ValueError(f"layer={layer!r} and use_rep={use_rep!r} are two matrices: give one of them")
    if use_rep is not None:
        if use_rep not in adata.obsm:
            raise KeyError(f"use_rep={use_rep!r}: adata.obsm has {sorted(adata.obsm) or 'nothing'}")
        return adata.obsm[use_rep], None
    if layer is not None and layer not in adata.layers:
        raise KeyError(f"layer={layer!r}: adata.layers has {sorted(adata.layers) or 'nothing'}")
    rows = cast(Any, adata.X if layer is None else adata.layers[layer])
    if rows is None:
        raise ValueError("adata.X is None: name a layer, or a representation by use_rep")
    if hasattr(rows, "to_memory"):
        rows = rows.to_memory()
    return rows, np.asarray(adata.var_names, dtype=object)


def _some(names: np.ndarray) -> str:
    return ", ".join(map(str, names[:3])) + (", …" if len(names) > 3 else "")
