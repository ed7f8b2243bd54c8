"""What pruning has to know of each kind of model, and how networks are evaluated and timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, cast

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree
from sklearn.utils.validation import check_is_fitted

from isthmus.compression.units import Places, hidden_widths
from isthmus.data.checks import rows_without_names
from isthmus.data.coding import in_code
from isthmus.estimators.base import BaseMap
from isthmus.estimators.maps import TrainedMap
from isthmus.estimators.neighbour import NeighbourAutoencoder
from isthmus.estimators.predictor import FeedForwardPredictor
from isthmus.networks.layers import ACTIVATIONS, FeedForward
from isthmus.networks.pairs import MirrorShifts
from isthmus.training.problem import HeldOut, Objective, Training
from isthmus.training.random import key_of
from isthmus.variational.elbo import VariationalPair

SMALLEST_ERROR = 1e-7
"""Share of the data's mean square below which a held-out error is rounding."""

TIMED_ROWS, TIMINGS = 1024, 5


Trained = TrainedMap | FeedForwardPredictor


@dataclass(frozen=True)
class ModelKind:
    """Where the chains of a kind of model are, what must stay as it is, and how it is put together."""

    places: Places
    outputs: Callable[[PyTree, Array], Array]
    names: tuple[str, ...]
    field: str
    has_bound: bool = False

    def network(self, model: Trained) -> PyTree:
        """What training moves."""
        return getattr(model.network_, self.field)

    def parameters(self, model: Trained, network: PyTree) -> dict[str, object]:
        """The parameters of ``model`` that say what layers ``network`` has."""
        chains = [place(network) for place in self.places]
        widths = dict(zip(self.names, map(hidden_widths, chains), strict=True))
        found: dict[str, object] = {**widths}
        if widths.get("decoder_widths") == widths["widths"][::-1]:
            found["decoder_widths"] = None
        before = [place(self.network(model)) for place in self.places]
        if [len(chain.layers) for chain in chains] != [len(chain.layers) for chain in before]:
            found["activation"] = _activations(chains, model.activation)
        return found


def _activations(chains: list[FeedForward], otherwise: object) -> object:
    """One activation where all are the same, else one per hidden layer; names where they have one."""
    names = {function: name for name, function in ACTIVATIONS.items()}
    each = tuple(
        names.get(layer.activation, layer.activation) for chain in chains for layer in chain.layers[:-1]
    )
    if not each:
        return otherwise
    return each[0] if len(set(each)) == 1 else each


def _decoded(pair: PyTree, u: Float[Array, "n D"]) -> Float[Array, "n D"]:
    decoded: Array = pair.decode(pair.encode(u))
    return decoded


def _decoded_and_spread(pair: VariationalPair, u: Float[Array, "n D"]) -> Float[Array, "n outputs"]:
    mean, log_var = pair.posterior(u)
    return jnp.concatenate([pair.decode(mean), log_var], axis=-1)


def _predicted(network: FeedForward, u: Float[Array, "n D"]) -> Float[Array, "n k"]:
    return network(u)


def _encoder(pair: PyTree) -> FeedForward:
    return cast(FeedForward, pair.encoder.correction)


def _own_decoder(pair: PyTree) -> FeedForward:
    return cast(FeedForward, pair.own_decoder.correction)


def _decoder(pair: PyTree) -> FeedForward:
    return cast(FeedForward, pair.decoder.correction)


def _itself(network: FeedForward) -> FeedForward:
    return network


WIDTHS = ("widths", "decoder_widths")
MAP = ModelKind((_encoder, _own_decoder), _decoded, WIDTHS, "pair")
VARIATIONAL = ModelKind((_encoder, _decoder), _decoded_and_spread, WIDTHS, "pair", has_bound=True)
PREDICTOR = ModelKind((_itself,), _predicted, ("widths",), "network")


def kind_of(model: object) -> ModelKind:
    """The kind of a fitted model, or an error that says what to do with one that cannot be pruned."""
    if not isinstance(model, TrainedMap | FeedForwardPredictor):
        raise TypeError(
            f"prune takes a fitted Autoencoder, DenoisingAutoencoder, VariationalAutoencoder, "
            f"FeedForwardClassifier or FeedForwardRegressor, got {type(model).__name__}: "
            f"{_advice(model)}"
        )
    check_is_fitted(model)
    if isinstance(model, FeedForwardPredictor):
        return PREDICTOR
    if isinstance(getattr(model.network_.pair, "own_decoder", None), MirrorShifts):
        raise ValueError(
            "tied=True: a unit's weights serve both directions, and what takes over for it in one would "
            "change the other. Fit with tied=False, or distil the model into a small one"
        )
    return VARIATIONAL if isinstance(model.network_.pair, VariationalPair) else MAP


def _advice(model: object) -> str:
    """What to do instead with what cannot be pruned."""
    if hasattr(model, "members_") or hasattr(model, "n_members"):
        return "an ensemble can be distilled, or its members_ pruned"
    if isinstance(model, NeighbourAutoencoder):
        return "it can be distilled"
    return "a linear map has no hidden units" if hasattr(model, "transform") else "fit one first"


class _Criterion(NamedTuple):
    """A held-out loss; ``n_features`` is D where the loss is −log density, whose zero means nothing."""

    objective: Objective
    n_features: int | None = None

    def excess(self, before: float, after: float, floor: float) -> float:
        """By how much a squared error would have risen, relative to what it was."""
        if self.n_features is not None:
            return float(np.expm1(np.clip(2 * (after - before) / self.n_features, -50.0, 50.0)))
        return (after - before) / max(before, floor)


class _SquaredError(eqx.Module):
    """½ ‖u − decode(encode(u))‖² over the entries that are known."""

    n_features: int = eqx.field(static=True)

    def __call__(
        self, network: PyTree, batch: Float[Array, "n width"], key: Array
    ) -> Float[Array, " n"]:
        u = batch[:, : self.n_features]
        gap = jnp.where(jnp.isnan(u), 0.0, u - network.decode(network.encode(u)))
        return 0.5 * jnp.sum(jnp.square(gap), axis=-1)


@dataclass(frozen=True)
class HeldOutLosses:
    """Held-out losses of networks against those of the one that came."""

    held_out: HeldOut
    criteria: tuple[_Criterion, ...]
    before: tuple[float, ...]
    floor: float

    @classmethod
    def of(cls, training: Training, kind: ModelKind, n_features: int) -> HeldOutLosses:
        rows = cast(np.ndarray, training.held_out)
        own = _Criterion(training.held_out_objective or training.objective)
        criteria: tuple[_Criterion, ...] = (own,)
        if kind.has_bound:
            criteria = (_Criterion(_SquaredError(n_features)), own._replace(n_features=n_features))
        floor = SMALLEST_ERROR * float(np.nanmean(rows[:, :n_features] ** 2)) * n_features
        empty = cls(HeldOut.from_rows(rows), criteria, (), floor)
        return replace(empty, before=empty.of_network(training.network))

    def of_network(self, network: PyTree) -> tuple[float, ...]:
        """The mean of each criterion's loss, with the same noise for every network."""
        n = float(np.sum(self.held_out.valid))
        return tuple(self._loss_sum(one.objective, network) / n for one in self.criteria)

    def excess(self, network: PyTree) -> float:
        """The largest relative rise of a loss."""
        after = self.of_network(network)
        rises = [
            criterion.excess(*pair, self.floor)
            for criterion, pair in zip(self.criteria, zip(self.before, after, strict=True), strict=True)
        ]
        return max(rise if np.isfinite(rise) else np.inf for rise in rises)

    def _loss_sum(self, objective: Objective, network: PyTree) -> float:
        chunks = enumerate(zip(*self.held_out, strict=True))
        return sum(
            float(_loss_sum(objective, network, rows, valid, np.uint32(number)))
            for number, (rows, valid) in chunks
        )


@eqx.filter_jit
def _loss_sum(
    objective: Objective, network: PyTree, rows: Array, valid: Array, seed: ArrayLike
) -> Float[Array, ""]:
    return jnp.sum(objective(network, rows, key_of(jnp.asarray(seed))) * valid)


def measured(
    model: BaseMap | FeedForwardPredictor,
    n_parameters: int,
    error: float,
    rows: Float[np.ndarray, "m D"],
) -> dict[str, float]:
    """One record: size, error, and the median time that a row takes, without compilation."""
    apply = model.transform if hasattr(model, "transform") else model.predict
    code = getattr(model, "code_", None)
    repeated = in_code(np.resize(rows, (TIMED_ROWS, rows.shape[1])), code)
    seconds = []
    with rows_without_names():
        for _ in range(TIMINGS + 1):
            start = time.perf_counter()
            apply(repeated)
            seconds.append(time.perf_counter() - start)
    per_row = float(np.median(seconds[1:])) / TIMED_ROWS
    return {"n_parameters": n_parameters, "error": error, "seconds_per_row": per_row}
