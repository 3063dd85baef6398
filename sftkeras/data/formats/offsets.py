"""Units in which a file counts places in texts: characters, as Python does, or the units of UTF-16 or UTF-8.

JavaScript, and so Label Studio and most annotators in a browser, counts UTF-16 code units, of which an emoji has two;
programs in Go or Rust often count bytes. Where a file says what is written at a place, both can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain
from typing import Literal, NamedTuple

from sftkeras.data.formats.blocks import Block

Counting = Literal["characters", "UTF-16 code units", "UTF-8 bytes"]

# The encoding whose units are counted, and the bytes of a unit. The first counting that fits is taken.
_UNITS: dict[Counting, tuple[str, int]] = {
    "characters": ("utf-32-le", 4),
    "UTF-16 code units": ("utf-16-le", 2),
    "UTF-8 bytes": ("utf-8", 1),
}


class Quote(NamedTuple):
    """The text that a file gives for a place of a text; without an end it is as long as the words."""

    text: str
    start: int
    end: int | None
    words: str


def counted_blocks(
    blocks: Iterator[Block], again: Callable[[], Iterator[Block]], quotes: Callable[[Block], Iterable[Quote]]
) -> Iterator[tuple[Block, Counting]]:
    """Yield each block with how its file counts, which is one way for the whole file: one tool wrote it.

    A file is read once more, to compare all its quotes, at the first block that has one. Others are read once.

    Args:
        again: gives the blocks of the same file from its beginning.
        quotes: gives the quotes in a block, but for those in texts of ASCII alone, which all countings count alike.
    """
    counting: Counting | None = None
    for block in blocks:
        if counting is None and any(True for _ in quotes(block)):
            counting = best_counting(chain.from_iterable(map(quotes, again())))
        yield block, counting or "characters"


def best_counting(quotes: Iterable[Quote]) -> Counting:
    """Return the counting under which most quotes are where the file says; characters, if no other has more."""
    wrong: dict[Counting, int] = dict.fromkeys(_UNITS, 0)
    for quote in quotes:
        for counting in wrong:
            wrong[counting] += quoted(quote, counting) is None
    return min(wrong, key=lambda counting: wrong[counting])


def quoted(quote: Quote, counting: Counting) -> tuple[int, int] | None:
    """Return start and end, in characters, of a quote that is where the file says; None for any other.

    With an end, white space makes no difference: tools write line breaks within quotes in several ways.
    """
    start = in_characters(quote.text, quote.start, counting)
    if start is None:
        return None
    if quote.end is None:
        return (start, start + len(quote.words)) if quote.text.startswith(quote.words, start) else None
    end = in_characters(quote.text, quote.end, counting)
    if end is None:
        return None
    found = quote.text[start:end]
    return (start, end) if found == quote.words or _squeezed(found) == _squeezed(quote.words) else None


def in_characters(text: str, place: int, counting: Counting) -> int | None:
    """Return a place in a text as Python counts it; None for one outside of the text or within a character."""
    if counting == "characters":
        return place if 0 <= place <= len(text) else None
    units, (encoding, width) = _units(text, counting), _UNITS[counting]
    if not 0 <= place * width <= len(units):
        return None
    if len(units) == len(text) * width:  # each character has one unit
        return place
    try:
        before = units[: place * width].decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        return None
    return len(before) if text.startswith(before) else None  # half a pair is decoded as a surrogate


@lru_cache(maxsize=4)  # a text often has several places, one after another
def _units(text: str, counting: Counting) -> bytes:
    # A broken byte of the file is a surrogate here.
    return text.encode(_UNITS[counting][0], "surrogatepass")


def _squeezed(words: str) -> str:
    return "".join(words.replace("\\n", " ").split())
