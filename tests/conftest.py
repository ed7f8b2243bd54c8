"""What must be set before anything is imported, and what tests must not leave behind."""

import collections
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

# Compiled programs are kept, also from run to run: the second one takes a part of the time. Each process
# has a directory of its own, because of what another one is writing it would read a part; from file to
# file of tests they are handed on whole, as links. The processes that tests start have another one, of
# which nothing is kept: some are interrupted, perhaps while they write.
if "ISTHMUS_PROGRAMS" not in os.environ:
    os.makedirs(Path(__file__).parents[1] / ".pytest_cache" / "programs", exist_ok=True)
    PROGRAMS = tempfile.TemporaryDirectory(
        dir=Path(__file__).parents[1] / ".pytest_cache", prefix="run-", ignore_cleanup_errors=True
    )
    os.environ["ISTHMUS_PROGRAMS"] = PROGRAMS.name
os.environ["JAX_COMPILATION_CACHE_DIR"] = os.path.join(
    os.environ["ISTHMUS_PROGRAMS"], os.environ.get("PYTEST_XDIST_WORKER", "alone") + "-started"
)
# The name of a program's file would depend on the directory.
os.environ["JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES"] = "none"
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import jax
import pytest
from xdist.scheduler import LoadScopeScheduling

import shapes

shapes.install("isthmus")

OF_STARTED = Path(os.environ["JAX_COMPILATION_CACHE_DIR"])
OWN = OF_STARTED.with_name(OF_STARTED.name.removesuffix("-started"))
KEPT = OWN.parents[1] / "programs"
jax.config.update("jax_compilation_cache_dir", str(OWN))

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
    config.option.loadscopereorder = False
    return _ByFile(config, log)


LONG = (
    *("test_double_precision.py", "test_processes.py", "test_dimension_choice.py", "test_clusters.py"),
    *("test_distilling.py", "test_averaging.py", "test_capacity.py", "test_trained_networks.py"),
    *("test_dask_cluster.py", "test_page.py", "test_page_rows.py"),
)
"""Few tests that take long. Were they the last ones, all processes but one would wait for them."""


def pytest_collection_modifyitems(items):
    counts = collections.Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path.name not in LONG, -counts[item.path]))


MOST_MAPS = 20_000
"""Memory maps of the process: each compiled program has some, and Linux aborts it at 65 530."""

TESTS, BETWEEN_LOOKS = itertools.count(1), 16
"""Looking at the maps takes up to 10 ms, and no test makes more than some hundreds of them."""


@pytest.fixture(autouse=True)
def _few_compiled_programs():
    yield
    if next(TESTS) % BETWEEN_LOOKS:
        return
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()
        gc.unfreeze()
        gc.collect()


@pytest.fixture(autouse=True, scope="module")
def _objects_of_earlier_tests_are_not_looked_through():
    gc.collect()
    gc.freeze()


MOST_KEPT = 2**29
"""Bytes of compiled programs that are kept for the next run: those of a few; the oldest go first."""


def _hand_on(source, target):
    """Link what the one directory has, and the other has not."""
    for directory in (source, target):
        directory.mkdir(exist_ok=True)
    for name in set(os.listdir(source)) - set(os.listdir(target)):
        # Another process may have been quicker, or have removed what is too much.
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            os.link(source / name, target / name)


@pytest.fixture(autouse=True, scope="module")
def _programs_are_handed_on():
    _hand_on(OWN, KEPT)
    _hand_on(KEPT, OWN)
    _hand_on(KEPT, OF_STARTED)


def pytest_sessionfinish(exitstatus):
    if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        # Else the last one may have been interrupted in writing.
        _hand_on(OWN, KEPT)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        left = MOST_KEPT
        for file in sorted(KEPT.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True):
            left -= file.stat().st_size
            if left < 0:
                file.unlink()


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
