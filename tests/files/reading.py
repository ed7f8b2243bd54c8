"""Small data files, and what reading them gives or says."""

import numpy as np
import pytest

from isthmus.files import tables
from isthmus.files.content import TableError


def numbers(table):
    return np.asarray(table.numbers(table.choose((), ())))


def read_text(tmp_path, text, end=".csv", **options):
    path = tmp_path / f"data{end}"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return tables.read(path, **options)


def refusal(tmp_path, text, end=".csv"):
    with pytest.raises(TableError) as caught:
        numbers(read_text(tmp_path, text, end))
    return str(caught.value)
