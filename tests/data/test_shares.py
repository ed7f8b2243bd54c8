"""Several processes that read rows together: each its share, and all of them the rows of one."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow.parquet as pq
import pytest

import isthmus
from isthmus.data.rows import NONE, AllBut
from isthmus.data.sources import ArraySource
from isthmus.data.stored.rows import Processes
from parquet_files import parts_read, table_of, write_parts

N, D = 3000, 4
ROWS = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32) + 100


@pytest.fixture
def folder(tmp_path):
    write_parts(tmp_path, ROWS, [900, 2300], 100)
    return tmp_path


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """A part is a row group."""
    monkeypatch.setattr("isthmus.data.stored.parquet.PART_BYTES", 100 * D * 4)


class Together:
    """Threads in the place of processes, which meet to exchange values."""

    def __init__(self, count):
        self.count, self.values = count, [None] * count
        self.barrier = threading.Barrier(count)

    def gathered(self, index, value):
        self.values[index] = value
        self.barrier.wait(timeout=20)
        values = list(self.values)
        self.barrier.wait(timeout=20)
        return values

    def in_each(self, index, function):
        try:
            result, error = function(), None
        except ValueError as raised:
            result, error = None, raised
        for of_one in self.gathered(index, error):
            if of_one is not None:
                raise of_one
        return result

    def run(self, function):
        """What ``function(processes)`` returns in each."""

        def in_one(index):
            return function(
                Processes(
                    self.count,
                    index,
                    lambda value: self.gathered(index, value),
                    lambda called: self.in_each(index, called),
                )
            )

        with ThreadPoolExecutor(self.count) as pool:
            return list(pool.map(in_one, range(self.count)))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
def test_shares_of_a_block_are_the_block(count):
    left_out = np.array([3, 50, 2999])
    for block_bytes, most_taken, scattered in [
        (2**20, None, False),
        (9000, None, False),
        (9000, 200, False),
        (9000, None, True),
    ]:
        source = ArraySource(Whole(ROWS), AllBut(N, left_out), block_bytes, most_taken, scattered)
        for number in (0, source.n_blocks - 1, source.n_blocks):
            block, n_valid = source.block(number, 5)
            shares = [source.share(number, 5, index, count, 4) for index in range(count)]
            bounds = shares[0].bounds
            assert bounds[0] == 0
            assert bounds[-1] == n_valid
            for index, share in enumerate(shares):
                own = block[bounds[index] : bounds[index + 1]]
                np.testing.assert_array_equal(share.rows[: len(own)], own)
                np.testing.assert_array_equal(share.bounds, bounds)
                assert len(share.rows) == len(shares[0].rows)
                assert len(share.rows) % 4 == 0


class Whole:
    """Rows in memory, of which each process is said to have a part at hand."""

    def __init__(self, rows):
        self.array, self.shape, self.dtype = rows, rows.shape, rows.dtype

    def __getitem__(self, index):
        return self.array[index]

    def process_starts(self, n_processes):
        return N * np.arange(n_processes) // n_processes


@pytest.mark.parametrize("count", [2, 3])
def test_each_process_looks_through_its_part_and_all_know_the_whole(folder, count):
    alone = isthmus.scan(folder, block_bytes=2**12)
    left_out = np.arange(7, N, 100)
    expected = alone.summary(left_out)

    def survey(processes):
        rows = isthmus.scan(folder, block_bytes=2**12).shared_by(processes)
        read = parts_read(rows)
        summary = rows.summary(left_out)
        held_out, some = rows[left_out], rows[rows.some_numbers()]
        return read, summary, held_out, some

    found = Together(count).run(survey)
    parts = [part for read, *_ in found for part in set(read)]
    assert len(parts) == len(set(parts)) == 30
    for read, summary, held_out, some in found:
        assert len(set(read)) == 30 // count
        np.testing.assert_allclose(summary.moments.mean, expected.moments.mean, rtol=1e-14)
        np.testing.assert_allclose(summary.moments.scatter, expected.moments.scatter, rtol=1e-12)
        np.testing.assert_array_equal(summary.columns.low, expected.columns.low)
        np.testing.assert_array_equal(held_out, ROWS[left_out])
        np.testing.assert_array_equal(some, alone[alone.some_numbers()])


def test_rows_kept_for_training_are_those_of_one_process_and_each_keeps_its_own(folder):
    alone = isthmus.scan(folder, block_bytes=2**12)
    alone.keep_for_training(1000, NONE)
    numbers = alone.training_numbers()
    expected = ArraySource(alone, numbers, 2**12, None, True)

    def read(processes):
        rows = isthmus.scan(folder, block_bytes=2**12).shared_by(processes)
        rows.keep_for_training(1000, NONE)
        np.testing.assert_array_equal(rows.training_numbers(), numbers)
        parts = parts_read(rows)
        source = ArraySource(rows, rows.training_numbers(), 2**12, None, True)
        shares = [source.share(block, 0, processes.index, processes.count, 1) for block in range(3)]
        return parts, shares

    found = Together(2).run(read)
    for block in range(3):
        whole, n_valid = expected.block(block, 0)
        pieces = [
            shares[block].rows[: np.diff(shares[block].bounds)[index]]
            for index, (_, shares) in enumerate(found)
        ]
        np.testing.assert_array_equal(np.concatenate(pieces), whole[:n_valid])
    # They come from the process's own file of them.
    assert [parts for parts, _ in found] == [[], []]


def test_what_is_wrong_in_the_part_of_one_is_known_to_all(folder):
    part = ROWS[2300:].copy()
    part[450, 2] = np.nan
    pq.write_table(table_of(part), folder / "2.parquet", row_group_size=100)

    def survey(processes):
        rows = isthmus.scan(folder, block_bytes=2**12).shared_by(processes)
        with pytest.raises(ValueError, match=r"NaN.*'c'.*2\.parquet"):
            rows.summary()
        return True

    assert Together(2).run(survey) == [True, True]
