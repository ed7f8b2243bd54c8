"""Averaging: bias² + variance/M, measured on members that are known and on networks."""

from functools import partial
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

from isthmus import FeedForwardClassifier, FeedForwardRegressor
from isthmus.experiments import averaging
from isthmus.laboratories.averaging.picture import draw_errors, draw_spread, picture
from isthmus.laboratories.averaging.run import (
    averaged,
    jackknife,
    laws,
    residual_products,
    run,
    spread_of,
)

SIZES = np.array([1, 2, 4, 8])
SMALL = FeedForwardRegressor((8,), max_epochs=20, validation_fraction=0.0)
CHEAP = {"member": SMALL, "n_members": 64, "n_reference": 16}

pytestmark = pytest.mark.usefixtures("optimised_programs_in_module")


@pytest.fixture(scope="module")
def report(optimised_programs_in_module):
    return run(n_members=256, n_reference=128)


@pytest.fixture(scope="module")
def rows():
    X = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    return X, np.sin(3 * X[:, 0])


def drawn_products(rng, n_members, bias, variance, n_rows=400):
    """Residual products of members that are bias and noise, of the same variance in all rows."""
    residuals = bias + np.sqrt(variance) * rng.standard_normal((n_members, n_rows))
    return residuals @ residuals.T / n_rows


def test_the_spread_of_networks_falls_as_one_over_the_root_of_their_number(report):
    assert [record.M for record in report.records] == [1, 2, 4, 8, 16]
    assert report.exponent.value == pytest.approx(-0.5, abs=0.05)
    assert report.exponent.error < 0.02
    one = report.records[0].spread
    for record in report.records:
        assert record.spread == pytest.approx(one / np.sqrt(record.M), rel=0.05)


def test_the_error_of_networks_is_a_line_in_one_over_their_number(report):
    assert report.r_squared > 0.98
    # The slope is the variance of one network, which its spread measures by itself.
    assert report.slope.value == pytest.approx(report.records[0].spread ** 2, rel=0.02)
    # The part that falls is not small: 17 % of the error of one.
    assert report.slope.value > 0.1 * report.records[0].error


def test_the_line_ends_at_the_error_of_a_separate_ensemble(report):
    assert report.n_reference == 128
    # 128 networks have variance/128 of it left, an error bar: the line knows of it, the
    # intercept does not. Three errors: records differ in the last digits from machine to machine.
    assert abs(report.deviation) < 3
    both = np.hypot(report.intercept.error, report.reference.error)
    assert report.reference.value == pytest.approx(report.intercept.value, abs=3 * both)
    # The bar is a thousandth of the error, so that this says something.
    assert both < 0.005 * report.intercept.value


def test_products_are_those_of_residuals():
    rng = np.random.default_rng(0)
    x, y, predicted = rng.random((50, 1)), rng.random((50, 3)), rng.random((4, 50, 3))

    def member(k):
        return SimpleNamespace(predict=lambda part: predicted[k][np.searchsorted(x[:, 0], part[:, 0])])

    x = np.sort(x, axis=0)
    products = residual_products([member(k) for k in range(4)], x, y)
    expected = np.einsum("jnk,lnk->jl", predicted - y, predicted - y) / 50
    np.testing.assert_allclose(products, expected)
    # One test row at a time is the same.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("isthmus.laboratories.averaging.run"), "BLOCK_NUMBERS", 12)
        np.testing.assert_allclose(
            residual_products([member(k) for k in range(4)], x, y), expected, rtol=1e-12
        )


@pytest.mark.parametrize("M", [1, 2, 5])
def test_the_error_of_an_average_is_a_mean_of_products(M):
    rng = np.random.default_rng(0)
    residuals = rng.standard_normal((11, 30))
    groups = residuals[: 11 // M * M].reshape(-1, M, 30).mean(axis=1)
    products = averaged(residuals @ residuals.T, M)
    np.testing.assert_allclose(products, groups @ groups.T, atol=1e-12)
    np.testing.assert_allclose(np.diag(products), np.sum(groups**2, axis=1))
    expected = np.sqrt(np.sum(np.var(groups, axis=0, ddof=1)))
    assert spread_of(products) == pytest.approx(expected)
    # Krogh & Vedelsby: errors on average = the error of the average + the spread.
    g = len(groups)
    ambiguity = (g - 1) / g * spread_of(products) ** 2
    assert np.diag(products).mean() == pytest.approx(np.mean(products) + ambiguity)


def test_laws_are_exact_without_chance():
    # Members whose deviations are orthogonal and cancel in the mean of all, like plane waves.
    k, variance, bias = 64, 0.7, 2.0
    products = bias + variance * (np.eye(k) - 1 / k)
    exponent, intercept, slope, r_squared = laws(products, SIZES)
    assert exponent == pytest.approx(-0.5)
    assert slope == pytest.approx(variance)
    assert intercept == pytest.approx(bias - variance / k)
    assert r_squared == pytest.approx(1.0)


def test_drawn_members_have_the_laws_and_errors_have_their_size():
    rng = np.random.default_rng(0)
    bias, variance = np.full(400, 1.5), 0.8
    found, errors = [], []
    for _ in range(100):
        products = drawn_products(rng, 64, bias, variance)
        values, error = jackknife(partial(laws, sizes=SIZES), products, 8)
        found.append(values[:3])
        errors.append(error[:3])
    expected = [-0.5, 1.5**2, variance]
    scatter = np.std(found, axis=0)
    # A mean of a hundred: four of its standard errors; and the exponent's curvature, of second order.
    np.testing.assert_allclose(np.mean(found, axis=0), expected, atol=4 * scatter.max() / 10)
    # Error bars from eight blocks: right on average within a quarter.
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(errors), axis=0)), scatter, rtol=0.25)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).random(20)
    mean, error = jackknife(lambda products: np.diag(products).mean(), np.diag(values), 1)
    assert mean == pytest.approx(values.mean())
    assert error == pytest.approx(values.std(ddof=1) / np.sqrt(20))


def test_the_same_seed_gives_the_same_records(rows):
    given = CHEAP | {"member": FeedForwardRegressor((8,), max_epochs=2, validation_fraction=0.0)}
    one, again = averaging(*rows, **given), averaging(*rows, **given)
    other = averaging(*rows, random_state=1, **given)
    assert one == again
    assert one.records != other.records
    assert (one.n_train, one.n_test) == (150, 150)


def test_noise_that_all_have_learnt_is_not_averaged_out(rows):
    member = FeedForwardRegressor((32,), learning_rate=0.02, max_epochs=200, validation_fraction=0.0)
    given = CHEAP | {"member": member, "n_train": 60}
    quiet, noisy = (averaging(*rows, noise=noise, **given) for noise in (0.0, 1.0))
    # Rows to test on have none, and many members do not remove what the training rows have.
    assert noisy.intercept.value > quiet.intercept.value + 10 * noisy.intercept.error


def test_all_classes_of_noisy_rows_are_classes(rows):
    X, _ = rows
    labels = np.array(["a", "b", "c"])[np.digitize(X[:, 0], [-0.3, 0.3])]
    report = averaging(X, labels, noise=0.2, **CHEAP)
    assert report.exponent.value == pytest.approx(-0.5, abs=0.1)
    # Outputs of ±1, three of them: the mean of each would miss 3 · 0.9.
    assert report.intercept.value < 2.7


def test_members_left_over_are_in_no_group(rows):
    report = averaging(*rows, member=SMALL, n_members=70, n_groups=8, n_reference=4)
    assert [(record.M, record.n_groups) for record in report.records] == [
        (1, 64),
        (2, 32),
        (4, 16),
        (8, 8),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros(5)}, r"y has shape \(5,\) for 300 rows: expected .* \(300,\) or \(300, K\)"),
        ({"n_train": 300}, "n_train=300 of 300 rows: expected at least two, and some left"),
        ({"noise": -1.0}, r"noise=-1.0: expected a number in \[0, inf\)"),
        ({"n_groups": 2}, "n_groups=2: expected an integer of at least 4. Error bars are scatter"),
        (
            {"n_members": 32},
            "n_members=32: expected an integer of at least 64. A line needs M = 1, 2, 4",
        ),
        ({"n_reference": 1}, "n_reference=1: expected an integer of at least 2"),
        (
            {"member": FeedForwardRegressor((), solver="gradient_descent", validation_fraction=0.0)},
            "all 64 members predict the same, so there is nothing to average",
        ),
    ],
)
def test_what_cannot_be_averaged(rows, change, message):
    given = {"X": rows[0], "y": rows[1]} | CHEAP | change
    with pytest.raises(ValueError, match=message):
        averaging(**given)


def test_members_are_regressors(rows):
    with pytest.raises(
        TypeError, match=r"expected an isthmus\.FeedForwardRegressor, whose mean squared"
    ):
        averaging(*rows, member=FeedForwardClassifier())


def test_the_verdict_has_the_numbers(report):
    first, second = report.verdict.splitlines()
    assert first.startswith("digits, 200 training rows: over averages of M = 1 to 16 networks")
    assert f"{report.exponent.value:.3f}" in first
    assert f"{report.reference.value:.4g}" in second
    assert "128 others" in second


def test_pictures_show_the_records(ax, report):
    draw_errors(ax, report)
    groups, reference = (container.lines[0] for container in ax.containers)
    np.testing.assert_allclose(groups.get_ydata(orig=False), [record.error for record in report.records])
    assert reference.get_xydata().tolist() == [[128, report.reference.value]]
    ax.clear()
    draw_spread(ax, report)
    points = ax.containers[0].lines[0]
    np.testing.assert_allclose(
        points.get_ydata(orig=False), [record.spread for record in report.records]
    )
    assert len(picture(report).axes) == 3


def test_rows_need_their_targets(rows):
    with pytest.raises(ValueError, match="X was given without y"):
        run(rows[0])
