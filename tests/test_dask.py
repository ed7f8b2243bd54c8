"""Collections of Dask, and a cluster of processes: the same numbers, and no rows in the client."""

import contextlib
import os
import runpy
import signal
import sys
import time
import tracemalloc
import warnings
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import cloudpickle
import dask
import dask.array as da
import dask.dataframe as dd
import distributed
import joblib
import numpy as np
import pandas as pd
import pytest

import isthmus
from isthmus.comparison import Method
from isthmus.data.rows import AllBut, ChosenRows
from isthmus.data.stored.rows import StoredRows
from isthmus.diagnostics.dimension import evidence
from isthmus.diagnostics.quality import pairs
from isthmus.estimators.base import BaseMap
from isthmus.estimators.jobs import in_jobs

# Workers cannot import this file, so that its functions travel as they are.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

N, D = 1000, 5
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, D)) * [1.8, 1.4, 1.0, 0.5, 0.2] + 10.0
NAMES = list("abcde")
MIB = 2**20


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


@pytest.fixture
def here():
    """Dask computes in this thread."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(scope="module")
def pca():
    return isthmus.LinearAutoencoder(2).fit(X)


@pytest.fixture(scope="module")
def network():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", isthmus.NoImprovementWarning)  # of two epochs
        return isthmus.Autoencoder(2, widths=(8,), max_epochs=2, random_state=0).fit(X)


def close(found, expected):
    """But for the rounding of products of other shapes, in single precision where there is some."""
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 if found.dtype == "f4" else 1e-12)


def array(rows=X, chunks=(130, 2)):
    return da.from_array(rows, chunks=chunks)


def frame(rows=X):
    return dd.from_pandas(pd.DataFrame(rows, columns=NAMES), npartitions=7)


def never_computed(n, width):
    def block(block_id=None):
        raise AssertionError("a block was computed")

    chunks = (tuple(n), (width,))
    return da.map_blocks(block, chunks=chunks, dtype=np.float64, meta=np.empty((0, 0)))


# What is lazy, and what it will be.


def test_nothing_is_computed_before_the_result_is(network, pca, here):
    rows, Z = never_computed((30, 40), D), never_computed((30, 40), 2)
    lazy = {
        "coordinates": (network.transform(rows), ((30, 40), (2,)), np.float32),
        "scores": (pca.transform(rows), ((30, 40), (2,)), np.float64),
        "rows": (network.inverse_transform(Z), ((30, 40), (D,)), np.float64),
        "errors": (isthmus.reconstruction_error(network, rows), ((30, 40),), np.float64),
        "restored": (isthmus.denoise(network, rows), ((30, 40), (D,)), np.float64),
    }
    for found, chunks, dtype in lazy.values():
        assert isinstance(found, da.Array)
        assert (found.chunks, found.dtype, found._meta.dtype) == (chunks, dtype, dtype)
        assert found._meta.ndim == len(chunks)
        with pytest.raises(AssertionError, match="a block was computed"):
            found.compute()


def test_what_is_computed_is_what_rows_in_memory_give(network, pca, here):
    for model in (network, pca):
        Z, errors = model.transform(X), isthmus.reconstruction_error(model, X)
        for rows in (array(), array(chunks=(1, 5))[:20], array()[array()[:, 0] > 8]):
            expected = model.transform(rows.compute())
            close(model.transform(rows).compute(), expected)
        lazy = model.transform(array())
        close(model.inverse_transform(lazy).compute(), model.inverse_transform(Z))
        close(isthmus.reconstruction_error(model, array()).compute(), errors)
        assert model.score(array()) == pytest.approx(model.score(X), rel=1e-12)
    single = array(X.astype(np.float32))
    assert pca.transform(single).dtype == pca.transform(single).compute().dtype == np.float32


def test_a_frame_of_which_no_column_is_left_is_refused(here):
    with pytest.raises(isthmus.StoreError, match="no column is left, of 'a', 'b'"):
        isthmus.scan(frame(), drop=NAMES)
    with pytest.raises(isthmus.StoreError, match="no column is left"):
        isthmus.scan(frame(), columns=[])


def test_numbers_of_rows_that_are_not_known_stay_unknown(pca, here):
    some = array()[array()[:, 0] > 8]
    Z = pca.transform(some)
    assert all(np.isnan(Z.chunks[0]))
    assert Z.chunks[1] == (2,)
    # A block may lose all of its rows.
    few = array()[array()[:, 0] > X[:, 0].max() - 1e-9]
    np.testing.assert_array_equal(pca.transform(few).compute(), pca.transform(X[[X[:, 0].argmax()]]))
    assert pca.score(some) == pytest.approx(pca.score(X[X[:, 0] > 8]), rel=1e-12)


def test_data_frames_give_arrays_and_names_are_looked_at_before(here):
    model = isthmus.LinearAutoencoder(2).fit(pd.DataFrame(X, columns=NAMES))
    Z = model.transform(frame())
    assert isinstance(Z, da.Array)
    np.testing.assert_array_equal(Z.compute(), model.transform(pd.DataFrame(X, columns=NAMES)))
    back = model.inverse_transform(dd.from_dask_array(Z, columns=["z0", "z1"]))
    np.testing.assert_allclose(back.compute(), model.inverse_transform(Z.compute()), rtol=1e-14)
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(frame()[list("abced")])
    with pytest.raises(ValueError, match=r"set_output\(transform='pandas'\) makes a data frame in mem"):
        isthmus.LinearAutoencoder(2).set_output(transform="pandas").fit(X).transform(array())


def test_columns_that_do_not_fit_are_refused_before_anything_is_computed(pca):
    with pytest.raises(ValueError, match="X has 4 features, but LinearAutoencoder is expecting 5"):
        pca.transform(never_computed((10,), 4))
    with pytest.raises(ValueError, match=r"Z has shape \(10, 3\), but the model has 2 coordinates"):
        pca.inverse_transform(never_computed((10,), 3))
    with pytest.raises(ValueError, match=r"shape \(10,\), and rows × columns are expected"):
        pca.transform(da.zeros(10))


def test_a_later_fit_changes_nothing_of_what_is_not_computed_yet(here):
    model = isthmus.LinearAutoencoder(2).fit(X)
    expected, lazy = model.transform(X), model.transform(array())
    model.fit(X[:, ::-1] ** 2)
    np.testing.assert_array_equal(lazy.compute(), expected)


def test_images_predictions_and_categories_come_as_from_memory(here):
    images = X[:, :4].reshape(N, 2, 2)
    model = isthmus.LinearAutoencoder(2).fit(images)
    Z = model.transform(da.from_array(images, chunks=(300, 1, 2)))
    np.testing.assert_array_equal(Z.compute(), model.transform(images))
    decoded = model.inverse_transform(Z)
    assert decoded.chunks == ((300, 300, 300, 100), (2,), (2,))
    np.testing.assert_allclose(decoded.compute(), model.inverse_transform(Z.compute()), rtol=1e-14)

    kinds = pd.DataFrame({"a": X[:, 0], "kind": np.where(X[:, 1] > 10, "large", "small")})
    coded = isthmus.LinearAutoencoder(2, categorical=["kind"]).fit(kinds)
    of_frame = coded.transform(dd.from_pandas(kinds, npartitions=3)).compute()
    np.testing.assert_array_equal(of_frame, coded.transform(kinds))
    assert (
        coded.inverse_transform(da.from_array(of_frame, chunks=(400, 2))).compute()[0, 1]
        in kinds.kind.values
    )

    labels = np.where(X[:, 0] > 10, "high", "low")
    classifier = isthmus.FeedForwardClassifier((2,), max_epochs=1, random_state=0).fit(X, labels)
    np.testing.assert_array_equal(classifier.predict(array()).compute(), classifier.predict(X))
    probabilities = classifier.predict_proba(array())
    assert probabilities.dtype == np.float32
    np.testing.assert_array_equal(probabilities.compute(), classifier.predict_proba(X))


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


# On a cluster of processes.


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


# Measures of a map.


@pytest.mark.parametrize("settings", [{"k": (5, 20)}, {"scaling": "standard"}])
def test_quality_is_that_of_rows_in_memory(here, pca, settings):
    copies = X.copy()
    copies[7] = copies[900]  # equal distances stand by the number of the row
    rows = array(copies)
    local = isthmus.quality(copies, pca.transform(copies), max_rows=400, model=pca, **settings)
    spread = isthmus.quality(rows, pca.transform(rows), max_rows=400, model=pca, **settings)
    assert spread.n_queries == local.n_queries == 160
    for found in fields(local):
        ours, theirs = getattr(spread, found.name), getattr(local, found.name)
        if isinstance(theirs, float | np.ndarray):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, err_msg=found.name)
    for name, error in local.standard_errors.items():
        np.testing.assert_allclose(spread.standard_errors[name], error, rtol=1e-6, err_msg=name)


def test_of_few_rows_all_are_compared(here, pca):
    few = isthmus.quality(array()[:50], pca.transform(array()[:50]), max_rows=20)
    assert few.n_queries == 50
    assert few.trustworthiness == isthmus.quality(X[:50], pca.transform(X[:50])).trustworthiness


def test_quality_has_drawn_rows_alone_in_the_client(client, pca, monkeypatch):
    monkeypatch.setattr(pairs, "MOST_PAIRS", 2**14)
    drawn = da.random.default_rng(0).standard_normal((200_000, D), chunks=(50_000, D))
    with memory_at_most(6 * MIB):
        found = isthmus.quality(drawn, pca.transform(drawn), max_rows=1000, scaling=None)
    assert found.n_queries == 100
    # Two of five directions are kept, and so are three of ten neighbours at most.
    assert 0 < found.overlap < 0.3 < found.spearman < 1


def test_blocks_that_do_not_belong_together_are_refused(here, pca):
    with pytest.raises(ValueError, match="X has 1000 rows and Z has 300"):
        isthmus.quality(array(), pca.transform(array()[:300]), max_rows=100)
    some = array()[array()[:, 0] > 8]
    with pytest.raises(ValueError, match="X has 2 blocks and Z has 8, of unknown numbers"):
        isthmus.quality(array(chunks=(500, D)), pca.transform(some), max_rows=100)
    with pytest.raises(ValueError, match=r"Z has \d+ rows where X has \d+ \(from row 0 of block"):
        isthmus.quality(array(), pca.transform(some), max_rows=100)
    with pytest.raises(ValueError, match="training= and y= are for rows in memory"):
        isthmus.quality(array(), pca.transform(array()), y=np.zeros(N), max_rows=100)


# Fits that do not need one another.


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


HERE = os.getpid()


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


TRAINED = []


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
    path = Path(__file__).parents[1] / "examples" / "dask_cluster.py"
    example = SimpleNamespace(**runpy.run_path(str(path)))
    pca, network = example.study(1000, 250, tmp_path / "z.zarr", max_epochs=40, widths=(32,))
    # Both are shares of the variance, and the network is fitted to do better than PCA.
    assert 0 < network < pca < 1
    written = da.from_zarr(tmp_path / "z.zarr")
    assert written.shape == (1000, 2)
    assert np.isfinite(written.std(axis=0).compute()).all()
    assert "Isomap" in capsys.readouterr().out
