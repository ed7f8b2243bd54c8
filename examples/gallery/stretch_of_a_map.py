r"""
Where a map is stretched
========================

A map of the globe cannot have the right areas and the right angles everywhere, and no other map of a
curved surface can. The background shows how much surface a unit of this map holds; the ellipses are
small circles of the data, as the map draws them.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Ellipse
from sklearn.neighbors import NearestNeighbors

import isthmus

rng = np.random.default_rng(0)
height, turn = rng.uniform(-0.4, 1, 2000), rng.uniform(0, 2 * np.pi, 2000)  # a globe without its south
radius = np.sqrt(1 - height**2)
X = np.stack([radius * np.cos(turn), radius * np.sin(turn), height], axis=1)
X += 0.01 * rng.standard_normal(X.shape)
model = isthmus.Autoencoder(2, widths=(64, 64), random_state=0).fit(X)
Z = model.transform(X)

side = np.linspace(1.05 * Z.min(), 1.05 * Z.max(), 120)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
area = isthmus.distortion(model, grid).area
nearest, _ = NearestNeighbors(n_neighbors=1).fit(Z).kneighbors(grid)
area[nearest[:, 0] > 0.15] = np.nan  # no rows there

fig, ax = plt.subplots(figsize=(8, 6), layout="constrained")
drawn = ax.pcolormesh(side, side, area.reshape(120, 120), cmap="viridis")
fig.colorbar(drawn, label="surface in a unit of the map")
for z, G in zip(Z[:60], isthmus.metric(model, Z[:60]), strict=True):
    values, vectors = np.linalg.eigh(G)  # a circle of radius r has half-axes r/√λ on the map
    angle = np.degrees(np.arctan2(*vectors[::-1, 0]))
    width, height = 0.14 / np.sqrt(values)
    ax.add_patch(Ellipse(z, width, height, angle=angle, fill=False, color="white", linewidth=1.2))
ax.set(xlabel="coordinate 0", ylabel="coordinate 1", aspect="equal")
ax.set_title("Equal areas of the picture are not equal areas of the globe")
plt.show()

# %%
# :func:`isthmus.distortion` and :func:`isthmus.metric` come from the derivative of the decoder. Here the
# whole surface is known: the part of a globe above a height of −0.4 has the area
# :math:`2 \pi \cdot 1.4`.

found = isthmus.distortion(model, Z)
print(found)
surface = np.nansum(area) * (side[1] - side[0]) ** 2
print(f"surface of the map: {surface:.2f}; of the globe: {2 * np.pi * 1.4:.2f}")
low, high = np.quantile(found.area, [0.05, 0.95])
assert high > 1.5 * low
assert abs(surface / (2 * np.pi * 1.4) - 1) < 0.2
