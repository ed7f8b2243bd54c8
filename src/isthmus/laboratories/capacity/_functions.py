"""Functions on the cube [−1, 1]³ for networks to find: some suit a perceptron, some a composition."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float


def waves(x: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Smooth, of low frequency: sin(2 u·x) + cos(2 v·x) for two drawn directions."""
    u, v = _directions(2)
    return np.asarray(np.sin(2 * x @ u) + np.cos(2 * x @ v))


def ridges(x: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Σ ± tanh(4 (w·x − b)) over 32 drawn ridges: itself a perceptron."""
    shifts = np.linspace(-0.5, 0.5, 32)
    return np.asarray(np.tanh(4 * (x @ _directions(32).T - shifts)) @ np.resize([1.0, -1.0], 32))


def product(x: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """sin πx₁ · sin πx₂ · sin πx₃."""
    return np.asarray(np.prod(np.sin(np.pi * x), axis=1))


def tent(x: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """T∘T∘T of x₁, brought to [0, 1], for T(t) = 1 − |2t − 1|: four teeth, and two inputs to ignore.

    Three layers of two ReLU nodes are this function, and so is one layer of eight.
    """
    t = (x[:, 0] + 1) / 2
    for _ in range(3):
        t = 1 - np.abs(2 * t - 1)
    return np.asarray(t)


def rings(x: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """cos(1.5π ‖x‖²): a wave of a sum of squares."""
    return np.asarray(np.cos(1.5 * np.pi * np.sum(np.square(x), axis=1)))


Function = Callable[[Float[np.ndarray, "n 3"]], Float[np.ndarray, " n"]]

FUNCTIONS: Mapping[str, Function] = {
    function.__name__: function for function in (waves, ridges, product, tent, rings)
}
"""The functions that nets are to find, by name."""


def _directions(n: int) -> Float[np.ndarray, "n 3"]:
    """Unit vectors, the same at each call."""
    drawn = np.random.default_rng(0).standard_normal((n, 3))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))
