"""Layers: g(Wx − λ), chains of them with Gaussian initial weights, what training moves, what decays.

A network is an Equinox module: a pytree whose leaves are its weights. Every ``__call__`` takes rows on
the last axis, ``(..., in)``, and returns ``(..., out)``. Weights are drawn in NumPy, because every
eager JAX operation would compile a program of its own.

Source: lecture notes, "Kernel networks" to "Auto-encoders"; initial scale after He et al. 2015
(arXiv:1502.01852), zero-started correction after Zhang et al. 2019 (arXiv:1901.09321).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from isthmus import registry

Activation = Callable[[Array], Array]


def single(array: np.ndarray) -> Array:
    """float32 on the host, typed as the JAX array that it becomes in the first compiled call."""
    return cast(Array, np.asarray(array, np.float32))


def zeros(shape: int | tuple[()]) -> Array:
    """Zeros in float32, a vector or one number, as ``single`` gives them."""
    return single(np.zeros(shape))


@registry.part
class Constant(eqx.Module):
    """Numbers that belong to a network, and that training leaves as they are."""

    value: PyTree


def trainable(network: PyTree) -> PyTree:
    """True for what training moves: every array of floats that is not in a ``Constant``."""
    return jax.tree.map(
        lambda leaf: not isinstance(leaf, Constant) and eqx.is_inexact_array(leaf),
        network,
        is_leaf=lambda node: isinstance(node, Constant),
    )


DECAYS = {"decays": True}
"""Metadata of a module's field that weight decay shrinks: ``eqx.field(metadata=DECAYS)``."""


def decaying(network: PyTree) -> PyTree:
    """True for the arrays in fields that their module declares as decaying, False for all others.

    A module that declares nothing, such as a prior, a likelihood or a linear path, does not decay.
    """
    return jax.tree_util.tree_map_with_path(lambda path, leaf: _declared(network, path), network)


def _declared(network: PyTree, path: Sequence[object]) -> bool:
    """Whether the innermost module on the way to a leaf declares the field that holds it."""
    node, declared = network, False
    for key in path:
        if isinstance(key, jax.tree_util.GetAttrKey):
            field = getattr(type(node), "__dataclass_fields__", {}).get(key.name)
            declared = field is not None and bool(field.metadata.get("decays", False))
            node = getattr(node, key.name)
        elif isinstance(key, jax.tree_util.SequenceKey):
            node = node[key.idx]
        elif isinstance(key, jax.tree_util.DictKey):
            node = node[key.key]
        else:
            return False  # A node of somebody's own, which does not say what it holds.
    return declared


# Functions of our own, because those of JAX do not pickle.


def tanh(x: Array) -> Array:
    """From −1 to 1."""
    return jnp.tanh(x)


def relu(x: Array) -> Array:
    """max(x, 0)."""
    return jax.nn.relu(x)


def cos(x: Array) -> Array:
    """Periodic; its slope at zero vanishes, which is what the shift is for."""
    return jnp.cos(x)


def silu(x: Array) -> Array:
    """x/(1 + e⁻ˣ)."""
    return jax.nn.silu(x)


def gelu(x: Array) -> Array:
    """x Φ(x), in the tanh approximation."""
    return jax.nn.gelu(x)


def identity(x: Array) -> Array:
    """A linear layer."""
    return x


ACTIVATIONS: dict[str, Activation] = {
    function.__name__: function for function in (tanh, relu, cos, silu, gelu, identity)
}


@registry.part
class Layer(eqx.Module):
    """One layer, x → g(W x − λ), plus S x⁽ˡ⁻¹⁾ inside g when a skip link l → l+2 ends here."""

    weight: Float[Array, "out in"] = eqx.field(metadata=DECAYS)
    shift: Float[Array, " out"]
    skip_weight: Float[Array, "out before"] | None = eqx.field(metadata=DECAYS)
    activation: Activation = eqx.field(static=True)

    def __call__(
        self, x: Float[Array, "... in"], before: Float[Array, "... before"] | None = None
    ) -> Float[Array, "... out"]:
        field = x @ self.weight.T - self.shift
        if self.skip_weight is not None and before is not None:
            field = field + before @ self.skip_weight.T
        return self.activation(field)


@registry.part
class FeedForward(eqx.Module):
    """A Markov chain of layers, x⁽ˡ⁺¹⁾ = f_l(x⁽ˡ⁾), or with skip links f_l(x⁽ˡ⁾, x⁽ˡ⁻¹⁾)."""

    layers: tuple[Layer, ...]

    def __call__(self, x: Float[Array, "... in"]) -> Float[Array, "... out"]:
        before = None
        for layer in self.layers:
            before, x = x, layer(x, before)
        return x


@registry.part
class Affine(eqx.Module):
    """x → W x − λ. As the PCA path it starts as the projection on the leading components."""

    weight: Float[Array, "out in"]
    shift: Float[Array, " out"] | None

    def __call__(self, x: Float[Array, "... in"]) -> Float[Array, "... out"]:
        out = x @ self.weight.T
        return out if self.shift is None else out - self.shift


SPREAD_OF_SHIFTS = 0.5
"""Of units that bend apart, where W x has a spread of 1. With none a rolled surface is half as well
unrolled in the same time, and with more gradient descent needs smaller steps."""


def gaussian_chain(
    rng: np.random.Generator,
    sizes: Sequence[int],
    hidden: Sequence[Activation],
    *,
    skip_links: bool = False,
    last_is_zero: bool = False,
    bent_apart: bool = False,
) -> FeedForward:
    """Layers of these sizes with Gaussian weights, linear at the end.

    ``bent_apart``: units of the first layer bend at places of their own, by random shifts. Where inputs
    are few, as in a decoder, units that all bend at the origin make a map that is slow to fold.
    """
    layers = []
    activations = (*hidden, identity)
    for index, activation in enumerate(activations):
        fan_in, fan_out = sizes[index], sizes[index + 1]
        before = sizes[index - 1] if skip_links and index > 0 else 0
        # The gain is that of the activation that feeds this layer; raw inputs have unit scale.
        gain = _gain(activations[index - 1]) if index > 0 else 1.0
        zero = last_is_zero and index == len(activations) - 1
        spread = 0.0 if zero else gain / np.sqrt(fan_in + before)
        weight = single(spread * rng.standard_normal((fan_out, fan_in)))
        skip = single(spread * rng.standard_normal((fan_out, before))) if before else None
        shift = np.full(fan_out, _initial_shift(activation))
        if index == 0 and bent_apart and activation is not identity:
            shift += SPREAD_OF_SHIFTS * rng.standard_normal(fan_out)
        layers.append(Layer(weight, single(shift), skip, activation))
    return FeedForward(tuple(layers))


def _initial_shift(activation: Activation) -> float:
    """Zero, but π/2 for cos, whose slope at zero vanishes: cos(x − π/2) = sin x."""
    return np.pi / 2 if activation is cos else 0.0


def _gain(activation: Activation) -> float:
    return GAINS[activation] if activation in GAINS else second_moment_gain(activation)


GAINS: dict[Activation, float] = {
    tanh: 1.5925373,
    relu: 1.4142136,
    cos: 1.5208666,
    silu: 1.6765325,
    gelu: 1.5335806,
    identity: 1.0,
}
"""``second_moment_gain`` of each activation, tabulated because evaluating one compiles a program."""


def second_moment_gain(activation: Activation) -> float:
    """1/√E[g(t − λ₀)²] for t ~ N(0, 1): weights so scaled keep the second moment from layer to layer.

    Gauss–Hermite quadrature, so that it holds for any callable; √2 for ReLU, as He et al. derive.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(201)
    values = np.asarray(activation(jnp.asarray(nodes - _initial_shift(activation), jnp.float32)))
    second_moment = float(np.sum(weights * np.square(values, dtype=np.float64)) / np.sum(weights))
    if not np.isfinite(second_moment) or second_moment < 1e-12:
        raise ValueError(
            f"the activation {activation!r} is zero or not finite on standard normal inputs; "
            "use one that lets a signal through, such as 'tanh', 'relu', 'silu' or jnp.sin"
        )
    return 1.0 / float(np.sqrt(second_moment))
