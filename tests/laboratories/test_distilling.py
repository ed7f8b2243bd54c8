"""The laboratory of compression: what it measures, and what it says of it."""

from functools import partial
from importlib import import_module

import numpy as np
import pytest
from matplotlib.figure import Figure

from isthmus import prune
from isthmus.laboratories.distilling.picture import draw_errors, draw_times
from isthmus.laboratories.distilling.run import (
    LARGE,
    PRUNED,
    SCRATCH,
    TAUGHT,
    CompressedPoint,
    DistillingReport,
    run,
)

laboratory = import_module("isthmus.laboratories.distilling.run")


def prune_in(model, rows, *, tolerance, trials, n_trials):
    return prune(model, rows, tolerance=tolerance, trials=min(trials, n_trials))


RECORDS = (
    CompressedPoint(LARGE, "64-32", 1000, 2.0, 4e-6),
    CompressedPoint(PRUNED, "8-4", 250, 2.02, 2e-6),
    CompressedPoint(TAUGHT, "4", 50, 3.0, 1e-6),
    CompressedPoint(SCRATCH, "4", 50, 4.0, 1e-6),
)
REPORT = DistillingReport("rows", 2, RECORDS)


def test_the_verdict_says_what_is_left_and_what_it_costs():
    first, second = REPORT.verdict.splitlines()
    assert "pruned to 25% of 1,000 parameters" in first
    assert "1.01 × the error" in first
    assert "at 50% of the time per row" in first
    assert "A network with 5% of the parameters has 1.50 × that error if it learns from" in second
    assert "2.00 × if trained from scratch: distillation gives lower errors." in second


def test_where_nothing_can_go_it_is_said():
    unpruned = DistillingReport("rows", 2, (RECORDS[0], *RECORDS[2:]))
    assert "no unit can be removed" in unpruned.verdict


def test_points_are_drawn_where_they_were_measured():
    left, right = Figure().subplots(1, 2)
    draw_errors(left, REPORT)
    draw_times(right, REPORT)
    drawn = {line.get_label(): line.get_xydata().tolist() for line in left.lines[1:]}
    assert drawn == {
        LARGE: [[1000, 1.0]],
        PRUNED: [[250, 1.01]],
        TAUGHT: [[50, 1.5]],
        SCRATCH: [[50, 2.0]],
    }
    np.testing.assert_allclose([line.get_ydata()[0] for line in right.lines], [4.0, 2.0, 1.0, 1.0])


def test_networks_are_evaluated_on_rows_that_none_has_seen(monkeypatch):
    # The test is not about how few units are left: one trial, in place of three, is enough.
    monkeypatch.setattr(laboratory, "prune", partial(prune_in, n_trials=1))
    rng = np.random.default_rng(0)
    # So many that a tenth of those to train on is held out: fewer would be cross-validated each time.
    t = rng.uniform(-1, 1, 700)
    rows = np.stack([t, 2 * t**2, t**3], axis=1) + 0.02 * rng.standard_normal((700, 3))
    report = run(rows, n_components=1, widths=(32,), small_widths=((4,),), tolerances=(0.5,))
    (large,), (taught,), (scratch,) = (report.of(how) for how in (LARGE, TAUGHT, SCRATCH))
    assert taught.n_parameters == scratch.n_parameters < large.n_parameters
    assert all(record.n_parameters < large.n_parameters for record in report.of(PRUNED))
    # The curve has one dimension: of the noise two directions are left out, of variance 4e-4 each, and
    # no map can do better on rows that it has not seen. A straight line leaves out a third and more.
    assert 4e-4 < large.error < 0.1 * np.linalg.eigvalsh(np.cov(rows.T))[:2].sum()


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match=r"there are 49 rows.* pass at least 50"):
        run(np.zeros((49, 3)))
