"""What a request that is not answered gets: a status, and one sentence as JSON."""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.data.wording import counted

SOON = {"Retry-After": "1"}
"""Seconds after which a request that met a full queue may come again."""


class Refusal(Exception):
    """Raised anywhere below the application; ``sentence`` says what came, and what to do."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = dict(headers or {})


def too_many_rows(n_rows: int, most_rows: int) -> Refusal:
    """The refusal of more rows than one request may have."""
    return Refusal(
        413,
        f"the request has {counted(n_rows, 'row')}, and at most {most_rows:,} are taken at a time: send "
        "them in several requests, which give the same results",
    )
