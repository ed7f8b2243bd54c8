"""What is fitted once for several files."""

import warnings

import numpy as np
import pytest

import isthmus
from isthmus.variational.count_likelihoods import Poisson
from variational.linear_gaussian import STILL, LinearGaussian, X


@pytest.fixture(scope="session")
def linear():
    """Probabilistic PCA as a variational auto-encoder."""
    return isthmus.VariationalAutoencoder(2, **STILL).fit(X)


@pytest.fixture(scope="session")
def truth():
    return LinearGaussian.of_rows(X, 2)


@pytest.fixture(scope="session")
def counted():
    """A linear model of three columns of counts, about 2, 20 and 300."""
    counts = np.random.default_rng(0).poisson([2.0, 20.0, 300.0], (200, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", isthmus.CollapseWarning)
        return isthmus.VariationalAutoencoder(1, likelihood=Poisson(), **STILL).fit(counts)
