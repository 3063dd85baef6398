"""The strings that stand around a span of a text, such as [head] and [/head]: tokens that are added to a vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sftkeras.config.commands import TrainConfig


def markers_of(column: str) -> tuple[str, str]:
    """What opens and closes the span that a column of the data holds."""
    return f"[{column}]", f"[/{column}]"


def closing_marker(opening: str) -> str:
    """What closes a span that `opening` opens: the same with a slash as its second letter, </e1> for <e1>."""
    return f"{opening[:1]}/{opening[1:]}"


def opening_markers(strings: Sequence[str]) -> tuple[str, ...]:
    """Those strings that open a span: what closes it is among them too."""
    return tuple(string for string in strings if closing_marker(string) in strings)


def added_tokens(config: TrainConfig) -> tuple[str, ...]:
    """The tokens that a run adds to the vocabulary: those that are asked for, and the markers of spans."""
    marks: Iterable[str] = (marker for column in config.data.mark for marker in markers_of(column))
    return tuple(dict.fromkeys([*config.backbone.extra_tokens, *marks]))
