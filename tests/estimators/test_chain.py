"""From ``fit`` to the loss: the functions in a traceback are few, and those that CONTRIBUTING shows."""

import re
import traceback
from pathlib import Path

import numpy as np
import pytest

import isthmus

ROOT = Path(isthmus.__file__).parent
ROWS = np.random.default_rng(0).standard_normal((600, 4))


class ReachedError(Exception):
    """Raised inside the loss."""


def loss(x, output):
    raise ReachedError


def chain_of(fit):
    with pytest.raises(ReachedError) as caught:
        fit()
    frames = traceback.extract_tb(caught.value.__traceback__)
    return [
        (Path(frame.filename).relative_to(ROOT).as_posix(), frame.name)
        for frame in frames
        if ROOT in Path(frame.filename).parents
    ]


def test_from_fit_to_the_loss_there_are_few_functions_and_contributing_names_them():
    chain = chain_of(lambda: isthmus.Autoencoder(2, widths=(4,), loss=loss).fit(ROWS))
    assert len(chain) <= 8
    assert len({file for file, _ in chain}) <= 9
    of_few_rows = chain_of(lambda: isthmus.Autoencoder(2, widths=(4,), loss=loss).fit(ROWS[:60]))
    assert len(of_few_rows) <= 8
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = re.findall(r"^(\w+/\w+\.py) +(\w+)", text, flags=re.MULTILINE)
    assert [step for step in shown if step in chain] == chain


def test_ensembles_and_parts_go_the_same_way():
    single = isthmus.Autoencoder(2, widths=(4,), loss=loss)
    way = chain_of(lambda: single.fit(ROWS))[2:]
    assert chain_of(lambda: single.partial_fit(ROWS))[2:] == way
    ensemble = isthmus.Ensemble(isthmus.Autoencoder(2, widths=(4,), loss=loss), 2)
    assert chain_of(lambda: ensemble.fit(ROWS))[-len(way) :] == way
