r"""
4. Perceptron and multi-layer network
=====================================

One hidden layer, if it is wide enough, comes as close to any continuous function as one likes. That the
weights for it exist does not mean that training finds them. Several layers can make it easier, for some
functions; this lesson measures for which.
"""

# %%
# One wide layer
# --------------
#
# A *perceptron* has one hidden layer with :math:`M` nodes and, here, one real number as output:
#
# .. math:: f(x \mid w) = \sum_{j=1}^{M} a_j \, g(w_j \cdot x - \lambda_j) + c .
#
# The theorem (Cybenko 1989; Hornik 1991; Leshno and others 1993): if :math:`g` is continuous and not a
# polynomial, then for every continuous function on a bounded closed region, and every
# :math:`\varepsilon > 0`, there are an :math:`M` and weights for which :math:`f` is nowhere farther than
# :math:`\varepsilon` from it.
#
# .. admonition:: Often written otherwise
#
#    "Represents any function" is more than the theorem says. It is about continuous functions, on
#    bounded regions, and they are approximated: how many nodes that takes depends on the function, and
#    may be very many. And the perceptron is from 1958 (Rosenblatt), not from the 1920s; it became
#    trainable in several layers in the 1980s.
#
# For a function of one variable the weights can be written down. A ReLU node bends at its shift, so that
# :math:`M` of them make any broken line with :math:`M` pieces: :math:`\lambda_j` are the places of the
# knots, and :math:`a_j` the changes of slope there.

import matplotlib.pyplot as plt
import numpy as np

import isthmus
from isthmus.experiments import capacity


def wave(x):
    return np.sin(12 * x) * np.exp(-(x**2))


def written_down(M):
    """λ, a and c for which M ReLU nodes agree with the wave at M + 1 knots."""
    knots = np.linspace(-1, 1, M + 1)
    slopes = np.diff(wave(knots)) / np.diff(knots)
    return knots[:-1], np.diff(slopes, prepend=0), wave(knots[0])


x = np.linspace(-1, 1, 2001)
sizes = np.array([8, 16, 32, 64, 128, 256])
by_hand = []
for M in sizes:
    shifts, a, c = written_down(M)
    f = np.maximum(x[:, None] - shifts, 0) @ a + c  # w = 1 in all nodes
    by_hand.append(np.sqrt(np.mean((f - wave(x)) ** 2)))
exponent = np.polyfit(np.log(sizes[2:]), np.log(by_hand[2:]), 1)[0]
print(f"written down, the error falls as M to the power {exponent:.2f}")
assert abs(exponent + 2) < 0.1

# %%
# Finding the weights is the difficulty
# -------------------------------------
#
# The same network can be trained instead, on 500 exact values. An :class:`isthmus.FeedForwardRegressor`
# with one hidden layer is the perceptron. Nothing is held out and nothing is noisy, so that the error is
# what training leaves, after 1600 passes over the data with each of three learning rates.

X_line = np.linspace(-1, 1, 500)[:, None]
known = by_hand[list(sizes).index(64)]
print(f"the wave itself: {wave(x).std():.4f}; 64 nodes written down: {known:.4f}")
trained = []
for rate in (0.004, 0.02, 0.1):
    model = isthmus.FeedForwardRegressor(
        (64,),
        activation="relu",
        learning_rate=rate,
        validation_fraction=0.0,
        max_epochs=1600,
        random_state=0,
    ).fit(X_line, wave(X_line[:, 0]))
    trained.append(np.sqrt(np.mean((model.predict(x[:, None]) - wave(x)) ** 2)))
    print(f"64 nodes trained with learning rate {rate}: {trained[-1]:.4f}")
assert min(trained) > 4 * known

# %%
# The better weights exist, since we wrote them down, and training does not find them. It is no search of
# all weights: it goes downhill from a random start. How far it gets depends on the learning rate, which
# the theorem does not mention.
#
# Width against depth
# -------------------
#
# A *multi-layer* network has several hidden layers. Which is better, at an equal number of parameters?
# The answer depends on the function. Two functions on the cube :math:`[-1, 1]^3` shall be found from
# 1000 rows. The first is a sum of ridges, each constant in all directions but one, :math:`u_k`, which is
# what the nodes of a perceptron are; :math:`b_k` is its place along :math:`u_k`. The second is a
# composition: a wave of the squared distance from the middle.
#
# .. math::
#
#    f_1(x) = \sum_{k=1}^{32} \pm \tanh(4 (u_k \cdot x - b_k)) ,
#    \qquad f_2(x) = \cos(1.5 \pi \lVert x \rVert^2) .
#
# The function ``capacity`` of :mod:`isthmus.experiments` trains networks with one and with three hidden
# layers, and about 240 parameters each, from five starts and with two learning rates, because a
# perceptron may need larger steps than a deep network.

rng = np.random.default_rng(0)
cube = rng.uniform(-1, 1, (3000, 3))
directions = rng.standard_normal((32, 3))
directions /= np.linalg.norm(directions, axis=1, keepdims=True)
ridges = np.tanh(4 * (cube @ directions.T - np.linspace(-0.5, 0.5, 32))) @ np.resize([1.0, -1.0], 32)
rings = np.cos(1.5 * np.pi * np.sum(cube**2, axis=1))

errors = {}
for name, target in {"ridges": ridges, "rings": rings}.items():
    report = capacity(
        cube,
        target,
        target=name,
        depths=(1, 3),
        budgets=[241],
        learning_rates=(0.05, 0.25),
        n_train=1000,
        n_updates=1600,
    )
    for depth in (1, 3):
        nets = [net for net in report.records if net.depth == depth]
        rates = sorted({net.learning_rate for net in nets})
        of_rate = {rate: [net.test_error for net in nets if net.learning_rate == rate] for rate in rates}
        best = min(rates, key=lambda rate: np.median(of_rate[rate]))
        errors[name, depth] = np.array(of_rate[best])
        print(
            f"{name}: widths {nets[0].widths}, {nets[0].n_parameters} parameters, best rate {best}: "
            f"{np.median(of_rate[best]):.2%} of the variance of new rows is missed"
        )

medians = {key: np.median(values) for key, values in errors.items()}
assert medians["rings", 3] < 0.6 * medians["rings", 1]
assert medians["ridges", 1] < medians["ridges", 3]

# %%
# Depth wins where the function is a composition, and width where it is a sum of ridges. A theorem of
# Eldan and Shamir (2016) says that for some radial functions of :math:`D` variables a perceptron needs a
# number of nodes that grows exponentially with :math:`D`, while a network with two hidden layers needs
# few.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.loglog(sizes, by_hand, "o-", color=isthmus.plots.OURS, label="weights written down")
left.loglog([64] * 3, trained, "s", color=isthmus.plots.WARM, label="weights trained, three rates")
left.set(
    xlabel="hidden nodes M",
    ylabel="root mean square error",
    title="One wide layer: good weights exist,\ntraining does not find them",
)
left.legend(frameon=False)
for place, ((_, depth), values) in enumerate(errors.items()):
    colour = isthmus.plots.WARM if depth == 1 else isthmus.plots.OURS
    right.semilogy(np.full(len(values), place), values, "o", color=colour, alpha=0.6)
    right.semilogy([place - 0.2, place + 0.2], [np.median(values)] * 2, color=colour)
right.set(
    xticks=range(4),
    xticklabels=[f"{name}\n{depth} hidden" for name, depth in errors],
    ylabel="share of the variance missed, new rows",
    title="At equal parameters, which is better\ndepends on the function",
)
plt.show()

# %%
# The laboratory of the command line, ``isthmus lab capacity``, does the same with five functions and
# three budgets, or with a file of yours. By default predictors and maps of isthmus have two hidden
# layers.
#
# .. admonition:: Often written otherwise
#
#    "With many layers it becomes easy to find the solution" is true of some functions only, as the
#    ridges show.
#
# Exercise
# --------
#
# The tent :math:`T(t) = 1 - |2t - 1|` has two pieces on :math:`[0, 1]`. How many pieces has
# :math:`T(T(T(t)))`? How many ReLU nodes represent it exactly in one hidden layer, and how many in a
# chain of layers?
#
# .. admonition:: Solution
#    :class: dropdown
#
#    Each :math:`T` doubles the number of pieces, so that :math:`k` of them have :math:`2^k`. One layer
#    needs a node for each piece: :math:`2^k`, of which the first is the straight line that all others
#    bend. A chain needs two nodes for each :math:`T`,
#    :math:`T(t) = 2\,\mathrm{ReLU}(t) - 4\,\mathrm{ReLU}(t - \frac{1}{2})`, in all :math:`2k` (Telgarsky
#    2016). With :math:`k = 3` it is 8 against 6, and with :math:`k = 10` it is 1024 against 20.


def relu(t):
    return np.maximum(t, 0)


t = np.linspace(0, 1, 1025)
deep = t
for _ in range(3):
    deep = 2 * relu(deep) - 4 * relu(deep - 0.5)
tents = t
for _ in range(3):
    tents = 1 - np.abs(2 * tents - 1)
pieces = 1 + np.count_nonzero(np.abs(np.diff(np.diff(tents))) > 1e-9)
wide = 8 * relu(t) + 16 * sum((-1) ** j * relu(t - j / 8) for j in range(1, 8))
print("pieces:", pieces)
assert pieces == 8
assert np.allclose(deep, tents)
assert np.allclose(wide, tents)
