"""Tables as people have them: without a header, from Excel, of pandas, with an ending that says nothing."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from sftkeras.config import DataConfig, TrainConfig
from sftkeras.data import load_data, quick_check
from sftkeras.data.formats import read_json
from sftkeras.data.formats.read import column_names, read_blocks, wanted_columns
from sftkeras.data.formats.sources import find_part, find_source
from sftkeras.data.labels.answers.kind import ANSWERS
from sftkeras.data.labels.classes.kind import ONE_LABEL
from sftkeras.data.labels.numbers.kind import NUMBERS
from sftkeras.errors import SFTError

Put = Callable[[str, str | bytes], str]
Row = tuple[object, object, int]


def rows_of(path: str, **settings: Any) -> list[Row]:
    config = DataConfig(train=path, **settings)
    rows: list[Row] = []
    (source,) = find_part(path, "train", config.format)
    for block in read_blocks(source, wanted_columns(config), config):
        rows += list(zip(block.columns["text"], block.columns["label"], block.lines, strict=True))
    return rows


def refusal(path: str, **settings: Any) -> str:
    with pytest.raises(SFTError) as raised:
        rows_of(path, **settings)
    return str(raised.value)


# --- no header ---

MESSAGES = [("ham", "see you at the station then"), ("spam", "you have won a prize"), ("ham", "I am late again, sorry")]
NAMED = [(text, label, line) for line, (label, text) in enumerate(MESSAGES, start=1)]


def table(delimiter: str, rows: Sequence[Sequence[str]] = MESSAGES) -> str:
    return "".join(delimiter.join(f'"{cell}"' if delimiter in cell else cell for cell in row) + "\n" for row in rows)


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.tsv", "\t"), ("a.tab", "\t")])
def test_a_table_without_a_header_is_recognised_and_the_advice_reads_it(put: Put, name: str, delimiter: str) -> None:
    path = put(name, table(delimiter))
    message = refusal(path)
    assert message.startswith("SFT289")
    assert f'{name} line 1 looks like a row of data, not like names of columns: "ham", "see you' in message
    assert message.endswith("--data.columns label,text")
    assert rows_of(path, columns=["label", "text"]) == NAMED


def test_the_command_line_takes_names_of_columns_as_the_message_writes_them() -> None:
    from sftkeras.command_line import commands

    assert commands.parse(TrainConfig, ["--data.columns", "label,text"]).data.columns == ["label", "text"]


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        ([("0", "1467810369", "user one", "is so tired of this rain"), ("0", "14", "x", "a good day")], "column2"),
        ([("这部电影的剧情非常好看啊真的", "好"), ("很无聊", "坏"), ("不错", "好")], "text,label"),
        ([("good film", "1"), ("bad film", "0"), ("fine film", "1")], "text,label"),
    ],
)
def test_rows_of_many_kinds_are_no_header(put: Put, rows: list[tuple[str, ...]], names: str) -> None:
    message = refusal(put("a.csv", table(",", rows)))
    assert message.startswith("SFT289")
    assert names in message.rpartition("--data.columns")[2]


@pytest.mark.parametrize("header", ["review,rating", "0,1", ",review", "id,text of the review", "Text,Label"])
def test_names_of_other_columns_are_a_header(put: Put, header: str) -> None:
    rows = [("1", "a good film"), ("2", "a bad film"), ("3", "a good plot")]
    assert refusal(put("a.csv", header + "\n" + table(",", rows))).startswith("SFT204")


def test_a_table_without_header_and_with_another_delimiter_gets_both_flags(put: Put) -> None:
    path = put("a.csv", "ham\tyes, I will be late, sorry\nspam\tyou have won, call now\nham\twhat is that, then\n")
    message = refusal(path)
    assert message.endswith("--data.delimiter tab --data.columns label,text")
    assert rows_of(path, delimiter="tab", columns=["label", "text"])[1] == ("you have won, call now", "spam", 2)


def test_named_columns_must_be_as_many_as_the_first_row_has(put: Put) -> None:
    assert "the number of names, 3, is not that of the cells" in refusal(
        put("a.csv", table(",")), columns=["id", "label", "text"]
    )


def test_a_file_with_a_header_keeps_it_where_others_have_none(put: Put) -> None:
    path = put("a.csv", "label,text\n" + table(","))
    assert rows_of(path, columns=["label", "text"]) == [(text, label, line + 1) for text, label, line in NAMED]


def test_named_columns_decide_what_the_cache_holds(put: Put) -> None:
    path = put("a.csv", "".join(f"{row},{row + 100}\n" for row in range(20)))
    texts = [
        load_data(DataConfig(train=path, columns=names, split=[0.4, 0.3, 0.3]), NUMBERS, 0).examples.texts([0])
        for names in (["text", "label"], ["label", "text"])
    ]
    assert texts == [["0"], ["100"]]


# --- endings that say nothing ---


def test_a_file_without_an_ending_is_read_as_the_message_says(put: Put) -> None:
    path = put("SMSSpamCollection", table("\t"))
    message = refusal(path)
    assert message.startswith("SFT212")
    assert message.endswith("name the format with --data.format tsv")
    assert rows_of(path, format="tsv", columns=["label", "text"]) == NAMED


@pytest.mark.parametrize(
    ("content", "form"),
    [
        ('{"text": "a", "label": "b"}\n', "jsonl"),
        ('[{"text": "a", "label": "b"}]', "json"),
        ("text,label\na,b\n", "csv"),
    ],
)
def test_the_content_of_an_unknown_file_tells_its_format(put: Put, content: str, form: str) -> None:
    path = put("part-00000", content)
    assert refusal(path).endswith(f"--data.format {form}")
    assert [row[:2] for row in rows_of(path, format=form)] == [("a", "b")]


def test_a_format_that_is_set_goes_before_the_ending(put: Put, tmp_path: Path) -> None:
    path = put("train.txt", "text\tlabel\na\tb\n")
    assert "--data.format tsv" in refusal(path)
    assert rows_of(path, format="tsv") == [("a", "b", 2)]
    put("train.data", "")
    assert [source.format for source in find_part(str(tmp_path), "train", "tsv")] == ["tsv", "tsv"]


@pytest.mark.parametrize("name", ["a.xls", "a.ods"])
def test_other_workbooks_are_to_be_saved_as_what_is_read(put: Put, name: str) -> None:
    assert refusal(put(name, b"\xd0\xcf\x11\xe0")).endswith("Save it as .xlsx or .csv.")


# --- Excel ---


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("note", ["sep=;", '"sep=;"', "SEP=;"])
def test_the_first_line_of_excel_names_the_delimiter(put: Put, mark: str, note: str) -> None:
    path = put("a.csv", f"{mark}{note}\r\ntext;label\r\na;b\r\n")
    assert rows_of(path) == [("a", "b", 3)]
    (source,) = find_part(path, "train")
    assert column_names(source, DataConfig()) == ["text", "label"]


def test_a_delimiter_that_is_set_goes_before_that_of_excel(put: Put) -> None:
    assert rows_of(put("a.csv", "sep=;\ntext,label\na;b,c\n"), delimiter=",") == [("a;b", "c", 3)]


@pytest.fixture
def put_sheet(tmp_path: Path) -> Callable[..., str]:
    def write(rows: Sequence[Sequence[object]], *others: str) -> str:
        book = openpyxl.Workbook()
        assert book.active is not None
        for row in rows:
            book.active.append(row)
        for title in others:
            book.create_sheet(title).append(["nothing"])
        book.save(tmp_path / "a.xlsx")
        return str(tmp_path / "a.xlsx")

    return write


def test_the_first_sheet_of_a_workbook_is_read_as_shown(put_sheet: Callable[..., str]) -> None:
    day = datetime.datetime(2026, 3, 1)
    rows = [
        ("id", "text", "label"),
        (1, "good", True),
        (2, 7, 0.1 + 0.2),
        (),
        (3, day, 2.0),
        (4, day.replace(hour=9), "#N/A"),
    ]
    assert rows_of(put_sheet(rows, "notes")) == [
        ("good", "TRUE", 2),
        ("7", "0.3", 3),
        ("2026-03-01", "2", 5),
        ("2026-03-01 09:00:00", "", 6),
    ]


def test_places_in_workbooks_are_rows(put_sheet: Callable[..., str]) -> None:
    path = put_sheet([("text", "label"), ("good", "x"), ("bad", None), ("ugly", "y", "too much")])
    with pytest.raises(SFTError, match=r"SFT206  .*a\.xlsx row 4: 3 cells.*Also found: SFT217"):
        load_data(DataConfig(train=path), ONE_LABEL, 0)


def test_a_sheet_without_header_or_with_empty_cells_is_read(put_sheet: Callable[..., str]) -> None:
    path = put_sheet(
        [("spam", "you have won a prize", None), ("ham", "see you there then", "x"), ("ham", "fine", None)]
    )
    assert refusal(path).startswith("SFT289")
    assert rows_of(path, columns=["label", "text", "note"])[0] == ("you have won a prize", "spam", 1)


def test_a_large_sheet_comes_in_blocks(put_sheet: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sftkeras.data.formats.read_excel.BLOCK_ROWS", 3)
    path = put_sheet([("text", "label"), *((f"t{row}", row) for row in range(30))])
    assert [line for _, _, line in rows_of(path)] == list(range(2, 32))


def test_a_broken_or_empty_workbook_is_refused(put: Put, put_sheet: Callable[..., str]) -> None:
    assert refusal(put("b.xlsx", "not at all")).startswith("SFT292")
    whole = Path(put_sheet([("text", "label"), ("a", "b")])).read_bytes()
    assert refusal(put("b.xlsx", whole[: len(whole) // 2])).startswith("SFT292")
    assert refusal(put("b.xlsx", "")).startswith("SFT202")
    assert refusal(put_sheet([])).startswith("SFT202")
    assert refusal(put_sheet([("text", "label")])).startswith("SFT203")
    with pytest.raises(SFTError, match="SFT204"):
        quick_check(DataConfig(train=put_sheet([("sentence", "label"), ("a", "b")])), ONE_LABEL)


# --- pandas ---

TEXTS, LABELS = ["good", "bad", "ugly"], ["x", "y", None]
DIGITS = ["0", "1", "7"]
RECORDS = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)]
ORIENTATIONS: dict[str, Any] = {
    "columns": {"text": dict(zip(DIGITS, TEXTS, strict=True)), "label": dict(zip(DIGITS, LABELS, strict=True))},
    "index": dict(zip(DIGITS, RECORDS, strict=True)),
    "split": {"columns": ["text", "label"], "index": [0, 1, 7], "data": [list(row.values()) for row in RECORDS]},
    "tight": {"index": [0, 1, 7], "columns": ["text", "label"], "data": [list(row.values()) for row in RECORDS]},
    "records": RECORDS,
    "table": {"schema": {"fields": []}, "data": [{"index": 0, **row} for row in RECORDS]},
    "data": {"version": 1, "data": RECORDS},
}


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_table_of_pandas_is_read_in_every_orientation_that_has_names(
    put: Put, orientation: str, indent: int | None
) -> None:
    path = put("a.json", json.dumps(ORIENTATIONS[orientation], indent=indent))
    assert [row[:2] for row in rows_of(path)] == list(zip(TEXTS, LABELS, strict=True))
    (source,) = find_part(path, "train")
    assert {"text", "label"} <= set(column_names(source, DataConfig()) or ())


def test_an_index_of_names_is_told_by_the_column_of_texts(put: Put) -> None:
    for shape in ({"text": {"a": "t", "b": "u"}, "label": {"a": "x", "b": "y"}},
                  {"a": {"text": "t", "label": "x"}, "b": {"text": "u", "label": "y"}}):  # fmt: skip
        assert [row[:2] for row in rows_of(put("a.json", json.dumps(shape)))] == [("t", "x"), ("u", "y")]


def test_rows_without_names_say_how_pandas_writes_them(put: Put) -> None:
    message = refusal(put("a.json", '[["good", "x"], ["bad", "y"]]'))
    assert message.startswith("SFT294")
    assert 'to_json(PATH, orient="records", lines=True)' in message


def test_an_object_too_large_to_look_at_says_how_pandas_writes_it(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_json, "LONGEST_CELL", 1000)
    monkeypatch.setattr(read_json, "_CHUNK", 100)
    path = put("a.json", json.dumps({"text": {str(row): "good" for row in range(500)}, "label": {}}))
    assert refusal(path).startswith("SFT294")


def test_objects_that_are_no_tables_are_rows_as_before(put: Put) -> None:
    assert rows_of(put("a.json", '{"text": "a", "label": "b"}')) == [("a", "b", 1)]
    assert rows_of(put("a.json", '{"text": "a", "label": "b"}\n{"text": "c", "label": "d"}')) == [
        ("a", "b", 1),
        ("c", "d", 2),
    ]
    assert refusal(put("a.json", '{"train": [1], "test": [2]}')).startswith("SFT204")


def test_questions_in_a_table_of_pandas_are_no_squad_file(put: Put) -> None:
    row = {"question": "who?", "context": "Ann came", "answers": {"text": ["Ann"], "answer_start": [0]}}
    path = put("a.json", json.dumps({"schema": {}, "data": [{"index": 0, **row}]}))
    config = DataConfig(train=path, text="question", pair="context")
    (block,) = ANSWERS.layout(find_source(path, "train"), config).blocks()
    assert block.columns["question"] == ["who?"]
    assert not block.broken
