"""The denoising auto-encoder: a map that restores a row from what noise has left of it.

L = ⟨‖f(x + η) − x‖²⟩ over rows and draws of the noise (lecture notes, "Denoising auto-encoders"; Vincent
et al. 2010, "Stacked denoising autoencoders", JMLR 11:3371). What noise moves across the data is
wiped out and what it cannot reach is kept, so that the bottleneck has to follow the data's own
dimensions. For Gaussian noise the best f is x + σ² ∂ log p/∂x, p the density of noisy rows (Tweedie;
Alain & Bengio 2014, "What regularized auto-encoders learn from the data-generating distribution").
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import ClassVar

import numpy as np
import optax
from jaxtyping import Float

from isthmus import registry
from isthmus.data.checks import check_fitted, check_rows
from isthmus.data.moments import ColumnStatistics
from isthmus.data.rows import Rows, row_blocks
from isthmus.data.scaling import Scaling
from isthmus.estimators.base import BaseMap, decoded_rows, row_form
from isthmus.estimators.blocks import by_blocks
from isthmus.estimators.maps import Objectives, Start, TrainedMap
from isthmus.estimators.parameters import COUNT, Constraints
from isthmus.estimators.plan import Plan, as_loss, check_interval, check_loss, scaling_for
from isthmus.networks.layers import Activation
from isthmus.networks.links import Link, link_of
from isthmus.objectives.corruption import Function, Noise, TrainingRows, as_noise, bind
from isthmus.objectives.losses import Loss
from isthmus.objectives.noise import Gaussian
from isthmus.objectives.reconstruction import Reconstruction


@registry.estimators
class DenoisingAutoencoder(TrainedMap):
    """An auto-encoder trained to restore rows from noisy ones, started at PCA and never worse.

    Fresh noise is drawn at every step. An epoch is evaluated on held-out rows with noise, the same for
    each; it replaces PCA only if it denoises better by more than chance. ``transform`` and
    ``inverse_transform`` add no noise.

    Parameters
    ----------
    n_components : int, default 2
        Coordinates d, at most min(n, D). Fewer than the data's intrinsic dimension lose what noise would
        not; with d = D the map is a full denoiser, and ``score_function`` holds in all directions.
    noise : noise, callable or None, default None
        ``None`` is ``Gaussian(0.3)``. One of ``isthmus.noise``, such as ``Masking(0.3)``, or a function
        ``(x, key) -> x`` of raw rows (n, D) and a JAX random key, JAX-traceable. Choose what leaves a
        row's meaning as it is.
    draws : int, default 1
        Draws of the noise for each row in each step. One, because many steps average as well.
    widths, decoder_widths, activation, skip, skip_links, tied, loss, scaling, periodic, categorical, \
solver, learning_rate, batch_size, max_epochs, validation_fraction, patience, warm_start, \
random_state, verbose
        As for ``isthmus.Autoencoder``, with the same defaults for the same reasons.

    Attributes
    ----------
    validation_loss_, pca_validation_loss_ : float
        Mean loss of restoring the noisy held-out rows, of the model and of PCA, in scaled units.
    columns_ : ColumnStatistics
        Of the scaled features in the first fit: what the noise is measured in, also where training goes
        on with other rows.
    noise_scale_ : (D,) array or None
        Standard deviation of ``Gaussian`` noise in each feature, in its own units; None for others.
    history_, best_epoch_, scaling_, network_, code_, row_shape_, n_components_, n_features_in_, \
feature_names_in_
        As for ``isthmus.Autoencoder``.

    Raises
    ------
    ValueError, TypeError, DivergenceError
        As ``isthmus.Autoencoder``.

    Warns
    -----
    NoImprovementWarning
        If no epoch beat PCA.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> model = isthmus.DenoisingAutoencoder(
    ...     10, noise=isthmus.noise.Masking(0.3, value=0.0), widths=(64,), max_epochs=20, random_state=0
    ... ).fit(X)
    >>> isthmus.denoise(model, X[:5]).shape
    (5, 64)
    >>> model.validation_loss_ < model.pca_validation_loss_
    True
    """

    columns_: ColumnStatistics
    noise_scale_: Float[np.ndarray, " D"] | None

    _parameter_constraints: ClassVar[Constraints] = {
        **TrainedMap._parameter_constraints,
        "draws": [COUNT],
        "tied": ["boolean"],
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        noise: Noise | Function | None = None,
        draws: int = 1,
        widths: Sequence[int] = (256, 256),
        decoder_widths: Sequence[int] | None = None,
        activation: str | Activation | Sequence[str | Activation] = "silu",
        skip: str | None = "pca",
        skip_links: bool = False,
        tied: bool = False,
        loss: str | Loss = "squared",
        scaling: str | None = None,
        periodic: Mapping[Hashable, float] | None = None,
        categorical: Sequence[Hashable] | None = None,
        solver: str | optax.GradientTransformation = "adam",
        learning_rate: float | None = None,
        batch_size: int | None = None,
        max_epochs: int | None = None,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.n_components = n_components
        self.noise = noise
        self.draws = draws
        self.widths = widths
        self.decoder_widths = decoder_widths
        self.activation = activation
        self.skip = skip
        self.skip_links = skip_links
        self.tied = tied
        self.loss = loss
        self.scaling = scaling
        self.periodic = periodic
        self.categorical = categorical
        self.solver = solver
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def _check_parameters(self) -> None:
        check_loss(as_loss(self.loss), self.scaling)
        if self.noise is not None:
            as_noise(self.noise)

    def _schedule(self, n_rows: int, n_features: int, *, continues: bool) -> Plan:
        self._check_parameters()
        return Plan.of(self, n_rows, n_features, continues=continues, tied=self.tied)

    def _check_data(self, rows: Rows) -> None:
        check_interval(as_loss(self.loss), self.scaling, rows)

    def _fit_scaling(self, rows: Rows) -> Scaling:
        return scaling_for(as_loss(self.loss), self.scaling, rows)

    def _objectives(self, data: TrainingRows, start: Start, *, continues: bool) -> Objectives:
        if continues:
            data = data.with_columns(self.columns_)
        noise = Gaussian(0.3) if self.noise is None else self.noise
        corruption, aside = bind(noise, data)
        spread = noise.spread(data) * data.scaling.scale if isinstance(noise, Gaussian) else None
        fitted = {"columns_": data.columns, "noise_scale_": spread}
        loss = as_loss(self.loss)
        objective = Reconstruction(loss, corruption, self.draws)
        return Objectives(objective, Reconstruction(loss, corruption), aside, fitted)

    def _link(self) -> Link:
        return link_of(as_loss(self.loss))


@by_blocks(row_form)
def denoise(model: BaseMap, X: object) -> np.ndarray:
    """What a map makes of rows: (n, D) → (n, D), x̂ = decode(encode(x)), in the data's units, float64.

    For a ``DenoisingAutoencoder`` that is the mean of the rows that a noisy one may have come from; for
    any other map, the reconstruction.

    Parameters
    ----------
    model : fitted map
        Any map or ensemble of maps of isthmus.
    X : array-like (n, D)
        Rows, as ``model.transform`` takes them; of a collection of Dask a Dask array comes back.

    Returns
    -------
    array (n, D)
        float64; images where the map was fitted on images.

    Raises
    ------
    NotFittedError, ValueError
        What ``model.transform`` raises.

    Examples
    --------
    Waves of any frequency and phase, hidden by noise, which has a standard deviation of 0.3:

    >>> import isthmus, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> frequency, phase = rng.uniform(1, 2, (1000, 1)), rng.uniform(0, 1, (1000, 1))
    >>> clean = np.sin(frequency * np.linspace(0, 6, 30) + phase)
    >>> noisy = clean + 0.3 * rng.standard_normal(clean.shape)
    >>> model = isthmus.DenoisingAutoencoder(2, widths=(32,), max_epochs=50, random_state=0).fit(noisy)
    >>> left = np.std(isthmus.denoise(model, noisy) - clean)
    >>> bool(left < 0.15)
    True
    """
    Z = np.asarray(model.transform(X))
    return model.inverse_transform(Z)


def score_function(model: DenoisingAutoencoder, X: object) -> Float[np.ndarray, "n D"]:
    """∂ log p(x)/∂x by a denoiser: (n, D) → (n, D), (f(x) − x)/σ², per unit of each feature.

    p is the density of *noisy* rows, the data's smoothed by the noise that the model was trained with.
    With d < D coordinates it holds along the learnt surface, and across it says how far away the
    surface is. A feature without spread has no noise, and a score of 0.

    Parameters
    ----------
    model : fitted DenoisingAutoencoder
        Trained with ``isthmus.noise.Gaussian``, the default; σ is its standard deviation in each
        feature, ``noise_scale_``.
    X : array-like (n, D)
        Rows in their own units.

    Returns
    -------
    array (n, D)
        float64, in nats per unit of each feature.

    Raises
    ------
    TypeError
        For a model that was not trained with Gaussian noise.
    NotFittedError, ValueError
        What ``model.transform`` raises.

    References
    ----------
    Alain & Bengio 2014, "What regularized auto-encoders learn from the data-generating distribution",
    JMLR 15:3743; Efron 2011, "Tweedie's formula and selection bias".

    Examples
    --------
    For Gaussian data the score is −(Σ + σ²)⁻¹(x − μ), here −x/(1 + 1):

    >>> import isthmus, numpy as np
    >>> X = np.random.default_rng(0).standard_normal((2000, 1))
    >>> noise = isthmus.noise.Gaussian(1.0)
    >>> model = isthmus.DenoisingAutoencoder(1, noise=noise, widths=(), random_state=0).fit(X)
    >>> bool(abs(isthmus.score_function(model, [[1.0]])[0, 0] + 0.5) < 0.05)
    True
    """
    check_fitted(model)
    spread = getattr(model, "noise_scale_", None)
    if spread is None:
        noise = getattr(model, "noise", None)
        raise TypeError(
            f"score_function needs a DenoisingAutoencoder with Gaussian noise, got a "
            f"{type(model).__name__}" + (f" with {noise!r}" if noise is not None else "")
        )
    rows = check_rows(model, X, reset=False)
    restored = decoded_rows(model, np.asarray(model.transform(X)))
    variance = np.square(spread)
    for where, block in row_blocks(rows):
        restored[where] -= block
    score: np.ndarray = np.divide(restored, variance, out=np.zeros_like(restored), where=variance > 0)
    return score
