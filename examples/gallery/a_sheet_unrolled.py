"""
A sheet unrolled
================

The rows lie on a sheet that is bent into an S. The colour is the place along the sheet, which no method
is told. PCA looks at the S from above and puts its layers on top of one another; the auto-encoder rolls
it out.
"""

import matplotlib.pyplot as plt
from scipy.stats import spearmanr
from sklearn.datasets import make_s_curve

import isthmus

X, along = make_s_curve(2000, noise=0.05, random_state=0)
X[:, 1] *= 2  # a sheet four units wide
pca = isthmus.LinearAutoencoder(2).fit_transform(X)
unrolled = isthmus.Autoencoder(2, widths=(128, 128), random_state=0).fit_transform(X)

fig = plt.figure(figsize=(10, 4), layout="constrained")
space = fig.add_subplot(131, projection="3d")
space.scatter(*X.T, c=along, s=4, cmap="viridis")
space.view_init(elev=12, azim=-68)
space.set_box_aspect((2, 4, 4), zoom=0.9)
space.set_title("The data")
for place, Z, title in ((132, pca, "PCA"), (133, unrolled, "Auto-encoder")):
    ax = fig.add_subplot(place)
    ax.scatter(*Z.T, c=along, s=4, cmap="viridis")
    ax.set(xlabel="coordinate 0", ylabel="coordinate 1", title=title, aspect="equal")
plt.show()

# %%
# The share of a row's ten nearest rows that are its nearest on the map, too, and the rank correlation of
# the place along the sheet with coordinate 0 or 1, whichever tells more of it:

kept = {}
for name, Z in (("PCA", pca), ("auto-encoder", unrolled)):
    kept[name] = isthmus.quality(X, Z, k=10).overlap
    correlation = max(abs(spearmanr(along, z).statistic) for z in Z.T)
    print(f"{name}: {kept[name]:.0%} of the neighbours, correlation {correlation:.3f}")
assert kept["auto-encoder"] > kept["PCA"] + 0.2
assert correlation > 0.95
