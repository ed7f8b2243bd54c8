"""What a fit of a map of neighbours knows of its rows, before it trains and once it is trained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self

import jax
import numpy as np
from jaxtyping import Float, Int

from isthmus import registry
from isthmus.data.moments import PrincipalAxes
from isthmus.data.neighbour_search import NearestRows, nearest_among
from isthmus.data.neighbours import distances_to, nearest, share_as_near
from isthmus.data.rows import ChosenRows, ScaledRows
from isthmus.data.sources import in_common_size
from isthmus.estimators._landmarks import landmarks_for, nearest_landmarks, place_landmarks
from isthmus.estimators.kernel_ridge import fit_decoder
from isthmus.estimators.maps import leading_axes
from isthmus.estimators.task import NoImprovementWarning
from isthmus.networks.applying import apply
from isthmus.networks.fitted import DataMap
from isthmus.networks.frames import Frame
from isthmus.networks.kernel import KernelEncoder, KernelPair, Landmarks
from isthmus.networks.layers import Affine, Constant, single
from isthmus.networks.links import Identity
from isthmus.objectives.neighbours import PlacedRows, PlacesOfRows, neighbour_weights
from isthmus.training.problem import SIGNIFICANCE, chance_of

MOST_AXES = 50
"""Principal coordinates in which neighbours and landmarks are sought."""

START = 12.0
"""Largest coordinate of a landmark where training begins, in units in which similarity falls to a half
at 1."""

NEIGHBOURS_JUDGED = 15
MOST_JUDGED = 2000
"""Held-out rows whose neighbours are looked up, evenly spaced."""

LEAST_RECALL = 0.9
"""Share of the true neighbours from which a map of those found is not the map that was asked for."""

LARGER_LOSS = 1.1
"""Of PCA's, from which a map decodes worse, whatever chance may do."""

ROUNDING_OF_LOSS = 1e-9
"""Share of the variance up to which a loss is rounding."""

MOST_ROUNDING = 0.1
"""Error of a squared distance, in bandwidths, from which shares of landmarks are wrong by a tenth."""


@registry.part
@dataclass(frozen=True)
class HeldOutNeighbours:
    """How well a neighbour auto-encoder places and decodes held-out rows.

    ``kept`` is the share of a row's 15 nearest training rows, a quarter of all of these at most, that
    are its nearest in the map, too, and ``kept_by_means`` the same where the row is put at the mean of
    these rows' positions, for which one needs them. Copies of a row stand for one another. ``loss`` and
    ``pca_loss`` are the mean ½‖u − û‖² of scaled rows, of the map and of PCA with as many coordinates.
    A map loses neighbours if it keeps fewer by more than chance, by Student's paired test at 2.5 %; it
    loses to PCA if that is so of the loss, or if its loss is a tenth larger.
    """

    n_rows: int
    kept: float
    kept_by_means: float
    loss: float
    pca_loss: float
    loses_neighbours: bool
    loses_to_pca: bool

    def warnings(self) -> Iterable[Warning]:
        """What the map is worse at."""
        if self.loses_neighbours:
            yield NoImprovementWarning(
                f"Of the nearest rows of {self.n_rows} held-out rows the map keeps {self.kept:.3f}. Put "
                f"at the mean of these rows' positions, they would keep {self.kept_by_means:.3f}: the "
                "map is too coarse for these data. More landmarks may change that, or more rows"
            )
        if self.loses_to_pca:
            yield NoImprovementWarning(
                f"The map decodes worse than PCA: on {self.n_rows} held-out rows its loss is "
                f"{self.loss:.4g}, and that of PCA is {self.pca_loss:.4g}. Autoencoder is the model for "
                "rows that are to be decoded"
            )


class Parameters(Protocol):
    """Parameters of a map of neighbours that say what it must know of its rows."""

    n_components: int
    n_neighbors: int
    landmarks: int | None


@dataclass(frozen=True)
class Neighbourhoods:
    """What a fit knows of its rows before it trains: axes, landmarks, and each row's neighbours.

    ``y`` (n, k) are the principal coordinates of all rows, ``neighbours`` the nearest training rows of
    each.
    """

    rows: ScaledRows
    train_rows: Int[np.ndarray, " m"]
    axes: PrincipalAxes
    n_components: int
    y: Float[np.ndarray, "n k"]
    landmarks: Landmarks
    neighbours: NearestRows

    @classmethod
    def of(
        cls,
        model: Parameters,
        rows: ScaledRows,
        train_rows: Int[np.ndarray, " m"],
        rng: np.random.Generator,
    ) -> Self:
        D, m, d = rows.shape[1], len(train_rows), int(model.n_components)
        chosen = ChosenRows(rows.rows, train_rows)
        axes = leading_axes(ScaledRows(chosen, rows.scaling), max(d, min(MOST_AXES, m, D)))
        projection = Affine(single(axes.components), single(axes.components @ axes.mean))
        y = apply(projection, rows, width=len(axes.components))
        count = landmarks_for(m) if model.landmarks is None else min(int(model.landmarks), m)
        landmarks = place_landmarks(rows, train_rows, projection, y, count, rng)
        k = min(int(model.n_neighbors), m - 1)
        return cls(rows, train_rows, axes, d, y, landmarks, nearest_among(y, train_rows, k))

    @cached_property
    def judging(self) -> Int[np.ndarray, " h"]:
        """Held-out rows that choose the decoder; without any every tenth of the rows."""
        held_out = np.setdiff1d(np.arange(self.rows.shape[0]), self.train_rows)
        if len(held_out) == 0:
            return self.train_rows[::10]
        return held_out[:: 1 + len(held_out) // MOST_JUDGED]

    def start(self, rng: np.random.Generator, rounds: int) -> PlacedRows:
        """Landmarks at their first principal coordinates."""
        positions = np.array(self.landmarks.centres[:, : self.n_components].T, np.float64)
        largest = np.abs(positions).max()
        positions *= START / largest if largest > 0 else 1.0
        positions += 1e-3 * rng.standard_normal(positions.shape)  # equal ones would never part
        numbers, shares = nearest_landmarks(self.landmarks, self.rows)
        weights = neighbour_weights(self.neighbours.distances)
        total = weights.sum(axis=1, keepdims=True)
        chances = np.cumsum(weights, axis=1, out=weights)
        chances /= total
        known = (numbers, shares, self.neighbours.numbers, chances.astype(np.float32))
        places = PlacesOfRows(*jax.device_put([in_common_size(part) for part in known]))
        return PlacedRows(single(positions), Constant(places), rounds)

    def fitted(self, positions: Float[np.ndarray, "d M"], rounds: int) -> dict[str, object]:
        """The fitted attributes of a model whose landmarks have these positions."""
        encoder = KernelEncoder(self.landmarks, single(positions), rounds)
        z = apply(encoder, self.rows, width=self.n_components)
        learning = np.setdiff1d(self.train_rows, self.judging)
        decoder, losses = fit_decoder(z, self.rows, learning, self.judging, positions)
        scaling = self.rows.scaling
        has_held_out_rows = len(self.train_rows) < len(z)
        held_out = self._held_out(z, losses) if has_held_out_rows else None
        return {
            "network_": DataMap(
                single(scaling.center),
                KernelPair(encoder, decoder),
                self._frame(z),
                single(scaling.scale),
                Identity(),
            ),
            "held_out_": held_out,
            "neighbour_recall_": self.neighbours.recall,
            "validation_loss_": float("nan") if held_out is None else held_out.loss,
            "pca_validation_loss_": float("nan") if held_out is None else held_out.pca_loss,
        }

    def warnings(self) -> Iterable[Warning]:
        """That distances within groups are lost in those between them, or neighbours in the search."""
        if self.neighbours.recall < LEAST_RECALL:
            yield UserWarning(
                f"The search found {self.neighbours.recall:.2f} of the true nearest rows: many columns "
                "vary independently, so that rows are nearly equally far from one another. Leave out "
                "columns of noise, or fit fewer rows, which are searched exactly"
            )
        rounding = self.landmarks.rounding
        # Of copies, which are no distance apart, nothing is lost.
        if rounding > MOST_ROUNDING and np.median(self.neighbours.distances[:, -1]) > 0:
            yield UserWarning(
                "Groups of rows are so far apart, against the distances within them, that single "
                f"precision does not tell near rows from nearer ones (an error of {rounding:.2g} "
                "bandwidths): map each group by itself, or take the logarithm of columns with such "
                "a range"
            )

    def _frame(self, z: Float[np.ndarray, "n d"]) -> Frame:
        """z about its mean, turned and mirrored to agree with the principal coordinates."""
        placed = z[self.train_rows].astype(np.float64)
        mean = placed.mean(axis=0)
        scores = self.y[self.train_rows, : self.n_components]
        left, _, right = np.linalg.svd((placed - mean).T @ scores)
        rotation = (left @ right).T
        return Frame(single(rotation), single(rotation.T), single(mean))

    def _held_out(
        self, z: Float[np.ndarray, "n d"], losses: Float[np.ndarray, " h"]
    ) -> HeldOutNeighbours:
        judging = self.judging
        k = min(NEIGHBOURS_JUDGED, -(-len(self.train_rows) // 4))  # all would always be kept
        truly = self.train_rows[nearest(self.y[self.train_rows], k, self.y[judging])[1]]

        near = distances_to(self.y, self.y[judging], truly)

        def kept(placed: Float[np.ndarray, "h d"]) -> Float[np.ndarray, " h"]:
            found = self.train_rows[nearest(z[self.train_rows], k, placed)[1]]
            return share_as_near(near, distances_to(self.y, self.y[judging], found))

        own, of_means = kept(z[judging]), kept(z[truly].mean(axis=1, dtype=np.float64))
        left_out = self.rows[judging] - self.axes.mean
        scores = left_out @ self.axes.components[: self.n_components].T
        squares = np.sum(np.square(left_out), axis=1)
        of_pca = 0.5 * (squares - np.sum(np.square(scores), axis=1))
        return HeldOutNeighbours(
            n_rows=len(judging),
            kept=float(own.mean()),
            kept_by_means=float(of_means.mean()),
            loss=float(losses.mean()),
            pca_loss=float(of_pca.mean()),
            loses_neighbours=_is_less(own, of_means),
            loses_to_pca=decodes_worse(losses, of_pca, variance=float(squares.mean())),
        )


def decodes_worse(
    losses: Float[np.ndarray, " h"], of_pca: Float[np.ndarray, " h"], variance: float
) -> bool:
    """Whether losses are larger than PCA's by more than chance or a tenth, and more than rounding."""
    if losses.mean() <= ROUNDING_OF_LOSS * variance:
        return False
    # One row that is decoded far off hides from the test how much is lost.
    return bool(losses.mean() > LARGER_LOSS * of_pca.mean()) or _is_less(of_pca, losses)


def _is_less(less: Float[np.ndarray, " h"], more: Float[np.ndarray, " h"]) -> bool:
    """Whether one mean is below the other by more than chance, by Student's paired test."""
    gap = more - less
    error = float(np.std(gap)) / np.sqrt(max(1, len(gap) - 1))
    return bool(gap.mean() > 0 and chance_of(gap.mean() / max(error, 1e-30), len(gap)) < SIGNIFICANCE)
