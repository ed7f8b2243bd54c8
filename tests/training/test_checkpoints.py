"""Checkpoints: whatever kills a training, it ends with the bits of one that was not killed."""

import errno
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import safetensors
import safetensors.numpy

from isthmus import Checkpoint
from isthmus.data.atomic import digest
from isthmus.data.sources import ArraySource
from isthmus.networks.layers import Affine
from isthmus.training import loop
from isthmus.training._compiled import start_state
from isthmus.training._groups import SingleNetwork
from isthmus.training.checkpoints import FitCheckpoints, Reached
from isthmus.training.loop import train
from isthmus.training.problem import Training
from isthmus.training.solvers import Solver, constant
from kills import Killed, dies_at_write, until_complete

N, D = 37, 3
RNG = np.random.default_rng(5)
ROWS = (RNG.standard_normal((N, D)) * [2.0, 1.0, 0.5] + [0.3, 0.0, -0.2]).astype(np.float32)
START = RNG.standard_normal((2, D)).astype(np.float32) * 0.3
SOLVER = Solver(optax.scale_by_adam(), constant, peak=0.05)
EPOCHS = 7
IDENTITY = {"estimator": "Tied", "width": "2"}


def noisy(network, batch, key):
    """½‖x − WᵀW(x + ε)‖²: its draws show a step that has the wrong number."""
    seen = batch + jax.random.normal(key, batch.shape)
    return 0.5 * jnp.sum(jnp.square(batch - (seen @ network.weight.T) @ network.weight), axis=1)


def training(seed=0, network=None, n_blocks=1, **changes):
    options = {"batch_size": 5, "max_epochs": EPOCHS, "learning_rate": 0.05, "solver": SOLVER}
    return Training(
        objective=noisy,
        network=Affine(START, None) if network is None else network,
        source=ArraySource(ROWS, np.arange(N), block_bytes=-(-N // n_blocks) * D * 4),
        rng=np.random.default_rng(seed),
        **(options | changes),
    )


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


def fit(folder, trainings=None, identity=IDENTITY, seconds=0.0, keep=2, **options):
    checkpoint = Checkpoint(folder, seconds=seconds, keep=keep)
    checkpoints = FitCheckpoints(checkpoint, identity)
    checkpoints.seeds_of([0])
    return train(trainings or [training()], checkpoints=checkpoints.of_training(0), **options)


def assert_same_bits(results, others):
    """All that training found but the seconds that it took."""
    assert len(results) == len(others)
    for one, other in zip(results, others, strict=True):
        assert jax.tree.structure(one.network) == jax.tree.structure(other.network)
        found = jax.tree.leaves((one.network, one.optimiser)), one.best_epoch, one.stopped
        expected = jax.tree.leaves((other.network, other.optimiser)), other.best_epoch, other.stopped
        jax.tree.map(np.testing.assert_array_equal, found[0], expected[0])
        assert found[1:] == expected[1:]
        np.testing.assert_array_equal(one.p_value, other.p_value)
        for column in ("epoch", "train_loss", "validation_loss", "learning_rate"):
            np.testing.assert_array_equal(one.history[column], other.history[column])


def names(folder):
    return sorted(os.listdir(folder))


@pytest.fixture
def short_calls(monkeypatch):
    """One pass per call, so that a checkpoint may be written after each."""
    monkeypatch.setattr(loop, "SECONDS_PER_CALL", 0.0)


@pytest.fixture(scope="module")
def uninterrupted():
    return train([training()])


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
    for moment in np.random.default_rng().uniform(0.0, 0.2, size=3):
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


def truncated(path):
    path.write_bytes(path.read_bytes()[:-40])


def emptied(path):
    path.write_bytes(b"")


def altered(path):
    content = bytearray(path.read_bytes())
    content[-300] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncated, emptied, altered])
def test_the_one_before_a_damaged_checkpoint_is_used(
    damage, tmp_path, monkeypatch, short_calls, uninterrupted
):
    dies_at_write(monkeypatch, 5)
    with pytest.raises(Killed):
        fit(tmp_path)
    before, newest = names(tmp_path)
    damage(tmp_path / newest)
    with pytest.warns(UserWarning, match=rf"{newest} is damaged \(.*; {before} is used instead"):
        results = fit(tmp_path)
    assert_same_bits(results, uninterrupted)
    assert newest not in names(tmp_path)


def test_without_a_whole_checkpoint_training_starts_anew_and_says_so(
    tmp_path, monkeypatch, short_calls, uninterrupted
):
    dies_at_write(monkeypatch, 5)
    with pytest.raises(Killed):
        fit(tmp_path)
    for name in names(tmp_path):
        truncated(tmp_path / name)
    with pytest.warns(UserWarning, match="is damaged") as said:
        results = fit(tmp_path)
    # Those of the folder are read once for the fit, and once for its training.
    assert "training starts from the beginning" in str(said[-1].message)
    assert_same_bits(results, uninterrupted)


def test_a_full_disk_is_one_error_and_leaves_the_last_whole_one(
    tmp_path, monkeypatch, short_calls, uninterrupted
):
    real, calls = Path.write_bytes, itertools.count(1)

    def full(path, content):
        if next(calls) < 4:
            return real(path, content)
        real(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        message = r"No space left .* The last whole one is still there: make room"
        with pytest.raises(OSError, match=message) as caught:
            fit(tmp_path)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(tmp_path / "isthmus-0000-00000004.safetensors")
    assert names(tmp_path) == [f"isthmus-0000-0000000{k}.safetensors" for k in (2, 3)]
    assert_same_bits(fit(tmp_path), uninterrupted)


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="checkpoint= needs a folder that can be written to") as caught:
        fit(tmp_path / "file" / "folder")
    assert caught.value.filename == str(tmp_path / "file" / "folder")


def test_a_folder_of_other_things_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match=r"holds other files, such as 'thesis.tex'"):
        fit(tmp_path)
    assert names(tmp_path) == ["thesis.tex"]


def test_another_fit_is_refused_with_what_differs(tmp_path):
    fit(tmp_path)
    files = names(tmp_path)
    (tmp_path / ".isthmus-0000-00000009.safetensors.4711.tmp").write_bytes(b"half")
    other = {"width": "3", "data": "x" * 500 + "y"}
    expected = (
        r"width is 3 here and 2 there; data is x{160}… here and not given there; "
        r"estimator is not given here and Tied there\. Give this fit another folder, or delete"
    )
    with pytest.raises(ValueError, match=expected):
        fit(tmp_path, identity=other)
    assert names(tmp_path)[1:] == files


def test_of_long_values_the_part_that_differs_is_shown(tmp_path):
    fit(tmp_path, identity={"solver": "x" * 1000 + "0.1"})
    with pytest.raises(ValueError, match=r"solver is …x+0\.2 here and …x+0\.1 there"):
        fit(tmp_path, identity={"solver": "x" * 1000 + "0.2"})


def test_a_start_at_other_bits_is_warned_of(tmp_path):
    fit(tmp_path)
    elsewhere = training(network=Affine(np.nextafter(START, np.float32(1)), None))
    with pytest.warns(UserWarning, match="began at other bits"):
        fit(tmp_path, [elsewhere])


def test_a_state_of_other_shapes_is_refused(tmp_path):
    fit(tmp_path)
    with (
        pytest.warns(UserWarning, match="began at other bits"),
        pytest.raises(
            ValueError, match=r"does not fit this training, whose state\.optimiser\S* is float32"
        ),
    ):
        fit(tmp_path, [training(solver=Solver(optax.trace(0.9), constant, peak=0.05))])


def test_a_newer_format_is_refused_with_what_to_do(tmp_path):
    fit(tmp_path)
    path = tmp_path / names(tmp_path)[-1]
    with safetensors.safe_open(path, "numpy") as file:
        header = json.loads(file.metadata()["isthmus_checkpoint"])
    assert header["isthmus"] == __import__("isthmus").__version__
    arrays = safetensors.numpy.load(path.read_bytes())
    del arrays["sha256"]
    text = json.dumps(header | {"format": 99, "isthmus": "9.9"})
    content = arrays | {"sha256": digest(text, arrays)}
    path.write_bytes(safetensors.numpy.save(content, {"isthmus_checkpoint": text}))
    with pytest.raises(ValueError, match=r"format 99, written by isthmus 9\.9; .* upgrade isthmus"):
        fit(tmp_path)


def test_every_type_of_number_is_kept_to_the_bit(tmp_path):
    bits = np.random.default_rng(0).integers(0, 2**32, size=8, dtype=np.uint32)
    optimiser = {
        "seeds": jnp.asarray(bits),
        "floats": jax.lax.bitcast_convert_type(jnp.asarray(bits), jnp.float32),
        "halves": jax.lax.bitcast_convert_type(jnp.asarray(bits.astype(np.uint16)), jnp.bfloat16),
        "key": jax.random.key(7),
        "rbg": jax.random.key(7, impl="rbg"),
        "flags": jnp.asarray([True, False]),
        "empty": jnp.zeros((0, 3), jnp.int8),
        "none": None,
    }
    state = start_state(Affine(jnp.asarray(START), None), optimiser, None)
    histories = [[np.array([0.0, np.nan, 1 / 3, 1e-320, -0.0])], [np.full(5, np.inf)] * 2]

    def of_training():
        kept = FitCheckpoints(tmp_path, IDENTITY)
        kept.seeds_of([2**31 - 1])
        return kept, kept.of_training(0)

    blank = eqx.tree_at(lambda s: s.optimiser["seeds"], state, jnp.zeros(8, jnp.uint32))
    _, checkpoints = of_training()
    checkpoints.resume(state, None)
    checkpoints.save(Reached(state, 9, 5, (1, 2), ("", "diverged")), histories)
    fit_checkpoints, checkpoints = of_training()
    assert fit_checkpoints.seeds == [2**31 - 1]
    with pytest.warns(UserWarning, match="other bits"):
        reached, found = checkpoints.resume(blank, None)
    assert (reached.passes, reached.blocks, reached.reasons) == (9, 5, ("", "diverged"))
    for rows, saved in zip(histories, found, strict=True):
        assert np.array(rows).tobytes() == np.array(saved).tobytes()

    def as_bits(leaf):
        key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return leaf.dtype, leaf.shape, np.asarray(jax.random.key_data(leaf) if key else leaf).tobytes()

    assert jax.tree.structure(reached.state) == jax.tree.structure(state)
    assert list(map(as_bits, jax.tree.leaves(reached.state))) == list(
        map(as_bits, jax.tree.leaves(state))
    )


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


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"seconds": -1.0}, ValueError, "seconds=-1.0: expected a number of at least 0"),
        ({"seconds": float("nan")}, ValueError, "seconds=nan"),
        ({"keep": 0}, ValueError, "keep=0: expected an integer of at least 1"),
        ({"keep": 1.5}, ValueError, "keep=1.5: expected an integer"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, error, message, tmp_path):
    with pytest.raises(error, match=message):
        Checkpoint(tmp_path, **settings)
