"""Compiled programs between commands: where they are kept, who keeps none, and how many there are."""

import os
import subprocess
import sys

import numpy as np
import pytest

import isthmus
from cli.command import start, succeed
from isthmus.cli import _cache

ROWS = np.random.default_rng(0).standard_normal((60, 4))
FIT = (
    *("fit", "rows.npy", "--widths", 4, "--max-epochs", 3, "--validation-fraction", 0, "--seed", 0),
    *("-q", "-o"),
)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The user's cache folder, which is not there yet, where the environment names no other one."""
    np.save(tmp_path / "rows.npy", ROWS)
    monkeypatch.chdir(tmp_path)
    for name in (_cache.SETTING, "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def programs(folder):
    return {path for path in folder.rglob("*") if path.is_file()}


def test_the_second_fit_of_equal_shape_compiles_nothing(cache):
    kept = []
    for name in ("first", "second"):
        done = start(*FIT, f"{name}.isthmus")
        assert done.returncode == 0, done.stderr
        kept.append(programs(cache / "isthmus"))
    assert len(kept[0]) >= 2
    assert kept[1] == kept[0]
    first, second = (isthmus.load(f"{name}.isthmus") for name in ("first", "second"))
    np.testing.assert_array_equal(second.transform(ROWS), first.transform(ROWS))


def test_nothing_is_kept_on_request(cache):
    succeed("--no-cache", *FIT, "map.isthmus")
    assert not cache.exists()
    assert _cache.SETTING not in os.environ
    succeed(*FIT, "map.isthmus")
    assert os.environ[_cache.SETTING].startswith(str(cache))


def test_nothing_is_kept_where_the_environment_names_a_folder(cache, monkeypatch):
    monkeypatch.setenv(_cache.SETTING, "own")
    succeed(*FIT, "map.isthmus")
    assert not cache.exists()
    assert os.environ[_cache.SETTING] == "own"


def test_where_nothing_can_be_written_the_command_works_without(cache, monkeypatch):
    cache.write_text("no folder")
    assert succeed(*FIT, "map.isthmus").stderr.count("\n") <= 1
    assert _cache.SETTING not in os.environ


def test_importing_keeps_nothing(cache):
    code = "import isthmus, isthmus.cli, jax; print(jax.config.jax_compilation_cache_dir)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"
    assert not cache.exists()


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
