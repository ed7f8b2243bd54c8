"""Reasons to distrust a map, as sentences for the page."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from isthmus.diagnostics.dimension.choice import DimensionChoice
from isthmus.report.findings import Findings

LOW_TRUST = 0.9
"""Trustworthiness below which neighbours in the picture are often none in the data."""

LINE = 0.05
"""Ratio of the spreads of two coordinates below which their picture is a line."""

UNEVEN = 4.0
"""Ratio of areas, the 95th percentile to the 5th, above which areas in the picture mislead."""

MOST_OF_MAP = 0.6
"""Share of the coordinates' variance between the values of a category above which it makes the map."""

APART = 0.1
"""A category divides the picture if a nearest row has another value less often than this share of what
it would be by chance."""

STRETCHED = 3.0
"""Median anisotropy above which directions in the picture mislead."""


def reasons(findings: Findings) -> tuple[str, ...]:
    """Sentences, the gravest first."""
    return tuple(
        sentence
        for about in (
            _of_notes,
            _of_line,
            _of_dimension,
            _of_categories,
            _of_noise,
            _of_neighbours,
            _of_hidden,
            _of_geometry,
            _of_rows,
            _of_other_methods,
        )
        for sentence in about(findings)
    )


def _of_notes(findings: Findings) -> Iterator[str]:
    for note in findings.notes:
        yield f"The fit warned: {note}."


def _of_line(findings: Findings) -> Iterator[str]:
    spread = findings.coordinates[:, :2].std(axis=0)
    if spread[1] < LINE * spread[0]:
        feature, one = next(iter(findings.loadings.strongest(0, 1).items()))
        varies = (
            f"varies {spread[0] / spread[1]:.0f} times as much as coordinate 1"
            if spread[1] > 0
            else "varies, and coordinate 1 does not"
        )
        yield (
            f"The picture is a line: coordinate 0 {varies}. It is mostly {feature}, which "
            f"changes by {one.mean:.3g} per unit. If other columns matter too, and are in other units, "
            "standardise them with --scaling standard."
        )


def _of_dimension(findings: Findings) -> Iterator[str]:
    d, found = findings.coordinates.shape[1], findings.dimension
    if found.dimension > d:
        yield (
            f"The data have {_dimensions(found)}, and the map has {d}: {findings.variance_left_out:.0%} "
            "of the variance of unseen rows is not in it. Rows that differ in the rest lie in one place."
        )


def _dimensions(found: DimensionChoice) -> str:
    return f"{found.answer} dimensions" if found.is_bound else f"about {found.answer} dimensions"


def _of_categories(findings: Findings) -> Iterator[str]:
    for name, of in findings.of_categories.items():
        if of.variance > MOST_OF_MAP:
            yield (
                f"The picture is mostly {name}: {of.variance:.0%} of the coordinates' variance is "
                "between its values, and groups may be these. Leave it out to see what else there is."
            )
        elif of.neighbours > 1 - APART * (1 - of.by_chance):
            yield (
                f"The picture is divided by {name}: the nearest row has the same value for "
                f"{of.neighbours:.0%} of the rows, by chance for {of.by_chance:.0%}, so groups may be "
                "its values. Leave it out to see what else there is."
            )


def _of_noise(findings: Findings) -> Iterator[str]:
    if findings.dimension.noisy:
        yield (
            "At small scales the data look higher-dimensional than at large ones, as noisy data do: "
            "details of the map that are as small as the distance between neighbours are noise."
        )


def _of_neighbours(findings: Findings) -> Iterator[str]:
    found = findings.quality
    ks = np.atleast_1d(found.k)
    middle = (len(ks) - 1) // 2
    trust, continuity, overlap = (
        float(np.atleast_1d(value)[middle])
        for value in (found.trustworthiness, found.continuity, found.overlap)
    )
    if trust < LOW_TRUST:
        yield (
            f"Trustworthiness on unseen rows is {trust:.3f}: rows that lie side by side in the picture "
            "are often no neighbours in the data."
        )
    if continuity < LOW_TRUST:
        yield (
            f"Continuity on unseen rows is {continuity:.3f}: neighbours in the data are often torn "
            "apart."
        )
    if overlap < 0.5:
        yield (
            f"Of the {ks[middle]} nearest neighbours of an unseen row among unseen rows {overlap:.0%} "
            "are the same in map and data: look up single neighbours in the data, not in the picture."
        )


def _of_hidden(findings: Findings) -> Iterator[str]:
    if findings.hidden is not None and findings.hidden.is_found:
        yield findings.hidden_in_words


def _of_geometry(findings: Findings) -> Iterator[str]:
    area, anisotropy = findings.distortion.area, findings.distortion.anisotropy
    low, high = np.quantile(area, [0.05, 0.95])
    if high > UNEVEN * low:
        ratio = f"{high / low:.0f} times" if low > 0 else "infinitely many times"
        yield (
            f"A square of the picture stands for {ratio} as much of the data in some places as in "
            "others, without the 5% of the rows at either end: densities and distances of the picture "
            "are not those of the data."
        )
    median = float(np.median(anisotropy))
    if median > STRETCHED:
        yield (
            f"At half of the rows one direction of the picture is stretched more than {median:.1f} "
            "times as much as another."
        )


def _of_rows(findings: Findings) -> Iterator[str]:
    found = findings.reliability
    n_flagged = int(np.sum(found.flagged))
    if n_flagged:
        yield (
            f"{n_flagged} of {len(found.flagged)} fitted rows are marked in the picture of reliability: "
            f"they are rebuilt worse, or lie more alone, than all but {found.false_alarm_rate:.0%} of "
            "unseen rows."
        )
    if int(np.max(found.local_rank)) < findings.coordinates.shape[1]:
        yield "The map has coordinates that move nothing: fewer would do."


def _of_other_methods(findings: Findings) -> Iterator[str]:
    trust = {
        one: one.train.trustworthiness for one in findings.comparison.records if one.train is not None
    }
    if not trust:
        return
    best = max(trust, key=trust.__getitem__)
    ours = [one for one in trust if one.method == type(findings.model).__name__]
    if ours and trust[best] > trust[ours[0]] + 0.01:
        function = "" if best.explicit == "yes" else ", but has no function for new rows"
        yield (
            f"{best.method} keeps the neighbours of its own rows better "
            f"({trust[best]:.3f} against {trust[ours[0]]:.3f}){function}."
        )
