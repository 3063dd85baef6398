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
from sftkeras.data.checks.check import check
from sftkeras.data.checks.findings import Fault
from sftkeras.data.checks.repeats import find_repeats
from sftkeras.data.formats.sources import find_source
from sftkeras.data.formats.unlabelled import TextFiles
from sftkeras.data.labels.answers.kind import ANSWERS
from sftkeras.data.labels.answers.rows import spans_of_answers
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
    return load_file(str(path), DataConfig(**COLUMNS | settings), ANSWERS, ())


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
        quick_check(DataConfig(train=str(tmp_path / name), **COLUMNS), ANSWERS)


@given(st.text(min_size=1, max_size=30), st.data())
def test_an_answer_that_stands_where_it_says_is_found_there(context: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(context) - 1))
    end = data.draw(st.integers(start + 1, len(context)))
    answer = context[start:end]
    found = spans_of_answers([(answer, start)], context, "characters")
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
        ({"text": [" "], "answer_start": [3]}, "SFT280", "no text of an answer"),
        ({"text": ["Ann"], "answer_start": [0.5]}, "SFT280", "0.5 is no place of the answer"),
        ({"text": ["Ann"], "answer_start": [None]}, "SFT280", "no place of the answer"),
        ({"text": ["Ann"], "answer_start": [True]}, "SFT280", "no place of the answer"),
        (["Ann"], "SFT280", "is no answers"),
        (7, "SFT280", "is no answers"),
        ({"answer": ["Ann"], "answer_start": [0]}, "SFT280", "is no answers"),
        ([{"answer": "Ann", "answer_start": 0}], "SFT280", "is no answers"),
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
        quick_check(DataConfig(train=str(write_lines(tmp_path / "a.jsonl", rows)), **COLUMNS), ANSWERS)


def test_questions_without_a_single_answer_teach_nothing(tmp_path: Path) -> None:
    data = read(write_lines(tmp_path / "none.jsonl", [ROWS[2], {**ROWS[2], "question": "How?"}]))
    splits = {"train": data.splits["test"], "validation": data.splits["test"], "test": data.splits["test"]}
    found = check(data.examples, splits, find_repeats(data.examples.hashes))
    assert [one.code for one in found if one.severity == "error"] == ["SFT282"]
    assert data.examples.label_text(0) == "no answer"


def test_rows_keep_what_other_settings_name(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{**row, "part": number} for number, row in enumerate(ROWS)])
    config = DataConfig(**COLUMNS, where={"part": "1"})
    (block,) = ANSWERS.layout(find_source(str(path), "train"), config).blocks()
    assert block.columns["part"] == [0, 1, 2]
    assert spans(read(path, where={"part": "1"}).examples) == [[(15, 19)]]


def test_a_column_of_answers_that_is_named_is_that_column(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "flat.jsonl", [{"question": "Who?", "context": CONTEXT, "answer": "Ann", "start": 0}])
    assert spans(read(path).examples) == [[(0, 3)]]
    with pytest.raises(SFTError, match=r'SFT204.* no column "answers"'):
        quick_check(DataConfig(train=str(path), label="answers", **COLUMNS), ANSWERS)


# --- questions without an answer, and answers as tables have them ---

NOTHING: list[Any] = [
    {"text": [], "answer_start": []},
    {"text": [""], "answer_start": [0]},
    {"text": [""], "answer_start": [-1]},
    {"text": [None], "answer_start": [None]},
    {"text": "", "answer_start": -1},
    {"text": None, "answer_start": None},
    [{"text": "", "answer_start": 0, "answer_category": "NOT_GIVEN"}],
    [],
    None,
    "",
    float("nan"),
]


@pytest.mark.parametrize("answers", NOTHING)
@pytest.mark.parametrize("ending", [".jsonl", ".csv"])
def test_an_answer_without_a_text_is_none(tmp_path: Path, answers: Any, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    rows = [{**ROWS[1]}, {**ROWS[0], "answers": answers}]
    if ending == ".csv":
        write_table(path, [{**row, "answers": "" if row["answers"] is None else str(row["answers"])} for row in rows])
    else:
        write_lines(path, rows)
    data = read(path)
    assert spans(data.examples) == [[(15, 19)], []]
    assert data.findings == ()


def test_an_answer_without_a_text_is_none_in_squad_too(tmp_path: Path) -> None:
    path = tmp_path / "haystack.json"
    nothing = [{"text": "", "answer_start": 0, "answer_category": "NOT_GIVEN"}]
    questions = [
        {"question": "Why?", "is_impossible": True, "answers": nothing},
        {"question": "Where?", "is_impossible": False, "answers": [{"text": "Rome", "answer_start": 15}, *nothing]},
    ]
    path.write_text(json.dumps({"data": [{"paragraphs": [{"context": CONTEXT, "qas": questions}]}]}))
    data = read(path)
    assert spans(data.examples) == [[], [(15, 19)]]
    assert data.findings == ()


def write_table(path: Path, rows: list[Row]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.parametrize("column", ["start", "answer_start"])
@pytest.mark.parametrize("label", ["answer", "answers", "answer_text"])
def test_places_of_answers_may_have_a_column_and_gaps(tmp_path: Path, label: str, column: str) -> None:
    cells = [("Rome", "15.0"), ("", ""), ("Ann", "0"), ("nan", "nan"), (" ", "-1"), ("", "4.0"), ("Rome", "34")]
    rows = [
        {"question": f"{n}?", "context": CONTEXT, label: text, column: start} for n, (text, start) in enumerate(cells)
    ]
    expected = [[(15, 19)], [], [(0, 3)], [], [], [], [(34, 38)]]
    data = read(write_table(tmp_path / "a.csv", rows))
    assert spans(data.examples) == expected
    numbers = [{**row, column: float(row[column] or "nan"), label: row[label].strip() or None} for row in rows]
    assert spans(read(write_lines(tmp_path / "a.jsonl", numbers)).examples) == expected


@pytest.mark.parametrize(
    "cell",
    [
        "{'text': array(['Rome'], dtype=object), 'answer_start': array([15], dtype=int32)}",
        "{'text': ['Rome'], 'answer_start': [15.0]}",
        '{"text": ["Rome"], "answer_start": [15]}',
        '[{"text": "Rome", "answer_start": 15}]',
        "{'answer_start': 15, 'text': 'Rome'}",
    ],
)
def test_answers_are_read_out_of_the_cells_of_a_table(tmp_path: Path, cell: str) -> None:
    path = write_table(tmp_path / "a.csv", [{"question": "Where?", "context": CONTEXT, "answers": cell}])
    assert spans(read(path).examples) == [[(15, 19)]]


def test_lists_of_answers_and_of_their_places_may_be_columns(tmp_path: Path) -> None:
    row = {"question": "Where?", "context": CONTEXT, "answer": ["Rome", "Ann"], "answer_start": [15, 0]}
    expected = [[(15, 19), (0, 3)]]
    assert spans(read(write_lines(tmp_path / "a.jsonl", [row])).examples) == expected
    assert spans(read(write_table(tmp_path / "a.csv", [row])).examples) == expected


def test_an_answer_that_looks_like_a_list_is_a_text_where_its_place_stands_beside(tmp_path: Path) -> None:
    row = {"question": "Which?", "context": "see [1, 2] there", "answer": "[1, 2]", "start": 4}
    assert spans(read(write_table(tmp_path / "a.csv", [row])).examples) == [[(4, 10)]]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv"])
def test_a_question_marked_impossible_has_no_answer_and_that_is_reported(tmp_path: Path, name: str) -> None:
    marks = [(True, ["Ann"]), (False, ["Ann"]), (True, []), (True, ["Nobody"])]
    rows: list[Row] = [
        {"question": f"{n}?", "context": CONTEXT, "answers": {"text": texts, "answer_start": [0] * len(texts)},
         "is_impossible": mark}
        for n, (mark, texts) in enumerate(marks)
    ]  # fmt: skip
    path = tmp_path / name
    if name == "a.json":
        content = squad(rows)
        questions = [one for paragraph in content["data"][0]["paragraphs"] for one in paragraph["qas"]]
        for one, row in zip(questions, rows, strict=True):
            one["is_impossible"] = row["is_impossible"]
        path.write_text(json.dumps(content))
    elif name == "a.csv":
        write_table(path, rows)
    else:
        write_lines(path, rows)
    data = read(path)
    assert spans(data.examples) == [[], [(0, 3)], [], []]
    (found,) = data.findings
    assert (found.code, found.severity, found.count) == ("SFT283", "warning", 2)


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv"])
@pytest.mark.parametrize(("starts", "counting"), [((0, 16, 35), "UTF-16 code units"), ((0, 18, 37), "UTF-8 bytes")])
def test_places_of_answers_may_count_otherwise(
    tmp_path: Path, name: str, starts: tuple[int, ...], counting: str
) -> None:
    texts = ("Ann", "Rome", "Rome")
    rows: list[Row] = [
        {"question": f"{n}?", "context": CONTEXT, "answers": {"text": [text], "answer_start": [start]}}
        for n, (text, start) in enumerate(zip(texts, starts, strict=True))
    ]
    path = tmp_path / name
    if name == "a.json":
        path.write_text(json.dumps(squad(rows)))
    elif name == "a.csv":
        write_table(path, rows)
    else:
        write_lines(path, rows)
    data = read(path)
    assert spans(data.examples) == [[(0, 3)], [(15, 19)], [(34, 38)]]
    (found,) = data.findings
    assert (found.code, found.count) == ("SFT265", 3)
    assert f"count {counting} in this file" in found.message


def test_an_answer_that_fits_no_counting_of_its_file_is_refused(tmp_path: Path) -> None:
    places = [16, 35, 15]
    rows = [{**ROWS[1], "answers": {"text": ["Rome"], "answer_start": [place]}} for place in places]
    path = write_lines(tmp_path / "a.jsonl", rows)
    with pytest.raises(DataError, match=r'SFT281 .*line 3: the answer "Rome" does not stand at character 15'):
        read(path)


@pytest.mark.parametrize("orient", ["split", "table"])
def test_a_table_of_pandas_is_no_file_of_articles(tmp_path: Path, orient: str) -> None:
    cells = [[row[name] for name in ("question", "context", "answers")] for row in ROWS]
    table: Row = {"columns": ["question", "context", "answers"], "data": cells}
    if orient == "table":
        table = {"schema": {"fields": []}, "data": ROWS}
    (tmp_path / "a.json").write_text(json.dumps(table))
    assert spans(read(tmp_path / "a.json").examples) == SPANS


def test_the_questions_of_squad_can_be_asked_with_their_ids(tmp_path: Path) -> None:
    path = tmp_path / "test.json"
    path.write_text(json.dumps(squad(ROWS)))
    (texts,) = [found for found in TextFiles(str(path), DataConfig(**COLUMNS)).read() if found.texts]
    assert texts.texts == ["Who?", "Where?", "Why?"]
    assert texts.pairs == [CONTEXT] * 3
    assert texts.others == {"id": ["0", "1", "2"], "title": ["People"] * 3}
