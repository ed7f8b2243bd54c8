"""How sentences say numbers of things, and lists of names."""

from __future__ import annotations

from collections.abc import Sequence

MOST_NAMED = 10
"""Names that a sentence lists before it says how many more there are."""


def counted(n: int, noun: str) -> str:
    """A number of things: "0 rows", "1 row", "1,234 rows"."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def listed(names: Sequence[object]) -> str:
    """Names in quotes; of many the first ones, and how many more there are."""
    more = f", and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(repr, names[:MOST_NAMED])) + more
