"""Spans that stand in columns of their own become markers in the text; what fits no text is named by its line."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftkeras.config import DataConfig
from sftkeras.data import DataError, load_data, quick_check
from sftkeras.data.checks.findings import Fault
from sftkeras.data.formats.blocks import Block
from sftkeras.data.formats.marking import marked_blocks
from sftkeras.data.formats.unlabelled import TextFiles
from sftkeras.data.labels.classes.kind import ONE_LABEL
from sftkeras.data.labels.spans.kind import ENTITIES
from sftkeras.errors import SFTError

CONFIG = DataConfig(mark=["head", "tail"])


def marked(text: Any, head: Any, tail: Any) -> str | Fault:
    """What becomes of one row."""
    block = Block({"text": [text], "head": [head], "tail": [tail]}, [7])
    (result,) = marked_blocks(lambda: iter([block]), CONFIG)
    if result.broken:
        (fault, line), *_ = result.broken
        assert (line, result.lines, result.columns["text"]) == (7, [], [])
        return fault
    return result.columns["text"][0]


@pytest.mark.parametrize(
    ("head", "tail", "expected"),
    [
        ([0, 3], [8, 11], "[head]Ann[/head] met [tail]Bob[/tail]"),
        ([0.0, 3.0], "['8', '11']", "[head]Ann[/head] met [tail]Bob[/tail]"),
        ([8, 11], [0, 3], "[tail]Ann[/tail] met [head]Bob[/head]"),
        ({"start": 0, "end": 3}, {"start": 8, "end": 11, "label": "PER"}, "[head]Ann[/head] met [tail]Bob[/tail]"),
        ("[0, 3]", '{"start": 8, "end": 11}', "[head]Ann[/head] met [tail]Bob[/tail]"),
        ([0, 3], [3, 4], "[head]Ann[/head][tail] [/tail]met Bob"),
        ([0, 11], [4, 7], "[head]Ann [tail]met[/tail] Bob[/head]"),
        ([4, 7], [0, 11], "[tail]Ann [head]met[/head] Bob[/tail]"),
        ([0, 3], [0, 7], "[tail][head]Ann[/head] met[/tail] Bob"),
        ([0, 3], [0, 3], "[head][tail]Ann[/tail][/head] met Bob"),
    ],
)
def test_spans_stand_between_their_markers(head: Any, tail: Any, expected: str) -> None:
    assert marked("Ann met Bob", head, tail) == expected


def test_places_count_characters() -> None:
    assert marked("👩‍🔬 é 北京人", [0, 3], [6, 8]) == "[head]👩‍🔬[/head] é [tail]北京[/tail]人"


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        (None, "null in column head is no span"),
        ("Ann", '"Ann" in column head is no span'),
        ([0], "[0] in column head is no span"),
        ([0, True], "[0, true] in column head is no span"),
        ({"start": 0}, '{"start": 0} in column head is no span'),
        ([0, 12], "head from 0 to 12 is outside of its 11 characters"),
        ([-1, 3], "head from -1 to 3 is outside of its 11 characters"),
        ([3, 3], "head from 3 to 3 is outside of its 11 characters"),
        ([5, 9], "head and tail overlap, and neither lies within the other"),
    ],
)
def test_a_span_that_fits_no_text_is_a_fault(head: Any, problem: str) -> None:
    assert marked("Ann met Bob", head, [8, 11]) == Fault("SFT258", {"problem": problem})


def test_a_text_that_has_a_marker_already_is_a_fault() -> None:
    found = marked("Ann [/tail] met Bob", [0, 3], [8, 11])
    assert found == Fault("SFT258", {"problem": 'the text has the marker "[/tail]" already'})


SPAN = st.tuples(st.integers(-2, 12), st.integers(-2, 12)).map(list)


@settings(max_examples=300)
@given(st.text(st.characters(blacklist_characters="[]"), max_size=10), SPAN, SPAN)
def test_without_the_markers_it_is_the_text_as_it_was(text: str, head: list[int], tail: list[int]) -> None:
    found = marked(text, head, tail)
    if isinstance(found, Fault):
        fits = all(0 <= start < end <= len(text) for start, end in (head, tail))
        assert not fits or "overlap" in found.details["problem"]
        return
    plain = found
    for marker in ("[head]", "[/head]", "[tail]", "[/tail]"):
        assert plain.count(marker) == 1
        plain = plain.replace(marker, "")
    assert plain == text
    inside = found.split("[head]")[1].split("[/head]")[0].replace("[tail]", "").replace("[/tail]", "")
    assert inside == text[slice(*head)]


# --- files ---

ROWS = [
    {"text": f"Ann met {name}", "head": [0, 3], "tail": [8, 8 + len(name)], "label": ("friend", "foe")[number % 2]}
    for number, name in enumerate(["Bob", "Carl", "Dora", "Emil", "Fritz", "Gus", "Hans", "Ida", "Jo", "Kim"] * 3)
]


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows({**row, "head": json.dumps(row["head"]), "tail": json.dumps(row["tail"])} for row in rows)
    return str(path)


@pytest.mark.parametrize("ending", [".jsonl", ".csv"])
def test_the_texts_of_a_file_are_marked(ending: str, tmp_path: Path) -> None:
    file = write(tmp_path / f"relations{ending}", ROWS)
    config = DataConfig(train=file, mark=["head", "tail"])
    quick_check(config, ONE_LABEL)
    data = load_data(config, ONE_LABEL, 3)
    assert data.examples.texts([0, 1]) == [
        "[head]Ann[/head] met [tail]Bob[/tail]",
        "[head]Ann[/head] met [tail]Carl[/tail]",
    ]
    assert data.label_names == ("foe", "friend")
    (block,) = TextFiles(file, config).read()
    assert block.texts[1] == "[head]Ann[/head] met [tail]Carl[/tail]"


def test_a_row_at_fault_is_named_by_its_line(tmp_path: Path) -> None:
    rows = [*ROWS[:4], {**ROWS[4], "tail": [8, 99]}, *ROWS[5:]]
    file = write(tmp_path / "relations.jsonl", rows)
    with pytest.raises(DataError, match=r"SFT258  .*relations.jsonl line 5: tail from 8 to 99 is outside"):
        load_data(DataConfig(train=file, mark=["head", "tail"]), ONE_LABEL, 3)
    kept = load_data(DataConfig(train=file, mark=["head", "tail"], bad_rows="skip"), ONE_LABEL, 3)
    assert len(kept.examples) == len(ROWS) - 1
    with pytest.raises(SFTError, match=r"SFT258.*line 5"):
        list(TextFiles(file, DataConfig(mark=["head", "tail"])).read())


def test_a_missing_column_is_told_before_anything_is_read(tmp_path: Path) -> None:
    file = write(tmp_path / "relations.csv", ROWS)
    with pytest.raises(SFTError, match=r'SFT204.*no column "heads" \(--data.mark\).*Did you mean "head"'):
        quick_check(DataConfig(train=file, mark=["heads"]), ONE_LABEL)


@pytest.mark.parametrize("mark", [["head", "head"], [""], [" head"], ["he\nad"]])
def test_columns_that_make_no_markers_are_refused(mark: list[str], tmp_path: Path) -> None:
    with pytest.raises(SFTError, match="SFT259"):
        quick_check(DataConfig(train=write(tmp_path / "relations.csv", ROWS), mark=mark), ONE_LABEL)


def test_tasks_whose_labels_are_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SFTError, match="SFT259"):
        quick_check(DataConfig(train=write(tmp_path / "relations.csv", ROWS), mark=["head"]), ENTITIES)


@pytest.mark.parametrize("ending", [".jsonl", ".csv"])
def test_spans_that_say_what_they_hold_may_count_utf_16(ending: str, tmp_path: Path) -> None:
    text = "😀 Ann met Bob"
    head, tail = {"start": 3, "end": 6, "text": "Ann"}, {"start": 11, "end": 14, "text": "Bob"}
    file = write(
        tmp_path / f"relations{ending}", [{"text": text, "head": head, "tail": tail, "label": "friend"}, *ROWS]
    )
    config = DataConfig(train=file, mark=["head", "tail"])
    data = load_data(config, ONE_LABEL, 3)
    assert data.examples.texts([0]) == ["😀 [head]Ann[/head] met [tail]Bob[/tail]"]
    assert [found.count for found in data.findings if found.code == "SFT265"] == [1]
    (block,) = TextFiles(file, config).read()
    assert block.texts[:1] == ["😀 [head]Ann[/head] met [tail]Bob[/tail]"]


def test_a_span_that_holds_other_words_than_it_says_is_a_fault() -> None:
    found = marked("Ann met Bob", {"start": 0, "end": 3, "text": "Bob"}, [8, 11])
    assert found == Fault("SFT258", {"problem": 'head from 0 to 3 is not "Bob", as the file says'})
