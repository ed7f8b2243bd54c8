"""Claim: a page of 100 000 rows × 784 opens in seconds and moves smoothly, without a graphics card.

The page is opened from the disk in headless Chromium, which draws WebGL by software. Measured are: its
size; the time from opening it to a map that answers; frames while the map is dragged for two seconds;
and decoding one row by the map 784-512-256-2 in the page. A page of a million rows of ten columns
follows.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
from common import Aim, Report, flat_data_allowed, json_option, quick_option
from playwright.sync_api import Page, sync_playwright
from rows import generated_images

import isthmus

ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
AIMS = {
    "page, MB": Aim(25, at_least=False),
    "seconds until it answers": Aim(5, at_least=False),
    "slowest frame of a drag, ms": Aim(50, at_least=False),
    "decoding a row, ms": Aim(5, at_least=False),
}

PAUSE = 1 / 60
"""Seconds between two places of the pointer, as a hand moves it."""

FRAMES = """() => {
    window.frames_ = []; window.moving_ = true; let last = performance.now();
    const next = () => requestAnimationFrame((now) => {
        window.frames_.push(now - last); last = now; if (window.moving_) next();
    });
    next();
}"""
DECODING = """(places) => {
    for (const z of places) window.isthmus.decode(z);
    const start = performance.now();
    for (const z of places) window.isthmus.decode(z);
    return (performance.now() - start) / places.length;
}"""


@contextmanager
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        yield found
        found.close()


def drag(page: Page, seconds: float) -> np.ndarray:
    """Milliseconds between frames while the map is dragged in a circle."""
    box = page.get_by_test_id("map").bounding_box()
    assert box is not None
    center = np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])
    page.mouse.move(*center)
    time.sleep(1)
    page.mouse.down()
    page.evaluate(FRAMES)
    end, angle = time.perf_counter() + seconds, 0.0
    while time.perf_counter() < end:
        angle += 0.1
        page.mouse.move(*(center + 80 * np.array([np.cos(angle), np.sin(angle)])))
        time.sleep(PAUSE)
    frames = page.evaluate("() => { window.moving_ = false; return window.frames_ }")
    page.mouse.up()
    return np.array(frames[1:])


def figures(
    model: isthmus.Autoencoder, rows: np.ndarray, seconds: float, **shown: Any
) -> dict[str, float]:
    """What is measured of a page of these rows."""
    labels = np.arange(len(rows)) % 10
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        path = Path(folder) / "map.html"
        start = time.perf_counter()
        isthmus.explore(model, rows, labels=labels, **shown).save(path)
        found = {
            "seconds to write it": time.perf_counter() - start,
            "page, MB": path.stat().st_size / 1e6,
        }
        page = chromium.new_page(viewport={"width": 1400, "height": 900})
        start = time.perf_counter()
        page.goto(path.as_uri())
        page.evaluate("() => window.isthmus.ready")
        # A map that answers has drawn a frame after it was ready.
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        found["seconds until it answers"] = time.perf_counter() - start
        frames = drag(page, seconds)
        found["frame of a drag, median, ms"] = float(np.median(frames))
        found["slowest frame of a drag, ms"] = float(frames.max())
        places = model.transform(rows[:200]).tolist()
        found["decoding a row, ms"] = float(page.evaluate(DECODING, places))
    return found


@click.command(help=__doc__)
@quick_option
@json_option
def main(quick: bool, json_path: Path | None) -> None:
    report = Report("Explorer: a page of 100 000 rows of 784 columns, drawn by software", quick)
    n = 2000 if quick else 100_000
    rows = (generated_images(n) * 255).astype(np.uint8)
    narrow = np.random.default_rng(0).standard_normal((10 * n, 10)).astype(np.float32)
    with flat_data_allowed():
        model = isthmus.Autoencoder(2, widths=(512, 256), max_epochs=1, random_state=0).fit(rows[:5000])
        small = isthmus.Autoencoder(2, max_epochs=1, random_state=0).fit(narrow[:5000])
    for title, aims, found in (
        (f"{n:,} × 784", AIMS, figures(model, rows, 2.0, image_shape=(28, 28))),
        (f"{10 * n:,} × 10", {}, figures(small, narrow, 2.0)),
    ):
        table = [
            (name, f"{figure:.3g}", report.judge(aims.get(name), figure))
            for name, figure in found.items()
        ]
        report.table(title, ("", "figure", "aim"), table)
        report.results[title] = found
    report.write(json_path)


if __name__ == "__main__":
    main()
