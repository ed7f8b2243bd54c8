"""
Images
======

Nobody holds the pen, or the microscope slide, quite straight. A map of images should say what is in the
picture, and not how the picture lay on the scanner. This page maps a stack of images, decodes points of
the map back to images, teaches a map to disregard small shifts and turns, and ends with colour.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

import isthmus

digits = load_digits()
images, y = digits.images, digits.target  # (1797, 8, 8)
train, new = slice(0, 1200), slice(1200, None)
small = {"widths": (128,), "max_epochs": 60, "random_state": 0}

# %%
# A stack goes in, images come out
# --------------------------------
#
# Every map takes images ``(n, height, width)``. Each image is a row, and points of the map decode to
# images of the same shape.

plain = isthmus.Autoencoder(2, **small).fit(images[train])
Z = plain.transform(images[new])
decoded = plain.inverse_transform(Z)
print(images[new].shape, "→", Z.shape, "→", decoded.shape)
assert decoded.shape == images[new].shape

# %%
# So a grid of points becomes a picture of the map. ``decoded_grid`` leaves the places blank where there
# are no images.

fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.6), layout="constrained")
isthmus.plot(plain, images[new], y[new], ax=left)
left.set_title("Images that the map has not seen")
isthmus.plots.decoded_grid(right, plain, Z, n_across=22)
right.set_title("What each place decodes to")
plt.show()

# %%
# :func:`isthmus.explore` makes of it a page, or a widget in a notebook, in which the pointer decodes the
# place that it is at (:doc:`/explore`). Rows that are already flat, ``(n, 64)``, are images as well once
# ``image_shape=(8, 8)`` is passed there, or to ``decoded_grid``.

flat = isthmus.LinearAutoencoder(2).fit(images[train].reshape(-1, 64))
page = isthmus.explore(flat, images[new].reshape(-1, 64), labels=y[new], image_shape=(8, 8))
print(page)

# %%
# Images that lie askew
# ---------------------
#
# Another scanner shifts each image by up to a pixel each way and turns it by up to 12 degrees. The
# images are the same to a reader, and far from the same in their pixels.

rng = np.random.default_rng(0)


def askew(image):
    turned = ndimage.rotate(image, rng.uniform(-12, 12), reshape=False, order=1, mode="nearest")
    return ndimage.shift(turned, rng.uniform(-1, 1, 2), order=1, mode="nearest")


images_askew = np.stack([askew(image) for image in images[new]])

# %%
# A :class:`isthmus.DenoisingAutoencoder` is told which changes leave the meaning as it is: here
# :class:`isthmus.noise.ImageJitter`, which shifts, turns, zooms and bends each image anew whenever it
# comes. What it has to restore is the image that lay straight (:doc:`lesson 11 </course/11_denoising>`).
# Next to it stands an auto-encoder of the same size, trained on the same images.

jitter = isthmus.noise.ImageJitter((8, 8), shift=1.0, rotation=12.0)
steady = isthmus.DenoisingAutoencoder(10, noise=jitter, **small).fit(images[train])
usual = isthmus.Autoencoder(10, **small).fit(images[train])

found = {}
for name, model in {"auto-encoder": usual, "with jitter": steady}.items():
    Z_train, Z_new, Z_askew = (model.transform(x) for x in (images[train], images[new], images_askew))
    moved = np.sqrt(np.mean((Z_askew - Z_new) ** 2) / np.mean(Z_new.var(axis=0)))
    vote = KNeighborsClassifier(10).fit(Z_train, y[train])
    straight, turned = vote.score(Z_new, y[new]), vote.score(Z_askew, y[new])
    found[name] = moved, straight, turned
    print(f"{name:12}: askew, an image moves by {moved:.2f} of the map's spread;")
    print(f"{'':12}  neighbours tell the digit of {straight:.1%} of new images, of {turned:.1%} askew")

# %%
# The askew images are of a scanner that neither map has seen, and of digits that neither was trained on.
# The map with jitter moves them less, and loses fewer of them.

assert found["with jitter"][0] < 0.85 * found["auto-encoder"][0]
assert found["with jitter"][2] > found["auto-encoder"][2] + 0.02

# %%
# What it decodes is the image laid straight, as well as ten coordinates can say it.

shown = np.arange(10)
fig, axes = plt.subplots(3, 1, figsize=(8, 3), layout="constrained")
rows = {
    "straight": images[new],
    "askew": images_askew,
    "restored": isthmus.denoise(steady, images_askew),
}
for ax, (name, stack) in zip(axes, rows.items(), strict=True):
    isthmus.plots.image_grid(ax, stack[shown].reshape(-1, 64), (8, 8), n_across=10, darkest=16)
    ax.set_xticks([])
    ax.set_yticks([0.5], [name])
plt.show()

# %%
# Colour
# ------
#
# Images with channels are ``(n, height, width, channels)``. Here each digit is printed in a colour of
# its own, and the map has one thing more to learn.

hue = rng.uniform(0, 1, len(images))
colours = plt.cm.viridis(hue)[:, :3]  # (1797, 3)
coloured = images[..., None] * colours[:, None, None, :]  # (1797, 8, 8, 3)
model = isthmus.Autoencoder(10, **small).fit(coloured[train])
print(coloured.shape[1:], "→", model.transform(coloured[new]).shape[1:])

# %%
# Is the colour right again? That of a decoded image is the mean over its pixels of each channel, which
# is compared with the colour that the image was printed in.


def colour(stack):
    ink = stack.sum(axis=(1, 2))
    return ink / ink.sum(axis=1, keepdims=True)


restored = model.inverse_transform(model.transform(coloured[new]))
off = np.abs(colour(restored) - colour(coloured[new])).mean()
apart = np.abs(colour(coloured[new]) - colour(coloured[train]).mean(axis=0)).mean()
print(f"shares of red, green and blue are {off:.3f} off, and images differ by {apart:.3f}")
assert off < 0.3 * apart
