"""That an export computes what the model does, before there is a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from isthmus.files.export._programs import ExportError

TOLERANCE = 1e-5
"""Largest difference, relative to how far a column goes over the probe rows."""

LEAST_SPREAD = 0.1
"""Least spread that is divided by, in units of the scaling: 1e-6 of a unit is eight roundings of single
precision, in which models and exports compute."""

MOVE = 3e-6
"""By what share of a column's spread probe rows are moved: an export may differ as far as that moves the
model's own results, up to ``MOST_MOVED``. Where a map is steep, rounding moves them, too."""

MOST_MOVED = 1e-3

Run: TypeAlias = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""An export as others will run it: rows in, and each output under its name."""


@dataclass(frozen=True)
class Expected:
    """What the model itself gives for probe rows: ``values`` (n, K), of the columns ``names``.

    ``spread`` is how far each column goes, and ``moved`` (n, K) how far rounding may move each value.
    ``method`` is who says so.
    """

    values: Float[np.ndarray, "n K"]
    moved: Float[np.ndarray, "n K"]
    spread: Float[np.ndarray, " K"]
    names: Sequence[str]
    method: str

    @classmethod
    def of(
        cls,
        function: Callable[[np.ndarray], np.ndarray],
        probes: Float[np.ndarray, "n k"],
        names: Sequence[str],
        method: str,
        units: Float[np.ndarray, " K"] | float | None = None,
    ) -> Expected:
        """By calling the function; ``units`` are those of the columns, None for one in common."""
        values = function(probes)
        rng, moves = np.random.default_rng(0), MOVE * np.std(probes, axis=0)
        moved = np.zeros_like(values)
        for _ in range(4):
            near = function(probes + moves * rng.choice([-1.0, 1.0], probes.shape))
            moved = np.maximum(moved, np.abs(near - values))
        deviation = np.std(values, axis=0)
        if units is None:
            units = float(np.sqrt(np.mean(np.square(deviation)))) or 1.0
        spread = np.maximum(deviation, LEAST_SPREAD * np.asarray(units))
        return cls(values, np.minimum(moved, MOST_MOVED * spread), spread, names, method)

    def differences(self, found: np.ndarray) -> Float[np.ndarray, " K"]:
        """Largest difference of the first rows beyond rounding, in units of each column's spread."""
        n = len(found)
        gaps = np.maximum(np.abs(found - self.values[:n]) - self.moved[:n], 0.0)
        largest: np.ndarray = np.max(gaps, axis=0) / self.spread
        return np.where(np.isnan(largest), np.inf, largest)


def verify(run: Run, probes: np.ndarray, expected: Mapping[str, Expected]) -> None:
    """Raise ExportError unless probe rows come out as the model has them, all at once and one alone."""
    for rows in (probes, probes[:1]):
        outputs = run(rows)
        for name, one in expected.items():
            if outputs[name].shape != (len(rows), len(one.names)):
                raise ExportError(
                    f"the export gives {name} of shape {outputs[name].shape}, and {one.method} "
                    f"{(len(rows), len(one.names))}"
                )
            differences = one.differences(outputs[name])
            worst = int(np.argmax(differences))
            if not differences[worst] <= TOLERANCE:
                raise ExportError(
                    f"{name}: the export differs from {one.method} by {differences[worst]:.2g} of the "
                    f"spread of {one.names[worst]}, and {TOLERANCE:g} is allowed for rounding; no file "
                    "was written. Keep the model with isthmus.save"
                )
