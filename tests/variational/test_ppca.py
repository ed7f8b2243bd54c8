"""Rows filled by probabilistic PCA, against the posterior in double precision."""

import numpy as np
import pytest

from isthmus.variational.ppca import GaussianFill, ProbabilisticPCA

D, d, N = 6, 3, 50
RNG = np.random.default_rng(0)
W, MEAN = RNG.standard_normal((D, d)), RNG.standard_normal(D)


def posterior(row, sigma):
    """The row's mean given what is seen of it, and the variances of z, by the formulas themselves."""
    seen = ~np.isnan(row)
    covariance = np.linalg.inv(W[seen].T @ W[seen] / sigma**2 + np.eye(d))
    z = covariance @ W[seen].T @ (row - MEAN)[seen] / sigma**2
    return np.where(seen, row, W @ z + MEAN), np.diag(covariance)


@pytest.mark.parametrize("sigma", [0.3, 1e-2, 1e-3, 1e-4, 1e-5])
def test_rows_are_filled_with_their_posterior_mean(sigma):
    """Also where only the prior holds a coordinate, whose share of the squares is 1e-10."""
    rows = RNG.standard_normal((N, d)) @ W.T + MEAN + sigma * RNG.standard_normal((N, D))
    rows[np.arange(N)[:, None], np.argsort(RNG.random((N, D)), axis=1)[:, :4]] = np.nan
    rows = rows.astype(np.float32)
    fill = GaussianFill.of(ProbabilisticPCA(MEAN, W, np.zeros((d, D)), np.ones(d), sigma**2))
    filled, growth = map(np.asarray, fill(rows))
    _, of_whole = posterior(MEAN, sigma)
    for row, own, own_growth in zip(rows.astype(np.float64), filled, growth, strict=True):
        expected, variances = posterior(row, sigma)
        # Sums of squares of size 10 in single precision, beside σ² ≥ 1e-4; or square roots, beside σ.
        tolerance = 1e-2 if sigma == 1e-2 else 1e-3
        np.testing.assert_allclose(own, expected, atol=tolerance)
        np.testing.assert_allclose(own_growth, np.log(variances / of_whole), atol=tolerance)
