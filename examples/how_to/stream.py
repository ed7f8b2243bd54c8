r"""
Stream rows that do not fit into memory
=======================================

A detector writes a Parquet file every hour, and the files together are larger than memory. The map
should be fitted from the files, go on where it was if the computer is restarted, and give every row its
coordinates in files beside the old ones. The files of this page are small, so that it runs in seconds;
the same lines take any number of rows.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import isthmus

# %%
# Files, an hour each
# -------------------
#
# Twenty channels follow two hidden quantities along curves. Each file has an ``id`` and a ``run`` as
# well, which are no features.

temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)
rng = np.random.default_rng(0)
inward, outward = rng.standard_normal((2, 16)), rng.standard_normal((16, 20))
noise = 0.1


def write_hour(path, hour, n=4000):
    hidden = rng.standard_normal((n, 2))
    exact = np.tanh(hidden @ inward) @ outward
    x = (exact + noise * rng.standard_normal(exact.shape)).astype(np.float32)
    columns = {f"channel{j}": x[:, j] for j in range(20)}
    ids = np.arange(hour * n, (hour + 1) * n)
    table = pa.table({"id": ids, "run": np.full(n, f"run {hour // 4}"), **columns})
    pq.write_table(table, path, row_group_size=1000)


(folder / "hours").mkdir()
(folder / "later").mkdir()
for hour in range(6):
    write_hour(folder / "hours" / f"{hour:03}.parquet", hour)
write_hour(folder / "later" / "006.parquet", 6)

# %%
# Scan, and fit
# -------------
#
# :func:`isthmus.scan` opens a folder, a pattern or a list of files, on a disk or in the cloud
# (:doc:`/cloud`), and takes the place of an array everywhere. Nothing is read before it is needed, and
# ``block_bytes`` says how much at a time: here very little, so that the rows do not fit into a block.

rows = isthmus.scan(folder / "hours", drop=["id", "run"], block_bytes=2**20)
print(
    rows.shape,
    rows.names[:3],
    f"{rows.shape[0] * rows.shape[1] * 4 / 2**20:.1f} MiB in single precision",
)

# %%
# ``checkpoint`` is where the training is kept from time to time. The same call again, after the computer
# was restarted or Ctrl-C, goes on where it was, and ends with the same bits. A fit that is complete
# comes from its folder at once.

model = isthmus.Autoencoder(2, widths=(64,), max_epochs=8, random_state=0)
model.fit(rows, checkpoint=folder / "training")
again = isthmus.Autoencoder(2, widths=(64,), max_epochs=8, random_state=0)
again.fit(rows, checkpoint=folder / "training")
assert np.array_equal(again.transform(rows), model.transform(rows))

# %%
# Is it any good?
# ---------------
#
# ``score`` reads a later file once and gives −(mean squared error), and PCA, from the same stream, is
# the yardstick.

later = isthmus.scan(folder / "later", drop=["id", "run"])
pca = isthmus.LinearAutoencoder(2).fit(rows)
error, error_pca = -model.score(later), -pca.score(later)
print(f"squared error of a later row: {error:.2f}, by PCA {error_pca:.2f}, of noise {20 * noise**2:.2f}")
assert error < 0.5 * error_pca

# %%
# From files to files
# -------------------
#
# :func:`isthmus.transform_files` writes a file of coordinates for each file of rows, with the same name
# and row groups. A file is there completely or not at all. Called again, it skips what is there, so that
# the next hour costs an hour's work and no more.

done = isthmus.transform_files(model, folder / "hours", folder / "coordinates", keep=["id", "run"])
print(done)
write_hour(folder / "hours" / "006.parquet", 6)
done = isthmus.transform_files(model, folder / "hours", folder / "coordinates", keep=["id", "run"])
print(done)
assert len(done.written) == 1
assert len(done.skipped) == 6

# %%
# Are these the coordinates of the map? The ids tell which row is which.

written = pq.read_table(folder / "coordinates" / "006.parquet")
print(written.column_names)
given = np.column_stack([written[name] for name in model.get_feature_names_out()])
assert written["id"].to_pylist() == pq.read_table(folder / "later" / "006.parquet")["id"].to_pylist()
table = pq.read_table(folder / "hours" / "006.parquet")
direct = model.transform(isthmus.scan(folder / "hours" / "006.parquet", drop=["id", "run"]))
print(f"largest difference from transform: {np.abs(given - direct).max():.1e}")
assert np.allclose(given, direct, atol=1e-4 * given.std())

# %%
# To see something
# ----------------
#
# ``rows[::10]`` is every tenth row as an array; a picture needs no more. The rows of the later hour are
# restored, and compared with what came in, channel by channel.

some = later[::4]
restored = {}
for name, one in {"PCA": pca, "isthmus": model}.items():
    table = pd.DataFrame(some, columns=list(later.names))
    restored[name] = isthmus.denoise(one, table)
fig, ax = plt.subplots(figsize=(8, 3.8), layout="constrained")
for name, colour in (("PCA", isthmus.plots.OTHER), ("isthmus", isthmus.plots.OURS)):
    ax.plot(np.sqrt(np.mean((restored[name] - some) ** 2, axis=0)), "o-", color=colour, label=name)
ax.axhline(noise, color="black", linestyle="--", linewidth=1, label="noise")
ax.set(
    xlabel="channel",
    ylabel="root mean square error",
    title="A later hour, restored from two coordinates",
    ylim=(0, None),
)
ax.set_xticks(range(0, 20, 5))
ax.legend(frameon=False)
plt.show()

temporary.cleanup()

# %%
# :doc:`/larger_than_memory` says what is read, how often and in how much memory; :doc:`/dask`,
# :doc:`/slurm` and :doc:`/mpi` spread the work. On the command line the page is
#
# .. code-block:: console
#
#    $ isthmus fit hours --drop id,run -o hours.isthmus --checkpoint training
#    $ isthmus transform hours.isthmus hours --keep id,run -o coordinates
