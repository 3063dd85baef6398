"""The data check of entities: what holds for all names, and entities that begin or end inside a word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from sftkeras.data.checks.check_labels import absent_labels, labels_written_alike, rare_labels, unknown_labels
from sftkeras.data.checks.findings import SHOWN, Finding, finding, place
from sftkeras.data.labels.spans.joining import UNSPACED
from sftkeras.data.storage.examples import Examples

_ROWS_AT_ONCE = 1 << 16


def check_entities(examples: Examples, splits: Mapping[str, np.ndarray]) -> Iterator[Finding]:
    """Runs all checks of entities; see each for what it finds."""
    yield from unknown_labels(examples)
    yield from labels_written_alike(examples)
    yield from rare_labels(examples, splits)
    yield from absent_labels(examples, splits)
    yield from cut_words(examples)


def cut_words(examples: Examples) -> Iterator[Finding]:
    """Entities that begin or end inside a word: they are learned and found as whole words."""
    cut: list[tuple[int, str]] = []  # rows, and the first one's words
    row = 0
    for texts, _ in examples.text_batches(_ROWS_AT_ONCE):
        for text, spans in zip(texts, examples.labels[row : row + len(texts)], strict=True):
            for start, end, _ in spans.tolist():
                if _inside_word(text, start) or _inside_word(text, end):
                    cut.append((row, text[start:end] if not cut else ""))
            row += 1
    if cut:
        places = examples.places(list(dict.fromkeys(row for row, _ in cut))[:SHOWN])
        yield finding(
            "SFT257",
            "warning",
            len(cut),
            places,
            entities=f"{len(cut):,}",
            entity=f'"{cut[0][1]}"',
            place=place(*places[0]),
        )


def _inside_word(text: str, at: int) -> bool:
    """Whether a place in a text stands between two letters or digits of one word."""
    beside = text[max(at - 1, 0) : at + 1]
    return 0 < at < len(text) and all(letter.isalnum() and not UNSPACED.match(letter) for letter in beside)
