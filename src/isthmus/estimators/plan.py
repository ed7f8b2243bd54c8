"""What a user asked for → the sizes and numbers of one training."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Self

import jax
import numpy as np
from jaxtyping import PyTree

from isthmus.data.checks import check_choice, check_integer
from isthmus.data.moments import column_statistics
from isthmus.data.rows import Rows
from isthmus.data.scaling import Scaling
from isthmus.estimators.parameters import MapParameters, TrainingParameters
from isthmus.networks.layers import ACTIVATIONS, Activation
from isthmus.networks.pairs import Architecture, EncoderDecoder, PCAPath
from isthmus.objectives.losses import Loss, named_losses
from isthmus.training.solvers import Solver, as_solver

BATCH_SIZE = 128
LEAST_UPDATES, MOST_UPDATES = 2000, 10_000
"""Of steps of ``BATCH_SIZE`` rows. From 10⁵ rows on more of them lower the error no longer."""

PASSES = 20
"""Passes over all rows, where that is between the least and the most updates."""

MOST_EPOCHS = 1000

MOST_STEPS = 500
"""Most steps of an epoch, unless ``max_epochs`` is given: then an epoch is a pass over all rows."""


@dataclass(frozen=True)
class Schedule:
    """Checked parameters of how to train, with every default filled in."""

    solver: Solver
    learning_rate: float
    batch_size: int
    max_epochs: int
    steps_per_epoch: int | None
    patience: int
    validation_fraction: float
    rate_is_given: bool
    batch_is_given: bool

    @property
    def n_taken(self) -> int | None:
        """Rows that all steps take together, None where epochs are passes over all rows."""
        if self.steps_per_epoch is None:
            return None
        return self.max_epochs * self.steps_per_epoch * self.batch_size

    def for_one_pass(self) -> Self:
        """One epoch at a steady rate, for ``partial_fit``."""
        solver = self.solver.steady()
        return replace(
            self,
            solver=solver,
            learning_rate=self.learning_rate if self.rate_is_given else solver.peak,
            batch_size=self.batch_size if self.batch_is_given else BATCH_SIZE,
            max_epochs=1,
            steps_per_epoch=None,
            patience=1,
        )


def schedule(
    model: TrainingParameters,
    n_rows: int,
    solver: Solver,
    least_updates: int = LEAST_UPDATES,
    most_epochs: int = MOST_EPOCHS,
) -> Schedule:
    """How ``model``'s parameters say to train on so many rows; raises ValueError."""
    batch_size = n_rows if solver.full_batch else BATCH_SIZE
    if model.batch_size is not None:
        if solver.needs_all_rows:
            raise ValueError(
                f"batch_size={model.batch_size!r}: solver={model.solver!r} takes all rows in each step; "
                "set batch_size=None, or use solver='adam'"
            )
        batch_size = int(model.batch_size)
    if model.max_epochs is None:
        max_epochs, steps_per_epoch = _automatic_epochs(n_rows, batch_size, least_updates, most_epochs)
    else:
        max_epochs, steps_per_epoch = int(model.max_epochs), None
    return Schedule(
        solver=solver,
        learning_rate=_learning_rate(model, solver),
        batch_size=batch_size,
        max_epochs=max_epochs,
        steps_per_epoch=steps_per_epoch,
        patience=int(model.patience or max(10, max_epochs // 5)),
        validation_fraction=float(model.validation_fraction),
        rate_is_given=model.learning_rate is not None,
        batch_is_given=model.batch_size is not None,
    )


@dataclass(frozen=True)
class Plan(Schedule):
    """Checked parameters that all trained maps share, with every default filled in."""

    architecture: Architecture
    starts_at_pca: bool
    scaling: str | None

    @classmethod
    def of(
        cls,
        model: MapParameters,
        n_rows: int,
        n_features: int,
        *,
        continues: bool = False,
        tied: bool = False,
        warm_up: float = 0.0,
    ) -> Plan:
        """The plan of ``model``'s parameters for rows (n, D); raises ValueError or TypeError.

        ``continues``: the model has its coordinates already, so fewer rows than these may come.
        ``warm_up`` is the share of all epochs before the whole objective is reached.
        """
        architecture = _architecture(model, n_rows, n_features, continues, tied)
        plan = cls(
            **vars(schedule(model, n_rows, as_solver(model.solver))),
            architecture=architecture,
            starts_at_pca=model.skip == "pca",
            scaling=model.scaling,
        )
        # An epoch is evaluated by the whole objective, which is reached where the warm-up ends.
        return replace(plan, patience=plan.patience + ceil(warm_up * plan.max_epochs))

    def example_pair(self) -> EncoderDecoder:
        """A pair with the sizes and switches planned for, to compare others with."""
        D, d = self.architecture.n_features, self.architecture.n_components
        path = PCAPath(np.zeros(D), np.zeros((d, D)), np.ones(d)) if self.starts_at_pca else None
        return self.architecture.initialise(np.random.default_rng(0), path)


def _architecture(
    model: MapParameters, n_rows: int, n_features: int, continues: bool, tied: bool
) -> Architecture:
    n_components = int(model.n_components)
    # Where training goes on, fewer rows than coordinates may come.
    check_n_components(n_components, max(n_rows, n_components) if continues else n_rows, n_features)
    widths = layer_widths("widths", model.widths)
    if model.decoder_widths is None:
        decoder_widths = widths[::-1]
    else:
        decoder_widths = layer_widths("decoder_widths", model.decoder_widths)
    if tied and decoder_widths != widths[::-1]:
        raise ValueError(
            f"tied=True uses each weight in both directions, so the decoder mirrors the encoder: "
            f"decoder_widths={decoder_widths!r} must be None or {widths[::-1]!r}"
        )
    activations, decoder_activations = _activations(
        model.activation, len(widths), len(decoder_widths), tied
    )
    return Architecture(
        n_features,
        n_components,
        widths,
        decoder_widths,
        activations,
        decoder_activations,
        skip_links=model.skip_links,
        tied=tied,
    )


def check_n_components(n_components: int, n_rows: int, n_features: int) -> None:
    """Raise ValueError for more coordinates than rows or features."""
    most = min(n_rows, n_features)
    if n_components > most:
        raise ValueError(
            f"n_components={n_components} is more than the data can tell apart: they have "
            f"n_samples={n_rows} and n_features={n_features}. Use at most {most}"
        )


def layer_widths(name: str, widths: object) -> tuple[int, ...]:
    if isinstance(widths, str) or not isinstance(widths, Sequence | np.ndarray):
        raise ValueError(f"{name}={widths!r}: expected a sequence of layer widths, such as (512, 256)")
    return tuple(check_integer(f"{name}[{i}]", width, 1) for i, width in enumerate(widths))


def hidden_activations(activation: object, n_hidden: int) -> tuple[Activation, ...]:
    """One activation per hidden layer of a single chain."""
    each = _one_or_each(activation, n_hidden)
    if len(each) != n_hidden:
        raise ValueError(
            f"activation has {len(each)} entries for {n_hidden} hidden layers: give one for all, or one "
            "per hidden layer"
        )
    return each


def _activations(
    activation: object, n_encoder: int, n_decoder: int, tied: bool
) -> tuple[tuple[Activation, ...], tuple[Activation, ...]]:
    """One activation per hidden layer of each direction."""
    if isinstance(activation, str) or callable(activation):
        return _one_or_each(activation, n_encoder), _one_or_each(activation, n_decoder)
    each = _one_or_each(activation, n_encoder)
    if len(each) == n_encoder and (tied or n_encoder == n_decoder):
        return each, each[::-1]
    if len(each) == n_encoder + n_decoder and not tied:
        return each[:n_encoder], each[n_encoder:]
    raise ValueError(
        f"activation has {len(each)} entries for {n_encoder} hidden layers of the encoder and "
        f"{n_decoder} of the decoder: give one for all, or one per hidden layer; the encoder's alone "
        "serve a mirrored decoder"
    )


def _one_or_each(activation: object, n_hidden: int) -> tuple[Activation, ...]:
    """One for all of ``n_hidden`` layers, or as many as are given."""
    if isinstance(activation, str) or callable(activation):
        return (_activation(activation),) * n_hidden
    if not isinstance(activation, Sequence):
        raise TypeError(
            f"activation={activation!r}: expected one of {', '.join(map(repr, ACTIVATIONS))}, a "
            "function of JAX arrays, or a sequence of these, one per hidden layer"
        )
    return tuple(map(_activation, activation))


def _activation(activation: object) -> Activation:
    if isinstance(activation, str):
        check_choice("activation", activation, ACTIVATIONS)
        return ACTIVATIONS[activation]
    if not callable(activation):
        raise TypeError(f"activation={activation!r} is neither a name nor a function")
    function: Activation = activation
    return function


def as_loss(loss: object, known: Mapping[str, Loss] | None = None) -> Loss:
    """The named loss, one of those registered if none are given, or an object that is one."""
    known = named_losses() if known is None else known
    if isinstance(loss, str):
        check_choice("loss", loss, known)
        return known[loss]
    if isinstance(loss, type) or not callable(loss) or not _takes_two(loss):
        raise TypeError(
            f"loss={loss!r}: expected one of {', '.join(map(repr, known))}, or an object such as "
            "isthmus.Huber(delta=0.5)"
        )
    checked: Loss = loss
    return checked


def _takes_two(function: Callable[..., object]) -> bool:
    """Whether a function may be called with rows and outputs, as far as Python knows."""
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # a compiled function without a signature
        return True
    return True


def interval_of(loss: Loss) -> tuple[float, float] | None:
    """Where the data must lie for this loss, which is [0, 1]; None: anywhere."""
    interval: tuple[float, float] | None = getattr(loss, "interval", None)
    return interval


def _named(loss: Loss) -> str:
    """How a user writes the loss."""
    names = [name for name, known in named_losses().items() if known == loss]
    return f"loss={names[0]!r}" if names else f"loss={loss!r}"


def check_loss(loss: Loss, scaling: str | None) -> None:
    """Raise where the scaling leaves the interval that the loss is defined on."""
    if interval_of(loss) is not None and scaling in ("standard", "robust"):
        raise ValueError(
            f"scaling={scaling!r} leaves [0, 1], where {_named(loss)} is defined: use "
            "scaling='range', or scaling=None for data in [0, 1]"
        )


def scaling_for(loss: Loss, scaling: str | None, rows: Rows) -> Scaling:
    """The scaling of the data; none for a loss that needs their own interval."""
    if _keeps_interval(loss, scaling):
        return Scaling.none(rows.shape[1])
    return Scaling.fit(scaling, rows)


def check_interval(loss: Loss, scaling: str | None, rows: Rows) -> None:
    """Raise where the loss is not defined on the rows, those that are held out included."""
    if not _keeps_interval(loss, scaling):
        return
    columns = column_statistics(rows)
    low, high = float(columns.low.min()), float(columns.high.max())
    if low < 0 or high > 1:
        raise ValueError(
            f"{_named(loss)} needs data in [0, 1], and these go from {low:g} to {high:g}: "
            "use scaling='range', or divide the data by their largest possible value"
        )


def _keeps_interval(loss: Loss, scaling: str | None) -> bool:
    return interval_of(loss) is not None and scaling != "range"


def _learning_rate(model: TrainingParameters, solver: Solver) -> float:
    if model.learning_rate is None:
        return solver.peak
    if solver.has_own_rate:
        raise ValueError(
            f"learning_rate={model.learning_rate!r} was given with an Optax transformation or a line "
            "search, which has a rate of its own: set learning_rate=None, and the rate in the "
            "transformation"
        )
    return float(model.learning_rate)


def _automatic_epochs(
    n_rows: int, batch_size: int, least_updates: int, most_epochs: int
) -> tuple[int, int | None]:
    """Most epochs, and steps of each, None for a pass over all rows.

    The number of updates grows with the rows up to a limit, so that many rows take no longer than some.
    """
    steps_per_pass = max(1, n_rows // batch_size)
    updates = np.clip(PASSES * steps_per_pass, least_updates, MOST_UPDATES)
    steps_per_epoch = min(steps_per_pass, MOST_STEPS)
    max_epochs = min(ceil(updates / steps_per_epoch), most_epochs)
    return max_epochs, (steps_per_epoch if steps_per_epoch < steps_per_pass else None)


def shapes_of(network: PyTree) -> object:
    """Structure of a network and shapes of its arrays, to see whether training can go on from it."""
    leaves, structure = jax.tree.flatten(network)
    return structure, [leaf.shape for leaf in leaves]
