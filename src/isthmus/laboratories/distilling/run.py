"""The laboratory of compression: what a large network still can when most of it is gone.

A large map is trained, then made small in three ways: its own units removed (pruned), a small network
taught by it (distilled), and, for comparison, a small network that never saw it. All are judged on rows
that none of them saw.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from sklearn.datasets import load_digits

from isthmus.compression.distill import distill
from isthmus.compression.kinds import measured
from isthmus.compression.prune import prune
from isthmus.compression.units import n_parameters
from isthmus.data.checks import check_table
from isthmus.data.rows import dense
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.fitting import NoImprovementWarning
from isthmus.networks.applying import reconstruction_error

LARGE, PRUNED, TAUGHT, ALONE = "large", "pruned", "taught by the large one", "trained alone"


class CompressedPoint(NamedTuple):
    """One network: how it came about, its size, what it achieves, and what a row costs.

    ``error`` is the mean ‖x − x̂‖² over unseen rows, in the data's own units squared;
    ``seconds_per_row`` the time of ``transform``.
    """

    how: str
    widths: str
    n_parameters: int
    error: float
    seconds_per_row: float


@dataclass(frozen=True)
class DistillingReport:
    """What the laboratory found: ``records`` of networks, the large one first."""

    data: str
    n_components: int
    records: tuple[CompressedPoint, ...]

    def of(self, how: str) -> tuple[CompressedPoint, ...]:
        """The networks that came about in this way, the largest first."""
        found = [record for record in self.records if record.how == how]
        return tuple(sorted(found, key=lambda record: -record.n_parameters))

    @property
    def verdict(self) -> str:
        """Two lines in words."""
        (large,), pruned = self.of(LARGE), self.of(PRUNED)
        small, alone = self.of(TAUGHT)[-1], self.of(ALONE)[-1]
        first = f"{self.data}, {self.n_components} coordinates: no unit can be removed"
        if pruned:
            least = min(pruned, key=lambda record: record.n_parameters)
            first = (
                f"{self.data}, {self.n_components} coordinates: pruned to "
                f"{least.n_parameters / large.n_parameters:.0%} of {large.n_parameters:,} parameters "
                f"the map has {least.error / large.error:.2f} × the error of the large one on unseen "
                f"rows, at {least.seconds_per_row / large.seconds_per_row:.0%} of the time per row"
            )
        better = "less" if small.error < alone.error else "no less"
        return (
            f"{first}.\nA network with {small.n_parameters / large.n_parameters:.0%} of the parameters "
            f"ends at {small.error / large.error:.2f} × that error if the large one teaches it, and at "
            f"{alone.error / large.error:.2f} × alone: taught, its error is {better}."
        )


def run(
    X: Any = None,
    *,
    data: str = "digits",
    n_components: int = 5,
    widths: Sequence[int] = (256, 128),
    small_widths: Sequence[Sequence[int]] = ((64, 32), (16, 8)),
    tolerances: Sequence[float] = (0.02, 0.2),
    random_state: int = 0,
) -> DistillingReport:
    """A large map of X (n, D), or of scikit-learn's digits, and small ones made of it.

    ``data`` names the rows, of which a fifth is kept from all networks to judge them. ``tolerances`` are
    those of ``prune``, ``small_widths`` the hidden layers of the networks that are taught, or trained
    alone. 5 coordinates and a large network of (256, 128), because that is more than digits need and is
    trained in seconds.

    Raises ValueError for rows that ``Autoencoder.fit`` refuses, and for fewer than 50 of them.
    """
    rows = np.asarray(dense(check_table(load_digits().data if X is None else X)), np.float64)
    if len(rows) < 50:
        raise ValueError(
            f"there are {len(rows)} rows, and a fifth of them judges the others: pass 50 at least"
        )
    order = np.random.default_rng(random_state).permutation(len(rows))
    unseen, train = rows[order[: len(rows) // 5]], rows[order[len(rows) // 5 :]]
    n_components = min(n_components, rows.shape[1])

    def alone(own: Sequence[int]) -> Any:
        return Autoencoder(n_components, widths=tuple(own), random_state=random_state).fit(train)

    with warnings.catch_warnings():
        # That a small network wins nothing over PCA is one of the findings.
        warnings.simplefilter("ignore", NoImprovementWarning)
        large = alone(widths)
        models = [(LARGE, large)]
        models += [(PRUNED, _pruned(large, train, tolerance)) for tolerance in tolerances]
        for own in small_widths:
            taught = distill(large, train, own, random_state=random_state)
            models += [(TAUGHT, taught), (ALONE, alone(own))]
    records = [_record(how, model, unseen) for how, model in models if model is not None]
    return DistillingReport(data, n_components, tuple(records))


def _pruned(model: Any, rows: Float[np.ndarray, "n D"], tolerance: float) -> Any:
    """The smaller model, or None where nothing can go."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="no hidden unit could be removed")
        smaller = prune(model, rows, tolerance=tolerance, trials=3)
    return None if smaller is model else smaller


def _record(how: str, model: Any, unseen: Float[np.ndarray, "m D"]) -> CompressedPoint:
    error = float(np.mean(reconstruction_error(model, unseen)))
    size = n_parameters(model.network_.pair)
    seconds = measured(model, size, error, unseen)["seconds_per_row"]
    return CompressedPoint(how, "-".join(map(str, model.widths)), size, error, seconds)
