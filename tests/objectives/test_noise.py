"""Each noise against what it promises: in raw units, under every scaling, whatever its draws."""

import pickle
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import kstest
from sklearn.base import clone

import isthmus
from isthmus.data.scaling import Scaling
from isthmus.objectives import noise as noise_module
from isthmus.objectives.composition import Compose
from isthmus.objectives.corruption import bind
from isthmus.objectives.image_jitter import ImageJitter
from isthmus.objectives.noise import Gaussian, Masking, Neighbours, SaltAndPepper
from isthmus.objectives.reconstruction import Reconstruction
from isthmus.training.random import key_of
from objectives.noisy_rows import KEY, SIGMAS, corrupt, training_rows

RNG = np.random.default_rng(0)
SCALINGS = [None, "standard", "range"]
N = 20_000
X = RNG.uniform(-1, 1, (N, 3)) * [0.5, 1.0, 30.0] + [5.0, 0.0, -100.0]
ROUNDING = 1e-6 * np.abs(X).max(axis=0)
"""Of raw values that were scaled in float32, eight digits after the point."""


# Entry by entry


@pytest.mark.parametrize("scaling", SCALINGS)
def test_gaussian_noise_has_its_share_of_each_features_spread(scaling):
    ε = (corrupt(Gaussian(0.3), training_rows(X, scaling)) - X) / (0.3 * X.std(axis=0, ddof=1))
    # Standard errors of a mean, 1/√n, of a standard deviation, 1/√2n, and of a correlation, 1/√n.
    np.testing.assert_allclose(ε.mean(axis=0), 0.0, atol=SIGMAS / np.sqrt(N))
    np.testing.assert_allclose(ε.std(axis=0), 1.0, atol=SIGMAS / np.sqrt(2 * N))
    np.testing.assert_allclose(np.corrcoef(ε.T), np.eye(3), atol=SIGMAS / np.sqrt(N))
    np.testing.assert_allclose(np.mean(ε[1:] * ε[:-1], axis=0), 0.0, atol=SIGMAS / np.sqrt(N))
    assert kstest(ε.ravel(), "norm").pvalue > 1e-4


def test_a_feature_without_spread_gets_no_gaussian_noise():
    flat = np.c_[X[:50], np.full(50, 7.0)]
    np.testing.assert_array_equal(corrupt(Gaussian(1.0), training_rows(flat))[:, 3], 7.0)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("value", [None, 0.0, 12.5])
def test_masking_puts_its_value_at_its_share_of_the_entries(scaling, value):
    noisy = corrupt(Masking(0.25, value), training_rows(X, scaling))
    masked = np.abs(noisy - X) > ROUNDING
    expected = np.broadcast_to(X.mean(axis=0) if value is None else value, X.shape)
    assert np.all(np.abs(noisy - expected)[masked] < np.broadcast_to(ROUNDING, X.shape)[masked])
    # Standard error of a frequency: √(p(1 − p)/n). A feature's own value near the mask: 1 in 10⁵.
    error = np.sqrt(0.25 * 0.75 / N)
    np.testing.assert_allclose(masked.mean(axis=0), 0.25, atol=SIGMAS * error)
    assert np.mean(masked[:, 0] & masked[:, 1]) == pytest.approx(0.25**2, abs=SIGMAS * error)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_salt_and_pepper_put_the_extremes_in_equal_shares(scaling):
    noisy = corrupt(SaltAndPepper(0.1), training_rows(X, scaling))
    changed = np.abs(noisy - X) > ROUNDING
    low, high = (
        changed & (np.abs(noisy - extreme) < ROUNDING) for extreme in (X.min(axis=0), X.max(axis=0))
    )
    np.testing.assert_array_equal(low | high, changed)
    error = np.sqrt(0.05 * 0.95 / N)
    np.testing.assert_allclose(low.mean(axis=0), 0.05, atol=SIGMAS * error)
    np.testing.assert_allclose(high.mean(axis=0), 0.05, atol=SIGMAS * error)


@pytest.mark.parametrize("noise", [Gaussian(0.0), Masking(0.0), SaltAndPepper(0.0), Neighbours(3, 0.0)])
def test_no_noise_is_none_to_the_last_bit(noise):
    data = training_rows(X[:100])
    corruption, aside = bind(noise, data)
    u = data.rows[:]
    np.testing.assert_array_equal(corruption(u, np.zeros((100, 0)) if aside is None else aside, KEY), u)


def test_all_entries_can_be_replaced():
    data = training_rows(X[:100])
    np.testing.assert_allclose(corrupt(Masking(1.0, 3.0), data), 3.0, atol=ROUNDING.max())
    peppered = corrupt(SaltAndPepper(1.0), data)
    ends = np.stack([X[:100].min(axis=0), X[:100].max(axis=0)])
    np.testing.assert_allclose(np.abs(peppered - ends[:, None]).min(axis=0), 0.0, atol=ROUNDING.max())


# Along the data

CLOUD = np.random.default_rng(1).standard_normal((60, 4)) * [1.0, 1.0, 1.0, 20.0]


def nearest_others(X, scaling, k, reference):
    """Numbers of the k nearest rows among ``reference`` by brute force, the row itself left out."""
    u = Scaling.fit(scaling, X)(X).astype(np.float64)
    distance = cdist(u, u[reference])
    distance[np.arange(len(X))[:, None] == reference] = np.inf
    return np.asarray(reference)[np.argsort(distance, axis=1)[:, :k]]


def steps_towards(X, noisy, neighbours):
    """For each row the neighbour, of those given, that it moved towards, and the share of the way."""
    way, moved = X[neighbours] - X[:, None], (noisy - X)[:, None]
    share = np.sum(way * moved, axis=-1) / np.sum(way**2, axis=-1)
    off = np.linalg.norm(moved - share[..., None] * way, axis=-1) / np.linalg.norm(way, axis=-1)
    which, rows = off.argmin(axis=1), np.arange(len(X))
    # float32 rounding of scaled values of size 3, over the whole way.
    assert off[rows, which].max() < 1e-4
    return which, share[rows, which]


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("reach", [1.0, 0.4])
def test_a_row_moves_part_of_the_way_to_one_of_its_true_neighbours(scaling, reach):
    expected = nearest_others(CLOUD, scaling, 4, np.arange(60))
    data = training_rows(CLOUD, scaling)
    np.testing.assert_array_equal(Neighbours(4).bind(data)[1], expected)
    draws = [
        steps_towards(CLOUD, corrupt(Neighbours(4, reach), data, key), expected)
        for key in jax.random.split(KEY, 50)
    ]
    which, share = (np.concatenate(parts) for parts in zip(*draws, strict=True))
    assert share.min() > -1e-4
    assert share.max() < reach + 1e-4
    # 3000 draws: a uniform share and choice, with the errors of a mean and of a frequency.
    assert share.mean() == pytest.approx(reach / 2, abs=SIGMAS * reach / np.sqrt(12 * 3000))
    frequency = np.bincount(which, minlength=4) / 3000
    np.testing.assert_allclose(frequency, 0.25, atol=SIGMAS * np.sqrt(0.25 * 0.75 / 3000))


def test_rows_held_out_move_towards_rows_of_the_training_and_never_the_reverse():
    train_rows = np.setdiff1d(np.arange(60), np.arange(0, 60, 7))
    data = training_rows(CLOUD, None, train_rows)
    expected = nearest_others(CLOUD, None, 5, train_rows)
    noisy = corrupt(Neighbours(5), data)
    np.testing.assert_array_equal(train_rows[Neighbours(5).bind(data)[1].astype(int)], expected)
    steps_towards(CLOUD, noisy, expected)


@pytest.mark.parametrize("n_reference", [2, 7, 30, 59, 60, 1000])
def test_neighbours_come_from_as_many_evenly_spaced_rows_as_asked_for(n_reference):
    data = training_rows(CLOUD)
    corruption, nearest = Neighbours(3, n_reference=n_reference).bind(data)
    m = min(n_reference, 60)
    assert corruption.reference.shape == (m, 4)
    chosen = np.flatnonzero((data.rows[:] == corruption.reference[:, None]).all(axis=-1).any(axis=0))
    assert len(chosen) == m
    assert np.ptp(np.diff(chosen)) <= 1
    k = min(3, m - 1)
    np.testing.assert_array_equal(chosen[nearest.astype(int)], nearest_others(CLOUD, None, k, chosen))


def test_no_reference_has_more_rows_than_single_precision_can_number(monkeypatch):
    monkeypatch.setattr(noise_module, "MOST_NUMBERED", 8)
    corruption, nearest = Neighbours(3).bind(training_rows(CLOUD))
    assert len(corruption.reference) == 8
    assert nearest.max() < 8


def test_a_row_with_twins_is_not_its_own_neighbour():
    """Nor are its copies, exact or rounded: its neighbours are those that it has without them."""
    once = CLOUD[:12]
    twins = np.repeat(once, 5, axis=0) * (1 + 1e-7 * np.tile([0, 0, 1, -1, 0], 12)[:, None])
    for k in (1, 3, 4):
        _, nearest = Neighbours(k).bind(training_rows(twins))
        _, expected = Neighbours(k).bind(training_rows(once))
        np.testing.assert_array_equal(nearest, np.repeat(expected, 5, axis=0))


def test_more_neighbours_than_rows_are_all_the_others():
    _, nearest = Neighbours(100).bind(training_rows(CLOUD[:5]))
    assert nearest.shape == (5, 4)
    for row, others in enumerate(nearest):
        assert set(others) == set(range(5)) - {row}


# Functions, and one after the other


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_function_sees_raw_units_and_gives_raw_units(scaling):
    rounded = corrupt(lambda x, key: jnp.round(x), training_rows(X, scaling))
    # A value within rounding of a half may go either way.
    sure = np.abs(X % 1 - 0.5) > 1e-4
    np.testing.assert_allclose(rounded[sure], np.round(X)[sure], atol=ROUNDING.max())
    data = training_rows(X + 1e6, scaling)
    corruption, _ = bind(lambda x, key: x, data)
    np.testing.assert_array_equal(
        corruption(data.rows[:], np.zeros((len(data.rows[:]), 0), np.float32), KEY), data.rows[:]
    )


def test_noises_follow_one_another_in_order():
    data = training_rows(X[:100])
    plus, times = (lambda x, key: x + 10.0), (lambda x, key: 2.0 * x)
    for noises, expected in (([plus, times], 2 * X + 20), ([times, plus], 2 * X + 10)):
        found = corrupt(Compose(noises), data)
        np.testing.assert_allclose(found, expected[:100], atol=3 * ROUNDING.max())


def test_noises_in_turn_draw_independently():
    data = training_rows(X)
    both = corrupt(Compose([Gaussian(0.3), Compose([Gaussian(0.4), Gaussian(0.0)])]), data) - X
    # Variances add, 0.3² + 0.4² = 0.5²; one draw for both would give 0.7. Standard error 1/√2n.
    spread = both.std(axis=0) / X.std(axis=0)
    np.testing.assert_allclose(spread, 0.5, rtol=SIGMAS / np.sqrt(2 * N))


@pytest.mark.parametrize("first", [0, 1])
def test_each_noise_in_turn_finds_its_own_numbers_beside_the_row(first):
    still, moving = Neighbours(2, reach=0.0), Neighbours(6)
    noises = [still, Compose([Gaussian(0.0), moving])] if first else [moving, Gaussian(0.0), still]
    data = training_rows(CLOUD)
    corruption, aside = bind(Compose(noises), data)
    assert corruption.n_aside == aside.shape[1] == 8
    steps_towards(CLOUD, corrupt(Compose(noises), data), nearest_others(CLOUD, None, 6, np.arange(60)))


ALL = [
    Gaussian(),
    Masking(),
    SaltAndPepper(),
    Neighbours(3),
    ImageJitter((3, 4)),
    Compose([Neighbours(3), Masking()]),
    lambda x, key: x * jax.random.uniform(key, x.shape),
]
PHASE = np.random.default_rng(2).uniform(-2, 2, (300, 1))
TABLE = np.sin(PHASE * np.linspace(0.5, 1.5, 12) + np.arange(12))
"""A curve in twelve dimensions."""


@pytest.mark.parametrize("noise", ALL)
def test_the_key_alone_decides(noise):
    data = training_rows(TABLE)
    once, again, other = (corrupt(noise, data, jax.random.key(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(once, again)
    assert np.any(once != other)


# In training


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
def test_noise_is_fresh_at_every_step_and_the_same_for_every_judgement():
    seen = []

    def noise(x, key):
        jax.debug.callback(lambda data: seen.append((len(x), *map(int, data))), jax.random.key_data(key))
        return x + 0.1 * jax.random.normal(key, x.shape)

    model = isthmus.DenoisingAutoencoder(
        2, noise=noise, widths=(4,), batch_size=27, max_epochs=3, warm_start=True, random_state=0
    ).fit(TABLE)
    jax.effects_barrier()
    assert len(model.history_["epoch"]) == 4
    # With warm_start no folds are trained beside it. 30 rows are held out of 300, and filled up to 64:
    # ten steps of 27 in each epoch, and a judgement of it and of the start.
    steps = [key for n, *key in seen if n == 27]
    judgements = [key for n, *key in seen if n == 64]
    assert len(steps) == len({tuple(key) for key in steps}) == 30
    assert len(judgements) == 4
    assert all(key == judgements[0] for key in judgements)


def test_several_draws_are_the_average_of_each():
    data = training_rows(TABLE)
    corruption, _ = bind(Gaussian(0.5), data)
    pair = isthmus.LinearAutoencoder(2).fit(TABLE).network_.pair
    loss, u = isthmus.Squared(), jnp.asarray(data.rows[:])

    def value_and_gradient(draws, key):
        objective = Reconstruction(loss, corruption, draws)
        mean = eqx.filter_value_and_grad(lambda pair: jnp.mean(objective(pair, u, key)))
        return eqx.filter_jit(mean)(pair)

    together = value_and_gradient(4, KEY)
    singly = [value_and_gradient(1, key) for key in jax.random.split(KEY, 4)]
    average = jax.tree.map(lambda *parts: sum(parts) / 4, *singly)
    for one, other in zip(jax.tree.leaves(together), jax.tree.leaves(average), strict=True):
        # float32 sums in another order.
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
@pytest.mark.parametrize("noise", ALL[:-1], ids=lambda noise: type(noise).__name__)
def test_denoisers_go_on_where_they_were_and_survive_copying(noise):
    options = {"widths": (8,), "batch_size": 32, "max_epochs": 80, "random_state": 0}
    model = isthmus.DenoisingAutoencoder(2, noise=noise, warm_start=True, **options).fit(TABLE)
    assert model.best_epoch_ > 0
    Z, loss = model.transform(TABLE), model.validation_loss_
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).transform(TABLE), Z)
    np.testing.assert_array_equal(clone(model).fit(TABLE).transform(TABLE), Z)
    model.fit(TABLE)
    # The same split and the same noise on it: it starts from where the first fit ended.
    assert model.history_["validation_loss"][0] == pytest.approx(loss, rel=1e-5)
    assert model.validation_loss_ <= loss * (1 + 1e-5)


# What is refused


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Gaussian(-0.1), "finite number from 0 to inf"),
        (lambda: Gaussian(np.inf), r"Gaussian\(scale=inf\)"),
        (lambda: Gaussian("0.3"), r"Gaussian\(scale='0.3'\)"),
        (lambda: Masking(1.5), "from 0 to 1"),
        (lambda: Masking(np.nan), "from 0 to 1"),
        (lambda: Masking(True), "from 0 to 1"),
        (lambda: Masking(value=np.nan), "value=nan"),
        (lambda: SaltAndPepper(-0.1), "from 0 to 1"),
        (lambda: Neighbours(0), "integer of at least 1"),
        (lambda: Neighbours(2.5), r"Neighbours\(k=2.5\)"),
        (lambda: Neighbours(reach=-1.0), "reach=-1.0"),
        (lambda: Neighbours(n_reference=1), "integer of at least 2"),
        (lambda: Compose([]), "list of noises"),
        (lambda: Compose(Gaussian()), "list of noises"),
    ],
)
def test_values_that_make_no_sense_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


@pytest.mark.parametrize("noise", [0.3, "gaussian", Gaussian])
def test_what_is_not_a_noise_is_refused(noise):
    with pytest.raises(TypeError, match=r"expected a noise such as isthmus.noise.Gaussian\(0.3\)"):
        Compose([noise])
    with pytest.raises(TypeError, match="or a function"):
        isthmus.DenoisingAutoencoder(noise=noise).fit(TABLE)


def test_one_row_has_no_neighbour():
    with pytest.raises(ValueError, match="at least two rows to train on, and there is one"):
        Neighbours().bind(training_rows(CLOUD, None, [3]))


def test_a_function_of_ones_own_may_draw_counts_in_training():
    # jax.random.poisson takes JAX's own keys alone, and training has others.
    def counts(x, key):
        return jax.random.poisson(key, x).astype(x.dtype)

    data = training_rows(np.full((N, 2), 7.0) + RNG.uniform(0, 1e-3, (N, 2)))
    drawn = corrupt(counts, data, key_of(3))
    np.testing.assert_allclose(drawn, np.rint(drawn), atol=1e-5)
    for moment, expected in ((drawn.mean(axis=0), 7.0), (drawn.var(axis=0), 7.0)):
        np.testing.assert_allclose(moment, expected, atol=SIGMAS * np.sqrt(7 * 15 / N))
    model = isthmus.DenoisingAutoencoder(1, noise=counts, widths=(4,), max_epochs=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", isthmus.NoImprovementWarning)
        assert np.isfinite(model.fit(RNG.poisson(5.0, (300, 3))).score(RNG.poisson(5.0, (50, 3))))
