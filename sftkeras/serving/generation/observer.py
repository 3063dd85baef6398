"""Events of generation, reported while it works."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Load(NamedTuple):
    """Present load of a version that generates.

    Attributes:
        running: streams that have a slot.
        slots: that there are.
        waiting: streams that wait for one.
        pages_held: of the cache, by streams.
        pages: of the cache.
    """

    running: int
    slots: int
    waiting: int
    pages_held: int
    pages: int


class GenerationObserver(Protocol):
    """Receives what happens to streams, from any thread; it must be quick and must not raise."""

    def stream_began(self, *, model: str, seconds: float, prompt_tokens: int, cached_tokens: int) -> None:
        """The first token of a stream came, `seconds` after it was asked for."""

    def stream_ended(self, *, model: str, outcome: str, new_tokens: int, seconds: float) -> None:
        """A stream ended.

        Args:
            model: its name.
            outcome: "stop", "length", "left", or the name of the status it failed with.
            new_tokens: that it got.
            seconds: since its first token; 0 if there was none.
        """

    def generated(self, *, model: str, tokens: int, seconds: float) -> None:
        """A call drew so many new tokens, none for prompts that are not read to their end, and took `seconds`."""

    def loaded(self, *, model: str, version: int, load: Load | None) -> None:
        """Present load of a version; None when it is unloaded."""


class Unobserved:
    """Receives nothing."""

    def stream_began(self, *, model: str, seconds: float, prompt_tokens: int, cached_tokens: int) -> None:
        """See `GenerationObserver`."""

    def stream_ended(self, *, model: str, outcome: str, new_tokens: int, seconds: float) -> None:
        """See `GenerationObserver`."""

    def generated(self, *, model: str, tokens: int, seconds: float) -> None:
        """See `GenerationObserver`."""

    def loaded(self, *, model: str, version: int, load: Load | None) -> None:
        """See `GenerationObserver`."""
