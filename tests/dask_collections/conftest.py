"""Maps whose numbers in blocks are compared with those in memory."""

import warnings

import pytest

import isthmus
from dask_collections.blocks import X


@pytest.fixture(scope="module")
def pca():
    return isthmus.LinearAutoencoder(2).fit(X)


@pytest.fixture(scope="module")
def network():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", isthmus.NoImprovementWarning)  # of two epochs
        return isthmus.Autoencoder(2, widths=(8,), max_epochs=2, random_state=0).fit(X)
