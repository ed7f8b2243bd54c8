"""Landmarks of a kernel network: where they lie, how wide their kernel is, which are near a row."""

from __future__ import annotations

import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.data.neighbours import nearest
from isthmus.data.rows import ChosenRows, ScaledRows
from isthmus.networks.applying import apply
from isthmus.networks.kernel import Landmarks
from isthmus.networks.layers import Affine, single

MOST, ROWS_OF_MOST = 1000, 10_000
"""Landmarks of up to so many rows; the number then grows with the cube root of the rows."""

PERPLEXITY, MORE_OF_SMALL = 4.0, 8.0
"""Landmarks that a row is shared between, by the entropy of its shares: the median over the rows. With 3
new rows are placed by single landmarks, with 10 neighbours of neighbours blur. The second is added where
there are as many landmarks as rows, and each stands for a tenth of the rows that it is of 10 000."""

FAR = 2.0
"""Distances to the landmarks nearby, in units of one that 5 % of new rows exceed, at which the kernel is
twice as wide."""

MOST_FOR_CENTRES, ROWS_PER_CENTRE = 300_000, 100
"""Rows, and rows for each cluster, of which k-means takes the larger number; of more rows it takes as
many, drawn at random. The means of its clusters are then taken over all rows."""

QUANTILE = 0.95
MOST_FOR_BANDWIDTH = 500
BISECTIONS = 30

MOST_NEAR = 32
"""Landmarks that are looked at in training, of each row. Beyond these lies less than a thousandth of the
shares of an ordinary row."""


def landmarks_for(n_rows: int) -> int:
    """As many as rows, 1 000 at most up to 10 000 rows, then 1 000 (n/10 000)^⅓.

    Examples
    --------
    >>> [landmarks_for(n) for n in (100, 2000, 10_000, 80_000)]
    [100, 1000, 1000, 2000]
    """
    most: float = MOST * max(1.0, n_rows / ROWS_OF_MOST) ** (1 / 3)
    return min(n_rows, round(most))


# What is applied to rows are modules: of functions within functions each fit would compile its own.


class _Distance(eqx.Module):
    """How far rows are from the landmarks."""

    landmarks: Landmarks

    def __call__(self, u: Float[Array, "b D"]) -> Float[Array, "b 1"]:
        return self.landmarks.distance(self.landmarks.squared_distances(u))[:, None]


class _Nearest(eqx.Module):
    """Numbers of the ``count`` landmarks with the largest shares of each row, then these shares."""

    landmarks: Landmarks
    count: int = eqx.field(static=True)

    def __call__(self, u: Float[Array, "b D"]) -> Float[Array, "b two_m"]:
        shares, numbers = jax.lax.top_k(self.landmarks(u), self.count)
        shares = shares / jnp.sum(shares, axis=1, keepdims=True)
        return jnp.concatenate([numbers.astype(shares.dtype), shares], axis=1)


def place_landmarks(
    rows: ScaledRows,
    train_rows: Int[np.ndarray, " m"],
    projection: Affine,
    y: Float[np.ndarray, "n k"],
    count: int,
    rng: np.random.Generator,
) -> Landmarks:
    """Landmarks for the training rows, whose kernel is as wide as new rows need it.

    ``y`` are the principal coordinates of all rows; those that are held out say what is far.
    """
    centres = _centres(y[train_rows], count, rng)
    perplexity = PERPLEXITY + MORE_OF_SMALL * min(1.0, count / len(train_rows))
    chosen = train_rows[:: 1 + len(train_rows) // MOST_FOR_BANDWIDTH]
    landmarks = Landmarks(
        projection,
        single(centres),
        single(np.array(_bandwidth(y[chosen], centres, perplexity))),
        single(np.array(np.inf)),
    )
    new = np.setdiff1d(np.arange(len(y)), train_rows)
    new = new if len(new) else train_rows
    judged = ChosenRows(rows, new[:: 1 + len(new) // MOST_FOR_BANDWIDTH])
    distances = apply(_Distance(landmarks), judged, width=1, widest=len(centres))
    reach = FAR * float(np.quantile(distances, QUANTILE))
    return Landmarks(
        projection, landmarks.centres, landmarks.bandwidth, single(np.array(reach or np.inf))
    )


def nearest_landmarks(
    landmarks: Landmarks, rows: ScaledRows
) -> tuple[Int[np.ndarray, "n m"], Float[np.ndarray, "n m"]]:
    """Numbers of the landmarks with the largest shares of each row, and these shares, which sum to 1."""
    m = min(MOST_NEAR, len(landmarks.centres))
    found = apply(_Nearest(landmarks, m), rows, width=2 * m, widest=len(landmarks.centres))
    return found[:, :m].astype(np.int32), found[:, m:]


def _centres(
    y: Float[np.ndarray, "m k"], count: int, rng: np.random.Generator
) -> Float[np.ndarray, "M k"]:
    """Means of clusters of rows; where a cluster has less than two, of the two rows nearest to it."""
    from sklearn.cluster import MiniBatchKMeans  # loads half of scikit-learn

    most = max(MOST_FOR_CENTRES, ROWS_PER_CENTRE * count)
    some = y if len(y) <= most else y[np.sort(rng.choice(len(y), most, replace=False))]
    with warnings.catch_warnings():
        # Copies of a row: fewer clusters than were asked for.
        warnings.simplefilter("ignore")
        kmeans = MiniBatchKMeans(
            count, batch_size=2048, max_iter=30, n_init=1, random_state=int(rng.integers(2**31))
        ).fit(some.astype(np.float64))  # of single precision it makes copies at every step
    centres = np.asarray(kmeans.cluster_centers_, np.float32)
    _, cell = nearest(centres, 1, y)
    sizes = np.bincount(cell[:, 0], minlength=count)
    means = np.zeros((count, y.shape[1]))
    np.add.at(means, cell[:, 0], y)
    means /= np.maximum(sizes, 1)[:, None]
    few = np.flatnonzero(sizes < 2)
    if len(few):
        _, pairs = nearest(y, min(2, len(y)), centres[few])
        means[few] = y[pairs].mean(axis=1, dtype=np.float64)
    return means


def _bandwidth(
    y: Float[np.ndarray, "m k"], centres: Float[np.ndarray, "M k"], perplexity: float
) -> float:
    """h with which the median row is shared between so many landmarks, by bisection of log h."""
    squares = np.maximum(
        np.sum(np.square(y, dtype=np.float64), axis=1)[:, None]
        + np.sum(np.square(centres), axis=1)
        - 2.0 * (y @ centres.T),
        0.0,
    )
    squares -= squares.min(axis=1, keepdims=True)
    unit = float(squares.mean())
    if unit == 0 or len(centres) <= perplexity:
        return unit or 1.0
    low, high = -30.0, 5.0
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        shares = np.exp(-squares / (unit * np.exp(middle)))
        shares /= shares.sum(axis=1, keepdims=True)
        logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
        entropy = np.median(-np.sum(shares * logs, axis=1))
        low, high = (low, middle) if entropy > np.log(perplexity) else (middle, high)
    return unit * float(np.exp(0.5 * (low + high)))
