"""Which hidden units a network can do without, and the network without them.

A layer's activations a, (n, w), reach the output only through the next layer. With the units S kept, the
least-squares regression a ≈ T a_S + c is absorbed by what reads them: W a − λ = (W T) a_S − (λ − W c).
It is exact for units that are constant, duplicates, or linear combinations of others.

An error δa that remains is weighted by its effect on the output y: with g = ∂(v·y)/∂a, the metric is
K = E[g gᵀ] over rows and random directions v. Units are chosen one after the other, each lowering
E[δaᵀ K δa] the most, the regression included: greedy column subset selection by pivoted Cholesky
factorisation (Farahat et al. 2013, "Efficient greedy feature selection for unsupervised learning",
Knowledge and Information Systems 35:285). Errors of all layers are in one unit, so that one price, error
per parameter, sets all widths. Compare LeCun et al. 1990, "Optimal brain damage".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float, Int, PyTree

from isthmus.networks.layers import FeedForward, Layer, identity, single, trainable

NOTHING = 1e-12
"""Share of a variance that is rounding in single precision."""

Places = Sequence[Callable[[PyTree], FeedForward]]
"""Where the chains of layers of a network are."""


def n_parameters(network: PyTree) -> int:
    """Numbers that training moves."""
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(network, trainable(network))))


def hidden_widths(chain: FeedForward) -> tuple[int, ...]:
    """Units of the hidden layers."""
    return tuple(int(layer.weight.shape[0]) for layer in chain.layers[:-1])


def folded(chain: FeedForward) -> FeedForward:
    """The same function without hidden linear layers, where that takes no more numbers.

    W₂ (W₁ x − λ₁) − λ₂ = (W₂ W₁) x − (W₂ λ₁ + λ₂). A linear layer narrower than its neighbours stays: it
    is the smaller form of their product. So do layers with skip links.
    """
    layers = list(chain.layers)
    if any(layer.skip_weight is not None for layer in layers):
        return chain
    index = 0
    while index < len(layers) - 1:
        first, second = layers[index], layers[index + 1]
        product = second.weight.shape[0] * first.weight.shape[1]
        numbers = first.weight.size + second.weight.size + first.shift.size
        if first.activation is not identity or product > numbers:
            index += 1
            continue
        outer = np.asarray(second.weight, np.float64)
        weight = outer @ np.asarray(first.weight, np.float64)
        shift = outer @ np.asarray(first.shift, np.float64) + np.asarray(second.shift)
        layers[index : index + 2] = [replace(second, weight=single(weight), shift=single(shift))]
    return FeedForward(tuple(layers))


class Ranking(NamedTuple):
    """Units of a layer in the order in which they are worth keeping, and the error left with k of them.

    ``errors[k]`` is E[δaᵀ K δa] with the first k and the regression on them; the last is rounding.
    """

    order: Int[np.ndarray, " m"]
    errors: Float[np.ndarray, " counts"]


def rank_units(activations: Float[np.ndarray, "n w"], gradients: Float[np.ndarray, "n w"]) -> Ranking:
    """Greedy column subset selection in the metric K = E[g gᵀ]; at least one unit."""
    a, g = activations.astype(np.float64), gradients.astype(np.float64)
    n, w = a.shape
    centred = a - a.mean(axis=0)
    covariance = centred.T @ centred / n
    values, vectors = np.linalg.eigh(g.T @ g / n)
    weighted = covariance @ (vectors * np.sqrt(np.maximum(values, 0.0)))  # C √K
    floor = NOTHING * np.maximum(np.mean(a**2, axis=0), np.finfo(np.float64).tiny)
    metric = np.mean(g**2, axis=0)
    read = metric > NOTHING * metric.max(initial=0.0)
    errors = [
        float(
            np.einsum(
                "i,ji,jk,ki->", np.maximum(values, 0.0), vectors, covariance, vectors, optimize=True
            )
        )
    ]
    order: list[int] = []
    while len(order) < w and errors[-1] > NOTHING * errors[0]:
        variances = np.diag(covariance)
        useful = read & (variances > floor)
        gains = np.where(
            useful, np.einsum("ij,ij->i", weighted, weighted) / np.where(useful, variances, 1.0), 0.0
        )
        unit = int(np.argmax(gains))
        if not gains[unit] > 0:
            break
        column = covariance[:, unit] / np.sqrt(covariance[unit, unit])
        row = weighted[unit] / np.sqrt(covariance[unit, unit])
        covariance -= np.outer(column, column)
        weighted -= np.outer(column, row)
        order.append(unit)
        errors.append(max(0.0, errors[-1] - float(gains[unit])))
    if not order:
        return Ranking(np.arange(1), np.zeros(2))
    return Ranking(np.array(order), np.array(errors))


def keep_units(
    chain: FeedForward, level: int, units: Int[np.ndarray, " k"], activations: Float[np.ndarray, "n w"]
) -> FeedForward:
    """The chain with these units of a hidden layer; what reads them takes over the regression."""
    a = activations.astype(np.float64)
    mean = a.mean(axis=0)
    centred = a - mean
    spread = np.maximum(centred[:, units].std(axis=0), np.finfo(np.float64).tiny)
    coefficients, *_ = scipy.linalg.lstsq(
        centred[:, units] / spread, centred, cond=1e-9, lapack_driver="gelsy"
    )
    expansion = (coefficients / spread[:, None]).T  # T, (w, k)
    offset = mean - expansion @ mean[units]
    layers = list(chain.layers)
    layer = layers[level]
    layers[level] = replace(
        layer,
        weight=single(np.asarray(layer.weight)[units]),
        shift=single(np.asarray(layer.shift)[units]),
        skip_weight=None if layer.skip_weight is None else single(np.asarray(layer.skip_weight)[units]),
    )
    reader = layers[level + 1]
    layers[level + 1] = replace(
        reader,
        weight=single(np.asarray(reader.weight, np.float64) @ expansion),
        shift=single(reader.shift - np.asarray(reader.weight, np.float64) @ offset),
    )
    if level + 2 < len(layers) and layers[level + 2].skip_weight is not None:
        reader = layers[level + 2]
        link = np.asarray(reader.skip_weight, np.float64)
        layers[level + 2] = replace(
            reader, skip_weight=single(link @ expansion), shift=single(reader.shift - link @ offset)
        )
    return FeedForward(tuple(layers))


@dataclass(frozen=True)
class Prunable:
    """A network, the activations of its hidden layers on some rows, and the order of their units.

    One tuple per chain, in the order of ``places``, and in it one entry per hidden layer.
    """

    network: PyTree
    places: Places
    activations: tuple[tuple[Float[np.ndarray, "n w"], ...], ...]
    rankings: tuple[tuple[Ranking, ...], ...]

    @classmethod
    def of(
        cls,
        network: PyTree,
        places: Places,
        outputs: Callable[[PyTree, Float[Array, "n D"]], Float[Array, "n o"]],
        rows: Float[np.ndarray, "n D"],
        rng: np.random.Generator,
    ) -> Prunable:
        """Linear layers are folded first; ``outputs`` are what must stay as they are."""
        for place in places:
            network = eqx.tree_at(place, network, folded(place(network)))
        shape = eqx.filter_eval_shape(outputs, network, rows).shape
        directions = single(rng.standard_normal(shape))
        activations, gradients = jax.tree.map(
            np.asarray,
            _activations_and_gradients(network, tuple(places), outputs, single(rows), directions),
        )
        rankings = tuple(
            tuple(rank_units(a, g) for a, g in zip(*of_chain, strict=True))
            for of_chain in zip(activations, gradients, strict=True)
        )
        return cls(network, places, activations, rankings)

    def with_share(self, share: float) -> PyTree:
        """The network with at most this share of its parameters, at the least error that they allow.

        All layers pay the same price, error per parameter: width k is that of the least
        errors[k] + price · cost · k.
        """
        most = share * n_parameters(self.network)
        low, high = -100.0, 100.0
        while high - low > 0.01:
            middle = 0.5 * (low + high)
            low, high = (low, middle) if self._size(self._widths(middle)) <= most else (middle, high)
        return self.with_widths(self._widths(high))

    def lossless(self) -> PyTree:
        """The network without the units that others stand for, to rounding."""
        return self.with_widths(
            tuple(tuple(len(ranking.order) for ranking in chain) for chain in self.rankings)
        )

    def _widths(self, log_price: float) -> tuple[tuple[int, ...], ...]:
        widths = []
        for place, rankings in zip(self.places, self.rankings, strict=True):
            layers, chosen = place(self.network).layers, []
            for level, ranking in enumerate(rankings):
                cost = layers[level].weight.shape[1] + layers[level + 1].weight.shape[0] + 1
                k = np.arange(1, len(ranking.errors))
                total = ranking.errors[1:] + np.exp(log_price) * cost * k
                chosen.append(int(k[np.argmin(total)]))
            widths.append(tuple(chosen))
        return tuple(widths)

    def _size(self, widths: Sequence[Sequence[int]]) -> int:
        """Parameters with these widths."""
        size = n_parameters(self.network)
        for place, of_chain in zip(self.places, widths, strict=True):
            chain = place(self.network)
            before = hidden_widths(chain)
            size += _chain_size(chain, of_chain) - _chain_size(chain, before)
        return size

    def with_widths(self, widths: Sequence[Sequence[int]]) -> PyTree:
        """The network with the best units of each hidden layer, so many of each chain."""
        network = self.network
        parts = zip(self.places, widths, self.rankings, self.activations, strict=True)
        for place, of_chain, rankings, activations in parts:
            chain = place(network)
            for level, width in enumerate(of_chain):
                if width < len(chain.layers[level].weight):
                    units = np.sort(rankings[level].order[:width])
                    chain = keep_units(chain, level, units, activations[level])
            network = eqx.tree_at(place, network, chain)
        return network


def _chain_size(chain: FeedForward, widths: Sequence[int]) -> int:
    """Numbers in the chain with these hidden widths."""
    layers = chain.layers
    sizes = [layers[0].weight.shape[1], *widths, layers[-1].weight.shape[0]]
    total = 0
    for index, layer in enumerate(layers):
        before = 0 if layer.skip_weight is None else sizes[index - 1]
        total += sizes[index + 1] * (sizes[index] + before + 1)
    return total


class _Tapped(eqx.Module):
    """A chain that adds ``nudges`` to its hidden activations, and writes these down in ``seen``."""

    layers: tuple[Layer, ...]
    nudges: tuple[Float[Array, "n w"], ...]
    seen: list[Float[Array, "n w"]] = eqx.field(static=True)

    def __call__(self, x: Float[Array, "n in"]) -> Float[Array, "n out"]:
        before = None
        for layer, nudge in zip(self.layers[:-1], self.nudges, strict=True):
            self.seen.append(layer(x, before))
            before, x = x, self.seen[-1] + nudge
        return self.layers[-1](x, before)


@eqx.filter_jit
def _activations_and_gradients(
    network: PyTree,
    places: tuple[Callable[[PyTree], FeedForward], ...],
    outputs: Callable[[PyTree, Float[Array, "n D"]], Float[Array, "n o"]],
    rows: Float[Array, "n D"],
    directions: Float[Array, "n o"],
) -> tuple[PyTree, PyTree]:
    """Hidden activations of each chain, and ∂(direction · output)/∂ each of them."""
    chains = [place(network) for place in places]
    n = rows.shape[0]
    nudges = tuple(
        tuple(jax.numpy.zeros((n, width), rows.dtype) for width in hidden_widths(chain))
        for chain in chains
    )

    def nudged(nudges: PyTree) -> tuple[Array, PyTree]:
        seen: list[list[Array]] = [[] for _ in chains]
        tapped = network
        for place, chain, own, record in zip(places, chains, nudges, seen, strict=True):
            tapped = eqx.tree_at(place, tapped, _Tapped(chain.layers, own, record))
        y = outputs(tapped, rows)
        return y, tuple(tuple(record) for record in seen)

    _, pull_back, activations = jax.vjp(nudged, nudges, has_aux=True)
    (gradients,) = pull_back(directions)
    return activations, gradients
