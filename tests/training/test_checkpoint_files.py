"""The files of checkpoints: damaged, of another fit, of a newer format, and all types of numbers."""

import errno
import itertools
import json
import os
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import safetensors
import safetensors.numpy

import isthmus
from isthmus import Checkpoint
from isthmus.data.atomic import digest
from isthmus.networks.layers import Affine
from isthmus.training._compiled import start_state
from isthmus.training.checkpoints import FitCheckpoints, Reached
from isthmus.training.solvers import Solver, constant
from kills import Killed, dies_at_write
from training.kept_training import IDENTITY, assert_same_bits, fit, names, training
from training.tied_map import START


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
    assert header["isthmus"] == isthmus.__version__
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
