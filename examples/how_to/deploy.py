r"""
Deploy a map
============

A map of sensor readings was fitted in Python. Now it has to run elsewhere: in another Python process, in
a service without isthmus, on a microcontroller, behind HTTP. Wherever it runs, it has to give the same
numbers, and this page checks that it does, on rows that the map was not fitted on.
"""

import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
from sklearn.datasets import load_digits

import isthmus

X = load_digits().data
X_train, X_new = X[:1200], X[1200:]
model = isthmus.Autoencoder(2, widths=(32,), max_epochs=40, random_state=0).fit(X_train)
Z = model.transform(X_new)
temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)

# %%
# One file for Python
# -------------------
#
# :func:`isthmus.save` writes weights, scaling, names and history to one file. There is no pickle in it,
# so that opening it cannot run a program. :func:`isthmus.load` checks that the map still gives, on this
# computer and with these versions, the numbers that it gave when it was saved.

isthmus.save(model, folder / "digits.isthmus")
again = isthmus.load(folder / "digits.isthmus")
print(f"{(folder / 'digits.isthmus').stat().st_size / 1024:.0f} KiB")
assert np.array_equal(again.transform(X_new), Z)

# %%
# Without isthmus: ONNX, NumPy, C
# -------------------------------
#
# :func:`isthmus.export` writes a file that needs no isthmus to run; the ending says which kind. Scaling
# is inside. Before the file appears the export itself is run, and compared with the model
# (:doc:`/export`).

isthmus.export(model, folder / "digits.npz", what="both")
isthmus.export(model, folder / "digits.h", what="both")
isthmus.export(model, folder / "digits.onnx")

# %%
# The ``.npz`` is run by NumPy and a short file, which ``isthmus export --reader`` prints. Here it runs
# in a process that does not import isthmus.

reader = subprocess.run(
    [sys.executable, "-m", "isthmus", "export", "--reader"], capture_output=True, text=True, check=True
).stdout
(folder / "reader.py").write_text(reader)
np.save(folder / "rows.npy", X_new)
program = textwrap.dedent(
    """
    import sys
    import numpy as np
    import reader

    functions, about = reader.read("digits.npz")
    np.save("coordinates.npy", functions["encode"](np.load("rows.npy")))
    print("isthmus" in sys.modules, "jax" in sys.modules)
    """
)
(folder / "elsewhere.py").write_text(program)
run = subprocess.run(
    [sys.executable, "elsewhere.py"], cwd=folder, capture_output=True, text=True, check=True
)
print("isthmus and JAX loaded in the other process:", run.stdout.strip())
differences = {"NumPy": np.abs(np.load(folder / "coordinates.npy") - Z).max()}
assert run.stdout.split() == ["False", "False"]

# %%
# ONNX Runtime takes the same rows. It is there with ``pip install 'isthmus[export]'``, and has
# counterparts in other languages.

runtime = onnxruntime.InferenceSession(folder / "digits.onnx", providers=["CPUExecutionProvider"])
(coordinates,) = runtime.run(["coordinates"], {"rows": X_new})
differences["ONNX"] = np.abs(coordinates - Z).max()

# %%
# The header is C99 that needs ``math.h`` alone: ``digits_encode(row, coordinates)`` and
# ``digits_decode(coordinates, row)``.

header = (folder / "digits.h").read_text()
print(
    *(line for line in header.splitlines() if "digits_encode(" in line or "digits_decode(" in line),
    sep="\n",
)
print(f"{len(header) / 1024:.0f} KiB of text")

# %%
# Do they agree?
# --------------
#
# Rows go in with double precision and coordinates come out with single precision, everywhere.

for name, difference in differences.items():
    print(f"{name}: at most {difference:.1e} from the model, whose coordinates spread by {Z.std():.0f}")
    assert difference < 1e-4 * Z.std()

# %%
# Over HTTP
# ---------
#
# ``isthmus serve digits.isthmus`` answers programs in any language: rows as JSON or Arrow go in,
# coordinates come out (:doc:`/serve`). It needs ``pip install 'isthmus[serve]'``.
#
# .. code-block:: console
#
#    $ isthmus serve digits.isthmus
#    $ curl -H 'Content-Type: application/json' http://127.0.0.1:8000/transform \
#        -d '{"rows": [[0, 0, 5, …]]}'
#
# Watch what comes in
# -------------------
#
# A deployed map gives coordinates to everything, also to rows that are nothing like those that it was
# fitted on. ``what="both"`` of ONNX gives the reconstruction as well, so that an unusual row can be
# found where the map runs: its error is large. A limit is the quantile of the errors of good rows that
# were not trained on.

isthmus.export(model, folder / "both.onnx", what="both")
runtime = onnxruntime.InferenceSession(folder / "both.onnx", providers=["CPUExecutionProvider"])


def errors(rows):
    _, restored = runtime.run(["coordinates", "reconstruction"], {"rows": rows})
    return np.sum((rows - restored) ** 2, axis=1)


known, new = X_new[:300], X_new[300:]
limit = np.quantile(errors(known), 0.99)
negative = 16 - new  # a camera that was set to the wrong polarity
alarms = {
    name: np.mean(errors(rows) > limit) for name, rows in {"good": new, "inverted": negative}.items()
}
print(f"alarms: {alarms['good']:.1%} of the good images, {alarms['inverted']:.1%} of the inverted ones")
assert alarms["good"] < 0.05
assert alarms["inverted"] > 0.95

fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
left.plot(Z[:, 0], coordinates[:, 0], ".", color=isthmus.plots.OURS, markersize=3)
left.set(xlabel="coordinate 0 by isthmus", ylabel="by ONNX Runtime", title="The same numbers elsewhere")
bins = np.geomspace(100, 20_000, 50)
for name, rows, colour in (
    ("good", new, isthmus.plots.OURS),
    ("inverted", negative, isthmus.plots.WARM),
):
    right.hist(errors(rows), bins, color=colour, alpha=0.8, label=name)
right.axvline(limit, color="black", linestyle="--", linewidth=1, label="limit")
right.set(
    xscale="log",
    xlabel="squared error of an image",
    ylabel="images",
    title="Rows that do not belong are found",
)
right.legend(frameon=False)
plt.show()

temporary.cleanup()

# %%
# If the file is too large for where it has to go, :func:`isthmus.distill` teaches a small network what a
# large one has learnt, and :func:`isthmus.prune` takes away units that are not needed (:doc:`lesson 8
# </course/08_distillation>`).
