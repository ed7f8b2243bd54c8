"""Commands that fail or are interrupted: exit codes, and one line that says why."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import isthmus
from cli.command import run, start, succeed
from isthmus.files import tables
from isthmus.training import _groups

ROWS = pd.DataFrame(np.random.default_rng(0).standard_normal((60, 3)), columns=["a", "b", "c"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """data.csv, whose last column is text, and map.isthmus: PCA of the others."""
    folder = tmp_path_factory.mktemp("data")
    ROWS.assign(kind="text").to_csv(folder / "data.csv", index=False)
    isthmus.save(isthmus.LinearAutoencoder(2).fit(ROWS), folder / "map.isthmus")
    return folder


def test_ctrl_c_saves_the_best_so_far(folder, tmp_path, interrupt_in_call):
    interrupt_in_call(20, _groups, "batch_orders")
    path = tmp_path / "map.isthmus"
    result = succeed(
        *("fit", folder / "data.csv", "--drop", "kind", "--widths", 8, "--seed", 0),
        *("--max-epochs", 1000, "-o", path),
    )
    assert result.stderr.startswith("warning: training was interrupted after ")
    assert len(isthmus.load(path).history_["epoch"]) < 1000


def test_ctrl_c_elsewhere_is_130(folder, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(tables, "read", interrupted)
    result = run("transform", folder / "map.isthmus", folder / "data.csv")
    assert result.exit_code == 130
    assert result.output == "isthmus: interrupted\n"


@pytest.mark.parametrize("fault", [AttributeError("a bug"), KeyError("a bug"), ZeroDivisionError()])
def test_a_fault_of_the_program_is_shown_in_full(folder, monkeypatch, fault):
    def broken(*_):
        raise fault

    monkeypatch.setattr(tables, "read", broken)
    assert run("transform", folder / "map.isthmus", folder / "data.csv").exception is fault


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (MemoryError("Unable to allocate 7 TiB"), "not enough memory. Unable to allocate 7 TiB"),
        (PermissionError(13, "Permission denied", "data.csv"), "data.csv: Permission denied"),
    ],
)
def test_memory_and_permission_are_faults_of_the_input(folder, monkeypatch, fault, told):
    def broken(*_):
        raise fault

    monkeypatch.setattr(tables, "read", broken)
    result = run("transform", folder / "map.isthmus", folder / "data.csv")
    assert (result.exit_code, result.output) == (1, f"isthmus: error: {told}\n")


def test_traceback_shows_where_an_error_was_raised(folder, tmp_path):
    result = run("--traceback", "fit", folder / "data.csv", "-o", tmp_path / "map.isthmus")
    assert isinstance(result.exception, ValueError)


def test_options_of_another_model_are_refused(folder, tmp_path):
    arguments = ("--model", "linear", "--tied", "--batch-size", 3, "-o", tmp_path / "map.isthmus")
    result = run("fit", folder / "data.csv", "--drop", "kind", *arguments)
    assert result.exit_code == 2
    assert (
        "--model linear does not take --tied, --batch-size; --model autoencoder or denoising does"
        in result.stderr
    )


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("map.csv", "the ending is none of .isthmus, .safetensors"),
        ("nowhere/map.isthmus", "there is no folder"),
        ("folder.isthmus", "is a folder"),
    ],
)
def test_an_output_is_checked_before_the_work(folder, tmp_path, monkeypatch, output, told):
    monkeypatch.setattr(tables, "read", None)
    (tmp_path / "folder.isthmus").mkdir()
    result = run("fit", folder / "data.csv", "-o", tmp_path / output)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


def test_keep_needs_an_output_with_names(folder, tmp_path):
    arguments = ("--keep", "kind", "-o", tmp_path / "z.npy")
    result = run("transform", folder / "map.isthmus", folder / "data.csv", *arguments)
    assert result.exit_code == 2
    assert "--keep needs an output with named columns, and z.npy is a plain array" in result.stderr


def test_exit_codes_of_the_process(tmp_path):
    missing = start("fit", tmp_path / "missing.csv", "-o", tmp_path / "map.isthmus")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr == f"isthmus: error: {tmp_path / 'missing.csv'}: No such file or directory\n"
    usage = start("fit", "--no-such-option")
    assert (usage.returncode, usage.stdout) == (2, "")
    assert "No such option" in usage.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full disk to write to")
def test_what_is_printed_to_a_full_disk_is_one_line(folder):
    for arguments in (["--help"], ["--version"], ["info", folder / "map.isthmus"]):
        with open("/dev/full", "w") as full:
            result = start(*arguments, stdout=full)
        assert (result.returncode, result.stderr) == (1, "isthmus: error: No space left on device\n")


@pytest.mark.skipif(os.name != "posix", reason="a shell closes stdout")
@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        ("transform map.isthmus data.csv", 1, "isthmus: error: stdout is closed: name a file with -o\n"),
        ("info map.isthmus", 0, ""),
    ],
)
def test_a_closed_stdout_is_told_of_where_rows_would_be_lost(folder, command, code, told):
    shell = ["sh", "-c", f"{sys.executable} -m isthmus {command} >&-"]
    settings = {"stderr": subprocess.PIPE, "text": True, "timeout": 300}
    result = subprocess.run(shell, check=False, cwd=folder, **settings)
    assert (result.returncode, result.stderr) == (code, told)


def test_a_link_to_nowhere_is_found_before_the_work(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "read", None)
    (tmp_path / "link.isthmus").symlink_to(tmp_path / "nowhere" / "map.isthmus")
    result = run("fit", folder / "data.csv", "-o", tmp_path / "link.isthmus")
    assert result.exit_code == 2
    assert "there is no folder" in result.stderr


def test_labels_are_no_lists(tmp_path):
    path = tmp_path / "data.parquet"
    ROWS.assign(kind=[[1, 2]] * len(ROWS)).to_parquet(path)
    arguments = ("--model", "linear", "-o", tmp_path / "m.isthmus", "--picture", tmp_path / "m.png")
    for data in (path, tmp_path):  # in memory, and in parts
        result = run("fit", data, "--label", "kind", *arguments)
        assert result.exit_code == 1
        assert "column 'kind' holds values of type list" in result.stderr
        assert not (tmp_path / "m.isthmus").exists()


def test_the_process_ends_quietly_when_its_reader_does(folder, tmp_path):
    # More than a pipe holds, so that writing goes on after the reader has gone.
    np.save(tmp_path / "points.npy", np.zeros((50_000, 2)))
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = start("inverse", folder / "map.isthmus", tmp_path / "points.npy", stdout=writer)
    finally:
        os.close(writer)
    assert (result.returncode, result.stderr) == (1, "")
