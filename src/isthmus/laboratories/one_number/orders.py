"""Orders: which digit of an image's number comes first, and so which images are close on the line.

Digits are pixels, in an order of reading, along a curve or drawn at random; or the bits of all pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar, Protocol

import numpy as np
from jaxtyping import Int


class Order(Protocol):
    """Which digit of the number comes first: the most significant one."""

    @property
    def of_bits(self) -> bool:
        """Whether digits are bits, and not pixels."""

    def places(self, shape: tuple[int, ...], n_planes: int) -> Int[np.ndarray, " m"]:
        """The number of each digit at its place: a permutation of (P,), or of (P · n_planes,) bits.

        Pixels are numbered in raster order, and bit j of pixel i, counted from the most significant, is
        number i · n_planes + j.

        Parameters
        ----------
        shape : tuple of int
            Of an image of P pixels.
        n_planes : int
            Bits of a pixel.

        Examples
        --------
        >>> from isthmus.experiments import Columns
        >>> Columns().places((2, 2), n_planes=4).tolist()
        [0, 2, 1, 3]
        """


@dataclass(frozen=True)
class Raster:
    """Pixels as one reads: line by line from the top left.

    Examples
    --------
    >>> from isthmus.experiments import Raster
    >>> Raster().places((2, 3), n_planes=4).tolist()
    [0, 1, 2, 3, 4, 5]
    """

    of_bits: ClassVar[bool] = False

    def places(self, shape: tuple[int, ...], n_planes: int) -> Int[np.ndarray, " m"]:
        return np.arange(prod(shape))


@dataclass(frozen=True)
class Columns:
    """Pixels column by column from the top left.

    Examples
    --------
    >>> from isthmus.experiments import Columns
    >>> Columns().places((2, 3), n_planes=4).tolist()  # of [[0, 1, 2], [3, 4, 5]]
    [0, 3, 1, 4, 2, 5]
    """

    of_bits: ClassVar[bool] = False

    def places(self, shape: tuple[int, ...], n_planes: int) -> Int[np.ndarray, " m"]:
        return np.arange(prod(shape)).reshape(shape).T.ravel()


@dataclass(frozen=True)
class Morton:
    """Pixels along the Z-shaped curve that fills the square: bits of the indices, interleaved.

    References
    ----------
    Morton 1966, "A computer oriented geodetic data base and a new technique in file sequencing", IBM.

    Examples
    --------
    >>> from isthmus.experiments import Morton
    >>> Morton().places((4, 4), n_planes=4)[:8].tolist()  # two Z, one beside the other
    [0, 1, 4, 5, 2, 3, 6, 7]
    """

    of_bits: ClassVar[bool] = False

    def places(self, shape: tuple[int, ...], n_planes: int) -> Int[np.ndarray, " m"]:
        indices = np.indices(shape).reshape(len(shape), -1)
        bits = to_bits(indices, _depth(shape))  # (axes, pixels, depth)
        along = from_bits(bits.transpose(1, 2, 0).reshape(indices.shape[1], -1))
        return np.argsort(along, kind="stable")


@dataclass(frozen=True)
class Hilbert:
    """Pixels along Hilbert's curve, each next to the one before it; of two-dimensional images.

    Where the sides are no equal powers of two, along the curve that fills the square around them.

    References
    ----------
    Hilbert 1891, "Über die stetige Abbildung einer Linie auf ein Flächenstück", Math. Annalen 38:459.

    Examples
    --------
    >>> from isthmus.experiments import Hilbert
    >>> Hilbert().places((2, 2), n_planes=4).tolist()  # around the square, not across it
    [0, 2, 3, 1]
    """

    of_bits: ClassVar[bool] = False

    def places(self, shape: tuple[int, ...], n_planes: int) -> Int[np.ndarray, " m"]:
        """The number of each pixel, in raster order, at its place in the code: (P,).

        Parameters
        ----------
        shape : (int, int)
            Of an image.
        n_planes : int
            Bits of a pixel, on which the order of pixels does not depend.

        Raises
        ------
        ValueError
            For images with another number of axes than two.

        Examples
        --------
        Neighbours along the curve are neighbours in the image:

        >>> import numpy as np
        >>> from isthmus.experiments import Hilbert
        >>> y, x = np.divmod(Hilbert().places((8, 8), n_planes=4), 8)
        >>> bool((abs(np.diff(y)) + abs(np.diff(x)) == 1).all())
        True
        """
        if len(shape) != 2:
            raise ValueError(
                f"Hilbert(): expected images with two axes, got shape={shape}; use Morton()"
            )
        y, x = np.indices(shape).reshape(2, -1)
        along = np.zeros_like(x)
        for side in 2 ** np.arange(_depth(shape))[::-1]:
            right, down = (x & side) > 0, (y & side) > 0
            along += side * side * ((3 * right) ^ down)
            # Each quarter of the curve is the whole, turned so that its ends meet those of the next.
            mirrored = right & ~down
            x, y = np.where(mirrored, side - 1 - x, x), np.where(mirrored, side - 1 - y, y)
            x, y = np.where(down, x, y) & (side - 1), np.where(down, y, x) & (side - 1)
        return np.argsort(along, kind="stable")


@dataclass(frozen=True)
class RandomPixels:
    """Pixels in an order drawn at random.

    Parameters
    ----------
    seed : int, default 0
        The same number gives the same order.

    Examples
    --------
    >>> from isthmus.experiments import RandomPixels
    >>> sorted(RandomPixels(seed=3).places((2, 2), n_planes=4).tolist())
    [0, 1, 2, 3]
    """

    seed: int = 0
    of_bits: ClassVar[bool] = False

    def places(self, shape: tuple[int, ...], n_planes: int) -> Int[np.ndarray, " m"]:
        return np.random.default_rng(self.seed).permutation(prod(shape))


@dataclass(frozen=True)
class BitPlanes:
    """The most significant bit of every pixel, then the next bit of every pixel, and so on.

    Examples
    --------
    Two pixels of two bits each, 0 and 1, 2 and 3:

    >>> from isthmus.experiments import BitPlanes
    >>> BitPlanes().places((1, 2), n_planes=2).tolist()
    [0, 2, 1, 3]
    """

    of_bits: ClassVar[bool] = True

    def places(self, shape: tuple[int, ...], n_planes: int) -> Int[np.ndarray, " m"]:
        return np.arange(prod(shape) * n_planes).reshape(-1, n_planes).T.ravel()


@dataclass(frozen=True)
class RandomBits:
    """All bits of all pixels in an order drawn at random.

    Parameters
    ----------
    seed : int, default 0
        The same number gives the same order.

    Examples
    --------
    >>> from isthmus.experiments import RandomBits
    >>> sorted(RandomBits(seed=3).places((1, 2), n_planes=2).tolist())
    [0, 1, 2, 3]
    """

    seed: int = 0
    of_bits: ClassVar[bool] = True

    def places(self, shape: tuple[int, ...], n_planes: int) -> Int[np.ndarray, " m"]:
        return np.random.default_rng(self.seed).permutation(prod(shape) * n_planes)


def _depth(shape: tuple[int, ...]) -> int:
    """Bits that an index along the longest side takes."""
    return (max(shape) - 1).bit_length()


def to_bits(values: Int[np.ndarray, "a b"], n: int) -> Int[np.ndarray, "a b n"]:
    """The last n bits, the most significant first."""
    return np.asarray(values[..., None] >> np.arange(n)[::-1] & 1)


def from_bits(bits: Int[np.ndarray, "*a n"]) -> Int[np.ndarray, "*a"]:
    values: np.ndarray = bits @ (1 << np.arange(bits.shape[-1])[::-1])
    return values
