"""The life of a fit, for every estimator that is trained: prepare, train, adopt.

    prepared = prepare(model, X, y, checkpoint=checkpoint)
    result = train(prepared.trainings, jointly=True, checkpoints=prepared.checkpoints)[0]
    adopt(model, prepared, result)

Where rows are few, more are trained beside the model, each without a fifth of the rows: their held-out
rows say when to stop, and whether that is better than PCA.

An estimator says how it is trained (``Schedule``) and what its task is on given rows (``Task``).
Ensembles, pruning and distillation take the same three steps, with many trainings, or with another one
in the place of the estimator's own.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, Int
from sklearn.utils import check_random_state

from isthmus.data.checks import check_errors, check_rows, unchanged
from isthmus.data.neighbours import typical_gap
from isthmus.data.rows import NONE, AllBut, RowNumbers, View, block_bytes_of
from isthmus.data.sources import BLOCK_BYTES, ArraySource
from isthmus.data.stored.rows import StoredRows
from isthmus.data.wording import counted
from isthmus.estimators._searches import said_once
from isthmus.estimators.history import History
from isthmus.estimators.identity import identity_of
from isthmus.estimators.plan import Schedule
from isthmus.estimators.splits import folds_of, split_rows
from isthmus.estimators.targets import Targets
from isthmus.estimators.task import Given, Prepared, Task, Trainable
from isthmus.networks.processes import check_process
from isthmus.training import processes
from isthmus.training.checkpoints import CheckpointLike, FitCheckpoints
from isthmus.training.members import are_of_one_shape
from isthmus.training.problem import Training, TrainingResult

NOISE_OF_GAP = 1.25
"""Input noise in units of the distance to the nearest row, per feature. Chosen by held-out error."""

MOST_NOISE = 1.0
"""Input noise in units of a feature's spread: with more, a row is not to be told from the others."""

MOST_WEIGHTS = 4_000_000
"""Weights of a network that is trained six times over; with its default widths that is 7 500 columns."""

FEATURES = ("n_features_in_", "feature_names_in_", "row_shape_", "code_")
"""Attributes of the columns that a model was fitted on: two of scikit-learn, the shape of images, and
the code of angles and categories."""


class _Checked(NamedTuple):
    """What a fit was given, and the seed of it; ``identity`` says in words what it is of."""

    rows: Any  # as check_rows gives them
    schedule: Any  # what the estimator's _schedule returned
    targets: Targets | None
    errors: Float[np.ndarray, "n D"] | None
    seed: int
    identity: Callable[..., dict[str, str]]


def _checked(
    model: Trainable,
    X: object,
    y: object,
    errors: object = None,
    *,
    continues: bool,
    one_pass: bool = False,
    **known: np.ndarray | None,
) -> _Checked:
    """What was given, checked in each process where several train together, which then agree on a seed.

    Raises ValueError where they were not given the same.
    """

    def check() -> tuple[Any, Any, Targets | None, Float[np.ndarray, "n D"] | None]:
        model._validate_params()
        goes_on = continues and one_pass
        rows = check_rows(model, X, reset=not continues, min_rows=1 if goes_on else 2)
        schedule = model._schedule(*rows.shape, continues=goes_on)
        targets = model._targets(y, rows, continues=continues, **known)
        checked_errors = None if errors is None else check_errors(errors, rows, X)
        return rows, schedule.for_one_pass() if one_pass else schedule, targets, checked_errors

    rows, schedule, targets, checked_errors = processes.in_each(check)
    labels = None if targets is None else y
    identity = partial(identity_of, model, rows, labels, checked_errors, continues=continues)
    seed = seed_of(model.random_state)
    if processes.several():
        processes.check_agreement(identity(brief=True))
        seed = processes.from_first(lambda: seed)
    return _Checked(processes.shared(rows), schedule, targets, checked_errors, seed, identity)


def prepare(
    model: Trainable,
    X: object,
    y: object = None,
    *,
    errors: object = None,
    bootstrap: bool = False,
    cross_validated: bool = False,
    checkpoint: CheckpointLike | None = None,
) -> Prepared:
    """All that a fit does before it trains: check, hold out rows, and set up the training.

    ``errors`` are known errors of the entries of X (n, D). ``bootstrap`` draws as many training rows as
    there are from them, with replacement. ``cross_validated``: where rows are few and training begins
    at what it must beat, none are held out from it, but each is from one of the folds beside it.
    ``checkpoint`` is where the training is kept. Raises ValueError or TypeError, and OSError for a
    folder that cannot be used.
    """
    check_process()
    continues = model.warm_start and hasattr(model, "network_")
    with unchanged(model):
        checked = _checked(model, X, y, errors, continues=continues)
        rows, schedule, targets, seed = checked.rows, checked.schedule, checked.targets, checked.seed
        checkpoints = None
        if checkpoint is not None:
            of_fit = FitCheckpoints(checkpoint, processes.from_first(checked.identity))
            (seed,), checkpoints = of_fit.seeds_of([seed]), of_fit.of_training(0)
        split_rng, weights_rng, batches_rng, draws_rng = np.random.default_rng(seed).spawn(4)
        strata = None if targets is None else targets.strata
        train_rows, held_out_rows = split_rows(
            rows.shape[0], schedule.validation_fraction, split_rng, strata, rows.shape[1]
        )
        if isinstance(rows, StoredRows):
            rows.keep_for_training(schedule.n_taken, held_out_rows)
        given = Given(rows, train_rows, weights_rng, continues, targets=targets, errors=checked.errors)
        if cross_validated and not model.warm_start and not schedule.solver.needs_all_rows:
            prepared = _cross_validated(model, schedule, given, split_rng)
            if prepared is not None:
                return replace(prepared, checkpoints=checkpoints)
        task = model._task(given, schedule)
        features = _features(model)
    kept = rows.training_numbers() if isinstance(rows, StoredRows) else None
    drawn: RowNumbers = train_rows if kept is None else kept
    if bootstrap:
        drawn = drawn[np.sort(draws_rng.integers(len(drawn), size=len(drawn)))]
    training = _training(
        model, schedule, task, drawn, held_out_rows, batches_rng, scattered=kept is not None
    )
    return Prepared(training, task, features, checkpoints=checkpoints)


def prepare_one_pass(
    model: Trainable, X: object, y: object = None, **known: np.ndarray | None
) -> Prepared:
    """The same for ``partial_fit``: one pass over all rows, from where the last call, or fit, ended.

    ``known`` is what the model must know of its targets beforehand, such as all classes.
    """
    check_process()
    continues = hasattr(model, "network_")
    with unchanged(model):
        checked = _checked(model, X, y, continues=continues, one_pass=True, **known)
        rng = np.random.default_rng(checked.seed)
        every = AllBut(checked.rows.shape[0], NONE)
        given = Given(checked.rows, every, rng, continues, one_pass=True, targets=checked.targets)
        task = model._task(given, checked.schedule)
        features = _features(model)
    training = _training(model, checked.schedule, task, every, NONE, rng)
    optimiser = getattr(model, "_optimiser", None)
    return Prepared(replace(training, optimiser=optimiser), task, features)


def adopt(model: Trainable, prepared: Prepared, result: TrainingResult) -> None:
    """Take over what training found. Nothing of an earlier fit changes before this.

    The model gets the best network, the history, and its losses on the held-out rows. A model whose
    training diverged gets the last good weights, and no warning that they are not better.
    """
    task, baseline, moved = prepared.task, prepared.task.baseline, result.best_epoch > 0
    baseline_loss = float("nan") if baseline is None else baseline.loss(prepared, result)
    network = result.network
    if not moved and task.on_all_rows is not None and result.stopped != "diverged":
        task = task.on_all_rows()
        network = task.network
    fitted = {
        "history_": History(result.history, result.best_epoch),
        "best_epoch_": result.best_epoch,
        "validation_loss_": float(result.history["validation_loss"][result.best_epoch]),
        "_optimiser": result.optimiser,
        **task.fitted(network, moved),
    }
    if baseline is not None and baseline.attribute is not None:
        fitted[baseline.attribute] = baseline_loss
    for name in FEATURES:
        vars(model).pop(name, None)
    vars(model).update({**prepared.features, **fitted})
    found: list[Warning] = []
    is_complete = result.stopped not in ("interrupted", "diverged")
    if baseline is not None and is_complete and fitted["validation_loss_"] >= baseline_loss:
        found.append(baseline.warning(prepared, baseline_loss, result))
    if result.stopped != "diverged":
        found += task.warnings(model)
    vars(model)["_warnings"] = tuple(map(str, found))
    for warning in said_once(found):
        warnings.warn(warning, stacklevel=3)


def _cross_validated(
    model: Trainable, schedule: Schedule, given: Given, rng: np.random.Generator
) -> Prepared | None:
    """A training on all rows and, beside it, one without each fold of them.

    None where rows are enough for a single split, where the network is so large that six take long, or
    where what the objective knows of its rows has another shape in a fold, as neighbours of rows have.
    """
    n_rows = given.rows.shape[0]
    folds = []
    for train_rows, held_out_rows in folds_of(n_rows, schedule.validation_fraction, rng):
        weights_rng, batches_rng = rng.spawn(2)
        task = model._task(replace(given, train_rows=train_rows, rng=weights_rng), schedule)
        if sum(leaf.size for leaf in jax.tree.leaves(task.network) if eqx.is_array(leaf)) > MOST_WEIGHTS:
            return None
        folds.append(_training(model, schedule, task, train_rows, held_out_rows, batches_rng))
    if not folds:
        return None
    weights_rng, batches_rng = rng.spawn(2)
    every = given.with_all_rows(weights_rng)
    task = model._task(every, schedule)
    training = _training(model, schedule, task, every.train_rows, NONE, batches_rng)
    if not all(are_of_one_shape(training, fold) for fold in folds):
        return None
    return Prepared(training, task, _features(model), tuple(folds))


def _training(
    model: Trainable,
    schedule: Schedule,
    task: Task,
    train_rows: RowNumbers,
    held_out_rows: Int[np.ndarray, " k"],
    rng: np.random.Generator,
    scattered: bool = False,
) -> Training:
    source = _source(schedule, task.rows, train_rows, scattered)
    if schedule.solver.needs_all_rows and source.n_blocks > 1:
        raise ValueError(
            f"solver={model.solver!r} takes all rows in each step, and these do not fit one block of "
            f"{source.block_bytes >> 20} MiB: use solver='adam'"
        )
    if model.verbose and source.n_blocks > 1 and processes.is_first():
        n_bytes = source.block_rows * task.rows.shape[1] * 4
        print(
            f"{counted(source.n_rows, 'row')} in {counted(source.n_blocks, 'block')}, of each "
            f"{counted(source.block_rows, 'row')} ({n_bytes / 2**20:.4g} MiB) at a time",
            file=sys.stderr,
            flush=True,
        )
    judged = task.chooses_epoch and len(held_out_rows) > 0
    return Training(
        objective=task.objective,
        network=task.network,
        source=source,
        solver=schedule.solver,
        learning_rate=schedule.learning_rate,
        batch_size=schedule.batch_size,
        max_epochs=schedule.max_epochs,
        steps_per_epoch=schedule.steps_per_epoch,
        rng=rng,
        held_out=task.rows[held_out_rows] if judged else None,
        held_out_objective=task.held_out_objective,
        patience=schedule.patience,
        significance=task.significance,
        verbose=model.verbose,
    )


def _source(schedule: Schedule, rows: View, numbers: RowNumbers, scattered: bool) -> ArraySource:
    """These rows, in blocks if they are many; of scattered ones a block is what an epoch takes."""
    block_bytes, steps = block_bytes_of(rows, BLOCK_BYTES), schedule.steps_per_epoch
    most_taken = None if steps is None else steps * schedule.batch_size
    if scattered and most_taken is not None:
        block_bytes = min(block_bytes, 4 * rows.shape[1] * most_taken)
    return ArraySource(rows, numbers, block_bytes, most_taken, scattered)


def _features(model: object) -> dict[str, object]:
    return {name: vars(model)[name] for name in FEATURES if name in vars(model)}


def is_trained(estimator: object) -> bool:
    """Whether an estimator is fitted by training, as ``prepare`` and ``adopt`` do it."""
    return hasattr(estimator, "_task")


def generator(random_state: int | np.random.RandomState | None) -> np.random.Generator:
    """The generator that a ``random_state`` stands for."""
    return np.random.default_rng(seed_of(random_state))


def seed_of(random_state: int | np.random.RandomState | None) -> int:
    """The seed of that generator: drawn, unless ``random_state`` is an integer."""
    return int(check_random_state(random_state).randint(2**31))


def input_noise_for(rows: View, train_rows: RowNumbers, spread: float) -> float:
    """1.25 × the typical distance to the nearest other row, per feature, in units of ``spread``.

    Rows that lie closer than the data do are not told apart: a map that follows them would be learning
    single rows by heart.
    """
    gap = typical_gap(rows, train_rows) / np.sqrt(rows.shape[1])
    return float(f"{min(NOISE_OF_GAP * gap / spread, MOST_NOISE):.2g}")
