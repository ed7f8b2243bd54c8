"""Trained networks of every size, for the same experiments as the fits in closed form.

All sizes are trained in one compiled call: a smaller network has the arrays of the largest, with nodes
that are held at zero. These have no gradient, so that the others are trained as in a smaller network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from isthmus.data.checks import check_integer, check_real
from isthmus.data.scaling import Scaling
from isthmus.data.sources import ArraySource
from isthmus.estimators.plan import hidden_activations
from isthmus.laboratories._widths import n_parameters
from isthmus.laboratories.double_descent.features import (
    Fit,
    LinearFeatures,
    PrincipalComponents,
    RandomFeatures,
    Rows,
    SizedModel,
)
from isthmus.networks.layers import Activation, Constant, FeedForward, Layer, gaussian_chain, single
from isthmus.objectives.losses import Squared
from isthmus.objectives.prediction import Prediction
from isthmus.training.members import train_members
from isthmus.training.problem import DivergenceError, Training
from isthmus.training.solvers import adam

GROWTH = 8
"""Largest ratio of sizes that are trained with arrays of one shape."""


@dataclass(frozen=True)
class TrainedNetworks:
    """Networks of M nodes in some of their hidden layers, trained to the end by squared error.

    Nothing is held out and nothing decays, so that a network fits its rows as well as it can. Rows and
    targets are centred, and divided by one number for all columns.

    Parameters
    ----------
    layers : tuple of int or None, default (None,)
        Hidden layers from input to output; None stands for the size M. ``(None,)`` is a perceptron,
        ``(None, None)`` a network of two layers, ``(None, 2, None)`` an auto-encoder with a bottleneck
        of two nodes when rows are their own targets.
    activation : str, callable or sequence of them, default "tanh"
        As in ``isthmus.FeedForwardRegressor``; one per hidden layer if a sequence.
    epochs : int, default 2000
        Passes over the rows. Enough for the training error to vanish beyond the threshold.
    learning_rate : float, default 0.01
        Peak rate of Adam, which decays to 0.
    batch_size : int, default 20
        Rows in a step. Small, because steps with all rows at once end in sharper minima with larger
        errors at every size.
    warm_start : bool, default False
        Whether a size starts from the weights of the size before it, with the new nodes not yet
        connected to the next layer. Sizes are then trained one after the other, and there is no second
        descent: from the threshold on the training error is 0, and the solution hardly changes.
    n_members : int, default 1
        Networks from different weights whose predictions are averaged. ``n_parameters`` and
        ``weight_norm`` are those of one of them.

    Raises
    ------
    ValueError
        If no layer has the size M, or a number is out of range.

    References
    ----------
    Belkin, Hsu, Ma & Mandal 2019, PNAS 116:15849, section "Neural networks". Geiger et al. 2020,
    "Scaling description of generalization with number of parameters in deep learning", J. Stat. Mech.
    023401, for ensembles at the threshold.

    Examples
    --------
    >>> from isthmus.experiments import TrainedNetworks
    >>> perceptron = TrainedNetworks((None,))
    >>> perceptron.n_parameters(3, n_features=4, n_outputs=1)  # (4 + 1) · 3 + (3 + 1) · 1
    19
    """

    layers: tuple[int | None, ...] = (None,)
    activation: str | Activation | Sequence[str | Activation] = "tanh"
    epochs: int = 2000
    learning_rate: float = 0.01
    batch_size: int = 20
    warm_start: bool = False
    n_members: int = 1

    def __post_init__(self) -> None:
        if None not in self.layers:
            raise ValueError(
                f"layers={self.layers}: one of them at least must be None, which stands for the size M"
            )
        for layer in self.layers:
            if layer is not None:
                check_integer("layers", layer, 1)
        check_integer("epochs", self.epochs, 1)
        check_integer("batch_size", self.batch_size, 1)
        check_integer("n_members", self.n_members, 1)
        check_real("learning_rate", self.learning_rate, 0.0)
        hidden_activations(self.activation, len(self.layers))

    def n_parameters(self, size: int, n_features: int, n_outputs: int) -> int:
        """Σ (in + 1) · out over the layers of a network of this size.

        Parameters
        ----------
        size : int
            Nodes M of the layers that have no number of their own.
        n_features, n_outputs : int
            Columns of rows and targets.

        Examples
        --------
        >>> from isthmus.experiments import TrainedNetworks
        >>> TrainedNetworks((None, None)).n_parameters(2, 4, 1)  # 5 · 2 + 3 · 2 + 3 · 1
        19
        """
        return n_parameters(self._widths(size), n_features, n_outputs)

    def threshold(self, n: int, n_features: int, n_outputs: int) -> float:
        """The least size with as many parameters as there are numbers to fit, n · n_outputs.

        That rows can be fitted from there on is a rule of thumb: a bottleneck needs more, up to twice.

        Parameters
        ----------
        n : int
            Rows to learn from.
        n_features, n_outputs : int
            Columns of rows and targets.

        Examples
        --------
        >>> from isthmus.experiments import TrainedNetworks
        >>> TrainedNetworks().threshold(n=19, n_features=4, n_outputs=1)  # 19 parameters, of 3 nodes
        3
        """
        size = 1
        while self.n_parameters(size, n_features, n_outputs) < n * n_outputs:
            size += 1
        return size

    def fits(self, sizes: Sequence[int], rows: Rows, rng: np.random.Generator) -> Iterator[Fit]:
        """A network of each size, in the order that they come in.

        Parameters
        ----------
        sizes : sequence of int
            Numbers of nodes M.
        rows : Rows
            Rows to learn from ``x`` (n, D) with targets ``y`` (n, K), and rows to predict ``x_test`` (m,
            D).
        rng : numpy Generator
            Of weights and batches.

        Yields
        ------
        Fit
            ``fitted`` (n, K) and ``predicted`` (m, K), the number of parameters and the norm of the
            weights. Raises DivergenceError if a loss becomes NaN or infinite.

        Examples
        --------
        >>> import numpy as np
        >>> from isthmus.experiments import TrainedNetworks
        >>> from isthmus.laboratories.double_descent.features import Rows
        >>> x = np.linspace(-1, 1, 20)[:, None]
        >>> (fit,) = TrainedNetworks(epochs=2).fits([3], Rows(x, x**2, x[:5]), np.random.default_rng(0))
        >>> fit.predicted.shape, fit.n_parameters  # (1 + 1) · 3 + (3 + 1) · 1
        ((5, 1), 10)
        """
        of_x, of_y = _one_spread(rows.x), _one_spread(rows.y)
        x, y = of_x(rows.x), of_y(rows.y)
        seeds = rng.spawn(self.n_members)
        train = self._one_after_the_other if self.warm_start else self._side_by_side
        for size, members in zip(sizes, train(sizes, x, y, seeds), strict=True):
            fitted, predicted = (
                np.mean([_outputs(member, z) for member in members], axis=0) * of_y.scale + of_y.center
                for z in (x, of_x(rows.x_test))
            )
            norms = [_norm(member) for member in members]
            numbers = self.n_parameters(size, rows.x.shape[1], rows.y.shape[1])
            yield Fit(fitted, predicted, numbers, float(np.mean(norms)))

    def _side_by_side(
        self,
        sizes: Sequence[int],
        x: Float[np.ndarray, "n D"],
        y: Float[np.ndarray, "n K"],
        seeds: Sequence[np.random.Generator],
    ) -> Iterator[list[Padded]]:
        """Networks of each size, the members in turn."""
        padded_sizes = [_padded_size(size, max(sizes)) for size in sizes]
        networks = [
            self._draw(size, padded_size, x, y, seed)
            for size, padded_size in zip(sizes, padded_sizes, strict=True)
            for seed in seeds
        ]
        trained = self._train(networks, x, y, seeds[0])
        for start in range(0, len(trained), len(seeds)):
            yield trained[start : start + len(seeds)]

    def _one_after_the_other(
        self,
        sizes: Sequence[int],
        x: Float[np.ndarray, "n D"],
        y: Float[np.ndarray, "n K"],
        seeds: Sequence[np.random.Generator],
    ) -> Iterator[list[Padded]]:
        """Networks of each size, each begun with the weights of the last one."""
        members: list[Padded] = []
        for size in sizes:
            larger = [self._draw(size, max(sizes), x, y, seed) for seed in seeds]
            if members:
                larger = [_grown(old, new) for old, new in zip(members, larger, strict=True)]
            members = self._train(larger, x, y, seeds[0])
            yield members

    def _draw(
        self,
        size: int,
        padded_size: int,
        x: Float[np.ndarray, "n D"],
        y: Float[np.ndarray, "n K"],
        rng: np.random.Generator,
    ) -> Padded:
        """Gaussian weights of a network of one size, in the arrays of a network of ``padded_size``."""
        D, K = x.shape[1], y.shape[1]
        hidden = hidden_activations(self.activation, len(self.layers))
        widths, padded = self._widths(size), self._widths(padded_size)
        chain = gaussian_chain(rng, (D, *widths, K), hidden)
        return Padded.of(chain, (D, *padded, K))

    def _widths(self, size: int) -> tuple[int, ...]:
        return tuple(size if layer is None else layer for layer in self.layers)

    def _train(
        self,
        networks: Sequence[Padded],
        x: Float[np.ndarray, "n D"],
        y: Float[np.ndarray, "n K"],
        rng: np.random.Generator,
    ) -> list[Padded]:
        source = ArraySource(np.hstack([x, y]), np.arange(len(x)))
        results = train_members(
            [
                Training(
                    objective=Prediction(Squared(), x.shape[1], y.shape[1]),
                    network=network,
                    source=source,
                    solver=adam(0.0),
                    learning_rate=self.learning_rate,
                    batch_size=self.batch_size,
                    max_epochs=self.epochs,
                    rng=own,
                )
                for network, own in zip(networks, rng.spawn(len(networks)), strict=True)
            ]
        )
        if len(results) < len(networks):  # after Ctrl-C
            raise KeyboardInterrupt
        for result in results:
            if result.stopped == "diverged":
                raise DivergenceError(
                    f"training diverged with learning_rate={self.learning_rate:g}: try a tenth of it",
                    result,
                )
        return [result.network for result in results]


MODELS: dict[str, SizedModel] = {
    "random_features": RandomFeatures(),
    "linear_features": LinearFeatures(),
    "perceptron": TrainedNetworks(),
    "mlp": TrainedNetworks((None, None)),
    "principal_components": PrincipalComponents(),
    "autoencoder": TrainedNetworks((None, 2, None), ("tanh", "identity", "tanh")),
}


class Padded(eqx.Module):
    """A chain of layers in larger arrays: nodes whose ``used`` is 0 are held at zero."""

    chain: FeedForward
    used: tuple[Constant, ...]

    @classmethod
    def of(cls, chain: FeedForward, sizes: Sequence[int]) -> Padded:
        """``chain`` in the arrays of one with these sizes, from input to output."""
        layers = [
            Layer(
                single(_in_corner(layer.weight, (out, fan_in))),
                single(_in_corner(layer.shift, (out,))),
                None,
                layer.activation,
            )
            for layer, fan_in, out in zip(chain.layers, sizes, sizes[1:], strict=False)
        ]
        used = [
            Constant(_in_corner(np.ones(len(layer.shift), np.float32), (size,)))
            for layer, size in zip(chain.layers[:-1], sizes[1:], strict=False)
        ]
        return cls(FeedForward(tuple(layers)), tuple(used))

    def __call__(self, x: Float[Array, "... in"]) -> Float[Array, "... out"]:
        *hidden, last = self.chain.layers
        for layer, used in zip(hidden, self.used, strict=True):
            x = layer(x) * used.value
        return last(x)


def _one_spread(columns: Float[np.ndarray, "n D"]) -> Scaling:
    """Each column centred, all divided by their root mean square about the centers."""
    center = columns.mean(axis=0)
    spread = float(np.sqrt(np.mean(np.square(columns - center)))) or 1.0
    return Scaling(center, np.full(len(center), spread))


def _padded_size(size: int, largest: int) -> int:
    """The size of the arrays of a network: ``largest`` divided by ``GROWTH`` as often as possible."""
    padded = largest
    while -(-padded // GROWTH) >= size and padded > 1:
        padded = -(-padded // GROWTH)
    return padded


def _in_corner(array: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """``array`` at the lowest indices of a larger one, whose other entries are zero."""
    padded = np.zeros(shape, np.float32)
    padded[tuple(map(slice, np.shape(array)))] = array
    return padded


def _grown(old: Padded, new: Padded) -> Padded:
    """``new`` with the weights of ``old``; what only ``new`` has is not connected to the next layer."""
    layers = []
    kept_in: np.ndarray = np.ones(new.chain.layers[0].weight.shape[1], bool)
    for index, (before, after) in enumerate(zip(old.chain.layers, new.chain.layers, strict=True)):
        is_last = index == len(old.used)
        kept = np.ones(len(after.shift), bool) if is_last else old.used[index].value > 0
        weight = np.where(kept_in, after.weight, 0.0)
        weight[np.ix_(kept, kept_in)] = np.asarray(before.weight)[np.ix_(kept, kept_in)]
        shift = np.where(kept, before.shift, after.shift)
        layers.append(Layer(single(weight), single(shift), None, after.activation))
        kept_in = kept
    return Padded(FeedForward(tuple(layers)), new.used)


def _norm(network: Padded) -> float:
    """Euclidean norm of all weights, shifts not included."""
    return float(np.sqrt(sum(np.sum(np.square(layer.weight)) for layer in network.chain.layers)))


@eqx.filter_jit
def _apply(network: Padded, x: Float[Array, "n D"]) -> Float[Array, "n K"]:
    return network(x)


def _outputs(network: Padded, x: Float[np.ndarray, "n D"]) -> Float[np.ndarray, "n K"]:
    return np.asarray(_apply(network, single(x)), np.float64)
