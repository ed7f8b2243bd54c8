r"""
Spectra with error bars
=======================

A survey has taken spectra of 1 200 galaxies. The pipeline gives with every flux its standard deviation:
some exposures are short, and at some wavelengths the sky is bright. A map that takes all entries as
equally good learns the sky. This page hands the error bars to the map, and asks by :math:`\chi^2`
whether spectra and errors go together.
"""

import matplotlib.pyplot as plt
import numpy as np

import isthmus

# %%
# Spectra whose truth is known
# ----------------------------
#
# A continuum of some slope, a break whose depth is the age, and three emission lines, whose strengths
# and common shift vary.

rng = np.random.default_rng(0)
n, wave = 1200, np.linspace(400, 700, 100)  # nanometres
slope, age, lines = rng.normal(0, 0.4, n), rng.uniform(0, 1, n), rng.lognormal(-0.5, 0.6, n)
shift = rng.normal(0, 4, n)


def spectrum(slope, age, lines, shift):
    continuum = 1 + slope * (wave - 550) / 150
    step = 1 - 0.5 * age / (1 + np.exp((wave - 450 - shift) / 6))
    emission = [
        s * np.exp(-0.5 * ((wave - w - shift) / 5) ** 2) for w, s in ((486, 0.4), (500, 1.0), (656, 1.3))
    ]
    return continuum * step + lines * sum(emission)


exact = np.stack([spectrum(*row) for row in zip(slope, age, lines, shift, strict=True)])  # (1200, 100)

# %%
# The errors: the exposure differs from spectrum to spectrum by a factor of ten, and there are two bands
# of bright sky.

exposure = np.exp(rng.uniform(np.log(0.03), np.log(0.3), n))
sky = 1 + 12 * np.exp(-0.5 * ((wave - 558) / 5) ** 2) + 8 * np.exp(-0.5 * ((wave - 630) / 8) ** 2)
error = exposure[:, None] * sky  # (1200, 100): a standard deviation for each entry
X = exact + error * rng.standard_normal(exact.shape)
train, new = slice(0, 900), slice(900, None)

# %%
# Errors go in as ``x_error``
# ---------------------------
#
# :class:`isthmus.VariationalAutoencoder` takes one number, one for each column, or one for each entry.
# Their squares add to the variance of the likelihood, so that an uncertain entry counts for less. What
# the likelihood learns besides, :math:`\sigma^2`, is what the errors and the coordinates leave
# unexplained:
#
# .. math:: x_{ij} \sim N\bigl(\hat{x}_j(z_i),\; \sigma^2 + \epsilon_{ij}^2\bigr) .
#
# The model does not keep the errors. They belong to rows, and are passed again wherever rows are.

model = isthmus.VariationalAutoencoder(4, widths=(64,), max_epochs=300, random_state=0)
model.fit(X[train], x_error=error[train])
x_hat = model.inverse_transform(model.transform(X[new], x_error=error[new]))
pca = isthmus.denoise(isthmus.LinearAutoencoder(4).fit(X[train]), X[new])

# %%
# How far from the true spectra are the restored ones? Nobody has these in practice, and here they are
# known.

off = {"as observed": X[new], "PCA, without errors": pca, "with errors": x_hat}
rmse = {name: np.sqrt(np.mean((rows - exact[new]) ** 2)) for name, rows in off.items()}
for name, value in rmse.items():
    print(f"{name:19}: {value:.3f} from the truth")
assert rmse["with errors"] < 0.7 * rmse["PCA, without errors"]

# %%
# The :math:`\chi^2` check
# ------------------------
#
# The sum of :math:`(x - \hat{x})^2/\epsilon^2` over a spectrum is about the number of its entries, less
# the number of coordinates that were fitted to it, if the model is right and the errors are. Much more
# says that something in the spectrum is not in the model, or that errors are too small; much less, that
# they are too large. These are spectra that the map has not seen.

freedom = len(wave) - model.n_components_
chi2 = np.sum(((X[new] - x_hat) / error[new]) ** 2, axis=1) / freedom
chi2_pca = np.sum(((X[new] - pca) / error[new]) ** 2, axis=1) / freedom
print(f"χ² per degree of freedom, median: {np.median(chi2):.2f}, by PCA {np.median(chi2_pca):.2f}")
assert 0.8 < np.median(chi2) < 1.3

# %%
# And it finds what does not belong. A star among the galaxies, or a cosmic ray, is many entries off, or
# one entry far off.

struck = X[new].copy()
struck[:5, 70] += 30 * error[new][:5, 70]
again = model.inverse_transform(model.transform(struck, x_error=error[new]))
chi2_struck = np.sum(((struck - again) / error[new]) ** 2, axis=1) / freedom
print("χ² of five spectra that a cosmic ray struck:", np.round(chi2_struck[:5], 1))
assert chi2_struck[:5].min() > np.quantile(chi2, 0.99)

# %%
# How sure is a coordinate?
# -------------------------
#
# :func:`isthmus.posterior` takes the errors, too. A short exposure leaves the coordinates less sure.

sure = isthmus.posterior(model, X[new], x_error=error[new]).std.mean(axis=1)
rank = np.corrcoef(np.argsort(np.argsort(sure)), np.argsort(np.argsort(exposure[new])))[0, 1]
print(f"rank correlation of a row's error bar on the map with its exposure's error: {rank:.2f}")
assert rank > 0.8

i = int(np.argsort(exposure[new])[225])  # worse than three quarters of the others
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.9), layout="constrained", width_ratios=(2, 1))
left.errorbar(
    wave, X[new][i], error[new][i], fmt=".", color=isthmus.plots.FAINT, elinewidth=0.8, label="observed"
)
left.plot(wave, pca[i], color=isthmus.plots.WARM, label="PCA")
left.plot(wave, x_hat[i], color=isthmus.plots.OURS, linewidth=2, label="map with errors")
left.plot(wave, exact[new][i], "k--", linewidth=1, label="truth")
left.set(xlabel="wavelength / nm", ylabel="flux", title="An unseen spectrum, restored", ylim=(-1, 4))
left.legend(frameon=False, ncols=2, fontsize=9)
bins = np.linspace(0, 3, 31)
right.hist(chi2, bins, color=isthmus.plots.OURS, alpha=0.8, label="with errors")
right.hist(chi2_pca, bins, histtype="step", color="black", label="PCA")
right.axvline(1, color="black", linestyle="--", linewidth=1)
right.set(xlabel="χ² per degree of freedom", ylabel="unseen spectra", title="Errors and model agree")
right.legend(frameon=False)
plt.show()

# %%
# :func:`isthmus.impute` takes ``x_error`` too, and completes a spectrum in which a band is missing
# (:doc:`missing_data`). :func:`isthmus.log_likelihood` takes it as well, and says how likely a spectrum
# is, given its errors and :math:`\sigma`. For rows in files that do not fit into memory there may be one
# error for each column (:doc:`/larger_than_memory`).
