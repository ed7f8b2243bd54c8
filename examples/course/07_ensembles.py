r"""
7. Ensembles
============

Train the same network ten times from ten random starts, and you have ten different functions. Their mean
is better than most of them, and their spread tells what the start has decided. This lesson says by how
much, and where it ends.
"""

# %%
# What averaging removes
# ----------------------
#
# Networks that are trained on the same rows from independent starts are independent draws of a random
# function :math:`f`. Let :math:`\mathrm{E} f` be the mean over all starts. The *bias* is what it misses,
# and the *variance* is how far a single network is from it. Averaged over test rows,
#
# .. math::
#
#    B = \langle (\mathrm{E} f(x) - y)^2 \rangle ,
#    \qquad V = \langle \mathrm{E} (f(x) - \mathrm{E} f(x))^2 \rangle .
#
# For the mean :math:`\bar{f} = \frac{1}{M} \sum_k f_k` of :math:`M` networks, the expected squared error
# is
#
# .. math:: \mathrm{E} \langle (\bar{f}(x) - y)^2 \rangle = B + \frac{V}{M} .
#
# This is exact for every :math:`M`, since variances of independent numbers add up. The spread of
# :math:`\bar{f}` about :math:`\mathrm{E} f` is its standard deviation, :math:`\sqrt{V/M}`.
#
# .. admonition:: Often written otherwise
#
#    "The error falls as :math:`1/\sqrt{M}`" is true of the spread. The squared error has a part that
#    falls as :math:`1/M` and a part :math:`B` that stays, however many networks are averaged: what they
#    all have in common, such as the noise of the training rows. And the prediction is the *mean* of the
#    networks, not their sum.
#
# An :class:`isthmus.Ensemble` trains its members in one compiled pass. Here are 192 perceptrons, fitted
# to 60 noisy rows of a function that we know.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import isthmus
from isthmus.experiments import averaging
from isthmus.plots import FAINT, OTHER, OURS, WARM


def truth(x):
    return np.sin(2 * x[:, 0] + x[:, 1]) + x[:, 2] * x[:, 3]


rng = np.random.default_rng(0)
X = rng.standard_normal((1060, 5))
X_train, X_test = X[:60], X[60:]
y_train = truth(X_train) + 0.3 * rng.standard_normal(60)
y_test = truth(X_test)

member = isthmus.FeedForwardRegressor(
    (32,),
    activation="tanh",
    start="gaussian",
    learning_rate=0.02,
    max_epochs=200,
    validation_fraction=0.0,  # so that members differ by their start and the order of rows alone
)
ensemble = isthmus.Ensemble(member, n_members=192, random_state=0).fit(X_train, y_train)
predictions = np.array([m.predict(X_test) for m in ensemble.members_])  # (192, 1000)
of_all = np.mean((ensemble.predict(X_test) - y_test) ** 2)
assert np.allclose(predictions.mean(axis=0), ensemble.predict(X_test), atol=1e-4)

sizes = np.array([1, 2, 4, 8, 16])
errors, spreads = [], []
for M in sizes:
    means = predictions.reshape(192 // M, M, -1).mean(axis=1)  # disjoint groups of M members
    errors.append(np.mean((means - y_test) ** 2))
    spreads.append(np.sqrt(np.mean(means.var(axis=0, ddof=1))))

V = spreads[0] ** 2
B = errors[0] - V
print(f"bias B = {B:.4f}, variance V = {V:.4f}")
for M, error, spread in zip(sizes, errors, spreads, strict=True):
    print(
        f"M = {M:2}: error {error:.4f}, B + V/M = {B + V / M:.4f}; "
        f"spread {spread:.4f}, √(V/M) = {np.sqrt(V / M):.4f}"
    )
exponent = np.polyfit(np.log(sizes), np.log(spreads), 1)[0]
print(f"the spread falls as M to the power {exponent:.2f}")
assert np.allclose(errors, B + V / sizes, rtol=0.05)
assert abs(exponent + 0.5) < 0.1
assert of_all > 0.9 * B
assert V > 0.05 * B

# %%
# The mean of all 192 has an error close to :math:`B`: nothing more is to be had by averaging. To lower
# :math:`B` takes more rows, less noise, or a better model.
#
# The laboratory ``averaging`` of :mod:`isthmus.experiments` does this on any table, draws the training
# rows itself, gives error bars, and compares the line that it finds with a separate ensemble.
# ``isthmus lab averaging`` prints the same two lines, on digits or on a file of yours.

report = averaging(
    X, truth(X), member=member, n_train=60, n_members=128, n_reference=64, noise=0.3, data="our function"
)
print(report)
assert abs(report.exponent.value + 0.5) < 0.1
assert report.intercept.value > 0.5 * report.records[0].error

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
many = np.geomspace(1, 192, 50)
left.plot(many, B + V / many, color=FAINT, linewidth=4, label="B + V/M")
left.plot(sizes, errors, "o", color=OURS, label="means of M networks")
left.plot(192, of_all, "s", color=WARM, label="the mean of all 192")
left.axhline(B, color=OTHER, linestyle="--")
left.annotate("B, which all share", (1, B), xytext=(0, -12), textcoords="offset points", color=OTHER)
left.set(xscale="log", ylim=(0, None), title="The error falls to a floor", ylabel="mean squared error")
right.loglog(many, np.sqrt(V / many), color=FAINT, linewidth=4, label="√(V/M)")
right.loglog(sizes, spreads, "o", color=OURS, label="measured")
right.set(title="The spread falls as one over the root of M", ylabel="standard deviation of the mean")
for ax in (left, right):
    ax.set(xlabel="networks averaged, M", xticks=[1, 4, 16, 64, 192])
    ax.xaxis.set_major_formatter("{x:.0f}")
    ax.minorticks_off()
    ax.legend(frameon=False)
right.set_yticks([0.05, 0.1, 0.2, 0.5], ["0.05", "0.1", "0.2", "0.5"])
plt.show()

# %%
# An ensemble of maps
# -------------------
#
# For a map, averaging needs one step more, because another seed may turn or mirror it. ``Ensemble``
# turns each member onto the mean of all before it averages. The spread is then of more interest than the
# mean: :func:`isthmus.coordinate_spread` is the standard deviation of each coordinate of each row over
# the members, an error bar that says whether another seed would tell the same story.

digits = load_digits().data
maps = isthmus.Ensemble(
    isthmus.Autoencoder(2, widths=(32,), max_epochs=25), n_members=8, random_state=0
).fit(digits[:1200])
Z, spread = maps.transform(digits[1200:]), isthmus.coordinate_spread(maps, digits[1200:])
print(f"standard deviation of the coordinates {Z.std(axis=0).round(1)}")
print(f"typical spread over the seeds         {np.median(spread, axis=0).round(1)}")
assert spread.shape == Z.shape
assert np.all(np.median(spread, axis=0) < 0.5 * Z.std(axis=0))

fig, ax = plt.subplots(figsize=(7, 5), layout="constrained")
of_row = np.sqrt(np.sum(spread**2, axis=1))
drawn = ax.scatter(*Z.T, c=of_row, s=14, cmap="viridis")
fig.colorbar(drawn, label="spread of a row over 8 seeds, in the map's units")
ax.set(
    xlabel="coordinate 1",
    ylabel="coordinate 2",
    title="Where the map of unseen digits depends on the seed",
)
plt.show()

# %%
# Is a deep network an ensemble?
# ------------------------------
#
# That averaging helps is sometimes given as the reason why very large networks work: a wide layer would
# be a mean over many independent small ones. That is no theorem, and the small ones are not independent,
# since they are trained together. What can be measured is in :doc:`lesson 6 <06_double_descent>`, and
# above.
#
# Exercise
# --------
#
# Show that for any predictions :math:`f_k` the mean of the members' squared errors is the squared error
# of their mean, plus their spread about it (Krogh and Vedelsby 1995). What follows for the ensemble
# against its average member, and against its best?
#
# .. admonition:: Solution
#    :class: dropdown
#
#    Write :math:`f_k - y = (f_k - \bar{f}) + (\bar{f} - y)` and square. The mixed term is
#    :math:`2 (\bar{f} - y) \sum_k (f_k - \bar{f}) = 0`. So the ensemble is never worse than its average
#    member, on every single row, and better by exactly the spread. The best member may be better than
#    the ensemble; but one does not know in advance which it is.

squares = np.mean((predictions - y_test) ** 2, axis=1)  # of each member
mean = predictions.mean(axis=0)
of_mean, about_mean = np.mean((mean - y_test) ** 2), np.mean((predictions - mean) ** 2)
print(f"members: {squares.mean():.4f} on average, {squares.min():.4f} at best")
print(f"the ensemble is better than {np.mean(squares > of_mean):.0%} of its members")
print(f"ensemble: {of_mean:.4f}, and the spread is {about_mean:.4f}")
assert np.isclose(squares.mean(), of_mean + about_mean)
assert np.mean(squares > of_mean) > 0.7
