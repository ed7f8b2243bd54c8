"""The group of commands: an error becomes one line on stderr and an exit code."""

from __future__ import annotations

import codecs
import contextlib
import io
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

    def main(self, *arguments: Any, **settings: Any) -> Any:  # as in click
        _print_in_any_encoding(sys.stdout)
        try:
            return super().main(*arguments, **settings)
        except OSError as error:
            # The help and the version are printed before a command is invoked.
            click.echo(f"isthmus: error: {_one_line(error)}", err=True)
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:  # as in click
        with _warnings_on_stderr():
            try:
                super().invoke(ctx)
                if sys.stdout is not None:
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


PLAIN = {
    "→": "->",
    "←": "<-",
    "↔": "<->",
    "×": "x",
    "·": "*",
    "±": "+-",
    "−": "-",
    "–": "-",
    "—": "-",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "≠": "!=",
    "∞": "inf",
    "…": "...",
    "√": "sqrt",
    "∈": "in",
    "‖": "||",
    "\u0302": "^",
    "²": "^2",
    "³": "^3",
    "½": "1/2",
    "✓": "yes",
    "•": "*",
    "α": "alpha",
    "β": "beta",
    "λ": "lambda",
    "μ": "mu",
    "σ": "sigma",
    "ρ": "rho",
    "τ": "tau",
    "’": "'",
    "‘": "'",
    "“": '"',
    "”": '"',
    "ᵀ": "^T",
}
"""What is printed for a character that the output's encoding lacks."""


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """An error handler of encodings: what is lacking is spelt out, a name's letters by their numbers."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    spelt = (PLAIN.get(one) or one.encode("ascii", "backslashreplace").decode() for one in lacking)
    return "".join(spelt), error.end


codecs.register_error("isthmus.plainly", _plainly)


def _print_in_any_encoding(stream: TextIO | None) -> None:
    """Let a stream that is not UTF-8, as on Windows or in a Latin-1 locale, take all that is printed."""
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors="isthmus.plainly")


def _faults_of_the_input() -> tuple[type[Exception], ...]:
    """Asked for once an error is there, so that nothing is imported to look for it."""
    training = sys.modules.get("isthmus.training.problem")
    processes = sys.modules.get("isthmus.networks.processes")
    return (
        *(ValueError, OSError, MemoryError, ImportError),
        *([training.DivergenceError] if training else []),
        *([processes.BackendError] if processes else []),
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
