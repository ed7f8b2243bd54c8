"""What the tests of checkpoints share."""

import pytest

from isthmus.training import loop
from isthmus.training.loop import train
from training.kept_training import training


@pytest.fixture
def short_calls(monkeypatch):
    """One pass per call, so that a checkpoint may be written after each."""
    monkeypatch.setattr(loop, "SECONDS_PER_CALL", 0.0)


@pytest.fixture(scope="session")
def uninterrupted():
    return train([training()])
