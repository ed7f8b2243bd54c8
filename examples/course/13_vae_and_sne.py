r"""
13. Networks beside t-SNE, MDS and kernel PCA
=============================================

Other methods give two coordinates of the same rows, and one of them draws clearer islands than an
auto-encoder does. What speaks for the network is that it hands back a function. This page fits four
methods to the same digits, judges them alike, and says what each is for.
"""

# %%
# What each method is
# -------------------
#
# *PCA* projects on the directions of most variance. *Classical MDS* looks for points whose scalar
# products are those of the centered rows; of Euclidean distances that *is* PCA. *Kernel PCA* does the
# same with scalar products that are replaced by a kernel, mostly the Gaussian
# :math:`\exp(-\lVert x - x' \rVert^2 / 2 s^2)`, whose width :math:`s` is its one parameter. *SNE* and
# *t-SNE* turn distances into chances that one row picks another as its neighbour, :math:`P_{ij}` in the
# data and :math:`Q_{ij}` in the map, and move the points of the map until
#
# .. math:: \mathrm{KL}(P \parallel Q) = \sum_{i \neq j} P_{ij} \log \frac{P_{ij}}{Q_{ij}}
#
# is small. The unknowns are the points themselves: there is no function from a row to its point, and
# nothing is defined for a row that was not there. A *variational auto-encoder*
# (:doc:`lesson 12 <12_variational>`) trains two functions instead.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, KernelPCA
from sklearn.manifold import TSNE
from sklearn.neighbors import KNeighborsClassifier

import isthmus

X, y = load_digits(return_X_y=True)
shuffled = np.random.default_rng(0).permutation(len(X))
X, y = X[shuffled], y[shuffled]
train, unseen, labels = X[:600], X[600:], y[:600]

typical = np.sqrt(2 * train.var(axis=0).sum())  # the distance of two rows, root mean square
models = {
    "PCA": PCA(2, svd_solver="full"),
    "kernel PCA": KernelPCA(2, kernel="rbf", gamma=1 / (2 * (typical / 2) ** 2)),
    "t-SNE": TSNE(2, max_iter=500, random_state=0),
    "VAE": isthmus.VariationalAutoencoder(2, widths=(64,), random_state=0),
}
maps = {name: model.fit_transform(train) for name, model in models.items()}

# %%
# Classical MDS is PCA, to rounding and up to signs:

centered = train - train.mean(axis=0)
values, vectors = np.linalg.eigh(centered @ centered.T)
mds = vectors[:, :-3:-1] * np.sqrt(values[:-3:-1])
assert np.allclose(abs(mds), abs(maps["PCA"]), atol=1e-6)

# %%
# What is kept
# ------------
#
# :func:`isthmus.quality` judges any map by distances alone. *Trustworthiness* asks whether neighbours in
# the map are neighbours in the data, *overlap* how many of the ten nearest rows are the same, and
# *spearman* whether long distances are long ones in the map. The vote is of each row's ten nearest
# others in the map, about its class.

found = {}
print("              trustworthiness  overlap  spearman   vote   function of a new row, inverse")
for name, Z in maps.items():
    quality = isthmus.quality(train, Z, k=10)
    nearest = KNeighborsClassifier(10).fit(Z, labels).kneighbors(return_distance=False)
    counts = np.apply_along_axis(np.bincount, 1, labels[nearest], minlength=10)
    found[name] = (quality.trustworthiness, quality.overlap, quality.spearman)
    found[name] += (np.mean(counts.argmax(axis=1) == labels),)
    has = [hasattr(models[name], function) for function in ("transform", "inverse_transform")]
    print(f"{name:13}", *(f"{value:10.3f}" for value in found[name]), "  ", *has)

for name in ("PCA", "kernel PCA", "VAE"):
    assert found["t-SNE"][1] > found[name][1]
    assert found["t-SNE"][3] >= found[name][3]
assert found["VAE"][1] > 1.15 * found["PCA"][1]

fig, axes = plt.subplots(1, 3, figsize=(10, 3.8), layout="constrained")
for ax, name in zip(axes, ("PCA", "t-SNE", "VAE"), strict=True):
    isthmus.plots.class_map(ax, maps[name], labels)
    ax.set_title(f"{name}: keeps {found[name][1]:.0%} of ten neighbours", fontsize=11)
    ax.set(xlabel="coordinate 0", ylabel="coordinate 1")
plt.show()

# %%
# On the rows that it was fitted to, t-SNE keeps most neighbours and shows the clearest islands. For a
# picture of rows that are all there, it is a good choice. (``hasattr`` says True for kernel PCA's
# inverse, but scikit-learn refuses it unless a regression was asked for.)
#
# What a function is good for
# ---------------------------
#
# The network has three things that points do not have. It places new rows, it decodes a point of the
# map, and it has a derivative.

vae, pca = models["VAE"], models["PCA"]
left_out = {}
for name, model in (("PCA", pca), ("VAE", vae)):
    x_hat = model.inverse_transform(model.transform(unseen))
    left_out[name] = np.mean((x_hat - unseen) ** 2) / unseen.var(axis=0).mean()
    print(f"{name} leaves out {left_out[name]:.1%} of the variance of unseen digits")
assert left_out["VAE"] < 0.9 * left_out["PCA"]

vote = KNeighborsClassifier(10).fit(maps["VAE"], labels).score(vae.transform(unseen), y[600:])
print(f"unseen digits, placed by the function: the vote is right for {vote:.1%}")
assert vote > 0.6

J = isthmus.jacobian(vae, unseen[:1])[0]  # (2, 64): which pixels move which coordinate
step = np.random.default_rng(0).standard_normal(64)
change = vae.transform(unseen[:1] + 0.05 * step) - vae.transform(unseen[:1] - 0.05 * step)
print("change of z by a small step:", change[0] / 0.1, "by the Jacobian:", J @ step)
assert np.allclose(change[0] / 0.1, J @ step, rtol=0.05, atol=0.01)

# %%
# .. admonition:: Often written otherwise
#
#    A VAE is sometimes said to be better than SNE for interpretation because its map can be inverted.
#    The encoder has no inverse, since many rows have the same two coordinates. The decoder gives the
#    *mean* of the rows that have these coordinates, and two coordinates leave out much of a digit, as
#    printed above.
#
# .. list-table::
#    :header-rows: 1
#
#    * - You want
#      - take
#    * - a first look, straight axes
#      - PCA, which is classical MDS of Euclidean distances
#    * - islands of the rows that you have
#      - t-SNE or UMAP
#    * - islands, and new rows too
#      - :doc:`NeighbourAutoencoder <14_neighbours>`
#    * - coordinates that decode
#      - :doc:`Autoencoder <09_autoencoders>`
#    * - samples, and uncertainty
#      - :doc:`VariationalAutoencoder <12_variational>`
#
# On your own data ``isthmus.compare(X, y)`` does all of this, with held-out rows and times:
# :func:`isthmus.compare`.
#
# Exercise
# --------
#
# What does kernel PCA with a Gaussian kernel become if its width is very large? And if it is very small?
#
# .. admonition:: Solution
#    :class: dropdown
#
#    For large :math:`s` the kernel is :math:`1 - \lVert x - x' \rVert^2 / 2 s^2` and smaller terms.
#    Centering removes all but the scalar product, :math:`x \cdot x' / s^2`, so that the coordinates are
#    PCA's, divided by :math:`s`. For small :math:`s` the kernel is the identity matrix: each row is near
#    to itself alone, all eigenvalues are equal, and no direction is better than another. The width
#    decides how the neighbourhood is treated, and nothing else can be tuned.

wide = KernelPCA(2, kernel="rbf", gamma=1 / (2 * (100 * typical) ** 2)).fit_transform(train)
for k in range(2):
    correlation = abs(np.corrcoef(wide[:, k], maps["PCA"][:, k])[0, 1])
    print(f"coordinate {k}: correlation with PCA {correlation:.6f}")
    assert correlation > 0.999

narrow = KernelPCA(50, kernel="rbf", gamma=1 / (2 * (0.02 * typical) ** 2)).fit(train).eigenvalues_
print(f"the first 50 eigenvalues of a narrow kernel: {narrow.min():.3f} to {narrow.max():.3f}")
assert narrow.max() / narrow.min() < 1.01
