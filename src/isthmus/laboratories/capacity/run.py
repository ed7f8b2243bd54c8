"""Width against depth: which of two networks with as many parameters finds the function?

A perceptron, with one hidden layer, approximates any continuous function, but its weights are said to be
almost impossible to find, and those of many layers easy (lecture notes, "Perceptron" and "MLP"). The
first is a theorem (Cybenko 1989); finding is measured here. Nets of one, two and three hidden layers
have the same number of parameters, within a few per cent, and learn the same functions from the same
rows, from several starts. Each kind has the learning rate at which it fits its training rows best: the
best rates of shallow and deep nets are far apart, and with one rate for all the rate would decide.

Of the generated functions some have few parameters as a perceptron, others as a composition; the
measured answer is that neither width nor depth is best at all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from isthmus.data.checks import check_dense, check_integer, check_real
from isthmus.estimators.ensemble import Ensemble
from isthmus.estimators.feedforward_regressor import FeedForwardRegressor
from isthmus.laboratories._responses import as_targets, training_rows
from isthmus.laboratories._widths import equal_widths, n_parameters
from isthmus.laboratories.capacity._functions import FUNCTIONS
from isthmus.laboratories.capacity.report import CapacityReport, Net
from isthmus.training.problem import DivergenceError

PERCEPTRONS = (16, 48, 144)
"""Hidden nodes of the perceptrons whose numbers of parameters are the default budgets."""

BATCH = 128
"""Batch size, that of the regressor's default."""

N_TRAIN, N_TEST = 2000, 4000
"""Numbers of training and test rows: enough for errors to stem from training, not from few data."""


def capacity(
    X: ArrayLike,
    y: ArrayLike,
    *,
    target: str = "data",
    depths: Sequence[int] = (1, 2, 3),
    budgets: Sequence[int] | None = None,
    learning_rates: Sequence[float] = (0.01, 0.05, 0.25),
    activation: str = "tanh",
    n_seeds: int = 5,
    n_updates: int = 2000,
    n_train: int | None = None,
    random_state: int = 0,
) -> CapacityReport:
    """Train nets of several depths with equal numbers of parameters on the same rows.

    There is no regularisation and no early stopping: the question is whether training finds a function.

    Parameters
    ----------
    X : array (n, D)
        Rows, of which ``n_train`` are drawn to learn from; the others are the test.
    y : array (n,) or (n, K)
        Targets. Text, booleans and integers with at most 20 different values are classes: ±1 for two
        classes, one output of ±1 for each class of more. Numbers are predicted as they are.
    target : str, default "data"
        Their name in the records.
    depths : sequence of int, default (1, 2, 3)
        Hidden layers. 1, the perceptron, is among them. Each costs a compilation per budget.
    budgets : sequence of int or None, default None
        Numbers of parameters. None: those of perceptrons of 16, 48 and 144 nodes, few enough that the
        number matters.
    learning_rates : sequence of float, default (0.01, 0.05, 0.25)
        Peak rates of Adam. Five-fold steps, because a perceptron's best rate was found to be up to 25
        times that of a net of three layers.
    activation : str, default "tanh"
        Of all hidden layers.
    n_seeds : int, default 5
        Starts of each kind of net, trained in one pass.
    n_updates : int, default 2000
        Steps of training, in batches of 128, rounded up to whole epochs.
    n_train : int or None, default None
        Training rows. None: half of them.
    random_state : int, default 0
        Of rows and starts: the same number gives the same records on the same machine.

    Returns
    -------
    CapacityReport
        One ``Net`` per budget, depth, learning rate and seed.

    Raises
    ------
    ValueError
        If rows and targets differ in number, targets do not vary, ``n_train`` leaves no test rows,
        ``depths`` lack the perceptron or others, or no net of a depth comes near a budget.

    References
    ----------
    Cybenko 1989, "Approximation by superpositions of a sigmoidal function". Telgarsky 2016, "Benefits of
    depth in neural networks", COLT. Eldan & Shamir 2016, "The power of depth for feedforward neural
    networks", COLT: radial functions that two hidden layers represent with far fewer nodes than one.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.laboratories.capacity.run import capacity
    >>> X = np.random.default_rng(0).uniform(-1, 1, (600, 2))
    >>> settings = {"depths": (1, 2), "budgets": [81], "learning_rates": [0.03], "n_seeds": 2}
    >>> report = capacity(X, np.sin(2 * X[:, 0] + X[:, 1]), n_updates=500, **settings)
    >>> [(net.widths, net.n_parameters) for net in report.records[::2]]  # X (600, 2), y (600,)
    [((20,), 81), ((7, 7), 85)]
    >>> max(net.test_error for net in report.records) < 0.05
    True
    """
    rows = check_dense(X)
    targets, _ = as_targets(y, len(rows))
    n_train = training_rows(n_train, len(rows))
    variance = float(targets.var(axis=0).sum())
    if not variance > 0:
        raise ValueError("y is the same in all rows: there is no function to find")
    D, K = rows.shape[1], targets.shape[1]
    if budgets is None:
        budgets = [n_parameters((nodes,), D, K) for nodes in PERCEPTRONS]
    depths = _ascending("depths", depths, partial(check_integer, least=1))
    if depths[0] != 1 or len(depths) < 2:
        raise ValueError(
            f"depths={tuple(depths)}: expected 1, the perceptron, and others to compare it with"
        )
    rates = _ascending("learning_rates", learning_rates, partial(check_real, low=0.0))
    budgets = _ascending("budgets", budgets, partial(check_integer, least=1))
    n_seeds = check_integer("n_seeds", n_seeds, 1)
    n_epochs = -(-check_integer("n_updates", n_updates, 1) // -(-n_train // BATCH))
    train, test = np.split(np.random.default_rng(random_state).permutation(len(rows)), [n_train])
    task = _Task(
        *(target, rows[train], targets[train], rows[test], targets[test]),
        *(variance, activation, n_seeds, n_epochs, random_state),
    )
    shapes = [(budget, equal_widths(budget, depth, D, K)) for budget in budgets for depth in depths]
    nets = [
        net for budget, widths in shapes for rate in rates for net in task.nets(budget, widths, rate)
    ]
    return CapacityReport(tuple(nets))


def run(
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    data: str = "data",
    depths: Sequence[int] = (1, 2, 3),
    budgets: Sequence[int] | None = None,
    n_seeds: int = 5,
    n_updates: int = 2000,
    n_train: int | None = None,
    random_state: int = 0,
) -> CapacityReport:
    """Width against depth on X, y, named ``data``, or on five generated functions, ``FUNCTIONS``.

    Their rows are uniform in the cube [−1, 1]³, ``n_train`` (None: 2000) to learn from, 4000 to test on.
    Other parameters and errors as of ``capacity``.
    """
    of_target = partial(
        capacity,
        depths=depths,
        budgets=budgets,
        n_seeds=n_seeds,
        n_updates=n_updates,
        random_state=random_state,
    )
    if X is not None:
        if y is None:
            raise ValueError("X was given without y: pass the targets of its rows")
        return of_target(X, y, target=data, n_train=n_train)
    n_train = N_TRAIN if n_train is None else check_integer("n_train", n_train, 2)
    cube = np.random.default_rng(random_state).uniform(-1.0, 1.0, (n_train + N_TEST, 3))
    found = [
        of_target(cube, function(cube), target=name, n_train=n_train).records
        for name, function in FUNCTIONS.items()
    ]
    return CapacityReport(tuple(net for nets in found for net in nets))


@dataclass(frozen=True)
class _Task:
    """Settings that all nets share."""

    target: str
    x: Float[np.ndarray, "n D"]
    y: Float[np.ndarray, "n K"]
    x_test: Float[np.ndarray, "m D"]
    y_test: Float[np.ndarray, "m K"]
    variance: float
    activation: str
    n_seeds: int
    n_epochs: int
    random_state: int

    def nets(self, budget: int, widths: tuple[int, ...], learning_rate: float) -> Iterator[Net]:
        """All starts of one kind of net."""
        member = FeedForwardRegressor(
            widths,
            activation=self.activation,
            learning_rate=learning_rate,
            batch_size=BATCH,
            max_epochs=self.n_epochs,
            validation_fraction=0.0,
        )
        ensemble = Ensemble(member, self.n_seeds, random_state=self.random_state)
        # A rate that is too high for a start is recorded: with its last good weights.
        with suppress(DivergenceError):
            ensemble.fit(self.x, self.y)
        for seed, fitted in enumerate(ensemble.members_):
            errors = self._error(fitted, self.x, self.y), self._error(fitted, self.x_test, self.y_test)
            n = fitted.n_parameters_
            yield Net(self.target, len(widths), widths, budget, n, learning_rate, seed, *errors)

    def _error(
        self, fitted: FeedForwardRegressor, x: Float[np.ndarray, "n D"], y: Float[np.ndarray, "n K"]
    ) -> float:
        squares = np.sum(np.square(fitted.predict(x) - y), axis=1)
        return float(np.mean(squares) / self.variance)


Checked = TypeVar("Checked", int, float)


def _ascending(name: str, numbers: object, check: Callable[[str, object], Checked]) -> list[Checked]:
    """Checked numbers, each once."""
    if isinstance(numbers, str) or not isinstance(numbers, Sequence | np.ndarray) or not len(numbers):
        raise ValueError(f"{name}={numbers!r}: expected a sequence of one number or more")
    return sorted({check(name, number) for number in numbers})
