"""Priors: densities and divergences against quadrature and draws, samples against their distribution."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import logsumexp

import isthmus
from isthmus.variational.divergence import GivenPrior, kl
from isthmus.variational.priors import GaussianMixture, Mixture, StandardNormal, Uniform

WALL = 3**0.5
CENTERS = [0.0, 0.8, WALL - 0.01, WALL, -WALL, WALL + 0.2, -4.0]
SPREADS = [1e-4, 0.05, 0.3, 1.0, 6.0]
N_DRAWS = 200_000
SIGMAS = 5
"""Standard errors allowed: chance exceeds five in one of two million comparisons."""

MIXTURE = GaussianMixture(
    np.array([[-1.5, 0.3], [0.2, 1.0], [1.0, -0.7]]),
    np.log(np.square([[0.3, 0.8], [1.2, 0.5], [0.6, 0.2]])),
    np.array([0.5, -0.2, 0.0]),
)
SHARES = np.exp(MIXTURE.logits - logsumexp(MIXTURE.logits))


@pytest.fixture(autouse=True)
def in_double_precision():
    with jax.enable_x64(True):
        yield


# Compiled whole: operation by operation, each would be compiled for each shape, and called slowly.


@eqx.filter_jit
def log_density(prior, z):
    return prior.log_density(z)


@eqx.filter_jit
def joint(prior, z):
    return prior(z)


@eqx.filter_jit
def divergence_from(prior, mean, log_var):
    return prior.kl(mean, log_var)


@eqx.filter_jit
def slopes_of_divergence(prior, mean, log_var):
    return jax.grad(lambda m, v: prior.kl(m, v).sum(), argnums=(0, 1))(mean, log_var)


@eqx.filter_jit
def draws(prior, key, n, d):
    return prior.sample(key, n, d)


class Wall:
    """The density of ``Uniform`` from its description, normalised by quadrature."""

    def __init__(self, half_width, edge):
        self.half_width, self.edge = half_width, edge
        flank = quad(lambda t: np.exp(-0.5 * (t / edge) ** 2), 0, 40 * edge)[0]
        self.log_volume = np.log(2 * half_width + 2 * flank)

    def logpdf(self, z):
        return -0.5 * (np.maximum(np.abs(z) - self.half_width, 0) / self.edge) ** 2 - self.log_volume

    def cdf(self, z):
        beyond = stats.norm.cdf((self.half_width - np.abs(z)) / self.edge)
        tail = np.sqrt(2 * np.pi) * self.edge * beyond * np.exp(-self.log_volume)
        inside = 0.5 + z * np.exp(-self.log_volume)
        return np.where(np.abs(z) < self.half_width, inside, np.where(z > 0, 1 - tail, tail))


PRIORS = {
    "normal": (StandardNormal(), stats.norm()),
    "uniform": (Uniform(), Wall(WALL, 0.1)),
    "narrow uniform": (Uniform(half_width=0.5, edge=0.4), Wall(0.5, 0.4)),
}


@pytest.fixture(params=PRIORS)
def prior_and_truth(request):
    return PRIORS[request.param]


def divergence(truth, mean, std):
    """KL(N(mean, std²) ‖ truth) by quadrature."""
    normal = stats.norm(mean, std)
    low, high = mean - 12 * std, mean + 12 * std
    walls = [wall for wall in (-WALL, -0.5, 0.5, WALL) if low < wall < high]
    value, error = quad(
        lambda z: normal.pdf(z) * (normal.logpdf(z) - truth.logpdf(z)),
        low,
        high,
        points=[mean, *walls],
        limit=500,
    )
    assert error < 1e-6 * max(1, abs(value))
    return value


def test_a_density_is_its_formula_and_integrates_to_one(prior_and_truth):
    prior, truth = prior_and_truth
    z = np.linspace(-6, 6, 241)[:, None]
    np.testing.assert_allclose(log_density(prior, z), truth.logpdf(z), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(joint(prior, np.hstack([z, z])), 2 * truth.logpdf(z)[:, 0], rtol=1e-9)
    total, error = quad(
        lambda t: float(np.exp(log_density(prior, np.array([t]))[0])), -9, 9, points=[-WALL, WALL]
    )
    assert error < 1e-6
    assert total == pytest.approx(1, abs=1e-6)


def test_a_divergence_is_its_integral_and_its_average_over_draws(prior_and_truth):
    prior, truth = prior_and_truth
    means, stds = (a.ravel() for a in np.meshgrid(CENTERS, SPREADS))
    found = np.asarray(divergence_from(prior, means, 2 * np.log(stds)))
    exact = [divergence(truth, mean, std) for mean, std in zip(means, stds, strict=True)]
    np.testing.assert_allclose(found, exact, rtol=1e-6, atol=1e-6)  # the error that quadrature states
    noise = np.random.default_rng(0).standard_normal((20_000, 1))
    z = means + stds * noise
    each = stats.norm(means, stds).logpdf(z) - truth.logpdf(z)
    error = each.std(axis=0) / np.sqrt(len(z))
    assert np.all(np.abs(each.mean(axis=0) - found) < SIGMAS * error + 1e-9)


def test_the_divergence_of_the_normal_prior_from_itself_is_zero():
    assert float(divergence_from(StandardNormal(), np.zeros(1), np.zeros(1))[0]) == 0


def test_divergences_are_positive_and_convex(prior_and_truth):
    """z = μ + σ ε is linear in (μ, σ), −log p is convex here, and so is −log σ: so is their sum."""
    prior, _ = prior_and_truth
    rng = np.random.default_rng(0)
    means, stds = rng.normal(0, 3, (2, 5000)), np.exp(rng.normal(-1, 1.5, (2, 5000)))
    ends = np.asarray(divergence_from(prior, means, 2 * np.log(stds)))
    middle = np.asarray(divergence_from(prior, means.mean(axis=0), 2 * np.log(stds.mean(axis=0))))
    assert np.all(ends >= 0)
    assert np.all(middle <= ends.mean(axis=0) * (1 + 1e-12) + 1e-12)


def test_the_uniform_prior_lets_mu_go_free_and_keeps_sigma_from_zero():
    prior = Uniform()
    mean, log_var = np.linspace(-1.6, 1.6, 9), np.full(9, -8.0)
    # Well inside, KL is log V − the entropy of q, wherever μ is ...
    box = np.log(2 * WALL + np.sqrt(2 * np.pi) * 0.1) - stats.norm(scale=np.exp(-4)).entropy()
    np.testing.assert_allclose(divergence_from(prior, mean, log_var), box, rtol=1e-6)
    # ... and grows by ½ with every −1 in log σ², without bound.
    smaller = divergence_from(prior, mean, log_var - 10)
    np.testing.assert_allclose(smaller, box + 5, rtol=1e-6)
    _, slope = slopes_of_divergence(prior, mean, log_var - 10)
    np.testing.assert_allclose(slope, -0.5, rtol=1e-6)


def test_a_uniform_prior_becomes_a_box_where_its_edge_is_thin():
    thin = Uniform(half_width=1.0, edge=1e-6)
    z = np.array([[-0.99, 0.5, 0.99]])
    np.testing.assert_allclose(log_density(thin, z), stats.uniform(-1, 2).logpdf(z), atol=1e-5)
    assert log_density(thin, np.array([1.001]))[0] < -1e5


def test_divergences_in_single_precision():
    """log σ² is clipped to ±30 by the encoder, and μ may lie far out: no overflow, no NaN."""
    mean, log_var = np.meshgrid([-1e4, -30, -2, 0, 1, 1.732, 30, 1e4], [-30.0, 0.0, 30.0])
    mean, log_var = mean.ravel(), log_var.ravel()
    for prior in (StandardNormal(), Uniform()):
        exact = np.asarray(divergence_from(prior, mean, log_var))
        with jax.enable_x64(False):
            single = mean.astype(np.float32), log_var.astype(np.float32)
            np.testing.assert_allclose(divergence_from(prior, *single), exact, rtol=2e-5, atol=1e-5)
            assert all(np.isfinite(one).all() for one in slopes_of_divergence(prior, *single))
        assert np.isfinite(exact).all()


def mixture_logpdf(z):
    parts = [
        stats.multivariate_normal(mean, np.diag(np.exp(log_var))).logpdf(z)
        for mean, log_var in zip(MIXTURE.means, MIXTURE.log_vars, strict=True)
    ]
    return logsumexp(np.stack(parts, axis=-1), b=SHARES, axis=-1)


def test_a_mixture_sums_over_its_coordinates_to_the_joint_density():
    z = np.random.default_rng(0).normal(0, 2, (50, 4, 2))
    each = np.asarray(log_density(MIXTURE, z))
    assert each.shape == z.shape
    np.testing.assert_allclose(each.sum(axis=-1), mixture_logpdf(z), rtol=1e-10)
    np.testing.assert_allclose(joint(MIXTURE, z), mixture_logpdf(z), rtol=1e-10)


def test_each_coordinate_of_a_mixture_has_a_density_given_those_before():
    for first in (-2.0, 0.0, 1.0):
        for coordinate in (0, 1):

            def density(t, first=first, coordinate=coordinate):
                z = np.array([t, 0.0] if coordinate == 0 else [first, t])
                return float(np.exp(log_density(MIXTURE, z)[coordinate]))

            total, error = quad(density, -9, 9, points=[-1.5, -0.7, 0.2, 1.0], limit=200)
            assert error < 1e-6
            assert total == pytest.approx(1, abs=1e-6)


def test_a_mixture_that_vanishes_in_single_precision_has_the_density_zero():
    """Far out the conditional densities would be differences of infinities."""
    far = np.array([[1e25, 0.0], [0.0, -1e25], [1e25, 1e25], [1.0, 0.0]], np.float32)
    with jax.enable_x64(False):
        prior = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), MIXTURE)
        each, total = np.asarray(log_density(prior, far)), np.asarray(joint(prior, far))
        slope = jax.grad(lambda z: log_density(prior, z)[3].sum())(jnp.asarray(far))
    assert not np.isnan(each).any()
    assert np.isneginf(total).tolist() == [True, True, True, False]
    assert np.isfinite(slope[3]).all()
    np.testing.assert_allclose(total[3], mixture_logpdf(far[3]), rtol=1e-5)


def test_the_divergence_from_a_mixture_is_estimated_without_bias():
    """KL is a sum over coordinates of what draws say, each with the error of its mean."""
    mean, log_var = np.array([0.3, -0.4]), np.log(np.square([0.5, 0.2]))
    noise = np.random.default_rng(0).standard_normal((N_DRAWS, 2))
    drawn = np.asarray(kl(MIXTURE, mean, log_var, mean + np.exp(log_var / 2) * noise))
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    grid = np.stack(np.meshgrid(nodes, nodes), axis=-1) * np.exp(log_var / 2) + mean
    weight = np.outer(weights, weights) / (2 * np.pi)
    normal = stats.multivariate_normal(mean, np.diag(np.exp(log_var)))
    exact = -normal.entropy() - np.sum(weight * mixture_logpdf(grid))
    total = drawn.sum(axis=1)
    # log q is replaced by minus its entropy, so the spread is that of log p alone.
    assert abs(total.mean() - exact) < SIGMAS * total.std() / np.sqrt(N_DRAWS)


@pytest.mark.usefixtures("optimised_programs")
def test_a_mixture_begins_as_about_the_standard_normal():
    start = Mixture(500)(np.random.default_rng(0), 2)
    # Means vary by ¼ and parts by ¾; 500 means leave an error of ½/√500, and of ¼ √(2/500), next to
    # which that of the draws is small.
    z = np.asarray(draws(start, jax.random.key(0), 20_000, 2))
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=SIGMAS * 0.5 / np.sqrt(500))
    np.testing.assert_allclose(np.cov(z.T), np.eye(2), atol=SIGMAS * 0.25 * np.sqrt(2 / 500))


@pytest.mark.parametrize("name", PRIORS)
def test_samples_follow_the_density(name):
    prior, truth = PRIORS[name]
    z = np.asarray(draws(prior, jax.random.key(1), 5000, 2))
    assert z.shape == (5000, 2)
    for coordinate in z.T:
        # A p-value below 1e-4 has chance 1e-4; the seed is fixed.
        assert stats.kstest(coordinate, truth.cdf).pvalue > 1e-4
    assert abs(np.corrcoef(z.T)[0, 1]) < SIGMAS / np.sqrt(5000)


def test_samples_of_a_mixture_follow_its_marginals_and_its_covariance():
    z = np.asarray(draws(MIXTURE, jax.random.key(1), 20_000, 2))
    stds = np.exp(MIXTURE.log_vars / 2)
    for k in (0, 1):
        parts = stats.norm(MIXTURE.means[:, k], stds[:, k])
        assert stats.kstest(z[:, k], lambda t, parts=parts: parts.cdf(t[:, None]) @ SHARES).pvalue > 1e-4
    mean = SHARES @ MIXTURE.means
    mixed = np.einsum("j,jk,jl->kl", SHARES, MIXTURE.means - mean, MIXTURE.means - mean)[0, 1]
    products = np.prod(z - z.mean(axis=0), axis=1)
    assert abs(products.mean() - mixed) < SIGMAS * products.std() / np.sqrt(len(z))


# Priors of one's own


class TwoMethods:
    """N(0, 1) by someone who knows no closed form."""

    def log_density(self, z):
        return jax.scipy.stats.norm.logpdf(z)

    def sample(self, key, n, d):
        return jax.random.normal(key, (n, d))


class ThreeMethods(TwoMethods):
    def kl(self, mean, log_var):
        return StandardNormal().kl(mean, log_var)


def test_a_prior_of_ones_own_uses_its_closed_form_if_it_has_one():
    mean, log_var = np.array([0.3, -2.0]), np.array([-1.0, 0.4])
    closed = StandardNormal().kl(mean, log_var)
    z = mean + np.exp(log_var / 2) * np.random.default_rng(0).standard_normal((N_DRAWS, 2))
    with_form = kl(GivenPrior(ThreeMethods()), mean, log_var, z)
    np.testing.assert_array_equal(with_form, closed)
    drawn = np.asarray(kl(GivenPrior(TwoMethods()), mean, log_var, z))
    error = drawn.std(axis=0) / np.sqrt(N_DRAWS)
    assert np.all(np.abs(drawn.mean(axis=0) - closed) < SIGMAS * error)


def arc(n=300):
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 3, n)
    clean = np.stack([np.cos(angle), np.sin(angle), angle], axis=1)
    return clean + 0.05 * rng.standard_normal(clean.shape)


def test_a_prior_of_ones_own_is_fitted_with():
    options = {"widths": (8,), "max_epochs": 20, "validation_fraction": 0, "random_state": 0}
    with jax.enable_x64(False):
        closed, drawn = (
            isthmus.VariationalAutoencoder(1, prior=prior, **options).fit(arc()).score(arc())
            for prior in (StandardNormal(), TwoMethods())
        )
    # Draws instead of the closed form are noise in the gradient: a few hundredths of a nat.
    assert drawn == pytest.approx(closed, abs=0.15)


def test_a_uniform_prior_fills_its_box_and_leaves_sigma_alive():
    with jax.enable_x64(False):
        model = isthmus.VariationalAutoencoder(
            1,
            prior=Uniform(),
            widths=(16,),
            max_epochs=60,
            input_noise=0.0,
            validation_fraction=0,
            random_state=0,
        ).fit(arc())
        mean, std = isthmus.posterior(model, arc())
    # An angle drawn uniformly becomes a coordinate that is uniform on the box, up to the edge's width.
    assert np.abs(mean).max() < WALL + 0.3
    assert np.std(mean) == pytest.approx(1.0, abs=0.15)
    # Noise of 0.05 hides the angle by 0.05/√2, where 3 of it are 2√3 of the coordinate: no honest σ is
    # smaller, by more than the error of the fit.
    assert np.median(std) > 0.8 * 0.05 / np.sqrt(2) * 2 * WALL / 3


# Refusals


@pytest.mark.parametrize("prior", [None, "normal", StandardNormal, 3, object()])
def test_what_is_no_prior_is_refused(prior):
    with pytest.raises(TypeError, match="expected a prior such as"):
        isthmus.VariationalAutoencoder(1, prior=prior, widths=(4,), max_epochs=1).fit(arc(30))


@pytest.mark.parametrize(
    "changes", [{"half_width": 0}, {"edge": -1.0}, {"edge": np.inf}, {"edge": True}]
)
def test_a_box_needs_positive_sides(changes):
    with pytest.raises(ValueError, match=r"Uniform\(.*positive number"):
        Uniform(**changes)


@pytest.mark.parametrize("n", [0, -1, 2.0, True])
def test_a_mixture_needs_a_part(n):
    with pytest.raises(ValueError, match="an integer of at least 1"):
        Mixture(n)


def test_a_mixture_takes_any_integer():
    assert Mixture(np.int64(3)) == Mixture(3)
    assert type(Mixture(np.int64(3)).n) is int
