"""Compression: how the error grows when most of the parameters of a large network are removed.

A large map is trained and compared with smaller ones: pruned, by removing units; distilled, a small
network that learns its outputs; and a small network that is trained from scratch. All are evaluated on
rows that none of them has seen.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from sklearn.datasets import load_digits

from isthmus.compression.distill import distill
from isthmus.compression.kinds import measured
from isthmus.compression.prune import prune
from isthmus.compression.units import n_parameters
from isthmus.data.checks import check_dense
from isthmus.data.wording import counted
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.base import reconstruction_error
from isthmus.estimators.task import NoImprovementWarning
from isthmus.laboratories._reports import Report

LARGE, PRUNED, TAUGHT, SCRATCH = (
    "large",
    "pruned",
    "distilled from the large one",
    "trained from scratch",
)


class CompressedPoint(NamedTuple):
    """One network: how it was made, its size, its error, and the time per row.

    ``error`` is the mean ‖x − x̂‖² over unseen rows, in the data's own units squared;
    ``seconds_per_row`` the time of ``transform``.
    """

    how: str
    widths: str
    n_parameters: int
    error: float
    seconds_per_row: float


@dataclass(frozen=True, repr=False)
class DistillingReport(Report):
    """The result of the laboratory: ``records`` of networks, the large one first."""

    data: str
    n_components: int
    records: tuple[CompressedPoint, ...]

    def of(self, how: str) -> tuple[CompressedPoint, ...]:
        """The networks that were made in this way, the largest first."""
        found = [record for record in self.records if record.how == how]
        return tuple(sorted(found, key=lambda record: -record.n_parameters))

    @property
    def verdict(self) -> str:
        """Two lines in words."""
        (large,), pruned = self.of(LARGE), self.of(PRUNED)
        small, scratch = self.of(TAUGHT)[-1], self.of(SCRATCH)[-1]
        first = f"{self.data}, {counted(self.n_components, 'coordinate')}: no unit can be removed"
        if pruned:
            least = min(pruned, key=lambda record: record.n_parameters)
            first = (
                f"{self.data}, {counted(self.n_components, 'coordinate')}: pruned to "
                f"{least.n_parameters / large.n_parameters:.0%} of {large.n_parameters:,} parameters "
                f"the map has {least.error / large.error:.2f} × the error of the large one on unseen "
                f"rows, at {least.seconds_per_row / large.seconds_per_row:.0%} of the time per row"
            )
        better = "lower" if small.error < scratch.error else "no lower"
        return (
            f"{first}.\nA network with {small.n_parameters / large.n_parameters:.0%} of the parameters "
            f"has {small.error / large.error:.2f} × that error if it learns from the large one, and "
            f"{scratch.error / large.error:.2f} × if trained from scratch: distillation gives {better} "
            "errors."
        )


def run(
    X: ArrayLike | None = None,
    *,
    data: str = "digits",
    n_components: int = 5,
    widths: Sequence[int] = (256, 128),
    small_widths: Sequence[Sequence[int]] = ((64, 32), (16, 8)),
    tolerances: Sequence[float] = (0.02, 0.2),
    random_state: int = 0,
) -> DistillingReport:
    """A large map of X (n, D), or of scikit-learn's digits, and smaller ones.

    ``data`` names the rows, of which a fifth is held out to evaluate the networks. ``tolerances`` are
    those of ``prune``, ``small_widths`` the hidden layers of the networks that are distilled, or
    trained from scratch. 5 coordinates and a large network of (256, 128), because that is more than
    digits need and is trained in seconds.

    Raises ValueError for rows that ``Autoencoder.fit`` refuses, and for fewer than 50 of them.
    """
    rows = check_dense(load_digits().data if X is None else X)
    if len(rows) < 50:
        raise ValueError(
            f"there are {counted(len(rows), 'row')}, and a fifth of them evaluates the networks: pass "
            "at least 50"
        )
    order = np.random.default_rng(random_state).permutation(len(rows))
    unseen, train = rows[order[: len(rows) // 5]], rows[order[len(rows) // 5 :]]
    n_components = min(n_components, rows.shape[1])

    def trained(own: Sequence[int]) -> Autoencoder:
        return Autoencoder(n_components, widths=tuple(own), random_state=random_state).fit(train)

    with warnings.catch_warnings():
        # A small network may be no better than PCA: that is one of the results.
        warnings.simplefilter("ignore", NoImprovementWarning)
        large = trained(widths)
        models: list[tuple[str, Autoencoder | None]] = [(LARGE, large)]
        models += [(PRUNED, _pruned(large, train, tolerance)) for tolerance in tolerances]
        for own in small_widths:
            taught = distill(large, train, own, random_state=random_state)
            models += [(TAUGHT, taught), (SCRATCH, trained(own))]
    records = [_record(how, model, unseen) for how, model in models if model is not None]
    return DistillingReport(data, n_components, tuple(records))


def _pruned(model: Autoencoder, rows: Float[np.ndarray, "n D"], tolerance: float) -> Autoencoder | None:
    """The smaller model, or None if no unit can be removed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="no hidden unit could be removed")
        smaller = prune(model, rows, tolerance=tolerance, trials=3)
    return None if smaller is model else smaller


def _record(how: str, model: Autoencoder, unseen: Float[np.ndarray, "m D"]) -> CompressedPoint:
    error = float(np.mean(reconstruction_error(model, unseen)))
    size = n_parameters(model.network_.pair)
    seconds = measured(model, size, error, unseen)["seconds_per_row"]
    return CompressedPoint(how, "-".join(map(str, model.widths)), size, error, seconds)
