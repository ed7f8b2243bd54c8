"""What speaks for a number of dimensions beside raw estimates: references, and networks of each width.

References are data of known dimension, with as many rows: an estimator's bias on them is its bias on
the data, as far as these have such edges. Networks are denoisers with every number of coordinates, whose
held-out error has its knee at the dimension of the data, and one variational map with more than enough.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, count
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from isthmus.diagnostics.dimension.methods import MLE, Gride
from isthmus.diagnostics.geometry import decoder_jacobian, jacobian
from isthmus.estimators.denoising import DenoisingAutoencoder
from isthmus.estimators.jobs import in_jobs
from isthmus.estimators.task import NoImprovementWarning
from isthmus.objectives.noise import Gaussian
from isthmus.variational.collapse import CollapseWarning
from isthmus.variational.estimator import VariationalAutoencoder

HELD_OUT = 0.2
"""Share of the rows that networks are evaluated on: the knee is in ratios of errors."""

REPEATS = 2
"""Trainings of each network, on other rows and from other weights: one alone has a knee by chance. Where
rows are few each of them is a cross-validation, and holds out all rows in turn."""

LEARNING_RATE, BATCH_SIZE = 1e-2, 64
"""Fast, for the knee shows long before the last per cent of the error is gone."""

MORE_THAN_ENOUGH = 12
"""Coordinates of the variational map, at least: it leaves idle what it has no use for."""

MOST_TANGENTS = 200
"""Rows at which derivatives are looked at."""

HALF = 0.5
"""A direction that a denoiser keeps has an eigenvalue near 1, one that it wipes out near 0."""

LEAST_BEND = 0.3
"""Of a knee, in units of the logarithm of the error: errors without one bend by less by chance."""

MOST_FURTHER = 3
"""Numbers of coordinates that may be tried after the candidates."""

Sampler = Callable[[np.random.Generator, int, int], Float[np.ndarray, "n d"]]


class Readings(NamedTuple):
    """Estimates on one set of rows: with ten neighbours, and at doubling scales."""

    mle: float
    gride: tuple[float, ...]


def cube(rng: np.random.Generator, n: int, d: int) -> Float[np.ndarray, "n d"]:
    """Uniform in a cube, whose faces and corners lower estimates as much as any edge does."""
    return rng.uniform(size=(n, d))


def cloud(rng: np.random.Generator, n: int, d: int) -> Float[np.ndarray, "n d"]:
    """Gaussian, without an edge: neighbours far out are far apart, which makes up for it in part."""
    return rng.standard_normal((n, d))


REFERENCES: tuple[Sampler, Sampler] = (cloud, cube)
"""Between those that need the least and the most correction."""


@dataclass
class References:
    """Readings on reference data of n rows, computed when asked for."""

    n: int
    mle: MLE
    gride: Gride
    rng: np.random.Generator
    known: dict[tuple[Sampler, int], Readings] = field(default_factory=dict)

    def readings(self, rows: Float[np.ndarray, "n D"]) -> Readings:
        """The estimates on any rows."""
        scales = self.gride(rows, 0.5, self.rng).scales
        answer = self.mle(rows, 0.5, self.rng).answer
        return Readings(answer.estimate, tuple(scale.estimate for scale in scales))

    def corrected(self, estimate: float, sampler: Sampler, of: Callable[[Readings], float]) -> float:
        """The d of reference data on which the estimate would be this, between whole numbers too."""
        below, at_below = 0.0, 0.0
        for d in _steps():
            if (sampler, d) not in self.known:
                self.known[sampler, d] = self.readings(sampler(self.rng, self.n, d))
            at_d = of(self.known[sampler, d])
            if at_d >= estimate or d > MOST_DIMENSIONS:
                share = np.clip((estimate - at_below) / max(at_d - at_below, 1e-9), 0.0, 1.0)
                return float(below + share * (d - below))
            below, at_below = float(d), max(at_d, at_below)
        raise AssertionError("steps have no end")


MOST_DIMENSIONS = 100
"""Beyond, neighbours say only that there are many."""


def _steps() -> Iterator[int]:
    """1, 2, …, 6, and then in steps of a fifth."""
    d = 1
    for _ in count():
        yield d
        d += max(1, d // 5)


class HeldOut(NamedTuple):
    """Error of restoring held-out rows from noise, as a share of their variance."""

    n_components: int
    pca: float
    denoiser: float


class Networks(NamedTuple):
    """What denoisers with every number of coordinates tell, and a variational map with the most."""

    errors: tuple[tuple[HeldOut, ...], ...]
    """One tuple for each repeat, which differ in their seed and their held-out rows."""
    spectrum: Float[np.ndarray, " d"]
    active_units: int
    """Of at least ``MORE_THAN_ENOUGH``, if there are as many columns."""

    @property
    def jacobian_rank(self) -> int:
        """Directions that the widest denoiser keeps, of the median row."""
        return int(np.sum(self.spectrum > HALF))


@dataclass(frozen=True)
class Denoisers:
    """How the networks are trained on rows: denoisers with any number of coordinates, and one other."""

    rows: Float[np.ndarray, "n D"]
    noise: float
    widths: Sequence[int]
    max_epochs: int
    seed: int

    def denoiser(self, d: int, repeat: int) -> DenoisingAutoencoder:
        """With d coordinates; repeats differ in their held-out rows and weights."""
        with _poor_fits_allowed():
            return DenoisingAutoencoder(
                d,
                noise=Gaussian(self.noise),
                widths=self.widths,
                max_epochs=self.max_epochs,
                validation_fraction=HELD_OUT,
                learning_rate=LEARNING_RATE,
                batch_size=BATCH_SIZE,
                random_state=self.seed + repeat,
            ).fit(self.rows)

    def variational(self, d: int) -> VariationalAutoencoder:
        """With d coordinates."""
        with _poor_fits_allowed():
            return VariationalAutoencoder(
                d,
                widths=self.widths,
                learning_rate=LEARNING_RATE,
                batch_size=BATCH_SIZE,
                max_epochs=self.max_epochs,
                random_state=self.seed,
            ).fit(self.rows)

    def error(self, model: DenoisingAutoencoder) -> HeldOut:
        """Of a denoiser and of PCA on the held-out rows."""
        # Scaled columns have a mean variance of 1, and the loss is half a square.
        total = self.rows.shape[1] / 2
        of_pca, own = model.pca_validation_loss_ / total, model.validation_loss_ / total
        return HeldOut(model.n_components_, of_pca, own)


def train_networks(how: Denoisers, candidates: Sequence[int], n_jobs: int | None = None) -> Networks:
    """Denoisers with each number of coordinates, evaluated on the same rows in each repeat.

    After the candidates come more, while the last is the one that gains most: whether it is a knee is
    seen from the next. And one variational map. ``n_jobs`` are trained at a time.
    """
    repeats: list[list[HeldOut]] = [[] for _ in range(REPEATS)]
    n_columns = how.rows.shape[1]
    further = range(candidates[-1] + 1, min(n_columns, candidates[-1] + MOST_FURTHER) + 1)
    for some in chain([candidates], ([d] for d in further)):
        if some is not candidates and not _last_gains_most(repeats):
            break
        tasks = [(d, repeat) for d in some for repeat in range(REPEATS)]
        models = in_jobs(how.denoiser, tasks, n_jobs)
        for model, (_, repeat) in zip(models, tasks, strict=True):
            repeats[repeat].append(how.error(model))
    most = max(MORE_THAN_ENOUGH, repeats[0][-1].n_components)
    variational = how.variational(min(n_columns, most))
    return Networks(
        tuple(map(tuple, repeats)), _spectrum(models[-1], how.rows), int(variational.active_.sum())
    )


def _gains(repeats: Sequence[Sequence[HeldOut]]) -> Float[np.ndarray, " d"]:
    """By how much each further coordinate lowers the denoisers' log error, averaged over repeats."""
    logs = np.mean([[np.log(error.denoiser) for error in errors] for errors in repeats], axis=0)
    return np.asarray(-np.diff(logs))


def _last_gains_most(repeats: Sequence[Sequence[HeldOut]]) -> bool:
    gains = _gains(repeats)
    return len(gains) > 0 and float(gains[-1]) >= max(LEAST_BEND, float(np.max(gains)))


def knee_of(repeats: Sequence[Sequence[HeldOut]], most: int) -> int | None:
    """The number of coordinates at which the denoisers' log error bends most; None without a clear bend.

    ``repeats`` are errors of the same numbers of coordinates, whose logarithms are averaged; ``most`` is
    the number of columns, after which nothing more is gained. A bend at d is what the d-th coordinate
    gains less what the next one does. The first coordinate has nothing to be compared with: the mean,
    which is no coordinate, loses to any direction of large variance. So the knee is at 1 only if none
    of the others gains anything.
    """
    d = [error.n_components for error in repeats[0]]
    gains = _gains(repeats)
    if d[-1] == most:
        gains = np.append(gains, 0.0)
    bends = gains[:-1] - gains[1:]
    if len(bends) and np.max(bends) >= LEAST_BEND:
        return d[1 + int(np.argmax(bends))]
    is_flat = d[0] == 1 and len(gains) and float(np.max(gains)) < LEAST_BEND
    return 1 if is_flat and float(np.sum(np.maximum(gains, 0.0))) < 2 * LEAST_BEND else None


def _spectrum(model: DenoisingAutoencoder, rows: Float[np.ndarray, "n D"]) -> Float[np.ndarray, " d"]:
    """Eigenvalues of ∂x̂/∂x, those not 0 for want of coordinates, largest first; the median over rows.

    They are those of the decoder's Jacobian in the units in which the encoder's is one: of the product
    ∂z/∂x ∂x̂/∂z, (d, d), which no scaling of coordinates or of columns changes.
    """
    some = rows[:: -(-len(rows) // MOST_TANGENTS)]
    product = jacobian(model, some) @ decoder_jacobian(model, model.transform(some))
    sizes = np.sort(np.abs(np.linalg.eigvals(product.astype(np.float64))), axis=1)[:, ::-1]
    return np.asarray(np.median(sizes, axis=0))


@contextmanager
def _poor_fits_allowed() -> Iterator[None]:
    """A network that wins nothing, or has idle coordinates, is what is being looked for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoImprovementWarning)
        warnings.simplefilter("ignore", CollapseWarning)
        yield
