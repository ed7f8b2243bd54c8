"""Programs as ONNX."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.files.export._operations import OPERATIONS, REDUCTIONS
from isthmus.files.export._programs import Program, Step
from isthmus.files.export._verification import Run

OPSET, IR_VERSION = 18, 8
"""Of the end of 2022, which runtimes since then know."""


def check_installed() -> None:
    """Raise ModuleNotFoundError where ONNX or its runtime is missing."""
    for name in ("onnx", "onnxruntime"):
        if find_spec(name) is None:
            raise ModuleNotFoundError(
                f"an export as .onnx is written with onnx and checked with onnxruntime, and {name} is "
                "not installed: pip install 'isthmus[export]'. Exports as .npz and .h need neither",
                name=name,
            )


def write(path: Path, programs: Mapping[str, Program], about: Mapping[str, object]) -> None:
    """One graph: a row's numbers under the name that the program gives them, and so its outputs."""
    check_installed()
    import onnx
    from onnx import helper

    (program,) = programs.values()
    graph = _Graph(program.names())
    for constant in program.constants:
        graph.constant(constant, graph.names[id(constant)])
    graph.node("Identity", [program.given], graph.names[id(program.input)])
    for step in program.steps:
        _add(step, graph)
    for name, value in program.outputs.items():
        graph.node("Identity", [graph.names[id(value)]], name)

    def port(name: str, value: Any) -> Any:  # of onnx, which has types of its own
        return helper.make_tensor_value_info(name, _element_type(value.dtype), ["n", *value.shape])

    whole = helper.make_graph(
        graph.nodes,
        str(about["name"]),
        [port(program.given, program.input)],
        [port(name, value) for name, value in program.outputs.items()],
        graph.initializers,
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(
        whole, opset_imports=[opset], ir_version=IR_VERSION, producer_name="isthmus"
    )
    model.producer_version = str(about["isthmus"])
    helper.set_model_props(
        model, {key: one if isinstance(one, str) else json.dumps(one) for key, one in about.items()}
    )
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


@contextlib.contextmanager
def opened(path: Path, programs: Mapping[str, Program]) -> Iterator[Mapping[str, Run]]:
    """The graph of a file, as ONNX Runtime computes it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        path.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    ((name, program),) = programs.items()
    outputs = list(program.outputs)

    def run(rows: np.ndarray) -> dict[str, np.ndarray]:
        given = {program.given: rows.astype(program.input.dtype)}
        return dict(zip(outputs, session.run(outputs, given), strict=True))

    yield {name: run}


@dataclass
class _Graph:
    """Nodes and constants, as they are added."""

    names: dict[int, str]
    nodes: list[Any] = field(default_factory=list)
    initializers: list[Any] = field(default_factory=list)

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, array: np.ndarray, name: str) -> str:
        from onnx import numpy_helper

        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name


def _add(step: Step, graph: _Graph) -> None:
    """The nodes of a step."""
    name = graph.names[id(step.result)]
    inputs = [graph.names[id(x)] for x in step.operands]
    rank = len(step.operands[0].shape)
    match step.operation:
        case "log1p" | "expm1":
            _add_exact_near_zero(step, inputs[0], name, graph)
        case "matmul":
            graph.node("MatMul", inputs, name)
        case "reshape":
            shape = np.array([-1, *step.result.shape], np.int64)
            graph.node("Reshape", [*inputs, graph.constant(shape, f"{name}.shape")], name)
        case "take":
            graph.node("Gather", inputs, name, axis=1)
        case "concatenate":
            graph.node("Concat", inputs, name, axis=1)
        case "cast":
            graph.node("Cast", inputs, name, to=_element_type(step.result.dtype))
        case "sum" | "max" | "min":
            axes = np.array([axis + rank + 1 for axis in step.axes], np.int64)
            operator = REDUCTIONS[step.operation].onnx
            graph.node(operator, [*inputs, graph.constant(axes, f"{name}.axes")], name, keepdims=0)
        case operation:
            graph.node(OPERATIONS[operation].onnx, inputs, name)


def _element_type(dtype: np.dtype[Any]) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(dtype))


def _add_exact_near_zero(step: Step, x: str, name: str, graph: _Graph) -> None:
    """log(1 + x) and exp(x) − 1, which ONNX lacks, without what rounding does to them near 0."""
    dtype = step.result.dtype

    def number(value: float) -> str:
        return graph.constant(np.asarray(value, dtype), f"{name}.is{value:g}")

    def new(operator: str, *inputs: str) -> str:
        return graph.node(operator, inputs, f"{name}.{len(graph.nodes)}")

    one = number(1)
    if step.operation == "log1p":
        # Both log(u)/(u − 1) and x are right, where u = 1 + x is rounded (Higham 2002, section 1.14.1).
        u = new("Add", one, x)
        gap = new("Sub", u, one)
        log_u = new("Log", u)
        exact = new("Mul", log_u, new("Div", x, gap))
        # Where u is x, as at infinity, 1 adds nothing.
        far = new("Where", new("Equal", u, x), log_u, exact)
        graph.node("Where", [new("Equal", gap, number(0)), x, far], name)
        return
    # exp(x) − 1 = 2 t/(1 − t) with t = tanh(x/2), which is not rounded near 0.
    t = new("Tanh", new("Mul", x, number(0.5)))
    near = new("Div", new("Mul", number(2), t), new("Sub", one, t))
    far = new("Sub", new("Exp", x), one)
    graph.node("Where", [new("Less", x, one), near, far], name)
