"""Axes for the pictures of laboratories."""

import matplotlib.pyplot as plt
import pytest


@pytest.fixture
def ax():
    """Axes of a figure that is closed after the test."""
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)
