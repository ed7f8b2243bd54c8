r"""
6. Double descent
=================

A model with as many parameters as data fits them exactly, noise included, and is bad at predicting. One
expects that more parameters make it worse. They make it better: beyond the point where the data can just
be fitted, the error falls a second time.
"""

# %%
# A model of any size
# -------------------
#
# Let :math:`n` be the number of training rows and :math:`M` that of parameters. The simplest network
# whose size can be chosen freely is a perceptron with a first layer, :math:`w_j` and :math:`\beta_j`,
# that is random and stays so. Only the weights :math:`a` of its output are fitted:
#
# .. math:: f(x) = \sqrt{\frac{2}{M}} \sum_{j=1}^{M} a_j \cos(w_j \cdot x + \beta_j) .
#
# These are *random features*. With the matrix :math:`\Phi` of all features of all rows, least squares
# asks for the smallest :math:`\lVert \Phi a - y \rVert^2`. If :math:`M > n`, many :math:`a` give zero.
# We take the shortest, :math:`a = \Phi^+ y`, which is what ``numpy.linalg.lstsq`` returns, and where
# gradient descent from zero ends. No penalty is added: the solution is called *ridgeless*.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from isthmus.experiments import double_descent
from isthmus.plots import FAINT, OTHER, OURS, WARM

n, D = 100, 6
sizes = np.array([3, 6, 12, 25, 50, 75, 90, 100, 110, 130, 200, 400, 1000])


def draw(rng, rows, noise=0.3):
    """Rows, and a smooth function of them with noise."""
    x = rng.standard_normal((rows, D))
    return x, np.sin(x[:, 0] + x[:, 1]) + 0.5 * x[:, 2] + noise * rng.standard_normal(rows)


def errors(rng, n, M, ridge=0.0, roughness=0.7):
    """Training error, test error, length of a, and the smallest singular value of the features."""
    (x, y), (x_test, y_test) = draw(rng, n), draw(rng, 1000)
    W, phases = roughness * rng.standard_normal((D, M)), rng.uniform(0, 2 * np.pi, M)
    features, features_test = (np.sqrt(2 / M) * np.cos(part @ W + phases) for part in (x, x_test))
    if ridge:
        a = features.T @ np.linalg.solve(features @ features.T + ridge * np.eye(n), y)
    else:
        a = np.linalg.lstsq(features, y, rcond=None)[0]
    train, test = np.mean((features @ a - y) ** 2), np.mean((features_test @ a - y_test) ** 2)
    return train, test, np.linalg.norm(a), np.linalg.svd(features, compute_uv=False).min()


def curve(ridge=0.0):
    """Medians over 7 draws, (sizes, 4)."""
    seeds = range(7)
    return np.array(
        [
            np.median([errors(np.random.default_rng(seed), n, M, ridge) for seed in seeds], axis=0)
            for M in sizes
        ]
    )


ridgeless = curve()
print("     M  training      test  length of a  smallest singular value")
for M, (train, test, length, smallest) in zip(sizes, ridgeless, strict=True):
    print(f"{M:6}  {train:8.1e}  {test:8.2f}  {length:11.1f}  {smallest:.1e}")

# %%
# There are three marks on this curve. The *classical optimum* :math:`m^*` is the best of the models that
# are too small to fit the data. At the *interpolation threshold*, :math:`M = n`, the training error has
# just become zero, and the test error peaks. After it, the error falls again.

test = ridgeless[:, 1]
threshold = list(sizes).index(n)
classical = int(np.argmin(test[:threshold]))
for name, place in {"m*": classical, "threshold": threshold, "largest": -1}.items():
    print(f"{name}: M = {sizes[place]}, test error {test[place]:.2f}")
assert np.argmax(test[classical:]) + classical in (threshold - 1, threshold, threshold + 1)
assert test[threshold] > 10 * test[classical]
assert test[threshold] > 10 * test[-1]
assert test[-1] < 0.8 * test[classical]

# %%
# Why the peak is there
# ---------------------
#
# At :math:`M = n` the matrix :math:`\Phi` is square. There is one solution, and it has to follow the
# noise of every row. A square random matrix has a singular value close to zero, by which the solution
# divides, so that :math:`a` becomes very long; see the last two columns above. With more parameters
# there are many solutions, the shortest of which is short.
#
# .. admonition:: Often written otherwise
#
#    A rule says that there should be ten times fewer parameters than data, and that more parameters than
#    data over-fit. It is not the number that over-fits: :math:`M = 1000` has ten times more parameters
#    than data, fits them exactly, and predicts far better than :math:`M = n`. The threshold is what does
#    the harm. It need not be at "parameters = rows" either: a network with :math:`K` outputs has
#    :math:`n K` numbers to fit.
#
# If this is the reason, it can be removed. A small *ridge* penalty :math:`\rho \lVert a \rVert^2`
# forbids long solutions:

with_ridge = curve(ridge=0.05)
print(f"with a small ridge the largest test error from m* on is {with_ridge[classical:, 1].max():.2f}")
assert with_ridge[classical:, 1].max() < 0.1 * test[threshold]

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.loglog(sizes, test, "o-", color=WARM, label="test, no penalty")
left.loglog(sizes, with_ridge[:, 1], "s-", color=OURS, label="test, small ridge")
left.loglog(
    sizes, np.maximum(ridgeless[:, 0], 1e-3), ":", color=OTHER, label="training (0 from M = n on)"
)
left.axvline(n, color=FAINT, linestyle="--", zorder=0)
left.set(
    xlabel="parameters M (100 rows)", ylabel="mean squared error", title="The error peaks where M = n"
)
left.legend(frameon=False)
right.loglog(sizes, ridgeless[:, 2], "o-", color=WARM, label="no penalty")
right.loglog(sizes, with_ridge[:, 2], "s-", color=OURS, label="small ridge")
right.axvline(n, color=FAINT, linestyle="--", zorder=0)
right.set(xlabel="parameters M", ylabel="length of the weights a", title="The reason: very long weights")
right.legend(frameon=False)
plt.show()

# %%
# On real data
# ------------
#
# The laboratory ``double_descent`` of :mod:`isthmus.experiments` does the same on any rows and targets,
# here on 100 handwritten digits. Its ``landmarks`` names the three marks.

X, y = load_digits(return_X_y=True)
digits = double_descent(X, y, [3, 10, 30, 60, 90, 100, 110, 150, 300, 1000], n_train=100, n_repeats=3)
print(digits)
marks = digits.landmarks()
print(marks)
assert marks.peak in (90, 100, 110)
assert marks.end_error < marks.classical_error < marks.peak_error / 3

# %%
# In both cases the second descent ends below the first: the largest model is the best. It need not be
# so. With smoother features, which change little between neighbouring rows, the same data give a curve
# that ends above its classical optimum:

smooth = {
    M: np.median([errors(np.random.default_rng(seed), n, M, roughness=0.3)[1] for seed in range(7)])
    for M in (12, 25, 50, 1000)
}
print("smoother features: " + ", ".join(f"M = {M}: {error:.2f}" for M, error in smooth.items()))
assert smooth[1000] > 2 * min(smooth.values())

# %%
# ``isthmus lab double-descent`` adds networks all of whose weights are trained, and averages of such
# networks. Averaging is the subject of :doc:`lesson 7 <07_ensembles>`.
#
# Exercise
# --------
#
# Keep :math:`M = 100` features, and take 25, 50, 100, 200 and 400 rows. Is it true that more data never
# hurt?
#
# .. admonition:: Solution
#    :class: dropdown
#
#    No. The peak is where :math:`n \approx M`, from whichever side it is approached. With 100 features,
#    100 rows are much worse than 50. With a small ridge this does not happen.

rows = (25, 50, 100, 200, 400)
by_rows = {}
for ridge in (0.0, 0.05):
    by_rows[ridge] = [
        np.median([errors(np.random.default_rng(seed), m, 100, ridge)[1] for seed in range(7)])
        for m in rows
    ]
    listed = (f"n = {m}: {error:.2f}" for m, error in zip(rows, by_rows[ridge], strict=True))
    print(f"ridge {ridge}: " + ", ".join(listed))
assert by_rows[0.0][2] > 5 * by_rows[0.0][1]
assert by_rows[0.05][2] < 1.5 * by_rows[0.05][1]
