"""Rows to compare maps on, and a method that is known."""

import numpy as np

from isthmus.comparison import Method


def clusters(n=120, D=6, seed=0):
    """Three clusters on a curved surface in D columns, and which row is of which."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    plane = rng.standard_normal((n, 2)) + 2.5 * np.eye(3)[y] @ rng.standard_normal((3, 2))
    return np.tanh(plane @ rng.standard_normal((2, D)) / 2) + 0.1 * rng.standard_normal((n, D)), y


X, Y = clusters()


class Picked:
    """The first columns as the map, and what else a test asks for."""

    def __init__(self, d, on_fit=None, on_transform=None, on_inverse=None):
        self.d, self.on_fit, self.on_transform, self.on_inverse = d, on_fit, on_transform, on_inverse

    def fit_transform(self, X):
        self.width = X.shape[1]
        if self.on_fit:
            self.on_fit()
        return X[:, : self.d]

    def transform(self, X):
        if self.on_transform:
            self.on_transform()
        return X[:, : self.d]

    def inverse_transform(self, Z):
        if self.on_inverse:
            self.on_inverse()
        return np.pad(Z, ((0, 0), (0, self.width - self.d)))


def picked(name="picked", **stages):
    return Method(name, lambda d, seed: Picked(d, **stages))
