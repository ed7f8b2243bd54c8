"""The denoising auto-encoder against the best linear denoisers, and what it knows of the density."""

import jax
import numpy as np
import optax
import pandas as pd
import pytest
import scipy.sparse
from scipy.stats import norm, random_correlation
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

import isthmus
from isthmus import DenoisingAutoencoder, NoImprovementWarning
from isthmus.data.rows import ScaledRows
from isthmus.objectives.corruption import TrainingRows, bind
from isthmus.objectives.noise import Gaussian, Masking, SaltAndPepper

D, N_ROWS = 8, 4000
VARIANCES = np.geomspace(4, 0.05, D)
VARIANCES *= D / VARIANCES.sum()
CORRELATION = random_correlation.rvs(VARIANCES, random_state=1)
ROWS = np.random.default_rng(0).multivariate_normal(np.full(D, 3.0), CORRELATION, N_ROWS)
UNEQUAL = ROWS * np.arange(1, D + 1)
LINEAR = {
    "widths": (),
    "draws": 4,
    "batch_size": 500,
    "max_epochs": 100,
    "validation_fraction": 0,
    "random_state": 0,
}


def fit(X, d, noise, **changes):
    return DenoisingAutoencoder(d, noise=noise, **(LINEAR | changes)).fit(X)


def linear_part(model, X):
    """The matrix F of a linear denoiser x̂ = x̄ + F (x − x̄)."""
    mean = X.mean(axis=0)
    return (isthmus.denoise(model, mean + np.eye(X.shape[1])) - isthmus.denoise(model, mean[None])).T


def best_of_rank(d, P, Q):
    """argmin ⟨‖F x̃ − x‖²⟩ over F of rank d, given P = ⟨x x̃ᵀ⟩ and Q = ⟨x̃ x̃ᵀ⟩: reduced-rank regression."""
    values, vectors = np.linalg.eigh(Q)
    root = (vectors * np.sqrt(values)) @ vectors.T
    inverse_root = (vectors / np.sqrt(values)) @ vectors.T
    left, singular, right = np.linalg.svd(P @ inverse_root)
    assert np.allclose(root @ inverse_root, np.eye(len(Q)))
    return (left[:, :d] * singular[:d]) @ right[:d] @ inverse_root


def loss_of(F, S, P, Q):
    """⟨‖F x̃ − x‖²⟩."""
    return np.trace(S) - 2 * np.trace(F @ P.T) + np.trace(F @ Q @ F.T)


def distance(F, expected):
    return np.linalg.norm(F - expected) / np.linalg.norm(expected)


# Closed forms. The loss is estimated with fresh noise at each of 800 steps; what that leaves in a
# matrix of 64 entries is below 1 %, and 2 % is allowed. The loss is flat there: 1 ‰ is allowed.


def test_the_full_linear_denoiser_is_wieners():
    """Σ(Σ + σ²)⁻¹, with the loss Σ λσ²/(λ + σ²)."""
    model = fit(ROWS, D, Gaussian(0.5))
    S = np.cov(ROWS.T)
    noise = np.diag(model.noise_scale_**2)
    F = linear_part(model, ROWS)
    assert distance(F, S @ np.linalg.inv(S + noise)) < 0.02
    # Features of one size: the noise has one variance, up to the spread of sample variances.
    values, variance = np.linalg.eigvalsh(S), np.mean(model.noise_scale_**2)
    least = np.sum(values * variance / (values + variance))
    assert loss_of(F, S, S, S + noise) == pytest.approx(least, rel=1e-3)
    reported = 2 * model.scaling_.unit**2 * np.mean(model.history_["train_loss"][-20:])
    assert reported == pytest.approx(least, rel=0.01)


@pytest.mark.parametrize("d", [1, 3, 5])
def test_a_linear_denoiser_through_a_bottleneck_shrinks_the_leading_axes(d):
    """U_d diag(λ/(λ + σ²)) U_dᵀ, with the loss Σλ − Σ_{i≤d} λ²/(λ + σ²)."""
    model = fit(ROWS, d, Gaussian(0.5))
    S = np.cov(ROWS.T)
    values, vectors = (part[..., ::-1] for part in np.linalg.eigh(S))
    variance = np.mean(model.noise_scale_**2)
    leading = vectors[:, :d]
    shrunk = (leading * (values[:d] / (values[:d] + variance))) @ leading.T
    F = linear_part(model, ROWS)
    assert distance(F, shrunk) < 0.02
    least = np.trace(S) - np.sum(values[:d] ** 2 / (values[:d] + variance))
    noise = np.diag(model.noise_scale_**2)
    assert loss_of(F, S, S, S + noise) == pytest.approx(least, rel=1e-3)


@pytest.mark.parametrize("d", [3, D])
def test_the_linear_denoiser_of_masked_rows_is_the_marginalised_one(d):
    """⟨x̃ x̃ᵀ⟩ = (1 − p)² S + p (1 − p) diag S and ⟨x x̃ᵀ⟩ = (1 − p) S (Chen et al. 2012)."""
    p = 0.3
    model = fit(UNEQUAL, d, Masking(p))
    S = np.cov(UNEQUAL.T)
    P, Q = (1 - p) * S, (1 - p) ** 2 * S + p * (1 - p) * np.diag(np.diag(S))
    best = best_of_rank(d, P, Q)
    F = linear_part(model, UNEQUAL)
    assert distance(F, best) < 0.02
    assert loss_of(F, S, P, Q) == pytest.approx(loss_of(best, S, P, Q), rel=1e-3)


def test_epoch_zero_is_judged_by_what_pca_makes_of_noisy_rows():
    """PCA of rank d keeps the noise in its plane: Σ_{i>d} λ + Σ_j s_j² (UUᵀ)_jj."""
    model = DenoisingAutoencoder(
        3, noise=Gaussian(0.5), widths=(), max_epochs=1, validation_fraction=0.5, random_state=0
    ).fit(ROWS)
    pca = PCA(3).fit(ROWS)
    plane = np.sum(pca.components_**2, axis=0)
    left_out = D * pca.noise_variance_ * 5 / 8  # the mean of the five eigenvalues that are left out
    expected = left_out + np.sum(model.noise_scale_**2 * plane)
    # 2 000 rows, each a sum of squares with a relative spread of about a half.
    assert 2 * model.scaling_.unit**2 * model.pca_validation_loss_ == pytest.approx(expected, rel=0.05)


# The score


@pytest.mark.parametrize("scaling", [None, "standard", "range"])
def test_the_score_of_gaussian_rows(scaling):
    """−(Σ + σ²)⁻¹(x − μ), in the units of each feature, whatever the scaling."""
    model = fit(UNEQUAL, D, Gaussian(0.5), scaling=scaling)
    # Scaled rows are in single precision.
    np.testing.assert_allclose(model.noise_scale_, 0.5 * UNEQUAL.std(axis=0, ddof=1), rtol=1e-7)
    noise = np.random.default_rng(1).standard_normal((1000, D))
    noisy = UNEQUAL[:1000] + model.noise_scale_ * noise
    precision = np.linalg.inv(np.cov(UNEQUAL.T) + np.diag(model.noise_scale_**2))
    expected = -(noisy - UNEQUAL.mean(axis=0)) @ precision
    # Features differ in size, so that each is compared in its own unit.
    gap = (isthmus.score_function(model, noisy) - expected) * model.noise_scale_
    assert np.linalg.norm(gap) < 0.05 * np.linalg.norm(expected * model.noise_scale_)


@pytest.mark.usefixtures("optimised_programs")
def test_the_score_of_a_mixture_of_two_gaussians():
    rng = np.random.default_rng(0)
    left = rng.random(5000) < 0.3
    X = np.where(left, rng.normal(-2, 0.5, 5000), rng.normal(1.5, 0.8, 5000))[:, None]
    model = DenoisingAutoencoder(
        1, noise=Gaussian(0.5), draws=8, widths=(64, 64), activation="tanh", batch_size=256,
        solver=optax.adam(optax.cosine_decay_schedule(5e-3, 2000), b2=0.99),
        max_epochs=100, validation_fraction=0, random_state=0,
    ).fit(X)  # fmt: skip
    variance = model.noise_scale_[0] ** 2
    x = np.linspace(-3.5, 4, 200)[:, None]
    parts = [(0.3, -2, 0.25 + variance), (0.7, 1.5, 0.64 + variance)]
    densities = [share * norm.pdf(x, mean, np.sqrt(total)) for share, mean, total in parts]
    slopes = [
        -density * (x - mean) / total for density, (_, mean, total) in zip(densities, parts, strict=True)
    ]
    density = sum(densities)
    exact = sum(slopes) / density
    gap = isthmus.score_function(model, x) - exact
    # The score of the kernel density of the same 5 000 rows is 1.5 % from the exact one.
    assert np.sum(density * gap**2) < 0.05**2 * np.sum(density * exact**2)
    # It points towards the nearer mode on both sides of each, and vanishes between them.
    signs = np.sign(isthmus.score_function(model, [[-3.0], [-1.2], [0.5], [3.0]])[:, 0])
    np.testing.assert_array_equal(signs, [1, -1, 1, -1])


def test_a_feature_without_spread_has_the_score_zero():
    X = np.column_stack([ROWS, np.full(N_ROWS, 7.0)])
    score = isthmus.score_function(fit(X, 3, Gaussian(0.5), max_epochs=2), X[:10])
    np.testing.assert_array_equal(score[:, -1], 0)
    assert np.abs(score[:, :-1]).min() > 0


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: fit(ROWS[:50], 2, Masking(), max_epochs=1), "got a DenoisingAutoencoder with Masking"),
        (lambda: isthmus.LinearAutoencoder().fit(ROWS[:50]), "got a LinearAutoencoder"),
    ],
)
def test_other_models_have_no_score(make, told):
    with pytest.raises(TypeError, match=told):
        isthmus.score_function(make(), ROWS)


@pytest.mark.parametrize(
    "as_given",
    [
        lambda X: pd.DataFrame(X, columns=[f"f{j}" for j in range(D)]),
        scipy.sparse.csr_array,
        lambda X: X.tolist(),
    ],
)
def test_rows_come_in_any_form(as_given):
    model = fit(as_given(ROWS[:200]), 2, Gaussian(0.5), max_epochs=2)
    rows = ROWS[:9]
    np.testing.assert_allclose(
        isthmus.score_function(model, as_given(rows)) * model.noise_scale_**2 + rows,
        isthmus.denoise(model, as_given(rows)),
        atol=1e-9,
    )


# The estimator


def test_noise_in_training_alone():
    model = fit(ROWS, 2, Gaussian(3.0), max_epochs=2)
    np.testing.assert_array_equal(model.transform(ROWS), model.transform(ROWS))
    np.testing.assert_allclose(model.transform(ROWS[:1]), model.transform(ROWS)[:1], atol=1e-6)


def test_digits_are_restored_better_than_by_pca():
    X = load_digits().data
    order = np.random.default_rng(0).permutation(len(X))
    train, unseen = X[order[300:]], X[order[:300]]
    noise = SaltAndPepper(0.2)
    model = DenoisingAutoencoder(10, noise=noise, widths=(128, 64), max_epochs=60, random_state=0)
    model.fit(train)
    rng = np.random.default_rng(1)
    hit = rng.random(unseen.shape) < 0.2
    noisy = np.where(hit, np.where(rng.random(unseen.shape) < 0.5, train.min(0), train.max(0)), unseen)
    pca = PCA(10).fit(train)
    of_pca = np.mean((pca.inverse_transform(pca.transform(noisy)) - unseen) ** 2)
    # Two thirds of PCA's error is what is reached; the noise is drawn here, not by the library.
    assert np.mean((isthmus.denoise(model, noisy) - unseen) ** 2) < 0.75 * of_pca
    assert model.validation_loss_ < 0.75 * model.pca_validation_loss_


def test_where_shrinking_wins_nothing_the_model_stays_pca():
    X = np.random.default_rng(0).standard_normal((200, 6))
    with pytest.warns(NoImprovementWarning, match="the fitted model is PCA"):
        model = DenoisingAutoencoder(
            2, noise=Gaussian(1e-3), widths=(16,), max_epochs=20, random_state=0
        ).fit(X)
    assert model.best_epoch_ == 0
    pca = PCA(2).fit(X)
    expected = pca.inverse_transform(pca.transform(X))
    np.testing.assert_allclose(isthmus.denoise(model, X), expected, atol=1e-5)


def test_many_draws_are_one_draw_on_average():
    """The loss of a step with many draws has the mean of that with one, and a smaller variance."""
    options = {"max_epochs": 40, "solver": optax.sgd(0.0), "batch_size": 100, "draws": 1}
    one, many = (fit(ROWS[:100], 2, Gaussian(1.0), **{**options, "draws": k}) for k in (1, 25))
    first, second = (model.history_["train_loss"][1:] for model in (one, many))
    assert first.mean() == pytest.approx(second.mean(), abs=4 * first.std() / np.sqrt(40))
    # χ² of 39 degrees of freedom: a ratio of 25 in variance is between 9 and 70 at 4 σ.
    assert 9 < first.var() / second.var() < 70


@pytest.mark.parametrize("noise", [Gaussian(0.5), Masking(0.3), SaltAndPepper(0.3)])
def test_going_on_with_few_rows_leaves_the_noise_as_it_was(noise, tmp_path):
    """One row has no spread, mean or range of its own to measure the noise in."""
    model = fit(ROWS, 2, noise, max_epochs=2)
    isthmus.save(model, tmp_path / "map.isthmus")
    rows = TrainingRows(ScaledRows(ROWS, model.scaling_), np.arange(2), fitted_columns=model.columns_)
    before, _ = bind(noise, rows)
    for going_on in (model, isthmus.load(tmp_path / "map.isthmus")):
        going_on.partial_fit(ROWS[:1])
        after, _ = bind(
            noise,
            TrainingRows(
                ScaledRows(ROWS[:1], model.scaling_), np.arange(1), fitted_columns=going_on.columns_
            ),
        )
        for was, now in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
            np.testing.assert_array_equal(was, now)
        if isinstance(noise, Gaussian):
            np.testing.assert_array_equal(
                going_on.noise_scale_,
                0.5 * np.sqrt(going_on.columns_.variance) * going_on.scaling_.scale,
            )
            assert going_on.noise_scale_.min() > 0


def test_the_same_seed_gives_the_same_bits():
    first, again, other = (
        isthmus.denoise(fit(ROWS[:300], 2, Gaussian(0.5), max_epochs=3, random_state=seed), ROWS[:5])
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_noise_that_is_not_finite_is_told_before_the_first_step():
    with pytest.raises(isthmus.DivergenceError, match=r"before the first step.*noise"):
        fit(ROWS, 2, lambda x, key: x * np.nan, validation_fraction=0.1)


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"noise": "gaussian"}, TypeError, r"isthmus.noise.Gaussian\(0.3\)"),
        ({"noise": Gaussian}, TypeError, "expected a noise"),
        ({"noise": lambda x, key: x[:, :2]}, ValueError, r"shape \(2, 8\) into \(2, 2\)"),
        ({"noise": lambda x, key: np.asarray(x)}, TypeError, "TracerArrayConversionError.*jax.numpy"),
        ({"noise": lambda x: x}, TypeError, "failed on rows.*positional argument"),
        ({"draws": 0}, ValueError, "'draws' parameter of DenoisingAutoencoder must be an int"),
        ({"loss": "cross_entropy"}, ValueError, r"needs data in \[0, 1\]"),
        ({"loss": "cross_entropy", "scaling": "standard"}, ValueError, "use scaling='range'"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(changes, error, told):
    with pytest.raises(error, match=told):
        DenoisingAutoencoder(**(LINEAR | changes)).fit(ROWS)
