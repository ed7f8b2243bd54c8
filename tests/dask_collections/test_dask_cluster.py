"""A cluster of processes: the same numbers as in one, and no rows in the client."""

import contextlib
import os
import runpy
import signal
import sys
import time
import tracemalloc
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cloudpickle
import dask
import dask.array as da
import distributed
import joblib
import numpy as np
import pytest

import isthmus
from dask_collections.blocks import D, N, X, array, close, frame
from isthmus.comparison import Method
from isthmus.data.rows import AllBut, ChosenRows
from isthmus.data.stored.rows import StoredRows
from isthmus.diagnostics.dimension import evidence
from isthmus.diagnostics.quality import pairs
from isthmus.estimators.base import BaseMap
from isthmus.estimators.jobs import in_jobs

# Workers cannot import this file, so that its functions travel as they are.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

MIB = 2**20
HERE = os.getpid()
TRAINED = []


@pytest.fixture(scope="module")
def client():
    """Two workers, each a process with one thread."""
    # The directory of compiled programs is for one process alone.
    env = {"JAX_ENABLE_COMPILATION_CACHE": "false"}
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "60s"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, env=env
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@contextlib.contextmanager
def memory_at_most(n_bytes):
    """Of what this process allocates meanwhile, NumPy's arrays too."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < n_bytes, f"{peak / MIB:.1f} MiB"


def test_an_entry_that_is_no_number_is_named_with_its_block(client, pca):
    damaged = X.copy()
    damaged[400, 3] = np.nan
    lazy = pca.transform(array(damaged))
    np.testing.assert_array_equal(lazy.blocks[4:].compute(), pca.transform(X[520:]))
    with pytest.raises(
        ValueError, match="block 3 of the Dask array: X contains NaN: column 3 in row 10"
    ):
        lazy.compute()
    with pytest.raises(ValueError, match="NaN: column 3 in row 10 of block 3 of the Dask array is the"):
        isthmus.LinearAutoencoder(2).fit(array(damaged))
    with pytest.raises(ValueError, match="NaN: column 'd' in row 114 of block 2 of the Dask data frame"):
        isthmus.LinearAutoencoder(2).fit(frame(damaged))


def test_a_cluster_gives_what_this_process_gives_and_has_no_model_for_each_block(client, network):
    def count():
        calls, before = [], BaseMap.__setstate__
        BaseMap.__setstate__ = lambda self, state: (calls.append(1), before(self, state))[1]
        BaseMap.calls = calls

    client.run(count)
    Z = network.transform(array(chunks=(10, D)))
    close(Z.compute(), network.transform(X))
    # One for each worker, and few more where the scheduler has dropped a copy meanwhile.
    assert sum(client.run(lambda: len(BaseMap.calls)).values()) < 10 < Z.npartitions
    assert network.score(array()) == pytest.approx(network.score(X), rel=1e-5)


def test_the_pass_before_a_fit_is_made_where_dask_computes(client, monkeypatch):
    left_out = np.array([0, 5, 299, 300, 998])
    for collection in (array(), frame()):
        rows, elsewhere = (isthmus.scan(collection) for _ in range(2))
        with dask.config.set(scheduler="synchronous"):
            monkeypatch.setattr(type(rows.store), "reduce_parts", None)
            expected = ChosenRows(rows, AllBut(N, left_out)).summary()
            monkeypatch.undo()
        monkeypatch.setattr(StoredRows, "_part", None)
        found = ChosenRows(elsewhere, AllBut(N, left_out)).summary()
        np.testing.assert_allclose(found.columns.mean, expected.columns.mean, rtol=1e-14)
        np.testing.assert_allclose(found.columns.variance, expected.columns.variance, rtol=1e-12)
        np.testing.assert_allclose(found.moments.scatter, expected.moments.scatter, rtol=0, atol=1e-9)
        np.testing.assert_array_equal(found.columns.low, expected.columns.low)
        np.testing.assert_array_equal(elsewhere[left_out], X[left_out])
        np.testing.assert_array_equal(elsewhere[elsewhere.some_numbers()], X)
        ours = isthmus.LinearAutoencoder(3).fit(elsewhere)
        monkeypatch.undo()
        theirs = isthmus.LinearAutoencoder(3).fit(X)
        np.testing.assert_allclose(ours.components_, theirs.components_, atol=1e-12)


def test_a_worker_that_is_killed_loses_nothing(client, pca):
    def slowly(block):
        time.sleep(0.1)
        return block

    rows = array(chunks=(40, D)).map_blocks(slowly, meta=np.empty((0, 0)))
    expected = pca.transform(X)
    computed = client.compute(pca.transform(rows))
    time.sleep(0.5)
    before = client.run(os.getpid)
    assert computed.status == "pending"
    os.kill(next(iter(before.values())), signal.SIGKILL)
    np.testing.assert_array_equal(computed.result(timeout=60), expected)
    client.wait_for_workers(2, timeout=60)
    assert set(client.run(os.getpid).values()) != set(before.values())


def test_no_array_of_all_rows_is_in_the_client(client, pca, tmp_path):
    n, chunk = 1_000_000, 50_000
    drawn = da.random.default_rng(0).standard_normal((n, D), chunks=(chunk, D))
    assert drawn.nbytes > 38 * MIB
    Z = pca.transform(drawn)
    with memory_at_most(8 * MIB):
        Z.to_zarr(tmp_path / "z.zarr")
    with memory_at_most(8 * MIB):
        score = pca.score(drawn)
    # The sample that is kept is of the same size, however many rows there are.
    with memory_at_most(20 * MIB):
        fitted = isthmus.LinearAutoencoder(2).fit(drawn)
    written = da.from_zarr(tmp_path / "z.zarr")
    np.testing.assert_array_equal(written[-5:].compute(), pca.transform(drawn[-5:].compute()))
    assert score == pytest.approx(-(D - 2) - np.sum((fitted.mean_ - pca.mean_)[2:] ** 2), rel=0.05)
    with pytest.raises(AssertionError, match="MiB"), memory_at_most(8 * MIB):
        Z.compute()


def test_quality_has_drawn_rows_alone_in_the_client(client, pca, monkeypatch):
    monkeypatch.setattr(pairs, "MOST_PAIRS", 2**14)
    drawn = da.random.default_rng(0).standard_normal((200_000, D), chunks=(50_000, D))
    with memory_at_most(6 * MIB):
        found = isthmus.quality(drawn, pca.transform(drawn), max_rows=1000, scaling=None)
    assert found.n_queries == 100
    # Two of five directions are kept, and so are three of ten neighbours at most.
    assert 0 < found.overlap < 0.3 < found.spearman < 1


def said(number):
    warnings.warn(f"{number} was said", UserWarning, stacklevel=1)
    return number, os.getpid()


def test_tasks_keep_their_order_and_their_warnings_wherever_they_run(client):
    def run():
        with pytest.warns(UserWarning, match="was said") as caught:
            found = in_jobs(said, [(number,) for number in range(6)], None)
        assert [str(one.message) for one in caught] == [f"{number} was said" for number in range(6)]
        assert [number for number, _ in found] == list(range(6))
        return {process for _, process in found}

    assert run() == {os.getpid()}
    with joblib.parallel_config(backend="dask"):
        assert os.getpid() not in run()


def without_cost(report):
    costs = dict.fromkeys(("fit_seconds", "transform_seconds", "peak_mib"))
    return [replace(record, **costs) for record in report.records]


def broken(d, seed):
    raise RuntimeError(f"seed {seed} in process {'here' if os.getpid() == HERE else 'elsewhere'}")


def test_a_comparison_on_a_cluster_is_that_of_one_process(client):
    methods = ["PCA", "LinearAutoencoder", Method("broken", broken)]
    y = (X[:, 0] > 10).astype(int)
    alone = isthmus.compare(X[:200], y[:200], methods, n_seeds=2)
    with joblib.parallel_config(backend="dask"):
        spread = isthmus.compare(X[:200], y[:200], methods, n_seeds=2)
    ours, theirs = without_cost(spread), without_cost(alone)
    assert ours[:4] == theirs[:4]
    assert [record.failure for record in ours[4:]] == [
        f"RuntimeError: seed {seed} in process elsewhere" for seed in (0, 1)
    ]
    assert [record.failure for record in theirs[4:]] == [
        f"RuntimeError: seed {seed} in process here" for seed in (0, 1)
    ]


def test_members_fitted_one_by_one_are_the_same_on_a_cluster(client):
    unlike = X * [1, 1, 1, 1, 1000]
    ensemble = isthmus.Ensemble(
        isthmus.LinearAutoencoder(2), n_members=3, bootstrap=True, random_state=0
    )
    warned = pytest.warns(isthmus.UnequalScalesWarning, match="^3 of 3 members: standard deviations")
    with warned:
        alone = ensemble.fit(unlike).transform(unlike)
    with joblib.parallel_config(backend="dask"), warned:
        spread = ensemble.fit(unlike)
    np.testing.assert_allclose(spread.transform(unlike), alone, rtol=1e-5)
    first, second, _ = (member.mean_ for member in spread.members_)
    assert not np.allclose(first, second, rtol=1e-6)


class Instant(evidence.Denoisers):
    """Networks whose errors are known, and which know where they were trained."""

    def denoiser(self, d, repeat):
        return d, repeat, os.getpid()

    def error(self, model):
        d, repeat, process = model
        TRAINED.append(process)
        return evidence.HeldOut(d, 1.0, 0.1 ** min(d, 3) * (1 + 0.5 * repeat))

    def variational(self, d):
        return SimpleNamespace(active_=np.ones(d, bool))


def test_networks_of_a_dimension_are_trained_beside_one_another(client, monkeypatch):
    monkeypatch.setattr(evidence, "_spectrum", lambda model, rows: np.array([float(model[0])]))
    networks = Instant(X, 0.2, (2,), 1, 0)
    alone = evidence.train_networks(networks, [1, 2, 3])
    assert set(TRAINED) == {os.getpid()}
    TRAINED.clear()
    with joblib.parallel_config(backend="dask"):
        spread = evidence.train_networks(networks, [1, 2, 3])
    assert os.getpid() not in TRAINED
    # The last of the candidates gains as much as any, and so one more is tried.
    assert [[error.n_components for error in errors] for errors in spread.errors] == [[1, 2, 3, 4]] * 2
    assert spread.errors == alone.errors
    assert spread.spectrum == alone.spectrum == [4.0]


def test_the_example_runs_in_miniature(client, tmp_path, capsys):
    path = Path(__file__).parents[2] / "examples" / "dask_cluster.py"
    example = SimpleNamespace(**runpy.run_path(str(path)))
    pca, network = example.study(1000, 250, tmp_path / "z.zarr", max_epochs=40, widths=(32,))
    # Both are shares of the variance, and the network is fitted to do better than PCA.
    assert 0 < network < pca < 1
    written = da.from_zarr(tmp_path / "z.zarr")
    assert written.shape == (1000, 2)
    assert np.isfinite(written.std(axis=0).compute()).all()
    assert "Isomap" in capsys.readouterr().out
