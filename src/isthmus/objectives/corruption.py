"""Corruptions: a noise bound to the rows of a training, as objectives apply it.

A noise (``isthmus.noise``) is a small frozen object. Bound to rows it gives a *corruption*, a pure
function ``(u, aside, key) -> u`` on scaled rows; ``aside`` holds what was found out beforehand about
each row, such as its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral, Real
from typing import Protocol, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.data.moments import ColumnStatistics, column_statistics
from isthmus.data.rows import ChosenRows, RowNumbers, ScaledRows
from isthmus.data.scaling import Scaling
from isthmus.networks.layers import single


@dataclass(frozen=True)
class TrainingRows:
    """All scaled rows, which of them are trained on, and the known errors of all.

    ``fitted_columns`` are the statistics of each column that noise is measured in, where training goes
    on and a few new rows must not change them.
    """

    rows: ScaledRows
    train_rows: RowNumbers
    errors: Float[np.ndarray, "n D"] | None = None
    fitted_columns: ColumnStatistics | None = None

    @property
    def scaling(self) -> Scaling:
        return self.rows.scaling

    @cached_property
    def columns(self) -> ColumnStatistics:
        """Statistics of the columns of the training rows, in scaled units."""
        if self.fitted_columns is not None:
            return self.fitted_columns
        return column_statistics(ChosenRows(self.rows, self.train_rows))

    def with_columns(self, columns: ColumnStatistics) -> TrainingRows:
        """The same rows, their noise measured in the columns of an earlier fit."""
        return replace(self, fitted_columns=columns)


class Corruption(Protocol):
    """A noise bound to rows: an Equinox module that maps scaled rows to noisy ones.

    Called as ``corruption(u, aside, key)`` with rows u (n, D) in scaled units, what it needs beside each
    of them, (n, n_aside), and a JAX random key; it gives rows (n, D). JAX traces it.

    Examples
    --------
    >>> import equinox as eqx
    >>> class Adding(eqx.Module):
    ...     amount: float
    ...     n_aside: int = eqx.field(static=True, default=0)
    ...
    ...     def __call__(self, u, aside, key):
    ...         return u + self.amount
    >>> Adding(2.0)(1.0, None, None)  # 1 + 2
    3.0
    """

    @property
    def n_aside(self) -> int:
        """Numbers that it needs beside each row."""

    def __call__(
        self, u: Float[Array, "n D"], aside: Float[Array, "n a"], key: Array
    ) -> Float[Array, "n D"]: ...


class Noise(Protocol):
    """What a noise of your own has, if it is more than a function ``(x, key) -> x`` in raw units.

    Examples
    --------
    A noise that is a fixed step, whatever the rows:

    >>> import equinox as eqx
    >>> class Adding(eqx.Module):
    ...     amount: float
    ...     n_aside: int = eqx.field(static=True, default=0)
    ...
    ...     def __call__(self, u, aside, key):
    ...         return u + self.amount
    >>> class Step:
    ...     def bind(self, data):
    ...         return Adding(2.0), None
    >>> import isthmus
    >>> model = isthmus.DenoisingAutoencoder(2, noise=Step())
    >>> corruption, aside = model.noise.bind(data=None)
    >>> corruption(1.0, aside, None)  # 1 + 2
    3.0
    """

    def bind(self, data: TrainingRows) -> tuple[Corruption, Float[np.ndarray, "n a"] | None]:
        """The corruption of the rows of a training, and what it needs beside each of them.

        Parameters
        ----------
        data : TrainingRows
            All rows in scaled units, ``rows``; the numbers of those that are trained on, ``train_rows``;
            and statistics of these, ``columns``.

        Returns
        -------
        corruption, aside
            A ``Corruption``, and an array (n, n_aside), or None if it needs nothing.

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> from isthmus.data.rows import ScaledRows
        >>> from isthmus.data.scaling import Scaling
        >>> from isthmus.objectives.corruption import TrainingRows
        >>> X = np.array([[0.0], [2.0]])
        >>> data = TrainingRows(ScaledRows(X, Scaling.none(1)), np.arange(2))
        >>> corruption, aside = isthmus.noise.Neighbours(k=1).bind(data)
        >>> corruption.n_aside, aside.tolist()  # one number beside each row: its neighbour's
        (1, [[1.0], [0.0]])
        """


Function = Callable[[Array, Array], Array]
"""``(x, key) -> x`` of raw rows (n, D) and a JAX random key."""


class _White(eqx.Module):
    """u + spread ε."""

    spread: Float[Array, " ..."]
    n_aside: int = eqx.field(static=True, default=0)

    def __call__(
        self, u: Float[Array, "n D"], aside: Float[Array, "n a"], key: Array
    ) -> Float[Array, "n D"]:
        # Half of the rows have the noise of the others with its sign turned: it takes half the time to
        # draw, and the noise of a batch has no mean.
        drawn = jax.random.normal(key, (-(-len(u) // 2), *u.shape[1:]))
        return u + self.spread * jnp.concatenate([drawn, -drawn])[: len(u)]


def white(spread: float | Float[np.ndarray, " D"]) -> Corruption:
    """Gaussian noise of one standard deviation in scaled units, or one for each feature."""
    return _White(single(np.asarray(spread)))


class _InRawUnits(eqx.Module):
    """A function of raw rows and a key, applied to scaled rows."""

    function: Callable[[Array, Array], Array] = eqx.field(static=True)
    center: Float[Array, " D"]
    scale: Float[Array, " D"]
    n_aside: int = eqx.field(static=True, default=0)

    def __call__(
        self, u: Float[Array, "n D"], aside: Float[Array, "n a"], key: Array
    ) -> Float[Array, "n D"]:
        # A key of JAX's own kind: jax.random.poisson takes no other.
        key = jax.random.wrap_key_data(jax.random.key_data(key), impl="threefry2x32")
        x = u * self.scale + self.center
        # By the difference, so that what the function leaves alone stays as it is to the last bit.
        return u + (self.function(x, key) - x) / self.scale


def as_noise(noise: object) -> Noise | Function:
    """A noise, or a function ``(x, key) -> x``; anything else is a TypeError."""
    if isinstance(noise, type) or not (hasattr(noise, "bind") or callable(noise)):
        raise TypeError(
            f"noise={noise!r}: expected a noise such as isthmus.noise.Gaussian(0.3), or a function "
            "(x, key) -> x of raw rows (n, D) and a JAX random key"
        )
    return cast(Noise | Function, noise)


def bind(
    noise: Noise | Function, data: TrainingRows
) -> tuple[Corruption, Float[np.ndarray, "n a"] | None]:
    """The corruption that a noise or a function gives for these rows, and what it needs beside them."""
    if hasattr(noise, "bind"):
        bound: tuple[Corruption, Float[np.ndarray, "n a"] | None] = noise.bind(data)
        return bound
    _check_function(noise, data.rows.shape[1])
    return as_corruption(noise, data.scaling), None


def _check_function(function: Function, n_features: int) -> None:
    """Raise for a function that JAX cannot trace, or that changes the shape of rows."""
    shape = (2, n_features)
    try:
        moved = jax.eval_shape(function, single(np.zeros(shape)), jax.random.key(0))
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise TypeError(
            f"noise={function!r} failed on rows of shape {shape} and a JAX random key "
            f"({type(error).__name__}: {reason}). Write it with jax.numpy and jax.random"
        ) from error
    if getattr(moved, "shape", None) != shape:
        raise ValueError(
            f"noise={function!r} made rows of shape {shape} into {getattr(moved, 'shape', moved)!r}: "
            "return rows of the shape that came"
        )


def as_corruption(function: Function, scaling: Scaling) -> Corruption:
    """The corruption of scaled rows by a function of raw rows."""
    return _InRawUnits(function, single(scaling.center), single(scaling.scale))


def check_real(noise: object, name: str, value: object, low: float, high: float) -> None:
    """Raise a ValueError for a parameter of a noise that is no number from ``low`` to ``high``."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not (is_number and low <= float(cast(float, value)) <= high and np.isfinite(cast(float, value))):
        wanted = f"a finite number from {low:g} to {high:g}"
        raise ValueError(f"{type(noise).__name__}({name}={value!r}): expected {wanted}")


def check_count(noise: object, name: str, value: object, least: int = 1) -> None:
    """Raise a ValueError for a parameter of a noise that is no integer of at least ``least``."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        wanted = f"an integer of at least {least}"
        raise ValueError(f"{type(noise).__name__}({name}={value!r}): expected {wanted}")
