"""Networks: the layer and the chain against NumPy, the start against PCA, gradients checked."""

import pickle

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.decomposition import PCA

from isthmus.networks.fitted import DataMap
from isthmus.networks.frames import Frame
from isthmus.networks.layers import (
    ACTIVATIONS,
    GAINS,
    Affine,
    FeedForward,
    Layer,
    cos,
    gaussian_chain,
    identity,
    relu,
    second_moment_gain,
    silu,
    tanh,
)
from isthmus.networks.links import Identity
from isthmus.networks.pairs import Architecture, MirrorShifts, PathAndCorrection, PCAPath
from isthmus.objectives.losses import named_losses

LOSSES = named_losses()

D, d, WIDTHS = 5, 2, (4, 3)
DATA = np.random.default_rng(1).standard_normal((40, D)) @ np.diag([3.0, 2.0, 1.0, 0.5, 0.3]) + 0.7


def architecture(**changes):
    sizes = {
        "n_features": D,
        "n_components": d,
        "widths": WIDTHS,
        "decoder_widths": WIDTHS[::-1],
        "activations": (tanh, silu),
        "decoder_activations": (silu, tanh),
    }
    return Architecture(**(sizes | changes))


def pca_path():
    pca = PCA(d).fit(DATA)
    return PCAPath(pca.mean_, pca.components_, np.sqrt(pca.explained_variance_))


def double(tree):
    """The same network in float64: only under ``jax.enable_x64``."""
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64), tree)


def test_a_layer_is_g_of_Wx_minus_lambda():
    rng = np.random.default_rng(0)
    W, shift, S = rng.standard_normal((3, 4)), rng.standard_normal(3), rng.standard_normal((3, 2))
    x, before = rng.standard_normal((6, 4)), rng.standard_normal((6, 2))
    with jax.enable_x64(True):
        plain = Layer(jnp.asarray(W), jnp.asarray(shift), None, tanh)(x)
        linked = Layer(jnp.asarray(W), jnp.asarray(shift), jnp.asarray(S), tanh)(x, before)
    # float64 sums of at most six terms.
    np.testing.assert_allclose(plain, np.tanh(x @ W.T - shift), rtol=1e-13)
    np.testing.assert_allclose(linked, np.tanh(x @ W.T - shift + before @ S.T), rtol=1e-13)


REFERENCES = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "cos": np.cos,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "identity": lambda x: x,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_its_formula(name):
    x = np.linspace(-4, 4, 33)
    with jax.enable_x64(True):
        np.testing.assert_allclose(
            np.asarray(ACTIVATIONS[name](jnp.asarray(x))), REFERENCES[name](x), rtol=1e-13, atol=1e-15
        )


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_pickles_as_itself(name):
    assert pickle.loads(pickle.dumps(ACTIVATIONS[name])) is ACTIVATIONS[name]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_table_of_gains_is_what_quadrature_gives(name):
    # Single precision; where the activation has a kink, quadrature itself is good to 1e-3 only.
    tolerance = 1e-3 if name == "relu" else 1e-6
    assert GAINS[ACTIVATIONS[name]] == pytest.approx(
        second_moment_gain(ACTIVATIONS[name]), rel=tolerance
    )


def test_gains_have_their_closed_forms():
    # E[relu²] = ½; cos(t − π/2) = sin t, E[sin²] = (1 − e⁻²)/2. The table has eight digits.
    assert GAINS[relu] == pytest.approx(np.sqrt(2), rel=1e-7)
    assert GAINS[cos] == pytest.approx(np.sqrt(2 / (1 - np.exp(-2))), rel=1e-7)
    assert GAINS[identity] == 1.0
    # E[x²]-type gain of a callable that is in no table.
    assert second_moment_gain(lambda x: 2 * x) == pytest.approx(0.5, rel=1e-6)


def test_an_activation_that_lets_nothing_through_is_refused():
    with pytest.raises(ValueError, match="lets a signal through"):
        second_moment_gain(lambda x: 0 * x)
    with pytest.raises(ValueError, match="not finite"):
        second_moment_gain(lambda x: x / 0.0)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("skip_links", [False, True])
def test_the_second_moment_is_kept_from_layer_to_layer(name, skip_links):
    wide = 2000
    chain = gaussian_chain(
        np.random.default_rng(0), (wide,) * 4 + (3,), (ACTIVATIONS[name],) * 3, skip_links=skip_links
    )
    x = np.random.default_rng(1).standard_normal((20, wide)).astype(np.float32)
    moments = []
    previous = None
    for layer in chain.layers[:-1]:
        field = Layer(layer.weight, layer.shift, layer.skip_weight, identity)(x, previous)
        moments.append(np.var(np.asarray(field) + np.asarray(layer.shift)))
        previous, x = x, np.asarray(layer(x, previous))
    # 40 000 numbers per layer, of which 20 rows share their weights. A layer passes on the mean of
    # g² over `wide` units, whose relative spread is √(Var g²/wide)/E g²: 1 % where g is bounded, 5 %
    # for ReLU (E g⁴ = 3/2, E g² = 1/2), less what averaging over the rows takes off it, and it adds
    # up over two layers. With links, inputs of either second moment mix.
    if skip_links:
        assert np.all(np.array(moments) < 2.5)
        assert np.all(np.array(moments) > 0.35)
    else:
        np.testing.assert_allclose(moments, 1.0, rtol=0.15 if name == "relu" else 0.05)


def test_a_chain_with_skip_links_is_its_recurrence():
    network = architecture(skip_links=True).initialise(np.random.default_rng(0), None)
    layers = network.encoder.correction.layers
    assert [layer.weight.shape for layer in layers] == [(4, D), (3, 4), (d, 3)]
    assert [None if s is None else s.shape for s in (layer.skip_weight for layer in layers)] == [
        None,
        (3, D),
        (d, 4),
    ]
    x0 = np.random.default_rng(1).standard_normal((6, D))
    W0, W1, W2 = (np.asarray(layer.weight, float) for layer in layers)
    S1, S2 = (np.asarray(layer.skip_weight, float) for layer in layers[1:])
    x1 = REFERENCES["tanh"](x0 @ W0.T - np.asarray(layers[0].shift, float))
    x2 = REFERENCES["silu"](x1 @ W1.T + x0 @ S1.T)
    z = x2 @ W2.T + x1 @ S2.T
    # Single precision on one side.
    np.testing.assert_allclose(np.asarray(network.encode(x0)), z, rtol=1e-5, atol=1e-6)


def test_encoder_and_decoder_need_not_be_symmetric():
    network = architecture(
        widths=(7,),
        activations=(tanh,),
        decoder_widths=(4, 6, 8),
        decoder_activations=(tanh, silu, cos),
    ).initialise(np.random.default_rng(0), pca_path())
    shapes = [layer.weight.shape for layer in network.decoder.correction.layers]
    assert shapes == [(4, d), (6, 4), (8, 6), (D, 8)]
    assert [layer.activation for layer in network.decoder.correction.layers] == [
        tanh,
        silu,
        cos,
        identity,
    ]
    assert [layer.weight.shape for layer in network.encoder.correction.layers] == [(7, D), (d, 7)]
    assert network.decode(network.encode(DATA)).shape == DATA.shape


@pytest.mark.parametrize("first", [cos, tanh, identity])
def test_units_of_a_first_layer_that_bend_do_so_at_places_of_their_own(first):
    wide = 4000
    pair = architecture(
        widths=(wide, 3), decoder_widths=(wide, 3), activations=(first, cos),
        decoder_activations=(first, cos),
    ).initialise(np.random.default_rng(0), None)  # fmt: skip
    for network in (pair.encoder, pair.decoder):
        shifts = [np.asarray(layer.shift) for layer in network.correction.layers]
        # The spread of 4 000 normal numbers is known to 1/√8000.
        assert np.std(shifts[0]) == pytest.approx(0.0 if first is identity else 0.5, rel=0.05)
        assert np.mean(shifts[0]) == pytest.approx(np.pi / 2 if first is cos else 0.0, abs=0.04)
        # A cosine starts as a sine.
        np.testing.assert_allclose(shifts[1], np.pi / 2, rtol=1e-7)
        assert not shifts[2].any()


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("skip_links", [False, True])
def test_with_a_path_the_start_is_pca(tied, skip_links):
    path, pca = pca_path(), PCA(d).fit(DATA)
    network = architecture(tied=tied, skip_links=skip_links).initialise(np.random.default_rng(0), path)
    with jax.enable_x64(True):
        network = double(network)
        inner = np.asarray(network.encode(jnp.asarray(DATA)))
        reconstruction = np.asarray(network.decode(jnp.asarray(inner)))
        alone = double(PathAndCorrection(network.encoder.path, None, None))
        # The correction adds exact zeros, not small numbers.
        np.testing.assert_array_equal(inner, np.asarray(alone(jnp.asarray(DATA))))
    whitened = PCA(d, whiten=not tied).fit_transform(DATA)
    # Weights are stored in float32: 1e-7 of numbers up to 10.
    np.testing.assert_allclose(inner, whitened, atol=3e-6)
    np.testing.assert_allclose(reconstruction, pca.inverse_transform(pca.transform(DATA)), atol=3e-6)


def test_the_whitened_path_is_the_pair_of_pca_alone():
    path = pca_path()
    pair = path.pair()
    scores = np.asarray(pair.encode(DATA.astype(np.float32)))
    # Unit variance (divisor n − 1, as PCA has it), in float32.
    np.testing.assert_allclose(np.cov(scores.T), np.eye(d), atol=1e-5)
    np.testing.assert_array_equal(path.unwhitened().scales, 1.0)
    np.testing.assert_array_equal(path.unwhitened().components, path.components)


@pytest.mark.parametrize("with_path", [False, True])
def test_tied_weights_are_one_matrix_used_both_ways(with_path):
    network = architecture(tied=True, skip_links=True).initialise(
        np.random.default_rng(0), pca_path() if with_path else None
    )
    assert isinstance(network.own_decoder, MirrorShifts)
    forward, back = network.encoder.correction.layers, network.decoder.correction.layers
    for there, here in zip(forward, back[::-1], strict=True):
        np.testing.assert_array_equal(here.weight, there.weight.T)
    # Encoder links D → x₂ and x₁ → z, mirrored: z → x₁ and x₂ → D, each with the transposed matrix.
    np.testing.assert_array_equal(back[1].skip_weight, forward[2].skip_weight.T)
    np.testing.assert_array_equal(back[2].skip_weight, forward[1].skip_weight.T)
    assert back[0].skip_weight is None
    assert [layer.activation for layer in back] == [silu, tanh, identity]
    if with_path:
        np.testing.assert_array_equal(network.decoder.path.weight, network.encoder.path.weight.T)
    # Each W is counted once among the weights: 3 matrices and 2 links, and the path's one.
    matrices = [leaf for leaf in jax.tree.leaves(network) if leaf.ndim == 2]
    assert len(matrices) == 5 + with_path


def test_linear_tied_layers_decode_with_the_transposed_product():
    network = architecture(
        tied=True, activations=(identity, identity), decoder_activations=(identity, identity)
    ).initialise(np.random.default_rng(0), None)
    W0, W1, W2 = (np.asarray(layer.weight, float) for layer in network.encoder.correction.layers)
    W = W2 @ W1 @ W0
    # Shifts start at zero, so x̂ = WᵀW x; single precision.
    np.testing.assert_allclose(
        np.asarray(network.decode(network.encode(DATA))), DATA @ W.T @ W, rtol=1e-4, atol=1e-5
    )


def loss_and_gradient(each, rows, network):
    """The mean loss as a function of the network, and the leaves of its gradient at this one."""

    @eqx.filter_jit
    def both(network):
        return jax.value_and_grad(
            lambda network: jnp.mean(each(rows, network.decode(network.encode(rows))))
        )(network)

    gradient = jax.tree.leaves(both(network)[1])
    return lambda network: both(network)[0], [np.asarray(leaf) for leaf in gradient]


@pytest.mark.parametrize("with_path", [False, True])
@pytest.mark.parametrize("skip_links", [False, True])
@pytest.mark.parametrize("tied", [False, True])
def test_back_propagation_equals_finite_differences(with_path, skip_links, tied):
    """Through a layer of every activation."""
    widths, each = (4, 5, 3, 4, 5, 3), tuple(ACTIVATIONS.values())
    network = architecture(
        widths=widths,
        decoder_widths=widths[::-1],
        activations=each,
        decoder_activations=each[::-1],
        skip_links=skip_links,
        tied=tied,
    ).initialise(np.random.default_rng(0), pca_path() if with_path else None)
    rng = np.random.default_rng(3)
    with jax.enable_x64(True):
        # Away from the start, where zero layers and zero gains hide other gradients.
        network = jax.tree.map(
            lambda leaf: jnp.asarray(np.asarray(leaf) + 0.3 * rng.standard_normal(leaf.shape)), network
        )
        rows = jnp.asarray(DATA[:6])

        loss, gradient = loss_and_gradient(LOSSES["squared"], rows, network)
        leaves, structure = jax.tree.flatten(network)
        step = 1e-6
        for _ in range(3):
            direction = [rng.standard_normal(leaf.shape) for leaf in leaves]
            ahead, behind = (
                float(
                    loss(
                        structure.unflatten([w + s * v for w, v in zip(leaves, direction, strict=True)])
                    )
                )
                for s in (step, -step)
            )
            slope = sum(np.sum(g * v) for g, v in zip(gradient, direction, strict=True))
            size = np.sqrt(sum(np.sum(g**2) for g in gradient))
            # Central differences err by about step²·L''' and 1e-16·L/step, both near 1e-9 of the
            # gradient's length. Six rows put no unit of a ReLU within a step of its kink: a crossing
            # would show as an error of order one in that unit's share.
            assert (ahead - behind) / (2 * step) == pytest.approx(slope, abs=1e-6 * size)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_every_loss_through_a_network_equal_finite_differences(name):
    network = architecture().initialise(np.random.default_rng(0), pca_path())
    rng = np.random.default_rng(4)
    with jax.enable_x64(True):
        network = jax.tree.map(
            lambda leaf: jnp.asarray(np.asarray(leaf) + 0.1 * rng.standard_normal(leaf.shape)), network
        )
        rows = jnp.asarray(rng.uniform(0, 1, (6, D)))

        loss, gradient = loss_and_gradient(LOSSES[name], rows, network)
        leaves, structure = jax.tree.flatten(network)
        step = 1e-6
        direction = [rng.standard_normal(leaf.shape) for leaf in leaves]
        ahead, behind = (
            float(loss(structure.unflatten([w + s * v for w, v in zip(leaves, direction, strict=True)])))
            for s in (step, -step)
        )
        slope = sum(np.sum(g * v) for g, v in zip(gradient, direction, strict=True))
        size = np.sqrt(sum(np.sum(g**2) for g in gradient))
    # As above.
    assert (ahead - behind) / (2 * step) == pytest.approx(slope, abs=1e-6 * size)


def test_a_frame_and_its_inverse_undo_one_another():
    A = np.array([[2.0, 1.0], [0.0, 3.0]])
    frame = Frame(*(np.asarray(part, np.float32) for part in (A, np.linalg.inv(A), [1.0, -2.0])))
    z = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(frame.enter(frame.leave(z))), z, atol=1e-6)
    np.testing.assert_allclose(np.asarray(frame.enter(z)), (z - [1.0, -2.0]) @ A.T, rtol=1e-5, atol=1e-6)


def test_a_data_map_takes_raw_rows_to_raw_rows():
    pair = architecture().initialise(np.random.default_rng(0), pca_path())
    unit = np.eye(d, dtype=np.float32)
    center, scale = np.full(D, 3.0, np.float32), np.full(D, 2.0, np.float32)
    data_map = DataMap(center, pair, Frame(unit, unit, np.zeros(d, np.float32)), scale, Identity())
    x = DATA.astype(np.float32)
    u = (x - 3.0) / 2.0
    np.testing.assert_allclose(data_map.encode(x), pair.encode(u), atol=1e-6)
    np.testing.assert_allclose(
        data_map.decode(pair.encode(u)), 2 * pair.decode(pair.encode(u)) + 3, atol=1e-5
    )
    np.testing.assert_array_equal(data_map.encode_centred(x - center), data_map.encode(x))


def test_a_chain_of_one_affine_map_is_affine():
    layer = FeedForward((Layer(np.eye(3, dtype=np.float32), np.ones(3, np.float32), None, identity),))
    affine = Affine(np.eye(3, dtype=np.float32), np.ones(3, np.float32))
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(np.asarray(layer(x)), x - 1)
    np.testing.assert_array_equal(np.asarray(affine(x)), x - 1)
