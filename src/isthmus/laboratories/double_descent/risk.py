"""The case of double descent whose test error is known exactly, and the same as measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from isthmus.laboratories.double_descent.features import LinearFeatures
from isthmus.laboratories.double_descent.run import double_descent

N_SETS, ROWS_OF_A_SET = 20, 2000
"""Number of independent sets of rows for the measured risk, and of rows in each."""


def exact_risk(
    sizes: ArrayLike, *, n: int = 40, D: int = 100, signal: float = 1.0, noise: float = 0.2
) -> Float[np.ndarray, " s"]:
    """Expected test error of the least-norm fit with p of D features, for each p of ``sizes`` (s,).

    Rows x are N(0, I) in R^D, targets y = w·x + ε with ‖w‖ = ``signal``, spread evenly over the
    features, and ε of standard deviation ``noise``; n rows are fitted. What p features cannot see is
    noise to them: s² = ‖w‖²(1 − p/D) + σ² in all, independent of what they see.

    p ≤ n − 2
        Least squares is unbiased, with covariance s²(AᵀA)⁻¹ for the n × p matrix A of the fit, and
        E tr (AᵀA)⁻¹ = p/(n − p − 1), the trace of an inverse Wishart matrix. Risk s²(1 + p/(n − p − 1)).
    p ≥ n + 2
        Of w only its projection on the n rows is found. They span a random direction, so that
        ‖w‖²(p/D)(1 − n/p) is lost; and E tr (AAᵀ)⁻¹ = n/(p − n − 1).
        Risk ‖w‖²(p/D)(1 − n/p) + s²(1 + n/(p − n − 1)).
    between
        Infinite.

    Parameters
    ----------
    sizes : array-like (s,)
        Numbers of features p, at most D.
    n : int, default 40
        Rows of the fit, few enough that the experiment takes seconds.
    D : int, default 100
        Features in all, so that p goes on far beyond n.
    signal : float, default 1.0
        ‖w‖.
    noise : float, default 0.2
        σ, in the units of y.

    Returns
    -------
    array (s,)
        Mean squared errors of a new y, its noise included.

    Raises
    ------
    ValueError
        If a size is below 0 or above D.

    References
    ----------
    Belkin, Hsu & Xu 2020, "Two models of double descent for weak features", SIAM J. Math. Data Sci.
    2:1167, theorem 1.

    Examples
    --------
    >>> from isthmus.experiments import exact_risk
    >>> exact_risk([10, 30, 40, 50, 100]).round(3).tolist()
    [1.264, 3.207, inf, 3.04, 0.667]
    >>> round((1 - 10 / 100 + 0.2**2) * (1 + 10 / (40 - 10 - 1)), 3)  # the first, by hand
    1.264
    """
    p = np.asarray(sizes, dtype=np.float64)
    if not np.all((p >= 0) & (p <= D)):
        raise ValueError(f"sizes={sizes!r}: expected numbers of features from 0 to D={D}")
    seen = signal**2 * p / D
    unseen = signal**2 - seen + noise**2
    few, many = p <= n - 2, p >= n + 2
    risk = np.full(p.shape, np.inf)
    risk[few] = unseen[few] * (1 + p[few] / (n - p[few] - 1))
    lost = seen[many] * (1 - n / p[many])
    risk[many] = lost + unseen[many] * (1 + n / (p[many] - n - 1))
    return risk


class RiskPoint(NamedTuple):
    """The error of one size where it is known exactly: by ``exact_risk``, and as measured."""

    size: int
    exact: float
    measured: float
    standard_error: float
    n_repeats: int


def measured_risk(
    sizes: Sequence[int] = (10, 20, 30, 50, 60, 80, 100),
    *,
    n_repeats: int = 1000,
    random_state: int = 0,
    n_jobs: int | None = None,
) -> tuple[RiskPoint, ...]:
    """``double_descent`` on the data of ``exact_risk`` at its defaults, to test the theory.

    ``n_repeats`` is rounded up to a multiple of 20 sets of rows. 1000, because errors near the threshold
    scatter by up to 64 % from one draw of 40 rows to the next: the mean is then known to 2 % there.

    Examples
    --------
    >>> from isthmus.laboratories.double_descent.risk import measured_risk
    >>> (point,) = measured_risk([20], n_repeats=200)
    >>> abs(point.measured / point.exact - 1) < 0.06
    True
    """
    per_set, means = -(-n_repeats // N_SETS), []
    for seed in np.random.SeedSequence(random_state).spawn(N_SETS):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((ROWS_OF_A_SET, 100))
        y = x.sum(axis=1) / 10 + 0.2 * rng.standard_normal(ROWS_OF_A_SET)
        curve = double_descent(
            *(x, y, sizes),
            model=LinearFeatures(),
            n_train=40,
            n_repeats=per_set,
            random_state=int(rng.integers(2**31)),
            n_jobs=n_jobs,
        )
        means.append(curve.values("test_error").mean(axis=0))
    measured = np.mean(means, axis=0)
    # Repeats on the same set share test rows, sets share nothing.
    errors = np.std(means, axis=0, ddof=1) / np.sqrt(N_SETS)
    return tuple(
        RiskPoint(int(size), float(exact), float(mean), float(error), per_set * N_SETS)
        for size, exact, mean, error in zip(sizes, exact_risk(sizes), measured, errors, strict=True)
    )
