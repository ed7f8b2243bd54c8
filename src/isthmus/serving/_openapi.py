"""The service in OpenAPI 3.1: exactly what the model takes, so that clients can be made from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from isthmus.data.finite import LARGEST
from isthmus.data.wording import counted, listed
from isthmus.serving._columns import Columns
from isthmus.serving._functions import Function, Output
from isthmus.serving._media import ARROW, JSON
from isthmus.serving.limits import Limits

Schema: TypeAlias = dict[str, Any]  # what JSON holds
Facts: TypeAlias = Mapping[str, object]

NUMBER: Schema = {"type": ["number", "null"]}
"""Of results: a number that has become NaN or infinite is null."""

ERRORS = {
    400: "A body that is neither JSON nor Arrow, or a request for another host.",
    406: "Accept names neither of the two types.",
    408: "A body that does not end.",
    413: "A body that is too long, or too many rows.",
    415: "A body of another type, or in another encoding.",
    422: "Rows that the model does not take.",
    503: "Too many requests at once; Retry-After says when to come again.",
}
ERROR: Schema = {"$ref": "#/components/schemas/Error"}


def description(facts: Facts, functions: Sequence[Function], limits: Limits) -> Schema:
    """The document that ``/openapi.json`` gives."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"isthmus: {facts['estimator']}",
            "version": facts["isthmus"],
            "description": "A fitted model of isthmus. Rows are raw: their scaling is in the model. "
            "The result of a row depends on that row alone.",
        },
        "paths": {
            **{f"/{function.name}": {"post": _operation(function, limits)} for function in functions},
            "/health": {"get": _health(facts)},
        },
        "components": {
            "schemas": {
                "Error": {
                    "type": "object",
                    "properties": {"error": {"type": "string"}},
                    "required": ["error"],
                    "additionalProperties": False,
                }
            }
        },
    }


def _operation(function: Function, limits: Limits) -> Schema:
    most_rows = limits.rows_of(function.widest)
    names = tuple(name for output in function.outputs for name in output.names)
    return {
        "operationId": function.name,
        "summary": function.summary,
        "description": f"At most {counted(most_rows, 'row')} and {limits.body_bytes:,} bytes. As Arrow "
        f"the columns are {function.columns.in_words}, or one column of lists of a fixed size, and "
        f"those of the answer {listed(names)}.",
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": _request(function.columns, most_rows)},
                ARROW: {"schema": {"type": "string", "contentEncoding": "binary"}},
            },
        },
        "responses": {
            "200": {
                "description": function.summary,
                "content": {
                    JSON: {"schema": _answer(function)},
                    ARROW: {"schema": {"type": "string", "contentEncoding": "binary"}},
                },
            },
            **{str(status): _refusal(text) for status, text in ERRORS.items()},
        },
    }


def _refusal(text: str) -> Schema:
    return {"description": text, "content": {JSON: {"schema": ERROR}}}


def _request(columns: Columns, most_rows: int) -> Schema:
    """Rows as lists, or as objects by name."""
    rows = [
        {"type": "array", "maxItems": most_rows, "items": of_row}
        for of_row in (_list(columns), _object(columns))
    ]
    return {
        "type": "object",
        "properties": {columns.key: {"anyOf": rows}},
        "required": [columns.key],
        "additionalProperties": False,
    }


def _list(columns: Columns) -> Schema:
    size = {"type": "array", "minItems": columns.width, "maxItems": columns.width}
    if not columns.categories:
        return {**size, "items": _value(columns, 0)}
    values = [_value(columns, position) for position in range(columns.width)]
    return {**size, "prefixItems": values}


def _object(columns: Columns) -> Schema:
    return {
        "type": "object",
        "properties": {name: _value(columns, place) for place, name in enumerate(columns.names)},
        "required": list(columns.names),
    }


def _value(columns: Columns, position: int) -> Schema:
    """What may stand in a column."""
    missing = [None] if columns.takes_missing else []
    if position in columns.categories:
        return {"enum": [*columns.categories[position], *missing]}
    kind = ["number", "null"] if columns.takes_missing else "number"
    return {"type": kind, "minimum": -LARGEST, "maximum": LARGEST}


def _answer(function: Function) -> Schema:
    properties: Schema = {output.key: _array(output) for output in function.outputs}
    properties |= {name: {"const": value} for name, value in function.constants.items()}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _array(output: Output) -> Schema:
    """Rows of numbers; where some columns are categories, of numbers and these."""
    choices = [value for values in output.choices.values() for value in values]
    if output.is_flat:
        return {"type": "array", "items": {"enum": choices} if choices else NUMBER}
    width = len(output.names)
    value = {"anyOf": [NUMBER, {"enum": choices}]} if choices else NUMBER
    row = {"type": "array", "minItems": width, "maxItems": width, "items": value}
    return {"type": "array", "items": row}


def _health(facts: Facts) -> Schema:
    answer = {"status": "ok", **facts}
    return {
        "operationId": "health",
        "summary": "Whether the service answers, and what the model is.",
        "responses": {
            "200": {
                "description": "The facts of the model.",
                "content": {
                    JSON: {
                        "schema": {
                            "type": "object",
                            "properties": {name: {"const": value} for name, value in answer.items()},
                            "required": list(answer),
                        },
                    }
                },
            },
            "400": _refusal(ERRORS[400]),
        },
    }
