"""Noise tells the dimension of data, and without it an auto-encoder tells nothing (lecture notes).

Surfaces of two and of five dimensions curve through fifty columns, x = sin(z W + b), so that PCA needs
many more axes. The knee of an error is the number of coordinates d at which log error bends most: the
largest second difference in d, with error 1, that of the mean, for no coordinate.
"""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

import isthmus

COORDINATES = range(1, 8)
NOISE, N_NEIGHBOURS = 0.2, 10


def surface(dimension):
    rng = np.random.default_rng(0)
    frequencies = 2 / dimension * rng.standard_normal((dimension, 50))
    phases = rng.uniform(0, 2 * np.pi, 50)
    X = np.sin(rng.uniform(-np.sqrt(3), np.sqrt(3), (2500, dimension)) @ frequencies + phases)
    noisy = X + NOISE * X[:1500].std(axis=0) * rng.standard_normal(X.shape)
    return X[:1500], X[1500:], noisy[1500:]


def share(restored, rows):
    return np.sum((restored - rows) ** 2) / np.sum((rows - rows.mean(axis=0)) ** 2)


def bends(errors):
    """Second differences of log error at d = 1, 2, …"""
    return np.diff(np.log([1.0, *errors]), 2)


def neighbours_kept(X, Z):
    near, near_in_map = (
        NearestNeighbors(n_neighbors=N_NEIGHBOURS).fit(rows).kneighbors(return_distance=False)
        for rows in (X, Z)
    )
    return np.mean([np.isin(one, other).mean() for one, other in zip(near, near_in_map, strict=True)])


def rapid(x):
    return jnp.cos(20 * x)


@pytest.mark.parametrize("dimension", [2, 5])
def test_a_denoisers_error_has_its_knee_at_the_dimension_of_the_data(dimension):
    train, unseen, noisy = surface(dimension)
    models = [
        isthmus.DenoisingAutoencoder(
            d,
            noise=isthmus.noise.Gaussian(NOISE),
            widths=(64,),
            learning_rate=1e-2,
            batch_size=64,
            max_epochs=40,
            random_state=0,
        ).fit(train)
        for d in COORDINATES
    ]
    errors = [share(isthmus.denoise(model, noisy), unseen) for model in models]
    bend = bends(errors)
    assert 1 + np.argmax(bend) == dimension
    # Over ten surfaces and seeds the largest bend is 1.2 at least, and over twice any other.
    assert np.sort(bend)[-1] > max(0.8, 1.5 * np.sort(bend)[-2])
    # Noise along the surface stays: a share of k/50 of it.
    floor = NOISE**2 * dimension / 50
    assert floor / 2 < errors[-1] < errors[dimension - 1] < 0.06
    kept = neighbours_kept(unseen, models[dimension - 1].transform(unseen))
    assert kept > 0.6
    # PCA has no such bend, and leaves many times as much with as many axes.
    pca = [isthmus.LinearAutoencoder(d).fit(train) for d in COORDINATES]
    pca_errors = [share(isthmus.denoise(model, noisy), unseen) for model in pca]
    assert bends(pca_errors).max() < 0.3
    assert pca_errors[dimension - 1] > 5 * errors[dimension - 1]


@pytest.mark.usefixtures("optimised_programs")
@pytest.mark.parametrize("dimension", [2, 5])
def test_without_noise_one_coordinate_learns_rows_of_any_dimension_and_means_nothing(dimension):
    train, unseen, _ = surface(dimension)
    few = train[:50]
    model = isthmus.Autoencoder(
        1,
        widths=(256,),
        decoder_widths=(256, 256),
        activation=(rapid, rapid, "silu"),
        skip=None,
        input_noise=0,
        learning_rate=1e-3,
        max_epochs=1000,
        validation_fraction=0,
        random_state=0,
    ).fit(few)
    # One coordinate leaves next to nothing over, so that no further one could show the dimension.
    assert share(isthmus.denoise(model, few), few) < 0.01
    # But a row in between is guessed worse than by the mean,
    assert share(isthmus.denoise(model, unseen), unseen) > 1.0
    # and neighbours in the coordinate are hardly more often neighbours than any two rows are.
    chance = N_NEIGHBOURS / (len(unseen) - 1)
    assert neighbours_kept(unseen, model.transform(unseen)) < 3 * chance
