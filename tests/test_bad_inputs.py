"""Bad inputs, in Python and on the command line: what came, what was expected, what to do.

The lists are in ``bad_inputs/``; docs/bad_inputs.md has the same in words, and a test compares the two.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.decomposition import PCA

import isthmus
from bad_inputs.inputs import NAMES, ROWS, TINY, Workspace
from bad_inputs.of_maps import APPLYING, GENERATIVE, MEASURING, MODEL_FILES
from bad_inputs.of_parameters import CHOICES, PARAMETERS
from bad_inputs.of_rows import DATA_FILES, SHAPES, VALUES
from isthmus import cli

PAGE = Path(__file__).parents[1] / "docs" / "bad_inputs.md"
INPUTS = [
    *(*VALUES, *SHAPES, *APPLYING, *PARAMETERS, *CHOICES, *GENERATIVE),
    *(*MEASURING, *MODEL_FILES, *DATA_FILES),
]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder, frame = tmp_path_factory.mktemp("model"), pd.DataFrame(ROWS, columns=NAMES)
    saved = {}
    for model in (isthmus.LinearAutoencoder(2), isthmus.VariationalAutoencoder(2, **TINY)):
        path = folder / f"{type(model).__name__}.isthmus"
        isthmus.save(model.fit(frame), path)
        saved[model] = path
    return [part for pair in saved.items() for part in pair]


@pytest.fixture
def workspace(tmp_path, fitted):
    return Workspace(tmp_path, *fitted)


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
@pytest.mark.parametrize("item", [item for item in INPUTS if item.python], ids=lambda item: item.name)
def test_python_says_what_is_wrong(workspace, item):
    if item.error is None:
        model = item.python(workspace)
        decoded = model.inverse_transform(model.transform(np.ones((1, 4))))
        assert np.isfinite(decoded).all()
        return
    with pytest.raises(item.error) as caught:
        item.python(workspace)
    assert re.search(item.says, str(caught.value), re.DOTALL)


@pytest.mark.parametrize("item", [item for item in INPUTS if item.command], ids=lambda item: item.name)
def test_the_command_line_says_what_is_wrong(workspace, item):
    arguments = list(map(str, item.command(workspace)))
    result = CliRunner().invoke(cli.main, arguments, prog_name="isthmus")
    assert result.exit_code == item.code, result.output
    assert re.search(item.prints, " ".join(result.output.split()))
    if item.code == 0:
        return
    assert result.stdout == ""
    assert not (workspace.folder / "out.isthmus").exists()
    if item.code == 1:
        errors = [
            line for line in result.stderr.splitlines() if not line.startswith(("note: ", "warning: "))
        ]
        assert len(errors) == 1
        assert errors[0].startswith("isthmus: error: ")


def test_the_page_lists_the_same():
    """Each row of the page: a name, what Python raises, and what the command line exits with."""
    rows = re.findall(
        r"^\| ([^|`*]+?) \| (?:`(\w+)`|(works|–))[^|]* \| (\d\b|–)[^|]* \|$", PAGE.read_text(), re.M
    )
    listed = [(name, error or other, code) for name, error, other, code in rows]
    assert listed == [(item.name, *item.outcomes) for item in INPUTS]


@pytest.mark.parametrize(
    "given", [1, "map.isthmus", ROWS, PCA(2).fit(ROWS)], ids=lambda x: type(x).__name__
)
@pytest.mark.parametrize(
    "function",
    [
        lambda model: isthmus.reliability(model, ROWS, ROWS),
        lambda model: isthmus.jacobian(model, ROWS),
        lambda model: isthmus.metric(model, ROWS[:, :2]),
        lambda model: isthmus.loadings(model, ROWS),
        lambda model: isthmus.plot(model, ROWS),
        lambda model: isthmus.posterior(model, ROWS),
        lambda model: isthmus.score_function(model, ROWS),
        lambda model: isthmus.coordinate_spread(model, ROWS),
    ],
)
def test_what_is_no_map_is_refused_by_every_function_of_one(function, given):
    with pytest.raises(TypeError, match=r"isthmus\.|VariationalAutoencoder|DenoisingAutoencoder"):
        function(given)
