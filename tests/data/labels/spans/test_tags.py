"""Tags to entities: every scheme is read back as it was written, and what breaks it is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftkeras.config import TagScheme
from sftkeras.data.labels.spans.tags import TagError, WordSpan, detect_scheme, word_spans

LABELS = st.sampled_from(["PER", "LOC", "geo-loc", "B-x"])


@st.composite
def sentences(draw: st.DrawFn) -> tuple[int, list[WordSpan]]:
    """How many words a sentence has, and its entities."""
    spans: list[WordSpan] = []
    words = 0
    for size, label in draw(st.lists(st.tuples(st.integers(1, 3), st.one_of(st.none(), LABELS)), max_size=6)):
        if label:
            spans.append((words, words + size, label))
        words += size
    return words, spans


def written(words: int, spans: list[WordSpan], scheme: str) -> list[str]:
    tags = ["O"] * words
    for first, end, label in spans:
        inner = [f"I-{label}"] * (end - first)
        if scheme in ("bio", "bioes"):
            inner[0] = f"B-{label}"
        if scheme == "bioes":
            inner[-1] = f"{'S' if end - first == 1 else 'E'}-{label}"
        tags[first:end] = inner
    return tags


@given(sentences(), st.sampled_from(["bio", "bioes"]))
def test_what_is_written_is_read_back(sentence: tuple[int, list[WordSpan]], scheme: TagScheme) -> None:
    words, spans = sentence
    assert word_spans(written(words, spans, scheme), scheme) == spans


@given(sentences())
def test_bilou_is_bioes_by_other_names(sentence: tuple[int, list[WordSpan]]) -> None:
    words, spans = sentence
    names = {"E-": "L-", "S-": "U-"}
    tags = [names.get(tag[:2], tag[:2]) + tag[2:] for tag in written(words, spans, "bioes")]
    assert word_spans(tags, "bioes") == spans


def test_io_joins_neighbours_of_one_label() -> None:
    assert word_spans(["I-PER", "I-PER", "O", "I-LOC"], "io") == [(0, 2, "PER"), (3, 4, "LOC")]
    assert word_spans(["PER", "PER", "O", "LOC", "PER"], "io") == [(0, 2, "PER"), (3, 4, "LOC"), (4, 5, "PER")]


def test_iob1_begins_with_i_and_divides_neighbours_by_b() -> None:
    tags = ["I-PER", "I-PER", "B-PER", "O", "I-LOC", "I-PER"]
    assert word_spans(tags, "iob1") == [(0, 2, "PER"), (2, 3, "PER"), (4, 5, "LOC"), (5, 6, "PER")]


def test_parts_of_speech_are_a_label_for_each_word() -> None:
    assert word_spans(["DET", "NOUN", "NOUN"], "words") == [(0, 1, "DET"), (1, 2, "NOUN"), (2, 3, "NOUN")]


@pytest.mark.parametrize(
    ("tags", "scheme", "word", "problem"),
    [
        (["O", "I-PER"], "bio", 1, "I-PER after O"),
        (["I-PER"], "bio", 0, "I-PER after the beginning"),
        (["B-PER", "I-LOC"], "bio", 1, "I-LOC after B-PER"),
        (["B-PER", "E-PER"], "bio", 1, "E-PER, a prefix of BIOES,"),
        (["B-PER", "NOUN"], "bio", 1, "NOUN, which has no prefix such as B-,"),
        (["B-PER", "O"], "bioes", 1, "O after B-PER, whose entity has not ended,"),
        (["B-PER", "B-PER"], "bioes", 1, "B-PER after B-PER, whose entity has not ended,"),
        (["B-PER", "I-PER"], "bioes", 1, "I-PER at the end, where its entity has not ended,"),
        (["E-PER"], "bioes", 0, "E-PER after the beginning"),
        (["S-PER", "I-PER"], "bioes", 1, "I-PER after S-PER"),
    ],
)
def test_an_illegal_tag_is_named(tags: list[str], scheme: TagScheme, word: int, problem: str) -> None:
    with pytest.raises(TagError) as raised:
        word_spans(tags, scheme)
    assert (raised.value.word, raised.value.problem) == (word, problem)


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (["O", "B-PER", "I-PER"], "bio"),
        (["O", "S-PER"], "bioes"),
        (["O", "U-PER", "B-X", "L-X"], "bioes"),
        (["I-PER", "O"], "io"),
        (["PER", "O"], "io"),
        (["NOUN", "VERB"], "words"),
    ],
)
def test_the_scheme_is_told_from_the_tags(tags: list[str], scheme: str) -> None:
    assert detect_scheme([[tags]]) == scheme
