"""A browser, and the page of a map in it."""

import shutil

import pytest
from sklearn.datasets import load_iris

import isthmus

# WebGL by software, as a machine without a graphics card has it.
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@pytest.fixture(scope="module")
def browser():
    reason = "no playwright: pip install playwright"
    sync_api = pytest.importorskip("playwright.sync_api", reason=reason)
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.skip("no browser to look at the page with: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
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


@pytest.fixture(scope="module")
def explored_iris():
    """A map of irises, and what ``isthmus.explore`` gives of it."""
    data = load_iris(as_frame=True)
    model = isthmus.LinearAutoencoder(2).fit(data.data)
    species = data.target_names[data.target]
    return model, isthmus.explore(model, data.data, labels=species, label_name="species")
