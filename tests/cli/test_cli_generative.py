"""Denoising and variational maps by the command line, against the same calls in Python."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris

import isthmus
from cli.command import run, succeed
from isthmus import likelihoods, noise, priors
from isthmus.files import tables

TINY = {"widths": (4,), "max_epochs": 2, "validation_fraction": 0, "random_state": 0}
TINY_OPTIONS = ("--widths", 4, "--max-epochs", 2, "--validation-fraction", 0, "--seed", 0)
# Tiny maps rarely win anything over PCA, in Python as well.
pytestmark = [
    pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning"),
]


def frame_of(text):
    return pd.read_csv(io.StringIO(text))


@pytest.fixture(scope="module")
def gaps():
    """Iris with an id, and a tenth of the cells empty."""
    X = load_iris().data.copy()
    X[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    frame.insert(0, "id", [f"flower {row}" for row in range(len(X))])
    return frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory, gaps):
    """gaps.csv, and map.isthmus: a variational map of it by the command line, with what it said."""
    folder = tmp_path_factory.mktemp("gaps")
    gaps.to_csv(folder / "gaps.csv", index=False)
    said = succeed(
        *("fit", folder / "gaps.csv", "--drop", "id", "--model", "variational", "--input-noise", 0.2),
        *("--likelihood", "Gaussian('feature')", "--prior", "Uniform", "--beta", 0.9),
        *("--warm-up", 0.1, "--free-bits", 0.01, *TINY_OPTIONS),
        *("--validation-fraction", 0.1, "-o", folder / "map.isthmus"),
    )
    (folder / "said.txt").write_text(said.stdout)
    return folder


@pytest.fixture(scope="module")
def fitted(folder):
    return isthmus.load(folder / "map.isthmus")


@pytest.fixture(scope="module")
def linear(folder, gaps):
    """PCA of the complete rows, saved next to the other map."""
    model = isthmus.LinearAutoencoder(2).fit(gaps[["a", "b", "c", "d"]].dropna())
    isthmus.save(model, folder / "linear.isthmus")
    return model


def test_fit_is_the_estimators_fit(fitted, gaps):
    expected = isthmus.VariationalAutoencoder(
        input_noise=0.2, likelihood=likelihoods.Gaussian("feature"), prior=priors.Uniform(), beta=0.9,
        warm_up=0.1, free_bits=0.01, **TINY | {"validation_fraction": 0.1},
    )  # fmt: skip
    X = gaps.drop(columns="id")
    assert fitted.get_params() == expected.get_params()
    np.testing.assert_array_equal(fitted.transform(X), expected.fit(X).transform(X))


def test_a_noise_reaches_the_fit(folder, gaps):
    gaps.dropna().to_csv(folder / "complete.csv", index=False)
    succeed(
        *("fit", folder / "complete.csv", "--drop", "id", "--model", "denoising", "--draws", 2),
        *("--noise", "Compose([Masking(0.2), Gaussian(scale=0.1)])", *TINY_OPTIONS),
        *("-o", folder / "denoising.isthmus"),
    )
    X = gaps.drop(columns="id").dropna()
    corruption = noise.Compose([noise.Masking(0.2), noise.Gaussian(scale=0.1)])
    expected = isthmus.DenoisingAutoencoder(noise=corruption, draws=2, **TINY).fit(X)
    model = isthmus.load(folder / "denoising.isthmus")
    assert model.get_params() == expected.get_params()
    np.testing.assert_array_equal(model.transform(X), expected.transform(X))
    shown = succeed("info", folder / "denoising.isthmus").stdout
    assert "noise=Compose(noises=(Masking(fraction=0.2" in " ".join(shown.split())


def test_fit_says_what_a_variational_map_is_worth(folder, fitted):
    shown = dict(line.split("  ", 1) for line in (folder / "said.txt").read_text().splitlines()[:-1])
    shown = {name.strip(): value.strip() for name, value in shown.items()}
    loss = "held-out −ELBO with β = 0.9, nats"
    assert float(shown[loss]) == pytest.approx(fitted.validation_loss_, rel=1e-4)
    of_pca = shown[f"probabilistic PCA's {loss}"].split(" (")[0]
    assert float(of_pca) == pytest.approx(fitted.pca_validation_loss_, rel=1e-4)
    assert shown["KL of each, nats"] == ", ".join(f"{nats:.2f}" for nats in fitted.kl_)
    assert shown["active coordinates"] == "2 of 2"


def test_info_tells_what_a_variational_map_is(folder, fitted):
    facts = json.loads(succeed("info", folder / "map.isthmus", "--json").stdout)
    assert facts["yardstick"] == "probabilistic PCA"
    assert facts["kl"] == fitted.kl_.tolist()
    assert facts["active"] == fitted.active_.tolist()
    assert facts["parameters"]["likelihood"] == "Gaussian(scale='feature')"
    shown = " ".join(succeed("info", folder / "map.isthmus").stdout.split())
    for written in ("likelihood=Gaussian(scale='feature')", "prior=Uniform(", "beta=0.9"):
        assert written in shown


def test_transform_takes_empty_cells(folder, fitted, gaps):
    written = frame_of(
        succeed("transform", folder / "map.isthmus", folder / "gaps.csv", "--keep", "id").stdout
    )
    assert list(written["id"]) == list(gaps["id"])
    # Shortest decimal notation of float32.
    np.testing.assert_allclose(written.iloc[:, 1:], fitted.transform(gaps.drop(columns="id")), rtol=1e-6)


def test_whole_numbers_with_an_empty_cell_are_numbers(folder, tmp_path, fitted):
    (tmp_path / "rows.csv").write_text("a,b,c,d\n5,3,1,\n,2,4,1\n5,NA,null,1\n")
    written = frame_of(succeed("transform", folder / "map.isthmus", tmp_path / "rows.csv").stdout)
    rows = [[5, 3, 1, np.nan], [np.nan, 2, 4, 1], [5, np.nan, np.nan, 1]]
    expected = fitted.transform(pd.DataFrame(rows, columns=["a", "b", "c", "d"]))
    np.testing.assert_allclose(written, expected, rtol=1e-6)


def test_impute_fills_the_empty_cells_alone(folder, tmp_path, fitted, gaps):
    result = succeed(
        *("impute", folder / "map.isthmus", folder / "gaps.csv", "--keep", "id", "--samples", 20),
        *("--seed", 3, "-o", tmp_path / "complete.parquet", "--std", tmp_path / "std.csv"),
    )
    assert result.output == ""
    complete, std = pd.read_parquet(tmp_path / "complete.parquet"), pd.read_csv(tmp_path / "std.csv")
    X = gaps.drop(columns="id")
    expected = isthmus.impute(fitted, X, n_samples=20, random_state=3)
    np.testing.assert_array_equal(complete.drop(columns="id"), expected.rows)
    np.testing.assert_allclose(std.drop(columns="id"), expected.std, rtol=1e-12)
    assert list(complete.columns) == list(std.columns) == list(gaps.columns)
    known = X.notna().to_numpy()
    np.testing.assert_array_equal(complete[X.columns].to_numpy()[known], X.to_numpy()[known])
    assert ((std[X.columns].to_numpy() == 0) == known).all()


def test_impute_says_when_no_cell_is_empty(folder, tmp_path, gaps):
    gaps.dropna().to_csv(tmp_path / "complete.csv", index=False)
    result = succeed("impute", folder / "map.isthmus", tmp_path / "complete.csv")
    assert result.stderr.endswith("no cell is empty, so all rows are as they were\n")
    pd.testing.assert_frame_equal(
        frame_of(result.stdout), gaps.dropna().drop(columns="id").reset_index(drop=True)
    )


@pytest.mark.parametrize("failing", ["complete.csv", "std.csv"])
def test_both_outputs_are_written_or_neither(folder, tmp_path, monkeypatch, failing):
    outputs = {name: tmp_path / name for name in ("complete.csv", "std.csv")}
    for path in outputs.values():
        path.write_text("as before")
    write_to = tables.write_to

    def full_disk(sink, *arguments):
        if failing in sink.name:
            raise OSError(28, "No space left on device")
        write_to(sink, *arguments)

    monkeypatch.setattr(tables, "write_to", full_disk)
    result = run(
        *("impute", folder / "map.isthmus", folder / "gaps.csv", "--samples", 1),
        *("-o", outputs["complete.csv"], "--std", outputs["std.csv"]),
    )
    assert result.exit_code == 1
    assert result.stderr == f"isthmus: error: {outputs[failing]}: No space left on device\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(outputs)
    assert {path.read_text() for path in outputs.values()} == {"as before"}


def test_sample_is_the_librarys_sample(folder, tmp_path, fitted):
    drawn = frame_of(succeed("sample", folder / "map.isthmus", "-n", 7, "--seed", 1).stdout)
    assert list(drawn.columns) == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(drawn, isthmus.sample(fitted, 7, random_state=1))
    succeed("sample", folder / "map.isthmus", "--mean", "--seed", 1, "-o", tmp_path / "mean.npy")
    mean = fitted.inverse_transform(isthmus.sample_prior(fitted, 100, random_state=1))
    np.testing.assert_array_equal(np.load(tmp_path / "mean.npy"), mean)


def test_denoise_is_the_librarys_denoise(folder, linear, gaps):
    complete = gaps.dropna()
    complete.to_csv(folder / "some.csv", index=False)
    result = succeed("denoise", folder / "linear.isthmus", folder / "some.csv", "--keep", "id")
    restored = frame_of(result.stdout)
    assert list(restored.columns) == list(gaps.columns)
    expected = isthmus.denoise(linear, complete.drop(columns="id"))
    np.testing.assert_allclose(restored.drop(columns="id"), expected, rtol=1e-12)


def test_columns_without_names_keep_their_positions(folder, tmp_path, gaps):
    """The kept column x0 and the features x1 … x4 of an array cannot be taken for one another."""
    X = gaps.drop(columns="id").dropna().to_numpy()
    np.save(tmp_path / "rows.npy", np.column_stack([np.arange(len(X)), X]))
    model = isthmus.LinearAutoencoder(4).fit(X)
    isthmus.save(model, tmp_path / "map.isthmus")
    restored = frame_of(
        succeed("denoise", tmp_path / "map.isthmus", tmp_path / "rows.npy", "--keep", 0).stdout
    )
    assert list(restored.columns) == ["x0", "x1", "x2", "x3", "x4"]
    # A map of full rank gives the rows back, in float64.
    np.testing.assert_allclose(restored.iloc[:, 1:], X, atol=1e-12)


@pytest.mark.parametrize("command", ["sample", "impute"])
def test_a_map_of_the_wrong_kind_is_no_fault_of_the_program(folder, linear, command):
    data = [folder / "gaps.csv"] if command == "impute" else []
    result = run(command, folder / "linear.isthmus", *data)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"isthmus: error: {folder / 'linear.isthmus'} holds a map of class LinearAutoencoder, which "
        f"has no distribution of its rows, and isthmus {command} needs one that does: fit it with "
        "--model variational\n"
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("-o", "out.csv", "--std", "./out.csv"), "two outputs are out.csv"),
        (("--keep", "a"), "--keep a: a column of this name is written anyway"),
        (("--keep", "id", "-o", "out.csv", "--std", "std.npy"), "std.npy is a plain array"),
        (("--std", "nowhere/std.csv"), "there is no folder nowhere"),
        (("--std", "std.txt"), "the ending is none of .csv"),
    ],
)
def test_outputs_are_checked_before_the_work(folder, tmp_path, monkeypatch, options, told):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(isthmus, "impute", None)
    result = run("impute", folder / "map.isthmus", folder / "gaps.csv", *options)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())
    assert list(tmp_path.iterdir()) == []


def test_an_option_of_another_model_names_the_model(folder):
    options = ("--prior", "Mixture", "--likelihood", "Poisson")
    result = run("fit", folder / "gaps.csv", *options, "-o", folder / "out.isthmus")
    assert result.exit_code == 2
    told = "--model autoencoder does not take --prior, --likelihood; --model variational does"
    assert told in result.stderr
