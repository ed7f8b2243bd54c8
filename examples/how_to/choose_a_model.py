"""
Choose a model
==============

A laboratory has scanned 1 797 handwritten digits, and four people ask four questions of them. Dora wants
to *look* at them, Emil wants to *compress* them, Farah has to *clean* scans with dropped pixels, and
Goran has to *fill in* pixels that were never recorded. Each question has its own map. This page fits one
for each, and measures every answer on images that no map has seen.
"""

# %%
# .. list-table::
#    :header-rows: 1
#
#    * - You want to
#      - take
#      - why
#    * - look: groups as islands, neighbours of a row beside it
#      - :class:`isthmus.NeighbourAutoencoder`
#      - it is trained to keep neighbours (:doc:`lesson 14 </course/14_neighbours>`)
#    * - compress to any number of coordinates that mean something, follow a smooth sheet
#      - :class:`isthmus.Autoencoder`
#      - it is trained to restore rows (:doc:`lesson 9 </course/09_autoencoders>`)
#    * - clean noisy rows
#      - :class:`isthmus.DenoisingAutoencoder`
#      - it is trained to restore rows from noisy ones (:doc:`lesson 11 </course/11_denoising>`)
#    * - draw new rows, fill gaps, know how sure a coordinate is
#      - :class:`isthmus.VariationalAutoencoder`
#      - it is a probability model (:doc:`lesson 12 </course/12_variational>`)
#    * - explain it on a blackboard, or have a yardstick
#      - :class:`isthmus.LinearAutoencoder`
#      - it is PCA (:doc:`lesson 1 </course/01_linear_autoencoder>`)
#
# All of them have the same methods, and all scale and unscale the rows themselves. The settings below
# are smaller than the defaults, so that the page takes seconds; the defaults are better.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import isthmus

X, y = load_digits(return_X_y=True)  # (1797, 64): 8 × 8 pixels, grey levels from 0 to 16
X_train, X_new, y_train, y_new = train_test_split(X, y, test_size=500, random_state=0)
small = {"widths": (128,), "max_epochs": 120, "random_state": 0}
pca = isthmus.LinearAutoencoder(2).fit(X_train), isthmus.LinearAutoencoder(10).fit(X_train)

# %%
# To look: ``NeighbourAutoencoder``
# ---------------------------------
#
# In a picture, rows that lie side by side should be alike. So each new image is given the digit that
# most of its nearest training images in the picture have, and :func:`isthmus.quality` counts how often
# that is right.

islands = isthmus.NeighbourAutoencoder(landmarks=200, max_epochs=60, random_state=0).fit(X_train)
right = {}
for name, model in {"islands": islands, "PCA": pca[0]}.items():
    Z_train, Z_new = model.transform(X_train), model.transform(X_new)
    right[name] = isthmus.quality(
        X_new, Z_new, training=(X_train, Z_train, y_train), y=y_new
    ).neighbour_score
    print(f"{name}: the neighbours' digit is right for {right[name]:.1%} of the new images")
assert right["islands"] > right["PCA"] + 0.2

# %%
# To compress: ``Autoencoder``
# ----------------------------
#
# Ten numbers for 64. The error is that of restoring new images from them.

compressor = isthmus.Autoencoder(10, **small).fit(X_train)
left_out = [np.mean(isthmus.reconstruction_error(model, X_new)) for model in (compressor, pca[1])]
print(f"squared error of a new image: {left_out[0]:.0f}, by PCA with as many numbers {left_out[1]:.0f}")
assert left_out[0] < 0.8 * left_out[1]

# %%
# To clean: ``DenoisingAutoencoder``
# ----------------------------------
#
# A worn scanner loses three pixels in ten, where there is ink at all: they read 0. The noise in training
# should be like the noise that will be met, so it is :class:`isthmus.noise.Masking`. The auto-encoder
# above has never seen a broken scan.

rng = np.random.default_rng(0)
lost = (rng.random(X_new.shape) < 0.3) & (X_train.std(axis=0) > 1)
broken = np.where(lost, 0.0, X_new)
cleaner = isthmus.DenoisingAutoencoder(10, noise=isthmus.noise.Masking(0.3, value=0.0), **small).fit(
    X_train
)
rmse = {"as scanned": np.sqrt(np.mean((broken - X_new) ** 2))}
for name, model in {"PCA": pca[1], "auto-encoder": compressor, "denoiser": cleaner}.items():
    rmse[name] = np.sqrt(np.mean((isthmus.denoise(model, broken) - X_new) ** 2))
for name, error in rmse.items():
    print(f"{name:12}: {error:.2f} grey levels from the true image")
assert rmse["denoiser"] < 0.8 * min(rmse["as scanned"], rmse["PCA"], rmse["auto-encoder"])

# %%
# To fill gaps: ``VariationalAutoencoder``
# ----------------------------------------
#
# Now it is *known* which pixels are missing: they are NaN. That is more than the denoiser is told. A
# variational map fills them with their mean given the others, and says how far off that may be.

errors = isthmus.likelihoods.Gaussian("feature")  # one standard deviation for each pixel
filler = isthmus.VariationalAutoencoder(10, likelihood=errors, **small).fit(X_train)
gaps = np.where(lost, np.nan, X_new)
filled, std = isthmus.impute(filler, gaps, random_state=0)
by_mean = np.where(lost, X_train.mean(axis=0), X_new)
gap_rmse = [np.sqrt(np.mean((rows - X_new)[lost] ** 2)) for rows in (filled, by_mean)]
inside = np.mean(np.abs(filled - X_new)[lost] < 2 * std[lost])
print(f"missing pixels: {gap_rmse[0]:.2f} grey levels off, by the pixel's mean {gap_rmse[1]:.2f}")
print(f"{inside:.1%} of them lie within two of the standard deviations that are given")
assert gap_rmse[0] < 0.7 * gap_rmse[1]
assert 0.88 < inside < 0.99

# %%
# In one picture
# --------------

fig, axes = plt.subplots(1, 3, figsize=(10, 3.9), layout="constrained", width_ratios=(1.15, 1.15, 1))
isthmus.plot(pca[0], X_new, y_new, ax=axes[0])
axes[0].set_title(f"PCA: neighbours right for {right['PCA']:.0%}")
isthmus.plot(islands, X_new, y_new, ax=axes[1])
axes[1].set_title(f"Islands: right for {right['islands']:.0%}")
cleaned = isthmus.denoise(cleaner, broken)
shown = [4, 7, 11, 12, 20]
rows = np.concatenate([images[shown] for images in (X_new, broken, cleaned, filled)])
isthmus.plots.image_grid(axes[2], rows, (8, 8), n_across=len(shown), darkest=16)
axes[2].set_title("Broken scans, restored")
axes[2].set_xticks([])
axes[2].set_yticks([3.5, 2.5, 1.5, 0.5], ["true", "broken", "cleaned", "filled"])
plt.show()

# %%
# If you are not sure, begin with ``Autoencoder``: it is never worse than PCA on rows that it was not
# trained on, and says so if it is no better. How many coordinates to give it is :doc:`a question of its
# own <choose_the_number_of_coordinates>`, and :doc:`compare_honestly` tells how to judge two maps.
