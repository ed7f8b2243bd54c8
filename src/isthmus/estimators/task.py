"""What training is asked for: rows and where it begins, what is minimised, and what must be beaten.

An estimator makes a ``Task`` of the rows that a fit was ``Given``; ``Prepared`` is the training that is
ready to run, beside the task that its result is adopted by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from isthmus.data.rows import NONE, AllBut, RowNumbers, Rows, View
from isthmus.estimators.targets import Targets
from isthmus.networks.layers import single
from isthmus.training.checkpoints import TrainingCheckpoints
from isthmus.training.problem import SIGNIFICANCE, Objective, Training, TrainingResult
from isthmus.training.random import key_of


class NoImprovementWarning(UserWarning):
    """Training found no network that beats PCA, or what it began with, on held-out rows.

    The model is then PCA, for a ``VariationalAutoencoder`` probabilistic PCA, and for a predictor a
    constant, which is a result: the data are flat, or too few to tell. The text has both losses and what
    may help: more rows, another ``n_components``, for curved data ``warm_up``. Where PCA will do,
    ``isthmus.LinearAutoencoder`` is the simpler model. A ``NeighbourAutoencoder`` that decodes worse
    than PCA is kept as it is, and warns, too.

    Examples
    --------
    A Gaussian cloud has nothing but its axes:

    >>> import isthmus, numpy as np, warnings
    >>> X = np.random.default_rng(0).standard_normal((1797, 64))
    >>> model = isthmus.Autoencoder(2, widths=(32,), max_epochs=10, random_state=0)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     model = model.fit(X)
    >>> caught[0].category.__name__, model.best_epoch_  # epoch 0 is PCA
    ('NoImprovementWarning', 0)
    """


@dataclass(frozen=True)
class Given:
    """What a task is made of: checked rows, the numbers of those to train on, and targets or errors.

    ``continues`` says that training goes on from the fitted model, ``one_pass`` that it does so without
    an end in sight.
    """

    rows: Rows
    train_rows: RowNumbers
    rng: np.random.Generator
    continues: bool = False
    one_pass: bool = False
    targets: Targets | None = None
    errors: Float[np.ndarray, "n D"] | None = None

    @property
    def has_held_out_rows(self) -> bool:
        return len(self.train_rows) < self.rows.shape[0]

    @property
    def held_out_rows(self) -> Int[np.ndarray, " k"]:
        """The numbers of the rows that are not trained on."""
        if isinstance(self.train_rows, AllBut):
            return self.train_rows.left_out
        return np.setdiff1d(np.arange(self.rows.shape[0]), self.train_rows)

    def with_all_rows(self, rng: np.random.Generator) -> Given:
        """The same without held-out rows."""
        return replace(self, train_rows=AllBut(self.rows.shape[0], NONE), rng=rng)


@dataclass(frozen=True)
class Baseline:
    """What training must beat on the held-out rows, and what a warning says where it does not.

    ``network`` None is the network that training begins with. ``consequence`` says what the model is
    where no epoch beats the baseline. ``attribute`` is where the model keeps the baseline's loss.
    """

    name: str
    consequence: str
    remedy: str
    network: PyTree = None
    attribute: str | None = None

    def loss(self, prepared: Prepared, result: TrainingResult) -> float:
        """The mean loss on the held-out rows; NaN without any."""
        held_out = prepared.training.held_out
        if self.network is None:
            return float(result.history["validation_loss"][0])
        if held_out is None:
            return float("nan")
        return mean_loss(prepared.task.held_out_objective, self.network, held_out)

    def warning(self, prepared: Prepared, loss: float, result: TrainingResult) -> Warning:
        """No epoch beat the baseline, and what the model is."""
        least = float(np.min(result.history["validation_loss"]))
        beyond, chance = "", ""
        if least < loss and self.network is None and prepared.task.significance is not None:
            beyond = " beyond chance"
            chance = (
                f", which could be chance (p = {result.p_value:.2g}; less than "
                f"{prepared.task.significance:g} counts)"
            )
        return NoImprovementWarning(
            f"No epoch beat {self.name}{beyond}, so {self.consequence}. On {result.n_held_out} held-out "
            f"rows the least loss was {least:.4g}, and that of {self.name} is {loss:.4g}{chance}. "
            f"{self.remedy}"
        )


def mean_loss(objective: Objective, network: PyTree, rows: Float[np.ndarray, "n D"]) -> float:
    """The mean loss of rows, with the same draws for every network."""
    return float(np.mean(np.asarray(_losses(objective, network, jax.device_put(single(rows))))))


@eqx.filter_jit
def _losses(objective: Objective, network: PyTree, rows: Float[Array, "n D"]) -> Float[Array, " n"]:
    """One program, where each operation would have its own."""
    return objective(network, rows, key_of(0))


def no_warnings(model: object) -> Iterable[Warning]:
    """Of a model that has nothing to say."""
    return ()


@dataclass(frozen=True)
class Task:
    """What an estimator asks of training, on given rows.

    ``rows`` are all rows as the objective takes them: scaled, with what it needs beside each.
    ``held_out_objective`` is what an epoch is evaluated by, unless ``chooses_epoch`` is false: then the
    last epoch is the result, whatever its losses. ``fitted`` takes a network, and whether training has
    moved it, and gives the attributes of the fitted model. ``on_all_rows`` gives the task without
    held-out rows: where no epoch beats the start, nothing needs to be held out from it. ``warnings``
    are what a user should know of the fitted model.
    """

    network: PyTree
    rows: View
    objective: Objective
    held_out_objective: Objective
    fitted: Callable[[PyTree, bool], Mapping[str, object]]
    baseline: Baseline | None = None
    significance: float | None = SIGNIFICANCE
    chooses_epoch: bool = True
    on_all_rows: Callable[[], Task] | None = None
    warnings: Callable[[Any], Iterable[Warning]] = no_warnings  # of the fitted model


@dataclass(frozen=True)
class Prepared:
    """A training that is ready to run, and the task that its result is adopted by.

    ``features`` is what a model is to know of its columns: their number, names and shape, if they have
    these. ``folds`` are trainings without a part of the rows each, for one that has none held out.
    ``checkpoints`` are those of the training, if it is to have any.
    """

    training: Training
    task: Task
    features: Mapping[str, object]
    folds: tuple[Training, ...] = ()
    checkpoints: TrainingCheckpoints | None = None

    @property
    def trainings(self) -> list[Training]:
        """The training and its folds."""
        return [self.training, *self.folds]


class Trainable(Protocol):
    """An estimator that is trained: what ``prepare`` and ``adopt`` ask of it."""

    warm_start: bool
    random_state: int | np.random.RandomState | None
    verbose: bool | None
    solver: object

    def _validate_params(self) -> None:
        """As scikit-learn: raise for a parameter that is not what its constraints say."""

    def _schedule(self, n_rows: int, n_features: int, *, continues: bool) -> Any:  # maps have more
        """How to train, from the parameters; raises ValueError or TypeError where they do not agree."""

    def _targets(
        self, y: object, rows: Rows, *, continues: bool, **known: np.ndarray | None
    ) -> Targets | None:
        """Checked targets of checked rows, or None."""

    def _task(self, given: Given, schedule: Any) -> Task:  # what _schedule returned
        """What is minimised, from where, and what a trained network makes of the model."""
