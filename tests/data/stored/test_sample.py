"""A sample in a file gives back any of its rows, and says what is wrong with the disk."""

import errno

import numpy as np
import pytest
import scipy.sparse

import isthmus
from isthmus.data.stored import sample
from isthmus.data.stored.sample import SampleFile, evenly_chosen
from isthmus.estimators.fitting import prepare
from parquet_files import parts_read

RNG = np.random.default_rng(0)
X = RNG.standard_normal((500, 7)).astype(np.float32)


def test_numbers_are_one_of_each_step_and_not_left_out():
    left_out = np.array([3, 50, 499])
    numbers = evenly_chosen(500, 100, left_out, seed=0)
    assert np.all(np.diff(numbers) > 0)
    assert not np.isin(left_out, numbers).any()
    others = np.setdiff1d(np.arange(100), numbers // 5)
    assert np.isin(others, left_out // 5).all()
    np.testing.assert_array_equal(
        evenly_chosen(500, 500, left_out, 0), np.setdiff1d(range(500), left_out)
    )


@pytest.mark.parametrize("count", [3, 70, 333, 499])
def test_no_number_comes_twice(count):
    numbers = evenly_chosen(500, count, np.arange(0), seed=0)
    assert len(np.unique(numbers)) == len(numbers) == count
    assert numbers[0] >= 0
    assert numbers[-1] < 500


class _ReadsLittle:
    """A file that gives at most 100 bytes at a time, as a system gives at most 2 GiB."""

    def __init__(self, file):
        self.file = file

    def __getattr__(self, name):
        return getattr(self.file, name)

    def readinto(self, content):
        return self.file.readinto(content[:100])


def test_a_long_stretch_of_rows_is_read_to_its_end():
    file = SampleFile(np.arange(500), 7, X.dtype)
    file.append(X)
    file._file = _ReadsLittle(file._file)
    np.testing.assert_array_equal(file.at(np.arange(500)), X)
    file._file.truncate(1000)
    with pytest.raises(OSError, match="ended early"):
        file.at(np.arange(500))


@pytest.mark.parametrize("make", [np.asarray, scipy.sparse.csr_array])
def test_any_rows_of_the_file_are_those_that_were_written(make):
    numbers = evenly_chosen(500, 200, np.arange(0), seed=2)
    file = SampleFile(numbers, 7, X.dtype)
    for part in np.split(numbers, [0, 17, 180]):
        file.append(make(X[part]))
    for some in (numbers, numbers[5:9], numbers[::3], numbers[[4, 4, 7]]):
        np.testing.assert_array_equal(file.at(some), X[some])
    missing = np.setdiff1d(np.arange(500), numbers)[:1]
    assert file.at(missing) is None
    assert file.at(np.array([500])) is None


def test_rows_are_kept_in_the_pass_that_surveys_them():
    rows = isthmus.scan([X[:200], X[200:]], block_bytes=1000)
    reads = parts_read(rows)
    left_out = np.array([7, 300])
    rows.keep_for_training(100, left_out)
    numbers = rows.training_numbers()
    np.testing.assert_array_equal(rows[numbers[::-1]], X[numbers[::-1]])
    rows.summary(left_out)
    rows.keep_for_training(100, left_out)
    assert reads == list(range(len(rows.store.part_starts) - 1))
    assert isthmus.scan([X]).training_numbers() is None


def test_a_full_disk_is_named_with_what_to_do(monkeypatch):
    rows = isthmus.scan([X], block_bytes=1000)

    class Full:
        def write(self, content):
            raise OSError(errno.ENOSPC, "No space left on device")

    def full(self, numbers, n_columns, dtype):
        self.numbers, self.n_columns, self.dtype, self._file = numbers, n_columns, dtype, Full()

    monkeypatch.setattr(SampleFile, "__init__", full)
    with pytest.raises(OSError, match=r"rows that training takes, .*No space left on device.*TMPDIR"):
        rows.keep_for_training(100, np.arange(0))
    assert rows.training_numbers() is None


def test_the_file_is_bounded(monkeypatch):
    monkeypatch.setattr("isthmus.data.stored.rows.MOST_BYTES", 50 * 7 * 4)
    rows = isthmus.scan([X], block_bytes=1000)
    rows.keep_for_training(400, np.arange(0))
    assert len(rows.training_numbers()) == 50
    assert sample.MOST_BYTES == 2**32


def test_whole_passes_over_more_than_the_file_may_hold_read_all_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("isthmus.data.stored.rows.MOST_BYTES", 50 * 7 * 4)
    np.save(tmp_path / "x.npy", X[:400])
    rows = isthmus.scan(tmp_path / "x.npy", block_bytes=1000)
    rows.keep_for_training(None, np.arange(0))
    assert rows.training_numbers() is None
    training = prepare(isthmus.Autoencoder(2, widths=(4,), max_epochs=1), rows).training
    assert training.source.n_rows == 360
