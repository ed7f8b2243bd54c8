"""The auto-encoder: never worse than PCA, the same bits for the same seed, and every parameter."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.sparse
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.utils import check_random_state

import isthmus
from isthmus import Autoencoder, NoImprovementWarning
from isthmus.estimators.fitting import prepare
from isthmus.training import _groups
from isthmus.training.problem import DivergenceError

RNG = np.random.default_rng(0)
NOISE = RNG.standard_normal((200, 6))
TURN = np.linspace(0.0, 1.5 * np.pi, 600)
ARC = np.stack([3 * np.cos(TURN), 3 * np.sin(TURN), 0.1 * TURN], axis=1)
A, B = RNG.uniform(-1, 1, (2, 500))
SADDLE = np.stack([3 * A, 2 * B, 2 * A**2 - B**2, A * B], axis=1)
SMALL = {"widths": (32, 16), "max_epochs": 20, "batch_size": 32, "random_state": 0}


def leaves(model):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(model.network_)]


def assert_same_map(one, other):
    for a, b in zip(leaves(one), leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def differs(one, other):
    return any(np.any(a != b) for a, b in zip(leaves(one), leaves(other), strict=True))


def pca_error(X, d, unseen):
    pca = PCA(d, svd_solver="full").fit(X)
    gap = unseen - pca.inverse_transform(pca.transform(unseen))
    return np.mean(np.sum(gap**2, axis=1))


# What it finds


def test_a_curve_is_straightened():
    """An arc of 270° has one coordinate: its length, from which it is decoded."""
    model = Autoencoder(1, widths=(64, 32), max_epochs=120, batch_size=32, random_state=0).fit(ARC)
    error = isthmus.reconstruction_error(model, ARC).mean()
    assert error < 0.05 * pca_error(ARC, 1, ARC)
    z = model.transform(ARC)[:, 0]
    # Canonical units: a unit step in z moves x̂ by one on average, so z is the arc's length.
    assert np.abs(np.corrcoef(z, TURN)[0, 1]) > 0.99
    length = np.ptp(TURN) * np.hypot(3, 0.1)
    assert np.ptp(z) == pytest.approx(length, rel=0.1)
    steps = np.diff(z)
    assert np.all(steps > 0) or np.all(steps < 0)


def test_unseen_digits_are_far_better_reconstructed_than_by_pca():
    X = load_digits().data
    order = RNG.permutation(len(X))
    train, unseen = X[order[360:]], X[order[:360]]
    model = Autoencoder(2, widths=(128, 64), max_epochs=60, random_state=0).fit(train)
    # Defaults reach 0.5; a smaller and shorter one must win clearly.
    assert isthmus.reconstruction_error(model, unseen).mean() < 0.7 * pca_error(train, 2, unseen)
    assert model.validation_loss_ < 0.7 * model.pca_validation_loss_


def test_pure_noise_stays_pca():
    with pytest.warns(NoImprovementWarning, match="the fitted model is PCA"):
        model = Autoencoder(2, **SMALL).fit(NOISE)
    assert model.best_epoch_ == 0
    assert model.validation_loss_ == model.pca_validation_loss_
    unseen = np.random.default_rng(1).standard_normal((5000, 6))
    ours = isthmus.reconstruction_error(model, unseen).mean()
    # PCA of all rows, the held-out ones included.
    assert ours == pytest.approx(pca_error(NOISE, 2, unseen), rel=1e-5)


def test_epoch_zero_is_pca():
    model = Autoencoder(2, **SMALL).fit(SADDLE)
    start = model.history_["validation_loss"][0]
    assert start == model.pca_validation_loss_
    # ½‖u − û‖² in units of the mean variance of a feature, over the held-out tenth.
    unit = np.sqrt(SADDLE.var(axis=0, ddof=1).mean())
    assert 2 * start * unit**2 == pytest.approx(pca_error(SADDLE, 2, SADDLE), rel=0.5)
    assert model.best_epoch_ > 0
    assert model.validation_loss_ == model.history_["validation_loss"].min()


@pytest.mark.parametrize("changes", [{}, {"tied": True}, {"skip_links": True}, {"activation": "cos"}])
@pytest.mark.parametrize("scaling", [None, "standard", "range"])
def test_before_training_the_map_is_pca_of_the_scaled_data(changes, scaling):
    options = {**SMALL, "max_epochs": 1, "learning_rate": 1e-12, "scaling": scaling, **changes}
    with pytest.warns(NoImprovementWarning):
        model = Autoencoder(2, **options).fit(SADDLE)
    spread = {
        None: np.ones(4),
        "standard": SADDLE.std(axis=0, ddof=1),
        "range": np.ptp(SADDLE, axis=0),
    }[scaling]
    pca = PCA(2).fit(SADDLE / spread)
    expected = pca.inverse_transform(pca.transform(SADDLE / spread)) * spread
    found = model.inverse_transform(model.transform(SADDLE))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_without_the_path_it_may_be_worse_and_says_so():
    options = {**SMALL, "skip": None, "max_epochs": 1}
    with pytest.warns(NoImprovementWarning, match="worse than PCA"):
        model = Autoencoder(2, **options).fit(NOISE)
    assert model.network_.pair.encoder.path is None
    assert model.pca_validation_loss_ < model.validation_loss_


def test_networks_without_hidden_layers_are_linear():
    with pytest.warns(NoImprovementWarning):
        model = Autoencoder(2, **{**SMALL, "widths": ()}).fit(NOISE)
    J = isthmus.jacobian(model, NOISE)
    np.testing.assert_allclose(J, np.broadcast_to(J[0], J.shape), atol=1e-6)


# Determinism


def test_the_same_seed_gives_the_same_bits_and_another_gives_others():
    first, again = (Autoencoder(2, **SMALL).fit(SADDLE) for _ in range(2))
    assert_same_map(first, again)
    for name in ("train_loss", "validation_loss"):
        np.testing.assert_array_equal(first.history_[name], again.history_[name])
    assert differs(first, Autoencoder(2, **{**SMALL, "random_state": 1}).fit(SADDLE))


def test_the_type_of_the_rows_does_not_matter():
    X = np.round(SADDLE * 16)
    maps = [
        Autoencoder(2, **SMALL).fit(rows)
        for rows in (X, X.astype(np.float32), X.astype(int), X.tolist(), np.asfortranarray(X))
    ]
    for other in maps[1:]:
        np.testing.assert_allclose(other.transform(X), maps[0].transform(X), rtol=1e-3, atol=1e-2)


def test_sparse_rows_give_the_map_of_the_dense_ones():
    X = load_digits().data[:300]
    dense = Autoencoder(2, **SMALL).fit(X)
    sparse = Autoencoder(2, **SMALL).fit(scipy.sparse.csr_array(X))
    assert_same_map(dense, sparse)
    np.testing.assert_array_equal(sparse.transform(scipy.sparse.csr_array(X)), dense.transform(X))


def test_a_fit_leaves_the_global_generator_alone():
    everyones = check_random_state(None)
    before = everyones.get_state()
    Autoencoder(2, **SMALL).fit(SADDLE)
    for was, now in zip(before, everyones.get_state(), strict=True):
        np.testing.assert_array_equal(was, now)


# Scaling is part of the model


@pytest.mark.parametrize("scaling", ["standard", "range"])
def test_units_of_columns_do_not_matter_where_each_is_scaled(scaling):
    factors, offsets = np.array([1000.0, 0.01, 1.0, 50.0]), np.array([5.0, -3.0, 0.0, 1e3])
    plain, converted = (
        Autoencoder(2, scaling=scaling, **SMALL).fit(X) for X in (SADDLE, SADDLE * factors + offsets)
    )
    Z = plain.transform(SADDLE)
    np.testing.assert_allclose(
        converted.transform(SADDLE * factors + offsets), Z, rtol=0, atol=2e-2 * np.abs(Z).max()
    )
    np.testing.assert_allclose(
        (converted.inverse_transform(Z) - offsets) / factors,
        plain.inverse_transform(Z),
        atol=2e-2 * np.abs(SADDLE).max(),
    )


def test_without_scaling_by_column_a_rotation_does_not_matter_to_pca_and_its_error():
    rotation = np.linalg.qr(RNG.standard_normal((4, 4)))[0]
    with pytest.warns(NoImprovementWarning):
        model, turned = (Autoencoder(2, **{**SMALL, "max_epochs": 1}).fit(X) for X in (NOISE, -NOISE))
    np.testing.assert_allclose(model.score(NOISE), turned.score(-NOISE), rtol=1e-6)
    losses = [Autoencoder(2, **SMALL).fit(X).pca_validation_loss_ for X in (SADDLE, SADDLE @ rotation)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


# Losses


def test_a_robust_loss_bears_an_outlier():
    X = SADDLE.copy()
    X[::25] += 40 * np.random.default_rng(1).standard_normal((20, 4))
    clean = np.ones(len(X), bool)
    clean[::25] = False
    errors = {}
    for loss in ("squared", "absolute", isthmus.Huber(0.1)):
        options = {**SMALL, "max_epochs": 60, "validation_fraction": 0}
        model = Autoencoder(2, loss=loss, **options).fit(X)
        errors[str(loss)] = np.median(isthmus.reconstruction_error(model, X)[clean])
    squared, *robust = errors.values()
    assert max(robust) < 0.5 * squared


def test_cross_entropy_decodes_into_the_unit_interval():
    X = load_digits().data[:600] / 16
    model = Autoencoder(2, loss="cross_entropy", **SMALL).fit(X)
    decoded = model.inverse_transform(model.transform(X) * 3)
    assert decoded.min() >= 0
    assert decoded.max() <= 1
    assert model.validation_loss_ < model.pca_validation_loss_


@pytest.mark.parametrize("estimator", [Autoencoder, isthmus.DenoisingAutoencoder])
def test_cross_entropy_refuses_rows_beyond_the_unit_interval_whenever_they_come(estimator):
    model = estimator(1, loss="cross_entropy", widths=(4,), random_state=0)
    rows = RNG.random((60, 3))
    model.partial_fit(rows)
    with pytest.raises(ValueError, match=r"needs data in \[0, 1\].* to 4.*scaling='range'"):
        model.partial_fit(4.0 * np.round(rows))


def test_cross_entropy_refuses_a_row_that_is_held_out():
    rows = RNG.random((600, 3))
    held_out = prepare(Autoencoder(1, loss="cross_entropy", random_state=0), rows).training.held_out
    row = int(np.argmin(np.abs(rows - held_out[0]).sum(axis=1)))
    rows[row, 0] = 5.0
    with pytest.raises(ValueError, match=r"needs data in \[0, 1\].* to 5"):
        prepare(Autoencoder(1, loss="cross_entropy", random_state=0), rows)


def test_scaling_and_pca_are_those_of_the_training_rows():
    """Where features are more than rows, PCA that had seen the held-out rows would flatter itself."""
    X = np.random.default_rng(3).standard_normal((60, 200)) * np.linspace(3, 0.5, 200)
    options = {"widths": (4,), "max_epochs": 1, "scaling": "standard", "random_state": 0}
    model = Autoencoder(2, **options)
    folds = prepare(model, X, cross_validated=True).folds
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoImprovementWarning)
        model.fit(X)
    errors = []
    for fold in folds:
        chosen = fold.source.indices
        held_out = np.setdiff1d(np.arange(60), chosen)
        spread = X[chosen].std(axis=0, ddof=1)
        u, u_held_out = ((X[part] - X[chosen].mean(axis=0)) / spread for part in (chosen, held_out))
        errors.append(pca_error(u, 2, u_held_out))
    assert model.pca_validation_loss_ == pytest.approx(0.5 * np.mean(errors), rel=1e-4)


def test_a_second_fit_forgets_the_first():
    model = Autoencoder(2, **SMALL).fit(SADDLE + 100)
    assert_same_map(model.fit(SADDLE), Autoencoder(2, **SMALL).fit(SADDLE))


# Solvers


@pytest.mark.parametrize("solver", [optax.adamw(3e-3), optax.sgd(0.03, momentum=0.9)])
def test_any_optax_transformation_trains(solver):
    model = Autoencoder(2, solver=solver, **SMALL).fit(SADDLE)
    assert model.validation_loss_ < 0.7 * model.pca_validation_loss_
    with pytest.raises(ValueError, match="rate of its own"):
        Autoencoder(2, solver=solver, learning_rate=0.1, **SMALL).fit(SADDLE)


def test_gradient_descent_takes_all_rows_in_each_step():
    options = {"widths": (16,), "max_epochs": 30, "random_state": 0, "input_noise": 0.0}
    model = Autoencoder(2, solver="gradient_descent", validation_fraction=0, **options).fit(SADDLE)
    losses = model.history_["train_loss"][1:]
    # Without batches and noise, a small step of gradient descent lowers the loss every time.
    assert np.all(np.diff(losses) < 0)
    assert np.all(model.history_["learning_rate"] == np.float32(0.1))


def test_an_activation_of_ones_own():
    def soft(x):
        return jnp.log1p(jnp.exp(x))

    model = Autoencoder(2, activation=soft, **SMALL).fit(SADDLE)
    assert model.validation_loss_ < model.pca_validation_loss_
    mixed = Autoencoder(2, activation=["tanh", soft], **SMALL).fit(SADDLE)
    activations = [layer.activation for layer in mixed.network_.pair.decoder.correction.layers]
    assert activations[0] is soft


# Interrupts and divergence


def test_ctrl_c_leaves_the_best_map_so_far(interrupt_in_call):
    interrupt_in_call(4, _groups, "batch_orders")
    model = Autoencoder(2, **{**SMALL, "max_epochs": 1000})
    with pytest.warns(UserWarning, match="interrupted after"):
        model.fit(SADDLE)
    losses = model.history_["validation_loss"]
    assert 2 < len(losses) < 1000
    assert model.best_epoch_ == np.argmin(losses) > 0
    assert model.validation_loss_ == losses[model.best_epoch_] < model.pca_validation_loss_
    left = isthmus.reconstruction_error(model, SADDLE).mean()
    assert left < isthmus.reconstruction_error(isthmus.LinearAutoencoder(2).fit(SADDLE), SADDLE).mean()


def test_after_divergence_the_model_holds_its_last_good_weights():
    model = Autoencoder(2, **SMALL, learning_rate=1e12, solver="gradient_descent")
    with pytest.raises(DivergenceError, match="learning rate that is too high"):
        model.fit(SADDLE)
    assert np.isfinite(model.transform(SADDLE)).all()


def test_a_refused_fit_changes_nothing():
    model = Autoencoder(2, **SMALL).fit(SADDLE)
    before = model.transform(SADDLE)
    for rows, told in (
        (SADDLE[:1], "1 row|n_samples=1|minimum of 2"),
        (np.full((50, 4), np.nan), "NaN"),
        (np.empty((0, 4)), "0 sample"),
        ([["a", "b"]], "text|string|numbers|numeric"),
    ):
        with pytest.raises(ValueError, match=told):
            model.fit(rows)
    np.testing.assert_array_equal(model.transform(SADDLE), before)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"n_components": 5}, "Use at most 4"),
        ({"n_components": 0}, "n_components"),
        ({"n_components": 2.0}, "n_components"),
        ({"widths": 32}, "sequence of layer widths"),
        ({"widths": (32, 0)}, "widths"),
        ({"activation": "swish"}, "activation"),
        ({"activation": ("tanh",)}, "1 entries for 2 hidden layers"),
        ({"skip": "identity"}, "skip"),
        ({"tied": True, "decoder_widths": (8, 8)}, "the decoder mirrors the encoder"),
        ({"loss": "l2"}, "loss"),
        ({"loss": len}, "isthmus.Huber"),
        ({"loss": "cross_entropy"}, "scaling='range'"),
        ({"loss": "cross_entropy", "scaling": "standard"}, "scaling='range'"),
        ({"scaling": "log"}, "scaling"),
        ({"input_noise": -1.0}, "input_noise"),
        ({"solver": "lbfgs"}, "solver"),
        ({"solver": 3}, "solver"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": np.nan}, "learning_rate"),
        ({"batch_size": 0}, "batch_size"),
        ({"max_epochs": 0}, "max_epochs"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"patience": 0}, "patience"),
    ],
    ids=str,
)
def test_parameters_that_do_not_fit_are_refused(changes, told):
    with pytest.raises((ValueError, TypeError), match=told):
        Autoencoder(**{**SMALL, **changes}).fit(SADDLE)


def distance_to_the_nearest(rows):
    every = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    np.fill_diagonal(every, np.inf)
    return every.min(axis=1)


def test_noise_in_training_is_in_proportion_to_the_distance_to_the_nearest_row():
    options = {**SMALL, "max_epochs": 1, "validation_fraction": 0}
    by_column = SADDLE.std(axis=0, ddof=1)
    for scaling, spread in ((None, np.sqrt(np.mean(by_column**2))), ("standard", by_column)):
        model = Autoencoder(2, scaling=scaling, **options).fit(SADDLE)
        gap = 1.25 * np.median(distance_to_the_nearest(SADDLE / spread)) / np.sqrt(SADDLE.shape[1])
        assert model.input_noise_ == pytest.approx(gap, rel=0.05)  # two digits
    # Copies of rows are no neighbours.
    once = Autoencoder(2, **options).fit(SADDLE)
    assert Autoencoder(2, **options).fit(np.repeat(SADDLE, 3, axis=0)).input_noise_ == once.input_noise_
    # Rows that are all alike, or as far from one another as from anything, are the ends.
    assert Autoencoder(2, **options).fit(np.repeat(SADDLE[:1], 500, axis=0)).input_noise_ == 0
    wide = RNG.standard_normal((50, 400))
    assert Autoencoder(1, **options).fit(wide).input_noise_ == 1
    assert Autoencoder(2, input_noise=0.7, **options).fit(SADDLE).input_noise_ == 0.7


def test_noise_in_training_is_as_strong_in_every_scaling():
    """A linear map with noise of variance s² shrinks the axis λ by λ/(λ + s²), if it is free to."""
    X = RNG.standard_normal((4000, 1)) * [1.0, 1.0]
    for scaling in (None, "standard"):
        model = Autoencoder(
            1,
            widths=(),
            scaling=scaling,
            input_noise=1.0,
            max_epochs=40,
            validation_fraction=0,
            random_state=0,
        ).fit(X)
        slope = np.sum(X * model.inverse_transform(model.transform(X))) / np.sum(X**2)
        # λ = 2 in units in which noise has variance 1 along every direction.
        assert slope == pytest.approx(2 / 3, rel=0.05)
