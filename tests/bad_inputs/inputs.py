"""What a bad input is: how Python and the command line are given it, and what each must say."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import safetensors.numpy

import isthmus
from isthmus.cli._choices import map_classes

ROWS = np.random.default_rng(0).standard_normal((40, 4))
NAMES = ["a", "b", "c", "d"]
TINY = {"widths": (4,), "max_epochs": 2, "validation_fraction": 0, "random_state": 0}


@dataclass(frozen=True)
class Workspace:
    """A folder to put files in, and maps of ``ROWS`` to two coordinates, in memory and on disk."""

    folder: Path
    model: Any
    saved: Path
    variational: Any
    saved_variational: Path

    def csv(self, rows: Any = ROWS, names: Any = NAMES) -> Path:
        path = self.folder / "data.csv"
        pd.DataFrame(rows, columns=names).to_csv(path, index=False)
        return path

    def npy(self, array: Any) -> Path:
        path = self.folder / "data.npy"
        np.save(path, np.asarray(array), allow_pickle=True)
        return path

    def parquet(self, **columns: Any) -> Path:
        path = self.folder / "data.parquet"
        pyarrow.parquet.write_table(pa.table(columns), path)
        return path

    def file(self, name: str, content: bytes | str) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def altered(self, change: Callable[[bytes], bytes]) -> Path:
        """The saved map with its bytes changed."""
        return self.file("changed.isthmus", change(self.saved.read_bytes()))

    def headed(self, header: str) -> Path:
        """A model file with this header and no weights."""
        content = safetensors.numpy.save({}, {"isthmus": header})
        return self.file("changed.isthmus", content)


@dataclass(frozen=True)
class Input:
    """One bad input: what Python raises and says, and what the command line exits with and says.

    ``error`` None and ``code`` 0 mean that it is accepted there, ``python`` or ``command`` None that it
    cannot be given there.
    """

    name: str
    python: Callable[[Workspace], Any] | None
    error: type[Exception] | None
    says: str
    command: Callable[[Workspace], list[Any]] | None
    code: int | None
    prints: str

    @property
    def outcomes(self):
        """What the page says of it in a word: the exception or "works", and the exit code."""
        python = self.error.__name__ if self.error else "works"
        return python if self.python else "–", str(self.code) if self.command else "–"


def fit(X):
    return isthmus.LinearAutoencoder(2).fit(X)


def tiny(model="autoencoder", X=ROWS, x_error=None, **parameters):
    """A fit of a tiny map, for its parameters."""
    estimator = map_classes()[model](**{**TINY, **parameters})
    return estimator.fit(X) if x_error is None else estimator.fit(X, x_error=x_error)


def fit_command(workspace, data):
    return ["fit", data, "--model", "linear", "-o", workspace.folder / "out.isthmus"]


def tiny_command(workspace, *options, data=None):
    """The same fit on the command line."""
    tiny = ["--widths", "4", "--max-epochs", "2", "--validation-fraction", "0", "--seed", "0"]
    return ["fit", data or workspace.csv(), *tiny, *options, "-o", workspace.folder / "out.isthmus"]
