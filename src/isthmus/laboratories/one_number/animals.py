"""Drawn animals: grey silhouettes whose sizes, build and pose vary, of a few species.

The images of the lecture notes' paradox, "pics of 100 different animals doing different stuff" on 64×64
pixels of 16 grey levels, without a download: each animal is ten tapered strokes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from isthmus.data.checks import check_integer

Point = tuple[float, float]

GROUND, MIDDLE = 0.93, 0.5
"""Height of the feet and centre of the animals, as shares of the height and width of an image."""

LIMITS = (0.04, 0.96)
"""Bounds of the animals, as shares of the width."""

INDIVIDUAL = 0.1
"""Standard deviation, on a log scale, of each length of an animal about its species'."""

SHADE_BEHIND = 0.6
"""Darkness of the legs of the far side, as a share of that of the near side."""


@dataclass(frozen=True)
class Species:
    """The build of an animal that ``isthmus.experiments.animals`` draws.

    Parameters
    ----------
    name : str
    body, depth, legs, limb, neck, head, muzzle, ear, tail : float
        Lengths, and radii of body, limbs and muzzle, as shares of the image's height.
    neck_lift, tail_lift : float
        Angles in radians above the horizontal.
    coat : float
        Darkness, 0 … 1.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from isthmus.experiments import ANIMALS, animals
    >>> cat = ANIMALS[0]
    >>> cat.name, cat.legs
    ('cat', 0.2)
    >>> animals(4, species=[replace(cat, name="kitten", legs=0.1)], side=16).species[0]
    np.str_('kitten')
    """

    name: str
    body: float
    depth: float
    legs: float
    limb: float
    neck: float
    neck_lift: float
    head: float
    muzzle: float
    ear: float
    tail: float
    tail_lift: float
    coat: float


CAT = Species("cat", 0.36, 0.095, 0.2, 0.026, 0.09, 0.7, 0.07, 0.05, 0.085, 0.36, 0.9, 0.95)
DONKEY = Species("donkey", 0.38, 0.1, 0.33, 0.024, 0.21, 0.95, 0.17, 0.045, 0.14, 0.22, -1.15, 0.65)
GIRAFFE = Species("giraffe", 0.26, 0.08, 0.36, 0.02, 0.36, 1.2, 0.1, 0.03, 0.05, 0.16, -1.3, 0.8)

ANIMALS = (CAT, DONKEY, GIRAFFE)
"""The species that are drawn by default."""


class Stroke(NamedTuple):
    """A line from one point (x, y) to another, of a radius at each end, and how dark it is, 0 … 1."""

    start: Point
    end: Point
    thick: float
    thin: float
    shade: float


class Menagerie(NamedTuple):
    """Grey levels of the images, white 0, and which species each one is."""

    images: Int[np.ndarray, "n side side"]
    species: np.ndarray


def animals(
    n: int,
    *,
    species: Sequence[Species] = ANIMALS,
    side: int = 64,
    levels: int = 16,
    random_state: int = 0,
) -> Menagerie:
    """n images (n, side, side) of animals that walk to the right, grey levels 0 … levels − 1.

    Species take turns. Each animal has lengths of its own, within about a tenth of its species', a step,
    and a bearing of head and tail; all stand in the middle of the same ground.

    Parameters
    ----------
    n : int
        Images.
    species : sequence of Species, default ANIMALS
        A cat, a donkey and a giraffe.
    side, levels : int, default 64 and 16
        Pixels across, and grey levels.
    random_state : int, default 0
        The same number gives the same animals.

    Raises
    ------
    ValueError
        If n or ``side`` is below 1, ``levels`` below 2, or no species came.

    Examples
    --------
    >>> from isthmus.experiments import animals
    >>> images, species = animals(6)
    >>> images.shape, int(images.max()), species[:3].tolist()
    ((6, 64, 64), 15, ['cat', 'donkey', 'giraffe'])
    """
    check_integer("n", n, 1)
    check_integer("side", side, 1)
    check_integer("levels", levels, 2)
    if not species:
        raise ValueError("species=(): expected at least one, such as isthmus.experiments.ANIMALS")
    rng = np.random.default_rng(random_state)
    kinds = [species[index % len(species)] for index in range(n)]
    shades = np.stack([_render(_centred(_strokes(_individual(kind, rng), rng)), side) for kind in kinds])
    images = np.rint((levels - 1) * shades).astype(np.int64)
    return Menagerie(images, np.array([kind.name for kind in kinds]))


def _individual(kind: Species, rng: np.random.Generator) -> Species:
    """One of a species: its own lengths, and its own bearing of neck and tail."""
    size = np.exp(INDIVIDUAL * _mild(rng))
    lengths = [
        field.name
        for field in fields(kind)
        if field.name not in ("name", "neck_lift", "tail_lift", "coat")
    ]
    changes = {name: getattr(kind, name) * size * np.exp(INDIVIDUAL * _mild(rng)) for name in lengths}
    return replace(
        kind,
        **changes,
        neck_lift=kind.neck_lift + 0.2 * _mild(rng),
        tail_lift=kind.tail_lift + 0.3 * _mild(rng),
        coat=min(1.0, kind.coat * np.exp(0.05 * _mild(rng))),
    )


def _mild(rng: np.random.Generator) -> float:
    """A standard normal number, but never beyond 2."""
    return float(np.clip(rng.standard_normal(), -2.0, 2.0))


def _strokes(own: Species, rng: np.random.Generator) -> list[Stroke]:
    """Body, four legs in step, neck, head, two ears and a tail."""
    back = GROUND - own.legs - own.depth / 2
    hip, shoulder = (MIDDLE - own.body / 2, back), (MIDDLE + own.body / 2, back)
    legs = _legs(own, hip, shoulder, 0.3 * _mild(rng))
    withers = (shoulder[0], back - 0.3 * own.depth)
    crown = _towards(withers, own.neck, own.neck_lift)
    drop = -0.45 + 0.25 * _mild(rng)
    nose = _towards(crown, own.head, drop)
    ears = [
        Stroke(crown, _towards(crown, own.ear, lift), 0.5 * own.muzzle, 0.2 * own.muzzle, own.coat)
        for lift in (1.3, 2.0)
    ]
    rump = (hip[0] - 0.5 * own.depth, back - 0.3 * own.depth)
    tip = _towards(rump, own.tail, np.pi - own.tail_lift)
    return [
        *legs,
        Stroke(hip, shoulder, own.depth, own.depth, own.coat),
        Stroke(withers, crown, 0.7 * own.depth, 1.1 * own.muzzle, own.coat),
        Stroke(crown, nose, 1.1 * own.muzzle, 0.75 * own.muzzle, own.coat),
        *ears,
        Stroke(rump, tip, 0.9 * own.limb, 0.6 * own.limb, own.coat),
    ]


def _legs(own: Species, hip: Point, shoulder: Point, swing: float) -> list[Stroke]:
    """Those that are opposite across the body swing together; the far ones are drawn paler."""
    length = own.legs + own.depth / 2
    strokes = []
    for side, shade in ((-1, SHADE_BEHIND * own.coat), (1, own.coat)):
        for end, (x, y) in ((1, hip), (-1, shoulder)):
            angle = side * end * swing + 0.04 * side
            foot = (x + length * np.sin(angle), y + length * np.cos(angle))
            strokes.append(Stroke((x, y), foot, 1.5 * own.limb, 0.8 * own.limb, shade))
    return strokes


def _towards(start: Point, length: float, lift: float) -> Point:
    """The point so far from here; height is counted downwards, as lines of an image are."""
    return start[0] + length * np.cos(lift), start[1] - length * np.sin(lift)


def _centred(strokes: list[Stroke]) -> list[Stroke]:
    """The animal in the middle of the width, and smaller if it would not fit."""
    ends = np.array([(stroke.start, stroke.end) for stroke in strokes])
    radii = np.array([(stroke.thick, stroke.thin) for stroke in strokes])
    left, right = np.min(ends[..., 0] - radii), np.max(ends[..., 0] + radii)
    top = np.min(ends[..., 1] - radii)
    low, high = LIMITS
    scale = min(1.0, (high - low) / (right - left), (GROUND - low) / (GROUND - top))
    middle = np.array([(left + right) / 2, GROUND])
    ends = (ends - middle) * scale + (MIDDLE, GROUND)
    return [
        Stroke(tuple(start), tuple(end), stroke.thick * scale, stroke.thin * scale, stroke.shade)
        for stroke, (start, end) in zip(strokes, ends, strict=True)
    ]


def _render(strokes: list[Stroke], side: int) -> Float[np.ndarray, "side side"]:
    """Darkness 0 … 1 of each pixel: of the darkest stroke there, with edges a pixel soft."""
    grid = (np.arange(side) + 0.5) / side
    x, y = np.array([stroke.start for stroke in strokes]).T
    along_x, along_y = np.array([stroke.end for stroke in strokes]).T - (x, y)
    thick, thin, shade = np.array([stroke[2:] for stroke in strokes]).T
    right, down = grid[None, :, None] - x, grid[:, None, None] - y  # (1, side, s), (side, 1, s)
    squared = along_x**2 + along_y**2
    # A stroke without a length is a disc: each pixel is seen from its start.
    share = np.clip((right * along_x + down * along_y) / np.where(squared > 0, squared, 1.0), 0.0, 1.0)
    distance = np.hypot(right - share * along_x, down - share * along_y)
    inside = thick + share * (thin - thick) - distance
    return np.asarray(np.max(shade * np.clip(0.5 + side * inside, 0.0, 1.0), axis=-1))
