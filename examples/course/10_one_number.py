r"""
10. One number can hold an image
================================

How narrow may a bottleneck be? If nothing is asked but that each row comes back, the answer is one node,
for any data. This page stores images in one number each, without loss, and shows that the number is of
no use as a coordinate. The next lesson asks for more.
"""

# %%
# The paradox
# -----------
#
# An image of :math:`64 \times 64` pixels with 16 grey levels is a number of 4096 digits to the base 16.
# It is one of :math:`16^{4096}` possible images, and a whole number that tells which one it is takes
#
# .. math:: \log_2 16^{64 \cdot 64} = 4 \cdot 4096 = 2^{14} \text{ bits}.
#
# An "encoder" writes the digits one after the other, and a "decoder" reads them again. Their bottleneck
# has one node.
#
# .. admonition:: Often written otherwise
#
#    The number of bits is sometimes given as :math:`2^4 \cdot 2^6 \cdot 2^6 = 2^{16}`, but a pixel of 16
#    levels takes 4 bits, not 16. And a number in double precision does not hold so many: it has 64 bits.
#    So the one number is an exact integer, which Python has, and not the value of a node in a network.
#
# The images are drawn animals, so that the page needs no download: cats, donkeys and giraffes, each with
# its own size and pose. They come from :func:`isthmus.experiments.animals`, and the code is an
# :class:`isthmus.experiments.ImageCoder`.

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from sklearn.neighbors import NearestNeighbors

import isthmus
from isthmus.experiments import Hilbert, ImageCoder, Scrambled, animals

images, species = animals(400, random_state=0)  # (400, 64, 64) of integers from 0 to 15
coder = ImageCoder((64, 64), levels=16)
numbers = coder.encode(images)

print("bits of a code:", coder.n_bits)
assert coder.n_bits == 2**14
assert np.array_equal(coder.decode(numbers), images)  # every pixel of every image comes back

in_a_double = np.median(coder.kept_by_double(images[:100]))
print(f"one double keeps the first {in_a_double:.0f} of 4096 pixels, the white ones at the top included")
assert in_a_double < 2000

# %%
# Is it a map?
# ------------
#
# In a map, images that are alike have coordinates that are alike. We take the ten nearest images of each
# image, pixel by pixel, and count how many of them are among the ten nearest numbers. If the number said
# nothing about an image, a share of :math:`10/399` would be there by chance.
#
# There are many codes, and all are exact. The pixels can be read line by line, which is the default, or
# along a curve that fills the square (``Hilbert``). And one can multiply each number by a large
# constant, modulo :math:`16^{4096}` (``Scrambled``).

K = 10


def nearest(order):
    """The K nearest of each row, from all rows in an order: itself left out."""
    return NearestNeighbors(n_neighbors=K).fit(order).kneighbors(return_distance=False)


def nearest_numbers(codes):
    """The same for integers that are too long for any array: among the neighbours in their order."""
    place = sorted(range(len(codes)), key=codes.__getitem__)
    found = np.empty((len(codes), K), int)
    for p, i in enumerate(place):
        near = place[max(0, p - K) : p] + place[p + 1 : p + K + 1]
        found[i] = sorted(near, key=lambda j: abs(codes[j] - codes[i]))[:K]
    return found


def shared(near, truth):
    """The share of true neighbours that were found."""
    return np.mean([np.isin(one, other).mean() for one, other in zip(near, truth, strict=True)])


X = images.reshape(400, -1).astype(float)
chance = K / 399
codes = {
    "raster": coder,
    "Hilbert's curve": ImageCoder((64, 64), 16, Hilbert()),
    "scrambled": Scrambled(coder, seed=0),
}
found = {"pixels": nearest(X)}  # the nearest of each image, by each way to look for them
for name, code in codes.items():
    integers = code.encode(images)
    assert np.array_equal(code.decode(integers), images)
    found[name] = nearest_numbers(integers)

# %%
# All three lose nothing, so the loss cannot tell them apart, but they differ as maps: the first digits
# decide which numbers are near, and images that agree in these are a little alike. The scrambled code
# keeps no more neighbours than chance.
#
# Compare this with one coordinate that is learnt: PCA's first one, and that of a denoising auto-encoder,
# which is the subject of the :doc:`next lesson <11_denoising>`. Both are fitted on the same animals,
# drawn on :math:`16 \times 16` pixels to save time. Neither returns the image exactly.

small = animals(400, side=16, random_state=0).images.reshape(400, -1).astype(float)
denoiser = isthmus.DenoisingAutoencoder(1, widths=(128, 64), max_epochs=150, random_state=0).fit(small)
found["PCA, d = 1"] = nearest(isthmus.LinearAutoencoder(1).fit_transform(small))
found["denoiser, d = 1"] = nearest(denoiser.transform(small))
kept = {name: shared(near, found["pixels"]) for name, near in found.items() if name != "pixels"}
for name, share in kept.items():
    print(f"{name:16} keeps {share:6.1%} of the neighbours; chance would keep {chance:.1%}")

assert kept["scrambled"] < 1.5 * chance
assert kept["denoiser, d = 1"] > 1.1 * max(kept[name] for name in codes)

shown = ("pixels", "raster", "scrambled", "denoiser, d = 1")
strip = np.concatenate([X[[0, *found[name][0, :5]]] for name in shown])
names = list(kept)[::-1]
colours = [isthmus.plots.OTHER if name in codes else isthmus.plots.OURS for name in names]

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained", width_ratios=(1.3, 1))
isthmus.plots.image_grid(left, strip, (64, 64), n_across=6)
left.axvline(1, color="black", linewidth=1)
left.set_yticks(np.arange(len(shown))[::-1] + 0.5, shown)
left.set_title("An image, and its five nearest by …")
right.barh(names, [100 * kept[name] for name in names], color=colours)
right.axvline(100 * chance, color=isthmus.plots.WARM, linestyle="--", label="chance")
right.set(xlabel="neighbours kept, %", title="Exact codes (grey) keep few")
right.legend(frameon=False, loc="upper right")
plt.show()

# %%
# A network that learns by heart
# ------------------------------
#
# A network can do the same as a code. Its hidden units here are waves of high frequency, so that it can
# send any two numbers, however near, to unlike images. There is one bottleneck node, and no noise in
# training (``input_noise=0``). It has far more weights than twenty images have pixels that vary.


def rapid(x):
    """A wave with which a network can tell any rows apart."""
    return jnp.cos(10 * x)


by_heart = isthmus.Autoencoder(
    1,
    widths=(256,),
    decoder_widths=(256, 256),
    activation=(rapid, rapid, "silu"),
    skip=None,
    input_noise=0,
    learning_rate=1e-3,
    max_epochs=1200,
    validation_fraction=0,
    random_state=0,
).fit(small[:20])

variance = small.var(axis=0).sum()
own = isthmus.reconstruction_error(by_heart, small[:20]).mean() / variance
other = isthmus.reconstruction_error(by_heart, small[20:]).mean() / variance
of_others = shared(nearest(by_heart.transform(small[20:])), nearest(small[20:]))
print(f"its own 20 images: {own:.3%} of the variance is left out; other images: {other:.0%}")
print(f"of the neighbours of other images it keeps {of_others:.1%}; chance would keep {K / 379:.1%}")
assert own < 0.02
assert other > 1
assert of_others < 2 * K / 379

# %%
# It returns its own images, and on others it is worse than their mean would be. So a small loss is not
# enough: something has to ask that images that are alike have coordinates that are alike. Noise does.
#
# Exercise
# --------
#
# How many nodes must a bottleneck have to hold such an image if each node is a number of 64 bits?
#
# .. admonition:: Solution
#    :class: dropdown
#
#    :math:`2^{14} / 64 = 2^{8} = 256`. That is a bound for a code that must hold *any* image. Images of
#    animals are a tiny part of all images, and a code for these alone may be much shorter: four hundred
#    of them can be numbered in nine bits, if the decoder knows them by heart. A bound on bits does not
#    tell how many coordinates the data have.

words = np.frombuffer(numbers[0].to_bytes(2**14 // 8, "big"), dtype=np.uint64)
print("words of 64 bits:", len(words))
assert len(words) == 256
assert np.array_equal(coder.decode([int.from_bytes(words.tobytes(), "big")])[0], images[0])
