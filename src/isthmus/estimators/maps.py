"""Trained maps: what they share besides the life of a fit, which is the start at PCA and the frame."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from jaxtyping import Float, PyTree

from isthmus.data.moments import PrincipalAxes, principal_axes
from isthmus.data.rows import ChosenRows, JoinedRows, Rows, ScaledRows, View
from isthmus.data.scaling import Scaling
from isthmus.estimators.base import BaseMap, unlike_scales
from isthmus.estimators.fitting import adopt, prepare, prepare_one_pass
from isthmus.estimators.history import History
from isthmus.estimators.notebook import some_of
from isthmus.estimators.parameters import MapParameters
from isthmus.estimators.plan import Plan, shapes_of
from isthmus.estimators.task import Baseline, Given, Task
from isthmus.networks.fitted import DataMap
from isthmus.networks.frames import Frame, FrameAverages, canonical_frame, pca_frame
from isthmus.networks.layers import single
from isthmus.networks.links import Identity, Link
from isthmus.networks.pairs import PCAPath
from isthmus.objectives.corruption import TrainingRows
from isthmus.training.checkpoints import CheckpointLike
from isthmus.training.loop import train
from isthmus.training.problem import Objective


@dataclass(frozen=True)
class Start:
    """Where training begins: scaling and network, the frame if it is known, and what must be beaten.

    ``baseline`` is PCA as a pair; None where it is ``pair`` itself or was not asked for.
    """

    scaling: Scaling
    pair: PyTree
    frame: Frame | None = None
    baseline: PyTree = None
    is_baseline: bool = False


@dataclass(frozen=True)
class Objectives:
    """What is minimised, what an epoch is evaluated by, and what follows from the data.

    ``aside`` are numbers beside each row that an objective needs, ``fitted`` attributes that the map
    gets once it is trained.
    """

    objective: Objective
    held_out_objective: Objective
    aside: Float[np.ndarray, "n a"] | None = None
    fitted: Mapping[str, object] = field(default_factory=dict)

    def beside(self, rows: View) -> View:
        return rows if self.aside is None else JoinedRows(rows, self.aside)


class TrainedMap(MapParameters, BaseMap):
    """A map that training finds, from PCA on, with held-out rows to choose the epoch.

    A subclass has the parameters that ``Plan`` reads, and says where training begins and what is
    minimised.
    """

    BASELINE = "PCA"
    REMEDY = (
        "More rows may change that; so may other n_components. If not, these data are flat, and "
        "LinearAutoencoder is the simpler model"
    )

    HELD_OUT_ROWS_CHOOSE = "the epoch"

    network_: DataMap
    history_: History
    best_epoch_: int
    validation_loss_: float
    pca_validation_loss_: float

    @abstractmethod
    def _objectives(self, data: TrainingRows, start: Start, *, continues: bool) -> Objectives:
        """What is minimised over these rows, from this start."""

    @abstractmethod
    def _check_parameters(self) -> None:
        """Raise for parameters that only this map has, where their constraints cannot say it."""

    def fit(self, X: object, y: object = None, *, checkpoint: CheckpointLike | None = None) -> Self:
        """Learn the map from rows (n, D).

        Parameters
        ----------
        X : array-like (n, D), n ≥ 2, or images (n, height, width) or (n, height, width, c)
            Rows in their own units, in memory or what ``isthmus.scan`` takes.
        y : object, default None
            Ignored; it is there for pipelines.
        checkpoint : path, isthmus.Checkpoint or None, default None
            Where training is kept from time to time: the same fit, killed and started again, goes on
            from there and ends with the same bits. None keeps nothing.

        Returns
        -------
        self
            The fitted map. Nothing of an earlier fit changes before training has ended.

        Raises
        ------
        ValueError, TypeError
            For rows that are not finite numbers, and parameters that do not fit them or one another.
        DivergenceError
            If the loss becomes NaN or infinite; the map then holds its last good weights.

        Warns
        -----
        NoImprovementWarning
            If no epoch beat PCA on the held-out rows.
        UnequalScalesWarning
            If columns have different units, and nothing scales them.

        Examples
        --------
        >>> import isthmus
        >>> from sklearn.datasets import load_digits
        >>> X = load_digits().data
        >>> model = isthmus.Autoencoder(2, widths=(32,), max_epochs=10, random_state=0).fit(X)
        >>> len(model.history_["epoch"])  # the start, and 10 epochs
        11
        """
        prepared = prepare(self, X, cross_validated=self.skip == "pca", checkpoint=checkpoint)
        result = train(prepared.trainings, jointly=True, checkpoints=prepared.checkpoints)[0]
        adopt(self, prepared, result)
        result.raise_if_diverged(prepared.training.learning_rate)
        return self

    def partial_fit(self, X: object, y: object = None) -> Self:
        """Train for one pass over rows (n, D), from where the last call, or ``fit``, ended.

        The first call sets the scaling and the PCA path from its rows. After ``fit`` coordinates stay in
        its frame; without it the frame is a running average over all rows so far. Adam keeps its moments
        from call to call, at a constant rate, 1e-3 unless ``learning_rate`` says otherwise. No rows are
        held out, so nothing chooses an epoch, and ``validation_loss_`` and ``pca_validation_loss_`` are
        NaN: watch the error on rows of your own. Calls with equal numbers of rows share one compiled
        program.

        Parameters
        ----------
        X : array-like (n, D)
            Rows in their own units; the first call needs more of them than the map has coordinates.
        y : object, default None
            Ignored; it is there for pipelines.

        Returns
        -------
        self
            The map after this pass.

        Raises
        ------
        ValueError, TypeError, DivergenceError
            What ``fit`` raises.

        Examples
        --------
        >>> import isthmus
        >>> from sklearn.datasets import load_digits
        >>> X = load_digits().data
        >>> model = isthmus.Autoencoder(2, widths=(32,), max_epochs=10, random_state=0)
        >>> for part in (X[:850], X[850:1700]):  # two parts of one stream
        ...     model = model.partial_fit(part)
        >>> model.transform(X).shape, model.validation_loss_
        ((1797, 2), nan)
        """
        prepared = prepare_one_pass(self, X)
        (result,) = train([prepared.training])
        adopt(self, prepared, result)
        result.raise_if_diverged(prepared.training.learning_rate)
        return self

    @property
    def training_in_words(self) -> str:
        """Where training began and what was kept, as sentences below ``history_``."""
        starts_at_baseline = self.skip == "pca"
        start = (
            f"epoch 0 is {self.BASELINE} itself" if starts_at_baseline else "epoch 0 has random weights"
        )
        if np.isnan(self.history_["validation_loss"]).all():
            return f"No rows were held out, and the last epoch is kept; {start}."
        kept = ", and is kept unless another is clearly better" if starts_at_baseline else ""
        return f"Held-out rows choose {self.HELD_OUT_ROWS_CHOOSE}; {start}{kept}."

    def _schedule(self, n_rows: int, n_features: int, *, continues: bool) -> Plan:
        self._check_parameters()
        return Plan.of(self, n_rows, n_features, continues=continues)

    def _targets(self, y: object, rows: Rows, *, continues: bool, **known: np.ndarray | None) -> None:
        """A map has no targets."""

    def _task(self, given: Given, schedule: Plan) -> Task:
        start = self._start(given, schedule)
        data = TrainingRows(ScaledRows(given.rows, start.scaling), given.train_rows, given.errors)
        objectives = self._objectives(data, start, continues=given.continues)
        objective = objectives.objective
        if given.one_pass and hasattr(objective, "steady"):
            # Without an end in sight an objective that changes is at its end.
            objective = objective.steady()

        def fitted(pair: PyTree, moved: bool) -> Mapping[str, object]:
            frame, averages = start.frame, None
            if given.one_pass:
                frame, averages = self._running_frame(pair, data.rows)
            elif frame is None or moved:
                frame = self._frame(FrameAverages.of(pair, data.rows), start.scaling)
            network = self._data_map(pair, frame, start.scaling)
            return {
                "scaling_": start.scaling,
                "network_": network,
                "_frame_averages": averages,
                "_some_rows": None if given.one_pass else some_of(given.rows),
                **self._extras(network, objectives.beside(data.rows)),
                **objectives.fitted,
            }

        def warnings_of(model: TrainedMap) -> list[Warning]:
            # Where training goes on, the warning was given when it began.
            return [] if given.continues else unlike_scales(model, given.rows)

        on_all_rows = None
        if start.is_baseline and given.has_held_out_rows:

            def on_all_rows() -> Task:
                return self._task(given.with_all_rows(np.random.default_rng(0)), schedule)

        return Task(
            network=start.pair,
            rows=objectives.beside(data.rows),
            objective=objective,
            held_out_objective=objectives.held_out_objective,
            fitted=fitted,
            baseline=Baseline(
                self.BASELINE,
                f"the fitted model is {'' if start.is_baseline else 'worse than '}{self.BASELINE}",
                self.REMEDY,
                network=start.baseline,
                attribute="pca_validation_loss_",
            ),
            on_all_rows=on_all_rows,
            warnings=warnings_of,
        )

    def _start(self, given: Given, plan: Plan) -> Start:
        """At PCA of the training rows, or with random weights, or where the last fit ended."""
        self._check_data(given.rows)
        chosen = ChosenRows(given.rows, given.train_rows)
        scaling = self.scaling_ if given.continues else self._fit_scaling(chosen)
        path = None
        if given.has_held_out_rows or (plan.starts_at_pca and not given.continues):
            path = PCAPath.of(leading_axes(ScaledRows(chosen, scaling), plan.architecture.n_components))
        if given.continues:
            return self._where_it_was(plan, path and path.pair())
        if path is None or not plan.starts_at_pca:
            pair = plan.architecture.initialise(given.rng, None)
            return Start(scaling, pair, baseline=path and path.pair())
        frame = pca_frame(path, scaling.unit, plan.architecture.tied)
        pair = plan.architecture.initialise(given.rng, path)
        return Start(scaling, pair, frame, is_baseline=True)

    def _where_it_was(self, plan: Plan, baseline: PyTree) -> Start:
        pair = self.network_.pair
        if shapes_of(self._example_pair(plan)) != shapes_of(pair):
            raise ValueError(
                "the network's parameters (n_components, widths, activation, skip, tied, …) changed "
                "since it was fitted, so training cannot go on from it: set warm_start=False, or "
                "set them back"
            )
        return Start(self.scaling_, pair, self.network_.frame, baseline)

    def _example_pair(self, plan: Plan) -> PyTree:
        """A pair with the sizes and switches planned for, to compare others with."""
        return plan.example_pair()

    def _check_data(self, rows: Rows) -> None:
        """Raise for rows that what is minimised is not defined on."""

    def _fit_scaling(self, rows: Rows) -> Scaling:
        return Scaling.fit(self.scaling, rows)

    def _running_frame(self, pair: PyTree, rows: ScaledRows) -> tuple[Frame, FrameAverages | None]:
        """The frame of ``fit``, or without it that of the averages over all rows so far."""
        before: FrameAverages | None = getattr(self, "_frame_averages", None)
        if before is None and hasattr(self, "network_"):
            return self.network_.frame, None
        averages = FrameAverages.of(pair, rows)
        if before is not None:
            averages = before.merge(averages)
        return self._frame(averages, rows.scaling), averages

    def _frame(self, averages: FrameAverages, scaling: Scaling) -> Frame:
        return canonical_frame(averages, scaling.unit)

    def _data_map(self, pair: PyTree, frame: Frame, scaling: Scaling) -> DataMap:
        return DataMap(single(scaling.center), pair, frame, single(scaling.scale), self._link())

    def _link(self) -> Link:
        """Which x̂ an output of the decoder stands for."""
        return Identity()

    def _extras(self, network: DataMap, rows: View) -> Mapping[str, object]:
        """Attributes of the fitted model that only this kind of map has; rows as objectives see them."""
        return {}


def leading_axes(rows: View, n_components: int) -> PrincipalAxes:
    """The leading principal axes of training rows, or an error where these are too few."""
    axes = principal_axes(rows, n_components)
    check_axes(axes, n_components, rows.shape[0])
    return axes


def check_axes(axes: PrincipalAxes, n_components: int, n_rows: int) -> None:
    """Raise ValueError where training rows have fewer axes than the map is to have coordinates."""
    if len(axes.variances) < n_components:
        raise ValueError(
            f"n_components={n_components} is more than the {n_rows} training rows can tell "
            "apart: pass more rows, or hold out fewer by validation_fraction"
        )
