r"""
Compare maps honestly
=====================

"Our map is better than PCA" is easily said. Three mistakes make it easier than it should be: the map is
judged on the rows that it was trained on, columns in different units decide the distances, and one
seed is taken for the truth. This page makes each of them on purpose, measures what it is worth, and then
compares as it should be done.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, load_wine

import isthmus
from isthmus.comparison import Method

X, y = load_digits(return_X_y=True)
X, y = X[:700], y[:700]

# %%
# Trap 1: rows of the training
# ----------------------------
#
# A network without any safeguard, trained for long on few rows, restores *these* very well.
# ``skip=None``, ``input_noise=0`` and ``validation_fraction=0`` take away what isthmus does against it.

few, others = X[:150], X[150:]
careless = isthmus.Autoencoder(
    10,
    widths=(128,),
    skip=None,
    input_noise=0.0,
    validation_fraction=0.0,
    max_epochs=400,
    random_state=0,
).fit(few)
pca = isthmus.LinearAutoencoder(10).fit(few)
ratio = {}
for name, rows in {"rows of the training": few, "other rows": others}.items():
    errors = [np.mean(isthmus.reconstruction_error(model, rows)) for model in (careless, pca)]
    ratio[name] = errors[0] / errors[1]
    print(f"{name}: the careless network's error is {ratio[name]:.2f} of PCA's")
assert ratio["rows of the training"] < 0.6
assert ratio["other rows"] > 1

# %%
# The first number says nothing about new rows. The default settings hold rows out to choose the epoch,
# begin at PCA, and return to it where nothing better is found; a comparison still needs rows which
# neither the training nor the choice has seen.
#
# Trap 2: columns in different units
# ----------------------------------
#
# Of the wines one column, proline, has by far the largest numbers. Distances between raw rows are
# differences in proline, and a map of little else looks faithful by every measure of distances.

wines, cultivar = load_wine(return_X_y=True, as_frame=True)
score = {}
for scaling in (None, "standard"):
    (row,) = isthmus.compare(
        wines, cultivar, ["PCA"], scaling=scaling, n_seeds=3, random_state=0
    ).table()
    score[scaling] = row["test_score"]
    print(
        f"scaling={scaling}: {row['variance_left_out']:.1%} of the variance left out, trustworthiness "
        f"{row['test_trustworthiness']:.3f}; neighbours tell {score[scaling]:.1%} of the cultivars"
    )
assert score["standard"] > score[None] + 0.1

# %%
# By its own measures the map of raw columns is nearly perfect, and it tells fewer wines apart, because
# it is a map of one column. By default ``compare``, :func:`isthmus.quality` and the report standardise a
# table of *named* columns whose spreads differ by more than a factor of 10, and say so. Whatever is
# chosen has to be the same for all methods.
#
# Trap 3: one seed
# ----------------
#
# :func:`isthmus.compare` splits the rows anew for each seed, fits every method on the same part, and
# evaluates all by the same measures on the other part. Methods are named, such as ``"UMAP"``, or are
# your own (``isthmus.comparison.Method``). Here they are PCA, a small network, and the same network once
# more with other seeds, so that it is known that the last two do *not* differ.


def network(name, shift):
    def make(d, seed):
        return isthmus.Autoencoder(d, widths=(64,), max_epochs=60, random_state=seed + shift)

    return Method(name, make)


methods = ["PCA", network("network A", 0), network("network B", 1000)]
report = isthmus.compare(X, y, methods, n_seeds=5, random_state=0)
columns = ["method", "test_trustworthiness", "variance_left_out", "variance_left_out_std", "test_score"]
print(report.to_frame()[columns].round(3).to_string(index=False))

# %%
# Which of two methods is better is asked of the difference *on the same split*. It should have the same
# sign on every split, and its mean should be several times its standard error.

left_out = {
    name: np.array([one.variance_left_out for one in report.records if one.method == name])
    for name in ("PCA", "network A", "network B")
}


def verdict(worse, better):
    gain = left_out[worse] - left_out[better]
    t = gain.mean() / (gain.std(ddof=1) / np.sqrt(len(gain)))
    print(f"{worse} − {better}: {gain.mean():+.1%} left out, t = {t:+.1f}, splits {np.round(gain, 3)}")
    return gain, t


gain, t = verdict("PCA", "network A")
assert gain.min() > 0
assert t > 10
twins, t_twins = verdict("network A", "network B")
assert np.abs(twins).max() < 0.3 * gain.min()

# %%
# With one seed, network A could have been published as better than B, or B as better than A, depending
# on the seed. Splits share rows, so that :math:`t` is larger than it would be for new data each time:
# take a value of 3 with suspicion, and one of 10 as an answer.

fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
places = np.arange(2)
left.bar(places, list(ratio.values()), color=[isthmus.plots.WARM, isthmus.plots.OURS], width=0.6)
left.axhline(1, color="black", linestyle="--", linewidth=1)
left.text(-0.3, 1.03, "PCA")
left.set_xticks(places, list(ratio))
left.set(ylabel="error / PCA's", title="Trap 1: the careless network, by rows")
for k in range(5):
    right.plot(
        [one[k] for one in left_out.values()],
        "o-",
        color=isthmus.plots.FAINT,
        markerfacecolor=isthmus.plots.OURS,
    )
right.set_xticks(range(3), list(left_out))
right.set(
    ylabel="variance left out, unseen rows", title="Trap 3: A and B differ by the seed", ylim=(0, None)
)
plt.show()

# %%
# What to write down
# ------------------
#
# - The rows that are judged were in no training, and chose nothing, neither the epoch nor a parameter.
#   Where parameters are chosen, that takes a third part of the rows.
# - The scaling, and that it was the same for all.
# - The number of seeds, and mean and scatter of *differences*.
# - PCA, always. If a map is no better than PCA, use PCA; isthmus does (:doc:`lesson 1
#   </course/01_linear_autoencoder>`).
# - More than one measure: a map may keep neighbours and tear distances. ``print(report)`` has all of
#   them, and :doc:`report_for_a_paper` writes them down.
