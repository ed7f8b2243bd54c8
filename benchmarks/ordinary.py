"""Draws of ordinary data, as users have them, of which the truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd


def birds(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """A table like the penguins: three kinds, four columns, millimetres beside grams, and a species."""
    kind = rng.integers(0, 3, n)
    size = rng.standard_normal(n)
    return pd.DataFrame(
        {
            "bill_length_mm": 39 + 9 * (kind > 0) + 2.2 * size + 1.5 * rng.standard_normal(n),
            "bill_depth_mm": 18.4 - 3.4 * (kind == 2) + 0.9 * size + 0.6 * rng.standard_normal(n),
            "flipper_length_mm": 190 + 27 * (kind == 2) + 5 * size + 3 * rng.standard_normal(n),
            "body_mass_g": 3700 + 1300 * (kind == 2) + 350 * size + 150 * rng.standard_normal(n),
            "species": np.array(["Adelie", "Chinstrap", "Gentoo"])[kind],
        }
    )


def standardised(table: pd.DataFrame) -> np.ndarray:
    numbers = table.select_dtypes("number").to_numpy()
    return (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)


def long_plane(n: int, rng: np.random.Generator) -> np.ndarray:
    """A plane four times as long as wide, with noise of 0.1, in 20 columns."""
    turn = np.linalg.qr(rng.standard_normal((20, 20)))[0]
    plane = np.c_[4 * rng.standard_normal(n), rng.standard_normal(n)]
    return plane @ turn[:2] + 0.1 * rng.standard_normal((n, 20))


def torsions(n: int, rng: np.random.Generator) -> np.ndarray:
    """Distances between ten atoms of a chain with two angles that turn, with noise: (n, 45)."""
    phi, psi = rng.uniform(-2.5, -0.5, n), rng.uniform(-1.0, 2.5, n)
    fixed = np.random.default_rng(0).standard_normal((10, 3))
    atoms = np.broadcast_to(fixed, (n, 10, 3)).copy()

    def turned(points: np.ndarray, angle: np.ndarray, axis: int) -> np.ndarray:
        a, b = [i for i in range(3) if i != axis]
        out, c, s = points.copy(), np.cos(angle)[:, None], np.sin(angle)[:, None]
        out[..., a], out[..., b] = (
            c * points[..., a] - s * points[..., b],
            s * points[..., a] + c * points[..., b],
        )
        return out

    atoms[:, 3:] = turned(atoms[:, 3:], phi, 0)
    atoms[:, 6:] = turned(atoms[:, 6:], psi, 2)
    i, j = np.triu_indices(10, 1)
    distances = np.linalg.norm(atoms[:, i] - atoms[:, j], axis=-1)
    return distances + 0.02 * rng.standard_normal(distances.shape)


def windows(n: int, rng: np.random.Generator) -> np.ndarray:
    """Windows of 52 weeks of a yearly wave with a trend and noise."""
    week = np.arange(n + 52)
    series = np.sin(2 * np.pi * week / 52.18) + 0.001 * week + 0.1 * rng.standard_normal(n + 52)
    return np.lib.stride_tricks.sliding_window_view(series, 52)[:n].copy()


def turning_objects(n: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth pictures of 20 objects, each turned by any angle: (n, 256)."""
    which, angle = rng.integers(0, 20, n), rng.uniform(0, 2 * np.pi, n)
    shapes = np.random.default_rng(1).standard_normal((20, 5, 256))
    waves = np.stack(
        [np.ones(n), np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)], axis=1
    )
    return np.einsum("nk,nkp->np", waves * [2, 1, 1, 0.5, 0.5], shapes[which])


def spectra(n: int, rng: np.random.Generator) -> np.ndarray:
    """Peaks on a slope in 1 841 wavelengths, of mixtures of three substances that bend: (n, 1841)."""
    x = np.linspace(0, 1, 1841)
    share = rng.dirichlet([1, 1, 1], n)
    peaks = np.stack([np.exp(-(((x - c) / 0.05) ** 2)) for c in (0.25, 0.5, 0.75)])
    return 1 - np.exp(-3 * share @ peaks) + 0.01 * rng.standard_normal((n, 1841))


def smooth_spectrum(n: int, rng: np.random.Generator) -> np.ndarray:
    """Gaussian rows whose variances fall slowly over 100 directions: no low dimension."""
    return rng.standard_normal((n, 100)) * np.arange(1, 101) ** -0.5


def faces(n: int, rng: np.random.Generator) -> np.ndarray:
    """Pictures (n, 576) of one face: it turns left and right, up and down, and so does the light."""
    left, up, light = rng.uniform(-1, 1, (3, n, 1, 1))
    v, u = np.mgrid[-1:1:24j, -1:1:24j]
    u, v = u - 0.25 * left * _height(u, v)[0], v - 0.25 * up * _height(u, v)[0]
    _, along_u, along_v = _height(u, v)
    normal = np.stack([-along_u, -along_v, np.ones_like(along_u)])
    towards = np.stack([np.sin(light), 0.3 * np.ones_like(light), np.cos(light)])
    shade = np.sum(normal * towards, axis=0) / np.linalg.norm(normal, axis=0)
    return shade.reshape(n, -1) + 0.01 * rng.standard_normal((n, 576))


HEAD = ((1.0, 0.0, 0.0, 0.7), (0.5, 0.0, 0.1, 0.2), (-0.3, 0.3, -0.3, 0.2), (-0.3, -0.3, -0.3, 0.2))
"""Head, nose and two eyes: height, place, and width of each."""


def _height(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The height of a face above its picture, and its slopes."""
    height, along_u, along_v = np.zeros((3, *u.shape))
    for size, x, y, width in HEAD:
        bump = size * np.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * width**2))
        height += bump
        along_u -= bump * (u - x) / width**2
        along_v -= bump * (v - y) / width**2
    return height, along_u, along_v


def clusters(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """Six clusters in 20 columns, each in d directions of its own, with a little noise."""
    centres = 6 * rng.standard_normal((6, 20))
    directions = np.linalg.qr(rng.standard_normal((6, 20, d)))[0]
    which = rng.integers(0, 6, n)
    inside = np.einsum("nd,njd->nj", rng.standard_normal((n, d)), directions[which])
    return centres[which] + inside + 0.01 * rng.standard_normal((n, 20))
