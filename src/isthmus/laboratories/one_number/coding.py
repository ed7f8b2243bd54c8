"""Image ↔ one integer, without loss: pixels, or their bits, are the digits of a number.

An image of P pixels with L levels is one of L^P, so that an integer of ⌈P log₂ L⌉ bits holds it: 2¹⁴
bits for 64×64 pixels of 16 levels (lecture notes, "paradoxical manner of defining an A.E.", where 2¹⁶ is
a slip). An *order* says which digit comes first; ``orders.py`` has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import gcd, prod

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import ArrayLike

from isthmus.data.checks import check_integer
from isthmus.laboratories.one_number.orders import Order, Raster, from_bits, to_bits

WORD = 2**62
"""Upper bound of the words that digits are gathered into, so that long integers take few steps."""


@dataclass(frozen=True)
class ImageCoder:
    """An exact code of images by one integer each.

    Parameters
    ----------
    shape : tuple of int
        Of one image, any number of axes.
    levels : int, default 16
        Grey levels L: pixels are the integers 0 … L − 1. Any number ≥ 2; 16 levels take 4 bits.
    order : order, default Raster()
        ``Raster``, ``Columns``, ``Hilbert``, ``Morton``, ``RandomPixels``, whose digits are pixels, in
        base L; ``BitPlanes`` or ``RandomBits``, whose digits are the ⌈log₂ L⌉ bits of each pixel.

    Raises
    ------
    ValueError
        If a side, or the number of levels, is too small.

    Examples
    --------
    >>> from isthmus.experiments import ImageCoder
    >>> import numpy as np
    >>> coder = ImageCoder((2, 2), levels=16)
    >>> [hex(code) for code in coder.encode(np.array([[[1, 2], [3, 15]]]))]
    ['0x123f']
    >>> coder.decode([0x123F]).tolist()
    [[[1, 2], [3, 15]]]
    >>> ImageCoder((64, 64), levels=16).n_bits == 2**14
    True
    """

    shape: tuple[int, ...]
    levels: int = 16
    order: Order = Raster()

    def __post_init__(self) -> None:
        check_integer("levels", self.levels, 2)
        if not self.shape:
            raise ValueError("shape=(): expected the sides of an image, such as (64, 64)")
        for side in self.shape:
            check_integer("shape", side, 1, "It holds the sides of an image, such as (64, 64)")

    @cached_property
    def n_planes(self) -> int:
        """Bits of one pixel, ⌈log₂ L⌉."""
        return int(self.levels - 1).bit_length()

    @property
    def base(self) -> int:
        """How many values a digit has: L for pixels, 2 for bits."""
        return 2 if self.order.of_bits else int(self.levels)

    @cached_property
    def places(self) -> Int[np.ndarray, " m"]:
        """Which pixel or bit each digit is, from the most significant."""
        return self.order.places(self.shape, self.n_planes)

    @cached_property
    def n_codes(self) -> int:
        """How many integers there are, base^m: a code is below it."""
        return int(self.base ** len(self.places))

    @cached_property
    def n_bits(self) -> int:
        """Bits that the largest code takes."""
        return (self.n_codes - 1).bit_length()

    def encode(self, images: ArrayLike) -> list[int]:
        """Images → integers, one each: (n, ...) → n.

        Parameters
        ----------
        images : array-like (n, ...) or (n, P)
            Integers 0 … L − 1.

        Raises
        ------
        ValueError
            If the shape does not fit, or a pixel is none of the levels.

        Examples
        --------
        >>> from isthmus.experiments import ImageCoder
        >>> ImageCoder((1, 2), levels=10).encode([[3, 7]])  # 3 · 10 + 7
        [37]
        """
        words = _words(self.digits(images), self.base)
        step, codes = self.base ** _word_length(self.base), []
        for row in words.tolist():
            code = 0
            for word in row:
                code = code * step + word
            codes.append(code)
        return codes

    def decode(self, codes: Sequence[int]) -> Int[np.ndarray, "n ..."]:
        """n integers → images (n, ...), each of ``shape``.

        Parameters
        ----------
        codes : sequence of int
            As ``encode`` gives them.

        Raises
        ------
        ValueError
            For an integer that is no image's code.

        Examples
        --------
        >>> from isthmus.experiments import ImageCoder
        >>> ImageCoder((1, 2), levels=10).decode([37]).tolist()
        [[[3, 7]]]
        """
        length = _word_length(self.base)
        n_words = -(-len(self.places) // length)
        step = self.base**length
        words = np.empty((len(codes), n_words), np.int64)
        for row, code in zip(words, codes, strict=True):
            if not 0 <= code < self.n_codes:
                raise ValueError(
                    f"a code of {int(code).bit_length()} bits came; expected integers from 0 up to "
                    f"{self.base}^{len(self.places)} − 1, of {self.n_bits} bits"
                )
            for place in range(n_words)[::-1]:
                code, row[place] = divmod(code, step)
        powers = self.base ** np.arange(length)[::-1]
        digits = (words[:, :, None] // powers % self.base).reshape(len(codes), -1)
        return self._images(digits[:, digits.shape[1] - len(self.places) :])

    def digits(self, images: ArrayLike) -> Int[np.ndarray, "n m"]:
        """The digits of each image's code, the most significant first: (n, ...) → (n, m).

        Parameters
        ----------
        images : array-like (n, ...) or (n, P)
            Integers 0 … L − 1. Raises what ``encode`` raises.

        Examples
        --------
        >>> from isthmus.experiments import BitPlanes, ImageCoder
        >>> ImageCoder((1, 2), levels=4, order=BitPlanes()).digits([[2, 1]]).tolist()  # of 10 and 01
        [[1, 0, 0, 1]]
        """
        pixels = _pixels(images, self.shape, self.levels)
        if self.order.of_bits:
            pixels = to_bits(pixels, self.n_planes).reshape(len(pixels), -1)
        return pixels[:, self.places]

    def through_double(self, codes: Sequence[int]) -> list[int]:
        """What is left of codes after one double each: code / base^m, rounded to the nearest double.

        As a whole number most codes would exceed the largest double, 2¹⁰²⁴; as a fraction the leading
        53 bits after any zeros stay, and below 2⁻¹⁰⁷⁴ nothing does.

        Parameters
        ----------
        codes : sequence of int
            As ``encode`` gives them.

        Examples
        --------
        >>> from isthmus.experiments import ImageCoder
        >>> coder = ImageCoder((1, 20), levels=16)  # 80 bits
        >>> coder.through_double([2**79, 2**79 + 1]) == [2**79, 2**79]
        True
        """
        # Python's quotient of two integers is the nearest double to the exact one.
        kept = [int(Fraction(code / self.n_codes) * self.n_codes) for code in codes]
        return [min(code, self.n_codes - 1) for code in kept]

    def kept_by_double(self, images: ArrayLike) -> Int[np.ndarray, " n"]:
        """How many leading digits of each code come back from one double unchanged: (n, ...) → (n,).

        Digits are pixels, or bits where the order is one of bits. Zeros at the front count, although
        they take no room in a double.

        Parameters
        ----------
        images : array-like (n, ...) or (n, P)
            Integers 0 … L − 1. Raises what ``encode`` raises.

        Examples
        --------
        >>> import numpy as np
        >>> from isthmus.experiments import ImageCoder
        >>> coder = ImageCoder((1, 20), levels=16)
        >>> coder.kept_by_double(np.full((1, 20), 9)).tolist()  # 53 bits are 13 pixels of 4
        [13]
        """
        digits = self.digits(images)
        codes = self.through_double(self.encode(images))
        # Read as digits: bits that a double has spoilt may spell a level that there is not.
        return n_leading(ImageCoder((len(self.places),), self.base).decode(codes) == digits)

    def _images(self, digits: Int[np.ndarray, "n m"]) -> Int[np.ndarray, "n ..."]:
        pixels = np.empty_like(digits)
        pixels[:, self.places] = digits
        if self.order.of_bits:
            pixels = from_bits(pixels.reshape(len(digits), -1, self.n_planes))
            if pixels.size and (highest := pixels.max()) >= self.levels:
                raise ValueError(f"a code holds a pixel of level {highest}; levels={self.levels}")
        return pixels.reshape(-1, *self.shape)


@dataclass(frozen=True)
class Scrambled:
    """An arbitrary code, as exact as another one: each integer times a drawn factor, modulo base^m.

    A factor without a common divisor with the base permutes all codes, and every digit of the product
    depends on all less significant ones. An order of bits, even a drawn one, does not mix bits: images
    that are alike share the leading ones.

    Parameters
    ----------
    coder : ImageCoder
        The code that is scrambled.
    seed : int, default 0
        The same number gives the same factor.

    Examples
    --------
    >>> from isthmus.experiments import ImageCoder, Scrambled
    >>> code = Scrambled(ImageCoder((1, 2), levels=16))
    >>> [code.decode([number]).ravel().tolist() for number in code.encode([[3, 15]])]
    [[3, 15]]
    """

    coder: ImageCoder
    seed: int = 0

    @cached_property
    def factor(self) -> int:
        """Drawn from all numbers without a common divisor with the base."""
        rng = np.random.default_rng(self.seed)
        while True:
            drawn = int.from_bytes(rng.bytes(-(-self.coder.n_bits // 8)), "big") % self.coder.n_codes
            if gcd(drawn, self.coder.base) == 1:
                return drawn

    def encode(self, images: ArrayLike) -> list[int]:
        """Images → integers, one each, as ``ImageCoder.encode``: (n, ...) → n.

        Parameters
        ----------
        images : array-like (n, ...) or (n, P)
            Integers 0 … L − 1.

        Examples
        --------
        >>> from isthmus.experiments import ImageCoder, Scrambled
        >>> code = Scrambled(ImageCoder((1, 2), levels=10))
        >>> code.encode([[3, 7]]) == [37 * code.factor % 100]
        True
        """
        return [code * self.factor % self.coder.n_codes for code in self.coder.encode(images)]

    def decode(self, codes: Sequence[int]) -> Int[np.ndarray, "n ..."]:
        """n integers → images (n, ...), as ``ImageCoder.decode``.

        Parameters
        ----------
        codes : sequence of int
            As ``encode`` gives them.

        Examples
        --------
        >>> from isthmus.experiments import ImageCoder, Scrambled
        >>> code = Scrambled(ImageCoder((1, 2), levels=10))
        >>> code.decode([37 * code.factor % 100]).tolist()
        [[[3, 7]]]
        """
        inverse = pow(self.factor, -1, self.coder.n_codes)
        return self.coder.decode([code * inverse % self.coder.n_codes for code in codes])


def n_leading(right: Bool[np.ndarray, "n m"]) -> Int[np.ndarray, " n"]:
    """How many entries are true before the first that is not."""
    return np.asarray(np.where(right.all(axis=1), right.shape[1], right.argmin(axis=1)))


def _pixels(images: ArrayLike, shape: tuple[int, ...], levels: int) -> Int[np.ndarray, "n P"]:
    array = np.asarray(images)
    if array.shape[1:] not in (tuple(shape), (prod(shape),)):
        raise ValueError(
            f"images of shape {array.shape} came; expected (n, {', '.join(map(str, shape))}) or "
            f"(n, {prod(shape)})"
        )
    flat = array.reshape(len(array), -1)
    if flat.size and not np.all((flat >= 0) & (flat < levels) & (flat == np.floor(flat))):
        raise ValueError(
            f"pixels run from {flat.min():g} to {flat.max():g}; expected integers from 0 to "
            f"levels − 1 = {levels - 1}: scale and round them"
        )
    return flat.astype(np.int64)


def _word_length(base: int) -> int:
    """The most digits that make a number below ``WORD``."""
    length = 1
    while base ** (length + 1) <= WORD:
        length += 1
    return length


def _words(digits: Int[np.ndarray, "n m"], base: int) -> Int[np.ndarray, "n w"]:
    """Digits gathered into words, the first filled up with zeros at its front."""
    length = _word_length(base)
    filled = np.pad(digits, ((0, 0), (-digits.shape[1] % length, 0)))
    words: np.ndarray = filled.reshape(len(digits), -1, length) @ base ** np.arange(length)[::-1]
    return words
