r"""
9. Auto-encoders
================

An auto-encoder is a network that is asked to return its own input, and that has a layer in its middle
through which the input does not fit. What it learns is how to write a row in fewer numbers. With
non-linear layers it may follow data that lie on a curved surface, where the flat plane of
:doc:`lesson 1 <01_linear_autoencoder>` must fail.
"""

# %%
# The structure
# -------------
#
# The network is a chain of layers, :math:`x^{(l+1)} = f_l(x^{(l)} \mid w^{(l)})`, from the row
# :math:`x = x^{(0)}` to :math:`\hat{x} = x^{(L)}`. The first and the last layer have :math:`D` nodes.
# The narrowest layer :math:`b` has :math:`d < D`, and is called the *bottleneck*; its values are the
# coordinates:
#
# .. math:: z = x^{(b)} = f(x), \qquad \hat{x} = g(z) = g(f(x)) .
#
# The layers before it are the encoder :math:`f`, those after it the decoder :math:`g`. They need not
# mirror one another: an encoder may have three layers, and its decoder one. All weights are trained
# together on
#
# .. math:: L(w) = \frac{1}{n} \sum_{i=1}^{n} \frac{1}{2} \lVert \hat{x}_i - x_i \rVert^2 .
#
# .. admonition:: Often written otherwise
#
#    The loss is often a sum over rows, without :math:`\frac{1}{n}` and :math:`\frac{1}{2}`. That is the
#    same minimum, but another learning rate. And it is often said that :math:`f` can be inverted. No
#    continuous function from :math:`D` numbers to fewer can: many rows have the same coordinates. What
#    holds is that the decoder inverts the encoder *on the surface* that the network has learnt.
#
# A sheet that is not flat
# ------------------------
#
# The rows lie on a sheet that is bent into an S, with a little noise. Two numbers say where on the sheet
# a row is: how far along the S, and how far across. Nothing but the three columns is given to the
# network.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_s_curve

import isthmus

NOISE = 0.05
X, along = make_s_curve(2000, noise=NOISE, random_state=0)  # (2000, 3) and (2000,)
X[:, 1] *= 2  # a sheet four units wide
X_train, X_test, along_test = X[:1500], X[1500:], along[1500:]

settings = {"widths": (128, 64), "decoder_widths": (128, 128), "random_state": 0}
model = isthmus.Autoencoder(2, **settings).fit(X_train)
pca = isthmus.LinearAutoencoder(2).fit(X_train)

variance = X_test.var(axis=0).sum()
left_out = {}
for name, map_ in (("PCA", pca), ("auto-encoder", model)):
    left_out[name] = isthmus.reconstruction_error(map_, X_test).mean() / variance
    print(f"{name}: {left_out[name]:.2%} of the variance of unseen rows is left out")
print(f"the noise across the sheet is {NOISE**2 / variance:.2%}")
assert left_out["PCA"] > 0.1
assert left_out["auto-encoder"] < 0.02

# %%
# Seen from the edge of the sheet, the reason shows. PCA moves each row to the nearest point of a plane,
# which is a line from this side, and lies across the S. The auto-encoder moves it to a surface that goes
# along the S.

x_hat = model.inverse_transform(model.transform(X_test))
on_plane = pca.inverse_transform(pca.transform(X_test))
fig, (left, middle, right) = plt.subplots(1, 3, figsize=(10, 4), layout="constrained")
for ax, decoded, title in (
    (left, on_plane, f"PCA leaves out {left_out['PCA']:.0%}"),
    (middle, x_hat, f"the auto-encoder {left_out['auto-encoder']:.1%}"),
):
    ax.plot(*X_test[:, [0, 2]].T, ".", color=isthmus.plots.FAINT, markersize=4, label="unseen rows")
    ax.plot(*decoded[:, [0, 2]].T, ".", color=isthmus.plots.OURS, markersize=4, label="restored")
    ax.set(xlabel="column 0", ylabel="column 2", title=title, aspect="equal")
handles, labels = left.get_legend_handles_labels()
fig.legend(handles, labels, loc="outside lower left", ncols=2, frameon=False, markerscale=3)
isthmus.plots.losses(right, model.history_, model.best_epoch_)
right.axhline(model.pca_validation_loss_, color="black", linestyle="--", linewidth=1, label="PCA")
right.tick_params(axis="y", which="minor", labelleft=False)
right.set_title("held-out rows choose the epoch")
right.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.95))
plt.show()

# %%
# It starts at PCA
# ----------------
#
# Each half of the networks of :class:`isthmus.Autoencoder` is a sum of two parts: a linear path that
# starts as PCA, and a correction by hidden layers that starts at zero.
#
# .. math:: f(x) = A (x - \bar{x}) + h_f(x), \qquad g(z) = A^{+} z + \bar{x} + h_g(z) ,
#
# with :math:`h_f = h_g = 0` at first, :math:`\bar{x}` the mean row, and :math:`A^{+}` the pseudo-inverse
# of :math:`A`. So epoch 0 *is* PCA. A tenth of the rows is held out from training, and the loss on these
# is known for every epoch. The epoch with the least loss is kept, if it beats PCA by more than chance;
# if none does, the result is PCA, with a warning.

start = model.history_["validation_loss"][0]
print(f"held-out loss: {start:.4f} at epoch 0, {model.pca_validation_loss_:.4f} by PCA,")
print(f"{model.validation_loss_:.5f} at epoch {model.best_epoch_}, which is kept")
assert np.isclose(start, model.pca_validation_loss_, rtol=1e-3)
assert model.validation_loss_ < 0.2 * model.pca_validation_loss_

# %%
# What a function is good for
# ---------------------------
#
# The map is a function with a derivative. :func:`isthmus.jacobian` gives :math:`\partial z / \partial x`
# at each row, and :func:`isthmus.decoder_jacobian` gives :math:`\partial \hat{x} / \partial z`, whose
# columns span the tangent plane of the learnt surface. Here the true tangent plane is known: it holds
# the direction across the sheet, (0, 1, 0), and the direction along the S,
# :math:`(\cos t, 0, \mp \sin t)`, with the upper sign on the half of the S where :math:`t > 0`. The
# angle between the two planes is the angle between their normals.

Z = model.transform(X_test)
tangents = isthmus.decoder_jacobian(model, Z)  # (500, 3, 2)
normal = np.cross(tangents[:, :, 0], tangents[:, :, 1])
normal /= np.linalg.norm(normal, axis=1, keepdims=True)
t = along_test
along_s = np.stack([np.cos(t), 0 * t, -np.sign(t) * np.sin(t)], axis=1)  # the derivative of the S
true_normal = np.cross(along_s, [0.0, 1.0, 0.0])
angle = np.degrees(np.arccos(np.minimum(1, abs(np.sum(normal * true_normal, axis=1)))))
print(f"angle between the tangent planes: {np.median(angle):.1f}° at the median row")

J = isthmus.jacobian(model, x_hat)  # (500, 2, 3)
product = J @ tangents
print("∂z/∂x · ∂x̂/∂z, its median entries:")
print(np.median(product, axis=0).round(2))
assert np.median(angle) < 8
assert np.allclose(np.median(product, axis=0), np.eye(2), atol=0.1)

# %%
# The product of the two derivatives is near the identity matrix. A small step on the map, decoded and
# encoded again, is the same step: on the surface the decoder inverts the encoder.
#
# Exercise
# --------
#
# Take an encoder without hidden layers, so that it is a projection, and leave the decoder as it is. For
# which sheets is that enough? Try the S, and an arch, which is half a tube.
#
# .. admonition:: Solution
#    :class: dropdown
#
#    It is enough if some projection to two dimensions sends no two points of the sheet to the same
#    place, because the decoder can then bend the plane back. Seen from above, each point of an arch has
#    a place of its own. Of an S this is not so from any side: two or three layers of it lie behind one
#    another. There the encoder must be non-linear, too. Encoder and decoder have different tasks, which
#    is why they need not be symmetric.

rng = np.random.default_rng(0)
angle, across = rng.uniform(0.1, np.pi - 0.1, 2000), rng.uniform(0, 2, 2000)
arch = np.stack([np.cos(angle), across, np.sin(angle)], axis=1) + NOISE * rng.standard_normal((2000, 3))
for name, rows in (("arch", arch), ("S", X)):
    projecting = isthmus.Autoencoder(2, **{**settings, "widths": ()}).fit(rows[:1500])
    loss = isthmus.reconstruction_error(projecting, rows[1500:]).mean() / rows.var(axis=0).sum()
    print(f"{name}: a projection and a decoder leave out {loss:.2%}")
    assert (loss < 0.03) == (name == "arch")
