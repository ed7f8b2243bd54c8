"""Claim: the intrinsic dimension is found with a known bias, honest intervals, and one verdict.

First the bias of each estimator on surfaces of known dimension, flat and curved, next to that of
scikit-dimension's, the implementations that the literature compares, on the same rows, if it is
installed. Then how often intervals of 95 % cover the truth: where the theory holds, on flat tori, which
have no edge, and on balls and cubes, which have one. Then how noise shows at small scales, and how
often ``choose_dimension`` gives the dimension of surfaces in fifty columns, and how long it takes. At
last what it says of data as users have them, and whether it says so again from another seed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
import numpy as np
from common import Aim, Report, json_option, quick_option
from ordinary import birds, clusters, faces, long_plane, smooth_spectrum, standardised, torsions
from sklearn.datasets import make_s_curve, make_swiss_roll

from isthmus import choose_dimension, intrinsic_dimension
from isthmus.diagnostics.dimension.choice import DimensionChoice
from isthmus.diagnostics.dimension.methods import MLE, Gride, Method, TwoNN

COLUMNS = 50
LEVEL = 0.95
SPREADS = (0.0, 0.002, 0.005, 0.01)
"""Standard deviations of the noise on a sheet of side 1."""

Maker = Callable[[int, int, np.random.Generator], np.ndarray]

BIASED: dict[str, Method] = {"two_nn": TwoNN(), "mle": MLE()}

METHODS: dict[str, Method] = {
    "two_nn": TwoNN(),
    "two_nn, all ratios": TwoNN(discard=0),
    "mle": MLE(),
    "gride, k = 2": Gride((2,)),
}

PEERS = Aim(0.02, at_least=False)
"""By how much the size of our bias may exceed that of scikit-dimension, as a share of d."""

COVERED = Aim(0.05, at_least=False)
"""Distance of the share of intervals that hold the truth from their level."""

HITS = Aim(0.9)
WITHIN, AGAIN = Aim(0.95), Aim(0.9)
SECONDS = Aim(60.0, at_least=False)


# Rows of known dimension: (n, d, rng) -> (n, D).


def cube(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """Uniform, variance 1."""
    return rng.uniform(-np.sqrt(3), np.sqrt(3), (n, d))


def gaussian(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((n, d))


def sphere(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """The surface of a ball of d + 1 dimensions."""
    rows = rng.standard_normal((n, d + 1))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def ball(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    return sphere(n, d - 1, rng) * rng.uniform(size=(n, 1)) ** (1 / d)


def torus(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """Flat, without an edge."""
    angles = rng.uniform(0, 2 * np.pi, (n, d))
    return np.hstack([np.cos(angles), np.sin(angles)])


def affine(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """A cube, turned and sheared in fifty columns."""
    return cube(n, d, rng) @ rng.standard_normal((d, COLUMNS))


def waves(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """sin(z W + b): it curves through fifty columns."""
    frequencies = 2 / d * rng.standard_normal((d, COLUMNS))
    return np.sin(cube(n, d, rng) @ frequencies + rng.uniform(0, 2 * np.pi, COLUMNS))


def squares(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """A plane, and squares of as many combinations of the coordinates."""
    z = cube(n, d, rng)
    plane, bent = rng.standard_normal((2, d, COLUMNS)) / np.sqrt(d)
    return z @ plane + (z @ bent) ** 2 / 2


def saturated(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """tanh of combinations of Gaussian coordinates."""
    return np.tanh(gaussian(n, d, rng) @ rng.standard_normal((d, COLUMNS)) / np.sqrt(d))


def swiss_roll(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    return make_swiss_roll(n, random_state=int(rng.integers(2**31)))[0]


def s_curve(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    return make_s_curve(n, random_state=int(rng.integers(2**31)))[0]


def mobius_band(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    angle, across = rng.uniform(0, 2 * np.pi, n), rng.uniform(-0.4, 0.4, n)
    radius = 1 + across * np.cos(angle / 2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), across * np.sin(angle / 2)], axis=1)


def helix(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    turn = rng.uniform(0, 6 * np.pi, n)
    return np.stack([np.cos(turn), np.sin(turn), turn / 6], axis=1)


NAMED: dict[str, tuple[Maker, int]] = {
    "helix": (helix, 1),
    "swiss roll": (swiss_roll, 2),
    "S-curve": (s_curve, 2),
    "Möbius band": (mobius_band, 2),
}

OF_ANY_DIMENSION: dict[str, Maker] = {
    "ball": ball,
    "Gaussian": gaussian,
    "sphere": sphere,
    "cube in 50 columns": affine,
    "waves in 50 columns": waves,
}


CHOSEN: dict[str, Maker] = {
    "waves": waves,
    "flat": affine,
    "squares": squares,
    "saturated": saturated,
}


@dataclass(frozen=True)
class Truth:
    """Data of a kind that users have, and the least and the most dimensions that are true of them."""

    make: Callable[[int, np.random.Generator], np.ndarray]
    n_rows: int
    least: int
    most: int

    def allows(self, choice: DimensionChoice) -> bool:
        """Whether the range holds a true value, and is narrow where rows are many and dimensions few."""
        wide = choice.high - choice.low > 2 and self.most <= 3 and self.n_rows >= 1000
        return choice.low <= self.most and self.least <= choice.high and not wide


TRUTHS = {
    "torsions": Truth(torsions, 2000, 2, 2),
    "faces": Truth(faces, 1000, 3, 3),
    "clusters of 2": Truth(lambda n, rng: clusters(n, 2, rng), 1000, 2, 2),
    "clusters of 3": Truth(lambda n, rng: clusters(n, 3, rng), 1000, 3, 3),
    "long plane": Truth(long_plane, 1000, 2, 2),
    "smooth spectrum": Truth(smooth_spectrum, 1000, 10, 100),
    "four columns": Truth(lambda n, rng: standardised(birds(n, rng)), 333, 1, 4),
}


# Bias, coverage, noise, and the choice.


def peers() -> dict[str, Callable[[np.ndarray], float]]:
    """The same two estimators of scikit-dimension, if it is installed."""
    try:
        from skdim.id import MLE as PeerMLE
        from skdim.id import TwoNN as PeerTwoNN
    except ImportError:
        return {}
    estimators = {"two_nn": PeerTwoNN(), "mle": PeerMLE(K=BIASED["mle"].most_neighbours)}

    def call(rows: np.ndarray, name: str) -> float:
        # scikit-dimension refuses rows of a single column.
        rows = np.hstack([rows, np.zeros((len(rows), 1))])
        return float(estimators[name].fit(rows).dimension_)

    return {name: partial(call, name=name) for name in estimators}


def bias(report: Report, dimensions: Sequence[int], sizes: Sequence[int], repeats: int) -> None:
    """Mean estimate over the truth, less one."""
    cases = [(name, make, d) for name, (make, d) in NAMED.items()]
    cases += [(name, make, d) for name, make in OF_ANY_DIMENSION.items() for d in dimensions]
    calls: dict[str, Callable[[np.ndarray], float]] = {
        name: partial(_estimate, method=method) for name, method in BIASED.items()
    }
    calls |= {f"{name}, peer": call for name, call in peers().items()}
    table, results = [], {}
    for name, make, d in cases:
        for n in sizes:
            draws = [make(n, d, np.random.default_rng(seed)) for seed in range(repeats)]
            shares = {
                key: float(np.mean([call(x) for x in draws])) / d - 1 for key, call in calls.items()
            }
            table.append((name, str(d), f"{n:,}", *(f"{100 * share:+.1f}" for share in shares.values())))
            results[f"{name}, d = {d}, n = {n}"] = shares
    report.table(f"Bias, % of d: mean of {repeats} draws", ("", "d", "rows", *calls), table)
    report.results["bias"] = results
    if not peers():
        return
    worst = {
        name: max(abs(shares[name]) - abs(shares[f"{name}, peer"]) for shares in results.values())
        for name in BIASED
    }
    rows = [(name, f"{100 * gap:.1f}", report.judge(PEERS, gap)) for name, gap in worst.items()]
    report.table("Our bias beyond the peer's, at worst, %", ("", "%", "aim, a share"), rows)


def _estimate(rows: np.ndarray, method: Method) -> float:
    return intrinsic_dimension(rows, method).estimate


def coverage(report: Report, dimensions: Sequence[int], n: int, repeats: int) -> None:
    """How often intervals of 95 % hold the truth."""
    table, results = [], {}
    for name, make in (("torus", torus), ("ball", ball), ("cube", cube)):
        for d in dimensions:
            hits: dict[str, list[bool]] = {method: [] for method in METHODS}
            for seed in range(repeats):
                rows = make(n, d, np.random.default_rng(seed))
                for method, chosen in METHODS.items():
                    found = intrinsic_dimension(rows, chosen)
                    hits[method].append(found.low <= d <= found.high)
            shares = {method: float(np.mean(hit)) for method, hit in hits.items()}
            off = max(abs(shares[method] - LEVEL) for method in METHODS if method.startswith("two_nn"))
            aim = report.judge(COVERED if d <= 2 or name == "torus" else None, off)
            table.append((name, str(d), *(f"{100 * share:.1f}" for share in shares.values()), aim))
            results[f"{name}, d = {d}"] = shares
    report.table(
        f"Intervals of 95 % that hold the truth, %: {repeats} draws of {n:,} rows",
        ("", "d", *METHODS, "two_nn off by"),
        table,
    )
    report.results["coverage"] = results


def noise(report: Report, n: int) -> None:
    """A sheet of two dimensions in ten columns, with noise in all of them."""
    rng = np.random.default_rng(0)
    sheet = np.hstack([rng.uniform(size=(n, 2)), np.zeros((n, 8))])
    results = {}
    for method in ("two_nn", "gride"):
        columns: list[list[str]] = []
        for spread in SPREADS:
            found = intrinsic_dimension(sheet + spread * rng.standard_normal(sheet.shape), method)
            columns.append([f"{scale.estimate:.2f}" for scale in found.scales])
            results[f"{method}, noise {spread:g}"] = [vars(scale) for scale in found.scales]
        scales = [f"{scale.quantity} = {scale.value:g}" for scale in found.scales]
        report.table(
            f"{method}: a sheet of side 1, {n:,} rows, by the noise's standard deviation",
            ("scale", *(f"{spread:g}" for spread in SPREADS)),
            list(zip(scales, *columns, strict=True)),
        )
    report.results["noise"] = results


def choices(report: Report, dimensions: Sequence[int], n: int, seeds: int) -> None:
    """How often the dimension is the true one, and the time of the first and of a later call."""
    table, results, slowest = [], {}, 0.0
    for name, make in CHOSEN.items():
        for d in dimensions:
            found, seconds = [], []
            for seed in range(seeds):
                rows = make(n, d, np.random.default_rng(seed))
                start = time.perf_counter()
                found.append(choose_dimension(rows, random_state=seed))
                seconds.append(time.perf_counter() - start)
            hits = [choice.dimension == d for choice in found]
            knees = [choice.knee == d for choice in found]
            table.append(
                (
                    *(name, str(d), f"{sum(hits)} of {seeds}", f"{sum(knees)} of {seeds}"),
                    ", ".join(sorted({f"{choice.low}–{choice.high}" for choice in found})),
                    f"{seconds[0]:.1f}",
                    f"{np.median(seconds):.1f}",
                    f"{max(seconds):.1f}",
                    report.judge(HITS if d <= 5 else None, float(np.mean(hits))),
                )
            )
            slowest = max(slowest, *seconds)
            results[f"{name}, d = {d}"] = {
                "dimension": [choice.dimension for choice in found],
                "knee": [choice.knee for choice in found],
                "seconds": seconds,
            }
    report.table(
        f"choose_dimension, {n:,} rows in {COLUMNS} columns",
        ("", "d", "right", "knee right", "range", "first, s", "median, s", "longest, s", "share right"),
        table,
    )
    title = "Seconds of a choice"
    report.table(
        title, ("", "s", "aim"), [("longest", f"{slowest:.1f}", report.judge(SECONDS, slowest))]
    )
    report.results["choices"] = results


def truths(report: Report, seeds: int) -> None:
    """How often the range holds a true value, and how often another seed gives the same best one."""
    table, results = [], {}
    for name, truth in TRUTHS.items():
        draws = [truth.make(truth.n_rows, np.random.default_rng(seed)) for seed in range(seeds)]
        found, again = ([choose_dimension(rows, random_state=seed) for rows in draws] for seed in (0, 1))
        right = float(np.mean([truth.allows(choice) for choice in found]))
        same = float(np.mean([a.dimension == b.dimension for a, b in zip(found, again, strict=True)]))
        contradicts = [c for c in found + again if c.agrees and not c.low <= (c.knee or 0) <= c.high]
        answers = Counter(f"{c.dimension} ({c.low}–{c.high})" for c in found)
        table.append(
            (
                *(name, str(truth.n_rows), f"{truth.least}–{truth.most}"),
                ", ".join(f"{answer} × {times}" for answer, times in answers.most_common()),
                *(f"{right:.2f}", report.judge(WITHIN, right)),
                *(f"{same:.2f}", report.judge(AGAIN, same)),
                str(len(contradicts)),
            )
        )
        results[name] = {"answers": dict(answers), "right": right, "same": same}
    columns = ("", "rows", "true", "said", "right", "aim", "same again", "aim", "contradictions")
    report.table(f"{seeds} draws of data as users have them", columns, table)
    report.results["truths"] = results


PARTS = ("bias", "coverage", "noise", "choices", "truths")


@click.command(help=__doc__)
@quick_option
@click.option(
    "--part", "parts", type=click.Choice(PARTS), multiple=True, default=PARTS, help="Only these."
)
@click.option("--repeats", type=click.IntRange(1), default=200, show_default=True, help="Of intervals.")
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True, help="Of choices.")
@json_option
def main(quick: bool, parts: tuple[str, ...], repeats: int, seeds: int, json_path: Path | None) -> None:
    report = Report("Intrinsic dimension: bias, coverage, noise, and the choice", quick)
    if "bias" in parts:
        bias(report, *(((2,), (300,), 1) if quick else ((1, 2, 3, 5, 10, 20), (1000, 5000), 3)))
    if "coverage" in parts:
        coverage(report, *(((1,), 100, 3) if quick else ((1, 2, 3), 1000, repeats)))
    if "noise" in parts:
        noise(report, 300 if quick else 4000)
    if "choices" in parts:
        choices(report, *(((2,), 200, 1) if quick else ((1, 2, 3, 5, 8), 2000, seeds)))
    if "truths" in parts:
        truths(report, 1 if quick else 20)
    report.write(json_path)


if __name__ == "__main__":
    main()
