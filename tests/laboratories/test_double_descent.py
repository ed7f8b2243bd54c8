"""Double descent: exact thresholds, the risk that theory gives, and the shortest weights that fit."""

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics.pairwise import rbf_kernel

from isthmus.experiments import LinearFeatures, RandomFeatures, double_descent, exact_risk, sizes_around
from isthmus.laboratories._responses import as_targets, classes_of
from isthmus.laboratories.double_descent.features import Fit, Rows, least_norm_fit
from isthmus.laboratories.double_descent.picture import draw_errors, draw_risks
from isthmus.laboratories.double_descent.risk import measured_risk
from isthmus.laboratories.double_descent.run import Curve, CurvePoint
from isthmus.laboratories.double_descent.verdict import DoubleDescentReport, _noise_of

X, LABELS = load_digits(return_X_y=True)
RISKS = {10: 1.264, 20: 1.724, 30: 3.207, 50: 3.04, 60: 1.566, 80: 0.886, 100: 0.667}


@pytest.fixture(scope="module")
def curve():
    return double_descent(X, LABELS, n_train=100, n_repeats=4)


@pytest.fixture(scope="module")
def risks():
    return measured_risk(tuple(RISKS))


def curve_of(errors, sizes, threshold):
    """A curve with these test errors, one repeat."""
    points = [
        CurvePoint(size, 0, size, 0.0, error, np.nan, 1.0)
        for size, error in zip(sizes, errors, strict=True)
    ]
    return Curve(tuple(points), tuple(sizes), int(threshold), threshold)


def test_the_exact_risk_is_that_of_belkin_hsu_and_xu():
    np.testing.assert_allclose(exact_risk(list(RISKS)), list(RISKS.values()), atol=5e-4)
    assert np.all(np.isinf(exact_risk([39, 40, 41])))
    # No feature: the variance of y. Without noise and with rows for all features: no error.
    assert exact_risk([0])[0] == pytest.approx(1.04)
    assert exact_risk([100], n=200, noise=0.0)[0] == 0.0
    for size in (-1, 101):
        with pytest.raises(ValueError, match=rf"sizes=\[{size}\]: expected .* from 0 to D=100"):
            exact_risk([size])


def test_the_least_norm_fit_has_the_exact_risk(risks):
    for risk in risks:
        assert risk.exact == pytest.approx(RISKS[risk.size], abs=5e-4)
        assert risk.measured == pytest.approx(risk.exact, rel=0.04)
        # Eight times in a hundred thousand a normal number is farther away than this.
        assert abs(risk.measured - risk.exact) < 4 * risk.standard_error


@pytest.mark.parametrize("size", [3, 20, 60])
def test_weights_are_the_shortest_of_those_that_fit_best(size):
    rng = np.random.default_rng(0)
    features, y, features_test = (
        rng.standard_normal((20, size)),
        rng.standard_normal((20, 2)),
        np.eye(size),
    )
    fit = least_norm_fit(features, y, features_test)
    weights = fit.predicted
    np.testing.assert_allclose(weights, np.linalg.pinv(features) @ y, atol=1e-10)
    assert fit.weight_norm == pytest.approx(np.linalg.norm(weights))
    assert fit.n_parameters == 2 * size
    if size >= 20:
        np.testing.assert_allclose(fit.fitted, y, atol=1e-9)


def test_many_random_features_are_gaussian_kernel_interpolation():
    rng = np.random.default_rng(0)
    x, x_test = rng.standard_normal((30, 3)), rng.standard_normal((200, 3))
    y = np.sin(x.sum(axis=1, keepdims=True))
    scale = 1.0
    weights = np.linalg.solve(rbf_kernel(x, gamma=0.5 / scale**2), y)
    expected = rbf_kernel(x_test, x, gamma=0.5 / scale**2) @ weights
    sizes = (400, 40_000)
    errors = [
        np.sqrt(np.mean((fit.predicted - expected) ** 2))
        for fit in RandomFeatures(scale).fits(sizes, Rows(x, y, x_test), rng)
    ]
    # A hundred times as many features, a tenth of the error, within a factor of two.
    assert errors[1] < 0.2 * errors[0]
    assert errors[1] < 0.05


def test_digits_peak_at_the_threshold_and_end_below_the_classical_optimum(curve):
    marks = curve.landmarks()
    assert curve.threshold == 100
    assert abs(marks.peak - 100) <= 5
    assert marks.classical_optimum < 80
    assert marks.peak_error > 10 * marks.classical_error
    assert marks.end == 1000
    assert marks.end_error < marks.classical_error
    mistakes = np.median(curve.values("test_mistakes"), axis=0)
    assert mistakes[-1] < mistakes[curve.sizes.index(marks.classical_optimum)] < mistakes.max()


def test_training_rows_are_fitted_exactly_from_the_threshold_on(curve):
    errors = curve.values("train_error")
    beyond = np.array(curve.sizes) >= 100
    assert errors[:, beyond].max() < 1e-6
    assert np.all(np.diff(errors[:, ~beyond], axis=1) < 0)
    assert errors[:, ~beyond].min() > 1e-4


def test_weights_are_longest_at_the_threshold(curve):
    norms = np.median(curve.values("weight_norm"), axis=0)
    assert curve.sizes[np.argmax(norms)] == 100


def test_the_same_seed_gives_the_same_records_in_any_number_of_processes(curve):
    again = double_descent(X, LABELS, [10, 100], n_train=100, n_repeats=2, n_jobs=2)
    alone = double_descent(X, LABELS, [10, 100], n_train=100, n_repeats=2)
    other = double_descent(X, LABELS, [10, 100], n_train=100, n_repeats=2, random_state=1)
    assert again == alone
    assert other.points != alone.points


def test_landmarks_of_a_curve_made_by_hand():
    marks = curve_of([3.0, 2.0, 2.5, 9.0, 4.0, 1.0], [1, 2, 5, 10, 20, 50], 10.0).landmarks()
    assert marks == (2, 2.0, 10.0, 10, 9.0, 50, 1.0)
    with pytest.raises(ValueError, match="a classical optimum needs sizes below it"):
        curve_of([1.0, 2.0], [10, 20], 10.0).landmarks()


@pytest.mark.parametrize(("end", "word"), [(1.0, "below"), (2.5, "above")])
def test_the_verdict_says_whether_the_second_descent_pays(risks, end, word):
    curve = curve_of([2.0, 9.0, end], [2, 10, 50], 10.0)
    report = DoubleDescentReport("data", curve, curve, curve_of([2.0, 3.0], [2, 10], 10.0), risks)
    first, second = report.verdict.splitlines()
    assert f"the second descent ends {word} the first" in first
    assert "the worst error is 9 at M = 10" in second
    assert "is 3 at worst" in second
    assert [record.curve for record in report.records[::3]] == [
        "random features",
        "trained perceptron",
        "mean of 4 perceptrons",
    ]


def test_targets_are_signs_of_classes_and_numbers_as_they_are():
    signs, n_classes = as_targets(["cat", "dog", "cat"], 3)
    assert (signs.tolist(), n_classes) == ([[-1], [1], [-1]], 2)
    signs, n_classes = as_targets(np.array([2, 0, 5]), 3)
    assert (signs.tolist(), n_classes) == ([[-1, 1, -1], [1, -1, -1], [-1, -1, 1]], 3)
    assert classes_of(signs).tolist() == [1, 0, 2]
    numbers, n_classes = as_targets([1.0, 2.0, 2.0], 3)
    assert (numbers.tolist(), n_classes) == ([[1.0], [2.0], [2.0]], 0)


@dataclass(frozen=True)
class Echo:
    """A family that predicts its training targets' mean, and keeps what came."""

    seen: list

    def threshold(self, n, n_features, n_outputs):
        return n * n_outputs

    def fits(self, sizes, rows, rng):
        self.seen.append((sizes, rows))
        for size in sizes:
            mean = rows.y.mean(axis=0)
            yield Fit(np.tile(mean, (len(rows.x), 1)), np.tile(mean, (len(rows.x_test), 1)), size, 0.0)


def test_noise_gives_the_share_of_training_rows_another_class():
    seen = []
    rows = np.arange(4000.0)[:, None]
    labels = np.arange(4000) % 5
    curve = double_descent(rows, labels, [7, 3], model=Echo(seen), n_repeats=1, noise=0.3)
    (sizes, came), *_ = seen
    changed = classes_of(came.y) != came.x[:, 0] % 5
    # 2000 rows: a standard deviation of 0.01.
    assert np.mean(changed) == pytest.approx(0.3, abs=0.04)
    assert (sizes, curve.threshold) == ((7, 3), 2000 * 5)
    assert not set(came.x[:, 0]) & set(came.x_test[:, 0])


def test_noise_on_numbers_is_on_training_rows_only():
    seen = []
    y = np.full(4000, 2.0)
    curve = double_descent(np.zeros((4000, 1)), y, [1], model=Echo(seen), n_repeats=1, noise=0.5)
    noise = seen[0][1].y - 2.0
    assert np.std(noise) == pytest.approx(0.5, rel=0.1)
    assert curve.points[0].test_error == pytest.approx(noise.mean() ** 2)
    assert np.isnan(curve.points[0].test_mistakes)


def test_trained_perceptrons_learn_from_noise_of_half_the_deviation_of_numbers():
    y = np.random.default_rng(0).standard_normal(1000)
    assert _noise_of(X, LABELS) == 0.2
    assert _noise_of(X, y) == 0.5 * np.std(y)
    # How far columns are apart is not noise.
    two = np.stack([y, 3 * y], axis=1)
    assert _noise_of(two, None) == pytest.approx(0.5 * np.sqrt(5) * np.std(y))
    assert _noise_of(X, two + np.array([0.0, 1e6])) == pytest.approx(0.5 * np.sqrt(5) * np.std(y))


def test_rows_may_be_their_own_targets():
    # All features give the row back; without the last one its own variance is left.
    rows = np.random.default_rng(0).standard_normal((2000, 5))
    curve = double_descent(rows, rows, [4, 5], model="linear_features", n_repeats=2)
    short, whole = np.mean(curve.values("test_error"), axis=0)
    assert whole < 1e-20
    assert short == pytest.approx(1.0, rel=0.1)


def test_sizes_are_dense_around_the_threshold():
    sizes = sizes_around(1000)
    assert sizes[0] == 33
    assert sizes[-1] == 10_000
    assert {900, 950, 1000, 1050, 1100} <= set(sizes)
    assert sizes == sorted(set(sizes))
    assert sizes_around(3)[0] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": LABELS[:5]}, r"y has shape \(5,\) for 1,797 rows: expected .* \(1797,\) or"),
        ({"y": np.zeros(1797, int)}, "y is 0 in every row: expected two classes or more"),
        ({"n_train": 1797}, "n_train=1797 of 1797 rows: some must be left to test on"),
        ({"sizes": []}, "sizes holds no number: expected at least one"),
        ({"sizes": [0]}, "sizes=0: expected an integer of at least 1"),
        ({"noise": 1.5}, r"noise=1.5: expected a number in \[0, 1\)"),
        ({"model": "forest"}, "model='forest' is not known; use one of 'random_features'"),
        ({"model": LinearFeatures(), "sizes": [65]}, "sizes reach 65, but X has 64 columns"),
    ],
)
def test_what_cannot_be_an_experiment(change, message):
    given = {"X": X, "y": LABELS, "sizes": [5], "n_repeats": 1} | change
    with pytest.raises(ValueError, match=message):
        double_descent(**given)


def test_scale_must_be_a_distance():
    with pytest.raises(ValueError, match="scale=0"):
        RandomFeatures(0)


def test_the_picture_shows_the_medians_and_the_landmarks(ax, curve):
    draw_errors(ax, curve)
    test, train = ax.lines[:2]
    np.testing.assert_allclose(test.get_xdata(), curve.sizes)
    np.testing.assert_allclose(test.get_ydata(), np.median(curve.values("test_error"), axis=0))
    drawn = np.median(curve.values("train_error"), axis=0)
    below = np.array(curve.sizes) < 90
    np.testing.assert_allclose(np.asarray(train.get_ydata())[below], drawn[below])
    texts = " ".join(text.get_text() for text in ax.texts)
    marks = curve.landmarks()
    assert f"m* = {marks.classical_optimum}" in texts
    assert f"M = {marks.end}" in texts


def test_the_picture_shows_the_risks(ax, risks):
    draw_risks(ax, risks)
    theory = ax.lines[0]
    assert np.interp(30, theory.get_xdata(), theory.get_ydata()) == pytest.approx(3.207, abs=1e-3)
    (points, _, _) = ax.containers[0].lines
    np.testing.assert_allclose(points.get_ydata(), [risk.measured for risk in risks])
