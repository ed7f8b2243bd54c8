"""Angles, categories and empty cells on the command line."""

import shlex

import numpy as np
import pandas as pd
import pytest

import isthmus
from cli.command import run_line

N = 120
KINDS = "--periodic phi=360,psi=360 --categorical species"
OF_PYTHON = {"periodic": {"phi": 360, "psi": 360}, "categorical": ["species"]}
FIT = f"fit angles.csv --model linear -d 3 {KINDS} -o map.isthmus"


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    phi = (rng.normal(180, 25, N) + 180) % 360 - 180
    psi = (2 * phi + 180) % 360 - 180
    return pd.DataFrame({"phi": phi, "psi": psi, "species": rng.choice(["a", "b"], N)})


@pytest.fixture
def folder(tmp_path, monkeypatch, table):
    monkeypatch.chdir(tmp_path)
    table.to_csv("angles.csv", index=False)
    table.to_csv("bare.csv", index=False, header=False)
    table.mask(np.random.default_rng(1).random(table.shape) < 0.1).to_csv("holes.csv", index=False)
    return tmp_path


def test_angles_and_texts_go_through_a_saved_map_and_back(folder, table):
    assert run_line(FIT).exit_code == 0
    model = isthmus.load("map.isthmus")
    assert model.periodic == {"phi": 360.0, "psi": 360.0}
    assert model.categorical == ["species"]
    assert run_line("transform map.isthmus angles.csv -o z.csv").exit_code == 0
    np.testing.assert_allclose(pd.read_csv("z.csv"), model.transform(table), rtol=1e-6, atol=1e-6)
    assert run_line("inverse map.isthmus z.csv -o back.csv").exit_code == 0
    back = pd.read_csv("back.csv")
    assert list(back.columns) == ["phi", "psi", "species"]
    assert set(back.species) <= {"a", "b"}
    assert run_line("denoise map.isthmus angles.csv -o same.csv").exit_code == 0
    np.testing.assert_allclose(pd.read_csv("same.csv").phi, back.phi, atol=1e-3)


def test_a_file_without_names_has_positions(folder, table):
    kinds = "--periodic 0=360,1=360 --categorical 2"
    fit = f"fit bare.csv --no-header --model linear -d 3 {kinds} -o m.isthmus"
    assert run_line(fit).exit_code == 0
    assert isthmus.load("m.isthmus").categorical == [2]
    assert run_line("transform m.isthmus bare.csv --no-header -o z.csv").exit_code == 0
    expected = isthmus.LinearAutoencoder(3, scaling="standard", **OF_PYTHON).fit(table).transform(table)
    np.testing.assert_allclose(pd.read_csv("z.csv"), expected, rtol=1e-6, atol=1e-6)


def test_measures_take_them_too(folder, table):
    dimension = run_line(f"dimension angles.csv --method mle {KINDS}").stdout
    assert dimension.strip() == str(isthmus.intrinsic_dimension(table, "mle", **OF_PYTHON)).strip()
    compared = run_line(f"compare angles.csv --methods pca {KINDS}").stdout
    verdict = isthmus.compare(table, None, "pca", **OF_PYTHON).verdict
    assert " ".join(verdict.split()) in " ".join(compared.split())


def test_empty_cells_of_a_category_are_missing_and_imputed(folder):
    refused = run_line(f"fit holes.csv {KINDS} --max-epochs 3 -o v.isthmus")
    assert refused.exit_code == 1
    assert "column 'phi' in row" in refused.stderr
    assert "of 3 columns with empty cells" in refused.stderr
    settings = "--max-epochs 3 --validation-fraction 0 --seed 0 -q --model variational"
    fit = f"fit holes.csv {KINDS} {settings} -o v.isthmus"
    assert run_line(fit).exit_code == 0
    assert run_line("impute v.isthmus holes.csv -o full.csv --seed 0").exit_code == 0
    full = pd.read_csv("full.csv")
    assert not full.isna().any().any()
    assert set(full.species) == {"a", "b"}


def test_the_command_that_takes_empty_cells_is_ready_to_be_run(folder, monkeypatch):
    given = "isthmus fit holes.csv --model linear --categorical species -o v.isthmus"
    monkeypatch.setattr("sys.argv", shlex.split(given))
    refused = run_line(given.removeprefix("isthmus "))
    advised = refused.stderr.strip().rpartition(": ")[2]
    assert advised == "isthmus fit holes.csv --categorical species -o v.isthmus --model variational"


BAD = {
    "fit angles.csv --periodic phi -o m.isthmus": "'phi': expected a column and its period",
    "fit angles.csv --periodic phi=x -o m.isthmus": "expected a column and its period",
    "fit angles.csv --periodic nope=3 --drop species -o m.isthmus": "has no column 'nope'",
    "fit angles.csv --categorical species --drop species -o m.isthmus": "column species is left out",
    "fit angles.csv --periodic phi=0 --drop species -o m.isthmus": "the period of 'phi' is 0",
    "fit angles.csv -o m.isthmus": "--categorical",
}


@pytest.mark.parametrize("command", BAD)
def test_what_does_not_fit_is_said_and_nothing_is_written(folder, command):
    refused = run_line(command)
    assert refused.exit_code != 0
    assert BAD[command] in " ".join(str(refused.stderr or refused.exception).split())
    assert not (folder / "m.isthmus").exists()
