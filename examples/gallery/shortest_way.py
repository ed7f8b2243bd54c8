"""
The shortest way between two digits
===================================

A straight line on a map is not a short way through the data where the map is stretched. The shortest way
over the learnt surface goes around, and each of its points decodes to an image.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import isthmus

X, y = load_digits(return_X_y=True)
model = isthmus.Autoencoder(2, widths=(128, 64), random_state=0).fit(X)
Z = model.transform(X)
start, end = (np.median(Z[y == digit], axis=0) for digit in (0, 1))
way = isthmus.geodesic(model, start, end)
line = np.linspace(start, end, 12)

fig = plt.figure(figsize=(10, 5), layout="constrained")
left, right = fig.subplots(1, 2, width_ratios=(1, 1.3))
isthmus.plots.class_map(left, Z, y, alpha=0.25)
left.plot(*way.points.T, color="black", linewidth=2.5)
left.plot(*line.T, color="black", linestyle=":", linewidth=2.5)
left.set_title("shortest way, and straight line (dotted)")
shown = way.rows[np.linspace(0, len(way.rows) - 1, 12).astype(int)]
strips = np.concatenate([shown, model.inverse_transform(line)])
isthmus.plots.image_grid(right, np.maximum(strips, 0), (8, 8), n_across=12)
right.set_title(
    f"above: shortest way, {way.length:.0f} long\nbelow: straight line, {way.straight_length:.0f}"
)
plt.show()

# %%
# Lengths are measured in the data, in the units of the pixels: :func:`isthmus.geodesic`.

print(way)
assert way.converged
assert way.length < 0.99 * way.straight_length
