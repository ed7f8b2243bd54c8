"""Programs as one header of C99, which needs math.h alone."""

from __future__ import annotations

import contextlib
import json
import math
import re
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.files.export import _numpy
from isthmus.files.export._operations import OPERATIONS, REDUCTIONS
from isthmus.files.export._programs import ExportError, Operand, Program, Step
from isthmus.files.export._verification import Run

MOST_NUMBERS = 200_000
"""Constants and intermediate results of a header: two megabytes of text, and what a stack bears."""

TYPES = {"float32": "float", "float64": "double", "bool": "int", "int32": "int", "int64": "int"}

STARTS = {"sum": "0.0f", "max": "-INFINITY", "min": "INFINITY"}

COMPILERS = ("cc", "gcc", "clang")


def write(path: Path, programs: Mapping[str, Program], about: Mapping[str, object]) -> None:
    """A function for each program, with the constants that it needs before it."""
    name = prefix_of(str(about["name"]))
    size = sum(_numbers_in(program) for program in programs.values())
    if size > MOST_NUMBERS:
        raise ExportError(
            f"as C the model has {size} numbers, and a header may have {MOST_NUMBERS}: export it as "
            ".onnx or .npz, or make it smaller with isthmus.prune or isthmus.distill"
        )
    facts = {
        key: about[key] for key in ("isthmus", "estimator", "feature_names", "classes") if key in about
    }
    lines = [
        f"/* {_commented(json.dumps(facts))} */",
        f"#ifndef {name.upper()}_H",
        f"#define {name.upper()}_H",
        "#include <math.h>",
        f"typedef char {name}_needs_doubles_of_8_bytes[sizeof(double) == 8 ? 1 : -1];",
    ]
    for function, program in programs.items():
        lines += _Function(f"{name}_{function}", program).lines()
    path.write_text("\n".join([*lines, "#endif", ""]), encoding="ascii")


@contextlib.contextmanager
def opened(path: Path, programs: Mapping[str, Program]) -> Iterator[Mapping[str, Run]]:
    """The functions of a header, compiled; where there is no compiler, of the same programs in NumPy."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    with tempfile.TemporaryDirectory() as folder:
        if compiler is None:
            warnings.warn(
                "there is no C compiler on the PATH: what the header computes was checked in NumPy, and "
                "that it compiles was not",
                stacklevel=4,
            )
            arrays = Path(folder, "map.npz")
            _numpy.write(arrays, programs, {})
            with _numpy.opened(arrays, programs) as runs:
                yield runs
            return
        header = path.read_text(encoding="ascii")
        (name,) = re.findall(r"^typedef char (\w+)_needs_doubles", header, re.MULTILINE)
        Path(folder, "map.h").write_text(header, encoding="ascii")
        Path(folder, "main.c").write_text(_main(name, programs), encoding="ascii")
        options = ("-std=c99", "-O1", "-Wall", "-Werror", "main.c", "-o", "run", "-lm")
        done = subprocess.run([compiler, *options], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise ExportError(f"{compiler} does not compile the header: {done.stderr.strip()}")
        yield {
            function: _Compiled(Path(folder), function, program)
            for function, program in programs.items()
        }


def prefix_of(name: str) -> str:
    """What names in a header begin with: the name of the file, as far as C can have it."""
    prefix = re.sub(r"\W", "_", name, flags=re.ASCII)
    return f"map_{prefix}" if prefix[:1].isdigit() else prefix


class _Compiled:
    """A function of a compiled header, rows to and fro in files."""

    def __init__(self, folder: Path, function: str, program: Program) -> None:
        self.folder, self.function, self.program = folder, function, program

    def __call__(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        ((name, output),) = self.program.outputs.items()
        rows.astype(self.program.input.dtype).tofile(self.folder / "rows")
        subprocess.run(["./run", self.function, "rows", "results"], cwd=self.folder, check=True)
        found = np.fromfile(self.folder / "results", output.dtype)
        return {name: found.reshape(len(rows), *output.shape)}


def _main(name: str, programs: Mapping[str, Program]) -> str:
    """A program that applies one of the functions to rows in a file."""
    cases = []
    for function, program in programs.items():
        (output,) = program.outputs.values()
        cases.append(
            f'    if (!strcmp(names[1], "{function}")) {{\n'
            f"        {_type(program.input)} x[{program.input.size}];\n"
            f"        {_type(output)} y[{output.size}];\n"
            f"        while (fread(x, sizeof x, 1, rows) == 1) {{\n"
            f"            {name}_{function}(x, y); fwrite(y, sizeof y, 1, results);\n"
            "        }\n    }\n"
        )
    return (
        '#include "map.h"\n#include <stdio.h>\n#include <string.h>\n'
        "int main(int count, char **names) {\n"
        '    FILE *rows = fopen(names[2], "rb"), *results = fopen(names[3], "wb");\n'
        f"{''.join(cases)}    fclose(rows);\n    return fclose(results) || count != 4;\n}}\n"
    )


def _of_one(name: str) -> str:
    """The name of what a function takes or gives, which is one row."""
    return "row" if name == "rows" else name


def _numbers_in(program: Program) -> int:
    results = sum(step.result.size for step in program.steps if step.operation != "reshape")
    return results + sum(constant.size for constant in program.constants)


def _commented(text: str) -> str:
    return text.replace("*/", "* /").replace("/*", "/ *")


def _type(x: Operand) -> str:
    return TYPES[x.dtype.name]


def _number(x: Any) -> str:  # a number of NumPy
    """A number as C writes it, such that it is read back exactly."""
    if x.dtype.kind in "biu":
        return str(int(x))
    if not np.isfinite(x):
        return "NAN" if np.isnan(x) else "-INFINITY" if x < 0 else "INFINITY"
    return f"{x!s}f" if x.dtype == np.float32 else repr(float(x))


class _Function:
    """One function, as lines of C: a loop over the entries of each result."""

    def __init__(self, name: str, program: Program) -> None:
        self.name, self.program = name, program
        self.names = program.names()
        self.given = _of_one(program.given)
        self.names[id(program.input)] = self.given

    def lines(self) -> list[str]:
        ((name, output),) = self.program.outputs.items()
        name, given = _of_one(name), self.program.input
        constants = [
            line for one in self.program.constants if one.size > 1 for line in self._constant(one)
        ]
        body = [line for step in self.program.steps for line in self._step(step)]
        return [
            *constants,
            f"/* {self.given} [{given.size}] to {name} [{output.size}]. */",
            f"static inline void {self.name}(const {_type(given)} *{self.given}, "
            f"{_type(output)} *{name})",
            "{",
            *(f"    {line}" for line in body),
            f"    for (int i = 0; i < {output.size}; i++) {name}[i] = {self.names[id(output)]}[i];",
            "}",
        ]

    def _constant(self, array: np.ndarray) -> Iterator[str]:
        self.names[id(array)] = f"{self.name}_{self.names[id(array)]}"
        numbers = [_number(one) for one in array.ravel()]
        yield f"static const {_type(array)} {self.names[id(array)]}[{array.size}] = {{"
        for start in range(0, len(numbers), 8):
            yield f"    {', '.join(numbers[start : start + 8])},"
        yield "};"

    def _step(self, step: Step) -> list[str]:
        result, operands = step.result, step.operands
        if step.operation == "reshape":
            self.names[id(result)] = self.names[id(operands[0])]
            return []
        name = self.names[id(result)]
        declared = f"{_type(result)} {name}[{result.size}];"
        match step.operation:
            case "matmul":
                return [declared, self._matmul(step, name)]
            case "take":
                places = self._entry(operands[1], "i")
                entry = f"{self.names[id(operands[0])]}[{places}]"
            case "concatenate":
                starts = np.cumsum([0, *(x.size for x in operands)])
                return [declared] + [
                    f"for (int i = 0; i < {x.size}; i++) {name}[{start} + i] = {self._entry(x, 'i')};"
                    for x, start in zip(operands, starts, strict=False)
                ]
            case "cast":
                entry = f"({_type(result)}){self._entry(operands[0], 'i')}"
            case "sum" | "max" | "min":
                return [declared, *self._reduction(step, name)]
            case operation:
                entries = [self._entry(x, _place(x.shape, result.shape)) for x in operands]
                entry = OPERATIONS[operation].c.format(*entries)
        return [declared, f"for (int i = 0; i < {result.size}; i++) {name}[i] = {entry};"]

    def _matmul(self, step: Step, name: str) -> str:
        x, matrix = step.operands
        k, m = matrix.shape
        left = self._entry(x, f"i / {m} * {k} + k" if step.result.size > m else "k")
        right = self._entry(matrix, f"k * {m} + i % {m}")
        return (
            f"for (int i = 0; i < {step.result.size}; i++) {{ float sum = 0; "
            f"for (int k = 0; k < {k}; k++) sum += {left} * {right}; {name}[i] = sum; }}"
        )

    def _reduction(self, step: Step, name: str) -> Iterator[str]:
        (x,) = step.operands
        kept = [1 if axis - len(x.shape) in step.axes else size for axis, size in enumerate(x.shape)]
        so_far = f"{name}[{_place(kept, x.shape)}]"
        found = REDUCTIONS[step.operation].c.format(so_far, self._entry(x, "i"))
        yield f"for (int i = 0; i < {step.result.size}; i++) {name}[i] = {STARTS[step.operation]};"
        yield f"for (int i = 0; i < {x.size}; i++) {so_far} = {found};"

    def _entry(self, x: Operand, place: str) -> str:
        """An entry of a value, or of a constant; one number stands where it is used."""
        if isinstance(x, np.ndarray) and x.size == 1:
            number = _number(x.ravel()[0])
            return f"({number})" if number.startswith("-") else number
        return f"{self.names[id(x)]}[{place}]"


def _place(shape: Sequence[int], whole: Sequence[int]) -> str:
    """Where entry i of an array lies in one that is repeated to its shape."""
    if math.prod(shape) == math.prod(whole):
        return "i"
    terms, stride, stride_of_whole = [], 1, 1
    for size, size_of_whole in zip(reversed(shape), reversed(whole), strict=False):
        if size > 1:
            terms.append(f"i / {stride_of_whole} % {size} * {stride}")
        stride, stride_of_whole = stride * size, stride_of_whole * size_of_whole
    return " + ".join(terms) or "0"
