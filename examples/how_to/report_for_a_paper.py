r"""
Report a map in a paper
=======================

The figure is ready, and the methods section has to say how it was made, how far it can be trusted, and
what another group needs to make it again. This page writes the report of a map, takes a table for the
paper from it, and assembles a paragraph in which every number comes from the run.
"""

import json
import re
import tempfile
from importlib.metadata import version
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine

import isthmus
from isthmus import report
from isthmus.comparison import Method

wines = load_wine(as_frame=True)
X, cultivar = wines.data, wines.target.to_numpy()  # (178, 13), and which of three cultivars

# %%
# The report
# ----------
#
# ``report.gather`` fits a map to three quarters of the rows, and computes on the others what a reader
# will ask: how many dimensions the data have, how faithful the map is, what other methods make of the
# same rows, where it is unreliable, and what of the labels it hides. The seed is given, and so are the
# settings, because defaults may change with a version.

settings = {"widths": (64,), "max_epochs": 100}
findings = report.gather(
    X,
    cultivar,
    model=isthmus.Autoencoder(2, random_state=0, **settings),
    methods=[
        "PCA",
        Method("this map", lambda d, seed: isthmus.Autoencoder(d, random_state=seed, **settings)),
    ],
    data="wines",
    label_name="cultivar",
    random_state=0,
)

# %%
# ``report.write`` makes one HTML page of it, which needs nothing else, and may be a supplement of the
# paper. It needs ``pip install 'isthmus[report]'``. From the command line the same is ``isthmus report
# wines.csv --label cultivar -o wines.html``.

with tempfile.TemporaryDirectory() as folder:
    page = Path(folder) / "wines.html"
    report.write(findings, page)
    text = page.read_text(encoding="utf-8")
print(f"{len(text) / 1024:.0f} KiB")

# %%
# All numbers of the page are in it as JSON, too, so that a figure or a table can be made from the
# supplement years later.

records = json.loads(re.search(r'<script[^>]*id="records"[^>]*>(.*?)</script>', text, re.DOTALL)[1])
print(", ".join(records))
assert np.isclose(records["variance_left_out"], findings.variance_left_out)

# %%
# What does the report say is to be distrusted? That belongs in the paper, because a referee will find
# it.

for reason in records["reasons"] or ["nothing"]:
    print("–", reason)

# %%
# A table
# -------
#
# What functions of isthmus find has ``to_frame()``, a data frame of pandas, which writes LaTeX.

frame = findings.comparison.to_frame()
columns = {
    "method": "method",
    "variance_left_out": "variance left out",
    "test_trustworthiness": "trustworthiness",
    "neighbours_kept": "neighbours kept",
    "test_score": "accuracy",
}
print(frame[list(columns)].rename(columns=columns).to_latex(index=False, float_format="%.2f"))

# %%
# A figure
# --------
#
# The map of unseen wines beside PCA's, each with its figure of merit. ``savefig("map.pdf")`` keeps it as
# vectors.

rows, test = findings.rows, findings.test  # scaled as the report did it
pca = isthmus.LinearAutoencoder(2).fit(rows[findings.train])
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
for ax, model, name in ((left, pca, "PCA"), (right, findings.model, "this map")):
    isthmus.plot(model, rows[test], cultivar[test], ax=ax)
    share = frame.set_index("method").loc[name, "variance_left_out"]
    ax.set_title(f"{name}: {share:.0%} of unseen variance left out")
plt.show()

# %%
# A paragraph
# -----------
#
# Filled in from the run, so that it cannot go out of date.

quality, n = findings.quality, len(findings.rows)
trust = quality.trustworthiness[list(quality.k).index(10)]
of_pca = frame.set_index("method").loc["PCA", "variance_left_out"]
paragraph = f"""
Thirteen measurements of {n} wines were standardised by the training rows and mapped to two coordinates
by an auto-encoder that starts at PCA (isthmus {version("isthmus")}, Autoencoder, one hidden layer of 64
units each way, at most 100 epochs, random_state=0, other settings at their defaults; JAX
{version("jax")}). The map was fitted to {len(findings.train)} wines; cross-validation within these chose
the epoch. All figures are of the other {len(test)} wines. Of their variance the map leaves out
{findings.variance_left_out:.1%}, and PCA {of_pca:.1%}. Its trustworthiness at k = 10 is {trust:.2f}.
The dimension of the data, by neighbours and by denoisers, is {findings.dimension.answer}.
"""
print(paragraph)

# %%
# Check that it can be made again
# -------------------------------
#
# The same rows, seed and versions give the same bits on the same computer. Others differ by rounding,
# and training makes more of it. So before the paper is sent, fit the map again from the raw table, by
# what the paragraph says and nothing else, and compare. Here the wines are standardised once more, which
# rounds otherwise.

train = X.iloc[findings.train]
center, scale = train.mean().to_numpy(), train.std(ddof=0).to_numpy()
repeated = isthmus.Autoencoder(2, random_state=0, **settings).fit((train.to_numpy() - center) / scale)
Z = repeated.transform((X.to_numpy() - center) / scale)
spread = findings.coordinates.std(axis=0)
print(
    "largest difference, as a share of a coordinate's spread:",
    np.abs(Z - findings.coordinates).max(axis=0) / spread,
)
assert np.all(np.abs(Z - findings.coordinates).max(axis=0) < 0.1 * spread)
