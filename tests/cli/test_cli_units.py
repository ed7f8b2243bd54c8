"""An ordinary table on the command line: columns of different units, of text, of dates, and an id."""

import json
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib.colors import same_color

import isthmus
from cli.command import run_line

N = 120


@pytest.fixture(scope="module")
def birds():
    rng = np.random.default_rng(0)
    size = rng.standard_normal(N)
    return pd.DataFrame(
        {
            "bill_mm": 40 + 3 * size + rng.standard_normal(N),
            "depth_mm": 18 - size + rng.standard_normal(N),
            "mass_g": 3700 + 500 * size + 300 * rng.standard_normal(N),
        }
    )


@pytest.fixture
def folder(tmp_path, monkeypatch, birds):
    monkeypatch.chdir(tmp_path)
    birds.to_csv("birds.csv", index=False)
    dates = pd.date_range("2024-01-01", periods=N).astype(str)
    text = birds.assign(species=["a", "b"] * (N // 2), seen=dates, sex="f")
    text.to_csv("text.csv", index=False)
    birds.assign(bird_id=np.arange(7, 7 + N)).to_csv("numbered.csv", index=False)
    return tmp_path


def test_a_fit_standardises_unlike_columns_and_says_so_in_one_line(folder, birds):
    found = run_line("fit birds.csv --model linear -o map.isthmus")
    assert found.exit_code == 0
    (note,) = [line for line in found.stderr.splitlines() if line.startswith("note:")]
    assert "mass_g" in note
    assert "--scaling none" in note
    model = isthmus.load("map.isthmus")
    assert model.scaling == "standard"
    np.testing.assert_allclose(model.scaling_.scale, birds.std())


def test_a_fit_without_scaling_warns_of_the_column_that_decides(folder):
    found = run_line("fit birds.csv --model linear --scaling none -o map.isthmus")
    assert found.exit_code == 0
    assert "mass_g" in found.stderr
    assert isthmus.load("map.isthmus").scaling is None


def test_losses_and_likelihoods_that_need_the_data_as_they_are_keep_them(folder):
    counts = pd.DataFrame(
        np.random.default_rng(0).poisson([1.0, 20.0, 3000.0], (80, 3)), columns=list("abc")
    )
    counts.to_csv("counts.csv", index=False)
    poisson = (
        "--model variational --likelihood Poisson --widths 4 --max-epochs 2 --validation-fraction 0"
    )
    found = run_line(f"fit counts.csv {poisson} -q -o map.isthmus")
    assert found.exit_code == 0, found.stderr
    assert isthmus.load("map.isthmus").scaling is None


def test_the_dimension_says_what_was_standardised(folder):
    found = json.loads(run_line("dimension birds.csv --method two_nn --json").stdout)
    assert "mass_g" in found["units"]
    raw = json.loads(run_line("dimension birds.csv --method two_nn --scaling none --json").stdout)
    assert raw["units"] == ""
    assert raw["dimension"] != found["dimension"]


def test_a_comparison_says_what_was_standardised(folder):
    found = run_line("compare birds.csv --methods pca")
    assert found.exit_code == 0
    assert "mass_g" in " ".join(found.stdout.split())


def test_one_error_names_all_columns_without_numbers_and_the_option_that_mends_it(folder):
    found = run_line("fit text.csv --model linear -o map.isthmus")
    assert found.exit_code == 1
    for column in ("species", "seen", "sex"):
        assert f"column '{column}' holds" in found.stderr
    option = found.stderr.partition("Leave them out with ")[2].partition(", choose others")[0]
    assert option == "--drop species,seen,sex"
    assert run_line(f"fit text.csv --model linear {option} -o map.isthmus").exit_code == 0


def test_names_with_commas_are_dropped_one_by_one(folder, birds):
    birds.assign(**{"a, b": "x", "c": "y"}).to_csv("commas.csv", index=False)
    found = run_line("fit commas.csv --model linear -o map.isthmus")
    option = found.stderr.partition("Leave them out with ")[2].partition(", choose others")[0]
    assert option == "--drop 'a, b' --drop c"
    assert run_line(f"fit commas.csv --model linear {option} -o map.isthmus").exit_code == 0


def test_a_numbering_with_a_comma_in_its_name_is_dropped_as_the_note_says(folder, birds):
    birds.assign(**{"bird, id": range(len(birds))}).to_csv("commas.csv", index=False)
    told = run_line("fit commas.csv --model linear -o map.isthmus").stderr
    option = next(iter(re.findall("leave it out with (.*)", told)))
    assert option == "--drop 'bird, id'"
    assert (
        "whole number" not in run_line(f"fit commas.csv --model linear {option} -o map.isthmus").stderr
    )


def test_a_column_that_numbers_the_rows_is_named(folder):
    found = run_line("fit numbered.csv --model linear -o map.isthmus")
    shuffled = pd.read_csv("numbered.csv").sample(frac=1, random_state=0)
    shuffled.rename(columns={"bird_id": "bird"}).to_csv("shuffled.csv", index=False)
    shown = run_line("fit shuffled.csv --model linear -o map.isthmus").stderr
    assert "bird has another whole number in each row" in shown
    assert found.exit_code == 0
    assert "bird_id has another whole number in each row" in found.stderr
    assert "--drop bird_id" in found.stderr
    quiet = run_line("fit numbered.csv --model linear --drop bird_id -o map.isthmus")
    assert "whole number" not in quiet.stderr
    assert "whole number" not in run_line("fit birds.csv --model linear -o map.isthmus").stderr


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_fit_draws_its_map(folder, ending):
    options = f"--drop seen,sex --label species --model linear --picture map.{ending}"
    found = run_line(f"fit text.csv {options} -o map.isthmus")
    assert found.exit_code == 0, found.stderr
    assert f"picture: map.{ending}" in found.stdout
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert (folder / f"map.{ending}").read_bytes().startswith(start)


@pytest.mark.parametrize("labels", [["x", "y", None], [1, 2, None], [True, False, None]])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_rows_whose_label_is_empty_are_grey_in_the_picture(folder, monkeypatch, labels, ending):
    rows = pd.DataFrame(np.random.default_rng(0).standard_normal((12, 3)), columns=list("abc"))
    rows["kind"] = pd.Series(labels * 4).convert_dtypes()
    getattr(rows, f"to_{ending}")(f"some.{ending}", index=False)
    drawn = []
    plot = isthmus.plot
    monkeypatch.setattr(isthmus, "plot", lambda *given, **named: drawn.append(plot(*given, **named)))
    found = run_line(
        f"fit some.{ending} --label kind --model linear -d 2 -o map.isthmus --picture map.png"
    )
    assert found.exit_code == 0, found.stderr
    (ax,) = drawn
    *classes, grey = ax.collections
    assert [len(points.get_offsets()) for points in classes] == [4, 4]
    Z = isthmus.load("map.isthmus").transform(rows[["a", "b", "c"]])
    np.testing.assert_allclose(grey.get_offsets(), Z[2::3], atol=1e-5)
    assert same_color(grey.get_facecolor()[0][:3], "#cccccc")


def test_a_picture_may_not_be_written_over_the_data(folder):
    found = run_line("fit birds.csv --model linear -o map.isthmus --picture birds.csv")
    assert found.exit_code == 2
    assert "none of .png, .svg, .pdf" in found.stderr


def test_a_saved_map_is_evaluated_in_the_units_that_it_was_fitted_in(folder, birds):
    run_line("fit birds.csv --model linear -o map.isthmus")
    found = run_line("quality map.isthmus birds.csv --json")
    assert found.exit_code == 0, found.stderr
    model = isthmus.load("map.isthmus")
    standardised = ((birds - birds.mean()) / birds.std()).to_numpy()
    expected = isthmus.quality(standardised, model.transform(birds)).spearman
    facts = json.loads(found.stdout)
    (spearman,) = [row["value"] for row in facts["measures"] if row["measure"] == "spearman"]
    assert spearman == pytest.approx(expected, abs=1e-6)
    assert "as the map scales them" in facts["units"]
    raw = json.loads(run_line("quality map.isthmus birds.csv --json --scaling none").stdout)
    assert raw["units"] == ""


def test_the_error_says_which_text_may_be_a_label_and_which_column_numbers_the_rows(folder, birds):
    text = birds.assign(bird_id=range(7, 7 + N), note=[f"seen {i}" for i in range(N)])
    text.assign(species=["a", "b", "c"] * (N // 3)).to_csv("mixed.csv", index=False)
    found = run_line("fit mixed.csv --model linear -o map.isthmus").stderr
    assert "column 'bird_id' numbers the rows" in found
    assert "--drop note,species,bird_id" in found
    assert "column 'species' has 3 different values: --label species" in found
    # What is left out already is not to be left out again.
    found = run_line("fit mixed.csv --model linear --drop bird_id,note -o map.isthmus").stderr
    assert "bird_id" not in found


@pytest.mark.parametrize(("start", "period"), [(-180, 360), (0, 360), (-np.pi, 2 * np.pi)])
def test_a_column_that_fills_a_turn_may_be_an_angle(folder, birds, start, period):
    angles = start + period * np.random.default_rng(0).random(N)
    birds.assign(phi=angles).to_csv("angles.csv", index=False)
    found = run_line("fit angles.csv --model linear -o map.isthmus").stderr
    assert f"--periodic phi={period:g}" in found
    told = run_line(f"fit angles.csv --model linear --periodic phi={period:g} -o map.isthmus").stderr
    assert "full turn" not in told
    by_position = run_line(
        f"fit angles.csv --model linear --periodic 3={period:g} -o map.isthmus"
    ).stderr
    assert "full turn" not in by_position
    birds.assign(phi=angles / 2).to_csv("half.csv", index=False)
    assert "full turn" not in run_line("fit half.csv --model linear -o map.isthmus").stderr


def test_columns_of_half_precision_are_numbers_as_others(folder, birds):
    halves = pa.table({name: pa.array(birds[name].to_numpy(np.float16)) for name in birds})
    pq.write_table(halves, "half.parquet")
    found = run_line("fit half.parquet --model linear -q -o map.isthmus")
    assert found.exit_code == 0, found.stderr
    assert isthmus.load("map.isthmus").scaling == "standard"
