"""The methods that are compared: those of others against a second method or a known truth, and ours."""

import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA, KernelPCA
from sklearn.manifold import trustworthiness

import isthmus
from comparison.picked import Picked, X, Y, picked
from isthmus import registry
from isthmus.comparison import METHODS, Method
from isthmus.comparison._peers import (
    GaussianKernelPCA,
    MetricMDS,
    NeighbourhoodIsomap,
    PictureTSNE,
)
from isthmus.comparison.methods import chosen


def test_kernel_pca_by_the_median_rule():
    """Coordinates are scikit-learn's up to sign; the inverse restores what its default does not."""
    rows, scale = X[:80], 50.0
    own = GaussianKernelPCA(2)
    Z = own.fit_transform(scale * rows)
    width = scale * np.median(pdist(rows))
    peer = KernelPCA(2, kernel="rbf", gamma=0.5 / width**2, fit_inverse_transform=True)
    np.testing.assert_allclose(np.abs(Z), np.abs(peer.fit_transform(scale * rows)), atol=1e-7)
    np.testing.assert_allclose(own.transform(scale * rows[:5]), Z[:5], atol=1e-7)
    new = scale * X[80:]

    def left_out(decoded):
        return np.sum((new - decoded) ** 2) / np.sum((new - scale * rows.mean(0)) ** 2)

    ours = left_out(own.inverse_transform(own.transform(new)))
    assert ours < 0.2 < 0.5 < left_out(peer.inverse_transform(peer.transform(new)))


def test_mds_finds_a_plane_in_space():
    plane = np.random.default_rng(0).standard_normal((40, 2))
    Z = MetricMDS(2).fit_transform(plane @ np.linalg.qr(np.ones((5, 2)) + np.eye(5)[:, :2])[0].T)
    np.testing.assert_allclose(pdist(Z), pdist(plane), atol=1e-6)


def test_isomap_unrolls_a_spiral():
    t = np.linspace(2, 12, 400)
    spiral = np.column_stack([t * np.cos(t), t * np.sin(t)])
    arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(spiral, axis=0), axis=1))])
    isomap = NeighbourhoodIsomap(1)
    # Chords of ten neighbours are a little shorter than the arc.
    assert abs(np.corrcoef(isomap.fit_transform(spiral)[:, 0], arc)[0, 1]) > 0.9999
    assert abs(np.corrcoef(isomap.transform(spiral)[:, 0], arc)[0, 1]) > 0.9999


def test_t_sne_of_more_coordinates_than_trees_take():
    """Of five columns, four lose little."""
    rows = np.random.default_rng(0).standard_normal((90, 6)) * [3, 3, 3, 3, 1, 0]
    assert trustworthiness(rows, PictureTSNE(4, 0).fit_transform(rows), n_neighbors=5) > 0.95
    with pytest.raises(ValueError, match="every pair of rows, and 5001 are more than 5000"):
        PictureTSNE(4, 0).fit_transform(np.zeros((5001, 6)))


def test_umap_where_it_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    report = isthmus.compare(X, Y, ["UMAP", "PCA"])
    missing, pca = report.records
    assert missing.failure == "umap-learn is not installed; pip install 'isthmus[umap]' brings it"
    assert missing.train is missing.test is missing.fit_seconds is None
    assert pca.failure is None
    assert re.search(r"UMAP +not run", str(report))
    assert "Not compared: UMAP (umap-learn is not installed" in report.verdict


def test_umap_where_it_is_installed(monkeypatch):
    made = []

    def umap(**settings):
        made.append(settings)
        return Picked(settings["n_components"])

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=umap))
    (record,) = isthmus.compare(X, None, "umap", random_state=7).records
    assert made == [{"n_components": 2, "random_state": 7, "n_jobs": 1}]
    assert (record.explicit, record.invertible) == ("by search", "by search")
    assert record.differentiable == "no function"
    assert record.test is not None
    new = isthmus.compare(X, None, ["umap", "pca"]).verdict.partition("\n")[0]
    pca, own = (isthmus.compare(X, None, each).table()[0] for each in ("pca", "umap"))
    assert own["test_trustworthiness"] < pca["test_trustworthiness"]
    assert f"neighbours are kept best by PCA (trustworthiness {pca['test_trustworthiness']:.3f})" in new


def test_a_search_that_wins_stands_beside_the_best_function():
    everything = Method("all", lambda d, seed: PCA(d), explicit="by search")
    report = isthmus.compare(X[:, :3], None, [everything, picked("first")])
    all_row, first = report.table()
    kept, left = f"{all_row['test_trustworthiness']:.3f}", f"{first['test_trustworthiness']:.3f}"
    said = f"all (trustworthiness {kept}, by search; of functions, first {left})"
    assert said in report.verdict


def test_our_maps_stand_in_the_list_with_their_defaults():
    ours = [method for method in METHODS if method.name.endswith("Autoencoder")]
    made = [method.make(3, 5) for method in ours]
    assert [type(each).__name__ for each in made] == [method.name for method in ours]
    for each in made:
        assert each.n_components == 3
        defaults = type(each)(3).get_params()
        changed = {name for name, value in each.get_params().items() if value is not defaults[name]}
        assert changed <= {"random_state", "noise", "likelihood", "prior"}


def test_our_maps_have_the_words_of_the_command_line():
    words = ("linear", "autoencoder", "neighbour", "denoising", "variational")
    assert words == tuple(
        registry.estimators.word(type(method.make(2, 0)))
        for method in METHODS
        if method.name.endswith("Autoencoder")
    )
    assert chosen(words) == chosen([registry.estimators.find(word).__name__ for word in words])
    with pytest.raises(ValueError, match="methods has NeighbourAutoencoder twice"):
        chosen(["neighbour", "NeighbourAutoencoder"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(("", PCA), "name='': expected a text"), (("PCA", "pca"), "make='pca': expected a function of")],
)
def test_what_is_no_method(arguments, says):
    with pytest.raises(TypeError, match=says):
        Method(*arguments)
