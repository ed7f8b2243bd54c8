"""Noise for denoising auto-encoders: what is done to a row before the map sees it.

A noise is a small frozen object; ``corruption.py`` has what it becomes in a training. The first three
are those of Vincent et al. 2010, "Stacked denoising autoencoders". ``Neighbours`` moves a row along the
data, as lecture notes, "Denoising auto-encoders", ask; so does ``ImageJitter``, of ``image_jitter.py``.
``composition.py`` has ``Compose``.

>>> from isthmus.noise import Compose, Gaussian, ImageJitter
>>> noise = Compose([ImageJitter((8, 8), shift=0.5), Gaussian(0.1), lambda x, key: x.clip(0, 16)])
>>> noise.noises[0]
ImageJitter(shape=(8, 8), shift=0.5, rotation=10.0, zoom=0.1, elastic=0.5)
"""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus import registry
from isthmus.data.neighbours import COPY, distinct
from isthmus.data.rows import View, dense, row_blocks, take_rows
from isthmus.networks.layers import single
from isthmus.objectives.corruption import Corruption, Noise, TrainingRows, check_count, check_real, white

__all__ = [
    "Corruption",
    "Gaussian",
    "Masking",
    "Neighbours",
    "Noise",
    "SaltAndPepper",
]


@registry.noises
@dataclass(frozen=True)
class Gaussian:
    """x̃ = x + scale · s ε with ε ~ N(0, 1), and s the standard deviation of each feature.

    With this noise a denoiser gives the gradient of the log density: ``isthmus.score_function``.

    Parameters
    ----------
    scale : float, default 0.3
        Standard deviation in units of each feature's own: a third of its spread hides what is small and
        keeps what is large. 0 is no noise.

    Raises
    ------
    ValueError
        For a scale that is negative or not finite.

    References
    ----------
    Vincent et al. 2010, "Stacked denoising autoencoders", JMLR 11:3371.

    Examples
    --------
    >>> import isthmus
    >>> isthmus.noise.Gaussian(0.1)
    Gaussian(scale=0.1)
    >>> isthmus.DenoisingAutoencoder(2, noise=isthmus.noise.Gaussian(0.1)).noise.scale
    0.1
    """

    scale: float = 0.3

    def __post_init__(self) -> None:
        check_real(self, "scale", self.scale, 0.0, np.inf)

    def spread(self, data: TrainingRows) -> Float[np.ndarray, " D"]:
        """The standard deviation of the noise in each feature, in scaled units: (n, D) → (D,).

        Parameters
        ----------
        data : TrainingRows
            The rows of a training, in scaled units, and which of them are trained on.

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> from isthmus.data.rows import ScaledRows
        >>> from isthmus.data.scaling import Scaling
        >>> from isthmus.objectives.corruption import TrainingRows
        >>> X = np.array([[0.0], [1.0], [2.0]])  # of variance ((0 − 1)² + (2 − 1)²)/2 = 1
        >>> data = TrainingRows(ScaledRows(X, Scaling.none(1)), np.arange(3))
        >>> isthmus.noise.Gaussian(0.3).spread(data)  # 0.3 · 1
        array([0.3])
        """
        spread: np.ndarray = self.scale * np.sqrt(data.columns.variance)
        return spread

    def bind(self, data: TrainingRows) -> tuple[Corruption, None]:
        return white(self.spread(data)), None


class _Replacing(eqx.Module):
    """Each entry becomes, with probability ``fraction``, one of two values of its feature."""

    fraction: Float[Array, ""]
    low: Float[Array, " D"]
    high: Float[Array, " D"]
    n_aside: int = eqx.field(static=True, default=0)

    def __call__(
        self, u: Float[Array, "n D"], aside: Float[Array, "n a"], key: Array
    ) -> Float[Array, "n D"]:
        draw = jax.random.uniform(key, u.shape)
        # The same draw says whether and, in halves of the fraction, by which.
        value = jnp.where(draw < 0.5 * self.fraction, self.low, self.high)
        return jnp.where(draw < self.fraction, value, u)


@registry.noises
@dataclass(frozen=True)
class Masking:
    """x̃ⱼ = value with probability ``fraction``, else xⱼ.

    Parameters
    ----------
    fraction : float in [0, 1], default 0.25
        Probability of each entry, the middle of what Vincent et al. try.
    value : float or None, default None
        What stands for "nothing", in the data's units: 0.0 for the background of an image. None is each
        feature's mean.

    Raises
    ------
    ValueError
        For a fraction outside [0, 1], or a value that is not finite.

    References
    ----------
    Vincent et al. 2010, "Stacked denoising autoencoders", JMLR 11:3371.

    Examples
    --------
    >>> import isthmus
    >>> isthmus.noise.Masking(0.3, value=0.0)
    Masking(fraction=0.3, value=0.0)
    >>> isthmus.noise.Masking(30)
    Traceback (most recent call last):
        ...
    ValueError: Masking(fraction=30): expected a finite number from 0 to 1
    """

    fraction: float = 0.25
    value: float | None = None

    def __post_init__(self) -> None:
        check_real(self, "fraction", self.fraction, 0.0, 1.0)
        if self.value is not None:
            check_real(self, "value", self.value, -np.inf, np.inf)

    def bind(self, data: TrainingRows) -> tuple[Corruption, None]:
        scaling = data.scaling
        if self.value is None:
            value = single(data.columns.mean)
        else:
            value = single((self.value - scaling.center) / scaling.scale)
        return _Replacing(single(np.asarray(self.fraction)), value, value), None


@registry.noises
@dataclass(frozen=True)
class SaltAndPepper:
    """x̃ⱼ is, with probability ``fraction``, the least or the largest value of feature j.

    The one is as likely as the other: each with half of the fraction.

    Parameters
    ----------
    fraction : float in [0, 1], default 0.1
        Probability of each entry; small, because an extreme value hides more than a mean.

    Raises
    ------
    ValueError
        For a fraction outside [0, 1].

    References
    ----------
    Vincent et al. 2010, "Stacked denoising autoencoders", JMLR 11:3371.

    Examples
    --------
    >>> import isthmus
    >>> isthmus.noise.SaltAndPepper()
    SaltAndPepper(fraction=0.1)
    """

    fraction: float = 0.1

    def __post_init__(self) -> None:
        check_real(self, "fraction", self.fraction, 0.0, 1.0)

    def bind(self, data: TrainingRows) -> tuple[Corruption, None]:
        low, high = single(data.columns.low), single(data.columns.high)
        return _Replacing(single(np.asarray(self.fraction)), low, high), None


MOST_NUMBERED = 2**24
"""Rows of a reference at most: their numbers are in single precision, which counts exactly so far."""


class _Towards(eqx.Module):
    """u + t (v − u), v one of the row's neighbours among ``reference``, t uniform up to ``reach``."""

    reference: Float[Array, "m D"]
    reach: Float[Array, ""]
    n_aside: int = eqx.field(static=True)

    def __call__(
        self, u: Float[Array, "n D"], aside: Float[Array, "n a"], key: Array
    ) -> Float[Array, "n D"]:
        which, how_far = jax.random.split(key)
        choice = jax.random.randint(which, (len(u), 1), 0, self.n_aside)
        neighbour = jnp.take_along_axis(aside, choice, axis=1)[:, 0].astype(jnp.int32)
        share = self.reach * jax.random.uniform(how_far, (len(u), 1))
        return u + share * (self.reference[neighbour] - u)


@registry.noises
@dataclass(frozen=True)
class Neighbours:
    """A row moves part of the way towards one of its ``k`` nearest neighbours: noise along the data.

    x̃ = x + t (x_neighbour − x), t uniform on [0, reach]. Neighbours are found among the rows of the
    training, before it begins, by distance in scaled units; a row's copies are none. A map that is to
    keep neighbours gains nothing by it: of unseen digits white noise of the same size keeps as many or
    more (``benchmarks/noises.py``).

    Parameters
    ----------
    k : int, default 10
        Neighbours, one of which is drawn: the whole of a neighbourhood.
    reach : float, default 1.0
        Largest share of the way: to the neighbour, and not beyond.
    n_reference : int, default 20 000
        Rows among which neighbours are sought, evenly spaced if there are more: the time of the search
        grows with their number.

    Raises
    ------
    ValueError
        For numbers out of range; in ``fit``, for a single row to train on.

    References
    ----------
    Chawla et al. 2002, "SMOTE", JAIR 16:321, which makes new rows in this way.

    Examples
    --------
    >>> import isthmus
    >>> isthmus.noise.Neighbours(5)
    Neighbours(k=5, reach=1.0, n_reference=20000)
    """

    k: int = 10
    reach: float = 1.0
    n_reference: int = 20_000

    def __post_init__(self) -> None:
        check_count(self, "k", self.k)
        check_count(self, "n_reference", self.n_reference, least=2)
        check_real(self, "reach", self.reach, 0.0, np.inf)

    def bind(self, data: TrainingRows) -> tuple[Corruption, Float[np.ndarray, "n k"]]:
        n_rows = len(data.train_rows)
        if n_rows < 2:
            raise ValueError(
                f"{self!r} needs at least two rows to train on, and there is one: pass more, or "
                "validation_fraction=0"
            )
        n_chosen = min(n_rows, self.n_reference, MOST_NUMBERED)
        chosen = data.train_rows[np.arange(n_chosen) * n_rows // n_chosen]
        reference = dense(take_rows(data.rows, chosen))
        first, place = distinct(reference)
        if len(first) == 1:  # rows that are all equal are neighbours of one another
            first, place = (np.arange(n_chosen),) * 2
        reference = reference[first]
        own = np.full(data.rows.shape[0], -1)
        own[chosen] = place
        k = min(self.k, len(reference) - 1)
        nearest = _nearest_others(data.rows, reference, own, k)
        return _Towards(single(reference), single(np.asarray(self.reach)), k), nearest


def _nearest_others(
    rows: View, reference: Float[np.ndarray, "m D"], own: Int[np.ndarray, " n"], k: int
) -> Float[np.ndarray, "n k"]:
    """Numbers of the k nearest rows of ``reference``, a row and its copies left out.

    ``own`` is the number of each row's own copy in the reference, −1 where it is not known to have one.
    """
    from sklearn.neighbors import NearestNeighbors  # loads half of scikit-learn

    search = NearestNeighbors(n_neighbors=k + 1).fit(reference)
    found = np.empty((rows.shape[0], k), np.float32)
    for where, block in row_blocks(rows):
        distances, nearest = search.kneighbors(block)
        left_out = nearest == own[where, None]
        # Held-out rows, and those beyond the reference, may have a copy in it too.
        left_out[:, 0] |= (own[where] < 0) & (distances[:, 0] <= COPY * distances[:, 1])
        # A row that is not among its nearest, because it is not in the reference or has many twins.
        left_out[~left_out.any(axis=1), -1] = True
        found[where] = nearest[~left_out].reshape(-1, k)
    return found
