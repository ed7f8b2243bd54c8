"""The paradox of one number: a bottleneck of one node that loses nothing, and is no map.

An image of 64×64 pixels of 16 grey levels is one of 16⁴⁰⁹⁶, so that an integer of 2¹⁴ bits holds it: an
auto-encoder of one node that has learnt nothing (lecture notes, "A paradoxical manner of defining an
auto-encoder"). A double holds 64 bits. What such numbers are worth as a map is measured here by the
neighbours that they keep, against the one-node maps of networks trained with noise.

A truly arbitrary code keeps none beyond chance. Orders of pixels or of bits, even drawn ones, keep a
few: two images that share their leading digits are a little alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import inf, isfinite, isqrt
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike
from sklearn.base import TransformerMixin, clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from isthmus.data.checks import check_integer
from isthmus.data.neighbours import share_in_common
from isthmus.estimators.denoising import DenoisingAutoencoder
from isthmus.laboratories._reports import Report
from isthmus.laboratories.one_number._neighbours import nearest_images, nearest_on_line
from isthmus.laboratories.one_number.animals import animals
from isthmus.laboratories.one_number.coding import ImageCoder, Scrambled, n_leading
from isthmus.laboratories.one_number.orders import (
    BitPlanes,
    Columns,
    Hilbert,
    Morton,
    Order,
    RandomBits,
    RandomPixels,
    Raster,
)
from isthmus.variational.estimator import VariationalAutoencoder

RASTER, RANDOM_BITS, ARBITRARY = "raster code", "random order of bits", "arbitrary code"
PRINCIPAL, DENOISING, VARIATIONAL = "first principal component", "denoising node", "variational node"

N_ANIMALS = 500
"""Number of animals in the default run: enough for an error bar, few enough for seconds."""


class Code(Protocol):
    """Images to integers and back, exactly."""

    def encode(self, images: ArrayLike) -> list[int]: ...

    def decode(self, codes: list[int]) -> Int[np.ndarray, "n ..."]: ...


class Overlap(NamedTuple):
    """The share of the k nearest images that one line keeps as the k nearest numbers.

    ``seed`` distinguishes draws of the same kind of code. ``chance`` is k/(n − 1). ``standard_error`` is
    that of the mean over images, √2 of what independent ones would have: a pair is counted from either
    end.
    """

    data: str
    line: str
    seed: int
    n_images: int
    k: int
    overlap: float
    standard_error: float
    chance: float


class Mean(NamedTuple):
    """The mean over the draws of a kind of line, and its standard error; of one draw, its own."""

    overlap: float
    standard_error: float


@dataclass(frozen=True, repr=False)
class OneNumber(Report):
    """The result for one set of images: the code, what a double keeps of it, and every line as a map.

    Attributes
    ----------
    data : str
        Name of the images.
    images : array (n, ...)
        Integers 0 … levels − 1.
    levels : int
        Grey levels.
    n_bits : int
        Bits of the largest code.
    n_exact : int
        Images that every code gave back.
    kept, blank : array (n,)
        Leading pixels of the raster code that come back from one double, and those of level 0.
    doubled : array (n, ...)
        What comes back.
    overlaps : tuple of Overlap
        The records: one per line and draw.
    neighbours : mapping of str to array (n, k)
        The k nearest of each image by each line, by a drawn code those of its first draw.
    nearest : array (n, k)
        Those by Euclidean distance.
    models : tuple of str
        Names of the fitted lines.

    Examples
    --------
    >>> import isthmus, numpy as np
    >>> images = np.arange(80).reshape(20, 2, 2) % 16
    >>> linear = {"line": isthmus.LinearAutoencoder(1)}
    >>> found = isthmus.experiments.one_number(images, k=3, models=linear, n_draws=1)
    >>> found.n_bits, found.n_exact, round(found.chance, 4)  # 4 · 4 bits, all images, 3/19
    (16, 20, 0.1579)
    """

    data: str
    images: Int[np.ndarray, "n ..."]
    levels: int
    n_bits: int
    n_exact: int
    kept: Int[np.ndarray, " n"]
    blank: Int[np.ndarray, " n"]
    doubled: Int[np.ndarray, "n ..."]
    overlaps: tuple[Overlap, ...]
    neighbours: Mapping[str, Int[np.ndarray, "n k"]]
    nearest: Int[np.ndarray, "n k"]
    models: tuple[str, ...]

    @property
    def records(self) -> tuple[Overlap, ...]:
        """One row per line and draw, for a table."""
        return self.overlaps

    @property
    def verdict(self) -> str:
        """Two lines in words."""
        return f"{_of_code(self)}.\n{_of_map(self)}."

    @cached_property
    def means(self) -> dict[str, Mean]:
        """The overlap of each kind of line, with the error over draws where there are several."""
        return {line: _mean_of_draws(self.overlaps, line) for line in self.neighbours}

    @property
    def chance(self) -> float:
        """Expected overlap of a random order, k/(n − 1)."""
        return self.overlaps[0].chance

    def gain(self, line: str = DENOISING) -> float:
        """How many times the raster code's neighbours a line keeps.

        Infinite where the raster code keeps none, and 1 where the line keeps none either.

        Parameters
        ----------
        line : str, default "denoising node"
            Name of the line, a key of ``neighbours``.

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> images = np.arange(80).reshape(20, 2, 2) % 16
        >>> linear = {"line": isthmus.LinearAutoencoder(1)}
        >>> found = isthmus.experiments.one_number(images, k=3, models=linear, n_draws=1)
        >>> found.gain("raster code")
        1.0
        """
        own, of_raster = self.means[line].overlap, self.means[RASTER].overlap
        if not of_raster:
            return inf if own else 1.0
        return own / of_raster


def one_number(
    images: ArrayLike,
    *,
    levels: int = 16,
    data: str = "images",
    k: int = 10,
    n_draws: int = 5,
    models: Mapping[str, TransformerMixin] | None = None,
    random_state: int = 0,
) -> OneNumber:
    """Code images by one integer each, force it into a double, and measure it as a map of the images.

    Parameters
    ----------
    images : array (n, ...)
        Integers 0 … levels − 1, such as (n, height, width); n > k.
    levels : int, default 16
        Grey levels.
    data : str, default "images"
        Their name in the records.
    k : int, default 10
        Neighbours that are compared.
    n_draws : int, default 5
        Draws of each random code. Their scatter is its error bar.
    models : dict of str to estimator or None, default None
        Maps to one coordinate that are fitted to the same images. None: the first principal component,
        and a denoising and a variational auto-encoder with layers of 128 and 64 units, whose fits take
        seconds and win most of what larger ones do.
    random_state : int, default 0
        For models and drawn codes.

    Returns
    -------
    OneNumber
        Its ``overlaps`` are the records.

    Raises
    ------
    ValueError
        If pixels are no integers of the range, or there are not more than k images.

    Examples
    --------
    >>> import isthmus
    >>> from isthmus.laboratories.one_number.animals import animals
    >>> from isthmus.laboratories.one_number.run import one_number
    >>> linear = {"first principal component": isthmus.LinearAutoencoder(1)}
    >>> found = one_number(animals(60).images, models=linear, n_draws=2)
    >>> found.n_bits, found.n_exact
    (16384, 60)
    """
    images = np.asarray(images)
    check_integer("k", k, 1)
    check_integer("n_draws", n_draws, 1)
    if images.ndim < 2 or len(images) <= k:
        raise ValueError(
            f"images of shape {images.shape} came; expected more than k={k} of them, (n, ...)"
        )
    coder = ImageCoder(images.shape[1:], levels)
    blank = n_leading(coder.digits(images) == 0)
    images = images.astype(np.int64)
    rows = images.reshape(len(images), -1).astype(np.float64)
    nearest = nearest_images(rows, k)
    exact, overlaps = np.ones(len(images), bool), []
    neighbours: dict[str, Int[np.ndarray, "n k"]] = {}
    for line, seed, code in _codes(coder, n_draws, random_state):
        numbers = code.encode(images)
        exact &= _same(code.decode(numbers), images)
        on_line = nearest_on_line(numbers, k)
        neighbours.setdefault(line, on_line)
        overlaps.append(_overlap(data, line, seed, on_line, nearest))
    models = default_models() if models is None else models
    for line, model in models.items():
        neighbours[line] = nearest_on_line(_fitted(model, rows, random_state), k)
        overlaps.append(_overlap(data, line, random_state, neighbours[line], nearest))
    kept = coder.kept_by_double(images)
    doubled = coder.decode(coder.through_double(coder.encode(images)))
    return OneNumber(
        *(data, images, levels, coder.n_bits, int(exact.sum()), kept, blank, doubled),
        *(tuple(overlaps), neighbours, nearest, tuple(models)),
    )


def default_models() -> dict[str, TransformerMixin]:
    """The maps to one coordinate that codes are compared with."""
    return {
        PRINCIPAL: PCA(1, svd_solver="full"),
        DENOISING: DenoisingAutoencoder(1, widths=(128, 64)),
        VARIATIONAL: VariationalAutoencoder(1, widths=(128, 64)),
    }


@dataclass(frozen=True, repr=False)
class OneNumberReport(Report):
    """The result of the laboratory for each set of images."""

    found: tuple[OneNumber, ...]

    @property
    def records(self) -> tuple[Overlap, ...]:
        """One row per line and draw, for a table."""
        return tuple(overlap for one in self.found for overlap in one.overlaps)

    @property
    def verdict(self) -> str:
        """Two lines in words."""
        return "\n".join("; ".join(map(line, self.found)) + "." for line in (_of_code, _of_map))


def run(
    images: ArrayLike | None = None,
    *,
    levels: int = 16,
    data: str = "images",
    n_draws: int = 5,
    random_state: int = 0,
) -> OneNumberReport:
    """The paradox on ``images`` (n, ...), or on scikit-learn's digits and on 500 drawn animals.

    Flat rows, (n, D), are taken as square images where D is a square. Other parameters and errors as of
    ``one_number``.
    """
    of_images = partial(one_number, n_draws=n_draws, random_state=random_state)
    if images is not None:
        return OneNumberReport((of_images(_squares(images), levels=levels, data=data),))
    digits = of_images(load_digits().images, levels=17, data="digits")
    drawn = animals(N_ANIMALS, random_state=random_state).images
    return OneNumberReport((digits, of_images(drawn, data="animals")))


def _codes(coder: ImageCoder, n_draws: int, random_state: int) -> Iterator[tuple[str, int, Code]]:
    """Every code of the same images: its name, its draw, itself."""
    orders: dict[str, Order] = {RASTER: Raster(), "bit planes": BitPlanes()}
    if len(coder.shape) == 2:
        orders |= {"column code": Columns(), "Hilbert code": Hilbert(), "Morton code": Morton()}
    for line, order in orders.items():
        yield line, random_state, replace(coder, order=order)
    for seed in range(random_state, random_state + n_draws):
        yield "random order of pixels", seed, replace(coder, order=RandomPixels(seed))
        yield RANDOM_BITS, seed, replace(coder, order=RandomBits(seed))
        yield ARBITRARY, seed, Scrambled(coder, seed)


def _fitted(model: TransformerMixin, rows: Float[np.ndarray, "n D"], random_state: int) -> list[float]:
    """The coordinate of each row by a fitted copy of the model."""
    copy = clone(model)
    if "random_state" in copy.get_params():
        copy.set_params(random_state=random_state)
    coordinates: list[float] = copy.fit_transform(rows)[:, 0].tolist()
    return coordinates


def _overlap(
    data: str, line: str, seed: int, on_line: Int[np.ndarray, "n k"], nearest: Int[np.ndarray, "n k"]
) -> Overlap:
    n, k = nearest.shape
    shares = share_in_common(on_line, nearest)
    error = np.sqrt(2 / n) * np.std(shares, ddof=1)
    return Overlap(data, line, seed, n, k, float(shares.mean()), float(error), k / (n - 1))


def _mean_of_draws(overlaps: tuple[Overlap, ...], line: str) -> Mean:
    draws = [overlap for overlap in overlaps if overlap.line == line]
    if len(draws) == 1:
        return Mean(draws[0].overlap, draws[0].standard_error)
    values = [draw.overlap for draw in draws]
    return Mean(float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values))))


def _same(ours: Int[np.ndarray, "n ..."], theirs: Int[np.ndarray, "n ..."]) -> Bool[np.ndarray, " n"]:
    """Which images agree in every pixel."""
    return np.asarray((ours == theirs).reshape(len(ours), -1).all(axis=1))


def _squares(images: ArrayLike) -> np.ndarray:
    rows = np.asarray(images)
    if rows.ndim != 2 or (side := isqrt(rows.shape[1])) ** 2 != rows.shape[1]:
        return rows
    return rows.reshape(-1, side, side)


def _of_code(one: OneNumber) -> str:
    shape = "×".join(map(str, one.images.shape[1:]))
    n, n_pixels = len(one.images), one.images[0].size
    return (
        f"{one.data}, {shape} pixels of {one.levels} levels: one integer of {one.n_bits:,} bits holds "
        f"an image ({one.n_exact:,} of {n:,} came back exactly); one double keeps "
        f"{np.median(one.kept - one.blank):.0f} of {n_pixels:,} pixels after the "
        f"{np.median(one.blank):.0f} blank ones at the front"
    )


def _of_map(one: OneNumber) -> str:
    raster, arbitrary = one.means[RASTER], one.means[ARBITRARY]
    maps = "".join(f", the {name} {one.means[name].overlap:.1%}" for name in one.models)
    best = max(map(one.gain, one.models), default=1.0)
    times = f", at best {best:.1f} times the raster code" if isfinite(best) else ""
    return (
        f"{one.data}: of an image's {one.nearest.shape[1]} nearest, an arbitrary code keeps "
        f"{arbitrary.overlap:.1%} (chance {one.chance:.1%}), the raster code {raster.overlap:.1%}{maps}"
        f"{times}"
    )
