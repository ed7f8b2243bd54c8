"""Where rows come from: every row once, in the order that its seed gives."""

from functools import partial

import numpy as np
import pytest
import scipy.sparse

from isthmus.data.rows import AllBut, row_blocks, take_rows
from isthmus.data.sources import ArraySource, batch_orders, blocks_ahead, in_common_size, size_in_common

ROWS = np.arange(46, dtype=np.float32).reshape(23, 2)


@pytest.mark.parametrize("n_blocks", [1, 2, 3, 5])
@pytest.mark.parametrize(
    "indices",
    [np.arange(23), np.array([2, 3, 7, 11, 20]), np.array([0, 0, 5, 5, 5, 22]), np.arange(4, 17)],
)
def test_a_round_yields_every_row_once(n_blocks, indices):
    block_bytes = -(-len(indices) * 8 // n_blocks)
    source = ArraySource(ROWS, indices, block_bytes)
    seen = []
    for number in range(source.n_blocks, 2 * source.n_blocks):
        block, n_valid = source.block(number, 0)
        assert block.shape == (source.block_rows, 2)
        # Padding repeats rows of the block itself.
        assert {tuple(row) for row in block} == {tuple(row) for row in block[:n_valid]}
        seen.extend(block[:n_valid].tolist())
    assert sorted(seen) == sorted(ROWS[indices].tolist())
    assert source.n_rows == len(indices)


def test_a_block_is_that_of_its_number_and_the_seed_alone():
    source = ArraySource(ROWS, np.arange(23), block_bytes=16)

    def rows(numbers, seed):
        return [source.block(number, seed)[0][:, 0].tolist() for number in numbers]

    n_blocks = source.n_blocks
    assert rows(range(n_blocks), 0) == rows(range(n_blocks)[::-1], 0)[::-1]
    assert rows(range(n_blocks), 0) != rows(range(n_blocks), 1)
    assert rows(range(n_blocks), 0) != rows(range(n_blocks, 2 * n_blocks), 0)


def test_reading_ahead_begins_at_any_block():
    source = ArraySource(ROWS, np.arange(23), block_bytes=16)
    ahead = blocks_ahead(partial(source.block, seed=3), first=5)
    for number, wait in zip(range(5, 40), ahead, strict=False):
        np.testing.assert_array_equal(wait()[0], source.block(number, 3)[0])


def test_blocks_are_bounded():
    source = ArraySource(ROWS, np.arange(23), block_bytes=40)
    assert all(source.block(number, 0)[0].nbytes <= 40 for number in range(source.n_blocks))


def test_a_block_of_sorted_rows_holds_rows_from_everywhere():
    source = ArraySource(np.arange(10_000, dtype=np.float32)[:, None], np.arange(10_000), 4_000)
    for number in range(source.n_blocks):
        block, n_valid = source.block(number, 0)
        # Sixteen runs of 62 rows: their mean's standard error is 10⁴/√12/√16.
        assert abs(block[:n_valid].mean() - 5_000) < 4.5 * 10_000 / np.sqrt(12 * 16)
        # The deciles, ten numbers, are not all in one half.
        assert block.min() < 3_000
        assert block.max() > 7_000


@pytest.mark.parametrize("left_out", [[], [0], [22], [0, 1, 2, 22], [5, 7, 8, 20], list(range(23))])
def test_all_but_a_few_numbers_are_an_array_of_the_others(left_out):
    numbers = AllBut(23, np.array(left_out, int))
    whole = np.setdiff1d(np.arange(23), left_out)
    assert len(numbers) == len(whole)
    np.testing.assert_array_equal(numbers, whole)
    for part in (slice(None), slice(3, 9), slice(2, None, 4), slice(30, 40)):
        np.testing.assert_array_equal(numbers[part], whole[part])
    np.testing.assert_array_equal(numbers.searchsorted(np.arange(24)), whole.searchsorted(np.arange(24)))


def test_a_source_that_fails_to_read_says_so():
    class Broken:
        shape = (4, 2)

        def __getitem__(self, index):
            raise OSError("the disk went away")

    wait = next(blocks_ahead(partial(ArraySource(Broken(), np.arange(4)).block, seed=0)))
    with pytest.raises(OSError, match="went away"):
        wait()


def test_contiguous_rows_are_not_copied():
    assert np.shares_memory(take_rows(ROWS, np.arange(3, 9)), ROWS)
    np.testing.assert_array_equal(take_rows(ROWS, np.array([3, 5])), ROWS[[3, 5]])
    # Ascending by one from first to last, but not throughout.
    np.testing.assert_array_equal(take_rows(ROWS, np.array([1, 3, 2, 4])), ROWS[[1, 3, 2, 4]])


@pytest.mark.parametrize("make", [np.asarray, scipy.sparse.csr_array, scipy.sparse.csr_matrix])
def test_row_blocks_cover_the_rows_in_order(make, monkeypatch):
    monkeypatch.setattr("isthmus.data.rows.READ_ELEMENTS", 10)
    out = np.full((23, 2), np.nan)
    sizes = []
    for where, block in row_blocks(make(ROWS)):
        assert type(block) is np.ndarray
        out[where] = block
        sizes.append(len(block))
    np.testing.assert_array_equal(out, ROWS)
    assert sizes == [5, 5, 5, 5, 3]


@pytest.mark.parametrize(("steps", "batch"), [(4, 6), (1, 23), (3, 8), (23, 1)])
def test_a_pass_takes_every_row_and_a_short_last_batch_wraps(steps, batch):
    orders = batch_orders(7, range(5), 23, (5, steps, batch)).reshape(5, -1)
    for order in orders:
        assert sorted(order[:23].tolist()) == list(range(23))
        np.testing.assert_array_equal(order[23:], order[: len(order) - 23])
    assert len({tuple(order) for order in orders}) == 5


def test_the_order_of_a_pass_is_that_of_its_number():
    together = batch_orders(7, range(6), 23, (6, 4, 6))
    apart = np.concatenate([batch_orders(7, range(k, k + 1), 23, (1, 4, 6)) for k in range(6)])
    np.testing.assert_array_equal(together, apart)
    with_room = batch_orders(7, range(6), 23, (6, 8, 6), n_steps=4)
    np.testing.assert_array_equal(with_room[:, :4], together)
    assert np.any(together != batch_orders(8, range(6), 23, (6, 4, 6)))


def test_passes_too_short_for_all_rows_share_an_order_until_each_row_has_come():
    orders = batch_orders(3, range(9), 23, (9, 2, 5)).reshape(3, 3, 10)
    for order in orders:
        assert sorted(order.ravel()[:23].tolist()) == list(range(23))
        # What is missing in the last pass are rows that came first.
        np.testing.assert_array_equal(order.ravel()[23:], order.ravel()[:7])
    assert len({tuple(order.ravel()) for order in orders}) == 3
    apart = [batch_orders(3, range(k, k + 1), 23, (1, 2, 5)) for k in range(9)]
    np.testing.assert_array_equal(np.concatenate(apart).reshape(3, 3, 10), orders)


def test_every_row_is_as_likely_at_every_place():
    orders = batch_orders(0, range(4000), 5, (4000, 1, 5)).reshape(4000, 5)
    counts = np.array([[np.sum(orders[:, place] == row) for row in range(5)] for place in range(5)])
    # Binomial(4000, 1/5): 800 ± 25; the largest of 25 deviations stays within 5 sigma.
    assert np.abs(counts - 800).max() < 126


def test_a_size_in_common_is_little_more_and_shared_by_those_near():
    sizes = np.array([size_in_common(n) for n in range(1, 100_000)])
    n = np.arange(1, 100_000)
    assert np.all(sizes >= n)
    assert np.all(sizes - n < np.maximum(64, n / 8 + 1))
    assert np.all(np.diff(sizes) >= 0)
    # Eight in an octave.
    assert len(np.unique(sizes[2**12 : 2**13])) <= 9


def test_rows_are_filled_up_with_copies():
    rows = np.arange(200.0).reshape(2, 50, 2)
    filled = in_common_size(rows)
    assert filled.shape == (2, 256, 2)
    np.testing.assert_array_equal(filled, rows[:, np.arange(256) % 50])
    whole = np.zeros((256, 2))
    np.testing.assert_array_equal(in_common_size(whole), whole)
    # To so many more rows alone where these are small.
    assert in_common_size(np.zeros((70, 5000))).shape == (128, 5000)


def test_of_a_block_larger_than_a_pass_some_rows_are_drawn_from_all_of_it():
    source = ArraySource(np.arange(10_000, dtype=np.float32)[:, None], np.arange(10_000), 8_000, 500)
    assert (source.n_blocks, source.block_rows) == (5, 500)
    seen = np.concatenate([source.block(number, 0)[0][:, 0] for number in range(5)])
    # None comes twice in a round, and over many rounds each is as likely as any.
    assert len(np.unique(seen)) == len(seen) == 2_500
    counts = np.bincount(
        np.concatenate([source.block(number, 1)[0][:, 0] for number in range(200)]).astype(int),
        minlength=10_000,
    )
    # 40 rounds that take a row with probability 1/4: 10 ± 2.7; the largest of 10⁴ within 5.5 sigma.
    assert np.abs(counts - 10).max() < 15
    assert abs(np.std(counts) / np.sqrt(40 * 0.25 * 0.75) - 1) < 0.05
