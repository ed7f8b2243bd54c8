r"""
8. Distillation: train large, then make it small
================================================

The last lessons gave reasons to train networks with more parameters than seem necessary. Once a network
is trained, most of them can go. This lesson makes networks small in two ways, and puts the mistakes on
unseen rows beside the size.
"""

# %%
# Pruning: remove units
# ---------------------
#
# Take a trained network and remove hidden units from it. What the removed units did for the next layer
# is given to those that stay, as well as they can: if :math:`H` are the outputs of all units on the
# training rows, and :math:`H_S` those of the units that are kept, the new weights :math:`W_S` of the
# next layer are a least-squares fit of what it received before,
#
# .. math:: W_S = \arg\min_{W'} \; \lVert H_S W'^\top - H W^\top \rVert^2 .
#
# Units that repeat what others do can be removed at no loss. Then training goes on for a while.
# :func:`isthmus.prune` chooses the units, does both steps, and looks by bisection for the smallest
# network whose held-out loss rises by no more than ``tolerance``.
#
# The rows are handwritten digits: 1200 to learn from, and 597 that nothing below ever sees. The network
# is a map to two coordinates, whose error on unseen rows is the squared distance between a digit and
# what it is decoded to.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import isthmus
from isthmus.plots import OTHER, OURS, WARM

X, y = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(X))
train, unseen = order[:1200], order[1200:]


def error(model):
    """Mean ‖x − x̂‖² over the unseen digits."""
    return np.mean(isthmus.reconstruction_error(model, X[unseen]))


large = isthmus.Autoencoder(2, widths=(256,), max_epochs=60, random_state=0).fit(X[train])
pruned = isthmus.prune(large, X[train], tolerance=0.05, trials=2, epochs=60)
before, after = (pruned.compression_[when]["n_parameters"] for when in ("before", "after"))
pca = error(isthmus.LinearAutoencoder(2).fit(X[train]))
print(f"large:  widths {large.widths}, {before} parameters for 1200 rows, error {error(large):.0f}")
print(
    f"pruned: widths {pruned.widths} and {pruned.decoder_widths}, {after} parameters, "
    f"error {error(pruned):.0f}; PCA {pca:.0f}"
)
assert after < 0.25 * before
assert error(pruned) < 1.1 * error(large) < pca

# %%
# Could the small network have been trained from the start?

scratch = isthmus.Autoencoder(
    2, widths=pruned.widths, decoder_widths=pruned.decoder_widths, max_epochs=60, random_state=0
).fit(X[train])
print(f"the same widths from scratch: error {error(scratch):.0f}")
assert error(pruned) < error(scratch)

# %%
# Not as well. The large network found a solution that the small one has room for, but does not find; and
# nobody knew the widths before.
#
# .. admonition:: Often written otherwise
#
#    One often reads of "unused" parameters that are removed, as if they were zero after training. Few
#    weights of this network are close to zero, among them those of pixels that are always black; far
#    more were removed. What can go are units that *repeat* others, and the rest has to stand in for
#    them.

pair = large.network_.pair
layers = (*pair.encoder.correction.layers, *pair.decoder.correction.layers)
weights = np.abs(np.concatenate([np.ravel(layer.weight) for layer in layers]))
close_to_zero = np.mean(weights < 0.01 * weights.mean())
print(f"{close_to_zero:.1%} of the weights are below a hundredth of the mean size")
print(f"{1 - after / before:.1%} of the parameters were removed")
assert close_to_zero < 0.15
assert 1 - after / before > 0.75

# %%
# Distillation: learn from a teacher
# ----------------------------------
#
# The other way is to train a small network, the *student*, to give the outputs of a large one, the
# *teacher*. For classes these are the teacher's probabilities, and the loss is
#
# .. math::
#
#    L = -\frac{1}{n} \sum_{i=1}^{n} \sum_{k} p_{\mathrm{teacher}}(k \mid x_i)
#    \log p_{\mathrm{student}}(k \mid x_i) .
#
# They say more than a label: a 3 that could be an 8. And no labels are needed, so that the student may
# learn from rows that nobody has labelled. Let only 200 of the 1200 digits have labels. The teacher is
# an ensemble of eight classifiers, which :func:`isthmus.distill` turns into one small network.


def mistakes(model):
    """Share of the unseen digits that are read wrongly."""
    return 1 - model.score(X[unseen], y[unseen])


labelled = train[:200]
member = isthmus.FeedForwardClassifier((128,), max_epochs=100)
teacher = isthmus.Ensemble(member, n_members=8, random_state=0).fit(X[labelled], y[labelled])
student = isthmus.distill(teacher, X[train], (16,), max_epochs=200, random_state=0)
alone = isthmus.FeedForwardClassifier((16,), random_state=0).fit(X[labelled], y[labelled])

n_teacher = sum(m.n_parameters_ for m in teacher.members_)
results = {
    "8 large networks,\n200 labels": (n_teacher, mistakes(teacher)),
    "student, taught on\n1200 rows without labels": (student.n_parameters_, mistakes(student)),
    "the same widths alone,\n200 labels": (alone.n_parameters_, mistakes(alone)),
}
for name, (size, share) in results.items():
    print(f"{name.replace(chr(10), ' ')}: {size} parameters, {share:.1%} mistakes")
assert student.n_parameters_ < 0.02 * n_teacher
assert mistakes(student) < mistakes(alone) - 0.01
assert mistakes(student) < mistakes(teacher) + 0.03

# %%
# The student makes fewer mistakes than a network of its size that has the labels alone, and has less
# than a fiftieth of the teacher's parameters.

maps = {
    "large map": (before, error(large)),
    "pruned": (after, error(pruned)),
    "the pruned widths,\nfrom scratch": (after, error(scratch)),
}
classifiers = {name: (size, 100 * share) for name, (size, share) in results.items()}
fig, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
for ax, drawn in zip(axes, (maps, classifiers), strict=True):
    places = np.arange(len(drawn))
    ax.barh(places, [value for _, value in drawn.values()], color=[OTHER, OURS, WARM], height=0.6)
    for place, (size, value) in zip(places, drawn.values(), strict=True):
        ax.annotate(
            f"{size:,} parameters", (value, place), (4, 0), textcoords="offset points", va="center"
        )
    ax.set(yticks=places, yticklabels=drawn, xlim=(0, 1.75 * max(value for _, value in drawn.values())))
    ax.invert_yaxis()
axes[0].set(xlabel="squared error of unseen digits", title="Pruned: much smaller, nearly the same error")
axes[1].set(xlabel="mistakes on unseen digits, %", title="Distilled: a teacher makes up for labels")
plt.show()

# %%
# ``isthmus lab distill`` does both for maps, on digits or on a file of yours.
#
# Exercise
# --------
#
# Prune by hand: keep 40 of the 128 hidden units of one of the teacher's members, drawn at random, and
# compare two ways of going on without further training. Remove the others and do nothing else; or refit
# the weights of the next layer with the formula at the top of this page, on all 1200 rows.
#
# .. admonition:: Solution
#    :class: dropdown
#
#    The least-squares fit lets the 40 units stand in for the 88 that are gone, as far as these repeat
#    them. It needs no labels. A constant beside the units stands for the shift.

one = teacher.members_[0]
hidden, last = one.network_.network.layers
field = ((X - one.scaling_.center) / one.scaling_.scale) @ hidden.weight.T - hidden.shift
H = field / (1 + np.exp(-field))  # SiLU, (1797, 128)
outputs = H @ last.weight.T - last.shift  # (1797, 10)
assert np.mean(np.argmax(outputs, axis=1) == one.predict(X)) > 0.999

kept = np.random.default_rng(0).choice(128, 40, replace=False)
with_one = np.column_stack([H[:, kept], np.ones(len(H))])
W_S = np.linalg.lstsq(with_one[train], outputs[train], rcond=None)[0].T  # (10, 41)
by_hand = {
    "all units": outputs,
    "removed": H[:, kept] @ last.weight[:, kept].T - last.shift,
    "removed, and refitted": with_one @ W_S.T,
}
wrong = {name: np.mean(np.argmax(f, axis=1)[unseen] != y[unseen]) for name, f in by_hand.items()}
for name, share in wrong.items():
    print(f"{name}: {share:.1%} mistakes")
assert wrong["removed, and refitted"] < wrong["all units"] + 0.04
assert wrong["removed"] > wrong["removed, and refitted"] + 0.01
