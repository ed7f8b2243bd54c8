"""``isthmus compare`` and ``isthmus quality``: the numbers of Python, and what is refused."""

import csv
import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris

import isthmus
from cli.command import run
from isthmus.comparison import METHODS
from isthmus.comparison.methods import chosen

IRIS = load_iris(as_frame=True)
X = IRIS.data.set_axis(list("abcd"), axis=1)
SPECIES = IRIS.target_names[IRIS.target]
COSTS = ("fit_seconds", "transform_seconds", "peak_mib")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Irises, their species, a map of them, and its coordinates."""
    folder = tmp_path_factory.mktemp("original")
    X.assign(species=SPECIES, id=np.arange(len(X))).to_csv(folder / "iris.csv", index=False)
    X.to_parquet(folder / "rows.parquet")
    model = isthmus.LinearAutoencoder(2).fit(X)
    isthmus.save(model, folder / "map.isthmus")
    points = pd.DataFrame(model.transform(X), columns=["u", "v"])
    points.assign(species=SPECIES).to_csv(folder / "map.csv", index=False)
    np.save(folder / "map.npy", points)
    np.save(folder / "short.npy", np.ones((9, 2)))
    return folder


def test_compare_prints_and_writes_the_numbers_of_python(folder):
    result = run(
        *("compare", "iris.csv", "--label", "species", "--drop", "id", "--methods", "pca,MDS"),
        *("-d", 1, "-k", 5, "--test-size", 0.3, "--seeds", 2, "--seed", 1),
        *("--max-rows", 80, "-o", "t.csv"),
    )
    assert result.exit_code == 0, result.output
    settings = {"k": 5, "test_size": 0.3, "n_seeds": 2, "random_state": 1, "max_rows": 80}
    report = isthmus.compare(X, SPECIES, ["pca", "mds"], 1, target_name="species", **settings)
    assert " ".join(report.verdict.split()) in " ".join(result.stdout.split())
    assert "MDS: fitted on 80 of 105 training rows" in result.stdout
    with (folder / "t.csv").open() as file:
        written = list(csv.DictReader(file))
    for row, line in zip(report.table(), written, strict=True):
        for name in set(row) - {f"{cost}{end}" for cost in COSTS for end in ("", "_std")}:
            assert line[name] == ("" if row[name] is None else line[name])
            if isinstance(row[name], float):
                assert float(line[name]) == pytest.approx(row[name])
    assert re.search(rf"PCA +{report.table()[0]['train_trustworthiness']:.3f} ", result.stdout)


def test_a_terminal_of_80_columns_is_wide_enough(folder):
    result = run("compare", "iris.csv", "--label", "species", "--methods", "pca,mds,linearautoencoder")
    lines = result.stdout.splitlines()
    (verdict,) = [i for i, line in enumerate(lines) if line.startswith("New rows")]
    rows = [
        line.split()
        for line in lines[:verdict]
        if line.lstrip().startswith(("PCA", "LinearAutoencoder"))
    ]
    assert max(map(len, lines)) <= 80
    # Seven measures and eight, five costs and three words: nothing is wrapped or cut.
    assert [len(row) for row in rows] == [8, 8, 9, 9, 6, 6, 4, 4]


def test_the_help_names_every_method():
    text = " ".join(run("compare", "--help").stdout.replace("-\n", "-").split())
    named = re.search("commas between them: (.*?)\\.", text).group(1)
    assert chosen(named.split(", ")) == METHODS


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["--methods", "tsna", "--drop", "species"],
            1,
            "methods: 'tsna' is not known; use PCA, kernel PCA",
        ),
        (["-d", 5, "--drop", "species"], 1, "n_components=5 for data of 5 columns"),
        (["--label", "genus"], 1, "has no column 'genus'"),
        ([], 1, "column 'species' holds text: row 0 is 'setosa'"),
        (["--label", "species", "--test-size", 2], 1, "test_size=2.0: expected a number in (0, 1)"),
        (["--label", "species", "-o", "table.xlsx"], 2, "the ending is none of .csv"),
    ],
)
def test_what_compare_refuses(folder, arguments, code, message):
    before = set(folder.iterdir())
    result = run("compare", "iris.csv", *arguments)
    assert result.exit_code == code
    assert message in " ".join(result.output.split())
    assert result.stdout == ""
    assert set(folder.iterdir()) == before


def test_quality_of_a_saved_map(folder):
    model = isthmus.load(folder / "map.isthmus")
    expected = isthmus.quality(X, model.transform(X), k=(5, 50), model=model)
    result = run("quality", "map.isthmus", "iris.csv", "-k", "5,50")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(expected)
    assert "reconstruction_error" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["map.csv", "iris.csv", "--drop", "species,id"],
        ["map.csv", "iris.csv", "--drop", "species", "--drop", "id"],
        ["map.csv", "iris.csv", "--columns", "a,b,c,d", "--coordinates", "u,v"],
        ["map.csv", "rows.parquet", "--coordinates", "0,1"],
        ["map.npy", "rows.parquet"],
    ],
)
def test_quality_of_coordinates(folder, arguments):
    result = run("quality", *arguments, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    expected = isthmus.quality(X, np.load("map.npy"))
    assert (facts["n_rows"], facts["n_queries"], facts["n_pairs"]) == (150, 150, expected.n_pairs)
    for found, row in zip(facts["measures"], expected.table(), strict=True):
        assert (found["measure"], found["at"]) == (row["measure"], row["at"])
        assert found["value"] == pytest.approx(row["value"], rel=1e-5, abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["map.csv", "iris.csv"], 1, "iris.csv: column 'species' holds text"),
        (["map.csv", "iris.csv", "--drop", "species,age"], 1, "iris.csv has no column 'age'"),
        (["map.isthmus", "iris.csv", "--coordinates", "u"], 2, "--coordinates is for a file of coord"),
        (["iris.csv", "map.isthmus"], 2, "map.isthmus: the ending is none of .csv"),
        (["map.txt", "iris.csv"], 2, "map.txt: the ending is none of .isthmus, .safetensors, .csv"),
        (["short.npy", "rows.parquet"], 1, "X has 150 rows and Z has 9"),
        (["map.npy", "rows.parquet", "-k", 150], 1, "k=150 neighbours were asked for"),
        (["map.npy", "rows.parquet", "-k", "few"], 2, "'few': expected whole numbers"),
        (["predictor.isthmus", "rows.parquet"], 1, "holds a FeedForwardClassifier, which predicts"),
    ],
)
def test_what_quality_refuses(folder, arguments, code, message):
    if arguments[0].startswith("predictor"):
        tiny = isthmus.FeedForwardClassifier(widths=(2,), max_epochs=1, random_state=0)
        isthmus.save(tiny.fit(X, SPECIES), folder / "predictor.isthmus")
    result = run("quality", *arguments)
    assert result.exit_code == code
    assert message in " ".join(result.output.split())
    assert result.stdout == ""
