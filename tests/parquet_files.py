"""Rows in Parquet files, and which parts of them are read."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def table_of(rows):
    """Rows as a table with the columns a, b, c, …"""
    return pa.table(dict(zip("abcdefgh", rows.T, strict=False)))


def write_parts(folder, rows, cuts, row_group_size):
    """The rows as the files 0.parquet, 1.parquet, … of a folder, of which each begins at a cut."""
    for number, part in enumerate(np.split(rows, cuts)):
        pq.write_table(table_of(part), folder / f"{number}.parquet", row_group_size=row_group_size)


def parts_read(rows):
    """A list, to which each part is added that stored rows read from here on."""
    parts, read = [], rows.store.read
    vars(rows.store)["read"] = lambda part: parts.append(part) or read(part)
    return parts
