"""What a service takes of a request, and of all of them together."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.data.checks import check_integer, check_real

BYTES_OF_A_NUMBER = 8


@dataclass(frozen=True)
class Limits:
    """How much one request may hold, how slow it may be, and how many are computed at once.

    Parameters
    ----------
    body_bytes : int, default 64 MiB
        Longest body in bytes, counted as it comes in. Rows and their results as double precision are
        not longer either, which bounds what a short body can make of itself.
    rows : int, default 100 000
        Most rows of a request. Of wide rows fewer fit into ``body_bytes``: see ``rows_of``.
    body_seconds : float, default 60
        Seconds in which a body must be complete: 64 MiB at 10 Mbit/s.
    at_once : int, default 2
        Requests that are computed at once: one is read and written while the other computes, which
        takes all cores by itself.
    waiting : int, default 8
        Requests that wait for these; others are refused with 503. Bodies of all of them together hold
        at most (at_once + waiting) · body_bytes.

    Raises
    ------
    ValueError
        For a number that is too small, when it is created.

    Examples
    --------
    >>> from isthmus.serving import Limits
    >>> Limits(body_bytes=8_000, rows=1_000).rows_of(width=4)  # 8000 / (8 · 4) = 250
    250
    """

    body_bytes: int = 64 * 2**20
    rows: int = 100_000
    body_seconds: float = 60.0
    at_once: int = 2
    waiting: int = 8

    def __post_init__(self) -> None:
        for name in ("body_bytes", "rows", "at_once"):
            check_integer(name, getattr(self, name), 1)
        check_integer("waiting", self.waiting, 0)
        check_real("body_seconds", self.body_seconds, 0)

    def rows_of(self, width: int) -> int:
        """Most rows of a request, of which one, or its result, has ``width`` numbers; at least 1.

        Parameters
        ----------
        width : int
            Numbers of a row, or of its result, of 8 bytes each.

        Examples
        --------
        >>> from isthmus.serving import Limits
        >>> Limits(body_bytes=8_000).rows_of(width=4)  # 8000 / (8 · 4)
        250
        """
        return max(1, min(self.rows, self.body_bytes // (BYTES_OF_A_NUMBER * width)))

    @property
    def held_bytes(self) -> int:
        """Most bytes of bodies that are in memory at a time."""
        return (self.at_once + self.waiting) * self.body_bytes
