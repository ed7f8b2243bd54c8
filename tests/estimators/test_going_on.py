"""``partial_fit`` and ``warm_start``: what stays, which parameters count, what is no longer said."""

import numpy as np
import pytest

import isthmus
from isthmus import Autoencoder, FeedForwardRegressor, VariationalAutoencoder
from isthmus.networks.frames import FrameAverages, canonical_frame

RNG = np.random.default_rng(0)
# Of fewer rows a map is cross-validated, which would double the time.
A, B = RNG.uniform(-1, 1, (2, 500))
SADDLE = np.stack([3 * A, 2 * B, 2 * A**2 - B**2, A * B], axis=1)
SMALL = {"widths": (32, 16), "max_epochs": 20, "batch_size": 32, "random_state": 0}


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
@pytest.mark.parametrize("kind", [Autoencoder, VariationalAutoencoder])
def test_coordinates_stay_where_fit_put_them(kind):
    """One row has no frame of its own; with a rate next to zero nothing else moves either."""
    model = kind(2, **SMALL, learning_rate=1e-3).fit(SADDLE)
    before = model.transform(SADDLE)
    model.set_params(learning_rate=1e-9)
    for rows in (SADDLE[:1], SADDLE[:40] + 3.0):
        model.partial_fit(rows)
        np.testing.assert_allclose(model.transform(SADDLE), before, atol=1e-4 * np.abs(before).max())


def test_without_a_fit_the_frame_is_that_of_all_rows_so_far():
    """The parts are sorted, so that each has a mean and axes of its own."""
    order = np.argsort(SADDLE[:, 0])
    model = Autoencoder(2, **SMALL, learning_rate=1e-9)
    for part in np.array_split(SADDLE[order], 3):
        model.partial_fit(part)
    expected = canonical_frame(
        FrameAverages.of(model.network_.pair, model.scaling_(SADDLE)), model.scaling_.unit
    )
    for name in ("matrix", "origin"):
        np.testing.assert_allclose(
            getattr(model.network_.frame, name), getattr(expected, name), rtol=2e-3, atol=2e-3
        )


def test_averages_of_parts_are_those_of_the_whole():
    model = Autoencoder(2, **SMALL).fit(SADDLE)
    pair, rows = model.network_.pair, model.scaling_(SADDLE)
    whole = FrameAverages.of(pair, rows)
    merged = FrameAverages.of(pair, rows[:37]).merge(FrameAverages.of(pair, rows[37:]))
    assert merged.n_rows == whole.n_rows == 500
    for name in ("mean", "covariance", "metric", "loadings"):
        np.testing.assert_allclose(getattr(merged, name), getattr(whole, name), rtol=1e-4, atol=1e-5)


def rate_of(model, rows=SADDLE, **targets):
    return model.partial_fit(rows, **targets).history_["learning_rate"][-1]


@pytest.mark.parametrize("given", [3e-3, 1e-3, 5e-2])
def test_a_rate_that_is_given_is_the_rate(given):
    """3e-3 is what ``fit`` takes if none is given; asked for, it is not the default."""
    assert rate_of(Autoencoder(2, widths=(4,), learning_rate=given)) == pytest.approx(given)
    model = FeedForwardRegressor((4,), learning_rate=given)
    assert rate_of(model, y=SADDLE[:, 0]) == pytest.approx(given)


def test_the_steady_rate_is_a_third_of_the_peak_unless_one_is_given():
    assert rate_of(Autoencoder(2, widths=(4,))) == pytest.approx(1e-3)


@pytest.mark.parametrize(("batch_size", "n_steps"), [(32, 10), (100, 3), (None, 3)])
def test_the_batch_size_that_is_given_is_the_batch_size(batch_size, n_steps):
    """Gradient descent on ½|w − y|² of a constant: the error shrinks by 1 − ε in each step."""
    options = {"solver": "gradient_descent", "learning_rate": 0.1, "batch_size": batch_size}
    model = FeedForwardRegressor((), **options, random_state=0)
    rows = np.zeros((300, 4))
    model.partial_fit(rows, np.tile([0.0, 1.0], 150))
    before = model.predict(rows[:1])[0]
    model.partial_fit(rows, np.full(300, 10.0))
    after = model.predict(rows[:1])[0]
    assert (10 - after) / (10 - before) == pytest.approx(0.9**n_steps, rel=1e-4)


def test_losses_of_an_earlier_network_are_no_longer_said():
    model = Autoencoder(2, **SMALL).fit(SADDLE)
    assert model.validation_loss_ < np.inf
    model.partial_fit(SADDLE)
    assert np.isnan(model.validation_loss_)
    assert np.isnan(model.pca_validation_loss_)


def test_a_warm_fit_after_a_part_goes_on_from_its_network():
    model = Autoencoder(2, **SMALL, warm_start=True).partial_fit(SADDLE)
    error = isthmus.reconstruction_error(model, SADDLE).mean()
    model.fit(SADDLE)
    scale = model.scaling_.scale[0] ** 2
    # The held-out rows are a tenth of all.
    assert 2 * scale * model.history_["validation_loss"][0] == pytest.approx(error, rel=0.5)


def test_partial_fit_goes_on_where_it_was():
    model = Autoencoder(2, **{**SMALL, "random_state": np.random.RandomState(0)})
    errors = []
    for _ in range(12):
        for rows in np.array_split(SADDLE, 2):
            model.partial_fit(rows)
        errors.append(isthmus.reconstruction_error(model, SADDLE).mean())
    assert errors[-1] < 0.5 * errors[0]
    of_pca = isthmus.reconstruction_error(isthmus.LinearAutoencoder(2).fit(SADDLE), SADDLE).mean()
    assert errors[-1] < 0.5 * of_pca
    assert len(model.history_["epoch"]) == 2


def test_partial_fit_takes_one_row_once_it_knows_the_data():
    model = Autoencoder(2, **SMALL).partial_fit(SADDLE)
    scaling = model.scaling_
    model.partial_fit(SADDLE[:1])
    assert model.scaling_ is scaling
    with pytest.raises(ValueError, match="2"):
        Autoencoder(2, **SMALL).partial_fit(SADDLE[:1])


def test_partial_fit_after_fit_trains_the_fitted_map():
    model = Autoencoder(2, **SMALL).fit(SADDLE)
    before = isthmus.reconstruction_error(model, SADDLE).mean()
    for _ in range(5):
        model.partial_fit(SADDLE)
    assert isthmus.reconstruction_error(model, SADDLE).mean() < 1.5 * before


def test_warm_start_goes_on_from_the_last_fit():
    model = Autoencoder(2, **SMALL, warm_start=True).fit(SADDLE)
    first = model.validation_loss_
    scaling = model.scaling_
    assert 2 * first < model.pca_validation_loss_
    model.set_params(random_state=1).fit(SADDLE[::-1])
    assert model.history_["validation_loss"][0] < 2 * first
    assert model.scaling_ is scaling


def pca_loss_in_data_units(model):
    """One factor scales all columns."""
    return model.pca_validation_loss_ * model.scaling_.scale[0] ** 2


@pytest.mark.parametrize("first", ["fit", "partial_fit"])
def test_where_training_goes_on_pca_is_that_of_the_new_rows(first):
    """What a first fit measured on other rows says nothing of these."""
    model = Autoencoder(2, **SMALL, warm_start=True)
    getattr(model, first)(SADDLE)
    other = 3 * SADDLE @ np.diag([1.0, 1.0, 4.0, 0.2])
    model.fit(other)
    fresh = Autoencoder(2, **SMALL).fit(other)
    assert pca_loss_in_data_units(model) == pytest.approx(pca_loss_in_data_units(fresh), rel=1e-4)


def test_warm_start_of_another_network_is_refused():
    model = Autoencoder(2, **SMALL, warm_start=True).fit(SADDLE)
    before = model.transform(SADDLE)
    with pytest.raises(ValueError, match="set warm_start=False"):
        model.set_params(widths=(8,)).fit(SADDLE)
    model.set_params(widths=(32, 16))
    np.testing.assert_array_equal(model.transform(SADDLE), before)
