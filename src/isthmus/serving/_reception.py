"""Bodies as they come in, and the queue of what is to be computed: both bounded."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import Request

from isthmus.serving._refusals import SOON, Refusal
from isthmus.serving.limits import Limits

Result = TypeVar("Result")
Take = Callable[[int], None]
"""Counts bytes of a body; raises a Refusal where there is no room for them."""


class Reception:
    """Threads that compute, the requests that wait for these, and the memory of all bodies."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._threads = ThreadPoolExecutor(limits.at_once, thread_name_prefix="isthmus-serving")
        self._n_requests = 0
        self._held_bytes = 0

    @contextlib.contextmanager
    def holding(self) -> Iterator[Take]:
        """What counts the bytes of a body; at the end they are free again."""
        own = 0

        def take(n_bytes: int) -> None:
            nonlocal own
            if self._held_bytes + n_bytes > self._limits.held_bytes:
                raise Refusal(503, "there is no room for another body: come again", SOON)
            self._held_bytes += n_bytes
            own += n_bytes

        try:
            yield take
        finally:
            self._held_bytes -= own

    async def body(self, request: Request, take: Take) -> bytes:
        """The whole body. Raises a Refusal for one that is too long, or too slow."""
        most, seconds = self._limits.body_bytes, self._limits.body_seconds
        if _is_longer(request.headers.get("content-length", ""), most):
            raise _too_long(most)
        parts, n_bytes = [], 0
        try:
            async with asyncio.timeout(seconds):
                async for part in request.stream():
                    n_bytes += len(part)
                    if n_bytes > most:
                        raise _too_long(most)
                    take(len(part))
                    parts.append(part)
        except TimeoutError:
            raise Refusal(
                408,
                f"{n_bytes} bytes of the body came in {seconds:g} seconds, and its end did not: send it "
                "in less time",
                {"Connection": "close"},
            ) from None
        return b"".join(parts)

    async def computed(self, work: Callable[[], Result]) -> Result:
        """What ``work`` gives, from a thread. Raises a Refusal where too many wait for one."""
        if self._n_requests >= self._limits.at_once + self._limits.waiting:
            raise Refusal(
                503, f"{self._n_requests} requests are computed or wait already: come again", SOON
            )
        self._n_requests += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._n_requests -= 1


def _is_longer(declared: str, most: int) -> bool:
    """Whether a header says so; Python reads no whole numbers of thousands of digits."""
    return declared.isdecimal() and (len(declared) > len(str(most)) or int(declared) > most)


def _too_long(most: int) -> Refusal:
    return Refusal(413, f"the body is longer than {most} bytes: send its rows in several requests")
