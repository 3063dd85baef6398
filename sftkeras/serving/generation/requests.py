"""Requests to a model that generates, and the pieces of its stream. Knows no protocol and no TensorFlow.

```python
with answering.store.use(spec) as version:  # held until the stream has ended, so that it is not unloaded
    async with aclosing(version.generating.stream(request)) as pieces:  # closing it frees the slot at once
        async for piece in pieces:
            ...
```
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal, Protocol

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class GenerationRequest:
    """One text to be generated after a prompt.

    Attributes:
        text: the prompt, as marked text (`sftkeras.text.marks`): special tokens come from marks alone.
        max_new_tokens: most tokens of the text; None for as many as the model and the cache have room for.
        temperature: what logits are divided by; 0 takes the most probable token.
        top_k: draw from the so many most probable tokens; 0 from all.
        top_p: draw from the fewest tokens whose probabilities sum to this.
        min_p: draw from tokens that are at least so probable, measured by the most probable one.
        repetition_penalty: makes tokens that stand in the prompt or the text less probable; 1 does not.
        stop: the text ends before the first of these strings.
        seed: with equal seeds a request gets equal noise, whatever is generated beside it.
        top_log_probabilities: how many of the most probable tokens come with each token; None gives log-probabilities
            of none.
        grammar: what the text is held to, see `sftkeras.serving.generation.grammar`; None for nothing. A text that ends
            by a limit or a stop string may be a part of one.
    """

    text: str
    max_new_tokens: int | None = None
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int = 0
    top_log_probabilities: int | None = None
    grammar: str | None = None


@dataclass(frozen=True)
class TopToken:
    """A token that could have come.

    Attributes:
        id: its number.
        text: its bytes, which may be a part of a character; none for special tokens.
        log_probability: natural logarithm, by the model's own logits (temperature 1, nothing left out).
    """

    id: int
    text: bytes
    log_probability: float


@dataclass(frozen=True)
class Token(TopToken):
    """A token that came.

    Attributes:
        log_probability: as of `TopToken`; 0 where the request asks for none.
        top: the most probable ones in its place, the first before the others, as many as the request asks for.
    """

    top: tuple[TopToken, ...] = ()


@dataclass(frozen=True)
class Piece:
    """The next part of a stream: whole characters, held back as long as they could begin a stop string.

    The last piece, and only it, has a `finish_reason`.

    Attributes:
        text: maybe none; the texts of all pieces, joined, are the whole text.
        tokens: those whose bytes are in `text`. A special token, a part of a character or of a stop string comes with
            the piece that ends it; the token that ended the text is in none.
        finish_reason: "stop" where the text ended by itself or by a stop string, "length" by a limit.
        prompt_tokens: of the prompt.
        cached_tokens: how many of them had been read for an earlier request already.
        new_tokens: generated so far, those that are held back and the one that ended the text included.
        ending: the token that ended the text; None before its end, and where a limit or a stop string ended it.
    """

    text: str
    tokens: tuple[Token, ...]
    finish_reason: FinishReason | None
    prompt_tokens: int
    cached_tokens: int
    new_tokens: int
    ending: Token | None = None


class Generating(Protocol):
    """A loaded version that generates."""

    def stream(self, request: GenerationRequest, seconds: float | None = None) -> AsyncGenerator[Piece, None]:
        """Generate a text, piece by piece, in the running event loop.

        Closing the generator, or cancelling the task that waits for it, frees what the request holds.

        Args:
            request: what to generate.
            seconds: longest time for the whole; None, or more than the server allows, takes the server's.

        Raises:
            ServingError: INVALID_ARGUMENT for a prompt that is empty, too long, or an option out of its range;
                RESOURCE_EXHAUSTED if too many wait; DEADLINE_EXCEEDED after its time; UNAVAILABLE while the server
                shuts down.
        """
        ...
