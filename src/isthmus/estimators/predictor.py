"""What predictors share: the start at a constant, held-out rows, training, applying the result."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from isthmus.data.checks import check_rows
from isthmus.data.rows import ChosenRows, JoinedRows, Rows, ScaledRows
from isthmus.data.scaling import SCALINGS, Scaling
from isthmus.estimators.fitting import adopt, prepare, prepare_one_pass
from isthmus.estimators.history import History
from isthmus.estimators.parameters import NOT_NEGATIVE, Constraints, TrainingParameters, one_of
from isthmus.estimators.plan import Schedule, hidden_activations, layer_widths, schedule, shapes_of
from isthmus.estimators.targets import TargetColumns, Targets
from isthmus.estimators.task import Baseline, Given, Task
from isthmus.networks.applying import apply
from isthmus.networks.fitted import Predictor
from isthmus.networks.layers import Activation, FeedForward, gaussian_chain, single, trainable
from isthmus.networks.links import link_of
from isthmus.objectives.losses import Loss
from isthmus.objectives.prediction import Prediction
from isthmus.training.checkpoints import CheckpointLike
from isthmus.training.loop import train
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


LEAST_UPDATES, MOST_EPOCHS = 4000, 400
"""Networks of predictors are small: twice the steps of a map take a fraction of a second."""


class FeedForwardPredictor(TrainingParameters, BaseEstimator, metaclass=ABCMeta):
    """What classifier and regressor share: the network, its training, and applying it."""

    network_: Predictor
    scaling_: Scaling
    history_: History
    best_epoch_: int
    validation_loss_: float
    n_features_in_: int

    widths: Sequence[int]
    activation: str | Activation | Sequence[str | Activation]
    skip_links: bool
    start: str
    loss: str | Loss
    scaling: str | None
    weight_decay: float

    _parameter_constraints: ClassVar[Constraints] = {
        **TrainingParameters._parameter_constraints,
        "skip_links": ["boolean"],
        "start": one_of(STARTS),
        "scaling": one_of(SCALINGS),
        "weight_decay": [NOT_NEGATIVE],
    }

    @abstractmethod
    def _targets(self, y: object, rows: Rows, *, continues: bool, **known: np.ndarray | None) -> Targets:
        """Checked targets of checked rows; raises ValueError."""

    @abstractmethod
    def _checked_loss(self) -> Loss:
        """The loss that the parameter names."""

    def fit(self, X: object, y: object, *, checkpoint: CheckpointLike | None = None) -> Self:
        """Learn to predict ``y`` from rows: (n, D) and (n,) or (n, k).

        Parameters
        ----------
        X : array-like (n, D), n ≥ 2
            Rows in their own units, in memory or what ``isthmus.scan`` takes.
        y : array-like (n,), of a regressor also (n, k)
            Classes: texts, integers or booleans; or numbers in their own units.
        checkpoint : path, isthmus.Checkpoint or None, default None
            Where training is kept from time to time: the same fit, killed and started again, goes on
            from there and ends with the same bits. None keeps nothing.

        Returns
        -------
        self
            The fitted predictor.

        Raises
        ------
        ValueError, TypeError
            For rows, targets and parameters that do not fit one another.
        DivergenceError
            If the loss becomes NaN or infinite; the model then holds its last good weights.

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> x = np.linspace(-3, 3, 400)[:, None]
        >>> model = isthmus.FeedForwardRegressor((32,), learning_rate=0.01, random_state=0)
        >>> model = model.fit(x, np.sin(x[:, 0]))
        >>> bool(model.validation_loss_ < model.history_["validation_loss"][0])  # of the mean of y
        True
        """
        prepared = prepare(self, X, y, checkpoint=checkpoint)
        (result,) = train([prepared.training], checkpoints=prepared.checkpoints)
        adopt(self, prepared, result)
        result.raise_if_diverged(prepared.training.learning_rate)
        return self

    def _fit_one_pass(self, X: object, y: object, **known: np.ndarray | None) -> Self:
        prepared = prepare_one_pass(self, X, y, **known)
        (result,) = train([prepared.training])
        adopt(self, prepared, result)
        result.raise_if_diverged(prepared.training.learning_rate)
        return self

    def _schedule(self, n_rows: int, n_features: int, *, continues: bool) -> Schedule:
        weight_decay = float(self.weight_decay)
        solver = as_solver(self.solver, decaying_solvers(weight_decay))
        if weight_decay and solver.has_own_rate and not solver.needs_all_rows:
            raise ValueError(
                f"weight_decay={weight_decay:g} was given with an Optax transformation, which has "
                "no part in it: set weight_decay=0.0, and the decay in the transformation"
            )
        return schedule(self, n_rows, solver, LEAST_UPDATES, MOST_EPOCHS)

    def _task(self, given: Given, schedule: Schedule) -> Task:
        assert given.targets is not None
        targets = given.targets.columns(given.train_rows)
        scaling, network = self._start(given, targets)
        objective = Prediction(self._checked_loss(), given.rows.shape[1], targets.n_targets)

        def fitted(network: FeedForward, moved: bool) -> Mapping[str, object]:
            return {
                "scaling_": scaling,
                "network_": Predictor(
                    center=single(scaling.center),
                    target_center=single(targets.scaling.center),
                    network=network,
                    scale=single(scaling.scale),
                    target_scale=single(targets.scaling.scale),
                    link=link_of(self._checked_loss()),
                ),
                **targets.fitted,
            }

        at_constant = self.start == "constant"
        what = "a constant prediction" if at_constant else "the weights that training began with"
        on_all_rows = None
        if at_constant and not given.continues and given.has_held_out_rows:

            def on_all_rows() -> Task:
                return self._task(given.with_all_rows(np.random.default_rng(0)), schedule)

        return Task(
            network=network,
            rows=JoinedRows(ScaledRows(given.rows, scaling), targets.aside),
            objective=objective,
            held_out_objective=objective,
            fitted=fitted,
            baseline=None
            if given.continues
            else Baseline(
                what,
                f"the fitted model {'is' if at_constant else 'has'} {what}",
                "More rows may change that; validation_fraction=0 takes the last epoch anyway",
            ),
            # A constant is no model to fall back on: with few held-out rows it would stay where the
            # network explains most of the variance, because a few of the constant's errors are large.
            significance=None,
            on_all_rows=on_all_rows,
        )

    def _start(self, given: Given, targets: TargetColumns) -> tuple[Scaling, FeedForward]:
        """The scaling of the rows, and the network that training begins with."""
        D, k = given.rows.shape[1], len(targets.constant)
        widths = layer_widths("widths", self.widths)
        network = gaussian_chain(
            given.rng,
            (D, *widths, k),
            hidden_activations(self.activation, len(widths)),
            skip_links=self.skip_links,
            last_is_zero=self.start == "constant",
        )
        if not given.continues:
            network = eqx.tree_at(lambda n: n.layers[-1].shift, network, single(-targets.constant))
            return Scaling.fit(self.scaling, ChosenRows(given.rows, given.train_rows)), network
        if shapes_of(network) != shapes_of(self.network_.network):
            raise ValueError(
                "the network's parameters (widths, activation, skip_links) or the number of targets "
                "changed since it was fitted, so training cannot go on from it: set warm_start=False, "
                "or set them back"
            )
        return self.scaling_, self.network_.network

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
        64 bits. Raises NotFittedError before ``fit``.

        Examples
        --------
        The derivative of what was learnt of a sine is nearly a cosine:

        >>> import isthmus, jax, numpy as np
        >>> x = np.linspace(-3, 3, 400)[:, None]
        >>> model = isthmus.FeedForwardRegressor((32,), learning_rate=0.01, random_state=0)
        >>> model = model.fit(x, np.sin(x[:, 0]))
        >>> slope = jax.jacobian(model.predict_function)(np.zeros(1))  # (1,) → (1, 1)
        >>> bool(abs(slope[0, 0] - 1.0) < 0.1)  # cos 0 = 1
        True
        """
        check_is_fitted(self)
        return self.network_

    def _apply(
        self,
        function: Callable[[Array], Array],
        X: object,
        width: int,
        **form: Any,  # of apply
    ) -> Float[np.ndarray, "n width"]:
        """A function of the fitted module, of rows that are checked and centred."""
        rows = check_rows(self, X, reset=False)
        return apply(function, rows, center=self.scaling_.center, width=width, **form)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
