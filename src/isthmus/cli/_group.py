"""The group of all commands: an error becomes one line on stderr and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any, TextIO

import click


class ErrorsInOneLine(click.Group):
    """The one place where an error becomes an exit code.

    1: the data or the model is at fault, one line on stderr. 2: usage, which is click's own. 130:
    Ctrl-C. Whatever else is raised is a fault of the program, and is shown in full.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which people need them."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        with _warnings_on_stderr():
            try:
                super().invoke(ctx)
                sys.stdout.flush()
            except BrokenPipeError:
                _close_stdout()
                ctx.exit(1)
            except KeyboardInterrupt:
                click.echo("isthmus: interrupted", err=True)
                ctx.exit(130)
            except _faults_of_the_input() as error:
                if ctx.params.get("traceback"):
                    raise
                click.echo(f"isthmus: error: {_one_line(error)}", err=True)
                ctx.exit(1)


def _faults_of_the_input() -> tuple[type[Exception], ...]:
    """Asked for once an error is there, so that nothing is imported to look for it."""
    training = sys.modules.get("isthmus.training.problem")
    return (
        ValueError,
        OSError,
        MemoryError,
        ModuleNotFoundError,
        *([training.DivergenceError] if training else []),
    )


def _one_line(error: object) -> str:
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif isinstance(error, MemoryError):
        text = f"not enough memory. {text}"
    return " ".join(text.split())


@contextlib.contextmanager
def _warnings_on_stderr() -> Iterator[None]:
    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        click.echo(f"warning: {_one_line(message)}", err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("always", RuntimeWarning)
        warnings.showwarning = show
        yield


def _close_stdout() -> None:
    # Python flushes stdout at exit, and the reader is gone.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
