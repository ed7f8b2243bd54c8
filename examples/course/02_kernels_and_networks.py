r"""
2. What a kernel fixes, and what a network learns
=================================================

Principal component analysis sees straight directions only. Kernel methods and networks both go beyond
that. A kernel method does it with a notion of nearness that is chosen before training; a network does it
with parameters that training finds. This lesson compares the two, and ends with a layer that is both.
"""

# %%
# The idea of a kernel
# --------------------
#
# A kernel says how similar two rows are. The Gaussian kernel does so by their distance alone, and has
# one parameter:
#
# .. math:: K(x, x') = \exp\left( -\frac{\lVert x - x' \rVert^2}{2 \sigma^2} \right) .
#
# Rows much closer than :math:`\sigma` are the same to it, and rows much farther apart have nothing to do
# with one another. *Kernel PCA* replaces the covariance matrix by the centered matrix of all
# :math:`K(x_i, x_j)`. With its eigenvectors, suitably scaled, as weights :math:`\alpha`, a coordinate of
# any row is
#
# .. math:: z_k(x) = \sum_{i=1}^{n} \alpha_{ik} \, \tilde{K}(x, x_i) ,
#
# where the tilde stands for the centering. The eigenvectors follow from :math:`K`, so that
# :math:`\sigma` is all that can be chosen. Two limits are known. If :math:`\sigma` is much larger than
# all distances, :math:`K \approx 1 - \lVert x - x' \rVert^2 / 2 \sigma^2`, whose centered matrix is that
# of inner products divided by :math:`\sigma^2`: kernel PCA becomes PCA. If :math:`\sigma` is much
# smaller than all distances, :math:`K` is the identity matrix: each row is alone, and no direction is
# better than another.

import jax
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, KernelPCA
from sklearn.neighbors import KNeighborsClassifier

import isthmus

X, y = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(X))
X_train, y_train = X[order[:1000]], y[order[:1000]]
X_new, y_new = X[order[1000:]], y[order[1000:]]


def vote(model):
    """How often the 10 nearest training rows on the map, by majority, name the digit of a new row."""
    voters = KNeighborsClassifier(10).fit(model.transform(X_train), y_train)
    return voters.score(model.transform(X_new), y_new)


pca = PCA(2).fit(X_train)
kernel_maps = {}
for sigma in (3, 8, 16, 60, 1000):
    kernel_maps[sigma] = KernelPCA(2, kernel="rbf", gamma=1 / (2 * sigma**2), random_state=0).fit(
        X_train
    )
    print(f"σ = {sigma:4}: the vote is right for {vote(kernel_maps[sigma]):.1%} of the new rows")
print(f"PCA:      the vote is right for {vote(pca):.1%}")

# %%
# Both limits are there. With the largest :math:`\sigma` the first coordinate is that of PCA, up to a
# factor; with the smallest, all new rows land at one point, because none of them is near any training
# row.

widest, narrowest = kernel_maps[1000], kernel_maps[3]
correlation = np.corrcoef(widest.transform(X_new)[:, 0], pca.transform(X_new)[:, 0])[0, 1]
spread = narrowest.transform(X_new).std() / narrowest.transform(X_train).std()
print(f"σ = 1000: correlation with PCA's first coordinate {abs(correlation):.5f}")
print(f"σ = 3: new rows are spread {spread:.4f} times as far as training rows")
assert abs(correlation) > 0.999
assert spread < 0.05
assert vote(narrowest) < 0.2

# %%
# In between there is a best :math:`\sigma`. It is one number for all directions and all parts of the
# data, and it is not found by kernel PCA itself: something else has to choose it, such as the vote
# above.
#
# What a network has instead
# --------------------------
#
# A network is a function :math:`z = f(x \mid w)` with very many parameters :math:`w`, which are fitted
# to the data. None of them says in advance what is near.

settings = {"widths": (64, 32), "max_epochs": 40}
model = isthmus.Autoencoder(2, random_state=0, **settings).fit(X_train)
n_parameters = sum(leaf.size for leaf in jax.tree.leaves(model.network_.pair))
print(f"{n_parameters} parameters; the vote is right for {vote(model):.1%} of the new rows")
votes = {sigma: vote(kernel_map) for sigma, kernel_map in kernel_maps.items()}
best_sigma = max(votes, key=votes.get)
best = votes[best_sigma]
assert vote(model) > best + 0.08

# %%
# Three properties come with it. The map of an :class:`isthmus.Autoencoder` is *explicit*: a new row is
# put into a formula, whatever the other rows are. It is *differentiable*: :func:`isthmus.jacobian` gives
# :math:`J = \partial z / \partial x` exactly, where a quotient of differences is an approximation. And
# it comes with a way back, :math:`\hat{x} = g(z)`.

one_by_one = np.concatenate([model.transform(X_new[i : i + 1]) for i in range(5)])
assert np.allclose(one_by_one, model.transform(X_new[:5]), atol=1e-3)

direction = np.random.default_rng(0).standard_normal(64)
quotient = (model.transform(X_new + 0.05 * direction) - model.transform(X_new - 0.05 * direction)) / 0.1
slopes = isthmus.jacobian(model, X_new) @ direction
error = np.abs(quotient - slopes).max() / np.abs(slopes).max()
print(f"Jacobian against quotients of differences: they differ by {error:.5f} of the largest slope")
assert error < 0.02

left_out = isthmus.reconstruction_error(model, X_new).mean()
left_out_by_pca = np.mean(np.sum((X_new - pca.inverse_transform(pca.transform(X_new))) ** 2, axis=1))
print(f"squared error of the way back: {left_out:.0f}; of PCA's: {left_out_by_pca:.0f}")
assert left_out < 0.9 * left_out_by_pca

# %%
# .. admonition:: Often written otherwise
#
#    It is often said that :math:`f` is invertible. A continuous map from 64 numbers to 2 cannot be: many
#    rows share a point of the plane. The decoder :math:`g` is a second function, trained so that
#    :math:`g(f(x)) \approx x` *where the data are*. The error printed above is what is missing.
#
#    It is also said that only networks are explicit. The formula of kernel PCA is, and has a derivative.
#    But its sum runs over all training rows, which have to be kept; and it has no decoder, for which a
#    second regression must be fitted.
#
# Where the two meet: a kernel layer
# ----------------------------------
#
# In the formula of kernel PCA the weights follow from the kernel. They can also be trained. An
# :class:`isthmus.NeighbourAutoencoder` has :math:`M` *landmarks* :math:`c_m` (``landmarks=``), which are
# cluster centres of the data. A Gaussian kernel gives each of them a share of a row, and each has a
# position :math:`v_m` on the map, which is trained:
#
# .. math::
#
#    \varphi_m(x) = \frac{\exp(-\lVert x - c_m \rVert^2 / h)}
#    {\sum_{l} \exp(-\lVert x - c_l \rVert^2 / h)} , \qquad
#    z = \sum_{m=1}^{M} \varphi_m(x) \, v_m .
#
# Then, in four rounds, landmarks that are far from the present mean :math:`z` get a smaller weight:
#
# .. math::
#
#    g_m \propto \frac{\varphi_m}{1 + \lVert z - v_m \rVert^2 / a} , \qquad
#    z \leftarrow \frac{\sum_m g_m v_m}{\sum_m g_m} .
#
# The number :math:`a` is 0.6. Distances to landmarks are those of the leading principal coordinates, and
# far from all landmarks the bandwidth :math:`h` grows, so that the map does not jump there. This is all
# that the fitted encoder does, and a few lines of NumPy repeat it.

islands = isthmus.NeighbourAutoencoder(landmarks=250, max_epochs=60, random_state=0).fit(X_train)

network = islands.network_
shares = np.asarray(
    network.pair.encoder.landmarks((X_new - network.center) / network.scale)
)  # (797, 250)
positions = np.asarray(network.pair.encoder.positions).T  # (250, 2)
z = shares @ positions
for _ in range(islands.rounds):
    squares = np.sum((z[:, None] - positions) ** 2, axis=2)  # (797, 250)
    say = shares / (1 + squares / 0.6)
    z = (say @ positions) / say.sum(axis=1, keepdims=True)
z = (z - network.frame.origin) @ network.frame.matrix.T  # turned towards the principal axes

assert np.allclose(shares.sum(axis=1), 1, atol=1e-5)
assert np.allclose(z, islands.transform(X_new), atol=1e-3)
print(f"{positions.size} trained positions; the vote is right for {vote(islands):.1%} of the new rows")
assert vote(islands) > best + 0.2

# %%
# The kernel is the same as above. The difference is that 500 numbers of the map are trained, to keep
# the neighbours of each row.

panels = {
    "kernel PCA, σ = 3:\nnew rows fall on one point": narrowest,
    f"kernel PCA, σ = {best_sigma}:\nthe best of these": kernel_maps[best_sigma],
    "kernel PCA, σ = 1000:\nit is PCA": widest,
    "kernel layer, positions trained:\nislands of digits": islands,
}
fig, axes = plt.subplots(1, 4, figsize=(12, 3.6), layout="constrained")
for ax, (title, drawn) in zip(axes, panels.items(), strict=True):
    Z = drawn.transform(X_new)
    colours = np.array(isthmus.plots.CLASS_COLOURS)[y_new]
    ax.scatter(*Z.T, c=colours, s=6)
    ax.set(title=title, xlabel="coordinate 1", ylabel="coordinate 2", xticks=[], yticks=[])
plt.show()

# %%
# The price
# ---------
#
# A kernel method solves one eigenvalue problem, which has one solution. Training a network starts at
# random numbers, and another start ends elsewhere. After the best rotation, two maps of two seeds still
# differ:

again = isthmus.Autoencoder(2, random_state=1, **settings).fit(X_train)
A, B = (m.transform(X_new) - m.transform(X_new).mean(axis=0) for m in (model, again))
u, _, vt = np.linalg.svd(A.T @ B)
difference = np.sum((A @ u @ vt - B) ** 2) / np.sum(B**2)
print(f"two seeds: {difference:.1%} of the variance of the coordinates differs")
assert difference > 0.01

# %%
# Further disadvantages: widths, activation, learning rate and the length of training have to be chosen,
# for which isthmus has defaults; little theory says how good the result will be, so that held-out rows
# have to; and with few rows there is little to learn, in which case isthmus falls back on PCA. How to
# measure what the seed decides is the subject of :doc:`lesson 7 <07_ensembles>`.
#
# Exercise
# --------
#
# Show that kernel PCA with a Gaussian kernel cannot place a row that is far from all training rows
# anywhere but at one fixed point. Where does PCA place such a row?
#
# .. admonition:: Solution
#    :class: dropdown
#
#    If :math:`x` is far from all :math:`x_i`, all :math:`K(x, x_i)` are zero. What is left of the
#    formula is the centering, which does not contain :math:`x`. PCA is linear: a row a hundred times as
#    far from the mean has coordinates a hundred times as large. In numbers:

far = X_train.mean(axis=0) + 100 * (X_new - X_train.mean(axis=0))
spread = kernel_maps[16].transform(far).std(axis=0).max()
print(f"kernel PCA: spread of far rows {spread:.1e}")
assert spread < 1e-6
assert np.allclose(pca.transform(far), 100 * pca.transform(X_new))
