"""What a command may write, and where it can print."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import isthmus
from cli.command import run, succeed
from isthmus import cli

ROWS = pd.DataFrame(np.random.default_rng(0).standard_normal((40, 3)), columns=["a", "b", "c"])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "map.isthmus"
    isthmus.save(isthmus.LinearAutoencoder(2).fit(ROWS), path)
    return path


@pytest.fixture
def folder(tmp_path, saved):
    ROWS.to_csv(tmp_path / "data.csv", index=False)
    shutil.copy(saved, tmp_path)
    (tmp_path / "coordinates.csv").write_text("linearautoencoder0,linearautoencoder1\n1,2\n3,4\n")
    return tmp_path


def link(folder):
    (folder / "link.csv").symlink_to(folder / "data.csv")
    return "link.csv"


def hard_link(folder):
    os.link(folder / "data.csv", folder / "other.csv")
    return "other.csv"


NAMES = {
    "name": lambda folder: "data.csv",
    "absolute": lambda folder: str(folder / "data.csv"),
    "relative": lambda folder: f"../{folder.name}/./data.csv",
    "link": link,
    "hard link": hard_link,
}

COMMANDS = {
    "transform": ["transform", "map.isthmus", "data.csv", "-o"],
    "denoise": ["denoise", "map.isthmus", "data.csv", "-o"],
    "impute": ["impute", "map.isthmus", "data.csv", "-o"],
    "std": ["impute", "map.isthmus", "data.csv", "--std"],
    "compare": ["compare", "data.csv", "--methods", "pca", "-o"],
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_no_command_writes_over_its_data(folder, monkeypatch, command, name):
    monkeypatch.chdir(folder)
    before = (folder / "data.csv").read_bytes()
    result = run(*command, name(folder))
    assert result.exit_code == 2, result.output
    assert "would be written over: give the output another name" in result.stderr
    assert (folder / "data.csv").read_bytes() == before


def test_no_command_writes_over_its_coordinates_or_its_model(folder):
    coordinates = folder / "coordinates.csv"
    assert run("inverse", folder / "map.isthmus", coordinates, "-o", coordinates).exit_code == 2
    model = (folder / "map.isthmus").rename(folder / "map.csv")
    assert run("transform", model, folder / "data.csv", "-o", model).exit_code == 2
    isthmus.load(model)


def test_two_outputs_are_two_files(folder):
    (folder / "std.csv").symlink_to(folder / "complete.csv")
    outputs = ("-o", folder / "complete.csv", "--std", folder / "std.csv")
    result = run("impute", folder / "map.isthmus", folder / "data.csv", *outputs)
    assert result.exit_code == 2
    assert "two outputs are" in result.stderr


def test_an_output_may_replace_what_no_command_reads(folder):
    old = folder / "old.csv"
    old.write_text("old")
    succeed("transform", folder / "map.isthmus", folder / "data.csv", "-o", old)
    assert len(pd.read_csv(old)) == len(ROWS)


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """A saved map whose columns have names beyond ASCII."""
    path = tmp_path_factory.mktemp("models") / "named.isthmus"
    rows = ROWS.rename(columns={"a": "größe", "b": "温度"})
    isthmus.save(isthmus.LinearAutoencoder(2).fit(rows), path)
    return str(path)


def assert_no_facts_are_lost(text, exact):
    assert "3 -> 2 -> 3" in text
    assert "\\u6e29\\u5ea6" in text
    assert json.loads(exact)["feature_names"] == ["größe", "温度", "c"]


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1", "cp437"])
def test_output_that_is_not_utf8_loses_no_facts(named, encoding):
    runner = CliRunner(charset=encoding)
    shown, exact = (runner.invoke(cli.main, ["info", named, *more]) for more in ([], ["--json"]))
    assert (shown.exit_code, exact.exit_code) == (0, 0), shown.stderr_bytes
    assert_no_facts_are_lost(shown.stdout_bytes.decode(encoding), exact.stdout_bytes)


# Each command ends the process, and says how.
SEVERAL = """
import json, sys
from isthmus.cli import main
for command in json.loads(sys.argv[1]):
    try:
        main(command, prog_name="isthmus")
    except SystemExit as end:
        print("end", end.code, flush=True)
"""


def process(commands, folder, **environment):
    """One process that runs commands; its output and errors, as bytes."""
    arguments = [sys.executable, "-c", SEVERAL, json.dumps(commands)]
    done = subprocess.run(
        arguments, env={**os.environ, **environment}, cwd=folder, capture_output=True, check=True
    )
    return done.stdout, done.stderr


def test_nor_does_a_process_that_is_told_of_it_by_its_environment(folder, named):
    commands = [["info", named], ["info", named, "--json"]]
    output, _ = process(commands, folder, PYTHONIOENCODING="cp1252")
    shown, exact, rest = output.split(b"end 0\n")
    assert rest == b""
    assert_no_facts_are_lost(shown.decode("cp1252"), exact)


def test_where_jax_cannot_start_neither_file_is_blamed(folder):
    model = isthmus.Autoencoder(1, widths=(3,), max_epochs=1, random_state=0)
    with pytest.warns(isthmus.NoImprovementWarning):
        isthmus.save(model.fit(ROWS), folder / "map.isthmus")
    commands = [
        ["transform", "map.isthmus", "data.csv", "-o", "z.csv"],
        ["fit", "data.csv", "-o", "o.isthmus"],
    ]
    output, errors = process(commands, folder, JAX_PLATFORMS="nowhere")
    assert output == b"end 1\n" * 2
    assert errors.count(b"error: JAX cannot start with JAX_PLATFORMS='nowhere'") == 2
    assert b"Traceback" not in errors
    assert not (folder / "z.csv").exists()
    assert not (folder / "o.isthmus").exists()
