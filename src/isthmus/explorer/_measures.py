"""What is known of each point of a map: by what it may be coloured, and how far it is to be believed."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from isthmus.data.neighbour_search import nearest_among
from isthmus.data.neighbours import distinct
from isthmus.diagnostics.geometry import distortion
from isthmus.diagnostics.reliability import reliability
from isthmus.estimators.base import BaseMap, squared_gaps, units_of
from isthmus.estimators.ensemble import Ensemble
from isthmus.explorer._rows import ROUNDING
from isthmus.variational.estimator import VariationalAutoencoder
from isthmus.variational.inference import posterior

N_NEIGHBORS = 10
"""Of the nearest other points in the map, that say how dense it is there: as in ``reliability``."""

SUPPORTED = 0.99
"""Share of the points that a place counts as being near to others by: where the tenth nearest point is
farther than for 99 % of the points themselves, the map has seen next to nothing."""

LABEL = "label"
"""The key of the measure that was given with the rows."""

SMALLEST = 1e-9
"""Share of the largest value at which the page's logarithmic scales begin."""

Points: TypeAlias = Float[np.ndarray, "n d"]


MOST_COVARIANCES = 2**20
"""Numbers in the covariances of all points, beyond which the page has standard deviations alone."""


class Measure(NamedTuple):
    """One number for each point."""

    key: str
    name: str
    about: str
    values: Float[np.ndarray, " n"]
    scale: str = "linear"


class Uncertainty(NamedTuple):
    """How far the coordinates of each point are uncertain, as an ensemble or a posterior says.

    One of the two, or neither.
    """

    covariance: Float[np.ndarray, "n d d"] | None
    deviation: Float[np.ndarray, "n d"] | None


class Support(NamedTuple):
    """A place whose ``k``-th nearest point is farther than ``distance`` has no support."""

    distance: float
    k: int


def in_single(values: Float[np.ndarray, " *n"]) -> Float[np.ndarray, " *n"]:
    """In single precision, unless some of them are beyond its numbers, or below, as squares may be."""
    size = np.abs(values[np.isfinite(values) & (values != 0)])
    known = np.finfo(np.float32)
    fits = not size.size or (size.max() <= known.max and size.max() * SMALLEST >= known.tiny)
    return values.astype(np.float32) if fits else values


def shortest(measure: Measure) -> Float[np.ndarray, " n"]:
    """Its values in single precision, unless that cannot hold them, or rounds different labels alike."""
    values = measure.values
    if measure.key == LABEL and np.isfinite(values).any():
        low, high = np.nanmin(values), np.nanmax(values)
        if np.finfo(np.float32).eps * max(abs(low), abs(high)) > ROUNDING * (high - low):
            return values
    return in_single(values)


def measures(
    model: BaseMap, X: object, Z: Points, nearest: Float[np.ndarray, " n"], known: object
) -> list[Measure]:
    """All that can be said of each row; ``nearest`` is how far its tenth nearest point is."""
    found = [
        Measure(
            "error",
            "reconstruction error",
            "‖x − x̂‖², what the coordinates leave out"
            + (", columns divided by their scale." if model.scaling_.is_per_column else "."),
            squared_gaps(model, X, Z, units_of(model)),
            "log",
        ),
        Measure(
            "density",
            "density",
            f"Points per area of the map, by the {N_NEIGHBORS} nearest, as a multiple of the mean.",
            _density(nearest, Z.shape[1]),
            "log",
        ),
    ]
    stretch = distortion(model, Z)
    area = "volume" if Z.shape[1] > 2 else "area" if Z.shape[1] == 2 else "length"
    found.append(
        Measure(
            "distortion",
            f"{area} in the data per {area} of the map",
            "How the decoder stretches the map at this point: √det JᵀJ.",
            stretch.area,
            "log",
        )
    )
    if Z.shape[1] > 1:
        found.append(
            Measure(
                "anisotropy",
                "longest stretch to shortest",
                "Over all directions at this point; 1 where the map is true to shape.",
                stretch.anisotropy,
                "log",
            )
        )
    if known is not None:
        found.append(
            Measure(
                "reliability",
                "reliability",
                "Share of known rows that look as strange; below 0.05 the row is not like them.",
                reliability(model, X, known).p_value,
            )
        )
    return found


def spread(uncertainty: Uncertainty) -> list[Measure]:
    """Uncertainty as one number for each point: the root of the total variance."""
    if uncertainty.covariance is not None:
        about = "Standard deviation over the members of the ensemble, all coordinates together."
        total = np.trace(uncertainty.covariance, axis1=1, axis2=2)
    elif uncertainty.deviation is not None:
        about = "Standard deviation of the coordinates, all of them together."
        total = np.square(uncertainty.deviation).sum(axis=1)
    else:
        return []
    return [Measure("spread", "spread", about, np.sqrt(total))]


def uncertainty(model: BaseMap, X: object) -> Uncertainty:
    """Of an ensemble the covariance over its members, of a variational map σ, else nothing."""
    if isinstance(model, VariationalAutoencoder):
        return Uncertainty(None, posterior(model, X).std)
    if not isinstance(model, Ensemble) or len(model.members_) < 2:
        return Uncertainty(None, None)
    alignment = model.network_.alignment
    mean, squares = np.zeros(()), np.zeros(())
    for count, (member, rotation, origin) in enumerate(
        zip(model.members_, alignment.rotations, alignment.origins, strict=True), 1
    ):
        # Welford 1962. What is in common, the center, has no part in it.
        z = (np.asarray(member.transform(X), np.float64) - origin) @ np.asarray(rotation, np.float64)
        gap = z - mean
        mean = mean + gap / count
        squares = squares + gap[:, :, None] * (z - mean)[:, None, :]
    covariance = squares / (len(model.members_) - 1)
    if covariance.size > MOST_COVARIANCES:
        return Uncertainty(None, np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)))
    return Uncertainty(covariance, None)


def tenth_nearest(Z: Points) -> Float[np.ndarray, " n"]:
    """How far the tenth nearest other point of each is, or the last of fewer; copies do not count."""
    first, copy_of = distinct(Z)
    k = min(N_NEIGHBORS, len(first) - 1)
    if k < 1:
        return np.zeros(len(Z))
    found = nearest_among(Z[first], np.arange(len(first)), k)
    return np.asarray(found.distances[:, -1][copy_of], np.float64)


def support(nearest: Float[np.ndarray, " n"]) -> Support | None:
    """How far a place may be from the points; None where all points are one."""
    distance = float(np.quantile(nearest, SUPPORTED))
    return Support(distance, N_NEIGHBORS) if distance > 0 else None


def _density(nearest: Float[np.ndarray, " n"], d: int) -> Float[np.ndarray, " n"]:
    """1 / rᵈ, the k nearest being in a ball of radius r, over its mean; NaN where all points are one."""
    if not nearest.any():
        return np.full(len(nearest), np.nan)
    least = nearest[nearest > 0].min()
    # Of many coordinates the powers themselves would be beyond all numbers.
    density = np.exp(d * (np.log(least) - np.log(np.maximum(nearest, least))))
    return np.asarray(density / np.mean(density))
