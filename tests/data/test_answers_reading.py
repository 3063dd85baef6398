"""Every format of questions and answers comes to spans of the context that hold the answer, or says why it cannot."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftkeras.config import DataConfig
from sftkeras.data import DataError, Examples, LabelledData, load_file, quick_check
from sftkeras.data.answers import _spans, answered_blocks
from sftkeras.data.check import check
from sftkeras.data.findings import Fault
from sftkeras.data.repeats import find_repeats
from sftkeras.data.sources import find_source
from sftkeras.errors import SFTError

COLUMNS: dict[str, Any] = {"text": "question", "pair": "context"}
CONTEXT = "Ann 🎬 lives in Rome. Bob lives in Rome too."
Row = dict[str, Any]

ROWS: list[Row] = [
    {"question": "Who?", "context": CONTEXT, "answers": {"text": ["Ann", "Ann 🎬"], "answer_start": [0, 0]}},
    {"question": "Where?", "context": CONTEXT, "answers": {"text": ["Rome"], "answer_start": [15]}},
    {"question": "Why?", "context": CONTEXT, "answers": {"text": [], "answer_start": []}},
]
SPANS = [[(0, 3), (0, 5)], [(15, 19)], []]


def read(path: Path, **settings: Any) -> LabelledData:
    return load_file(str(path), DataConfig(**COLUMNS | settings), "answers", ())


def spans(examples: Examples) -> list[list[tuple[int, int]]]:
    return [[(start, end) for start, end, _ in row.tolist()] for row in examples.labels]


def write_lines(path: Path, rows: list[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def squad(rows: list[Row]) -> Row:
    questions = [
        {
            "id": str(number),
            "question": row["question"],
            "answers": [
                {"text": text, "answer_start": start}
                for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
            ],
            "is_impossible": not row["answers"]["text"],
        }
        for number, row in enumerate(rows)
    ]
    paragraphs = [{"context": CONTEXT, "qas": questions[:1]}, {"qas": questions[1:], "context": CONTEXT}]
    return {"version": "v2.0", "data": [{"title": "People", "paragraphs": paragraphs}, {"paragraphs": []}]}


@pytest.mark.parametrize("indent", [None, 2])
def test_squad_is_read_whether_on_one_line_or_on_many(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "train.json"
    path.write_text(json.dumps(squad(ROWS), indent=indent), encoding="utf-8")
    examples = read(path).examples
    assert spans(examples) == SPANS
    assert examples.texts([0, 1, 2]) == ["Who?", "Where?", "Why?"]
    assert examples.pairs([2]) == [CONTEXT]
    assert examples.places([0])[0][1] == (1 if indent is None else 4)  # where its article begins
    assert read(path, where={"title": "People"}).examples.labels is not None


def test_rows_are_read_in_every_flat_form(tmp_path: Path) -> None:
    flat = [
        {**row, "answers": None, "answer": (row["answers"]["text"] or [None])[0], "start": start}
        for row, start in zip(ROWS, (0, 15, None), strict=True)
    ]
    for row in flat:
        del row["answers"]
    listed = [{**ROWS[1], "answers": [{"text": "Rome", "start": 15}]}]
    assert spans(read(write_lines(tmp_path / "hub.jsonl", ROWS)).examples) == SPANS
    assert spans(read(write_lines(tmp_path / "flat.jsonl", flat)).examples) == [[(0, 3)], [(15, 19)], []]
    renamed = [
        {"question": row["question"], "context": CONTEXT, "a": row["answer"], "start": row["start"]} for row in flat
    ]
    assert spans(read(write_lines(tmp_path / "named.jsonl", renamed), label="a").examples)[1] == [(15, 19)]
    assert spans(read(write_lines(tmp_path / "listed.jsonl", listed)).examples) == [[(15, 19)]]
    with (tmp_path / "flat.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["question", "context", "answer", "start"])
        writer.writeheader()
        writer.writerows(flat)
    assert spans(read(tmp_path / "flat.csv").examples) == [[(0, 3)], [(15, 19)], []]
    for name in ("hub.jsonl", "flat.jsonl", "flat.csv"):
        quick_check(DataConfig(train=str(tmp_path / name), **COLUMNS), "answers")


@given(st.text(min_size=1, max_size=30), st.data())
def test_an_answer_that_stands_where_it_says_is_found_there(context: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(context) - 1))
    end = data.draw(st.integers(start + 1, len(context)))
    answer = context[start:end]
    found = _spans({"text": [answer], "answer_start": [start]}, None, context)
    if answer.strip():
        assert not isinstance(found, Fault)
        ((first, last, _),) = found
        assert context[first:last] == answer.strip()
        assert start <= first < last <= end
    else:
        assert isinstance(found, Fault)


@pytest.mark.parametrize(
    ("answers", "code", "words"),
    [
        ({"text": ["Bob"], "answer_start": [0]}, "SFT281", '"Ann".* It stands at 21 alone'),
        ({"text": ["Rome"], "answer_start": [16]}, "SFT281", "It stands in 2 places, the first 15"),
        ({"text": ["Paris"], "answer_start": [0]}, "SFT281", "It is nowhere in it"),
        ({"text": ["Ann"], "answer_start": [-44]}, "SFT281", "at character -44"),
        ({"text": ["Ann"], "answer_start": []}, "SFT280", "as many texts as places"),
        ({"text": [""], "answer_start": [0]}, "SFT280", "no text of an answer"),
        ({"text": ["Ann"], "answer_start": [None]}, "SFT280", "no place of the answer"),
        ({"text": ["Ann"], "answer_start": [True]}, "SFT280", "no place of the answer"),
        (["Ann"], "SFT280", "is no answers"),
        (7, "SFT280", "is no answers"),
    ],
)
def test_what_is_wrong_with_an_answer_is_told_by_line(tmp_path: Path, answers: Any, code: str, words: str) -> None:
    path = write_lines(tmp_path / "bad.jsonl", [*ROWS, {**ROWS[0], "answers": answers}])
    with pytest.raises(DataError, match=words) as caught:
        read(path)
    assert caught.value.code == code
    assert "bad.jsonl line 4" in str(caught.value)
    assert spans(read(path, bad_rows="skip").examples) == SPANS


@pytest.mark.parametrize(
    "article", [3, {"paragraphs": 3}, {"paragraphs": [{"qas": 3}]}, {"paragraphs": [{"context": "x", "qas": [3]}]}]
)
def test_squad_of_another_shape_is_refused(tmp_path: Path, article: Any) -> None:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({"data": [*squad(ROWS)["data"], article]}))
    with pytest.raises(DataError, match="SFT280"):
        read(path)
    assert spans(read(path, bad_rows="skip").examples) == SPANS


def test_squad_that_breaks_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "half.json"
    path.write_text(json.dumps(squad(ROWS))[:-30])
    with pytest.raises(SFTError, match="SFT210"):
        read(path)
    path.write_text('{"data": []}')
    with pytest.raises(SFTError, match="SFT203"):
        read(path)


def test_a_missing_column_is_told_at_once(tmp_path: Path) -> None:
    rows = [{"question": "Who?", "answers": None}]
    with pytest.raises(SFTError, match=r'SFT204.*"context"'):
        quick_check(DataConfig(train=str(write_lines(tmp_path / "a.jsonl", rows)), **COLUMNS), "answers")


def test_questions_without_a_single_answer_teach_nothing(tmp_path: Path) -> None:
    data = read(write_lines(tmp_path / "none.jsonl", [ROWS[2], {**ROWS[2], "question": "How?"}]))
    splits = {"train": data.splits["test"], "validation": data.splits["test"], "test": data.splits["test"]}
    found = check(data.examples, splits, find_repeats(data.examples.hashes))
    assert [one.code for one in found if one.severity == "error"] == ["SFT282"]
    assert data.examples.label_text(0) == "no answer"


def test_rows_keep_what_other_settings_name(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{**row, "part": number} for number, row in enumerate(ROWS)])
    config = DataConfig(**COLUMNS, where={"part": "1"})
    (block,) = answered_blocks(find_source(str(path), "train"), config)
    assert block.columns["part"] == [0, 1, 2]
    assert spans(read(path, where={"part": "1"}).examples) == [[(15, 19)]]


def test_a_column_of_answers_that_is_named_is_that_column(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "flat.jsonl", [{"question": "Who?", "context": CONTEXT, "answer": "Ann", "start": 0}])
    assert spans(read(path).examples) == [[(0, 3)]]
    with pytest.raises(SFTError, match=r'SFT204.* no column "answers"'):
        quick_check(DataConfig(train=str(path), label="answers", **COLUMNS), "answers")
