"""``isthmus dimension`` and ``isthmus report``: what they hand over, and what they print and write."""

import json

import numpy as np
import pytest
from sklearn.datasets import make_s_curve

import isthmus
from cli.command import run
from isthmus.diagnostics.dimension.choice import choose_dimension
from isthmus.report import gathering, page

QUICK = {"widths": (8,), "max_epochs": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An S-curve as a table with a column of text."""
    folder = tmp_path_factory.mktemp("curve")
    X, t = make_s_curve(300, random_state=0)
    sides = np.where(t > 0, "right", "left")
    rows = [f"{a},{b},{c},{side}" for (a, b, c), side in zip(X, sides, strict=True)]
    (folder / "curve.csv").write_text("\n".join(["x,y,z,side", *rows]))
    return folder


def rows_of(folder):
    return np.loadtxt(folder / "curve.csv", delimiter=",", skiprows=1, usecols=(0, 1, 2))


def test_one_estimate_of_the_dimension(folder):
    found = isthmus.intrinsic_dimension(rows_of(folder), "mle")
    command = ("dimension", folder / "curve.csv", "--drop", "side", "--method", "mle")
    result = run(*command)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(found).strip()
    facts = json.loads(run(*command, "--json").stdout)
    assert facts["dimension"] == pytest.approx(found.estimate)
    assert facts["low"] < facts["dimension"] < facts["high"]


@pytest.fixture(scope="module")
def verdict(folder):
    """What the command says of the dimension, and the choice that it is about."""
    choices = []

    def choose(*arguments, **settings):
        choices.append(choose_dimension(*arguments, **settings, **QUICK))
        return choices[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isthmus, "choose_dimension", choose, raising=False)
        result = run("dimension", folder / "curve.csv", "--drop", "side", "--json")
    assert result.exit_code == 0, result.output
    (choice,) = choices
    return json.loads(result.stdout), choice


def test_a_verdict_about_the_dimension(verdict):
    facts, choice = verdict
    assert facts["dimension"] == choice.dimension
    assert facts["low"] <= facts["dimension"] <= facts["high"]
    assert set(facts["estimates"]) == {"two_nn", "mle", "gride", "pca"}


def test_a_page_is_written(folder, verdict, monkeypatch):
    monkeypatch.setattr(gathering, "choose_dimension", lambda *_, **__: verdict[1])
    output = folder / "page.html"
    given = ("--label", "side", "--methods", "pca, linear", "--model", "linear", "-o", output)
    result = run("report", folder / "curve.csv", *given)
    assert result.exit_code == 0, result.output
    text = output.read_text(encoding="utf-8")
    assert "<title>curve.csv: a map and how far to trust it</title>" in text
    records = json.loads(text.split('id="records">')[1].split("</script>")[0])
    assert records["dimension"]["choice"] == verdict[1].dimension
    assert (records["n_rows"], records["n_features"], records["n_components"]) == (300, 3, 2)
    assert [row["method"] for row in records["comparison"]] == ["PCA", "LinearAutoencoder"]
    # The features have the names of their columns.
    assert "LinearAutoencoder, 2 coordinates" in text
    assert "coloured by\n    side" in text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("report", "curve.csv"), 1, "column 'side' holds text"),
        (("report", "curve.csv", "-o", "page.pdf"), 2, "the ending is none of .html"),
        (("report", "curve.csv", "--image", "8"), 2, "expected height and width, as in 28x28"),
        (("report", "curve.csv", "--image=-1x-3"), 2, "expected height and width, as in 28x28"),
        (("report", "curve.csv", "--drop", "side", "--image", "8x8"), 1, "has 64 pixels"),
        (("report", "curve.csv", "--drop", "side", "-d", "1", "--methods", "pca"), 1, "one coordinate"),
        (("report", "curve.csv", "--drop", "side", "--methods", "pca,tsna"), 1, "'tsna' is not known"),
        (("dimension", "curve.csv"), 1, "column 'side' holds text"),
        (("dimension", "curve.csv", "--method", "luck"), 2, "'luck' is not one of"),
    ],
)
def test_what_is_refused_leaves_no_page(folder, monkeypatch, arguments, code, message):
    monkeypatch.chdir(folder)
    before = {path.name for path in folder.iterdir()}
    result = run(*arguments)
    assert result.exit_code == code
    assert message in " ".join(result.output.split())
    assert {path.name for path in folder.iterdir()} == before


def test_a_missing_extra_is_one_line(folder, monkeypatch):
    monkeypatch.setattr(page, "find_spec", lambda name: None)
    result = run("report", folder / "curve.csv", "--label", "side")
    assert result.exit_code == 1
    assert "pip install 'isthmus[report]'" in result.output
    assert "Traceback" not in result.output
