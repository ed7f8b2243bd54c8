"""What trained maps share: the start at PCA, the held-out rows, training, and taking over its result."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import jax
import numpy as np
import optax
from jaxtyping import Float, Int
from sklearn.utils import check_random_state

from isthmus.data.checks import check_errors, check_rows
from isthmus.data.moments import ColumnStatistics, column_statistics, principal_axes
from isthmus.data.rows import Beside, RowsOfTraining, ScaledRows
from isthmus.data.scaling import Scaling
from isthmus.data.sources import ArraySource
from isthmus.estimators.base import BaseMap
from isthmus.estimators.plan import Plan, shapes_of, split_rows
from isthmus.networks.fitted import DataMap
from isthmus.networks.frames import Frame, canonical_frame, pca_frame
from isthmus.networks.layers import Activation, single
from isthmus.networks.pairs import PCAPath
from isthmus.objectives.losses import Loss
from isthmus.training.loop import DivergenceError, Job, Objective, TrainingResult, train_job

NOISE_OF_GAP = 1.25
"""Input noise in units of the distance to the nearest row, per feature. Chosen by held-out error."""

MOST_NOISE = 1.0
"""Input noise in units of a feature's spread: with more, a row is not to be told from the others."""

MOST_REFERENCES, MOST_QUERIES = 10_000, 1000
REFERENCE_ELEMENTS = 2**25
"""Rows, and numbers in them, among which nearest rows are searched for."""


class NoImprovementWarning(UserWarning):
    """Training found no map that beats PCA on held-out rows."""


@dataclass(frozen=True)
class Start:
    """Where training begins: scaling and network; the frame if it is PCA or fitted before.

    ``yardstick`` is the pair that must be beaten, where there is one; ``is_fitted`` says that training
    goes on. ``redraw`` gives the same start with other random weights, so that what follows from the
    data is computed once for many.
    """

    scaling: Scaling
    pair: Any
    frame: Frame | None = None
    yardstick: Any = None
    is_fitted: bool = False
    redraw: Callable[[np.random.Generator], Start] | None = None


@dataclass(frozen=True)
class Task:
    """What is minimised, what judges an epoch, and what follows from the data.

    ``aside`` are numbers beside each row that an objective needs, ``fitted`` attributes that the map
    gets once it is trained.
    """

    objective: Objective
    judge: Objective
    aside: Float[np.ndarray, "n a"] | None = None
    fitted: Mapping[str, Any] = field(default_factory=dict)

    def complete(self, rows: ScaledRows) -> ScaledRows | Beside:
        return rows if self.aside is None else Beside(rows, self.aside)

    def steady(self) -> Task:
        """The same for training without an end in sight: an objective that changes is at its end."""
        if not hasattr(self.objective, "steady"):
            return self
        return replace(self, objective=self.objective.steady())


@dataclass(frozen=True)
class Prepared:
    """A training that is ready to run, and what its result is taken over with."""

    job: Job
    rows: ScaledRows
    task: Task
    start: Start


class TrainedMap(BaseMap):
    """A map that training finds, from PCA on, with held-out rows to choose the epoch.

    A subclass has the parameters that ``Plan`` reads, and says what its task is.
    """

    YARDSTICK = "PCA"
    REMEDY = (
        "More rows may change that; so may other n_components. If not, these data are flat, and "
        "LinearAutoencoder is the simpler model"
    )

    history_: dict[str, np.ndarray]
    best_epoch_: int
    validation_loss_: float
    pca_validation_loss_: float

    n_components: int
    widths: Sequence[int]
    decoder_widths: Sequence[int] | None
    activation: str | Activation | Sequence[str | Activation]
    skip: str | None
    skip_links: bool
    scaling: str | None
    solver: str | optax.GradientTransformation
    learning_rate: float | None
    batch_size: int | None
    max_epochs: int | None
    validation_fraction: float
    patience: int | None
    warm_start: bool
    random_state: int | np.random.RandomState | None
    verbose: bool

    @abstractmethod
    def _task(self, data: RowsOfTraining, start: Start) -> Task:
        """Objective and judge; checks the parameters that only they have."""

    @abstractmethod
    def _output_loss(self) -> Loss:
        """What says which x̂ an output of the decoder stands for."""

    def _check_parameters(self) -> None:
        """Raise for parameters that only this map has, before any work."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the map from rows (n, D); ``y`` is ignored."""
        return self._fit(X)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Train for one pass over rows (n, D), from where the last call, or ``fit``, ended.

        The first call sets the scaling and the PCA path from its rows. Adam keeps its moments from
        call to call, at a constant rate, 1e-3 unless ``learning_rate`` says otherwise. No rows are
        held out, so nothing chooses an epoch: watch the error on rows of your own. Calls with equal
        numbers of rows share one compiled program. Raises what ``fit`` raises.
        """
        continues = hasattr(self, "network_")
        rows = check_rows(self, X, reset=not continues, min_rows=1 if continues else 2)
        self._check_parameters()
        plan = Plan.of(self, *rows.shape, continues=continues).for_one_pass()
        rng = generator(self.random_state)
        start = self._as_it_is(plan) if continues else self._at_pca(rows, plan, rng)
        data = RowsOfTraining(ScaledRows(rows, start.scaling), np.arange(rows.shape[0]))
        task = self._task(data, start).steady()
        prepared = self._job(data, task, plan, start, rng)
        self._train(
            replace(prepared, job=replace(prepared.job, optimiser=getattr(self, "_optimiser", None)))
        )
        return self

    def _fit(self, X: Any, errors: Any = None) -> Self:
        prepared = self._prepare(X, errors=errors)
        self._sum_up(prepared, self._train(prepared))
        return self

    def _prepare(
        self,
        X: Any,
        y: Any = None,
        *,
        errors: Any = None,
        like: Prepared | None = None,
        bootstrap: bool = False,
    ) -> Prepared:
        """All that ``fit`` does before it trains; ``y`` is ignored.

        ``like`` is another member's, of the same rows, to share what follows from the rows alone;
        ``bootstrap`` draws as many training rows as there are from them, with replacement.
        """
        continues = self.warm_start and hasattr(self, "network_")
        rows = check_rows(self, X, reset=not continues, min_rows=2)
        self._check_parameters()
        errors = None if errors is None else check_errors(errors, rows)
        plan = Plan.of(self, *rows.shape)
        split_rng, weights_rng, batches_rng, draws_rng = generator(self.random_state).spawn(4)
        if continues:
            start = self._as_it_is(plan)
        elif like is not None and like.start.redraw is not None:
            start = like.start.redraw(weights_rng)
        else:
            start = self._at_pca(rows, plan, weights_rng, errors)
        train_rows, held_out_rows = split_rows(rows.shape[0], plan.validation_fraction, split_rng)
        if bootstrap:
            train_rows = np.sort(draws_rng.choice(train_rows, len(train_rows)))
        data = RowsOfTraining(ScaledRows(rows, start.scaling), train_rows, errors)
        return self._job(data, self._task(data, start), plan, start, batches_rng, held_out_rows)

    def _finish(self, prepared: Prepared, result: TrainingResult) -> None:
        """All that ``fit`` does after it has trained; a map that diverged has its last good weights."""
        self._adopt(result, prepared.rows, prepared.task, prepared.start)
        if result.stopped != "diverged":
            self._sum_up(prepared, result)

    def _sum_up(self, prepared: Prepared, result: TrainingResult) -> None:
        """Record how the map compares with its yardstick, and warn where it is not better."""
        self.validation_loss_ = float(result.history["validation_loss"][result.best_epoch])
        if not prepared.start.is_fitted:
            self.pca_validation_loss_ = self._pca_loss(prepared, result)
        elif not hasattr(self, "pca_validation_loss_"):
            self.pca_validation_loss_ = float("nan")  # partial_fit held out no rows
        if result.stopped != "interrupted" and prepared.job.held_out is not None:
            self._warn_of_no_improvement(len(prepared.job.held_out), result)

    def _as_it_is(self, plan: Plan) -> Start:
        pair = self.network_.pair
        if shapes_of(self._example_pair(plan)) != shapes_of(pair):
            raise ValueError(
                "the network's parameters (n_components, widths, activation, skip, tied, …) changed "
                "since it was fitted, so training cannot go on from it: set warm_start=False, or "
                "set them back"
            )
        return Start(self.scaling_, pair, self.network_.frame, is_fitted=True)

    def _example_pair(self, plan: Plan) -> Any:
        """A pair with the sizes and switches planned for, to compare others with."""
        return plan.example_pair()

    def _fit_scaling(self, columns: ColumnStatistics) -> Scaling:
        return Scaling.fit(self.scaling, columns)

    def _at_pca(
        self,
        rows: Any,
        plan: Plan,
        rng: np.random.Generator,
        errors: Float[np.ndarray, "n D"] | None = None,
    ) -> Start:
        """Scaling and principal axes of all rows, and the pair that starts there if it is to."""
        scaling = self._fit_scaling(column_statistics(rows))
        path = None
        if plan.starts_at_pca or plan.validation_fraction > 0:
            path = PCAPath.of(principal_axes(ScaledRows(rows, scaling), plan.architecture.n_components))

        def draw(rng: np.random.Generator) -> Start:
            if path is None or not plan.starts_at_pca:
                pair = plan.architecture.initialise(rng, None)
                return Start(scaling, pair, yardstick=path and path.pair(), redraw=draw)
            frame = pca_frame(path, scaling.unit, plan.architecture.tied)
            pair = plan.architecture.initialise(rng, path)
            return Start(scaling, pair, frame, pair, redraw=draw)

        return draw(rng)

    def _job(
        self,
        data: RowsOfTraining,
        task: Task,
        plan: Plan,
        start: Start,
        rng: np.random.Generator,
        held_out_rows: Int[np.ndarray, " k"] | Sequence[int] = (),
    ) -> Prepared:
        rows = task.complete(data.rows)
        job = Job(
            objective=task.objective,
            network=start.pair,
            source=ArraySource(rows, data.train_rows),
            solver=plan.solver,
            learning_rate=plan.learning_rate,
            batch_size=plan.batch_size,
            max_epochs=plan.max_epochs,
            rng=rng,
            held_out=rows[held_out_rows] if len(held_out_rows) else None,
            held_out_objective=task.judge,
            patience=plan.patience,
            verbose=self.verbose,
        )
        return Prepared(job, data.rows, task, start)

    def _train(self, prepared: Prepared) -> TrainingResult:
        try:
            result = train_job(prepared.job)
        except DivergenceError as error:
            self._adopt(error.result, prepared.rows, prepared.task, prepared.start)
            raise
        self._adopt(result, prepared.rows, prepared.task, prepared.start)
        return result

    def _adopt(self, result: TrainingResult, rows: ScaledRows, task: Task, start: Start) -> None:
        """Take over what training found: nothing of an earlier fit changes before this."""
        scaling, frame = start.scaling, start.frame
        if frame is None or result.best_epoch > 0:
            frame = self._frame(result.network, rows)
        self.scaling_ = scaling
        self.network_ = self._data_map(result.network, frame, scaling)
        self.history_ = result.history
        self.best_epoch_ = result.best_epoch
        self._optimiser = result.optimiser
        for name, value in task.fitted.items():
            setattr(self, name, value)

    def _frame(self, pair: Any, scaled: ScaledRows) -> Frame:
        return canonical_frame(pair, scaled, scaled.scaling.unit)

    def _data_map(self, pair: Any, frame: Frame, scaling: Scaling) -> DataMap:
        return DataMap(pair, frame, single(scaling.center), single(scaling.scale), self._output_loss())

    def _pca_loss(self, prepared: Prepared, result: TrainingResult) -> float:
        """PCA's mean loss on the held-out rows: that of epoch 0 where training started there."""
        start, held_out = prepared.start, prepared.job.held_out
        if held_out is None or start.yardstick is None:
            return float("nan")
        if start.yardstick is start.pair:
            return float(result.history["validation_loss"][0])
        losses = prepared.task.judge(start.yardstick, single(held_out), jax.random.key(0))
        return float(np.mean(losses))

    def _warn_of_no_improvement(self, n_held_out: int, result: TrainingResult) -> None:
        if not self.validation_loss_ >= self.pca_validation_loss_:
            return
        least = float(np.min(result.history["validation_loss"]))
        now = f"the model is {self.YARDSTICK}"
        if self.skip != "pca":
            now = f"the model is worse than {self.YARDSTICK}"
        warnings.warn(
            f"the network won nothing over {self.YARDSTICK}, so {now}: on {n_held_out} held-out rows "
            f"the least loss was {least:.4g}, {self.YARDSTICK}'s is {self.pca_validation_loss_:.4g}, "
            f"and a difference counts if chance gives it in less than 1 % of cases. {self.REMEDY}",
            NoImprovementWarning,
            stacklevel=5,
        )


def generator(random_state: int | np.random.RandomState | None) -> np.random.Generator:
    """The generator that a ``random_state`` stands for."""
    return np.random.default_rng(check_random_state(random_state).randint(2**31))


def input_noise_for(rows: Any, train_rows: Int[np.ndarray, " m"], spread: float) -> float:
    """1.25 × the typical distance to the nearest other row, per feature, in units of ``spread``.

    Rows that lie closer than the data do are not told apart: a map that follows them would be learning
    single rows by heart. The median over up to 1 000 of the scaled rows, evenly spaced, among up to
    10 000.
    """
    from sklearn.neighbors import NearestNeighbors  # loads half of scikit-learn

    most = min(MOST_REFERENCES, max(2, REFERENCE_ELEMENTS // rows.shape[1]))
    reference = rows[train_rows[:: -(-len(train_rows) // most)]]
    if len(reference) < 2:
        return 0.0
    queries = reference[:: -(-len(reference) // MOST_QUERIES)]
    search = NearestNeighbors(n_neighbors=2).fit(reference)
    distances, _ = search.kneighbors(queries)
    gap = float(np.median(distances[:, 1])) / np.sqrt(rows.shape[1])
    return float(f"{min(NOISE_OF_GAP * gap / spread, MOST_NOISE):.2g}")
