"""Distributions of a row given its coordinates: what a likelihood starts from, and what it gives.

The protocols are what a likelihood of your own has. A distribution may say which numbers can occur;
rows that hold others are found here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, Bool, Float, Num

from isthmus.data.moments import ColumnStatistics
from isthmus.data.rows import Rows, row_blocks
from isthmus.data.scaling import Scaling

__all__ = [
    "Distribution",
    "Known",
    "Likelihood",
]


@dataclass(frozen=True)
class Known:
    """What is known of the data when training begins: all that a likelihood may start from.

    Parameters
    ----------
    rows : rows (n, D)
        The data in their own units, to be looked at in blocks.
    scaling : Scaling
        center (D,) and scale (D,) of the columns.
    columns : ColumnStatistics
        Mean, variance, least and largest value of each column, in the data's units.
    left_out : array (D,)
        The variance in scaled units that the start does not explain.

    Examples
    --------
    >>> import isthmus, numpy as np
    >>> from isthmus.data.moments import column_statistics
    >>> from isthmus.data.scaling import Scaling
    >>> X = np.array([[0.0], [2.0]])
    >>> known = isthmus.likelihoods.Known(X, Scaling.none(1), column_statistics(X), np.ones(1))
    >>> known.columns.mean.tolist()  # (0 + 2)/2
    [1.0]
    """

    rows: Rows
    scaling: Scaling
    columns: ColumnStatistics
    left_out: Float[np.ndarray, " D"]


class Distribution(Protocol):
    """p(x | z) for the decoder's output at z. Rows u and means are in scaled units, densities in raw.

    Its methods are entry by entry, (..., D) → (..., D). Draws of x are rounded where the distribution
    has an attribute ``whole_numbers`` that is true. It may have a method ``supports(x)``: whether each
    of the numbers x, float64 in the data's units, can occur. What training is to learn of it are the
    arrays that it holds: it is an Equinox module.

    Examples
    --------
    Errors of a fixed standard deviation of 1 about the output:

    >>> import isthmus, numpy as np
    >>> from isthmus.data.moments import column_statistics
    >>> from isthmus.data.scaling import Scaling
    >>> X = np.array([[0.0], [2.0]])
    >>> known = isthmus.likelihoods.Known(X, Scaling.none(1), column_statistics(X), np.ones(1))
    >>> p = isthmus.likelihoods.Gaussian(1.0)(known)
    >>> round(float(p.log_density(np.zeros(1), np.zeros(1))[0]), 4)  # −½ log 2π
    -0.9189
    """

    def mean(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        """E[u | z], in scaled units: (..., D) → (..., D).

        Parameters
        ----------
        output : array (..., D)
            Of the decoder at z.

        Examples
        --------
        A count's mean is its rate, the output itself far from zero:

        >>> import isthmus, numpy as np
        >>> from isthmus.data.moments import column_statistics
        >>> from isthmus.data.scaling import Scaling
        >>> X = np.array([[0.0], [2.0]])
        >>> known = isthmus.likelihoods.Known(X, Scaling.none(1), column_statistics(X), np.ones(1))
        >>> isthmus.likelihoods.Poisson()(known).mean(np.full(1, 5.0)).tolist()
        [5.0]
        """

    def variance(self, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        """Var[u | z], in squared scaled units: (..., D) → (..., D).

        Parameters
        ----------
        output : array (..., D)
            Of the decoder at z.

        Examples
        --------
        The variance of a Poisson count is its mean:

        >>> import isthmus, numpy as np
        >>> from isthmus.data.moments import column_statistics
        >>> from isthmus.data.scaling import Scaling
        >>> X = np.array([[0.0], [2.0]])
        >>> known = isthmus.likelihoods.Known(X, Scaling.none(1), column_statistics(X), np.ones(1))
        >>> isthmus.likelihoods.Poisson()(known).variance(np.full(1, 5.0)).tolist()
        [5.0]
        """

    def log_density(
        self,
        u: Float[Array, "... D"],
        output: Float[Array, "... D"],
        error: Float[Array, "... D"] | None = None,
    ) -> Float[Array, "... D"]:
        """log p(x_j | z), per unit of x_j, in nats and with every constant: (..., D) → (..., D).

        Parameters
        ----------
        u : array (..., D)
            Rows in scaled units.
        output : array (..., D)
            Of the decoder at z.
        error : array (..., D) or None, default None
            Known standard deviation of each entry, in scaled units; None for none.

        Examples
        --------
        Two counts where five are expected, 2 log 5 − 5 − log 2!:

        >>> import isthmus, numpy as np
        >>> from isthmus.data.moments import column_statistics
        >>> from isthmus.data.scaling import Scaling
        >>> X = np.array([[0.0], [2.0]])
        >>> known = isthmus.likelihoods.Known(X, Scaling.none(1), column_statistics(X), np.ones(1))
        >>> p = isthmus.likelihoods.Poisson()(known)
        >>> round(float(p.log_density(np.full(1, 2.0), np.full(1, 5.0))[0]), 3)
        -2.474
        """

    def sample(self, key: Array, output: Float[Array, "... D"]) -> Float[Array, "... D"]:
        """A draw of u, in scaled units: (..., D) → (..., D).

        Parameters
        ----------
        key : JAX random key
        output : array (..., D)
            Of the decoder at z.

        Examples
        --------
        >>> import isthmus, jax, numpy as np
        >>> from isthmus.data.moments import column_statistics
        >>> from isthmus.data.scaling import Scaling
        >>> X = np.array([[0.0], [2.0]])
        >>> known = isthmus.likelihoods.Known(X, Scaling.none(1), column_statistics(X), np.ones(1))
        >>> p = isthmus.likelihoods.Gaussian(1.0)(known)
        >>> p.sample(jax.random.key(0), np.zeros((3, 1), np.float32)).shape
        (3, 1)
        """


class Likelihood(Protocol):
    """What a likelihood of your own is: any function that gives a ``Distribution`` of a ``Known``.

    Called once, when training begins; numbers to learn are the arrays of what it gives.

    Examples
    --------
    Gaussian errors whose fixed standard deviation is a tenth of what PCA leaves:

    >>> import isthmus, numpy as np
    >>> def small_errors(known):
    ...     left_out = np.sqrt(np.mean(known.left_out)) * np.mean(known.scaling.scale)
    ...     return isthmus.likelihoods.Gaussian(0.1 * float(left_out))(known)
    >>> model = isthmus.VariationalAutoencoder(2, likelihood=small_errors)
    >>> from isthmus.data.moments import column_statistics
    >>> from isthmus.data.scaling import Scaling
    >>> X = np.array([[0.0], [2.0]])
    >>> known = isthmus.likelihoods.Known(X, Scaling.none(1), column_statistics(X), np.ones(1))
    >>> round(float(model.likelihood(known).variance(np.zeros(1))[0]), 4)  # (0.1 · 1)²
    0.01
    """

    def __call__(self, known: Known) -> Distribution: ...


@runtime_checkable
class Supporting(Protocol):
    """A distribution that says which numbers can occur."""

    def supports(self, x: Float[np.ndarray, "n D"]) -> Bool[np.ndarray, "n D"]:
        """Whether each number, in the data's units, can occur."""


def impossible(distribution: object, x: Num[np.ndarray, "n D"]) -> Bool[np.ndarray, "n D"]:
    """Entries of rows, in the data's units, that cannot occur, as far as the distribution says so."""
    if not isinstance(distribution, Supporting):
        return np.zeros(x.shape, bool)
    return np.asarray(~(np.isnan(x) | distribution.supports(x.astype(np.float64))))


def impossible_rows(distribution: object, rows: Rows) -> Bool[np.ndarray, " n"]:
    """Rows, in the data's units, that hold an entry which cannot occur."""
    found = np.zeros(rows.shape[0], bool)
    if isinstance(distribution, Supporting):
        for where, block in row_blocks(rows):
            found[where] = impossible(distribution, block).any(axis=1)
    return found


def check_likelihood(likelihood: object) -> None:
    """Raise a TypeError for anything that is no likelihood."""
    if isinstance(likelihood, type) or not callable(likelihood):
        raise TypeError(
            f"likelihood={likelihood!r}: expected a likelihood such as isthmus.likelihoods.Gaussian(), "
            "or a function that gives a distribution of your own"
        )
