"""Averaging: how the error and the spread of a mean of networks fall with the number of members M.

Networks that are initialised independently are independent draws of a function f, given the training
rows. With b(x) = E f(x) − y and V = E ‖f − E f‖², averaged over rows x, the mean f̄ of M draws has

    E ‖f̄ − y‖² = ‖b‖² + V/M,

exactly and for every M. So the notes' "error ∝ 1/√m" (lecture notes, "Double-descent curve") is true of
the spread of f̄ about its expectation, √(V/M). The squared error has a part that falls as 1/M and a floor
‖b‖²: what all members have in common, such as the training rows with their noise, stays.

All of it is measured from one matrix. Let r_k be the residuals of member k on the test rows. Their inner
products C_jk = ⟨r_j, r_k⟩ give the error of every average, ‖mean of r_k over a group‖², as the mean of
a block of C; and the spread of averages, because ‖f̄_g − f̄‖² are differences of such means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from sklearn.datasets import load_digits

from isthmus.data.checks import check_dense, check_integer, check_real
from isthmus.estimators.ensemble import Ensemble
from isthmus.estimators.feedforward_regressor import FeedForwardRegressor
from isthmus.laboratories._reports import Report
from isthmus.laboratories._responses import as_targets, training_rows, with_noise

MEMBER = FeedForwardRegressor((32,), max_epochs=100, validation_fraction=0.0)
"""A perceptron with more weights than the default's 200 training rows. No rows are held out, so that
members differ by their initial weights and the order of their batches, and by nothing else."""

BLOCK_NUMBERS = 2**24
"""Largest number of predictions, of all members, that are held in memory at a time."""


class _Predictor(Protocol):
    """A fitted model of numbers."""

    def predict(self, X: Float[np.ndarray, "m D"], /) -> Float[np.ndarray, "m K"]: ...


class GroupSize(NamedTuple):
    """Averages of M members, over disjoint groups of them.

    ``error`` is squared, summed over outputs, averaged over test rows and groups; ``spread`` is the
    standard deviation of the averages over groups, root mean square over rows. ``standard_error`` and
    ``spread_error`` are of what stands before them, over draws of the members.
    """

    M: int
    n_groups: int
    error: float
    standard_error: float
    spread: float
    spread_error: float


class Estimate(NamedTuple):
    """A number and its standard error."""

    value: float
    error: float


@dataclass(frozen=True, repr=False)
class AveragingReport(Report):
    """The result of the laboratory ``isthmus.experiments.averaging``.

    Attributes
    ----------
    data : str
        Name of the rows.
    n_train, n_test : int
        Rows to learn from, and to test on.
    records : tuple of GroupSize
        Error and spread of averages of M = 1, 2, 4, … members.
    exponent : Estimate
        The slope of log spread against log M: −½ by theory. Its error, as those of the others, is by the
        jackknife over blocks of members.
    intercept, slope : Estimate
        Of the line error = intercept + slope/M through all M, by least squares.
    r_squared : float
        The share of the errors' variance that the line explains.
    n_reference : int
        Members of a separate ensemble.
    reference : Estimate
        Its error.

    Examples
    --------
    What the line expects of another ensemble, of 4 members:

    >>> from isthmus.laboratories.averaging.run import AveragingReport, Estimate
    >>> exponent, intercept, slope = Estimate(-0.5, 0.01), Estimate(0.5, 0.01), Estimate(1.0, 0.02)
    >>> line = (exponent, intercept, slope, 1.0)
    >>> report = AveragingReport("digits", 200, 1597, (), *line, 4, Estimate(0.75, 0.02))
    >>> report.predicted, report.deviation  # 0.5 + 1/4, which is what was measured
    (0.75, 0.0)
    """

    data: str
    n_train: int
    n_test: int
    records: tuple[GroupSize, ...]
    exponent: Estimate
    intercept: Estimate
    slope: Estimate
    r_squared: float
    n_reference: int
    reference: Estimate

    @property
    def predicted(self) -> float:
        """The error that the line expects of the separate ensemble, intercept + slope/n_reference."""
        return self.intercept.value + self.slope.value / self.n_reference

    @property
    def deviation(self) -> float:
        """Deviation of the separate ensemble from the line, in standard errors of their difference."""
        apart = self.reference.value - self.predicted
        return float(apart / np.hypot(self.reference.error, self.intercept.error))

    @property
    def verdict(self) -> str:
        """Two lines in words."""
        one, most = self.records[0], self.records[-1].M
        apart = abs(self.deviation)
        word = "as expected" if apart <= 2 else f"{apart:.1f} standard errors from what is expected"
        return (
            f"{self.data}, {self.n_train} training rows: over averages of M = 1 to {most} networks the "
            f"spread falls as M to the power {self.exponent.value:.3f} ± {self.exponent.error:.3f} "
            f"(theory: -1/2), and the squared error is {self.intercept.value:.4g} + "
            f"{self.slope.value:.3g}/M (R² = {self.r_squared:.4f}).\n"
            f"So averaging takes {1 - self.intercept.value / one.error:.1%} of one network's error of "
            f"{one.error:.4g}; the rest, {self.intercept.value:.4g} ± {self.intercept.error:.2g}, all "
            f"networks share: {self.n_reference} others, averaged, have {self.reference.value:.4g} ± "
            f"{self.reference.error:.2g}, {word}."
        )


def averaging(
    X: ArrayLike,
    y: ArrayLike,
    *,
    member: FeedForwardRegressor | None = None,
    n_train: int | None = None,
    n_members: int = 512,
    n_groups: int = 16,
    n_reference: int = 256,
    noise: float = 0.0,
    data: str = "data",
    random_state: int = 0,
) -> AveragingReport:
    """Error and spread of averages of M = 1, 2, 4, … members, from disjoint groups of them.

    Parameters
    ----------
    X : array (n, D)
        Rows, of which ``n_train`` are drawn to learn from; the others are the test.
    y : array (n,) or (n, K)
        Targets. Text, booleans and integers with at most 20 different values are classes: ±1 for two
        classes, one output of ±1 for each class of more. Numbers are predicted as they are.
        Errors are squared in either case, because B + V/M, bias and variance, is exact for no other.
    member : FeedForwardRegressor or None, default None
        What is trained; its own ``random_state`` is not used. None: ``MEMBER``, a perceptron of 32 nodes
        that has no rows held out, so that chance is in its weights and batches only.
    n_train : int or None, default None
        Training rows, the same for all members. None: half of them.
    n_members : int, default 512
        Members in groups. The exponent is then known to 0.003 on digits, and to 0.05 where members
        differ in one direction only.
    n_groups : int, default 16
        Groups of the largest M at least: it is the largest power of two that allows so many. Error bars
        are scatter over groups, and with 16 known to a fifth. Members left over are not trained.
    n_reference : int, default 256
        Members of the separate ensemble, which are in no group.
    noise : float, default 0.0
        Added to training targets only, as in ``double_descent``: of classes, the share of rows that are
        given another class; of numbers, the standard deviation. All members learn the same noise.
    data : str, default "data"
        Name of the rows in the verdict.
    random_state : int, default 0
        Of rows, noise and members: the same number gives the same records on the same machine.

    Returns
    -------
    AveragingReport
        One ``GroupSize`` per M, the power law of the spread, the line of the error, and the error of the
        separate ensemble.

    Raises
    ------
    ValueError
        If rows and targets differ in number, ``n_train`` leaves no test rows, ``n_members`` is less
        than 4 · ``n_groups``, or members do not differ.
    TypeError
        If ``member`` is no ``FeedForwardRegressor``.
    DivergenceError
        If a member's loss becomes NaN or infinite.

    References
    ----------
    Krogh & Vedelsby 1995, "Neural network ensembles, cross validation, and active learning", NIPS 7:
    the mean of the members' errors is the error of their mean plus their spread. Hansen & Salamon 1990,
    "Neural network ensembles". Efron & Stein 1981, "The jackknife estimate of variance".

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus import FeedForwardRegressor
    >>> from isthmus.laboratories.averaging.run import averaging
    >>> X = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    >>> small = FeedForwardRegressor((8,), max_epochs=30, validation_fraction=0.0)
    >>> report = averaging(X, np.sin(3 * X[:, 0]), member=small, n_members=256)
    >>> [(record.M, record.n_groups) for record in report.records]  # X (300, 2), y (300,)
    [(1, 256), (2, 128), (4, 64), (8, 32), (16, 16)]
    >>> bool(abs(report.exponent.value + 0.5) < 0.1)
    True
    """
    rows = check_dense(X)
    targets, n_classes = as_targets(y, len(rows))
    n_train = training_rows(n_train, len(rows))
    check_real("noise", noise, 0.0, 1.0 if n_classes else np.inf, closed=True)
    largest = _largest_group(n_members, n_groups)
    check_integer("n_reference", n_reference, 2, "An error bar needs two members")
    member = _checked_member(member)
    rng = np.random.default_rng(random_state)
    train, test = np.split(rng.permutation(len(rows)), [n_train])
    y_train = with_noise(targets[train], n_classes, noise, rng)
    n_grouped = n_members // largest * largest
    ensemble = Ensemble(member, n_grouped + n_reference, random_state=int(rng.integers(2**31)))
    ensemble.fit(rows[train], y_train)
    products = residual_products(ensemble.members_, rows[test], targets[test])
    grouped, others = products[:n_grouped, :n_grouped], products[n_grouped:, n_grouped:]
    # Members that are the same differ by rounding of products.
    if spread_of(grouped) ** 2 <= 1e-12 * np.trace(grouped):
        raise ValueError(
            f"all {n_grouped} members predict the same, so there is nothing to average: take a member "
            "whose initial weights matter, such as one with hidden layers"
        )
    return _report(grouped, others, largest, (data, n_train, len(test)))


def run(
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    data: str = "digits",
    n_train: int | None = None,
    n_members: int = 512,
    n_reference: int = 256,
    noise: float = 0.0,
    random_state: int = 0,
) -> AveragingReport:
    """Averages of perceptrons on X, y, or on scikit-learn's digits.

    ``data`` names the rows. ``n_train`` None takes 200 rows to learn from, or half where there are fewer
    than 400: few enough that networks disagree. Other parameters and errors as of ``averaging``.
    """
    if X is None:
        X, y = load_digits(return_X_y=True)
    if y is None:
        raise ValueError("X was given without y: pass the targets of its rows")
    if n_train is None:
        n_train = min(200, len(np.asarray(X)) // 2)
    return averaging(
        X,
        y,
        n_train=n_train,
        n_members=n_members,
        n_reference=n_reference,
        noise=noise,
        data=data,
        random_state=random_state,
    )


def residual_products(
    members: Sequence[_Predictor], x: Float[np.ndarray, "m D"], y: Float[np.ndarray, "m K"]
) -> Float[np.ndarray, "k k"]:
    """C_jk = ⟨f_j − y, f_k − y⟩, summed over outputs and averaged over rows, of fitted members.

    Rows are taken in blocks, so that memory does not grow with their number.
    """
    n_blocks = -(-len(members) * y.size // BLOCK_NUMBERS)
    products = np.zeros((len(members), len(members)))
    for part in np.array_split(np.arange(len(x)), min(n_blocks, len(x))):
        residuals = np.stack([(member.predict(x[part]) - y[part]).ravel() for member in members])
        products += residuals @ residuals.T
    return products / len(x)


def averaged(products: Float[np.ndarray, "k k"], M: int) -> Float[np.ndarray, "g g"]:
    """The products of the averages of M neighbours each, as many as there are: means of M×M blocks."""
    g = len(products) // M
    blocks = products[: g * M, : g * M].reshape(g, M, g, M)
    return np.asarray(blocks.mean(axis=(1, 3)))


def spread_of(products: Float[np.ndarray, "g g"]) -> float:
    """√(Σ ‖f_g − f̄‖²/(G − 1)), where Σ ‖f_g − f̄‖² is the trace minus the mean's share."""
    g = len(products)
    squares = np.trace(products) - products.sum() / g
    return float(np.sqrt(max(squares, 0.0) / (g - 1)))


def laws(products: Float[np.ndarray, "k k"], sizes: Int[np.ndarray, " s"]) -> Float[np.ndarray, " 4"]:
    """Exponent of the spread; intercept, slope and R² of the line through the errors against 1/M."""
    tables = [averaged(products, M) for M in sizes]
    spreads = [spread_of(table) for table in tables]
    errors = np.array([np.diag(table).mean() for table in tables])
    exponent = np.polyfit(np.log(sizes), np.log(spreads), 1)[0]
    slope, intercept = np.polyfit(1 / sizes, errors, 1)
    unexplained = np.var(errors - intercept - slope / sizes) / np.var(errors)
    return np.array([exponent, intercept, slope, 1 - unexplained])


def jackknife(
    statistic: Callable[[np.ndarray], np.ndarray | float], products: Float[np.ndarray, "k k"], size: int
) -> tuple[np.ndarray, np.ndarray]:
    """A statistic of the members, and its standard error from leaving out ``size`` of them at a time."""
    k = len(products)
    without = (np.delete(np.arange(k), np.s_[at : at + size]) for at in range(0, k, size))
    values = np.array([statistic(products[np.ix_(rest, rest)]) for rest in without])
    return np.asarray(statistic(products)), np.sqrt((len(values) - 1) * np.var(values, axis=0))


def _report(
    grouped: Float[np.ndarray, "k k"],
    others: Float[np.ndarray, "r r"],
    largest: int,
    about: tuple[str, int, int],
) -> AveragingReport:
    """Of groups up to the ``largest``, and of a separate ensemble; ``about`` are the first fields."""
    sizes = 2 ** np.arange(int(np.log2(largest)) + 1)
    records = tuple(_group_size(grouped, int(M), len(grouped) // largest) for M in sizes)
    values, errors = jackknife(partial(laws, sizes=sizes), grouped, largest)
    exponent, intercept, slope = map(Estimate, values[:3].tolist(), errors[:3].tolist())
    mean, error = jackknife(np.mean, others, 1)
    reference = Estimate(float(mean), float(error))
    return AveragingReport(
        *about, records, exponent, intercept, slope, float(values[3]), len(others), reference
    )


def _group_size(products: Float[np.ndarray, "k k"], M: int, n_blocks: int) -> GroupSize:
    """Error and spread of averages of M members, from the products of single members."""
    of_groups = averaged(products, M)
    n_groups, errors = len(of_groups), np.diag(of_groups)
    spread, spread_error = jackknife(spread_of, of_groups, n_groups // n_blocks)
    standard_error = np.std(errors, ddof=1) / np.sqrt(n_groups)
    return GroupSize(
        *(M, n_groups, float(errors.mean()), float(standard_error)),
        *(float(spread), float(spread_error)),
    )


def _checked_member(member: object) -> FeedForwardRegressor:
    member = MEMBER if member is None else member
    if not isinstance(member, FeedForwardRegressor):
        raise TypeError(
            f"member={member!r}: expected an isthmus.FeedForwardRegressor, whose mean squared error is "
            "exactly bias² + variance/M; it takes classes as outputs of ±1"
        )
    return member


def _largest_group(n_members: int, n_groups: int) -> int:
    """The largest power of two M for which there are ``n_groups`` groups of M members."""
    check_integer("n_groups", n_groups, 4, "Error bars are scatter over groups")
    check_integer("n_members", n_members, 4 * n_groups, f"A line needs M = 1, 2, 4, {n_groups} of each")
    return int(2 ** np.floor(np.log2(n_members // n_groups)))
