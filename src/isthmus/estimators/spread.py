"""How far the members of an ensemble of maps disagree on rows: an error bar of each coordinate."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from sklearn.utils.validation import check_is_fitted

from isthmus.data.checks import check_rows
from isthmus.data.rows import FLOAT32
from isthmus.estimators.blocks import by_blocks
from isthmus.estimators.ensemble import Ensemble, is_map
from isthmus.networks.alignment import MeanMap
from isthmus.networks.applying import apply, widest_layer


@by_blocks(lambda model, _: ((model.n_components_,), FLOAT32))
def coordinate_spread(ensemble: Ensemble, X: object) -> Float[np.ndarray, "n d"]:
    """How far the members of an ensemble of maps disagree on rows: (n, D) → (n, d), float32.

    The standard deviation over the members (divisor M − 1) of each coordinate of each row, in the common
    frame and in the coordinates' units: the error bar that says whether another seed would tell the same
    story. That of ``ensemble.transform`` itself is smaller, by √M.

    Parameters
    ----------
    ensemble : fitted Ensemble of maps
        Of two members at least.
    X : array-like (n, D)
        Rows, as ``transform`` takes them; of a collection of Dask a Dask array comes back.

    Returns
    -------
    array (n, d)
        float32.

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        For anything but an ensemble of maps.
    ValueError
        For one member, and for what ``transform`` refuses.

    Examples
    --------
    PCA leaves nothing to chance:

    >>> import isthmus
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = isthmus.Ensemble(isthmus.LinearAutoencoder(2), n_members=3).fit(X)
    >>> spread = isthmus.coordinate_spread(model, X)
    >>> spread.shape, bool(spread.max() < 1e-5)
    ((150, 2), True)
    """
    if not isinstance(ensemble, Ensemble) or not is_map(ensemble):
        raise TypeError(
            f"coordinate_spread needs an isthmus.Ensemble of maps, got {ensemble!r}: fit "
            "isthmus.Ensemble(isthmus.Autoencoder(2))"
        )
    check_is_fitted(ensemble)
    if len(ensemble.members_) < 2:
        raise ValueError("one member has no spread: fit an ensemble with n_members=2 or more")
    rows = check_rows(ensemble, X, reset=False)
    network: MeanMap = ensemble.network_
    return apply(
        network.spread_centred,
        rows,
        center=ensemble.scaling_.center,
        width=ensemble.n_components_,
        widest=widest_layer(ensemble.members_[0].network_),
    )
