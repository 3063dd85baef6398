"""Whatever the cells of a file hold, a row is read or named as faulty: nothing ends in a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sftkeras.config import DataConfig
from sftkeras.data.formats.blocks import Block
from sftkeras.data.formats.marking import marked_blocks
from sftkeras.data.formats.read import read_blocks, wanted_columns
from sftkeras.data.formats.sources import find_source
from sftkeras.data.labels.answers.kind import ANSWERS
from sftkeras.data.labels.spans.kind import ENTITIES
from sftkeras.errors import SFTError

KEYS = ["start", "end", "label", "labels", "text", "answer_start", "globalOffsets", "value", "result", "start_offset"]
WORDS = ["", "a", "😀 b", "0", "O", "B-X", "I-X", "M-X", "[1]", "{'a'", "nan", "['a' 'b']"]
CELLS = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)
LINES = [
    "# O",
    "#x B-X",
    "a B-X",
    "a\tB-X",
    "b I-X",
    "",
    "# a = b",
    "1\ta\ta\tN\t_\t_\t0\tr\t_\t_",
    "1-2\tab",
    "x",
    "5 5",
]

FEW = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def rows_of(*columns: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(st.dictionaries(st.sampled_from(columns), CELLS, min_size=1), min_size=1, max_size=3)


def spans_inside(read: Callable[[], Iterator[Block]], text: str, label: str) -> None:
    """Reads all blocks; spans must lie in their text, and what is refused must have a code."""
    try:
        for block in read():
            for cell, spans in zip(block.columns[text], block.columns[label], strict=True):
                assert all(0 <= start < end <= len(cell) for start, end, _ in spans)
    except SFTError:
        pass


@FEW
@given(
    rows=rows_of("text", "tokens", "label", "entities", "spans", "tags", "data", "annotations", "_input_hash", "answer")
)
def test_any_rows_of_entities_are_read_or_refused(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    spans_inside(lambda: ENTITIES.layout(find_source(str(path), "train"), DataConfig()).blocks(), "text", "label")


@FEW
@given(rows=rows_of("question", "context", "answers", "answer", "start", "answer_start", "is_impossible"))
def test_any_rows_of_answers_are_read_or_refused(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    config = DataConfig(text="question", pair="context", label="answers")
    spans_inside(lambda: ANSWERS.layout(find_source(str(path), "train"), config).blocks(), "context", "answers")


@FEW
@given(rows=rows_of("text", "label", "head"))
def test_any_rows_of_marks_are_read_or_refused(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    config = DataConfig(mark=["head"])
    source = find_source(str(path), "train")
    try:
        for block in marked_blocks(lambda: read_blocks(source, wanted_columns(config), config), config):
            assert all("[head]" in text for text in block.columns["text"] if isinstance(text, str))
    except SFTError:
        pass


@FEW
@given(lines=st.lists(st.sampled_from(LINES), max_size=12))
@pytest.mark.parametrize("scheme", ["auto", "bio"])
def test_any_lines_of_words_are_read_or_refused(tmp_path: Path, scheme: Any, lines: list[str]) -> None:
    path = tmp_path / "a.conll"
    path.write_text("\n".join(lines))
    config = DataConfig(tag_scheme=scheme)
    spans_inside(lambda: ENTITIES.layout(find_source(str(path), "train"), config).blocks(), "text", "label")
