"""Axes to draw in, and a map to draw."""

import matplotlib.pyplot as plt
import pytest
from sklearn.datasets import load_digits

import isthmus


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


@pytest.fixture(scope="module")
def model():
    """Digits by their first two principal components."""
    return isthmus.LinearAutoencoder(2).fit(load_digits().data)
