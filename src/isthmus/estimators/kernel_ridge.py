"""The decoder of a map whose coordinates are there already: kernel ridge regression, in closed form.

û(z) = plane + bumps around the landmarks' positions (``isthmus.networks.kernel.KernelDecoder``), with
coefficients that minimise Σᵢ ‖uᵢ − û(zᵢ)‖² + λ Σ_m ‖a_m‖², the plane without a penalty (Saunders,
Gammerman & Vovk 1998, "Ridge regression learning algorithm in dual variables"). Held-out rows choose λ
and the width of the bumps.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int

from isthmus.data.rows import READ_ELEMENTS, View
from isthmus.networks.kernel import KernelDecoder
from isthmus.networks.layers import Affine, single

WIDTHS = (0.1, 0.3, 1.0, 3.0)
"""Widths w of the bumps, in squared units of the map, where similarity falls to a half at 1."""

PENALTIES = tuple(10.0**power for power in range(-6, 1))
"""λ in units of the sum of squares of a bump over the rows."""

FREE = 100.0
"""Factor of the plane's columns, so that its penalty is next to none."""

MOST_TO_CHOOSE_BY = 5000
"""Rows that width and penalty are chosen with, evenly spaced; the coefficients are those of all rows."""


@dataclass(frozen=True)
class KernelRidge:
    """Regression of rows on their coordinates, with bumps of one width: FᵀF and FᵀU of the rows so far.

    F has a row's bumps at ``positions`` (d, M), its coordinates and a one; ``gram`` is (p, p) and
    ``targets`` (p, D).
    """

    positions: Float[np.ndarray, "d M"]
    width: float
    gram: Float[np.ndarray, "p p"]
    targets: Float[np.ndarray, "p D"]

    @classmethod
    def of(
        cls,
        z: Float[np.ndarray, "n d"],
        rows: View,
        chosen: Int[np.ndarray, " m"],
        positions: Float[np.ndarray, "d M"],
        width: float,
    ) -> Self:
        """Of the chosen rows; z are the coordinates of all."""
        p = positions.shape[1] + len(positions) + 1
        gram, targets = np.zeros((p, p)), np.zeros((p, rows.shape[1]))
        size = max(256, READ_ELEMENTS // max(targets.shape))
        for start in range(0, len(chosen), size):
            part = chosen[start : start + size]
            features = _features(z[part], positions, width)
            gram += features.T @ features
            targets += features.T @ rows[part]
        return cls(positions, width, gram, targets)

    def joined_by(self, other: Self) -> Self:
        """Of the rows of both."""
        return replace(self, gram=self.gram + other.gram, targets=self.targets + other.targets)

    @property
    def unit(self) -> float:
        """The sum of squares of a bump over the rows, on average: what a penalty is measured in."""
        return float(np.mean(np.diag(self.gram)[: self.positions.shape[1]]))

    def losses(
        self,
        penalties: Sequence[float],
        z: Float[np.ndarray, "k d"],
        u: Float[np.ndarray, "k D"],
    ) -> list[Float[np.ndarray, " k"]]:
        """½‖u − û‖² of rows u with coordinates z, with each of the penalties."""
        values, vectors = scipy.linalg.eigh(self.gram, driver="evd")  # twice as fast as the default
        features = _features(z, self.positions, self.width) @ vectors
        features, targets = features.astype(np.float32), (vectors.T @ self.targets).astype(np.float32)
        found = []
        for penalty in penalties:
            shrunk = 1.0 / (np.maximum(values, 0.0) + penalty * self.unit)
            found.append(_losses((features * shrunk.astype(np.float32)) @ targets, u))
        return found

    def decoder(self, penalty: float) -> KernelDecoder:
        """The solution, (FᵀF + λ)⁻¹ FᵀU."""
        ridge = self.gram + penalty * self.unit * np.eye(len(self.gram))
        with warnings.catch_warnings():
            # Of few different rows there are few different bumps; held-out rows judge what comes of it.
            warnings.simplefilter("ignore", scipy.linalg.LinAlgWarning)
            solution = scipy.linalg.solve(ridge, self.targets, assume_a="pos")
        bumps, plane, shift = np.split(solution, [-len(self.positions) - 1, -1])
        return KernelDecoder(
            Affine(single(FREE * plane.T), single(-FREE * shift[0])),
            single(self.positions),
            single(bumps),
            single(np.array(self.width)),
        )


def _features(
    z: Float[np.ndarray, "b d"], positions: Float[np.ndarray, "d M"], width: float
) -> Float[np.ndarray, "b p"]:
    """Bumps, coordinates and a one."""
    # In double precision, because columns of bumps are nearly dependent.
    z, v = z.astype(np.float64), positions.astype(np.float64)
    count, ones = v.shape[1], np.ones((len(z), 1))
    features = np.empty((len(z), count + z.shape[1] + 1))
    # 1 + ‖z − v‖²/w as one product: of arrays of this size every pass over memory counts.
    of_rows = np.hstack([z, ones, 1.0 + np.sum(z**2, axis=1, keepdims=True) / width])
    of_bumps = np.vstack([-2.0 * v / width, np.sum(v**2, axis=0) / width, np.ones(count)])
    bumps = np.matmul(of_rows, of_bumps, out=features[:, :count])
    np.reciprocal(bumps, out=bumps)
    features[:, count:] = FREE * np.hstack([z, ones])
    return features


def _losses(u_hat: Float[np.ndarray, "k D"], u: Float[np.ndarray, "k D"]) -> Float[np.ndarray, " k"]:
    """½‖u − û‖²."""
    gap = u_hat - u
    return np.asarray(0.5 * np.einsum("ij,ij->i", gap, gap))


def fit_decoder(
    z: Float[np.ndarray, "n d"],
    rows: View,
    learning: Int[np.ndarray, " m"],
    judging: Int[np.ndarray, " k"],
    positions: Float[np.ndarray, "d M"],
) -> tuple[KernelDecoder, Float[np.ndarray, " k"]]:
    """The decoder of the coordinates z of all rows, and ½‖u − û‖² of the judging rows.

    The losses are those of a decoder that learnt from the ``learning`` rows alone.
    """

    judged = z[judging], rows[judging]
    some = learning[:: 1 + len(learning) // MOST_TO_CHOOSE_BY]
    tried = []
    for width in WIDTHS:
        ridge = KernelRidge.of(z, rows, some, positions, width)
        losses = ridge.losses(PENALTIES, *judged)
        tried += [(ridge, penalty, each) for penalty, each in zip(PENALTIES, losses, strict=True)]
    learnt, penalty, least = min(tried, key=lambda one: float(one[2].mean()))
    if len(some) < len(learning):
        learnt = KernelRidge.of(z, rows, learning, positions, learnt.width)
        least = _losses(np.asarray(learnt.decoder(penalty)(single(judged[0]))), judged[1])
    others = np.setdiff1d(np.arange(rows.shape[0]), learning)
    of_others = KernelRidge.of(z, rows, others, positions, learnt.width)
    return learnt.joined_by(of_others).decoder(penalty), least
