"""Compiled programs between commands: where they are kept, who keeps none, and how many there are."""

import os
import subprocess
import sys

import numpy as np
import pytest

import isthmus
from isthmus.cli import _cache

SETTINGS = ("JAX_COMPILATION_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA", "HOME")


@pytest.fixture
def command(tmp_path):
    """The command, in an environment whose cache folder is below ``tmp_path``."""
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).standard_normal((60, 4)))

    def run(*arguments, **environment):
        clean = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        code = "from isthmus.cli import main; main(prog_name='isthmus')"
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            cwd=tmp_path,
            env=clean | home | environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


SETTINGS_OF_FIT = ("--widths", 4, "--max-epochs", 3, "--validation-fraction", 0, "--seed", 0)
FIT = ("fit", "rows.npy", *SETTINGS_OF_FIT, "-q", "-o")


def programs(folder):
    return {path for path in folder.rglob("*") if path.is_file()}


def test_the_second_fit_of_equal_shape_compiles_nothing(command, tmp_path):
    command(*FIT, "first.isthmus")
    kept = programs(tmp_path / "cache" / "isthmus")
    assert len(kept) >= 2
    command(*FIT, "second.isthmus")
    assert programs(tmp_path / "cache" / "isthmus") == kept
    first, second = (isthmus.load(tmp_path / f"{name}.isthmus") for name in ("first", "second"))
    rows = np.load(tmp_path / "rows.npy")
    np.testing.assert_array_equal(second.transform(rows), first.transform(rows))


def test_nothing_is_kept_on_request_nor_where_the_environment_names_a_folder(command, tmp_path):
    command("--no-cache", *FIT, "m.isthmus")
    command(*FIT, "m.isthmus", JAX_COMPILATION_CACHE_DIR=str(tmp_path / "own"))
    assert not (tmp_path / "cache").exists()


def test_where_nothing_can_be_written_the_command_works_without(command, tmp_path):
    (tmp_path / "file").write_text("no folder")
    assert command(*FIT, "m.isthmus", XDG_CACHE_HOME=str(tmp_path / "file")).stderr.count("\n") <= 1


def test_importing_keeps_nothing(tmp_path):
    code = "import isthmus, isthmus.cli, jax; print(jax.config.jax_compilation_cache_dir)"
    clean = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    environment = clean | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "None"
    assert not (tmp_path / "cache").exists()


def test_beyond_the_bound_the_programs_used_longest_ago_go(tmp_path):
    for age, name in enumerate(("new", "middle", "old")):
        path = tmp_path / "kind" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(100))
        os.utime(path, (1e9 - age, 1e9 - age))
    _cache._remove_oldest(tmp_path, 250)
    assert {path.name for path in programs(tmp_path)} == {"new", "middle"}
    _cache._remove_oldest(tmp_path, 99)
    assert not programs(tmp_path)
