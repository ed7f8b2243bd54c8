"""``isthmus.compare``: its numbers against scikit-learn's or a known truth, and methods that fail."""

import re
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.model_selection import LeaveOneOut, cross_val_predict, train_test_split
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

import isthmus
from comparison.picked import Picked, X, Y, picked
from isthmus.comparison import Method
from isthmus.comparison._memory import own_mib
from isthmus.training._history import Recorder

COSTS = ("fit_seconds", "transform_seconds", "peak_mib")


NAMES = np.array(["ash", "birch", "cedar"])[Y]
TINY = Method(
    "tiny", lambda d, seed: isthmus.Autoencoder(d, widths=(4,), max_epochs=3, random_state=seed)
)


def raising(error):
    def stage():
        raise error

    return stage


def measured(record):
    """All numbers of a record but what depends on the machine."""
    return {name: value for name, value in record.numbers().items() if name not in COSTS}


def test_the_row_of_pca_is_that_of_scikit_learn():
    (record,) = isthmus.compare(X, NAMES, ["pca"], random_state=3).records
    A, B, a, b = train_test_split(X, NAMES, test_size=0.25, random_state=3)
    pca = PCA(2).fit(A)
    Z, Z_new = pca.transform(A), pca.transform(B)
    assert record.train.trustworthiness == pytest.approx(trustworthiness(A, Z, n_neighbors=10))
    assert record.train.continuity == pytest.approx(trustworthiness(Z, A, n_neighbors=10))
    assert record.test.trustworthiness == pytest.approx(trustworthiness(B, Z_new, n_neighbors=10))
    assert record.test.spearman == pytest.approx(spearmanr(pdist(B), pdist(Z_new))[0])
    voters = KNeighborsClassifier(10)
    assert record.test.score == voters.fit(Z, a).score(Z_new, b)
    assert record.train.score == np.mean(cross_val_predict(voters, Z, a, cv=LeaveOneOut()) == a)
    error = np.sum((B - pca.inverse_transform(Z_new)) ** 2) / len(B)
    assert record.reconstruction_error == pytest.approx(error)
    assert record.variance_left_out == pytest.approx(error / np.sum((B - A.mean(0)) ** 2) * len(B))


def test_the_linear_auto_encoder_is_pca():
    pca, linear = isthmus.compare(X, Y, ["PCA", "linear-autoencoder"]).records
    assert measured(pca) == pytest.approx(measured(linear), abs=1e-4)
    words = [(each.explicit, each.invertible, each.differentiable) for each in (pca, linear)]
    assert words == [("yes", "yes", "yes")] * 2


def test_numbers_are_predicted_by_the_mean_of_neighbours():
    y = X[:, 0] + X[:, 1] ** 2
    report = isthmus.compare(X, y, "pca", k=5)
    A, B, a, b = train_test_split(X, y, test_size=0.25, random_state=0)
    pca = PCA(2).fit(A)
    fitted = KNeighborsRegressor(5).fit(pca.transform(A), a)
    assert report.score == "R²"
    assert report.records[0].test.score == pytest.approx(fitted.score(pca.transform(B), b))
    of_all = KNeighborsRegressor(5).fit(A, a).score(B, b)
    assert report.data_test_score == pytest.approx(of_all)


def test_a_map_that_loses_nothing():
    rows = np.pad(np.random.default_rng(0).standard_normal((60, 2)), ((0, 0), (0, 3)))
    (record,) = isthmus.compare(rows, None, picked()).records
    for part in (record.train, record.test):
        assert (part.trustworthiness, part.continuity, part.overlap) == (1, 1, 1)
        assert part.spearman == pytest.approx(1)
        assert part.score is None
    assert (record.reconstruction_error, record.variance_left_out) == (0, 0)


@pytest.mark.skipif(own_mib() is None, reason="memory is measured on Linux alone")
def test_memory_of_the_fit():
    mib = 500
    (record,) = isthmus.compare(X, None, picked(on_fit=lambda: np.ones(mib * 2**17))).records
    # What the rest of the process takes and returns meanwhile, ten MiB or so, depends on earlier tests.
    assert record.peak_mib == pytest.approx(mib, rel=0.1)


def test_a_method_without_a_function_says_so():
    report = isthmus.compare(X, Y, ["mds", "isomap", "pca"])
    mds, isomap, _ = report.records
    assert (mds.explicit, mds.invertible, mds.differentiable) == ("no function",) * 3
    assert mds.test is mds.reconstruction_error is mds.transform_seconds is None
    assert mds.train is not None
    assert (isomap.explicit, isomap.invertible) == ("yes", "no function")
    assert isomap.test is not None
    assert isomap.reconstruction_error is None
    held_out = str(report).partition("Held-out rows")[2]
    assert re.search(r"MDS +no function", held_out)
    assert "No function for the next row: MDS." in report.verdict


def test_a_failing_method_is_a_row():
    broken = picked("broken", on_fit=raising(ZeroDivisionError("no\nrows")))
    report = isthmus.compare(X, Y, [broken, "pca"])
    assert report.records[0].failure == "ZeroDivisionError: no rows"
    assert report.records[1].train is not None
    row, _ = report.table()
    assert row["n_seeds"] == 0
    assert row["train_trustworthiness"] is None
    assert "broken: ZeroDivisionError: no rows" in str(report)
    assert "Not compared: broken (ZeroDivisionError: no rows)." in report.verdict


def test_what_fails_after_the_fit_leaves_what_was_found():
    (late,) = isthmus.compare(X, Y, picked(on_transform=raising(OSError("no disk")))).records
    assert late.train is not None
    assert late.test is None
    assert late.notes == ("OSError: no disk",)
    (later,) = isthmus.compare(X, Y, picked(on_inverse=raising(RuntimeError()))).records
    assert later.test is not None
    assert later.reconstruction_error is None
    assert later.notes == ("RuntimeError",)


@pytest.mark.parametrize(
    ("Z", "says"),
    [
        (lambda X: X[:, :3], "ValueError: 90 rows were given coordinates of shape (90, 3) for (90, 2)"),
        (lambda X: X[:5, :2], "ValueError: 90 rows were given coordinates of shape (5, 2) for (90, 2)"),
        (lambda X: np.full((len(X), 2), np.nan), "ValueError: Z contains NaN"),
    ],
)
def test_coordinates_that_are_none(Z, says):
    method = Method("odd", lambda d, seed: SimpleNamespace(fit_transform=Z))
    (record,) = isthmus.compare(X, None, method).records
    assert record.failure.startswith(says)


def test_warnings_become_notes():
    def warn():
        warnings.warn("rank is 1", RuntimeWarning, stacklevel=1)
        warnings.warn("rank is 1", RuntimeWarning, stacklevel=1)
        warnings.warn("will change", FutureWarning, stacklevel=1)

    (record,) = isthmus.compare(X, None, picked(on_fit=warn)).records
    assert record.notes == ("rank is 1",)


def test_ctrl_c_ends_the_comparison(monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        isthmus.compare(X, None, picked(on_fit=raising(KeyboardInterrupt)))
    # Our training answers Ctrl-C with a warning and its best weights.
    monkeypatch.setattr(Recorder, "passes_in", lambda *_: raising(KeyboardInterrupt)())
    with pytest.raises(KeyboardInterrupt):
        isthmus.compare(X, None, TINY)


def test_the_same_seed_gives_the_same_numbers():
    first, again, other = (
        [measured(record) for record in isthmus.compare(X, Y, [TINY, "isomap"], random_state=s).records]
        for s in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_sample_of_rows_is_stated_and_the_same_for_all():
    report = isthmus.compare(X, Y, ["pca", "kernel-pca", "MDS"], max_rows=40, test_size=0.5)
    pca, kernel, mds = report.records
    assert (pca.n_fitted, kernel.n_fitted, mds.n_fitted) == (60, 40, 40)
    note = "fitted on 40 of 60 training rows, drawn at random"
    assert (pca.notes, kernel.notes, mds.notes) == ((), (note,), (note,))
    assert f"MDS: {note}" in str(report)
    assert "Training rows, evaluated on 40 of 60" in str(report)
    assert "Held-out rows, evaluated on 40 of 60" in str(report)
    A, B = train_test_split(X, test_size=0.5, random_state=0)
    fitted = PCA(2).fit(A)
    for rows, found in ((A[:40], pca.train), (B[:40], pca.test)):
        expected = trustworthiness(rows, fitted.transform(rows), n_neighbors=10)
        assert found.trustworthiness == pytest.approx(expected)
    error = np.mean(np.sum((B - fitted.inverse_transform(fitted.transform(B))) ** 2, axis=1))
    assert pca.reconstruction_error == pytest.approx(error)


def test_several_seeds_have_means_and_deviations():
    def sometimes(d, seed):
        return Picked(d, on_fit=raising(ValueError("odd")) if seed % 2 else None)

    report = isthmus.compare(X, Y, ["pca", Method("sometimes", sometimes)], n_seeds=3, random_state=4)
    assert report.seeds == (4, 5, 6)
    singles = [isthmus.compare(X, Y, "pca", random_state=s).records[0] for s in report.seeds]
    overlaps = [single.test.overlap for single in singles]
    pca, other = report.table()
    assert [record.test.overlap for record in report.records[:3]] == overlaps
    assert pca["test_overlap"] == pytest.approx(np.mean(overlaps))
    assert pca["test_overlap_std"] == pytest.approx(np.std(overlaps, ddof=1))
    assert (pca["n_seeds"], other["n_seeds"]) == (3, 2)
    assert (other["failure"], other["notes"]) == (None, "seed 5: ValueError: odd")
    assert f"± {pca['test_overlap_std']:.3f}" in str(report)
    assert "each of 3 splits" in report.verdict


def test_printed_numbers_are_the_records():
    report = isthmus.compare(X, NAMES, ["pca", "kernel pca"])
    lines = [re.split(r"  +| (?=[\d-])", line.strip()) for line in str(report).splitlines()]
    printed = [line for line in lines if line[0] == "kernel PCA"]
    record = report.records[1]
    of_tables = [(*vars(record.train).values(),), (record.neighbours_kept, *vars(record.test).values())]
    for values, line in zip(of_tables, printed, strict=False):
        assert line[1:] == [f"{value:.3f}" for value in values]
    assert printed[2][1:3] == [f"{record.reconstruction_error:.3g}", f"{record.variance_left_out:.1%}"]
    assert f"{report.data_test_score:.3f} of held-out rows" in str(report)
    assert str(report).endswith(report.verdict.rsplit(maxsplit=1)[-1])
    assert max(map(len, str(report).splitlines())) <= 100


def test_neighbours_kept_are_those_that_quality_finds():
    record = isthmus.compare(X, Y, "pca", k=7).records[0]
    train, test = train_test_split(X, test_size=0.25, random_state=0)
    model = PCA(2, random_state=0).fit(train)
    training = (train, model.transform(train))
    found = isthmus.quality(test, model.transform(test), training=training, k=7, scaling=None)
    assert record.neighbours_kept == pytest.approx(found.neighbours_kept)


def test_the_verdict_names_the_best():
    def distances_apart(d, seed):
        return SimpleNamespace(fit_transform=lambda X: np.random.default_rng(0).random((len(X), d)))

    report = isthmus.compare(X, Y, [Method("noise", distances_apart), picked("picked"), "pca"])
    new, fit = report.verdict.splitlines()
    row = report.table()[2]
    assert f"rows are restored best by PCA ({row['variance_left_out']:.1%} of the variance" in new
    assert f"best by PCA (trustworthiness {row['train_trustworthiness']:.3f})" in fit
    assert fit.endswith("No function for the next row: noise.")
    (alone,) = isthmus.compare(X, Y, "mds").verdict.splitlines()[:1]
    assert alone.endswith("none of the methods has a function for them.")


def test_methods_that_tie_are_all_named_and_so_is_the_target():
    # The linear auto-encoder is PCA.
    report = isthmus.compare(X, Y, ["linear-autoencoder", "pca"], target_name="kind")
    new, _ = report.verdict.splitlines()
    assert "restored best by LinearAutoencoder and PCA alike" in new
    assert "neighbours predict kind best in the map of LinearAutoencoder and PCA alike" in new
    named = isthmus.compare(X, pd.Series(Y, name="species"), ["pca"])
    assert "predict species best" in named.verdict


HOLED = np.where(np.eye(120, 6, dtype=bool), np.nan, X)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"X": HOLED}, ValueError, "X contains NaN: column 0 in row 0"),
        ({"X": [["a", "b", "c"]] * 50}, ValueError, "X holds text: column 0, row 0 is 'a'"),
        ({"X": X[0]}, ValueError, "rows × columns are expected"),
        ({"X": X[:1]}, ValueError, "X has 1 row, and test_size=0.25 splits them into 0 to fit and 1"),
        ({"X": X[:40]}, ValueError, "30 to fit and 10 to evaluate: expected at least 11 of each for"),
        ({"test_size": 1.0}, ValueError, r"test_size=1.0: expected a number in \(0, 1\)"),
        ({"n_components": 6}, ValueError, "n_components=6 for data of 6 columns.*Use at most 5"),
        ({"n_components": 0}, ValueError, "n_components=0: expected an integer"),
        ({"X": X[:, :1], "n_components": 1}, ValueError, "X has 1 column: there is nothing to reduce"),
        ({"y": Y[:9]}, ValueError, r"y has shape \(9,\) for 120 rows: expected one target for each row"),
        ({"y": np.full(120, np.nan)}, ValueError, "y is nan in row 0: expected finite numbers"),
        ({"y": np.zeros(120, int)}, ValueError, "y is 0 in every row: expected two classes or more"),
        ({"y": ["a", None] * 60}, ValueError, "y has no value in row 1, and in 60 rows in all"),
        ({"y": np.array(["a", 1] * 60, object)}, ValueError, "are all integers or all text"),
        ({"y": np.ones(120, complex)}, ValueError, "y is of type complex128"),
        ({"methods": ["tsna"]}, ValueError, "'tsna' is not known; use PCA, kernel PCA, .*Method"),
        ({"methods": [PCA]}, TypeError, "methods holds <class .*expected names, of PCA, .*Method"),
        ({"methods": []}, ValueError, "methods is empty: expected at least one of PCA"),
        ({"methods": ["pca", "PCA"]}, ValueError, "methods has PCA twice"),
        ({"max_rows": 5}, ValueError, "max_rows=5: expected at least 11 for k=10 neighbours"),
        ({"k": 0}, ValueError, "k=0: expected an integer of at least 1"),
        ({"n_seeds": 0}, ValueError, "n_seeds=0: expected an integer of at least 1"),
        ({"random_state": None}, ValueError, "random_state=None: expected an integer .*counted from it"),
    ],
)
def test_bad_inputs(arguments, error, says):
    with pytest.raises(error, match=says):
        isthmus.compare(**{"X": X, "methods": ["pca"], **arguments})
