"""Rows in memory, and the same rows in blocks of Dask."""

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd

N, D = 1000, 5
X = np.random.default_rng(0).standard_normal((N, D)) * [1.8, 1.4, 1.0, 0.5, 0.2] + 10.0
NAMES = list("abcde")


def array(rows=X, chunks=(130, 2)):
    return da.from_array(rows, chunks=chunks)


def frame(rows=X):
    return dd.from_pandas(pd.DataFrame(rows, columns=NAMES), npartitions=7)


def close(found, expected):
    """But for the rounding of products of other shapes, in single precision where there is some."""
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 if found.dtype == "f4" else 1e-12)
