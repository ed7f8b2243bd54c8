"""
Which pixels move a coordinate
==============================

The map has a derivative at each row. Drawn as an image, it says which pixels would move the row to the
right on the map, and which to the left. Here it is averaged over the images of a class. It differs from
class to class; that of PCA is the same everywhere.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import isthmus

X, y = load_digits(return_X_y=True)
model = isthmus.Autoencoder(2, widths=(128, 64), random_state=0).fit(X)
everywhere = isthmus.jacobian(model, X)  # (1797, 2, 64)
J = np.stack([everywhere[y == digit].mean(axis=0) for digit in range(8)])  # (8, 2, 64)
means = np.stack([X[y == digit].mean(axis=0) for digit in range(8)])

fig, axes = plt.subplots(3, 8, figsize=(10, 4), layout="constrained")
reach = np.quantile(abs(J), 0.98)
for column, row, derivative in zip(axes.T, means, J, strict=True):
    column[0].imshow(row.reshape(8, 8), cmap="gray_r")
    for ax, one in zip(column[1:], derivative, strict=True):
        drawn = ax.imshow(one.reshape(8, 8), cmap="RdBu_r", vmin=-reach, vmax=reach)
for ax, name in zip(axes[:, 0], ("digit", "coordinate 0", "coordinate 1"), strict=True):
    ax.set_ylabel(name)
for ax in axes.ravel():
    ax.set(xticks=[], yticks=[])
fig.colorbar(drawn, ax=axes[1:], label="change of z per unit of a pixel", shrink=0.8)
fig.suptitle("Red pixels move a digit to larger coordinates, blue ones to smaller")
plt.show()

# %%
# :func:`isthmus.jacobian` is exact. A small change of one pixel agrees with it, and two classes have
# unlike derivatives:

step = np.zeros(64)
step[20] = 0.1
change = (model.transform(X[:1] + step) - model.transform(X[:1] - step))[0] / 0.2
print("by a small change:", change, "by the Jacobian:", everywhere[0] @ step / 0.1)
assert np.allclose(change, everywhere[0] @ step / 0.1, rtol=0.05, atol=0.02)
alike = np.corrcoef(J[:, 0])[np.triu_indices(8, 1)]
print(f"correlation of the images of coordinate 0, in the mean over pairs: {alike.mean():.2f}")
assert alike.mean() < 0.9
