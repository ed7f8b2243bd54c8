"""Applying a map to rows: row-wise, in blocks, in canonical coordinates, with its derivatives."""

import tracemalloc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA

import isthmus
from isthmus.networks import applying
from isthmus.networks.applying import map_rows
from isthmus.networks.frames import FrameAverages, canonical_frame
from isthmus.networks.pairs import EncoderDecoder

A, B = np.random.default_rng(0).uniform(-1, 1, (2, 400))
SADDLE = np.stack([3 * A + 1, 2 * B - 2, 2 * A**2 - B**2, A * B], axis=1)
WINE = load_wine().data


def fitted(X=SADDLE, **changes):
    options = {"widths": (24, 12), "max_epochs": 30, "batch_size": 32, "random_state": 0}
    # No rows held out: the last epoch is the result, whether or not it beats PCA.
    return isthmus.Autoencoder(**({"validation_fraction": 0} | options | changes)).fit(X)


@pytest.fixture(scope="module")
def model():
    return fitted()


# map_rows


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 128, 300, 1000])
def test_map_rows_fills_each_row_once(monkeypatch, n):
    monkeypatch.setattr(applying, "BLOCK_ELEMENTS", 512)
    rows = np.random.default_rng(0).standard_normal((n, 3))
    sizes = set()

    def double(x):
        sizes.add(len(x))
        return 2 * x

    out = map_rows(double, rows, np.full((n, 3), np.nan), before=lambda b: b + 1, after=lambda b: b - 2)
    np.testing.assert_allclose(out, 2 * rows, atol=1e-6)
    # Few shapes, each a power of two, of bounded size.
    assert len(sizes) <= 2
    assert all(size & (size - 1) == 0 and size <= 256 for size in sizes)


def test_transform_needs_no_memory_beyond_its_result(model):
    rows = np.broadcast_to(SADDLE[:1], (200_000, 4))
    model.transform(rows[:20_000])
    peaks = []
    for n in (20_000, 200_000):
        tracemalloc.start()
        Z = model.transform(rows[:n])
        peaks.append(tracemalloc.get_traced_memory()[1] - Z.nbytes)
        tracemalloc.stop()
    # Ten times the rows, and the same extra memory within a block's size.
    assert peaks[1] < peaks[0] + 2**20


# Rows by themselves


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_a_row_goes_where_it_goes_alone(model, dtype):
    rows = SADDLE.astype(dtype)
    Z = model.transform(rows)
    size = np.abs(Z).max()
    for i in range(0, len(rows), 37):
        np.testing.assert_allclose(model.transform(rows[i : i + 1])[0], Z[i], rtol=0, atol=1e-6 * size)
    order = np.random.default_rng(0).permutation(len(rows))
    np.testing.assert_allclose(model.transform(rows[order]), Z[order], rtol=0, atol=1e-6 * size)


def test_the_pure_functions_are_the_methods(model):
    rows = SADDLE.astype(np.float32)
    Z = model.transform(rows)
    size = np.abs(Z).max()
    np.testing.assert_allclose(model.encode(jnp.asarray(rows)), Z, atol=1e-5 * size)
    np.testing.assert_allclose(jax.jit(jax.vmap(model.encode))(rows), Z, atol=1e-5 * size)
    np.testing.assert_allclose(model.decode(Z), model.inverse_transform(Z), atol=1e-5 * size)


def test_a_large_offset_does_not_blur_the_coordinates():
    # In float32 alone, 1e6 leaves 0.06 of each value; the center is taken off in float64.
    near, far = fitted(), fitted(SADDLE + 1e6)
    np.testing.assert_allclose(far.transform(SADDLE + 1e6), near.transform(SADDLE), atol=1e-3)
    Z = near.transform(SADDLE)
    np.testing.assert_allclose(
        far.inverse_transform(Z) - 1e6, near.inverse_transform(Z), rtol=0, atol=1e-3
    )


# reconstruction_error


def test_reconstruction_error_is_the_squared_distance(model):
    errors = isthmus.reconstruction_error(model, SADDLE)
    gap = SADDLE - model.inverse_transform(model.transform(SADDLE))
    np.testing.assert_allclose(errors, np.sum(gap**2, axis=1), rtol=1e-9)
    assert model.score(SADDLE) == pytest.approx(-errors.mean(), rel=1e-12)


@pytest.mark.filterwarnings("ignore::isthmus.UnequalScalesWarning")
@pytest.mark.parametrize("d", [1, 3, 12])
def test_the_mean_error_of_pca_is_the_sum_of_left_out_eigenvalues(d):
    errors = isthmus.reconstruction_error(isthmus.LinearAutoencoder(d).fit(WINE), WINE)
    n = len(WINE)
    left_out = PCA().fit(WINE).explained_variance_[d:].sum() * (n - 1) / n
    assert errors.mean() == pytest.approx(left_out, rel=1e-9)


# Canonical coordinates


def test_coordinates_are_canonical(model):
    Z = model.transform(SADDLE)
    covariance = np.cov(Z.T)
    assert abs(covariance[0, 1]) < 1e-3 * covariance[0, 0]
    assert covariance[0, 0] >= covariance[1, 1]
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-3 * np.sqrt(covariance[0, 0]))
    J = isthmus.decoder_jacobian(model, Z)
    # The metric carries a ridge of a millionth.
    np.testing.assert_allclose(np.einsum("nji,njk->ik", J, J) / len(J), np.eye(2), atol=1e-3)
    loadings = J.mean(axis=0)
    largest = np.abs(loadings).argmax(axis=0)
    assert np.all(loadings[largest, [0, 1]] > 0)


def test_canonical_coordinates_do_not_depend_on_the_bottlenecks_basis(model):
    """Any invertible matrix between encoder and decoder leaves map and frame as they are."""
    scaled = model.scaling_(SADDLE)
    pair = model.network_.pair
    basis = np.array([[2.0, -1.0], [0.5, -3.0]], np.float32)
    back = np.linalg.inv(basis)

    class Turned(EncoderDecoder):
        def encode(self, u):
            return super().encode(u) @ basis.T

        def decode(self, z):
            return super().decode(z @ back.T)

    turned = Turned(pair.encoder, pair.own_decoder)
    coordinates = [
        np.asarray(canonical_frame(FrameAverages.of(one, scaled), 1.0).enter(one.encode(scaled)))
        for one in (pair, turned)
    ]
    np.testing.assert_allclose(
        coordinates[1], coordinates[0], rtol=0, atol=1e-3 * np.abs(coordinates[0]).max()
    )


def test_where_the_model_is_pca_its_coordinates_are_the_scores():
    X = np.random.default_rng(0).standard_normal((300, 5)) * [5.0, 4.0, 1.0, 1.0, 1.0]
    with pytest.warns(isthmus.NoImprovementWarning):
        model = fitted(X, max_epochs=1, learning_rate=1e-9, validation_fraction=0.1)
    pca = isthmus.LinearAutoencoder(2).fit(X)
    np.testing.assert_allclose(model.transform(X), pca.transform(X), atol=1e-4)
    np.testing.assert_allclose(
        model.inverse_transform(pca.transform(X)),
        pca.inverse_transform(pca.transform(X)),
        atol=1e-4,
    )


def test_raw_units_are_the_datas():
    # With one factor for all features, data in millimetres give coordinates in millimetres.
    metres, millimetres = fitted(SADDLE), fitted(SADDLE * 1000)
    np.testing.assert_allclose(
        millimetres.transform(SADDLE * 1000), metres.transform(SADDLE) * 1000, rtol=1e-3, atol=1
    )


# Jacobians

# Every activation, and what else changes the function, in as few maps as there are activations.
MAPS = [
    {"activation": "tanh", "tied": True},
    {"activation": "cos", "scaling": "standard", "skip_links": True},
    {"activation": "silu", "scaling": "range", "loss": "cross_entropy"},
    {"activation": "gelu", "skip": None},
    {"activation": "identity", "scaling": "standard"},
    {"activation": "relu", "scaling": "range"},
]


FOUR = WINE[:, [0, 1, 6, 9]]


@pytest.mark.parametrize("changes", MAPS, ids=str)
def test_jacobians_are_finite_differences_and_obey_the_chain_rule(changes):
    check_jacobians(fitted(FOUR, max_epochs=10, input_noise=0.0, **changes), FOUR[::19])


NOISY_MAPS = {
    "denoising": isthmus.DenoisingAutoencoder(noise=isthmus.noise.Masking(0.2)),
    "variational": isthmus.VariationalAutoencoder(
        likelihood=isthmus.likelihoods.Poisson(), prior=isthmus.priors.Mixture(2), scaling="standard"
    ),
}


@pytest.mark.filterwarnings("ignore::isthmus.CollapseWarning")
@pytest.mark.parametrize("name", NOISY_MAPS)
def test_jacobians_of_denoising_and_variational_maps_are_too(name):
    """Of the noiseless map: clean rows in, the posterior mean out."""
    counts = np.rint(FOUR)
    options = {"widths": (12,), "max_epochs": 10, "validation_fraction": 0, "random_state": 0}
    check_jacobians(NOISY_MAPS[name].set_params(**options).fit(counts), counts[::19])


def check_jacobians(model, rows):
    Z = model.transform(rows)
    J = isthmus.jacobian(model, rows)
    back = isthmus.decoder_jacobian(model, Z)
    assert J.shape == (len(rows), 2, 4)
    assert back.shape == (len(rows), 4, 2)

    with jax.enable_x64(True):
        network = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64), model.network_)
        step = 1e-6
        for function, at, found in (
            (network.encode, rows, J),
            (network.decode, np.asarray(Z, np.float64), back),
        ):
            compiled = eqx.filter_jit(function)
            differences = np.stack(
                [
                    (np.asarray(compiled(at + h)) - np.asarray(compiled(at - h))) / (2 * step)
                    for h in step * np.eye(at.shape[1])
                ],
                axis=-1,
            )
            np.testing.assert_allclose(found, differences, atol=2e-4 * np.abs(differences).max())
    # ∂x̂/∂x = ∂x̂/∂z · ∂z/∂x.
    whole = jax.jit(jax.vmap(jax.jacfwd(lambda x: model.decode(model.encode(x)))))(
        rows.astype(np.float32)
    )
    np.testing.assert_allclose(back @ J, whole, atol=1e-4 * np.abs(whole).max())


@pytest.mark.filterwarnings("ignore::isthmus.UnequalScalesWarning")
def test_the_jacobians_of_pca_are_its_components():
    model = isthmus.LinearAutoencoder(3).fit(WINE)
    J = isthmus.jacobian(model, WINE[:5])
    np.testing.assert_allclose(J, np.broadcast_to(model.components_, (5, 3, 13)), atol=1e-6)
    back = isthmus.decoder_jacobian(model, model.transform(WINE[:5]))
    np.testing.assert_allclose(back, np.broadcast_to(model.components_.T, (5, 13, 3)), atol=1e-6)
