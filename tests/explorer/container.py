"""A second reader of what the page is given."""

import gzip
import json

import numpy as np


def read(data):
    """The header, with arrays in the places of what refers to them."""
    plain = gzip.decompress(data)
    assert plain[:4] == b"ISTH"
    version, length = np.frombuffer(plain, "<u4", 2, 4)
    assert version == 1
    start = -(-(12 + int(length)) // 8) * 8

    def filled(value):
        if isinstance(value, dict) and set(value) == {"dtype", "shape", "offset"}:
            at = start + value["offset"]
            assert at % 8 == 0
            count = int(np.prod(value["shape"]))
            return np.frombuffer(plain, value["dtype"], count, at).reshape(value["shape"])
        if isinstance(value, dict):
            return {key: filled(one) for key, one in value.items()}
        return list(map(filled, value)) if isinstance(value, list) else value

    return filled(json.loads(plain[12 : 12 + length]))
