"""Strings around a span of a text, such as [head] and [/head]: tokens that are added to a vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sftkeras.config.commands import TrainConfig


def markers_of(column: str) -> tuple[str, str]:
    """Return the markers that open and close the span of a column of the data."""
    return f"[{column}]", f"[/{column}]"


def closing_marker(opening: str) -> str:
    """Return the marker that closes a span: `opening` with a slash as its second letter, </e1> for <e1>."""
    return f"{opening[:1]}/{opening[1:]}"


def opening_markers(strings: Sequence[str]) -> tuple[str, ...]:
    """Return the strings that open a span whose closing marker is among them too."""
    return tuple(string for string in strings if closing_marker(string) in strings)


def added_tokens(config: TrainConfig) -> tuple[str, ...]:
    """Return the tokens that a run adds to the vocabulary: those that are set, and the markers of spans."""
    marks: Iterable[str] = (marker for column in config.data.mark for marker in markers_of(column))
    return tuple(dict.fromkeys([*config.backbone.extra_tokens, *marks]))
