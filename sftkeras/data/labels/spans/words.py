"""Words with a tag each to a text and the spans of its entities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sftkeras.config import TagScheme
from sftkeras.data.checks.findings import Fault
from sftkeras.data.formats.cells import shown
from sftkeras.data.labels.spans.entities import Span, label_text, unnamed
from sftkeras.data.labels.spans.joining import joined_words
from sftkeras.data.labels.spans.tags import TagError, word_spans

_EXAMPLE = '{"0": "O", "1": "B-PER", "2": "I-PER"}'
_SCHEME_NAMES = {"bio": "BIO", "iob1": "IOB1", "bioes": "BIOES", "io": "IO"}


def is_tags(cell: Any) -> bool:
    """Return whether a cell is a list of tags, not of entities."""
    return isinstance(cell, (list, tuple)) and bool(cell) and all(label_text(tag) is not None for tag in cell)


def tag_names(cell: Sequence[Any], names: Mapping[str, str] | None) -> list[str] | Fault:
    """Return the tags of a row, by their names in data.label_names where they have one; SFT252, SFT215 or SFT267."""
    found = []
    for tag in cell:
        text = label_text(tag)
        if text is None:
            return Fault("SFT252", {"problem": f"{shown(tag)} is no tag"})
        if text not in (names or {}) and text.removeprefix("-").isdecimal():
            return unnamed(text, names, _EXAMPLE)  # the number of O would be an entity
        found.append((names or {}).get(text, text))
    return found


def read_words(
    words: Sequence[Any], label: Any, scheme: TagScheme, names: Mapping[str, str] | None
) -> tuple[str, list[Span]] | Fault:
    """Return the text that the words make, and its spans; or SFT250, SFT251 or a fault of `tag_names`."""
    if not isinstance(label, (list, tuple)) or len(label) != len(words):
        count = str(len(label)) if isinstance(label, (list, tuple)) else "no"
        return Fault("SFT251", {"words": str(len(words)), "tags": count})
    if wrong := [word for word in words if not isinstance(word, str)]:
        return Fault("SFT252", {"problem": f"{shown(wrong[0])} is no word"})
    tags = tag_names(label, names)
    if isinstance(tags, Fault):
        return tags
    try:
        spans = word_spans(tags, scheme)
    except TagError as error:
        word = f"word {error.word + 1}, {shown(words[error.word])}"
        details = {"problem": error.problem, "scheme": _SCHEME_NAMES.get(scheme, scheme), "at": word}
        return Fault("SFT250", {**details, "word": str(error.word)})
    text, starts = joined_words(words)
    # A word of nothing but spaces, as some corpora have them, marks nothing.
    found = [(starts[first], starts[end - 1] + len(words[end - 1]), name) for first, end, name in spans]
    return text, [span for span in found if text[span[0] : span[1]].strip()]
