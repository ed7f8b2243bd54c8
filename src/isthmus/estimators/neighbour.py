"""The neighbour auto-encoder: a map whose neighbours are neighbours, as one explicit function.

The encoder is a kernel network (``isthmus.networks.kernel``): landmarks, which are cluster centres,
agree where a row belongs. Their positions are trained on the rows' neighbour graph
(``isthmus.objectives.neighbours``), through the encoder, so that a new row goes where the formula says
and not where a search among old rows ends. The decoder is kernel ridge regression on the map.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from numbers import Integral
from typing import ClassVar, Self

import numpy as np
import optax
from jaxtyping import PyTree
from sklearn.utils.metaestimators import available_if

from isthmus import registry
from isthmus.data.rows import ChosenRows, Rows, ScaledRows
from isthmus.data.scaling import SCALINGS, Scaling
from isthmus.data.stored.arrays import part_in_memory
from isthmus.data.stored.scanning import as_stored
from isthmus.estimators._neighbourhoods import HeldOutNeighbours, Neighbourhoods
from isthmus.estimators.base import BaseMap, unlike_scales
from isthmus.estimators.fitting import adopt, prepare
from isthmus.estimators.history import History
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
from isthmus.estimators.task import Given, Task
from isthmus.networks.fitted import DataMap
from isthmus.objectives.neighbours import NeighbourLoss
from isthmus.training.checkpoints import CheckpointLike
from isthmus.training.loop import train
from isthmus.training.solvers import Solver, up_and_down

BATCH_SIZE = 512
LEAST_UPDATES, MOST_UPDATES = 2500, 10_000
PASSES = 250
MOST_STEPS = 50
"""Steps of an epoch, at most: the history has a line for each."""

MOST_STORED_ROWS = 300_000
"""Of rows that are kept elsewhere: with their neighbours and principal coordinates they take 130 MB."""

MOST_NUMBERS = 2**24
"""Rows that single precision numbers exactly."""

FEWEST_ROWS = 4

# Positions are numbers between −12 and 12 or so, and no weights of a network: they move in large steps.
SOLVER = Solver(optax.scale_by_adam(b2=0.99, nesterov=True), up_and_down, peak=0.25)


def _has_no_partial_fit(model: object) -> bool:
    raise AttributeError(
        "NeighbourAutoencoder has no partial_fit: neighbours are neighbours among rows that are seen "
        "together. Call fit with all rows, or transform with the new ones"
    )


class SampleWarning(UserWarning):
    """A map was fitted to some of the rows that were given, evenly spaced.

    It comes from ``NeighbourAutoencoder.fit`` of more than 300 000 rows that are kept elsewhere, as
    ``isthmus.scan`` gives them: neighbours are sought among rows in memory. ``transform`` places all of
    them. To choose the rows yourself, take them first, such as ``rows[::10]``; what is in memory is
    fitted as a whole, whatever its size.

    Examples
    --------
    To end a program where a sample would not do, make an error of it:

    >>> import isthmus, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", isthmus.SampleWarning)
    ...     try:
    ...         warnings.warn("300,000 of 1,000,000 rows", isthmus.SampleWarning)  # as fit does
    ...     except isthmus.SampleWarning as warning:
    ...         print(warning)
    300,000 of 1,000,000 rows
    """


def _at_most(X: object, most: int) -> object:
    """What is given, or of more rows that are kept elsewhere so many, with a warning."""
    stored = as_stored(X)
    if stored is None or len(stored) <= most:
        return X
    warnings.warn(
        f"the map is fitted to {most:,} of {len(stored):,} rows, evenly spaced: neighbours are sought "
        "among rows in memory. transform takes all of them",
        SampleWarning,
        stacklevel=3,
    )
    return part_in_memory(stored, most)


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

    A row far from all that the map was fitted to is placed, too: by all landmarks at once, who agree on
    the fullest island, so that it lies in the midst of rows that it is nothing like. Nothing in z tells.
    ``isthmus.reliability`` flags rows that are far, and some of those that are near an island.

    Within an island rows gather a little about landmarks. Clumps of a few rows mean nothing, and with
    ``rounds=0`` there are none.

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
        Rounds of agreement: few give a smooth map, many give clear groups of rows. The more, the more
        neighbours are kept and the steeper the map is between groups: with 0 it is as smooth as the
        kernel, and with many a jump. On 2 000 unseen of 10 000 images of digits: trustworthiness, share
        of the 15 nearest rows kept, error over PCA's, and the largest of 100 steps along a straight line
        between two of them, as a share of its length,

        ====== ===== ===== ===== =====
        rounds trust kept  error step
        ====== ===== ===== ===== =====
        0      0.900 0.221 0.663 0.03
        1      0.927 0.265 0.620 0.06
        2      0.940 0.287 0.587 0.10
        3      0.946 0.298 0.572 0.16
        4      0.948 0.301 0.567 0.24
        6      0.951 0.307 0.558 0.35
        8      0.952 0.309 0.557 0.46
        ====== ===== ===== ===== =====
    repulsion : float, default 15.0
        Weight of keeping other rows apart. The map grows with it, and is filled more evenly.
    scaling, periodic, categorical
        As of ``isthmus.Autoencoder``. With scaling=None distances are those of the raw data.
    max_epochs : int or None, default None
        Passes over the rows. ``None`` is 250, but 2 500 updates of 512 rows at least and 10 000 at
        most.
    validation_fraction : float, default 0.05
        Share of the rows held out, 20 rows at least but a third, and 20 000, at most. They choose the
        decoder's smoothness, and say how new rows are placed (``held_out_``); no epoch is chosen, so few
        will do. With 0 every tenth of the training rows chooses the decoder.
    random_state : int, RandomState or None, default None
        Of the held-out rows, the clusters and the batches. With another seed islands are in much the
        same places, and rows within them lie otherwise: of maps of 10 000 images of digits a tenth of
        the variance differs. ``isthmus.Ensemble`` with ``coordinate_spread`` says how much, row by row.
    verbose : bool or None, default None
        As of ``isthmus.Autoencoder``.

    Attributes
    ----------
    held_out_ : HeldOutNeighbours or None
        Neighbours kept and decoding loss on the held-out rows, beside those of the mean of the true
        neighbours' positions, and of PCA.
    neighbour_recall_ : float
        Share of the true nearest rows of a row that the search found, measured on up to 1 000 rows; 1.0
        where the search was exact.
    validation_loss_, pca_validation_loss_ : float
        Mean ½‖u − û‖² of scaled held-out rows, of the map and of PCA. NaN without held-out rows. It is
        that of a decoder of the other rows, whose smoothness these chose; in the end the decoder is
        fitted to all.
    history_ : dict, of the neighbour loss per epoch, while repulsion grows to its whole.
    best_epoch_ : int, the last.
    scaling_, network_, code_, row_shape_, n_components_, n_features_in_, feature_names_in_
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
    SampleWarning
        If rows that are kept elsewhere, as ``isthmus.scan`` gives them, are more than 300 000: of these
        so many are taken, evenly spaced, because neighbours are sought among rows in memory.
    UserWarning
        If the search takes more than a minute for lack of faiss, which is so from about 110 000 rows
        on, or if it found less than nine tenths of the neighbours.

    Notes
    -----
    Neighbours are sought in the 50 leading principal coordinates: of up to 30 000 rows exactly, in a
    time that grows as n², and of more with faiss (``pip install 'isthmus[neighbours]'``), as thoroughly
    as it takes to find 95 % of them, but no longer than a quarter of the exact search, which is done
    where that finds less and it takes no more than a minute; ``neighbour_recall_`` says what share was
    found. Without faiss the search is exact. What it finds does not depend on the number of threads.
    Memory beside the rows was 270 MB for 50 000 of 20 columns. There is no ``partial_fit``: neighbours
    are neighbours among rows that are seen together.

    References
    ----------
    McInnes, Healy & Melville 2018, "UMAP" (arXiv:1802.03426), for the graph and the loss; Comaniciu &
    Meer 2002, "Mean shift", IEEE TPAMI 24:603, for the rounds.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> model = isthmus.NeighbourAutoencoder(landmarks=300, max_epochs=20, random_state=0)
    >>> model = model.fit(X[:1000])  # the defaults take far longer, and keep a little more
    >>> Z = model.transform(X[1000:])  # (797, 64) → (797, 2), rows that it has not seen
    >>> model.inverse_transform(Z).shape
    (797, 64)
    >>> model.held_out_.kept > 0.4
    True
    """

    network_: DataMap
    held_out_: HeldOutNeighbours | None
    neighbour_recall_: float
    history_: History
    best_epoch_: int
    validation_loss_: float
    pca_validation_loss_: float

    BASELINE: ClassVar[str] = "PCA"
    HELD_OUT_ROWS_CHOOSE = "the decoder's smoothness"
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
        repulsion: float = 15.0,
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

    def fit(self, X: object, y: object = None, *, checkpoint: CheckpointLike | None = None) -> Self:
        """Learn the map from rows (n, D).

        Parameters
        ----------
        X : array-like (n, D), n ≥ 4, or images (n, height, width) or (n, height, width, c)
            Rows in their own units. Of more than 300 000 that are kept elsewhere, as ``isthmus.scan``
            gives them, so many are taken, evenly spaced.
        y : object, default None
            Ignored; it is there for pipelines.
        checkpoint : path, isthmus.Checkpoint or None, default None
            Where training is kept from time to time: the same fit, killed and started again, goes on
            from there and ends with the same bits. None keeps nothing.

        Returns
        -------
        self
            The fitted map.

        Raises
        ------
        ValueError, TypeError
            For rows that are not finite numbers, fewer than four rows, and parameters that do not fit.
        DivergenceError
            If the loss becomes NaN or infinite.

        Warns
        -----
        NoImprovementWarning, SampleWarning, UnequalScalesWarning, UserWarning
            As the class says.

        Examples
        --------
        >>> import isthmus
        >>> from sklearn.datasets import load_digits
        >>> X = load_digits().data
        >>> model = isthmus.NeighbourAutoencoder(landmarks=100, max_epochs=10, random_state=0)
        >>> model = model.fit(X[:200])
        >>> len(model.history_["epoch"])  # the start, and 10 epochs
        11
        >>> model.held_out_.n_rows  # a twentieth of the rows would be 10, and 20 is the least
        20
        """
        prepared = prepare(self, _at_most(X, MOST_STORED_ROWS), checkpoint=checkpoint)
        (result,) = train([prepared.training], checkpoints=prepared.checkpoints)
        adopt(self, prepared, result)
        result.raise_if_diverged(prepared.training.learning_rate)
        return self

    @available_if(_has_no_partial_fit)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: object, y: object = None) -> Self:
        """Not available: neighbours are neighbours among rows that are seen together.

        Parameters
        ----------
        X : array-like (n, D)
            Rows; call ``fit`` with all of them.
        y : object, default None
            Ignored.

        Returns
        -------
        self
            Never, as the method is not there.

        Raises
        ------
        AttributeError
            Always, with what to do instead; ``hasattr(model, "partial_fit")`` is False.

        Examples
        --------
        >>> import isthmus
        >>> hasattr(isthmus.NeighbourAutoencoder(), "partial_fit")
        False
        """
        return self

    @property
    def training_in_words(self) -> str:
        """Where training began and what was kept, as sentences below ``history_``."""
        judges = "every tenth of the training rows chooses"
        if self.held_out_ is not None:
            judges = "held-out rows choose"
        return (
            "The neighbour loss, while repulsion grows to its whole; epoch 0 has the landmarks at their "
            f"first principal coordinates. The last epoch is kept; {judges} {self.HELD_OUT_ROWS_CHOOSE}."
        )

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
        known = Neighbourhoods.of(self, rows, np.asarray(given.train_rows), given.rng)
        numbers = np.arange(rows.shape[0], dtype=np.float32)[:, None]
        loss = NeighbourLoss(float(self.repulsion))

        def fitted(network: PyTree, moved: bool) -> Mapping[str, object]:
            return {
                "scaling_": scaling,
                "_some_rows": some_of(given.rows),
                **known.fitted(np.asarray(network.positions), int(self.rounds)),
            }

        return Task(
            network=known.start(given.rng, int(self.rounds)),
            rows=numbers,
            objective=loss,
            held_out_objective=loss,
            fitted=fitted,
            chooses_epoch=False,
            warnings=lambda model: [
                *unlike_scales(model, given.rows),
                *known.warnings(),
                *(() if model.held_out_ is None else model.held_out_.warnings()),
            ],
        )
