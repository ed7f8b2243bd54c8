"""``isthmus explore``: the page of a saved map and a file of rows."""

import base64
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris

import isthmus
from cli.command import run
from explorer.container import read

IRIS = load_iris(as_frame=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A map of iris, and a table of its rows with species and names, in another order of columns."""
    folder = tmp_path_factory.mktemp("iris")
    isthmus.save(isthmus.LinearAutoencoder(2).fit(IRIS.data), folder / "iris.isthmus")
    frame = IRIS.data[IRIS.data.columns[::-1]]
    frame = frame.assign(species=IRIS.target_names[IRIS.target], name=[f"plant {k}" for k in range(150)])
    frame.to_csv(folder / "iris.csv", index=False)
    return folder


def contents(path):
    page = path.read_text("utf-8")
    (data,) = re.findall(r'id="isthmus-data">([A-Za-z0-9+/=]*)<', page)
    return read(base64.b64decode(data))


def test_a_page_of_a_table(folder):
    output = folder / "page.html"
    result = run(
        *("explore", folder / "iris.isthmus", folder / "iris.csv", "--label", "species", "--id", "name"),
        *("-o", output),
    )
    assert result.exit_code == 0, result.output
    assert result.stderr == f"page: {output}\n"
    found = contents(output)
    expected = isthmus.load(folder / "iris.isthmus").transform(IRIS.data)
    np.testing.assert_allclose(found["coordinates"], expected, rtol=1e-6)
    assert found["labels"]["name"] == "species"
    assert found["ids"][3] == "plant 3"
    assert found["title"] == "iris.csv"
    np.testing.assert_allclose(found["rows"]["values"], IRIS.data)


def test_known_rows_and_a_title(folder):
    generator = np.random.default_rng(0)
    known = IRIS.data.sample(60, random_state=0) + generator.normal(0, 0.1, (60, 4))
    known.to_csv(folder / "known.csv", index=False)
    result = run(
        *("explore", folder / "iris.isthmus", folder / "iris.csv", "--known", folder / "known.csv"),
        *("--title", "<Iris>", "-o", folder / "known.html"),
    )
    assert result.exit_code == 0, result.output
    found = contents(folder / "known.html")
    assert found["title"] == "<Iris>"
    model = isthmus.load(folder / "iris.isthmus")
    (values,) = (one["values"] for one in found["measures"] if one["key"] == "reliability")
    np.testing.assert_allclose(values, isthmus.reliability(model, IRIS.data, known).p_value, rtol=1e-6)


def test_images(folder):
    X = np.random.default_rng(0).integers(0, 17, (50, 12))
    pd.DataFrame(X).to_csv(folder / "images.csv", index=False, header=False)
    isthmus.save(isthmus.LinearAutoencoder(2).fit(X), folder / "images.isthmus")
    command = ("explore", folder / "images.isthmus", folder / "images.csv", "-o", folder / "images.html")
    assert run(*command, "--image", "3x4").exit_code == 0
    assert contents(folder / "images.html")["image"] == [3, 4]
    assert contents(folder / "images.html")["rows"]["values"].dtype == np.uint8
    faults = {"5x5": "25 pixels, and rows have 12 columns", "large": "height and width"}
    for wrong, message in faults.items():
        result = run(*command, "--image", wrong)
        assert result.exit_code > 0
        assert message in result.output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--label", "colour"), "colour"),
        (("--id", "colour"), "colour"),
        (("-o", "page.png"), ".html"),
        (("--known", "nowhere.csv"), "nowhere.csv"),
    ],
)
def test_what_is_not_there_is_named(folder, change, message):
    before = sorted(folder.iterdir())
    result = run("explore", folder / "iris.isthmus", folder / "iris.csv", *change)
    assert result.exit_code in (1, 2)
    assert message in result.output
    assert sorted(folder.iterdir()) == before
