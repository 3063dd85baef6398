"""Tag sequences such as B-PER I-PER O to entities, and what is wrong with a sequence. Knows no files and no texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sftkeras.config import TagScheme

OUTSIDE = "O"
_UNKNOWN = "_"  # in Universal Dependencies: a word without a part of speech

_PREFIXED = re.compile(r"([BIELMSUW])[-_](.+)", re.DOTALL)
# Names that BILOU and BMES (also BMEO, BMEWO) have for a word in the middle, the last one and a single one.
_SAME = {"L": "E", "M": "I", "U": "S", "W": "S"}

WordSpan = tuple[int, int, str]
"""First word, word after the last, and label of an entity."""


@dataclass
class TagError(Exception):
    """A tag that may not stand where it does.

    Attributes:
        word: its place in the sequence.
        problem: what is wrong, as part of a sentence.
    """

    word: int
    problem: str


def detect_scheme(blocks: Iterable[Iterable[Sequence[str]]]) -> TagScheme:
    """Finds the scheme of a file by its tags: their prefixes, and whether any word is outside.

    IOB1 is never guessed: it differs from faulty BIO by nothing but the intention.

    Args:
        blocks: sequences of tags, block by block. Reading ends with the first block that has no tags, or a prefix
            other than I-: until then, all words may have been outside, and I- may still turn out to follow B-.
    """
    prefixes: set[str] = set()
    outside = False
    for sequences in blocks:
        tags = {tag for sequence in sequences for tag in sequence}
        prefixes |= _prefixes(tags)
        outside = outside or OUTSIDE in tags
        if not tags or prefixes - {"I"}:
            break
    if prefixes - {"B", "I"}:
        return "bioes"
    if prefixes == {"I"}:
        return "io"
    if prefixes:
        return "bio"
    return "io" if outside else "words"


def _prefixes(tags: Iterable[str]) -> set[str]:
    found = {match[1] for tag in tags if (match := _PREFIXED.fullmatch(tag))}
    return found if "B" in found else found - {"M", "W"}  # M- and W- begin labels too, such as W-DT


def word_spans(tags: Sequence[str], scheme: TagScheme) -> list[WordSpan]:
    """Returns the entities of one sentence.

    Args:
        tags: a tag for each word.
        scheme: how they are written; "words" makes each word an entity of its own, as parts of speech are.

    Raises:
        TagError: the sequence breaks the scheme.
    """
    if scheme == "words":
        return [(word, word + 1, tag) for word, tag in enumerate(tags) if tag not in (OUTSIDE, _UNKNOWN)]
    spans: list[WordSpan] = []
    first, label, is_open = 0, "", False  # the entity that the next word may go on with
    for word, tag in enumerate(tags):
        prefix, name = _parts(tag, scheme, word)
        goes_on = is_open and name == label and prefix in ("I", "E")
        if scheme == "bioes" and is_open and not goes_on:
            raise TagError(word, f"{tag} after {tags[word - 1]}, whose entity has not ended,")
        if prefix in ("I", "E") and not goes_on and scheme in ("bio", "bioes"):
            before = tags[word - 1] if word else "the beginning"
            raise TagError(word, f"{tag} after {before}")
        if goes_on:
            spans[-1] = (first, word + 1, label)
        elif prefix != OUTSIDE:
            first, label = word, name
            spans.append((word, word + 1, name))
        is_open = prefix in ("B", "I")
    if scheme == "bioes" and is_open:
        raise TagError(len(tags) - 1, f"{tags[-1]} at the end, where its entity has not ended,")
    return spans


def _parts(tag: str, scheme: TagScheme, word: int) -> tuple[str, str]:
    """The prefix (B, I, E, S or O) and the label of a tag."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    found = _PREFIXED.fullmatch(tag)
    if scheme == "io":
        return "I", found[2] if found and found[1] == "I" else tag
    if not found:
        raise TagError(word, f"{tag}, which has no prefix such as B-,")
    prefix = _SAME.get(found[1], found[1])
    if found[1] not in ("B", "I") and scheme != "bioes":
        raise TagError(word, f"{tag}, a prefix of BIOES,")
    return prefix, found[2]
