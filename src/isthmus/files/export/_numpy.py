"""Programs as arrays and a list of steps, which NumPy alone can follow."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.files.export import reader
from isthmus.files.export._programs import Program, Step
from isthmus.files.export._verification import Run


def write(path: Path, programs: Mapping[str, Program], about: Mapping[str, object]) -> None:
    """One file with all programs, by their names."""
    functions: dict[str, Any] = {}
    arrays: dict[str, Any] = {}
    for name, program in programs.items():
        names = program.names(f"{name}.")
        arrays |= {names[id(constant)]: constant for constant in program.constants}
        (output,) = program.outputs.values()
        functions[name] = {
            "input": names[id(program.input)],
            "dtype": program.input.dtype.name,
            "width": program.input.shape[0],
            "output": names[id(output)],
            "steps": [
                (
                    names[id(step.result)],
                    step.operation,
                    [names[id(x)] for x in step.operands],
                    _settings(step),
                )
                for step in program.steps
            ],
        }
    header = json.dumps({"functions": functions, "about": about})
    with path.open("wb") as sink:
        np.savez(sink, isthmus=np.array(header), **arrays)


@contextlib.contextmanager
def opened(path: Path, programs: Mapping[str, Program]) -> Iterator[Mapping[str, Run]]:
    """The functions of a file, as its reader has them."""
    functions, _ = reader.read(path)

    def run(name: str, program: Program) -> Run:
        (output,) = program.outputs
        return lambda rows: {output: functions[name](rows)}

    yield {name: run(name, program) for name, program in programs.items()}


def _settings(step: Step) -> dict[str, object]:
    """What the reader's function for this operation takes besides its operands."""
    if step.operation == "reshape":
        return {"shape": step.result.shape}
    if step.operation == "cast":
        return {"dtype": step.result.dtype.name}
    return {"axes": step.axes} if step.axes else {}
