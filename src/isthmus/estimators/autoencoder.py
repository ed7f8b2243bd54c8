"""The auto-encoder: a non-linear map through a bottleneck, started at PCA and never worse.

x̂ = decode(encode(x)), trained to reproduce x through d numbers (lecture notes, "Auto-encoders").
Both directions are a PCA path plus a correction that starts at zero; held-out rows choose the epoch,
with PCA itself, epoch 0, in the running.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import jax
import numpy as np
import optax
from jaxtyping import Array, Float, Int
from sklearn.utils import check_random_state

from isthmus.canonical import canonical_frame, pca_frame
from isthmus.checks import check_rows
from isthmus.estimators.base import BaseMap
from isthmus.estimators.plan import Plan
from isthmus.losses import Loss
from isthmus.moments import PrincipalAxes, column_statistics, principal_axes
from isthmus.networks import Activation, DataMap, EncoderDecoder, Frame, PCAPath, single
from isthmus.scaling import ScaledRows, Scaling
from isthmus.sources import ArraySource
from isthmus.training import DivergenceError, TrainingResult, train

LEAST_HELD_OUT = 20
"""Fewer held-out rows than this cannot tell an epoch from another; a third of the rows at most."""

LEAST_NOISE = 0.3
"""Input noise in units of a feature's spread, where the kept axes are no longer than the features."""


class NoImprovementWarning(UserWarning):
    """Training found no map that beats PCA on held-out rows."""


@dataclass(frozen=True)
class Reconstruction:
    """loss(u, decode(encode(u + ε))) on scaled rows u, ε ~ N(0, input_noise²) per feature.

    A little noise at the input is a penalty on the slope of the map (Bishop 1995, "Training with
    noise is equivalent to Tikhonov regularization"); held-out rows are judged without it.
    """

    loss: Loss
    input_noise: float = 0.0

    def __call__(
        self, network: EncoderDecoder, batch: Float[Array, "n D"], key: Array
    ) -> Float[Array, " n"]:
        inputs = batch
        if self.input_noise:
            inputs = batch + self.input_noise * jax.random.normal(key, batch.shape)
        return self.loss(batch, network.decode(network.encode(inputs)))


@dataclass(frozen=True)
class _Start:
    """Where training begins: scaling and pair; frame and PCA path if it is PCA; noise for None."""

    scaling: Scaling
    pair: EncoderDecoder
    frame: Frame | None
    path: PCAPath | None
    input_noise: float


class Autoencoder(BaseMap):
    """An explicit, differentiable, invertible map to a few coordinates, never worse than PCA.

    Encoder and decoder are each ``PCA path + correction``: the path starts at the principal axes, the
    correction is a feed-forward network that starts at zero, so that epoch 0 is PCA. A tenth of the
    rows is held out to choose the epoch; one replaces PCA only if it is better by more than chance
    (Student's paired test at 1 %). Where nothing beats PCA, the model *is* PCA and
    ``NoImprovementWarning`` says so.

    Coordinates are canonical: uncorrelated, in the order of their variance, with the largest average
    loading ∂x̂/∂z positive, and of a length such that a unit step in z moves x̂ by a unit on average.

    Parameters
    ----------
    n_components : int, default 2
        Coordinates d, at most min(n, D); 2 because a map is to be looked at.
    widths : sequence of int, default (512, 256)
        Hidden layers of the encoder, input to bottleneck. Chosen over (256, 128) by held-out error on
        digits and the swiss roll, at less than twice the time. ``()`` leaves the PCA path and a linear
        layer.
    decoder_widths : sequence of int or None, default None
        Hidden layers of the decoder, bottleneck to output. ``None`` mirrors the encoder.
    activation : str, callable or sequence of these, default "silu"
        g in g(Wx − λ): "tanh", "relu", "cos", "silu", "gelu", "identity" or a function of JAX arrays,
        one for all hidden layers or one per hidden layer, encoder first. SiLU is smooth, so the map and
        its Jacobian are.
    skip : {"pca", None}, default "pca"
        The PCA path. ``None`` leaves a plain auto-encoder, which may be worse than PCA.
    skip_links : bool, default False
        Links l → l+2 between hidden layers.
    tied : bool, default False
        One W for both directions: the decoder's weights are the encoder's, transposed.
    loss : {"squared", "absolute", "huber", "cross_entropy"} or object, default "squared"
        In scaled units. "squared" is PCA's own loss; "absolute" and "huber" bear outliers;
        "cross_entropy" is for data in [0, 1]. ``isthmus.Huber(delta=0.5)`` sets a parameter.
    scaling : {None, "standard", "range"}, default None
        What the network sees. ``None``: one factor for all features, which keeps the geometry of the raw
        data, as PCA does. "standard": mean 0 and variance 1 for each feature, for columns of different
        units. "range": [0, 1] for each. The model takes and returns raw data in any case.
    input_noise : float or None, default None
        Standard deviation of Gaussian noise added to the inputs in training, in units of a feature's
        typical spread; it keeps the map smooth between the rows. 0 turns it off. ``None`` is
        0.3 √(s_d/s), with s a feature's typical spread and s_d that of the d-th principal axis, but 0.3
        at least and 1 at most: 0.3 on a swiss roll, 0.8 on images. Chosen by held-out error.
    solver : {"adam", "gradient_descent"} or optax.GradientTransformation, default "adam"
        "adam": β₂ = 0.99, 5 % warm-up, then a cosine to 0, decoupled weight decay 0.3.
        "gradient_descent": w ← w − ε ∂L/∂w with all rows in each step, unless ``batch_size`` is given.
    learning_rate : float or None, default None
        Peak rate; ``None`` is 3e-3 for "adam" and 0.1 for "gradient_descent". Must be ``None`` for an
        Optax transformation, which has its own.
    batch_size : int or None, default None
        ``None`` is 128: half of it is slower per row, twice it takes more epochs.
    max_epochs : int or None, default None
        ``None`` gives about 4 000 updates, but 40 epochs at least and 400 at most.
    validation_fraction : float, default 0.1
        Share of the rows held out; at least 20 rows, but a third of all at most. 0 holds out none: then
        nothing is chosen, and the last epoch is the result.
    patience : int or None, default None
        Epochs without a better one after which training ends; ``None`` is a fifth of ``max_epochs``, and
        10 at least.
    warm_start : bool, default False
        Whether ``fit`` goes on from the last fit, scaling included, instead of from PCA.
    random_state : int, RandomState or None, default None
        Of the held-out split, the weights, the batches and the noise. The same integer gives the same
        bits on the same machine.
    verbose : bool, default False
        Whether a progress bar is shown on stderr.

    Attributes
    ----------
    validation_loss_, pca_validation_loss_ : float
        Mean loss on the held-out rows, of the model and of PCA, in scaled units.
    history_ : dict of arrays, one entry per epoch
        "epoch" (0 is the start), "train_loss", "validation_loss", "learning_rate", "seconds".
    best_epoch_ : int
        The epoch that the model is from; 0 is PCA.
    input_noise_ : float
        The ``input_noise`` that training used.
    scaling_ : Scaling
        center (D,) and scale (D,) of the features.
    network_ : DataMap
        The map as an Equinox module: raw data in, coordinates out.
    n_components_, n_features_in_ : int
    feature_names_in_ : (D,) array of str, if X had names.

    Raises
    ------
    ValueError, TypeError
        For rows that are not finite numbers, and parameters that do not fit them or one another.
    DivergenceError
        If the loss becomes NaN or infinite; the model then holds its last good weights.

    Warns
    -----
    NoImprovementWarning
        If no epoch beat PCA.
    UserWarning
        After Ctrl-C, which ends training with the best epoch so far.

    References
    ----------
    Hinton & Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks", Science
    313:504. He et al. 2016, arXiv:1603.05027, for the identity path; Zhang et al. 2019,
    arXiv:1901.09321, for the correction that starts at zero.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> model = isthmus.Autoencoder(2, widths=(64, 32), max_epochs=20, random_state=0).fit(X)
    >>> Z = model.transform(X)  # (1797, 64) → (1797, 2)
    >>> model.inverse_transform(Z).shape
    (1797, 64)
    >>> model.validation_loss_ < model.pca_validation_loss_
    True
    """

    history_: dict[str, np.ndarray]
    best_epoch_: int
    input_noise_: float
    validation_loss_: float
    pca_validation_loss_: float

    def __init__(
        self,
        n_components: int = 2,
        *,
        widths: Sequence[int] = (512, 256),
        decoder_widths: Sequence[int] | None = None,
        activation: str | Activation | Sequence[str | Activation] = "silu",
        skip: str | None = "pca",
        skip_links: bool = False,
        tied: bool = False,
        loss: str | Loss = "squared",
        scaling: str | None = None,
        input_noise: float | None = None,
        solver: str | optax.GradientTransformation = "adam",
        learning_rate: float | None = None,
        batch_size: int | None = None,
        max_epochs: int | None = None,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_components = n_components
        self.widths = widths
        self.decoder_widths = decoder_widths
        self.activation = activation
        self.skip = skip
        self.skip_links = skip_links
        self.tied = tied
        self.loss = loss
        self.scaling = scaling
        self.input_noise = input_noise
        self.solver = solver
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the map from rows (n, D); ``y`` is ignored."""
        continues = self.warm_start and hasattr(self, "network_")
        rows = check_rows(self, X, reset=not continues, min_rows=2)
        plan = Plan.of(self, *rows.shape)
        rng = _generator(self.random_state)
        split_rng, weights_rng, batches_rng = rng.spawn(3)
        start = self._as_it_is(plan) if continues else _at_pca(rows, plan, weights_rng)
        train_rows, held_out_rows = _split(rows.shape[0], plan.validation_fraction, split_rng)
        held_out = ScaledRows(rows, start.scaling)[held_out_rows] if len(held_out_rows) else None
        result = self._train(rows, train_rows, plan, start, batches_rng, held_out)
        self.validation_loss_ = float(result.history["validation_loss"][result.best_epoch])
        if not continues:
            self.pca_validation_loss_ = _pca_loss(plan, start, result, held_out)
        if result.stopped != "interrupted":
            self._warn_of_no_improvement(held_out_rows, result)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Train for one pass over rows (n, D), from where the last call, or ``fit``, ended.

        The first call sets the scaling and the PCA path from its rows. Adam keeps its moments from
        call to call, at a constant rate, 1e-3 unless ``learning_rate`` says otherwise. No rows are
        held out, so nothing chooses an epoch: watch the error on rows of your own. Calls with equal
        numbers of rows share one compiled program. Raises what ``fit`` raises.
        """
        continues = hasattr(self, "network_")
        rows = check_rows(self, X, reset=not continues, min_rows=1 if continues else 2)
        plan = Plan.of(self, *rows.shape, continues=continues).for_one_pass()
        rng = _generator(self.random_state)
        start = self._as_it_is(plan) if continues else _at_pca(rows, plan, rng)
        optimiser = getattr(self, "_optimiser", None)
        self._train(rows, np.arange(rows.shape[0]), plan, start, rng, None, optimiser)
        return self

    def _as_it_is(self, plan: Plan) -> _Start:
        pair = self.network_.pair
        if _shapes(plan.example_pair()) != _shapes(pair):
            raise ValueError(
                "the network's parameters (n_components, widths, activation, skip, tied, …) changed "
                "since it was fitted, so training cannot go on from it: set warm_start=False, or "
                "set them back"
            )
        return _Start(self.scaling_, pair, self.network_.frame, None, self.input_noise_)

    def _train(
        self,
        rows: Any,
        train_rows: Int[np.ndarray, " m"],
        plan: Plan,
        start: _Start,
        rng: np.random.Generator,
        held_out: Float[np.ndarray, "k D"] | None,
        optimiser: Any = None,
    ) -> TrainingResult:
        scaled = ScaledRows(rows, start.scaling)
        input_noise = start.input_noise if plan.input_noise is None else plan.input_noise
        start = replace(start, input_noise=input_noise)
        try:
            result = train(
                Reconstruction(plan.loss, input_noise * start.scaling.spread),
                start.pair,
                ArraySource(scaled, train_rows),
                solver=plan.solver,
                learning_rate=plan.learning_rate,
                batch_size=plan.batch_size,
                max_epochs=plan.max_epochs,
                rng=rng,
                held_out=held_out,
                held_out_objective=Reconstruction(plan.loss),
                patience=plan.patience,
                optimiser=optimiser,
                verbose=self.verbose,
            )
        except DivergenceError as error:
            self._adopt(error.result, scaled, plan, start)
            raise
        self._adopt(result, scaled, plan, start)
        return result

    def _adopt(self, result: TrainingResult, scaled: ScaledRows, plan: Plan, start: _Start) -> None:
        """Take over what training found: nothing of an earlier fit changes before this."""
        scaling = start.scaling
        frame = start.frame
        if frame is None or result.best_epoch > 0:
            frame = canonical_frame(result.network, scaled, scaling.unit)
        self.scaling_ = scaling
        self.network_ = DataMap(
            result.network, frame, single(scaling.center), single(scaling.scale), plan.loss
        )
        self.history_ = result.history
        self.best_epoch_ = result.best_epoch
        self.input_noise_ = start.input_noise
        self._optimiser = result.optimiser

    def _warn_of_no_improvement(
        self, held_out_rows: Int[np.ndarray, " k"], result: TrainingResult
    ) -> None:
        if self.validation_loss_ < self.pca_validation_loss_ or not len(held_out_rows):
            return
        least = float(np.min(result.history["validation_loss"]))
        now = "the model is PCA" if self.skip == "pca" else "the model is worse than PCA"
        warnings.warn(
            f"the network won nothing over PCA, so {now}: on {len(held_out_rows)} held-out rows the "
            f"least loss was {least:.4g}, PCA's is {self.pca_validation_loss_:.4g}, and a difference "
            "counts if chance gives it in less than 1 % of cases. More rows may change that; so may "
            "other n_components. If not, these data are flat, and LinearAutoencoder is the simpler "
            "model",
            NoImprovementWarning,
            stacklevel=3,
        )


def _generator(random_state: int | np.random.RandomState | None) -> np.random.Generator:
    return np.random.default_rng(check_random_state(random_state).randint(2**31))


def _at_pca(rows: Any, plan: Plan, rng: np.random.Generator) -> _Start:
    """Scaling and principal axes of all rows, and the pair that starts there if it is to."""
    scaling = plan.fit_scaling(column_statistics(rows))
    if not plan.starts_at_pca and plan.validation_fraction == 0:
        return _Start(scaling, plan.architecture.initialise(rng, None), None, None, LEAST_NOISE)
    axes = principal_axes(ScaledRows(rows, scaling), plan.architecture.n_components)
    scales = np.sqrt(axes.variances)
    least = 1e-3 * scales[0] if scales[0] > 0 else 1.0
    path = PCAPath(axes.mean, axes.components, np.maximum(scales, least))
    input_noise = _noise_for(axes)
    if not plan.starts_at_pca:
        return _Start(scaling, plan.architecture.initialise(rng, None), None, path, input_noise)
    frame = pca_frame(path, scaling.unit, plan.architecture.tied)
    return _Start(scaling, plan.architecture.initialise(rng, path), frame, path, input_noise)


def _noise_for(axes: PrincipalAxes) -> float:
    """Noise between a feature's spread and that of the last axis kept: what the map must resolve.

    To one decimal, so that folds of the same data share a compiled program.
    """
    typical = axes.total_variance / len(axes.mean)
    if typical == 0:
        return LEAST_NOISE
    noise = LEAST_NOISE * (axes.variances[-1] / typical) ** 0.25
    return round(float(np.clip(noise, LEAST_NOISE, 1.0)), 1)


def _split(
    n_rows: int, fraction: float, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " k"]]:
    """Numbers of the training rows and of the held-out rows, each in ascending order."""
    if fraction == 0:
        return np.arange(n_rows), np.arange(0)
    wanted = max(int(np.ceil(fraction * n_rows)), LEAST_HELD_OUT)
    order = rng.permutation(n_rows)
    n_held_out = max(1, min(wanted, n_rows // 3))
    return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])


def _pca_loss(
    plan: Plan,
    start: _Start,
    result: TrainingResult,
    held_out: Float[np.ndarray, "k D"] | None,
) -> float:
    """PCA's mean loss on the held-out rows: that of epoch 0 where training started there."""
    if held_out is None or start.path is None:
        return float("nan")
    if plan.starts_at_pca:
        return float(result.history["validation_loss"][0])
    losses = Reconstruction(plan.loss)(start.path.pair(), single(held_out), jax.random.key(0))
    return float(np.mean(losses))


def _shapes(pair: EncoderDecoder) -> Any:
    leaves, structure = jax.tree.flatten(pair)
    return structure, [leaf.shape for leaf in leaves]
