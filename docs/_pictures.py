"""Make the pictures of the README: the demo's, and one of the explorer's page in a browser.

The latter needs Chromium, which Playwright finds on the PATH.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from click.testing import CliRunner
from playwright.sync_api import sync_playwright
from sklearn.datasets import load_digits

import isthmus
from isthmus import cli

IMAGES = Path(__file__).parent / "images"


def demo() -> None:
    done = CliRunner().invoke(cli.main, ["demo", "-o", str(IMAGES / "digits.png")])
    if done.exit_code:
        raise RuntimeError(done.output)


def explorer() -> None:
    """A map of the digits with one point's panel open, and the pointer at another point."""
    X, y = load_digits(return_X_y=True)
    model = isthmus.NeighbourAutoencoder(random_state=0).fit(X)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "digits.html"
        isthmus.explore(model, X, labels=y, label_name="digit", image_shape=(8, 8)).save(path)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(path.as_uri())
        page.wait_for_timeout(3000)
        page.mouse.click(340, 290)
        page.mouse.move(500, 340)
        page.wait_for_timeout(500)
        page.screenshot(path=IMAGES / "explorer.png")
        browser.close()


if __name__ == "__main__":
    demo()
    explorer()
