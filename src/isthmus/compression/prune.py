"""Pruning: the network that is left when a trained one is freed of the units that it can do without.

Networks are easier to train with more parameters than the function needs (lecture notes, "Distillation":
train over-parameterised, then kill the unused parameters). ``units`` says which units stay
and what takes over for the others, in closed form; training then goes on for a while, and held-out rows
decide how small the network may be. In ``distill`` a small network learns from a large one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, TypeVar, cast

import numpy as np
from jaxtyping import Float, PyTree
from sklearn.base import clone
from sklearn.utils import check_random_state

from isthmus.compression.kinds import HeldOutLosses, ModelKind, Trained, kind_of, measured
from isthmus.compression.units import Prunable, n_parameters
from isthmus.data.checks import check_integer, check_real
from isthmus.data.sources import ArraySource
from isthmus.estimators.base import width_of
from isthmus.estimators.fitting import adopt, prepare
from isthmus.estimators.task import NoImprovementWarning, Prepared
from isthmus.training.loop import train
from isthmus.training.problem import Training, TrainingResult

ROWS_LOOKED_AT = 4000
"""Rows that activations are compared on, evenly spaced."""

TIMES_EPOCHS_OF_FIT = 3
"""Epochs at each size in units of those of ``fit``. Of a map of images pruned to a quarter the held-out
error is 3 % above what it was after one, 2 % after two, and 0.4 % after three."""

Fitted = TypeVar("Fitted", bound=Trained)


def prune(
    model: Fitted,
    X: object,
    y: object = None,
    *,
    tolerance: float = 0.02,
    epochs: int | None = None,
    trials: int = 5,
    random_state: int | None = None,
) -> Fitted:
    """A smaller network of the same kind, within ``tolerance`` of the held-out error of ``model``.

    Hidden linear layers are folded into the next one where that takes no more numbers. Of the other
    hidden units those are kept that explain the rest best, each error weighted by its effect on the
    output; the next layer takes over for those removed, by least squares on the rows of X. Arrays
    shrink. Then training goes on with the model's own objective. How many units stay is found by
    bisection: the result is the smallest network tried whose held-out error is within the tolerance.

    Parameters
    ----------
    model : fitted isthmus estimator
        ``Autoencoder``, ``DenoisingAutoencoder``, ``VariationalAutoencoder``, ``FeedForwardClassifier``
        or ``FeedForwardRegressor``; it stays as it is. With ``tied=True`` it is refused.
    X : array (n, D)
        Rows to prune, train and evaluate with: best those that ``model`` was fitted on.
    y : array (n,) or (n, k), or None
        Targets, for a classifier or regressor only.
    tolerance : float, default 0.02
        By how much the held-out loss may rise, relative to that of ``model``: 2 % is less than another
        seed often makes. The loss is the one that chose the epoch of ``model``. Of a variational map it
        is the squared reconstruction error, and −ELBO may rise by ½ D log(1 + tolerance) nats, which is
        what this costs a Gaussian.
    epochs : int or None, default None
        Epochs at each size; ``None`` is three times as many as ``fit`` takes at most, because a pruned
        network needs them and is quick.
    trials : int, default 5
        Sizes to try; with five the parameters are least to about an eighth.
    random_state : int or None, default None
        Of the held-out rows and the batches. ``None`` is the model's own: for the rows of ``fit`` the
        held-out rows are then those that ``fit`` held out. On rows that ``model`` was trained on its
        error is too small, and then less is pruned. A tenth is held out if ``validation_fraction`` is 0.

    Returns
    -------
    estimator of the class of ``model``
        Fitted, with ``widths`` (``decoder_widths``, ``activation``) as the network has them and all
        other parameters as they were. ``history_`` is that of the last training. ``compression_`` is a
        dict with "before" and "after", each with "n_parameters", "error" (mean held-out loss in scaled
        units; of a variational map, of reconstruction) and "seconds_per_row" (``transform`` or
        ``predict``), and "n_held_out". If nothing can be removed within the tolerance it is ``model``
        itself, without ``compression_``.

    Raises
    ------
    TypeError
        For a model that is none of these: a linear one has no hidden units; an ensemble and a
        ``NeighbourAutoencoder`` are distilled.
    ValueError
        For tied weights, a tolerance ≤ 0, rows that do not fit the model; NotFittedError before ``fit``.
    DivergenceError
        If the loss becomes NaN or infinite.

    Warns
    -----
    UserWarning
        If nothing could be removed.

    References
    ----------
    LeCun et al. 1990, "Optimal brain damage"; Hassibi & Stork 1993, "Second order derivatives for
    network pruning: optimal brain surgeon", both NIPS.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import Autoencoder, prune
    >>> X = load_digits().data
    >>> model = Autoencoder(2, widths=(128, 64), max_epochs=20, random_state=0).fit(X)
    >>> small = prune(model, X, trials=2)
    >>> before, after = small.compression_["before"], small.compression_["after"]
    >>> after["error"] <= 1.02 * before["error"]
    True
    >>> after["n_parameters"] < 0.5 * before["n_parameters"]
    True
    """
    kind = kind_of(model)
    if y is None and hasattr(model, "predict"):
        raise ValueError(f"prune of a {type(model).__name__} needs y, the targets of the rows of X")
    tolerance = check_real("tolerance", tolerance, 0.0)
    if epochs is not None:
        epochs = check_integer("epochs", epochs, 1)
    trials = check_integer("trials", trials, 1)
    continuation = _Continuation.of(model, kind, X, y, epochs, random_state)
    losses = HeldOutLosses.of(continuation.training, kind, continuation.n_features)
    original = kind.network(model)
    prunable = Prunable.of(original, kind.places, kind.outputs, continuation.rows(), continuation.rng)
    network, finish = _smallest(continuation, losses, prunable, tolerance, trials)
    n_before = n_parameters(original)
    if network is None or n_parameters(network) >= n_before:
        warnings.warn(
            f"no hidden unit could be removed with the held-out error within {tolerance:g} of what it "
            f"is, so the model is returned as it came, with {n_before} parameters. Allow a larger "
            "tolerance or more epochs, or pass more rows",
            stacklevel=2,
        )
        return model
    pruned = finish()
    held_out = cast(np.ndarray, continuation.training.held_out)
    rows = held_out[:, : continuation.n_features] * pruned.scaling_.scale + pruned.scaling_.center
    pruned.compression_ = {
        "before": measured(model, n_before, losses.before[0], rows),
        "after": measured(pruned, n_parameters(network), losses.of_network(network)[0], rows),
        "n_held_out": len(rows),
    }
    return cast(Fitted, pruned)


def _smallest(
    continuation: _Continuation, losses: HeldOutLosses, prunable: Prunable, tolerance: float, trials: int
) -> tuple[PyTree, Callable[[], Trained]]:
    """The smallest network tried within the tolerance, or None; and what makes a fitted model of it.

    Bisection over the share of parameters, which depends on the share's logarithm.
    """
    size = n_parameters(prunable.network)
    lossless = prunable.lossless()
    found: PyTree = lossless if losses.excess(lossless) <= tolerance else None
    finish = partial(continuation.with_network, lossless)
    low, high = n_parameters(prunable.with_share(0.0)) / size, n_parameters(lossless) / size
    tried = {n_parameters(lossless)}
    for _ in range(trials):
        start = prunable.with_share(float(np.sqrt(low * high)))
        share = n_parameters(start) / size
        if n_parameters(start) in tried:
            break
        tried.add(n_parameters(start))
        trial = continuation.train(start)
        if losses.excess(trial.result.network) <= tolerance:
            found, finish, high = trial.result.network, partial(continuation.finished, trial), share
        else:
            low = share
    return found, finish


class _Trial(NamedTuple):
    """A model in the making: its training and what came of it."""

    model: Trained
    prepared: Prepared
    result: TrainingResult


@dataclass(frozen=True)
class _Continuation:
    """A model, and the training that goes on from it: with the same rows and objective at every size."""

    model: Trained
    kind: ModelKind
    X: object
    y: object
    settings: dict[str, object]
    training: Training
    rng: np.random.Generator

    @classmethod
    def of(
        cls,
        model: Trained,
        kind: ModelKind,
        X: object,
        y: object,
        epochs: int | None,
        random_state: int | None,
    ) -> _Continuation:
        seed = model.random_state if random_state is None else random_state
        if not isinstance(seed, int | np.integer):
            seed = int(check_random_state(seed).randint(2**31 - 1))
        settings: dict[str, object] = {
            "warm_start": True,
            "random_state": int(seed),
            "validation_fraction": model.validation_fraction or 0.1,
        }
        same = continued(model, kind, kind.network(model), settings)
        training = prepare(same, X, y).training
        settings["max_epochs"] = TIMES_EPOCHS_OF_FIT * training.max_epochs if epochs is None else epochs
        return cls(model, kind, X, y, settings, training, np.random.default_rng(int(seed)))

    @property
    def n_features(self) -> int:
        return width_of(self.model)

    def rows(self) -> Float[np.ndarray, "n D"]:
        """Scaled training rows, evenly spaced."""
        source = cast(ArraySource, self.training.source)
        stride = -(-len(source.indices) // ROWS_LOOKED_AT)
        return np.asarray(source.rows[source.indices[::stride]][:, : self.n_features], np.float32)

    def with_network(self, network: PyTree) -> Trained:
        """The model with this network in the place of its own."""
        return continued(self.model, self.kind, network, {})

    def train(self, network: PyTree) -> _Trial:
        """Some more training of a network."""
        trial = continued(self.model, self.kind, network, self.settings)
        prepared = prepare(trial, self.X, self.y)
        (result,) = train([prepared.training])
        result.raise_if_diverged(prepared.training.learning_rate)
        return _Trial(trial, prepared, result)

    def finished(self, trial: _Trial) -> Trained:
        """The model that a trial ends with, its parameters those of the original."""
        with _as_expected():
            adopt(trial.model, trial.prepared, trial.result)
        own = self.model.get_params(deep=False)
        trial.model.set_params(**{name: own[name] for name in self.settings})
        return trial.model


def continued(model: Fitted, kind: ModelKind, network: PyTree, settings: dict[str, object]) -> Fitted:
    """All that was fitted of ``model``, with another network and the parameters that describe it."""
    copy: Fitted = clone(model).set_params(**kind.parameters(model, network) | settings)
    for name, value in vars(model).items():
        if name.endswith("_") and not name.startswith("_"):
            setattr(copy, name, value)
    copy.network_ = replace(model.network_, **{kind.field: network})
    return copy


@contextmanager
def _as_expected() -> Iterator[None]:
    """Whether the model beat PCA was said when it was fitted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoImprovementWarning)
        yield
