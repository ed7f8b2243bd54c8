"""Claim: with no argument given, the error on unseen rows is far below PCA's, and never above it.

The error is the mean of ‖x − x̂‖² over rows that neither model saw. First digits and MNIST, mean
over random splits; then many kinds of data, numbers of rows and of components, among them kinds where
there is nothing to win.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from common import Aim, Report, extent, flat_data_allowed, json_option, mnist_option, quick_option
from rows import digits, images, pca_error, split
from sklearn import datasets
from sklearn.preprocessing import StandardScaler

from isthmus import Autoencoder, NeighbourAutoencoder, reconstruction_error
from isthmus.estimators.base import BaseMap

NOTHING = 1e-9
"""Share of the total variance below which an error is rounding."""

UNSEEN = 1000
"""Test rows where rows are drawn."""

MEDIAN_AIM, WORST_AIM = Aim(1.00, at_least=False), Aim(1.03, at_least=False)
MEAN_AIM = Aim(0.52, at_least=False)


def errors(
    train: np.ndarray, test: np.ndarray, d: int, seed: int, kind: type[BaseMap] = Autoencoder
) -> tuple[float, float]:
    """Mean squared distance ‖x − x̂‖² on test rows of isthmus with its defaults, and of PCA."""
    with flat_data_allowed():
        model = kind(d, random_state=seed).fit(train)
    return float(np.mean(reconstruction_error(model, test))), pca_error(train, test, d)


# Much better than PCA.


@dataclass(frozen=True)
class Bounded:
    """A data set, a number of components, the bound on our error over PCA's, and the map."""

    name: str
    rows: np.ndarray
    d: int
    aim: Aim
    kind: type[BaseMap] = Autoencoder


def bounded(mnist: Path | None, quick: bool) -> list[Bounded]:
    """Digits, and MNIST if there is a file of it."""
    found = [
        Bounded("1797 digits", digits(), 2, Aim(0.57, at_least=False)),
        Bounded("1797 digits", digits(), 2, Aim(0.43, at_least=False), NeighbourAutoencoder),
        Bounded("1797 digits", digits(), 10, Aim(0.47, at_least=False)),
    ]
    if mnist is not None:
        rows, name = images(mnist, 1000 if quick else 10_000)
        found.append(Bounded(name, rows, 2, Aim(0.66, at_least=False)))
        found.append(Bounded(name, rows, 2, Aim(0.64, at_least=False), NeighbourAutoencoder))
    return found[:2] + found[3:] if quick else found


def far_below_pca(report: Report, mnist: Path | None, rounds: int) -> None:
    """Print the ratio of mean errors over random splits, a fifth of the rows unseen."""
    table = []
    for case in bounded(mnist, report.quick):
        pairs = []
        for seed in range(rounds):
            train, test = split(case.rows, len(case.rows) // 5, seed)
            pairs.append(errors(train, test, case.d, seed, case.kind))
        ours, pca = np.mean(pairs, axis=0)
        each = [a / b for a, b in pairs]
        name = f"{case.name}, d = {case.d}, {case.kind.__name__}"
        row = (f"{ours:.4g}", f"{pca:.4g}", f"{ours / pca:.3f}", extent(each, ".3f"))
        table.append((name, *row, report.judge(case.aim, ours / pca)))
        report.results[name] = {"errors": pairs, "ratio": ours / pca, "aim": str(case.aim)}
    title = f"Error on unseen rows, mean of {rounds} random splits, defaults only"
    report.table(title, ("", "isthmus", "PCA", "ratio", "range", "aim"), table)


# Never worse than PCA.

Draw = Callable[[int, np.random.Generator], np.ndarray]
"""(rows to draw, generator) → rows."""


@dataclass(frozen=True)
class Kind:
    """A kind of data, and the pairs (training rows, components) to try on it."""

    name: str
    draw: Draw
    cases: tuple[tuple[int, int], ...]
    finite: bool = False

    def rows(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """n training rows, and unseen rows: what a finite set has left, or newly drawn ones."""
        rng = np.random.default_rng(seed)
        rows = self.draw(n + UNSEEN, rng)
        if self.finite:
            rows = rows[rng.permutation(len(rows))][: n + UNSEEN]
        return rows[:n], rows[n:]


def loaded(load: Callable[..., tuple[np.ndarray, object]], standardised: bool = False) -> Draw:
    """All rows of a data set of scikit-learn."""

    def draw(n: int, rng: np.random.Generator) -> np.ndarray:
        rows, _ = load(return_X_y=True)
        return StandardScaler().fit_transform(rows) if standardised else rows

    return draw


def rank_deficient(n: int, rng: np.random.Generator) -> np.ndarray:
    """Rank 3 in 20 columns, the same subspace for every draw."""
    return rng.standard_normal((n, 3)) @ np.random.default_rng(0).standard_normal((3, 20))


def heavy_tailed(n: int, rng: np.random.Generator) -> np.ndarray:
    """Student's t with 2 degrees of freedom: the variance is infinite."""
    return rng.standard_t(2, (n, 12))


def one_hot(n: int, rng: np.random.Generator) -> np.ndarray:
    """Three categories of 6 values each, the third set by the first two."""
    a, b = rng.integers(0, 6, (2, n))
    return np.hstack([np.eye(6)[a], np.eye(6)[b], np.eye(6)[(a + b) % 6]])


def counts(n: int, rng: np.random.Generator) -> np.ndarray:
    """Poisson counts whose rates depend on two hidden variables."""
    rates = rng.standard_normal((n, 2)) @ np.random.default_rng(0).standard_normal((2, 25)) / 2
    return rng.poisson(np.exp(1 + rates))


def blobs(n: int, rng: np.random.Generator) -> np.ndarray:
    """Eight Gaussian clusters in 15 columns."""
    centers = 4 * np.random.default_rng(0).standard_normal((8, 15))
    return centers[rng.integers(0, 8, n)] + rng.standard_normal((n, 15))


def curved(n: int, rng: np.random.Generator) -> np.ndarray:
    """A curved surface of two dimensions in 30 columns, with a little noise."""
    fixed = np.random.default_rng(0)
    hidden = rng.standard_normal((n, 2)) @ fixed.standard_normal((2, 40))
    return np.sin(hidden) @ fixed.standard_normal((40, 30)) / 6 + 0.05 * rng.standard_normal((n, 30))


def roll(n: int, rng: np.random.Generator) -> np.ndarray:
    """The swiss roll, with a little noise."""
    return datasets.make_swiss_roll(n, noise=0.1, random_state=int(rng.integers(2**31)))[0]


def s_curve(n: int, rng: np.random.Generator) -> np.ndarray:
    """The S-curve, with a little noise."""
    return datasets.make_s_curve(n, noise=0.05, random_state=int(rng.integers(2**31)))[0]


def gaussian(n: int, rng: np.random.Generator) -> np.ndarray:
    """Independent columns of equal variance: nothing to find."""
    return rng.standard_normal((n, 20))


wine, breast_cancer = datasets.load_wine, datasets.load_breast_cancer

KINDS = (
    Kind("iris", loaded(datasets.load_iris), ((20, 1), (50, 2), (100, 2), (100, 3)), finite=True),
    Kind("wine", loaded(wine), ((20, 1), (60, 2), (120, 5)), finite=True),
    Kind("wine, scaled", loaded(wine, True), ((20, 2), (60, 2), (120, 5)), finite=True),
    Kind("cancer", loaded(breast_cancer), ((50, 1), (200, 2), (400, 5)), finite=True),
    Kind(
        "cancer, standardised", loaded(breast_cancer, True), ((50, 2), (200, 2), (400, 10)), finite=True
    ),
    Kind("diabetes", loaded(datasets.load_diabetes), ((50, 1), (100, 2), (300, 5)), finite=True),
    Kind("digits", loaded(datasets.load_digits), ((20, 2), (50, 10), (200, 2), (1000, 10)), finite=True),
    Kind("swiss roll", roll, ((50, 2), (500, 1), (2000, 2))),
    Kind("S-curve", s_curve, ((50, 2), (500, 1), (2000, 2))),
    Kind("Gaussian noise", gaussian, ((20, 1), (100, 2), (500, 10), (2000, 5))),
    Kind("rank-deficient", rank_deficient, ((20, 2), (100, 3), (500, 5), (2000, 1))),
    Kind("heavy-tailed", heavy_tailed, ((50, 1), (200, 2), (1000, 5), (2000, 10))),
    Kind("one-hot", one_hot, ((50, 2), (200, 5), (1000, 10))),
    Kind("Poisson counts", counts, ((20, 1), (100, 2), (1000, 5))),
    Kind("blobs", blobs, ((50, 1), (300, 2), (2000, 5))),
    Kind("curved surface", curved, ((20, 1), (100, 2), (500, 2), (2000, 5))),
)


@dataclass(frozen=True)
class Comparison:
    """Errors of one case, averaged over its splits, and the variance of its unseen rows."""

    name: str
    ours: float
    pca: float
    variance: float

    @property
    def ratio(self) -> float:
        """Our error over PCA's; 1 where ours is nothing but rounding."""
        return 1.0 if self.ours <= NOTHING * self.variance else self.ours / self.pca


def comparisons(rounds: int, quick: bool) -> Iterator[Comparison]:
    """Every case of every kind; with ``quick`` the first of each."""
    for kind in KINDS:
        for n, d in kind.cases[:1] if quick else kind.cases:
            pairs, variances = [], []
            for seed in range(rounds):
                train, test = kind.rows(n, seed)
                pairs.append(errors(train, test, d, seed))
                variances.append(float(np.sum(np.var(test, axis=0))))
            ours, pca = np.mean(pairs, axis=0)
            yield Comparison(f"{kind.name}, n = {n}, d = {d}", ours, pca, float(np.mean(variances)))


def never_worse(report: Report, rounds: int) -> None:
    """Print every case, then the median, the geometric mean and the worst."""
    found = list(comparisons(rounds, report.quick))
    table = [(case.name, f"{case.ours:.4g}", f"{case.pca:.4g}", f"{case.ratio:.3f}") for case in found]
    title = f"Error on unseen rows, {len(found)} cases, splits per case: {rounds}"
    report.table(title, ("", "isthmus", "PCA", "ratio"), table)
    ratios = [case.ratio for case in found]
    median, worst = float(np.median(ratios)), float(np.max(ratios))
    mean = float(np.exp(np.mean(np.log(ratios))))
    report.table(
        "Error of isthmus / error of PCA",
        ("", "ratio", "aim"),
        (
            ("median", f"{median:.3f}", report.judge(MEDIAN_AIM, median)),
            ("geometric mean", f"{mean:.3f}", report.judge(MEAN_AIM, mean)),
            ("worst", f"{worst:.3f}", report.judge(WORST_AIM, worst)),
        ),
    )
    report.results["never worse"] = {case.name: case.ratio for case in found}


@click.command(help=__doc__)
@click.option("--never-worse", "grid", is_flag=True, help="Only the many kinds of data.")
@quick_option
@click.option(
    "--rounds",
    type=click.IntRange(1),
    help="Random splits: unless told, 5, and 1 of each of the many kinds of data.",
)
@mnist_option
@json_option
def main(
    grid: bool, quick: bool, rounds: int | None, mnist: Path | None, json_path: Path | None
) -> None:
    report = Report("Quality: error on unseen rows against PCA's, defaults only", quick)
    if not grid:
        far_below_pca(report, mnist, 1 if quick else rounds or 5)
    never_worse(report, 1 if quick else rounds or 1)
    report.write(json_path)


if __name__ == "__main__":
    main()
