"""What must be set before anything is imported, and what tests must not leave behind."""

import gc
import os
import tempfile
from pathlib import Path

# Without it scikit-learn skips its checks of array-API input.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

# Programs compiled by one test or worker are read by the next. The directory lives as long as the first
# process, whose environment its workers have.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    PROGRAMS = tempfile.TemporaryDirectory(prefix="isthmus-programs-", ignore_cleanup_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = PROGRAMS.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import jax
import pytest

MOST_MAPS = 20_000
"""Memory maps of the process: each compiled program has some, and Linux aborts it at 65 530."""


@pytest.fixture(autouse=True)
def _few_compiled_programs():
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()
        gc.collect()
