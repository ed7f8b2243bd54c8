"""Estimators take rows that are kept in files as they take those in memory."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.base import clone

import isthmus
from isthmus.data import rows as views
from isthmus.data.stored.rows import __name__ as stored_rows
from isthmus.data.stored.sample import SampleFile
from isthmus.estimators import plan, splits
from isthmus.estimators.fitting import prepare

N, D = 1200, 6
RNG = np.random.default_rng(0)
HIDDEN = RNG.standard_normal((N, 2))
CURVED = np.tanh(HIDDEN @ RNG.standard_normal((2, 8))) @ RNG.standard_normal((8, D))
X = (CURVED + 0.1 * RNG.standard_normal((N, D))).astype(np.float32)
KIND = (HIDDEN[:, 0] > 0).astype(int)
NAMES = list("abcdef")
FRAME = pd.DataFrame(X, columns=NAMES)
FEW = {"widths": (16,), "max_epochs": 5, "batch_size": 32, "random_state": 0}

ESTIMATORS = {
    "linear": isthmus.LinearAutoencoder(2),
    "linear, trained": isthmus.LinearAutoencoder(2, solver="adam", max_epochs=300, random_state=0),
    "plain": isthmus.Autoencoder(2, **FEW),
    "robust": isthmus.Autoencoder(2, **FEW, scaling="robust"),
    "denoising": isthmus.DenoisingAutoencoder(2, **FEW),
    "neighbours as noise": isthmus.DenoisingAutoencoder(2, **FEW, noise=isthmus.noise.Neighbours(3)),
    "variational": isthmus.VariationalAutoencoder(2, **FEW),
    "neighbour": isthmus.NeighbourAutoencoder(2, landmarks=100, max_epochs=20, random_state=0),
    "ensemble": isthmus.Ensemble(isthmus.Autoencoder(2, **FEW), 2, random_state=0),
}

pytestmark = [
    pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning"),
    pytest.mark.filterwarnings("ignore::isthmus.CollapseWarning"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("rows")
    for number, part in enumerate(np.split(np.arange(N), [500])):
        pq.write_table(pa.table(FRAME.iloc[part]), place / f"{number}.parquet", row_group_size=100)
    return place


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_a_map_of_files_is_the_map_of_the_same_rows_in_memory(kind, folder):
    estimator = ESTIMATORS[kind]
    ours, theirs = clone(estimator).fit(folder), clone(estimator).fit(FRAME)
    assert ours.feature_names_in_.tolist() == NAMES
    stored, known = ours.transform(folder), theirs.transform(FRAME)
    assert stored.shape == (N, 2)
    # The statistics are the same to rounding, so the same batches lead to the same map.
    np.testing.assert_allclose(stored, known, atol=2e-2 * known.std())
    assert ours.score(folder) == pytest.approx(theirs.score(FRAME), rel=1e-2)
    np.testing.assert_allclose(ours.transform(FRAME), stored, atol=1e-5 * known.std())
    decoded = isthmus.reconstruction_error(ours, folder)
    np.testing.assert_allclose(decoded, isthmus.reconstruction_error(ours, FRAME), rtol=1e-3)


@pytest.mark.parametrize("kind", ["plain", "variational"])
def test_rows_in_many_blocks_give_as_good_a_map(kind, folder):
    estimator = clone(ESTIMATORS[kind]).set_params(max_epochs=40)
    rows = isthmus.scan(folder, block_bytes=N * D * 4 // 6)
    ours, theirs = clone(estimator).fit(rows), clone(estimator).fit(FRAME)
    assert -ours.score(FRAME) == pytest.approx(-theirs.score(FRAME), rel=0.05)


def test_predictors_take_rows_from_files_and_targets_from_memory(folder):
    y = CURVED[:, :2]
    for estimator, targets in (
        (isthmus.FeedForwardRegressor((16,), max_epochs=20, random_state=0), y),
        (isthmus.FeedForwardClassifier((16,), max_epochs=20, random_state=0), KIND),
    ):
        ours = clone(estimator).fit(folder, targets)
        theirs = clone(estimator).fit(FRAME, targets)
        assert ours.score(folder, targets) == pytest.approx(theirs.score(FRAME, targets), abs=0.02)
        assert ours.score(folder, targets) > 0.9


def test_partial_fit_passes_once_over_files(folder):
    rows = isthmus.scan(folder, block_bytes=N * D * 4 // 4)
    model = isthmus.Autoencoder(2, widths=(16,), random_state=0)
    before = -isthmus.LinearAutoencoder(2).fit(FRAME).score(FRAME)
    for _ in range(25):
        model.partial_fit(rows)
    assert -model.score(rows) < 0.9 * before


def test_missing_entries_in_files_are_taken_by_the_map_that_models_them(folder, tmp_path):
    holes = X.copy()
    holes[RNG.random(X.shape) < 0.1] = np.nan
    pq.write_table(pa.table(pd.DataFrame(holes, columns=NAMES)), tmp_path / "x.parquet", 200)
    estimator = ESTIMATORS["variational"]
    ours = clone(estimator).fit(tmp_path / "x.parquet")
    theirs = clone(estimator).fit(pd.DataFrame(holes, columns=NAMES))
    assert ours.score(tmp_path / "x.parquet") == pytest.approx(
        theirs.score(pd.DataFrame(holes, columns=NAMES)), rel=1e-2
    )
    with pytest.raises(ValueError, match=r"contains NaN: column '.' in row .* of row group 0"):
        isthmus.Autoencoder(2, **FEW).fit(tmp_path / "x.parquet")


def test_columns_of_files_are_those_that_fit_saw(folder):
    model = isthmus.LinearAutoencoder(2).fit(folder)
    with pytest.raises(ValueError, match="feature names"):
        model.transform(isthmus.scan(folder, columns=NAMES[::-1]))
    with pytest.raises(ValueError, match="missing"):
        model.transform(isthmus.scan(folder, drop=["f"]))
    narrow = isthmus.LinearAutoencoder(2).fit(X)
    with pytest.raises(ValueError, match="5 features"):
        narrow.transform(isthmus.scan([X[:, :5]]))


def test_quality_of_a_map_of_files(folder):
    model = isthmus.LinearAutoencoder(2).fit(folder)
    Z = model.transform(folder)
    ours = isthmus.quality(folder, Z, model=model, max_rows=300)
    theirs = isthmus.quality(FRAME, Z, model=model, max_rows=300)
    for name in ("trustworthiness", "overlap", "reconstruction_error"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-5)


def test_images_in_files_are_rows(tmp_path):
    images = X.reshape(N, 3, 2)
    np.save(tmp_path / "images.npy", images)
    model = isthmus.LinearAutoencoder(2).fit(tmp_path / "images.npy")
    assert model.row_shape_ == (3, 2)
    assert model.inverse_transform(model.transform(images[:4])).shape == (4, 3, 2)


def test_few_rows_are_held_out_of_many(folder, monkeypatch):
    monkeypatch.setattr(splits, "MOST_HELD_OUT", 50)
    rows = isthmus.scan(folder)
    model = isthmus.Autoencoder(2, **FEW)
    held_out = []
    split = splits.split_rows
    monkeypatch.setattr(
        "isthmus.estimators.fitting.split_rows",
        lambda *arguments: held_out.append(split(*arguments)[1]) or split(*arguments),
    )
    model.fit(rows)
    assert len(held_out[0]) == 50
    assert model.validation_loss_ > 0


def test_a_fit_reads_no_more_at_a_time_than_a_part_and_a_block(folder, monkeypatch):
    monkeypatch.setattr(views, "READ_ELEMENTS", 500)
    monkeypatch.setattr(f"{stored_rows}.LEAST_SAMPLE", 100)
    monkeypatch.setattr(f"{stored_rows}.MOST_SAMPLE", 100)
    rows = isthmus.scan(folder, block_bytes=200 * D * 4)
    sizes = []
    take = type(rows).__getitem__
    monkeypatch.setattr(
        type(rows),
        "__getitem__",
        lambda self, index: sizes.append(len(found := take(self, index))) or found,
    )
    isthmus.Autoencoder(2, **FEW).fit(rows)
    # A block; the held-out rows are a tenth, and a row group has 100.
    assert max(sizes) <= 200


def test_angles_in_files_are_refused(folder):
    with pytest.raises(ValueError, match="periodic and categorical columns are not taken from rows"):
        isthmus.Autoencoder(2, periodic={"a": 360}).fit(folder)


def test_a_fit_of_files_goes_on_from_its_checkpoint_and_ends_with_the_same_bits(
    folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(f"{stored_rows}.LEAST_SAMPLE", 100)
    monkeypatch.setattr(f"{stored_rows}.MOST_SAMPLE", 100)
    rows = isthmus.scan(folder, block_bytes=N * D * 4 // 6)
    estimator = isthmus.Autoencoder(2, widths=(16,), max_epochs=12, batch_size=32, random_state=0)
    whole = clone(estimator).fit(rows).transform(FRAME)
    checkpoint = isthmus.Checkpoint(tmp_path / "run", seconds=0)
    calls = []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 40:
            raise OSError("the disk went away")
        return take(*arguments)

    take = SampleFile.at
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SampleFile, "at", interrupted)
        with pytest.raises(OSError, match="the disk went away"):
            clone(estimator).fit(isthmus.scan(rows), checkpoint=checkpoint)
    assert list((tmp_path / "run").iterdir())
    again = clone(estimator).fit(rows, checkpoint=checkpoint)
    np.testing.assert_array_equal(again.transform(FRAME), whole)
    with pytest.raises(ValueError, match="X"):
        clone(estimator).fit(FRAME.iloc[:600], checkpoint=checkpoint)


def test_neighbours_are_sought_among_some_of_very_many_rows(folder, monkeypatch):
    monkeypatch.setattr("isthmus.estimators.neighbour.MOST_STORED_ROWS", 400)
    estimator = ESTIMATORS["neighbour"]
    with pytest.warns(isthmus.SampleWarning, match="400 of 1,200 rows, evenly spaced"):
        ours = clone(estimator).fit(folder)
    some = np.linspace(0, N - 1, 400).astype(int)
    theirs = clone(estimator).fit(FRAME.iloc[some])
    assert ours.feature_names_in_.tolist() == NAMES
    known = theirs.transform(FRAME)
    np.testing.assert_allclose(ours.transform(folder), known, atol=2e-2 * known.std())


@pytest.mark.parametrize("epochs", [None, 30])
def test_blocks_of_rows_that_lie_sorted_hold_rows_of_every_kind(tmp_path, epochs, monkeypatch):
    monkeypatch.setattr(plan, "MOST_STEPS", 10)
    rng = np.random.default_rng(3)
    kinds = np.sort(rng.integers(6, size=6000))
    rows = np.column_stack([kinds, rng.standard_normal((6000, 2))]).astype(np.float32)
    pq.write_table(pa.table(pd.DataFrame(rows, columns=list("abc"))), tmp_path / "x.parquet", 250)
    # Eight blocks; each would have three of the 24 row groups.
    stored = isthmus.scan(tmp_path / "x.parquet", block_bytes=rows.nbytes // 8)
    estimator = isthmus.Autoencoder(2, random_state=0, max_epochs=epochs, batch_size=50)
    training = prepare(estimator, stored).training
    assert training.source.n_blocks >= 8
    scaling = training.source.rows.scaling
    for number in range(2 * training.source.n_blocks):
        block, n_valid = training.source.block(number, 7)
        found = np.rint(block[:n_valid, 0] * scaling.scale[0] + scaling.center[0]).astype(int)
        shares = np.bincount(found, minlength=6) / n_valid
        # Binomial of at least 490 rows: 0.167 ± 0.017; the largest of hundreds within 5 sigma.
        assert np.abs(shares - np.bincount(kinds) / 6000).max() < 0.085
