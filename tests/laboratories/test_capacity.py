"""Width against depth: equal numbers of parameters, functions with known nets, and who finds them."""

import numpy as np
import pytest

from isthmus import FeedForwardRegressor
from isthmus.experiments import capacity
from isthmus.laboratories._widths import equal_widths, n_parameters
from isthmus.laboratories.capacity._functions import FUNCTIONS, product, rings, tent, waves
from isthmus.laboratories.capacity.picture import draw_errors, picture
from isthmus.laboratories.capacity.report import CapacityReport, Net
from isthmus.laboratories.capacity.run import run

CHEAP = {"depths": (1, 2), "budgets": [81], "learning_rates": [0.03], "n_seeds": 2, "n_updates": 20}


@pytest.fixture(scope="module")
def cube():
    return np.random.default_rng(0).uniform(-1, 1, (6000, 3))


@pytest.fixture(scope="module")
def found(cube, optimised):
    """A perceptron of 48 nodes, and three layers of as many parameters."""
    settings = {"depths": (1, 3), "budgets": [241], "n_seeds": 3, "n_train": 2000}
    with optimised():
        return {
            function.__name__: capacity(cube, function(cube), target=function.__name__, **settings)
            for function in (tent, rings)
        }


def net(depth, error, *, target="data", budget=100, rate=0.01, train=None, seed=0):
    train = error if train is None else train
    return Net(target, depth, (5,) * depth, budget, budget, rate, seed, train, error)


def test_the_perceptron_finds_the_tent_at_its_own_rate_only(found):
    # One layer of eight ReLU nodes is the tent, so that 48 nodes can represent it well: it is a matter
    # of finding. 0.94 and 0.02 were measured.
    slow, _ = found["tent"].kinds("tent", 241, 0.01)
    own, _ = found["tent"].kinds("tent", 241)
    assert slow.test_error > 0.5
    assert own.learning_rate == 0.25
    assert own.test_error < 0.1


def test_depth_finds_rings_that_a_perceptron_does_not_find_at_any_rate(found):
    # Three layers: 0.18, a perceptron: 0.48.
    assert found["rings"].clear_winner("rings", 241) == 3
    perceptron, deep = found["rings"].kinds("rings", 241)
    assert deep.worst < perceptron.best
    assert "depth is better wherever there is a difference" in found["rings"].verdict


def test_the_conclusion_is_mixed_where_each_wins_somewhere():
    nets = [net(1, 0.1), net(2, 0.2), net(1, 0.3, target="other"), net(2, 0.2, target="other")]
    first, second = CapacityReport(tuple(nets)).verdict.splitlines()
    assert first.endswith("data 10.00% / 20.00%, other 30.00% / 20.00%.")
    assert "Of 2 comparisons the perceptron wins 1 (data 1), a deeper net 1 (other 1)" in second
    assert second.endswith("which is better depends on the function.")
    assert CapacityReport(tuple(nets[:2])).verdict.endswith("depth is nowhere better.")


@pytest.mark.parametrize(("D", "K"), [(1, 1), (3, 1), (64, 10)])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_nets_of_a_budget_have_as_many_parameters(D, K, depth):
    for nodes in (16, 48, 144):
        budget = n_parameters((nodes,), D, K)
        widths = equal_widths(budget, depth, D, K)
        assert len(widths) == depth
        assert max(widths) - min(widths) <= 1
        off = abs(n_parameters(widths, D, K) - budget)
        # A few per cent; of the smallest, which have 49 parameters or 75 in each node, up to ten.
        assert off / budget <= (0.05 if nodes > 16 else 0.1)
        if depth == 1:
            assert widths == (nodes,)
        others = [(w + 1,) * k + (w,) * (depth - k) for w in range(1, nodes + 2) for k in range(depth)]
        assert off == min(abs(n_parameters(other, D, K) - budget) for other in others)


def test_parameters_are_those_of_the_fitted_net():
    x = np.random.default_rng(0).random((20, 3))
    model = FeedForwardRegressor((7, 5), max_epochs=1, validation_fraction=0.0).fit(x, x[:, :2])
    assert model.n_parameters_ == n_parameters((7, 5), 3, 2) == 4 * 7 + 8 * 5 + 6 * 2


def test_the_tent_is_a_perceptron_of_eight_nodes_and_a_chain_of_three_times_two(cube):
    t = (cube[:, 0] + 1) / 2
    kinks = np.arange(8) / 8
    slopes = 8.0 * np.array([1, -1, 1, -1, 1, -1, 1, -1])
    weights = np.diff(slopes, prepend=0.0)
    wide = np.maximum(0, t[:, None] - kinks) @ weights
    np.testing.assert_allclose(tent(cube), wide, atol=1e-12)
    deep = t
    for _ in range(3):
        deep = 2 * np.maximum(0, deep) - 4 * np.maximum(0, deep - 0.5)
    np.testing.assert_allclose(tent(cube), deep, atol=1e-12)


def test_functions_have_their_symmetries(cube):
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    np.testing.assert_allclose(rings(cube @ turn), rings(cube), atol=1e-12)
    np.testing.assert_allclose(product(cube * [-1, 1, 1]), -product(cube))
    np.testing.assert_allclose(product(cube[:, [2, 0, 1]]), product(cube))
    # A wave of wave number 2: its Laplacian is −4 times itself.
    step, laplacian = 1e-3, -6 * waves(cube)
    for axis in np.eye(3):
        laplacian += waves(cube + step * axis) + waves(cube - step * axis)
    np.testing.assert_allclose(laplacian / step**2, -4 * waves(cube), atol=1e-4)
    for function in FUNCTIONS.values():
        assert function(cube).shape == (6000,)
        assert function(cube).std() > 0.1


def test_each_kind_of_net_is_taken_at_the_rate_that_fits_best():
    nets = [
        *(net(1, 0.3, rate=0.01, train=0.2), net(1, 0.5, rate=0.1, train=0.1)),
        *(net(2, 0.4, rate=0.01, train=0.1), net(2, 0.2, rate=0.1, train=0.2)),
    ]
    report = CapacityReport(tuple(nets))
    assert [kind.test_error for kind in report.kinds("data", 100)] == [0.5, 0.4]
    assert [kind.test_error for kind in report.kinds("data", 100, 0.1)] == [0.5, 0.2]
    assert report.lowest_rate == 0.01
    with pytest.raises(ValueError, match=r"target='data', budget=99: expected one of .*\(100,\)"):
        report.kinds("data", 99)
    with pytest.raises(ValueError, match=r"learning_rate=0.02: .* learning rates 0.01, 0.1"):
        report.kinds("data", 100, 0.02)


@pytest.mark.parametrize(
    ("perceptron", "deep", "winner"),
    [
        ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 1),
        ((0.4, 0.5, 0.6), (0.1, 0.2, 0.3), 2),
        ((0.1, 0.2, 0.5), (0.4, 0.5, 0.6), None),
        # Both have found it.
        ((1e-5, 1e-5, 1e-5), (1e-4, 1e-4, 1e-4), None),
    ],
)
def test_a_winner_is_beyond_the_scatter_of_starts(perceptron, deep, winner):
    nets = [net(1, error, seed=seed) for seed, error in enumerate(perceptron)]
    nets += [net(2, error, seed=seed) for seed, error in enumerate(deep)]
    nets += [net(3, 0.9, seed=seed) for seed in range(3)]
    assert CapacityReport(tuple(nets)).clear_winner("data", 100) == winner


def test_the_same_seed_gives_the_same_records(cube):
    x, y = cube[:300], waves(cube[:300])
    one, again, other = (capacity(x, y, random_state=seed, **CHEAP).records for seed in (0, 0, 1))
    assert one == again
    assert one != other
    assert [(record.depth, record.seed) for record in one] == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_errors_are_shares_of_the_variance_of_all_outputs(cube):
    # Units do not matter, and a rate of nothing leaves the mean of the training rows.
    x = cube[:400]
    y = np.stack([3 * waves(x), 100 + product(x)], axis=1)
    settings = CHEAP | {"learning_rates": [1e-9]}
    for record in capacity(x, y, **settings).records:
        # Halves of the rows, whose own variances differ by more than their means.
        assert (record.train_error + record.test_error) / 2 == pytest.approx(1.0, abs=0.02)
    scaled, plain = (capacity(x, factor * y, **CHEAP).records for factor in (1000.0, 1.0))
    np.testing.assert_allclose(
        [record.test_error for record in scaled], [record.test_error for record in plain], rtol=1e-3
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros(5)}, r"y has shape \(5,\) for 300 rows: expected .* \(300,\) or \(300, K\)"),
        ({"y": np.zeros(300)}, "y is the same in all rows: there is no function to find"),
        ({"n_train": 300}, "n_train=300 of 300 rows: expected at least two, and some left"),
        ({"depths": (2, 3)}, r"depths=\(2, 3\): expected 1, the perceptron, and others"),
        ({"depths": ()}, r"depths=\(\): expected a sequence of one number or more"),
        ({"learning_rates": [0.0]}, r"learning_rates=0.0: expected a number in \(0, inf\)"),
        ({"budgets": 81}, "budgets=81: expected a sequence of one number or more"),
        ({"budgets": [7]}, "budgets=7: nets of depth 1 from 3 features to 1"),
        ({"n_seeds": 0}, "n_seeds=0: expected an integer of at least 1"),
    ],
)
def test_what_cannot_be_compared(cube, change, message):
    given = {"X": cube[:300], "y": waves(cube[:300])} | CHEAP | change
    with pytest.raises(ValueError, match=message):
        capacity(**given)


def test_the_picture_shows_medians_and_stars_the_winner(ax, found):
    report = found["rings"]
    draw_errors(ax, report, "rings")
    lines = {line.get_label(): line for line in ax.lines}
    perceptron, deep = report.kinds("rings", 241)
    for label, kind in (("1 hidden layer: perceptron", perceptron), ("3 hidden layers", deep)):
        np.testing.assert_allclose(lines[label].get_ydata(), [100 * kind.test_error])
    stars = [line for line in ax.lines if line.get_marker() == "*" and len(line.get_xdata())]
    assert [line.get_ydata().tolist() for line in stars] == [[100 * deep.test_error]]


def test_the_picture_has_a_column_for_each_target(found):
    report = CapacityReport(found["tent"].records + found["rings"].records)
    assert len(picture(report).axes) == 4
    unknown = CapacityReport((net(1, 0.1), net(2, 0.2)))
    assert len(picture(unknown).axes) == 1


def test_rows_need_their_targets(cube):
    with pytest.raises(ValueError, match="X was given without y"):
        run(cube)
