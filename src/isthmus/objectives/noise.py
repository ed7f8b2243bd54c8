"""Noise for denoising auto-encoders: what is done to a row before the map sees it.

A noise is a small frozen object; ``corruption.py`` has what it becomes in a training. The first three
are those of Vincent et al. 2010, "Stacked denoising autoencoders"; the others move a row along the data,
as lecture notes, "Denoising auto-encoders", ask.

>>> from isthmus.noise import Compose, Gaussian, ImageJitter
>>> noise = Compose([ImageJitter((8, 8), shift=0.5), Gaussian(0.1), lambda x, key: x.clip(0, 16)])
>>> noise.noises[0]
ImageJitter(shape=(8, 8), shift=0.5, rotation=10.0, zoom=0.1, elastic=0.5)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Float, Int

from isthmus import registry
from isthmus.data.neighbours import COPY, distinct
from isthmus.data.rows import View, dense, row_blocks, take_rows
from isthmus.networks.layers import single
from isthmus.objectives.corruption import (
    Corruption,
    Function,
    Noise,
    TrainingRows,
    as_corruption,
    as_noise,
    bind,
    white,
)

__all__ = [
    "Compose",
    "Corruption",
    "Gaussian",
    "ImageJitter",
    "Masking",
    "Neighbours",
    "Noise",
    "SaltAndPepper",
]


@registry.noises
@dataclass(frozen=True)
class Gaussian:
    """x̃ = x + scale · s ε with ε ~ N(0, 1), and s the standard deviation of each feature.

    ``scale=0.3`` by default: a third of a feature's spread hides what is small and keeps what is large.
    With this noise a denoiser gives the gradient of the log density: ``isthmus.score_function``.
    """

    scale: float = 0.3

    def __post_init__(self) -> None:
        _check_real(self, "scale", self.scale, 0.0, np.inf)

    def spread(self, data: TrainingRows) -> Float[np.ndarray, " D"]:
        """The standard deviation of the noise in each feature, in scaled units."""
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

    ``fraction=0.25`` by default, the middle of what Vincent et al. try. ``value``, in the data's units,
    stands for "nothing": 0.0 for the background of an image; ``None``, the default, is each feature's
    mean.
    """

    fraction: float = 0.25
    value: float | None = None

    def __post_init__(self) -> None:
        _check_real(self, "fraction", self.fraction, 0.0, 1.0)
        if self.value is not None:
            _check_real(self, "value", self.value, -np.inf, np.inf)

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
    """x̃ⱼ is, with probability ``fraction``, the least or the largest value of feature j, one as likely
    as the other. ``fraction=0.1`` by default."""

    fraction: float = 0.1

    def __post_init__(self) -> None:
        _check_real(self, "fraction", self.fraction, 0.0, 1.0)

    def bind(self, data: TrainingRows) -> tuple[Corruption, None]:
        low, high = single(data.columns.low), single(data.columns.high)
        return _Replacing(single(np.asarray(self.fraction)), low, high), None


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
    training, before it begins, by distance in scaled units; if there are more than ``n_reference`` of
    these, among that many, evenly spaced. ``k=10`` and ``reach=1.0`` by default: the whole of a
    neighbourhood, and nothing beyond it.
    """

    k: int = 10
    reach: float = 1.0
    n_reference: int = 20_000

    def __post_init__(self) -> None:
        _check_count(self, "k", self.k)
        _check_count(self, "n_reference", self.n_reference, least=2)
        _check_real(self, "reach", self.reach, 0.0, np.inf)

    def bind(self, data: TrainingRows) -> tuple[Corruption, Float[np.ndarray, "n k"]]:
        n_rows = len(data.train_rows)
        if n_rows < 2:
            raise ValueError(
                f"{self!r} needs at least two rows to train on, and there is one: pass more, or "
                "validation_fraction=0"
            )
        n_chosen = min(n_rows, self.n_reference)
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
    Numbers are in single precision, which counts exactly up to 2²⁴.
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


@registry.noises
@dataclass(frozen=True)
class ImageJitter:
    """A small random shift, rotation, scaling and elastic deformation of an image in a row.

    ``shape`` is (height, width) or (height, width, channels). Each draw moves the picture by up to
    ``shift`` pixels each way, turns it by up to ``rotation`` degrees and scales it by a factor of up to
    1 + ``zoom``, up or down, each uniform (the factor in its logarithm), and displaces every pixel by a
    smooth random field of ``elastic`` pixels each way, root mean square (Simard et al. 2003, "Best
    practices for convolutional neural networks"). Values between pixels are bilinear; beyond the edge,
    the edge's value goes on. The defaults, a pixel, 10°, a tenth and half a pixel, leave an 8×8 digit
    the digit that it is.
    """

    shape: tuple[int, ...]
    shift: float = 1.0
    rotation: float = 10.0
    zoom: float = 0.1
    elastic: float = 0.5

    def __post_init__(self) -> None:
        shape = self.shape
        if not isinstance(shape, tuple | list) or len(shape) not in (2, 3):
            raise ValueError(
                f"ImageJitter(shape={shape!r}): expected (height, width) or (height, width, channels)"
            )
        for size in shape:
            _check_count(self, "shape", size)
        object.__setattr__(self, "shape", tuple(map(int, shape)))
        for name in ("shift", "rotation", "zoom", "elastic"):
            _check_real(self, name, getattr(self, name), 0.0, np.inf)

    def bind(self, data: TrainingRows) -> tuple[Corruption, None]:
        D = data.rows.shape[1]
        if np.prod(self.shape) != D:
            raise ValueError(
                f"{self!r}: the shape has {np.prod(self.shape)} pixels, and the data have {D} features"
            )
        return as_corruption(self, data.scaling), None

    def __call__(self, x: Float[Array, "n D"], key: Array) -> Float[Array, "n D"]:
        """Each row of raw pixels, jittered by a draw of its own."""
        height, width = self.shape[:2]
        images = jnp.reshape(x, (len(x), height, width, -1))
        of_each_channel = jax.vmap(_bilinear, in_axes=(2, None), out_axes=2)
        moved: Array = jax.vmap(of_each_channel)(images, self._sources(len(x), key))
        return moved.reshape(x.shape)

    def _sources(self, n: int, key: Array) -> Float[Array, "n 2 height width"]:
        """The place, row and column, that each pixel of each picture takes its value from."""
        height, width = self.shape[:2]
        rigid_key, elastic_key = jax.random.split(key)
        up, across, turn, zoom = jax.random.uniform(rigid_key, (4, n, 1, 1), minval=-1.0)
        angle, size = jnp.deg2rad(self.rotation * turn), (1.0 + self.zoom) ** zoom
        cos, sin = jnp.cos(angle) / size, jnp.sin(angle) / size
        middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
        y, x = jnp.arange(height)[:, None] - middle_y, jnp.arange(width) - middle_x
        source_y = cos * y - sin * x + self.shift * up + middle_y
        source_x = sin * y + cos * x + self.shift * across + middle_x
        field = _smooth_fields(elastic_key, n, height, width)
        return jnp.stack([source_y, source_x], axis=1) + self.elastic * field


def _bilinear(
    plane: Float[Array, "height width"], where: Float[Array, "2 height width"]
) -> Float[Array, "height width"]:
    values: Array = map_coordinates(plane, list(where), order=1, mode="nearest")
    return values


GRAIN = 4
"""Knots across a field of elastic displacements: a stroke bends, and does not break."""


def _smooth_fields(key: Array, n: int, height: int, width: int) -> Float[Array, "n 2 height width"]:
    """Pairs of smooth random fields of unit variance: white noise on a coarse grid, interpolated."""
    knots = jax.random.normal(key, (n, 2, GRAIN, GRAIN))
    up, across = _interpolation(height), _interpolation(width)
    return jnp.einsum("yi,nkij,xj->nkyx", up, knots, across)


def _interpolation(size: int) -> Float[Array, "size grain"]:
    """Smooth weights of the knots at each pixel, of unit length, so that variances stay one."""
    knots, pixels = np.linspace(0, 1, GRAIN), np.linspace(0, 1, size)
    weights = np.exp(-0.5 * np.square((pixels[:, None] - knots) * (GRAIN - 1) / 0.7))
    return single(weights / np.linalg.norm(weights, axis=1, keepdims=True))


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
    """One noise after the other: ``Compose([Neighbours(5), Gaussian(0.1)])``."""

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


def _check_real(noise: object, name: str, value: object, low: float, high: float) -> None:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not (is_number and low <= float(cast(float, value)) <= high and np.isfinite(cast(float, value))):
        wanted = f"a finite number from {low:g} to {high:g}"
        raise ValueError(f"{type(noise).__name__}({name}={value!r}): expected {wanted}")


def _check_count(noise: object, name: str, value: object, least: int = 1) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        wanted = f"an integer of at least {least}"
        raise ValueError(f"{type(noise).__name__}({name}={value!r}): expected {wanted}")
