"""What the tests of the page do in a browser, and read from it."""

import csv
import io

import numpy as np


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
