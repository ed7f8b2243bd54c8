"""What predictors share: the start at a constant, held-out rows, training, applying the result."""

from __future__ import annotations

import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import equinox as eqx
import jax
import numpy as np
import optax
from jaxtyping import Array, Float, Int
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from isthmus.data.checks import check_choice, check_real, check_rows
from isthmus.data.moments import column_statistics
from isthmus.data.rows import Beside, ScaledRows
from isthmus.data.scaling import SCALINGS, Scaling
from isthmus.data.sources import ArraySource
from isthmus.estimators.fitting import NoImprovementWarning, generator
from isthmus.estimators.plan import (
    Schedule,
    hidden_activations,
    layer_widths,
    schedule,
    shapes_of,
    split_rows,
)
from isthmus.estimators.targets import Targets
from isthmus.networks.applying import map_rows, widest_layer
from isthmus.networks.fitted import Predictor
from isthmus.networks.layers import Activation, FeedForward, gaussian_chain, single, trainable
from isthmus.objectives.losses import Loss
from isthmus.objectives.prediction import Prediction
from isthmus.training.loop import DivergenceError, Job, TrainingResult, train_job
from isthmus.training.solvers import as_solver, decaying_solvers

STARTS = ("constant", "gaussian")


def takes_parts(model: FeedForwardPredictor) -> bool:
    """Whether the solver can go through rows in parts; if not, there is no ``partial_fit``."""
    if model.solver == "lbfgs":
        raise AttributeError(
            "partial_fit goes through rows in parts, and solver='lbfgs' compares gradients of all rows "
            "from step to step: use fit, with warm_start=True to go on, or solver='adam'"
        )
    return True


@dataclass(frozen=True)
class Prepared:
    """A training, and what its result is taken over with."""

    job: Job
    scaling: Scaling
    targets: Targets
    continues: bool


class FeedForwardPredictor(BaseEstimator, metaclass=ABCMeta):
    """What classifier and regressor share: the network, its training, and applying it."""

    network_: Predictor
    scaling_: Scaling
    history_: dict[str, np.ndarray]
    best_epoch_: int
    validation_loss_: float
    n_features_in_: int

    widths: Sequence[int]
    activation: str | Activation | Sequence[str | Activation]
    skip_links: bool
    start: str
    loss: str | Loss
    scaling: str | None
    solver: str | optax.GradientTransformation
    learning_rate: float | None
    weight_decay: float
    batch_size: int | None
    max_epochs: int | None
    validation_fraction: float
    patience: int | None
    warm_start: bool
    random_state: int | np.random.RandomState | None
    verbose: bool

    @abstractmethod
    def _targets(self, y: Any, rows: Any, continues: bool) -> Targets:
        """Checked targets of checked rows; raises ValueError."""

    @abstractmethod
    def _checked_loss(self) -> Loss:
        """The loss that the parameter names."""

    def fit(self, X: Any, y: Any) -> Self:
        """Learn to predict ``y`` from rows (n, D).

        Raises ValueError or TypeError for rows, targets and parameters that do not fit one another,
        DivergenceError if the loss becomes NaN or infinite; the model then holds its last good weights.
        """
        prepared = self._prepare(X, y)
        self._finish(prepared, self._trained(prepared))
        return self

    def _prepare(
        self, X: Any, y: Any, *, like: Prepared | None = None, bootstrap: bool = False
    ) -> Prepared:
        """A training that is ready to run, by itself or beside others, of which ``like`` is one.

        ``bootstrap`` draws as many training rows as there are from them, with replacement.
        """
        continues = self.warm_start and hasattr(self, "network_")
        rows = check_rows(self, X, reset=not continues, min_rows=2)
        plan = self._schedule(rows.shape[0])
        targets = self._targets(y, rows, continues)
        split_rng, weights_rng, batches_rng, draws_rng = generator(self.random_state).spawn(4)
        scaling, network = self._start(rows, targets, weights_rng, continues)
        train_rows, held_out = split_rows(
            rows.shape[0], plan.validation_fraction, split_rng, targets.strata
        )
        if bootstrap:
            train_rows = np.sort(draws_rng.choice(train_rows, len(train_rows)))
        job = self._job(rows, train_rows, held_out, plan, scaling, network, targets, batches_rng)
        return Prepared(job, scaling, targets, continues)

    def _finish(self, prepared: Prepared, result: TrainingResult) -> None:
        """Take over what training found, and say so where it found nothing."""
        self._adopt(result, prepared)
        held_out = prepared.job.held_out
        if held_out is None or prepared.continues or result.stopped in ("interrupted", "diverged"):
            return
        if result.best_epoch == 0:
            self._warn_of_no_improvement(len(held_out))

    def _partial_fit(self, X: Any, targets_of: Callable[[Any, bool], Targets]) -> Self:
        continues = hasattr(self, "network_")
        rows = check_rows(self, X, reset=not continues, min_rows=1 if continues else 2)
        plan = self._schedule(rows.shape[0]).for_one_pass()
        targets = targets_of(rows, continues)
        rng = generator(self.random_state)
        scaling, network = self._start(rows, targets, rng, continues)
        every, none = np.arange(rows.shape[0]), np.arange(0)
        job = self._job(rows, every, none, plan, scaling, network, targets, rng)
        job = replace(job, optimiser=getattr(self, "_optimiser", None))
        prepared = Prepared(job, scaling, targets, continues)
        self._adopt(self._trained(prepared), prepared)
        return self

    def _trained(self, prepared: Prepared) -> TrainingResult:
        try:
            return train_job(prepared.job)
        except DivergenceError as error:
            self._adopt(error.result, prepared)
            raise

    def _schedule(self, n_rows: int) -> Schedule:
        weight_decay = check_real("weight_decay", self.weight_decay, 0.0, closed=True)
        solver = as_solver(self.solver, decaying_solvers(weight_decay))
        if weight_decay and solver.has_own_rate and not solver.needs_all_rows:
            raise ValueError(
                f"weight_decay={weight_decay:g} was given with an Optax transformation, which knows "
                "nothing of it: set weight_decay=0.0, and the decay in the transformation"
            )
        return schedule(self, n_rows, solver)

    def _start(
        self, rows: Any, targets: Targets, rng: np.random.Generator, continues: bool
    ) -> tuple[Scaling, FeedForward]:
        """The scaling of the rows, and the network that training begins with."""
        D, k = rows.shape[1], len(targets.constant)
        check_choice("start", self.start, STARTS)
        check_choice("scaling", self.scaling, SCALINGS)
        widths = layer_widths("widths", self.widths)
        hidden = hidden_activations(self.activation, len(widths))
        network = gaussian_chain(
            rng,
            (D, *widths, k),
            hidden,
            skip_links=bool(self.skip_links),
            last_is_zero=self.start == "constant",
        )
        if not continues:
            network = eqx.tree_at(lambda n: n.layers[-1].shift, network, single(-targets.constant))
            return Scaling.fit(self.scaling, column_statistics(rows)), network
        if shapes_of(network) != shapes_of(self.network_.network):
            raise ValueError(
                "the network's parameters (widths, activation, skip_links) or the number of targets "
                "changed since it was fitted, so training cannot go on from it: set warm_start=False, "
                "or set them back"
            )
        return self.scaling_, self.network_.network

    def _job(
        self,
        rows: Any,
        train_rows: Int[np.ndarray, " m"],
        held_out_rows: Int[np.ndarray, " k"],
        plan: Schedule,
        scaling: Scaling,
        network: FeedForward,
        targets: Targets,
        rng: np.random.Generator,
    ) -> Job:
        data = Beside(ScaledRows(rows, scaling), targets.aside)
        source = ArraySource(data, train_rows)
        if plan.solver.needs_all_rows and source.n_blocks > 1:
            raise ValueError(
                f"solver={self.solver!r} takes all rows in each step, and these do not fit one block of "
                f"{source.block_bytes >> 20} MiB: use solver='adam'"
            )
        return Job(
            objective=Prediction(self._checked_loss(), rows.shape[1], targets.n_targets),
            network=network,
            source=source,
            solver=plan.solver,
            learning_rate=plan.learning_rate,
            batch_size=plan.batch_size,
            max_epochs=plan.max_epochs,
            rng=rng,
            held_out=data[held_out_rows] if len(held_out_rows) else None,
            patience=plan.patience,
            # A constant is no model to fall back on: with few held-out rows it would stay where the
            # network explains most of the variance, because a few of the constant's errors are large.
            significance=None,
            verbose=self.verbose,
        )

    def _adopt(self, result: TrainingResult, prepared: Prepared) -> None:
        """Nothing of an earlier fit changes before this."""
        scaling, of_targets = prepared.scaling, prepared.targets.scaling
        self.network_ = Predictor(
            result.network,
            *(single(scaling.center), single(scaling.scale)),
            *(single(of_targets.center), single(of_targets.scale)),
            self._checked_loss(),
        )
        self.scaling_ = scaling
        self.history_ = result.history
        self.best_epoch_ = result.best_epoch
        self.validation_loss_ = float(result.history["validation_loss"][result.best_epoch])
        self._optimiser = result.optimiser
        for name, value in prepared.targets.fitted.items():
            setattr(self, name, value)

    def _warn_of_no_improvement(self, n_held_out: int) -> None:
        what = "a constant prediction" if self.start == "constant" else "the weights it started with"
        least = float(np.min(self.history_["validation_loss"]))
        warnings.warn(
            f"the network won nothing over {what}, so that is what the model is: on {n_held_out} "
            f"held-out rows the least loss was {least:.4g}, at the start it was "
            f"{self.validation_loss_:.4g}. More rows may change that; validation_fraction=0 takes the "
            "last epoch anyway",
            NoImprovementWarning,
            stacklevel=3,
        )

    @property
    def n_parameters_(self) -> int:
        """Numbers that training moves: Σ (in + 1) · out over the layers, and the skip links'."""
        network = self.network_.network
        return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(network, trainable(network))))

    @property
    def predict_function(self) -> Callable[[Float[Array, "... D"]], Float[Array, "... K"]]:
        """The pure function of raw rows: traceable, differentiable, and itself a pytree.

        A regressor's gives the targets, (..., D) → (..., k), a classifier's the probabilities of the
        classes, (..., D) → (..., K). Computes in the precision of JAX, float32 unless the caller enabled
        64 bits.
        """
        check_is_fitted(self)
        return self.network_

    def _applied(
        self,
        function: Callable[[Predictor, Array], Array],
        X: Any,
        width: int,
        dtype: Any = np.float32,
        after: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> np.ndarray:
        rows = check_rows(self, X, reset=False)
        return map_rows(
            lambda block: function(self.network_, block),
            rows,
            np.empty((rows.shape[0], width), dtype),
            before=lambda block: (block - self.scaling_.center).astype(np.float32),
            after=after,
            widest=widest_layer(self.network_),
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
