"""Files of schema 1, written before fitted modules had links: they load, and give the same numbers."""

import warnings
from pathlib import Path

import numpy as np
import pytest

import isthmus

FOLDER = Path(__file__).parent / "saved_before"
NAMES = sorted(path.stem for path in FOLDER.glob("*.isthmus"))


@pytest.fixture(scope="module")
def expected():
    """Of each model, rows and what its functions gave for them."""
    with np.load(FOLDER / "expected.npz") as arrays:
        return {key: arrays[key] for key in arrays.files}


def test_there_is_a_file_of_every_kind():
    assert len(NAMES) == 20


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_schema_1_gives_the_numbers_that_it_gave(name, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = isthmus.load(FOLDER / f"{name}.isthmus")
    rows = expected[f"{name}/rows"]
    given = {
        key.removeprefix(f"{name}/"): value
        for key, value in expected.items()
        if key.startswith(f"{name}/")
    }
    for method, before in given.items():
        if method == "rows":
            continue
        now = np.asarray(
            model.inverse_transform(given["transform"])
            if method == "inverse_transform"
            else getattr(model, method)(rows)
        )
        if before.dtype.kind not in "fc":
            np.testing.assert_array_equal(now, before)
            continue
        # Other processors round otherwise; the bound has draws of its own, the same in every call.
        size = np.abs(before).max()
        np.testing.assert_allclose(now, before, rtol=1e-5, atol=1e-5 * size)
