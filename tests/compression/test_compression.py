"""Pruning and distillation: what is removed, what stays the same, and what a student learns."""

import warnings

import equinox as eqx
import jax
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split

import isthmus
from isthmus import Autoencoder, FeedForwardClassifier, FeedForwardRegressor
from isthmus.compression.distill import distill
from isthmus.compression.kinds import PREDICTOR, kind_of
from isthmus.compression.prune import prune
from isthmus.compression.units import (
    Prunable,
    folded,
    hidden_widths,
    keep_units,
    n_parameters,
    rank_units,
)
from isthmus.networks.layers import FeedForward, gaussian_chain, identity, relu, silu, tanh

RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((600, 4)).astype(np.float32)
TURN = np.linspace(0.0, np.pi, 300)
ARC = np.stack([np.cos(TURN), np.sin(TURN)], axis=1)
DIGITS, UNSEEN = train_test_split(load_digits().data, test_size=0.2, random_state=0)
LABELS, _ = train_test_split(load_digits().target, test_size=0.2, random_state=0)


def chain(widths, activations, n_out=3, skip_links=False):
    sizes = (4, *widths, n_out)
    network = gaussian_chain(np.random.default_rng(1), sizes, activations, skip_links=skip_links)
    shifted = [
        eqx.tree_at(lambda one: one.shift, layer, layer.shift - 0.3 * np.float32(index + 1))
        for index, layer in enumerate(network.layers)
    ]
    return FeedForward(tuple(shifted))


def analysed(network):
    return Prunable.of(network, PREDICTOR.places, PREDICTOR.outputs, ROWS, np.random.default_rng(0))


def assert_same_function(one, other):
    """To rounding in single precision, about 1e-6 of the size."""
    expected = np.asarray(one(ROWS))
    np.testing.assert_allclose(other(ROWS), expected, atol=2e-5 * np.abs(expected).max())


def widened(network, level, rows_of_weight, shifts, outgoing):
    """Units with these incoming weights, shifts and outgoing weights more in a hidden layer."""
    layer, reader = network.layers[level], network.layers[level + 1]
    layers = list(network.layers)
    layers[level] = eqx.tree_at(
        lambda one: (one.weight, one.shift),
        layer,
        (np.vstack([layer.weight, rows_of_weight]), np.append(layer.shift, shifts)),
    )
    layers[level + 1] = eqx.tree_at(lambda one: one.weight, reader, np.hstack([reader.weight, outgoing]))
    return jax.tree.map(np.float32, FeedForward(tuple(layers)))


# Units


def test_duplicates_constants_and_dead_units_go_and_the_function_stays():
    plain = chain((6, 5), (relu, relu))
    first = plain.layers[0]
    incoming = np.vstack(
        [first.weight[:2], 2 * first.weight[2:3], np.zeros((2, 4)), 0.1 * np.ones((1, 4))]
    )
    # The duplicates, one of twice the height; constants 0.7 and 0; one that no row wakes.
    shifts = np.concatenate([first.shift[:2], 2 * first.shift[2:3], [-0.7, 0.7, 50.0]])
    wide = widened(plain, 0, incoming, shifts, RNG.standard_normal((5, 6)))
    small = analysed(wide).lossless()
    assert hidden_widths(wide) == (12, 5)
    assert hidden_widths(small) == (6, 5)
    assert small.layers[0].weight.shape == (6, 4)
    assert small.layers[1].weight.shape == (5, 6)
    assert_same_function(wide, small)


def test_units_that_nothing_reads_leave_as_many_as_are_useful():
    plain = chain((5,), (tanh,))
    wide = widened(plain, 0, RNG.standard_normal((59, 4)), RNG.standard_normal(59), np.zeros((3, 59)))
    small = analysed(wide).lossless()
    assert hidden_widths(small) == (5,)
    assert_same_function(plain, small)


def test_skip_links_are_taken_over_too():
    wide = chain((6, 6, 6), (silu, tanh, silu), skip_links=True)
    first = wide.layers[0]
    twin = eqx.tree_at(lambda one: one.weight, first, np.vstack([first.weight[:5], first.weight[:1]]))
    wide = FeedForward((twin, *wide.layers[1:]))
    small = analysed(wide).lossless()
    assert hidden_widths(small) == (5, 6, 6)
    assert small.layers[2].skip_weight.shape == (6, 5)
    assert_same_function(wide, small)


def test_errors_of_a_ranking_are_those_of_least_squares():
    a, g = RNG.standard_normal((300, 8)) @ RNG.standard_normal((8, 8)), RNG.standard_normal((300, 8))
    order, errors = rank_units(a, g)
    metric = g.T @ g / 300
    centred = a - a.mean(axis=0)
    for k in range(1, 9):
        kept = centred[:, order[:k]]
        left = centred - kept @ np.linalg.lstsq(kept, centred)[0]
        assert errors[k] == pytest.approx(np.mean((left @ metric) * left) * 8, abs=1e-9 * errors[0])
    # Greedy: no other first unit is better.
    first = [
        np.sum((rest @ metric) * rest) / 300
        for one in centred.T
        for rest in [centred - np.outer(one, one @ centred / (one @ one))]
    ]
    assert errors[1] == pytest.approx(min(first))


def test_the_next_layer_is_refitted_by_least_squares():
    network = chain((8,), (tanh,), n_out=2)
    hidden = np.asarray(network.layers[0](ROWS))
    units = np.array([0, 3, 5])
    small = keep_units(network, 0, units, hidden)
    design = np.column_stack([hidden[:, units], np.ones(len(ROWS))])
    best = design @ np.linalg.lstsq(design, np.asarray(network(ROWS)))[0]
    np.testing.assert_allclose(small(ROWS), best, atol=1e-5)


def test_linear_layers_are_folded_where_it_saves_numbers():
    network = chain((6, 9, 7), (silu, identity, tanh))
    small = folded(network)
    assert hidden_widths(small) == (6, 7)
    assert_same_function(network, small)
    narrow = chain((6, 2, 7), (silu, identity, tanh))
    assert hidden_widths(folded(narrow)) == (6, 2, 7)


def test_a_share_is_kept_to_and_costs_error_in_order():
    network = chain((40, 30), (tanh, tanh))
    before = analysed(network)
    gaps = []
    for share in (0.6, 0.3, 0.1):
        small = before.with_share(share)
        assert n_parameters(small) <= share * n_parameters(network)
        assert n_parameters(small) > 0.7 * share * n_parameters(network)
        gaps.append(float(np.mean(np.square(small(ROWS) - network(ROWS)))))
    assert gaps == sorted(gaps)


# Pruning


@pytest.fixture(scope="module")
def large():
    return Autoencoder(5, widths=(96, 64), max_epochs=25, random_state=0).fit(DIGITS)


@pytest.fixture(scope="module")
def small(large):
    return prune(large, DIGITS, trials=2, epochs=60)


def test_the_pruned_map_is_smaller_and_as_good(large, small):
    before, after = small.compression_["before"], small.compression_["after"]
    assert before["n_parameters"] == n_parameters(large.network_.pair)
    assert after["n_parameters"] == n_parameters(small.network_.pair) < 0.5 * before["n_parameters"]
    assert after["error"] <= 1.02 * before["error"]
    # The held-out rows are those of ``fit``, so the errors are the two models' own.
    assert before["error"] == pytest.approx(large.validation_loss_, rel=1e-5)
    assert after["error"] == pytest.approx(small.validation_loss_, rel=1e-5)
    # Rows that chose nothing: 360 of them leave the ratio of two means uncertain by some per cent.
    ratio = np.mean(isthmus.reconstruction_error(small, UNSEEN)) / np.mean(
        isthmus.reconstruction_error(large, UNSEEN)
    )
    assert ratio < 1.08


def test_parameters_say_what_the_pruned_network_is(large, small, tmp_path):
    pair = small.network_.pair
    assert hidden_widths(pair.encoder.correction) == small.widths
    assert hidden_widths(pair.own_decoder.correction) == (small.decoder_widths or small.widths[::-1])
    changed = {"widths", "decoder_widths"}
    for name, value in large.get_params().items():
        assert name in changed or small.get_params()[name] == value
    isthmus.save(small, tmp_path / "small.isthmus")
    loaded = isthmus.load(tmp_path / "small.isthmus")
    np.testing.assert_array_equal(loaded.transform(UNSEEN), small.transform(UNSEEN))
    assert loaded.compression_ == small.compression_
    # Going on with training compares the parameters with the network.
    loaded.set_params(warm_start=True, max_epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", isthmus.NoImprovementWarning)
        loaded.fit(DIGITS)
        again = clone(small).set_params(max_epochs=1).fit(DIGITS)
    shapes = [leaf.shape for leaf in jax.tree.leaves(small.network_)]
    assert [leaf.shape for leaf in jax.tree.leaves(loaded.network_)] == shapes
    assert [leaf.shape for leaf in jax.tree.leaves(again.network_)] == shapes


def test_the_model_that_is_pruned_stays_as_it_is(large, small):
    assert large.widths == (96, 64)
    assert not hasattr(large, "compression_")
    assert large.network_.pair.encoder.correction.layers[0].weight.shape == (96, 64)


def test_linear_hidden_layers_of_a_map_are_folded():
    model = Autoencoder(
        2, widths=(80, 8), activation=("identity", "tanh"), max_epochs=10, random_state=0
    ).fit(DIGITS)
    found = prune(model, DIGITS, tolerance=1e-4, trials=1, epochs=1)
    # 64 → 80 → 8 in the encoder is one layer, and so is 8 → 80 → 64 in the decoder.
    assert len(found.widths) == 1
    assert found.activation == "tanh"
    assert found.compression_["after"]["error"] <= (1 + 1e-4) * found.compression_["before"]["error"]


def test_nothing_to_remove_returns_the_model_and_says_so():
    model = Autoencoder(1, widths=(1,), max_epochs=2, random_state=0).fit(ARC)
    with pytest.warns(UserWarning, match="no hidden unit could be removed"):
        assert prune(model, ARC, trials=1) is model


def test_a_classifier_is_pruned_with_its_labels():
    model = FeedForwardClassifier((128,), max_epochs=30, random_state=0).fit(DIGITS, LABELS)
    found = prune(model, DIGITS, LABELS, tolerance=0.2, trials=4, epochs=20)
    assert found.n_parameters_ == found.compression_["after"]["n_parameters"] < model.n_parameters_
    assert found.validation_loss_ <= 1.2 * model.validation_loss_ + 1e-6
    assert found.widths == (found.network_.network.layers[0].weight.shape[0],)
    np.testing.assert_array_equal(found.classes_, model.classes_)


def test_a_variational_map_keeps_its_bound():
    model = isthmus.VariationalAutoencoder(2, widths=(64,), max_epochs=20, random_state=0).fit(DIGITS)
    found = prune(model, DIGITS, tolerance=0.05, trials=1)
    assert found.widths[0] < 64
    after, before = found.compression_["after"], found.compression_["before"]
    assert after["error"] <= 1.05 * before["error"]
    # The bound that judges has four draws a row, ``score`` 32: their errors are a nat over √(4 · 140).
    allowed = 0.5 * 64 * np.log1p(0.05)
    assert found.validation_loss_ <= model.validation_loss_ + allowed + 0.1


# Distillation


def test_a_linear_teacher_is_learnt_exactly():
    teacher = isthmus.LinearAutoencoder(3).fit(DIGITS)
    student = distill(teacher, DIGITS, (), max_epochs=2, random_state=0)
    # Linear regressions in both directions are the teacher itself: nothing is left to train.
    expected = teacher.transform(UNSEEN)
    np.testing.assert_allclose(student.transform(UNSEEN), expected, atol=2e-3 * np.abs(expected).max())


def test_a_student_has_its_teachers_coordinates_and_nearly_its_error(large):
    student = distill(large, DIGITS, (24, 16), max_epochs=80, random_state=0)
    z, taught = student.transform(UNSEEN), large.transform(UNSEEN)
    for own, given in zip(z.T, taught.T, strict=True):
        assert np.corrcoef(own, given)[0, 1] > 0.97
    before, after = student.compression_["before"], student.compression_["after"]
    assert after["n_parameters"] < 0.25 * before["n_parameters"]
    assert after["error"] < 1.35 * before["error"]
    assert student.validation_loss_ < 0.8 * student.pca_validation_loss_
    assert student.widths == (24, 16)


def test_a_teacher_with_fewer_useful_units_than_asked_for_teaches_too(large):
    idle = clone(large).set_params(max_epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", isthmus.NoImprovementWarning)
        idle.fit(DIGITS[:60])  # PCA: its corrections are zero
    student = distill(idle, DIGITS[:60], (24, 16), max_epochs=2, random_state=0)
    assert hidden_widths(student.network_.pair.encoder.correction) == (24, 16)


def test_several_teachers_teach_their_mean():
    y = np.sin(ROWS[:, 0]) + 0.3 * ROWS[:, 1]
    teachers = [
        FeedForwardRegressor((32,), max_epochs=60, random_state=k).fit(ROWS, y) for k in range(3)
    ]
    student = distill(teachers, ROWS, (16,), random_state=0)
    mean = np.mean([teacher.predict(ROWS) for teacher in teachers], axis=0)
    # Nearer to the mean than one of them is, and with as much of the variance explained.
    assert np.std(student.predict(ROWS) - mean) < 0.1 * np.std(mean)
    assert student.compression_["before"]["n_parameters"] == 3 * teachers[0].n_parameters_
    assert student.score(ROWS, y) > np.mean([teacher.score(ROWS, y) for teacher in teachers]) - 0.01


def test_maps_are_averaged_in_one_frame(large):
    other = clone(large).set_params(random_state=1).fit(DIGITS)
    student = distill([large, other], DIGITS, (32,), random_state=0, max_epochs=40)
    assert student.transform(UNSEEN).shape == (len(UNSEEN), 5)
    assert student.validation_loss_ < 0.9 * student.pca_validation_loss_


def test_a_student_learns_probabilities():
    teacher = FeedForwardClassifier((64,), max_epochs=15, random_state=0).fit(DIGITS, LABELS)
    student = distill(teacher, DIGITS, (16,), random_state=0)
    taught, own = teacher.predict_proba(UNSEEN), student.predict_proba(UNSEEN)
    # Gibbs: no distribution is nearer to the teacher's than its own.
    after, before = student.compression_["after"], student.compression_["before"]
    assert before["error"] <= after["error"] < before["error"] + 0.1
    assert np.mean(student.predict(UNSEEN) == teacher.predict(UNSEEN)) > 0.93
    assert np.mean(np.abs(taught - own)) < 0.02


# What cannot be done


@pytest.mark.parametrize("tolerance", [0.0, -0.1, float("nan"), "2%"])
def test_a_tolerance_is_positive(large, tolerance):
    with pytest.raises(ValueError, match="tolerance"):
        prune(large, DIGITS, tolerance=tolerance)


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
def test_models_that_cannot_be_pruned_say_why(large):
    with pytest.raises(NotFittedError):
        prune(Autoencoder(2), DIGITS)
    with pytest.raises(ValueError, match="features"):
        prune(large, DIGITS[:, :10])
    with pytest.raises(TypeError, match="no hidden units"):
        prune(isthmus.LinearAutoencoder(2).fit(DIGITS), DIGITS)
    with pytest.raises(TypeError, match="NeighbourAutoencoder: it can be distilled"):
        prune(isthmus.NeighbourAutoencoder(2), DIGITS)
    with pytest.raises(TypeError, match="got int"):
        prune(3, DIGITS)
    tied = Autoencoder(2, widths=(8,), tied=True, max_epochs=1).fit(ROWS)
    with pytest.raises(ValueError, match="tied=True"):
        kind_of(tied)
    classifier = FeedForwardClassifier((8,), max_epochs=1, random_state=0).fit(DIGITS, LABELS)
    with pytest.raises(ValueError, match="prune of a FeedForwardClassifier needs y"):
        prune(classifier, DIGITS)


def test_teachers_that_cannot_teach_say_why(large):
    with pytest.raises(NotFittedError):
        distill(Autoencoder(2), DIGITS, (8,))
    with pytest.raises(TypeError, match="of one kind"):
        distill([large, isthmus.LinearAutoencoder(5).fit(DIGITS)], DIGITS, (8,))
    with pytest.raises(ValueError, match="the same n_components, widths"):
        distill([large, Autoencoder(5, widths=(8,), max_epochs=9).fit(DIGITS)], DIGITS, (8,))
    with pytest.raises(TypeError, match="got str"):
        distill("teacher", DIGITS, (8,))
    with pytest.raises(ValueError, match="widths"):
        distill(large, DIGITS, (0,))
    with pytest.raises(ValueError, match="features"):
        distill(large, DIGITS[:, :10], (8,))
