"""A linear decoder with Gaussian errors: the rows' law N(m, WWᵀ + σ²), in closed form."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

SIGMAS = 5
"""Standard errors allowed: chance exceeds five in one of two million comparisons."""

STILL = {
    "widths": (),
    "max_epochs": 1,
    "learning_rate": 1e-12,
    "validation_fraction": 0.0,
    "random_state": 0,
}
"""Training that moves nothing: the model is probabilistic PCA."""


def plane(n=400, D=5, seed=0):
    """Rows beside a plane."""
    rng = np.random.default_rng(seed)
    loadings = np.random.default_rng(7).normal(size=(D, 2)) * [2.0, 1.0]
    return rng.standard_normal((n, 2)) @ loadings.T + np.arange(D) + 0.5 * rng.standard_normal((n, D))


X = plane()
HOLES = np.where(np.random.default_rng(1).random(X.shape) < 0.3, np.nan, X)
HOLES[0] = np.nan


@dataclass(frozen=True)
class LinearGaussian:
    """x = m + Wz + ε with z ~ N(0, 1), and with one variance of ε, or one for each entry."""

    mean: np.ndarray
    loadings: np.ndarray
    variance: np.ndarray

    @classmethod
    def of_rows(cls, rows, d):
        """Probabilistic PCA of complete rows, by Tipping & Bishop's formulas."""
        variances, axes = np.linalg.eigh(np.cov(rows.T))
        variances, axes = variances[::-1], axes[:, ::-1]
        left_out = variances[d:].mean()
        return cls(rows.mean(axis=0), axes[:, :d] * np.sqrt(variances[:d] - left_out), left_out)

    @classmethod
    def of_model(cls, model):
        """A linear model's law, from its decoder: for β ≠ 1 it is not the data's own."""
        d = model.n_components_
        mean = model.inverse_transform(np.zeros((1, d)))[0]
        variance = float(np.ravel(model.network_.pair.likelihood.own_variance)[0])
        return cls(
            mean,
            (model.inverse_transform(np.eye(d)) - mean).T,
            np.asarray(variance * model.scaling_.scale[0] ** 2),
        )

    @property
    def covariance(self):
        return self.loadings @ self.loadings.T + self.variance * np.eye(len(self.mean))

    def with_errors(self, errors):
        """The law of a row whose entries have errors of their own besides: σ² + e²."""
        return replace(self, variance=self.variance + np.square(errors))

    def logpdf(self, rows):
        """Of what is known of each row."""
        found = np.zeros(len(rows))
        covariance = self.covariance
        for i, row in enumerate(rows):
            k = ~np.isnan(row)
            if k.any():
                law = stats.multivariate_normal(self.mean[k], covariance[np.ix_(k, k)])
                found[i] = law.logpdf(row[k])
        return found

    def posterior(self, row):
        """Mean and covariance of z given the known entries."""
        k = ~np.isnan(row)
        W, precision = self.loadings[k], 1 / np.broadcast_to(self.variance, row.shape)[k]
        covariance = np.linalg.inv(np.eye(W.shape[1]) + (W.T * precision) @ W)
        return covariance @ (W.T * precision) @ (row[k] - self.mean[k]), covariance

    def complete(self, row):
        """Mean and standard deviation of each entry given the known ones."""
        z, covariance = self.posterior(row)
        variance = np.diag(self.loadings @ covariance @ self.loadings.T) + self.variance
        known = ~np.isnan(row)
        return np.where(known, row, self.mean + self.loadings @ z), np.where(known, 0, variance**0.5)
