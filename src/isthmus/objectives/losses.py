"""Reconstruction losses: one number per row, summed over features.

Each loss is a negative log-likelihood up to a constant: ``loss(x, x_hat)`` maps rows (n, D) and the
decoder's output (n, D) to (n,). Only the training loop averages over rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import ClassVar, Protocol

import jax.numpy as jnp
from jaxtyping import Array, Float

from isthmus import registry
from isthmus.networks.links import Link, SoftClip, log_soft_clip


class Loss(Protocol):
    """A loss is a value per row; if it wants, with the link and the interval of its data.

    ``link`` gives the x̂ that a raw output stands for, the output itself if there is none.
    ``interval`` is where the data must lie, anywhere if there is none.
    """

    def __call__(self, x: Float[Array, "... D"], output: Float[Array, "... D"]) -> Float[Array, " ..."]:
        """The loss of each row, summed over its features."""


@registry.losses
@dataclass(frozen=True)
class Squared:
    """½ Σⱼ (xⱼ − x̂ⱼ)²: Gaussian errors of unit variance. Least squares, PCA's own loss.

    Called as ``loss(x, output)`` with rows and the decoder's output, both (n, D) in scaled units, it
    gives (n,): summed over features, so that it is a negative log-likelihood up to a constant.

    Examples
    --------
    >>> import isthmus, numpy as np
    >>> loss = isthmus.Squared()
    >>> loss(np.array([[1.0, 0.0]]), np.array([[3.0, 1.0]])).tolist()  # ½ (2² + 1²)
    [2.5]
    >>> isthmus.Autoencoder(2, loss="squared").loss  # the default
    'squared'
    """

    def __call__(self, x: Float[Array, "... D"], output: Float[Array, "... D"]) -> Float[Array, " ..."]:
        return 0.5 * jnp.sum(jnp.square(x - output), axis=-1)


@registry.losses
@dataclass(frozen=True)
class Absolute:
    """Σⱼ |xⱼ − x̂ⱼ|: Laplace errors; one wild entry costs in proportion, not squared.

    Called as ``loss(x, output)`` with rows and the decoder's output, both (n, D) in scaled units, it
    gives (n,). Its best constant is the median.

    Examples
    --------
    >>> import isthmus, numpy as np
    >>> loss = isthmus.Absolute()
    >>> loss(np.array([[1.0, 0.0]]), np.array([[3.0, 1.0]])).tolist()  # 2 + 1
    [3.0]
    """

    def __call__(self, x: Float[Array, "... D"], output: Float[Array, "... D"]) -> Float[Array, " ..."]:
        return jnp.sum(jnp.abs(x - output), axis=-1)


@registry.losses
@dataclass(frozen=True)
class Huber:
    """½ r² where |r| ≤ delta, delta (|r| − ½ delta) beyond, with r = xⱼ − x̂ⱼ, summed over j.

    Called as ``loss(x, output)`` with rows and the decoder's output, both (n, D) in scaled units, it
    gives (n,): squared for small residuals, and in proportion for large ones.

    Parameters
    ----------
    delta : float, default 1.0
        Where the one becomes the other, in scaled units: 1.0 is one standard deviation of a feature
        under ``scaling="standard"``.

    Raises
    ------
    ValueError
        For a delta that is not positive, or not finite.

    References
    ----------
    Huber 1964, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35:73.

    Examples
    --------
    >>> import isthmus, numpy as np
    >>> loss = isthmus.Huber(delta=1.0)
    >>> x, x_hat = np.array([[1.0, 0.0]]), np.array([[3.0, 0.5]])
    >>> loss(x, x_hat).tolist()  # 1 · (2 − ½ · 1) + ½ · 0.5²
    [1.625]
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.delta < float("inf"):
            raise ValueError(
                f"Huber(delta={self.delta!r}): delta must be positive and finite; 1.0 is the usual "
                "choice, and isthmus.Squared() is the limit of a large one"
            )

    def __call__(self, x: Float[Array, "... D"], output: Float[Array, "... D"]) -> Float[Array, " ..."]:
        size = jnp.abs(x - output)
        inside = jnp.minimum(size, self.delta)
        return jnp.sum(0.5 * inside**2 + self.delta * (size - inside), axis=-1)


@registry.losses
@dataclass(frozen=True)
class CrossEntropy:
    """−Σⱼ [xⱼ log pⱼ + (1 − xⱼ) log(1 − pⱼ)], for data in [0, 1].

    Called as ``loss(x, output)`` with rows (n, D) and the raw output of the decoder (n, D), it gives
    (n,), in nats. p = s(output), where s is that of ``SoftClip``: nearly the identity inside (0, 1), and
    bent at its ends. A logistic s would do as well for a plain network, but with this one a linear path
    still starts as PCA. log p and log(1 − p) are evaluated without cancellation, so that no output gives
    an infinite loss.

    Examples
    --------
    >>> import isthmus, numpy as np
    >>> loss = isthmus.CrossEntropy()
    >>> found = loss(np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]]))
    >>> round(float(found[0]), 4)  # −2 log ½
    1.3863
    """

    link: ClassVar[Link] = SoftClip()
    interval: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, x: Float[Array, "... D"], output: Float[Array, "... D"]) -> Float[Array, " ..."]:
        log_p, log_q = log_soft_clip(output), log_soft_clip(1.0 - output)
        return -jnp.sum(x * log_p + (1.0 - x) * log_q, axis=-1)


def named_losses() -> dict[str, Loss]:
    """The losses that a word stands for, ``"huber"`` for ``Huber()``: all that have only defaults."""
    return {
        word: cls()
        for word, cls in registry.losses.words.items()
        if all(each.default is not each.empty for each in signature(cls).parameters.values())
    }
