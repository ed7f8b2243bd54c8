"""The command line, called in this process or started as one of its own."""

import shlex
import subprocess
import sys

from click.testing import CliRunner

from isthmus.cli import main


def run(*arguments):
    """The result of a command in this process."""
    return CliRunner().invoke(main, list(map(str, arguments)), prog_name="isthmus")


def succeed(*arguments):
    """The result of a command that must not fail."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def run_line(line):
    """The result of a command as it is typed, without its first word."""
    return run(*shlex.split(line))


def start(*arguments, **options):
    """The command as a process of its own, which has ended."""
    command = [sys.executable, "-m", "isthmus", *map(str, arguments)]
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": 300}
    return subprocess.run(command, check=False, **settings | options)
