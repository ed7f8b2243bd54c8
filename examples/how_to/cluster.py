r"""
Find clusters
=============

A map with islands invites one to count them. A cluster analysis of the map's coordinates finds groups
that one of the raw columns misses, and it also finds groups that are not there. This page does the
first, checks it against known classes, asks whether another seed finds the same, and then does the
second on purpose, so that you have seen it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import HDBSCAN
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

import isthmus

X, y = load_digits(return_X_y=True)  # (1797, 64), and the digit, which is only compared with
X_train, X_new, y_train, y_new = train_test_split(X, y, test_size=500, random_state=0)

# %%
# A map in which neighbours stay neighbours
# -----------------------------------------
#
# :class:`isthmus.NeighbourAutoencoder` places rows near one another that are neighbours in the data
# (:doc:`lesson 14 </course/14_neighbours>`). HDBSCAN looks for places with many rows, and calls those
# between them noise, −1. Two coordinates suit it, because in 64 dimensions distances differ little. Its
# settings are those of one's question: a group of fewer than 40 images is none.


def islands(rows, seed):
    return isthmus.NeighbourAutoencoder(landmarks=300, max_epochs=60, random_state=seed).fit(rows)


def clusters(Z):
    return HDBSCAN(min_cluster_size=40, min_samples=5, copy=True).fit_predict(Z)


model = islands(X_train, 0)
Z_train, Z_new = model.transform(X_train), model.transform(X_new)
found, raw = clusters(Z_train), clusters(X_train)

# %%
# The adjusted Rand index compares a clustering with the true classes: 1 is the same, 0 is chance.

rand = {"64 pixels": adjusted_rand_score(y_train, raw), "the map": adjusted_rand_score(y_train, found)}
for labels, (name, value) in zip((raw, found), rand.items(), strict=True):
    print(
        f"{name:9}: {labels.max() + 1} clusters, {np.mean(labels < 0):.0%} noise, Rand index {value:.2f}"
    )
assert rand["the map"] > rand["64 pixels"] + 0.15

# %%
# New rows
# --------
#
# The map is a function, so that a new row can be given a cluster: the one that most of its nearest
# training rows on the map are in. This is the check that counts, because neither the map nor the
# clustering has seen these images.


def assigned(Z_train, found, Z_new):
    known = found >= 0
    return KNeighborsClassifier(10).fit(Z_train[known], found[known]).predict(Z_new)


new = assigned(Z_train, found, Z_new)
rand_new = adjusted_rand_score(y_new, new)
print(f"Rand index of unseen images: {rand_new:.2f}")
assert rand_new > 0.65

# %%
# Another seed
# ------------
#
# In practice there are no true classes to compare with. What can always be asked is whether another seed
# finds the same. The map is fitted anew, and the clusters of the same *unseen* images are compared.

other = islands(X_train, 1)
Z_other = other.transform(X_train)
again = assigned(Z_other, clusters(Z_other), other.transform(X_new))
stable = adjusted_rand_score(new, again)
print(f"Rand index of two seeds, unseen images: {stable:.2f}")
assert stable > 0.65

# %%
# Clusters in a cloud
# -------------------
#
# Now data in which there are no clusters: one Gaussian cloud, with as many rows, and with the mean and
# the covariance matrix of the digits. Everything else stays as it was.

rng = np.random.default_rng(0)
mean, covariance = X_train.mean(axis=0), np.cov(X_train, rowvar=False)
cloud, cloud_new = (
    rng.multivariate_normal(mean, covariance, size) for size in (len(X_train), len(X_new))
)
maps = [islands(cloud, seed) for seed in (0, 1)]
Z_cloud = [one.transform(cloud) for one in maps]
in_cloud = [clusters(Z) for Z in Z_cloud]
assert max(labels.max() + 1 for labels in in_cloud) >= 2
for seed, labels in enumerate(in_cloud):
    sizes = np.bincount(labels[labels >= 0])
    print(f"seed {seed}: clusters of {', '.join(map(str, sizes))} rows, {np.sum(labels < 0)} noise")

# %%
# HDBSCAN reports clusters where there are none. A single map gives no sign of that. Two
# seeds do: of rows that neither map has seen, their clusters agree hardly more than by chance.

assigned_new = [
    assigned(Z, labels, one.transform(cloud_new))
    for Z, labels, one in zip(Z_cloud, in_cloud, maps, strict=True)
]
stable_cloud = adjusted_rand_score(*assigned_new)
print(f"Rand index of two seeds: {stable_cloud:.2f} in the cloud, {stable:.2f} of the digits")
assert stable_cloud < 0.35

# %%
# Each map has the colours of its own clusters, and noise is grey.


def named(labels):
    return np.where(labels < 0, "", np.char.add("c", labels.astype(str)))


fig, axes = plt.subplots(1, 3, figsize=(10.5, 3.8), layout="constrained")
isthmus.plot(model, X_train, named(found), ax=axes[0])
axes[0].set_title(f"Digits: two seeds agree, {stable:.2f}")
for ax, one, labels, seed in zip(axes[1:], maps, in_cloud, ("first", "second"), strict=True):
    isthmus.plot(one, cloud, named(labels), ax=ax)
    ax.set_title(f"A cloud, {seed} seed: {stable_cloud:.2f}")
plt.show()

# %%
# What a map is for, and what not
# -------------------------------
#
# - That rows are in one island says that chains of neighbours join them. The size of an island, its
#   density and its distance from others say little.
# - Cluster what the question is about. If it is about measured distances, cluster the rows or the
#   coordinates of :class:`isthmus.Autoencoder`, and use this map to look at the result.
# - Report the agreement of several seeds on rows that were held out, next to the number of clusters.
#   :class:`isthmus.Ensemble` with :func:`isthmus.coordinate_spread` says it row by row.
# - Compare with data that have no clusters and are otherwise alike, as above.
