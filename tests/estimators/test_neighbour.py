"""The neighbour auto-encoder: what it keeps, what it decodes, and what it says of itself."""

import warnings
from dataclasses import replace

import jax
import numpy as np
import pytest
from scipy.spatial import procrustes
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

import isthmus
from isthmus.data import neighbour_search
from isthmus.estimators import _landmarks, _neighbourhoods
from isthmus.estimators._landmarks import landmarks_for
from isthmus.estimators._neighbourhoods import decodes_worse
from isthmus.estimators.kernel_ridge import FREE, KernelRidge, fit_decoder
from isthmus.estimators.neighbour import HeldOutNeighbours
from isthmus.networks import applying
from isthmus.training._groups import SingleNetwork

X, Y = load_digits(return_X_y=True)
TRAIN, NEW = X[:1000], X[1000:]
# A sixth of the default's updates, with a third of its landmarks: on digits all figures below are the
# same to a few hundredths.
SHORT = {"max_epochs": 200, "landmarks": 100, "random_state": 0}
OF_DIGITS = {**SHORT, "landmarks": 300}


@pytest.fixture(scope="module")
def digits(optimised):
    with optimised():
        return isthmus.NeighbourAutoencoder(**OF_DIGITS).fit(TRAIN)


@pytest.fixture(scope="module")
def islands():
    """Three groups of rows, the number of each row's group, and a map of them."""
    rows, y = blobs()
    return rows, y, isthmus.NeighbourAutoencoder(**SHORT).fit(rows)


def kept(rows, placed, new_rows, new_placed, k=15):
    """Share of the k nearest old rows of a new row that are its nearest in the map."""
    true, found = (
        NearestNeighbors(n_neighbors=k).fit(old).kneighbors(new, return_distance=False)
        for old, new in ((rows, new_rows), (placed, new_placed))
    )
    return np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(true, found, strict=True)])


def blobs(n=300, groups=3, D=8, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(groups, size=n)
    return 12 * rng.standard_normal((groups, D))[y] + rng.standard_normal((n, D)), y


def test_new_rows_lie_among_their_neighbours(digits):
    Z, new = digits.transform(TRAIN), digits.transform(NEW)
    pca = PCA(2).fit(TRAIN)
    share = kept(TRAIN, Z, NEW, new)
    assert share > 2.5 * kept(TRAIN, pca.transform(TRAIN), NEW, pca.transform(NEW))
    assert share > 0.45
    # Digits of five kinds are told apart by two coordinates of PCA, at 60 %.
    assert KNeighborsClassifier(10).fit(Z, Y[:1000]).score(new, Y[1000:]) > 0.92


def test_it_decodes_new_rows_at_two_thirds_of_the_error_of_pca_or_less(digits):
    error = isthmus.reconstruction_error(digits, NEW).mean()
    pca = isthmus.LinearAutoencoder(2).fit(TRAIN)
    assert error < 0.66 * isthmus.reconstruction_error(pca, NEW).mean()
    assert digits.validation_loss_ < 0.66 * digits.pca_validation_loss_


def test_what_is_said_of_held_out_rows_is_true_of_new_ones(digits):
    # Fifty held-out rows, so the share is known to a few hundredths.
    assert digits.held_out_.n_rows == 50
    share = kept(TRAIN, digits.transform(TRAIN), NEW, digits.transform(NEW))
    assert digits.held_out_.kept == pytest.approx(share, abs=0.08)
    assert digits.held_out_.kept > digits.held_out_.kept_by_means
    pca = isthmus.LinearAutoencoder(2).fit(TRAIN)
    unit = 2 * np.square(digits.scaling_.scale[0])
    error = isthmus.reconstruction_error(pca, NEW).mean() / unit
    assert digits.pca_validation_loss_ == pytest.approx(error, rel=0.15)


def test_a_jacobian_is_finite_differences_through_the_rounds(digits):
    rows, step = NEW[:4], 1e-4
    slopes = isthmus.jacobian(digits, rows)
    with jax.enable_x64(True):
        f = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), digits.encode)
        pixels = step * np.eye(64)[[10, 20, 35]]
        ends = [np.asarray(f(rows[:, None] + sign * pixels)) for sign in (1, -1)]
    differences = (ends[0] - ends[1]) / (2 * step)  # (4, 3, 2)
    np.testing.assert_allclose(
        slopes[:, :, [10, 20, 35]].swapaxes(1, 2), differences, atol=2e-3 * np.abs(slopes).max()
    )


def test_rounds_make_the_map_steeper_between_islands(islands):
    rows, _, with_rounds = islands

    def largest_step(model):
        line = np.linspace(rows[0], rows[np.argmax(np.sum((rows - rows[0]) ** 2, axis=1))], 101)
        z = model.transform(line)
        return np.linalg.norm(np.diff(z, axis=0), axis=1).max() / np.linalg.norm(z[-1] - z[0])

    without = isthmus.NeighbourAutoencoder(rounds=0, **SHORT).fit(rows)
    assert largest_step(without) < largest_step(with_rounds)


def test_groups_become_islands_and_one_group_stays_one(islands):
    rows, y, model = islands
    Z = model.transform(rows)
    centres = np.array([Z[y == group].mean(axis=0) for group in range(3)])
    within = max(np.linalg.norm(Z[y == g] - centres[g], axis=1).max() for g in range(3))
    apart = min(np.linalg.norm(centres[a] - centres[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    assert apart > 2 * within


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
def test_no_landmark_is_a_row_of_the_data():
    # Rows on a grid that are far apart: k-means with half as many clusters leaves rows alone. Landmarks
    # stay where they are; training moves their positions in the map.
    rows = np.random.default_rng(0).standard_normal((60, 4))
    model = isthmus.NeighbourAutoencoder(
        landmarks=50, validation_fraction=0, max_epochs=1, random_state=0
    ).fit(rows)
    landmarks = model.network_.pair.encoder.landmarks
    y = np.asarray(landmarks.projection((rows - model.scaling_.center) / model.scaling_.scale))
    distances, _ = NearestNeighbors(n_neighbors=1).fit(y).kneighbors(np.asarray(landmarks.centres))
    assert distances.min() > 1e-2


def test_centres_that_were_sought_in_some_rows_are_means_of_all(monkeypatch):
    rows, y = blobs()
    monkeypatch.setattr(_landmarks, "MOST_FOR_CENTRES", 50)
    monkeypatch.setattr(_landmarks, "ROWS_PER_CENTRE", 1)
    centres = _landmarks._centres(rows.astype(np.float32), 3, np.random.default_rng(0))
    means = np.array([rows[y == group].mean(axis=0) for group in range(3)])
    np.testing.assert_allclose(np.sort(centres, axis=0), np.sort(means, axis=0), atol=1e-5)


def test_the_number_of_landmarks_follows_its_rule():
    rows, _ = blobs(200)
    model = isthmus.NeighbourAutoencoder(max_epochs=1, validation_fraction=0).fit(rows)
    assert model.network_.pair.encoder.positions.shape[1] == landmarks_for(200) == 200


def test_the_decoder_is_ridge_regression():
    rng = np.random.default_rng(0)
    z, u = rng.standard_normal((40, 2)), rng.standard_normal((40, 3)).astype(np.float32)
    positions = rng.standard_normal((2, 5))
    first, others = (
        KernelRidge.of(z, u, chosen, positions, 1.0) for chosen in (np.arange(25), np.arange(25, 40))
    )
    decoder = first.joined_by(others).decoder(0.1)
    # The same as least squares with rows of √λ below.
    bumps = 1 / (1 + np.sum((z[:, :, None] - positions) ** 2, axis=1))
    features = np.hstack([bumps, FREE * z, np.full((40, 1), FREE)])
    penalty = 0.1 * np.mean(np.sum(bumps**2, axis=0))
    below = np.sqrt(penalty) * np.eye(8)
    solution = np.linalg.lstsq(np.vstack([features, below]), np.vstack([u, np.zeros((8, 3))]))[0]
    np.testing.assert_allclose(decoder(z.astype(np.float32)), features @ solution, atol=1e-4)


def test_held_out_rows_choose_how_smooth_the_decoder_is():
    rng = np.random.default_rng(0)
    z = rng.uniform(-4, 4, (600, 1))
    clean = np.sin(2 * z)
    noisy = (clean + 0.3 * rng.standard_normal(z.shape)).astype(np.float32)
    positions = np.linspace(-4, 4, 100)[None]
    decoder, losses = fit_decoder(z, noisy, np.arange(500), np.arange(500, 600), positions)
    # Half of the noise's variance cannot be decoded; the curve comes out ten times as exact.
    assert losses.mean() == pytest.approx(0.5 * 0.09, rel=0.3)
    assert np.mean((np.asarray(decoder(z.astype(np.float32))) - clean) ** 2) < 0.009


def test_width_and_penalty_may_be_chosen_with_fewer_rows_than_the_decoder_learns_from(monkeypatch):
    rng = np.random.default_rng(0)
    z = rng.uniform(-4, 4, (600, 1))
    u = np.sin(2 * z).astype(np.float32)
    given = z, u, np.arange(500), np.arange(500, 600), np.linspace(-4, 4, 20)[None]
    with_all = fit_decoder(*given)[1].mean()
    monkeypatch.setattr("isthmus.estimators.kernel_ridge.MOST_TO_CHOOSE_BY", 50)
    assert fit_decoder(*given)[1].mean() == pytest.approx(with_all, rel=1.0, abs=1e-6)


def test_copies_of_few_rows_are_decoded_exactly_and_without_a_word_of_linear_algebra():
    rng = np.random.default_rng(0)
    which = rng.integers(20, size=8000)
    places, rows = 300 * rng.standard_normal((20, 2)), rng.standard_normal((20, 3)).astype(np.float32)
    landmarks = places[rng.integers(20, size=300)].T
    given = places[which], rows[which], np.arange(7900), np.arange(7900, 8000), landmarks
    _, losses = fit_decoder(*given)
    assert losses.mean() < 1e-9


def test_copies_of_a_row_stand_for_one_another_where_neighbours_are_counted():
    """Forty rows come 25 times each, so that the 15 nearest of a row are copies of it, whichever."""
    rows = np.repeat(5 * np.random.default_rng(0).standard_normal((40, 8)), 25, axis=0)
    judged = isthmus.NeighbourAutoencoder(**SHORT | {"max_epochs": 20}).fit(rows).held_out_
    assert judged.kept == judged.kept_by_means == 1.0


def test_coordinates_are_turned_to_agree_with_those_of_pca(digits):
    Z = digits.transform(TRAIN)
    scores = isthmus.LinearAutoencoder(2).fit_transform(TRAIN)
    for column in range(2):
        assert np.corrcoef(Z[:, column], scores[:, column])[0, 1] > 0.5
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=0.05 * Z.std())


@pytest.mark.usefixtures("optimised_programs")
def test_another_seed_tells_the_same_story(digits):
    other = isthmus.NeighbourAutoencoder(**OF_DIGITS | {"random_state": 1}).fit(TRAIN)
    # Procrustes' m² is 1 for maps that have nothing in common.
    assert procrustes(digits.transform(NEW), other.transform(NEW))[2] < 0.2


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
def test_the_same_seed_gives_the_same_numbers():
    rows, _ = blobs(100)
    maps = [isthmus.NeighbourAutoencoder(max_epochs=5, random_state=3).fit(rows) for _ in range(2)]
    np.testing.assert_array_equal(maps[0].transform(rows), maps[1].transform(rows))


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
def test_a_second_fit_of_equal_shape_compiles_nothing():
    rows, _ = blobs(100)
    model = isthmus.NeighbourAutoencoder(max_epochs=5, random_state=3).fit(rows)
    programs = applying._compiled._cached, SingleNetwork.program._cached
    before = [each._cache_size() for each in programs]
    model.fit(2.0 * rows[::-1])
    assert [each._cache_size() for each in programs] == before


def test_reliability_flags_rows_far_from_the_data_that_the_map_places_all_the_same(digits):
    noise = np.random.default_rng(0).uniform(0, 16, (50, 64))
    z = digits.transform(noise)
    assert np.abs(z).max() < 1.1 * np.abs(digits.transform(TRAIN)).max()
    assert isthmus.reliability(digits, noise, TRAIN).flagged.mean() > 0.9


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
@pytest.mark.parametrize(
    "rows",
    [
        np.repeat(np.random.default_rng(0).standard_normal((4, 3)), 15, axis=0),
        np.ones((60, 3)),
        np.random.default_rng(0).standard_normal((5, 3)),
        np.hstack([np.random.default_rng(0).standard_normal((60, 2)), np.ones((60, 1))]),
        np.vstack([np.zeros((59, 3)), np.full((1, 3), 1e6)]),
        np.random.default_rng(0).standard_normal((60, 1)),
    ],
    ids=["copies", "constant", "fewer rows than neighbours", "constant column", "outlier", "a column"],
)
def test_odd_data_have_a_map_of_finite_numbers(rows):
    d = min(2, rows.shape[1])
    model = isthmus.NeighbourAutoencoder(d, max_epochs=20, random_state=0).fit(rows)
    Z = model.transform(rows)
    assert Z.shape == (len(rows), d)
    assert np.isfinite(Z).all()
    assert np.isfinite(model.inverse_transform(Z)).all()
    assert np.isfinite(isthmus.jacobian(model, rows)).all()
    same = np.flatnonzero((rows == rows[0]).all(axis=1))
    np.testing.assert_allclose(Z[same], np.broadcast_to(Z[0], Z[same].shape), atol=1e-4)


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
def test_groups_too_far_apart_for_single_precision_are_warned_of():
    rows, y = blobs(200, groups=2)
    rows[y == 1] += 1e5
    with pytest.warns(UserWarning, match="single precision does not tell near rows from nearer"):
        isthmus.NeighbourAutoencoder(max_epochs=3, random_state=0).fit(rows)


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
def test_of_few_rows_not_all_are_neighbours():
    # Of 11 training rows three are looked for, and chance keeps three in eleven.
    rows, _ = blobs(16, groups=1)
    model = isthmus.NeighbourAutoencoder(max_epochs=1, random_state=0).fit(rows)
    assert model.held_out_.kept < 1


def test_one_row_that_is_decoded_far_off_does_not_hide_that_pca_is_better():
    of_pca = np.full(50, 0.2)
    losses = np.r_[np.full(49, 0.19), 900.0]
    assert decodes_worse(losses, of_pca, variance=1.0)
    assert not decodes_worse(losses[:-1], of_pca[:-1], variance=1.0)
    assert not decodes_worse(1e-15 * losses, 1e-16 * of_pca, variance=1.0)


def test_a_row_at_any_distance_has_a_place(digits):
    far = np.full((1, 64), 1e3) * 10.0 ** np.arange(0, 35, 2)[:, None]
    assert np.isfinite(digits.transform(far)).all()


def test_one_neighbour_is_judged_by_fifteen():
    rows, _ = blobs(200)
    model = isthmus.NeighbourAutoencoder(n_neighbors=1, max_epochs=50, random_state=0)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        assert model.fit(rows).held_out_.kept_by_means < 0.95


def test_a_map_of_an_approximate_search_keeps_as_many_neighbours_and_says_what_it_found(
    digits, monkeypatch, tmp_path
):
    monkeypatch.setattr(neighbour_search, "MOST_EXACT", 100)
    model = isthmus.NeighbourAutoencoder(**OF_DIGITS).fit(TRAIN)
    assert digits.neighbour_recall_ == 1.0
    assert 0.95 <= model.neighbour_recall_ < 1.0
    shares = [kept(TRAIN, m.transform(TRAIN), NEW, m.transform(NEW)) for m in (model, digits)]
    assert shares[0] == pytest.approx(shares[1], abs=0.03)  # as another seed's
    isthmus.save(model, tmp_path / "digits.isthmus")
    assert isthmus.load(tmp_path / "digits.isthmus").neighbour_recall_ == model.neighbour_recall_


def test_without_faiss_the_search_is_exact_and_fit_says_how_long_it_takes(monkeypatch):
    rows, _ = blobs(200)
    options = {"max_epochs": 50, "random_state": 0}
    exact = isthmus.NeighbourAutoencoder(**options).fit(rows)
    monkeypatch.setattr(neighbour_search, "MOST_EXACT", 100)
    monkeypatch.setattr(neighbour_search, "find_spec", lambda name: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of so few the search takes no time
        assert isthmus.NeighbourAutoencoder(**options).fit(rows).neighbour_recall_ == 1.0
    monkeypatch.setattr(neighbour_search, "PATIENCE", 1e-6)
    with pytest.warns(UserWarning, match=r"200 rows .* min of one core.* 'isthmus\[neighbours\]'"):
        model = isthmus.NeighbourAutoencoder(**options).fit(rows)
    assert model.neighbour_recall_ == 1.0
    np.testing.assert_array_equal(model.transform(rows), exact.transform(rows))


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
def test_a_search_that_found_too_few_neighbours_is_warned_of(monkeypatch):
    rows, _ = blobs(200)

    def poor(*arguments):
        return replace(neighbour_search.nearest_among(*arguments), recall=0.5)

    monkeypatch.setattr(_neighbourhoods, "nearest_among", poor)
    with pytest.warns(UserWarning, match=r"found 0\.50 of the true nearest rows"):
        isthmus.NeighbourAutoencoder(max_epochs=3, random_state=0).fit(rows)


def test_three_rows_are_too_few():
    with pytest.raises(ValueError, match="n_samples=3: a map of neighbours takes 4 to"):
        isthmus.NeighbourAutoencoder().fit(np.eye(3))


@pytest.mark.usefixtures("optimised_programs")
def test_three_coordinates_keep_more_neighbours_than_two(digits):
    deeper = isthmus.NeighbourAutoencoder(3, **OF_DIGITS).fit(TRAIN)
    assert deeper.transform(NEW).shape == (797, 3)
    assert deeper.held_out_.kept > digits.held_out_.kept


def test_partial_fit_says_why_there_is_none():
    model = isthmus.NeighbourAutoencoder()
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError) as caught:
        model.partial_fit(X)
    assert "rows that are seen together" in str(caught.value.__cause__)


def test_a_map_that_loses_says_so():
    figures = {"n_rows": 100, "kept": 0.3, "kept_by_means": 0.4, "loss": 2.0, "pca_loss": 1.0}
    loses = HeldOutNeighbours(**figures, loses_neighbours=True, loses_to_pca=True)
    too_coarse, worse_than_pca = map(str, loses.warnings())
    assert "keeps 0.300" in too_coarse
    assert "keep 0.400" in too_coarse
    assert "worse than PCA" in worse_than_pca
    by_chance = HeldOutNeighbours(**figures, loses_neighbours=False, loses_to_pca=False)
    assert not list(by_chance.warnings())


def test_a_plane_is_decoded_worse_than_by_pca_and_fit_warns():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((300, 2)) @ rng.standard_normal((2, 10))
    rows += 1e-3 * rng.standard_normal(rows.shape)
    with pytest.warns(isthmus.NoImprovementWarning, match="decodes worse than PCA"):
        isthmus.NeighbourAutoencoder(**SHORT).fit(rows)


def test_a_saved_map_is_the_same_function(digits, tmp_path):
    path = tmp_path / "digits.isthmus"
    isthmus.save(digits, path)
    again = isthmus.load(path)
    np.testing.assert_array_equal(again.transform(NEW), digits.transform(NEW))
    np.testing.assert_array_equal(isthmus.jacobian(again, NEW[:5]), isthmus.jacobian(digits, NEW[:5]))
    assert again.held_out_ == digits.held_out_


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
def test_an_ensemble_says_where_seeds_disagree():
    rows, y = blobs(200)
    model = isthmus.Ensemble(
        isthmus.NeighbourAutoencoder(max_epochs=200, landmarks=100), n_members=3, random_state=0
    ).fit(rows)
    Z = model.transform(rows)
    assert KNeighborsClassifier(5).fit(Z, y).score(Z, y) == 1.0
    assert isthmus.coordinate_spread(model, rows).mean() < 0.3 * Z.std()


def test_it_may_teach_a_network(digits):
    student = isthmus.distill(digits, TRAIN, (64, 32), max_epochs=30, random_state=0)
    Z, taught = digits.transform(TRAIN), student.transform(TRAIN)
    assert all(np.corrcoef(Z[:, a], taught[:, a])[0, 1] > 0.8 for a in range(2))


def test_it_has_no_hidden_units_to_prune(digits):
    with pytest.raises(TypeError, match="got NeighbourAutoencoder"):
        isthmus.prune(digits, TRAIN)


def test_encode_is_traceable(digits):
    z = jax.jit(jax.vmap(digits.encode))(NEW[:3].astype(np.float32))
    np.testing.assert_allclose(z, digits.transform(NEW[:3]), atol=1e-4)
