"""Composition of noises: one after the other, each with a random key of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from isthmus import registry
from isthmus.objectives.corruption import Corruption, Function, Noise, TrainingRows, as_noise, bind

__all__ = ["Compose"]


class _InTurn(eqx.Module):
    """One corruption after the other, each with a key and the columns of ``aside`` of its own."""

    parts: tuple[Corruption, ...]

    @property
    def n_aside(self) -> int:
        return sum(part.n_aside for part in self.parts)

    def __call__(
        self, u: Float[Array, "n D"], aside: Float[Array, "n a"], key: Array
    ) -> Float[Array, "n D"]:
        start = 0
        for part, part_key in zip(self.parts, jax.random.split(key, len(self.parts)), strict=True):
            u = part(u, aside[:, start : start + part.n_aside], part_key)
            start += part.n_aside
        return u


@registry.noises
@dataclass(frozen=True)
class Compose:
    """One noise after the other: x̃ = f_m(… f₂(f₁(x)) …).

    Parameters
    ----------
    noises : sequence of noises and functions ``(x, key) -> x``
        In the order in which they are applied, each with a random key of its own.

    Raises
    ------
    ValueError
        For an empty list.
    TypeError
        For an entry that is not a noise.

    Examples
    --------
    >>> import isthmus
    >>> from isthmus.noise import Compose, Gaussian, Neighbours
    >>> noise = Compose([Neighbours(5), Gaussian(0.1), lambda x, key: x.clip(0, 16)])
    >>> len(noise.noises)
    3
    """

    noises: Sequence[Noise | Function]

    def __post_init__(self) -> None:
        if not isinstance(self.noises, Sequence) or not self.noises:
            raise ValueError(
                f"Compose(noises={self.noises!r}): expected a list of noises, such as "
                "Compose([Masking(), Gaussian(0.1)])"
            )
        object.__setattr__(self, "noises", tuple(map(as_noise, self.noises)))

    def bind(self, data: TrainingRows) -> tuple[Corruption, Float[np.ndarray, "n a"] | None]:
        parts, asides = zip(*(bind(noise, data) for noise in self.noises), strict=True)
        found = [aside for aside in asides if aside is not None]
        return _InTurn(parts), np.concatenate(found, axis=1) if found else None
