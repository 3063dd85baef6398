"""Tokens to pieces of text: whole characters, nothing of a stop string, each token with the text it ends in."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Sequence

from sftkeras.serving.generation.requests import Token


class TextPieces:
    """Holds back what ends inside a character or could begin a stop string.

    Args:
        stop: the text ends before the first of these.
        strips_space: whether a space that the text begins with is left out, as tokenizers like Llama 2's have it.

    Attributes:
        stopped: whether a stop string has come.
    """

    def __init__(self, stop: Sequence[str], *, strips_space: bool) -> None:
        self._stop = tuple(stop)
        self._strips_space = strips_space  # until there is a text that could begin with one
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._given = 0  # characters
        self._waiting: deque[tuple[int, Token]] = deque()  # with the number of characters that it ends in
        self.stopped = False

    def push(self, token: Token) -> tuple[str, tuple[Token, ...]]:
        """Return the text that this token completes, maybe none, and the tokens that end in it."""
        self._append(self._decoder.decode(token.text))
        in_character = bool(self._decoder.getstate()[0])
        self._waiting.append((self._given + len(self._held) + in_character, token))
        stops = [at for at in (self._held.find(stop) for stop in self._stop) if at >= 0]
        if stops:
            self.stopped = True
            return self._give(min(stops))
        return self._give(len(self._held) - self._open_stop())

    def finish(self) -> tuple[str, tuple[Token, ...]]:
        """Return what still waited, with U+FFFD for a character that was never completed; nothing after a stop."""
        if self.stopped:
            return "", ()
        self._append(self._decoder.decode(b"", final=True))
        return self._give(len(self._held))

    def _append(self, text: str) -> None:
        if self._strips_space and text:
            self._strips_space = False
            text = text.removeprefix(" ")
        self._held += text

    def _open_stop(self) -> int:
        """Characters at the end of what is held that could begin a stop string."""
        longest = max(map(len, self._stop), default=0)
        for length in range(min(longest - 1, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-length:]) for stop in self._stop):
                return length
        return 0

    def _give(self, characters: int) -> tuple[str, tuple[Token, ...]]:
        text, self._held = self._held[:characters], self._held[characters:]
        self._given += characters
        tokens = []
        while self._waiting and self._waiting[0][0] <= self._given:
            tokens.append(self._waiting.popleft()[1])
        return text, tuple(tokens)
