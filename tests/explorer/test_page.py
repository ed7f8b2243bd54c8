"""The page in a real browser, opened from the disk: what it shows is what the model says."""

import base64
import csv
import gzip
import io
import re
import shutil
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits, load_iris

import isthmus
from isthmus.explorer.exploring import Explorer

sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if CHROMIUM is None:
    pytest.skip("no browser to look at the page with: apt-get install chromium", allow_module_level=True)

# WebGL by software, as a machine without a graphics card has it.
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]

IRIS = load_iris(as_frame=True)
DIGITS = load_digits()
HOSTILE = [
    '<img src=x onerror="document.title=1">',
    "</script><script>document.title=1</script>",
    "\"quoted\" & 'single'",
    "🙂 emoji",
    "من اليمين",
    "=1+1",
    "a,b;c",
    "javascript:alert(1)",
]


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Opens what ``isthmus.explore`` gives; fails at the end if the page complained or went online."""
    faults, contexts = [], []

    def look(explorer, width=1100, height=640, **settings):
        path = tmp_path / f"map {len(contexts)} #ü.html"
        explorer.save(path)
        context = browser.new_context(
            viewport={"width": width, "height": height}, accept_downloads=True, **settings
        )
        contexts.append(context)
        page = context.new_page()

        def heard(message):
            if message.type in ("error", "warning") and "GPU stall" not in message.text:
                faults.append(message.text)

        def asked(request):
            if not request.url.startswith(("file:", "blob:", "data:")):
                faults.append(request.url)

        page.on("console", heard)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", asked)
        page.goto(path.as_uri())
        page.evaluate("() => window.isthmus.ready")
        return page

    yield look
    for context in contexts:
        context.close()
    assert faults == []


def at(page, z):
    """Where a place of the map is on the screen."""
    return page.evaluate("z => window.isthmus.screenOf(z)", list(map(float, z)))


def on_screen(page, Z):
    return np.array(page.evaluate("Z => Z.map(z => window.isthmus.screenOf(z))", Z.tolist()))


def shown(page, testid):
    return page.get_by_test_id(testid)


def place_of(page, model):
    """The coordinates that the panel of the decoded place shows."""
    text = shown(page, "place-coordinates").inner_text().replace("−", "-").replace(",", "")
    return np.array([float(text.split(axis, 1)[1].split()[0]) for axis in model.get_feature_names_out()])


def saved(page, button):
    """The rows of the file that a button saves."""
    with page.expect_download() as download:
        shown(page, button).click()
    text = download.value.path().read_text("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


@pytest.fixture(scope="module")
def iris():
    model = isthmus.LinearAutoencoder(2).fit(IRIS.data)
    explorer = isthmus.explore(
        model, IRIS.data, labels=IRIS.target_names[IRIS.target], label_name="species"
    )
    return model, explorer


@pytest.fixture(scope="module")
def digits():
    model = isthmus.Autoencoder(2, widths=(32,), max_epochs=20, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(DIGITS.data)
    return model, isthmus.explore(model, DIGITS.data, labels=DIGITS.target, image_shape=(8, 8))


def test_the_page_computes_what_the_model_does(opened, digits):
    model, explorer = digits
    page = opened(explorer)
    Z = model.transform(DIGITS.data[::60]).astype(np.float64)
    places = np.concatenate([Z, np.random.default_rng(0).uniform(Z.min(0), Z.max(0), (30, 2))])
    decoded = page.evaluate("Z => Z.map(z => window.isthmus.decode(z))", places.tolist())
    np.testing.assert_allclose(decoded, model.inverse_transform(places), atol=1e-4 * DIGITS.data.std())
    encoded = page.evaluate("X => X.map(x => window.isthmus.encode(x))", DIGITS.data[::60].tolist())
    np.testing.assert_allclose(encoded, Z, atol=1e-4 * Z.std())


def test_where_the_pointer_is_the_panel_has_the_decoded_row(opened, iris):
    model, explorer = iris
    page = opened(explorer)
    Z = model.transform(IRIS.data)
    for place in ([1.0, 0.2], [-2.0, -0.4], [3.1, 0.9]):
        page.mouse.move(*at(page, place))
        page.wait_for_timeout(150)
        pixel = np.ptp(Z, axis=0).max() / 400
        np.testing.assert_allclose(place_of(page, model), place, atol=pixel)
        # The numbers beside the bars, by the names of the features.
        bars = shown(page, "decoded-bars").inner_text().replace("−", "-")
        for name, value in zip(IRIS.data.columns, model.inverse_transform([place])[0], strict=True):
            line = bars.split(name, 1)[1]
            found = float(re.search(r"-?\d+\.?\d*", line)[0])
            assert found == pytest.approx(value, abs=0.03)


def test_a_lasso_selects_the_rows_within_it(opened, iris):
    model, explorer = iris
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


def test_the_legend_filters(opened, iris):
    _, explorer = iris
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


def test_a_path_is_saved_as_the_model_decodes_it(opened, digits):
    model, explorer = digits
    page = opened(explorer)
    shown(page, "mode-path").click()
    Z = model.transform(DIGITS.data)
    ends = np.array([Z[DIGITS.target == k].mean(axis=0) for k in (0, 1)])
    start, end = (at(page, z) for z in ends)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=8)
    page.mouse.up()
    page.wait_for_timeout(400)
    assert shown(page, "film").is_visible()
    header, *rows = saved(page, "save-path-csv")
    numbers = np.array(rows, float)
    assert numbers.shape == (30, 1 + 2 + 64)
    assert header[1:3] == list(model.get_feature_names_out())
    along, decoded = numbers[:, 1:3], numbers[:, 3:]
    np.testing.assert_allclose(decoded, model.inverse_transform(along), atol=1e-4 * DIGITS.data.std())
    pixel = np.ptp(Z, axis=0).max() / 300
    np.testing.assert_allclose(along[[0, -1]], ends, atol=3 * pixel)
    steps = np.linalg.norm(np.diff(along, axis=0), axis=1)
    np.testing.assert_allclose(steps, steps.mean(), rtol=0.05)
    with page.expect_download() as download:
        shown(page, "save-path-png").click()
    assert download.value.path().read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_new_rows_land_where_transform_puts_them(opened, iris, tmp_path):
    model, explorer = iris
    page = opened(explorer)
    new = IRIS.data.iloc[::25] + 0.05
    frame = new[new.columns[::-1]].assign(other="text")
    page.get_by_test_id("tab-new").click()
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty|no rows"),
        ("sepal length (cm),sepal width (cm)\n1,2\n", "petal"),
        ("1,2,3\n", "4|columns"),
        ("1,2,3,4\n1,two,3,4\n", "two"),
        ("1,2,3,4\n1,,3,4\n", "1 row has an empty cell"),
    ],
)
def test_rows_that_cannot_be_placed_are_said_to_be(opened, iris, tmp_path, text, message):
    page = opened(iris[1])
    page.get_by_test_id("tab-new").click()
    (tmp_path / "new.csv").write_text(text)
    shown(page, "new-file").set_input_files(tmp_path / "new.csv")
    page.wait_for_timeout(250)
    said = shown(page, "new-status").inner_text()
    assert re.search(message, said), said
    assert "NaN" not in said


def test_of_five_coordinates_three_have_sliders(opened):
    X = DIGITS.data
    model = isthmus.LinearAutoencoder(5).fit(X)
    page = opened(isthmus.explore(model, X, image_shape=(8, 8)))
    Z = model.transform(X)
    sliders = shown(page, "sliders").locator("input[type=range]")
    assert sliders.count() == 3
    middle = np.median(Z, axis=0)
    page.mouse.move(*at(page, middle))
    page.wait_for_timeout(150)

    found = place_of(page, model)
    np.testing.assert_allclose(found[2:], middle[2:], atol=0.02 * np.ptp(Z, axis=0).max())
    sliders.first.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(100)
    page.mouse.move(*np.add(at(page, middle), [1, 1]))
    page.wait_for_timeout(150)
    after = place_of(page, model)
    assert after[2] > found[2]
    np.testing.assert_allclose(after[3:], found[3:], rtol=1e-3)
    decoded = page.evaluate("z => window.isthmus.decode(z)", after.tolist())
    np.testing.assert_allclose(decoded, model.inverse_transform(after[None])[0], atol=1e-4 * X.std())


def test_texts_of_the_data_are_shown_and_never_run(opened):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((80, 8)), columns=HOSTILE)
    model = isthmus.LinearAutoencoder(2).fit(X)
    labels = np.array(HOSTILE)[np.arange(80) % 8]
    explorer = isthmus.explore(
        model,
        X,
        labels=labels,
        label_name=HOSTILE[0],
        ids=[f"{HOSTILE[1]} {k}" for k in range(80)],
        title=HOSTILE[0],
    )
    page = opened(explorer)
    assert page.title() == HOSTILE[0]
    legend = shown(page, "legend").inner_text()
    for text in HOSTILE:
        assert text in legend
    shown(page, "search").fill(f"{HOSTILE[1]} 7")
    page.keyboard.press("Enter")
    page.wait_for_timeout(200)
    assert f"{HOSTILE[1]} 7" in shown(page, "point-id").inner_text()
    page.mouse.move(*at(page, [0.1, 0.1]))
    page.wait_for_timeout(200)
    assert page.locator("img").count() == 0
    assert page.locator("script").count() <= 2  # its own, and the place of the data
    assert page.title() == HOSTILE[0]


def test_a_point_shows_its_row_and_its_neighbours(opened, iris):
    page = opened(iris[1])
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


def test_functions_that_differ_from_the_model_are_not_used(opened, iris):
    plain = gzip.decompress(iris[1]._data)
    # Another number somewhere in the decoder: the steps are followed, and their result is wrong.
    weight = np.float32(iris[0].components_[0, 0])
    assert weight.tobytes() in plain
    broken = plain.replace(weight.tobytes(), np.float32(weight * 1.001).tobytes())
    page = opened(Explorer(gzip.compress(broken), "broken", 150))
    assert shown(page, "trouble").is_visible()
    assert (
        page.evaluate("() => { try { return window.isthmus.decode([0, 0]) } catch { return null } }")
        is None
    )


def test_a_map_without_functions_says_why(opened):
    X = np.random.default_rng(0).uniform(0, 360, (100, 3))
    page = opened(isthmus.explore(isthmus.LinearAutoencoder(2, periodic={0: 360}).fit(X), X))
    assert "angles or categories" in shown(page, "place-panel").inner_text()


def test_keys_alone_reach_everything(opened, iris):
    page = opened(iris[1])
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


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1400, "dark")])
def test_nothing_overflows_at_any_width(opened, iris, width, scheme):
    page = opened(iris[1], width=width, height=844, color_scheme=scheme)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    background = page.evaluate(
        "() => getComputedStyle(document.querySelector('[data-testid=isthmus]')).backgroundColor"
    )
    brightness = np.mean(list(map(int, re.findall(r"\d+", background)[:3])))
    assert (brightness < 80) == (scheme == "dark")


def test_without_webgl_the_page_says_so_and_decodes(opened, iris, browser, tmp_path):
    model, explorer = iris
    explorer.save(tmp_path / "map.html")
    context = browser.new_context()
    context.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        " return /webgl/.test(kind) ? null : get.call(this, kind, ...rest) }"
    )
    page = context.new_page()
    page.goto((tmp_path / "map.html").as_uri())
    page.evaluate("() => window.isthmus.ready")
    assert "WebGL" in shown(page, "no-webgl").inner_text()
    decoded = page.evaluate("() => window.isthmus.decode([1, 0])")
    np.testing.assert_allclose(decoded, model.inverse_transform([[1.0, 0.0]])[0], atol=1e-4)
    context.close()


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


def test_a_widget_selects_and_follows(browser, iris, tmp_path):
    """The module that a notebook loads, with a model of widgets that keeps what it is told."""
    explorer = iris[1]
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
