"""
Where not to trust a map
========================

A map answers for any row, also for one that is like nothing it was made from. Here digits come mixed
with digits that lie on their side. Rows that the map cannot restore, or that it puts where no known row
is, are flagged.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import isthmus

X, y = load_digits(return_X_y=True)
X = X[np.random.default_rng(0).permutation(len(X))]
model = isthmus.Autoencoder(10, widths=(128, 64), random_state=0).fit(X[:1000])
known, good = X[1000:1500], X[1500:]
turned = np.rot90(good.reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64)

rows = np.concatenate([good, turned])
found = isthmus.reliability(model, rows, known=known)
is_turned = np.arange(len(rows)) >= len(good)

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained", width_ratios=(1.1, 1))
for chosen, colour, label in (
    (~is_turned, isthmus.plots.OURS, "upright"),
    (is_turned, isthmus.plots.WARM, "on their side"),
):
    flagged = found.flagged & chosen
    share = flagged.sum() / chosen.sum()
    places = (found.sparsity, found.reconstruction_error)
    left.plot(*(v[chosen] for v in places), ".", color=colour, label=f"{label}: {share:.0%} flagged")
left.set(xlabel="distance to known rows in the map", ylabel="squared error of the row")
left.set(xscale="log", yscale="log", title="Strange rows are far away, or do not come back")
left.legend(frameon=False, loc="center right")
worst = rows[np.argsort(found.p_value - 1e-9 * found.reconstruction_error)[:60]]
isthmus.plots.image_grid(right, worst, (8, 8), n_across=10)
right.set_title("The 60 rows to trust least")
plt.show()

# %%
# :func:`isthmus.reliability` compares with known rows that the map was not fitted to, and keeps a
# promised rate of false alarms, here 5 %.

print(found.verdict)
false_alarms, hits = found.flagged[~is_turned].mean(), found.flagged[is_turned].mean()
print(f"flagged: {false_alarms:.1%} of the upright digits, {hits:.1%} of those on their side")
assert false_alarms < 0.12
assert hits > 0.5
