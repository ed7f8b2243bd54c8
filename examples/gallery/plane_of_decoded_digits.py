"""
A plane of generated digits
===========================

Two coordinates of a variational auto-encoder, and the digit that each pair of them decodes to. No tile
is a row of the data; all are written by the decoder. Places without rows are left blank.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

import isthmus

X, y = load_digits(return_X_y=True)
model = isthmus.VariationalAutoencoder(2, widths=(128, 64), random_state=0).fit(X)
Z = model.transform(X)

fig, ax = plt.subplots(figsize=(8, 8), layout="constrained")
isthmus.plots.decoded_grid(ax, model, Z, (8, 8), n_across=28)
ax.set(xlabel="coordinate 0", ylabel="coordinate 1", title="What the two coordinates decode to")
plt.show()

# %%
# Held-out rows say how much the two coordinates are worth: the bound on the log density of a row, in
# nats, beside that of probabilistic PCA with as many.

gain = model.pca_validation_loss_ - model.validation_loss_
print(f"{gain:.0f} nats per row above probabilistic PCA")
assert gain > 5
