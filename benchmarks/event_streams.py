"""Streams of server-sent events, as OpenAI's API sends them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp


async def events_of(
    session: aiohttp.ClientSession, url: str, body: dict[str, Any]
) -> AsyncGenerator[dict[str, Any], None]:
    """Posts a request and gives the events of its stream; closing this closes the connection.

    Raises:
        RuntimeError: the server answered with an error, or the stream did not end as it should.
    """
    finished = False
    async with session.post(url, json={**body, "stream": True}) as reply:
        if reply.status != 200:
            raise RuntimeError(f"status {reply.status}: {await reply.text()}")
        async for line in reply.content:
            if not line.startswith(b"data: "):
                continue
            if line.strip() == b"data: [DONE]":
                if not finished:
                    raise RuntimeError("[DONE] without a finish_reason")
                return
            event = json.loads(line.removeprefix(b"data: "))
            if "error" in event:
                raise RuntimeError(f"error {event['error']}")
            finished |= any(choice["finish_reason"] for choice in event["choices"])
            yield event
    raise RuntimeError("the stream ended without [DONE]")
