"""Maps of few rows: all are trained on, and folds beside them say when to stop and what it is worth."""

import warnings
from dataclasses import replace

import numpy as np
import optax
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA

import isthmus
from isthmus.data.sources import ArraySource
from isthmus.estimators import fitting
from isthmus.estimators.fitting import prepare
from isthmus.estimators.splits import FOLDS, folds_of
from isthmus.training.loop import train

# With one batch size, data of all these sizes share their programs.
QUICK = {"widths": (16,), "batch_size": 32, "random_state": 0}


def bent(n, noise=0.05, seed=0):
    """A surface of two dimensions in eight columns, that bends in the last three."""
    rng = np.random.default_rng(seed)
    s, t = rng.standard_normal((2, n))
    surface = np.c_[s, t, np.zeros((n, 3)), s**2 / 2, s * t / 2, t**2 / 2]
    return surface + noise * rng.standard_normal((n, 8))


@pytest.mark.parametrize(("n", "fraction"), [(10, 0.1), (63, 0.1), (300, 0.1), (300, 0.05)])
def test_every_row_is_held_out_once_but_for_the_remainder(n, fraction):
    folds = folds_of(n, fraction, np.random.default_rng(0))
    assert len(folds) == FOLDS
    held_out = np.concatenate([out for _, out in folds])
    assert len(np.unique(held_out)) == len(held_out) == n - n % FOLDS
    for inside, out in folds:
        np.testing.assert_array_equal(np.sort(np.r_[inside, out]), np.arange(n))


@pytest.mark.parametrize(("n", "fraction"), [(9, 0.1), (500, 0.1), (5000, 0.1), (100, 0.5), (100, 0.0)])
def test_a_single_split_has_rows_enough_or_there_are_too_few(n, fraction):
    assert folds_of(n, fraction, np.random.default_rng(0)) == []


def test_the_loss_of_pca_is_that_of_pca_on_the_rows_that_each_fold_leaves_out():
    X = bent(103)
    model = isthmus.Autoencoder(2, max_epochs=1, **QUICK)
    prepared = prepare(model, X, cross_validated=True)
    result = train(prepared.trainings, jointly=True)[0]
    losses = []
    for fold in prepared.folds:
        source = fold.source
        pca = PCA(2).fit(np.asarray(source.rows[source.indices], np.float64))
        out = np.asarray(fold.held_out, np.float64)
        gap = out - pca.inverse_transform(pca.transform(out))
        losses += list(0.5 * np.sum(gap**2, axis=1))
    assert len(losses) == result.n_held_out == 100
    assert result.history["validation_loss"][0] == pytest.approx(np.mean(losses), rel=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", isthmus.NoImprovementWarning)
        model.fit(X)
    assert model.pca_validation_loss_ == pytest.approx(np.mean(losses), rel=1e-4)


def test_the_model_is_trained_on_all_rows_as_it_would_be_alone():
    X = bent(120)
    # Without Adam, which divides by the size of a gradient, rounding included.
    model = isthmus.Autoencoder(2, max_epochs=4, solver=optax.sgd(0.03), **QUICK)
    together = prepare(model, X, cross_validated=True)
    alone = prepare(model, X, cross_validated=True)
    assert isinstance(together.training.source, ArraySource)
    np.testing.assert_array_equal(together.training.source.indices, np.arange(120))
    result, *folds = train(together.trainings, jointly=True)
    assert result.best_epoch == 4
    assert {fold.best_epoch for fold in folds} == {4}
    (other,) = train([replace(alone.training, significance=None)])
    rows = np.asarray(together.task.rows[:])
    Z, Z_alone = (np.asarray(one.network.encode(rows)) for one in (result, other))
    np.testing.assert_allclose(Z, Z_alone, atol=1e-4 * np.abs(Z).max())


def test_a_model_with_half_of_the_error_of_pca_is_not_given_up():
    for seed in range(2):
        X, unseen = bent(300, noise=0.25, seed=seed), bent(3000, noise=0.25, seed=seed + 100)
        model = isthmus.Autoencoder(2, widths=(32, 16), random_state=seed).fit(X)
        assert model.best_epoch_ > 0
        of_pca = isthmus.reconstruction_error(isthmus.LinearAutoencoder(2).fit(X), unseen).mean()
        own = isthmus.reconstruction_error(model, unseen).mean()
        assert own < 0.8 * of_pca
        # What the folds say is what unseen rows say.
        assert model.validation_loss_ / model.pca_validation_loss_ == pytest.approx(
            own / of_pca, rel=0.2
        )


@pytest.mark.parametrize("seed", range(3))
def test_noise_stays_pca_of_all_rows(seed):
    X = np.random.default_rng(seed).standard_t(3, (80, 6))
    with pytest.warns(isthmus.NoImprovementWarning, match="On 80 held-out rows"):
        model = isthmus.Autoencoder(2, **QUICK).fit(X)
    pca = PCA(2).fit(X)
    np.testing.assert_allclose(
        np.abs(model.transform(X)), np.abs(pca.transform(X)), atol=1e-4 * np.abs(X).max()
    )


def test_rows_that_are_all_twice_are_no_hindrance():
    X = np.repeat(bent(40), 2, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", isthmus.NoImprovementWarning)
        model = isthmus.Autoencoder(2, max_epochs=5, **QUICK).fit(X)
    assert np.isfinite(model.transform(X)).all()


@pytest.mark.parametrize("reason", ["weights", "neighbours", "warm start", "no start at PCA"])
def test_where_folds_cannot_be_trained_beside_it_a_split_is_held_out(monkeypatch, reason):
    model = isthmus.Autoencoder(2, max_epochs=1, **QUICK)
    if reason == "weights":
        monkeypatch.setattr(fitting, "MOST_WEIGHTS", 10)
    if reason == "neighbours":
        model = isthmus.DenoisingAutoencoder(2, noise=isthmus.noise.Neighbours(3), max_epochs=1, **QUICK)
    model.set_params(warm_start=reason == "warm start")
    prepared = prepare(model, bent(100), cross_validated=reason != "no start at PCA")
    assert prepared.folds == ()
    assert len(prepared.training.held_out) == 20


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning", "ignore::isthmus.CollapseWarning")
@pytest.mark.parametrize("kind", [isthmus.DenoisingAutoencoder, isthmus.VariationalAutoencoder])
def test_other_maps_are_cross_validated_too_and_a_seed_gives_the_same_numbers(kind):
    X = bent(150)
    model = kind(2, max_epochs=30, **QUICK)
    assert len(prepare(model, X, cross_validated=True).folds) == FOLDS
    one, other = (clone(model).fit(X) for _ in range(2))
    np.testing.assert_array_equal(one.transform(X), other.transform(X))
    assert one.pca_validation_loss_ == other.pca_validation_loss_ < np.inf


def test_without_held_out_rows_nothing_is_cross_validated():
    model = isthmus.Autoencoder(2, max_epochs=2, validation_fraction=0, **QUICK).fit(bent(60))
    assert np.isnan(model.validation_loss_)
    assert model.best_epoch_ == 2
