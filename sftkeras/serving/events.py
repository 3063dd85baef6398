"""Server-sent events: the headers of a stream, and what sends its events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

# How long a client may take to read one event: what it keeps busy meanwhile, others wait for.
_PATIENCE = 60.0  # seconds

EVENTS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx would keep pieces back
}


def sender(response: web.StreamResponse) -> Callable[[str], Awaitable[None]]:
    """Return what sends the data of one event, a single line.

    It raises ConnectionResetError if the client has left, or does not read.

    Args:
        response: prepared, with `EVENTS` among its headers.
    """

    async def send(data: str) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await response.write(f"data: {data}\n\n".encode())
        except TimeoutError:
            raise ConnectionResetError("the client reads no more") from None

    return send
