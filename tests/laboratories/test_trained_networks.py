"""Trained networks of every size: one program for all of them, the peak, and what flattens it."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

import isthmus
from isthmus.experiments import PrincipalComponents, TrainedNetworks, double_descent
from isthmus.laboratories.double_descent.features import Rows
from isthmus.laboratories.double_descent.networks import Padded, _grown, _outputs
from isthmus.networks.layers import gaussian_chain, tanh

X, LABELS = load_digits(return_X_y=True)
SIZES = [1, 2, 8, 10, 32, 64]
NOISY = {"n_train": 60, "n_repeats": 2, "noise": 0.2}

pytestmark = pytest.mark.usefixtures("optimised_programs_in_module")


@pytest.fixture(scope="module")
def alone(optimised_programs_in_module):
    return double_descent(X, LABELS, SIZES, model=TrainedNetworks(epochs=1000), **NOISY)


def medians(curve, field="test_error"):
    return dict(zip(curve.sizes, np.median(curve.values(field), axis=0), strict=True))


def some_rows(n=40, n_features=3, n_outputs=2):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, n_features))
    return Rows(x, np.sin(x @ rng.standard_normal((n_features, n_outputs))), x[:5] + 0.1)


def test_a_trained_perceptron_peaks_at_the_threshold_and_descends_again(alone):
    errors = medians(alone)
    # 8 nodes have 610 weights for the 600 numbers of 60 rows and 10 outputs.
    assert alone.threshold == 8
    marks = alone.landmarks()
    assert marks.peak in (8, 10)
    assert marks.peak_error > 1.2 * errors[1]
    assert marks.end_error < 0.8 * marks.classical_error
    fitted = medians(alone, "train_error")
    assert fitted[64] < 1e-3 < 0.05 < fitted[2]


def test_averaging_networks_flattens_the_peak(alone):
    model = TrainedNetworks(n_members=4, epochs=1000)
    averaged = medians(double_descent(X, LABELS, [1, 8, 64], model=model, **NOISY))
    errors = medians(alone)
    # The mean of four has a quarter of their variance, which is what the peak is made of.
    assert averaged[8] - averaged[64] < 0.5 * (errors[8] - errors[64])
    assert averaged[8] < averaged[1]
    assert averaged[64] < errors[64]


def test_networks_begun_with_smaller_ones_stay_where_these_were():
    model = TrainedNetworks(warm_start=True)
    curve = double_descent(X, LABELS, [2, 8, 16, 64], model=model, n_train=60, n_repeats=1, noise=0.2)
    errors, fitted = medians(curve), medians(curve, "train_error")
    assert fitted[16] < 1e-2
    # Nothing is left to learn beyond: no second descent.
    assert errors[64] > 0.9 * errors[16]


def test_a_grown_network_is_the_same_function():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20, 4))

    def draw(width):
        chain = gaussian_chain(rng, (4, width, width, 2), (tanh, tanh))
        return Padded.of(chain, (4, 9, 9, 2))

    small, large = draw(3), draw(7)
    grown = _grown(small, large)
    np.testing.assert_allclose(_outputs(grown, x), _outputs(small, x), atol=1e-6)
    assert [int(used.value.sum()) for used in grown.used] == [7, 7]
    # What is new has weights that can learn: its own inputs, from the first layer on.
    assert np.all(grown.chain.layers[0].weight[3:7] == large.chain.layers[0].weight[3:7])


@pytest.mark.parametrize("layers", [(None,), (None, 2, None)])
def test_room_for_more_nodes_changes_nothing(layers):
    rows, model = some_rows(), TrainedNetworks(layers, epochs=50)
    (exact,) = model.fits([3], rows, np.random.default_rng(1))
    padded, _ = model.fits([3, 20], rows, np.random.default_rng(1))
    # Sums over more terms, the others zero, in another order; 100 steps carry that on.
    np.testing.assert_allclose(padded.predicted, exact.predicted, rtol=0, atol=1e-4)
    assert padded.n_parameters == exact.n_parameters


def test_linear_networks_end_at_least_squares():
    rows = some_rows(200)
    (fit,) = TrainedNetworks((None,), "identity").fits([4], rows, np.random.default_rng(0))
    expected = LinearRegression().fit(rows.x, rows.y)
    np.testing.assert_allclose(fit.predicted, expected.predict(rows.x_test), atol=2e-3)


def test_parameters_are_counted_as_the_estimators_count_them():
    rows = some_rows()
    model = isthmus.FeedForwardRegressor((7, 7), max_epochs=1, validation_fraction=0.0)
    model.fit(rows.x, rows.y)
    mlp = TrainedNetworks((None, None))
    assert mlp.n_parameters(7, 3, 2) == model.n_parameters_
    threshold = mlp.threshold(40, 3, 2)
    assert mlp.n_parameters(threshold, 3, 2) >= 80 > mlp.n_parameters(threshold - 1, 3, 2)


def test_a_clean_linear_auto_encoder_has_no_peak():
    sizes = [1, 5, 15, 25, 28, 29, 30, 31, 40, 64]
    curve = double_descent(X, None, sizes, model="principal_components", n_train=30, n_repeats=5)
    errors = curve.values("test_error")
    assert curve.threshold == 29
    assert np.all(np.diff(errors, axis=1) <= 1e-9)
    fitted = curve.values("train_error")
    assert fitted[:, 5:].max() < 1e-9 < fitted[:, :5].min()


def test_the_linear_auto_encoder_is_principal_component_analysis():
    rows = Rows(X[:50], X[:50], X[50:90])
    (fit,) = PrincipalComponents().fits([7], rows, np.random.default_rng(0))
    pca = PCA(7, svd_solver="full").fit(X[:50])
    expected = pca.inverse_transform(pca.transform(X[50:90]))
    np.testing.assert_allclose(fit.predicted, expected, atol=1e-8)


def test_an_auto_encoder_with_noise_peaks_by_width():
    model = TrainedNetworks((None, 2, None), ("tanh", "identity", "tanh"), epochs=1000)
    curve = double_descent(X, None, [2, 20, 100], model=model, n_train=30, n_repeats=1, noise=4.0)
    errors = medians(curve)
    assert errors[20] > 1.5 * errors[2]
    assert errors[100] < 0.9 * errors[20]


def test_noise_of_rows_that_are_their_own_targets_is_on_both():
    seen = []

    class Echo:
        def threshold(self, n, n_features, n_outputs):
            return n

        def fits(self, sizes, rows, rng):
            seen.append(rows)
            yield from PrincipalComponents().fits(sizes, rows, rng)

    double_descent(np.zeros((4000, 1)), None, [1], model=Echo(), n_repeats=1, noise=0.5)
    assert np.std(seen[0].x) == pytest.approx(0.5, rel=0.1)
    np.testing.assert_array_equal(seen[0].x, seen[0].y)
    assert not seen[0].x_test.any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TrainedNetworks((5,)), r"layers=\(5,\): one of them at least must be None"),
        (lambda: TrainedNetworks((None, 0)), "layers=0: expected an integer of at least 1"),
        (lambda: TrainedNetworks(epochs=0), "epochs=0"),
        (lambda: TrainedNetworks(n_members=0), "n_members=0"),
        (lambda: TrainedNetworks(learning_rate=0.0), "learning_rate=0"),
        (
            lambda: double_descent(X, LABELS, [2], model="principal_components"),
            "reconstructs rows, and y was given",
        ),
    ],
)
def test_what_cannot_be_trained(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_rate_that_is_too_high_is_named():
    wild = TrainedNetworks(learning_rate=1e30)
    with pytest.raises(isthmus.DivergenceError, match=r"learning_rate=1e\+30: try a tenth") as caught:
        double_descent(X, LABELS, [2], model=wild, n_repeats=1)
    assert caught.value.result.stopped == "diverged"
