"""The linear auto-encoder, which is PCA.

With equal forward and backward weights, x̂ = WᵀW x on centred data, the mean squared error is
Tr C − Tr(W C Wᵀ) for orthonormal rows of W; its minimum is the sum of the left-out eigenvalues of C,
taken by the leading eigenvectors, and it is zero iff rank C ≤ d (lecture notes, "Linear
auto-encoder"; Baldi & Hornik 1989, "Neural networks and principal component analysis").
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import ClassVar, Self

import numpy as np
import optax
from jaxtyping import Array, Float, Num
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from isthmus import registry
from isthmus.data.checks import check_rows, unchanged_on_error
from isthmus.data.moments import PrincipalAxes, moments, principal_axes
from isthmus.data.rows import FLOAT64, Rows, ScaledRows, row_blocks
from isthmus.data.scaling import SCALINGS, Scaling
from isthmus.data.sources import ArraySource
from isthmus.data.wording import counted
from isthmus.estimators.base import BaseMap, unlike_scales
from isthmus.estimators.blocks import by_blocks, floating_of
from isthmus.estimators.history import History
from isthmus.estimators.notebook import some_of
from isthmus.estimators.parameters import COLUMN_KINDS, COUNT, FRACTION, Constraints, one_of
from isthmus.networks.fitted import DataMap
from isthmus.networks.frames import Frame
from isthmus.networks.layers import Affine, single, zeros
from isthmus.networks.links import Identity
from isthmus.networks.pairs import EncoderDecoder, MirrorShifts, PathAndCorrection
from isthmus.objectives.losses import Squared
from isthmus.training import processes
from isthmus.training.loop import train
from isthmus.training.problem import Training
from isthmus.training.solvers import Solver, constant, up_and_down

TOLERANCE = 1e-3
"""Largest ‖C Wᵀ − Wᵀ(W C Wᵀ)‖/λ₁ with which a trained W passes for an invariant subspace."""


@dataclass(frozen=True)
class TiedReconstruction:
    """½‖u − WᵀW u‖² on centred rows u."""

    def __call__(
        self, network: EncoderDecoder, batch: Float[Array, "n D"], key: Array
    ) -> Float[Array, " n"]:
        return Squared()(batch, network.decode(network.encode(batch)))


LINEAR_SOLVERS = {
    "gradient_descent": Solver(optax.identity(), constant, peak=0.25),
    "adam": Solver(optax.scale_by_adam(b2=0.99), up_and_down, peak=3e-2),
}
"""In units where λ₁ = 1 the loss has curvature at most 4, so that a rate of 1/4 is half the limit."""


@registry.estimators
class LinearAutoencoder(BaseMap):
    """PCA, as the auto-encoder that it is: one matrix W, used in both directions.

    z = W (x − x̄), x̂ = Wᵀz + x̄ with W of shape (d, D). Computes in float64 and equals
    ``sklearn.decomposition.PCA`` up to the signs, which are fixed: the entry of largest absolute
    value of each component is positive.

    Parameters
    ----------
    n_components : int, float or None, default 2
        Coordinates d, at most min(n, D); 2 because a map is to be looked at. A fraction 0 < f < 1 keeps
        as many as explain that share of the variance. ``None`` keeps all min(n, D).
    solver : {"exact", "gradient_descent", "adam"}, default "exact"
        ``"exact"``: eigenvectors of the one-pass covariance; above 2 000 features *and* rows, the
        leading singular vectors by ARPACK. The other two train W from Gaussian weights with full
        batches, and arrive at the same subspace: for learning how auto-encoders work, not for speed.
    scaling : {None, "standard", "range", "robust"}, default None
        None is PCA of the columns as they are. "standard" divides each by its standard deviation first,
        so that columns of different units count alike (PCA of the correlations);
        "range" by its range, "robust" by the distance between its quartiles. Raw rows come in and go
        out; coordinates and variances are then in scaled units.
    periodic, categorical : dict and list, or None, default None
        Columns that are angles, and categories, as of ``isthmus.Autoencoder``.
    max_epochs : int, default 5000
        Steps of a trained W. Steps needed grow with λ₁/(λ_d − λ_{d+1}).
    random_state : int, RandomState or None, default None
        Of the initial weights of a trained W.
    verbose : bool or None, default None
        Whether the progress of a trained W is shown on stderr, as of ``isthmus.Autoencoder``.

    Attributes
    ----------
    components_ : (d, D) orthonormal rows (a trained W: nearly), in the order of variance.
    mean_ : (D,)
    explained_variance_, explained_variance_ratio_ : (d,) eigenvalues λ of the covariance (divisor
        n − 1) of scaled rows, without scaling in squared data units, and their share of its trace.
    scaling_ : center and scale of each column.
    noise_variance_ : float, mean of the left-out min(n, D) − d eigenvalues.
    n_components_ : int, d.
    history_ : dict, of a trained W: "epoch", "train_loss", "learning_rate", "seconds", … per epoch.
    network_ : the same map as an Equinox module in float32.
    n_features_in_ : int, D; of images the number of pixels.
    feature_names_in_ : (D,) array of str, if X had names.
    row_shape_, code_ : if X was images, or had angles or categories, as of ``isthmus.Autoencoder``.

    Raises
    ------
    ValueError
        For NaN, infinity, text, fewer than two rows, or n_components > min(n, D).

    Notes
    -----
    The mean of ``isthmus.reconstruction_error`` over the training rows is the sum of the left-out
    eigenvalues, times (n − 1)/n.

    References
    ----------
    Baldi & Hornik 1989, "Neural networks and principal component analysis: learning from examples
    without local minima", Neural Networks 2:53-58.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = isthmus.LinearAutoencoder(n_components=0.95).fit(X)
    >>> model.transform(X).shape
    (150, 2)
    >>> model.explained_variance_ratio_.round(3)
    array([0.925, 0.053])
    """

    network_: DataMap
    components_: Float[np.ndarray, "d D"]
    mean_: Float[np.ndarray, " D"]
    explained_variance_: Float[np.ndarray, " d"]
    explained_variance_ratio_: Float[np.ndarray, " d"]
    noise_variance_: float

    _parameter_constraints: ClassVar[Constraints] = {
        "n_components": [COUNT, FRACTION, None],
        "solver": one_of(("exact", *LINEAR_SOLVERS)),
        "scaling": one_of(SCALINGS),
        **COLUMN_KINDS,
        "max_epochs": [COUNT],
        "random_state": ["random_state"],
        "verbose": ["boolean", None],
    }

    def __init__(
        self,
        n_components: float | None = 2,
        *,
        solver: str = "exact",
        scaling: str | None = None,
        periodic: Mapping[Hashable, float] | None = None,
        categorical: Sequence[Hashable] | None = None,
        max_epochs: int = 5000,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.n_components = n_components
        self.solver = solver
        self.scaling = scaling
        self.periodic = periodic
        self.categorical = categorical
        self.max_epochs = max_epochs
        self.random_state = random_state
        self.verbose = verbose

    @property
    def training_in_words(self) -> str:
        """Where training began and what was kept, as sentences below ``history_``."""
        return "Epoch 0 has random weights. No rows are held out, and the last epoch is kept."

    def fit(self, X: object, y: object = None) -> Self:
        """Learn W from rows (n, D).

        Parameters
        ----------
        X : array-like (n, D), n ≥ 2, or images (n, height, width) or (n, height, width, c)
            Rows, in their own units.
        y : object, default None
            Ignored; it is there for pipelines.

        Returns
        -------
        self
            The fitted map.

        Raises
        ------
        ValueError
            For NaN, infinity, text, fewer than two rows, or n_components > min(n, D).

        Warns
        -----
        ConvergenceWarning
            If a trained W is not yet the leading subspace.
        UnequalScalesWarning
            If columns have different units, and nothing scales them.

        Examples
        --------
        The variances of the columns are 8/3 and 2/3, and no two columns are correlated:

        >>> import isthmus
        >>> X = [[2, 0], [-2, 0], [0, 1], [0, -1]]
        >>> model = isthmus.LinearAutoencoder(2).fit(X)
        >>> model.explained_variance_.round(3).tolist()  # (4 + 4)/3 and (1 + 1)/3
        [2.667, 0.667]
        """
        with unchanged_on_error(self):
            rows = processes.shared(check_rows(self, X, reset=True, min_rows=2))
            self._validate_params()
            scaling = self._fit_scaling(rows)
            scaled: Rows = rows if self.scaling is None else ScaledRows(rows, scaling, FLOAT64)
            if self.solver == "exact":
                self._adopt_axes(self._exact_axes(scaled), rows.shape, scaling)
            else:
                self._train(scaled, scaling)
        self._some_rows = some_of(rows)
        for warning in unlike_scales(self, rows):
            warnings.warn(warning, stacklevel=2)
        return self

    @by_blocks(lambda model, X: ((model.n_components_,), floating_of(X)))
    def transform(self, X: object) -> Float[np.ndarray, "n d"]:
        """Scores z = W u of scaled rows u: (n, D) → (n, d); float32 stays float32, all else is float64.

        Parameters
        ----------
        X : array-like (n, D)
            Rows in their own units. Of an array or a data frame of Dask a Dask array comes back, which
            is computed block by block when it is used.

        Returns
        -------
        array (n, d)
            In the data's units, or in scaled ones with ``scaling``.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            For NaN, infinity, text, or another number of features than ``fit`` saw.

        Examples
        --------
        >>> import isthmus
        >>> X = [[2, 0], [-2, 0], [0, 1], [0, -1]]
        >>> model = isthmus.LinearAutoencoder(1).fit(X)
        >>> (model.transform(X) + 0.0).round(6).tolist()  # the first axis: x₁ − 0
        [[2.0], [-2.0], [0.0], [0.0]]
        """
        check_is_fitted(self)
        rows = check_rows(self, X, reset=False)
        dtype = np.float32 if rows.dtype == np.float32 else np.float64
        out = np.empty((rows.shape[0], self.n_components_), dtype)
        weight = self.components_ / self.scaling_.scale
        for where, block in row_blocks(rows):
            out[where] = (block - self.mean_) @ weight.T
        return out

    def _decoded(self, coordinates: Num[np.ndarray, "n d"]) -> Float[np.ndarray, "n D"]:
        rows: Float[np.ndarray, "n D"] = (
            coordinates @ (self.components_ * self.scaling_.scale) + self.mean_
        )
        return rows

    def _fit_scaling(self, rows: Rows) -> Scaling:
        if self.scaling is None:
            return Scaling.none(rows.shape[1])
        return Scaling.fit(self.scaling, rows)

    def _exact_axes(self, rows: Rows) -> PrincipalAxes:
        most = min(rows.shape)
        if self.n_components is None or isinstance(self.n_components, Integral):
            return principal_axes(rows, _checked_count(self.n_components, rows.shape))
        axes = principal_axes(rows)
        if axes.total_variance == 0:
            return axes.leading(1)
        share = np.cumsum(axes.variances) / axes.total_variance
        return axes.leading(min(most, int(np.searchsorted(share, self.n_components, side="right")) + 1))

    def _train(self, rows: Rows, scaling: Scaling) -> None:
        """Minimise ½‖u − WᵀW u‖² over W, then turn W within its subspace to the principal axes."""
        if isinstance(self.n_components, float):
            raise ValueError(
                f"n_components={self.n_components!r}: a fraction of the variance needs all "
                "eigenvalues; use solver='exact', or a number of components"
            )
        (n, D), d = rows.shape, _checked_count(self.n_components, rows.shape)
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        found = moments(rows)
        largest = principal_axes(rows, 1).variances[0]
        unit = float(np.sqrt(largest)) if largest > 0 else 1.0
        in_units = Scaling(found.mean, np.full(D, unit), unit)
        gaussian = rng.standard_normal((d, D)) / np.sqrt(D)
        training = Training(
            objective=TiedReconstruction(),
            network=_tied_pair(gaussian),
            source=ArraySource(ScaledRows(rows, in_units), np.arange(n)),
            solver=LINEAR_SOLVERS[self.solver],
            learning_rate=LINEAR_SOLVERS[self.solver].peak,
            batch_size=n,
            max_epochs=self.max_epochs,
            rng=rng,
            verbose=self.verbose,
        )
        (result,) = train([training])
        result.raise_if_diverged(training.learning_rate)
        trained = np.asarray(result.network.encoder.path.weight, np.float64)
        self._warn_if_not_converged(trained, found.covariance / unit**2)
        variances, rotation = np.linalg.eigh(trained @ found.covariance @ trained.T)
        components = rotation[:, ::-1].T @ trained
        total = float(np.trace(found.covariance))
        axes = PrincipalAxes.of(found.mean, components, variances[::-1], total)
        self.history_ = History(result.history, result.best_epoch)
        self._adopt_axes(axes, rows.shape, scaling)

    def _warn_if_not_converged(
        self, weight: Float[np.ndarray, "d D"], covariance: Float[np.ndarray, "D D"]
    ) -> None:
        image = covariance @ weight.T
        residual = float(np.linalg.norm(image - weight.T @ (weight @ image)))
        if residual > TOLERANCE:
            warnings.warn(
                f"W is not yet the leading subspace: ‖C Wᵀ − Wᵀ(W C Wᵀ)‖/λ₁ = {residual:.2g} after "
                f"{counted(self.max_epochs, 'epoch')}, where {TOLERANCE:g} will do. Raise max_epochs, "
                "or use solver='exact'",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _adopt_axes(self, axes: PrincipalAxes, shape: tuple[int, int], scaling: Scaling) -> None:
        d = len(axes.variances)
        left_out = min(shape) - d
        remainder = max(0.0, axes.total_variance - float(axes.variances.sum()))
        scale = scaling.scale
        # The axes go through the mean of the rows, wherever the scaling has its center.
        self.mean_ = axes.mean if self.scaling is None else axes.mean * scale + scaling.center
        self.components_ = axes.components
        self.explained_variance_ = axes.variances
        self.explained_variance_ratio_ = axes.variances / (axes.total_variance or 1.0)
        self.noise_variance_ = remainder / left_out if left_out else 0.0
        self.scaling_ = Scaling(self.mean_, scale)
        frame = Frame(single(np.eye(d)), single(np.eye(d)), zeros(d))
        pair = _tied_pair(axes.components)
        self.network_ = DataMap(single(self.mean_), pair, frame, single(scale), Identity())

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _tied_pair(weight: Float[np.ndarray, "d D"]) -> EncoderDecoder:
    encoder = PathAndCorrection(Affine(single(weight), None), None, None)
    return EncoderDecoder(encoder, MirrorShifts(None, (), None))


def _checked_count(n_components: float | None, shape: tuple[int, int]) -> int:
    n, D = shape
    if n_components is None:
        return min(n, D)
    count = int(n_components)
    if count > min(n, D):
        raise ValueError(
            f"n_components={count} must be at most min(n, D), the rank that data with "
            f"n_samples={n} and n_features={D} can have: use at most {min(n, D)}"
        )
    return count
