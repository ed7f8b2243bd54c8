r"""
14. Neighbours, kept by a function
==================================

The pictures with clear islands, for which one goes to t-SNE or UMAP, come from a loss about neighbours.
The loss can have a function under it, too. This page builds one: landmarks vote on the place of a row.
New rows are then placed by a formula, which has a derivative.
"""

# %%
# The loss
# --------
#
# Each row :math:`i` is joined to its nearest rows :math:`j` with a weight :math:`w_{ij}` from 0 to 1.
# Two points of the map at a distance :math:`r_{ij}` are similar to the degree
# :math:`q_{ij} = \frac{1}{1 + r_{ij}^2}`. Neighbours should be similar, and others should not be:
#
# .. math::
#
#    L = - \sum_{i,j} w_{ij} \log q_{ij} - \rho \sum_{i,j} (1 - w_{ij}) \log (1 - q_{ij}) .
#
# It is the cross-entropy of UMAP (McInnes, Healy & Melville 2018). The second sum is estimated with rows
# drawn at random, each as likely as any, and :math:`\rho` is the weight of the repulsion. Only who is a
# neighbour enters, not how far the others are.
#
# The function
# ------------
#
# A kernel says how near the row is to each of :math:`M` landmarks, which are centres of clusters of the
# data. Each landmark :math:`c_m` has a position :math:`v_m` in the map, and the row is put at their
# mean:
#
# .. math::
#
#    \varphi_m(x) \propto \exp \left( - \frac{\lVert x - c_m \rVert^2}{h} \right), \qquad
#    \sum_m \varphi_m(x) = 1, \qquad z = \sum_m \varphi_m(x) \, v_m .
#
# That is the kernel layer of :doc:`lesson 2 <02_kernels_and_networks>`: the positions are trained, and
# :math:`h` is its bandwidth. A row between two groups would lie between two islands, where nothing is.
# So the landmarks vote in *rounds*: those far from the present mean :math:`z` lose part of their weight,
#
# .. math::
#
#    g_m \propto \frac{\varphi_m}{1 + \lVert z - v_m \rVert^2 / a}, \qquad \sum_m g_m = 1, \qquad
#    z \leftarrow \sum_m g_m v_m .
#
# With two landmarks at −3 and 3, and :math:`a = 0.6` as in :class:`isthmus.NeighbourAutoencoder`, one
# sees what that does.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, make_blobs

import isthmus

share = np.linspace(0, 1, 201)  # of the landmark at 3
say, at = np.stack([1 - share, share]), np.array([[-3.0], [3.0]])
placed = {}
for rounds in (0, 1, 4, 8):
    z = np.sum(say * at, axis=0)
    for _ in range(rounds):
        left_over = say / (1 + (z - at) ** 2 / 0.6)
        z = np.sum(left_over * at, axis=0) / left_over.sum(axis=0)
    placed[rounds] = z
steepest = {rounds: np.diff(z).max() for rounds, z in placed.items()}
assert steepest[0] < steepest[1] < steepest[4] < steepest[8]

# %%
# On digits
# ---------
#
# Two maps of the same 1200 digits: the auto-encoder of :doc:`lesson 9 <09_autoencoders>`, which restores
# rows, and the map of neighbours. Both are judged on 597 unseen digits: how many of the 15 nearest
# training rows of a new row are among its 15 nearest in the map?

X, y = load_digits(return_X_y=True)
shuffled = np.random.default_rng(0).permutation(len(X))
X, y = X[shuffled], y[shuffled]
train, unseen = X[:1200], X[1200:]

settings = {"landmarks": 250, "max_epochs": 100, "random_state": 0}
maps = {
    "Autoencoder": isthmus.Autoencoder(2, widths=(128, 64), random_state=0),
    "NeighbourAutoencoder": isthmus.NeighbourAutoencoder(**settings),
}
kept, steps = {}, {}
for name, model in maps.items():
    model.fit(train)
    known = (train, model.transform(train), y[:1200])
    found = isthmus.quality(unseen, model.transform(unseen), k=15, training=known, y=y[1200:])
    kept[name] = found.neighbours_kept
    way = np.linspace(unseen[0], unseen[1], 100)  # a straight line from one digit to another
    steps[name] = np.linalg.norm(np.diff(model.transform(way), axis=0), axis=1)
    steps[name] = steps[name].max() / steps[name].sum()
    print(f"{name:20} keeps {kept[name]:.1%} of the neighbours; the vote of 15 is right for", end=" ")
    print(f"{found.neighbour_score:.1%}; largest of 99 steps of a line: {steps[name]:.0%} of it")
assert kept["NeighbourAutoencoder"] > kept["Autoencoder"] + 0.05
assert steps["NeighbourAutoencoder"] > 2 * steps["Autoencoder"]

fig, axes = plt.subplots(1, 3, figsize=(10, 3.9), layout="constrained", width_ratios=(0.8, 1, 1))
for rounds, z in placed.items():
    axes[0].plot(
        share, z, label=f"{rounds} rounds", color=isthmus.plots.CLASS_COLOURS[len(axes[0].lines)]
    )
axes[0].set(xlabel="share of the landmark at 3", ylabel="place z", title="Landmarks vote")
axes[0].legend(frameon=False)
for ax, name in zip(axes[1:], ("Autoencoder", "NeighbourAutoencoder"), strict=True):
    isthmus.plots.class_map(ax, maps[name].transform(unseen), y[1200:])
    ax.set(xlabel="coordinate 0", ylabel="coordinate 1")
axes[1].set_title(f"Autoencoder keeps {kept['Autoencoder']:.0%}")
axes[2].set_title(f"NeighbourAutoencoder keeps {kept['NeighbourAutoencoder']:.0%}")
plt.show()

# %%
# The price of clear islands is a steep map between them: a large part of the way from one digit to
# another is done in one step. ``rounds=`` sets how steep. With 0 the map is as smooth as the kernel, and
# with 8 it is nearly a jump, as the left panel shows; the default is 4. And the number of neighbours
# kept is not everything: coordinates of an ``Autoencoder`` are in units of the data, and those of this
# map are not.
#
# Exercise
# --------
#
# Three groups of rows lie at 0, 10 and 100 on a line, in ten columns with a spread of one. In which
# ratio will the distances of their islands be?
#
# .. admonition:: Solution
#    :class: dropdown
#
#    The loss knows who is a neighbour of whom, and nothing else. No row of one group is a neighbour of a
#    row of another, whether it is 10 or 100 away, and the repulsion between islands is the same. So the
#    ratio of 9 to 1 is lost. Islands tell what belongs together; how far apart they are says little. For
#    distances take PCA, or an ``Autoencoder``.

centres = np.outer([0, 10, 100], np.ones(10) / np.sqrt(10))
rows, group = make_blobs([200, 200, 200], centers=centres, cluster_std=1.0, random_state=0)
for model in (isthmus.LinearAutoencoder(2), isthmus.NeighbourAutoencoder(**settings)):
    Z = model.fit_transform(rows)
    middle = np.stack([Z[group == g].mean(axis=0) for g in range(3)])
    near, far = np.linalg.norm(middle[1] - middle[0]), np.linalg.norm(middle[2] - middle[1])
    print(f"{type(model).__name__}: the far group is {far / near:.1f} times as far as the near one")
    assert (far / near > 8) == isinstance(model, isthmus.LinearAutoencoder)
