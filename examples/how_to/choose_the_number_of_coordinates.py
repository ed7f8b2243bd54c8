"""
Choose the number of coordinates
================================

A recording has 30 channels, and you suspect that far fewer things vary. How many coordinates should the
map have? Here each channel is a wave of three hidden quantities, with noise added, so that the answer is
known: 3.
"""

import matplotlib.pyplot as plt
import numpy as np

import isthmus

rng = np.random.default_rng(0)
hidden = rng.uniform(-1.5, 1.5, (900, 3))
channels = np.sin(hidden @ rng.normal(0, 0.7, (3, 30)) + rng.uniform(0, 2 * np.pi, 30))
X = channels + 0.05 * rng.standard_normal(channels.shape)  # (900, 30)

# %%
# The short answer
# ----------------
#
# :func:`isthmus.choose_dimension` asks three questions that know nothing of one another: how fast the
# number of neighbours grows with their distance, where the error of restoring noisy rows stops falling,
# and what PCA needs.

choice = isthmus.choose_dimension(X, random_state=0)
print(choice)
assert choice.dimension == 3
assert choice.agrees

# %%
# What it rests on
# ----------------
#
# A denoiser is fitted with each number of coordinates, and judged on rows that it was not trained on.
# Its error falls until there are as many coordinates as dimensions, and hardly after that (:doc:`lesson
# 11 </course/11_denoising>`). PCA's falls on and on, because it must follow a curved surface by straight
# directions.

choice.plot()
plt.show()

# %%
# Neighbours alone (:func:`isthmus.intrinsic_dimension`) are quicker, and are no more than a first look:
# noise makes every estimate rise at small scales, and edges of the data make it fall. The raw numbers
# come with 95 % intervals, which hold the dimension only if those two do no harm.

quick = isthmus.intrinsic_dimension(X, "gride", random_state=0)
print(quick)

# %%
# Is it enough?
# -------------
#
# A map with three coordinates should restore what is above the noise. The noise's share of the variance
# is known here, and nobody can get below it. PCA with as many coordinates is the yardstick.

noise = 0.05**2 / X.var(axis=0).mean()
left_out = {}
for model in (
    isthmus.Autoencoder(3, widths=(64,), max_epochs=150, random_state=0),
    isthmus.LinearAutoencoder(3),
):
    model.fit(X[:600])
    error = np.mean(isthmus.reconstruction_error(model, X[600:])) / X.shape[1]
    name = type(model).__name__
    left_out[name] = error / X.var(axis=0).mean()
    print(f"{name:17}: {left_out[name]:.2%} of unseen variance is left out; the noise is {noise:.2%}")
assert left_out["Autoencoder"] < 0.05
assert left_out["LinearAutoencoder"] > 5 * left_out["Autoencoder"]

# %%
# If ``choose_dimension`` says that noise hides the dimension (``choice.is_bound``), the number is an
# upper bound: average repeated measurements, or smooth, and ask again. If the data fall into pieces
# (``choice.pieces``), ask for each piece on its own: they need not have the same dimension.
