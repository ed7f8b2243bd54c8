"""What a command may write, and where it can print."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import isthmus
from isthmus import cli
from isthmus.cli._group import PLAIN

ROWS = pd.DataFrame(np.random.default_rng(0).standard_normal((40, 3)), columns=["a", "b", "c"])


@pytest.fixture
def folder(tmp_path):
    ROWS.to_csv(tmp_path / "data.csv", index=False)
    model = isthmus.LinearAutoencoder(2).fit(ROWS)
    isthmus.save(model, tmp_path / "map.isthmus")
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
    result = CliRunner().invoke(cli.main, [*command, name(folder)])
    assert result.exit_code == 2, result.output
    assert "would be written over: give the output another name" in result.stderr
    assert (folder / "data.csv").read_bytes() == before


def test_no_command_writes_over_its_coordinates_or_its_model(folder):
    coordinates = str(folder / "coordinates.csv")
    options = ["inverse", str(folder / "map.isthmus"), coordinates, "-o", coordinates]
    assert CliRunner().invoke(cli.main, options).exit_code == 2
    model = folder / "map.csv"
    (folder / "map.isthmus").rename(model)
    options = ["transform", str(model), str(folder / "data.csv"), "-o", str(model)]
    assert CliRunner().invoke(cli.main, options).exit_code == 2
    isthmus.load(model)


def test_two_outputs_are_two_files(folder):
    (folder / "std.csv").symlink_to(folder / "complete.csv")
    options = [str(folder / "map.isthmus"), str(folder / "data.csv")]
    outputs = ["-o", str(folder / "complete.csv"), "--std", str(folder / "std.csv")]
    result = CliRunner().invoke(cli.main, ["impute", *options, *outputs])
    assert result.exit_code == 2
    assert "two outputs are" in result.stderr


def test_an_output_may_replace_what_no_command_reads(folder):
    old = folder / "old.csv"
    old.write_text("old")
    options = [str(folder / "map.isthmus"), str(folder / "data.csv"), "-o", str(old)]
    assert CliRunner().invoke(cli.main, ["transform", *options]).exit_code == 0
    assert len(pd.read_csv(old)) == len(ROWS)


def run(encoding, folder, *options):
    command = "from isthmus.cli import main; main(prog_name='isthmus')"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run(
        [sys.executable, "-c", command, *options], env=environment, cwd=folder, capture_output=True
    )


@pytest.fixture
def named(folder):
    rows = ROWS.rename(columns={"a": "größe", "b": "温度"})
    isthmus.save(isthmus.LinearAutoencoder(2).fit(rows), folder / "named.isthmus")
    return str(folder / "named.isthmus")


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


def test_nor_does_a_process_that_is_told_of_it_by_its_environment(folder, named):
    shown, exact = (run("cp1252", folder, "info", named, *more) for more in ([], ["--json"]))
    assert (shown.returncode, exact.returncode) == (0, 0), shown.stderr
    assert_no_facts_are_lost(shown.stdout.decode("cp1252"), exact.stdout)


def test_every_command_prints_its_help_in_ascii(folder):
    for command in cli.main.commands:
        shown = run("ascii", folder, command, "--help")
        assert shown.returncode == 0, shown.stderr


def test_what_is_spelt_out_is_plain():
    assert all(text.isascii() and text for text in PLAIN.values())
    assert all(len(character) == 1 and not character.isascii() for character in PLAIN)


@pytest.mark.parametrize("command", [["transform", "map.isthmus", "data.csv"], ["fit", "data.csv"]])
def test_where_jax_cannot_start_neither_file_is_blamed(folder, command):
    model = isthmus.Autoencoder(1, widths=(3,), max_epochs=1, random_state=0)
    with pytest.warns(isthmus.NoImprovementWarning):
        isthmus.save(model.fit(ROWS), folder / "map.isthmus")
    output = "o.isthmus" if command[0] == "fit" else "o.csv"
    start = "from isthmus.cli import main; main(prog_name='isthmus')"
    done = subprocess.run(
        [sys.executable, "-c", start, *command, "-o", output],
        env={**os.environ, "JAX_PLATFORMS": "nowhere"}, cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "error: JAX cannot start with JAX_PLATFORMS='nowhere'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / output).exists()
