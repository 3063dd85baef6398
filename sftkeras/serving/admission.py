"""Admits HTTP requests: bounds on their number, their bodies and their time, and their count in the
metrics. Shared by all routes that run a model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web
from grpc import StatusCode

from sftkeras.serving.errors import ServingError, invalid, overloaded, too_late
from sftkeras.serving.metrics import Metrics

Work = TypeVar("Work")

_ENTRYPOINT = "REST"

# Bytes whose reading or writing takes some milliseconds.
_LARGE = 2**16


@dataclass
class Counted:
    """A request that is worked on.

    Attributes:
        model: name of the model it asks, once that is known.
    """

    model: str = ""


class Admission:
    """Lets requests in.

    Args:
        max_requests: worked on at once.
        max_body_bytes: of a request, after decompression.
        timeout: seconds for a body to arrive; None for no bound.
        metrics: notified of each request.

    Attributes:
        open: how many requests are worked on.
        closed: set once no more are let in.
    """

    def __init__(self, max_requests: int, max_body_bytes: int, timeout: float | None, metrics: Metrics) -> None:
        self._max_requests, self._max_body_bytes = max_requests, max_body_bytes
        self._timeout, self._metrics = timeout, metrics
        self.open = 0
        self.closed = False

    @contextmanager
    def counted(self, api: str, model: str = "") -> Iterator[Counted]:
        """Counts the block as one request of this API, answered unless it raises.

        Raises:
            ServingError: UNAVAILABLE once it is closed, RESOURCE_EXHAUSTED if there are too many.
        """
        if self.closed:
            raise ServingError(StatusCode.UNAVAILABLE, "The server is shutting down")
        if self.open >= self._max_requests:
            self.refused(StatusCode.RESOURCE_EXHAUSTED)
            raise overloaded(f"{self.open} requests are being answered already; try again later")
        start = time.perf_counter()
        status = StatusCode.INTERNAL
        counted = Counted(model)
        self.open += 1
        try:
            yield counted
            status = StatusCode.OK
        except ServingError as error:
            status = error.code
            raise
        except web.HTTPException:
            status = StatusCode.INVALID_ARGUMENT
            raise
        except (asyncio.CancelledError, ConnectionError):
            status = StatusCode.CANCELLED
            raise
        finally:
            self.open -= 1
            seconds = time.perf_counter() - start
            self._metrics.request(api=api, entrypoint=_ENTRYPOINT, model=counted.model, status=status, seconds=seconds)

    def refused(self, status: StatusCode) -> None:
        """Counts a request that is turned away before it is known what it asks for."""
        self._metrics.refused(entrypoint=_ENTRYPOINT, status=status)

    async def body(self, request: web.Request) -> bytes:
        """Reads the body of a request.

        Raises:
            ServingError: DEADLINE_EXCEEDED if it does not come in time, INVALID_ARGUMENT if it breaks off or is not
                compressed as its headers say.
            web.HTTPRequestEntityTooLarge: it is.
        """
        try:
            async with asyncio.timeout(self._timeout):
                return await request.read()
        except TimeoutError:
            raise too_late() from None
        except web.RequestPayloadError:
            raise invalid("The request's body is not compressed, or not sent, in the way its headers say") from None
        except web.HTTPRequestEntityTooLarge:
            message = f"The request is larger than --max_request_bytes, which is {self._max_body_bytes}"
            raise web.HTTPRequestEntityTooLarge(self._max_body_bytes, 0, text=message) from None


def time_left(end: float | None) -> float | None:
    """Return the seconds until `end`, on the monotonic clock; None for no end.

    Raises:
        ServingError: DEADLINE_EXCEEDED if there are none.
    """
    if end is None:
        return None
    seconds = end - time.monotonic()
    if seconds <= 0:
        raise too_late()
    return seconds


async def aside(size: int, work: Callable[[], Work]) -> Work:
    """Does the work of a large request in a thread, so that small ones need not wait for it.

    Args:
        size: bytes that are read or written.
        work: does it.
    """
    return await asyncio.to_thread(work) if size > _LARGE else work()
