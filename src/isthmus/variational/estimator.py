"""The variational auto-encoder: a map that says how sure it is, and can be sampled.

The encoder gives a normal distribution N(μ(x), σ²(x)) of the coordinates, and noise in the bottleneck is
learnt instead of chosen (lecture notes, "Variational auto-encoders"; Kingma & Welling 2014,
arXiv:1312.6114; β after Higgins et al. 2017, "β-VAE"). ``elbo.py`` has the bound that training raises,
``ppca.py`` the start.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Self

import equinox as eqx
import numpy as np
import optax
from jaxtyping import Array, Bool, Float
from sklearn.utils import Tags

from isthmus import registry
from isthmus.data.rows import FLOAT32, ChosenRows, View
from isthmus.data.scaling import Scaling
from isthmus.estimators.base import BaseMap
from isthmus.estimators.blocks import by_blocks
from isthmus.estimators.fitting import adopt, prepare
from isthmus.estimators.maps import Objectives, Start, TrainedMap
from isthmus.estimators.parameters import NOT_NEGATIVE, POSITIVE, SHARE, Constraints
from isthmus.estimators.plan import Plan, as_loss, interval_of
from isthmus.estimators.task import Given, Task
from isthmus.networks.applying import map_rows
from isthmus.networks.fitted import DataMap
from isthmus.networks.frames import Frame, FrameAverages, permuting_frame
from isthmus.networks.layers import Activation
from isthmus.objectives.corruption import TrainingRows
from isthmus.training.checkpoints import CheckpointLike
from isthmus.training.loop import train
from isthmus.variational.collapse import collapse_warnings, kl_and_activity
from isthmus.variational.distributions import Likelihood, check_likelihood
from isthmus.variational.divergence import Prior
from isthmus.variational.elbo import VariationalPair, rows_and_errors, with_fill
from isthmus.variational.evidence import check_takes_errors, evidence_lower_bound, given_rows
from isthmus.variational.likelihoods import Gaussian
from isthmus.variational.objective import objectives_of
from isthmus.variational.priors import Mixture, StandardNormal, check_prior
from isthmus.variational.start import any_missing, at_ppca, check_possible, example_pair


@registry.estimators
class VariationalAutoencoder(TrainedMap):
    """A map to coordinates with their uncertainty, and a model of the data that can be sampled.

    The encoder gives mean μ and standard deviation σ of each coordinate, z = μ + σ ε; the decoder gives
    the mean of a row. Training raises the evidence lower bound (ELBO) of log p(x), in nats per row. It
    begins at probabilistic PCA, the exact answer for linear maps; a tenth of the rows is held out
    to choose the epoch, and one replaces probabilistic PCA only if it is better by more than chance.

    ``transform`` gives μ. Coordinates come in the order of the variance of μ, with the largest average
    loading positive, in the prior's units. ``isthmus.posterior`` gives μ and σ, ``isthmus.sample`` new
    rows, ``isthmus.log_likelihood`` a sharper bound, ``isthmus.impute`` the missing entries.

    Missing entries, NaN, are left out of the likelihood everywhere. The encoder sees them filled by
    probabilistic PCA and, if it was trained with any, which they are.

    Parameters
    ----------
    n_components : int, default 2
        Coordinates d, at most min(n, D). Some may stay unused; a warning then says which.
    prior : prior, default StandardNormal()
        One of ``isthmus.priors``, such as ``Mixture(20)``, or an object with ``log_density`` and
        ``sample``.
    likelihood : likelihood, default Gaussian()
        One of ``isthmus.likelihoods``, such as ``Poisson()``, or a function that gives a distribution
        of your own. ``Gaussian()`` learns its standard deviation.
    beta : float, default 1.0
        Weight of the KL divergence; 1 is the bound itself, more gives fewer, smoother coordinates.
    warm_up : float, default 0.0
        Share of training in which the weight climbs from 0 to ``beta``. None, because training begins
        where every coordinate that is worth its cost is in use, and images do best with that. Where the
        data curve far more than they scatter, as a swiss roll does, 0.5 lets the map bend before its
        coordinates have to pay.
    free_bits : float, default 0.0
        Nats of KL that each coordinate has for nothing, so that it is not given up.
    input_noise : float or None, default None
        Standard deviation of noise that is added to what the encoder sees in training, in units of a
        feature's spread. ``None`` chooses it as ``isthmus.Autoencoder`` does. If the data have missing
        entries, a fifth of the others is left out of what it sees as well, anew in each step.
    widths, decoder_widths, activation, skip, skip_links, scaling, periodic, categorical, solver, \
learning_rate, batch_size, max_epochs, validation_fraction, patience, warm_start, random_state, verbose
        As for ``isthmus.Autoencoder``, with the same defaults for the same reasons. With
        ``warm_start`` prior and likelihood go on from where they are, too.

    Attributes
    ----------
    validation_loss_, pca_validation_loss_ : float
        Mean −ELBO (with ``beta``) on the held-out rows in nats, of the model and of probabilistic PCA.
    kl_ : (d,) array
        Mean KL divergence of each coordinate from the prior, in nats: what it carries.
    active_ : (d,) array of bool
        Whether the variance of μ over the rows is above 0.01.
    history_, best_epoch_, input_noise_, scaling_, network_, code_, row_shape_, n_components_, \
n_features_in_, feature_names_in_
        As for ``isthmus.Autoencoder``.

    Raises
    ------
    ValueError, TypeError, DivergenceError
        As ``isthmus.Autoencoder``; ValueError for a column without any value, and for data on which the
        likelihood is not defined.

    Warns
    -----
    CollapseWarning
        If coordinates carry nothing: which, and what to change.
    NoImprovementWarning
        If no epoch beat probabilistic PCA.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> model = isthmus.VariationalAutoencoder(2, widths=(32,), max_epochs=10, random_state=0).fit(X)
    >>> mean, std = isthmus.posterior(model, X)  # (1797, 64) → (1797, 2) each
    >>> isthmus.sample(model, 5, random_state=0).shape
    (5, 64)
    >>> model.active_.tolist()
    [True, True]
    """

    BASELINE = "probabilistic PCA"
    REMEDY = (
        "More rows may change that; so may warm_up=0.5, or other n_components. If not, these data are "
        "flat, and the model is the Gaussian that fits them"
    )

    input_noise_: float
    kl_: Float[np.ndarray, " d"]
    active_: Bool[np.ndarray, " d"]

    _parameter_constraints: ClassVar[Constraints] = {
        **TrainedMap._parameter_constraints,
        "beta": [POSITIVE],
        "warm_up": [SHARE],
        "free_bits": [NOT_NEGATIVE],
        "input_noise": [NOT_NEGATIVE, None],
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        prior: Prior | Mixture = StandardNormal(),
        likelihood: Likelihood = Gaussian(),
        beta: float = 1.0,
        warm_up: float = 0.0,
        free_bits: float = 0.0,
        input_noise: float | None = None,
        widths: Sequence[int] = (256, 256),
        decoder_widths: Sequence[int] | None = None,
        activation: str | Activation | Sequence[str | Activation] = "silu",
        skip: str | None = "pca",
        skip_links: bool = False,
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
        self.prior = prior
        self.likelihood = likelihood
        self.beta = beta
        self.warm_up = warm_up
        self.free_bits = free_bits
        self.input_noise = input_noise
        self.widths = widths
        self.decoder_widths = decoder_widths
        self.activation = activation
        self.skip = skip
        self.skip_links = skip_links
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

    def fit(
        self,
        X: object,
        y: object = None,
        x_error: object = None,
        *,
        checkpoint: CheckpointLike | None = None,
    ) -> Self:
        """Learn the map from rows (n, D), NaN where an entry is missing.

        Parameters
        ----------
        X : array-like (n, D), n ≥ 2, or images (n, height, width) or (n, height, width, c)
            Rows in their own units, in memory or what ``isthmus.scan`` takes.
        y : object, default None
            Ignored; it is there for pipelines.
        x_error : array-like (n, D), (D,), a number or None, default None
            Known standard deviations of the entries in their units. With a Gaussian likelihood their
            squares add to its variance, so that an uncertain entry counts for less. One that is
            uncertain by more than its feature's interquartile range is as good as missing. The model
            keeps what it has learnt, and not the errors: pass them again to ``transform``, ``score``,
            ``isthmus.posterior`` and the other functions of rows, or they take rows as exact.
        checkpoint : path, isthmus.Checkpoint or None, default None
            Where training is kept from time to time: the same fit, killed and started again, goes on
            from there and ends with the same bits. None keeps nothing.

        Returns
        -------
        self
            The fitted map.

        Raises
        ------
        ValueError, TypeError, DivergenceError
            As the class says; ValueError for errors with another likelihood than ``Gaussian``.

        Examples
        --------
        >>> import isthmus
        >>> from sklearn.datasets import load_digits
        >>> X = load_digits().data
        >>> model = isthmus.VariationalAutoencoder(2, widths=(32,), max_epochs=10, random_state=0).fit(X)
        >>> bool(model.validation_loss_ <= model.pca_validation_loss_)  # never worse than linear
        True
        """
        if x_error is not None:
            check_takes_errors(self.likelihood, isinstance(self.likelihood, Gaussian))
        prepared = prepare(
            self, X, errors=x_error, cross_validated=self.skip == "pca", checkpoint=checkpoint
        )
        result = train(prepared.trainings, jointly=True, checkpoints=prepared.checkpoints)[0]
        adopt(self, prepared, result)
        result.raise_if_diverged(prepared.training.learning_rate)
        return self

    @by_blocks(lambda model, _: ((model.n_components_,), FLOAT32))
    def transform(self, X: object, x_error: object = None) -> Float[np.ndarray, "n d"]:
        """Coordinates μ of rows, the mean of each posterior: (n, D) → (n, d), float32.

        Parameters
        ----------
        X : array-like (n, D)
            Rows in their own units; NaN are missing entries.
        x_error : array-like (n, D), (D,), a number or None, default None
            Known standard deviations of the entries, as ``fit`` takes them: an uncertain entry counts
            for less. Without it the entries are taken as exact, also by a model that was fitted with
            errors.

        Returns
        -------
        array (n, d)
            float32, in the prior's units. ``isthmus.posterior`` gives their standard deviations, too.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            For infinity, text, another number of features than ``fit`` saw, errors that do not fit X, or
            errors with another likelihood than ``Gaussian``.

        Examples
        --------
        >>> import isthmus
        >>> from sklearn.datasets import load_digits
        >>> X = load_digits().data
        >>> model = isthmus.VariationalAutoencoder(2, widths=(32,), max_epochs=10, random_state=0).fit(X)
        >>> mean, std = isthmus.posterior(model, X)
        >>> bool(abs(model.transform(X) - mean).max() < 1e-4)  # the same, to rounding
        True
        """
        if x_error is None:
            return super().transform(X)
        rows = given_rows(self, X, x_error)
        out = np.empty((rows.shape[0], self._n_features_out), np.float32)
        return map_rows(lambda u: _means(self.network_, u), rows, out, widest=self._widest)

    def fit_transform(
        self,
        X: object,
        y: object = None,
        x_error: object = None,
        *,
        checkpoint: CheckpointLike | None = None,
    ) -> Float[np.ndarray, "n d"]:
        """``fit`` and ``transform`` of the same rows, with the same errors: (n, D) → (n, d).

        Parameters
        ----------
        X : array-like (n, D)
        y : object, default None
            Ignored; it is there for pipelines.
        x_error, checkpoint
            As of ``fit``.

        Returns
        -------
        array (n, d)
            float32. Raises what ``fit`` raises.

        Examples
        --------
        >>> import isthmus
        >>> from sklearn.datasets import load_digits
        >>> X = load_digits().data
        >>> model = isthmus.VariationalAutoencoder(2, widths=(32,), max_epochs=10, random_state=0)
        >>> model.fit_transform(X).shape
        (1797, 2)
        """
        return self.fit(X, y, x_error, checkpoint=checkpoint).transform(X, x_error)

    def score(self, X: object, y: object = None, x_error: object = None) -> float:
        """Mean ELBO of the rows of X with β = 1, in nats per row: the higher the better.

        In the data's units and with every constant, so that it compares with other densities of the
        same data. Several draws per row, the same in every call.

        Parameters
        ----------
        X : array-like (n, D)
            Rows, best such as the map was not fitted to; NaN are missing entries.
        y : object, default None
            Ignored; it is there for pipelines.
        x_error : array-like (n, D), (D,), a number or None, default None
            Known standard deviations of the entries, as in ``transform``: without it the rows are taken
            as exact.

        Returns
        -------
        float
            −∞ where a row cannot occur. ``isthmus.log_likelihood`` is a sharper bound, row by row.
            Raises what ``transform`` raises.

        Examples
        --------
        Rows that are unlike those of the fit are less likely:

        >>> import isthmus
        >>> from sklearn.datasets import load_digits
        >>> X = load_digits().data
        >>> model = isthmus.VariationalAutoencoder(2, widths=(32,), max_epochs=10, random_state=0).fit(X)
        >>> model.score(X) > model.score(X + 10.0)
        True
        """
        return float(np.mean(evidence_lower_bound(self, X, x_error)))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _check_parameters(self) -> None:
        check_prior(self.prior)
        check_likelihood(self.likelihood)

    def _schedule(self, n_rows: int, n_features: int, *, continues: bool) -> Plan:
        self._check_parameters()
        return Plan.of(self, n_rows, n_features, continues=continues, warm_up=self.warm_up)

    def _start(self, given: Given, plan: Plan) -> Start:
        if given.continues:
            check_possible(self, self.network_.pair.likelihood, given.rows)
            if not given.has_held_out_rows:
                return self._where_it_was(plan, None)
        start = at_ppca(self, given, plan)
        if given.continues:
            return self._where_it_was(plan, start.pair if start.is_baseline else start.baseline)
        # The likelihood was made from the training rows, and has looked at no others.
        check_possible(self, start.pair.likelihood, ChosenRows(given.rows, given.held_out_rows))
        return start

    def _example_pair(self, plan: Plan) -> VariationalPair:
        return example_pair(self, plan)

    def _objectives(self, data: TrainingRows, start: Start, *, continues: bool) -> Objectives:
        return objectives_of(self, data, start, continues=continues)

    def _task(self, given: Given, schedule: Plan) -> Task:
        """Without the filling of missing entries where there are none: a third of the compilation."""
        task = super()._task(given, schedule)
        if not given.one_pass:
            of_any_map = task.warnings
            task = replace(task, warnings=lambda model: [*of_any_map(model), *collapse_warnings(model)])
        pair: VariationalPair = task.network
        may_miss = pair.encoder.knows_what_is_missing(given.rows.shape[1]) or (
            given.continues and any_missing(given.rows)
        )
        if given.errors is not None or may_miss:
            return task
        fill, fitted = pair.encoder.fill, task.fitted
        return replace(
            task,
            network=with_fill(pair, None),
            fitted=lambda trained, moved: fitted(with_fill(trained, fill), moved),
        )

    @property
    def _widest(self) -> int:
        """Filling missing entries takes a matrix (d, d) for each row."""
        return max(super()._widest, self.n_components_**2)

    def _frame(self, averages: FrameAverages, scaling: Scaling) -> Frame:
        return permuting_frame(averages)

    def _extras(self, network: DataMap, rows: View) -> Mapping[str, object]:
        """KL and activity of each coordinate, in the order of the coordinates."""
        return kl_and_activity(network, rows)


@eqx.filter_jit
def _means(network: DataMap, block: Float[Array, "n width"]) -> Float[Array, "n d"]:
    mean, _ = network.pair.posterior(*rows_and_errors(block, network.center.shape[0]))
    return network.frame.enter(mean)


def takes_scaled_columns(estimator: BaseMap) -> bool:
    """Whether columns may be scaled before: not for a loss of shares, nor a likelihood but Gaussian."""
    parameters = estimator.get_params(deep=False)
    in_any_units = interval_of(as_loss(parameters.get("loss", "squared"))) is None
    return in_any_units and isinstance(parameters.get("likelihood", Gaussian()), Gaussian)
