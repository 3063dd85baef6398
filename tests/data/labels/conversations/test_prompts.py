"""The data check finds prompts with several answers, and questions of the test in training; the split divides none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sftkeras.config import DataConfig
from sftkeras.data import DataError, LabelledData, load_data
from sftkeras.data.checks.near_repeats import near_groups
from sftkeras.data.labels.conversations import prompts
from sftkeras.data.labels.conversations.kind import Conversations

ALLOWED = Conversations(frozenset({"several_answers", "test_in_training"}))


def write(path: Path, rows: list[tuple[str, str]]) -> str:
    lines = (json.dumps({"prompt": question, "completion": answer}) + "\n" for question, answer in rows)
    path.write_text("".join(lines), encoding="utf-8")
    return str(path)


def load(kind: Conversations = ALLOWED, **settings: Any) -> LabelledData:
    return load_data(DataConfig(**settings), kind, seed=1)


def different(count: int) -> list[tuple[str, str]]:
    return [(f"What is the {number} of {number * number} and {number * 7919}?", str(number)) for number in range(count)]


def test_one_prompt_with_several_answers_stops_unless_it_is_allowed(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [*different(20), ("Who?", "Ann"), ("Who?", "Bob"), ("Who?", "Ann")])
    with pytest.raises(DataError, match="SFT285") as raised:
        load(Conversations(), train=path)
    assert re.search(r"rows.jsonl line 21 and \S+rows.jsonl line 22", str(raised.value))
    assert "--task.allow '[several_answers]'" in str(raised.value)
    found = {one.code: one for one in load(train=path).findings}
    assert found["SFT285"].severity == "warning"
    assert found["SFT285"].count == 1


def test_a_file_that_asks_what_training_asks_stops_unless_it_is_allowed(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", [*different(20), ("How much is a ticket to the museum on Sundays?", "2")])
    test = write(
        tmp_path / "test.jsonl", [("Who are you?", "I"), ("how much is a ticket to the museum on Sunday", "3")]
    )
    with pytest.raises(DataError, match="SFT286") as raised:
        load(Conversations(), train=train, test=test)
    assert re.search(r"test.jsonl line 2 and \S+train.jsonl line 21", str(raised.value))
    found = {one.code: one for one in load(train=train, test=test).findings}
    assert (found["SFT286"].severity, found["SFT286"].count) == ("warning", 1)


def test_the_split_keeps_nearly_equal_questions_together(tmp_path: Path) -> None:
    asked = [text for number in range(15) for text in (f"How do I get from square {number} to the museum by bus",) * 2]
    rows = [(text + "?" * (at % 2), f"{at}") for at, text in enumerate(asked)]
    data = load(train=write(tmp_path / "rows.jsonl", [*rows, *different(40)]), split=[0.6, 0.2, 0.2])
    part = np.empty(len(data.examples), int)
    for number, rows_of_part in enumerate(data.splits.values()):
        part[rows_of_part] = number
    groups = near_groups([text for text, _ in [*rows, *different(40)]])
    assert all(len(set(part[groups == group])) == 1 for group in groups)
    assert set(part) == {0, 1, 2}


def test_what_was_grouped_is_read_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "rows.jsonl", different(20))
    first = load(train=path).splits
    monkeypatch.setattr(prompts, "near_groups", lambda *_: pytest.fail("grouped again"))
    assert all(np.array_equal(first[part], rows) for part, rows in load(train=path).splits.items())
