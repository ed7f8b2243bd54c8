"""Image jitter, a noise for rows that are images: each is moved, turned, scaled and bent a little.

It moves a row along the data, as lecture notes, "Denoising auto-encoders", ask.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Float

from isthmus import registry
from isthmus.networks.layers import single
from isthmus.objectives.corruption import (
    Corruption,
    TrainingRows,
    as_corruption,
    check_count,
    check_real,
)

__all__ = ["ImageJitter"]


@registry.noises
@dataclass(frozen=True)
class ImageJitter:
    """A small random shift, rotation, scaling and elastic deformation of an image in a row.

    Each draw moves, turns, scales and bends the picture by uniform amounts (of the factor, in its
    logarithm). Between pixels it interpolates linearly; beyond the edge it takes the edge's value. The
    defaults leave an 8×8 digit the digit that it is. The map learns to leave out what the noise changes:
    digits that a hand has moved are recognised in it, and of unseen digits as they are it keeps fewer
    neighbours than with white noise of the same size (``benchmarks/noises.py``). Itself a function
    ``(x, key) -> x`` of rows (n, D) and a JAX random key.

    Parameters
    ----------
    shape : (height, width) or (height, width, channels)
        Of the image in a row, D = height · width · channels.
    shift : float, default 1.0
        Largest shift, in pixels, in each direction.
    rotation : float, default 10.0
        Largest angle, in degrees, in each direction.
    zoom : float, default 0.1
        The size changes by a factor of up to 1 + zoom, up or down.
    elastic : float, default 0.5
        Root mean square, in pixels each way, of a smooth random field that displaces every pixel.

    Raises
    ------
    ValueError
        For a shape that is not two or three positive integers, and for negative numbers; in ``fit``,
        where D is not their product.

    References
    ----------
    Simard et al. 2003, "Best practices for convolutional neural networks".

    Examples
    --------
    >>> import isthmus, jax, numpy as np
    >>> jitter = isthmus.noise.ImageJitter((8, 8), shift=0.5)
    >>> jax.eval_shape(jitter, np.zeros((3, 64), np.float32), jax.random.key(0)).shape
    (3, 64)
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
            check_count(self, "shape", size)
        object.__setattr__(self, "shape", tuple(map(int, shape)))
        for name in ("shift", "rotation", "zoom", "elastic"):
            check_real(self, name, getattr(self, name), 0.0, np.inf)

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
