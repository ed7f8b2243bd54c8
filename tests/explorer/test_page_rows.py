"""Rows in the page, in a real browser: they are selected, filtered, found, shown and placed."""

import base64
import re

import numpy as np
import pytest
from sklearn.datasets import load_iris

from explorer.browsing import on_screen, saved, shown

IRIS = load_iris(as_frame=True)


def test_a_lasso_selects_the_rows_within_it(opened, explored_iris):
    model, explorer = explored_iris
    page = opened(explorer)
    shown(page, "mode-lasso").click()
    points = on_screen(page, model.transform(IRIS.data))
    center = np.median(points[IRIS.target == 0], axis=0)
    angles = np.linspace(0, 2 * np.pi, 24)
    corners = center + 60 * np.column_stack([np.cos(angles), np.sin(angles)])
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner)
    page.mouse.up()
    page.wait_for_timeout(300)
    selected = set(page.evaluate("() => window.isthmus.selection()"))
    gaps = np.linalg.norm(points - center, axis=1)
    assert set(np.flatnonzero(gaps < 55)) <= selected <= set(np.flatnonzero(gaps < 64))
    assert 5 < len(selected) < 60
    assert str(len(selected)) in shown(page, "selection-count").inner_text()
    table = saved(page, "save-selection")
    assert {int(row[0]) for row in table[1:]} == selected
    place = {name: k for k, name in enumerate(table[0])}
    Z = model.transform(IRIS.data)
    for row in table[1:]:
        found = [float(row[place[axis]]) for axis in model.get_feature_names_out()]
        np.testing.assert_allclose(found, Z[int(row[0])], rtol=1e-5)
        assert row[place["species"]] == IRIS.target_names[IRIS.target[int(row[0])]]


def test_the_legend_filters(opened, explored_iris):
    _, explorer = explored_iris
    page = opened(explorer)
    shown(page, "category-1").click()
    page.wait_for_timeout(200)
    visible = page.evaluate("() => window.isthmus.filtered()")
    assert sorted(visible) == np.flatnonzero(IRIS.target != 1).tolist()
    # Hidden points are not selected either.
    shown(page, "mode-lasso").click()
    box = shown(page, "map").bounding_box()
    left, top = box["x"] + 12, box["y"] + 12
    right, bottom = box["x"] + box["width"] - 80, box["y"] + box["height"] - 12
    page.mouse.move(left, top)
    page.mouse.down()
    for corner in ((right, top), (right, bottom), (left, bottom), (left, top + 4)):
        page.mouse.move(*corner, steps=3)
    page.mouse.up()
    page.wait_for_timeout(300)
    selected = page.evaluate("() => window.isthmus.selection()")
    assert selected
    assert not set(selected) & set(np.flatnonzero(IRIS.target == 1))
    shown(page, "category-1").click()
    page.wait_for_timeout(200)
    assert page.evaluate("() => window.isthmus.filtered()") is None


def test_new_rows_land_where_transform_puts_them(opened, explored_iris, tmp_path):
    model, explorer = explored_iris
    page = opened(explorer)
    new = IRIS.data.iloc[::25] + 0.05
    frame = new[new.columns[::-1]].assign(other="text")
    shown(page, "tab-new").click()
    frame.to_csv(tmp_path / "new.csv", index=False)
    shown(page, "new-file").set_input_files(tmp_path / "new.csv")
    page.wait_for_timeout(300)
    placed = page.evaluate("() => window.isthmus.placed()")
    np.testing.assert_allclose([one["place"] for one in placed], model.transform(new), atol=1e-5)
    table = np.array(saved(page, "save-placed"))
    np.testing.assert_allclose(table[1:, -2:].astype(float), model.transform(new), atol=1e-5)
    # Without names, by position.
    shown(page, "clear-placed").click()
    np.savetxt(tmp_path / "plain.csv", new.to_numpy(), delimiter=",")
    shown(page, "new-file").set_input_files(tmp_path / "plain.csv")
    page.wait_for_timeout(300)
    assert len(page.evaluate("() => window.isthmus.placed()")) == len(new)


def test_rows_that_cannot_be_placed_are_said_to_be(opened, explored_iris, tmp_path):
    page = opened(explored_iris[1])
    shown(page, "tab-new").click()
    for number, (text, message) in enumerate(
        [
            ("", "empty|no rows"),
            ("sepal length (cm),sepal width (cm)\n1,2\n", "petal"),
            ("1,2,3\n", "4|columns"),
            ("1,2,3,4\n1,two,3,4\n", "two"),
            ("1,2,3,4\n1,,3,4\n", "1 row has an empty cell"),
        ]
    ):
        path = tmp_path / f"{number}.csv"
        path.write_text(text)
        shown(page, "new-file").set_input_files(path)
        page.wait_for_timeout(250)
        said = shown(page, "new-status").inner_text()
        assert re.search(message, said), said
        assert "NaN" not in said


def test_a_point_shows_its_row_and_its_neighbours(opened, explored_iris):
    page = opened(explored_iris[1])
    shown(page, "search").fill("118")
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    assert page.evaluate("() => window.isthmus.selection()") == [118]
    text = shown(page, "point-panel").inner_text()
    assert "virginica" in text
    for value in IRIS.data.iloc[118]:
        assert f"{value:g}" in text
    nearest = np.argsort(np.linalg.norm(IRIS.data - IRIS.data.iloc[118], axis=1))[1:4]
    for one in nearest:
        assert str(one) in text


def test_keys_alone_reach_everything(opened, explored_iris):
    page = opened(explored_iris[1])
    shown(page, "map").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(150)
    assert re.search(r"\d", shown(page, "place-coordinates").inner_text())
    page.keyboard.press("Enter")
    page.wait_for_timeout(150)
    assert len(page.evaluate("() => window.isthmus.selection()")) == 1
    page.keyboard.press("Escape")
    page.wait_for_timeout(100)
    assert page.evaluate("() => window.isthmus.selection()") == []
    page.keyboard.press("?")
    assert shown(page, "help").is_visible()
    # All buttons, fields and lists have a name for those who hear the page.
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, canvas[tabindex]')].filter(one =>
            !(one.getAttribute('aria-label') || one.getAttribute('aria-labelledby') || one.title
              || one.textContent.trim() || one.labels?.length)).map(one => one.outerHTML)"""
    )
    assert nameless == []


WIDGET = """
const listeners = {};
const values = { data: new DataView(Uint8Array.from(atob('@@'), (one) => one.charCodeAt(0)).buffer),
                 height: 500, selected: [] };
window.model = {
  get: (name) => values[name],
  set: (name, value) => {
    values[name] = value;
    (listeners['change:' + name] ?? []).forEach((one) => one());
  },
  save_changes: () => { window.saved = [...values.selected]; },
  on: (name, one) => (listeners[name] ??= []).push(one),
  off: (name, one) => { listeners[name] = (listeners[name] ?? []).filter((other) => other !== one); },
};
"""


def test_a_widget_selects_and_follows(browser, explored_iris, tmp_path):
    """The module that a notebook loads, with a model of widgets that keeps what it is told."""
    explorer = explored_iris[1]
    pytest.importorskip("anywidget", reason="no anywidget: pip install 'isthmus[notebook]'")
    module = base64.b64encode(explorer.widget._esm.encode()).decode()
    data = base64.b64encode(explorer._data).decode()
    (tmp_path / "notebook.html").write_text(
        f"""<meta charset=utf-8><div id=one></div><script>{WIDGET.replace("@@", data)}</script>
        <script type=module>
        const {{default: widget}} = await import('data:text/javascript;base64,{module}');
        const el = document.getElementById('one');
        window.close = widget.render({{model: window.model, el}});
        </script>"""
    )
    page, faults = browser.new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto((tmp_path / "notebook.html").as_uri())
    shown(page, "map").wait_for()
    page.evaluate("() => window.model.set('selected', [3, 5, 8])")
    page.wait_for_timeout(200)
    assert "3" in shown(page, "selection-count").inner_text()
    shown(page, "search").fill("42")
    page.keyboard.press("Enter")
    page.wait_for_timeout(200)
    assert page.evaluate("() => window.saved") == [42]
    assert shown(page, "isthmus").bounding_box()["height"] == pytest.approx(500, abs=60)
    page.evaluate("() => window.close()")
    page.close()
    assert faults == []
