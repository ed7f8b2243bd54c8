"""Collections of Dask: what is lazy and what it will be, and that the numbers are those of memory."""

from dataclasses import fields

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import isthmus
from dask_collections.blocks import NAMES, D, N, X, array, close, frame


@pytest.fixture
def here():
    """Dask computes in this thread."""
    with dask.config.set(scheduler="synchronous"):
        yield


def never_computed(n, width):
    def block(block_id=None):
        raise AssertionError("a block was computed")

    chunks = (tuple(n), (width,))
    return da.map_blocks(block, chunks=chunks, dtype=np.float64, meta=np.empty((0, 0)))


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


def test_blocks_that_do_not_belong_together_are_refused(here, pca):
    with pytest.raises(ValueError, match="X has 1,000 rows and Z has 300"):
        isthmus.quality(array(), pca.transform(array()[:300]), max_rows=100)
    some = array()[array()[:, 0] > 8]
    with pytest.raises(ValueError, match="X has 2 blocks and Z has 8, of unknown numbers"):
        isthmus.quality(array(chunks=(500, D)), pca.transform(some), max_rows=100)
    with pytest.raises(ValueError, match=r"Z has \d+ rows where X has \d+ \(from row 0 of block"):
        isthmus.quality(array(), pca.transform(some), max_rows=100)
    with pytest.raises(ValueError, match="training= and y= are for rows in memory"):
        isthmus.quality(array(), pca.transform(array()), y=np.zeros(N), max_rows=100)


def test_numbers_for_names_and_sparse_blocks_are_as_in_memory(here, pca):
    numbered = dd.from_pandas(pd.DataFrame(X), npartitions=3)
    model = isthmus.LinearAutoencoder(2).fit(numbered)
    assert not hasattr(model, "feature_names_in_")
    close(model.transform(numbered).compute(), pca.transform(X))
    sparse = da.from_array(X, chunks=(100, D)).map_blocks(scipy.sparse.csr_matrix)
    close(pca.transform(sparse).compute(), pca.transform(X))
