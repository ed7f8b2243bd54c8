r"""
3. Layers and activations
=========================

A network is a chain of simple steps. Each step multiplies by a matrix, subtracts a shift, and applies
one function of one variable to every component. This lesson takes the chain apart, and computes a
trained network by hand.
"""

# %%
# A layer
# -------
#
# A *fully connected* layer takes a vector :math:`x^{(0)}` with :math:`D^{(0)}` components to one with
# :math:`D^{(1)}`. If it is linear, it is a matrix :math:`W` with :math:`D^{(1)}` rows and
# :math:`D^{(0)}` columns, :math:`x^{(1)} = W x^{(0)}`. In a non-linear layer an *activation* :math:`g`
# follows, which is applied to each component on its own:
#
# .. math::
#
#    x^{(1)}_l = g\left( \sum_{m=1}^{D^{(0)}} W_{lm} \, x^{(0)}_m - \lambda_l \right) ,
#    \qquad l = 1, \ldots, D^{(1)} .
#
# The *shift* :math:`\lambda_l`, one for each component, is trained like :math:`W`. (Many texts add a
# *bias* instead, which is :math:`-\lambda`.) Common choices of :math:`g` are
#
# .. math::
#
#    \tanh t , \qquad \mathrm{ReLU}(t) = \max(t, 0) , \qquad \cos t ,
#    \qquad \mathrm{SiLU}(t) = \frac{t}{1 + e^{-t}} .
#
# The idea comes from nerve cells, which fire once their input is above a threshold: :math:`\lambda` is
# the threshold. Tanh and ReLU imitate this; the cosine does not, and works, too.
#
# .. admonition:: Often written otherwise
#
#    Tanh is sometimes said to switch from 0 to 1. It goes from −1 to 1, and through 0 at 0. What goes
#    from 0 to 1 is the logistic function,
#    :math:`1/(1 + e^{-t}) = \frac{1}{2} \left( 1 + \tanh \frac{t}{2} \right)`.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import isthmus

activations = {
    "tanh": np.tanh,
    "relu": lambda t: np.maximum(t, 0),
    "cos": np.cos,
    "silu": lambda t: t / (1 + np.exp(-t)),
}
t = np.linspace(-20, 20, 1001)
assert np.tanh(t).min() < -0.999
assert np.allclose(1 / (1 + np.exp(-t)), (1 + np.tanh(t / 2)) / 2)

# %%
# What the shifts are for
# -----------------------
#
# Let the input be one number :math:`x`, and let :math:`y = \sum_l a_l \, g(W_l x - \lambda_l) + c` be
# the output of a layer with 200 units, with :math:`W` and :math:`\lambda` drawn at random. Least squares
# finds the best :math:`a` and :math:`c`. Without shifts the units of one kind have too much in common:
# all :math:`\tanh(W_l x)` are odd functions of :math:`x`, all :math:`\cos(W_l x)` are even, and all
# :math:`\mathrm{ReLU}(W_l x)` are straight lines with a kink at 0. No sum of them can be anything else,
# up to the constant :math:`c`.

x = np.linspace(-1, 1, 400)
target = np.sin(3 * x) + np.cos(7 * x)


def fitted(g, shift_spread, seed=0):
    """The best fit by 200 random units, and the share of the target's variance that it misses."""
    rng = np.random.default_rng(seed)
    W = 6 * rng.standard_normal(200)
    shifts = shift_spread * rng.uniform(-6, 6, 200)
    units = np.column_stack([g(np.outer(x, W) - shifts), np.ones_like(x)])  # (400, 201)
    y = units @ np.linalg.lstsq(units, target, rcond=1e-8)[0]
    return y, np.mean((y - target) ** 2) / target.var()


fig, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained", sharey=True)
for ax, (name, g) in zip(axes, activations.items(), strict=True):
    (without, missed_without), (with_shifts, missed_with) = fitted(g, 0), fitted(g, 1)
    print(f"{name:4}: misses {missed_without:.2%} without shifts, {missed_with:.5%} with them")
    assert missed_with < 1e-3
    assert missed_without > 0.05
    ax.plot(x, target, color=isthmus.plots.FAINT, linewidth=5, label="target")
    ax.plot(x, without, color=isthmus.plots.WARM, label="without shifts")
    ax.plot(x, with_shifts, color=isthmus.plots.OURS, label="with shifts")
    ax.set(title=name, xlabel="x")
axes[0].set_ylabel("y")
axes[0].legend(frameon=False, fontsize=8)
fig.suptitle("200 random units of four kinds: with shifts, all of them fit the wave")
plt.show()

# %%
# SiLU without shifts is a special case. It is :math:`t/2` plus an even function, so that of the odd part
# of the wave only a straight line is within reach:

silu_without, _ = fitted(activations["silu"], 0)
odd_part = (silu_without - silu_without[::-1]) / 2
assert np.allclose(odd_part, odd_part[-1] * x, atol=1e-4)

# %%
# A chain of layers
# -----------------
#
# A network is one layer after another, each with its own weights:
#
# .. math::
#
#    x^{(l+1)} = f_l\left( x^{(l)} \mid w^{(l)} \right)
#    = g\left( W^{(l)} x^{(l)} - \lambda^{(l)} \right) .
#
# What comes next depends on the present vector only, and on nothing before it. For this reason the chain
# is called a *Markov* chain, although nothing in it is random. An encoder of isthmus is such a chain,
# whose last layer is linear, and its outputs are added to the coordinates of PCA. Here is a trained one,
# layer by layer:

X, y = load_digits(return_X_y=True)
settings = {"widths": (48, 24), "max_epochs": 30, "random_state": 0}
model = isthmus.Autoencoder(2, activation="tanh", **settings).fit(X)

network = model.network_
u = (X - network.center) / network.scale  # the scaling is inside the model
state = u
for layer, g in zip(
    network.pair.encoder.correction.layers, (np.tanh, np.tanh, lambda t: t), strict=True
):
    state = g(state @ layer.weight.T - layer.shift)
    print(f"W is {layer.weight.shape[0]} × {layer.weight.shape[1]}, the rows are now {state.shape}")
path = network.pair.encoder.path
z = u @ path.weight.T - path.shift + state  # PCA, plus the correction
z = (z - network.frame.origin) @ network.frame.matrix.T  # canonical: uncorrelated, and in data units
assert np.allclose(z, model.transform(X), atol=1e-3 * np.abs(z).max())

# %%
# Three options change the chain.
#
# - ``activation=``: one function for all hidden layers, or one for each, since :math:`g` may differ from
#   layer to layer. Any function of JAX arrays will do. The default is SiLU, which has no kinks, so that
#   the map has none either.
# - ``skip_links=True``: each layer sees the one before the last as well,
#   :math:`x^{(l+1)} = g(W x^{(l)} + S x^{(l-1)} - \lambda)`. The chain is then a Markov chain of pairs
#   :math:`(x^{(l)}, x^{(l-1)})`.
# - ``tied=True``: each :math:`W` is used in both directions. The decoder multiplies by :math:`W^\top`,
#   as in :doc:`lesson 1 <01_linear_autoencoder>`, and only its shifts are its own.
#
# How many parameters these have can be counted by hand.

mixed = isthmus.Autoencoder(
    2, activation=("relu", "cos", "silu", "tanh"), skip_links=True, **settings
).fit(X)
tied = isthmus.Autoencoder(2, activation="tanh", tied=True, **settings).fit(X)


def weights(layers):
    """How many entries all W and S have."""
    own = sum(layer.weight.size for layer in layers)
    return own + sum(layer.skip_weight.size for layer in layers if layer.skip_weight is not None)


counted = []
for name, fit in {"plain": model, "skip links, mixed activations": mixed, "tied": tied}.items():
    pair = fit.network_.pair
    n_weights = weights(pair.encoder.correction.layers)
    if not fit.tied:
        n_weights += weights(pair.decoder.correction.layers)
    share = fit.validation_loss_ / fit.pca_validation_loss_
    print(f"{name}: {n_weights} weights, held-out loss {share:.2f} of PCA's")
    counted.append(n_weights)
    assert share < 0.95

one_way = 48 * 64 + 24 * 48 + 2 * 24
skipping = 24 * 64 + 2 * 48  # S of the second layer, and of the linear one
assert counted == [2 * one_way, 2 * (one_way + skipping), one_way]
for layer, back in zip(
    tied.network_.pair.encoder.correction.layers,
    tied.network_.pair.decoder.correction.layers[::-1],
    strict=True,
):
    assert np.array_equal(layer.weight.T, back.weight)

# %%
# Exercise
# --------
#
# Build the hat, the function that is :math:`1 - |x|` between −1 and 1 and zero elsewhere, from three
# ReLU units. Then give the smallest number of units with :math:`g(t) = \tanh(100\, t)` that make a box,
# close to 1 between −1 and 1 and to 0 elsewhere.
#
# .. admonition:: Solution
#    :class: dropdown
#
#    A ReLU unit changes the slope at its shift, and nowhere else. The hat's slope changes by 1 at −1, by
#    −2 at 0 and by 1 at 1, so that the shifts are −1, 0 and 1 and the weights 1, −2 and 1. A box goes up
#    once and down once, which takes two tanh units, each with a step of height 2. Sums of hats, or of
#    boxes, approximate any continuous function of :math:`x`: :doc:`lesson 4 <04_perceptron_and_mlp>`
#    begins there.

x = np.linspace(-3, 3, 601)
relu = activations["relu"]
hat = relu(x + 1) - 2 * relu(x) + relu(x - 1)
assert np.allclose(hat, np.maximum(1 - np.abs(x), 0))

box = 0.5 * np.tanh(100 * (x + 1)) - 0.5 * np.tanh(100 * (x - 1))
away_from_steps = np.abs(np.abs(x) - 1) > 0.05
assert np.allclose(box[away_from_steps], np.abs(x)[away_from_steps] < 1, atol=1e-3)
