"""When a call is made again: only after UNAVAILABLE, with growing waits, and within the time for the whole call."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from sftkeras.serving.client.errors import UnavailableError

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Retries:
    """Number of times, and delays, with which a call is made again.

    Each wait is up to twice the last one, less a random share, so that many clients do not come back at once.

    Attributes:
        attempts: calls in all; 1 never retries.
        first: seconds, at most, before the second call.
        longest: seconds, at most, before any later one.
    """

    attempts: int = 5
    first: float = 0.1
    longest: float = 3.0

    def waits(self) -> Iterator[float]:
        """Yields the seconds to wait before each further call."""
        for retry in range(self.attempts - 1):
            yield random.uniform(0.5, 1.0) * min(self.longest, self.first * 2**retry)


def call(function: Callable[[float], Answer], retries: Retries, timeout: float) -> Answer:
    """Calls `function(seconds left)` until it answers, fails otherwise than with UNAVAILABLE, or time is over."""
    deadline = time.monotonic() + timeout
    waits = retries.waits()
    while True:
        try:
            return function(_left(deadline))
        except UnavailableError:
            if (wait := _next_wait(waits, deadline)) is None:
                raise
        time.sleep(wait)


async def call_async(function: Callable[[float], Awaitable[Answer]], retries: Retries, timeout: float) -> Answer:
    """Does what `call` does, in asyncio."""
    deadline = time.monotonic() + timeout
    waits = retries.waits()
    while True:
        try:
            return await function(_left(deadline))
        except UnavailableError:
            if (wait := _next_wait(waits, deadline)) is None:
                raise
        await asyncio.sleep(wait)


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.001)


def _next_wait(waits: Iterator[float], deadline: float) -> float | None:
    wait = next(waits, None)
    return wait if wait is not None and time.monotonic() + wait < deadline else None
