"""The page in a real browser, opened from the disk: what it shows is what the model says."""

import gzip
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits, load_iris

import isthmus
from explorer.browsing import at, place_of, saved, shown
from isthmus.explorer.exploring import Explorer

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
def digits():
    model = isthmus.Autoencoder(2, widths=(32,), max_epochs=2, random_state=0)
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


def test_where_the_pointer_is_the_panel_has_the_decoded_row(opened, explored_iris):
    model, explorer = explored_iris
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


def test_functions_that_differ_from_the_model_are_not_used(opened, explored_iris):
    plain = gzip.decompress(explored_iris[1]._data)
    # Another number somewhere in the decoder: the steps are followed, and their result is wrong.
    weight = np.float32(explored_iris[0].components_[0, 0])
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


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1400, "dark")])
def test_nothing_overflows_at_any_width(opened, explored_iris, width, scheme):
    page = opened(explored_iris[1], width=width, height=844, color_scheme=scheme)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    background = page.evaluate(
        "() => getComputedStyle(document.querySelector('[data-testid=isthmus]')).backgroundColor"
    )
    brightness = np.mean(list(map(int, re.findall(r"\d+", background)[:3])))
    assert (brightness < 80) == (scheme == "dark")


def test_without_webgl_the_page_says_so_and_decodes(opened, explored_iris, browser, tmp_path):
    model, explorer = explored_iris
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
