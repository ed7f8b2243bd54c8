"""The neighbour auto-encoder: a map whose neighbours are neighbours, as one explicit function.

The encoder is a kernel network (``isthmus.networks.kernel``): landmarks, which are cluster centres,
agree where a row belongs. Their positions are trained on the rows' neighbour graph
(``isthmus.objectives.neighbours``), through the encoder, so that a new row goes where the formula says
and not where a search among old rows ends. The decoder is kernel ridge regression on the map.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import ClassVar, Self

import jax
import numpy as np
import optax
from jaxtyping import Float, Int, PyTree
from sklearn.utils.metaestimators import available_if

from isthmus import registry
from isthmus.data.moments import PrincipalAxes
from isthmus.data.neighbours import nearest
from isthmus.data.rows import ChosenRows, Rows, ScaledRows
from isthmus.data.scaling import SCALINGS, Scaling
from isthmus.data.sources import in_common_size
from isthmus.estimators._landmarks import landmarks_for, nearest_landmarks, place_landmarks
from isthmus.estimators.base import BaseMap, unlike_scales
from isthmus.estimators.fitting import (
    Given,
    NoImprovementWarning,
    Task,
    adopt,
    prepare,
)
from isthmus.estimators.history import History
from isthmus.estimators.kernel_ridge import fit_decoder
from isthmus.estimators.maps import leading_axes
from isthmus.estimators.notebook import some_of
from isthmus.estimators.parameters import (
    COLUMN_KINDS,
    COUNT,
    POSITIVE,
    SHARE,
    Constraints,
    Numbers,
    one_of,
)
from isthmus.estimators.plan import Schedule, check_n_components
from isthmus.networks.applying import apply
from isthmus.networks.fitted import DataMap
from isthmus.networks.frames import Frame
from isthmus.networks.kernel import KernelEncoder, KernelPair, Landmarks
from isthmus.networks.layers import Affine, Constant, single
from isthmus.networks.links import Identity
from isthmus.objectives.neighbours import (
    NeighbourLoss,
    PlacedRows,
    PlacesOfRows,
    neighbour_weights,
)
from isthmus.training.loop import train
from isthmus.training.problem import SIGNIFICANCE, chance_of
from isthmus.training.solvers import Solver, up_and_down

BATCH_SIZE = 512
LEAST_UPDATES, MOST_UPDATES = 2500, 10_000
PASSES = 250
MOST_STEPS = 50
"""Steps of an epoch, at most: the history has a line for each."""

MOST_AXES = 50
"""Principal coordinates in which neighbours and landmarks are sought."""

START = 12.0
"""Largest coordinate of a landmark where training begins, in units in which similarity falls to a half
at 1."""

MOST_NUMBERS = 2**24
"""Rows that single precision numbers exactly."""

FEWEST_ROWS = 4
NEIGHBOURS_JUDGED = 15
MOST_JUDGED = 2000
"""Held-out rows whose neighbours are looked up, evenly spaced."""

MOST_ROUNDING = 0.1
"""Error of a squared distance, in bandwidths, from which shares of landmarks are wrong by a tenth."""

# Positions are numbers between −12 and 12 or so, and no weights of a network: they move in large steps.
SOLVER = Solver(optax.scale_by_adam(b2=0.99, nesterov=True), up_and_down, peak=0.25)


@registry.part
@dataclass(frozen=True)
class HeldOutNeighbours:
    """How well a neighbour auto-encoder places and decodes held-out rows.

    ``kept`` is the share of a row's 15 nearest training rows that are its nearest in the map, too, and
    ``kept_by_means`` the same where the row is put at the mean of these rows' positions, for which one
    needs them. ``loss`` and ``pca_loss`` are the mean ½‖u − û‖² of scaled rows, of the map and of PCA
    with as many coordinates. A map loses only if it is worse by more than chance, by Student's paired
    test at 2.5 %.
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


def _has_no_partial_fit(model: object) -> bool:
    raise AttributeError(
        "NeighbourAutoencoder has no partial_fit: neighbours are neighbours among rows that are seen "
        "together. Call fit with all rows, or transform with the new ones"
    )


@registry.estimators
class NeighbourAutoencoder(BaseMap):
    """An explicit, differentiable, invertible map in which neighbours of a row stay its neighbours.

    What t-SNE and UMAP are used for, as a function: groups are islands, and a new row is placed by one
    formula, which has a derivative. The encoder is a kernel network of landmarks, cluster centres of the
    data; their positions in the map are trained to keep each row near its nearest rows and apart from
    others. The decoder is a kernel regression on the map, whose smoothness held-out rows choose.

    Coordinates have their mean at 0 and are turned to agree with PCA's scores as well as they can. Their
    unit is the distance at which two rows count as half similar. How far islands are apart means
    little.

    A row far from all that the map was fitted to is placed, too: near the middle, by all landmarks at
    once. Nothing in z tells; ``isthmus.reliability`` does.

    Parameters
    ----------
    n_components : int, default 2
        Coordinates d, at most min(n, D); 2 because a map is to be looked at.
    n_neighbors : int, default 15
        Nearest other rows that are kept near each row; at most all. As many as UMAP's default. Fewer
        show finer structure and more chance, more a smoother picture.
    landmarks : int or None, default None
        How many landmarks. ``None`` is the number of rows, 1 000 at most up to 10 000 rows; then
        1 000 · (n/10 000)^⅓. Each is the mean of two rows at least, so that a saved map holds none, but
        for rows of which there are copies.
    rounds : int, default 4
        Rounds of agreement, the dial between smoothness and clear islands. The more, the more neighbours
        are kept and the steeper the map is between islands: with 0 it is as smooth as the kernel, and
        with many a jump.
    repulsion : float, default 10.0
        Weight of keeping other rows apart. The map grows with it, and is filled more evenly.
    scaling, periodic, categorical
        As of ``isthmus.Autoencoder``. With scaling=None distances are those of the raw data.
    max_epochs : int or None, default None
        Passes over the rows. ``None`` is 250, but 2 500 updates of 512 rows at least and 10 000 at
        most.
    validation_fraction : float, default 0.05
        Share of the rows held out, 20 rows at least but a third at most. They choose the decoder's
        smoothness, and say how new rows are placed (``held_out_``); no epoch is chosen, so few will do.
        With 0 every tenth of the training rows chooses the decoder.
    random_state : int, RandomState or None, default None
        Of the held-out rows, the clusters and the batches.
    verbose : bool or None, default None
        As of ``isthmus.Autoencoder``.

    Attributes
    ----------
    held_out_ : HeldOutNeighbours or None
        Neighbours kept and decoding loss on the held-out rows, beside those of the mean of the true
        neighbours' positions, and of PCA.
    validation_loss_, pca_validation_loss_ : float
        Mean ½‖u − û‖² of scaled held-out rows, of the map and of PCA. NaN without held-out rows. It is
        that of a decoder of the other rows, whose smoothness these chose; in the end the decoder is
        fitted to all.
    history_ : dict, of the neighbour loss per epoch, while repulsion grows to its whole.
    best_epoch_ : int, the last.
    scaling_, network_, n_components_, n_features_in_, feature_names_in_
        As of ``isthmus.Autoencoder``. ``network_.pair.encoder`` has the landmarks.

    Raises
    ------
    ValueError, TypeError
        For rows that are not finite numbers, fewer than four rows, and parameters that do not fit.
    DivergenceError
        If the loss becomes NaN or infinite.

    Warns
    -----
    NoImprovementWarning
        If the map decodes worse than PCA, or if held-out rows would keep more neighbours at the mean
        of their neighbours' positions.

    Notes
    -----
    Neighbours are sought in the 50 leading principal coordinates, exactly, which takes a time that grows
    as n². Memory beside the rows is about 1 kB for each. There is no ``partial_fit``: neighbours are
    neighbours among rows that are seen together.

    References
    ----------
    McInnes, Healy & Melville 2018, "UMAP" (arXiv:1802.03426), for the graph and the loss; Comaniciu &
    Meer 2002, "Mean shift", IEEE TPAMI 24:603, for the rounds.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> model = isthmus.NeighbourAutoencoder(random_state=0).fit(X[:1000])
    >>> Z = model.transform(X[1000:])  # (797, 64) → (797, 2), rows that it has not seen
    >>> model.inverse_transform(Z).shape
    (797, 64)
    >>> model.held_out_.kept > 0.4
    True
    """

    network_: DataMap
    held_out_: HeldOutNeighbours | None
    history_: History
    best_epoch_: int
    validation_loss_: float
    pca_validation_loss_: float

    BASELINE: ClassVar[str] = "PCA"
    warm_start: ClassVar[bool] = False
    solver: ClassVar[str] = "adam"

    _parameter_constraints: ClassVar[Constraints] = {
        "n_components": [COUNT],
        "n_neighbors": [COUNT],
        "landmarks": [COUNT, None],
        "rounds": [Numbers(Integral, 0, None, closed="left")],
        "repulsion": [POSITIVE],
        "scaling": one_of(SCALINGS),
        **COLUMN_KINDS,
        "max_epochs": [COUNT, None],
        "validation_fraction": [SHARE],
        "random_state": ["random_state"],
        "verbose": ["boolean", None],
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        n_neighbors: int = 15,
        landmarks: int | None = None,
        rounds: int = 4,
        repulsion: float = 10.0,
        scaling: str | None = None,
        periodic: Mapping[Hashable, float] | None = None,
        categorical: Sequence[Hashable] | None = None,
        max_epochs: int | None = None,
        validation_fraction: float = 0.05,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.landmarks = landmarks
        self.rounds = rounds
        self.repulsion = repulsion
        self.scaling = scaling
        self.periodic = periodic
        self.categorical = categorical
        self.max_epochs = max_epochs
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: object, y: object = None) -> Self:
        """Learn the map from rows (n, D); ``y`` is ignored."""
        prepared = prepare(self, X)
        (result,) = train([prepared.training])
        adopt(self, prepared, result)
        result.raise_if_diverged(prepared.training.learning_rate)
        return self

    @available_if(_has_no_partial_fit)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: object, y: object = None) -> Self:
        """Not available: neighbours are neighbours among rows that are seen together."""
        return self

    def _schedule(self, n_rows: int, n_features: int, *, continues: bool) -> Schedule:
        check_n_components(self.n_components, n_rows, n_features)
        if not FEWEST_ROWS <= n_rows <= MOST_NUMBERS:
            raise ValueError(
                f"n_samples={n_rows}: a map of neighbours takes {FEWEST_ROWS} to {MOST_NUMBERS} rows"
            )
        steps = max(1, -(-n_rows // BATCH_SIZE))
        updates = int(np.clip(PASSES * steps, LEAST_UPDATES, MOST_UPDATES))
        steps_per_epoch = None if self.max_epochs is not None else min(steps, MOST_STEPS)
        max_epochs = int(self.max_epochs or -(-updates // min(steps, MOST_STEPS)))
        return Schedule(
            solver=SOLVER,
            learning_rate=SOLVER.peak,
            batch_size=BATCH_SIZE,
            max_epochs=max_epochs,
            steps_per_epoch=steps_per_epoch,
            patience=max_epochs,
            validation_fraction=float(self.validation_fraction),
            rate_is_given=False,
            batch_is_given=False,
        )

    def _targets(self, y: object, rows: Rows, *, continues: bool, **known: np.ndarray | None) -> None:
        """A map has no targets."""

    def _task(self, given: Given, schedule: Schedule) -> Task:
        scaling = Scaling.fit(self.scaling, ChosenRows(given.rows, given.train_rows))
        rows = ScaledRows(given.rows, scaling)
        prepared = _Neighbourhoods.of(self, rows, given.train_rows, given.rng)
        numbers = np.arange(rows.shape[0], dtype=np.float32)[:, None]
        loss = NeighbourLoss(float(self.repulsion))

        def fitted(network: PyTree, moved: bool) -> Mapping[str, object]:
            return {
                "scaling_": scaling,
                "_some_rows": some_of(given.rows),
                **prepared.fitted(np.asarray(network.positions), int(self.rounds)),
            }

        return Task(
            network=prepared.start(given.rng, int(self.rounds)),
            rows=numbers,
            objective=loss,
            held_out_objective=loss,
            fitted=fitted,
            chooses_epoch=False,
            warnings=lambda model: [
                *unlike_scales(model, given.rows),
                *prepared.warnings(),
                *(() if model.held_out_ is None else model.held_out_.warnings()),
            ],
        )


@dataclass(frozen=True)
class _Neighbourhoods:
    """What a fit knows of its rows before it trains: axes, landmarks, and each row's neighbours.

    ``y`` (n, k) are the principal coordinates of all rows, ``neighbours`` (n, c) the numbers of the
    nearest training rows of each, and ``distances`` how far they are, ascending.
    """

    rows: ScaledRows
    train_rows: Int[np.ndarray, " m"]
    axes: PrincipalAxes
    n_components: int
    y: Float[np.ndarray, "n k"]
    landmarks: Landmarks
    neighbours: Int[np.ndarray, "n c"]
    distances: Float[np.ndarray, "n c"]

    @classmethod
    def of(
        cls,
        model: NeighbourAutoencoder,
        rows: ScaledRows,
        train_rows: Int[np.ndarray, " m"],
        rng: np.random.Generator,
    ) -> Self:
        (n, D), m, d = rows.shape, len(train_rows), int(model.n_components)
        chosen = ChosenRows(rows.rows, train_rows)
        axes = leading_axes(ScaledRows(chosen, rows.scaling), max(d, min(MOST_AXES, m, D)))
        projection = Affine(single(axes.components), single(axes.components @ axes.mean))
        y = apply(projection, rows, width=len(axes.components))
        count = landmarks_for(m) if model.landmarks is None else min(int(model.landmarks), m)
        landmarks = place_landmarks(rows, train_rows, projection, y, count, rng)
        k = min(int(model.n_neighbors), m - 1)
        distances, neighbours = np.empty((n, k)), np.empty((n, k), np.int64)
        held_out = np.setdiff1d(np.arange(n), train_rows)
        distances[train_rows], neighbours[train_rows] = nearest(y[train_rows], k)
        if len(held_out):
            distances[held_out], neighbours[held_out] = nearest(y[train_rows], k, y[held_out])
        return cls(rows, train_rows, axes, d, y, landmarks, train_rows[neighbours], distances)

    @property
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
        weights = neighbour_weights(self.distances)
        chances = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)
        known = (numbers, shares, self.neighbours.astype(np.int32), chances.astype(np.float32))
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
            "validation_loss_": float("nan") if held_out is None else held_out.loss,
            "pca_validation_loss_": float("nan") if held_out is None else held_out.pca_loss,
        }

    def warnings(self) -> Iterable[Warning]:
        """That distances within groups are lost in those between them."""
        rounding = self.landmarks.rounding
        # Of copies, which are no distance apart, nothing is lost.
        if rounding > MOST_ROUNDING and np.median(self.distances[:, -1]) > 0:
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
        k = min(NEIGHBOURS_JUDGED, len(self.train_rows))
        truly = self.train_rows[nearest(self.y[self.train_rows], k, self.y[judging])[1]]

        def kept(placed: Float[np.ndarray, "h d"]) -> Float[np.ndarray, " h"]:
            _, found = nearest(z[self.train_rows], truly.shape[1], placed)
            same = self.train_rows[found][:, :, None] == truly[:, None, :]
            return np.asarray(same.any(axis=1).mean(axis=1))

        own, of_means = kept(z[judging]), kept(z[truly].mean(axis=1, dtype=np.float64))
        left_out = self.rows[judging] - self.axes.mean
        scores = left_out @ self.axes.components[: self.n_components].T
        of_pca = 0.5 * (np.sum(np.square(left_out), axis=1) - np.sum(np.square(scores), axis=1))
        return HeldOutNeighbours(
            n_rows=len(judging),
            kept=float(own.mean()),
            kept_by_means=float(of_means.mean()),
            loss=float(losses.mean()),
            pca_loss=float(of_pca.mean()),
            loses_neighbours=_is_less(own, of_means),
            loses_to_pca=_is_less(of_pca, losses),
        )


def _is_less(less: Float[np.ndarray, " h"], more: Float[np.ndarray, " h"]) -> bool:
    """Whether one mean is below the other by more than chance, by Student's paired test."""
    gap = more - less
    error = float(np.std(gap)) / np.sqrt(max(1, len(gap) - 1))
    return bool(gap.mean() > 0 and chance_of(gap.mean() / max(error, 1e-30), len(gap)) < SIGNIFICANCE)
