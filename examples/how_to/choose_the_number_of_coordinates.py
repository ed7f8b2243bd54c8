"""
Choose the number of coordinates
================================

A recording has 30 channels, and you suspect that far fewer things vary. How many coordinates should the map have? Here
three hidden quantities drive the channels through waves and products, with noise on top, so that the answer is known: 3.
"""

import matplotlib.pyplot as plt
import numpy as np

import isthmus

rng = np.random.default_rng(0)
hidden = rng.uniform(-1.5, 1.5, (1500, 3))
channels = np.sin(hidden @ rng.standard_normal((3, 30)) + rng.uniform(0, 2 * np.pi, 30))
X = channels + 0.05 * rng.standard_normal(channels.shape)  # (1500, 30)

# %%
# The short answer
# ----------------
#
# ``choose_dimension`` asks three questions that know nothing of one another: how fast the number of neighbours grows with
# their distance, where the error of restoring noisy rows stops falling, and what PCA needs.

choice = isthmus.choose_dimension(X, random_state=0)
print(choice)
assert choice.dimension == 3
assert choice.agrees

# %%
# What it rests on
# ----------------
#
# A denoiser is fitted with each number of coordinates, and judged on rows that it was not trained on. Its error falls until
# there are as many coordinates as dimensions, and hardly after that. PCA's falls on and on, because straight directions
# must follow a curved surface: it needs 13 of them for 95 % of the variance.

choice.plot()
plt.show()

# %%
# Neighbours alone are quicker, and are no more than a first look: noise makes every estimate rise at small scales, and edges of
# the data make it fall. The raw numbers come with 95 % intervals, which hold the dimension only if those two do no harm.

quick = isthmus.intrinsic_dimension(X, "gride", random_state=0)
print(quick)

# %%
# Is it enough?
# -------------
#
# A map with three coordinates should restore what is above the noise, and a fourth should add little. The noise's share of
# the variance is known here, and nobody can get below it.

noise = 0.05**2 / X.var(axis=0).mean()
for d in (2, 3, 4):
    model = isthmus.Autoencoder(d, random_state=0).fit(X[:1000])
    left_out = np.mean((X[1000:] - model.inverse_transform(model.transform(X[1000:]))) ** 2)
    share = left_out / X.var(axis=0).mean()
    print(f"d = {d}: {share:.2%} of the variance of unseen rows is left out; the noise is {noise:.2%}")
    if d == 3:
        assert share < 0.05

# %%
# If it says that noise hides the dimension (``choice.is_bound``), the number is an upper bound: average repeated measurements,
# or smooth, and ask again. If the data fall into pieces (``choice.pieces``), ask for each piece on its own: they need not have the
# same dimension.
