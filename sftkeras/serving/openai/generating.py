"""Answers of generated texts over HTTP, for chat and completions alike: whole, or as server-sent events."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from aiohttp import web

from sftkeras.serving.errors import HTTP_STATUS, ServingError
from sftkeras.serving.events import EVENTS, sender
from sftkeras.serving.generation.requests import Piece
from sftkeras.serving.openai.chat import ChatRequest
from sftkeras.serving.openai.completions import CompletionRequest
from sftkeras.serving.openai.errors import error_object
from sftkeras.serving.openai.texts import Usage, Written

TextRequest = ChatRequest | CompletionRequest
Pieces = AsyncGenerator[tuple[int, Piece], None]


async def answer_whole(asked: TextRequest, pieces: Pieces, texts: int, version: str) -> bytes:
    """Generate all texts.

    Args:
        asked: the request.
        pieces: of its texts.
        texts: how many there are.
        version: says what answered.

    Returns:
        The body of the answer.

    Raises:
        ServingError: they cannot be generated.
    """
    written = [Written() for _ in range(texts)]
    async with aclosing(pieces):
        async for index, piece in pieces:
            written[index].add(piece)
    choices = [asked.choice(index, one) for index, one in enumerate(written)]
    usage = Usage.of(written, asked.sampling.n).values()
    return json.dumps(_frame(asked, asked.kind, version) | {"choices": choices, "usage": usage}).encode()


async def answer_in_pieces(
    request: web.Request, asked: TextRequest, pieces: Pieces, texts: int, version: str
) -> web.StreamResponse:
    """Send texts while they are generated, one event a piece.

    What fails before the first piece is an answer of its own; later it is an event, and the last one.

    Args:
        request: of the client.
        asked: what it asks for.
        pieces: of its texts.
        texts: how many there are.
        version: says what answers.

    Raises:
        ServingError: the texts cannot be generated, and nothing was sent yet.
        ConnectionError: the client has left.
    """
    async with aclosing(pieces):
        first = await anext(pieces)
        response = web.StreamResponse(headers=EVENTS)
        await response.prepare(request)
        send = sender(response)
        try:
            async for event in _events(asked, first, pieces, texts, version):
                await send(json.dumps(event))
            await send("[DONE]")
        except ServingError as error:
            status = HTTP_STATUS[error.code]
            await send(json.dumps({"error": error_object(status, error.message, error)}))
        await response.write_eof()
    return response


async def _events(
    asked: TextRequest, first: tuple[int, Piece], pieces: Pieces, texts: int, version: str
) -> AsyncGenerator[dict[str, Any], None]:
    frame = _frame(asked, asked.chunk_kind, version) | ({"usage": None} if asked.streaming.usage else {})
    written = [Written() for _ in range(texts)]
    for index in range(texts):
        if opening := asked.opening(index):
            yield frame | {"choices": [opening]}

    def chunks(index: int, piece: Piece) -> list[dict[str, Any]]:
        found = [frame | {"choices": [chunk]} for chunk in asked.chunks(index, piece, written[index])]
        written[index].add(piece)
        return found

    for event in chunks(*first):
        yield event
    async for index, piece in pieces:
        for event in chunks(index, piece):
            yield event
    if asked.streaming.usage:
        yield frame | {"choices": [], "usage": Usage.of(written, asked.sampling.n).values()}


def _frame(asked: TextRequest, kind: str, version: str) -> dict[str, Any]:
    """Fields around the texts, in the whole answer and in each piece."""
    return {
        "id": asked.prefix + uuid.uuid4().hex,
        "object": kind,
        "created": int(time.time()),
        "model": asked.model,
        "system_fingerprint": version,
    }
