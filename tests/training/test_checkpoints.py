"""Checkpoints: whatever kills a training, it ends with the bits of one that was not killed."""

import itertools
import signal
import subprocess
import sys
import time

import numpy as np
import optax
import pytest

from isthmus.networks.layers import Affine
from isthmus.training import loop
from isthmus.training._groups import SingleNetwork
from isthmus.training.loop import train
from isthmus.training.solvers import Solver, constant
from kills import Killed, dies_at_write, until_complete
from training.kept_training import EPOCHS, assert_same_bits, fit, names, training
from training.tied_map import ROWS, START


def side_by_side():
    """Three trainings, of which the first has no held-out rows and the last diverges at once."""
    diverging = Affine(START * 1e30, None)
    return [training(0), training(1, held_out=ROWS[:6]), training(2, diverging, held_out=ROWS[6:12])]


SETTINGS = {
    "one block": (lambda: [training()], {}),
    "held-out rows": (lambda: [training(held_out=ROWS[:9], patience=3)], {}),
    "blocks": (lambda: [training(n_blocks=4)], {}),
    "blocks, and epochs of two steps": (lambda: [training(n_blocks=4, steps_per_epoch=2)], {}),
    "side by side": (side_by_side, {"size": 4}),
    "folds": (lambda: side_by_side()[:2], {"jointly": True}),
}


@pytest.mark.parametrize("where", ["fsync", "replace"])
@pytest.mark.parametrize("setting", SETTINGS)
def test_death_at_every_write_changes_no_bit(setting, where, tmp_path, monkeypatch, short_calls):
    make, options = SETTINGS[setting]
    expected = train(make(), **options)

    def run():
        return fit(tmp_path, make(), **options)

    results, deaths = until_complete(run, monkeypatch, where)
    assert_same_bits(results, expected)
    # The start and the first epoch are one call; of four blocks each is one.
    assert deaths >= (3 if setting == "held-out rows" else EPOCHS - 2)
    assert all(name.startswith("isthmus-0000-") for name in names(tmp_path))


def test_a_process_that_is_killed_changes_no_bit(tmp_path):
    script = """
import sys
import numpy as np
import isthmus
from isthmus.training import loop
loop.SECONDS_PER_CALL = 0.0
angle = np.random.default_rng(0).uniform(0, 3, (300, 1))
rows = np.sin(angle * np.arange(1, 13) / 3)
model = isthmus.Autoencoder(2, widths=(16,), max_epochs=150, validation_fraction=0, random_state=0)
kept = {"checkpoint": isthmus.Checkpoint(sys.argv[2], seconds=0)} if len(sys.argv) > 2 else {}
np.save(sys.argv[1], model.fit(rows, **kept).transform(rows))
"""

    def start(*arguments):
        return subprocess.Popen([sys.executable, "-W", "error", "-c", script, *map(str, arguments)])

    expected, found, folder = tmp_path / "expected.npy", tmp_path / "found.npy", tmp_path / "kept"
    assert start(expected).wait() == 0
    # Together less than the fit takes, of which each goes on.
    for moment in np.random.default_rng().uniform(0.0, 0.05, size=3):
        before = names(folder) if folder.exists() else []
        process = start(found, folder)
        # Some are killed by the time they go on, some while they write.
        while process.poll() is None and (not folder.exists() or names(folder) == before):
            time.sleep(0.002)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert start(found, folder).wait() == 0
    np.testing.assert_array_equal(np.load(found), np.load(expected))


def test_ctrl_c_is_kept_and_the_next_start_goes_on(tmp_path, short_calls):
    expected = train([training()])
    with pytest.MonkeyPatch.context() as patch:
        calls = itertools.count(1)
        real = SingleNetwork.program

        def interrupted(*arguments):
            if next(calls) == 4:
                raise KeyboardInterrupt
            return real(*arguments)

        patch.setattr(SingleNetwork, "program", staticmethod(interrupted))
        with pytest.warns(UserWarning, match="interrupted after 3 of 7 epochs"):
            (result,) = fit(tmp_path, seconds=1e9)
    assert result.stopped == "interrupted"
    # One after the first call, and one for the two calls since.
    assert names(tmp_path)[-1] == "isthmus-0000-00000002.safetensors"
    assert_same_bits(fit(tmp_path), expected)


def test_ctrl_c_before_a_call_is_recorded_is_as_if_before_the_call(tmp_path, monkeypatch, short_calls):
    expected = train([training()])
    real, calls = loop.Recorder.add, itertools.count(1)

    def interrupted(recorder, records):
        real(recorder, records)
        if next(calls) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop.Recorder, "add", interrupted)
    with pytest.warns(UserWarning, match="interrupted after 3 of 7 epochs"):
        (result,) = fit(tmp_path)
    assert len(result.history["epoch"]) == 4
    assert result.best_epoch == 3
    (as_long,) = train([training(max_epochs=3)])
    np.testing.assert_array_equal(result.network.weight, as_long.network.weight)
    assert_same_bits(fit(tmp_path), expected)


def test_a_complete_training_is_not_run_again(tmp_path, monkeypatch, uninterrupted):
    assert_same_bits(fit(tmp_path), uninterrupted)
    files = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}

    def untouched(*arguments):
        raise AssertionError("a call was made")

    monkeypatch.setattr(SingleNetwork, "program", staticmethod(untouched))
    assert_same_bits(fit(tmp_path), uninterrupted)
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == files


def test_a_training_that_diverged_is_complete(tmp_path):
    solver = Solver(optax.identity(), constant, peak=0.05)
    diverging = {"learning_rate": 1e4, "max_epochs": 400, "solver": solver}
    (first,) = fit(tmp_path, [training(**diverging)])
    (again,) = fit(tmp_path, [training(**diverging)])
    assert first.stopped == "diverged"
    assert_same_bits([again], [first])


def test_no_program_is_compiled_anew_where_training_goes_on(tmp_path, monkeypatch, short_calls):
    fit(tmp_path / "whole")
    before = SingleNetwork.program._cached._cache_size()
    until_complete(lambda: fit(tmp_path / "killed"), monkeypatch)
    assert SingleNetwork.program._cached._cache_size() == before


@pytest.mark.parametrize(("seconds", "written"), [(0.0, EPOCHS), (1e9, 2)])
def test_checkpoints_are_so_many_seconds_apart(seconds, written, tmp_path, short_calls):
    fit(tmp_path, seconds=seconds)
    # One after the first call, which makes two passes, and one at the end.
    assert names(tmp_path)[-1] == f"isthmus-0000-{written:08d}.safetensors"


@pytest.mark.parametrize("keep", [1, 3])
def test_the_newest_stay_and_what_is_not_ours(keep, tmp_path, monkeypatch, short_calls):
    with monkeypatch.context() as patch:
        dies_at_write(patch, 2)
        with pytest.raises(Killed):
            fit(tmp_path)
    others = ["notes.txt", ".hidden", ".tmp", "isthmus-best.safetensors", "isthmus-0000-1.safetensors"]
    for name in others:
        (tmp_path / name).write_text("mine")
    (tmp_path / ".isthmus-0000-00000002.safetensors.4711.tmp").write_bytes(b"half of one")
    fit(tmp_path, keep=keep)
    ours = [f"isthmus-0000-{k:08d}.safetensors" for k in range(EPOCHS - keep + 1, EPOCHS + 1)]
    assert set(names(tmp_path)) == {*ours, *others}


def test_where_training_goes_on_is_said_to_those_who_want_to_know(
    tmp_path, monkeypatch, short_calls, capsys
):
    with monkeypatch.context() as patch:
        dies_at_write(patch, 4)
        with pytest.raises(Killed):
            fit(tmp_path)
    fit(tmp_path, [training(verbose=True)])
    assert "training goes on after epoch 3 of 7\n" in capsys.readouterr().err
    fit(tmp_path, [training(verbose=True)])
    assert "goes on" not in capsys.readouterr().err
