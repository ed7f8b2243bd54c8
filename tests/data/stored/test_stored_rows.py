"""Rows that are kept elsewhere are the rows that were written, whatever holds them."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import fsspec
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import scipy.sparse
import zarr

import isthmus
from isthmus.data.moments import column_statistics, principal_axes
from isthmus.data.rows import AllBut, ChosenRows, ScaledRows, evenly_spaced
from isthmus.data.scaling import Scaling
from isthmus.data.stored import arrays, parquet
from isthmus.data.stored.rows import StoredRows
from isthmus.data.stored.rows import __name__ as rows_module
from parquet_files import parts_read, table_of, write_parts

N, D = 1000, 5
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, D)) * [1.8, 1.4, 1.0, 0.5, 0.2] + 10.0
NAMES = list("abcde")


@pytest.fixture
def folder(tmp_path):
    """Three files with row groups of 90 rows, and what writers leave beside them."""
    write_parts(tmp_path, X, [300, 777], 90)
    (tmp_path / "_metadata").write_bytes(b"notes")
    (tmp_path / ".2.parquet.tmp").write_bytes(b"half")
    return tmp_path


def of_dask(tmp_path):
    import dask.array

    return dask.array.from_array(X, chunks=(130, 2))


def of_dask_frame(tmp_path):
    import dask.dataframe

    return dask.dataframe.from_pandas(pd.DataFrame(X, columns=NAMES), npartitions=7)


def of_zarr(tmp_path):
    array = zarr.create_array(tmp_path / "x.zarr", shape=X.shape, chunks=(64, 2), dtype="f8")
    array[:] = X
    return array


def of_hdf5(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("group/x", data=X, chunks=(70, 5))
    return tmp_path / "x.h5"


def of_npy(tmp_path):
    np.save(tmp_path / "x.npy", X)
    return tmp_path / "x.npy"


SOURCES = {
    "zarr": of_zarr,
    "zarr folder": lambda place: (of_zarr(place), str(place / "x.zarr"))[1],
    "HDF5 file": of_hdf5,
    "HDF5 dataset": lambda place: h5py.File(of_hdf5(place))["group/x"],
    "npy": of_npy,
    "Dask array": of_dask,
    "Dask frame": of_dask_frame,
    "blocks": lambda place: np.split(X, [100, 101, 600]),
    "frames": lambda place: [pd.DataFrame(part, columns=NAMES) for part in np.split(X, 4)],
    "generator": lambda place: (part for part in np.split(X, [400])),
    "function": lambda place: lambda: iter(np.split(X, [400])),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_gives_the_rows_that_were_written(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "LEAST_PART_BYTES", 2_000)
    rows = isthmus.scan(SOURCES[kind](tmp_path))
    assert rows.shape == (N, D)
    np.testing.assert_array_equal(rows[:], X)
    np.testing.assert_array_equal(rows[333:801], X[333:801])
    some = RNG.integers(N, size=50)
    np.testing.assert_array_equal(rows[some], X[some])
    np.testing.assert_array_equal(rows[::-7], X[::-7])
    assert rows[5:5].shape == (0, D)


@pytest.mark.parametrize(
    "path",
    [
        lambda folder: folder,
        lambda folder: str(folder) + "/",
        lambda folder: str(folder / "*.parquet"),
        lambda folder: [folder / "0.parquet", folder / "1.parquet", str(folder / "2.parquet")],
        lambda folder: pyarrow.dataset.dataset(sorted(map(str, folder.glob("*.parquet")))),
    ],
)
def test_parquet_files_are_found_and_read_in_the_order_of_their_names(folder, path):
    rows = isthmus.scan(path(folder))
    assert rows.names == tuple(NAMES)
    np.testing.assert_array_equal(rows[:], X)
    np.testing.assert_array_equal(rows[[999, 0, 300, 299, 0]], X[[999, 0, 300, 299, 0]])
    assert rows.run_starts.tolist()[:6] == [0, 90, 180, 270, 300, 390]


def test_an_ending_may_be_in_capitals(folder):
    (folder / "1.parquet").rename(folder / "1.PARQUET")
    np.testing.assert_array_equal(isthmus.scan(folder)[:], X)


def test_files_in_the_cloud_are_read_by_their_url():
    memory = fsspec.filesystem("memory")
    for number, part in enumerate(np.split(X, [600])):
        with memory.open(f"/lake/{number}.{('parquet', 'PARQUET')[number]}", "wb") as sink:
            pq.write_table(table_of(part), sink)
    for url in ("memory://lake", "memory://lake/*.[pP]*"):
        np.testing.assert_array_equal(isthmus.scan(url)[:], X)
    memory.rm("/lake", recursive=True)


def test_columns_are_chosen_by_name_and_come_in_that_order(folder):
    np.testing.assert_array_equal(isthmus.scan(folder, columns=["d", "a"])[:], X[:, [3, 0]])
    assert isthmus.scan(folder, drop=["b", "e"]).names == ("a", "c", "d")
    with pytest.raises(ValueError, match="no column 'z'; it has 'a', 'b'"):
        isthmus.scan(folder, columns=["a", "z"])
    with pytest.raises(ValueError, match="no column is left"):
        isthmus.scan(folder, drop=NAMES)
    with pytest.raises(TypeError, match="lists of names"):
        isthmus.scan(folder, columns="a")


def test_numbers_of_every_type_come_as_floats(tmp_path):
    kinds = {
        "bytes": pa.array([1, None, 3], pa.uint8()),
        "whole": pa.array([2**40, 2, None], pa.int64()),
        "flags": pa.array([True, None, False]),
        "exact": pa.array(["1.25", None, "3.5"]).cast(pa.decimal128(5, 2)),
        "coded": pa.array([4.0, None, 5.0]).dictionary_encode(),
        "vectors": pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.float32(), 2)),
    }
    pq.write_table(pa.table(kinds), tmp_path / "x.parquet")
    rows = isthmus.scan(tmp_path / "x.parquet").allowing_nan(True)
    nan = np.nan
    expected = [[1, 2**40, 1, 1.25, 4, 1, 2], [nan, 2, nan, nan, nan, 3, 4], [3, nan, 0, 3.5, 5, 5, 6]]
    np.testing.assert_array_equal(rows[:], expected)
    assert rows.dtype == np.float64
    assert rows.names[-2:] == ("vectors_0", "vectors_1")
    small = isthmus.scan(tmp_path / "x.parquet", columns=["vectors", "bytes"])
    assert small.dtype == np.float32


def test_the_index_of_a_data_frame_is_no_feature(tmp_path):
    frame = pd.DataFrame(X, columns=NAMES, index=pd.Index(np.arange(N) + 7, name="id"))
    frame.to_parquet(tmp_path / "x.parquet")
    assert isthmus.scan(tmp_path / "x.parquet").names == tuple(NAMES)


def test_a_large_row_group_is_read_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "PART_BYTES", 100 * D * 8)
    pq.write_table(table_of(X), tmp_path / "x.parquet", row_group_size=450)
    rows = isthmus.scan(tmp_path / "x.parquet")
    assert np.diff(rows.store.part_starts).tolist() == [100] * 4 + [50] + [100] * 4 + [50, 100]
    # Whole groups are runs, because pieces are quickly read in their order alone.
    assert rows.run_starts.tolist() == [0, 450, 900, 1000]
    np.testing.assert_array_equal(rows[:], X)
    np.testing.assert_array_equal(rows[730:760], X[730:760])
    np.testing.assert_array_equal(rows[120:130], X[120:130])


def test_sparse_rows_stay_sparse_until_a_block_of_them_is_used():
    matrix = scipy.sparse.random_array((N, 40), density=0.1, rng=RNG, format="csr")

    class Backed:
        """As much of a sparse dataset of AnnData as is in use."""

        shape, dtype = matrix.shape, matrix.dtype

        def __getitem__(self, index):
            return scipy.sparse.csr_matrix(matrix[index])

    rows = StoredRows(arrays.ArrayStore(Backed(), "X of cells.h5ad", 100))
    assert scipy.sparse.issparse(rows[10:30])
    whole = matrix.toarray()
    np.testing.assert_array_equal(rows[10:300].toarray(), whole[10:300])
    np.testing.assert_array_equal(rows[np.array([900, 3, 500])].toarray(), whole[[900, 3, 500]])
    ours, theirs = principal_axes(rows, 2), principal_axes(whole, 2)
    np.testing.assert_allclose(ours.components, theirs.components, atol=1e-10)


# What a fit wants to know beforehand.


def test_one_pass_gives_what_a_fit_wants_to_know(folder):
    rows = isthmus.scan(folder)
    reads = parts_read(rows)
    left_out = np.array([0, 5, 299, 300, 998])
    training = AllBut(N, left_out)
    known = np.delete(X, left_out, axis=0)
    chosen = ChosenRows(rows, training)
    columns = column_statistics(chosen)
    np.testing.assert_allclose(columns.mean, known.mean(0), rtol=1e-13)
    np.testing.assert_allclose(columns.variance, known.var(0, ddof=1), rtol=1e-11)
    np.testing.assert_array_equal(columns.low, known.min(0))
    np.testing.assert_array_equal(columns.high, known.max(0))
    scaling = Scaling.fit("standard", chosen)
    ours = principal_axes(ScaledRows(chosen, scaling), 3)
    theirs = principal_axes((known - known.mean(0)) / known.std(0, ddof=1), 3)
    np.testing.assert_allclose(ours.components, theirs.components, atol=1e-10)
    np.testing.assert_allclose(ours.variances, theirs.variances, rtol=1e-10)
    np.testing.assert_array_equal(rows[left_out], X[left_out])
    some = evenly_spaced(ScaledRows(rows, scaling), 100, training)
    assert some.shape == (100, D)
    np.testing.assert_allclose(column_statistics(rows).variance, X.var(0, ddof=1), rtol=1e-11)
    # Each part once for all of this.
    assert sorted(reads) == list(range(len(rows.store.part_starts) - 1))


def test_pca_of_files_is_that_of_rows_in_memory_to_eight_digits(folder):
    for offset in (0.0, 1e5):
        shifted = X + offset
        write_parts(folder, shifted, [300, 777], 90)
        ours = isthmus.LinearAutoencoder(3).fit(folder)
        theirs = isthmus.LinearAutoencoder(3).fit(shifted)
        np.testing.assert_allclose(ours.components_, theirs.components_, atol=1e-8)
        np.testing.assert_allclose(ours.explained_variance_, theirs.explained_variance_, rtol=1e-8)


def test_the_sample_is_spread_over_all_rows(folder, monkeypatch):
    monkeypatch.setattr(f"{rows_module}.LEAST_SAMPLE", 100)
    monkeypatch.setattr(f"{rows_module}.MOST_SAMPLE", 100)
    numbers = isthmus.scan(folder).some_numbers()
    # One in each tenth of a per cent of them.
    np.testing.assert_array_equal(numbers // 10, np.arange(100))


def test_rows_in_order_are_read_once_and_few_are_kept(folder):
    rows = isthmus.scan(folder)
    reads = parts_read(rows)
    for start in range(0, N, 37):
        np.testing.assert_array_equal(rows[start : start + 37], X[start : start + 37])
        assert len(rows._parts) <= 3
    assert reads == list(range(len(rows.store.part_starts) - 1))


def test_rows_are_sent_to_another_process_as_what_they_are_read_from(folder):
    for source in (folder, of_npy(folder), of_hdf5(folder), of_zarr(folder)):
        rows = isthmus.scan(source)
        rows.summary()
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(rows))[:], X)
        assert len(pickle.dumps(rows)) < 10_000


def test_rows_are_taken_as_from_an_array(folder):
    rows = isthmus.scan(folder)
    np.testing.assert_array_equal(rows[5], X[5])
    np.testing.assert_array_equal(rows[-1], X[-1])
    np.testing.assert_array_equal(rows[np.array([-1, 0])], X[[-1, 0]])
    mask = X[:, 0] > 12
    np.testing.assert_array_equal(rows[mask], X[mask])
    for wrong in (N, -N - 1, np.array([0, N])):
        with pytest.raises(IndexError, match="numbered from 0 to 999"):
            rows[wrong]
    with pytest.raises(IndexError, match="a mask of shape"):
        rows[mask[:5]]


@pytest.mark.parametrize("ending", [".npy", ".h5", ".zarr"])
def test_a_file_that_is_something_else_is_named(tmp_path, ending):
    path = tmp_path / f"x{ending}"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=rf"x\{ending} cannot be read as .*Copy it again"):
        isthmus.scan(path)


def test_all_rows_at_once_are_refused_where_they_are_many(folder):
    np.testing.assert_array_equal(np.asarray(isthmus.scan(folder)), X)
    with pytest.raises(ValueError, match="all 1,000 rows are needed in memory at once"):
        np.asarray(isthmus.scan(folder, block_bytes=1000))


@pytest.mark.parametrize("part_bytes", [2**26, 30 * D * 8])
def test_rows_that_share_a_store_are_read_side_by_side(folder, monkeypatch, part_bytes):
    """Each with a reader of its own: whole row groups, and pieces of them."""
    monkeypatch.setattr(parquet, "PART_BYTES", part_bytes)
    store = isthmus.scan(folder).store

    def read(seed):
        rows, rng = StoredRows(store), np.random.default_rng(seed)
        for numbers in rng.integers(N, size=(60, 7)):
            np.testing.assert_array_equal(rows[numbers], X[numbers])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, range(4)))
