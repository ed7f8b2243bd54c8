"""The decoder of a map whose coordinates are there already: kernel ridge regression, in closed form.

û(z) = plane + bumps around the landmarks' positions (``isthmus.networks.kernel.KernelDecoder``), with
coefficients that minimise Σᵢ ‖uᵢ − û(zᵢ)‖² + λ Σ_m ‖a_m‖², the plane without a penalty (Saunders,
Gammerman & Vovk 1998, "Ridge regression learning algorithm in dual variables"). Held-out rows choose λ
and the width of the bumps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

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
    """Regression of some rows on their coordinates, with bumps of one width.

    ``z`` (n, d) are the coordinates of all rows, ``chosen`` the numbers of those that are regressed.
    """

    z: Float[np.ndarray, "n d"]
    rows: View
    chosen: Int[np.ndarray, " m"]
    positions: Float[np.ndarray, "d M"]
    width: float

    def features(self, z: Float[np.ndarray, "b d"]) -> Float[np.ndarray, "b p"]:
        """Bumps, coordinates and a one."""
        # In double precision, because columns of bumps are nearly dependent.
        squares = sum(np.square(z[:, a, None] - v) for a, v in enumerate(self.positions))
        plane = np.column_stack([z, np.ones(len(z))]) * FREE
        return np.concatenate([1.0 / (1.0 + squares / self.width), plane], axis=1, dtype=np.float64)

    @cached_property
    def products(self) -> tuple[Float[np.ndarray, "p p"], Float[np.ndarray, "p D"]]:
        """FᵀF and FᵀU."""
        p = self.positions.shape[1] + len(self.positions) + 1
        gram, targets = np.zeros((p, p)), np.zeros((p, self.rows.shape[1]))
        size = max(256, READ_ELEMENTS // max(targets.shape))
        for start in range(0, len(self.chosen), size):
            part = self.chosen[start : start + size]
            features = self.features(self.z[part])
            gram += features.T @ features
            targets += features.T @ self.rows[part]
        return gram, targets

    @property
    def unit(self) -> float:
        """The sum of squares of a bump over the rows, on average: what a penalty is measured in."""
        squares = np.diag(self.products[0])[: self.positions.shape[1]]
        return float(np.mean(squares))

    def losses(
        self, penalties: Sequence[float], judges: Int[np.ndarray, " k"]
    ) -> list[Float[np.ndarray, " k"]]:
        """½‖u − û‖² of other rows with each of the penalties."""
        gram, targets = self.products
        values, vectors = scipy.linalg.eigh(gram)
        features, targets = self.features(self.z[judges]) @ vectors, vectors.T @ targets
        features, targets = features.astype(np.float32), targets.astype(np.float32)
        u, found = self.rows[judges], []
        for penalty in penalties:
            shrunk = 1.0 / (np.maximum(values, 0.0) + penalty * self.unit)
            gap = (features * shrunk.astype(np.float32)) @ targets - u
            found.append(0.5 * np.einsum("ij,ij->i", gap, gap))
        return found

    def decoder(self, penalty: float) -> KernelDecoder:
        """The solution, (FᵀF + λ)⁻¹ FᵀU."""
        gram, targets = self.products
        ridge = gram + penalty * self.unit * np.eye(len(gram))
        solution = scipy.linalg.solve(ridge, targets, assume_a="pos")
        bumps, plane, shift = np.split(solution, [-len(self.positions) - 1, -1])
        return KernelDecoder(
            Affine(single(FREE * plane.T), single(-FREE * shift[0])),
            single(self.positions),
            single(bumps),
            single(np.array(self.width)),
        )


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
    some = learning[:: 1 + len(learning) // MOST_TO_CHOOSE_BY]
    tried = []
    for width in WIDTHS:
        losses = KernelRidge(z, rows, some, positions, width).losses(PENALTIES, judging)
        tried += [(each.mean(), width, penalty) for each, penalty in zip(losses, PENALTIES, strict=True)]
    _, width, penalty = min(tried)
    judged = KernelRidge(z, rows, learning, positions, width).losses([penalty], judging)[0]
    every = KernelRidge(z, rows, np.arange(rows.shape[0]), positions, width)
    return every.decoder(penalty), judged
