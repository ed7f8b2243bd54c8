"""Distillation: a small network learns what a large one, or several, have found.

A teacher's outputs say more than the data do: its reconstructions are without noise, its coordinates are
the ones to reproduce, its probabilities tell how near the other classes are (Hinton et al. 2015,
"Distilling the knowledge in a neural network", arXiv:1503.02531; lecture notes, "Distillation").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree
from sklearn.base import is_classifier, is_regressor
from sklearn.utils.validation import check_is_fitted

from isthmus.compression.kinds import MAP, measured
from isthmus.compression.prune import ROWS_LOOKED_AT, continued
from isthmus.compression.units import Prunable, hidden_widths, n_parameters
from isthmus.data.checks import check_rows, rows_without_names
from isthmus.data.moments import principal_axes
from isthmus.data.rows import ChosenRows, JoinedRows, ScaledRows, View, dense
from isthmus.data.sources import ArraySource
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.base import BaseMap, decoded_rows, reconstruction_error, width_of
from isthmus.estimators.ensemble import Ensemble, ensemble_of
from isthmus.estimators.feedforward_classifier import FeedForwardClassifier
from isthmus.estimators.feedforward_regressor import FeedForwardRegressor
from isthmus.estimators.fitting import adopt, prepare
from isthmus.estimators.maps import TrainedMap
from isthmus.estimators.plan import as_loss, layer_widths
from isthmus.estimators.predictor import FeedForwardPredictor
from isthmus.estimators.task import Prepared, mean_loss
from isthmus.networks.fitted import DataMap
from isthmus.networks.frames import Frame
from isthmus.networks.layers import Affine, single
from isthmus.networks.links import class_scores
from isthmus.networks.pairs import PCAPath
from isthmus.objectives.corruption import Corruption
from isthmus.objectives.losses import Loss
from isthmus.objectives.reconstruction import Reconstruction
from isthmus.training.loop import train
from isthmus.training.problem import Objective

ROWS_OF_REGRESSION = 10_000
"""Rows, evenly spaced, that the linear start is regressed on."""

Model = BaseMap | FeedForwardPredictor
Student = TypeVar("Student", Autoencoder, FeedForwardClassifier, FeedForwardRegressor)


def distill(
    teacher: Model | Sequence[Model],
    X: object,
    widths: Sequence[int],
    *,
    decoder_widths: Sequence[int] | None = None,
    max_epochs: int | None = None,
    random_state: int | None = None,
) -> Model:
    """A small fitted model that has learnt from a large one, or from several, on rows (n, D).

    Of a map, the student is an ``Autoencoder`` that learns the teacher's reconstructions x̂ and its
    coordinates z: the loss of x̂, plus ½ Σ_k ‖∂x̂/∂z_k‖² (z_k − z_k,teacher)² with the slopes of the
    linear regression of x̂ on z, so that both terms are in one unit. Its coordinates are the teacher's,
    not made canonical anew. If the teacher is an ``Autoencoder`` with as many hidden layers, and more
    useful units in each, the student starts with the best of its units, as ``prune`` chooses them;
    otherwise at linear regressions in both directions.

    Of a classifier, the student learns the teacher's probabilities, −Σ p_teacher log p; of a regressor,
    its predictions. No targets are needed, so X may hold more rows than the teacher saw.

    Parameters
    ----------
    teacher : fitted isthmus estimator, or a list of several of one kind
        Any map, classifier or regressor, or an ``Ensemble``; a list is averaged as an ``Ensemble`` is.
    X : array (n, D)
        Rows to learn from.
    widths : sequence of int
        Hidden layers of the student: of the encoder, if it is a map.
    decoder_widths : sequence of int or None, default None
        Hidden layers of the decoder of a map. ``None`` mirrors the encoder.
    max_epochs : int or None, default None
        ``None`` is what ``fit`` takes for as many rows.
    random_state : int or None, default None
        Of the held-out rows, the weights and the batches.

    Returns
    -------
    Autoencoder, FeedForwardClassifier or FeedForwardRegressor
        Its other parameters are the teacher's, where it has them, but not one activation per layer.
        ``compression_`` has "before" and "after", each with "n_parameters", "seconds_per_row" and
        "error" on the held-out rows: of maps the mean ‖x − x̂‖²; of predictors the mean loss against the
        teacher's outputs, which is the teacher's entropy, or zero, for the teacher.

    Raises
    ------
    TypeError
        For a teacher that is not an isthmus model; NotFittedError for one that is not fitted.
    ValueError
        For rows that do not fit the teacher, widths that are not positive integers, and a classifier
        that predicts one of its classes for none of the rows.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import Autoencoder, distill
    >>> X = load_digits().data
    >>> teacher = Autoencoder(2, widths=(128, 64), max_epochs=20, random_state=0).fit(X)
    >>> student = distill(teacher, X, (16, 8), random_state=0)
    >>> student.transform(X).shape
    (1797, 2)
    """
    teacher, template = _teacher(teacher, X)
    layer_widths("widths", widths)
    own: dict[str, object] = {
        "widths": tuple(widths),
        "max_epochs": max_epochs,
        "random_state": random_state,
    }
    if is_classifier(teacher) or is_regressor(teacher):
        if decoder_widths is not None:
            raise ValueError(f"decoder_widths={decoder_widths!r}: a predictor has no decoder; pass None")
        student = _student(type(template), template, own)
        return (_taught_classes if is_classifier(teacher) else _taught_numbers)(teacher, student, X)
    own |= {"decoder_widths": decoder_widths, "tied": False, "n_components": teacher.n_components_}
    return _taught_map(teacher, _student(Autoencoder, template, own), X)


def _teacher(teacher: object, X: object) -> tuple[Model, Model]:
    """The teacher as one fitted model, and the estimator whose parameters the student is to have."""
    if isinstance(teacher, list | tuple):
        teacher = _together(teacher, X)
    if not isinstance(teacher, BaseMap | FeedForwardPredictor):
        raise TypeError(
            f"distill takes a fitted isthmus model, or a list of several, got {type(teacher).__name__}"
        )
    check_is_fitted(teacher)
    return teacher, teacher.members_[0] if isinstance(teacher, Ensemble) else teacher


def _together(members: Sequence[object], X: object) -> Ensemble:
    """Fitted models of one kind as an ensemble."""
    kinds = sorted({type(member).__name__ for member in members})
    single_kind = len(kinds) == 1 and isinstance(members[0], BaseMap | FeedForwardPredictor)
    if not single_kind or isinstance(members[0], Ensemble):
        raise TypeError(f"a list of teachers must be fitted isthmus models of one kind, got {kinds}")
    for member in members:
        check_is_fitted(member)
    checked = cast(Sequence[Model], members)
    shapes = [_shapes(member.network_) for member in checked]
    if any(own != shapes[0] for own in shapes[1:]):
        raise ValueError(
            "a list of teachers is averaged as one network, so all need the same n_components, widths "
            "and other parameters of the network; distil each alone, or fit an isthmus.Ensemble"
        )
    return ensemble_of(checked, check_rows(checked[0], X, reset=False))


def _shapes(network: PyTree) -> tuple[object, list[tuple[int, ...]]]:
    leaves, structure = jax.tree.flatten(network)
    return structure, [np.shape(leaf) for leaf in leaves]


def _student(cls: type[Student], template: Model, own: dict[str, object]) -> Student:
    """An estimator with those parameters of ``template`` that it has too, and its own."""
    student = cls()
    is_trained = isinstance(template, TrainedMap | FeedForwardPredictor)
    given = template.get_params(deep=False) if is_trained else {}
    shared = {name: given[name] for name in student.get_params(deep=False) if name in given}
    one_per_layer = shared.get("activation", "silu")
    if not isinstance(one_per_layer, str) and not callable(one_per_layer):
        del shared["activation"]
    shared["validation_fraction"] = shared.get("validation_fraction") or 0.1
    student.set_params(**shared | {"warm_start": False} | own)
    return student


class _DistillationLoss(eqx.Module):
    """loss(x̂_teacher, x̂) + ½ Σ_k wₖ (zₖ − zₖ,teacher)² on rows that hold u, x̂_teacher and z_teacher."""

    loss: Loss = eqx.field(static=True)
    weights: Float[Array, " d"]
    corruption: Corruption | None = None

    def __call__(
        self, network: PyTree, batch: Float[Array, "n width"], key: Array
    ) -> Float[Array, " n"]:
        n_features = (batch.shape[1] - self.weights.shape[0]) // 2
        u, x_hat, taught = jnp.split(batch, [n_features, 2 * n_features], axis=1)
        if self.corruption is not None:
            u = self.corruption(u, u[:, :0], key)
        z = network.encode(u)
        gap = 0.5 * jnp.sum(self.weights * jnp.square(z - taught), axis=-1)
        return self.loss(x_hat, network.decode(z)) + gap


class _SoftLabels(eqx.Module):
    """−Σ_k p_k,teacher log p_k on rows that hold scaled features and the teacher's probabilities."""

    n_features: int = eqx.field(static=True)

    def __call__(
        self, network: PyTree, batch: Float[Array, "n width"], key: Array
    ) -> Float[Array, " n"]:
        u, p = batch[:, : self.n_features], batch[:, self.n_features :]
        return -jnp.sum(p * jax.nn.log_softmax(class_scores(network(u))), axis=-1)


@dataclass(frozen=True)
class _Start:
    """Linear regressions between rows, coordinates and reconstructions, and the frame that they imply.

    ``aside`` is what is to be learnt beside each row, ``weights`` are ‖∂x̂/∂z_k‖² in the pair's units.
    """

    pair: PyTree
    frame: Frame
    aside: Float[np.ndarray, "n a"]
    weights: Float[np.ndarray, " d"]

    @classmethod
    def of(
        cls, teacher: BaseMap, X: object, rows: ScaledRows, pair: PyTree, frame: Frame | None
    ) -> _Start:
        """With the pair as it is if it has a frame, otherwise with linear regressions as its paths."""
        Z = np.asarray(teacher.transform(X), np.float64)
        x_hat = rows.scaling(decoded_rows(teacher, Z))
        whitened = _whitening(Z) if frame is None else frame
        inner = Z @ np.asarray(whitened.inverse, np.float64).T + np.asarray(whitened.origin)
        some = slice(None, None, -(-len(Z) // ROWS_OF_REGRESSION))
        slopes, at_mean = _regression(inner[some], x_hat[some])
        if frame is None and pair.encoder.path is not None:
            # The axes of all rows, of which the teacher is free to have seen every one.
            path = PCAPath.of(principal_axes(rows, Z.shape[1])).encoder()
            turn, offset = _regression(rows[some] @ np.asarray(path.weight).T - path.shift, inner[some])
            encoder = Affine(single(turn.T @ path.weight), single(turn.T @ path.shift - offset))
            pair = eqx.tree_at(
                lambda p: (p.encoder.path, p.own_decoder.path),
                pair,
                (encoder, Affine(single(slopes.T), single(-at_mean))),
            )
        aside = np.concatenate([x_hat, inner], axis=1, dtype=np.float32)
        return cls(pair, whitened, aside, np.sum(slopes**2, axis=1))


def _whitening(Z: Float[np.ndarray, "n d"]) -> Frame:
    """The frame whose inner coordinates have mean 0 and variance 1, as at the start of any map."""
    mean, spread = Z.mean(axis=0), Z.std(axis=0)
    spread = np.where(spread > 1e-9 * max(spread.max(), 1e-30), spread, 1.0)
    return Frame(single(np.diag(spread)), single(np.diag(1 / spread)), single(-mean / spread))


def _best_units(teacher: BaseMap, pair: PyTree, rows: ScaledRows) -> PyTree:
    """The teacher's pair with as many units as ``pair`` has, if it has so many useful ones; or None."""
    if type(teacher) is not Autoencoder or _shapes(pair)[0] != _shapes(teacher.network_.pair)[0]:
        return None
    own, given = (
        [hidden_widths(place(each)) for place in MAP.places] for each in (pair, teacher.network_.pair)
    )
    pairs = [
        (a, b) for few, many in zip(own, given, strict=True) for a, b in zip(few, many, strict=True)
    ]
    if any(few > many for few, many in pairs):
        return None
    some = teacher.scaling_(dense(rows.rows[:: -(-rows.shape[0] // ROWS_LOOKED_AT)]))
    rng = np.random.default_rng(0)
    best = Prunable.of(teacher.network_.pair, MAP.places, MAP.outputs, some, rng).with_widths(own)
    return best if [hidden_widths(place(best)) for place in MAP.places] == own else None


def _regression(
    x: Float[np.ndarray, "n p"], y: Float[np.ndarray, "n q"]
) -> tuple[Float[np.ndarray, "p q"], Float[np.ndarray, " q"]]:
    """Slopes B and constant c of the least squares y ≈ x B + c."""
    mean_x, mean_y = x.mean(axis=0, dtype=np.float64), y.mean(axis=0, dtype=np.float64)
    slopes = np.linalg.lstsq(x - mean_x, y - mean_y)[0]
    return slopes, mean_y - mean_x @ slopes


def _taught_map(teacher: BaseMap, student: Autoencoder, X: object) -> Autoencoder:
    if hasattr(teacher, "code_"):
        X = check_rows(teacher, X, reset=False)
    prepared, frame = prepare(student, X), None
    network = _best_units(teacher, prepared.task.network, cast(ScaledRows, prepared.task.rows))
    if network is not None:
        student = continued(teacher, MAP, network, student.get_params(deep=False) | {"warm_start": True})
        prepared, frame = prepare(student, X), student.network_.frame
        student.set_params(warm_start=False)
    task, rows = prepared.task, cast(ScaledRows, prepared.task.rows)
    start = _Start.of(teacher, X, rows, task.network, frame)
    without_noise = _DistillationLoss(as_loss(student.loss), single(start.weights))
    assert isinstance(task.objective, Reconstruction)
    objective = replace(without_noise, corruption=task.objective.corruption)
    taught, unseen = _taught(prepared, rows, start.aside, objective, without_noise)

    def in_the_frame_of_the_teacher(pair: PyTree, moved: bool) -> dict[str, object]:
        fitted = dict(task.fitted(pair, moved))
        return fitted | {"network_": replace(cast(DataMap, fitted["network_"]), frame=start.frame)}

    (result,) = train([replace(taught.training, network=start.pair)])
    result.raise_if_diverged(taught.training.learning_rate)
    own_task = replace(taught.task, fitted=in_the_frame_of_the_teacher, baseline=None, on_all_rows=None)
    adopt(student, replace(taught, task=own_task), result)
    train_rows = np.setdiff1d(np.arange(rows.shape[0]), unseen)
    axes = principal_axes(ChosenRows(rows, train_rows), student.n_components_)
    pca = PCAPath.of(axes).pair()
    student.validation_loss_, student.pca_validation_loss_ = (
        mean_loss(task.held_out_objective, pair, rows[unseen]) for pair in (result.network, pca)
    )
    with rows_without_names():
        errors = [
            float(np.mean(reconstruction_error(model, rows.rows[unseen])))
            for model in (teacher, student)
        ]
    _record(student, teacher, errors, rows[unseen])
    return student


def _taught_classes(teacher: FeedForwardClassifier, student: FeedForwardClassifier, X: object) -> Model:
    labels, probabilities = np.asarray(teacher.predict(X)), np.asarray(teacher.predict_proba(X))
    missing = np.setdiff1d(teacher.classes_, labels)
    if len(missing):
        raise ValueError(
            f"the teacher predicts the class {missing[0]!r} for none of these rows, so the student "
            "could not learn it: pass rows of all classes"
        )
    prepared = prepare(student, X, labels)
    rows = cast(JoinedRows, prepared.task.rows).rows
    objective = _SoftLabels(rows.shape[1])
    taught, unseen = _taught(prepared, rows, probabilities, objective, objective)
    _finish(student, taught)
    p = probabilities[unseen]
    entropy = -float(np.mean(np.sum(p * np.log(np.maximum(p, 1e-30)), axis=1)))
    _record(student, teacher, [entropy, student.validation_loss_], rows[unseen])
    return student


def _taught_numbers(teacher: Model, student: FeedForwardPredictor, X: object) -> Model:
    """The mean of what teachers predict is a target as any other."""
    prepared = prepare(student, X, np.asarray(teacher.predict(X)))
    _finish(student, prepared)
    u = cast(np.ndarray, prepared.training.held_out)[:, : width_of(student)]
    _record(student, teacher, [0.0, student.validation_loss_], u)
    return student


def _finish(student: FeedForwardPredictor, prepared: Prepared) -> None:
    (result,) = train([prepared.training])
    adopt(student, prepared, result)
    result.raise_if_diverged(prepared.training.learning_rate)


def _taught(
    prepared: Prepared,
    rows: View,
    aside: Float[np.ndarray, "n a"],
    objective: Objective,
    held_out_objective: Objective,
) -> tuple[Prepared, Int[np.ndarray, " k"]]:
    """The training of a student with this objective instead of its own, and its held-out rows' numbers.

    ``aside`` is what it learns from the teacher for each row.
    """
    source = cast(ArraySource, prepared.training.source)
    unseen = np.setdiff1d(np.arange(rows.shape[0]), source.indices)
    data = JoinedRows(rows, aside)
    training = replace(
        prepared.training,
        objective=objective,
        source=replace(source, rows=data),
        held_out=data[unseen],
        held_out_objective=held_out_objective,
    )
    return replace(prepared, training=training), unseen


def _record(
    student: Model, teacher: Model, errors: Sequence[float], u: Float[np.ndarray, "m D"]
) -> None:
    before, after = (
        measured(model, _size(model), error, u * student.scaling_.scale + student.scaling_.center)
        for model, error in zip((teacher, student), errors, strict=True)
    )
    student.compression_ = {"before": before, "after": after, "n_held_out": len(u)}


def _size(model: Model) -> int:
    """Parameters of a model, or of all members of an ensemble."""
    if isinstance(model, Ensemble):
        return sum(map(_size, model.members_))
    network: PyTree = model.network_
    return n_parameters(network.network if isinstance(model, FeedForwardPredictor) else network.pair)
