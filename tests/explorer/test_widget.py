"""The explorer in a notebook: the widget's two sides, and a notebook that is run."""

import base64
import re

import numpy as np
import pytest
from sklearn.datasets import load_iris

import isthmus
from explorer.container import read

IRIS = load_iris(as_frame=True)


@pytest.fixture(scope="module")
def explorer():
    pytest.importorskip("anywidget", reason="no anywidget: pip install 'isthmus[notebook]'")
    model = isthmus.LinearAutoencoder(2).fit(IRIS.data)
    return isthmus.explore(model, IRIS.data, labels=IRIS.target)


def test_a_selection_goes_both_ways(explorer):
    assert explorer.selection.tolist() == []
    explorer.widget.selected = [7, 3]  # as the page sets it
    np.testing.assert_array_equal(explorer.selection, [3, 7])
    explorer.selection = np.flatnonzero(IRIS.target == 0)
    assert explorer.widget.selected == list(range(50))
    explorer.selection = []
    with pytest.raises(ValueError, match="no row 150 of 150"):
        explorer.selection = [3, 150]


def test_a_notebook_shows_it_and_the_widget_has_the_data(explorer):
    bundle = explorer._repr_mimebundle_()
    bundle = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert read(bytes(explorer.widget.data))["n"] == 150
    assert "render" in explorer.widget._esm


def test_without_anywidget_the_page_can_be_saved(explorer, monkeypatch):
    alone = isthmus.explore(isthmus.LinearAutoencoder(2).fit(IRIS.data), IRIS.data)
    monkeypatch.setattr("isthmus.explorer.exploring.find_spec", lambda name: None)
    assert list(alone._repr_mimebundle_()) == ["text/plain"]
    with pytest.raises(ModuleNotFoundError, match=re.escape("isthmus[notebook]")):
        _ = alone.widget


def test_a_notebook_with_the_widget_is_executed(tmp_path):
    nbformat = pytest.importorskip("nbformat", reason="no nbformat: pip install nbclient")
    nbclient = pytest.importorskip("nbclient", reason="no nbclient: pip install nbclient")
    cells = [
        "import isthmus\nfrom sklearn.datasets import load_iris\nX = load_iris(as_frame=True).data",
        "model = isthmus.LinearAutoencoder(2).fit(X)\nmodel",
        "explorer = isthmus.explore(model, X)\nexplorer",
        "explorer.selection = [1, 2]\nexplorer.selection",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])
    resources = {"metadata": {"path": tmp_path}}
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    outputs = [cell.outputs for cell in notebook.cells]
    assert [one.text for cell in outputs for one in cell if one.output_type == "stream"] == []
    fitted, shown, selected = (one[0].data for one in outputs[1:])
    assert "2 coordinates of 4 columns" in fitted["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in shown
    assert selected["text/plain"] == "array([1, 2])"
    states = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"].values()
    (data,) = (
        buffer["data"]
        for state in states
        for buffer in state.get("buffers", [])
        if buffer["path"] == ["data"]
    )
    assert read(base64.b64decode(data))["features"]["names"] == list(IRIS.data.columns)
