"""One stream while it is generated: its tokens, its pages, what its client is given, and what ends it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sftkeras.serving.generation.grammar import Matcher
from sftkeras.serving.generation.pages import Page
from sftkeras.serving.generation.pieces import TextPieces
from sftkeras.serving.generation.requests import FinishReason, GenerationRequest, Piece, Token

Outcome = Piece | Exception
"""Item of a stream; an exception is the last."""


@dataclass(eq=False)
class Stream:
    """A request and how far it is.

    Attributes:
        request: what is asked.
        tokens: of the prompt and of the text so far.
        most_tokens: prompt and text together.
        give: hands a piece or the reason why there is none to the client, from any thread.
        texts: makes pieces of tokens.
        deadline: by `time.monotonic`.
        prompt_tokens: of the prompt.
        cached_tokens: of the prompt, which stood in shared pages when it was read first.
        pages: that it holds, in order.
        read: tokens whose keys and values stand in its pages.
        arrived: when it was asked for.
        first_at: when its first token came; None before.
        left: whether its client has gone; set from any thread.
        matcher: what the text is held to.
    """

    request: GenerationRequest
    tokens: list[int]
    most_tokens: int
    give: Callable[[Outcome], None]
    texts: TextPieces
    deadline: float
    prompt_tokens: int = 0
    cached_tokens: int = 0
    pages: list[Page] = field(default_factory=list)
    read: int = 0
    arrived: float = field(default_factory=time.monotonic)
    first_at: float | None = None
    left: bool = False
    matcher: Matcher | None = None

    def __post_init__(self) -> None:
        self.prompt_tokens = len(self.tokens)

    @property
    def unread(self) -> int:
        """Tokens that are to be read before the next one can be drawn."""
        return len(self.tokens) - self.read

    @property
    def new_tokens(self) -> int:
        """Generated so far."""
        return len(self.tokens) - self.prompt_tokens

    def add(self, token: Token, *, ends: bool) -> FinishReason | None:
        """Take the next token.

        Args:
            token: what was drawn.
            ends: whether it ends a text.

        Returns:
            Why the stream has ended, if it has.

        Raises:
            GrammarError: a text that is held to a grammar has too many ways to go on.
        """
        self.tokens.append(token.id)
        if self.matcher:
            self.matcher.take(token.id)
        text, tokens = ("", ()) if ends else self.texts.push(token)
        finish: FinishReason | None = None
        if ends or self.texts.stopped:
            finish = "stop"
        elif len(self.tokens) >= self.most_tokens:
            finish = "length"
        if finish:
            rest, others = self.texts.finish()
            text, tokens = text + rest, (*tokens, *others)
        if text or tokens or finish:
            ending = token if ends else None
            self.give(Piece(text, tokens, finish, self.prompt_tokens, self.cached_tokens, self.new_tokens, ending))
        return finish
