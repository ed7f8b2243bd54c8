"""``isthmus fit --checkpoint``: the same command goes on, and ends with the same map."""

import numpy as np
import pytest

import isthmus
from cli.command import run
from isthmus.training import _groups, loop

ANGLE = np.random.default_rng(0).uniform(0, 3, (120, 1))
ROWS = np.sin(ANGLE * np.arange(1, 7) / 2)
FIT = (
    *("fit", "rows.npy", "--widths", 8, "--max-epochs", 12, "--validation-fraction", 0),
    *("-o", "map.isthmus"),
)
KEPT = (*FIT, "--checkpoint", "kept")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    np.save(tmp_path / "rows.npy", ROWS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loop, "SECONDS_PER_CALL", 0.0)
    return tmp_path


def test_after_ctrl_c_the_same_command_goes_on():
    assert run(*FIT, "--seed", 0).exit_code == 0
    expected = isthmus.load("map.isthmus")
    with pytest.MonkeyPatch.context() as patch:
        real, calls = _groups.SingleNetwork.program, iter(range(100))

        def interrupted(*arguments):
            if next(calls) == 5:
                raise KeyboardInterrupt
            return real(*arguments)

        patch.setattr(_groups.SingleNetwork, "program", staticmethod(interrupted))
        result = run(*KEPT, "--seed", 0)
    assert result.exit_code == 0
    assert "warning: training was interrupted after 5 of 12 epochs" in result.stderr
    assert len(isthmus.load("map.isthmus").history_["epoch"]) == 6
    assert run(*KEPT, "--seed", 0).exit_code == 0
    found = isthmus.load("map.isthmus")
    np.testing.assert_array_equal(found.history_["train_loss"], expected.history_["train_loss"])
    np.testing.assert_array_equal(found.transform(ROWS), expected.transform(ROWS))


def test_without_a_seed_a_complete_fit_comes_from_the_folder():
    assert run(*KEPT).exit_code == 0
    first = isthmus.load("map.isthmus").transform(ROWS)
    assert run(*KEPT).exit_code == 0
    np.testing.assert_array_equal(isthmus.load("map.isthmus").transform(ROWS), first)


def test_another_command_in_the_folder_is_one_line_that_says_what_differs():
    assert run(*KEPT).exit_code == 0
    result = run(*KEPT, "-d", 3)
    assert result.exit_code == 1
    assert result.stderr == (
        "isthmus: error: checkpoint='kept' holds the checkpoints of another fit: n_components is 3 here "
        "and 2 there. Give this fit another folder, or delete those checkpoints to start anew\n"
    )


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        (["--model", "linear"], 2, "--model linear does not take --checkpoint: it has no training"),
        (["--checkpoint", "."], 1, "checkpoint='.': the folder holds other files, such as 'rows.npy'"),
        (["--checkpoint", "rows.npy"], 1, "rows.npy: File exists: checkpoint= needs a folder"),
    ],
)
def test_what_cannot_be_kept_is_refused(changes, code, message, folder):
    fit = ("fit", "rows.npy", "-o", "map.isthmus", "--checkpoint", "kept")
    result = run(*fit, *changes)
    assert result.exit_code == code
    assert message in result.stderr
    assert [path.name for path in folder.iterdir()] == ["rows.npy"]
