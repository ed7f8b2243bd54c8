"""Rows in JSON: lists of numbers or objects by name, null for what is missing, to arrays and back."""

from __future__ import annotations

import reprlib
from array import array
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import orjson
from jaxtyping import Float

from isthmus.data.wording import counted, listed
from isthmus.serving._columns import Columns
from isthmus.serving._functions import Function
from isthmus.serving._refusals import Refusal, too_many_rows

Value: TypeAlias = Any  # whatever JSON holds


def read(body: bytes, columns: Columns, most_rows: int) -> np.ndarray:
    """Rows (n, width) of a body; of objects where texts stand in it. Raises a Refusal for others."""
    rows = _rows(_parsed(body), columns.key)
    if len(rows) > most_rows:
        raise too_many_rows(len(rows), most_rows)
    rows = _in_lists(rows, columns)
    if not columns.texts and not _may_hold_truths(body):
        numbers = _numbers(rows, columns.width)
        if numbers is not None:
            return numbers
    return _values(rows, columns)


def write(function: Function, arrays: Sequence[np.ndarray]) -> bytes:
    """The arrays by their keys, and what the function says beside them; what is no number is null."""
    answer: dict[str, object] = dict(function.constants)
    for output, values in zip(function.outputs, arrays, strict=True):
        plain = values.dtype.kind == "f" and values.flags.c_contiguous
        answer[output.key] = values if plain else values.tolist()
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def _may_hold_truths(body: bytes) -> bool:
    """Whether true or false may stand in a body: Python would take them as numbers.

    Single letters are looked for first, which takes a twentieth of the time.
    """
    return (b"u" in body or b"f" in body) and (b"true" in body or b"false" in body)


def _parsed(body: bytes) -> Value:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(
            400,
            f"the body is not JSON: {error}. Expected is UTF-8; write a number that is missing as null, "
            "and no NaN or Infinity",
        ) from error


def _rows(document: Value, key: str) -> list[Value]:
    """The list of rows of a document."""
    expected = f'expected is one object, {{"{key}": [[…], …]}}'
    if not isinstance(document, dict):
        raise Refusal(422, f"the body is {_kind(document)}: {expected}")
    if key not in document or len(document) > 1:
        came = listed(tuple(document)) or "none"
        raise Refusal(422, f"the body is an object with the keys {came}: {expected}")
    rows = document[key]
    if not isinstance(rows, list):
        raise Refusal(422, f"{key!r} is {_kind(rows)}: {expected}")
    return rows


def _in_lists(rows: list[Value], columns: Columns) -> list[list[Value]]:
    """Each row as a list of ``width`` values, in the order of the columns."""
    if rows and isinstance(rows[0], dict):
        return _by_name(rows, columns)
    for number, row in enumerate(rows):
        if not isinstance(row, list):
            raise Refusal(
                422,
                f"row {number} is {_kind(row)}: expected are lists of "
                f"{counted(columns.width, 'value')}, or objects by name, the same in all rows",
            )
        if len(row) != columns.width:
            raise Refusal(
                422,
                f"row {number} has {counted(len(row), 'value')}, and {columns.width} are expected: "
                f"{columns.in_words}",
            )
    return rows


def _by_name(rows: list[Value], columns: Columns) -> list[list[Value]]:
    names = columns.names
    try:
        return [[row[name] for name in names] for row in rows]
    except (KeyError, TypeError):
        pass
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise Refusal(
                422, f"row {number} is {_kind(row)}, and row 0 an object: expected are objects by name"
            )
        missing = tuple(name for name in names if name not in row)
        if missing:
            raise Refusal(
                422,
                f"row {number} lacks {listed(missing)}: expected are the names {columns.in_words}; a "
                "value that is not known is null",
            )
    raise AssertionError("one of the rows was refused")


def _numbers(rows: list[list[Value]], width: int) -> Float[np.ndarray, "n width"] | None:
    """Lists of numbers as an array; None where something else stands in them."""
    flat = array("d")
    try:
        for row in rows:
            flat.fromlist(row)
    except (TypeError, OverflowError):
        return None
    return np.frombuffer(flat, np.float64).reshape(len(rows), width) if rows else np.empty((0, width))


def _values(rows: list[list[Value]], columns: Columns) -> np.ndarray:
    """Lists of numbers, texts and null as an array, value by value."""
    texts = columns.texts
    values = np.empty((len(rows), columns.width), object if texts else np.float64)
    for number, row in enumerate(rows):
        for position, value in enumerate(row):
            if value is None:
                values[number, position] = np.nan
            elif type(value) in (int, float) or (type(value) is str and position in texts):
                values[number, position] = value
            else:
                expected = "a text or null" if position in texts else "a number or null"
                raise Refusal(
                    422,
                    f"column {columns.names[position]!r} in row {number} is {_kind(value)}: expected is "
                    f"{expected}",
                )
    return values


def _kind(value: Value) -> str:
    """A value in a few words."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"the {'text' if isinstance(value, str) else 'number'} {reprlib.repr(value)}"
