"""Files of variational maps, with the distributions that are chosen, learnt or one's own."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_iris

import isthmus
from files.tampering import rewrite
from isthmus import ModelFileError

pytestmark = [
    pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning"),
    pytest.mark.filterwarnings("ignore::isthmus.CollapseWarning"),
]

X = load_iris().data
QUICK = {"widths": (8,), "max_epochs": 2, "batch_size": 16, "validation_fraction": 0, "random_state": 0}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "map.isthmus"


class Laplace:
    """A prior of one's own, with nothing to learn."""

    def log_density(self, z):
        return jax.scipy.stats.laplace.logpdf(z)

    def sample(self, key, n, d):
        return jax.random.laplace(key, (n, d))


class Moved(eqx.Module):
    """A prior of one's own that learns where it is."""

    where: jax.Array

    def __init__(self, place):
        self.where = jnp.full(2, place)

    def log_density(self, z):
        return jax.scipy.stats.norm.logpdf(z - self.where)

    def sample(self, key, n, d):
        return self.where + jax.random.normal(key, (n, d))


class Wide(eqx.Module):
    """Errors of one's own: a Student distribution whose width is learnt."""

    log_width: jax.Array
    freedom: float = eqx.field(static=True)

    def mean(self, output):
        return output

    def variance(self, output):
        return jnp.full_like(output, jnp.exp(2 * self.log_width))

    def log_density(self, u, output, error=None):
        scaled = (u - output) / jnp.exp(self.log_width)
        return jax.scipy.stats.t.logpdf(scaled, self.freedom) - self.log_width

    def sample(self, key, output):
        return output + jnp.exp(self.log_width) * jax.random.t(key, self.freedom, output.shape)


def wide(known):
    return Wide(jnp.zeros(()), 4.0)


GAPS = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
COUNTS = np.rint(10 * X)
VARIATIONAL = {
    "missing values, uniform, one scale each": (
        {
            "prior": isthmus.priors.Uniform(),
            "likelihood": isthmus.likelihoods.Gaussian("feature"),
            "beta": 0.5,
            "warm_up": 0.2,
        },
        GAPS,
    ),
    "mixture, counts": (
        {"prior": isthmus.priors.Mixture(2), "likelihood": isthmus.likelihoods.NegativeBinomial()},
        COUNTS,
    ),
    "counts": ({"likelihood": isthmus.likelihoods.Poisson(), "scaling": "standard"}, COUNTS),
    "coins": ({"likelihood": isthmus.likelihoods.Bernoulli()}, (X.mean(axis=0) < X).astype(float)),
    "own prior": ({"prior": Laplace(), "likelihood": isthmus.likelihoods.Gaussian(0.3)}, X),
    "own modules": ({"prior": Moved(1.0), "likelihood": wide}, X),
}
OWN = {
    "own prior": {f"{__name__}.Laplace": VARIATIONAL["own prior"][0]["prior"]},
    "own modules": {f"{__name__}.{one.__qualname__}": one for one in (Moved, Wide, wide)},
}


def answers(model, rows):
    """What a variational map can be asked: rows as many as a block has, so that little is compiled."""
    holes = np.where(np.arange(4) == 1, np.nan, rows[:60])
    return {
        "transform": model.transform(rows[:60]),
        "inverse": model.inverse_transform(model.transform(rows[:60])),
        "mean": isthmus.posterior(model, holes).mean,
        "std": isthmus.posterior(model, holes).std,
        "sample": isthmus.sample(model, 60, random_state=1),
        "likelihood": isthmus.log_likelihood(model, holes, 3, random_state=1),
        "kl": model.kl_,
        "active": model.active_,
    }


@pytest.mark.parametrize("name", VARIATIONAL)
def test_a_variational_map_comes_back_bit_for_bit(path, name):
    options, rows = VARIATIONAL[name]
    model = isthmus.VariationalAutoencoder(**QUICK | {"input_noise": 0}, **options).fit(rows)
    isthmus.save(model, path)
    if name in OWN:
        with pytest.raises(ModelFileError, match=r"custom="):
            isthmus.load(path)
    again = isthmus.load(path, custom=OWN.get(name))
    assert type(again) is isthmus.VariationalAutoencoder
    if "modules" not in name:
        assert again.get_params() == model.get_params()
    expected = answers(model, rows)
    for question, found in answers(again, rows).items():
        np.testing.assert_array_equal(found, expected[question], err_msg=question)
    shapes = [
        [np.shape(leaf) for leaf in jax.tree.leaves(one.network_, is_leaf=eqx.is_array)]
        for one in (model, again)
    ]
    assert shapes[0] == shapes[1]


@pytest.fixture(scope="module")
def variational():
    options = QUICK | {"prior": Moved(0.5), "warm_start": True}
    return isthmus.VariationalAutoencoder(**options).fit(X)


def test_what_a_prior_has_learnt_is_in_the_file(path, variational):
    learnt = np.asarray(variational.network_.pair.prior.where)
    assert not np.array_equal(learnt, [0.5, 0.5])
    isthmus.save(variational, path)
    again = isthmus.load(path, custom={f"{__name__}.Moved": Moved})
    np.testing.assert_array_equal(again.network_.pair.prior.where, learnt)
    for wrong in (Moved(0.5), Laplace, Wide):
        with pytest.raises(ModelFileError, match="expected the class with the fields where"):
            isthmus.load(path, custom={f"{__name__}.Moved": wrong})


def test_a_loaded_variational_map_goes_on_training(path, variational):
    isthmus.save(variational, path)
    again = isthmus.load(path, custom={f"{__name__}.Moved": Moved})
    assert again.fit(X).partial_fit(X).score(X) > variational.score(X) - 1


@pytest.mark.parametrize(
    ("which", "output"),
    [
        ("network_.pair.prior.where", "density"),
        ("network_.pair.likelihood.log_variance", "density"),
        ("network_.pair.encoder.log_var", "posterior"),
        ("network_.pair.decoder.path.weight", "inverse_transform"),
    ],
)
def test_every_part_of_a_variational_map_is_probed(path, variational, which, output):
    isthmus.save(variational, path)
    rewrite(
        path,
        lambda header, tensors: tensors.update({which: np.asarray(tensors[which] + np.float32(0.1))}),
    )
    with pytest.raises(ModelFileError, match=f"{output} of the probe rows changed"):
        isthmus.load(path, custom={f"{__name__}.Moved": Moved})


def test_a_variational_map_with_a_changed_byte_is_refused(path, variational):
    isthmus.save(variational, path)
    whole = path.read_bytes()
    for place in np.random.default_rng(0).integers(len(whole) // 2, len(whole), size=20):
        altered = bytearray(whole)
        altered[place] ^= 1
        path.write_bytes(altered)
        with pytest.raises(ModelFileError, match=r"altered|not readable|not an isthmus model"):
            isthmus.load(path, custom={f"{__name__}.Moved": Moved})
