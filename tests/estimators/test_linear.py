"""The linear auto-encoder is PCA: exactly, and where its W is trained."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning

import isthmus

DIGITS, IRIS, WINE = load_digits().data, load_iris().data, load_wine().data
RNG = np.random.default_rng(0)
DATA = {
    "iris": IRIS,
    "wine, of columns of very different sizes": WINE,
    "digits, with constant pixels": DIGITS,
    "fewer rows than features": DIGITS[:20],
    "far from zero": IRIS + 1e4,
}


def signed_like(components, reference):
    return components * np.sign(np.sum(components * reference, axis=1))[:, None]


@pytest.mark.filterwarnings("ignore::isthmus.UnequalScalesWarning")
@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("d", [1, 2, 4])
def test_exact_is_scikit_learns_pca(name, d):
    X = DATA[name]
    model, pca = isthmus.LinearAutoencoder(d).fit(X), PCA(d, svd_solver="full").fit(X)
    # Eigenvectors are as well defined as their gaps: 1e-10 where numbers keep their digits.
    tolerance = 1e-10 if name != "far from zero" else 1e-7
    np.testing.assert_allclose(
        signed_like(pca.components_, model.components_), model.components_, rtol=0, atol=tolerance
    )
    np.testing.assert_allclose(model.mean_, pca.mean_, rtol=1e-12)
    for attribute in ("explained_variance_", "explained_variance_ratio_"):
        np.testing.assert_allclose(
            getattr(model, attribute), getattr(pca, attribute), rtol=max(1e-10, tolerance)
        )
    assert model.noise_variance_ == pytest.approx(pca.noise_variance_, rel=1e-7, abs=1e-12)
    signs = np.sign(np.sum(pca.components_ * model.components_, axis=1))
    scores = pca.transform(X) * signs
    np.testing.assert_allclose(model.transform(X), scores, rtol=0, atol=10 * tolerance * np.abs(X).max())
    np.testing.assert_allclose(
        model.inverse_transform(scores), pca.inverse_transform(scores * signs), atol=1e-7
    )


@pytest.mark.filterwarnings("ignore::isthmus.UnequalScalesWarning")
@pytest.mark.parametrize("name", DATA)
def test_the_largest_entry_of_each_component_is_positive(name):
    components = isthmus.LinearAutoencoder(4).fit(DATA[name]).components_
    largest = np.abs(components).argmax(axis=1)
    assert np.all(components[np.arange(4), largest] > 0)


@pytest.mark.usefixtures("optimised_programs")
@pytest.mark.parametrize("solver", ["gradient_descent", "adam"])
@pytest.mark.parametrize(("name", "d"), [("iris", 2), ("iris", 1), ("digits", 3)])
def test_a_trained_W_arrives_at_the_subspace_of_pca(solver, name, d):
    X = {"iris": IRIS, "digits": DIGITS}[name]
    model = isthmus.LinearAutoencoder(d, solver=solver, random_state=0).fit(X)
    pca = PCA(d, svd_solver="full").fit(X)
    W = model.components_
    assert np.linalg.norm(W @ W.T - np.eye(d)) < 1e-3
    assert np.linalg.norm(W.T @ W - pca.components_.T @ pca.components_) < 1e-3
    left_out = PCA().fit(X).explained_variance_[d:].sum() * (len(X) - 1) / len(X)
    assert isthmus.reconstruction_error(model, X).mean() == pytest.approx(left_out, rel=1e-4)
    np.testing.assert_allclose(model.explained_variance_, pca.explained_variance_, rtol=1e-3)
    # The axes within the subspace, and their signs, are the exact solver's.
    exact = isthmus.LinearAutoencoder(d).fit(X)
    np.testing.assert_allclose(W, exact.components_, atol=2e-3)


def test_training_lowers_the_loss_to_that_of_pca():
    model = isthmus.LinearAutoencoder(2, solver="adam", random_state=0).fit(IRIS)
    values = PCA().fit(IRIS).explained_variance_
    # ½ of the left-out eigenvalues, in units of the largest one.
    least = 0.5 * values[2:].sum() / values[0] * 149 / 150
    losses = model.history_["train_loss"][1:]
    assert losses[-1] == pytest.approx(least, rel=1e-4)
    assert losses[0] > 10 * least
    assert np.all(losses > least * (1 - 1e-4))


def test_too_few_epochs_are_told():
    with pytest.warns(ConvergenceWarning, match="Raise max_epochs"):
        isthmus.LinearAutoencoder(2, solver="gradient_descent", max_epochs=3, random_state=0).fit(IRIS)


def test_the_same_seed_trains_the_same_bits():
    first, again, other = (
        isthmus.LinearAutoencoder(2, solver="adam", random_state=seed).fit(IRIS).components_
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


@pytest.mark.parametrize("rank", [1, 2, 5])
@pytest.mark.parametrize("extra", [0, 1])
def test_data_of_rank_d_or_less_have_no_error(rank, extra):
    X = RNG.standard_normal((60, rank)) @ RNG.standard_normal((rank, 8)) + 3.0
    model = isthmus.LinearAutoencoder(rank + extra).fit(X)
    assert isthmus.reconstruction_error(model, X).max() < 1e-20 * np.var(X)
    assert model.explained_variance_ratio_.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("solver", ["exact", "gradient_descent", "adam"])
def test_a_full_map_gives_the_data_back(solver):
    X = RNG.standard_normal((50, 3)) * [2.0, 1.5, 1.0]
    model = isthmus.LinearAutoencoder(3, solver=solver, random_state=0).fit(X)
    np.testing.assert_allclose(model.inverse_transform(model.transform(X)), X, atol=1e-3)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("X", [IRIS, DIGITS], ids=["iris", "digits"])
def test_a_fraction_keeps_as_many_as_pca_does(X, share):
    model = isthmus.LinearAutoencoder(share).fit(X)
    assert model.n_components_ == PCA(share, svd_solver="full").fit(X).n_components_
    assert model.explained_variance_ratio_.sum() > share
    assert model.explained_variance_ratio_[:-1].sum() <= share


@pytest.mark.parametrize("X", [IRIS, DIGITS[:20]], ids=["rows", "columns"])
def test_none_keeps_all(X):
    model = isthmus.LinearAutoencoder(None).fit(X)
    assert model.n_components_ == min(X.shape)
    np.testing.assert_allclose(
        isthmus.reconstruction_error(model, X), 0, atol=1e-20 * np.sum(X**2, axis=1).max()
    )
    assert model.noise_variance_ == 0


def test_constant_rows_have_coordinates_zero():
    X = np.full((10, 3), 7.0)
    for n_components in (2, 0.5):
        model = isthmus.LinearAutoencoder(n_components).fit(X)
        np.testing.assert_array_equal(model.transform(X), 0)
        np.testing.assert_array_equal(model.inverse_transform(model.transform(X)), X)


@pytest.mark.parametrize(
    "make", [scipy.sparse.csr_matrix, scipy.sparse.csc_array, scipy.sparse.coo_array]
)
def test_sparse_rows_give_the_map_of_the_dense_ones(make):
    dense = isthmus.LinearAutoencoder(3).fit(DIGITS)
    sparse = isthmus.LinearAutoencoder(3).fit(make(DIGITS))
    np.testing.assert_allclose(sparse.components_, dense.components_, atol=1e-10)
    np.testing.assert_allclose(
        sparse.transform(make(DIGITS)), dense.transform(DIGITS), rtol=0, atol=1e-9
    )
    np.testing.assert_allclose(
        isthmus.reconstruction_error(sparse, make(DIGITS)),
        isthmus.reconstruction_error(dense, DIGITS),
        rtol=1e-9,
    )


def test_a_memory_map_is_read_where_it_lies(tmp_path):
    np.save(tmp_path / "digits.npy", DIGITS)
    rows = np.load(tmp_path / "digits.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        isthmus.LinearAutoencoder(2).fit(rows).components_,
        isthmus.LinearAutoencoder(2).fit(DIGITS).components_,
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"n_components": 5}, "at most 4"),
        ({"n_components": 0}, "n_components"),
        ({"n_components": 1.5}, "n_components"),
        ({"n_components": "two"}, "n_components"),
        ({"n_components": True}, "n_components"),
        ({"solver": "svd"}, "'solver' parameter of LinearAutoencoder must be a str among .*'exact'"),
        ({"n_components": 0.9, "solver": "adam"}, "use solver='exact'"),
        ({"max_epochs": 0}, "max_epochs"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(changes, told):
    with pytest.raises((ValueError, TypeError), match=told):
        isthmus.LinearAutoencoder(**changes).fit(IRIS)
