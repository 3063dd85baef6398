"""Every form of conversations comes to the same messages, or says why it cannot, with file and line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from sftkeras.config import DataConfig
from sftkeras.conversations import Conversation
from sftkeras.data import DataError, LabelledData, describe, load_file, quick_check
from sftkeras.data.formats.in_memory import with_rows_as_files
from sftkeras.data.labels.conversations.kind import CONVERSATIONS
from sftkeras.errors import SFTError

Row = dict[str, Any]

MESSAGES: list[Row] = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello 🎬"},
]
SHARED: list[Row] = [
    {"from": "system", "value": "Be kind."},
    {"from": "human", "value": "Hi"},
    {"from": "gpt", "value": "Hello 🎬"},
]
FORMS: dict[str, Row] = {
    "messages": {"messages": MESSAGES},
    "ShareGPT": {"conversations": SHARED},
    "ShareGPT with its system prompt beside": {"conversations": SHARED[1:], "system": "Be kind."},
    "Alpaca": {"instruction": "Hi", "input": "", "output": "Hello 🎬", "system": "Be kind.", "history": []},
    "prompt and completion": {"system": "Be kind.", "prompt": "Hi", "completion": "Hello 🎬"},
    "lists of both": {"prompt": MESSAGES[:2], "completion": MESSAGES[2:]},
    "two columns": {"system": "Be kind.", "question": "Hi", "answer": "Hello 🎬"},
}


def write_jsonl(path: Path, rows: list[Row]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_json(path: Path, rows: list[Row]) -> None:
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def write_csv(path: Path, rows: list[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(
            {name: json.dumps(cell) if isinstance(cell, list) else cell for name, cell in row.items()} for row in rows
        )


def write_parquet(path: Path, rows: list[Row]) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path)


WRITERS: dict[str, Callable[[Path, list[Row]], None]] = {
    ".jsonl": write_jsonl,
    ".json": write_json,
    ".csv": write_csv,
    ".parquet": write_parquet,
}


def read(path: Path | str, **settings: Any) -> LabelledData:
    quick_check(DataConfig(train=str(path), **settings), CONVERSATIONS)
    return load_file(str(path), DataConfig(**settings), CONVERSATIONS, ())


def conversations(data: LabelledData) -> list[Conversation]:
    return [Conversation.from_json(text) for text in data.examples.texts(range(len(data.examples)))]


def first(tmp_path: Path, row: Row, **settings: Any) -> list[Row]:
    """The messages of a row in a .jsonl file, as templates get them."""
    write_jsonl(tmp_path / "rows.jsonl", [row])
    return [message.values() for message in conversations(read(tmp_path / "rows.jsonl", **settings))[0].messages]


def refusal(tmp_path: Path, *rows: Row, **settings: Any) -> SFTError:
    write_jsonl(tmp_path / "rows.jsonl", [FORMS["messages"], *rows])
    with pytest.raises(SFTError) as raised:
        read(tmp_path / "rows.jsonl", **settings)
    return raised.value


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_told_by_its_columns_in_every_file_format(tmp_path: Path, form: str, ending: str) -> None:
    path = tmp_path / f"rows{ending}"
    WRITERS[ending](path, [FORMS[form], FORMS[form]])
    found = conversations(read(path))
    assert [[message.values() for message in one.messages] for one in found] == [MESSAGES, MESSAGES]


def test_rows_in_memory_are_read_as_those_of_files() -> None:
    frame = pd.DataFrame([FORMS["messages"]])
    for rows in ([FORMS["messages"]], frame, [("Hi", "Hello 🎬")]):
        files = with_rows_as_files({"train": rows})["data"]["train"]
        assert conversations(read(files[0]))[0].last_answer == "Hello 🎬"


def test_the_data_check_names_the_form(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [FORMS["Alpaca"]])
    console = Console(width=120)
    with console.capture() as captured:
        console.print(describe(read(tmp_path / "rows.jsonl")))
    assert "instructions (columns instruction, input, output, history, system)" in " ".join(captured.get().split())


def test_alpaca_joins_instruction_and_input_and_begins_with_what_was_said_before(tmp_path: Path) -> None:
    row = {"instruction": "Add", "input": "1 and 2", "output": "3", "history": [["Hi", "Hello"]]}
    assert [message["content"] for message in first(tmp_path, row)] == ["Hi", "Hello", "Add\n1 and 2", "3"]


def test_named_columns_are_those_that_are_read(tmp_path: Path) -> None:
    row = {"messages": MESSAGES, "q": "Where?", "a": "  Here ", "chat": SHARED}
    assert [message["content"] for message in first(tmp_path, row, text="q", label="a")] == ["Where?", "  Here "]
    assert first(tmp_path, row, text="chat") == MESSAGES


def test_of_a_prompt_of_messages_no_answer_is_learned(tmp_path: Path) -> None:
    earlier = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    write_jsonl(tmp_path / "rows.jsonl", [{"prompt": earlier, "completion": MESSAGES[2:]}])
    (found,) = conversations(read(tmp_path / "rows.jsonl"))
    assert [message.learned for message in found.messages if message.role == "assistant"] == [False, True]


CALL = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Rome"}}}
TOOL_FORMS: dict[str, Row] = {
    "OpenAI": {"role": "assistant", "content": None, "tool_calls": [{**CALL, "id": "c1"}]},
    "arguments as a string": {
        "role": "assistant",
        "tool_calls": [{"id": "c1", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}],
    },
    "flat": {"role": "assistant", "tool_calls": [{"id": "c1", "name": "weather", "arguments": {"city": "Rome"}}]},
}


@pytest.mark.parametrize("form", TOOL_FORMS)
def test_calls_of_tools_come_to_one_form(tmp_path: Path, form: str) -> None:
    result = {"role": "tool", "content": "sun", "tool_call_id": "c1", "name": "weather"}
    row = {"messages": [MESSAGES[1], TOOL_FORMS[form], result, MESSAGES[2]], "tools": [CALL]}
    found = first(tmp_path, row)
    assert found[1] == {"role": "assistant", "content": "", "tool_calls": [{**CALL, "id": "c1"}]}
    assert found[2] == result


def test_calls_of_tools_in_sharegpt(tmp_path: Path) -> None:
    call = {"from": "function_call", "value": json.dumps(CALL["function"])}
    row = {"conversations": [SHARED[1], call, {"from": "observation", "value": "sun"}, SHARED[2]]}
    assert first(tmp_path, row)[1] == {"role": "assistant", "content": "", "tool_calls": [CALL]}


def test_a_table_of_arrow_adds_no_keys_to_arguments(tmp_path: Path) -> None:
    """Its objects have the keys of all rows, with None where a row has none."""
    rows = [
        {"messages": [MESSAGES[1], {"role": "assistant", "tool_calls": [{"name": "f", "arguments": {key: "1"}}]}]}
        for key in ("a", "b")
    ]
    write_parquet(tmp_path / "rows.parquet", rows)
    found = conversations(read(tmp_path / "rows.parquet"))
    arguments = [one.messages[1].more["tool_calls"][0]["function"]["arguments"] for one in found]
    assert arguments == [{"a": "1"}, {"b": "1"}]


def assistant(content: Any = "Yes", **more: Any) -> Row:
    return {"messages": [MESSAGES[1], {"role": "assistant", "content": content, **more}]}


FAULTY: list[tuple[str, Row, str]] = [
    ("SFT263", {"messages": [{"role": "usr", "content": "Hi"}]}, 'message 1 has the role "usr"'),
    ("SFT264", assistant(" \n"), "message 2, the assistant's, is empty"),
    ("SFT264", assistant(None), "is empty"),
    ("SFT272", {"messages": MESSAGES[:2]}, "no message is the assistant's"),
    ("SFT272", assistant(weight=0), "weight 0"),
    ("SFT273", {"messages": [MESSAGES[1], {"role": "tool", "content": "sun"}]}, "message 2 is the result of a tool"),
    ("SFT262", {"messages": '[{"role": "user"'}, "not valid JSON"),
    ("SFT262", {"messages": None}, "no conversation in column messages"),
    ("SFT262", {"messages": "Hi"}, "no list of messages"),
    ("SFT262", {"messages": ["Hi"]}, "no object"),
    ("SFT262", assistant(weight=0.5), "neither 0 nor 1"),
    ("SFT262", assistant([{"type": "image_url", "image_url": "x"}]), "is no text"),
    ("SFT262", assistant(tool_calls=[{"name": "f", "arguments": "{"}]), "not valid JSON"),
    ("SFT262", assistant(tool_calls=["f"]), "no call of a tool"),
    ("SFT262", {"messages": [*MESSAGES, MESSAGES[0]]}, "which only the first may be"),
]


@pytest.mark.parametrize(("code", "row", "words"), FAULTY)
def test_a_faulty_row_is_named_with_file_and_line(tmp_path: Path, code: str, row: Row, words: str) -> None:
    error = refusal(tmp_path, row)
    assert isinstance(error, DataError)
    assert error.code == code
    assert "rows.jsonl line 2" in str(error)
    assert words in str(error)


def test_a_result_with_the_id_of_no_call_is_named(tmp_path: Path) -> None:
    call = TOOL_FORMS["OpenAI"]
    error = refusal(tmp_path, {"messages": [MESSAGES[1], call, {"role": "tool", "content": "", "tool_call_id": "c2"}]})
    assert error.code == "SFT273"
    assert "c2" in str(error)


def test_keys_that_nothing_reads_are_reported(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [assistant(mood="good")])
    (found,) = read(tmp_path / "rows.jsonl").findings
    assert (found.code, found.severity) == ("SFT279", "warning")
    assert "mood" in str(found)


def test_a_long_conversation_is_nothing_odd(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [assistant("Yes. " * 10_000)])
    assert read(tmp_path / "rows.jsonl").findings == ()


@pytest.mark.parametrize("row", [{"a": "b"}, {"instruction": "Hi"}])
def test_a_file_without_columns_of_conversations_is_refused_at_once(tmp_path: Path, row: Row) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [row])
    with pytest.raises(SFTError, match="SFT278"):
        quick_check(DataConfig(train=str(tmp_path / "rows.jsonl")), CONVERSATIONS)
