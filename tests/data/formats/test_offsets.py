"""Offsets of every counting come to characters, and a file's own quotes decide which counting is its."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftkeras.data.formats.blocks import Block
from sftkeras.data.formats.offsets import Counting, Quote, best_counting, counted_blocks, in_characters, quoted

WIDER: dict[Counting, str] = {  # a character above each of these has one unit more
    "characters": "",
    "UTF-16 code units": "\uffff",
    "UTF-8 bytes": "\x7f\u07ff\uffff",
}
COUNTINGS = st.sampled_from(list(WIDER))
TEXTS = st.text(st.sampled_from("a é北😀👩‍🔬\udcff") | st.characters(exclude_categories=["Cs"]))


def counted(text: str, place: int, counting: Counting) -> int:
    """A place as a tool counts it."""
    return sum(1 + sum(letter > step for step in WIDER[counting]) for letter in text[:place])


@given(TEXTS, COUNTINGS)
def test_every_place_is_found_again_and_no_other_is_one(text: str, counting: Counting) -> None:
    places = {counted(text, place, counting): place for place in range(len(text) + 1)}
    for offset in range(-2, max(places) + 3):
        assert in_characters(text, offset, counting) == places.get(offset)


@given(st.lists(st.tuples(TEXTS, st.integers(0, 9), st.integers(1, 9)), max_size=6), COUNTINGS)
def test_a_counting_under_which_all_quotes_fit_is_found(rows: list[tuple[str, int, int]], counting: Counting) -> None:
    quotes = []
    for text, start, length in rows:
        if start + length <= len(text):
            first, last = (counted(text, place, counting) for place in (start, start + length))
            quotes.append(Quote(text, first, last, text[start : start + length]))
    found = best_counting(quotes)
    assert all(quoted(quote, found) for quote in quotes)
    assert list(WIDER).index(found) <= list(WIDER).index(counting)


def test_what_fits_both_ways_counts_characters() -> None:
    assert best_counting([Quote("aaa 😀", 0, 1, "a"), Quote("😀aa", 2, 3, "a")]) == "characters"
    assert best_counting([]) == "characters"


def test_line_breaks_within_a_quote_may_be_written_otherwise() -> None:
    assert quoted(Quote("é a\r\n  b", 2, 8, "a\\nb"), "characters") == (2, 8)
    assert quoted(Quote("é a\n  b", 2, 7, "a b"), "characters") == (2, 7)
    assert quoted(Quote("é a\n  b", 2, 7, "a c"), "characters") is None


def test_an_answer_without_an_end_is_as_long_as_its_words() -> None:
    assert quoted(Quote("😀 Rome", 3, None, "Rome"), "UTF-16 code units") == (2, 6)
    assert quoted(Quote("😀 Rome", 2, None, "Rome"), "UTF-16 code units") is None


@pytest.mark.parametrize(
    ("second", "readings", "counting"), [("😀 b", 2, "UTF-16 code units"), ("xx b", 1, "characters")]
)
def test_a_file_is_read_again_only_where_countings_may_differ(second: str, readings: int, counting: str) -> None:
    begun = []

    def blocks() -> Iterator[Block]:
        begun.append(1)
        yield Block({"text": ["a b"]}, [1])
        yield Block({"text": [second]}, [2])

    def quotes(block: Block) -> Iterator[Quote]:
        for text in filter(lambda text: not text.isascii(), block.columns["text"]):
            yield Quote(text, 3, None, "b")

    found = list(counted_blocks(blocks(), blocks, quotes))
    assert [block.lines for block, _ in found] == [[1], [2]]
    assert found[1][1] == counting
    assert len(begun) == readings
