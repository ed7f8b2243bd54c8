"""What a laboratory reports: records, and a verdict on them in words."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from isthmus.results import Result


class Report(Result):
    """Records, each a named tuple with the same fields, and the verdict on them."""

    if TYPE_CHECKING:

        @property
        def records(self) -> Sequence[NamedTuple]:
            """A field of some reports, a property of others."""

    @property
    @abstractmethod
    def verdict(self) -> str:
        """Some lines in words."""

    def table(self) -> list[dict[str, object]]:
        """One row per record.

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> images = np.arange(80).reshape(20, 2, 2) % 16
        >>> linear = {"line": isthmus.LinearAutoencoder(1)}
        >>> found = isthmus.experiments.one_number(images, k=3, models=linear, n_draws=1)
        >>> len(found.table()) == len(found.records)
        True
        """
        return [record._asdict() for record in self.records]

    def __str__(self) -> str:
        return self.verdict
