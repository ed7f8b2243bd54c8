r"""
11. Denoising
=============

Noise in training keeps a network from learning rows by heart. If it must restore rows that it sees only
with noise, it cannot give each row a number of its own; it has to learn where the data lie. This page
shows what that asks of the bottleneck, which noise to take, and what a denoiser knows about the density
of the data.
"""

# %%
# The idea
# --------
#
# Disturb each row at random, :math:`\tilde{x} = x + \text{noise}`, and ask for the row as it was. The
# loss is the average over the noise,
#
# .. math::
#
#    L(w) = \frac{1}{n} \sum_{i=1}^{n}
#    \left\langle \frac{1}{2} \lVert f(\tilde{x}_i \mid w) - x_i \rVert^2 \right\rangle ,
#
# and a fresh draw in each step estimates it. The best answer to a noisy row is the mean of the clean
# rows that it may have come from, :math:`f(\tilde{x}) = \mathrm{E}[x \mid \tilde{x}]`. Rows that are
# alike must now be neighbours in the bottleneck: if they were not, a little noise would throw the answer
# far off.
#
# .. admonition:: Often written otherwise
#
#    It is sometimes said that the bottleneck must be larger than the intrinsic dimension of the data. It
#    must be at least as large; equal is enough, as the first figure shows.
#
# The bottleneck must have the dimension of the data
# --------------------------------------------------
#
# We keep three coordinates, and change the data. The rows have 40 columns, each a wave of one to six
# hidden numbers. :class:`isthmus.DenoisingAutoencoder` is fitted to each of these data sets, and
# :func:`isthmus.denoise` restores unseen rows from noise.

import jax
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

import isthmus

rng = np.random.default_rng(0)
NOISE = 0.2  # in standard deviations of a column
DIMENSIONS = range(1, 7)

errors = {"PCA, d = 3": [], "denoiser, d = 3": []}
for dimension in DIMENSIONS:
    hidden = rng.uniform(-1.7, 1.7, (1500, dimension))
    frequencies = rng.standard_normal((dimension, 40)) / np.sqrt(dimension)
    X = np.sin(hidden @ frequencies + rng.uniform(0, 2 * np.pi, 40))
    train, unseen = X[:1000], X[1000:]
    noisy = unseen + NOISE * train.std(axis=0) * rng.standard_normal(unseen.shape)
    denoiser = isthmus.DenoisingAutoencoder(
        3, noise=isthmus.noise.Gaussian(NOISE), widths=(128, 64), max_epochs=60, random_state=0
    ).fit(train)
    pca = isthmus.LinearAutoencoder(3).fit(train)
    for name, model in zip(errors, (pca, denoiser), strict=True):
        left = np.mean((isthmus.denoise(model, noisy) - unseen) ** 2)
        errors[name].append(left / unseen.var(axis=0).mean())

enough, too_few = errors["denoiser, d = 3"][2], errors["denoiser, d = 3"][3]
print(f"three coordinates leave out {enough:.1%} of data of 3 dimensions, {too_few:.1%} of 4")
assert enough < 0.03
assert too_few > 3 * enough

fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for (name, shares), colour in zip(
    errors.items(), (isthmus.plots.OTHER, isthmus.plots.OURS), strict=True
):
    ax.plot(DIMENSIONS, [100 * share for share in shares], "o-", color=colour, label=name)
ax.axvline(3, color=isthmus.plots.WARM, linestyle="--", label="as many coordinates as dimensions")
ax.set(
    xlabel="dimensions of the data",
    ylabel="unseen rows restored from noise:\nerror, % of their variance",
)
ax.set_title("Three coordinates serve data of up to three dimensions")
ax.legend(frameon=False)
plt.show()

# %%
# Turned round, this is a way to find the dimension of data: the error stops falling where there are as
# many coordinates as dimensions. :func:`isthmus.choose_dimension` does that, and
# :doc:`a how-to </how_to/choose_the_number_of_coordinates>` shows it.
#
# Noise should mean something
# ---------------------------
#
# Noise that is independent in each pixel is an arbitrary choice. No hand moves a pen so. What one wants
# is a change after which the row still means the same: a digit that is shifted or turned a little.
# ``isthmus.noise`` has both kinds. :class:`isthmus.noise.Gaussian` and :class:`isthmus.noise.Masking`
# treat each column on its own; :class:`isthmus.noise.ImageJitter` moves an image, and
# :class:`isthmus.noise.Neighbours` moves a row towards another row that is near it.
#
# The two kinds go in different directions. We move unseen digits by jitter, and by Gaussian noise of the
# same size, and measure how far the nearest real digit is from the result.

X, y = load_digits(return_X_y=True)
shuffled = rng.permutation(len(X))
X, y = X[shuffled], y[shuffled]
train, unseen = X[:1200], X[1200:]
jitter = isthmus.noise.ImageJitter((8, 8))
moved = np.asarray(jax.jit(jitter)(unseen, jax.random.key(0)))
size = np.sqrt(np.mean((moved - unseen) ** 2))
grainy = unseen + size * rng.standard_normal(unseen.shape)

search = NearestNeighbors(n_neighbors=1).fit(train)
to_data = {}
for name, rows in (("as they are", unseen), ("jitter", moved), ("Gaussian", grainy)):
    to_data[name] = np.median(search.kneighbors(rows)[0])
    print(f"{name:12}: {to_data[name]:.1f} from the nearest digit of the training rows")
assert to_data["jitter"] < 0.85 * to_data["Gaussian"]

# %%
# Jitter stays nearer to the data. What does it do for the map? Two denoisers with ten coordinates differ
# in their noise alone. A vote of the ten nearest training rows, by their coordinates, tells the class of
# unseen digits: as they are, and moved.

scores = {}
for name, noise in (("Gaussian", isthmus.noise.Gaussian(0.5)), ("jitter", jitter)):
    model = isthmus.DenoisingAutoencoder(
        10, noise=noise, widths=(64,), max_epochs=60, random_state=0
    ).fit(train)
    vote = KNeighborsClassifier(10).fit(model.transform(train), y[:1200])
    scores[name] = [vote.score(model.transform(rows), y[1200:]) for rows in (unseen, moved)]
    print(f"trained with {name:8}: {scores[name][0]:.1%} right, {scores[name][1]:.1%} of moved digits")
assert abs(scores["jitter"][0] - scores["Gaussian"][0]) < 0.04
assert scores["jitter"][1] > scores["Gaussian"][1] + 0.08

# %%
# For digits as they are, the choice hardly matters. For digits that a hand has moved, it does: the map
# has learnt what the noise has told it to leave out. So the noise is where one's knowledge of the data
# goes in, and choosing it is the hard part. The :doc:`next lesson <12_variational>` lets the network
# learn it.
#
# The gradient of the log density
# -------------------------------
#
# Let :math:`p` be the density of noisy rows, with Gaussian noise of standard deviation :math:`\sigma`.
# Then
#
# .. math::
#
#    \frac{\partial}{\partial \tilde{x}} \log p(\tilde{x}) =
#    \frac{\mathrm{E}[x \mid \tilde{x}] - \tilde{x}}{\sigma^2} .
#
# So a denoiser, which estimates the mean on the right, estimates the *score* on the left (Vincent 2011):
# :func:`isthmus.score_function`. It points to where the data are denser. With three Gaussian clouds the
# score is known exactly, because noise only widens each cloud.

centres, width = np.array([[-2.0, 0.0], [2.0, 0.0], [0.0, 2.5]]), 0.5
X = centres[rng.integers(0, 3, 3000)] + width * rng.standard_normal((3000, 2))
model = isthmus.DenoisingAutoencoder(
    2, noise=isthmus.noise.Gaussian(0.4), widths=(64,), max_epochs=60, random_state=0
).fit(X)
variance = width**2 + model.noise_scale_**2


def exact_score(x):
    """∂ log p/∂x of three clouds: each draws x to its centre, by its share of the density at x."""
    gap = centres - x[:, None]
    log_share = -0.5 * np.sum(gap**2 / variance, axis=2)
    share = np.exp(log_share - log_share.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    return np.sum(share[:, :, None] * gap / variance, axis=1)


noisy = X[:500] + model.noise_scale_ * rng.standard_normal((500, 2))
exact = exact_score(noisy)
explained = 1 - np.sum((isthmus.score_function(model, noisy) - exact) ** 2) / np.sum(exact**2)
print(f"the denoiser explains {explained:.1%} of the exact score at noisy rows")
assert explained > 0.9

grid = np.stack(np.meshgrid(np.linspace(-3.5, 3.5, 18), np.linspace(-1.8, 4.2, 14)), -1).reshape(-1, 2)
fig, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
for ax, arrows, title in (
    (axes[0], exact_score(grid), "the exact score"),
    (axes[1], isthmus.score_function(model, grid), "the denoiser's"),
):
    ax.plot(*X[:600].T, ".", color=isthmus.plots.FAINT, markersize=3)
    ax.quiver(*grid.T, *arrows.T, color=isthmus.plots.OURS, angles="xy", scale=60, width=0.004)
    ax.set(title=title, xlabel="column 0", aspect="equal")
axes[0].set_ylabel("column 1")
plt.show()

# %%
# Where there are data, the two agree. Far from all rows, as in the upper left corner, the network has
# seen nothing, and its arrows need not be right.
#
# Exercise
# --------
#
# The data are one Gaussian cloud, :math:`x \sim N(0, \Sigma)`. What is the best denoiser, and what does
# it do to directions in which the data vary much less than the noise?
#
# .. admonition:: Solution
#    :class: dropdown
#
#    The mean of one Gaussian variable given another is linear:
#    :math:`\mathrm{E}[x \mid \tilde{x}] = \Sigma (\Sigma + \sigma^2)^{-1} \tilde{x}`. A principal
#    direction of variance :math:`\lambda` is multiplied by :math:`\frac{\lambda}{\lambda + \sigma^2}`:
#    it is kept where :math:`\lambda \gg \sigma^2`, and removed where :math:`\lambda \ll \sigma^2`.
#    Denoising is a soft form of PCA, in which the noise, not a number of coordinates, says what to leave
#    out. A regression of clean rows on noisy ones finds the same factors:

spread = np.array([3.0, 1.0, 0.1])
clean = spread * rng.standard_normal((100_000, 3))
noisy = clean + rng.standard_normal(clean.shape)  # σ = 1
factors = np.linalg.lstsq(noisy, clean, rcond=None)[0]
print(np.diag(factors).round(3), "expected", (spread**2 / (spread**2 + 1)).round(3))
assert np.allclose(factors, np.diag(spread**2 / (spread**2 + 1)), atol=0.03)
