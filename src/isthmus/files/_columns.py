"""A map and the columns of Parquet files: which are its features, and which are carried over."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from isthmus.data.checks import check_fitted
from isthmus.data.stored.arrays import ArrayStore
from isthmus.data.stored.rows import StoredRows
from isthmus.data.stored.schema import Columns, Head, chosen_columns
from isthmus.data.stored.store import StoreError
from isthmus.data.wording import counted, listed
from isthmus.estimators.base import BaseMap

NAMES = "feature_names_in_"
"""The attribute of a map that was fitted on named columns."""


@dataclass(frozen=True)
class Choice:
    """A map, and which columns of the files are features, and which are carried over."""

    model: BaseMap
    keep: list[str]
    columns: list[str] | None
    drop: list[str]
    names: list[str]
    types: dict[np.dtype, pa.DataType] = field(default_factory=dict)

    @classmethod
    def of(
        cls, model: BaseMap, keep: Sequence[str], columns: Sequence[str] | None, drop: Sequence[str]
    ) -> Choice:
        """Checked: raises TypeError or ValueError for what cannot be."""
        if not isinstance(model, BaseMap):
            raise TypeError(
                f"model is a {type(model).__name__}: expected a fitted map of isthmus, such as "
                "isthmus.Autoencoder(2)"
            )
        check_fitted(model)
        if isinstance(keep, str) or isinstance(columns, str) or isinstance(drop, str):
            raise TypeError("keep, columns and drop are lists of names, such as keep=['id']")
        names = list(map(str, model.get_feature_names_out()))
        repeated = [name for name, count in Counter([*keep, *names]).items() if count > 1]
        if repeated:
            raise ValueError(
                f"keep: a column {repeated[0]!r} is written already; leave it out of keep, or rename it"
            )
        chosen = None if columns is None else list(columns)
        return cls(model, list(keep), chosen, list(drop), names)

    def _names(self, head: Head, path: str) -> list[str]:
        """The columns of a file that are features. Raises StoreError where it lacks some."""
        missing = [name for name in self.keep if name not in head.schema.names]
        if missing:
            raise StoreError(
                f"{path} has no column {listed(missing)} to keep; it has {listed(head.schema.names)}"
            )
        known = getattr(self.model, NAMES, None)
        if self.columns is not None:
            return self.columns
        if known is None:
            left_out = {*self.keep, *self.drop, *head.index}
            return [name for name in head.numeric if name not in left_out]
        found, missing = head.columns_of(known)
        if missing:
            raise StoreError(
                f"{path} lacks {len(missing)} of the {len(known)} columns of numbers that the map was "
                f"fitted on: {listed(missing)}. It has {listed(head.schema.names)}"
            )
        return found

    def features(self, head: Head, path: str) -> Columns:
        """The same, with their types. Raises StoreError for another number than fit saw."""
        columns = chosen_columns(head.schema, path, self._names(head, path), ())
        n_fitted = self.model.n_features_in_
        if len(columns.features) != n_fitted:
            raise StoreError(
                f"{path} has {counted(len(columns.features), 'feature')} ({listed(columns.features)}), "
                f"and the map was fitted on {n_fitted}: name these in columns, or the others in drop or "
                "keep"
            )
        return columns

    def transform(self, rows: StoredRows) -> np.ndarray:
        """Coordinates (n, d), whatever the map's output is set to."""
        has_names = hasattr(self.model, NAMES)
        return np.asarray(self.model.transform(rows if has_names else rows.without_names()))

    def type_of(self, dtype: np.dtype) -> pa.DataType:
        """The type of the coordinates of rows of this type, found out with one row."""
        if dtype not in self.types:
            row = np.zeros((1, self.model.n_features_in_), dtype)
            rows = StoredRows(ArrayStore(row, "a row", names=getattr(self.model, NAMES, None)))
            self.types[dtype] = pa.from_numpy_dtype(self.transform(rows).dtype)
        return self.types[dtype]

    @property
    def digest(self) -> str:
        """Tells other columns apart, in the metadata of an output."""
        text = json.dumps([self.keep, self.columns, sorted(self.drop)])
        return hashlib.sha256(text.encode()).hexdigest()
