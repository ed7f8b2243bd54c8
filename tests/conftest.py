"""What must be set before anything is imported, and what tests must not leave behind."""

import contextlib
import gc
import itertools
import os
import signal
import tempfile
from pathlib import Path

# Without it scikit-learn skips its checks of array-API input.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

# Processes side by side have a core each. The threads of linear algebra and of clustering, which wait by
# turning round and round, would take the time of the others: some tests took several times as much.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Nearly all of the time goes to compiling programs that run for milliseconds. XLA's older emitters make
# them in half the time, and without optimisations in half of that; they run up to twice as long. They
# are not split into parts for several threads either: that takes about 30 % more processor time.
os.environ["XLA_FLAGS"] = " ".join(
    [
        os.environ.get("XLA_FLAGS", ""),
        "--xla_cpu_use_fusion_emitters=false",
        "--xla_cpu_parallel_codegen_split_count=1",
    ]
)
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"

# Compiled programs are kept until the last process ends, so that tests need not compile what others
# have. Each process has a directory of its own: of what another one is writing, it would read a part.
if "ISTHMUS_PROGRAMS" not in os.environ:
    PROGRAMS = tempfile.TemporaryDirectory(prefix="isthmus-programs-", ignore_cleanup_errors=True)
    os.environ["ISTHMUS_PROGRAMS"] = PROGRAMS.name
os.environ["JAX_COMPILATION_CACHE_DIR"] = os.path.join(
    os.environ["ISTHMUS_PROGRAMS"], os.environ.get("PYTEST_XDIST_WORKER", "alone")
)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import jax
import pytest
from jaxtyping import install_import_hook
from xdist.scheduler import LoadScopeScheduling

install_import_hook("isthmus", "shapes.checked")

# A shell that starts these in the background has them ignore Ctrl-C, which some of them are about.
signal.signal(signal.SIGINT, signal.default_int_handler)

# There are millions of objects, few of them in cycles, and looking through them takes a twentieth of the
# time.
gc.set_threshold(200_000, 20, 50)


class _ByFile(LoadScopeScheduling):
    """A process of its own has all tests of a file, which share fixtures and compiled programs.

    The checks of scikit-learn are so many that only each estimator's go together.
    """

    def _split_scope(self, nodeid):
        file, _, test = nodeid.partition("::")
        return file + test.rpartition("-check_")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return _ByFile(config, log)


MOST_MAPS = 20_000
"""Memory maps of the process: each compiled program has some, and Linux aborts it at 65 530."""


@pytest.fixture(autouse=True)
def _few_compiled_programs():
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()
        gc.unfreeze()
        gc.collect()


@pytest.fixture(autouse=True, scope="module")
def _objects_of_earlier_tests_are_not_looked_through():
    gc.collect()
    gc.freeze()


@contextlib.contextmanager
def _optimised():
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture
def optimised_programs():
    """For tests that train for seconds, or are about a compiled program's last bit."""
    with _optimised():
        yield


@pytest.fixture(scope="session")
def optimised():
    """The same for a part of a test, or of a fixture: what runs within ``with optimised():``."""
    return _optimised


@pytest.fixture(scope="module")
def optimised_programs_in_module():
    """The same for a module whose tests share what was trained."""
    with _optimised():
        yield


@pytest.fixture
def interrupt_in_call(monkeypatch):
    """``(number, owner, name)``: that call of a function raises what Ctrl-C does."""

    def arrange(number, owner, name):
        function, calls = getattr(owner, name), itertools.count(1)

        def interrupted(*arguments):
            if next(calls) == number:
                raise KeyboardInterrupt
            return function(*arguments)

        static = isinstance(vars(owner)[name], staticmethod)
        monkeypatch.setattr(owner, name, staticmethod(interrupted) if static else interrupted)

    return arrange
