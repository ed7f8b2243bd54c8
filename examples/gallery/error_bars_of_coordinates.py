"""
Error bars of coordinates
=========================

Would another seed tell the same story? Eight networks are trained in one pass, each on a bootstrap
sample of the rows, and their maps are turned onto one another. The ellipse of a row reaches as far as
the eight disagree on it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import isthmus

X, y = load_digits(return_X_y=True)
chosen = y < 5
X, y = X[chosen], y[chosen]
member = isthmus.Autoencoder(2, widths=(64,), max_epochs=60)
ensemble = isthmus.Ensemble(member, n_members=8, bootstrap=True, random_state=0).fit(X)
Z, spread = ensemble.transform(X), isthmus.coordinate_spread(ensemble, X)

fig, ax = plt.subplots(figsize=(8, 6), layout="constrained")
isthmus.plots.posterior_map(ax, Z[:400], spread[:400], y[:400])
ax.set(xlabel="coordinate 0", ylabel="coordinate 1", title="Where eight networks disagree")
plt.show()

# %%
# :func:`isthmus.coordinate_spread` is the standard deviation over the members, in the coordinates'
# units. It is worth a look beside the spread of the rows: a difference between two rows that is smaller
# than their error bars is none.

typical = np.median(spread, axis=0) / Z.std(axis=0)
print(f"error bars, as shares of the spread of the rows: {typical.round(2)}")
assert np.all(typical < 0.5)
largest = np.quantile(spread, 0.95, axis=0) / np.median(spread, axis=0)
print(f"the least sure rows have {largest.round(1)} times the typical error bar")
