r"""
5. Back-propagation by hand
===========================

Training is a loop of two steps: find the derivative of the loss by every weight, and move each weight a
little against it. The derivatives follow from the chain rule. This lesson writes them out in NumPy,
checks them, and trains the same network with isthmus.
"""

# %%
# The task and two losses
# -----------------------
#
# Each row :math:`x_i` has a label :math:`b_i`, which is 1 or −1 (a dog or a cat). A network with one
# output :math:`f(x \mid w)` shall have :math:`\tanh f(x_i \mid w) \approx b_i` for all rows. Two losses
# measure by how much it fails:
#
# .. math::
#
#    L_2 = \frac{1}{n} \sum_{i=1}^{n} (b_i - \tanh f_i)^2 , \qquad
#    L_{\mathrm{ce}} = -\frac{1}{n} \sum_{i=1}^{n} \log p_i
#    = \frac{1}{n} \sum_{i=1}^{n} \log\left( 1 + e^{-2 b_i f_i} \right) .
#
# The second is the *cross-entropy*. It takes :math:`(1 + \tanh f)/2 = 1/(1 + e^{-2f})` as the
# probability of the label 1; :math:`p_i` is then the probability of the label that row :math:`i` has.
#
# .. admonition:: Often written otherwise
#
#    :math:`L_2 = 0.01` does not mean 1 % errors. A row that is wrong and sure of it costs
#    :math:`(1 - (-1))^2 = 4`, so that 0.01 may be 0.25 % of such errors. It may also be no error at all:
#    every row right, with :math:`\tanh f = 0.9\, b`, costs :math:`0.1^2`.

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

import isthmus

b = np.ones(400)
one_wrong = b.copy()
one_wrong[0] = -1
all_right = 0.9 * b
for outputs in (one_wrong, all_right):
    l2, mistakes = np.mean((b - outputs) ** 2), np.mean(outputs * b < 0)
    print(f"L2 = {l2:.4f} with {mistakes:.2%} errors")
    assert np.isclose(l2, 0.01)

# %%
# The chain rule
# --------------
#
# The network has one hidden layer. Forward, with a row in each line of :math:`X` (:math:`n \times D`),
#
# .. math::
#
#    H = \tanh(X W_1^\top - \lambda_1) , \qquad f = H w_2 - \lambda_2 .
#
# Backward, each derivative is the one after it times one factor. With
# :math:`\delta_i = \partial L / \partial f_i`,
#
# .. math::
#
#    \delta_i = \frac{2}{n} (\tanh f_i - b_i)(1 - \tanh^2 f_i) \ \text{ for } L_2 , \qquad
#    \delta_i = \frac{1}{n} (\tanh f_i - b_i) \ \text{ for } L_{\mathrm{ce}} ,
#
# .. math::
#
#    \frac{\partial L}{\partial w_2} = H^\top \delta , \quad
#    \frac{\partial L}{\partial \lambda_2} = -\sum_i \delta_i , \quad
#    E = \delta w_2^\top \circ (1 - H \circ H) , \quad
#    \frac{\partial L}{\partial W_1} = E^\top X , \quad
#    \frac{\partial L}{\partial \lambda_1} = -\sum_i E_i ,
#
# where :math:`\circ` multiplies entry by entry, and :math:`1 - H \circ H` is the slope of tanh. Nothing
# is computed twice: going backward, :math:`E` is all that the first layer has to know of the second.
# That is *back-propagation*.


def forward(w, X):
    W1, shifts, w2, shift = w
    H = np.tanh(X @ W1.T - shifts)
    return H, H @ w2 - shift


def loss_and_slope(f, b, kind):
    """The loss, and its derivative by each f."""
    n = len(b)
    if kind == "squared":
        t = np.tanh(f)
        return np.mean((b - t) ** 2), 2 / n * (t - b) * (1 - t**2)
    return np.mean(np.logaddexp(0, -2 * b * f)), (np.tanh(f) - b) / n


def backward(w, X, b, kind):
    """The loss and its derivatives by all weights."""
    H, f = forward(w, X)
    loss, delta = loss_and_slope(f, b, kind)
    E = np.outer(delta, w[2]) * (1 - H**2)
    return loss, (E.T @ X, -E.sum(axis=0), H.T @ delta, -delta.sum())


# %%
# Two checks
# ----------
#
# The first check is a quotient of differences. It needs no calculus, but two evaluations of the loss for
# each weight. The second is JAX, which finds the derivatives from the code of the forward step alone.

X, y = make_moons(300, noise=0.2, random_state=0)
X = (X - X.mean(axis=0)) / X.std(axis=0)
b = 2.0 * y - 1
rng = np.random.default_rng(0)
w = (rng.standard_normal((12, 2)), rng.standard_normal(12), rng.standard_normal(12), 0.1)


def by_differences(w, kind, h=1e-6):
    """(L(w + h) − L(w − h))/2h, for one weight after the other."""
    flat = np.concatenate([np.ravel(part) for part in w])
    ends = np.cumsum([np.size(part) for part in w])[:-1]
    shapes = [np.shape(part) for part in w]

    def loss(flat):
        parts = [part.reshape(s) for part, s in zip(np.split(flat, ends), shapes, strict=True)]
        return loss_and_slope(forward(parts, X)[1], b, kind)[0]

    return np.array(
        [(loss(flat + step) - loss(flat - step)) / (2 * h) for step in h * np.eye(len(flat))]
    )


def loss_in_jax(w, kind):
    W1, shifts, w2, shift = w
    f = jnp.tanh(X @ W1.T - shifts) @ w2 - shift
    if kind == "squared":
        return jnp.mean((b - jnp.tanh(f)) ** 2)
    return jnp.mean(jnp.logaddexp(0, -2 * b * f))


for kind in ("squared", "cross_entropy"):
    ours = np.concatenate([np.ravel(part) for part in backward(w, X, b, kind)[1]])
    differences = by_differences(w, kind)
    of_jax = np.concatenate(
        [np.ravel(part) for part in jax.jit(jax.grad(loss_in_jax), static_argnums=1)(w, kind)]
    )
    largest = np.abs(ours).max()
    print(
        f"{kind}, {len(ours)} derivatives, deviation as a share of the largest: "
        f"{np.abs(ours - differences).max() / largest:.0e} from differences, "
        f"{np.abs(ours - of_jax).max() / largest:.0e} from jax.grad"
    )
    assert np.abs(ours - differences).max() < 1e-7 * largest
    assert np.abs(ours - of_jax).max() < 1e-5 * largest

# %%
# Both agree with the formulas up to rounding (JAX computes in single precision).
#
# Plain gradient descent
# ----------------------
#
# Start at Gaussian random numbers, and repeat
#
# .. math:: w \leftarrow w - \varepsilon \, \frac{\partial L}{\partial w} ,
#
# with all rows in each step. The *learning rate* :math:`\varepsilon` is a number that you choose.


def descend(w, X, kind, rate, steps):
    """The weights after so many steps, and the loss before each of them."""
    losses = []
    for _ in range(steps):
        loss, slopes = backward(w, X, b, kind)
        losses.append(loss)
        w = tuple(part - rate * slope for part, slope in zip(w, slopes, strict=True))
    return w, np.array(losses)


histories = {}
for kind in ("squared", "cross_entropy"):
    trained, histories[kind] = descend(w, X, kind, rate=0.2, steps=1500)
    mistakes = np.mean(forward(trained, X)[1] * b < 0)
    print(f"{kind}: loss {histories[kind][0]:.3f} → {histories[kind][-1]:.3f}, {mistakes:.1%} errors")
    assert mistakes < 0.1
    assert histories[kind][-1] < 0.5 * histories[kind][0]

# %%
# The same with isthmus
# ---------------------
#
# An :class:`isthmus.FeedForwardClassifier` with ``solver="gradient_descent"`` does these steps. To
# compare weight by weight, both must begin at the same ones. A learning rate too small to change a
# number in single precision shows those that isthmus starts with.

settings = {
    "widths": (12,),
    "activation": "tanh",
    "loss": "squared",
    "solver": "gradient_descent",
    "start": "gaussian",  # in all layers; by default the last one starts at zero
    "scaling": None,
    "validation_fraction": 0.0,
    "max_epochs": 200,
    "random_state": 0,
}


def weights_of(model):
    """W₁, λ₁, w₂ and λ₂ in double precision."""
    hidden, last = model.network_.network.layers
    parts = (hidden.weight, hidden.shift, last.weight[0], last.shift[0])
    return tuple(np.asarray(part, np.float64) for part in parts)


start = weights_of(isthmus.FeedForwardClassifier(learning_rate=1e-12, **settings).fit(X, b))
model = isthmus.FeedForwardClassifier(learning_rate=0.2, **settings).fit(X, b)

U = (X - model.scaling_.center) / model.scaling_.scale  # what the network sees
ours, _ = descend(start, U, "squared", rate=0.2, steps=200)
apart = max(np.abs(mine - theirs).max() for mine, theirs in zip(ours, weights_of(model), strict=True))
moved = max(np.abs(mine - first).max() for mine, first in zip(ours, start, strict=True))
print(f"after 200 steps weights have moved by up to {moved:.2f}, and differ by {apart:.0e}")
assert apart < 1e-3 * moved
f = forward(ours, U)[1]
assert np.allclose(model.predict_proba(X)[:, 1], (1 + np.tanh(f)) / 2, atol=1e-3)

# %%
# Which loss
# ----------
#
# The two slopes :math:`\delta` differ by the factor :math:`2 (1 - \tanh^2 f)`. Where the network is
# wrong and sure of it, that factor is almost zero, and :math:`L_2` does not push: the row is given up.
# Cross-entropy pushes most there. For this reason it is the default.

margin = np.linspace(-4, 4, 200)  # b f: negative is wrong
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4), layout="constrained")
names = {"squared": "squared, L₂", "cross_entropy": "cross-entropy"}
for kind, colour in zip(names, (isthmus.plots.WARM, isthmus.plots.OURS), strict=True):
    push = [-loss_and_slope(np.array([m]), np.array([1.0]), kind)[1][0] for m in margin]
    left.plot(margin, push, color=colour, label=names[kind])
    right.semilogy(histories[kind], color=colour, label=names[kind])
left.set(
    xlabel="b f: negative where the sign is wrong",
    ylabel="push −∂L/∂f on one row with b = 1",
    title="Wrong and sure: only cross-entropy pushes",
)
right.set(xlabel="step", ylabel="loss, each in its own unit", title="Gradient descent with both losses")
left.legend(frameon=False)
right.legend(frameon=False)
plt.show()

# %%
# Exercise
# --------
#
# A row has :math:`b = 1` and :math:`f = -5`. By what factor is the push of :math:`L_2` weaker than that
# of cross-entropy? Start the network above from weights for which it is wrong and sure almost
# everywhere, and compare the two losses after 300 steps.
#
# .. admonition:: Solution
#    :class: dropdown
#
#    By :math:`2 (1 - \tanh^2 5) \approx 3.6 \cdot 10^{-4}`. Such a start is made from trained weights by
#    turning the sign of the last layer and multiplying it by 5:

factor = 2 * (1 - np.tanh(5) ** 2)
print(f"factor {factor:.1e}")
assert np.isclose(factor, 3.6e-4, rtol=0.02)
wrong = (trained[0], trained[1], -5 * trained[2], -5 * trained[3])
after = {}
for kind in names:
    recovered, _ = descend(wrong, X, kind, rate=0.2, steps=300)
    after[kind] = np.mean(forward(recovered, X)[1] * b < 0)
    print(f"{kind}: {after[kind]:.1%} errors after 300 steps from a start that is wrong")
assert after["cross_entropy"] < 0.1
assert after["squared"] > after["cross_entropy"] + 0.05
