"""What is recorded of a training, and what somebody who waits for it sees."""

import io
import multiprocessing
import re
from types import SimpleNamespace

import numpy as np
import pytest

from isthmus.training import _history, loop
from training.tied_map import ROWS, fit


def test_history_has_one_entry_per_epoch():
    history = fit(held_out=ROWS[:5]).history
    assert list(history) == ["epoch", "train_loss", "validation_loss", "learning_rate", "seconds"]
    assert history["epoch"].tolist() == list(range(7))
    assert {len(column) for column in history.values()} == {7}
    assert history["seconds"][0] == 0
    assert np.all(history["seconds"][1:] >= 0)


def test_progress_goes_to_stderr_only_if_asked(capfd, monkeypatch):
    fit(verbose=False)
    assert capfd.readouterr() == ("", "")
    monkeypatch.setattr(_history, "_can_show_bar", lambda: True)
    fit(verbose=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "training" in err


def test_progress_in_a_file_is_plain_lines(capfd, monkeypatch):
    result = fit(verbose=True, held_out=ROWS[:5])
    (last,) = capfd.readouterr().err.splitlines()
    loss = f"{result.history['validation_loss'][-1]:.4g}"
    assert re.fullmatch(rf"epoch 6 of 6: loss {re.escape(loss)}, \d+ s", last)
    monkeypatch.setattr(_history, "SECONDS_BETWEEN_LINES", -1.0)
    monkeypatch.setattr(loop, "SECONDS_PER_CALL", 0.0)  # one epoch a call
    fit(verbose=True)
    lines = capfd.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"epoch {k} of 6" for k in range(1, 7)]


@pytest.mark.parametrize(
    ("verbose", "looking", "seconds", "shown"),
    [
        (None, True, -1.0, True),
        (None, True, 60.0, False),
        (None, False, -1.0, False),
        (False, True, -1.0, False),
    ],
)
def test_a_bar_is_shown_by_itself_where_somebody_waits(
    capfd, monkeypatch, verbose, looking, seconds, shown
):
    monkeypatch.setattr(_history, "SECONDS_WITHOUT_BAR", seconds)
    monkeypatch.setattr(_history, "_somebody_is_looking", lambda: looking)
    fit(verbose=verbose)
    assert ("training" in capfd.readouterr().err) is shown


def test_a_bar_ends_at_its_end_where_training_ends_early(capfd, monkeypatch):
    monkeypatch.setattr(_history, "_can_show_bar", lambda: True)
    result = fit(verbose=True, held_out=ROWS[:5], patience=1, learning_rate=1e-12, max_epochs=500)
    assert len(result.history["epoch"]) < 400
    assert "100%" in capfd.readouterr().err.splitlines()[-1]


def test_nobody_looks_at_a_worker_or_a_pipe(monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert not _history._somebody_is_looking()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert _history._somebody_is_looking()
    monkeypatch.setattr(
        multiprocessing, "current_process", lambda: SimpleNamespace(name="LokyProcess-1")
    )
    assert not _history._somebody_is_looking()
