"""Coordinates in ``obsm``, and what cannot be embedded."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

import isthmus

ROWS = load_digits().data[:120].astype(np.float32)


@dataclass
class AnnData:
    """What isthmus uses of ``anndata.AnnData``; the package itself does not work with pandas 3."""

    X: Any
    var_names: Any
    layers: dict[str, np.ndarray] = field(default_factory=dict)
    obsm: dict[str, np.ndarray] = field(default_factory=dict)

    def to_df(self):
        return pd.DataFrame(self.X, columns=self.var_names)


def cells(rows=ROWS):
    names = [f"gene{column}" for column in range(rows.shape[1])]
    return AnnData(rows.copy(), pd.Index(names))


def test_coordinates_are_those_of_the_map_itself():
    adata = cells()
    model = isthmus.embed(adata, isthmus.LinearAutoencoder(3), key_added="X_flat")
    assert list(adata.obsm) == ["X_flat"]
    plain = isthmus.LinearAutoencoder(3).fit_transform(ROWS)
    np.testing.assert_allclose(adata.obsm["X_flat"], plain, rtol=1e-4, atol=1e-4)
    assert list(model.feature_names_in_) == list(adata.var_names)


def test_a_fitted_map_places_other_cells_and_stays_as_it_is():
    model = isthmus.embed(cells(), isthmus.LinearAutoencoder(2))
    other = cells(load_digits().data[200:300])
    assert isthmus.embed(other, model) is model
    np.testing.assert_allclose(other.obsm["X_isthmus"], model.transform(other.to_df()), rtol=1e-9)


def test_a_map_of_variables_says_so_where_it_is_given_a_representation():
    adata = cells()
    model = isthmus.embed(adata, isthmus.LinearAutoencoder(2))
    adata.obsm["X_other"] = np.asarray(adata.X)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        isthmus.embed(adata, model, use_rep="X_other")


def test_a_layer_and_a_representation_are_taken_instead_of_x():
    adata = cells()
    adata.layers["root"] = np.sqrt(ROWS)
    adata.obsm["X_pca"] = PCA(5).fit_transform(ROWS)
    by_layer = isthmus.embed(adata, isthmus.LinearAutoencoder(2), layer="root")
    np.testing.assert_allclose(by_layer.scaling_.center, np.sqrt(ROWS).mean(axis=0), rtol=1e-5)
    by_pca = isthmus.embed(adata, isthmus.LinearAutoencoder(2), use_rep="X_pca")
    assert by_pca.n_features_in_ == 5
    assert not hasattr(by_pca, "feature_names_in_")


@pytest.mark.parametrize(
    ("change", "options", "error", "words"),
    [
        (lambda a: AnnData(a.X[:, ::-1], a.var_names[::-1]), {}, ValueError, "another order.*gene0"),
        (lambda a: a, {"layer": "counts"}, KeyError, "adata.layers has nothing"),
        (lambda a: a, {"use_rep": "X_pca"}, KeyError, "adata.obsm has nothing"),
        (lambda a: a, {"use_rep": "a", "layer": "b"}, ValueError, "give one"),
        (lambda a: AnnData(None, a.var_names), {}, ValueError, "adata.X is None"),
        (lambda a: a.X, {}, TypeError, "adata is a ndarray, expected an AnnData"),
    ],
)
def test_what_cannot_be_embedded_is_refused_and_nothing_is_kept(change, options, error, words):
    model = isthmus.embed(cells(), isthmus.LinearAutoencoder(2))
    adata = change(cells())
    with pytest.raises(error, match=words):
        isthmus.embed(adata, model, **options)
    assert not len(getattr(adata, "obsm", ()))


def test_the_page_on_single_cells_works(tmp_path, monkeypatch):
    page = (Path(__file__).parents[1] / "docs" / "single_cells.md").read_text("utf-8")
    monkeypatch.setitem(sys.modules, "anndata", SimpleNamespace(AnnData=lambda X: cells(X)))
    monkeypatch.chdir(tmp_path)
    names = {}
    # Fewer epochs, and none of them chosen by cross-validation, which compiles six networks.
    page = page.replace("NeighbourAutoencoder(random", "NeighbourAutoencoder(max_epochs=20, random")
    page = page.replace("max_epochs=30, random", "max_epochs=30, validation_fraction=0, random")
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, names)
    adata, kind = names["adata"], names["kind"]
    for key in ("X_isthmus", "X_map"):
        # Kinds of cells are apart, though cells of a kind differ in depth.
        near = KNeighborsClassifier(5)
        assert cross_val_score(near, adata.obsm[key], kind).mean() > 0.95
    known = KNeighborsClassifier(5).fit(adata.obsm["X_isthmus"], kind)
    np.testing.assert_array_equal(known.predict(names["later"].obsm["X_isthmus"]), [0, 1, 2])
    assert (tmp_path / "cells.html").stat().st_size > 10_000
