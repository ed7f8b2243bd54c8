r"""
Counts, such as those of single cells
=====================================

Of each of a thousand cells the molecules of a hundred genes were counted. Counts are no measurements
with a Gaussian error: most are small, many are zero, they scatter more where they are large, and the
total depends on how much of a cell was sequenced, its *library size*. This page maps counts as they are,
with a distribution of counts, and asks unseen cells which distribution is right.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier

import isthmus

# %%
# Cells whose truth is known
# --------------------------
#
# Four types of cells differ in a third of the genes. Counts are drawn from a negative binomial
# distribution, and the library size varies from cell to cell by a factor that has nothing to do with the
# type.

rng = np.random.default_rng(0)
n_cells, n_genes, theta = 1000, 100, 2.0
base = rng.lognormal(0.0, 1.0, n_genes)
change = np.exp(rng.normal(0.0, 1.0, (4, n_genes)) * (rng.random((4, n_genes)) < 0.35))
kind = rng.integers(4, size=n_cells)
size = rng.lognormal(0.0, 0.5, n_cells)
mean = size[:, None] * (base * change)[kind]
counts = rng.poisson(mean * rng.gamma(theta, 1 / theta, mean.shape)).astype(float)  # (1000, 100)
train, new = slice(0, 700), slice(700, None)
print(f"{np.mean(counts == 0):.0%} of the counts are zero, the largest is {counts.max():.0f}")

# %%
# Which distribution?
# -------------------
#
# A :class:`isthmus.VariationalAutoencoder` takes raw counts, without a logarithm and without scaling,
# and its likelihood says how counts scatter about their mean :math:`\lambda_j(z)`: Poisson's variance is
# :math:`\lambda`, and the negative binomial's is :math:`\lambda + \lambda^2/\theta_j`, with
# :math:`\theta_j` learnt for each gene (:doc:`lesson 12 </course/12_variational>`). Which one is right
# is a question to unseen cells: ``score`` is a lower bound on the mean log-probability of a cell.

small = {"widths": (64,), "max_epochs": 60, "random_state": 0}
likelihoods = isthmus.likelihoods.Poisson(), isthmus.likelihoods.NegativeBinomial()
models = [
    isthmus.VariationalAutoencoder(4, likelihood=one, **small).fit(counts[train]) for one in likelihoods
]
scores = [model.score(counts[new]) for model in models]
for likelihood, score in zip(likelihoods, scores, strict=True):
    print(f"{type(likelihood).__name__:16}: at least {score:.1f} nats for an unseen cell")
assert scores[1] > scores[0] + 5
model = models[1]

# %%
# Library size
# ------------
#
# Totals differ from cell to cell, and a map of counts as they are has them in its coordinates: nothing
# told the model that they are of no interest. The usual way around is to divide each cell by its total,
# and to take logarithms.

total = counts.sum(axis=1, keepdims=True)
shares = counts / total * np.median(total)
logs = np.log1p(shares)
pca = isthmus.LinearAutoencoder(4).fit(logs[train])
Z = {"counts": model.transform(counts), "logarithms, PCA": pca.transform(logs)}
of_size, of_kind = {}, {}
for name, z in Z.items():
    of_size[name] = (
        LinearRegression().fit(z[train], np.log(size[train])).score(z[new], np.log(size[new]))
    )
    of_kind[name] = KNeighborsClassifier(10).fit(z[train], kind[train]).score(z[new], kind[new])
    print(f"{name:15}: R² of the library size {of_size[name]:.2f}, type told right {of_kind[name]:.1%}")
assert of_size["counts"] > 0.7
assert of_size["logarithms, PCA"] < 0.3
assert min(of_kind.values()) > 0.9

# %%
# So for *telling types apart* these logarithms do as well, and they are quicker. What they do not have
# is a distribution: how likely a cell is, draws of new cells, and the level of a gene with its noise
# removed.
#
# Levels of genes, without the noise
# ----------------------------------
#
# The decoder gives :math:`\lambda_j(z)`, the count that is expected. Divided by its own total it is the
# profile of the cell, whatever its library size. Here the true profile is known, and the unseen cells
# tell which estimate is nearest to it.


def profile(levels):
    return levels / levels.sum(axis=1, keepdims=True)


true = profile((base * change)[kind[new]])
estimates = {
    "counts / total": profile(counts[new] + 0.1),
    "PCA of logarithms": profile(np.maximum(np.expm1(isthmus.denoise(pca, logs[new])), 1e-3)),
    "negative binomial": profile(model.inverse_transform(model.transform(counts[new]))),
}
off = {name: np.sqrt(np.mean(np.log2(rows / true) ** 2)) for name, rows in estimates.items()}
for name, error in off.items():
    print(f"{name:17}: levels are a factor of {2**error:.2f} off")
assert off["negative binomial"] < 0.9 * min(off["counts / total"], off["PCA of logarithms"])

# %%
# In pictures
# -----------

fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
isthmus.plot(model, counts[new], np.char.add("type ", kind[new].astype(str)), ax=left)
left.set_title("Unseen cells, first two of four coordinates")
genes = np.argsort(change.std(axis=0))[-15:]
for name, colour in (("counts / total", isthmus.plots.FAINT), ("negative binomial", isthmus.plots.OURS)):
    right.plot(
        true[:60][:, genes].ravel(),
        estimates[name][:60][:, genes].ravel(),
        ".",
        color=colour,
        markersize=3,
        label=name,
    )
right.plot([1e-4, 0.2], [1e-4, 0.2], color="black", linewidth=1)
right.set(xscale="log", yscale="log", xlabel="true share of a gene", ylabel="estimated share")
right.set(title="Noise of counting is gone", xlim=(2e-4, 0.2), ylim=(2e-4, 0.2))
right.legend(frameon=False, markerscale=3)
plt.show()

# %%
# With AnnData and scanpy
# -----------------------
#
# :func:`isthmus.embed` takes an ``AnnData`` and keeps the coordinates in ``obsm``, where scanpy goes on
# with them (:doc:`/single_cells`). ``model`` is any map, such as the one of this page, or none for the
# default.
#
# .. code-block:: python
#
#    import scanpy
#    import isthmus
#
#    adata = scanpy.read_h5ad("cells.h5ad")  # counts in adata.X
#    counts = isthmus.VariationalAutoencoder(10, likelihood=isthmus.likelihoods.NegativeBinomial())
#    isthmus.embed(adata, counts)  # adata.obsm["X_isthmus"]
#    scanpy.pp.neighbors(adata, use_rep="X_isthmus")
#    scanpy.tl.leiden(adata)
#
# For a picture with an island for each group, give :class:`isthmus.NeighbourAutoencoder` the principal
# components of the logarithms, ``isthmus.embed(adata, isthmus.NeighbourAutoencoder(),
# use_rep="X_pca")``, and read :doc:`cluster` before you count the islands.
