r"""
1. PCA is a linear auto-encoder
===============================

An auto-encoder writes a row down in fewer numbers than it has, and then tries to restore it from these.
If both steps are linear, and the second is the first one's transpose, the best that can be done has been
known since 1901: it is principal component analysis. Everything that follows in this course starts from
here.
"""

# %%
# The idea
# --------
#
# Let :math:`W` be a matrix with :math:`d` rows and :math:`D` columns. The *encoder* multiplies a
# centered row by it, :math:`z = W x`, and the *decoder* multiplies by its transpose, :math:`\hat{x} =
# W^\top z`. Training looks for the :math:`W` that loses least:
#
# .. math:: L(W) = \frac{1}{n} \sum_{i=1}^{n} \lVert x_i - W^\top W x_i \rVert^2 .
#
# If the rows of :math:`W` are orthonormal, :math:`\lVert\hat{x}\rVert^2 = x \cdot \hat{x}`, so that the
# two terms with :math:`\hat{x}` in the square become one. With the covariance matrix :math:`C` of the
# data,
#
# .. math:: L(W) = \mathrm{tr}\, C - \mathrm{tr}(W C W^\top) .
#
# To lose least is to keep most variance. The best rows of :math:`W` span the same space as the :math:`d`
# eigenvectors of :math:`C` with the largest eigenvalues, and the loss is the sum of the other
# eigenvalues.
#
# .. admonition:: Often written otherwise
#
#    The loss is often given as :math:`\mathrm{tr}(W C W^\top)`. That is the variance *kept*, which is
#    maximised; the loss is what is left of :math:`\mathrm{tr}\, C`. And it is not true that
#    :math:`\lVert\hat{x}\rVert = \lVert x\rVert` for each row: that holds only for rows without loss.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import isthmus

X, y = load_digits(return_X_y=True)  # (1797, 64): images of 8 × 8 pixels
C = np.cov(X, rowvar=False, bias=True)
eigenvalues = np.linalg.eigvalsh(C)[::-1]

for d in (1, 2, 10, 64):
    model = isthmus.LinearAutoencoder(d).fit(X)
    X_hat = model.inverse_transform(model.transform(X))
    loss = np.mean(np.sum((X - X_hat) ** 2, axis=1))
    print(f"d = {d:2}: loss {loss:9.4f}, eigenvalues left out {eigenvalues[d:].sum():9.4f}")
    assert np.isclose(loss, eigenvalues[d:].sum(), atol=1e-3)

# %%
# With :math:`d = 64` nothing is lost, and nothing would be with fewer: the loss is zero exactly if the
# rank of :math:`C` is at most :math:`d`. Three pixels of these images are always black, so that the rank
# is at most 61.

print("rank of C:", np.linalg.matrix_rank(C))

# %%
# Does training find it?
# ----------------------
#
# Now the two matrices are free, as they are in a network: an encoder :math:`W` and a decoder :math:`V`,
# both random at first, and plain gradient descent. There is no other minimum than PCA's (Baldi & Hornik
# 1989), only saddle points.

d, rate = 2, 0.1
X_scaled = (X - X.mean(axis=0)) / np.sqrt(eigenvalues[0])
C_scaled = C / eigenvalues[0]
rng = np.random.default_rng(0)
W, V = 0.1 * rng.standard_normal((2, d, 64))
V = V.T
losses = []
for _ in range(400):
    missed = np.eye(64) - V @ W  # x − x̂ = (I − V W) x
    losses.append(np.trace(missed @ C_scaled @ missed.T) * eigenvalues[0])
    dV = -2 * missed @ C_scaled @ W.T
    dW = -2 * V.T @ missed @ C_scaled
    V, W = V - rate * dV, W - rate * dW

best = eigenvalues[d:].sum()
print(f"after 400 steps the loss is {losses[-1] / best:.4f} of PCA's")
assert 1 <= losses[-1] / best < 1.01

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
left.plot(losses, label="gradient descent")
left.axhline(best, color="black", linestyle="--", label="PCA")
left.set(xlabel="step", ylabel="squared error of a row", title="Training finds PCA")
left.legend(frameon=False)
isthmus.plot(isthmus.LinearAutoencoder(2).fit(X), X, y, ax=right)
right.set_title("Digits by PCA")
plt.show()

# %%
# The plane is the same; its coordinates need not be. Any invertible matrix :math:`A` can stand between
# the two, :math:`V A^{-1} A W`, at the same loss. That is why isthmus makes coordinates *canonical*:
# uncorrelated, in the order of their variance, with a fixed sign.
#
# Why "never worse than PCA" can be promised
# ------------------------------------------
#
# A network of isthmus *is* PCA plus a correction that starts at zero, and rows that it was not trained
# on decide whether the correction is kept. So the worst that can happen is this page.

model = isthmus.Autoencoder(2, random_state=0).fit(X)
share = model.validation_loss_ / model.pca_validation_loss_
print(f"on held-out rows the network's loss is {share:.2f} of PCA's")
assert model.validation_loss_ <= model.pca_validation_loss_

# %%
# Exercise
# --------
#
# A linear auto-encoder with *two* linear layers in the encoder, 64 → 32 → 2, has many more weights. Can
# its loss be lower than PCA's?
#
# .. admonition:: Solution
#    :class: dropdown
#
#    No. A product of matrices is a matrix, so that :math:`\hat{x} = V W_2 W_1 x` is a linear map of rank
#    at most 2, and no such map loses less than PCA (Eckart & Young 1936). Depth is worth something only
#    with a non-linear function between the layers, which is the subject of :doc:`lesson 3
#    <03_layers_and_activations>`. In numbers, with a decoder of two layers as well:

model = isthmus.Autoencoder(
    2, widths=(32,), activation="identity", skip=None, max_epochs=30, random_state=0
).fit(X)
loss = np.mean(np.sum((X - model.inverse_transform(model.transform(X))) ** 2, axis=1))
print(f"two linear layers: {loss / best:.3f} of PCA's loss")
assert loss >= best
