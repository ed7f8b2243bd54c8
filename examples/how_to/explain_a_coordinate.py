r"""
Explain a coordinate
====================

A map of 178 wines by thirteen chemical measurements has two axes, and a reviewer asks: "What *is*
coordinate 0?" The answer should be in the units of the measurements, should hold for wines that the map
has not seen, and should say whether it differs from place to place. There are three ways to ask: what
the decoder does, what the encoder reacts to, and what one walk along the axis looks like.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors

import isthmus

X, y = load_wine(return_X_y=True, as_frame=True)
X = X.rename(columns={"od280/od315_of_diluted_wines": "od280/od315"})
X_train, X_new, y_train, y_new = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)

# %%
# Columns in different units have to be scaled, or the map is one of the largest numbers (here of
# proline). With ``scaling="standard"`` that is inside the model: rows go in and come out in their own
# units.

model = isthmus.Autoencoder(2, scaling="standard", widths=(64,), max_epochs=100, random_state=0).fit(
    X_train
)
print(f"loss on held-out wines: {model.validation_loss_ / model.pca_validation_loss_:.2f} of PCA's")

# %%
# What the decoder does: loadings
# -------------------------------
#
# :func:`isthmus.loadings` are the slopes :math:`\partial \hat{x}_j / \partial z_k`: by how much a
# property of the decoded wine moves per unit of a coordinate. Of PCA they are its components, the same
# everywhere; here they differ from wine to wine, so that there is a mean and, whatever the sign, a
# strength (the root mean square).

found = isthmus.loadings(model, X_train)
for k in (0, 1):
    print(f"coordinate {k}:")
    for name, (mean, strength) in found.strongest(k, 4).items():
        print(f"  {name:28} {mean:+9.3f} per unit, strength {strength:.3f}")

# %%
# Where the mean is much smaller than the strength, a property rises in one part of the map and falls in
# another, and "coordinate 1 is that property" would be wrong.

# %%
# A walk along one coordinate
# ---------------------------
#
# The other coordinate is kept at its median, and what is decoded is in the units of the table. A
# straight walk may leave the wines: where it is farther from any wine than nine tenths of the wines are
# from their nearest other, it decodes wines that nobody has made. Such a part is dotted in the picture.

Z_train, Z_new = model.transform(X_train), model.transform(X_new)
along = np.linspace(*np.quantile(Z_train[:, 0], [0.05, 0.95]), 41)
walk = np.column_stack([along, np.full(41, np.median(Z_train[:, 1]))])
decoded = model.inverse_transform(walk)
neighbours = NearestNeighbors(n_neighbors=1).fit(Z_train)
there = neighbours.kneighbors(walk)[0][:, 0] < np.quantile(neighbours.kneighbors()[0], 0.9)
print(f"{there.mean():.0%} of the walk is where there are wines")

fig, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
found.plot(left, coordinate=0, n=8)
left.set(title="Coordinate 0 is made of", xlabel="change per unit / standard deviation")
top = list(found.strongest(0, 4))
for name, colour in zip(top, isthmus.plots.CLASS_COLOURS, strict=False):
    j = list(X.columns).index(name)
    low, high = X[name].min(), X[name].max()
    print(f"{name}: from {decoded[0, j]:.2f} to {decoded[-1, j]:.2f} (wines have {low} to {high})")
    scaled = (decoded[:, j] - X_train[name].mean()) / X_train[name].std()
    middle.plot(along, scaled, ":", color=colour)
    middle.plot(along, np.where(there, scaled, np.nan), color=colour, label=name)
middle.set(
    xlabel="coordinate 0", ylabel="decoded / standard deviations", title="A walk along coordinate 0"
)
middle.legend(frameon=False, fontsize=8)
isthmus.plot(model, X_new, X_new[top[0]], ax=right)
right.plot(*walk.T, ":", color="black", linewidth=1)
right.set_title("Unseen wines, and the walk")
plt.show()

# %%
# Does it hold for other wines?
# -----------------------------
#
# If coordinate 0 means what the loadings say, then on wines that the map has not seen the strongest
# properties go with it, in the direction that was claimed.

for name, (mean, _) in found.strongest(0, 4).items():
    r = np.corrcoef(Z_new[:, 0], X_new[name])[0, 1]
    print(f"{name}: loading {mean:+.3f}, correlation on unseen wines {r:+.2f}")
    assert r * np.sign(mean) > 0.5

# %%
# What the encoder reacts to: the Jacobian
# ----------------------------------------
#
# The other direction is another question. :func:`isthmus.jacobian` is :math:`\partial z_k / \partial
# x_j`: by how much a wine's coordinate moves if one measurement is changed and the others are not. That
# is what an error of measurement does. Properties that always go together share the credit in it, so it
# is not the way to *name* a coordinate.

J = isthmus.jacobian(model, X_new)  # (54, 2, 13), in coordinate units per unit of the property
j = list(X.columns).index("flavanoids")
nudged = X_new.copy()
nudged["flavanoids"] += 0.01
moved = (model.transform(nudged) - Z_new) / 0.01
print(f"0.1 more flavanoids move coordinate 0 by {0.1 * J[:, 0, j].mean():+.3f} on average")
print("largest difference from a finite step:", np.abs(moved - J[:, :, j]).max().round(4))
assert np.abs(moved - J[:, :, j]).max() < 0.05

# %%
# From a wine's own Jacobian follows the error bar of its place on the map: measurement errors
# :math:`\epsilon_j` give :math:`\sigma_k^2 = \sum_j (\partial z_k / \partial x_j)^2 \epsilon_j^2`. With
# 2 % for each measurement:

error = 0.02 * X_new.to_numpy()
sigma = np.sqrt(np.einsum("nkj,nj->nk", J**2, error**2))
rng = np.random.default_rng(0)
again = np.stack([model.transform(X_new + error * rng.standard_normal(X_new.shape)) for _ in range(200)])
print(
    "by the Jacobian:",
    sigma.mean(axis=0).round(3),
    " by 200 repeated measurements:",
    again.std(axis=0).mean(axis=0).round(3),
)
assert np.allclose(sigma.mean(axis=0), again.std(axis=0).mean(axis=0), rtol=0.1)

# %%
# Coordinates of :class:`isthmus.Autoencoder` are uncorrelated, ordered by variance and have a fixed
# sign, so "coordinate 0" is a name that can be written down (:doc:`lesson 9 </course/09_autoencoders>`).
# Those of a :class:`isthmus.NeighbourAutoencoder` have no such meaning; of its islands, ask instead
# which properties differ between them.
