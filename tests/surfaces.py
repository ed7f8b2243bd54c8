"""Rows on surfaces of known dimension, drawn at random."""

import numpy as np


def torus(n, d, rng):
    """Flat and without an edge: the theory of all three methods holds."""
    angles = rng.uniform(0, 2 * np.pi, (n, d))
    return np.hstack([np.cos(angles), np.sin(angles)])


def cube(n, d, seed=0):
    return np.random.default_rng(seed).uniform(size=(n, d))


def sphere(n, d, rng):
    points = rng.standard_normal((n, d + 1))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def mobius_band(n, rng):
    angle, across = rng.uniform(0, 2 * np.pi, n), rng.uniform(-0.4, 0.4, n)
    radius = 1 + across * np.cos(angle / 2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), across * np.sin(angle / 2)], axis=1)


def helix(n, rng):
    turn = rng.uniform(0, 6 * np.pi, n)
    return np.stack([np.cos(turn), np.sin(turn), turn / 6], axis=1)


def waves(n, d, seed, D=50):
    """A curved surface x = sin(z W + b)."""
    rng = np.random.default_rng(seed)
    frequencies, phases = 2 / d * rng.standard_normal((d, D)), rng.uniform(0, 2 * np.pi, D)
    return np.sin(rng.uniform(-np.sqrt(3), np.sqrt(3), (n, d)) @ frequencies + phases)
