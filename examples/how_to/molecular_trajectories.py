r"""
Molecular trajectories
======================

A simulation of a short peptide gives the dihedral angles of its backbone, frame by frame. The molecule
rests in a few conformations, and now and then passes from one to another. Two coordinates should show
the conformations, their free energies, and the way between them, in angles. The difficulty is that
angles come round: 179° and −179° are neighbours.
"""

import matplotlib.pyplot as plt
import numpy as np

import isthmus

# %%
# A trajectory whose truth is known
# ---------------------------------
#
# Four pairs of :math:`\phi` and :math:`\psi` fluctuate about the values of one of three conformations.
# Which one it is follows a Markov chain, whose stationary shares are known. From the extended
# conformation to the left-handed one the shorter way of :math:`\phi` leads through 180°.

rng = np.random.default_rng(0)
names = [f"{angle}{i}" for i in range(1, 5) for angle in ("phi", "psi")]
states = {"helix": (-60, -45), "extended": (-130, 140), "left": (60, 45)}
targets = np.array([4 * pair for pair in states.values()], float)  # (3, 8)
chances = np.array([[0.990, 0.010, 0.0], [0.008, 0.984, 0.008], [0.0, 0.020, 0.980]])  # per frame
shares = np.linalg.matrix_power(chances, 10_000)[0]


def wrapped(degrees):
    """The same angles between −180 and 180."""
    return (degrees + 180) % 360 - 180


def trajectory(n_frames, rng):
    state, frames = np.empty(n_frames, int), np.empty((n_frames, 8))
    angles, now = targets[1], 1
    for i in range(n_frames):
        now = rng.choice(3, p=chances[now])
        angles = angles + 0.15 * wrapped(targets[now] - angles) + 5 * rng.standard_normal(8)
        state[i], frames[i] = now, wrapped(angles)
    return frames, state


X, state = trajectory(6000, rng)  # (6000, 8) angles in degrees
X_new, state_new = trajectory(6000, rng)  # another run, which the map does not see
for name, share in zip(states, shares, strict=True):
    print(f"{name:8}: {share:.1%} of the time in the long run")

# %%
# Say that they are angles
# ------------------------
#
# ``periodic`` names the columns that come round, and their periods in the units of the data. The map
# then sees each angle as a point on a circle, and decodes to angles again. Columns without names are
# given by their positions, as here; with a data frame it is ``periodic={"phi1": 360, …}``.

small = {"widths": (64,), "max_epochs": 20, "random_state": 0}
model = isthmus.Autoencoder(2, periodic=dict.fromkeys(range(8), 360.0), **small).fit(X)
straight = isthmus.Autoencoder(2, **small).fit(X)


def off(model):
    """Root mean square error of the angles of unseen frames, in degrees, the short way round."""
    x_hat = model.inverse_transform(model.transform(X_new))
    return np.sqrt(np.mean(wrapped(x_hat - X_new) ** 2))


print(f"unseen frames are restored to {off(model):.1f}°, without periods to {off(straight):.1f}°")
assert off(model) < 0.9 * off(straight)

# %%
# The free energy on the map
# --------------------------
#
# The free energy is :math:`F = -kT \log p`, with :math:`p` the density of frames on the map, and its
# zero is at the most frequent place. The map is bent, so that this density belongs to these coordinates
# and to no others; what does not depend on coordinates is the free energy of a whole conformation,
# :math:`-kT` times the logarithm of its share. The nearest mean tells conformations apart.

Z, Z_new = model.transform(X), model.transform(X_new)
settled = np.abs(wrapped(X - targets[state])).max(axis=1) < 40
centres = np.array([Z[settled & (state == k)].mean(axis=0) for k in range(3)])
nearest = np.argmin(np.linalg.norm(Z_new[:, None] - centres, axis=2), axis=1)
by_map, of_run = (-np.log(np.bincount(k, minlength=3) / len(k)) for k in (nearest, state_new))
for name, *energies in zip(states, by_map, of_run, -np.log(shares), strict=True):
    print(
        "{:8}: {:.2f} kT by the map, {:.2f} kT in this run, {:.2f} kT in the long run".format(
            name, *energies
        )
    )
assert np.abs(by_map - of_run).max() < 0.25

# %%
# The map is responsible for the difference between the first two columns only. The third is another
# matter: a run of 6 000 frames has some dozens of transitions, so that its shares are not those of the
# chain. No map can change that.
#
# Frames that are on their way belong to no conformation. Of those that have arrived, the nearest mean
# should be right for nearly all.

settled_new = np.abs(wrapped(X_new - targets[state_new])).max(axis=1) < 40
right = np.mean((nearest == state_new)[settled_new])
print(f"{settled_new.mean():.0%} of unseen frames have arrived, and {right:.1%} of these are told right")
assert right > 0.98

# %%
# A way between two conformations
# -------------------------------
#
# :func:`isthmus.geodesic` finds a shortest way along the decoded surface, and decoding makes it a movie
# in angles. From extended to left-handed, the frames of the run pass through φ = 180°.

way = isthmus.geodesic(model, centres[1], centres[2])
angles = model.inverse_transform(way.points)  # (64, 8)
print("phi1 on the way:", np.round(angles[::9, 0]).astype(int))
print("psi1 on the way:", np.round(angles[::9, 1]).astype(int))


def distance_to_frames(path):
    """Of each point of a path to its nearest unseen frame, root mean square in degrees."""
    gaps = wrapped(path[:, None] - X_new[None, ::2])
    return np.sqrt(np.min(np.mean(gaps**2, axis=2), axis=1))


ends = straight.transform(targets[1:])
line = straight.inverse_transform(np.linspace(*ends, 64))
far = distance_to_frames(angles).max(), distance_to_frames(line).max()
print(f"farthest from any unseen frame: {far[0]:.0f}°, on a map without periods {far[1]:.0f}°")
assert far[0] < 0.75 * far[1]
assert np.abs(wrapped(angles[0] - targets[1])).max() < 20
assert np.abs(wrapped(angles[-1] - targets[2])).max() < 20

# %%
# The map without periods goes from −130° to 60° the long way, through angles that the molecule never
# takes. A geodesic knows lengths and no densities, so that it need not be the way that most frames take.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
density, across, up = np.histogram2d(*Z_new.T, bins=60)
with np.errstate(divide="ignore"):
    energy = -np.log(density / density.max())
energy[density == 0] = np.nan
drawn = left.pcolormesh(across, up, energy.T, cmap="viridis", rasterized=True)
fig.colorbar(drawn, ax=left, label="free energy / kT")
left.plot(*way.points.T, color=isthmus.plots.WARM, linewidth=2, label="shortest way")
for name, centre in zip(states, centres, strict=True):
    left.annotate(name, centre, (0, 12), textcoords="offset points", ha="center", weight="bold")
left.set(xlabel="coordinate 0", ylabel="coordinate 1", title="Three conformations of an unseen run")
left.set(xlim=(across[0] - 40, across[-1] + 40), ylim=(up[0] - 60, up[-1] + 50))
left.legend(frameon=False, loc="lower right")
right.scatter(*X_new[::3, :2].T, s=3, color=isthmus.plots.FAINT, linewidths=0, rasterized=True)
for path, colour, label in (
    (angles, isthmus.plots.WARM, "decoded, with periods"),
    (line, isthmus.plots.OTHER, "decoded, without"),
):
    right.plot(*path[:, :2].T, ".", color=colour, markersize=5, label=label)
right.set(
    xlabel="φ₁ / degrees",
    ylabel="ψ₁ / degrees",
    title="The way crosses 180°, as frames do",
    xlim=(-180, 180),
    ylim=(-180, 180),
)
right.legend(frameon=False)
plt.show()

# %%
# Frames of one run are not independent: what is held out must be another run, or its second half, and
# not every tenth frame (:doc:`time_series_windows`). Whether two coordinates are enough is asked as for
# any data (:doc:`choose_the_number_of_coordinates`), with ``periodic`` passed along.
