"""``export``: a model to a file that needs no isthmus."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from isthmus.data.atomic import replacing
from isthmus.files.export import _c, _functions, _numpy, _onnx
from isthmus.files.export._functions import Exported
from isthmus.files.export._programs import ExportError as ExportError
from isthmus.files.export._programs import Program
from isthmus.files.export._verification import Run, verify

CHOICES = ("encoder", "decoder", "both")


class Format(NamedTuple):
    """How programs are written to a file, and run from it; ``is_one_graph`` if it holds one of them."""

    write: Callable[[Path, Mapping[str, Program], Mapping[str, Any]], None]
    opened: Callable[[Path, Mapping[str, Program]], AbstractContextManager[Mapping[str, Run]]]
    is_one_graph: bool = False


FORMATS = {
    ".onnx": Format(_onnx.write, _onnx.opened, is_one_graph=True),
    ".npz": Format(_numpy.write, _numpy.opened),
    ".h": Format(_c.write, _c.opened),
}


def export(model: object, path: str | os.PathLike[str], *, what: str | None = None) -> None:
    """Write a fitted model to a file that needs no isthmus: ONNX, NumPy's arrays, or C.

    Raw rows in, as ``transform`` takes them. The scaling is inside, and the center is subtracted in
    double precision, so that an offset of 10⁹ does no harm: rows are float64 in each format, and
    coordinates float32, as they are here.

    Before the file appears, the export itself is run: on rows of the fit, as far as the model keeps
    some, on random rows where the data are, and on one row alone; by ONNX Runtime, by the reader of
    ``.npz``, or compiled by the C compiler on the PATH. Each column must be what ``transform``,
    ``inverse_transform``, ``predict`` or ``predict_proba`` gives, to 1e-5 of its spread; and as far as
    the result moves with a row that is moved by 3e-6 of the columns' spread, since rounding does as
    much to the model, but by 1e-3 at most.

    Parameters
    ----------
    model : fitted isthmus model
        Any map or predictor, an ensemble, and what ``prune`` and ``distill`` give; without angles and
        categories. The row of an image is flat.
    path : path
        Its ending says what is written.

        ``.onnx`` : one graph for ONNX Runtime and others, of any number of rows n. What goes in and out
        has names: "rows" (n, D) float64, "coordinates" (n, d) float32, "predictions" (n, K). Needs
        ``isthmus[export]``.

        ``.npz`` : arrays, and the steps in which they are used, as JSON. NumPy alone runs it, with the
        short file that ``isthmus export --reader`` prints, as functions "encode", "decode", "predict".

        ``.h`` : C99 that needs math.h alone, one row at a time: ``map_encode(rows, coordinates)`` in
        ``map.h``. For microcontrollers, and for programs in other languages. At most 200 000 numbers.
    what : {"encoder", "decoder", "both"} or None, default None
        Of a map: rows → coordinates, coordinates → rows, or both. None is "encoder", because new rows
        are what most maps are deployed for. A graph of ONNX is one function: there "both" is rows →
        "coordinates" and "reconstruction", which finds unusual rows, and a decoder of other points is
        a file of its own. Of a predictor it must be None.

    Raises
    ------
    NotFittedError, TypeError
        Before ``fit``, and for anything but an isthmus model.
    ExportError
        A ValueError. If the export differs from the model: by how much, and in which column. For a
        function of your own that computes what exports cannot, for angles and categories, and for C that
        is too long.
    ValueError
        For another ending, or another ``what``.
    ImportError
        If ``.onnx`` is asked for, and onnx or onnxruntime is missing.
    OSError
        If the file cannot be written. It is complete, or not there.

    Warns
    -----
    UserWarning
        If there is no C compiler to check a header with; its steps are then checked in NumPy.

    Notes
    -----
    A row with NaN has coordinates NaN, also where a ``VariationalAutoencoder`` would fill the entry: its
    ``transform`` solves for each row what is missing, and exports hold none of that, and no ``x_error``.
    Names of the features, center, scale and the version of isthmus are in the file.

    Examples
    --------
    >>> import isthmus, os, tempfile
    >>> from isthmus.files.export.reader import read  # a file to copy; it needs NumPy alone
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = isthmus.LinearAutoencoder(2).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "iris.npz")
    ...     isthmus.export(model, path, what="both")
    ...     functions, about = read(path)
    >>> Z = functions["encode"](X)  # (150, 4) → (150, 2)
    >>> bool(abs(Z - model.transform(X)).max() < 1e-5)
    True
    >>> about["feature_names"]
    ['x0', 'x1', 'x2', 'x3']
    """
    model, path = _functions.checked(model), Path(path)
    if path.suffix not in FORMATS:
        raise ValueError(f"{path}: the ending is none of {', '.join(FORMATS)}, which say what to write")
    form = FORMATS[path.suffix]
    functions = _chosen(model, what, form)
    programs = {name: one.program for name, one in functions.items()}
    with replacing(path) as temporary:
        form.write(temporary, programs, {"name": path.stem, **_functions.about(model)})
        with form.opened(temporary, programs) as runs:
            for name, run in runs.items():
                verify(run, functions[name].probes, functions[name].expected)


def _chosen(model: Any, what: str | None, form: Format) -> dict[str, Exported]:
    """The functions that go into the file, by their names there."""
    if _functions.predicts(model):
        if what is not None:
            raise ValueError(
                f"what={what!r} is for maps, and {type(model).__name__} predicts: leave it out"
            )
        return {"predict": _functions.predictor(model)}
    what = "encoder" if what is None else what
    if what not in CHOICES:
        raise ValueError(f"what={what!r}: expected one of {', '.join(map(repr, CHOICES))}")
    if what == "both" and form.is_one_graph:
        return {"reconstruct": _functions.both(model)}
    encode = {"encode": _functions.encoder} if what != "decoder" else {}
    decode = {"decode": _functions.decoder} if what != "encoder" else {}
    return {name: make(model) for name, make in (encode | decode).items()}
