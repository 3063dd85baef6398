"""Generated texts, whatever route asks for them: several streams of pieces as one, and what has come of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from sftkeras.serving.generation.requests import FinishReason, Generating, GenerationRequest, Piece, Token


@dataclass
class Written:
    """A generated text, as far as it has come."""

    text: str = ""
    tokens: list[Token] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    new_tokens: int = 0
    ending: Token | None = None

    def add(self, piece: Piece) -> None:
        """Take the next piece."""
        self.text += piece.text
        self.tokens += piece.tokens
        self.finish_reason = piece.finish_reason
        self.prompt_tokens, self.cached_tokens = piece.prompt_tokens, piece.cached_tokens
        self.new_tokens, self.ending = piece.new_tokens, piece.ending


@dataclass(frozen=True)
class Usage:
    """Tokens of an answer; a prompt counts once, however many texts follow it."""

    prompt_tokens: int
    cached_tokens: int
    new_tokens: int

    @classmethod
    def of(cls, written: Sequence[Written], texts_a_prompt: int) -> Usage:
        """Count the tokens of texts, of which those of one prompt follow each other."""
        firsts = written[::texts_a_prompt]
        return cls(
            sum(one.prompt_tokens for one in firsts),
            sum(one.cached_tokens for one in firsts),
            sum(one.new_tokens for one in written),
        )

    def values(self) -> dict[str, object]:
        """Return it as OpenAI's API writes it."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.new_tokens,
            "total_tokens": self.prompt_tokens + self.new_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
        }


async def pieces_of(
    generating: Generating, requests: Sequence[GenerationRequest]
) -> AsyncGenerator[tuple[int, Piece], None]:
    """Generate several texts at once, and give their pieces as they come, each with the place of its request.

    Closing the generator ends all of them.

    Raises:
        ServingError: one of them cannot be generated.
    """
    arrived: asyncio.Queue[tuple[int, Piece] | Exception | None] = asyncio.Queue(1)

    async def generate(place: int, request: GenerationRequest) -> None:
        try:
            async with aclosing(generating.stream(request)) as pieces:
                async for piece in pieces:
                    await arrived.put((place, piece))
            await arrived.put(None)
        except Exception as error:  # it is raised to who asks for the pieces
            await arrived.put(error)

    tasks = [asyncio.create_task(generate(place, request)) for place, request in enumerate(requests)]
    try:
        running = len(tasks)
        while running:
            found = await arrived.get()
            if isinstance(found, Exception):
                raise found
            if found is None:
                running -= 1
            else:
                yield found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
