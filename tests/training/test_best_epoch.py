"""Which epoch a training ends with: that of the least held-out loss, if it beats the start clearly."""

import numpy as np
import pytest

from isthmus.networks.layers import Affine
from isthmus.training.problem import SIGNIFICANCE, chance_of
from training.tied_map import ROWS, D, N, distance, fit

RNG = np.random.default_rng(7)


def test_the_best_epoch_is_the_one_with_the_least_held_out_loss():
    # Training pulls w to the rows' mean; held-out rows lie on the way, so the best is in between.
    held_out = np.float32(ROWS.mean(0) * 0.5) + 0.001 * RNG.standard_normal((30, D)).astype(np.float32)
    network = Affine(np.zeros((1, D), np.float32), None)
    result = fit(distance, network=network, held_out=held_out, batch_size=N, max_epochs=60)
    losses = result.history["validation_loss"]
    best = int(np.argmin(losses))
    assert 0 < best < 60
    assert result.best_epoch == best
    # Full-batch descent on |w − x̄|²/2 is w = x̄(1 − (1 − ε)^t).
    np.testing.assert_allclose(
        result.network.weight[0], ROWS.mean(0) * (1 - 0.95**best), rtol=1e-3, atol=1e-6
    )
    assert result.stopped == "max_epochs"


def test_patience_ends_training():
    held_out = np.float32(ROWS.mean(0) * 0.5) + np.zeros((30, D), np.float32)
    network = Affine(np.zeros((1, D), np.float32), None)
    options = {"network": network, "held_out": held_out, "batch_size": N, "max_epochs": 60}
    result = fit(distance, patience=7, **options)
    assert result.stopped == "no improvement"
    assert result.history["epoch"][-1] == int(np.argmin(result.history["validation_loss"])) + 7


def test_the_start_stays_where_nothing_is_better():
    held_out = np.zeros((30, D), np.float32)
    network = Affine(np.zeros((1, D), np.float32), None)
    result = fit(distance, network=network, held_out=held_out, batch_size=N)
    assert result.best_epoch == 0
    np.testing.assert_array_equal(result.network.weight, network.weight)


def margin_of(advance):
    return advance.mean() / (advance.std(ddof=1) / np.sqrt(len(advance)))


@pytest.mark.parametrize(("n_wild", "wins"), [(1, False), (30, True)])
def test_an_epoch_must_win_by_more_than_chance(n_wild, wins):
    """One held-out row of thirty that gains is no evidence (margin 1); thirty are."""
    target = ROWS.mean(0)
    held_out = np.zeros((30, D), np.float32)
    held_out[:n_wild] = 40 * target
    # Rows at 0 lose a little as w moves to the mean, the others gain much.
    if n_wild == 30:
        held_out += 0.1 * RNG.standard_normal((30, D)).astype(np.float32)
    network = Affine(np.zeros((1, D), np.float32), None)
    result = fit(distance, network=network, held_out=held_out, batch_size=N, max_epochs=30)
    losses = result.history["validation_loss"]
    best = int(np.argmin(losses))
    assert losses[best] < losses[0]
    w = target * (1 - 0.95**best)
    advance = 0.5 * (np.sum(held_out**2, 1) - np.sum((held_out - w) ** 2, 1))
    assert (chance_of(margin_of(advance), 30) < SIGNIFICANCE) is wins
    assert result.best_epoch == (best if wins else 0)


@pytest.mark.parametrize("seed", range(4))
def test_an_outlier_that_gains_most_does_not_count(seed):
    """The margin is the lesser of that of all rows and that without the one that gains most."""
    held_out = np.random.default_rng(seed).standard_t(2, (20, D)).astype(np.float32) + 2 * ROWS.mean(0)
    network = Affine(np.zeros((1, D), np.float32), None)
    result = fit(distance, network=network, held_out=held_out, batch_size=N, max_epochs=30)
    w = ROWS.mean(0) * (1 - 0.95 ** int(np.argmin(result.history["validation_loss"])))
    advance = np.sort(0.5 * (np.sum(held_out**2, 1) - np.sum((held_out - w) ** 2, 1)))
    margins = [margin_of(some) if some.mean() > 0 else -np.inf for some in (advance, advance[:-1])]
    assert result.p_value == pytest.approx(chance_of(min(margins), 20), rel=1e-3)


def test_the_margin_is_students():
    # scipy.stats.t.ppf(0.99, df): tables give 2.602 for 15 degrees of freedom, 2.326 for many.
    assert chance_of(2.602, 16) == pytest.approx(0.01, rel=1e-3)
    assert chance_of(2.3263, 10**6) == pytest.approx(0.01, rel=1e-3)
    assert np.isnan(chance_of(3.0, 1))


def test_one_held_out_row_is_no_evidence():
    network = Affine(np.zeros((1, D), np.float32), None)
    held_out = ROWS.mean(0)[None]
    result = fit(distance, network=network, held_out=held_out, batch_size=N)
    assert np.all(np.diff(result.history["validation_loss"]) < 0)
    assert result.best_epoch == 0


def test_without_held_out_rows_the_last_epoch_is_the_result():
    result = fit(distance, network=Affine(np.zeros((1, D), np.float32), None), batch_size=N)
    assert result.best_epoch == 6
    np.testing.assert_allclose(result.network.weight[0], ROWS.mean(0) * (1 - 0.95**6), rtol=1e-4)
    assert np.isnan(result.history["validation_loss"]).all()
