"""
Islands of digits
=================

Each digit lies beside the digits that are most like it, and the map is a function: a point between the
rows can be decoded. On the left 1797 handwritten digits, on the right what the map decodes to at each
place where there are rows.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

import isthmus

X, y = load_digits(return_X_y=True)
model = isthmus.NeighbourAutoencoder(landmarks=500, max_epochs=120, random_state=0).fit(X)
Z = model.transform(X)

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
isthmus.plots.class_map(left, Z, y)
left.set_title("Neighbours stay neighbours")
isthmus.plots.decoded_grid(right, model, Z, (8, 8), n_across=32)
right.set_title("The same islands, decoded")
plt.show()

# %%
# The colours are for the reader; :class:`isthmus.NeighbourAutoencoder` has not seen the classes. Rows
# that it held out from training keep more of their neighbours than chance by far:

kept = model.held_out_.kept
print(f"of the 15 nearest rows of a held-out row, {kept:.0%} are its nearest on the map")
assert kept > 0.4
