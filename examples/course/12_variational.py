r"""
12. Variational auto-encoders
=============================

A denoiser needs noise that somebody has chosen. A variational auto-encoder puts the noise into the
bottleneck, and learns how much of it each row may have. What comes out is a map with an uncertainty for
each coordinate, and a model of the data from which new rows can be drawn.
"""

# %%
# The idea
# --------
#
# The encoder gives two numbers for each coordinate of a row, a mean :math:`\mu` and a standard deviation
# :math:`\sigma`. The coordinate is drawn from this normal distribution, and the decoder must restore the
# row from the draw. In order that the loss has a derivative, the draw is written as
#
# .. math:: z = \mu(x) + \sigma(x) \, \varepsilon, \qquad \varepsilon \sim N(0, 1) ,
#
# so that the randomness is in :math:`\varepsilon`, which does not depend on the weights (the
# *reparameterisation*). On its own, the error of restoring rows would be least with :math:`\sigma = 0`,
# which is the auto-encoder of :doc:`lesson 9 <09_autoencoders>` again. A *prior*, a density where
# coordinates are expected, keeps it from that. With the prior :math:`N(0, 1)` the loss of a row is
#
# .. math::
#
#    L = \mathrm{E}_{\varepsilon} \left[ -\log p(x \mid z) \right] +
#    \frac{1}{2} \sum_{k=1}^{d} \left( \mu_k^2 + \sigma_k^2 - \log \sigma_k^2 - 1 \right) .
#
# The second term is the Kullback–Leibler divergence of :math:`N(\mu, \sigma^2)` from the prior. It is
# zero for :math:`\mu = 0`, :math:`\sigma = 1`, and infinite for :math:`\sigma = 0`. The whole is a bound
# on the density of the data (the *evidence lower bound*, with a minus): :math:`-L \leq \log p(x)`.
#
# .. admonition:: Often written otherwise
#
#    The divergence is sometimes given as :math:`\frac{1}{2} \sum (\mu^2 + \sigma^2 - \log \sigma)`. The
#    logarithm is that of :math:`\sigma^2`, without which the minimum is not at :math:`\sigma = 1`, and
#    the :math:`-1` makes the minimum zero. And the square :math:`(\hat{x} - x)^2` is
#    :math:`-\log p(x \mid z)` only up to the noise's variance, which sets its weight beside the
#    divergence. isthmus learns that variance.
#
# Both formulas are checked by an integral over a fine grid.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import norm
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

import isthmus

z = np.linspace(-12, 12, 200_001)
for prior in (isthmus.priors.StandardNormal(), isthmus.priors.Uniform()):
    log_prior = np.asarray(prior.log_density(z), float)
    for mean, std in ((0.0, 1.0), (1.3, 0.4), (-0.5, 0.05)):
        density = norm.pdf(z, mean, std)
        integral = np.trapezoid(density * (norm.logpdf(z, mean, std) - log_prior), z)
        formula = float(prior.kl(np.float32(mean), np.float32(2 * np.log(std))))
        name = type(prior).__name__
        print(f"{name:14} μ = {mean:4}, σ = {std:4}: {formula:.4f}, integral {integral:.4f}")
        assert np.isclose(formula, integral, atol=2e-3)

mean, std = 1.3, 0.4
assert np.isclose(
    0.5 * (mean**2 + std**2 - np.log(std**2) - 1),
    float(isthmus.priors.StandardNormal().kl(np.float32(mean), np.float32(2 * np.log(std)))),
)

# %%
# The second prior is flat: the mean may be anywhere in a box at no cost, and :math:`-\log \sigma` alone
# keeps :math:`\sigma` from zero. :class:`isthmus.priors.Uniform` makes it proper by letting it fall off
# smoothly at the walls; ``prior=isthmus.priors.Uniform()`` takes it.
#
# A map with its uncertainty
# --------------------------

X, y = load_digits(return_X_y=True)
model = isthmus.VariationalAutoencoder(2, widths=(64,), random_state=0).fit(X)
mean, std = isthmus.posterior(model, X)  # (1797, 2) each
half = np.where(np.arange(64) < 32, X, np.nan)  # the lower half of each image is missing
std_half = isthmus.posterior(model, half).std
print(f"σ at the median: {np.median(std, axis=0)}")
print(f"σ if half of the image is missing: {np.median(std_half, axis=0)}")
print(f"the divergence of each coordinate, in nats: {model.kl_}")
assert np.median(std) < 0.5
assert np.mean(std_half > std) > 0.8

drawn = model.inverse_transform(isthmus.sample_prior(model, 100, random_state=0))
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained")
some = slice(0, 600)
isthmus.plots.posterior_map(left, mean[some], std[some], y[some])
left.set(title="Each digit is an ellipse of μ ± σ", xlabel="coordinate 0", ylabel="coordinate 1")
isthmus.plots.image_grid(right, np.maximum(drawn, 0), (8, 8), n_across=10)
right.set_title("Decoded draws from the prior")
plt.show()

# %%
# :func:`isthmus.posterior` gives :math:`\mu` and :math:`\sigma`, and takes missing entries: of a row of
# which less is known, the coordinates are less sure. Because the coordinates of all rows together look
# like the prior, a draw from the prior decodes to something like the data. Two coordinates hold little
# of a digit, so that some draws lie between two classes. :func:`isthmus.sample` adds the noise of the
# pixels.
#
# The linear case is probabilistic PCA
# ------------------------------------
#
# Without hidden layers everything is known. The best linear decoder, with the matrix :math:`W` and noise
# of variance :math:`s^2`, and the best encoder make the model :math:`x \sim N(\bar{x}, W W^\top + s^2)`,
# which is probabilistic PCA (Tipping & Bishop 1999), and the bound is then exact (Lucas et al. 2019).
# Training starts there and can find nothing better, of which isthmus would warn. scikit-learn's PCA has
# the same density.

with warnings.catch_warnings():
    warnings.simplefilter("ignore", isthmus.NoImprovementWarning)
    linear = isthmus.VariationalAutoencoder(5, widths=(), max_epochs=10, random_state=0).fit(X)
ours = isthmus.log_likelihood(linear, X, random_state=0)
theirs = PCA(5).fit(X).score_samples(X)
print(f"mean log density: {ours.mean():.3f} nats, by scikit-learn's PCA {theirs.mean():.3f}")
print(f"largest difference of a row: {abs(ours - theirs).max():.3f}")
assert np.allclose(ours, theirs, atol=0.05)

# %%
# Exercise
# --------
#
# One coordinate, a linear decoder :math:`\hat{x} = a z` with Gaussian noise of variance :math:`s^2`, and
# a weight :math:`\beta` of the divergence. Which :math:`\sigma` does the loss like best, and what does
# the prior do?
#
# .. admonition:: Solution
#    :class: dropdown
#
#    The part of the loss with :math:`\sigma` is
#    :math:`\frac{a^2 \sigma^2}{2 s^2} + \frac{\beta}{2} (\sigma^2 - \log \sigma^2)`. Its derivative is
#    zero at :math:`\sigma^2 = \frac{\beta}{\beta + a^2 / s^2}`. Without a prior, :math:`\beta = 0`, the
#    noise vanishes. With it, a coordinate that says much (:math:`a \gg s`) has little noise, and one
#    that says nothing (:math:`a = 0`) has :math:`\sigma = 1`: it is left as the prior has it, and can be
#    dropped.

for a, s, beta in ((3.0, 0.5, 1.0), (0.1, 0.5, 1.0), (3.0, 0.5, 1e-4)):
    best = minimize_scalar(
        lambda v, a=a, s=s, beta=beta: a**2 * v / (2 * s**2) + beta / 2 * (v - np.log(v)),
        bounds=(1e-9, 2),
        method="bounded",
        options={"xatol": 1e-10},
    ).x
    print(f"a = {a}, s = {s}, β = {beta:g}: σ² = {best:.2g}")
    assert np.isclose(best, beta / (beta + a**2 / s**2), rtol=1e-2)
