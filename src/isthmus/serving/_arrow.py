"""Rows in a stream of Arrow: columns by name, or one column of lists, to arrays and back."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from isthmus.data.frames import to_values
from isthmus.data.wording import counted, listed
from isthmus.serving._columns import Columns
from isthmus.serving._functions import Function
from isthmus.serving._refusals import Refusal, too_many_rows

EXPECTED = "expected is an IPC stream with schema, batches and end, as pyarrow.ipc.new_stream writes it"


def read(body: bytes, columns: Columns, most_rows: int) -> np.ndarray:
    """Rows (n, width) of a body, of the type of its columns. Raises a Refusal for others."""
    table = _table(body, most_rows)
    lists = _one_list(table.schema)
    if lists is not None:
        return _of_lists(table.column(0), lists, columns)
    table = _chosen(table, columns)
    texts = columns.texts
    for position, column in enumerate(table.schema):
        _check_type(column, is_text=position in texts)
        if position in texts:
            _check_views(table.column(position), column.name, len(body), columns.longest_text)
    rows: np.ndarray = to_values(table, "the request")
    return rows


def write(function: Function, arrays: Sequence[np.ndarray]) -> bytes:
    """One column for each of the names of the outputs."""
    columns = {}
    for output, values in zip(function.outputs, arrays, strict=True):
        for position, name in enumerate(output.names):
            column = values if output.is_flat else values[:, position]
            columns[name] = pa.array(column.tolist() if column.dtype == object else column)
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _table(body: bytes, most_rows: int) -> pa.Table:
    """The batches of a stream, once it is known that they are no larger than the body."""
    try:
        if any(map(_is_compressed, _batches(body))):
            raise Refusal(415, "the batches are compressed: write them without compression")
        with pa.ipc.open_stream(pa.py_buffer(body)) as stream:
            batches, n_rows = [], 0
            for batch in stream:
                n_rows += batch.num_rows
                batches.append(batch)
            if n_rows > most_rows:
                raise too_many_rows(n_rows, most_rows)
            table = pa.Table.from_batches(batches, stream.schema)
            table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, struct.error) as error:
        reason = " ".join(str(error).split())
        raise Refusal(400, f"the body is no stream of Arrow: {reason}; {EXPECTED}") from error
    return table


def _batches(body: bytes) -> Iterator[memoryview]:
    """The metadata of the messages of a stream that hold rows, or values of a dictionary."""
    for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(body)):
        if message.type in ("record batch", "dictionary"):
            yield memoryview(message.metadata)


def _is_compressed(metadata: memoryview) -> bool:
    """Whether buffers are compressed, and of a size that only decompressing would tell.

    By Message.fbs of Arrow's format: the field ``compression`` of a record batch is the fourth, and
    that of the batch in a dictionary, the second.
    """
    (root,) = struct.unpack_from("<I", metadata, 0)
    (kind,) = struct.unpack_from("<B", metadata, _field(metadata, root, 1))
    batch = _followed(metadata, _field(metadata, root, 2))
    if kind == DICTIONARY:
        batch = _followed(metadata, _field(metadata, batch, 1))
    return _field(metadata, batch, 3) > 0


DICTIONARY = 2
"""The kind of a message that holds values of a dictionary."""


def _field(metadata: memoryview, table: int, number: int) -> int:
    """Where a field of a table of a flatbuffer is; 0 where the table lacks it."""
    (back,) = struct.unpack_from("<i", metadata, table)
    (size,) = struct.unpack_from("<H", metadata, table - back)
    place = 4 + 2 * number
    if place >= size:
        return 0
    (offset,) = struct.unpack_from("<H", metadata, table - back + place)
    return table + int(offset) if offset else 0


def _followed(metadata: memoryview, place: int) -> int:
    (offset,) = struct.unpack_from("<I", metadata, place)
    return place + int(offset)


def _one_list(schema: pa.Schema) -> pa.DataType | None:
    """The type of the only column, if that holds lists of a fixed size."""
    if len(schema) != 1:
        return None
    kind = schema.field(0).type
    kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    return kind if pa.types.is_fixed_size_list(kind) else None


def _of_lists(column: pa.ChunkedArray, kind: pa.DataType, columns: Columns) -> np.ndarray:
    if kind.list_size != columns.width:
        raise Refusal(
            422,
            f"the lists have {counted(kind.list_size, 'value')}, and {columns.width} are expected: "
            f"{columns.in_words}",
        )
    if column.null_count:
        raise Refusal(422, f"{column.null_count} of the lists are null: leave out what is no row")
    if columns.texts:
        raise Refusal(422, f"rows with categories are columns by name: expected are {columns.in_words}")
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.cast(kind)
    flat = pa.chunked_array([chunk.flatten() for chunk in column.chunks], kind.value_type)
    _check_type(pa.field("of lists", kind.value_type), is_text=False)
    values = to_values(pa.table({"values": flat}), "the request")
    rows: np.ndarray = values.reshape(-1, columns.width)
    return rows


def _chosen(table: pa.Table, columns: Columns) -> pa.Table:
    """The columns that a function takes: by name, or where names are made up in their order."""
    came = Counter(table.column_names)
    missing = tuple(name for name in columns.names if name not in came)
    if not missing:
        repeated = tuple(name for name in columns.names if came[name] > 1)
        if repeated:
            raise Refusal(422, f"several columns are called {listed(repeated)}: keep one of each")
        return table.select(columns.names)
    if not columns.are_named and table.num_columns == columns.width:
        return table
    raise Refusal(
        422,
        f"the table has the columns {listed(tuple(came)) or 'none'}, and lacks {listed(missing)}: "
        f"expected are the names {columns.in_words}"
        + ("" if columns.are_named else f", or {counted(columns.width, 'column')} in this order"),
    )


def _check_views(column: pa.ChunkedArray, name: str, n_bytes: int, longest: int) -> None:
    """Raise a Refusal for views of the same bytes, so many that their texts would fill the memory."""
    for chunk in column.chunks:
        texts = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
        if not pa.types.is_string_view(texts.type) or not len(texts):
            continue
        # A view has 16 bytes, and begins with the length of its text.
        lengths = np.frombuffer(texts.buffers()[1], "<i4")[::4][texts.offset :][: len(texts)]
        if lengths.sum(dtype=np.int64) > n_bytes + longest * len(texts):
            raise Refusal(422, f"column {name!r} has texts that are longer than those that fit saw")


def _check_type(column: pa.Field, *, is_text: bool) -> None:
    """Raise a Refusal for what is no number, nor a text where there are texts."""
    kind, types = column.type, pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return
    if types.is_boolean(kind):
        return
    if is_text and (types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)):
        return
    expected = "texts" if is_text else "numbers"
    raise Refusal(422, f"column {column.name!r} is of type {column.type}: expected are {expected}")
