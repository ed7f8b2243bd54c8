r"""
Windows of a time series
========================

A sensor on the leg of a walker records acceleration for some minutes. Steps repeat, but not exactly: the
walker goes faster and slower. Where in the step is the leg at each moment, and when does something
unusual happen? The rows of the map are *windows*, short pieces of the signal, and a repeating signal
becomes a closed loop, on which the angle is the phase.
"""

import matplotlib.pyplot as plt
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.model_selection import train_test_split

import isthmus

# %%
# A signal whose phase is known
# -----------------------------
#
# 50 samples in a second, 100 seconds. The step frequency wanders about 1 per second. The sensor's noise
# is smooth, because it is filtered.

rng = np.random.default_rng(0)
rate, n = 50, 5000
pace = np.convolve(
    rng.standard_normal(n + 400), np.hanning(401) / np.sqrt(np.sum(np.hanning(401) ** 2)), "valid"
)
phase = 2 * np.pi * np.cumsum(1 + 0.1 * pace) / rate
signal = np.sin(phase) + 0.6 * np.sin(2 * phase + 0.8) + 0.3 * np.sin(3 * phase + 2.0)
signal = signal + 0.15 * np.convolve(rng.standard_normal(n + 7), np.ones(8) / np.sqrt(8), "valid")

# %%
# ``sliding_window_view`` makes a row of each piece of 40 samples without copying: row :math:`i` is the
# signal from sample :math:`i` on. The phase of a window is that of its middle.

width = 40
windows = sliding_window_view(signal, width)  # (4961, 40)
middle = phase[width // 2 :][: len(windows)]
print(windows.shape)

# %%
# Split by time
# -------------
#
# Neighbouring windows share all samples but one. If rows are split at random, nearly every held-out
# window is among the training rows but for one sample, and so is its noise: what a model has learnt by
# heart counts as success. What has to be held out is a later piece, after a gap of one window.

train, new = windows[:3500], windows[3500 + width :]
starts = np.arange(len(windows))
splits = {
    "at random": train_test_split(starts, test_size=len(new), random_state=0),
    "by time": (starts[:3500], starts[3500 + width :]),
}
shared = {}
for name, (known, held_out) in splits.items():
    known = np.sort(known)
    after = np.clip(np.searchsorted(known, held_out), 1, len(known) - 1)
    apart = np.minimum(np.abs(held_out - known[after]), np.abs(held_out - known[after - 1]))
    shared[name] = np.maximum(0, width - apart).mean()
    print(
        f"split {name}: a held-out window shares {shared[name]:.1f} of {width} samples with the training"
    )
assert shared["at random"] > width - 2
assert shared["by time"] == 0

# %%
# A loop, and its angle
# ---------------------
#
# The rows that a fit holds out to choose the epoch are drawn at random, so that
# ``model.validation_loss_`` is of windows that overlap the training. The figure to report is that of the
# later piece.

model = isthmus.Autoencoder(2, widths=(64,), max_epochs=30, random_state=0).fit(train)
pca = isthmus.LinearAutoencoder(2).fit(train)
spread = np.mean(np.sum((new - train.mean(axis=0)) ** 2, axis=1))
left_out = [np.mean(isthmus.reconstruction_error(one, new)) / spread for one in (model, pca)]
print(f"variance of later windows left out: {left_out[0]:.1%}, by PCA {left_out[1]:.1%}")
assert left_out[0] < 0.8 * left_out[1]

# %%
# The angle about the middle of the loop goes round once in each step. It is turned and mirrored to the
# true phase once, by the training windows, and then compared on the later ones. Where a loop is not a
# circle the angle does not grow evenly with the phase, so that the mean phase at each angle is looked
# up.

Z, Z_new = model.transform(train), model.transform(new)
centre = Z.mean(axis=0)
truth, truth_new = middle[:3500], middle[3500 + width :]


def angle(Z):
    return np.arctan2(*(Z - centre).T)


around = np.exp(1j * truth)
bins = np.linspace(-np.pi, np.pi, 49)
places = np.digitize(angle(Z), bins) - 1
mean_phase = np.array([around[places == k].mean() for k in range(48)])
read = np.angle(mean_phase[np.digitize(angle(Z_new), bins) - 1])
off = np.angle(np.exp(1j * (read - truth_new)))
print(f"phase of later windows: off by {np.degrees(np.sqrt(np.mean(off**2))):.0f}° (root mean square)")
assert np.degrees(np.sqrt(np.mean(off**2))) < 20

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
isthmus.plot(model, new, np.degrees(truth_new % (2 * np.pi)), y_name="true phase / degrees", ax=left)
left.set_title("Later windows lie on a loop")
seconds = np.arange(150) / rate
right.plot(seconds, np.degrees(truth_new[:150] % (2 * np.pi)), color="black", linewidth=1, label="truth")
right.plot(
    seconds,
    np.degrees(read[:150] % (2 * np.pi)),
    ".",
    color=isthmus.plots.OURS,
    label="read from the map",
)
right.set(
    xlabel="seconds after the gap",
    ylabel="phase / degrees",
    title="The angle on the loop is the phase",
    ylim=(-10, 430),
)
right.legend(frameon=False, loc="upper center", ncols=2)
plt.show()

# %%
# A stumble
# ---------
#
# :func:`isthmus.reliability` flags windows that are not like those that the map is good for. ``known``
# are rows that it was not fitted on: here the first half of the later piece. In the second half the
# walker stumbles for half a second. One good row in twenty may be flagged; of windows it can be more,
# because those of one step are nearly the same row, and a dozen steps are few to calibrate with.

stumbled = signal.copy()
start = 4600
stumbled[start : start + 25] += 1.5 * np.hanning(25) * np.sign(rng.standard_normal())
later = sliding_window_view(stumbled, width)
half = 3500 + width + 680
checked = isthmus.reliability(model, later[half:], known=windows[3500 + width : half])
at = np.arange(half, len(later))
touched = (at > start + 12 - width) & (at < start + 13)
share = checked.flagged[touched].mean(), checked.flagged[(at < start - width) | (at > start + 25)].mean()
print(f"flagged: {share[0]:.0%} of the windows with the stumble's middle, {share[1]:.0%} of others")
assert share[0] > 0.5
assert share[1] < 0.5 * share[0]
