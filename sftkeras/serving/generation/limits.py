"""Bounds of what generates."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GenerationLimits:
    """Bounds of each version that generates.

    Attributes:
        slots: streams that are written at once.
        cache_bytes: of keys and values.
        queue: streams that wait for a slot; more are refused.
        seconds: longest time for one stream.
        prompt_tokens_a_call: most tokens of prompts between two tokens of the other streams.
    """

    slots: int = 16
    cache_bytes: int = 2**30
    queue: int = 64
    seconds: float = 600.0
    prompt_tokens_a_call: int = 256
