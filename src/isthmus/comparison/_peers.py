"""Methods of scikit-learn and umap-learn, with the settings that suit them best."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA, KernelPCA
from sklearn.kernel_ridge import KernelRidge
from sklearn.manifold import MDS, TSNE, Isomap

MOST_DISTANCES_OF = 1000
"""Number of rows whose distances the median rule uses: half a million distances are enough."""

PRE_IMAGE_WIDTH, PRE_IMAGE_RIDGE = 0.5, 0.1
"""Width of the kernel in the map, in median distances, and ridge. Of widths ¼, ½, 1 and ridges 1 to 10⁻³
they restore held-out digits best, at 2 and at 10 coordinates."""

MOST_NEIGHBOURS = 10
"""Number of neighbours of Isomap: enough for the graph of small data to be connected."""

PERPLEXITY = 30.0

MOST_EXACT_ROWS = 5000
"""Largest number of rows for exact t-SNE, which holds several n × n arrays."""


@dataclass
class GaussianKernelPCA:
    """Kernel PCA with the kernel exp(−‖x − y‖²/2s²), s the median distance of rows.

    Schölkopf, Smola & Müller 1998, "Nonlinear component analysis as a kernel eigenvalue problem", Neural
    Computation 10:1299. The inverse is a regression from the map to the rows (Bakır, Weston & Schölkopf
    2004, "Learning to find pre-images", NIPS), with a kernel as wide as the map: scikit-learn takes the
    data's width there too, and restores next to nothing of data whose unit is not their spread.
    """

    n_components: int
    inner: KernelPCA = field(init=False)
    pre_image: KernelRidge = field(init=False)
    center: Float[np.ndarray, " D"] = field(init=False)

    def fit_transform(self, X: Float[np.ndarray, "n D"]) -> Float[np.ndarray, "n d"]:
        """Coordinates of the rows that the kernel is made of."""
        self.inner = KernelPCA(
            self.n_components, kernel="rbf", gamma=_gamma(X, 1.0), eigen_solver="dense"
        )
        Z: Float[np.ndarray, "n d"] = self.inner.fit_transform(X)
        self.center = X.mean(axis=0)
        gamma = _gamma(Z, PRE_IMAGE_WIDTH)
        self.pre_image = KernelRidge(alpha=PRE_IMAGE_RIDGE, kernel="rbf", gamma=gamma)
        self.pre_image.fit(Z, X - self.center)
        return Z

    def transform(self, X: Float[np.ndarray, "n D"]) -> Float[np.ndarray, "n d"]:
        """Coordinates of rows."""
        return np.asarray(self.inner.transform(X))

    def inverse_transform(self, Z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n D"]:
        """Rows by regression on coordinates."""
        return np.asarray(self.center + self.pre_image.predict(Z))


@dataclass
class MetricMDS:
    """Metric MDS, stress by SMACOF from classical scaling, which for Euclidean distances is PCA.

    Borg & Groenen 2005, "Modern multidimensional scaling". One start, because from classical scaling the
    stress of digits is below that of random starts, and there is nothing random left.
    """

    n_components: int

    def fit_transform(self, X: Float[np.ndarray, "n D"]) -> Float[np.ndarray, "n d"]:
        """Coordinates of these rows; there is no function for others."""
        start = PCA(self.n_components, svd_solver="full").fit_transform(X)
        scaling = MDS(self.n_components, n_init=1, max_iter=300, eps=1e-6, random_state=0)
        with warnings.catch_warnings():
            # Of the default of another start than the one that is given.
            warnings.simplefilter("ignore", FutureWarning)
            return np.asarray(scaling.fit_transform(X, init=start))


@dataclass
class NeighbourhoodIsomap:
    """Isomap with ten neighbours (Tenenbaum, de Silva & Langford 2000, Science 290:2319)."""

    n_components: int
    inner: Isomap = field(init=False)

    def fit_transform(self, X: Float[np.ndarray, "n D"]) -> Float[np.ndarray, "n d"]:
        """Coordinates of the rows that the graph is made of."""
        self.inner = Isomap(
            n_components=self.n_components,
            n_neighbors=min(MOST_NEIGHBOURS, len(X) - 1),
            eigen_solver="dense",
        )
        return np.asarray(self.inner.fit_transform(X))

    def transform(self, X: Float[np.ndarray, "n D"]) -> Float[np.ndarray, "n d"]:
        """Coordinates by way of each row's neighbours among those of the fit."""
        return np.asarray(self.inner.transform(X))


@dataclass
class PictureTSNE:
    """t-SNE from a start at PCA, perplexity 30 (van der Maaten & Hinton 2008, JMLR 9:2579).

    Barnes-Hut trees are for up to three coordinates; beyond, every pair of rows counts, and the rate is
    n/12 (Belkina et al. 2019, Nature Communications 10:5415; scikit-learn's gradient takes a quarter):
    the floor of 50 that scikit-learn gives it makes 90 rows diverge in four coordinates.
    """

    n_components: int
    seed: int

    def fit_transform(self, X: Float[np.ndarray, "n D"]) -> Float[np.ndarray, "n d"]:
        """Coordinates of these rows; there is no function for others."""
        exact = self.n_components > 3
        if exact and len(X) > MOST_EXACT_ROWS:
            raise ValueError(
                f"n_components={self.n_components}: t-SNE of more than 3 coordinates takes every pair "
                f"of rows, and {len(X)} are more than {MOST_EXACT_ROWS}"
            )
        embedding = TSNE(
            self.n_components,
            perplexity=min(PERPLEXITY, (len(X) - 1) / 3),
            init="pca",
            learning_rate=len(X) / 48 if exact else "auto",
            method="exact" if exact else "barnes_hut",
            random_state=self.seed,
        )
        return np.asarray(embedding.fit_transform(X))


def umap(n_components: int, seed: int) -> Any:  # umap-learn has no types
    """UMAP with its own defaults (McInnes, Healy & Melville 2018, arXiv:1802.03426).

    Raises ImportError that says how to install it. One job, because with a seed umap-learn takes no
    more.
    """
    try:
        package = import_module("umap")
    except ModuleNotFoundError as error:
        if error.name != "umap":
            raise
        raise ImportError(
            "umap-learn is not installed; pip install 'isthmus[umap]' brings it"
        ) from error
    return package.UMAP(n_components=n_components, random_state=seed, n_jobs=1)


def _gamma(rows: Float[np.ndarray, "n D"], widths: float) -> float:
    """1/2s², s so many median distances of rows; 1 where all rows coincide."""
    step = -(-len(rows) // MOST_DISTANCES_OF)
    width = widths * float(np.median(pdist(rows[::step])))
    return 0.5 / width**2 if width > 0 else 1.0
