"""Texts without labels: rows that need no label column, and text files of a text a line."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sftkeras.config import DataConfig
from sftkeras.data import LabelledData, describe, load_data, load_file, print_findings, quick_check
from sftkeras.data.labels.classes.kind import ONE_LABEL
from sftkeras.data.labels.no_labels import NO_LABELS
from sftkeras.errors import SFTError

Put = Callable[[str, str | bytes], str]

LINES = [f"text number {number}" for number in range(20)]


def load(path: str, **settings: object) -> LabelledData:
    return load_data(DataConfig(train=path, **settings), NO_LABELS, seed=3)  # type: ignore[arg-type]


def texts_of(data: LabelledData) -> list[str]:
    return data.examples.texts(range(len(data.examples)))


def test_a_text_file_has_a_text_a_line_and_blank_lines_between(put: Put) -> None:
    path = put("a.txt", "\ufeffone\r\n\n  two \n \t\n" + "\n".join(LINES))
    data = load(path)
    assert texts_of(data) == ["one", "  two ", *LINES]
    assert [line for _, line in data.examples.places([0, 1, 2])] == [1, 3, 5]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_no_label_column_is_needed_or_looked_at(put: Put, ending: str) -> None:
    rows = {
        "csv": "\n".join(["text,label", *(f"{line}," for line in LINES)]),
        "jsonl": "\n".join(f'{{"text": "{line}"}}' for line in LINES),
    }
    path = put(f"a.{ending}", rows[ending])
    quick_check(DataConfig(train=path), NO_LABELS)
    data = load(path)
    assert texts_of(data) == LINES
    np.testing.assert_array_equal(data.examples.labels[:], np.zeros(20, np.int32))
    assert data.label_names == ()
    assert sum(map(len, data.splits.values())) == 20
    assert all(len(rows) for rows in data.splits.values())


def test_rows_are_chosen_by_other_columns_and_may_have_second_texts(put: Put) -> None:
    rows = [f"{line},other {line},{'ab'[number % 2]}" for number, line in enumerate(LINES)]
    data = load(put("a.csv", "\n".join(["text,pair,part", *rows])), pair="pair", where={"part": "a"})
    assert texts_of(data) == LINES[::2]
    assert data.examples.pairs([0]) == ["other text number 0"]


def test_equal_texts_stay_together_and_are_told(put: Put) -> None:
    data = load(put("a.txt", "\n".join([*LINES, LINES[0]])))
    (found,) = data.findings
    assert (found.code, found.count) == ("SFT221", 1)
    assert "repeat the text of an earlier row" in str(found)
    part = {row: name for name, rows in data.splits.items() for row in rows.tolist()}
    assert part[0] == part[20]


def test_a_file_to_be_judged_on_needs_no_labels_either(put: Put) -> None:
    data = load_file(put("a.txt", "\n".join(LINES)), DataConfig(), NO_LABELS, ())
    assert len(data.splits["test"]) == 20
    assert data.findings == ()


def test_a_broken_byte_is_named_with_its_line(put: Put) -> None:
    path = put("a.txt", b"one\ntwo \xff\n" + "\n".join(LINES).encode())
    with pytest.raises(SFTError, match="SFT207") as raised:
        load(path)
    assert "line 2" in str(raised.value)
    assert texts_of(load(path, bad_rows="skip")) == ["one", *LINES]


@pytest.mark.parametrize("setting", ["pair", "weight", "where"])
def test_a_text_file_has_no_columns(put: Put, setting: str) -> None:
    value = {"other": "x"} if setting == "where" else "other"
    config = DataConfig(train=put("a.txt", "\n".join(LINES)), **{setting: value})  # type: ignore[arg-type]
    with pytest.raises(SFTError, match=f"SFT295.*--data.{setting}"):
        quick_check(config, NO_LABELS)


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_file_without_a_text_is_refused(put: Put, content: str) -> None:
    with pytest.raises(SFTError, match="SFT202"):
        quick_check(DataConfig(train=put("a.txt", content)), NO_LABELS)


def test_a_text_file_holds_no_labels_for_other_tasks(put: Put) -> None:
    with pytest.raises(SFTError, match="SFT269"):
        quick_check(DataConfig(train=put("a.txt", "\n".join(LINES))), ONE_LABEL)


def test_what_is_shown_says_nothing_of_labels(put: Put) -> None:
    data = load(put("a.txt", "\n".join(LINES)))
    console = Console(file=StringIO(), width=100)
    print_findings(data.findings, console, label_kind=NO_LABELS)
    console.print(describe(data))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "label" not in shown
    assert "every row has a text" in shown
    assert "16" in shown


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n")), max_size=30))
def test_all_lines_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    from sftkeras.data.formats.read import read_blocks
    from sftkeras.data.formats.sources import find_source

    lines = ["first", *lines]
    path = tmp_path_factory.mktemp("lines") / "a.txt"
    path.write_text("\n".join(lines), encoding="utf-8", newline="")
    source = find_source(str(path), "train")
    blocks = list(read_blocks(source, {"text": "--data.text"}, DataConfig()))
    found = [(text, line) for block in blocks for text, line in zip(block.columns["text"], block.lines, strict=True)]
    assert found == [(text, number) for number, text in enumerate(lines, start=1) if text.strip()]
