"""The result of width against depth: the errors of every net, and which depth wins.

A net is one start of one kind; a depth wins a comparison only if no start of the other is as good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from isthmus.laboratories._reports import Report

FOUND = 1e-3
"""Largest share of the variance that a net which has found the function misses."""


class Net(NamedTuple):
    """One network: its target, its size, and its errors.

    Errors are squared, summed over outputs, averaged over rows, as shares of the targets' variance: at 1
    the net is no better than their mean. A net with a large training error has not found the function;
    one with a large test error only has found another. ``budget`` is how many parameters were asked for.
    """

    target: str
    depth: int
    widths: tuple[int, ...]
    budget: int
    n_parameters: int
    learning_rate: float
    seed: int
    train_error: float
    test_error: float


class Wins(NamedTuple):
    """The targets of comparisons that the perceptron won, and of those that a deeper net won."""

    perceptron: list[str]
    deeper: list[str]


class Kind(NamedTuple):
    """All starts of one kind of net at one learning rate: medians, and the best and worst test error."""

    depth: int
    n_parameters: int
    learning_rate: float
    train_error: float
    test_error: float
    best: float
    worst: float


@dataclass(frozen=True, repr=False)
class CapacityReport(Report):
    """The result of ``isthmus.experiments.capacity``.

    Attributes
    ----------
    records : tuple of Net
        Of every target, budget, depth, learning rate and seed.

    Examples
    --------
    >>> from isthmus.laboratories.capacity.report import CapacityReport, Net
    >>> flat = Net("wave", 1, (20,), 81, 81, 0.01, 0, train_error=0.2, test_error=0.3)
    >>> deep = Net("wave", 2, (7, 7), 81, 85, 0.01, 0, train_error=0.1, test_error=0.1)
    >>> report = CapacityReport((flat, deep))
    >>> report.depths, round(report.mismatch, 3)  # 85/81 − 1
    ((1, 2), 0.049)
    """

    records: tuple[Net, ...]

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets, in the order of the records."""
        return tuple(dict.fromkeys(net.target for net in self.records))

    @property
    def budgets(self) -> dict[str, tuple[int, ...]]:
        """The budgets of each target, ascending."""
        each = {(net.target, net.budget) for net in self.records}
        return {one: tuple(sorted(b for target, b in each if target == one)) for one in self.targets}

    @property
    def depths(self) -> tuple[int, ...]:
        """The depths, ascending; the first is the perceptron."""
        return tuple(sorted({net.depth for net in self.records}))

    @property
    def lowest_rate(self) -> float:
        """The lowest learning rate, which is nearest to customary ones."""
        return min(net.learning_rate for net in self.records)

    @property
    def mismatch(self) -> float:
        """The largest relative difference between a number of parameters and its budget."""
        return max(abs(net.n_parameters / net.budget - 1) for net in self.records)

    def kinds(self, target: str, budget: int, learning_rate: float | None = None) -> tuple[Kind, ...]:
        """Medians over the starts of one kind of net of each depth.

        Parameters
        ----------
        target : str
            Name of the target.
        budget : int
            How many parameters were asked for.
        learning_rate : float or None, default None
            None takes of each depth its own: where its training error is least.

        Returns
        -------
        tuple of Kind

        Raises
        ------
        ValueError
            If there are no such nets among the records.

        Examples
        --------
        >>> from isthmus.laboratories.capacity.report import CapacityReport, Net
        >>> starts = [
        ...     Net("wave", 1, (20,), 81, 81, 0.01, seed, train_error=0.2, test_error=0.1 * (seed + 1))
        ...     for seed in range(3)
        ... ]
        >>> (kind,) = CapacityReport(tuple(starts)).kinds("wave", 81)
        >>> round(kind.test_error, 6), kind.best, round(kind.worst, 6)  # of 0.1, 0.2 and 0.3
        (0.2, 0.1, 0.3)
        """
        found = self._kinds.get((target, budget), [])
        of_rate = [kind for kind in found if learning_rate in (None, kind.learning_rate)]
        if not of_rate:
            rate = "" if learning_rate is None else f", learning_rate={learning_rate:g}"
            known = sorted({net.learning_rate for net in self.records})
            raise ValueError(
                f"no net of target={target!r}, budget={budget}{rate}: expected one of the budgets "
                f"{self.budgets} and learning rates {', '.join(f'{each:g}' for each in known)}"
            )
        each = ([kind for kind in of_rate if kind.depth == depth] for depth in self.depths)
        return tuple(min(kinds, key=lambda kind: kind.train_error) for kinds in each)

    def clear_winner(self, target: str, budget: int, learning_rate: float | None = None) -> int | None:
        """The depth of the least median test error, if depth is what made it; otherwise None.

        The perceptron is compared with the best of the deeper nets. It is depth if no start of the one
        is as good as any of the other, a chance of 1 in 126 for five starts each that do not differ, and
        if not both have found the function, to a thousandth of the variance.

        Parameters
        ----------
        target : str
            Name of the target.
        budget : int
            How many parameters were asked for.
        learning_rate : float or None, default None
            None takes of each depth its own: where its training error is least.

        Returns
        -------
        int or None

        Examples
        --------
        >>> from isthmus.laboratories.capacity.report import CapacityReport, Net
        >>> flat = Net("wave", 1, (20,), 81, 81, 0.01, 0, train_error=0.2, test_error=0.3)
        >>> deep = Net("wave", 2, (7, 7), 81, 85, 0.01, 0, train_error=0.1, test_error=0.1)
        >>> CapacityReport((flat, deep)).clear_winner("wave", 81)
        2
        """
        perceptron, *deeper = self.kinds(target, budget, learning_rate)
        if not deeper:
            return None
        deep = min(deeper, key=lambda kind: kind.test_error)
        if max(perceptron.test_error, deep.test_error) < FOUND:
            return None
        if perceptron.worst < deep.best:
            return 1
        return deep.depth if deep.worst < perceptron.best else None

    @property
    def verdict(self) -> str:
        """Two lines in words."""
        missed = ", ".join(map(self._missed, self.targets))
        own, common = self._won(None), self._won(self.lowest_rate)
        depths = " / ".join(map(str, self.depths))
        return (
            f"Share of the variance that nets of {depths} hidden layers miss on new rows, with as many "
            f"parameters and each at its own learning rate: {missed}.\n"
            f"Of {sum(map(len, self.budgets.values()))} comparisons the perceptron wins "
            f"{_listed(own.perceptron)}, a deeper net {_listed(own.deeper)}, and the others are "
            f"too close to tell; with a rate of {self.lowest_rate:g} for all, the perceptron wins "
            f"{len(common.perceptron)}, a deeper net {len(common.deeper)}: {_conclusion(own)}."
        )

    @cached_property
    def _kinds(self) -> dict[tuple[str, int], list[Kind]]:
        starts: dict[tuple[str, int, int, float], list[Net]] = {}
        for net in self.records:
            key = (net.target, net.budget, net.depth, net.learning_rate)
            starts.setdefault(key, []).append(net)
        kinds: dict[tuple[str, int], list[Kind]] = {}
        for (target, budget, *_), nets in starts.items():
            kinds.setdefault((target, budget), []).append(_kind(nets))
        return kinds

    def _missed(self, target: str) -> str:
        """The share missed by each depth, at the largest budget."""
        errors = [kind.test_error for kind in self.kinds(target, self.budgets[target][-1])]
        return f"{target} {' / '.join(f'{error:.2%}' for error in errors)}"

    def _won(self, learning_rate: float | None) -> Wins:
        """Targets, once for each budget at which there is a clear winner."""
        won = Wins([], [])
        for target, budgets in self.budgets.items():
            for budget in budgets:
                depth = self.clear_winner(target, budget, learning_rate)
                if depth is not None:
                    (won.perceptron if depth == 1 else won.deeper).append(target)
        return won


def _kind(nets: Sequence[Net]) -> Kind:
    train, test = ([getattr(net, name) for net in nets] for name in ("train_error", "test_error"))
    medians = float(np.median(train)), float(np.median(test))
    one = nets[0]
    return Kind(one.depth, one.n_parameters, one.learning_rate, *medians, min(test), max(test))


def _listed(targets: Sequence[str]) -> str:
    """How many, and which how often: '3 (tent 2, rings 1)'."""
    counts = [f"{name} {targets.count(name)}" for name in dict.fromkeys(targets)]
    return f"{len(targets)} ({', '.join(counts)})" if targets else "none"


def _conclusion(won: Wins) -> str:
    if won.perceptron and won.deeper:
        return "which is better depends on the function"
    if won.deeper:
        return "depth is better wherever there is a difference"
    return "depth is nowhere better"
