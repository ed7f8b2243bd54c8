"""Functions of a row as programs: in ONNX, in NumPy and in C they are what they are in JAX."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.files.export import _c, _numpy, _onnx
from isthmus.files.export._programs import Builder, ExportError, Value
from isthmus.files.export._tracing import traced

WIDTH = 6
ABOUT = {"name": "map", "estimator": "", "isthmus": ""}
MATRIX = np.random.default_rng(1).standard_normal((WIDTH, 3)).astype(np.float32)


def agreeing(x):
    """A product of two arrays that both depend on the row, with an axis that they share."""
    return jnp.einsum("ij,jk->k", x.reshape(2, 3), jnp.outer(x[:3], x[3:]))


def looped(x):
    return jax.lax.scan(lambda sum, w: (jnp.tanh(sum + x @ w), None), jnp.zeros(()), MATRIX.T)[0][None]


FUNCTIONS = {
    "arithmetic": lambda x: (x + 2) * x - x / 3 - jnp.abs(-x),
    "powers": lambda x: (
        x**2 + x**5 + jnp.abs(x) ** 0.7 + jax.lax.rsqrt(1 + x * x) + jnp.sqrt(jnp.abs(x))
    ),
    "bounds": lambda x: jnp.maximum(x, 0.5) + jnp.minimum(x, -0.5) + jnp.clip(x, -1, 1),
    "exponentials": lambda x: jnp.exp(x) + jnp.log(1 + x * x) + jax.nn.sigmoid(x),
    "waves": lambda x: jnp.sin(x) + 2 * jnp.cos(x) + 3 * jnp.tanh(x) + jnp.arctan(x) + jnp.arcsinh(x),
    "signs": jnp.sign,
    "steps": lambda x: jnp.sign(x) + jnp.floor(x),
    "error function": lambda x: jax.lax.erf(x) + 2 * jax.lax.erfc(x),
    "near 0": lambda x: 1e8 * (jnp.log1p(1e-8 * x) + jnp.expm1(1e-8 * x)),
    "far from 0": lambda x: jnp.log1p(jnp.abs(9 * x)) + jnp.expm1(9 * x),
    "comparisons": lambda x: (
        1.0 * (x > 0) + 2.0 * (x >= 1) + 4.0 * (x < -1) + 8.0 * (x <= 0) + 16.0 * (x != 0)
    ),
    "logic": lambda x: jnp.where((x > 0) & ~(x > 1) | (x == -1), x, 7.0),
    "activations": lambda x: jax.nn.elu(x) + jax.nn.softplus(x) + jax.nn.gelu(x, approximate=False),
    "softmax": jax.nn.softmax,
    "reductions": lambda x: jnp.stack([x.sum(), x.max(), x.min(), x.mean(), jnp.ptp(x)]),
    "of two axes": lambda x: x.reshape(2, 3).max(axis=0) + x.reshape(2, 3).sum(axis=1, keepdims=True)[0],
    "product": lambda x: x @ MATRIX,
    "product from the left": lambda x: MATRIX.T @ x,
    "product of a matrix": lambda x: (x.reshape(2, 3) @ MATRIX.T).ravel(),
    "product of both": agreeing,
    "distances": lambda x: jnp.square(x[:, None] - MATRIX).sum(axis=0),
    "pieces": lambda x: jnp.concatenate([x[4:], x[1:2], x[::-2], jnp.split(x, 3)[1]]),
    "picked": lambda x: x[np.array([3, 0, 3])] + x[-1],
    "turned": lambda x: x.reshape(2, 3).T.ravel() + jnp.flip(x),
    "spread": lambda x: jnp.broadcast_to(x[:2, None], (2, 3)).ravel(),
    "loop": looped,
}
FORMATS = {
    "onnx": _onnx,
    "npz": _numpy,
    "h": pytest.param(
        _c, marks=pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler")
    ),
}


@pytest.fixture(scope="module")
def rows():
    rows = np.random.default_rng(0).standard_normal((40, WIDTH)).astype(np.float32)
    # Signs and comparisons are told apart where they change.
    rows[:3] = [[-1.0] * WIDTH, [0.0] * WIDTH, [1.0] * WIDTH]
    return rows


@pytest.fixture(scope="module")
def programs():
    """A program for each function."""
    found = {}
    for name, function in FUNCTIONS.items():
        build, x = Builder(), Value((WIDTH,), np.dtype(np.float32))
        found[name.replace(" ", "_")] = build.program("rows", x, {"y": traced(function, x, build)})
    return found


def results(form, path, programs, rows):
    """What each program gives, written to a file and read again."""
    # A graph of ONNX is one function, and the others have all in one file.
    parts = [{name: program} for name, program in programs.items()] if form is _onnx else [programs]
    found = {}
    for part in parts:
        form.write(path, part, ABOUT)
        with form.opened(path, part) as runs:
            found |= {name: run(rows)["y"] for name, run in runs.items()}
    return found


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_numbers_that_are_none_or_infinite_are_those_of_jax(tmp_path, programs, form):
    """A missing value must not become a number."""
    rows = np.array([[np.nan, np.inf, -np.inf, 1e30, -0.0, 1.0]], np.float32)
    chosen = ("bounds", "exponentials", "signs", "far_from_0", "activations", "reductions")
    found = results(form, tmp_path / "map", {name: programs[name] for name in chosen}, rows)
    for name in chosen:
        expected = np.asarray(jax.vmap(FUNCTIONS[name.replace("_", " ")])(rows))
        np.testing.assert_allclose(found[name], expected, rtol=3e-6, err_msg=name)


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_every_function_is_that_of_jax(tmp_path, rows, programs, form):
    found = results(form, tmp_path / "map", programs, rows)
    for name, function in FUNCTIONS.items():
        expected = np.asarray(jax.jit(jax.vmap(function))(rows))
        # A few roundings of single precision, of sums whose terms may be larger than they are.
        np.testing.assert_allclose(
            found[name.replace(" ", "_")],
            expected,
            rtol=3e-6,
            atol=3e-6,
            err_msg=f"{name} in {form.__name__}",
        )


def test_what_does_not_depend_on_the_row_is_no_step():
    build, x = Builder(), Value((WIDTH,), np.dtype(np.float32))
    scale = jnp.exp(jnp.arange(WIDTH))
    output = traced(lambda x: x * jnp.sqrt(scale.sum()) + 0 * jnp.sin(x).sum() ** 0, x, build)
    program = build.program("rows", x, {"y": output})
    (constant,) = [one for one in program.constants if one.size == 1 and one > 0]
    np.testing.assert_allclose(constant, np.sqrt(np.exp(np.arange(WIDTH)).sum()), rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: jnp.sort(x), "'sort'"),
        (lambda x: jnp.linalg.inv(jnp.outer(x, x) + jnp.eye(WIDTH)), "your own"),
        (lambda x: jax.lax.while_loop(lambda y: y.sum() < 1, lambda y: 2 * y, x), "'while'"),
        (lambda x: jax.lax.cond(x[0] > 0, lambda: x, lambda: -x), "'cond'"),
        (lambda x: jnp.arange(3.0)[jnp.int32(x[0])], "'dynamic_slice'"),
        (lambda x: x.at[9].get(mode="fill"), "where there are none"),
        (lambda x: jnp.concatenate([x, jnp.ones(1)]), "joins numbers of a row to constants"),
        (
            lambda x: jax.lax.scan(lambda s, one: (s + one, None), 0.0, x)[0],
            "a loop over numbers of a row",
        ),
        (lambda x: jnp.ones(2), "the same for all rows"),
    ],
)
def test_what_has_no_counterpart_is_named(function, message):
    with pytest.raises(ExportError, match=message):
        traced(function, Value((WIDTH,), np.dtype(np.float32)), Builder())
