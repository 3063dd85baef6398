"""`POST /v2/models/NAME/generate` and `/generate_stream`: a text in, the text that continues it out."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sftkeras.serving.errors import ServingError, invalid
from sftkeras.serving.events import EVENTS, sender
from sftkeras.serving.generation.requests import GenerationRequest, Piece, Token
from sftkeras.serving.openai.fields import Fields
from sftkeras.serving.openai.prompts import text_prompt
from sftkeras.serving.openai.sampling import Sampling, parse_sampling
from sftkeras.serving.openai.texts import Written
from sftkeras.serving.served_version import ServedVersion

Pieces = AsyncGenerator[Piece, None]


@dataclass(frozen=True)
class GenerateRequest:
    """A text that is to be continued.

    Attributes:
        text: the prompt.
        sampling: how it is continued.
        details: whether tokens, with their log-probabilities, and the reason of the end are wanted.
    """

    text: str
    sampling: Sampling
    details: bool

    def generation_request(self, version: ServedVersion) -> GenerationRequest:
        """Return what is asked of a version."""
        facts = version.generation
        prompt = text_prompt(facts["begin"], self.text)
        [request] = self.sampling.requests(prompt, facts["defaults"], 0 if self.details else None)
        return request


def parse_generate(document: dict[str, Any], *, stream: bool) -> GenerateRequest:
    """Read the body of a request. Parameters may also stand beside the text, as Triton takes them.

    Args:
        document: the body.
        stream: whether it came to /generate_stream.

    Raises:
        ServingError: INVALID_ARGUMENT for what is wrong.
    """
    fields = Fields(document)
    text = fields.required("text_input")
    if not isinstance(text, str):
        raise fields.wrong_type("text_input", "a string", text)
    inside = fields.given("parameters")
    if inside is not None and not isinstance(inside, dict):
        raise fields.wrong_type("parameters", "an object", inside)
    beside = {name: value for name, value in document.items() if name not in ("text_input", "parameters")}
    if twice := sorted(beside.keys() & (inside or {}).keys()):
        raise invalid(f"'{twice[0]}' is given twice, beside 'parameters' and in it")
    parameters = Fields({**beside, **(inside or {})})
    if parameters.given("stream") not in (None, stream):
        raise invalid(f"'stream' can only be {json.dumps(stream)} here; ask /generate or /generate_stream")
    if parameters.given("exclude_input_in_output") not in (None, True):
        raise invalid("'exclude_input_in_output' can only be true: the prompt is never part of text_output")
    for name in ("bad_words", "stop_words", "n"):
        parameters.unsupported(name)
    request = GenerateRequest(text, parse_sampling(parameters, ("max_tokens",)), parameters.flag("details"))
    parameters.end()
    return request


async def answer_whole(asked: GenerateRequest, version: ServedVersion) -> bytes:
    """Generate the text.

    Returns:
        The body of the answer.

    Raises:
        ServingError: it cannot be generated.
    """
    written = Written()
    async with aclosing(version.generating.stream(asked.generation_request(version))) as pieces:
        async for piece in pieces:
            written.add(piece)
    answer = _answer(version, written.text)
    if asked.details:
        tokens = [_token(token) for token in written.tokens]
        answer["details"] = {"finish_reason": _finish_reason(written), "logprobs": tokens}
    return json.dumps(answer).encode()


async def answer_in_pieces(request: web.Request, asked: GenerateRequest, version: ServedVersion) -> web.StreamResponse:
    """Send the text while it is generated, one event a piece, or a token where details are wanted.

    What fails before the first piece is an answer of its own; later it is an event, and the last one.

    Raises:
        ServingError: the text cannot be generated, and nothing was sent yet.
        ConnectionError: the client has left.
    """
    async with aclosing(version.generating.stream(asked.generation_request(version))) as pieces:
        first = await anext(pieces)
        response = web.StreamResponse(headers=EVENTS)
        await response.prepare(request)
        send = sender(response)
        try:
            for event in _events(asked, version, first):
                await send(json.dumps(event))
            async for piece in pieces:
                for event in _events(asked, version, piece):
                    await send(json.dumps(event))
        except ServingError as error:
            await send(json.dumps({"error": error.message}))
        await response.write_eof()
    return response


def _events(asked: GenerateRequest, version: ServedVersion, piece: Piece) -> Iterator[dict[str, Any]]:
    """The events of a piece; with details its text stands in that of its last token."""
    if not asked.details:
        if piece.text or piece.finish_reason:
            yield _answer(version, piece.text)
        return
    tokens: Sequence[Token | None] = [*piece.tokens, *([piece.ending] if piece.ending else [])]
    if not tokens and (piece.text or piece.finish_reason):
        tokens = [None]  # its token ends in a later piece, or a stop string ended the text
    for number, token in enumerate(tokens, 1):
        last = number == len(tokens)
        details = {
            "finish_reason": _finish_reason(piece) if last else None,
            "token": None if token is None else _token(token),
        }
        yield {**_answer(version, piece.text if last else ""), "details": details}


def _answer(version: ServedVersion, text: str) -> dict[str, Any]:
    return {"model_name": version.model, "model_version": str(version.number), "text_output": text}


def _token(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "text": token.text.decode("utf-8", "replace"),
        "logprob": token.log_probability,
        "special": not token.text,
    }


def _finish_reason(text: Written | Piece) -> str | None:
    """KServe's word for the reason."""
    if text.finish_reason != "stop":
        return text.finish_reason
    return "eos_token" if text.ending else "stop_sequence"
