"""Help, the names of commands and choices, and what is printed before any work."""

import os
import shlex
import subprocess
import sys

import pytest

import isthmus
from cli.command import succeed
from isthmus import cli, demo
from isthmus.cli._group import PLAIN
from isthmus.cli._io import show
from isthmus.data import scaling
from isthmus.networks import layers
from isthmus.objectives import losses

COMMANDS = [
    *("fit", "transform", "inverse", "denoise", "impute", "sample", "export", "serve"),
    *("explore", "info", "choices", "quality", "dimension", "compare", "report", "lab", "demo"),
]


def test_choices_are_those_of_the_library():
    options = {option.name: option for option in cli.fit.params}
    for name in losses.named_losses():
        assert name in options["loss"].help
    assert {*options["scaling"].type.choices} == {"auto", *(kind or "none" for kind in scaling.SCALINGS)}
    for name in layers.ACTIVATIONS:
        assert name in options["activation"].help


def test_commands_come_in_the_order_of_their_use():
    lines = succeed("-h").stdout.partition("Commands:")[2].splitlines()
    assert [line.split()[0] for line in lines if line.strip()] == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example(command):
    for flag in ("-h", "--help"):
        assert f"  isthmus {command}" in succeed(command, flag).stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_parse(command):
    """Every example in a help text uses options that exist."""
    names = {name for parameter in cli.main.commands[command].params for name in parameter.opts}
    lines = [line for line in succeed(command, "-h").stdout.splitlines() if "  isthmus " in line]
    for line in lines:
        words = shlex.split(line.split("|")[0])
        assert words[:2] == ["isthmus", command]
        assert {word for word in words if word.startswith("-")} <= names


def test_the_version():
    assert succeed("--version").stdout == f"isthmus {isthmus.__version__}\n"


def test_demo_writes_where_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "run", lambda output, model: output.write_text(f"drawn by {model}"))
    succeed("demo", "-o", tmp_path / "picture.svg")
    assert (tmp_path / "picture.svg").read_text() == "drawn by neighbour"
    succeed("demo", "--model", "variational", "-o", tmp_path / "picture.svg")
    assert (tmp_path / "picture.svg").read_text() == "drawn by variational"


def test_what_is_shown_is_shown_as_it_is_called(capsys):
    show({"feature names": "temperature:b:2, [red]c[/red]"})
    assert "temperature:b:2, [red]c[/red]" in capsys.readouterr().out


def test_what_is_spelt_out_is_plain():
    assert all(text.isascii() and text for text in PLAIN.values())
    assert all(len(character) == 1 and not character.isascii() for character in PLAIN)


HELP = f"""
import sys
from isthmus.cli import main
for command in {COMMANDS}:
    print("help of", command)
    main([command, "--help"], prog_name="isthmus", standalone_mode=False)
heavy = {{"jax", "numpy", "sklearn", "pyarrow", "scipy", "equinox", "rich", "matplotlib"}}
print(sorted(heavy & set(sys.modules)))
"""


def test_help_is_printed_in_ascii_and_loads_nothing_but_click():
    done = subprocess.run(
        [sys.executable, "-c", HELP],
        env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *shown, loaded = done.stdout.decode("ascii").splitlines()
    assert loaded == "[]"
    for command in COMMANDS:
        of_command = shown[shown.index(f"help of {command}") + 1 :]
        assert next(line for line in of_command if line).startswith(f"Usage: isthmus {command} ")
