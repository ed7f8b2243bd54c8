"""What must be set before anything is imported, and what tests must not leave behind."""

import gc
import os
from pathlib import Path

import jax
import pytest

# Without it scikit-learn skips its checks of array-API input.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

MOST_MAPS = 20_000
"""Memory maps of the process: each compiled program has some, and Linux aborts it at 65 530."""


@pytest.fixture(autouse=True)
def _few_compiled_programs():
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()
        gc.collect()
