"""``isthmus fit``, ``transform``, ``inverse`` and ``info``, against the same calls in Python."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA

import isthmus
from cli.command import succeed


@pytest.fixture(scope="module")
def frame():
    """Iris with its species as text, in a shuffled order of columns and rows."""
    data = load_iris(as_frame=True)
    frame = data.frame.rename(columns=lambda name: name.replace(" (cm)", ""))
    frame["species"] = data.target_names[frame.pop("target")]
    return frame.sample(frac=1, random_state=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, frame):
    """iris.csv, and iris.isthmus: PCA of it with two coordinates, by the command line."""
    folder = tmp_path_factory.mktemp("iris")
    frame.to_csv(folder / "iris.csv", index=False)
    succeed(
        *("fit", folder / "iris.csv", "--label", "species", "--model", "linear"),
        *("-o", folder / "iris.isthmus"),
    )
    return folder


@pytest.fixture(scope="module")
def autoencoder(folder):
    """What ``fit`` printed for a tiny auto-encoder with its options set, and the saved map."""
    path = folder / "autoencoder.isthmus"
    result = succeed(
        *("fit", folder / "iris.csv", "--drop", "species", "-d", 2, "-o", path),
        *("--widths", "8", "--activation", "tanh", "--scaling", "range", "--loss", "huber"),
        *("--skip", "none", "--tied", "--max-epochs", 3, "--batch-size", 32, "--learning-rate", 0.01),
        *("--validation-fraction", 0.3, "--patience", 2, "--seed", 7),
    )
    return result, isthmus.load(path)


def features(frame):
    return frame.drop(columns="species")


def test_fit_is_the_estimators_fit(folder, frame):
    model = isthmus.load(folder / "iris.isthmus")
    expected = isthmus.LinearAutoencoder(2).fit(features(frame))
    np.testing.assert_array_equal(model.components_, expected.components_)
    assert list(model.feature_names_in_) == list(features(frame).columns)
    # A second method: scikit-learn's PCA, whose signs are its own.
    other = PCA(2).fit(features(frame))
    np.testing.assert_allclose(np.abs(model.components_), np.abs(other.components_), atol=1e-10)


def test_only_what_was_given_differs_from_the_defaults(folder, autoencoder):
    parameters = isthmus.load(folder / "iris.isthmus").get_params()
    assert parameters == isthmus.LinearAutoencoder().get_params()
    same = isthmus.Autoencoder(
        2, widths=(8,), activation="tanh", scaling="range", loss="huber", skip=None, tied=True,
        max_epochs=3, batch_size=32, learning_rate=0.01, validation_fraction=0.3, patience=2,
        random_state=7,
    )  # fmt: skip
    assert autoencoder[1].get_params() == same.get_params()


def test_fit_says_what_came_out(folder, autoencoder):
    result, model = autoencoder
    shown = dict(line.split("  ", 1) for line in result.stdout.splitlines() if "  " in line)
    shown = {name.strip(): value.strip() for name, value in shown.items()}
    assert shown["rows"] == "150"
    assert (shown["features"], shown["coordinates"]) == ("4", "2")
    assert float(shown["held-out error"]) == pytest.approx(model.validation_loss_, rel=1e-4)
    pca = float(shown["PCA's held-out error"].split()[0])
    assert pca == pytest.approx(model.pca_validation_loss_, rel=1e-4)
    epochs = len(model.history_["epoch"]) - 1
    assert shown["best epoch"] == f"{model.best_epoch_} of {epochs}"
    assert result.stdout.splitlines()[-1] == f"saved {folder / 'autoencoder.isthmus'}"


def test_warnings_are_one_line_each(autoencoder):
    lines = autoencoder[0].stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("warning: No epoch beat PCA")


def test_quiet_prints_nothing(folder, tmp_path):
    result = succeed(
        *("fit", folder / "iris.csv", "--drop", 4, "--model", "linear", "-d", 1, "-q"),
        *("-o", tmp_path / "map.isthmus"),
    )
    assert result.output == ""
    assert isthmus.load(tmp_path / "map.isthmus").n_components_ == 1


def test_a_share_of_the_variance(folder, frame, tmp_path):
    path = tmp_path / "map.isthmus"
    arguments = ("--model", "linear", "-d", "0.99", "-o", path)
    succeed("fit", folder / "iris.csv", "--drop", "species", *arguments)
    # scikit-learn's rule for a share: as few components as exceed it.
    assert isthmus.load(path).n_components_ == PCA(0.99).fit(features(frame)).n_components_


def test_transform_is_the_models_transform(folder, frame):
    succeed(
        *("transform", folder / "iris.isthmus", folder / "iris.csv", "--keep", "species"),
        *("-o", folder / "coordinates.parquet"),
    )
    written = pd.read_parquet(folder / "coordinates.parquet")
    model = isthmus.load(folder / "iris.isthmus")
    assert list(written.columns) == ["species", *model.get_feature_names_out()]
    np.testing.assert_array_equal(written.iloc[:, 1:], model.transform(features(frame)))
    assert list(written["species"]) == list(frame["species"])


def test_without_output_csv_goes_to_stdout(folder, tmp_path):
    arguments = ("transform", folder / "iris.isthmus", folder / "iris.csv")
    succeed(*arguments, "-o", tmp_path / "coordinates.csv")
    result = succeed(*arguments)
    assert result.stdout == (tmp_path / "coordinates.csv").read_text()
    assert result.stderr == ""


def test_columns_are_found_by_name(folder, frame, tmp_path):
    frame[frame.columns[::-1]].assign(more=1).to_feather(tmp_path / "other.feather")
    result = succeed("transform", folder / "iris.isthmus", tmp_path / "other.feather")
    assert result.stdout == succeed("transform", folder / "iris.isthmus", folder / "iris.csv").stdout


def test_columns_without_names_are_taken_in_order(folder, frame, tmp_path):
    rows = features(frame).to_numpy()
    np.save(tmp_path / "rows.npy", np.column_stack([np.arange(150), rows]))
    succeed(
        *("fit", tmp_path / "rows.npy", "--label", 0, "--model", "linear"),
        *("-o", tmp_path / "map.isthmus"),
    )
    result = succeed("transform", tmp_path / "map.isthmus", tmp_path / "rows.npy", "--keep", 0)
    written = pd.read_csv(io.StringIO(result.stdout))
    expected = isthmus.LinearAutoencoder(2).fit(rows)
    np.testing.assert_array_equal(written["x0"], np.arange(150))
    np.testing.assert_allclose(written.iloc[:, 1:], expected.transform(rows), atol=1e-12)
    for option in ("--drop=0", "--columns=1,2,3,4"):
        other = succeed("transform", tmp_path / "map.isthmus", tmp_path / "rows.npy", option)
        assert len(pd.read_csv(io.StringIO(other.stdout)).columns) == 2


def test_a_map_of_full_rank_gives_the_data_back(folder, frame, tmp_path):
    model, points, decoded = (tmp_path / name for name in ("map.isthmus", "z.npy", "x.csv"))
    arguments = ("--label", "species", "--model", "linear", "-d", 4)
    succeed("fit", folder / "iris.csv", *arguments, "-o", model)
    succeed("transform", model, folder / "iris.csv", "-o", points)
    succeed("inverse", model, points, "-o", decoded)
    pd.testing.assert_frame_equal(
        # float64 throughout: rounding alone.
        pd.read_csv(decoded),
        features(frame).reset_index(drop=True),
        rtol=0,
        atol=1e-12,
    )


def test_inverse_ignores_the_columns_that_were_kept(folder, frame, tmp_path):
    model, points = folder / "iris.isthmus", tmp_path / "points.csv"
    succeed("transform", model, folder / "iris.csv", "--keep", "species", "-o", points)
    decoded = pd.read_csv(io.StringIO(succeed("inverse", model, points).stdout))
    loaded = isthmus.load(model)
    expected = loaded.inverse_transform(loaded.transform(features(frame)))
    # Shortest decimal notation loses nothing; both directions are in float64.
    np.testing.assert_allclose(decoded, expected, atol=1e-12)


def test_inverse_says_which_columns_it_takes_by_their_order(folder, tmp_path):
    points = tmp_path / "points.csv"
    points.write_text("other1,other0\n1,2\n3,4\n")
    result = succeed("inverse", folder / "iris.isthmus", points)
    assert "so 'other1', 'other0' are taken in this order" in result.stderr


def test_a_map_of_neighbours_is_fitted_and_told_of(folder):
    path = folder / "neighbours.isthmus"
    fitted = ("--model", "neighbour", "--max-epochs", "3", "--rounds", "2", "--seed", "0")
    succeed("fit", folder / "iris.csv", "--label", "species", "-o", path, "--n-neighbors", "9", *fitted)
    model = isthmus.load(path)
    assert (model.rounds, model.n_neighbors, model.max_epochs) == (2, 9, 3)
    shown = succeed("info", path).stdout
    assert "landmarks" in shown
    assert "layers" not in shown


def test_info_tells_the_facts(autoencoder, folder):
    model = autoencoder[1]
    facts = json.loads(succeed("info", folder / "autoencoder.isthmus", "--json").stdout)
    assert facts["class"] == "Autoencoder"
    assert facts["isthmus"] == isthmus.__version__
    assert facts["sizes"] == [4, 8, 2, 8, 4]
    # Tied, without a PCA path: W₁ 8×4 and W₂ 2×8 with their shifts 8 and 2, those of the mirrored
    # layers, 8 and 4.
    assert facts["weights"] == 8 * 4 + 2 * 8 + (8 + 2) + (8 + 4)
    assert facts["feature_names"] == list(model.feature_names_in_)
    assert facts["validation_loss"] == model.validation_loss_
    assert facts["pca_validation_loss"] == model.pca_validation_loss_
    assert (facts["epochs"], facts["best_epoch"]) == (
        len(model.history_["epoch"]) - 1,
        model.best_epoch_,
    )
    assert facts["parameters"]["widths"] == [8]
    shown = succeed("info", folder / "autoencoder.isthmus").stdout
    assert "4 → 8 → 2 → 8 → 4" in shown
    assert "sepal length" in shown
